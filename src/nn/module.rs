//! The module built from a list of layers: its parameters, and what it computes.

use super::{BatchNorm, Builder, Filter, Layer, LayerKind, Layout, Linear, Mode, Norm, NormKind, Parameter, SlotKind};
use crate::backend::Activation;
use crate::tensor::ops::Convolution;
use crate::tensor::{Tensor, no_grad};

/// Rounds of power iteration a forward pass in training (Miyato 2018, section 2.1).
const SPECTRAL_ROUNDS: usize = 1;

/// A list of layers with parameters.
#[derive(Clone, Debug)]
pub struct Module {
    units: Vec<Unit>,
    parameters: Vec<(SlotKind, Parameter)>,
}

/// What a forward pass brings beside its input.
pub struct Pass<'a> {
    /// How normalisations find their statistics.
    pub mode: Mode,
    /// The condition of each sample, `[n, length]`, where the layers have a place for one.
    pub condition: Option<&'a Tensor>,
    /// The last feature map, where a projection asks for it.
    pub map: Option<&'a Tensor>,
    /// Is shown every feature map on the way.
    pub seen: Option<&'a mut dyn FnMut(&Tensor)>,
}

impl<'a> Pass<'a> {
    /// A pass without a condition that shows nothing.
    pub fn new(mode: Mode) -> Pass<'a> {
        Pass { mode, condition: None, map: None, seen: None }
    }
}

/// One layer with its parameters.
#[derive(Clone, Debug)]
enum Unit {
    Convolution { filter: Filter, weight: Parameter, direction: Option<Parameter>, bias: Option<Parameter> },
    Norm { norm: Norm, condition: Option<(Linear, Linear)> },
    Activation(Activation),
    Upsample(usize),
    AveragePool(usize),
    SumPool,
    Residual { body: Module, shortcut: Module },
    Spread(usize),
    Scores,
    Map,
    Projection(Linear),
}

impl Module {
    /// The module of a list of layers, its parameters fresh.
    pub fn new(builder: &mut Builder<'_>, layers: &[Layer]) -> Module {
        let mut parameters = Vec::new();
        let units = layers.iter().map(|layer| Unit::new(builder, layer, &mut parameters)).collect();
        Module { units, parameters }
    }

    /// What the layers make of `x`. An activation is computed together with the convolution or norm before it.
    ///
    /// # Panics
    /// Where shapes do not fit, or a condition or map is missing.
    #[track_caller]
    pub fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        let mut x = x.clone();
        let mut units = self.units.iter().peekable();
        while let Some(unit) = units.next() {
            let follows = match unit {
                Unit::Convolution { .. } | Unit::Norm { .. } => {
                    units.next_if(|next| matches!(next, Unit::Activation(_)))
                }
                _ => None,
            };
            let activation = match follows {
                Some(Unit::Activation(activation)) => *activation,
                _ => Activation::Identity,
            };
            x = unit.forward(&x, activation, pass);
        }
        x
    }

    /// What it computes when it evaluates, from now on: convolutions have taken in the batch norms behind them, so that less is left to do.
    /// It has nothing to train.
    pub fn frozen(&self) -> Module {
        let mut units: Vec<Unit> = Vec::new();
        for unit in &self.units {
            let folded = match (units.last(), unit) {
                (
                    Some(Unit::Convolution { filter, weight, direction: None, bias: None }),
                    Unit::Norm { norm: Norm::Batch(norm), condition: None },
                ) if !filter.transposed => no_grad(|| {
                    let (filter, (tensor, shift)) = (Filter { bias: true, ..*filter }, norm.folded(&weight.get()));
                    let own = |name: &str, tensor| Parameter::new(name, Layout::Plain, tensor);
                    let bias = Some(own(norm.beta.name(), shift.detach()));
                    let weight = own(weight.name(), tensor.detach());
                    Some(Unit::Convolution { filter, weight, direction: None, bias })
                }),
                _ => None,
            };
            match folded {
                Some(folded) => *units.last_mut().expect("a convolution") = folded,
                None => units.push(unit.clone()),
            }
        }
        Module { units, parameters: Vec::new() }
    }

    /// The parameters that training moves.
    pub fn parameters(&self) -> Vec<Parameter> {
        self.of(SlotKind::is_trained)
    }

    /// The parameters that forward passes move: running statistics, and the directions of spectral norms.
    pub fn statistics(&self) -> Vec<Parameter> {
        self.of(|kind| !kind.is_trained())
    }

    fn of(&self, wanted: impl Fn(SlotKind) -> bool) -> Vec<Parameter> {
        self.parameters.iter().filter(|(kind, _)| wanted(*kind)).map(|(_, parameter)| parameter.clone()).collect()
    }
}

impl Unit {
    /// Draws the slots of a layer, and adds them to `all`.
    fn new(builder: &mut Builder<'_>, layer: &Layer, all: &mut Vec<(SlotKind, Parameter)>) -> Unit {
        let mut within = |layers: &[Layer]| {
            let module = Module::new(builder, layers);
            all.extend(module.parameters.iter().cloned());
            module
        };
        if let LayerKind::Residual { body, shortcut } = &layer.kind {
            return Unit::Residual { body: within(body), shortcut: within(shortcut) };
        }
        let drawn: Vec<(SlotKind, Parameter)> =
            layer.slots().into_iter().map(|slot| (slot.kind, builder.draw(slot))).collect();
        all.extend(drawn.iter().cloned());
        // In the order of the slots.
        let mut drawn = drawn.into_iter().map(|(_, parameter)| parameter);
        let mut next = || drawn.next().expect("a slot for each parameter");
        match &layer.kind {
            LayerKind::Convolution(filter) => Unit::Convolution {
                filter: *filter,
                weight: next(),
                direction: filter.spectral.then(&mut next),
                bias: filter.bias.then(&mut next),
            },
            LayerKind::Norm { kind, condition, .. } => {
                let (gamma, beta) = (next(), next());
                let norm = match kind {
                    NormKind::Batch => {
                        Norm::Batch(BatchNorm { gamma, beta, running_mean: next(), running_variance: next() })
                    }
                    kind => Norm::Sample { each_channel: *kind == NormKind::Instance, gamma, beta },
                };
                let mut linear = || Linear { weight: next(), bias: None };
                Unit::Norm { norm, condition: (*condition > 0).then(|| (linear(), linear())) }
            }
            LayerKind::Activation(activation) => Unit::Activation(*activation),
            LayerKind::Upsample(factor) => Unit::Upsample(*factor),
            LayerKind::AveragePool(side) => Unit::AveragePool(*side),
            LayerKind::SumPool => Unit::SumPool,
            LayerKind::Spread(length) => Unit::Spread(*length),
            LayerKind::Scores => Unit::Scores,
            LayerKind::Map => Unit::Map,
            LayerKind::Projection { .. } => Unit::Projection(Linear { weight: next(), bias: None }),
            LayerKind::Residual { .. } => unreachable!("is made above"),
        }
    }

    #[track_caller]
    fn forward(&self, x: &Tensor, activation: Activation, pass: &mut Pass<'_>) -> Tensor {
        let missing = |what: &str| -> ! { panic!("Module::forward: a layer takes a {what}, and there is none") };
        match self {
            Unit::Convolution { filter, weight, direction, bias } => {
                let weight = normalised(weight, direction.as_ref(), pass.mode);
                match bias {
                    None => convolve(filter, x, &weight, activation),
                    Some(bias) => {
                        (convolve(filter, x, &weight, Activation::Identity) + bias.get()).activate(activation)
                    }
                }
            }
            Unit::Norm { norm: Norm::Batch(norm), condition: Some((scale, shift)) } => {
                let given = pass.condition.unwrap_or_else(|| missing("condition"));
                norm.forward_conditioned(x, &scale.forward(given), &shift.forward(given), pass.mode, activation)
            }
            Unit::Norm { norm, .. } => norm.forward(x, pass.mode, activation),
            Unit::Activation(activation) => x.activate(*activation),
            Unit::Upsample(factor) => x.upsample_nearest(*factor),
            Unit::AveragePool(side) => x.average_pool(*side, *side, 0),
            Unit::SumPool => x.sum_axes(&[1, 2], true),
            Unit::Residual { body, shortcut } => body.forward(x, pass) + shortcut.forward(x, pass),
            Unit::Spread(length) => x.reshape([x.shape()[0], 1, 1, *length]),
            Unit::Scores => x.reshape([x.shape()[0]]),
            Unit::Map => {
                if let Some(seen) = &mut pass.seen {
                    seen(x);
                }
                x.clone()
            }
            Unit::Projection(matrix) => {
                let condition = pass.condition.unwrap_or_else(|| missing("condition"));
                let features = pass.map.unwrap_or_else(|| missing("feature map")).sum_axes(&[1, 2], false);
                x + (matrix.forward(condition) * features).sum_axes(&[1], false)
            }
        }
    }
}

/// The filter, divided by its largest singular value where a direction belongs to it. Only training looks for a better direction: what
/// is evaluated stays as it is.
fn normalised(weight: &Parameter, direction: Option<&Parameter>, mode: Mode) -> Tensor {
    let weight = weight.get();
    let Some(direction) = direction else { return weight };
    match mode {
        Mode::Train { .. } => {
            let (filter, improved) = weight.spectral_norm(&direction.get(), SPECTRAL_ROUNDS);
            direction.set(improved);
            filter
        }
        Mode::Evaluate => weight.spectral_norm(&direction.get(), 0).0,
    }
}

/// The convolution of `[n, h, w, c]`, or the transposed one, to the smallest image that convolves to `[n, i, j, k]`.
fn convolve(filter: &Filter, x: &Tensor, weight: &Tensor, activation: Activation) -> Tensor {
    let Filter { kernel, stride, padding, transposed, .. } = *filter;
    let by = Convolution::new(stride, padding).with(activation);
    if !transposed {
        return x.conv2d(weight, by);
    }
    let size = |axis: usize| (x.shape()[axis] - 1) * stride + kernel - 2 * padding;
    x.conv_transpose2d(weight, [size(1), size(2)], by)
}
