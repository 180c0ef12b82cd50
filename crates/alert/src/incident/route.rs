//! Which channels an alert is for: a tree of routes as Alertmanager has it, written as a flat list.
//!
//! Above all stands the route `default`, which takes what no other takes. A route without a parent stands below it.
//! Of the routes below one the first that matches is taken, and those after it only if that one says `continue`.
//! What a route does not set it has from its parent.

use std::{collections::BTreeMap, time::Duration};

use model::{Labels, UnixMs, series::Matcher};

use super::hours::{Hours, Zone};
use crate::matchers;

/// Most routes.
pub const ROUTES_MAX: usize = 500;
/// Deepest route.
pub const DEPTH_MAX: usize = 16;
/// The name of the route above all.
pub const DEFAULT: &str = "default";
/// In `group_by`: alerts stand together only if all of their labels are the same.
const ALL_LABELS: &str = "...";

/// A route as a person writes it. What is absent is that of the parent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteSetting {
    pub name: String,
    /// Empty for the route above all.
    pub parent: String,
    pub matchers: Vec<Matcher>,
    pub channels: Option<Vec<String>>,
    pub group_by: Option<Vec<String>>,
    pub group_wait: Option<Duration>,
    pub group_interval: Option<Duration>,
    pub repeat_interval: Option<Duration>,
    /// Whether routes after this one are asked as well.
    pub goes_on: bool,
    pub quiet_hours: Hours,
    pub active_hours: Hours,
    pub zone: Option<Zone>,
    pub escalate_after: Option<Duration>,
    pub escalate_to: Option<Vec<String>>,
}

impl PartialEq for Zone {
    /// What a zone does is not compared.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A route with all that it has from its parents.
#[derive(Clone, Debug)]
pub struct Route {
    pub name: String,
    pub parent: String,
    pub matchers: Vec<Matcher>,
    pub channels: Vec<String>,
    pub group_by: Vec<String>,
    pub group_wait: Duration,
    pub group_interval: Duration,
    pub repeat_interval: Duration,
    pub goes_on: bool,
    pub escalate_after: Duration,
    pub escalate_to: Vec<String>,
    quiet_hours: Hours,
    active_hours: Hours,
    zone: Zone,
    /// The beginning of the keys of its groups.
    key: String,
    children: Vec<usize>,
}

impl Route {
    /// Whether channels are not told now.
    pub(super) fn is_quiet(&self, now: UnixMs) -> bool {
        let within = |hours: &Hours| hours.contains(now, &self.zone);
        within(&self.quiet_hours) || (!self.active_hours.is_empty() && !within(&self.active_hours))
    }

    /// The labels by which an alert stands with others.
    pub(super) fn group_labels(&self, labels: &Labels) -> Labels {
        if self.group_by.iter().any(|name| name == ALL_LABELS) {
            return labels.clone();
        }
        labels.keep(|name| self.group_by.iter().any(|wanted| wanted == name))
    }

    /// Alertmanager's key of a group.
    pub(super) fn group_key(&self, labels: &Labels) -> String {
        let pairs: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        format!("{}:{{{}}}", self.key, pairs.join(", "))
    }
}

/// What is wrong with the routes: the name of one, and why in English.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRoute {
    pub route: String,
    pub reason: String,
}

/// All routes; the first is the one above all.
#[derive(Clone, Debug)]
pub struct Routes(Vec<Route>);

impl Routes {
    /// Builds the tree. Without a setting for it the route above all tells `channels`.
    pub fn new(
        settings: &[RouteSetting],
        channels: &[String],
        zone: &Zone,
    ) -> Result<Self, BadRoute> {
        check(settings)?;
        let own = settings.iter().find(|setting| setting.name == DEFAULT);
        let own = own.cloned().unwrap_or_default();
        let root = Route {
            name: DEFAULT.into(),
            parent: String::new(),
            matchers: Vec::new(),
            channels: own.channels.unwrap_or_else(|| channels.to_vec()),
            group_by: own.group_by.unwrap_or_else(|| vec![model::alert::ALERT_NAME.into()]),
            group_wait: own.group_wait.unwrap_or_default(),
            group_interval: own.group_interval.unwrap_or(Duration::from_secs(300)),
            repeat_interval: own.repeat_interval.unwrap_or(Duration::from_secs(4 * 3_600)),
            goes_on: false,
            escalate_after: own.escalate_after.unwrap_or_default(),
            escalate_to: own.escalate_to.unwrap_or_default(),
            quiet_hours: own.quiet_hours,
            active_hours: own.active_hours,
            zone: own.zone.unwrap_or_else(|| zone.clone()),
            key: "{}".into(),
            children: Vec::new(),
        };
        let mut routes = vec![root];
        let mut places = BTreeMap::from([(DEFAULT, 0)]);
        let mut waiting: Vec<&RouteSetting> =
            settings.iter().filter(|setting| setting.name != DEFAULT).collect();
        // Parents before their children, whatever the order in which they are written.
        while !waiting.is_empty() {
            let before = waiting.len();
            waiting.retain(|setting| {
                let Some(parent) = places.get(parent_of(setting)).copied() else { return true };
                places.insert(&setting.name, routes.len());
                let route = below(&routes[parent], setting);
                let place = routes.len();
                routes[parent].children.push(place);
                routes.push(route);
                false
            });
            if waiting.len() == before {
                let (route, parent) = (waiting[0].name.clone(), parent_of(waiting[0]));
                let reason =
                    format!("its parent {parent:?} leads to no route that stands below default");
                return Err(BadRoute { route, reason });
            }
        }
        let routes = Self(routes);
        routes.check_depth()?;
        Ok(routes)
    }

    fn check_depth(&self) -> Result<(), BadRoute> {
        let mut level = vec![0];
        for _ in 0..=DEPTH_MAX {
            level = level.iter().flat_map(|at| self.0[*at].children.iter().copied()).collect();
        }
        match level.first() {
            None => Ok(()),
            Some(at) => {
                let reason = format!("more than {DEPTH_MAX} routes stand above it");
                Err(BadRoute { route: self.0[*at].name.clone(), reason })
            }
        }
    }

    pub fn all(&self) -> &[Route] {
        &self.0
    }

    /// The route of a name; where it is gone the one above all.
    pub(super) fn named(&self, name: &str) -> &Route {
        self.0.iter().find(|route| route.name == name).unwrap_or(&self.0[0])
    }

    /// The routes that an alert takes, at least one.
    pub fn of(&self, labels: &Labels) -> Vec<&Route> {
        let mut taken = Vec::new();
        self.descend(0, labels, &mut taken);
        taken.into_iter().map(|at| &self.0[at]).collect()
    }

    fn descend(&self, at: usize, labels: &Labels, taken: &mut Vec<usize>) {
        let before = taken.len();
        for child in &self.0[at].children {
            let route = &self.0[*child];
            if Matcher::all_match(&route.matchers, labels) {
                self.descend(*child, labels, taken);
                if !route.goes_on {
                    break;
                }
            }
        }
        if taken.len() == before {
            taken.push(at);
        }
    }
}

fn parent_of(setting: &RouteSetting) -> &str {
    if setting.parent.is_empty() { DEFAULT } else { &setting.parent }
}

fn below(parent: &Route, setting: &RouteSetting) -> Route {
    let or = |own: Option<Duration>, inherited: Duration| own.unwrap_or(inherited);
    let hours = |own: &Hours, inherited: &Hours| {
        if own.is_empty() { inherited.clone() } else { own.clone() }
    };
    let list = |own: &Option<Vec<String>>, inherited: &[String]| {
        own.clone().unwrap_or_else(|| inherited.to_vec())
    };
    Route {
        name: setting.name.clone(),
        parent: parent.name.clone(),
        matchers: setting.matchers.clone(),
        channels: list(&setting.channels, &parent.channels),
        group_by: list(&setting.group_by, &parent.group_by),
        group_wait: or(setting.group_wait, parent.group_wait),
        group_interval: or(setting.group_interval, parent.group_interval),
        repeat_interval: or(setting.repeat_interval, parent.repeat_interval),
        goes_on: setting.goes_on,
        escalate_after: or(setting.escalate_after, parent.escalate_after),
        escalate_to: list(&setting.escalate_to, &parent.escalate_to),
        quiet_hours: hours(&setting.quiet_hours, &parent.quiet_hours),
        active_hours: hours(&setting.active_hours, &parent.active_hours),
        zone: setting.zone.clone().unwrap_or_else(|| parent.zone.clone()),
        key: format!("{}/{}", parent.key, matchers::write_list(&setting.matchers)),
        children: Vec::new(),
    }
}

fn check(settings: &[RouteSetting]) -> Result<(), BadRoute> {
    let bad = |setting: &RouteSetting, reason: &str| {
        Err(BadRoute { route: setting.name.clone(), reason: reason.into() })
    };
    for (index, setting) in settings.iter().enumerate() {
        if settings[..index].iter().any(|other| other.name == setting.name) {
            return bad(setting, "two routes have this name");
        }
        let is_default = setting.name == DEFAULT;
        if is_default && (!setting.parent.is_empty() || !setting.matchers.is_empty()) {
            return bad(
                setting,
                "the route default stands above all and takes what no other takes: it has no parent and no match",
            );
        }
    }
    match settings.get(ROUTES_MAX) {
        Some(setting) => bad(setting, &format!("at most {ROUTES_MAX} routes are allowed")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(name: &str, parent: &str, matcher: &str) -> RouteSetting {
        RouteSetting {
            name: name.into(),
            parent: parent.into(),
            matchers: matchers::parse_list(matcher).unwrap(),
            ..RouteSetting::default()
        }
    }

    fn taken(settings: &[RouteSetting], labels: &[(&str, &str)]) -> String {
        let routes = Routes::new(settings, &["all".into()], &Zone::utc()).unwrap();
        let labels = Labels::from_pairs(labels.iter().copied());
        let names: Vec<&str> = routes.of(&labels).iter().map(|it| it.name.as_str()).collect();
        names.join(" ")
    }

    #[test]
    fn the_first_that_matches_is_taken() {
        let mut settings = vec![
            setting("night", "grave", "team=\"b\""),
            setting("grave", "", "severity=\"critical\""),
            setting("all-b", "", "team=\"b\""),
        ];
        assert_eq!(taken(&[], &[("a", "b")]), "default");
        assert_eq!(taken(&settings, &[("a", "b")]), "default");
        assert_eq!(taken(&settings, &[("severity", "critical")]), "grave");
        let both = [("severity", "critical"), ("team", "b")];
        assert_eq!(taken(&settings, &both), "night");
        assert_eq!(taken(&settings, &[("team", "b")]), "all-b");
        settings[1].goes_on = true;
        assert_eq!(taken(&settings, &both), "night all-b");
    }

    #[test]
    fn what_is_not_set_is_the_parents() {
        let mut settings = vec![
            setting("default", "", ""),
            setting("a", "", "x=\"1\""),
            setting("b", "a", "y=~\"2\""),
        ];
        settings[0].group_interval = Some(Duration::from_secs(7));
        settings[1].channels = Some(vec!["pager".into()]);
        settings[2].group_by = Some(vec!["...".into()]);
        let routes = Routes::new(&settings, &["all".into()], &Zone::utc()).unwrap();
        let route = routes.named("b");
        assert_eq!(
            (route.channels.clone(), route.group_interval.as_secs()),
            (vec!["pager".into()], 7)
        );
        assert_eq!(routes.named("gone").channels, ["all"]);
        let labels = Labels::from_pairs([("x", "1"), ("y", "2")]);
        let group = route.group_labels(&labels);
        assert_eq!(route.group_key(&group), r#"{}/{x="1"}/{y=~"2"}:{x="1", y="2"}"#);
    }

    #[test]
    fn trees_that_are_none() {
        let check = |settings: &[RouteSetting], expected: &str| {
            let bad = Routes::new(settings, &[], &Zone::utc()).unwrap_err();
            assert!(format!("{}: {}", bad.route, bad.reason).contains(expected), "{bad:?}");
        };
        check(&[setting("a", "b", "")], "a: its parent \"b\"");
        check(&[setting("a", "b", ""), setting("b", "a", "")], "a: its parent");
        check(&[setting("a", "", ""), setting("a", "", "")], "a: two routes");
        check(&[setting("default", "", "a=b")], "stands above all");
        let many: Vec<_> = (0..=ROUTES_MAX).map(|n| setting(&n.to_string(), "", "")).collect();
        check(&many, "at most");
        let deep: Vec<_> = (0..=DEPTH_MAX + 1)
            .map(|n| {
                setting(
                    &n.to_string(),
                    &n.checked_sub(1).map_or(String::new(), |n| n.to_string()),
                    "",
                )
            })
            .collect();
        check(&deep, "stand above it");
    }
}
