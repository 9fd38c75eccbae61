//! The weights of a generator as the page carries them: those of all parameters, then all statistics, one after the other.

use half::f16;

use crate::error::Result;
use crate::gan::Generator;

/// In how many bits weights travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Filters and matrices in 16 bits, vectors (scales, shifts, statistics) in 32.
    Half,
    /// All in 32.
    Full,
}

impl Precision {
    /// Whether a parameter of this shape travels in 16 bits.
    pub fn halves(self, shape: &[usize]) -> bool {
        self == Precision::Half && shape.len() > 1
    }
}

/// The bytes of a generator's weights, little-endian.
///
/// # Errors
/// The device's first failure.
pub fn bytes(generator: &Generator, precision: Precision) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for parameter in [generator.parameters(), generator.statistics()].concat() {
        let tensor = parameter.get();
        let values = tensor.to_vec::<f32>()?;
        match precision.halves(tensor.shape()) {
            // Rounded to the nearest, of two that are as near to the even one; what is too large becomes the largest.
            true => bytes.extend(
                values
                    .iter()
                    .flat_map(|&value| f16::from_f32(value.clamp(f16::MIN.to_f32(), f16::MAX.to_f32())).to_le_bytes()),
            ),
            false => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        }
    }
    Ok(bytes)
}
