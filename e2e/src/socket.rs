//! A page's live connection, as far as the tests need it: unfragmented frames (RFC 6455), and the blocks of ticks.

use std::{
    collections::BTreeMap,
    io::{BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use xtask::http;

/// Any key of 16 bytes in base64 will do.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODw==";

/// Bytes of a block before its values.
const HEAD_BYTES: usize = 20;

/// One block of a tick.
#[derive(Debug, PartialEq)]
pub struct Block {
    pub id: u64,
    pub generation: u64,
    pub time: i64,
    pub values: Vec<f32>,
}

/// Generation and number of series by subscription, as the server told them.
#[derive(Default)]
pub struct Schemas(BTreeMap<u64, (u64, usize)>);

impl Schemas {
    /// Takes note of a text if it is a schema.
    pub fn learn(&mut self, text: &Value) -> Result<()> {
        if text["type"] == "schema" {
            let field = |name: &str| text[name].as_u64().context("a bad schema");
            let count = text["series"].as_array().context("a bad schema")?.len();
            self.0.insert(field("id")?, (field("gen")?, count));
        }
        Ok(())
    }

    /// All blocks of one message, each of the generation whose schema came before.
    pub fn blocks(&self, bytes: &[u8]) -> Result<Vec<Block>> {
        let mut blocks = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let word = |at: usize| {
                let bytes = rest.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
                bytes.map(u32::from_le_bytes).context("a short block")
            };
            ensure!(word(0)? == 1, "no block");
            let (id, generation) = (u64::from(word(4)?), u64::from(word(8)?));
            let time = i64::from(word(12)?) | i64::from(word(16)?) << 32;
            let (known, count) = self.0.get(&id).copied().context("no schema before it")?;
            ensure!(known == generation, "generation {generation} after the schema of {known}");
            let values = (0..count).map(|index| Ok(f32::from_bits(word(HEAD_BYTES + 4 * index)?)));
            let values = values.collect::<Result<Vec<f32>>>()?;
            blocks.push(Block { id, generation, time, values });
            rest = rest.get(HEAD_BYTES + 4 * count..).context("a short block")?;
        }
        Ok(blocks)
    }
}

pub struct LiveSocket {
    reader: BufReader<TcpStream>,
}

/// A message from the server.
#[derive(Debug)]
pub enum Message {
    Text(Value),
    Binary(Vec<u8>),
}

impl LiveSocket {
    /// Opens `/api/v1/live`. The error names the status when the server refuses.
    pub fn open(address: &str, host: &str, origin: Option<&str>) -> Result<Self> {
        Self::open_path(address, "/api/v1/live", host, origin)
    }

    /// Opens the socket at another path.
    pub fn open_path(address: &str, path: &str, host: &str, origin: Option<&str>) -> Result<Self> {
        let mut stream = http::connect(address, Duration::from_secs(10))?;
        let mut head = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v1\r\nSec-WebSocket-Key: {KEY}\r\n"
        );
        if let Some(origin) = origin {
            head.push_str(&format!("Origin: {origin}\r\n"));
        }
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        let mut reader = BufReader::new(stream);
        let (status, _) = http::read_head(&mut reader)?;
        ensure!(status == 101, "refused with status {status}");
        Ok(Self { reader })
    }

    pub fn send(&mut self, message: &Value) -> Result<()> {
        self.write(0x81, message.to_string().as_bytes())
    }

    fn write(&mut self, code: u8, payload: &[u8]) -> Result<()> {
        let length = u8::try_from(payload.len()).ok().filter(|length| *length < 126);
        let length = length.context("test messages are shorter than 126 bytes")?;
        let mut frame = vec![code, 0x80 | length, 0, 0, 0, 0]; // masked with zeros
        frame.extend_from_slice(payload);
        self.reader.get_mut().write_all(&frame)?;
        Ok(())
    }

    /// The next message that is neither ping nor pong.
    pub fn receive(&mut self) -> Result<Message> {
        loop {
            let (code, payload) = self.frame()?;
            match code {
                1 => return Ok(Message::Text(serde_json::from_slice(&payload)?)),
                2 => return Ok(Message::Binary(payload)),
                9 => self.write(0x8a, &payload)?,
                10 => {}
                _ => bail!("the server closed with frame type {code}"),
            }
        }
    }

    fn frame(&mut self) -> Result<(u8, Vec<u8>)> {
        let [first, second] = self.bytes()?;
        ensure!(first & 0x80 != 0, "the server fragments its messages");
        let length = match second & 0x7f {
            126 => u64::from(u16::from_be_bytes(self.bytes()?)),
            127 => u64::from_be_bytes(self.bytes()?),
            length => u64::from(length),
        };
        ensure!(length < 16 << 20, "a frame of {length} bytes");
        let mut payload = vec![0; usize::try_from(length)?];
        self.reader.read_exact(&mut payload)?;
        Ok((first & 0x0f, payload))
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
