//! `--format pytorch`: state dicts in PyTorch's names and layout, the layers of networks, and a program that builds them.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::classifier::{Module, Part};
use super::{Networks, OneClassifier};
use crate::atomic;
use crate::backend::{Activation, Device};
use crate::checkpoint::Checkpoint;
use crate::classifier::Input;
use crate::error::Result;
use crate::gan::Conditions;
use crate::nn::{Filter, Layer, LayerKind};
use crate::tensor::Tensor;

/// The program that reads the files.
const LOAD: &str = include_str!("load.py");
/// The one key of the state dicts' metadata: the architecture, in JSON.
pub(super) const ARCHITECTURE: &str = "architecture";
/// That of a classifier's.
pub(super) const CLASSIFIER: &str = "classifier";
/// The file of all lists of layers.
const LAYERS: &str = "networks.json";
/// The one key of the metadata of other files.
const FORMAT: &str = "format";

/// Writes `netG.safetensors`, `netD.safetensors` where there is a discriminator, `conditions.safetensors` where conditions are drawn
/// from something, `example.safetensors`, `networks.json` and `load.py` into a folder that exists; gives their paths.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) where a file cannot be written.
pub fn write_pytorch(networks: &Networks, folder: &Path) -> Result<Vec<PathBuf>> {
    let architecture = networks.architecture_json().to_string();
    let mut written = Vec::new();
    let mut write = |name: &str, tensors: &Checkpoint, key: &str, value: &str| {
        written.push(folder.join(name));
        tensors.write_for_others(&folder.join(name), key, value.to_string())
    };
    write("netG.safetensors", &networks.generator_state()?, ARCHITECTURE, &architecture)?;
    if let Some(state) = networks.discriminator_state()? {
        write("netD.safetensors", &state, ARCHITECTURE, &architecture)?;
    }
    if let Some(tensors) = drawn_from(networks.generator.conditions())? {
        write("conditions.safetensors", &tensors, FORMAT, "pt")?;
    }
    write("example.safetensors", &networks.examples.tensors()?, FORMAT, "pt")?;
    written.extend(write_program(&layers_of(networks), folder)?);
    Ok(written)
}

/// Writes `netC.safetensors`, `example.safetensors`, `networks.json` and `load.py` of a classifier into a folder that exists; gives their
/// paths.
///
/// # Errors
/// As [`write_pytorch`].
pub fn write_pytorch_classifier(classifier: &OneClassifier, folder: &Path) -> Result<Vec<PathBuf>> {
    let said = classifier.described();
    let [state, examples] = ["netC.safetensors", "example.safetensors"].map(|name| folder.join(name));
    classifier.state()?.write_for_others(&state, CLASSIFIER, said.to_string())?;
    classifier.examples().write_for_others(&examples, FORMAT, "pt".to_string())?;
    let modules: Json = classifier.modules().iter().map(described_module).collect();
    let all = json!({ "description": said, "classifier": modules });
    Ok([vec![state, examples], write_program(&format!("{all:#}\n"), folder)?].concat())
}

/// Writes the layers of networks, and the program that builds them.
fn write_program(layers: &str, folder: &Path) -> Result<Vec<PathBuf>> {
    let write = |(name, text): (&str, &str)| {
        let path = folder.join(name);
        atomic::write(&path, text.as_bytes()).map(|()| path)
    };
    [(LAYERS, layers), ("load.py", LOAD)].into_iter().map(write).collect()
}

/// The architecture, and what `load.py` builds of each network.
fn layers_of(networks: &Networks) -> String {
    let architecture = &networks.architecture;
    let said = networks.architecture_json();
    let [generator, discriminator] =
        [architecture.generator(), architecture.discriminator()].map(|layers| described(&layers));
    let all = json!({ "architecture": said, "generator": generator, "discriminator": discriminator });
    format!("{all:#}\n")
}

/// A module of a classifier in JSON, in PyTorch's words.
fn described_module(Module { name, part }: &Module) -> Json {
    let mut module = match part {
        Part::Standardise(kind) => json!({ "layer": "standardise", "kind": kind, "epsilon": Input::FLAT }),
        Part::Layer(kind) => return described_layer(&Layer { name: name.clone(), kind: kind.clone() }),
        Part::Flatten => json!({ "layer": "flatten" }),
        Part::Linear { inputs, outputs } => json!({ "layer": "linear", "inputs": inputs, "outputs": outputs }),
        Part::Softmax => json!({ "layer": "softmax" }),
    };
    module["name"] = json!(name);
    module
}

/// A list of layers in JSON.
fn described(layers: &[Layer]) -> Json {
    layers.iter().map(described_layer).collect()
}

/// A layer in JSON, in PyTorch's words where it has such a module.
fn described_layer(Layer { name, kind }: &Layer) -> Json {
    let mut layer = match kind {
        LayerKind::Convolution(Filter {
            inputs, outputs, kernel, stride, padding, transposed, spectral, bias, ..
        }) => json!({
            "layer": if *transposed { "transposed_convolution" } else { "convolution" },
            "inputs": inputs, "outputs": outputs, "kernel": kernel, "stride": stride, "padding": padding, "bias": bias,
            "spectral": spectral,
        }),
        LayerKind::Norm { kind, channels, condition, .. } => {
            json!({ "layer": "norm", "kind": kind, "channels": channels, "condition": condition })
        }
        LayerKind::Activation(Activation::Identity) => json!({ "layer": "identity" }),
        LayerKind::Activation(Activation::Relu) => json!({ "layer": "relu" }),
        LayerKind::Activation(Activation::Tanh) => json!({ "layer": "tanh" }),
        LayerKind::Activation(Activation::LeakyRelu { slope }) => json!({ "layer": "leaky_relu", "slope": slope }),
        LayerKind::Upsample(factor) => json!({ "layer": "upsample", "factor": factor }),
        LayerKind::AveragePool(side) => json!({ "layer": "average_pool", "side": side }),
        LayerKind::SumPool => json!({ "layer": "sum_pool" }),
        LayerKind::Residual { body, shortcut } => {
            json!({ "layer": "residual", "body": described(body), "shortcut": described(shortcut) })
        }
        LayerKind::Spread(_) => json!({ "layer": "spread" }),
        LayerKind::Scores => json!({ "layer": "scores" }),
        LayerKind::Map => json!({ "layer": "map" }),
        LayerKind::Projection { condition, channels } => {
            json!({ "layer": "projection", "condition": condition, "channels": channels })
        }
    };
    layer["name"] = json!(name);
    layer
}

/// What conditions are drawn from: the frequencies of classes, the bank of features, and the class of each of its rows, -1 where it
/// is unknown. None where the classes come in turn, or there are none.
fn drawn_from(conditions: &Conditions) -> Result<Option<Checkpoint>> {
    let mut tensors = Checkpoint::new(serde_json::Map::new());
    if let Some(frequencies) = conditions.frequencies() {
        tensors.insert("frequencies", &Tensor::from_slice(&Device::reference(), frequencies, [frequencies.len()]))?;
    }
    if let Some(bank) = conditions.bank() {
        let rows = bank.features.len() / conditions.feature_length();
        let shape = [rows, conditions.feature_length()];
        tensors.insert("features", &Tensor::from_slice(&Device::cpu(), &bank.features, shape))?;
        if !bank.labels.is_empty() {
            let labels: Vec<i64> = bank.labels.iter().map(|label| label.map_or(-1, i64::from)).collect();
            tensors.insert_whole("labels", &labels, &[rows]);
        }
    }
    let is_empty = tensors.names().next().is_none();
    Ok((!is_empty).then_some(tensors))
}
