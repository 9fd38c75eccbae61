//! Images that stay on a device as bytes, where that spares the host what each batch costs: as numbers it is four times as large, and is
//! made and copied anew each step.

use crate::backend::{Device, Storage};
use crate::data::Images;
use crate::tensor::{Tensor, Value};

/// Bytes of images that a card may hold beside a training: more stay with the host.
const MOST_BYTES: u64 = 1 << 30;

/// A data set's images on a device.
#[derive(Debug)]
pub struct Resident {
    device: Device,
    kept: Storage,
    count: usize,
    shape: [usize; 3],
}

impl Resident {
    /// The images, where the device gains by having them and there is room for them.
    pub fn of(device: &Device, images: &Images) -> Option<Resident> {
        let bytes = (images.count * images.bytes_per_image()) as u64;
        let most = device.backend().bounds().largest_storage.unwrap_or(u64::MAX).min(MOST_BYTES);
        let fits = device.backend().keeps_pixels() && !images.is_on_disk() && bytes + (1 << 10) <= most;
        if fits { Resident::new(device, images) } else { None }
    }

    fn new(device: &Device, images: &Images) -> Option<Resident> {
        let kept = device.backend().upload_pixels(&images.pixels(), &Images::values())?;
        let shape = [images.height, images.width, images.channels];
        Some(Resident { device: device.clone(), kept, count: images.count, shape })
    }

    /// The named images as [`Images::batch`] gives them, bit by bit: `[indices, height, width, channels]`.
    pub fn batch(&self, indices: &[usize]) -> Tensor {
        debug_assert!(indices.iter().all(|&index| index < self.count), "{indices:?} of {} images", self.count);
        let [height, width, channels] = self.shape;
        let indices: Vec<u32> = indices.iter().map(|&index| index as u32).collect();
        let batch = self.device.backend().gather_pixels(&self.kept, self.shape.iter().product(), &indices);
        Tensor::leaf(&self.device, Value::new(batch, [indices.len(), height, width, channels]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agree_on(device: &Device) {
        // Bytes of all values, and images of no whole number of words.
        let pixels = (0..300 * 7 * 5 * 3).map(|i: usize| (i * i / 7 + i) as u8).collect();
        let images = Images::new([300, 7, 5, 3], pixels);
        let resident = Resident::new(device, &images).expect("there is room");
        // More than one dispatch takes, one image twice.
        for indices in [vec![299, 0, 7, 7], (0..1500).map(|i| i * 31 % 300).collect()] {
            let found = resident.batch(&indices).to_vec::<f32>().unwrap();
            let expected = images.batch(&indices);
            assert!(found.iter().map(|v| v.to_bits()).eq(expected.iter().map(|v| v.to_bits())), "on {}", device.name());
        }
    }

    #[test]
    fn every_device_gives_the_bits_that_the_host_gives() {
        agree_on(&Device::reference());
        agree_on(&Device::cpu());
        #[cfg(feature = "gpu")]
        match "gpu".parse::<Device>() {
            Ok(device) => agree_on(&device),
            Err(error) => println!("skipped: {error}"),
        }
    }
}
