//! One picture: what its bytes are, decoded, laid over the background, made a square and resized.

use std::io::Cursor;
use std::sync::{Mutex, PoisonError};

use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

use super::light::{LUMA, LUMA_TOTAL};
use super::{Background, Fit, Reading, Resample};

/// A file is not read where it is longer.
pub(super) const MOST_BYTES: u64 = 1 << 29;
/// A picture is not decoded where it has more pixels: 134 million, more than cameras give.
const MOST_PIXELS: u64 = 1 << 27;
const LONGEST_SIDE: u32 = 1 << 16;
/// Nor a PNG or JPEG where it has more for each byte of its file: deflate expands at most 1,032 times, and a byte of PNG's rows has
/// at most eight pixels. JPEG needs at least a bit for a block of 64. Netpbm's formats need a bit for a pixel.
const PIXELS_PER_BYTE: u64 = 1032 * 8;
/// What decoding may allocate: four channels of 16 bits a pixel, and as much again for what goes with it.
const MOST_MEMORY: u64 = 2 * 8 * MOST_PIXELS;
/// Pictures of more pixels are decoded one at a time, so that few threads do not take much memory.
const LARGE: u64 = 1 << 24;
static LARGE_ONE: Mutex<()> = Mutex::new(());

/// What the beginning of a file says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A picture in a format that can be read.
    Picture(ImageFormat),
    /// What can only be a picture that cannot be read, and what to do about it.
    Unreadable(String),
    /// Something else.
    Other,
}

/// Endings of the names of pictures that are read, and of others. A camera's raw file is often a TIFF that holds a thumbnail.
const READ: [&str; 16] = [
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "webp", "bmp", "gif", "tif", "tiff", "pbm", "pgm", "ppm", "pnm", "pam",
];
const NOT_READ: [&str; 30] = [
    "heic", "heif", "hif", "avif", "avifs", "svg", "svgz", "jxl", "jp2", "j2k", "jpf", "jpx", "jxr", "psd", "psb",
    "tga", "exr", "hdr", "pfm", "ico", "cur", "icns", "qoi", "dds", "pcx", "xcf", "xbm", "xpm", "bpg", "dcm",
];
const RAW: [&str; 23] = [
    "nef", "nrw", "dng", "cr2", "cr3", "crw", "arw", "srf", "sr2", "srw", "rw2", "rwl", "raf", "orf", "pef", "x3f",
    "3fr", "fff", "iiq", "erf", "kdc", "dcr", "mrw",
];

/// What the name of a file says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// That it is a picture.
    Picture,
    /// That it is something else.
    Other,
    /// Nothing.
    Nothing,
}

/// What the name of a file says, by its ending.
pub(super) fn named(path: &str) -> Named {
    /// Endings are short; what stands behind a dot in "Dr. No, 1962" is none.
    const LONGEST: usize = 8;
    let extension = extension(path);
    let extension = extension.as_str();
    if [&READ[..], &NOT_READ, &RAW].iter().any(|known| known.contains(&extension)) {
        return Named::Picture;
    }
    let is_ending = (1..=LONGEST).contains(&extension.len())
        && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && extension.bytes().any(|byte| byte.is_ascii_alphabetic());
    if is_ending { Named::Other } else { Named::Nothing }
}

fn extension(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(String::new(), |(_, extension)| extension.to_ascii_lowercase())
}

/// What a file is, by what it begins with; its name decides only where that is no picture, or may be a camera's raw file.
pub(super) fn content(name: &str, bytes: &[u8]) -> Content {
    let extension = extension(name);
    let says = |known: &[&str]| known.contains(&extension.as_str());
    let format = format_of(bytes).or_else(|| is_netpbm(bytes).then_some(ImageFormat::Pnm));
    if says(&RAW) && format.is_none_or(|format| format == ImageFormat::Tiff) {
        let extension = extension.to_uppercase();
        return Content::Unreadable(format!(
            "{extension} is a camera's raw file, which is not read; convert it to PNG or JPEG"
        ));
    }
    if let Some(known) = unread(bytes) {
        return Content::Unreadable(format!("it is {known}, which is not read; convert it to PNG or JPEG"));
    }
    if let Some(format) = format {
        return Content::Picture(format);
    }
    if says(&NOT_READ) {
        return Content::Unreadable(format!("{} is not read; convert it to PNG or JPEG", extension.to_uppercase()));
    }
    if !says(&READ) {
        return Content::Other;
    }
    let text =
        |start: &[u8]| bytes.trim_ascii_start().get(..start.len()).is_some_and(|b| b.eq_ignore_ascii_case(start));
    Content::Unreadable(match bytes {
        [] => "it is empty; copy it again".to_string(),
        _ if bytes.iter().all(|&byte| byte == 0) => "it holds nothing but zeros; copy it again".to_string(),
        _ if bytes.starts_with(b"version https://git-lfs") => {
            "it only points to a file that git keeps elsewhere; run `git lfs pull`".to_string()
        }
        _ if text(b"<!doctype html") || text(b"<html") => {
            "it is a web page, not an image; download it again".to_string()
        }
        _ if text(b"<svg") || text(b"<?xml") => "it is SVG, which is not read; convert it to PNG".to_string(),
        _ if bytes.get(4..8) == Some(b"ftyp") => "it is a video, which is not read; take pictures from it".to_string(),
        _ => format!("no image begins with \"{}\"; get it again", bytes[..bytes.len().min(8)].escape_ascii()),
    })
}

/// What a file is that can only be a picture in a format that is not read.
fn unread(bytes: &[u8]) -> Option<&'static str> {
    const RAW: &str = "a camera's raw file";
    Some(match bytes {
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => match brand.get(..4)? {
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"mif1" | b"msf1" => "HEIC",
            b"avif" | b"avis" => "AVIF",
            b"crx " => RAW,
            _ => return None,
        },
        [b'I', b'I', 42, 0, _, _, _, _, b'C', b'R', ..] => RAW,
        [b'I', b'I', b'U', 0, ..] | [b'I', b'I', b'R', b'O' | b'S', ..] => RAW,
        [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => "JPEG XL",
        [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] => "JPEG 2000",
        [b'8', b'B', b'P', b'S', 0, 1 | 2, ..] => "PSD",
        [b'q', b'o', b'i', b'f', ..] => "QOI",
        [0x76, 0x2f, 0x31, 0x01, ..] => "OpenEXR",
        [b'D', b'D', b'S', b' ', 124, 0, 0, 0, ..] => "DDS",
        bytes if bytes.starts_with(b"FUJIFILMCCD-RAW") => RAW,
        bytes if bytes.starts_with(b"gimp xcf ") => "XCF",
        _ => return None,
    })
}

fn format_of(bytes: &[u8]) -> Option<ImageFormat> {
    const BMP_HEADERS: [u8; 7] = [12, 40, 52, 56, 64, 108, 124];
    match bytes {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(ImageFormat::Png),
        [0xff, 0xd8, 0xff, ..] => Some(ImageFormat::Jpeg),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(ImageFormat::WebP),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(ImageFormat::Gif),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Some(ImageFormat::Tiff),
        // Two letters may begin any text; the length of the header that follows does not.
        [b'B', b'M', rest @ ..] => match rest.get(12..16) {
            Some(&[length, 0, 0, 0]) if BMP_HEADERS.contains(&length) => Some(ImageFormat::Bmp),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a file begins as Netpbm's do (PBM, PGM, PPM, and PAM's lines of words): a text may begin with the same two letters, but goes
/// on with no two sizes.
fn is_netpbm(bytes: &[u8]) -> bool {
    let [b'P', kind @ b'1'..=b'7', rest @ ..] = bytes else { return false };
    if *kind == b'7' {
        return [&b"\n#"[..], b"\nWIDTH", b"\nHEIGHT", b"\nDEPTH"].iter().any(|line| rest.starts_with(line));
    }
    let mut rest = rest;
    for _ in 0..2 {
        let before = rest;
        while let [b'#' | b' ' | b'\t' | b'\r' | b'\n', ..] = rest {
            let line = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |end| end + 1);
            rest = if rest[0] == b'#' { &rest[line..] } else { &rest[1..] };
        }
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || before.len() == rest.len() {
            return false;
        }
        rest = &rest[digits..];
    }
    rest.first().is_none_or(u8::is_ascii_whitespace)
}

/// What a picture's header says, the right way up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outline {
    pub height: usize,
    pub width: usize,
    /// Whether it has no colours, nor gets any from the background, behind its pixels or around them.
    pub grey: bool,
}

/// The outline of a picture, of which nothing is decoded; else what is wrong with it and what to do.
pub(super) fn outline(bytes: &[u8], format: ImageFormat, reading: &Reading) -> Result<Outline, String> {
    let broken = |error| broken(error, format);
    let mut decoder = open(bytes, format)?;
    let (width, height) = decoder.dimensions();
    let turned = matches!(
        decoder.orientation().map_err(broken)?,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    );
    let (width, height) = if turned { (height, width) } else { (width, height) };
    let colours = decoder.color_type();
    let shows_background = colours.has_alpha() || reading.fit == Fit::Pad && height != width;
    let grey = !colours.has_color() && (!shows_background || reading.background.is_grey());
    Ok(Outline { height: height as usize, width: width as usize, grey })
}

/// A picture as squares of `side` with `channels`, bytes `[side, side, channels]`, and whether any of its pixels was
/// transparent; else what is wrong with it and what to do.
pub(super) fn square(
    bytes: &[u8],
    format: ImageFormat,
    side: usize,
    channels: usize,
    reading: &Reading,
) -> Result<(Vec<u8>, bool), String> {
    let broken = |error| broken(error, format);
    let mut decoder = open(bytes, format)?;
    let (width, height) = decoder.dimensions();
    let large = u64::from(width) * u64::from(height) > LARGE;
    let _one = large.then(|| LARGE_ONE.lock().unwrap_or_else(PoisonError::into_inner));
    let orientation = decoder.orientation().map_err(broken)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(broken)?;
    if !floats(&image).iter().all(|value| (0.0..=1.0).contains(value)) {
        return Err(
            "its numbers are not between 0 and 1, as those of a picture of floats are; scale them, or save bytes"
                .to_string(),
        );
    }
    image.apply_orientation(orientation);
    let (image, transparent) = over_background(image, reading.background);
    Ok((resized(image, side, channels, reading), transparent))
}

/// The numbers of a picture that has them as floats.
fn floats(image: &DynamicImage) -> &[f32] {
    match image {
        DynamicImage::ImageRgb32F(image) => image.as_raw(),
        DynamicImage::ImageRgba32F(image) => image.as_raw(),
        _ => &[],
    }
}

/// An image without transparency, made a square and resized.
pub(super) fn resized(image: DynamicImage, side: usize, channels: usize, reading: &Reading) -> Vec<u8> {
    let image = match channels {
        1 => DynamicImage::from(image.into_luma8()),
        _ => image.into_rgb8().into(),
    };
    let image = squared(image, reading);
    let side = side as u32;
    let filter = match reading.resample {
        Resample::Lanczos => FilterType::Lanczos3,
        Resample::Nearest => FilterType::Nearest,
    };
    match channels {
        1 => imageops::resize(&image.into_luma8(), side, side, filter).into_raw(),
        _ => imageops::resize(&image.into_rgb8(), side, side, filter).into_raw(),
    }
}

/// Bytes `[height, width, channels]` as an image.
pub(super) fn image_of(pixels: &[u8], height: usize, width: usize, channels: usize) -> DynamicImage {
    let (height, width) = (height as u32, width as u32);
    let whole = "as many bytes as pixels";
    match channels {
        1 => GrayImage::from_raw(width, height, pixels.to_vec()).expect(whole).into(),
        _ => RgbImage::from_raw(width, height, pixels.to_vec()).expect(whole).into(),
    }
}

/// ITU-R BT.601's luma of red, green and blue.
pub(super) fn luma(rgb: &[u8]) -> u8 {
    let total = u32::from(LUMA_TOTAL);
    let sum: u32 = rgb.iter().zip(LUMA).map(|(&value, weight)| u32::from(value) * u32::from(weight)).sum();
    ((sum + total / 2) / total) as u8
}

fn squared(image: DynamicImage, reading: &Reading) -> DynamicImage {
    let (height, width) = (image.height(), image.width());
    if height == width {
        return image;
    }
    match reading.fit {
        Fit::Stretch => image,
        Fit::Cut => {
            let side = height.min(width);
            image.crop_imm((width - side) / 2, (height - side) / 2, side, side)
        }
        Fit::Pad => {
            let side = height.max(width);
            let (left, top) = (i64::from((side - width) / 2), i64::from((side - height) / 2));
            let Background(colour) = reading.background;
            if let DynamicImage::ImageLuma8(image) = &image {
                let mut frame = GrayImage::from_pixel(side, side, image::Luma([luma(&colour)]));
                imageops::replace(&mut frame, image, left, top);
                return frame.into();
            }
            let mut frame = RgbImage::from_pixel(side, side, image::Rgb(colour));
            imageops::replace(&mut frame, &image.into_rgb8(), left, top);
            frame.into()
        }
    }
}

/// The image laid over a colour, and whether any pixel lets it through.
fn over_background(image: DynamicImage, background: Background) -> (DynamicImage, bool) {
    if !image.color().has_alpha() {
        return (image, false);
    }
    let grey = !image.color().has_color() && background.is_grey();
    let mut image = image.into_rgba8();
    let mut transparent = false;
    for pixel in image.pixels_mut() {
        transparent |= pixel.0[3] < u8::MAX;
        let [red, green, blue] = over(pixel.0, background);
        pixel.0 = [red, green, blue, u8::MAX];
    }
    // From three equal values luma gives the value back.
    let image = DynamicImage::from(image);
    (if grey { image.into_luma8().into() } else { image }, transparent)
}

/// A pixel laid over a colour.
pub(super) fn over(pixel: [u8; 4], Background(behind): Background) -> [u8; 3] {
    let [red, green, blue, alpha] = pixel.map(u32::from);
    let mixed = |value: u32, behind: u8| {
        // 127 rounds to the nearest.
        ((value * alpha + u32::from(behind) * (255 - alpha) + 127) / 255) as u8
    };
    [mixed(red, behind[0]), mixed(green, behind[1]), mixed(blue, behind[2])]
}

/// A decoder of a picture whose size is within bounds.
fn open(bytes: &[u8], format: ImageFormat) -> Result<impl ImageDecoder, String> {
    // The decoder fills what a cut file lacks with grey.
    if format == ImageFormat::Jpeg && !has_end(bytes) {
        return Err("it is cut off; get it again".to_string());
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(MOST_MEMORY);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|error| broken(error, format))?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err("it has no pixels".to_string());
    }
    if pixels > MOST_PIXELS {
        let most = MOST_PIXELS / 1_000_000;
        return Err(format!("it has {width} x {height} pixels, and at most {most} million are read; shrink it"));
    }
    let dense = match format {
        ImageFormat::Png | ImageFormat::Jpeg => PIXELS_PER_BYTE,
        ImageFormat::Pnm => u8::BITS.into(),
        _ => u64::MAX,
    };
    if pixels > (bytes.len() as u64).saturating_mul(dense) {
        return Err(format!("its header says {width} x {height} pixels, which {} bytes cannot hold", bytes.len()));
    }
    Ok(decoder)
}

/// Whether a JPEG file comes to its end marker, which is not that of a preview within a segment.
fn has_end(bytes: &[u8]) -> bool {
    const END: u8 = 0xd9;
    // Markers without a segment: 00 stands for a byte of ff in the data, ff fills, 01 means nothing, d0 to d7 are
    // restarts within the data, d8 is the start.
    let alone = |marker: u8| matches!(marker, 0x00 | 0x01 | 0xd0..=0xd8 | 0xff);
    let mut place = 0;
    while let Some(&[first, marker]) = bytes.get(place..place + 2) {
        if first == 0xff && marker == END {
            return true;
        }
        place += match (first, marker) {
            (0xff, 0xff) => 1,
            (0xff, marker) if alone(marker) => 2,
            (0xff, _) => match bytes.get(place + 2..place + 4) {
                Some(&[high, low]) => 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
            // Compressed data, which follow the segment of a scan.
            _ => 1,
        };
    }
    false
}

fn broken(error: image::ImageError, format: ImageFormat) -> String {
    match error {
        image::ImageError::Limits(_) => "it is larger than is read; shrink it".to_string(),
        image::ImageError::Unsupported(error) => {
            format!("it is of a kind that is not read ({error}); convert it to PNG")
        }
        error if format == ImageFormat::Tiff => {
            format!("it is damaged, or a camera's raw file ({error}); get it again, or convert it to PNG")
        }
        error => format!("it is damaged ({error}); get it again"),
    }
}
