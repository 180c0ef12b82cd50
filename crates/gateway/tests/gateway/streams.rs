//! Answers: who leaves when, how they end, and what the records say of them.

use std::{io::Write, time::Duration};

use gateway::config::KeepBodies;
use model::{Clock, exchange::Outcome};

use crate::{
    client::{Bench, CHAT, Client, chat, config, fixture, post},
    mock::{
        DONE, Mock, Step, chunk, event, finish, json, last_chunk, sse_head, token, usage, wait,
        whole,
    },
};

const APIS: [&str; 3] = [CHAT, "/v1/messages", "/api/chat"];

fn body(is_stream: bool) -> String {
    format!(r#"{{"model":"m","stream":{is_stream},"messages":[]}}"#)
}

/// A stream with these parts and a proper end.
fn stream(parts: &[String]) -> Vec<Step> {
    let mut steps = vec![sse_head()];
    steps.extend(parts.iter().map(chunk));
    steps.push(last_chunk());
    steps
}

async fn leave(steps: Vec<Step>, is_stream: bool, reads: usize) {
    for api in APIS {
        let steps = steps.clone();
        let mock = Mock::start(move |_| steps.clone()).await;
        let mut bench = Bench::before(&mock).await;
        let mut client = bench.connect().await;
        client.send(post(api, &body(is_stream))).await;
        mock.wait_seen(1).await;
        if reads > 0 {
            client.head().await;
            for _ in 0..reads {
                client.chunk().await.unwrap();
            }
        }
        assert_eq!(mock.left(), 0);
        drop(client);
        mock.wait_left(1).await;
        let record = bench.record().await;
        assert_eq!(record.outcome, Outcome::ClientAbort, "{api}");
        assert_eq!(record.status.is_some(), reads > 0);
        assert_eq!(bench.gateway.upstreams()[0].in_flight, 0);
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_the_first_byte_takes_the_request_with_it() {
    leave(vec![Step::Await], true, 0).await;
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_takes_the_request_with_it() {
    let steps = vec![sse_head(), chunk(token("a")), chunk(token("b")), Step::Await];
    leave(steps, true, 2).await;
}

#[tokio::test]
async fn a_client_that_leaves_without_a_stream_takes_the_request_with_it() {
    leave(vec![Step::Await, Step::Send(json("{}"))], false, 0).await;
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_a_body_takes_the_request_with_it() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nbegin";
    let mock = Mock::start(move |_| vec![Step::Send(head.into()), Step::Await]).await;
    let mut bench = Bench::before(&mock).await;
    let mut client = bench.connect().await;
    client.send(chat(false)).await;
    client.head().await;
    client.bytes(5).await.unwrap();
    drop(client);
    mock.wait_left(1).await;
    assert_eq!(bench.record().await.outcome, Outcome::ClientAbort);
}

#[tokio::test]
async fn a_stream_that_an_http2_client_resets_is_left_too() {
    for reads in [0, 1] {
        let steps = vec![sse_head(), chunk(token("a")), Step::Await];
        let mock =
            Mock::start(move |_| if reads == 0 { vec![Step::Await] } else { steps.clone() }).await;
        let mut bench = Bench::before(&mock).await;
        let mut sender = crate::passing::http2(&bench).await;
        let request = crate::passing::http2_chat(&bench);
        let asking = tokio::spawn(async move {
            let mut response = sender.send_request(request).await.unwrap();
            let _frame = http_body_util::BodyExt::frame(response.body_mut()).await;
            (sender, response)
        });
        mock.wait_seen(1).await;
        if reads == 0 {
            asking.abort();
            assert!(asking.await.is_err());
        } else {
            drop(asking.await.unwrap().1);
        }
        mock.wait_left(1).await;
        assert_eq!(bench.record().await.outcome, Outcome::ClientAbort);
    }
}

#[tokio::test]
async fn half_closing_is_leaving_unless_allowed() {
    for is_allowed in [false, true] {
        let mock = Mock::start(|_| vec![Step::Await, Step::Send(json("{}"))]).await;
        let mut config = config(&[("engine", &mock)]);
        config.allow_half_close = is_allowed;
        let mut bench = Bench::start(config).await;
        let mut client = bench.connect().await;
        client.send(chat(false)).await;
        mock.wait_seen(1).await;
        tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.unwrap();
        if is_allowed {
            mock.permit();
            assert_eq!(client.reply().await.status, 200);
        } else {
            mock.wait_left(1).await;
        }
        let expected = if is_allowed { Outcome::Ok } else { Outcome::ClientAbort };
        assert_eq!(bench.record().await.outcome, expected);
    }
}

#[tokio::test]
async fn every_token_arrives_before_the_next_is_made() {
    let mut steps = vec![sse_head()];
    for number in 0..32 {
        steps.extend([chunk(token(&number.to_string())), Step::Await]);
    }
    steps.push(last_chunk());
    let mock = Mock::start(move |_| steps.clone()).await;
    let bench = Bench::before(&mock).await;
    let mut client = bench.connect().await;
    client.send(chat(true)).await;
    client.head().await;
    let (clock, mut lags) = (Clock::system(), Vec::new());
    for number in 0..32 {
        let before = clock.monotonic();
        assert_eq!(client.chunk().await.unwrap(), token(&number.to_string()).as_bytes());
        lags.push(clock.monotonic() - before);
        mock.permit();
    }
    // Waiting for acknowledgements of small packets would take 40 ms each.
    lags.sort_unstable();
    assert!(lags[8] < Duration::from_millis(20), "{lags:?}");
}

#[tokio::test]
async fn a_stream_is_measured() {
    let mut steps = vec![sse_head(), chunk(": ping\n\n"), Step::Pause(Duration::from_millis(60))];
    steps.push(chunk(event(serde_json::json!({"model": "served", "choices": [
        {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}]}))));
    for text in ["a", "b", "c"] {
        steps.extend([Step::Pause(Duration::from_millis(10)), chunk(token(text))]);
    }
    steps.extend([chunk(finish()), chunk(usage(7, 4)), chunk(DONE), last_chunk()]);
    let mock = Mock::start(move |_| steps.clone()).await;
    let mut bench = Bench::before(&mock).await;
    let reply = bench
        .ask(post(
            CHAT,
            r#"{"model":"m","stream":true,"max_tokens":9,"temperature":0.5,"messages":[]}"#,
        ))
        .await;
    assert!(reply.is_whole && reply.text().starts_with(": ping\n\ndata: "), "comments pass");
    let record = bench.record().await;
    assert_eq!((record.outcome, record.status), (Outcome::Ok, Some(200)));
    assert_eq!((record.api, record.operation), ("openai_chat", "chat"));
    assert_eq!(record.tokens.input, Some(7));
    assert_eq!(record.tokens.output, Some(4));
    assert!(record.tokens.is_exact && record.is_stream && record.is_generation);
    assert_eq!(record.output_events, 3);
    assert_eq!(record.finish_reason.as_deref(), Some("stop"));
    assert_eq!(record.parameters, [("max_tokens", "9".into()), ("temperature", "0.5".into())]);
    let millis = |time: Option<Duration>| time.unwrap().as_millis();
    assert!(record.time_to_headers < record.time_to_first_chunk);
    assert!(millis(record.time_to_first_chunk) >= 60, "a comment is no event");
    assert!(millis(record.ttft) >= 70, "a role is no token");
    assert!(record.ttft >= record.time_to_first_chunk && record.ttft == record.ttfa);
    assert!(record.e2e >= record.ttft && record.total >= record.e2e.unwrap());
    assert_eq!(record.gaps.count(), 2);
    let tpot = (record.e2e.unwrap() - record.ttft.unwrap()) / 3;
    assert!(record.tpot.unwrap().abs_diff(tpot) < Duration::from_micros(1));
    assert!(record.connect.is_some() && record.queued.is_some());
    assert_eq!(record.upstream.as_deref(), Some("engine"));
    assert_eq!(record.response_bytes, reply.body.len() as u64);
    assert!(!record.is_partially_observed);
}

#[tokio::test]
async fn a_usage_that_the_client_did_not_ask_for_does_not_reach_it() {
    let asked =
        r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[]}"#;
    let not_asked = r#"{"model":"m", "stream":true, "messages":[]}"#;
    let without = [token("a"), token("b"), finish(), DONE.to_owned()].concat();
    let with = [token("a"), token("b"), finish(), usage(7, 3), DONE.to_owned()].concat();
    for (request, expected) in [(not_asked, &without), (asked, &with)] {
        for size in [1, 50, 10_000] {
            let whole = with.clone();
            let mock = Mock::start(move |seen| {
                assert!(String::from_utf8_lossy(&seen.body).contains(r#""include_usage":true"#));
                let mut steps = vec![sse_head()];
                steps.extend(whole.as_bytes().chunks(size).map(chunk));
                steps.push(last_chunk());
                steps
            })
            .await;
            let mut config = config(&[("engine", &mock)]);
            config.inject_usage = true;
            let mut bench = Bench::start(config).await;
            let reply = bench.ask(post(CHAT, request)).await;
            assert_eq!((reply.is_whole, &reply.text()), (true, expected));
            let record = bench.record().await;
            assert_eq!((record.outcome, record.tokens.output), (Outcome::Ok, Some(3)));
            assert!(record.tokens.is_exact);
        }
    }
}

#[tokio::test]
async fn what_a_filter_holds_back_is_sent_at_the_end() {
    for end in ["0\r\n\r\n", "0\r\nx-sum: 1\r\n\r\n"] {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntrailer: x-sum\r\n\
                    transfer-encoding: chunked\r\n\r\n";
        let steps =
            [Step::Send(head.into()), chunk(token("a")), chunk("data: {"), Step::Send(end.into())];
        let mock = Mock::start(move |_| steps.to_vec()).await;
        let mut config = config(&[("engine", &mock)]);
        config.inject_usage = true;
        let mut bench = Bench::start(config).await;
        let reply = bench.ask(chat(true)).await;
        assert_eq!(reply.text(), format!("{}data: {{", token("a")));
        assert_eq!(bench.record().await.outcome, Outcome::Truncated);
    }
}

#[tokio::test]
async fn ends_are_told_apart() {
    let error =
        event(serde_json::json!({"error": {"message": "boom", "type": "Internal", "code": 500}}));
    let check = async |steps: Vec<Step>, expected: Outcome| {
        let mock = Mock::start(move |_| steps.clone()).await;
        let mut bench = Bench::before(&mock).await;
        bench.ask(chat(true)).await;
        let record = bench.record().await;
        assert_eq!(record.outcome, expected);
        record
    };
    let (a, done) = (token("a"), DONE.to_owned());
    check(stream(&[a.clone(), finish(), done.clone()]), Outcome::Ok).await;
    check(stream(std::slice::from_ref(&a)), Outcome::Truncated).await;
    let record = check(stream(&[a.clone(), error, done.clone()]), Outcome::UpstreamError).await;
    assert_eq!(record.error.as_deref(), Some("Internal"), "its text may quote the prompt");
    let died = vec![sse_head(), chunk(&a), Step::Close];
    check(died, Outcome::Truncated).await;
    let record = check(stream(&[finish(), done]), Outcome::Ok).await;
    assert_eq!(record.ttft, None, "without output there is no first token");
}

#[tokio::test]
async fn a_silent_engine_times_out_and_comments_keep_it_alive() {
    let pause = Step::Pause(Duration::from_millis(500));
    let ping = chunk(": ping\n\n");
    let mut steps = vec![sse_head(), chunk(token("a"))];
    for _ in 0..4 {
        steps.extend([pause.clone(), ping.clone()]);
    }
    let mut silent = steps.clone();
    silent.push(Step::Await);
    steps.extend([chunk(finish()), chunk(DONE), last_chunk()]);
    for (steps, expected) in [(steps, Outcome::Ok), (silent, Outcome::Timeout)] {
        let mock = Mock::start(move |_| steps.clone()).await;
        let mut config = config(&[("engine", &mock)]);
        config.timeouts.idle = Duration::from_millis(1_500);
        let mut bench = Bench::start(config).await;
        let reply = bench.ask(chat(true)).await;
        assert_eq!(reply.is_whole, expected == Outcome::Ok);
        let record = bench.record().await;
        assert_eq!(record.outcome, expected);
        assert!(record.total > Duration::from_millis(1_600), "longer than the limit on silence");
        if expected == Outcome::Timeout {
            mock.wait_left(1).await;
        }
    }
}

#[tokio::test]
async fn an_engine_that_never_answers_is_a_timeout() {
    let mock = Mock::start(|_| vec![Step::Await]).await;
    let mut config = config(&[("engine", &mock)]);
    config.timeouts.headers = Duration::from_millis(100);
    let mut bench = Bench::start(config).await;
    let reply = bench.ask(chat(true)).await;
    assert_eq!(reply.status, 504);
    assert_eq!(reply.header("x-modelwatch-error").as_deref(), Some("upstream_timeout"));
    assert_eq!(bench.record().await.outcome, Outcome::Timeout);
    mock.wait_left(1).await;
}

#[tokio::test]
async fn a_slow_reader_slows_the_engine_and_not_the_memory() {
    const BODY: usize = 64 << 20;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {BODY}\r\n\r\n");
    let mock = Mock::start(move |_| vec![Step::Send(head.clone().into()), Step::Flood(BODY)]).await;
    let mut bench = Bench::before(&mock).await;
    let mut client = bench.connect().await;
    client.send(chat(false)).await;
    client.head().await;
    // It is blocked when for a while nothing more goes.
    let mut before = usize::MAX;
    while mock.flooded() != before {
        before = mock.flooded();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(before < BODY / 2, "{before} bytes went to nobody");
    let mut left = BODY;
    while left > 0 {
        let length = left.min(1 << 20);
        client.bytes(length).await.unwrap();
        left -= length;
    }
    let record = bench.record().await;
    assert_eq!(record.response_bytes, BODY as u64);
    assert!(record.client_blocked > Duration::from_millis(50), "{:?}", record.client_blocked);
}

#[tokio::test]
async fn a_client_that_never_reads_is_left() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n";
    let mock = Mock::start(move |_| vec![Step::Send(head.into()), Step::Flood(99_999_999)]).await;
    let mut config = config(&[("engine", &mock)]);
    config.timeouts.client_write = Duration::from_millis(300);
    let mut bench = Bench::start(config).await;
    let mut client = bench.connect().await;
    client.send(chat(false)).await;
    client.head().await;
    mock.wait_left(1).await;
    assert_eq!(bench.record().await.outcome, Outcome::ClientAbort);
}

/// Parts of a stream as an engine packs them, each flushed so that it can be read when it is there.
pub(crate) fn packed(encoding: &str, parts: &[impl AsRef<[u8]>]) -> Vec<Vec<u8>> {
    fn pieces<W: Write>(
        mut packer: W,
        parts: &[impl AsRef<[u8]>],
        taken: impl Fn(&mut W) -> Vec<u8>,
        end: impl FnOnce(W) -> Vec<u8>,
    ) -> Vec<Vec<u8>> {
        let pieces = parts.iter().map(|part| {
            packer.write_all(part.as_ref()).unwrap();
            packer.flush().unwrap();
            taken(&mut packer)
        });
        let mut pieces: Vec<_> = pieces.collect();
        pieces.push(end(packer));
        pieces
    }
    let level = flate2::Compression::default();
    match encoding {
        "gzip" => pieces(
            flate2::write::GzEncoder::new(Vec::new(), level),
            parts,
            |packer| std::mem::take(packer.get_mut()),
            |packer| packer.finish().unwrap(),
        ),
        "deflate" => pieces(
            flate2::write::ZlibEncoder::new(Vec::new(), level),
            parts,
            |packer| std::mem::take(packer.get_mut()),
            |packer| packer.finish().unwrap(),
        ),
        "zstd" => pieces(
            zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap(),
            parts,
            |packer| std::mem::take(packer.get_mut()),
            |packer| packer.finish().unwrap(),
        ),
        // Written: the same parts, packed and flushed by Node's zlib, a line for each.
        "br" => {
            let text = std::fs::read_to_string(fixture("chat-stream.br.hex")).unwrap();
            let byte = |digits: &[u8]| {
                u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
            };
            let line = |line: &str| line.as_bytes().chunks(2).map(byte).collect();
            text.lines().map(line).collect()
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn compressed_answers_pass_as_they_are_and_are_read() {
    let parts = [token("a"), token("b"), finish(), usage(3, 3), DONE.to_owned()];
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        let pieces = packed(encoding, &parts);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: {encoding}\r\n\
             transfer-encoding: chunked\r\n\r\n"
        );
        let mut steps = vec![Step::Send(head.into())];
        // The second token is late, and what is before it can be read.
        for (place, piece) in pieces.iter().filter(|piece| !piece.is_empty()).enumerate() {
            steps.extend((place == 1).then_some(Step::Pause(Duration::from_millis(100))));
            // Cut anywhere.
            steps.extend(piece.chunks(11).map(chunk));
        }
        steps.push(last_chunk());
        let mock = Mock::start(move |_| steps.clone()).await;
        let mut bench = Bench::before(&mock).await;
        let reply = bench.ask(chat(true)).await;
        assert_eq!(reply.body, pieces.concat(), "{encoding}");
        assert_eq!(reply.header("content-encoding").as_deref(), Some(encoding));
        let record = bench.record().await;
        assert_eq!((record.outcome, record.tokens.output), (Outcome::Ok, Some(3)), "{encoding}");
        assert!(!record.is_partially_observed, "{encoding}");
        let gap = record.gaps.longest().unwrap();
        assert!(gap >= Duration::from_millis(80), "{encoding}: {gap:?}");
    }
}

/// Pitfall 27: the first request with log probabilities takes vLLM seconds, and no later one does.
#[tokio::test]
async fn the_first_request_with_logprobs_is_marked_as_cold() {
    let steps = stream(&[token("a"), token("b"), finish(), DONE.to_owned()]);
    let slow = [vec![Step::Await], steps.clone()].concat();
    let mock =
        Mock::start(move |seen| if seen.path == CHAT { steps.clone() } else { slow.clone() }).await;
    let mut bench = Bench::before(&mock).await;
    let body = |more: &str| format!(r#"{{"model":"m","stream":true{more},"messages":[]}}"#);
    let with_logprobs = body(r#","logprobs":true,"top_logprobs":5"#);
    let is_cold = async |bench: &mut Bench, body: &str| {
        bench.ask(post(CHAT, body)).await;
        bench.record().await.is_cold
    };
    assert!(!is_cold(&mut bench, &body("")).await, "plain requests have no penalty");
    assert!(is_cold(&mut bench, &with_logprobs).await);
    assert!(!is_cold(&mut bench, &with_logprobs).await);
    bench.gateway.note_restart("engine");
    assert!(!is_cold(&mut bench, &body("")).await);
    assert!(is_cold(&mut bench, &with_logprobs).await);

    // What is asked while the first one waits is as cold as that.
    let path = "/v1/completions";
    bench.gateway.note_restart("engine");
    let mut clients = [bench.connect().await, bench.connect().await];
    for client in &mut clients {
        client.send(post(path, &body(r#","logprobs":1,"prompt":"x""#))).await;
    }
    mock.wait_seen(7).await;
    // The first token is to be clearly later than both requests.
    tokio::time::sleep(Duration::from_millis(20)).await;
    mock.permit();
    mock.permit();
    for mut client in clients {
        client.reply().await;
        assert!(bench.record().await.is_cold);
    }
}

#[tokio::test]
async fn errors_of_engines_pass_in_whatever_shape() {
    for (status, content_type, body) in [
        (400, "application/json", r#"{"error":{"message":"x","code":400}}"#),
        (401, "application/json", r#"{"error":"Unauthorized"}"#),
        (422, "application/json", r#"{"detail":[{"loc":["body"]}]}"#),
        (529, "application/json", r#"{"type":"error","error":{"type":"overloaded_error"}}"#),
        (502, "text/html", "<html>Bad Gateway</html>"),
        (503, "text/plain", ""),
    ] {
        let mock = Mock::answering(whole(status, content_type, body)).await;
        let mut bench = Bench::before(&mock).await;
        let reply = bench.ask(chat(true)).await;
        assert_eq!((reply.status, reply.text().as_str()), (status, body));
        assert_eq!(reply.header("x-modelwatch-error"), None, "it is the engine's own");
        let record = bench.record().await;
        assert_eq!((record.outcome, record.status), (Outcome::UpstreamError, Some(status)));
    }
}

#[tokio::test]
async fn another_model_than_asked_for_is_recorded() {
    let answer = r#"{"model":"other","choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    let mock = Mock::answering(json(answer)).await;
    let mut bench = Bench::before(&mock).await;
    bench.ask(chat(false)).await;
    let record = bench.record().await;
    assert_eq!(record.model_asked.as_deref(), Some("m"));
    assert_eq!(record.model_served.as_deref(), Some("other"));
    assert!(record.is_model_substituted());
    assert_eq!(record.tokens.output, Some(2));
}

#[tokio::test]
async fn bodies_are_kept_only_on_demand_and_redacted() {
    let answer = r#"{"choices":[{"index":0,"message":{"content":"my pin is 4711"}}]}"#;
    let mock = Mock::answering(json(answer)).await;
    let mut bench = Bench::before(&mock).await;
    let request = post(CHAT, r#"{"model":"m","messages":[{"role":"user","content":"pin 4711?"}]}"#);
    bench.ask(&request).await;
    let record = bench.record().await;
    assert!(record.request_body.is_none() && record.response_body.is_none());
    assert!(!format!("{record:?}").contains("4711"));

    let mut config = config(&[("engine", &mock)]);
    let redact = vec![regex::Regex::new("[0-9]{4}").unwrap()];
    config.keep_bodies = Some(KeepBodies { bytes_max: 60, redact });
    let mut bench = Bench::start(config).await;
    bench.ask(&request).await;
    let record = bench.record().await;
    let (request, answer) = (record.request_body.unwrap(), record.response_body.unwrap());
    assert!(request.text.contains("pin [red") && request.is_cut, "{request:?}");
    assert!(answer.text.contains("my pin is") && !answer.text.contains("4711"), "{answer:?}");
}

#[tokio::test]
async fn records_that_nobody_takes_are_counted_and_traffic_flows() {
    let mock = Mock::answering(json("{}")).await;
    let (sender, records) = tokio::sync::mpsc::channel(1);
    let gateway = gateway::Gateway::start(config(&[("engine", &mock)]), Clock::system(), sender)
        .await
        .unwrap();
    let mut client = Client::connect(gateway.addresses()[0]).await;
    for _ in 0..5 {
        client.send(chat(false)).await;
        assert_eq!(client.reply().await.status, 200);
    }
    wait("lost records", || gateway.counters().records_lost == 4).await;
    drop(records);
    client.send(chat(false)).await;
    assert_eq!(client.reply().await.status, 200);
}
