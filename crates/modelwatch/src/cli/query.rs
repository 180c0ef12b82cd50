//! `modelwatch query`: a PromQL expression, now or over a range, from a running server or a data directory.
//!
//! What was asked for goes to standard output and nothing else does. Exit status: 0 answered, also where
//! nothing matches; 1 there is no answer; 2 the expression, a time or an option is wrong.

mod chart;
mod csv;
pub(super) mod remote;
mod rows;
mod table;
pub(super) mod text;
pub(crate) mod time;

use std::{
    io::{self, BufWriter, IsTerminal as _, Write, stdout},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use model::{
    Clock, UnixMs,
    message::{Language, render},
    series::Budget,
};
use query::{Grid, Settings, Value};

use self::chart::Pen;
use super::{WRONG_USE, complain};
use crate::{
    api::{self, POINTS_MAX},
    config::{Config, duration_text},
    wire,
};

/// Columns of a terminal, where there is none to ask.
const COLUMNS: usize = 80;

/// The words of the command line.
#[derive(Clone, clap::Args)]
pub(super) struct Words {
    #[arg(value_name = "EXPR")]
    expression: String,
    #[arg(
        long,
        value_name = "TIME",
        allow_hyphen_values = true,
        conflicts_with_all = ["query_start", "query_end", "last", "step"]
    )]
    time: Option<String>,
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    last: Option<String>,
    #[arg(
        id = "query_start",
        long = "start",
        value_name = "TIME",
        allow_hyphen_values = true,
        conflicts_with = "last"
    )]
    start: Option<String>,
    #[arg(id = "query_end", long = "end", value_name = "TIME", allow_hyphen_values = true)]
    end: Option<String>,
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    step: Option<String>,
    #[arg(
        id = "query_format",
        long = "format",
        value_name = "FORMAT",
        value_parser = ["table", "csv", "json"],
        default_value = "table",
        hide_default_value = true,
        hide_possible_values = true
    )]
    format: String,
    #[arg(long)]
    ascii: bool,
    #[arg(long)]
    stats: bool,
    #[arg(id = "server", long = "url", value_name = "URL", conflicts_with = "data")]
    url: Option<String>,
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

/// The arguments in the order of the help, by which their texts are found.
pub(super) const ARGUMENTS: &[&str] = &[
    "expression",
    "time",
    "last",
    "query_start",
    "query_end",
    "step",
    "query_format",
    "ascii",
    "stats",
    "server",
    "data",
];

/// Which times are asked about.
#[derive(Clone, Copy)]
enum When {
    /// By the clock of who answers.
    Now,
    At(UnixMs),
    Range(Grid),
}

/// Why there is no answer.
pub(super) enum Failure {
    /// Whoever asks can put it right on the command line.
    Wrong(anyhow::Error),
    Failed(anyhow::Error),
}

impl Failure {
    pub(super) fn wrong(text: String) -> Self {
        Self::Wrong(anyhow::Error::msg(text))
    }

    pub(super) fn failed(text: String) -> Self {
        Self::Failed(anyhow::Error::msg(text))
    }
}

/// An answer, wherever it comes from.
struct Reply {
    value: Value,
    /// Of an instant query.
    time: UnixMs,
    warnings: Vec<String>,
    infos: Vec<String>,
    /// Series and samples read, where that is known.
    series: Option<u64>,
    samples: Option<u64>,
    /// As a server sent it.
    json: Option<String>,
}

pub(super) fn query(config: &Config, words: &Words, language: Language) -> ExitCode {
    match answer(config, words, language) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed(error)) => {
            complain(&format!("modelwatch: {error:#}"));
            ExitCode::FAILURE
        }
        Err(Failure::Wrong(error)) => {
            let text = format!("{error:#}");
            let text = text::about_query(&text);
            complain(&format!("modelwatch: {}", text::harmless(text)));
            let place = text::position(text);
            let shown =
                place.and_then(|place| text::pointed_at(&words.expression, place, columns() - 2));
            for line in shown.iter().flat_map(|shown| shown.lines()) {
                complain(&format!("  {line}"));
            }
            ExitCode::from(WRONG_USE)
        }
    }
}

fn answer(config: &Config, words: &Words, language: Language) -> Result<(), Failure> {
    let clock = Clock::system();
    let when = when(words, clock.now(), language)?;
    let begin = clock.monotonic();
    let reply = match &words.data {
        Some(folder) => from_folder(config, folder, &words.expression, when, &clock, language)?,
        None => {
            let url = words.url.clone().unwrap_or_else(|| url_of(config.server.listen));
            let (timeout, expression) = (config.query.timeout, &words.expression);
            remote::ask(&url, expression, when, words.stats, timeout, language)?
        }
    };
    let took = clock.monotonic().saturating_sub(begin);
    for note in reply.warnings.iter().chain(&reply.infos) {
        complain(&text::harmless(note));
    }
    let mut out = BufWriter::new(stdout().lock());
    match show(&reply, when, words, language, &mut out).and_then(|()| out.flush()) {
        // Whoever reads only the beginning has what they want.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(Failure::Failed(error.into()));
        }
        _ => {}
    }
    let is_empty = match &reply.value {
        Value::Vector(elements) => elements.is_empty(),
        Value::Matrix(series) => series.is_empty(),
        Value::Scalar(_) | Value::String(_) => false,
    };
    if is_empty {
        complain(&render::<&str, &str>("query.empty", &[], language));
    }
    if words.stats {
        complain(&costs(&reply, took, language));
    }
    Ok(())
}

/// What the options about time mean together.
fn when(words: &Words, now: UnixMs, language: Language) -> Result<When, Failure> {
    let wrong = |option: &str, value: &str, code: &str| {
        let reason = render::<&str, &str>(code, &[], language);
        let params = [("option", option), ("value", value), ("reason", &reason)];
        Failure::wrong(render("query.wrong_option", &params, language))
    };
    let moment = |option: &str, text: &str| {
        time::moment(text, now).ok_or_else(|| wrong(option, text, "query.expected_time"))
    };
    let length = |option: &str, text: &Option<String>| {
        let Some(text) = text else { return Ok(None) };
        let length = time::length_ms(text);
        length.map(Some).ok_or_else(|| wrong(option, text, "query.expected_duration"))
    };
    if let Some(text) = &words.time {
        return Ok(When::At(moment("--time", text)?));
    }
    let (last, step) = (length("--last", &words.last)?, length("--step", &words.step)?);
    // Whole seconds are easier to read, and to compare.
    let now = UnixMs(now.0 - now.0.rem_euclid(1_000));
    let end = words.end.as_ref().map_or(Ok(now), |text| moment("--end", text))?;
    let start = match (&words.start, last) {
        (Some(text), _) => moment("--start", text)?,
        (None, Some(last)) => UnixMs(end.0.saturating_sub(last)),
        (None, None) if words.end.is_none() && step.is_none() => return Ok(When::Now),
        (None, None) => {
            return Err(Failure::wrong(render::<&str, &str>("query.no_start", &[], language)));
        }
    };
    let span = end.0.saturating_sub(start.0);
    if span < 0 {
        let params = [("start", time::rfc3339(start)), ("end", time::rfc3339(end))];
        return Err(Failure::wrong(render("query.end_first", &params, language)));
    }
    let step_ms = step.unwrap_or_else(|| time::default_step_ms(span));
    if span / step_ms > POINTS_MAX {
        let text = |millis: i64| duration_text(Duration::from_millis(millis.unsigned_abs()));
        // Whole seconds, rounded up.
        let least = (span / POINTS_MAX).div_euclid(1_000).saturating_add(1).saturating_mul(1_000);
        let params =
            [("step", text(step_ms)), ("limit", POINTS_MAX.to_string()), ("least", text(least))];
        return Err(Failure::wrong(render("query.too_many_points", &params, language)));
    }
    Ok(When::Range(Grid { start, end, step_ms }))
}

/// Where the server with this configuration is found from the same machine.
pub(super) fn url_of(listen: SocketAddr) -> String {
    let mut address = listen;
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    format!("http://{address}")
}

/// Evaluates here, over a data directory that nobody uses, as a server with this configuration would.
fn from_folder(
    config: &Config,
    folder: &Path,
    expression: &str,
    when: When,
    clock: &Clock,
    language: Language,
) -> Result<Reply, Failure> {
    let parsed = query::parse(expression).map_err(|error| Failure::Wrong(error.into()))?;
    if !store::is_store(folder) {
        // Opening would make an empty one.
        let params = [("path", folder.display().to_string())];
        return Err(Failure::failed(render("query.no_store", &params, language)));
    }
    let mut config = config.clone();
    folder.clone_into(&mut config.storage.path);
    let store = wire::open_for_transfer(&config, clock, language).map_err(Failure::Failed)?;
    let grid = match when {
        When::Now => Grid::instant(clock.now()),
        When::At(time) => Grid::instant(time),
        When::Range(grid) => grid,
    };
    let budget = Budget::new(clock.clone(), config.query.timeout, config.query.samples_max);
    let output = query::evaluate(&parsed, &store, grid, &Settings::default(), &budget)
        .map_err(|error| Failure::Failed(error.into()))?;
    Ok(Reply {
        value: output.value,
        time: grid.end,
        warnings: output.warnings,
        infos: output.infos,
        series: Some(output.stats.series),
        samples: Some(output.stats.samples),
        json: None,
    })
}

fn show(
    reply: &Reply,
    when: When,
    words: &Words,
    language: Language,
    out: &mut dyn Write,
) -> io::Result<()> {
    match words.format.as_str() {
        "json" => {
            let ours = || {
                let report = api::Report { value: &reply.value, time: reply.time, costs: None };
                let data = report.render(usize::MAX).unwrap_or_default();
                api::envelope(&data, &reply.warnings, &reply.infos)
            };
            match &reply.json {
                Some(json) => writeln!(out, "{}", json.trim_end()),
                None => writeln!(out, "{}", ours()),
            }
        }
        "csv" => csv::write(&reply.value, reply.time, out),
        _ => {
            let lines = match (&reply.value, when) {
                (Value::Matrix(series), When::Range(_)) if series.is_empty() => Vec::new(),
                (Value::Matrix(series), When::Range(grid)) => {
                    chart::chart(series, grid, columns(), pen(words), language)
                }
                (value, _) => table::table(value, columns()),
            };
            lines.iter().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
        }
    }
}

fn costs(reply: &Reply, took: Duration, language: Language) -> String {
    let count =
        |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    let params = [
        ("series", count(reply.series)),
        ("samples", count(reply.samples)),
        ("ms", text::short(took.as_secs_f64() * 1e3)),
    ];
    render("query.stats", &params, language)
}

/// Columns of the terminal that standard output is.
fn columns() -> usize {
    let output = stdout();
    let size = output.is_terminal().then(|| rustix::termios::tcgetwinsize(&output).ok()).flatten();
    size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(COLUMNS)
}

fn pen(words: &Words) -> Pen {
    let is_dumb = std::env::var_os("TERM").is_some_and(|kind| kind == "dumb");
    if words.ascii || is_dumb { Pen::ASCII } else { Pen::UNICODE }
}

#[cfg(test)]
mod tests;
