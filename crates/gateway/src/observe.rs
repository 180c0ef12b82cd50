//! Looking at answers while they pass, away from the path that they take.
//!
//! The path puts what passes, with its time, on a bounded queue; one thread takes it from there in
//! batches, folds it and hands the finished record on. The path never waits: when the queue is full a part
//! goes by unseen and its record says so. The thread is woken at most once in [`BATCH`], so that a token
//! costs the path a push and no system call.

use std::{
    mem,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use dialect::{End, Fold, Summary};
use model::{
    Clock,
    exchange::{Exchange, Gaps, KeptBody, Outcome, Tokens},
};
use tokio::sync::mpsc;

use crate::{
    access::{Debit, Moment},
    config::KeepBodies,
    expand::Decoder,
    warmth::Warmth,
};

/// Parts of answers that wait to be looked at; further ones go by unseen.
const PARTS_MAX: usize = 65_536;
/// Bytes of parts that wait; further ones go by unseen.
const PART_BYTES_MAX: usize = 64 << 20;
/// Ends of exchanges that wait; further ones are lost and counted.
const ENDS_MAX: usize = 65_536;
/// How long the thread lets work pile up after it was woken.
const BATCH: Duration = Duration::from_millis(1);
/// Bytes beyond the end of a kept body in which a secret that crosses it is still recognised.
const REDACTION_OVERLAP_BYTES: usize = 4 << 10;

/// How an exchange ended, as far as the path knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// No answer came of which there is anything to read.
    Without(Outcome),
    /// The body of an answer ended so.
    Body(End),
}

/// One answer that is looked at.
pub(crate) struct Watch {
    state: Mutex<Watching>,
    is_partial: AtomicBool,
}

struct Watching {
    fold: Option<Fold>,
    decoder: Option<Decoder>,
    kept_request: Option<Keeper>,
    kept_response: Option<Keeper>,
}

impl Watch {
    pub(crate) fn new(
        fold: Option<Fold>,
        content_encoding: Option<&str>,
        keep: Option<&KeepBodies>,
        request: Option<&Bytes>,
    ) -> Self {
        let decoder = Decoder::of(content_encoding);
        let kept_request = keep.zip(request).map(|(keep, request)| {
            let mut keeper = Keeper::new(keep);
            keeper.push(request);
            keeper
        });
        let kept_response = keep.map(Keeper::new);
        let state = Watching { fold, decoder, kept_request, kept_response };
        Self { state: Mutex::new(state), is_partial: AtomicBool::new(false) }
    }

    fn look(&self, bytes: &[u8], at: Duration) {
        let mut state = lock(&self.state);
        let Watching { fold, decoder, kept_response, .. } = &mut *state;
        let mut see = |bytes: &[u8]| {
            if let Some(fold) = fold {
                fold.push(bytes, at);
            }
            if let Some(keeper) = kept_response {
                keeper.push(bytes);
            }
        };
        match decoder {
            None => see(bytes),
            Some(decoder) => {
                if !decoder.expand(bytes, see) {
                    self.is_partial.store(true, Ordering::Relaxed);
                }
            }
        }
    }
}

enum Event {
    Part { watch: Arc<Watch>, bytes: Bytes, at: Duration },
    End(Box<Ended>),
}

/// A finished exchange whose record is not complete yet.
pub(crate) struct Ended {
    pub(crate) watch: Option<Arc<Watch>>,
    pub(crate) exchange: Box<Exchange>,
    pub(crate) ending: Ending,
    /// Since the last byte of the request.
    pub(crate) at: Duration,
    pub(crate) debit: Option<(Debit, Estimate)>,
}

/// What a request was thought to cost when it was let in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimate {
    pub(crate) input: u64,
    pub(crate) output: u64,
}

#[derive(Default)]
struct State {
    events: Vec<Event>,
    part_bytes: usize,
    ends: usize,
    is_asleep: bool,
    is_closed: bool,
}

/// The queue between the path and the thread.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    pub(crate) parts_unseen: AtomicU64,
    pub(crate) records_lost: AtomicU64,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    /// Puts a part of an answer on the queue, or marks its record when there is no room.
    pub(crate) fn part(&self, watch: &Arc<Watch>, bytes: Bytes, at: Duration) {
        let mut state = lock(&self.state);
        let parts = state.events.len() - state.ends;
        if parts >= PARTS_MAX || state.part_bytes + bytes.len() > PART_BYTES_MAX {
            drop(state);
            watch.is_partial.store(true, Ordering::Relaxed);
            self.parts_unseen.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.part_bytes += bytes.len();
        state.events.push(Event::Part { watch: Arc::clone(watch), bytes, at });
        self.notify(state);
    }

    pub(crate) fn end(&self, ended: Ended) {
        let mut state = lock(&self.state);
        if state.ends >= ENDS_MAX || state.is_closed {
            drop(state);
            self.records_lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.ends += 1;
        state.events.push(Event::End(Box::new(ended)));
        self.notify(state);
    }

    /// Lets the thread end when it has done what is on the queue.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        self.notify(state);
    }

    fn notify(&self, mut state: MutexGuard<'_, State>) {
        let was_asleep = mem::take(&mut state.is_asleep);
        drop(state);
        if was_asleep {
            self.wake.notify_one();
        }
    }

    /// Waits for work; `false` when there will be no more.
    fn take(&self, into: &mut Vec<Event>) -> bool {
        let mut state = lock(&self.state);
        if state.events.is_empty() && !state.is_closed {
            state.is_asleep = true;
            while state.is_asleep {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if !state.is_closed {
                drop(state);
                thread::sleep(BATCH);
                state = lock(&self.state);
            }
        }
        mem::swap(&mut state.events, into);
        (state.part_bytes, state.ends) = (0, 0);
        !(into.is_empty() && state.is_closed)
    }
}

/// Starts the thread. It ends after [`Queue::close`].
pub(crate) fn start(
    queue: Arc<Queue>,
    clock: Clock,
    records: mpsc::Sender<Exchange>,
    warmth: Arc<Mutex<Warmth>>,
) -> std::io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("gateway-observer".into()).spawn(move || {
        let mut events = Vec::new();
        while queue.take(&mut events) {
            for event in events.drain(..) {
                match event {
                    Event::Part { watch, bytes, at } => watch.look(&bytes, at),
                    Event::End(ended) => {
                        let moment = Moment { wall: clock.now(), monotonic: clock.monotonic() };
                        let mut exchange = complete(*ended, moment);
                        lock(&warmth).mark(&mut exchange);
                        if records.try_send(exchange).is_err() {
                            queue.records_lost.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            }
        }
    })
}

fn complete(ended: Ended, now: Moment) -> Exchange {
    let Ended { watch, exchange, ending, at, debit } = ended;
    let mut exchange = *exchange;
    exchange.total = at;
    let (mut summary, mut may_quote) = (None, false);
    if let Some(watch) = watch {
        exchange.is_partially_observed = watch.is_partial.load(Ordering::Relaxed);
        let mut state = lock(&watch.state);
        exchange.request_body = state.kept_request.take().map(Keeper::finish);
        exchange.response_body = state.kept_response.take().map(Keeper::finish);
        may_quote = exchange.response_body.is_some();
        if let (Some(fold), Ending::Body(end)) = (state.fold.take(), ending) {
            summary = Some(fold.finish(end, at));
        }
    }
    exchange.outcome = outcome(&exchange, summary.as_ref(), ending);
    if let Some(summary) = summary {
        describe(&mut exchange, summary, may_quote);
    }
    if let Some((debit, estimate)) = debit {
        debit.settle(spent(&exchange, estimate), now);
    }
    exchange
}

fn outcome(exchange: &Exchange, summary: Option<&Summary>, ending: Ending) -> Outcome {
    let end = match ending {
        Ending::Without(outcome) => return outcome,
        Ending::Body(end) => end,
    };
    match end {
        End::Complete if exchange.status.is_some_and(|status| status >= 400) => {
            return Outcome::UpstreamError;
        }
        End::Complete if exchange.is_partially_observed => return Outcome::Ok,
        _ => {}
    }
    match summary.map(|summary| summary.outcome) {
        Some(dialect::Outcome::Ok) => Outcome::Ok,
        Some(dialect::Outcome::Error) => Outcome::UpstreamError,
        Some(dialect::Outcome::Truncated) => Outcome::Truncated,
        Some(dialect::Outcome::Cancelled) => Outcome::ClientAbort,
        Some(dialect::Outcome::Timeout) => Outcome::Timeout,
        None => match end {
            End::Complete => Outcome::Ok,
            End::ClientClosed => Outcome::ClientAbort,
            End::Broken => Outcome::Truncated,
            End::Timeout => Outcome::Timeout,
        },
    }
}

/// Takes over what the answer told.
fn describe(exchange: &mut Exchange, summary: Summary, may_quote: bool) {
    let reasons: Vec<&str> = summary.finish_reasons().collect();
    exchange.finish_reason = reasons.first().map(|reason| (*reason).to_owned());
    exchange.time_to_first_chunk = summary.time_to_first_chunk;
    exchange.ttft = summary.ttft;
    exchange.ttst = summary.ttst;
    exchange.ttfa = summary.ttfa;
    exchange.e2e = summary.e2e;
    exchange.tpot = summary.tpot;
    exchange.has_hidden_tokens = summary.has_hidden_tokens;
    let gaps = summary.gaps.buckets().map(|(from, to, count)| (from + (to - from) / 2, count));
    let longest = summary.gaps.max().unwrap_or_default();
    exchange.gaps = Gaps::from_counts(gaps, summary.gaps.sum(), longest);
    exchange.engine_prefill = summary.engine.prefill;
    exchange.engine_load = summary.engine.load;
    exchange.engine_tpot = summary.engine.tpot;
    exchange.tokens = Tokens {
        input: summary.tokens.input.map(|count| count.value),
        output: summary.tokens.output.map(|count| count.value),
        cached: summary.tokens.cached.map(|count| count.value),
        reasoning: summary.tokens.reasoning.map(|count| count.value),
        is_exact: summary.tokens.output.or(summary.tokens.input).is_some_and(|c| c.is_exact),
    };
    exchange.output_events = summary.output_events;
    exchange.model_served = summary.model;
    exchange.response_id = summary.response_id;
    exchange.is_generation &= summary.is_generation;
    exchange.problems += summary.malformed_events;
    exchange.is_partially_observed |= summary.dropped_bytes > 0;
    // The message of an engine may quote the prompt; its word for the error does not.
    let told = summary.error.map(|error| match (error.kind, may_quote) {
        (Some(kind), true) => format!("{kind}: {}", error.message),
        (Some(kind), false) => kind,
        (None, true) => error.message,
        (None, false) => "error".to_owned(),
    });
    exchange.error = told.or(exchange.error.take());
}

/// Tokens that the limits count: as told, else as estimated, and none where no engine worked.
fn spent(exchange: &Exchange, estimate: Estimate) -> u64 {
    let status_failed = exchange.status.is_none_or(|status| status >= 400);
    let told = exchange.tokens;
    if status_failed && told.output.is_none() && exchange.outcome != Outcome::ClientAbort {
        return 0;
    }
    let output = told.output.unwrap_or(exchange.output_events);
    told.input.unwrap_or(estimate.input).saturating_add(output)
}

/// Keeps the beginning of a body, and takes out what must not be kept.
struct Keeper {
    rules: KeepBodies,
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Keeper {
    fn new(rules: &KeepBodies) -> Self {
        Self { rules: rules.clone(), bytes: Vec::new(), is_cut: false }
    }

    fn push(&mut self, bytes: &[u8]) {
        let room =
            (self.rules.bytes_max + REDACTION_OVERLAP_BYTES).saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        self.is_cut |= bytes.len() > room;
    }

    fn finish(self) -> KeptBody {
        let mut text = String::from_utf8_lossy(&self.bytes).into_owned();
        for pattern in &self.rules.redact {
            text = pattern.replace_all(&text, "[redacted]").into_owned();
        }
        // What was cut may end within a secret, which no pattern finds; redaction moves it towards the beginning.
        let unsure = if self.is_cut { REDACTION_OVERLAP_BYTES } else { 0 };
        let mut end = text.len().saturating_sub(unsure).min(self.rules.bytes_max);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let is_cut = self.is_cut || end < text.len();
        text.truncate(end);
        KeptBody { text, is_cut }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(bytes_max: usize, patterns: &[&str]) -> KeepBodies {
        let redact = patterns.iter().map(|pattern| regex::Regex::new(pattern).unwrap()).collect();
        KeepBodies { bytes_max, redact }
    }

    #[test]
    fn kept_bodies_are_cut_and_redacted() {
        let check = |rules: &KeepBodies, body: &[u8], text: &str, is_cut: bool| {
            let mut keeper = Keeper::new(rules);
            body.chunks(3).for_each(|chunk| keeper.push(chunk));
            assert_eq!(keeper.finish(), KeptBody { text: text.into(), is_cut });
        };
        check(&keep(100, &[]), b"hello", "hello", false);
        check(&keep(4, &[]), b"hello", "hell", true);
        check(&keep(100, &[r"\d{4}"]), b"pin 1234!", "pin [redacted]!", false);
        // The secret crosses the cut, and nothing of it is kept.
        check(&keep(6, &[r"\d{4}"]), b"pin 1234!", "pin [r", true);
        check(&keep(2, &[]), "aé".as_bytes(), "a", true);
        check(&keep(100, &[]), b"\xff", "\u{fffd}", false);
        // So much is redacted that the end of what was looked at comes near, with the beginning of a secret.
        let secrets = [b"x".repeat(500), b"9".repeat(40).repeat(200)].concat();
        let mut keeper = Keeper::new(&keep(4_000, &[r"\d{40}"]));
        secrets.chunks(3).for_each(|chunk| keeper.push(chunk));
        let kept = keeper.finish();
        assert!(kept.is_cut && !kept.text.contains('9'), "{}", kept.text);
        let long = vec![b'x'; 10_000];
        check(&keep(3, &[]), &long, "xxx", true);
    }

    #[test]
    fn a_full_queue_marks_the_record_and_waits_for_nobody() {
        let queue = Queue::default();
        let watch = Arc::new(Watch::new(None, None, None, None));
        let part = Bytes::from(vec![0; PART_BYTES_MAX / 2]);
        for _ in 0..2 {
            queue.part(&watch, part.clone(), Duration::ZERO);
        }
        assert!(!watch.is_partial.load(Ordering::Relaxed));
        queue.part(&watch, Bytes::from_static(b"x"), Duration::ZERO);
        assert!(watch.is_partial.load(Ordering::Relaxed));
        assert_eq!(queue.parts_unseen.load(Ordering::Relaxed), 1);
        let mut taken = Vec::new();
        assert!(queue.take(&mut taken) && taken.len() == 2);
        queue.part(&watch, part, Duration::ZERO);
        assert_eq!(queue.parts_unseen.load(Ordering::Relaxed), 1, "there is room again");
    }
}
