//! Data sets that are drawn in code, so that the first command works on a machine without any data.
//!
//! `strokes` looks like handwriting, `street` like house numbers on photographs; `textures` is noise, which has nothing to do with either. An image is a function of (domain,
//! split, index) alone. They are fixed before any method runs on them and never altered for a result: a test holds
//! their digests.

mod canvas;
mod drawing;
mod signs;
mod skeletons;
mod street;
mod strokes;
mod textures;
mod walls;

use rand_chacha::ChaCha12Rng;
use rayon::prelude::*;

use super::kind::{Block, Kind, Places};
use super::{Classes, Dataset, Images, Reading, Split};
use crate::error::{Error, Result, did_you_mean};
use crate::random::{self, Purpose};

/// `synthetic:DOMAIN`: one of the domains below.
pub(super) const KIND: Kind = Kind {
    name: "synthetic",
    forms: &["synthetic:strokes", "synthetic:street", "synthetic:textures"],
    places: Places::None,
    check,
    load,
    block: Block::LastFifth,
};

/// The side of every synthetic image.
const SIDE: usize = 32;
/// The classes are the ten digits, or as many kinds of texture.
const CLASSES: usize = 10;

const TRAIN_COUNT: usize = 10_000;
const TEST_COUNT: usize = 2_000;

/// A kind of synthetic image.
struct Domain {
    name: &'static str,
    channels: usize,
    /// Keys the domain's random numbers; another seed would be another data set.
    seed: u64,
    /// Draws one image of a class into `[SIDE, SIDE, channels]` bytes.
    draw: fn(class: usize, &mut ChaCha12Rng, &mut [u8]),
    /// The names of its classes.
    classes: fn() -> Classes,
}

const DOMAINS: [Domain; 3] = [
    Domain { name: "strokes", channels: 1, seed: 0x5712_0ce5, draw: strokes::draw, classes: digits },
    Domain { name: "street", channels: 3, seed: 0x57_2ee7, draw: street::draw, classes: digits },
    Domain { name: "textures", channels: 1, seed: 0x7e_c5_70_e5, draw: textures::draw, classes: textures::classes },
];

fn digits() -> Classes {
    Classes::numbered(0..CLASSES)
}

fn domain(name: &str) -> Result<&'static Domain> {
    DOMAINS.iter().find(|domain| domain.name == name).ok_or_else(|| {
        let known: Vec<&str> = DOMAINS.iter().map(|domain| domain.name).collect();
        let meant = did_you_mean(name, known.iter().copied());
        Error::Usage(format!("`synthetic:{name}` is no synthetic data set{meant}; there are {}", known.join(", ")))
    })
}

fn check(argument: &str) -> Result<()> {
    domain(argument).map(drop)
}

fn load(argument: &str, split: Split, reading: &Reading) -> Result<Dataset> {
    let domain = domain(argument)?;
    let count = match split {
        Split::Train => TRAIN_COUNT,
        Split::Test => TEST_COUNT,
        Split::Validation => {
            return Err(Split::held_out_instead(argument));
        }
    };
    Ok(domain.dataset(split, count).read_by(reading))
}

impl Domain {
    /// The first `count` images of a split. The classes follow each other in turn, so every run of ten has every
    /// class.
    fn dataset(&self, split: Split, count: usize) -> Dataset {
        let step = u64::from(split == Split::Test);
        let bytes = SIDE * SIDE * self.channels;
        let mut pixels = vec![0; count * bytes];
        pixels.par_chunks_exact_mut(bytes).enumerate().for_each(|(index, image)| {
            let mut random = random::generator(self.seed, Purpose::Synthetic, step, index as u64);
            (self.draw)(index % CLASSES, &mut random, image);
        });
        let images = Images::new([count, SIDE, SIDE, self.channels], pixels);
        let labels = (0..count).map(|index| (index % CLASSES) as u32).collect();
        Dataset::labelled(format!("synthetic:{}", self.name), images, labels, (self.classes)())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data sets are part of what an experiment reports: drawing that changes a digest is another data set. An
    /// image does not depend on those after it, so the first few stand for all.
    #[test]
    fn the_drawings_are_fixed() {
        for (domain, split, digest) in [
            (&DOMAINS[0], Split::Train, "1964cee8f15111460349bbfb43862e36dff7ac3ff6fd5063133c9d0b05c85127"),
            (&DOMAINS[0], Split::Test, "d938e9146a5a8fde9a2eb7782c3f4c4f095019432c2f5d1a8025104c86e2750a"),
            (&DOMAINS[1], Split::Train, "a528f450a2f98398652afcb6cb843257efdecaf0144c929c73707723897d541b"),
            (&DOMAINS[1], Split::Test, "56c2f0d129828fba9eddc10d33fd8cb3587bc1e855add9fa400365315442e993"),
            (&DOMAINS[2], Split::Train, "4604c0a4ac72182eccc22e6c88c0ad00d515cfd962b74f52879fceda8a0e2d9d"),
            (&DOMAINS[2], Split::Test, "211434c2907bc745cafb863cb28ee9fc1e5cacd5c61a06f0e62479ad99121a4a"),
        ] {
            assert_eq!(domain.dataset(split, 200).digest(), digest, "{}, {split}", domain.name);
        }
    }

    #[test]
    fn a_data_set_has_its_size_and_balanced_classes() {
        for (split, count) in [(Split::Train, 10_000), (Split::Test, 2_000)] {
            let dataset = load("strokes", split, &Reading::default()).unwrap();
            assert_eq!(dataset.images.pixels().len(), count * 32 * 32);
            assert_eq!(dataset.class_counts(), [count / 10; 10]);
        }
    }

    #[test]
    fn images_do_not_depend_on_threads_or_on_how_many_are_drawn() {
        for domain in &DOMAINS {
            let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
            let few = one.install(|| domain.dataset(Split::Train, 20));
            let many = domain.dataset(Split::Train, 50);
            assert_eq!(few.images, many.select(&(0..20).collect::<Vec<_>>()).images);
        }
    }

    #[test]
    fn no_image_comes_twice_not_even_in_the_other_split() {
        for domain in &DOMAINS {
            let [train, test] = [Split::Train, Split::Test].map(|split| domain.dataset(split, 500).images);
            let mut images: Vec<_> = (0..500).flat_map(|index| [train.image(index), test.image(index)]).collect();
            images.sort_unstable();
            images.dedup();
            assert_eq!(images.len(), 1000, "{}", domain.name);
        }
    }

    #[test]
    fn strokes_are_digits_that_their_neighbours_in_pixels_recognise() {
        let train = DOMAINS[0].dataset(Split::Train, 500);
        let test = DOMAINS[0].dataset(Split::Test, 100);
        let squared =
            |a: &[u8], b: &[u8]| -> i32 { a.iter().zip(b).map(|(&a, &b)| (i32::from(a) - i32::from(b)).pow(2)).sum() };
        let right = (0..test.len())
            .filter(|&index| {
                let image = test.images.image(index);
                let nearest =
                    (0..train.len()).min_by_key(|&other| squared(&image, &train.images.image(other))).unwrap();
                nearest % CLASSES == index % CLASSES
            })
            .count();
        // Measured: all of them.
        assert!(right >= 95, "{right} of 100");
    }
}
