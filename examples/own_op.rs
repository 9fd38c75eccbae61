//! Adds an op of one's own: a struct with `forward` and `vjp`, then a gradient check of both orders.
//!
//! The op is softsign, `x / (1 + |x|)`. Its derivative, `1 / (1 + |x|)^2`, is written with tensor ops, so it can be
//! differentiated again without more code.

use graft::backend::{Backend, Binary, Unary};
use graft::gradcheck::{GradCheck, gradcheck};
use graft::tensor::{Context, Forward, Keep, Op, Value};
use graft::{Device, Tensor};

struct Softsign;

impl Op for Softsign {
    fn name(&self) -> &'static str {
        "softsign"
    }

    fn forward(&self, backend: &dyn Backend, inputs: &[Value]) -> Forward {
        let Value { storage, shape } = &inputs[0];
        let size = backend.unary(Unary::Abs, storage);
        let scale = backend.unary(Unary::Affine { scale: 1.0, shift: 1.0 }, &size);
        Value::new(backend.binary(Binary::Div, (storage, shape), (&scale, shape), shape), shape).into()
    }

    fn keep(&self) -> Keep {
        Keep::INPUTS
    }

    fn vjp(&self, context: &Context<'_>, cotangent: &Tensor, _wanted: &[bool]) -> Vec<Option<Tensor>> {
        vec![Some(cotangent * (context.input(0).abs() + 1.0).powi(-2))]
    }
}

fn softsign(x: &Tensor) -> Tensor {
    Tensor::apply(Softsign, &[x])
}

fn main() -> graft::Result<()> {
    let x = Tensor::from_slice(&Device::reference(), &[-3.0, -0.5, 0.25, 2.0], [4]);
    println!("softsign of {:?} is {:?}", x.to_vec::<f64>()?, softsign(&x).to_vec::<f64>()?);
    match gradcheck(|x| softsign(&x[0]), &[&x], &GradCheck::default()) {
        Ok(agreement) => println!("derivatives agree with finite differences: relative errors {:?}", agreement.errors),
        Err(mismatch) => panic!("{mismatch}"),
    }
    Ok(())
}
