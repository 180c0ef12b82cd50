//! Queries over a store, from their text to their answer.

use std::{sync::Arc, time::Duration};

use model::{
    Clock, UnixMs,
    log::{Line, Origin, Severity},
    series::{Budget, TimeRange},
};
use serde_json::{Value as Json, json};
use store::{Options, Store};

use super::{
    answer,
    logql::{Expr, parse},
    metrics::{Evaluation, Failure, Grid},
    streams::{self, Direction, Wanted},
};

/// A multiple of all steps that are used.
const BEGIN: i64 = 1_800_000_000_000;
const SECOND: i64 = 1_000;

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
        let clock = Clock::manual(UnixMs(BEGIN + 120 * SECOND));
        let (store, _) = Store::open(folder.path(), Options::default(), clock.clone()).unwrap();
        let line = |at: i64| {
            let host = if at % 2 == 0 { "even" } else { "odd" };
            let service = "vllm".to_owned();
            let origin = Origin { host: host.into(), service, ..Origin::default() };
            Line {
                time: UnixMs(BEGIN + at * 10 * SECOND + 5_000),
                origin: Arc::new(origin),
                severity: Some(if at % 3 == 0 { Severity::Error } else { Severity::Info }),
                body: format!("request={at} took={}ms path=\"/v1/a b\"", at * 100),
                attributes: vec![("trace.id".into(), format!("t{at}")), ("job".into(), "j".into())],
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

    fn budget(&self) -> Budget {
        Budget::new(self.clock.clone(), Duration::from_secs(60), u64::MAX)
    }

    fn lines(&self, query: &str, direction: Direction, limit: usize) -> Vec<String> {
        let Expr::Log(log) = parse(query).unwrap() else { panic!("{query}") };
        let range = TimeRange { start: UnixMs(BEGIN), end: UnixMs(BEGIN + 120 * SECOND - 1) };
        let wanted = Wanted { range, direction, limit, is_categorized: true };
        let found = streams::find(self.store.events(), &log, &wanted, &self.budget()).unwrap();
        let mut entries: Vec<_> = found.streams.into_values().flatten().collect();
        entries.sort_by_key(|entry| match direction {
            Direction::Forward => entry.time.0,
            Direction::Backward => -entry.time.0,
        });
        entries.into_iter().map(|entry| entry.line).collect()
    }

    /// The answer's `result`, and how many lines were read.
    fn range(&self, query: &str, step: i64) -> Result<Json, String> {
        let (start, end) = (UnixMs(BEGIN + 60 * SECOND), UnixMs(BEGIN + 120 * SECOND));
        let step = Duration::from_millis(step.unsigned_abs());
        let grid = Grid::aligned(start, end, step)?;
        let events = self.store.events();
        let budget = self.budget();
        let mut evaluation = Evaluation::new(events, &budget, grid);
        match evaluation.evaluate(&parse(query).unwrap()) {
            Ok(value) => {
                let text = answer::matrix(value, &evaluation, Duration::ZERO);
                let answer: Json = serde_json::from_str(&text).unwrap();
                Ok(answer["data"]["result"].clone())
            }
            Err(Failure::Other(text)) => Err(text),
            Err(Failure::Store(error)) => Err(error.to_string()),
        }
    }

    fn instant(&self, query: &str) -> Json {
        let expr = parse(query).unwrap();
        let events = self.store.events();
        let budget = self.budget();
        let grid = Grid::instant(UnixMs(BEGIN + 120 * SECOND));
        let mut evaluation = Evaluation::new(events, &budget, grid);
        let value = evaluation.evaluate(&expr).unwrap();
        let text = answer::instant(&expr, value, &evaluation, Duration::ZERO);
        let answer: Json = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["status"], "success");
        answer
    }
}

#[test]
fn lines_are_found_wherever_the_store_has_them() {
    for is_committed in [false, true] {
        let world = World::new(is_committed);
        let check = |query: &str, expected: &[i64]| {
            let bodies = world.lines(query, Direction::Forward, 100);
            let expected: Vec<String> =
                expected.iter().map(|at| format!("request={at} ")).collect();
            let is_same = bodies.len() == expected.len()
                && bodies.iter().zip(&expected).all(|(body, start)| body.starts_with(start));
            assert!(is_same, "{query} {is_committed}: {bodies:?}");
        };
        check("{host=`even`} |= `request=1`", &[10]);
        check("{level=`error`}", &[0, 3, 6, 9]);
        check("{detected_level=~`err.*|x`, host!=`even`}", &[3, 9]);
        check("{level!~`err.*`} | host=`odd`", &[1, 5, 7, 11]);
        check("{job=`j`} | logfmt | took > 900ms", &[10, 11]);
        check("{job=~`j|k`} |= `took=100ms` or `took=200ms`", &[1, 2]);
        check("{job=``}", &[]);
        check("{engine=``} | trace_id=`t5`", &[5]);
        check("{engine=``} | trace_id=~`t[56]` != `request=5`", &[6]);
        check("{} |~ `took=(1|2)00ms` | drop host", &[1, 2]);
        check("{} |= `A B`", &[]);
        check("{} |= `/v1/a b` | regexp `request=(?P<n>\\d+)` | n >= 10", &[10, 11]);
    }
}

#[test]
fn lines_come_in_order_and_no_more_than_wanted() {
    let world = World::new(false);
    let first = |direction, query: &str| world.lines(query, direction, 2);
    let is = |lines: &[String], expected: [&str; 2]| {
        assert!(
            lines.iter().zip(expected).all(|(line, start)| line.starts_with(start)),
            "{lines:?}"
        );
        assert_eq!(lines.len(), 2);
    };
    is(&first(Direction::Backward, "{host=`odd`}"), ["request=11", "request=9"]);
    is(&first(Direction::Forward, "{host=`odd`}"), ["request=1", "request=3"]);
    is(&first(Direction::Backward, "{host=`odd`} | logfmt"), ["request=11", "request=9"]);
}

#[test]
fn streams_are_as_loki_has_them() {
    let world = World::new(false);
    let Expr::Log(log) = parse("{} |= `request=3 ` | logfmt path").unwrap() else { panic!() };
    let range = TimeRange { start: UnixMs(BEGIN), end: UnixMs(BEGIN + 120 * SECOND) };
    let answered = |is_categorized| {
        let wanted = Wanted { range, direction: Direction::Backward, limit: 10, is_categorized };
        let found = streams::find(world.store.events(), &log, &wanted, &world.budget()).unwrap();
        let text = answer::streams(&found, is_categorized, Duration::ZERO);
        serde_json::from_str::<Json>(&text).unwrap()["data"].clone()
    };
    let (time, line) = ("1800000035000000000", "request=3 took=300ms path=\"/v1/a b\"");
    let together = answered(false);
    assert_eq!(together["resultType"], "streams");
    assert_eq!(
        together["result"],
        json!([{
            "stream": {
                "host": "odd", "job": "j", "level": "error", "path": "/v1/a b", "service_name": "vllm",
                "trace_id": "t3",
            },
            "values": [[time, line]],
        }])
    );
    let apart = answered(true);
    assert_eq!(apart["encodingFlags"], json!(["categorize-labels"]));
    let more = json!({
        "structuredMetadata": { "job": "j", "trace_id": "t3" },
        "parsed": { "path": "/v1/a b" },
    });
    assert_eq!(
        apart["result"],
        json!([{
            "stream": { "host": "odd", "level": "error", "service_name": "vllm" },
            "values": [[time, line, more]],
        }])
    );
}

#[test]
fn what_the_store_counts_is_what_is_counted_line_by_line() {
    for is_committed in [false, true] {
        let world = World::new(is_committed);
        // A step that keeps everything makes it read lines.
        for (counted, read) in [
            ("sum(count_over_time({} [30s]))", "sum(count_over_time({} | logfmt [30s]))"),
            (
                "sum by (level, host) (rate({} [1m]))",
                "sum by (level, host) (rate({} | logfmt [1m]))",
            ),
            (
                "sum by (level, detected_level) (count_over_time({host=`odd`} [7s] offset 3s))",
                "sum by (level, detected_level) (count_over_time({host=`odd`} | logfmt [7s] offset 3s))",
            ),
            (
                "absent_over_time({host=`odd`, level=`error`} [20s])",
                "absent_over_time({host=`odd`, level=`error`} | logfmt [20s])",
            ),
        ] {
            for step in [10_000, 15_000, 60_000] {
                let counted = world.range(counted, step).unwrap();
                assert_eq!(counted, world.range(read, step).unwrap());
                assert_ne!(counted, json!([]), "{read}");
            }
        }
    }
}

#[test]
fn metrics() {
    let world = World::new(false);
    let check = |query: &str, expected: Json| {
        let answer = world.instant(query);
        assert_eq!(answer["data"]["result"], expected, "{query}");
    };
    let time = BEGIN / 1_000 + 120;
    let one = |labels: Json, value: &str| json!({ "metric": labels, "value": [time, value] });
    let sums = |value: &str| json!([one(json!({}), value)]);
    check("vector(1)+vector(1)", sums("2"));
    check("sum(count_over_time({}[2m]))", sums("12"));
    check("sum(rate({}[1m]))", sums("0.1"));
    check("sum(count_over_time({}[2m])) / 24", sums("0.5"));
    check("sum(count_over_time({}[2m])) > 20", json!([]));
    check("sum(count_over_time({}[2m])) > bool 20", sums("0"));
    check("sum(count_over_time({host=`no`}[2m])) or vector(0)", sums("0"));
    check("sum(count_over_time({}[1m] offset 1m))", sums("6"));
    check("absent_over_time({host=`no`}[2m])", json!([one(json!({ "host": "no" }), "1")]));
    check("absent_over_time({host=`odd`}[2m])", json!([]));
    check(
        "sum by (host) (count_over_time({level=`error`}[2m]))",
        json!([one(json!({ "host": "even" }), "2"), one(json!({ "host": "odd" }), "2")]),
    );
    check(
        "sum by (job) (count_over_time({level=`error`}[2m]))",
        json!([one(json!({ "job": "j" }), "4")]),
    );
    check("count(count_over_time({} | keep host, level [2m]))", sums("4"));
    check(
        "topk(1, sum by (level) (count_over_time({}[2m])))",
        json!([one(json!({ "level": "info" }), "8")]),
    );
    check(
        "bottomk(1, sum by (level) (count_over_time({}[2m])))",
        json!([one(json!({ "level": "error" }), "4")]),
    );
    check(
        "max_over_time({} | logfmt | unwrap duration(took) [2m]) by (host)",
        json!([one(json!({ "host": "even" }), "1"), one(json!({ "host": "odd" }), "1.1")]),
    );
    check("sum(sum_over_time({} | logfmt | unwrap request [2m]))", sums("66"));
    check(
        "quantile_over_time(0.5, {} | logfmt | unwrap request [2m]) by (job)",
        json!([one(json!({ "job": "j" }), "5.5")]),
    );
    check("sum(bytes_over_time({} |= `request=0 `[2m]))", sums("33"));
    check(
        "sum by (level) (count_over_time({}[2m])) - sum by (level) (count_over_time({}[2m]))",
        json!([one(json!({ "level": "error" }), "0"), one(json!({ "level": "info" }), "0")]),
    );
    check("1 + 1", json!([time, "2"]));
    check("2 > bool 3", json!([time, "0"]));
}

#[test]
fn lines_that_a_step_fails_on_are_left_out_and_told() {
    let world = World::new(false);
    let answer = world.instant("sum(count_over_time({} | json [2m]))");
    assert_eq!(answer["data"]["result"], json!([]));
    let told = answer["warnings"][0].as_str().unwrap().to_owned();
    assert!(told.starts_with("12 lines are left out") && told.contains("JSONParserErr"), "{told}");
}

#[test]
fn answers_are_bounded() {
    let world = World::new(false);
    let error = world.range("vector(1)", 1).unwrap_err();
    assert!(error.starts_with("exceeded maximum resolution of 11000 points"), "{error}");
}
