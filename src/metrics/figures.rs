//! The registry of figures: whatever shows figures of an evaluation, on a terminal or in a report, goes through these rows.

use super::Evaluation;

/// One figure.
#[derive(Clone, Copy, Debug)]
pub struct Figure<T = Evaluation> {
    /// What people call it.
    pub name: &'static str,
    /// How many of its digits are worth reading.
    pub digits: Digits,
    /// Which way is better.
    pub better: Better,
    /// Its value; None where it was not measured.
    pub of: fn(&T) -> Option<f64>,
    /// What it would be by chance; None of what has no such value.
    pub chance: fn(&T) -> Option<f64>,
}

/// How many digits of a value are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digits {
    /// Decimals at least.
    decimals: usize,
    /// Significant digits at least, however small a value is.
    significant: usize,
}

impl Digits {
    /// So many decimals.
    pub const fn fixed(decimals: usize) -> Digits {
        Digits { decimals, significant: 0 }
    }

    /// Of distances, whose scale is that of a judge's features: a decimal, and two significant digits of small ones.
    const OF_DISTANCE: Digits = Digits { decimals: 1, significant: 2 };

    /// The decimals that a value is written with.
    pub fn of(self, value: f64) -> usize {
        /// Below which differences are rounding.
        const MOST: usize = 6;
        if self.significant == 0 {
            return self.decimals;
        }
        let leading = value.abs().log10().floor();
        let wanted = if leading.is_finite() { self.significant as f64 - 1.0 - leading } else { 0.0 };
        self.decimals.max((wanted.max(0.0) as usize).min(MOST))
    }
}

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The lower, as a distance.
    Down,
    /// The higher, as a share of what is right.
    Up,
}

impl Better {
    /// The best of some values; None where there is none.
    pub fn best(self, values: impl Iterator<Item = f64>) -> Option<f64> {
        let order = |a: &f64, b: &f64| a.total_cmp(b);
        match self {
            Better::Down => values.min_by(order),
            Better::Up => values.max_by(order),
        }
    }
}

impl<T> Figure<T> {
    /// A value of it, in digits.
    pub fn text(&self, value: f64) -> String {
        let text = format!("{value:.decimals$}", decimals = self.digits.of(value));
        // What rounds to nothing has no sign.
        match text.strip_prefix('-') {
            Some(rest) if rest.chars().all(|letter| matches!(letter, '0' | '.')) => rest.to_string(),
            _ => text,
        }
    }

    /// The accuracy on real images of a classifier trained on samples, which is no part of an [`Evaluation`]: it takes a training.
    pub const fn gan_train(of: fn(&T) -> Option<f64>, chance: fn(&T) -> Option<f64>) -> Figure<T> {
        Figure { name: "GAN-train", digits: Digits::fixed(3), better: Better::Up, of, chance }
    }
}

const fn row(name: &'static str, decimals: usize, better: Better, of: fn(&Evaluation) -> Option<f64>) -> Figure {
    Figure { name, digits: Digits::fixed(decimals), better, of, chance: |_| None }
}

const fn distance(name: &'static str, of: fn(&Evaluation) -> Option<f64>) -> Figure {
    Figure { digits: Digits::OF_DISTANCE, ..row(name, 1, Better::Down, of) }
}

const CLASS_AS_ASKED: Figure =
    Figure { chance: |e| e.conditional_chance, ..row("class as asked", 3, Better::Up, |e| e.conditional_accuracy) };

/// The headline; [`FrechetDistances::judge_fd`](super::FrechetDistances::judge_fd) of whatever else has one.
pub const JUDGE_FD: Figure = distance("judge-FD", |e| Some(e.distances.frechet.judge_fd));

/// The headline, extrapolated to infinitely many images.
pub const FD_INFINITY: Figure = distance("FD-infinity", |e| e.judge_fd_infinity);

const MEAN_FD: Figure = distance("FD of 3 judges, mean", |e| e.panel.map(|panel| panel.mean));
const DEVIATION: Figure = distance("FD of 3, deviation", |e| e.panel.map(|panel| panel.deviation));
const CLASS_FREE_FD: Figure = row("class-free FD", 3, Better::Down, |e| e.panel.map(|panel| panel.class_free));

/// What a panel says: mean and standard deviation of judge-FD over three judges, and the distance in a space without classes.
pub const OF_PANEL: [Figure; 3] = [MEAN_FD, DEVIATION, CLASS_FREE_FD];

/// The figures of an evaluation, the headline first.
pub const FIGURES: [Figure; 15] = [
    JUDGE_FD,
    FD_INFINITY,
    MEAN_FD,
    DEVIATION,
    CLASS_FREE_FD,
    row("random-FD", 3, Better::Down, |e| Some(e.distances.frechet.random_fd)),
    row("KID", 4, Better::Down, |e| Some(e.kid)),
    row("precision", 3, Better::Up, |e| Some(e.manifold.precision)),
    row("recall", 3, Better::Up, |e| Some(e.manifold.recall)),
    row("density", 3, Better::Up, |e| Some(e.manifold.density)),
    row("coverage", 3, Better::Up, |e| Some(e.manifold.coverage)),
    row("class distance", 3, Better::Down, |e| e.distances.class_distance),
    CLASS_AS_ASKED,
    row("copied, by judge", 3, Better::Down, |e| e.memorisation.map(|copies| copies.judge.copied)),
    row("copied, by pixels", 3, Better::Down, |e| e.memorisation.map(|copies| copies.pixels.copied)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_distances_keep_two_significant_digits_and_shares_their_decimals() {
        let texts = [1234.0, 12.345, 1.0, 0.96, 0.0412, 0.0, -0.31, 1e-9].map(|value| JUDGE_FD.text(value));
        assert_eq!(texts, ["1234.0", "12.3", "1.0", "0.96", "0.041", "0.0", "-0.31", "0.000000"]);
        let coverage = FIGURES.into_iter().find(|figure| figure.name == "coverage").unwrap();
        assert_eq!((coverage.text(0.0012), coverage.text(0.5)), ("0.001".to_string(), "0.500".to_string()));
        assert_eq!([1e-9, -1e-9, -0.25].map(|value| coverage.text(value)), ["0.000", "0.000", "-0.250"]);
    }
}
