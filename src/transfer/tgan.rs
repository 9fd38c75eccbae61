//! TGAN, transfer of features: a feature extractor F_s that learned on the source, and perhaps went on on the target, says what is in an
//! image, and the target's discriminator is trained on what it says.
//!
//! `min over G_t of E_z[-log D_t(F_s(G_t(z)))]`: D_t is the discriminator of pixels and a head on each of F_s's maps of sides 16, 8 and 4
//! (projected GAN, Sauer 2021), their losses summed. By option G_t makes images of given features: a pair (x_j, f_i) is real where f_i is
//! among the nearest to x_j's features, (G_t(z, f_i), f_i) is made (instance conditioning, Casanova 2021). In the mission text's form f
//! are F_s(x) of source samples x, F_s half of an autoencoder, `min over F_s of E_x ||x - R_s(F_s(x))||^2`, and D_t sees pixels alone.

use rand::RngExt;
use serde_json::{Value as Json, json};

use super::extractor::{
    ADAPT, EXTRACTOR, EXTRACTOR_DATA, EXTRACTOR_STYLE, Extraction, Extractor, ExtractorKind, HEADS, LENGTH, STEERED,
    Teaches, design, with_heads,
};
use super::features::{bank_of, neighbourhood, neighbours};
use super::options::{Choices, Table, renamed};
use super::shown::ExtractorStyle;
use super::start::{COLOUR_BLIND, From, Grafting, Start};
use super::{Grafted, Init, Kind, Workshop};
use crate::data::{Dataset, Images};
use crate::error::{Error, Result};
use crate::gan::{
    Architecture, Augmentation, Bank, BatchConditions, Conditions, FeatureMaps, FeatureSource, Method, Origin,
};
use crate::nn::{NormKind, Parameter};
use crate::options::{Takes, Texts, options, words_of};
use crate::random::{Purpose, generator};
use crate::transfer::surgery::LayerReport;
use crate::words::words;

pub(super) const KIND: Kind = Kind {
    name: "tgan",
    about: "features: the discriminator is trained on what a network that learned on the source sees in images",
    arms: &[
        ("tgan", ""),
        ("tgan-untrained", "extractor=untrained"),
        ("tgan-target", "extractor-data=target"),
        (
            "tgan-mission",
            "bank=source,condition=none,extractor=autoencoder,extractor-style=source,adapt=none,heads=0,g-init=fresh,\
             loss=non-saturating,r1=1,penalty-step=within,d-steps=1,beta1=0.5,ema=0.995,lr=0.0002,d-lr=0.0002",
        ),
        (
            "tgan-0.1",
            "bank=target,condition=instance,extractor=autoencoder,extractor-style=source,adapt=none,heads=0,g-init=source,\
             loss=non-saturating,r1=1,penalty-step=within,d-steps=1,beta1=0.5,ema=0.995,lr=0.0001,d-lr=0.0002",
        ),
    ],
    controls: &[("extractor", "untrained"), ("extractor-data", "target")],
    labelled_source: false,
    read_old,
    new: || Box::new(Options::default()),
};

words! {
    /// Whose features the generator is given.
    enum BankOf {
        /// The target's.
        Target = "target",
        /// The source's, as tgan-mission does.
        Source = "source",
    }
}

words! {
    /// What the discriminator of pixels sees of the features.
    enum Seen {
        /// Those of the image's neighbours.
        Instance = "instance",
        /// Nothing.
        None = "none",
    }
}

options! {
    /// TGAN's options.
    #[derive(Clone, Debug, PartialEq)]
    struct Options {
        /// What the networks start from; the generator's holds for both.
        from: From = From::SOURCE;
        /// How the extractor learns.
        extraction: Extraction = Extraction::USUAL;
        /// The weight of the heads.
        heads: f64 = 1.0;
    } {
        /// Give both networks features of target images, to make what resembles them (IC-GAN)
        "condition", "instance|none", Takes::OneOf(words_of::<Seen>), "none", condition: Seen;
        /// Whose features the generator is given; auto: the target's with condition instance, else none
        "bank", "WORD", Takes::Auto(&Takes::OneOf(words_of::<BankOf>)), "auto", bank: Option<BankOf>;
        /// How the features of samples are drawn: from the bank, from a normal distribution of its mean and covariance, or between
        /// two of its rows
        "feature-source", "WORD", Takes::OneOf(words_of::<FeatureSource>), "bank", feature_source: FeatureSource;
        /// Length of the features that an encoder gives; auto: 64
        "feature-length", "N", Takes::Auto(&Takes::Whole(1, 4096)), "auto", feature_length: Option<usize>;
        /// Neighbours that an instance is drawn from, itself included; 0 for 5 of 100 images, 10 of 1,000
        "neighbours", "N", Takes::Whole(0, u32::MAX as u64), "0", neighbours: usize;
    } {
        /// Start both networks from the source's GAN, or fresh, as tgan-mission does
        "g-init", "INIT", Takes::OneOf(words_of::<Init>), "source", from.generator;
    } {
        EXTRACTOR, extraction.kind;
        EXTRACTOR_STYLE, extraction.style;
        ADAPT, extraction.adapt;
        EXTRACTOR_DATA, extraction.data;
        HEADS, heads;
        COLOUR_BLIND, from.allow_colour_blind;
    }
}

/// Version 0.1 named the options otherwise, and had no heads.
fn read_old(options: &mut Texts) {
    let (seen, encoder) = (options.remove("d-condition"), options.remove("encoder"));
    if seen.is_none() && encoder.is_none() {
        return;
    }
    let extractor = if encoder.as_deref() == Some("untrained") { "untrained-encoder" } else { "autoencoder" };
    options.insert("condition".into(), seen.unwrap_or("instance".into()));
    options.entry("bank".into()).or_insert("target".into());
    let rest =
        [("extractor", extractor), ("extractor-style", "source"), ("adapt", "none"), ("extractor-data", "source")];
    let rest = rest.into_iter().chain([("heads", "0")]);
    options.extend(rest.map(|(name, value)| (name.to_string(), value.to_string())));
}

/// Source images whose features make the bank of `--bank source`.
const SOURCE_BANK: usize = 2048;
/// The step under which the styles of the bank's images are drawn: no training gets there.
const BANK_STEP: u64 = u64::MAX;

/// Whether even steps through a source meet no image of a class that it has, as they may where classes come in turn.
fn misses_classes(source: &Dataset) -> bool {
    let met = |data: &Dataset| data.class_counts().iter().filter(|&&count| count > 0).count();
    met(&source.spaced(SOURCE_BANK)) < met(source)
}

/// The source's images whose features make a bank.
fn images_of_bank(source: &Dataset) -> Dataset {
    if misses_classes(source) { source.all_over(SOURCE_BANK) } else { source.spaced(SOURCE_BANK) }
}

/// Where the features of a round come from.
#[derive(Debug)]
enum Pairing {
    /// Any row of the source's bank.
    Source,
    /// For each target image the rows of its neighbours.
    Target(Vec<Vec<usize>>),
}

/// What the generator is given.
#[derive(Debug)]
struct Given {
    bank: Vec<f32>,
    length: usize,
    pairing: Pairing,
    instance: bool,
    feature_source: FeatureSource,
}

#[derive(Debug)]
struct TGan {
    extractor: Extractor,
    heads: f64,
    start: Option<Start>,
    given: Option<Given>,
    settings: Json,
    seed: u64,
}

impl Options {
    /// Whose features the generator is given, if any.
    fn bank(&self) -> Option<BankOf> {
        self.bank.or((self.condition == Seen::Instance).then_some(BankOf::Target))
    }

    /// The length of an encoder's features.
    fn length(&self) -> usize {
        self.feature_length.unwrap_or(LENGTH)
    }

    /// The shapes of the target's networks.
    fn target(&self, workshop: &Workshop<'_>) -> Result<Architecture> {
        let architecture = workshop.architecture();
        let condition_features = match self.bank() {
            None => 0,
            Some(_) if self.extraction.network(workshop)? == ExtractorKind::Classifier => {
                design(&architecture, NormKind::Batch).features()
            }
            Some(_) => self.length(),
        };
        Ok(Architecture { condition_features, ..architecture })
    }

    fn given(&self, workshop: &Workshop<'_>, extractor: &Extractor, bank: BankOf) -> Result<Given> {
        let (rows, length, pairing) = match bank {
            BankOf::Source => {
                let Architecture { size, channels, .. } = workshop.architecture();
                let (data, style) = workshop.source_data()?;
                let data = images_of_bank(&data);
                let mut values = data.batch(&(0..data.len()).collect::<Vec<_>>());
                style.apply(&mut values, size, workshop.seed(), BANK_STEP);
                let images = Images::from_batch(&values, [data.len(), size, size, channels]);
                let (rows, length) = extractor.features(&images)?;
                (bank_of(&rows, length), length, Pairing::Source)
            }
            BankOf::Target => {
                let (rows, length) = extractor.features(&workshop.target.images)?;
                let bank = bank_of(&rows, length);
                let count = match self.neighbours {
                    0 => neighbourhood(workshop.target.len()),
                    count => count,
                };
                let near = neighbours(&bank, length, count);
                (bank, length, Pairing::Target(near))
            }
        };
        let (instance, feature_source) = (self.condition == Seen::Instance, self.feature_source);
        Ok(Given { bank: rows, length, pairing, instance, feature_source })
    }
}

impl Choices for Options {
    fn check(&self) -> Result<()> {
        self.extraction.check()?;
        if self.bank == Some(BankOf::Source) && self.condition == Seen::Instance {
            let problem = "instance pairs target images with their own features: with bank source say condition none";
            return Err(Error::option("condition", problem));
        }
        let usual = Options::default();
        if self.from.allow_colour_blind {
            let problem = "is of arms that keep layers of the source's discriminator as they are, and TGAN keeps none";
            return Err(Error::option("allow-colour-blind", problem));
        }
        if self.bank == Some(BankOf::Source) && self.neighbours != usual.neighbours {
            return Err(Error::option(
                "neighbours",
                "is for features of target images, and with bank source there are none",
            ));
        }
        if self.bank().is_some() {
            return Ok(());
        }
        let said = [
            ("feature-source", self.feature_source != usual.feature_source),
            ("feature-length", self.feature_length != usual.feature_length),
            ("neighbours", self.neighbours != usual.neighbours),
        ];
        match said.into_iter().find(|(_, said)| *said) {
            Some((name, _)) => {
                Err(Error::option(name, "is for generators that are given features: say condition instance, or a bank"))
            }
            None if self.heads == 0.0 => Err(Error::option(
                "heads",
                "0 leaves the extractor without a use where the generator is given no features",
            )),
            None => Ok(()),
        }
    }

    fn learns_from_images(&self) -> bool {
        self.extraction.data == Teaches::Source || self.bank() == Some(BankOf::Source)
    }

    fn shows_source_style(&self) -> bool {
        let of_extractor =
            self.extraction.data == Teaches::Source && self.extraction.style == Some(ExtractorStyle::Source);
        of_extractor || self.bank() == Some(BankOf::Source)
    }

    fn augment(&self) -> Vec<Augmentation> {
        with_heads(self.heads)
    }

    fn ada(&self) -> f64 {
        if self.heads > 0.0 { STEERED } else { 0.0 }
    }

    fn extractor_key(&self, images: Option<usize>) -> String {
        let length = self.feature_length.map(|length| format!("-{length}"));
        // The predictor of `ctgan-0.1`, which learns otherwise, has the folder of these options without a word for the kind.
        let is_like_a_predictors =
            self.extraction.kind.is_none() && self.extraction.style == Some(ExtractorStyle::Source);
        let kind = if is_like_a_predictors && !self.extraction.sees_target() { "-auto" } else { "" };
        format!("{kind}{}{}", self.extraction.key(images), length.unwrap_or_default())
    }

    fn inspect(&self, workshop: &mut Workshop<'_>) -> Result<()> {
        self.extraction.inspect(workshop)?;
        let classifies = || Ok(self.extraction.network(workshop)? == ExtractorKind::Classifier);
        if self.bank().is_some() && self.feature_length.is_some() && classifies()? {
            let problem = "is an encoder's: a classifier's features have twice the networks' width";
            return Err(Error::option("feature-length", problem));
        }
        if self.from.generator == Init::Fresh {
            return Ok(());
        }
        Grafting::new(&workshop.source_architecture()?, &self.target(workshop)?, self.from).map(drop)
    }

    fn prepare(&self, workshop: &mut Workshop<'_>) -> Result<Option<Grafted>> {
        let (seed, device) = (workshop.seed(), workshop.device);
        let target = self.target(workshop)?;
        let Some(extractor) = self.extraction.extractor(workshop, self.length())? else { return Ok(None) };
        let given = self.bank().map(|bank| self.given(workshop, &extractor, bank)).transpose()?;
        let mut source = None;
        let start = if self.from.generator == Init::Source {
            let Some(gan) = workshop.source_gan()? else { return Ok(None) };
            let start = Start::new(&gan, &target, self.from, device)?;
            source = Some(gan.digest);
            Some(start)
        } else {
            None
        };
        let report = match &start {
            Some(start) => start.report(),
            None => LayerReport::fresh(&target),
        };
        let mut settings = json!({
            "name": KIND.name,
            "options": self.values(),
            "feature-steps": workshop.plan.feature_steps,
            "style": workshop.style_name()?,
            "source": source,
        });
        if self.extraction.kind == Some(ExtractorKind::UntrainedEncoder) {
            // Early builds drew another encoder: the bank would not be that of a checkpoint's run.
            settings["encoder-drawn"] = json!(2);
        }
        if self.bank() == Some(BankOf::Source) && misses_classes(&workshop.source_data()?.0) {
            // Earlier builds took even steps all the same: the bank would not be that of a checkpoint's run.
            settings["bank-drawn"] = json!(2);
        }
        let method = TGan { extractor, heads: self.heads, start, given, settings, seed };
        Ok(Some(Grafted {
            method: Box::new(method),
            classes: 0,
            condition_features: target.condition_features,
            report,
            notes: Vec::new(),
            labeller: None,
        }))
    }
}

impl Given {
    /// The row of the bank that image `place` of a round's batch is paired with.
    fn row(&self, seed: u64, round: u64, place: usize, image: usize) -> usize {
        let mut random = generator(seed, Purpose::Neighbours, round, place as u64);
        match &self.pairing {
            Pairing::Source => random.random_range(0..self.bank.len() / self.length),
            Pairing::Target(near) => near[image][random.random_range(0..near[image].len())],
        }
    }
}

impl Method for TGan {
    fn settings(&self) -> Json {
        self.settings.clone()
    }

    fn read_settings(&self, written: Json) -> Json {
        renamed(written, read_old)
    }

    fn origin(&self) -> Option<&dyn Origin> {
        self.start.as_ref().map(|start| start as &dyn Origin)
    }

    fn conditions(&self, round: u64, indices: &[usize], _data: &Dataset) -> BatchConditions {
        let Some(given) = &self.given else { return BatchConditions::default() };
        let row = |(place, &image): (usize, &usize)| {
            let row = given.row(self.seed, round, place, image);
            &given.bank[row * given.length..][..given.length]
        };
        let rows: Vec<f32> = indices.iter().enumerate().flat_map(row).copied().collect();
        // The null condition's projection <V 0, h> is nothing: so the discriminator does not see features.
        let discriminator = if given.instance { rows.clone() } else { vec![0.0; rows.len()] };
        BatchConditions { generator: Some(rows), discriminator: Some(discriminator) }
    }

    fn sampling(&self, classes: usize, features: usize) -> Conditions {
        let conditions = Conditions::in_turn(classes, features);
        let Some(given) = &self.given else { return conditions };
        let bank = Bank { features: given.bank.clone(), labels: Vec::new() };
        conditions.with_bank(bank).with_feature_source(given.feature_source)
    }

    /// What gave the features that the generator is given. Heads need it, too, but only to train, and then it is in its phase's folder.
    fn networks(&self) -> Vec<(&'static str, Vec<Parameter>)> {
        self.given.iter().map(|_| ("netF", self.extractor.state())).collect()
    }

    fn heads(&self) -> Option<(&dyn FeatureMaps, f64)> {
        (self.heads > 0.0).then_some((&self.extractor as &dyn FeatureMaps, self.heads))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::classifier::{Design, Input};
    use crate::data::Classes;
    use crate::transfer::Arm;
    use crate::transfer::features::Encoder;

    fn tgan(pairing: Pairing, instance: bool) -> TGan {
        let design = Design { size: 32, channels: 1, width: 2, norm: NormKind::Layer, input: Input::Plain };
        let extractor = Extractor::of_encoder(Encoder::new(&Device::cpu(), &design, 2, 0));
        let bank = vec![1.0, 1.0, -1.0, 1.0, 1.0, -1.0];
        let given = Given { bank, length: 2, pairing, instance, feature_source: FeatureSource::Bank };
        TGan { extractor, heads: 0.0, start: None, given: Some(given), settings: Json::Null, seed: 3 }
    }

    fn no_data() -> Dataset {
        Dataset::unlabelled("none", Images::new([0, 1, 1, 1], Vec::new()))
    }

    #[test]
    fn an_image_is_paired_with_features_of_its_neighbours_and_both_networks_see_the_same() {
        let tgan = tgan(Pairing::Target(vec![vec![0, 2], vec![1], vec![2, 0]]), true);
        let mut seen = std::collections::BTreeSet::new();
        for round in 0..40 {
            let conditions = tgan.conditions(round, &[1, 0], &no_data());
            assert_eq!(conditions.generator, conditions.discriminator);
            let rows = conditions.generator.unwrap();
            assert_eq!(rows[..2], [-1.0, 1.0], "image 1 has itself alone");
            seen.insert(rows[2..].iter().map(|v| *v as i32).collect::<Vec<_>>());
        }
        assert_eq!(seen, [vec![1, 1], vec![1, -1]].into_iter().collect(), "image 0 has itself and image 2");
    }

    #[test]
    fn the_missions_generator_gets_any_source_features_and_its_discriminator_none() {
        let tgan = tgan(Pairing::Source, false);
        let mut seen = std::collections::BTreeSet::new();
        for round in 0..60 {
            let conditions = tgan.conditions(round, &[0], &no_data());
            assert_eq!(conditions.discriminator, Some(vec![0.0, 0.0]));
            seen.insert(conditions.generator.unwrap().iter().map(|v| *v as i32).collect::<Vec<_>>());
        }
        assert_eq!(seen.len(), 3, "every row of the bank");
    }

    #[test]
    fn a_bank_has_images_of_each_class_though_they_come_in_turn() {
        let in_turn = |count: usize, classes: usize| {
            let labels = (0..count).map(|image| (image % classes) as u32).collect();
            let images = Images::new([count, 1, 1, 1], vec![0; count]);
            Dataset::labelled("set", images, labels, Classes::numbered(0..classes))
        };
        // Steps of two, and of two and a half.
        for (count, classes) in [(2 * SOURCE_BANK, 2), (5 * SOURCE_BANK / 2, 10)] {
            let set = in_turn(count, classes);
            assert!(misses_classes(&set));
            let (bank, share) = (images_of_bank(&set), SOURCE_BANK / classes);
            let counts = bank.class_counts();
            assert!(bank.len() == SOURCE_BANK && counts.iter().all(|of| of.abs_diff(share) < share / 2), "{counts:?}");
        }
        for count in [10_000, 60_000] {
            let set = in_turn(count, 10);
            assert!(
                !misses_classes(&set) && images_of_bank(&set).labels == set.spaced(SOURCE_BANK).labels,
                "as it ever was"
            );
        }
    }

    #[test]
    fn the_extractor_of_options_that_are_a_predictors_too_has_a_folder_of_its_own() {
        let key = |arm: &str| Arm::parse(arm).unwrap().choices().unwrap().extractor_key(Some(100));
        assert_eq!(key("ctgan-0.1"), "-source");
        assert_eq!(key("tgan{extractor-style=source,adapt=none}"), "-auto-source");
        // What no predictor learns by keeps its folder.
        assert_eq!(key("tgan{extractor-style=source}"), "-source-of-100");
        assert_eq!(key("tgan-0.1"), "-autoencoder-source");
        assert_eq!(key("tgan"), key("ctgan"), "both have the same classifier");
    }

    #[test]
    fn options_that_have_no_use_are_refused() {
        let refused = |given: &[(&str, &str)]| {
            let given: Texts = given.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
            KIND.choose(&given).unwrap_err().to_string()
        };
        for given in [("neighbours", "5"), ("feature-source", "mix"), ("feature-length", "32")] {
            assert!(refused(&[given]).contains("given features"), "{given:?}");
        }
        assert!(refused(&[("heads", "0")]).contains("without a use"));
        assert!(refused(&[("adapt", "self"), ("extractor", "untrained")]).contains("untrained"));
        assert!(refused(&[("adapt", "self"), ("extractor-data", "target")]).contains("there are none"));
        assert!(refused(&[("extractor-data", "target"), ("extractor", "classifier")]).contains("no labels"));
        assert!(refused(&[("extractor-data", "target"), ("extractor-style", "scene")]).contains("there are none"));
        assert!(refused(&[("bank", "source"), ("condition", "instance")]).contains("condition none"));
        assert!(refused(&[("bank", "source"), ("neighbours", "7")]).contains("there are none"));
        assert!(refused(&[("allow-colour-blind", "true")]).contains("TGAN keeps none"));
    }
}
