//! The most that a card does: multiply-adds in registers, and copies.

use super::buffer::Buffer;
use super::commands::Commands;
use super::elementwise::THREADS;
use super::shader::Kernel;

/// Workgroups: some dozens a core of the largest cards.
const GROUPS: usize = 4096;
/// Multiply-adds of a thread in a round, as the shader has them: eight times four chains of four lanes.
const ADDS: usize = 8 * 4 * 4;

/// `rounds` rounds of multiply-adds in registers; gives their floating-point operations.
pub fn multiply_adds(commands: &dyn Commands, rounds: usize) -> f64 {
    // No compiler can know them.
    const FACTOR: f32 = 0.999_9;
    const ADDEND: f32 = 1e-4;
    let out = commands.buffer(GROUPS * THREADS);
    let parameters = [FACTOR.to_bits(), ADDEND.to_bits(), rounds as u32];
    commands.dispatch(&Kernel::new("multiply_adds"), &parameters, &[], &[&out], GROUPS);
    2.0 * (GROUPS * THREADS) as f64 * (rounds * ADDS) as f64
}

/// The elements of x again.
pub fn copy(commands: &dyn Commands, x: &Buffer) -> Buffer {
    let out = commands.buffer(x.len());
    commands.dispatch(&Kernel::new("copy"), &[x.words() as u32], &[x], &[&out], x.words().div_ceil(THREADS));
    out
}
