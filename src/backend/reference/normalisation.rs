//! Batch normalisation (Ioffe & Szegedy 2015) and its cotangents.

use super::{BatchNormBackward, BatchNormCotangents, BatchNormForward, BatchNormShape, Storage, values};

/// See [`Backend::batch_norm`](super::Backend::batch_norm).
pub fn forward(x: &[f64], gamma: &[f64], beta: &[f64], shape: &BatchNormShape) -> BatchNormForward {
    let BatchNormShape { rows, channels, epsilon, activation } = *shape;
    let column = |c: usize| (0..rows).map(move |r| x[r * channels + c]);
    let mean: Vec<f64> = (0..channels).map(|c| column(c).sum::<f64>() / rows as f64).collect();
    let variance: Vec<f64> =
        (0..channels).map(|c| column(c).map(|v| (v - mean[c]).powi(2)).sum::<f64>() / rows as f64).collect();
    let normalised: Vec<f64> = (0..rows * channels)
        .map(|i| {
            let c = i % channels;
            gamma[c] * (x[i] - mean[c]) / (variance[c] + epsilon).sqrt() + beta[c]
        })
        .collect();
    let mut output = normalised.clone();
    if let Some(function) = activation.unary() {
        function.map_f64(&normalised, &mut output);
    }
    BatchNormForward { output: Storage::F64(output), mean: Storage::F64(mean), variance: Storage::F64(variance) }
}

/// See [`Backend::batch_norm_backward`](super::Backend::batch_norm_backward).
pub fn backward(saved: &BatchNormBackward<'_>, shape: &BatchNormShape) -> BatchNormCotangents {
    let BatchNormShape { rows, channels, epsilon, activation } = *shape;
    let (x, gamma, mean, variance) =
        (values(saved.input), values(saved.gamma), values(saved.mean), values(saved.variance));
    let mut cotangent = values(saved.cotangent).to_vec();
    if let Some(function) = activation.cotangent() {
        function.map_f64(values(saved.cotangent), values(saved.output), &mut cotangent);
    }
    let (mut input, mut d_gamma, mut d_beta) = (vec![0.0; rows * channels], vec![0.0; channels], vec![0.0; channels]);
    for c in 0..channels {
        let inverse = 1.0 / (variance[c] + epsilon).sqrt();
        let hat = |r: usize| (x[r * channels + c] - mean[c]) * inverse;
        d_beta[c] = (0..rows).map(|r| cotangent[r * channels + c]).sum();
        d_gamma[c] = (0..rows).map(|r| cotangent[r * channels + c] * hat(r)).sum();
        for r in 0..rows {
            let centred = cotangent[r * channels + c] - (d_beta[c] + hat(r) * d_gamma[c]) / rows as f64;
            input[r * channels + c] = gamma[c] * inverse * centred;
        }
    }
    BatchNormCotangents { input: Storage::F64(input), gamma: Storage::F64(d_gamma), beta: Storage::F64(d_beta) }
}
