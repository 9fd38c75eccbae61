//! Batch normalisation and its cotangents: statistics of chunks of rows, joined in a fixed order, then one pass.

use super::buffer::Buffer;
use super::commands::Commands;
use super::elementwise::THREADS;
use super::shader::{Kernel, MOMENTS, SUMS, TRACK, arguments};
use crate::backend::{Activation, BatchNormShape};

/// Neighbouring channels that a workgroup takes where there are as many.
const LANES: usize = 64;
/// And where it joins chunks: fewer, so that more threads share the chunks.
const MERGE_LANES: usize = 8;
/// Rows that a thread takes at least.
const THREAD_ROWS: usize = 16;
/// Chunks at most, where rows are many.
const MOST_CHUNKS: usize = 512;

/// Rows up to which a channel is one workgroup's, so that nothing is left to be joined; and neighbouring channels of that one.
const FEW_ROWS: usize = 2048;
const FEW_LANES: usize = 4;

/// How rows are shared out.
struct Chunks {
    lanes: usize,
    chunk: usize,
    splits: usize,
    channel_groups: usize,
}

impl Chunks {
    fn of(shape: &BatchNormShape) -> Chunks {
        if shape.rows <= FEW_ROWS {
            let channel_groups = shape.channels.div_ceil(FEW_LANES);
            return Chunks { lanes: FEW_LANES, chunk: shape.rows, splits: 1, channel_groups };
        }
        let lanes = shape.channels.next_power_of_two().min(LANES);
        let chunk = (THREADS / lanes * THREAD_ROWS).max(shape.rows.div_ceil(MOST_CHUNKS));
        Chunks { lanes, chunk, splits: shape.rows.div_ceil(chunk), channel_groups: shape.channels.div_ceil(lanes) }
    }

    /// Whether there is but one chunk.
    fn is_whole(&self) -> bool {
        self.splits == 1
    }

    fn words(&self, shape: &BatchNormShape) -> [u32; 5] {
        [shape.rows, shape.channels, self.chunk, self.splits, self.channel_groups].map(|size| size as u32)
    }

    fn groups(&self) -> usize {
        self.splits * self.channel_groups
    }
}

/// Running statistics that a forward pass moves in place.
pub struct Tracked<'a> {
    /// Of means.
    pub mean: &'a Buffer,
    /// Of unbiased variances.
    pub variance: &'a Buffer,
    /// The share of the batch.
    pub momentum: f64,
    /// Times a biased variance: an unbiased one.
    pub unbiased: f64,
}

/// Output, mean and biased variance.
pub fn forward(
    commands: &dyn Commands,
    [x, gamma, beta]: [&Buffer; 3],
    shape: &BatchNormShape,
    tracked: Option<&Tracked<'_>>,
) -> [Buffer; 3] {
    let chunks = Chunks::of(shape);
    let channels = shape.channels;
    let scratch = |len| commands.buffer(len);
    let (mean, variance) = (scratch(channels), scratch(channels));
    let numbers = tracked.map_or([0.0; 2], |tracked| [tracked.momentum, tracked.unbiased]);
    let numbers = numbers.map(|number| (number as f32).to_bits());
    let mut ends = vec![&mean, &variance];
    ends.extend(tracked.into_iter().flat_map(|tracked| [tracked.mean, tracked.variance]));
    let parameters = [&chunks.words(shape)[..], &numbers].concat();
    let kernel = moments_kernel(chunks.lanes, chunks.is_whole(), tracked.is_some());
    if chunks.is_whole() {
        commands.dispatch(&kernel, &parameters, &[x], &ends, chunks.groups());
    } else {
        let (means, squares) = (scratch(chunks.splits * channels), scratch(chunks.splits * channels));
        commands.dispatch(&kernel, &parameters, &[x], &[&means, &squares], chunks.groups());
        let kernel = merge_kernel(MERGE_LANES, tracked.is_some());
        let parameters = [&chunks.words(shape)[..4], &numbers].concat();
        commands.dispatch(&kernel, &parameters, &[&means, &squares], &ends, channels.div_ceil(MERGE_LANES));
    }

    let out = scratch(x.len());
    let function = shape.activation.unary();
    let mut parameters = arguments(&function.map_or_else(Vec::new, |function| function.parameters())).to_vec();
    parameters.extend([x.words() as u32, channels as u32, (shape.epsilon as f32).to_bits()]);
    let kernel = Kernel::new("batch_norm_normalise").activation(shape.activation);
    let reads = [x, gamma, beta, &mean, &variance];
    commands.dispatch(&kernel, &parameters, &reads, &[&out], x.words().div_ceil(THREADS));
    [out, mean, variance]
}

/// The kernel of chunks of rows, or of all rows at once, which then moves running statistics where some are tracked.
pub fn moments_kernel(lanes: usize, whole: bool, tracked: bool) -> Kernel {
    let kernel = Kernel::new("batch_norm_moments").constant("LANES", lanes).choice("WHOLE", whole, &MOMENTS);
    if whole { tracking(kernel, tracked, 4) } else { kernel }
}

/// The kernel that joins chunks, and moves running statistics where some are tracked.
pub fn merge_kernel(lanes: usize, tracked: bool) -> Kernel {
    tracking(Kernel::new("batch_norm_merge").constant("LANES", lanes), tracked, 5)
}

/// A kernel that moves running statistics, where some are tracked, which are bound from a binding on.
fn tracking(kernel: Kernel, tracked: bool, from: usize) -> Kernel {
    kernel.constant("TRACKED_FROM", from).choice("TRACKED", tracked, &TRACK)
}

/// The kernel of the backward pass's sums over chunks of rows, or over all rows at once.
pub fn sums_kernel(lanes: usize, whole: bool, activation: Activation) -> Kernel {
    Kernel::new("batch_norm_sums").constant("LANES", lanes).choice("WHOLE", whole, &SUMS).gate(activation)
}

/// The storages that the backward pass reads.
pub struct Saved<'a> {
    /// The forward pass's input.
    pub input: &'a Buffer,
    /// The scale.
    pub gamma: &'a Buffer,
    /// The batch's mean.
    pub mean: &'a Buffer,
    /// The batch's biased variance.
    pub variance: &'a Buffer,
    /// The forward pass's output.
    pub output: &'a Buffer,
    /// The output's cotangent.
    pub cotangent: &'a Buffer,
}

/// The cotangents of input, gamma and beta.
pub fn backward(commands: &dyn Commands, saved: &Saved<'_>, shape: &BatchNormShape) -> [Buffer; 3] {
    let Saved { input, gamma, mean, variance, output, cotangent } = *saved;
    let chunks = Chunks::of(shape);
    let channels = shape.channels;
    let scratch = |len| commands.buffer(len);
    let epsilon = (shape.epsilon as f32).to_bits();
    let gate = gate_arguments(shape.activation);

    let parameters = [&gate[..], &chunks.words(shape), &[epsilon]].concat();
    let kernel = sums_kernel(chunks.lanes, chunks.is_whole(), shape.activation);
    let reads = [input, mean, variance, output, cotangent];
    let (d_beta, d_gamma, coefficients) = (scratch(channels), scratch(channels), scratch(4 * channels));
    let ends = [&d_beta, &d_gamma, &coefficients];
    if chunks.is_whole() {
        commands.dispatch(&kernel, &parameters, &reads, &ends, chunks.groups());
    } else {
        let (partial_beta, partial_gamma) = (scratch(chunks.splits * channels), scratch(chunks.splits * channels));
        commands.dispatch(&kernel, &parameters, &reads, &[&partial_beta, &partial_gamma], chunks.groups());
        let parameters = [(shape.rows as f32).to_bits(), epsilon, channels as u32, chunks.splits as u32];
        let kernel = Kernel::new("batch_norm_merge_sums").constant("LANES", MERGE_LANES);
        let reads = [&partial_beta, &partial_gamma, mean, variance];
        commands.dispatch(&kernel, &parameters, &reads, &ends, channels.div_ceil(MERGE_LANES));
    }

    let out = scratch(input.len());
    let parameters = [&gate[..], &[input.words() as u32, channels as u32]].concat();
    let kernel = Kernel::new("batch_norm_backward").gate(shape.activation);
    let reads = [input, gamma, &coefficients, output, cotangent];
    commands.dispatch(&kernel, &parameters, &reads, &[&out], input.words().div_ceil(THREADS));
    [out, d_gamma, d_beta]
}

fn gate_arguments(activation: Activation) -> [u32; 4] {
    arguments(&activation.cotangent().map_or_else(Vec::new, |function| function.parameters()))
}
