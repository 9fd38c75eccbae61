//! What stands in the page before its program begins: the grid, the controls and their labels.

use super::Shown;
use crate::html::Html;

/// The end of the slider of truncation, which stands for none.
const NO_BOUND: &str = "3";
/// How far a direction goes, either way.
const FARTHEST: &str = "6";

/// The part of a page with everything that a person uses.
pub fn section(html: &mut Html, shown: &Shown) {
    html.element("section", &[("id", "live"), ("class", "live card"), ("aria-label", "Generator")], |html| {
        html.leaf("noscript", &[], "The generator runs in JavaScript, which this browser was told not to run.");
        html.leaf("p", &[("id", "state"), ("class", "state"), ("role", "status")], "");
        html.element("div", &[("class", "stage")], |html| {
            let label = if shown.pair {
                "Samples: above the source's, below the transferred one's, of the same latents"
            } else {
                "Samples"
            };
            html.element("div", &[("id", "grid"), ("class", "grid"), ("role", "group"), ("aria-label", label)], |_| {});
            html.leaf("p", &[("id", "time"), ("class", "soft")], "");
        });
        html.element("form", &[("id", "controls"), ("class", "panel")], |html| controls(html, shown));
    });
}

fn controls(html: &mut Html, shown: &Shown) {
    html.element("div", &[("class", "buttons")], |html| {
        button(html, "fresh", "New samples");
        html.element(
            "button",
            &[("type", "button"), ("id", "walk"), ("aria-pressed", "false"), ("disabled", "")],
            |html| {
                html.text("Walk between two");
            },
        );
        button(html, "forget", "Forget kept");
    });
    // A finger that goes down scrolls.
    let hint = "Click a picture to keep it when others are drawn; keep two to walk between them. Drag over the pictures: across moves along \
                direction 1, with a mouse down along direction 2.";
    html.leaf("p", &[("class", "soft")], hint);
    if shown.pair {
        slider(html, "mix", "Source to target", ["0", "1", "0.01", "1"]);
    }
    slider(html, "truncation", "Truncation", ["0.1", NO_BOUND, "0.05", NO_BOUND]);
    if !shown.classes.is_empty() {
        html.element("label", &[], |html| {
            html.leaf("span", &[], "Class");
            html.element("select", &[("id", "class")], |html| {
                let all = if shown.by_frequency { "All, as often as in training" } else { "All in turn" };
                html.leaf("option", &[("value", "")], all);
                for (index, name) in shown.classes.iter().enumerate() {
                    html.leaf("option", &[("value", &index.to_string())], name);
                }
            });
        });
    }
    if let Some([kept, rows]) = shown.thinned {
        let text = format!("Features of images come from {kept} of the {rows} that the generator was trained to take.");
        html.leaf("p", &[("class", "soft")], &text);
    }
    for index in 1..=shown.directions {
        let farthest = format!("-{FARTHEST}");
        slider(html, &format!("direction-{index}"), &format!("Direction {index}"), [&farthest, FARTHEST, "0.1", "0"]);
    }
    html.element("label", &[], |html| {
        html.leaf("span", &[], "Computed by");
        html.element("select", &[("id", "device")], |html| {
            html.leaf("option", &[("value", "gpu")], "The graphics card");
            html.leaf("option", &[("value", "cpu")], "The processor");
        });
    });
    html.element("div", &[("class", "buttons")], |html| {
        button(html, "reset", "Reset directions");
        button(html, "picture", "Save PNG");
        button(html, "latents", "Save latents");
        button(html, "copy", "Copy link");
    });
    html.element("label", &[], |html| {
        html.leaf("span", &[], "Link");
        html.void("input", &[("id", "link"), ("type", "text"), ("readonly", ""), ("value", "")]);
    });
}

fn button(html: &mut Html, id: &str, text: &str) {
    html.leaf("button", &[("type", "button"), ("id", id)], text);
}

/// A slider with its label and what it stands at.
fn slider(html: &mut Html, id: &str, label: &str, [least, most, step, value]: [&str; 4]) {
    html.element("label", &[], |html| {
        html.leaf("span", &[], label);
        let attributes =
            [("id", id), ("type", "range"), ("min", least), ("max", most), ("step", step), ("value", value)];
        html.void("input", &attributes);
        html.leaf("output", &[("for", id)], "");
    });
}
