//! Tables of results: numbers beside the floors that they cannot go below, and verdicts.

use super::Element;
use super::number::decimal;
use crate::experiment::verdict::Verdict;
use crate::html::Html;
use crate::metrics::Digits;

/// One cell of a [`Table`].
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// Words.
    Text(String),
    /// A number with so many decimals.
    Number {
        /// The number.
        value: f64,
        /// Its digits.
        digits: Digits,
        /// The value that cannot be beaten, or should not be: shown below.
        floor: Option<f64>,
        /// What it would be by chance: shown below.
        chance: Option<f64>,
        /// The ends of its confidence interval: shown below.
        interval: Option<(f64, f64)>,
        /// Whether it stands out as the column's best.
        best: bool,
    },
    /// A verdict.
    Verdict(Verdict),
    /// Nothing was measured.
    Missing,
}

impl Entry {
    /// Words.
    pub fn text(text: impl Into<String>) -> Entry {
        Entry::Text(text.into())
    }

    /// A number with so many decimals.
    pub fn number(value: f64, decimals: usize) -> Entry {
        Entry::with(value, Digits::fixed(decimals))
    }

    fn with(value: f64, digits: Digits) -> Entry {
        Entry::Number { value, digits, floor: None, chance: None, interval: None, best: false }
    }

    /// A number with so many decimals, or nothing.
    pub fn maybe(value: Option<f64>, decimals: usize) -> Entry {
        value.map_or(Entry::Missing, |value| Entry::number(value, decimals))
    }

    /// A value with the digits of its figure, or nothing.
    pub fn of(value: Option<f64>, digits: Digits) -> Entry {
        value.map_or(Entry::Missing, |value| Entry::with(value, digits))
    }

    /// A number with its floor below; other cells stay as they are.
    pub fn floor(mut self, value: f64) -> Entry {
        if let Entry::Number { floor, .. } = &mut self {
            *floor = Some(value);
        }
        self
    }

    /// A number with what it would be by chance below, where that is known; other cells stay as they are.
    pub fn by_chance(mut self, value: Option<f64>) -> Entry {
        if let Entry::Number { chance, .. } = &mut self {
            *chance = value;
        }
        self
    }

    /// A number with its confidence interval below; other cells stay as they are.
    pub fn interval(mut self, low: f64, high: f64) -> Entry {
        if let Entry::Number { interval, .. } = &mut self {
            *interval = Some((low, high));
        }
        self
    }

    /// A number that stands out as its column's best; other cells stay as they are.
    pub fn best(mut self) -> Entry {
        if let Entry::Number { best, .. } = &mut self {
            *best = true;
        }
        self
    }

    fn render(&self, html: &mut Html) {
        match self {
            Entry::Text(text) => html.text(text),
            Entry::Number { value, digits, floor, chance, interval, best } => {
                let decimal = |value: f64| decimal(value, digits.of(value));
                let tag = if *best { "strong" } else { "span" };
                html.leaf(tag, &[], &decimal(*value));
                if let Some((low, high)) = interval {
                    let text = format!("{} to {}", decimal(*low), decimal(*high));
                    html.leaf("small", &[], &text);
                }
                if let Some(floor) = floor {
                    html.leaf("small", &[], &format!("floor {}", decimal(*floor)));
                }
                if let Some(chance) = chance {
                    html.leaf("small", &[], &format!("chance {}", decimal(*chance)));
                }
            }
            Entry::Verdict(verdict) => {
                // A word, the mark before it (for whom colours do not tell), and the class that colours it.
                let (word, mark, class) = match verdict {
                    Verdict::Helps => ("helps", "▲", "badge good"),
                    Verdict::Hurts => ("hurts", "▼", "badge bad"),
                    Verdict::Undecided => ("undecided", "?", "badge open"),
                    Verdict::Equivalent => ("equivalent", "=", "badge same"),
                };
                html.element("span", &[("class", class)], |html| {
                    html.leaf("span", &[("aria-hidden", "true")], mark);
                    html.text(word);
                });
            }
            Entry::Missing => html.text("–"),
        }
    }
}

/// A table; the first cell of a row names it.
#[derive(Clone, Debug)]
pub struct Table {
    title: String,
    columns: Vec<String>,
    rows: Vec<Vec<Entry>>,
    note: Option<String>,
}

impl Table {
    /// A table without rows.
    pub fn new(title: impl Into<String>, columns: &[&str]) -> Table {
        let columns = columns.iter().map(ToString::to_string).collect();
        Table { title: title.into(), columns, rows: Vec::new(), note: None }
    }

    /// With one more row.
    ///
    /// # Panics
    /// Where it has not one cell for each column.
    #[track_caller]
    pub fn row(mut self, cells: Vec<Entry>) -> Table {
        let (title, columns) = (&self.title, self.columns.len());
        assert_eq!(cells.len(), columns, "a row of {} cells in the table {title} of {columns} columns", cells.len());
        self.rows.push(cells);
        self
    }

    /// With a sentence below.
    pub fn note(mut self, text: impl Into<String>) -> Table {
        self.note = Some(text.into());
        self
    }

    /// Whether a column holds numbers, which are aligned at the right.
    fn is_numeric(&self, column: usize) -> bool {
        let cells = || self.rows.iter().map(|row| &row[column]);
        cells().any(|cell| matches!(cell, Entry::Number { .. }))
            && cells().all(|cell| matches!(cell, Entry::Number { .. } | Entry::Missing))
    }
}

impl Element for Table {
    fn render(&self, html: &mut Html) {
        let class = |column: usize| ("class", if self.is_numeric(column) { "number" } else { "" });
        html.element("section", &[("class", "card")], |html| {
            html.leaf("h3", &[], &self.title);
            // Who has no pointer scrolls what has the focus.
            let scroll = [("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", &*self.title)];
            html.element("div", &scroll, |html| {
                html.element("table", &[], |html| {
                    html.element("thead", &[], |html| {
                        html.element("tr", &[], |html| {
                            for (index, column) in self.columns.iter().enumerate() {
                                html.leaf("th", &[("scope", "col"), class(index)], column);
                            }
                        });
                    });
                    html.element("tbody", &[], |html| {
                        for row in &self.rows {
                            html.element("tr", &[], |html| {
                                for (index, cell) in row.iter().enumerate() {
                                    if index == 0 {
                                        html.element("th", &[("scope", "row")], |html| cell.render(html));
                                    } else {
                                        html.element("td", &[class(index)], |html| cell.render(html));
                                    }
                                }
                            });
                        }
                    });
                });
            });
            if let Some(note) = &self.note {
                html.leaf("p", &[("class", "soft")], note);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(table: &Table) -> String {
        let mut html = Html::default();
        table.render(&mut html);
        html.finish()
    }

    #[test]
    fn numbers_stand_beside_their_floors_and_intervals() {
        let table = Table::new("Arms", &["arm", "judge-FD", "verdict"])
            .row(vec![Entry::text("scratch"), Entry::number(1096.04, 1).floor(5.2), Entry::Missing])
            .row(vec![
                Entry::text("<trgan>"),
                Entry::number(61.0, 1).interval(55.25, 66.75).best(),
                Entry::Verdict(Verdict::Helps),
            ])
            .note("Five seeds.");
        let rendered = html(&table);
        let cells = [
            "<td class=\"number\"><span>1,096.0</span><small>floor 5.2</small></td><td class=\"\">–</td>",
            "<th scope=\"row\">&lt;trgan&gt;</th>",
            "<strong>61.0</strong><small>55.2 to 66.8</small>",
            "<span class=\"badge good\"><span aria-hidden=\"true\">▲</span>helps</span>",
            "<p class=\"soft\">Five seeds.</p>",
        ];
        for cell in cells {
            assert!(rendered.contains(cell), "{cell} in {rendered}");
        }
    }

    #[test]
    #[should_panic(expected = "a row of 1 cells in the table T of 2 columns")]
    fn a_row_has_a_cell_for_each_column() {
        let _ = Table::new("T", &["a", "b"]).row(vec![Entry::Missing]);
    }
}
