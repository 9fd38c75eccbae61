//! What is made of runs: [`report`], pages for people; [`statistics`] of paired comparisons, and the [`verdict`]s they allow;
//! [`tensorboard`], event files for TensorBoard.

pub mod report;
pub mod statistics;
pub mod tensorboard;
pub mod verdict;
