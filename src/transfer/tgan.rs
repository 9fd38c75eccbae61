//! TGAN, transfer of features: an encoder F_s that learned on the source says what each target image is, and G_t makes images
//! of given features.
//!
//! `min over F_s of E_x ||x - R_s(F_s(x))||^2`, then `min over G_t of E_z[-log D_t(G_t(z, f))]`. By default f is of the target: a pair
//! (x_j, f_i) is real where f_i is among the nearest to x_j's features, (G_t(z, f_i), f_i) is made (instance conditioning, Casanova
//! 2021). The mission text's f are F_s(x) of source samples x, which D_t does not see.

use rand::RngExt;
use serde_json::{Value as Json, json};

use super::features::{Autoencoder, Encoder, bank_of, neighbourhood, neighbours};
use super::options::{Choices, Table};
use super::start::{COLOUR_BLIND, From, Grafting, Start};
use super::{Grafted, Init, Kind, RATE, Workshop};
use crate::classifier::Design;
use crate::data::{Dataset, Images};
use crate::error::{Error, Result};
use crate::gan::{Architecture, Bank, BatchConditions, Conditions, FeatureSource, Method, Origin};
use crate::nn::{NormKind, Parameter};
use crate::options::{Takes, options, words_of};
use crate::random::{Purpose, generator};
use crate::transfer::surgery::LayerReport;
use crate::words::words;

/// The generator's rate where it starts from the source's; with it the default won the trials (`docs/results.md`).
const RATE_FROM_SOURCE: f64 = 1e-4;

pub(super) const KIND: Kind = Kind {
    name: "tgan",
    about: "features: an encoder trained on the source conditions both networks on what each image shows",
    arms: &[
        ("tgan", ""),
        ("tgan-mission", "bank=source,d-condition=none,g-init=fresh"),
        ("tgan-untrained", "encoder=untrained"),
    ],
    control: Some(("encoder", "untrained")),
    labelled_source: false,
    new: || Box::new(Options::default()),
};

words! {
    /// Whose features the generator is given.
    enum BankOf {
        /// The target's.
        Target = "target",
        /// The source's: the mission text's.
        Source = "source",
    }
}

words! {
    /// What the discriminator sees of the features.
    enum Seen {
        /// Those of the image's neighbours.
        Instance = "instance",
        /// Nothing: the mission text's.
        None = "none",
    }
}

words! {
    /// What became of the encoder.
    enum EncoderKind {
        /// It learned on the source.
        Trained = "trained",
        /// It is as it was drawn: a control.
        Untrained = "untrained",
    }
}

options! {
    /// TGAN's options.
    #[derive(Clone, Debug, PartialEq)]
    struct Options {
        /// What the networks start from; the generator's holds for both.
        from: From = From::SOURCE;
    } {
        /// Whose features the generator is given; source is the mission text's
        "bank", "WORD", Takes::OneOf(words_of::<BankOf>), "target", bank: BankOf;
        /// Whether the discriminator sees the features too; none is the mission text's
        "d-condition", "WORD", Takes::OneOf(words_of::<Seen>), "instance", d_condition: Seen;
        /// Train the encoder on the source, or leave it as it is drawn: a control
        "encoder", "WORD", Takes::OneOf(words_of::<EncoderKind>), "trained", encoder: EncoderKind;
        /// How the features of samples are drawn: from the bank, from a normal distribution of its mean and covariance, or between
        /// two of its rows
        "feature-source", "WORD", Takes::OneOf(words_of::<FeatureSource>), "bank", feature_source: FeatureSource;
        /// Length of the features
        "feature-length", "N", Takes::Whole(1, 4096), "64", feature_length: usize;
        /// Neighbours that an instance is drawn from, itself included; 0 for 5 of 100 images, 10 of 1,000
        "neighbours", "N", Takes::Whole(0, u32::MAX as u64), "0", neighbours: usize;
    } {
        /// Start both networks from the source's GAN, or fresh; fresh is the mission text's
        "g-init", "INIT", Takes::OneOf(words_of::<Init>), "source", from.generator;
    } {
        COLOUR_BLIND, from.allow_colour_blind;
    }
}

/// Source images whose features make the bank of `--bank source`.
const SOURCE_BANK: usize = 2048;
/// The step under which the styles of the bank's images are drawn: no training gets there.
const BANK_STEP: u64 = u64::MAX;

/// Where the features of a round come from.
#[derive(Debug)]
enum Pairing {
    /// Any row of the source's bank.
    Source,
    /// For each target image the rows of its neighbours.
    Target(Vec<Vec<usize>>),
}

#[derive(Debug)]
struct TGan {
    encoder: Encoder,
    start: Option<Start>,
    bank: Vec<f32>,
    length: usize,
    pairing: Pairing,
    instance: bool,
    feature_source: FeatureSource,
    settings: Json,
    seed: u64,
}

impl Options {
    /// The shapes of the target's networks, which are given features.
    fn target(&self, architecture: Architecture) -> Architecture {
        Architecture { condition_features: self.feature_length, ..architecture }
    }
}

impl Choices for Options {
    fn check(&self) -> Result<()> {
        if self.bank == BankOf::Source && self.d_condition == Seen::Instance {
            let problem = "instance pairs target images with their own features: with bank source say d-condition none";
            return Err(Error::option("d-condition", problem));
        }
        Ok(())
    }

    fn learns_from_images(&self) -> bool {
        self.encoder == EncoderKind::Trained || self.bank == BankOf::Source
    }

    fn rate(&self) -> f64 {
        if self.from.generator == Init::Source { RATE_FROM_SOURCE } else { RATE }
    }

    fn inspect(&self, workshop: &mut Workshop<'_>) -> Result<()> {
        if self.from.generator == Init::Fresh {
            return Ok(());
        }
        let target = self.target(workshop.architecture());
        Grafting::new(&workshop.source_architecture()?, &target, self.from).map(drop)
    }

    fn prepare(&self, workshop: &mut Workshop<'_>) -> Result<Option<Grafted>> {
        let length = self.feature_length;
        let (architecture, seed, device) = (workshop.architecture(), workshop.seed(), workshop.device);
        let Architecture { size, channels, features, .. } = architecture;
        // Half-widths must be whole. Layer normalisation keeps images apart, so that a feature is the image's alone.
        let design = Design { size, channels, width: features.next_multiple_of(2), norm: NormKind::Layer };
        let target = self.target(architecture);
        let encoder = if self.encoder == EncoderKind::Untrained {
            Encoder::new(device, &design, length, seed)
        } else {
            let batch = workshop.plan.recipe.batch;
            let (data, style) = workshop.source_data()?;
            let mut training = Autoencoder::new(device, &design, length, (*data).clone(), style, batch, seed);
            let folder = workshop.folders.features.clone();
            if !workshop.pretrain(&folder, "features", &mut training)? {
                return Ok(None);
            }
            training.into_encoder()
        };

        let (bank, pairing) = if self.bank == BankOf::Source {
            let (data, style) = workshop.source_data()?;
            let data = data.spaced(SOURCE_BANK);
            let mut values = data.batch(&(0..data.len()).collect::<Vec<_>>());
            style.apply(&mut values, size, seed, BANK_STEP);
            let images = Images::from_batch(&values, [data.len(), size, size, channels]);
            (bank_of(&encoder.encode(&images)?, length), Pairing::Source)
        } else {
            let bank = bank_of(&encoder.encode(&workshop.target.images)?, length);
            let count = match self.neighbours {
                0 => neighbourhood(workshop.target.len()),
                count => count,
            };
            let near = neighbours(&bank, length, count);
            (bank, Pairing::Target(near))
        };

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
        if self.encoder == EncoderKind::Untrained {
            // Builds from before this field drew another encoder: the bank would not be that of a checkpoint's run.
            settings["encoder-drawn"] = json!(2);
        }
        let (instance, feature_source) = (self.d_condition == Seen::Instance, self.feature_source);
        let method = TGan { encoder, start, bank, length, pairing, instance, feature_source, settings, seed };
        Ok(Some(Grafted {
            method: Box::new(method),
            classes: 0,
            condition_features: length,
            report,
            notes: Vec::new(),
        }))
    }
}

impl TGan {
    /// The row of the bank that image `place` of a round's batch is paired with.
    fn row(&self, round: u64, place: usize, image: usize) -> usize {
        let mut random = generator(self.seed, Purpose::Neighbours, round, place as u64);
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

    fn origin(&self) -> Option<&dyn Origin> {
        self.start.as_ref().map(|start| start as &dyn Origin)
    }

    fn conditions(&self, round: u64, indices: &[usize], _data: &Dataset) -> BatchConditions {
        let row = |(place, &image): (usize, &usize)| {
            let row = self.row(round, place, image);
            &self.bank[row * self.length..][..self.length]
        };
        let rows: Vec<f32> = indices.iter().enumerate().flat_map(row).copied().collect();
        // The null condition's projection <V 0, h> is nothing: so the discriminator does not see features.
        let discriminator = if self.instance { rows.clone() } else { vec![0.0; rows.len()] };
        BatchConditions { generator: Some(rows), discriminator: Some(discriminator) }
    }

    fn sampling(&self, classes: usize, features: usize) -> Conditions {
        let bank = Bank { features: self.bank.clone(), labels: Vec::new() };
        Conditions::in_turn(classes, features).with_bank(bank).with_feature_source(self.feature_source)
    }

    fn networks(&self) -> Vec<(&'static str, Vec<Parameter>)> {
        vec![("netF", self.encoder.parameters())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;

    fn tgan(pairing: Pairing, instance: bool) -> TGan {
        let design = Design { size: 32, channels: 1, width: 2, norm: NormKind::Layer };
        let encoder = Encoder::new(&Device::cpu(), &design, 2, 0);
        let bank = vec![1.0, 1.0, -1.0, 1.0, 1.0, -1.0];
        let feature_source = FeatureSource::Bank;
        TGan { encoder, start: None, bank, length: 2, pairing, instance, feature_source, settings: Json::Null, seed: 3 }
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
}
