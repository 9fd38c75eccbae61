//! What was found best for the shapes of products on one adapter, and which shapes came by.

use std::collections::{BTreeMap, HashMap};
use std::sync::MutexGuard;

use super::commands::Commands;
use super::shape::{Shape, geometry_words};
use super::tile::Choice;

/// Choices by shape.
#[derive(Default)]
pub struct Tuning {
    /// By [`key`].
    kept: BTreeMap<String, Choice>,
    chosen: HashMap<Shape, Choice>,
    /// Shapes without a choice that came by, with the elements of their operands, in the order in which they came.
    waiting: Vec<(Shape, [usize; 2])>,
    /// What every shape takes while it is measured.
    pub(super) tried: Option<Choice>,
}

impl Tuning {
    /// What was found best for a shape, if anything was: else it is noted.
    pub fn choice(&mut self, shape: &Shape, operands: [usize; 2]) -> Option<Choice> {
        if self.tried.is_some() {
            return self.tried;
        }
        if let Some(&choice) = self.chosen.get(shape) {
            return Some(choice);
        }
        if let Some(&choice) = self.kept.get(&key(shape)) {
            self.chosen.insert(*shape, choice);
            return Some(choice);
        }
        if !self.waiting.iter().any(|(waiting, _)| waiting == shape) {
            self.waiting.push((*shape, operands));
        }
        None
    }

    /// Shapes that came by without a choice, those with the most work first.
    pub fn take_waiting(&mut self) -> Vec<(Shape, [usize; 2])> {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by_key(|(shape, _)| std::cmp::Reverse(shape.work()));
        waiting
    }

    /// Chooses for a shape from now on.
    pub fn choose(&mut self, shape: &Shape, choice: Choice) {
        self.kept.insert(key(shape), choice);
        self.chosen.insert(*shape, choice);
    }

    /// All choices, by [`key`].
    #[cfg(any(test, feature = "gan"))]
    pub fn kept(&self) -> &BTreeMap<String, Choice> {
        &self.kept
    }

    /// Takes choices that were kept, by [`key`].
    #[cfg(any(test, feature = "gan"))]
    pub fn extend(&mut self, kept: impl IntoIterator<Item = (String, Choice)>) {
        self.kept.extend(kept);
    }
}

/// Whoever computes products by choices.
pub trait Tunes: Commands + Sized {
    /// What was found best for shapes, and which came by.
    fn tuning(&self) -> MutexGuard<'_, Tuning>;
}

/// What names a shape in a file: its kernel with the forms of its operands, its sizes, and those of a convolution.
pub fn key(shape: &Shape) -> String {
    let form = |along: bool| if along { "along" } else { "across" };
    let Shape { kernel, a, b, rows, columns, depth, parts, .. } = shape;
    let mut key = format!("{kernel} {} {} {rows}x{columns}x{depth} x{parts}", form(a.along_depth), form(b.along_depth));
    if shape.geometry.is_some() {
        let words = geometry_words(shape.geometry.as_ref()).map(|word| word.to_string());
        key = format!("{key}, {}", words.join(" "));
    }
    key
}

#[cfg(test)]
mod tests {
    use super::super::shape::Layout;
    use super::super::tile::TILES;
    use super::*;

    fn shape(rows: usize) -> Shape {
        let layout = Layout { along_depth: true, contiguous: 64 };
        Shape {
            kernel: "matmul",
            a: layout,
            b: layout,
            rows,
            columns: 64,
            depth: 64,
            parts: 1,
            size: rows * 64,
            even: true,
            run: 64,
            geometry: None,
        }
    }

    #[test]
    fn kept_choices_are_found_by_name_and_shapes_without_one_wait_by_their_work() {
        let mut tuning = Tuning::default();
        for rows in [64, 128, 64] {
            assert_eq!(tuning.choice(&shape(rows), [1, 1]), None);
        }
        let waiting = tuning.take_waiting();
        assert_eq!(waiting.iter().map(|(shape, _)| shape.rows).collect::<Vec<_>>(), [128, 64]);
        let choice = Choice { tile: TILES[4], prefetch: false };
        tuning.choose(&shape(64), choice);
        let mut other = Tuning::default();
        other.extend(tuning.kept().clone());
        assert_eq!(other.choice(&shape(64), [1, 1]), Some(choice));
        assert_eq!(other.choice(&shape(128), [1, 1]), None);
        assert_eq!(other.take_waiting(), [(shape(128), [1, 1])]);
    }
}
