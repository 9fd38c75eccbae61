//! The only mutable cell: a named slot that holds a tensor.

use std::sync::{Arc, Mutex, PoisonError};

use crate::backend::{Device, Storage};
use crate::error::Result;
use crate::tensor::{Tensor, Value, kernels};

/// How a parameter's axes are ordered outside, in checkpoints: as PyTorch orders them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A filter `[kh, kw, c, k]`, stored `[k, c, kh, kw]`: PyTorch's order for a convolution and for a transposed one alike.
    Filter,
    /// As it is.
    Plain,
}

impl Layout {
    /// The order of axes in which a tensor is stored, and the order that brings a stored one back.
    const STORE: [usize; 4] = [3, 2, 0, 1];
    const LOAD: [usize; 4] = [2, 3, 1, 0];

    /// The shape of the stored form of a tensor of this shape.
    pub fn stored_shape(self, shape: &[usize]) -> Vec<usize> {
        match self {
            Layout::Plain => shape.to_vec(),
            Layout::Filter => Layout::STORE.iter().map(|&axis| shape[axis]).collect(),
        }
    }
}

/// A named slot whose tensor the optimiser replaces. Running statistics are parameters too: the
/// networks that own them list them apart.
///
/// Clones share the slot.
#[derive(Clone, Debug)]
pub struct Parameter {
    name: String,
    layout: Layout,
    slot: Arc<Mutex<Tensor>>,
}

impl Parameter {
    /// A slot that holds `tensor`.
    pub fn new(name: impl Into<String>, layout: Layout, tensor: Tensor) -> Parameter {
        Parameter { name: name.into(), layout, slot: Arc::new(Mutex::new(tensor.detach())) }
    }

    /// The name, unique in its network, as PyTorch would give it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tensor that the slot holds now.
    pub fn get(&self) -> Tensor {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another tensor of the same shape in.
    ///
    /// # Panics
    /// Where the shape differs.
    #[track_caller]
    pub fn set(&self, tensor: Tensor) {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(slot.shape(), tensor.shape(), "{}: another shape", self.name);
        *slot = tensor.detach();
    }

    /// Takes the tensor out, leaving an empty one until [`Parameter::put`]: so that an optimiser may write in place.
    pub(super) fn take(&self) -> Tensor {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let empty = Tensor::zeros(slot.device(), [0]);
        std::mem::replace(&mut *slot, empty)
    }

    /// Puts a tensor back after [`Parameter::take`].
    pub(super) fn put(&self, tensor: Tensor) {
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = tensor;
    }

    /// Moves each target by a share of the way towards its source, as [`Tensor::lerp`] does, in place where nothing else holds its tensor.
    ///
    /// # Panics
    /// Where there are not as many of the same shapes, on one device.
    #[track_caller]
    pub fn lerp_each(targets: &[Parameter], sources: &[Parameter], share: f64) {
        assert_eq!(targets.len(), sources.len(), "lerp_each: one source a target");
        let Some(device) = targets.first().map(Parameter::device) else { return };
        let sources: Vec<Tensor> = sources.iter().map(Parameter::get).collect();
        for (target, source) in targets.iter().zip(&sources) {
            let target = target.get();
            assert!(target.shape() == source.shape() && source.device() == &device && target.device() == &device);
        }
        let storages: Vec<&Storage> = sources.iter().map(|source| source.storage()).collect();
        let taken = targets.iter().map(|target| target.take().into_storage()).collect();
        let moved = kernels(&device, |backend| backend.lerp_each(taken, &storages, share));
        for ((target, storage), source) in targets.iter().zip(moved).zip(&sources) {
            target.put(Tensor::leaf(&device, Value::new(storage, source.shape())));
        }
    }

    /// Another slot of the same layout.
    pub(super) fn alike(&self, name: &str, tensor: Tensor) -> Parameter {
        Parameter::new(name, self.layout, tensor)
    }

    /// The shape of the stored form.
    pub fn stored_shape(&self) -> Vec<usize> {
        self.layout.stored_shape(self.get().shape())
    }

    /// The tensor in stored order.
    pub fn stored(&self) -> Tensor {
        self.to_stored(&self.get())
    }

    /// A tensor of this parameter's shape (a moment of the optimiser) in stored order.
    pub fn to_stored(&self, tensor: &Tensor) -> Tensor {
        match self.layout {
            Layout::Plain => tensor.detach(),
            Layout::Filter => tensor.permute(&Layout::STORE).detach(),
        }
    }

    /// A tensor that came in stored order, in this parameter's.
    pub fn from_stored(&self, tensor: &Tensor) -> Tensor {
        match self.layout {
            Layout::Plain => tensor.detach(),
            Layout::Filter => tensor.permute(&Layout::LOAD).detach(),
        }
    }

    /// The device of the tensor.
    pub fn device(&self) -> Device {
        self.get().device().clone()
    }

    /// Whether all elements are finite.
    ///
    /// # Errors
    /// The device's first failure.
    pub fn is_finite(&self) -> Result<bool> {
        self.get().is_finite()
    }
}
