//! What is told of an engine from its connections alone, against what its client sees.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use e2e::{Modelwatch, NOTICED, PATIENCE, installed_engine, start_engine};
use serde_json::json;
use xtask::{engine::MODEL_ALIAS, wait};

const REQUESTS: usize = 8;
const TOKENS: u32 = 60;
/// Estimates that must have been made. On a busy machine some requests are seen too late and left out.
const PAIRS_MIN: usize = 2;
/// Longer than until the next batch, which is made every second.
const BATCH: Duration = Duration::from_millis(1_500);
/// How far the median TTFT may be off: half of what lies between two looks, or a share of a long one.
const TTFT_MS_MAX: f64 = 25.0;
const TTFT_SHARE_MAX: f64 = 0.05;
/// How far the median inter-token latency may be off, as a share of it.
const ITL_SHARE_MAX: f64 = 0.15;

/// What a client saw, in milliseconds.
#[derive(Debug, Default)]
struct Seen {
    first: f64,
    /// From the first token to the last one.
    stream: f64,
    tokens: u32,
}

/// A client with a connection of its own, as llama.cpp wants one for each streamed answer.
struct Client {
    stream: TcpStream,
    watch: wait::Stopwatch,
}

impl Client {
    fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, watch: wait::Stopwatch::start() })
    }

    fn now(&self) -> f64 {
        self.watch.elapsed().as_secs_f64() * 1e3
    }

    /// Sends a request for a streamed answer and reads it to its end.
    fn ask(&mut self, prompt: &str) -> Result<Seen> {
        let body = json!({
            "model": MODEL_ALIAS, "prompt": prompt, "n_predict": TOKENS, "max_tokens": TOKENS,
            "ignore_eos": true, "stream": true, "cache_prompt": false,
        })
        .to_string();
        let head = "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json";
        let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        self.stream.write_all(request.as_bytes())?;
        let started = self.now();
        let (mut text, mut buffer) = (String::new(), [0; 65_536]);
        let mut times = Vec::new();
        while !text.ends_with("\r\n0\r\n\r\n") {
            let count = self.stream.read(&mut buffer)?;
            ensure!(count > 0, "the engine closed the connection after {text}");
            let now = self.now();
            let piece = buffer.get(..count).context("a read is no longer than its buffer")?;
            let piece = String::from_utf8_lossy(piece);
            times.extend(piece.matches("\"finish_reason\":null").map(|_| now));
            text.push_str(&piece);
        }
        ensure!(text.starts_with("HTTP/1.1 200"), "{text}");
        let (first, last) = (times.first().context(text.clone())?, times.last().context(text)?);
        let tokens = u32::try_from(times.len())?;
        Ok(Seen { first: first - started, stream: last - first, tokens })
    }
}

/// The sum and the count of an estimate, of this engine.
fn estimate(modelwatch: &Modelwatch, name: &str, address: &str) -> Result<(f64, f64)> {
    let selector = format!("{{instance=\"{address}\",source=\"wire\"}}");
    let value = |suffix| modelwatch.value(&format!("{name}{suffix}{selector}"));
    Ok((value("_sum")?, value("_count")?))
}

#[test]
fn first_tokens_are_timed_without_asking_the_engine() -> Result<()> {
    let Some(installed) = installed_engine() else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let engine = start_engine(&installed, 0, folder.path())?;
    let mut modelwatch = Modelwatch::start(folder.path(), "[collect]\nengine_period = \"1s\"")?;
    estimates_agree(&modelwatch, &engine.address)?;
    connections_are_told(&modelwatch, &engine.address)?;
    ensure!(modelwatch.terminate(PATIENCE)?.success(), "{}", modelwatch.log());
    Ok(())
}

/// What is told of an engine that tells no times itself is what its client sees.
pub(crate) fn estimates_agree(modelwatch: &Modelwatch, address: &str) -> Result<()> {
    let of = |name: &str| format!("{name}{{instance=\"{address}\"}}");
    wait::until("discovery", NOTICED, || {
        ensure!(modelwatch.engine(address)?["state"] == "up");
        ensure!(modelwatch.value(&of("llm_accept_queue_connections_max"))? > 0.0);
        Ok(())
    })?;
    let read = |name: &str| estimate(modelwatch, name, address);
    let read_both = || {
        Ok::<_, anyhow::Error>((
            read("llm_time_to_first_token_seconds")?,
            read("llm_inter_token_latency_seconds")?,
        ))
    };
    // On a machine with much else to do connections are seen too late to be told of.
    wait::until("the first estimate", PATIENCE, || {
        Client::connect(address)?.ask("Hello.")?;
        ensure!(read("llm_time_to_first_token_seconds")?.1 > 0.0);
        Ok(())
    })?;
    let mut before = wait::until("the last of the first estimates", NOTICED, || {
        let before = read_both()?;
        wait::pause(BATCH);
        ensure!(read_both()? == before);
        Ok(before)
    })?;

    let mut pairs = Vec::new();
    for length in 1..=REQUESTS {
        // Prompts of different lengths, so that first tokens take differently long.
        let prompt = "The sea is deep and wide. ".repeat(length * 6);
        let seen = Client::connect(address)?.ask(&prompt)?;
        // One that was seen too late because the machine is busy is left out, which is as it should be.
        // And we ask once only: each question is a connection that has to be looked at as well.
        wait::pause(BATCH);
        let after = read_both()?;
        if after.0.1 == before.0.1 + 1.0 {
            let itl = (after.1.0 - before.1.0) / (after.1.1 - before.1.1);
            pairs.push(Pair { seen, ttft: (after.0.0 - before.0.0) * 1e3, itl: itl * 1e3 });
        }
        before = after;
    }
    compare(&pairs)
}

/// What a client saw of one request, and what was told of it.
#[derive(Debug)]
struct Pair {
    seen: Seen,
    ttft: f64,
    itl: f64,
}

fn compare(pairs: &[Pair]) -> Result<()> {
    ensure!(pairs.len() >= PAIRS_MIN, "only these were told: {pairs:#?}");
    let median = |errors: &dyn Fn(&Pair) -> f64| {
        let mut errors: Vec<f64> = pairs.iter().map(errors).collect();
        errors.sort_by(f64::total_cmp);
        errors.get(errors.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let true_itl = |pair: &Pair| pair.seen.stream / f64::from(pair.seen.tokens - 1);
    for pair in pairs {
        xtask::say(&format!(
            "TTFT {:.1} ms, truly {:.1}; inter-token {:.2} ms, truly {:.2}",
            pair.ttft,
            pair.seen.first,
            pair.itl,
            true_itl(pair)
        ));
    }
    let allowed = |pair: &Pair| TTFT_MS_MAX.max(pair.seen.first * TTFT_SHARE_MAX);
    let ttft = median(&|pair| (pair.ttft - pair.seen.first).abs() / allowed(pair));
    ensure!(ttft <= 1.0, "off by {ttft} of what is allowed: {pairs:#?}");
    let itl = median(&|pair| (pair.itl / true_itl(pair) - 1.0).abs());
    ensure!(itl <= ITL_SHARE_MAX, "off by a share of {itl}: {pairs:#?}");
    Ok(())
}

/// A client that stays is counted, named, and measured.
fn connections_are_told(modelwatch: &Modelwatch, address: &str) -> Result<()> {
    let value = |name: &str| modelwatch.value(&format!("{name}{{instance=\"{address}\"}}"));
    let _idle = Client::connect(address)?;
    wait::until("the connection", NOTICED, || {
        let state = format!("{{instance=\"{address}\",state=\"established\"}}");
        let found = modelwatch.value(&format!("llm_connections{state}"))?;
        ensure!(found == 1.0, "{found} connections, and ours is the only one");
        let client = format!("{{instance=\"{address}\",client=\"127.0.0.1\"}}");
        ensure!(modelwatch.value(&format!("llm_connections_by_client{client}"))? == 1.0);
        let rtt = value("llm_connection_rtt_seconds")?;
        ensure!(rtt > 0.0 && rtt < 0.1, "{rtt} s on the loopback");
        ensure!(value("llm_connection_rtt_min_seconds")? <= rtt);
        Ok(())
    })?;
    ensure!(value("llm_connection_received_bytes_total")? > 5_000.0);
    ensure!(value("llm_connection_sent_bytes_total")? > 50_000.0);
    ensure!(value("llm_connections_awaiting_first_byte")? == 0.0);
    ensure!(modelwatch.source("network")?["state"] == "ok");
    Ok(())
}
