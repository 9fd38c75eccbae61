//! The registry of figures: whatever shows figures of an evaluation, on a terminal or in a report, goes through these rows.

use super::Evaluation;

/// One figure.
#[derive(Clone, Copy, Debug)]
pub struct Figure<T = Evaluation> {
    /// What people call it.
    pub name: &'static str,
    /// Decimals that are worth reading.
    pub digits: usize,
    /// Which way is better.
    pub better: Better,
    /// Its value; None where it was not measured.
    pub of: fn(&T) -> Option<f64>,
    /// What it would be by chance; None of what has no such value.
    pub chance: fn(&T) -> Option<f64>,
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
        format!("{value:.digits$}", digits = self.digits)
    }

    /// The accuracy on real images of a classifier trained on samples, which is no part of an [`Evaluation`]: it takes a training.
    pub const fn gan_train(of: fn(&T) -> Option<f64>, chance: fn(&T) -> Option<f64>) -> Figure<T> {
        Figure { name: "GAN-train", digits: 3, better: Better::Up, of, chance }
    }
}

const fn row(name: &'static str, digits: usize, better: Better, of: fn(&Evaluation) -> Option<f64>) -> Figure {
    Figure { name, digits, better, of, chance: |_| None }
}

const CLASS_AS_ASKED: Figure =
    Figure { chance: |e| e.conditional_chance, ..row("class as asked", 3, Better::Up, |e| e.conditional_accuracy) };

/// The headline; [`FrechetDistances::judge_fd`](super::FrechetDistances::judge_fd) of whatever else has one.
pub const JUDGE_FD: Figure = row("judge-FD", 1, Better::Down, |e| Some(e.distances.frechet.judge_fd));

/// The headline, extrapolated to infinitely many images.
pub const FD_INFINITY: Figure = row("FD-infinity", 1, Better::Down, |e| e.judge_fd_infinity);

const MEAN_FD: Figure = row("FD of 3 judges, mean", 1, Better::Down, |e| e.panel.map(|panel| panel.mean));
const DEVIATION: Figure = row("FD of 3, deviation", 1, Better::Down, |e| e.panel.map(|panel| panel.deviation));
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
