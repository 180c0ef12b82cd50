//! What was recorded stays recorded, whatever happens to the process and the disk.

use std::{fs, io::Write as _, path::Path};

use anyhow::{Context as _, Result, ensure};
use e2e::{
    Modelwatch, NOTICED, Output, PATIENCE, command,
    remote_write::{Protocol, Sent, message_v1, recent_ms},
    run_to_end, skip,
};
use serde_json::Value;
use xtask::{process, wait};

#[test]
fn samples_survive_kill_9() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut modelwatch = Modelwatch::start(folder.path(), "")?;
    let count = "sum(count_over_time(node_load1[10m]))";
    let before = wait::until("some samples", PATIENCE, || {
        let count = modelwatch.value(count)?;
        ensure!(count >= 3.0, "{count} samples");
        Ok(count)
    })?;
    modelwatch.kill()?;
    let modelwatch = Modelwatch::start(folder.path(), "")?;
    let after = wait::until("the old samples", NOTICED, || modelwatch.value(count))?;
    ensure!(after >= before, "{before} samples before the kill, {after} after it");
    Ok(())
}

#[test]
fn events_survive_kill_9() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut modelwatch = Modelwatch::start(folder.path(), "")?;
    wait::until("a first sample", PATIENCE, || modelwatch.value("node_load1"))?;
    modelwatch.kill()?;
    // Something to notice: the log of samples ends in what is no frame.
    let log = folder.path().join("data/wal");
    let newest = fs::read_dir(&log)?.filter_map(|entry| Some(entry.ok()?.path())).max();
    let newest = newest.with_context(|| format!("{} is empty", log.display()))?;
    fs::OpenOptions::new().append(true).open(newest)?.write_all(&[7; 100])?;
    let mut modelwatch = Modelwatch::start(folder.path(), "")?;
    let filter = "code=event.storage_damaged&severity=warn&source=storage";
    let found = |modelwatch: &Modelwatch, range: &str| {
        let answer = modelwatch.json(&format!("/api/mw/v1/events?{filter}{range}"))?;
        ensure!(answer["events"][0].is_object(), "{answer}");
        Ok(answer)
    };
    let before = wait::until("the event", NOTICED, || found(&modelwatch, ""))?;
    ensure!(before["events"][0]["params"]["count"] == "1", "{before}");
    modelwatch.kill()?;
    let mut modelwatch = Modelwatch::start(folder.path(), "")?;
    // The start may notice the same once more, but not at that time.
    let time = &before["events"][0]["time"];
    let range = format!("&start={time}&end={time}");
    let after = wait::until("the old event", NOTICED, || found(&modelwatch, &range))?;
    ensure!(after == before, "{before} before the kill, {after} after it");
    ensure!(modelwatch.terminate(PATIENCE)?.success(), "{}", modelwatch.log());
    Ok(())
}

/// A small file system that is unmounted with this value.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(path: &'a Path) -> Result<Self> {
        fs::create_dir_all(path)?;
        process::run(
            process::command("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(path),
        )?;
        Ok(Self(path))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // A test that has failed already has more to say than this.
        drop(process::run(process::command("umount").arg("-l").arg(self.0)));
    }
}

#[test]
fn a_full_disk_is_told_and_recovered_from() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let _disk = match SmallDisk::mount(&data) {
        Ok(disk) => disk,
        Err(error) => {
            skip(&format!("a small file system cannot be mounted: {error:#}"));
            return Ok(());
        }
    };
    let mut modelwatch = Modelwatch::start(folder.path(), "")?;
    let verdict = || -> Result<String> {
        let overview = modelwatch.json("/api/v1/overview")?;
        Ok(overview["verdict"]["code"].as_str().unwrap_or_default().to_owned())
    };
    let has_event = |code: &str| -> Result<()> {
        let events = modelwatch.json("/api/v1/events?limit=100")?.to_string();
        ensure!(events.contains(code), "{events}");
        Ok(())
    };
    wait::until("a first sample", PATIENCE, || modelwatch.value("node_load1"))?;
    let filler = data.join("filler");
    // Writing fails at the end: that is what it is for.
    drop(fs::write(&filler, vec![0; 4 << 20]));
    wait::until("the full disk in the verdict", PATIENCE, || {
        let code = verdict()?;
        ensure!(code == "verdict.storage_failed", "{code}");
        has_event("event.storage_failed")
    })?;
    ensure!(!modelwatch.query("count_over_time(node_load1[10m])")?.is_empty(), "nothing readable");
    let start = recent_ms()?;
    let samples: Vec<(i64, f64)> = (0..10_000).map(|step| (start + step, step as f64)).collect();
    let sent = message_v1(&[Sent { labels: &[("__name__", "sent")], samples: &samples }]);
    let response = modelwatch.write(Protocol::V1, &sent)?;
    ensure!(response.status == 503, "{}: {}", response.status, response.text());
    ensure!(modelwatch.log().contains("can no longer be written"), "{}", modelwatch.log());
    fs::remove_file(&filler)?;
    wait::until("writing again", PATIENCE, || {
        has_event("event.storage_recovered")?;
        let code = verdict()?;
        ensure!(code != "verdict.storage_failed", "{code}");
        Ok(())
    })?;
    ensure!(modelwatch.terminate(PATIENCE)?.success(), "{}", modelwatch.log());
    Ok(())
}

#[test]
fn a_limit_of_series_is_told_once_and_shown_beside_the_store() -> Result<()> {
    for (key, reason, who) in [
        ("series_max", "series_limit", ""),
        ("instance_series_max", "instance_series_limit", "exploding:1"),
    ] {
        let folder = tempfile::tempdir()?;
        let modelwatch = Modelwatch::start(folder.path(), &format!("{key} = 1000"))?;
        let names: Vec<String> = (0..1_500).map(|index| index.to_string()).collect();
        let samples = [(recent_ms()?, 1.0)];
        let labels: Vec<_> = names
            .iter()
            .map(|name| [("__name__", "many"), ("instance", "exploding:1"), ("index", name)])
            .collect();
        let sent: Vec<Sent<'_>> =
            labels.iter().map(|labels| Sent { labels, samples: &samples }).collect();
        let hint = || -> Result<Value> {
            let hint = modelwatch.source("storage")?["hint"].clone();
            ensure!(hint["code"] == format!("hint.{reason}"), "{hint}");
            Ok(hint)
        };
        let refused = |hint: &Value| -> u64 {
            hint["params"]["count"].as_str().and_then(|count| count.parse().ok()).unwrap_or(0)
        };
        let response = modelwatch.write(Protocol::V1, &message_v1(&sent))?;
        ensure!(response.status == 400, "{}: {}", response.status, response.text());
        let first = wait::until("the hint", NOTICED, hint)?;
        ensure!(refused(&first) >= 500, "{first}");
        modelwatch.write(Protocol::V1, &message_v1(&sent))?;
        wait::until("more refused samples", NOTICED, || {
            let next = hint()?;
            ensure!(refused(&next) >= refused(&first) + 500, "{next}");
            Ok(())
        })?;
        let events = modelwatch.json("/api/v1/events?limit=1000")?;
        let events = events["events"].as_array().cloned().unwrap_or_default();
        let ours: Vec<_> =
            events.iter().filter(|event| event["code"] == format!("event.{reason}")).collect();
        ensure!(ours.len() == 1, "{events:?}");
        ensure!(ours[0]["params"]["instance"].as_str().unwrap_or_default() == who, "{ours:?}");
    }
    Ok(())
}

/// A data directory that an earlier modelwatch left: a block and an empty log. Its block holds a hundred
/// samples of `kept` and of `torn`, 15 s apart since 1700000000.
fn old_store(data: &Path) -> Result<std::path::PathBuf> {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store");
    fs::create_dir_all(data.join("blocks"))?;
    fs::create_dir_all(data.join("wal"))?;
    let block = data.join("blocks/0000000001.block");
    fs::copy(fixture.join("0000000001.block"), &block)?;
    Ok(block)
}

fn run(words: &[&str]) -> Result<Output> {
    let words: Vec<&std::ffi::OsStr> = words.iter().map(AsRef::as_ref).collect();
    run_to_end(&mut command(Path::new("unused"), &words))
}

fn expect(output: &Output, code: i32, texts: &[&str]) -> Result<()> {
    ensure!(output.code == Some(code), "{output:?}");
    for text in texts {
        ensure!(output.text.contains(text), "no {text:?} in\n{}", output.text);
    }
    Ok(())
}

#[test]
fn damage_is_named_repaired_and_the_rest_read_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let place = data.display().to_string();
    let block = old_store(&data)?;
    let samples_of = |name: &str| -> Result<usize> {
        let words = ["export", "--path", &place, "--match", name, "--format", "csv"];
        let lines = run(&words)?.text;
        Ok(lines.lines().filter(|line| line.starts_with(name)).count())
    };
    expect(&run(&["store", "verify", &place])?, 0, &["1 blocks", "200 samples", "Nothing"])?;
    ensure!((samples_of("kept")?, samples_of("torn")?) == (100, 100));

    // The values of `torn` are random and fill the middle of the file; half a frame tears the log.
    let mut bytes = fs::read(&block)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&block, bytes)?;
    let log = data.join("wal/0000000009.wal");
    fs::write(&log, b"mwwal\0\0\x02\x09\0\0\0")?;
    let texts =
        [".block: 1 pieces", "09.wal: the last 4 bytes", "Damaged files: 2", "store repair"];
    expect(&run(&["store", "verify", &place])?, 1, &texts)?;
    let chinese = run(&["store", "verify", "--lang", "zh-CN", &place])?;
    expect(&chinese, 1, &["1 处数据无法读取", "共 2 个文件损坏"])?;
    ensure!((samples_of("kept")?, samples_of("torn")?) == (100, 0));
    let texts = ["100 samples were saved", "0000000001.bad", "0000000009.bad", "Repaired files: 2"];
    expect(&run(&["store", "repair", &place])?, 0, &texts)?;
    expect(&run(&["store", "verify", &place])?, 0, &["100 samples", "Nothing is damaged"])?;

    let modelwatch = Modelwatch::start(folder.path(), "")?;
    let query = "/api/v1/query?query=count_over_time(kept%5B1h%5D)&time=1700001500";
    let answer = modelwatch.json(query)?;
    ensure!(answer["data"]["result"][0]["value"][1] == "100", "{answer}");
    let hint = modelwatch.source("storage")?["hint"].clone();
    ensure!(hint["code"] == "hint.storage_aside" && hint["params"]["count"] == "1", "{hint}");
    for word in ["verify", "repair"] {
        expect(&run(&["store", word, &place])?, 2, &["in use by a running modelwatch"])?;
        let nowhere = folder.path().display().to_string();
        expect(&run(&["store", word, &nowhere])?, 2, &["there is no store in"])?;
    }
    Ok(())
}

#[test]
fn damage_that_is_met_while_running_is_shown() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let block = old_store(&folder.path().join("data"))?;
    let mut bytes = fs::read(&block)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&block, bytes)?;
    // One block that is none at all, which the start puts aside.
    fs::write(block.with_file_name("0000000007.block"), "nothing")?;
    let modelwatch = Modelwatch::start(folder.path(), "")?;
    let code = || -> Result<Value> { Ok(modelwatch.source("storage")?["hint"]["code"].clone()) };
    ensure!(code()? == "hint.storage_aside", "{}", code()?);
    let events = modelwatch.json("/api/v1/events?limit=1000")?.to_string();
    ensure!(events.contains("event.storage_damaged"), "{events}");
    let answer =
        modelwatch.json("/api/v1/query?query=count_over_time(torn%5B1h%5D)&time=1700001500")?;
    ensure!(answer["data"]["result"].as_array().is_some_and(Vec::is_empty), "{answer}");
    ensure!(code()? == "hint.storage_damaged", "{}", code()?);
    Ok(())
}
