//! What is made of runs: [`statistics`] of paired comparisons, the [`verdict`]s they allow, and [`compare`], which runs them on the [`engine`]; [`report`],
//! pages for people; [`workers`], processes that share one; [`tensorboard`], event files for TensorBoard.

#[doc(hidden)]
pub mod classify;
#[doc(hidden)]
pub mod compare;
pub mod engine;
pub mod evaluation;
pub mod report;
#[doc(hidden)]
pub mod statistics;
pub mod tensorboard;
pub mod translate;
#[doc(hidden)]
pub mod verdict;
pub mod workers;
