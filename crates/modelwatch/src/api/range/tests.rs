use std::path::Path;

use model::{Clock, UnixMs, sample::Batch};
use serde_json::Value as Json;
use store::{Options, Store};

use super::*;
use crate::api::query::Limits;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
/// A midnight.
const START: i64 = 1_795_478_400_000;

/// What a test asks about.
struct Asking {
    queries: Queries,
    clock: Clock,
    _folder: tempfile::TempDir,
}

impl Asking {
    /// Series of `a` whose values are given by time after [`START`], every `period_ms` for `span_ms`.
    fn new(
        series: &[&str],
        (period_ms, span_ms): (i64, i64),
        value: impl Fn(usize, i64) -> Option<f64>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(UnixMs(START));
        let store = open(folder.path(), &clock);
        let labels: Vec<Labels> =
            series.iter().map(|name| Labels::metric("a", [("b", *name)])).collect();
        for time in (period_ms..=span_ms).step_by(usize::try_from(period_ms).unwrap()) {
            let now = UnixMs(START + time);
            clock.set(now);
            let mut batch = Batch::new(now);
            for (index, labels) in labels.iter().enumerate() {
                if let Some(value) = value(index, time) {
                    batch.push(labels, value);
                }
            }
            store.append(&batch).unwrap();
            if time % (30 * MINUTE) == 0 {
                store.maintain(now).unwrap();
            }
        }
        let limits = Limits {
            timeout: Duration::from_secs(60),
            samples_max: 10_000_000,
            result_bytes_max: 1 << 24,
            concurrency_max: 1,
            waiting_max: 1,
        };
        let queries = Queries::new(Arc::new(store), clock.clone(), limits);
        Self { queries, clock, _folder: folder }
    }

    /// Times are after [`START`].
    fn ask(&self, queries: &[&str], start: i64, end: i64, more: &str) -> Result<Json, String> {
        let queries: Vec<String> = queries
            .iter()
            .map(|query| form_urlencoded::byte_serialize(query.as_bytes()).collect())
            .map(|query: String| format!("query={query}"))
            .collect();
        let (start, end) = (START + start, START + end);
        let text = format!("{}&start={start}&end={end}&{more}", queries.join("&"));
        let asked = Asked::read(&Form::of(&text)).map_err(|error| format!("{error:?}"))?;
        let budget = Budget::new(self.clock.clone(), Duration::from_secs(60), 10_000_000);
        let answer = asked.answer(&self.queries, &budget, self.queries.result_bytes_max());
        Ok(serde_json::from_str(&answer.map_err(|error| format!("{error:?}"))?).unwrap())
    }
}

fn open(folder: &Path, clock: &Clock) -> Store {
    Store::open(folder, Options::default(), clock.clone()).unwrap().0
}

fn values(result: &Json, series: usize) -> Vec<Option<f64>> {
    let values = result["series"][series]["values"].as_array().unwrap();
    values.iter().map(Json::as_f64).collect()
}

fn codes(result: &Json) -> Vec<&str> {
    let warnings = result["warnings"].as_array().unwrap().iter();
    warnings.map(|warning| warning["code"].as_str().unwrap()).collect()
}

#[test]
fn a_spike_of_one_sample_survives_any_width() {
    let spike = 5 * HOUR + 7 * MINUTE + 35 * SECOND;
    let dip = 20 * HOUR + 5 * SECOND;
    let asking = Asking::new(&["c"], (5 * SECOND, 24 * HOUR), |_, time| {
        Some(if time == spike {
            100.0
        } else if time == dip {
            -3.0
        } else {
            1.0
        })
    });
    for px in [1, 37, 400, 1_000, 4_000] {
        let queries = ["a", "2 * a", "max(a)", "max_over_time(a[5s])"];
        let answer = asking.ask(&queries, 0, 24 * HOUR, &format!("px={px}")).unwrap();
        let results = answer["results"].as_array().unwrap();
        for (result, times) in results.iter().zip([1.0, 2.0, 1.0, 1.0]) {
            let values = values(result, 0);
            let most = values.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
            assert_eq!(most, times * 100.0, "{px} {result}");
            assert!(values.len() <= 4 * (px + 2), "{px}: {}", values.len());
        }
        let least =
            |index: usize| values(&results[index], 0).into_iter().flatten().fold(9.0, f64::min);
        assert_eq!((least(0), least(1)), (-3.0, -6.0), "{px}");
        assert_eq!(results[0]["series"][0]["labels"]["__name__"], "a");
        assert_eq!(results[1]["series"][0]["labels"], json!({ "b": "c" }));
    }
}

#[test]
fn sums_of_days_that_are_over_show_spikes_too() {
    let spike = 30 * HOUR + 7 * MINUTE;
    let asking = Asking::new(&["c"], (MINUTE, 80 * HOUR), |_, time| {
        Some(if time == spike { 100.0 } else { 1.0 })
    });
    for px in [10, 60, 800] {
        let queries = ["a", "sum(a)", "max(a)"];
        let answer = asking.ask(&queries, 0, 80 * HOUR, &format!("px={px}")).unwrap();
        assert!(codes(&answer["results"][2]).is_empty(), "its peaks are exact");
        let values = values(&answer["results"][0], 0);
        assert_eq!(values.iter().filter(|value| **value == Some(100.0)).count(), 1, "{px}");
        assert!(values.iter().all(Option::is_some), "{px}: no gaps");
        let is_told = codes(&answer["results"][1]).contains(&"range.sampled");
        assert_eq!(is_told, px < 800, "{px}");
    }
}

#[test]
fn gaps_stay_gaps() {
    let asking = Asking::new(&["c"], (5 * SECOND, 6 * HOUR), |_, time| {
        (!(2 * HOUR..3 * HOUR).contains(&time)).then_some(1.0)
    });
    for px in [20, 360, 2_000] {
        let queries = ["a", "max(a)", "sum(a)", "rate(a[1m])", "0 / (a - 1)"];
        let answer = asking.ask(&queries, 0, 6 * HOUR, &format!("px={px}")).unwrap();
        let results = answer["results"].as_array().unwrap();
        for result in &results[..4] {
            let gaps = values(result, 0).iter().filter(|value| value.is_none()).count();
            assert_eq!(gaps, 1, "{px} {result}");
        }
        assert!(values(&results[4], 0).is_empty(), "what is no number is a gap");
    }
}

#[test]
fn samples_that_are_rarer_than_pixels_are_a_line() {
    let asking = Asking::new(&["c"], (MINUTE, HOUR), |_, time| Some((time / MINUTE) as f64));
    let answer = asking.ask(&["a"], 0, HOUR, "px=1000").unwrap();
    let values = values(&answer["results"][0], 0);
    assert!(values.len() > 800 && values.iter().all(Option::is_some), "{}", values.len());
    let flat: Vec<f64> = values.into_iter().flatten().collect();
    assert!(flat.windows(2).all(|pair| pair[0] <= pair[1]));
}

#[test]
fn each_query_fails_by_itself() {
    let asking = Asking::new(&["c", "d", "e"], (MINUTE, HOUR), |index, _| Some(index as f64));
    let queries = ["a", "sum(", "a[5m]", "vector(1)", "label_replace(a, \"b\", \"x\", \"\", \"\")"];
    let answer = asking.ask(&queries, 0, HOUR, "px=10&series_max=2").unwrap();
    assert_eq!(answer["step_ms"], 6 * MINUTE);
    assert_eq!(answer["start"], START);
    let results = answer["results"].as_array().unwrap();
    let code = |index: usize| results[index]["error"]["code"].as_str();
    assert_eq!(results[0]["series"].as_array().unwrap().len(), 2);
    assert_eq!(results[0]["omitted"], 1);
    assert_eq!(code(1), Some("range.bad_query"));
    let text = results[1]["error"]["params"]["text"].as_str().unwrap();
    assert!(text.starts_with("1:5: parse error"), "{text}");
    assert_eq!(code(2), Some("range.bad_query"));
    assert_eq!(values(&results[3], 0).first(), Some(&Some(1.0)));
    assert_eq!(code(4), Some("range.failed"));
    let codes = [
        "range.bad_query",
        "range.failed",
        "range.histograms",
        "range.note",
        "range.sampled",
        "range.timed_out",
        "range.too_many",
        "range.widened",
    ];
    for code in codes {
        assert!(model::message::MESSAGES.iter().any(|message| message.code == code), "{code}");
    }
}

#[test]
fn windows_are_widened_and_it_is_said() {
    let asking = Asking::new(&["c"], (MINUTE, 80 * HOUR), |_, time| Some((time / MINUTE) as f64));
    let answer = asking.ask(&["rate(a[2m])", "increase(a[2m])"], 0, 80 * HOUR, "px=20").unwrap();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(codes(&results[0]), ["range.note", "range.widened"], "no counter by its name");
    assert_eq!(results[0]["warnings"][1]["params"]["seconds"], "1800");
    assert_eq!(codes(&results[1]), ["range.note", "range.sampled"]);
    assert!(values(&results[0], 0).iter().flatten().all(|rate| (rate - 1.0 / 60.0).abs() < 1e-9));
}

#[test]
fn absurd_questions_are_refused() {
    let asking = Asking::new(&["c"], (MINUTE, HOUR), |_, _| Some(1.0));
    let check = |queries: &[&str], start: i64, end: i64, more: &str, expected: &str| {
        let error = asking.ask(queries, start, end, more).unwrap_err();
        assert!(error.contains(expected) && error.contains("400"), "{error}");
    };
    check(&["a"], 0, 1, "", "px");
    check(&["a"], 0, 1, "px=0", "from 1 to 4000 pixels");
    check(&["a"], 0, 1, "px=4001", "from 1 to 4000 pixels");
    check(&["a"], 0, 1, "px=many", "px");
    check(&["a"], 1, 0, "px=1", "refused.backwards");
    check(&["a"], 0, 4_000 * 24 * HOUR, "px=1", "at most 10 years");
    check(&["a"], 0, i64::MAX / 2, "px=1", "refused.time");
    check(&[], 0, 1, "px=1", "from 1 to 16 queries");
    check(&["a"; 17], 0, 1, "px=1", "from 1 to 16 queries");
    assert!(asking.ask(&["a"], 0, 0, "px=1").is_ok());
    assert!(asking.ask(&["a"], -1_000, 20 * 365 * HOUR, "px=4000").is_ok());
}

#[test]
fn an_answer_ends_at_the_series_that_makes_it_too_large() {
    let points = || (0..100).map(|second| (second * SECOND, 1.5)).collect::<Points>();
    let labels = |index: i32| Labels::metric("a", [("b", format!("{index:03}"))]);
    let drawn = || Drawn {
        plan: Plan::new(0, 100 * SECOND, 100),
        series: (0..100).map(|index| (labels(index), points())).collect(),
        warnings: Vec::new(),
    };
    let written = |series_max: usize, bytes_max: usize| {
        let mut out = String::new();
        let written = drawn().write(&mut out, series_max, bytes_max);
        (written, out.len())
    };
    let (whole, one) = written(1, usize::MAX);
    assert_eq!(whole, Ok(()));
    let bytes_max = 10 * one;
    let (refused, bytes) = written(100, bytes_max);
    assert_eq!(refused, Err(TooLarge { bytes_max }));
    assert!(bytes <= bytes_max + one, "{bytes} bytes where {bytes_max} are allowed");
    assert_eq!(written(5, bytes_max).0, Ok(()));
}
