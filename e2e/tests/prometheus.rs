//! Clients of Prometheus find in us what they expect: Grafana's requests, `promtool`, and another Prometheus
//! that reads our samples and answers beside us.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use e2e::{
    Modelwatch, Output, PATIENCE, Prometheus, encode,
    remote_write::{
        Protocol, Sent, double_field, field, message_v1, recent_ms, snappy, varint, varint_field,
    },
    run_to_end,
    shape::expect_shape,
};
use serde_json::Value;
use xtask::{
    http::{self, Request, Response},
    process, wait,
};

const FORM: &[(&str, &str)] = &[("Content-Type", "application/x-www-form-urlencoded")];

/// A label that Prometheus 2 did not allow.
const ODD_LABEL: &[(&str, &str)] = &[("odd.label", "é")];

/// How far apart samples are, and how many there are of each series.
const STEP_MS: i64 = 15_000;
const COUNT: i64 = 40;

/// What both sides of a comparison hold up to `end`. `more` labels are those of one series, because an older
/// Prometheus takes no names with other characters than letters when it reads from us.
fn message(end: i64, more: &[(&str, &str)]) -> Vec<u8> {
    let times = (0..COUNT).rev().map(|back| end - back * STEP_MS);
    let series = |value: fn(i64) -> f64| -> Vec<(i64, f64)> {
        times.clone().enumerate().map(|(at, time)| (time, value(at as i64))).collect()
    };
    let rising = series(|at| (at * 7) as f64);
    let resetting = series(|at| (at % 11) as f64 + 0.1);
    let odd = series(|at| [1e-7, -2.5e21, f64::NAN, f64::INFINITY, 0.5][(at % 5) as usize]);
    let mut ended = series(|at| at as f64);
    ended.truncate(COUNT as usize / 2);
    // The marker that says that a series ended.
    ended.push((end - COUNT / 4 * STEP_MS, f64::from_bits(0x7ff0_0000_0000_0002)));
    let name = ("__name__", "grafana_requests_total");
    let (instance, job) = (("instance", "a:1"), ("job", "api"));
    let mut labels = vec![name, ("code", "200"), instance, job];
    labels.extend(more);
    message_v1(&[
        Sent { labels: &labels, samples: &rising },
        Sent { labels: &[name, ("code", "500"), instance, job], samples: &resetting },
        Sent { labels: &[("__name__", "odd_numbers"), instance], samples: &odd },
        Sent { labels: &[("__name__", "ended"), instance], samples: &ended },
    ])
}

/// Native histograms of integers on both sides of zero, 15 s apart up to `end`.
fn histograms(end: i64) -> Vec<u8> {
    let label = |name: &[u8], value: &[u8]| field(1, &[field(1, name), field(2, value)].concat());
    let mut series = label(b"__name__", b"native");
    for step in 0..8 {
        let time = end - (7 - step) * STEP_MS;
        let zigzag = |number: i64| ((number << 1) ^ (number >> 63)) as u64;
        let span = |offset: i64, length: u64| {
            [varint_field(1, zigzag(offset)), varint_field(2, length)].concat()
        };
        let packed = |deltas: &[i64]| -> Vec<u8> {
            deltas.iter().flat_map(|delta| varint(zigzag(*delta))).collect()
        };
        // The counts 1 + step, 3, 0 above zero, 2 below, and 1 at zero.
        let message = [
            varint_field(1, (7 + step) as u64),
            double_field(3, 18.4 + step as f64),
            varint_field(4, zigzag(1)),
            double_field(5, 0.001),
            varint_field(6, 1),
            field(8, &span(0, 1)),
            field(9, &packed(&[2])),
            field(11, &span(-2, 1)),
            field(11, &span(3, 2)),
            field(12, &packed(&[1 + step, 2 - step, -3])),
            varint_field(15, time as u64),
        ];
        series.extend(field(4, &message.concat()));
    }
    field(1, &series)
}

fn post(address: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Response> {
    http::send(address, &Request { method: "POST", path, headers, body, timeout: PATIENCE })
}

#[test]
fn what_grafana_sends_is_answered() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), "[collect]\ndiscover = false")?;
    let time = recent_ms()?;
    ensure!(modelwatch.write(Protocol::V1, &message(time, ODD_LABEL))?.status == 204);
    wait::until("our own metrics", PATIENCE, || modelwatch.value("modelwatch_build_info"))?;
    let fixture: Value = serde_json::from_str(include_str!("fixtures/grafana.json"))?;
    let times = [("TIME", time), ("START", time - COUNT * STEP_MS)];
    let fill = |text: &str| {
        times.iter().fold(text.to_owned(), |text, (word, time)| {
            text.replace(word, &(time / 1_000).to_string())
        })
    };
    for request in fixture["requests"].as_array().context("there are no requests")? {
        let path = fill(request["path"].as_str().context("there is no path")?);
        let response = match request["body"].as_str() {
            Some(body) => post(&modelwatch.address, &path, FORM, fill(body).as_bytes())?,
            None => modelwatch.get(&path)?,
        };
        let what = || format!("{}: {} {}", request["what"], response.status, response.text());
        let status = request["status"].as_u64().unwrap_or(200);
        ensure!(u64::from(response.status) == status, what());
        if status != 204 {
            expect_shape(&response.json()?, &request["shape"]).with_context(what)?;
        }
    }
    for (lookback, count) in [("8s", 0), ("9", 2), ("0", 2)] {
        let later = (time + 8_500) as f64 / 1e3;
        let path = format!(
            "/api/v1/query?query=grafana_requests_total&time={later}&lookback_delta={lookback}"
        );
        let answer = modelwatch.json(&path)?;
        let found = answer["data"]["result"].as_array().map(Vec::len);
        ensure!(found == Some(count), "{path}: {answer}");
    }
    Ok(())
}

#[test]
fn methods_and_paths_are_those_of_prometheus() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), "[collect]\ndiscover = false")?;
    let foreign: &[(&str, &str)] = &[("Origin", "http://evil.example")];
    let check = |method, path: &str, headers, status| -> Result<Response> {
        let request = Request { method, path, headers, body: b"", timeout: PATIENCE };
        let response = http::send(&modelwatch.address, &request)?;
        ensure!(response.status == status, "{method} {path}: {}", response.status);
        let granted = response.header("Access-Control-Allow-Origin");
        ensure!(granted.is_none(), "{method} {path} grants {granted:?}");
        Ok(response)
    };
    check("OPTIONS", "/api/v1/query", &[], 204)?;
    check("OPTIONS", "/api/v1/nonsense", &[], 204)?;
    check("OPTIONS", "/api/v1/query", foreign, 403)?;
    for path in ["/federate", "/metrics", "/-/ready", "/"] {
        let answer = check("OPTIONS", path, &[], 200)?;
        ensure!(answer.header("Allow") == Some("GET,HEAD,OPTIONS") && answer.body.is_empty());
        ensure!(check("PUT", path, &[], 405)?.text() == "Method Not Allowed\n");
    }
    check("OPTIONS", "/nonsense", &[], 404)?;
    check("OPTIONS", "/federate", foreign, 403)?;
    check("PUT", "/api/v1/query", &[], 405)?;
    check("POST", "/api/v1/metadata", &[], 405)?;
    check("GET", "/api/v1/read", &[], 405)?;
    check("DELETE", "/federate", &[], 405)?;
    check("POST", "/api/v1/series?match[]=up", foreign, 403)?;
    let unknown = check("GET", "/api/v1/nonsense", &[], 404)?.json()?;
    ensure!(unknown["errorType"] == "not_found", "{unknown}");
    check("GET", "/api/v1/label/%FF/values", &[], 400)?;
    let path = "/api/v1/query?query=1&lookback_delta=x";
    let expected = "error parsing lookback delta duration: cannot parse \"x\" to a valid duration";
    ensure!(check("GET", path, &[], 400)?.json()?["error"] == expected);
    bad_pages_of_rules_are_refused(&modelwatch)?;
    check("GET", "/api/v1/rules?group_limit=1&exclude_alerts=T", &[], 200)?;
    ensure!(check("GET", "/federate?match[]=%7B%7D", &[], 200)?.body.is_empty());
    let nowhere = check("GET", "/api/v1/targets/metadata", &[], 200)?.json()?;
    ensure!(nowhere["data"] == serde_json::json!([]), "{nowhere}");
    // Of a parameter in both places the one in the body counts.
    let response = post(&modelwatch.address, "/api/v1/query?query=1&time=0", FORM, b"query=2")?;
    ensure!(response.json()?["data"]["result"][1] == "2", "{}", response.text());
    let zipped = [("Accept-Encoding", "gzip")];
    wait::until("an answer that is long enough to be zipped", PATIENCE, || {
        let response = check("GET", "/api/v1/label/__name__/values", &zipped, 200)?;
        ensure!(response.header("Content-Encoding") == Some("gzip"), "{:?}", response.headers);
        Ok(())
    })
}

/// In the words of Prometheus 3.5.3.
fn bad_pages_of_rules_are_refused(modelwatch: &Modelwatch) -> Result<()> {
    for (parameters, expected) in [
        ("match[]=%7B%7D&type=x", "match[] must contain at least one non-empty matcher"),
        ("type=x&group_limit=x", "invalid parameter \"type\": not supported value \"x\""),
        (
            "exclude_alerts=maybe",
            "invalid parameter \"exclude_alerts\": error converting exclude_alerts: \
             strconv.ParseBool: parsing \"maybe\": invalid syntax",
        ),
        (
            "group_limit=x",
            "invalid parameter \"group_limit\": group_limit needs to be a valid number: \
             strconv.ParseInt: parsing \"x\": invalid syntax",
        ),
        (
            "group_limit=0",
            "invalid parameter \"group_limit\": group_limit needs to be greater than 0",
        ),
        (
            "group_next_token=x",
            "invalid parameter \"group_next_token\": group_limit needs to be present in order to \
             paginate over the groups",
        ),
        (
            "group_limit=1&group_next_token=x",
            "invalid parameter \"group_next_token\": invalid group_next_token 'x'. were rule groups \
             changed?",
        ),
    ] {
        let response = modelwatch.get(&format!("/api/v1/rules?{parameters}"))?;
        let answer = response.json()?;
        ensure!(response.status == 400 && answer["error"] == expected, "{parameters}: {answer}");
    }
    Ok(())
}

/// Questions whose answers must be equal to the byte of every value, errors among them. Those of the
/// language are elsewhere.
const QUESTIONS: &[&str] = &[
    "query?query=1%2B1&time=TIME",
    "query?query=%22text%22&time=TIME",
    "query?query=grafana_requests_total&time=TIME",
    "query?query=odd_numbers&time=TIME",
    "query?query=odd_numbers%5B2m%5D&time=TIME",
    "query?query=ended&time=TIME",
    "query_range?query=grafana_requests_total&start=START&end=TIME&step=20",
    "query_range?query=odd_numbers&start=START&end=TIME&step=30s",
    "query_range?query=ended&start=START&end=TIME&step=10",
    "query?query=native&time=TIME",
    "query?query=native%5B1m%5D&time=TIME",
    "query_range?query=native&start=START&end=TIME&step=30",
    "series?match[]=native",
    "query?query=1&time=x",
    "query?query=1&time=TIME&timeout=x",
    "query?query=1&time=TIME&timeout=1e300",
    "query_range?query=1",
    "query_range?query=1&start=x&end=TIME&step=1",
    "query_range?query=1&start=START&end=x&step=1",
    "query_range?query=1&start=TIME&end=START&step=1",
    "query_range?query=1&start=START&end=TIME",
    "query_range?query=1&start=START&end=TIME&step=x",
    "query_range?query=1&start=START&end=TIME&step=-5m",
    "query_range?query=1&start=START&end=TIME&step=-5",
    "query_range?query=1&start=START&end=TIME&step=0",
    "query_range?query=1&start=START&end=TIME&step=1e10",
    "query_range?query=1&start=0&end=11000&step=1s",
    "query_range?query=1&start=0&end=11001&step=1s",
    "query_range?query=1&start=START&end=TIME&step=60&timeout=5x",
    "format_query?query=sum%20(rate(up%7Bjob%3D~%27a%22%27,%20b%21%3D%22%5Cu00e9%22%7D%5B90s%5D%20offset%20-1w))%20by%20(x)%20%3E%20bool%201e3",
    "format_query?query=a*on(x)group_left%20b%20or%20-%7B__name__%3D~%22c%7Cd%22%7D%405%20%23%20lost",
    "format_query?query=topk(3,%20max_over_time(grafana_requests_total_with_a_name_that_is_far_too_long%5B1h%3A300s%5D%20%40%20end()))%20without%20(x,%20y)%20%2F%20(2%20%5E%20-another_name_that_is_too_long_as_well)",
    "format_query?query=sum(",
    "format_query",
    "series",
    "series?match[]=grafana_requests_total",
    "series?match[]=grafana_requests_total&match[]=ended&match[]=nothing",
    "series?match[]=ended&start=TIME&end=START",
    "series?match[]=ended&start=x",
    "series?match[]=ended&end=x",
    "labels?match[]=ended",
    "labels?match[]=nothing",
    "series?match[]=%7Bx%3D%22%22%7D",
    "series?match[]=%7B%7D&match[]=ended",
    "labels?match[]=%7Bx%3D~%22.*%22%7D",
    "label/code/values?match[]=%7Bx!%3D%221%22%7D",
    "labels?start=x",
    "label/code/values?match[]=grafana_requests_total",
    "label/code/values?match[]=ended",
    "label/nothing/values",
    "label/code/values?end=x",
    "query_exemplars?query=up&start=TIME&end=START",
    "query_exemplars?query=up&start=x",
    "query_exemplars?query=ended&start=START&end=TIME",
    "query_exemplars?query=1",
    "metadata?limit=x",
    "targets/metadata?limit=x",
    "rules",
    "rules?type=x",
    "alerts",
    "alertmanagers",
];

#[test]
fn a_real_prometheus_answers_the_same() -> Result<()> {
    let Some(installed) = Prometheus::installed() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    // A Prometheus has no rules that nobody wrote.
    let quiet = "[collect]\ndiscover = false\n[alerts]\nbuiltin = false";
    let modelwatch = Modelwatch::start(folder.path(), quiet)?;
    let prometheus = Prometheus::start(&installed, folder.path(), "global: {}\n")?;
    let end = recent_ms()?;
    let headers = [("Content-Type", "application/x-protobuf"), ("Content-Encoding", "snappy")];
    for address in [&modelwatch.address, &prometheus.address] {
        let body = [message(end, &[]), histograms(end)].concat();
        let response = post(address, "/api/v1/write", &headers, &snappy(&body))?;
        ensure!(response.status == 204, "{address}: {} {}", response.status, response.text());
    }
    for question in QUESTIONS {
        // Windows of Prometheus 2 include their first moment, so no sample is put there.
        let question = question
            .replace("TIME", &format!("{}.5", end / 1_000))
            .replace("START", &format!("{}.25", end / 1_000 - COUNT * STEP_MS / 1_000));
        let path = format!("/api/v1/{question}");
        let (ours, theirs) = (modelwatch.get(&path)?, http::get(&prometheus.address, &path)?);
        let both = || {
            format!("{path}\n{} {}\n{} {}", ours.status, ours.text(), theirs.status, theirs.text())
        };
        ensure!(ours.status == theirs.status, both());
        if theirs.status != 204 {
            // Prometheus 2 begins this one with a capital, Prometheus 3 and we do not.
            let said = theirs.text().replace("Invalid time value", "invalid time value");
            ensure!(ours.json()? == serde_json::from_str::<Value>(&said)?, both());
        }
    }
    // Not only the values but the numbers are spelt alike.
    let path = format!("/api/v1/query?query=odd_numbers%5B2m%5D&time={}", end / 1_000 + 1);
    let (ours, theirs) =
        (modelwatch.get(&path)?.text(), http::get(&prometheus.address, &path)?.text());
    ensure!(ours == theirs, "{ours}\n{theirs}");
    Ok(())
}

#[test]
fn a_prometheus_that_reads_from_us_answers_as_we_do() -> Result<()> {
    let Some(installed) = Prometheus::installed() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), "[collect]\ndiscover = false")?;
    let end = recent_ms()?;
    ensure!(modelwatch.write(Protocol::V1, &message(end, &[]))?.status == 204);
    let config = format!(
        "remote_read:\n- url: http://{}/api/v1/read\n  read_recent: true\n",
        modelwatch.address
    );
    let reader = Prometheus::start(&installed, folder.path(), &config)?;
    let (start, end) = (end / 1_000 - 500, end / 1_000);
    for query in [
        "grafana_requests_total",
        "{__name__=~\"odd.+|ended\",instance!=\"\"}",
        "sum by (job) (max_over_time(grafana_requests_total{code!~\"4..\"}[67s]))",
        "nothing",
    ] {
        let path = format!(
            "/api/v1/query_range?query={}&start={start}.5&end={end}.5&step=7",
            encode(query)
        );
        let (ours, theirs) = (modelwatch.json(&path)?, http::get(&reader.address, &path)?.json()?);
        ensure!(ours == theirs, "{query}\n{ours}\n{theirs}");
        let is_empty = ours["data"]["result"].as_array().is_none_or(Vec::is_empty);
        ensure!(is_empty == (query == "nothing"), "{query}: {ours}");
    }
    Ok(())
}

#[test]
fn a_streamed_read_comes_in_frames() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), "[collect]\ndiscover = false")?;
    let end = recent_ms()?;
    ensure!(modelwatch.write(Protocol::V1, &message(end, &[]))?.status == 204);
    let read = |accepted: u64| {
        let matcher = [field(2, b"__name__"), field(3, b"grafana_requests_total")].concat();
        let query = [varint_field(2, end as u64), field(3, &matcher)].concat();
        let request = [field(1, &query), field(1, &query), varint_field(2, accepted)].concat();
        post(&modelwatch.address, "/api/v1/read", &[], &snappy(&request))
    };
    let response = read(1)?;
    ensure!(response.status == 200, "{}", response.text());
    let kind = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";
    ensure!(response.header("Content-Type") == Some(kind), "{:?}", response.headers);
    let (mut rest, mut frames) = (response.body.as_slice(), 0);
    while let [low, high, ..] = rest {
        // Each frame has some hundred bytes, so that its length takes two.
        ensure!(low & 0x80 != 0 && high & 0x80 == 0, "a length of other than two bytes");
        let length = usize::from(low & 0x7f) | usize::from(*high) << 7;
        let checksum = 4;
        rest = rest.get(2 + checksum + length..).context("a frame that is cut off")?;
        frames += 1;
    }
    // Two series for each of the two queries.
    ensure!(frames == 4 && rest.is_empty(), "{frames} frames and {rest:?}");
    let response = read(0)?;
    let kinds = [response.header("Content-Type"), response.header("Content-Encoding")];
    ensure!(kinds == [Some("application/x-protobuf"), Some("snappy")], "{kinds:?}");
    let response = read(7)?;
    ensure!(response.status == 400 && response.text().contains("response types"));
    let response = post(&modelwatch.address, "/api/v1/read", &[], b"garbage")?;
    ensure!(response.status == 400 && response.text().contains("snappy"), "{}", response.text());
    Ok(())
}

#[test]
fn a_prometheus_federates_us() -> Result<()> {
    let Some(installed) = Prometheus::installed() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), "[collect]\ndiscover = false")?;
    let end = recent_ms()?;
    ensure!(modelwatch.write(Protocol::V1, &message(end, ODD_LABEL))?.status == 204);
    let selector = "{__name__=~\"grafana.*|odd.*|ended\"}";
    let path = format!("/federate?match[]={}", encode(selector));
    let text = modelwatch.get(&path)?.text();
    let expected = format!(
        "# TYPE grafana_requests_total untyped\n\
         grafana_requests_total{{code=\"200\",instance=\"a:1\",job=\"api\",odd_label=\"é\"}} 273 {end}\n\
         grafana_requests_total{{code=\"500\",instance=\"a:1\",job=\"api\"}} 6.1 {end}\n\
         # TYPE odd_numbers untyped\n\
         odd_numbers{{instance=\"a:1\"}} 0.5 {end}\n"
    );
    ensure!(text == expected, "{text}");
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: federate\n  honor_labels: true\n  \
         metrics_path: /federate\n  params: {{'match[]': ['{selector}']}}\n  static_configs:\n  \
         - targets: ['{}']\n",
        modelwatch.address
    );
    let other = Prometheus::start(&installed, folder.path(), &config)?;
    wait::until("a scrape", PATIENCE, || {
        let path = format!("/api/v1/query?query=grafana_requests_total&time={}", end / 1_000);
        let answer = http::get(&other.address, &path)?.json()?;
        let result = answer["data"]["result"].as_array().context("no result")?;
        ensure!(result.len() == 2 && result[0]["metric"]["instance"] == "a:1", "{answer}");
        Ok(())
    })
}

/// What a command prints, which must succeed.
fn print(command: &mut Command) -> Result<String> {
    let output = run_to_end(command)?;
    ensure!(output.code == Some(0), "{output:?}");
    Ok(output.text)
}

#[test]
fn promtool_asks_us() -> Result<()> {
    let Some(installed) = Prometheus::installed() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), "[collect]\ndiscover = false")?;
    let end = recent_ms()?;
    ensure!(modelwatch.write(Protocol::V1, &message(end, &[]))?.status == 204);
    let url = format!("http://{}", modelwatch.address);
    let (start, end) = (end / 1_000 - 60, end / 1_000);
    let (start, end) = (format!("--start={start}"), format!("--end={end}"));
    let ask =
        |words: &[&str]| print(process::command(&installed.promtool).arg("query").args(words));
    let query = "grafana_requests_total{code=\"500\"}";
    let shown = "grafana_requests_total{code=\"500\", instance=\"a:1\", job=\"api\"}";
    let text = ask(&["instant", &url, query])?;
    ensure!(text.starts_with(shown) && text.contains("=> 6.1 @"), "{text}");
    let text = ask(&["range", &start, &end, "--step=15s", &url, query])?;
    ensure!(text.starts_with(shown) && text.lines().count() == 6, "{text}");
    let text = ask(&["series", &format!("--match={query}"), &url])?;
    let labels =
        "{__name__=\"grafana_requests_total\", code=\"500\", instance=\"a:1\", job=\"api\"}";
    ensure!(text.trim_end() == labels, "{text}");
    let text = ask(&["labels", &url, "code"])?;
    ensure!(["200", "500"].iter().all(|code| text.lines().any(|line| line == *code)), "{text}");
    check_metrics(&installed.promtool, &modelwatch, folder.path())
}

/// `promtool check metrics` can read our page. It dislikes names that node_exporter gave to things.
fn check_metrics(promtool: &Path, modelwatch: &Modelwatch, folder: &Path) -> Result<()> {
    let page = folder.join("metrics");
    std::fs::write(&page, modelwatch.get("/metrics")?.body)?;
    let mut command = process::command(promtool);
    command.args(["check", "metrics"]).stdin(std::fs::File::open(&page)?);
    let Output { code, text } = run_to_end(&mut command)?;
    let dislikes = |line: &str| !line.starts_with("node_");
    let ours: Vec<&str> = text.lines().filter(|line| dislikes(line)).collect();
    ensure!(matches!(code, Some(0 | 3)) && ours.is_empty(), "{code:?} {ours:?}");
    Ok(())
}
