//! Batch normalisation and its cotangents: statistics by Chan's merge of fixed groups of rows, then one pass.

use super::parallel::{BLOCK, blocks};
use super::reduce::reduce;
use super::{Buffer, Simd};
use crate::backend::{Activation, BatchNormShape, Reduction};

/// Rows whose (mean, M2) is computed in two passes before groups are merged: small enough to stay in the L1 cache.
const GROUP: usize = 64;

/// Rows that the backward pass sums before partial sums are added in order.
const SUM_GROUP: usize = 256;

/// Elements of the partial results of groups of rows: two a channel.
fn partial(rows: usize, channels: usize, group: usize) -> usize {
    rows.div_ceil(group) * 2 * channels
}

/// The mean and biased variance of each channel, by the pairwise formula of Chan, Golub and LeVeque (1979).
fn statistics(simd: Simd, x: &[f32], rows: usize, channels: usize) -> (Buffer, Buffer) {
    let groups = rows.div_ceil(GROUP);
    let mut partial = Buffer::scratch(partial(rows, channels, GROUP));
    blocks(&mut partial, 2 * channels, |start, out| {
        let first = start / (2 * channels) * GROUP;
        let x = &x[first * channels..(first + GROUP).min(rows) * channels];
        let (mean, square) = out.split_at_mut(channels);
        simd.dispatch(
            #[inline(always)]
            || {
                let scale = 1.0 / (x.len() / channels) as f32;
                mean.fill(0.0);
                for row in x.chunks_exact(channels) {
                    mean.iter_mut().zip(row).for_each(|(mean, &v)| *mean += v);
                }
                mean.iter_mut().for_each(|mean| *mean *= scale);
                square.fill(0.0);
                for row in x.chunks_exact(channels) {
                    for ((square, &mean), &v) in square.iter_mut().zip(&*mean).zip(row) {
                        *square += (v - mean) * (v - mean);
                    }
                }
            },
        );
    });
    let (mut mean, mut square) = (Buffer::scratch(channels), Buffer::scratch(channels));
    mean.copy_from_slice(&partial[..channels]);
    square.copy_from_slice(&partial[channels..2 * channels]);
    for group in 1..groups {
        let (seen, new) = ((group * GROUP) as f32, (GROUP.min(rows - group * GROUP)) as f32);
        let (share, weight) = (new / (seen + new), seen * new / (seen + new));
        let (group_mean, group_square) = partial[group * 2 * channels..][..2 * channels].split_at(channels);
        for c in 0..channels {
            let difference = group_mean[c] - mean[c];
            mean[c] += difference * share;
            square[c] += group_square[c] + difference * difference * weight;
        }
    }
    square.iter_mut().for_each(|square| *square /= rows as f32);
    (mean, square)
}

/// What [`forward`] has beside its results.
pub fn forward_scratch(shape: &BatchNormShape) -> Vec<usize> {
    vec![partial(shape.rows, shape.channels, GROUP)]
}

/// What [`backward`] has beside its results.
pub fn backward_scratch(shape: &BatchNormShape) -> Vec<usize> {
    let groups = shape.rows.div_ceil(SUM_GROUP);
    let sums = super::reduce::scratch([1, groups, 2 * shape.channels]);
    [partial(shape.rows, shape.channels, SUM_GROUP), 2 * shape.channels].into_iter().chain(sums).collect()
}

/// Output, mean and biased variance.
pub fn forward(simd: Simd, x: &[f32], gamma: &[f32], beta: &[f32], shape: &BatchNormShape) -> [Buffer; 3] {
    let BatchNormShape { rows, channels, epsilon, activation } = *shape;
    let (mean, variance) = statistics(simd, x, rows, channels);
    let scale: Vec<f32> =
        gamma.iter().zip(&*variance).map(|(gamma, variance)| gamma / (variance + epsilon as f32).sqrt()).collect();
    let mut output = Buffer::scratch(x.len());
    blocks(&mut output, (BLOCK / channels).max(1) * channels, |start, out| {
        let x = &x[start..start + out.len()];
        simd.dispatch(
            #[inline(always)]
            || {
                let mut normalised = vec![0.0; channels];
                for (out, x) in out.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                    let constants = mean.iter().zip(&scale).zip(beta);
                    for ((normalised, &x), ((mean, scale), beta)) in normalised.iter_mut().zip(x).zip(constants) {
                        *normalised = (x - mean) * scale + beta;
                    }
                    match activation.unary() {
                        None => out.copy_from_slice(&normalised),
                        Some(function) => function.map_f32(&normalised, out),
                    }
                }
            },
        );
    });
    [output, mean, variance]
}

/// The slices that the backward pass reads.
pub struct Saved<'a> {
    /// The forward pass's input.
    pub input: &'a [f32],
    /// The scale.
    pub gamma: &'a [f32],
    /// The batch's mean.
    pub mean: &'a [f32],
    /// The batch's biased variance.
    pub variance: &'a [f32],
    /// The forward pass's output.
    pub output: &'a [f32],
    /// The output's cotangent.
    pub cotangent: &'a [f32],
}

/// A row's cotangent before the activation, in `gated` unless there is no activation.
#[inline(always)]
fn through<'a>(activation: Activation, cotangent: &'a [f32], output: &[f32], gated: &'a mut [f32]) -> &'a [f32] {
    match activation.cotangent() {
        None => cotangent,
        Some(gate) => {
            gate.map_f32(cotangent, output, gated);
            gated
        }
    }
}

/// The cotangents of input, gamma and beta.
pub fn backward(simd: Simd, saved: &Saved<'_>, shape: &BatchNormShape) -> [Buffer; 3] {
    let BatchNormShape { rows, channels, epsilon, activation } = *shape;
    let Saved { input: x, gamma, mean, variance, output, cotangent } = *saved;
    let inverse: Vec<f32> = variance.iter().map(|variance| 1.0 / (variance + epsilon as f32).sqrt()).collect();
    // Sums of g and of g x_hat over groups of rows, added in order.
    let groups = rows.div_ceil(SUM_GROUP);
    let mut partial = Buffer::scratch(partial(rows, channels, SUM_GROUP));
    blocks(&mut partial, 2 * channels, |start, sums| {
        let first = start / (2 * channels) * SUM_GROUP;
        let elements = first * channels..(first + SUM_GROUP).min(rows) * channels;
        let (x, y, g) = (&x[elements.clone()], &output[elements.clone()], &cotangent[elements]);
        simd.dispatch(
            #[inline(always)]
            || {
                sums.fill(0.0);
                let (beta, gamma) = sums.split_at_mut(channels);
                let mut gated = vec![0.0; channels];
                for ((x, y), g) in x.chunks_exact(channels).zip(y.chunks_exact(channels)).zip(g.chunks_exact(channels))
                {
                    let g = through(activation, g, y, &mut gated);
                    let constants = mean.iter().zip(&inverse);
                    let sums = beta.iter_mut().zip(gamma.iter_mut());
                    for (((beta, gamma), (&g, &x)), (mean, inverse)) in sums.zip(g.iter().zip(x)).zip(constants) {
                        *beta += g;
                        *gamma += g * ((x - mean) * inverse);
                    }
                }
            },
        );
    });
    let sums = reduce(simd, Reduction::Sum, &partial, [1, groups, 2 * channels]);
    let (d_beta, d_gamma) = sums.split_at(channels);
    let samples = rows as f32;
    let scale: Vec<f32> = gamma.iter().zip(&inverse).map(|(gamma, inverse)| gamma * inverse).collect();
    let mean_g: Vec<f32> = d_beta.iter().map(|sum| sum / samples).collect();
    let mean_gx: Vec<f32> = d_gamma.iter().zip(&inverse).map(|(sum, inverse)| sum * inverse / samples).collect();
    let mut input = Buffer::scratch(x.len());
    blocks(&mut input, (BLOCK / channels).max(1) * channels, |start, out| {
        let (x, y, g) = (&x[start..], &output[start..], &cotangent[start..]);
        simd.dispatch(
            #[inline(always)]
            || {
                let rows = out.chunks_exact_mut(channels).zip(x.chunks_exact(channels));
                let mut gated = vec![0.0; channels];
                for ((out, x), (y, g)) in rows.zip(y.chunks_exact(channels).zip(g.chunks_exact(channels))) {
                    let g = through(activation, g, y, &mut gated);
                    let constants = scale.iter().zip(mean).zip(mean_g.iter().zip(&mean_gx));
                    for ((out, (&g, &x)), ((scale, mean), (mean_g, mean_gx))) in
                        out.iter_mut().zip(g.iter().zip(x)).zip(constants)
                    {
                        *out = scale * (g - mean_g - (x - mean) * mean_gx);
                    }
                }
            },
        );
    });
    [input, d_gamma.into(), d_beta.into()]
}
