//! Finds, on the adapter itself, the tile of each shape of product that came by: by its own clock, and only among choices that give the
//! same bits.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::RngExt;

use super::buffer::Buffer;
use super::commands::Commands;
use super::product::product;
use super::shape::Shape;
use super::tile::{Choice, TILES, Tile};
use super::tuning::{Tuning, key};
use crate::backend::{Activation, Tuned};
use crate::error::Result;
use crate::random::{Purpose, generator};

/// How much more than the usual tile's a tile may cover.
const MOST_WASTE: f64 = 1.3;
/// Columns from which on a product is broad.
const BROAD: usize = 64;
/// How long one timing is to last, and how many products it holds at most.
const TIMING: Duration = Duration::from_micros(1500);
const MOST_PRODUCTS: usize = 40;
/// How often the choices are timed, one after the other; the shortest time of each counts.
const ROUNDS: usize = 4;
/// How long the card works before it is timed.
const WARM_UP: Duration = Duration::from_millis(1500);
/// The share of the usual choice's time that another must save.
const GAIN: f64 = 0.03;

/// Measures the choices for every shape that came by without one, or for all, the largest first, for at most about `limit`; takes the
/// fastest from now on. Nothing where the adapter has no clock.
///
/// # Errors
/// The device's first failure.
pub fn tune(commands: &dyn Commands, tuning: &Mutex<Tuning>, limit: Duration, all: bool) -> Result<Vec<Tuned>> {
    let start = Instant::now();
    let tuning = || tuning.lock().unwrap_or_else(PoisonError::into_inner);
    let waiting = tuning().shapes(all);
    let most = |index: usize| waiting.iter().map(|(_, operands)| operands[index]).max().unwrap_or(0);
    let operands = [random(commands, most(0), 0), random(commands, most(1), 1)];
    let run = |shape: &Shape, choice: Choice| {
        tuning().tried = Some(choice);
        product(commands, shape, [&operands[0], &operands[1]], Activation::Identity)
    };
    let measured = measured(commands, &waiting, run, start + limit);
    tuning().tried = None;
    drop(operands);
    // Nothing else takes memory of these sizes.
    commands.release_idle();
    let measured = measured?;
    for Measured { shape, times, .. } in &measured {
        tuning().choose(shape, best(times).0);
    }
    Ok(measured.into_iter().map(Measured::told).collect())
}

/// A shape with the choices that give its bits, each with its least time; and those that give others.
struct Measured {
    shape: Shape,
    times: Vec<(Choice, Duration)>,
    other_bits: Vec<Choice>,
}

impl Measured {
    fn told(self) -> Tuned {
        Tuned {
            shape: key(&self.shape),
            work: self.shape.work(),
            taken: best(&self.times).0.to_string(),
            times: self.times.iter().map(|(choice, time)| (choice.to_string(), *time)).collect(),
            other_bits: self.other_bits.iter().map(Choice::to_string).collect(),
        }
    }
}

/// First what the choices give, which the host compares; then their times, of which the card hears one after the other without a pause: one
/// that has waited for the host runs at a fraction of its speed for a second.
fn measured(
    commands: &dyn Commands,
    waiting: &[(Shape, [usize; 2])],
    run: impl Fn(&Shape, Choice) -> Buffer,
    until: Instant,
) -> Result<Vec<Measured>> {
    let mut all = Vec::new();
    for (shape, _) in waiting {
        if Instant::now() >= until && !all.is_empty() {
            break;
        }
        let (mut times, mut other_bits) = (Vec::new(), Vec::new());
        let mut bits: Option<Vec<f32>> = None;
        for choice in candidates(shape, usual(commands, shape)) {
            let result = commands.download(&[&run(shape, choice)])?.remove(0);
            let expected = bits.get_or_insert_with(|| result.clone());
            match expected.iter().zip(&result).all(|(a, b)| a.to_bits() == b.to_bits()) {
                true => times.push((choice, Duration::MAX)),
                false => other_bits.push(choice),
            }
        }
        all.push(Measured { shape: *shape, times, other_bits });
    }
    let timed = |shape: &Shape, choice: Choice, products: usize| -> Result<Option<Duration>> {
        let mut work = || (0..products).for_each(|_| drop(run(shape, choice)));
        Ok(commands.timed(&mut work)?.map(|time| time / products as u32))
    };
    let fitting =
        |time: Duration| ((TIMING.as_secs_f64() / time.as_secs_f64().max(1e-9)) as usize).clamp(1, MOST_PRODUCTS);
    // Until the clock rises no more, or it is as if it never will.
    if let Some(Measured { shape, .. }) = all.first() {
        let (mut products, start) = (1, Instant::now());
        while start.elapsed() < WARM_UP {
            let Some(time) = timed(shape, usual(commands, shape), products)? else { return Ok(Vec::new()) };
            products = fitting(time);
        }
    }
    for Measured { shape, times, .. } in &mut all {
        let mut products = 1;
        for _ in 0..2 {
            products = timed(shape, usual(commands, shape), products)?.map_or(1, fitting);
        }
        for _ in 0..ROUNDS {
            for (choice, least) in times.iter_mut() {
                *least = timed(shape, *choice, products)?.unwrap_or(Duration::MAX).min(*least);
            }
        }
    }
    Ok(all)
}

fn usual(commands: &dyn Commands, shape: &Shape) -> Choice {
    Choice { tile: shape.usual(), prefetch: commands.taste().prefetch }
}

/// The fastest of some choices, the usual one first, which another must beat by a little.
fn best(times: &[(Choice, Duration)]) -> (Choice, Duration) {
    let limit = times[0].1.as_secs_f64() * (1.0 - GAIN);
    let others = times[1..].iter().filter(|(_, time)| time.as_secs_f64() < limit);
    *others.min_by_key(|(_, time)| *time).unwrap_or(&times[0])
}

/// Random elements in [-1, 1).
fn random(commands: &dyn Commands, length: usize, index: u64) -> Buffer {
    let mut random = generator(0, Purpose::Synthetic, 2, index);
    let values: Vec<f32> = (0..length).map(|_| random.random_range(-1.0..1.0)).collect();
    let buffer = commands.buffer(length);
    commands.upload(bytemuck::cast_slice(&values), &buffer);
    buffer
}

/// Choices that may be best, the usual one first.
fn candidates(shape: &Shape, usual: Choice) -> Vec<Choice> {
    let most = shape.covered(&usual.tile) as f64 * MOST_WASTE;
    // Tiles much longer than broad are for few columns.
    let suits = |tile: &Tile| shape.columns < BROAD || tile.rows <= 2 * tile.columns;
    let tiles = TILES.into_iter().filter(|tile| shape.covered(tile) as f64 <= most && suits(tile));
    let all = tiles.flat_map(|tile| [true, false].map(|prefetch| Choice { tile, prefetch }));
    std::iter::once(usual).chain(all.filter(|choice| *choice != usual)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::adapter::{Choice as Which, choose};
    use super::super::convolution::convolution;
    use super::super::engine::Engine;
    use super::super::matmul::matmul;
    use super::super::tile::Taste;
    use super::*;
    use crate::backend::{Geometry, MatMul, Role};

    type Multiplied = Box<dyn Fn(&Engine) -> Buffer>;

    fn engine() -> Option<Engine> {
        match choose(&Which::Best) {
            Ok(adapter) => Some(Engine::new(adapter, "gpu".to_string()).unwrap()),
            Err(error) => {
                println!("skipped: {error}");
                None
            }
        }
    }

    fn operand(engine: &Engine, length: usize, phase: f32) -> Buffer {
        let values: Vec<f32> = (0..length).map(|index| (index as f32 * 0.37 + phase).sin()).collect();
        let buffer = engine.buffer(length);
        engine.upload(bytemuck::cast_slice(&values), &buffer);
        buffer
    }

    /// Every choice gives a product the bits of the kernel for all sizes. Shaders take a driver in software long to compile, so that kinds of
    /// products are tests of their own, which run beside one another.
    fn every_choice_gives_the_same_bits(products: &[Multiplied]) {
        let Some(mut engine) = engine() else { return };
        let own = Taste { fixed_from: 0, ..Taste::SOFTWARE };
        for (number, product) in products.iter().enumerate() {
            engine.taste = Taste { fixed_from: usize::MAX, ..own };
            let run = |engine: &Engine| engine.download(&[&product(engine)]).unwrap().remove(0);
            let expected = run(&engine);
            assert!(expected.iter().all(|value| value.is_finite()) && expected.iter().any(|&value| value != 0.0));
            // Written out, loops take a driver in software long to compile.
            let written_out = [TILES[0], TILES[5]].map(|tile| (tile, false, true));
            for (tile, prefetch, unrolled) in TILES.map(|tile| (tile, true, false)).into_iter().chain(written_out) {
                engine.taste = Taste { unrolled, ..own };
                let choice = Choice { tile, prefetch };
                engine.tuning.get_mut().unwrap().tried = Some(choice);
                let same = run(&engine).iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "product {number}, {choice}, loops written out: {unrolled}");
            }
        }
    }

    #[test]
    fn every_choice_for_matrices_gives_the_bits_of_the_kernel_for_all_sizes() {
        let product = |(transpose_a, transpose_b, columns)| -> Multiplied {
            let sizes = MatMul { batch: 1, rows: 70, inner: 530, columns, transpose_a, transpose_b };
            Box::new(move |engine| {
                let (a, b) = (operand(engine, 70 * 530, 0.1), operand(engine, 530 * columns, 0.2));
                matmul(engine, &a, &b, &sizes, Activation::Tanh)
            })
        };
        every_choice_gives_the_same_bits(&[(false, false, 68), (true, false, 67), (false, true, 130)].map(product));
    }

    /// The products of a convolution's three roles.
    fn convolutions(batch: usize, fine: [usize; 2], channels: [usize; 2], filter: [usize; 3]) -> [Multiplied; 3] {
        let [kernel, stride, padding] = filter.map(|size| [size; 2]);
        let g = Geometry::of_fine(batch, fine, channels, kernel, stride, padding).unwrap();
        [Role::Coarse, Role::Fine, Role::Filter].map(|role| -> Multiplied {
            let [a, b] = g.operands(role).map(|shape| shape.iter().product());
            Box::new(move |engine| {
                let (a, b) = (operand(engine, a, 0.3), operand(engine, b, 0.4));
                convolution(engine, role, &g, &a, &b, Activation::Identity)
            })
        })
    }

    #[test]
    fn every_choice_for_convolutions_of_whole_tiles_and_steps_within_a_tap_gives_those_bits() {
        every_choice_gives_the_same_bits(&convolutions(8, [16, 16], [16, 64], [4, 2, 1]));
    }

    #[test]
    fn every_choice_for_convolutions_of_odd_channels_and_phases_of_unequal_size_gives_those_bits() {
        every_choice_gives_the_same_bits(&convolutions(3, [9, 7], [5, 66], [3, 2, 1]));
    }

    #[test]
    fn shapes_that_came_by_are_measured_once_and_computed_so_from_then_on() {
        let Some(mut engine) = engine() else { return };
        engine.taste = Taste { fixed_from: 0, ..Taste::SOFTWARE };
        let sizes = MatMul { batch: 1, rows: 64, inner: 64, columns: 64, transpose_a: false, transpose_b: false };
        let (a, b) = (operand(&engine, 64 * 64, 0.1), operand(&engine, 64 * 64, 0.2));
        let run = || engine.download(&[&matmul(&engine, &a, &b, &sizes, Activation::Identity)]).unwrap().remove(0);
        let before = run();
        let tuned = tune(&engine, &engine.tuning, Duration::from_secs(60), false).unwrap();
        let [found] = &tuned[..] else { panic!("{} shapes", tuned.len()) };
        assert!(found.other_bits.is_empty() && found.times.len() > 2, "{found:?}");
        let best = found.times.iter().map(|(_, time)| *time).min().unwrap();
        assert!(found.gain()[1] <= found.gain()[0] && best > Duration::ZERO, "{found:?}");
        assert_eq!(run(), before);
        let again = |all| tune(&engine, &engine.tuning, Duration::from_secs(60), all).unwrap().len();
        assert_eq!((again(false), again(true)), (0, 1));
    }
}
