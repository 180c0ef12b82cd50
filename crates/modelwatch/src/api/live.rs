//! The live socket: series in binary ticks, state as JSON, one connection per page.
//!
//! Each distinct query is evaluated once per tick however many pages show it. A page that reads too
//! slowly loses ticks and is told so; nobody else waits for it.

mod hub;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    sync::atomic::Ordering,
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
use model::UnixMs;
use query::{Expr, Grid, Value};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{broadcast, watch};

use self::hub::{FeedKey, Frame, Schema, Tick};
use super::{product, query::Question};
use crate::wire::App;

pub(crate) use self::hub::{Hub, is_due, run};

/// Subscriptions of one connection. Beyond it the subscription is refused with an error.
const SUBSCRIPTIONS_MAX: usize = 64;
/// Open connections. Beyond it a page asks over HTTP every two seconds.
const CLIENTS_MAX: u64 = 256;
/// Largest message from a page.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Shortest and longest time between two ticks of a query; others are refused.
const STEP_MS_MIN: i64 = 1_000;
/// See [`STEP_MS_MIN`].
const STEP_MS_MAX: i64 = 60_000;
/// Longest time that one message may take to leave.
const SEND_MAX: Duration = Duration::from_secs(30);
const PING_PERIOD: Duration = Duration::from_secs(15);
/// Longest time without a word from a page, which answers pings by itself; then it is gone.
const SILENCE_MAX: Duration = Duration::from_secs(50);
/// Ticks that are caught up on when a page comes back; more it fetches over HTTP.
const RESUMED_MAX: i64 = 300;
/// Longest time that the ticks which a page missed may take, of all its subscriptions together.
const RESUME_TIMEOUT: Duration = Duration::from_secs(2);

/// Returns once the program ends.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is the end as well.
    drop(stop.wait_for(|stop| *stop).await);
}

/// What a page says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum ClientMessage {
    Sub {
        id: u32,
        query: String,
        step: i64,
        /// The last tick that the page has.
        since: Option<i64>,
    },
    Unsub {
        id: u32,
    },
    Watch {
        topics: BTreeSet<Topic>,
    },
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
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
    topics: BTreeSet<Topic>,
    events_seen: u64,
    last_tick: UnixMs,
    /// When the page last said anything, in monotonic time.
    heard: Duration,
}

struct Subscription {
    key: FeedKey,
    expr: Expr,
    /// The generation whose schema this page has; 0 for none.
    generation: u32,
    /// The last tick that the page had before it came back.
    since: Option<UnixMs>,
}

/// The other side is gone.
struct Gone;

impl Connection {
    fn new(app: Arc<App>, socket: WebSocket) -> Self {
        app.hub.clients.fetch_add(1, Ordering::Relaxed);
        Self {
            ticks: app.hub.ticks(),
            last_tick: app.clock.now(),
            heard: app.clock.monotonic(),
            app,
            socket,
            subscriptions: BTreeMap::new(),
            topics: BTreeSet::new(),
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
                message = self.socket.recv() => match self.note(message) {
                    Some(Ok(Message::Text(text))) => self.on_message(text.as_str()).await,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Gone),
                    Some(Ok(_)) => Ok(()),
                },
                tick = self.ticks.recv() => match tick {
                    Ok(tick) => self.on_tick(&tick).await,
                    Err(broadcast::error::RecvError::Lagged(count)) => self.on_lag(count).await,
                    Err(broadcast::error::RecvError::Closed) => Err(Gone),
                },
                _ = ping.tick() => self.ping().await,
                () = stopped(&mut stop) => Err(Gone),
            };
        }
    }

    /// Passes on what was heard.
    fn note<T>(&mut self, message: T) -> T {
        self.heard = self.app.clock.monotonic();
        message
    }

    /// A connection that was cut without a word is told by its silence.
    async fn ping(&mut self) -> Result<(), Gone> {
        if self.app.clock.monotonic().saturating_sub(self.heard) > SILENCE_MAX {
            return Err(Gone);
        }
        self.send(Message::Ping(Bytes::new())).await
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
            Ok(ClientMessage::Sub { id, query, step, since }) => {
                self.unsubscribe(id);
                match self.subscribe(id, query, step, since.map(UnixMs)) {
                    Ok(()) => Ok(()),
                    Err((code, text)) => self.send_error(id, code, &text).await,
                }
            }
        }
    }

    async fn send_error(&mut self, id: u32, code: &str, text: &str) -> Result<(), Gone> {
        let message = json!({ "type": "error", "id": id, "code": code, "text": text });
        self.send_text(message.to_string()).await
    }

    fn subscribe(
        &mut self,
        id: u32,
        query: String,
        step_ms: i64,
        since: Option<UnixMs>,
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
        if !self.app.hub.subscribe(&key, expr.clone()) {
            return Err(("too_many", "too many queries are live already".to_owned()));
        }
        self.subscriptions.insert(id, Subscription { key, expr, generation: 0, since });
        Ok(())
    }

    fn unsubscribe(&mut self, id: u32) {
        if let Some(subscription) = self.subscriptions.remove(&id) {
            self.app.hub.unsubscribe(&subscription.key);
        }
    }

    async fn on_tick(&mut self, tick: &Tick) -> Result<(), Gone> {
        let mut blocks = Vec::new();
        let resumed_by = self.app.clock.monotonic().saturating_add(RESUME_TIMEOUT);
        let ids: Vec<u32> = self.subscriptions.keys().copied().collect();
        for id in ids {
            let Some(subscription) = self.subscriptions.get_mut(&id) else { continue };
            if let Some((code, text)) = tick.failures.get(&subscription.key) {
                self.unsubscribe(id);
                self.send_error(id, code, text).await?;
                continue;
            }
            let Some(frame) = tick.frames.get(&subscription.key) else { continue };
            let Frame { time, generation, schema, values } = frame;
            if subscription.generation != *generation {
                subscription.generation = *generation;
                let since = subscription.since.take();
                let message = schema_message(id, *generation, schema);
                self.send_text(message).await?;
                if let Some(since) = since {
                    self.resume(id, since, frame, resumed_by).await?;
                }
            }
            write_block(&mut blocks, id, *generation, *time, values);
        }
        if !blocks.is_empty() {
            self.send(Message::Binary(blocks.into())).await?;
        }
        self.last_tick = tick.time;
        self.send_topics().await
    }

    /// Sends the ticks that a page missed while it was away, or says that they are too many or take longer than
    /// until `deadline`, in monotonic time.
    async fn resume(
        &mut self,
        id: u32,
        since: UnixMs,
        frame: &Frame,
        deadline: Duration,
    ) -> Result<(), Gone> {
        let Some(Subscription { key, expr, .. }) = self.subscriptions.get(&id) else {
            return Ok(());
        };
        let step_ms = key.step_ms;
        let left = deadline.saturating_sub(self.app.clock.monotonic());
        let missed = Missed::between(since, frame.time, step_ms, left);
        if missed == Missed::Nothing {
            return Ok(());
        }
        if let Missed::Ticks { first, count } = missed {
            let last = UnixMs(frame.time.0 - step_ms);
            let question = Question {
                expr: expr.clone(),
                grid: Grid { start: UnixMs(first), end: last, step_ms },
                timeout: Some(left),
                lookback: None,
                counts_per_step: false,
            };
            let (generation, schema) = (frame.generation, Arc::clone(&frame.schema));
            let blocks = self.app.queries.evaluate(question, move |evaluated| {
                Ok(missed_blocks(
                    id,
                    generation,
                    &schema,
                    evaluated.output.value,
                    (first, step_ms, count),
                ))
            });
            if let Ok(blocks) = blocks.await {
                return self.send(Message::Binary(blocks.into())).await;
            }
        }
        let gap = json!({ "type": "gap", "id": id, "from": since.0 });
        self.send_text(gap.to_string()).await
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

/// What a page missed of a subscription.
#[derive(Debug, PartialEq, Eq)]
enum Missed {
    Nothing,
    /// So many ticks, from the time of the first on.
    Ticks {
        first: i64,
        count: i64,
    },
    /// Too many ticks, or there is no time left to find them.
    TooMuch,
}

impl Missed {
    /// Between the last tick that a page has and the one that it gets now.
    fn between(since: UnixMs, now: UnixMs, step_ms: i64, left: Duration) -> Self {
        let first = (since.0.div_euclid(step_ms).saturating_add(1)).saturating_mul(step_ms);
        match now.0.saturating_sub(first) / step_ms {
            ..=0 => Self::Nothing,
            count @ 1..=RESUMED_MAX if !left.is_zero() => Self::Ticks { first, count },
            _ => Self::TooMuch,
        }
    }
}

fn schema_message(id: u32, generation: u32, schema: &Schema) -> String {
    let (series, omitted) = (schema.json(), schema.omitted);
    format!(
        r#"{{"type":"schema","id":{id},"gen":{generation},"series":{series},"omitted":{omitted}}}"#
    )
}

/// Block type of a tick.
const BLOCK_TICK: u32 = 1;

/// Appends one block; its length is a multiple of four, which `Float32Array` views need.
fn write_block(out: &mut Vec<u8>, id: u32, generation: u32, time: UnixMs, values: &[f32]) {
    out.extend_from_slice(&BLOCK_TICK.to_le_bytes());
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&generation.to_le_bytes());
    out.extend_from_slice(&time.0.to_le_bytes());
    for value in values {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// Blocks of so many ticks from `first` on. Series that are not in the schema any more are left out.
fn missed_blocks(
    id: u32,
    generation: u32,
    schema: &Schema,
    value: Value,
    (first, step_ms, count): (i64, i64, i64),
) -> Vec<u8> {
    let size = usize::try_from(count).unwrap_or_default();
    let mut ticks = vec![vec![f32::NAN; schema.labels.len()]; size];
    let Value::Matrix(found) = value else { return Vec::new() };
    for series in &found {
        let Ok(place) = schema.labels.binary_search(&series.labels) else { continue };
        for (time, value) in series.times.iter().zip(&series.values) {
            let tick = usize::try_from((time - first) / step_ms).unwrap_or(usize::MAX);
            if let Some(cell) = ticks.get_mut(tick).and_then(|values| values.get_mut(place)) {
                *cell = *value as f32;
            }
        }
    }
    let mut blocks = Vec::new();
    for (time, values) in (0..).map(|tick| first + tick * step_ms).zip(&ticks) {
        write_block(&mut blocks, id, generation, UnixMs(time), values);
    }
    blocks
}

#[cfg(test)]
mod tests {
    use model::Labels;
    use query::Series;

    use super::*;

    #[test]
    fn a_topic_is_watched_once_however_often_it_is_named() {
        let topics = ["events", "overview", "events"].repeat(1_000);
        let text = json!({ "type": "watch", "topics": topics }).to_string();
        let Ok(ClientMessage::Watch { topics }) = serde_json::from_str(&text) else {
            panic!("it is not understood");
        };
        assert_eq!(topics, BTreeSet::from([Topic::Overview, Topic::Events]));
    }

    #[test]
    fn blocks_are_as_documented() {
        let mut out = Vec::new();
        write_block(&mut out, 7, 3, UnixMs(1_000), &[1.5, f32::NAN]);
        assert_eq!(out.len(), 28);
        assert_eq!(out[..12], [1, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0]);
        assert_eq!(out[12..20], 1_000_i64.to_le_bytes());
        assert_eq!(out[20..24], 1.5_f32.to_le_bytes());
    }

    #[test]
    fn what_was_missed_is_caught_up_on_while_there_is_time() {
        let check = |since, now, seconds, expected| {
            let left = Duration::from_secs(seconds);
            let missed = Missed::between(UnixMs(since), UnixMs(now), 1_000, left);
            assert_eq!(missed, expected, "{since} {now} {seconds}");
        };
        check(5_000, 6_000, 2, Missed::Nothing);
        check(9_000, 6_000, 2, Missed::Nothing);
        check(5_000, 8_000, 2, Missed::Ticks { first: 6_000, count: 2 });
        check(5_999, 8_000, 2, Missed::Ticks { first: 6_000, count: 2 });
        check(0, 301_000, 2, Missed::Ticks { first: 1_000, count: RESUMED_MAX });
        check(0, 302_000, 2, Missed::TooMuch);
        check(i64::MIN, i64::MAX, 2, Missed::TooMuch);
        // The subscriptions before took all the time of this tick.
        check(5_000, 8_000, 0, Missed::TooMuch);
        check(5_000, 6_000, 0, Missed::Nothing);
    }

    #[test]
    fn missed_ticks_are_in_the_order_of_the_schema() {
        let labels = |name: &str| Labels::from_pairs([("a", name)]);
        let schema = Schema { labels: vec![labels("x"), labels("y")], omitted: 0 };
        let series = |name: &str, times: &[i64], values: &[f64]| Series {
            labels: labels(name),
            times: times.to_vec(),
            values: values.to_vec(),
            ..Series::default()
        };
        let found = Value::Matrix(vec![
            series("gone", &[5_000], &[9.0]),
            series("y", &[5_000, 6_000], &[1.0, 2.0]),
        ]);
        let blocks = missed_blocks(7, 3, &schema, found, (5_000, 1_000, 3));
        let mut expected = Vec::new();
        for (time, y) in [(5_000, 1.0), (6_000, 2.0), (7_000, f32::NAN)] {
            write_block(&mut expected, 7, 3, UnixMs(time), &[f32::NAN, y]);
        }
        assert_eq!(blocks, expected);
    }
}
