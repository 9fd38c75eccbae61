//! One line of a plot: its points, thinned to what a screen can show, and what lies faintly behind it.

use super::axis::{Axis, HEIGHT, WIDTH};

/// Lines of more points are thinned to the extremes of so many columns.
const COLUMNS: usize = 400;
/// A smoothed line is the mean over this share of its points to either side of each.
const HALF_WINDOW_SHARE: usize = 100;
/// Of a smoothed series' single values, this share at either end does not stretch the axis.
const OUTLIERS: f64 = 0.005;

/// Named points (x, y), in the order of x.
#[derive(Clone, Debug)]
pub struct Series {
    name: String,
    points: Vec<(f64, f64)>,
    band: Vec<(f64, f64, f64)>,
    smoothed: Option<Smoothed>,
}

#[derive(Clone, Debug)]
struct Smoothed {
    half_window: usize,
    means: Vec<(f64, f64)>,
}

/// Paths in the drawing's units.
#[derive(Debug, Default)]
pub(super) struct Drawn {
    pub line: String,
    pub dots: String,
    pub areas: Vec<String>,
}

impl Series {
    /// A series through these points. A value that is not finite leaves a gap.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Series {
        let points = points.into_iter().filter(|point| point.0.is_finite()).collect();
        Series { name: name.into(), points, band: Vec::new(), smoothed: None }
    }

    /// With an area behind the line from `low` to `high`, given as (x, low, high): a confidence interval, say.
    pub fn band(mut self, band: impl IntoIterator<Item = (f64, f64, f64)>) -> Series {
        self.band = band.into_iter().collect();
        self
    }

    /// Drawn as a moving mean, with the span of the single values faintly behind it, where there are many: for what is
    /// noisy from step to step.
    pub fn smoothed(mut self) -> Series {
        let half_window = self.points.len() / HALF_WINDOW_SHARE;
        if half_window > 0 {
            self.smoothed = Some(Smoothed { half_window, means: moving_mean(&self.points, half_window) });
        }
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn points(&self) -> &[(f64, f64)] {
        &self.points
    }

    /// How many values a mean is over, where the line is smoothed.
    pub(super) fn window(&self) -> Option<usize> {
        self.smoothed.as_ref().map(|smoothed| 2 * smoothed.half_window + 1)
    }

    /// The values that the y axis must show.
    pub(super) fn extent(&self) -> Vec<f64> {
        let band = self.band.iter().flat_map(|&(_, low, high)| [low, high]);
        let Some(smoothed) = &self.smoothed else {
            return self.points.iter().map(|point| point.1).chain(band).collect();
        };
        let mut values: Vec<f64> = self.points.iter().map(|point| point.1).filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let cut = (values.len() as f64 * OUTLIERS) as usize;
        let usual = values.get(cut..values.len() - cut).unwrap_or_default();
        let ends = [usual.first(), usual.last()].into_iter().flatten().copied();
        smoothed.means.iter().map(|mean| mean.1).chain(ends).chain(band).collect()
    }

    pub(super) fn draw(&self, x: &Axis, y: &Axis) -> Drawn {
        let mut drawn = Drawn::default();
        drawn.areas.extend(area(&self.band, x, y));
        let line = match &self.smoothed {
            Some(smoothed) => {
                drawn.areas.extend(area(&spans(&self.points), x, y));
                thinned(&smoothed.means)
            }
            None => thinned(&self.points),
        };
        let mut pen = 'M';
        for (place, value) in line {
            let Some((left, top)) = position(place, value, x, y) else {
                pen = 'M';
                continue;
            };
            drawn.line += &format!("{pen}{left:.1} {top:.1}");
            drawn.dots += &format!("M{left:.1} {top:.1}h0");
            pen = 'L';
        }
        drawn
    }
}

fn position(place: f64, value: f64, x: &Axis, y: &Axis) -> Option<(f64, f64)> {
    // Far outside, browsers lose precision; just outside is as invisible.
    let top = 1.0 - y.place(value).filter(|_| value.is_finite())?.clamp(-1.0, 2.0);
    Some((WIDTH * x.place(place)?, HEIGHT * top))
}

/// The polygon between the lows and the highs of (x, low, high), one for each stretch without a gap.
fn area(band: &[(f64, f64, f64)], x: &Axis, y: &Axis) -> Option<String> {
    let mut path = String::new();
    let corners: Vec<_> = band
        .iter()
        .map(|&(place, low, high)| {
            // A band that reaches below what a logarithmic axis shows goes to the axis' foot.
            let low = if y.log { low.max(y.low) } else { low };
            Some((position(place, low, x, y)?, position(place, high, x, y)?))
        })
        .collect();
    for stretch in corners.split(Option::is_none) {
        let there = stretch.iter().flatten().map(|corner| corner.1);
        let back = stretch.iter().rev().flatten().map(|corner| corner.0);
        for (index, (left, top)) in there.chain(back).enumerate() {
            path += &format!("{}{left:.1} {top:.1}", if index == 0 { 'M' } else { 'L' });
        }
        path += if stretch.is_empty() { "" } else { "Z" };
    }
    (!path.is_empty()).then_some(path)
}

/// Points in at most [`COLUMNS`] columns of equal numbers of points.
fn columns(points: &[(f64, f64)]) -> impl Iterator<Item = &[(f64, f64)]> {
    points.chunks(points.len().div_ceil(COLUMNS).max(1))
}

/// (x, least, greatest) of each column; the whole column's x is its middle's.
fn spans(points: &[(f64, f64)]) -> Vec<(f64, f64, f64)> {
    let span = |column: &[(f64, f64)]| {
        let finite = column.iter().map(|point| point.1).filter(|value| value.is_finite());
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        (column[column.len() / 2].0, low, high)
    };
    columns(points).map(span).collect()
}

/// The points, or of each column the least and the greatest, in their order, so that no peak is lost.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= 2 * COLUMNS {
        return points.to_vec();
    }
    let extremes = |column: &[(f64, f64)]| {
        let finite = || column.iter().enumerate().filter(|(_, point)| point.1.is_finite());
        let least = finite().min_by(|a, b| a.1.1.total_cmp(&b.1.1));
        let greatest = finite().max_by(|a, b| a.1.1.total_cmp(&b.1.1));
        let mut kept: Vec<usize> = least.into_iter().chain(greatest).map(|(index, _)| index).collect();
        kept.sort_unstable();
        kept.dedup();
        // A column in which nothing is finite stays a gap.
        if kept.is_empty() { vec![column[0]] } else { kept.into_iter().map(|index| column[index]).collect() }
    };
    columns(points).flat_map(extremes).collect()
}

/// The mean of the finite values up to `half` to either side of each point.
fn moving_mean(points: &[(f64, f64)], half: usize) -> Vec<(f64, f64)> {
    let mut sums = vec![(0.0, 0usize)];
    for point in points {
        let (sum, count) = sums[sums.len() - 1];
        sums.push(if point.1.is_finite() { (sum + point.1, count + 1) } else { (sum, count) });
    }
    let mean = |index: usize| {
        let (from, to) = (index.saturating_sub(half), (index + half + 1).min(points.len()));
        let count = sums[to].1 - sums[from].1;
        if count == 0 { f64::NAN } else { (sums[to].0 - sums[from].0) / count as f64 }
    };
    (0..points.len()).map(|index| (points[index].0, mean(index))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: Axis = Axis { low: 0.0, high: 1.0, log: false };

    #[test]
    fn a_line_goes_through_its_points_and_breaks_at_gaps() {
        let points = [(0.0, 0.0), (0.25, 1.0), (0.5, f64::NAN), (0.75, 0.5), (1.0, 0.5)];
        let drawn = Series::new("s", points).draw(&UNIT, &UNIT);
        assert_eq!(drawn.line, "M0.0 500.0L250.0 0.0M750.0 250.0L1000.0 250.0");
        assert_eq!(drawn.dots.matches("h0").count(), 4);
        assert!(drawn.areas.is_empty());
    }

    #[test]
    fn a_band_is_a_polygon_there_and_back() {
        let drawn = Series::new("s", []).band([(0.0, 0.0, 0.5), (1.0, 0.5, 1.0)]).draw(&UNIT, &UNIT);
        assert_eq!(drawn.areas, ["M0.0 250.0L1000.0 0.0L1000.0 250.0L0.0 500.0Z"]);
    }

    #[test]
    fn thinning_keeps_every_peak_and_bounds_the_number_of_points() {
        let mut points: Vec<(f64, f64)> = (0..100_000).map(|i| (f64::from(i), f64::from(i % 7))).collect();
        points[54_321].1 = 1000.0;
        points[77_777].1 = -1000.0;
        let thin = thinned(&points);
        assert!(thin.len() <= 2 * COLUMNS, "{}", thin.len());
        assert!(thin.contains(&(54_321.0, 1000.0)) && thin.contains(&(77_777.0, -1000.0)));
        assert!(thin.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(thinned(&points[..500]), points[..500]);
        assert!(thinned(&vec![(1.0, f64::NAN); 5000]).iter().all(|point| point.1.is_nan()));
    }

    #[test]
    fn a_smoothed_line_is_the_mean_of_its_neighbours_and_ignores_lone_peaks_in_its_extent() {
        let mut points: Vec<(f64, f64)> = (0..1000).map(|i| (f64::from(i), f64::from(i % 2))).collect();
        points[500].1 = 1e6;
        points[3].1 = f64::NAN;
        let series = Series::new("s", points.iter().copied()).smoothed();
        assert_eq!(series.window(), Some(21));
        let means = &series.smoothed.as_ref().unwrap().means;
        assert!((means[700].1 - 10.0 / 21.0).abs() < 1e-9, "{}", means[700].1);
        assert!((means[0].1 - 4.0 / 10.0).abs() < 1e-9, "the mean of what is there: {}", means[0].1);
        let far = series.extent().into_iter().fold(0.0, f64::max);
        assert!((1.0..60_000.0).contains(&far), "a mean with the peak, not the peak: {far}");
        assert_eq!(Series::new("short", points[..99].iter().copied()).smoothed().window(), None);
    }
}
