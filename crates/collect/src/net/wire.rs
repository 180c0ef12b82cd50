//! TTFT and inter-token latency as they can be told from TCP alone, without asking the engine.
//!
//! A request begins when bytes came in, its first token is the first piece of the answer that is sent
//! after it, and each segment sent afterwards is one piece of a stream. The kernel says how long ago data
//! last came and went, so times are exact to its tick even though we look only every 50 ms; and it counts
//! the segments, so an interval with several pieces is shared out among them instead of being taken for
//! one. Most engines send the head of the answer long before the first token; a first segment that is too
//! short to hold both is taken for the head alone.
//!
//! It is an estimate, and it is left out where it would mislead:
//! - a request that we did not see come: of those that are found later only the slow ones would count;
//! - answers that are not streamed: in fewer than five looks, or in pieces as large as segments get;
//! - connections on which little messages come in, or a request comes while an answer goes out: HTTP/2
//!   multiplexes, and then nothing tells which answer is whose;
//! - intervals in which we looked too late or something was sent again.
//!
//! Bias: a piece may hold several tokens. The spread of inter-token latencies within 50 ms is levelled
//! out. Of several first pieces within one look the earliest is reckoned back from the pace of the rest.

use std::time::Duration;

use super::diag::Info;

/// How often connections are looked at while something goes on.
pub(super) const PERIOD: Duration = Duration::from_millis(50);
/// Looks further apart than this see too little.
const GAP_MS_MAX: f64 = 150.0;
/// Fewer bytes than this are no HTTP/1 request.
const REQUEST_BYTES_MIN: u64 = 64;
/// Looks with something new that make a stream, the first two not counted.
const LOOKS_MIN: u32 = 3;
/// An answer of which no piece came for so many times its pace is over when a request comes.
const STEPS_OVER: f64 = 4.0;
/// A segment with the head of an answer and a piece is longer than the piece by more than this.
const HEAD_BYTES_MIN: f64 = 50.0;
/// Larger pieces are a file, not tokens.
const PIECE_BYTES_MAX: u64 = 1_200;

const TTFT_BOUNDS: &[f64] = &[
    0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0,
    20.0, 40.0, 80.0, 160.0,
];
const ITL_BOUNDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3,
    0.5, 0.75, 1.0, 2.5, 5.0, 10.0,
];

/// A histogram with fixed bounds, in seconds.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    bounds: &'static [f64],
    /// One more than there are bounds.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    fn add(&mut self, seconds: f64, count: u32) {
        let place = self.bounds.partition_point(|bound| *bound < seconds);
        if let Some(bucket) = self.counts.get_mut(place) {
            *bucket += u64::from(count);
        }
        self.sum += seconds * f64::from(count);
    }

    /// What the series with the given suffix and bound hold.
    pub(super) fn series(&self, mut put: impl FnMut(&str, Option<&str>, f64)) {
        let mut below = 0;
        let bounds = self.bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(&self.counts) {
            below += count;
            put("_bucket", Some(&bound), below as f64);
        }
        put("_sum", None, self.sum);
        put("_count", None, below as f64);
    }
}

/// What was told from the connections of one engine.
#[derive(Clone, Debug)]
pub(super) struct Estimate {
    pub(super) ttft: Histogram,
    pub(super) itl: Histogram,
}

impl Default for Estimate {
    fn default() -> Self {
        Self { ttft: Histogram::new(TTFT_BOUNDS), itl: Histogram::new(ITL_BOUNDS) }
    }
}

/// One connection over time. All times are milliseconds of one clock.
#[derive(Debug, Default)]
pub(super) struct Flow {
    last: Option<(f64, Info)>,
    phase: Phase,
    /// It does not speak HTTP/1.
    is_excluded: bool,
}

#[derive(Debug, Default)]
enum Phase {
    /// Nothing is going on, or we do not know what.
    #[default]
    Unknown,
    /// Seen for the first time, between requests or in the middle of an answer.
    Found,
    /// A request came. `counts` when we saw it come.
    Waiting {
        since: f64,
        counts: bool,
    },
    Streaming(Stream),
}

/// What was sent between two looks.
#[derive(Clone, Copy, Debug)]
struct Burst {
    /// Its first piece was sent between `earliest` and `at`, its last one at `at`.
    earliest: f64,
    at: f64,
    pieces: u32,
    bytes: u64,
    /// It was seen in time, and nothing was sent again.
    is_good: bool,
}

#[derive(Debug)]
struct Stream {
    /// When the request came, if it was seen to come.
    start: Option<f64>,
    first: Burst,
    second: Option<Burst>,
    sent_at: f64,
    /// After the second burst.
    looks: u32,
    pieces: u32,
    bytes: u64,
    /// Intervals not told yet: milliseconds from one piece to the next, and pieces.
    waiting: Vec<(f64, u32)>,
    is_told: bool,
}

impl Flow {
    /// A connection that was not there yet when we looked at `before`.
    pub(super) fn born_after(before: f64) -> Self {
        let info = Info { segments_sent: Some(0), bytes_sent: Some(0), ..Info::default() };
        Self { last: Some((before, info)), phase: Phase::Found, is_excluded: false }
    }

    /// Takes in what the kernel says at `now`.
    pub(super) fn observe(&mut self, now: f64, info: &Info, estimate: &mut Estimate) {
        let Some((before, old)) = self.last.replace((now, *info)) else {
            let is_waiting = info.bytes_received > 0 && info.received_ago_ms < info.sent_ago_ms;
            self.phase = if is_waiting {
                Phase::Waiting { since: now, counts: false }
            } else {
                Phase::Found
            };
            return;
        };
        let (Some(segments), Some(sent)) =
            (grown(old.segments_sent, info.segments_sent), grown(old.bytes_sent, info.bytes_sent))
        else {
            return;
        };
        let received = info.bytes_received.saturating_sub(old.bytes_received);
        let look = Look {
            before,
            is_close: now - before <= GAP_MS_MAX,
            received_at: now - f64::from(info.received_ago_ms),
            sent_at: now - f64::from(info.sent_ago_ms),
            pieces: u32::try_from(segments).unwrap_or(u32::MAX),
            bytes: sent,
            is_clean: info.retransmits == old.retransmits,
        };
        if received > 0 && received < REQUEST_BYTES_MIN {
            self.is_excluded = true;
        }
        if self.is_excluded {
            return;
        }
        self.phase = match (std::mem::take(&mut self.phase), received > 0, look.pieces > 0) {
            (phase, false, false) => phase,
            (phase, true, false) => look.request(&phase),
            // An answer ended and a request came, or both at once of which nobody can tell more.
            (phase, true, true) if look.sent_at < look.received_at => look.request(&phase),
            (Phase::Streaming(stream), true, true) if !stream.was_over(look.received_at) => {
                Phase::Unknown
            }
            (phase, true, true) => look.first(&look.request(&phase)),
            (Phase::Streaming(stream), false, true) => look.more(stream, estimate),
            (phase, false, true) => look.first(&phase),
        };
    }
}

fn grown<T: Into<u64>>(old: Option<T>, new: Option<T>) -> Option<u64> {
    Some(new?.into().saturating_sub(old?.into()))
}

/// What is new since the last look.
struct Look {
    before: f64,
    is_close: bool,
    received_at: f64,
    sent_at: f64,
    pieces: u32,
    bytes: u64,
    is_clean: bool,
}

impl Look {
    /// A request came, or another part of it.
    fn request(&self, phase: &Phase) -> Phase {
        let saw_it_come = match phase {
            Phase::Waiting { counts, .. } => *counts,
            _ => true,
        };
        Phase::Waiting { since: self.received_at, counts: self.is_close && saw_it_come }
    }

    /// The first pieces after a request.
    fn first(&self, phase: &Phase) -> Phase {
        let (since, counts) = match phase {
            Phase::Waiting { since, counts } => (*since, *counts),
            // Its tokens can be told, but not how long the first took.
            Phase::Found => (self.before, false),
            Phase::Unknown | Phase::Streaming(_) => return Phase::Unknown,
        };
        let first = self.burst(since);
        Phase::Streaming(Stream {
            start: (counts && first.is_good).then_some(since),
            first,
            second: None,
            sent_at: self.sent_at,
            looks: 0,
            pieces: 0,
            bytes: 0,
            waiting: Vec::new(),
            is_told: false,
        })
    }

    fn burst(&self, not_before: f64) -> Burst {
        Burst {
            earliest: self.before.max(not_before),
            at: self.sent_at,
            pieces: self.pieces,
            bytes: self.bytes,
            is_good: self.is_close && self.is_clean,
        }
    }

    /// Further pieces of an answer.
    fn more(&self, mut stream: Stream, estimate: &mut Estimate) -> Phase {
        let burst = self.burst(stream.sent_at);
        let span = self.sent_at - stream.sent_at;
        stream.sent_at = self.sent_at;
        if stream.second.is_none() {
            stream.second = Some(burst);
        } else {
            stream.looks = stream.looks.saturating_add(1);
            stream.pieces = stream.pieces.saturating_add(burst.pieces);
            stream.bytes = stream.bytes.saturating_add(burst.bytes);
            if burst.is_good && span > 0.0 {
                stream.waiting.push((span / f64::from(burst.pieces), burst.pieces));
            }
        }
        if stream.is_told {
            stream.tell_intervals(estimate);
        } else if stream.looks >= LOOKS_MIN {
            if stream.bytes / u64::from(stream.pieces) > PIECE_BYTES_MAX {
                return Phase::Unknown;
            }
            stream.is_told = true;
            if let Some(ttft) = stream.first_token() {
                estimate.ttft.add(ttft / 1e3, 1);
            }
            stream.tell_intervals(estimate);
        }
        Phase::Streaming(stream)
    }
}

impl Stream {
    /// Whether nothing more was to be expected of it at a time.
    fn was_over(&self, at: f64) -> bool {
        let (first, pieces) =
            self.second.map_or((self.first.at, 1), |second| (second.at, self.pieces));
        let step = (self.sent_at - first) / f64::from(pieces.max(1));
        at - self.sent_at > (step * STEPS_OVER).max(PERIOD.as_secs_f64() * 1e3)
    }

    /// Milliseconds from the request to the first token.
    fn first_token(&self) -> Option<f64> {
        let (start, second) = (self.start?, self.second?);
        let step = (self.sent_at - second.at) / f64::from(self.pieces);
        let piece_bytes = self.bytes as f64 / f64::from(self.pieces);
        let head = self.first.bytes as f64 - piece_bytes * f64::from(self.first.pieces);
        let tokens = self.first.pieces.saturating_sub(u32::from(head < HEAD_BYTES_MIN));
        let (burst, tokens) =
            if tokens == 0 { (second, second.pieces) } else { (self.first, tokens) };
        let at = burst.at - step * f64::from(tokens.saturating_sub(1));
        burst.is_good.then(|| (at.max(burst.earliest) - start).max(0.0))
    }

    /// All but the last: it may hold the end of the answer, whose pieces are no tokens.
    fn tell_intervals(&mut self, estimate: &mut Estimate) {
        let last = self.waiting.len().saturating_sub(1);
        for (step, pieces) in self.waiting.drain(..last) {
            estimate.itl.add(step / 1e3, pieces);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection whose other side is written by the test.
    #[derive(Default)]
    struct Script {
        /// Time, bytes received, bytes sent, segments.
        events: Vec<(f64, u64, u64, u32)>,
    }

    impl Script {
        fn request(&mut self, at: f64, bytes: u64) {
            self.events.push((at, bytes, 0, 0));
        }

        /// A first token and then others, `step` apart. The head comes at `head`, or with the first.
        fn stream(&mut self, head: Option<f64>, first: f64, step: f64, tokens: u32) {
            self.events.extend(head.map(|at| (at, 0, 180, 1)));
            for token in 0..tokens {
                let with_head = if token == 0 && head.is_none() { 180 } else { 0 };
                self.events.push((first + step * f64::from(token), 0, 250 + with_head, 1));
            }
        }

        fn at(&self, now: f64) -> Info {
            let mut info = Info { segments_sent: Some(0), bytes_sent: Some(0), ..Info::default() };
            let mut events = self.events.clone();
            events.sort_by(|a, b| a.0.total_cmp(&b.0));
            for (at, received, sent, segments) in events.into_iter().filter(|e| e.0 <= now) {
                if received > 0 {
                    info.bytes_received += received;
                    info.received_ago_ms = (now - at) as u32;
                } else {
                    info.bytes_sent = info.bytes_sent.map(|all| all + sent);
                    info.segments_sent = info.segments_sent.map(|all| all + segments);
                    info.sent_ago_ms = (now - at) as u32;
                }
            }
            info
        }

        fn watch(&self, from: u32, to: u32, step: usize) -> Estimate {
            let mut estimate = Estimate::default();
            let mut flow = Flow::default();
            for now in (from..to).step_by(step) {
                flow.observe(f64::from(now), &self.at(f64::from(now)), &mut estimate);
            }
            estimate
        }
    }

    fn count(histogram: &Histogram) -> u64 {
        histogram.counts.iter().sum()
    }

    fn near(found: f64, expected: f64, by: f64) {
        assert!((found - expected).abs() <= by, "{found} is not near {expected}");
    }

    #[test]
    fn streams_on_a_kept_connection() {
        // With the first token, at once, and so late that it is seen together with the token.
        for head in [None, Some(2.0), Some(211.0)] {
            let mut script = Script::default();
            for (request, ttft) in [(1_010.0, 313.0), (5_020.0, 487.0), (9_030.0, 222.0)] {
                script.request(request, 400);
                script.stream(head.map(|after| request + after), request + ttft, 40.0, 60);
            }
            let estimate = script.watch(0, 14_000, 50);
            assert_eq!(count(&estimate.ttft), 3, "{head:?}");
            near(estimate.ttft.sum, 0.313 + 0.487 + 0.222, 0.015);
            near(estimate.itl.sum / count(&estimate.itl) as f64, 0.040, 0.001);
            assert!(count(&estimate.itl) > 150, "{}", count(&estimate.itl));
            let rarely = script.watch(0, 14_000, 1_000);
            assert_eq!(count(&rarely.ttft), 0, "looking this rarely tells nothing");
        }
    }

    #[test]
    fn faster_than_we_look() {
        for head in [None, Some(1_004.0), Some(1_094.0)] {
            let mut script = Script::default();
            script.request(1_003.0, 400);
            script.stream(head, 1_095.0, 7.0, 200);
            let estimate = script.watch(0, 4_000, 50);
            near(estimate.ttft.sum, 0.092, 0.010);
            near(estimate.itl.sum / count(&estimate.itl) as f64, 0.007, 0.000_2);
        }
    }

    #[test]
    fn a_connection_for_each_request() {
        let mut script = Script::default();
        script.request(1_003.0, 400);
        script.stream(Some(1_005.0), 1_033.0, 20.0, 100);
        let mut estimate = Estimate::default();
        let mut flow = Flow::born_after(1_000.0);
        for now in (1_050..3_000).step_by(50) {
            flow.observe(f64::from(now), &script.at(f64::from(now)), &mut estimate);
        }
        assert_eq!(count(&estimate.ttft), 1);
        near(estimate.ttft.sum, 0.030, 0.010);
    }

    #[test]
    fn what_would_mislead_is_left_out() {
        let nothing = |script: &Script, from: u32, why: &str| {
            let estimate = script.watch(from, 6_000, 50);
            assert_eq!(count(&estimate.ttft), 0, "{why}");
        };
        let mut late = Script::default();
        late.request(1_000.0, 400);
        late.stream(Some(1_001.0), 1_900.0, 40.0, 50);
        nothing(&late, 1_500, "found after its request came");
        assert!(
            count(&late.watch(1_500, 6_000, 50).itl) > 0,
            "its tokens can be told all the same"
        );
        let mut whole = Script::default();
        whole.request(1_000.0, 400);
        whole.events.push((1_300.0, 0, 9_000, 3));
        nothing(&whole, 0, "not streamed");
        let mut file = Script::default();
        file.request(1_000.0, 400);
        file.events.extend((0..50).map(|n| (1_300.0 + 40.0 * f64::from(n), 0, 14_480, 10)));
        nothing(&file, 0, "a file");
        let mut multiplexed = Script::default();
        multiplexed.request(1_000.0, 400);
        multiplexed.request(1_200.0, 13);
        multiplexed.stream(None, 1_300.0, 40.0, 50);
        nothing(&multiplexed, 0, "HTTP/2");
        let mut both = Script::default();
        both.request(1_000.0, 400);
        both.request(1_330.0, 400);
        both.stream(None, 1_300.0, 15.0, 100);
        nothing(&both, 0, "a second request before the answer was over");
    }

    #[test]
    fn buckets_add_up() {
        let mut histogram = Histogram::new(&[0.1, 0.2]);
        for seconds in [0.1, 0.15, 3.0] {
            histogram.add(seconds, 2);
        }
        let mut lines = Vec::new();
        histogram.series(|suffix, bound, value| {
            lines.push(format!("{suffix} {} {value}", bound.unwrap_or_default()));
        });
        let expected =
            ["_bucket 0.1 2", "_bucket 0.2 4", "_bucket +Inf 6", "_sum  6.5", "_count  6"];
        assert_eq!(lines, expected);
    }
}
