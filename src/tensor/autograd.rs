//! Reverse-mode differentiation: the walk from a scalar back to the tensors it is asked about.
//!
//! This is the only place that adds cotangents up, and the only one that undoes broadcasting.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::Tensor;
use super::node::{Context, Node};
use crate::backend::{Backend, Device};
use crate::ranks::Ranks;

thread_local! {
    static RECORDING: Cell<bool> = const { Cell::new(true) };
}

/// Whether ops on this thread leave a graph behind.
pub fn is_recording() -> bool {
    RECORDING.get()
}

/// Runs `f` without recording: what it computes is constant to every derivative. This holds on this thread, and, should `f` itself wait for
/// tasks of rayon, for other tasks that this thread takes up meanwhile.
pub fn no_grad<R>(f: impl FnOnce() -> R) -> R {
    recording(false, f)
}

fn recording<R>(on: bool, f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            RECORDING.set(self.0);
        }
    }
    let _restore = Restore(RECORDING.replace(on));
    f()
}

/// Runs kernels of a device: every op and every update goes through here. While a kernel waits for its tasks, rayon may give this thread another
/// task of the pool, anybody's. That one must record, and be of no ranks, as on a thread of its own; kernels look at neither.
pub(crate) fn kernels<R>(device: &Device, run: impl FnOnce(&dyn Backend) -> R) -> R {
    Ranks::default().within(|| recording(true, || run(device.backend())))
}

/// The gradient of the scalar `y` with respect to each of `xs`, in their shapes.
///
/// Consumes `y` and frees its graph on the way, so that the peak of memory is the forward pass's. A clone
/// of `y`, or of a tensor that it was computed from, keeps memory alive and changes nothing else. Only
/// paths that lead to one of `xs` are walked; an `x` that `y` does not depend on gets zeros.
///
/// # Panics
/// Where `y` has more than one element.
#[track_caller]
pub fn grad(y: Tensor, xs: &[&Tensor]) -> Vec<Tensor> {
    no_grad(|| walk(y, xs))
}

/// As [`grad`], but frees nothing and records itself, so that its result can be differentiated again.
///
/// ```
/// use graft::{Device, Tensor, grad, grad_graph};
///
/// let x = Tensor::from_slice(&Device::reference(), &[2.0], [1]);
/// let slope = grad_graph(&x.powi(3).sum(), &[&x]).remove(0); // 3 x^2
/// let curvature = grad(slope.sum(), &[&x]).remove(0); // 6 x
/// assert_eq!(curvature.item()?, 12.0);
/// # Ok::<(), graft::Error>(())
/// ```
///
/// # Panics
/// Where `y` has more than one element.
#[track_caller]
pub fn grad_graph(y: &Tensor, xs: &[&Tensor]) -> Vec<Tensor> {
    walk(y.clone(), xs)
}

#[track_caller]
fn walk(y: Tensor, xs: &[&Tensor]) -> Vec<Tensor> {
    assert_eq!(y.len(), 1, "grad: of a tensor of shape {:?}, which is not a scalar", y.shape());
    let needed = nodes_between(&y.node, xs);
    let targets: HashMap<u64, &Tensor> = xs.iter().map(|x| (x.node.id, *x)).collect();
    let mut found: HashMap<u64, Tensor> = HashMap::new();
    let mut pending: BTreeMap<u64, (Arc<Node>, Tensor)> = BTreeMap::new();
    let mut at_once = None;
    if needed.contains(&y.node.id) {
        let short = !is_recording() && !targets.contains_key(&y.node.id);
        at_once = Context::of(&y.node).filter(|_| short).and_then(|context| context.gradient());
        let one = match at_once {
            // Nobody reads it.
            Some(_) => y.detach(),
            None => Tensor::ones(&y.device, y.shape()),
        };
        let Tensor { node, .. } = y;
        pending.insert(node.id, (node, one));
    }
    // Ids grow from inputs to outputs, so the largest pending id has received all of its cotangents.
    while let Some((id, (node, cotangent))) = pending.pop_last() {
        if targets.contains_key(&id) {
            found.insert(id, cotangent.clone());
        }
        let Some(context) = Context::of(&node) else { continue };
        let parents = node.origin.as_ref().map_or(&[][..], |origin| &origin.parents);
        let wanted: Vec<bool> = parents.iter().map(|parent| needed.contains(&parent.id)).collect();
        if !wanted.contains(&true) {
            continue;
        }
        let products = at_once.take().unwrap_or_else(|| context.vjp(&cotangent, &wanted));
        drop(cotangent);
        for (index, product) in products.into_iter().enumerate() {
            let Some(product) = product.filter(|_| wanted[index]) else { continue };
            let product = product.sum_to(context.input_shape(index));
            let parent = &parents[index];
            let entry = match pending.remove(&parent.id) {
                None => product,
                Some((_, sum)) => sum + product,
            };
            pending.insert(parent.id, (Arc::clone(parent), entry));
        }
    }
    let zeros = |x: &Tensor| Tensor::zeros(&x.device, x.shape());
    xs.iter().map(|x| found.get(&x.node.id).cloned().unwrap_or_else(|| zeros(x))).collect()
}

/// The ids of all nodes from which one of `xs` can be reached, as far as `y` reaches them.
fn nodes_between(y: &Arc<Node>, xs: &[&Tensor]) -> HashSet<u64> {
    let targets: HashSet<u64> = xs.iter().map(|x| x.node.id).collect();
    let Some(&oldest) = targets.iter().min() else { return HashSet::new() };
    let mut reached: BTreeMap<u64, &Node> = BTreeMap::new();
    let mut stack: Vec<&Node> = vec![y];
    while let Some(node) = stack.pop() {
        if node.id < oldest || reached.insert(node.id, node).is_some() {
            continue;
        }
        stack.extend(node.origin.iter().flat_map(|origin| &origin.parents).map(|parent| &**parent));
    }
    let mut needed = HashSet::new();
    for (id, node) in reached {
        let leads = node.origin.iter().flat_map(|origin| &origin.parents).any(|parent| needed.contains(&parent.id));
        if leads || targets.contains(&id) {
            needed.insert(id);
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::ranks;
    use crate::tensor::{Forward, Keep, Op, Value};

    fn scalar(value: f64) -> Tensor {
        Tensor::from_slice(&Device::reference(), &[value], [1])
    }

    #[test]
    fn cotangents_of_a_tensor_used_twice_add_up() {
        let x = scalar(3.0);
        let y = &x * &x + &x;
        assert_eq!(grad(y, &[&x])[0].item().unwrap(), 7.0);
    }

    #[test]
    fn a_tensor_that_y_does_not_depend_on_has_zero_gradient() {
        let (x, other) = (scalar(3.0), scalar(1.0));
        assert_eq!(grad(&x * &x, &[&other])[0].item().unwrap(), 0.0);
    }

    #[test]
    fn a_clone_held_elsewhere_changes_nothing() {
        let x = scalar(3.0);
        let y = (&x * &x).exp();
        let held = y.clone();
        let first = grad(y, &[&x])[0].item().unwrap();
        assert_eq!(grad(held, &[&x])[0].item().unwrap(), first);
    }

    #[test]
    fn a_chain_of_a_million_ops_is_differentiated_and_freed_without_recursion() {
        let x = scalar(1.0);
        let mut y = x.clone();
        for _ in 0..1_000_000 {
            y = -y;
        }
        assert_eq!(grad(y, &[&x])[0].item().unwrap(), 1.0);
    }

    #[test]
    fn no_grad_records_nothing_and_ends_with_a_panic_inside_too() {
        let x = scalar(3.0);
        let y = no_grad(|| &x * &x);
        assert_eq!(grad(y, &[&x])[0].item().unwrap(), 0.0);
        let _ = std::panic::catch_unwind(|| no_grad(|| panic!("inside")));
        assert!(is_recording());
    }

    /// The identity, whose kernel waits: its thread does what else is to be done in the pool.
    struct Waiting;

    impl Op for Waiting {
        fn name(&self) -> &'static str {
            "waiting"
        }

        fn forward(&self, _backend: &dyn Backend, inputs: &[Value]) -> Forward {
            rayon::yield_now();
            inputs[0].clone().into()
        }

        fn keep(&self) -> Keep {
            Keep::NOTHING
        }

        fn vjp(&self, _context: &Context<'_>, cotangent: &Tensor, _wanted: &[bool]) -> Vec<Option<Tensor>> {
            vec![Some(Tensor::apply(Waiting, &[cotangent]))]
        }
    }

    #[test]
    fn what_a_thread_does_while_a_kernel_waits_is_recorded_and_of_no_ranks() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let (say, said) = std::sync::mpsc::channel();
        pool.install(move || {
            let x = scalar(3.0);
            let y = Tensor::apply(Waiting, &[&x]);
            rayon::spawn(move || {
                let x = scalar(3.0);
                let slope = grad(&x * &x, &[&x])[0].item().unwrap();
                say.send((slope, ranks::shared().is_none(), ranks::current().is_alone())).unwrap();
            });
            ranks::threads(2)[0].sharing(|| {
                assert_eq!(grad(y, &[&x])[0].item().unwrap(), 1.0);
                assert_eq!(said.try_recv(), Ok((6.0, true, true)));
                assert!(is_recording() && ranks::shared().is_some());
            });
        });
    }

    #[test]
    fn grad_frees_the_graph_that_it_walked() {
        let x = scalar(3.0);
        let y = x.exp();
        let middle = Arc::downgrade(&y.node);
        let z = y.exp();
        drop(y);
        grad(z, &[&x]);
        assert!(middle.upgrade().is_none());
    }
}
