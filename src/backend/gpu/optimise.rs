//! Updates of parameters in place, several a dispatch: most are small, and a dispatch costs more than they do.

use super::buffer::Buffer;
use super::commands::Commands;
use super::elementwise::THREADS;
use super::shader::{ADAM_SLOTS, Kernel, LERP_SLOTS};
use crate::backend::AdamStep;

/// A parameter with its moments, its gradient, and what is added to that.
pub struct Slot<'a> {
    /// The learning rate and the constants.
    pub step: AdamStep,
    /// The parameter and both moments, which are written in place.
    pub state: &'a [Buffer; 3],
    /// The gradient.
    pub gradient: &'a Buffer,
    /// Its other summand.
    pub also: Option<&'a Buffer>,
}

/// One update of Adam. Without summands two parameters share a dispatch, which then has WebGPU's eight storages.
pub fn adam(commands: &dyn Commands, slots: &[Slot<'_>]) {
    let (summed, plain): (Vec<_>, Vec<_>) = slots.iter().partition(|slot| slot.also.is_some());
    for slot in summed {
        some(commands, &[slot]);
    }
    for pair in plain.chunks(2) {
        some(commands, pair);
    }
}

fn some(commands: &dyn Commands, slots: &[&Slot<'_>]) {
    let (mut parameters, mut groups) = (Vec::new(), 0);
    let (mut reads, mut writes): (Vec<&Buffer>, Vec<&Buffer>) = (Vec::new(), Vec::new());
    for Slot { step, state, gradient, also } in slots {
        let AdamStep { rate, beta1, beta2, epsilon, correction1, correction2 } = *step;
        let numbers = [rate, beta1, beta2, 1.0 - beta1, 1.0 - beta2, epsilon, correction1, correction2];
        parameters.extend(numbers.map(|number| (number as f32).to_bits()));
        // Each parameter begins with a workgroup of its own.
        parameters.extend([gradient.words() as u32, groups as u32, 0, 0]);
        groups += gradient.words().div_ceil(THREADS);
        reads.extend([*gradient].into_iter().chain(*also));
        writes.extend(*state);
    }
    let summed = slots.iter().any(|slot| slot.also.is_some());
    commands.dispatch(&adam_kernel(slots.len(), summed), &parameters, &reads, &writes, groups);
}

/// The kernel for one or two parameters; for one whose gradient comes in two summands.
pub fn adam_kernel(slots: usize, summed: bool) -> Kernel {
    Kernel::new("adam")
        .constant("SLOTS", slots)
        .flag("SUMMED", summed)
        .with(ADAM_SLOTS[if summed { 2 } else { slots - 1 }])
}

/// Targets that a dispatch moves: two storages each.
const LERPED: usize = 4;

/// Moves each `target + share (source - target)`.
pub fn lerp(commands: &dyn Commands, targets: &[Buffer], sources: &[&Buffer], share: f64) {
    for (targets, sources) in targets.chunks(LERPED).zip(sources.chunks(LERPED)) {
        let mut ends = [0; LERPED];
        let mut groups = 0;
        let mut words = [0; LERPED];
        for (index, target) in targets.iter().enumerate() {
            groups += target.words().div_ceil(THREADS);
            words[index] = target.words() as u32;
            ends[index] = groups as u32;
        }
        let parameters = [&words[..], &ends, &[(share as f32).to_bits()]].concat();
        let writes: Vec<&Buffer> = targets.iter().collect();
        commands.dispatch(&lerp_kernel(targets.len()), &parameters, sources, &writes, groups);
    }
}

/// The kernel for one to four targets.
pub fn lerp_kernel(slots: usize) -> Kernel {
    Kernel::new("lerp_some").constant("SLOTS", slots).with(LERP_SLOTS[slots - 1])
}
