//! What must hold for a folder of images, whatever lies in it.

use super::*;
use crate::data::Spec;
use crate::data::picture::encode_png;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ExtendedColorType, GrayImage, ImageEncoder, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use proptest::prelude::*;
use tempfile::TempDir;

fn spec(folder: &Path) -> Spec {
    format!("folder:{}", folder.display()).parse().unwrap()
}

fn train(folder: &Path) -> Result<Dataset> {
    spec(folder).load(Split::Train)
}

/// A folder with these files; a path ending in a slash is a folder.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(if name.ends_with('/') { &path } else { path.parent().unwrap() }).unwrap();
        if !name.ends_with('/') {
            fs::write(path, bytes).unwrap();
        }
    }
    folder
}

/// A PNG of one grey level.
fn grey(height: usize, width: usize, value: u8) -> Vec<u8> {
    let pixels = vec![value; height * width];
    encode_png(&Images::new([1, height, width, 1], pixels), 0)
}

fn encoded(image: impl Into<DynamicImage>, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
    encoded(image, image::ImageFormat::Png)
}

/// A photograph-like picture: smooth, in colour.
fn smooth(height: u32, width: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([(255 * x / width) as u8, (255 * y / height) as u8, (255 * (x + y) / (width + height)) as u8])
    })
}

#[test]
fn sub_folders_are_classes_by_name_and_take_turns() {
    let files: Vec<(String, Vec<u8>)> = [("b", 4, 100), ("a", 2, 50), ("c", 1, 200)]
        .into_iter()
        .flat_map(|(class, count, first)| {
            // Written in another order than that of their names.
            (0..count).rev().map(move |i| (format!("{class}/{i}.png"), grey(8, 8, first + i as u8)))
        })
        .collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (&name[..], &bytes[..])).collect();
    let folder = folder(&files);
    let dataset = train(folder.path()).unwrap();
    assert_eq!(
        (dataset.classes.names(), dataset.class_counts()),
        (&["a", "b", "c"].map(String::from)[..], vec![2, 4, 1])
    );
    let first: Vec<u8> = dataset.images.pixels().chunks_exact(64).map(|image| image[0]).collect();
    // A class's r-th of m stands at (r + 1/2) / m: b 1/8, a 1/4, b 3/8, c 1/2, b 5/8, a 3/4, b 7/8.
    assert_eq!(first, [100, 50, 101, 200, 102, 51, 103]);
    assert_eq!(dataset.labels, Some(vec![1, 0, 1, 2, 1, 0, 1]));
}

#[test]
fn a_flat_folder_has_no_labels_and_is_in_the_order_of_names() {
    let (ten, two, hidden) = (grey(8, 8, 10), grey(8, 8, 2), b"no image");
    let folder = folder(&[("2.png", &two), ("10.png", &ten), (".DS_Store", hidden)]);
    let dataset = train(folder.path()).unwrap();
    assert_eq!((dataset.labels, dataset.classes.len()), (None, 0));
    assert_eq!((dataset.images.count, dataset.images.height, dataset.images.width), (2, 8, 8));
    assert_eq!((dataset.images.pixels()[0], dataset.images.pixels()[64]), (10, 2));
}

#[test]
fn sub_folders_train_and_test_are_splits() {
    let (one, two) = (grey(8, 8, 1), grey(8, 8, 2));
    let split = folder(&[("train/a/x.png", &one), ("test/a/x.png", &two)]);
    for (part, value) in [(Split::Train, 1), (Split::Test, 2)] {
        let dataset = spec(split.path()).load(part).unwrap();
        assert_eq!((dataset.images.pixels()[0], dataset.labels, dataset.classes.len()), (value, Some(vec![0]), 1));
    }
    let one_split = folder(&[("a/x.png", &one), ("test/x.png", &two)]);
    assert_eq!(train(one_split.path()).unwrap().classes.len(), 2);
    let error = spec(one_split.path()).load(Split::Test).unwrap_err().to_string();
    assert!(error.contains("has no test split; put the images into its sub-folders train and test"), "{error}");
}

#[test]
fn images_of_one_small_size_stay_as_they_are_and_others_become_squares() {
    // Sizes (height, width), and the side of the squares.
    for (sizes, expected) in [
        (&[(28, 28), (28, 28)][..], (28, 28)),
        (&[(20, 32), (20, 32)], (20, 32)),
        (&[(20, 32), (32, 20)], (32, 32)),
        (&[(32, 100), (28, 28)], (32, 32)),
        (&[(33, 33), (28, 28)], (64, 64)),
        (&[(100, 120)], (64, 64)),
        (&[(64, 64)], (64, 64)),
    ] {
        let files: Vec<(String, Vec<u8>)> =
            sizes.iter().enumerate().map(|(i, &(height, width))| (format!("{i}"), grey(height, width, 77))).collect();
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (&name[..], &bytes[..])).collect();
        let dataset = train(folder(&files).path()).unwrap();
        assert_eq!((dataset.images.height, dataset.images.width), expected, "{sizes:?}");
        assert!(dataset.images.pixels().iter().all(|&value| value == 77), "{sizes:?}");
        for size in [32, 64] {
            let fitted = dataset.clone().fit(size, 3).unwrap();
            assert_eq!(fitted.images.pixels().len(), sizes.len() * size * size * 3);
        }
    }
}

#[test]
fn an_image_of_the_right_size_keeps_its_pixels() {
    let picture = smooth(64, 64);
    let dataset = train(folder(&[("x", &png(picture.clone()))]).path()).unwrap();
    assert_eq!(*dataset.images.pixels(), *picture.as_raw());
}

#[test]
fn the_middle_of_an_image_is_what_is_kept() {
    // White in the middle 200 columns, black beside them.
    let picture = GrayImage::from_fn(400, 200, |x, _| Luma([if (100..300).contains(&x) { 255 } else { 0 }]));
    let dataset = train(folder(&[("x", &png(picture))]).path()).unwrap();
    assert!(dataset.images.pixels().iter().all(|&value| value == 255));
}

#[test]
fn shrinking_does_not_alias() {
    // Stripes of one pixel, far above what 64 columns can show: their mean is all that may be left.
    let stripes = GrayImage::from_fn(1000, 1000, |x, _| Luma([if x % 2 == 0 { 255 } else { 0 }]));
    let dataset = train(folder(&[("x", &png(stripes))]).path()).unwrap();
    let (least, most) = dataset.images.pixels().iter().fold((255, 0), |(a, b), &value| (a.min(value), b.max(value)));
    // Lanczos's filter lets 2 % of such a frequency through at the borders, where it is cut.
    assert!(least >= 120 && most <= 135, "{least} to {most}");
}

#[test]
fn a_shrunk_image_is_the_picture_that_it_was() {
    for format in [image::ImageFormat::Png, image::ImageFormat::Jpeg] {
        let dataset = train(folder(&[("x", &encoded(smooth(512, 512), format))]).path()).unwrap();
        let expected = smooth(64, 64);
        let far = dataset.images.pixels().iter().zip(expected.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        // The 64 steps are of 4 grey levels and half of one lies between the centres of large and small pixels; two
        // more at the borders and for JPEG's rounding.
        assert!(far <= 4, "{format:?}: {far}");
    }
}

#[test]
fn one_image_in_colour_makes_all_of_them_rgb() {
    let (plain, colour) = (grey(8, 8, 9), png(RgbImage::from_pixel(8, 8, Rgb([1, 2, 3]))));
    let dataset = train(folder(&[("a", &plain), ("b", &colour)]).path()).unwrap();
    assert_eq!(dataset.images.channels, 3);
    assert_eq!((&dataset.images.image(0)[..3], &dataset.images.image(1)[..3]), (&[9, 9, 9][..], &[1, 2, 3][..]));
    assert_eq!(train(folder(&[("a", &plain)]).path()).unwrap().images.channels, 1);
}

#[test]
fn transparency_and_sixteen_bits_become_eight_over_black() {
    let half = png(RgbaImage::from_pixel(8, 8, Rgba([200, 100, 50, 128])));
    let dataset = train(folder(&[("x", &half)]).path()).unwrap();
    // Times 128 / 255.
    assert_eq!(dataset.images.image(0)[..3], [100, 50, 25]);
    let deep = png(image::ImageBuffer::<Luma<u16>, _>::from_pixel(8, 8, Luma([0x80ff])));
    let dataset = train(folder(&[("x", &deep)]).path()).unwrap();
    assert_eq!((dataset.images.channels, dataset.images.pixels()[0]), (1, 0x80));
}

#[test]
fn a_photograph_is_turned_as_its_camera_says() {
    // Exif with one entry: orientation (0x0112) 6, which is a turn by 90 degrees.
    let exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
    let picture = RgbImage::from_fn(96, 64, |x, _| if x < 48 { Rgb([255, 255, 255]) } else { Rgb([0, 0, 0]) });
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
    encoder.set_exif_metadata(exif).unwrap();
    encoder.write_image(&picture, 96, 64, ExtendedColorType::Rgb8).unwrap();
    let dataset = train(folder(&[("x", &bytes)]).path()).unwrap();
    // What was left is above.
    let at = |y: usize, x: usize| dataset.images.pixels()[(y * 64 + x) * 3];
    assert!(at(5, 5) > 250 && at(5, 58) > 250 && at(58, 5) < 5 && at(58, 58) < 5);
}

#[test]
fn files_that_are_no_images_are_named() {
    let fine = grey(40, 40, 1);
    let picture = encoded(smooth(100, 100), image::ImageFormat::Jpeg);
    let mut corrupt = fine.clone();
    let middle = corrupt.len() - 20;
    corrupt[middle] ^= 0xff;
    let mut huge = grey(1, 1, 0);
    // The width in the header, and the header's checksum made to fit.
    huge[16..24].copy_from_slice(&[0, 0, 0x80, 0, 0, 0, 0x80, 0]);
    let mut checksum = flate2::Crc::new();
    checksum.update(&huge[12..29]);
    huge[29..33].copy_from_slice(&checksum.sum().to_be_bytes());
    let rows: [(&[u8], &str); 7] = [
        (b"not an image", "b, byte 0: expected a PNG or JPEG image, found \"not an i\""),
        (b"", "b, byte 0: expected a PNG or JPEG image, found an empty file"),
        (b"GIF89a..", "b, byte 0: expected a PNG or JPEG image, found \"GIF89a..\""),
        (&fine[..fine.len() - 30], "b, byte 0: expected an image that can be decoded, found a broken one"),
        (&corrupt, "b, byte 0: expected an image that can be decoded, found a broken one"),
        (&picture[..picture.len() / 2], "expected the rest of a JPEG image, found the end of the file, which is cut"),
        (&huge, "found 32768 x 32768"),
    ];
    for (bytes, part) in rows {
        let error = train(folder(&[("a", &fine), ("b", bytes), ("c", &fine)]).path()).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::Format { .. }) && text.contains(part), "`{text}` lacks `{part}`");
    }
}

#[test]
fn the_first_bad_file_is_named_whatever_the_number_of_threads() {
    let fine = grey(8, 8, 1);
    let files: Vec<String> = (0..60).map(|i| format!("{i:02}")).collect();
    let bytes = |i: usize| if i == 17 || i > 40 { b"bad" } else { &fine[..] };
    let files: Vec<(&str, &[u8])> = files.iter().enumerate().map(|(i, name)| (&name[..], bytes(i))).collect();
    let folder = folder(&files);
    for threads in [1, 4] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let text = pool.install(|| train(folder.path())).unwrap_err().to_string();
        assert!(text.contains("/17, byte 0"), "{text}");
    }
}

#[test]
fn a_folder_that_is_no_data_set_says_what_to_do() {
    let fine = grey(8, 8, 1);
    for (files, part) in [
        (&[][..], "has no images; put PNG or JPEG images there"),
        (&[(".hidden", &fine[..])], "has no images"),
        (&[("a/", &[]), ("b/x.png", &fine)], "a has no images"),
        (&[("a/x.png", &fine), ("y.png", &fine)], "has a sub-folder, "),
        (&[("a/b/x.png", &fine)], "b is a folder within the folder of a class"),
    ] {
        let text = train(folder(files).path()).unwrap_err().to_string();
        assert!(text.contains(part), "`{text}` lacks `{part}`");
    }
    let text = train(Path::new("no/such")).unwrap_err().to_string();
    assert!(text.contains("there is no folder no/such; put PNG or JPEG images there"), "{text}");
}

#[cfg(unix)]
#[test]
fn links_are_followed_inside_the_folder_only() {
    use std::os::unix::fs::symlink;
    let (one, two) = (grey(8, 8, 1), grey(8, 8, 2));
    let outside = folder(&[("secret.png", &one), ("class/x.png", &one)]);
    let inside = folder(&[("a/x.png", &one), ("b/y.png", &two)]);
    symlink(inside.path().join("a/x.png"), inside.path().join("b/x.png")).unwrap();
    assert_eq!(train(inside.path()).unwrap().class_counts(), [1, 2]);
    for target in ["secret.png", "class", "class/x.png", "../"] {
        let link = inside.path().join(if target.ends_with("png") { "b/z.png" } else { "c" });
        symlink(outside.path().join(target), &link).unwrap();
        let text = train(inside.path()).unwrap_err().to_string();
        assert!(text.contains("is a link that leads out of") && text.contains(link.to_str().unwrap()), "{text}");
        fs::remove_file(link).unwrap();
    }
    symlink("gone.png", inside.path().join("b/z.png")).unwrap();
    let text = train(inside.path()).unwrap_err().to_string();
    assert!(text.contains("cannot read") && text.contains("z.png"), "{text}");
    // The folder itself may be reached by a link.
    fs::remove_file(inside.path().join("b/z.png")).unwrap();
    symlink(inside.path(), outside.path().join("link")).unwrap();
    assert_eq!(train(&outside.path().join("link")).unwrap().class_counts(), [1, 2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_damaged_image_gives_an_error_or_an_image(
        jpeg: bool, cut: prop::sample::Index,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0u32..8), 0..4),
    ) {
        let format = if jpeg { image::ImageFormat::Jpeg } else { image::ImageFormat::Png };
        let mut bytes = encoded(smooth(40, 50), format);
        let whole = bytes.len();
        for (place, bit) in &flips {
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
        }
        if flips.is_empty() {
            bytes.truncate(cut.index(whole - 12));
        }
        match train(folder(&[("x", &bytes)]).path()) {
            Ok(dataset) => prop_assert!(!flips.is_empty() && dataset.images.height <= 64),
            Err(error) => prop_assert!(matches!(error, Error::Format { .. }), "{}", error),
        }
    }
}
