//! Ops and the graph that they leave behind: a [`Node`] for each tensor, with what its vjp will need.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Tensor, count, is_recording, kernels};
use crate::backend::{Backend, Device, Storage};

/// Elements and their shape, without history.
#[derive(Clone, Debug)]
pub struct Value {
    /// The elements.
    pub storage: Arc<Storage>,
    /// The sizes of the axes.
    pub shape: Arc<[usize]>,
}

impl Value {
    /// A value of `shape` from its elements.
    pub fn new(storage: impl Into<Arc<Storage>>, shape: impl AsRef<[usize]>) -> Value {
        Value { storage: storage.into(), shape: shape.as_ref().into() }
    }
}

/// What [`Op::forward`] computes.
pub struct Forward {
    /// The op's result.
    pub value: Value,
    /// What it computed on the way and its fused vjp reads again. These are constants to derivatives:
    /// while [`Context::recording`], a vjp must not use them.
    pub saved: Vec<Value>,
}

impl From<Value> for Forward {
    fn from(value: Value) -> Forward {
        Forward { value, saved: Vec::new() }
    }
}

/// Which tensors an op's node keeps alive for its vjp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// A bit an input; all of them for every input, however many there are.
    inputs: u64,
    output: bool,
}

impl Keep {
    /// Nothing: the vjp needs shapes at most.
    pub const NOTHING: Keep = Keep { inputs: 0, output: false };
    /// Every input.
    pub const INPUTS: Keep = Keep { inputs: u64::MAX, output: false };
    /// The output.
    pub const OUTPUT: Keep = Keep { inputs: 0, output: true };

    /// These of the first 64 inputs.
    ///
    /// # Panics
    /// Where an index is 64 or more.
    pub const fn only(mut inputs: &[u32]) -> Keep {
        let mut keep = Keep::NOTHING;
        while let [first, rest @ ..] = inputs {
            assert!(*first < u64::BITS, "Keep::only: names one of the first 64 inputs");
            keep.inputs |= 1 << *first;
            inputs = rest;
        }
        keep
    }

    fn input(self, index: usize) -> bool {
        self.inputs == u64::MAX || (index < 64 && self.inputs >> index & 1 == 1)
    }

    /// These inputs and the output too.
    pub const fn and_output(self) -> Keep {
        Keep { output: true, ..self }
    }
}

/// A differentiable function of tensors.
///
/// An op is a struct that holds its constants (sizes, axes, a slope). A vjp is written with tensor ops, so
/// that it can itself be differentiated; every order of derivative then comes by itself.
/// `examples/own_op.rs` adds one from outside the crate.
pub trait Op: Send + Sync + 'static {
    /// The op's name, for messages and profiles.
    fn name(&self) -> &'static str;

    /// Computes the result with the device's kernels. Shapes were checked by whoever calls [`Tensor::apply`].
    fn forward(&self, backend: &dyn Backend, inputs: &[Value]) -> Forward;

    /// What [`Op::vjp`] reads through [`Context::input`] and [`Context::output`].
    fn keep(&self) -> Keep;

    /// What [`Op::vjp`] gives for the cotangent 1 of a scalar output that is not recorded, where the op has that at hand: None, unless it
    /// does.
    fn gradient(&self, _context: &Context<'_>) -> Option<Vec<Option<Tensor>>> {
        None
    }

    /// The vector-Jacobian products: for each input that is `wanted`, the cotangent of that input given
    /// the output's. None stands for zero. A cotangent may have a shape that the input broadcasts to.
    fn vjp(&self, context: &Context<'_>, cotangent: &Tensor, wanted: &[bool]) -> Vec<Option<Tensor>>;
}

/// One tensor's place in the graph.
pub(super) struct Node {
    /// Greater than the ids of all its inputs.
    pub id: u64,
    /// What made the tensor, unless it is a leaf.
    pub origin: Option<Origin>,
}

/// How a tensor was made.
pub(super) struct Origin {
    op: Box<dyn Op>,
    pub parents: Vec<Arc<Node>>,
    shapes: Vec<Arc<[usize]>>,
    inputs: Vec<Option<Value>>,
    output: Option<Value>,
    saved: Vec<Value>,
    device: Device,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl Node {
    fn new(origin: Option<Origin>) -> Arc<Node> {
        Arc::new(Node { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), origin })
    }

    pub fn leaf() -> Arc<Node> {
        Node::new(None)
    }
}

impl Drop for Node {
    /// Frees a chain of nodes in a loop: the default would recurse, once a node, and overflow the stack.
    fn drop(&mut self) {
        let mut orphans: Vec<Arc<Node>> = self.origin.take().map_or_else(Vec::new, |origin| origin.parents);
        while let Some(orphan) = orphans.pop() {
            if let Some(mut node) = Arc::into_inner(orphan)
                && let Some(origin) = node.origin.take()
            {
                orphans.extend(origin.parents);
            }
        }
    }
}

/// What a vjp sees of the op's application.
pub struct Context<'a> {
    node: &'a Arc<Node>,
    origin: &'a Origin,
}

impl<'a> Context<'a> {
    /// The context of a node; None for a leaf.
    pub(super) fn of(node: &'a Arc<Node>) -> Option<Context<'a>> {
        node.origin.as_ref().map(|origin| Context { node, origin })
    }

    /// Whether the vjp is itself being recorded: then it must compute from inputs and ops alone.
    pub fn recording(&self) -> bool {
        is_recording()
    }

    /// Input `index`, with its history while recording.
    ///
    /// # Panics
    /// Where the op's [`Op::keep`] does not name it.
    pub fn input(&self, index: usize) -> Tensor {
        let value = self.origin.inputs[index].clone();
        let value = value.unwrap_or_else(|| panic!("{} does not keep its input {index}", self.origin.op.name()));
        self.tensor(value, &self.origin.parents[index])
    }

    /// The output, with its history while recording.
    ///
    /// # Panics
    /// Where the op's [`Op::keep`] does not name it.
    pub fn output(&self) -> Tensor {
        let value = self.origin.output.clone();
        self.tensor(value.unwrap_or_else(|| panic!("{} does not keep its output", self.origin.op.name())), self.node)
    }

    /// What the forward pass saved as number `index`: a constant.
    pub fn saved(&self, index: usize) -> Tensor {
        Tensor::leaf(&self.origin.device, self.origin.saved[index].clone())
    }

    /// The shape of input `index`.
    pub fn input_shape(&self, index: usize) -> &[usize] {
        &self.origin.shapes[index]
    }

    /// Where the op ran.
    pub fn device(&self) -> &Device {
        &self.origin.device
    }

    pub(super) fn gradient(&self) -> Option<Vec<Option<Tensor>>> {
        self.origin.op.gradient(self)
    }

    pub(super) fn vjp(&self, cotangent: &Tensor, wanted: &[bool]) -> Vec<Option<Tensor>> {
        self.origin.op.vjp(self, cotangent, wanted)
    }

    fn tensor(&self, value: Value, node: &Arc<Node>) -> Tensor {
        let node = if self.recording() { Arc::clone(node) } else { Node::leaf() };
        Tensor { value, device: self.origin.device.clone(), node }
    }
}

impl Tensor {
    /// Applies an op to tensors and records it.
    ///
    /// # Panics
    /// Where there is no input, or the inputs live on different devices.
    #[track_caller]
    pub fn apply(op: impl Op, inputs: &[&Tensor]) -> Tensor {
        Tensor::apply_with_saved(op, inputs).0
    }

    /// As [`Tensor::apply`], with what the forward pass saved, as constants.
    ///
    /// # Panics
    /// Where there is no input, the inputs live on different devices, or the op gives another number of elements than its shape has.
    #[track_caller]
    pub fn apply_with_saved(op: impl Op, inputs: &[&Tensor]) -> (Tensor, Vec<Tensor>) {
        let device = inputs.first().unwrap_or_else(|| panic!("{}: no input", op.name())).device.clone();
        for input in inputs {
            let names = (device.name(), input.device.name());
            assert!(input.device == device, "{}: inputs on two devices, {} and {}", op.name(), names.0, names.1);
        }
        let values: Vec<Value> = inputs.iter().map(|input| input.value.clone()).collect();
        let Forward { value, saved } = kernels(&device, |backend| op.forward(backend, &values));
        // An op of one's own may be wrong, and kernels take shapes at their word.
        for Value { storage, shape } in saved.iter().chain([&value]) {
            let (own, elements) = (op.name(), storage.len());
            assert!(elements == count(shape), "{own}: gave {elements} elements for the shape {shape:?}");
        }
        let constants = saved.iter().map(|value| Tensor::leaf(&device, value.clone())).collect();
        if !is_recording() {
            return (Tensor::leaf(&device, value), constants);
        }
        let keep = op.keep();
        let origin = Origin {
            parents: inputs.iter().map(|input| Arc::clone(&input.node)).collect(),
            shapes: values.iter().map(|value| Arc::clone(&value.shape)).collect(),
            inputs: values.into_iter().enumerate().map(|(i, value)| keep.input(i).then_some(value)).collect(),
            output: keep.output.then(|| value.clone()),
            saved,
            device: device.clone(),
            op: Box::new(op),
        };
        (Tensor { value, device, node: Node::new(Some(origin)) }, constants)
    }
}
