//! Text to configuration: walks the whole file and collects every problem instead of stopping at
//! the first.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    AcceleratorCommand, Channel, Config, Engine, NamedLog, Objective, Probe, Problem,
    gateway::GatewayUpstream,
    incidents::{Alertmanager, Inhibit, Maintenance, Route},
    keys::{self, Key, Type, Value},
    pipeline::LogPipeline,
    reports::Report,
    scrape::{RelabelRule, Scrape},
    units,
};

/// A section that is a list of tables.
pub(super) struct List {
    /// Path of one of its keys, with all sections around it.
    key: &'static str,
    /// What every entry must have.
    required: &'static [&'static str],
    /// Adds an entry, which begins at a line.
    begin: fn(&mut Config, usize),
}

/// All such sections, sorted.
pub(super) const LISTS: &[List] = &[
    List {
        key: "accelerator_command.command",
        // What is missing depends on what is there, so that it is checked later.
        required: &[],
        begin: |config, line| config.accelerator_commands.push(AcceleratorCommand::new(line)),
    },
    List {
        key: "alertmanager.url",
        required: &["url"],
        begin: |config, line| {
            let entry = Alertmanager { line, ..Alertmanager::default() };
            config.incidents.alertmanagers.push(entry);
        },
    },
    List {
        key: "channel.name",
        required: &["kind", "name"],
        begin: |config, line| config.channels.push(Channel { line, ..Channel::default() }),
    },
    List {
        key: "engine.url",
        required: &["url"],
        begin: |config, line| config.engines.push(Engine { line, ..Engine::default() }),
    },
    List {
        key: "gateway.upstream.url",
        required: &["name", "url"],
        begin: |config, line| {
            let upstream = GatewayUpstream { line, ..GatewayUpstream::default() };
            config.gateway.upstreams.push(upstream);
        },
    },
    List {
        key: "inhibit.source",
        required: &["source", "target"],
        begin: |config, line| {
            config.incidents.inhibitions.push(Inhibit { line, ..Inhibit::default() });
        },
    },
    List {
        key: "log_file.path",
        required: &["path"],
        begin: |config, line| config.logs.files.push(NamedLog { line, ..NamedLog::default() }),
    },
    List {
        key: "log_pipeline.name",
        required: &["name"],
        begin: |config, line| {
            config.log_pipelines.push(LogPipeline { line, ..LogPipeline::default() });
        },
    },
    List {
        key: "log_pipeline.step.if",
        required: &[],
        begin: |config, line| {
            if let Some(pipeline) = config.log_pipelines.last_mut() {
                pipeline.begin_step(line);
            }
        },
    },
    List {
        key: "maintenance.name",
        required: &["name", "start", "end"],
        begin: |config, line| {
            config.incidents.windows.push(Maintenance { line, ..Maintenance::default() });
        },
    },
    List {
        key: "objective.model",
        required: &["model"],
        begin: |config, line| config.objectives.push(Objective { line, ..Objective::default() }),
    },
    List {
        key: "probe.kind",
        required: &["kind", "target"],
        begin: |config, line| config.probes.push(Probe { line, ..Probe::default() }),
    },
    List {
        key: "report.name",
        required: &["name"],
        begin: |config, line| config.reports.schedules.push(Report::new(line)),
    },
    List {
        key: "route.name",
        required: &["name"],
        begin: |config, line| {
            config.incidents.routes.push(Route { line, ..Route::default() });
        },
    },
    List {
        key: "scrape.job",
        required: &["job"],
        begin: |config, line| config.scrapes.push(Scrape { line, ..Scrape::default() }),
    },
    List {
        key: "scrape.metric_relabel.action",
        required: &[],
        begin: |config, _| {
            if let Some(scrape) = config.scrapes.last_mut() {
                scrape.metric_relabel.push(RelabelRule::default());
            }
        },
    },
    List {
        key: "scrape.relabel.action",
        required: &[],
        begin: |config, _| {
            if let Some(scrape) = config.scrapes.last_mut() {
                scrape.relabel.push(RelabelRule::default());
            }
        },
    },
];

impl List {
    fn section(&self) -> &'static str {
        self.key.rsplit_once('.').map_or(self.key, |(section, _)| section)
    }
}

fn list(section: &str) -> Option<&'static List> {
    LISTS.iter().find(|list| list.section() == section)
}

/// The configuration as far as it could be read, and everything that is wrong with it.
pub(super) fn parse(text: &str) -> (Config, Vec<Problem>) {
    let mut walk = Walk { text, config: Config::default(), problems: Vec::new() };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let offset = error.span().map_or(0, |span| span.start);
        let params = [("reason", error.message().to_owned())];
        walk.problems.push(Problem::new(line_at(text, offset), "config.syntax", params));
    }
    for (name, value) in table.get_ref().iter() {
        walk.section(name, value);
    }
    (walk.config, walk.problems)
}

/// The line on which a key is first written; 0 when it is not.
pub(super) fn line_of(text: &str, name: &str) -> usize {
    let position = text.lines().position(|line| {
        line.trim_start().strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
    });
    position.map_or(0, |index| index + 1)
}

/// The line in a section on which something begins so, else that of the section; 0 when there is none.
pub(super) fn line_in(text: &str, section: &str, start: &str) -> usize {
    let header = format!("[{section}]");
    let mut lines = text.lines().enumerate().skip_while(|(_, line)| line.trim() != header);
    let Some((first, _)) = lines.next() else { return 0 };
    let found = lines
        .take_while(|(_, line)| !line.trim_start().starts_with('['))
        .find(|(_, line)| line.trim_start().starts_with(start));
    found.map_or(first, |(index, _)| index) + 1
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

struct Walk<'a> {
    text: &'a str,
    config: Config,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    fn section(&mut self, name: &Spanned<impl AsRef<str>>, value: &Spanned<DeValue<'_>>) {
        let section = name.get_ref().as_ref();
        let line = line_at(self.text, name.span().start);
        let known = keys::all().any(|key| section_of(key) == section);
        match (value.get_ref(), list(section)) {
            (DeValue::Table(_) | DeValue::Array(_), _) if !known => {
                self.unknown(line, section, sections());
            }
            // A key without its section; the one it has in some section is the most likely.
            _ if !known => self.unknown(line, section, keys::all().map(|key| key.path)),
            (DeValue::Table(table), None) => self.keys(section, table),
            (_, Some(list)) => self.entries(list, line, value),
            _ => self.wrong_shape(line, section),
        }
    }

    /// The tables of a list. Lists within lists are no deeper than the table of lists has them.
    fn entries(&mut self, list: &'static List, line: usize, value: &Spanned<DeValue<'_>>) {
        let section = list.section();
        let DeValue::Array(entries) = value.get_ref() else {
            self.wrong_shape(line, section);
            return;
        };
        for entry in entries.iter() {
            let line = line_at(self.text, entry.span().start);
            let DeValue::Table(table) = entry.get_ref() else {
                self.wrong_shape(line, section);
                continue;
            };
            (list.begin)(&mut self.config, line);
            self.keys(section, table);
            for key in list.required.iter().filter(|key| !table.contains_key(**key)) {
                let params = [("section", section.to_owned()), ("key", (*key).to_owned())];
                self.problems.push(Problem::new(line, "config.key_missing", params));
            }
        }
    }

    fn keys(&mut self, section: &str, table: &DeTable<'_>) {
        for (name, value) in table.iter() {
            let path = format!("{section}.{}", name.get_ref());
            let line = line_at(self.text, name.span().start);
            if let Some(list) = list(&path) {
                self.entries(list, line, value);
                continue;
            }
            match keys::all().find(|key| key.path == path) {
                None => self.unknown(line, &path, keys::all().map(|key| key.path)),
                Some(key) => match convert(key.kind, value.get_ref()) {
                    Some(value) => (key.set)(&mut self.config, value),
                    None => self.wrong_value(line, key, value),
                },
            }
        }
    }

    fn unknown<'k>(&mut self, line: usize, path: &str, known: impl Iterator<Item = &'k str>) {
        let has_section = path.contains('.');
        let far = |candidate: &&str| {
            let last = candidate.rsplit('.').next().filter(|_| !has_section);
            distance(path, last.unwrap_or(candidate))
        };
        let nearest = known.min_by_key(far).unwrap_or_default();
        let params = [("key", path.to_owned()), ("nearest", nearest.to_owned())];
        self.problems.push(Problem::new(line, "config.unknown_key", params));
    }

    fn wrong_value(&mut self, line: usize, key: &Key, value: &Spanned<DeValue<'_>>) {
        let span = value.span();
        let written: String = self.text.get(span).unwrap_or_default().chars().take(60).collect();
        let params = [("key", key.path.to_owned()), ("value", written)];
        let code = match key.kind {
            Type::Text | Type::TextList | Type::TextMap | Type::Flag => "config.wrong_type",
            Type::Count { .. } => "config.wrong_count",
            Type::Period { .. } => "config.wrong_period",
            Type::Size { .. } => "config.wrong_size",
            Type::Address => "config.wrong_address",
            Type::Url => "config.wrong_url",
            Type::EngineUrl => "config.wrong_engine_url",
            Type::Choice(_) => "config.wrong_choice",
        };
        let expected = match key.kind {
            Type::Text => "\"text\"".to_owned(),
            Type::TextList => "[\"text\", ...]".to_owned(),
            Type::TextMap => "{ name = \"text\", ... }".to_owned(),
            Type::Flag => "true | false".to_owned(),
            Type::Count { min } => min.to_string(),
            Type::Period { min } => units::duration_text(min),
            Type::Size { min } => units::bytes_text(min),
            Type::Choice(words) => words.join(", "),
            Type::Address | Type::Url | Type::EngineUrl => String::new(),
        };
        let params = params.into_iter().chain([("expected", expected)]);
        self.problems.push(Problem::new(line, code, params));
    }

    fn wrong_shape(&mut self, line: usize, section: &str) {
        let expected = match list(section) {
            Some(_) => format!("[[{section}]]"),
            None => format!("[{section}]"),
        };
        let params = [("section", section.to_owned()), ("expected", expected)];
        self.problems.push(Problem::new(line, "config.wrong_shape", params));
    }
}

/// The outermost one.
fn section_of(key: &Key) -> &str {
    key.path.split_once('.').map_or(key.path, |(section, _)| section)
}

fn sections() -> impl Iterator<Item = &'static str> {
    keys::all().map(section_of)
}

fn convert(kind: Type, value: &DeValue<'_>) -> Option<Value> {
    let text = || value.as_str().map(str::to_owned);
    match kind {
        Type::Text => text().map(Value::Text),
        Type::TextList => {
            let texts =
                value.as_array()?.iter().map(|item| item.get_ref().as_str().map(Into::into));
            texts.collect::<Option<_>>().map(Value::TextList)
        }
        Type::TextMap => {
            let pairs = value.as_table()?.iter().map(|(name, value)| {
                Some((name.get_ref().to_string(), value.get_ref().as_str()?.to_owned()))
            });
            pairs.collect::<Option<_>>().map(Value::TextMap)
        }
        Type::Flag => value.as_bool().map(Value::Flag),
        Type::Count { min } => {
            let integer = value.as_integer()?;
            let count = u64::from_str_radix(integer.as_str(), integer.radix()).ok()?;
            (count >= min).then_some(Value::Count(count))
        }
        Type::Period { min } => {
            let period = units::duration(value.as_str()?)?;
            (period >= min).then_some(Value::Period(period))
        }
        Type::Size { min } => match value.as_integer() {
            Some(integer) => u64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            None => units::bytes(value.as_str()?),
        }
        .filter(|size| *size >= min)
        .map(Value::Count),
        Type::Address => value.as_str()?.parse().ok().map(Value::Address),
        Type::Url => {
            let url = collect::engine_url(value.as_str()?);
            url.filter(|url| url.starts_with("http://")).map(Value::Text)
        }
        Type::EngineUrl => collect::engine_url(value.as_str()?).map(Value::Text),
        Type::Choice(words) => {
            text().filter(|text| words.contains(&text.as_str())).map(Value::Text)
        }
    }
}

/// Levenshtein's distance, to name the key that was probably meant.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[row.len() - 1]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::message::Language;

    use super::{
        super::{keys_logs, keys_scrape},
        *,
    };

    fn check(text: &str, expected: &str) {
        let (_, problems) = parse(text);
        let texts: Vec<_> = problems.iter().map(|p| p.render(Language::English)).collect();
        assert!(texts.join("\n").contains(expected), "{expected:?} not in {texts:#?}");
    }

    #[test]
    fn good_values_arrive() {
        let text = "[server]\nlisten = \"[::1]:80\"\nallowed_hosts = [\"box\"]\n[storage]\n\
                    bytes_max = \"1GiB\"\nseries_max = 5_000\nfsync_every_batch = true\n\
                    [collect]\nengine_period = \"10s\"\n[[engine]]\nurl = \"http://h:1\"\n";
        let (config, problems) = parse(text);
        assert_eq!(problems, []);
        assert_eq!(config.server.listen.to_string(), "[::1]:80");
        assert_eq!(config.server.allowed_hosts, ["box"]);
        assert_eq!((config.storage.bytes_max, config.storage.series_max), (1 << 30, 5_000));
        assert_eq!(config.collect.engine_period, Duration::from_secs(10));
        assert_eq!(config.engines[0].url, "http://h:1");
    }

    #[test]
    fn bad_values_are_explained() {
        check("[server", "line 1: ");
        check("[sever]\nlisten = \"x\"", "unknown key sever; did you mean server?");
        check("server = 1", "server must be written as [server]");
        check("[engine]\nurl = \"http://x\"", "engine must be written as [[engine]]");
        check("[collect]\ndiscover = 1", "collect.discover = 1");
        check("listen = \"127.0.0.1:1\"", "unknown key listen; did you mean server.listen?");
        check("[collect]\nhost_period = \"100ms\"", "at least 1s");
        check("[storage]\nretention = \"5m\"", "at least 1h");
        check("[storage]\nbytes_max = 0", "storage.bytes_max = 0: expected a size");
        check("[[engine]]\nurl = \"ftp://h:1\"", "https://10.0.0.5:1025");
        check("[[engine]]\nurl = \"http://h\"\nmetrics_port = 0", "metrics_port = 0");
        check("[scrape]\njob = \"x\"", "scrape must be written as [[scrape]]");
        check("[[scrape]]\ntargets = []", "line 1: this [[scrape]] has no job");
        check("[[scrape]]\nlabels = { a = 1 }", "scrape.labels = { a = 1 }");
        check(
            "[[scrape]]\n[scrape.relabel]",
            "scrape.relabel must be written as [[scrape.relabel]]",
        );
        check("[[scrape]]\n[[scrape.relabel]]\nregx = \"\"", "did you mean scrape.relabel.regex?");
        check("[[scrape]]\n[[scrape.relabel]]\naction = \"x\"", "drop, dropequal, hashmod");
        check("[[log_pipeline]]\nmatch = \"\"", "this [[log_pipeline]] has no name");
        check(
            "[[log_pipeline]]\nname = \"x\"\n[log_pipeline.step]\n",
            "log_pipeline.step must be written as [[log_pipeline.step]]",
        );
        check("[storage]\nseries_max = -1", "storage.series_max = -1");
        check("[log]\nlevel = \"loud\"", "error, warn, info, debug, trace");
        check("[server]\nlisten = \"localhost\"", "server.listen = \"localhost\"");
    }

    #[test]
    fn the_table_is_sorted_and_its_defaults_are_the_defaults() {
        for table in [keys::KEYS, keys_logs::KEYS, keys_scrape::KEYS] {
            assert!(table.is_sorted_by(|a, b| a.path < b.path));
        }
        assert!(LISTS.is_sorted_by(|a, b| a.key < b.key));
        let mut text = String::new();
        for key in keys::all().filter(|key| !key.default.is_empty()) {
            text.push_str(&format!("{} = {}\n", key.path, key.default));
        }
        assert_eq!(parse(&text), (Config::default(), Vec::new()));
    }
}
