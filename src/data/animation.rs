//! Images one after the other: GIF, and PNG's animated form.

use std::io::Cursor;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, DynamicImage, Frame, GrayImage, RgbImage};

use super::Images;

/// Frames a second.
const RATE: u16 = 20;
/// How carefully a GIF's 256 colours are chosen, from 1 (most) to 30.
const COLOUR_EFFORT: i32 = 10;

/// Images as the frames of an endless GIF; one alone is a picture.
///
/// # Panics
/// Where there are none, they have neither 1 nor 3 channels, or a side is above 65,535.
#[track_caller]
pub fn encode_gif(frames: &Images) -> Vec<u8> {
    assert!(frames.count > 0, "a GIF without frames");
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, COLOUR_EFFORT);
    if frames.count > 1 {
        encoder.set_repeat(Repeat::Infinite).expect("memory takes what is written");
    }
    let delay = Delay::from_numer_denom_ms(1000, u32::from(RATE));
    for index in 0..frames.count {
        let frame = Frame::from_parts(dynamic(frames, index).into_rgba8(), 0, 0, delay);
        encoder.encode_frame(frame).expect("a GIF of this size");
    }
    drop(encoder);
    bytes
}

/// Images as the frames of an endless animated PNG, which shows the first where it is not understood; one alone is a PNG.
///
/// # Panics
/// Where there are none, they have neither 1 nor 3 channels, or a side is above 2^31.
#[track_caller]
pub fn encode_apng(frames: &Images) -> Vec<u8> {
    assert!(frames.count > 0, "a PNG without frames");
    let side = |length: usize| u32::try_from(length).expect("a PNG with a side above 2^31");
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side(frames.width), side(frames.height));
    encoder.set_color(if frames.channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    encoder.set_depth(png::BitDepth::Eight);
    if frames.count > 1 {
        encoder.set_animated(side(frames.count), 0).expect("there are frames");
        encoder.set_frame_delay(1, RATE).expect("it is animated");
    }
    // Writing to memory cannot fail, so an error means a size that PNG does not know.
    let mut writer = encoder.write_header().expect("a PNG of this size");
    for index in 0..frames.count {
        writer.write_image_data(&frames.image(index)).expect("a PNG of this size");
    }
    writer.finish().expect("every frame is written");
    bytes
}

/// One image as a JPEG.
///
/// # Panics
/// Where `index` is not below the count, or the image has neither 1 nor 3 channels, or a side above 65,535.
#[track_caller]
pub fn encode_jpeg(images: &Images, index: usize) -> Vec<u8> {
    /// Samples are looked at closely.
    const QUALITY: u8 = 95;
    let mut bytes = Cursor::new(Vec::new());
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, QUALITY);
    dynamic(images, index).write_with_encoder(encoder).expect("a JPEG of this size");
    bytes.into_inner()
}

#[track_caller]
fn dynamic(images: &Images, index: usize) -> DynamicImage {
    let [width, height] = [images.width, images.height].map(|side| side as u32);
    let pixels = images.image(index).to_vec();
    match images.channels {
        1 => GrayImage::from_raw(width, height, pixels).expect("a byte a pixel").into(),
        3 => RgbImage::from_raw(width, height, pixels).expect("three bytes a pixel").into(),
        channels => panic!("a picture of {channels} channels"),
    }
}

#[cfg(test)]
mod tests {
    use image::AnimationDecoder;
    use image::codecs::gif::GifDecoder;
    use image::codecs::png::PngDecoder;

    use super::*;

    fn frames(channels: usize) -> Images {
        Images::new([3, 4, 5, channels], (0..3 * 4 * 5 * channels).map(|place| place as u8).collect())
    }

    /// Images of a few grey levels, which a GIF keeps.
    fn levels() -> Images {
        Images::new([3, 4, 5, 1], (0..3 * 4 * 5).map(|place| (place / 20 * 60) as u8).collect())
    }

    #[test]
    fn an_animated_png_holds_every_frame_as_it_is() {
        for channels in [1, 3] {
            let images = frames(channels);
            let decoder = PngDecoder::new(Cursor::new(encode_apng(&images))).unwrap();
            assert!(decoder.is_apng().unwrap());
            let decoded = decoder.apng().unwrap().into_frames().collect_frames().unwrap();
            assert_eq!(decoded.len(), 3);
            for (index, frame) in decoded.iter().enumerate() {
                assert_eq!(*frame.buffer(), dynamic(&images, index).into_rgba8(), "{channels}: frame {index}");
                assert_eq!(frame.delay().numer_denom_ms(), (50, 1));
            }
        }
        let still = encode_apng(&frames(1).select(&[0]));
        assert!(!PngDecoder::new(Cursor::new(still)).unwrap().is_apng().unwrap());
    }

    #[test]
    fn a_gif_holds_every_frame() {
        let images = levels();
        let decoder = GifDecoder::new(Cursor::new(encode_gif(&images))).unwrap();
        let decoded = decoder.into_frames().collect_frames().unwrap();
        assert_eq!(decoded.len(), 3);
        for (index, frame) in decoded.iter().enumerate() {
            assert_eq!(*frame.buffer(), dynamic(&images, index).into_rgba8(), "frame {index}");
        }
    }

    #[test]
    fn a_jpeg_is_nearly_the_image() {
        let images = levels();
        let decoded = image::load_from_memory(&encode_jpeg(&images, 1)).unwrap().into_luma8();
        assert_eq!(decoded.dimensions(), (5, 4));
        // One level all over is kept to rounding.
        assert!(decoded.iter().all(|&level| level.abs_diff(60) <= 1), "{decoded:?}");
    }
}
