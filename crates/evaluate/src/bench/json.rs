//! Reports as JSON: everything that was measured, times in seconds, absent as null.

use std::{
    io::{self, Write},
    time::Duration,
};

use serde_json::{Map, Value, json};

use super::{Arrival, Load, Measured, Plan, Quantiles, Record, Report, TokenSum};

/// Writes the plan, a report for each load, and the times of every request that was answered well.
/// `about` are further members of the whole: who measured, when, where.
pub fn write(
    plan: &Plan,
    measured: &[Measured],
    about: Map<String, Value>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut whole = about;
    whole.insert("plan".into(), plan_of(plan));
    // Written piece by piece: with all requests in it, a document in memory would be large.
    write!(out, "{}", open(&Value::Object(whole)))?;
    write!(out, ",\n\"loads\":[")?;
    for (place, one) in measured.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        write!(out, "{comma}\n{},\n\"requests\":[", open(&report(&one.report)))?;
        for (place, record) in one.records.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(out, "{comma}\n{}", request(record))?;
        }
        write!(out, "]}}")?;
    }
    writeln!(out, "]}}")
}

/// An object without its last brace, so that more may follow.
fn open(object: &Value) -> String {
    let mut text = object.to_string();
    text.pop();
    text
}

fn seconds(time: Option<Duration>) -> Value {
    time.map_or(Value::Null, |time| json!(time.as_secs_f64()))
}

fn plan_of(plan: &Plan) -> Value {
    json!({
        "path": plan.ask.api.path(),
        "model": plan.ask.model,
        "stream": plan.ask.is_streaming,
        "ignore_eos": plan.ask.ignore_eos,
        "extra_body": plan.ask.extra,
        "prompt_tokens": plan.prompts.lengths.to_string(),
        "prompts_of_file": plan.prompts.file.as_ref().map(|file| file.len()),
        "output_tokens": plan.prompts.output.to_string(),
        "prefix_tokens": plan.prompts.prefix_tokens,
        "prefixes": plan.prompts.prefixes,
        "seed": plan.prompts.seed,
        "requests_max": plan.requests,
        "duration_seconds": seconds(plan.duration),
        "warmup_requests": plan.warmup,
        "timeout_seconds": plan.timeout.as_secs_f64(),
        "slo_seconds": {
            "ttft": seconds(plan.slo.ttft),
            "tpot": seconds(plan.slo.tpot),
            "e2e": seconds(plan.slo.e2e),
        },
    })
}

fn load(load: Load) -> Value {
    match load {
        Load::Closed { concurrency } => json!({"loop": "closed", "concurrency": concurrency}),
        Load::Open { rate, arrival, in_flight_max } => json!({
            "loop": "open",
            "rate": rate,
            "arrival": match arrival {
                Arrival::Poisson => "poisson",
                Arrival::Constant => "constant",
            },
            "in_flight_max": in_flight_max,
        }),
    }
}

fn quantiles(quantiles: Option<Quantiles>) -> Value {
    quantiles.map_or(Value::Null, |of| {
        json!({
            "count": of.count,
            "mean": of.mean.as_secs_f64(),
            "min": of.min.as_secs_f64(),
            "p50": of.p50.as_secs_f64(),
            "p90": of.p90.as_secs_f64(),
            "p95": of.p95.as_secs_f64(),
            "p99": of.p99.as_secs_f64(),
            "max": of.max.as_secs_f64(),
        })
    })
}

fn tokens(sum: TokenSum, per_second: Option<f64>) -> Value {
    json!({
        "sum": sum.mean().map(|_| sum.tokens),
        "mean": sum.mean(),
        "per_second": per_second,
        "requests_exact": sum.exact,
        "requests_estimated": sum.estimated,
    })
}

fn report(report: &Report) -> Value {
    let failures = report.failures.iter().map(|failures| {
        json!({"kind": failures.kind, "count": failures.count, "first": failures.reason})
    });
    json!({
        "load": load(report.load),
        "wall_seconds": report.wall.as_secs_f64(),
        "sent": report.sent,
        "ok": report.ok,
        "failures": failures.collect::<Vec<_>>(),
        "cut_short": report.cut_short,
        "sent_again": report.sent_again,
        "requests_per_second": report.requests_per_second,
        "input_tokens": tokens(report.input, report.input_per_second),
        "output_tokens": tokens(report.output, report.output_per_second),
        "ttft_seconds": quantiles(report.ttft),
        "ttfa_seconds": quantiles(report.ttfa),
        "tpot_seconds": quantiles(report.tpot),
        "itl_seconds": quantiles(report.itl),
        "e2e_seconds": quantiles(report.e2e),
        "engine_prefill_seconds": quantiles(report.engine_prefill),
        "engine_tpot_seconds": quantiles(report.engine_tpot),
        "requests_with_hidden_tokens": report.hidden,
        "goodput": report.goodput.map(|good| {
            json!({"requests": good.requests, "per_second": good.per_second})
        }),
        "lag_seconds": quantiles(report.lag),
        "generator": {
            "lag_seconds": quantiles(report.own_lag),
            "cpu_share": report.cpu_share,
            "is_limiting": report.is_generator_limited(),
        },
    })
}

fn request(record: &Record) -> Value {
    let count = |count: Option<dialect::Count>| count.map(|count| count.value);
    json!({
        "index": record.index,
        "start_seconds": record.start.as_secs_f64(),
        "lag_seconds": record.lag.as_secs_f64(),
        "ttft_seconds": seconds(record.ttft),
        "ttfa_seconds": seconds(record.ttfa),
        "tpot_seconds": seconds(record.tpot),
        "e2e_seconds": seconds(record.e2e),
        "engine_prefill_seconds": seconds(record.engine_prefill),
        "engine_tpot_seconds": seconds(record.engine_tpot),
        "input_tokens": count(record.input),
        "output_tokens": count(record.output),
        "output_tokens_exact": record.output.map(|count| count.is_exact),
    })
}
