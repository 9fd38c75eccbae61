//! The sizes that are measured: those of DCGAN's networks.

use crate::backend::Geometry;

/// A DCGAN, and images a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Side of the images.
    pub size: usize,
    /// Width of the networks.
    pub features: usize,
    /// Channels of the images.
    pub channels: usize,
    /// Images a batch.
    pub batch: usize,
}

/// A layer by its fine side, channels (fine, coarse), and filter, stride and padding, which are the same down and across.
///
/// # Panics
/// Where the filter does not fit.
pub fn geometry(batch: usize, fine: usize, channels: [usize; 2], [kernel, stride, padding]: [usize; 3]) -> Geometry {
    Geometry::of_fine(batch, [fine; 2], channels, [kernel; 2], [stride; 2], [padding; 2]).expect("the filter fits")
}

impl Network {
    /// The networks that are measured: DCGANs of 64 features for 32x32 and 64x64 images in colour, with the batches of their training.
    pub const USUAL: [Network; 2] = [
        Network { size: 32, features: 64, channels: 3, batch: 64 },
        Network { size: 64, features: 64, channels: 3, batch: 128 },
    ];

    /// The latents of the networks that are measured.
    const LATENT: usize = 100;

    /// The layers of both networks, by name: those between feature maps serve both. `32/16x16x64` is the one of the 32x32 networks between
    /// 16x16x64 and 8x8x128.
    pub fn layers(&self) -> Vec<(String, Geometry)> {
        let &Network { size, features, channels, batch } = self;
        let (halving, last) = ([4, 2, 1], [4, 1, 0]);
        let mut layers = vec![(format!("{size}/image"), geometry(batch, size, [channels, features], halving))];
        let (mut side, mut width) = (size / 2, features);
        while side > 4 {
            layers.push((format!("{size}/{side}x{side}x{width}"), geometry(batch, side, [width, 2 * width], halving)));
            (side, width) = (side / 2, 2 * width);
        }
        layers.push((format!("{size}/score"), geometry(batch, 4, [width, 1], last)));
        layers.push((format!("{size}/latent"), geometry(batch, 4, [width, Network::LATENT], last)));
        layers
    }
}
