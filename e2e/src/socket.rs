//! A page's live connection, as far as the tests need it: unfragmented frames (RFC 6455).

use std::{
    io::{BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use xtask::http;

/// Any key of 16 bytes in base64 will do.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODw==";

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
        let mut stream = http::connect(address, Duration::from_secs(10))?;
        let mut head = format!(
            "GET /api/v1/live HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
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
