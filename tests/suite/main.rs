//! The test suite: what must hold for each row of the library's conformance table on every device, and for everything made of ops.

#[cfg(feature = "cli")]
mod arguments;
#[cfg(feature = "cli")]
mod bits;
mod case;
#[cfg(feature = "cli")]
mod classify;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod compare;
#[cfg(feature = "cli")]
mod datasets;
#[cfg(feature = "cli")]
mod drawing;
mod edges;
mod extreme;
#[cfg(feature = "cli")]
mod faults;
#[cfg(feature = "cli")]
mod gan;
#[cfg(feature = "cli")]
mod golden;
#[cfg(feature = "cli")]
mod golden_ops;
#[cfg(feature = "cli")]
mod golden_step;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(feature = "cli")]
mod gpu_training;
mod gradcheck;
mod guide;
#[cfg(feature = "cli")]
mod interchange;
#[cfg(feature = "cli")]
mod judge;
#[cfg(feature = "cli")]
mod memory;
#[cfg(feature = "cli")]
mod metrics;
#[cfg(feature = "cli")]
mod names;
#[cfg(feature = "cli")]
mod networks;
#[cfg(feature = "cli")]
mod onnx;
mod parity;
#[cfg(feature = "cli")]
mod partly;
#[cfg(feature = "cli")]
mod program;
mod properties;
#[cfg(feature = "gan")]
mod ranks;
#[cfg(feature = "cli")]
mod reading;
#[cfg(feature = "cli")]
mod refusals;
#[cfg(feature = "cli")]
mod report;
#[cfg(feature = "cli")]
mod resuming;
mod rooms;
#[cfg(feature = "cli")]
mod scripting;
#[cfg(feature = "cli")]
mod search;
#[cfg(feature = "cli")]
mod settings;
#[cfg(feature = "cli")]
mod snapshots;
#[cfg(feature = "cli")]
mod surgery;
#[cfg(feature = "cli")]
mod survival;
#[cfg(feature = "cli")]
mod transfer;
#[cfg(feature = "cli")]
mod transfer_command;
#[cfg(feature = "cli")]
mod translate;
#[cfg(feature = "cli")]
mod web;
#[cfg(feature = "cli")]
mod workers;
