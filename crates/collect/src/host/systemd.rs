//! How many units systemd has in each state, asked over D-Bus: on systemd's own socket, which only root
//! may use, else on the system bus. Written from the D-Bus specification, for this one question.
//!
//! It lists the units and nothing else: no socket units' connections, no start of anything. A connection is
//! made for each reading, since readings are rare.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use model::{Labels, catalogue::NODE_SYSTEMD_UNITS, sample::Batch};

use super::{Context, Sampler};
use crate::{Failure, FailureKind};

/// Where systemd is asked, and whether one has to introduce oneself there.
const SOCKETS: [(&str, bool); 2] =
    [("run/systemd/private", false), ("run/dbus/system_bus_socket", true)];

const STATES: [&str; 5] = ["activating", "active", "deactivating", "failed", "inactive"];

const BUS: Object = Object {
    destination: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
};
const MANAGER: Object = Object {
    destination: "org.freedesktop.systemd1",
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
};

/// systemd that does not answer by then is busy with other things.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
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

struct Object {
    destination: &'static str,
    path: &'static str,
    interface: &'static str,
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
            match UnixStream::connect(&path).and_then(|stream| count_units(stream, introduce)) {
                Ok(counts) => {
                    for (labels, count) in self.states.iter().zip(counts) {
                        batch.push(labels, count as f64);
                    }
                    return Ok(());
                }
                Err(error) => failure = Failure::from_io(path.display(), &error),
            }
        }
        Err(failure)
    }
}

/// Units in each of [`STATES`].
fn count_units(mut stream: UnixStream, introduce: bool) -> io::Result<[u64; 5]> {
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    authenticate(&mut stream)?;
    if introduce {
        call(&mut stream, &BUS, "Hello")?;
    }
    let body = call(&mut stream, &MANAGER, "ListUnits")?;
    count(&body).ok_or_else(|| malformed("a list of units that cannot be read"))
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

/// Calls a method without arguments and returns the body of its answer.
fn call(stream: &mut UnixStream, object: &Object, member: &str) -> io::Result<Vec<u8>> {
    stream.write_all(&message(object, member))?;
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

/// A call without a body: fixed part, then header fields, padded to eight bytes.
fn message(object: &Object, member: &str) -> Vec<u8> {
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
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes.push(0);
    }
    let length = (bytes.len() - first) as u32;
    bytes[12..16].copy_from_slice(&length.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
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

/// Counts the states in an array of units: name, description, load state, active state, sub state,
/// followed unit, path, job number, job kind, job path.
fn count(body: &[u8]) -> Option<[u64; 5]> {
    let mut cursor = Cursor { bytes: body, at: 0 };
    let length = cursor.word()? as usize;
    cursor.at = cursor.at.next_multiple_of(8);
    let end = cursor.at.checked_add(length)?;
    let mut counts = [0; 5];
    while cursor.at < end {
        cursor.at = cursor.at.next_multiple_of(8);
        for _ in 0..3 {
            cursor.text()?;
        }
        let active = cursor.text()?;
        for _ in 0..3 {
            cursor.text()?;
        }
        cursor.word()?;
        for _ in 0..2 {
            cursor.text()?;
        }
        let state = STATES.iter().position(|state| state.as_bytes() == active);
        if let Some(count) = state.and_then(|state| counts.get_mut(state)) {
            *count += 1;
        }
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The body of an answer about units in these states.
    fn units(states: &[&str]) -> Vec<u8> {
        let mut bytes = vec![0; 8];
        for state in states {
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            let text = |bytes: &mut Vec<u8>, text: &str| {
                bytes.resize(bytes.len().next_multiple_of(4), 0);
                bytes.extend((text.len() as u32).to_le_bytes());
                bytes.extend(text.as_bytes());
                bytes.push(0);
            };
            for word in ["a.service", "A service", "loaded", state, "running", "", "/a"] {
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
            assert!(count.is_multiple_of(8) && buffer[..3] == [b'l', 1, NO_AUTO_START]);
            stream.write_all(answer).unwrap();
        }
    }

    fn ask(answers: Vec<Vec<u8>>) -> io::Result<[u64; 5]> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let bus = std::thread::spawn(move || serve(theirs, &answers));
        let result = count_units(ours, true);
        bus.join().unwrap();
        result
    }

    #[test]
    fn units_are_counted() {
        let hello = answer(METHOD_RETURN, b"\x04\0\0\0:1.1\0");
        let states = ["active", "failed", "active", "maintenance", "inactive"];
        let list = [answer(4, b""), answer(METHOD_RETURN, &units(&states))].concat();
        assert_eq!(ask(vec![hello.clone(), list]).unwrap(), [0, 2, 0, 1, 1]);
        let refused = ask(vec![hello.clone(), answer(METHOD_ERROR, b"")]).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::Other);
        let broken = ask(vec![hello, answer(METHOD_RETURN, &[200, 0, 0, 0])]).unwrap_err();
        assert_eq!(broken.kind(), io::ErrorKind::InvalidData);
    }

    proptest! {
        #[test]
        fn any_body_is_survived(body: Vec<u8>) {
            let _ = count(&body);
        }
    }
}
