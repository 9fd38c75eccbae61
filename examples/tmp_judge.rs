//! Scratch.
use graft::Device;
use graft::classifier::*;
use graft::data::*;
use graft::nn::NormKind;
struct W;
impl Observer for W {
    fn step(&mut self, step: u64, steps: u64, loss: f64, r: f64) {
        if step % 160 == 0 || step == steps {
            eprintln!("{step} {loss:.3} {r:.1}/s");
        }
    }
    fn stop(&mut self) -> bool {
        false
    }
}
fn svhn(split: &str) -> Dataset {
    let pixels = std::fs::read(format!("/tmp/jx/{split}.x")).unwrap();
    let labels = std::fs::read(format!("/tmp/jx/{split}.y")).unwrap();
    let images = Images { count: labels.len(), height: 32, width: 32, channels: 3, pixels };
    Dataset { name: "svhn".into(), images, labels: Some(labels), classes: 10 }
}
fn main() {
    let arg: Vec<String> = std::env::args().collect();
    let f =
        |k: &str, d: f64| arg.iter().find_map(|a| a.strip_prefix(&format!("{k}="))).map_or(d, |v| v.parse().unwrap());
    let (train, test) = if arg[1] == "svhn" {
        (svhn("train"), svhn("test"))
    } else {
        let load = |s| arg[1].parse::<Spec>().unwrap().load(s).unwrap();
        let (a, b) = (load(Split::Train), load(Split::Test));
        let c = a.images.channels;
        (a.fit(32, c).unwrap(), b.fit(32, c).unwrap())
    };
    let keep: Vec<usize> = (0..train.len() * 4 / 5).collect();
    let val: Vec<usize> = (train.len() * 4 / 5..train.len()).collect();
    let (train, val) = (train.select(&keep), train.select(&val));
    let design = Design {
        size: 32,
        channels: train.images.channels,
        width: f("width", 64.0) as usize,
        norm: if f("inst", 0.0) > 0.0 { NormKind::Instance } else { NormKind::Batch },
    };
    let options = Options {
        seed: f("seed", 0.0) as u64,
        steps: f("steps", 600.0) as u64,
        batch: f("batch", 64.0) as usize,
        lr: f("lr", 2e-3),
        weight_decay: f("wd", 0.05),
        smoothing: f("smooth", 0.1),
        jitter: Jitter { shift: f("shift", 2.0) as usize, contrast: f("contrast", 0.3), brightness: f("bright", 0.2) },
    };
    let start = std::time::Instant::now();
    let mut t = Training::new(&design, &options, train.clone(), &Targets::Labels, &Device::cpu()).unwrap();
    t.run(&mut W).unwrap();
    let s = start.elapsed().as_secs_f64();
    let c = t.classifier();
    let some: Vec<usize> = (0..1000).collect();
    println!(
        "{:?} {:.1}s train {:.4} val {:.4} test {:.4}",
        &arg[1..],
        s,
        c.accuracy(&train.select(&some)).unwrap(),
        c.accuracy(&val).unwrap(),
        c.accuracy(&test).unwrap()
    );
}
