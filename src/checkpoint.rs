//! Checkpoints: named tensors and a header of canonical JSON, in safetensors files.
//!
//! Filters are stored in PyTorch's order of axes (see [`Layout`](crate::nn::Layout)), so that PyTorch's own names and
//! layout are read and written. The one metadata key, `graft`, says what determines results, and holds a digest of that
//! and of all tensors that is checked on reading. Files are written beside their place and renamed.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::atomic;
use crate::backend::Device;
use crate::error::{Error, Result};
use crate::nn::{Parameter, Slot};
use crate::tensor::Tensor;

/// The metadata key of the header.
const KEY: &str = "graft";
/// The header's field that holds the digest.
const DIGEST: &str = "digest";

/// One stored tensor.
#[derive(Clone, Debug, PartialEq)]
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// Named tensors on the host, and what the header says of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// What determines results; an object. Files of others have none: an empty object.
    pub header: serde_json::Map<String, Json>,
    tensors: BTreeMap<String, Stored>,
}

impl Checkpoint {
    /// An empty checkpoint with this header.
    pub fn new(header: serde_json::Map<String, Json>) -> Checkpoint {
        Checkpoint { header, tensors: BTreeMap::new() }
    }

    /// Adds a tensor, in its device's precision.
    ///
    /// # Errors
    /// The device's first failure.
    pub fn insert(&mut self, name: impl Into<String>, tensor: &Tensor) -> Result<()> {
        let (dtype, bytes) = if tensor.device().is_double() {
            (Dtype::F64, tensor.to_vec::<f64>()?.iter().map(|v| v.to_le_bytes()).collect::<Vec<_>>().into_flattened())
        } else {
            (Dtype::F32, tensor.to_vec::<f32>()?.iter().map(|v| v.to_le_bytes()).collect::<Vec<_>>().into_flattened())
        };
        self.tensors.insert(name.into(), Stored { dtype, shape: tensor.shape().to_vec(), bytes });
        Ok(())
    }

    /// Adds whole numbers, which no device holds.
    ///
    /// # Panics
    /// Where the shape is of another number of elements.
    #[track_caller]
    pub fn insert_whole(&mut self, name: impl Into<String>, values: &[i64], shape: &[usize]) {
        assert_eq!(values.len(), shape.iter().product::<usize>(), "insert_whole: of the shape {shape:?}");
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensors.insert(name.into(), Stored { dtype: Dtype::I64, shape: shape.to_vec(), bytes });
    }

    /// Adds parameters in stored order, each named `PREFIX.NAME`.
    ///
    /// # Errors
    /// The device's first failure.
    ///
    /// # Panics
    /// Where the checkpoint holds one of these names already: of two tensors one would be lost.
    #[track_caller]
    pub fn insert_parameters<'a>(
        &mut self,
        prefix: &str,
        parameters: impl IntoIterator<Item = &'a Parameter>,
    ) -> Result<()> {
        for parameter in parameters {
            let name = format!("{prefix}.{}", parameter.name());
            assert!(!self.tensors.contains_key(&name), "insert_parameters: {name} twice");
            self.insert(name, &parameter.stored())?;
        }
        Ok(())
    }

    /// The names of all tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The first tensor, in the order of names, that holds a number that is not finite.
    pub fn first_broken(&self) -> Option<&str> {
        let broken = |stored: &Stored| match stored.dtype {
            Dtype::F32 => stored.bytes.as_chunks().0.iter().any(|&bytes| !f32::from_le_bytes(bytes).is_finite()),
            Dtype::F64 => stored.bytes.as_chunks().0.iter().any(|&bytes| !f64::from_le_bytes(bytes).is_finite()),
            _ => false,
        };
        self.tensors.iter().find(|(_, stored)| broken(stored)).map(|(name, _)| &**name)
    }

    /// The same tensors with these letters taken off the start of names that have them.
    pub(crate) fn without_prefix(self, prefix: &str) -> Checkpoint {
        let short = |name: String| name.strip_prefix(prefix).map(str::to_string).unwrap_or(name);
        let tensors = self.tensors.into_iter().map(|(name, stored)| (short(name), stored)).collect();
        Checkpoint { tensors, ..self }
    }

    /// The shape of a tensor, as it is stored.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|stored| &*stored.shape)
    }

    /// The type of a tensor's elements, as safetensors calls it.
    pub(crate) fn dtype(&self, name: &str) -> Option<Dtype> {
        self.tensors.get(name).map(|stored| stored.dtype)
    }

    /// A tensor on a device, in stored order.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is none of that name, or it does not hold floating-point numbers.
    pub fn tensor(&self, name: &str, device: &Device) -> Result<Tensor> {
        let missing = || Error::invalid(format!("the checkpoint holds no tensor {name}"));
        let Stored { dtype, shape, bytes } = self.tensors.get(name).ok_or_else(missing)?;
        match dtype {
            Dtype::F32 => {
                let values: Vec<f32> = bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
                Ok(Tensor::from_slice(device, &values, shape))
            }
            Dtype::F64 => {
                let values: Vec<f64> = bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect();
                Ok(Tensor::from_slice(device, &values, shape))
            }
            other => Err(Error::invalid(format!("the checkpoint's tensor {name} holds {other:?}, not F32 or F64"))),
        }
    }

    /// Refuses other filters and matrices, which are nearly all of a network, than these under `PREFIX.NAME`: before a network of
    /// that size is allocated, the file must have shown that it holds one.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the first that is missing or has another shape.
    pub fn check_slots(&self, prefix: &str, slots: &[Slot]) -> Result<()> {
        for slot in slots.iter().filter(|slot| slot.shape.len() > 1) {
            let (shape, expected) = (self.shape(&format!("{prefix}.{}", slot.name)), slot.stored_shape());
            if shape != Some(&expected[..]) {
                let found = shape.map_or("no such tensor".to_string(), |shape| format!("{shape:?}"));
                return Err(Error::invalid(format!(
                    "the checkpoint's header describes a network whose {prefix}.{} is {expected:?}, but it holds {found}",
                    slot.name
                )));
            }
        }
        Ok(())
    }

    /// Sets parameters from the tensors named `PREFIX.NAME`.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the first tensor that is missing or has another shape; nothing is changed then.
    pub fn load_parameters<'a>(&self, prefix: &str, parameters: impl IntoIterator<Item = &'a Parameter>) -> Result<()> {
        let mut loaded = Vec::new();
        for parameter in parameters {
            let name = format!("{prefix}.{}", parameter.name());
            let tensor = self.tensor(&name, &parameter.device())?;
            let expected = parameter.stored_shape();
            if tensor.shape() != expected {
                return Err(Error::invalid(format!(
                    "the checkpoint's tensor {name} has the shape {:?} where the network has {expected:?}",
                    tensor.shape()
                )));
            }
            loaded.push((parameter, parameter.from_stored(&tensor)));
        }
        for (parameter, tensor) in loaded {
            parameter.set(tensor);
        }
        Ok(())
    }

    /// Sha-256, in hexadecimal, over the header, and over names, types, shapes and bytes in the order of names.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(canonical_object(&self.header));
        for (name, stored) in &self.tensors {
            hash.update(format!("{name} {:?} {:?}\n", stored.dtype, stored.shape));
            hash.update(&stored.bytes);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Writes the checkpoint, so that the file is the old one or the whole new one at any moment.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        self.write_after(path, || Ok(()))
    }

    /// As [`Checkpoint::write`], with `before` done once the bytes are on the disk and before they take their place.
    ///
    /// # Errors
    /// As [`Checkpoint::write`]; those of `before`.
    pub(crate) fn write_after(&self, path: &Path, before: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut header = self.header.clone();
        header.insert(DIGEST.to_string(), Json::String(self.digest()));
        let bytes = self.serialized(path, KEY, Json::Object(header).to_string())?;
        atomic::write_after(path, &bytes, before)
    }

    /// Writes the tensors with one entry of metadata, for programs that know no header. One: the order of several would change from
    /// file to file.
    ///
    /// # Errors
    /// As [`Checkpoint::write`].
    pub(crate) fn write_for_others(&self, path: &Path, key: &str, value: String) -> Result<()> {
        atomic::write(path, &self.serialized(path, key, value)?)
    }

    /// The bytes of the file at `path`, with one entry of metadata.
    fn serialized(&self, path: &Path, key: &str, value: String) -> Result<Vec<u8>> {
        let metadata = HashMap::from([(key.to_string(), value)]);
        let views = self.tensors.iter().map(|(name, Stored { dtype, shape, bytes })| {
            TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name, view))
        });
        let broken = |error: safetensors::SafeTensorError| Error::invalid(format!("{}: {error}", path.display()));
        let views = views.collect::<Result<Vec<_>, _>>().map_err(broken)?;
        safetensors::serialize(views, Some(metadata)).map_err(broken)
    }

    /// Reads a checkpoint and checks its digest, where it has one.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::Format`] where it is no safetensors file, was cut, or
    /// its bytes are not those that were written.
    pub fn read(path: &Path) -> Result<Checkpoint> {
        Checkpoint::read_with_metadata(path).map(|(checkpoint, _)| checkpoint)
    }

    /// As [`Checkpoint::read`], with all metadata as they stand there.
    ///
    /// # Errors
    /// As [`Checkpoint::read`].
    pub(crate) fn read_with_metadata(path: &Path) -> Result<(Checkpoint, HashMap<String, String>)> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let format = |expected: &str, found: String| Error::format(path, 0, expected, found);
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| match is_pickle(path) {
            true => pickle(path),
            false => format("a safetensors header", format!("something else or a part of it ({error})")),
        })?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|error| format("as many tensor bytes as the header says", error.to_string()))?;
        let tensors = file.iter().map(|(name, view)| {
            let stored = Stored { dtype: view.dtype(), shape: view.shape().to_vec(), bytes: view.data().to_vec() };
            (name.to_string(), stored)
        });
        let mut checkpoint = Checkpoint { header: serde_json::Map::new(), tensors: tensors.collect() };
        let metadata = metadata.metadata().clone().unwrap_or_default();
        let Some(text) = metadata.get(KEY) else {
            return Ok((checkpoint, metadata));
        };
        checkpoint.header = serde_json::from_str(text)
            .map_err(|error| format("a JSON object under the metadata key `graft`", error.to_string()))?;
        let stated = checkpoint.header.remove(DIGEST);
        let digest = checkpoint.digest();
        match stated {
            Some(Json::String(stated)) if stated == digest => Ok((checkpoint, metadata)),
            stated => Err(format(
                &format!(
                    "content with the digest {}",
                    stated.as_ref().and_then(Json::as_str).unwrap_or("of the header")
                ),
                format!("{digest}: the file was changed or damaged"),
            )),
        }
    }
}

/// JSON without spaces, the keys of objects sorted, whatever order a map of this build keeps.
fn canonical(json: &Json) -> String {
    match json {
        Json::Object(map) => canonical_object(map),
        Json::Array(values) => format!("[{}]", values.iter().map(canonical).collect::<Vec<_>>().join(",")),
        scalar => scalar.to_string(),
    }
}

fn canonical_object(map: &serde_json::Map<String, Json>) -> String {
    let sorted: BTreeMap<&String, &Json> = map.iter().collect();
    let field = |(key, value)| format!("{}:{}", Json::from(String::clone(key)), canonical(value));
    format!("{{{}}}", sorted.into_iter().map(field).collect::<Vec<_>>().join(","))
}

/// The fields that tell data from others'.
const OF_DATA: [&str; 3] = ["digest", "count", "labels"];

/// Whether two settings differ in nothing but in what tells data from others'.
pub(crate) fn differ_in_data_alone(ours: &Json, theirs: &Json) -> bool {
    fn without_data(json: &Json) -> Json {
        match json {
            Json::Object(map) => {
                let kept = map.iter().filter(|(key, _)| !OF_DATA.contains(&key.as_str()));
                kept.map(|(key, value)| (key.clone(), without_data(value))).collect()
            }
            other => other.clone(),
        }
    }
    ours != theirs && without_data(ours) == without_data(theirs)
}

/// The first place in which two headers, or settings, differ, and what stands there.
pub(crate) fn difference(name: &str, ours: &Json, theirs: &Json) -> Option<(String, Json, Json)> {
    match (ours, theirs) {
        (Json::Object(ours), Json::Object(theirs)) => ours.keys().chain(theirs.keys()).find_map(|key| {
            let of = |object: &serde_json::Map<String, Json>| object.get(key).cloned().unwrap_or(Json::Null);
            difference(key, &of(ours), &of(theirs))
        }),
        _ => (ours != theirs).then(|| (name.to_string(), ours.clone(), theirs.clone())),
    }
}

/// Whether a file is what `torch.save` writes: a zip archive, or before PyTorch 1.6 a bare pickle of protocol 2 to 5. The first eight
/// bytes of a safetensors file are a length, which may look like a pickle's, but a brace follows.
pub(crate) fn is_pickle(path: &Path) -> bool {
    let mut start = [0; 9];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    let bare = start[0] == 0x80 && (2..=5).contains(&start[1]) && start[8] != b'{';
    read.is_ok() && (start.starts_with(b"PK\x03\x04") || bare)
}

/// What a person is told who gives such a file.
pub(crate) fn pickle(path: &Path) -> Error {
    let safetensors = path.with_extension("safetensors");
    Error::invalid(format!(
        "{path} is a pickle of PyTorch, which could run any program: convert it with the two lines `import torch, safetensors.torch` \
         and `safetensors.torch.save_file({{k: v.contiguous() for k, v in torch.load({path:?}, map_location=\"cpu\", \
         weights_only=True).items()}}, {safetensors:?})` of Python, and import {safetensors}",
        path = path.display(),
        safetensors = safetensors.display(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_sorts_the_keys_of_its_header() {
        let header =
            serde_json::json!({ "b\"": [{ "y": 0.1, "x": -2 }, []], "a": { "d": null, "c": {} }, "B": "text" });
        let text = r#"{"B":"text","a":{"c":{},"d":null},"b\"":[{"x":-2,"y":0.1},[]]}"#;
        assert_eq!(canonical(&header), text);
        let Json::Object(header) = header else { unreachable!("an object") };
        let hash: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(Checkpoint::new(header).digest(), hash);
    }

    fn checkpoint() -> Checkpoint {
        let mut checkpoint = Checkpoint::new(serde_json::Map::from_iter([("step".to_string(), Json::from(7))]));
        let tensor = Tensor::from_slice(&Device::cpu(), &[1f32, -2.5, 3.0], [3]);
        checkpoint.insert("a.weight", &tensor).unwrap();
        checkpoint.insert("b.weight", &Tensor::from_slice(&Device::reference(), &[0.1], [1])).unwrap();
        checkpoint
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.safetensors");
        checkpoint().write(&path).unwrap();
        let read = Checkpoint::read(&path).unwrap();
        assert_eq!(read, checkpoint());
        assert_eq!(read.tensor("b.weight", &Device::reference()).unwrap().item().unwrap(), 0.1);
    }

    #[test]
    fn every_flipped_or_missing_byte_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.safetensors");
        checkpoint().write(&path).unwrap();
        let good = std::fs::read(&path).unwrap();
        for index in 0..good.len() {
            let mut bad = good.clone();
            bad[index] ^= 0x20;
            std::fs::write(&path, &bad).unwrap();
            // A flip in the name of the metadata key makes it a file of somebody else, without a header or a digest.
            if let Ok(read) = Checkpoint::read(&path) {
                assert!(read.header.is_empty() && read.tensors == checkpoint().tensors, "byte {index}");
            }
            std::fs::write(&path, &good[..index]).unwrap();
            assert!(Checkpoint::read(&path).is_err(), "cut at byte {index}");
        }
    }
}
