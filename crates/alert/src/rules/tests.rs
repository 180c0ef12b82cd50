//! Evaluation over a source that remembers what rules write, by a clock that the tests move.

use std::sync::Arc;

use std::collections::BTreeMap;

use model::{
    Clock, Labels, NAME, UnixMs,
    alert::Alert,
    sample::{Batch, is_stale},
    series::{Budget, MatchOp, Matcher, SeriesData, SeriesSource as _, TimeRange},
};

use super::*;
use crate::promtest::Source;

const START: i64 = 1_000_000_000;
const STEP: Duration = Duration::from_secs(15);

/// The points of a metric, also those that end it.
fn points(source: &Source, name: &str) -> Vec<SeriesData> {
    let matchers = [Matcher::new(NAME, MatchOp::Equal, name).unwrap()];
    let range = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };
    let budget = Budget::new(Clock::manual(UnixMs(0)), Duration::from_secs(1), 1_000_000);
    source.select(&matchers, range, &budget).unwrap()
}

/// The newest values of a metric, `end` where it ended.
fn newest(source: &Source, name: &str) -> Vec<String> {
    let text = |SeriesData { labels, values, .. }: &SeriesData| {
        let value = *values.last().unwrap();
        let value = if is_stale(value) { "end".to_owned() } else { value.to_string() };
        let pairs: Vec<String> = labels
            .iter()
            .filter(|(name, _)| !matches!(*name, NAME | "alertname"))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        format!("{} {value}", pairs.join(","))
    };
    points(source, name).iter().map(text).collect()
}

fn rule(kind: Kind, expr: &str, labels: &[(&str, &str)]) -> Rule {
    let labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Rule { kind, expr: query::parse(expr).unwrap(), labels, line: 1 }
}

fn recording(name: &str, expr: &str, labels: &[(&str, &str)]) -> Rule {
    rule(Kind::Recording { name: name.into() }, expr, labels)
}

fn alerting(name: &str, expr: &str, holds_for: u64, keeps_firing_for: u64) -> Rule {
    let kind = Kind::Alerting {
        name: name.into(),
        holds_for: Duration::from_secs(holds_for),
        keeps_firing_for: Duration::from_secs(keeps_firing_for),
        annotations: vec![("summary".into(), "it is so".into())],
    };
    rule(kind, expr, &[("severity", "warning")])
}

/// A group over a source, at a time.
struct World {
    source: Source,
    clock: Clock,
    state: GroupState,
}

impl World {
    fn new(rules: Vec<Rule>) -> Self {
        let clock = Clock::manual(UnixMs(START));
        Self { source: Source::default(), clock, state: fresh(rules, 0) }
    }

    /// A step later: sets gauges and evaluates.
    fn step(&mut self, values: &[(&str, f64)]) -> Vec<Alert> {
        let now = self.clock.now() + STEP;
        self.clock.set(now);
        for (name, value) in values {
            let up = Labels::metric("up", [("job", *name)]);
            self.source.lock().insert_float(&up, now.0, *value);
        }
        let (source, clock) = (&self.source, &self.clock);
        with_context(source, clock, |context| self.state.evaluate(now, context))
    }

    fn told(&self, rule: usize) -> Told {
        self.state.told().swap_remove(rule)
    }

    fn states(&self) -> Vec<State> {
        self.told(0).alerts.iter().map(|alert| alert.state).collect()
    }
}

fn fresh(rules: Vec<Rule>, limit: usize) -> GroupState {
    let group = Group {
        name: "group".into(),
        interval: None,
        query_offset: None,
        limit,
        labels: Vec::new(),
        rules,
        line: 1,
    };
    GroupState::new(Arc::new(group), STEP, Duration::ZERO)
}

fn with_context<T>(source: &Source, clock: &Clock, run: impl FnOnce(&Context<'_>) -> T) -> T {
    let settings = query::Settings::default();
    let write = |batch: &Batch| {
        source.write(batch);
        Ok(())
    };
    run(&Context {
        source,
        settings: &settings,
        clock,
        timeout: Duration::from_secs(10),
        samples_max: 1_000_000,
        external_url: "http://page/x",
        external_labels: &[("site".into(), "a".into())],
        generator_url: &|expr| format!("http://page/{expr}"),
        write: &write,
        resend_delay: Duration::from_secs(60),
    })
}

#[test]
fn a_clock_that_is_set_back_holds_nothing_up() {
    let mut world = World::new(vec![alerting("Down", "up == 0", 30, 0)]);
    world.step(&[("a", 0.0)]);
    world.step(&[("a", 0.0)]);
    assert_eq!(world.step(&[("a", 0.0)]).len(), 1);
    world.step(&[("a", 0.0), ("b", 0.0)]);
    world.clock.set(UnixMs(world.clock.now().0 - 3 * 3_600_000));
    // What fires is told again in time, and what waits goes on waiting as long as it had to.
    let sent: Vec<usize> = (0..8).map(|_| world.step(&[("a", 0.0), ("b", 0.0)]).len()).collect();
    assert_eq!(sent, [0, 0, 1, 1, 0, 0, 1, 1]);
    let ended = world.step(&[("a", 1.0), ("b", 0.0)]);
    assert!(ended[0].ends_at <= world.clock.now() && ended[0].starts_at < ended[0].ends_at);
}

#[test]
fn an_alert_waits_fires_is_repeated_and_ends() {
    let mut world = World::new(vec![alerting("Down", "up == 0", 30, 0)]);
    assert!(world.step(&[("a", 1.0), ("b", 1.0)]).is_empty());
    assert!(world.states().is_empty());
    let began = world.clock.now() + STEP;
    assert!(world.step(&[("a", 0.0), ("b", 1.0)]).is_empty());
    assert_eq!(world.states(), [State::Pending]);
    assert_eq!(
        newest(&world.source, "ALERTS"),
        ["alertstate=pending,job=a,severity=warning 1".to_owned()]
    );
    assert!(world.step(&[("a", 0.0)]).is_empty());
    let sent = world.step(&[("a", 0.0)]);
    assert_eq!(sent.len(), 1);
    let alert = &sent[0];
    let labels: Vec<(&str, &str)> = alert.labels.iter().collect();
    let expected =
        [("alertname", "Down"), ("job", "a"), ("severity", "warning"), ("site", "a")].to_vec();
    assert_eq!(labels, expected);
    assert_eq!(alert.annotation("summary"), "it is so");
    assert_eq!(alert.starts_at, began + Duration::from_secs(30));
    assert_eq!(alert.ends_at, world.clock.now() + Duration::from_secs(240));
    assert_eq!(alert.generator_url, "http://page/up == 0");
    assert_eq!(
        newest(&world.source, "ALERTS"),
        [
            "alertstate=firing,job=a,severity=warning 1".to_owned(),
            "alertstate=pending,job=a,severity=warning end".to_owned(),
        ]
    );
    let since = (began.0 / 1_000).to_string();
    assert_eq!(
        newest(&world.source, "ALERTS_FOR_STATE"),
        [format!("job=a,severity=warning {since}")]
    );
    // It is told again after a minute, not before.
    for expected in [0, 0, 0, 1, 0] {
        assert_eq!(world.step(&[("a", 0.0)]).len(), expected);
    }
    let ended = world.step(&[("a", 1.0)]);
    assert_eq!(ended.len(), 1);
    assert!(ended[0].is_resolved(world.clock.now()));
    assert_eq!(ended[0].starts_at, began + Duration::from_secs(30));
    assert!(world.states().is_empty());
    assert_eq!(
        newest(&world.source, "ALERTS_FOR_STATE"),
        ["job=a,severity=warning end".to_owned()]
    );
    // It is told as ended for a quarter of an hour, then forgotten; a new life begins as pending.
    let told: usize = (0..80).map(|_| world.step(&[("a", 1.0)]).len()).sum();
    assert_eq!(told, 15);
    world.step(&[("a", 0.0)]);
    assert_eq!(world.states(), [State::Pending]);
}

#[test]
fn firing_can_be_kept() {
    let mut world = World::new(vec![alerting("Down", "up == 0", 0, 30)]);
    assert_eq!(world.step(&[("a", 0.0)]).len(), 1);
    for _ in 0..2 {
        world.step(&[("a", 1.0)]);
        assert_eq!(world.states(), [State::Firing]);
    }
    // The condition comes back: the time begins anew.
    world.step(&[("a", 0.0)]);
    for expected in [1, 1, 0] {
        world.step(&[("a", 1.0)]);
        assert_eq!(world.states().len(), expected);
    }
}

#[test]
fn rules_see_what_the_ones_before_them_wrote() {
    let mut world = World::new(vec![
        recording("job:up:sum", "sum by (job) (up)", &[("level", "job"), ("empty", "")]),
        recording("all", "sum(job:up:sum)", &[]),
        recording("one", "1 + 1", &[]),
    ]);
    world.step(&[("a", 2.0), ("b", 3.0)]);
    assert_eq!(newest(&world.source, "job:up:sum"), ["job=a,level=job 2", "job=b,level=job 3"]);
    assert_eq!(newest(&world.source, "all"), [" 5"]);
    assert_eq!(newest(&world.source, "one"), [" 2"]);
    assert_eq!((world.told(0).series, world.told(0).error), (2, None));
}

#[test]
fn with_an_offset_what_was_then_is_seen_and_written_then() {
    let mut world = World::new(Vec::new());
    let mut group = (**fresh(vec![recording("x", "up", &[])], 0).group()).clone();
    group.query_offset = Some(Duration::from_secs(30));
    // The group's own counts, not the one for groups without.
    world.state = GroupState::new(Arc::new(group), STEP, Duration::ZERO);
    let found = [10.0, 11.0, 12.0, 13.0].map(|value| {
        world.step(&[("a", value)]);
        newest(&world.source, "x")
    });
    assert_eq!(found, [vec![], vec![], vec!["job=a 10".to_owned()], vec!["job=a 11".to_owned()]]);
    let written = points(&world.source, "x").remove(0);
    let written: Vec<_> = written.times.into_iter().zip(written.values).collect();
    let seconds = |steps: i64| START + steps * 15_000;
    assert_eq!(written, [(seconds(1), 10.0), (seconds(2), 11.0)]);
}

#[test]
fn failures_are_told_and_what_was_known_stays() {
    let check = |rules: Vec<Rule>, limit, expected: &str| {
        let mut world = World::new(Vec::new());
        world.state = fresh(rules, limit);
        world.step(&[("a", 0.0), ("b", 0.0)]);
        let told = world.told(0);
        assert_eq!(told.error.as_deref(), Some(expected));
        assert!(
            newest(&world.source, "x").is_empty() && newest(&world.source, "ALERTS").is_empty()
        );
    };
    let twice = "vector contains metrics with the same labelset after applying";
    check(vec![recording("x", "up", &[("job", "c")])], 0, &format!("{twice} rule labels"));
    check(
        vec![rule(alerting("A", "up", 0, 0).kind, "up", &[("job", "c")])],
        0,
        &format!("{twice} alert labels"),
    );
    check(vec![recording("x", "up", &[])], 1, "exceeded limit of 1 with 2 series");
    check(vec![alerting("A", "up == 0", 0, 0)], 1, "exceeded limit of 1 with 2 alerts");
    check(vec![recording("x", "up[1m]", &[])], 0, "rule result is not a vector or scalar");
}

#[test]
fn a_restart_changes_no_time() {
    let rules = || vec![alerting("Down", "up == 0", 60, 0)];
    let mut world = World::new(rules());
    let first = world.clock.now() + STEP;
    for _ in 0..3 {
        world.step(&[("a", 0.0)]);
    }
    // Five minutes of nothing. It had held for 30 of 60 seconds.
    world.state = fresh(rules(), 0);
    world.clock.set(world.clock.now() + Duration::from_secs(300));
    world.step(&[("a", 0.0)]);
    assert_eq!(world.states(), [State::Pending]);
    let outage = Duration::from_secs(315);
    assert_eq!(world.told(0).alerts[0].active_at, first + outage);
    world.step(&[("a", 0.0)]);
    assert_eq!(world.states(), [State::Pending]);
    let sent = world.step(&[("a", 0.0)]);
    assert_eq!(world.states(), [State::Firing]);
    assert_eq!(sent.len(), 1);
    // One that fired goes on at once, with its beginning.
    world.state = fresh(rules(), 0);
    let again = world.step(&[("a", 0.0)]);
    assert_eq!(world.states(), [State::Firing]);
    assert_eq!(again[0].starts_at, sent[0].starts_at);
    // After too long an outage it begins anew.
    world.state = fresh(rules(), 0);
    world.clock.set(world.clock.now() + Duration::from_secs(4_000));
    world.step(&[("a", 0.0)]);
    assert_eq!(world.states(), [State::Pending]);
}

#[test]
fn a_clock_that_is_set_back_keeps_nothing_waiting() {
    const BACK: Duration = Duration::from_secs(10 * 3_600);
    let mut world = World::new(vec![
        alerting("Pending", "up{job='p'} == 0", 120, 0),
        alerting("Firing", "up{job='f'} == 0", 0, 0),
        alerting("Kept", "up{job='k'} == 0", 0, 60),
        alerting("Ended", "up{job='e'} == 0", 0, 0),
    ]);
    let down = [("p", 0.0), ("f", 0.0), ("k", 0.0), ("e", 0.0)];
    let now = [("p", 0.0), ("f", 0.0), ("k", 1.0), ("e", 1.0)];
    world.step(&down);
    for _ in 0..2 {
        world.step(&now);
    }
    let since = world.told(1).alerts[0].fired_at.unwrap();
    world.clock.set(world.clock.now() - BACK);
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..9 {
        for alert in world.step(&now) {
            let is_over = alert.is_resolved(world.clock.now());
            assert!(alert.starts_at <= world.clock.now());
            *told.entry(format!("{} {is_over}", alert.name())).or_default() += 1;
        }
    }
    let expected = [
        // Told again each minute.
        ("Ended true", 2),
        ("Firing false", 2),
        ("Kept false", 1),
        ("Kept true", 2),
        ("Pending false", 1),
    ];
    assert_eq!(told, expected.map(|(name, times)| (name.to_owned(), times)).into());
    // What had passed counts, but for the moment at which the clock was set.
    assert_eq!(world.told(1).alerts[0].fired_at, Some(since - BACK + STEP));
    // What ended is told as ended for a quarter of an hour, and not for longer.
    for _ in 0..61 {
        world.step(&[("f", 1.0)]);
    }
    let told: Vec<Alert> = (0..8).flat_map(|_| world.step(&[("f", 1.0)])).collect();
    assert!(told.iter().all(|alert| alert.name() == "Firing" || alert.name() == "Pending"));
}

#[test]
fn changed_rules_keep_what_is_known() {
    let down = || alerting("Down", "up == 0", 60, 0);
    let mut world = World::new(vec![recording("x", "up", &[]), down()]);
    world.step(&[("a", 0.0)]);
    let mut changed = fresh(vec![alerting("Other", "up", 60, 0), down()], 0);
    changed.adopt(std::mem::replace(&mut world.state, fresh(Vec::new(), 0)));
    world.state = changed;
    assert_eq!(world.told(1).alerts.len(), 1, "the alert is still pending");
    world.step(&[("a", 0.0)]);
    assert_eq!(newest(&world.source, "x"), ["job=a end".to_owned()]);
}

#[test]
fn who_is_no_longer_evaluated_ends() {
    let mut world = World::new(vec![alerting("Down", "up == 0", 0, 0)]);
    world.step(&[("a", 0.0)]);
    let state = std::mem::replace(&mut world.state, fresh(Vec::new(), 0));
    let now = world.clock.now() + STEP;
    let ended = with_context(&world.source, &world.clock, |context| state.end(now, context));
    assert_eq!(ended.len(), 1);
    assert!(ended[0].is_resolved(now));
    let ended = ["alertstate=firing,job=a,severity=warning end".to_owned()];
    assert_eq!(newest(&world.source, "ALERTS"), ended);
}

#[test]
fn texts_name_labels_values_and_what_queries_give() {
    let mut rule = alerting("Hot", "up > 1", 0, 0);
    rule.labels.push(("who".into(), "{{ $labels.job | toUpper }}{{ $labels.none }}".into()));
    let Kind::Alerting { annotations, .. } = &mut rule.kind else { panic!() };
    for text in [
        "{{ $value | humanize }} of {{ .Value }} in {{ $externalLabels.site }}",
        "{{ with query \"count(up)\" }}{{ . | first | value }}{{ end }} {{ range query \"up\" | sortByLabel \"job\" }}{{ .Labels.job }}{{ end }}",
        "{{ externalURL }} {{ pathPrefix }} {{ $externalURL }}",
        "{{ query \"sum(\" }}",
        "{{ gt $value 5 }}",
        "{{ nope }}",
    ] {
        annotations.push((format!("t{}", annotations.len()), text.into()));
    }
    let mut world = World::new(vec![rule]);
    world.step(&[("a", 1_500.0), ("b", 0.0)]);
    let alert = &world.told(0).alerts[0];
    assert_eq!(alert.labels.get("who"), Some("A"));
    let texts: Vec<&str> = alert.annotations.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "it is so",
            "1.5k of 1500 in a",
            "2 ab",
            "http://page/x /x http://page/x",
            "<error expanding template: line 1: error calling query: 1:5: parse error: unclosed left parenthesis>",
            "<error expanding template: line 1: error calling gt: incompatible types for comparison>",
            "<error expanding template: line 1: function \"nope\" not defined>",
        ]
    );
}
