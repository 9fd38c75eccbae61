//! Every pair of two sets of features, a row of pairs at a time, so that no table of all pairs is held.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::Features;

/// Rows of the left set in a task: each row of the right set, once in the cache, serves all of them.
const TILE: usize = 16;

/// Rows of a tile that go through a row of the right set together, so that it is loaded once for them.
const ROWS: usize = 4;

/// Partial sums of a pair. Their number and order are fixed, so every instruction set gives the same bits.
const LANES: usize = 16;

/// What a pair of rows is summed over: a function of one feature of each, 0 where both are 0.
pub trait Term: Copy + Sync {
    /// The function, on vectors, without fused multiplications: those round differently and not every machine has them.
    fn of<S: Simd>(self, simd: S, a: S::f64s, b: S::f64s) -> S::f64s;
}

/// `(a - b)^2`: by direct differences, so that equal rows are exactly 0 apart and ties are ties.
#[derive(Clone, Copy)]
pub struct SquaredDifference;

/// `a b`.
#[derive(Clone, Copy)]
pub struct Product;

impl Term for SquaredDifference {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, a: S::f64s, b: S::f64s) -> S::f64s {
        let difference = simd.sub_f64s(a, b);
        simd.mul_f64s(difference, difference)
    }
}

impl Term for Product {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, a: S::f64s, b: S::f64s) -> S::f64s {
        simd.mul_f64s(a, b)
    }
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
    term: impl Term,
    each: impl Fn(usize, &mut [f64]) -> T + Sync,
) -> Vec<T> {
    assert_eq!(left.width(), right.width(), "metrics: features of two widths cannot be compared");
    let (width, count) = (left.width(), right.count());
    let tiles = left.values().par_chunks(TILE * width).enumerate().map(|(tile, rows)| {
        let mut sums = vec![0.0; rows.len() / width * count];
        Arch::new().dispatch(Tile { rows, right: right.values(), width, sums: &mut sums, term });
        let rows = sums.chunks_exact_mut(count).enumerate();
        rows.map(|(i, sums)| each(tile * TILE + i, sums)).collect::<Vec<T>>()
    });
    tiles.collect::<Vec<_>>().into_iter().flatten().collect()
}

/// The sums of a tile, `[rows, right]`, compiled for the instructions that this machine has.
struct Tile<'a, T> {
    rows: &'a [f64],
    right: &'a [f64],
    width: usize,
    sums: &'a mut [f64],
    term: T,
}

impl<T: Term> WithSimd for Tile<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // As many vectors as hold the lanes.
        match S::F64_LANES {
            8 => self.fill::<S, { LANES / 8 }>(simd),
            4 => self.fill::<S, { LANES / 4 }>(simd),
            2 => self.fill::<S, { LANES / 2 }>(simd),
            _ => self.fill::<S, LANES>(simd),
        }
    }
}

impl<T: Term> Tile<'_, T> {
    #[inline(always)]
    fn fill<S: Simd, const VECTORS: usize>(self, simd: S) {
        debug_assert_eq!(VECTORS * S::F64_LANES, LANES);
        let (width, count) = (self.width, self.right.len() / self.width);
        for (j, b) in self.right.chunks_exact(width).enumerate() {
            for (group, rows) in self.rows.chunks(ROWS * width).enumerate() {
                let mut put = |i: usize, sum| self.sums[(group * ROWS + i) * count + j] = sum;
                if rows.len() == ROWS * width {
                    let rows = std::array::from_fn(|i| &rows[i * width..][..width]);
                    let found = sums_of_terms::<S, T, VECTORS, ROWS>(simd, self.term, rows, b);
                    found.into_iter().enumerate().for_each(|(i, sum)| put(i, sum));
                } else {
                    for (i, a) in rows.chunks_exact(width).enumerate() {
                        put(i, sums_of_terms::<S, T, VECTORS, 1>(simd, self.term, [a], b)[0]);
                    }
                }
            }
        }
    }
}

/// The sums of `term` over the pairs of each row of `rows` with `b`.
#[inline(always)]
fn sums_of_terms<S: Simd, T: Term, const VECTORS: usize, const R: usize>(
    simd: S,
    term: T,
    rows: [&[f64]; R],
    b: &[f64],
) -> [f64; R] {
    let mut lanes = [[simd.splat_f64s(0.0); VECTORS]; R];
    let (chunks, rest) = b.as_chunks::<LANES>();
    let row_chunks = rows.map(|row| &row.as_chunks::<LANES>().0[..chunks.len()]);
    for (c, b) in chunks.iter().enumerate() {
        add(simd, term, row_chunks.map(|row| &row[c]), b, &mut lanes);
    }
    if !rest.is_empty() {
        let padded = |row: &[f64]| {
            let mut padded = [0.0; LANES];
            padded[..rest.len()].copy_from_slice(&row[row.len() - rest.len()..]);
            padded
        };
        let rows = rows.map(padded);
        add(simd, term, rows.each_ref(), &padded(rest), &mut lanes);
    }
    lanes.map(|lanes| {
        lanes.iter().flat_map(|vector| bytemuck::cast_slice::<S::f64s, f64>(std::slice::from_ref(vector))).sum()
    })
}

/// Adds the terms of some features to the lanes. Not a closure: it must be compiled for the same instructions as its caller.
#[inline(always)]
fn add<S: Simd, T: Term, const VECTORS: usize, const R: usize>(
    simd: S,
    term: T,
    rows: [&[f64; LANES]; R],
    b: &[f64; LANES],
    lanes: &mut [[S::f64s; VECTORS]; R],
) {
    let b = S::as_simd_f64s(b).0;
    for r in 0..R {
        let a = S::as_simd_f64s(rows[r]).0;
        for v in 0..VECTORS {
            lanes[r][v] = simd.add_f64s(lanes[r][v], term.of(simd, a[v], b[v]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::features::tests::gaussian;

    #[test]
    fn sums_are_those_of_plain_loops() {
        for width in [1, 15, 16, 37] {
            let (left, right) = (gaussian(21, width, 1), gaussian(5, width, 2));
            let found = map_rows(&left, &right, SquaredDifference, |i, sums| (i, sums.to_vec()));
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
    fn sums_do_not_depend_on_the_instructions() {
        let (left, right) = (gaussian(TILE - 1, 37, 1), gaussian(9, 37, 2));
        let mut plain = vec![0.0; (TILE - 1) * 9];
        let tile =
            Tile { rows: left.values(), right: right.values(), width: 37, sums: &mut plain, term: SquaredDifference };
        tile.with_simd(pulp::Scalar);
        assert_eq!(plain, map_rows(&left, &right, SquaredDifference, |_, sums| sums.to_vec()).concat());
    }

    #[test]
    fn sums_do_not_depend_on_the_number_of_threads() {
        let (left, right) = (gaussian(100, 37, 1), gaussian(70, 37, 2));
        let [one, three] = [1, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| map_rows(&left, &right, Product, |_, sums| sums.to_vec()))
        });
        assert_eq!(one, three);
    }
}
