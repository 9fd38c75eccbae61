//! Axes for kernels that walk them: as few as the strides allow.

/// How many axes a kernel's parameters hold.
pub const MOST_AXES: usize = 8;

/// An axis of an output, with the stride of each operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis<const OPERANDS: usize> {
    /// The output's size.
    pub size: usize,
    /// Elements of each operand from one index to the next.
    pub strides: [usize; OPERANDS],
}

/// Leaves axes of size 1 out, and merges neighbours that every operand walks as one.
///
/// # Panics
/// Where more than [`MOST_AXES`] remain.
pub fn merge<const OPERANDS: usize>(axes: impl DoubleEndedIterator<Item = Axis<OPERANDS>>) -> Vec<Axis<OPERANDS>> {
    let mut merged: Vec<Axis<OPERANDS>> = Vec::new();
    for axis in axes.rev().filter(|axis| axis.size != 1) {
        match merged.last_mut() {
            Some(inner) if axis.strides == inner.strides.map(|stride| stride * inner.size) => inner.size *= axis.size,
            _ => merged.push(axis),
        }
    }
    merged.reverse();
    assert!(merged.len() <= MOST_AXES, "the gpu takes up to {MOST_AXES} axes that do not merge, not {}", merged.len());
    merged
}

/// One number of each axis, as a kernel's parameters take them.
pub fn words<T>(axes: &[T], number: impl Fn(&T) -> i64) -> [u32; MOST_AXES] {
    let mut words = [1; MOST_AXES];
    words.iter_mut().zip(axes).for_each(|(word, axis)| *word = number(axis) as u32);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(size: usize, a: usize, b: usize) -> Axis<2> {
        Axis { size, strides: [a, b] }
    }

    #[test]
    fn axes_merge_where_both_operands_go_on() {
        assert_eq!(merge([axis(2, 12, 12), axis(3, 4, 4), axis(4, 1, 1)].into_iter()), [axis(24, 1, 1)]);
        assert_eq!(merge([axis(2, 3, 0), axis(3, 1, 1)].into_iter()), [axis(2, 3, 0), axis(3, 1, 1)]);
        assert_eq!(merge([axis(2, 0, 3), axis(1, 9, 9), axis(3, 0, 1)].into_iter()), [axis(6, 0, 1)]);
        assert_eq!(merge([axis(1, 1, 1)].into_iter()), []);
    }
}
