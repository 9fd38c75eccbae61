//! The classes of a data set: a class is its name.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// The most classes that there can be.
pub(super) const MOST_CLASSES: usize = 1 << 16;

/// The names of a data set's classes, over all of its splits; a label is a place in this list. Without names there are no labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classes(Arc<[String]>);

impl Classes {
    /// Classes of these names, in this order.
    ///
    /// # Panics
    /// Where a name stands twice.
    #[track_caller]
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Classes {
        Classes::distinct(names.into_iter().map(Into::into).collect()).expect("classes of which each has its own name")
    }

    /// Classes of these names, in this order; None where a name stands twice.
    pub fn distinct(names: Vec<String>) -> Option<Classes> {
        let distinct: HashSet<&String> = names.iter().collect();
        (distinct.len() == names.len()).then(|| Classes(names.into()))
    }

    /// The same with other names for some; None where two would have one name.
    pub fn renamed(&self, names: &BTreeMap<String, String>) -> Option<Classes> {
        Classes::distinct(self.0.iter().map(|name| names.get(name).unwrap_or(name).clone()).collect())
    }

    /// Whether they are the same as others, in any order.
    pub fn are_those_of(&self, others: &Classes) -> bool {
        self.len() == others.len() && self.0.iter().all(|name| others.named(name).is_some())
    }

    /// Which of them have names that differ in case alone, in sentences.
    pub fn alike(&self) -> Vec<String> {
        let mut names: Vec<&String> = self.0.iter().collect();
        names.sort();
        let mut spellings: BTreeMap<String, &String> = BTreeMap::new();
        let pairs = names.into_iter().filter_map(|name| Some((spellings.insert(name.to_lowercase(), name)?, name)));
        pairs
            .map(|(other, name)| format!("{other} and {name} are two classes, whose names differ in case alone"))
            .collect()
    }

    /// Classes of these names, in natural order: 2 comes before 10.
    pub fn sorted(names: BTreeSet<String>) -> Classes {
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort_by(|a, b| natural_order(a, b));
        Classes(names.into())
    }

    /// No classes: of images without labels.
    pub fn none() -> Classes {
        Classes::default()
    }

    /// Classes that are called by the numbers of a range, as digits are.
    pub fn numbered(range: std::ops::Range<usize>) -> Classes {
        Classes(range.map(|number| number.to_string()).collect())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, in the order of their labels.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Which of them no label is of, as `class a` or `classes a, b`; None where there are labels of all.
    pub(super) fn lacking(&self, labels: impl IntoIterator<Item = u32>) -> Option<String> {
        let there: HashSet<u32> = labels.into_iter().collect();
        let lacking = self.0.iter().zip(0..).filter(|(_, label)| !there.contains(label));
        let lacking: Vec<&str> = lacking.map(|(name, _)| name.as_str()).collect();
        (!lacking.is_empty()).then(|| counted("class", "classes", &lacking))
    }

    /// The label of a class by its name.
    pub fn named(&self, name: &str) -> Option<u32> {
        self.0.iter().position(|other| other == name).map(|label| label as u32)
    }

    /// The label of a class by its name or, where none is called so, by its number from 0.
    pub fn find(&self, text: &str) -> Option<u32> {
        let number = || text.parse().ok().filter(|&label: &u32| (label as usize) < self.len());
        self.named(text).or_else(number)
    }
}

/// `class a`, `classes a, b`; of many the first few.
pub(super) fn counted(one: &str, several: &str, names: &[&str]) -> String {
    const SHOWN: usize = 10;
    match names {
        [name] => format!("{one} {name}"),
        names if names.len() <= SHOWN => format!("{several} {}", names.join(", ")),
        names => format!("{several} {} and {} more", names[..SHOWN].join(", "), names.len() - SHOWN),
    }
}

impl std::fmt::Display for Classes {
    /// The names with commas between them; of many the first few and how many more.
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        const SHOWN: usize = 20;
        match self.0.get(..SHOWN) {
            Some(first) if self.len() > SHOWN => write!(f, "{} and {} more", first.join(", "), self.len() - SHOWN),
            _ => f.write_str(&self.0.join(", ")),
        }
    }
}

/// Names as people order them: digits that stand together count as a number, so that 2 comes before 10.
pub(super) fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    loop {
        let ([first, ..], [second, ..]) = (left, right) else {
            // Equal but for zeros in front of a number: by bytes, so that the order is total.
            return left.len().cmp(&right.len()).then_with(|| a.cmp(b));
        };
        if first.is_ascii_digit() && second.is_ascii_digit() {
            let (one, other) = (number(&mut left), number(&mut right));
            match one.len().cmp(&other.len()).then_with(|| one.cmp(other)) {
                Ordering::Equal => continue,
                unequal => return unequal,
            }
        }
        match first.cmp(second) {
            Ordering::Equal => (left, right) = (&left[1..], &right[1..]),
            unequal => return unequal,
        }
    }
}

/// Takes a number off the front, without the zeros before it.
fn number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    *text = rest;
    let zeros = number.iter().take_while(|&&byte| byte == b'0').count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_comes_before_ten() {
        let mut names = ["10", "b2", "2", "b10", "a", "1", "b2c", "02", "", "b"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["", "1", "02", "2", "10", "a", "b", "b2", "b2c", "b10"]);
    }

    #[test]
    fn a_class_is_found_by_name_and_else_by_number() {
        let letters = Classes::new(["1", "2", "b"]);
        assert_eq!(
            ["1", "2", "b", "0", "3", "c"].map(|text| letters.find(text)),
            [Some(0), Some(1), Some(2), Some(0), None, None]
        );
    }

    proptest! {
        #[test]
        fn natural_order_is_total(names in prop::collection::vec("[0-2a-b]{0,4}", 3)) {
            let [a, b, c] = [&names[0], &names[1], &names[2]];
            prop_assert_eq!(natural_order(a, b), natural_order(b, a).reverse());
            prop_assert_eq!(natural_order(a, b) == Ordering::Equal, a == b);
            if natural_order(a, b).is_le() && natural_order(b, c).is_le() {
                prop_assert!(natural_order(a, c).is_le());
            }
        }
    }
}
