//! Images as files that other programs open: PNG, and NumPy's `.npy`.

use std::path::Path;

use super::Images;
use crate::atomic;
use crate::error::Result;

/// The magic string and version (1, 0) of NumPy's format.
const NPY_MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
/// The data of a `.npy` file begins at a multiple of this.
const NPY_ALIGNMENT: usize = 64;

/// All images as one, row by row in `columns` columns, with a black margin of `margin` pixels around each. Places of
/// the last row that no image fills are black.
///
/// # Panics
/// Where `columns` is zero or there are no images.
#[track_caller]
pub fn grid(images: &Images, columns: usize, margin: usize) -> Images {
    assert!(columns > 0 && images.count > 0, "a grid of {} images in {columns} columns", images.count);
    let columns = columns.min(images.count);
    let rows = images.count.div_ceil(columns);
    let height = rows * (images.height + margin) + margin;
    let width = columns * (images.width + margin) + margin;
    let mut pixels = vec![0; height * width * images.channels];
    for index in 0..images.count {
        let top = margin + index / columns * (images.height + margin);
        let left = margin + index % columns * (images.width + margin);
        for (y, row) in images.image(index).chunks_exact(images.width * images.channels).enumerate() {
            let start = ((top + y) * width + left) * images.channels;
            pixels[start..][..row.len()].copy_from_slice(row);
        }
    }
    Images::new([1, height, width, images.channels], pixels)
}

/// One image as a PNG of eight bits a channel, grey or RGB.
///
/// # Panics
/// Where `index` is not below the count, or the image has neither 1 nor 3 channels, no pixels, or a side above 2^31.
#[track_caller]
pub fn encode_png(images: &Images, index: usize) -> Vec<u8> {
    let colour = match images.channels {
        1 => png::ColorType::Grayscale,
        3 => png::ColorType::Rgb,
        channels => panic!("a PNG of {channels} channels"),
    };
    let side = |length: usize| u32::try_from(length).expect("a PNG with a side above 2^31");
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side(images.width), side(images.height));
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    // Writing to memory cannot fail, so an error means a size that PNG does not know.
    let mut writer = encoder.write_header().expect("a PNG of this size");
    writer.write_image_data(&images.image(index)).expect("a PNG of this size");
    drop(writer);
    bytes
}

/// Writes one image as a PNG; the file is whole or absent.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) where it cannot be written.
///
/// # Panics
/// As [`encode_png`].
#[track_caller]
pub fn write_png(path: &Path, images: &Images, index: usize) -> Result<()> {
    atomic::write(path, &encode_png(images, index))
}

/// Writes all images as one array of unsigned bytes `[n, h, w, c]` in NumPy's format, version 1.0; the file is whole
/// or absent.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) where it cannot be written.
pub fn write_npy(path: &Path, images: &Images) -> Result<()> {
    let mut bytes = npy_header("|u1", &images.shape());
    bytes.extend_from_slice(&images.pixels());
    atomic::write(path, &bytes)
}

/// Writes rows of numbers, all of one length, as an array of floats `[n, length]` in NumPy's format; the file is whole or absent.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) where it cannot be written.
///
/// # Panics
/// Where there are no whole rows.
#[track_caller]
pub fn write_rows(path: &Path, rows: &[f32], length: usize) -> Result<()> {
    assert!(length > 0 && rows.len().is_multiple_of(length), "rows of {length}");
    let mut bytes = npy_header("<f4", &[rows.len() / length, length]);
    bytes.extend(rows.iter().flat_map(|value| value.to_le_bytes()));
    atomic::write(path, &bytes)
}

/// The magic string, the header's length in two bytes, and a Python dictionary padded with spaces and ended by a
/// newline.
fn npy_header(kind: &str, shape: &[usize]) -> Vec<u8> {
    let shape = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    let mut dictionary = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}").into_bytes();
    let before = NPY_MAGIC.len() + size_of::<u16>();
    let total = (before + dictionary.len() + 1).next_multiple_of(NPY_ALIGNMENT);
    dictionary.resize(total - before - 1, b' ');
    dictionary.push(b'\n');
    let length = u16::try_from(dictionary.len()).expect("four numbers are short");
    [NPY_MAGIC, &length.to_le_bytes(), &dictionary].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use std::fs;

    fn images(channels: usize) -> Images {
        let pixels = (0..3 * 4 * 5 * channels).map(|i| i as u8 + 1).collect();
        Images::new([3, 4, 5, channels], pixels)
    }

    #[test]
    fn a_grid_has_each_image_in_its_cell_and_black_elsewhere() {
        let original = images(3);
        let grid = grid(&original, 2, 1);
        assert_eq!((grid.count, grid.height, grid.width), (1, 2 * 5 + 1, 2 * 6 + 1));
        let mut expected = vec![0; grid.pixels().len()];
        for index in 0..3 {
            for y in 0..4 {
                for x in 0..5 {
                    for channel in 0..3 {
                        let (row, column) = (1 + index / 2 * 5 + y, 1 + index % 2 * 6 + x);
                        expected[(row * 13 + column) * 3 + channel] = original.image(index)[(y * 5 + x) * 3 + channel];
                    }
                }
            }
        }
        assert_eq!(grid.into_pixels(), expected);
    }

    #[test]
    fn a_grid_is_no_wider_than_its_images() {
        assert_eq!(grid(&images(1), 10, 0).width, 3 * 5);
    }

    #[test]
    fn a_png_decodes_to_the_same_pixels() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.png");
        for channels in [1, 3] {
            write_png(&path, &images(channels), 2).unwrap();
            let bytes = fs::read(&path).unwrap();
            let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut pixels).unwrap();
            assert_eq!((info.height, info.width), (4, 5));
            assert_eq!(pixels, *images(channels).image(2));
        }
    }

    #[test]
    fn an_npy_file_has_the_header_of_the_format_and_then_the_pixels() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("images.npy");
        write_npy(&path, &images(3)).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let (header, pixels) = bytes.split_at(10 + length);
        assert_eq!(header.len() % 64, 0);
        let dictionary = std::str::from_utf8(&header[10..]).unwrap();
        assert!(dictionary.ends_with('\n'));
        assert_eq!(dictionary.trim_end(), "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 4, 5, 3), }");
        assert_eq!(*pixels, *images(3).pixels());
    }

    #[test]
    fn a_picture_that_cannot_be_written_is_an_error() {
        assert!(matches!(write_png(Path::new("no/such/folder/x.png"), &images(1), 0), Err(Error::Io { .. })));
    }
}
