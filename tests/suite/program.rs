//! The `graft` binary, run in a folder of its own that holds small data.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Trains tiny networks on the images of a [`Desk`].
pub const TRAIN: &str = "train --data idx:images,labels --features 4 --latent 8 --batch 8 --seed 3 -q";

/// The number of images on a [`Desk`], their side, and the number of their classes.
pub const IMAGES: usize = 48;
pub const SIDE: usize = 8;
pub const CLASSES: usize = 3;

/// A temporary folder with `images` and `labels`, IDX files; the place where commands run.
pub struct Desk {
    folder: TempDir,
}

/// What a command said, and how it ended.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    command: String,
}

impl Desk {
    pub fn new() -> Desk {
        let desk = Desk { folder: tempfile::tempdir().unwrap() };
        desk.write("images", &images());
        desk.write("labels", &labels());
        desk
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    #[track_caller]
    pub fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        let path = self.path(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    #[track_caller]
    pub fn text(&self, name: impl AsRef<Path>) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// The bytes of a run's last checkpoint.
    #[track_caller]
    pub fn checkpoint(&self, run: &str) -> Vec<u8> {
        self.read(checkpoint(run))
    }

    /// Everything here by path: the bytes of a file, none for a folder.
    pub fn snapshot(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.path("")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let bytes = path.is_file().then(|| fs::read(&path).unwrap());
                if bytes.is_none() {
                    folders.push(path.clone());
                }
                found.insert(path, bytes);
            }
        }
        found
    }

    /// The names in a folder, sorted.
    #[track_caller]
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The binary, about to run here.
    pub fn command(&self) -> Command {
        self.within(Command::new(env!("CARGO_BIN_EXE_graft")))
    }

    /// A shell, about to run here, in which `graft` is the binary.
    #[cfg(unix)]
    pub fn shell(&self, script: &str) -> Ended {
        let mut command = self.within(Command::new("sh"));
        let function = r#"graft() { "$GRAFT" "$@"; }; "#;
        command.args(["-c", &format!("{function}{script}")]).env("GRAFT", env!("CARGO_BIN_EXE_graft"));
        Ended::of(script, command.output().unwrap())
    }

    fn within(&self, mut command: Command) -> Command {
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs the binary with arguments that are separated by spaces.
    pub fn graft(&self, arguments: &str) -> Ended {
        Ended::of(arguments, self.command().args(arguments.split_whitespace()).output().unwrap())
    }

    /// Runs a command that must be refused with this exit code and one sentence that has these parts, and that must change
    /// nothing here. Gives the sentence.
    #[track_caller]
    pub fn refuses(&self, code: i32, arguments: &str, parts: &[&str]) -> String {
        let before = self.snapshot();
        let sentence = self.graft(arguments).refused(code);
        for part in parts {
            assert!(sentence.contains(part), "`{arguments}` says\n    {sentence}\nwithout `{part}`");
        }
        let after = self.snapshot();
        let changed: Vec<&PathBuf> =
            before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path)).collect();
        assert!(changed.is_empty(), "`{arguments}` was refused and changed {changed:?}");
        sentence
    }
}

/// The last checkpoint of a run.
pub fn checkpoint(run: &str) -> PathBuf {
    Path::new(run).join("checkpoints/last.safetensors")
}

impl Ended {
    pub fn of(command: &str, output: Output) -> Ended {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            command: command.to_owned(),
        }
    }

    /// What it printed; fails unless it ended well.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "`{}` fails: {}", self.command, self.stderr);
        self.stdout
    }

    /// The sentence on standard error; fails unless it is the only one (clap adds where help is) and the exit code is
    /// this one.
    #[track_caller]
    pub fn refused(&self, code: i32) -> String {
        let Ended { stderr, command, .. } = self;
        assert_eq!(self.code, Some(code), "the exit code of `{command}`, which says: {stderr}");
        let sentence = stderr.strip_prefix("error: ").unwrap_or_else(|| panic!("`{command}` says no error: {stderr}"));
        assert!(!sentence.contains("error: ") && !stderr.contains("panicked"), "`{command}` says: {stderr}");
        let by_clap = code == 2 && stderr.ends_with("For more information, try '--help'.\n");
        // Clap lists what it means on lines of their own, up to an empty one.
        let sentence = if by_clap { sentence.split_once("\n\n").unwrap().0 } else { sentence.trim_end_matches('\n') };
        assert!(by_clap || !sentence.contains('\n'), "`{command}` says more than a sentence: {stderr}");
        sentence.to_owned()
    }
}

/// Whether this process, and so each that it begins, was begun with the interrupt ignored, as in a script's background; said aloud then.
/// Known on Linux alone.
#[cfg(unix)]
pub fn ignores_interrupts() -> bool {
    /// SIGINT is signal 2, and the lowest bit is signal 1.
    const INTERRUPT: u64 = 1 << 1;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    let ignores = ignored.is_some_and(|ignored| ignored & INTERRUPT != 0);
    if ignores {
        println!("skipped: the interrupt is ignored where the tests were begun");
    }
    ignores
}

/// An IDX file of unsigned bytes.
pub fn idx(dimensions: &[usize], bytes: &[u8]) -> Vec<u8> {
    let magic = [0, 0, 8, dimensions.len() as u8];
    let dimensions = dimensions.iter().flat_map(|&dimension| (dimension as u32).to_be_bytes());
    magic.into_iter().chain(dimensions).chain(bytes.iter().copied()).collect()
}

/// Grey images with a bright bar, whose place is the class, on a texture.
pub fn images() -> Vec<u8> {
    let pixel = |index: usize| {
        let (image, row) = (index / (SIDE * SIDE), index / SIDE % SIDE);
        let texture = (index * 37 + image * 11) % 64;
        if row / 2 == image % CLASSES { 255 - texture as u8 } else { texture as u8 }
    };
    idx(&[IMAGES, SIDE, SIDE], &(0..IMAGES * SIDE * SIDE).map(pixel).collect::<Vec<u8>>())
}

pub fn labels() -> Vec<u8> {
    idx(&[IMAGES], &(0..IMAGES).map(|image| (image % CLASSES) as u8).collect::<Vec<u8>>())
}

/// A decoded picture: height, width, channels, pixels.
#[derive(Debug, PartialEq)]
pub struct Picture {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub pixels: Vec<u8>,
}

impl Picture {
    #[track_caller]
    pub fn decode(bytes: &[u8]) -> Picture {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!(info.bit_depth, png::BitDepth::Eight);
        let (height, width) = (info.height as usize, info.width as usize);
        Picture { height, width, channels: info.color_type.samples(), pixels }
    }

    /// The square of `side` in column `x` and row `y` of a grid with margins of two pixels.
    pub fn cell(&self, x: usize, y: usize, side: usize) -> Picture {
        const MARGIN: usize = 2;
        let first = |index: usize| MARGIN + index * (side + MARGIN);
        let row = |row: usize| {
            let start = (row * self.width + first(x)) * self.channels;
            &self.pixels[start..][..side * self.channels]
        };
        let pixels = (first(y)..first(y) + side).flat_map(row).copied().collect();
        Picture { height: side, width: side, channels: self.channels, pixels }
    }
}

/// A folder of the real data, `$GRAFT_DATA` or `../shared/data`; `None`, said aloud, where it is missing, and a failure where
/// `$GRAFT_REQUIRE` asks for data.
pub fn real_data(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("GRAFT_DATA").map_or_else(beside, PathBuf::from).join(name);
    if folder.exists() {
        return Some(folder);
    }
    let required = std::env::var("GRAFT_REQUIRE").is_ok_and(|required| required.contains("data"));
    assert!(!required, "GRAFT_REQUIRE asks for data, but there is no {}", folder.display());
    println!("skipped: there is no {}", folder.display());
    None
}
