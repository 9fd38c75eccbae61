//! Networks for other programs and from them: PyTorch's state dicts, ONNX, and a page that draws.
//!
//! `names` says what PyTorch calls a tensor and which parameter of graft it is; both ways go by the same list.

mod classifier;
mod graph;
mod import;
mod names;
mod networks;
mod onnx;
mod pytorch;
mod shapes;
#[cfg(feature = "gpu")]
mod web;

pub use classifier::OneClassifier;
pub use import::{Imported, import};
pub use networks::Networks;
pub use onnx::{write_onnx, write_onnx_classifier};
pub use pytorch::{write_pytorch, write_pytorch_classifier};
#[cfg(feature = "gpu")]
pub use web::{Drawn, Live};
