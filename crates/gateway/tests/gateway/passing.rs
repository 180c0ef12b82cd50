//! What passes unchanged, what does not pass, and how the two connections are used.

use std::time::Duration;

use bytes::Bytes;
use gateway::config::{Listen, Tls};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, client::conn::http2::SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use model::exchange::Outcome;

use crate::{
    client::{Bench, CHAT, chat, config, fixture, get, post, post_with, upstream},
    mock::{Mock, Step, chunk, json, last_chunk, sse_head, token, whole},
};

pub(crate) async fn http2(bench: &Bench) -> SendRequest<Full<Bytes>> {
    let stream = tokio::net::TcpStream::connect(bench.address).await.unwrap();
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub(crate) fn http2_chat(bench: &Bench) -> Request<Full<Bytes>> {
    let body = r#"{"model":"m","stream":true,"messages":[]}"#;
    Request::post(format!("http://{}{CHAT}", bench.address))
        .header("content-type", "application/json")
        .body(Full::from(body))
        .unwrap()
}

#[tokio::test]
async fn headers_pass_but_for_those_between_neighbours() {
    let answer = "HTTP/1.1 200 OK\r\nserver: engine\r\nx-custom: 1\r\nconnection: x-hop\r\nx-hop: 1\r\n\
                  keep-alive: timeout=5\r\nx-modelwatch-error: forged\r\ncontent-length: 2\r\n\r\n{}";
    let mock = Mock::answering(answer.into()).await;
    let mut bench = Bench::before(&mock).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let reply = bench
        .ask(post_with(
            &format!("{CHAT}?api-version=1"),
            &format!(
                "connection: keep-alive, x-mine\r\nx-mine: 1\r\nte: gzip\r\nx-other: 2\r\n\
                 x-request-id: abc\r\ntraceparent: 00-{trace}-00f067aa0ba902b7-01\r\n\
                 x-modelwatch-error: forged\r\nuser-agent: tester\r\n"
            ),
            r#"{"model":"m"}"#,
        ))
        .await;
    assert_eq!(reply.header("server").as_deref(), Some("engine"));
    assert_eq!(reply.header("x-custom").as_deref(), Some("1"));
    assert_eq!(reply.header("x-request-id").as_deref(), Some("abc"));
    for name in ["x-hop", "keep-alive", "x-modelwatch-error"] {
        assert_eq!(reply.header(name), None, "{name}");
    }
    let seen = &mock.seen()[0];
    assert_eq!(seen.path, format!("{CHAT}?api-version=1"));
    assert_eq!(seen.header("content-type").as_deref(), Some("application/json"));
    assert_eq!(seen.header("x-other").as_deref(), Some("2"));
    assert_eq!(seen.header("x-request-id").as_deref(), Some("abc"));
    assert_eq!(seen.header("host"), Some(mock.address.to_string()));
    for name in ["x-mine", "te", "connection", "x-modelwatch-error"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    let record = bench.record().await;
    let parent = seen.header("traceparent").unwrap();
    assert_eq!(parent, format!("00-{trace}-{}-01", record.span_id));
    assert_eq!(record.parent_span_id.as_deref(), Some("00f067aa0ba902b7"));
    assert_eq!((record.request_id.as_str(), record.user_agent.as_str()), ("abc", "tester"));
    assert_eq!(record.path, CHAT, "a query may hold secrets");
}

#[tokio::test]
async fn a_request_without_a_content_type_gets_none() {
    let mock = Mock::answering(json("{}")).await;
    let bench = Bench::before(&mock).await;
    bench.ask(format!("POST {CHAT} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{{}}")).await;
    assert_eq!(mock.seen()[0].header("content-type"), None);
}

#[tokio::test]
async fn bodies_pass_byte_by_byte() {
    let odd = "{\"z\":1,\r\n \"model\" : \"m\", \"n\":12345678901234567890123, \"e\":\"\\u00e9\"}";
    let mock = Mock::answering(json(odd)).await;
    let bench = Bench::before(&mock).await;
    let reply = bench.ask(post(CHAT, odd)).await;
    assert_eq!(reply.text(), odd);
    assert_eq!(mock.seen()[0].body, odd.as_bytes());
}

#[tokio::test]
async fn chunked_requests_and_100_continue_are_understood() {
    let mock = Mock::answering(json("{}")).await;
    let bench = Bench::before(&mock).await;
    let mut client = bench.connect().await;
    client
        .send(format!(
            "POST {CHAT} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n"
        ))
        .await;
    assert!(client.head().await.starts_with("HTTP/1.1 100"));
    client.send("5\r\n{\"mod\r\n8\r\nel\":\"m\"}\r\n0\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 200);
    let seen = &mock.seen()[0];
    assert_eq!(seen.body, br#"{"model":"m"}"#);
    assert_eq!(seen.header("expect"), None);
}

#[tokio::test]
async fn who_is_refused_is_not_asked_to_go_on() {
    let mock = Mock::answering(json("{}")).await;
    let mut config = config(&[("engine", &mock)]);
    config.access.anonymous = None;
    let bench = Bench::start(config).await;
    let mut client = bench.connect().await;
    client
        .send(format!(
            "POST {CHAT} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 9999\r\n\r\n"
        ))
        .await;
    assert_eq!(client.reply().await.status, 401);
}

#[tokio::test]
async fn unknown_paths_pass_with_their_bodies_as_they_come() {
    let mock = Mock::answering(whole(200, "text/plain", "ok")).await;
    let mut bench = Bench::before(&mock).await;
    let mut client = bench.connect().await;
    client.send("PUT /custom/path HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
    client.send("3\r\nabc\r\n0\r\n\r\n").await;
    assert_eq!(client.reply().await.text(), "ok");
    assert_eq!(mock.seen()[0].body, b"3\r\nabc\r\n0\r\n\r\n");
    let record = bench.record().await;
    assert_eq!((record.outcome, record.api), (Outcome::Ok, ""));
}

#[tokio::test]
async fn a_prefix_of_the_engine_goes_before_every_path() {
    let mock = Mock::answering(json("{}")).await;
    let mut config = config(&[]);
    config.upstreams = vec![upstream("engine", &format!("{}/serve/one/", mock.url()))];
    let bench = Bench::start(config).await;
    bench.ask(get("/v1/models?x=1")).await;
    assert_eq!(mock.seen()[0].path, "/serve/one/v1/models?x=1");
}

#[tokio::test]
async fn head_keeps_its_length_and_empty_answers_stay_empty() {
    let mock = Mock::start(|seen| {
        let answer = match seen.path.as_str() {
            "/length" => "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n",
            "/none" => "HTTP/1.1 204 No Content\r\n\r\n",
            _ => "HTTP/1.1 304 Not Modified\r\n\r\n",
        };
        vec![Step::Send(answer.into())]
    })
    .await;
    let mut bench = Bench::before(&mock).await;
    let mut client = bench.connect().await;
    client.send("HEAD /length HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(client.head().await.contains("content-length: 1234"));
    for (path, status) in [("/none", 204), ("/unchanged", 304)] {
        client.send(get(path)).await;
        assert_eq!(client.reply().await.status, status);
    }
    for _ in 0..3 {
        assert_eq!(bench.record().await.outcome, Outcome::Ok);
    }
    assert_eq!(mock.connections(), 1, "the connection is used again");
}

#[tokio::test]
async fn old_clients_get_streams_that_end_with_the_connection() {
    let steps = vec![sse_head(), chunk(token("a")), chunk(token("b")), last_chunk()];
    let mock = Mock::start(move |_| steps.clone()).await;
    let bench = Bench::before(&mock).await;
    let reply = bench.ask("GET /stream HTTP/1.0\r\n\r\n").await;
    assert!(reply.head.starts_with("HTTP/1.0 200"), "{}", reply.head);
    assert_eq!(reply.header("transfer-encoding"), None);
    assert_eq!(reply.body, [token("a"), token("b")].concat().into_bytes());
}

#[tokio::test]
async fn trailers_pass() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n";
    let mock = Mock::start(move |_| {
        let end = Step::Send(b"0\r\nx-sum: 42\r\n\r\n".to_vec());
        vec![Step::Send(head.into()), chunk("body"), end]
    })
    .await;
    let bench = Bench::before(&mock).await;
    let mut client = bench.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te\r\n\r\n").await;
    client.head().await;
    let rest = client.bytes("4\r\nbody\r\n0\r\nx-sum: 42\r\n\r\n".len()).await.unwrap();
    assert_eq!(String::from_utf8(rest).unwrap(), "4\r\nbody\r\n0\r\nx-sum: 42\r\n\r\n");
    assert_eq!(mock.seen()[0].header("te").as_deref(), Some("trailers"));
}

#[tokio::test]
async fn http2_clients_are_served_by_http1_engines() {
    let steps = vec![sse_head(), chunk(token("a")), chunk(token("b")), last_chunk()];
    let mock = Mock::start(move |_| steps.clone()).await;
    let mut bench = Bench::before(&mock).await;
    let mut sender = http2(&bench).await;
    let response = sender.send_request(http2_chat(&bench)).await.unwrap();
    assert!(!response.headers().contains_key("transfer-encoding"));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, [token("a"), token("b")].concat());
    assert!(mock.seen()[0].head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"));
    assert_eq!(bench.record().await.http_version, "2");
}

#[tokio::test]
async fn websockets_pass_both_ways_and_are_counted() {
    let answer = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                  sec-websocket-accept: x\r\n\r\n";
    let mock = Mock::start(move |_| vec![Step::Send(answer.into()), Step::Echo]).await;
    let mut bench = Bench::before(&mock).await;
    let mut client = bench.connect().await;
    client
        .send("GET /v1/realtime HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: k\r\n\r\n")
        .await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.header("upgrade").as_deref()), (101, Some("websocket")));
    assert_eq!(mock.seen()[0].header("sec-websocket-key").as_deref(), Some("k"));
    for text in ["hello", "and again"] {
        client.send(text).await;
        assert_eq!(client.bytes(text.len()).await.unwrap(), text.as_bytes());
    }
    drop(client);
    let record = bench.record().await;
    assert_eq!((record.outcome, record.status), (Outcome::Ok, Some(101)));
    assert_eq!((record.request_bytes, record.response_bytes), (14, 14));
}

#[tokio::test]
async fn tls_serves_both_versions() {
    let mock = Mock::answering(json("{}")).await;
    let mut config = config(&[("engine", &mock)]);
    let files = Tls { certificate_file: fixture("cert.pem"), key_file: fixture("key.pem") };
    config.listen = vec![Listen { address: "127.0.0.1:0".parse().unwrap(), tls: Some(files) }];
    let bench = Bench::start(config).await;
    // The gateway as an engine behind another one, which trusts its certificate.
    let mut outer = crate::client::config(&[]);
    let mut engine = upstream("inner", &format!("https://localhost:{}", bench.address.port()));
    engine.ca_file = Some(fixture("cert.pem"));
    outer.upstreams = vec![engine];
    let mut outer = Bench::start(outer).await;
    let reply = outer.ask(chat(false)).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "{}"));
    assert_eq!(outer.record().await.outcome, Outcome::Ok);

    let mut client = bench.connect().await;
    client.send(get("/")).await;
    client.reply_or_end().await;
    assert_eq!(mock.seen().len(), 1, "plain text is not served");
}

#[tokio::test]
async fn a_new_certificate_takes_effect_and_a_bad_one_does_not() {
    let mock = Mock::answering(json("{}")).await;
    let folder = tempfile::tempdir().unwrap();
    let write = |certificate: &str, key: &str| {
        std::fs::copy(fixture(certificate), folder.path().join("cert.pem")).unwrap();
        std::fs::copy(fixture(key), folder.path().join("key.pem")).unwrap();
    };
    write("cert.pem", "key.pem");
    let files = Tls {
        certificate_file: folder.path().join("cert.pem"),
        key_file: folder.path().join("key.pem"),
    };
    let mut config = config(&[("engine", &mock)]);
    config.listen = vec![Listen { address: "127.0.0.1:0".parse().unwrap(), tls: Some(files) }];
    let bench = Bench::start(config).await;
    // Who trusts only one of the certificates.
    let is_served = async |certificate: &str| {
        let mut outer = crate::client::config(&[]);
        let mut engine = upstream("inner", &format!("https://localhost:{}", bench.address.port()));
        engine.ca_file = Some(fixture(certificate));
        outer.upstreams = vec![engine];
        Bench::start(outer).await.ask(chat(false)).await.status == 200
    };
    let notice = async || {
        let mut notices = Vec::new();
        let noticed = tokio::time::timeout(Duration::from_secs(10), async {
            while notices.is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                notices = bench.gateway.take_notices();
            }
        });
        noticed.await.expect("a notice");
        assert_eq!(notices.len(), 1, "{notices:?}");
        notices.remove(0)
    };
    assert!(is_served("cert.pem").await && !is_served("cert-new.pem").await);
    write("cert-new.pem", "key-new.pem");
    assert_eq!(notice().await.body, "event.certificate_read");
    assert!(is_served("cert-new.pem").await && !is_served("cert.pem").await);
    // The key of another certificate, then no key at all.
    for bad in ["key.pem", "cert-new.pem"] {
        write("cert-new.pem", bad);
        let refused = notice().await;
        assert_eq!(refused.body, "event.certificate_refused", "{bad}");
        assert!(refused.attributes.iter().any(|(name, value)| name == "reason" && value.len() > 8));
    }
    std::fs::remove_file(folder.path().join("cert.pem")).unwrap();
    assert_eq!(notice().await.body, "event.certificate_refused");
    assert!(is_served("cert-new.pem").await);
    write("cert.pem", "key.pem");
    assert_eq!(notice().await.body, "event.certificate_read");
    assert!(is_served("cert.pem").await);
}

#[tokio::test]
async fn idle_connections_are_used_again_until_they_are_old() {
    let mock = Mock::answering(json("{}")).await;
    let mut config = config(&[("engine", &mock)]);
    config.timeouts.pool_idle = Duration::from_secs(2);
    let mut bench = Bench::start(config).await;
    let mut client = bench.connect().await;
    for _ in 0..3 {
        client.send(chat(false)).await;
        client.reply().await;
        bench.record().await;
    }
    assert_eq!(mock.connections(), 1);
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    client.send(chat(false)).await;
    client.reply().await;
    assert_eq!(mock.connections(), 2);
}

#[tokio::test]
async fn a_request_that_met_a_closing_connection_is_sent_once_more() {
    // The second request on a connection is read, and the connection closed without a word.
    let mock = Mock::start(|seen| match seen.number {
        0 => vec![Step::Send(json("{}"))],
        _ => vec![Step::Close],
    })
    .await;
    let mut bench = Bench::before(&mock).await;
    let mut client = bench.connect().await;
    for is_retried in [false, true, true] {
        client.send(chat(false)).await;
        assert_eq!(client.reply().await.status, 200);
        let record = bench.record().await;
        assert_eq!((record.outcome, record.is_retried), (Outcome::Ok, is_retried));
    }
    assert_eq!(bench.gateway.counters().retries, 2);
    assert_eq!(mock.seen().len(), 5);
}

#[tokio::test]
async fn nothing_is_sent_twice_once_something_came_back_or_on_a_new_connection() {
    for answer in ["", "HTTP/1.1 200 OK\r\ncont"] {
        let mock = Mock::start(move |seen| match (seen.number, answer) {
            (0, "HTTP/1.1 200 OK\r\ncont") => vec![Step::Send(json("{}"))],
            _ => vec![Step::Send(answer.into()), Step::Close],
        })
        .await;
        let mut bench = Bench::before(&mock).await;
        let mut client = bench.connect().await;
        if !answer.is_empty() {
            client.send(chat(false)).await;
            assert_eq!(client.reply().await.status, 200);
            bench.record().await;
        }
        let before = mock.seen().len();
        client.send(chat(false)).await;
        let reply = client.reply().await;
        assert_eq!(reply.status, 502);
        assert_eq!(reply.header("x-modelwatch-error").as_deref(), Some("upstream_broken"));
        let record = bench.record().await;
        assert_eq!((record.outcome, record.is_retried), (Outcome::UpstreamError, false));
        assert_eq!(mock.seen().len(), before + 1);
    }
}

#[tokio::test]
async fn an_engine_may_close_after_any_number_of_requests() {
    // As llama.cpp does after 100.
    let mock = Mock::start(|seen| {
        if seen.number < 9 {
            return vec![Step::Send(json("{}"))];
        }
        let last = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
        vec![Step::Send(last.into()), Step::Close]
    })
    .await;
    let bench = Bench::before(&mock).await;
    let mut client = bench.connect().await;
    for _ in 0..101 {
        client.send(chat(false)).await;
        assert_eq!(client.reply().await.status, 200);
    }
    assert!((11..=13).contains(&mock.connections()), "{}", mock.connections());
}

#[tokio::test]
async fn stopping_lets_requests_end_and_hands_over_their_records() {
    let mock =
        Mock::start(|_| vec![sse_head(), chunk(token("a")), Step::Await, last_chunk()]).await;
    let bench = Bench::before(&mock).await;
    let mut client = bench.connect().await;
    client.send(chat(true)).await;
    client.head().await;
    client.chunk().await.unwrap();
    let address = bench.address;
    let stopping = tokio::spawn(bench.stop());
    crate::mock::wait("the listener to close", || std::net::TcpStream::connect(address).is_err())
        .await;
    mock.permit();
    assert_eq!(client.chunk().await.unwrap(), b"");
    let records = stopping.await.unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].output_events, 1);
}
