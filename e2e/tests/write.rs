//! Other collectors write to us, and what was acknowledged is there.

use std::io::Write as _;

use anyhow::{Context, Result, ensure};
use e2e::{
    Modelwatch, NOTICED, PATIENCE,
    remote_write::{
        Protocol, Sent, double_field, field, message_v1, message_v2, recent_ms, snappy, varint,
        varint_field,
    },
};
use serde_json::json;
use xtask::{
    http::{self, Request, Response},
    wait,
};

fn expect(response: &Response, status: u16, text: &str) -> Result<()> {
    let found = response.text();
    ensure!(response.status == status && found.contains(text), "{}: {found}", response.status);
    Ok(())
}

fn written(response: &Response) -> [Option<&str>; 3] {
    ["Samples", "Histograms", "Exemplars"]
        .map(|what| response.header(&format!("X-Prometheus-Remote-Write-{what}-Written")))
}

#[test]
fn what_was_acknowledged_survives_kill_9() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut modelwatch = Modelwatch::start(folder.path(), "")?;
    let time = recent_ms()?;
    let one = Sent {
        labels: &[("__name__", "written_one"), ("le", "1"), ("site", "é")],
        samples: &[(time, 1.5), (time + 1_000, 2.5)],
    };
    let other = Sent { labels: &[("__name__", "written.two")], samples: &[(time, -0.0)] };
    let buckets =
        Sent { labels: &[("__name__", "x_bucket"), ("le", "1")], samples: &[(time, 3.0)] };
    let response = modelwatch.write(Protocol::V1, &message_v1(&[one, other]))?;
    expect(&response, 204, "")?;
    let message = message_v2(&[one, buckets], |_| Vec::new());
    let response = modelwatch.write(Protocol::V2, &message)?;
    expect(&response, 204, "")?;
    ensure!(written(&response) == [Some("3"), Some("0"), Some("0")], "{:?}", response.headers);
    let native = Sent { labels: &[("__name__", "native")], samples: &[] };
    let message = message_v2(&[native], |_| field(3, &histogram_message(time, 0)));
    let response = modelwatch.write(Protocol::V2, &message)?;
    expect(&response, 204, "")?;
    ensure!(written(&response) == [Some("0"), Some("1"), Some("0")], "{:?}", response.headers);
    modelwatch.kill()?;

    let modelwatch = Modelwatch::start(folder.path(), "")?;
    for (query, expected) in [
        ("written_one{le=\"1\",site=\"é\"}", 2.5),
        ("count_over_time(written_one[1m])", 2.0),
        ("{\"written.two\"}", 0.0),
        ("x_bucket{le=\"1.0\"}", 3.0),
    ] {
        let found = modelwatch.value(query)?;
        ensure!(found == expected, "{query} is {found}");
    }
    let series = modelwatch.json("/api/v1/series?match[]=native")?;
    ensure!(series["data"][0]["__name__"] == "native", "{series}");
    // What is sent again must be what is stored, or it would be refused.
    let response = modelwatch.write(Protocol::V2, &message)?;
    ensure!(written(&response) == [Some("0"), Some("1"), Some("0")], "{:?}", response.headers);
    let other = message_v2(&[native], |_| field(3, &histogram_message(time, 1)));
    expect(&modelwatch.write(Protocol::V2, &other)?, 400, "1 samples duplicate")?;
    Ok(())
}

/// A native histogram with two observations in a bucket of this schema.
fn histogram_message(time: i64, schema: u64) -> Vec<u8> {
    let span = [varint_field(1, 2), varint_field(2, 1)].concat();
    [
        varint_field(1, 2),
        double_field(3, 5.5),
        varint_field(4, schema * 2),
        field(11, &span),
        field(12, &varint(4)),
        varint_field(15, time as u64),
    ]
    .concat()
}

#[test]
fn what_cannot_be_taken_is_refused_with_a_reason_and_the_rest_is_kept() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut modelwatch = Modelwatch::start(folder.path(), "")?;
    let time = recent_ms()?;
    let message = message_v1(&[Sent { labels: &[("__name__", "a")], samples: &[(time, 1.0)] }]);
    for (kind, encoding) in [
        ("application/json", "snappy"),
        ("application/x-protobuf", "gzip"),
        ("application/x-protobuf;proto=other", "snappy"),
    ] {
        let headers = [("Content-Type", kind), ("Content-Encoding", encoding)];
        let response = modelwatch.write_raw(&headers, &snappy(&message))?;
        expect(&response, 415, "is not taken")?;
    }
    let raw = |body: &[u8]| modelwatch.write_raw(&[], body);
    expect(&raw(b"garbage")?, 400, "snappy: corrupt input")?;
    expect(&raw(&snappy(b"\x0a\xff"))?, 400, "malformed")?;
    expect(&raw(&varint(1 << 30))?, 413, "at most")?;
    let foreign = [("Origin", "http://evil.example")];
    expect(&modelwatch.write_raw(&foreign, &snappy(&message))?, 403, "")?;
    let get = Request {
        method: "GET",
        path: "/api/v1/write",
        headers: &[],
        body: b"",
        timeout: PATIENCE,
    };
    ensure!(http::send(&modelwatch.address, &get)?.status == 405);

    let mixed = [
        Sent { labels: &[("__name__", "good"), ("a", "1")], samples: &[(time, 1.0), (time, 2.0)] },
        Sent { labels: &[("__name__", "bad"), ("a", "1"), ("a", "2")], samples: &[(time, 1.0)] },
        Sent { labels: &[("__name__", "bad"), ("", "1")], samples: &[(time, 1.0)] },
        Sent { labels: &[("site", "x")], samples: &[(time, 1.0)] },
        Sent { labels: &[("__name__", "late")], samples: &[(1_000, 1.0)] },
    ];
    let message = message_v2(&mixed, |_| field(3, &histogram_message(time, 9)));
    let response = modelwatch.write(Protocol::V2, &message)?;
    expect(&response, 400, "\"a\" is given twice")?;
    for reason in [
        "1 samples duplicate",
        "1 samples too_old",
        "6 samples invalid_labels",
        "2 samples invalid_histogram",
        "the schema of a histogram is -53 or from -4 to 8",
    ] {
        expect(&response, 400, reason)?;
    }
    ensure!(written(&response) == [Some("1"), Some("0"), Some("0")], "{:?}", response.headers);
    let refused = response.header("X-Modelwatch-Refused").context("no reasons")?;
    ensure!(refused == "duplicate=1,invalid_histogram=2,invalid_labels=6,too_old=1", "{refused}");
    ensure!(modelwatch.value("good")? == 1.0);

    wait::until("the counters", NOTICED, || {
        let count = |query: &str| modelwatch.value(query);
        ensure!(count("modelwatch_remote_write_requests_total{code=\"415\"}")? == 3.0);
        ensure!(count("modelwatch_remote_write_samples_total")? == 1.0);
        ensure!(count("modelwatch_remote_write_refused_total{reason=\"invalid_labels\"}")? == 6.0);
        Ok(())
    })?;
    ensure!(modelwatch.terminate(PATIENCE)?.success(), "{}", modelwatch.log());
    Ok(())
}

#[test]
fn a_writer_that_finds_no_room_is_told_to_come_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), "")?;
    let labels = [("__name__", "patient")];
    let message = message_v1(&[Sent { labels: &labels, samples: &[(recent_ms()?, 1.0)] }]);
    // Bodies that are announced and never come. One that finds our own message inside is turned away,
    // so that more may be needed than there is room for.
    let mut silent = Vec::new();
    wait::until("a full house", NOTICED, || {
        let mut stream = http::connect(&modelwatch.address, PATIENCE)?;
        let length = 32 << 20;
        let head = format!(
            "POST /api/v1/write HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        silent.push(stream);
        let response = modelwatch.write(Protocol::V1, &message)?;
        expect(&response, 429, "too many writers")?;
        ensure!(response.header("Retry-After") == Some("1"), "{:?}", response.headers);
        Ok(())
    })?;
    drop(silent);
    wait::until("room", NOTICED, || expect(&modelwatch.write(Protocol::V1, &message)?, 204, ""))
}

#[test]
fn exemplars_and_metadata_are_kept() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), "")?;
    let time = recent_ms()?;
    let labels = [("__name__", "spoken_total"), ("model", "m")];
    let series = [Sent { labels: &labels, samples: &[(time, 1.0)] }];
    let message = message_v2(&series, |symbol| {
        let places: Vec<u8> =
            [symbol("trace_id"), symbol("abc")].into_iter().flat_map(varint).collect();
        let exemplar =
            [field(1, &places), double_field(2, 0.5), varint_field(3, time as u64)].concat();
        let metadata = [
            varint_field(1, 1),
            varint_field(3, symbol("Words spoken")),
            varint_field(4, symbol("words")),
        ];
        [field(4, &exemplar), field(5, &metadata.concat())].concat()
    });
    let response = modelwatch.write(Protocol::V2, &message)?;
    expect(&response, 204, "")?;
    ensure!(written(&response) == [Some("1"), Some("0"), Some("1")], "{:?}", response.headers);
    let answer = modelwatch.json("/api/v1/query_exemplars?query=rate(spoken_total%5B1m%5D)")?;
    let expected = json!([{
        "seriesLabels": {"__name__": "spoken_total", "model": "m"},
        "exemplars": [{"labels": {"trace_id": "abc"}, "value": "0.5", "timestamp": time / 1_000}],
    }]);
    ensure!(answer["data"] == expected, "{answer}");
    let answer = modelwatch.json("/api/v1/metadata?metric=spoken_total")?;
    let expected = json!([{"type": "counter", "unit": "words", "help": "Words spoken"}]);
    ensure!(answer["data"]["spoken_total"] == expected, "{answer}");
    Ok(())
}

#[test]
fn series_are_deleted_and_the_store_is_copied_only_where_that_is_allowed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let post = |modelwatch: &Modelwatch, what: &str| {
        let path = &format!("/api/v1/admin/tsdb/{what}");
        let request = Request { method: "POST", path, headers: &[], body: b"", timeout: PATIENCE };
        http::send(&modelwatch.address, &request)
    };
    let delete = "delete_series?match[]=gone";
    let mut modelwatch = Modelwatch::start(folder.path(), "")?;
    for what in ["snapshot", delete, "clean_tombstones"] {
        expect(&post(&modelwatch, what)?, 503, "admin_api = true")?;
    }
    modelwatch.terminate(PATIENCE)?;

    let more = "[collect]\ndiscover = false";
    let config = folder.path().join("allowed.toml");
    let data = folder.path().join("data");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_api = true\n[storage]\npath = {data:?}\n{more}\n"
    );
    std::fs::write(&config, text)?;
    let words = ["serve".as_ref(), "--config".as_ref(), config.as_os_str()];
    let mut command = e2e::command(&data, &words);
    let modelwatch = Modelwatch::spawn(&mut command, &folder.path().join("log"))?;
    let time = recent_ms()?;
    let sent = |name| [("__name__", name)];
    let message = message_v1(&[
        Sent { labels: &sent("gone"), samples: &[(time, 1.0)] },
        Sent { labels: &sent("kept"), samples: &[(time, 1.0)] },
    ]);
    expect(&modelwatch.write(Protocol::V1, &message)?, 204, "")?;
    let snapshot = post(&modelwatch, "snapshot")?.json()?;
    let name = snapshot["data"]["name"].as_str().with_context(|| snapshot.to_string())?;
    ensure!(data.join("snapshots").join(name).join("wal").is_dir(), "no snapshot {name}");
    expect(&post(&modelwatch, "delete_series")?, 400, "no match[] parameter")?;
    expect(&post(&modelwatch, delete)?, 204, "")?;
    expect(&post(&modelwatch, "clean_tombstones")?, 204, "")?;
    ensure!(modelwatch.query("gone")?.is_empty() && modelwatch.value("kept")? == 1.0);
    Ok(())
}
