//! Every pair of two sets of features, a row of pairs at a time, so that no table of all pairs is held.

use pulp::Arch;
use rayon::prelude::*;

use super::Features;

/// Rows of the left set in a task: each row of the right set, once in the cache, serves all of them.
const TILE: usize = 16;

/// Partial sums of a pair. Their number and order are fixed, so every instruction set gives the same bits.
const LANES: usize = 16;

/// `(a - b)^2`: by direct differences, so that equal rows are exactly 0 apart and ties are ties.
pub fn squared_difference(a: f64, b: f64) -> f64 {
    (a - b) * (a - b)
}

/// `a b`.
pub fn product(a: f64, b: f64) -> f64 {
    a * b
}

/// For each row of `left`, in order, what `each` makes of the sums of `term` over the features of its pairs with all rows
/// of `right`. It gets the row's index and the sums, which it may reorder.
///
/// # Panics
/// Where the two sets differ in width.
#[track_caller]
pub fn map_rows<T: Send>(
    left: &Features,
    right: &Features,
    term: impl Fn(f64, f64) -> f64 + Copy + Sync,
    each: impl Fn(usize, &mut [f64]) -> T + Sync,
) -> Vec<T> {
    assert_eq!(left.width(), right.width(), "metrics: features of two widths cannot be compared");
    let (width, count) = (left.width(), right.count());
    let tiles = left.values().par_chunks(TILE * width).enumerate().map(|(tile, rows)| {
        let mut sums = vec![0.0; rows.len() / width * count];
        Arch::new().dispatch(|| {
            for (j, b) in right.values().chunks_exact(width).enumerate() {
                for (i, a) in rows.chunks_exact(width).enumerate() {
                    sums[i * count + j] = sum_of_terms(a, b, term);
                }
            }
        });
        let rows = sums.chunks_exact_mut(count).enumerate();
        rows.map(|(i, sums)| each(tile * TILE + i, sums)).collect::<Vec<T>>()
    });
    tiles.collect::<Vec<_>>().into_iter().flatten().collect()
}

/// Inlined, so that it is compiled for the instructions that its caller runs under.
#[inline(always)]
fn sum_of_terms(a: &[f64], b: &[f64], term: impl Fn(f64, f64) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            lanes[lane] += term(a[lane], b[lane]);
        }
    }
    for (lane, (&a, &b)) in lanes.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *lane += term(a, b);
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::features::tests::gaussian;

    #[test]
    fn sums_are_those_of_plain_loops() {
        for width in [1, 15, 16, 37] {
            let (left, right) = (gaussian(21, width, 1), gaussian(5, width, 2));
            let found = map_rows(&left, &right, squared_difference, |i, sums| (i, sums.to_vec()));
            assert_eq!(found.len(), 21);
            for (i, (index, sums)) in found.into_iter().enumerate() {
                assert_eq!((i, sums.len()), (index, 5));
                for (j, sum) in sums.into_iter().enumerate() {
                    let plain: f64 = left.row(i).iter().zip(right.row(j)).map(|(a, b)| (a - b).powi(2)).sum();
                    assert!((sum - plain).abs() <= 1e-13 * plain, "{width}: {sum} {plain}");
                }
            }
        }
    }

    #[test]
    fn sums_do_not_depend_on_the_number_of_threads() {
        let (left, right) = (gaussian(100, 37, 1), gaussian(70, 37, 2));
        let [one, three] = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| map_rows(&left, &right, product, |_, sums| sums.to_vec()))
        });
        assert_eq!(one, three);
    }
}
