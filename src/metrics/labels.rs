//! What the classes that a classifier sees in samples say.

/// The share of samples whose class, as `found`, is the one that was asked for.
///
/// # Panics
/// Where there are no samples, or not one class found for each asked.
#[track_caller]
pub fn conditional_accuracy(asked: &[u32], found: &[u32]) -> f64 {
    assert!(
        !asked.is_empty() && asked.len() == found.len(),
        "conditional_accuracy: {} classes asked for and {} found",
        asked.len(),
        found.len()
    );
    let right = asked.iter().zip(found).filter(|(asked, found)| asked == found).count();
    right as f64 / asked.len() as f64
}

/// What [`conditional_accuracy`] would be by chance: if the class found were independent of the one asked for, both as frequent as
/// they are. The sum over classes of the share of samples that were asked for it times the share in which it was found.
///
/// # Panics
/// As [`conditional_accuracy`].
#[track_caller]
pub fn conditional_chance(asked: &[u32], found: &[u32]) -> f64 {
    assert!(
        !asked.is_empty() && asked.len() == found.len(),
        "conditional_chance: {} classes asked for and {} found",
        asked.len(),
        found.len()
    );
    let classes = asked.iter().chain(found).max().map_or(0, |&largest| largest as usize + 1);
    class_shares(asked, classes).iter().zip(class_shares(found, classes)).map(|(asked, found)| asked * found).sum()
}

/// The share of the most frequent class among labels: the accuracy of a classifier that always answers with it.
///
/// # Panics
/// Where there are no labels.
#[track_caller]
pub fn largest_share(labels: &[u32]) -> f64 {
    let largest = *labels.iter().max().expect("largest_share: no labels");
    class_shares(labels, largest as usize + 1).into_iter().fold(0.0, f64::max)
}

/// The share of each of `classes` classes among labels; they add up to 1.
///
/// # Panics
/// Where there are no labels, or one is not below `classes`.
#[track_caller]
pub fn class_shares(labels: &[u32], classes: usize) -> Vec<f64> {
    assert!(!labels.is_empty(), "class_shares: no labels");
    let mut counts = vec![0usize; classes];
    for &label in labels {
        assert!((label as usize) < classes, "class_shares: label {label} of {classes} classes");
        counts[label as usize] += 1;
    }
    counts.into_iter().map(|count| count as f64 / labels.len() as f64).collect()
}

/// The total variation distance between two histograms of shares: 0 where they are equal, 1 where no class is in both.
///
/// # Panics
/// Where they differ in classes.
#[track_caller]
pub fn total_variation(first: &[f64], second: &[f64]) -> f64 {
    assert_eq!(first.len(), second.len(), "total_variation: histograms of different classes");
    first.iter().zip(second).map(|(a, b)| (a - b).abs()).sum::<f64>() / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_is_the_share_of_classes_found_as_asked() {
        assert_eq!(conditional_accuracy(&[0, 1, 2, 2], &[0, 1, 1, 2]), 0.75);
    }

    /// Asked for a half, a quarter, a quarter of the samples and found in a quarter, a half, a quarter: 1/8 + 1/8 + 1/16.
    #[test]
    fn chance_is_the_accuracy_where_asking_and_finding_are_independent() {
        assert_eq!(conditional_chance(&[0, 0, 1, 2], &[1, 1, 2, 0]), 0.3125);
        // A judge that sees one class everywhere is right as often as that is asked for, and that is all chance.
        assert_eq!(conditional_chance(&[0, 1, 1, 2], &[1; 4]), conditional_accuracy(&[0, 1, 1, 2], &[1; 4]));
    }

    #[test]
    fn the_largest_class_is_what_a_constant_answer_gets_right() {
        assert_eq!(largest_share(&[3, 1, 3, 0, 3]), 0.6);
        assert_eq!(largest_share(&[5]), 1.0);
    }

    #[test]
    fn a_class_without_samples_has_a_share_of_zero() {
        assert_eq!(class_shares(&[0, 2, 2, 0, 2], 4), [0.4, 0.0, 0.6, 0.0]);
    }

    #[test]
    fn total_variation_is_the_share_that_has_to_change_its_class() {
        assert_eq!(total_variation(&[0.5, 0.5, 0.0], &[0.25, 0.5, 0.25]), 0.25);
        assert_eq!(total_variation(&[1.0, 0.0], &[0.0, 1.0]), 1.0);
        assert_eq!(total_variation(&[0.3, 0.7], &[0.3, 0.7]), 0.0);
    }

    #[test]
    #[should_panic = "label 3 of 3 classes"]
    fn a_label_beyond_the_classes_panics() {
        class_shares(&[0, 3], 3);
    }
}
