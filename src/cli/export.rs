//! `graft export`: a checkpoint's networks for PyTorch, its generator as ONNX or as a page that draws; or a trained classifier for PyTorch or
//! as ONNX.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::predict::refuse_experiment;
use super::{live, named, tell, warn};
use crate::atomic;
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::experiment::classify::{KeptClassifier, classifier_path};
use crate::interchange::{
    Networks, OneClassifier, write_onnx, write_onnx_classifier, write_pytorch, write_pytorch_classifier,
};
use crate::run::Named;

/// Write a checkpoint's networks for PyTorch, or its generator as ONNX or as a page that draws; or a classifier that graft classify trained
#[derive(Args)]
#[command(after_help = "docs/interchange.md says what the files hold.\n\n\
    Examples:\n  graft export runs/dcgan-strokes-0 --out strokes\n  python strokes/load.py\n  \
    graft export last.safetensors --format onnx --out model\n  \
    graft export runs/classify/cells/selftrain-5-seed0 --format onnx --out model\n  \
    graft export runs/trgan-street-0 --format web --out page.html")]
pub struct Export {
    /// A checkpoint, the folder of a run, or RUN@STEP or RUN@best; a classifier.safetensors, or the folder of its run
    checkpoint: PathBuf,
    /// State dicts of the networks with a load.py that builds them in PyTorch; the generator, or classifier, as an ONNX model; or one page in
    /// which the generator draws on the viewer's own graphics card, of a transferred run beside its source's
    #[arg(long, value_enum, default_value_t = Format::Pytorch)]
    format: Format,
    /// The folder to write, or the page; there must be none yet [default: export; page.html with --format web]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// The generator's weights as training left them, instead of their moving average
    #[arg(long)]
    raw: bool,
    /// With --format web: all weights in 32 bits, which doubles the page; else filters in 16
    #[arg(long)]
    f32: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Pytorch,
    Onnx,
    Web,
}

impl Export {
    pub fn run(&self) -> Result<()> {
        let out = self.out.clone().unwrap_or_else(|| match self.format {
            Format::Web => PathBuf::from("page.html"),
            _ => PathBuf::from("export"),
        });
        if self.f32 && self.format != Format::Web {
            return Err(Error::option("f32", "is of --format web: other formats have all bits"));
        }
        super::check_vacant("out", &out)?;
        let classifier = classifier_path(&self.checkpoint);
        if classifier.exists() {
            return self.write_classifier(&classifier, &out);
        }
        refuse_experiment(&self.checkpoint)?;
        let found = Named::find(&self.checkpoint)?;
        let path = &found.file;
        let checkpoint = Checkpoint::read(path)?;
        if KeptClassifier::is_in(&checkpoint) {
            return self.write_classifier(path, &out);
        }
        let of_file = |error: Error| Error::invalid(format!("{}: {error}", path.display()));
        if self.format == Format::Web {
            let live = live::of(&found, &checkpoint, self.raw, self.f32).map_err(of_file)?;
            live.write(&out)?;
            say_written(&[named(&out)]);
            return Ok(());
        }
        let networks = Networks::load(&checkpoint, self.raw).map_err(of_file)?;
        self.fill(&out, |folder| match self.format {
            Format::Onnx => write_onnx(&networks, folder),
            _ => write_pytorch(&networks, folder),
        })?;
        if self.format == Format::Pytorch && !networks.has_discriminator() {
            warn(format!("{} holds no discriminator: there is no netD.safetensors", path.display()));
        }
        Ok(())
    }

    fn write_classifier(&self, path: &Path, out: &Path) -> Result<()> {
        if self.raw {
            return Err(Error::option("raw", "is of generators: of a classifier only the average is kept"));
        }
        if self.format == Format::Web {
            return Err(Error::option("format", "web is of generators: a classifier draws nothing"));
        }
        let KeptClassifier { classifier, classes, .. } = KeptClassifier::read(path, &Device::cpu())?;
        let classifier = OneClassifier::new(classifier, classes)?;
        self.fill(out, |folder| match self.format {
            Format::Onnx => write_onnx_classifier(&classifier, folder),
            _ => write_pytorch_classifier(&classifier, folder),
        })
    }

    /// Fills the folder, and says with what.
    fn fill(&self, out: &Path, fill: impl FnOnce(&Path) -> Result<Vec<PathBuf>>) -> Result<()> {
        let written = atomic::folder(out, fill)?;
        let names = written.iter().filter_map(|path| path.file_name());
        let files: Vec<String> = names.map(|name| named(out.join(name))).collect();
        say_written(&files);
        Ok(())
    }
}

fn say_written(files: &[String]) {
    tell("export", json!({ "files": files }), files.join("\n"));
}
