//! One image file: decoded, cut to a square and resized.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use crate::error::{Error, Result};

/// A file is not read where it is longer.
const MOST_BYTES: u64 = 1 << 28;
/// An image is not decoded where it has more: a square of this many has a side of 8,192.
const MOST_PIXELS: u64 = 1 << 26;
const LONGEST_SIDE: u32 = 1 << 16;
/// Nor where it has more for each byte of its file: deflate expands at most 1,032 times, and a byte of PNG's rows has at
/// most eight pixels. JPEG needs at least a bit for a block of 64.
const PIXELS_PER_BYTE: u64 = 1032 * 8;
/// What decoding may allocate: four channels of 16 bits a pixel, and as much again for what goes with it.
const MOST_MEMORY: u64 = 2 * 8 * MOST_PIXELS;

/// What files begin with.
const PNG_MAGIC: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
const JPEG_MAGIC: [u8; 3] = [0xff, 0xd8, 0xff];

/// What an image's header says, the right way up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    pub height: usize,
    pub width: usize,
    /// Whether it has no colours.
    pub grey: bool,
}

/// The outline of an image, of which nothing is decoded.
pub fn outline(path: &Path) -> Result<Outline> {
    let mut decoder = open(path)?;
    let (width, height) = decoder.dimensions();
    let turned = matches!(
        decoder.orientation().map_err(broken(path))?,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    );
    let (width, height) = if turned { (height, width) } else { (width, height) };
    Ok(Outline { height: height as usize, width: width as usize, grey: !decoder.color_type().has_color() })
}

/// The square in the middle of an image, or a rectangle of the same proportions as `[height, width]`, resized to that with
/// Lanczos's filter over three lobes, which is widened where the image shrinks so that nothing aliases. Bytes
/// `[height, width, channels]`. What is transparent is laid over black, which is also what pads small images.
pub fn fitted(path: &Path, height: usize, width: usize, channels: usize) -> Result<Vec<u8>> {
    let mut decoder = open(path)?;
    let orientation = decoder.orientation().map_err(broken(path))?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(broken(path))?;
    image.apply_orientation(orientation);
    let (height, width) = (height as u32, width as u32);
    if (image.height(), image.width()) != (height, width) {
        debug_assert_eq!(height, width);
        let side = image.height().min(image.width());
        image = image.crop_imm((image.width() - side) / 2, (image.height() - side) / 2, side, side);
    }
    let image = over_black(image);
    Ok(match channels {
        1 => imageops::resize(&image.into_luma8(), width, height, FilterType::Lanczos3).into_raw(),
        _ => imageops::resize(&image.into_rgb8(), width, height, FilterType::Lanczos3).into_raw(),
    })
}

fn over_black(image: DynamicImage) -> DynamicImage {
    if !image.color().has_alpha() {
        return image;
    }
    let mut image = image.into_rgba8();
    for pixel in image.pixels_mut() {
        let alpha = u32::from(pixel.0[3]);
        for value in &mut pixel.0[..3] {
            // 127 rounds to the nearest.
            *value = ((u32::from(*value) * alpha + 127) / 255) as u8;
        }
        pixel.0[3] = u8::MAX;
    }
    image.into()
}

/// A decoder of an image whose size is within bounds.
fn open(path: &Path) -> Result<impl ImageDecoder> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    let length = file.metadata().map_err(Error::io("read", path))?.len();
    if length > MOST_BYTES {
        let expected = format!("an image of at most {MOST_BYTES} bytes");
        return Err(Error::format(path, MOST_BYTES, expected, format!("a file of {length}")));
    }
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    let format = format_of(path, &bytes)?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(MOST_MEMORY);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(broken(path))?;
    let (width, height) = decoder.dimensions();
    let most = MOST_PIXELS.min(length.saturating_mul(PIXELS_PER_BYTE));
    if u64::from(width) * u64::from(height) > most {
        let expected = format!("at most {most} pixels in a file of {length} bytes");
        return Err(Error::format(path, 0, expected, format!("{width} x {height}")));
    }
    Ok(decoder)
}

/// The format, by what the file begins with and not by its name.
fn format_of(path: &Path, bytes: &[u8]) -> Result<ImageFormat> {
    if bytes.starts_with(&PNG_MAGIC) {
        return Ok(ImageFormat::Png);
    }
    if !bytes.starts_with(&JPEG_MAGIC) {
        let found = match &bytes[..bytes.len().min(PNG_MAGIC.len())] {
            [] => "an empty file".into(),
            start => format!("\"{}\"", start.escape_ascii()),
        };
        return Err(Error::format(path, 0, "a PNG or JPEG image", found));
    }
    // The decoder fills what a cut file lacks with grey.
    if !has_end(bytes) {
        return Err(Error::format(
            path,
            bytes.len() as u64,
            "the rest of a JPEG image",
            "the end of the file, which is cut",
        ));
    }
    Ok(ImageFormat::Jpeg)
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

fn broken(path: &Path) -> impl Fn(ImageError) -> Error {
    move |error| match error {
        ImageError::IoError(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            Error::io("read", path)(error)
        }
        error => Error::format(path, 0, "an image that can be decoded", format!("a broken one ({error})")),
    }
}
