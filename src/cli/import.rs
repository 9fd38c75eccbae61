//! `graft import`: a checkpoint of PyTorch's networks.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::{named, tell, warn};
use crate::error::Result;
use crate::interchange::{Imported, import};
use crate::nn::NormKind;

/// Make a checkpoint of networks that PyTorch trained: its DCGAN example's, or exported ones
#[derive(Args)]
#[command(
    after_help = "Files are state dicts, saved as safetensors; docs/interchange.md has the two lines of Python. Sizes are read from shapes.\n\
    `graft sample`, `evaluate`, `export` and `transfer --source` take the checkpoint.\n\n\
    Examples:\n  graft import netG.safetensors --discriminator netD.safetensors --out faces.safetensors\n  \
    graft sample faces.safetensors\n  \
    graft transfer --source faces.safetensors --target folder:DIR"
)]
pub struct Import {
    /// The generator's state dict
    generator: PathBuf,
    /// The discriminator's state dict; without it a transfer needs --d-init fresh
    #[arg(long, value_name = "FILE")]
    discriminator: Option<PathBuf>,
    /// The discriminator's norm, where names and shapes leave open which it is
    #[arg(long, value_enum, value_name = "NORM", requires = "discriminator")]
    d_norm: Option<SampleNorm>,
    /// Where to write; nothing there is replaced
    #[arg(long, default_value = "imported.safetensors", value_name = "FILE")]
    out: PathBuf,
}

/// The norms whose tensors look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SampleNorm {
    Instance,
    Layer,
}

impl Import {
    pub fn run(&self) -> Result<()> {
        super::check_vacant("out", &self.out)?;
        let d_norm = self.d_norm.map(|norm| match norm {
            SampleNorm::Instance => NormKind::Instance,
            SampleNorm::Layer => NormKind::Layer,
        });
        let Imported { checkpoint, notes } = import(&self.generator, self.discriminator.as_deref(), d_norm)?;
        notes.iter().for_each(|note| warn(format!("note: {note}")));
        checkpoint.write(&self.out)?;
        tell("import", json!({ "checkpoint": named(&self.out) }), self.out.display());
        Ok(())
    }
}
