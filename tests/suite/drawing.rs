//! What is drawn: in which form, within which bounds, from whose latents, and whose latents pictures are.

use std::io::Cursor;

use graft::data::read_rows;
use image::AnimationDecoder;
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use serde_json::Value as Json;

use crate::program::{Desk, TRAIN};

const SIDE: u32 = 32;
const MARGIN: u32 = 2;

fn desk_with_run() -> Desk {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 4 --out run")).ok();
    desk
}

/// The pixels of a NumPy array of bytes.
fn pixels(desk: &Desk, name: &str) -> Vec<u8> {
    let bytes = desk.read(name);
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[header..].to_vec()
}

#[test]
fn a_grid_is_written_as_its_name_ends_and_other_endings_are_refused() {
    let desk = desk_with_run();
    for name in ["a.png", "a.jpg", "a.JPEG", "a.gif"] {
        desk.graft(&format!("sample run --count 4 --out {name}")).ok();
        let drawn = image::load_from_memory(&desk.read(name)).unwrap();
        assert_eq!(
            (drawn.width(), drawn.height()),
            (2 * (SIDE + MARGIN) + MARGIN, 2 * (SIDE + MARGIN) + MARGIN),
            "{name}"
        );
        let beginning: &[u8] = match name.rsplit_once('.').unwrap().1 {
            "png" => b"\x89PNG",
            "gif" => b"GIF8",
            _ => b"\xff\xd8\xff",
        };
        assert!(desk.read(name).starts_with(beginning), "{name}");
    }
    for (options, parts) in [
        ("--out b.webp", &[".png, .jpg or .gif"][..]),
        ("--out b.npy", &[".png, .jpg or .gif"]),
        ("--format npy --out b.png", &["ends in .npy"]),
        ("--format png --out b.jpg", &["name a folder"]),
        ("--frames 4 --out b.jpg", &["--frames", ".gif"]),
        ("--frames 4 --format npy --out b.npy", &["leave out --format"]),
        ("--frames 1", &["from 2 up"]),
        ("--frames 4 --interpolate 4", &["--frames"]),
        ("--truncation 0", &["--truncation", "0.01 up"]),
    ] {
        desk.refuses(2, &format!("sample run {options}"), parts);
    }
}

#[test]
fn a_way_between_latents_moves() {
    let desk = desk_with_run();
    desk.graft("sample run --interpolate 5 --count 20 --format npy --out way.npy").ok();
    let way = pixels(&desk, "way.npy");
    let each = (SIDE * SIDE) as usize;
    desk.graft("sample run --frames 5 --count 4 --out way.png").ok();
    desk.graft("sample run --interpolate 5 --count 20 --out way.gif").ok();
    desk.graft("sample run --frames 3 --count 4").ok();
    assert!(desk.path("samples.gif").exists());
    let png = PngDecoder::new(Cursor::new(desk.read("way.png"))).unwrap().apng().unwrap();
    let frames = png.into_frames().collect_frames().unwrap();
    let gif = GifDecoder::new(Cursor::new(desk.read("way.gif"))).unwrap().into_frames().collect_frames().unwrap();
    assert_eq!((frames.len(), gif.len()), (5, 5));
    let grid = 2 * (SIDE + MARGIN) + MARGIN;
    for (step, frame) in frames.iter().enumerate() {
        assert_eq!(frame.buffer().dimensions(), (grid, grid));
        assert_eq!(gif[step].buffer().dimensions(), (grid, grid));
        for cell in 0..4u32 {
            let image = &way[(cell as usize * 5 + step) * each..][..each];
            let [left, top] = [cell % 2, cell / 2].map(|place| MARGIN + place * (SIDE + MARGIN));
            for (place, &level) in image.iter().enumerate() {
                let (x, y) = (left + place as u32 % SIDE, top + place as u32 / SIDE);
                assert_eq!(frame.buffer().get_pixel(x, y).0[0], level, "frame {step}, image {cell}");
            }
        }
    }
    desk.graft("sample run --interpolate 5 --count 20 --out moving.apng").ok();
    let moving = PngDecoder::new(Cursor::new(desk.read("moving.apng"))).unwrap();
    assert_eq!(moving.apng().unwrap().into_frames().collect_frames().unwrap().len(), 5);
    let wide = "sample run --interpolate 2000 --count 2000 --out wide.jpg";
    desk.refuses(1, wide, &["sides of JPEG and GIF end at 65535", "write a .png"]);
    // Without frames it is the grid that it was.
    desk.graft("sample run --interpolate 5 --count 20 --out rows.png").ok();
    assert!(!PngDecoder::new(Cursor::new(desk.read("rows.png"))).unwrap().is_apng().unwrap());
}

#[test]
fn a_bound_on_latents_changes_samples_and_a_wide_one_no_bit() {
    let desk = desk_with_run();
    let sample = |options: &str, name: &str| {
        desk.graft(&format!("sample run --count 6 --format npy --out {name} {options}")).ok();
        pixels(&desk, name)
    };
    let plain = sample("", "plain.npy");
    assert!(sample("--truncation 50", "wide.npy") == plain);
    let near = sample("--truncation 0.5", "near.npy");
    assert!(near != plain && sample("--truncation 0.5", "again.npy") == near);
}

#[test]
fn pictures_are_inverted_and_drawn_again_from_their_latents() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 30 --lr 0.01 --ema 0 --out run")).ok();
    desk.graft("sample run --count 3 --seed 5 --format png --out made").ok();
    desk.graft("invert run made -q --steps 150 --out found").ok();
    assert_eq!(desk.names("found"), ["errors.json", "latents.npy", "pairs.png"]);
    let (shape, _) = read_rows(&desk.path("found/latents.npy")).unwrap();
    assert_eq!(shape, [3, 8]);
    let report: Json = serde_json::from_slice(&desk.read("found/errors.json")).unwrap();
    let errors: Vec<f64> =
        report["images"].as_array().unwrap().iter().map(|image| image["error"].as_f64().unwrap()).collect();
    assert!(errors.len() == 3 && report["images"][2]["file"] == "000002.png", "{report}");
    let barely = |options: &str, out: &str| {
        desk.graft(&format!("invert run made -q --steps 1 --starts 1 {options} --out {out}")).ok();
        let report: Json = serde_json::from_slice(&desk.read(format!("{out}/errors.json"))).unwrap();
        report["mean_error"].as_f64().unwrap()
    };
    let (mean, before) = (report["mean_error"].as_f64().unwrap(), barely("", "barely"));
    assert!(mean < before / 2.0, "{mean} and {before}");
    let guessed = barely("--guess-steps 300", "guessed");
    assert!(guessed < before, "an encoder that learned guesses no nearer than one sample: {guessed} and {before}");
    let drawn = image::load_from_memory(&desk.read("found/pairs.png")).unwrap();
    assert_eq!((drawn.width(), drawn.height()), (3 * (SIDE + MARGIN) + MARGIN, 2 * (SIDE + MARGIN) + MARGIN));

    // What is drawn from the latents is what was found.
    desk.graft("sample run --latents found/latents.npy --format npy --out again.npy").ok();
    let again = pixels(&desk, "again.npy");
    let rows = drawn.into_luma8();
    let below = |image: u32, place: u32| {
        let (x, y) = (MARGIN + image * (SIDE + MARGIN) + place % SIDE, SIDE + 2 * MARGIN + place / SIDE);
        rows.get_pixel(x, y).0[0]
    };
    for image in 0..3 {
        for place in 0..SIDE * SIDE {
            assert_eq!(below(image, place), again[(image * SIDE * SIDE + place) as usize], "image {image}");
        }
    }
    desk.graft("sample run --latents found/latents.npy --frames 4 --out walk.gif").ok();
    let files = "invert run made/000001.png made/000000.png -q --steps 2 --out files";
    desk.graft(files).ok();
    let report: Json = serde_json::from_slice(&desk.read("files/errors.json")).unwrap();
    assert_eq!(report["images"][0]["file"], "made/000001.png");

    for (code, command, parts) in [
        (1, "sample run --latents gone.npy --out x.png", &["gone.npy", "check the path"][..]),
        (1, "sample run --latents again.npy --out x.png", &["rows and columns"]),
        (2, "sample run --latents found/latents.npy --count 4 --out x.png", &["take at most 3"]),
        (2, "sample run --latents found/latents.npy --truncation 1 --out x.png", &["--truncation"]),
        (1, "invert run gone.png", &["there is no picture gone.png"]),
        (2, "invert run mnst:x", &["mnst"]),
        (2, "invert run made --class cat", &["--class needs a generator"]),
        (1, "invert run made --out found", &["found exists"]),
    ] {
        desk.refuses(code, command, parts);
    }
    desk.graft(&format!("{} --latent 5 --steps 1 --out other", TRAIN.replace("--latent 8 ", ""))).ok();
    desk.refuses(2, "sample other --latents found/latents.npy --out x.png", &["rows of 8 numbers", "have 5"]);
}

#[test]
fn pictures_of_classes_are_inverted_under_them() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --conditional --steps 4 --out run")).ok();
    desk.graft("invert run idx:images,labels --count 2 -q --steps 2 --out own").ok();
    desk.graft("invert run idx:images --class 1 --count 2 -q --steps 2 --out asked").ok();
    desk.refuses(2, "invert run idx:images --count 2 -q", &["say --class"]);
    desk.refuses(2, "invert run idx:images --class cat -q", &["none of this generator's classes"]);
}
