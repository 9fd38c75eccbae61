//! Which pixels meet which taps: the output cut into groups of pixels that share them.
//!
//! Along an axis, the outputs that meet the same taps form runs: the interior, and the few at each border (and, in a
//! transposed convolution, each phase of the stride by itself). A group is the product of a run down and a run across.
//! Inside a group no tap falls on padding, and a row of taps is contiguous in memory.

use std::ops::Range;

use super::Part;
use crate::backend::Geometry;
use crate::backend::cpu::microkernel::Segment;

/// Outputs along an axis that meet the same taps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first output.
    pub output: usize,
    /// From one output of the run to the next.
    pub output_step: usize,
    /// How many outputs.
    pub count: usize,
    /// The taps, numbered in the order in which they meet ascending inputs.
    pub taps: Range<usize>,
    /// The input that the first output's first tap meets.
    pub input: usize,
    /// From that to the next output's.
    pub input_step: usize,
}

/// Collects runs from what each output meets: its taps and the first one's input. Outputs `phases` apart may share a run.
fn runs(outputs: usize, phases: usize, input_step: usize, meets: impl Fn(usize) -> (Range<usize>, usize)) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for phase in 0..phases.min(outputs) {
        let start = runs.len();
        for output in (phase..outputs).step_by(phases) {
            let (taps, input) = meets(output);
            match runs[start..].last_mut() {
                Some(run) if run.taps == taps => run.count += 1,
                _ => {
                    // Outputs that meet nothing all stand at the first input, which is always there.
                    let input_step = if taps.is_empty() { 0 } else { input_step };
                    runs.push(Run { output, output_step: phases, count: 1, taps, input, input_step });
                }
            }
        }
    }
    runs
}

/// The coarse outputs of a convolution along one axis; taps in their natural order.
fn coarse_runs(geometry: &Geometry, axis: usize) -> Vec<Run> {
    let (fine, kernel) = (geometry.fine[axis], geometry.kernel[axis]);
    let (stride, padding) = (geometry.stride[axis], geometry.padding[axis]);
    runs(geometry.coarse[axis], 1, stride, |output| {
        let origin = stride * output;
        let first = padding.saturating_sub(origin).min(kernel);
        let end = (fine + padding).saturating_sub(origin).clamp(first, kernel);
        if first == end { (0..0, 0) } else { (first..end, origin + first - padding) }
    })
}

/// Where a transposed convolution's taps stand along one axis: those of one phase together, descending, since a
/// later tap meets an earlier input.
fn transposed_tap(geometry: &Geometry, axis: usize, tap: usize) -> usize {
    let (kernel, stride) = (geometry.kernel[axis], geometry.stride[axis]);
    let before: usize = (0..tap % stride).map(|phase| (kernel - phase).div_ceil(stride)).sum();
    before + (kernel - 1 - tap) / stride
}

/// The fine outputs of a transposed convolution along one axis.
fn fine_runs(geometry: &Geometry, axis: usize) -> Vec<Run> {
    let (coarse, kernel) = (geometry.coarse[axis], geometry.kernel[axis]);
    let (stride, padding) = (geometry.stride[axis], geometry.padding[axis]);
    runs(geometry.fine[axis], stride, 1, |output| {
        let reach = output + padding;
        let first = (reach + 1).saturating_sub(kernel).div_ceil(stride);
        let end = (reach / stride + 1).min(coarse);
        if first >= end {
            return (0..0, 0);
        }
        let tap = transposed_tap(geometry, axis, reach - stride * first);
        (tap..tap + end - first, first)
    })
}

/// Output pixels that share their taps.
#[derive(Debug)]
pub struct Group {
    /// Rows of the output.
    pub down: Run,
    /// Columns of the output.
    pub across: Run,
    /// The contraction of each of its pixels.
    pub segments: Vec<Segment>,
}

/// A role's groups, and the sizes by which pixels are found.
#[derive(Debug)]
pub struct Plan {
    /// All groups; every output pixel is in one.
    pub groups: Vec<Group>,
    batch: usize,
    input: [usize; 3],
    output: [usize; 3],
}

/// A pixel of a group: where its first input element and its first output element stand.
#[derive(Clone, Copy, Debug)]
pub struct Pixel {
    /// From the start of the input image tensor.
    pub input: usize,
    /// From the start of the output image tensor.
    pub output: usize,
}

impl Plan {
    /// The plan of a convolution: coarse outputs from a fine input.
    pub fn coarse(part: &Part) -> Plan {
        let (g, pixel) = (&part.geometry, part.pixel);
        let [input, output] = [[g.fine[0], g.fine[1], pixel[0]], [g.coarse[0], g.coarse[1], pixel[1]]];
        Plan::new(g, g.fine_channels, input, output, [coarse_runs(g, 0), coarse_runs(g, 1)])
    }

    /// The plan of a transposed convolution: fine outputs from a coarse input.
    pub fn fine(part: &Part) -> Plan {
        let (g, pixel) = (&part.geometry, part.pixel);
        let [input, output] = [[g.coarse[0], g.coarse[1], pixel[1]], [g.fine[0], g.fine[1], pixel[0]]];
        Plan::new(g, g.coarse_channels, input, output, [fine_runs(g, 0), fine_runs(g, 1)])
    }

    /// Of an input of which these channels meet the filter.
    fn new(
        geometry: &Geometry,
        channels: usize,
        input: [usize; 3],
        output: [usize; 3],
        [down, across]: [Vec<Run>; 2],
    ) -> Plan {
        let [_, width, pixel] = input;
        let group = |down: &Run, across: &Run| {
            // A row of taps is contiguous where no other channels lie between; else each tap is a segment.
            let (pieces, taps) = if pixel == channels { (1, across.taps.len()) } else { (across.taps.len(), 1) };
            let segment = |(row, tap): (usize, usize), piece: usize| Segment {
                left: (row * width + piece) * pixel,
                line: (tap * geometry.kernel[1] + across.taps.start + piece) * channels,
                length: taps * channels,
            };
            let rows = down.taps.clone().enumerate();
            let segments = rows.flat_map(|row| (0..pieces).map(move |piece| segment(row, piece)));
            let segments = segments.filter(|segment| segment.length > 0).collect();
            Group { down: down.clone(), across: across.clone(), segments }
        };
        let groups = down.iter().flat_map(|down| across.iter().map(move |across| group(down, across))).collect();
        Plan { groups, batch: geometry.batch, input, output }
    }

    /// How many pixels a group has, over the whole batch.
    pub fn pixels(&self, group: &Group) -> usize {
        self.batch * group.down.count * group.across.count
    }

    /// The pixels of a group from `index` on.
    pub fn from<'a>(&'a self, group: &'a Group, index: usize) -> impl Iterator<Item = Pixel> + 'a {
        let (down, across) = (&group.down, &group.across);
        // The row of a batch's rows, and the column; a pixel costs no division.
        let (first, skipped) = (index / across.count, index % across.count);
        (first..self.batch * down.count).flat_map(move |row| {
            let (n, j) = (row / down.count, row % down.count);
            let at = |[height, width, channels]: [usize; 3], row: usize, column: usize| {
                (((n * height + row) * width + column) * channels, channels)
            };
            let (input, input_channels) = at(self.input, down.input + j * down.input_step, across.input);
            let (output, output_channels) = at(self.output, down.output + j * down.output_step, across.output);
            (if row == first { skipped } else { 0 }..across.count).map(move |i| Pixel {
                input: input + i * across.input_step * input_channels,
                output: output + i * across.output_step * output_channels,
            })
        })
    }
}

/// The line of a transposed convolution's panel at which a tap's coarse channels start.
pub fn transposed_line(geometry: &Geometry, [p, q]: [usize; 2]) -> usize {
    let tap = transposed_tap(geometry, 0, p) * geometry.kernel[1] + transposed_tap(geometry, 1, q);
    tap * geometry.coarse_channels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry(fine: usize, kernel: usize, stride: usize, padding: usize) -> Option<Geometry> {
        Geometry::of_fine(1, [fine; 2], [1, 1], [kernel; 2], [stride; 2], [padding; 2])
    }

    /// The (output, tap, input) triples that runs stand for, sorted.
    fn triples(runs: &[Run]) -> Vec<(usize, usize, usize)> {
        let mut triples = Vec::new();
        for run in runs {
            for i in 0..run.count {
                for (offset, tap) in run.taps.clone().enumerate() {
                    triples.push((run.output + i * run.output_step, tap, run.input + i * run.input_step + offset));
                }
            }
        }
        triples.sort();
        triples
    }

    #[test]
    fn runs_hold_every_tap_that_meets_the_image_and_no_other() {
        for fine in 1..9 {
            for (kernel, stride, padding) in
                (1..6).flat_map(|k| (1..4).flat_map(move |s| (0..3).map(move |p| (k, s, p))))
            {
                let Some(g) = geometry(fine, kernel, stride, padding) else { continue };
                let (mut down, mut up) = (Vec::new(), Vec::new());
                for i in 0..g.coarse[0] {
                    for p in 0..kernel {
                        if let Some(x) = (stride * i + p).checked_sub(padding).filter(|&x| x < fine) {
                            down.push((i, p, x));
                            up.push((x, transposed_tap(&g, 0, p), i));
                        }
                    }
                }
                up.sort();
                assert_eq!(triples(&coarse_runs(&g, 0)), down, "{g:?}");
                assert_eq!(triples(&fine_runs(&g, 0)), up, "{g:?}");
            }
        }
    }
}
