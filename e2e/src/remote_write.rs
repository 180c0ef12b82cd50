//! A sender of remote write, put together by hand after the published formats, so that it shares no
//! mistake with the receiver.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use xtask::http::{self, Request, Response};

use crate::{Modelwatch, PATIENCE};

/// A series that is sent.
#[derive(Clone, Copy)]
pub struct Sent<'a> {
    /// Sorted, the metric's name included.
    pub labels: &'a [(&'a str, &'a str)],
    /// Unix milliseconds and value.
    pub samples: &'a [(i64, f64)],
}

/// Which message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    V1,
    V2,
}

impl Modelwatch {
    /// Sends a message, compressed, with the headers that belong to it.
    pub fn write(&self, protocol: Protocol, message: &[u8]) -> Result<Response> {
        send(&self.address, protocol, message)
    }

    pub fn write_raw(&self, headers: &[(&str, &str)], body: &[u8]) -> Result<Response> {
        send_raw(&self.address, headers, body)
    }
}

/// Sends a message to whoever takes remote write at `address`.
pub fn send(address: &str, protocol: Protocol, message: &[u8]) -> Result<Response> {
    let (kind, version) = match protocol {
        Protocol::V1 => ("application/x-protobuf", "0.1.0"),
        Protocol::V2 => ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
    };
    let headers = [
        ("Content-Type", kind),
        ("Content-Encoding", "snappy"),
        ("X-Prometheus-Remote-Write-Version", version),
    ];
    send_raw(address, &headers, &snappy(message))
}

fn send_raw(address: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Response> {
    let path = "/api/v1/write";
    http::send(address, &Request { method: "POST", path, headers, body, timeout: PATIENCE })
}

/// Some seconds ago, whole, so that what is written then is in every instant query of now.
pub fn recent_ms() -> Result<i64> {
    Ok((now_ms()? / 1_000 - 10) * 1_000)
}

#[expect(clippy::disallowed_methods, reason = "a sender has a clock of its own")]
pub fn now_ms() -> Result<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(i64::try_from(now.as_millis())?)
}

/// `prometheus.WriteRequest`
pub fn message_v1(series: &[Sent<'_>]) -> Vec<u8> {
    let mut request = Vec::new();
    for sent in series {
        let mut series = Vec::new();
        for (name, value) in sent.labels {
            let label = [field(1, name.as_bytes()), field(2, value.as_bytes())].concat();
            series.extend(field(1, &label));
        }
        series.extend(sent.samples.iter().flat_map(|sample| field(2, &sample_message(*sample))));
        request.extend(field(1, &series));
    }
    request
}

/// `io.prometheus.write.v2.Request`. What `more` returns for a series is added to its fields; it is
/// given a function that makes a symbol of a text.
pub fn message_v2(
    series: &[Sent<'_>],
    mut more: impl FnMut(&mut dyn FnMut(&str) -> u64) -> Vec<u8>,
) -> Vec<u8> {
    let mut symbols = vec![String::new()];
    let mut symbol = |text: &str| -> u64 {
        let place = symbols.iter().position(|symbol| symbol == text).unwrap_or_else(|| {
            symbols.push(text.to_owned());
            symbols.len() - 1
        });
        place as u64
    };
    let mut all = Vec::new();
    for sent in series {
        let places = sent.labels.iter().flat_map(|(name, value)| [symbol(name), symbol(value)]);
        let mut series = field(1, &places.flat_map(varint).collect::<Vec<_>>());
        series.extend(sent.samples.iter().flat_map(|sample| field(2, &sample_message(*sample))));
        series.extend(more(&mut symbol));
        all.extend(field(5, &series));
    }
    let table = symbols.iter().flat_map(|symbol| field(4, symbol.as_bytes()));
    table.chain(all).collect()
}

fn sample_message((time, value): (i64, f64)) -> Vec<u8> {
    [double_field(1, value), varint_field(2, time as u64)].concat()
}

/// A field of bytes: a text, a message, or packed numbers.
pub fn field(number: u64, content: &[u8]) -> Vec<u8> {
    let mut bytes = varint(number << 3 | 2);
    bytes.extend(varint(content.len() as u64));
    bytes.extend(content);
    bytes
}

pub fn varint_field(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

pub fn double_field(number: u64, value: f64) -> Vec<u8> {
    let mut bytes = varint(number << 3 | 1);
    bytes.extend(value.to_le_bytes());
    bytes
}

pub fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A block of snappy that compresses nothing: its length, and literals of at most 64 KiB.
pub fn snappy(bytes: &[u8]) -> Vec<u8> {
    const LITERAL_WITH_LENGTH_OF_TWO_BYTES: u8 = 61 << 2;
    let mut block = varint(bytes.len() as u64);
    for chunk in bytes.chunks(1 << 16) {
        block.push(LITERAL_WITH_LENGTH_OF_TWO_BYTES);
        block.extend(((chunk.len() - 1) as u16).to_le_bytes());
        block.extend(chunk);
    }
    block
}
