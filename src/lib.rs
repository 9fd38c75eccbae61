//! `graft` transfers what a GAN learned on one image domain to another that has little data.

pub mod atomic;
pub mod backend;
pub mod checkpoint;
pub mod cli;
pub mod data;
pub mod error;
pub mod gan;
pub mod nn;
pub mod random;
pub mod run;
pub mod tensor;

pub use backend::Device;
pub use checkpoint::Checkpoint;
pub use error::{Error, Result};
pub use tensor::{Tensor, grad, grad_graph, gradcheck, is_recording, no_grad};
