//! Finds, on the adapter itself, the tile of each shape of product that came by: by its own clock, and only among choices that give the
//! same bits.

use std::time::{Duration, Instant};

use rand::RngExt;

use super::buffer::Buffer;
use super::commands::Commands;
use super::engine::Engine;
use super::product::{Shape, product};
use super::tile::{Choice, TILES};
use super::tuning::key;
use crate::backend::{Activation, Tuned};
use crate::error::Result;
use crate::random::{Purpose, generator};

/// How much more than the usual tile's a tile may cover.
const MOST_WASTE: f64 = 1.3;
/// How long one timing is to last, and how many products it holds at most.
const TIMING: Duration = Duration::from_micros(1500);
const MOST_PRODUCTS: usize = 40;
/// Timings of a choice; the shortest counts.
const TIMINGS: usize = 3;
/// The share of the usual choice's time that another must save.
const GAIN: f64 = 0.03;

/// Measures the choices for every shape that came by without one, the largest first, for at most about `limit`; takes the fastest from
/// now on. Nothing where the adapter has no clock.
///
/// # Errors
/// The device's first failure.
pub fn tune(engine: &Engine, limit: Duration) -> Result<Vec<Tuned>> {
    let start = Instant::now();
    let waiting = engine.tuning().take_waiting();
    let mut tuned = Vec::new();
    for (index, (shape, operands)) in waiting.iter().enumerate() {
        let found = measured(engine, shape, *operands);
        engine.tuning().tried = None;
        match found? {
            Some((found, choice)) => {
                engine.tuning().choose(shape, choice);
                tuned.push(found);
            }
            None => break,
        }
        if start.elapsed() >= limit && index + 1 < waiting.len() {
            break;
        }
    }
    Ok(tuned)
}

fn measured(engine: &Engine, shape: &Shape, operands: [usize; 2]) -> Result<Option<(Tuned, Choice)>> {
    let mut random = generator(0, Purpose::Synthetic, 2, 0);
    let operand = |length: usize| {
        let values: Vec<f32> = (0..length).map(|_| random.random_range(-1.0..1.0)).collect();
        let buffer = engine.buffer(length);
        engine.upload(bytemuck::cast_slice(&values), &buffer);
        buffer
    };
    let operands = operands.map(operand);
    let both: [&Buffer; 2] = [&operands[0], &operands[1]];
    let run = || product(engine, shape, both, Activation::Identity);
    let usual = Choice { tile: shape.usual(), prefetch: engine.taste().prefetch };
    let mut bits: Option<Vec<f32>> = None;
    let mut tuned = Tuned { shape: key(shape), work: shape.work(), ..Tuned::default() };
    let mut best: Option<(Choice, Duration)> = None;
    for choice in candidates(shape, usual) {
        engine.tuning().tried = Some(choice);
        let result = engine.download(&[&run()])?.remove(0);
        let expected = bits.get_or_insert_with(|| result.clone());
        if !expected.iter().zip(&result).all(|(a, b)| a.to_bits() == b.to_bits()) {
            tuned.other_bits.push(choice.to_string());
            continue;
        }
        let mut time = Duration::MAX;
        let mut products = 1;
        for _ in 0..=TIMINGS {
            let timed = engine.timed(|| (0..products).for_each(|_| drop(run())))?;
            let Some(timed) = timed else { return Ok(None) };
            let each = timed / products as u32;
            // The first timing says how many products fill one.
            if products > 1 || timed >= TIMING {
                time = time.min(each);
            }
            let wanted = TIMING.as_secs_f64() / each.as_secs_f64().max(1e-9);
            products = (wanted as usize).clamp(2, MOST_PRODUCTS);
        }
        tuned.times.push((choice.to_string(), time));
        let better = best.is_none_or(|(_, least)| time.as_secs_f64() < least.as_secs_f64() * (1.0 - GAIN));
        if better {
            best = Some((choice, time));
        }
    }
    let (choice, _) = best.expect("the usual choice gives its own bits");
    tuned.taken = choice.to_string();
    Ok(Some((tuned, choice)))
}

/// Choices that may be best, the usual one first.
fn candidates(shape: &Shape, usual: Choice) -> Vec<Choice> {
    let most = shape.covered(&usual.tile) as f64 * MOST_WASTE;
    let tiles = TILES.into_iter().filter(|tile| shape.covered(tile) as f64 <= most);
    let all = tiles.flat_map(|tile| [true, false].map(|prefetch| Choice { tile, prefetch }));
    std::iter::once(usual).chain(all.filter(|choice| *choice != usual)).collect()
}
