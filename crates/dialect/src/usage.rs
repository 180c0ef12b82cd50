//! Asking an engine to tell the usage of a stream that was asked for without it, and taking the event that
//! tells it out of the stream again: bytes are added to the request and that event is removed from the
//! answer (or several: llama.cpp tells it for each choice), and everything else stays as it is.

use memchr::{memchr2, memmem};

use crate::{
    Peek,
    event::{self, Event},
    frame::{Framer, Framing},
    loose::Loose,
    peek::splice,
};

/// An event of which more than this has come without its end is passed on, and so is all that follows: the
/// client then sees a usage that it did not ask for, which is harmless.
const HELD_BYTES_MAX: usize = 1 << 20;

/// `body` with `stream_options.include_usage` set. `None` where there is nothing to do: it is set already,
/// no stream is asked for, or the API tells its usage anyway.
#[must_use]
pub fn inject(body: &[u8], peek: &Peek) -> Option<Vec<u8>> {
    let (span, text) = peek.usage_splice.clone()?;
    splice(body, span, text.as_bytes())
}

/// What to pass on for a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passed {
    /// The chunk itself.
    Unchanged,
    /// These bytes, maybe none.
    Changed(Vec<u8>),
}

/// Removes the events that tell nothing but the usage from a stream of server-sent events. It holds an event back
/// until its end is there, because only then it is known; engines send an event in one piece.
#[derive(Default)]
pub struct Filter {
    held: Vec<u8>,
    /// Where the line begins in `held` that has not ended.
    line_start: usize,
    gives_up: bool,
}

/// What it holds is what somebody said, and not for logs.
impl std::fmt::Debug for Filter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Filter").field("gives_up", &self.gives_up).finish_non_exhaustive()
    }
}

impl Filter {
    #[must_use]
    pub fn push(&mut self, chunk: &[u8]) -> Passed {
        if self.gives_up {
            return Passed::Unchanged;
        }
        let is_apart = self.held.is_empty();
        let mut held = std::mem::take(&mut self.held);
        let bytes = if is_apart {
            chunk
        } else {
            held.extend_from_slice(chunk);
            &held
        };
        let mut passed = Vec::new();
        // Up to `copied` it was decided about; up to `start` it was looked at.
        let (mut copied, mut start) = (0, 0);
        let mut line_start = std::mem::take(&mut self.line_start);
        loop {
            match event_end(bytes, line_start) {
                Ok(end) => {
                    if tells_usage(&bytes[start..end]) {
                        passed.extend_from_slice(&bytes[copied..start]);
                        copied = end;
                    }
                    (start, line_start) = (end, end);
                }
                Err(line) => {
                    line_start = line;
                    break;
                }
            }
        }
        self.gives_up = bytes.len() - start > HELD_BYTES_MAX;
        let end = if self.gives_up { bytes.len() } else { start };
        if is_apart && copied == 0 && end == bytes.len() {
            return Passed::Unchanged;
        }
        passed.extend_from_slice(&bytes[copied..end]);
        self.line_start = line_start.saturating_sub(end);
        self.held = bytes[end..].to_vec();
        Passed::Changed(passed)
    }

    /// The stream is over: what was held back of an event that never ended.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.held
    }
}

/// Where the first event ends, its empty line included, or else where the line begins that has not ended.
fn event_end(bytes: &[u8], mut line_start: usize) -> Result<usize, usize> {
    while let Some(length) = bytes.get(line_start..).and_then(|rest| memchr2(b'\n', b'\r', rest)) {
        let end = line_start + length;
        let next = match bytes.get(end..) {
            Some([b'\r', b'\n', ..]) => end + 2,
            // Whether a LF belongs to it is not known yet.
            Some([b'\r']) => break,
            _ => end + 1,
        };
        if length == 0 {
            return Ok(next);
        }
        line_start = next;
    }
    Err(line_start)
}

fn tells_usage(event: &[u8]) -> bool {
    if memmem::find(event, b"\"usage\"").is_none() {
        return false;
    }
    let mut tells = false;
    Framer::new(Framing::Sse).push(event, |frame| {
        tells |= event::read(frame.data).is_ok_and(|event: Event<'_>| {
            let has_no_choices = matches!(&event.choices, Loose::List(list) if list.is_empty());
            has_no_choices && event.usage.object().is_some()
        });
    });
    tells
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::{Api, peek};

    #[track_caller]
    fn check(api: Api, body: &str, expected: Option<&str>) {
        let peek = peek(api, None, body.as_bytes()).unwrap();
        let injected = inject(body.as_bytes(), &peek);
        assert_eq!(injected.as_deref().map(String::from_utf8_lossy).as_deref(), expected);
        if let Some(injected) = injected {
            assert!(crate::peek(api, None, &injected).unwrap().includes_usage);
        }
    }

    #[test]
    fn usage_is_asked_for_by_adding_bytes() {
        let chat = |body, expected| check(Api::OpenAiChat, body, expected);
        chat(
            r#" {"stream":true, "n":1e0}"#,
            Some(r#" {"stream_options":{"include_usage":true},"stream":true, "n":1e0}"#),
        );
        chat(
            r#"{"stream":true,"stream_options": { }}"#,
            Some(r#"{"stream":true,"stream_options": {"include_usage":true }}"#),
        );
        chat(
            r#"{"stream":true,"stream_options":{"a":{}}}"#,
            Some(r#"{"stream":true,"stream_options":{"include_usage":true,"a":{}}}"#),
        );
        chat(
            r#"{"stream_options":{"include_usage": false ,"a":1},"stream":true}"#,
            Some(r#"{"stream_options":{"include_usage": true ,"a":1},"stream":true}"#),
        );
        chat(
            r#"{"stream_options":null,"stream":true}"#,
            Some(r#"{"stream_options":{"include_usage":true},"stream":true}"#),
        );
        chat(r#"{"stream_options":{"include_usage":true},"stream":true}"#, None);
        chat(r#"{"stream":false}"#, None);
        check(Api::OllamaChat, "{}", None);
        check(Api::AnthropicMessages, r#"{"stream":true}"#, None);
    }

    /// What passes a filter that gets the stream in these chunks.
    fn filtered(chunks: &[&[u8]]) -> Vec<u8> {
        let mut filter = Filter::default();
        let mut passed = Vec::new();
        for chunk in chunks {
            match filter.push(chunk) {
                Passed::Unchanged => passed.extend_from_slice(chunk),
                Passed::Changed(bytes) => passed.extend(bytes),
            }
        }
        passed.extend(filter.finish());
        passed
    }

    const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}";

    #[test]
    fn only_the_event_of_the_usage_goes() {
        let token = "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":1}}";
        let other = "data: {\"choices\":[],\"usage\":null}";
        for end in ["\n", "\r\n", "\r"] {
            let stream = |events: &[&str]| -> String {
                events.iter().map(|event| format!(": ping{end}{event}{end}{end}")).collect()
            };
            let with =
                stream(&[token, other]) + &format!("{USAGE}{end}{end}data: [DONE]{end}{end}");
            let without = stream(&[token, other]) + &format!("data: [DONE]{end}{end}");
            for at in 0..=with.len() {
                let (left, right) = with.as_bytes().split_at(at);
                assert_eq!(String::from_utf8_lossy(&filtered(&[left, right])), without, "{at}");
            }
            let single: Vec<&[u8]> = with.as_bytes().chunks(1).collect();
            assert_eq!(String::from_utf8_lossy(&filtered(&single)), without);
        }
    }

    #[test]
    fn whole_events_pass_as_they_are() {
        let mut filter = Filter::default();
        assert_eq!(filter.push(b"data: {\"choices\":[{}]}\n\n"), Passed::Unchanged);
        assert_eq!(filter.push(b"data: "), Passed::Changed(Vec::new()));
        assert_eq!(filter.push(b"1\n\n"), Passed::Changed(b"data: 1\n\n".to_vec()));
        let removed = filter.push(format!("{USAGE}\n\n").as_bytes());
        assert_eq!(removed, Passed::Changed(Vec::new()));
        let both = format!("{USAGE}\n\ndata: 1\n\n{USAGE}\n\n");
        assert_eq!(filter.push(both.as_bytes()), Passed::Changed(b"data: 1\n\n".to_vec()));
    }

    #[test]
    fn an_endless_event_is_not_held() {
        let mut filter = Filter::default();
        let chunk = vec![b'x'; HELD_BYTES_MAX];
        assert_eq!(filter.push(&chunk), Passed::Changed(Vec::new()));
        assert_eq!(filter.push(b"y"), Passed::Changed([&chunk[..], b"y"].concat()));
        assert_eq!(filter.push(b"z"), Passed::Unchanged);
        assert!(filter.finish().is_empty());
    }

    proptest! {
        #[test]
        fn what_has_no_usage_passes_whole(
            pieces in prop::collection::vec(prop::sample::select(vec![
                "data: {}", "\n", "\r", "\n\n", ":", "\"usage\"", "[DONE]", "x",
            ]), 0..30),
            size in 1_usize..9,
        ) {
            let stream = pieces.concat();
            let chunks: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
            prop_assert_eq!(filtered(&chunks), stream.as_bytes());
        }

        #[test]
        fn injecting_changes_nothing_else(
            options in prop::option::of(prop_oneof![
                Just(json!(null)), Just(json!({})), Just(json!({"include_usage": false})),
                Just(json!({"a": [1, {}], "include_usage": null})), Just(json!({"b": "}{"})),
            ]),
            pretty in any::<bool>(),
        ) {
            let mut body = json!({"model": "m", "stream": true, "messages": [{"content": "{"}]});
            if let Some(options) = options {
                body["stream_options"] = options;
            }
            let text = if pretty {
                serde_json::to_string_pretty(&body).unwrap()
            } else {
                body.to_string()
            };
            let peek = peek(Api::OpenAiChat, None, text.as_bytes()).unwrap();
            let injected = inject(text.as_bytes(), &peek).unwrap();
            let mut expected = body;
            if expected["stream_options"].is_null() {
                expected["stream_options"] = json!({});
            }
            expected["stream_options"]["include_usage"] = json!(true);
            prop_assert_eq!(serde_json::from_slice::<Value>(&injected).unwrap(), expected);
        }
    }
}
