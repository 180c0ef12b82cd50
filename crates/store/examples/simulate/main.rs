//! Requests, events and log lines of the deployment that `cargo xtask simulate` makes up: `simulate FOLDER END FULL
//! RESTART HOT [REQUESTS DAYS]`, the end in Unix milliseconds, the parts of its incident as `FROM-TO` in seconds before the
//! end; so many requests come besides, spread over so many days before the last hour.

mod lines;

use std::{path::Path, time::Duration};

use model::{
    Clock, UnixMs,
    exchange::{Exchange, Outcome, Tokens},
    log::{LogRecord, Severity},
};
use store::{Options, Store, events::Noticed};

const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;
/// Model, upstream, requests each second, median TTFT and TPOT in seconds, tokens of an answer.
const MODELS: [(&str, &str, f64, f64, f64, f64); 4] = [
    ("Qwen3-32B", "node-1", 1.2, 0.21, 0.021, 340.0),
    ("Qwen3-32B", "node-2", 1.1, 0.20, 0.020, 330.0),
    ("DeepSeek-R1-Distill-Llama-70B", "node-3", 0.5, 0.42, 0.031, 900.0),
    ("Qwen2.5-14B-Instruct", "node-4", 0.6, 0.33, 0.027, 210.0),
];
const KEYS: [&str; 6] = ["assistant", "search", "batch", "ci", "notebook", "support"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = "usage: simulate FOLDER END FULL RESTART HOT [REQUESTS DAYS]";
    let [folder, end, full, restart, hot, more @ ..] = arguments.as_slice() else {
        return Err(usage.into());
    };
    let end: i64 = end.parse().map_err(|_| usage)?;
    let incident =
        Incident { full: span(full).ok_or(usage)?, restart: span(restart).ok_or(usage)? };
    let hot = span(hot).ok_or(usage)?;
    let (store, _) = Store::open(Path::new(folder), Options::default(), Clock::system())?;
    let mut random = Random(0x5eed);
    if let [count, days] = more {
        let (count, days) = (count.parse().map_err(|_| usage)?, days.parse().map_err(|_| usage)?);
        before(&store, end - HOUR_MS, count, days)?;
    }
    let mut all = Vec::new();
    for second in 0..HOUR_MS / 1_000 {
        let time = end - HOUR_MS + second * 1_000;
        for (which, model) in MODELS.iter().enumerate() {
            let wanted = model.2 * (0.7 + 0.6 * random.next());
            let count = wanted.floor() as u64 + u64::from(random.next() < wanted.fract());
            for _ in 0..count {
                let at = UnixMs(time + (random.next() * 1_000.0) as i64);
                all.push(exchange(which, at, incident.at(which, end - time), &mut random));
            }
        }
    }
    let events = events(end, incident.restart);
    let mut taken = store.events().append(&events)?;
    for batch in all.chunks(500) {
        taken += store.events().append(batch)?;
    }
    // With numbers of their own, so that the requests are the same as without.
    let lines = lines::lines(end, &incident, hot, &mut Random(0x1065));
    for batch in lines.chunks(500) {
        taken += store.events().append(batch)?;
    }
    let wanted = all.len() + events.len() + lines.len();
    if taken < wanted {
        return Err(format!("{taken} of {wanted} records were taken").into());
    }
    store.events().commit()?;
    store.close()?;
    Ok(())
}

/// So many requests, evenly over so many days before a time.
fn before(
    store: &Store,
    end: i64,
    count: u64,
    days: f64,
) -> Result<(), Box<dyn std::error::Error>> {
    const BATCH: usize = 5_000;
    // Numbers of their own, so that the last hour is the same as without.
    let mut random = Random(0x0dd5);
    let span = (days * 24.0 * HOUR_MS as f64) as i64;
    let mut batch = Vec::with_capacity(BATCH);
    for number in 0..count {
        let at = end - span + (span as f64 * (number as f64 / count as f64)) as i64;
        let which = (random.next() * MODELS.len() as f64) as usize;
        batch.push(exchange(
            which.min(MODELS.len() - 1),
            UnixMs(at),
            Trouble::default(),
            &mut random,
        ));
        if batch.len() == BATCH || number + 1 == count {
            if store.events().append(&batch)? < batch.len() {
                return Err("some requests were refused".into());
            }
            batch.clear();
            store.events().commit()?;
        }
    }
    Ok(())
}

/// What goes wrong with the first engine, in milliseconds before the end.
struct Incident {
    full: (i64, i64),
    restart: (i64, i64),
}

/// How it is with an engine at one time.
#[derive(Default)]
struct Trouble {
    /// How far the KV cache's trouble has gone, 0 to 1.
    full: f64,
    is_down: bool,
}

impl Incident {
    fn at(&self, which: usize, before_end: i64) -> Trouble {
        if which > 0 {
            return Trouble::default();
        }
        let minutes = |time: i64| time as f64 / MINUTE_MS as f64;
        let (rise, fall) = (minutes(self.full.0 - before_end), minutes(before_end - self.full.1));
        let is_down = before_end <= self.restart.0 && before_end > self.restart.1;
        Trouble { full: rise.min(fall + 1.0).clamp(0.0, 1.0), is_down }
    }
}

/// `FROM-TO` in seconds, as milliseconds.
fn span(text: &str) -> Option<(i64, i64)> {
    let (from, to) = text.split_once('-')?;
    Some((from.parse::<i64>().ok()? * 1_000, to.parse::<i64>().ok()? * 1_000))
}

fn exchange(which: usize, time: UnixMs, trouble: Trouble, random: &mut Random) -> Exchange {
    let (model, upstream, _, ttft, tpot, output) = MODELS[which];
    let Trouble { full, is_down } = trouble;
    let key = (random.next() * random.next() * KEYS.len() as f64) as usize;
    let input = (300.0 + 3_600.0 * random.next() * random.next()) as u64;
    let output = 1 + (output * (0.2 + 1.6 * random.next())) as u64;
    let queued = random.latency(0.004 + 1.6 * full);
    let prefill = random.latency(ttft * (1.0 + full));
    let tpot = random.latency(tpot * (1.0 + 0.7 * full)).max(Duration::from_millis(4));
    let (ttft, decode) = (queued + prefill, tpot * output as u32);
    let outcome = match random.next() {
        _ if is_down => Outcome::UpstreamError,
        part if part < 0.012 + 0.08 * full => Outcome::ClientAbort,
        _ => Outcome::Ok,
    };
    let mut exchange = Exchange {
        time,
        request_id: format!("sim-{:016x}", random.bits()),
        trace_id: format!("{:016x}{:016x}", random.bits(), random.bits()),
        span_id: format!("{:016x}", random.bits()),
        method: "POST".into(),
        path: "/v1/chat/completions".into(),
        api: "openai",
        operation: "chat",
        http_version: "1.1",
        client: Some([10, 20, 4, 10 + key as u8].into()),
        user_agent: "OpenAI/Python 2.8.1".into(),
        key_id: Some(format!("{:012x}", 0x5ec7_0000_u64 + key as u64)),
        key_name: Some(KEYS[key].into()),
        model_asked: Some(model.into()),
        model_served: Some(model.into()),
        upstream: Some(upstream.into()),
        is_stream: true,
        is_generation: true,
        parameters: vec![("max_tokens", "2048".into()), ("temperature", "0.7".into())],
        status: Some(if is_down { 502 } else { 200 }),
        outcome,
        request_read: random.latency(0.000_2),
        queued: Some(random.latency(0.000_1)),
        time_to_headers: Some(random.latency(0.003)),
        total: ttft + decode,
        request_bytes: input * 4 + 300,
        response_bytes: output * 180,
        ..Exchange::default()
    };
    if is_down {
        exchange.error = Some("connection refused".into());
        (exchange.total, exchange.response_bytes) = (random.latency(0.002), 240);
        return exchange;
    }
    exchange.time_to_first_chunk = Some(ttft);
    exchange.ttft = Some(ttft);
    exchange.ttst = Some(ttft + tpot);
    exchange.ttfa = Some(ttft);
    exchange.engine_prefill = Some(prefill);
    exchange.tpot = Some(tpot);
    exchange.e2e = (outcome == Outcome::Ok).then_some(ttft + decode);
    exchange.finish_reason = (outcome == Outcome::Ok)
        .then(|| if random.next() < 0.06 { "length" } else { "stop" }.into());
    exchange.output_events = output;
    let (input, output) = (Some(input), Some(output));
    let cached = input.map(|input| (input as f64 * 0.4 * random.next()) as u64);
    exchange.tokens = Tokens { input, output, cached, reasoning: None, is_exact: true };
    for _ in 0..12 {
        exchange.gaps.record(random.latency(tpot.as_secs_f64()));
    }
    exchange
}

fn events(end: i64, restart: (i64, i64)) -> Vec<Noticed> {
    let engine = |url: &str| {
        vec![("engine".to_owned(), "vLLM".to_owned()), ("url".to_owned(), url.to_owned())]
    };
    let event = |before_end: i64, severity, body: &str, more: &[(&str, &str)]| {
        let mut attributes = engine("http://node-1:8000");
        attributes
            .extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Noticed(LogRecord {
            time: UnixMs(end - before_end),
            source: "engine node-1:8000".into(),
            severity,
            body: body.into(),
            attributes,
        })
    };
    vec![
        event(restart.0, Severity::Error, "event.engine_down", &[("reason", "connection refused")]),
        event(restart.1, Severity::Warn, "event.engine_restarted", &[]),
        event(
            restart.1,
            Severity::Info,
            "event.engine_changed",
            &[("fact", "--max-num-seqs"), ("old", "256"), ("new", "128")],
        ),
        event(restart.1 - MINUTE_MS, Severity::Info, "event.engine_up", &[]),
    ]
}

/// The same numbers each time.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Log-normal around a median in seconds.
    fn latency(&mut self, median: f64) -> Duration {
        let normal = (0..12).map(|_| self.next()).sum::<f64>() - 6.0;
        Duration::from_secs_f64(median * (0.45 * normal).exp())
    }
}
