//! Folds the bytes of a response into its summary, chunk by chunk, as they pass.
//!
//! A chunk is not an event and an event is not a token: times are those of events (the arrival of their
//! last byte), and tokens are counted from events only where the engine tells nothing, as a lower bound.
//! Bias: tokens that the engine withholds (parts of a character) or never shows (syntax of tool calls)
//! have no event, so gaps and first times are those of what a client could see.

use std::time::Duration;

use crate::{
    Api, Choice, Count, End, Engine, Gaps, Kept, Outcome, Reported, Summary, Tokens, ToolCall,
    event::{self, Timings, Usage},
    frame::{Frame, Framer, Framing},
    summary::{
        CHOICES_MAX, ERROR_BYTES_MAX, MODEL_BYTES_MAX, TOOL_CALLS_MAX, WORD_BYTES_MAX, beginning,
    },
};

/// See the module. It keeps at most one unfinished event (`frame::EVENT_BYTES_MAX`), the bounded members
/// of [`Summary`], and the text that [`Fold::keep_text`] allows.
#[derive(Debug)]
pub struct Fold {
    framer: Framer,
    state: State,
}

impl Fold {
    /// For a response to `api` that streams, or not. What the response's own `Content-Type` says is
    /// better than what the request asked: see [`Fold::of_response`].
    #[must_use]
    pub fn new(api: Api, is_streaming: bool) -> Self {
        let framing = match (is_streaming, api) {
            (false, _) => Framing::Whole,
            (true, Api::OllamaChat | Api::OllamaGenerate) => Framing::Ndjson,
            (true, _) => Framing::Sse,
        };
        Self::with_framing(api, framing)
    }

    /// For a response with this `Content-Type`; where that names no framing, as the request asked.
    #[must_use]
    pub fn of_response(api: Api, content_type: Option<&str>, is_asked_to_stream: bool) -> Self {
        match content_type.and_then(Framing::of_content_type) {
            Some(framing) => Self::with_framing(api, framing),
            None => Self::new(api, is_asked_to_stream),
        }
    }

    #[must_use]
    pub fn with_framing(api: Api, framing: Framing) -> Self {
        let is_streamed = framing != Framing::Whole;
        Self { framer: Framer::new(framing), state: State::new(api, is_streamed) }
    }

    /// Keeps up to `bytes_max` bytes of what the model said, which is not kept otherwise.
    #[must_use]
    pub fn keep_text(mut self, bytes_max: usize) -> Self {
        self.state.keep_bytes_left = bytes_max;
        self.state.keeps_text = bytes_max > 0;
        self
    }

    /// A chunk of the response body, as it was received (but decompressed), `at` this time.
    pub fn push(&mut self, bytes: &[u8], at: Duration) {
        if !bytes.is_empty() {
            self.state.last_byte = Some(at);
        }
        let state = &mut self.state;
        self.framer.push(bytes, |frame| state.frame(frame, at));
    }

    /// The first output was seen: [`Summary::ttft`] so far.
    #[must_use]
    pub fn ttft(&self) -> Option<Duration> {
        self.state.ttft
    }

    /// Events with output so far: a lower bound of the tokens that were made.
    #[must_use]
    pub fn output_events(&self) -> u64 {
        self.state.output_events
    }

    /// The body is over. `at` counts for what only its end completes (a last line without its newline, a
    /// document), if nothing came before.
    #[must_use]
    pub fn finish(self, ended: End, at: Duration) -> Summary {
        let Self { mut framer, mut state } = self;
        let at = state.last_byte.unwrap_or(at);
        let leftover = framer.finish(|frame| state.frame(frame, at));
        let mut summary = state.summary(ended);
        summary.leftover_bytes += leftover as u64;
        summary.comments = framer.comments();
        summary.dropped_bytes = framer.dropped_bytes();
        summary
    }
}

/// A piece of output, by what it is.
#[derive(Clone, Copy)]
pub(crate) enum Piece<'a> {
    Text(&'a str),
    Reasoning(&'a str),
    /// Of the call with this index.
    ToolName(u64, &'a str),
    ToolArguments(u64, &'a str),
}

/// Token counts as told, the later ones over the earlier.
#[derive(Debug, Default)]
struct Told {
    input: Option<u64>,
    output: Option<u64>,
    cached: Option<u64>,
    cache_creation: Option<u64>,
    /// Anthropic counts what came from the cache beside the input, not in it.
    is_input_without_cache: bool,
    reasoning: Option<u64>,
}

#[derive(Debug)]
struct Track {
    choice: Choice,
    has_output_now: bool,
    kept: Kept,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) api: Api,
    pub(crate) is_streamed: bool,
    keeps_text: bool,
    keep_bytes_left: usize,
    last_byte: Option<Duration>,
    first_chunk: Option<Duration>,
    ttft: Option<Duration>,
    ttst: Option<Duration>,
    ttfa: Option<Duration>,
    last_output: Option<Duration>,
    finished: Option<Duration>,
    gaps: Gaps,
    events: u64,
    output_events: u64,
    reasoning_events: u64,
    malformed_events: u64,
    /// The event at hand has output, text of the answer, reasoning.
    has_output_now: bool,
    has_text_now: bool,
    has_reasoning_now: bool,
    tracks: Vec<Track>,
    usage: Told,
    timings: Told,
    /// llama.cpp tells each of several choices by itself, when that is finished: the sum, and of how many.
    told_by_choice: (u64, usize),
    /// Output tokens told up to the last output event.
    told_before: Option<u64>,
    pub(crate) engine: Engine,
    response_id: Option<String>,
    model: Option<String>,
    system_fingerprint: Option<String>,
    error: Option<Reported>,
    has_tool_calls: bool,
    has_reasoning: bool,
    pub(crate) has_end_marker: bool,
    pub(crate) is_generation: bool,
    /// A document that is not streamed was read to its end.
    is_read: bool,
    /// It was too long to be read.
    is_too_long: bool,
}

impl State {
    fn new(api: Api, is_streamed: bool) -> Self {
        Self {
            api,
            is_streamed,
            keeps_text: false,
            keep_bytes_left: 0,
            last_byte: None,
            first_chunk: None,
            ttft: None,
            ttst: None,
            ttfa: None,
            last_output: None,
            finished: None,
            gaps: Gaps::default(),
            events: 0,
            output_events: 0,
            reasoning_events: 0,
            malformed_events: 0,
            has_output_now: false,
            has_text_now: false,
            has_reasoning_now: false,
            tracks: Vec::new(),
            usage: Told::default(),
            timings: Told::default(),
            told_by_choice: (0, 0),
            told_before: None,
            engine: Engine::default(),
            response_id: None,
            model: None,
            system_fingerprint: None,
            error: None,
            has_tool_calls: false,
            has_reasoning: false,
            has_end_marker: false,
            is_generation: api.is_generation(),
            is_read: false,
            is_too_long: false,
        }
    }

    fn frame(&mut self, frame: Frame<'_>, at: Duration) {
        let data = frame.data.trim_ascii();
        if data.is_empty() {
            return;
        }
        if self.is_streamed {
            self.events += 1;
            self.first_chunk.get_or_insert(at);
        }
        if data == b"[DONE]" {
            self.has_end_marker = true;
            return;
        }
        match event::read(data) {
            Ok(event) => {
                self.is_read = true;
                crate::shapes::take(self, &event, at);
                self.settle(at);
            }
            Err(_) if frame.is_cut => {
                self.is_too_long = true;
                crate::shapes::take_cut(self, frame.name, at);
            }
            Err(_) => self.malformed_events += 1,
        }
    }

    /// Takes the times of an event whose output has been counted.
    fn settle(&mut self, at: Duration) {
        let has_output = std::mem::take(&mut self.has_output_now);
        let has_text = std::mem::take(&mut self.has_text_now);
        let has_reasoning = std::mem::take(&mut self.has_reasoning_now);
        if !self.is_streamed || !has_output {
            return;
        }
        self.output_events += 1;
        self.reasoning_events += u64::from(has_reasoning);
        if self.ttft.is_some() {
            self.ttst.get_or_insert(at);
        }
        self.ttft.get_or_insert(at);
        if has_text {
            self.ttfa.get_or_insert(at);
        }
        self.last_output = Some(at);
        let tokens = self.tokens_now();
        for track in self.tracks.iter_mut().filter(|track| track.has_output_now) {
            track.has_output_now = false;
            let choice = &mut track.choice;
            choice.output_events += 1;
            choice.ttft.get_or_insert(at);
            if let Some(before) = choice.last_output.replace(at) {
                self.gaps.record(at.saturating_sub(before), tokens);
            }
        }
    }

    /// Tokens of the event at hand, where the engine tells how many there are up to it and there is but
    /// one choice that they can belong to; else 1.
    fn tokens_now(&mut self) -> u32 {
        let told = self.usage.output.or(self.timings.output);
        let before = std::mem::replace(&mut self.told_before, told);
        match (before, told) {
            (Some(before), Some(told)) if self.tracks.len() == 1 => {
                u32::try_from(told.saturating_sub(before)).unwrap_or(u32::MAX).max(1)
            }
            _ => 1,
        }
    }

    /// The choice with this index; beyond `CHOICES_MAX` there is none.
    fn track(&mut self, index: u64) -> Option<&mut Track> {
        let known = self.tracks.iter().position(|track| track.choice.index == index);
        if known.is_none() && self.tracks.len() < CHOICES_MAX {
            self.tracks.push(Track {
                choice: Choice { index, ..Choice::default() },
                has_output_now: false,
                kept: Kept { index, ..Kept::default() },
            });
            return self.tracks.last_mut();
        }
        self.tracks.get_mut(known?)
    }

    /// There is a choice with this index, which has to finish like the others.
    pub(crate) fn choice_seen(&mut self, index: u64) {
        self.track(index);
    }

    /// The number of a tool call that has none: another one, or the last.
    pub(crate) fn unnumbered_call(&mut self, choice: u64, is_new: bool) -> u64 {
        let calls = self.track(choice).map_or(0, |track| track.kept.tool_calls.len() as u64);
        if is_new { calls } else { calls.saturating_sub(1) }
    }

    pub(crate) fn output(&mut self, choice: u64, piece: Piece<'_>) {
        let (Piece::Text(text)
        | Piece::Reasoning(text)
        | Piece::ToolName(_, text)
        | Piece::ToolArguments(_, text)) = piece;
        if text.is_empty() {
            return;
        }
        self.has_output_now = true;
        match piece {
            Piece::Text(_) => self.has_text_now = true,
            Piece::Reasoning(_) => {
                (self.has_reasoning, self.has_reasoning_now) = (true, true);
            }
            Piece::ToolName(..) | Piece::ToolArguments(..) => self.has_tool_calls = true,
        }
        let (keeps, left) = (self.keeps_text, self.keep_bytes_left);
        let Some(track) = self.track(choice) else { return };
        track.has_output_now = true;
        if keeps {
            self.keep_bytes_left = left - track.kept.keep(piece, left);
        }
    }

    /// The text of the choice up to now, where an engine repeats it in every event.
    pub(crate) fn output_so_far(&mut self, text: &str) {
        self.output(0, Piece::Text(text));
        let (keeps, left) = (self.keeps_text, self.keep_bytes_left);
        if let Some(track) = self.track(0).filter(|_| keeps) {
            let room = left + track.kept.text.len();
            text.clone_into(&mut track.kept.text);
            let fits = beginning(text, room).len();
            track.kept.text.truncate(fits);
            track.kept.is_cut = fits < text.len();
            self.keep_bytes_left = room - fits;
        }
    }

    /// The choice is finished, for this reason if one was told.
    pub(crate) fn finish(&mut self, choice: u64, reason: Option<&str>, at: Duration) {
        self.finished = Some(at);
        if let Some(track) = self.track(choice) {
            track.choice.finished = Some(at);
            if let Some(reason) = reason {
                track.choice.finish_reason = Some(beginning(reason, WORD_BYTES_MAX).to_owned());
            }
        }
    }

    pub(crate) fn fail(&mut self, kind: Option<&str>, message: &str) {
        self.error.get_or_insert_with(|| Reported {
            kind: kind.map(|kind| beginning(kind, WORD_BYTES_MAX).to_owned()),
            message: beginning(message, ERROR_BYTES_MAX).to_owned(),
        });
    }

    pub(crate) fn identify(&mut self, id: Option<&str>, model: Option<&str>) {
        remember(&mut self.response_id, id, WORD_BYTES_MAX);
        remember(&mut self.model, model, MODEL_BYTES_MAX);
    }

    pub(crate) fn fingerprint(&mut self, fingerprint: Option<&str>) {
        remember(&mut self.system_fingerprint, fingerprint, WORD_BYTES_MAX);
    }

    pub(crate) fn usage(&mut self, usage: &Usage<'_>) {
        self.usage_of_input(usage);
        let output = usage.completion_tokens.whole().or(usage.output_tokens.whole());
        self.output_tokens(output);
        let details = usage.completion_tokens_details.object();
        let details = details.or(usage.output_tokens_details.object());
        let reasoning = details.and_then(|details| details.reasoning_tokens.whole());
        told(&mut self.usage.reasoning, reasoning.or(usage.reasoning_tokens.whole()));
    }

    pub(crate) fn usage_of_input(&mut self, usage: &Usage<'_>) {
        let input = usage.prompt_tokens.whole().or(usage.input_tokens.whole());
        let details = usage.prompt_tokens_details.object().or(usage.input_tokens_details.object());
        let cached = details.and_then(|details| details.cached_tokens.whole());
        let read = usage.cache_read_input_tokens.whole();
        let created = usage.cache_creation_input_tokens.whole();
        self.usage.is_input_without_cache |=
            usage.prompt_tokens.is_nothing() && (read.is_some() || created.is_some());
        self.input_tokens(input, read.or(cached));
        told(&mut self.usage.cache_creation, created);
    }

    pub(crate) fn input_tokens(&mut self, input: Option<u64>, cached: Option<u64>) {
        told(&mut self.usage.input, input);
        told(&mut self.usage.cached, cached);
    }

    pub(crate) fn output_tokens(&mut self, output: Option<u64>) {
        told(&mut self.usage.output, output);
    }

    /// These are the last timings of a choice.
    pub(crate) fn choice_told(&mut self, timings: &Timings<'_>) {
        if let Some(tokens) = timings.predicted_n.whole() {
            let (sum, choices) = self.told_by_choice;
            self.told_by_choice = (sum.saturating_add(tokens), choices + 1);
        }
    }

    pub(crate) fn timings(&mut self, timings: &Timings<'_>) {
        let cached = timings.cache_n.whole();
        let input = timings.prompt_n.whole().map(|new| new.saturating_add(cached.unwrap_or(0)));
        told(&mut self.timings.input, input);
        told(&mut self.timings.cached, cached);
        told(&mut self.timings.output, timings.predicted_n.whole());
        let millis = |number: Option<f64>| number.and_then(|millis| seconds(millis / 1e3));
        let engine = &mut self.engine;
        told(&mut engine.prefill, millis(timings.prompt_ms.number()));
        told(&mut engine.decode, millis(timings.predicted_ms.number()));
        if timings.predicted_n.whole() > Some(1) {
            told(&mut engine.tpot, millis(timings.predicted_per_token_ms.number()));
        }
    }
}

fn told<T>(place: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *place = value;
    }
}

/// A duration that an engine told in seconds, if it is one.
pub(crate) fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

/// Keeps the first of what every event repeats.
fn remember(place: &mut Option<String>, value: Option<&str>, bytes_max: usize) {
    if let (None, Some(value)) = (&place, value) {
        *place = Some(beginning(value, bytes_max).to_owned());
    }
}

impl Kept {
    /// Appends the piece, as far as it fits. Returns how many bytes that took.
    fn keep(&mut self, piece: Piece<'_>, bytes_left: usize) -> usize {
        let (place, text) = match piece {
            Piece::Text(text) => (Some(&mut self.text), text),
            Piece::Reasoning(text) => (Some(&mut self.reasoning), text),
            Piece::ToolName(call, text) => {
                (call_of(&mut self.tool_calls, call).map(|call| &mut call.name), text)
            }
            Piece::ToolArguments(call, text) => {
                (call_of(&mut self.tool_calls, call).map(|call| &mut call.arguments), text)
            }
        };
        let fitting = beginning(text, bytes_left);
        self.is_cut |= place.is_none() || fitting.len() < text.len();
        place.map_or(0, |place| {
            place.push_str(fitting);
            fitting.len()
        })
    }
}

fn call_of(calls: &mut Vec<ToolCall>, index: u64) -> Option<&mut ToolCall> {
    let known = calls.iter().position(|call| call.index == index);
    if known.is_none() && calls.len() < TOOL_CALLS_MAX {
        calls.push(ToolCall { index, ..ToolCall::default() });
        return calls.last_mut();
    }
    calls.get_mut(known?)
}

/// What is only known when all is there.
impl State {
    fn summary(mut self, ended: End) -> Summary {
        self.tracks.sort_by_key(|track| track.choice.index);
        let tokens = self.tokens(ended);
        let output = tokens.output.map_or(0, |count| count.value);
        let shows_part = self.has_tool_calls || self.has_reasoning;
        let is_whole = !self.is_streamed && self.is_finished(ended);
        let last_byte = self.last_byte.filter(|_| is_whole);
        Summary {
            outcome: self.outcome(ended),
            time_to_first_chunk: self.first_chunk,
            ttft: self.ttft,
            ttst: self.ttst,
            ttfa: self.ttfa,
            last_output: self.last_output,
            e2e: last_byte.or(self.finished.or(self.last_output).filter(|_| self.is_streamed)),
            tpot: self.tpot(tokens.output),
            has_hidden_tokens: self.is_streamed && shows_part && self.output_events + 2 < output,
            gaps: self.gaps,
            events: self.events,
            output_events: self.output_events,
            comments: 0,
            tokens,
            engine: self.engine,
            response_id: self.response_id,
            model: self.model,
            system_fingerprint: self.system_fingerprint,
            error: self.error,
            has_end_marker: self.has_end_marker,
            is_generation: self.is_generation,
            has_tool_calls: self.has_tool_calls,
            has_reasoning: self.has_reasoning,
            malformed_events: self.malformed_events,
            leftover_bytes: 0,
            dropped_bytes: 0,
            kept: self
                .tracks
                .iter_mut()
                .filter(|_| self.keeps_text)
                .map(|track| std::mem::take(&mut track.kept))
                .collect(),
            choices: self.tracks.into_iter().map(|track| track.choice).collect(),
        }
    }

    fn is_finished(&self, ended: End) -> bool {
        if self.is_streamed {
            let mut tracks = self.tracks.iter();
            self.finished.is_some() && tracks.all(|track| track.choice.finished.is_some())
        } else {
            // What was not read has to be believed. Speech may be answered as plain text or subtitles.
            let is_unread = self.is_too_long || self.api == Api::Transcription;
            self.is_read || (is_unread && ended == End::Complete)
        }
    }

    fn outcome(&self, ended: End) -> Outcome {
        let is_finished = self.is_finished(ended);
        let is_ended = is_finished && (self.has_end_marker || !self.is_streamed);
        match ended {
            _ if self.error.is_some() => Outcome::Error,
            End::Complete if is_finished => Outcome::Ok,
            End::ClientClosed if is_finished => Outcome::Ok,
            End::Broken | End::Timeout if is_ended => Outcome::Ok,
            End::Complete | End::Broken => Outcome::Truncated,
            End::ClientClosed => Outcome::Cancelled,
            End::Timeout => Outcome::Timeout,
        }
    }

    fn tokens(&self, ended: End) -> Tokens {
        let exact = |value: u64| Count { value, is_exact: true };
        let estimated = |value: u64| Count { value, is_exact: false };
        let (usage, timings) = (&self.usage, &self.timings);
        let beside = if usage.is_input_without_cache {
            usage.cached.unwrap_or(0).saturating_add(usage.cache_creation.unwrap_or(0))
        } else {
            0
        };
        let input = usage.input.map(|input| input.saturating_add(beside)).or(timings.input);
        let output = self.output_count(ended);
        let shown = self.is_streamed.then_some(self.reasoning_events).filter(|shown| *shown > 0);
        // vLLM tells 0 whatever it made.
        let hides = output.is_some_and(|output| self.output_events + 2 < output.value);
        let is_doubtful = self.has_reasoning || (hides && self.is_streamed && !self.has_tool_calls);
        let reasoning = usage.reasoning.filter(|told| *told > 0 || !is_doubtful);
        Tokens {
            input: input.map(exact),
            output,
            cached: usage.cached.or(timings.cached).map(exact),
            reasoning: reasoning.map(exact).or(shown.map(estimated)),
        }
    }

    fn output_count(&self, ended: End) -> Option<Count> {
        let told = self.usage.output.or(self.timings.output);
        let shown: u64 = self.tracks.iter().map(|track| track.choice.output_events).sum();
        let shown = shown.max(self.output_events);
        let choices = self.tracks.len();
        if choices > 1 && self.told_by_choice.1 == choices {
            return Some(Count { value: self.told_by_choice.0, is_exact: true });
        }
        // llama.cpp's usage is that of one of several choices, and they differ in length.
        let counts_one_choice = choices > 1 && self.timings.output.is_some();
        match told {
            Some(told) if !counts_one_choice && (shown <= told || choices < 2) => {
                let is_exact = !self.is_streamed || self.is_finished(ended);
                Some(Count { value: told, is_exact })
            }
            _ => {
                let value = shown.max(told.unwrap_or(0));
                (value > 0).then_some(Count { value, is_exact: false })
            }
        }
    }

    fn tpot(&self, output: Option<Count>) -> Option<Duration> {
        let mut time = Duration::ZERO;
        let mut choices = 0;
        for track in &self.tracks {
            let choice = &track.choice;
            let (Some(first), Some(last)) = (choice.ttft, choice.last_output) else { continue };
            let end = choice.finished.unwrap_or(last).max(last);
            time = time.saturating_add(end.saturating_sub(first));
            choices += 1;
        }
        let later = output?.value.checked_sub(choices).filter(|later| *later > 0)?;
        (choices > 0).then(|| time.div_f64(later as f64))
    }
}

#[cfg(test)]
mod tests;
