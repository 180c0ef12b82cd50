//! What is kept of one request to a model: a row for each field, with where its value comes from.
//!
//! Changing the rows needs a new [`VERSION`]; a row's place never changes.

use std::{sync::LazyLock, time::Duration};

use model::{
    UnixMs,
    exchange::{Exchange, KeptBody},
};

use super::{
    Event,
    schema::{Field, FieldType, Record, Schema, Value},
};

const VERSION: u32 = 2;

type Row = (&'static str, FieldType, fn(&Exchange) -> Option<Value>);

const ROWS: &[Row] = &[
    ("model", FieldType::Keyword, |e| opt(e.model_served.as_ref().or(e.model_asked.as_ref()))),
    ("model_asked", FieldType::Keyword, |e| opt(e.model_asked.as_ref())),
    ("outcome", FieldType::Keyword, |e| text(e.outcome.name())),
    ("refusal", FieldType::Keyword, |e| text(e.refusal?.name())),
    ("status", FieldType::Count, |e| Some(Value::Count(e.status?.into()))),
    ("upstream", FieldType::Keyword, |e| opt(e.upstream.as_ref())),
    ("key_id", FieldType::Keyword, |e| opt(e.key_id.as_ref())),
    ("key_name", FieldType::Keyword, |e| opt(e.key_name.as_ref())),
    ("client", FieldType::Keyword, |e| text(&e.client?.to_string())),
    ("user_agent", FieldType::Keyword, |e| text(&e.user_agent)),
    ("method", FieldType::Keyword, |e| text(&e.method)),
    ("path", FieldType::Keyword, |e| text(&e.path)),
    ("api", FieldType::Keyword, |e| text(e.api)),
    ("operation", FieldType::Keyword, |e| text(e.operation)),
    ("http_version", FieldType::Keyword, |e| text(e.http_version)),
    ("finish_reason", FieldType::Keyword, |e| opt(e.finish_reason.as_ref())),
    ("error", FieldType::Text, |e| opt(e.error.as_ref())),
    ("request_id", FieldType::Id, |e| text(&e.request_id)),
    ("trace_id", FieldType::Id, |e| text(&e.trace_id)),
    ("span_id", FieldType::Kept, |e| text(&e.span_id)),
    ("parent_span_id", FieldType::Kept, |e| opt(e.parent_span_id.as_ref())),
    ("response_id", FieldType::Id, |e| opt(e.response_id.as_ref())),
    ("parameters", FieldType::Map, parameters),
    ("is_stream", FieldType::Flag, |e| Some(Value::Flag(e.is_stream))),
    ("is_generation", FieldType::Flag, |e| Some(Value::Flag(e.is_generation))),
    ("is_retried", FieldType::Flag, |e| Some(Value::Flag(e.is_retried))),
    ("is_partially_observed", FieldType::Flag, |e| Some(Value::Flag(e.is_partially_observed))),
    ("is_substituted", FieldType::Flag, |e| Some(Value::Flag(e.is_model_substituted()))),
    ("is_client_bound", FieldType::Flag, |e| Some(Value::Flag(e.is_client_bound()))),
    ("has_hidden_tokens", FieldType::Flag, |e| Some(Value::Flag(e.has_hidden_tokens))),
    ("request_read_ms", FieldType::Millis, |e| millis(Some(e.request_read))),
    ("queued_ms", FieldType::Millis, |e| millis(e.queued)),
    ("connect_ms", FieldType::Millis, |e| millis(e.connect)),
    ("headers_ms", FieldType::Millis, |e| millis(e.time_to_headers)),
    ("first_chunk_ms", FieldType::Millis, |e| millis(e.time_to_first_chunk)),
    ("ttft_ms", FieldType::Millis, |e| millis(e.ttft)),
    ("ttst_ms", FieldType::Millis, |e| millis(e.ttst)),
    ("ttfa_ms", FieldType::Millis, |e| millis(e.ttfa)),
    ("e2e_ms", FieldType::Millis, |e| millis(e.e2e)),
    ("tpot_ms", FieldType::Millis, |e| millis(e.tpot)),
    ("total_ms", FieldType::Millis, |e| millis(Some(e.total))),
    ("itl_p50_ms", FieldType::Millis, |e| millis(e.gaps.quantile(0.5))),
    ("itl_p99_ms", FieldType::Millis, |e| millis(e.gaps.quantile(0.99))),
    ("itl_max_ms", FieldType::Millis, |e| millis(e.gaps.longest())),
    ("itl_histogram", FieldType::Kept, gaps),
    ("engine_load_ms", FieldType::Millis, |e| millis(e.engine_load)),
    ("engine_prefill_ms", FieldType::Millis, |e| millis(e.engine_prefill)),
    ("engine_tpot_ms", FieldType::Millis, |e| millis(e.engine_tpot)),
    ("client_blocked_ms", FieldType::Millis, |e| millis(Some(e.client_blocked))),
    ("tokens_input", FieldType::Count, |e| count(e.tokens.input)),
    ("tokens_output", FieldType::Count, |e| count(e.tokens.output)),
    ("tokens_cached", FieldType::Count, |e| count(e.tokens.cached)),
    ("tokens_reasoning", FieldType::Count, |e| count(e.tokens.reasoning)),
    ("is_exact", FieldType::Flag, |e| e.tokens.output.map(|_| Value::Flag(e.tokens.is_exact))),
    ("output_events", FieldType::Count, |e| count(Some(e.output_events))),
    ("request_bytes", FieldType::Count, |e| count(Some(e.request_bytes))),
    ("response_bytes", FieldType::Count, |e| count(Some(e.response_bytes))),
    ("problems", FieldType::Count, |e| count(Some(e.problems))),
    ("request_body", FieldType::Private, |e| body(e.request_body.as_ref())),
    ("response_body", FieldType::Private, |e| body(e.response_body.as_ref())),
    ("is_request_body_cut", FieldType::Flag, |e| is_cut(e.request_body.as_ref())),
    ("is_response_body_cut", FieldType::Flag, |e| is_cut(e.response_body.as_ref())),
    ("is_cold", FieldType::Flag, |e| Some(Value::Flag(e.is_cold))),
];

/// Where a word without a field is looked for.
const FREE: [&str; 11] = [
    "model",
    "outcome",
    "upstream",
    "key_id",
    "key_name",
    "client",
    "path",
    "error",
    "request_id",
    "trace_id",
    "response_id",
];

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let field = |(name, field_type, _): &Row| Field {
        name,
        field_type: *field_type,
        is_free: FREE.contains(name),
    };
    Schema { kind: "exchange", version: VERSION, fields: ROWS.iter().map(field).collect() }
});

impl Event for Exchange {
    fn schema() -> &'static Schema {
        &SCHEMA
    }

    fn time(&self) -> UnixMs {
        self.time
    }

    fn record(&self) -> Record {
        Record::new(&SCHEMA, self.time, ROWS.iter().map(|(_, _, value)| value(self)))
    }
}

/// What is empty is not known.
fn text(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| Value::Text(text.into()))
}

fn opt(value: Option<&String>) -> Option<Value> {
    text(value?)
}

fn millis(duration: Option<Duration>) -> Option<Value> {
    Some(Value::Number(duration?.as_secs_f64() * 1e3))
}

fn count(count: Option<u64>) -> Option<Value> {
    Some(Value::Count(count?))
}

fn parameters(exchange: &Exchange) -> Option<Value> {
    let pair = |(name, value): &(&str, String)| ((*name).into(), value.as_str().into());
    let pairs = &exchange.parameters;
    (!pairs.is_empty()).then(|| Value::Map(pairs.iter().map(pair).collect()))
}

/// `index:count` of each bucket, separated by blanks.
fn gaps(exchange: &Exchange) -> Option<Value> {
    let pairs = exchange.gaps.buckets().iter().map(|(index, count)| format!("{index}:{count}"));
    text(&pairs.collect::<Vec<_>>().join(" "))
}

fn body(body: Option<&KeptBody>) -> Option<Value> {
    Some(Value::Text(body?.text.as_str().into()))
}

fn is_cut(body: Option<&KeptBody>) -> Option<Value> {
    Some(Value::Flag(body?.is_cut))
}

#[cfg(test)]
mod tests {
    use model::{UnixMs, exchange::Tokens};

    use super::*;

    #[test]
    fn what_is_known_of_an_exchange_is_kept_and_nothing_else() {
        let mut exchange = Exchange {
            time: UnixMs(5),
            model_asked: Some("a".into()),
            status: Some(200),
            ttft: Some(Duration::from_micros(1_500)),
            tokens: Tokens { output: Some(7), ..Tokens::default() },
            parameters: vec![("max_tokens", "16".into())],
            ..Exchange::default()
        };
        exchange.gaps.record(Duration::from_secs(1));
        let record = exchange.record();
        let value = |name: &str| record.value(SCHEMA.position(name).unwrap()).cloned();
        assert_eq!(record.time, UnixMs(5));
        assert_eq!(value("model"), Some(Value::Text("a".into())));
        assert_eq!(value("status"), Some(Value::Count(200)));
        assert_eq!(value("ttft_ms"), Some(Value::Number(1.5)));
        assert_eq!(value("tokens_output"), Some(Value::Count(7)));
        assert_eq!(value("itl_histogram"), Some(Value::Text("0:1".into())));
        assert_eq!(value("parameters"), Some(Value::Map(vec![("max_tokens".into(), "16".into())])));
        for absent in ["e2e_ms", "tokens_input", "key_id", "user_agent", "request_body"] {
            assert_eq!(value(absent), None, "{absent}");
        }
    }

    #[test]
    fn names_are_used_once() {
        let mut names: Vec<&str> = SCHEMA.fields.iter().map(|field| field.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ROWS.len());
        assert_eq!(SCHEMA.fields.iter().filter(|field| field.is_free).count(), FREE.len());
    }
}
