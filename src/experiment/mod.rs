//! What is made of runs: [`statistics`] of paired comparisons, the [`verdict`]s they allow, and [`compare`], which runs them; [`curve`],
//! figures along a run; [`report`], pages for people; [`tensorboard`], event files for TensorBoard.

#[doc(hidden)]
pub mod compare;
pub mod curve;
pub mod report;
#[doc(hidden)]
pub mod statistics;
pub mod tensorboard;
#[doc(hidden)]
pub mod verdict;
