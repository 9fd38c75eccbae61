//! A graph of ONNX that grows node by node: the messages of `onnx/onnx.proto` from `GraphProto` on, and the operators of layers.

use super::classifier::{Module, Part};
use crate::backend::{Activation, Device};
use crate::checkpoint::Checkpoint;
use crate::classifier::Input;
use crate::error::Result;
use crate::nn::{Filter, Layer, LayerKind, NormKind};
use crate::protobuf::Message;

/// Added to variances, as in graft's and PyTorch's norms.
const EPSILON: f32 = 1e-5;

/// Field numbers, by message.
pub(super) mod field {
    pub mod model {
        pub const IR_VERSION: u8 = 1;
        pub const PRODUCER: u8 = 2;
        pub const PRODUCER_VERSION: u8 = 3;
        pub const DOC: u8 = 6;
        pub const GRAPH: u8 = 7;
        pub const OPSET: u8 = 8;
        pub const METADATA: u8 = 14;
        /// Of an entry of the metadata.
        pub const KEY: u8 = 1;
        pub const VALUE: u8 = 2;
        /// Of the set of operators; its domain is ONNX's own, which is left empty.
        pub const OPSET_VERSION: u8 = 2;
    }
    pub mod graph {
        pub const NODE: u8 = 1;
        pub const NAME: u8 = 2;
        pub const INITIALIZER: u8 = 5;
        pub const INPUT: u8 = 11;
        pub const OUTPUT: u8 = 12;
    }
    pub mod node {
        pub const INPUT: u8 = 1;
        pub const OUTPUT: u8 = 2;
        pub const NAME: u8 = 3;
        pub const OPERATOR: u8 = 4;
        pub const ATTRIBUTE: u8 = 5;
    }
    pub mod attribute {
        pub const NAME: u8 = 1;
        pub const FLOAT: u8 = 2;
        pub const INTEGER: u8 = 3;
        pub const TEXT: u8 = 4;
        pub const INTEGERS: u8 = 8;
        pub const TYPE: u8 = 20;
        /// Values of `TYPE`.
        pub const IS_FLOAT: u64 = 1;
        pub const IS_INTEGER: u64 = 2;
        pub const IS_TEXT: u64 = 3;
        pub const IS_INTEGERS: u64 = 7;
    }
    pub mod tensor {
        pub const DIMENSION: u8 = 1;
        pub const TYPE: u8 = 2;
        pub const NAME: u8 = 8;
        pub const BYTES: u8 = 9;
        /// Values of `TYPE`, here and of values.
        pub const FLOAT: u64 = 1;
        pub const INT64: u64 = 7;
    }
    /// `ValueInfoProto`, and the messages within: `TypeProto`, its `Tensor`, `TensorShapeProto` and its `Dimension`.
    pub mod value {
        pub const NAME: u8 = 1;
        pub const TYPE: u8 = 2;
        pub const TENSOR: u8 = 1;
        pub const ELEMENT: u8 = 1;
        pub const SHAPE: u8 = 2;
        pub const DIMENSION: u8 = 1;
        pub const NUMBER: u8 = 1;
        pub const SYMBOL: u8 = 2;
    }
}

/// A graph that grows: each node takes values by name and gives one that is named after it.
pub(super) struct Graph {
    message: Message,
    state: Checkpoint,
    /// The node that gives the output, and the output's name.
    last: (String, &'static str),
}

/// An attribute of a node.
enum Attribute<'a> {
    Float(&'a str, f32),
    Integer(&'a str, u64),
    Integers(&'a str, &'a [u64]),
    Text(&'a str, &'a str),
}

impl Graph {
    /// An empty graph of weights by their names in a state dict, which ends in a node and calls what that gives so.
    pub fn new(name: &str, state: Checkpoint, last: (String, &'static str)) -> Graph {
        Graph { message: Message::default().bytes(field::graph::NAME, name), state, last }
    }

    /// The graph, whose output is `[n, ..]`.
    pub fn finish(self, output: &[usize]) -> Message {
        self.message.message(field::graph::OUTPUT, value(self.last.1, output))
    }

    fn add(&mut self, field: u8, message: Message) {
        self.message = std::mem::take(&mut self.message).message(field, message);
    }

    /// Adds an input `[n, ..]`.
    pub fn input(&mut self, name: &str, rest: &[usize]) {
        self.add(field::graph::INPUT, value(name, rest));
    }

    /// Adds a node; gives the name of its output.
    fn node(&mut self, operator: &str, name: &str, inputs: &[&str], attributes: &[Attribute<'_>]) -> String {
        use field::node as f;
        let output = if name == self.last.0 { self.last.1.to_string() } else { format!("{name}.output") };
        let node = inputs.iter().fold(Message::default(), |node, input| node.bytes(f::INPUT, input));
        let node = node.bytes(f::OUTPUT, &output).bytes(f::NAME, name).bytes(f::OPERATOR, operator);
        let node = attributes.iter().fold(node, |node, attribute| node.message(f::ATTRIBUTE, attribute.message()));
        self.add(field::graph::NODE, node);
        output
    }

    /// Adds the tensor of this name of the state dict as a constant.
    fn weight(&mut self, name: &str) -> Result<()> {
        let tensor = self.state.tensor(name, &Device::cpu())?;
        self.constant(name, tensor.shape(), &tensor.to_vec::<f32>()?);
        Ok(())
    }

    fn constant(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.add(field::graph::INITIALIZER, tensor(name, field::tensor::FLOAT, shape, &bytes));
    }

    /// `[n, channels]` as maps of one pixel, `[n, channels, 1, 1]`.
    fn spread(&mut self, input: &str, channels: usize) -> String {
        // A 0 keeps the dimension that is there.
        self.reshape(input, [0, channels as i64, 1, 1])
    }

    fn reshape(&mut self, input: &str, shape: [i64; 4]) -> String {
        let bytes: Vec<u8> = shape.iter().flat_map(|value| value.to_le_bytes()).collect();
        let name = format!("{input}.shape");
        self.add(field::graph::INITIALIZER, tensor(&name, field::tensor::INT64, &[shape.len()], &bytes));
        self.node("Reshape", &format!("{input}.spread"), &[input, &name], &[])
    }

    /// Adds the nodes of a list of layers; gives the name of what they make of `x`.
    pub fn layers(&mut self, layers: &[Layer], x: String) -> Result<String> {
        layers.iter().try_fold(x, |x, layer| self.layer(layer, &x))
    }

    /// Adds the nodes of a module of a classifier; gives the name of what it makes of `x`.
    pub fn module(&mut self, Module { name, part }: &Module, x: &str) -> Result<String> {
        Ok(match part {
            Part::Standardise(kind) => self.standardise(name, x, *kind, Input::FLAT as f32),
            Part::Layer(layer) => self.layer(&Layer { name: name.clone(), kind: layer.clone() }, x)?,
            Part::Flatten => self.node("Flatten", name, &[x], &[]),
            Part::Linear { .. } => {
                let [weight, bias] = [format!("{name}.weight"), format!("{name}.bias")];
                self.weight(&weight)?;
                self.weight(&bias)?;
                self.node("Gemm", name, &[x, &weight, &bias], &[Attribute::Integer("transB", 1)])
            }
            Part::Softmax => self.node("Softmax", name, &[x], &[]),
        })
    }

    fn layer(&mut self, Layer { name, kind }: &Layer, x: &str) -> Result<String> {
        Ok(match kind {
            LayerKind::Spread(length) => self.spread(x, *length),
            LayerKind::Convolution(filter) => self.convolution(name, x, filter)?,
            LayerKind::Norm { kind: NormKind::Batch, condition: 0, .. } => self.batch_norm(name, x)?,
            LayerKind::Norm { kind: NormKind::Batch, channels, .. } => self.conditioned(name, x, *channels)?,
            LayerKind::Norm { kind, channels, .. } => self.sample_norm(name, x, *kind, *channels)?,
            LayerKind::Activation(activation) => match activation {
                Activation::Identity => self.node("Identity", name, &[x], &[]),
                Activation::Relu => self.node("Relu", name, &[x], &[]),
                Activation::Tanh => self.node("Tanh", name, &[x], &[]),
                Activation::LeakyRelu { slope } => {
                    self.node("LeakyRelu", name, &[x], &[Attribute::Float("alpha", *slope as f32)])
                }
            },
            LayerKind::Upsample(factor) => self.upsample(name, x, *factor),
            LayerKind::Residual { body, shortcut } => {
                let (body, shortcut) = (self.layers(body, x.to_string())?, self.layers(shortcut, x.to_string())?);
                self.node("Add", name, &[&body, &shortcut], &[])
            }
            LayerKind::Map => x.to_string(),
            LayerKind::AveragePool(_) | LayerKind::SumPool | LayerKind::Scores | LayerKind::Projection { .. } => {
                unreachable!("{name}: no generator and no classifier has such a layer")
            }
        })
    }

    fn convolution(&mut self, name: &str, x: &str, filter: &Filter) -> Result<String> {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        self.weight(&weight)?;
        let mut inputs = vec![x, &weight];
        if filter.bias {
            self.weight(&bias)?;
            inputs.push(&bias);
        }
        let (strides, pads) = ([filter.stride as u64; 2], [filter.padding as u64; 4]);
        let attributes = [Attribute::Integers("strides", &strides), Attribute::Integers("pads", &pads)];
        Ok(self.node(if filter.transposed { "ConvTranspose" } else { "Conv" }, name, &inputs, &attributes))
    }

    /// Each pixel repeated: the pixel of an output is the one at its place divided by the factor, rounded down.
    fn upsample(&mut self, name: &str, x: &str, factor: usize) -> String {
        let scales = format!("{name}.scales");
        self.constant(&scales, &[4], &[1.0, 1.0, factor as f32, factor as f32]);
        let attributes = [
            Attribute::Text("mode", "nearest"),
            Attribute::Text("coordinate_transformation_mode", "asymmetric"),
            Attribute::Text("nearest_mode", "floor"),
        ];
        // The second input, a region, is left out.
        self.node("Resize", name, &[x, "", &scales], &attributes)
    }

    /// Each sample by its own mean and variance: each channel's, or by layer norm those of all.
    fn standardise(&mut self, name: &str, x: &str, kind: NormKind, epsilon: f32) -> String {
        let axes: &[u64] = if kind == NormKind::Instance { &[2, 3] } else { &[1, 2, 3] };
        let part = |part: &str| format!("{name}.{part}");
        let mean = self.node("ReduceMean", &part("mean"), &[x], &[Attribute::Integers("axes", axes)]);
        let centred = self.node("Sub", &part("centred"), &[x, &mean], &[]);
        let squares = self.node("Mul", &part("squares"), &[&centred, &centred], &[]);
        let variance = self.node("ReduceMean", &part("variance"), &[&squares], &[Attribute::Integers("axes", axes)]);
        self.constant(&part("epsilon"), &[], &[epsilon]);
        let more = self.node("Add", &part("more"), &[&variance, &part("epsilon")], &[]);
        let deviation = self.node("Sqrt", &part("deviation"), &[&more], &[]);
        self.node("Div", name, &[&centred, &deviation], &[])
    }

    /// That, with a scale and a shift a channel.
    fn sample_norm(&mut self, name: &str, x: &str, kind: NormKind, channels: usize) -> Result<String> {
        let standard = self.standardise(&format!("{name}.standard"), x, kind, EPSILON);
        let [weight, bias] = [format!("{name}.weight"), format!("{name}.bias")];
        self.weight(&weight)?;
        self.weight(&bias)?;
        let [scale, shift] = [&weight, &bias].map(|own| self.reshape(own, [1, channels as i64, 1, 1]));
        let scaled = self.node("Mul", &format!("{name}.scaled"), &[&standard, &scale], &[]);
        Ok(self.node("Add", &format!("{name}.shifted"), &[&scaled, &shift], &[]))
    }

    fn batch_norm(&mut self, name: &str, x: &str) -> Result<String> {
        let [weight, bias] = [format!("{name}.weight"), format!("{name}.bias")];
        self.weight(&weight)?;
        self.weight(&bias)?;
        self.normalise(name, x, &weight, &bias)
    }

    fn normalise(&mut self, name: &str, x: &str, scale: &str, shift: &str) -> Result<String> {
        let statistics = [format!("{name}.running_mean"), format!("{name}.running_var")];
        for statistic in &statistics {
            self.weight(statistic)?;
        }
        let inputs = [x, scale, shift, &statistics[0], &statistics[1]];
        Ok(self.node("BatchNormalization", name, &inputs, &[Attribute::Float("epsilon", EPSILON)]))
    }

    /// Batch norm with each sample's own scale `weight + A c` and shift `bias + B c`.
    fn conditioned(&mut self, name: &str, x: &str, width: usize) -> Result<String> {
        let [one, zero] = [format!("{name}.one"), format!("{name}.zero")];
        self.constant(&one, &[width], &vec![1.0; width]);
        self.constant(&zero, &[width], &vec![0.0; width]);
        let standard = self.normalise(name, x, &one, &zero)?;
        let scale = self.of_condition(name, "scale", "weight", width)?;
        let shift = self.of_condition(name, "shift", "bias", width)?;
        let scaled = self.node("Mul", &format!("{name}.scaled"), &[&standard, &scale], &[]);
        Ok(self.node("Add", &format!("{name}.shifted"), &[&scaled, &shift], &[]))
    }

    fn of_condition(&mut self, norm: &str, part: &str, base: &str, width: usize) -> Result<String> {
        let name = format!("{norm}.condition_{part}");
        let [matrix, base] = [format!("{name}.weight"), format!("{norm}.{base}")];
        self.weight(&matrix)?;
        self.weight(&base)?;
        let each = self.node("Gemm", &name, &["condition", &matrix, &base], &[Attribute::Integer("transB", 1)]);
        Ok(self.spread(&each, width))
    }
}

impl Attribute<'_> {
    fn message(&self) -> Message {
        use field::attribute as f;
        let named = |name: &str, kind| Message::default().bytes(f::NAME, name).number(f::TYPE, kind);
        match *self {
            Attribute::Float(name, value) => named(name, f::IS_FLOAT).float(f::FLOAT, value),
            Attribute::Integer(name, value) => named(name, f::IS_INTEGER).number(f::INTEGER, value),
            Attribute::Text(name, text) => named(name, f::IS_TEXT).bytes(f::TEXT, text),
            Attribute::Integers(name, values) => {
                let one = |message: Message, &value: &u64| message.number(f::INTEGERS, value);
                values.iter().fold(named(name, f::IS_INTEGERS), one)
            }
        }
    }
}

fn tensor(name: &str, element: u64, shape: &[usize], bytes: &[u8]) -> Message {
    use field::tensor as f;
    let dimension = |message: Message, &size: &usize| message.number(f::DIMENSION, size as u64);
    let message = shape.iter().fold(Message::default(), dimension);
    message.number(f::TYPE, element).bytes(f::NAME, name).bytes(f::BYTES, bytes)
}

/// An input or output `[n, ..]`.
fn value(name: &str, rest: &[usize]) -> Message {
    use field::value as f;
    let batch = Message::default().message(f::DIMENSION, Message::default().bytes(f::SYMBOL, "n"));
    let dimension =
        |shape: Message, &size: &usize| shape.message(f::DIMENSION, Message::default().number(f::NUMBER, size as u64));
    let shape = rest.iter().fold(batch, dimension);
    let tensor = Message::default().number(f::ELEMENT, field::tensor::FLOAT).message(f::SHAPE, shape);
    Message::default().bytes(f::NAME, name).message(f::TYPE, Message::default().message(f::TENSOR, tensor))
}
