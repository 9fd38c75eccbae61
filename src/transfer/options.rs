//! The options of methods, each a table of its own, and those of what is learned of the source.

use std::fmt::Debug;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Grafted, Kind, METHODS, Style, Workshop};
use crate::error::{Error, Result, did_you_mean};
use crate::gan::{Augmentation, Recipe};
use crate::options::{About, Options, Range, Takes, Texts, options, words_of};
use crate::words::words;

/// No run makes more steps, and sums of a comparison's do not overflow.
pub const MOST_STEPS: u64 = 1_000_000_000;

options! {
    /// How long, and in which style, a run learns of its source.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Learning {} {
        /// What this arm learns from in place of the run's source: a data set, or a checkpoint
        "source", "SPEC|CHECKPOINT", Takes::Auto(&Takes::Text("a data set or a checkpoint")), "auto", source: Option<String>;
        /// Steps of the source's GAN, where no checkpoint is the source
        "source-steps", "S", Takes::Whole(1, MOST_STEPS), "4000", source_steps: u64;
        /// Steps of a feature extractor or label predictor
        "feature-steps", "S", Takes::Whole(1, MOST_STEPS), "2000", feature_steps: u64;
        /// Learning rate of the source's generator
        "source-lr", "RATE", Takes::Number(Range::Positive), "0.001", source_lr: f64;
        /// Colours for the source's images; auto: colour where a grey source meets a colour target, else none
        "source-style", "STYLE", Takes::Auto(&Takes::OneOf(words_of::<Style>)), "auto", source_style: Option<Style>;
    } {}
}

words! {
    /// What networks start from.
    pub enum Init {
        /// The source's.
        Source = "source",
        /// As they are drawn.
        Fresh = "fresh",
    }
}

/// A table of options, whatever settings it is of.
pub trait Table {
    /// What its options are.
    fn abouts(&self) -> Vec<&'static About>;
    /// Takes the values that are given for them.
    ///
    /// # Errors
    /// [`Error::Option`] where one takes something else.
    fn take_given(&mut self, given: &Texts) -> Result<()>;
    /// Every option's value.
    fn values(&self) -> Texts;
}

impl<T: Options> Table for T {
    fn abouts(&self) -> Vec<&'static About> {
        T::ROWS.iter().map(|row| &row.about).collect()
    }

    fn take_given(&mut self, given: &Texts) -> Result<()> {
        self.take(given)
    }

    fn values(&self) -> Texts {
        self.texts()
    }
}

/// A method with a value for each of its options.
pub trait Choices: Table + Debug {
    /// Refuses options that do not go together.
    ///
    /// # Errors
    /// [`Error::Option`] naming one of them.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Refuses options that would do nothing beside others. Asked where an arm is asked for: runs that have such options go on.
    ///
    /// # Errors
    /// [`Error::Option`] naming one of them.
    fn check_idle(&self) -> Result<()> {
        Ok(())
    }

    /// Whether it learns something of the source's images beside the GAN that a checkpoint can be.
    fn learns_from_images(&self) -> bool {
        false
    }

    /// Whether it shows networks the source's images in the style that its GAN is shown, beside that GAN.
    fn shows_source_style(&self) -> bool {
        false
    }

    /// Whether it sees what a method could not know: it then makes no claim, and is marked.
    fn is_oracle(&self) -> bool {
        false
    }

    /// Steps on the target beyond those of the other arms, given how they learn of the source.
    fn extra_steps(&self, _learning: &Learning) -> u64 {
        0
    }

    /// How images are augmented where the arm says nothing.
    fn augment(&self) -> Vec<Augmentation> {
        Vec::new()
    }

    /// At which mean sign of the discriminator's scores the share of augmented images is held ([`Recipe::ada`](crate::gan::Recipe::ada)) where
    /// the arm says nothing; 0 for all of them.
    fn ada(&self) -> f64 {
        0.0
    }

    /// What tells the extractor and label predictor that it learns from those that another arm learns, of so many target images (all where
    /// None), for folders' names.
    fn extractor_key(&self, _images: Option<usize>) -> String {
        String::new()
    }

    /// Refuses what would fail only behind hours of what [`Choices::prepare`] does; trains and writes nothing.
    ///
    /// # Errors
    /// Layers that cannot be frozen, labels that cannot be had, a source that does not fit; what reading it says.
    fn inspect(&self, _workshop: &mut Workshop<'_>) -> Result<()> {
        Ok(())
    }

    /// Trains, resumes or loads what the method needs before the target, and makes the method of it. None where the run was
    /// interrupted.
    ///
    /// # Errors
    /// What training or reading says; [`Error::Invalid`] where the source does not fit.
    fn prepare(&self, workshop: &mut Workshop<'_>) -> Result<Option<Grafted>>;
}

/// A method's settings as a checkpoint has them, its options in the words of this version.
pub(super) fn renamed(mut settings: Json, read_old: fn(&mut Texts)) -> Json {
    let options = settings.get_mut("options");
    if let Some((options, mut texts)) =
        options.and_then(|options| Texts::deserialize(&*options).ok().map(|texts| (options, texts)))
    {
        read_old(&mut texts);
        *options = json!(texts);
    }
    settings
}

/// Options of the recipe that no arm has: all arms have a run's seed and its data's sizes.
pub(super) const OF_DATA: [&str; 3] = ["seed", "size", "channels"];

/// The options of every method's arms: the recipe's, and how the source is learned.
pub(super) fn of_run() -> impl Iterator<Item = &'static str> {
    let names = Recipe::ROWS.iter().map(|row| row.about.name).filter(|name| !OF_DATA.contains(name));
    names.chain(Learning::ROWS.iter().map(|row| row.about.name))
}

impl Kind {
    /// The method with the given values, and the defaults of the rest.
    ///
    /// # Errors
    /// [`Error::Usage`] where an option is unknown; [`Error::Option`] where one takes something else, or does not go with others.
    pub fn choose(&self, given: &Texts) -> Result<Box<dyn Choices>> {
        let mut choices = (self.new)();
        let known: Vec<&str> = choices.abouts().iter().map(|about| about.name).collect();
        if let Some(unknown) = given.keys().find(|name| !known.contains(&name.as_str())) {
            let has = |kind: &&&Kind| (kind.new)().abouts().iter().any(|about| about.name == *unknown);
            let owners: Vec<String> = METHODS.iter().filter(has).map(|kind| format!("{}'s", kind.name)).collect();
            let meant = match owners.is_empty() {
                true => did_you_mean(unknown, known.iter().copied().chain(of_run())),
                false => format!("; it is {}", owners.join(" and ")),
            };
            let of_every = match owners.is_empty() {
                true => format!(", and of every method {}", of_run().collect::<Vec<_>>().join(", ")),
                false => String::new(),
            };
            let known = if known.is_empty() { "none".to_string() } else { known.join(", ") };
            return Err(Error::Usage(format!(
                "{0} has no option {unknown}{meant}; the options of {0} are {known}{of_every}",
                self.name
            )));
        }
        choices.take_given(given)?;
        choices.check()?;
        Ok(choices)
    }
}
