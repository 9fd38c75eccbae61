//! Pages in which a generator draws: their size, what they are made of, what is refused, and, where there are a Chromium and Playwright, that
//! they draw what graft draws and that every control does what it says.

use std::path::{Path, PathBuf};
use std::process::Command;

use graft::gan::{Architecture, Conditions, Generator, NetworkKind, load_generator};
use graft::interchange::{Drawn, Live};
use graft::{Checkpoint, Device, Tensor};
use rayon::prelude::*;
use serde_json::{Value as Json, json};

use crate::program::{Desk, TRAIN};

/// A name that tries to become markup, script and a request.
const HOSTILE: &str = "\"'><script>document.title='taken'</script><img src=http://127.0.0.1:1/x onerror=alert(1)></script>\
    <!-- </style></title>&lt;b&gt; \u{2028}\u{202e} javascript:alert(1)";

/// What a checkpoint of a generator of these shapes holds before anything is learned.
fn checkpoint(architecture: &Architecture, seed: u64) -> Checkpoint {
    let generator = Generator::new(&Device::cpu(), architecture, seed);
    let mut header = serde_json::Map::new();
    header.insert("recipe".to_string(), json!({ "architecture": architecture }));
    let mut checkpoint = Checkpoint::new(header);
    let parameters = [generator.parameters(), generator.statistics()].concat();
    checkpoint.insert_parameters("netG_ema", &parameters).unwrap();
    checkpoint
}

fn page(architecture: &Architecture, pair: bool, exact: bool) -> String {
    let mut drawn = Drawn::load(&checkpoint(architecture, 0), false).unwrap();
    if pair {
        let source = drawn.source(&checkpoint(architecture, 1)).unwrap();
        drawn = drawn.beside(source);
    }
    Live::new(&drawn, "page", exact).unwrap().to_html()
}

/// What the page replays.
fn recording(html: &str) -> Json {
    let (_, rest) = html.split_once("id=\"recording\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn pages_are_no_larger_than_is_said_and_the_same_each_time() {
    let megabytes = |bytes: usize| bytes as f64 / 1e6;
    for (size, features, most) in [(32, 32, 1.5), (64, 64, 10.5)] {
        let architecture = Architecture { features, ..Architecture::dcgan(size, 3) };
        for (pair, exact, times) in [(false, false, 1.0), (true, false, 2.0), (false, true, 2.0), (true, true, 4.0)] {
            let html = page(&architecture, pair, exact);
            let bytes = megabytes(html.len());
            assert!(bytes <= most * times, "{size}x{size}, pair {pair}, all bits {exact}: {bytes} MB");
            assert!(bytes >= most * times / 2.0, "there are weights missing: {bytes} MB");
        }
        assert_eq!(page(&architecture, true, false), page(&architecture, true, false));
    }
}

#[test]
fn every_kind_of_network_makes_a_page_with_the_very_shaders() {
    for network in NetworkKind::all() {
        let size = network.sizes().next().unwrap();
        let architecture = Architecture { network, features: 4, latent: 8, classes: 3, ..Architecture::dcgan(size, 1) };
        let found = recording(&page(&architecture, false, false));
        let dispatches = found["passes"][0]["dispatches"].as_array().unwrap();
        for dispatch in dispatches {
            let kind = dispatch["kind"].as_str().unwrap();
            let shader = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders").join(kind).with_extension("wgsl");
            let text = found["shaders"][dispatch["shader"].as_u64().unwrap() as usize]["text"].as_str().unwrap();
            assert!(text.contains(&std::fs::read_to_string(shader).unwrap()), "{network}: {kind}");
        }
        let images: Vec<u64> =
            found["passes"].as_array().unwrap().iter().map(|pass| pass["images"].as_u64().unwrap()).collect();
        assert_eq!(images, [64, 16, 4, 1], "{network}");
    }
}

#[test]
fn names_of_others_are_text_and_the_page_has_no_script_but_its_own() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --conditional --steps 1 --out run")).ok();
    let mut kept = Checkpoint::read(&desk.path("run/checkpoints/last.safetensors")).unwrap();
    kept.header.insert("classes".to_string(), json!([HOSTILE, "</script><script>alert(2)</script>", "plain"]));
    let drawn = Drawn::load(&kept, false).unwrap();
    let html = Live::new(&drawn, HOSTILE, false).unwrap().to_html();
    // The recording, the weights, the loops and the program.
    assert_eq!(html.matches("<script").count(), 4);
    assert_eq!(html.matches("</script").count(), 4);
    assert!(!html.contains("<img") && !html.contains("<!--") && !html.contains(HOSTILE));
    assert_eq!(recording(&html)["conditions"]["classes"][0], json!(HOSTILE), "the name itself is kept");
    let policy = html.split_once("Content-Security-Policy\" content=\"").unwrap().1.split_once('"').unwrap().0;
    assert!(policy.starts_with("default-src &#39;none&#39;; img-src data:; "), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http") && policy.contains("worker-src blob:;"), "{policy}");
}

#[test]
fn what_cannot_draw_is_refused_and_nothing_is_written() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 1 --out run")).ok();
    desk.refuses(2, "export run --f32 --out page.html", &["--f32 is of --format web"]);
    desk.write("taken.html", b"taken");
    desk.refuses(1, "export run --format web --out taken.html", &["taken.html exists: choose another --out"]);
    desk.refuses(1, "export nowhere --format web", &["nowhere"]);
    desk.write("broken.safetensors", b"no checkpoint");
    desk.refuses(1, "export broken.safetensors --format web", &["broken.safetensors"]);

    let small = Architecture { features: 4, latent: 8, ..Architecture::dcgan(32, 1) };
    let drawn = Drawn::load(&checkpoint(&small, 0), false).unwrap();
    let other = drawn.source(&checkpoint(&Architecture { latent: 9, ..small }, 0)).unwrap_err().to_string();
    assert_eq!(other, "the source's generator takes 9 latents and the target's 8");
    let wide = drawn.source(&checkpoint(&Architecture { features: 8, ..small }, 0)).unwrap_err().to_string();
    assert!(wide.contains("name a source of the same size, width, latent"), "{wide}");
}

#[test]
fn a_grey_source_stands_beside_a_target_in_colour() {
    let grey = Architecture { features: 4, latent: 8, ..Architecture::dcgan(32, 1) };
    let drawn = Drawn::load(&checkpoint(&Architecture { channels: 3, ..grey }, 0), false).unwrap();
    let kept = checkpoint(&grey, 1);
    let source = drawn.source(&kept).unwrap();
    let (_, own) = load_generator(&kept, &Device::cpu()).unwrap();
    let last = |generator: &Generator| generator.parameters().last().unwrap().get().to_vec::<f32>().unwrap();
    // [4, 4, channels, 4]: each of three channels has the grey one's filter.
    let (tiled, one) = (last(&source), last(&own));
    assert!(tiled.chunks(12).zip(one.chunks(4)).all(|(three, one)| three.chunks(4).all(|filter| filter == one)));
}

#[test]
fn conditions_travel_with_the_page() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --conditional --steps 1 --out run")).ok();
    desk.graft("export run --format web --out page.html").ok();
    let found = recording(&desk.text("page.html"));
    let names = Conditions::in_turn(3, 0).names().names().to_vec();
    assert_eq!(found["conditions"]["classes"], json!(names));
    assert!(found["passes"][0]["condition"].is_u64());
    assert_eq!(found["directions"].as_array().unwrap().len(), 4);
}

#[test]
fn a_page_says_where_it_has_not_all_of_a_bank() {
    let architecture = Architecture { features: 4, latent: 8, condition_features: 64, ..Architecture::dcgan(32, 1) };
    let of = |rows: usize| {
        let bank = Tensor::ones(&Device::cpu(), [rows, 64]);
        let mut kept = checkpoint(&architecture, 0);
        kept.insert("conditions.bank", &bank).unwrap();
        Live::new(&Drawn::load(&kept, false).unwrap(), "page", false).unwrap().to_html()
    };
    let said = "Features of images come from 512 of the 600 that the generator was trained to take.";
    let html = of(600);
    assert!(html.contains(said));
    assert_eq!(recording(&html)["conditions"]["bank"]["features"].as_array().unwrap().len(), 512);
    assert!(!of(512).contains("Features of images come from"));
}

#[test]
fn weights_that_are_not_finite_are_refused_by_their_names() {
    let architecture = Architecture { features: 4, latent: 8, ..Architecture::dcgan(32, 1) };
    let mut kept = checkpoint(&architecture, 0);
    let name = kept.names().find(|name| name.ends_with("running_var")).unwrap().to_string();
    let broken = Tensor::full(&Device::cpu(), kept.shape(&name).unwrap(), f64::INFINITY);
    kept.insert(&name, &broken).unwrap();
    let error = Live::new(&Drawn::load(&kept, false).unwrap(), "page", false).unwrap_err().to_string();
    assert_eq!(error, format!("{} holds numbers that are not finite", name.strip_prefix("netG_ema.").unwrap()));
}

/// Makes classes differ in a checkpoint's pictures by far more than steps of training do: its scales and shifts of conditions are large.
fn make_classes_differ(path: &Path) {
    let mut kept = Checkpoint::read(path).unwrap();
    let names: Vec<String> = kept
        .names()
        .filter(|name| name.starts_with("netG_ema") && name.contains("condition_"))
        .map(str::to_string)
        .collect();
    assert!(!names.is_empty());
    for name in names {
        let shape = kept.shape(&name).unwrap().to_vec();
        let values: Vec<f32> = (0..shape.iter().product()).map(|index: usize| (1.7 * index as f32).sin()).collect();
        kept.insert(&name, &Tensor::from_slice(&Device::cpu(), &values, &shape)).unwrap();
    }
    kept.write(path).unwrap();
}

/// Writes the checkpoint half way from a source to a target: each weight and statistic of the average is the mean of both.
fn write_half_way(source: &Path, target: &Path, half: &Path) {
    let [source, mut kept] = [source, target].map(|path| Checkpoint::read(path).unwrap());
    let source = Drawn::load(&kept, false).unwrap().source(&source).unwrap();
    let (_, generator) = load_generator(&kept, &Device::cpu()).unwrap();
    let parameters = [generator.parameters(), generator.statistics()].concat();
    for (parameter, theirs) in parameters.iter().zip([source.parameters(), source.statistics()].concat()) {
        parameter.set(theirs.get().lerp(&parameter.get(), 0.5));
        kept.insert(format!("netG_ema.{}", parameter.name()), &parameter.stored()).unwrap();
    }
    kept.write(half).unwrap();
}

/// A checkpoint of a generator of classes that is given features, in which chance has no part: each class has one row of the bank.
fn with_features() -> Checkpoint {
    let device = Device::cpu();
    let architecture =
        Architecture { features: 4, latent: 8, classes: 2, condition_features: 2, ..Architecture::dcgan(32, 1) };
    let mut kept = checkpoint(&architecture, 0);
    // What nothing was learned by is grey all over: larger filters make it colours.
    let filters: Vec<String> =
        kept.names().filter(|name| kept.shape(name).unwrap().len() == 4).map(str::to_string).collect();
    for name in filters {
        let filter = kept.tensor(&name, &device).unwrap();
        let larger: Vec<f32> = filter.to_vec::<f32>().unwrap().iter().map(|weight| 4.0 * weight).collect();
        kept.insert(&name, &Tensor::from_slice(&device, &larger, filter.shape())).unwrap();
    }
    kept.insert("conditions.bank", &Tensor::from_slice(&device, &[1f32, 1.0, 1.0, -1.0], [2, 2])).unwrap();
    kept.header.insert("conditions".to_string(), json!({ "labels": [0, 1], "feature-source": "gaussian" }));
    kept
}

/// A Chromium and a Python that has Playwright; `None`, said aloud, where one is missing, and a failure where `$GRAFT_REQUIRE` asks for it.
/// `$GRAFT_PLAYWRIGHT` names the Python.
fn browser() -> Option<PathBuf> {
    let python = std::env::var_os("GRAFT_PLAYWRIGHT").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let has = |arguments: &[&str], program: &Path| {
        Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    let chromium = ["chromium", "chromium-browser", "google-chrome"];
    let found = has(&["-c", "import playwright.sync_api"], &python)
        && chromium.iter().any(|name| has(&["--version"], Path::new(name)));
    if !found {
        let required = std::env::var("GRAFT_REQUIRE").is_ok_and(|required| required.contains("playwright"));
        assert!(!required, "GRAFT_REQUIRE asks for playwright, and it or Chromium is missing; pip install playwright");
        println!("skipped: there is no Chromium, or no Playwright");
    }
    found.then_some(python)
}

#[test]
#[cfg(unix)]
#[ignore = "a browser that draws in software takes the machine for itself: CI runs it behind the others"]
fn in_a_browser_pages_draw_what_graft_draws_and_every_control_works() {
    let Some(python) = browser() else { return };
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --conditional --steps 20 --out conditional")).ok();
    make_classes_differ(&desk.path("conditional/checkpoints/last.safetensors"));
    desk.graft(&format!("{TRAIN} --network residual --steps 20 --out residual")).ok();
    desk.graft(
        "transfer --method trgan --source synthetic:strokes --target synthetic:street --features 4 --latent 8 --steps 20 --source-steps 20 \
         --batch 8 --subset 20 --no-judge -q --out transferred",
    )
    .ok();
    let of = |run: &str| desk.path(format!("{run}/checkpoints/last.safetensors"));
    write_half_way(&of("transferred/source"), &of("transferred"), &desk.path("half.safetensors"));
    let mut checks = Vec::new();
    let mut check =
        |page: &str, run: &str, more: &[&'static str]| checks.push((page.to_string(), run.to_string(), more.to_vec()));
    for (run, exact) in [("conditional", ""), ("transferred", ""), ("residual", " --f32")] {
        desk.graft(&format!("export {run} --format web{exact} --out {run}.html")).ok();
        let more: &[&str] = match run {
            "conditional" => &["--faults"],
            "transferred" => &["--source", "transferred/source", "--half", "half.safetensors"],
            // What draws it is another network; controls are those of the pages before.
            _ => &["--f32", "--pixels"],
        };
        check(&format!("{run}.html"), run, more);
    }
    // Wide enough for depths that are split, and added up by a kernel of its own.
    desk.graft(&format!("{TRAIN} --features 32 --steps 2 --out wide").replacen("--features 4 ", "", 1)).ok();
    desk.graft("export wide --format web --f32 --out wide.html").ok();
    check("wide.html", "wide", &["--f32", "--pixels"]);
    desk.graft("report conditional --live").ok();
    check("conditional/report.html", "conditional", &["--pixels", "--looks"]);

    // Samples without a class, and features: what is drawn by chance elsewhere is certain here.
    let mut kept = Checkpoint::read(&of("conditional")).unwrap();
    kept.header.insert("conditions".to_string(), json!({ "frequencies": [0.5, 0.25, 0.25], "null": 1.0 }));
    kept.write(&desk.path("unknown.safetensors")).unwrap();
    with_features().write(&desk.path("features.safetensors")).unwrap();
    make_classes_differ(&desk.path("features.safetensors"));
    for name in ["unknown", "features"] {
        desk.graft(&format!("export {name}.safetensors --format web --out {name}.html")).ok();
        check(&format!("{name}.html"), &format!("{name}.safetensors"), &["--pixels"]);
    }

    // What others named stays text in the browser, too.
    let mut kept = Checkpoint::read(&desk.path("conditional/checkpoints/last.safetensors")).unwrap();
    kept.header.insert("classes".to_string(), json!([HOSTILE, "two", "three"]));
    let drawn = Drawn::load(&kept, false).unwrap();
    Live::new(&drawn, HOSTILE, false).unwrap().write(&desk.path("hostile.html")).unwrap();
    check("hostile.html", "conditional", &["--looks"]);

    // A browser compiles kernels by one thread: as many browsers as there are cores, the longest first.
    checks.iter().par_bridge().for_each(|(page, run, more)| {
        let mut command = Command::new(&python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/check_page.py")).current_dir(desk.path(""));
        // The screenshots are for people.
        command.args(["--out", concat!(env!("CARGO_TARGET_TMPDIR"), "/pages")]);
        command.args(["--graft", env!("CARGO_BIN_EXE_graft"), "--run", run]).args(more).arg(page);
        let output = command.output().expect("python runs");
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        assert!(output.status.success(), "{page}: {said}");
        println!("{said}");
    });
}
