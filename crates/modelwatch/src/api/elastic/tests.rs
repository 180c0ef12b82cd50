//! Searches over a store, from their body to their answer. Those that Grafana's data source sends have the form that
//! its tests (`pkg/tsdb/elasticsearch/testdata_request`) have, with our own fields.

use std::{sync::Arc, time::Duration};

use model::{
    Clock, UnixMs,
    log::{Line, Origin, Severity},
    series::Budget,
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use store::{Options, Store};

use super::{
    Failure, lucene,
    query::{Node, Reader},
    search::answer_to,
};

const BEGIN: i64 = 1_800_000_000_000;
const SECOND: i64 = 1_000;
const NOW: UnixMs = UnixMs(BEGIN + 120 * SECOND);

/// Twelve lines, one each ten seconds; every third is an error, every second is of another host.
struct World {
    #[expect(dead_code, reason = "deleted when it is dropped")]
    folder: tempfile::TempDir,
    store: Store,
    clock: Clock,
}

impl World {
    fn new(is_committed: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOW);
        let (store, _) = Store::open(folder.path(), Options::default(), clock.clone()).unwrap();
        let line = |at: i64| {
            let host = if at % 2 == 0 { "even" } else { "odd" };
            let source = if at < 6 { "file" } else { "syslog" };
            let origin = Origin { host: host.into(), source: source.into(), ..Origin::default() };
            Line {
                time: UnixMs(BEGIN + at * 10 * SECOND + 5_000),
                origin: Arc::new(origin),
                severity: Some(if at % 3 == 0 { Severity::Error } else { Severity::Info }),
                body: format!("Request {at} took long, path=/v1/chat"),
                attributes: vec![("took.ms".into(), (at * 100).to_string())],
                place: None,
            }
        };
        let lines: Vec<Line> = (0..12).map(line).collect();
        store.events().append(&lines).unwrap();
        if is_committed {
            store.events().commit().unwrap();
        }
        Self { folder, store, clock }
    }

    fn ask(&self, index: &str, body: &Json) -> Result<Json, Failure> {
        let budget = Budget::new(self.clock.clone(), Duration::from_secs(60), u64::MAX);
        answer_to(self.store.events(), &budget, NOW, index, body)
    }

    /// The numbers of the lines that are found, newest first.
    fn found(&self, query: &Json) -> Vec<i64> {
        let answer = self.ask("logs-*", &json!({ "query": query, "size": 100 })).unwrap();
        let hits = answer["hits"]["hits"].as_array().unwrap();
        let number = |hit: &Json| {
            let message = hit["_source"]["message"].as_str().unwrap();
            message.split(' ').nth(1).unwrap().parse().unwrap()
        };
        assert_eq!(answer["hits"]["total"]["value"], hits.len(), "{query}");
        hits.iter().map(number).collect()
    }
}

#[test]
fn queries() {
    for is_committed in [false, true] {
        let world = World::new(is_committed);
        let check = |query: Json, expected: &[i64]| {
            assert_eq!(world.found(&query), expected, "{query} {is_committed}");
        };
        let time = |at: i64| BEGIN + at * 10 * SECOND + 5_000;
        check(json!({ "match_all": {} }), &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
        check(json!({ "match_none": {} }), &[]);
        check(json!({ "term": { "log.level": "ERROR" } }), &[9, 6, 3, 0]);
        check(json!({ "term": { "host.name.keyword": { "value": "odd" } } }), &[11, 9, 7, 5, 3, 1]);
        check(json!({ "terms": { "level": ["error", "warn"], "boost": 1 } }), &[9, 6, 3, 0]);
        check(
            json!({ "match": { "message": "request 7" } }),
            &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
        );
        check(json!({ "match": { "message": { "query": "Request 7", "operator": "and" } } }), &[7]);
        check(json!({ "match_phrase": { "message": "request 7 took" } }), &[7]);
        check(json!({ "match_phrase_prefix": { "message": "request 7 to" } }), &[7]);
        check(json!({ "multi_match": { "query": "7", "fields": ["message^2", "host.*"] } }), &[7]);
        check(json!({ "prefix": { "host.name": "ev" } }), &[10, 8, 6, 4, 2, 0]);
        check(json!({ "wildcard": { "message": { "value": "1?" } } }), &[11, 10]);
        check(json!({ "wildcard": { "host.name": "*d*" } }), &[11, 9, 7, 5, 3, 1]);
        check(json!({ "regexp": { "message": "[78]" } }), &[8, 7]);
        check(json!({ "exists": { "field": "took.ms" } }), &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
        check(json!({ "exists": { "field": "nothing" } }), &[]);
        check(json!({ "range": { "took.ms": { "gte": 1000 } } }), &[11, 10]);
        check(json!({ "range": { "took.ms": { "gt": "1000" } } }), &[11]);
        check(json!({ "range": { "@timestamp": { "gte": time(3), "lt": time(5) } } }), &[4, 3]);
        check(json!({ "range": { "@timestamp": { "gte": "now-30s" } } }), &[11, 10, 9]);
        check(
            json!({ "range": { "@timestamp": { "gt": time(10), "format": "epoch_millis" } } }),
            &[11],
        );
        check(json!({ "bool": { "must_not": { "term": { "level": "info" } } } }), &[9, 6, 3, 0]);
        check(
            json!({ "bool": {
                "must": [{ "term": { "level": "error" } }],
                "filter": { "range": { "@timestamp": { "lte": time(8) } } },
                "should": [{ "term": { "host": "odd" } }],
            } }),
            &[6, 3, 0],
        );
        check(
            json!({ "bool": {
                "should": [
                    { "term": { "level": "error" } },
                    { "term": { "host": "odd" } },
                    { "range": { "took.ms": { "gte": 900 } } },
                ],
                "minimum_should_match": 2,
            } }),
            &[11, 9, 3],
        );
        check(
            json!({ "constant_score": { "filter": { "term": { "host": "odd" } } } }),
            &[11, 9, 7, 5, 3, 1],
        );
        check(json!({ "ids": { "values": ["1-2"] } }), &[]);
    }
}

#[test]
fn the_language_of_query_string() {
    let world = World::new(false);
    let check = |text: &str, expected: &[i64]| {
        let query = json!({ "query_string": { "query": text, "analyze_wildcard": true } });
        assert_eq!(world.found(&query), expected, "{text}");
    };
    let all: Vec<i64> = (0..12).rev().collect();
    check("*", &all);
    check("*:*", &all);
    check("", &all);
    check("7", &[7]);
    check("7 8", &[8, 7]);
    check("7 AND took", &[7]);
    check("+took -level:info +host:odd", &[9, 3]);
    check("level:error AND NOT host.name:odd", &[6, 0]);
    check("level:(error OR warn) AND host:odd", &[9, 3]);
    check("\"7 took\"", &[7]);
    check("message:\"request 7\"^2", &[7]);
    check("message:requ* && 7", &[7]);
    check("took.ms:[500 TO 700}", &[6, 5]);
    check("took.ms:>=1000", &[11, 10]);
    check("_exists_:took.ms !host:odd", &[10, 8, 6, 4, 2, 0]);
    check("host:/o.d/ AND level:error", &[9, 3]);
    check("message:/1[01]/", &[11, 10]);
    check("(7 OR 8) AND (host:odd)", &[7]);
    check("event.dataset:syslog AND level:error", &[9, 6]);
    check("@timestamp:[now-20s TO now]", &[11, 10]);
    let refused = |text: &str| lucene::read(&mut Reader::new(NOW), text, false, &[]).unwrap_err();
    for bad in ["(", "a)", "\"open", "a:[1 TO", "level:", "/open"] {
        assert!(!refused(bad).is_empty(), "{bad}");
    }
    assert_eq!(refused(&"(".repeat(100)), "the query is nested deeper than 24");
    let and = lucene::read(&mut Reader::new(NOW), "a b", true, &[]).unwrap();
    assert!(matches!(and, Node::And(_)), "{and:?}");
}

/// A log query, and what comes after its answer.
#[test]
fn lines_as_grafana_asks_for_them() {
    let world = World::new(false);
    let mut body = json!({
        "docvalue_fields": ["@timestamp"],
        "fields": [{ "field": "@timestamp", "format": "strict_date_optional_time_nanos" }],
        "highlight": {
            "fields": { "*": {} },
            "fragment_size": 2_147_483_647,
            "post_tags": ["@/HIGHLIGHT@"],
            "pre_tags": ["@HIGHLIGHT@"],
        },
        "query": { "bool": { "filter": [
            { "range": { "@timestamp": { "format": "epoch_millis", "gte": BEGIN, "lte": NOW.0 } } },
            { "query_string": { "analyze_wildcard": true, "query": "took AND level:error" } },
        ] } },
        "script_fields": {},
        "size": 2,
        "sort": {
            "@timestamp": { "order": "desc", "unmapped_type": "boolean" },
            "_doc": { "order": "desc" },
        },
    });
    let answer = world.ask("logs-*", &body).unwrap();
    assert_eq!(answer["hits"]["total"], json!({ "value": 4, "relation": "eq" }));
    let first = &answer["hits"]["hits"][0];
    assert_eq!(first["_index"], "logs-syslog-default");
    assert_eq!(first["fields"]["@timestamp"], json!(["2027-01-15T08:01:35.000Z"]));
    assert_eq!(
        first["highlight"]["message"][0],
        "Request 9 @HIGHLIGHT@took@/HIGHLIGHT@ long, path=/v1/chat"
    );
    assert_eq!(first["_source"]["log"]["level"], "error");
    assert_eq!(first["sort"][0], BEGIN + 95 * SECOND);
    let last = answer["hits"]["hits"][1].clone();
    let id = json!({ "query": { "ids": { "values": ["x", last["_id"]] } } });
    assert_eq!(world.ask("", &id).unwrap()["hits"]["hits"][0]["_source"], last["_source"]);
    body["search_after"] = last["sort"].clone();
    let next = world.ask("logs-*", &body).unwrap();
    let messages: Vec<&str> = next["hits"]["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| hit["_source"]["message"].as_str().unwrap())
        .collect();
    assert_eq!(messages.len(), 2);
    assert!(messages[0].starts_with("Request 3 ") && messages[1].starts_with("Request 0 "));
}

/// Terms, then steps of time, then numbers.
#[test]
fn metrics_as_grafana_asks_for_them() {
    let world = World::new(false);
    let body = json!({
        "aggs": { "4": {
            "aggs": { "2": {
                "aggs": {
                    "1": { "max": { "field": "took.ms" } },
                    "3": { "min": { "field": "took.ms" } },
                },
                "date_histogram": {
                    "extended_bounds": { "max": NOW.0 - 1, "min": BEGIN },
                    "field": "@timestamp",
                    "fixed_interval": "1m",
                    "format": "epoch_millis",
                    "min_doc_count": 0,
                },
            } },
            "terms": { "field": "host.name", "order": { "_key": "desc" }, "size": 10 },
        } },
        "query": { "bool": { "filter": { "range": { "@timestamp": {
            "format": "epoch_millis", "gte": BEGIN, "lte": NOW.0,
        } } } } },
        "size": 0,
    });
    let answer = world.ask("logs-*", &body).unwrap();
    let bucket = |key: i64, max: f64, min: f64| {
        json!({
            "key": key, "key_as_string": key.to_string(), "doc_count": 3,
            "1": { "value": max }, "3": { "value": min },
        })
    };
    let expected = json!({
        "doc_count_error_upper_bound": 0,
        "sum_other_doc_count": 0,
        "buckets": [
            { "key": "odd", "doc_count": 6, "2": { "buckets": [
                bucket(BEGIN, 500.0, 100.0), bucket(BEGIN + 60 * SECOND, 1_100.0, 700.0),
            ] } },
            { "key": "even", "doc_count": 6, "2": { "buckets": [
                bucket(BEGIN, 400.0, 0.0), bucket(BEGIN + 60 * SECOND, 1_000.0, 600.0),
            ] } },
        ],
    });
    assert_eq!(answer["aggregations"]["4"], expected);
    assert_eq!(answer["hits"]["hits"], json!([]));
}

/// How many lines of which level there are: filters, or terms, and within them steps of time.
#[test]
fn what_is_counted_by_the_store_is_what_is_counted_one_by_one() {
    for is_committed in [false, true] {
        let world = World::new(is_committed);
        let histogram = json!({ "date_histogram": {
            "field": "@timestamp", "fixed_interval": "30s", "min_doc_count": 0, "format": "epoch_millis",
            "extended_bounds": { "min": BEGIN - 60 * SECOND, "max": NOW.0 },
        } });
        // A metric within keeps the store from counting.
        let metric = json!({ "x": { "max": { "field": "nothing" } } });
        let mut slow_histogram = histogram.clone();
        slow_histogram["aggs"] = metric.clone();
        for kind in [
            json!({ "terms": { "field": "level", "order": { "_count": "desc" } } }),
            json!({ "filters": { "filters": {
                "error": { "query_string": { "query": "level:(error OR fatal)" } },
                "odd": { "term": { "host.name": "odd" } },
            } } }),
            json!({ "terms": { "field": "host.name", "size": 1, "missing": "none" } }),
        ] {
            let asked = |histogram: &Json| {
                let mut agg = kind.clone();
                agg["aggs"] = json!({ "times": histogram });
                let body = json!({ "size": 0, "aggs": { "a": agg } });
                world.ask("", &body).unwrap()["aggregations"]["a"].to_string()
            };
            let slow = asked(&slow_histogram).replace(r#""x":{"value":null}"#, "");
            let slow = slow.replace(",}", "}").replace("{,", "{").replace(",,", ",");
            let slow: Json = serde_json::from_str(&slow).unwrap();
            assert_eq!(slow.to_string(), asked(&histogram), "{kind}");
        }
        let answer = world.ask("", &json!({ "size": 0, "aggs": { "h": histogram } })).unwrap();
        let buckets = answer["aggregations"]["h"]["buckets"].as_array().unwrap().clone();
        let counts: Vec<_> =
            buckets.iter().map(|bucket| bucket["doc_count"].as_u64().unwrap()).collect();
        assert_eq!(counts, [0, 0, 3, 3, 3, 3, 0]);
    }
}

#[test]
fn numbers() {
    let world = World::new(false);
    let check = |agg: Json, expected: Json| {
        let body = json!({ "size": 0, "aggs": { "a": agg } });
        let answer = world.ask("logs", &body).unwrap();
        assert_eq!(answer["aggregations"]["a"], expected);
    };
    let field = json!({ "field": "took.ms" });
    check(json!({ "avg": field }), json!({ "value": 550.0 }));
    check(json!({ "sum": field }), json!({ "value": 6_600.0 }));
    check(json!({ "value_count": field }), json!({ "value": 12 }));
    check(json!({ "avg": { "field": "nothing" } }), json!({ "value": null }));
    check(json!({ "cardinality": { "field": "host.name" } }), json!({ "value": 2 }));
    check(
        json!({ "stats": field }),
        json!({ "count": 12, "min": 0.0, "max": 1_100.0, "avg": 550.0, "sum": 6_600.0 }),
    );
    check(
        json!({ "percentiles": { "field": "took.ms", "percents": ["50", 99.9] } }),
        json!({ "values": { "50.0": 550.0, "99.9": 1_098.9 } }),
    );
    check(
        json!({ "top_metrics": { "metrics": [{ "field": "took.ms" }], "sort": { "@timestamp": "desc" } } }),
        json!({ "top": [{ "sort": ["2027-01-15T08:01:55.000Z"], "metrics": { "took.ms": 1_100.0 } }] }),
    );
    check(
        json!({ "histogram": { "field": "took.ms", "interval": 500 } }),
        json!({ "buckets": [
            { "key": 0.0, "doc_count": 5 }, { "key": 500.0, "doc_count": 5 }, { "key": 1_000.0, "doc_count": 2 },
        ] }),
    );
    check(
        json!({ "max": { "field": "@timestamp" } }),
        json!({ "value": (BEGIN + 115 * SECOND) as f64, "value_as_string": "2027-01-15T08:01:55.000Z" }),
    );
    check(
        json!({ "terms": { "field": "host.name", "order": { "m": "asc" }, "size": 1 },
            "aggs": { "m": { "max": field } } }),
        json!({ "doc_count_error_upper_bound": 0, "sum_other_doc_count": 6, "buckets": [
            { "key": "even", "doc_count": 6, "m": { "value": 1_000.0 } },
        ] }),
    );
    check(
        json!({ "date_histogram": { "field": "@timestamp", "calendar_interval": "1d", "time_zone": "+02:00" } }),
        json!({ "buckets": [
            { "key": 1_799_964_000_000_i64, "key_as_string": "2027-01-14T22:00:00.000Z", "doc_count": 12 },
        ] }),
    );
}

#[test]
fn indices_are_sources() {
    let world = World::new(true);
    let count = |index: &str| {
        let answer = world.ask(index, &json!({ "size": 0 })).unwrap();
        answer["hits"]["total"]["value"].as_u64().unwrap()
    };
    for (index, expected) in [
        ("", 12),
        ("logs-*", 12),
        ("logs-file-*", 6),
        ("logs-file-default,logs-syslog-default", 12),
        ("*,-logs-file-*", 6),
        ("filebeat-*", 0),
    ] {
        assert_eq!(count(index), expected, "{index}");
    }
}

#[test]
fn what_is_not_understood_is_said() {
    let world = World::new(false);
    let check = |body: Json, expected: &str| {
        let failure = world.ask("", &body).unwrap_err();
        assert_eq!(failure.reason, expected);
        assert_eq!(failure.json()["status"], 400);
    };
    check(json!({ "query": { "fuzzy": {} } }), "unknown query [fuzzy]");
    check(
        json!({ "query": { "range": { "@timestamp": { "gte": "x" } } } }),
        "failed to parse date field [x]",
    );
    check(
        json!({ "aggs": { "a": { "geo_bounds": {} } } }),
        "[a] unknown aggregation type [geo_bounds]: modelwatch does not have it",
    );
    check(
        json!({ "sort": [{ "host.name": "asc" }] }),
        "documents are sorted by @timestamp here, not by [host.name]",
    );
    check(
        json!({ "size": 20_000 }),
        "Result window is too large, from + size must be less than or equal to: [10000]; go on with search_after",
    );
    let mut deep = json!({ "match_all": {} });
    for _ in 0..40 {
        deep = json!({ "bool": { "must": [deep] } });
    }
    check(json!({ "query": deep }), "the query is nested deeper than 24");
    let seconds = json!({ "date_histogram": { "field": "@timestamp", "fixed_interval": "1ms",
        "extended_bounds": { "min": 0, "max": NOW.0 } } });
    let failure = world.ask("", &json!({ "aggs": { "a": seconds } })).unwrap_err();
    assert_eq!(failure.kind, "too_many_buckets_exception");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in r#"[a-z:"()\[\]{}/*?\\~^+! -]{0,40}|(AND |OR |NOT |TO |a:){0,8}"#) {
        drop(lucene::read(&mut Reader::new(NOW), &text, false, &[]));
    }
}
