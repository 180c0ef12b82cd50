//! Whole stories, with a clock that is set by hand.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use model::{Labels, UnixMs, alert::Alert};
use proptest::prelude::*;

use super::{
    hours::{Hours, Zone},
    inhibit::Inhibition,
    journal::Journal,
    record::{Kept, Record, Repeat, State, Window},
    route::{RouteSetting, Routes},
    *,
};
use crate::matchers;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

fn settings(routes: &[RouteSetting]) -> Settings {
    let zone = Zone::utc();
    Settings {
        routes: Routes::new(routes, &["pager".into()], &zone).unwrap(),
        inhibitions: Vec::new(),
        windows: Vec::new(),
        zone,
        zones: Arc::new(|name| (name == "UTC").then(Zone::utc)),
        page_url: "http://page/".into(),
    }
}

fn route(name: &str, matcher: &str) -> RouteSetting {
    let matchers = matchers::parse_list(matcher).unwrap();
    RouteSetting { name: name.into(), matchers, ..RouteSetting::default() }
}

/// An alert that is told again every minute until it is ended.
fn alert(labels: &str, starts: i64) -> Alert {
    let pairs = labels.split(' ').filter_map(|pair| pair.split_once('='));
    let annotations = vec![("summary".to_owned(), "it is slow".to_owned())];
    Alert {
        labels: Labels::from_pairs(pairs),
        annotations,
        starts_at: UnixMs(starts),
        ends_at: UnixMs(starts + 4 * MINUTE),
        generator_url: String::new(),
        value: Some(1.5),
    }
}

/// A run of the machine: minutes go by, alerts fire as long as they are in the list.
struct Story {
    machine: Incidents,
    now: i64,
    firing: Vec<&'static str>,
}

impl Story {
    fn new(settings: Settings) -> Self {
        let now = 1_800_000_000_000;
        let machine = Incidents::new(settings, Kept::default(), UnixMs(now));
        Self { machine, now, firing: Vec::new() }
    }

    fn tell(&mut self) {
        let now = UnixMs(self.now);
        let good = UnixMs(self.now + 4 * MINUTE);
        let alerts: Vec<Alert> = self
            .firing
            .iter()
            .map(|labels| Alert { ends_at: good, ..alert(labels, self.now) })
            .collect();
        self.machine.take(&alerts, now);
        self.machine.tick(now);
    }

    fn fire(&mut self, labels: &'static str) -> &mut Self {
        self.firing.push(labels);
        self.tell();
        self
    }

    fn end(&mut self, labels: &'static str) -> &mut Self {
        self.firing.retain(|firing| *firing != labels);
        let now = UnixMs(self.now);
        self.machine.take(&[Alert { ends_at: now, ..alert(labels, self.now) }], now);
        self.tell();
        self
    }

    fn minutes(&mut self, minutes: i64) -> &mut Self {
        for _ in 0..minutes {
            self.now += MINUTE;
            self.tell();
        }
        self
    }

    /// What channels were told since the last call: channel, reason, alerts that fire and that ended.
    fn told(&mut self) -> String {
        let owed: Vec<_> = self.machine.owed().map(|owed| owed.notification()).collect();
        let mut told = Vec::new();
        for one in owed {
            let firing = one.alerts.iter().filter(|it| it.is_firing).count();
            let ended = one.alerts.len() - firing;
            told.push(format!("{} {} {firing}+{ended}", one.channel, one.reason.as_str()));
            self.machine.paid(&one.key);
        }
        told.join(", ")
    }

    fn check(&mut self, expected: &str) -> &mut Self {
        assert_eq!(self.told(), expected);
        self
    }

    /// The states of all incidents, oldest first.
    fn states(&self) -> String {
        let mut incidents: Vec<_> = self.machine.kept().incidents.values().collect();
        incidents.sort_by_key(|incident| (incident.head.started, incident.head.name.clone()));
        let states: Vec<&str> = incidents.iter().map(|it| it.head.state.as_str()).collect();
        states.join(" ")
    }

    fn id(&self) -> String {
        let incidents = self.machine.kept().incidents.values();
        incidents.max_by_key(|incident| incident.head.started).unwrap().head.id.clone()
    }

    fn codes(&self) -> String {
        let incident = &self.machine.kept().incidents[&self.id()];
        let codes =
            incident.timeline.iter().map(|entry| entry.code.trim_start_matches("incident."));
        codes.collect::<Vec<_>>().join(" ")
    }
}

const SLOW: &str = "alertname=Slow instance=a severity=warning";
const SLOW_B: &str = "alertname=Slow instance=b severity=critical";
const DOWN: &str = "alertname=Down instance=a severity=critical";

#[test]
fn a_group_is_told_at_once_then_of_changes_then_again() {
    let mut story = Story::new(settings(&[]));
    story.fire(SLOW).check("pager first 1+0");
    story.minutes(1).fire(SLOW_B).check("");
    story.minutes(3).check("");
    story.minutes(1).check("pager changed 2+0");
    story.minutes(239).check("");
    story.minutes(1).check("pager repeat 2+0");
    story.end(SLOW).minutes(5).check("pager changed 1+1");
    story.end(SLOW_B).check("").minutes(5).check("pager resolved 0+1");
    story.minutes(600).check("");
    assert_eq!(story.states(), "resolved");
    assert_eq!(
        story.codes(),
        "fired notified_first joined notified_changed notified_repeat left notified_changed \
         resolved notified_resolved"
    );
    let view = story.machine.view(&story.id(), UnixMs(story.now)).unwrap();
    assert_eq!(
        (view.name.as_str(), view.severity.as_str(), view.alerts_total),
        ("Slow", "critical", 2)
    );
    assert_eq!(view.annotations["summary"], "it is slow");
    assert_eq!(view.common_labels.len(), 1);
}

#[test]
fn what_is_not_told_again_ends_and_what_ended_unseen_is_not_told() {
    let mut story = Story::new(settings(&[]));
    story.fire(SLOW).check("pager first 1+0");
    story.firing.clear();
    story.minutes(5).check("pager resolved 0+1");
    let mut waits = route(route::DEFAULT, "");
    waits.group_wait = Some(Duration::from_secs(120));
    let mut story = Story::new(settings(&[waits]));
    story.fire(SLOW).minutes(1).end(SLOW).minutes(10).check("");
    story.fire(SLOW_B).check("").minutes(2).check("pager first 1+0");
}

#[test]
fn a_group_that_fires_again_at_once_is_the_same_incident() {
    let mut story = Story::new(settings(&[]));
    story.fire(SLOW).check("pager first 1+0");
    story.minutes(6).end(SLOW).check("pager resolved 0+1");
    let id = story.id();
    story.minutes(4).fire(SLOW).minutes(1).check("pager changed 1+0");
    assert_eq!((story.id(), story.states().as_str()), (id.clone(), "firing"));
    story.minutes(6).end(SLOW).check("pager resolved 0+1");
    story.minutes(6).fire(SLOW).check("pager first 1+0");
    assert_ne!(story.id(), id);
    assert_eq!(story.states(), "resolved firing");
    let (lanes, omitted) = story.machine.history(UnixMs(0), UnixMs(story.now), 10);
    assert_eq!((lanes.len(), omitted), (1, 0));
    let kinds: Vec<_> = lanes[0].spans.iter().map(|(.., word)| *word).collect();
    assert_eq!(kinds, ["firing"; 3]);
    assert_eq!(lanes[0].spans[2].1, None);
}

#[test]
fn an_alert_that_flaps_is_told_once() {
    let mut story = Story::new(settings(&[]));
    for _ in 0..30 {
        story.fire(SLOW).minutes(1).end(SLOW).minutes(1);
    }
    let told = story.told();
    assert!(told.matches("pager").count() <= 3, "{told}");
    assert_eq!(story.states(), "firing");
    assert!(story.machine.view(&story.id(), UnixMs(story.now)).unwrap().is_flapping);
    story.minutes(70).check("pager resolved 0+1");
    assert_eq!(story.states(), "resolved");
    assert!(
        story.codes().ends_with("left flapping notified_changed steady resolved notified_resolved"),
        "{}",
        story.codes()
    );
}

#[test]
fn silences_hold_back_and_let_go() {
    let mut story = Story::new(settings(&[]));
    let draft = |story: &Story, id: &str, matcher: &str, minutes: i64| SilenceDraft {
        id: id.into(),
        matchers: matchers::parse_list(matcher).unwrap(),
        starts: UnixMs(story.now),
        ends: UnixMs(story.now + minutes * MINUTE),
        created_by: "li".into(),
        comment: "known".into(),
    };
    let first = draft(&story, "", "instance=\"a\"", 10);
    let id = story.machine.put_silence(first.clone(), UnixMs(story.now)).unwrap();
    assert_eq!(id.len(), 36);
    story.fire(SLOW).check("").fire(SLOW_B).check("pager first 1+0");
    story.minutes(9).check("");
    let shown = story.machine.view(&story.id(), UnixMs(story.now)).unwrap();
    assert_eq!(shown.alerts.iter().filter(|alert| alert.silenced_by == [id.clone()]).count(), 1);
    story.minutes(1).check("pager changed 2+0");
    // It is over, so that changing it makes another.
    let again = SilenceDraft { id: id.clone(), ..draft(&story, "", "instance=~\"a|b\"", 60) };
    let other = story.machine.put_silence(again, UnixMs(story.now)).unwrap();
    assert_ne!(other, id);
    assert_eq!(story.states(), "silenced");
    // What was told as firing is told as ended, silence or not.
    story.end(SLOW).minutes(5).check("pager resolved 0+1");
    story.machine.expire_silence(&other, UnixMs(story.now)).unwrap();
    story.minutes(300).check("pager repeat 1+0");
    assert_eq!(story.machine.expire_silence(&other, UnixMs(story.now)), Err(Refusal::IsOver));
    assert_eq!(story.machine.expire_silence("x", UnixMs(story.now)), Err(Refusal::NoSilence));
    let mut check = |change: &dyn Fn(&mut SilenceDraft), expected: Refusal| {
        let mut bad = SilenceDraft { ends: UnixMs(story.now + HOUR), ..first.clone() };
        change(&mut bad);
        assert_eq!(story.machine.put_silence(bad, UnixMs(story.now)), Err(expected));
    };
    check(&|it| it.matchers.clear(), Refusal::MatchesAll);
    check(&|it| it.matchers = matchers::parse_list("a=~\".*\"").unwrap(), Refusal::MatchesAll);
    check(&|it| it.ends = it.starts, Refusal::EndsBeforeStart);
    check(&|it| (it.starts, it.ends) = (UnixMs(1), UnixMs(2)), Refusal::EndsInPast);
    check(&|it| it.created_by = " ".into(), Refusal::NameMissing);
    check(&|it| it.id = "none".into(), Refusal::NoSilence);
    check(&|it| it.comment = "x".repeat(5_000), Refusal::TooLong("comment", 4_096));
    story.minutes(121 * 60);
    assert!(story.machine.kept().silences.is_empty());
}

#[test]
fn a_silence_goes_on_under_its_name() {
    let mut story = Story::new(settings(&[]));
    let now = UnixMs(story.now);
    let draft = SilenceDraft {
        id: String::new(),
        matchers: matchers::parse_list("a=b").unwrap(),
        starts: now,
        ends: UnixMs(story.now + HOUR),
        created_by: "li".into(),
        comment: String::new(),
    };
    let id = story.machine.put_silence(draft.clone(), now).unwrap();
    let longer =
        SilenceDraft { id: id.clone(), ends: UnixMs(story.now + 2 * HOUR), ..draft.clone() };
    assert_eq!(story.machine.put_silence(longer, now).unwrap(), id);
    let other =
        SilenceDraft { id: id.clone(), matchers: matchers::parse_list("a=c").unwrap(), ..draft };
    assert_ne!(story.machine.put_silence(other, now).unwrap(), id);
    assert_eq!(story.machine.kept().silences[&id].state(now), "expired");
}

#[test]
fn an_alert_holds_back_those_that_it_explains() {
    let mut settings = settings(&[]);
    settings.inhibitions.push(Inhibition {
        source: matchers::parse_list("alertname=Down").unwrap(),
        target: matchers::parse_list("severity=warning").unwrap(),
        equal: vec!["instance".into()],
        is_builtin: false,
    });
    let mut story = Story::new(settings);
    story.fire(DOWN).check("pager first 1+0").fire(SLOW).check("");
    assert_eq!(story.states(), "firing inhibited");
    story.minutes(1).end(DOWN).check("pager first 1+0");
    assert_eq!(story.states(), "resolved firing");
}

#[test]
fn maintenance_comes_again() {
    let mut settings = settings(&[]);
    // 1_800_000_000 is 2027-01-15T08:00:00Z.
    settings.windows.push(Window {
        id: "w".into(),
        name: "nightly".into(),
        matchers: Vec::new(),
        start: 1_800_000_000_000 - 10 * MINUTE,
        end: 1_800_000_000_000 + 20 * MINUTE,
        repeat: Repeat::Daily,
        zone: "UTC".into(),
    });
    let mut story = Story::new(settings);
    story.fire(SLOW).minutes(19).check("");
    assert_eq!(story.states(), "maintenance");
    story.minutes(1).check("pager first 1+0");
    story.end(SLOW).minutes(24 * 60 - 25).check("pager resolved 0+1");
    story.fire(SLOW_B).minutes(24).check("").minutes(1).check("pager first 1+0");
    assert!(
        story
            .machine
            .windows_view(UnixMs(story.now))
            .iter()
            .all(|(_, is_configured, is_open)| *is_configured && !is_open)
    );
    let now = UnixMs(story.now);
    let window = |name: &str, zone: &str, length: i64, repeat| Window {
        id: String::new(),
        name: name.into(),
        matchers: Vec::new(),
        start: now.0,
        end: now.0 + length,
        repeat,
        zone: zone.into(),
    };
    let mut put = |name: &str, zone: &str, length, repeat| {
        story.machine.put_window(window(name, zone, length, repeat), now)
    };
    assert_eq!(put("", "", HOUR, Repeat::None), Err(Refusal::NameMissing));
    assert_eq!(put("a", "Mars", HOUR, Repeat::None), Err(Refusal::NoZone("Mars".into())));
    assert_eq!(put("a", "", 25 * HOUR, Repeat::Daily), Err(Refusal::TooLongToRepeat));
    assert_eq!(put("a", "", -1, Repeat::None), Err(Refusal::EndsBeforeStart));
    let id = put("a", "UTC", HOUR, Repeat::Weekly).unwrap();
    assert_eq!(put("a", "", 2 * HOUR, Repeat::None), Ok(id.clone()));
    assert_eq!(story.states(), "resolved maintenance");
    assert_eq!(story.machine.forget_window(&id, now).unwrap().end, now.0 + 2 * HOUR);
    assert_eq!(story.machine.forget_window(&id, now), Err(Refusal::NoWindow));
    assert_eq!(story.states(), "resolved firing");
}

#[test]
fn whoever_acknowledges_is_left_alone() {
    let mut own = route(route::DEFAULT, "");
    own.escalate_after = Some(Duration::from_secs(600));
    own.escalate_to = Some(vec!["boss".into(), "pager".into()]);
    let mut story = Story::new(settings(&[own]));
    story.fire(SLOW).check("pager first 1+0").minutes(9).check("");
    let (id, now) = (story.id(), UnixMs(story.now));
    story.machine.acknowledge(&id, " li ", now).unwrap();
    assert_eq!(story.states(), "acknowledged");
    story.minutes(300).check("");
    story.machine.unacknowledge(&id, "li", UnixMs(story.now)).unwrap();
    story.machine.acknowledge(&id, "li", UnixMs(story.now)).unwrap();
    story.fire(SLOW_B).check("pager changed 2+0");
    story.machine.unacknowledge(&id, "li", UnixMs(story.now)).unwrap();
    story.minutes(9).check("").minutes(1).check("boss escalated 2+0, pager escalated 2+0");
    story.minutes(229).check("").minutes(1).check("pager repeat 2+0, boss repeat 2+0");
    story.end(SLOW).end(SLOW_B).minutes(5).check("pager resolved 0+2, boss resolved 0+2");
    let now = UnixMs(story.now);
    assert_eq!(story.machine.acknowledge(&id, "li", now), Err(Refusal::IsOver));
    assert_eq!(story.machine.acknowledge("x", "li", now), Err(Refusal::NoIncident));
    assert_eq!(story.machine.acknowledge(&id, " ", now), Err(Refusal::NameMissing));
}

#[test]
fn who_acknowledges_means_what_fires_then() {
    const SLOW_C: &str = "alertname=Slow instance=c severity=critical";
    let mut own = route(route::DEFAULT, "");
    own.escalate_after = Some(Duration::from_secs(1_200));
    own.escalate_to = Some(vec!["boss".into()]);
    let mut story = Story::new(settings(&[own]));
    // One that had ended by then was not meant either.
    story.fire(SLOW).fire(SLOW_C).minutes(5).check("pager first 1+0, pager changed 2+0");
    story.end(SLOW_C).minutes(5).check("pager changed 1+1");
    let id = story.id();
    story.machine.acknowledge(&id, "li", UnixMs(story.now)).unwrap();
    story.minutes(20).check("");
    assert_eq!(story.states(), "acknowledged");
    // Another one: it is told, and somebody else if nobody acknowledges it either.
    story.fire(SLOW_B).check("pager changed 2+0");
    assert_eq!(story.states(), "firing");
    story.minutes(5).fire(SLOW_C).check("pager changed 3+0");
    story.minutes(14).check("").minutes(1).check("boss escalated 3+0");
    story.minutes(224).check("").minutes(1).check("pager repeat 3+0, boss repeat 3+0");
    // Without them the acknowledgement holds, also of what comes and goes that was meant.
    story.end(SLOW_B).end(SLOW_C).minutes(5).check("pager changed 1+2, boss changed 1+2");
    story.minutes(300).check("");
    assert_eq!(story.states(), "acknowledged");
    story.fire(SLOW_B).minutes(1).end(SLOW).minutes(1).fire(SLOW).end(SLOW_B);
    story.told();
    assert_eq!(story.states(), "acknowledged");
    story.fire(SLOW_C);
    assert_eq!(story.states(), "firing");
    story.machine.acknowledge(&id, "wang", UnixMs(story.now)).unwrap();
    assert_eq!(story.states(), "acknowledged");
    story.minutes(5);
    story.told();
    story.minutes(300).check("");
    let codes = story.codes();
    assert_eq!(codes.matches("outgrown").count(), 3, "{codes}");
    let said = &story.machine.kept().incidents[&id].timeline;
    let said = said.iter().find(|entry| entry.code == "incident.outgrown").unwrap();
    assert_eq!(said.params["author"], "li");
}

#[test]
fn an_acknowledgement_ends_with_its_incident() {
    let mut own = route(route::DEFAULT, "");
    own.escalate_after = Some(Duration::from_secs(600));
    own.escalate_to = Some(vec!["boss".into()]);
    let mut story = Story::new(settings(&[own]));
    story.fire(SLOW).check("pager first 1+0").minutes(1);
    let id = story.id();
    story.machine.acknowledge(&id, "li", UnixMs(story.now)).unwrap();
    story.minutes(10).end(SLOW).check("pager resolved 0+1");
    assert_eq!(story.machine.kept().incidents[&id].head.acknowledged_by, None);
    story.minutes(3).fire(SLOW_B).minutes(2).check("pager changed 1+0");
    assert_eq!((story.id(), story.states().as_str()), (id, "firing"));
    story.minutes(8).check("boss escalated 1+0");
    story.minutes(232).check("pager repeat 1+0, boss repeat 1+0");
}

#[test]
fn people_assign_note_and_end() {
    let mut story = Story::new(settings(&[]));
    story.fire(SLOW).check("pager first 1+0").minutes(6);
    let (id, now) = (story.id(), UnixMs(story.now));
    story.machine.assign(&id, "li", "wang", now).unwrap();
    story.machine.add_note(&id, "wang", " restarting ", now).unwrap();
    assert_eq!(story.machine.add_note(&id, "wang", " ", now), Err(Refusal::TextMissing));
    let view = story.machine.view(&id, now).unwrap();
    assert_eq!(
        (view.assignee.as_deref(), view.notes[0].text.as_str()),
        (Some("wang"), "restarting")
    );
    story.machine.resolve(&id, "wang", now).unwrap();
    story.machine.tick(now);
    story.check("pager resolved 0+1");
    assert_eq!(story.states(), "resolved");
    assert!(story.machine.firing().is_empty());
    // It fires on, and nobody wants to know.
    story.minutes(300).check("");
    assert_eq!(story.states(), "resolved");
    story.end(SLOW).minutes(1).fire(SLOW).check("pager first 1+0");
    assert_eq!(story.states(), "resolved firing");
    for number in 0..200 {
        let done = story.machine.add_note(&id, "li", "n", UnixMs(story.now));
        assert_eq!(done.is_ok(), number < 99, "{number}");
    }
}

#[test]
fn quiet_hours_wait_for_the_morning() {
    let mut night = route(route::DEFAULT, "");
    // It is 08:00.
    night.quiet_hours = Hours::parse(&["07:00-09:00"]).unwrap();
    let mut grave = route("grave", "severity=critical");
    grave.active_hours = Hours::parse(&["00:00-24:00"]).unwrap();
    grave.quiet_hours = Hours::parse(&["03:00-03:01"]).unwrap();
    let mut story = Story::new(settings(&[night, grave]));
    story.fire(SLOW).check("").fire(DOWN).check("pager first 1+0");
    story.minutes(59).check("").minutes(1).check("pager first 1+0");
}

#[test]
fn very_many_alerts_are_one_bounded_notification() {
    let mut story = Story::new(settings(&[]));
    let alerts: Vec<Alert> = (0..ALERTS_MAX + 5)
        .map(|number| alert(&format!("alertname=Slow instance=i{number}"), story.now))
        .collect();
    story.machine.take(&alerts[..10_000], UnixMs(story.now));
    story.machine.tick(UnixMs(story.now));
    let owed = story.machine.owed().next().unwrap().notification();
    assert_eq!((owed.alerts.len(), owed.truncated), (NOTIFIED_MAX, 9_900));
    assert_eq!(owed.group_key, r#"{}:{alertname="Slow"}"#);
    let url = format!("http://page/#/alerts?incident={}&at={}", owed.incident, story.now);
    assert_eq!(owed.url, url);
    story.machine.take(&alerts, UnixMs(story.now));
    assert_eq!((story.machine.firing_total(), story.machine.refused()), (ALERTS_MAX, 5));
    let bad = Alert { annotations: vec![("a".into(), "x".repeat(20_000))], ..alerts[0].clone() };
    let none = Alert { labels: Labels::empty(), ..alerts[0].clone() };
    story.machine.take(&[bad, none], UnixMs(story.now));
    assert_eq!(story.machine.refused(), 7);
    let view = story.machine.view(&story.id(), UnixMs(story.now)).unwrap();
    assert_eq!((view.alerts.len(), view.alerts_total), (view::ALERTS_SHOWN_MAX, 50_000));
    let (page, has_more) = story.machine.list(&view::Wanted::default(), 10, 5, UnixMs(story.now));
    assert_eq!((page.len(), page[0].alerts.len(), has_more), (1, 5, false));
}

impl Story {
    /// Sets the clock.
    fn set(&mut self, by: i64) -> &mut Self {
        self.now += by;
        self.machine.clock_jumped(by, UnixMs(self.now));
        self.machine.tick(UnixMs(self.now));
        self
    }
}

#[test]
fn a_clock_that_is_set_ends_nothing_and_tells_nothing() {
    for by in [10 * HOUR, -10 * HOUR, 2 * MINUTE, -2 * MINUTE] {
        let mut own = route(route::DEFAULT, "");
        own.escalate_after = Some(Duration::from_secs(30 * 60));
        own.escalate_to = Some(vec!["phone".into()]);
        let mut story = Story::new(settings(&[own]));
        story.fire(SLOW).check("pager first 1+0").minutes(1);
        for by in [by, -2 * by, by] {
            story.set(by).check("");
            assert_eq!(story.states(), "firing");
        }
        story.set(by).check("").minutes(4).check("");
        // All goes on as if the clock had not been set.
        story.fire(SLOW_B).check("pager changed 2+0");
        story.minutes(24).check("").minutes(1).check("phone escalated 2+0");
        story.set(by).check("").minutes(214).check("");
        story.minutes(1).check("pager repeat 2+0, phone repeat 2+0");
        // What is over is the same incident if it fires again soon, and its end is told when it would have been.
        story.minutes(1).end(SLOW).end(SLOW_B).set(by).check("");
        assert_eq!(story.states(), "resolved");
        story.minutes(3).check("").minutes(1).check("pager resolved 0+2, phone resolved 0+2");
        story.set(by).fire(SLOW);
        assert_eq!(story.states(), "firing");
    }
}

#[test]
fn an_alert_that_flaps_is_not_steady_because_the_clock_is_set() {
    for by in [10 * HOUR, -10 * HOUR] {
        let mut story = Story::new(settings(&[]));
        for _ in 0..10 {
            story.fire(SLOW).minutes(1).end(SLOW).minutes(1);
        }
        story.told();
        story.set(by).check("").minutes(40).check("");
        assert_eq!(story.states(), "firing");
        story.minutes(20);
        assert_eq!(story.states(), "resolved");
    }
}

#[test]
fn a_clock_that_is_set_out_of_a_silence_ends_it() {
    let mut story = Story::new(settings(&[]));
    let silence = SilenceDraft {
        id: String::new(),
        matchers: matchers::parse_list("instance=a").unwrap(),
        starts: UnixMs(story.now),
        ends: UnixMs(story.now + HOUR),
        created_by: "li".into(),
        comment: String::new(),
    };
    story.machine.put_silence(silence, UnixMs(story.now)).unwrap();
    story.fire(SLOW).minutes(1).check("").set(-HOUR).check("pager first 1+0");
}

#[test]
fn a_restart_waits_for_what_is_told_rarely() {
    // Told each hour, and good for four; and one that is told each minute.
    let mut story = Story::new(settings(&[]));
    let rare = Alert { ends_at: UnixMs(story.now + 4 * HOUR), ..alert(DOWN, story.now) };
    story.machine.take(std::slice::from_ref(&rare), UnixMs(story.now));
    story.fire(SLOW).told();
    // It is told again for a day, which is not kept, and then only after the restart.
    story.now += 23 * HOUR;
    story.firing.clear();
    let records = story.machine.kept().records();
    let mut kept = Kept::default();
    records.into_iter().for_each(|record| kept.apply(record));
    story.machine = Incidents::new(settings(&[]), kept, UnixMs(story.now));
    story.minutes(4);
    assert_eq!(story.states(), "firing firing");
    story.minutes(51);
    assert_eq!(story.states(), "firing resolved");
    let again = Alert { ends_at: UnixMs(story.now + 4 * HOUR), ..rare };
    story.machine.take(&[again], UnixMs(story.now));
    story.minutes(239);
    assert_eq!(story.states(), "firing resolved");
    story.minutes(1);
    assert_eq!(story.states(), "resolved resolved");
}

#[test]
fn other_routes_take_over_what_fires() {
    let mut story = Story::new(settings(&[]));
    story.fire(SLOW).check("pager first 1+0").minutes(1);
    let mut other = route("slow", "alertname=Slow");
    other.channels = Some(vec!["mail".into()]);
    let kept = story.machine.kept().clone();
    story.machine = Incidents::new(settings(&[other]), kept, UnixMs(story.now));
    story.minutes(5).check("mail first 1+0, pager resolved 0+1");
    assert_eq!(story.machine.firing_total(), 1);
}

#[test]
fn fingerprints_are_alertmanagers() {
    // As Alertmanager 0.25.0 gave it: data/interop/alertmanager-api/0.25.0-get-alerts.http.
    let labels = [("alertname", "SlowFirstToken"), ("model", "qwen2.5-7b"), ("severity", "page")];
    let print = Labels::from_pairs(labels).fingerprint();
    assert_eq!(format!("{print:016x}"), "5be186e7e39c1c4d");
}

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    Fire(u8),
    End(u8),
    Minutes(u8),
    Acknowledge,
    Resolve,
    Note,
    Silence(u8),
    Expire,
    Pay,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0_u8..6).prop_map(Step::Fire),
        2 => (0_u8..6).prop_map(Step::End),
        2 => (1_u8..20).prop_map(Step::Minutes),
        1 => Just(Step::Acknowledge),
        1 => Just(Step::Resolve),
        1 => Just(Step::Note),
        1 => (0_u8..6).prop_map(Step::Silence),
        1 => Just(Step::Expire),
        1 => Just(Step::Pay),
    ];
    prop::collection::vec(step, 1..40)
}

fn play(machine: &mut Incidents, step: &Step, now: &mut i64) {
    let labels = |number: u8| format!("alertname=N{} instance=i{number}", number % 2);
    let time = UnixMs(*now);
    let newest = machine.kept().incidents.keys().next().cloned().unwrap_or_default();
    match step {
        Step::Fire(number) => machine.take(&[alert(&labels(*number), *now)], time),
        Step::End(number) => {
            let ended = Alert { ends_at: time, ..alert(&labels(*number), *now - 1) };
            machine.take(&[ended], time);
        }
        Step::Minutes(minutes) => *now += i64::from(*minutes) * MINUTE,
        Step::Acknowledge => drop(machine.acknowledge(&newest, "li", time)),
        Step::Resolve => drop(machine.resolve(&newest, "li", time)),
        Step::Note => drop(machine.add_note(&newest, "li", "n", time)),
        Step::Silence(number) => {
            let draft = SilenceDraft {
                id: String::new(),
                matchers: matchers::parse_list(&format!("instance=i{number}")).unwrap(),
                starts: time,
                ends: UnixMs(*now + 30 * MINUTE),
                created_by: "li".into(),
                comment: String::new(),
            };
            machine.put_silence(draft, time).unwrap();
        }
        Step::Expire => {
            let id = machine.kept().silences.keys().next().cloned().unwrap_or_default();
            drop(machine.expire_silence(&id, time));
        }
        Step::Pay => {
            let key = machine.owed().next().map(|owed| owed.key.clone()).unwrap_or_default();
            machine.paid(&key);
        }
    }
    machine.tick(UnixMs(*now));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Wherever the file ends, what is read of it is what was kept with the last whole line; and a program that begins
    /// with it goes on and owes nothing twice under another key.
    #[test]
    fn an_end_at_any_byte_loses_no_whole_line(steps in steps(), cut in 0.0_f64..1.0) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("incidents.journal");
        let mut journal = Journal::open(&path).unwrap().journal;
        let mut now = 1_800_000_000_000;
        let mut machine = Incidents::new(settings(&[]), Kept::default(), UnixMs(now));
        let mut kept = vec![(0, Kept::default())];
        for step in &steps {
            play(&mut machine, step, &mut now);
            journal.append(&machine.take_records()).unwrap();
            let length = std::fs::metadata(&path).unwrap().len();
            if length > kept.last().unwrap().0 {
                kept.push((length, machine.kept().clone()));
            }
        }
        drop(journal);
        let bytes = std::fs::read(&path).unwrap();
        let end = (bytes.len() as f64 * cut) as usize;
        std::fs::write(&path, &bytes[..end]).unwrap();
        let opened = Journal::open(&path).unwrap();
        let whole = kept.iter().rev().find(|(length, _)| *length <= end as u64).unwrap();
        prop_assert_eq!(&opened.kept, &whole.1);
        prop_assert_eq!(opened.damaged, 0);
        // Written anew it is the same.
        let mut journal = opened.journal;
        journal.compact(&opened.kept.records()).unwrap();
        prop_assert_eq!(&Journal::open(&path).unwrap().kept, &whole.1);
        let mut again = Incidents::new(settings(&[]), opened.kept, UnixMs(now));
        again.tick(UnixMs(now));
        journal.append(&again.take_records()).unwrap();
        prop_assert_eq!(&Journal::open(&path).unwrap().kept, again.kept());
        let keys: Vec<String> = again.owed().map(|owed| owed.key.clone()).collect();
        prop_assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
    }

    /// Whatever happens, all that is reckoned agrees with itself.
    #[test]
    fn counts_agree(steps in steps()) {
        let mut now = 1_800_000_000_000;
        let mut machine = Incidents::new(settings(&[]), Kept::default(), UnixMs(now));
        for step in &steps {
            play(&mut machine, step, &mut now);
            for incident in machine.kept().incidents.values() {
                let firing = incident.members.values().filter(|member| member.is_firing()).count();
                if firing > 0 {
                    prop_assert!(incident.head.state != State::Resolved, "{:?}", incident.head);
                    prop_assert_eq!(incident.head.resolved, None);
                }
                prop_assert_eq!(incident.head.resolved.is_some(), incident.head.state == State::Resolved);
            }
            prop_assert!(machine.next_due() > UnixMs(now));
        }
    }
}

#[test]
fn a_damaged_line_is_left_out_and_a_torn_one_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("incidents.journal");
    let silence = |id: &str| {
        let matchers = matchers::parse_list("a=~\"b.*\"").unwrap();
        let (id, created_by) = (id.to_owned(), "li".to_owned());
        let comment = "x".repeat(10);
        let silence =
            record::Silence { id, matchers, starts: 1, ends: 2, updated: 1, created_by, comment };
        vec![Record::Silence { silence }]
    };
    let mut journal = Journal::open(&path).unwrap().journal;
    for id in ["a", "b", "c"] {
        journal.append(&silence(id)).unwrap();
    }
    let mut bytes = std::fs::read(&path).unwrap();
    let second = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 20;
    bytes[second] ^= 1;
    bytes.extend(b"0badc0de [{\"kind\":\"sil");
    std::fs::write(&path, &bytes).unwrap();
    let mut opened = Journal::open(&path).unwrap();
    assert_eq!((opened.damaged, opened.kept.silences.len()), (1, 2));
    opened.journal.append(&silence("d")).unwrap();
    let again = Journal::open(&path).unwrap();
    assert_eq!((again.damaged, again.kept.silences.len()), (1, 3));
    assert!(!again.journal.is_due());
}
