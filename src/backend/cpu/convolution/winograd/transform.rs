//! The transforms of images and filters, channels side by side in vectors: `A`, `B` and `G`, and their adjoints.

use std::marker::PhantomData;

use pulp::Simd as Lanes;

use super::scheme::{MOST, Scheme, Square, at_all_places, both_axes};
use super::{AXIS_PHASES, MOST_PATCH, MOST_SIDE, Products};

/// The pixels that reach a tile, each of as many elements as the image has channels.
pub type Patch<P> = [[P; MOST_PATCH]; MOST_PATCH];
/// A tile's own coarse pixels.
pub type Pixels<P> = [[P; MOST_SIDE]; MOST_SIDE];

/// `at(row, column)` for the first `size` rows and columns.
#[inline(always)]
fn square<S: Lanes>(simd: S, size: usize, at: impl Fn(usize, usize) -> S::f32s) -> Square<S> {
    let mut out = [[simd.splat_f32s(0.0); MOST]; MOST];
    at_all_places!(|row, column| if row < size && column < size {
        out[row][column] = at(row, column);
    });
    out
}

/// Calls `put(row, column, vector)` for the first `size` rows and columns.
#[inline(always)]
fn each<S: Lanes>(values: Square<S>, size: usize, put: impl Fn(usize, usize, S::f32s)) {
    at_all_places!(|row, column| if row < size && column < size {
        put(row, column, values[row][column]);
    });
}

/// `B` on a tile's fine pixels: a line `[phase, channel]` a component.
pub struct FineLines<K> {
    pub scheme: PhantomData<K>,
    pub patch: Patch<*const f32>,
    pub channels: usize,
    /// The first component's line, and elements from there to the next component's.
    pub out: *mut f32,
    pub component: usize,
}

impl<K: Scheme> pulp::WithSimd for FineLines<K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Lanes>(self, simd: S) {
        for (p, q) in (0..AXIS_PHASES).flat_map(|p| (0..AXIS_PHASES).map(move |q| (p, q))) {
            let start = (p * AXIS_PHASES + q) * self.channels;
            for channel in (0..self.channels).step_by(S::F32_LANES) {
                // SAFETY: the tiling made the pointers from slices of `channels` elements, a multiple of the lanes.
                let pixels = square(
                    simd,
                    K::AXIS,
                    #[inline(always)]
                    |row, column| unsafe { load::<S>(self.patch[2 * row + p][2 * column + q].add(channel)) },
                );
                let values = both_axes::<S>(
                    pixels,
                    #[inline(always)]
                    |line| K::inputs(simd, line),
                );
                each::<S>(
                    values,
                    K::AXIS,
                    #[inline(always)]
                    |row, column, value| {
                        let offset = (row * K::AXIS + column) * self.component + start + channel;
                        // SAFETY: `Lines` has room for every component of this line.
                        unsafe { store::<S>(self.out.add(offset), value) };
                    },
                );
            }
        }
    }
}

/// `A` on a tile's coarse pixels: a line `[channel]` a component.
pub struct CoarseLines<K> {
    pub scheme: PhantomData<K>,
    /// Each of `channels` elements.
    pub pixels: Pixels<*const f32>,
    pub channels: usize,
    /// The first component's line, and elements from there to the next component's.
    pub out: *mut f32,
    pub component: usize,
    /// Channels that are next to each other, and elements from the first of them to the first of the next.
    pub width: usize,
    pub panel: usize,
}

impl<K: Scheme> pulp::WithSimd for CoarseLines<K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Lanes>(self, simd: S) {
        for (panel, first) in (0..self.channels).step_by(self.width).enumerate() {
            for column in (0..self.width).step_by(S::F32_LANES) {
                // SAFETY: the tiling made the pointers from slices of `channels` elements, a multiple of the lanes.
                let pixels = square(
                    simd,
                    K::SIDE,
                    #[inline(always)]
                    |row, of| unsafe { load::<S>(self.pixels[row][of].add(first + column)) },
                );
                let values = both_axes::<S>(
                    pixels,
                    #[inline(always)]
                    |line| K::outputs(simd, line),
                );
                each::<S>(
                    values,
                    K::AXIS,
                    #[inline(always)]
                    |row, of, value| {
                        let offset = (row * K::AXIS + of) * self.component + panel * self.panel + column;
                        // SAFETY: there is room for every component of this line.
                        unsafe { store::<S>(self.out.add(offset), value) };
                    },
                );
            }
        }
    }
}

/// The adjoint of `A`: a tile's coarse pixels from its products.
pub struct CoarsePixels<'a, K> {
    pub scheme: PhantomData<K>,
    pub products: &'a Products,
    pub tile: usize,
    /// Elements of a pixel.
    pub columns: usize,
    pub out: Pixels<*mut f32>,
}

impl<K: Scheme> pulp::WithSimd for CoarsePixels<'_, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Lanes>(self, simd: S) {
        let width = self.products.width;
        for panel in (0..self.columns).step_by(width) {
            let lines = self.products.lines::<K>(self.tile, panel);
            for column in (0..width).step_by(S::F32_LANES) {
                // SAFETY: a line of a panel is `width` elements long, a multiple of the lanes.
                let sums = square(
                    simd,
                    K::AXIS,
                    #[inline(always)]
                    |row, of| unsafe { load::<S>(lines[row][of].add(column)) },
                );
                let values = both_axes::<S>(
                    sums,
                    #[inline(always)]
                    |line| K::outputs_adjoint(simd, line),
                );
                each::<S>(
                    values,
                    K::SIDE,
                    #[inline(always)]
                    |row, of, value| {
                        // SAFETY: each pixel has `columns` elements, a multiple of the width.
                        unsafe { store::<S>(self.out[row][of].add(panel + column), value) };
                    },
                );
            }
        }
    }
}

/// The adjoint of `B`: what a tile gives to the fine pixels that reach it, in the order of tiles.
pub struct FinePixels<'a, K> {
    pub scheme: PhantomData<K>,
    pub products: &'a Products,
    pub tile: usize,
    /// Elements of a pixel.
    pub channels: usize,
    /// Null off the image.
    pub patch: Patch<*mut f32>,
    /// Whether there are tiles above and to the left, which gave to the shared pixels before.
    pub above: bool,
    pub left: bool,
}

impl<K: Scheme> pulp::WithSimd for FinePixels<'_, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Lanes>(self, simd: S) {
        let width = self.products.width;
        for (p, q) in (0..AXIS_PHASES).flat_map(|p| (0..AXIS_PHASES).map(move |q| (p, q))) {
            for panel in (0..self.channels).step_by(width) {
                let lines = self.products.lines::<K>(self.tile, (p * AXIS_PHASES + q) * self.channels + panel);
                for column in (0..width).step_by(S::F32_LANES) {
                    // SAFETY: a line of a panel is `width` elements long, a multiple of the lanes.
                    let sums = square(
                        simd,
                        K::AXIS,
                        #[inline(always)]
                        |row, of| unsafe { load::<S>(lines[row][of].add(column)) },
                    );
                    let values = both_axes::<S>(
                        sums,
                        #[inline(always)]
                        |line| K::inputs_adjoint(simd, line),
                    );
                    each::<S>(
                        values,
                        K::AXIS,
                        #[inline(always)]
                        |row, of, value| {
                            let pixel = self.patch[2 * row + p][2 * of + q];
                            if !pixel.is_null() {
                                let add = (self.above && row == 0) || (self.left && of == 0);
                                // SAFETY: each pixel has `channels` elements, a multiple of the width.
                                unsafe {
                                    let out = pixel.add(panel + column);
                                    store::<S>(out, if add { simd.add_f32s(load::<S>(out), value) } else { value });
                                }
                            }
                        },
                    );
                }
            }
        }
    }
}

/// `G` on lines of a phase's four taps: a line a component.
pub struct FilterLines<K> {
    pub scheme: PhantomData<K>,
    /// Where each tap's first line starts, and elements to its next.
    pub taps: [[*const f32; 2]; 2],
    pub stride: usize,
    pub lines: usize,
    /// Elements of a line; those of a component follow one another.
    pub width: usize,
    /// The first component's first line, and elements from there to the next component's.
    pub out: *mut f32,
    pub component: usize,
}

impl<K: Scheme> pulp::WithSimd for FilterLines<K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Lanes>(self, simd: S) {
        for line in 0..self.lines {
            for column in (0..self.width).step_by(S::F32_LANES) {
                // SAFETY: the caller made the pointers from slices of that many lines, whose width is a multiple of the lanes.
                let taps = square(
                    simd,
                    2,
                    #[inline(always)]
                    |p, q| unsafe { load::<S>(self.taps[p][q].add(line * self.stride + column)) },
                );
                let values = both_axes::<S>(
                    taps,
                    #[inline(always)]
                    |line| K::taps(simd, line),
                );
                each::<S>(
                    values,
                    K::AXIS,
                    #[inline(always)]
                    |row, of, value| {
                        let offset = (row * K::AXIS + of) * self.component + line * self.width + column;
                        // SAFETY: there is room for every component of these lines.
                        unsafe { store::<S>(self.out.add(offset), value) };
                    },
                );
            }
        }
    }
}

/// The adjoint of `G`: a vector's width of a phase's four taps from the components' sums.
pub struct FilterTaps<K> {
    pub scheme: PhantomData<K>,
    /// A line of sums a component, and elements of it.
    pub sums: [[*const f32; MOST]; MOST],
    pub width: usize,
    pub taps: [[*mut f32; 2]; 2],
}

impl<K: Scheme> pulp::WithSimd for FilterTaps<K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Lanes>(self, simd: S) {
        for column in (0..self.width).step_by(S::F32_LANES) {
            // SAFETY: the caller made the pointers from slices of `width` elements, a multiple of the lanes.
            let sums = square(
                simd,
                K::AXIS,
                #[inline(always)]
                |row, of| unsafe { load::<S>(self.sums[row][of].add(column)) },
            );
            let values = both_axes::<S>(
                sums,
                #[inline(always)]
                |line| K::taps_adjoint(simd, line),
            );
            // SAFETY: as above.
            each::<S>(
                values,
                2,
                #[inline(always)]
                |p, q, value| unsafe { store::<S>(self.taps[p][q].add(column), value) },
            );
        }
    }
}

/// # Safety
/// A vector's elements from `at` on are readable.
#[inline(always)]
unsafe fn load<S: Lanes>(at: *const f32) -> S::f32s {
    // SAFETY: as the caller promises; vectors are read unaligned.
    unsafe { at.cast::<S::f32s>().read_unaligned() }
}

/// # Safety
/// A vector's elements from `at` on are writable.
#[inline(always)]
unsafe fn store<S: Lanes>(at: *mut f32, value: S::f32s) {
    // SAFETY: as the caller promises; vectors are written unaligned.
    unsafe { at.cast::<S::f32s>().write_unaligned(value) }
}
