//! A generator's forward pass as the page replays it: what a recorder noted down, for several numbers of images.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::backend::gpu::{Dispatch, LARGEST_STORAGE, Recorder};
use crate::error::{Error, Result};
use crate::gan::{Architecture, Generator};
use crate::nn::Mode;
use crate::tensor::{Tensor, no_grad};

/// Images of a pass, the most first: a page takes the largest that its card holds.
const IMAGES: [usize; 4] = [64, 16, 4, 1];
/// The kernels for which `loops.js` has a loop.
const KINDS: [&str; 11] = [
    "binary",
    "binary_broadcast",
    "conv_coarse",
    "conv_fine",
    "conv_fine_few",
    "fill",
    "matmul",
    "permute",
    "reduce",
    "unary",
    "window",
];

/// The recordings of a generator of these shapes: shaders, storages by size, where the weights lie, and the passes.
///
/// # Errors
/// [`Error::Invalid`] where a kernel runs that the page does not know, or on what nothing wrote, or one image takes more than WebGPU grants.
pub fn passes(architecture: &Architecture) -> Result<Json> {
    let (device, recorder) = Recorder::with_device();
    let generator = Generator::new(&device, architecture, 0);
    let number = |tensor: &Tensor| recorder.number(tensor.storage());
    let weights: Vec<Tensor> =
        [generator.parameters(), generator.statistics()].concat().iter().map(|parameter| parameter.get()).collect();
    let slots: Vec<usize> = weights.iter().map(number).collect();
    let mut passes = Vec::new();
    for images in IMAGES {
        let latents = Tensor::zeros(&device, [images, architecture.latent]);
        let length = architecture.condition_length();
        let condition = (length > 0).then(|| Tensor::zeros(&device, [images, length]));
        let pass = || no_grad(|| generator.forward(&latents, condition.as_ref(), Mode::Evaluate));
        let (output, recording) = recorder.record(pass)?;
        let inputs = [Some(number(&latents)), condition.as_ref().map(number)];
        let sizes = recorder.sizes();
        check(&recording.dispatches, slots.iter().copied().chain(inputs.into_iter().flatten()))?;
        let used = recording.dispatches.iter().flat_map(|dispatch| dispatch.reads.iter().chain(&dispatch.writes));
        if used.into_iter().any(|&slot| sizes[slot] > LARGEST_STORAGE) {
            continue;
        }
        passes.push(json!({
            "images": images, "latents": inputs[0], "condition": inputs[1], "output": number(&output),
            "dispatches": recording.dispatches.iter().map(described).collect::<Vec<_>>(),
        }));
    }
    if passes.is_empty() {
        let problem = "one image takes a storage that is larger than the 128 MiB that WebGPU grants";
        return Err(Error::invalid(format!("the generator cannot draw in a page: {problem}")));
    }
    let shaders: Vec<Json> = recorder
        .shaders()
        .into_iter()
        .map(|shader| json!({ "text": shader.text, "reads": shader.reads, "writes": shader.writes }))
        .collect();
    let lengths = weights.iter().map(Tensor::len);
    let weights: Vec<Json> =
        slots.iter().zip(lengths).map(|(slot, length)| json!({ "slot": slot, "length": length })).collect();
    Ok(json!({ "shaders": shaders, "storages": recorder.sizes(), "weights": weights, "passes": passes }))
}

/// Refuses a pass that the page could not replay.
fn check(dispatches: &[Dispatch], given: impl Iterator<Item = usize>) -> Result<()> {
    let mut filled: BTreeSet<usize> = given.collect();
    for dispatch in dispatches {
        if !KINDS.contains(&dispatch.kind) {
            return Err(Error::invalid(format!(
                "the generator cannot draw in a page: it runs the kernel {}, which the page does not have for the CPU",
                dispatch.kind
            )));
        }
        if !dispatch.reads.iter().all(|slot| filled.contains(slot)) {
            return Err(Error::invalid(format!(
                "the generator cannot draw in a page: the kernel {} reads what none before it wrote",
                dispatch.kind
            )));
        }
        filled.extend(&dispatch.writes);
    }
    Ok(())
}

fn described(dispatch: &Dispatch) -> Json {
    let constants: serde_json::Map<String, Json> =
        dispatch.constants.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "kind": dispatch.kind, "function": dispatch.function, "finish": dispatch.finish, "constants": constants, "shader": dispatch.shader,
        "parameters": dispatch.parameters, "reads": dispatch.reads, "writes": dispatch.writes, "groups": dispatch.groups,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gan::NetworkKind;

    #[test]
    fn every_kind_of_network_records_at_each_of_its_sizes_with_and_without_conditions() {
        for network in NetworkKind::all() {
            for size in network.sizes() {
                for (classes, condition_features) in [(0, 0), (3, 0), (2, 5)] {
                    let architecture = Architecture {
                        network,
                        features: 4,
                        latent: 7,
                        classes,
                        condition_features,
                        ..Architecture::dcgan(size, 3)
                    };
                    let found = passes(&architecture).unwrap();
                    assert!(!found["passes"].as_array().unwrap().is_empty(), "{architecture:?}");
                }
            }
        }
    }

    #[test]
    fn sums_of_wide_networks_lie_where_the_pages_loop_reads_them() {
        let (device, recorder) = Recorder::with_device();
        let x = Tensor::zeros(&device, [3, 5, 2]);
        let (_, recording) = recorder.record(|| (x.sum_axes(&[1], false), x.mean())).unwrap();
        let [sum, mean] = &recording.dispatches[..] else { panic!("{:?}", recording.dispatches) };
        // Behind four arguments and what comes of nothing: outputs, length, inner, chunk, parts.
        let layout = |dispatch: &Dispatch| [5, 6, 7, 9].map(|place| dispatch.parameters[place]);
        assert_eq!((sum.kind, sum.function, sum.finish, layout(sum)), ("reduce", Some("sum"), None, [6, 5, 2, 1]));
        assert_eq!((mean.finish, layout(mean)), (Some("affine"), [1, 30, 1, 1]));
        assert_eq!(f32::from_bits(mean.parameters[0]), 1.0 / 30.0);
        // A depth that is split is added up by them.
        let passes = passes(&Architecture { features: 32, ..Architecture::dcgan(32, 3) }).unwrap();
        let one = passes["passes"].as_array().unwrap().last().unwrap();
        assert!(one["dispatches"].as_array().unwrap().iter().any(|dispatch| dispatch["kind"] == "reduce"), "{one}");
    }

    #[test]
    fn a_kernel_without_a_loop_fails_the_export_and_one_without_its_input() {
        let (device, recorder) = Recorder::with_device();
        let x = Tensor::zeros(&device, [8, 4]);
        let (gamma, beta) = (Tensor::ones(&device, [4]), Tensor::zeros(&device, [4]));
        let norm = || x.batch_norm(&gamma, &beta, 1e-5, crate::backend::Activation::Identity).output;
        let (_, recording) = recorder.record(norm).unwrap();
        let given = [&x, &gamma, &beta].map(|tensor| recorder.number(tensor.storage()));
        let error = check(&recording.dispatches, given.into_iter()).unwrap_err().to_string();
        assert!(error.contains("batch_norm_moments, which the page does not have for the CPU"), "{error}");
        let (_, recording) = recorder.record(|| x.tanh()).unwrap();
        let error = check(&recording.dispatches, std::iter::empty()).unwrap_err().to_string();
        assert!(error.ends_with("the kernel unary reads what none before it wrote"), "{error}");
    }

    #[test]
    fn every_kind_has_its_loop() {
        let loops = include_str!("loops.js");
        for kind in KINDS {
            assert!(loops.contains(&format!("\n  {kind}(")), "loops.js has no loop {kind}");
        }
    }
}
