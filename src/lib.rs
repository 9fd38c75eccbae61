//! `graft` transfers what a GAN learned on one image domain to another that has little data.
//!
//! It is a small tensor engine written from scratch, with reverse-mode derivatives of any order, and on top of it
//! GANs, described as lists of layers, and their training. It needs no Python, no CUDA and no BLAS.
//!
//! A room of the house uses only the rooms before it:
//!
//! | room | holds |
//! | --- | --- |
//! | [`error`], [`words`], [`random`], [`atomic`] | what goes wrong outside; enums with names; draws without state; files that are whole or not there |
//! | [`backend`] | devices and the few kernels that every op is made of: `reference` (f64), `cpu` (f32, SIMD), `gpu` (f32, WGSL) |
//! | [`tensor`] | the value: shapes, ops, [`grad`], [`grad_graph`], [`no_grad`], [`gradcheck`](mod@gradcheck), [`conformance`] |
//! | [`nn`] | networks as lists of layers, the module built from them, initialisers, optimisers, the one seam for an update |
//! | [`data`], [`checkpoint`] | image sets and their order; safetensors in PyTorch's names and layout |
//! | [`memory`] | how much memory a run takes, and how much there is |
//! | [`options`] | options as rows of tables, from which the command line, arms and checks are made |
//! | [`classifier`] | the classifier that judges samples, predicts labels and measures GAN-train, and what learns without labels; their training loops |
//! | [`gan`] | the networks (DCGAN, SNGAN's residual pair), losses, augmentation, and the training loop |
//! | [`benchmark`] | how fast a device's kernels and training steps are, beside what it can do at most |
//! | [`metrics`] | how well samples match real images |
//! | [`run`], [`transfer`] | a run on disk; methods that learn from a source, and the phases of their runs |
//! | [`interchange`] | networks in PyTorch's and ONNX's files, and in pages that draw |
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

#[cfg(feature = "gan")]
pub mod atomic;
pub mod backend;
#[cfg(feature = "gan")]
pub mod benchmark;
#[cfg(feature = "gan")]
pub mod checkpoint;
#[cfg(feature = "gan")]
pub mod claims;
#[cfg(feature = "gan")]
pub mod classifier;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "gan")]
pub mod data;
pub mod error;
#[cfg(feature = "gan")]
pub mod experiment;
#[cfg(feature = "gan")]
pub mod gan;
#[cfg(feature = "gan")]
mod html;
#[cfg(feature = "gan")]
pub mod interchange;
#[cfg(feature = "gan")]
pub mod memory;
#[cfg(feature = "gan")]
pub mod metrics;
pub mod nn;
#[cfg(feature = "gan")]
pub mod options;
#[cfg(feature = "gan")]
mod protobuf;
pub mod random;
pub mod ranks;
#[cfg(feature = "gan")]
pub mod run;
pub mod tensor;
#[cfg(feature = "gan")]
pub mod transfer;
pub mod words;

pub use backend::Device;
#[cfg(feature = "gan")]
pub use checkpoint::Checkpoint;
pub use error::{Error, Result, Way};
pub use tensor::{Tensor, conformance, grad, grad_graph, gradcheck, is_recording, no_grad};

#[cfg(all(doctest, feature = "gan"))]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
