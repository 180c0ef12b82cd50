//! What each API's events mean. Told by the event's own shape, not by the path that was asked, because
//! engines answer one API in another's shape (errors above all).

use std::{borrow::Cow, time::Duration};

use serde_json::value::RawValue;

use crate::{
    event::{Anything, Block, Choice, Delta, Event, Fault},
    fold::{Piece, State, seconds},
    loose::Loose,
};

pub(crate) fn take(state: &mut State, event: &Event<'_>, at: Duration) {
    state.identify(event.id.text(), event.model.text());
    state.fingerprint(event.system_fingerprint.text());
    if let Some(usage) = event.usage.object() {
        state.usage(usage);
    }
    if let Some(timings) = event.timings.object() {
        state.timings(timings);
        let is_finish = |choice: &Choice<'_>| choice.finish_reason.text().is_some();
        if !event.choices.is_nothing()
            && (event.choices.list().is_empty() || event.choices.list().iter().any(is_finish))
        {
            state.choice_told(timings);
        }
    }
    errors(state, event);
    let kind = event.kind.words();
    if kind.starts_with("response.") || event.object.text() == Some("response") {
        responses(state, event, kind, at);
    } else if kind.starts_with("transcript.") {
        transcript(state, event, kind, at);
    } else if anthropic(state, event, kind, at) {
    } else if !event.choices.is_nothing() {
        for choice in event.choices.list() {
            openai_choice(state, choice, at);
        }
    } else if !event.done.is_nothing() {
        ollama(state, event, at);
    } else if !event.stop.is_nothing() {
        llamacpp(state, event, at);
    } else if !event.token.is_nothing() || !event.generated_text.is_nothing() {
        tgi(state, event, at);
    } else if event.meta_info.object().is_some() {
        sglang(state, event, at);
    } else {
        // Embeddings, reranking, counts of tokens, transcriptions as JSON.
        state.input_tokens(event.input_tokens.whole().or(event.prompt_eval_count.whole()), None);
        ollama_durations(state, event);
        if !state.is_streamed {
            state.output(0, Piece::Text(event.text.words()));
        }
    }
}

/// An event that was too long to be read, of which only the name is known.
pub(crate) fn take_cut(state: &mut State, name: &[u8], at: Duration) {
    if matches!(name, b"response.completed" | b"response.incomplete" | b"response.failed") {
        state.finish(0, None, at);
        state.has_end_marker = true;
    }
}

/// An error is an object, a string, a `detail` of FastAPI's, or an event of its own.
fn errors(state: &mut State, event: &Event<'_>) {
    let told_kind = event.error_type.text();
    match &event.error {
        Loose::Text(message) if !message.is_empty() => state.fail(told_kind, message),
        Loose::Object(fault) => fail(state, fault),
        _ => {}
    }
    let is_error = event.kind.text() == Some("error") || event.object.text() == Some("error");
    if is_error && let Some(message) = event.message.text() {
        state.fail(event.code.text().or(event.kind.text()), message);
    }
    match &event.detail {
        Loose::Text(message) if event.choices.is_nothing() => state.fail(None, message),
        Loose::List(faults) if event.choices.is_nothing() => {
            if let Some(fault) = faults.first() {
                fail(state, fault);
            }
        }
        _ => {}
    }
}

fn fail(state: &mut State, fault: &Fault<'_>) {
    let code = fault.code.whole().map(|code| code.to_string());
    let kind = fault.kind.text().or(fault.code.text()).or(code.as_deref());
    let message = fault.message.text().or(fault.msg.text());
    state.fail(kind, message.unwrap_or_default());
}

fn openai_choice(state: &mut State, choice: &Choice<'_>, at: Duration) {
    let index = choice.index.whole().unwrap_or(0);
    for delta in [&choice.delta, &choice.message].into_iter().filter_map(Loose::object) {
        message(state, index, delta);
    }
    state.output(index, Piece::Text(choice.text.words()));
    match choice.finish_reason.text() {
        Some(reason) => state.finish(index, Some(reason), at),
        None => state.choice_seen(index),
    }
}

/// The message, or the piece of one, of OpenAI's chat and of Ollama's.
fn message(state: &mut State, index: u64, delta: &Delta<'_>) {
    let reasoning = delta.reasoning_content.text();
    let reasoning = reasoning.or(delta.reasoning.text()).or(delta.thinking.text());
    state.output(index, Piece::Reasoning(reasoning.unwrap_or_default()));
    state.output(index, Piece::Text(delta.content.words()));
    for part in delta.content.list() {
        state.output(index, Piece::Text(part.text.words()));
        state.output(index, Piece::Reasoning(part.thinking.words()));
    }
    state.output(index, Piece::Text(delta.refusal.words()));
    for call in delta.tool_calls.list() {
        if let Some(function) = call.function.object() {
            // Without a number a name begins another call.
            let number = call.index.whole().or(function.index.whole());
            let is_new = function.name.text().is_some();
            let number = number.unwrap_or_else(|| state.unnumbered_call(index, is_new));
            state.output(index, Piece::ToolName(number, function.name.words()));
            state.output(index, Piece::ToolArguments(number, &arguments(function.arguments)));
        }
    }
    if let Some(function) = delta.function_call.object() {
        state.output(index, Piece::ToolName(0, function.name.words()));
        state.output(index, Piece::ToolArguments(0, &arguments(function.arguments)));
    }
}

/// A string that holds JSON, or the JSON.
fn arguments(raw: Option<&RawValue>) -> Cow<'_, str> {
    let Some(raw) = raw.map(RawValue::get) else { return Cow::Borrowed("") };
    match serde_json::from_str::<Anything<'_>>(raw) {
        Ok(Loose::Text(text)) => text,
        _ => Cow::Borrowed(raw),
    }
}

/// Whether it was one of Anthropic's events, or its whole message.
fn anthropic(state: &mut State, event: &Event<'_>, kind: &str, at: Duration) -> bool {
    let index = event.index.whole().unwrap_or(0);
    match kind {
        "message_start" => {
            if let Some(message) = event.message.object() {
                state.identify(message.id.text(), message.model.text());
                // Its output tokens are those before the first.
                if let Some(usage) = message.usage.object() {
                    state.usage_of_input(usage);
                }
            }
            state.choice_seen(0);
        }
        "content_block_start" => {
            if let Some(block) = event.content_block.object() {
                state.output(0, Piece::ToolName(index, block.name.words()));
                state.output(0, Piece::Text(block.text.words()));
                state.output(0, Piece::Reasoning(block.thinking.words()));
            }
        }
        "content_block_delta" => {
            if let Some(delta) = event.delta.object() {
                state.output(0, Piece::Text(delta.text.words()));
                state.output(0, Piece::Reasoning(delta.thinking.words()));
                state.output(0, Piece::ToolArguments(index, delta.partial_json.words()));
            }
        }
        "message_delta" => {
            if let Some(reason) = event.delta.object().and_then(|delta| delta.stop_reason.text()) {
                state.finish(0, Some(reason), at);
            }
        }
        "message_stop" => state.has_end_marker = true,
        "message" => {
            for (index, block) in event.content.list().iter().enumerate() {
                whole_block(state, index as u64, block);
            }
            state.finish(0, event.stop_reason.text(), at);
        }
        "content_block_stop" | "ping" => {}
        _ => return false,
    }
    true
}

/// A block of Anthropic's, an item of Responses' output.
fn whole_block(state: &mut State, index: u64, block: &Block<'_>) {
    let is_reasoning = block.kind.text() == Some("reasoning");
    state.output(0, Piece::Text(block.text.words()));
    state.output(0, Piece::Reasoning(block.thinking.words()));
    for part in block.content.list().iter().chain(block.summary.list()) {
        let text = part.text.text().or(part.refusal.text()).unwrap_or_default();
        let piece = if is_reasoning { Piece::Reasoning(text) } else { Piece::Text(text) };
        state.output(0, piece);
    }
    if let Some(name) = block.name.text() {
        state.output(0, Piece::ToolName(index, name));
        state.output(0, Piece::ToolArguments(index, &arguments(block.arguments.or(block.input))));
    }
}

fn responses(state: &mut State, event: &Event<'_>, kind: &str, at: Duration) {
    let index = event.output_index.whole().unwrap_or(0);
    if let Some(answer) = event.response.object() {
        state.identify(answer.id.text(), answer.model.text());
        if let Some(usage) = answer.usage.object() {
            state.usage(usage);
        }
        if let Some(fault) = answer.error.object() {
            fail(state, fault);
        }
        state.choice_seen(0);
        if matches!(kind, "response.completed" | "response.incomplete" | "response.failed") {
            state.finish(0, answer.status.text(), at);
            state.has_end_marker = true;
        }
        if kind == "response.failed" {
            state.fail(None, "");
        }
    } else if kind == "response.output_item.added" {
        let name = event.item.object().and_then(|item| item.name.text());
        state.output(0, Piece::ToolName(index, name.unwrap_or_default()));
    } else if kind.ends_with(".delta") {
        let text = event.delta.words();
        let is_tool = ["arguments", "tool_call", "code"].iter().any(|word| kind.contains(word));
        state.output(
            0,
            match kind {
                _ if kind.contains("reasoning") => Piece::Reasoning(text),
                _ if is_tool => Piece::ToolArguments(index, text),
                _ => Piece::Text(text),
            },
        );
    } else if kind.is_empty() {
        for (index, item) in event.output.list().iter().enumerate() {
            whole_block(state, index as u64, item);
        }
        state.finish(0, event.status.text(), at);
    }
}

fn transcript(state: &mut State, event: &Event<'_>, kind: &str, at: Duration) {
    if kind == "transcript.text.delta" {
        state.output(0, Piece::Text(event.delta.words()));
    } else if kind == "transcript.text.done" {
        state.finish(0, None, at);
        state.has_end_marker = true;
    }
}

fn ollama(state: &mut State, event: &Event<'_>, at: Duration) {
    state.choice_seen(0);
    if let Some(delta) = event.message.object() {
        message(state, 0, delta);
    }
    state.output(0, Piece::Reasoning(event.thinking.words()));
    state.output(0, Piece::Text(event.response.words()));
    if event.done.is_true() {
        let reason = event.done_reason.text();
        if matches!(reason, Some("load" | "unload")) {
            state.is_generation = false;
        }
        state.input_tokens(event.prompt_eval_count.whole(), None);
        state.output_tokens(event.eval_count.whole());
        ollama_durations(state, event);
        state.finish(0, reason, at);
        state.has_end_marker = true;
    }
}

fn ollama_durations(state: &mut State, event: &Event<'_>) {
    let nanos = |number: &Loose<'_>| number.whole().map(Duration::from_nanos);
    let engine = &mut state.engine;
    engine.load = nanos(&event.load_duration).or(engine.load);
    engine.prefill = nanos(&event.prompt_eval_duration).or(engine.prefill);
    engine.decode = nanos(&event.eval_duration).or(engine.decode);
    let tokens = event.eval_count.whole().filter(|tokens| *tokens > 0);
    if let (Some(decode), Some(tokens)) = (nanos(&event.eval_duration), tokens) {
        engine.tpot = Some(decode.div_f64(tokens as f64));
    }
    engine.total = nanos(&event.total_duration).or(engine.total);
}

fn llamacpp(state: &mut State, event: &Event<'_>, at: Duration) {
    let index = event.index.whole().unwrap_or(0);
    state.output(index, Piece::Text(event.content.words()));
    state.input_tokens(event.tokens_evaluated.whole(), None);
    state.output_tokens(event.tokens_predicted.whole());
    if event.stop.is_true() {
        state.finish(index, event.stop_type.text(), at);
        state.has_end_marker = true;
    } else {
        state.choice_seen(index);
    }
}

fn tgi(state: &mut State, event: &Event<'_>, at: Duration) {
    let generated = event.generated_text.text();
    match event.token.object() {
        Some(token) if !token.special.is_true() => {
            state.output(0, Piece::Text(token.text.words()));
        }
        Some(_) => {}
        None => state.output(0, Piece::Text(generated.unwrap_or_default())),
    }
    let details = event.details.object();
    state.output_tokens(details.and_then(|details| details.generated_tokens.whole()));
    let reason = details.and_then(|details| details.finish_reason.text());
    if reason.is_some() || matches!(event.generated_text, Loose::Text(_)) {
        state.finish(0, reason, at);
        state.has_end_marker = true;
    } else {
        state.choice_seen(0);
    }
}

fn sglang(state: &mut State, event: &Event<'_>, at: Duration) {
    let Some(meta) = event.meta_info.object() else { return };
    state.identify(meta.id.text(), None);
    state.input_tokens(meta.prompt_tokens.whole(), meta.cached_tokens.whole());
    state.output_tokens(meta.completion_tokens.whole());
    state.output_so_far(event.text.words());
    state.engine.total = meta.e2e_latency.number().and_then(seconds).or(state.engine.total);
    match meta.finish_reason.reason() {
        Some(reason) => state.finish(0, Some(reason), at),
        None => state.choice_seen(0),
    }
}
