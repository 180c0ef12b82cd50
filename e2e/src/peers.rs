//! Peers that misbehave.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::Duration,
};

use anyhow::Result;

/// A way to be no engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hostile {
    /// Answers with bytes that are no HTTP.
    Garbage,
    /// Accepts and never says a word.
    Silent,
    /// Answers with a gigabyte of what looks like metrics.
    Gigabyte,
    /// Sends its answer one byte a second, for ever.
    Drip,
    /// Answers any path with 200 and numbers, labels and names that are nonsense.
    Nonsense,
}

const CONNECTIONS_LIMIT: usize = 512;

/// Listens on a free port of loopback until the test ends and returns `127.0.0.1:PORT`.
pub fn serve_hostile(manner: Hostile) -> Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?.to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(CONNECTIONS_LIMIT).flatten() {
            std::thread::spawn(move || {
                // The other side gives up sooner or later; that is the point.
                misbehave(manner, stream).unwrap_or_default();
            });
        }
    });
    Ok(address)
}

fn misbehave(manner: Hostile, mut stream: TcpStream) -> Result<()> {
    let head = |length: u64| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n")
    };
    let mut request = [0; 4096];
    let mut silence = Vec::new();
    match manner {
        Hostile::Garbage => {
            let count = stream.read(&mut request)?;
            stream.write_all(&[0xff; 4096])?;
            stream.write_all(&request[..count])?;
        }
        Hostile::Silent => {
            stream.read_to_end(&mut silence)?;
        }
        Hostile::Gigabyte => {
            let count = stream.read(&mut request)?;
            let block = b"vllm:generation_tokens_total{model_name=\"x\"} 1\n".repeat(20_000);
            if count > 0 {
                stream.write_all(head(1 << 30).as_bytes())?;
            }
            for _ in 0..=(1 << 30) / block.len() {
                stream.write_all(&block)?;
            }
        }
        Hostile::Drip => {
            stream.read(&mut request).map(|_| ())?;
            for byte in head(1 << 20).bytes().chain(std::iter::repeat(b'#')) {
                stream.write_all(&[byte])?;
                xtask::wait::pause(Duration::from_secs(1));
            }
        }
        Hostile::Nonsense => {
            stream.read(&mut request).map(|_| ())?;
            let body = "vllm:num_requests_running{a=\"\\\"} NaN\n{} \u{0}\nvllm:x 1e999 -1\n\
                        # TYPE vllm:generation_tokens_total histogram\n\
                        vllm:generation_tokens_total{model_name=\"x\",le=\"wide\"} -Inf\n";
            stream.write_all(head(body.len() as u64).as_bytes())?;
            stream.write_all(body.as_bytes())?;
        }
    }
    Ok(())
}
