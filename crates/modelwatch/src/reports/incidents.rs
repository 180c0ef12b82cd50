//! Incidents as reports tell of them.

use alert::incident::{
    CLOSED_KEPT_MS, CLOSED_MAX,
    record::{Kept, Member},
};
use model::{Labels, UnixMs};
use report::{
    facts::{Bilingual, Incident, Said},
    zone::Zone,
};

use super::Period;

/// Incidents that were open at some time of a period, oldest first; of one model those that concern it.
pub(crate) fn told(kept: &Kept, period: Period, model: Option<&str>) -> Vec<Incident> {
    let (start, end) = (period.start.0, period.end.0);
    let inside = kept.incidents.values().filter(|it| {
        it.head.started < end && it.head.resolved.is_none_or(|resolved| resolved >= start)
    });
    let mut found: Vec<Incident> = inside
        .filter_map(|incident| {
            let head = &incident.head;
            let all = incident.members.values();
            let about: Vec<&Member> =
                all.filter(|it| model.is_none_or(|model| concerns(&it.labels, model))).collect();
            let is_whole = about.len() == incident.members.len();
            if about.is_empty() && !is_whole {
                return None;
            }
            let first = about.iter().min_by_key(|member| member.starts).copied();
            // Of alerts that were forgotten only the number is known, not whom they concerned.
            let total = usize::try_from(head.alerts_total).unwrap_or(usize::MAX);
            Some(Incident {
                name: head.name.clone(),
                severity: head.severity.clone(),
                start: UnixMs(head.started),
                end: head.resolved.map(UnixMs),
                summary: text(first, "summary"),
                cause: text(first, "cause"),
                alerts: if is_whole { total } else { about.len() },
            })
        })
        .collect();
    found.sort_by_key(|incident| incident.start);
    found
}

/// What to say of a report that begins before the incidents that are kept.
pub(crate) fn forgotten(kept: &Kept, now: UnixMs, start: UnixMs, zone: &Zone) -> Option<Said> {
    let since = kept_since(kept, now);
    let params = || vec![("time".to_owned(), zone.minute(since))];
    (start < since).then(|| Said { code: "report.incidents_since".into(), params: params() })
}

/// Since when all incidents are known: those that are over are kept for a time, and only so many of them.
fn kept_since(kept: &Kept, now: UnixMs) -> UnixMs {
    let since = now.0.saturating_sub(CLOSED_KEPT_MS);
    let mut closed: Vec<i64> =
        kept.incidents.values().filter_map(|incident| incident.head.resolved).collect();
    closed.sort_unstable_by(|a, b| b.cmp(a));
    UnixMs(closed.get(CLOSED_MAX - 1).map_or(since, |oldest| since.max(*oldest)))
}

/// Whether an alert is about a model, or about something that all models share. The `model` of an accelerator is that
/// of the device.
fn concerns(labels: &Labels, model: &str) -> bool {
    let is_device = ["uuid", "index"].iter().any(|name| labels.get(name).is_some());
    is_device || labels.get("model").is_none_or(|label| label.is_empty() || label == model)
}

fn text(member: Option<&Member>, name: &str) -> Bilingual {
    let find = |name: &str| {
        let found = member?.annotations.iter().find(|(candidate, _)| candidate == name);
        found.map(|(_, text)| text.clone())
    };
    Bilingual {
        en: find(name).unwrap_or_default(),
        zh: find(&format!("{name}_zh")).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use alert::incident::record::{Head, Record, State};

    use super::*;

    /// An incident from one time to another, with alerts of these labels.
    fn add(kept: &mut Kept, id: &str, times: (i64, Option<i64>), members: &[&[(&str, &str)]]) {
        let head = Head {
            id: id.into(),
            route: String::new(),
            group_key: String::new(),
            group_labels: Labels::empty(),
            name: id.into(),
            severity: "warning".into(),
            state: State::Firing,
            started: times.0,
            updated: times.0,
            resolved: times.1,
            acknowledged_by: None,
            assignee: None,
            is_flapping: false,
            alerts_total: 9,
            told: None,
            escalated: None,
        };
        kept.apply(Record::Incident { head });
        for (place, labels) in members.iter().enumerate() {
            let member = Member {
                labels: Labels::from_pairs(labels.iter().copied()),
                annotations: vec![("summary".into(), format!("{place}"))],
                generator_url: String::new(),
                value: None,
                starts: times.0 + place as i64,
                expires: times.0,
                valid_ms: 0,
                ends: times.1,
                told_firing: None,
                is_dismissed: false,
                is_unacknowledged: false,
                flips: Vec::new(),
            };
            kept.apply(Record::Member { id: id.into(), member });
        }
    }

    #[test]
    fn what_was_forgotten_is_said() {
        let now = UnixMs(1_795_219_200_000);
        let zone = Zone { name: String::new(), offsets: vec![(UnixMs(0), 28_800)] };
        let mut kept = Kept::default();
        let check = |kept: &Kept, start: i64, expected: Option<&str>| {
            let said = forgotten(kept, now, UnixMs(start), &zone);
            let time = said.map(|said| said.params[0].1.clone());
            assert_eq!(time.as_deref(), expected, "{start}");
        };
        let since = now.0 - CLOSED_KEPT_MS;
        check(&kept, since, None);
        check(&kept, since - 1, Some("2026-08-23 08:00"));
        // The oldest of as many as are kept: others may have been before it.
        let hour = 3_600_000;
        for place in 0..CLOSED_MAX as i64 {
            let resolved = now.0 - hour - place;
            add(&mut kept, &format!("{place}"), (resolved - 1, Some(resolved)), &[]);
            let expected = (place + 1 == CLOSED_MAX as i64).then_some("2026-11-21 06:59");
            if place + 2 >= CLOSED_MAX as i64 {
                check(&kept, now.0 - 2 * hour, expected);
            }
        }
        check(&kept, now.0 - hour, None);
    }

    const PERIOD: Period = Period { start: UnixMs(1_000), end: UnixMs(2_000), slot_ms: 1_000 };

    #[test]
    fn a_report_of_one_model_tells_of_its_incidents() {
        let mut kept = Kept::default();
        add(&mut kept, "a", (900, Some(1_100)), &[&[("model", "a")]]);
        add(&mut kept, "b", (1_200, None), &[&[("model", "b")]]);
        add(&mut kept, "both", (1_300, None), &[&[("model", "b")], &[("model", "a")]]);
        add(&mut kept, "disk", (1_400, None), &[&[("mountpoint", "/")]]);
        let card: &[_] = &[("host", "n"), ("index", "0"), ("uuid", "u"), ("model", "H100")];
        add(&mut kept, "card", (1_500, None), &[card]);
        add(&mut kept, "forgotten", (1_600, None), &[]);
        add(&mut kept, "before", (10, Some(20)), &[&[("model", "a")]]);
        add(&mut kept, "after", (2_000, None), &[&[("model", "a")]]);
        let check = |model: Option<&str>, expected: &[(&str, usize, &str)]| {
            let found = told(&kept, PERIOD, model);
            let found: Vec<_> =
                found.iter().map(|it| (&*it.name, it.alerts, &*it.summary.en)).collect();
            assert_eq!(found, expected, "{model:?}");
        };
        let shared = [("disk", 9, "0"), ("card", 9, "0"), ("forgotten", 9, "")];
        check(Some("a"), &[&[("a", 9, "0"), ("both", 1, "1")], &shared[..]].concat());
        check(Some("b"), &[&[("b", 9, "0"), ("both", 1, "0")], &shared[..]].concat());
        check(None, &[&[("a", 9, "0"), ("b", 9, "0"), ("both", 9, "0")], &shared[..]].concat());
    }
}
