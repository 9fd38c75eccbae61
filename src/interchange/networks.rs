//! The networks of a checkpoint as an export takes them, and what they give for a few samples.

use serde_json::{Value as Json, json};

use super::names::{self, Entry, Value};
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::data::Classes;
use crate::error::{Error, Result};
use crate::gan::{
    Architecture, DRAWN_FROM, Discriminator, Generator, RAW_GENERATOR, latents, load_discriminator, load_generator,
    load_raw_generator,
};
use crate::nn::{Mode, Parameter};
use crate::random::Purpose;
use crate::tensor::{Tensor, no_grad};

/// The names of classes, beside the architecture.
pub(super) const CLASS_NAMES: &str = "class_names";
/// Samples among the examples.
const EXAMPLES: usize = 8;
/// The random seed of their latents: they are the first that `graft sample` draws.
const SEED: u64 = 0;

/// The networks of a checkpoint, on the cpu.
#[derive(Debug)]
pub struct Networks {
    /// Their shapes.
    pub architecture: Architecture,
    pub(super) generator: Generator,
    discriminator: Option<Discriminator>,
    /// What they give for the first samples.
    pub(super) examples: Examples,
}

/// Latents, and what graft's networks make of them.
#[derive(Debug)]
pub(super) struct Examples {
    latent: Tensor,
    condition: Option<Tensor>,
    /// `[n, c, h, w]`, PyTorch's order.
    image: Tensor,
    score: Option<Tensor>,
}

/// Refuses a checkpoint that has only the average of its generator where the weights of training are to be exported.
pub(super) fn check_raw(checkpoint: &Checkpoint) -> Result<()> {
    match checkpoint.names().any(|name| name.split('.').next() == Some(RAW_GENERATOR)) {
        true => Ok(()),
        false => Err(Error::invalid("the checkpoint holds no weights but the average's: export those")),
    }
}

impl Networks {
    /// Those of a checkpoint: the average of the generator, or where `raw` its weights as training left them, with statistics for
    /// them; and the discriminator where there is one.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the checkpoint is none of graft's, or its tensors do not fit its header.
    pub fn load(checkpoint: &Checkpoint, raw: bool) -> Result<Networks> {
        let device = Device::cpu();
        let (architecture, generator) = if raw {
            check_raw(checkpoint)?;
            let (architecture, average) = load_raw_generator(checkpoint, &device)?;
            (architecture, average.into_network())
        } else {
            load_generator(checkpoint, &device)?
        };
        let discriminator = load_discriminator(checkpoint, &architecture, &device)?;
        let examples = Examples::new(&architecture, &generator, discriminator.as_ref());
        Ok(Networks { architecture, generator, discriminator, examples })
    }

    /// The architecture in JSON, as files say it, with the names of classes that are not their numbers, and what classes are drawn by where that
    /// is not in turn.
    pub(super) fn architecture_json(&self) -> Json {
        let mut architecture = json!(self.architecture);
        let names = self.generator.conditions().names();
        if *names != Classes::numbered(0..self.architecture.classes) {
            architecture[CLASS_NAMES] = json!(names.names());
        }
        if let Some(mut drawn_from) = self.generator.conditions().drawn_from() {
            // Labels are of a bank's rows, and `conditions.safetensors` has both.
            let field = drawn_from.as_object_mut().expect("fields of a header");
            field.retain(|name, value| name != "labels" && !value.is_null());
            if !field.is_empty() {
                architecture[DRAWN_FROM] = drawn_from;
            }
        }
        architecture
    }

    /// Whether the checkpoint holds a discriminator.
    pub fn has_discriminator(&self) -> bool {
        self.discriminator.is_some()
    }

    /// The generator's state dict.
    pub(super) fn generator_state(&self) -> Result<Checkpoint> {
        let parameters = [self.generator.parameters(), self.generator.statistics()].concat();
        state_dict(names::entries(&self.architecture.generator()), &parameters)
    }

    /// The discriminator's state dict.
    pub(super) fn discriminator_state(&self) -> Result<Option<Checkpoint>> {
        let Some(network) = &self.discriminator else { return Ok(None) };
        let parameters = [network.parameters(), network.statistics()].concat();
        state_dict(names::entries(&self.architecture.discriminator()), &parameters).map(Some)
    }
}

impl Examples {
    fn new(architecture: &Architecture, generator: &Generator, discriminator: Option<&Discriminator>) -> Examples {
        let device = generator.parameters()[0].device();
        let purpose = Purpose::SampleLatents;
        let latent = latents(&device, architecture.latent, SEED, purpose, 0, EXAMPLES);
        let condition = generator.conditions().draw(&device, (SEED, purpose, 0), 0, EXAMPLES, None);
        no_grad(|| {
            let images = generator.forward(&latent, condition.as_ref(), Mode::Evaluate);
            let score = discriminator.map(|d| d.forward(&images, condition.as_ref(), Mode::Evaluate).score);
            Examples { latent, image: images.permute(&[0, 3, 1, 2]), condition, score }
        })
    }

    /// As tensors with names.
    pub fn tensors(&self) -> Result<Checkpoint> {
        let mut tensors = Checkpoint::new(serde_json::Map::new());
        tensors.insert("latent", &self.latent)?;
        tensors.insert("image", &self.image)?;
        for (name, tensor) in [("condition", &self.condition), ("score", &self.score)] {
            if let Some(tensor) = tensor {
                tensors.insert(name, tensor)?;
            }
        }
        Ok(tensors)
    }
}

/// The entries of a state dict, of a network that has these parameters.
pub(super) fn state_dict(entries: Vec<Entry>, parameters: &[Parameter]) -> Result<Checkpoint> {
    let parameter = |name: &str| {
        let found = parameters.iter().find(|parameter| parameter.name() == name);
        found.unwrap_or_else(|| panic!("the network has no {name}"))
    };
    let mut state = Checkpoint::new(serde_json::Map::new());
    for Entry { name, shape, value } in entries {
        match value {
            Value::Stored(own) => state.insert(name, &parameter(&own).stored())?,
            Value::Transposed(own) => state.insert(name, &parameter(&own).stored().permute(&[1, 0]))?,
            Value::Opposite { filter, direction } => {
                state.insert(name, &opposite(&parameter(&filter).stored(), &parameter(&direction).stored()))?;
            }
            Value::Batches => state.insert_whole(name, &[0], &shape),
        }
    }
    Ok(state)
}

/// `W^T u / |W^T u|` of a filter `[k, c, h, w]` as the matrix `[k, c h w]`.
fn opposite(filter: &Tensor, direction: &Tensor) -> Tensor {
    /// As PyTorch's: keeps a zero filter zero.
    const TINY: f64 = 1e-12;
    let (outputs, rest) = (direction.len(), filter.len() / direction.len());
    no_grad(|| {
        let product = direction.reshape([1, outputs]).matmul(&filter.reshape([outputs, rest])).reshape([rest]);
        let norm = (&product * &product).sum().sqrt();
        product / (norm + TINY)
    })
}
