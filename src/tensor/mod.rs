//! The value that everything computes with: an immutable, contiguous, row-major tensor on a device,
//! which remembers how it was made so that it can be differentiated.

mod autograd;
mod classes;
pub mod conformance;
pub mod gradcheck;
mod node;
pub mod ops;

use std::fmt;
use std::sync::Arc;

pub(crate) use autograd::kernels;
pub use autograd::{grad, grad_graph, is_recording, no_grad};
pub use classes::{most_probable, one_hot};
pub use node::{Context, Forward, Keep, Op, Value};
pub use ops::normalisation::BatchNorm;

use crate::backend::{Device, HostSlice, HostVec, Storage};
use crate::error::Result;
use node::Node;

/// An n-dimensional array on a [`Device`].
///
/// A tensor is a cheap handle: cloning shares the elements, which never change. Its shape is a run-time
/// value. Ops panic on wrong shapes, naming the op and the shapes.
///
/// ```
/// use graft::{Device, Tensor, grad};
///
/// let x = Tensor::from_slice(&Device::reference(), &[1.0, 2.0, 3.0], [3]);
/// let y = (&x * &x).sum();
/// let slopes = grad(y, &[&x]).remove(0);
/// assert_eq!(slopes.to_vec::<f64>()?, [2.0, 4.0, 6.0]);
/// # Ok::<(), graft::Error>(())
/// ```
#[derive(Clone)]
pub struct Tensor {
    value: Value,
    device: Device,
    node: Arc<Node>,
}

/// A number that tensors exchange with the host.
pub trait Element: Copy + private::Sealed {
    /// A borrowed slice of this type.
    fn host(values: &[Self]) -> HostSlice<'_>;
    /// Downloaded elements in this type, rounded where the device is more precise.
    fn from_host(values: HostVec) -> Vec<Self>;
}

mod private {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

impl Element for f32 {
    fn host(values: &[f32]) -> HostSlice<'_> {
        HostSlice::F32(values)
    }
    fn from_host(values: HostVec) -> Vec<f32> {
        match values {
            HostVec::F32(values) => values,
            HostVec::F64(values) => values.into_iter().map(|v| v as f32).collect(),
        }
    }
}

impl Element for f64 {
    fn host(values: &[f64]) -> HostSlice<'_> {
        HostSlice::F64(values)
    }
    fn from_host(values: HostVec) -> Vec<f64> {
        match values {
            HostVec::F32(values) => values.into_iter().map(f64::from).collect(),
            HostVec::F64(values) => values,
        }
    }
}

impl Tensor {
    /// A tensor of `shape` from its elements in row-major order.
    ///
    /// # Panics
    /// Where the number of elements is not the shape's.
    #[track_caller]
    pub fn from_slice<T: Element>(device: &Device, elements: &[T], shape: impl AsRef<[usize]>) -> Tensor {
        let shape = shape.as_ref();
        assert_eq!(elements.len(), count(shape), "from_slice: {} elements for the shape {shape:?}", elements.len());
        Tensor::leaf(device, Value::new(device.backend().upload(T::host(elements)), shape))
    }

    /// A tensor of one value.
    pub fn full(device: &Device, shape: impl AsRef<[usize]>, value: f64) -> Tensor {
        let shape = shape.as_ref();
        Tensor::leaf(device, Value::new(device.backend().full(count(shape), value), shape))
    }

    /// A tensor of zeros.
    pub fn zeros(device: &Device, shape: impl AsRef<[usize]>) -> Tensor {
        Tensor::full(device, shape, 0.0)
    }

    /// A tensor of ones.
    pub fn ones(device: &Device, shape: impl AsRef<[usize]>) -> Tensor {
        Tensor::full(device, shape, 1.0)
    }

    /// `[labels.len(), classes]` with a one at each row's label.
    ///
    /// # Panics
    /// Where a label is not below `classes`.
    #[track_caller]
    pub fn one_hot(device: &Device, labels: &[u32], classes: usize) -> Tensor {
        let rows = one_hot(labels.iter().copied().map(Some), classes);
        Tensor::from_slice(device, &rows, [labels.len(), classes])
    }

    /// A tensor around elements that no op made.
    pub(crate) fn leaf(device: &Device, value: Value) -> Tensor {
        Tensor { node: Node::leaf(), value, device: device.clone() }
    }

    /// The elements in row-major order.
    ///
    /// # Errors
    /// The device's first failure.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        Ok(T::from_host(self.device.backend().download(self.storage())?))
    }

    /// The only element.
    ///
    /// # Errors
    /// The device's first failure.
    ///
    /// # Panics
    /// Where there is not exactly one.
    #[track_caller]
    pub fn item(&self) -> Result<f64> {
        assert_eq!(self.len(), 1, "item: of a tensor of shape {:?}", self.shape());
        Ok(self.to_vec::<f64>()?[0])
    }

    /// The only element of each of some tensors of one device, which the host waits for once.
    ///
    /// # Errors
    /// The device's first failure.
    ///
    /// # Panics
    /// Where one has not exactly one element, or another device.
    #[track_caller]
    pub fn items(tensors: &[&Tensor]) -> Result<Vec<f64>> {
        let Some(first) = tensors.first() else { return Ok(Vec::new()) };
        for tensor in tensors {
            assert_eq!(tensor.len(), 1, "items: of a tensor of shape {:?}", tensor.shape());
            assert!(tensor.device == first.device, "items: on {} and {}", first.device.name(), tensor.device.name());
        }
        let storages: Vec<&Storage> = tensors.iter().map(|tensor| tensor.storage()).collect();
        let read = first.device.backend().download_each(&storages)?;
        Ok(read.into_iter().map(|values| f64::from_host(values)[0]).collect())
    }

    /// The sizes of its axes.
    pub fn shape(&self) -> &[usize] {
        &self.value.shape
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape().len()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        count(self.shape())
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where it lives.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The same elements without their history: a constant to every derivative.
    pub fn detach(&self) -> Tensor {
        Tensor::leaf(&self.device, self.value.clone())
    }

    /// The same elements on another device, without their history.
    ///
    /// # Errors
    /// This tensor's device's first failure.
    pub fn to_device(&self, device: &Device) -> Result<Tensor> {
        if device == &self.device {
            return Ok(self.detach());
        }
        Ok(match self.device.backend().download(self.storage())? {
            HostVec::F32(values) => Tensor::from_slice(device, &values, self.shape()),
            HostVec::F64(values) => Tensor::from_slice(device, &values, self.shape()),
        })
    }

    /// Whether every element is a finite number.
    ///
    /// # Errors
    /// The device's first failure.
    pub fn is_finite(&self) -> Result<bool> {
        Ok(match self.device.backend().download(self.storage())? {
            HostVec::F32(values) => values.iter().all(|v| v.is_finite()),
            HostVec::F64(values) => values.iter().all(|v| v.is_finite()),
        })
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.value.storage
    }

    /// The elements as their owner: shared where another handle, or a graph, still holds them.
    pub(crate) fn into_storage(self) -> Arc<Storage> {
        self.value.storage
    }
}

impl fmt::Debug for Tensor {
    /// Shape and device, and the elements where they are few: nothing large is downloaded.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 16;
        write!(f, "Tensor{:?} on {}", self.shape(), self.device.name())?;
        if self.len() > SHOWN {
            return Ok(());
        }
        match self.to_vec::<f64>() {
            Ok(elements) => write!(f, " {elements:?}"),
            Err(error) => write!(f, " ({error})"),
        }
    }
}

/// The number of elements of a shape.
///
/// # Panics
/// Where that, or a size, is more than memory can be addressed by: kernels may then multiply sizes without a thought.
#[track_caller]
pub(crate) fn count(shape: &[usize]) -> usize {
    const MOST: usize = isize::MAX as usize / size_of::<f64>();
    let too_large = || panic!("the shape {shape:?} is larger than memory");
    // Sizes beside a zero are bounded too: kernels form products of some of them.
    let bound = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size.max(1)));
    bound.filter(|&bound| bound <= MOST).unwrap_or_else(too_large);
    shape.iter().product()
}
