//! `modelwatch export`: samples out of a data directory or a running modelwatch.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    time::Duration,
};

use anyhow::Context as _;
use model::{
    Clock, UnixMs,
    message::{Language, render},
    sample::Metadata,
    series::{Budget, TimeRange},
};
use store::Store;

use super::{complain, peer::Peer, progress::Progress};
use crate::{
    api::{narrow, own_metadata, parse_time},
    config::Config,
    export::{self, Format, Selection},
    wire,
};

/// What the words of the command line ask for.
pub(super) struct Wanted<'a> {
    pub(super) selectors: &'a [String],
    pub(super) start: Option<&'a str>,
    pub(super) end: Option<&'a str>,
    /// `openmetrics` or `csv`
    pub(super) format: &'a str,
    pub(super) url: Option<&'a str>,
    pub(super) output: Option<&'a Path>,
}

pub(super) fn export(
    config: &Config,
    wanted: &Wanted<'_>,
    language: Language,
) -> anyhow::Result<()> {
    let selection = selection(wanted, language)?;
    let path = &config.storage.path;
    if wanted.url.is_none() && !path.is_dir() {
        // Opening would make an empty one.
        let params = [("path", path.display().to_string())];
        return Err(anyhow::Error::msg(render("export.no_store", &params, language)));
    }
    let clock = Clock::system();
    // Whatever prevents an export is found out before a file is emptied for it.
    let source = match wanted.url {
        Some(url) => Err(Peer::new(url, language)?),
        None => Ok(wire::open_for_transfer(config, &clock, language)?),
    };
    let output: Box<dyn Write> = match wanted.output {
        Some(path) => {
            let file = File::create(path).with_context(|| path.display().to_string())?;
            Box::new(BufWriter::new(file))
        }
        None => Box::new(io::stdout().lock()),
    };
    let progress = Progress::new(clock.clone());
    let mut out = Counted { output, progress, language, bytes: 0, samples: 0, line_start: true };
    match source {
        Err(mut peer) => peer.download(&path_of(wanted), &mut out)?,
        Ok(store) => {
            let budget = Budget::new(clock, Duration::MAX, export::SAMPLES_MAX);
            let known = |names: &[String]| known_metadata(&store, names);
            export::export(&store, &known, &selection, &budget, &mut out)?;
        }
    }
    // The first line of CSV names its columns.
    let samples = out.samples - u64::from(selection.format == Format::Csv);
    let params = [("samples", samples.to_string()), ("bytes", out.bytes.to_string())];
    drop(out);
    complain(&render("export.done", &params, language));
    Ok(())
}

fn selection(wanted: &Wanted<'_>, language: Language) -> anyhow::Result<Selection> {
    let wrong = |what: &str, text: &str, reason: String| {
        let params = [("option", what.to_owned()), ("value", text.to_owned()), ("reason", reason)];
        anyhow::Error::msg(render("export.wrong_option", &params, language))
    };
    let selectors = wanted.selectors.iter().map(|text| {
        let matchers = query::parse_selector(text).map_err(|error| error.to_string());
        matchers.and_then(narrow).map_err(|reason| wrong("--match", text, reason))
    });
    let time = |what: &str, text: Option<&str>, default| {
        let Some(text) = text else { return Ok(default) };
        let expected = || render::<&str, &str>("export.expected_time", &[], language);
        parse_time(text).ok_or_else(|| wrong(what, text, expected()))
    };
    let range = TimeRange {
        start: time("--start", wanted.start, UnixMs::MIN)?,
        end: time("--end", wanted.end, UnixMs::MAX)?,
    };
    let format = Format::from_word(wanted.format).unwrap_or(Format::OpenMetrics);
    Ok(Selection { selectors: selectors.collect::<Result<_, _>>()?, range, format })
}

fn path_of(wanted: &Wanted<'_>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("format", wanted.format);
    for selector in wanted.selectors {
        query.append_pair("match[]", selector);
    }
    for (name, time) in [("start", wanted.start), ("end", wanted.end)] {
        query.extend_pairs(time.map(|time| (name, time)));
    }
    format!("/api/v1/export?{}", query.finish())
}

fn known_metadata(store: &Store, names: &[String]) -> BTreeMap<String, Metadata> {
    let own = names.iter().filter_map(|name| own_metadata(name));
    let written = store.metadata();
    written.iter().cloned().chain(own).map(|entry| (entry.name.clone(), entry)).collect()
}

/// Counts what passes through.
struct Counted {
    output: Box<dyn Write>,
    progress: Progress,
    language: Language,
    bytes: u64,
    /// Lines that are no comments.
    samples: u64,
    line_start: bool,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.output.write(bytes)?;
        for byte in &bytes[..written] {
            if self.line_start && *byte != b'#' {
                self.samples += 1;
            }
            self.line_start = *byte == b'\n';
        }
        self.bytes += written as u64;
        let params = [("samples", self.samples.to_string())];
        let language = self.language;
        self.progress.show(|| render("export.progress", &params, language));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
