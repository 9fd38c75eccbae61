//! What must hold for every op on every device: a table of cases, and the checks that follow from a row.
//!
//! A [`Case`] is a function of tensors, where its inputs come from, and what is true of it. [`Case::check`] compares its derivatives with
//! finite differences on the reference device; [`Case::derivatives`] and [`Case::distances`] say how far another device is from the reference.
//! [`table::all`] is this crate's table: whoever has a backend of their own runs it there, and whoever has an op of their own makes a
//! row of it.
//!
//! ```
//! use graft::conformance::{Case, Domain, table};
//! use graft::{Device, Tensor};
//!
//! // An op: both orders of derivatives, at points clear of the kink at zero.
//! let away = Domain::Intervals(&[(-2.0, -0.5), (0.5, 2.0)]);
//! let softsign = Case::new("softsign", [(vec![3, 7], away)], |x| &x[0] / (x[0].abs() + 1.0));
//! let report = softsign.check();
//! assert!(report.agrees(), "{report}");
//!
//! // A device: its values and gradients beside the reference's.
//! for case in table::elementwise() {
//!     let (found, truth) = (case.derivatives(&Device::cpu()), case.derivatives(&Device::reference()));
//!     for distance in case.distances(&found, &truth) {
//!         assert!(distance.error <= if distance.exact { 0.0 } else { 1e-5 }, "{}: {distance:?}", case.name);
//!     }
//! }
//! ```

mod check;
pub mod table;

use std::fmt;

use rand::RngExt;
use rand::seq::SliceRandom;

pub use check::{Allowance, FamilyCheck, check_family};

use super::gradcheck::{GradCheck, Report, gradcheck, relative_error};
use super::{Tensor, grad, grad_graph};
use crate::backend::Device;
use crate::random::{Purpose, generator};

/// What a function is in its inputs, which says which of its derivatives are exactly zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Its gradient is zero.
    Constant,
    /// Affine between kinks: its second derivatives are zero.
    Affine,
    /// Linear in all inputs together: its second derivatives are zero, and `<f(x), y> = <x, f'(y)>`.
    Linear,
    /// Linear in each input alone: central differences are exact, and `<f(.., x, ..), y> = <x, f'(y)>` for each.
    Multilinear,
    /// None of these.
    Smooth,
}

/// Where the elements of an input come from. All are exact in f32.
#[derive(Clone, Copy, Debug)]
pub enum Domain {
    /// Uniform in one of some intervals, chosen with equal chances.
    Intervals(&'static [(f32, f32)]),
    /// In [-1, 1], no two closer than the number of elements allows: nothing ties.
    Distinct,
    /// One of some values.
    Choice(&'static [f32]),
}

/// The shape and the domain of an input.
pub type Input = (Vec<usize>, Domain);

type Function = Box<dyn Fn(&[Tensor]) -> Tensor + Send + Sync>;

/// One row. [`Case::new`] makes one that is smooth and small; the other methods say what is different.
pub struct Case {
    /// Named in failures.
    pub name: String,
    /// What the function is in its inputs.
    pub form: Form,
    /// How many orders of derivatives are checked.
    pub orders: usize,
    /// Whether it is too large for finite differences, and there for the devices' tiles, tails and threads.
    pub large: bool,
    /// Whether devices only move elements, so that all of them give the same numbers.
    pub exact: bool,
    /// Whether it calls functions that no standard rounds, as it does `+ - * / sqrt`.
    pub transcendental: bool,
    /// Half of the distance of a central difference.
    pub step: f64,
    inputs: Vec<Input>,
    constants: Vec<Input>,
    function: Function,
    kinks: Option<Function>,
}

/// What a function and its derivatives are on one device, projected on fixed random directions.
#[derive(Clone, Debug, PartialEq)]
pub struct Derivatives {
    /// The function.
    pub value: Vec<f64>,
    /// The gradient of its projection by each input.
    pub gradient: Vec<Vec<f64>>,
    /// The same, from a graph that can be differentiated again.
    pub recorded: Vec<Vec<f64>>,
    /// The gradient of that gradient's projection by each input; empty where only one order is asked for.
    pub second: Vec<Vec<f64>>,
}

/// The distance from kinks, in steps of the central differences.
const CLEARANCE: f64 = 10.0;
/// More than the rounding of f32 of what large rows compute.
const ROUNDING: f64 = 1e-5;

impl Case {
    /// A smooth function of inputs with these shapes and domains.
    pub fn new(
        name: impl Into<String>,
        inputs: impl IntoIterator<Item = Input>,
        function: impl Fn(&[Tensor]) -> Tensor + Send + Sync + 'static,
    ) -> Case {
        Case {
            name: name.into(),
            form: Form::Smooth,
            orders: 2,
            large: false,
            exact: false,
            transcendental: false,
            step: GradCheck::default().step,
            inputs: inputs.into_iter().collect(),
            constants: Vec::new(),
            function: Box::new(function),
            kinks: None,
        }
    }

    /// With more inputs, after the others, by which it is not differentiated.
    pub fn constants(self, constants: impl IntoIterator<Item = Input>) -> Case {
        Case { constants: constants.into_iter().collect(), ..self }
    }

    /// With a zero gradient.
    pub fn constant(self) -> Case {
        Case { form: Form::Constant, ..self }
    }

    /// See [`Form::Affine`].
    pub fn affine(self) -> Case {
        Case { form: Form::Affine, ..self }
    }

    /// See [`Form::Linear`].
    pub fn linear(self) -> Case {
        Case { form: Form::Linear, step: 1.0, ..self }
    }

    /// See [`Form::Multilinear`].
    pub fn multilinear(self) -> Case {
        Case { form: Form::Multilinear, step: 1.0, ..self }
    }

    /// See [`Case::exact`](Case#structfield.exact).
    pub fn exact(self) -> Case {
        Case { exact: true, ..self }
    }

    /// See [`Case::transcendental`](Case#structfield.transcendental).
    pub fn transcendental(self) -> Case {
        Case { transcendental: true, ..self }
    }

    /// See [`Case::large`](Case#structfield.large). Of these the second order, made of the same kernels, is left out.
    pub fn large(self) -> Case {
        Case { large: true, orders: 1, ..self }
    }

    /// With derivatives of this order as the highest.
    pub fn orders(self, orders: usize) -> Case {
        Case { orders, ..self }
    }

    /// With kinks where an element of `before` is zero: inputs are drawn until it is clear of zero.
    pub fn kinks(self, before: impl Fn(&[Tensor]) -> Tensor + Send + Sync + 'static) -> Case {
        Case { kinks: Some(Box::new(before)), ..self }
    }

    /// The function.
    pub fn apply(&self, inputs: &[Tensor], constants: &[Tensor]) -> Tensor {
        (self.function)(&[inputs, constants].concat())
    }

    /// The inputs and the constants on a device.
    pub fn draw(&self, device: &Device) -> (Vec<Tensor>, Vec<Tensor>) {
        const ATTEMPTS: u64 = 200;
        // A large row is not moved by a step, but must not be rounded across a kink.
        let margin = if self.large { ROUNDING } else { CLEARANCE * self.step };
        let all = || self.inputs.iter().chain(&self.constants);
        let draw = |attempt: u64, device: &Device| -> Vec<Tensor> {
            let tensor = |(index, (shape, domain)): (usize, &Input)| {
                let elements = self.elements(*domain, shape.iter().product(), attempt, index);
                Tensor::from_slice(device, &elements, shape)
            };
            all().enumerate().map(tensor).collect()
        };
        let clear = |attempt: &u64| {
            self.kinks.as_ref().is_none_or(|before| {
                let before = elements(&before(&draw(*attempt, &Device::reference())));
                before.iter().all(|v| v.abs() > margin)
            })
        };
        let attempt = (0..ATTEMPTS).find(clear);
        let mut inputs = draw(attempt.unwrap_or_else(|| panic!("{}: no draw is clear of kinks", self.name)), device);
        let constants = inputs.split_off(self.inputs.len());
        (inputs, constants)
    }

    /// Elements of a domain, a pure function of the row's name and the numbers given.
    fn elements(&self, domain: Domain, count: usize, attempt: u64, index: usize) -> Vec<f32> {
        let seed = self.name.bytes().fold(0u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let mut generator = generator(seed, Purpose::GradientCheck, attempt, index as u64);
        match domain {
            Domain::Intervals(intervals) => {
                let mut one = || {
                    let (low, high) = intervals[generator.random_range(0..intervals.len())];
                    generator.random_range(low..high)
                };
                (0..count).map(|_| one()).collect()
            }
            Domain::Distinct => {
                let spaced = |i: usize| ((2 * i + 1) as f64 / count as f64 - 1.0) as f32;
                let mut values: Vec<f32> = (0..count).map(spaced).collect();
                values.shuffle(&mut generator);
                values
            }
            Domain::Choice(values) => (0..count).map(|_| values[generator.random_range(0..values.len())]).collect(),
        }
    }

    /// A random direction like `tensor`: constant, uniform in [-1, 1].
    pub fn direction(&self, tensor: &Tensor, index: usize) -> Tensor {
        const DIRECTIONS: u64 = u64::MAX;
        let elements = self.elements(Domain::Intervals(&[(-1.0, 1.0)]), tensor.len(), DIRECTIONS, index);
        Tensor::from_slice(tensor.device(), &elements, tensor.shape())
    }

    /// The function and its derivatives on a device.
    pub fn derivatives(&self, device: &Device) -> Derivatives {
        let (inputs, constants) = self.draw(device);
        let by: Vec<&Tensor> = inputs.iter().collect();
        let value = self.apply(&inputs, &constants);
        let project = |value: &Tensor| (value * self.direction(value, inputs.len())).sum();
        let recorded = grad_graph(&project(&value), &by);
        // Of a graph that nothing else holds, which is freed on the way.
        let gradient = grad(project(&self.apply(&inputs, &constants)), &by);
        let mut second = Vec::new();
        if self.orders > 1 {
            let terms = recorded.iter().enumerate().map(|(i, slope)| (slope * self.direction(slope, i)).sum());
            second = grad(terms.reduce(|sum, term| sum + term).expect("there is an input"), &by);
        }
        let lists = |tensors: Vec<Tensor>| tensors.iter().map(elements).collect();
        Derivatives {
            value: elements(&value),
            gradient: lists(gradient),
            recorded: lists(recorded),
            second: lists(second),
        }
    }

    /// Compares the derivatives of as many orders as the row has with finite differences in f64.
    ///
    /// # Panics
    /// Where the function panics.
    pub fn check(&self) -> Report {
        let (inputs, constants) = self.draw(&Device::reference());
        let tolerances = GradCheck::default().tolerances[..self.orders].to_vec();
        let options = GradCheck { step: self.step, tolerances, floor: 0.0, ..GradCheck::default() };
        gradcheck(|x| self.apply(x, &constants), &inputs.iter().collect::<Vec<_>>(), &options)
    }

    /// How far what a device found is from the truth, which is the reference's: of the value and of each kind of gradient by each input.
    pub fn distances(&self, found: &Derivatives, truth: &Derivatives) -> Vec<Distance> {
        let one = |part: &'static str, input: Option<usize>, found: &[f64], truth: &[f64]| {
            let exact = part == "value" && self.exact || truth.iter().all(|&v| v == 0.0);
            let largest = truth.iter().fold(0.0f64, |a, b| a.max(b.abs()));
            Distance { part, input, error: relative_error(found, truth), exact, largest }
        };
        let lists = [
            ("gradient", &found.gradient, &truth.gradient),
            ("recorded gradient", &found.recorded, &truth.recorded),
            ("second gradient", &found.second, &truth.second),
        ];
        let of_inputs = lists.into_iter().flat_map(|(part, found, truth)| {
            let pairs = found.iter().zip(truth).enumerate();
            pairs.map(move |(input, (found, truth))| one(part, Some(input), found, truth))
        });
        [one("value", None, &found.value, &truth.value)].into_iter().chain(of_inputs).collect()
    }
}

/// How far a device is from the reference in one part of [`Derivatives`].
#[derive(Clone, Debug, PartialEq)]
pub struct Distance {
    /// `value`, `gradient`, `recorded gradient` or `second gradient`.
    pub part: &'static str,
    /// The input that the gradient is by.
    pub input: Option<usize>,
    /// As [`relative_error`].
    pub error: f64,
    /// Whether nothing is allowed: where elements only move, or the truth is zero.
    pub exact: bool,
    /// The largest magnitude of the truth.
    pub largest: f64,
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.part)?;
        self.input.map_or(Ok(()), |input| write!(f, " by input {input}"))
    }
}

fn elements(tensor: &Tensor) -> Vec<f64> {
    tensor.to_vec().expect("the device works")
}
