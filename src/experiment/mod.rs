//! What is made of runs: [`report`], pages for people; [`tensorboard`], event files for TensorBoard.

pub mod report;
pub mod tensorboard;
