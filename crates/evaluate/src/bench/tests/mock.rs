//! A stand-in for an engine: it answers as its script says, and keeps an account of what it did when.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use model::Clock;
use serde_json::{Value, json};
use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
        BufReader,
    },
    net::TcpListener,
    sync::Mutex as AsyncMutex,
};

/// How one request is answered.
#[derive(Clone, Debug)]
pub(super) enum Script {
    /// So many tokens, the first after a time and the others after another.
    Tokens { count: usize, first: Duration, gap: Duration, has_usage: bool },
    /// A document, not a stream.
    Whole { status: u16, body: &'static str },
    /// These bytes as a stream, and its proper end.
    Stream(&'static str),
    /// Half a token, and then the connection closes.
    Cut,
    /// The connection closes without an answer.
    Close,
    /// The head of an answer, and nothing more until the client leaves.
    Silence,
    /// Nobody else is answered for so long, and then it is one token.
    Stall(Duration),
}

/// One request as the stand-in saw it.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) head: String,
    pub(super) body: Value,
    pub(super) received: Duration,
    /// When each event with a token was written.
    pub(super) sent: Vec<Duration>,
}

type Choice = Arc<dyn Fn(usize) -> Script + Send + Sync>;

#[derive(Clone)]
pub(super) struct Mock {
    pub(super) url: String,
    clock: Clock,
    script: Choice,
    pub(super) seen: Arc<Mutex<Vec<Seen>>>,
    stalled: Arc<AsyncMutex<()>>,
}

impl Mock {
    /// `script` tells how the request with this number is answered, from 0.
    pub(super) async fn start(
        clock: &Clock,
        script: impl Fn(usize) -> Script + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mock = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            clock: clock.clone(),
            script: Arc::new(script),
            seen: Arc::default(),
            stalled: Arc::default(),
        };
        let serving = mock.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let serving = serving.clone();
                tokio::spawn(async move { serving.serve(stream).await });
            }
        });
        mock
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Answers until either side has enough.
    pub(super) async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if stream.read_line(&mut head).await.ok()? == 0 {
                    return None;
                }
            }
            let length = head.to_ascii_lowercase().lines().find_map(|line| {
                line.strip_prefix("content-length:")?.trim().parse::<usize>().ok()
            });
            let mut body = vec![0; length.unwrap_or(0)];
            stream.read_exact(&mut body).await.ok()?;
            if head.starts_with("GET /v1/models ") {
                let body = r#"{"data":[{"id":"m"},{"id":"n"}]}"#;
                write_whole(&mut stream, 200, body).await?;
                continue;
            }
            let number = {
                let mut seen = self.seen.lock().unwrap();
                seen.push(Seen {
                    head,
                    body: serde_json::from_slice(&body).unwrap_or_default(),
                    received: self.clock.monotonic(),
                    sent: Vec::new(),
                });
                seen.len() - 1
            };
            let script = (self.script)(number);
            drop(self.stalled.lock().await);
            self.answer(&mut stream, number, script).await?;
        }
    }

    async fn answer(
        &self,
        stream: &mut (impl AsyncWrite + AsyncRead + Unpin),
        number: usize,
        script: Script,
    ) -> Option<()> {
        match script {
            Script::Whole { status, body } => write_whole(stream, status, body).await,
            Script::Close => None,
            Script::Stall(time) => {
                let _held = self.stalled.lock().await;
                tokio::time::sleep(time).await;
                self.tokens(stream, number, 1, Duration::ZERO, Duration::ZERO, true).await
            }
            Script::Tokens { count, first, gap, has_usage } => {
                self.tokens(stream, number, count, first, gap, has_usage).await
            }
            Script::Stream(events) => {
                write_head(stream).await?;
                write_chunk(stream, events).await?;
                write(stream, "0\r\n\r\n").await
            }
            Script::Cut => {
                write_head(stream).await?;
                write_chunk(stream, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"").await?;
                None
            }
            Script::Silence => {
                write_head(stream).await?;
                stream.read_u8().await.ok()?;
                None
            }
        }
    }

    async fn tokens(
        &self,
        stream: &mut (impl AsyncWrite + Unpin),
        number: usize,
        count: usize,
        first: Duration,
        gap: Duration,
        has_usage: bool,
    ) -> Option<()> {
        write_head(stream).await?;
        for token in 0..count {
            tokio::time::sleep(if token == 0 { first } else { gap }).await;
            let now = self.clock.monotonic();
            self.seen.lock().unwrap()[number].sent.push(now);
            // The time of sending is in every chunk, as a real token's text would be.
            let text = format!("{} ", now.as_micros());
            let finish = if token + 1 == count { json!("length") } else { Value::Null };
            let event = json!({"choices": [
                {"index": 0, "delta": {"content": text}, "text": text, "finish_reason": finish},
            ]});
            write_chunk(stream, &format!("data: {event}\n\n")).await?;
        }
        if has_usage {
            let usage = json!({"choices": [], "usage":
                {"prompt_tokens": 7, "completion_tokens": count}});
            write_chunk(stream, &format!("data: {usage}\n\n")).await?;
        }
        write_chunk(stream, "data: [DONE]\n\n").await?;
        write(stream, "0\r\n\r\n").await
    }
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), text: &str) -> Option<()> {
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

async fn write_head(stream: &mut (impl AsyncWrite + Unpin)) -> Option<()> {
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    write(stream, head).await
}

async fn write_chunk(stream: &mut (impl AsyncWrite + Unpin), text: &str) -> Option<()> {
    write(stream, &format!("{:x}\r\n{text}\r\n", text.len())).await
}

async fn write_whole(
    stream: &mut (impl AsyncWrite + Unpin),
    status: u16,
    body: &str,
) -> Option<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    write(stream, &format!("{head}{body}")).await
}
