//! What a page says in words: settings and their values, notes, and what data are called.

use super::Element;
use crate::html::Html;
use crate::transfer::Source;

/// A source, or a data set, in short: a page has little room for paths. As it is where it is none any more.
pub fn short(text: &str) -> String {
    Source::parse(text).map_or_else(|_| text.to_string(), |source| source.short())
}

/// Names and values, in groups: the settings of a run.
#[derive(Clone, Debug)]
pub struct Facts {
    title: String,
    groups: Vec<(String, Vec<(String, String)>)>,
}

impl Facts {
    /// No facts yet.
    pub fn new(title: impl Into<String>) -> Facts {
        Facts { title: title.into(), groups: Vec::new() }
    }

    /// What follows belongs to a group of this name.
    pub fn group(mut self, name: impl Into<String>) -> Facts {
        self.groups.push((name.into(), Vec::new()));
        self
    }

    /// With one more fact.
    pub fn fact(mut self, name: impl Into<String>, value: impl ToString) -> Facts {
        if self.groups.is_empty() {
            self = self.group("");
        }
        let (_, facts) = self.groups.last_mut().expect("a group was just made");
        facts.push((name.into(), value.to_string()));
        self
    }
}

impl Element for Facts {
    fn render(&self, html: &mut Html) {
        html.element("section", &[("class", "facts card")], |html| {
            html.leaf("h3", &[], &self.title);
            for (name, facts) in self.groups.iter().filter(|group| !group.1.is_empty()) {
                if !name.is_empty() {
                    html.leaf("h4", &[], name);
                }
                html.element("dl", &[], |html| {
                    for (name, value) in facts {
                        html.element("div", &[], |html| {
                            html.leaf("dt", &[], name);
                            html.leaf("dd", &[], value);
                        });
                    }
                });
            }
        });
    }
}

/// A remark: something to know, or something to beware of.
#[derive(Clone, Debug)]
pub struct Note {
    text: String,
    warns: bool,
}

impl Note {
    /// Something to know.
    pub fn new(text: impl Into<String>) -> Note {
        Note { text: text.into(), warns: false }
    }

    /// Something to beware of: a control that failed, samples that are copies.
    pub fn warning(text: impl Into<String>) -> Note {
        Note { text: text.into(), warns: true }
    }
}

impl Element for Note {
    fn render(&self, html: &mut Html) {
        html.element("p", &[("class", if self.warns { "note warning" } else { "note" })], |html| {
            if self.warns {
                html.leaf("strong", &[], "Beware: ");
            }
            html.text(&self.text);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(element: &impl Element) -> String {
        let mut html = Html::default();
        element.render(&mut html);
        html.finish()
    }

    #[test]
    fn facts_stand_in_their_groups_and_empty_groups_nowhere() {
        let facts = Facts::new("Settings").fact("steps", 5).group("empty").group("recipe").fact("<lr>", 0.1);
        let expected = "<section class=\"facts card\"><h3>Settings</h3><dl><div><dt>steps</dt><dd>5</dd></div></dl>\
            <h4>recipe</h4><dl><div><dt>&lt;lr&gt;</dt><dd>0.1</dd></div></dl></section>";
        assert_eq!(html(&facts), expected);
    }

    #[test]
    fn a_warning_says_that_it_is_one_without_its_colour() {
        assert_eq!(html(&Note::new("a < b")), "<p class=\"note\">a &lt; b</p>");
        let warning = html(&Note::warning("copies"));
        assert_eq!(warning, "<p class=\"note warning\"><strong>Beware: </strong>copies</p>");
    }
}
