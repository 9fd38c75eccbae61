//! What a device found out about the best way of computing a product.

use std::time::Duration;

/// The choices that were measured for products of one shape. All of them add the same sums in the same order.
#[derive(Clone, Debug, Default)]
pub struct Tuned {
    /// The shape: its kernel and sizes.
    pub shape: String,
    /// Multiply-adds.
    pub work: usize,
    /// The choices by name with their times, the usual one first.
    pub times: Vec<(String, Duration)>,
    /// Choices that gave other bits, and are never taken.
    pub other_bits: Vec<String>,
    /// Which is taken from now on.
    pub taken: String,
}

impl Tuned {
    /// The times of the usual choice and of the one that is taken.
    pub fn gain(&self) -> [Duration; 2] {
        let of = |name: &str| self.times.iter().find(|(other, _)| other == name).map(|(_, time)| *time);
        [self.times.first().map(|(_, time)| *time), of(&self.taken)].map(Option::unwrap_or_default)
    }
}
