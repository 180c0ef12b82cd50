//! Files that grow in a folder of their own, and a clock that is set by hand.

use std::{fs, io::Write as _};

use model::UnixMs;

use super::*;

/// A machine whose user has a home with a cache in it.
struct Machine {
    root: tempfile::TempDir,
    clock: Clock,
    pulls: Pulls,
}

const BLOBS: &str = "users/u/.cache/huggingface/hub/models--Qwen--Q/blobs";
const SNAPSHOT: &str = "users/u/.cache/huggingface/hub/models--Qwen--Q/snapshots/abc";

impl Machine {
    fn new(folders: &[&str], named: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in folders {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let user = rustix::process::getuid().as_raw();
        fs::create_dir_all(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/passwd"), format!("u:x:{user}:0::/users/u:/bin/sh\n"))
            .unwrap();
        let clock = Clock::manual(UnixMs(1_000_000));
        let context = Context {
            root: root.path().into(),
            instance: "n".into(),
            named: named.iter().map(PathBuf::from).collect(),
            clock: clock.clone(),
        };
        let pulls = Pulls::open(&context).unwrap();
        Self { root, clock, pulls }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn append(&self, path: &str, bytes: usize) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = fs::File::options().create(true).append(true).open(path);
        file.unwrap().write_all(&vec![1; bytes]).unwrap();
    }

    /// Looks after so many seconds: the values without the disk's, and what was told.
    fn look(&mut self, seconds: u64) -> (Vec<String>, Vec<String>) {
        self.clock.set(self.clock.now() + Duration::from_secs(seconds));
        let mut batch = Batch::new(self.clock.now());
        self.pulls.sample(&mut batch).unwrap();
        let values = batch.samples.iter().filter(|(labels, _)| !labels.name().contains("disk"));
        let values = values.map(|(labels, value)| {
            format!("{} {value}", labels.name().trim_start_matches("model_pull_"))
        });
        let events = self.pulls.events();
        let events = events.iter().map(|event| event.body.trim_start_matches("event.").to_owned());
        (values.collect(), events.collect())
    }

    #[track_caller]
    fn check(&mut self, seconds: u64, values: &[&str], events: &[&str]) {
        let (found, told) = self.look(seconds);
        assert_eq!((found, told), (texts(values), texts(events)));
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_model_from_its_first_byte_to_its_last() {
    let mut machine = Machine::new(&["users/u/.cache/huggingface/hub"], &[]);
    machine.check(0, &[], &[]);
    // The folders of the model come after we began to watch.
    let first = format!("{BLOBS}/aa.incomplete");
    machine.append(&first, 1_000);
    machine.check(5, &[], &[]);
    machine.append(&first, 4_000);
    machine.check(5, &["bytes 5000", "bytes_per_second 800"], &["model_pull_began"]);
    // The list of files arrives, and tells how much there is of weights.
    fs::create_dir_all(machine.path(SNAPSHOT)).unwrap();
    let index = machine.path(SNAPSHOT).join("model.safetensors.index.json");
    fs::write(index, r#"{"metadata":{"total_size":21000}}"#).unwrap();
    machine.append(&first, 5_000);
    let values = [
        "bytes 10000",
        "bytes_per_second 900",
        "remaining_bytes 11000",
        "remaining_seconds 12.222222222222221",
        "size_bytes 21000",
    ];
    machine.check(5, &values, &[]);
    // The first file is whole, another one comes.
    fs::rename(machine.path(&first), machine.path(&format!("{BLOBS}/aa"))).unwrap();
    std::os::unix::fs::symlink(
        machine.path(&format!("{BLOBS}/aa")),
        machine.path(SNAPSHOT).join("model-1.safetensors"),
    )
    .unwrap();
    machine.append(&format!("{BLOBS}/bb.incomplete"), 6_000);
    let (values, told) = machine.look(5);
    assert_eq!(told, Vec::<String>::new());
    assert!(values.contains(&"bytes 16000".to_owned()), "{values:?}");
    assert!(values.contains(&"remaining_bytes 5000".to_owned()), "{values:?}");
    fs::rename(
        machine.path(&format!("{BLOBS}/bb.incomplete")),
        machine.path(&format!("{BLOBS}/bb")),
    )
    .unwrap();
    let (values, told) = machine.look(5);
    assert!(values.contains(&"bytes 16000".to_owned()) && told.is_empty(), "{values:?} {told:?}");
    machine.check(30, &[], &["model_pull_ended"]);
    machine.check(5, &[], &[]);
    assert!(machine.pulls.pulls.is_empty() && machine.pulls.tree.files.is_empty());
}

#[test]
fn what_an_interrupted_download_left_is_none_until_it_goes_on() {
    let mut machine = Machine::new(&["users/u/.cache/huggingface/hub"], &[]);
    let file = format!("{BLOBS}/aa.incomplete");
    machine.append(&file, 1_000);
    for _ in 0..3 {
        machine.check(600, &[], &[]);
    }
    machine.append(&file, 500);
    machine.check(5, &["bytes 1500", "bytes_per_second 0.8264462809917356"], &["model_pull_began"]);
    let (_, told) = machine.look(119);
    assert!(told.is_empty(), "{told:?}");
    machine.check(1, &[], &["model_pull_stopped"]);
    machine.append(&file, 500);
    let (values, told) = machine.look(5);
    assert!(values[0] == "bytes 2000" && told == ["model_pull_began"], "{values:?} {told:?}");
    // Thrown away, and not whole.
    fs::remove_file(machine.path(&file)).unwrap();
    machine.check(30, &[], &["model_pull_stopped"]);
}

#[test]
fn ollama_says_at_once_how_much_comes() {
    let blobs = "users/u/.ollama/models/blobs";
    let mut machine = Machine::new(&[blobs], &[]);
    let path = format!("{blobs}/sha256-0123456789abcdef-partial");
    machine.append(&path, 0);
    let file = fs::File::options().write(true).open(machine.path(&path)).unwrap();
    // More than any disk of a test machine has.
    let total = 1_u64 << 43;
    file.set_len(total).unwrap();
    machine.check(5, &[], &[]);
    machine.append(&format!("{path}-0"), 50);
    let block = 1 << 20;
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![1; block], 1 << 30).unwrap();
    let (values, told) = machine.look(5);
    assert_eq!(told, ["model_pull_began", "model_pull_will_not_fit"]);
    let value = |name: &str| {
        let value = values.iter().find_map(|line| line.strip_prefix(name)).unwrap();
        value.trim().parse::<f64>().unwrap()
    };
    let bytes = value("bytes ");
    assert!((block as f64..1.1 * block as f64).contains(&bytes), "{bytes}");
    assert_eq!(value("size_bytes "), total as f64);
    assert_eq!(value("remaining_bytes "), total as f64 - bytes);
    let (_, told) = machine.look(5);
    assert!(told.is_empty(), "it is told once: {told:?}");
}

#[test]
fn labels_and_the_disk() {
    let mut machine = Machine::new(&["data/models"], &["/data/models"]);
    let path = "data/models/q/.cache/huggingface/download/w.safetensors.ab.incomplete";
    machine.append(path, 1);
    machine.look(5);
    machine.append(path, 1);
    machine.clock.set(machine.clock.now() + Duration::from_secs(5));
    let mut batch = Batch::new(UnixMs(0));
    machine.pulls.sample(&mut batch).unwrap();
    let free = batch.samples.iter().find(|(labels, _)| labels.name().ends_with("disk_free_bytes"));
    let (labels, value) = free.unwrap();
    let found = ["instance", "tool", "model", "path"].map(|name| labels.get(name).unwrap());
    assert_eq!(found, ["n", "huggingface", "q", "/data/models/q"]);
    let stat = rustix::fs::statvfs(machine.root.path()).unwrap();
    let size = (stat.f_blocks * stat.f_frsize) as f64;
    assert!(*value > 0.0 && *value <= size, "{value} of {size}");
    let event = machine.pulls.events().remove(0);
    assert_eq!(event.attributes[0], ("model".into(), "q".into()));
}

#[test]
fn without_folders_there_is_nothing() {
    let root = tempfile::tempdir().unwrap();
    let context = Context {
        root: root.path().into(),
        instance: "n".into(),
        named: vec!["/missing".into()],
        clock: Clock::manual(UnixMs(0)),
    };
    assert_eq!(Pulls::open(&context).err().unwrap().kind, FailureKind::Absent);
}

#[test]
fn a_folder_that_was_made_anew_is_watched() {
    let mut machine = Machine::new(&["users/u/.cache/modelscope"], &[]);
    machine.check(5, &[], &[]);
    fs::remove_dir_all(machine.path("users/u/.cache/modelscope")).unwrap();
    machine.check(5, &[], &[]);
    assert!(machine.pulls.tree.files.is_empty());
    let file = "users/u/.cache/modelscope/hub/models/._____temp/Qwen/Q2.5/w.safetensors";
    machine.append(file, 10);
    machine.check(60, &[], &[]);
    machine.append(file, 50);
    machine.check(5, &["bytes 60", "bytes_per_second 10"], &["model_pull_began"]);
}
