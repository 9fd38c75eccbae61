//! `graft export`: a checkpoint's networks for PyTorch, or its generator as ONNX; or a trained classifier as either.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::{named, tell, warn};
use crate::atomic;
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::experiment::classify::{KeptClassifier, classifier_path};
use crate::interchange::{
    Networks, OneClassifier, write_onnx, write_onnx_classifier, write_pytorch, write_pytorch_classifier,
};
use crate::run::Named;

/// Write a checkpoint's networks for PyTorch, or its generator as ONNX; or a classifier that graft classify trained
#[derive(Args)]
#[command(after_help = "docs/interchange.md says what the files hold.\n\n\
    Examples:\n  graft export runs/dcgan-strokes-0 --out strokes\n  python strokes/load.py\n  \
    graft export last.safetensors --format onnx --out model\n  \
    graft export runs/classify/cells/selftrain-5-seed0 --format onnx --out model")]
pub struct Export {
    /// A checkpoint, the folder of a run, or RUN@STEP or RUN@best; a classifier.safetensors, or the folder of its run
    checkpoint: PathBuf,
    /// State dicts of the networks with a load.py that builds them in PyTorch, or the generator, or classifier, as an ONNX model
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
        let classifier = classifier_path(&self.checkpoint);
        if classifier.exists() {
            return self.write_classifier(&classifier);
        }
        let path = Named::find(&self.checkpoint)?.file;
        let checkpoint = Checkpoint::read(&path)?;
        if KeptClassifier::is_in(&checkpoint) {
            return self.write_classifier(&path);
        }
        let networks = Networks::load(&checkpoint, self.raw)
            .map_err(|error| Error::invalid(format!("{}: {error}", path.display())))?;
        self.write(|folder| match self.format {
            Format::Pytorch => write_pytorch(&networks, folder),
            Format::Onnx => write_onnx(&networks, folder),
        })?;
        if self.format == Format::Pytorch && !networks.has_discriminator() {
            warn(format!("{} holds no discriminator: there is no netD.safetensors", path.display()));
        }
        Ok(())
    }

    fn write_classifier(&self, path: &Path) -> Result<()> {
        if self.raw {
            return Err(Error::option("raw", "is of generators: of a classifier only the average is kept"));
        }
        let KeptClassifier { classifier, classes, .. } = KeptClassifier::read(path, &Device::cpu())?;
        let classifier = OneClassifier::new(classifier, classes)?;
        self.write(|folder| match self.format {
            Format::Pytorch => write_pytorch_classifier(&classifier, folder),
            Format::Onnx => write_onnx_classifier(&classifier, folder),
        })
    }

    /// Fills the folder, and says with what.
    fn write(&self, fill: impl FnOnce(&Path) -> Result<Vec<PathBuf>>) -> Result<()> {
        let written = atomic::folder(&self.out, fill)?;
        let names = written.iter().filter_map(|path| path.file_name());
        let files: Vec<String> = names.map(|name| named(self.out.join(name))).collect();
        tell("export", json!({ "files": files }), files.join("\n"));
        Ok(())
    }
}
