//! Silences.

use alert::matchers::{MATCHERS_BYTES_MAX, MATCHERS_MAX};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use alert::{
    incident::{Refusal, SilenceDraft, record::Silence},
    matchers,
};
use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, Path, State},
    http::{Response, StatusCode},
};
use model::{
    UnixMs,
    message::{Language, render},
    parse_rfc3339,
    series::{MatchOp, Matcher},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Refused, filter, ok};
use crate::{
    api::{
        audit::{Person, audit},
        form::Form,
        incidents, rfc3339,
    },
    wire::App,
};

/// A silence as it is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    #[serde(default)]
    id: Option<String>,
    matchers: Vec<AskedMatcher>,
    starts_at: String,
    ends_at: String,
    created_by: String,
    #[serde(default)]
    comment: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AskedMatcher {
    name: String,
    value: String,
    #[serde(default)]
    is_regex: bool,
    #[serde(default = "yes")]
    is_equal: bool,
}

fn yes() -> bool {
    true
}

impl Asked {
    fn draft(self) -> Result<SilenceDraft, String> {
        let time = |text: &str| {
            parse_rfc3339(text).ok_or_else(|| format!("{text:?} is no time of RFC 3339"))
        };
        // Before any expression is compiled.
        let bytes: usize = self.matchers.iter().map(|it| it.name.len() + it.value.len()).sum();
        if self.matchers.len() > MATCHERS_MAX || bytes > MATCHERS_BYTES_MAX {
            return Err(format!(
                "invalid silence: more than {MATCHERS_MAX} matchers or {MATCHERS_BYTES_MAX} bytes"
            ));
        }
        let matcher = |it: AskedMatcher| {
            let op = match (it.is_regex, it.is_equal) {
                (false, true) => MatchOp::Equal,
                (false, false) => MatchOp::NotEqual,
                (true, true) => MatchOp::Regex,
                (true, false) => MatchOp::NotRegex,
            };
            if it.name.is_empty() {
                return Err("invalid silence: a matcher has no name".to_owned());
            }
            Matcher::new(it.name, op, it.value).map_err(|error| format!("invalid silence: {error}"))
        };
        Ok(SilenceDraft {
            id: self.id.unwrap_or_default(),
            starts: time(&self.starts_at)?,
            ends: time(&self.ends_at)?,
            matchers: self.matchers.into_iter().map(matcher).collect::<Result<_, _>>()?,
            created_by: self.created_by,
            comment: self.comment,
        })
    }
}

fn refused(refusal: &Refusal) -> Refused {
    let (code, params, is_missing) = incidents::reason(refusal);
    let status = if is_missing { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
    Refused(status, render(code, &params, Language::English))
}

fn failed(error: &dyn std::fmt::Display) -> Refused {
    Refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

fn shown(silence: &Silence, now: UnixMs) -> Value {
    let matcher = |matcher: &Matcher| {
        json!({
            "isEqual": matches!(matcher.op, MatchOp::Equal | MatchOp::Regex),
            "isRegex": matches!(matcher.op, MatchOp::Regex | MatchOp::NotRegex),
            "name": matcher.name,
            "value": matcher.value,
        })
    };
    json!({
        "id": silence.id,
        "status": { "state": silence.state(now) },
        "updatedAt": rfc3339(UnixMs(silence.updated)),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": rfc3339(UnixMs(silence.ends)),
        "matchers": silence.matchers.iter().map(matcher).collect::<Vec<_>>(),
        "startsAt": rfc3339(UnixMs(silence.starts)),
    })
}

/// All silences, those in force first. A filter is asked of the values of their matchers, as in Alertmanager.
pub(super) async fn list(State(app): State<Arc<App>>, form: Form) -> Answer {
    let wanted = filter(&form)?;
    let found = app.incidents.read(|incidents, now| {
        let is_wanted = |silence: &&Silence| {
            let values: BTreeMap<&str, &str> =
                silence.matchers.iter().map(|it| (it.name.as_str(), it.value.as_str())).collect();
            let value = |name: &str| values.get(name).copied().unwrap_or_default();
            wanted.iter().all(|matcher| matcher.matches(value(&matcher.name)))
        };
        let mut found: Vec<&Silence> =
            incidents.kept().silences.values().filter(is_wanted).collect();
        found.sort_by_key(|silence| match silence.state(now) {
            "active" => (0, silence.ends),
            "pending" => (1, silence.starts),
            _ => (2, -silence.ends),
        });
        found.into_iter().map(|silence| shown(silence, now)).collect::<Vec<_>>()
    });
    ok(&json!(found))
}

/// One silence.
pub(super) async fn one(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    let found = app.incidents.read(|incidents, now| {
        incidents.kept().silences.get(&id).map(|silence| shown(silence, now))
    });
    ok(&found.ok_or_else(|| refused(&Refusal::NoSilence))?)
}

/// Makes one, or changes one.
pub(super) async fn put(
    State(app): State<Arc<App>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    body: Bytes,
) -> Answer {
    let asked: Asked = serde_json::from_slice(&body)
        .map_err(|error| Refused::bad(format!("parsing silence body failed: {error}")))?;
    let mut draft = asked.draft().map_err(Refused::bad)?;
    let task = tokio::task::spawn_blocking(move || {
        let (person, end) = (Person::new(address, &draft.created_by), rfc3339(draft.ends));
        draft.created_by.clone_from(&person.author);
        let params = [
            ("matchers", matchers::write_list(&draft.matchers)),
            ("text", draft.comment.clone()),
            ("end", end),
        ];
        let done = app.incidents.change(|incidents, now| incidents.put_silence(draft, now));
        let (id, kept) = done.map_err(|refusal| refused(&refusal))?;
        let [matchers, text, end] = params;
        let params = [matchers, text, end, ("id", id.clone())];
        audit(&app, "audit.silence_put", &person, params);
        kept.map_err(|error| failed(&error))?;
        Ok(id)
    });
    let id = task.await.map_err(|error| failed(&error))??;
    ok(&json!({ "silenceID": id }))
}

/// Ends one.
pub(super) async fn expire(
    State(app): State<Arc<App>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    Path(id): Path<String>,
) -> Answer {
    let task = tokio::task::spawn_blocking(move || {
        let done = app.incidents.change(|incidents, now| {
            incidents.expire_silence(&id, now)?;
            Ok::<_, Refusal>(incidents.kept().silences.get(&id).cloned())
        });
        let (silence, kept) = done.map_err(|refusal| refused(&refusal))?;
        if let Some(silence) = silence {
            let params = [("matchers", matchers::write_list(&silence.matchers)), ("id", id)];
            let person = Person::new(address, &silence.created_by);
            audit(&app, "audit.silence_ended", &person, params);
        }
        kept.map_err(|error| failed(&error))
    });
    task.await.map_err(|error| failed(&error))??;
    Ok(Response::new(Body::empty()))
}
