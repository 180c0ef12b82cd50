//! What was recorded stays recorded, whatever happens to the process and the disk.

use std::{fs, path::Path};

use anyhow::{Result, ensure};
use e2e::{
    Modelwatch, NOTICED, PATIENCE,
    remote_write::{Protocol, Sent, message_v1, recent_ms},
    skip,
};
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
