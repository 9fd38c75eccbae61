//! The transforms of images and filters, channels side by side in vectors: `A`, `B` and `G`, and their adjoints.
//!
//! Each reads and writes through pointers, for which the caller of its `new` answers; widths are multiples of any vector's. Debug builds check
//! what can be checked: that places lie inside what is written, that what is read is somewhere, and that vectors are filled.

use std::marker::PhantomData;

use pulp::Simd as Lanes;

use super::scheme::{MOST, MOST_TAPS, Scheme, Square, at_all_places, both_axes};
use super::{CHANNELS, MOST_PATCH, MOST_SIDE, Products};
use crate::backend::cpu::parallel::Disjoint;

/// The pixels that reach a tile, each of as many elements as the image has channels.
pub type Patch<P> = [[P; MOST_PATCH]; MOST_PATCH];
/// A tile's own coarse pixels.
pub type Pixels<P> = [[P; MOST_SIDE]; MOST_SIDE];
/// A phase's taps.
pub type Taps<P> = [[P; MOST_TAPS]; MOST_TAPS];

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

/// Whether a pointer for each of the first `size` rows and columns points somewhere.
fn all_there<const N: usize>(pointers: &[[*const f32; N]; N], size: usize) -> bool {
    pointers[..size].iter().all(|row| row[..size].iter().all(|pointer| !pointer.is_null()))
}

/// The phases of a pixel, down and across.
fn phases<K: Scheme>() -> impl Iterator<Item = (usize, usize)> {
    (0..K::AXIS_PHASES).flat_map(|p| (0..K::AXIS_PHASES).map(move |q| (p, q)))
}

/// `B` on a tile's fine pixels: a line `[phase, channel]` a component.
pub struct FineLines<K> {
    scheme: PhantomData<K>,
    patch: Patch<*const f32>,
    channels: usize,
    out: Disjoint,
    component: usize,
}

impl<K: Scheme> FineLines<K> {
    /// From pixels of `channels` elements to lines, the first component's at `out` and the others' `component` elements apart.
    ///
    /// # Safety
    /// The pixels are readable, and nobody else touches the lines meanwhile. (Debug builds check that there is room for them.)
    pub unsafe fn new(patch: Patch<*const f32>, channels: usize, out: Disjoint, component: usize) -> FineLines<K> {
        debug_assert!(channels.is_multiple_of(CHANNELS), "{channels} channels do not fill vectors");
        debug_assert!(all_there(&patch, K::AXIS_PHASES * K::AXIS), "a pixel is nowhere");
        debug_assert!((K::COMPONENTS - 1) * component + K::PHASES * channels <= out.length(), "no room for the lines");
        FineLines { scheme: PhantomData, patch, channels, out, component }
    }
}

impl<K: Scheme> pulp::WithSimd for FineLines<K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Lanes>(self, simd: S) {
        for (p, q) in phases::<K>() {
            let start = (p * K::AXIS_PHASES + q) * self.channels;
            for channel in (0..self.channels).step_by(S::F32_LANES) {
                // SAFETY: as `new`'s caller promised.
                let pixels = square(
                    simd,
                    K::AXIS,
                    #[inline(always)]
                    |row, column| unsafe {
                        load::<S>(self.patch[K::AXIS_PHASES * row + p][K::AXIS_PHASES * column + q].add(channel))
                    },
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
                        // SAFETY: as `new`'s caller promised.
                        unsafe { store::<S>(self.out.at(offset), value) };
                    },
                );
            }
        }
    }
}

/// `A` on a tile's coarse pixels: a line `[channel]` a component.
pub struct CoarseLines<K> {
    scheme: PhantomData<K>,
    pixels: Pixels<*const f32>,
    channels: usize,
    out: Disjoint,
    component: usize,
    width: usize,
    panel: usize,
}

impl<K: Scheme> CoarseLines<K> {
    /// From pixels of `channels` elements to lines, the first component's at `out` and the others' `component` elements apart. In a line `width`
    /// channels are next to each other, and from the first of them to the first of the next are `panel` elements.
    ///
    /// # Safety
    /// See [`FineLines::new`].
    pub unsafe fn new(
        pixels: Pixels<*const f32>,
        channels: usize,
        out: Disjoint,
        component: usize,
        [width, panel]: [usize; 2],
    ) -> CoarseLines<K> {
        debug_assert!(channels.is_multiple_of(width), "{channels} channels do not fill lines of {width}");
        debug_assert!(all_there(&pixels, K::SIDE), "a pixel is nowhere");
        let end = (K::COMPONENTS - 1) * component + (channels / width - 1) * panel + width;
        debug_assert!(end <= out.length(), "no room for the lines");
        CoarseLines { scheme: PhantomData, pixels, channels, out, component, width, panel }
    }
}

impl<K: Scheme> pulp::WithSimd for CoarseLines<K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Lanes>(self, simd: S) {
        debug_assert!(self.width.is_multiple_of(S::F32_LANES), "lines of {} do not fill vectors", self.width);
        for (panel, first) in (0..self.channels).step_by(self.width).enumerate() {
            for column in (0..self.width).step_by(S::F32_LANES) {
                // SAFETY: as `new`'s caller promised.
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
                        // SAFETY: as `new`'s caller promised.
                        unsafe { store::<S>(self.out.at(offset), value) };
                    },
                );
            }
        }
    }
}

/// The adjoint of `A`: a tile's coarse pixels from its products.
pub struct CoarsePixels<'a, K> {
    scheme: PhantomData<K>,
    products: &'a Products,
    tile: usize,
    out: Pixels<*mut f32>,
}

impl<K: Scheme> CoarsePixels<'_, K> {
    /// From the products of a tile to its pixels of as many elements as the products have columns; those off the image are null.
    ///
    /// # Safety
    /// The other pixels are writable, and nobody else touches them meanwhile.
    pub unsafe fn new(products: &Products, tile: usize, out: Pixels<*mut f32>) -> CoarsePixels<'_, K> {
        debug_assert!(tile < products.padded, "there is no tile {tile}");
        CoarsePixels { scheme: PhantomData, products, tile, out }
    }
}

impl<K: Scheme> pulp::WithSimd for CoarsePixels<'_, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Lanes>(self, simd: S) {
        let width = self.products.width;
        debug_assert!(width.is_multiple_of(S::F32_LANES), "panels of {width} do not fill vectors");
        for panel in (0..self.products.columns).step_by(width) {
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
                        let pixel = self.out[row][of];
                        if !pixel.is_null() {
                            // SAFETY: as `new`'s caller promised.
                            unsafe { store::<S>(pixel.add(panel + column), value) };
                        }
                    },
                );
            }
        }
    }
}

/// The adjoint of `B`: what a tile gives to the fine pixels that reach it, in the order of tiles.
pub struct FinePixels<'a, K> {
    scheme: PhantomData<K>,
    products: &'a Products,
    tile: usize,
    channels: usize,
    patch: Patch<*mut f32>,
    above: bool,
    left: bool,
}

impl<K: Scheme> FinePixels<'_, K> {
    /// From the products of a tile, a phase after the other, to the pixels that reach it; those off the image are null. The tiles above and to the
    /// left, where there are any, gave to the shared pixels before.
    ///
    /// # Safety
    /// The other pixels are writable, and nobody else touches them meanwhile.
    pub unsafe fn new(
        products: &Products,
        tile: usize,
        patch: Patch<*mut f32>,
        [above, left]: [bool; 2],
    ) -> FinePixels<'_, K> {
        debug_assert!(products.columns.is_multiple_of(K::PHASES), "the columns are no whole phases");
        debug_assert!(tile < products.padded, "there is no tile {tile}");
        FinePixels { scheme: PhantomData, products, tile, channels: products.columns / K::PHASES, patch, above, left }
    }
}

impl<K: Scheme> pulp::WithSimd for FinePixels<'_, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Lanes>(self, simd: S) {
        let width = self.products.width;
        debug_assert!(width.is_multiple_of(S::F32_LANES), "panels of {width} do not fill vectors");
        for (p, q) in phases::<K>() {
            for panel in (0..self.channels).step_by(width) {
                let lines = self.products.lines::<K>(self.tile, (p * K::AXIS_PHASES + q) * self.channels + panel);
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
                            let pixel = self.patch[K::AXIS_PHASES * row + p][K::AXIS_PHASES * of + q];
                            if !pixel.is_null() {
                                let add = (self.above && row < K::TAPS - 1) || (self.left && of < K::TAPS - 1);
                                // SAFETY: as `new`'s caller promised.
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

/// `G` on lines of a phase's taps: a line a component.
pub struct FilterLines<K> {
    scheme: PhantomData<K>,
    taps: Taps<*const f32>,
    stride: usize,
    lines: usize,
    width: usize,
    out: Disjoint,
    component: usize,
}

impl<K: Scheme> FilterLines<K> {
    /// From each tap's `lines` lines of `width` elements, `stride` elements apart, to lines that follow one another, the first component's at
    /// `out` and the others' `component` elements apart.
    ///
    /// # Safety
    /// See [`FineLines::new`].
    pub unsafe fn new(
        taps: Taps<*const f32>,
        [lines, width, stride]: [usize; 3],
        out: Disjoint,
        component: usize,
    ) -> FilterLines<K> {
        debug_assert!((K::COMPONENTS - 1) * component + lines * width <= out.length(), "no room for the lines");
        debug_assert!(all_there(&taps, K::TAPS), "a tap is nowhere");
        FilterLines { scheme: PhantomData, taps, stride, lines, width, out, component }
    }
}

impl<K: Scheme> pulp::WithSimd for FilterLines<K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Lanes>(self, simd: S) {
        debug_assert!(self.width.is_multiple_of(S::F32_LANES), "lines of {} do not fill vectors", self.width);
        for line in 0..self.lines {
            for column in (0..self.width).step_by(S::F32_LANES) {
                // SAFETY: as `new`'s caller promised.
                let taps = square(
                    simd,
                    K::TAPS,
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
                        // SAFETY: as `new`'s caller promised.
                        unsafe { store::<S>(self.out.at(offset), value) };
                    },
                );
            }
        }
    }
}

/// The adjoint of `G`: some elements of each of a phase's taps from the components' sums.
pub struct FilterTaps<K> {
    scheme: PhantomData<K>,
    sums: [[*const f32; MOST]; MOST],
    width: usize,
    taps: Taps<*mut f32>,
}

impl<K: Scheme> FilterTaps<K> {
    /// From `width` elements of each component to as many of each tap.
    ///
    /// # Safety
    /// The sums are readable, the taps writable, and nobody else touches those meanwhile.
    pub unsafe fn new(sums: [[*const f32; MOST]; MOST], width: usize, taps: Taps<*mut f32>) -> FilterTaps<K> {
        debug_assert!(all_there(&sums, K::AXIS), "a sum is nowhere");
        debug_assert!(all_there(&taps.map(|row| row.map(<*mut f32>::cast_const)), K::TAPS), "a tap is nowhere");
        FilterTaps { scheme: PhantomData, sums, width, taps }
    }
}

impl<K: Scheme> pulp::WithSimd for FilterTaps<K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Lanes>(self, simd: S) {
        debug_assert!(self.width.is_multiple_of(S::F32_LANES), "lines of {} do not fill vectors", self.width);
        for column in (0..self.width).step_by(S::F32_LANES) {
            // SAFETY: as `new`'s caller promised.
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
                K::TAPS,
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

#[cfg(all(test, debug_assertions))]
mod tests {
    use std::ptr;

    use super::super::scheme::F43;
    use super::*;

    #[test]
    #[should_panic(expected = "no room for the lines")]
    fn lines_that_do_not_fit_are_refused() {
        let (pixel, mut out) = ([1f32; CHANNELS], vec![0f32; 8]);
        let patch = [[pixel.as_ptr(); MOST_PATCH]; MOST_PATCH];
        // SAFETY: it is refused.
        let _ = unsafe { FineLines::<F43>::new(patch, CHANNELS, Disjoint::new(&mut out), CHANNELS) };
    }

    #[test]
    #[should_panic(expected = "a pixel is nowhere")]
    fn pixels_that_are_not_there_are_not_read() {
        let mut out = vec![0f32; 1 << 16];
        let patch = [[ptr::null(); MOST_PATCH]; MOST_PATCH];
        // SAFETY: it is refused.
        let _ = unsafe { FineLines::<F43>::new(patch, CHANNELS, Disjoint::new(&mut out), CHANNELS) };
    }

    #[test]
    #[should_panic(expected = "do not fill vectors")]
    fn channels_that_do_not_fill_vectors_are_refused() {
        let (pixel, mut out) = ([1f32; CHANNELS], vec![0f32; 1 << 16]);
        let patch = [[pixel.as_ptr(); MOST_PATCH]; MOST_PATCH];
        // SAFETY: it is refused.
        let _ = unsafe { FineLines::<F43>::new(patch, CHANNELS - 1, Disjoint::new(&mut out), CHANNELS) };
    }

    #[test]
    #[should_panic(expected = "a tap is nowhere")]
    fn taps_that_are_not_there_are_not_written() {
        let sums = [1f32; CHANNELS];
        let taps = [[ptr::null_mut(); MOST_TAPS]; MOST_TAPS];
        // SAFETY: it is refused.
        let _ = unsafe { FilterTaps::<F43>::new([[sums.as_ptr(); MOST]; MOST], CHANNELS, taps) };
    }

    #[test]
    #[should_panic(expected = "elements are outside the slice")]
    fn places_outside_a_slice_are_refused() {
        let mut out = vec![0f32; 4];
        // SAFETY: it is refused.
        let _ = unsafe { Disjoint::new(&mut out).at(4) };
    }
}
