//! Answers that the gateway makes itself: in the shape of the API that was asked, in the reader's language,
//! and marked by a header, so that nobody takes them for the engine's.

use bytes::Bytes;
use dialect::Dialect;
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{ACCEPT_LANGUAGE, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
};
use model::{
    exchange::{Outcome, Refusal},
    message::{Language, render},
};

use crate::{access::Denied, headers::GATEWAY_ERROR};

/// Why no engine's answer can be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Unreachable,
    Broken,
    Timeout,
}

impl Failure {
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Unreachable | Self::Broken => Outcome::UpstreamError,
            Self::Timeout => Outcome::Timeout,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "upstream_unreachable",
            Self::Broken => "upstream_broken",
            Self::Timeout => "upstream_timeout",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Unreachable | Self::Broken => StatusCode::BAD_GATEWAY,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "gateway.upstream_unreachable",
            Self::Broken => "gateway.upstream_broken",
            Self::Timeout => "gateway.upstream_timeout",
        }
    }
}

pub(crate) fn status(refusal: Refusal) -> StatusCode {
    match refusal {
        Refusal::KeyExpired | Refusal::KeyMissing | Refusal::KeyUnknown => StatusCode::UNAUTHORIZED,
        Refusal::AddressDenied
        | Refusal::Management
        | Refusal::ModelDenied
        | Refusal::PathDenied => StatusCode::FORBIDDEN,
        Refusal::Concurrency | Refusal::RequestRate | Refusal::TokenBudget | Refusal::TokenRate => {
            StatusCode::TOO_MANY_REQUESTS
        }
        Refusal::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
        Refusal::Malformed => StatusCode::BAD_REQUEST,
        Refusal::ModelUnknown => StatusCode::NOT_FOUND,
        Refusal::NoUpstream | Refusal::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::Unsupported => StatusCode::NOT_IMPLEMENTED,
    }
}

fn code(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::AddressDenied => "gateway.address_denied",
        Refusal::BodyTooLarge => "gateway.body_too_large",
        Refusal::BodyTooSlow => "gateway.body_too_slow",
        Refusal::Concurrency => "gateway.concurrency",
        Refusal::KeyExpired => "gateway.key_expired",
        Refusal::KeyMissing => "gateway.key_missing",
        Refusal::KeyUnknown => "gateway.key_unknown",
        Refusal::Malformed => "gateway.malformed",
        Refusal::Management => "gateway.management",
        Refusal::ModelDenied => "gateway.model_denied",
        Refusal::ModelUnknown => "gateway.model_unknown",
        Refusal::NoUpstream => "gateway.no_upstream",
        Refusal::Overloaded => "gateway.overloaded",
        Refusal::PathDenied => "gateway.path_denied",
        Refusal::RequestRate => "gateway.request_rate",
        Refusal::TokenBudget => "gateway.token_budget",
        Refusal::TokenRate => "gateway.token_rate",
        Refusal::Unsupported => "gateway.unsupported",
    }
}

/// The shape and the language that a caller understands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    dialect: Dialect,
    language: Language,
}

impl Manner {
    pub(crate) fn of(path: &str, headers: &HeaderMap) -> Self {
        let language = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let language = Language::from_tag(language.unwrap_or_default());
        Self { dialect: Dialect::of_path(path), language }
    }

    pub(crate) fn refuse(self, denied: &Denied) -> Response<Bytes> {
        let status = status(denied.refusal);
        let text = render(code(denied.refusal), &denied.params, self.language);
        let mut answer = self.answer(status, denied.refusal.name(), &text);
        if let Some(wait) = denied.retry_after {
            // Whole seconds, rounded up: who comes back then is let in.
            let seconds = wait.as_millis().div_ceil(1_000).max(1);
            if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
                answer.headers_mut().insert(RETRY_AFTER, value);
            }
        }
        if status == StatusCode::UNAUTHORIZED {
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        answer
    }

    pub(crate) fn fail(self, failure: Failure, upstream: &str) -> Response<Bytes> {
        let text = render(failure.code(), &[("upstream", upstream)], self.language);
        self.answer(failure.status(), failure.name(), &text)
    }

    fn answer(self, status: StatusCode, kind: &'static str, text: &str) -> Response<Bytes> {
        let (content_type, body) = self.dialect.refusal(status.as_u16(), kind, text);
        let mut answer = Response::new(Bytes::from(body));
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(GATEWAY_ERROR, HeaderValue::from_static(kind));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn check(path: &str, language: &'static str, denied: Denied, status: u16, expected: &str) {
        let value = HeaderValue::from_static(language);
        let headers = HeaderMap::from_iter([(ACCEPT_LANGUAGE, value)]);
        let answer = Manner::of(path, &headers).refuse(&denied);
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()[&GATEWAY_ERROR], denied.refusal.name());
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
        let text = String::from_utf8(answer.body().to_vec()).unwrap();
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn refusals_speak_the_callers_language_and_dialect() {
        let missing = || Denied::new(Refusal::KeyMissing);
        check("/v1/chat/completions", "en", missing(), 401, r#""type":"authentication_error""#);
        check("/v1/chat/completions", "en", missing(), 401, "key");
        check("/v1/chat/completions", "zh-CN,zh;q=0.9", missing(), 401, "密钥");
        check("/v1/messages", "en", missing(), 401, r#""type":"error""#);
        check("/api/chat", "en", missing(), 401, r#"{"error":""#);
        let denied = Denied::new(Refusal::ModelDenied).with("model", "qwen3");
        check("/v1/chat/completions", "en", denied, 403, "qwen3");
    }

    #[test]
    fn every_refusal_has_a_text() {
        for refusal in [
            Refusal::AddressDenied,
            Refusal::BodyTooLarge,
            Refusal::BodyTooSlow,
            Refusal::Concurrency,
            Refusal::KeyExpired,
            Refusal::KeyMissing,
            Refusal::KeyUnknown,
            Refusal::Malformed,
            Refusal::Management,
            Refusal::ModelDenied,
            Refusal::ModelUnknown,
            Refusal::NoUpstream,
            Refusal::Overloaded,
            Refusal::PathDenied,
            Refusal::RequestRate,
            Refusal::TokenBudget,
            Refusal::TokenRate,
            Refusal::Unsupported,
        ] {
            let none: &[(&str, &str)] = &[];
            assert_ne!(render(code(refusal), none, Language::English), code(refusal));
            assert!(code(refusal).ends_with(refusal.name()));
        }
        for failure in [Failure::Unreachable, Failure::Broken, Failure::Timeout] {
            let text = render(failure.code(), &[("upstream", "gpu1")], Language::Chinese);
            assert!(text.contains("gpu1"), "{text}");
        }
    }

    #[test]
    fn waiting_is_told_in_whole_seconds() {
        let manner = Manner::of("/", &HeaderMap::new());
        for (millis, expected) in [(1, "1"), (1_000, "1"), (1_001, "2"), (0, "1")] {
            let denied = Denied::new(Refusal::RequestRate).after(Duration::from_millis(millis));
            assert_eq!(manner.refuse(&denied).headers()[RETRY_AFTER], expected);
        }
    }
}
