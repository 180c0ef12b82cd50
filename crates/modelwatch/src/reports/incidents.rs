//! Incidents as reports tell of them.

use alert::incident::record::{Kept, Member};
use model::{Labels, UnixMs};
use report::facts::{Bilingual, Incident};

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
                ends: times.1,
                told_firing: None,
                is_dismissed: false,
                flips: Vec::new(),
            };
            kept.apply(Record::Member { id: id.into(), member });
        }
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
