//! Lines of logs as somebody looks for them: over HTTP and on the command line. The lines are written into the data
//! folder before the real process starts on it.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::Path,
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use e2e::{
    Modelwatch, PATIENCE, command, encode,
    remote_write::recent_ms,
    shape::expect_schema,
    socket::{LiveSocket, Message},
};
use model::{
    Clock, UnixMs,
    log::{Line, Origin, Severity},
};
use serde_json::{Value, json};
use store::{Options, Store};
use xtask::{
    http::{self, Request},
    process::Process,
    wait,
};

const QUIET: &str = "[collect]\ndiscover = false\n";
const MINUTE_MS: i64 = 60_000;
/// A known line of the kernel.
const XID: &str = "NVRM: Xid (PCI:0000:65:00): 79, pid=1, name=x, Ch 08";
/// What neither a spreadsheet nor a terminal should obey.
const FORMULA: &str = "=cmd|'/c calc'!A1 显存不足\u{1b}[31m";

fn line(time: i64, host: &str, severity: Option<Severity>, body: &str) -> Line {
    let origin = Origin {
        source: "file".to_owned(),
        origin: "/var/log/engine.log".to_owned(),
        host: host.to_owned(),
        ..Origin::default()
    };
    Line {
        time: UnixMs(time),
        origin: Arc::new(origin),
        severity,
        body: body.to_owned(),
        attributes: vec![("trace_id".to_owned(), format!("t{}", body.len()))],
        place: None,
    }
}

/// An hour of lines that ends now: on host `a` one a minute, on `b` one every ten minutes, of which the last is known.
/// Tells when minute 0 of them is.
fn seed(folder: &Path) -> Result<i64> {
    let clock = Clock::system();
    let (store, _) = Store::open(&folder.join("data"), Options::default(), clock)?;
    let begin = recent_ms()? - 60 * MINUTE_MS;
    let mut lines = Vec::new();
    for minute in 0..60 {
        let time = begin + minute * MINUTE_MS;
        let severity = (minute % 2 == 0).then_some(Severity::Info);
        lines.push(line(time, "a", severity, &format!("request {minute} took {} ms", 3 * minute)));
        if minute % 10 == 0 {
            let body = if minute == 50 { XID } else { FORMULA };
            lines.push(line(time, "b", Some(Severity::Error), body));
        }
    }
    let taken = store.events().append(&lines)?;
    ensure!(taken == lines.len(), "{taken} of {} lines", lines.len());
    Ok(begin)
}

/// What is asked below `/api/mw/v1/logs`, with a filter.
fn path(more: &str, filter: &str) -> String {
    let (path, form) = more.split_once('?').unwrap_or((more, ""));
    format!("/api/mw/v1/logs{path}?filter={}&{form}", encode(filter))
}

fn bodies(found: &Value) -> Vec<&str> {
    let lines = found["lines"].as_array().into_iter().flatten();
    lines.filter_map(|line| line["body"].as_str()).collect()
}

#[test]
fn lines_are_found_counted_and_summed_up() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let begin = seed(folder.path())?;
    let modelwatch = Modelwatch::start(folder.path(), QUIET)?;
    let span = format!("start={begin}&end={}", begin + 60 * MINUTE_MS - 1);
    let ask = |more: &str, filter: &str| modelwatch.json(&path(more, filter));

    let found = ask(&format!("?{span}&limit=2"), "took host:a")?;
    ensure!(bodies(&found) == ["request 59 took 177 ms", "request 58 took 174 ms"], "{found}");
    ensure!(found["total"] == 60 && found["damaged"] == 0, "{found}");
    let next = found["next"].as_str().unwrap_or_default();
    let found = ask(&format!("?{span}&limit=1&cursor={next}"), "took host:a")?;
    ensure!(bodies(&found) == ["request 57 took 171 ms"], "{found}");
    let found = ask(&format!("?{span}&order=oldest&limit=1"), "severity:error")?;
    ensure!(bodies(&found) == [FORMULA], "{found}");
    let found = ask(&format!("?{span}"), "Xid OR 显存 -host:a trace_id:t52")?;
    ensure!(bodies(&found) == [XID], "{found}");
    let line = &found["lines"][0];
    ensure!(line["known"][0]["code"] == "kernel.xid_79" && line["host"] == "b", "{line}");
    ensure!(line["time"] == begin + 50 * MINUTE_MS && line.get("model").is_none(), "{line}");

    let found = ask(&format!("/histogram?{span}&columns=60"), "")?;
    let step = found["step_ms"].as_i64().unwrap_or_default();
    ensure!(step == MINUTE_MS || step == 2 * MINUTE_MS, "{found}");
    let count = |key: Value| -> u64 {
        let all = found["series"].as_array().into_iter().flatten();
        let one = all.filter(|series| series["key"] == key);
        one.flat_map(|series| series["counts"].as_array().into_iter().flatten())
            .filter_map(Value::as_u64)
            .sum()
    };
    let counts = [count(json!("info")), count(json!("error")), count(Value::Null)];
    ensure!(counts == [30, 6, 30] && found["others"] == json!([]), "{counts:?} {found}");

    let found = ask(&format!("/facets?{span}&field=host&field=severity&limit=1"), "")?;
    let expected = json!({"facets": [
        {"field": "host", "values": [{"value": "a", "count": 60}], "others": 6},
        {"field": "severity", "values": [{"value": null, "count": 30}], "others": 36},
    ]});
    ensure!(found == expected, "{found}");
    let found = ask(&format!("/facets?{span}&field=trace_id&limit=1"), "host:b")?;
    let expected = json!([{"value": format!("t{}", FORMULA.len()), "count": 5}]);
    ensure!(found["facets"][0]["values"] == expected, "{found}");

    for (asked, filter, code) in [
        ("", "colour:(red", "filter.parenthesis_open"),
        ("/histogram", "body:/(/", "filter.not_an_expression"),
        ("/histogram?by=body", "", "search.not_groupable"),
        ("/facets?field=body", "", "search.not_groupable"),
        ("?start=2&end=1", "", "refused.backwards"),
        ("?cursor=x", "", "search.invalid_cursor"),
    ] {
        let answer = modelwatch.get(&path(asked, filter))?;
        let told: Value = answer.json()?;
        ensure!(answer.status == 400 && told["code"] == code, "{asked} {filter}: {told}");
    }
    for wrong in ["?order=loudest", "?limit=-1", "/facets?limit=x", "?start=x"] {
        let answer = modelwatch.get(&path(wrong, ""))?;
        ensure!(answer.status == 400, "{wrong}: {}", answer.text());
    }
    Ok(())
}

#[test]
fn lines_have_patterns_and_neighbours_and_can_be_carried_away() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let begin = seed(folder.path())?;
    let modelwatch = Modelwatch::start(folder.path(), QUIET)?;
    let span = format!("start={begin}&end={}", begin + 60 * MINUTE_MS - 1);
    let ask = |more: &str, filter: &str| modelwatch.json(&path(more, filter));

    let found = ask(&format!("/patterns?{span}&limit=2"), "")?;
    let pattern = &found["patterns"][0];
    ensure!(pattern["pattern"] == "request <*> took <*> ms" && pattern["count"] == 60, "{found}");
    ensure!(pattern["first"] == begin && pattern["last"] == begin + 59 * MINUTE_MS, "{found}");
    ensure!(pattern["example"]["body"] == "request 59 took 177 ms", "{found}");
    ensure!(pattern["trend"].as_array().map(Vec::len) == Some(24), "{found}");
    ensure!(found["patterns"][1]["severity"] == "error", "{found}");
    ensure!(found["total"] == 3 && found["others"] == 1, "{found}");

    let hit = ask(&format!("?{span}"), "\"request 30\"")?["lines"][0].clone();
    let (id, time) = (hit["id"].as_str().context("no id")?, &hit["time"]);
    let around = format!("/api/mw/v1/logs/context?id={id}&time={time}&before=2&after=1");
    let found = modelwatch.json(&around)?;
    let expected =
        [28, 29, 30, 31].map(|minute| format!("request {minute} took {} ms", 3 * minute));
    ensure!(bodies(&found) == expected && found["at"] == 2, "{found}");
    let document = modelwatch.json("/api/mw/openapi.json")?;
    let described = &document["paths"]["/api/mw/v1/logs/context"]["get"]["responses"]["200"];
    expect_schema(&document, &described["content"]["application/json"]["schema"], &found)?;
    let missing = modelwatch.get(&format!("/api/mw/v1/logs/context?id=1234567&time={time}"))?;
    ensure!(missing.status == 404, "{}", missing.text());
    for wrong in ["", "id=x&time=1", "id=1", "id=1&time=y", "id=1&time=1&before=-1"] {
        let answer = modelwatch.get(&format!("/api/mw/v1/logs/context?{wrong}"))?;
        ensure!(answer.status == 400, "{wrong}: {}", answer.text());
    }

    let file = modelwatch.get(&path(&format!("/export?{span}"), "severity:error"))?;
    ensure!(file.header("content-type") == Some("application/x-ndjson"), "{:?}", file.headers);
    let text = file.text();
    let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(lines.len() == 6 && lines[5]["body"] == XID && lines[0]["time"] == begin, "{text}");
    let file = modelwatch.get(&path(&format!("/export?{span}&format=csv&limit=1"), "host:b"))?;
    let name = file.header("content-disposition").unwrap_or_default().to_owned();
    ensure!(name == "attachment; filename=\"logs.csv\"", "{name}");
    let text = file.text();
    let rows: Vec<&str> = text.lines().collect();
    ensure!(rows.len() == 3 && rows[0].starts_with("time,severity,source,"), "{text}");
    ensure!(rows[1].contains("\"'=cmd|'/c calc'!A1"), "a formula: {text}");
    ensure!(rows[2].contains("cut: there are more than 1 lines"), "{text}");
    let answer = modelwatch.get(&path("/export?format=xml", ""))?;
    ensure!(answer.status == 400, "{}", answer.text());
    Ok(())
}

/// What a command yields.
#[derive(Debug)]
struct Printed {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs `modelwatch logs` with `words` to its end, in a zone an hour east of London.
fn logs(folder: &Path, words: &[&str]) -> Result<Printed> {
    let (out, err) = (folder.join("out"), folder.join("err"));
    let words: Vec<&OsStr> = ["logs"].iter().chain(words).map(AsRef::as_ref).collect();
    let mut command = command(&folder.join("state"), &words);
    command.env("TZ", "AAA-1").stdout(File::create(&out)?).stderr(File::create(&err)?);
    let status = Process::spawn(&mut command)?.wait_for(PATIENCE)?;
    let [out, err] = [fs::read_to_string(out)?, fs::read_to_string(err)?];
    Ok(Printed { code: status.code(), out, err })
}

#[test]
fn lines_are_printed_in_both_languages() -> Result<()> {
    let home = tempfile::tempdir()?;
    let folder = home.path();
    let begin = seed(folder)?;
    let modelwatch = Modelwatch::start(folder, QUIET)?;
    let url = format!("http://{}", modelwatch.address);
    let ask = |words: &[&str]| logs(folder, &[words, &["--url", &url]].concat());

    let printed = ask(&["request", "--limit", "3", "--since", "2h"])?;
    ensure!(printed.code == Some(0), "{printed:?}");
    let lines: Vec<&str> = printed.out.lines().collect();
    ensure!(
        lines.len() == 3 && lines[2].ends_with(" a /var/log/engine.log request 59 took 177 ms")
    );
    ensure!(lines[1].contains(" INFO  a ") && lines[2].contains(" -     a "), "{printed:?}");
    ensure!(printed.err == "3 of 60 lines; more with --limit\n", "{printed:?}");
    // The clock of the terminal.
    let minutes = (begin + 59 * MINUTE_MS).div_euclid(MINUTE_MS) + 60;
    let clock = format!(" {:02}:{:02}:", minutes / 60 % 24, minutes % 60);
    ensure!(lines[2].contains(&clock), "{clock} {printed:?}");

    let printed = ask(&["-host:a", "--since", "2h"])?;
    ensure!(
        printed.out.contains("显存不足␛[31m") && !printed.out.contains('\u{1b}'),
        "{printed:?}"
    );
    ensure!(printed.out.contains("What to do "), "{printed:?}");
    let printed = ask(&["Xid", "--since", "2h", "--lang", "zh"])?;
    ensure!(printed.out.contains("  处理  ") && printed.err.is_empty(), "{printed:?}");
    let printed = ask(&["\"request 30\"", "--since", "2h", "--context", "1"])?;
    ensure!(printed.out.lines().count() == 3 && printed.err.is_empty(), "{printed:?}");
    let printed = ask(&["\"request 30\" OR \"request 32\"", "--since", "2h", "--context", "1"])?;
    ensure!(printed.out.lines().count() == 5 && !printed.out.contains("--\n"), "{printed:?}");
    let printed = ask(&["took", "--since", "2h", "--patterns"])?;
    ensure!(printed.out.contains("60 × INFO ") && printed.out.contains("request <*> took"));

    let printed = ask(&["host:b", "--since", "2h", "--json", "--order", "oldest", "--limit", "6"])?;
    let last = printed.out.lines().last().unwrap_or_default();
    ensure!(serde_json::from_str::<Value>(last)?["body"] == XID, "{printed:?}");
    let printed = ask(&["host:b", "--since", "2h", "--csv"])?;
    ensure!(printed.out.lines().count() == 7 && printed.out.contains("\"'=cmd"), "{printed:?}");

    let printed = ask(&["nothing:here"])?;
    ensure!(printed.code == Some(0) && printed.err.contains("no line matches from"), "{printed:?}");
    let printed = ask(&["(", "--lang", "zh"])?;
    ensure!(printed.code == Some(2) && printed.err.contains("筛选"), "{printed:?}");
    let printed = ask(&["--limit", "0"])?;
    ensure!(printed.code == Some(2) && printed.err.contains("--limit 0: expected"), "{printed:?}");
    let nobody = format!("http://127.0.0.1:{}", xtask::engine::free_port()?);
    let printed = logs(folder, &["--url", &nobody])?;
    ensure!(
        printed.code == Some(1) && printed.err.contains("Start modelwatch there"),
        "{printed:?}"
    );
    let printed = logs(folder, &["--help", "--lang", "zh"])?;
    ensure!(printed.code == Some(0) && printed.out.contains("搜索已保存的日志"), "{printed:?}");
    Ok(())
}

/// Sends lines as Promtail does.
fn push(modelwatch: &Modelwatch, bodies: &[String]) -> Result<()> {
    let time = recent_ms()? * 1_000_000;
    let values: Vec<_> = bodies.iter().map(|body| json!([time.to_string(), body])).collect();
    let pushed = json!({"streams": [{"stream": {"host": "pushed"}, "values": values}]});
    let answer = http::post_json(&modelwatch.address, "/loki/api/v1/push", &pushed)?;
    ensure!(answer.status == 204, "{}: {}", answer.status, answer.text());
    Ok(())
}

#[test]
fn lines_are_watched_as_they_come() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), QUIET)?;
    let address = &modelwatch.address;
    let tail = path("/tail", "wanted");
    let mut socket = LiveSocket::open_path(address, &tail, address, None)?;
    let mut told = || match socket.receive()? {
        Message::Text(text) => Ok(text),
        other => anyhow::bail!("{other:?}"),
    };
    push(&modelwatch, &["other".to_owned(), "wanted one".to_owned()])?;
    let message = told()?;
    ensure!(bodies(&message) == ["wanted one"] && message["skipped"] == 0, "{message}");
    let document = modelwatch.json("/api/mw/openapi.json")?;
    let described = &document["paths"]["/api/mw/v1/logs/tail"]["get"]["responses"]["101"];
    expect_schema(&document, &described["content"]["application/json"]["schema"], &message)?;

    // Of a flood some are shown, and all others are counted.
    let flood: Vec<String> = (0..1_000).map(|number| format!("wanted {number}")).collect();
    push(&modelwatch, &flood)?;
    let (mut shown, mut skipped) = (0, 0);
    while shown + skipped < 1_000 {
        let message = told()?;
        shown += bodies(&message).len() as u64;
        skipped += message["skipped"].as_u64().context("no skipped")?;
    }
    ensure!((100..=400).contains(&shown) && shown + skipped == 1_000, "{shown} {skipped}");

    let answer = modelwatch.get(&path("/tail", "wanted ("))?;
    let refused: Value = answer.json()?;
    ensure!(answer.status == 400 && refused["code"] == "filter.value_missing", "{refused}");
    ensure!(modelwatch.get(&path("/tail", ""))?.status == 400, "no upgrade");
    let strangers = LiveSocket::open_path(address, &tail, address, Some("http://evil.example"));
    ensure!(strangers.is_err(), "a page of another origin may watch");
    let more = (0..32).map(|_| LiveSocket::open_path(address, &tail, address, None));
    let opened: Vec<_> = more.filter_map(Result::ok).collect();
    ensure!(opened.len() == 31, "{} more connections", opened.len());
    Ok(())
}

#[test]
fn lines_are_followed_on_the_command_line() -> Result<()> {
    let home = tempfile::tempdir()?;
    let folder = home.path();
    let mut modelwatch = Modelwatch::start(folder, QUIET)?;
    push(&modelwatch, &["wanted before".to_owned()])?;
    let (out, err) = (folder.join("followed"), folder.join("complaints"));
    let url = format!("http://{}", modelwatch.address);
    let words = ["logs", "wanted", "--follow", "--limit", "1", "--url", &url].map(OsStr::new);
    let mut command = command(&folder.join("state"), &words);
    command.stdout(File::create(&out)?).stderr(File::create(&err)?);
    let mut process = Process::spawn(&mut command)?;
    let seen = |text: &str| {
        wait::until(text, PATIENCE, || {
            let printed = fs::read_to_string(&out)?;
            ensure!(printed.contains(text), "{printed}");
            Ok(printed)
        })
    };
    seen("wanted before")?;
    push(&modelwatch, &["other".to_owned(), format!("wanted now {XID}")])?;
    let printed = seen("wanted now")?;
    ensure!(printed.matches("wanted before").count() == 1 && !printed.contains("other"));
    seen("What to do ")?;
    let flood: Vec<String> = (0..1_000).map(|number| format!("wanted {number}")).collect();
    push(&modelwatch, &flood)?;
    seen(" lines skipped")?;
    ensure!(modelwatch.terminate(PATIENCE)?.success(), "{}", modelwatch.log());
    let status = process.wait_for(PATIENCE)?;
    let said = fs::read_to_string(&err)?;
    ensure!(status.code() == Some(1) && said.contains("hung up"), "{status:?} {said}");
    Ok(())
}

#[test]
fn searches_are_saved_and_forgotten() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut modelwatch = Modelwatch::start(folder.path(), QUIET)?;
    let saved = "/api/mw/v1/logs/saved";
    let save = |modelwatch: &Modelwatch, name: &str, filter: &str| {
        let search = json!({ "name": name, "filter": filter });
        let answer = http::post_json(&modelwatch.address, saved, &search)?;
        Ok::<_, anyhow::Error>((answer.status, answer.json()?))
    };
    ensure!(modelwatch.json(saved)? == json!({ "searches": [] }));
    let (status, kept) = save(&modelwatch, "显存不足", "\"out of memory\"")?;
    ensure!(status == 200, "{kept}");
    save(&modelwatch, "errors", "severity:error")?;
    let expected = json!({ "searches": [
        { "name": "errors", "filter": "severity:error" },
        { "name": "显存不足", "filter": "\"out of memory\"" },
    ]});
    ensure!(modelwatch.json(saved)? == expected, "{}", modelwatch.json(saved)?);
    let document = modelwatch.json("/api/mw/openapi.json")?;
    for method in ["get", "post", "delete"] {
        let described = &document["paths"][saved][method]["responses"]["200"];
        expect_schema(&document, &described["content"]["application/json"]["schema"], &expected)?;
    }
    for (name, filter, code) in
        [("", "x", "refused.search_name"), ("x", "a:(", "filter.value_missing")]
    {
        let (status, refused) = save(&modelwatch, name, filter)?;
        ensure!(status == 400 && refused["code"] == code, "{refused}");
    }
    modelwatch.kill()?;
    let modelwatch = Modelwatch::start(folder.path(), QUIET)?;
    ensure!(modelwatch.json(saved)? == expected, "they are lost");
    let delete = |name: &str| {
        let path = format!("{saved}?name={}", encode(name));
        let (headers, body, timeout) = (&[], &[], PATIENCE);
        let request = Request { method: "DELETE", path: &path, headers, body, timeout };
        http::send(&modelwatch.address, &request)
    };
    ensure!(delete("errors")?.json()?["searches"][0]["name"] == "显存不足");
    ensure!(delete("errors")?.status == 404 && delete("显存不足")?.status == 200);
    ensure!(modelwatch.json(saved)? == json!({ "searches": [] }));
    Ok(())
}

const DOCUMENT: &str = include_str!("../../docs/logs.md");

/// The words of a command of the document, with quotes as a shell takes them; what follows `>` is left out.
fn shell_words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), None::<String>, false);
    for letter in command.split(" > ").next().unwrap_or_default().chars() {
        match letter {
            '\'' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            ' ' if !is_quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[test]
fn what_the_document_says_can_be_asked_is_answered() -> Result<()> {
    let home = tempfile::tempdir()?;
    let folder = home.path();
    seed(folder)?;
    let modelwatch = Modelwatch::start(folder, QUIET)?;
    let url = format!("http://{}", modelwatch.address);
    let commands = DOCUMENT.lines().filter_map(|line| line.strip_prefix("modelwatch logs"));
    // One that goes on for ever has a test of its own.
    let commands: Vec<&str> = commands.filter(|words| !words.contains("--follow")).collect();
    ensure!(commands.len() >= 6, "{commands:?}");
    for command in commands {
        let words = shell_words(command);
        let words: Vec<&str> = words.iter().map(String::as_str).chain(["--url", &url]).collect();
        let printed = logs(folder, &words)?;
        ensure!(printed.code == Some(0), "{words:?}: {printed:?}");
    }
    let filters: Vec<&str> = DOCUMENT
        .split("## On the command line")
        .flat_map(|part| part.split("| filter |").skip(1))
        .flat_map(str::lines)
        .filter_map(|row| row.strip_prefix("| `")?.split_once("` | ").map(|(filter, _)| filter))
        .collect();
    ensure!(filters.len() >= 12, "{filters:?}");
    for filter in filters {
        modelwatch.json(&path("", filter)).with_context(|| filter.to_owned())?;
    }
    Ok(())
}
