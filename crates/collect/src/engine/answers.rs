//! What an engine answers: asking for the paths of its kind, and reading what came back.
//!
//! Only the paths that a kind names are asked for. What seldom changes is asked for seldom and kept.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::{Kind, is_locked};
use crate::{
    Failure, FailureKind,
    exposition::{self, Exposition},
    http::{Answer, Endpoint, get},
};

/// How long answers about what seldom changes are good.
const SELDOM: Duration = Duration::from_secs(60);

/// Answers about what seldom changes, kept from scrape to scrape.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    answers: BTreeMap<&'static str, Answer>,
    asked: Option<Duration>,
}

/// What an engine answered, by path.
#[derive(Debug, Default)]
pub(crate) struct Answers(pub(super) BTreeMap<&'static str, Result<Answer, Failure>>);

impl Answers {
    /// Asks for all that `kind` names.
    pub(super) async fn of(
        kind: &Kind,
        endpoint: &Endpoint,
        kept: &mut Kept,
        now: Duration,
    ) -> Self {
        let mut answers = Self::default();
        answers.ask(endpoint, kind.paths).await;
        let more = (kind.then)(&answers);
        answers.ask(endpoint, more).await;
        let is_due = kept.asked.is_none_or(|asked| now.saturating_sub(asked) >= SELDOM);
        if is_due && !kind.seldom.is_empty() {
            let mut seldom = Self::default();
            seldom.ask(endpoint, kind.seldom).await;
            // What could not be said yet is asked again at the next scrape.
            let is_said = |answer: &Result<Answer, Failure>| {
                answer.as_ref().is_ok_and(|answer| !answer.status.is_server_error())
            };
            kept.asked = seldom.0.values().all(is_said).then_some(now);
            for (path, answer) in seldom.0 {
                // Half an answer says nothing here, and it may be as large as answers get.
                match answer.and_then(|answer| answer.cut.clone().map_or(Ok(answer), Err)) {
                    Ok(answer) => drop(kept.answers.insert(path, answer)),
                    Err(failure) => drop(answers.0.insert(path, Err(failure))),
                }
            }
        }
        let seldom = kept.answers.iter().map(|(path, answer)| (*path, Ok(answer.clone())));
        answers.0.extend(seldom);
        answers
    }

    async fn ask(&mut self, endpoint: &Endpoint, paths: &'static [&'static str]) {
        let mut asked = tokio::task::JoinSet::new();
        for path in paths {
            let (endpoint, place) = place(endpoint, path);
            asked.spawn(async move { (*path, get(&endpoint, place).await) });
        }
        while let Some(answered) = asked.join_next().await {
            if let Ok((path, answer)) = answered {
                self.0.insert(path, answer);
            }
        }
    }

    pub(super) fn get(&self, path: &str) -> Result<&Answer, Failure> {
        let never = || Failure::new(FailureKind::Unreachable, format!("{path}: not asked for"));
        self.0.get(path).ok_or_else(never)?.as_ref().map_err(Clone::clone)
    }

    /// The status code, if there was an answer.
    pub(super) fn status(&self, path: &str) -> Option<u16> {
        self.get(path).ok().map(|answer| answer.status.as_u16())
    }

    /// The question was heard and not answered in time.
    pub(super) fn is_late(&self, path: &str) -> bool {
        self.get(path).is_err_and(|failure| failure.kind == FailureKind::TimedOut)
    }

    fn success(&self, path: &str) -> Result<&Answer, Failure> {
        let answer = self.get(path)?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let detail = format!("{path}: the engine answered {}", answer.status);
        let is_locked = is_locked(answer.status.as_u16());
        let kind = if is_locked { FailureKind::PermissionDenied } else { FailureKind::Refused };
        Err(Failure::new(kind, detail))
    }

    pub(super) fn json(&self, path: &str) -> Result<Value, Failure> {
        let answer = self.success(path)?;
        if let Some(cut) = &answer.cut {
            return Err(cut.clone());
        }
        serde_json::from_slice(&answer.body).map_err(|error| {
            Failure::new(FailureKind::Malformed, format!("{path}: not JSON: {error}"))
        })
    }

    pub(super) fn exposition(&self, path: &str) -> Result<Exposition, Failure> {
        let answer = self.success(path)?;
        let mut page = &answer.body[..];
        if answer.cut.is_some() {
            // Half a number is a number too, so the line that was cut is no good.
            let whole = page.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            page = page.get(..whole).unwrap_or_default();
        }
        let mut exposition = exposition::parse(page);
        if exposition.samples.is_empty() {
            if let Some(cut) = &answer.cut {
                return Err(cut.clone());
            }
            if exposition.bad_lines > 0 {
                let detail = format!("{path}: no line is in the Prometheus text format");
                return Err(Failure::new(FailureKind::Malformed, detail));
            }
        }
        exposition.cut.clone_from(&answer.cut);
        Ok(exposition)
    }
}

/// Where a path leads: `@+2/metrics` is asked for two ports above the engine's own, unless another is known.
fn place(endpoint: &Endpoint, path: &'static str) -> (Endpoint, &'static str) {
    let elsewhere = || {
        let (offset, _) = path.strip_prefix('@')?.split_once('/')?;
        let place = path.get(1 + offset.len()..)?;
        let (host, port) = endpoint.authority.rsplit_once(':')?;
        let usual = || port.parse::<u16>().ok()?.checked_add_signed(offset.parse().ok()?);
        let port = endpoint.metrics_port.or_else(usual)?;
        // The key and the path before every path are those of the engine's own port.
        let tls = endpoint.tls.clone();
        Some((Endpoint { tls, ..Endpoint::plain(format!("{host}:{port}")) }, place))
    };
    elsewhere().unwrap_or_else(|| (endpoint.clone(), path))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::answer, *};
    use crate::TlsSetting;

    #[test]
    fn ports_beside() {
        let setting = TlsSetting::default();
        let endpoint = Endpoint::parse("https://[::1]:8000/a", None, &setting).unwrap();
        for (path, authority, expected) in [
            ("/metrics", "[::1]:8000", "/metrics"),
            ("@+2/metrics", "[::1]:8002", "/metrics"),
            ("@-1/a/b", "[::1]:7999", "/a/b"),
        ] {
            let (found, rest) = place(&endpoint, path);
            assert_eq!((found.authority.as_str(), rest), (authority, expected), "{path}");
            assert!(found.tls.is_some(), "{path}");
        }
        let known = Endpoint { metrics_port: Some(9), ..endpoint };
        assert_eq!(place(&known, "@+2/metrics").0.authority, "[::1]:9");
        assert_eq!(place(&known, "/metrics").0.authority, "[::1]:8000");
    }

    #[test]
    fn the_good_lines_of_a_page_that_was_cut_are_kept() {
        let cut = Failure::new(FailureKind::TooLarge, "too much");
        let check = |page: &str, expected: Option<usize>| {
            let mut answers = Answers::default();
            let answer = Answer { cut: Some(cut.clone()), ..answer(200, page) };
            answers.0.insert("/metrics", Ok(answer));
            let found = answers.exposition("/metrics");
            assert_eq!(found.as_ref().ok().map(|page| page.samples.len()), expected, "{page}");
            assert!(
                found.map_or_else(|failure| failure == cut, |page| page.cut == Some(cut.clone()))
            );
            assert!(answers.json("/metrics").is_err());
        };
        check("a 1\nb 2\nc 12", Some(2));
        check("a 12", None);
        check("", None);
    }
}
