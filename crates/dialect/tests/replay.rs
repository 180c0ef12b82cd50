//! Replays captured responses of real engines against what an independent reader (`capture.py` beside the
//! captures) saw in them: whole, byte by byte, and cut in two at every byte.
//!
//! The captures are in `shared` beside the repository, a few of them in `fixtures` here; where `shared` is
//! absent, only those are replayed, and the tests say so.

#[cfg(test)]
mod capture;

use std::{sync::LazyLock, time::Duration};

use capture::{Capture, documents, millis, say, streams};
use dialect::{Api, Count, End, Fold, Summary, peek, usage};
use proptest::{prelude::*, sample::Index};

const SHORT_BYTES: usize = 3000;
const STRETCH_BYTES: usize = 97;

/// What must be the same however the body was cut.
fn timeless(mut summary: Summary) -> Summary {
    for time in [
        &mut summary.time_to_first_chunk,
        &mut summary.ttft,
        &mut summary.ttst,
        &mut summary.ttfa,
        &mut summary.last_output,
        &mut summary.e2e,
        &mut summary.tpot,
    ] {
        *time = None;
    }
    for choice in &mut summary.choices {
        (choice.ttft, choice.last_output, choice.finished) = (None, None, None);
    }
    summary.gaps = dialect::Gaps::default();
    summary
}

fn fold(capture: &Capture) -> Fold {
    Fold::of_response(capture.api, Some(&capture.content_type), true).keep_text(1 << 20)
}

#[test]
fn every_captured_stream_is_read_as_it_was_observed() {
    let captures = streams();
    for capture in &captures {
        capture.check(&capture.summary(fold(capture)));
    }
    assert!(captures.len() >= 8, "only {} streams", captures.len());
}

#[test]
fn cutting_changes_nothing_but_times() {
    for capture in &streams() {
        let bytes = capture.bytes();
        let cut = |chunks: &[&[u8]]| {
            let mut fold = fold(capture);
            for chunk in chunks {
                fold.push(chunk, millis(1.0));
            }
            timeless(fold.finish(capture.ended, millis(1.0)))
        };
        let whole = cut(&[&bytes]);
        assert_eq!(whole, timeless(capture.summary(fold(capture))), "{}", capture.name);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(cut(&single), whole, "{} byte by byte", capture.name);
        // Short bodies are cut in two at every byte. Of the others every byte is cut as well, but many in
        // one pass, with whole stretches between them.
        if bytes.len() <= SHORT_BYTES {
            for at in 0..bytes.len() {
                let (left, right) = bytes.split_at(at);
                assert_eq!(cut(&[left, right]), whole, "{} cut at {at}", capture.name);
            }
        }
        for at in 0..STRETCH_BYTES.min(bytes.len()) {
            let (left, right) = bytes.split_at(at);
            let chunks: Vec<&[u8]> =
                [left].into_iter().chain(right.chunks(STRETCH_BYTES)).collect();
            assert_eq!(cut(&chunks), whole, "{} cut from {at}", capture.name);
        }
    }
}

proptest! {
    /// Real bytes with a few of them lost, doubled or changed.
    #[test]
    fn damaged_streams_are_read_without_panic_however_they_are_cut(
        which in any::<Index>(),
        damages in prop::collection::vec((any::<Index>(), 0_usize..40, any::<u8>()), 1..4),
        size in 1_usize..200,
    ) {
        static STREAMS: LazyLock<Vec<Capture>> = LazyLock::new(streams);
        let capture = which.get(&STREAMS);
        let mut bytes = capture.bytes();
        for (at, length, byte) in &damages {
            let at = at.index(bytes.len());
            let end = (at + length).min(bytes.len());
            match byte % 3 {
                0 => drop(bytes.drain(at..end)),
                1 => bytes.extend_from_within(at..end),
                _ => bytes[at] = *byte,
            }
            bytes.push(b'\n');
        }
        let cut = |chunks: &mut dyn Iterator<Item = &[u8]>| {
            let mut fold = fold(capture);
            chunks.for_each(|chunk| fold.push(chunk, millis(1.0)));
            fold.finish(capture.ended, millis(1.0))
        };
        let whole = cut(&mut [&bytes[..]].into_iter());
        prop_assert_eq!(cut(&mut bytes.chunks(size)), whole);
    }
}

/// Outcome; tokens in, out, cached, reasoning (`~` estimated, `-` not told); TPOT as computed and as the engine
/// tells it, in milliseconds; `hidden` tokens.
fn told(summary: &Summary) -> String {
    let count = |count: Option<Count>| match count {
        Some(Count { value, is_exact: true }) => value.to_string(),
        Some(Count { value, is_exact: false }) => format!("~{value}"),
        None => "-".to_owned(),
    };
    let time = |time: Option<Duration>| {
        time.map_or("-".to_owned(), |time| format!("{:.3}", time.as_secs_f64() * 1e3))
    };
    let tokens = &summary.tokens;
    let counts = [tokens.input, tokens.output, tokens.cached, tokens.reasoning].map(count);
    let hidden = if summary.has_hidden_tokens { " hidden" } else { "" };
    let [tpot, engine] = [summary.tpot, summary.engine.tpot].map(time);
    format!("{:?} {} {tpot} {engine}{hidden}", summary.outcome, counts.join(" "))
}

/// Section 8 of the reference and the README of the captures.
const STREAMS: &[(&str, &str)] = &[
    ("llamacpp-b10434/chat-stream-usage", "Ok 39 48 24 - 4.469 4.470"),
    ("llamacpp-b10434/completions-stream", "Ok 6 32 0 - 4.694 4.696"),
    ("llamacpp-b10434/chat-stream-long-prompt", "Ok 1580 7 24 - 8.219 8.224"),
    ("llamacpp-b10434/responses-stream", "Ok 39 24 38 - 4.797 4.796"),
    ("llamacpp-b10434/chat-stream-reasoning", "Ok 20 12 0 ~3 4.796 4.793 hidden"),
    ("llamacpp-b10434/chat-stream-tool", "Ok 358 38 0 - 3.725 5.741 hidden"),
    ("llamacpp-b10434/chat-stream-n2", "Ok 39 24 24 - 9.399 9.402"),
    ("llamacpp-b10434/chat-stream-one-token", "Ok 39 1 38 - - -"),
    ("llamacpp-b10434/chat-stream-empty", "Ok 39 1 38 - - -"),
    ("llamacpp-b10434/chat-stream-ping", "Ok 3424 8 0 - 13.180 13.176"),
    ("llamacpp-b10434/chat-stream-timings", "Ok 37 4 24 - 4.890 4.876"),
    ("llamacpp-b10434/chat-stream-context-full", "Ok 186 70 0 - 6.097 6.097"),
    ("llamacpp-b10434/completions-stream-emoji", "Ok 37 24 0 - 4.462 4.701"),
    ("llamacpp-b10434/native-completion-stream", "Ok 6 16 0 - 4.876 4.870"),
    ("llamacpp-b10434/messages-stream", "Ok 39 32 38 - 4.613 -"),
    ("llamacpp-b10434/messages-stream-tool", "Ok 358 38 357 - 3.669 - hidden"),
    ("llamacpp-b10434/chat-stream-client-abort", "Cancelled - ~5 - - 4.747 -"),
    ("llamacpp-b10434/chat-stream-engine-killed", "Truncated - ~5 - - 8.318 -"),
    ("vllm-0.32.0/chat-stream-usage", "Ok 39 48 - - 16.333 -"),
    ("vllm-0.32.0/chat-stream-usage-continuous", "Ok 37 8 - - 17.183 -"),
    ("vllm-0.32.0/chat-stream", "Ok - ~7 - - 19.021 -"),
    ("vllm-0.32.0/messages-stream", "Ok 39 32 - - 17.603 -"),
    ("vllm-0.32.0/completions-stream-interval4", "Ok 6 32 - - 16.945 -"),
    ("vllm-0.32.0/completions-stream-emoji", "Ok 37 24 - - 16.694 -"),
    ("vllm-0.32.0/chat-stream-n2", "Ok 39 24 - - 18.547 -"),
    ("vllm-0.32.0/chat-stream-tool", "Ok 37 48 - - 10.106 - hidden"),
    ("vllm-0.32.0/chat-stream-reasoning", "Ok 20 32 - ~5 17.484 - hidden"),
    ("vllm-0.32.0/chat-stream-hidden-reasoning", "Ok 22 32 - - - -"),
    ("vllm-0.32.0/messages-stream-reasoning", "Ok 20 8 - ~3 15.830 - hidden"),
    ("vllm-0.32.0/responses-stream", "Ok 39 24 0 0 17.765 -"),
    ("vllm-0.32.0/chat-stream-one-token", "Ok 39 1 - - - -"),
    ("vllm-0.32.0/chat-stream-empty", "Ok 39 1 - - - -"),
    ("vllm-0.32.0/chat-stream-client-abort", "Cancelled - ~5 - - 17.088 -"),
    ("vllm-0.32.0/chat-stream-engine-stopped", "Timeout - ~5 - - 15.531 -"),
    ("vllm-0.32.0/chat-stream-core-killed", "Error - ~3 - ~3 65.913 -"),
    ("ollama-handwritten/chat-stream", "Ok 32 8 - - 18.000 15.875"),
    ("ollama-handwritten/chat-stream-thinking", "Ok 24 15 - ~7 20.000 18.733"),
    ("ollama-handwritten/chat-stream-tool-two", "Ok 176 47 - - 3.370 9.362 hidden"),
    ("ollama-handwritten/chat-stream-error", "Error - ~4 - - 18.000 -"),
    ("ollama-handwritten/chat-stream-truncated", "Truncated - ~4 - - 18.000 -"),
    ("ollama-handwritten/generate-stream", "Ok 32 8 - - 18.000 15.875"),
];

#[test]
fn tokens_outcomes_and_times_per_token_are_those_of_the_reference() {
    let mut checked = 0;
    for capture in &streams() {
        let expected = STREAMS.iter().find(|(name, _)| *name == capture.name);
        if let Some((name, expected)) = expected {
            assert_eq!(told(&capture.summary(fold(capture))), *expected, "{name}");
            checked += 1;
        }
    }
    assert!(checked == STREAMS.len() || checked >= 15, "only {checked} streams were there");
}

#[test]
fn a_stream_keeps_no_text_unless_asked() {
    for capture in &streams() {
        let summary = capture.summary(Fold::new(capture.api, true));
        assert!(summary.kept.is_empty(), "{}", capture.name);
        let cut = capture.summary(Fold::new(capture.api, true).keep_text(5));
        let bytes: usize = cut.kept.iter().map(|kept| kept.text.len() + kept.reasoning.len()).sum();
        assert!(bytes <= 5, "{}", capture.name);
    }
}

#[test]
fn what_ollama_loads_is_inside_the_time_to_the_first_token() {
    let cold = streams().into_iter().find(|capture| capture.name.ends_with("chat-stream-cold"));
    let Some(cold) = cold else { return say("../shared is absent: nothing was checked") };
    let summary = cold.summary(fold(&cold));
    assert_eq!(summary.engine.load, Some(Duration::from_nanos(6_338_200_000)));
    assert_eq!(summary.engine.prefill, Some(Duration::from_millis(140)));
    assert!(summary.ttft > summary.engine.load);
}

#[test]
fn whole_answers_are_read_as_their_status_says() {
    let documents = documents();
    assert!(documents.len() >= 8, "only {} documents", documents.len());
    for (name, api, status, body) in documents {
        let mut fold = Fold::new(api, false).keep_text(1 << 16);
        for chunk in body.chunks(7) {
            fold.push(chunk, millis(3.0));
        }
        let summary = fold.finish(End::Complete, millis(9.0));
        let expected = if status < 400 { "Ok" } else { "Error" };
        assert_eq!(format!("{:?}", summary.outcome), expected, "{name}");
        assert_eq!(summary.error.is_some(), status >= 400, "{name}");
        assert_eq!((summary.ttft, summary.tpot, summary.output_events), (None, None, 0), "{name}");
        assert_eq!(summary.e2e, Some(millis(3.0)), "{name}");
        if let Some((_, expected)) = DOCUMENTS.iter().find(|(known, _)| *known == name) {
            let kept = summary.kept.first().cloned().unwrap_or_default();
            let calls =
                kept.tool_calls.iter().map(|call| format!("{}{}", call.name, call.arguments));
            let said = kept
                .text
                .chars()
                .take(11)
                .chain(calls.collect::<String>().chars())
                .collect::<String>();
            let reasons: Vec<&str> = summary.finish_reasons().collect();
            let error = summary.error.as_ref().and_then(|error| error.kind.as_deref());
            let is = if summary.is_generation { "" } else { " no generation" };
            let told =
                format!("{} {reasons:?} {said:?} {}{is}", told(&summary), error.unwrap_or("-"));
            assert_eq!(told, *expected, "{name}");
        }
    }
}

/// As above, then finish reasons, the beginning of what was said, and the kind of the error.
const DOCUMENTS: &[(&str, &str)] = &[
    ("llamacpp-b10434/chat-json", r#"Ok 37 24 24 - - 4.809 ["length"] "L'Étoile, l" -"#),
    (
        "llamacpp-b10434/chat-json-tool",
        r#"Ok 358 38 357 - - 5.824 ["tool_calls"] "get_weather{\"city\": \"Paris\", \"unit\": \"celsius\"}" -"#,
    ),
    ("llamacpp-b10434/error-auth-none", r#"Error - - - - - - [] "" authentication_error"#),
    ("llamacpp-b10434/error-model-chat", r#"Ok 37 4 36 - - 4.487 ["length"] "The capital" -"#),
    ("llamacpp-b10434/messages-json", r#"Ok 37 16 24 - - - ["max_tokens"] "L'Étoile, l" -"#),
    ("llamacpp-b10434/responses-json", r#"Ok 37 16 36 - - - ["completed"] "L'Étoile, l" -"#),
    ("ollama-handwritten/chat-json", r#"Ok 32 8 - - - 15.875 ["stop"] "The capital" -"#),
    ("ollama-handwritten/embed", r#"Ok 1 - - - - - [] "" - no generation"#),
    ("ollama-handwritten/error-model", r#"Error - - - - - - [] "" -"#),
    ("ollama-handwritten/generate-load", r#"Ok - - - - - - ["load"] "" - no generation"#),
    ("ollama-handwritten/generate-unload", r#"Ok - - - - - - ["unload"] "" - no generation"#),
    ("vllm-0.32.0/chat-json-tool", r#"Ok 37 48 - - - - ["tool_calls"] "get_weather\"Paris\"" -"#),
    ("vllm-0.32.0/completions-json", r#"Ok 6 16 - - - - ["length"] " the creati" -"#),
    ("vllm-0.32.0/error-auth-none", r#"Error - - - - - - [] "" -"#),
    ("vllm-0.32.0/error-context-messages", r#"Error - - - - - - [] "" BadRequestError"#),
    ("vllm-0.32.0/error-model-chat", r#"Error - - - - - - [] "" NotFoundError"#),
    ("vllm-0.32.0/messages-count-tokens", r#"Ok 37 - - - - - [] "" - no generation"#),
    ("vllm-0.32.0/messages-json", r#"Ok 37 8 - - - - ["end_turn"] "The capital" -"#),
    ("vllm-0.32.0/responses-json", r#"Ok 37 8 0 0 - - ["completed"] "The capital" -"#),
];

/// The usage is asked for where the client did not, and what the client then gets is what it would have got.
#[test]
fn the_event_of_an_injected_usage_is_taken_out_again() {
    let mut removed = 0;
    for capture in streams() {
        if !matches!(capture.api, Api::OpenAiChat | Api::OpenAiCompletions) {
            continue;
        }
        let bytes = capture.bytes();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let is_usage =
            |event: &str| event.contains("\"choices\":[]") && event.contains("\"usage\":{");
        let expected: String =
            text.split_inclusive("\n\n").filter(|event| !is_usage(event)).collect();
        for size in [1, 7, 100, bytes.len()] {
            let mut filter = usage::Filter::default();
            let mut passed = Vec::new();
            for chunk in bytes.chunks(size) {
                match filter.push(chunk) {
                    usage::Passed::Unchanged => passed.extend_from_slice(chunk),
                    usage::Passed::Changed(bytes) => passed.extend(bytes),
                }
            }
            passed.extend(filter.finish());
            assert!(passed == expected.as_bytes(), "{} in {size}", capture.name);
        }
        removed += usize::from(expected != text);
        let request = peek(capture.api, None, &capture.request).unwrap();
        let injected = usage::inject(&capture.request, &request);
        assert_eq!(injected.is_none(), request.includes_usage, "{}", capture.name);
    }
    assert!(removed >= 3, "only {removed} streams told a usage");
}
