//! Labels for target images that have none: predicted, from a few known ones, or, as an oracle, true; and which of them count.

use sha2::{Digest, Sha256};

use crate::classifier::Predictions;
use crate::data::{Classes, Dataset};
use crate::error::{Error, Result};
use crate::gan::normalised;
use crate::options::Value;

/// How much a cosine counts in the softmax over prototypes (Gidaris & Komodakis 2018 start at 10).
const PROTOTYPE_SCALE: f32 = 10.0;

/// Where labels come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelSource {
    /// The predictor's.
    Pseudo,
    /// True ones of so many images a class; the others' nearness to them.
    FewShot(usize),
    /// True ones of all: an oracle.
    True,
}

impl Value for LabelSource {
    fn read(text: &str) -> Option<LabelSource> {
        match text.split_once(':') {
            None if text == "pseudo" => Some(LabelSource::Pseudo),
            None if text == "true" => Some(LabelSource::True),
            Some(("fewshot", count)) => count.parse().ok().filter(|&count| count > 0).map(LabelSource::FewShot),
            _ => None,
        }
    }

    fn text(&self) -> String {
        match self {
            LabelSource::Pseudo => "pseudo".to_string(),
            LabelSource::FewShot(count) => format!("fewshot:{count}"),
            LabelSource::True => "true".to_string(),
        }
    }
}

impl LabelSource {
    /// Refuses a target that cannot give such labels of the source's classes.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it has no labels of these classes, or too few of one.
    pub fn check(self, target: &Dataset, classes: &Classes) -> Result<()> {
        let shots = match self {
            LabelSource::Pseudo => return Ok(()),
            LabelSource::FewShot(shots) => shots,
            LabelSource::True => 0,
        };
        let (name, needs) = (&target.name, self.text());
        let Some(truth) = Truth::of(target, classes) else {
            let own = if target.labels.is_some() { format!("; its own are {}", target.classes) } else { String::new() };
            return Err(Error::invalid(format!(
                "{name} has no labels of the source's {} classes ({classes}{own}), which labels {needs} needs; use labels pseudo, or \
                 map classes of the source to their partners",
                classes.len()
            )));
        };
        for class in classes.names().iter().filter(|name| target.classes.named(name).is_some()) {
            let count = truth.count(classes.named(class).expect("one of them"));
            if count < shots {
                return Err(Error::invalid(format!(
                    "{name} has {count} training images of class {class}, and labels {needs} needs {shots} of each"
                )));
            }
        }
        Ok(())
    }
}

/// The true labels of a target's images, as classes of the source by their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth(Vec<Option<u32>>);

impl Truth {
    /// Those of a target; None where it has no labels, or the source none of its classes.
    pub fn of(target: &Dataset, source: &Classes) -> Option<Truth> {
        let partners: Vec<Option<u32>> = target.classes.names().iter().map(|name| source.named(name)).collect();
        let labels = target.labels.as_ref().filter(|_| partners.iter().any(Option::is_some))?;
        Some(Truth(labels.iter().map(|&label| partners[label as usize]).collect()))
    }

    /// How many images a class has.
    fn count(&self, class: u32) -> usize {
        self.0.iter().filter(|&&label| label == Some(class)).count()
    }

    /// The share of right ones among labels, and how many there are of images whose class the source has.
    pub fn accuracy(&self, labels: impl Iterator<Item = Option<u32>>) -> (f64, usize) {
        let given = labels.zip(&self.0).filter_map(|(label, truth)| Some(label? == (*truth)?));
        let (right, count) =
            given.fold((0usize, 0usize), |(right, count), same| (right + usize::from(same), count + 1));
        (right as f64 / count.max(1) as f64, count)
    }
}

/// Which classes of source and target have no partner of the same name, in a sentence; None where all have.
pub fn without_partner(source: &Classes, target: &Classes) -> Option<String> {
    let lacking = |of: &Classes, other: &Classes| {
        let names: Vec<String> = of.names().iter().filter(|name| other.named(name).is_none()).cloned().collect();
        Classes::new(names)
    };
    let told = |whose: &str, classes: Classes| (!classes.is_empty()).then(|| format!("{classes} of the {whose}"));
    let both = [told("source", lacking(source, target)), told("target", lacking(target, source))];
    let both: Vec<String> = both.into_iter().flatten().collect();
    (!target.is_empty() && !both.is_empty()).then(|| format!("classes without a partner: {}", both.join("; ")))
}

/// What is believed of each target image's class.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// The number of classes.
    pub classes: usize,
    /// `[images, classes]`, row by row.
    pub probabilities: Vec<f32>,
    /// The class that an image counts as; None where nothing is sure enough: its label is null.
    pub assigned: Vec<Option<u32>>,
}

impl Labels {
    /// Labels by the most probable class. An image whose probability stays below `confidence` gets none; of each class only
    /// the most probable `cap` keep theirs. No image is left out of training for it.
    pub fn assign(classes: usize, probabilities: Vec<f32>, confidence: f64, cap: usize) -> Labels {
        let best = |row: &[f32]| {
            let first = |best: usize, class: usize| if row[class] > row[best] { class } else { best };
            (0..classes).reduce(first).expect("there are classes")
        };
        let rows: Vec<&[f32]> = probabilities.chunks_exact(classes).collect();
        let classes_of: Vec<usize> = rows.iter().map(|row| best(row)).collect();
        let mut order: Vec<usize> = (0..rows.len()).collect();
        // The surest first; of equal ones the smaller index.
        order.sort_by(|&a, &b| rows[b][classes_of[b]].total_cmp(&rows[a][classes_of[a]]).then(a.cmp(&b)));
        let mut assigned = vec![None; rows.len()];
        let mut counts = vec![0; classes];
        for image in order {
            let class = classes_of[image];
            if f64::from(rows[image][class]) >= confidence && counts[class] < cap {
                counts[class] += 1;
                assigned[image] = Some(class as u32);
            }
        }
        Labels { classes, probabilities, assigned }
    }

    /// True labels, surely.
    pub fn known(classes: usize, truth: &Truth) -> Labels {
        let assigned = truth.0.clone();
        Labels { classes, probabilities: crate::tensor::one_hot(assigned.iter().copied(), classes), assigned }
    }

    /// The labels in another order: image i gets what image `order[i]` had.
    pub fn permuted(&self, order: &[usize]) -> Labels {
        let row = |&image: &usize| &self.probabilities[image * self.classes..][..self.classes];
        Labels {
            classes: self.classes,
            probabilities: order.iter().flat_map(row).copied().collect(),
            assigned: order.iter().map(|&image| self.assigned[image]).collect(),
        }
    }

    /// The conditions of an image: its class, one-hot, zeros where it has none; or its probabilities where `soft`.
    pub fn row(&self, image: usize, soft: bool) -> Vec<f32> {
        if soft && self.assigned[image].is_some() {
            return self.probabilities[image * self.classes..][..self.classes].to_vec();
        }
        crate::tensor::one_hot([self.assigned[image]].into_iter(), self.classes)
    }

    /// p_y: the mean of the images' conditions, brought to the sum 1; equal shares where no image has a label.
    pub fn frequencies(&self, soft: bool) -> Vec<f64> {
        let mut sums = vec![0f64; self.classes];
        for image in 0..self.assigned.len() {
            for (sum, share) in sums.iter_mut().zip(self.row(image, soft)) {
                *sum += f64::from(share);
            }
        }
        let total: f64 = sums.iter().sum();
        if total == 0.0 {
            return vec![1.0 / self.classes as f64; self.classes];
        }
        sums.into_iter().map(|sum| sum / total).collect()
    }

    /// The share of images without a label.
    pub fn share_without(&self) -> f64 {
        let without = self.assigned.iter().filter(|label| label.is_none()).count();
        without as f64 / self.assigned.len().max(1) as f64
    }

    /// SHA-256, in hexadecimal, of what is believed of each image: equal digests are equal labels.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let assigned = self.assigned.iter().flat_map(|label| label.unwrap_or(u32::MAX).to_le_bytes());
        let probabilities = self.probabilities.iter().flat_map(|share| share.to_le_bytes());
        hash.update(assigned.chain(probabilities).collect::<Vec<u8>>());
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The true class of the first `shots` images of each class; None of the others.
pub fn known(data: &Dataset, classes: &Classes, shots: usize) -> Vec<Option<u32>> {
    let truth = Truth::of(data, classes).map_or(vec![None; data.len()], |truth| truth.0);
    let mut counts = vec![0; classes.len()];
    let first = |label: Option<u32>| {
        label.filter(|&class| {
            counts[class as usize] += 1;
            counts[class as usize] <= shots
        })
    };
    truth.into_iter().map(first).collect()
}

/// The probabilities of a target's images by their nearness to the mean features of each class's first `shots` images, whose true
/// labels are known: `p(y | x) = softmax over y of 10 cos(f(x) - m, c_y - m)`, m the mean of all features (prototypes, Snell
/// 2017; cosines, Gidaris & Komodakis 2018).
///
/// # Errors
/// [`Error::Invalid`] where a class has fewer images.
pub fn few_shot(predictions: &Predictions, data: &Dataset, classes: &Classes, shots: usize) -> Result<Vec<f32>> {
    LabelSource::FewShot(shots).check(data, classes)?;
    let known = known(data, classes, shots);
    let classes = classes.len();
    let length = predictions.dimensions;
    let features = super::features::bank_of(&predictions.features, length);
    let row = |image: usize| &features[image * length..][..length];
    let mut prototypes = Vec::new();
    for class in 0..classes {
        let images: Vec<usize> = (0..data.len()).filter(|&image| known[image] == Some(class as u32)).collect();
        let mean = |axis: usize| images.iter().map(|&image| row(image)[axis]).sum::<f32>() / shots as f32;
        // A class that the target lacks has none.
        prototypes.push((!images.is_empty()).then(|| normalised((0..length).map(mean).collect())));
    }
    let probabilities = |image: usize| {
        if known[image].is_some() {
            return crate::tensor::one_hot([known[image]].into_iter(), classes);
        }
        // Both have the norm sqrt(length).
        let cosine = |c: &Vec<f32>| row(image).iter().zip(c).map(|(a, b)| a * b).sum::<f32>() / length as f32;
        softmax(
            prototypes.iter().map(|c| c.as_ref().map_or(f32::NEG_INFINITY, |c| PROTOTYPE_SCALE * cosine(c))).collect(),
        )
    };
    Ok((0..data.len()).flat_map(probabilities).collect())
}

fn softmax(logits: Vec<f32>) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::MIN, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Images;

    #[test]
    fn confidence_and_balance_decide_labels() {
        let rows = vec![0.9, 0.1, 0.7, 0.3, 0.45, 0.55, 0.8, 0.2, 0.2, 0.8];
        let assigned = |confidence, cap| Labels::assign(2, rows.clone(), confidence, cap).assigned;
        assert_eq!(assigned(0.0, 9), [Some(0), Some(0), Some(1), Some(0), Some(1)]);
        assert_eq!(assigned(0.75, 9), [Some(0), None, None, Some(0), Some(1)]);
        assert_eq!(assigned(0.0, 2), [Some(0), None, Some(1), Some(0), Some(1)], "the two surest of a class");
        assert_eq!(assigned(0.0, 0), [None; 5]);
    }

    #[test]
    fn conditions_are_classes_probabilities_or_nothing() {
        let labels = Labels::assign(2, vec![0.9, 0.1, 0.4, 0.6, 0.25, 0.75], 0.7, 9);
        assert_eq!(labels.row(0, false), [1.0, 0.0]);
        assert_eq!(labels.row(0, true), [0.9, 0.1]);
        assert_eq!((labels.row(1, false), labels.row(1, true)), (vec![0.0, 0.0], vec![0.0, 0.0]));
        assert_eq!(labels.frequencies(false), [0.5, 0.5]);
        let soft = labels.frequencies(true);
        // (0.9 + 0.25) / 2 and (0.1 + 0.75) / 2, of f32 numbers.
        assert!((soft[0] - 0.575).abs() < 1e-6 && (soft[1] - 0.425).abs() < 1e-6, "{soft:?}");
        assert_eq!(Labels::assign(4, vec![0.25; 4], 0.9, 9).frequencies(false), [0.25; 4]);
        let truth = |labels: [Option<u32>; 3]| Truth(labels.to_vec());
        assert_eq!(truth([Some(0); 3]).accuracy(labels.assigned.iter().copied()), (0.5, 2));
        assert_eq!(truth([Some(0), None, None]).accuracy(labels.assigned.iter().copied()), (1.0, 1), "what is known");
        let moved = labels.permuted(&[2, 0, 1]);
        assert_eq!(moved.assigned, [Some(1), Some(0), None]);
        assert_eq!(moved.row(0, true), [0.25, 0.75]);
    }

    #[test]
    fn few_known_images_label_what_is_near_them() {
        let data =
            Dataset::labelled("four", Images::new([4, 1, 1, 1], vec![0; 4]), vec![0, 1, 1, 0], Classes::numbered(0..2));
        // The mean is (0, 0); the cosines of the third image are 0.6 and -0.6 times the norms, of the fourth the other way.
        let features = vec![2.0, 0.0, -2.0, 0.0, 3.0, 4.0, -3.0, -4.0];
        let (labels, probabilities) = (vec![0; 4], vec![0.5; 8]);
        let predictions = Predictions { classes: 2, dimensions: 2, labels, probabilities, features };
        let rows = few_shot(&predictions, &data, &data.classes, 1).unwrap();
        assert_eq!(rows[..4], [1.0, 0.0, 0.0, 1.0]);
        let expected = 1.0 / (1.0 + (-12f32).exp());
        assert!((rows[4] - expected).abs() < 1e-5 && (rows[7] - expected).abs() < 1e-5, "{rows:?}");
        assert!(few_shot(&predictions, &data, &data.classes, 3).is_err());
        // A class that only the source has is never the most probable.
        let source = Classes::new(["1", "x", "0"]);
        let by_name = few_shot(&predictions, &data, &source, 1).unwrap();
        assert_eq!((by_name[6], by_name[8]), (rows[5], rows[4]));
        assert_eq!([1, 4, 7, 10].map(|place| by_name[place]), [0.0; 4]);
    }

    #[test]
    fn true_labels_go_by_the_names_of_classes() {
        let images = Images::new([4, 1, 1, 1], vec![0; 4]);
        let target = Dataset::labelled("t", images, vec![0, 1, 2, 1], Classes::new(["bee", "cat", "dodo"]));
        let source = Classes::new(["ant", "bee", "cat"]);
        let truth = Truth::of(&target, &source).unwrap();
        assert_eq!(truth.0, [Some(1), Some(2), None, Some(2)]);
        assert_eq!(Labels::known(3, &truth).assigned, truth.0);
        assert_eq!(truth.accuracy([Some(1), Some(1), Some(0), None].into_iter()), (0.5, 2));
        let said = without_partner(&source, &target.classes).unwrap();
        assert_eq!(said, "classes without a partner: ant of the source; dodo of the target");
        assert_eq!(without_partner(&source, &source), None);
        assert_eq!(Truth::of(&target, &Classes::new(["x", "y", "z"])), None, "as many, but others");
        assert_eq!(Truth::of(&Dataset::unlabelled("t", target.images.clone()), &source), None);
        let error = |shots| LabelSource::FewShot(shots).check(&target, &source).map_err(|error| error.to_string());
        assert_eq!(error(1), Ok(()));
        assert!(error(2).unwrap_err().contains("t has 1 training images of class bee, and labels fewshot:2"));
        let strange = LabelSource::True.check(&target, &Classes::new(["x"])).unwrap_err().to_string();
        assert!(strange.contains("the source's 1 classes (x; its own are bee, cat, dodo)"), "{strange}");
    }

    #[test]
    fn label_sources_are_read() {
        assert_eq!(LabelSource::read("fewshot:5").unwrap(), LabelSource::FewShot(5));
        for text in ["fewshot", "fewshot:0", "fewshot:x", "truth", ""] {
            assert!(LabelSource::read(text).is_none(), "{text}");
        }
    }
}
