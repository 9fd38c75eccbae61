//! Reports: well formed, self-contained, closed to what others wrote, and, where there is a Chromium, as a browser sees them.

use std::path::{Path, PathBuf};
use std::process::Command;

use graft::data::Images;
use graft::experiment::report::{
    Commands, Entry, Facts, Note, Page, Picture, Pictures, Plot, Series, Slider, Table, Verdict, of_run,
};
use graft::metrics::{Distances, Evaluation, Floors, FrechetDistances, PrecisionRecall};
use graft::run::RunFolder;
use graft::transfer::{Findings, Judged};

use crate::program::{Desk, TRAIN};

/// A name that tries to become markup, script, style, and a request, in text and in attributes.
const HOSTILE: &str = "\"'><script>document.title='taken'</script><img src=http://127.0.0.1:1/x onerror=alert(1)>\
    </style></title></textarea>&lt;b&gt;<!-- \0\u{1b}[31m \u{202e} javascript:alert(1) http://127.0.0.1:1/y //z url(http://127.0.0.1:1/w)";

/// Elements that have no end tag.
const VOID: [&str; 4] = ["meta", "link", "img", "input"];

/// A tag of a page: its name, its attributes, and whether it ends an element.
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
    ends: bool,
}

/// The tags of a page, in order. Fails where something is neither text nor a tag as [`Html`](graft::experiment::report::Html)
/// writes them.
fn tags(html: &str) -> Vec<Tag> {
    let mut rest = html.strip_prefix("<!doctype html>\n").expect("a document type");
    let mut tags: Vec<Tag> = Vec::new();
    while let Some(start) = rest.find('<') {
        let (text, tag) = rest.split_at(start);
        assert!(!text.contains('>'), "a lone > in {text}");
        let end = tag.find('>').expect("a tag ends");
        let (inside, ends) = match tag[1..end].strip_prefix('/') {
            Some(inside) => (inside, true),
            None => (&tag[1..end], false),
        };
        let (name, mut list) = inside.split_once(' ').unwrap_or((inside, ""));
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "a tag <{inside}>");
        let mut attributes = Vec::new();
        while !list.is_empty() {
            let (key, value) = list.split_once("=\"").unwrap_or_else(|| panic!("an attribute in {inside}"));
            let (value, after) = value.split_once('"').expect("a quote ends");
            assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "an attribute {key}");
            attributes.push((key.to_string(), value.to_string()));
            list = after.trim_start();
        }
        rest = &tag[end + 1..];
        // What these hold is no HTML.
        if !ends && ["style", "script"].contains(&name) {
            rest = &rest[rest.find(&format!("</{name}>")).expect("it ends")..];
        }
        tags.push(Tag { name: name.to_string(), attributes, ends });
    }
    tags
}

/// Fails unless a page is well formed, asks for nothing outside itself, and has no script but its own.
#[track_caller]
fn assert_sound(html: &str) {
    let tags = tags(html);
    let mut open: Vec<&str> = Vec::new();
    for tag in &tags {
        if tag.ends {
            assert_eq!(open.pop(), Some(tag.name.as_str()), "elements end in the order in which they began");
        } else if !VOID.contains(&tag.name.as_str()) {
            open.push(&tag.name);
        }
        for (key, value) in &tag.attributes {
            assert!(!key.starts_with("on"), "a handler {key} in <{}>", tag.name);
            if ["src", "href", "action", "data", "srcset", "poster"].contains(&key.as_str()) {
                let inside = value == "data:," || value.starts_with("data:image/png;base64,");
                assert!(inside, "<{} {key}={value}> asks for something", tag.name);
            }
        }
    }
    assert!(open.is_empty(), "{open:?} have no end");
    let count = |name: &str| tags.iter().filter(|tag| tag.name == name && !tag.ends).count();
    assert_eq!([count("script"), count("style"), count("title"), count("h1")], [1, 1, 1, 1]);
    for name in ["style", "script"] {
        let inside = html.split_once(&format!("<{name}>")).unwrap().1.split_once(&format!("</{name}>")).unwrap().0;
        for request in ["http:", "https:", "url(", "@import", "//", "fetch(", "XMLHttpRequest", "import("] {
            let comments = inside.lines().filter(|line| !line.starts_with("// "));
            assert!(comments.into_iter().all(|line| !line.contains(request)), "{request} in the page's {name}");
        }
    }
}

/// Images of coloured discs, of which later steps see more.
fn discs(count: usize, step: usize, hue: usize) -> Images {
    const SIDE: usize = 32;
    let pixel = |index: usize| {
        let (image, y, x, c) = (index / 3 / SIDE / SIDE, index / 3 / SIDE % SIDE, index / 3 % SIDE, index % 3);
        let (dx, dy) = (x as f64 - 16.0 + (image % 5) as f64, y as f64 - 16.0 + (image % 3) as f64);
        let inside = dx.hypot(dy) < 6.0 + (image % 4) as f64;
        let noise = (index * 7919 + image * 104_729) % 61;
        if inside { ((c + hue + image) % 3 * 90 + step * 15) as u8 } else { (40 + noise / (step + 1)) as u8 }
    };
    Images::new([count, SIDE, SIDE, 3], (0..count * SIDE * SIDE * 3).map(pixel).collect())
}

/// A page of a comparison with every kind of element.
fn comparison() -> Page {
    let steps = || (0..=12u32).map(|index| f64::from(index) * 125.0);
    let fd = |start: f64, end: f64| steps().map(move |step| (step, end + (start - end) * (-step / 400.0).exp()));
    let arms = ["scratch", "scratch+augment", "trgan", "tgan", "ctgan", "tgan-untrained", "ctgan-shuffled"];
    let results = [(96.2, None), (103.5, None), (61.4, Some(Verdict::Helps)), (88.0, Some(Verdict::Undecided))];
    let more = [(95.1, Some(Verdict::Equivalent)), (130.4, Some(Verdict::Hurts)), (131.0, Some(Verdict::Hurts))];
    let columns = ["arm", "judge-FD", "KID · 10³", "precision", "copied", "against scratch"];
    let table = arms.iter().zip(results.into_iter().chain(more)).fold(
        Table::new("Arms after 1,500 steps, five seeds", &columns),
        |table, (arm, (fd, verdict))| {
            let number = Entry::number(fd, 1).interval(fd * 0.93, fd * 1.07).floor(5.1);
            table.row(vec![
                Entry::text(*arm),
                if *arm == "trgan" { number.best() } else { number },
                Entry::number(fd / 10.0, 2).floor(0.02),
                Entry::number(0.9 - fd / 400.0, 2),
                Entry::number(0.04, 2),
                verdict.map_or(Entry::Missing, Entry::Verdict),
            ])
        },
    );
    let plot = arms.iter().enumerate().fold(
        Plot::new("Judge-FD over target steps", "target steps").log_y().reference("floor", 5.1),
        |plot, (index, arm)| {
            let end = 60.0 + 11.0 * index as f64;
            let band = fd(430.0, end).map(|(step, fd)| (step, fd * 0.93, fd * 1.07));
            let series = Series::new(*arm, fd(430.0 - 25.0 * index as f64, end));
            plot.series(if index == 0 { series.band(band) } else { series })
        },
    );
    let slider = (0..8).fold(Slider::new("Samples over target steps"), |slider, step| {
        let picture = |name: &str, hue| Picture::grid(name, &discs(40, step, hue), 10);
        slider.frame(format!("step {}", step * 200), vec![picture("scratch", 0), picture("trgan", 1)])
    });
    let stacked = Pictures::stacked("The same latents through source and target")
        .picture(Picture::grid("G_s(z)", &discs(20, 7, 0), 10))
        .picture(Picture::grid("G_t(z)", &discs(20, 7, 2), 10))
        .note("Columns correspond.");
    Page::new("Seven arms on synthetic:street, 500 images")
        .summary("TrGAN helps: at equal steps its judge-FD is 61 instead of 96.")
        .summary("Scratch's final FD was reached after 480 of 1,500 steps.")
        .command("graft compare --source synthetic:strokes --target synthetic:street --arms scratch,scratch+augment,trgan,tgan,ctgan --seeds 5")
        .heading("Results")
        .with(table.note("Intervals are 95 %, paired by seed."))
        .with(plot)
        .with(Note::warning("at 100 images the copied share of tgan-untrained is above 0.3."))
        .with(Note::new("Wall time stands beside steps in compare.json."))
        .heading("Samples")
        .with(slider)
        .with(stacked)
        .with(Pictures::beside("Beside real images").picture(Picture::grid("trgan", &discs(40, 7, 1), 8)).picture(Picture::grid("real", &discs(40, 7, 2), 8)))
        .heading("Settings")
        .with(Facts::new("Settings").fact("target", "synthetic:street").group("recipe").fact("batch", 64).fact("lr", 2e-4))
}

/// A page on which every text that can come from outside is [`HOSTILE`].
fn hostile() -> Page {
    let picture = || Picture::grid(HOSTILE, &discs(4, 1, 0), 2);
    let wild = [(0.0, f64::NAN), (1.0, f64::INFINITY), (2.0, 1e300), (3.0, -1e300), (f64::NAN, 1.0), (4.0, 1e-300)];
    Page::new(HOSTILE)
        .summary(HOSTILE)
        .command(HOSTILE)
        .heading(HOSTILE)
        .with(Plot::new(HOSTILE, HOSTILE).series(Series::new(HOSTILE, wild)).reference(HOSTILE, 1.0).note(HOSTILE))
        .with(Plot::new("nothing", "step").log_y().series(Series::new("none", [])))
        .with(
            Table::new(HOSTILE, &[HOSTILE])
                .row(vec![Entry::text(HOSTILE)])
                .row(vec![Entry::number(f64::NAN, 2)])
                .note(HOSTILE),
        )
        .with(Pictures::beside(HOSTILE).picture(picture()).note(HOSTILE))
        .with(Slider::new(HOSTILE).frame(HOSTILE, vec![picture()]).frame("2", vec![picture()]))
        .with(Facts::new(HOSTILE).group(HOSTILE).fact(HOSTILE, HOSTILE))
        .with(Note::warning(HOSTILE))
}

#[test]
fn pages_are_sound_whatever_they_say() {
    assert_sound(&comparison().to_html());
    let hostile = hostile().to_html();
    assert_sound(&hostile);
    assert!(hostile.contains("&lt;script&gt;document.title=&#39;taken&#39;&lt;/script&gt;"));
    let drawn = tags(&hostile);
    let paths = drawn.iter().flat_map(|tag| &tag.attributes).filter(|(key, _)| key == "d");
    assert!(paths.into_iter().all(|(_, path)| !path.contains("NaN") && !path.contains("inf")), "{hostile}");
    assert_sound(&Page::new("").to_html());
}

#[test]
fn a_run_is_reported_at_its_end_and_again_by_its_name() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --r1 1 --steps 40 --sample-every 10 --out run")).ok();
    let report = desk.text("run/report.html");
    assert_sound(&report);
    let parts = [
        "40 steps on idx:images,labels in ",
        "<span>--features</span> <span>4</span> <span>--latent</span> <span>8</span>",
        "<span>--steps</span> <span>40</span>",
        "data-label=\"step 10\" hidden",
        "data-label=\"step 40\">",
        ">discriminator<",
        ">generated images<",
        ">Gradient penalty<",
        "<dt>d-steps</dt><dd>1</dd>",
        "<dt>augment</dt><dd>none</dd>",
    ];
    for part in parts {
        assert!(report.contains(part), "the report has no {part}");
    }

    desk.write("run/samples/step_000020.png", b"<svg onload=alert(1)>");
    desk.write("run/samples/favourite.png", b"mine");
    let torn = desk.text("run/metrics.jsonl") + "{\"step\":41,\"d_lo";
    desk.write("run/metrics.jsonl", torn.as_bytes());
    std::fs::remove_file(desk.path("run/report.html")).unwrap();
    let said = desk.graft("report run").ok();
    assert_eq!(said.trim(), Path::new("run").join("report.html").to_str().unwrap());
    let again = desk.text("run/report.html");
    assert_sound(&again);
    assert!(again.contains("step_000020.png is no PNG") && !again.contains("favourite"));
    assert!(again.contains("40 steps on"));
    desk.refuses(1, "report gone", &["gone holds no run", "name the folder"]);
    desk.refuses(2, "report", &["<RUN>"]);
}

#[test]
fn a_transfer_is_reported_with_what_came_out() {
    let desk = Desk::new();
    let data = "idx:images,labels";
    let small = "--features 4 --latent 6 --batch 8 --steps 4 --source-steps 4 --no-judge -q";
    desk.graft(&format!(
        "transfer --method trgan --source {data} --target {data} --subset 20 --scratch {small} --out run"
    ))
    .ok();
    let report = desk.text("run/report.html");
    assert_sound(&report);
    let parts = [
        "Nothing was measured: the run was started without a judge.",
        "<span>--subset</span> <span>20</span>",
        "One seed is no evidence: run graft compare --source idx:images,labels --target idx:images,labels",
        "alt=\"trgan, step 4\"",
        "alt=\"scratch, step 4\"",
        "alt=\"20 of the 20 real images that it was trained on\"",
        "odd rows are G_s(z)",
        "<th scope=\"row\">main.0.weight</th><td class=\"\">G</td>",
        ">copied<",
    ];
    for part in parts {
        assert!(report.contains(part), "the report has no {part}");
    }
    assert!(!report.contains("Judge-FD over target steps"));

    // As a judge would have left it.
    for (run, fds) in [("run", [300.0, 61.0]), ("run/scratch", [500.0, 96.0])] {
        let point = |(step, fd): (u64, f64)| {
            format!("{{\"step\":{step},\"judge_fd\":{fd},\"random_fd\":1,\"count\":2000,\"judge\":\"x\"}}\n")
        };
        let lines: String = [0, 4].into_iter().zip(fds).map(point).collect();
        desk.write(&format!("{run}/evaluations.jsonl"), lines.as_bytes());
    }
    let folder = RunFolder::open(&desk.path("run")).unwrap();
    let figures = |fd: f64| Evaluation {
        count: 2000,
        distances: Distances {
            frechet: FrechetDistances { judge_fd: fd, random_fd: 1.5 },
            class_shares: vec![0.5, 0.5],
            class_distance: Some(0.0),
        },
        judge_fd_infinity: Some(fd - 2.0),
        panel: None,
        kid: 0.25,
        manifold: PrecisionRecall { precision: 0.5, recall: 0.5, density: 0.5, coverage: 0.5 },
        conditional_accuracy: None,
        conditional_chance: None,
        memorisation: None,
    };
    let judged = Judged::Figures {
        against: "2,000 held-out images of it".to_string(),
        accuracy: Some(0.875),
        arms: vec![("trgan".to_string(), figures(61.0)), ("scratch".to_string(), figures(96.0))],
        floors: Box::new(Floors { real: figures(5.25), copy: None }),
    };
    Findings { judged, ..Findings::read(&folder).unwrap().unwrap() }.write(&folder).unwrap();
    desk.graft("report run").ok();
    let report = desk.text("run/report.html");
    assert_sound(&report);
    let parts = [
        "At equal steps judge-FD 61.0 instead of scratch&#39;s 96.0; scratch&#39;s final judge-FD was reached by 4 of 4 steps.",
        "Judge-FD over target steps",
        "<span class=\"name\">real images 5.25</span>",
        "The judge is right on 87.5 % of these.",
        "<th scope=\"row\">KID</th>",
    ];
    for part in parts {
        assert!(report.contains(part), "the report has no {part}");
    }
    assert!(!report.contains(">class as asked<"), "what no arm has is no row");
    // Where its images lie no more, it does without them.
    std::fs::rename(desk.path("images"), desk.path("gone")).unwrap();
    let ended = desk.graft("report run");
    assert!(ended.stderr.contains("without real images beside the samples"), "{}", ended.stderr);
    ended.ok();
    let bare = desk.text("run/report.html");
    assert_sound(&bare);
    assert!(bare.contains("alt=\"trgan, step 4\"") && !bare.contains("real images that it was trained on"));
    std::fs::rename(desk.path("gone"), desk.path("images")).unwrap();
    desk.write("run/outcome.json", b"{}");
    desk.refuses(1, "report run", &["outcome.json", "--resume"]);
}

#[test]
fn a_run_of_which_little_is_there_has_a_report_too() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 2 --out run")).ok();
    let folder = RunFolder::open(&desk.path("run")).unwrap();
    std::fs::remove_dir_all(desk.path("run/samples")).unwrap();
    std::fs::remove_file(desk.path("run/metrics.jsonl")).unwrap();
    let page = of_run(&folder, &Commands::default()).unwrap().to_html();
    assert_sound(&page);
    assert!(page.contains("0 of 2 steps on idx:images,labels"), "{page}");
}

#[test]
fn a_run_that_was_split_has_each_step_once_in_its_event_files() {
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --steps 3 --out plain")).ok();
    desk.graft(&format!("{TRAIN} --steps 3 --tensorboard --out run")).ok();
    assert!(desk.checkpoint("plain") == desk.checkpoint("run"), "what is recorded changes nothing");
    desk.graft("train --resume run --steps 5 -q").ok();
    let events = |run: &str| -> Vec<String> {
        desk.names(run).into_iter().filter(|name| name.starts_with("events.out.tfevents.")).collect()
    };
    assert_eq!((events("plain").len(), events("run").len()), (0, 2), "resuming goes on recording");
    let files: Vec<Vec<u8>> = events("run").iter().map(|name| desk.read(format!("run/{name}"))).collect();
    let count = |file: &[u8], text: &str| file.windows(text.len()).filter(|window| *window == text.as_bytes()).count();
    assert_eq!([count(&files[0], "d_loss"), count(&files[1], "d_loss")], [3, 2]);
    assert_eq!([count(&files[0], "\u{89}PNG"), count(&files[1], "IHDR")], [0, 1]);

    // What a killed run left unfinished goes, what is whole stays.
    let name = &events("run")[1];
    let torn = [&files[1][..], &files[1][..files[1].len() - 5]].concat();
    desk.write(&format!("run/{name}"), &torn);
    desk.graft("train --resume run --steps 6 -q").ok();
    let kept = desk.read(format!("run/{name}"));
    assert_eq!([count(&kept, "d_loss"), count(&kept, "IHDR")], [4, 1]);

    desk.graft(&format!("{TRAIN} --steps 2 --out run --overwrite")).ok();
    assert_eq!(events("run").len(), 0);
}

/// A Chromium; `None`, said aloud, where there is none, and a failure where `$GRAFT_REQUIRE` asks for it.
fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found =
        std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name))).find(|p| p.is_file());
    if found.is_none() {
        let required = std::env::var("GRAFT_REQUIRE").is_ok_and(|required| required.contains("chromium"));
        assert!(!required, "GRAFT_REQUIRE asks for chromium, but there is none; install Debian's package chromium");
        println!("skipped: there is no chromium");
    }
    found
}

#[test]
#[cfg(unix)]
fn chromium_shows_reports_without_a_complaint_at_the_widths_of_a_phone_and_a_desk() {
    let Some(chromium) = chromium() else { return };
    let desk = Desk::new();
    desk.graft(&format!("{TRAIN} --r1 1 --steps 300 --sample-every 50 --out run")).ok();
    comparison().write(&desk.path("comparison.html")).unwrap();
    hostile().write(&desk.path("hostile.html")).unwrap();
    let check = |report: &Path| {
        let mut command = Command::new("python3");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/check_report.py"));
        // The screenshots are for people.
        command.arg("--chromium").arg(&chromium).args(["--out", concat!(env!("CARGO_TARGET_TMPDIR"), "/reports")]);
        let output = command.arg(report).output().expect("python3 runs");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for report in ["run/report.html", "comparison.html", "hostile.html"] {
        let (passed, said) = check(&desk.path(report));
        assert!(passed, "{report}: {said}");
    }

    // The check itself sees what it is there for.
    let open = comparison().to_html();
    let (policy, rest) =
        open.split_once("<meta http-equiv").and_then(|(head, rest)| Some((head, rest.split_once('>')?.1))).unwrap();
    let faults = [
        ("<img src=\"http://127.0.0.1:1/x.png\">", "requests http://127.0.0.1:1/x.png"),
        ("<script>console.error('broken')</script>", "broken"),
        ("<script>missing()</script>", "missing is not defined"),
        ("<div style=\"width:2000px\">wide</div>", "pixels wide in a window of 390"),
    ];
    for (fault, complaint) in faults {
        let faulty =
            format!("{policy}{}", rest.replacen("<main>", &format!("<main style=\"display:block\">{fault}"), 1));
        desk.write("faulty.html", faulty.as_bytes());
        let (passed, said) = check(&desk.path("faulty.html"));
        assert!(!passed && said.contains(complaint), "{fault}: {said}");
    }
}
