//! `graft` transfers what a GAN learned on one image domain to another that has little data.

pub mod backend;
// pub mod data;
pub mod error;
pub mod random;
pub mod tensor;

pub use backend::Device;
pub use error::{Error, Result};
pub use tensor::{Tensor, grad, grad_graph, gradcheck, is_recording, no_grad};
