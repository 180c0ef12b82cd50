//! Who may ask, and what the engine and the records learn of keys.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use gateway::{
    config::Config,
    keys::{Grant, KeyFile, Secret},
};
use model::{
    UnixMs,
    exchange::{Outcome, Refusal},
};

use crate::{
    client::{Bench, CHAT, Reply, config, get, post, post_with},
    mock::{Mock, json, wait},
};

const ANSWER: &str = r#"{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":40,"completion_tokens":60}}"#;

/// A folder with a file of keys.
struct Keys {
    _folder: tempfile::TempDir,
    file: KeyFile,
}

impl Keys {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = KeyFile::new(folder.path().join("keys.json"));
        Self { _folder: folder, file }
    }

    fn create(&self, name: &str, grant: Grant) -> String {
        let now = model::Clock::system().now();
        self.file.create(name, grant, None, now).unwrap().1.expose().to_owned()
    }

    fn config(&self, mock: &Mock) -> Config {
        let mut config = config(&[("engine", mock)]);
        config.access.anonymous = None;
        config.access.keys_file = Some(self.file.path().to_owned());
        config
    }
}

fn bearer(key: &str) -> String {
    format!("authorization: Bearer {key}\r\n")
}

fn chat(key: &str) -> String {
    post_with(CHAT, &bearer(key), r#"{"model":"m","messages":[]}"#)
}

fn refused(reply: &Reply, status: u16, why: &str) {
    assert_eq!((reply.status, reply.header("x-modelwatch-error")), (status, Some(why.into())));
}

#[tokio::test]
async fn refusals_have_the_shape_of_the_api_and_are_recorded() {
    let mock = Mock::answering(json(ANSWER)).await;
    let keys = Keys::new();
    let mut bench = Bench::start(keys.config(&mock)).await;
    let reply = bench.ask(post(CHAT, "{}")).await;
    refused(&reply, 401, "key_missing");
    assert_eq!(reply.json()["error"]["type"], "authentication_error");
    assert_eq!(reply.header("www-authenticate").as_deref(), Some("Bearer"));
    let reply = bench.ask(post("/v1/messages", "{}")).await;
    assert_eq!(reply.json()["type"], "error");
    assert_eq!(reply.json()["error"]["type"], "authentication_error");
    let reply = bench.ask(post("/api/chat", "{}")).await;
    assert!(reply.json()["error"].is_string());
    let reply = bench.ask(post_with(CHAT, "accept-language: zh-CN\r\n", "{}")).await;
    assert!(reply.text().contains("需要密钥"), "{}", reply.text());
    for _ in 0..4 {
        let record = bench.record().await;
        assert_eq!(record.outcome, Outcome::Refused);
        assert_eq!(record.refusal, Some(Refusal::KeyMissing));
        assert_eq!(record.upstream, None);
    }
    assert!(mock.seen().is_empty());
}

#[tokio::test]
async fn who_is_refused_while_sending_much_reads_why() {
    let mock = Mock::answering(json(ANSWER)).await;
    let bench = Bench::start(Keys::new().config(&mock)).await;
    let reply = bench.ask(post(CHAT, &"x".repeat(8 << 20))).await;
    refused(&reply, 401, "key_missing");
}

#[tokio::test]
async fn an_estimate_beyond_measure_wipes_no_budget() {
    let mock = Mock::answering(json(ANSWER)).await;
    let keys = Keys::new();
    let key = keys.create("sly", Grant { tokens_per_day: Some(150), ..Grant::default() });
    let bench = Bench::start(keys.config(&mock)).await;
    let body = format!(r#"{{"model":"m","max_tokens":{},"messages":[]}}"#, u64::MAX);
    for total in [100, 200] {
        assert_eq!(bench.ask(post_with(CHAT, &bearer(&key), &body)).await.status, 200);
        wait("the settlement", || bench.gateway.usage()[0].tokens_of_day == total).await;
    }
    refused(&bench.ask(post_with(CHAT, &bearer(&key), &body)).await, 429, "token_budget");
}

#[tokio::test]
async fn the_clients_key_stays_here_and_the_engines_key_there() {
    let mock = Mock::answering(json(ANSWER)).await;
    let keys = Keys::new();
    let key = keys.create("team", Grant::default());
    let mut config = keys.config(&mock);
    config.upstreams[0].api_key = Some(Secret::new("sk-engine".into()));
    assert!(!format!("{config:?}").contains("sk-engine"));
    let mut bench = Bench::start(config).await;
    let headers = [bearer(&key), format!("x-api-key: {key}\r\n"), format!("api-key: {key}\r\n")];
    for header in &headers {
        let reply = bench.ask(post_with(CHAT, header, r#"{"model":"m"}"#)).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, ANSWER));
        assert!(!reply.head.contains("sk-engine"));
        let record = bench.record().await;
        assert_eq!(record.key_name.as_deref(), Some("team"));
        assert!(!format!("{record:?}").contains(&key));
    }
    for seen in mock.seen() {
        assert_eq!(seen.header("authorization").as_deref(), Some("Bearer sk-engine"));
        assert!(!seen.head.contains(&key));
    }
}

#[tokio::test]
async fn without_keys_of_its_own_the_gateway_passes_credentials_on() {
    let mock = Mock::answering(json(ANSWER)).await;
    let bench = Bench::before(&mock).await;
    bench.ask(chat("sk-of-the-engine")).await;
    assert_eq!(mock.seen()[0].header("authorization").as_deref(), Some("Bearer sk-of-the-engine"));
}

#[tokio::test]
async fn keys_come_and_go_without_a_restart() {
    let mock = Mock::answering(json(ANSWER)).await;
    let keys = Keys::new();
    let bench = Bench::start(keys.config(&mock)).await;
    let key = keys.create("late", Grant::default());
    let is = async |status: u16| {
        for _ in 0..500 {
            if bench.ask(chat(&key)).await.status == status {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no {status} in time");
    };
    is(200).await;
    std::fs::write(keys.file.path(), "damaged").unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    is(200).await;
    std::fs::remove_file(keys.file.path()).unwrap();
    is(401).await;
    let mut access = keys.config(&mock).access;
    access.anonymous = Some(Grant::default());
    bench.gateway.set_access(access).unwrap();
    assert_eq!(bench.ask(chat("mw-unknown")).await.status, 401);
    assert_eq!(bench.ask(post(CHAT, "{}")).await.status, 200);
}

#[tokio::test]
async fn a_revoked_and_an_expired_key_open_nothing_but_have_a_name() {
    let mock = Mock::answering(json(ANSWER)).await;
    let keys = Keys::new();
    let revoked = keys.create("gone", Grant::default());
    keys.file.revoke("gone", UnixMs(1)).unwrap();
    let expired = keys.file.create("old", Grant::default(), Some(UnixMs(1)), UnixMs(0)).unwrap();
    let mut bench = Bench::start(keys.config(&mock)).await;
    refused(&bench.ask(chat(&revoked)).await, 401, "key_unknown");
    assert_eq!(bench.record().await.key_name.as_deref(), Some("gone"));
    refused(&bench.ask(chat(expired.1.expose())).await, 401, "key_expired");
    assert_eq!(bench.record().await.key_name.as_deref(), Some("old"));
}

#[tokio::test]
async fn limits_of_a_key_hold() {
    let mock = Mock::answering(json(ANSWER)).await;
    let keys = Keys::new();
    let rate = keys.create("rate", Grant { requests_per_minute: Some(1), ..Grant::default() });
    let tokens = keys.create("tokens", Grant { tokens_per_minute: Some(100), ..Grant::default() });
    let budget = keys.create("budget", Grant { tokens_per_day: Some(100), ..Grant::default() });
    let bench = Bench::start(keys.config(&mock)).await;
    let keys = [(rate, "request_rate"), (tokens, "token_rate"), (budget, "token_budget")];
    for (place, (key, why)) in keys.into_iter().enumerate() {
        assert_eq!(bench.ask(chat(&key)).await.status, 200);
        // Tokens are settled when the answer was read.
        let settled = || bench.gateway.usage().iter().filter(|u| u.tokens_of_day == 100).count();
        wait("the settlement", || settled() > place).await;
        let reply = bench.ask(chat(&key)).await;
        refused(&reply, 429, why);
        let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=86_400).contains(&wait), "{wait}");
        assert_eq!(reply.json()["error"]["type"], "rate_limit_error");
    }
    assert_eq!(mock.seen().len(), 3);
}

#[tokio::test]
async fn requests_at_the_same_time_are_limited() {
    let mock =
        Mock::start(|_| vec![crate::mock::Step::Await, crate::mock::Step::Send(json("{}"))]).await;
    let keys = Keys::new();
    let key = keys.create("one", Grant { concurrent_max: Some(1), ..Grant::default() });
    let bench = Bench::start(keys.config(&mock)).await;
    let mut first = bench.connect().await;
    first.send(chat(&key)).await;
    mock.wait_seen(1).await;
    refused(&bench.ask(chat(&key)).await, 429, "concurrency");
    drop(first);
    mock.wait_left(1).await;
    wait("the place", || bench.gateway.usage().iter().all(|usage| usage.running == 0)).await;
    let mut second = bench.connect().await;
    second.send(chat(&key)).await;
    mock.wait_seen(2).await;
}

#[tokio::test]
async fn models_of_a_key_hold_and_filter_the_lists() {
    let mock = Mock::start(|seen| {
        let answer = match seen.path.as_str() {
            "/v1/models" => r#"{"object":"list","data":[{"id":"a"},{"id":"b"}],"x":1}"#,
            "/api/tags" => r#"{"models":[{"name":"a:latest"},{"name":"b"}]}"#,
            _ => "{}",
        };
        vec![crate::mock::Step::Send(json(answer))]
    })
    .await;
    let keys = Keys::new();
    let key = keys.create("a only", Grant { models: vec!["a".into()], ..Grant::default() });
    let bench = Bench::start(keys.config(&mock)).await;
    let ask = async |path: &str, body: &str| bench.ask(post_with(path, &bearer(&key), body)).await;
    assert_eq!(ask(CHAT, r#"{"model":"a"}"#).await.status, 200);
    let reply = ask(CHAT, r#"{"model":"b"}"#).await;
    refused(&reply, 403, "model_denied");
    assert!(reply.text().contains("model b"), "{}", reply.text());
    // What cannot be read, or is not looked at, might ask for any model.
    refused(&ask(CHAT, "no json").await, 400, "malformed");
    refused(&ask("/v1/images/generations", r#"{"model":"b"}"#).await, 403, "path_denied");
    refused(&ask(CHAT, r#"{"messages":[]}"#).await, 403, "model_denied");
    refused(&ask(CHAT, r#"{"model":null}"#).await, 403, "model_denied");
    let socket = format!(
        "GET /v1/realtime?model=b HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\n{}\r\n",
        bearer(&key)
    );
    refused(&bench.ask(socket).await, 403, "path_denied");
    refused(&ask("//v1/chat/completions", r#"{"model":"b"}"#).await, 403, "path_denied");
    let list = async |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n{}\r\n", bearer(&key));
        bench.ask(request).await
    };
    let models = list("/v1/models").await.json();
    assert_eq!(models, serde_json::json!({"object": "list", "data": [{"id": "a"}], "x": 1}));
    let tags = list("/api/tags").await.json();
    assert_eq!(tags, serde_json::json!({"models": [{"name": "a:latest"}]}));
    refused(&list("/v1/models/b").await, 403, "model_denied");
    refused(&list("/v1/models/%62").await, 403, "model_denied");
    assert_eq!(list("/v1/models/a").await.status, 200);
}

#[tokio::test]
async fn management_is_closed_and_addresses_are_checked() {
    let mock = Mock::answering(json("{}")).await;
    let bench = Bench::before(&mock).await;
    for request in [
        post("/api/pull", "{}"),
        post("/api/%70ull", "{}"),
        get("/slots"),
        get("//slots"),
        get("/stopService"),
        post("/v1/load_lora_adapter", "{}"),
    ] {
        refused(&bench.ask(request).await, 403, "management");
    }
    let mut access = config(&[("engine", &mock)]).access;
    access.allow_management = true;
    bench.gateway.set_access(access.clone()).unwrap();
    assert_eq!(bench.ask(post("/api/pull", "{}")).await.status, 200);
    access.refuse_unknown_paths = true;
    bench.gateway.set_access(access.clone()).unwrap();
    refused(&bench.ask(get("/metrics")).await, 403, "path_denied");
    assert_eq!(bench.ask(get("/v1/models")).await.status, 200);
    access.deny = vec!["127.0.0.0/8".parse().unwrap()];
    bench.gateway.set_access(access.clone()).unwrap();
    refused(&bench.ask(get("/v1/models")).await, 403, "address_denied");
    access.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    bench.gateway.set_access(access).unwrap();
    let request = "GET /v1/models HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 192.0.2.1\r\n\r\n";
    assert_eq!(bench.ask(request).await.status, 200);
}

/// Everything that is logged in this process, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_prompt_answer_or_key_is_logged_or_recorded() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let answer = r#"{"error":{"message":"you said MARKER-PROMPT; MARKER-ANSWER","type":"bad"}}"#;
    let mock = Mock::answering(crate::mock::whole(400, "application/json", answer)).await;
    let keys = Keys::new();
    let key = keys.create("team", Grant::default());
    let mut config = keys.config(&mock);
    config.upstreams[0].api_key = Some(Secret::new("MARKER-ENGINE".into()));
    let mut bench = Bench::start(config).await;
    let body = r#"{"model":"m","messages":[{"role":"user","content":"MARKER-PROMPT"}]}"#;
    bench.ask(post_with(&format!("{CHAT}?token=MARKER-QUERY"), &bearer(&key), body)).await;
    bench.ask(post_with(CHAT, &bearer("mw-MARKER-WRONG"), body)).await;
    bench.ask(post_with(CHAT, &bearer(&key), "MARKER-PROMPT no json")).await;
    let mut records = vec![bench.record().await, bench.record().await];
    records.extend(bench.stop().await);
    assert_eq!(records.len(), 3);
    tracing::info!("the log is read");
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("the log is read"));
    for text in [log, format!("{records:?}")] {
        assert!(!text.contains("MARKER") && !text.contains(&key), "{text}");
    }
}
