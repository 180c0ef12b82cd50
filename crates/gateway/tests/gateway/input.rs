//! What is too large, too slow, malformed or meant to deceive.

use std::time::Duration;

use model::exchange::{Outcome, Refusal};

use crate::{
    client::{Bench, CHAT, chat, config, get, post},
    mock::{Mock, Step, json},
};

#[tokio::test]
async fn slow_senders_are_not_waited_for() {
    let mock = Mock::answering(json("{}")).await;
    let mut config = config(&[("engine", &mock)]);
    config.timeouts.client_headers = Duration::from_secs(1);
    config.timeouts.client_body = Duration::from_millis(500);
    let mut bench = Bench::start(config).await;
    for beginning in ["", "G", "GET / HTTP/1.1\r\nhost: a\r\nx-slow: "] {
        let mut client = bench.connect().await;
        client.send(beginning).await;
        let rest = client.reply_or_end().await;
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{beginning}");
    }
    for path in [CHAT, "/unknown"] {
        let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{{");
        let reply = bench.ask(head).await;
        assert_eq!(reply.status, 408);
        assert_eq!(bench.record().await.refusal, Some(Refusal::BodyTooSlow));
    }
    // The head is known and the first request answered: an idle connection is closed as well.
    let mut client = bench.connect().await;
    client.send(get("/")).await;
    assert_eq!(client.reply().await.status, 200);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let mock = Mock::answering(json("{}")).await;
    let mut config = config(&[("engine", &mock)]);
    config.limits.body_bytes_max = 1_000;
    config.limits.header_bytes_max = 8_192;
    let mut bench = Bench::start(config).await;
    let large = "x".repeat(9_000);
    let reply = bench.ask(format!("GET / HTTP/1.1\r\nhost: a\r\nx: {large}\r\n\r\n")).await;
    assert_eq!(reply.status, 431);
    let many = "x: y\r\n".repeat(200);
    assert_eq!(bench.ask(format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n")).await.status, 431);
    for path in [CHAT, "/unknown"] {
        for framing in ["content-length: 1001\r\n\r\n", "transfer-encoding: chunked\r\n\r\n3e9\r\n"]
        {
            let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\n{framing}");
            let body = "x".repeat(1_001);
            let reply = bench.ask(format!("{head}{body}")).await;
            assert_eq!(reply.status, 413, "{path} {framing}");
            assert_eq!(bench.record().await.refusal, Some(Refusal::BodyTooLarge));
        }
        let body = "x".repeat(1_000);
        assert_eq!(bench.ask(post(path, &body)).await.status, 200);
        bench.record().await;
    }
}

#[tokio::test]
async fn held_bodies_are_bounded_all_together() {
    let mock = Mock::answering(json("{}")).await;
    let mut config = config(&[("engine", &mock)]);
    config.limits.buffered_bytes_max = 1_000;
    let mut bench = Bench::start(config).await;
    let mut waiting = bench.connect().await;
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: a\r\ncontent-length: 900\r\n\r\n");
    waiting.send(format!("{head}{}", "x".repeat(800))).await;
    let refused = async || {
        for _ in 0..500 {
            let reply = bench.ask(post(CHAT, &"y".repeat(300))).await;
            if reply.status == 503 {
                return reply;
            }
        }
        panic!("was never refused");
    };
    let reply = refused().await;
    assert_eq!(reply.header("x-modelwatch-error").as_deref(), Some("overloaded"));
    waiting.send("x".repeat(100)).await;
    assert_eq!(waiting.reply().await.status, 200);
    assert_eq!(bench.ask(post(CHAT, &"y".repeat(300))).await.status, 200);
    while bench.record().await.outcome != Outcome::Refused {}
}

#[tokio::test]
async fn twenty_megabytes_pass_unchanged() {
    let mock = Mock::answering(json("{}")).await;
    let mut bench = Bench::before(&mock).await;
    let image = "A".repeat(20 << 20);
    let body = format!(
        r#"{{"messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{image}"}}}}]}}],"model":"m"}}"#
    );
    assert_eq!(bench.ask(post(CHAT, &body)).await.status, 200);
    assert!(mock.seen()[0].body == body.as_bytes());
    let record = bench.record().await;
    assert_eq!(record.model_asked.as_deref(), Some("m"));
    assert_eq!(record.request_bytes, body.len() as u64);
}

#[tokio::test]
async fn malformed_requests_reach_nobody() {
    let mock = Mock::answering(json("{}")).await;
    let bench = Bench::before(&mock).await;
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: a\r\n");
    for (what, request) in [
        ("no HTTP", "hello\r\n\r\n".to_owned()),
        ("two lengths", format!("{head}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}x")),
        ("a list of lengths", format!("{head}content-length: 2, 3\r\n\r\n{{}}x")),
        ("a signed length", format!("{head}content-length: +2\r\n\r\n{{}}")),
        ("no chunks", format!("{head}transfer-encoding: gzip\r\n\r\n{{}}")),
        ("chunks that are not last", format!("{head}transfer-encoding: chunked, x\r\n\r\n{{}}")),
        ("a space before the colon", format!("{head}transfer-encoding : chunked\r\n\r\n0\r\n\r\n")),
        ("a bad size", format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n")),
        ("a huge size", format!("{head}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n")),
        ("a bad end", format!("{head}transfer-encoding: chunked\r\n\r\n2\r\n{{}}XX0\r\n\r\n")),
        ("a NUL", "GET /\0 HTTP/1.1\r\nhost: a\r\n\r\n".to_owned()),
    ] {
        let mut client = bench.connect().await;
        client.send(request).await;
        let answer = String::from_utf8(client.reply_or_end().await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{what}: {answer}");
    }
    assert!(mock.seen().is_empty());
}

#[tokio::test]
async fn smuggled_requests_stay_bytes() {
    let mock = Mock::answering(json("{}")).await;
    let bench = Bench::before(&mock).await;
    // One server that believes the length and another that believes the chunks would see two requests.
    let mut client = bench.connect().await;
    client
        .send(format!(
            "POST {CHAT} HTTP/1.1\r\nhost: a\r\ncontent-length: 30\r\ntransfer-encoding: chunked\r\n\r\n\
             2\r\n{{}}\r\n0\r\n\r\nGET /secret HTTP/1.1\r\nhost: a\r\n\r\n"
        ))
        .await;
    let answers = String::from_utf8(client.reply_or_end().await).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 1, "{answers}");
    let seen = mock.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].body, b"{}");
    assert_eq!(seen[0].header("content-length").as_deref(), Some("2"));
    assert_eq!(seen[0].header("transfer-encoding"), None);
}

#[tokio::test]
async fn what_is_no_json_passes_and_is_recorded_as_such() {
    let mock = Mock::answering(json("{}")).await;
    let mut bench = Bench::before(&mock).await;
    assert_eq!(bench.ask(post(CHAT, "{\"model\":")).await.status, 200);
    assert_eq!(mock.seen()[0].body, b"{\"model\":");
    let record = bench.record().await;
    assert_eq!((record.problems, record.model_asked), (1, None));
    for body in [r#"{"model":"a","model":"b"}"#, r#"{"Model":"a","model":"b"}"#] {
        let reply = bench.ask(post(CHAT, body)).await;
        assert_eq!(
            (reply.status, reply.header("x-modelwatch-error").as_deref()),
            (400, Some("malformed"))
        );
        assert_eq!(bench.record().await.outcome, Outcome::Refused);
    }
    assert_eq!(mock.seen().len(), 1);
}

#[tokio::test]
async fn odd_methods_and_targets_are_refused() {
    let mock = Mock::answering(json("{}")).await;
    let bench = Bench::before(&mock).await;
    for request in [
        "CONNECT evil:443 HTTP/1.1\r\nhost: evil:443\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        let reply = bench.ask(request).await;
        assert_eq!(reply.header("x-modelwatch-error").as_deref(), Some("unsupported"));
    }
    let reply = bench.ask("GET http://evil/path HTTP/1.1\r\nhost: evil\r\n\r\n").await;
    assert_eq!(reply.status, 200);
    let seen = &mock.seen()[0];
    assert_eq!(
        (seen.path.as_str(), seen.header("host")),
        ("/path", Some(mock.address.to_string()))
    );
}

#[tokio::test]
async fn an_engine_that_lies_about_its_length_harms_nobody_else() {
    for (answer, is_whole) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort", false),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
            true,
        ),
    ] {
        let mock = Mock::start(move |_| match is_whole {
            true => vec![Step::Send(answer.into()), Step::Await],
            false => vec![Step::Send(answer.into()), Step::Close],
        })
        .await;
        let mut bench = Bench::before(&mock).await;
        let mut client = bench.connect().await;
        client.send(chat(false)).await;
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.is_whole), (200, is_whole));
        let record = bench.record().await;
        assert_eq!(record.outcome, if is_whole { Outcome::Ok } else { Outcome::Truncated });
        if is_whole {
            mock.wait_left(1).await; // what came beyond its end makes the connection worthless
            client.send(chat(false)).await;
            assert_eq!(client.reply().await.text(), "{}");
        }
    }
}

#[tokio::test]
async fn an_engine_that_speaks_no_http_is_told_as_broken() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(300_000));
    for answer in [
        "SSH-2.0-x\r\n\r\n".to_owned(),
        long,
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n".into(),
    ] {
        let mock = Mock::answering(answer.into_bytes()).await;
        let mut bench = Bench::before(&mock).await;
        assert_eq!(bench.ask(chat(false)).await.status, 502);
        assert_eq!(bench.record().await.outcome, Outcome::UpstreamError);
    }
}

#[tokio::test]
async fn connections_are_limited() {
    let mock = Mock::answering(json("{}")).await;
    let mut config = config(&[("engine", &mock)]);
    config.limits.connections_max = 2;
    let bench = Bench::start(config).await;
    let mut first = bench.connect().await;
    let mut second = bench.connect().await;
    for client in [&mut first, &mut second] {
        client.send(chat(false)).await;
        assert_eq!(client.reply().await.status, 200);
    }
    let mut third = bench.connect().await;
    let reply = third.reply().await;
    assert_eq!((reply.status, reply.header("retry-after").as_deref()), (503, Some("1")));
    let counters = bench.gateway.counters();
    assert_eq!((counters.connections_refused, counters.connections_max), (1, 2));
    drop(first);
    crate::mock::wait("a place", || bench.gateway.counters().connections == 1).await;
    assert_eq!(bench.ask(chat(false)).await.status, 200);
}
