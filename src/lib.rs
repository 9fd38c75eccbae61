//! `graft` transfers what a GAN learned on one image domain to another that has little data.
//!
//! It is a small tensor engine written from scratch, with reverse-mode derivatives of any order, and on top of it
//! GANs, described as lists of layers, and their training. It needs no Python, no CUDA and no BLAS.
//!
//! A room of the house uses only the rooms before it:
//!
//! | room | holds |
//! | --- | --- |
//! | [`error`], [`random`], [`atomic`] | what goes wrong outside; draws without state; files that are whole or not there |
//! | [`backend`] | devices and the few kernels that every op is made of: `reference` (f64), `cpu` (f32, SIMD), `gpu` (f32, WGSL) |
//! | [`tensor`] | the value: shapes, ops, [`grad`], [`grad_graph`], [`no_grad`], [`gradcheck`](mod@gradcheck) |
//! | [`nn`] | networks as lists of layers, the module built from them, initialisers, Adam |
//! | [`data`], [`checkpoint`] | image sets and their order; safetensors in PyTorch's names and layout |
//! | [`memory`] | how much memory a run takes, and how much there is |
//! | [`classifier`] | the classifier that judges samples, predicts labels and measures GAN-train; its training loop |
//! | [`gan`] | the networks (DCGAN, SNGAN's residual pair), losses, augmentation, and the training loop |
//! | [`metrics`] | how well samples match real images |
//! | [`run`], [`transfer`] | a run on disk; methods that learn from a source, and the phases of their runs |
//! | [`interchange`] | networks in PyTorch's and ONNX's files |
//! | [`experiment`], [`cli`] | what is made of runs; the command line |
//!
//! ```
//! use graft::{Device, Tensor, grad};
//!
//! let device = Device::cpu();
//! let w = Tensor::from_slice(&device, &[0.5f32, -1.0], [2, 1]);
//! let x = Tensor::from_slice(&device, &[1f32, 2.0, 3.0, 4.0], [2, 2]);
//! let loss = x.matmul(&w).tanh().powi(2).mean();
//! let slope = grad(loss, &[&w]).remove(0);
//! assert_eq!(slope.shape(), [2, 1]);
//! ```

#![warn(missing_docs)]
// A device nests wgpu's types deeper than the default of 128 when rustdoc works out which of ours are Send and Sync.
#![recursion_limit = "256"]

pub mod atomic;
pub mod backend;
pub mod checkpoint;
pub mod classifier;
pub mod cli;
pub mod data;
pub mod error;
pub mod experiment;
pub mod gan;
pub mod interchange;
pub mod memory;
pub mod metrics;
pub mod nn;
mod protobuf;
pub mod random;
pub mod run;
pub mod tensor;
pub mod transfer;

pub use backend::Device;
pub use checkpoint::Checkpoint;
pub use error::{Error, Result};
pub use tensor::{Tensor, grad, grad_graph, gradcheck, is_recording, no_grad};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
