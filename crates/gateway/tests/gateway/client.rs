//! A client that says exactly what a test wants it to say, and a gateway for it to talk to.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use gateway::{
    Gateway,
    config::{Config, Listen, Upstream},
};
use model::{Clock, exchange::Exchange};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};

use crate::mock::{Mock, find};

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Bench {
    pub gateway: Gateway,
    pub address: SocketAddr,
    records: mpsc::Receiver<Exchange>,
}

/// A configuration with these engines, open to everybody.
pub(crate) fn config(mocks: &[(&str, &Mock)]) -> Config {
    let upstream = |(name, mock): &(&str, &Mock)| upstream(name, &mock.url());
    let mut config = Config {
        listen: vec![Listen { address: "127.0.0.1:0".parse().unwrap(), tls: None }],
        upstreams: mocks.iter().map(upstream).collect(),
        ..Config::default()
    };
    config.access.anonymous = Some(Default::default());
    config
}

pub(crate) fn upstream(name: &str, url: &str) -> Upstream {
    Upstream { name: name.into(), url: url.into(), models: vec![], api_key: None, ca_file: None }
}

impl Bench {
    pub(crate) async fn start(config: Config) -> Self {
        let (sender, records) = mpsc::channel(1_000);
        let gateway = Gateway::start(config, Clock::system(), sender).await.unwrap();
        let address = gateway.addresses()[0];
        Self { gateway, address, records }
    }

    pub(crate) async fn before(mock: &Mock) -> Self {
        Self::start(config(&[("engine", mock)])).await
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Asks over a connection of its own.
    pub(crate) async fn ask(&self, request: impl AsRef<[u8]>) -> Reply {
        let mut client = self.connect().await;
        client.send(request).await;
        client.reply().await
    }

    /// The next one. A modelwatch that runs on this machine may look what listens here; that is no test's.
    pub(crate) async fn record(&mut self) -> Exchange {
        loop {
            let record = timeout(PATIENCE, self.records.recv()).await.expect("a record").unwrap();
            if !record.user_agent.starts_with("modelwatch/") {
                return record;
            }
        }
    }

    /// Stops it and returns the records that nobody took yet.
    pub(crate) async fn stop(mut self) -> Vec<Exchange> {
        self.gateway.stop(PATIENCE).await;
        let mut rest = Vec::new();
        while let Ok(record) = self.records.try_recv() {
            rest.push(record);
        }
        rest
    }
}

pub(crate) struct Client {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub head: String,
    /// Without its framing.
    pub body: Vec<u8>,
    /// Whether it ended as it said it would.
    pub is_whole: bool,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_owned())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads more; false at the end.
    async fn more(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await;
        matches!(read.expect("the gateway said nothing"), Ok(1..))
    }

    async fn until(&mut self, wanted: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(place) = find(&self.buffer, wanted) {
                return Some(self.buffer.drain(..place + wanted.len()).collect());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    pub(crate) async fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < count {
            if !self.more().await {
                return None;
            }
        }
        Some(self.buffer.drain(..count).collect())
    }

    pub(crate) async fn head(&mut self) -> String {
        let head = self.until(b"\r\n\r\n").await;
        String::from_utf8(head.expect("a head")).unwrap()
    }

    /// One chunk of a body; `None` when the connection ends.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = String::from_utf8(self.until(b"\r\n").await?).unwrap();
        let length = usize::from_str_radix(line.trim(), 16).unwrap();
        let mut data = self.bytes(length + 2).await?;
        data.truncate(length);
        Some(data)
    }

    /// Whether the other side closes without saying more.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && !self.more().await
    }

    pub(crate) async fn reply(&mut self) -> Reply {
        let head = self.head().await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut reply = Reply { status, head, body: Vec::new(), is_whole: true };
        if let Some(length) = reply.header("content-length").and_then(|text| text.parse().ok()) {
            while self.buffer.len() < length {
                if !self.more().await {
                    reply.is_whole = false;
                    break;
                }
            }
            let length = length.min(self.buffer.len());
            reply.body = self.buffer.drain(..length).collect();
        } else if reply.header("transfer-encoding").is_some() {
            loop {
                match self.chunk().await {
                    Some(data) if data.is_empty() => break,
                    Some(data) => reply.body.extend_from_slice(&data),
                    None => {
                        reply.is_whole = false;
                        break;
                    }
                }
            }
        } else if !matches!(status, 101 | 204 | 304) {
            while self.more().await {}
            reply.body = std::mem::take(&mut self.buffer);
        }
        reply
    }
}

pub(crate) fn post(path: &str, body: &str) -> String {
    post_with(path, "", body)
}

/// With these lines of headers, each with its end.
pub(crate) fn post_with(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: gateway\r\n{headers}content-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: gateway\r\n\r\n")
}

pub(crate) const CHAT: &str = "/v1/chat/completions";

pub(crate) fn chat(is_stream: bool) -> String {
    post(
        CHAT,
        &format!(
            r#"{{"model":"m","stream":{is_stream},"messages":[{{"role":"user","content":"hi"}}]}}"#
        ),
    )
}

/// Files for TLS that were made for tests.
pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/gateway/fixtures").join(name)
}

impl Client {
    /// Reads to the end of the connection, whatever comes.
    pub(crate) async fn reply_or_end(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.buffer)
    }
}
