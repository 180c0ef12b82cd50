//! The live socket: series in binary ticks, state as JSON, one connection per page.
//!
//! Each distinct query is evaluated once per tick however many pages show it. A page that reads too
//! slowly loses ticks and is told so; nobody else waits for it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::Response,
};
use model::{Labels, UnixMs};
use query::Expr;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{broadcast, watch};

use super::{
    json::{write_labels, write_list},
    product,
};
use crate::wire::App;

/// Subscriptions of one connection. Beyond it the subscription is refused with an error.
const SUBSCRIPTIONS_MAX: usize = 64;
/// Series of one subscription; the rest is cut off.
const SERIES_MAX: usize = 1_000;
/// Open connections. Beyond it a page asks over HTTP every two seconds.
const CLIENTS_MAX: u64 = 256;
/// Ticks a slow reader may lag behind before it loses some.
const TICKS_MAX: usize = 8;
/// Largest message from a page.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Shortest and longest time between two ticks of a query; others are refused.
const STEP_MS_MIN: i64 = 1_000;
/// See [`STEP_MS_MIN`].
const STEP_MS_MAX: i64 = 60_000;
/// Evaluations that a vanished series is kept for, so that one late scrape does not redraw a chart.
const MISSED_MAX: u32 = 30;
/// Longest time that one message may take to leave.
const SEND_MAX: Duration = Duration::from_secs(30);
const PING_PERIOD: Duration = Duration::from_secs(15);
/// How long after the second the readings of that second are surely stored.
const SETTLE: Duration = Duration::from_millis(250);

/// The shared half of all connections.
pub(crate) struct Hub {
    feeds: Mutex<HashMap<FeedKey, Feed>>,
    ticks: broadcast::Sender<Arc<Tick>>,
    /// Every generation of every feed gets a number of its own, so a page can never mix up two.
    generation: AtomicU32,
    pub(crate) clients: AtomicU64,
    pub(crate) ticks_dropped: AtomicU64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct FeedKey {
    query: String,
    step_ms: i64,
}

/// One query that somebody watches.
struct Feed {
    expr: Expr,
    subscribers: usize,
    generation: u32,
    /// Series in schema order with how many evaluations in a row each was missing.
    series: Vec<(Labels, u32)>,
}

/// What one evaluation gave.
#[derive(Debug)]
struct Frame {
    generation: u32,
    /// The schema as JSON, shared by the frames of a generation's tick.
    schema: String,
    values: Vec<f32>,
}

#[derive(Debug)]
struct Tick {
    time: UnixMs,
    frames: HashMap<FeedKey, Frame>,
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self {
            feeds: Mutex::default(),
            ticks: broadcast::channel(TICKS_MAX).0,
            generation: AtomicU32::new(0),
            clients: AtomicU64::new(0),
            ticks_dropped: AtomicU64::new(0),
        }
    }

    fn feeds(&self) -> MutexGuard<'_, HashMap<FeedKey, Feed>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribe(&self, key: &FeedKey, expr: Expr) {
        let mut feeds = self.feeds();
        let feed = feeds.entry(key.clone()).or_insert_with(|| Feed {
            expr,
            subscribers: 0,
            generation: 0,
            series: Vec::new(),
        });
        feed.subscribers += 1;
    }

    fn unsubscribe(&self, key: &FeedKey) {
        let mut feeds = self.feeds();
        if let Some(feed) = feeds.get_mut(key) {
            feed.subscribers -= 1;
            if feed.subscribers == 0 {
                feeds.remove(key);
            }
        }
    }

    /// Evaluates what is due at `time`. Runs on the blocking pool.
    fn tick(&self, app: &App, time: UnixMs) -> Tick {
        let due: Vec<(FeedKey, Expr)> = self
            .feeds()
            .iter()
            .filter(|(key, _)| time.0 % key.step_ms == 0)
            .map(|(key, feed)| (key.clone(), feed.expr.clone()))
            .collect();
        let mut frames = HashMap::new();
        for (key, expr) in due {
            let points = match app.queries.evaluate_here(&expr, time) {
                Ok(output) => output.value.into_floats(),
                Err(error) => {
                    tracing::debug!("live query {:?}: {error}", key.query);
                    Vec::new()
                }
            };
            // The subscription may have gone while its query ran.
            if let Some(feed) = self.feeds().get_mut(&key) {
                frames.insert(key, feed.frame(points, &self.generation));
            }
        }
        Tick { time, frames }
    }
}

impl Feed {
    /// Puts the points into schema order, starting a new generation when the series changed.
    fn frame(&mut self, points: Vec<(Labels, f64)>, generations: &AtomicU32) -> Frame {
        let mut by_labels: BTreeMap<Labels, f64> = points.into_iter().collect();
        let mut values = Vec::with_capacity(self.series.len());
        for (labels, missed) in &mut self.series {
            let value = by_labels.remove(labels);
            *missed = if value.is_some() { 0 } else { *missed + 1 };
            values.push(value.unwrap_or(f64::NAN));
        }
        let has_expired = self.series.iter().any(|(_, missed)| *missed > MISSED_MAX);
        if self.generation == 0 || !by_labels.is_empty() || has_expired {
            let known = self.series.iter().zip(&values);
            let mut all: BTreeMap<Labels, (u32, f64)> = known
                .filter(|((_, missed), _)| *missed <= MISSED_MAX)
                .map(|((labels, missed), value)| (labels.clone(), (*missed, *value)))
                .collect();
            all.extend(by_labels.into_iter().map(|(labels, value)| (labels, (0, value))));
            self.generation = generations.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            (self.series, values) = all
                .into_iter()
                .take(SERIES_MAX)
                .map(|(labels, (missed, value))| ((labels, missed), value))
                .unzip();
        }
        let mut schema = String::new();
        write_list(&mut schema, self.series.iter(), |out, (labels, _)| write_labels(out, labels));
        // Charts need no more than single precision; times and counters do not travel this way.
        let values = values.into_iter().map(|value| value as f32).collect();
        Frame { generation: self.generation, schema, values }
    }
}

/// Ticks every wall second until `stop` turns true.
pub(crate) async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    loop {
        let since_epoch = u64::try_from(app.clock.now().0).unwrap_or_default();
        let into_second = Duration::from_millis(since_epoch % 1_000);
        let wait = if into_second < SETTLE {
            SETTLE - into_second
        } else {
            Duration::from_secs(1) + SETTLE - into_second
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stopped(&mut stop) => return,
        }
        let time = UnixMs(app.clock.now().0 / 1_000 * 1_000);
        let for_tick = Arc::clone(&app);
        let tick = tokio::task::spawn_blocking(move || {
            for_tick.verdicts.refresh(&for_tick, time);
            if time.0 % crate::wire::OWN_PERIOD_MS == 0 {
                for_tick.queue.send(crate::own::sample(&for_tick, time));
            }
            for_tick.hub.tick(&for_tick, time)
        });
        match tick.await {
            // Nobody listening is no error.
            Ok(tick) => drop(app.hub.ticks.send(Arc::new(tick))),
            Err(error) => tracing::error!("a live tick failed: {error}"),
        }
    }
}

/// Returns once the program ends.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is the end as well.
    drop(stop.wait_for(|stop| *stop).await);
}

/// What a page says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum ClientMessage {
    Sub { id: u32, query: String, step: i64 },
    Unsub { id: u32 },
    Watch { topics: Vec<Topic> },
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Topic {
    Overview,
    Sources,
    Events,
}

pub(super) async fn live(State(app): State<Arc<App>>, upgrade: WebSocketUpgrade) -> Response<Body> {
    if app.hub.clients.load(Ordering::Relaxed) >= CLIENTS_MAX {
        let status = axum::http::StatusCode::SERVICE_UNAVAILABLE;
        return super::refusal(status, "too many live connections\n");
    }
    upgrade
        .protocols(["v1"])
        .max_message_size(MESSAGE_BYTES_MAX)
        .on_upgrade(async move |socket| Connection::new(app, socket).run().await)
}

/// One page.
struct Connection {
    app: Arc<App>,
    socket: WebSocket,
    ticks: broadcast::Receiver<Arc<Tick>>,
    subscriptions: BTreeMap<u32, Subscription>,
    topics: Vec<Topic>,
    events_seen: u64,
    last_tick: UnixMs,
}

struct Subscription {
    key: FeedKey,
    /// The generation whose schema this page has; 0 for none.
    generation: u32,
}

/// The other side is gone.
struct Gone;

impl Connection {
    fn new(app: Arc<App>, socket: WebSocket) -> Self {
        app.hub.clients.fetch_add(1, Ordering::Relaxed);
        Self {
            ticks: app.hub.ticks.subscribe(),
            last_tick: app.clock.now(),
            app,
            socket,
            subscriptions: BTreeMap::new(),
            topics: Vec::new(),
            events_seen: 0,
        }
    }

    async fn run(mut self) {
        let hello = json!({
            "type": "hello", "version": env!("CARGO_PKG_VERSION"), "now": self.app.clock.now().0,
        });
        let mut stop = self.app.stop.subscribe();
        let mut ping = tokio::time::interval(PING_PERIOD);
        let mut result = self.send_text(hello.to_string()).await;
        while result.is_ok() {
            result = tokio::select! {
                message = self.socket.recv() => match message {
                    Some(Ok(Message::Text(text))) => self.on_message(text.as_str()).await,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Gone),
                    Some(Ok(_)) => Ok(()),
                },
                tick = self.ticks.recv() => match tick {
                    Ok(tick) => self.on_tick(&tick).await,
                    Err(broadcast::error::RecvError::Lagged(count)) => self.on_lag(count).await,
                    Err(broadcast::error::RecvError::Closed) => Err(Gone),
                },
                _ = ping.tick() => {
                    self.send(Message::Ping(Bytes::new())).await
                }
                () = stopped(&mut stop) => Err(Gone),
            };
        }
    }

    async fn send_text(&mut self, text: String) -> Result<(), Gone> {
        self.send(Message::Text(text.into())).await
    }

    /// A page that takes nothing for this long is as good as gone.
    async fn send(&mut self, message: Message) -> Result<(), Gone> {
        match tokio::time::timeout(SEND_MAX, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }

    async fn on_message(&mut self, text: &str) -> Result<(), Gone> {
        match serde_json::from_str(text) {
            Err(error) => {
                let reply =
                    json!({ "type": "error", "code": "bad_message", "text": error.to_string() });
                self.send_text(reply.to_string()).await
            }
            Ok(ClientMessage::Unsub { id }) => {
                self.unsubscribe(id);
                Ok(())
            }
            Ok(ClientMessage::Watch { topics }) => {
                self.topics = topics;
                self.send_topics().await
            }
            Ok(ClientMessage::Sub { id, query, step }) => {
                self.unsubscribe(id);
                match self.subscribe(id, query, step) {
                    Ok(()) => Ok(()),
                    Err((code, text)) => {
                        let reply =
                            json!({ "type": "error", "id": id, "code": code, "text": text });
                        self.send_text(reply.to_string()).await
                    }
                }
            }
        }
    }

    fn subscribe(
        &mut self,
        id: u32,
        query: String,
        step_ms: i64,
    ) -> Result<(), (&'static str, String)> {
        if self.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            return Err(("too_many", format!("at most {SUBSCRIPTIONS_MAX} subscriptions")));
        }
        if !(STEP_MS_MIN..=STEP_MS_MAX).contains(&step_ms) || step_ms % STEP_MS_MIN != 0 {
            let text = format!("step must be whole seconds from {STEP_MS_MIN} to {STEP_MS_MAX} ms");
            return Err(("bad_step", text));
        }
        let expr = query::parse(&query).map_err(|error| ("bad_query", error.to_string()))?;
        let key = FeedKey { query, step_ms };
        self.app.hub.subscribe(&key, expr);
        self.subscriptions.insert(id, Subscription { key, generation: 0 });
        Ok(())
    }

    fn unsubscribe(&mut self, id: u32) {
        if let Some(subscription) = self.subscriptions.remove(&id) {
            self.app.hub.unsubscribe(&subscription.key);
        }
    }

    async fn on_tick(&mut self, tick: &Tick) -> Result<(), Gone> {
        let mut schemas = Vec::new();
        let mut blocks = Vec::new();
        for (id, subscription) in &mut self.subscriptions {
            let Some(frame) = tick.frames.get(&subscription.key) else { continue };
            if subscription.generation != frame.generation {
                subscription.generation = frame.generation;
                let Frame { generation, schema, .. } = frame;
                schemas.push(format!(
                    r#"{{"type":"schema","id":{id},"gen":{generation},"series":{schema}}}"#
                ));
            }
            write_block(&mut blocks, *id, tick.time, frame);
        }
        for schema in schemas {
            self.send_text(schema).await?;
        }
        if !blocks.is_empty() {
            self.send(Message::Binary(blocks.into())).await?;
        }
        self.last_tick = tick.time;
        self.send_topics().await
    }

    async fn on_lag(&mut self, count: u64) -> Result<(), Gone> {
        self.app.hub.ticks_dropped.fetch_add(count, Ordering::Relaxed);
        let gap = json!({ "type": "gap", "from": self.last_tick.0 });
        self.send_text(gap.to_string()).await
    }

    async fn send_topics(&mut self) -> Result<(), Gone> {
        for topic in self.topics.clone() {
            let (name, data) = match topic {
                Topic::Overview => ("overview", product::overview_json(&self.app)),
                Topic::Sources => ("sources", product::sources_json(&self.app)),
                Topic::Events => {
                    let (records, newest) = self.app.events.after(self.events_seen);
                    if records.is_empty() {
                        continue;
                    }
                    self.events_seen = newest;
                    let events: Vec<_> = records.iter().map(product::event_json).collect();
                    ("events", json!({ "events": events }))
                }
            };
            let message = json!({ "type": "topic", "topic": name, "data": data });
            self.send_text(message.to_string()).await?;
        }
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        for subscription in self.subscriptions.values() {
            self.app.hub.unsubscribe(&subscription.key);
        }
        self.app.hub.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Block type of a tick.
const BLOCK_TICK: u32 = 1;

/// Appends one block; its length is a multiple of four, which `Float32Array` views need.
fn write_block(out: &mut Vec<u8>, id: u32, time: UnixMs, frame: &Frame) {
    out.extend_from_slice(&BLOCK_TICK.to_le_bytes());
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&frame.generation.to_le_bytes());
    out.extend_from_slice(&time.0.to_le_bytes());
    for value in &frame.values {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed() -> Feed {
        let expr = query::parse("up").unwrap();
        Feed { expr, subscribers: 1, generation: 0, series: Vec::new() }
    }

    fn points(points: &[(&str, f64)]) -> Vec<(Labels, f64)> {
        points.iter().map(|(name, value)| (Labels::from_pairs([("a", *name)]), *value)).collect()
    }

    #[test]
    fn a_new_series_starts_a_generation_and_a_missing_one_is_absent() {
        let generations = AtomicU32::new(0);
        let mut feed = feed();
        let first = feed.frame(points(&[("y", 2.0)]), &generations);
        assert_eq!((first.generation, first.values.as_slice()), (1, &[2.0_f32][..]));
        let second = feed.frame(points(&[("y", 3.0), ("x", 1.0)]), &generations);
        assert_eq!((second.generation, second.values.as_slice()), (2, &[1.0_f32, 3.0][..]));
        assert_eq!(second.schema, r#"[{"a":"x"},{"a":"y"}]"#);
        let third = feed.frame(points(&[("x", 1.0)]), &generations);
        assert_eq!(third.generation, 2);
        assert!(third.values[1].is_nan());
        for _ in 0..MISSED_MAX {
            feed.frame(points(&[("x", 1.0)]), &generations);
        }
        assert_eq!(feed.generation, 3, "a series gone for long leaves the schema");
        assert_eq!(feed.series.len(), 1);
    }

    #[test]
    fn an_empty_result_still_has_a_schema() {
        let frame = feed().frame(Vec::new(), &AtomicU32::new(6));
        assert_eq!((frame.generation, frame.schema.as_str(), frame.values.len()), (7, "[]", 0));
    }

    #[test]
    fn blocks_are_as_documented() {
        let frame = Frame { generation: 3, schema: String::new(), values: vec![1.5, f32::NAN] };
        let mut out = Vec::new();
        write_block(&mut out, 7, UnixMs(1_000), &frame);
        assert_eq!(out.len(), 28);
        assert_eq!(out[..12], [1, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0]);
        assert_eq!(out[12..20], 1_000_i64.to_le_bytes());
        assert_eq!(out[20..24], 1.5_f32.to_le_bytes());
    }
}
