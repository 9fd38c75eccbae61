//! How many bytes training takes, from the shapes, and how many there are.

use super::{Architecture, Loss, Recipe};
use crate::backend::Device;
use crate::data::available_memory;
use crate::error::{Error, Result};

/// What packed filters, scratch memory and the allocator add to the sum of the tensors: 1.4 was measured.
const OVERHEAD: f64 = 1.5;

/// The graph of a gradient penalty holds the forward pass, its gradient, and the gradient of that.
const PENALTY_GRAPHS: f64 = 3.0;

/// The channels of each feature map, from the 4x4 one up to the one next to the image.
fn widths(architecture: &Architecture) -> Vec<usize> {
    (0..(architecture.size / 4).ilog2()).rev().map(|level| architecture.features << level).collect()
}

/// Bytes that are needed whatever the batch, and bytes an image of the batch.
fn needs(recipe: &Recipe, bytes: f64) -> (f64, f64) {
    let Architecture { size, channels, latent, .. } = recipe.architecture;
    let widths: Vec<f64> = widths(&recipe.architecture).into_iter().map(|width| width as f64).collect();
    let (image, taps) = ((size * size * channels) as f64, 16.0);
    let (mut inner_filters, mut maps, mut side) = (0.0, 0.0, 4.0);
    for (level, &width) in widths.iter().enumerate() {
        maps += side * side * width;
        inner_filters += widths.get(level + 1).map_or(0.0, |next| taps * width * next);
        side *= 2.0;
    }
    let outer = taps * widths[widths.len() - 1] * channels as f64;
    let generator = inner_filters + outer + taps * latent as f64 * widths[0];
    let discriminator = inner_filters + outer + taps * widths[0];
    // Of the generator: itself, its average, two moments, a gradient; of the discriminator all but the average.
    let fixed = 5.0 * generator + 4.0 * discriminator;
    let graphs = match recipe.loss {
        Loss::R3gan => 2.0,
        _ => 1.0,
    } * if recipe.r1 > 0.0 || recipe.gp > 0.0 { PENALTY_GRAPHS } else { 1.0 };
    // A map is held before and after its normalisation, and its cotangents are of the same size.
    let each = 2.0 * maps + 2.0 * image + graphs * (2.0 * maps + image) + 2.0 * maps;
    (fixed * bytes * OVERHEAD, each * bytes * OVERHEAD)
}

/// The bytes that training by a recipe takes with elements of `element` bytes.
pub fn training_bytes(recipe: &Recipe, element: usize) -> f64 {
    let (fixed, each) = needs(recipe, element as f64);
    fixed + each * recipe.batch as f64
}

/// The largest batch that fits into `available` bytes; 0 where not even the networks do.
pub fn largest_batch(recipe: &Recipe, element: usize, available: f64) -> usize {
    let (fixed, each) = needs(recipe, element as f64);
    ((available - fixed) / each).max(0.0) as usize
}

/// The bytes of the largest tensor that does not grow with the batch, and of the largest that does, an image of it.
fn largest_tensors(recipe: &Recipe, bytes: f64) -> (f64, f64) {
    let Architecture { size, channels, latent, .. } = recipe.architecture;
    let widths: Vec<f64> = widths(&recipe.architecture).into_iter().map(|width| width as f64).collect();
    let sides = (0..).map(|level| f64::from(4 << level));
    let maps = widths.iter().zip(sides).map(|(&width, side)| side * side * width);
    let each = maps.fold((size * size * channels) as f64, f64::max);
    let pairs = widths.windows(2).map(|pair| pair[0] * pair[1]);
    let filter = 16.0 * pairs.fold(widths[0] * latent as f64, f64::max);
    (filter * bytes, each * bytes)
}

impl Recipe {
    /// Refuses to start what does not fit into a device: into its memory, where that is the host's, or its largest tensor.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming what is needed, what there is, and the batch that fits.
    pub fn check_fits(&self, device: &Device) -> Result<()> {
        let element = if device.is_double() { size_of::<f64>() } else { size_of::<f32>() };
        let bounds = device.backend().bounds();
        if let Some(largest) = bounds.largest_storage {
            self.check_largest(element, largest as f64)?;
        }
        match available_memory().filter(|_| bounds.shares_host_memory) {
            Some(available) => self.check_memory(element, available),
            None => Ok(()),
        }
    }

    /// Refuses a tensor that is larger than a device takes at once.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the largest tensor, the limit, and the batch that fits.
    pub fn check_largest(&self, element: usize, limit: f64) -> Result<()> {
        let (fixed, each) = largest_tensors(self, element as f64);
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        let advice = match (limit / each) as usize {
            _ if fixed > limit => format!("use fewer --features than {}", self.architecture.features),
            0 => "use a smaller --size or fewer --features".to_string(),
            batch if batch < self.batch => format!("--batch {batch} fits"),
            _ => return Ok(()),
        };
        Err(Error::invalid(format!(
            "training with --features {} and --batch {} makes a tensor of {:.1} MiB, and the device takes {:.1} MiB at once: \
             {advice}",
            self.architecture.features,
            self.batch,
            mib(fixed.max(each * self.batch as f64)),
            mib(limit)
        )))
    }

    /// Refuses to start what memory cannot hold.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming what is needed, what there is, and the batch that fits.
    pub fn check_memory(&self, element: usize, available: f64) -> Result<()> {
        let needed = training_bytes(self, element);
        if needed <= available {
            return Ok(());
        }
        let gib = |bytes: f64| bytes / f64::from(1 << 30);
        let advice = match largest_batch(self, element, available) {
            0 | 1 => format!("use fewer --features than {} or a shorter --latent", self.architecture.features),
            batch => format!("--batch {batch} fits"),
        };
        Err(Error::invalid(format!(
            "training with --features {} and --batch {} needs about {:.1} GiB of memory, and {:.1} GiB are free: {advice}",
            self.architecture.features,
            self.batch,
            gib(needed),
            gib(available)
        )))
    }
}
