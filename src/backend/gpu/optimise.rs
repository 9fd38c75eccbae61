//! Updates of parameters in place, several a dispatch: most are small, and a dispatch costs more than they do.

use super::buffer::Buffer;
use super::commands::Commands;
use super::elementwise::THREADS;
use super::shader::Kernel;
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

/// The kernel for one or two parameters; for one whose gradient comes in two summands. It finds its slot by its workgroup.
pub fn adam_kernel(slots: usize, summed: bool) -> Kernel {
    let written: Vec<String> = (0..slots).flat_map(|slot| STATE.map(|name| format!("{name}{slot}"))).collect();
    let gradients = (0..slots).map(|slot| format!("gradient{slot}"));
    let read: Vec<String> = gradients.chain(summed.then(|| "also0".to_string())).collect();
    let mut text = storages(&read, &written) + "fn update(group: u32, lane: u32) {\n";
    for slot in 0..slots {
        // Behind the last workgroup of one lies the first of the next.
        let last = if slot + 1 < slots {
            format!("group < parameters.slots[{}].first_group", slot + 1)
        } else {
            "true".to_string()
        };
        let [weight, first, second] = STATE.map(|name| format!("{name}{slot}[i]"));
        let gradient = format!("gradient{slot}[i]{}", if summed { " + also0[i]" } else { "" });
        text += &format!(
            "let slot{slot} = parameters.slots[{slot}];\n\
            if group >= slot{slot}.first_group && {last} {{\n\
            let i = (group - slot{slot}.first_group) * 256u + lane;\n\
            if i < slot{slot}.words {{\n\
            let state = updated(slot{slot}, State({weight}, {first}, {second}), {gradient});\n\
            {weight} = state.weight; {first} = state.first; {second} = state.second;\n}}\n}}\n"
        );
    }
    Kernel::new("adam").constant("SLOTS", slots).flag("SUMMED", summed).written(text + "}\n")
}

/// What Adam keeps of a parameter.
const STATE: [&str; 3] = ["weight", "first", "second"];

/// Declares storages of words of four by their names, first those that are read.
fn storages(read: &[String], written: &[String]) -> String {
    let all = read.iter().map(|name| (name, "read")).chain(written.iter().map(|name| (name, "read_write")));
    all.zip(1..)
        .map(|((name, access), binding)| {
            format!("@group(0) @binding({binding}) var<storage, {access}> {name}: array<vec4<f32>>;\n")
        })
        .collect()
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

/// The kernel for one to four targets. It finds its target by its workgroup.
pub fn lerp_kernel(slots: usize) -> Kernel {
    let named = |name: &str| -> Vec<String> { (0..slots).map(|slot| format!("{name}{slot}")).collect() };
    let mut text = storages(&named("source"), &named("moving")) + "fn update(group: u32, lane: u32) {\n";
    for slot in 0..slots {
        let first = if slot == 0 { "0u".to_string() } else { format!("parameters.ends[{}]", slot - 1) };
        text += &format!(
            "if group >= {first} && group < parameters.ends[{slot}] {{\n\
            let i = (group - {first}) * 256u + lane;\n\
            if i < parameters.words[{slot}] {{ moving{slot}[i] = moved(moving{slot}[i], source{slot}[i]); }}\n}}\n"
        );
    }
    Kernel::new("lerp_some").constant("SLOTS", slots).written(text + "}\n")
}
