//! What a device reaches on a user's machine: its kernels at the sizes of the networks, beside what it can do at most, and steps of training.
//!
//! ```
//! use std::time::Duration;
//! use graft::Device;
//! use graft::benchmark::{Kernels, Network};
//!
//! let device = Device::cpu();
//! let kernels = Kernels::new(&device, Duration::from_millis(1), 1 << 16)?;
//! let ceilings = kernels.ceilings()?;
//! for row in kernels.layers(&Network { size: 16, features: 4, channels: 1, batch: 2 })? {
//!     println!("{} {}: {:.0} % of the peak", row.name, row.role, 100.0 * ceilings.share(&row));
//! }
//! # Ok::<(), graft::Error>(())
//! ```

mod classifier;
mod kernels;
mod layers;
mod memory;
mod stopwatch;
mod training;

pub use classifier::classifier_steps;
pub use kernels::{Bound, Ceilings, Kernels, Row};
pub use layers::{Network, geometry};
pub use stopwatch::{Stopwatch, Timing};
pub use training::{trainer, training_steps};
