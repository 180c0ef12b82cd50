//! A stand-in for an engine: it does exactly what a script says, byte by byte, and notices who leaves.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

/// What the stand-in does, in this order.
#[derive(Clone)]
pub(crate) enum Step {
    Send(Vec<u8>),
    /// Sends as long as the other side takes it; counts the bytes.
    Flood(usize),
    /// Waits until the test adds a permit, or the other side leaves.
    Await,
    /// Waits so long, or until the other side leaves.
    Pause(Duration),
    /// Sends back what comes in until the other side closes.
    Echo,
    Close,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub path: String,
    pub head: String,
    /// As it came, with the framing of chunks.
    pub body: Vec<u8>,
    /// Which request on its connection.
    pub number: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_owned())
    }
}

type Script = Arc<dyn Fn(&Seen) -> Vec<Step> + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Mock {
    pub address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    left: AtomicUsize,
    connections: AtomicUsize,
    flooded: AtomicUsize,
    permits: Option<Semaphore>,
}

impl Mock {
    pub(crate) async fn start(script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { permits: Some(Semaphore::new(0)), ..State::default() };
        let mock = Self { address, state: Arc::new(state) };
        let (state, script) = (Arc::clone(&mock.state), Arc::new(script) as Script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                state.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, Arc::clone(&state), Arc::clone(&script)));
            }
        });
        mock
    }

    /// A server that answers every request alike.
    pub(crate) async fn answering(answer: Vec<u8>) -> Self {
        Self::start(move |_| vec![Step::Send(answer.clone())]).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn flooded(&self) -> usize {
        self.state.flooded.load(Ordering::SeqCst)
    }

    /// Lets one [`Step::Await`] go on.
    pub(crate) fn permit(&self) {
        self.state.permits.as_ref().unwrap().add_permits(1);
    }

    /// Waits until so many requests have come.
    pub(crate) async fn wait_seen(&self, count: usize) {
        wait("requests at the engine", || self.seen().len() >= count).await;
    }

    /// Waits until so many of those it served have left before the end.
    pub(crate) async fn wait_left(&self, count: usize) {
        wait("clients that leave", || self.state.left.load(Ordering::SeqCst) >= count).await;
    }

    pub(crate) fn left(&self) -> usize {
        self.state.left.load(Ordering::SeqCst)
    }
}

/// Waits for a condition, with a deadline.
pub(crate) async fn wait(what: &str, condition: impl Fn() -> bool) {
    let waited = timeout(Duration::from_secs(10), async {
        while !condition() {
            sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(waited.await.is_ok(), "waited in vain for {what}");
}

async fn serve(mut stream: TcpStream, state: Arc<State>, script: Script) {
    let mut buffer = Vec::new();
    for number in 0.. {
        let Some(seen) = read(&mut stream, &mut buffer, number).await else { return };
        state.seen.lock().unwrap().push(seen.clone());
        for step in script(&seen) {
            if !perform(&mut stream, step, &state).await {
                return;
            }
        }
    }
}

/// Whether to go on.
async fn perform(stream: &mut TcpStream, step: Step, state: &State) -> bool {
    let here = match step {
        Step::Send(bytes) => stream.write_all(&bytes).await.is_ok(),
        Step::Flood(bytes) => {
            let block = [b'x'; 16 << 10];
            let mut left = bytes;
            loop {
                let length = block.len().min(left);
                if length == 0 {
                    break true;
                }
                if stream.write_all(&block[..length]).await.is_err() {
                    break false;
                }
                state.flooded.fetch_add(length, Ordering::SeqCst);
                left -= length;
            }
        }
        Step::Await => {
            let permits = state.permits.as_ref().unwrap();
            tokio::select! {
                permit = permits.acquire() => { permit.unwrap().forget(); true }
                () = leaving(stream) => false,
            }
        }
        Step::Pause(time) => {
            tokio::select! { () = sleep(time) => true, () = leaving(stream) => false }
        }
        Step::Echo => {
            let mut bytes = [0; 1024];
            while let Ok(length @ 1..) = stream.read(&mut bytes).await {
                stream.write_all(&bytes[..length]).await.unwrap();
            }
            return false;
        }
        Step::Close => return false,
    };
    if !here {
        state.left.fetch_add(1, Ordering::SeqCst);
    }
    here
}

async fn leaving(stream: &TcpStream) {
    let mut byte = [0];
    loop {
        match stream.peek(&mut byte).await {
            Ok(0) | Err(_) => return,
            // Another request is waiting; that is no leaving.
            Ok(_) => sleep(Duration::from_millis(5)).await,
        }
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>, number: usize) -> Option<Seen> {
    let head_end = fill_until(stream, buffer, |bytes| find(bytes, b"\r\n\r\n")).await?;
    let head = String::from_utf8(buffer.drain(..head_end + 4).collect()).unwrap();
    let mut words = head.split(' ');
    let path = words.nth(1)?.to_owned();
    let mut seen = Seen { path, head, number, body: Vec::new() };
    let length = seen.header("content-length").and_then(|length| length.parse().ok());
    let end = match length {
        Some(length) => {
            fill_until(stream, buffer, |bytes| (bytes.len() >= length).then_some(length)).await?
        }
        None if seen.header("transfer-encoding").is_some() => {
            let whole = |bytes: &[u8]| {
                let last =
                    if bytes.starts_with(b"0\r\n") { Some(0) } else { find(bytes, b"\r\n0\r\n") };
                last.and_then(|last| Some(last + find(&bytes[last..], b"\r\n\r\n")? + 4))
            };
            fill_until(stream, buffer, whole).await?
        }
        None => 0,
    };
    seen.body = buffer.drain(..end).collect();
    Some(seen)
}

async fn fill_until(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    found: impl Fn(&[u8]) -> Option<usize>,
) -> Option<usize> {
    loop {
        if let Some(place) = found(buffer) {
            return Some(place);
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// An answer with a length.
pub(crate) fn whole(status: u16, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

pub(crate) fn json(body: &str) -> Vec<u8> {
    whole(200, "application/json", body)
}

/// The head of a stream in chunks.
pub(crate) fn sse_head() -> Step {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    Step::Send(head.into())
}

pub(crate) fn chunk(data: impl AsRef<[u8]>) -> Step {
    let data = data.as_ref();
    let mut bytes = format!("{:x}\r\n", data.len()).into_bytes();
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(b"\r\n");
    Step::Send(bytes)
}

pub(crate) fn last_chunk() -> Step {
    Step::Send(b"0\r\n\r\n".to_vec())
}

/// An event of a stream of `/v1/chat/completions`.
pub(crate) fn token(text: &str) -> String {
    let choices =
        serde_json::json!([{"index": 0, "delta": {"content": text}, "finish_reason": null}]);
    event(serde_json::json!({"id": "c1", "model": "m", "choices": choices}))
}

pub(crate) fn finish() -> String {
    let choices = serde_json::json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]);
    event(serde_json::json!({"id": "c1", "model": "m", "choices": choices}))
}

pub(crate) fn usage(input: u64, output: u64) -> String {
    let usage = serde_json::json!({"prompt_tokens": input, "completion_tokens": output});
    event(serde_json::json!({"id": "c1", "model": "m", "choices": [], "usage": usage}))
}

pub(crate) fn event(value: serde_json::Value) -> String {
    format!("data: {value}\n\n")
}

pub(crate) const DONE: &str = "data: [DONE]\n\n";
