//! What kernels are asked to do: sizes and roles, the same for every backend.

use super::{Activation, Backend};

/// What comes out of a convolution kernel: one of the three arguments of the trilinear form of [`Geometry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The fine image, from (filter, coarse image): the transposed convolution.
    Fine,
    /// The filter, from (fine image, coarse image): the filter gradient.
    Filter,
    /// The coarse image, from (fine image, filter): the convolution.
    Coarse,
}

/// The sizes of a convolution, on both of its sides:
///
/// `T(x, w, y) = sum over n, i, j, p, q, c, k of x[n, s i + d p - pad, s j + d q - pad, c] w[p, q, c, k] y[n, i, j, k]`
///
/// with the fine image `x [n, h, w, c]`, the filter `w [kh, kw, c, k]` and the coarse image `y [n, i, j, k]`.
/// Sizes of both sides are given, so a transposed convolution needs no output padding.
///
/// With G groups the channels of either image are G runs of neighbours, and those of a run meet those of the same run alone: the filter is
/// `[kh, kw, c / G, k]`, and its channel c of a coarse channel k stands for the fine one `c + (C / G) floor(k / (K / G))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// Images.
    pub batch: usize,
    /// Height and width of the fine image.
    pub fine: [usize; 2],
    /// Height and width of the coarse image.
    pub coarse: [usize; 2],
    /// Channels of the fine image (`c`).
    pub fine_channels: usize,
    /// Channels of the coarse image (`k`).
    pub coarse_channels: usize,
    /// Height and width of the filter.
    pub kernel: [usize; 2],
    /// Fine pixels from one coarse pixel to the next, down and across.
    pub stride: [usize; 2],
    /// Zero pixels around the fine image, above and below, left and right.
    pub padding: [usize; 2],
    /// Fine pixels from one tap of the filter to the next (`d`), down and across.
    pub dilation: [usize; 2],
    /// Groups of channels that do not meet each other.
    pub groups: usize,
}

impl Geometry {
    /// The geometry of a fine size, without dilation or groups; None where the filter does not fit. The channels are the fine image's and
    /// the coarse one's.
    pub fn of_fine(
        batch: usize,
        fine: [usize; 2],
        [fine_channels, coarse_channels]: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
    ) -> Option<Geometry> {
        let size = |axis: usize| Geometry::coarse_size(fine[axis], kernel[axis], stride[axis], padding[axis]);
        let coarse = [size(0)?, size(1)?];
        let (dilation, groups) = ([1, 1], 1);
        Some(Geometry {
            batch,
            fine,
            coarse,
            fine_channels,
            coarse_channels,
            kernel,
            stride,
            padding,
            dilation,
            groups,
        })
    }

    /// With so many fine pixels from tap to tap, and as many coarse pixels as there are then; None where the filter does not fit.
    pub fn dilated(self, dilation: [usize; 2]) -> Option<Geometry> {
        let size = |axis: usize| {
            let extent = Geometry::extent(self.kernel[axis], dilation[axis])?;
            Geometry::coarse_size(self.fine[axis], extent, self.stride[axis], self.padding[axis])
        };
        let coarse = [size(0)?, size(1)?];
        Some(Geometry { coarse, dilation, ..self })
    }

    /// With channels in groups, whose number divides both of theirs.
    pub fn grouped(self, groups: usize) -> Geometry {
        Geometry { groups, ..self }
    }

    /// Whether there is neither dilation nor more than one group.
    pub fn is_plain(&self) -> bool {
        self.dilation == [1, 1] && self.groups == 1
    }

    /// The pixels along an axis from a filter's first tap to its last; None where that is more than can be counted.
    pub fn extent(kernel: usize, dilation: usize) -> Option<usize> {
        if kernel == 0 { Some(0) } else { (kernel - 1).checked_mul(dilation)?.checked_add(1) }
    }

    /// `[n, h, w, c]`
    pub fn fine_shape(&self) -> [usize; 4] {
        [self.batch, self.fine[0], self.fine[1], self.fine_channels]
    }

    /// `[n, i, j, k]`
    pub fn coarse_shape(&self) -> [usize; 4] {
        [self.batch, self.coarse[0], self.coarse[1], self.coarse_channels]
    }

    /// `[kh, kw, c, k]`, c being the fine channels of a group.
    pub fn filter_shape(&self) -> [usize; 4] {
        [self.kernel[0], self.kernel[1], self.fine_channels / self.groups, self.coarse_channels]
    }

    /// Checks that a backend takes the geometry, and that operands of `role`, in their order, have as many elements as it says; kernels read no
    /// further on that word.
    ///
    /// # Panics
    /// Where it does not, or they have others.
    pub(super) fn check(&self, backend: &dyn Backend, role: Role, a: usize, b: usize) {
        let taken = backend.convolves(self);
        assert!(
            taken,
            "convolution: the {} takes no {self:?}, which backend::convolve makes of others",
            backend.name()
        );
        let fits = self.operands(role).map(|shape| product(&shape)) == [Some(a), Some(b)];
        assert!(
            fits && product(&self.shape(role)).is_some(),
            "convolution: {a} and {b} elements for {role:?} of {self:?}"
        );
    }

    /// The shapes of what goes in in `role`, in the order in which kernels take them.
    pub fn operands(&self, role: Role) -> [[usize; 4]; 2] {
        match role {
            Role::Fine => [self.filter_shape(), self.coarse_shape()],
            Role::Filter => [self.fine_shape(), self.coarse_shape()],
            Role::Coarse => [self.fine_shape(), self.filter_shape()],
        }
    }

    /// Multiplications and additions of every role, those with padding too, as frameworks count them.
    pub fn operations(&self) -> f64 {
        let products: usize = self.coarse_shape().iter().chain(&self.filter_shape()[..3]).product();
        2.0 * products as f64
    }

    /// The shape of what comes out in `role`.
    pub fn shape(&self, role: Role) -> [usize; 4] {
        match role {
            Role::Fine => self.fine_shape(),
            Role::Filter => self.filter_shape(),
            Role::Coarse => self.coarse_shape(),
        }
    }

    /// The coarse size of a fine size on one axis for a filter that reaches over `kernel` pixels, or None where the filter does not fit.
    pub fn coarse_size(fine: usize, kernel: usize, stride: usize, padding: usize) -> Option<usize> {
        let padded = padding.checked_mul(2)?.checked_add(fine)?;
        padded.checked_sub(kernel)?.checked_div(stride)?.checked_add(1)
    }
}

/// How an axis of a window's output maps to its input: output index `j` reads input index `i` where
/// `i * divisor = j * multiplier + offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AxisMap {
    /// The output's size on this axis.
    pub size: usize,
    /// Step over the input; negative runs backwards, 0 repeats one index.
    pub multiplier: isize,
    /// Where output index 0 stands, times the divisor.
    pub offset: isize,
    /// Output indices from one input index to the next.
    pub divisor: isize,
}

impl AxisMap {
    /// The input index that output index `j` reads, of `size` there are.
    #[inline]
    pub fn source(&self, j: usize, size: usize) -> Option<usize> {
        let scaled = j as isize * self.multiplier + self.offset;
        if scaled % self.divisor != 0 {
            return None;
        }
        usize::try_from(scaled / self.divisor).ok().filter(|&i| i < size)
    }
}

/// The sizes of [`Backend::matmul`](super::Backend::matmul): `[batch, rows, inner] x [batch, inner, columns]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatMul {
    /// Products.
    pub batch: usize,
    /// Rows of the result.
    pub rows: usize,
    /// The contracted size.
    pub inner: usize,
    /// Columns of the result.
    pub columns: usize,
    /// Whether `a` is stored `[batch, inner, rows]`.
    pub transpose_a: bool,
    /// Whether `b` is stored `[batch, columns, inner]`.
    pub transpose_b: bool,
}

impl MatMul {
    /// Checks that operands have as many elements as the sizes say; kernels read no further on that word.
    ///
    /// # Panics
    /// Where they have others.
    pub(super) fn check(&self, a: usize, b: usize) {
        let MatMul { batch, rows, inner, columns, .. } = *self;
        let fits = product(&[batch, rows, inner]) == Some(a) && product(&[batch, inner, columns]) == Some(b);
        assert!(fits && product(&[batch, rows, columns]).is_some(), "matmul: {a} and {b} elements for {self:?}");
    }
}

/// The product of sizes; None where it is beyond all memory.
fn product(sizes: &[usize]) -> Option<usize> {
    sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size))
}

/// How a kernel folds an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// The sum.
    Sum,
    /// The largest.
    Max,
}

impl Reduction {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Reduction::Sum => "sum",
            Reduction::Max => "max",
        }
    }

    /// How it joins two elements, `x` and `y`, as a WGSL expression.
    pub fn wgsl(self) -> &'static str {
        match self {
            Reduction::Sum => "x + y",
            Reduction::Max => "select(y, x, x > y || is_nan(x))",
        }
    }
}

/// The sizes and constants of batch normalisation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormShape {
    /// Samples a channel: images times pixels.
    pub rows: usize,
    /// Channels.
    pub channels: usize,
    /// Added to the variance.
    pub epsilon: f64,
    /// Applied to the result.
    pub activation: Activation,
}

/// The numbers of one update of Adam (Kingma & Ba 2015, algorithm 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// The learning rate.
    pub rate: f64,
    /// The decay of the first moment.
    pub beta1: f64,
    /// The decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// `1 - beta1^t`
    pub correction1: f64,
    /// `1 - beta2^t`
    pub correction2: f64,
}

/// A kernel that may need memory of its own, with what decides how much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum KernelCall<'a> {
    /// [`Backend::reduce`](super::Backend::reduce) of these sizes.
    Reduce([usize; 3]),
    /// [`Backend::matmul`](super::Backend::matmul).
    MatMul(&'a MatMul),
    /// [`Backend::convolution`](super::Backend::convolution) in this role.
    Convolution(Role, &'a Geometry),
    /// [`Backend::batch_norm`](super::Backend::batch_norm).
    BatchNorm(&'a BatchNormShape),
    /// [`Backend::batch_norm_backward`](super::Backend::batch_norm_backward).
    BatchNormBackward(&'a BatchNormShape),
}

/// The buffers that a kernel has while it runs beside its operands and results, by their numbers of elements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scratch {
    /// Those of the kernel as a whole.
    pub shared: Vec<usize>,
    /// Those of each of its tasks.
    pub task: Vec<usize>,
    /// How many tasks there are; a thread runs one at a time.
    pub tasks: usize,
}

impl Scratch {
    /// Buffers that no task has for itself.
    pub fn shared(lengths: impl Into<Vec<usize>>) -> Scratch {
        Scratch { shared: lengths.into(), ..Scratch::default() }
    }

    /// All buffers that so many threads have at once.
    pub fn lengths(&self, threads: usize) -> impl Iterator<Item = usize> {
        let tasks = self.tasks.min(threads);
        self.shared.iter().chain((0..tasks).flat_map(|_| &self.task)).copied()
    }
}
