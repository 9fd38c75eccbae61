//! The directions in which latents change a generator's first map most: the right singular vectors of its first layer.

use nalgebra::{DMatrix, SymmetricEigen};

use crate::error::{Error, Result};
use crate::gan::{Architecture, Generator};
use crate::nn::LayerKind;

/// How many directions, at most.
const MOST: usize = 4;

/// The first right singular vectors of a generator's first layer, as a matrix from latents: unit vectors `[k, latent]`, the one of the
/// largest singular value first. The largest component of each is positive.
///
/// # Errors
/// [`Error::Invalid`] where the generator does not begin with a filter of latents, or that is not finite; the device's first failure.
pub fn directions(architecture: &Architecture, generator: &Generator) -> Result<Vec<Vec<f32>>> {
    let layers = architecture.generator();
    let first = layers.iter().find_map(|layer| match &layer.kind {
        LayerKind::Convolution(filter) if filter.inputs == architecture.latent => Some((layer, filter.transposed)),
        _ => None,
    });
    let (layer, transposed) = first.ok_or_else(|| Error::invalid("the generator begins with no filter of latents"))?;
    let name = &layer.slots()[0].name;
    let parameters = generator.parameters();
    let weight = parameters.iter().find(|parameter| parameter.name() == name);
    let weight = weight.unwrap_or_else(|| panic!("the network has no {name}")).get();
    let [height, width, fine, coarse] = *weight.shape() else { panic!("a filter has four axes") };
    let values: Vec<f64> = weight.to_vec()?;
    if values.iter().any(|value| !value.is_finite()) {
        return Err(Error::invalid(format!("{name} holds numbers that are not finite")));
    }
    // The latent is the coarse side of a transposed convolution, [(h w fine), latent]; else the fine one.
    let (matrix, length) = match transposed {
        true => (DMatrix::from_row_slice(height * width * fine, coarse, &values), coarse),
        false => {
            let taps = (0..height * width).map(|tap| {
                let tap = &values[tap * fine * coarse..][..fine * coarse];
                DMatrix::from_row_slice(fine, coarse, tap).transpose()
            });
            let taps: Vec<DMatrix<f64>> = taps.collect();
            let rows =
                DMatrix::from_fn(taps.len() * coarse, fine, |row, column| taps[row / coarse][(row % coarse, column)]);
            (rows, fine)
        }
    };
    let eigen = SymmetricEigen::new(matrix.tr_mul(&matrix));
    let mut order: Vec<usize> = (0..length).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let unit = |&index: &usize| {
        let vector = eigen.eigenvectors.column(index);
        let largest = vector.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(1.0);
        vector.iter().map(|component| (component * largest.signum()) as f32).collect()
    };
    Ok(order.iter().take(MOST).map(unit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::tensor::Tensor;

    #[test]
    fn the_first_direction_is_that_of_the_largest_singular_value() {
        let device = Device::cpu();
        let architecture = Architecture { latent: 3, features: 2, ..Architecture::dcgan(32, 1) };
        let generator = Generator::new(&device, &architecture, 0);
        let first = &generator.parameters()[0];
        let shape = first.get().shape().to_vec();
        // Rows (0, 0, 5 sqrt(1/2)), (0, 0, ..) beside one (1, 1, 0): along the third axis, then between the two others.
        let mut values = vec![0f32; first.get().len()];
        (values[2], values[5]) = (5.0, -5.0);
        (values[6], values[7]) = (1.0, 1.0);
        first.set(Tensor::from_slice(&device, &values, &shape));
        let found = directions(&architecture, &generator).unwrap();
        let close = |found: &[f32], expected: [f32; 3]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6);
        let half = std::f32::consts::FRAC_1_SQRT_2;
        assert!(close(&found[0], [0.0, 0.0, 1.0]), "{found:?}");
        assert!(close(&found[1].iter().map(|v| v.abs()).collect::<Vec<_>>(), [half, half, 0.0]), "{found:?}");
        assert_eq!(found.len(), 3);

        values[0] = f32::NAN;
        first.set(Tensor::from_slice(&device, &values, &shape));
        let error = directions(&architecture, &generator).unwrap_err().to_string();
        assert_eq!(error, "main.0.weight holds numbers that are not finite");
    }
}
