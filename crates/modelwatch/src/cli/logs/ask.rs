//! Questions about lines of logs to a running modelwatch, and what its answers say.

use std::time::Duration;

use model::message::{Language, render};
use serde_json::Value;

use super::Wish;
use crate::cli::{
    complain,
    peer::{Answer, Peer},
    query::{Failure, text::harmless},
};
use crate::zone::Zone;

/// Largest answer that is read; beyond it the question fails.
const ANSWER_BYTES_MAX: usize = 128 << 20;
/// Lines of a page, as the server has it at most.
const PAGE: usize = 1_000;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Characters shown of an answer that makes no sense; the rest is left out.
const SHOWN_MAX: usize = 200;
const LOGS: &str = "/api/mw/v1/logs";

pub(super) struct Server {
    peer: Peer,
    url: String,
    pub(super) language: Language,
}

/// Takes the lines out of an answer.
pub(super) fn lines(answer: &mut Value) -> Vec<Value> {
    match answer["lines"].take() {
        Value::Array(lines) => lines,
        _ => Vec::new(),
    }
}

/// What tells a stored line from all others.
pub(super) fn id(line: &Value) -> Option<String> {
    line["id"].as_str().map(str::to_owned)
}

impl Server {
    pub(super) fn new(url: &str, language: Language) -> Result<Self, Failure> {
        let peer = Peer::new(url, language).map_err(Failure::Wrong)?;
        Ok(Self { peer, url: url.to_owned(), language })
    }

    /// At most `limit` lines, those behind the page that ended with `cursor`.
    pub(super) fn page(
        &mut self,
        wish: &Wish,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Value, Failure> {
        let order = wish.order.as_deref().unwrap_or("newest");
        let mut form = form(wish);
        form.push(("order", order.to_owned()));
        form.push(("limit", limit.min(PAGE).to_string()));
        form.extend(cursor.map(|cursor| ("cursor", cursor.to_owned())));
        self.get("", &form)
    }

    /// The lines of the same log around a line, itself among them.
    pub(super) fn context(
        &mut self,
        line: &Value,
        lines_around: u64,
    ) -> Result<Vec<Value>, Failure> {
        let around = lines_around.to_string();
        let form = [
            ("id", id(line).unwrap_or_default()),
            ("time", line["time"].to_string()),
            ("before", around.clone()),
            ("after", around),
        ];
        Ok(lines(&mut self.get("/context", &form)?))
    }

    pub(super) fn patterns(&mut self, wish: &Wish) -> Result<Value, Failure> {
        let mut form = form(wish);
        form.push(("limit", wish.limit.to_string()));
        self.get("/patterns", &form)
    }

    /// `host:port` and the path of new lines that match.
    pub(super) fn tail(&self, wish: &Wish) -> (String, String) {
        let (authority, prefix) = self.peer.place();
        let mut query = form_urlencoded::Serializer::new(String::new());
        let query = query.append_pair("filter", &wish.filter).finish();
        (authority.to_owned(), format!("{prefix}{LOGS}/tail?{query}"))
    }

    /// Says on standard error what the lines do not say.
    pub(super) fn say_beside(&self, wish: &Wish, shown: u64, total: u64, damaged: u64) {
        if damaged > 0 {
            self.say("logs.damaged", &[("count", damaged.to_string())]);
        }
        if shown == 0 {
            self.say_empty(wish);
        } else if total > shown {
            let params = [("shown", shown.to_string()), ("total", total.to_string())];
            self.say("logs.more", &params);
        }
    }

    pub(super) fn say_beside_patterns(&self, wish: &Wish, shown: u64, others: u64) {
        if shown == 0 {
            self.say_empty(wish);
        } else if others > 0 {
            self.say("logs.more_patterns", &[("count", others.to_string())]);
        }
    }

    fn say_empty(&self, wish: &Wish) {
        let zone = Zone::local();
        let params = [("start", zone.text(wish.start)), ("end", zone.text(wish.end))];
        self.say("logs.empty", &params);
    }

    fn say(&self, code: &str, params: &[(&str, String)]) {
        complain(&render(code, params, self.language));
    }

    fn get(&mut self, path: &str, form: &[(&str, String)]) -> Result<Value, Failure> {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let path = format!("{LOGS}{path}?{query}");
        let answer = self.peer.fetch(&path, PATIENCE, ANSWER_BYTES_MAX).map_err(|error| {
            let params = [("reason", harmless(&format!("{error:#}")))];
            Failure::failed(render("logs.no_answer", &params, self.language))
        })?;
        let Some(answer) = answer else {
            let params = [("limit", (ANSWER_BYTES_MAX >> 20).to_string())];
            return Err(Failure::failed(render("logs.too_large", &params, self.language)));
        };
        read(&answer, &self.url, self.language)
    }
}

fn form(wish: &Wish) -> Vec<(&'static str, String)> {
    vec![
        ("filter", wish.filter.clone()),
        ("start", wish.start.0.to_string()),
        ("end", wish.end.0.to_string()),
    ]
}

pub(super) fn read(answer: &Answer, url: &str, language: Language) -> Result<Value, Failure> {
    let value: Option<Value> = serde_json::from_str(&answer.text).ok().filter(Value::is_object);
    let value = value.ok_or_else(|| {
        let start: String = answer.text.trim().chars().take(SHOWN_MAX).collect();
        let params = [
            ("url", url.to_owned()),
            ("status", answer.status.to_string()),
            ("text", harmless(&start)),
        ];
        Failure::failed(render("logs.not_modelwatch", &params, language))
    })?;
    if answer.status.is_success() {
        return Ok(value);
    }
    let text = refusal(&value, language);
    Err(if answer.status.is_client_error() { Failure::wrong(text) } else { Failure::failed(text) })
}

/// An error in the reader's language, where its code is known.
pub(super) fn refusal(error: &Value, language: Language) -> String {
    let pairs = error["params"].as_object().into_iter().flatten();
    let params: Vec<(&str, &str)> =
        pairs.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default())).collect();
    let code = error["code"].as_str().unwrap_or_default();
    let text = render(code, &params, language);
    harmless(if text == code { error["error"].as_str().unwrap_or(code) } else { &text })
}
