//! How many units systemd has in each state, and the connections of its socket units, asked over D-Bus: on
//! systemd's own socket, which only root may use, else on the system bus. Written from the D-Bus
//! specification, for these two questions.
//!
//! Nothing is started by asking. A connection is made for each reading, since readings are rare.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use model::{
    Clock, Labels,
    catalogue::{
        Metric, NODE_SYSTEMD_SOCKET_ACCEPTED_CONNECTIONS_TOTAL,
        NODE_SYSTEMD_SOCKET_CURRENT_CONNECTIONS, NODE_SYSTEMD_SOCKET_REFUSED_CONNECTIONS_TOTAL,
        NODE_SYSTEMD_UNITS,
    },
    sample::Batch,
};

use super::{Context, Sampler};
use crate::{Failure, FailureKind};

/// Where systemd is asked, and whether one has to introduce oneself there.
const SOCKETS: [(&str, bool); 2] =
    [("run/systemd/private", false), ("run/dbus/system_bus_socket", true)];

const STATES: [&str; 5] = ["activating", "active", "deactivating", "failed", "inactive"];

const BUS: Object<'_> = Object {
    destination: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
};
const MANAGER: Object<'_> = Object {
    destination: "org.freedesktop.systemd1",
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
};

/// What is asked of a socket unit. The last one is younger than the others.
static COUNTS: [(&str, &Metric); 3] = [
    ("NAccepted", &NODE_SYSTEMD_SOCKET_ACCEPTED_CONNECTIONS_TOTAL),
    ("NConnections", &NODE_SYSTEMD_SOCKET_CURRENT_CONNECTIONS),
    ("NRefused", &NODE_SYSTEMD_SOCKET_REFUSED_CONNECTIONS_TOTAL),
];

/// systemd that does not answer by then is busy with other things.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Socket units beyond this many are left out, and those that were not asked in this time.
const SOCKET_UNITS_MAX: usize = 128;
const SOCKET_UNITS_TIME: Duration = Duration::from_secs(1);
/// A longer answer is refused: hundreds of thousands of units.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Messages that are not for us, such as signals, beyond this many end the reading.
const MESSAGES_MAX: usize = 64;
/// A line of the greeting has less.
const LINE_BYTES_MAX: usize = 512;

/// A flag of a call: asking must not start what is asked.
const NO_AUTO_START: u8 = 2;
const METHOD_RETURN: u8 = 2;
const METHOD_ERROR: u8 = 3;

struct Object<'a> {
    destination: &'a str,
    path: &'a str,
    interface: &'a str,
}

/// What one reading found.
#[derive(Debug, Default, PartialEq)]
struct Units {
    /// In each of [`STATES`].
    states: [u64; 5],
    sockets: Vec<SocketUnit>,
}

#[derive(Debug, Default, PartialEq)]
struct SocketUnit {
    name: String,
    path: String,
    /// As [`COUNTS`].
    counts: [Option<u32>; 3],
}

struct Systemd {
    context: Context,
    states: [Labels; 5],
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let states = STATES.map(|state| context.series(&NODE_SYSTEMD_UNITS, &[("state", state)]));
    Ok(Box::new(Systemd { context: context.clone(), states }))
}

impl Sampler for Systemd {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let mut failure = Failure::new(FailureKind::Absent, "no systemd in /run/systemd");
        if !self.context.root.join("run/systemd/system").is_dir() {
            return Err(failure);
        }
        for (path, introduce) in SOCKETS {
            let path = self.context.root.join(path);
            match UnixStream::connect(&path).and_then(|stream| ask(stream, introduce)) {
                Ok(units) => {
                    self.push(&units, batch);
                    return Ok(());
                }
                Err(error) => failure = Failure::from_io(path.display(), &error),
            }
        }
        Err(failure)
    }
}

impl Systemd {
    fn push(&self, units: &Units, batch: &mut Batch) {
        for (labels, count) in self.states.iter().zip(units.states) {
            batch.push(labels, count as f64);
        }
        for unit in &units.sockets {
            for ((_, metric), count) in COUNTS.iter().zip(unit.counts) {
                if let Some(count) = count {
                    let labels = self.context.series(metric, &[("name", &unit.name)]);
                    batch.push(&labels, count.into());
                }
            }
        }
    }
}

fn ask(mut stream: UnixStream, introduce: bool) -> io::Result<Units> {
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    authenticate(&mut stream)?;
    if introduce {
        call(&mut stream, &BUS, "Hello", &[])?;
    }
    let body = call(&mut stream, &MANAGER, "ListUnits", &[])?;
    let units = list(&body).ok_or_else(|| malformed("a list of units that cannot be read"));
    let mut units = units?;
    // The machine's clock, also in tests: systemd lives in no other time.
    let clock = Clock::system();
    let end = clock.monotonic() + SOCKET_UNITS_TIME;
    for unit in &mut units.sockets {
        // After a broken answer nothing more can be understood; what is known by then stays.
        if clock.monotonic() > end || unit.ask(&mut stream).is_err() {
            break;
        }
    }
    Ok(units)
}

impl SocketUnit {
    /// What systemd does not count, because it is too old or the unit is gone, is absent.
    fn ask(&mut self, stream: &mut UnixStream) -> io::Result<()> {
        let unit = Object {
            destination: MANAGER.destination,
            path: &self.path,
            interface: "org.freedesktop.DBus.Properties",
        };
        for ((property, _), count) in COUNTS.iter().zip(&mut self.counts) {
            let of = ["org.freedesktop.systemd1.Socket", property];
            *count = match call(stream, &unit, "Get", &of) {
                Ok(body) => variant(&body),
                Err(error) if error.kind() == io::ErrorKind::Other => None,
                Err(error) => return Err(error),
            };
        }
        Ok(())
    }
}

/// A value that says of itself that it is a whole number.
fn variant(body: &[u8]) -> Option<u32> {
    body.starts_with(b"\x01u\0").then(|| Cursor { bytes: body, at: 3 }.word())?
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The kernel tells the other side who we are; we only say our number, in the digits' hexadecimal codes.
fn authenticate(stream: &mut UnixStream) -> io::Result<()> {
    let user = rustix::process::geteuid().as_raw().to_string();
    let code: String = user.bytes().map(|digit| format!("{digit:02x}")).collect();
    stream.write_all(format!("\0AUTH EXTERNAL {code}\r\n").as_bytes())?;
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        line.extend(byte);
        if line.len() > LINE_BYTES_MAX {
            return Err(malformed("an endless greeting"));
        }
    }
    if !line.starts_with(b"OK ") {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    stream.write_all(b"BEGIN\r\n")
}

/// Calls a method with some texts and returns the body of its answer.
fn call(
    stream: &mut UnixStream,
    object: &Object<'_>,
    member: &str,
    texts: &[&str],
) -> io::Result<Vec<u8>> {
    stream.write_all(&message(object, member, texts))?;
    for _ in 0..MESSAGES_MAX {
        let mut head = [0; 16];
        stream.read_exact(&mut head)?;
        let [order, kind, ..] = head;
        if order != b'l' {
            return Err(malformed("an answer in another byte order"));
        }
        let word = |at: usize| Cursor { bytes: &head, at }.word().unwrap_or_default() as usize;
        let (body, fields) = (word(4), word(12).next_multiple_of(8));
        if body.saturating_add(fields) > MESSAGE_BYTES_MAX {
            return Err(malformed("an answer that is too long"));
        }
        let mut rest = vec![0; fields + body];
        stream.read_exact(&mut rest)?;
        match kind {
            METHOD_RETURN => return Ok(rest.split_off(fields)),
            METHOD_ERROR => return Err(io::Error::other("the question was refused")),
            _ => {}
        }
    }
    Err(malformed("no answer among many messages"))
}

/// A call: fixed part, then header fields, padded to eight bytes, then the texts.
fn message(object: &Object<'_>, member: &str, texts: &[&str]) -> Vec<u8> {
    let fields = [
        (1, b'o', object.path),
        (2, b's', object.interface),
        (3, b's', member),
        (6, b's', object.destination),
    ];
    let mut bytes = vec![b'l', 1, NO_AUTO_START, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    let first = bytes.len();
    for (code, signature, text) in fields {
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.extend([code, 1, signature, 0]);
        extend(&mut bytes, text);
    }
    if !texts.is_empty() {
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.extend([8, 1, b'g', 0, texts.len() as u8]);
        bytes.extend(std::iter::repeat_n(b's', texts.len()));
        bytes.push(0);
    }
    let length = (bytes.len() - first) as u32;
    bytes[12..16].copy_from_slice(&length.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let body = bytes.len();
    for text in texts {
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        extend(&mut bytes, text);
    }
    let length = (bytes.len() - body) as u32;
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    bytes
}

/// A text with its length before it and a zero behind it.
fn extend(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.push(0);
}

/// A place in a body; every read is aligned as the specification says.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn word(&mut self) -> Option<u32> {
        self.at = self.at.next_multiple_of(4);
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.word()? as usize;
        let text = self.take(length)?;
        self.take(1)?;
        Some(text)
    }
}

/// Reads an array of units: name, description, load state, active state, sub state, followed unit, path,
/// job number, job kind, job path.
fn list(body: &[u8]) -> Option<Units> {
    let mut cursor = Cursor { bytes: body, at: 0 };
    let length = cursor.word()? as usize;
    cursor.at = cursor.at.next_multiple_of(8);
    let end = cursor.at.checked_add(length)?;
    let mut units = Units::default();
    while cursor.at < end {
        cursor.at = cursor.at.next_multiple_of(8);
        let name = cursor.text()?;
        for _ in 0..2 {
            cursor.text()?;
        }
        let active = cursor.text()?;
        for _ in 0..2 {
            cursor.text()?;
        }
        let path = cursor.text()?;
        cursor.word()?;
        for _ in 0..2 {
            cursor.text()?;
        }
        let state = STATES.iter().position(|state| state.as_bytes() == active);
        if let Some(count) = state.and_then(|state| units.states.get_mut(state)) {
            *count += 1;
        }
        if name.ends_with(b".socket") && units.sockets.len() < SOCKET_UNITS_MAX {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let (name, path) = (text(name), text(path));
            units.sockets.push(SocketUnit { name, path, ..SocketUnit::default() });
        }
    }
    Some(units)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The body of an answer about units with these names and states.
    fn units(states: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = vec![0; 8];
        for (name, state) in states {
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            let text = |bytes: &mut Vec<u8>, text: &str| {
                bytes.resize(bytes.len().next_multiple_of(4), 0);
                extend(bytes, text);
            };
            for word in [name, "A service", "loaded", state, "running", "", "/a"] {
                text(&mut bytes, word);
            }
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes.extend([0; 4]);
            text(&mut bytes, "");
            text(&mut bytes, "/");
        }
        let length = (bytes.len() - 8) as u32;
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        bytes
    }

    fn answer(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![b'l', kind, 0, 1];
        bytes.extend((body.len() as u32).to_le_bytes());
        bytes.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(body);
        bytes
    }

    /// A stand-in for the bus: answers a greeting and then each call with the next of `answers`.
    fn serve(mut stream: UnixStream, answers: &[Vec<u8>]) {
        let mut buffer = [0; 4096];
        assert!(stream.read(&mut buffer).unwrap() > 10);
        stream.write_all(b"OK 1234\r\n").unwrap();
        let mut begin = [0; 7];
        stream.read_exact(&mut begin).unwrap();
        assert_eq!(&begin, b"BEGIN\r\n");
        for answer in answers {
            let count = stream.read(&mut buffer).unwrap();
            assert_eq!(buffer[..3], [b'l', 1, NO_AUTO_START]);
            let word = |at| Cursor { bytes: &buffer, at }.word().unwrap() as usize;
            let (body, fields) = (word(4), word(12));
            assert_eq!(count, (16 + fields).next_multiple_of(8) + body);
            stream.write_all(answer).unwrap();
        }
    }

    fn talk(answers: Vec<Vec<u8>>) -> io::Result<Units> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let bus = std::thread::spawn(move || serve(theirs, &answers));
        let result = ask(ours, true);
        bus.join().unwrap();
        result
    }

    /// A property that is a whole number.
    fn property(value: u32) -> Vec<u8> {
        let body = [&b"\x01u\0\0"[..], &value.to_le_bytes()].concat();
        answer(METHOD_RETURN, &body)
    }

    #[test]
    fn units_are_counted() {
        let hello = answer(METHOD_RETURN, b"\x04\0\0\0:1.1\0");
        let states = ["active", "failed", "active", "maintenance", "inactive"];
        let states = states.map(|state| ("a.service", state));
        let list = [answer(4, b""), answer(METHOD_RETURN, &units(&states))].concat();
        let expected = Units { states: [0, 2, 0, 1, 1], sockets: Vec::new() };
        assert_eq!(talk(vec![hello.clone(), list]).unwrap(), expected);
        let refused = talk(vec![hello.clone(), answer(METHOD_ERROR, b"")]).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::Other);
        let broken = talk(vec![hello, answer(METHOD_RETURN, &[200, 0, 0, 0])]).unwrap_err();
        assert_eq!(broken.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn states_are_kept_when_the_connection_breaks_after_them() {
        let answers = vec![
            answer(METHOD_RETURN, b"\x04\0\0\0:1.1\0"),
            answer(METHOD_RETURN, &units(&[("ssh.socket", "active"), ("b.socket", "failed")])),
            property(5),
        ];
        let units = talk(answers).unwrap();
        assert_eq!(units.states, [0, 1, 0, 1, 0]);
        let counts: Vec<_> = units.sockets.iter().map(|unit| unit.counts).collect();
        assert_eq!(counts, [[Some(5), None, None], [None; 3]]);
    }

    #[test]
    fn connections_of_socket_units() {
        let names = [("ssh.socket", "active"), ("a.service", "active"), ("old.socket", "active")];
        let text = answer(METHOD_RETURN, b"\x01s\0\0\x01\0\0\0a\0");
        let answers = vec![
            answer(METHOD_RETURN, b"\x04\0\0\0:1.1\0"),
            answer(METHOD_RETURN, &units(&names)),
            property(70_000),
            property(3),
            property(0),
            property(1),
            text,
            answer(METHOD_ERROR, b""),
        ];
        let units = talk(answers).unwrap();
        let socket =
            |name: &str, counts| SocketUnit { name: name.into(), path: "/a".into(), counts };
        let expected = [
            socket("ssh.socket", [Some(70_000), Some(3), Some(0)]),
            socket("old.socket", [Some(1), None, None]),
        ];
        assert_eq!(units.sockets, expected);
        let context = Context {
            root: "/".into(),
            instance: "n".into(),
            clock: Clock::manual(model::UnixMs(0)),
        };
        let states = STATES.map(|state| context.series(&NODE_SYSTEMD_UNITS, &[("state", state)]));
        let mut batch = Batch::default();
        Systemd { context, states }.push(&units, &mut batch);
        let lines: Vec<String> = batch.samples[5..]
            .iter()
            .map(|(labels, value)| {
                format!("{} {value}", labels.keep(|name| matches!(name, "__name__" | "name")))
            })
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let expected = [
            r#"node_systemd_socket_accepted_connections_total{name="ssh.socket"} 70000"#,
            r#"node_systemd_socket_current_connections{name="ssh.socket"} 3"#,
            r#"node_systemd_socket_refused_connections_total{name="ssh.socket"} 0"#,
            r#"node_systemd_socket_accepted_connections_total{name="old.socket"} 1"#,
        ];
        assert_eq!(lines, expected);
    }

    proptest! {
        #[test]
        fn any_body_is_survived(body: Vec<u8>) {
            let _ = list(&body);
            let _ = variant(&body);
        }
    }
}
