//! What a feature extractor or label predictor is shown of the source: its images in batches, each in a style drawn anew.

use serde_json::{Value as Json, json};

use super::scene::scenes;
use super::style::Style;
use crate::backend::Device;
use crate::data::{Dataset, Images, Sampler};
use crate::tensor::Tensor;
use crate::words::words;

words! {
    /// What becomes of source images before a feature extractor or label predictor sees them.
    pub enum ExtractorStyle {
        /// Nothing.
        None = "none",
        /// Random colours, drawn anew each step.
        Colour = "colour",
        /// Scenes, drawn anew each step: moved, turned and sized, with neighbours, in graded colours on textures, blurred and noisy.
        Scene = "scene",
        /// What the source's GAN is shown, as version 0.1 did; label predictors then see one colouring of each image.
        Source = "source",
    }
}

/// The images of a domain in a style, batch by batch.
#[derive(Debug)]
pub(crate) struct Shown {
    data: Dataset,
    digest: String,
    order: Sampler,
    batch: usize,
    seed: u64,
    style: ExtractorStyle,
    /// Whether the images have no colours, though they may have three channels.
    grey: bool,
    device: Device,
    /// Whether a batch holds no image twice.
    distinct: bool,
}

impl Shown {
    /// The images of `data`; of [`ExtractorStyle::Source`] nothing is known here, it is as none.
    pub fn new(
        device: &Device,
        data: Dataset,
        grey: bool,
        style: ExtractorStyle,
        (batch, seed): (usize, u64),
    ) -> Shown {
        Shown {
            order: Sampler::new(data.len(), batch, seed),
            digest: data.digest(),
            device: device.clone(),
            data,
            batch,
            seed,
            style,
            grey,
            distinct: false,
        }
    }

    /// The same, but that of an image that comes twice in a batch, as small data sets' do, one is left.
    pub fn distinct(self) -> Shown {
        Shown { distinct: true, ..self }
    }

    pub fn data(&self) -> &Dataset {
        &self.data
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    pub fn batch(&self) -> usize {
        self.batch
    }

    /// What determines what is shown.
    pub fn settings(&self) -> Json {
        let mut settings = json!({ "digest": self.digest, "count": self.data.len(), "style": self.style });
        if self.style == ExtractorStyle::Scene {
            settings["grey"] = json!(self.grey);
        }
        settings
    }

    /// Height, width and channels of an image.
    pub fn form(&self) -> [usize; 3] {
        let Images { height, width, channels, .. } = self.data.images;
        [height, width, channels]
    }

    /// Which images batch `round` holds, and their values in the style that is drawn for `step`.
    pub fn values_of(&mut self, round: u64, step: u64) -> (Vec<usize>, Vec<f32>) {
        let mut indices = self.order.indices(round);
        if self.distinct {
            indices.sort_unstable();
            indices.dedup();
        }
        let [side, _, channels] = self.form();
        let mut values = self.data.batch(&indices);
        self.data.images.prefetch(|| self.order.indices(round + 1));
        match self.style {
            ExtractorStyle::None | ExtractorStyle::Source => {}
            ExtractorStyle::Colour => Style::Colour.apply(&mut values, side, self.seed, step),
            ExtractorStyle::Scene => scenes(&mut values, side, channels, self.grey, self.seed, step),
        }
        (indices, values)
    }

    /// As [`Shown::values_of`], on the device.
    pub fn batch_of(&mut self, round: u64, step: u64) -> (Vec<usize>, Tensor) {
        let (indices, values) = self.values_of(round, step);
        let [height, width, channels] = self.form();
        let images = Tensor::from_slice(&self.device, &values, [indices.len(), height, width, channels]);
        (indices, images)
    }
}
