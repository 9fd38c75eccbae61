//! Line plots: drawn as SVG that stretches with the page, under labels that do not.

use super::Element;
use super::axis::{Axis, HEIGHT, WIDTH};
use super::number::significant;
use super::series::Series;
use crate::html::Html;

/// Colours repeat, with dashes, after so many series.
const COLOURS: usize = 6;
/// Lines of at most so many points mark each of them, and the plot offers its numbers as a table.
const FEW: usize = 40;

/// Several named series over a common x axis.
#[derive(Clone, Debug)]
pub struct Plot {
    title: String,
    x_name: String,
    log_x: bool,
    log_y: bool,
    series: Vec<Series>,
    references: Vec<(String, f64)>,
    note: Option<String>,
}

impl Plot {
    /// A plot over an axis called `x_name`.
    pub fn new(title: impl Into<String>, x_name: impl Into<String>) -> Plot {
        Plot {
            title: title.into(),
            x_name: x_name.into(),
            log_x: false,
            log_y: false,
            series: Vec::new(),
            references: Vec::new(),
            note: None,
        }
    }

    /// With a logarithmic x axis; what is not positive is then not shown.
    pub fn log_x(mut self) -> Plot {
        self.log_x = true;
        self
    }

    /// With a logarithmic y axis; what is not positive is then not shown.
    pub fn log_y(mut self) -> Plot {
        self.log_y = true;
        self
    }

    /// With one more series; its colour goes by its place in the plot.
    pub fn series(mut self, series: Series) -> Plot {
        self.series.push(series);
        self
    }

    /// With a horizontal line at a value to compare with: a floor, say.
    pub fn reference(mut self, name: impl Into<String>, value: f64) -> Plot {
        self.references.push((name.into(), value));
        self
    }

    /// With a sentence below.
    pub fn note(mut self, text: impl Into<String>) -> Plot {
        self.note = Some(text.into());
        self
    }

    fn axes(&self) -> (Axis, Axis) {
        let places = self.series.iter().flat_map(|series| series.points().iter().map(|point| point.0));
        let x = Axis::over(places, self.log_x);
        let references = self.references.iter().map(|reference| reference.1);
        let y = Axis::over(self.series.iter().flat_map(|series| series.extent()).chain(references), self.log_y);
        (x, y.padded())
    }

    /// The colour of a series, and whether it is dashed to differ from an earlier one of that colour.
    fn class(index: usize) -> String {
        format!("s{}{}", index % COLOURS, if index >= COLOURS { " again" } else { "" })
    }

    fn legend(&self, html: &mut Html) {
        html.element("ul", &[("class", "legend")], |html| {
            for (index, series) in self.series.iter().enumerate() {
                html.element("li", &[("class", &Plot::class(index))], |html| {
                    html.leaf("span", &[("class", "name")], series.name());
                    html.leaf("output", &[], "");
                });
            }
            for (name, value) in &self.references {
                html.element("li", &[("class", "reference")], |html| {
                    html.leaf("span", &[("class", "name")], &format!("{name} {}", significant(*value, 3)));
                });
            }
            html.leaf("li", &[("class", "at")], "");
        });
    }

    fn drawing(&self, html: &mut Html, x: &Axis, y: &Axis) {
        let names: Vec<&str> = self.series.iter().map(Series::name).collect();
        let label = format!("{}: {} over {}", self.title, names.join(", "), self.x_name);
        let range = |axis: &Axis| format!("{} {}", axis.low, axis.high);
        let attributes = [
            ("viewBox", &*format!("0 0 {WIDTH} {HEIGHT}")),
            ("preserveAspectRatio", "none"),
            ("role", "img"),
            ("aria-label", &label),
            ("data-x", &range(x)),
            ("data-y", &range(y)),
            ("data-log-x", if x.log { "1" } else { "" }),
            ("data-log-y", if y.log { "1" } else { "" }),
        ];
        html.element("svg", &attributes, |html| {
            for (value, _) in y.ticks() {
                let height = HEIGHT * (1.0 - y.place(value).unwrap_or(0.0));
                html.leaf("path", &[("class", "rule"), ("d", &format!("M0 {height:.1}H{WIDTH}"))], "");
            }
            for (_, value) in &self.references {
                if let Some(place) = y.place(*value) {
                    let line = format!("M0 {:.1}H{WIDTH}", HEIGHT * (1.0 - place));
                    html.leaf("path", &[("class", "reference"), ("d", &line)], "");
                }
            }
            let drawn: Vec<_> = self.series.iter().map(|series| series.draw(x, y)).collect();
            for (index, drawn) in drawn.iter().enumerate() {
                html.element("g", &[("class", &Plot::class(index))], |html| {
                    for area in &drawn.areas {
                        html.leaf("path", &[("class", "area"), ("d", area)], "");
                    }
                });
            }
            for (index, drawn) in drawn.iter().enumerate() {
                html.element("g", &[("class", &Plot::class(index))], |html| {
                    html.leaf("path", &[("class", "line"), ("d", &drawn.line)], "");
                    if self.series[index].points().len() <= FEW {
                        html.leaf("path", &[("class", "dots"), ("d", &drawn.dots)], "");
                    }
                });
            }
        });
    }

    /// The numbers, where they are few enough to be read.
    fn numbers(&self, html: &mut Html) {
        let mut places: Vec<f64> = self.series.iter().flat_map(|s| s.points().iter().map(|point| point.0)).collect();
        places.sort_by(f64::total_cmp);
        places.dedup();
        if places.is_empty() || places.len() > FEW {
            return;
        }
        html.element("details", &[], |html| {
            html.leaf("summary", &[], "Numbers");
            html.element("div", &[("class", "scroll"), ("tabindex", "0")], |html| {
                html.element("table", &[], |html| {
                    html.element("thead", &[], |html| {
                        html.element("tr", &[], |html| {
                            html.leaf("th", &[("scope", "col")], &self.x_name);
                            for series in &self.series {
                                html.leaf("th", &[("scope", "col"), ("class", "number")], series.name());
                            }
                        });
                    });
                    html.element("tbody", &[], |html| {
                        for place in places {
                            html.element("tr", &[], |html| {
                                html.leaf("th", &[("scope", "row")], &number_of(place));
                                for series in &self.series {
                                    let point = series.points().iter().find(|point| point.0 == place);
                                    let text = point.map_or("–".to_string(), |point| significant(point.1, 4));
                                    html.leaf("td", &[("class", "number")], &text);
                                }
                            });
                        }
                    });
                });
            });
        });
    }
}

/// A place on the x axis: steps, as a rule.
fn number_of(place: f64) -> String {
    if place.fract() == 0.0 { super::number::decimal(place, 0) } else { significant(place, 4) }
}

impl Element for Plot {
    fn render(&self, html: &mut Html) {
        let (x, y) = self.axes();
        html.element("figure", &[("class", "plot card")], |html| {
            html.leaf("figcaption", &[], &self.title);
            self.legend(html);
            html.element("div", &[("class", "frame")], |html| {
                let ticks = y.ticks();
                html.element("div", &[("class", "y"), ("aria-hidden", "true")], |html| {
                    let longest =
                        ticks.iter().map(|(_, label)| label.as_str()).max_by_key(|label| label.chars().count());
                    html.leaf("span", &[("class", "width")], longest.unwrap_or_default());
                    for (value, label) in &ticks {
                        let place = 100.0 * y.place(*value).unwrap_or(0.0);
                        html.leaf("span", &[("style", &format!("bottom:{place:.2}%"))], label);
                    }
                });
                html.element("div", &[("class", "canvas")], |html| self.drawing(html, &x, &y));
                html.element("div", &[("class", "x"), ("aria-hidden", "true")], |html| {
                    for (value, label) in x.ticks() {
                        let place = 100.0 * x.place(value).unwrap_or(0.0);
                        html.leaf("span", &[("style", &format!("left:{place:.2}%"))], &label);
                    }
                });
                html.leaf("div", &[("class", "x-name")], &self.x_name);
            });
            let smoothed = self.series.iter().filter_map(Series::window).max();
            let smoothed =
                smoothed.map(|n| format!("Lines are means over {n} values; the faint area spans single ones."));
            let sentences: Vec<&str> = [smoothed.as_deref(), self.note.as_deref()].into_iter().flatten().collect();
            if !sentences.is_empty() {
                html.leaf("p", &[("class", "soft")], &sentences.join(" "));
            }
            self.numbers(html);
        });
    }
}
