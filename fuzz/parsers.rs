//! Every parser of files that graft has, by the name of its fuzz target: fed any bytes it must return an error or
//! something that makes sense. The fuzz targets and the test suite share this file.

use std::fs;
use std::path::{Path, PathBuf};

use graft::data::{Dataset, Spec, Split, matlab};
use graft::gan::{load_generator, load_raw_generator, sample};
use graft::interchange::Networks;
use graft::metrics::Judge;
use graft::random::Purpose;
use graft::run::RunFolder;
use graft::transfer::{Plan, SourceGan};
use graft::{Checkpoint, Error};

thread_local! {
    /// Where the parsers find what they are fed.
    static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("a temporary folder");
}

/// Feeds a parser; whether it accepted the bytes.
///
/// # Panics
/// Where the parser does, or where it accepted what makes no sense.
pub fn feed(parser: &str, bytes: &[u8]) -> bool {
    FOLDER.with(|folder| {
        let folder = folder.path();
        let outcome = match parser {
            "idx" => idx(&placed(folder, "images.idx", bytes)),
            "matlab" => matlab_arrays(&placed(folder, "x.mat", bytes)),
            "cifar10" => data("cifar10", placed(folder, "test_batch.bin", bytes).parent(), Split::Test),
            "cifar100" => data("cifar100", placed(folder, "test.bin", bytes).parent(), Split::Test),
            "folder" => data("folder", placed(folder, "images/x", bytes).parent(), Split::Train),
            "zip" => data("zip", Some(&placed(folder, "x.zip", bytes)), Split::Train),
            "npz" => data("npz", Some(&placed(folder, "x.npz", bytes)), Split::Train),
            "npy" => npy(&placed(folder, "x.npy", bytes)),
            "checkpoint" => checkpoint(&placed(folder, "x.safetensors", bytes)),
            "import" => import(&placed(folder, "x.safetensors", bytes)),
            "header" => header(&placed(folder, "headed.safetensors", &[]), bytes),
            "config" => config(placed(folder, "config.toml", bytes).parent().expect("a folder")),
            other => panic!("no parser is called {other}"),
        };
        if let Err(error) = &outcome {
            assert!(!error.to_string().is_empty());
        }
        outcome.is_ok()
    })
}

fn placed(folder: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a temporary folder");
    fs::write(&path, bytes).expect("a temporary file");
    path
}

fn data(kind: &str, path: Option<&Path>, split: Split) -> Result<(), Error> {
    let spec: Spec = format!("{kind}:{}", path.expect("a path").display()).parse()?;
    let Dataset { images, labels, classes, .. } = spec.load(split)?;
    assert!(images.count > 0);
    assert_eq!(images.pixels().len(), images.count * images.height * images.width * images.channels);
    if let Some(labels) = labels {
        assert!(labels.len() == images.count && labels.iter().all(|&label| (label as usize) < classes.len()));
    }
    Ok(())
}

/// As images, and where they are not, as labels.
fn idx(path: &Path) -> Result<(), Error> {
    let _ = graft::data::idx::read_labels(path, 3, None);
    data("idx", Some(path), Split::Train)
}

/// As images, and as the labels of three.
fn npy(path: &Path) -> Result<(), Error> {
    let images = seed("npy/images.npy");
    let labels = data("npy", Some(Path::new(&format!("{},{}", images.display(), path.display()))), Split::Train);
    data("npy", Some(path), Split::Train).or(labels)
}

/// Every array there is, and the images and labels of SVHN.
fn matlab_arrays(path: &Path) -> Result<(), Error> {
    let _ = data("svhn", Some(path), Split::Train);
    for array in matlab::read(path, |_| Ok(true))? {
        assert_eq!(array.bytes.len(), array.header.dimensions.iter().product::<usize>());
    }
    Ok(())
}

fn checkpoint(path: &Path) -> Result<(), Error> {
    let checkpoint = Checkpoint::read(path)?;
    let device = graft::Device::reference();
    for name in checkpoint.names() {
        if let Ok(tensor) = checkpoint.tensor(name, &device) {
            assert_eq!(Some(tensor.shape()), checkpoint.shape(name));
        }
    }
    Ok(())
}

/// As a generator and as a discriminator of one.
fn import(path: &Path) -> Result<(), Error> {
    let alone = graft::interchange::import(path, None, None);
    let beside = graft::interchange::import(&seed("import/netG.safetensors"), Some(path), None);
    alone.or(beside).map(|graft::interchange::Imported { checkpoint, .. }| {
        assert!(checkpoint.names().all(|name| checkpoint.shape(name).is_some()))
    })
}

/// A file of the corpus.
fn seed(name: &str) -> PathBuf {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("fuzz/corpus"));
    corpora.map(|corpus| corpus.join(name)).find(|path| path.is_file()).expect("a seed")
}

/// As the header of a checkpoint of small networks, whose digest is right: for all that believes a header.
fn header(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let networks = ["netG", "netD"].map(|name| seed(&format!("import/{name}.safetensors")));
    let mut checkpoint = graft::interchange::import(&networks[0], Some(&networks[1]), None)?.checkpoint;
    checkpoint.header = serde_json::from_slice(bytes).map_err(|error| Error::invalid(error.to_string()))?;
    checkpoint.write(path)?;
    let (checkpoint, device) = (Checkpoint::read(path)?, graft::Device::cpu());
    let _ = Judge::read(path, &device);
    let _ = load_raw_generator(&checkpoint, &device);
    for raw in [false, true] {
        if let Ok(networks) = Networks::load(&checkpoint, raw) {
            assert!(networks.has_discriminator());
        }
    }
    let source = SourceGan::load(&checkpoint, &device);
    let (architecture, network) = load_generator(&checkpoint, &device)?;
    assert_eq!(source?.architecture, architecture);
    let images = sample(&network, &architecture, 0, Purpose::SampleLatents, 1, None)?;
    assert_eq!(images.pixels().len(), architecture.size * architecture.size * architecture.channels);
    Ok(())
}

/// As the settings of a run of either command.
fn config(folder: &Path) -> Result<(), Error> {
    let folder = RunFolder::open(folder)?;
    let plan = folder.read_settings().and_then(|plan: Plan| plan.check());
    let _ = folder.command();
    folder.settings().map(drop).or(plan)
}
