//! Discriminators of what a frozen network makes of images, beside the one of their pixels (projected GAN, Sauer 2021).
//!
//! A head takes one feature map down to a score an image. Its loss is the pixel discriminator's, the mean over the heads; no penalty is
//! put on it, since its gradient by the image goes through a network that it cannot bend; where the pixels' loss is bounded by its penalty alone,
//! heads have the hinge loss.

use std::fmt::Debug;

use super::losses::Terms;
use super::{Loss, Recipe};
use crate::backend::{Activation, Device};
use crate::data::{Dataset, Images};
use crate::nn::{
    Adam, AdamOptions, Builder, Filter, Gradients, Initialiser, Layer, LayerKind, Mode, Module, Optimiser, Parameter,
    Pass, Sequence,
};
use crate::random::Network;
use crate::tensor::{Tensor, no_grad};

/// The side of the maps that a head ends in, and of its filters.
const BASE: usize = 4;
/// The slope of leaky ReLUs, the pixel discriminator's.
const SLOPE: f64 = 0.2;
/// Channels of a head's layers, in widths of the GAN's networks.
const WIDTHS: usize = 2;
/// Maps of real images are kept where they take no more bytes than this.
const MOST_KEPT: usize = 100 << 20;
/// Images a pass, where maps are made to be kept.
const BATCH: usize = 64;

/// A frozen network that makes feature maps of images.
pub trait FeatureMaps: Debug + Send {
    /// The side and the channels of each map, of sides that are powers of two from 4 up.
    fn shapes(&self) -> &[[usize; 2]];

    /// The maps `[n, side, side, channels]` of images `[n, size, size, channels]`, each image's its own alone; differentiable by the images.
    fn maps(&self, images: &Tensor) -> Vec<Tensor>;
}

/// The heads, their optimiser, and the maps of real images where these stay the same.
#[derive(Debug)]
pub(super) struct Heads {
    heads: Vec<Module>,
    adam: Adam,
    weight: f64,
    kept: Option<Vec<Tensor>>,
}

fn head(name: &str, [side, channels]: [usize; 2], width: usize) -> Vec<Layer> {
    let mut layers = Sequence::new(name);
    let filter = |[inputs, outputs]: [usize; 2], kernel, stride, padding, slope| {
        let start = Initialiser::He { fan_in: kernel * kernel * inputs, slope };
        Filter { bias: slope != 1.0, ..Filter::new([inputs, outputs], kernel, stride, padding, start) }
    };
    let mut inputs = channels;
    for _ in 0..(side / BASE).ilog2() {
        layers.module(LayerKind::Convolution(filter([inputs, width], BASE, 2, 1, SLOPE)));
        layers.module(LayerKind::Activation(Activation::LeakyRelu { slope: SLOPE }));
        inputs = width;
    }
    if side == BASE {
        layers.module(LayerKind::Convolution(filter([inputs, width], 3, 1, 1, SLOPE)));
        layers.module(LayerKind::Activation(Activation::LeakyRelu { slope: SLOPE }));
        inputs = width;
    }
    // The score has no shift, as the pixel discriminator's has none.
    layers.module(LayerKind::Convolution(filter([inputs, 1], BASE, 1, 0, 1.0)));
    layers.beside("", LayerKind::Scores);
    layers.into_layers()
}

impl Heads {
    /// Fresh heads on a network's maps, which train at the pixel discriminator's rate; `weight` is that of their loss in the generator's.
    pub fn new(device: &Device, recipe: &Recipe, maps: &dyn FeatureMaps, weight: f64) -> Heads {
        let mut builder = Builder::new(device, recipe.seed, Network::Heads);
        let width = WIDTHS * recipe.architecture.features;
        let mut of = |&[side, channels]: &[usize; 2]| {
            Module::new(&mut builder, &head(&format!("side{side}"), [side, channels], width))
        };
        let heads: Vec<Module> = maps.shapes().iter().map(&mut of).collect();
        let options = AdamOptions { rate: recipe.d_lr, beta1: recipe.beta1, ..AdamOptions::DCGAN };
        let adam = Adam::new(heads.iter().flat_map(Module::parameters).collect(), options);
        Heads { heads, adam, weight, kept: None }
    }

    /// The maps of the data's images `indices` as they are: looked up where all of them can be kept, else None.
    pub fn kept(&mut self, maps: &dyn FeatureMaps, data: &Dataset, indices: &[usize]) -> Option<Vec<Tensor>> {
        let elements: usize = maps.shapes().iter().map(|[side, channels]| side * side * channels).sum();
        if data.len().saturating_mul(elements * size_of::<f32>()) > MOST_KEPT {
            return None;
        }
        let device = self.adam.parameters()[0].device();
        let kept = self.kept.get_or_insert_with(|| no_grad(|| all_maps(maps, data, &device)));
        let rows: Vec<u32> = indices.iter().map(|&index| index as u32).collect();
        let looked_up = |(all, &[side, channels]): (&Tensor, &[usize; 2])| {
            all.gather(&rows).reshape([rows.len(), side, side, channels])
        };
        Some(no_grad(|| kept.iter().zip(maps.shapes()).map(looked_up).collect()))
    }

    fn scores(&self, maps: &[Tensor]) -> Vec<Tensor> {
        self.heads.iter().zip(maps).map(|(head, map)| head.forward(map, &mut Pass::new(Mode::TRAIN))).collect()
    }

    /// What a loss is for heads: a critic's, which nothing would bound here, is the hinge loss.
    fn terms(loss: Loss) -> Terms {
        if loss == Loss::WassersteinGp { Loss::Hinge.terms() } else { loss.terms() }
    }

    /// One update by the maps of real and of generated images; gives its loss.
    pub fn update(&mut self, loss: Loss, real: &[Tensor], fake: &[Tensor]) -> Tensor {
        let fake: Vec<Tensor> = fake.iter().map(Tensor::detach).collect();
        let mut gradients = Gradients::of(&self.adam);
        let pairs = self.scores(real).into_iter().zip(self.scores(&fake));
        let value = gradients.add(mean(pairs.map(|(real, fake)| match Heads::terms(loss) {
            Terms::Apart { real: of_real, fake: of_fake, .. } => of_real(&real) + of_fake(&fake),
            Terms::Paired { discriminator, .. } => discriminator(&real, &fake),
        })));
        gradients.step(&mut self.adam);
        value
    }

    /// Their weighted part of the generator's loss.
    pub fn of_generator(&self, loss: Loss, real: &[Tensor], fake: &[Tensor]) -> Tensor {
        let fake = self.scores(fake).into_iter();
        let mean = match Heads::terms(loss) {
            Terms::Apart { generator, .. } => mean(fake.map(|fake| generator(&fake))),
            Terms::Paired { generator, .. } => {
                let real = no_grad(|| self.scores(real));
                mean(real.iter().zip(fake).map(|(real, fake)| generator(real, &fake)))
            }
        };
        mean * self.weight
    }

    /// Sets the learning rate.
    pub fn set_rate(&mut self, rate: f64) {
        self.adam.set_rate(rate);
    }

    /// Sets the number of updates, as a resumed run finds it.
    pub fn set_updates(&mut self, updates: u64) {
        self.adam.set_updates(updates);
    }

    /// The state, by names for checkpoints.
    pub fn slots(&self) -> [(&'static str, Vec<Parameter>); 2] {
        let heads = self.heads.iter().flat_map(Module::parameters).collect();
        [("netH", heads), ("adam.netH", self.adam.moments().cloned().collect())]
    }
}

/// The mean of the heads' losses.
fn mean(losses: impl ExactSizeIterator<Item = Tensor>) -> Tensor {
    let share = 1.0 / losses.len() as f64;
    losses.reduce(|a, b| a + b).expect("there are heads") * share
}

/// The maps of all images of a data set, a row an image.
fn all_maps(maps: &dyn FeatureMaps, data: &Dataset, device: &Device) -> Vec<Tensor> {
    let Images { height, width, channels, .. } = data.images;
    let mut parts: Vec<Vec<Tensor>> = maps.shapes().iter().map(|_| Vec::new()).collect();
    for start in (0..data.len()).step_by(BATCH) {
        let indices: Vec<usize> = (start..data.len().min(start + BATCH)).collect();
        let images = Tensor::from_slice(device, &data.batch(&indices), [indices.len(), height, width, channels]);
        for (parts, map) in parts.iter_mut().zip(maps.maps(&images)) {
            parts.push(map.reshape([indices.len(), map.len() / indices.len()]));
        }
    }
    parts.iter().map(|parts| Tensor::concat(&parts.iter().collect::<Vec<_>>(), 0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gan::Architecture;
    use crate::random::{Purpose, generator, normal};

    /// Means of squares of the image's pixels, at three sizes.
    #[derive(Debug)]
    struct Pooled;

    impl FeatureMaps for Pooled {
        fn shapes(&self) -> &[[usize; 2]] {
            &[[16, 3], [8, 3], [4, 3]]
        }

        fn maps(&self, images: &Tensor) -> Vec<Tensor> {
            [2, 4, 8].into_iter().map(|factor| images.average_pool(factor, factor, 0)).collect()
        }
    }

    fn heads(device: &Device, weight: f64) -> Heads {
        let architecture = Architecture { features: 2, ..Architecture::dcgan(32, 3) };
        Heads::new(device, &Recipe { architecture, d_lr: 5e-3, ..Recipe::default() }, &Pooled, weight)
    }

    fn images(device: &Device, count: usize, seed: u64) -> Tensor {
        let values = normal(&mut generator(seed, Purpose::GradientCheck, 0, 0), count * 32 * 32 * 3);
        Tensor::from_slice(device, &values, [count, 32, 32, 3])
    }

    #[test]
    fn maps_that_are_kept_are_those_that_would_be_made() {
        let device = Device::cpu();
        let pixels = (0..70 * 32 * 32 * 3).map(|place| (place * 7 % 251) as u8).collect();
        let data = Dataset::unlabelled("any", Images::new([70, 32, 32, 3], pixels));
        let indices = [69, 0, 64, 0];
        let kept = heads(&device, 1.0).kept(&Pooled, &data, &indices).unwrap();
        let made = Pooled.maps(&Tensor::from_slice(&device, &data.batch(&indices), [4, 32, 32, 3]));
        for (kept, made) in kept.iter().zip(&made) {
            assert_eq!(kept.shape(), made.shape());
            assert_eq!(kept.to_vec::<f32>().unwrap(), made.to_vec::<f32>().unwrap());
        }
    }

    #[test]
    fn heads_learn_to_tell_maps_apart_and_the_generator_hears_of_it_by_the_weight() {
        let device = Device::cpu();
        let (real, fake) = (Pooled.maps(&(images(&device, 8, 1) + 0.5)), Pooled.maps(&images(&device, 8, 2)));
        for loss in [Loss::NonSaturating, Loss::R3gan, Loss::Hinge, Loss::WassersteinGp] {
            let (mut one, mut two) = (heads(&device, 1.0), heads(&device, 2.0));
            let generators = |heads: &Heads| heads.of_generator(loss, &real, &fake).item().unwrap();
            assert!((2.0 * generators(&one) - generators(&two)).abs() < 1e-5);
            let before = generators(&one);
            let mut of_discriminator = || one.update(loss, &real, &fake).item().unwrap();
            let first = of_discriminator();
            let last = (0..60).map(|_| of_discriminator()).fold(first, |_, last| last);
            assert!(last < 0.8 * first, "{loss}: {first} to {last}");
            assert!(generators(&one) > before, "{loss}: what is told apart costs the generator more");
            two.set_updates(3);
        }
    }

    #[test]
    fn the_generators_gradient_goes_through_the_maps_and_the_discriminators_does_not() {
        let device = Device::reference();
        let heads = heads(&device, 1.0);
        let made = images(&device, 2, 3);
        let real = Pooled.maps(&images(&device, 2, 4));
        let loss = heads.of_generator(Loss::NonSaturating, &real, &Pooled.maps(&made));
        let gradient = crate::tensor::grad(loss, &[&made]).remove(0).to_vec::<f64>().unwrap();
        assert!(gradient.iter().any(|value| *value != 0.0));
    }
}
