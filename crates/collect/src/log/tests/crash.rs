//! The real thread in a process of its own, which is killed again and again while a file is written and rotated.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use model::Clock;

use super::{super::LogFile, Dice, Writer, wrong};
use crate::log::{Chunk, LineSink, RawLine, Refused, Settings, thread::tests::shared};

/// Names the folder in which the process to be killed works.
const FOLDER: &str = "MODELWATCH_TEST_FOLDER";
const KILLS: u32 = 12;

/// Keeps each line on the disk before it says so.
struct FileSink(Mutex<(File, HashMap<String, u64>)>);

impl FileSink {
    /// What is kept, without a line that was cut off by death.
    fn open(folder: &Path) -> Self {
        let path = folder.join("kept");
        let bytes = fs::read(&path).unwrap_or_default();
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        fs::write(&path, &bytes[..whole]).unwrap();
        let mut ends = HashMap::new();
        for line in String::from_utf8_lossy(&bytes[..whole]).lines() {
            let mut parts = line.split('\t');
            let (file, end) = (parts.next().unwrap(), parts.next().unwrap().parse().unwrap());
            ends.insert(file.to_owned(), end);
        }
        let file = File::options().append(true).open(path).unwrap();
        Self(Mutex::new((file, ends)))
    }
}

impl LineSink for FileSink {
    fn take(&self, chunk: &Chunk) -> Result<u64, Refused> {
        let mut state = self.0.lock().unwrap();
        let shown = |line: &RawLine| {
            format!("{}\t{}\t{}\n", chunk.file, line.end, String::from_utf8_lossy(&line.bytes))
        };
        for line in &chunk.lines {
            state.0.write_all(shown(line).as_bytes()).unwrap();
            state.1.insert(chunk.file.to_string(), line.end);
        }
        Ok(state.1.get(&*chunk.file).copied().unwrap_or(0))
    }

    fn stored(&self, file: &str) -> Option<u64> {
        self.0.lock().unwrap().1.get(file).copied()
    }
}

fn follow(folder: &Path, is_over: impl Fn() -> bool) {
    let file = LogFile {
        path: "/logs/app.log*".into(),
        from: crate::log::From::Start,
        ..LogFile::default()
    };
    let positions = Some(folder.join("positions.json"));
    let settings = Settings { files: vec![file], positions, ..Settings::default() };
    let sink: Arc<dyn LineSink> = Arc::new(FileSink::open(folder));
    let (shared, _) = shared(folder, settings, &sink);
    let watch = crate::log::start(&shared).unwrap();
    while !is_over() {
        std::thread::park_timeout(Duration::from_millis(20));
    }
    watch.stop();
    for thread in watch.threads {
        thread.join().unwrap();
    }
}

/// The process that is killed; a test like any other does nothing.
#[test]
fn child() {
    if let Ok(folder) = std::env::var(FOLDER) {
        follow(Path::new(&folder), || false);
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the process that is killed is this one once more")]
fn every_line_once_through_kills() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    fs::create_dir_all(&logs).unwrap();
    let clock = Clock::system();
    let mut dice = Dice(7);
    let mut writer = Writer::new(&logs);
    let program: PathBuf = std::env::current_exe().unwrap();
    for _ in 0..KILLS {
        let mut child = Command::new(&program)
            .args(["log::tests::crash::child", "--exact", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let end = clock.monotonic() + Duration::from_millis(60 + dice.roll(400));
        while clock.monotonic() < end {
            match dice.roll(12) {
                0 => writer.rotate(&mut dice, false),
                _ => writer.write(&mut dice),
            }
            std::thread::park_timeout(Duration::from_millis(dice.roll(15)));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    writer.finish();
    let kept = || -> Vec<String> {
        let text = fs::read(folder.path().join("kept")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines().filter_map(|line| Some(line.splitn(3, '\t').nth(2)?.to_owned())).collect()
    };
    let before = kept().len();
    let deadline = clock.monotonic() + Duration::from_secs(60);
    follow(folder.path(), || {
        wrong(&kept(), writer.next).is_empty() || clock.monotonic() > deadline
    });
    let wrong = wrong(&kept(), writer.next);
    assert!(wrong.is_empty(), "{before} of {} before the end: {wrong:?}", writer.next);
    assert!(before > 0, "the process was killed before it read anything");
}
