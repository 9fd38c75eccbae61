//! Student's t, paired intervals and Holm's correction.

use serde::Serialize;

/// The share of Student's t distribution with `freedom` degrees of freedom that lies below `t`.
///
/// For whole degrees of freedom it is a finite sum (Abramowitz & Stegun 26.7.3 and 26.7.4).
///
/// # Panics
/// Where `freedom` is 0.
#[track_caller]
pub fn student_below(t: f64, freedom: usize) -> f64 {
    assert!(freedom > 0, "student_below: no degrees of freedom");
    let angle = t.atan2((freedom as f64).sqrt());
    let (sine, cosine) = angle.sin_cos();
    // Each term from the one before: cos^k for k = 0, 2, .. or 1, 3, .., with factors (k - 1) / k.
    let odd = freedom % 2 == 1;
    let (mut term, mut sum) = if odd { (cosine, 0.0) } else { (1.0, 0.0) };
    for k in (if odd { 1 } else { 0 }..freedom - 1).step_by(2) {
        sum += term;
        term *= cosine * cosine * (k + 1) as f64 / (k + 2) as f64;
    }
    let central = if odd { (angle + sine * sum) * std::f64::consts::FRAC_2_PI } else { sine * sum };
    0.5 + 0.5 * central
}

/// The place below which a `share` of Student's t distribution lies.
///
/// # Panics
/// Where `freedom` is 0, or `share` is not between 0 and 1.
#[track_caller]
pub fn student_quantile(share: f64, freedom: usize) -> f64 {
    assert!(share > 0.0 && share < 1.0, "student_quantile: a share of {share}");
    let (mut low, mut high) = (-1.0, 1.0);
    while student_below(low, freedom) > share {
        low *= 2.0;
    }
    while student_below(high, freedom) < share {
        high *= 2.0;
    }
    loop {
        let middle = 0.5 * (low + high);
        // Until no number lies between them.
        if middle <= low || middle >= high {
            return middle;
        }
        if student_below(middle, freedom) < share {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// What paired log ratios say of their mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Paired {
    /// The mean log ratio.
    pub mean: f64,
    /// Its 95 % t-interval.
    pub interval: [f64; 2],
    /// The one-sided p value of a mean below 0: its chance were the mean 0.
    pub below: f64,
    /// That of a mean above 0.
    pub above: f64,
    /// The standard error of the mean.
    pub error: f64,
    /// The degrees of freedom of the test.
    pub freedom: usize,
}

impl Paired {
    /// The one-sided p value of a mean below `bound`: its chance were the mean `bound`.
    pub fn p_below(&self, bound: f64) -> f64 {
        student_below(self.t(bound), self.freedom)
    }

    /// That of a mean above `bound`.
    pub fn p_above(&self, bound: f64) -> f64 {
        student_below(-self.t(bound), self.freedom)
    }

    /// How many standard errors the mean lies above `bound`.
    fn t(&self, bound: f64) -> f64 {
        if self.mean == bound { 0.0 } else { (self.mean - bound) / self.error }
    }
}

/// The t-test of a mean of 0 and the 95 % interval; none for fewer than two ratios.
///
/// `shared` is a variance that all ratios have in common, which no further ratio lessens; degrees of freedom are then Satterthwaite's (1946),
/// rounded down. Where all ratios are equal and it is 0 the interval is a point, and the p values are 0 and 1, or both one half for ratios of 0.
pub fn paired(ratios: &[f64], shared: f64) -> Option<Paired> {
    /// More degrees of freedom are no other distribution.
    const MOST: f64 = 1000.0;
    let (count, own) = (ratios.len() as f64, ratios.len().checked_sub(1)?);
    if own == 0 {
        return None;
    }
    let mean = ratios.iter().sum::<f64>() / count;
    let of_ratios = ratios.iter().map(|ratio| (ratio - mean).powi(2)).sum::<f64>() / own as f64 / count;
    let error = (of_ratios + shared).sqrt();
    let freedom = match shared > 0.0 {
        true => ((1.0 + shared / of_ratios).powi(2) * own as f64).min(MOST) as usize,
        false => own,
    };
    let half = student_quantile(0.975, freedom) * error;
    let test = Paired { mean, interval: [mean - half, mean + half], below: 0.5, above: 0.5, error, freedom };
    Some(Paired { below: test.p_below(0.0), above: test.p_above(0.0), ..test })
}

/// Holm's step-down correction (1979): p values that may each be held against a level, while the chance that any true
/// hypothesis among them falls below it stays within that level, however they depend on each other.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut largest = 0.0f64;
    for (rank, &index) in order.iter().enumerate() {
        largest = largest.max(p[index] * (p.len() - rank) as f64).min(1.0);
        adjusted[index] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_multiplies_the_least_by_their_number_and_keeps_the_order() {
        let near = |found: Vec<f64>, expected: &[f64]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15), "{found:?} {expected:?}");
        };
        near(holm(&[0.01, 0.04, 0.03, 0.005]), &[0.03, 0.06, 0.06, 0.02]);
        near(holm(&[0.5, 0.6, 0.02]), &[1.0, 1.0, 0.06]);
        near(holm(&[0.03]), &[0.03]);
        assert!(holm(&[]).is_empty());
    }

    /// What all ratios share is added to the variance of their mean, and no number of them takes it away.
    #[test]
    fn a_shared_variance_widens_the_interval_and_adds_degrees_of_freedom() {
        let (alone, shared) =
            (paired(&[-0.1, -0.2, -0.3], 0.0).unwrap(), paired(&[-0.1, -0.2, -0.3], 0.01 / 3.0).unwrap());
        assert!((shared.error / alone.error - 2f64.sqrt()).abs() < 1e-12);
        // Of equal parts, one of two degrees of freedom: (1 + 1)^2 * 2.
        assert_eq!((alone.freedom, shared.freedom, shared.mean), (2, 8, alone.mean));
        let equal = paired(&[0.7; 3], 1.0).unwrap();
        assert!(equal.error == 1.0 && equal.freedom == 1000 && (equal.above - 0.242).abs() < 1e-3, "{equal:?}");
        assert_eq!(paired(&[0.7; 3], 0.0).unwrap().above, 0.0);
    }

    /// Ratios -0.1, -0.2, -0.3: mean -0.2, deviation 0.1, error 0.1 / sqrt 3, t -3.4641, quantile 4.30265.
    #[test]
    fn an_interval_is_what_a_hand_computes() {
        let found = paired(&[-0.1, -0.2, -0.3], 0.0).unwrap();
        assert!((found.mean + 0.2).abs() < 1e-15);
        assert!(
            (found.interval[0] + 0.448414).abs() < 1e-6 && (found.interval[1] - 0.048414).abs() < 1e-6,
            "{found:?}"
        );
        assert!((found.below - 0.037090).abs() < 1e-6 && (found.above - 0.962910).abs() < 1e-6, "{found:?}");
        // One standard error above the mean: with two degrees of freedom 1/2 + 1 / (2 sqrt 3) lies below it.
        let bound = -0.2 + 0.1 / 3f64.sqrt();
        assert!((found.p_above(bound) - 0.788675).abs() < 1e-6 && (found.p_below(bound) - 0.211325).abs() < 1e-6);
    }

    #[test]
    fn one_ratio_has_no_interval_and_equal_ones_a_point() {
        assert_eq!((paired(&[], 0.0), paired(&[0.3], 0.0)), (None, None));
        let equal = paired(&[0.0; 4], 0.0).unwrap();
        assert_eq!((equal.interval, equal.below, equal.above), ([0.0, 0.0], 0.5, 0.5));
        let better = paired(&[-0.5; 4], 0.0).unwrap();
        assert_eq!((better.interval, better.below, better.above), ([-0.5, -0.5], 0.0, 1.0));
    }
}
