//! Products of matrices, batched, with either operand read transposed.

use super::super::{Context, Forward, Keep, Op, Tensor, Value, count};
use crate::backend::{Backend, MatMul};

/// `op(a) op(b)` with three axes each; closed under vjp: every gradient is another product with other transposes.
struct Product {
    sizes: MatMul,
}

impl Op for Product {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn forward(&self, backend: &dyn Backend, inputs: &[Value]) -> Forward {
        let shape = [self.sizes.batch, self.sizes.rows, self.sizes.columns];
        Value::new(backend.matmul(&inputs[0].storage, &inputs[1].storage, &self.sizes), shape).into()
    }

    fn keep(&self) -> Keep {
        Keep::INPUTS
    }

    fn vjp(&self, context: &Context<'_>, g: &Tensor, wanted: &[bool]) -> Vec<Option<Tensor>> {
        let MatMul { transpose_a: ta, transpose_b: tb, .. } = self.sizes;
        // C = op(A) op(B), so d op(A) = G op(B)' and d op(B) = op(A)' G; a stored transpose is the transposed product.
        let da = || {
            let b = context.input(1);
            if ta { b.matmul_with(g, tb, true) } else { g.matmul_with(&b, false, !tb) }
        };
        let db = || {
            let a = context.input(0);
            if tb { g.matmul_with(&a, true, ta) } else { a.matmul_with(g, !ta, false) }
        };
        vec![wanted[0].then(da), wanted[1].then(db)]
    }
}

impl Tensor {
    /// The matrix product `[.., m, k] x [.., k, n]`, leading axes broadcast.
    ///
    /// # Panics
    /// Where the shapes do not fit.
    #[track_caller]
    pub fn matmul(&self, other: &Tensor) -> Tensor {
        self.matmul_with(other, false, false)
    }

    /// The matrix product with either operand read transposed: `[.., k, m]` for `self`, `[.., n, k]` for `other`.
    ///
    /// # Panics
    /// Where the shapes do not fit.
    #[track_caller]
    pub fn matmul_with(&self, other: &Tensor, transpose_self: bool, transpose_other: bool) -> Tensor {
        let sizes = |tensor: &Tensor, transposed: bool| {
            let (_, matrix) = tensor.shape().split_last_chunk::<2>()?;
            Some(if transposed { [matrix[1], matrix[0]] } else { *matrix })
        };
        let (a, b) = (sizes(self, transpose_self), sizes(other, transpose_other));
        let (Some([rows, inner]), Some([inner_b, columns])) = (a, b) else {
            panic!("matmul: the shapes {:?} and {:?} are not both matrices", self.shape(), other.shape());
        };
        let fits = inner == inner_b;
        assert!(fits, "matmul: the shapes {:?} and {:?} share no inner size", self.shape(), other.shape());
        let (lead_a, lead_b) = (&self.shape()[..self.rank() - 2], &other.shape()[..other.rank() - 2]);
        let lead = super::elementwise::broadcast(lead_a, lead_b).unwrap_or_else(|| {
            panic!("matmul: leading axes of {:?} and {:?} do not broadcast", self.shape(), other.shape())
        });
        if lead_b.iter().product::<usize>() == 1
            && lead_a.len() >= lead_b.len()
            && !transpose_self
            && !lead_a.is_empty()
        {
            // One right operand for all: the batch is more rows.
            let matrix = &other.shape()[other.rank() - 2..];
            let tall = self.reshape([lead.iter().product::<usize>() * rows, inner]);
            let product = tall.matmul_with(&other.reshape(matrix), false, transpose_other);
            return product.reshape([&lead[..], &[rows, columns]].concat());
        }
        let batch = lead.iter().product();
        let batched = |tensor: &Tensor| {
            let matrix = &tensor.shape()[tensor.rank() - 2..];
            tensor.expand([&lead[..], matrix].concat()).reshape([batch, matrix[0], matrix[1]])
        };
        let sizes = MatMul { batch, rows, inner, columns, transpose_a: transpose_self, transpose_b: transpose_other };
        let product = Tensor::apply(Product { sizes }, &[&batched(self), &batched(other)]);
        product.reshape([&lead[..], &[rows, columns]].concat())
    }

    /// `x W + b` of rows `[.., inputs]` with a matrix `[inputs, outputs]` and, where there is one, a bias `[outputs]`.
    ///
    /// # Panics
    /// Where the shapes do not fit.
    #[track_caller]
    pub fn linear(&self, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        let (&[inputs, outputs], Some((&last, lead))) = (weight.shape(), self.shape().split_last()) else {
            panic!("linear: the shape {:?} with the matrix {:?}", self.shape(), weight.shape());
        };
        let shapes = || format!("{:?} with the matrix {:?}", self.shape(), weight.shape());
        assert!(last == inputs, "linear: the shape {}", shapes());
        let product = self.reshape([count(lead), inputs]).matmul(weight);
        let shifted = match bias {
            Some(bias) => {
                assert!(bias.shape() == [outputs], "linear: the shape {} and the bias {:?}", shapes(), bias.shape());
                product + bias
            }
            None => product,
        };
        shifted.reshape([lead, &[outputs]].concat())
    }
}
