//! What lines of logs cost and how fast they are found: `cargo xtask bench logs` runs this and publishes what it
//! prints, a figure to a line, as `name: value`.
//!
//! The lines are made up: 40 hosts, 6 services, what vLLM, nginx, the NVIDIA driver and CUDA write, with ids of 16
//! hexadecimal digits, a day of time, 2 % Chinese. Beside the store, in the same run: tantivy with the settings that
//! people give it for logs, and the text as it is, for programs that search files.

mod measure;

use std::{
    fs,
    io::{BufWriter, Write as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use model::{
    Clock, UnixMs,
    log::{Line, Origin, Severity},
    series::TimeRange,
};
use store::{
    Options, Store,
    events::{Aggregate, Events, Filter, GroupBy, LINES, Measure, Order, Search},
};
use tantivy::{
    DateTime, Index, IndexSettings, TantivyDocument,
    collector::{Count, TopDocs},
    query::QueryParser,
    schema::{
        DateOptions, Field, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions,
    },
};

use self::measure::{Done, Random, cpu, cpu_since, figure, memory, millis};

const BATCH: u64 = 500;
/// Lines between two calls of what a keeper does every second.
const SECOND: u64 = 50_000;
const RUNS: usize = 9;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
const TIMEOUT: Duration = Duration::from_secs(60);
const SERVICES: [&str; 6] = ["vllm", "nginx", "kernel", "sglang", "gateway", "ollama"];

fn main() -> Done {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: lines FOLDER LINES [PEER LINES]";
    let folder = arguments.next().ok_or(usage)?;
    let lines: u64 = arguments.next().ok_or(usage)?.parse()?;
    let peer: u64 = arguments.next().map_or(Ok(0), |text| text.parse())?;
    let folder = Path::new(&folder);
    fs::create_dir_all(folder)?;
    let clock = Clock::system();
    let midnight = UnixMs((clock.now().0.div_euclid(DAY_MS) - 1) * DAY_MS);
    let raw = raw_file(&folder.join("lines.log"), lines, midnight)?;
    figure("lines, MB", raw as f64 / 1e6)?;
    let (store, _) = Store::open(&folder.join("data"), Options::default(), clock.clone())?;
    ingest(&store, &clock, midnight, lines, raw)?;
    store.close()?;
    drop(store);
    let begin = clock.monotonic();
    let (store, _) = Store::open(&folder.join("data"), Options::default(), clock.clone())?;
    figure("open, ms", millis(clock.monotonic() - begin))?;
    queries(store.events(), &clock, midnight)?;
    figure("RSS after queries, MB", memory("RssAnon:")?)?;
    drop(store);
    if peer > 0 {
        tantivy_peer(&folder.join("tantivy"), &clock, midnight, peer)?;
    }
    Ok(())
}

/// The text of all lines, as a program that searches files would have it.
fn raw_file(path: &Path, lines: u64, midnight: UnixMs) -> Done<u64> {
    let mut file = BufWriter::new(fs::File::create(path)?);
    let mut maker = Maker::new(lines, midnight);
    let mut bytes = 0;
    for number in 0..lines {
        let line = maker.line(number);
        let severity = line.severity.map_or("-", Severity::as_str);
        let text = format!(
            "{} {} {} {severity} {}\n",
            line.time.0, line.origin.host, line.origin.service, line.body
        );
        bytes += text.len() as u64;
        file.write_all(text.as_bytes())?;
    }
    file.flush()?;
    Ok(bytes)
}

fn ingest(store: &Store, clock: &Clock, midnight: UnixMs, lines: u64, raw: u64) -> Done {
    let mut maker = Maker::new(lines, midnight);
    // What making the lines takes is not the store's.
    let before = cpu()?;
    for number in 0..lines {
        std::hint::black_box(maker.line(number));
    }
    let making = cpu_since(before)?;
    let mut maker = Maker::new(lines, midnight);
    let before = cpu()?;
    let begin = clock.monotonic();
    for first in (0..lines).step_by(BATCH as usize) {
        let batch: Vec<Line> =
            (first..lines.min(first + BATCH)).map(|number| maker.line(number)).collect();
        store.events().append(&batch)?;
        if first.is_multiple_of(SECOND) {
            store.sync()?;
            store.maintain(clock.now())?;
        }
    }
    store.events().commit()?;
    let used = cpu_since(before)?.saturating_sub(making).as_secs_f64();
    figure("MB/CPU-s in", raw as f64 / 1e6 / used)?;
    figure("lines/CPU-s in", lines as f64 / used)?;
    figure("MB/s in", raw as f64 / 1e6 / (clock.monotonic() - begin).as_secs_f64())?;
    figure("peak RSS while writing, MB", memory("VmHWM:")?)?;
    let stats = store.events().stats();
    let stats = stats.iter().find(|stats| stats.kind == LINES).ok_or("no such kind")?;
    if stats.records != lines {
        return Err(format!("{} of {lines} lines are there", stats.records).into());
    }
    figure("size, part of the text", stats.bytes_on_disk as f64 / raw as f64)
}

const SEARCHES: [(&str, &str); 6] = [
    ("a common word", "preempted"),
    ("a phrase", "\"out of memory\""),
    ("a word and a level", "severity:error Xid"),
    ("a host and a level", "host:node-07 severity:warn"),
    ("two common words", "request completed"),
    ("Chinese", "显存不足"),
];

fn queries(events: &Events, clock: &Clock, midnight: UnixMs) -> Done {
    let schema = events.schema(LINES)?;
    let day = TimeRange { start: midnight, end: UnixMs(midnight.0 + DAY_MS) };
    let hour = |number: i64| {
        let start = UnixMs(midnight.0 + number * 3_600_000);
        TimeRange { start, end: UnixMs(start.0 + 3_600_000) }
    };
    for (name, text) in SEARCHES.iter().chain(&[("a word in an hour", "preempted")]) {
        let range = if *name == "a word in an hour" { hour(7) } else { day };
        let filter = Filter::parse(text, schema)?;
        time(clock, &format!("{name}: count and newest 100"), || search(events, &filter, range))?;
    }
    let id = Maker::new(5_000_000, midnight).line(3_000).body;
    let id = id.split(|c: char| !c.is_ascii_hexdigit()).find(|word| word.len() == 16);
    let filter = Filter::parse(id.ok_or("the line has no id")?, schema)?;
    time(clock, "one id among all: count and newest 100", || search(events, &filter, day))?;
    let filter = Filter::parse("/memory.*MiB \\(GPU [0-3]\\)|Xid.*: (79|48),/", schema)?;
    time(clock, "a regular expression over an hour", || search(events, &filter, hour(7)))?;
    time(clock, "a regular expression over all", || search(events, &filter, day))?;
    let minute = GroupBy::Time(Duration::from_secs(60));
    let field = GroupBy::Field;
    for (name, by) in [
        ("histogram by minute and level", &[minute, field("severity")][..]),
        ("by host", &[field("host")]),
        ("by pattern", &[field("pattern")]),
    ] {
        let question = Aggregate {
            filter: &Filter::default(),
            range: day,
            by,
            measures: &[Measure::Count],
            timeout: TIMEOUT,
        };
        time(clock, name, || events.aggregate(LINES, &question).map(|table| table.rows.len()))?;
    }
    Ok(())
}

fn search(
    events: &Events,
    filter: &Filter,
    range: TimeRange,
) -> Result<usize, store::events::QueryError> {
    let (order, limit, after, with_private, timeout) = (Order::Newest, 100, None, false, TIMEOUT);
    let question = Search { filter, range, order, limit, after, with_private, timeout };
    let found = events.search(LINES, &question)?.hits.len();
    let (by, measures) = (&[], &[Measure::Count]);
    events.aggregate(LINES, &Aggregate { filter, range, by, measures, timeout })?;
    Ok(found)
}

/// The same lines in tantivy alone.
fn tantivy_peer(folder: &Path, clock: &Clock, midnight: UnixMs, lines: u64) -> Done {
    fs::create_dir_all(folder)?;
    let indexing = |tokenizer, option| {
        TextFieldIndexing::default()
            .set_tokenizer(tokenizer)
            .set_index_option(option)
            .set_fieldnorms(false)
    };
    let mut builder = Schema::builder();
    let time = DateOptions::default().set_fast().set_indexed().set_stored();
    let time = builder.add_date_field("ts", time);
    let words = indexing("default", IndexRecordOption::WithFreqsAndPositions);
    let message = TextOptions::default().set_indexing_options(words) | STORED;
    let message = builder.add_text_field("msg", message);
    let word = || {
        let exact = indexing("raw", IndexRecordOption::Basic);
        TextOptions::default().set_indexing_options(exact).set_fast("raw") | STORED
    };
    let fields: Vec<Field> =
        ["level", "host", "svc"].iter().map(|name| builder.add_text_field(name, word())).collect();
    let index = Index::builder()
        .schema(builder.build())
        .settings(IndexSettings::default())
        .create_in_dir(folder)?;
    let mut writer = index.writer_with_num_threads(1, 100_000_000)?;
    let mut maker = Maker::new(lines, midnight);
    let before = cpu()?;
    let mut raw = 0;
    for number in 0..lines {
        raw += maker.line(number).body.len() + 40;
    }
    let making = cpu_since(before)?;
    let mut maker = Maker::new(lines, midnight);
    let before = cpu()?;
    for number in 0..lines {
        let line = maker.line(number);
        let mut document = TantivyDocument::new();
        document.add_date(time, DateTime::from_timestamp_millis(line.time.0));
        document.add_text(message, &line.body);
        let values =
            [line.severity.map_or("", Severity::as_str), &line.origin.host, &line.origin.service];
        for (field, value) in fields.iter().zip(values) {
            document.add_text(*field, value);
        }
        writer.add_document(document)?;
        if number % 100_000 == 99_999 {
            writer.commit()?;
        }
    }
    writer.commit()?;
    writer.wait_merging_threads()?;
    let used = cpu_since(before)?.saturating_sub(making).as_secs_f64();
    figure("tantivy: MB/CPU-s in", raw as f64 / 1e6 / used)?;
    let bytes: u64 =
        fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).sum();
    figure("tantivy: size, part of the text", bytes as f64 / raw as f64)?;
    tantivy_queries(&index, message, clock)
}

fn tantivy_queries(index: &Index, message: Field, clock: &Clock) -> Done {
    let searcher = index.reader()?.searcher();
    let parser = QueryParser::for_index(index, vec![message]);
    for (name, text) in SEARCHES.iter().filter(|(name, _)| *name != "Chinese") {
        let query = parser.parse_query(
            &text
                .replace("severity:", "+level:")
                .replace("host:", "+host:")
                .replace(" Xid", " +Xid")
                .replace("request completed", "+request +completed"),
        )?;
        let newest =
            || TopDocs::with_limit(100).order_by_fast_field::<DateTime>("ts", tantivy::Order::Desc);
        time(clock, &format!("tantivy: {name}: count and newest 100"), || {
            searcher.search(&query, &(Count, newest())).map(|(count, _)| count)
        })?;
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
    figure(&format!("{name}, median ms"), millis(times[RUNS / 2]))
}

struct Maker {
    random: Random,
    origins: Vec<Arc<Origin>>,
    lines: u64,
    midnight: UnixMs,
}

impl Maker {
    fn new(lines: u64, midnight: UnixMs) -> Self {
        let origin = |number: usize| {
            Arc::new(Origin {
                source: "file".to_owned(),
                origin: format!("/var/log/{}.log", SERVICES[number % 6]),
                host: format!("node-{:02}", number / 6),
                service: SERVICES[number % 6].to_owned(),
                ..Origin::default()
            })
        };
        Self {
            random: Random(0x9e37_79b9_7f4a_7c15),
            origins: (0..240).map(origin).collect(),
            lines,
            midnight,
        }
    }

    fn line(&mut self, number: u64) -> Line {
        let random = &mut self.random;
        let origin = Arc::clone(&self.origins[random.below(240) as usize]);
        let (id, gpu, small) = (random.next(), random.below(8), random.below(1_000));
        let (severity, body) = match random.below(100) {
            0..2 => (
                Severity::Error,
                format!("显存不足：GPU {gpu} 无法分配 {small} MiB，请求 {id:016x} 已终止"),
            ),
            2..4 => (
                Severity::Error,
                format!(
                    "CUDA out of memory. Tried to allocate {small}.00 MiB (GPU {gpu}) for request {id:016x}"
                ),
            ),
            4..5 => (
                Severity::Error,
                format!(
                    "NVRM: Xid (PCI:0000:{gpu:02x}:00): {}, pid={small}, name=python3, Ch {id:08x}",
                    [13, 31, 43, 48, 79, 94][(id % 6) as usize]
                ),
            ),
            5..10 => (
                Severity::Warn,
                format!(
                    "Sequence group cmpl-{id:016x} is preempted by PreemptionMode.RECOMPUTE mode because there is not enough KV cache space. total_num_cumulative_preemption={small}"
                ),
            ),
            10..40 => (
                Severity::Info,
                format!(
                    "10.0.{gpu}.{} - \"POST /v1/chat/completions HTTP/1.1\" 200 {} {}.{:03} rid={id:016x} \"OpenAI/Python 1.99.9\"",
                    small % 250,
                    small * 37,
                    small % 20,
                    small
                ),
            ),
            40..70 => (
                Severity::Info,
                format!(
                    "Received request chatcmpl-{id:016x}: params: SamplingParams(n=1, temperature=0.{}, top_p=0.95, max_tokens={small}), prompt_len: {}",
                    small % 10,
                    small * 3
                ),
            ),
            70..90 => (
                Severity::Info,
                format!(
                    "request chatcmpl-{id:016x} completed: prompt {small} tokens, output {} tokens, ttft {}.{} ms",
                    small / 2,
                    small,
                    gpu
                ),
            ),
            _ => (
                Severity::Info,
                format!(
                    "Engine 00{gpu}: Avg prompt throughput: {small}.{gpu} tokens/s, Avg generation throughput: {}.0 tokens/s, Running: {gpu} reqs, Waiting: {} reqs, GPU KV cache usage: {}.{gpu}%, Prefix cache hit rate: {}.1%",
                    small * 2,
                    small % 7,
                    small % 100,
                    small % 90
                ),
            ),
        };
        let time = UnixMs(self.midnight.0 + (number * DAY_MS as u64 / (self.lines + 1)) as i64);
        Line { time, origin, severity: Some(severity), body, attributes: Vec::new(), place: None }
    }
}
