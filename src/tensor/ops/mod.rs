//! The ops, a file a family. Each gives methods on [`Tensor`](super::Tensor).

mod activations;
mod convolution;
mod dropout;
mod elementwise;
mod gather;
mod losses;
mod matmul;
mod mean_softplus;
pub mod normalisation;
mod ordering;
mod padding;
mod pooling;
mod ranks;
mod reduce;
mod resample;
mod sampling;
mod shape;
mod shift;
mod statistics;

pub use convolution::Convolution;
pub use ordering::Order;
pub use padding::Border;
pub use pooling::Pool;
pub use resample::Interpolation;
pub use sampling::{Corners, Outside, Sampling};
