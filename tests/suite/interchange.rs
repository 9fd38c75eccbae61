//! Networks for PyTorch and ONNX and back: what PyTorch itself computed (tests/golden/export.md), every kind of network there and back
//! again, and every way in which a file is not one of them. `scripts/check_export.sh` asks PyTorch and onnxruntime themselves.

use std::collections::{BTreeMap, HashMap};

use graft::classifier::{Classifier, Design};
use graft::data::{Classes, Reading};
use graft::experiment::classify::KeptClassifier;
use graft::gan::{Architecture, load_discriminator, load_generator};
use graft::nn::Mode;
use graft::random::Network;
use graft::{Checkpoint, Device, Tensor, no_grad};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use serde_json::{Value as Json, json};

use crate::golden;
use crate::onnx;
use crate::program::{CLASSES, Desk, IMAGES, TRAIN, idx};

/// What the mission asks of outputs in PyTorch; they differ by 1e-6 at most.
const TOLERANCE: f64 = 1e-5;

/// A tensor as a file has it.
type Raw = (Dtype, Vec<usize>, Vec<u8>);
type Tensors = BTreeMap<String, Raw>;

fn tensors(bytes: &[u8]) -> Tensors {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let raw = |view: TensorView<'_>| (view.dtype(), view.shape().to_vec(), view.data().to_vec());
    file.iter().map(|(name, view)| (name.to_string(), raw(view))).collect()
}

/// A safetensors file without metadata, as `safetensors.torch.save_file` writes it.
fn file(tensors: &Tensors) -> Vec<u8> {
    with_metadata(tensors, None)
}

/// One that says an architecture, as an export does.
fn saying(tensors: &Tensors, architecture: &Json) -> Vec<u8> {
    with_metadata(tensors, Some([("architecture".to_string(), architecture.to_string())].into()))
}

fn with_metadata(tensors: &Tensors, metadata: Option<HashMap<String, String>>) -> Vec<u8> {
    let views = tensors.iter().map(|(name, (dtype, shape, data))| {
        let view = TensorView::new(*dtype, shape.clone(), data).unwrap();
        (name, view)
    });
    serialize(views, metadata).unwrap()
}

fn floats((dtype, _, data): &Raw) -> Vec<f32> {
    assert_eq!(*dtype, Dtype::F32);
    data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

fn zeros(shape: &[usize]) -> Raw {
    (Dtype::F32, shape.to_vec(), vec![0; 4 * shape.iter().product::<usize>()])
}

fn metadata(bytes: &[u8], key: &str) -> Json {
    let (_, metadata) = SafeTensors::read_metadata(bytes).unwrap();
    serde_json::from_str(&metadata.metadata().as_ref().unwrap()[key]).unwrap()
}

/// The kinds of network of the golden file, and the tensors of each.
fn kinds() -> Vec<(String, Architecture, Tensors)> {
    shapes("architectures")
        .into_iter()
        .map(|(kind, shape, t)| (kind, serde_json::from_value(shape).unwrap(), t))
        .collect()
}

/// What the golden file has under a key of its metadata, with the tensors of each.
fn shapes(key: &str) -> Vec<(String, Json, Tensors)> {
    let bytes = golden::read("export.safetensors");
    let all = tensors(&bytes);
    let Json::Object(shapes) = metadata(&bytes, key) else { panic!("an object of kinds") };
    shapes.into_iter().map(|(kind, shape)| (kind.clone(), shape, part(&all, &kind))).collect()
}

fn part(tensors: &Tensors, network: &str) -> Tensors {
    let within =
        |(name, raw): (&String, &Raw)| Some((name.strip_prefix(network)?.strip_prefix('.')?.to_string(), raw.clone()));
    tensors.iter().filter_map(within).collect()
}

fn tensor(device: &Device, raw: &Raw) -> Tensor {
    Tensor::from_slice(device, &floats(raw), raw.1.clone())
}

/// A checkpoint of graft of the networks that PyTorch made.
fn checkpoint(architecture: &Architecture, tensors: &Tensors) -> Checkpoint {
    let device = Device::cpu();
    let header = json!({ "recipe": { "architecture": architecture }, "conditions": { "labels": [0, 1] } });
    let mut checkpoint = Checkpoint::new(header.as_object().unwrap().clone());
    for (theirs, ours) in [("netG", "netG_ema"), ("netD", "netD")] {
        for (name, raw) in part(tensors, theirs) {
            let linear = ["condition_scale.weight", "condition_shift.weight", "projection.weight"];
            let name = name
                .replace("parametrizations.weight.original", "weight")
                .replace("parametrizations.weight.0._u", "weight_u");
            if name.ends_with("num_batches_tracked") || name.ends_with("._v") {
                continue;
            }
            let tensor = tensor(&device, &raw);
            let tensor = if linear.iter().any(|end| name.ends_with(end)) { tensor.permute(&[1, 0]) } else { tensor };
            checkpoint.insert(format!("{ours}.{name}"), &tensor).unwrap();
        }
    }
    if architecture.condition_features > 0 {
        let bank = Tensor::ones(&device, [2, architecture.condition_features]);
        checkpoint.insert("conditions.bank", &bank).unwrap();
    }
    checkpoint
}

#[track_caller]
fn close(what: &str, found: &Tensor, truth: &Raw) {
    assert_eq!(found.shape(), truth.1, "the shape of {what}");
    let pairs = found.to_vec::<f64>().unwrap().into_iter().zip(floats(truth).into_iter().map(f64::from));
    let worst = pairs.map(|(found, truth)| (found - truth).abs() / truth.abs().max(1.0)).fold(0.0, f64::max);
    println!("{what}: {worst:.1e}");
    assert!(worst <= TOLERANCE, "{what} is {worst:.1e} off");
}

#[test]
fn exported_state_dicts_are_those_of_pytorch() {
    let desk = Desk::new();
    for (kind, architecture, golden) in kinds() {
        checkpoint(&architecture, &golden).write(&desk.path(format!("{kind}.safetensors"))).unwrap();
        desk.graft(&format!("export {kind}.safetensors --out {kind}")).ok();
        for network in ["netG", "netD"] {
            let bytes = desk.read(format!("{kind}/{network}.safetensors"));
            assert_eq!(metadata(&bytes, "architecture"), json!(architecture));
            let (found, truth) = (tensors(&bytes), part(&golden, network));
            assert!(found.keys().eq(truth.keys()), "{kind}: {network} has {:?}", found.keys());
            for (name, truth) in &truth {
                let name_of = format!("{kind}.{network}.{name}");
                // The opposite vector is found anew.
                match name.ends_with("_v") {
                    true => close(&name_of, &tensor(&Device::cpu(), &found[name]), truth),
                    false => assert!(found[name] == *truth, "{name_of}"),
                }
            }
        }
    }
}

#[test]
fn outputs_are_those_of_pytorch() {
    for device in [Device::cpu(), Device::reference()] {
        for (kind, architecture, golden) in kinds() {
            let checkpoint = checkpoint(&architecture, &golden);
            let input = |name: &str| golden.get(name).map(|raw| tensor(&device, raw));
            let (_, generator) = load_generator(&checkpoint, &device).unwrap();
            let discriminator = load_discriminator(&checkpoint, &architecture, &device).unwrap().unwrap();
            let condition = input("condition");
            let latent = input("latent").unwrap();
            let images = input("image").unwrap().permute(&[0, 2, 3, 1]);
            no_grad(|| {
                let drawn = generator.forward(&latent, condition.as_ref(), Mode::Evaluate).permute(&[0, 3, 1, 2]);
                close(&format!("{kind}.image"), &drawn, &golden["image"]);
                let judged = discriminator.forward(&images, condition.as_ref(), Mode::Evaluate);
                close(&format!("{kind}.score"), &judged.score, &golden["score"]);
            });
        }
    }
}

/// The classifiers of the golden file, with the tensors of each; the parameters here are those there, in their order.
fn classifiers(device: &Device) -> Vec<(String, KeptClassifier, Tensors)> {
    let of_kind = |(kind, mut shape, tensors): (String, Json, Tensors)| {
        let classes = shape.as_object_mut().unwrap().remove("classes").unwrap().as_u64().unwrap() as usize;
        let design: Design = serde_json::from_value(shape).unwrap();
        let classifier = Classifier::new(device, &design, classes, 0, Network::Predictor);
        let state = part(&tensors, "netC");
        let mut modules: Vec<usize> =
            state.keys().map(|name| name.split('.').nth(1).unwrap().parse().unwrap()).collect();
        modules.sort_unstable();
        modules.dedup();
        let mut own: Vec<String> = Vec::new();
        let parameters = [classifier.parameters(), classifier.statistics()].concat();
        for parameter in &parameters {
            let (module, name) = parameter.name().rsplit_once('.').unwrap();
            let place = own.iter().position(|other| other == module).unwrap_or_else(|| {
                own.push(module.to_string());
                own.len() - 1
            });
            let stored = tensor(device, &state[&format!("main.{}.{name}", modules[place])]);
            let stored = if parameter.name() == "linear.weight" { stored.permute(&[1, 0]) } else { stored };
            parameter.set(parameter.from_stored(&stored));
        }
        assert_eq!(own.len(), modules.len(), "{kind}");
        let classes = Classes::new((0..classes).map(|class| format!("class {class}")));
        (kind, KeptClassifier { classifier, classes, reading: Reading::default() }, tensors)
    };
    shapes("classifiers").into_iter().map(of_kind).collect()
}

#[test]
fn classifiers_are_exported_as_pytorch_has_them_and_say_what_it_says() {
    for device in [Device::cpu(), Device::reference()] {
        for (kind, kept, golden) in classifiers(&device) {
            let image = tensor(&device, &golden["image"]).permute(&[0, 2, 3, 1]);
            let said = no_grad(|| kept.classifier.forward(&image, Mode::Evaluate).logits.softmax(1));
            close(&format!("{kind}.probabilities"), &said, &golden["probabilities"]);
        }
    }
    let desk = Desk::new();
    for (kind, kept, golden) in classifiers(&Device::cpu()) {
        kept.write(&desk.path(format!("{kind}.safetensors"))).unwrap();
        let said = desk.graft(&format!("export {kind}.safetensors --out {kind}")).ok();
        let names = ["netC.safetensors", "example.safetensors", "networks.json", "load.py"];
        assert!(said.lines().eq(names.map(|name| format!("{kind}/{name}"))), "{said}");
        let bytes = desk.read(format!("{kind}/netC.safetensors"));
        let mut found = tensors(&bytes);
        assert!(found == part(&golden, "netC"), "{kind} has {:?}", found.keys());

        let said = metadata(&bytes, "classifier");
        assert_eq!(said["class_names"], json!(kept.classes.names()));
        assert_eq!(said["size"], json!(kept.classifier.design().size));
        let layers: Json = serde_json::from_slice(&desk.read(format!("{kind}/networks.json"))).unwrap();
        assert_eq!(layers["description"], said);
        let layers = layers["classifier"].as_array().unwrap();
        assert_eq!(layers.last().unwrap()["layer"], "softmax");

        let example = tensors(&desk.read(format!("{kind}/example.safetensors")));
        let probabilities = floats(&example["probabilities"]);
        let classes = kept.classes.len();
        assert_eq!((probabilities.len(), example["image"].1[0]), (8 * classes, 8));
        assert!(floats(&example["image"]).iter().all(|value| (-1.0..=1.0).contains(value)));
        let rows = probabilities.chunks_exact(classes);
        assert!(rows.clone().all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-5), "{probabilities:?}");
        assert!(rows.clone().any(|row| row != &probabilities[..classes]), "images have their own probabilities");

        desk.graft(&format!("export {kind}.safetensors --format onnx --out {kind}.onnx")).ok();
        found.retain(|name, _| !name.ends_with("num_batches_tracked"));
        let about = "A classifier: `image` [n, ";
        onnx::check(&desk.read(format!("{kind}.onnx/netC.onnx")), found, about, (&["image"], "probabilities"));
        let again = desk.read(format!("{kind}.onnx/example.safetensors"));
        assert!(again == desk.read(format!("{kind}/example.safetensors")), "{kind}: both have one example");
    }
    desk.refuses(2, "export classifier.safetensors --raw --out no", &["--raw", "of generators"]);
    desk.refuses(1, "import classifier/netC.safetensors --out no", &["netC.safetensors holds a classifier"]);
    desk.write("broken.safetensors", &desk.read("classifier/netC.safetensors"));
    desk.refuses(1, "export broken.safetensors --out no", &["describes no generator"]);
}

/// The pixels of samples of a checkpoint.
fn sampled(desk: &Desk, checkpoint: &str) -> Vec<u8> {
    desk.graft(&format!("sample {checkpoint} --count 8 --format npy --out drawn.npy")).ok();
    let bytes = desk.read("drawn.npy");
    std::fs::remove_file(desk.path("drawn.npy")).unwrap();
    bytes
}

#[test]
fn every_network_there_and_back_again_draws_the_same_bytes() {
    let desk = Desk::new();
    let rows = [
        ("batch", "--channels 3"),
        ("none", "--size 64 --r1 1"),
        ("instance", "--d-norm instance --conditional"),
        ("layer", "--loss wasserstein-gp"),
        ("spectral", "--d-norm spectral --size 64 --channels 3"),
    ];
    for (kind, options) in rows {
        desk.graft(&format!("{TRAIN} {options} --steps 3 --out {kind}")).ok();
        let said = desk.graft(&format!("export {kind} --out {kind}.export")).ok();
        let names = ["netG.safetensors", "netD.safetensors", "example.safetensors", "networks.json", "load.py"];
        assert!(said.lines().eq(names.map(|name| format!("{kind}.export/{name}"))), "{said}");
        let import = format!("import {kind}.export/netG.safetensors --discriminator {kind}.export/netD.safetensors");
        desk.graft(&format!("{import} --out {kind}.safetensors")).ok();
        assert!(sampled(&desk, kind) == sampled(&desk, &format!("{kind}.safetensors")), "{kind}");

        desk.graft(&format!("export {kind}.safetensors --out {kind}.again")).ok();
        for name in names {
            let same = desk.read(format!("{kind}.export/{name}")) == desk.read(format!("{kind}.again/{name}"));
            assert!(same, "{kind}: {name}");
        }
    }
}

#[test]
fn examples_are_the_first_samples() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --channels 3 --conditional --steps 3 --out run")).ok();
    desk.graft("export run --out export").ok();
    let example = tensors(&desk.read("export/example.safetensors"));
    assert_eq!(example["image"].1, [8, 3, 32, 32]);
    assert_eq!((&example["latent"].1[..], &example["condition"].1[..]), (&[8, 8][..], &[8, 3][..]));
    assert_eq!(example["score"].1, [8]);
    let images = tensor(&Device::cpu(), &example["image"]).permute(&[0, 2, 3, 1]).to_vec::<f32>().unwrap();
    let pixels = sampled(&desk, "run");
    let pixels = &pixels[pixels.len() - images.len()..];
    assert!(images.iter().zip(pixels).all(|(value, &byte)| ((value + 1.0) * 127.5).round() as u8 == byte));

    desk.graft("export run --raw --out raw").ok();
    assert!(desk.read("raw/netG.safetensors") != desk.read("export/netG.safetensors"), "the average has moved less");
    assert!(desk.read("raw/netD.safetensors") == desk.read("export/netD.safetensors"));
}

/// A desk with an export in `export`, and its state dicts.
fn exported() -> (Desk, Tensors, Tensors) {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --channels 3 --steps 2 --out run")).ok();
    desk.graft("export run --out export").ok();
    let [generator, discriminator] =
        ["netG", "netD"].map(|name| tensors(&desk.read(format!("export/{name}.safetensors"))));
    (desk, generator, discriminator)
}

#[test]
fn state_dicts_of_older_wrapped_and_double_networks_are_the_same() {
    let (desk, generator, _) = exported();
    let double = |(dtype, shape, data): &Raw| match dtype {
        Dtype::F32 => {
            let wide = data.as_chunks().0.iter().flat_map(|&bytes| f64::from(f32::from_le_bytes(bytes)).to_le_bytes());
            (Dtype::F64, shape.clone(), wide.collect())
        }
        other => (*other, shape.clone(), data.clone()),
    };
    let wrapped =
        |wrapper: &str| generator.iter().map(|(name, raw)| (format!("{wrapper}{name}"), raw.clone())).collect();
    let uncounted = generator.iter().filter(|(name, _)| !name.ends_with("num_batches_tracked"));
    let rows: [(&str, Tensors); 5] = [
        ("wrapped", wrapped("module.")),
        ("compiled-within", wrapped("module._orig_mod.")),
        ("compiled-around", wrapped("_orig_mod.module.")),
        ("uncounted", uncounted.map(|(name, raw)| (name.clone(), raw.clone())).collect()),
        ("double", generator.iter().map(|(name, raw)| (name.clone(), double(raw))).collect()),
    ];
    for (name, tensors) in rows {
        desk.write(name, &file(&tensors));
        desk.graft(&format!("import {name} --out {name}.safetensors")).ok();
        assert!(sampled(&desk, &format!("{name}.safetensors")) == sampled(&desk, "run"), "{name}");
    }
}

#[test]
fn every_misfit_of_both_networks_is_named_at_once() {
    let (desk, mut generator, mut discriminator) = exported();
    generator.remove("main.4.bias").unwrap();
    generator.remove("main.7.weight").unwrap();
    generator.insert("main.3.bias".to_string(), zeros(&[8]));
    generator.insert("main.3.weight".to_string(), zeros(&[16, 8, 3, 3]));
    generator.get_mut("main.1.bias").unwrap().0 = Dtype::I32;
    discriminator.remove("main.8.weight").unwrap();
    discriminator.insert("fc.weight".to_string(), zeros(&[1]));
    desk.write("G", &file(&generator));
    desk.write("D", &file(&discriminator));
    let parts = [
        "G does not fit: missing main.4.bias, main.7.weight; unexpected main.3.bias; mismatched main.1.bias (I32, not F32), \
         main.3.weight ([16, 8, 3, 3], not [16, 8, 4, 4])",
        "D does not fit: missing main.8.weight; unexpected fc.weight",
        "PyTorch's DCGAN example",
    ];
    desk.refuses(1, "import G --discriminator D", &parts);

    desk.graft(&format!("{TRAIN} --network residual --steps 1 --out other")).ok();
    desk.graft("export other --out other.export").ok();
    let mut residual = tensors(&desk.read("other.export/netG.safetensors"));
    let (gone, _) = residual.pop_first().unwrap();
    desk.write("R", &file(&residual));
    let parts = [&*format!("R does not fit: missing {gone}"), "import networks as `graft export` writes them"];
    desk.refuses(1, "import R", &parts);

    desk.write("empty", &file(&Tensors::new()));
    let sentence = desk.refuses(1, "import empty", &["empty does not fit: missing main.0.weight, main.1.weight"]);
    assert!(sentence.contains("main.9.weight"), "{sentence}");
}

#[test]
fn files_that_are_no_networks() {
    let (desk, generator, discriminator) = exported();
    let changed = |name: &str, change: &dyn Fn(&mut Tensors)| {
        let mut tensors = generator.clone();
        change(&mut tensors);
        desk.write(name, &file(&tensors));
    };
    let shape =
        |name: &'static str, shape: &'static [usize]| move |t: &mut Tensors| drop(t.insert(name.into(), zeros(shape)));
    changed("four-channels", &|tensors| drop(tensors.insert("main.9.weight".into(), zeros(&[4, 4, 4, 4]))));
    changed("no-latent", &shape("main.0.weight", &[0, 16, 4, 4]));
    changed("long", &shape("main.0.weight", &[1 << 17, 0, 4, 4]));
    changed("endless", &shape("main.0.weight", &[usize::MAX >> 8, 0, 4, 4]));
    changed("scalar", &shape("main.0.weight", &[]));
    changed("deep", &shape("main.18446744073709551615.weight", &[1]));
    changed("nan", &|tensors| {
        tensors.get_mut("main.4.weight").unwrap().2[..4].copy_from_slice(&f32::NAN.to_le_bytes())
    });
    changed("negative", &|tensors| {
        tensors.get_mut("main.4.running_var").unwrap().2[..4].copy_from_slice(&(-1f32).to_le_bytes())
    });
    changed("conditioned", &|tensors| {
        for (norm, width) in [(1, 16), (4, 8), (7, 4)] {
            for part in ["scale", "shift"] {
                tensors.insert(format!("main.{norm}.condition_{part}.weight"), zeros(&[width, 70_000]));
            }
        }
    });
    let rows: &[(&str, &[&str])] = &[
        ("four-channels", &["four-channels draws 4 channels", "1 or 3"]),
        ("no-latent", &["no-latent has 4 features and a latent of 0", "1 to 65536"]),
        ("long", &["a latent of 131072"]),
        ("endless", &["endless has 4 features and a latent of"]),
        ("scalar", &["mismatched main.0.weight ([], not [100, 16, 4, 4])"]),
        ("deep", &["unexpected main.18446744073709551615.weight"]),
        ("nan", &["main.4.weight holds numbers that are not finite"]),
        ("negative", &["a negative variance in main.4.running_var"]),
        ("conditioned", &["conditions of 70000 numbers", "65536 classes"]),
        ("gone", &["cannot read gone", "check the path"]),
        ("images", &["images, byte 0: expected a safetensors header"]),
        ("run/checkpoints/last.safetensors", &["is a checkpoint of graft already"]),
        ("export/netD.safetensors", &["holds a discriminator", "this file as the discriminator"]),
    ];
    for (name, parts) in rows {
        desk.refuses(1, &format!("import {name}"), parts);
    }
    let import = "import export/netG.safetensors";
    desk.refuses(1, &format!("{import} --discriminator export/netG.safetensors"), &["holds no discriminator"]);
    desk.refuses(1, &format!("{import} --out export"), &["export exists: choose another --out"]);
    desk.refuses(1, &format!("{import} --out gone/x.safetensors"), &["cannot write gone/x.safetensors", "path"]);
    desk.refuses(2, &format!("{import} --d-norm layer"), &["--discriminator"]);

    let name =
        |from: &str, to: &str| discriminator.iter().map(|(n, r)| (n.replace(from, to), r.clone())).collect::<Tensors>();
    let open: Tensors =
        name("", "").into_iter().filter(|(n, _)| !n.contains("running") && !n.contains("batches")).collect();
    desk.write("open", &file(&open));
    desk.refuses(1, &format!("{import} --discriminator open"), &["an instance norm or a layer norm", "d-norm"]);
    desk.graft(&format!("{import} --discriminator open --d-norm layer")).ok();

    desk.graft(&format!("{TRAIN} --steps 2 --out grey")).ok();
    desk.graft("export grey --out grey.export").ok();
    let parts = ["its number of channels is 1 and the generator's 3", "name another, or none"];
    desk.refuses(1, &format!("{import} --discriminator grey.export/netD.safetensors --out x"), &parts);
}

#[test]
fn a_pickle_is_named_with_the_lines_that_convert_it() {
    let desk = Desk::new();
    desk.write("netG.pth", b"PK\x03\x04\0\0\x08\x08\0\0archive/data.pkl");
    desk.write("old.pth", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.");
    for name in ["netG", "old"] {
        let save = format!(
            "torch.load(\"{name}.pth\", map_location=\"cpu\", weights_only=True).items()}}, \"{name}.safetensors\")`"
        );
        desk.refuses(
            1,
            &format!("import {name}.pth"),
            &["is a pickle of PyTorch", "`import torch, safetensors.torch`", &save],
        );
    }
}

#[test]
fn exports_that_cannot_be() {
    let (desk, ..) = exported();
    desk.refuses(1, "export run --out export", &["export exists: choose another --out"]);
    desk.refuses(1, "export run --out gone/x", &["cannot write gone/x", "path"]);
    desk.refuses(1, "export gone --out x", &["there is no gone", "name a checkpoint, or the folder"]);
    desk.refuses(1, "export images --out x", &["images, byte 0: expected a safetensors header"]);
    desk.refuses(1, "export export --out x", &["export holds no run"]);
    desk.refuses(1, "export export/netG.safetensors --out x", &["netG.safetensors", "describes no generator of graft"]);
    desk.refuses(2, "export run --format tensorflow", &["tensorflow"]);
}

#[test]
fn the_names_of_classes_go_out_and_come_back() {
    let desk = Desk::new();
    let from_one: Vec<u8> = (0..IMAGES).map(|image| (image % CLASSES + 1) as u8).collect();
    desk.write("from-one", &idx(&[IMAGES], &from_one));
    let small = "--features 4 --latent 8 --batch 8 --steps 2 --conditional -q";
    desk.graft(&format!("train --data idx:images,from-one {small} --out run")).ok();
    desk.graft("export run --out export").ok();
    desk.graft("import export/netG.safetensors --discriminator export/netD.safetensors --out back.safetensors").ok();
    desk.graft("sample back.safetensors --class 3 --count 4 --out three.png").ok();
    desk.refuses(2, "sample back.safetensors --class 7 --out no.png", &["none of this generator's classes", "1, 2, 3"]);
    // A file that PyTorch wrote anew says nothing of classes, and one that was changed may say what cannot be.
    let generator = tensors(&desk.read("export/netG.safetensors"));
    desk.write("plain", &file(&generator));
    let ended = desk.graft("import plain --out plain.safetensors");
    assert!(ended.stderr.contains("each of the 3 numbers is taken for a class"), "{}", ended.stderr);
    ended.ok();
    let mut said = metadata(&desk.read("export/netG.safetensors"), "architecture");
    said["class_names"] = json!(["one", "one"]);
    desk.write("twice", &saying(&generator, &said));
    desk.refuses(1, "import twice --out no", &["twice has metadata", "do not fit its 3 classes"]);
    desk.graft("train --data idx:images,from-one --features 4 --latent 8 --batch 8 --steps 2 --network residual -q --out other").ok();
    desk.graft("export other --out exported").ok();
    let kind = ["of the kind residual and the generator dcgan"];
    desk.refuses(1, "import export/netG.safetensors --discriminator exported/netD.safetensors --out no", &kind);
}

#[test]
fn an_imported_generator_without_a_discriminator_is_a_source_of_generators() {
    let (desk, ..) = exported();
    desk.graft("import export/netG.safetensors --out G.safetensors").ok();
    let ended = desk.graft("export G.safetensors --out alone");
    assert!(ended.stderr.contains("G.safetensors holds no discriminator"), "{}", ended.stderr);
    ended.ok();
    assert_eq!(desk.names("alone"), ["example.safetensors", "load.py", "netG.safetensors", "networks.json"]);
    desk.refuses(1, "export G.safetensors --raw --out raw", &["G.safetensors", "no weights but the average's"]);

    let small = "--target synthetic:street --subset 20 --features 4 --latent 8 --batch 8 --steps 2 --no-judge -q";
    let transfer = |source: &str| format!("transfer --method trgan --source {source} {small}");
    let command = transfer("G.safetensors");
    let sentence = desk.graft(&format!("{command} --loss non-saturating --d-norm batch --r1 0 --out none"));
    let sentence = sentence.stderr.lines().last().unwrap();
    assert!(sentence.contains("no discriminator") && sentence.contains("with d-init fresh"), "{sentence}");
    desk.graft(&format!("{command} --d-init fresh --out fresh")).ok();

    let import = "import export/netG.safetensors --discriminator export/netD.safetensors --out both.safetensors";
    desk.graft(import).ok();
    desk.graft(&format!(
        "{} --loss non-saturating --d-norm batch --r1 0 --freeze-d 1 --out transferred",
        transfer("both.safetensors")
    ))
    .ok();
}

#[test]
fn a_run_that_draws_conditions_from_something_exports_what() {
    let desk = Desk::new();
    let small =
        "--features 4 --latent 6 --batch 8 --steps 3 --source-steps 2 --feature-steps 2 --subset 20 --no-judge -q";
    desk.graft(&format!("transfer --method ctgan --ctgan-features {small} --out run")).ok();
    desk.graft("export run --out export").ok();
    let drawn_from = tensors(&desk.read("export/conditions.safetensors"));
    let example = tensors(&desk.read("export/example.safetensors"));
    let length = example["condition"].1[1] - 10;
    assert_eq!(drawn_from["features"].1, [20, length]);
    assert_eq!((drawn_from["labels"].0, &drawn_from["labels"].1[..]), (Dtype::I64, &[20][..]));
    assert_eq!((drawn_from["frequencies"].0, &drawn_from["frequencies"].1[..]), (Dtype::F64, &[10][..]));
    desk.refuses(1, "import export/netG.safetensors", &["given features", "sample the run's checkpoint"]);
    // Without features a state dict comes back with what its classes are drawn by.
    desk.graft(&format!("transfer --method ctgan --confidence 0.9 {small} --out classes")).ok();
    desk.graft("export classes --out of-classes").ok();
    let said: Json = serde_json::from_str(&desk.text("of-classes/networks.json")).unwrap();
    assert!(said["architecture"]["conditions"]["null"].as_f64().unwrap() > 0.0, "{}", said["architecture"]);
    desk.graft("import of-classes/netG.safetensors --out back.safetensors").ok();
    assert!(sampled(&desk, "back.safetensors") == sampled(&desk, "classes"));
    desk.graft("export run --format onnx --out onnx").ok();
    check_generator(&desk, "export", "onnx");
}

#[test]
fn a_model_in_onnx_is_a_graph_of_the_state_dict() {
    let (desk, ..) = exported();
    assert_eq!(desk.graft("export run --format onnx --out onnx").ok(), "onnx/netG.onnx\nonnx/example.safetensors\n");
    check_generator(&desk, "export", "onnx");
}

fn check_generator(desk: &Desk, export: &str, model: &str) {
    let mut state = tensors(&desk.read(format!("{export}/netG.safetensors")));
    state.retain(|name, _| !name.ends_with("num_batches_tracked"));
    let about = "DCGAN's generator: `latent` [n, ";
    onnx::check(&desk.read(format!("{model}/netG.onnx")), state, about, (&["latent", "condition"], "image"));
}
