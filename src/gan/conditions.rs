//! Where the conditions of samples come from: the distribution p(c) beside a conditional generator's G(z, c).
//!
//! A condition is `[classes | features]`. It is drawn from the class frequencies and the bank of features that travel in
//! the generator's checkpoint.

use std::borrow::Cow;

use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use serde_json::{Value as Json, json};

use super::Architecture;
use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::data::Classes;
use crate::error::{Error, Result};
use crate::random::{Purpose, generator, normal};
use crate::tensor::Tensor;
use crate::words::words;

/// Draws for conditions stand this far behind those for latents of the same purpose and step.
const OFFSET: u64 = 1 << 32;
/// The bank's name in checkpoints.
const BANK: &str = "conditions.bank";
/// The header's field of what is drawn from.
pub const DRAWN_FROM: &str = "conditions";
/// The header's field of how often each class came in training, where that is uneven and samples' come in turn.
pub(super) const TRAINED_ON: &str = "class_counts";
/// The header's field of what the classes are called, where those are not their numbers.
pub const CLASSES: &str = "classes";

words! {
    /// How features are drawn from the bank.
    pub enum FeatureSource {
        /// One of the bank's vectors.
        Bank = "bank",
        /// The normal distribution with the bank's mean and covariance, brought to the bank's length.
        Gaussian = "gaussian",
        /// A point between two of the bank's vectors, brought to the bank's length.
        Mix = "mix",
    }
}

/// Feature vectors of one length, and the class of each where the network has classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Bank {
    /// `[rows, length]`, each row of norm sqrt(length).
    pub features: Vec<f32>,
    /// A class a row, None where it is unknown; empty where the network has no classes.
    pub labels: Vec<Option<u32>>,
}

/// The distribution of a generator's conditions.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditions {
    classes: usize,
    names: Classes,
    features: usize,
    /// The probability of each class; the classes in turn where there is none.
    frequencies: Option<Vec<f64>>,
    /// How often each class came in training, where samples' come in turn and those did not nearly do so.
    trained_on: Option<Vec<f64>>,
    /// The share of samples whose class is unknown, as it is of some images that the networks were trained on.
    null: f64,
    bank: Option<Bank>,
    feature_source: FeatureSource,
}

/// What a checkpoint says that the classes of its networks are called; None where it says nothing, as those of version 0.1, and within where
/// it is none that graft wrote.
pub(crate) fn class_names(checkpoint: &Checkpoint) -> Option<Option<Classes>> {
    let names = checkpoint.header.get(CLASSES)?;
    Some(serde_json::from_value(names.clone()).ok().and_then(Classes::distinct))
}

impl Conditions {
    /// All classes in turn, and no features yet.
    pub fn in_turn(classes: usize, features: usize) -> Conditions {
        let names = Classes::numbered(0..classes);
        Conditions {
            classes,
            names,
            features,
            frequencies: None,
            trained_on: None,
            null: 0.0,
            bank: None,
            feature_source: FeatureSource::Bank,
        }
    }

    /// Classes of these names.
    ///
    /// # Panics
    /// Where there is not one name a class.
    #[track_caller]
    pub fn with_names(self, names: Classes) -> Conditions {
        assert_eq!(names.len(), self.classes, "one name a class");
        Conditions { names, ..self }
    }

    /// Of networks that learned from so many images of each class. Classes of which none has one and a half times as many as another count as
    /// in turn.
    pub fn with_trained_on(self, counts: &[usize]) -> Conditions {
        let (least, most) = (counts.iter().min().unwrap_or(&0), counts.iter().max().unwrap_or(&0));
        let is_uneven = self.classes > 0 && counts.len() == self.classes && 2 * most > 3 * least;
        let shares = || counts.iter().map(|&count| count as f64).collect();
        Conditions { trained_on: (is_uneven && self.frequencies.is_none()).then(shares), ..self }
    }

    /// What training's batches were drawn from, as batch-norm statistics are to be: also where samples' classes come in turn.
    pub(super) fn of_batches(&self) -> Cow<'_, Conditions> {
        match &self.trained_on {
            None => Cow::Borrowed(self),
            Some(counts) => Cow::Owned(self.clone().with_frequencies(counts.clone())),
        }
    }

    /// How often each class came in training, as headers have it under [`TRAINED_ON`]; None where classes came about as often as each other.
    pub(super) fn trained_on(&self) -> Option<&[f64]> {
        self.trained_on.as_deref()
    }

    /// What the classes are called.
    pub fn names(&self) -> &Classes {
        &self.names
    }

    /// Whether all that is known of the classes is that they come in turn.
    pub fn is_in_turn(&self) -> bool {
        self.frequencies.is_none() && self.features == 0
    }

    /// Classes by their probabilities, p_y.
    ///
    /// # Panics
    /// Where there is not one probability a class.
    #[track_caller]
    pub fn with_frequencies(self, frequencies: Vec<f64>) -> Conditions {
        assert_eq!(frequencies.len(), self.classes, "one probability a class");
        Conditions { frequencies: Some(frequencies), ..self }
    }

    /// A share of samples, of 0 to 1, that are of no class; the others' classes are drawn as before.
    ///
    /// # Panics
    /// Where there are no probabilities of classes, or this is no share.
    #[track_caller]
    pub fn with_null(self, null: f64) -> Conditions {
        assert!(self.frequencies.is_some() && (0.0..=1.0).contains(&null), "a share of samples without a class");
        Conditions { null, ..self }
    }

    /// Whether some samples are of a class.
    pub fn asks_for_classes(&self) -> bool {
        self.classes > 0 && self.null < 1.0
    }

    /// Features from a bank.
    ///
    /// # Panics
    /// Where the networks are given no features, or it holds no whole row, or labels for another number of rows.
    #[track_caller]
    pub fn with_bank(self, bank: Bank) -> Conditions {
        assert!(self.features > 0, "a bank of features for networks that are given none");
        let rows = bank.features.len() / self.features;
        assert!(rows > 0 && rows * self.features == bank.features.len(), "a bank of rows of {}", self.features);
        assert!(self.classes == 0 || bank.labels.len() == rows, "one label a row");
        Conditions { bank: Some(bank), ..self }
    }

    /// Features drawn from the bank in another way.
    pub fn with_feature_source(self, feature_source: FeatureSource) -> Conditions {
        Conditions { feature_source, ..self }
    }

    /// The probability of each class; `None` where the classes come in turn.
    pub fn frequencies(&self) -> Option<&[f64]> {
        self.frequencies.as_deref()
    }

    /// What features are drawn from.
    pub fn bank(&self) -> Option<&Bank> {
        self.bank.as_ref()
    }

    /// The share of samples that are of no class, where classes have probabilities.
    pub fn null(&self) -> f64 {
        self.null
    }

    /// How features are drawn from the bank.
    pub fn feature_source(&self) -> FeatureSource {
        self.feature_source
    }

    /// The length of the features; 0 where there are none.
    pub fn feature_length(&self) -> usize {
        self.features
    }

    /// Whether there are features to draw.
    pub fn has_features(&self) -> bool {
        self.features > 0
    }

    /// The conditions of samples number `start..start + count`, `[count, classes + features]`, each keyed by (seed, purpose,
    /// step, number); of `class` where one is asked for. None where the network has none.
    ///
    /// # Panics
    /// Where there is no such class, or the network wants features and has no bank.
    #[track_caller]
    pub fn draw(
        &self,
        device: &Device,
        (seed, purpose, step): (u64, Purpose, u64),
        start: usize,
        count: usize,
        class: Option<u32>,
    ) -> Option<Tensor> {
        let length = self.classes + self.features;
        let row = |number: usize| {
            let mut random = generator(seed, purpose, step, OFFSET + number as u64);
            self.row(&mut random, number, class)
        };
        let rows: Vec<f32> = (start..start + count).flat_map(row).collect();
        (length > 0).then(|| Tensor::from_slice(device, &rows, [count, length]))
    }

    #[track_caller]
    fn row(&self, random: &mut ChaCha12Rng, number: usize, class: Option<u32>) -> Vec<f32> {
        let mut row = vec![0f32; self.classes];
        let class = class.map(|class| class as usize).or_else(|| self.class(random, number));
        if let Some(class) = class {
            assert!(class < self.classes, "class {class} of {}", self.classes);
            row[class] = 1.0;
        }
        if self.features > 0 {
            row.extend(self.feature(random, class));
        }
        row
    }

    fn class(&self, random: &mut ChaCha12Rng, number: usize) -> Option<usize> {
        if self.classes == 0 {
            return None;
        }
        let Some(frequencies) = &self.frequencies else { return Some(number % self.classes) };
        if self.null > 0.0 && random.random::<f64>() < self.null {
            return None;
        }
        let point = random.random::<f64>() * frequencies.iter().sum::<f64>();
        let mut sum = 0.0;
        let first = frequencies.iter().position(|probability| {
            sum += probability;
            point < sum
        });
        Some(first.unwrap_or(self.classes - 1))
    }

    /// A vector of norm sqrt(length), of the bank's rows of this class, or of those without where that is none, if it has such rows.
    #[track_caller]
    fn feature(&self, random: &mut ChaCha12Rng, class: Option<usize>) -> Vec<f32> {
        let bank = self.bank.as_ref().unwrap_or_else(|| panic!("features without a bank"));
        let rows: Vec<&[f32]> = bank.features.chunks_exact(self.features).collect();
        let labelled = bank.labels.iter().zip(&rows);
        let of_class: Vec<&[f32]> =
            labelled.filter(|(label, _)| label.map(|label| label as usize) == class).map(|(_, row)| *row).collect();
        let rows = if of_class.is_empty() { rows } else { of_class };
        let mut one = || rows[random.random_range(0..rows.len())];
        match self.feature_source {
            FeatureSource::Bank => one().to_vec(),
            FeatureSource::Mix => {
                let (a, b) = (one(), one());
                let share: f32 = random.random();
                normalised(a.iter().zip(b).map(|(a, b)| a + share * (b - a)).collect())
            }
            FeatureSource::Gaussian => {
                // mean + sum of e_j (f_j - mean) / sqrt(rows), e_j from N(0, 1), has the rows' mean and covariance.
                let count = rows.len() as f32;
                let weights = normal(random, rows.len());
                let drawn = (0..self.features).map(|axis| {
                    let mean = rows.iter().map(|row| row[axis]).sum::<f32>() / count;
                    let spread: f32 = rows.iter().zip(&weights).map(|(row, weight)| weight * (row[axis] - mean)).sum();
                    mean + spread / count.sqrt()
                });
                normalised(drawn.collect())
            }
        }
    }

    /// What the conditions are drawn from but the bank's features, as headers have it under [`DRAWN_FROM`]; None where that is the classes in turn.
    pub(crate) fn drawn_from(&self) -> Option<Json> {
        if self.frequencies.is_none() && self.bank.is_none() {
            return None;
        }
        let labels = self.bank.as_ref().map(|bank| &bank.labels);
        let mut field = json!({ "frequencies": self.frequencies, "labels": labels });
        if self.null > 0.0 {
            field["null"] = json!(self.null);
        }
        if self.feature_source != FeatureSource::Bank {
            field["feature-source"] = json!(self.feature_source);
        }
        Some(field)
    }

    /// Adds what the conditions are drawn from to a checkpoint; nothing where that is the classes in turn.
    ///
    /// # Errors
    /// The device's first failure.
    pub(super) fn store(&self, checkpoint: &mut Checkpoint, device: &Device) -> Result<()> {
        if self.names != Classes::numbered(0..self.classes) {
            checkpoint.header.insert(CLASSES.to_string(), json!(self.names.names()));
        }
        let Some(field) = self.drawn_from() else { return Ok(()) };
        checkpoint.header.insert(DRAWN_FROM.to_string(), field);
        if let Some(bank) = &self.bank {
            let rows = bank.features.len() / self.features;
            checkpoint.insert(BANK, &Tensor::from_slice(device, &bank.features, [rows, self.features]))?;
        }
        Ok(())
    }

    /// What a checkpoint's generator draws its conditions from.
    ///
    /// # Errors
    /// [`Error::Invalid`] where that does not fit the networks.
    pub(crate) fn load(architecture: &Architecture, checkpoint: &Checkpoint) -> Result<Conditions> {
        let broken = || {
            let text = "the checkpoint's conditions do not fit its networks; use one that graft wrote";
            Error::invalid(text)
        };
        let mut conditions = Conditions::in_turn(architecture.classes, architecture.condition_features);
        if let Some(names) = class_names(checkpoint) {
            conditions.names = names.filter(|names| names.len() == conditions.classes).ok_or_else(broken)?;
        }
        if let Some(counts) = checkpoint.header.get(TRAINED_ON) {
            let counts: Vec<f64> = serde_json::from_value(counts.clone()).map_err(|_| broken())?;
            if counts.len() != conditions.classes || !is_distribution(&counts) {
                return Err(broken());
            }
            conditions.trained_on = Some(counts);
        }
        let field = checkpoint.header.get(DRAWN_FROM).cloned().unwrap_or(Json::Null);
        let part = |name: &str| field.get(name).cloned().unwrap_or(Json::Null);
        let frequencies: Option<Vec<f64>> = serde_json::from_value(part("frequencies")).map_err(|_| broken())?;
        if let Some(frequencies) = frequencies {
            if frequencies.len() != conditions.classes || !is_distribution(&frequencies) {
                return Err(broken());
            }
            conditions.frequencies = Some(frequencies);
            let null: Option<f64> = serde_json::from_value(part("null")).map_err(|_| broken())?;
            conditions.null = null.unwrap_or(0.0);
            if !(0.0..=1.0).contains(&conditions.null) {
                return Err(broken());
            }
        }
        if conditions.features > 0 {
            let bank = checkpoint.tensor(BANK, &Device::cpu())?;
            let labels: Option<Vec<Option<u32>>> = serde_json::from_value(part("labels")).map_err(|_| broken())?;
            let labels = labels.unwrap_or_default();
            let fits = |rows: usize| rows > 0 && (conditions.classes == 0 || labels.len() == rows);
            match *bank.shape() {
                [rows, length] if length == conditions.features && fits(rows) => {}
                _ => return Err(broken()),
            }
            if let Json::String(_) = part("feature-source") {
                conditions.feature_source = serde_json::from_value(part("feature-source")).map_err(|_| broken())?;
            }
            conditions.bank = Some(Bank { features: bank.to_vec()?, labels });
        }
        Ok(conditions)
    }
}

/// Whether these are weights of which one can be drawn.
fn is_distribution(weights: &[f64]) -> bool {
    weights.iter().all(|&p| p.is_finite() && p >= 0.0) && weights.iter().any(|&p| p > 0.0)
}

/// A vector brought to the norm sqrt(length); zeros stay.
pub fn normalised(mut vector: Vec<f32>) -> Vec<f32> {
    let squared: f64 = vector.iter().map(|&v| f64::from(v).powi(2)).sum();
    if squared > 0.0 {
        let factor = ((vector.len() as f64) / squared).sqrt();
        vector.iter_mut().for_each(|v| *v = (f64::from(*v) * factor) as f32);
    }
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: (u64, Purpose, u64) = (1, Purpose::SampleLatents, 0);

    fn rows(conditions: &Conditions, count: usize, class: Option<u32>) -> Vec<Vec<f32>> {
        let drawn = conditions.draw(&Device::cpu(), KEY, 0, count, class).unwrap();
        let length = drawn.shape()[1];
        drawn.to_vec::<f32>().unwrap().chunks_exact(length).map(<[f32]>::to_vec).collect()
    }

    fn bank() -> Bank {
        // Two rows of class 0, one of class 1, of norm sqrt(2) each.
        let features = [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]].concat();
        Bank { features, labels: vec![Some(0), Some(0), Some(1)] }
    }

    #[test]
    fn classes_are_drawn_by_their_probabilities() {
        let conditions = Conditions::in_turn(3, 0).with_frequencies(vec![0.5, 0.0, 0.25]);
        let drawn = rows(&conditions, 3000, None);
        let share = |class: usize| drawn.iter().filter(|row| row[class] == 1.0).count() as f64 / 3000.0;
        // Three standard deviations of a share of 2/3 among 3,000.
        assert!((share(0) - 2.0 / 3.0).abs() < 0.026 && share(1) == 0.0, "{} {}", share(0), share(1));
        assert_eq!(rows(&conditions, 4, Some(1)), vec![vec![0.0, 1.0, 0.0]; 4], "the class that is asked for");
        assert_eq!(rows(&Conditions::in_turn(2, 0), 3, None), [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]);
    }

    #[test]
    fn statistics_are_of_the_classes_that_batches_had_and_samples_come_in_turn() {
        let uneven = Conditions::in_turn(2, 0).with_trained_on(&[90, 10]);
        let share = |conditions: &Conditions| rows(conditions, 1000, None).iter().filter(|row| row[0] == 1.0).count();
        // Three standard deviations of a share of 0.9 among 1,000.
        assert!(share(&uneven) == 500 && share(&uneven.of_batches()).abs_diff(900) < 29);
        assert!(uneven.is_in_turn() && uneven.drawn_from().is_none(), "to all others");
        for even in [&[3, 2][..], &[0, 0], &[5, 1, 1]] {
            let conditions = Conditions::in_turn(2, 0).with_trained_on(even);
            assert_eq!(*conditions.of_batches(), Conditions::in_turn(2, 0), "{even:?}");
        }
        let known = Conditions::in_turn(2, 0).with_frequencies(vec![0.5, 0.5]);
        assert_eq!(known.clone().with_trained_on(&[90, 10]), known);
    }

    #[test]
    fn a_share_of_samples_is_of_no_class() {
        let conditions = Conditions::in_turn(2, 0).with_frequencies(vec![0.5, 0.5]).with_null(0.25);
        let none = rows(&conditions, 3000, None).iter().filter(|row| row.iter().all(|&v| v == 0.0)).count();
        // Three standard deviations of a share of 1/4 among 3,000.
        assert!((none as f64 / 3000.0 - 0.25).abs() < 0.024, "{none}");
        assert_eq!(rows(&conditions, 3, Some(1)), vec![vec![0.0, 1.0]; 3], "a class that is asked for is given");
        assert!(conditions.asks_for_classes() && !conditions.with_null(1.0).asks_for_classes());
    }

    #[test]
    fn features_come_from_rows_of_the_class_and_have_their_norm() {
        let conditions = Conditions::in_turn(2, 2).with_bank(bank());
        assert_eq!(rows(&conditions, 5, Some(1)), vec![vec![0.0, 1.0, -1.0, 1.0]; 5]);
        for source in [FeatureSource::Gaussian, FeatureSource::Mix] {
            for row in rows(&conditions.clone().with_feature_source(source), 50, None) {
                let squared: f32 = row[2..].iter().map(|v| v * v).sum();
                assert!((squared - 2.0).abs() < 1e-5 || squared == 0.0, "{source:?}: {row:?}");
            }
        }
        // Of no class are the rows without, and any where there are none.
        let null = conditions.clone().with_frequencies(vec![0.5, 0.5]).with_null(1.0);
        let without = Bank { labels: vec![Some(0), None, Some(1)], ..bank() };
        assert_eq!(rows(&null.clone().with_bank(without), 9, None), vec![vec![0.0, 0.0, 1.0, -1.0]; 9]);
        assert!(bank().features.chunks(2).all(|row| rows(&null, 50, None).iter().any(|drawn| drawn[2..] == *row)));
        // Between the two rows of class 0, the first axis is positive, and no axis is outside the arc.
        let mixed = conditions.with_feature_source(FeatureSource::Mix);
        assert!(rows(&mixed, 50, Some(0)).iter().all(|row| row[2] >= 1.0 - 1e-6));
    }

    #[test]
    #[should_panic = "a bank of features for networks that are given none"]
    fn a_bank_for_networks_without_features_is_refused() {
        let _ = Conditions::in_turn(2, 0).with_bank(bank());
    }

    #[test]
    fn the_gaussian_has_the_banks_mean_and_covariance_before_it_is_normalised() {
        // Rows (3, 0) and (-1, 0): mean 1, deviation 2; normalised to +-sqrt(2), positive with probability Phi(1/2).
        let bank = Bank { features: vec![3.0, 0.0, -1.0, 0.0], labels: Vec::new() };
        let conditions = Conditions::in_turn(0, 2).with_bank(bank).with_feature_source(FeatureSource::Gaussian);
        let drawn = rows(&conditions, 4000, None);
        let positive = drawn.iter().filter(|row| row[0] > 0.0).count() as f64 / 4000.0;
        // Three standard deviations of a share of 0.69 among 4,000.
        assert!((positive - 0.6915).abs() < 0.022, "{positive}");
    }
}
