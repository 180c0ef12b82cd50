//! A stand-in for an engine: answers chat requests at once, or as a stream whose chunks say when they were
//! sent. A thread for each connection; it ends with this program.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use model::Clock;

use super::client::{CHUNKS, HOLD};
use crate::wait;

const CHUNK_EVERY: Duration = Duration::from_millis(5);
const STACK_BYTES: usize = 128 << 10;
/// More than any request that is sent here.
const BODY_BYTES_MAX: usize = 1 << 20;

pub(super) struct Upstream {
    pub(super) address: String,
}

impl Upstream {
    pub(super) fn start(clock: Clock) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?.to_string();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let clock = clock.clone();
                let serving = thread::Builder::new().stack_size(STACK_BYTES);
                // A connection that cannot have a thread is closed, which the measurement notices.
                drop(serving.spawn(move || drop(serve(&stream, &clock))));
            }
        });
        Ok(Self { address })
    }
}

/// Answers until the other side closes.
fn serve(stream: &TcpStream, clock: &Clock) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(4 << 10, stream);
    loop {
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            ensure!(reader.read_line(&mut line)? > 0, "closed");
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse::<usize>().context("a length")?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        ensure!(length <= BODY_BYTES_MAX, "too long");
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let has = |text: &str| body.windows(text.len()).any(|part| part == text.as_bytes());
        // As whoever stands in between writes it.
        if has("\"stream\":true") || has("\"stream\": true") {
            send_stream(stream, clock, has(HOLD))?;
        } else {
            send_whole(stream)?;
        }
    }
}

fn send_whole(mut stream: &TcpStream) -> Result<()> {
    let body = "{\"id\":\"x\",\"object\":\"chat.completion\",\"model\":\"m\",\"choices\":[{\"index\":0,\
                \"message\":{\"role\":\"assistant\",\"content\":\"Hello there, how can I help you?\"},\
                \"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":9,\
                \"total_tokens\":18}}";
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes())?;
    Ok(())
}

fn send_stream(stream: &TcpStream, clock: &Clock, is_held: bool) -> Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let (mut writer, mut reader) = (stream, stream);
    writer.write_all(head.as_bytes())?;
    let mut send = |event: &str| {
        let chunk = format!("{:x}\r\n{event}\r\n", event.len());
        writer.write_all(chunk.as_bytes())
    };
    for _ in 0..CHUNKS {
        wait::pause(CHUNK_EVERY);
        let sent = clock.monotonic().as_nanos();
        send(&format!(
            "data: {{\"id\":\"x\",\"model\":\"m\",\"choices\":[{{\"index\":0,\
             \"delta\":{{\"content\":\"sent:{sent} \"}},\"finish_reason\":null}}]}}\n\n"
        ))?;
        if is_held {
            // Until the other side is gone.
            let mut byte = [0];
            ensure!(reader.read(&mut byte)? > 0, "closed");
        }
    }
    send(
        "data: {\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\
          \"finish_reason\":\"stop\"}]}\n\n",
    )?;
    send("data: [DONE]\n\n")?;
    writer.write_all(b"0\r\n\r\n")?;
    Ok(())
}
