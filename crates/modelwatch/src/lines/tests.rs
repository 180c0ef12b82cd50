use collect::log::{Chunk, LineSink as _, RawLine};
use logs::pipeline::{PipelineText, StepText};
use model::{
    log::{Origin, Severity},
    sample::Batch,
    series::TimeRange,
};
use store::{
    Options,
    events::{Event as _, Filter, LINES, Order, Search, read_line},
};

use super::*;

const NOW: UnixMs = UnixMs(1_800_000_000_000);

struct Opened {
    folder: tempfile::TempDir,
    clock: Clock,
    events: Arc<Events>,
    lines: Lines,
}

impl Opened {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOW);
        let events = Arc::new(Events::default());
        let lines = Self::open(&folder, &clock, &events);
        Self { folder, clock, events, lines }
    }

    fn open(folder: &tempfile::TempDir, clock: &Clock, events: &Arc<Events>) -> Lines {
        let (store, _) = Store::open(folder.path(), Options::default(), clock.clone()).unwrap();
        let pipelines = Pipelines::compile(&[pipeline()], Zone::utc()).unwrap();
        Lines::new(store, clock.clone(), Zone::utc(), pipelines, Arc::clone(events))
    }

    fn reopened(self) -> Self {
        let Self { folder, clock, events, lines } = self;
        drop(lines);
        let lines = Self::open(&folder, &clock, &events);
        Self { folder, clock, events, lines }
    }

    /// The lines that match, oldest first.
    fn find(&self, filter: &str) -> Vec<Line> {
        let filter = &Filter::parse(filter, Line::schema()).unwrap();
        let range = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };
        let (order, limit, after) = (Order::Oldest, 100, None);
        let (with_private, timeout) = (false, Duration::from_secs(60));
        let search = Search { filter, range, order, limit, after, with_private, timeout };
        let hits = self.lines.0.store.events().search(LINES, &search).unwrap().hits;
        hits.iter().map(|hit| read_line(&hit.record)).collect()
    }

    fn bodies(&self, filter: &str) -> Vec<String> {
        self.find(filter).into_iter().map(|line| line.body).collect()
    }
}

/// When what receivers bring came, where they say when it was written.
const ARRIVED: UnixMs = UnixMs(NOW.0 + 1);

/// Drops lines with secrets.
fn pipeline() -> PipelineText {
    let drop = StepText { drop: Some("body ~ secret".to_owned()), ..StepText::default() };
    PipelineText { name: "test".to_owned(), matches: String::new(), steps: vec![drop] }
}

fn received(body: &str, severity: Option<Severity>) -> Line {
    Line {
        time: NOW,
        origin: Arc::new(Origin { source: "syslog".to_owned(), ..Origin::default() }),
        severity,
        body: body.to_owned(),
        attributes: Vec::new(),
        place: None,
    }
}

#[test]
fn what_receivers_bring_is_understood() {
    let opened = Opened::new();
    let check = |body: &str, told, severity, kept: &str, known: Option<&str>| {
        opened.lines.take(vec![received(body, told)], ARRIVED).unwrap();
        let line = opened.find("").pop().unwrap();
        let found = line.attributes.iter().find(|(name, _)| name == KNOWN);
        let found = found.map(|(_, value)| value.as_str());
        assert_eq!((line.severity, line.body.as_str(), found), (severity, kept, known), "{body}");
    };
    check("plain", Some(Severity::Info), Some(Severity::Info), "plain", None);
    let vllm = "ERROR 11-22 09:51:00 [core.py:1] EngineCore failed to start.";
    check(vllm, Some(Severity::Info), Some(Severity::Error), "EngineCore failed to start.", {
        logs::knowledge::find(vllm).first().map(|found| found.known.id)
    });
    let xid = "NVRM: Xid (PCI:0000:65:00): 79, pid=1, name=x, Ch 08";
    check(xid, None, Some(Severity::Fatal), xid, Some("kernel.xid_79"));
    let traceback = "ERROR: failed\nTraceback (most recent call last):\n  File \"a.py\"";
    check(traceback, None, Some(Severity::Error), traceback, None);
}

#[test]
fn a_line_whose_sender_says_no_time_says_it_itself() {
    let opened = Opened::new();
    let line = |body: &str| received(body, None);
    let lines = vec![line("2027-01-15T07:40:00Z a"), line("b"), line("a secret")];
    assert_eq!(opened.lines.take(lines, NOW).unwrap(), 3, "what is dropped was taken");
    let found = opened.find("");
    let mut found: Vec<_> = found.iter().map(|line| (line.time, line.body.as_str())).collect();
    found.sort();
    let written = model::parse_rfc3339("2027-01-15T07:40:00Z").unwrap();
    assert_eq!(found.iter().map(|(time, _)| *time).collect::<Vec<_>>(), [written, NOW]);
}

#[test]
fn a_clock_that_is_ahead_is_not_believed() {
    let opened = Opened::new();
    let line = |ahead| Line { time: NOW + Duration::from_secs(ahead), ..received("a", None) };
    opened.lines.take(vec![line(60), line(1_000)], ARRIVED).unwrap();
    let times: Vec<UnixMs> = opened.find("").into_iter().map(|line| line.time).collect();
    assert_eq!(times, [NOW, NOW + Duration::from_secs(60)]);
}

fn chunk(texts: &[&str], begin: u64) -> Chunk {
    let mut end = begin;
    let line = |text: &&str| {
        end += text.len() as u64 + 1;
        RawLine { bytes: text.as_bytes().to_vec(), end, ..RawLine::default() }
    };
    let lines = texts.iter().map(line).collect();
    Chunk { origin: Arc::default(), file: "1:2".into(), lines, read_at: NOW }
}

#[test]
fn what_is_stored_is_told_and_not_taken_again() {
    let opened = Opened::new();
    assert_eq!(opened.lines.stored("1:2"), None);
    // The last record may go on, so that it is not stored yet.
    assert_eq!(opened.lines.take_chunk(&["a", "b"], 0), 2);
    assert_eq!(opened.lines.take_chunk(&["  more of b", "c"], 4), 16);
    assert_eq!(opened.bodies(""), ["a", "b\n  more of b"]);
    assert_eq!(opened.lines.stored("1:2"), Some(16));
    // What the configuration drops counts as stored.
    assert_eq!(opened.lines.take_chunk(&["a secret", "d"], 18), 27);
    // Silence completes it.
    assert_eq!(opened.lines.take_chunk(&[], 0), 29);
    assert_eq!(opened.bodies(""), ["a", "b\n  more of b", "c", "d"]);
    // After a sudden death the store knows it.
    let opened = opened.reopened();
    assert_eq!(opened.lines.stored("1:2"), Some(29));
    assert_eq!(opened.lines.stored("1:3"), None);
}

#[test]
fn what_was_cut_is_said() {
    let opened = Opened::new();
    let mut chunk = chunk(&["a", "b", "  more of b", "c"], 0);
    chunk.lines[1].cut = 5;
    chunk.lines[2].cut = 7;
    opened.lines.take_lines(&chunk);
    opened.lines.take_chunk(&[], 0);
    let cut = |line: Line| {
        let cut = line.attributes.into_iter().find(|(name, _)| name == "cut_bytes");
        (line.body, cut.map(|(_, bytes)| bytes))
    };
    let found: Vec<(String, Option<String>)> = opened.find("").into_iter().map(cut).collect();
    let expected = [("a", None), ("b\n  more of b", Some("12")), ("c", None)];
    let expected = expected.map(|(body, cut)| (body.to_owned(), cut.map(str::to_owned)));
    assert_eq!(found, expected);
}

impl Lines {
    fn take_lines(&self, chunk: &Chunk) {
        collect::log::LineSink::take(self, chunk).unwrap();
    }

    fn take_chunk(&self, texts: &[&str], begin: u64) -> u64 {
        collect::log::LineSink::take(self, &chunk(texts, begin)).unwrap()
    }
}

#[test]
fn figures_become_samples() {
    let opened = Opened::new();
    let origin = Origin {
        source: "file".to_owned(),
        engine: "ollama".to_owned(),
        instance: "127.0.0.1:11434".to_owned(),
        ..Origin::default()
    };
    let line = "[GIN] 2026/11/28 - 10:42:35 | 200 |  1.5s |  127.0.0.1 | POST     \"/api/chat\"";
    let line = Line { origin: Arc::new(origin), ..received(line, None) };
    opened.lines.take(vec![line.clone(), line], ARRIVED).unwrap();
    let check = |batch: &Batch, start: &str, expected: f64| {
        let found = batch.samples.iter().find(|(labels, _)| labels.to_string().starts_with(start));
        assert_eq!(found.map(|(_, value)| *value), Some(expected), "{start}");
    };
    let batch = opened.lines.samples(NOW);
    // A series that began above 0 would not have grown.
    assert!(!batch.samples.is_empty() && batch.samples.iter().all(|(_, value)| *value == 0.0));
    let batch = opened.lines.samples(NOW);
    check(&batch, "llm_e2e_request_latency_seconds_count", 2.0);
    check(&batch, "llm_e2e_request_latency_seconds_sum", 3.0);
    check(&batch, "llm_http_responses_total", 2.0);
    let texts: Vec<String> = batch.samples.iter().map(|(labels, _)| labels.to_string()).collect();
    assert!(texts.iter().all(|labels| labels.contains("source=\"log\"")));
}

#[test]
fn what_was_never_said_before_is_an_event() {
    let opened = Opened::new();
    let take = |body: &str| {
        opened.lines.take(vec![received(body, Some(Severity::Warn))], ARRIVED).unwrap()
    };
    let count = || opened.events.after(0).0.len();
    take("learnt at the start");
    opened.clock.set(NOW + Duration::from_secs(11 * 60));
    take("learnt at the start");
    assert_eq!(count(), 0);
    take("a new failure of disk 7");
    take("a new failure of disk 8");
    assert_eq!(count(), 1);
    let (events, _) = opened.events.after(0);
    assert_eq!(events[0].attributes[1].1, "a new failure of disk 7");
    for number in 0..30 {
        take(&"x".repeat(number + 1));
    }
    assert_eq!(count(), 10, "a flood of news is none");
}
