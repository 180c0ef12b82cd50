//! A client on one kept connection, and what it measures.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use model::Clock;

use crate::http;

/// Chunks of a stream.
pub(super) const CHUNKS: usize = 32;
/// In a request: the stream stays open after its first chunk.
pub(super) const HOLD: &str = "hold the line";
/// A request for such a stream.
pub(super) const STREAM: &str = "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\
                                 \"content\":\"hold the line\"}]}";
/// In a token: when the upstream sent it follows.
pub(super) const SENT: &[u8] = b"sent:";
const TIMEOUT: Duration = Duration::from_secs(20);

pub(super) struct Connection {
    stream: TcpStream,
    clock: Clock,
    whole: Vec<u8>,
    streamed: Vec<u8>,
    buffer: Vec<u8>,
}

fn request(address: &str, login: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {address}\r\n{login}\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Sends a request on a connection of its own.
pub(super) fn begin(address: &str, login: &str, body: &str) -> Result<TcpStream> {
    let mut stream = http::connect(address, TIMEOUT)?;
    stream.write_all(&request(address, login, body))?;
    Ok(stream)
}

/// Waits until a stream that was begun is one.
pub(super) fn wait_for_chunk(mut stream: &TcpStream) -> Result<()> {
    let (mut buffer, mut text) = ([0; 2_048], Vec::new());
    while !contains(&text, SENT) {
        let count = stream.read(&mut buffer)?;
        ensure!(count > 0, "closed: {}", String::from_utf8_lossy(&text));
        text.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
    Ok(())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

impl Connection {
    pub(super) fn open(address: &str, login: &str, clock: Clock) -> Result<Self> {
        let messages = "\"messages\":[{\"role\":\"user\",\"content\":\"Hello, who are you?\"}]";
        let body =
            |stream: &str| format!("{{\"model\":\"m\",{stream}\"max_tokens\":64,{messages}}}");
        Ok(Self {
            stream: http::connect(address, TIMEOUT)?,
            clock,
            whole: request(address, login, &body("")),
            streamed: request(address, login, &body("\"stream\":true,")),
            buffer: vec![0; 64 << 10],
        })
    }

    /// A question with a whole answer: milliseconds until that was here.
    pub(super) fn ask(&mut self) -> Result<f64> {
        let begun = self.clock.monotonic();
        self.stream.write_all(&self.whole)?;
        let mut length = 0;
        loop {
            let count = self.stream.read(self.buffer.get_mut(length..).unwrap_or_default())?;
            ensure!(count > 0, "the connection was closed");
            length += count;
            let text = self.buffer.get(..length).unwrap_or_default();
            if is_whole(text) {
                break;
            }
            let is_refused = text.starts_with(b"HTTP/1.1 ") && !text.starts_with(b"HTTP/1.1 200");
            ensure!(!is_refused, "refused: {}", String::from_utf8_lossy(text));
        }
        Ok(self.clock.monotonic().saturating_sub(begun).as_secs_f64() * 1e3)
    }

    /// A question with a streamed answer: for each chunk the milliseconds from sending to here.
    pub(super) fn stream(&mut self) -> Result<Vec<f64>> {
        self.stream.write_all(&self.streamed)?;
        let (mut lags, mut text) = (Vec::new(), Vec::new());
        loop {
            let count = self.stream.read(&mut self.buffer)?;
            let now = self.clock.monotonic().as_nanos();
            ensure!(count > 0, "the connection was closed");
            text.extend_from_slice(self.buffer.get(..count).unwrap_or_default());
            while let Some(sent) = take_sent(&mut text)? {
                lags.push(now.saturating_sub(sent) as f64 / 1e6);
            }
            if text.ends_with(b"0\r\n\r\n") && contains(&text, b"[DONE]") {
                ensure!(lags.len() == CHUNKS, "{} of {CHUNKS} chunks came", lags.len());
                return Ok(lags);
            }
        }
    }
}

/// Whether all of an answer with a length is here.
fn is_whole(text: &[u8]) -> bool {
    const LENGTH: &[u8] = b"content-length:";
    let Some(end) = text.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = text.get(..end).unwrap_or_default();
    let at = head.windows(LENGTH.len()).position(|window| window.eq_ignore_ascii_case(LENGTH));
    let value = at.and_then(|at| head.get(at + LENGTH.len()..)).unwrap_or_default();
    let digits = value.trim_ascii_start().iter().take_while(|byte| byte.is_ascii_digit());
    let length = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    at.is_some() && text.len() >= end + 4 + length
}

/// The next time of sending in what came, which is taken out.
fn take_sent(text: &mut Vec<u8>) -> Result<Option<u128>> {
    let found = text.windows(SENT.len()).position(|window| window == SENT);
    let Some(begin) = found.map(|at| at + SENT.len()) else { return Ok(None) };
    let rest = text.get(begin..).unwrap_or_default();
    let Some(length) = rest.iter().position(|byte| !byte.is_ascii_digit()) else { return Ok(None) };
    let digits = std::str::from_utf8(rest.get(..length).unwrap_or_default())?;
    let sent = digits.parse().context("a time of sending")?;
    text.drain(..begin + length);
    Ok(Some(sent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_length_is_there() {
        let check = |text: &str, expected: bool| {
            assert_eq!(is_whole(text.as_bytes()), expected, "{text:?}");
        };
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", true);
        check("HTTP/1.1 200 OK\r\ncontent-length:2\r\nx: y\r\n\r\n{", false);
        check("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{}", false);
        check("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n", false);
        check("HTTP/1.1 200 OK\r\n\r\n{}", false);
    }

    #[test]
    fn times_of_sending_are_taken_once() {
        let mut text = b"data: {\"x\":\"sent:12 \"}\n\ndata: {\"x\":\"sent:34".to_vec();
        assert_eq!(take_sent(&mut text).unwrap(), Some(12));
        assert_eq!(take_sent(&mut text).unwrap(), None, "its end is not here yet");
        text.extend_from_slice(b" \"}");
        assert_eq!(take_sent(&mut text).unwrap(), Some(34));
        assert_eq!(take_sent(&mut text).unwrap(), None);
    }
}
