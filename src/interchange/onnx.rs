//! `--format onnx`: a generator or a classifier as an ONNX model, which runs wherever ONNX does.
//!
//! The model is the protocol buffer message `ModelProto` of `onnx/onnx.proto`. Its weights have the names of PyTorch's state dict.

use std::path::{Path, PathBuf};

use super::graph::{Graph, field};
use super::{Networks, OneClassifier};
use crate::atomic;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::protobuf::Message;

/// The version of the operators, of 2021: all that they are used for is older than onnxruntime 1.11.
const OPSET: u64 = 17;
/// The version of the file's layout that came with it.
const IR_VERSION: u64 = 8;
/// Protocol buffers end here.
const MOST_BYTES: usize = i32::MAX as usize;

/// Writes `netG.onnx`, and `example.safetensors` with latents and the images that graft makes of them, into a folder that exists;
/// gives their paths.
///
/// # Errors
/// [`Error::Invalid`] where the generator is too large for ONNX, [`Error::Io`] where a file cannot be written.
pub fn write_onnx(networks: &Networks, folder: &Path) -> Result<Vec<PathBuf>> {
    write("generator", &of_generator(networks)?, &networks.examples.tensors()?, &folder.join("netG.onnx"))
}

/// Writes `netC.onnx`, and `example.safetensors` with images and the probabilities that graft's classifier gives, into a folder that exists;
/// gives their paths.
///
/// # Errors
/// As [`write_onnx`].
pub fn write_onnx_classifier(classifier: &OneClassifier, folder: &Path) -> Result<Vec<PathBuf>> {
    write("classifier", &of_classifier(classifier)?, classifier.examples(), &folder.join("netC.onnx"))
}

fn write(what: &str, model: &Message, examples: &Checkpoint, onnx: &Path) -> Result<Vec<PathBuf>> {
    if model.0.len() > MOST_BYTES {
        return Err(Error::invalid(format!(
            "the {what} takes {} bytes as ONNX, which holds {MOST_BYTES} at most: export it for PyTorch instead",
            model.0.len()
        )));
    }
    atomic::write(onnx, &model.0)?;
    let beside = onnx.with_file_name("example.safetensors");
    examples.write_for_others(&beside, "format", "pt".to_string())?;
    Ok(vec![onnx.to_path_buf(), beside])
}

fn of_generator(networks: &Networks) -> Result<Message> {
    let architecture = &networks.architecture;
    let (size, channels, conditions) = (architecture.size, architecture.channels, architecture.condition_length());
    let condition = match conditions {
        0 => String::new(),
        length => format!(" and `condition` [n, {length}], {} classes then features,", architecture.classes),
    };
    let about = format!(
        "{}'s generator: `latent` [n, {}] from N(0, 1){condition} to `image` [n, {channels}, {size}, {size}] in (-1, 1)",
        architecture.network.title(),
        architecture.latent,
    );
    let layers = architecture.generator();
    let last = layers.last().map(|layer| layer.name.clone()).unwrap_or_default();
    let mut graph = Graph::new("netG", networks.generator_state()?, (last, "image"));
    graph.input("latent", &[architecture.latent]);
    if conditions > 0 {
        graph.input("condition", &[conditions]);
    }
    graph.layers(&layers, "latent".to_string())?;
    Ok(model(about, graph.finish(&[channels, size, size]), "architecture", networks.architecture_json().to_string()))
}

fn of_classifier(classifier: &OneClassifier) -> Result<Message> {
    let (design, classes) = (classifier.design(), classifier.classes());
    let about = format!(
        "A classifier: `image` [n, {channels}, {size}, {size}] in [-1, 1] to `probabilities` [n, {}] of {}",
        classes.len(),
        classes.names().join(", "),
        channels = design.channels,
        size = design.size,
    );
    let modules = classifier.modules();
    let last = modules.last().map(|module| module.name.clone()).unwrap_or_default();
    let mut graph = Graph::new("netC", classifier.state()?, (last, "probabilities"));
    graph.input("image", &[design.channels, design.size, design.size]);
    modules.iter().try_fold("image".to_string(), |x, module| graph.module(module, &x))?;
    Ok(model(about, graph.finish(&[classes.len()]), "classifier", classifier.described().to_string()))
}

/// A graph with what is said of it: in a sentence, and as an entry of the metadata.
fn model(about: String, graph: Message, key: &str, described: String) -> Message {
    use field::model as f;
    Message::default()
        .number(f::IR_VERSION, IR_VERSION)
        .bytes(f::PRODUCER, "graft")
        .bytes(f::PRODUCER_VERSION, env!("CARGO_PKG_VERSION"))
        .bytes(f::DOC, about)
        .message(f::GRAPH, graph)
        .message(f::OPSET, Message::default().number(f::OPSET_VERSION, OPSET))
        .message(f::METADATA, Message::default().bytes(f::KEY, key).bytes(f::VALUE, described))
}
