//! Adds an op of one's own: a struct with `forward` and `vjp`, then its derivatives of both orders beside finite differences.
//!
//! The op is softsign, `x / (1 + |x|)`. Its derivative, `1 / (1 + |x|)^2`, is written with tensor ops, so it can be
//! differentiated again without more code.

use graft::backend::{Backend, Binary, Unary};
use graft::conformance::{Case, Domain};
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

    let report = gradcheck(|x| softsign(&x[0]), &[&x], &GradCheck::default());
    println!("{report}");
    assert!(report.agrees());

    // As a row of the conformance table: at points clear of the kink at zero, and on the cpu beside the reference.
    let away = Domain::Intervals(&[(-2.0, -0.5), (0.5, 2.0)]);
    let row = Case::new("softsign", [(vec![3, 7], away)], |x| softsign(&x[0]));
    assert!(row.check().agrees());
    let (found, truth) = (row.derivatives(&Device::cpu()), row.derivatives(&Device::reference()));
    for distance in row.distances(&found, &truth) {
        println!("cpu, {distance}: {:.1e}", distance.error);
        assert!(distance.error < 1e-6);
    }
    Ok(())
}
