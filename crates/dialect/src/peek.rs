//! What a request asks for, read from its body without building it: one pass over the bytes, which stay
//! as they are.
//!
//! Bias: what an engine would coerce (`"stream": "true"`, numbers in strings) is read as absent. Where
//! engines could disagree about which model is asked (the key twice, or in other letters: Go folds case,
//! Python takes the last), the body is refused, because a limit to some models would be void otherwise.

use std::{borrow::Cow, fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{Api, Dialect, loose::Loose, multipart, summary::MODEL_BYTES_MAX};

/// Bytes of each part of the beginning of a prompt that go into its hash.
const PREFIX_BYTES_MAX: usize = 4096;
/// Messages of instructions that are looked at in search of the first that is none.
const PREFIX_MESSAGES_MAX: usize = 4;
/// A message that is longer (an image is in it) is not searched for its role: it is no instruction.
const ROLE_SEARCH_BYTES_MAX: usize = 1 << 20;
/// A longer number is no number that a parameter has.
const NUMBER_BYTES_MAX: usize = 40;

/// See the module. Absent is what the request does not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peek {
    pub model: Option<String>,
    /// Where the model's name is in the body: the JSON string with its quotes, or the form's value.
    pub model_span: Option<Range<usize>>,
    /// Whether a stream is asked for, the API's default included.
    pub is_streaming: bool,
    /// How many answers (`n`).
    pub choices: Option<u64>,
    /// The limit of output tokens, under any of its names.
    pub max_tokens: Option<u64>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<f64>,
    pub frequency_penalty: Option<f64>,
    pub presence_penalty: Option<f64>,
    pub seed: Option<i64>,
    /// `stream_options.include_usage` is asked for.
    pub includes_usage: bool,
    pub has_tools: bool,
    pub has_logprobs: bool,
    /// Messages, prompt, instructions, tools: their bytes as JSON, images included.
    pub prompt_bytes: u64,
    /// Of the instructions and the first message that is none: the same in all turns of a conversation,
    /// and from one run to the next, as long as the client writes them alike. No protection from those
    /// who want two prompts to have one hash.
    pub prefix_hash: Option<u64>,
    /// What has to stand there instead, so that the usage is told.
    pub(crate) usage_splice: Option<(Range<usize>, &'static str)>,
    is_form: bool,
}

/// Why nothing is known about a body. Whoever limits the models that may be asked has to refuse all of
/// these: engines read some of what is no JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeekError {
    #[error("the request is not JSON: line {line}, column {column}")]
    NotJson { line: usize, column: usize },
    #[error("the request is JSON, but not an object")]
    NotAnObject,
    #[error("the request names its model more than once")]
    DuplicateModel,
    #[error("the request spells the key `model` in capital letters")]
    MiscasedModel,
    #[error("the request's `model` is not a string, or longer than {MODEL_BYTES_MAX} bytes")]
    UnreadableModel,
    #[error("the request is not a form as its Content-Type says")]
    NotMultipart,
}

/// Reads what a request to `api` asks for. Of APIs that have no body the body is not looked at.
pub fn peek(api: Api, content_type: Option<&str>, body: &[u8]) -> Result<Peek, PeekError> {
    if matches!(api, Api::OpenAiModels | Api::OllamaTags) {
        return Ok(Peek::default());
    }
    if let Some(content_type) = content_type
        && api == Api::Transcription
        && multipart::is_form(content_type)
    {
        return form(content_type, body);
    }
    json(api, body)
}

impl Peek {
    /// The body with another model in place of the one it names; `None` if it names none.
    #[must_use]
    pub fn with_model(&self, body: &[u8], model: &str) -> Option<Vec<u8>> {
        let span = self.model_span.clone()?;
        let name = match self.is_form {
            true => model.to_owned(),
            false => serde_json::Value::from(model).to_string(),
        };
        splice(body, span, name.as_bytes())
    }
}

/// `body` with other bytes in place of `span`.
pub(crate) fn splice(body: &[u8], span: Range<usize>, bytes: &[u8]) -> Option<Vec<u8>> {
    let (before, after) = (body.get(..span.start)?, body.get(span.end..)?);
    Some([before, bytes, after].concat())
}

fn form(content_type: &str, body: &[u8]) -> Result<Peek, PeekError> {
    let mut peek = Peek { is_form: true, ..Peek::default() };
    let fields = multipart::fields(content_type, body).ok_or(PeekError::NotMultipart)?;
    for (name, span) in fields {
        let value = body.get(span.clone()).unwrap_or_default();
        let text = std::str::from_utf8(value).ok();
        match name {
            "model" if peek.model.is_some() => return Err(PeekError::DuplicateModel),
            "model" => {
                let text = text.filter(|text| text.len() <= MODEL_BYTES_MAX);
                peek.model = Some(text.ok_or(PeekError::UnreadableModel)?.to_owned());
                peek.model_span = Some(span);
            }
            "stream" => {
                peek.is_streaming = text.is_some_and(|text| text.eq_ignore_ascii_case("true"))
            }
            "temperature" => peek.temperature = text.and_then(|text| text.parse().ok()),
            "file" | "prompt" => peek.prompt_bytes += value.len() as u64,
            _ if name.eq_ignore_ascii_case("model") => return Err(PeekError::MiscasedModel),
            _ => {}
        }
    }
    Ok(peek)
}

/// The members that matter, as they stand in the body.
#[derive(Default)]
struct Members<'a> {
    model: Option<&'a RawValue>,
    models: usize,
    is_miscased: bool,
    stream: Option<&'a str>,
    stream_options: Option<&'a str>,
    max_completion_tokens: Option<u64>,
    system: Option<&'a str>,
    messages: Option<&'a str>,
    prompt: Option<&'a str>,
    brace: usize,
}

fn json(api: Api, body: &[u8]) -> Result<Peek, PeekError> {
    let mut peek = Peek::default();
    let mut found = Members::default();
    let ignores_case = api.dialect() == Dialect::Ollama;
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let each = |key: &str, value| {
        if ignores_case && key.bytes().any(|byte| byte.is_ascii_uppercase()) {
            member(&mut peek, &mut found, &key.to_ascii_lowercase(), value);
        } else {
            member(&mut peek, &mut found, key, value);
        }
    };
    deserializer
        .deserialize_map(Object(each))
        .and_then(|()| deserializer.end())
        .map_err(|error| error_of(&error))?;
    if found.models > 1 {
        return Err(PeekError::DuplicateModel);
    }
    if found.is_miscased {
        return Err(PeekError::MiscasedModel);
    }
    if let Some(model) = found.model.filter(|model| model.get() != "null") {
        let name = serde_json::from_str::<String>(model.get()).ok();
        let name = name.filter(|name| name.len() <= MODEL_BYTES_MAX);
        peek.model = Some(name.ok_or(PeekError::UnreadableModel)?);
        peek.model_span = Some(span(body, model.get()));
    }
    peek.is_streaming = match api {
        Api::GenerateStream => true,
        _ if !api.is_generation() => false,
        _ => found.stream.map_or(api.streams_by_default(), |stream| stream == "true"),
    };
    peek.max_tokens = found.max_completion_tokens.or(peek.max_tokens);
    peek.prefix_hash = prefix_hash(&found);
    found.brace = body.iter().position(|byte| *byte == b'{').unwrap_or(0);
    usage_splice(&mut peek, api, body, &found);
    Ok(peek)
}

fn error_of(error: &serde_json::Error) -> PeekError {
    if error.is_data() {
        PeekError::NotAnObject
    } else {
        PeekError::NotJson { line: error.line(), column: error.column() }
    }
}

fn member<'a>(peek: &mut Peek, found: &mut Members<'a>, key: &str, value: &'a RawValue) {
    let raw = value.get();
    match key {
        "model" => {
            found.models += 1;
            found.model = Some(value);
        }
        "stream" => found.stream = Some(raw).filter(|raw| *raw != "null"),
        "stream_options" => found.stream_options = Some(raw),
        "messages" => found.messages = Some(raw),
        "prompt" | "input" | "inputs" | "text" | "query" => found.prompt = Some(raw),
        "system" | "instructions" => found.system = Some(raw),
        "options" | "parameters" | "sampling_params" => {
            members(raw, |key, value| parameter(peek, found, key, value.get()));
        }
        _ if key.eq_ignore_ascii_case("model") => {
            found.models += 1;
            found.is_miscased = true;
        }
        _ => parameter(peek, found, key, raw),
    }
    if matches!(
        key,
        "messages"
            | "prompt"
            | "input"
            | "inputs"
            | "text"
            | "query"
            | "documents"
            | "system"
            | "instructions"
            | "tools"
            | "suffix"
    ) {
        peek.prompt_bytes += raw.len() as u64;
    }
}

fn parameter(peek: &mut Peek, found: &mut Members<'_>, key: &str, raw: &str) {
    match key {
        "n" => peek.choices = whole(raw),
        "max_tokens" | "max_output_tokens" | "max_new_tokens" | "num_predict" | "n_predict" => {
            peek.max_tokens = whole(raw);
        }
        "max_completion_tokens" => found.max_completion_tokens = whole(raw),
        "temperature" => peek.temperature = number(raw),
        "top_p" => peek.top_p = number(raw),
        "top_k" => peek.top_k = number(raw),
        "frequency_penalty" => peek.frequency_penalty = number(raw),
        "presence_penalty" => peek.presence_penalty = number(raw),
        "seed" => peek.seed = raw.parse().ok(),
        "tools" | "functions" => peek.has_tools |= raw.starts_with('[') && raw.contains('{'),
        // 0 asks for those of the tokens themselves in `logprobs`, and for none in the others.
        "logprobs" => peek.has_logprobs |= !matches!(raw, "null" | "false"),
        "top_logprobs" | "n_probs" => peek.has_logprobs |= !matches!(raw, "null" | "0"),
        _ => {}
    }
}

fn number(raw: &str) -> Option<f64> {
    // What is no number in JSON does not begin like one.
    let number: f64 = raw.parse().ok().filter(|_| raw.len() <= NUMBER_BYTES_MAX)?;
    number.is_finite().then_some(number)
}

fn whole(raw: &str) -> Option<u64> {
    raw.parse().ok().or_else(|| {
        let number = number(raw).filter(|number| *number >= 0.0 && number.fract() == 0.0)?;
        Some(number as u64)
    })
}

fn span(body: &[u8], part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(body.as_ptr() as usize);
    start..start + part.len()
}

fn usage_splice(peek: &mut Peek, api: Api, body: &[u8], found: &Members<'_>) {
    let mut include = None;
    let options = found.stream_options;
    if let Some(options) = options {
        members(options, |key, value| {
            if key == "include_usage" {
                include = Some(value.get());
            }
        });
    }
    peek.includes_usage = include == Some("true");
    let tells = matches!(api, Api::OpenAiChat | Api::OpenAiCompletions);
    if !tells || !peek.is_streaming || peek.includes_usage {
        return;
    }
    peek.usage_splice = Some(match (include, options) {
        (Some(include), _) => (span(body, include), "true"),
        (None, Some(options)) if options.starts_with('{') => {
            let start = span(body, options).start + 1;
            let is_empty = options.trim_matches(['{', '}']).trim().is_empty();
            let text =
                if is_empty { r#""include_usage":true"# } else { r#""include_usage":true,"# };
            (start..start, text)
        }
        (None, Some(options)) => (span(body, options), r#"{"include_usage":true}"#),
        (None, None) => {
            let start = found.brace + 1;
            (start..start, r#""stream_options":{"include_usage":true},"#)
        }
    });
}

fn prefix_hash(found: &Members<'_>) -> Option<u64> {
    let mut hash = Fnv::default();
    let mut is_empty = true;
    let mut add = |raw: &str| {
        is_empty = false;
        hash.write(&raw.as_bytes()[..raw.len().min(PREFIX_BYTES_MAX)]);
    };
    if let Some(system) = found.system {
        add(system);
    }
    let mut seen = 0;
    // Of a list of token ids the beginning counts, as of a text.
    let is_list = |raw: &&str| {
        raw.starts_with('[')
            && !raw.trim_start_matches(['[', ' ']).starts_with(|sign: char| sign.is_ascii_digit())
    };
    if let Some(messages) = found.messages.or(found.prompt.filter(is_list)) {
        elements(messages, |message| {
            add(message);
            seen += 1;
            seen < PREFIX_MESSAGES_MAX && is_instruction(message)
        });
    } else if let Some(prompt) = found.prompt {
        add(prompt.get(..prompt.len().saturating_sub(1)).unwrap_or(prompt));
    }
    (!is_empty).then_some(hash.0)
}

fn is_instruction(message: &str) -> bool {
    #[derive(Deserialize)]
    struct Role<'a> {
        #[serde(borrow, default)]
        role: Loose<'a>,
    }
    message.len() <= ROLE_SEARCH_BYTES_MAX
        && serde_json::from_str::<Role<'_>>(message)
            .is_ok_and(|message| matches!(message.role.text(), Some("system" | "developer")))
}

/// FNV-1a, because it is the same everywhere and for ever.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        // Parts are told apart by a byte that is in no UTF-8.
        for byte in bytes.iter().chain(&[0xFF]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// Calls `each` with the members of an object; of anything else with none.
fn members<'a>(raw: &'a str, each: impl FnMut(&str, &'a RawValue)) {
    let read = serde_json::Deserializer::from_str(raw).deserialize_map(Object(each));
    // It was read once already, as a part of the body: what can be wrong is that it is no object.
    drop(read);
}

/// Calls `each` with the elements of a list, until it says false.
fn elements<'a>(raw: &'a str, each: impl FnMut(&'a str) -> bool) {
    let read = serde_json::Deserializer::from_str(raw).deserialize_seq(List(each));
    // As above; and a list that is left early ends in an error.
    drop(read);
}

struct Object<F>(F);

impl<'de, F: FnMut(&str, &'de RawValue)> Visitor<'de> for Object<F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Key)? {
            (self.0)(&key, map.next_value()?);
        }
        Ok(())
    }
}

struct List<F>(F);

impl<'de, F: FnMut(&'de str) -> bool> Visitor<'de> for List<F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = list.next_element::<&RawValue>()? {
            if !(self.0)(element.get()) {
                return Err(A::Error::custom("seen enough"));
            }
        }
        Ok(())
    }
}

struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

#[cfg(test)]
mod tests;
