//! What goes wrong in a training without being an error: a discriminator that has won or that knows its images by heart, a generator that
//! has collapsed. Each is said once.

use std::collections::VecDeque;
use std::fs;

use super::RunFolder;
use super::metrics::Numbers;
use crate::atomic;
use crate::data::{Dataset, Images};
use crate::error::{Error, Result};
use crate::gan::Scores;

/// Steps over which the discriminator's loss is looked at.
const WINDOW: usize = 500;
/// The mean loss below which it tells all images apart: runs that go well stay above ten times that. Losses that are scores, as
/// Wasserstein's, are no such measure, and below zero as a rule.
const WON: f64 = 0.005;
/// The spread of samples, as a share of that of real images, below which they are nearly alike.
const ALIKE: f64 = 0.1;
/// Looks in a row at which they are, and the step before which images are blurs anyway.
const LOOKS: u32 = 2;
const FROM: u64 = 1000;
/// Where real images that the discriminator has not seen lie, between those it has (0) and made ones (1), from which on it knows its own by
/// heart; looks in a row at which they do; and how much farther than at the best look samples are from real images by then: a
/// discriminator of few images knows them by heart long before that does harm.
const BY_HEART: f64 = 0.9;
const LOOKS_BY_HEART: usize = 3;
const FARTHER: f64 = 1.25;
/// Levels of spread, of 255, below which real images are alike themselves.
const FLAT: f64 = 2.0;

/// The file of a run that lists, a word a line, what was said of it, so that it is said once though the run goes on.
const SAID: &str = "warned";
const HAS_WON: &str = "discriminator-has-won";
const ARE_ALIKE: &str = "samples-are-alike";

/// What was seen of a run so far.
#[derive(Debug, Default)]
pub(super) struct Health {
    losses: VecDeque<f64>,
    alike: u32,
    said_won: bool,
    said_alike: bool,
}

impl Health {
    /// That of a run that goes on at a step.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read.
    pub fn of(folder: &RunFolder, step: u64) -> Result<Health> {
        let path = folder.path().join(SAID);
        if step == 0 {
            atomic::if_there(fs::remove_file(&path)).map_err(Error::io("remove", &path))?;
        }
        let said = atomic::if_there(fs::read_to_string(&path)).map_err(Error::io("read", &path))?.unwrap_or_default();
        let has = |word: &str| said.lines().any(|line| line == word);
        Ok(Health { said_won: has(HAS_WON), said_alike: has(ARE_ALIKE), ..Health::default() })
    }

    /// Writes what was said of a run.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn keep(&self, folder: &RunFolder) -> Result<()> {
        let said = [(self.said_won, HAS_WON), (self.said_alike, ARE_ALIKE)];
        let lines: String = said.iter().filter(|(said, _)| *said).flat_map(|(_, word)| [word, "\n"]).collect();
        atomic::write(&folder.path().join(SAID), lines.as_bytes())
    }

    /// Looks at the numbers of a step; gives what a person should know.
    pub fn of_numbers(&mut self, numbers: &Numbers) -> Option<String> {
        self.losses.push_back(numbers.d_loss);
        if self.losses.len() > WINDOW {
            self.losses.pop_front();
        }
        let mean = self.losses.iter().sum::<f64>() / WINDOW as f64;
        let is_won = self.losses.len() == WINDOW && (0.0..WON).contains(&mean);
        if !is_won || std::mem::replace(&mut self.said_won, true) {
            return None;
        }
        Some(format!(
            "the discriminator has won: for {WINDOW} steps up to {} it tells all images apart (scores {:.1} for real and {:.1} for made ones, a loss \
             of {mean:.1e}), and the generator learns little from it; a smaller rate of the discriminator, R1, augmentation or more images help",
            numbers.step, numbers.real_score, numbers.fake_score
        ))
    }

    /// Looks at samples of a step beside as many of the real images; gives what a person should know.
    pub fn of_samples(&mut self, step: u64, samples: &Images, real: &Dataset) -> Option<String> {
        // From all over: of classes that come in turn even steps may meet one, whose images are alike.
        let (made, own) = (spread(samples), spread(&real.all_over(samples.count).images));
        let is_alike = step >= FROM && own >= FLAT && made < ALIKE * own;
        self.alike = if is_alike { self.alike + 1 } else { 0 };
        if self.alike < LOOKS || std::mem::replace(&mut self.said_alike, true) {
            return None;
        }
        Some(format!(
            "the generator has collapsed: at step {step} its samples are nearly alike (they differ by {:.1} % of what real images do); go back to an \
             earlier checkpoint with smaller rates, another loss, R1 or augmentation",
            100.0 * made / own
        ))
    }
}

/// What was seen of a run at a step on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// The step.
    pub step: u64,
    /// How far samples are from real images that nothing was trained on.
    pub distance: f64,
    /// What the discriminator says of all three.
    pub scores: Scores,
}

/// What a person should know after the last of a run's looks, where it is the first at which its discriminator overfits for long.
pub(crate) fn overfitting(looks: &[Look]) -> Option<String> {
    let overfits = |count: usize| {
        let seen = &looks[..count];
        let best = seen.iter().map(|look| look.distance).fold(f64::INFINITY, f64::min);
        let by_heart = |look: &Look| {
            look.scores.overfitting().is_some_and(|share| share >= BY_HEART) && look.distance >= FARTHER * best
        };
        count >= LOOKS_BY_HEART && seen[count - LOOKS_BY_HEART..].iter().all(by_heart)
    };
    let (last, earlier) = looks.split_last()?;
    if !overfits(looks.len()) || (0..=earlier.len()).any(overfits) {
        return None;
    }
    let best = earlier.iter().min_by(|a, b| a.distance.total_cmp(&b.distance))?;
    Some(format!(
        "the discriminator overfits: at step {} real images that it was not trained on score {:.1}, its own {:.1} and samples {:.1}, and samples are \
         farther from real images ({:.1}) than at step {} ({:.1}); take that step, the best of the run, or more images, augmentation or R1",
        last.step,
        last.scores.held_out,
        last.scores.training,
        last.scores.made,
        last.distance,
        best.step,
        best.distance,
    ))
}

/// The root of the mean variance of a pixel over images, in levels.
fn spread(images: &Images) -> f64 {
    let (count, length) = (images.count as f64, images.bytes_per_image());
    let (mut sums, mut squares) = (vec![0.0; length], vec![0.0; length]);
    for index in 0..images.count {
        for (place, &level) in images.image(index).iter().enumerate() {
            sums[place] += f64::from(level);
            squares[place] += f64::from(level).powi(2);
        }
    }
    let variance = |(sum, square): (&f64, &f64)| (square / count - (sum / count).powi(2)).max(0.0);
    (sums.iter().zip(&squares).map(variance).sum::<f64>() / length as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(step: u64, d_loss: f64) -> Numbers {
        Numbers::of(step, d_loss, [30.0, -12.0])
    }

    #[test]
    fn a_discriminator_that_has_won_for_long_is_told_once() {
        let mut health = Health::default();
        let mut said: Vec<(u64, String)> = Vec::new();
        for step in 1..=3000 {
            // It wins from step 1000 on.
            let loss = if step <= 1000 { 0.3 } else { 1e-5 };
            said.extend(health.of_numbers(&numbers(step, loss)).map(|text| (step, text)));
        }
        assert_eq!(said.len(), 1, "{said:?}");
        let (step, text) = &said[0];
        assert!(
            (1490..=1500).contains(step) && text.contains("scores 30.0 for real and -12.0 for made"),
            "{step}: {text}"
        );
    }

    #[test]
    fn what_was_said_of_a_run_is_not_said_again_when_it_goes_on() {
        let desk = tempfile::tempdir().unwrap();
        let folder = RunFolder::prepare(&desk.path().join("run")).unwrap();
        let told = |health: &mut Health| (1..=600).filter_map(|step| health.of_numbers(&numbers(step, 1e-5))).count();
        let mut health = Health::of(&folder, 0).unwrap();
        assert_eq!(told(&mut health), 1);
        health.keep(&folder).unwrap();
        assert_eq!(told(&mut Health::of(&folder, 600).unwrap()), 0);
        assert_eq!(told(&mut Health::of(&folder, 0).unwrap()), 1, "one that begins again");
    }

    #[test]
    fn a_training_that_goes_well_or_has_a_loss_of_scores_is_not_told_of() {
        let mut health = Health::default();
        // The lowest that trials of the recipe had over so many steps, and a critic's.
        for (step, loss) in (1..=1000).map(|step| (step, 0.046)).chain((1001..=2000).map(|step| (step, -40.0))) {
            assert_eq!(health.of_numbers(&numbers(step, loss)), None);
        }
        // Few steps are no sign.
        let mut health = Health::default();
        assert!((1..500).all(|step| health.of_numbers(&numbers(step, 0.0)).is_none()));
    }

    /// Images of which each pixel is `level` and what `by` says of image and place.
    fn images(by: impl Fn(usize, usize) -> u8) -> Images {
        Images::new([20, 4, 4, 1], (0..20 * 16).map(|place| 100 + by(place / 16, place % 16)).collect())
    }

    #[test]
    fn samples_that_are_nearly_alike_are_told_of_once_and_not_at_first() {
        let real = Dataset::unlabelled("real", images(|image, place| ((image * 37 + place * 11) % 100) as u8));
        let (alike, fine) = (images(|image, place| (image % 2 + place) as u8), images(|image, _| (image * 4) as u8));
        let mut health = Health::default();
        let told = |health: &mut Health, step, samples| health.of_samples(step, samples, &real).is_some();
        assert!([250, 500, 750, 1000].iter().all(|&step| !told(&mut health, step, &alike)), "once is no sign");
        assert!(!told(&mut health, 1250, &fine) && !told(&mut health, 1500, &alike));
        let text = health.of_samples(1750, &alike, &real).unwrap();
        assert!(text.contains("at step 1750") && text.contains("has collapsed"), "{text}");
        assert!(!told(&mut health, 2000, &alike), "said once");
        // Of images that are alike themselves nothing else is to be learned.
        let flat = images(|_, place| place as u8);
        let mut health = Health::default();
        let of_flat = Dataset::unlabelled("flat", flat.clone());
        assert!([1000, 1250, 1500].iter().all(|&step| health.of_samples(step, &flat, &of_flat).is_none()));
    }

    #[test]
    fn real_images_whose_classes_come_in_turn_are_not_alike() {
        // Every tenth is black, and these alone are what steps of ten meet.
        let pixels =
            (0..200 * 16).map(|place| if place / 16 % 10 == 0 { 0 } else { (place * 37 % 251) as u8 }).collect();
        let real = Dataset::unlabelled("real", Images::new([200, 4, 4, 1], pixels));
        let alike = images(|_, place| place as u8);
        let mut health = Health::default();
        assert!(health.of_samples(1000, &alike, &real).is_none() && health.of_samples(1250, &alike, &real).is_some());
    }

    /// A look at which unseen images lie at `share` of the way from images that were trained on to made ones.
    fn look(step: u64, distance: f64, share: f64) -> Look {
        Look { step, distance, scores: Scores { training: 3.0, held_out: 3.0 - 4.0 * share, made: -1.0 } }
    }

    #[test]
    fn a_discriminator_that_overfits_for_long_and_to_harm_is_told_of_once() {
        let looks: Vec<Look> = [
            (4.0, 0.5),
            (2.0, 0.8),
            (2.6, 1.0),
            (2.7, 1.1),
            (2.8, 1.0),
            (2.9, 1.0),
            (2.1, 0.2),
            (3.0, 1.0),
            (3.0, 1.0),
            (3.0, 1.0),
        ]
        .iter()
        .zip(0..)
        .map(|(&(distance, share), at)| look(100 * at, distance, share))
        .collect();
        let told: Vec<u64> =
            (0..=looks.len()).filter_map(|count| overfitting(&looks[..count]).map(|_| looks[count - 1].step)).collect();
        assert_eq!(told, [400], "at the third look in a row, and not again");
        let text = overfitting(&looks[..5]).unwrap();
        assert!(
            text.contains(
                "at step 400 real images that it was not trained on score -1.0, its own 3.0 and samples -1.0"
            ),
            "{text}"
        );
        assert!(text.contains("(2.8) than at step 100 (2.0)"), "{text}");
    }

    #[test]
    fn images_known_by_heart_that_do_no_harm_and_harm_of_another_kind_are_not_told_of() {
        let told = |looks: &[Look]| (0..=looks.len()).any(|count| overfitting(&looks[..count]).is_some());
        // Samples get better all the same.
        let better: Vec<Look> = (0..8).map(|at| look(at, 9.0 - at as f64, 1.2)).collect();
        // They get worse, and unseen images are told from made ones as well as those it has seen.
        let worse: Vec<Look> = (0..8).map(|at| look(at, 2.0 + at as f64, 0.3)).collect();
        // It does not tell its own from made ones: nothing can be said.
        let blind =
            worse.iter().map(|look| Look { scores: Scores { training: -1.0, held_out: -2.0, made: 0.0 }, ..*look });
        assert!(!told(&better) && !told(&worse) && !told(&blind.collect::<Vec<_>>()));
    }
}
