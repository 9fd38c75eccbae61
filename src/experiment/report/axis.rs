//! The axis of a plot: what range it shows, where its ticks stand, and how values map to it.

use super::number::{decimal, significant};

/// The drawing's own units; the page stretches them to whatever room there is.
pub(super) const WIDTH: f64 = 1000.0;
pub(super) const HEIGHT: f64 = 500.0;

/// About so many intervals between ticks; as many labels fit on a phone.
const INTERVALS: f64 = 5.0;

/// A range of finite values, linear or logarithmic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    pub low: f64,
    pub high: f64,
    pub log: bool,
}

impl Axis {
    /// The axis over values, of which those that it cannot show are left out: what is not finite, and what is not positive
    /// where the axis is logarithmic. One that could show none is linear from 0 to 1.
    pub fn over(values: impl Iterator<Item = f64>, log: bool) -> Axis {
        let shown = values.filter(|value| value.is_finite() && (!log || *value > 0.0));
        let (low, high) = shown.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if low > high {
            return Axis { low: 0.0, high: 1.0, log: false };
        }
        Axis { low, high, log }
    }

    /// The axis with some air at both ends, so that no line runs along its edge.
    pub fn padded(self) -> Axis {
        const AIR: f64 = 0.04;
        if self.log {
            let air = (self.high / self.low).powf(AIR).max(1.05);
            return Axis { low: self.low / air, high: self.high * air, ..self };
        }
        let span = self.high - self.low;
        let least = (self.high.abs().max(self.low.abs()) * 1e-3).max(f64::MIN_POSITIVE);
        let air = if span > 0.0 { (span * AIR).max(least * 1e-3) } else { least * 100.0 };
        // A quantity that is never negative gets an axis that is not, either.
        let low = if self.low >= 0.0 { (self.low - air).max(0.0) } else { self.low - air };
        let high = self.high + if low == self.high { 1.0 } else { air };
        Axis { low, high, ..self }
    }

    /// Where a value stands: 0 at the low end, 1 at the high end; `None` where the axis has no place for it.
    pub fn place(&self, value: f64) -> Option<f64> {
        let place = if self.log {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        // Where the range is a single value, it stands in the middle.
        if self.low == self.high { (value == self.low).then_some(0.5) } else { Some(place).filter(|p| p.is_finite()) }
    }

    /// The values of ticks, with their labels.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        if self.log && self.high / self.low >= 4.0 {
            return self.log_ticks();
        }
        let span = self.high - self.low;
        if span <= 0.0 || !span.is_finite() {
            return vec![(self.low, significant(self.low, 3))];
        }
        let raw = span / INTERVALS;
        let decade = 10f64.powf(raw.log10().floor());
        let step = decade * [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * decade >= raw * 0.999).unwrap_or(10.0);
        let decimals = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
        let first = (self.low / step - 1e-9).ceil();
        let large = self.low.abs().max(self.high.abs()) >= 1e7;
        let label = |value: f64| {
            if large || (decimals > 6 && value != 0.0) { significant(value, 3) } else { decimal(value, decimals) }
        };
        (0..)
            .map(|index| (first + f64::from(index)) * step)
            .take_while(|value| *value <= self.high + step * 1e-9)
            .map(|value| (value, label(value)))
            .collect()
    }

    /// Ticks at 1, 2 and 5 of each decade, or at decades alone, or at every so many decades.
    fn log_ticks(&self) -> Vec<(f64, String)> {
        let decades = (self.high / self.low).log10();
        let within: &[f64] = if decades <= 3.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let every = (decades / INTERVALS).ceil().max(1.0) as i32;
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        (first..=last)
            .filter(|exponent| exponent % every == 0)
            .flat_map(|exponent| within.iter().map(move |digit| digit * 10f64.powi(exponent)))
            .filter(|value| (self.low * (1.0 - 1e-9)..=self.high * (1.0 + 1e-9)).contains(value))
            .map(|value| (value, significant(value, 1)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64, log: bool) -> Vec<String> {
        Axis { low, high, log }.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_numbers_within_the_range() {
        assert_eq!(labels(0.0, 3000.0, false), ["0", "1,000", "2,000", "3,000"]);
        assert_eq!(labels(0.12, 1.07, false), ["0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(-1.0, 1.0, false), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(labels(5.0, 500.0, true), ["5", "10", "20", "50", "100", "200", "500"]);
        assert_eq!(labels(4.0, 1500.0, true), ["5", "10", "20", "50", "100", "200", "500", "1,000"]);
        assert_eq!(labels(1e-4, 1.0, true), ["0.0001", "0.001", "0.01", "0.1", "1"]);
        assert_eq!(labels(90.0, 110.0, true), ["90", "95", "100", "105", "110"]);
        assert_eq!(labels(2.0, 2.0, false), ["2.00"]);
    }

    #[test]
    fn an_axis_shows_what_it_can_and_never_breaks() {
        let axis = Axis::over([f64::NAN, 1.0, f64::INFINITY, 3.0].into_iter(), false);
        assert_eq!((axis.low, axis.high), (1.0, 3.0));
        assert_eq!(
            Axis::over([-1.0, 0.0, 10.0, 1000.0].into_iter(), true),
            Axis { low: 10.0, high: 1000.0, log: true }
        );
        assert_eq!(Axis::over([-1.0, 0.0].into_iter(), true), Axis { low: 0.0, high: 1.0, log: false });
        assert_eq!(Axis { low: 10.0, high: 1000.0, log: true }.place(100.0), Some(0.5));
        assert_eq!(Axis { low: 10.0, high: 1000.0, log: true }.place(-1.0), None);
        for value in [0.0, 5.0, -5.0, 1e-300, 1e300] {
            let axis = Axis::over([value].into_iter(), false).padded();
            assert!(axis.low < axis.high && axis.place(value).is_some_and(|p| (0.0..=1.0).contains(&p)), "{axis:?}");
            assert!(axis.ticks().len() < 20, "{axis:?}");
        }
    }
}
