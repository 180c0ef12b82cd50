//! `modelwatch logs`: lines of logs that a running modelwatch keeps, on a terminal or for another program.
//!
//! What was asked for goes to standard output; what is beside it, such as that there are more lines, to standard
//! error. Exit status: 0 answered, also where nothing matches; 1 there is no answer; 2 the filter, a time or an option is
//! wrong.

mod ask;
mod follow;
mod print;

use std::{
    collections::HashSet,
    io::{self, BufWriter, Write as _, stdout},
    process::ExitCode,
};

use model::{
    Clock, UnixMs,
    message::{Language, render},
};
use serde_json::Value;

use self::{
    ask::{Server, id, lines},
    print::{Format, Printer},
};
use super::{
    WRONG_USE, complain,
    query::{Failure, time, url_of},
};
use crate::{api::LINES_MAX, config::Config};

/// Lines that are turned round before they are printed; more are printed in the order in which they come.
const TURNED_MAX: usize = 10_000;
/// Lines that are shown with those around them: each is a question of its own.
const WITH_CONTEXT_MAX: usize = 1_000;
/// Most lines before and after one, as the server has it.
const CONTEXT_MAX: u64 = 100;
/// Most patterns, as the server has it.
const PATTERNS_MAX: usize = 1_000;
const LIMIT: usize = 100;
const HOUR_MS: i64 = 3_600_000;

/// The words of the command line.
#[derive(Clone, clap::Args)]
pub(super) struct Words {
    #[arg(id = "logs_query", value_name = "QUERY", allow_hyphen_values = true)]
    query: Option<String>,
    #[arg(id = "logs_since", long = "since", value_name = "DURATION", allow_hyphen_values = true)]
    since: Option<String>,
    #[arg(
        id = "logs_from",
        long = "from",
        value_name = "TIME",
        allow_hyphen_values = true,
        conflicts_with = "logs_since"
    )]
    from: Option<String>,
    #[arg(id = "logs_to", long = "to", value_name = "TIME", allow_hyphen_values = true)]
    to: Option<String>,
    #[arg(id = "logs_limit", long = "limit", value_name = "N")]
    limit: Option<usize>,
    #[arg(
        id = "logs_order",
        long = "order",
        value_name = "ORDER",
        value_parser = ["newest", "oldest"],
        hide_possible_values = true
    )]
    order: Option<String>,
    #[arg(
        id = "logs_follow",
        long = "follow",
        conflicts_with_all = ["logs_to", "logs_order", "logs_context", "logs_patterns"]
    )]
    follow: bool,
    #[arg(id = "logs_context", long = "context", value_name = "N")]
    context: Option<u64>,
    #[arg(
        id = "logs_patterns",
        long = "patterns",
        conflicts_with_all = ["logs_context", "logs_order"]
    )]
    patterns: bool,
    #[arg(id = "logs_json", long = "json")]
    json: bool,
    #[arg(id = "logs_csv", long = "csv", conflicts_with = "logs_json")]
    csv: bool,
    #[arg(id = "logs_url", long = "url", value_name = "URL")]
    url: Option<String>,
}

/// The arguments in the order of the help, by which their texts are found.
pub(super) const ARGUMENTS: &[&str] = &[
    "logs_query",
    "logs_since",
    "logs_from",
    "logs_to",
    "logs_limit",
    "logs_order",
    "logs_follow",
    "logs_context",
    "logs_patterns",
    "logs_json",
    "logs_csv",
    "logs_url",
];

/// What the words mean together.
#[derive(Debug, PartialEq)]
struct Wish {
    filter: String,
    start: UnixMs,
    end: UnixMs,
    limit: usize,
    /// Without one the newest lines, in the order in which they were written.
    order: Option<String>,
}

pub(super) fn logs(config: &Config, words: &Words, language: Language) -> ExitCode {
    match answer(config, words, language) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed(error)) => {
            complain(&format!("modelwatch: {error:#}"));
            ExitCode::FAILURE
        }
        Err(Failure::Wrong(error)) => {
            complain(&format!("modelwatch: {error:#}"));
            ExitCode::from(WRONG_USE)
        }
    }
}

fn answer(config: &Config, words: &Words, language: Language) -> Result<(), Failure> {
    let wish = wish(words, Clock::system().now(), language)?;
    let url = words.url.clone().unwrap_or_else(|| url_of(config.server.listen));
    let mut server = Server::new(&url, language)?;
    let format = match (words.json, words.csv) {
        (true, _) => Format::Json,
        (_, true) => Format::Csv,
        _ => Format::Text,
    };
    let mut printer = Printer::new(format, language, BufWriter::new(stdout()));
    let shown = if words.follow {
        follow::follow(&mut server, &wish, &mut printer)
    } else if words.patterns {
        patterns(&mut server, &wish, &mut printer)
    } else if let Some(context) = words.context {
        in_context(&mut server, &wish, context, &mut printer)
    } else {
        plain(&mut server, &wish, &mut printer)
    };
    let shown = shown.and_then(|()| printer.out.flush().map_err(Stop::Unwritten));
    match shown {
        Ok(()) => Ok(()),
        // Whoever reads only the beginning has what they want.
        Err(Stop::Unwritten(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(Stop::Unwritten(error)) => Err(Failure::Failed(error.into())),
        Err(Stop::Unanswered(failure)) => Err(failure),
    }
}

/// Why printing ends before its end.
enum Stop {
    Unanswered(Failure),
    Unwritten(io::Error),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Unanswered(failure)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Unwritten(error)
    }
}

fn wish(words: &Words, now: UnixMs, language: Language) -> Result<Wish, Failure> {
    let wrong = |option: &str, value: &str, reason: &str| {
        let params = [("option", option), ("value", value), ("reason", reason)];
        Failure::wrong(render("query.wrong_option", &params, language))
    };
    let said = |code: &str, params: &[(&str, String)]| render(code, params, language);
    let moment = |option: &str, text: &Option<String>| {
        let Some(text) = text else { return Ok(None) };
        let moment = time::moment(text, now).map(Some);
        moment.ok_or_else(|| wrong(option, text, &said("query.expected_time", &[])))
    };
    let since = match &words.since {
        None => HOUR_MS,
        Some(text) => time::length_ms(text)
            .ok_or_else(|| wrong("--since", text, &said("query.expected_duration", &[])))?,
    };
    let (from, to) = (moment("--from", &words.from)?, moment("--to", &words.to)?);
    let end = to.unwrap_or(now);
    let start = from.unwrap_or(UnixMs(end.0.saturating_sub(since)));
    if start > end {
        let params = [("start", time::rfc3339(start)), ("end", time::rfc3339(end))];
        return Err(Failure::wrong(said("query.end_first", &params)));
    }
    let limit = words.limit.unwrap_or(LIMIT);
    let (limit_max, code) = if words.patterns {
        (PATTERNS_MAX, "logs.limit")
    } else if words.context.is_some() {
        (WITH_CONTEXT_MAX, "logs.limit_context")
    } else if words.order.is_none() {
        (TURNED_MAX, "logs.limit_order")
    } else {
        (LINES_MAX, "logs.limit")
    };
    // Who follows may want new lines alone.
    let limit_min = usize::from(!words.follow);
    if !(limit_min..=limit_max).contains(&limit) {
        let reason = said(code, &[("limit", limit_max.to_string())]);
        return Err(wrong("--limit", &limit.to_string(), &reason));
    }
    if let Some(context) = words.context.filter(|context| *context > CONTEXT_MAX) {
        let reason = said("logs.limit", &[("limit", CONTEXT_MAX.to_string())]);
        return Err(wrong("--context", &context.to_string(), &reason));
    }
    if words.context.is_some() && words.csv {
        return Err(wrong("--csv", "--context", &said("logs.no_context", &[])));
    }
    let filter = words.query.clone().unwrap_or_default();
    Ok(Wish { filter, start, end, limit, order: words.order.clone() })
}

/// Hands the lines to `take`, a page at a time, and says what is beside them.
fn each_page(
    server: &mut Server,
    wish: &Wish,
    take: &mut dyn FnMut(Vec<Value>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let (mut left, mut cursor) = (wish.limit, None);
    let (mut total, mut damaged) = (0, 0);
    loop {
        let mut page = server.page(wish, left, cursor.as_deref())?;
        damaged += page["damaged"].as_u64().unwrap_or_default();
        if cursor.is_none() {
            total = page["total"].as_u64().unwrap_or_default();
        }
        let found = lines(&mut page);
        left = left.saturating_sub(found.len());
        cursor = page["next"].as_str().map(str::to_owned);
        let is_last = left == 0 || cursor.is_none() || found.is_empty();
        take(found)?;
        if is_last {
            break;
        }
    }
    let shown = (wish.limit - left) as u64;
    server.say_beside(wish, shown, total, damaged);
    Ok(())
}

fn plain(server: &mut Server, wish: &Wish, printer: &mut Printer) -> Result<(), Stop> {
    printer.begin()?;
    let mut turned = Vec::new();
    each_page(server, wish, &mut |lines| {
        if wish.order.is_none() {
            turned.extend(lines);
            return Ok(());
        }
        lines.iter().try_for_each(|line| printer.line(line)).map_err(Stop::from)
    })?;
    turned.iter().rev().try_for_each(|line| printer.line(line))?;
    Ok(())
}

/// Each line with those around it. What is around several is printed once.
fn in_context(
    server: &mut Server,
    wish: &Wish,
    context: u64,
    printer: &mut Printer,
) -> Result<(), Stop> {
    let mut found = Vec::new();
    each_page(server, wish, &mut |lines| {
        found.extend(lines);
        Ok(())
    })?;
    if wish.order.is_none() {
        found.reverse();
    }
    let wanted: HashSet<String> = found.iter().filter_map(id).collect();
    let mut printed = HashSet::new();
    for line in &found {
        let around = server.context(line, context)?;
        let is_new = |line: &&Value| id(line).is_none_or(|id| !printed.contains(&id));
        let fresh: Vec<&Value> = around.iter().filter(is_new).collect();
        if fresh.len() == around.len() && !printed.is_empty() {
            printer.gap()?;
        }
        for line in fresh {
            let is_wanted = id(line).is_some_and(|id| wanted.contains(&id));
            printer.line_in_context(line, is_wanted)?;
        }
        printed.extend(around.iter().filter_map(id));
    }
    Ok(())
}

fn patterns(server: &mut Server, wish: &Wish, printer: &mut Printer) -> Result<(), Stop> {
    let answer = server.patterns(wish)?;
    let found = answer["patterns"].as_array().map(Vec::as_slice).unwrap_or_default();
    printer.begin_patterns()?;
    found.iter().try_for_each(|pattern| printer.pattern(pattern))?;
    let others = answer["others"].as_u64().unwrap_or_default();
    server.say_beside_patterns(wish, found.len() as u64, others);
    Ok(())
}

#[cfg(test)]
mod tests;
