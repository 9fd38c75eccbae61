//! What must hold for a folder and for an archive of the same files alike.

use std::fs;
use std::path::Path;

use crate::data::archive::tests::{Packed, zip};
use crate::data::folder::tests::heard;
use crate::data::picture::encode_png;
use crate::data::{Dataset, Images, Reading, Spec, Split};
use crate::error::{Error, Result};

fn grey(value: u8) -> Vec<u8> {
    encode_png(&Images::new([1, 8, 8, 1], vec![value; 64]), 0)
}

/// What is read of files in a folder and in an archive, and the notes. A path that ends in a slash is an empty folder, a picture has the
/// level of its place, and all else is text.
fn both(paths: &[&str], split: Split) -> [(Result<Dataset>, String); 2] {
    let place = tempfile::tempdir().unwrap();
    let contents: Vec<Vec<u8>> = (0..)
        .zip(paths)
        .map(|(place, path)| if path.ends_with(".png") { grey(place) } else { b"text"[..].to_vec() })
        .collect();
    for (path, bytes) in paths.iter().zip(&contents) {
        let file = place.path().join("d").join(path);
        let is_folder = path.ends_with('/');
        fs::create_dir_all(if is_folder { &file } else { file.parent().unwrap() }).unwrap();
        if !is_folder {
            fs::write(file, bytes).unwrap();
        }
    }
    let packed = paths.iter().zip(&contents).map(|(path, bytes)| match path.ends_with('/') {
        true => Packed::stored(path, b""),
        false => Packed::stored(path, bytes),
    });
    fs::write(place.path().join("d.zip"), zip(&packed.collect::<Vec<_>>())).unwrap();
    ["folder:d", "zip:d.zip"].map(|name| {
        let (kind, file) = name.split_once(':').unwrap();
        let spec: Spec = format!("{kind}:{}", place.path().join(file).display()).parse().unwrap();
        let (reading, notes) = heard(Reading::default());
        let data = spec.read(split, &reading);
        let notes = notes.lock().unwrap().join("\n");
        (data, notes)
    })
}

/// The level of each image and the name of its class.
fn classed(data: &Dataset) -> Vec<(u8, &str)> {
    let labels = data.labels.as_deref().unwrap_or_default();
    let class = |index: usize| labels.get(index).map_or("", |&label| &data.classes.names()[label as usize]);
    let mut all: Vec<(u8, &str)> = (0..data.len()).map(|index| (data.images.image(index)[0], class(index))).collect();
    all.sort_unstable();
    all
}

#[test]
fn a_training_split_without_pictures_is_empty_and_no_other_takes_its_place() {
    for paths in [
        &["test/0.png", "train/"][..],
        &["test/a/0.png", "test/b/1.png", "train/"],
        &["val/0.png", "train/README.txt"],
        &["Test/a/0.png", "Training/a/README.txt", "docs/"],
        &["ds/test/0.png", "ds/train/.gitkeep"],
    ] {
        for (data, notes) in both(paths, Split::Train) {
            let text = data.unwrap_err().to_string();
            assert!(text.contains("the train split is empty; put the images into"), "{paths:?}: {text}, {notes}");
        }
    }
}

#[test]
fn what_lies_in_one_folder_is_read_as_if_that_were_the_data_set() {
    for (paths, expected) in [
        (&["ds/train/a/0.png", "ds/train/b/1.png", "ds/test/a/2.png", "README.txt"][..], &[(0, "a"), (1, "b")][..]),
        (&["ds/a/0.png", "ds/b/1.png", "docs/README.md"], &[(0, "a"), (1, "b")]),
        (&["x/y/train/0.png", "x/y/test/1.png"], &[(0, "")]),
        (&["ds/cats/0.png", "ds/cats/1.png"], &[(0, "cats"), (1, "cats")]),
    ] {
        for (data, notes) in both(paths, Split::Train) {
            assert_eq!(classed(&data.unwrap()), expected, "{paths:?}");
            assert!(notes.contains("all of its images lie in its folder "), "{notes}");
        }
    }
}

#[test]
fn one_folder_of_pictures_is_a_class_and_empty_ones_are_too() {
    for (paths, expected, classes) in [
        (&["cats/0.png", "cats/1.png"][..], &[(0, "cats"), (1, "cats")][..], "cats"),
        (&["cats/0.png", "dogs/"], &[(0, "cats")], "cats, dogs"),
        (&["a/0.png", "b/.gitkeep", "c/", "d/README"], &[(0, "a")], "a, b, c, d"),
    ] {
        for (data, notes) in both(paths, Split::Train) {
            let data = data.unwrap();
            assert_eq!((classed(&data).as_slice(), data.classes.to_string().as_str()), (expected, classes));
            let lacking = classes.split(", ").count() > 1;
            assert_eq!(notes.contains("it has no images of class"), lacking, "{notes}");
        }
    }
}

#[test]
fn classes_whose_names_differ_in_case_alone_are_said() {
    for (data, notes) in both(&["Cat/0.png", "cat/1.png"], Split::Train) {
        assert_eq!(data.unwrap().classes.len(), 2);
        assert!(notes.contains("Cat and cat are two classes, whose names differ in case alone"), "{notes}");
    }
}

#[test]
fn foreign_files_are_counted_wherever_they_lie() {
    let paths = [
        "0.png",
        ".DS_Store",
        ".git/HEAD",
        ".git/refs/heads/main",
        "@eaDir/0.png/thumb.png",
        "__MACOSX/._0.png",
        "README",
    ];
    for (data, notes) in both(&paths, Split::Train) {
        assert_eq!(data.unwrap().len(), 1);
        assert!(notes.ends_with("6 files that are none of its images are passed over"), "{notes}");
    }
}

#[test]
fn labels_may_be_written_down_in_the_one_folder() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("x.zip");
    let pictures = [grey(0), grey(1)];
    let with = |names: [&str; 3], json: &str| {
        let entries = [&pictures[0][..], &pictures[1], json.as_bytes()];
        let packed: Vec<Packed> = names.iter().zip(entries).map(|(name, bytes)| Packed::stored(name, bytes)).collect();
        fs::write(&path, zip(&packed)).unwrap();
        let (reading, notes) = heard(Reading::default());
        let data = format!("zip:{}", path.display()).parse::<Spec>().unwrap().read(Split::Train, &reading).unwrap();
        assert_eq!(
            notes.lock().unwrap().iter().any(|note| note.ends_with("no images of class 1")),
            json.contains(", 2]")
        );
        let passed_over = notes.lock().unwrap().iter().any(|note| note.contains("passed over"));
        assert_eq!(passed_over, !json.contains("labels"), "what is read is not passed over");
        data
    };
    let json = r#"{"labels": [["0/0.png", 2], ["0/1.png", 0]]}"#;
    let data = with(["ds/0/0.png", "ds/0/1.png", "ds/dataset.json"], json);
    assert_eq!(classed(&data), [(0, "2"), (1, "0")]);
    let flat = with(["ds/0.png", "ds/1.png", "ds/dataset.json"], r#"{"labels": [["0.png", 1], ["1.png", 1]]}"#);
    assert_eq!(classed(&flat), [(0, "1"), (1, "1")]);
    // Who writes that there are no labels has folders for another reason.
    let none = with(["0/0.png", "1/1.png", "dataset.json"], r#"{"labels": null}"#);
    assert_eq!((none.labels.is_none(), none.len()), (true, 2));
    assert_eq!(with(["0/0.png", "1/1.png", "dataset.json"], "{}").classes.len(), 2);
}

#[test]
fn labels_that_are_written_down_move_no_picture_into_another_split() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("x.zip");
    let read = |json: &str, split: Split| {
        let names = ["train/0.png", "train/1.png", "test/2.png"];
        let pictures: Vec<Vec<u8>> = (0..3).map(grey).collect();
        let mut packed: Vec<Packed> =
            names.iter().zip(&pictures).map(|(name, bytes)| Packed::stored(name, bytes)).collect();
        packed.push(Packed::stored("dataset.json", json.as_bytes()));
        fs::write(&path, zip(&packed)).unwrap();
        format!("zip:{}", path.display()).parse::<Spec>().unwrap().load(split)
    };
    let json = r#"{"labels": [["train/0.png", 1], ["train/1.png", 0], ["test/2.png", 1]]}"#;
    assert_eq!(classed(&read(json, Split::Train).unwrap()), [(0, "1"), (1, "0")]);
    assert_eq!(classed(&read(json, Split::Test).unwrap()), [(2, "1")]);
    assert_eq!(classed(&read(r#"{"labels": null}"#, Split::Train).unwrap()), [(0, ""), (1, "")]);
    let twice = json.replace("test/2.png", "train/0.png").replace("\"train/1.png\", 0", "\"train/0.png\", 0");
    let text = read(&twice, Split::Train).unwrap_err().to_string();
    assert!(text.contains("classes 1 and 0 of train/0.png"), "{text}");
}

#[test]
fn splits_beside_a_folder_that_is_none_are_not_taken_for_classes_unsaid() {
    for (data, _) in both(&["train/0.png", "test/1.png", "extra/2.png"], Split::Train) {
        let text = data.unwrap_err().to_string();
        let says = "test, train are names of splits, and extra, where images lie too, is none";
        assert!(text.contains(says), "{text}");
    }
    for (data, notes) in both(&["car/0.png", "train/1.png"], Split::Train) {
        assert_eq!(classed(&data.unwrap()), [(0, "car"), (1, "train")]);
        assert!(notes.contains("train is a class here and no split, beside car"), "{notes}");
    }
}

#[cfg(unix)]
#[test]
fn what_cannot_be_reached_is_named_and_left_out() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let place = tempfile::tempdir().unwrap();
    let read = |root: &str, skip_broken: bool| {
        let (reading, notes) = heard(Reading { skip_broken, ..Reading::default() });
        let data = format!("folder:{}", place.path().join(root).display()).parse::<Spec>().unwrap();
        let data = data.read(Split::Train, &reading);
        let notes = notes.lock().unwrap().join("\n");
        (data, notes)
    };
    for (root, inside) in [("classes", ""), ("splits", "train/")] {
        let folder = place.path().join(root);
        for name in ["a/0.png", "b/1.png"] {
            let path = folder.join(inside).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, grey(1)).unwrap();
        }
        symlink(".", folder.join("back")).unwrap();
        symlink("..", folder.join("up")).unwrap();
        symlink("/nowhere/x", folder.join("gone")).unwrap();
        symlink("itself", folder.join("itself")).unwrap();
        symlink("/nowhere/y", folder.join("README.md")).unwrap();
        let (data, _) = read(root, false);
        let text = data.unwrap_err().to_string();
        for part in [
            "4 images of 6 cannot be read",
            "back: it leads back to ",
            "up: it leads back to ",
            "gone: it is a link to /nowhere/x, which is not there",
            "itself: it is a link to itself, which cannot be followed",
        ] {
            assert!(text.contains(part), "{root}: `{text}` lacks `{part}`");
        }
        let (data, notes) = read(root, true);
        let data = data.unwrap();
        assert_eq!((data.len(), data.classes.to_string().as_str()), (2, "a, b"));
        assert!(notes.contains("1 file that is none of its images is passed over"), "{notes}");
    }
    // Whoever may read everything has no unreadable folder.
    let locked = place.path().join("classes/c");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&locked).is_err() {
        let text = read("classes", false).0.unwrap_err().to_string();
        assert!(text.contains("5 images of 7 cannot be read") && text.contains("c: it cannot be read: "), "{text}");
        assert_eq!(read("classes", true).0.unwrap().len(), 2);
    }
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o700)).unwrap();
}

/// The files of a folder, in the order given, and what is read of it.
fn folder(files: &[(&str, &[u8])]) -> Result<Dataset> {
    let place = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, bytes)| fs::write(place.path().join(name), bytes).unwrap());
    format!("folder:{}", Path::display(place.path())).parse::<Spec>().unwrap().load(Split::Train)
}

#[test]
fn pictures_in_formats_that_are_not_read_are_no_foreign_files() {
    let fine = grey(1);
    let raw = b"II*\0\x08\0\0\0 and so on";
    let rows: [(&str, &[u8], &str); 12] = [
        ("a.nef", raw, "NEF is a camera's raw file, which is not read; convert it to PNG or JPEG"),
        ("b.DNG", raw, "DNG is a camera's raw file"),
        ("c.cr3", b"\0\0\0\x18ftypcrx ", "CR3 is a camera's raw file"),
        ("d", b"II*\0\x10\0\0\0CR\x02\0", "it is a camera's raw file, which is not read"),
        ("e.tif", raw, "it is damaged, or a camera's raw file"),
        ("f.ico", b"\0\0\x01\0", "ICO is not read; convert it to PNG or JPEG"),
        ("g.qoi", b"qoif", "QOI, which is not read"),
        ("h.tga", b"\0\0\x02", "TGA is not read"),
        ("i", b"8BPS\0\x01", "it is PSD, which is not read"),
        ("j.avif", b"\0\0\0\x1cftypavif", "it is AVIF, which is not read"),
        ("k", b"\0\0\0\x1cftypheic", "it is HEIC, which is not read"),
        ("l.jxl", b"\xff\x0a", "it is JPEG XL, which is not read"),
    ];
    let mut files: Vec<(&str, &[u8])> = rows.iter().map(|(name, bytes, _)| (*name, *bytes)).collect();
    files.push(("z.png", &fine));
    let text = folder(&files).unwrap_err().to_string();
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(lines.len(), rows.len(), "{text}");
    for (line, (name, _, part)) in lines.iter().zip(rows) {
        assert!(line.starts_with(&format!("  {name}: ")) && line.contains(part), "`{line}` lacks `{part}`");
    }
    // What its bytes say to be a picture is one, whatever it is called.
    assert_eq!(folder(&[("x.nef", &fine)]).unwrap().len(), 1);
}

#[test]
fn netpbms_formats_are_read_and_texts_are_none() {
    for (name, bytes, channels, first) in [
        ("x.pbm", &b"P1\n# by hand\n2 2\n1 0\n0 1\n"[..], 1, 0),
        ("x.pgm", b"P5 2 2 255\n\x07\x07\x07\x07", 1, 7),
        ("x", b"P2\n2 2\n255\n9 9 9 9\n", 1, 9),
        ("x.ppm", b"P6\n1 1\n255\n\x01\x02\x03", 3, 1),
        ("x.pam", b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nTUPLTYPE GRAYSCALE\nENDHDR\n\x05", 1, 5),
    ] {
        let data = folder(&[(name, bytes)]).unwrap();
        assert_eq!((data.images.channels, data.images.pixels()[0]), (channels, first), "{name}");
    }
    let fine = grey(1);
    let texts: [(&str, &[u8]); 4] =
        [("1.txt", b"P2 is how it begins"), ("2", b"P5\n3 apples"), ("3", b"P1"), ("4.png", &fine)];
    assert_eq!(folder(&texts).unwrap().len(), 1);
    let text = folder(&[("x.pgm", b"P5 60000 60000 255\n\x07")]).unwrap_err().to_string();
    assert!(text.contains("cannot hold") || text.contains("at most 134 million"), "{text}");
    let text = folder(&[("x.pgm", b"P5 600 600 255\n\x07")]).unwrap_err().to_string();
    assert!(text.contains("its header says 600 x 600 pixels, which 16 bytes cannot hold"), "{text}");
}

#[test]
fn entries_that_are_no_images_and_cannot_be_unpacked_are_passed_over() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("x.zip");
    let picture = grey(3);
    let link = |name| Packed { mode: 0o120_777, ..Packed::stored(name, b"a/0.png") };
    // Two sizes that differ make an entry one that cannot be unpacked.
    let mangled = |name| Packed { size: 9, ..Packed::stored(name, b"hello") };
    let read = |entries: &[Packed]| {
        fs::write(&path, zip(entries)).unwrap();
        format!("zip:{}", path.display()).parse::<Spec>().unwrap().load(Split::Train)
    };
    let stored = |name| Packed::stored(name, &picture);
    let data = read(&[
        stored("./a/12:30.png"),
        stored("a//./b:.png"),
        link("latest"),
        mangled("README.md"),
        mangled("COPYING"),
    ]);
    let data = data.unwrap();
    assert_eq!(
        data.files.unwrap().iter().map(|file| file.to_string()).collect::<Vec<_>>(),
        ["a/12:30.png", "a/b:.png"]
    );
    assert_eq!(data.classes.to_string(), "a");
    let error = read(&[stored("0.png"), mangled("1.png"), link("2.png")]).unwrap_err();
    assert!(matches!(&error, Error::BrokenImages(text) if text.contains("2 images of 3 cannot be read")), "{error}");
}
