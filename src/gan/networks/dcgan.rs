//! DCGAN's generator and discriminator (Radford 2016), plain or conditioned on classes and features.
//!
//! Parameters are named as PyTorch's DCGAN example names them (`main.0.weight`, ..), which counts activations as modules too.

use super::Description;
use crate::backend::Activation;
use crate::gan::Architecture;
use crate::nn::{Filter, Initialiser, Layer, LayerKind, NormKind, Sequence};

pub(super) const DCGAN: Description = Description {
    name: "dcgan",
    title: "DCGAN",
    about: "4x4 convolutions and transposed ones of stride 2",
    sizes: [16, 256],
    generator,
    discriminator,
};

/// The slope of the discriminator's leaky ReLU (Radford 2016, section 4).
const SLOPE: f64 = 0.2;
/// The side of the smallest feature map, and of every filter.
const BASE: usize = 4;

/// The channels of each feature map, from the 4x4 one up to the one next to the image.
fn widths(architecture: &Architecture) -> Vec<usize> {
    let levels = (architecture.size / BASE).ilog2();
    (0..levels).rev().map(|level| architecture.features << level).collect()
}

/// Filters N(0, 0.02), scales N(1, 0.02).
fn generator(architecture: &Architecture) -> Vec<Layer> {
    let up = |channels, stride, padding| {
        let filter = Filter::new(channels, BASE, stride, padding, Initialiser::Dcgan);
        LayerKind::Convolution(Filter { transposed: true, ..filter })
    };
    let mut main = Sequence::new("main");
    main.beside("", LayerKind::Spread(architecture.latent));
    let mut inputs = architecture.latent;
    for (level, width) in widths(architecture).into_iter().enumerate() {
        main.module(if level == 0 { up([inputs, width], 1, 0) } else { up([inputs, width], 2, 1) });
        main.module(LayerKind::Norm {
            kind: NormKind::Batch,
            channels: width,
            scale: Initialiser::DcganScale,
            condition: architecture.condition_length(),
        });
        main.module(LayerKind::Activation(Activation::Relu));
        main.beside("", LayerKind::Map);
        inputs = width;
    }
    main.module(up([inputs, architecture.channels], 2, 1));
    main.module(LayerKind::Activation(Activation::Tanh));
    main.into_layers()
}

/// Without a normalisation of activations, filters start by He's rule, and every layer below the score has biases: without a shift
/// anywhere, `D(a x) = a D(x)` for all `a > 0`, so that the score of mid-grey images is 0 whatever D learns, and a generator that starts
/// there has no reason to leave. The score has none: a shift of all scores would be nothing to a relativistic loss.
fn discriminator(architecture: &Architecture) -> Vec<Layer> {
    let kind = architecture.d_norm;
    let down = |[inputs, outputs]: [usize; 2], stride, padding| {
        let start = match kind {
            NormKind::None => Initialiser::He { fan_in: BASE * BASE * inputs, slope: SLOPE },
            _ => Initialiser::Dcgan,
        };
        let filter = Filter::new([inputs, outputs], BASE, stride, padding, start);
        Filter { spectral: kind == NormKind::Spectral, ..filter }
    };
    let mut main = Sequence::new("main");
    let mut inputs = architecture.channels;
    for (level, width) in widths(architecture).into_iter().rev().enumerate() {
        main.module(LayerKind::Convolution(Filter { bias: !kind.normalises_maps(), ..down([inputs, width], 2, 1) }));
        if level > 0 {
            LayerKind::norm(kind, width, Initialiser::DcganScale).into_iter().for_each(|norm| main.module(norm));
        }
        main.module(LayerKind::Activation(Activation::LeakyRelu { slope: SLOPE }));
        main.beside("", LayerKind::Map);
        inputs = width;
    }
    main.module(LayerKind::Convolution(down([inputs, 1], 1, 0)));
    main.beside("", LayerKind::Scores);
    super::projection(&mut main, architecture, inputs);
    main.into_layers()
}
