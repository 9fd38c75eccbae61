//! Reading state dicts of PyTorch: those of its own DCGAN example, and those that an export wrote.

use std::path::{Path, PathBuf};

use safetensors::Dtype;
use serde_json::{Value as Json, json};

use super::names::{Entry, Value, entries};
use super::networks::CLASS_NAMES;
use super::pytorch::{ARCHITECTURE, CLASSIFIER};
use super::shapes::{self, Seen};
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::checkpoint::{is_pickle, pickle};
use crate::error::{Error, Result};
use crate::gan::{Architecture, CLASSES, Conditions, DISCRIMINATOR, DRAWN_FROM, GENERATOR, NetworkKind, Role};
use crate::nn::NormKind;
use crate::tensor::no_grad;

/// What wrappers put before the names of a state dict: `nn.DataParallel` and `torch.compile`.
const WRAPPERS: [&str; 2] = ["module.", "_orig_mod."];

/// How names of running variances end.
const VARIANCE: &str = "running_var";

/// A network of PyTorch as it lies in a file.
struct StateDict {
    path: PathBuf,
    tensors: Checkpoint,
    /// What an export says of it.
    described: Option<Architecture>,
    /// What an export calls its classes, where those are not their numbers.
    class_names: Option<Json>,
    /// What an export's classes are drawn by, where they do not come in turn.
    drawn_from: Option<Json>,
}

/// A checkpoint of imported networks, and what a person should know of it.
pub struct Imported {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// What was taken for granted.
    pub notes: Vec<String>,
}

/// A checkpoint of the networks in two safetensors files, of a generator and of a discriminator where there is one. `d_norm` names
/// the discriminator's norm where its tensors leave open which it is.
///
/// # Errors
/// [`Error::Invalid`] naming every tensor that is missing, unexpected or of another shape or type; [`Error::Io`] and [`Error::Format`]
/// as [`Checkpoint::read`].
pub fn import(generator: &Path, discriminator: Option<&Path>, d_norm: Option<NormKind>) -> Result<Imported> {
    let generator = StateDict::read(generator)?;
    let discriminator = discriminator.map(StateDict::read).transpose()?;
    if shapes::is_discriminator(&generator.tensors) {
        return Err(
            generator.error("holds a discriminator: name a generator first, and this file as the discriminator")
        );
    }
    if let Some(other) = discriminator.as_ref().filter(|state| !shapes::is_discriminator(&state.tensors)) {
        return Err(other.error("holds no discriminator: name one, or none"));
    }
    let architecture = architecture(&generator, discriminator.as_ref(), d_norm)?;
    let of_generator = (&generator, GENERATOR, entries(&architecture.generator()));
    let of_discriminator = discriminator.as_ref().map(|d| (d, DISCRIMINATOR, entries(&architecture.discriminator())));
    let networks: Vec<_> = [of_generator].into_iter().chain(of_discriminator).collect();
    let misfits: Vec<String> = networks.iter().filter_map(|(state, _, entries)| state.misfits(entries)).collect();
    if !misfits.is_empty() {
        let like = match architecture.network {
            NetworkKind::DCGAN => "PyTorch's DCGAN example has them",
            _ => "`graft export` writes them",
        };
        return Err(Error::invalid(format!("{}; import networks as {like}", misfits.join("; "))));
    }
    let mut checkpoint = Checkpoint::new(header(&architecture));
    if let Some(names) = generator.class_names.clone() {
        checkpoint.header.insert(CLASSES.to_string(), names);
    }
    if let Some(drawn_from) = generator.drawn_from.clone() {
        checkpoint.header.insert(DRAWN_FROM.to_string(), drawn_from);
    }
    Conditions::load(&architecture, &checkpoint).map_err(|_| {
        let classes = architecture.classes;
        generator.error(&format!(
            "has metadata whose names or frequencies of classes do not fit its {classes} classes: take them out of it"
        ))
    })?;
    for (state, prefix, entries) in &networks {
        state.insert_into(&mut checkpoint, prefix, entries)?;
    }
    if let Some(name) = checkpoint.first_broken() {
        return Err(Error::invalid(format!(
            "{name} holds numbers that are not finite: import a state dict from before training diverged"
        )));
    }
    let mut notes = Vec::new();
    if generator.described.is_none() && architecture.classes > 0 {
        notes.push(format!(
            "{} does not say what its condition is: each of the {} numbers is taken for a class",
            generator.path.display(),
            architecture.classes
        ));
    }
    Ok(Imported { checkpoint, notes })
}

/// A checkpoint says of itself what `graft sample` and `graft transfer` ask for.
fn header(architecture: &Architecture) -> serde_json::Map<String, serde_json::Value> {
    let header = json!({
        "graft": env!("CARGO_PKG_VERSION"),
        "imported": "pytorch",
        "recipe": { "architecture": architecture },
    });
    let serde_json::Value::Object(header) = header else { unreachable!("the header is written as an object") };
    header
}

/// The architecture of both networks: what the tensors show, and where they leave something open, what an export says.
fn architecture(
    generator: &StateDict,
    discriminator: Option<&StateDict>,
    d_norm: Option<NormKind>,
) -> Result<Architecture> {
    let described = generator.described;
    if let (Some(one), Some((state, other))) =
        (described, discriminator.and_then(|state| Some((state, state.described?))))
        && one.network != other.network
    {
        return Err(state.error(&another_kind(other.network, one.network)));
    }
    let networks: Vec<NetworkKind> =
        NetworkKind::all().filter(|&kind| described.is_none_or(|described| described.network == kind)).collect();
    let seen = shapes::seen(&generator.tensors, Role::Generator, &networks, &shapes::NORMS);
    let norms = d_norm.map_or(shapes::NORMS.to_vec(), |norm| vec![norm]);
    let other =
        discriminator.map(|state| (state, shapes::seen(&state.tensors, Role::Discriminator, &networks, &norms)));
    let d_norm = match &other {
        Some((state, other)) => {
            let known = other.d_norm.or(state.described.map(|described| described.d_norm));
            known.ok_or_else(|| state.error("has an instance norm or a layer norm: say which with d-norm"))?
        }
        None => described.map_or(NormKind::Batch, |described| described.d_norm),
    };
    let features = described.map_or(0, |described| described.condition_features);
    if features > 0 {
        let text = "holds a generator that is given features, and not the bank they are drawn from: sample the run's checkpoint";
        return Err(generator.error(text));
    }
    // Where a tensor is missing, the report says so; any number serves until then.
    let open = Architecture::dcgan(seen.size, 3);
    let architecture = Architecture {
        network: seen.network,
        channels: seen.channels.unwrap_or(open.channels),
        features: seen.features.unwrap_or(open.features),
        latent: seen.latent.unwrap_or(open.latent),
        classes: seen.condition,
        d_norm,
        ..open
    };
    within(&architecture).map_err(|text| generator.error(&text))?;
    if let Some((state, other)) = &other {
        fits(&architecture, other).map_err(|text| state.error(&text))?;
    }
    Ok(architecture)
}

/// Refuses networks that graft does not have, before any is allocated.
fn within(architecture: &Architecture) -> Result<(), String> {
    let Architecture { channels, classes, .. } = *architecture;
    match architecture.check() {
        Ok(()) => Ok(()),
        Err(_) if ![1, 3].contains(&channels) => {
            Err(format!("draws {channels} channels: graft's networks draw 1 or 3"))
        }
        Err(_) if classes > 65536 => {
            Err(format!("has conditions of {classes} numbers: graft's networks have at most 65536 classes"))
        }
        Err(_) => Err(format!(
            "has {} features and a latent of {}: graft's networks take 1 to 65536 of both",
            architecture.features, architecture.latent
        )),
    }
}

fn another_kind(other: NetworkKind, generator: NetworkKind) -> String {
    format!(
        "does not go with the generator: it is of the kind {other} and the generator {generator}; name another, or none"
    )
}

/// Refuses a discriminator of other sizes than the generator's.
fn fits(architecture: &Architecture, other: &Seen) -> Result<(), String> {
    let Architecture { size, channels, features, .. } = *architecture;
    if other.network != architecture.network {
        return Err(another_kind(other.network, architecture.network));
    }
    let rows = [
        ("size", other.size, size),
        ("number of channels", other.channels.unwrap_or(channels), channels),
        ("width", other.features.unwrap_or(features), features),
        ("condition's length", other.condition, architecture.condition_length()),
    ];
    match rows.into_iter().find(|(_, theirs, own)| theirs != own) {
        None => Ok(()),
        Some((what, theirs, own)) => Err(format!(
            "does not go with the generator: its {what} is {theirs} and the generator's {own}; name another, or none"
        )),
    }
}

impl StateDict {
    fn read(path: &Path) -> Result<StateDict> {
        if is_pickle(path) {
            return Err(pickle(path));
        }
        let (tensors, metadata) = Checkpoint::read_with_metadata(path)?;
        if !tensors.header.is_empty() {
            let text = "is a checkpoint of graft already: use it as it is";
            return Err(Error::invalid(format!("{} {text}", path.display())));
        }
        if metadata.contains_key(CLASSIFIER) {
            return Err(Error::invalid(format!(
                "{} holds a classifier, and networks of GANs are imported",
                path.display()
            )));
        }
        let mut said: Json =
            metadata.get(ARCHITECTURE).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let mut part = |name: &str| said.as_object_mut().and_then(|said| said.remove(name));
        let (class_names, drawn_from) = (part(CLASS_NAMES), part(DRAWN_FROM));
        let described = serde_json::from_value(said).ok();
        Ok(StateDict { path: path.to_path_buf(), tensors: unwrapped(tensors), described, class_names, drawn_from })
    }

    fn error(&self, text: &str) -> Error {
        Error::invalid(format!("{} {text}", self.path.display()))
    }

    /// Every name that keeps the tensors from being these entries, in a sentence.
    fn misfits(&self, entries: &[Entry]) -> Option<String> {
        let of_name = |name: &str| entries.iter().find(|entry| entry.name == name);
        let missing = entries.iter().filter(|entry| self.tensors.shape(&entry.name).is_none());
        // State dicts from before PyTorch 0.4.1 do not count batches.
        let missing = missing.filter(|entry| entry.value != Value::Batches).map(|entry| entry.name.clone());
        let unexpected = self.tensors.names().filter(|name| of_name(name).is_none()).map(str::to_string);
        let mismatched = self.tensors.names().filter_map(|name| self.mismatch(of_name(name)?));
        let lists = [
            ("missing", missing.collect::<Vec<_>>()),
            ("unexpected", unexpected.collect()),
            ("mismatched", mismatched.collect()),
        ];
        let lists: Vec<String> = lists
            .iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(what, names)| format!("{what} {}", names.join(", ")))
            .collect();
        (!lists.is_empty()).then(|| format!("{} does not fit: {}", self.path.display(), lists.join("; ")))
    }

    fn mismatch(&self, Entry { name, shape, value }: &Entry) -> Option<String> {
        let (found, dtype) = (self.tensors.shape(name)?, self.tensors.dtype(name)?);
        if *value == Value::Batches {
            return None;
        }
        if found != shape {
            return Some(format!("{name} ({found:?}, not {shape:?})"));
        }
        (!matches!(dtype, Dtype::F32 | Dtype::F64)).then(|| format!("{name} ({dtype:?}, not F32)"))
    }

    /// Adds the parameters that these entries are to a checkpoint.
    fn insert_into(&self, checkpoint: &mut Checkpoint, prefix: &str, entries: &[Entry]) -> Result<()> {
        let device = Device::cpu();
        for Entry { name, value, .. } in entries {
            let (own, tensor) = match value {
                Value::Stored(own) => (own, self.tensors.tensor(name, &device)?),
                Value::Transposed(own) => (own, no_grad(|| Ok(self.tensors.tensor(name, &device)?.permute(&[1, 0])))?),
                Value::Opposite { .. } | Value::Batches => continue,
            };
            if own.ends_with(VARIANCE) && tensor.to_vec::<f32>()?.iter().any(|&variance| variance < 0.0) {
                return Err(self.error(&format!("has a negative variance in {name}, whose root is no number")));
            }
            checkpoint.insert(format!("{prefix}.{own}"), &tensor)?;
        }
        Ok(())
    }
}

/// The same tensors without the part of their names that a wrapper put before all of them.
fn unwrapped(tensors: Checkpoint) -> Checkpoint {
    // Either may be around the other.
    match WRAPPERS.into_iter().find(|wrapper| tensors.names().all(|name| name.starts_with(wrapper))) {
        Some(wrapper) if tensors.names().next().is_some() => unwrapped(tensors.without_prefix(wrapper)),
        _ => tensors,
    }
}
