//! One stream of raw lines read: records that are complete, with their time, severity, and facts.
//!
//! What this does not do: read files, or know what a line means for anybody. A record is complete when the next one
//! begins, or when the caller says that the stream is quiet.

use model::{UnixMs, log::Severity};

use crate::{
    Zone,
    join::{Joiner, Record},
    time::{self, Seen},
};

/// Longest raw line; what is beyond is cut, and counted.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// A stream whose lines are that old when they are read is read later than it was written.
const LATE_MS: i64 = 60_000;

/// Lines that are told to be so far apart do not belong together, whatever they say.
const APART_MS: i64 = 2_000;

/// What is known of a line besides its bytes: by the journal, by the protocol that brought it.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Counts more than what the line says of its time.
    pub time: Option<UnixMs>,
    /// Counts where the line says nothing.
    pub severity: Option<Severity>,
    pub attributes: Vec<(String, String)>,
}

/// What was said at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// When it was written. Where it does not say: when it was read, or in a stream that is read late when the line
    /// before it was written.
    pub time: UnixMs,
    /// Absent where it does not say.
    pub severity: Option<Severity>,
    /// Lines that belong together are parted by line ends.
    pub body: String,
    /// Under OpenTelemetry's names where it has one; 64 of 1 KiB at most.
    pub attributes: Vec<(String, String)>,
    /// Behind its first line, in the stream.
    pub first_end: u64,
    /// Behind its last line.
    pub end: u64,
    /// Bytes that were too many and are not in the body.
    pub cut: u64,
}

/// Reads one stream.
#[derive(Debug)]
pub struct Reader {
    zone: Zone,
    started: Option<UnixMs>,
    joiner: Joiner,
    open: Open,
    /// When the last record that said so was written, if it was read late.
    late: Option<UnixMs>,
}

/// What is known of the open record's first line, and what was cut off its lines.
#[derive(Debug, Default)]
struct Open {
    read_at: UnixMs,
    told: Told,
    /// Of the last line.
    last: Option<UnixMs>,
    cut: u64,
}

impl Reader {
    /// Of a program that writes times of this zone where it does not say which.
    pub fn new(zone: Zone) -> Self {
        let (joiner, open) = (Joiner::default(), Open::default());
        Self { zone, started: None, joiner, open, late: None }
    }

    /// When the program started, or the kernel: what counts its times from there needs it.
    #[must_use]
    pub fn started(mut self, at: UnixMs) -> Self {
        self.started = Some(at);
        self
    }

    /// Takes the next line, without its end, that was read at `read_at` and ends before the byte `end` of the stream.
    /// Gives back the record that is complete with it.
    pub fn push(&mut self, raw: &[u8], read_at: UnixMs, end: u64) -> Option<Entry> {
        self.push_told(raw, Told::default(), read_at, end)
    }

    /// As [`Reader::push`], for a line of which more is known.
    pub fn push_told(
        &mut self,
        raw: &[u8],
        told: Told,
        read_at: UnixMs,
        end: u64,
    ) -> Option<Entry> {
        let is_apart = told
            .time
            .zip(self.open.last)
            .is_some_and(|(time, last)| time.0.saturating_sub(last.0) > APART_MS);
        let before = if is_apart { self.flush() } else { None };
        let kept = raw.get(..LINE_BYTES_MAX).unwrap_or(raw);
        let cut = (raw.len() - kept.len()) as u64;
        let was_open = self.joiner.is_open();
        let done = self.joiner.push(&String::from_utf8_lossy(kept), end);
        if was_open && done.is_none() {
            self.open.cut += cut;
            self.open.last = told.time;
            return None;
        }
        let open = Open { read_at, last: told.time, told, cut };
        let open = std::mem::replace(&mut self.open, open);
        before.or_else(|| done.map(|record| self.entry(record, open)))
    }

    /// What is open, when nothing follows for now.
    pub fn flush(&mut self) -> Option<Entry> {
        let record = self.joiner.finish()?;
        let open = std::mem::take(&mut self.open);
        Some(self.entry(record, open))
    }

    fn entry(&mut self, mut record: Record, open: Open) -> Entry {
        let time = open.told.time.or_else(|| self.time(&record, open.read_at));
        if let Some(time) = time {
            self.late = Some(time).filter(|time| open.read_at.0.saturating_sub(time.0) > LATE_MS);
        }
        let mut attributes = open.told.attributes;
        if attributes.is_empty() {
            attributes = std::mem::take(&mut record.attributes);
        } else {
            attributes.append(&mut record.attributes);
            attributes.truncate(crate::ATTRIBUTES_MAX);
        }
        if let Some(age) = record.time.as_deref().and_then(time::age) {
            let seconds = (age * 1e6).round() / 1e6;
            attributes.push(("process.uptime".into(), seconds.to_string()));
        }
        Entry {
            time: time.or(self.late).unwrap_or(open.read_at),
            severity: record.severity.or(open.told.severity),
            body: record.text,
            attributes,
            first_end: record.first,
            end: record.last,
            cut: open.cut + record.bytes_cut as u64,
        }
    }

    /// What a runtime says is exact and names its zone. A program's own time often has no year, or no zone, but that
    /// of the journal in short has neither.
    fn time(&self, record: &Record, read_at: UnixMs) -> Option<UnixMs> {
        let seen = Seen { at: read_at, zone: &self.zone, started: self.started };
        let read = |text: &Option<String>| time::read(text.as_deref()?, &seen);
        let is_exact = record.taken_at.as_deref().is_some_and(|text| text.contains('T'));
        if is_exact {
            return read(&record.taken_at).or_else(|| read(&record.time));
        }
        read(&record.time).or_else(|| read(&record.taken_at))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ATTRIBUTES_MAX, RECORD_BYTES_MAX};

    /// 2026-11-28T12:00:00Z
    const NOW: UnixMs = UnixMs(1_795_867_200_000);

    fn entries(lines: &[&[u8]]) -> Vec<Entry> {
        let mut reader = Reader::new(Zone::new(|_| 480)).started(UnixMs(NOW.0 - 60_000));
        let mut end = 0;
        let mut entries = Vec::new();
        for line in lines {
            end += line.len() as u64 + 1;
            entries.extend(reader.push(line, NOW, end));
        }
        entries.extend(reader.flush());
        entries
    }

    /// `severity@seconds before now|body|name=value ...`
    fn shown(entry: &Entry) -> String {
        let severity = entry.severity.map_or("-", Severity::as_str);
        let attributes: Vec<String> =
            entry.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let age = (NOW.0 - entry.time.0) as f64 / 1e3;
        format!("{severity}@{age}|{}|{}", entry.body, attributes.join(" "))
    }

    fn check(line: &str, expected: &str) {
        let entries = entries(&[line.as_bytes()]);
        assert_eq!(entries.iter().map(shown).collect::<Vec<_>>(), [expected], "{line}");
    }

    #[test]
    fn lines_of_engines() {
        check(
            "(EngineCore pid=123) INFO 11-28 19:59:00 [loggers.py:257] Engine 000: Running: 2 reqs",
            "info@60|Engine 000: Running: 2 reqs|process.title=EngineCore process.pid=123 code.filepath=loggers.py code.lineno=257",
        );
        check(
            "(APIServer pid=7) INFO:     10.0.0.9:4242 - \"POST /v1/chat/completions HTTP/1.1\" 503 Service Unavailable",
            "error@0|10.0.0.9:4242 - \"POST /v1/chat/completions HTTP/1.1\" 503 Service Unavailable|process.title=APIServer process.pid=7 http.response.status_code=503 http.request.method=POST url.path=/v1/chat/completions client.address=10.0.0.9 client.port=4242",
        );
        check(
            "[2026-11-28 19:59:59 TP0] Decode batch, #running-req: 4",
            "-@1|Decode batch, #running-req: 4|rank=TP0",
        );
        check(
            "[2026-11-28 19:59:59] INFO:     127.0.0.1:1 - \"GET /ready HTTP/1.1\" 200 OK",
            "info@1|127.0.0.1:1 - \"GET /ready HTTP/1.1\" 200 OK|http.response.status_code=200 http.request.method=GET url.path=/ready client.address=127.0.0.1 client.port=1",
        );
        check(
            "0.08.198.272 I slot print_timing: id  3 | task 0 | x",
            "info@51.802|slot print_timing: id  3 | task 0 | x|process.uptime=8.198272",
        );
        check(
            "time=2026-11-28T11:59:58.500Z level=WARN source=server.go:12 msg=\"a b\" limit=4",
            "warn@1.5|source=server.go:12 msg=\"a b\" limit=4|code.filepath=server.go code.lineno=12 limit=4",
        );
        check(
            "[GIN] 2026/11/28 - 19:59:58 | 200 |    2.5s |   127.0.0.1 | POST     \"/api/chat\"",
            "info@2|[GIN] 2026/11/28 - 19:59:58 | 200 |    2.5s |   127.0.0.1 | POST     \"/api/chat\"|http.response.status_code=200 http.request.method=POST url.path=/api/chat client.address=127.0.0.1 http.server.request.duration=2.5",
        );
        check(
            "E1128 19:59:59.500000 42 server.cc:12] gone",
            "error@0.5|gone|code.filepath=server.cc code.lineno=12",
        );
        check(
            "[rank1]:[E1128 19:59:59.5 ProcessGroupNCCL.cpp:616] [Rank 1] Watchdog",
            "error@0.5|[Rank 1] Watchdog|rank=1 code.filepath=ProcessGroupNCCL.cpp code.lineno=616",
        );
    }

    #[test]
    fn lines_of_others() {
        check(
            r#"{"level":"error","ts":1795867199.5,"msg":"no","caller":"a/b.go:7","trace.id":"4f","n":{"x":1},"traceId":"5"}"#,
            "error@0.5|no|code.filepath=a/b.go code.lineno=7 trace_id=4f n.x=1 trace_id=5",
        );
        check(
            r#"{"level":50,"time":1795867199000,"msg":"pino","pid":9}"#,
            "error@1|pino|process.pid=9",
        );
        check(r#"{"a":1}"#, r#"-@0|{"a":1}|a=1"#);
        check(
            r#"{"timestamp":"2026-11-28T11:59:59Z","level":"INFO","fields":{"message":"hi","port":1},"target":"router"}"#,
            "info@1|hi|fields.port=1 target=router",
        );
        check(
            "{\"log\":\"INFO 11-28 10:00:00 [a.py:1] \\u4f60\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-28T11:59:59.25Z\"}",
            "info@0.75|你|log.iostream=stderr code.filepath=a.py code.lineno=1",
        );
        check(
            "2026-11-28T11:59:59.5Z stdout F ERROR: no",
            "error@0.5|ERROR: no|log.iostream=stdout",
        );
        check(
            "Nov 28 19:59:59 box vllm[12]: INFO 11-28 19:59:58 [a.py:1] x",
            "info@2|x|host.name=box service.name=vllm process.pid=12 code.filepath=a.py code.lineno=1",
        );
        check(
            "10.0.0.1 - - [28/Nov/2026:19:59:59 +0800] \"GET /x HTTP/1.1\" 404 5 \"-\" \"curl/8\"",
            "warn@1|10.0.0.1 - - [28/Nov/2026:19:59:59 +0800] \"GET /x HTTP/1.1\" 404 5 \"-\" \"curl/8\"|http.response.status_code=404 http.request.method=GET url.path=/x client.address=10.0.0.1 http.response.body.size=5 user_agent.original=curl/8",
        );
        check(
            "2026/11/28 19:59:59 [crit] 1#1: *2 connect() failed",
            "fatal@1|[crit] 1#1: *2 connect() failed|",
        );
        check("2026-11-28 11:59:59.5 UTC [9] ERROR:  no", "error@0.5|[9] ERROR:  no|");
        check(
            "level=warn ts=2026-11-28T11:59:59Z caller=x.go:1 msg=hi",
            "warn@1|caller=x.go:1 msg=hi|code.filepath=x.go code.lineno=1",
        );
        check("x = 1 is no pair", "-@0|x = 1 is no pair|");
        check(
            "a time that is wrong: 2099-01-01T00:00:00Z",
            "-@0|a time that is wrong: 2099-01-01T00:00:00Z|",
        );
        check("2099-01-01T00:00:00Z wrong clock", "-@0|wrong clock|");
    }

    #[test]
    fn records_know_where_they_are_and_what_was_cut() {
        let long = "x".repeat(RECORD_BYTES_MAX + 10);
        let entries =
            entries(&[b"error: \xff", b"  more", long.as_bytes(), &vec![b'y'; LINE_BYTES_MAX + 3]]);
        let places: Vec<(u64, u64, u64)> =
            entries.iter().map(|entry| (entry.first_end, entry.end, entry.cut)).collect();
        let behind = 16 + long.len() as u64 + 1;
        let last = behind + LINE_BYTES_MAX as u64 + 4;
        assert_eq!(places[0], (9, 16, 0));
        assert_eq!((places[1].0, places[1].2), (behind, 11));
        assert_eq!(
            (places[2].1, places[2].2),
            (last, (LINE_BYTES_MAX - RECORD_BYTES_MAX + 4) as u64)
        );
        assert_eq!(entries[0].body, "error: \u{fffd}\n  more");
    }

    #[test]
    fn what_is_told_counts_and_facts_are_bounded() {
        let mut reader = Reader::new(Zone::utc());
        let told = Told {
            time: Some(UnixMs(5)),
            severity: Some(Severity::Error),
            attributes: vec![("unit".into(), "x".into())],
        };
        reader.push_told(b"2026-11-28T11:00:00Z a", told.clone(), NOW, 1);
        let entry = reader.push_told(b"INFO 11-28 11:00:00 [a.py:1] b", told, NOW, 2).unwrap();
        assert_eq!((entry.time, entry.severity), (UnixMs(5), Some(Severity::Error)));
        assert_eq!(reader.flush().unwrap().severity, Some(Severity::Info));
        let many: Vec<String> = (0..200).map(|n| format!("k{n}={}", "v".repeat(5_000))).collect();
        reader.push(format!("level=info {}", many.join(" ")).as_bytes(), NOW, 3);
        let entry = reader.flush().unwrap();
        assert_eq!(entry.attributes.len(), ATTRIBUTES_MAX);
        assert!(
            entry.attributes.iter().all(|(_, value)| value.len() <= crate::ATTRIBUTE_BYTES_MAX)
        );
        assert_eq!(reader.flush(), None);
    }

    #[test]
    fn lines_that_are_told_to_be_apart_are_no_record() {
        let mut reader = Reader::new(Zone::utc());
        let mut bodies = Vec::new();
        let lines = [(0, "error: a"), (1_000, "  b"), (2_500, "  c"), (5_000, "  d"), (5_000, "e")];
        for ((time, line), end) in lines.into_iter().zip(1..) {
            let told = Told { time: Some(UnixMs(time)), ..Told::default() };
            bodies.extend(reader.push_told(line.as_bytes(), told, NOW, end));
        }
        bodies.extend(reader.flush());
        let bodies: Vec<(i64, &str, u64)> =
            bodies.iter().map(|one| (one.time.0, one.body.as_str(), one.end)).collect();
        assert_eq!(bodies, [(0, "error: a\n  b\n  c", 3), (5_000, "  d", 4), (5_000, "e", 5)]);
    }

    #[test]
    fn lines_without_a_time_are_as_old_as_those_around_them() {
        let times = |lines: &[&[u8]]| {
            let entries = entries(lines);
            entries.iter().map(|entry| (NOW.0 - entry.time.0) / 1_000).collect::<Vec<_>>()
        };
        let old: &[u8] = b"INFO 11-28 18:00:00 [a.py:1] x";
        let new: &[u8] = b"INFO 11-28 19:59:30 [a.py:1] x";
        assert_eq!(times(&[b"a", old, b"b", b"c", new, b"d"]), [0, 7_200, 7_200, 7_200, 30, 0]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_and_no_line_is_passed_over(
            lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..10),
        ) {
            let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
            let entries = entries(&lines);
            let end: u64 = lines.iter().map(|line| line.len() as u64 + 1).sum();
            prop_assert_eq!(entries.last().map_or(0, |entry| entry.end), end);
        }
    }

    /// Not a check: says how fast it is, when it is asked to. `cargo test --release -p logs -- --ignored --nocapture`
    #[test]
    #[ignore = "measures; only its numbers matter"]
    #[expect(clippy::print_stdout, reason = "its numbers are for a person")]
    fn speed() {
        let sorts: [(&str, &str); 6] = [
            (
                "vllm",
                "(EngineCore pid=123) INFO 11-28 10:51:00 [loggers.py:257] Engine 000: Avg prompt throughput: 12.3 tokens/s, Avg generation throughput: 45.6 tokens/s, Running: 2 reqs, Waiting: 0 reqs, GPU KV cache usage: 3.1%, Prefix cache hit rate: 40.0%",
            ),
            (
                "plain",
                "2026-11-28 10:42:35,123 INFO worker loaded shard 17 of 32 in 1234 ms from /models/llama/model-00017-of-00032.safetensors",
            ),
            (
                "slog",
                "time=2026-11-28T11:59:58.500Z level=INFO source=server.go:12 msg=\"starting runner\" cmd=\"/usr/bin/ollama runner --port 1234\" limit=4096",
            ),
            (
                "json",
                r#"{"level":"info","ts":1795867199.5,"msg":"request finished","caller":"a/b.go:7","trace_id":"4f5a6b7c8d9e","duration_ms":12.5,"model":"qwen"}"#,
            ),
            (
                "access",
                "10.0.0.1 - - [28/Nov/2026:19:59:59 +0800] \"POST /v1/chat/completions HTTP/1.1\" 200 5123 \"-\" \"python-requests/2.32\" 0.512",
            ),
            (
                "cri",
                "2026-11-28T11:59:59.512345678Z stderr F INFO:     10.0.0.9:4242 - \"POST /v1/chat/completions HTTP/1.1\" 200 OK",
            ),
        ];
        for (name, line) in sorts {
            let mut reader = Reader::new(Zone::utc());
            let clock = model::Clock::system();
            let count = 300_000;
            let before = clock.monotonic();
            let taken =
                (0..count).filter(|&end| reader.push(line.as_bytes(), NOW, end).is_some()).count();
            let seconds = (clock.monotonic() - before).as_secs_f64();
            let rate = line.len() as f64 * count as f64 / 1e6 / seconds;
            println!(
                "{name:8} {rate:7.0} MB/s  {:5.0} ns a line, {taken} records",
                seconds * 1e9 / count as f64
            );
        }
    }
}
