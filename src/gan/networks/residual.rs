//! The residual pair of SNGAN (Miyato 2018, appendix B.4): blocks of two 3x3 convolutions, nearest-neighbour up-sampling and average
//! pooling. No convolution is transposed but the one from latents, so there is no checkerboard.
//!
//! At 32x32 every map has as many channels (table 3 of the paper). Larger images have twice as many on each smaller map (table 5).

use super::Description;
use crate::backend::Activation;
use crate::gan::Architecture;
use crate::nn::{Filter, Initialiser, Layer, LayerKind, NormKind, Sequence};

pub(super) const RESIDUAL: Description = Description {
    name: "residual",
    title: "SNGAN",
    about: "residual blocks of 3x3 convolutions, up-sampled and pooled",
    sizes: [PLAIN, 256],
    generator,
    discriminator,
};

/// The side of the smallest feature map.
const BASE: usize = 4;
/// The side of images whose networks are equally wide everywhere.
const PLAIN: usize = 32;
/// Of scales at the start.
const ONE: Initialiser = Initialiser::Constant(1.0);

/// The channels of each map that has half the side of the one before it, from the image on.
fn widths(architecture: &Architecture) -> Vec<usize> {
    let levels = (architecture.size / BASE).ilog2();
    (0..levels).map(|level| architecture.features << if architecture.size == PLAIN { 0 } else { level }).collect()
}

/// A convolution that keeps the size of images. `slope` is 0 behind or before a ReLU, and 1 where nothing is cut off.
fn convolution([inputs, outputs]: [usize; 2], kernel: usize, slope: f64) -> Filter {
    let start = Initialiser::He { fan_in: kernel * kernel * inputs, slope };
    Filter::new([inputs, outputs], kernel, 1, kernel / 2, start)
}

fn relu() -> LayerKind {
    LayerKind::Activation(Activation::Relu)
}

fn generator(architecture: &Architecture) -> Vec<Layer> {
    let condition = architecture.condition_length();
    let norm = |channels| LayerKind::Norm { kind: NormKind::Batch, channels, scale: ONE, condition };
    let widths = widths(architecture);
    let mut inputs = *widths.last().expect("an image is larger than the smallest map");
    let mut main = Sequence::new("main");
    main.beside("", LayerKind::Spread(architecture.latent));
    let start = Initialiser::He { fan_in: architecture.latent, slope: 1.0 };
    let dense = Filter::new([architecture.latent, inputs], BASE, 1, 0, start);
    main.module(LayerKind::Convolution(Filter { transposed: true, ..dense }));
    for width in widths.into_iter().rev() {
        let body = main.within("body", |body| {
            body.module(norm(inputs));
            body.module(relu());
            body.module(LayerKind::Upsample(2));
            body.module(LayerKind::Convolution(convolution([inputs, width], 3, 0.0)));
            body.module(norm(width));
            body.module(relu());
            body.module(LayerKind::Convolution(convolution([width, width], 3, 0.0)));
        });
        let shortcut = main.within("shortcut", |shortcut| {
            shortcut.module(LayerKind::Upsample(2));
            shortcut.module(LayerKind::Convolution(convolution([inputs, width], 1, 1.0)));
        });
        main.module(LayerKind::Residual { body, shortcut });
        main.beside("", LayerKind::Map);
        inputs = width;
    }
    main.module(norm(inputs));
    main.module(relu());
    main.module(LayerKind::Convolution(convolution([inputs, architecture.channels], 3, 1.0)));
    main.module(LayerKind::Activation(Activation::Tanh));
    main.into_layers()
}

fn discriminator(architecture: &Architecture) -> Vec<Layer> {
    let kind = architecture.d_norm;
    let shaped = |channels, kernel, slope| {
        let spectral = kind == NormKind::Spectral;
        LayerKind::Convolution(Filter {
            spectral,
            bias: !kind.normalises_maps(),
            ..convolution(channels, kernel, slope)
        })
    };
    let norm = |list: &mut Sequence, channels| {
        LayerKind::norm(kind, channels, ONE).into_iter().for_each(|norm| list.module(norm))
    };
    // Each block's width, and whether it halves the map: at 32x32 the first two of four, in larger images all but the last.
    let widths = widths(architecture);
    let deepest = *widths.last().expect("an image is larger than the smallest map");
    let blocks: Vec<(usize, bool)> = match architecture.size {
        PLAIN => [true, true, false, false].map(|halves| (deepest, halves)).to_vec(),
        _ => widths.into_iter().map(|width| (width, true)).chain([(deepest, false)]).collect(),
    };
    let mut main = Sequence::new("main");
    let mut inputs = architecture.channels;
    let mut side = architecture.size;
    for (level, &(width, halves)) in blocks.iter().enumerate() {
        let pool = |list: &mut Sequence| {
            if halves {
                list.module(LayerKind::AveragePool(2))
            }
        };
        let body = main.within("body", |body| {
            // The image is not cut off below 0 before anything has seen it.
            if level > 0 {
                norm(body, inputs);
                body.module(relu());
            }
            body.module(shaped([inputs, width], 3, if level > 0 { 0.0 } else { 1.0 }));
            if level > 0 {
                norm(body, width);
            }
            body.module(relu());
            body.module(shaped([width, width], 3, 0.0));
            pool(body);
        });
        let shortcut = main.within("shortcut", |shortcut| {
            // Pooled first, a convolution of single pixels has less to do and gives the same.
            pool(shortcut);
            if level == 0 || inputs != width {
                shortcut.module(shaped([inputs, width], 1, 1.0));
            }
        });
        main.module(LayerKind::Residual { body, shortcut });
        if level + 1 < blocks.len() {
            main.beside("", LayerKind::Map);
        }
        inputs = width;
        side /= if halves { 2 } else { 1 };
    }
    main.module(relu());
    main.beside("", LayerKind::Map);
    main.beside("", LayerKind::SumPool);
    // The pixels of a map are much alike: the sum over n of them is n times one of them.
    let start = Initialiser::He { fan_in: inputs * side.pow(4), slope: 1.0 };
    let score = convolution([inputs, 1], 1, 1.0);
    main.module(LayerKind::Convolution(Filter { spectral: kind == NormKind::Spectral, start, ..score }));
    main.beside("", LayerKind::Scores);
    super::projection(&mut main, architecture, inputs);
    main.into_layers()
}
