//! F_s, the network whose feature maps of images the target's discriminator is trained on, and the options of how it learns.

use super::autoencoder::autoencoder;
use super::contrastive::contrastive;
use super::features::Encoder;
use super::recogniser::Recogniser;
use super::shown::{ExtractorStyle, Shown};
use super::unlabelled::{Objective, Unlabelled};
use super::{Style, Workshop};
use crate::classifier::{Classifier, Design, FrozenTrunk, Input};
use crate::data::Images;
use crate::error::{Error, Result};
use crate::gan::{Architecture, Augmentation, FeatureMaps};
use crate::nn::{NormKind, Parameter};
use crate::options::{About, Range, Takes, words_of};
use crate::tensor::Tensor;
use crate::words::words;

/// Length of an encoder's features where nothing is said.
pub(super) const LENGTH: usize = 64;

words! {
    /// What a feature extractor learns by.
    pub(super) enum ExtractorKind {
        /// Cross-entropy on the source's labels.
        Classifier = "classifier",
        /// Reconstruction of images, as tgan-mission does.
        Autoencoder = "autoencoder",
        /// NT-Xent between views of images (SimCLR, Chen 2020).
        Contrastive = "contrastive",
        /// Nothing: it is as it was drawn, a control.
        Untrained = "untrained",
        /// Nothing, and it is an autoencoder's encoder: version 0.1's control.
        UntrainedEncoder = "untrained-encoder",
    }
}

words! {
    /// Whether a feature extractor goes on learning on the target.
    pub(super) enum Adapt {
        /// It knows the source alone.
        None = "none",
        /// It learns from the target's images, too, without labels.
        OnItself = "self",
    }
}

words! {
    /// Whose images a feature extractor learns from.
    pub(super) enum Teaches {
        /// The source's.
        Source = "source",
        /// The target's alone: a control.
        Target = "target",
    }
}

/// What it learns by.
pub(super) const EXTRACTOR: About = About {
    name: "extractor",
    value: "KIND",
    takes: Takes::Auto(&Takes::OneOf(words_of::<ExtractorKind>)),
    default: "auto",
    help: "What the feature extractor learns by; auto: classifier where the source has labels, else contrastive",
};

/// What it is shown of the source.
pub(super) const EXTRACTOR_STYLE: About = About {
    name: "extractor-style",
    value: "STYLE",
    takes: Takes::Auto(&Takes::OneOf(words_of::<ExtractorStyle>)),
    default: "auto",
    help: "How the extractor is shown source images; auto: scene where a grey source meets a colour target, else none",
};

/// Whether it goes on on the target.
pub(super) const ADAPT: About = About {
    name: "adapt",
    value: "none|self",
    takes: Takes::Auto(&Takes::OneOf(words_of::<Adapt>)),
    default: "auto",
    help: "Let the extractor go on learning on the target's unlabelled images; auto: self where it learns from the source",
};

/// Whose images it learns from.
pub(super) const EXTRACTOR_DATA: About = About {
    name: "extractor-data",
    value: "source|target",
    takes: Takes::OneOf(words_of::<Teaches>),
    default: "source",
    help: "Whose images the extractor learns from; target, without labels, is a control",
};

/// The weight of the heads.
pub(super) const HEADS: About = About {
    name: "heads",
    value: "WEIGHT",
    takes: Takes::Number(Range::NotNegative),
    default: "1",
    help: "Weight of discriminators on the extractor's feature maps beside the one of pixels; 0 for none",
};

/// The augmentation that goes with heads: without it they learn few images by heart (`docs/results.md`).
pub(super) fn with_heads(weight: f64) -> Vec<Augmentation> {
    if weight > 0.0 { vec![Augmentation::Translation] } else { Vec::new() }
}

/// The mean sign of scores at which the share of augmented images is held: few images get more of it than many.
pub(super) const STEERED: f64 = 0.6;

/// How a feature extractor learns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Extraction {
    pub kind: Option<ExtractorKind>,
    pub style: Option<ExtractorStyle>,
    pub adapt: Option<Adapt>,
    pub data: Teaches,
}

impl Extraction {
    /// What the options say where nothing is said.
    pub const USUAL: Extraction = Extraction { kind: None, style: None, adapt: None, data: Teaches::Source };

    /// Refuses what does not go together.
    pub fn check(&self) -> Result<()> {
        let untrained = self.is_untrained();
        if self.adapt == Some(Adapt::OnItself) && untrained {
            return Err(Error::option(
                "adapt",
                "self lets what has learned learn on: it does not go with extractor untrained",
            ));
        }
        if self.data == Teaches::Target {
            if !matches!(self.kind, None | Some(ExtractorKind::Contrastive | ExtractorKind::Autoencoder)) {
                let problem = "target has no labels to learn from: it goes with extractor contrastive or autoencoder";
                return Err(Error::option("extractor-data", problem));
            }
            if self.style.is_some() {
                let problem = "is how source images are shown: with extractor-data target there are none";
                return Err(Error::option("extractor-style", problem));
            }
            if self.adapt == Some(Adapt::OnItself) {
                return Err(Error::option(
                    "adapt",
                    "self adds the target's images to the source's: with extractor-data target there are none",
                ));
            }
        }
        Ok(())
    }

    fn is_untrained(&self) -> bool {
        matches!(self.kind, Some(ExtractorKind::Untrained | ExtractorKind::UntrainedEncoder))
    }

    /// Whether it learns of the source's images.
    pub fn learns_from_source(&self) -> bool {
        !self.is_untrained() && self.data == Teaches::Source
    }

    /// Whether it learns of the target's images.
    pub fn sees_target(&self) -> bool {
        self.data == Teaches::Target || self.adapts()
    }

    /// Whether the target's images are added to the source's.
    pub fn adapts(&self) -> bool {
        match self.adapt {
            Some(adapt) => adapt == Adapt::OnItself,
            None => self.learns_from_source(),
        }
    }

    /// What tells its network from those that learned otherwise, for a folder's name.
    pub fn key(&self, images: Option<usize>) -> String {
        let images = images.map_or("all".to_string(), |count| count.to_string());
        let parts = [
            self.kind.map(|kind| kind.to_string()),
            self.style.map(|style| style.to_string()),
            (self.data == Teaches::Target).then(|| "target".to_string()),
            self.sees_target().then(|| format!("of-{images}")),
        ];
        parts.into_iter().flatten().map(|part| format!("-{part}")).collect()
    }

    /// What it learns by, of this source.
    pub fn kind(&self, workshop: &Workshop<'_>) -> Result<ExtractorKind> {
        match self.kind {
            Some(kind) => Ok(kind),
            None if self.data == Teaches::Target => Ok(ExtractorKind::Contrastive),
            None => Extraction::by_source(workshop),
        }
    }

    /// The kind of its network: what is untrained is what would have been trained.
    pub fn network(&self, workshop: &Workshop<'_>) -> Result<ExtractorKind> {
        match self.kind(workshop)? {
            ExtractorKind::Untrained => Extraction::by_source(workshop),
            ExtractorKind::UntrainedEncoder => Ok(ExtractorKind::Contrastive),
            kind => Ok(kind),
        }
    }

    fn by_source(workshop: &Workshop<'_>) -> Result<ExtractorKind> {
        Ok(match workshop.source_tells_classes()? {
            true => ExtractorKind::Classifier,
            false => ExtractorKind::Contrastive,
        })
    }

    /// What the source's images are shown as.
    pub fn style(&self, workshop: &Workshop<'_>) -> Result<ExtractorStyle> {
        let colours = workshop.architecture().channels == 3;
        match self.style {
            Some(ExtractorStyle::Colour) if !colours => {
                Err(Error::option("extractor-style", "colour needs a target of 3 channels"))
            }
            Some(ExtractorStyle::Source) => Ok(match workshop.source_data()?.1 {
                Style::None => ExtractorStyle::None,
                Style::Colour => ExtractorStyle::Colour,
            }),
            Some(style) => Ok(style),
            None if colours && workshop.source_is_grey()? => Ok(ExtractorStyle::Scene),
            None => Ok(ExtractorStyle::None),
        }
    }

    /// Refuses what would fail only once it is trained.
    pub fn inspect(&self, workshop: &Workshop<'_>) -> Result<()> {
        if self.data == Teaches::Target {
            return Ok(());
        }
        self.style(workshop)?;
        if self.kind == Some(ExtractorKind::Classifier) && !workshop.source_tells_classes()? {
            let problem =
                "classifier needs a source with labels of two classes or more; contrastive and autoencoder need none";
            return Err(Error::option("extractor", problem));
        }
        Ok(())
    }

    /// The images that are learned from, a domain each.
    fn domains(&self, workshop: &Workshop<'_>) -> Result<Vec<Shown>> {
        let by = (workshop.plan.recipe.batch, workshop.seed());
        let of_target = || Shown::new(workshop.device, workshop.target.clone(), false, ExtractorStyle::None, by);
        if self.data == Teaches::Target {
            return Ok(vec![of_target()]);
        }
        let (data, _) = workshop.source_data()?;
        let (style, grey) = (self.style(workshop)?, workshop.source_is_grey()?);
        let of_source = Shown::new(workshop.device, (*data).clone(), grey, style, by);
        Ok([of_source].into_iter().chain(self.adapts().then(of_target)).collect())
    }

    /// The classifier of the source's scenes, adapted or not: trained, or continued where its folder stands. None where that was
    /// interrupted; as it is drawn where it is not `trained`. Of `known` target images it is taught their classes.
    pub fn classifier(
        &self,
        workshop: &mut Workshop<'_>,
        trained: bool,
        known: Vec<(usize, u32)>,
    ) -> Result<Option<Classifier>> {
        let mut design = design(&workshop.architecture(), NormKind::Batch);
        design.input = Input::Channels;
        let shown = self.domains(workshop)?.remove(0);
        let target = self.adapts().then_some(workshop.target);
        let mut training =
            Recogniser::new(workshop.device, &design, shown, target, known, workshop.plan.feature_steps)?;
        let folder = workshop.folders.classifier.clone();
        let done = !trained || workshop.pretrain(&folder, "classifier", &mut training)?;
        Ok(done.then(|| training.into_classifier()))
    }

    /// An encoder of the target's images, or of the source's, too, that learned without labels.
    pub fn encoder(&self, workshop: &mut Workshop<'_>) -> Result<Option<Encoder>> {
        self.contrastive(workshop, LENGTH)
    }

    fn contrastive(&self, workshop: &mut Workshop<'_>, length: usize) -> Result<Option<Encoder>> {
        let design = design(&workshop.architecture(), NormKind::Layer);
        let training = contrastive(workshop.device, &design, length, self.domains(workshop)?)?;
        learned(workshop, training)
    }

    /// F_s, trained or continued where its folder stands; encoders give features of `length`. None where that was interrupted.
    pub fn extractor(&self, workshop: &mut Workshop<'_>, length: usize) -> Result<Option<Extractor>> {
        let (device, seed) = (workshop.device, workshop.seed());
        // Layer normalisation keeps images apart, so that a feature is the image's alone.
        let design = design(&workshop.architecture(), NormKind::Layer);
        let trained = !self.is_untrained();
        match self.network(workshop)? {
            ExtractorKind::Classifier => {
                Ok(self.classifier(workshop, trained, Vec::new())?.map(Extractor::of_classifier))
            }
            ExtractorKind::Autoencoder => {
                let training = autoencoder(device, &design, length, self.domains(workshop)?);
                Ok(learned(workshop, training)?.map(Extractor::of_encoder))
            }
            ExtractorKind::Contrastive if trained => Ok(self.contrastive(workshop, length)?.map(Extractor::of_encoder)),
            ExtractorKind::Contrastive | ExtractorKind::Untrained | ExtractorKind::UntrainedEncoder => {
                Ok(Some(Extractor::of_encoder(Encoder::new(device, &design, length, seed))))
            }
        }
    }
}

/// The encoder of a training, once it is done. None where that was interrupted.
fn learned<O: Objective>(workshop: &mut Workshop<'_>, mut training: Unlabelled<O>) -> Result<Option<Encoder>> {
    let folder = workshop.folders.features.clone();
    let done = workshop.pretrain(&folder, "features", &mut training)?;
    Ok(done.then(|| training.into_encoder()))
}

/// The shapes of an extractor beside a GAN's: half-widths must be whole.
pub(super) fn design(architecture: &Architecture, norm: NormKind) -> Design {
    let Architecture { size, channels, features, .. } = *architecture;
    Design { size, channels, width: features.next_multiple_of(2), norm, input: Input::Plain }
}

/// F_s, frozen.
#[derive(Debug)]
pub(super) struct Extractor {
    network: Extracts,
    trunk: FrozenTrunk,
}

/// What gives vectors of features.
#[derive(Debug)]
enum Extracts {
    /// A classifier.
    Classifier(Classifier),
    /// An encoder of standardised images.
    Encoder(Encoder),
}

impl Extractor {
    /// A classifier's.
    pub fn of_classifier(classifier: Classifier) -> Extractor {
        Extractor { trunk: classifier.frozen(), network: Extracts::Classifier(classifier) }
    }

    /// An encoder's.
    pub fn of_encoder(encoder: Encoder) -> Extractor {
        Extractor { trunk: encoder.frozen(), network: Extracts::Encoder(encoder) }
    }

    /// The feature vectors of images as they are, row by row, and their length.
    ///
    /// # Errors
    /// The device's first failure.
    pub fn features(&self, images: &Images) -> Result<(Vec<f32>, usize)> {
        match &self.network {
            Extracts::Classifier(classifier) => {
                let said = classifier.predict(images)?;
                Ok((said.features, said.dimensions))
            }
            Extracts::Encoder(encoder) => Ok((encoder.encode(images)?, encoder.length())),
        }
    }

    /// Its parameters and statistics.
    pub fn state(&self) -> Vec<Parameter> {
        match &self.network {
            Extracts::Classifier(classifier) => [classifier.parameters(), classifier.statistics()].concat(),
            Extracts::Encoder(encoder) => encoder.parameters(),
        }
    }
}

impl FeatureMaps for Extractor {
    fn shapes(&self) -> &[[usize; 2]] {
        self.trunk.shapes()
    }

    fn maps(&self, images: &Tensor) -> Vec<Tensor> {
        self.trunk.maps(images)
    }
}

impl FeatureMaps for FrozenTrunk {
    fn shapes(&self) -> &[[usize; 2]] {
        self.shapes()
    }

    fn maps(&self, images: &Tensor) -> Vec<Tensor> {
        self.maps(images)
    }
}
