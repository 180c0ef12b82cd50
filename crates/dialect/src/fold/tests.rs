use proptest::prelude::*;

use super::*;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A stream of which each event comes 10 ms after the one before.
fn stream(api: Api, events: &[&str], ended: End) -> Summary {
    let mut fold = Fold::new(api, true).keep_text(1000);
    let is_lines = matches!(api, Api::OllamaChat | Api::OllamaGenerate);
    for (number, event) in events.iter().enumerate() {
        let event = if is_lines { format!("{event}\n") } else { format!("data: {event}\n\n") };
        fold.push(event.as_bytes(), millis(10 * (number as u64 + 1)));
    }
    fold.finish(ended, millis(1000))
}

fn document(api: Api, body: &str) -> Summary {
    let mut fold = Fold::new(api, false).keep_text(1000);
    fold.push(body.as_bytes(), millis(10));
    fold.finish(End::Complete, millis(20))
}

/// Outcome, what was said, finish reasons, tokens in and out, the error.
#[track_caller]
fn check(summary: &Summary, expected: &str) {
    let kept = summary.kept.first().cloned().unwrap_or_default();
    let calls: String =
        kept.tool_calls.iter().map(|call| format!("{}({})", call.name, call.arguments)).collect();
    let count = |count: Option<Count>| match count {
        Some(count) if count.is_exact => count.value.to_string(),
        Some(count) => format!("~{}", count.value),
        None => "-".to_owned(),
    };
    let reasons: Vec<&str> = summary.finish_reasons().collect();
    let error = summary.error.as_ref().map_or(String::new(), |error| {
        format!(" {}: {}", error.kind.as_deref().unwrap_or("-"), error.message)
    });
    let told = format!(
        "{:?} '{}' <{}> {calls} {} {} {}{error}",
        summary.outcome,
        kept.text,
        kept.reasoning,
        reasons.join("+"),
        count(summary.tokens.input),
        count(summary.tokens.output),
    );
    assert_eq!(told, expected);
}

/// Written after TGI's and MindIE's documentation.
#[test]
fn tgi_is_read() {
    let events = [
        r#"{"index":1,"token":{"id":1,"text":"a","special":false},"generated_text":null,"details":null}"#,
        r#"{"index":2,"token":{"id":2,"text":"</s>","special":true},"generated_text":"a",
            "details":{"finish_reason":"eos_token","generated_tokens":2}}"#,
    ]
    .map(|event| event.replace('\n', ""));
    let summary = stream(Api::GenerateStream, &[&events[0], &events[1]], End::Complete);
    check(&summary, "Ok 'a' <>  eos_token - 2");
    assert_eq!((summary.ttft, summary.e2e), (Some(millis(10)), Some(millis(20))));
    assert_eq!(summary.tpot, Some(millis(10)));
    let body =
        r#"[{"generated_text":"ab","details":{"finish_reason":"length","generated_tokens":2}}]"#;
    check(&document(Api::Generate, body), "Ok 'ab' <>  length - 2");
    let error = r#"{"error":"Request failed","error_type":"generation"}"#;
    let summary = stream(Api::GenerateStream, &[&events[0], error], End::Complete);
    check(&summary, "Error 'a' <>   - ~1 generation: Request failed");
}

/// Written after SGLang's source: the text is repeated from the beginning in every event.
#[test]
fn sglang_is_read() {
    let meta = |reason: &str, tokens: u32| {
        format!(
            r#""meta_info":{{"id":"x","finish_reason":{reason},"prompt_tokens":5,"completion_tokens":{tokens},
            "cached_tokens":3,"e2e_latency":0.25}}"#
        )
        .replace('\n', "")
    };
    let events = [
        format!(r#"{{"text":"a",{}}}"#, meta("null", 1)),
        format!(r#"{{"text":"abc",{}}}"#, meta("null", 3)),
        format!(r#"{{"text":"abc",{}}}"#, meta(r#"{"type":"length","length":3}"#, 3)),
        "[DONE]".to_owned(),
    ];
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let summary = stream(Api::Generate, &events, End::Complete);
    check(&summary, "Ok 'abc' <>  length 5 3");
    assert_eq!(summary.tokens.cached, Some(Count { value: 3, is_exact: true }));
    assert_eq!(summary.engine.total, Some(millis(250)));
    assert!(summary.has_end_marker);
}

/// Written after OpenAI's documentation.
#[test]
fn speech_is_read() {
    let events = [
        r#"{"type":"transcript.text.delta","delta":"Hel"}"#,
        r#"{"type":"transcript.text.delta","delta":"lo"}"#,
        r#"{"type":"transcript.text.done","text":"Hello","usage":{"type":"tokens","input_tokens":14,"output_tokens":2}}"#,
    ];
    check(&stream(Api::Transcription, &events, End::Complete), "Ok 'Hello' <>   14 2");
    check(&document(Api::Transcription, r#"{"text":"Hello"}"#), "Ok 'Hello' <>   - -");
    check(&document(Api::Transcription, "1\n00:00 --> 00:01\nHello\n"), "Ok '' <>   - -");
    let mut broken = Fold::new(Api::Transcription, false);
    broken.push(b"1\n00:00", millis(10));
    assert_eq!(broken.finish(End::Broken, millis(10)).outcome, Outcome::Truncated);
}

/// Written after Ollama's documentation: calls come whole, one or more in an event, with a number or not.
#[test]
fn tool_calls_without_a_number_are_told_apart() {
    let event = |calls: &str| format!(r#"{{"message":{{"tool_calls":[{calls}]}},"done":false}}"#);
    let call = |rest: &str| format!(r#"{{"function":{{"arguments":{{}},{rest}}}}}"#);
    let events = [
        event(&call(r#""name":"f""#)),
        event(&[call(r#""name":"g""#), call(r#""name":"h""#)].join(",")),
        event(&call(r#""name":"i","index":3"#)),
        r#"{"done":true,"done_reason":"stop"}"#.to_owned(),
    ];
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let summary = stream(Api::OllamaChat, &events, End::Complete);
    check(&summary, "Ok '' <> f({})g({})h({})i({}) stop - ~3");
}

/// Written after OpenAI's and Cohere's documentation.
#[test]
fn answers_without_tokens_of_output_are_read() {
    let body = r#"{"object":"list","data":[{"embedding":[0.1,0.2]}],"model":"e",
        "usage":{"prompt_tokens":8,"total_tokens":8}}"#;
    let summary = document(Api::OpenAiEmbeddings, body);
    check(&summary, "Ok '' <>   8 -");
    assert_eq!((summary.model.as_deref(), summary.e2e), (Some("e"), Some(millis(10))));
    let body = r#"{"results":[{"index":0,"relevance_score":0.9}],"usage":{"total_tokens":7}}"#;
    check(&document(Api::Rerank, body), "Ok '' <>   - -");
}

/// Written after OpenAI's documentation.
#[test]
fn responses_that_fail_or_call_are_read() {
    let failed = r#"{"type":"response.failed","response":{"id":"r","status":"failed",
        "error":{"code":"server_error","message":"gone"}}}"#
        .replace('\n', "");
    let summary = stream(Api::OpenAiResponses, &[&failed], End::Complete);
    check(&summary, "Error '' <>  failed - - server_error: gone");
    let events = [
        r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","name":"f"}}"#,
        r#"{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{}"}"#,
        r#"{"type":"response.function_call_arguments.done","output_index":0,"arguments":"{}"}"#,
        r#"{"type":"response.refusal.delta","delta":"no"}"#,
        r#"{"type":"error","code":"x","message":"stopped"}"#,
    ];
    let summary = stream(Api::OpenAiResponses, &events, End::Complete);
    check(&summary, "Error 'no' <> f({})  - ~3 x: stopped");
}

#[test]
fn errors_are_read_in_every_shape() {
    let check = |body: &str, kind: Option<&str>, message: &str| {
        for summary in [
            document(Api::OpenAiChat, body),
            stream(Api::OpenAiChat, &[body, "[DONE]"], End::Complete),
        ] {
            assert_eq!(summary.outcome, Outcome::Error, "{body}");
            let error = summary.error.unwrap();
            assert_eq!((error.kind.as_deref(), error.message.as_str()), (kind, message), "{body}");
        }
    };
    check(r#"{"error":{"message":"m","type":"t","code":400}}"#, Some("t"), "m");
    check(r#"{"error":{"message":"m","code":400}}"#, Some("400"), "m");
    check(r#"{"error":{}}"#, None, "");
    check(r#"{"error":"Unauthorized"}"#, None, "Unauthorized");
    check(
        r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
        Some("overloaded_error"),
        "m",
    );
    check(r#"{"detail":"Not Found"}"#, None, "Not Found");
    check(
        r#"{"detail":[{"type":"missing","loc":["body"],"msg":"Field required"}]}"#,
        Some("missing"),
        "Field required",
    );
    check(
        r#"{"object":"error","message":"m","type":"NotFoundError","code":404}"#,
        Some("NotFoundError"),
        "m",
    );
    let html = document(Api::OpenAiChat, "<html><body>502 Bad Gateway</body></html>");
    assert_eq!((html.outcome, html.error, html.malformed_events), (Outcome::Truncated, None, 1));
    let nothing = document(Api::OpenAiChat, "");
    assert_eq!(
        (nothing.outcome, nothing.e2e, nothing.malformed_events),
        (Outcome::Truncated, None, 0)
    );
}

const TOKEN: &str = r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#;
const FINISH: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

#[test]
fn outcomes_follow_from_the_end_and_what_came_before() {
    let check = |events: &[&str], expected: [Outcome; 4]| {
        let ends = [End::Complete, End::ClientClosed, End::Broken, End::Timeout];
        let outcomes = ends.map(|end| stream(Api::OpenAiChat, events, end).outcome);
        assert_eq!(outcomes, expected, "{events:?}");
    };
    use Outcome::{Cancelled, Error, Ok, Timeout, Truncated};
    check(&[], [Truncated, Cancelled, Truncated, Timeout]);
    check(&[TOKEN], [Truncated, Cancelled, Truncated, Timeout]);
    check(&[TOKEN, "[DONE]"], [Truncated, Cancelled, Truncated, Timeout]);
    check(&[TOKEN, FINISH], [Ok, Ok, Truncated, Timeout]);
    check(&[TOKEN, FINISH, "[DONE]"], [Ok; 4]);
    check(&[TOKEN, FINISH, r#"{"error":"x"}"#, "[DONE]"], [Error; 4]);
    let other = r#"{"choices":[{"index":1,"delta":{"role":"assistant"}}]}"#;
    check(&[TOKEN, other, FINISH], [Truncated, Cancelled, Truncated, Timeout]);
}

#[test]
fn input_is_the_whole_prompt() {
    let check = |api: Api, usage: &str, input: u64, cached: u64| {
        let tokens = document(api, &format!(r#"{{"usage":{usage}}}"#)).tokens;
        let exact = |value: u64| Some(Count { value, is_exact: true });
        assert_eq!((tokens.input, tokens.cached), (exact(input), exact(cached)), "{usage}");
    };
    check(
        Api::AnthropicMessages,
        r#"{"input_tokens":1,"cache_read_input_tokens":38,"cache_creation_input_tokens":4}"#,
        43,
        38,
    );
    check(
        Api::OpenAiChat,
        r#"{"prompt_tokens":39,"prompt_tokens_details":{"cached_tokens":24}}"#,
        39,
        24,
    );
    // A proxy between them may tell both.
    check(Api::OpenAiChat, r#"{"prompt_tokens":39,"cache_read_input_tokens":24}"#, 39, 24);
    check(
        Api::OpenAiResponses,
        r#"{"input_tokens":39,"input_tokens_details":{"cached_tokens":0}}"#,
        39,
        0,
    );
}

#[test]
fn choices_are_timed_apart() {
    let event = |index: u32, rest: &str| format!(r#"{{"choices":[{{"index":{index},{rest}}}]}}"#);
    let text = r#""delta":{"content":"x"}"#;
    let finish = r#""delta":{},"finish_reason":"stop""#;
    let events = [
        event(1, text),
        event(0, text),
        event(1, text),
        event(0, text),
        event(1, finish),
        event(0, text),
        event(0, finish),
    ];
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let summary = stream(Api::OpenAiChat, &events, End::Complete);
    let times: Vec<_> = summary
        .choices
        .iter()
        .map(|choice| (choice.index, choice.output_events, choice.ttft, choice.finished))
        .collect();
    assert_eq!(
        times,
        [(0, 3, Some(millis(20)), Some(millis(70))), (1, 2, Some(millis(10)), Some(millis(50)))]
    );
    // 50 ms and 40 ms for the 2 and 1 tokens after the first of each.
    assert_eq!(summary.tpot, Some(millis(30)));
    assert_eq!((summary.gaps.count(), summary.gaps.max()), (3, Some(millis(20))));
    assert_eq!(summary.ttst, Some(millis(20)));
}

#[test]
fn tokens_of_one_event_share_its_gap() {
    let event = |tokens: u32| {
        format!(
            r#"{{"choices":[{{"index":0,"delta":{{"content":"x"}}}}],"usage":{{"completion_tokens":{tokens}}}}}"#
        )
    };
    let events = [event(4), event(8), event(9)];
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let summary = stream(Api::OpenAiChat, &events, End::ClientClosed);
    assert_eq!((summary.gaps.count(), summary.gaps.sum()), (5, millis(20)));
    assert_eq!(summary.gaps.min(), Some(Duration::from_micros(2500)));
    // The usage up to an abort is no final one.
    assert_eq!(summary.tokens.output, Some(Count { value: 9, is_exact: false }));
}

#[test]
fn nothing_said_is_in_what_is_printed() {
    let mut fold = Fold::new(Api::OpenAiChat, true);
    fold.push(
        format!("data: {}\n\ndata: {{\"secret", TOKEN.replace("\"a\"", "\"secret\"")).as_bytes(),
        millis(1),
    );
    assert!(!format!("{fold:?}").contains("secret"));
    assert!(!format!("{:?}", fold.finish(End::Broken, millis(1))).contains("secret"));
    let mut filter = crate::usage::Filter::default();
    assert_eq!(filter.push(b"data: secret"), crate::usage::Passed::Changed(Vec::new()));
    assert!(!format!("{filter:?}").contains("secret"));
}

#[test]
fn what_is_too_long_is_cut() {
    let long = "x".repeat(5000);
    let event = format!(
        r#"{{"id":"{long}","model":"{long}","system_fingerprint":"{long}","error":{{"message":"{long}é","type":"{long}"}},
        "choices":[{{"index":0,"delta":{{"content":"{long}"}},"finish_reason":"{long}"}}]}}"#
    )
    .replace('\n', "");
    let summary = stream(Api::OpenAiChat, &[&event], End::Complete);
    let length = |text: Option<&String>| text.map_or(0, String::len);
    assert_eq!(length(summary.response_id.as_ref()), WORD_BYTES_MAX);
    assert_eq!(length(summary.model.as_ref()), MODEL_BYTES_MAX);
    assert_eq!(length(summary.system_fingerprint.as_ref()), WORD_BYTES_MAX);
    assert_eq!(length(summary.choices[0].finish_reason.as_ref()), WORD_BYTES_MAX);
    let error = summary.error.unwrap();
    assert_eq!(
        (error.message.len(), length(error.kind.as_ref())),
        (ERROR_BYTES_MAX, WORD_BYTES_MAX)
    );
    assert_eq!((summary.kept[0].text.len(), summary.kept[0].is_cut), (1000, true));
    let many = (0..500).map(|index| format!(r#"{{"index":{index},"text":"x"}}"#));
    let event = format!(r#"{{"choices":[{}]}}"#, many.collect::<Vec<_>>().join(","));
    let summary =
        stream(Api::OpenAiCompletions, &[&event, &event.replace("\":", "\":1")], End::Complete);
    assert!(summary.choices.len() <= CHOICES_MAX && summary.kept.len() <= CHOICES_MAX);
}

#[test]
fn a_last_event_too_long_to_read_still_ends_the_response() {
    let mut fold = Fold::new(Api::OpenAiResponses, true);
    fold.push(b"data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n", millis(10));
    fold.push(b"event: response.completed\ndata: {\"instructions\":\"", millis(20));
    let long = vec![b'x'; crate::frame::EVENT_BYTES_MAX];
    fold.push(&long, millis(30));
    fold.push(b"\"}\n\n", millis(40));
    let summary = fold.finish(End::Complete, millis(40));
    assert_eq!((summary.outcome, summary.e2e), (Outcome::Ok, Some(millis(40))));
    assert!(summary.dropped_bytes > 0 && summary.has_end_marker);
    let mut fold = Fold::new(Api::OpenAiEmbeddings, false);
    fold.push(b"{\"data\":\"", millis(20));
    fold.push(&long, millis(30));
    assert_eq!(fold.finish(End::Complete, millis(40)).outcome, Outcome::Ok);
}

const APIS: [Api; 8] = [
    Api::OpenAiChat,
    Api::OpenAiCompletions,
    Api::OpenAiResponses,
    Api::AnthropicMessages,
    Api::OllamaChat,
    Api::LlamaCppCompletion,
    Api::Generate,
    Api::Transcription,
];

/// Names and values that mean something, in any combination.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "data: ",
        "event: response.completed",
        "\n",
        "\n\n",
        "\r",
        ": x\n",
        "[DONE]",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "null",
        "true",
        "0",
        "1",
        "18446744073709551615",
        "-1",
        "1e308",
        "\"x\"",
        "\"é\"",
        "\"\\ud800\"",
        "\"id\":",
        "\"type\":",
        "\"response.completed\"",
        "\"message_start\"",
        "\"content_block_delta\"",
        "\"choices\":",
        "\"index\":",
        "\"delta\":",
        "\"content\":",
        "\"usage\":",
        "\"completion_tokens\":",
        "\"timings\":",
        "\"predicted_n\":",
        "\"prompt_ms\":",
        "\"done\":",
        "\"message\":",
        "\"tool_calls\":",
        "\"function\":",
        "\"arguments\":",
        "\"error\":",
        "\"finish_reason\":",
        "\"eval_duration\":",
        "\"eval_count\":",
        "\"meta_info\":",
        "\"text\":",
        "\"stop\":",
        "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}",
        "{\"done\":true}",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..60)
        .prop_map(|words| words.concat().into_bytes())
}

fn folded(api: Api, framing: Framing, chunks: &[&[u8]], at: impl Fn(usize) -> u64) -> Summary {
    let mut fold = Fold::with_framing(api, framing).keep_text(50);
    for (number, chunk) in chunks.iter().enumerate() {
        fold.push(chunk, millis(at(number)));
    }
    fold.finish(End::Complete, millis(at(chunks.len())))
}

proptest! {
    #[test]
    fn anything_is_folded_without_panic_within_its_bounds(
        bytes in prop_oneof![pieces(), prop::collection::vec(any::<u8>(), 0..100)],
        api in prop::sample::select(APIS.to_vec()),
        framing in prop::sample::select(vec![Framing::Sse, Framing::Ndjson, Framing::Whole]),
        times in prop::collection::vec(any::<u64>(), 1..5),
        size in 1_usize..50,
    ) {
        let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
        let summary = folded(api, framing, &chunks, |number| times[number % times.len()]);
        prop_assert!(summary.output_events <= summary.events);
        prop_assert!(summary.kept.iter().map(|kept| kept.text.len() + kept.reasoning.len()).sum::<usize>() <= 50);
        prop_assert!(summary.choices.len() <= CHOICES_MAX);
        prop_assert_eq!(summary.ttft.is_some(), summary.output_events > 0);
    }

    #[test]
    fn cuts_do_not_matter(
        bytes in pieces(),
        api in prop::sample::select(APIS.to_vec()),
        framing in prop::sample::select(vec![Framing::Sse, Framing::Ndjson, Framing::Whole]),
        size in 1_usize..20,
    ) {
        let whole = folded(api, framing, &[&bytes], |_| 5);
        let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
        prop_assert_eq!(folded(api, framing, &chunks, |_| 5), whole);
    }
}
