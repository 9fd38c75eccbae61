//! SVHN's cropped digits ("Format 2"): house numbers from photographs, 32 x 32 in colour, as MATLAB files.
//!
//! A file has `X`, bytes [32, 32, 3, N] of which the row varies fastest, and `y`, N labels of which 10 is the digit zero.
//! Netzer et al., "Reading Digits in Natural Images with Unsupervised Feature Learning", 2011. Digits of one house
//! number stand next to each other: images are held out in contiguous blocks.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::kind::{Block, Kind, Places};
use super::matlab::{self, Array, Header};
use super::{Classes, Dataset, Images, Reading, Split};
use crate::error::{Error, Result};

/// `svhn:DIR|FILE.mat`: the folder of SVHN's files, or one of them.
pub(super) const KIND: Kind =
    Kind { name: "svhn", forms: &["svhn:DIR|FILE.mat"], places: Places::Whole, check, load, block: Block::LastFifth };

const SIDE: usize = 32;
const CHANNELS: usize = 3;
const CLASSES: usize = 10;
/// The label of the digit zero.
const ZERO: u8 = 10;

fn file_name(split: Split) -> Result<&'static str> {
    match split {
        Split::Train => Ok("train_32x32.mat"),
        Split::Test => Ok("test_32x32.mat"),
        Split::Validation => Err(Split::held_out_instead("SVHN")),
    }
}

fn check(argument: &str) -> Result<()> {
    if argument.is_empty() {
        return Err(Error::Usage(
            "`svhn:` must name the folder of SVHN's train_32x32.mat and test_32x32.mat, or one such file: \
             svhn:DIR|FILE.mat"
                .into(),
        ));
    }
    Ok(())
}

fn load(argument: &str, split: Split, reading: &Reading) -> Result<Dataset> {
    let path = find(argument, split)?;
    let arrays = matlab::read(&path, |header| wanted(&path, header))?;
    let (images, labels) = digits(&path, arrays)?;
    Ok(Dataset::labelled(argument, images, labels, Classes::numbered(0..CLASSES)).read_by(reading))
}

fn find(argument: &str, split: Split) -> Result<PathBuf> {
    let path = Path::new(argument);
    if path.is_dir() {
        let name = file_name(split)?;
        let file = path.join(name);
        if !file.is_file() {
            let why =
                format!("{argument} has no {name}; put the {split} images of SVHN (Format 2, cropped digits) there");
            return Err(if split == Split::Test { Error::NoSplit(why) } else { Error::Invalid(why) });
        }
        return Ok(file);
    }
    if !path.exists() {
        return Err(Error::invalid(format!(
            "there is no {argument}; put SVHN's train_32x32.mat and test_32x32.mat into a folder and name that, name \
             one such file, or use synthetic:street, which needs no files"
        )));
    }
    if split != Split::Train {
        return Err(Error::NoSplit(format!(
            "svhn:{argument} names one file and has no {split} split; name the folder that has test_32x32.mat too, or \
             the held-out file by its own svhn:FILE.mat"
        )));
    }
    Ok(path.into())
}

/// Whether an array is part of the data set: so that no other is read, and none of another size.
fn wanted(path: &Path, header: &Header) -> Result<bool> {
    let (fits, expected) = match (header.name.as_str(), &header.dimensions[..]) {
        // MATLAB drops a last dimension of one.
        ("X", dimensions) => {
            (matches!(dimensions, [SIDE, SIDE, CHANNELS] | [SIDE, SIDE, CHANNELS, _]), "X of 32 x 32 x 3 x N")
        }
        ("y", dimensions) => (matches!(dimensions, [_, 1] | [1, _]), "y of N x 1"),
        _ => return Ok(false),
    };
    if fits && !header.dimensions.contains(&0) {
        return Ok(true);
    }
    let sizes: Vec<String> = header.dimensions.iter().map(usize::to_string).collect();
    Err(Error::format(path, header.offset, format!("{expected}, N above zero"), sizes.join(" x ")))
}

/// The images and labels in the arrays of a file.
fn digits(path: &Path, arrays: Vec<Array>) -> Result<(Images, Vec<u32>)> {
    let (mut pixels, mut labels) = (None, None);
    for array in arrays {
        let place = if array.header.name == "X" { &mut pixels } else { &mut labels };
        if place.is_some() {
            let name = array.header.name;
            return Err(Error::format(path, array.header.offset, format!("one {name}"), format!("a second {name}")));
        }
        *place = Some(array);
    }
    let missing = |name| Error::invalid(format!("{} has no {name}; get SVHN's Format 2 again", path.display()));
    let pixels = pixels.ok_or_else(|| missing("X, the images"))?;
    let labels = labels.ok_or_else(|| missing("y, the labels"))?;
    let count = pixels.bytes.len() / (SIDE * SIDE * CHANNELS);
    if labels.bytes.len() != count {
        let expected = format!("{count} labels, one for each image");
        return Err(Error::format(path, labels.header.offset, expected, format!("{} labels", labels.bytes.len())));
    }
    let offset = labels.header.offset;
    let digit = |(index, label): (usize, u8)| match label {
        ZERO => Ok(0),
        1..ZERO => Ok(label.into()),
        _ => Err(Error::format(path, offset, "labels from 1 to 10", format!("{label} as label {index} of y"))),
    };
    let labels = labels.bytes.into_iter().enumerate().map(digit).collect::<Result<_>>()?;
    let pixels = rows_of_colours(pixels.bytes);
    Ok((Images::new([count, SIDE, SIDE, CHANNELS], pixels), labels))
}

/// From [channel][column][row] to [row][column][channel], image by image and in place, since the set may be large.
fn rows_of_colours(mut pixels: Vec<u8>) -> Vec<u8> {
    pixels.par_chunks_exact_mut(SIDE * SIDE * CHANNELS).for_each_init(Vec::new, |stored, image| {
        stored.clear();
        stored.extend_from_slice(image);
        for (place, pixel) in image.chunks_exact_mut(CHANNELS).enumerate() {
            let (row, column) = (place / SIDE, place % SIDE);
            for (channel, value) in pixel.iter_mut().enumerate() {
                *value = stored[(channel * SIDE + column) * SIDE + row];
            }
        }
    });
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::matlab::tests::{UINT8, Writer, value};
    use crate::data::{Spec, real_data};
    use proptest::prelude::*;
    use std::fs;

    fn spec(path: &Path) -> Spec {
        format!("svhn:{}", path.display()).parse().unwrap()
    }

    /// A file of `count` images; `labels` are what `y` holds.
    fn file(writer: &Writer, count: usize, labels: &[u8]) -> Vec<u8> {
        let pixels = (0..count * SIDE * SIDE * CHANNELS).map(value).collect::<Vec<u8>>();
        let dimensions = [SIDE as u32, SIDE as u32, CHANNELS as u32, count as u32];
        // As MATLAB: without a last dimension of one.
        let dimensions = if count == 1 { &dimensions[..3] } else { &dimensions };
        let images = writer.array("X", dimensions, 9, UINT8, &pixels);
        let labels = writer.array("y", &[labels.len() as u32, 1], 6, UINT8, labels);
        writer.file(&[images, labels])
    }

    fn loaded(bytes: &[u8]) -> Result<Dataset> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("digits.mat");
        fs::write(&path, bytes).unwrap();
        spec(&path).load(Split::Train)
    }

    #[test]
    fn images_are_turned_from_columns_of_planes_to_rows_of_colours() {
        for count in [1, 2] {
            for writer in Writer::ALL {
                let labels: &[u8] = if count == 1 { &[10] } else { &[10, 9] };
                let dataset = loaded(&file(&writer, count, labels)).unwrap();
                let digits: &[u32] = if count == 1 { &[0] } else { &[0, 9] };
                assert_eq!((dataset.labels.as_deref(), dataset.classes.len()), (Some(digits), 10));
                let Images { count: found, height, width, channels, .. } = dataset.images;
                assert_eq!((found, height, width, channels), (count, 32, 32, 3));
                for image in 0..count {
                    for (place, &found) in dataset.images.image(image).iter().enumerate() {
                        let (row, column, channel) = (place / 3 / SIDE, place / 3 % SIDE, place % 3);
                        let stored = row + SIDE * (column + SIDE * (channel + CHANNELS * image));
                        assert_eq!(
                            found,
                            value(stored),
                            "image {image}, row {row}, column {column}, channel {channel}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_folder_has_two_splits_and_a_file_has_one() {
        let folder = tempfile::tempdir().unwrap();
        let writer = Writer::ALL[0];
        fs::write(folder.path().join("train_32x32.mat"), file(&writer, 2, &[1, 2])).unwrap();
        fs::write(folder.path().join("test_32x32.mat"), file(&writer, 2, &[3, 4])).unwrap();
        assert_eq!(spec(folder.path()).load(Split::Train).unwrap().labels, Some(vec![1, 2]));
        assert_eq!(spec(folder.path()).load(Split::Test).unwrap().labels, Some(vec![3, 4]));
        let test = folder.path().join("test_32x32.mat");
        assert_eq!(spec(&test).load(Split::Train).unwrap().labels, Some(vec![3, 4]));
        let error = spec(&test).load(Split::Test).unwrap_err().to_string();
        assert!(error.contains("no test split") && error.contains("svhn:FILE.mat"), "{error}");
        fs::remove_file(&test).unwrap();
        let error = spec(folder.path()).load(Split::Test).unwrap_err().to_string();
        assert!(error.contains("has no test_32x32.mat; put the test images of SVHN"), "{error}");
        let error = spec(&test).load(Split::Train).unwrap_err().to_string();
        assert!(error.contains("there is no ") && error.contains("synthetic:street"), "{error}");
    }

    #[test]
    fn what_is_not_svhn_is_an_error_that_says_what_was_expected() {
        let writer = Writer::ALL[0];
        let array = |name, dimensions: &[u32], bytes: usize| writer.array(name, dimensions, 9, UINT8, &vec![1; bytes]);
        let images = array("X", &[32, 32, 3, 2], 6144);
        let labels = array("y", &[2, 1], 2);
        for (arrays, part) in [
            (vec![images.clone()], "has no y, the labels; get SVHN's Format 2 again"),
            (vec![labels.clone()], "has no X, the images"),
            (vec![images.clone(), labels.clone(), labels.clone()], "expected one y, found a second y"),
            (vec![array("X", &[28, 28, 3, 1], 28 * 28 * 3), labels.clone()], "expected X of 32 x 32 x 3 x N, N above"),
            (vec![array("X", &[32, 32, 3, 0], 0), labels.clone()], "found 32 x 32 x 3 x 0"),
            (vec![images.clone(), array("y", &[2, 2], 4)], "expected y of N x 1, N above zero, found 2 x 2"),
            (vec![images.clone(), array("y", &[3, 1], 3)], "expected 2 labels, one for each image, found 3 labels"),
        ] {
            let error = loaded(&writer.file(&arrays)).unwrap_err().to_string();
            assert!(error.contains(part), "`{error}` lacks `{part}`");
        }
        for (label, part) in [(0, "found 0 as label 1 of y"), (11, "found 11 as label 1 of y")] {
            let error = loaded(&file(&writer, 2, &[1, label])).unwrap_err().to_string();
            assert!(error.contains("labels from 1 to 10") && error.contains(part), "{error}");
        }
    }

    #[test]
    fn scipys_files_are_read_compressed_or_not() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        for name in ["svhn_plain.mat", "svhn_compressed.mat"] {
            let dataset = spec(&golden.join(name)).load(Split::Train).unwrap();
            assert_eq!(dataset.labels, Some(vec![0, 1, 9]), "{name}");
            for image in 0..3 {
                for (place, &found) in dataset.images.image(image).iter().enumerate() {
                    let (row, column, channel) = (place / 3 / SIDE, place / 3 % SIDE, place % 3);
                    // The formula of scripts/make_matlab.py.
                    assert_eq!(usize::from(found), (7 * row + 13 * column + 29 * channel + 31 * image) % 256, "{name}");
                }
            }
        }
    }

    #[test]
    fn the_real_files_are_house_numbers() {
        let Some(folder) = real_data("svhn") else { return };
        for split in [Split::Train, Split::Test] {
            let dataset = spec(&folder).load(split).unwrap();
            let images = &dataset.images;
            let [count, height, width, channels] = images.shape();
            let pixels = images.pixels();
            assert_eq!((height, width, channels), (32, 32, 3));
            // Of the published files, or of what stands in for them in development.
            assert!([73_257, 26_032, 8_000, 2_000].contains(&count), "{count} images");
            let counts = dataset.class_counts();
            // One is SVHN's most frequent digit (19 %), and the rarest has 6 %.
            assert!(counts[1] == *counts.iter().max().unwrap(), "{counts:?}");
            assert!(counts.iter().all(|&class| class * 20 > count), "{counts:?}");
            // Published means are 0.43 to 0.48 of white, a channel.
            let mean = pixels.iter().map(|&byte| f64::from(byte)).sum::<f64>() / pixels.len() as f64;
            assert!((100.0..130.0).contains(&mean), "{mean}");
            // Ones stand upright, so grey levels change more along a row than along a column.
            let ones = (0..count).filter(|&index| dataset.labels.as_ref().unwrap()[index] == 1);
            let change = |image: &[u8], step: usize| -> u64 {
                image.iter().zip(&image[step..]).map(|(&a, &b)| u64::from(a.abs_diff(b))).sum()
            };
            let (across, down) = ones.map(|index| images.image(index)).fold((0, 0), |(across, down), image| {
                (across + change(&image, CHANNELS), down + change(&image, SIDE * CHANNELS))
            });
            assert!(across as f64 > 1.3 * down as f64, "{across} across, {down} down");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_changed_byte_gives_an_error_or_as_many_images(
            which in 0..Writer::ALL.len(), place: prop::sample::Index, value: u8,
        ) {
            let mut bytes = file(&Writer::ALL[which], 2, &[10, 3]);
            let place = place.index(bytes.len());
            bytes[place] = value;
            if let Ok(dataset) = loaded(&bytes) {
                prop_assert_eq!(dataset.images.pixels().len(), 2 * SIDE * SIDE * CHANNELS);
                prop_assert_eq!(dataset.labels.unwrap().len(), 2);
            }
        }
    }
}
