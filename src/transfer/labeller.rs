//! What labels a target's images: a classifier of the source's classes, or clusters; and how often it is right.

use std::sync::Arc;

use super::clusters::Clusters;
use super::labels::Truth;
use crate::classifier::{Classifier, FrozenTrunk, Predictions};
use crate::data::{Classes, Dataset, Images};
use crate::error::Result;
use crate::nn::{Mode, Parameter};
use crate::tensor::Tensor;

/// What says of an image which class it has.
#[derive(Debug)]
pub(super) enum Predicts {
    /// C_s.
    Classifier(Classifier),
    /// Clusters of the target's images: without a source.
    Clusters(Clusters),
}

impl Predicts {
    pub(super) fn predict(&self, images: &Images) -> Result<Predictions> {
        match self {
            Predicts::Classifier(classifier) => classifier.predict(images),
            Predicts::Clusters(clusters) => clusters.predict(images),
        }
    }

    /// Logits of the last of the maps that the extractor makes of images.
    pub(super) fn logits(&self, map: &Tensor) -> Tensor {
        match self {
            Predicts::Classifier(classifier) => classifier.of_map(map, Mode::Evaluate).logits,
            Predicts::Clusters(clusters) => clusters.logits(map),
        }
    }

    pub(super) fn state(&self) -> Vec<Parameter> {
        match self {
            Predicts::Classifier(classifier) => [classifier.parameters(), classifier.statistics()].concat(),
            Predicts::Clusters(clusters) => clusters.encoder().parameters(),
        }
    }

    pub(super) fn trunk(&self) -> FrozenTrunk {
        match self {
            Predicts::Classifier(classifier) => classifier.frozen(),
            Predicts::Clusters(clusters) => clusters.encoder().frozen(),
        }
    }
}

/// A run's label predictor, with what it calls the classes.
#[derive(Clone, Debug)]
pub struct Labeller {
    predicts: Arc<Predicts>,
    names: Classes,
}

impl Labeller {
    pub(super) fn new(predicts: Arc<Predicts>, names: Classes) -> Labeller {
        Labeller { predicts, names }
    }

    /// How probable it finds it that each of some images is of a class; 0 of a class that it does not know.
    ///
    /// # Errors
    /// The device's first failure.
    ///
    /// # Panics
    /// Where the images have another size.
    pub fn probabilities(&self, images: &Images, class: &str) -> Result<Vec<f32>> {
        let Some(class) = self.names.named(class) else { return Ok(vec![0.0; images.count]) };
        let said = self.predicts.predict(images)?;
        Ok(said.probabilities.chunks_exact(self.names.len()).map(|row| row[class as usize]).collect())
    }

    /// The share of images to which it gives their class, of those whose class it knows by name; None where there are none.
    ///
    /// # Errors
    /// The device's first failure.
    ///
    /// # Panics
    /// Where the images have another size.
    pub fn accuracy(&self, data: &Dataset) -> Result<Option<f64>> {
        let Some(truth) = Truth::of(data, &self.names) else { return Ok(None) };
        let (right, count) = truth.accuracy(self.predicts.predict(&data.images)?.labels.into_iter().map(Some));
        Ok((count > 0).then_some(right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::classifier::{Design, Input};
    use crate::data::{Spec, Split};
    use crate::nn::NormKind;
    use crate::random::Network;

    #[test]
    fn right_is_what_has_the_same_name() {
        let device = Device::cpu();
        let design = Design { size: 32, channels: 1, width: 4, norm: NormKind::Instance, input: Input::Channels };
        let classifier = Classifier::new(&device, &design, 2, 0, Network::Predictor);
        let digits = "synthetic:strokes".parse::<Spec>().unwrap().load(Split::Train).unwrap();
        let digits = digits.select(&(0..40).collect::<Vec<_>>()).fit(32, 1).unwrap();
        // As it is drawn it finds all classes equally probable, and says the first.
        let said = classifier.predict(&digits.images).unwrap().labels;
        assert_eq!(said, vec![0; 40]);
        let predicts = Arc::new(Predicts::Classifier(classifier));
        let labels = digits.labels.as_ref().unwrap();
        let share = |label: u32, other: u32| {
            let of = |wanted: u32| labels.iter().filter(|&&found| found == wanted).count();
            of(label) as f64 / (of(label) + of(other)) as f64
        };
        let name = |label: u32| digits.classes.names()[label as usize].clone();
        let of = |names: [String; 2]| Labeller::new(predicts.clone(), Classes::new(names)).accuracy(&digits).unwrap();
        assert_eq!(of([name(7), name(2)]), Some(share(7, 2)), "its first class is the one that is called 7 there");
        assert_eq!(of(["cluster-0".to_string(), "cluster-1".to_string()]), None);
    }
}
