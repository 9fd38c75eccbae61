//! The test suite: one table of ops ([`cases`]), and what must hold for each of its rows on every device.

mod arguments;
mod case;
mod cases;
mod cli;
mod compare;
mod datasets;
mod extreme;
mod faults;
mod gan;
mod golden;
mod gpu;
mod gpu_training;
mod gradcheck;
mod interchange;
mod judge;
mod memory;
mod metrics;
mod parity;
mod program;
mod properties;
mod report;
mod scripting;
mod survival;
mod transfer;
mod transfer_command;
