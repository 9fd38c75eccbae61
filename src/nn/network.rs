//! Networks as data: a list of layers, each what it is, its name, and how its parameters start.
//!
//! What a network has and does follows from the list by a walk: its [`slots`] say every parameter's name, shape and start in the
//! order in which they are drawn; [`Module`](super::Module) holds them and computes. Nothing else knows a topology.

use super::{Initialiser, Layout, NormKind};
use crate::backend::Activation;

/// One layer of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The name before its parameters', in PyTorch's numbering: `main.0`. Of what is no module in PyTorch, nothing.
    pub name: String,
    /// What it is.
    pub kind: LayerKind,
}

/// What a layer is. Images are `[n, h, w, c]`.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerKind {
    /// A convolution, or a transposed one.
    Convolution(Filter),
    /// A normalisation of activations, of any kind that is one.
    Norm {
        /// Which one.
        kind: NormKind,
        /// The channels that it normalises.
        channels: usize,
        /// The start of its scales; shifts start at 0.
        scale: Initialiser,
        /// The length of the condition that has a part in scale and shift, zero at the start; 0 for none. Of batch norm alone.
        condition: usize,
    },
    /// An elementwise function.
    Activation(Activation),
    /// Each pixel repeated so many times on both axes.
    Upsample(usize),
    /// The mean of each square of so many pixels a side.
    AveragePool(usize),
    /// The sum over all pixels: one pixel is left.
    SumPool,
    /// The sum of what two lists make of the same images; an empty list leaves them as they are.
    Residual {
        /// The longer way.
        body: Vec<Layer>,
        /// The shorter one.
        shortcut: Vec<Layer>,
    },
    /// Vectors `[n, c]` of so many numbers as images of one pixel, `[n, 1, 1, c]`.
    Spread(usize),
    /// Images of one pixel and one channel as numbers, `[n]`.
    Scores,
    /// Nothing: what comes here is one of the network's feature maps, the end of a part that can be frozen or compared as one.
    Map,
    /// To scores `[n]` adds the condition's agreement with the last feature map, pooled by summation (Miyato & Koyama 2018); its
    /// matrix is zero at the start.
    Projection {
        /// The length of the condition.
        condition: usize,
        /// The channels of the map.
        channels: usize,
    },
}

impl LayerKind {
    /// The normalisation that a kind asks for, without a part for conditions; none where it normalises no activations.
    pub fn norm(kind: NormKind, channels: usize, scale: Initialiser) -> Option<LayerKind> {
        kind.normalises_maps().then_some(LayerKind::Norm { kind, channels, scale, condition: 0 })
    }
}

/// A square filter that works as a convolution or as a transposed one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Filter {
    /// Channels that come in.
    pub inputs: usize,
    /// Channels that go out.
    pub outputs: usize,
    /// The side.
    pub kernel: usize,
    /// Fine pixels from one coarse pixel to the next.
    pub stride: usize,
    /// Zero pixels around the fine image.
    pub padding: usize,
    /// Whether it goes from coarse to fine: a transposed convolution.
    pub transposed: bool,
    /// Whether it is divided by its largest singular value.
    pub spectral: bool,
    /// Whether each channel that goes out has a shift, 0 at the start.
    pub bias: bool,
    /// The start of its elements.
    pub start: Initialiser,
}

impl Filter {
    /// A convolution without bias or spectral norm.
    pub fn new(
        [inputs, outputs]: [usize; 2],
        kernel: usize,
        stride: usize,
        padding: usize,
        start: Initialiser,
    ) -> Filter {
        Filter { inputs, outputs, kernel, stride, padding, transposed: false, spectral: false, bias: false, start }
    }

    /// The shape of the filter, `[kh, kw, fine channels, coarse channels]`.
    pub fn shape(&self) -> [usize; 4] {
        let Filter { inputs, outputs, kernel, transposed, .. } = *self;
        let [fine, coarse] = if transposed { [outputs, inputs] } else { [inputs, outputs] };
        [kernel, kernel, fine, coarse]
    }
}

/// What a parameter is to its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotKind {
    /// Training moves it.
    Weight,
    /// Training moves it; a matrix that a condition is multiplied with.
    Condition,
    /// A forward pass moves it: a running mean or variance of a batch norm.
    Statistic,
    /// A forward pass moves it: the direction of a spectral norm.
    Direction,
}

impl SlotKind {
    /// Whether training moves it.
    pub fn is_trained(self) -> bool {
        matches!(self, SlotKind::Weight | SlotKind::Condition)
    }
}

/// One parameter of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// Its name, unique in the network.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// How its axes are stored.
    pub layout: Layout,
    /// Its start.
    pub start: Initialiser,
    /// What it is to the network.
    pub kind: SlotKind,
}

impl Slot {
    /// The shape of the stored form.
    pub fn stored_shape(&self) -> Vec<usize> {
        self.layout.stored_shape(&self.shape)
    }
}

/// Every parameter of a list of layers, in the order in which they are drawn.
pub fn slots(layers: &[Layer]) -> Vec<Slot> {
    layers.iter().flat_map(Layer::slots).collect()
}

/// The number of feature maps of a list of layers.
pub fn maps(layers: &[Layer]) -> usize {
    layers.iter().filter(|layer| layer.kind == LayerKind::Map).count()
}

/// The layers up to the feature map number `maps` from 1, or none for 0.
///
/// # Panics
/// Where there are fewer.
#[track_caller]
pub fn lowest(layers: &[Layer], maps: usize) -> &[Layer] {
    let mut ends = layers.iter().enumerate().filter(|(_, layer)| layer.kind == LayerKind::Map).map(|(end, _)| end + 1);
    let end = maps.checked_sub(1).map_or(0, |last| ends.nth(last).unwrap_or_else(|| panic!("{maps} feature maps")));
    &layers[..end]
}

impl Layer {
    /// The parameters of this layer.
    pub fn slots(&self) -> Vec<Slot> {
        let slot = |part: &str, shape: &[usize], start, kind| Slot {
            name: format!("{}.{part}", self.name),
            shape: shape.to_vec(),
            layout: if shape.len() == 4 { Layout::Filter } else { Layout::Plain },
            start,
            kind,
        };
        let constant = Initialiser::Constant;
        match &self.kind {
            LayerKind::Convolution(filter) => {
                let coarse = [filter.shape()[3]];
                let unit = Initialiser::He { fan_in: coarse[0], slope: 0.0 };
                let mut slots = vec![slot("weight", &filter.shape(), filter.start, SlotKind::Weight)];
                slots.extend(filter.spectral.then(|| slot("weight_u", &coarse, unit, SlotKind::Direction)));
                slots.extend(filter.bias.then(|| slot("bias", &[filter.outputs], constant(0.0), SlotKind::Weight)));
                slots
            }
            LayerKind::Norm { kind, channels, scale, condition } => {
                let mut slots = vec![
                    slot("weight", &[*channels], *scale, SlotKind::Weight),
                    slot("bias", &[*channels], constant(0.0), SlotKind::Weight),
                ];
                if *kind == NormKind::Batch {
                    slots.push(slot("running_mean", &[*channels], constant(0.0), SlotKind::Statistic));
                    slots.push(slot("running_var", &[*channels], constant(1.0), SlotKind::Statistic));
                }
                let parts = ["condition_scale.weight", "condition_shift.weight"].into_iter().filter(|_| *condition > 0);
                slots
                    .extend(parts.map(|part| slot(part, &[*condition, *channels], constant(0.0), SlotKind::Condition)));
                slots
            }
            LayerKind::Projection { condition, channels } => {
                vec![slot("weight", &[*condition, *channels], constant(0.0), SlotKind::Condition)]
            }
            LayerKind::Residual { body, shortcut } => [slots(body), slots(shortcut)].concat(),
            LayerKind::Activation(_)
            | LayerKind::Upsample(_)
            | LayerKind::AveragePool(_)
            | LayerKind::SumPool
            | LayerKind::Spread(_)
            | LayerKind::Scores
            | LayerKind::Map => Vec::new(),
        }
    }
}

/// A list of layers that grows; each module is named by its number, as PyTorch's `nn.Sequential` numbers them.
#[derive(Debug)]
pub struct Sequence {
    name: String,
    modules: usize,
    layers: Vec<Layer>,
}

impl Sequence {
    /// An empty list under a name.
    pub fn new(name: impl Into<String>) -> Sequence {
        Sequence { name: name.into(), modules: 0, layers: Vec::new() }
    }

    /// Adds a module.
    pub fn module(&mut self, kind: LayerKind) {
        let name = self.next_name();
        self.modules += 1;
        self.layers.push(Layer { name, kind });
    }

    /// A list that is a part of the module that comes next.
    pub fn within(&self, part: &str, fill: impl FnOnce(&mut Sequence)) -> Vec<Layer> {
        let mut list = Sequence::new(format!("{}.{part}", self.next_name()));
        fill(&mut list);
        list.layers
    }

    fn next_name(&self) -> String {
        format!("{}.{}", self.name, self.modules)
    }

    /// Adds a layer that is no module of the sequence.
    pub fn beside(&mut self, name: &str, kind: LayerKind) {
        self.layers.push(Layer { name: name.to_string(), kind });
    }

    /// The list.
    pub fn into_layers(self) -> Vec<Layer> {
        self.layers
    }
}
