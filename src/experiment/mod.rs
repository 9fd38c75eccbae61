//! What is made of runs: [`curve`], figures along them; [`report`], pages for people; [`statistics`] of paired comparisons, and the [`verdict`]s they allow;
//! [`tensorboard`], event files for TensorBoard.

pub mod curve;
pub mod report;
pub mod statistics;
pub mod tensorboard;
pub mod verdict;
