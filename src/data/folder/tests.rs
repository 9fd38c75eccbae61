//! What must hold for a folder of images, whatever lies in it.

use std::sync::{Arc, Mutex};

use super::*;
use crate::data::picture::encode_png;
use crate::data::{Background, Fit, Heard, Images, Listener, Resample, Spec};
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

/// A reading, and the notes that it gives.
pub fn heard(reading: Reading) -> (Reading, Arc<Mutex<Vec<String>>>) {
    let notes: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = notes.clone();
    let listener = Listener::new(move |heard| {
        if let Heard::Note(note) = heard {
            kept.lock().unwrap().push(note.to_string());
        }
    });
    (Reading { listener, ..reading }, notes)
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
    let first: Vec<u8> = dataset.images.pixels().chunks_exact(1024).map(|image| image[0]).collect();
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
    assert_eq!(dataset.images.shape(), [2, 32, 32, 1]);
    assert_eq!((dataset.images.image(0)[0], dataset.images.image(1)[0]), (10, 2));
    assert_eq!(dataset.files.unwrap().iter().map(|file| file.to_string()).collect::<Vec<_>>(), ["10.png", "2.png"]);
}

/// A folder of one grey picture in each place, whose level is the place's number; and what is read of a split.
fn placed(places: &[&str]) -> TempDir {
    let pictures: Vec<Vec<u8>> = (0..places.len()).map(|level| grey(8, 8, level as u8)).collect();
    let files: Vec<(&str, &[u8])> = places.iter().zip(&pictures).map(|(place, bytes)| (*place, &bytes[..])).collect();
    folder(&files)
}

fn levels(dataset: &Dataset) -> Vec<u8> {
    (0..dataset.len()).map(|index| dataset.images.image(index)[0]).collect()
}

#[test]
fn sub_folders_with_the_usual_names_of_splits_are_splits() {
    for [train, validation, test] in
        [["train", "val", "test"], ["Training", "VALID", "Eval"], ["TRAIN", "validation", "testing"]]
    {
        let places = [train, validation, test].map(|split| format!("{split}/a/x.png"));
        let folder = placed(&places.each_ref().map(|place| place.as_str()));
        for (split, level) in Split::ALL.into_iter().zip(0..) {
            let data = spec(folder.path()).load(split).unwrap();
            assert_eq!((levels(&data), data.labels, data.classes.len()), (vec![level], Some(vec![0]), 1));
        }
    }
    let flat = placed(&["train/x.png", "val/y.png"]);
    let data = train(flat.path()).unwrap();
    assert_eq!((levels(&data), data.labels, data.splits), (vec![0], None, vec![Split::Train, Split::Validation]));
    assert_eq!(levels(&spec(flat.path()).load(Split::Validation).unwrap()), [1]);
    let error = spec(flat.path()).load(Split::Test).unwrap_err();
    assert!(matches!(&error, Error::NoSplit(text) if text.contains("put the images into its sub-folders")), "{error}");
    // Folders without pictures are neither.
    assert_eq!(levels(&train(placed(&["train/x.png", "test/y.png", "docs/"]).path()).unwrap()), [0]);
}

#[test]
fn other_sub_folders_are_classes_whatever_else_is_called_as_a_split() {
    for places in [&["a/x.png", "test/x.png"][..], &["test/x.png", "val/x.png"], &["train/x.png", "trains/x.png"]] {
        let folder = placed(places);
        let data = train(folder.path()).unwrap();
        assert_eq!((data.labels, data.classes.len(), data.splits), (Some(vec![0, 1]), 2, vec![]), "{places:?}");
        assert!(matches!(spec(folder.path()).load(Split::Test), Err(Error::NoSplit(_))));
    }
}

#[test]
fn a_class_is_its_name_in_every_split() {
    let folder = placed(&["train/a/0", "train/b/0", "train/c/0", "test/a/0", "test/c/0", "test/d/0", "val/c/0"]);
    let (reading, notes) = heard(Reading::default());
    for (split, expected, lacking) in [
        (Split::Train, &[(0, 0), (1, 1), (2, 2)][..], "the train split has no images of class d"),
        (Split::Test, &[(3, 0), (4, 2), (5, 3)], "the test split has no images of class b"),
        (Split::Validation, &[(6, 2)], "the validation split has no images of classes a, b, d"),
    ] {
        let data = spec(folder.path()).read(split, &reading).unwrap();
        assert_eq!(data.classes.names(), ["a", "b", "c", "d"]);
        let labels = data.labels.as_ref().unwrap().iter().map(|&label| label as u8);
        assert_eq!(levels(&data).into_iter().zip(labels).collect::<Vec<_>>(), expected);
        assert!(notes.lock().unwrap().iter().any(|note| note.ends_with(lacking)), "{notes:?}");
    }
    let spelled = placed(&["train/Cat/0", "test/cat/0"]);
    let text = train(spelled.path()).unwrap_err().to_string();
    assert!(
        text.contains("called Cat in one split and cat in another") || text.contains("called cat in one split"),
        "{text}"
    );
    assert_eq!(train(placed(&["Cat/0", "cat/0"]).path()).unwrap().classes.len(), 2, "beside each other they are two");
}

#[test]
fn classes_stand_in_natural_order() {
    let places: Vec<String> = (0..12).map(|class| format!("{class}/x.png")).collect();
    let data = train(placed(&places.iter().map(String::as_str).collect::<Vec<_>>()).path()).unwrap();
    assert_eq!(data.classes.names()[2..11], ["2", "3", "4", "5", "6", "7", "8", "9", "10"].map(String::from));
    assert!(levels(&data).into_iter().zip(data.labels.unwrap()).all(|(level, label)| u32::from(level) == label));
}

#[test]
fn more_than_256_classes_are_told_apart() {
    let places: Vec<String> = (0..300).map(|class| format!("c{class}/x.png")).collect();
    let data = train(placed(&places.iter().map(String::as_str).collect::<Vec<_>>()).path()).unwrap();
    assert_eq!((data.classes.len(), data.labels.unwrap().into_iter().max()), (300, Some(299)));
}

#[test]
fn folders_within_a_class_belong_to_it() {
    let data = train(placed(&["a/x/1.png", "a/2.png", "b/y/z/3.png"]).path()).unwrap();
    assert_eq!((data.classes.len(), data.class_counts()), (2, vec![2, 1]));
}

#[test]
fn an_empty_class_keeps_its_place_and_is_said() {
    let folder = placed(&["a/x.png", "c/x.png"]);
    fs::create_dir(folder.path().join("b")).unwrap();
    let (reading, notes) = heard(Reading::default());
    let data = spec(folder.path()).read(Split::Train, &reading).unwrap();
    assert_eq!((data.class_counts(), data.classes.names()[1].as_str()), (vec![1, 0, 1], "b"));
    assert!(notes.lock().unwrap()[0].ends_with("has no images of class b"), "{notes:?}");
}

#[test]
fn images_of_any_size_become_squares() {
    // Sizes (height, width), and the side of the squares.
    for (sizes, expected) in [
        (&[(28, 28), (28, 28)][..], 32),
        (&[(16, 16), (16, 16)], 32),
        (&[(16, 16), (17, 16)], 32),
        (&[(20, 32), (20, 32)], 32),
        (&[(20, 32), (32, 20)], 32),
        (&[(32, 100), (28, 28)], 32),
        (&[(33, 33), (28, 28)], 64),
        (&[(100, 120)], 64),
        (&[(64, 64)], 64),
    ] {
        let files: Vec<(String, Vec<u8>)> =
            sizes.iter().enumerate().map(|(i, &(height, width))| (format!("{i}"), grey(height, width, 77))).collect();
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (&name[..], &bytes[..])).collect();
        let dataset = train(folder(&files).path()).unwrap();
        assert_eq!((dataset.images.height, dataset.images.width), (expected, expected), "{sizes:?}");
        for size in [16, 32, 64, 128] {
            let fitted = dataset.clone().fit(size, 3).unwrap();
            assert_eq!(fitted.images.shape(), [sizes.len(), size, size, 3]);
            // No black frame.
            assert!(fitted.images.pixels().iter().all(|&value| value == 77), "{sizes:?} at {size}");
        }
    }
}

#[test]
fn pixel_art_keeps_its_pixels_and_large_pictures_their_detail() {
    let art = GrayImage::from_fn(16, 16, |x, y| Luma([(x * 16 + y) as u8]));
    let reading = Reading { resample: Resample::Nearest, size: Some(64), ..Reading::default() };
    let data = spec(folder(&[("x", &png(art.clone()))]).path()).read(Split::Train, &reading).unwrap();
    let at = |place: usize| art.get_pixel(place as u32 % 64 / 4, place as u32 / 256).0[0];
    assert!(data.images.pixels().iter().enumerate().all(|(place, &value)| value == at(place)));
    let reading = Reading { size: Some(128), ..Reading::default() };
    let picture = smooth(128, 128);
    let data = spec(folder(&[("x", &png(picture.clone()))]).path()).read(Split::Train, &reading).unwrap();
    assert_eq!(*data.fit(128, 3).unwrap().images.pixels(), *picture.as_raw());
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
fn what_is_transparent_is_laid_over_the_background() {
    let half = png(RgbaImage::from_pixel(8, 8, Rgba([200, 100, 50, 128])));
    // Black lines on nothing, as icons are.
    let line = png(RgbaImage::from_fn(32, 32, |x, _| Rgba([0, 0, 0, if x < 16 { 255 } else { 0 }])));
    for (background, first, second) in
        [("white", [227, 177, 152], [0, 255]), ("black", [100, 50, 25], [0, 0]), ("#0000ff", [100, 50, 152], [0, 0])]
    {
        let (reading, notes) = heard(Reading { background: background.parse().unwrap(), ..Reading::default() });
        let folder = folder(&[("a", &half), ("b", &line), ("c", &grey(8, 8, 1))]);
        let data = spec(folder.path()).read(Split::Train, &reading).unwrap();
        assert_eq!(data.images.image(0)[..3], first, "{background}");
        assert_eq!([0, 31 * 3].map(|place| data.images.image(1)[place]), second, "{background}");
        let said = notes.lock().unwrap().clone();
        assert_eq!(said.len(), 1);
        assert!(
            said[0].ends_with(&format!("2 images have transparent pixels, which are laid over {background}")),
            "{said:?}"
        );
    }
    assert_eq!(Background::default().to_string(), "white");
}

#[test]
fn grey_with_transparency_stays_grey_where_the_background_is() {
    let half = png(image::ImageBuffer::<image::LumaA<u8>, _>::from_pixel(8, 8, image::LumaA([100, 128])));
    let folder = folder(&[("a", &half)]);
    for (background, channels, first) in [("white", 1, 177), ("#ff0000", 3, 177)] {
        let reading = Reading { background: background.parse().unwrap(), ..Reading::default() };
        let data = spec(folder.path()).read(Split::Train, &reading).unwrap();
        assert_eq!((data.images.channels, data.images.pixels()[0]), (channels, first));
    }
}

#[test]
fn what_is_padded_has_the_colour_of_the_background() {
    let folder = folder(&[("a", &png(GrayImage::from_pixel(8, 4, Luma([100]))))]);
    for (fit, channels) in [(Fit::Pad, 3), (Fit::Cut, 1)] {
        let reading = Reading { fit, background: "#f00".parse().unwrap(), ..Reading::default() };
        let images = spec(folder.path()).read(Split::Train, &reading).unwrap().images;
        assert_eq!(images.channels, channels);
        let first = images.pixels();
        assert!(if channels == 3 { first[0] > 240 && first[1] < 15 } else { first[0] == 100 }, "{fit:?}");
    }
}

#[test]
fn floats_beyond_those_of_pictures_are_refused() {
    for (level, fits) in [(1.0, true), (100.0, false), (f32::NAN, false)] {
        let picture = image::ImageBuffer::<Rgb<f32>, _>::from_pixel(8, 8, Rgb([level, 0.5, 0.0]));
        let read = train(folder(&[("x", &encoded(picture, image::ImageFormat::Tiff))]).path());
        match read {
            Ok(data) => assert!(fits && data.images.pixels()[..2] == [255, 128], "{level}"),
            Err(error) => assert!(!fits && error.to_string().contains("not between 0 and 1"), "{level}: {error}"),
        }
    }
}

#[test]
fn sixteen_bits_become_eight() {
    let deep = png(image::ImageBuffer::<Luma<u16>, _>::from_pixel(8, 8, Luma([0x80ff])));
    let dataset = train(folder(&[("x", &deep)]).path()).unwrap();
    assert_eq!((dataset.images.channels, dataset.images.pixels()[0]), (1, 0x80));
}

#[test]
fn pictures_that_are_no_squares_are_cut_padded_or_stretched() {
    let wide = GrayImage::from_fn(192, 64, |x, _| Luma([if (64..128).contains(&x) { 255 } else { 0 }]));
    let folder = folder(&[("x", &png(wide))]);
    for (fit, expected) in [(Fit::Cut, [255, 255, 255]), (Fit::Pad, [128, 0, 255]), (Fit::Stretch, [0, 0, 255])] {
        let reading = Reading { fit, background: "grey".parse().unwrap(), ..Reading::default() };
        let pixels = spec(folder.path()).read(Split::Train, &reading).unwrap().images.into_pixels();
        assert_eq!([(2, 2), (32, 2), (32, 32)].map(|(y, x)| pixels[y * 64 + x]), expected, "{fit:?}");
    }
}

#[test]
fn every_format_gives_the_same_picture() {
    use image::ImageFormat::{Bmp, Gif, Tiff, WebP};
    let picture =
        RgbImage::from_fn(40, 40, |x, y| if x < 20 { Rgb([255, 0, 0]) } else { Rgb([0, (y / 20 * 255) as u8, 0]) });
    let expected = train(folder(&[("x", &png(picture.clone()))]).path()).unwrap().images;
    for format in [Bmp, Gif, Tiff, WebP] {
        for name in ["x", "x.jpg", "x.webp"] {
            let data = train(folder(&[(name, &encoded(picture.clone(), format))]).path()).unwrap();
            assert_eq!(data.images, expected, "{format:?} called {name}");
        }
    }
    // Of a GIF that moves, the first picture.
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
    for picture in [picture, RgbImage::new(40, 40)] {
        encoder.encode_frame(image::Frame::new(DynamicImage::from(picture).into_rgba8())).unwrap();
    }
    drop(encoder);
    assert_eq!(train(folder(&[("x", &bytes)]).path()).unwrap().images, expected);
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
fn files_that_are_no_pictures_are_passed_over_and_counted() {
    let fine = grey(8, 8, 1);
    let other: [(&str, &[u8]); 9] = [
        ("Thumbs.db", b"\xd0\xcf\x11\xe0"),
        ("desktop.ini", b"[.ShellClassInfo]"),
        ("README", b"Read me."),
        ("README.md", b"# BMW"),
        ("BMW.txt", b"BM is how a bitmap begins, and how this text does."),
        ("captions.csv", b"1.png,a cat"),
        ("dataset.json", b"{}"),
        ("@eaDir/x.png", &fine),
        ("__MACOSX/._x.png", b"\0\x05\x16\x07"),
    ];
    for inside in ["", "a/"] {
        let names: Vec<String> = other.iter().map(|(name, _)| format!("{inside}{name}")).collect();
        let mut files: Vec<(&str, &[u8])> =
            names.iter().map(String::as_str).zip(other.iter().map(|(_, b)| *b)).collect();
        let (one, hidden) = (format!("{inside}1.png"), format!("{inside}.DS_Store"));
        files.extend([(one.as_str(), &fine[..]), (hidden.as_str(), &b"hidden"[..])]);
        let folder = folder(&files);
        let (reading, notes) = heard(Reading::default());
        let data = spec(folder.path()).read(Split::Train, &reading).unwrap();
        assert_eq!((data.len(), data.classes.len()), (1, inside.len() / 2));
        let said = notes.lock().unwrap().clone();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].ends_with("10 files that are none of its images are passed over"), "{said:?}");
    }
}

#[test]
fn broken_pictures_are_listed_together_with_what_each_is_or_left_out() {
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
    let rows: [(&str, &[u8], &str); 12] = [
        ("b.png", b"not an image", "no image begins with \"not an i\"; get it again"),
        ("c.jpg", b"", "it is empty; copy it again"),
        ("d.png", &[0; 50], "nothing but zeros; copy it again"),
        ("e.jpg", b"<!DOCTYPE html><html>", "it is a web page, not an image; download it again"),
        ("f.png", b"version https://git-lfs.github.com/spec/v1", "run `git lfs pull`"),
        ("g.heic", b"\0\0\0\x18ftypheic", "it is HEIC, which is not read; convert it to PNG or JPEG"),
        ("h.jpg", b"\0\0\0\x18ftypheic", "it is HEIC, which is not read; convert it"),
        ("i.svg", b"<svg>", "SVG is not read; convert it"),
        ("j.png", &fine[..fine.len() - 30], "it is damaged"),
        ("k", &corrupt, "it is damaged"),
        ("l", &picture[..picture.len() / 2], "it is cut off; get it again"),
        ("m.png", &huge, "32768 x 32768 pixels, and at most 134 million are read; shrink it"),
    ];
    let mut files: Vec<(&str, &[u8])> = rows.iter().map(|(name, bytes, _)| (*name, *bytes)).collect();
    files.extend([("a", &fine[..]), ("z", &fine)]);
    let broken = folder(&files);
    for threads in [1, 4] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let error = pool.install(|| train(broken.path())).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::BrokenImages(_)) && text.contains("12 images of 14 cannot be read"), "{text}");
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(lines.len(), rows.len());
        for (line, (name, _, part)) in lines.iter().zip(rows) {
            assert!(line.starts_with(&format!("  {name}: ")) && line.contains(part), "`{line}` lacks `{part}`");
        }
    }
    let (reading, notes) = heard(Reading { skip_broken: true, ..Reading::default() });
    let data = spec(broken.path()).read(Split::Train, &reading).unwrap();
    assert_eq!(data.images, train(folder(&[("a", &fine), ("z", &fine)]).path()).unwrap().images);
    assert!(notes.lock().unwrap()[0].contains("12 images of 14 left out:\n  b.png: "), "{notes:?}");
}

#[test]
fn a_folder_that_is_no_data_set_says_what_to_do() {
    let fine = grey(8, 8, 1);
    for (files, part) in [
        (&[][..], "has no images; put PNG, JPEG, WebP, BMP, GIF or TIFF images there"),
        (&[(".hidden", &fine[..])], "has no images"),
        (&[("a.txt", b"a"), ("b.txt", b"b")], "has no images, only 2 files that are none"),
        (&[("a/", &[])], "has no images"),
        (&[("a/x.png", &fine), ("y.png", &fine)], "y.png lies beside the folder a, which has images too"),
        (&[("train/x.png", &fine), ("y.png", &fine)], "y.png lies beside the splits train"),
        (&[("train/x.png", &fine), ("Training/y.png", &fine)], "are both names of the train split"),
        (&[("train/a/x.png", &fine), ("train/y.png", &fine)], "train/y.png lies beside the folder train/a"),
    ] {
        let text = train(folder(files).path()).unwrap_err().to_string();
        assert!(text.contains(part), "`{text}` lacks `{part}`");
    }
    let text = train(Path::new("no/such")).unwrap_err().to_string();
    assert!(text.contains("there is no folder no/such; put images there"), "{text}");
    let archive = folder(&[("x.zip", b"PK")]);
    let text = train(&archive.path().join("x.zip")).unwrap_err().to_string();
    assert!(text.contains("name an archive as zip:FILE"), "{text}");
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_loops_and_dangling_ones_are_named() {
    use std::os::unix::fs::symlink;
    let (one, two) = (grey(8, 8, 1), grey(8, 8, 2));
    let outside = folder(&[("blobs/sha0", &one), ("class/x.png", &two)]);
    let inside = folder(&[("a/x.png", &one)]);
    // As a cache of blobs has it, and a folder elsewhere.
    fs::create_dir(inside.path().join("b")).unwrap();
    symlink(outside.path().join("blobs/sha0"), inside.path().join("b/1.png")).unwrap();
    symlink(outside.path().join("class"), inside.path().join("c")).unwrap();
    let data = train(inside.path()).unwrap();
    assert_eq!((levels(&data), data.class_counts()), (vec![1, 1, 2], vec![1, 1, 1]));
    // The folder itself may be reached by a link.
    symlink(inside.path(), outside.path().join("link")).unwrap();
    assert_eq!(train(&outside.path().join("link")).unwrap().class_counts(), [1, 1, 1]);
    symlink("gone.png", inside.path().join("b/z.png")).unwrap();
    symlink("..", inside.path().join("b/loop")).unwrap();
    let text = train(inside.path()).unwrap_err().to_string();
    assert!(text.contains("b/z.png: it is a link to gone.png, which is not there"), "{text}");
    assert!(text.contains("b/loop: it leads back to "), "{text}");
    let reading = Reading { skip_broken: true, ..Reading::default() };
    assert_eq!(spec(inside.path()).read(Split::Train, &reading).unwrap().class_counts(), [1, 1, 1]);
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
            Err(error) => prop_assert!(matches!(error, Error::BrokenImages(_) | Error::Invalid(_)), "{}", error),
        }
    }
}
