//! What the event store costs and how fast it answers: `cargo xtask bench events` runs this and publishes what
//! it prints, a figure to a line, as `name: value`.
//!
//! The records are made up: 12 models, 500 keys, 16 upstreams, a day of time, log-normal latencies.

mod measure;

use std::{path::Path, time::Duration};

use model::{
    Clock, UnixMs,
    exchange::{Exchange, Outcome, Tokens},
    series::TimeRange,
};
use store::{
    Options, Store,
    events::{Aggregate, Events, Filter, GroupBy, Measure, Order, Search},
};

use self::measure::{Done, Random, cpu, cpu_since, figure, memory, millis};

const RECORDS: u64 = 1_000_000;
const BATCH: u64 = 100;
/// Records between two calls of what a keeper does every second.
const SECOND: u64 = 10_000;
const RUNS: usize = 15;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
const KIND: &str = "exchange";
const TIMEOUT: Duration = Duration::from_secs(60);

fn main() -> Done {
    let folder = std::env::args().nth(1).ok_or("usage: events FOLDER")?;
    let folder = Path::new(&folder);
    let clock = Clock::system();
    let midnight = UnixMs((clock.now().0.div_euclid(DAY_MS) - 1) * DAY_MS);
    let (store, _) = Store::open(folder, Options::default(), clock.clone())?;
    ingest(&store, &clock, midnight)?;
    let stats = store.events().stats().remove(0);
    figure("bytes per record", stats.bytes_on_disk as f64 / stats.records as f64)?;
    single(&store, &clock, midnight)?;
    store.close()?;
    drop(store);

    let before = clock.monotonic();
    let (store, _) = Store::open(folder, Options::default(), clock.clone())?;
    figure("open, ms", millis(clock.monotonic() - before))?;
    store.events().commit()?;
    queries(store.events(), &clock, midnight)?;
    figure("RSS after queries, MB", memory("RssAnon:")?)?;
    figure("with mapped files, MB", memory("VmRSS:")?)?;
    Ok(())
}

fn ingest(store: &Store, clock: &Clock, midnight: UnixMs) -> Done {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    // What making the records takes is not the store's.
    let (before, begin) = (cpu()?, clock.monotonic());
    for number in 0..RECORDS {
        std::hint::black_box(exchange(number, midnight, &mut random));
    }
    let (making_cpu, making) = (cpu_since(before)?, clock.monotonic() - begin);
    let (before, begin, mut peak) = (cpu()?, clock.monotonic(), 0.0_f64);
    for first in (0..RECORDS).step_by(BATCH as usize) {
        let batch: Vec<Exchange> =
            (first..first + BATCH).map(|number| exchange(number, midnight, &mut random)).collect();
        store.events().append(&batch)?;
        if first.is_multiple_of(SECOND) {
            store.sync()?;
            store.maintain(clock.now())?;
            peak = peak.max(memory("RssAnon:")?);
        }
    }
    store.events().commit()?;
    let used = cpu_since(before)?.saturating_sub(making_cpu).as_secs_f64();
    figure("records/CPU-s in", RECORDS as f64 / used)?;
    let took = (clock.monotonic() - begin).saturating_sub(making).as_secs_f64();
    figure("records/s in", RECORDS as f64 / took)?;
    figure("peak RSS while writing, MB", peak)
}

/// What a call with one record takes.
fn single(store: &Store, clock: &Clock, midnight: UnixMs) -> Done {
    let mut random = Random(1);
    let mut times = Vec::new();
    for number in RECORDS..RECORDS + 10_000 {
        let one = [exchange(number, midnight, &mut random)];
        let begin = clock.monotonic();
        store.events().append(&one)?;
        times.push(clock.monotonic() - begin);
    }
    times.sort_unstable();
    figure("append of one record, median ms", millis(times[times.len() / 2]))?;
    figure("append of one record, p99 ms", millis(times[times.len() * 99 / 100]))
}

fn queries(events: &Events, clock: &Clock, midnight: UnixMs) -> Done {
    let schema = events.schema(KIND)?;
    let range = TimeRange { start: midnight, end: UnixMs(midnight.0 + DAY_MS) };
    let searches = [
        ("newest 100", "", Order::Newest),
        ("newest 100 of a model that failed", "model:model-3 status:500", Order::Newest),
        ("one by its id", "request_id:req-0000000000345678", Order::Newest),
        ("slowest 100", "", Order::Largest("ttft_ms")),
        ("100 slower than 2 s", "ttft_ms:>2000", Order::Newest),
        ("newest 100 with words in the error", "error:\"out of memory\"", Order::Newest),
    ];
    for (name, text, order) in searches {
        let filter = Filter::parse(text, schema)?;
        let (limit, after, with_private) = (100, None, false);
        let search =
            Search { filter: &filter, range, order, limit, after, with_private, timeout: TIMEOUT };
        time(clock, name, || events.search(KIND, &search).map(|page| page.hits.len()))?;
    }
    let latencies = [
        Measure::Count,
        Measure::Average("ttft_ms"),
        Measure::Sum("tokens_output"),
        Measure::Percentile("ttft_ms", 0.5),
        Measure::Percentile("ttft_ms", 0.95),
        Measure::Percentile("ttft_ms", 0.99),
    ];
    let tail = [Measure::Count, Measure::Percentile("ttft_ms", 0.99)];
    let usage = [Measure::Count, Measure::Sum("tokens_input"), Measure::Sum("tokens_output")];
    let minute = GroupBy::Time(Duration::from_secs(60));
    let (model, key) = (GroupBy::Field("model"), GroupBy::Field("key_id"));
    let scale = GroupBy::Scale { field: "ttft_ms", per_doubling: 4 };
    let five_minutes = GroupBy::Time(Duration::from_secs(300));
    let questions: [(&str, &str, &[GroupBy<'_>], &[Measure<'_>]); 7] = [
        ("percentiles of all", "", &[], &latencies),
        ("by model: count, average, sum, percentiles", "", &[model], &latencies),
        ("by key: count, tokens", "", &[key], &usage),
        ("by model and key: count, p99", "", &[model, key], &tail),
        ("by minute and model: count, p99", "", &[minute, model], &tail),
        ("by model, of those slower than 200 ms", "ttft_ms:>200", &[model], &latencies),
        ("heat map, 5 min x 4 per doubling", "", &[five_minutes, scale], &[Measure::Count]),
    ];
    for (name, text, by, measures) in questions {
        let filter = Filter::parse(text, schema)?;
        let question = Aggregate { filter: &filter, range, by, measures, timeout: TIMEOUT };
        time(clock, name, || events.aggregate(KIND, &question).map(|table| table.rows.len()))?;
    }
    Ok(())
}

fn time<E: std::error::Error + 'static>(
    clock: &Clock,
    name: &str,
    mut ask: impl FnMut() -> Result<usize, E>,
) -> Done {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let begin = clock.monotonic();
        if ask()? == 0 {
            return Err(format!("{name}: nothing was found").into());
        }
        times.push(clock.monotonic() - begin);
    }
    times.sort_unstable();
    figure(&format!("{name}, best ms"), millis(times[0]))?;
    figure(&format!("{name}, median ms"), millis(times[RUNS / 2]))
}

/// Log-normal around `median` seconds: the sum of uniform numbers is nearly normal.
fn latency(random: &mut Random, median: f64) -> Duration {
    let sum: f64 = (0..6).map(|_| random.below(1 << 20) as f64 / f64::from(1 << 20)).sum();
    Duration::from_secs_f64(median * ((sum - 3.0) * 1.2).exp())
}

fn exchange(number: u64, midnight: UnixMs, random: &mut Random) -> Exchange {
    let (model, key, upstream) = (random.below(12), random.below(500), random.below(16));
    let (input, output) = (random.below(4_000), 1 + random.below(800));
    let (ttft, tpot) = (latency(random, 0.25), latency(random, 0.02));
    let failed = random.below(50) == 0;
    let e2e = ttft + tpot * output as u32;
    let mut exchange = Exchange {
        time: UnixMs(midnight.0 + (number * DAY_MS as u64 / (RECORDS + 10_001)) as i64),
        request_id: format!("req-{number:016}"),
        trace_id: format!("{:016x}{:016x}", random.next(), random.next()),
        span_id: format!("{:016x}", random.next()),
        method: "POST".into(),
        path: "/v1/chat/completions".into(),
        api: "openai",
        operation: "chat",
        http_version: "1.1",
        client: Some([10, 0, (key / 100) as u8, (key % 100) as u8].into()),
        user_agent: "OpenAI/Python 1.99.9".into(),
        key_id: Some(format!("k{key:04}")),
        key_name: Some(format!("user {key}")),
        model_asked: Some(format!("model-{model}")),
        model_served: Some(format!("model-{model}")),
        upstream: Some(format!("node-{upstream:02}")),
        is_stream: true,
        parameters: vec![("max_tokens", "1024".into()), ("temperature", "0.7".into())],
        status: Some(if failed { 500 } else { 200 }),
        outcome: if failed { Outcome::UpstreamError } else { Outcome::Ok },
        error: failed.then(|| format!("CUDA out of memory on GPU {}", random.below(8))),
        is_generation: true,
        request_read: latency(random, 0.000_2),
        queued: Some(latency(random, 0.000_1)),
        time_to_headers: Some(latency(random, 0.002)),
        total: e2e + latency(random, 0.000_5),
        request_bytes: input * 4 + 300,
        response_bytes: output * 180,
        ..Exchange::default()
    };
    if !failed {
        exchange.time_to_first_chunk = Some(ttft);
        exchange.ttft = Some(ttft);
        exchange.ttst = Some(ttft + tpot);
        exchange.ttfa = Some(ttft);
        exchange.e2e = Some(e2e);
        exchange.tpot = Some(tpot);
        exchange.finish_reason =
            Some(if output.is_multiple_of(10) { "length" } else { "stop" }.into());
        exchange.output_events = output;
        let (input, output, cached) = (Some(input), Some(output), Some(input / 2));
        exchange.tokens = Tokens { input, output, cached, reasoning: None, is_exact: true };
        for _ in 0..8 {
            exchange.gaps.record(latency(random, 0.02));
        }
    }
    exchange
}
