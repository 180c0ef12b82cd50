use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn read(api: Api, body: &str) -> Result<Peek, PeekError> {
    peek(api, Some("application/json"), body.as_bytes())
}

#[track_caller]
fn check(api: Api, body: &str, expected: &Peek) {
    let mut read = read(api, body).unwrap();
    (read.prefix_hash, read.prompt_bytes, read.model_span) = (None, 0, None);
    read.usage_splice = None;
    assert_eq!(&read, expected, "{body}");
}

#[test]
fn parameters_are_read_under_their_names() {
    let model = Some("m".to_owned());
    check(
        Api::OpenAiChat,
        r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"n":2,"max_tokens":9,
            "max_completion_tokens":7,"temperature":0,"top_p":0.5,"top_k":40,"seed":-3,
            "frequency_penalty":1,"presence_penalty":-1e0,"logprobs":true,"tools":[{"type":"function"}]}"#,
        &Peek {
            model: model.clone(),
            is_streaming: true,
            choices: Some(2),
            max_tokens: Some(7),
            temperature: Some(0.0),
            top_p: Some(0.5),
            top_k: Some(40.0),
            frequency_penalty: Some(1.0),
            presence_penalty: Some(-1.0),
            seed: Some(-3),
            includes_usage: true,
            has_tools: true,
            has_logprobs: true,
            ..Peek::default()
        },
    );
    let streaming = Peek { model: model.clone(), is_streaming: true, ..Peek::default() };
    check(Api::OllamaChat, r#"{"model":"m"}"#, &streaming);
    check(Api::OllamaChat, r#"{"MODEL":"m","Stream":true}"#, &streaming);
    check(Api::OllamaChat, r#"{"model":"m","stream":null}"#, &streaming);
    check(Api::GenerateStream, r#"{"model":"m","stream":false}"#, &streaming);
    let limited = Peek {
        model,
        max_tokens: Some(5),
        temperature: Some(1.5),
        seed: Some(7),
        ..Peek::default()
    };
    check(
        Api::OllamaGenerate,
        r#"{"model":"m","stream":false,"options":{"num_predict":5,"temperature":1.5,"seed":7}}"#,
        &limited,
    );
    check(
        Api::Generate,
        r#"{"model":"m","inputs":"x","parameters":{"max_new_tokens":5,"temperature":1.5,"seed":7}}"#,
        &limited,
    );
    check(
        Api::LlamaCppCompletion,
        r#"{"model":"m","n_predict":5.0,"temperature":1.5,"seed":7,"n_probs":0}"#,
        &limited,
    );
}

#[test]
fn what_is_odd_is_absent() {
    let body = r#"{"model":null,"stream":"true","n":"2","max_tokens":-1,"temperature":[[]],"top_p":{},
        "seed":1.5,"stream_options":[],"options":7,"tools":[],"logprobs":false,"top_k":1e999}"#;
    check(Api::OpenAiChat, body, &Peek::default());
    check(Api::OpenAiEmbeddings, r#"{"stream":true}"#, &Peek::default());
}

#[test]
fn the_model_is_found_where_it_stands() {
    let body = r#"{ "x":"\"model\":1", "mod\u0065l" : "a\/b" }"#;
    let peek = read(Api::OpenAiChat, body).unwrap();
    assert_eq!(peek.model.as_deref(), Some("a/b"));
    assert_eq!(body.get(peek.model_span.clone().unwrap()).unwrap(), r#""a\/b""#);
    let other = peek.with_model(body.as_bytes(), "q\"").unwrap();
    assert_eq!(other, br#"{ "x":"\"model\":1", "mod\u0065l" : "q\"" }"#);
    assert_eq!(read(Api::OpenAiChat, "{}").unwrap().with_model(b"{}", "x"), None);
}

#[test]
fn bodies_that_engines_may_read_otherwise_are_refused() {
    let check = |api, body: &str, expected| {
        assert_eq!(read(api, body).unwrap_err(), expected, "{body}");
    };
    let chat = Api::OpenAiChat;
    check(chat, r#"{"model":"a","model":"a"}"#, PeekError::DuplicateModel);
    check(chat, r#"{"model":"a","mode\u006c":"b"}"#, PeekError::DuplicateModel);
    check(chat, r#"{"model":"a","Model":"b"}"#, PeekError::DuplicateModel);
    check(Api::OllamaChat, r#"{"model":"a","MODEL":"b"}"#, PeekError::DuplicateModel);
    check(chat, r#"{"Model":"b"}"#, PeekError::MiscasedModel);
    check(chat, r#"{"model":["a"]}"#, PeekError::UnreadableModel);
    check(chat, r#"{"model":"\ud800"}"#, PeekError::UnreadableModel);
    let long = format!(r#"{{"model":"{}"}}"#, "x".repeat(MODEL_BYTES_MAX + 1));
    check(chat, &long, PeekError::UnreadableModel);
    check(chat, "[]", PeekError::NotAnObject);
    check(chat, "7", PeekError::NotAnObject);
    check(chat, "", PeekError::NotJson { line: 1, column: 0 });
    check(chat, "{\n\"model\":\"a\"} x", PeekError::NotJson { line: 2, column: 14 });
    check(chat, r#"{"model":"a",}"#, PeekError::NotJson { line: 1, column: 14 });
    // The first mistake counts: a body that is cut off is not called a duplicate.
    check(chat, r#"{"model":"a","model":"a""#, PeekError::NotJson { line: 1, column: 24 });
    assert!(peek(chat, None, b"{\"a\":\"\xFF\"}").is_err());
    assert_eq!(peek(Api::OpenAiModels, None, b"x"), Ok(Peek::default()));
}

#[test]
fn deep_nesting_is_read_without_recursion() {
    let deep = format!(r#"{{"a":{}1{},"model":"m"}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(read(Api::OpenAiChat, &deep).unwrap().model.as_deref(), Some("m"));
    let deep = format!(r#"{{"messages":{}"#, "[{\"a\":".repeat(100_000));
    assert!(read(Api::OpenAiChat, &deep).is_err());
}

#[test]
fn turns_of_a_conversation_share_their_prefix() {
    let hash = |api, body: &str| read(api, body).unwrap().prefix_hash;
    let chat = |messages: &str| hash(Api::OpenAiChat, &format!(r#"{{"messages":[{messages}]}}"#));
    let system = r#"{"role":"system","content":"s"}"#;
    let first = r#"{"role":"user","content":"u"}"#;
    let one = chat(&format!("{system},{first}"));
    assert_eq!(one, chat(&format!("{system},{first},{{\"role\":\"assistant\"}},{first}")));
    assert_ne!(one, chat(&format!("{first},{system}")));
    assert_ne!(one, chat(first));
    assert_ne!(one, chat(&format!("{system},{{\"role\":\"user\",\"content\":\"v\"}}")));
    assert_eq!(hash(Api::OpenAiChat, "{}"), None);
    // A part of the format: it must not change from one version to the next.
    assert_eq!(chat(first), Some(9_177_650_069_924_343_113));
    let ids = |ids: &str| hash(Api::OpenAiCompletions, &format!(r#"{{"prompt":[{ids}]}}"#));
    assert_ne!(ids("1,2,3"), ids("1,2,4"));
    let long = |end: &str| {
        let prompt = "p".repeat(PREFIX_BYTES_MAX);
        hash(Api::OpenAiCompletions, &format!(r#"{{"prompt":"{prompt}{end}"}}"#))
    };
    assert_eq!(long("a"), long("b"));
}

#[test]
fn forms_are_read() {
    let content_type = "multipart/form-data; boundary=b";
    let part = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body = part("file", "abc") + &part("model", "whisper") + &part("stream", "True") + "--b--";
    let form = |body: &str| peek(Api::Transcription, Some(content_type), body.as_bytes());
    let read = form(&body).unwrap();
    assert_eq!((read.model.as_deref(), read.is_streaming), (Some("whisper"), true));
    assert_eq!(read.prompt_bytes, 3);
    let other = read.with_model(body.as_bytes(), "x").unwrap();
    assert_eq!(String::from_utf8(other).unwrap(), body.replace("whisper", "x"));
    let twice = part("model", "a") + &part("model", "b") + "--b--";
    assert_eq!(form(&twice).unwrap_err(), PeekError::DuplicateModel);
    assert_eq!(form("{}").unwrap_err(), PeekError::NotMultipart);
    assert_eq!(form(&(part("Model", "a") + "--b--")).unwrap_err(), PeekError::MiscasedModel);
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(|number: f64| Value::from(number)),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z\"\\\\é]{0,4}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

const KEYS: &[&str] = &[
    "model",
    "stream",
    "stream_options",
    "n",
    "max_tokens",
    "temperature",
    "messages",
    "prompt",
    "tools",
    "options",
    "system",
    "seed",
    "x",
];

proptest! {
    #[test]
    fn it_agrees_with_a_reader_of_whole_documents(
        members in prop::collection::hash_map(prop::sample::select(KEYS), json_value(), 0..8),
        pretty in any::<bool>(),
    ) {
        let body = Value::Object(
            members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        );
        let text = if pretty { serde_json::to_string_pretty(&body) } else { serde_json::to_string(&body) };
        let text = text.unwrap();
        match read(Api::OpenAiChat, &text) {
            Ok(peek) => {
                prop_assert_eq!(peek.model.as_deref(), body["model"].as_str());
                prop_assert_eq!(peek.is_streaming, body["stream"] == json!(true));
                prop_assert_eq!(peek.includes_usage, body["stream_options"]["include_usage"] == json!(true));
                if body["options"].is_null() {
                    prop_assert_eq!(peek.temperature, body["temperature"].as_f64());
                    prop_assert_eq!(peek.seed, body["seed"].as_i64());
                }
                if let Some(span) = peek.model_span {
                    let model: Value = serde_json::from_str(text.get(span).unwrap()).unwrap();
                    prop_assert_eq!(&model, &body["model"]);
                }
            }
            Err(error) => {
                prop_assert_eq!(error, PeekError::UnreadableModel);
                prop_assert!(!body["model"].is_string() && !body["model"].is_null());
            }
        }
    }

    #[test]
    fn anything_is_looked_at_without_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..40),
        cut in any::<prop::sample::Index>(),
        pieces in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ":", ",", "\"", "\"model\"", "\"messages\"", "\"options\"", "\\u00", "1e9", "null",
            "\"stream_options\"", "true", "é",
        ]), 0..24),
    ) {
        let text = pieces.concat();
        for api in [Api::OpenAiChat, Api::OllamaChat, Api::Transcription] {
            for body in [&bytes[..], text.as_bytes(), &text.as_bytes()[..cut.index(text.len() + 1)]] {
                if let Ok(peek) = peek(api, None, body) {
                    prop_assert!(serde_json::from_slice::<Value>(body).is_ok());
                    if let Some(model) = peek.with_model(body, "m") {
                        prop_assert!(serde_json::from_slice::<Value>(&model).is_ok());
                    }
                }
            }
        }
    }
}
