//! `--format pytorch`: state dicts in PyTorch's names and layout, and a program that builds the networks around them.

use std::path::{Path, PathBuf};

use super::Networks;
use crate::atomic;
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::gan::Conditions;
use crate::tensor::Tensor;

/// The program that reads the files.
const LOAD: &str = include_str!("load.py");
/// The one key of the state dicts' metadata: the architecture, in JSON.
pub(super) const ARCHITECTURE: &str = "architecture";
/// The one key of the metadata of other files.
const FORMAT: &str = "format";

/// Writes `netG.safetensors`, `netD.safetensors` where there is a discriminator, `conditions.safetensors` where conditions are drawn
/// from something, `example.safetensors` and `load.py` into a folder that exists; gives their paths.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) where a file cannot be written.
pub fn write_pytorch(networks: &Networks, folder: &Path) -> Result<Vec<PathBuf>> {
    let architecture = networks.architecture_json();
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
    let program = folder.join("load.py");
    atomic::write(&program, LOAD.as_bytes())?;
    written.push(program);
    Ok(written)
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
