//! Lines as Grafana's data sources of Loki and of Elasticsearch ask for them, request by request, and as real clients
//! of Elasticsearch do. The requests are those of Grafana's own code (`pkg/tsdb/loki/api.go` and `healthcheck.go`,
//! `pkg/tsdb/elasticsearch/healthcheck.go` and `testdata_request`), with our fields.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use e2e::{
    Modelwatch, NOTICED, PATIENCE, encode,
    remote_write::recent_ms,
    skip,
    socket::{LiveSocket, Message},
};
use model::{
    Clock, UnixMs,
    log::{Line, Origin, Severity},
};
use serde_json::{Value, json};
use store::{Options, Store};
use xtask::{
    http::{self, Request, Response},
    peers, process, wait,
};

/// Without the lines of this machine.
const QUIET: &str =
    "[collect]\ndiscover = false\n[logs]\nauth = false\ndiscover = false\nkernel = false\n";
const MINUTE_MS: i64 = 60_000;

/// A modelwatch with an hour of lines, one a minute, every fourth an error.
struct World {
    #[expect(dead_code, reason = "deleted when it is dropped")]
    folder: tempfile::TempDir,
    modelwatch: Modelwatch,
    begin: i64,
    end: i64,
}

impl World {
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let end = recent_ms()?;
        let begin = end - 60 * MINUTE_MS;
        let (store, _) =
            Store::open(&folder.path().join("data"), Options::default(), Clock::system())?;
        let line = |minute: i64| Line {
            time: UnixMs(begin + minute * MINUTE_MS + 1_000),
            origin: Arc::new(Origin {
                source: "file".to_owned(),
                origin: "/var/log/vllm.log".to_owned(),
                host: "box".to_owned(),
                service: "vllm".to_owned(),
                ..Origin::default()
            }),
            severity: Some(if minute % 4 == 0 { Severity::Error } else { Severity::Info }),
            body: format!("request={minute} took={}ms", minute * 10),
            attributes: vec![("took_ms".to_owned(), (minute * 10).to_string())],
            place: None,
        };
        let lines: Vec<Line> = (0..60).map(line).collect();
        store.events().append(&lines)?;
        drop(store);
        let modelwatch = Modelwatch::start(folder.path(), QUIET)?;
        Ok(Self { folder, modelwatch, begin, end })
    }

    fn loki(
        &self,
        path: &str,
        pairs: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Result<Response> {
        let pairs: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let path = format!("/loki/api/v1/{path}?{}", pairs.join("&"));
        let request = Request { method: "GET", path: &path, headers, body: b"", timeout: PATIENCE };
        http::send(&self.modelwatch.address, &request)
    }

    /// As Grafana asks over the hour.
    fn range(&self, query: &str) -> Result<Value> {
        let nanos = |ms: i64| format!("{ms}000000");
        let (start, end) = (nanos(self.begin), nanos(self.end));
        let pairs = [
            ("direction", "backward"),
            ("end", end.as_str()),
            ("limit", "1000"),
            ("query", query),
            ("start", start.as_str()),
            ("step", "60000ms"),
        ];
        let flags = [("X-Loki-Response-Encoding-Flags", "categorize-labels")];
        let answer = self.loki("query_range", &pairs, &flags)?;
        ensure!(answer.status == 200, "{query}: {}", answer.text());
        let answer = answer.json()?;
        ensure!(answer["status"] == "success", "{answer}");
        Ok(answer["data"].clone())
    }

    fn elastic(&self, method: &str, path: &str, kind: &str, body: &str) -> Result<Response> {
        let path = format!("/elasticsearch/{path}");
        let headers = &[("Content-Type", kind)];
        let body = body.as_bytes();
        let request = Request { method, path: &path, headers, body, timeout: PATIENCE };
        let answer = http::send(&self.modelwatch.address, &request)?;
        ensure!(
            answer.header("X-Elastic-Product") == Some("Elasticsearch"),
            "{:?}",
            answer.headers
        );
        Ok(answer)
    }

    /// One search as Grafana sends all of them.
    fn msearch(&self, search: &Value) -> Result<Value> {
        let head =
            r#"{"ignore_unavailable":true,"index":"logs-*","search_type":"query_then_fetch"}"#;
        let body = format!("{head}\n{search}\n");
        let path = "_msearch?max_concurrent_shard_requests=5";
        let answer = self.elastic("POST", path, "application/x-ndjson", &body)?;
        ensure!(answer.status == 200, "{}", answer.text());
        let answer = answer.json()?;
        ensure!(answer["responses"][0]["status"] == 200, "{answer}");
        Ok(answer["responses"][0].clone())
    }

    fn hour(&self) -> Value {
        json!({ "range": { "@timestamp": {
            "format": "epoch_millis", "gte": self.begin, "lte": self.end,
        } } })
    }
}

#[test]
fn grafanas_data_source_of_loki() -> Result<()> {
    let world = World::start()?;
    // Save & test.
    let health =
        [("direction", "backward"), ("query", "vector(1)+vector(1)"), ("time", "4000000000")];
    let answer = world.loki("query", &health, &[])?.json()?;
    let result = &answer["data"]["result"][0];
    let is_right = answer["data"]["resultType"] == "vector" && result["value"][1] == "2";
    ensure!(is_right, "{answer}");
    ensure!(world.modelwatch.get("/ready")?.text().starts_with("ready"));
    let about = world.loki("status/buildinfo", &[], &[])?.json()?;
    ensure!(about["version"].is_string(), "{about}");
    // What the editor offers.
    let labels = world.loki("labels", &[], &[])?.json()?;
    let has = |values: &Value, wanted: &str| {
        values["data"].as_array().is_some_and(|found| found.iter().any(|value| value == wanted))
    };
    for label in ["level", "detected_level", "service_name", "host", "took_ms"] {
        ensure!(has(&labels, label), "{label}: {labels}");
    }
    for (label, value) in [("level", "error"), ("service_name", "vllm"), ("took_ms", "100")] {
        let values =
            world.loki(&format!("label/{label}/values"), &[("query", "{host=\"box\"}")], &[])?;
        let values = values.json()?;
        ensure!(has(&values, value), "{label}: {values}");
    }
    let series =
        world.loki("series", &[("match[]", "{host=\"box\",level=\"error\"}")], &[])?.json()?;
    let one = json!([{
        "host": "box", "level": "error", "origin": "/var/log/vllm.log", "service_name": "vllm", "source": "file",
    }]);
    ensure!(series["data"] == one, "{series}");
    let start = format!("{}000000", world.begin);
    let pairs = [("query", "{host=\"box\"}"), ("start", start.as_str())];
    let stats = world.loki("index/stats", &pairs, &[])?.json()?;
    ensure!(stats["entries"] == 60 && stats["bytes"].as_u64() > Some(0), "{stats}");
    // Lines, and how many of which level there are over time.
    let data = world.range("{service_name=`vllm`} |= `took` | logfmt | took > 500ms")?;
    ensure!(data["resultType"] == "streams", "{data}");
    ensure!(data["encodingFlags"] == json!(["categorize-labels"]), "{data}");
    let streams = data["result"].as_array().context("no streams")?;
    let lines: usize = streams.iter().filter_map(|s| s["values"].as_array()).map(Vec::len).sum();
    ensure!(lines == 9, "{lines} lines: {data}");
    let first = &streams[0]["values"][0];
    ensure!(first[0].as_str().is_some_and(|time| time.len() == 19), "{first}");
    ensure!(first[2]["parsed"]["took"].is_string(), "{first}");
    let volume =
        "sum by (level, detected_level) (count_over_time({service_name=`vllm`} |= `took` [1m]))";
    let data = world.range(volume)?;
    ensure!(data["resultType"] == "matrix", "{data}");
    let total: f64 = data["result"]
        .as_array()
        .context("no series")?
        .iter()
        .flat_map(|series| series["values"].as_array().into_iter().flatten())
        .filter_map(|value| value[1].as_str()?.parse::<f64>().ok())
        .sum();
    ensure!((59.0..=60.0).contains(&total), "{total}: {data}");
    // What is wrong is said as a text.
    let wrong = world.loki("query_range", &[("query", "{host=")], &[])?;
    ensure!(wrong.status == 400, "{}", wrong.status);
    ensure!(wrong.text().starts_with("parse error at line 1, col 7"), "{}", wrong.text());
    for path in ["patterns", "detected_fields", "detected_labels", "index/volume"] {
        let answer = world.loki(path, &[("query", "{host=\"box\"}"), ("limit", "50")], &[])?;
        ensure!(answer.status == 200, "{path}: {}", answer.text());
    }
    Ok(())
}

#[test]
fn lines_are_watched_as_loki_lets_them() -> Result<()> {
    let world = World::start()?;
    let path = format!("/loki/api/v1/tail?query={}&limit=2", encode("{host=\"box\"}"));
    let address = &world.modelwatch.address;
    let mut socket = LiveSocket::open_path(address, &path, address, None)?;
    let Message::Text(past) = socket.receive()? else { anyhow::bail!("no text") };
    let count = |message: &Value| -> usize {
        let streams = message["streams"].as_array().into_iter().flatten();
        streams.filter_map(|stream| stream["values"].as_array()).map(Vec::len).sum()
    };
    ensure!(count(&past) == 2, "{past}");
    let push = json!({ "streams": [{
        "stream": { "host": "box", "job": "new" },
        "values": [[format!("{}000000", recent_ms()?), "it came just now"]],
    }] });
    let answer = http::post_json(address, "/loki/api/v1/push", &push)?;
    ensure!(answer.status == 204, "{}", answer.text());
    let Message::Text(live) = socket.receive()? else { anyhow::bail!("no text") };
    ensure!(live["streams"][0]["values"][0][1] == "it came just now", "{live}");
    // And it is found by the label that it was sent with.
    wait::until("the line", NOTICED, || {
        let pairs = [("query", "{job=\"new\"}")];
        let answer = world.loki("query_range", &pairs, &[])?.json()?;
        ensure!(answer["data"]["result"][0]["stream"]["job"] == "new", "{answer}");
        Ok(())
    })
}

#[test]
fn grafanas_data_source_of_elasticsearch() -> Result<()> {
    let world = World::start()?;
    let json_kind = "application/json";
    let get = |path: &str| world.elastic("GET", path, json_kind, "")?.json();
    // Save & test.
    ensure!(get("_cluster/health?wait_for_status=yellow")?["status"] == "green");
    ensure!(get("")?["version"]["build_flavor"] == "default");
    let caps = get("logs-*/_field_caps?fields=@timestamp")?;
    ensure!(caps["fields"]["@timestamp"]["date"]["type"] == "date", "{caps}");
    // What the editor offers.
    let mapping = get("logs-*/_mapping")?;
    let properties = &mapping["logs-file-default"]["mappings"]["properties"];
    ensure!(properties["log"]["properties"]["level"]["type"] == "keyword", "{mapping}");
    ensure!(properties["took_ms"]["type"] == "double", "{mapping}");
    // Values of a variable.
    let terms = world.msearch(&json!({
        "aggs": { "1": { "terms": { "field": "log.level", "order": { "_key": "asc" }, "size": 500 } } },
        "query": { "bool": { "filter": [world.hour()] } },
        "size": 0,
    }))?;
    let buckets = &terms["aggregations"]["1"]["buckets"];
    let expected = json!([{ "key": "error", "doc_count": 15 }, { "key": "info", "doc_count": 45 }]);
    ensure!(*buckets == expected, "{terms}");
    // Lines.
    let logs = world.msearch(&json!({
        "docvalue_fields": ["@timestamp"],
        "fields": [{ "field": "@timestamp", "format": "strict_date_optional_time_nanos" }],
        "highlight": {
            "fields": { "*": {} },
            "fragment_size": 2_147_483_647,
            "post_tags": ["@/HIGHLIGHT@"],
            "pre_tags": ["@HIGHLIGHT@"],
        },
        "query": { "bool": { "filter": [
            world.hour(),
            { "query_string": { "analyze_wildcard": true, "query": "level:error AND took" } },
        ] } },
        "script_fields": {},
        "size": 10,
        "sort": {
            "@timestamp": { "order": "desc", "unmapped_type": "boolean" },
            "_doc": { "order": "desc" },
        },
    }))?;
    ensure!(logs["hits"]["total"]["value"] == 15, "{logs}");
    let first = &logs["hits"]["hits"][0];
    ensure!(first["_source"]["message"] == "request=56 took=560ms", "{first}");
    ensure!(first["sort"].as_array().map(Vec::len) == Some(2), "{first}");
    // How many there are over time, and a number.
    let metric = world.msearch(&json!({
        "aggs": { "2": {
            "aggs": { "1": { "avg": { "field": "took_ms" } } },
            "date_histogram": {
                "extended_bounds": { "max": world.end, "min": world.begin },
                "field": "@timestamp",
                "fixed_interval": "1h",
                "format": "epoch_millis",
                "min_doc_count": 0,
            },
        } },
        "query": { "bool": { "filter": [world.hour()] } },
        "size": 0,
    }))?;
    let buckets = metric["aggregations"]["2"]["buckets"].as_array().context("no buckets")?;
    let count: u64 = buckets.iter().filter_map(|bucket| bucket["doc_count"].as_u64()).sum();
    ensure!(count == 60 && buckets[0]["1"]["value"].is_number(), "{metric}");
    Ok(())
}

#[test]
fn what_other_clients_of_elasticsearch_ask() -> Result<()> {
    let world = World::start()?;
    let json_kind = "application/json";
    let get = |path: &str| world.elastic("GET", path, json_kind, "")?.json();
    let found = get("logs/_search?q=level:error&size=1&sort=@timestamp:asc")?;
    let first = &found["hits"]["hits"][0];
    ensure!(first["_source"]["message"] == "request=0 took=0ms", "{found}");
    ensure!(get("_count?q=level:error")?["count"] == 15);
    ensure!(get("_cat/indices?format=json")?[0]["index"] == "logs-file-default");
    ensure!(get("_resolve/index/*")?["indices"][0]["name"] == "logs-file-default");
    ensure!(get("_alias")?["logs-file-default"]["aliases"]["logs"].is_object());
    let id = first["_id"].as_str().context("no id")?;
    ensure!(get(&format!("logs-file-default/_doc/{id}"))?["found"] == true);
    let missing = world.elastic("GET", "other/_search", json_kind, "")?;
    ensure!(missing.status == 404, "{}", missing.text());
    ensure!(missing.json()?["error"]["type"] == "index_not_found_exception");
    let wrong = world.elastic("POST", "_search", json_kind, "{\"query\":{\"x\":1}}")?;
    ensure!(wrong.json()?["error"]["type"] == "parsing_exception", "{}", wrong.text());
    Ok(())
}

#[test]
fn clients_of_elasticsearch_search() -> Result<()> {
    let world = World::start()?;
    for (name, package) in [
        ("elasticsearch-9", "elasticsearch==9.5.1"),
        ("elasticsearch-8", "elasticsearch==8.19.3"),
        ("elasticsearch-7", "elasticsearch==7.17.13"),
        ("opensearch-py", "opensearch-py==3.2.0"),
    ] {
        let folder = match peers::python(name, &[package]) {
            Ok(folder) => folder,
            Err(error) => {
                skip(&format!("there is no {name}: {error:#}"));
                continue;
            }
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat/search.py");
        let mut python = process::command("python3");
        python.arg(script).arg(&world.modelwatch.address).env("PYTHONPATH", folder);
        let said = process::capture(&mut python).with_context(|| format!("{name} failed"))?;
        xtask::say(&format!("{name}: {}", said.trim()));
    }
    Ok(())
}
