//! Several engines behind one gateway.

use model::exchange::{Outcome, Refusal};

use crate::{
    client::{Bench, CHAT, config, get, post, upstream},
    mock::{Mock, Step, json, wait, whole},
};

async fn engine(name: &'static str, models: &'static str) -> Mock {
    Mock::start(move |seen| {
        let answer = match seen.path.as_str() {
            "/v1/models" => json(models),
            "/api/tags" => whole(404, "text/plain", "no"),
            _ => json(&format!(r#"{{"engine":"{name}"}}"#)),
        };
        vec![Step::Send(answer)]
    })
    .await
}

fn chat(model: &str) -> String {
    post(CHAT, &format!(r#"{{"model":"{model}","messages":[]}}"#))
}

#[tokio::test]
async fn requests_go_to_the_engine_of_their_model() {
    let one = engine("one", r#"{"object":"list","data":[{"id":"a"}]}"#).await;
    let two = engine("two", r#"{"object":"list","data":[{"id":"b"},{"id":"c"}]}"#).await;
    let mut config = config(&[("one", &one), ("two", &two)]);
    config.upstreams[1].models = vec!["b".into()];
    let mut bench = Bench::start(config).await;
    for (model, expected) in [("a", "one"), ("b", "two")] {
        let reply = bench.ask(chat(model)).await;
        assert_eq!(reply.json()["engine"], expected);
        assert_eq!(bench.record().await.upstream.as_deref(), Some(expected));
    }
    for model in ["c", "d"] {
        let reply = bench.ask(chat(model)).await;
        assert_eq!(reply.status, 404);
        assert_eq!(reply.json()["error"]["code"], "model_unknown");
        assert_eq!(bench.record().await.refusal, Some(Refusal::ModelUnknown));
    }
    let list = bench.ask(get("/v1/models")).await.json();
    assert_eq!(list, serde_json::json!({"object": "list", "data": [{"id": "a"}, {"id": "b"}]}));
    assert_eq!(bench.ask(get("/api/tags")).await.json(), serde_json::json!({"models": []}));
}

#[tokio::test]
async fn another_replica_is_asked_when_one_cannot_be_reached() {
    let alive = engine("alive", r#"{"data":[{"id":"a"}]}"#).await;
    let mut config = config(&[("alive", &alive)]);
    config.upstreams.push(upstream("dead", "http://127.0.0.1:1"));
    for upstream in &mut config.upstreams {
        upstream.models = vec!["a".into()];
    }
    let mut bench = Bench::start(config).await;
    for _ in 0..4 {
        assert_eq!(bench.ask(chat("a")).await.status, 200);
        assert_eq!(bench.record().await.upstream.as_deref(), Some("alive"));
    }
    let states = bench.gateway.upstreams();
    assert!(states[0].is_up && !states[1].is_up);
}

#[tokio::test]
async fn an_engine_that_cannot_be_reached_is_told_as_such() {
    let mut config = config(&[]);
    config.upstreams = vec![upstream("dead", "http://127.0.0.1:1")];
    let mut bench = Bench::start(config).await;
    let reply = bench.ask(chat("a")).await;
    assert_eq!(reply.status, 502);
    assert_eq!(reply.header("x-modelwatch-error").as_deref(), Some("upstream_unreachable"));
    assert!(reply.text().contains("dead"));
    let record = bench.record().await;
    assert_eq!((record.outcome, record.refusal), (Outcome::UpstreamError, None));
    assert!(record.error.is_some());
}

#[tokio::test]
async fn replicas_share_the_load() {
    let slow = |_: &crate::mock::Seen| vec![Step::Await, Step::Send(json("{}"))];
    let (one, two) = (Mock::start(slow).await, Mock::start(slow).await);
    let mut config = config(&[("one", &one), ("two", &two)]);
    config.timeouts.connect = std::time::Duration::from_secs(1);
    for upstream in &mut config.upstreams {
        upstream.models = vec!["a".into()];
    }
    // Nobody answers the first question for models: that is over after its deadline.
    let bench = Bench::start(config).await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        let mut client = bench.connect().await;
        client.send(chat("a")).await;
        clients.push(client);
    }
    let chats = |mock: &Mock| mock.seen().iter().filter(|seen| seen.path == CHAT).count();
    wait("all requests", || chats(&one) + chats(&two) == 6).await;
    assert_eq!((chats(&one), chats(&two)), (3, 3));
}
