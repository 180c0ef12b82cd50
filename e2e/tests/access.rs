//! Who may ask: only pages of our own, under our own name.

use anyhow::{Result, ensure};
use e2e::{
    Modelwatch, PATIENCE,
    socket::{LiveSocket, Message, Schemas},
};
use serde_json::json;
use xtask::http::{self, Request};

#[test]
fn foreign_pages_and_names_are_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let modelwatch = Modelwatch::start(folder.path(), "")?;
    let address = modelwatch.address.as_str();
    let status = |headers: &[(&str, &str)], path: &str| -> Result<u16> {
        let request = Request { method: "GET", path, headers, body: b"", timeout: PATIENCE };
        Ok(http::send(address, &request)?.status)
    };
    let own = format!("http://{address}");
    for path in ["/", "/api/v1/overview", "/api/v1/query?query=up", "/metrics"] {
        ensure!(status(&[], path)? == 200, "{path} without an origin");
        ensure!(status(&[("Origin", &own)], path)? == 200, "{path} from our own page");
        ensure!(
            status(&[("Origin", "http://evil.example")], path)? == 403,
            "{path} from elsewhere"
        );
        ensure!(status(&[("Host", "evil.example")], path)? == 421, "{path} under another name");
    }
    let evil = Some("http://evil.example");
    ensure!(LiveSocket::open(address, address, evil).is_err(), "a foreign page got the socket");
    ensure!(
        LiveSocket::open(address, "evil.example", None).is_err(),
        "another name got the socket"
    );
    Ok(())
}

#[test]
fn the_live_socket_sends_schema_and_ticks() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut modelwatch = Modelwatch::start(folder.path(), "")?;
    let address = modelwatch.address.clone();
    let mut socket = LiveSocket::open(&address, &address, Some(&format!("http://{address}")))?;
    let Message::Text(hello) = socket.receive()? else { anyhow::bail!("no hello") };
    ensure!(hello["type"] == "hello", "{hello}");
    socket.send(&json!({"type": "sub", "id": 7, "query": "node_load1", "step": 1000}))?;
    socket.send(&json!({"type": "sub", "id": 8, "query": "rate(", "step": 1000}))?;
    let (mut schemas, mut refused, mut ticks) = (Schemas::default(), false, 0);
    while ticks < 2 || !refused {
        match socket.receive()? {
            Message::Text(text) if text["type"] == "schema" => {
                ensure!(text["id"] == 7, "{text}");
                schemas.learn(&text)?;
            }
            Message::Text(text) if text["type"] == "error" => refused = text["id"] == 8,
            Message::Text(_) => {}
            Message::Binary(bytes) => {
                let blocks = schemas.blocks(&bytes)?;
                ensure!(blocks.iter().map(|block| block.id).eq([7]), "{blocks:?}");
                ticks += 1;
            }
        }
    }
    ensure!(modelwatch.terminate(PATIENCE)?.success(), "{}", modelwatch.log());
    Ok(())
}
