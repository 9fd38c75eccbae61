//! What a classifier finds images of each class to be.

use serde::{Deserialize, Serialize};

/// Counts of images by their class and the class that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Confusion {
    /// A row a true class, a column a found one.
    counts: Vec<Vec<usize>>,
}

impl Confusion {
    /// Of images with these labels of `classes` classes, found to be of others.
    ///
    /// # Panics
    /// Where there is not one class found for each label, or a class is not below `classes`.
    #[track_caller]
    pub fn of(classes: usize, labels: &[u32], found: &[u32]) -> Confusion {
        assert_eq!(labels.len(), found.len(), "Confusion::of: one class found for each label");
        let mut counts = vec![vec![0; classes]; classes];
        for (&label, &found) in labels.iter().zip(found) {
            counts[label as usize][found as usize] += 1;
        }
        Confusion { counts }
    }

    /// The counts, a row a true class and a column a found one.
    pub fn counts(&self) -> &[Vec<usize>] {
        &self.counts
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.counts.iter().flatten().sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The share of images that are found to be of their class; 0 of none.
    pub fn accuracy(&self) -> f64 {
        let right: usize = self.counts.iter().enumerate().map(|(class, row)| row[class]).sum();
        right as f64 / self.len().max(1) as f64
    }

    /// The share of each class's images that are found to be of it (its recall); None of a class without images.
    pub fn recalls(&self) -> Vec<Option<f64>> {
        let recall = |(class, row): (usize, &Vec<usize>)| {
            let count: usize = row.iter().sum();
            (count > 0).then(|| row[class] as f64 / count as f64)
        };
        self.counts.iter().enumerate().map(recall).collect()
    }

    /// The mean of the recalls: each class counts alike, however many images it has; 0 of none.
    pub fn balanced_accuracy(&self) -> f64 {
        let recalls: Vec<f64> = self.recalls().into_iter().flatten().collect();
        recalls.iter().sum::<f64>() / recalls.len().max(1) as f64
    }

    /// The variance that which images there are gives the logarithm of the share of errors (of its mean over classes where `balanced`): by
    /// the delta method that of a binomial share, of which half an image counts as wrong and half as right, so that few images leave much open
    /// whatever is found of them.
    pub fn sampling_variance(&self, balanced: bool) -> f64 {
        let of_class = self.counts.iter().enumerate().map(|(class, row)| (row.iter().sum::<usize>(), row[class]));
        let parts: Vec<(usize, usize)> = match balanced {
            true => of_class.filter(|(all, _)| *all > 0).collect(),
            false => vec![of_class.fold((0, 0), |(all, right), (more, hit)| (all + more, right + hit))],
        };
        let (mut wrong, mut variance) = (0.0, 0.0);
        for (all, right) in parts {
            let share = ((all - right) as f64 + 0.5) / (all + 1) as f64;
            wrong += share;
            variance += share * (1.0 - share) / all.max(1) as f64;
        }
        variance / (wrong * wrong)
    }

    /// The share of the largest class: the accuracy of a classifier that always answers with it; 0 of none.
    pub fn largest_share(&self) -> f64 {
        let largest = self.counts.iter().map(|row| row.iter().sum::<usize>()).max();
        largest.unwrap_or(0) as f64 / self.len().max(1) as f64
    }

    /// Whether some class has more than one and a half times as many images as another: accuracy then says little of the rare ones.
    pub fn is_uneven(&self) -> bool {
        let sums = self.counts.iter().map(|row| row.iter().sum::<usize>()).filter(|&count| count > 0);
        let (least, most) = (sums.clone().min().unwrap_or(0), sums.max().unwrap_or(0));
        2 * most > 3 * least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_classes_count_as_much_as_others_in_balanced_accuracy() {
        // Of class 0 three of four are right, of class 1 neither; there is none of class 2.
        let confusion = Confusion::of(3, &[0, 0, 0, 0, 1, 1], &[0, 0, 0, 2, 0, 2]);
        assert_eq!(confusion.counts(), [[3, 0, 1], [1, 0, 1], [0, 0, 0]]);
        assert_eq!((confusion.len(), confusion.accuracy()), (6, 0.5));
        assert_eq!(confusion.recalls(), [Some(0.75), Some(0.0), None]);
        assert_eq!(confusion.balanced_accuracy(), 0.375);
        assert_eq!(confusion.largest_share(), 4.0 / 6.0);
        assert!(confusion.is_uneven());
        // One of two wrong: shares of one half, of variance 1/8, over 1/4; of no error among two a sixth, 5/72 over 1/36.
        let of_two = |found: &[u32]| Confusion::of(2, &[0, 0], found).sampling_variance(false);
        assert!((of_two(&[0, 1]) - 0.5).abs() < 1e-12 && (of_two(&[0, 0]) - 2.5).abs() < 1e-12);
        let balanced = Confusion::of(2, &[0, 0, 1, 1], &[0, 1, 1, 1]).sampling_variance(true);
        assert!((balanced - (0.125 + 5.0 / 72.0) / (0.5f64 + 1.0 / 6.0).powi(2)).abs() < 1e-12, "{balanced}");
        assert!(!Confusion::of(2, &[0, 0, 0, 1, 1], &[0, 0, 0, 1, 1]).is_uneven());
        let none = Confusion::of(2, &[], &[]);
        assert!(none.is_empty() && none.accuracy() == 0.0 && none.balanced_accuracy() == 0.0);
    }
}
