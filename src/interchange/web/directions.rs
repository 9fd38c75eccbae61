//! The directions in which latents change a generator's first map most: the right singular vectors of its first layer.

use nalgebra::{DMatrix, SymmetricEigen};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use crate::error::{Error, Result};
use crate::gan::{Architecture, Generator};
use crate::nn::LayerKind;
use crate::random::normal;

/// How many directions, at most.
const MOST: usize = 4;
/// The longest latents whose directions are found among all. Those of longer ones, which take up to 65,536 numbers, are found in a space
/// of `BLOCK` times `DEPTH` dimensions.
const WHOLE: usize = 256;
const BLOCK: usize = 8;
const DEPTH: usize = 12;

/// The first right singular vectors of a generator's first layer, as a matrix from latents: unit vectors `[k, latent]`, the one of the
/// largest singular value first. The largest component of each is positive. Its weights are finite.
///
/// # Errors
/// [`Error::Invalid`] where the generator does not begin with a filter of latents; the device's first failure.
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
    // The latent is the coarse side of a transposed convolution, [(h w fine), latent]; else the fine one.
    let across = match transposed {
        true => DMatrix::from_vec(coarse, height * width * fine, values),
        false => DMatrix::from_fn(fine, height * width * coarse, |latent, column| {
            values[(column / coarse * fine + latent) * coarse + column % coarse]
        }),
    };
    Ok(left_vectors(&across))
}

/// The left singular vectors of a matrix for its largest singular values, `MOST` at most.
fn left_vectors(across: &DMatrix<f64>) -> Vec<Vec<f32>> {
    let basis = basis(across);
    let seen = across.tr_mul(&basis);
    let eigen = SymmetricEigen::new(seen.tr_mul(&seen));
    let mut order: Vec<usize> = (0..basis.ncols()).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let unit = |&index: &usize| {
        let vector = &basis * eigen.eigenvectors.column(index);
        let largest = vector.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(1.0);
        vector.iter().map(|component| (component * largest.signum()) as f32).collect()
    };
    order.iter().take(MOST).map(unit).collect()
}

/// An orthonormal basis of a space with the vectors that are looked for: the whole one, or that of a random block X, A A' X, (A A')^2 X, ..
/// (Musco and Musco 2015: within it the largest singular values are found to a small part of them, however near to each other they are).
fn basis(across: &DMatrix<f64>) -> DMatrix<f64> {
    let length = across.nrows();
    if length <= WHOLE {
        return DMatrix::identity(length, length);
    }
    let mut random = ChaCha12Rng::seed_from_u64(0);
    let start = normal(&mut random, length * BLOCK).into_iter().map(f64::from);
    let mut block = DMatrix::from_iterator(length, BLOCK, start);
    let mut basis = DMatrix::zeros(length, BLOCK * DEPTH);
    for step in 0..DEPTH {
        let before = basis.columns(0, step * BLOCK).into_owned();
        block -= &before * before.tr_mul(&block);
        block = block.qr().q();
        basis.columns_mut(step * BLOCK, BLOCK).copy_from(&block);
        block = across * across.tr_mul(&block);
    }
    // Where nothing was left beside the blocks before, the last ones are of no use and at no right angle.
    basis.qr().q()
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
    }

    #[test]
    fn directions_of_long_latents_are_found_too() {
        // Of five values only, in a space of many more dimensions.
        let mut planted = DMatrix::zeros(700, 40);
        for (index, value) in [2.0, 5.0, 1.0, 4.0, 3.0].into_iter().enumerate() {
            planted[(100 * index + 7, index)] = value;
        }
        let found = left_vectors(&planted);
        for (vector, at) in found.iter().zip([107, 307, 407, 7]) {
            assert!((vector[at] - 1.0).abs() < 1e-6, "{at}: {}", vector[at]);
        }
        assert_eq!(found.len(), 4);

        // Of none that stands out: what the directions see is within 1 % of the most, which all singular values tell.
        let mut random = ChaCha12Rng::seed_from_u64(1);
        let dense = DMatrix::from_iterator(600, 300, normal(&mut random, 600 * 300).into_iter().map(f64::from));
        let mut values: Vec<f64> = SymmetricEigen::new(dense.tr_mul(&dense)).eigenvalues.iter().copied().collect();
        values.sort_by(|a, b| b.total_cmp(a));
        let found = left_vectors(&dense);
        for (vector, value) in found.iter().zip(values) {
            let vector = DMatrix::from_iterator(600, 1, vector.iter().copied().map(f64::from));
            let seen = dense.tr_mul(&vector).norm_squared();
            assert!(seen > 0.99 * value && seen < 1.0001 * value, "{seen} of {value}");
        }
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        assert!(dot(&found[0], &found[1]).abs() < 1e-5 && (dot(&found[0], &found[0]) - 1.0).abs() < 1e-5);
        assert_eq!(left_vectors(&dense), found);
    }
}
