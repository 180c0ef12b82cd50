//! `modelwatch pipeline test`: what the configured log pipelines do with the lines of a file, step by step.
//!
//! Lines are read as they are while watching. Needs no running modelwatch, and keeps nothing.

use std::{
    io::BufRead,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use clap::Subcommand;
use logs::{
    Entry, Figure, LINE_BYTES_MAX, Reader, Zone,
    pipeline::{Effect, Pipelines, Trace, Verdict},
    visible,
};
use model::{
    Clock, UnixMs,
    log::{Line, Origin},
    message::{Language, render},
};

use super::{WRONG_USE, complain, ended, explain::shown, input, say};
use crate::{api::rfc3339, config::Config, zone};

/// The arguments of `test`, for their help.
pub(super) const TEST: &[&str] =
    &["pipeline_name", "pipeline_source", "pipeline_service", "pipeline_engine", "pipeline_log"];

#[derive(Clone, Subcommand)]
pub(super) enum PipelineWork {
    Test(Box<Words>),
}

#[derive(Clone, clap::Args)]
pub(super) struct Words {
    #[arg(long = "pipeline", value_name = "NAME")]
    pipeline_name: Option<String>,
    #[arg(long = "source", value_name = "NAME", default_value = "file", hide_default_value = true)]
    pipeline_source: String,
    #[arg(long = "service", value_name = "NAME", default_value = "", hide_default_value = true)]
    pipeline_service: String,
    #[arg(long = "engine", value_name = "NAME", default_value = "", hide_default_value = true)]
    pipeline_engine: String,
    #[arg(value_name = "FILE|-")]
    pipeline_log: PathBuf,
}

pub(super) fn pipeline(config: &Config, work: PipelineWork, language: Language) -> ExitCode {
    let PipelineWork::Test(words) = work;
    let zone = zone::of_lines();
    let pipelines = match config.log_pipelines(zone.clone()) {
        Ok(pipelines) if !pipelines.is_empty() => pipelines,
        Ok(_) => return wrong("pipeline.none", &[], language),
        Err(error) => return ended(Err(error)),
    };
    if let Some(name) = words.pipeline_name.as_ref().filter(|name| !pipelines.has(name)) {
        return wrong("pipeline.unknown", &[("name", name.clone())], language);
    }
    let test = || -> anyhow::Result<bool> {
        let path = &words.pipeline_log;
        let mut input = input::open(path).with_context(|| path.display().to_string())?;
        let mut test = Test::new(&pipelines, &words, language, &say);
        test.read(&mut input, zone, Clock::system().now())?;
        test.counts();
        Ok(true)
    };
    ended(test())
}

fn wrong(code: &str, params: &[(&str, String)], language: Language) -> ExitCode {
    complain(&format!("modelwatch: {}", render(code, params, language)));
    ExitCode::from(WRONG_USE)
}

/// A file's way through the pipelines.
struct Test<'a> {
    pipelines: &'a Pipelines,
    only: Option<&'a str>,
    origin: Arc<Origin>,
    language: Language,
    kept: u64,
    dropped: u64,
    tell: &'a dyn Fn(&str),
}

impl<'a> Test<'a> {
    fn new(
        pipelines: &'a Pipelines,
        words: &'a Words,
        language: Language,
        tell: &'a dyn Fn(&str),
    ) -> Self {
        let path: &Path = &words.pipeline_log;
        let origin = Origin {
            source: words.pipeline_source.clone(),
            origin: std::path::absolute(path).unwrap_or_default().display().to_string(),
            service: words.pipeline_service.clone(),
            engine: words.pipeline_engine.clone(),
            ..Origin::default()
        };
        let only = words.pipeline_name.as_deref();
        Self { pipelines, only, origin: Arc::new(origin), language, kept: 0, dropped: 0, tell }
    }

    fn read(&mut self, input: &mut impl BufRead, zone: Zone, now: UnixMs) -> anyhow::Result<()> {
        let (mut reader, mut bytes, mut number) = (Reader::new(zone), Vec::new(), 0);
        while input::read_line(input, &mut bytes, LINE_BYTES_MAX)? {
            number += 1;
            if let Some(entry) = reader.push(&bytes, now, number) {
                self.take(entry);
            }
        }
        if let Some(entry) = reader.flush() {
            self.take(entry);
        }
        Ok(())
    }

    fn say(&self, code: &str, params: &[(&str, String)]) {
        (self.tell)(&render(code, params, self.language));
    }

    fn take(&mut self, entry: Entry) {
        let mut line = Line {
            time: entry.time,
            origin: Arc::clone(&self.origin),
            severity: entry.severity,
            body: entry.body,
            attributes: entry.attributes,
            place: None,
        };
        let number = entry.first_end.to_string();
        self.say("pipeline.line", &[("number", number), ("line", summary(&line))]);
        let (mut before, mut figures, mut steps) = (line.clone(), Vec::new(), 0);
        let mut tell = |trace: Trace<'_>| {
            steps += 1;
            self.step(&before, &trace);
            before = trace.line.clone();
        };
        let verdict = self.pipelines.trace(self.only, &mut line, &mut figures, &mut tell);
        if steps == 0 {
            self.say("pipeline.not_for", &[]);
        }
        figures.iter().for_each(|figure| self.figure(figure));
        match verdict {
            Verdict::Kept => {
                self.kept += 1;
                self.say("pipeline.kept", &[("line", summary(&line))]);
            }
            Verdict::Dropped => {
                self.dropped += 1;
                self.say("pipeline.dropped", &[]);
            }
        }
        (self.tell)("");
    }

    fn step(&self, before: &Line, trace: &Trace<'_>) {
        let effect = match trace.effect {
            Effect::Skipped => "pipeline.effect_skipped",
            Effect::Missed => "pipeline.effect_missed",
            Effect::Done => "pipeline.effect_done",
            Effect::Dropped => "pipeline.effect_dropped",
        };
        let params = [
            ("pipeline", trace.pipeline.to_owned()),
            ("step", trace.step.to_string()),
            ("kind", trace.kind.to_owned()),
            ("effect", render::<&str, &str>(effect, &[], self.language)),
        ];
        self.say("pipeline.step", &params);
        changes(before, trace.line)
            .iter()
            .for_each(|change| (self.tell)(&format!("      {change}")));
    }

    fn figure(&self, figure: &Figure) {
        let labels: Vec<String> = figure
            .labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", visible(value)))
            .collect();
        let params = [
            ("metric", format!("{}{{{}}}", figure.metric, labels.join(","))),
            ("kind", figure.kind.as_str().to_owned()),
            ("value", figure.value.to_string()),
        ];
        self.say("pipeline.metric", &params);
    }

    fn counts(&self) {
        let params = [
            ("lines", (self.kept + self.dropped).to_string()),
            ("kept", self.kept.to_string()),
            ("dropped", self.dropped.to_string()),
        ];
        self.say("pipeline.summary", &params);
        for counts in self.pipelines.counts() {
            let is_wanted = self.only.is_none_or(|only| counts.pipeline == only);
            let params = [
                ("pipeline", counts.pipeline),
                ("step", counts.step.to_string()),
                ("kind", counts.kind.to_owned()),
                ("done", counts.done.to_string()),
                ("missed", counts.missed.to_string()),
                ("skipped", counts.skipped.to_string()),
                ("dropped", counts.dropped.to_string()),
            ];
            if is_wanted {
                self.say("pipeline.counts", &params);
            }
        }
    }
}

/// When, how grave, whose, what: in one line.
fn summary(line: &Line) -> String {
    let severity = line.severity.map_or_else(|| "-".to_owned(), |one| one.as_str().to_uppercase());
    let service = match line.origin.service.as_str() {
        "" => String::new(),
        service => format!(" {}", shown(service)),
    };
    format!("{severity} {}{service}  {}", rfc3339(line.time), shown(&line.body))
}

/// What is another afterwards.
fn changes(before: &Line, after: &Line) -> Vec<String> {
    let mut changes = Vec::new();
    let mut changed = |name: &str, before: &str, after: &str| {
        if before != after {
            changes.push(format!("{name}: {} → {}", shown(before), shown(after)));
        }
    };
    let severity = |line: &Line| line.severity.map_or("-", |severity| severity.as_str());
    changed("body", &before.body, &after.body);
    changed("severity", severity(before), severity(after));
    changed("time", &rfc3339(before.time), &rfc3339(after.time));
    let (old, new) = (&before.origin, &after.origin);
    changed("host", &old.host, &new.host);
    changed("service", &old.service, &new.service);
    changed("engine", &old.engine, &new.engine);
    changed("instance", &old.instance, &new.instance);
    changed("model", &old.model, &new.model);
    let value = |line: &Line, name: &str| {
        let found = line.attributes.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.clone())
    };
    for (name, new) in &after.attributes {
        match value(before, name) {
            None => changes.push(format!("+ {} = {}", shown(name), shown(new))),
            Some(old) if old != *new => {
                changes.push(format!("{}: {} → {}", shown(name), shown(&old), shown(new)));
            }
            Some(_) => {}
        }
    }
    let gone = before.attributes.iter().filter(|(name, _)| value(after, name).is_none());
    changes.extend(gone.map(|(name, _)| format!("- {}", shown(name))));
    changes
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::config::{self, Environment};

    const PAGE: &str = include_str!("../../../../docs/log-pipelines.md");
    /// 2026-11-28T12:00:00Z
    const NOW: UnixMs = UnixMs(1_795_867_200_000);

    /// What follows the next line that begins a block of this kind, and what is behind the block.
    fn block<'a>(page: &'a str, kind: &str) -> Option<(&'a str, &'a str)> {
        page.split_once(&format!("```{kind}\n"))?.1.split_once("```")
    }

    fn words(service: &str) -> Words {
        Words {
            pipeline_name: None,
            pipeline_source: "file".into(),
            pipeline_service: service.into(),
            pipeline_engine: String::new(),
            pipeline_log: "/var/log/legacy.log".into(),
        }
    }

    fn configured(text: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("modelwatch.toml");
        std::fs::write(&path, text).unwrap();
        let environment = Environment { variable: &|_| None, is_root: false };
        config::load(Some(&path), &environment).unwrap()
    }

    fn tested(config: &str, log: &str, words: &Words, language: Language) -> String {
        let pipelines = configured(config).log_pipelines(Zone::utc()).unwrap();
        let said = RefCell::new(String::new());
        let tell = |line: &str| said.borrow_mut().push_str(&format!("{line}\n"));
        let mut test = Test::new(&pipelines, words, language, &tell);
        test.read(&mut log.as_bytes(), Zone::utc(), NOW).unwrap();
        test.counts();
        said.into_inner()
    }

    #[test]
    fn the_examples_of_the_page_do_what_it_says() {
        let mut rest = PAGE;
        let mut count = 0;
        while let Some((config, after)) = block(rest, "toml") {
            let (log, after) = block(after, "log").unwrap();
            let (expected, after) = block(after, "text").unwrap();
            let said = tested(config, log, &words("worker"), Language::English);
            assert_eq!(said, expected, "example {}:\n{said}", count + 1);
            rest = after;
            count += 1;
        }
        assert_eq!(count, 2);
    }

    #[test]
    fn it_is_said_in_chinese_too_and_nothing_steers_the_terminal() {
        let config = "[[log_pipeline]]\nname = \"x\"\nmatch = \"service = y\"\n[[log_pipeline.step]]\n\
                      if = \"severity > warn\"\ndrop = \"body = *\"\n";
        let said = tested(config, "a\u{1b}]0;x\u{7}\nerror: b", &words("y"), Language::Chinese);
        assert!(said.contains("第 1 步 drop：已跳过，条件不满足"), "{said}");
        assert!(
            said.contains("共 2 行，保留 1 行，丢弃 1 行") && !said.contains('\u{1b}'),
            "{said}"
        );
        let said = tested(config, "a", &words("other"), Language::Chinese);
        assert!(said.contains("没有流水线处理此行"), "{said}");
        let mut only = words("other");
        only.pipeline_name = Some("x".into());
        let said = tested(config, "error: b", &only, Language::English);
        assert!(said.contains("x, step 1, drop: dropped the line"), "{said}");
    }

    #[test]
    fn what_is_configured_can_be_written_down_again() {
        let config = block(PAGE, "toml").unwrap().0;
        let pipelines = |config: &Config| {
            let lines = config.lines().into_iter();
            lines.skip_while(|line| line != "[[log_pipeline]]").collect::<Vec<_>>().join("\n")
        };
        let lines = pipelines(&configured(config));
        assert_eq!(pipelines(&configured(&lines)), lines);
        assert!(lines.contains("labels = { \"request\" = \"request\" }"), "{lines}");
    }
}
