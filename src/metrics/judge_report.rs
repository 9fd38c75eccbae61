//! A judge in a few words, beside the figures that it gave.

use serde::{Deserialize, Serialize};

/// What has to be known of a judge to read its figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgeReport {
    /// The hash of its weights.
    pub hash: String,
    /// Its accuracy on the held-out images; None of one that learned without classes, and where those have no labels.
    pub accuracy: Option<f64>,
    /// How many images it was trained on.
    pub trained_on: usize,
    /// Whether it learned without classes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub class_free: bool,
}

impl JudgeReport {
    /// It in a few words, whose shares are written by `percent`: what it is right on, and from how many images it learned.
    pub fn text(&self, percent: impl Fn(f64) -> String) -> String {
        let right = self.accuracy.map_or(String::new(), |accuracy| format!("{} right, ", percent(accuracy)));
        let how = if self.class_free { "without labels " } else { "" };
        format!("{right}trained {how}on {} images", self.trained_on)
    }
}
