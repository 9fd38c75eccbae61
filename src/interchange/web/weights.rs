//! The weights of generators as the page carries them: those of all parameters, then all statistics, one after the other.

use half::f16;

use crate::error::{Error, Result};
use crate::gan::Generator;
use crate::nn::Parameter;

/// In how many bits weights travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Filters and matrices in 16 bits, vectors (scales, shifts, statistics) in 32.
    Half,
    /// All in 32.
    Full,
}

/// Generators of one shape, as bytes.
#[derive(Debug)]
pub struct Weights {
    /// Whether a weight travels in 16 bits, in order; the same for all generators.
    pub halves: Vec<bool>,
    /// Of each generator all its weights, little-endian.
    pub bytes: Vec<Vec<u8>>,
}

impl Weights {
    /// Of generators of one shape. A filter with a number beyond the largest of 16 bits travels in 32.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the first weight that holds a number that is not finite; the device's first failure.
    pub fn new(generators: &[&Generator], precision: Precision) -> Result<Weights> {
        let values: Vec<Vec<Vec<f32>>> = generators.iter().map(|generator| values(generator)).collect::<Result<_>>()?;
        let fits = |values: &[f32]| values.iter().all(|value| value.abs() <= f16::MAX.to_f32());
        let is_half = |(index, parameter): (usize, &Parameter)| {
            precision == Precision::Half
                && parameter.get().shape().len() > 1
                && values.iter().all(|weights| fits(&weights[index]))
        };
        let halves: Vec<bool> = generators
            .first()
            .map_or(Vec::new(), |generator| parameters(generator).iter().enumerate().map(is_half).collect());
        let bytes = |weights: &Vec<Vec<f32>>| {
            let each = weights.iter().zip(&halves).map(|(values, &half)| written(values, half));
            each.collect::<Vec<_>>().concat()
        };
        let bytes = values.iter().map(bytes).collect();
        Ok(Weights { halves, bytes })
    }
}

fn parameters(generator: &Generator) -> Vec<Parameter> {
    [generator.parameters(), generator.statistics()].concat()
}

fn values(generator: &Generator) -> Result<Vec<Vec<f32>>> {
    let finite = |parameter: &Parameter| {
        let values: Vec<f32> = parameter.get().to_vec()?;
        match values.iter().all(|value| value.is_finite()) {
            true => Ok(values),
            false => Err(Error::invalid(format!("{} holds numbers that are not finite", parameter.name()))),
        }
    };
    parameters(generator).iter().map(finite).collect()
}

/// Rounded to the nearest, of two that are as near to the even one.
fn written(values: &[f32], half: bool) -> Vec<u8> {
    match half {
        true => values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect(),
        false => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::gan::Architecture;
    use crate::tensor::Tensor;

    /// Sets the first number of a generator's weight.
    fn set(generator: &Generator, index: usize, value: f32) -> String {
        let parameter = parameters(generator).swap_remove(index);
        let tensor = parameter.get();
        let mut values = tensor.to_vec::<f32>().unwrap();
        values[0] = value;
        parameter.set(Tensor::from_slice(&Device::cpu(), &values, tensor.shape()));
        parameter.name().to_string()
    }

    #[test]
    fn what_16_bits_cannot_hold_travels_in_32() {
        let architecture = Architecture { features: 2, latent: 3, ..Architecture::dcgan(32, 1) };
        let [one, other] = [0, 1].map(|seed| Generator::new(&Device::cpu(), &architecture, seed));
        let usual = Weights::new(&[&one, &other], Precision::Half).unwrap();
        assert!(usual.halves[0] && !usual.halves[1], "a filter, and a scale");
        set(&other, 0, 65504.0);
        assert_eq!(Weights::new(&[&one, &other], Precision::Half).unwrap().halves, usual.halves);
        set(&other, 0, -65600.0);
        let wide = Weights::new(&[&one, &other], Precision::Half).unwrap();
        assert_eq!((wide.halves[0], &wide.halves[1..]), (false, &usual.halves[1..]), "in both, that have one layout");
        assert_eq!(wide.bytes[1][..4], (-65600f32).to_le_bytes());
        assert_eq!(wide.bytes[0].len(), wide.bytes[1].len());
        let full = Weights::new(&[&one], Precision::Full).unwrap();
        assert!(full.halves.iter().all(|half| !half));
    }

    #[test]
    fn a_weight_that_is_not_finite_is_refused_by_its_name() {
        let architecture = Architecture { features: 2, latent: 3, ..Architecture::dcgan(32, 1) };
        let count = parameters(&Generator::new(&Device::cpu(), &architecture, 0)).len();
        for index in 0..count {
            let generator = Generator::new(&Device::cpu(), &architecture, 0);
            let name = set(&generator, index, [f32::NAN, f32::INFINITY][index % 2]);
            let error = Weights::new(&[&generator], Precision::Half).unwrap_err().to_string();
            assert_eq!(error, format!("{name} holds numbers that are not finite"));
        }
    }
}
