//! A client of HTTP/1.1 for loopback, one connection per request. Made for tests and demo traffic:
//! no TLS, no redirects, no keep-alive.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// More than any answer that we ask for.
const BODY_BYTES_MAX: u64 = 64 << 20;

pub struct Request<'a> {
    pub method: &'a str,
    pub path: &'a str,
    /// `Host` is the address unless it is given here.
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
    /// For the whole exchange to make progress, not for all of it.
    pub timeout: Duration,
}

pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("failed to read as JSON: {:.300}", self.text()))
    }
}

pub fn get(address: &str, path: &str) -> Result<Response> {
    send(
        address,
        &Request { method: "GET", path, headers: &[], body: &[], timeout: Duration::from_secs(10) },
    )
}

pub fn post_json(address: &str, path: &str, body: &serde_json::Value) -> Result<Response> {
    let headers = &[("Content-Type", "application/json")];
    let body = &body.to_string().into_bytes();
    send(
        address,
        &Request { method: "POST", path, headers, body, timeout: Duration::from_secs(120) },
    )
}

/// Sends one request to `address` (`host:port`) and reads the whole answer.
pub fn send(address: &str, request: &Request<'_>) -> Result<Response> {
    exchange(address, request)
        .with_context(|| format!("{} http://{address}{}", request.method, request.path))
}

fn exchange(address: &str, request: &Request<'_>) -> Result<Response> {
    let mut stream = connect(address, request.timeout)?;
    let mut head = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", request.method, request.path);
    if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str(&format!("Host: {address}\r\n"));
    }
    for (name, value) in request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", request.body.len()));
    stream.write_all(head.as_bytes())?;
    stream.write_all(request.body)?;
    let mut reader = BufReader::new(stream);
    let (status, headers) = read_head(&mut reader)?;
    let mut response = Response { status, headers, body: Vec::new() };
    let chunked = response.header("transfer-encoding").is_some_and(|value| value == "chunked");
    if chunked {
        read_chunks(&mut reader, &mut response.body)?;
    } else if let Some(length) = response.header("content-length") {
        let length: u64 = length.parse().context("failed to read Content-Length")?;
        reader.take(length.min(BODY_BYTES_MAX)).read_to_end(&mut response.body)?;
        if (response.body.len() as u64) < length {
            bail!("the answer ended after {} of {length} bytes", response.body.len());
        }
    } else {
        reader.take(BODY_BYTES_MAX).read_to_end(&mut response.body)?;
    }
    Ok(response)
}

/// A connection on which neither side may be silent for longer than `timeout`.
pub fn connect(address: &str, timeout: Duration) -> Result<TcpStream> {
    let target = address.to_socket_addrs()?.next().context("the address has no numbers")?;
    let stream = TcpStream::connect_timeout(&target, timeout.min(Duration::from_secs(5)))?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

type Head = (u16, Vec<(String, String)>);

/// Reads the status line and the header lines of an answer.
pub fn read_head(reader: &mut impl BufRead) -> Result<Head> {
    let status_line = read_line(reader)?;
    let status = status_line.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.with_context(|| format!("not an HTTP answer: {status_line:?}"))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    Ok((status, headers))
}

fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> Result<()> {
    loop {
        let line = read_line(reader)?;
        let size = u64::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16);
        let size = size.with_context(|| format!("not a chunk size: {line:?}"))?;
        if size == 0 {
            return Ok(());
        }
        if body.len() as u64 + size > BODY_BYTES_MAX {
            bail!("the answer is larger than {BODY_BYTES_MAX} bytes");
        }
        let before = body.len() as u64;
        reader.by_ref().take(size).read_to_end(body)?;
        if body.len() as u64 - before < size {
            bail!("the answer ended within a chunk");
        }
        read_line(reader)?;
    }
}

fn read_line(reader: &mut impl BufRead) -> Result<String> {
    let mut line = Vec::new();
    reader.by_ref().take(64 << 10).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        bail!("the answer ended early");
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_and_a_torn_one_is_an_error() {
        let mut body = Vec::new();
        read_chunks(&mut &b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"[..], &mut body).unwrap();
        assert_eq!(body, b"abcde");
        assert!(read_chunks(&mut &b"5\r\nab"[..], &mut Vec::new()).is_err());
    }

    #[test]
    fn heads() {
        let (status, headers) =
            read_head(&mut &b"HTTP/1.1 404 Not Found\r\nServer: x: y\r\n\r\nrest"[..]).unwrap();
        assert_eq!((status, headers), (404, vec![("Server".to_owned(), "x: y".to_owned())]));
        assert!(read_head(&mut &b"garbage\r\n"[..]).is_err());
    }
}
