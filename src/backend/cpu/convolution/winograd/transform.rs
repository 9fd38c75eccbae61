//! The transforms of images, channels side by side in vectors: `A` and `B`, and their adjoints.

use pulp::Simd as Lanes;

use super::{AXIS, AXIS_PHASES, COMPONENTS, Patch, Products, SIDE};

/// `B` on a tile's fine pixels: a line `[phase, channel]` a component.
pub struct FineLines {
    /// The patch's pixels, each of `channels` elements.
    pub patch: Patch,
    pub channels: usize,
    /// The first component's line, and elements from there to the next component's.
    pub out: *mut f32,
    pub component: usize,
}

impl pulp::WithSimd for FineLines {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Lanes>(self, simd: S) {
        for (p, q) in (0..AXIS_PHASES).flat_map(|p| (0..AXIS_PHASES).map(move |q| (p, q))) {
            let start = (p * AXIS_PHASES + q) * self.channels;
            for channel in (0..self.channels).step_by(S::F32_LANES) {
                // SAFETY: the tiling made the pointers from slices of `channels` elements, a multiple of the lanes.
                let at = |row: usize, column: usize| unsafe {
                    load::<S>(self.patch[2 * row + p][2 * column + q].add(channel))
                };
                let mut rows = [[simd.splat_f32s(0.0); AXIS]; AXIS];
                for (row, values) in rows.iter_mut().enumerate() {
                    let [d0, d1, d2] = [at(row, 0), at(row, 1), at(row, 2)];
                    *values = [simd.sub_f32s(d0, d1), d1, simd.sub_f32s(d2, d1)];
                }
                for column in 0..AXIS {
                    let [d0, d1, d2] = rows.map(|row| row[column]);
                    for (row, value) in [simd.sub_f32s(d0, d1), d1, simd.sub_f32s(d2, d1)].into_iter().enumerate() {
                        let offset = (row * AXIS + column) * self.component + start + channel;
                        // SAFETY: `Lines` has room for every component of this line.
                        unsafe { store::<S>(self.out.add(offset), value) };
                    }
                }
            }
        }
    }
}

/// `A` on a tile's coarse pixels: a line `[channel]` a component.
pub struct CoarseLines {
    /// The tile's pixels, each of `channels` elements.
    pub pixels: [[*const f32; SIDE]; SIDE],
    pub channels: usize,
    /// The first component's line, and elements from there to the next component's.
    pub out: *mut f32,
    pub component: usize,
    /// Channels that are next to each other, and elements from the first of them to the first of the next.
    pub width: usize,
    pub panel: usize,
}

impl pulp::WithSimd for CoarseLines {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Lanes>(self, simd: S) {
        for (panel, first) in (0..self.channels).step_by(self.width).enumerate() {
            for column in (0..self.width).step_by(S::F32_LANES) {
                let channel = first + column;
                // SAFETY: the tiling made the pointers from slices of `channels` elements, a multiple of the lanes.
                let [top, bottom] = self.pixels.map(|row| row.map(|pixel| unsafe { load::<S>(pixel.add(channel)) }));
                let middle = [simd.add_f32s(top[0], bottom[0]), simd.add_f32s(top[1], bottom[1])];
                for (row, [left, right]) in [top, middle, bottom].into_iter().enumerate() {
                    for (of, value) in [left, simd.add_f32s(left, right), right].into_iter().enumerate() {
                        let offset = (row * AXIS + of) * self.component + panel * self.panel + column;
                        // SAFETY: there is room for every component of this line.
                        unsafe { store::<S>(self.out.add(offset), value) };
                    }
                }
            }
        }
    }
}

/// The adjoint of `A`: a tile's coarse pixels from its products.
pub struct CoarsePixels<'a> {
    pub products: &'a Products,
    pub tile: usize,
    /// Elements of a pixel.
    pub columns: usize,
    pub out: [[*mut f32; SIDE]; SIDE],
}

impl pulp::WithSimd for CoarsePixels<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Lanes>(self, simd: S) {
        let add = |a, b| simd.add_f32s(a, b);
        let width = self.products.width;
        for panel in (0..self.columns).step_by(width) {
            let mut lines = [std::ptr::null::<f32>(); COMPONENTS];
            for (component, line) in lines.iter_mut().enumerate() {
                *line = self.products.values[self.products.offset(component, self.tile, panel)..][..width].as_ptr();
            }
            for column in (0..width).step_by(S::F32_LANES) {
                // SAFETY: a line of a panel is `width` elements long, a multiple of the lanes.
                let at = |row: usize, of: usize| unsafe { load::<S>(lines[row * AXIS + of].add(column)) };
                let mut sums = [[simd.splat_f32s(0.0); AXIS]; SIDE];
                let [upper, lower] = &mut sums;
                for (of, (upper, lower)) in upper.iter_mut().zip(lower).enumerate() {
                    let middle = at(1, of);
                    *upper = add(at(0, of), middle);
                    *lower = add(middle, at(2, of));
                }
                for (row, [left, middle, right]) in sums.into_iter().enumerate() {
                    // SAFETY: each pixel has `columns` elements, a multiple of the width.
                    unsafe {
                        store::<S>(self.out[row][0].add(panel + column), add(left, middle));
                        store::<S>(self.out[row][1].add(panel + column), add(middle, right));
                    }
                }
            }
        }
    }
}

/// A line of products that is added to a fine pixel, or taken from it.
pub struct Term {
    /// Where its first panel's part starts.
    pub offset: usize,
    /// 1 or -1.
    pub sign: f32,
}

/// The adjoint of `B`, pixel by pixel: a signed sum of lines of products.
pub struct FinePixels<'a> {
    pub products: &'a Products,
    pub terms: &'a [Term],
    pub out: &'a mut [f32],
}

impl pulp::WithSimd for FinePixels<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Lanes>(self, simd: S) {
        let (width, values) = (self.products.width, &self.products.values);
        for (panel, out) in self.out.chunks_exact_mut(width).enumerate() {
            let start = panel * self.products.panel();
            for column in (0..width).step_by(S::F32_LANES) {
                let mut sum = simd.splat_f32s(0.0);
                for term in self.terms {
                    let line = &values[term.offset + start..][..width];
                    // SAFETY: `column` and the lanes behind it lie inside the line, since the width is a multiple of them.
                    let value = unsafe { load::<S>(line.as_ptr().add(column)) };
                    sum = simd.mul_add_e_f32s(simd.splat_f32s(term.sign), value, sum);
                }
                // SAFETY: as above.
                unsafe { store::<S>(out.as_mut_ptr().add(column), sum) };
            }
        }
    }
}

/// # Safety
/// A vector's elements from `at` on are readable.
#[inline(always)]
pub unsafe fn load<S: Lanes>(at: *const f32) -> S::f32s {
    // SAFETY: as the caller promises; vectors are read unaligned.
    unsafe { at.cast::<S::f32s>().read_unaligned() }
}

/// # Safety
/// A vector's elements from `at` on are writable.
#[inline(always)]
pub unsafe fn store<S: Lanes>(at: *mut f32, value: S::f32s) {
    // SAFETY: as the caller promises; vectors are written unaligned.
    unsafe { at.cast::<S::f32s>().write_unaligned(value) }
}
