//! What a response was. All times are since the start that the caller counts from; what was not seen or
//! not told is absent, never zero.

use std::time::Duration;

use crate::Gaps;

/// Longer ids, fingerprints and finish reasons are cut here.
pub(crate) const WORD_BYTES_MAX: usize = 128;
/// Longer names of models are cut here.
pub(crate) const MODEL_BYTES_MAX: usize = 256;
/// Longer messages of errors are cut here. They are the engine's text and may quote the request.
pub(crate) const ERROR_BYTES_MAX: usize = 512;
/// Choices that are told apart; those of a request that asks for more count in the whole only.
pub(crate) const CHOICES_MAX: usize = 128;
/// Tool calls whose text is kept when text is kept at all; later ones are left out.
pub(crate) const TOOL_CALLS_MAX: usize = 64;

/// How the response body ended, which its bytes do not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As the framing of HTTP says it should.
    Complete,
    /// The client went away first.
    ClientClosed,
    /// The engine's connection closed or failed inside the body.
    Broken,
    /// Nothing came for too long, and the caller gave up.
    Timeout,
}

/// What came of the request, as far as the response body tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Ok,
    /// The response told an error, maybe inside a stream that began well.
    Error,
    /// It ended without its finish event.
    Truncated,
    /// The client left before the finish event.
    Cancelled,
    Timeout,
}

/// A number of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    pub value: u64,
    /// The engine told it. Otherwise it was counted from events: a lower bound.
    pub is_exact: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// The whole prompt, with what came from a cache.
    pub input: Option<Count>,
    /// Everything generated, shown or not: text, reasoning, syntax of tool calls, the end-of-text token.
    pub output: Option<Count>,
    /// The part of `input` that came from a cache.
    pub cached: Option<Count>,
    /// The part of `output` that was reasoning.
    pub reasoning: Option<Count>,
}

/// What the engine itself measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Engine {
    /// Loading the model, before anything else (Ollama).
    pub load: Option<Duration>,
    pub prefill: Option<Duration>,
    pub decode: Option<Duration>,
    /// Time per output token after the first.
    pub tpot: Option<Duration>,
    pub total: Option<Duration>,
}

/// An error told in a response body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    /// The engine's word for it (`type`, else `code`), where it has one.
    pub kind: Option<String>,
    pub message: String,
}

/// One of the `n` answers to one request; Anthropic's blocks and items of Responses are one choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    pub index: u64,
    /// `None`: it never finished, or did not say why.
    pub finish_reason: Option<String>,
    pub output_events: u64,
    pub ttft: Option<Duration>,
    pub last_output: Option<Duration>,
    pub finished: Option<Duration>,
}

/// The text of one choice, where the caller asked to keep it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    pub index: u64,
    pub text: String,
    pub reasoning: String,
    pub tool_calls: Vec<ToolCall>,
    /// There was more than may be kept.
    pub is_cut: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolCall {
    pub index: u64,
    pub name: String,
    /// JSON, as the engine wrote it.
    pub arguments: String,
}

/// See the module. Times of events are those of the chunk that ended them.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub outcome: Outcome,
    /// First event or line, with output or without; not a comment. Streams only, as are all but `e2e`.
    pub time_to_first_chunk: Option<Duration>,
    /// First event with text, reasoning or (a name or arguments of) a tool call that is not empty.
    pub ttft: Option<Duration>,
    /// Second such event.
    pub ttst: Option<Duration>,
    /// First event with text of the answer.
    pub ttfa: Option<Duration>,
    pub last_output: Option<Duration>,
    /// The last event with a finish reason, else the last output. Not streamed: the last byte.
    pub e2e: Option<Duration>,
    /// (`e2e` − `ttft`) / (output tokens − 1); of several choices their times summed over their tokens.
    pub tpot: Option<Duration>,
    /// Tokens were made that no event showed, which biases `tpot`: prefer `engine.tpot`.
    pub has_hidden_tokens: bool,
    /// Between consecutive output events of a choice, shared among their tokens where those are told.
    pub gaps: Gaps,
    /// Events or lines, with `[DONE]`; 0 where it was not streamed.
    pub events: u64,
    pub output_events: u64,
    /// Comment lines, which keep a connection open and say nothing.
    pub comments: u64,
    pub tokens: Tokens,
    pub engine: Engine,
    pub choices: Vec<Choice>,
    pub response_id: Option<String>,
    pub model: Option<String>,
    pub system_fingerprint: Option<String>,
    pub error: Option<Reported>,
    /// `[DONE]`, `message_stop`, `response.completed`, `done: true`, `stop: true`: what the API ends with.
    pub has_end_marker: bool,
    /// False for Ollama's answers that only load or unload a model.
    pub is_generation: bool,
    pub has_tool_calls: bool,
    pub has_reasoning: bool,
    /// Events that are no JSON.
    pub malformed_events: u64,
    /// Bytes after the last whole event.
    pub leftover_bytes: u64,
    /// Bytes that were not looked at, because one event was too long.
    pub dropped_bytes: u64,
    /// Where it was asked for; by index of choice.
    pub kept: Vec<Kept>,
}

impl Summary {
    /// The finish reasons that were told, by index of choice.
    pub fn finish_reasons(&self) -> impl Iterator<Item = &str> {
        self.choices.iter().filter_map(|choice| choice.finish_reason.as_deref())
    }
}

/// The beginning of `text`, of at most `bytes_max` bytes.
pub(crate) fn beginning(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
