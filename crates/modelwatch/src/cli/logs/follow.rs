//! New lines as they come, over the server's WebSocket.

use std::{collections::HashMap, io::Write as _, time::Duration};

use anyhow::Context as _;
use axum::http::HeaderMap;
use futures_util::StreamExt as _;
use model::message::{Language, render};
use serde_json::Value;
use tokio::{net::TcpStream, runtime::Runtime, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, Message, protocol::WebSocketConfig},
};

use super::{
    Stop, Wish,
    ask::{Server, lines, read},
    each_page,
    print::Printer,
};
use crate::cli::{
    peer::Answer,
    query::{Failure, text::harmless},
};

/// How long a server may take to be reached.
const PATIENCE: Duration = Duration::from_secs(10);
/// The server pings every 15 seconds. One that is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(45);
/// Largest message; one that sends a larger one is left. A line has up to a MiB, which escapes make longer.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Prints the newest lines, and then each that comes, until either side ends it.
pub(super) fn follow(server: &mut Server, wish: &Wish, printer: &mut Printer) -> Result<(), Stop> {
    // It stands before the lines so far are asked for, so that none is missed between the two.
    let mut watch = Watch::open(server, wish)?;
    printer.begin()?;
    let mut so_far = Vec::new();
    if wish.limit > 0 {
        each_page(server, wish, &mut |lines| {
            so_far.extend(lines);
            Ok(())
        })?;
    }
    so_far.reverse();
    so_far.iter().try_for_each(|line| printer.line(line))?;
    printer.out.flush()?;
    let mut known = Known::new(&so_far);
    drop(so_far);
    loop {
        let mut message = watch.next()?;
        for line in lines(&mut message) {
            if !known.takes(&line) {
                printer.line(&line)?;
            }
        }
        let skipped = message["skipped"].as_u64().unwrap_or_default();
        if skipped > 0 {
            printer.skipped(skipped)?;
        }
        printer.out.flush()?;
    }
}

/// Lines that were found, and may come as new ones as well.
struct Known(HashMap<String, usize>);

impl Known {
    fn new(lines: &[Value]) -> Self {
        let mut known = HashMap::new();
        for line in lines {
            *known.entry(name(line)).or_default() += 1;
        }
        Self(known)
    }

    /// Each is taken once: what says the same later is another line.
    fn takes(&mut self, line: &Value) -> bool {
        let Some(count) = self.0.get_mut(&name(line)).filter(|count| **count > 0) else {
            return false;
        };
        *count -= 1;
        true
    }
}

/// A line without what only a stored one has.
fn name(line: &Value) -> String {
    let parts = ["time", "host", "source", "origin", "body"].map(|part| line[part].to_string());
    parts.join("\n")
}

/// The connection.
struct Watch {
    runtime: Runtime,
    socket: WebSocketStream<TcpStream>,
    url: String,
    language: Language,
}

impl Watch {
    fn open(server: &Server, wish: &Wish) -> Result<Self, Failure> {
        let language = server.language;
        let failed = |error: anyhow::Error| {
            let params = [("reason", harmless(&format!("{error:#}")))];
            Failure::failed(render("logs.no_answer", &params, language))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.context("failed to start the asynchronous runtime").map_err(failed)?;
        let (authority, path) = server.tail(wish);
        let url = format!("http://{authority}");
        let limits = WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX));
        let limits = limits.max_frame_size(Some(MESSAGE_BYTES_MAX));
        let opened = runtime.block_on(async {
            let opening = async {
                let stream = TcpStream::connect(&authority).await?;
                let request = format!("ws://{authority}{path}");
                client_async_with_config(request, stream, Some(limits)).await
            };
            timeout(PATIENCE, opening).await
        });
        let late = || format!("{url}: no answer in {} s", PATIENCE.as_secs());
        match opened.with_context(late).map_err(failed)? {
            Ok((socket, _)) => Ok(Self { runtime, socket, url, language }),
            Err(tungstenite::Error::Http(refusal)) => {
                let (parts, body) = refusal.into_parts();
                let text = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
                let answer = Answer { status: parts.status, headers: HeaderMap::new(), text };
                let refused = read(&answer, &url, language).err();
                // Anything but a refusal would have opened the connection.
                Err(refused.unwrap_or_else(|| failed(anyhow::anyhow!("{url}: {}", answer.status))))
            }
            Err(error) => Err(failed(anyhow::Error::new(error).context(url))),
        }
    }

    /// The next message that says anything.
    fn next(&mut self) -> Result<Value, Failure> {
        let Self { runtime, socket, url, language } = self;
        let next = async {
            loop {
                match timeout(SILENCE, socket.next()).await {
                    Ok(Some(Ok(Message::Text(text)))) => return Some(text),
                    Ok(None | Some(Err(_) | Ok(Message::Close(_)))) | Err(_) => return None,
                    Ok(Some(Ok(_))) => {}
                }
            }
        };
        let text = runtime.block_on(next);
        let value = text.and_then(|text| serde_json::from_str(text.as_str()).ok());
        let gone = || {
            let params = [("url", url.as_str())];
            Failure::failed(render("logs.hung_up", &params, *language))
        };
        value.filter(Value::is_object).ok_or_else(gone)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_that_was_printed_is_not_printed_again_but_the_same_words_later_are() {
        let stored = json!({ "id": "1", "time": 7, "severity": null, "body": "x" });
        let new = json!({ "time": 7, "severity": null, "body": "x" });
        let later = json!({ "time": 8, "severity": null, "body": "x" });
        let mut known = Known::new(&[stored.clone(), stored]);
        let taken = [&new, &later, &new, &new].map(|line| known.takes(line));
        assert_eq!(taken, [true, false, true, false]);
    }
}
