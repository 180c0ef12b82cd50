//! `modelwatch report`: a report as files, from a running modelwatch or from a data directory that nobody uses.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use collect::inventory;
use model::{
    Clock, UnixMs,
    message::{Language, render},
    series::Budget,
};
use store::Store;

use super::{complain, peer::Peer};
use crate::{
    alarms::objectives::Objectives,
    api::{parse_duration_ms, parse_time},
    config::Config,
    reports::{self, Format, SAMPLES_MAX, SPAN_MAX, SPAN_MIN, Sources, Wish},
    wire,
    zone::Zone,
};

/// Names of the arguments, for their texts.
pub(super) const ARGUMENTS: &[&str] = &[
    "report_last",
    "report_start",
    "report_end",
    "report_model",
    "report_zone",
    "report_html",
    "report_pdf",
    "report_csv",
    "report_url",
    "report_path",
];

#[derive(Clone, clap::Args)]
pub(super) struct Words {
    #[arg(long = "last", value_name = "DURATION", conflicts_with_all = ["report_start", "report_end"])]
    report_last: Option<String>,
    #[arg(long = "start", value_name = "TIME")]
    report_start: Option<String>,
    #[arg(long = "end", value_name = "TIME", requires = "report_start")]
    report_end: Option<String>,
    #[arg(long = "model", value_name = "MODEL")]
    report_model: Option<String>,
    #[arg(long = "zone", value_name = "ZONE")]
    report_zone: Option<String>,
    #[arg(long = "html", value_name = "FILE")]
    report_html: Option<PathBuf>,
    #[arg(long = "pdf", value_name = "FILE")]
    report_pdf: Option<PathBuf>,
    #[arg(long = "csv", value_name = "FILE")]
    report_csv: Option<PathBuf>,
    #[arg(long = "url", value_name = "URL", conflicts_with = "report_path")]
    report_url: Option<String>,
    #[arg(long = "path", value_name = "FOLDER")]
    report_path: Option<PathBuf>,
}

/// What is asked for unless something else is.
const LAST: &str = "24h";

impl Words {
    /// The files that are wanted, each with its format.
    fn files(&self) -> Vec<(Format, &Path)> {
        let files = [
            (Format::Html, &self.report_html),
            (Format::Pdf, &self.report_pdf),
            (Format::Csv, &self.report_csv),
        ];
        files.into_iter().filter_map(|(format, file)| Some((format, file.as_deref()?))).collect()
    }

    fn wish(&self, now: UnixMs, language: Language) -> anyhow::Result<Wish> {
        let wrong = |option: &str, value: &str, code: &str| {
            let reason = render::<&str, &str>(code, &[], language);
            let params = [("option", option), ("value", value), ("reason", reason.as_str())];
            anyhow::Error::msg(render("export.wrong_option", &params, language))
        };
        let time = |option: &str, text: &Option<String>| {
            let Some(text) = text else { return Ok(None) };
            let time = parse_time(text);
            time.map(Some).ok_or_else(|| wrong(option, text, "export.expected_time"))
        };
        let (start, end) = match time("--start", &self.report_start)? {
            Some(start) => (start, time("--end", &self.report_end)?.unwrap_or(now).min(now)),
            None => {
                let last = self.report_last.as_deref().unwrap_or(LAST);
                let span = parse_duration_ms(last)
                    .map_err(|_| wrong("--last", last, "report.expected_duration"))?;
                (UnixMs(now.0.saturating_sub(span)), now)
            }
        };
        let span = end.0.saturating_sub(start.0);
        if start.0 < 0 || !(SPAN_MIN..=SPAN_MAX).contains(&span) {
            let text = render::<&str, &str>("refused.report_span", &[], language);
            return Err(anyhow::Error::msg(text));
        }
        let zone = self.report_zone.clone().unwrap_or_default();
        if !zone.is_empty() && Zone::of_name(&zone).is_none() {
            return Err(wrong("--zone", &zone, "report.expected_zone"));
        }
        Ok(Wish {
            start,
            end,
            language,
            model: self.report_model.clone(),
            zone,
            formats: Vec::new(),
            schedule: None,
        })
    }
}

/// Where the facts are.
enum Place {
    Running(Peer),
    /// With the configuration that names it.
    Folder(Box<Config>, Box<Store>),
}

pub(super) fn report(config: &Config, words: &Words, language: Language) -> anyhow::Result<()> {
    let clock = Clock::system();
    let wish = words.wish(clock.now(), language)?;
    let files = words.files();
    if files.is_empty() {
        return Err(anyhow::Error::msg(render::<&str, &str>("report.no_file", &[], language)));
    }
    match place(config, words, &clock, language)? {
        Place::Running(mut peer) => {
            for (format, path) in files {
                let mut out = create(path)?;
                peer.download(&path_of(&wish, format), &mut out)?;
                said(path, language);
            }
        }
        Place::Folder(config, store) => {
            let hostname = inventory::read(&config.collect.root).hostname;
            let subject =
                wish.subject(&hostname.unwrap_or_else(|| "localhost".into()), &config.reports);
            let budget = Budget::new(clock.clone(), Duration::MAX, SAMPLES_MAX);
            let objectives = Objectives::new(&config.storage.path, &config.objectives)?;
            let objectives = reports::objectives(&objectives);
            let sources = Sources {
                store: &store,
                clock: &clock,
                budget: &budget,
                objectives: &objectives,
                incidents: None,
            };
            let facts = reports::gather(sources, &subject)?;
            let document = ::report::compose(&facts, language);
            for (format, path) in files {
                let bytes = format.write(&document).map_err(anyhow::Error::msg)?;
                create(path)?.write_all(&bytes)?;
                said(path, language);
            }
        }
    }
    Ok(())
}

fn place(
    config: &Config,
    words: &Words,
    clock: &Clock,
    language: Language,
) -> anyhow::Result<Place> {
    if let Some(url) = &words.report_url {
        return Ok(Place::Running(Peer::new(url, language)?));
    }
    let mut config = config.clone();
    if let Some(path) = &words.report_path {
        config.storage.path.clone_from(path);
    }
    let path = &config.storage.path;
    if !path.is_dir() {
        // Opening would make an empty one.
        let params = [("path", path.display().to_string())];
        return Err(anyhow::Error::msg(render("export.no_store", &params, language)));
    }
    match wire::open_unless_in_use(&config, clock, language)? {
        Some(store) => Ok(Place::Folder(Box::new(config), Box::new(store))),
        // The program that has it can be asked, unless the folder is another program's.
        None if words.report_path.is_none() => {
            let url = format!("http://{}", wire::reachable(config.server.listen));
            Ok(Place::Running(Peer::new(&url, language)?))
        }
        None => {
            let params = [("path", path.display().to_string()), ("pid", "?".to_owned())];
            Err(anyhow::Error::msg(render("transfer.store_in_use", &params, language)))
        }
    }
}

fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| path.display().to_string())?;
    Ok(BufWriter::new(file))
}

fn said(path: &Path, language: Language) {
    let params = [("path", path.display().to_string())];
    complain(&render("report.written", &params, language));
}

fn path_of(wish: &Wish, format: Format) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("start", &wish.start.0.to_string())
        .append_pair("end", &wish.end.0.to_string())
        .append_pair("language", wish.language.tag())
        .append_pair("format", format.name())
        .append_pair("zone", &wish.zone);
    query.extend_pairs(wish.model.iter().map(|model| ("model", model)));
    format!("/api/mw/v1/reports/preview?{}", query.finish())
}
