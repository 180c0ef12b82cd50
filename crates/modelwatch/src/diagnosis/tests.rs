//! Rules over series that were written for them.

use std::time::Duration;

use model::{
    Clock, NAME,
    log::Severity,
    message::{Language, MESSAGES, render},
    series::Budget,
};
use query::{Settings, notation::Memory};

use super::*;

const DOCUMENT: &str = include_str!("../../../../docs/api.md");

/// Seconds of the window's start and end after the first sample.
const WINDOW: (i64, i64) = (3_900, 4_020);
/// Between two samples.
const PERIOD: i64 = 5;

/// A series by its text, usually and in the window.
type Written = (&'static str, fn(f64) -> f64, fn(f64) -> f64);

fn memory(written: &[Written]) -> Memory {
    let mut memory = Memory::default();
    for (text, usually, inside) in written {
        let matchers = query::parse_selector(text).unwrap();
        let pairs = matchers.iter().map(|matcher| (matcher.name.clone(), matcher.value.clone()));
        let labels = Labels::from_pairs(pairs);
        for second in (0..=WINDOW.1).step_by(usize::try_from(PERIOD).unwrap()) {
            let value = if second <= WINDOW.0 { usually } else { inside };
            memory.insert_float(&labels, second * 1_000, value(second as f64));
        }
    }
    memory
}

fn moment() -> Moment {
    Moment { start: UnixMs(WINDOW.0 * 1_000), end: UnixMs(WINDOW.1 * 1_000) }
}

fn ask<T>(source: &Memory, ask: impl FnOnce(Asked<'_>) -> T) -> T {
    let budget = Budget::new(Clock::manual(UnixMs(0)), Duration::from_secs(1_000), 50_000_000);
    ask(Asked { source, budget: &budget, settings: &Settings::default() })
}

fn causes_of(written: &[Written], events: &[LogRecord]) -> Vec<Cause> {
    let found = ask(&memory(written), |asked| causes(asked, moment(), events));
    assert!(found.is_whole, "a rule could not be evaluated");
    found.items
}

const KV: &str = r#"llm_kv_cache_usage_ratio{engine="vllm",model="q",instance="a:1"}"#;
const WAITING: &str = r#"llm_requests_waiting{engine="vllm",model="q",instance="a:1"}"#;
const RUNNING: &str = r#"llm_requests_running{engine="vllm",model="q",instance="a:1"}"#;
const PREEMPTIONS: &str = r#"llm_preemptions_total{engine="vllm",model="q",instance="a:1"}"#;
const PROMPTS: &str = r#"llm_prompt_tokens_total{engine="vllm",model="q",instance="a:1"}"#;
const CLOCK: &str = r#"accelerator_clock_hertz{host="n",index="3",uuid="u",domain="core"}"#;
const HOT: &str = r#"accelerator_throttle_active{host="n",index="3",uuid="u",reason="hw_thermal"}"#;
const CAPPED: &str =
    r#"accelerator_throttle_active{host="n",index="3",uuid="u",reason="sw_power_cap"}"#;
const UTILIZATION: &str = r#"accelerator_utilization_ratio{host="n",index="3",uuid="u"}"#;
const HELD: &str =
    r#"llm_engine_accelerator_memory_bytes{engine="vllm",model="q",instance="a:1",uuid="u"}"#;

const CALM: fn(f64) -> f64 = |_| 0.0;
const ONE: fn(f64) -> f64 = |_| 1.0;
/// Counts one thing in the middle of the window.
const ONCE: fn(f64) -> f64 = |second| f64::from(u8::from(second > 3_950.0));

/// The causes that each set of series has, and who has it.
#[expect(clippy::too_many_lines, reason = "a table")]
fn cases() -> Vec<(Vec<Written>, &'static [&'static str], &'static str)> {
    let grows: fn(f64) -> f64 = |second| second;
    vec![
        (vec![(KV, |_| 0.4, |_| 0.5), (WAITING, CALM, CALM), (PREEMPTIONS, CALM, CALM)], &[], ""),
        (
            vec![
                (KV, |_| 0.4, |_| 0.99),
                (WAITING, CALM, |_| 7.0),
                (PREEMPTIONS, CALM, |it| it - 3_900.0),
            ],
            &["cause.kv_preempted"],
            "q (a:1)",
        ),
        (
            vec![(KV, |_| 0.4, |_| 0.99), (WAITING, CALM, |_| 7.0), (PREEMPTIONS, CALM, CALM)],
            &["cause.kv_full"],
            "q (a:1)",
        ),
        (vec![(HOT, CALM, ONE), (CLOCK, |_| 2e9, |_| 1e9)], &["cause.thermal"], "n/gpu3"),
        (vec![(HOT, CALM, ONE)], &["cause.thermal"], "n/gpu3"),
        (vec![(HOT, CALM, ONE), (CLOCK, |_| 2e9, |_| 2e9)], &[], ""),
        (vec![(CAPPED, CALM, ONE), (CLOCK, |_| 2e9, |_| 1.7e9)], &["cause.power"], "n/gpu3"),
        (vec![(CAPPED, ONE, ONE), (CLOCK, |_| 2e9, |_| 1.9e9)], &[], ""),
        (
            vec![(PROMPTS, |it| it * 200.0, |it| 780_000.0 + (it - 3_900.0) * 5_000.0)],
            &["cause.prefill_burst"],
            "q (a:1)",
        ),
        (vec![(PROMPTS, |it| it * 3_000.0, |it| it * 3_000.0)], &[], ""),
        (
            vec![(WAITING, CALM, |_| 5.0), (UTILIZATION, ONE, |_| 0.3)],
            &["cause.host_bound"],
            "q (a:1)",
        ),
        (
            vec![(WAITING, CALM, |_| 5.0), (HELD, ONE, ONE), (UTILIZATION, ONE, |_| 0.3)],
            &["cause.host_bound"],
            "q (a:1)",
        ),
        (vec![(WAITING, CALM, |_| 5.0), (HELD, ONE, ONE), (UTILIZATION, ONE, ONE)], &[], ""),
        (
            vec![
                (WAITING, CALM, |_| 5.0),
                (RUNNING, ONE, |_| 4.0),
                (r#"llm_slots{engine="vllm",model="q",instance="a:1"}"#, |_| 4.0, |_| 4.0),
            ],
            &["cause.slots_full"],
            "q (a:1)",
        ),
        (
            vec![(r#"llm_engine_up{engine="vllm",model="q",instance="a:1"}"#, ONE, CALM)],
            &["cause.engine_down"],
            "q (a:1)",
        ),
        (
            vec![(
                r#"llm_engine_restarts_total{engine="vllm",model="q",instance="a:1"}"#,
                CALM,
                ONCE,
            )],
            &["cause.engine_restarted"],
            "q (a:1)",
        ),
        (
            vec![(
                r#"llm_engine_stalled_seconds{engine="vllm",model="q",instance="a:1"}"#,
                CALM,
                |it| it - 3_900.0,
            )],
            &["cause.engine_hung"],
            "q (a:1)",
        ),
        (
            vec![
                (r#"llm_model_loads_total{engine="ollama",model="q",instance="a:1"}"#, CALM, ONCE),
                (r#"llm_model_thrash_total{engine="ollama",model="q",instance="a:1"}"#, CALM, ONCE),
            ],
            &["cause.model_thrash", "cause.model_loaded"],
            "q (a:1)",
        ),
        (
            vec![(
                r#"llm_model_offload_ratio{engine="ollama",model="q",instance="a:1"}"#,
                ONE,
                |_| 0.6,
            )],
            &["cause.partly_on_cpu"],
            "q (a:1)",
        ),
        (
            vec![(r#"llm_engine_accelerator_open{engine="ollama",instance="a:1"}"#, ONE, CALM)],
            &["cause.cpu_fallback"],
            "ollama (a:1)",
        ),
        (
            vec![
                (r#"node_cpu_seconds_total{mode="idle",cpu="0"}"#, grows, |_| 3_900.0),
                (r#"node_cpu_seconds_total{mode="idle",cpu="1"}"#, grows, |_| 3_900.0),
            ],
            &["cause.host_cpu"],
            "localhost",
        ),
        (
            vec![(r#"node_disk_io_time_seconds_total{device="sda",instance="m:1"}"#, CALM, |it| {
                it - 3_900.0
            })],
            &["cause.disk"],
            "m:1/sda",
        ),
        (
            vec![
                (r#"node_network_receive_bytes_total{device="eth0"}"#, CALM, |it| {
                    (it - 3_900.0) * 1.2e8
                }),
                (r#"node_network_speed_bytes{device="eth0"}"#, |_| 1.25e8, |_| 1.25e8),
            ],
            &["cause.network"],
            "eth0",
        ),
        (
            vec![("node_vmstat_pswpin", CALM, |it| (it - 3_900.0) * 500.0)],
            &["cause.swapping"],
            "localhost",
        ),
        (
            vec![
                ("node_memory_MemAvailable_bytes", |_| 5e9, |_| 1e8),
                ("node_memory_MemTotal_bytes", |_| 1e10, |_| 1e10),
            ],
            &["cause.memory_low"],
            "localhost",
        ),
        (
            vec![(r#"accelerator_up{host="n",index="3",uuid="u"}"#, ONE, CALM)],
            &["cause.accelerator_lost"],
            "n/gpu3",
        ),
        (
            vec![(
                r#"accelerator_errors_total{host="n",index="3",uuid="u",code="79"}"#,
                CALM,
                ONCE,
            )],
            &["cause.accelerator_error"],
            "n/gpu3",
        ),
        (
            vec![
                (
                    r#"container_cpu_cfs_throttled_periods_total{engine="vllm",instance="a:1",id="c"}"#,
                    CALM,
                    |it| (it - 3_900.0) * 5.0,
                ),
                (
                    r#"container_cpu_cfs_periods_total{engine="vllm",instance="a:1",id="c"}"#,
                    |it| it * 10.0,
                    |it| it * 10.0,
                ),
            ],
            &["cause.cpu_throttled"],
            "vllm (a:1)",
        ),
        (
            vec![
                (
                    r#"llm_connection_rwnd_limited_seconds_total{engine="vllm",model="q",instance="a:1"}"#,
                    CALM,
                    |it| (it - 3_900.0) * 0.9,
                ),
                (
                    r#"llm_connection_busy_seconds_total{engine="vllm",model="q",instance="a:1"}"#,
                    grows,
                    grows,
                ),
            ],
            &["cause.clients_slow"],
            "q (a:1)",
        ),
        (
            vec![(
                r#"model_pull_bytes_per_second{instance="h:1",tool="ollama",model="q",path="p"}"#,
                CALM,
                |_| 5e7,
            )],
            &["cause.download"],
            "q (h:1)",
        ),
    ]
}

#[test]
fn rules_hold_where_they_should_and_nowhere_else() {
    let mut told = std::collections::BTreeSet::new();
    for (written, expected, who) in cases() {
        let found = causes_of(&written, &[]);
        let codes: Vec<&str> = found.iter().map(|cause| cause.code).collect();
        assert_eq!(codes, expected, "{:?}", written.iter().map(|it| it.0).collect::<Vec<_>>());
        for cause in &found {
            told.insert(cause.code);
            assert!(cause.params.contains(&("who".into(), who.into())), "{cause:?}");
            let first = cause.evidence.first().unwrap();
            assert!(first.value.is_some() && first.value != first.usual, "{cause:?}");
            for language in [Language::English, Language::Chinese] {
                let text = render(cause.code, &cause.params, language);
                assert!(!text.contains('?') && !text.contains("cause."), "{text}");
            }
        }
    }
    let silent: Vec<_> =
        RULES.iter().map(|rule| rule.code).filter(|it| !told.contains(it)).collect();
    assert_eq!(silent, [""; 0], "every rule has series that it holds for");
}

#[test]
fn every_rule_has_a_text_and_is_documented() {
    let codes = RULES.iter().map(|rule| rule.code).chain(EVENTS.iter().map(|(_, code)| *code));
    for code in codes {
        assert!(MESSAGES.iter().any(|message| message.code == code), "{code}");
        assert!(DOCUMENT.contains(&format!("`{code}`")), "{code} is not in docs/api.md");
    }
}

#[test]
fn rules_ask_for_metrics_that_there_are() {
    for rule in RULES {
        let shown = rule.evidence.iter().map(|(metric, shape, ..)| shaped(shape, metric, ""));
        for query in shown.chain([rule.when.to_owned()]) {
            let query = query.replace("$who", "").replace("$w", "60s");
            let parsed = query::parse(&query).unwrap_or_else(|error| panic!("{query}: {error}"));
            for matchers in parsed.selectors() {
                let name = matchers.iter().find(|matcher| matcher.name == NAME).unwrap();
                assert!(model::catalogue::find(&name.value).is_some(), "{name} in {}", rule.code);
            }
        }
    }
}

#[test]
fn evidence_tells_what_was_usual() {
    let found = causes_of(&[(HOT, CALM, ONCE), (CLOCK, |_| 2e9, |_| 1e9)], &[]);
    let [cause] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        cause.evidence[1],
        Evidence {
            query: r#"accelerator_clock_hertz{domain="core",host="n",index="3",uuid="u"}"#.into(),
            value: Some(1e9),
            usual: Some(2e9),
        }
    );
    assert_eq!((cause.evidence[2].value, cause.evidence[2].usual), (None, None), "not known");
}

#[test]
fn the_worst_is_told_and_the_others_are_counted() {
    let other = r#"llm_engine_stalled_seconds{engine="vllm",model="p",instance="b:1"}"#;
    let worst = r#"llm_engine_stalled_seconds{engine="vllm",model="q\"",instance="a:1"}"#;
    let found = causes_of(&[(other, CALM, |_| 40.0), (worst, CALM, |_| 90.0)], &[]);
    let [cause] = found.as_slice() else { panic!("{found:?}") };
    let param =
        |name: &str| cause.params.iter().find(|(known, _)| known == name).unwrap().1.as_str();
    assert_eq!((param("who"), param("value"), param("others")), ("q\" (a:1)", "90", "1"));
    assert_eq!(cause.evidence[0].value, Some(90.0));
}

#[test]
fn events_explain_too() {
    let event = LogRecord {
        time: UnixMs(3_950_000),
        source: "engine a:1".into(),
        severity: Severity::Warn,
        body: "event.engine_changed".into(),
        attributes: vec![("fact".into(), "flags".into())],
    };
    let found = causes_of(&[], std::slice::from_ref(&event));
    let [cause] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((cause.code, cause.event.as_ref()), ("cause.engine_changed", Some(&event)));
}

#[test]
fn the_most_unusual_series_come_first() {
    let written: &[Written] = &[
        (KV, |it| 0.4 + 0.02 * (it / 7.0).sin(), |_| 0.99),
        (WAITING, CALM, |it| if it == 3_945.0 { 50.0 } else { 0.0 }),
        (RUNNING, |it| 8.0 + (it / 11.0).sin(), |it| 8.0 + (it / 11.0).sin()),
        (UTILIZATION, ONE, |_| 0.2),
        (PROMPTS, |it| it * 100.0, |it| it * 100.0),
        (r#"llm_requests_waiting{engine="new",model="q",instance="b:1"}"#, |_| f64::NAN, |_| 9.0),
    ];
    let found = ask(&memory(written), |asked| deviations(asked, moment(), 9));
    assert!(found.is_whole);
    let told: Vec<_> =
        found.items.iter().map(|it| (it.labels.name(), it.value, it.usual, it.spread)).collect();
    let expected = [
        ("llm_requests_waiting", 50.0, 0.0, 1.0),
        ("accelerator_utilization_ratio", 0.2, 1.0, 0.05),
    ];
    assert_eq!(told[..2], expected);
    assert_eq!((told.len(), told[2].0, told[2].1), (3, "llm_kv_cache_usage_ratio", 0.99));
    assert_eq!(
        found.items[0].query,
        WAITING.replace(
            r#"engine="vllm",model="q",instance="a:1""#,
            r#"engine="vllm",instance="a:1",model="q""#
        )
    );
    assert!(found.items[1].score < -15.0, "{:?}", found.items[1]);
    let only = ask(&memory(written), |asked| deviations(asked, moment(), 1));
    assert_eq!(only.items.len(), 1);
}
