//! The ops, a file a family. Each gives methods on [`Tensor`](super::Tensor).

mod convolution;
mod elementwise;
mod gather;
mod losses;
mod matmul;
pub mod normalisation;
mod reduce;
mod resample;
mod shape;

pub use convolution::Convolution;
