//! `/api/mw/v1/logs/tail`: lines as they come, over a WebSocket.
//!
//! A person can read few lines a second, so that of a flood the first of each second are shown and the others are
//! counted. Nothing is kept for a reader that is slow; it is told how much it missed.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::Response,
};
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use model::{Clock, log::Line};
use serde_json::{Value, json};
use store::events::{Event as _, Filter};
use tokio::{
    sync::{
        OwnedSemaphorePermit, broadcast,
        mpsc::{Receiver, Sender, channel},
        watch,
    },
    time::{MissedTickBehavior, interval, timeout},
};

use super::line_json;
use crate::{
    api::{form::Form, json::ApiError, live::stopped, requests::not_understood},
    wire::App,
};

/// Open connections. Beyond it there is an error.
pub(crate) const TAILS_MAX: usize = 32;
/// Lines that are shown in a second; the others are counted.
const LINES_MAX: usize = 200;
/// Most bytes of texts that wait to be sent; lines beyond are counted.
const BYTES_MAX: usize = 2 << 20;
/// Time between two messages.
const TICK: Duration = Duration::from_millis(200);
/// Ticks of a second.
pub(in crate::api) const TICKS: u32 = 5;
/// Lines that are looked at before others have their turn.
const CHUNK: usize = 500;
/// Largest message from the other side, which has nothing to say.
pub(in crate::api) const MESSAGE_BYTES_MAX: usize = 4 << 10;
/// Longest time that one message may take to leave.
const SEND_MAX: Duration = Duration::from_secs(30);
const PING_PERIOD: Duration = Duration::from_secs(15);
/// Longest time without a word from the other side, which answers pings by itself; then it is gone.
const SILENCE_MAX: Duration = Duration::from_secs(50);

pub(in crate::api) async fn tail(
    State(app): State<Arc<App>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    form: Form,
) -> Result<Response<Body>, ApiError> {
    let text = form.get("filter").unwrap_or_default();
    let filter = Filter::parse(text, Line::schema()).map_err(|error| not_understood(&error))?;
    let upgrade = upgrade.map_err(|error| ApiError::bad_data(error.body_text()))?;
    let Ok(place) = Arc::clone(&app.tails).try_acquire_owned() else {
        let text = format!("{TAILS_MAX} connections watch lines already; close one of them");
        return Err(ApiError::unavailable(text));
    };
    let (clock, stop) = (app.clock.clone(), app.stop.subscribe());
    // Before the connection stands, so that nothing is missed once it does.
    let lines = app.lines.subscribe();
    let watcher = Matching { filter, shown: Shown::default() };
    let tail = Tail { lines, watcher, clock, stop, place };
    Ok(upgrade
        .max_message_size(MESSAGE_BYTES_MAX)
        .on_upgrade(async move |socket| tail.run(socket).await))
}

/// What becomes of lines, in the words of whoever watches them.
pub(in crate::api) trait Watcher: Send + 'static {
    fn take(&mut self, lines: &[Line]);

    /// So many batches were lost before anybody looked at them.
    fn miss(&mut self, lost: u64);

    /// [`TICK`] has gone by.
    fn tick(&mut self);

    /// What there is to say, if anything.
    fn message(&mut self) -> Option<String>;
}

/// One connection.
pub(in crate::api) struct Tail<W> {
    pub(in crate::api) lines: broadcast::Receiver<Arc<[Line]>>,
    pub(in crate::api) watcher: W,
    pub(in crate::api) clock: Clock,
    pub(in crate::api) stop: watch::Receiver<bool>,
    /// Held for as long as the connection is.
    pub(in crate::api) place: OwnedSemaphorePermit,
}

/// Lines that a filter lets pass.
struct Matching {
    filter: Filter,
    shown: Shown,
}

impl Watcher for Matching {
    fn take(&mut self, lines: &[Line]) {
        self.shown.take(lines, &self.filter);
    }

    fn miss(&mut self, lost: u64) {
        self.shown.skipped += lost;
    }

    fn tick(&mut self) {
        self.shown.tick();
    }

    fn message(&mut self) -> Option<String> {
        self.shown.message()
    }
}

/// What waits to be sent.
#[derive(Default)]
struct Shown {
    lines: Vec<Value>,
    bytes: usize,
    /// Lines that matched and are not shown, and batches that were lost before anybody looked at them.
    skipped: u64,
    /// Lines taken in this second.
    taken: usize,
    ticks: u32,
}

impl Shown {
    fn take(&mut self, lines: &[Line], filter: &Filter) {
        for line in lines.iter().filter(|line| filter.matches(&line.record())) {
            let bytes = size(line);
            let has_room = self.lines.is_empty() || self.bytes + bytes <= BYTES_MAX;
            if self.taken < LINES_MAX && self.lines.len() < LINES_MAX && has_room {
                self.taken += 1;
                self.bytes += bytes;
                self.lines.push(line_json(line));
            } else {
                self.skipped += 1;
            }
        }
    }

    fn tick(&mut self) {
        self.ticks = (self.ticks + 1) % TICKS;
        if self.ticks == 0 {
            self.taken = 0;
        }
    }

    /// What there is to say, if anything.
    fn message(&mut self) -> Option<String> {
        if self.lines.is_empty() && self.skipped == 0 {
            return None;
        }
        self.bytes = 0;
        let (lines, skipped) = (std::mem::take(&mut self.lines), std::mem::take(&mut self.skipped));
        Some(json!({ "lines": lines, "skipped": skipped }).to_string())
    }
}

/// About what a line takes.
fn size(line: &Line) -> usize {
    let pair = |(name, value): &(String, String)| name.len() + value.len();
    line.body.len() + line.attributes.iter().map(pair).sum::<usize>()
}

impl<W: Watcher> Tail<W> {
    pub(in crate::api) async fn run(mut self, socket: WebSocket) {
        let (sink, stream) = socket.split();
        // One message waits while another is on its way.
        let (messages, waiting) = channel(1);
        let writing = tokio::spawn(write(sink, waiting));
        self.watch(stream, &messages).await;
        drop(messages);
        writing.abort();
        drop(self.place);
    }

    /// Until either side ends it.
    async fn watch(&mut self, mut stream: SplitStream<WebSocket>, messages: &Sender<Message>) {
        let (mut tick, mut ping) = (interval(TICK), interval(PING_PERIOD));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = self.clock.monotonic();
        loop {
            tokio::select! {
                lines = self.lines.recv() => match lines {
                    Ok(lines) => for chunk in lines.chunks(CHUNK) {
                        self.watcher.take(chunk);
                        tokio::task::yield_now().await;
                    },
                    Err(broadcast::error::RecvError::Lagged(lost)) => self.watcher.miss(lost),
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                _ = tick.tick() => {
                    self.watcher.tick();
                    if let Ok(room) = messages.try_reserve()
                        && let Some(message) = self.watcher.message()
                    {
                        room.send(Message::Text(message.into()));
                    }
                    if messages.is_closed() {
                        return;
                    }
                }
                _ = ping.tick() => {
                    if self.clock.monotonic().saturating_sub(heard) > SILENCE_MAX {
                        return;
                    }
                    // One whose messages do not leave needs none.
                    drop(messages.try_send(Message::Ping(Bytes::new())));
                }
                message = stream.next() => match message {
                    None | Some(Err(_) | Ok(Message::Close(_))) => return,
                    Some(Ok(_)) => heard = self.clock.monotonic(),
                },
                () = stopped(&mut self.stop) => return,
            }
        }
    }
}

async fn write(mut sink: SplitSink<WebSocket, Message>, mut messages: Receiver<Message>) {
    while let Some(message) = messages.recv().await {
        match timeout(SEND_MAX, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::get};
    use model::UnixMs;
    use tokio::{net::TcpListener, sync::Semaphore};
    use tokio_tungstenite::{connect_async, tungstenite};

    use super::*;

    fn line(body: String) -> Line {
        Line {
            time: UnixMs(7),
            origin: Arc::default(),
            severity: None,
            body,
            attributes: Vec::new(),
            place: None,
        }
    }

    fn lines(count: usize) -> Vec<Line> {
        (0..count).map(|number| line(format!("line {number}"))).collect()
    }

    fn told(shown: &mut Shown) -> (usize, u64) {
        let message = shown.message().unwrap_or_default();
        let message: Value = serde_json::from_str(&message).unwrap_or_default();
        let lines = message["lines"].as_array().map_or(0, Vec::len);
        (lines, message["skipped"].as_u64().unwrap_or_default())
    }

    #[test]
    fn of_a_flood_the_first_of_each_second_are_shown() {
        let filter = Filter::parse("line", Line::schema()).unwrap();
        let mut shown = Shown::default();
        shown.take(&lines(150), &filter);
        shown.take(&[line("other".into())], &filter);
        assert_eq!(told(&mut shown), (150, 0));
        shown.tick();
        shown.take(&lines(100), &filter);
        assert_eq!(told(&mut shown), (50, 50));
        assert_eq!(shown.message(), None);
        for _ in 0..TICKS {
            shown.tick();
        }
        shown.take(&lines(LINES_MAX + 1), &filter);
        assert_eq!(told(&mut shown), (LINES_MAX, 1));
    }

    #[test]
    fn nothing_grows_while_nobody_reads() {
        let filter = Filter::default();
        let mut shown = Shown::default();
        for _ in 0..10 * TICKS {
            shown.take(&lines(100), &filter);
            shown.tick();
        }
        assert_eq!(told(&mut shown), (LINES_MAX, 4_800));
        let mut shown = Shown::default();
        let long: Vec<Line> = (0..3).map(|_| line("x".repeat(BYTES_MAX))).collect();
        shown.take(&long, &filter);
        assert_eq!(told(&mut shown), (1, 2));
    }

    /// A server with nothing but the socket, and a client.
    #[tokio::test]
    async fn lines_that_match_reach_the_other_side() {
        let (sender, _) = broadcast::channel::<Arc<[Line]>>(4);
        let (stop, stopped) = watch::channel(false);
        let places = Arc::new(Semaphore::new(1));
        let handler = {
            let (sender, places) = (sender.clone(), Arc::clone(&places));
            async move |upgrade: WebSocketUpgrade| {
                let tail = Tail {
                    lines: sender.subscribe(),
                    watcher: Matching {
                        filter: Filter::parse("-other", Line::schema()).unwrap(),
                        shown: Shown::default(),
                    },
                    clock: Clock::system(),
                    stop: stopped,
                    place: places.try_acquire_owned().unwrap(),
                };
                upgrade.on_upgrade(async move |socket| tail.run(socket).await)
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let router: Router = Router::new().route("/", get(handler));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let (mut socket, _) = connect_async(url).await.unwrap();
        sender.send(vec![line("other".into()), line("mine".into())].into()).unwrap();
        let message = loop {
            if let tungstenite::Message::Text(text) = socket.next().await.unwrap().unwrap() {
                break serde_json::from_str::<Value>(text.as_str()).unwrap();
            }
        };
        let expected = json!({ "time": 7, "severity": null, "body": "mine" });
        assert_eq!(message, json!({ "lines": [expected], "skipped": 0 }));
        assert_eq!(places.available_permits(), 0);
        stop.send(true).unwrap();
        // It ends, and its place is free again.
        while let Some(Ok(_)) = socket.next().await {}
        let freed = timeout(SEND_MAX, places.acquire()).await;
        assert!(freed.is_ok_and(|freed| freed.is_ok()));
        server.abort();
    }
}
