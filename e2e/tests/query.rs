//! Questions on the command line: to a running modelwatch, to a data directory, and to what is neither.

use std::{
    fs::{self, File},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use e2e::{
    Hostile, Modelwatch, PATIENCE, command,
    remote_write::{Protocol, Sent, message_v1, recent_ms},
    serve_hostile,
};
use serde_json::Value;
use xtask::process::Process;

/// What a question yields.
#[derive(Debug)]
struct Answer {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs `modelwatch query` with `words` to its end, in `folder`.
fn ask(folder: &Path, words: &[&str]) -> Result<Answer> {
    let (out, err) = (folder.join("out"), folder.join("err"));
    let words: Vec<&std::ffi::OsStr> =
        ["query"].iter().chain(words).map(|word| word.as_ref()).collect();
    let mut command = command(&folder.join("state"), &words);
    let command = command.stdout(File::create(&out)?).stderr(File::create(&err)?);
    let status = Process::spawn(command)?.wait_for(PATIENCE)?;
    let [out, err] = [fs::read_to_string(out)?, fs::read_to_string(err)?];
    Ok(Answer { code: status.code(), out, err })
}

/// Expects a failure that says `expected`, and nothing on standard output.
fn refused(folder: &Path, words: &[&str], code: i32, expected: &str) -> Result<()> {
    let answer = ask(folder, words)?;
    let is_right = answer.code == Some(code) && answer.err.contains(expected);
    ensure!(is_right && answer.out.is_empty(), "{words:?}, expected {expected:?}: {answer:?}");
    Ok(())
}

/// Expects `out` and nothing on standard error.
fn answered(folder: &Path, words: &[&str], out: &str) -> Result<()> {
    let answer = ask(folder, words)?;
    let is_right = answer.code == Some(0) && answer.err.is_empty();
    ensure!(is_right && answer.out == out, "{words:?}, expected {out:?}: {answer:?}");
    Ok(())
}

#[test]
fn a_server_and_its_data_directory_give_the_same_answers() -> Result<()> {
    let home = tempfile::tempdir()?;
    let folder = home.path();
    let mut modelwatch = Modelwatch::start(folder, "")?;
    let last = recent_ms()?;
    let times: Vec<i64> = (0..10).map(|step| last - (9 - step) * 10_000).collect();
    let samples = |factor: f64| -> Vec<(i64, f64)> {
        times.iter().zip(1..).map(|(time, value)| (*time, f64::from(value) * factor)).collect()
    };
    let (first, second) = (samples(1.0), samples(-0.5));
    let sent = [
        Sent { labels: &[("__name__", "asked"), ("a", "x, \"y\""), ("b", "c")], samples: &first },
        Sent { labels: &[("__name__", "asked"), ("a", "模型"), ("b", "c")], samples: &second },
    ];
    let response = modelwatch.write(Protocol::V1, &message_v1(&sent))?;
    ensure!(response.status == 204, "{}", response.text());

    let url = format!("http://{}", modelwatch.address);
    let seconds = |time: i64| (time / 1_000).to_string();
    let [start, end] = [seconds(times[0]), seconds(last)];
    let server = ["--url", &url];
    answered(folder, &[&["sum(asked)"], &server[..]].concat(), "5\n")?;
    answered(
        folder,
        &[&["asked"], &server[..]].concat(),
        "__name__  a       b  value\nasked     x, \"y\"  c     10\nasked     模型    c     -5\n",
    )?;
    let charted = ask(
        folder,
        &[&["asked", "--start", &start, "--end", &end, "--step", "10s"], &server[..]].concat(),
    )?;
    let (heading, lines) = charted.out.split_once('\n').context("no heading")?;
    ensure!(heading.ends_with("Z, a point every 10s"), "{charted:?}");
    let expected = "asked{b=\"c\"}\n                            min    avg   max  last\n\
                    {a=\"x, \\\"y\\\"\"}  ▁▂▃▃▄▅▆▆▇█    1    5.5    10    10\n\
                    {a=\"模型\"}      █▇▆▆▅▄▃▃▂▁   -5  -2.75  -0.5    -5\n";
    ensure!(lines == expected, "{}\n{charted:?}", charted.out);

    // The same from both, for the same times.
    let range = ["asked", "--start", &start, "--end", &end, "--step", "20"];
    let questions: [Vec<&str>; 5] = [
        [&range[..], &["--format", "csv"]].concat(),
        [&range[..], &["--format", "json"]].concat(),
        [&range[..], &["--ascii"]].concat(),
        vec!["asked[30s]", "--time", &end],
        vec!["asked * 1e300 * 1e300", "--time", &end, "--format", "json"],
    ];
    let remote: Vec<Answer> = questions
        .iter()
        .map(|words| ask(folder, &[&words[..], &server[..]].concat()))
        .collect::<Result<_>>()?;
    let path = format!("/api/v1/query_range?query=asked&start={start}&end={end}&step=20");
    let json: Value = serde_json::from_str(&remote[1].out)?;
    ensure!(json == modelwatch.json(&path)?, "{json}");
    let csv: Vec<&str> = remote[0].out.lines().collect();
    ensure!(csv.len() == 11 && csv[0] == "time,__name__,a,b,value", "{csv:?}");
    ensure!(csv[1].ends_with("Z,asked,\"x, \"\"y\"\"\",c,1"), "{csv:?}");

    let data = folder.join("data").display().to_string();
    refused(folder, &["asked", "--data", &data], 1, "Go through it with --url")?;
    ensure!(modelwatch.terminate(PATIENCE)?.success(), "{}", modelwatch.log());
    for (words, remote) in questions.iter().zip(remote) {
        ensure!(remote.code == Some(0) && remote.err.is_empty(), "{remote:?}");
        answered(folder, &[&words[..], &["--data", &data]].concat(), &remote.out)?;
    }
    Ok(())
}

#[test]
fn what_is_beside_an_answer_goes_to_standard_error() -> Result<()> {
    let home = tempfile::tempdir()?;
    let folder = home.path();
    let modelwatch = Modelwatch::start(folder, "")?;
    let url = format!("http://{}", modelwatch.address);
    let empty = ask(folder, &["nobody_has_this", "--url", &url])?;
    ensure!(empty.code == Some(0) && empty.out.is_empty(), "{empty:?}");
    ensure!(empty.err.contains("nothing matches"), "{empty:?}");
    let empty = ask(folder, &["nobody_has_this", "--url", &url, "--lang", "zh", "--last", "1h"])?;
    ensure!(empty.out.is_empty() && empty.err.contains("没有匹配的序列"), "{empty:?}");
    let costly = ask(folder, &["vector(1)", "--url", &url, "--stats"])?;
    ensure!(costly.out == "1\n" && costly.err.ends_with(" ms\n"), "{costly:?}");
    let wrong = ask(folder, &["up + 模", "--url", &url])?;
    ensure!(wrong.code == Some(2) && wrong.out.is_empty(), "{wrong:?}");
    ensure!(wrong.err.starts_with("modelwatch: 1:6: parse error: "), "{wrong:?}");
    ensure!(wrong.err.ends_with("\n  up + 模\n       ^\n"), "{}", wrong.err);
    refused(
        folder,
        &["up", "--url", &url, "--last", "1h", "--step", "0"],
        2,
        "--step 0: expected",
    )?;
    refused(folder, &["up", "--url", &url, "--last", "1d", "--step", "1s"], 2, "take 8s or more")?;
    Ok(())
}

#[test]
fn what_cannot_answer_is_named() -> Result<()> {
    let home = tempfile::tempdir()?;
    let folder = home.path();
    let closed = {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.local_addr()?.to_string()
    };
    let server = |address: &str| format!("http://{address}");
    let url = server(&closed);
    refused(folder, &["up", "--url", &url], 1, &format!("{url}: Connection refused"))?;
    refused(folder, &["up", "--url", &url], 1, "Start modelwatch there")?;
    refused(folder, &["up", "--url", "http://nowhere.invalid"], 1, "http://nowhere.invalid:80: ")?;
    refused(
        folder,
        &["up", "--url", "https://127.0.0.1"],
        2,
        "expected an address such as http://",
    )?;
    let config = folder.join("watch.toml");
    fs::write(&config, format!("[server]\nlisten = \"{closed}\"\n"))?;
    let config = config.display().to_string();
    refused(folder, &["up", "--config", &config], 1, &format!("{url}: Connection refused"))?;
    for (manner, expected) in [
        (Hostile::Garbage, "invalid HTTP"),
        (Hostile::Nonsense, "answers, but not as Prometheus' API does: 200 OK"),
        (Hostile::Gigabyte, "the answer is larger than 128 MiB"),
    ] {
        refused(folder, &["up", "--url", &server(&serve_hostile(manner)?)], 1, expected)?;
    }
    let absent = folder.join("absent").display().to_string();
    let none = folder.join("none");
    fs::create_dir(&none)?;
    refused(folder, &["up", "--data", &absent], 1, "there is no store in")?;
    refused(folder, &["up", "--data", &none.display().to_string()], 1, "there is no store in")?;
    ensure!(fs::read_dir(&none)?.next().is_none(), "asking made a store");
    refused(folder, &["up +", "--data", &absent], 2, "\n  up +\n")?;
    Ok(())
}
