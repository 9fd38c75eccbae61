//! Convolution, transposed convolution and the filter gradient: one op with a role.
//!
//! They are the three partial derivatives of one trilinear form (see [`Geometry`]), so the vjp of each is
//! the other two, and every order of derivative stays among them.

use super::super::{Context, Forward, Keep, Op, Tensor, Value};
use crate::backend::{Activation, Backend, Geometry, Role, convolve};

/// What a convolution is asked for beside its operands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Convolution {
    /// Fine pixels from one coarse pixel to the next, down and across.
    pub stride: [usize; 2],
    /// Zero pixels around the fine image, above and below, left and right.
    pub padding: [usize; 2],
    /// Fine pixels from one tap of the filter to the next, down and across: 1 where taps are neighbours.
    pub dilation: [usize; 2],
    /// Runs of neighbouring channels, as many in either image, that meet each other alone.
    pub groups: usize,
    /// Applied to the result.
    pub activation: Activation,
}

impl Convolution {
    /// The same stride and padding on both axes, no dilation, one group, no activation.
    pub fn new(stride: usize, padding: usize) -> Convolution {
        let activation = Activation::Identity;
        Convolution { stride: [stride; 2], padding: [padding; 2], dilation: [1, 1], groups: 1, activation }
    }

    /// With so many fine pixels from one tap to the next on both axes (Yu & Koltun 2016).
    pub fn dilated(self, dilation: usize) -> Convolution {
        Convolution { dilation: [dilation; 2], ..self }
    }

    /// With channels in so many groups, each of which sees its own alone (Krizhevsky 2012; as many as channels: depthwise, Chollet 2017).
    pub fn grouped(self, groups: usize) -> Convolution {
        Convolution { groups, ..self }
    }

    /// With this activation.
    pub fn with(self, activation: Activation) -> Convolution {
        Convolution { activation, ..self }
    }
}

struct Trilinear {
    role: Role,
    geometry: Geometry,
    activation: Activation,
}

impl Op for Trilinear {
    fn name(&self) -> &'static str {
        match self.role {
            Role::Fine => "conv_transpose2d",
            Role::Filter => "conv_filter",
            Role::Coarse => "conv2d",
        }
    }

    fn forward(&self, backend: &dyn Backend, inputs: &[Value]) -> Forward {
        let (a, b) = (&inputs[0].storage, &inputs[1].storage);
        let out = convolve(backend, self.role, &self.geometry, a, b, self.activation);
        Value::new(out, self.geometry.shape(self.role)).into()
    }

    fn keep(&self) -> Keep {
        match self.activation {
            Activation::Identity => Keep::INPUTS,
            _ => Keep::INPUTS.and_output(),
        }
    }

    fn vjp(&self, context: &Context<'_>, g: &Tensor, wanted: &[bool]) -> Vec<Option<Tensor>> {
        let g = g.through(self.activation, || context.output());
        let other = |role, a: &Tensor, b: &Tensor| {
            Tensor::apply(Trilinear { role, geometry: self.geometry, activation: Activation::Identity }, &[a, b])
        };
        let (a, b) = (|| context.input(0), || context.input(1));
        let (da, db): (&dyn Fn() -> Tensor, &dyn Fn() -> Tensor) = match self.role {
            // Inputs are (filter, coarse).
            Role::Fine => (&|| other(Role::Filter, &g, &b()), &|| other(Role::Coarse, &g, &a())),
            // Inputs are (fine, coarse).
            Role::Filter => (&|| other(Role::Fine, &g, &b()), &|| other(Role::Coarse, &a(), &g)),
            // Inputs are (fine, filter).
            Role::Coarse => (&|| other(Role::Fine, &b(), &g), &|| other(Role::Filter, &a(), &g)),
        };
        // The filter's first: it takes the most room to compute, and an image's gradient stays.
        if self.role == Role::Coarse {
            let db = wanted[1].then(db);
            vec![wanted[0].then(da), db]
        } else {
            vec![wanted[0].then(da), wanted[1].then(db)]
        }
    }
}

/// The sizes of an image tensor.
#[track_caller]
fn image(name: &str, what: &str, tensor: &Tensor) -> [usize; 4] {
    tensor
        .shape()
        .try_into()
        .unwrap_or_else(|_| panic!("{name}: the {what}'s shape {:?} has not four axes", tensor.shape()))
}

/// The geometry that joins a fine shape, a filter shape and a coarse shape.
#[track_caller]
fn geometry(name: &str, fine: [usize; 4], filter: [usize; 4], coarse: Option<[usize; 4]>, by: Convolution) -> Geometry {
    by.activation.check();
    let ([batch, h, w, c], [kh, kw, filter_c, k]) = (fine, filter);
    let shapes = || format!("fine {fine:?}, filter {filter:?}, coarse {coarse:?}, {by:?}");
    let steps = by.stride.iter().chain(&by.dilation).all(|&step| step > 0);
    let grouped = by.groups > 0 && c.is_multiple_of(by.groups) && k.is_multiple_of(by.groups);
    assert!(steps && grouped && c / by.groups == filter_c, "{name}: sizes do not fit: {}", shapes());
    let size = |axis: usize, size, kernel| {
        Geometry::extent(kernel, by.dilation[axis])
            .and_then(|extent| Geometry::coarse_size(size, extent, by.stride[axis], by.padding[axis]))
            .unwrap_or_else(|| panic!("{name}: the filter is larger than the padded image: {}", shapes()))
    };
    let out = [size(0, h, kh), size(1, w, kw)];
    let fits = coarse.is_none_or(|coarse| coarse == [batch, out[0], out[1], k]);
    assert!(fits, "{name}: sizes do not fit: {}", shapes());
    // From a single coarse pixel a stride leads nowhere, however long: it ends with the padded image, whose size can be counted.
    let stride = |axis: usize, size: usize| {
        if out[axis] > 1 { by.stride[axis] } else { by.stride[axis].min(size + 2 * by.padding[axis]).max(1) }
    };
    Geometry {
        batch,
        fine: [h, w],
        coarse: out,
        fine_channels: c,
        coarse_channels: k,
        kernel: [kh, kw],
        stride: [stride(0, h), stride(1, w)],
        padding: by.padding,
        dilation: by.dilation,
        groups: by.groups,
    }
}

impl Tensor {
    /// The convolution (cross-correlation) of an image `[n, h, w, c]` with a filter `[kh, kw, c / groups, k]`: `[n, i, j, k]`
    /// with `i = (h + 2 padding - dilation (kh - 1) - 1) / stride + 1`, rounded down.
    ///
    /// # Panics
    /// Where the shapes do not fit; on a gpu also where the image and its padding have 2^31 rows or columns or more.
    #[track_caller]
    pub fn conv2d(&self, filter: &Tensor, by: Convolution) -> Tensor {
        let sizes = (image("conv2d", "image", self), image("conv2d", "filter", filter));
        let geometry = geometry("conv2d", sizes.0, sizes.1, None, by);
        Tensor::apply(Trilinear { role: Role::Coarse, geometry, activation: by.activation }, &[self, filter])
    }

    /// The transposed convolution of an image `[n, i, j, k]` with a filter `[kh, kw, c / groups, k]`, to an image
    /// `[n, h, w, c]` of the given height and width: any that [`Tensor::conv2d`] takes to `i` and `j`.
    ///
    /// # Panics
    /// As [`Tensor::conv2d`].
    #[track_caller]
    pub fn conv_transpose2d(&self, filter: &Tensor, size: [usize; 2], by: Convolution) -> Tensor {
        let coarse = image("conv_transpose2d", "image", self);
        let filter_shape = image("conv_transpose2d", "filter", filter);
        let fine = [coarse[0], size[0], size[1], filter_shape[2].saturating_mul(by.groups)];
        let geometry = geometry("conv_transpose2d", fine, filter_shape, Some(coarse), by);
        Tensor::apply(Trilinear { role: Role::Fine, geometry, activation: by.activation }, &[filter, self])
    }

    /// The filter gradient: the filter `[kh, kw, c / groups, k]` whose products with all others are those of the fine
    /// image `self [n, h, w, c]` and the coarse image `[n, i, j, k]` in the trilinear form. `by.activation` must be the identity.
    ///
    /// # Panics
    /// As [`Tensor::conv2d`], and where there is another activation.
    #[track_caller]
    pub fn conv_filter(&self, coarse: &Tensor, kernel: [usize; 2], by: Convolution) -> Tensor {
        let (fine, coarse_shape) =
            (image("conv_filter", "fine image", self), image("conv_filter", "coarse image", coarse));
        assert!(by.activation == Activation::Identity, "conv_filter: takes no activation");
        let filter = [kernel[0], kernel[1], fine[3] / by.groups.max(1), coarse_shape[3]];
        let geometry = geometry("conv_filter", fine, filter, Some(coarse_shape), by);
        Tensor::apply(Trilinear { role: Role::Filter, geometry, activation: by.activation }, &[self, coarse])
    }
}
