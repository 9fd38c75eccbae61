//! What is made of runs: [`statistics`] of paired comparisons, and the [`verdict`]s they allow.

pub mod statistics;
pub mod verdict;
