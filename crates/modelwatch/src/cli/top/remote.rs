//! A running modelwatch as the source: its live socket, and its HTTP API for what the socket does not bring.
//!
//! Two threads. One holds the socket and connects again whenever it breaks. The other asks over HTTP: for what
//! was before, for requests, and for everything where no socket gets through.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc::SyncSender,
    },
    time::Duration,
};

use anyhow::{Context as _, bail};
use axum::http::{HeaderValue, header};
use futures_util::{SinkExt as _, StreamExt as _};
use model::{Clock, Labels, UnixMs};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, client::IntoClientRequest as _, protocol::WebSocketConfig},
};

use super::{
    Input,
    questions::{Ask, PAST_MS, QUESTIONS, Question},
    state::{self, News},
    view::{Past, Requests},
};
use crate::cli::{
    peer::{Answer, Peer},
    query::{remote::value_of, text::harmless},
};

/// How long a server may take to be reached or to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The server speaks every second. One that is silent for so long is gone, whatever the socket says.
const SILENCE: Duration = Duration::from_secs(10);
/// Largest answer that is read; a larger one counts as none.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Largest message of the socket; one that sends a larger one is left.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Shortest and longest pause before connecting again.
const RETRY_MIN: Duration = Duration::from_millis(500);
/// See [`RETRY_MIN`].
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Failures of the socket in a row after which everything is asked over HTTP.
const FAILURES_BEFORE_POLLING: u32 = 2;
/// How often requests are asked for, and everything without a socket.
const POLL: Duration = Duration::from_secs(2);
/// How often a stop or a wish is looked for.
const NAP: Duration = Duration::from_millis(100);
/// Requests asked for.
const REQUESTS: usize = 200;
/// Bytes before the values of a block.
const BLOCK_HEAD: usize = 20;
/// Characters shown of an answer that makes no sense; the rest is left out.
const SHOWN_MAX: usize = 120;

/// A wish for another order of requests, and the word that ends everything.
#[derive(Default)]
pub(super) struct Wishes {
    pub(super) stop: AtomicBool,
    /// As the API names it.
    sort: Mutex<String>,
    is_new: AtomicBool,
}

impl Wishes {
    pub(super) fn sort_by(&self, sort: &str) {
        sort.clone_into(&mut self.sort.lock().unwrap_or_else(PoisonError::into_inner));
        self.is_new.store(true, Ordering::Relaxed);
    }

    fn sort(&self) -> String {
        self.sort.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits, unless there is reason not to.
    fn rest(&self, pause: Duration) {
        let mut left = pause;
        while left > Duration::ZERO
            && !self.stop.load(Ordering::Relaxed)
            && !self.is_new.swap(false, Ordering::Relaxed)
        {
            std::thread::sleep(NAP.min(left));
            left = left.saturating_sub(NAP);
        }
    }
}

/// What both threads know of the socket.
#[derive(Default)]
struct Socket {
    is_open: AtomicBool,
    /// Failures in a row.
    failures: AtomicU32,
    /// How often it was opened.
    opened: AtomicU32,
}

impl Socket {
    /// Whether everything is asked over HTTP.
    fn is_given_up(&self) -> bool {
        !self.is_open.load(Ordering::Relaxed)
            && self.failures.load(Ordering::Relaxed) >= FAILURES_BEFORE_POLLING
    }
}

/// Whether a modelwatch that holds series answers there, and if not, why.
pub(super) fn greet(peer: &mut Peer) -> anyhow::Result<()> {
    get(peer, "/api/v1/overview").map(drop)
}

/// An answer that is none: a refusal, or what makes no sense. The server is there and may answer the next question.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

/// `None` for an answer that is none; an error where nobody answers.
fn unless_refused<T>(answer: anyhow::Result<T>) -> anyhow::Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is::<Refused>() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Everything at once over HTTP. What is refused is absent; without an overview there is nothing.
pub(super) fn look(
    peer: &mut Peer,
    clock: &Clock,
    tell: &mut dyn FnMut(News),
) -> anyhow::Result<()> {
    tell(News::Overview(get(peer, "/api/v1/overview")?));
    if let Some(sources) = unless_refused(get(peer, "/api/v1/sources"))? {
        tell(News::Sources(sources));
    }
    if let Some(events) = unless_refused(events(peer))? {
        tell(News::Events(events));
    }
    // One question may take a server too long; one that is silent at the next as well is gone.
    let mut silent = None;
    for Question { ask, query, .. } in QUESTIONS {
        let form = [("query", (*query).to_owned())];
        let value = match unless_refused(evaluate(peer, "/api/v1/query", &form)) {
            Ok(value) => value,
            Err(error) if silent.is_some() => return Err(error),
            Err(_) => {
                silent = Some(*ask);
                continue;
            }
        };
        let mut tell = |ask, values| tell(News::Values { ask, time: clock.now(), values });
        silent.take().into_iter().for_each(|ask| tell(ask, Vec::new()));
        tell(*ask, value.map(query::Value::into_floats).unwrap_or_default());
    }
    if let Some(ask) = silent {
        tell(News::Values { ask, time: clock.now(), values: Vec::new() });
    }
    Ok(())
}

/// The last events, also those of earlier runs where the server keeps them.
fn events(peer: &mut Peer) -> anyhow::Result<Value> {
    match unless_refused(get(peer, "/api/mw/v1/events?limit=100"))? {
        Some(events) => Ok(events),
        None => get(peer, "/api/v1/events?limit=100"),
    }
}

/// The last minutes of what is drawn over time.
pub(super) fn look_back(
    peer: &mut Peer,
    now: UnixMs,
    step_ms: i64,
    tell: &mut dyn FnMut(News),
) -> anyhow::Result<()> {
    let step_ms = step_ms.max(PAST_MS / 150);
    let end = now.0.div_euclid(step_ms) * step_ms;
    for Question { ask, query, .. } in QUESTIONS.iter().filter(|question| question.has_past) {
        let seconds = |ms: i64| (ms as f64 / 1e3).to_string();
        let form = [
            ("query", (*query).to_owned()),
            ("start", seconds(end - PAST_MS)),
            ("end", seconds(end)),
            ("step", seconds(step_ms)),
        ];
        if let Some(value) = unless_refused(evaluate(peer, "/api/v1/query_range", &form))? {
            tell(News::Past { ask: *ask, series: lines(value) });
        }
    }
    Ok(())
}

/// The requests that the gateway recorded, in an order that the API knows.
pub(super) fn requests(peer: &mut Peer, sort: &str) -> anyhow::Result<Requests> {
    let sort = if sort.is_empty() { "-time" } else { sort };
    let found = get(peer, &format!("/api/mw/v1/requests?limit={REQUESTS}&sort={sort}"))?;
    let requests = state::requests(&found);
    // Records of a gateway that was there before are worth showing.
    if matches!(&requests, Requests::Known { total: 0, .. })
        && let Some(gateway) = unless_refused(get(peer, "/api/mw/v1/gateway"))?
        && gateway["enabled"] == false
    {
        return Ok(Requests::Off);
    }
    Ok(requests)
}

/// Starts both threads. They end when nobody listens any more or `wishes.stop` is set.
pub(super) fn follow(
    mut peer: Peer,
    interval: Duration,
    clock: Clock,
    tell: SyncSender<Input>,
    wishes: Arc<Wishes>,
) -> std::io::Result<()> {
    let socket = Arc::new(Socket::default());
    let (authority, prefix) = peer.place();
    let place = (authority.to_owned(), prefix.to_owned());
    let step_ms = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
    let live = {
        let (socket, wishes, tell) = (Arc::clone(&socket), Arc::clone(&wishes), tell.clone());
        move || keep_open(&place, step_ms, &socket, &wishes, &tell)
    };
    std::thread::Builder::new().name("top-live".into()).spawn(live)?;
    let asking = move || {
        let mut opened = 0;
        while !wishes.stop.load(Ordering::Relaxed) {
            let mut is_heard = true;
            let mut send = |news| is_heard &= tell.send(Input::News(Box::new(news))).is_ok();
            let now_opened = socket.opened.load(Ordering::Relaxed);
            let is_polling = socket.is_given_up();
            let mut ask = || -> anyhow::Result<()> {
                if is_polling {
                    look(&mut peer, &clock, &mut send)?;
                    // It may be back by now.
                    if socket.is_given_up() {
                        send(News::Polled);
                    }
                }
                if now_opened != opened {
                    look_back(&mut peer, clock.now(), step_ms, &mut send)?;
                    if let Some(events) = unless_refused(events(&mut peer))? {
                        send(News::Events(events));
                    }
                    opened = now_opened;
                }
                if let Some(requests) = unless_refused(requests(&mut peer, &wishes.sort()))? {
                    send(News::Requests(requests));
                }
                Ok(())
            };
            if let Err(error) = ask()
                && is_polling
                && socket.is_given_up()
            {
                send(News::Lost(plain(&error)));
            }
            if !is_heard {
                return;
            }
            wishes.rest(POLL);
        }
    };
    std::thread::Builder::new().name("top-ask".into()).spawn(asking)?;
    Ok(())
}

/// What went wrong, in one line that a terminal may show.
fn plain(error: &anyhow::Error) -> String {
    harmless(&format!("{error:#}"))
}

fn keep_open(
    place: &(String, String),
    step_ms: i64,
    socket: &Socket,
    wishes: &Wishes,
    tell: &SyncSender<Input>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    while !wishes.stop.load(Ordering::Relaxed) {
        let ended = runtime.block_on(listen(place, step_ms, socket, tell));
        socket.is_open.store(false, Ordering::Relaxed);
        let failures = socket.failures.fetch_add(1, Ordering::Relaxed);
        let is_heard = match ended {
            Ok(()) => false,
            // Asking over HTTP says what is lost once it has taken over.
            Err(_) if failures >= FAILURES_BEFORE_POLLING => true,
            Err(error) => tell.send(Input::News(Box::new(News::Lost(plain(&error))))).is_ok(),
        };
        if !is_heard {
            return;
        }
        let mut left = (RETRY_MIN * 2_u32.saturating_pow(failures.min(8))).min(RETRY_MAX);
        while left > Duration::ZERO && !wishes.stop.load(Ordering::Relaxed) {
            std::thread::sleep(NAP.min(left));
            left = left.saturating_sub(NAP);
        }
    }
}

/// One connection, until it breaks; `Ok` when nobody listens any more.
async fn listen(
    (authority, prefix): &(String, String),
    step_ms: i64,
    state: &Socket,
    tell: &SyncSender<Input>,
) -> anyhow::Result<()> {
    let late = || format!("http://{authority}: no answer in {} s", PATIENCE.as_secs());
    let stream = timeout(PATIENCE, TcpStream::connect(authority)).await.with_context(late)?;
    let stream = stream.with_context(|| format!("http://{authority}"))?;
    stream.set_nodelay(true)?;
    let mut request = format!("ws://{authority}{prefix}/api/v1/live").into_client_request()?;
    let protocol = HeaderValue::from_static("v1");
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    let limits = WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX));
    let opening = client_async_with_config(request, stream, Some(limits));
    let (mut socket, _) = timeout(PATIENCE, opening).await.with_context(late)??;
    subscribe(&mut socket, step_ms).await?;
    state.is_open.store(true, Ordering::Relaxed);
    state.opened.fetch_add(1, Ordering::Relaxed);
    state.failures.store(0, Ordering::Relaxed);
    let mut schemas = HashMap::new();
    loop {
        let silent = || format!("http://{authority}: silent for {} s", SILENCE.as_secs());
        let message = timeout(SILENCE, socket.next()).await.with_context(silent)?;
        let message = message.with_context(|| format!("http://{authority}: it hung up"))??;
        let news = match message {
            Message::Text(text) => said(&text, &mut schemas),
            Message::Binary(bytes) => blocks(&bytes, &schemas),
            Message::Close(_) => bail!("http://{authority}: it hung up"),
            _ => Vec::new(),
        };
        for news in news {
            if tell.send(Input::News(Box::new(news))).is_err() {
                return Ok(());
            }
        }
    }
}

async fn subscribe(socket: &mut WebSocketStream<TcpStream>, step_ms: i64) -> anyhow::Result<()> {
    let topics = json!({ "type": "watch", "topics": ["overview", "sources", "events"] });
    socket.feed(Message::text(topics.to_string())).await?;
    for (id, question) in (1_u32..).zip(QUESTIONS) {
        let wish = json!({ "type": "sub", "id": id, "query": question.query, "step": step_ms });
        socket.feed(Message::text(wish.to_string())).await?;
    }
    socket.flush().await?;
    Ok(())
}

/// The generation of a question's series, and what they are called.
struct Schema {
    generation: u64,
    series: Vec<Labels>,
}

fn question(id: u64) -> Option<Ask> {
    let place = usize::try_from(id.checked_sub(1)?).ok()?;
    QUESTIONS.get(place).map(|question| question.ask)
}

fn said(text: &str, schemas: &mut HashMap<u64, Schema>) -> Vec<News> {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else { return Vec::new() };
    match value["type"].as_str() {
        Some("hello") => vec![News::Live],
        Some("schema") => {
            let id = value["id"].as_u64().filter(|id| question(*id).is_some());
            if let (Some(id), Some(generation)) = (id, value["gen"].as_u64()) {
                let series = value["series"].as_array().into_iter().flatten().map(labels).collect();
                schemas.insert(id, Schema { generation, series });
            }
            Vec::new()
        }
        // A server of another version may not know what we ask; that is then absent.
        Some("error") => value["id"].as_u64().and_then(question).map_or_else(Vec::new, |ask| {
            vec![News::Values { ask, time: UnixMs(0), values: Vec::new() }]
        }),
        Some("topic") => match value["topic"].as_str() {
            // Every second. Whatever was said of the connection meanwhile, it is live.
            Some("overview") => vec![News::Live, News::Overview(value["data"].take())],
            Some("sources") => vec![News::Sources(value["data"].take())],
            Some("events") => vec![News::Events(value["data"].take())],
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Reads the blocks of one message. Stops at one whose length cannot be known.
fn blocks(message: &[u8], schemas: &HashMap<u64, Schema>) -> Vec<News> {
    let mut news = Vec::new();
    let mut rest = message;
    while let Some((head, after)) = rest.split_at_checked(BLOCK_HEAD) {
        let number = |at: usize| {
            let bytes = head.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map(u32::from_le_bytes).unwrap_or_default()
        };
        let time = head.get(12..20).and_then(|bytes| bytes.try_into().ok());
        let time = time.map(i64::from_le_bytes).unwrap_or_default();
        let id = u64::from(number(4));
        let (Some(schema), Some(ask)) = (schemas.get(&id), question(id)) else { break };
        if number(0) != 1 || u64::from(number(8)) != schema.generation {
            break;
        }
        let Some((values, after)) = after.split_at_checked(4 * schema.series.len()) else { break };
        rest = after;
        let values = values.as_chunks().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes)));
        let named = schema.series.iter().cloned().zip(values).collect();
        news.push(News::Values { ask, time: UnixMs(time), values: named });
    }
    news
}

fn labels(value: &Value) -> Labels {
    let pairs = value.as_object().into_iter().flatten();
    Labels::from_pairs(
        pairs.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default())),
    )
}

/// The points of series by time.
fn lines(value: query::Value) -> Vec<(Labels, Past)> {
    let query::Value::Matrix(series) = value else { return Vec::new() };
    let line = |series: query::Series| {
        (series.labels, series.times.into_iter().zip(series.values).collect())
    };
    series.into_iter().map(line).collect()
}

fn get(peer: &mut Peer, path: &str) -> anyhow::Result<Value> {
    let answer = peer.fetch(path, PATIENCE, ANSWER_BYTES_MAX)?;
    read(peer, path, answer, |text| serde_json::from_str(text).ok())
}

/// What a query yields.
fn evaluate(peer: &mut Peer, path: &str, pairs: &[(&str, String)]) -> anyhow::Result<query::Value> {
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let answer = peer.ask(path, form, PATIENCE, ANSWER_BYTES_MAX)?;
    read(peer, path, answer, value_of)
}

/// What `read` makes of a successful answer.
fn read<T>(
    peer: &Peer,
    path: &str,
    answer: Option<Answer>,
    read: impl Fn(&str) -> Option<T>,
) -> anyhow::Result<T> {
    let (authority, prefix) = peer.place();
    let place = format!("http://{authority}{prefix}{path}");
    let too_large = || Refused(format!("{place}: the answer is too large"));
    let answer = answer.ok_or_else(too_large)?;
    let value = read(&answer.text).filter(|_| answer.status.is_success());
    value.ok_or_else(|| {
        let shown: String = answer.text.trim().chars().take(SHOWN_MAX).collect();
        Refused(format!("{place}: {} {}", answer.status, harmless(&shown))).into()
    })
}

/// What is read from the messages of a socket, texts and then bytes.
#[cfg(test)]
pub(super) fn read_all(texts: &[String], messages: &[Vec<u8>]) -> Vec<News> {
    let mut schemas = HashMap::new();
    let mut news: Vec<News> = texts.iter().flat_map(|text| said(text, &mut schemas)).collect();
    news.extend(messages.iter().flat_map(|bytes| blocks(bytes, &schemas)));
    news
}

#[cfg(test)]
mod tests {
    use axum::{
        Router,
        body::{Body, Bytes},
        http::StatusCode,
        routing::{get as on_get, post as on_post},
    };
    use model::message::Language;

    use super::*;

    /// The answer of a server to one question, which it may refuse.
    fn answer(form: &[u8], refused: &str, cut_off: &str) -> (StatusCode, Body) {
        let pairs: HashMap<_, _> = form_urlencoded::parse(form).collect();
        if pairs["query"] == refused {
            let text = r#"{"status":"error","errorType":"execution","error":"no"}"#;
            return (StatusCode::UNPROCESSABLE_ENTITY, Body::from(text));
        }
        if pairs["query"] == cut_off {
            let end = std::future::ready(Err::<Bytes, _>(std::io::Error::other("an end")));
            return (StatusCode::OK, Body::from_stream(futures_util::stream::once(end)));
        }
        let metric = json!({ "instance": "x" });
        let data = if pairs.contains_key("step") {
            let line = json!({ "metric": metric, "values": [[1.5, "2"], [2, "NaN"]] });
            json!({ "resultType": "matrix", "result": [line] })
        } else {
            let point = json!({ "metric": metric, "value": [1.0, "2"] });
            json!({ "resultType": "vector", "result": [point] })
        };
        (StatusCode::OK, Body::from(json!({ "status": "success", "data": data }).to_string()))
    }

    #[test]
    fn a_refused_question_costs_no_other_its_answer() {
        // The first question with a past is refused, and sources are not known at all.
        let refused = QUESTIONS.iter().position(|question| question.has_past).unwrap();
        // The connection breaks at one that has none.
        let cut_off = QUESTIONS.iter().position(|question| !question.has_past).unwrap();
        let reply = async move |form: Bytes| {
            answer(&form, QUESTIONS[refused].query, QUESTIONS[cut_off].query)
        };
        let routes = Router::new()
            .route("/api/v1/overview", on_get(async || r#"{"version":"1"}"#))
            .route("/api/mw/v1/events", on_get(async || r#"{"events":[]}"#))
            .route("/api/v1/query", on_post(reply))
            .route("/api/v1/query_range", on_post(reply));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async { axum::serve(listener, routes).await });
        let mut peer = Peer::new(&url, Language::English).unwrap();
        let mut news = Vec::new();
        look(&mut peer, &Clock::system(), &mut |one| news.push(one)).unwrap();
        assert!(matches!(&news[..2], [News::Overview(_), News::Events(_)]), "{news:?}");
        assert_eq!(news.len(), 2 + QUESTIONS.len());
        for (news, question) in news[2..].iter().zip(QUESTIONS) {
            let News::Values { ask, values, .. } = news else { panic!("{news:?}") };
            assert_eq!(*ask, question.ask);
            let is_refused = [refused, cut_off].map(|it| QUESTIONS[it].ask).contains(ask);
            let values: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
            assert_eq!(values, if is_refused { vec![] } else { vec![2.0] }, "{ask:?}");
        }
        let mut pasts = Vec::new();
        look_back(&mut peer, UnixMs(0), 1_000, &mut |one| pasts.push(one)).unwrap();
        let drawn = QUESTIONS.iter().filter(|question| question.has_past).count();
        assert_eq!(pasts.len(), drawn - 1, "{pasts:?}");
        for past in &pasts {
            let News::Past { series, .. } = past else { panic!("{past:?}") };
            let [(labels, points)] = series.as_slice() else { panic!("{past:?}") };
            assert_eq!((labels.get("instance"), points[0]), (Some("x"), (1_500, 2.0)));
            assert!(points.len() == 2 && points[1].1.is_nan(), "{past:?}");
        }
        // Where nobody is, nothing is told.
        runtime.shutdown_background();
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut peer = Peer::new(&format!("http://{nobody}"), Language::English).unwrap();
        let mut tell = |news| panic!("{news:?}");
        assert!(look(&mut peer, &Clock::system(), &mut tell).is_err());
    }

    #[test]
    fn an_overview_by_the_socket_shows_that_it_is_live() {
        let text = r#"{"type":"topic","topic":"overview","data":{"version":"1"}}"#;
        let news = said(text, &mut HashMap::new());
        let [News::Live, News::Overview(data)] = news.as_slice() else { panic!("{news:?}") };
        assert_eq!(data["version"], "1");
    }

    #[test]
    fn blocks_are_read_as_documented() {
        let mut schemas = HashMap::new();
        let series = r#"[{"instance":"x"},{"instance":"y"}]"#;
        let text = format!(r#"{{"type":"schema","id":2,"gen":3,"series":{series}}}"#);
        assert!(said(&text, &mut schemas).is_empty());
        let block = |id: u32, generation: u32, values: &[f32]| {
            let mut bytes = Vec::new();
            for number in [1, id, generation] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            bytes.extend_from_slice(&1_000_i64.to_le_bytes());
            values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
            bytes
        };
        let check = |bytes: &[u8], expected: &[&[f64]]| {
            let read = blocks(bytes, &schemas).into_iter().map(|news| match news {
                News::Values { ask, time: UnixMs(1_000), values } if ask == QUESTIONS[1].ask => {
                    values
                        .into_iter()
                        .map(|(labels, value)| (labels.get("instance").unwrap().to_owned(), value))
                        .collect::<Vec<_>>()
                }
                other => panic!("{other:?}"),
            });
            let named = |values: &[f64]| {
                let names = ["x".to_owned(), "y".to_owned()];
                names.into_iter().zip(values.iter().copied()).collect::<Vec<_>>()
            };
            let expected: Vec<_> = expected.iter().map(|values| named(values)).collect();
            assert_eq!(read.collect::<Vec<_>>(), expected);
        };
        check(&block(2, 3, &[1.5, 2.0]), &[&[1.5, 2.0]]);
        check(
            &[block(2, 3, &[1.0, 2.0]), block(2, 3, &[3.0, 4.0])].concat(),
            &[&[1.0, 2.0], &[3.0, 4.0]],
        );
        // What follows a block of another generation cannot be told apart.
        check(&[block(2, 4, &[1.0, 2.0]), block(2, 3, &[3.0, 4.0])].concat(), &[]);
        check(&block(2, 3, &[1.0]), &[]);
        check(&block(9, 3, &[1.0]), &[]);
    }
}
