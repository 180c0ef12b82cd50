//! One event of a response, or a whole response: every member of every API that says something about
//! timing, tokens or the end, in one shape, because engines mix them (vLLM transcribes in chat chunks,
//! llama.cpp adds its timings to any API). Members not named here are skipped unread.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::loose::{INNER_ELEMENTS_MAX, Loose};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Event<'a> {
    #[serde(borrow)]
    pub(crate) id: Loose<'a>,
    #[serde(borrow)]
    pub(crate) model: Loose<'a>,
    #[serde(borrow)]
    pub(crate) system_fingerprint: Loose<'a>,
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Loose<'a>,
    #[serde(borrow)]
    pub(crate) error: Loose<'a, Fault<'a>>,
    #[serde(borrow)]
    pub(crate) error_type: Loose<'a>,
    #[serde(borrow)]
    pub(crate) detail: Loose<'a, Fault<'a>>,
    #[serde(borrow)]
    pub(crate) code: Loose<'a>,
    #[serde(borrow)]
    pub(crate) usage: Loose<'a, Usage<'a>>,
    #[serde(borrow)]
    pub(crate) timings: Loose<'a, Timings<'a>>,
    /// OpenAI.
    #[serde(borrow)]
    pub(crate) choices: Loose<'a, Choice<'a>>,
    /// An object in chat and Anthropic's events, a string in those of the Responses API.
    #[serde(borrow)]
    pub(crate) delta: Loose<'a, Delta<'a>>,
    #[serde(borrow)]
    pub(crate) item: Loose<'a, Block<'a>>,
    #[serde(borrow)]
    pub(crate) output: Loose<'a, Block<'a>>,
    #[serde(borrow)]
    pub(crate) output_index: Loose<'a>,
    #[serde(borrow)]
    pub(crate) status: Loose<'a>,
    #[serde(borrow)]
    pub(crate) object: Loose<'a>,
    /// An object in the Responses API, a string in Ollama's `generate`.
    #[serde(borrow)]
    pub(crate) response: Loose<'a, Answer<'a>>,
    /// Anthropic.
    #[serde(borrow)]
    pub(crate) content_block: Loose<'a, Block<'a>>,
    #[serde(borrow)]
    pub(crate) stop_reason: Loose<'a>,
    #[serde(borrow)]
    pub(crate) input_tokens: Loose<'a>,
    /// A string in llama.cpp's own API, a list of blocks in Anthropic's.
    #[serde(borrow)]
    pub(crate) content: Loose<'a, Block<'a>>,
    #[serde(borrow)]
    pub(crate) stop: Loose<'a>,
    #[serde(borrow)]
    pub(crate) stop_type: Loose<'a>,
    #[serde(borrow)]
    pub(crate) tokens_predicted: Loose<'a>,
    #[serde(borrow)]
    pub(crate) tokens_evaluated: Loose<'a>,
    #[serde(borrow)]
    pub(crate) index: Loose<'a>,
    /// Ollama's and Anthropic's message, or the text of an error.
    #[serde(borrow)]
    pub(crate) message: Loose<'a, Delta<'a>>,
    #[serde(borrow)]
    pub(crate) thinking: Loose<'a>,
    #[serde(borrow)]
    pub(crate) done: Loose<'a>,
    #[serde(borrow)]
    pub(crate) done_reason: Loose<'a>,
    #[serde(borrow)]
    pub(crate) total_duration: Loose<'a>,
    #[serde(borrow)]
    pub(crate) load_duration: Loose<'a>,
    #[serde(borrow)]
    pub(crate) prompt_eval_count: Loose<'a>,
    #[serde(borrow)]
    pub(crate) prompt_eval_duration: Loose<'a>,
    #[serde(borrow)]
    pub(crate) eval_count: Loose<'a>,
    #[serde(borrow)]
    pub(crate) eval_duration: Loose<'a>,
    /// TGI, MindIE.
    #[serde(borrow)]
    pub(crate) token: Loose<'a, Token<'a>>,
    #[serde(borrow)]
    pub(crate) generated_text: Loose<'a>,
    #[serde(borrow)]
    pub(crate) details: Loose<'a, Details<'a>>,
    /// SGLang, transcriptions.
    #[serde(borrow)]
    pub(crate) text: Loose<'a>,
    #[serde(borrow)]
    pub(crate) meta_info: Loose<'a, MetaInfo<'a>>,
}

/// What stands under `error`: of OpenAI, Anthropic and FastAPI.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Fault<'a> {
    #[serde(borrow)]
    pub(crate) message: Loose<'a>,
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Loose<'a>,
    #[serde(borrow)]
    pub(crate) code: Loose<'a>,
    #[serde(borrow)]
    pub(crate) msg: Loose<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Choice<'a> {
    #[serde(borrow)]
    pub(crate) index: Loose<'a>,
    #[serde(borrow)]
    pub(crate) delta: Loose<'a, Delta<'a>>,
    #[serde(borrow)]
    pub(crate) message: Loose<'a, Delta<'a>>,
    #[serde(borrow)]
    pub(crate) text: Loose<'a>,
    #[serde(borrow)]
    pub(crate) finish_reason: Loose<'a>,
}

/// A piece of an answer, or a whole message of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Delta<'a> {
    /// Anthropic's message has these three.
    #[serde(borrow)]
    pub(crate) id: Loose<'a>,
    #[serde(borrow)]
    pub(crate) model: Loose<'a>,
    #[serde(borrow)]
    pub(crate) usage: Loose<'a, Usage<'a>>,
    #[serde(borrow)]
    pub(crate) content: Loose<'a, Block<'a>, INNER_ELEMENTS_MAX>,
    #[serde(borrow)]
    pub(crate) text: Loose<'a>,
    #[serde(borrow)]
    pub(crate) refusal: Loose<'a>,
    #[serde(borrow)]
    pub(crate) reasoning_content: Loose<'a>,
    #[serde(borrow)]
    pub(crate) reasoning: Loose<'a>,
    #[serde(borrow)]
    pub(crate) thinking: Loose<'a>,
    #[serde(borrow)]
    pub(crate) partial_json: Loose<'a>,
    #[serde(borrow)]
    pub(crate) stop_reason: Loose<'a>,
    #[serde(borrow)]
    pub(crate) tool_calls: Loose<'a, Call<'a>, INNER_ELEMENTS_MAX>,
    #[serde(borrow)]
    pub(crate) function_call: Loose<'a, Function<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Call<'a> {
    #[serde(borrow)]
    pub(crate) index: Loose<'a>,
    #[serde(borrow)]
    pub(crate) function: Loose<'a, Function<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Function<'a> {
    /// Where Ollama has it.
    #[serde(borrow)]
    pub(crate) index: Loose<'a>,
    #[serde(borrow)]
    pub(crate) name: Loose<'a>,
    /// A string that holds JSON, or (Ollama) the JSON itself.
    #[serde(borrow)]
    pub(crate) arguments: Option<&'a RawValue>,
}

/// A content block of Anthropic, an item of the Responses API, a part of a chat message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Block<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Loose<'a>,
    #[serde(borrow)]
    pub(crate) text: Loose<'a>,
    #[serde(borrow)]
    pub(crate) thinking: Loose<'a>,
    #[serde(borrow)]
    pub(crate) refusal: Loose<'a>,
    #[serde(borrow)]
    pub(crate) name: Loose<'a>,
    #[serde(borrow)]
    pub(crate) arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) content: Loose<'a, Part<'a>, INNER_ELEMENTS_MAX>,
    #[serde(borrow)]
    pub(crate) summary: Loose<'a, Part<'a>, INNER_ELEMENTS_MAX>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Part<'a> {
    #[serde(borrow)]
    pub(crate) text: Loose<'a>,
    #[serde(borrow)]
    pub(crate) refusal: Loose<'a>,
}

/// The response object in events of the Responses API.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Answer<'a> {
    #[serde(borrow)]
    pub(crate) id: Loose<'a>,
    #[serde(borrow)]
    pub(crate) model: Loose<'a>,
    #[serde(borrow)]
    pub(crate) status: Loose<'a>,
    #[serde(borrow)]
    pub(crate) error: Loose<'a, Fault<'a>>,
    #[serde(borrow)]
    pub(crate) usage: Loose<'a, Usage<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Usage<'a> {
    #[serde(borrow)]
    pub(crate) prompt_tokens: Loose<'a>,
    #[serde(borrow)]
    pub(crate) completion_tokens: Loose<'a>,
    #[serde(borrow)]
    pub(crate) input_tokens: Loose<'a>,
    #[serde(borrow)]
    pub(crate) output_tokens: Loose<'a>,
    #[serde(borrow)]
    pub(crate) prompt_tokens_details: Loose<'a, TokenDetails<'a>>,
    #[serde(borrow)]
    pub(crate) input_tokens_details: Loose<'a, TokenDetails<'a>>,
    #[serde(borrow)]
    pub(crate) completion_tokens_details: Loose<'a, TokenDetails<'a>>,
    #[serde(borrow)]
    pub(crate) output_tokens_details: Loose<'a, TokenDetails<'a>>,
    #[serde(borrow)]
    pub(crate) reasoning_tokens: Loose<'a>,
    #[serde(borrow)]
    pub(crate) cache_read_input_tokens: Loose<'a>,
    #[serde(borrow)]
    pub(crate) cache_creation_input_tokens: Loose<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TokenDetails<'a> {
    #[serde(borrow)]
    pub(crate) cached_tokens: Loose<'a>,
    #[serde(borrow)]
    pub(crate) reasoning_tokens: Loose<'a>,
}

/// llama.cpp's own measures.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Timings<'a> {
    #[serde(borrow)]
    pub(crate) cache_n: Loose<'a>,
    #[serde(borrow)]
    pub(crate) prompt_n: Loose<'a>,
    #[serde(borrow)]
    pub(crate) prompt_ms: Loose<'a>,
    #[serde(borrow)]
    pub(crate) predicted_n: Loose<'a>,
    #[serde(borrow)]
    pub(crate) predicted_ms: Loose<'a>,
    #[serde(borrow)]
    pub(crate) predicted_per_token_ms: Loose<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Token<'a> {
    #[serde(borrow)]
    pub(crate) text: Loose<'a>,
    #[serde(borrow)]
    pub(crate) special: Loose<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Details<'a> {
    #[serde(borrow)]
    pub(crate) finish_reason: Loose<'a>,
    #[serde(borrow)]
    pub(crate) generated_tokens: Loose<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MetaInfo<'a> {
    #[serde(borrow)]
    pub(crate) id: Loose<'a>,
    #[serde(borrow)]
    pub(crate) finish_reason: Loose<'a, Fault<'a>>,
    #[serde(borrow)]
    pub(crate) prompt_tokens: Loose<'a>,
    #[serde(borrow)]
    pub(crate) completion_tokens: Loose<'a>,
    #[serde(borrow)]
    pub(crate) cached_tokens: Loose<'a>,
    #[serde(borrow)]
    pub(crate) e2e_latency: Loose<'a>,
}

/// A response body is an object, but for TGI's, which may be a list of one.
pub(crate) fn read(json: &[u8]) -> Result<Event<'_>, serde_json::Error> {
    Ok(match serde_json::from_slice::<Loose<'_, Event<'_>>>(json)? {
        Loose::Object(event) => *event,
        Loose::List(events) => events.into_iter().next().unwrap_or_default(),
        _ => Event::default(),
    })
}

/// A finish reason that is an object tells itself under `type`, as an error does.
impl<'a> Loose<'a, Fault<'a>> {
    pub(crate) fn reason(&self) -> Option<&str> {
        self.text().or_else(|| self.object()?.kind.text())
    }
}

/// A nameless member, for those who only want to know that it is there.
pub(crate) type Anything<'a> = Loose<'a, IgnoredAny>;
