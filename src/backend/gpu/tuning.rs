//! What was found best for the shapes of products on one adapter, and which shapes came by.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::shape::{Shape, geometry_words};
use super::tile::Choice;

/// Choices by shape.
#[derive(Default)]
pub struct Tuning {
    /// By [`key`].
    kept: BTreeMap<String, Choice>,
    /// Shapes that came by, with the elements of their operands, and what was chosen for them.
    came: HashMap<Shape, ([usize; 2], Option<Choice>)>,
    /// What every shape takes while it is measured.
    pub(super) tried: Option<Choice>,
}

impl Tuning {
    /// What was found best for a shape, if anything was. It is noted that it came by.
    pub fn choice(&mut self, shape: &Shape, operands: [usize; 2]) -> Option<Choice> {
        if self.tried.is_some() {
            return self.tried;
        }
        if let Some(&(_, choice)) = self.came.get(shape) {
            return choice;
        }
        let choice = self.kept.get(&key(shape)).copied();
        self.came.insert(*shape, (operands, choice));
        choice
    }

    /// Shapes that came by, those with the most work first: those without a choice, or all.
    pub fn shapes(&self, all: bool) -> Vec<(Shape, [usize; 2])> {
        let wanted = self.came.iter().filter(|(_, (_, choice))| all || choice.is_none());
        let mut shapes: Vec<_> = wanted.map(|(shape, (operands, _))| (*shape, *operands)).collect();
        shapes.sort_by_cached_key(|(shape, _)| (Reverse(shape.work()), key(shape)));
        shapes
    }

    /// Chooses for a shape that came by from now on.
    pub fn choose(&mut self, shape: &Shape, choice: Choice) {
        self.kept.insert(key(shape), choice);
        if let Some((_, chosen)) = self.came.get_mut(shape) {
            *chosen = Some(choice);
        }
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
    fn kept_choices_are_found_by_name_and_shapes_are_listed_by_their_work() {
        let mut tuning = Tuning::default();
        for rows in [64, 128, 64] {
            assert_eq!(tuning.choice(&shape(rows), [1, 1]), None);
        }
        let rows = |tuning: &Tuning, all| tuning.shapes(all).iter().map(|(shape, _)| shape.rows).collect::<Vec<_>>();
        assert_eq!(rows(&tuning, false), [128, 64]);
        let choice = Choice { tile: TILES[4], prefetch: false };
        tuning.choose(&shape(64), choice);
        assert_eq!((rows(&tuning, false), rows(&tuning, true)), (vec![128], vec![128, 64]));
        let mut other = Tuning::default();
        other.extend(tuning.kept().clone());
        for tuning in [&mut tuning, &mut other] {
            assert_eq!(tuning.choice(&shape(64), [1, 1]), Some(choice));
            assert_eq!(tuning.choice(&shape(128), [1, 1]), None);
        }
        assert_eq!(other.shapes(false), [(shape(128), [1, 1])]);
    }
}
