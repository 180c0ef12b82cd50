//! Reports as people get them: a PDF in Chinese that others' programs can read, and one by the clock that was missed
//! while the process was away, in its folder and at its channel. The channel's service is a stand-in.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use e2e::{
    Modelwatch, PATIENCE, command,
    remote_write::{Protocol, Sent, message_v1, now_ms},
    run_to_end, skip,
};
use serde_json::{Value, json};
use xtask::{peers, process, wait};

use crate::alarms::Hook;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// An engine that wrote ten tokens a second in the last half hour.
fn write_engine(modelwatch: &Modelwatch) -> Result<()> {
    let now = now_ms()?;
    let times = (0..120).map(|step| now - (120 - step) * 15_000);
    let times: Vec<i64> = times.collect();
    let samples = |value: &dyn Fn(i64) -> f64| -> Vec<(i64, f64)> {
        times.iter().zip(0..).map(|(time, step)| (*time, value(step * 15))).collect()
    };
    let (up, tokens) = (samples(&|_| 1.0), samples(&|seconds| 10.0 * seconds as f64));
    let all = ["llm_engine_up", "llm_generation_tokens_total"].iter().zip([&up, &tokens]);
    for (name, samples) in all {
        let labels = [
            ("__name__", *name),
            ("engine", "vllm"),
            ("instance", "a:1"),
            ("model", "qwen-e2e"),
            ("source", "engine"),
        ];
        let answer =
            modelwatch.write(Protocol::V1, &message_v1(&[Sent { labels: &labels, samples }]))?;
        ensure!(answer.status == 204, "{}", answer.text());
    }
    Ok(())
}

/// What a program that reads PDFs finds in one; `None` after saying that there is no such program.
fn read_back(path: &Path) -> Result<Option<String>> {
    let Some(program) = peers::installed("pdftotext") else {
        skip("there is no pdftotext; install poppler-utils");
        return Ok(None);
    };
    let mut pdftotext = process::command(&program);
    pdftotext.args(["-enc", "UTF-8", "-layout"]).arg(path).arg("-");
    let read = run_to_end(&mut pdftotext)?;
    ensure!(read.code == Some(0), "{read:?}");
    Ok(Some(read.text))
}

#[test]
fn a_chinese_report_is_read_back_from_its_pdf() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), "[collect]\ndiscover = false\n")?;
    write_engine(&modelwatch)?;
    let file = folder.path().join("report.pdf");
    let url = format!("http://{}", modelwatch.address);
    let words = ["report", "--last", "1d", "--lang", "zh", "--url", &url, "--pdf"];
    let mut words: Vec<_> = words.iter().map(AsRef::as_ref).collect();
    words.push(file.as_os_str());
    let made = run_to_end(&mut command(&folder.path().join("none"), &words))?;
    ensure!(made.code == Some(0), "{made:?}");
    ensure!(fs::read(&file)?.starts_with(b"%PDF-1."), "{made:?}");
    let Some(text) = read_back(&file)? else { return Ok(()) };
    for expected in ["模型服务", "qwen-e2e"] {
        ensure!(text.contains(expected), "no {expected} in:\n{text}");
    }
    ensure!(!text.contains('\u{fffd}'), "what no font has is in:\n{text}");
    Ok(())
}

/// As if a schedule had been made the day before yesterday, and the process had been away since.
fn miss(data: &Path, name: &str) -> Result<i64> {
    let due = (now_ms()? / DAY_MS - 2) * DAY_MS;
    let path = data.join("reports/runs.json");
    let mut runs: Value = match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text)?,
        Err(_) => json!({ "runs": {} }),
    };
    runs["runs"][name] = json!({ "due": due, "made": due, "error": null });
    fs::create_dir_all(data.join("reports"))?;
    fs::write(path, runs.to_string())?;
    Ok(due)
}

/// How a schedule ended, once it has been made after `due`.
fn made(modelwatch: &Modelwatch, place: usize, due: i64) -> Result<Value> {
    wait::until("a report by the clock", PATIENCE, || {
        let all = modelwatch.json("/api/mw/v1/reports/schedules")?;
        let found = &all["schedules"][place];
        ensure!(found["last"].as_i64().is_some_and(|last| last > due), "{all}");
        Ok(found.clone())
    })
}

#[test]
fn a_report_that_was_missed_is_made_once_and_handed_on() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (data, handed) = (folder.path().join("data"), folder.path().join("handed"));
    fs::create_dir(&handed)?;
    let (hook, address) = Hook::listen()?;
    // Half a day ago, so that none becomes due meanwhile.
    let hour = (now_ms()? / HOUR_MS + 12) % 24;
    let report = |name: &str| {
        format!(
            "[[report]]\nname = \"{name}\"\nat = \"{hour:02}:00\"\nzone = \"UTC\"\nlanguage = \"zh\"\n\
             formats = [\"csv\"]\nfolder = {:?}\nchannels = [\"hook\"]\n",
            handed.display().to_string()
        )
    };
    let config = format!(
        "[collect]\ndiscover = false\n[alerts]\nbuiltin = false\n\
         [[channel]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"http://{address}/x\"\n\
         allow_private_addresses = true\n{}",
        report("morning")
    );
    let files = || -> Result<Vec<String>> {
        let entries = fs::read_dir(&handed)?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let mut names = names.collect::<Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    };
    let due = miss(&data, "morning")?;
    let mut before = Modelwatch::start(folder.path(), &config)?;
    let morning = made(&before, 0, due)?;
    let body = hook.wait_for(1)?[0].to_string();
    ensure!(body.contains("morning") && body.contains("模型服务日报"), "{body}");
    ensure!(morning["last_error"].is_null(), "{morning}");
    let [file] = &files()?[..] else { anyhow::bail!("{:?}", files()?) };
    ensure!(file.starts_with("morning-") && file.ends_with(".csv"), "{file}");
    let text = fs::read_to_string(handed.join(file))?;
    ensure!(text.starts_with("\u{feff}模型服务日报"), "{text}");
    before.terminate(PATIENCE)?;

    // Another one is missed now. By the time that it was made, the first was looked at again before it.
    let due = miss(&data, "evening")?;
    let after = Modelwatch::start(folder.path(), &format!("{config}{}", report("evening")))?;
    made(&after, 1, due)?;
    let bodies = hook.wait_for(2)?;
    ensure!(bodies.len() == 2 && bodies[1].to_string().contains("evening"), "{bodies:?}");
    let again = after.json("/api/mw/v1/reports/schedules")?;
    ensure!(again["schedules"][0]["last"] == morning["last"], "{again} {morning}");
    let [other, first] = &files()?[..] else { anyhow::bail!("{:?}", files()?) };
    ensure!(other.starts_with("evening-") && first == file, "{other} {first}");
    let kept = after.json("/api/mw/v1/reports")?;
    let kept = kept["reports"].as_array().with_context(|| format!("no reports in {kept}"))?;
    ensure!(kept.len() == 2, "{kept:?}");
    Ok(())
}
