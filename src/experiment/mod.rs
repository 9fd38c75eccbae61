//! What is made of runs: [`statistics`] of paired comparisons, the [`verdict`]s they allow, and [`compare`], which runs them.

pub mod compare;
pub mod statistics;
pub mod verdict;
