//! A trained classifier in a file: its network, and what its classes are called.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::backend::Device;
use crate::checkpoint::Checkpoint;
use crate::classifier::{Classifier, Design};
use crate::data::{Classes, Dataset, Reading};
use crate::error::{Error, Result};
use crate::random::Network;

/// What the header says the file is, and the version of its layout.
const KIND: &str = "classifier";
const FORMAT: u64 = 1;
/// The tensors' prefix.
const PREFIX: &str = "netC";

/// A classifier that `graft classify` trained.
#[derive(Debug)]
pub struct KeptClassifier {
    /// The network.
    pub classifier: Classifier,
    /// What its classes are called.
    pub classes: Classes,
    /// How the images were read that it learned from.
    pub reading: Reading,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Header {
    kind: String,
    format: u64,
    design: Design,
    classes: Vec<String>,
    #[serde(default, skip_serializing_if = "Reading::is_usual")]
    reading: Reading,
}

impl KeptClassifier {
    /// Writes it into a file.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written; the device's first failure.
    pub fn write(&self, path: &Path) -> Result<()> {
        let header = Header {
            kind: KIND.to_string(),
            format: FORMAT,
            design: *self.classifier.design(),
            classes: self.classes.names().to_vec(),
            reading: self.reading.clone(),
        };
        let Json::Object(mut header) = json!(header) else { unreachable!("a struct is an object") };
        header.insert("graft".to_string(), json!(env!("CARGO_PKG_VERSION")));
        let mut checkpoint = Checkpoint::new(header);
        let slots = [self.classifier.parameters(), self.classifier.statistics()].concat();
        checkpoint.insert_parameters(PREFIX, &slots)?;
        checkpoint.write(path)
    }

    /// Whether a file that was read is one of a classifier.
    pub fn is_in(checkpoint: &Checkpoint) -> bool {
        checkpoint.header.get("kind") == Some(&json!(KIND))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it holds no such classifier; [`Error::Io`] where it cannot be read.
    pub fn read(path: &Path, device: &Device) -> Result<KeptClassifier> {
        let checkpoint = Checkpoint::read(path)?;
        let none =
            |why: &str| Error::invalid(format!("{} holds no classifier of graft classify: {why}", path.display()));
        let header: Header = serde_json::from_value(Json::Object(checkpoint.header.clone()))
            .map_err(|error| none(&error.to_string()))?;
        if (header.kind.as_str(), header.format) != (KIND, FORMAT) {
            return Err(none(&format!("it is a {} of format {}", header.kind, header.format)));
        }
        header.design.check().map_err(|error| none(&error.to_string()))?;
        let Header { design, classes, reading, .. } = header;
        let Some(classes) = Classes::distinct(classes).filter(|classes| classes.len() >= 2) else {
            return Err(none("it names no two classes"));
        };
        let classifier = Classifier::new(device, &design, classes.len(), 0, Network::Predictor);
        let slots = [classifier.parameters(), classifier.statistics()].concat();
        checkpoint.load_parameters(PREFIX, &slots)?;
        Ok(KeptClassifier { classifier, classes, reading })
    }

    /// What each image is most probably, and how probable each class is, a row of `[images, classes]` an image; images are brought to the
    /// classifier's size and channels.
    ///
    /// # Errors
    /// Where they do not fit; the device's first failure.
    pub fn predict(&self, data: Dataset) -> Result<(Vec<u32>, Vec<f32>)> {
        let Design { size, channels, .. } = *self.classifier.design();
        let said = self.classifier.predict(&data.fit(size, channels)?.images)?;
        Ok((said.labels, said.probabilities))
    }
}
