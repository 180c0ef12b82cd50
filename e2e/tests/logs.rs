//! Lines of logs as somebody looks for them: over HTTP and on the command line. The lines are written into the data
//! folder before the real process starts on it.

use std::{path::Path, sync::Arc};

use anyhow::{Result, ensure};
use e2e::{Modelwatch, encode, remote_write::recent_ms};
use model::{
    Clock, UnixMs,
    log::{Line, Origin, Severity},
};
use serde_json::{Value, json};
use store::{Options, Store};

const QUIET: &str = "[collect]\ndiscover = false\n";
const MINUTE_MS: i64 = 60_000;
/// A known line of the kernel.
const XID: &str = "NVRM: Xid (PCI:0000:65:00): 79, pid=1, name=x, Ch 08";

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
            let body = if minute == 50 { XID } else { "=cmd|'/c calc'!A1 显存不足\u{1b}[31m" };
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
    ensure!(bodies(&found) == ["=cmd|'/c calc'!A1 显存不足\u{1b}[31m"], "{found}");
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

    for (asked, filter, code) in [
        ("", "colour:(red", "filter.parenthesis_open"),
        ("/histogram", "body:/(/", "filter.not_an_expression"),
        ("/histogram?by=body", "", "search.not_groupable"),
        ("/facets?field=nothing", "", "search.unknown_field"),
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
