//! Records as OpenTelemetry's conventions for generative AI name things
//! (<https://github.com/open-telemetry/semantic-conventions-genai>, status Development): two spans for a
//! request, and histograms with exactly the bounds that the conventions give.
//!
//! Pure, and ready to be sent; nothing here sends. The names are those of semantic conventions 1.40 and before;
//! newer drafts rename some. The histograms are not stored: the `llm_*` series hold the same in finer buckets.
//! Counts that were only estimated are left out, as the conventions ask, and so is what was said. Times count
//! from the last byte of the request.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use model::{
    exchange::{Exchange, GAPS_SCHEMA, Outcome},
    span::{Attribute, Span, SpanKind},
};

use crate::samples::{OTHER, Place};

/// Sets of attributes of one metric that are told apart; further ones have the model [`OTHER`].
pub const SETS_MAX: usize = 200;

/// The spans of a request: the gateway's own, and below it the engine's part if it was asked. The engine was
/// told the latter as its parent. None of a record whose ids are none.
pub fn spans(exchange: &Exchange, place: &Place) -> Vec<Span> {
    let is_hex =
        |id: &str, length| id.len() == length && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parents = exchange.parent_span_id.iter().all(|id| is_hex(id, 16));
    if !(is_hex(&exchange.trace_id, 32) && is_hex(&exchange.span_id, 16) && parents) {
        return Vec::new();
    }
    let start_ns = exchange.time.0.max(0).saturating_mul(1_000_000);
    let after = |duration: Duration| {
        let nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        start_ns.saturating_add(nanos)
    };
    let end_ns = after(exchange.request_read.saturating_add(exchange.total));
    let name = match exchange.model_asked.as_deref() {
        // A path may be anything, and names are to be few.
        _ if exchange.operation.is_empty() => exchange.method.clone(),
        Some(model) => format!("{} {model}", exchange.operation),
        None => exchange.operation.to_owned(),
    };
    let server = Span {
        trace_id: exchange.trace_id.clone(),
        span_id: server_span_id(&exchange.span_id),
        parent_span_id: exchange.parent_span_id.clone(),
        name: name.clone(),
        kind: SpanKind::Server,
        start_ns,
        end_ns,
        attributes: server_attributes(exchange),
        // What the caller did wrong is no error of who was asked.
        error: error_type(exchange).filter(|_| {
            let is_ours = exchange.status.is_none_or(|status| status >= 500);
            is_ours || matches!(exchange.outcome, Outcome::Truncated | Outcome::Timeout)
        }),
    };
    if exchange.upstream.is_none() {
        return vec![server];
    }
    let queued = exchange.request_read.saturating_add(exchange.queued.unwrap_or_default());
    let client = Span {
        trace_id: exchange.trace_id.clone(),
        span_id: exchange.span_id.clone(),
        parent_span_id: Some(server.span_id.clone()),
        name,
        kind: SpanKind::Client,
        start_ns: after(queued).min(end_ns),
        end_ns,
        attributes: client_attributes(exchange, place),
        error: error_type(exchange),
    };
    vec![server, client]
}

/// Another id than the engine was told, and the same for the same request.
fn server_span_id(span_id: &str) -> String {
    let number = u64::from_str_radix(span_id, 16).unwrap_or_default();
    let other = if number == u64::MAX { 1 } else { !number };
    format!("{other:016x}")
}

/// The conventions have no words for who let a request in; these are ours.
fn server_attributes(exchange: &Exchange) -> Vec<(&'static str, Attribute)> {
    let text = |text: &str| Some(Attribute::Text(text.to_owned()));
    let client = exchange.client.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_string();
    let all = [
        ("http.request.method", text(&exchange.method)),
        ("url.path", text(&exchange.path)),
        ("http.response.status_code", exchange.status.map(|it| Attribute::Integer(it.into()))),
        ("client.address", exchange.client.and_then(|_| text(&client))),
        (
            "user_agent.original",
            text(&exchange.user_agent).filter(|_| !exchange.user_agent.is_empty()),
        ),
        ("modelwatch.request.id", text(&exchange.request_id)),
        ("modelwatch.key.id", exchange.key_id.as_deref().and_then(text)),
        ("modelwatch.key.name", exchange.key_name.as_deref().and_then(text)),
        (
            "modelwatch.queued_seconds",
            exchange.queued.map(|queued| Attribute::Number(queued.as_secs_f64())),
        ),
        ("modelwatch.outcome", text(exchange.outcome.name())),
        ("modelwatch.refusal", exchange.refusal.and_then(|it| text(it.name()))),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// What a parameter of a request is called, and whether it is a whole number.
const PARAMETERS: &[(&str, &str, bool)] = &[
    ("max_tokens", "gen_ai.request.max_tokens", true),
    ("temperature", "gen_ai.request.temperature", false),
    ("top_p", "gen_ai.request.top_p", false),
    ("top_k", "gen_ai.request.top_k", true),
    ("seed", "gen_ai.request.seed", true),
    ("frequency_penalty", "gen_ai.request.frequency_penalty", false),
    ("presence_penalty", "gen_ai.request.presence_penalty", false),
    ("n", "gen_ai.request.choice.count", true),
];

fn client_attributes(exchange: &Exchange, place: &Place) -> Vec<(&'static str, Attribute)> {
    let text = |text: &str| Some(Attribute::Text(text.to_owned()));
    let known = |value: Option<&String>| value.map(|value| Attribute::Text(value.clone()));
    let seconds = |time: Option<Duration>| time.map(|time| Attribute::Number(time.as_secs_f64()));
    let authority = place.instance.split('/').next().unwrap_or_default();
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
    let host = host.trim_matches(['[', ']']);
    let mut all = vec![
        (
            "gen_ai.operation.name",
            text(exchange.operation).filter(|_| !exchange.operation.is_empty()),
        ),
        ("gen_ai.provider.name", text(provider(exchange, place))),
        ("gen_ai.request.model", known(exchange.model_asked.as_ref())),
        ("gen_ai.request.stream", Some(Attribute::Flag(exchange.is_stream))),
        ("gen_ai.response.model", known(exchange.model_served.as_ref())),
        ("gen_ai.response.id", known(exchange.response_id.as_ref())),
        (
            "gen_ai.response.finish_reasons",
            exchange.finish_reason.clone().map(|reason| Attribute::Texts(vec![reason])),
        ),
        (
            "gen_ai.response.time_to_first_chunk",
            seconds(exchange.time_to_first_chunk.filter(|_| exchange.is_stream)),
        ),
        ("server.address", text(host).filter(|_| !host.is_empty())),
        ("server.port", port.parse().ok().map(Attribute::Integer)),
        ("error.type", error_type(exchange).map(Attribute::Text)),
    ];
    for (name, convention, is_whole) in PARAMETERS {
        let is_default = |value: &str| *name == "n" && value == "1";
        let value = exchange.parameters.iter().find(|(given, _)| given == name);
        let value = value.filter(|(_, value)| !is_default(value));
        let value = value.and_then(|(_, value)| {
            let whole = value.parse().ok().filter(|_| *is_whole).map(Attribute::Integer);
            whole.or_else(|| value.parse().ok().map(Attribute::Number))
        });
        all.push((*convention, value));
    }
    let tokens = exchange.tokens;
    // How much of an answer was reasoning may be an estimate even where its length is not.
    for (name, count) in [
        ("gen_ai.usage.input_tokens", tokens.input),
        ("gen_ai.usage.output_tokens", tokens.output.filter(|_| tokens.is_exact)),
        ("gen_ai.usage.cache_read.input_tokens", tokens.cached),
    ] {
        let count = count.and_then(|count| i64::try_from(count).ok());
        all.push((name, count.map(Attribute::Integer)));
    }
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// The kind of engine where it is known, else what the API tells of it: many speak that of OpenAI. The
/// conventions know none of the engines, and allow other values.
fn provider<'a>(exchange: &Exchange, place: &'a Place) -> &'a str {
    match () {
        () if !place.engine.is_empty() => &place.engine,
        () if exchange.api.starts_with("anthropic") => "anthropic",
        () if exchange.api.starts_with("ollama") => "ollama",
        () if exchange.api.starts_with("llamacpp") => "llama.cpp",
        () => "_OTHER",
    }
}

/// Low in number, as the conventions ask: what went wrong, or the status of HTTP.
fn error_type(exchange: &Exchange) -> Option<String> {
    match (exchange.outcome, exchange.status) {
        (Outcome::Ok, _) => None,
        // The status is the engine's only where it answered.
        (Outcome::UpstreamError, Some(status))
            if status >= 400 && exchange.time_to_headers.is_some() =>
        {
            Some(status.to_string())
        }
        (outcome, _) => Some(exchange.refusal.map_or(outcome.name(), |it| it.name()).to_owned()),
    }
}

const OPERATION_BOUNDS: &[f64] =
    &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const USAGE_BOUNDS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
const TTFT_BOUNDS: &[f64] =
    &[0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const TPOT_BOUNDS: &[f64] =
    &[0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5];

/// A metric of the conventions.
#[derive(Debug, PartialEq)]
pub struct Convention {
    pub name: &'static str,
    pub unit: &'static str,
    /// Upper bounds of the buckets but the last, which has none.
    pub bounds: &'static [f64],
}

/// In the order of [`GenAiMetrics`].
pub const METRICS: [Convention; 7] = [
    Convention { name: "gen_ai.client.operation.duration", unit: "s", bounds: OPERATION_BOUNDS },
    Convention { name: "gen_ai.client.token.usage", unit: "{token}", bounds: USAGE_BOUNDS },
    Convention {
        name: "gen_ai.client.operation.time_to_first_chunk",
        unit: "s",
        bounds: OPERATION_BOUNDS,
    },
    Convention { name: "gen_ai.server.request.duration", unit: "s", bounds: OPERATION_BOUNDS },
    Convention { name: "gen_ai.server.time_to_first_token", unit: "s", bounds: TTFT_BOUNDS },
    Convention { name: "gen_ai.server.time_per_output_token", unit: "s", bounds: TPOT_BOUNDS },
    Convention {
        name: "gen_ai.client.operation.time_per_output_chunk",
        unit: "s",
        bounds: OPERATION_BOUNDS,
    },
];

type Attributes = Vec<(&'static str, String)>;

/// A histogram as it is sent: counts by bucket, not below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub attributes: Attributes,
    /// One more than there are bounds.
    pub counts: Vec<u64>,
    pub sum: f64,
    pub min: f64,
    pub max: f64,
}

/// Folds records into the histograms of the conventions, from the start of the program.
#[derive(Debug, Default)]
pub struct GenAiMetrics {
    points: [BTreeMap<Attributes, Point>; METRICS.len()],
}

impl GenAiMetrics {
    /// Adds one record; what is no operation of the conventions counts nowhere, nor what was seen in part.
    pub fn observe(&mut self, exchange: &Exchange, place: &Place) {
        let is_operation = !exchange.operation.is_empty() && exchange.upstream.is_some();
        if !is_operation || exchange.is_partially_observed {
            return;
        }
        let is_ok = exchange.outcome == Outcome::Ok;
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        let e2e = seconds(exchange.e2e.or(Some(exchange.total)));
        let first_chunk = exchange.time_to_first_chunk.filter(|_| exchange.is_stream);
        let values = [
            (0, Some(exchange.total.as_secs_f64())),
            (2, seconds(first_chunk)),
            (3, e2e.filter(|_| is_ok)),
            (4, seconds(exchange.ttft.filter(|_| is_ok))),
            // Where tokens were hidden the time is shared among too few.
            (5, seconds(exchange.tpot.filter(|_| is_ok && !exchange.has_hidden_tokens))),
        ];
        let attributes = attributes(exchange, place);
        for (metric, value) in values {
            self.add(metric, &attributes, value, 1);
        }
        for (index, count) in exchange.gaps.buckets().iter().filter(|_| exchange.is_stream) {
            // Only buckets are known, so each gap counts as the geometric middle of its own.
            let middle = ((f64::from(*index) - 0.5) / f64::from(1 << GAPS_SCHEMA)).exp2();
            self.add(6, &attributes, Some(middle), u64::from(*count));
        }
        for (kind, count) in [("input", exchange.tokens.input), ("output", exchange.tokens.output)]
        {
            let mut attributes = attributes.clone();
            attributes.push(("gen_ai.token.type", kind.to_owned()));
            let count = count.filter(|_| kind == "input" || exchange.tokens.is_exact);
            self.add(1, &attributes, count.map(|count| count as f64), 1);
        }
    }

    fn add(&mut self, metric: usize, attributes: &Attributes, value: Option<f64>, times: u64) {
        let (Some(value), Some(points)) = (value, self.points.get_mut(metric)) else { return };
        let mut attributes = attributes.clone();
        if points.len() >= SETS_MAX && !points.contains_key(&attributes) {
            // Of what is left there are few.
            attributes.retain(|(name, _)| !matches!(*name, "error.type" | "gen_ai.response.model"));
            attributes.retain(|(name, _)| *name != "gen_ai.request.model");
            attributes.push(("gen_ai.request.model", OTHER.to_owned()));
        }
        let bounds = METRICS[metric].bounds;
        let point = points.entry(attributes.clone()).or_insert_with(|| Point {
            attributes,
            counts: vec![0; bounds.len() + 1],
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        });
        let bucket = bounds.partition_point(|bound| *bound < value);
        if let Some(count) = point.counts.get_mut(bucket) {
            *count += times;
        }
        point.sum += value * times as f64;
        point.min = point.min.min(value);
        point.max = point.max.max(value);
    }

    /// All histograms as they are now, each with its metric.
    pub fn points(&self) -> impl Iterator<Item = (&'static Convention, &Point)> {
        let by_metric = METRICS.iter().zip(&self.points);
        by_metric.flat_map(|(metric, points)| points.values().map(move |point| (metric, point)))
    }
}

fn attributes(exchange: &Exchange, place: &Place) -> Attributes {
    let mut all = vec![
        ("gen_ai.operation.name", exchange.operation.to_owned()),
        ("gen_ai.provider.name", provider(exchange, place).to_owned()),
    ];
    // Whoever asks may write anything as a model; what was answered for is one.
    let is_served = exchange.status.is_some_and(|status| status < 400);
    let asked = exchange.model_asked.clone().filter(|_| is_served);
    all.extend(asked.map(|model| ("gen_ai.request.model", model)));
    all.extend(exchange.model_served.clone().map(|model| ("gen_ai.response.model", model)));
    all.extend(error_type(exchange).map(|error| ("error.type", error)));
    all
}

#[cfg(test)]
mod tests {
    use model::{
        UnixMs,
        exchange::{Refusal, Tokens},
    };
    use proptest::prelude::*;

    use super::*;

    fn exchange() -> Exchange {
        Exchange {
            time: UnixMs(1_000),
            trace_id: "0af7651916cd43dd8448eb211c80319c".into(),
            span_id: "00f067aa0ba902b7".into(),
            parent_span_id: Some("b7ad6b7169203331".into()),
            method: "POST".into(),
            path: "/v1/chat/completions".into(),
            api: "openai_chat",
            operation: "chat",
            model_asked: Some("m".into()),
            model_served: Some("m-q4".into()),
            upstream: Some("one".into()),
            status: Some(200),
            is_stream: true,
            is_generation: true,
            finish_reason: Some("stop".into()),
            parameters: vec![("max_tokens", "16".into()), ("temperature", "0.5".into())],
            request_read: Duration::from_millis(2),
            queued: Some(Duration::from_millis(1)),
            time_to_headers: Some(Duration::from_millis(5)),
            time_to_first_chunk: Some(Duration::from_millis(40)),
            ttft: Some(Duration::from_millis(50)),
            tpot: Some(Duration::from_millis(10)),
            e2e: Some(Duration::from_millis(80)),
            total: Duration::from_millis(81),
            tokens: Tokens { input: Some(7), output: Some(4), is_exact: true, ..Tokens::default() },
            ..Exchange::default()
        }
    }

    fn place() -> Place {
        Place { engine: "vllm".into(), instance: "127.0.0.1:8000".into() }
    }

    #[test]
    fn two_spans_of_one_trace() {
        let found = spans(&exchange(), &place());
        let [server, client] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((server.kind, client.kind), (SpanKind::Server, SpanKind::Client));
        assert_eq!(server.parent_span_id.as_deref(), Some("b7ad6b7169203331"));
        assert_eq!(server.span_id, "ff0f9855f456fd48");
        assert_eq!(client.parent_span_id.as_ref(), Some(&server.span_id));
        assert_eq!(client.span_id, "00f067aa0ba902b7", "as the engine was told");
        assert_eq!((server.name.as_str(), client.name.as_str()), ("chat m", "chat m"));
        assert_eq!((server.start_ns, server.end_ns), (1_000_000_000, 1_083_000_000));
        assert_eq!((client.start_ns, client.end_ns), (1_003_000_000, 1_083_000_000));
        let text = |text: &str| Attribute::Text(text.to_owned());
        let expected = [
            ("gen_ai.operation.name", text("chat")),
            ("gen_ai.provider.name", text("vllm")),
            ("gen_ai.request.model", text("m")),
            ("gen_ai.request.stream", Attribute::Flag(true)),
            ("gen_ai.response.model", text("m-q4")),
            ("gen_ai.response.finish_reasons", Attribute::Texts(vec!["stop".into()])),
            ("gen_ai.response.time_to_first_chunk", Attribute::Number(0.04)),
            ("server.address", text("127.0.0.1")),
            ("server.port", Attribute::Integer(8_000)),
            ("gen_ai.request.max_tokens", Attribute::Integer(16)),
            ("gen_ai.request.temperature", Attribute::Number(0.5)),
            ("gen_ai.usage.input_tokens", Attribute::Integer(7)),
            ("gen_ai.usage.output_tokens", Attribute::Integer(4)),
        ];
        assert_eq!(client.attributes, expected);
    }

    #[test]
    fn what_is_told_of_others() {
        let has = |exchange: &Exchange, name: &str| {
            let all = spans(exchange, &Place::default());
            let found = all.iter().flat_map(|span| &span.attributes);
            found.clone().find(|(given, _)| *given == name).map(|(_, value)| value.clone())
        };
        let text = |text: &str| Some(Attribute::Text(text.to_owned()));
        let refused = Exchange {
            upstream: None,
            outcome: Outcome::Refused,
            refusal: Some(Refusal::KeyMissing),
            ..exchange()
        };
        assert_eq!(spans(&refused, &place()).len(), 1);
        assert_eq!(has(&refused, "modelwatch.refusal"), text("key_missing"));
        let failed = Exchange { outcome: Outcome::UpstreamError, status: Some(500), ..exchange() };
        assert_eq!(has(&failed, "error.type"), text("500"));
        let unreached = Exchange { time_to_headers: None, status: Some(502), ..failed };
        assert_eq!(has(&unreached, "error.type"), text("upstream_error"));
        let estimated =
            Exchange { tokens: Tokens { is_exact: false, ..exchange().tokens }, ..exchange() };
        assert_eq!(has(&estimated, "gen_ai.usage.output_tokens"), None);
        assert_eq!(has(&estimated, "gen_ai.usage.input_tokens"), Some(Attribute::Integer(7)));
        let one = Exchange { parameters: vec![("n", "1".into())], ..exchange() };
        assert_eq!(has(&one, "gen_ai.request.choice.count"), None);
        let error = |exchange: &Exchange| spans(exchange, &place())[0].error.clone();
        assert_eq!(error(&Exchange { status: Some(401), ..refused }), None, "the caller's own");
        assert_eq!(error(&unreached).as_deref(), Some("upstream_error"));
        assert_eq!(spans(&Exchange { span_id: "x".into(), ..exchange() }, &place()), []);
        let stranger = Exchange { operation: "", path: "/a/b".into(), ..exchange() };
        assert_eq!(spans(&stranger, &place())[0].name, "POST");
        let six = Place { engine: String::new(), instance: "[::1]:8000/base".into() };
        let found = &spans(&exchange(), &six)[1].attributes;
        for expected in [
            ("server.address", Attribute::Text("::1".into())),
            ("server.port", Attribute::Integer(8_000)),
            ("gen_ai.provider.name", Attribute::Text("_OTHER".into())),
        ] {
            assert!(found.contains(&expected), "{found:?}");
        }
        let anthropic = Exchange { api: "anthropic_messages", ..exchange() };
        assert_eq!(has(&anthropic, "gen_ai.provider.name"), text("anthropic"));
    }

    #[test]
    fn histograms_have_the_bounds_of_the_conventions() {
        let mut metrics = GenAiMetrics::default();
        metrics.observe(&exchange(), &place());
        metrics.observe(&Exchange { outcome: Outcome::ClientAbort, ..exchange() }, &place());
        metrics.observe(&Exchange { operation: "", ..exchange() }, &place());
        let partial = Exchange { is_partially_observed: true, ..exchange() };
        metrics.observe(&partial, &place());
        let of = |name: &str| {
            let found = metrics.points().filter(|(metric, _)| metric.name == name);
            found.map(|(_, point)| point.clone()).collect::<Vec<_>>()
        };
        let ttft = of("gen_ai.server.time_to_first_token");
        assert_eq!(ttft.len(), 1, "only of answers that came whole");
        assert_eq!((ttft[0].counts[5], ttft[0].counts.len(), ttft[0].sum), (1, 17, 0.05));
        assert_eq!(of("gen_ai.client.operation.duration").len(), 2, "with and without an error");
        let usage = of("gen_ai.client.token.usage");
        assert_eq!(usage.iter().map(|point| point.sum).sum::<f64>(), 22.0);
        assert!(METRICS.iter().all(|metric| metric.bounds.is_sorted()));
    }

    #[test]
    fn models_beyond_the_cap_are_counted_together() {
        let mut metrics = GenAiMetrics::default();
        for number in 0..SETS_MAX + 5 {
            let model = Some(format!("m{number}"));
            let exchange =
                Exchange { model_asked: model.clone(), model_served: model, ..exchange() };
            metrics.observe(&exchange, &place());
        }
        let tpot = |(metric, _): &(&Convention, &Point)| {
            metric.unit == "s" && metric.bounds == TPOT_BOUNDS
        };
        let points: Vec<_> = metrics.points().filter(tpot).collect();
        assert_eq!(points.len(), SETS_MAX + 1);
        let other = points.iter().find(|(_, point)| point.counts.iter().sum::<u64>() == 5);
        assert!(other.unwrap().1.attributes.contains(&("gen_ai.request.model", OTHER.to_owned())));
    }

    proptest! {
        #[test]
        fn spans_are_whole(time: i64, read: u64, total: u64, queued: Option<u64>, id: u64) {
            let nanos = Duration::from_nanos;
            let exchange = Exchange {
                time: UnixMs(time),
                span_id: format!("{id:016x}"),
                request_read: nanos(read),
                total: nanos(total),
                queued: queued.map(nanos),
                ..exchange()
            };
            for span in spans(&exchange, &place()) {
                prop_assert!(span.end_ns >= span.start_ns && span.start_ns >= 0);
                prop_assert!(span.span_id.len() == 16 && (id == 0 || span.span_id != "0".repeat(16)));
                prop_assert!(u64::from_str_radix(&span.span_id, 16).is_ok());
            }
        }
    }
}
