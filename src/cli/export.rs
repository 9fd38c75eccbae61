//! `graft export`: a checkpoint's networks for PyTorch, or its generator as ONNX.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::{named, tell, warn};
use crate::atomic;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::interchange::{Networks, write_onnx, write_pytorch};
use crate::run::Named;

/// Write a checkpoint's networks for PyTorch, or its generator as ONNX
#[derive(Args)]
#[command(after_help = "docs/interchange.md says what the files hold.\n\n\
    Examples:\n  graft export runs/dcgan-strokes-0 --out strokes\n  python strokes/load.py\n  \
    graft export last.safetensors --format onnx --out model")]
pub struct Export {
    /// A checkpoint, the folder of a run, or RUN@STEP or RUN@best
    checkpoint: PathBuf,
    /// State dicts of both networks with a load.py that builds them in PyTorch, or the generator as an ONNX model
    #[arg(long, value_enum, default_value_t = Format::Pytorch)]
    format: Format,
    /// The folder to write; there must be none yet
    #[arg(long, default_value = "export", value_name = "DIR")]
    out: PathBuf,
    /// The generator's weights as training left them, instead of their moving average
    #[arg(long)]
    raw: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Pytorch,
    Onnx,
}

impl Export {
    pub fn run(&self) -> Result<()> {
        super::check_vacant(&self.out)?;
        let path = Named::find(&self.checkpoint)?.file;
        let networks = Networks::load(&Checkpoint::read(&path)?, self.raw)
            .map_err(|error| Error::invalid(format!("{}: {error}", path.display())))?;
        let written = atomic::folder(&self.out, |folder| match self.format {
            Format::Pytorch => write_pytorch(&networks, folder),
            Format::Onnx => write_onnx(&networks, folder),
        })?;
        let names = written.iter().filter_map(|path| path.file_name());
        let files: Vec<String> = names.map(|name| named(self.out.join(name))).collect();
        tell("export", json!({ "files": files }), files.join("\n"));
        if self.format == Format::Pytorch && !networks.has_discriminator() {
            warn(format!("{} holds no discriminator: there is no netD.safetensors", path.display()));
        }
        Ok(())
    }
}
