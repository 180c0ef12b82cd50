//! `[incidents]`, `[[route]]`, `[[inhibit]]`, `[[maintenance]]` and `[[alertmanager]]`: who is told of alerts.

use std::{sync::Arc, time::Duration};

use alert::{
    incident::{
        Settings, Zones, check_window,
        hours::{Hours, Zone},
        inhibit::{INHIBITIONS_MAX, Inhibition},
        record::{Repeat, Window},
        route::{RouteSetting, Routes},
        window_id,
    },
    matchers,
};
use deliver::{Login, Reference};
use model::{parse_rfc3339, series::Matcher};

use super::{
    Environment, Problem,
    lines::{Lines, text},
};
use crate::zone;

/// Most windows, and most Alertmanagers.
const ENTRIES_MAX: usize = 200;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Incidents {
    pub(crate) has_builtin_inhibitions: bool,
    pub(crate) routes: Vec<Route>,
    pub(crate) inhibitions: Vec<Inhibit>,
    pub(crate) windows: Vec<Maintenance>,
    pub(crate) alertmanagers: Vec<Alertmanager>,
}

impl Default for Incidents {
    fn default() -> Self {
        Self {
            has_builtin_inhibitions: true,
            routes: Vec::new(),
            inhibitions: Vec::new(),
            windows: Vec::new(),
            alertmanagers: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Route {
    pub(crate) name: String,
    pub(crate) parent: String,
    pub(crate) matchers: Vec<String>,
    pub(crate) channels: Option<Vec<String>>,
    pub(crate) group_by: Option<Vec<String>>,
    pub(crate) group_wait: Option<Duration>,
    pub(crate) group_interval: Option<Duration>,
    pub(crate) repeat_interval: Option<Duration>,
    pub(crate) goes_on: bool,
    pub(crate) quiet_hours: Vec<String>,
    pub(crate) active_hours: Vec<String>,
    pub(crate) zone: String,
    pub(crate) escalate_after: Option<Duration>,
    pub(crate) escalate_to: Option<Vec<String>>,
    /// Line of the entry, for errors found after parsing; so below.
    pub(crate) line: usize,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Inhibit {
    pub(crate) source: Vec<String>,
    pub(crate) target: Vec<String>,
    pub(crate) equal: Vec<String>,
    pub(crate) line: usize,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Maintenance {
    pub(crate) name: String,
    pub(crate) matchers: Vec<String>,
    pub(crate) start: String,
    pub(crate) end: String,
    /// Empty for none.
    pub(crate) repeat: String,
    pub(crate) zone: String,
    pub(crate) line: usize,
}

/// An Alertmanager that alerts are sent to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Alertmanager {
    pub(crate) url: String,
    pub(crate) username: String,
    /// References to secrets, never secrets.
    pub(crate) password: String,
    pub(crate) token: String,
    pub(crate) ca_file: String,
    pub(crate) timeout: Option<Duration>,
    pub(crate) is_instead: bool,
    pub(crate) line: usize,
}

/// What is wrong with an entry: the line, and the reason in English.
struct Bad(usize, String);

impl Incidents {
    /// Whether channels are told at all.
    pub(crate) fn has_notifications(&self) -> bool {
        !self.alertmanagers.iter().any(|alertmanager| alertmanager.is_instead)
    }

    /// What incidents are made by. Checked with the configuration, so that it fails only if a zone has gone since.
    pub(crate) fn settings(
        &self,
        channels: &[String],
        page_url: String,
    ) -> Result<Settings, String> {
        let channels = if self.has_notifications() { channels } else { &[] };
        self.compile(channels, page_url)
            .map_err(|Bad(line, reason)| format!("line {line}: {reason}"))
    }

    fn compile(&self, channels: &[String], page_url: String) -> Result<Settings, Bad> {
        let zone = zone_of(zone::Zone::local());
        let mut routes =
            self.routes.iter().map(Route::setting).collect::<Result<Vec<RouteSetting>, Bad>>()?;
        if !self.has_notifications() {
            for route in &mut routes {
                (route.channels, route.escalate_to) = (None, None);
            }
        }
        let routes = Routes::new(&routes, channels, &zone).map_err(|bad| {
            let line = self.routes.iter().find(|it| it.name == bad.route).map_or(0, |it| it.line);
            Bad(line, format!("route {}: {}", bad.route, bad.reason))
        })?;
        let inhibitions = self.inhibitions.iter().map(Inhibit::inhibition);
        let mut inhibitions = inhibitions.collect::<Result<Vec<Inhibition>, Bad>>()?;
        if self.has_builtin_inhibitions {
            inhibitions.extend(alert::pack::inhibitions());
        }
        let windows = self.windows.iter().map(Maintenance::window).collect::<Result<_, Bad>>()?;
        let zones: Zones = Arc::new(|name| zone::Zone::of_name(name).map(zone_of));
        Ok(Settings { routes, inhibitions, windows, zone, zones, page_url })
    }

    /// As lines that a configuration file could hold.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(self.alertmanagers.iter().flat_map(Alertmanager::lines));
        lines.extend(self.inhibitions.iter().flat_map(Inhibit::lines));
        lines.extend(self.windows.iter().flat_map(Maintenance::lines));
        lines.extend(self.routes.iter().flat_map(Route::lines));
        lines
    }
}

fn zone_of(zone: zone::Zone) -> Zone {
    Zone::new(move |seconds| zone.offset(seconds))
}

fn named_zone(line: usize, name: &str) -> Result<Option<Zone>, Bad> {
    if name.is_empty() {
        return Ok(None);
    }
    let zone = zone::Zone::of_name(name).map(zone_of);
    zone.map(Some).ok_or_else(|| Bad(line, format!("this machine knows no zone {name:?}")))
}

fn all_matchers(line: usize, texts: &[String]) -> Result<Vec<Matcher>, Bad> {
    matchers::parse_all(texts).map_err(|bad| Bad(line, bad.to_string()))
}

impl Route {
    fn setting(&self) -> Result<RouteSetting, Bad> {
        let hours = |texts: &[String]| Hours::parse(texts).map_err(|reason| Bad(self.line, reason));
        Ok(RouteSetting {
            name: self.name.clone(),
            parent: self.parent.clone(),
            matchers: all_matchers(self.line, &self.matchers)?,
            channels: self.channels.clone(),
            group_by: self.group_by.clone(),
            group_wait: self.group_wait,
            group_interval: self.group_interval,
            repeat_interval: self.repeat_interval,
            goes_on: self.goes_on,
            quiet_hours: hours(&self.quiet_hours)?,
            active_hours: hours(&self.active_hours)?,
            zone: named_zone(self.line, &self.zone)?,
            escalate_after: self.escalate_after,
            escalate_to: self.escalate_to.clone(),
        })
    }

    fn lines(&self) -> Vec<String> {
        // An empty list says something: nobody is told.
        let list = |list: &Option<Vec<String>>| list.clone().map(text);
        let mut lines = Lines::of("[[route]]");
        lines.written("name", &self.name);
        lines.written("parent", &self.parent);
        lines.texts("match", &self.matchers);
        lines.plain("channels", list(&self.channels));
        lines.plain("group_by", list(&self.group_by));
        lines.period("group_wait", self.group_wait);
        lines.period("group_interval", self.group_interval);
        lines.period("repeat_interval", self.repeat_interval);
        lines.flag("continue", self.goes_on);
        lines.texts("quiet_hours", &self.quiet_hours);
        lines.texts("active_hours", &self.active_hours);
        lines.written("zone", &self.zone);
        lines.period("escalate_after", self.escalate_after);
        lines.plain("escalate_to", list(&self.escalate_to));
        lines.0
    }
}

impl Inhibit {
    fn inhibition(&self) -> Result<Inhibition, Bad> {
        let (source, target) =
            (all_matchers(self.line, &self.source)?, all_matchers(self.line, &self.target)?);
        if source.is_empty() || target.is_empty() {
            return Err(Bad(
                self.line,
                "an inhibition needs matchers in source and in target".into(),
            ));
        }
        Ok(Inhibition { source, target, equal: self.equal.clone(), is_builtin: false })
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Lines::of("[[inhibit]]");
        lines.texts("source", &self.source);
        lines.texts("target", &self.target);
        lines.texts("equal", &self.equal);
        lines.0
    }
}

impl Maintenance {
    fn window(&self) -> Result<Window, Bad> {
        let time = |name: &str, text: &str| {
            let wrong = || {
                let text =
                    format!("{name} = {text:?} is no time such as 2026-12-01T04:00:00+08:00");
                Bad(self.line, text)
            };
            parse_rfc3339(text).map(|time| time.0).ok_or_else(wrong)
        };
        named_zone(self.line, &self.zone)?;
        let window = Window {
            id: window_id(&format!("configuration\n{}", self.name)),
            name: self.name.clone(),
            matchers: all_matchers(self.line, &self.matchers)?,
            start: time("start", &self.start)?,
            end: time("end", &self.end)?,
            repeat: match self.repeat.as_str() {
                "daily" => Repeat::Daily,
                "weekly" => Repeat::Weekly,
                _ => Repeat::None,
            },
            zone: self.zone.clone(),
        };
        let wrong = "it ends before it begins, or lasts longer than what it repeats in";
        check_window(&window).map_err(|_| Bad(self.line, wrong.into()))?;
        Ok(window)
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Lines::of("[[maintenance]]");
        lines.written("name", &self.name);
        lines.texts("match", &self.matchers);
        lines.written("start", &self.start);
        lines.written("end", &self.end);
        lines.written("repeat", &self.repeat);
        lines.written("zone", &self.zone);
        lines.0
    }
}

impl Alertmanager {
    /// How it knows us, or why that cannot be told.
    pub(crate) fn login(
        &self,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Login>, String> {
        let secret = |text: &str| {
            let reference = Reference::parse(text);
            let reference = reference.ok_or("a secret is env:NAME or file:/path, never itself")?;
            reference.read(variable).map_err(|why| why.to_string())
        };
        if !self.token.is_empty() {
            return secret(&self.token).map(|token| Some(Login::Bearer(token)));
        }
        if self.username.is_empty() {
            return Ok(None);
        }
        let username = self.username.clone();
        let password = secret(&self.password)?;
        Ok(Some(Login::Basic { username, password }))
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Lines::of("[[alertmanager]]");
        lines.written("url", &self.url);
        lines.written("username", &self.username);
        lines.written("password", &self.password);
        lines.written("token", &self.token);
        lines.written("ca_file", &self.ca_file);
        lines.period("timeout", self.timeout);
        lines.flag("instead", self.is_instead);
        lines.0
    }

    fn check(&self, environment: &Environment<'_>, problems: &mut Vec<Problem>) {
        let mut complain = |code, params: Vec<(&'static str, String)>| {
            problems.push(Problem::new(self.line, code, params));
        };
        if self.username.is_empty() != self.password.is_empty() {
            let key = if self.password.is_empty() { "password" } else { "username" };
            let section = ("section", "alertmanager".to_owned());
            complain("config.key_missing", vec![section, ("key", key.to_owned())]);
        } else if let Err(reason) = self.login(environment.variable) {
            complain("config.incidents", vec![("reason", reason)]);
        }
    }
}

/// What only makes sense together.
pub(super) fn check(
    incidents: &Incidents,
    channels: &[&str],
    environment: &Environment<'_>,
    problems: &mut Vec<Problem>,
) {
    if let Err(Bad(line, reason)) = incidents.compile(&[], String::new()) {
        problems.push(Problem::new(line, "config.incidents", [("reason", reason)]));
    }
    for route in &incidents.routes {
        let named = route.channels.iter().chain(&route.escalate_to).flatten();
        for channel in named.filter(|channel| !channels.contains(&channel.as_str())) {
            let reason = format!("route {}: there is no [[channel]] named {channel:?}", route.name);
            problems.push(Problem::new(route.line, "config.incidents", [("reason", reason)]));
        }
    }
    for alertmanager in &incidents.alertmanagers {
        alertmanager.check(environment, problems);
    }
    let lines = [
        incidents.windows.get(ENTRIES_MAX).map(|it| (it.line, ENTRIES_MAX)),
        incidents.alertmanagers.get(ENTRIES_MAX).map(|it| (it.line, ENTRIES_MAX)),
        incidents.inhibitions.get(INHIBITIONS_MAX).map(|it| (it.line, INHIBITIONS_MAX)),
    ];
    for (line, limit) in lines.into_iter().flatten() {
        let reason = format!("at most {limit} are allowed");
        problems.push(Problem::new(line, "config.incidents", [("reason", reason)]));
    }
}

#[cfg(test)]
mod tests {
    use model::message::Language;

    use super::{
        super::{Config, resolve},
        *,
    };

    fn resolved(text: &str) -> Result<Config, String> {
        let variable = |name: &str| (name == "T").then(|| "hush\n".to_owned());
        let environment = Environment { variable: &variable, is_root: true };
        resolve(text, &environment).map_err(|problems| {
            let lines = problems.iter().map(|problem| problem.render(Language::English));
            lines.collect::<Vec<_>>().join("\n")
        })
    }

    #[test]
    fn what_is_written_is_read_and_printed() {
        let channel = "\n[[channel]]\nname = \"pager\"\nkind = \"webhook\"\nurl = \"http://h\"\n";
        let text = "[[alertmanager]]\nurl = \"https://h:9093/am\"\ntoken = \"env:T\"\ntimeout = \"5s\"\n\
            [[inhibit]]\nsource = [\"a=\\\"b\\\"\"]\ntarget = [\"c=\\\"d\\\"\"]\nequal = [\"e\"]\n\
            [[maintenance]]\nname = \"night\"\nstart = \"2026-12-01T04:00:00Z\"\nend = \"2026-12-01T05:00:00Z\"\nrepeat = \"daily\"\nzone = \"UTC\"\n\
            [[route]]\nname = \"grave\"\nmatch = [\"severity=\\\"critical\\\"\"]\nchannels = [\"pager\"]\ngroup_wait = \"30s\"\ncontinue = true\nquiet_hours = [\"22:00-07:00\"]";
        let config = resolved(&format!("{text}{channel}")).unwrap();
        assert_eq!(config.incidents.lines().join("\n"), text);
        let settings = config.incidents.settings(&["mail".into()], String::new()).unwrap();
        let names: Vec<_> =
            settings.routes.all().iter().map(|it| (&*it.name, &*it.channels)).collect();
        assert_eq!(
            names,
            [("default", &["mail".to_owned()][..]), ("grave", &["pager".to_owned()])]
        );
        assert_eq!(settings.windows.len(), 1);
        let variable = |name: &str| (name == "T").then(|| "hush\n".to_owned());
        let login = config.incidents.alertmanagers[0].login(&variable);
        assert_eq!(login, Ok(Some(Login::Bearer("hush".into()))));
        let instead = resolved("[[alertmanager]]\nurl = \"http://h:1\"\ninstead = true\n[[route]]\nname = \"a\"\nchannels = [\"x\"]\n[[channel]]\nname = \"x\"\nkind = \"webhook\"\nurl = \"http://h\"\n").unwrap();
        let settings = instead.incidents.settings(&["mail".into()], String::new()).unwrap();
        assert!(settings.routes.all().iter().all(|route| route.channels.is_empty()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |text: &str, expected: &str| {
            let why = resolved(text).unwrap_err();
            assert!(why.contains(expected), "{why}");
        };
        check("[[route]]\nname = \"a\"\nmatch = [\"x\"]", "line 1: ");
        check("[[route]]\nname = \"a\"\nmatch = [\"x\"]", "bad matcher format: x");
        check("[[route]]\nname = \"a\"\nparent = \"b\"", "its parent \"b\"");
        check("[[route]]\nparent = \"b\"", "has no name");
        check("[[route]]\nname = \"a\"\nquiet_hours = [\"at night\"]", "mon-fri 22:00-07:00");
        check("[[route]]\nname = \"a\"\nzone = \"Mars/Olympus\"", "Mars/Olympus");
        check("[[route]]\nname = \"a\"\nchannels = [\"x\"]", "no [[channel]] named \"x\"");
        check("[[inhibit]]\nsource = [\"a=b\"]\ntarget = []", "source and in target");
        check("[[maintenance]]\nname = \"a\"\nstart = \"now\"\nend = \"then\"", "is no time");
        check(
            "[[maintenance]]\nname = \"a\"\nstart = \"2026-12-01T04:00:00Z\"\nend = \"2026-12-01T03:00:00Z\"",
            "ends before",
        );
        check("[[alertmanager]]\nurl = \"h\"", "alertmanager.url");
        check("[[alertmanager]]\nurl = \"http://h:1\"\ntoken = \"hush\"", "env:");
        check("[[alertmanager]]\nurl = \"http://h:1\"\ntoken = \"env:NONE\"", "NONE");
        check("[[alertmanager]]\nurl = \"http://h:1\"\nusername = \"u\"", "password");
    }
}
