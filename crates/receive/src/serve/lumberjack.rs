//! Lumberjack over TCP, or TLS: a window is acknowledged once its events are kept; while that takes time, its
//! sender is told that it is being worked on.

use std::{io, sync::Arc, time::Duration};

use model::{UnixMs, log::Line};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{error::Elapsed, sleep, timeout},
};

use super::{IDLE_MAX, Server, Stream, WRITE_MAX, stopped};
use crate::{
    desk::{PAUSE, Reason},
    draft::{self, Arrival},
    lumberjack::{Frame, FrameError, Frames, line},
};

/// Events that are kept together; where a window has more, they are acknowledged in parts.
const EVENTS_MAX: usize = 2_048;

/// Bytes of lines that are kept together; beyond it what is there is kept and acknowledged.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// How long the rest of a window is waited for before what is there is kept.
const LINGER: Duration = Duration::from_secs(1);

const READ_BYTES: usize = 64 << 10;

pub(super) async fn serve(
    mut server: Server,
    mut stream: Box<dyn Stream>,
    peer: String,
) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    let (mut frames, mut batch) = (Frames::default(), Batch::default());
    loop {
        let frame = frames.frame().inspect_err(|error| {
            let is_size = *error == FrameError::TooLarge;
            let reason = if is_size { Reason::TooLarge } else { Reason::Malformed };
            server.desk.note_refused(server.receiver, reason, 1);
        });
        match frame.map_err(io::Error::other)? {
            Some(Frame::Window(window)) => batch.left = window,
            Some(Frame::Event { sequence, fields }) => {
                if batch.lines.is_empty() {
                    batch.arrived = server.desk.now();
                }
                let arrival = Arrival { now: batch.arrived, ..server.arrival(&peer) };
                let line = line(&fields, &arrival);
                batch.bytes += draft::size(&line);
                batch.lines.push(line);
                batch.sequence = sequence;
                batch.left = batch.left.saturating_sub(1);
            }
            None => {
                let patience = if batch.lines.is_empty() { IDLE_MAX } else { LINGER };
                let read = tokio::select! {
                    read = timeout(patience, stream.read(&mut buffer)) => read,
                    () = stopped(&mut server.stop) => return Ok(()),
                };
                match read {
                    Ok(Ok(0)) => return batch.keep(&server, &frames, &mut stream).await,
                    Ok(read) => {
                        let read = read?;
                        server.desk.note_bytes(server.receiver, read);
                        frames.push(buffer.get(..read).unwrap_or_default());
                    }
                    Err(Elapsed { .. }) if batch.lines.is_empty() => return Ok(()),
                    Err(Elapsed { .. }) => batch.keep(&server, &frames, &mut stream).await?,
                }
                continue;
            }
        }
        if batch.is_due() {
            batch.keep(&server, &frames, &mut stream).await?;
        }
    }
}

/// What will be acknowledged next.
#[derive(Default)]
struct Batch {
    lines: Vec<Line>,
    /// When its first event came, which is the time of those that say none.
    arrived: UnixMs,
    bytes: usize,
    /// Of the last event.
    sequence: u32,
    /// Events of the window that have not come.
    left: u32,
}

impl Batch {
    fn is_due(&self) -> bool {
        let is_large = self.lines.len() >= EVENTS_MAX || self.bytes >= BATCH_BYTES_MAX;
        !self.lines.is_empty() && (self.left == 0 || is_large)
    }

    async fn keep(
        &mut self,
        server: &Server,
        frames: &Frames,
        stream: &mut Box<dyn Stream>,
    ) -> io::Result<()> {
        let mut lines = std::mem::take(&mut self.lines);
        self.bytes = 0;
        if lines.is_empty() {
            return Ok(());
        }
        draft::share(&mut lines);
        let lines: Arc<[Line]> = lines.into();
        while !server.desk.offer(server.receiver, &lines, self.arrived).await {
            if *server.stop.borrow() {
                return Err(io::Error::other("the program ends"));
            }
            tell(stream, frames.acknowledgement(0)).await?;
            sleep(PAUSE).await;
        }
        tell(stream, frames.acknowledgement(self.sequence)).await
    }
}

async fn tell(stream: &mut Box<dyn Stream>, answer: [u8; 6]) -> io::Result<()> {
    timeout(WRITE_MAX, async {
        stream.write_all(&answer).await?;
        stream.flush().await
    })
    .await?
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::{
        super::tests::{any_port, world},
        *,
    };
    use crate::{
        desk::{Receiver, Refused},
        tests::fixture,
    };

    #[tokio::test]
    async fn captures_are_answered_as_they_were() {
        let world = world(|settings| settings.lumberjack = any_port(), &[]);
        for name in ["2-events", "600-events"] {
            let file = |side| fixture(&format!("lumberjack/pylogbeat-2.1.0-{name}.{side}.bin"));
            let mut stream = TcpStream::connect(world.address).await.unwrap();
            stream.write_all(&file("client")).await.unwrap();
            let mut reply = vec![0; file("server").len()];
            stream.read_exact(&mut reply).await.unwrap();
            assert_eq!(reply, file("server"), "{name}");
        }
        assert_eq!(world.bodies(602).await.len(), 602);
    }

    #[tokio::test]
    async fn who_waits_is_told_so() {
        let world = world(|settings| settings.lumberjack = any_port(), &[]);
        world.memory.refusals.lock().unwrap().push(Refused::Disk("full".into()));
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(b"2W\0\0\0\x022J\0\0\0\x01\0\0\0\x0f{\"message\":\"a\"}").await.unwrap();
        let mut reply = [0; 12];
        stream.read_exact(&mut reply).await.unwrap();
        assert_eq!(reply, *b"2A\0\0\0\x002A\0\0\0\x01");
        assert_eq!(world.bodies(1).await, ["a"]);
        assert_eq!(world.refused(Receiver::Lumberjack, Reason::Disk), 1);
    }

    #[tokio::test]
    async fn who_speaks_otherwise_is_left() {
        let world = world(|settings| settings.lumberjack = any_port(), &[]);
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let left = stream.read(&mut [0; 1]).await;
        assert!(left.is_err() || left.is_ok_and(|read| read == 0));
        assert_eq!(world.refused(Receiver::Lumberjack, Reason::Malformed), 1);
    }
}
