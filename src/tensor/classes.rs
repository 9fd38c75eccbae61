//! Classes as rows of numbers, and back, on the host.

/// Rows with a one at each label, `[labels, classes]`; a missing label is a row of zeros.
///
/// # Panics
/// Where a label is not below `classes`.
#[track_caller]
pub fn one_hot(labels: impl Iterator<Item = Option<u32>>, classes: usize) -> Vec<f32> {
    let mut rows = Vec::new();
    for label in labels {
        let start = rows.len();
        rows.resize(start + classes, 0.0);
        if let Some(label) = label {
            assert!((label as usize) < classes, "one_hot: label {label} of {classes} classes");
            rows[start + label as usize] = 1.0;
        }
    }
    rows
}

/// The first of a row's largest numbers: its most probable class.
///
/// # Panics
/// Where the row is empty.
#[track_caller]
pub fn most_probable(row: &[f32]) -> usize {
    assert!(!row.is_empty(), "most_probable: of no classes");
    (0..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_label_is_a_row_of_zeros() {
        assert_eq!(one_hot([Some(1), None].into_iter(), 3), [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn the_first_of_equal_classes_is_the_most_probable() {
        assert_eq!(most_probable(&[0.25, 0.5, 0.5]), 1);
        assert_eq!(most_probable(&[0.0]), 0);
    }
}
