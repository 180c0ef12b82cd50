//! Where all receivers hand in what they have read: few at a time, counted, and answered once it is kept.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use model::{Clock, UnixMs, log::Line};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests that are decoded and kept at the same time: one of each.
const TURNS: usize = 2;

/// Memory for bodies that arrive, wait or are decoded.
const ROOM_MIB: usize = 128;

/// How long a receiver that cannot refuse waits before it offers lines again.
pub(crate) const PAUSE: Duration = Duration::from_millis(500);

/// Keeps lines.
pub trait Keep: Send + Sync {
    /// Returns how many were taken, once they survive the death of the process. A line whose time is `arrived` does
    /// not say it. May wait for a disk. After an error nothing is kept.
    fn keep(&self, lines: Vec<Line>, arrived: UnixMs) -> Result<usize, Refused>;
}

/// Why lines are not taken now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("too much waits to be stored; come again")]
    Busy,
    /// In words.
    #[error("{0}")]
    Disk(String),
}

/// The receivers, as they are called in metrics and among the sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Receiver {
    Elasticsearch,
    Loki,
    Lumberjack,
    OtlpGrpc,
    OtlpHttp,
    Splunk,
    SyslogTcp,
    SyslogTls,
    SyslogUdp,
}

impl Receiver {
    pub const ALL: [Self; 9] = [
        Self::Elasticsearch,
        Self::Loki,
        Self::Lumberjack,
        Self::OtlpGrpc,
        Self::OtlpHttp,
        Self::Splunk,
        Self::SyslogTcp,
        Self::SyslogTls,
        Self::SyslogUdp,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Elasticsearch => "elasticsearch",
            Self::Loki => "loki",
            Self::Lumberjack => "lumberjack",
            Self::OtlpGrpc => "otlp_grpc",
            Self::OtlpHttp => "otlp_http",
            Self::Splunk => "splunk",
            Self::SyslogTcp => "syslog_tcp",
            Self::SyslogTls => "syslog_tls",
            Self::SyslogUdp => "syslog_udp",
        }
    }

    /// See [`model::log::Origin::source`].
    pub fn source(self) -> &'static str {
        match self {
            Self::Elasticsearch => "elasticsearch",
            Self::Loki => "loki",
            Self::Lumberjack => "beats",
            Self::OtlpGrpc | Self::OtlpHttp => "otlp",
            Self::Splunk => "splunk",
            Self::SyslogTcp | Self::SyslogTls | Self::SyslogUdp => "syslog",
        }
    }
}

/// Why something was refused, as metrics call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    Busy,
    Connections,
    Disk,
    /// The system had no room for datagrams that were not read yet.
    Lost,
    Malformed,
    /// The store took others of the same request, but not this: it is too old for instance.
    Store,
    TooLarge,
    Unauthorized,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Connections => "connections",
            Self::Disk => "disk",
            Self::Lost => "lost",
            Self::Malformed => "malformed",
            Self::Store => "store",
            Self::TooLarge => "too_large",
            Self::Unauthorized => "unauthorized",
        }
    }
}

/// What one receiver has done.
#[derive(Debug, Default)]
struct Tally {
    lines: AtomicU64,
    bytes: AtomicU64,
    connections: AtomicU64,
    /// When lines were kept last.
    last: AtomicI64,
    more: Mutex<More>,
}

#[derive(Debug, Default)]
struct More {
    refused: BTreeMap<Reason, u64>,
    /// Why lines cannot be kept now.
    trouble: Option<Refused>,
}

/// What one receiver has done, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub receiver: Receiver,
    pub lines: u64,
    /// Before they were expanded.
    pub bytes: u64,
    /// That are open; of the receivers that are not HTTP.
    pub connections: u64,
    pub last: Option<UnixMs>,
    pub refused: BTreeMap<Reason, u64>,
    /// Why lines cannot be kept now.
    pub trouble: Option<Refused>,
}

/// Takes lines of all receivers. Cheap to clone.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

struct Inner {
    keep: Box<dyn Keep>,
    clock: Clock,
    turns: Arc<Semaphore>,
    room: Arc<Semaphore>,
    tallies: [Tally; Receiver::ALL.len()],
}

/// A place in memory for a body.
#[derive(Debug)]
pub struct Room {
    permit: OwnedSemaphorePermit,
    all: Arc<Semaphore>,
}

impl Room {
    /// Makes it large enough for so many bytes. `false`: there is not so much room.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let missing =
            mebibytes(bytes).saturating_sub(u32::try_from(self.permit.num_permits()).unwrap_or(0));
        if missing > 0 {
            match Arc::clone(&self.all).try_acquire_many_owned(missing) {
                Ok(more) => self.permit.merge(more),
                Err(_) => return false,
            }
        }
        true
    }
}

fn mebibytes(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1 << 20).max(1)).unwrap_or(u32::MAX)
}

impl Desk {
    pub fn new(keep: Box<dyn Keep>, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            keep,
            clock,
            turns: Arc::new(Semaphore::new(TURNS)),
            room: Arc::new(Semaphore::new(ROOM_MIB)),
            tallies: Default::default(),
        }))
    }

    pub fn now(&self) -> UnixMs {
        self.0.clock.now()
    }

    fn tally(&self, receiver: Receiver) -> &Tally {
        &self.0.tallies[receiver as usize]
    }

    /// Room for a body of so many bytes; `None` when there is none left, so that its sender has to come again.
    pub fn room(&self, bytes: usize) -> Option<Room> {
        let all = Arc::clone(&self.0.room);
        let permit = Arc::clone(&all).try_acquire_many_owned(mebibytes(bytes)).ok()?;
        Some(Room { permit, all })
    }

    /// Does work that takes its time, such as decoding and [`Self::keep`], when its turn has come. The room is
    /// free again when the work is done, whether or not its sender still waits. `None`: the work failed.
    pub async fn work<T: Send + 'static>(
        &self,
        room: Option<Room>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Option<T> {
        let turn = Arc::clone(&self.0.turns).acquire_owned().await.ok()?;
        let desk = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&desk);
            drop((turn, room));
            done
        });
        done.await.ok()
    }

    /// Keeps lines, and returns how many were. Takes its time: call it in [`Self::work`].
    pub fn keep(
        &self,
        receiver: Receiver,
        lines: Vec<Line>,
        arrived: UnixMs,
    ) -> Result<usize, Refused> {
        let sent = lines.len();
        let kept = self.0.keep.keep(lines, arrived);
        let tally = self.tally(receiver);
        let mut more = tally.more.lock().unwrap_or_else(PoisonError::into_inner);
        match &kept {
            Ok(kept) => {
                tally.lines.fetch_add(*kept as u64, Ordering::Relaxed);
                tally.last.store(self.now().0, Ordering::Relaxed);
                if *kept < sent {
                    *more.refused.entry(Reason::Store).or_default() += (sent - kept) as u64;
                }
                more.trouble = None;
            }
            Err(refused) => {
                let reason = if *refused == Refused::Busy { Reason::Busy } else { Reason::Disk };
                *more.refused.entry(reason).or_default() += 1;
                more.trouble = Some(refused.clone());
            }
        }
        kept
    }

    /// Offers lines for a receiver that cannot refuse them, and says whether they were kept. If not, it is to wait
    /// for [`PAUSE`] and to offer them again.
    pub async fn offer(&self, receiver: Receiver, lines: &Arc<[Line]>, arrived: UnixMs) -> bool {
        let lines = Arc::clone(lines);
        let kept = self.work(None, move |desk| desk.keep(receiver, lines.to_vec(), arrived)).await;
        matches!(kept, Some(Ok(_)))
    }

    pub fn note_bytes(&self, receiver: Receiver, bytes: usize) {
        self.tally(receiver).bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts what was refused for another reason than the store's.
    pub fn note_refused(&self, receiver: Receiver, reason: Reason, count: u64) {
        let mut more = self.tally(receiver).more.lock().unwrap_or_else(PoisonError::into_inner);
        *more.refused.entry(reason).or_default() += count;
    }

    /// Counts a connection as long as what is returned lives.
    pub fn connection(&self, receiver: Receiver) -> Connection {
        self.tally(receiver).connections.fetch_add(1, Ordering::Relaxed);
        Connection { desk: self.clone(), receiver }
    }

    pub fn connections(&self, receiver: Receiver) -> u64 {
        self.tally(receiver).connections.load(Ordering::Relaxed)
    }

    pub fn reports(&self) -> Vec<Report> {
        let report = |receiver: Receiver| {
            let tally = self.tally(receiver);
            let more = tally.more.lock().unwrap_or_else(PoisonError::into_inner);
            let last = tally.last.load(Ordering::Relaxed);
            Report {
                receiver,
                lines: tally.lines.load(Ordering::Relaxed),
                bytes: tally.bytes.load(Ordering::Relaxed),
                connections: tally.connections.load(Ordering::Relaxed),
                last: (last != 0).then_some(UnixMs(last)),
                refused: more.refused.clone(),
                trouble: more.trouble.clone(),
            }
        };
        Receiver::ALL.into_iter().map(report).collect()
    }
}

/// An open connection.
pub struct Connection {
    desk: Desk,
    receiver: Receiver,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.desk.tally(self.receiver).connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{draft::tests::arrival, syslog};

    /// Keeps lines in memory, after it has refused so many times.
    #[derive(Clone, Default)]
    pub(crate) struct Memory {
        pub(crate) lines: Arc<Mutex<Vec<Line>>>,
        pub(crate) refusals: Arc<Mutex<Vec<Refused>>>,
    }

    impl Keep for Memory {
        fn keep(&self, lines: Vec<Line>, _: UnixMs) -> Result<usize, Refused> {
            if let Some(refused) = self.refusals.lock().unwrap().pop() {
                return Err(refused);
            }
            let count = lines.len();
            self.lines.lock().unwrap().extend(lines);
            Ok(count)
        }
    }

    pub(crate) fn desk(memory: &Memory) -> Desk {
        Desk::new(Box::new(memory.clone()), Clock::manual(arrival("").now))
    }

    #[tokio::test]
    async fn what_is_refused_is_offered_again_and_counted() {
        let memory = Memory::default();
        *memory.refusals.lock().unwrap() = vec![Refused::Busy, Refused::Disk("full".into())];
        let desk = desk(&memory);
        let line = syslog::parse(b"<1>a", &arrival("syslog"));
        let lines: Arc<[Line]> = vec![line].into();
        let mut offers = 1;
        while !desk.offer(Receiver::SyslogTcp, &lines, desk.now()).await {
            offers += 1;
        }
        assert_eq!((offers, memory.lines.lock().unwrap().len()), (3, 1));
        let report = desk.reports().remove(Receiver::SyslogTcp as usize);
        assert_eq!((report.lines, report.trouble, report.last), (1, None, Some(desk.now())));
        assert_eq!(report.refused, [(Reason::Busy, 1), (Reason::Disk, 1)].into());
        memory.refusals.lock().unwrap().push(Refused::Busy);
        assert!(!desk.offer(Receiver::Loki, &lines, desk.now()).await);
        let report = desk.reports().remove(Receiver::Loki as usize);
        assert_eq!((report.lines, report.trouble), (0, Some(Refused::Busy)));
    }

    #[tokio::test]
    async fn room_is_bounded() {
        let desk = desk(&Memory::default());
        let all = desk.room(ROOM_MIB << 20).unwrap();
        assert!(desk.room(1).is_none());
        assert_eq!(desk.work(Some(all), |_| 7).await, Some(7));
        let mut some = desk.room(1).unwrap();
        assert!(some.grow(1 << 20) && some.grow(ROOM_MIB << 20));
        assert!(!some.grow((ROOM_MIB << 20) + 1) && desk.room(1).is_none());
        drop(some);
        assert!(desk.room(ROOM_MIB << 20).is_some());
        let open = desk.connection(Receiver::SyslogTls);
        assert_eq!(desk.connections(Receiver::SyslogTls), 1);
        drop(open);
        assert_eq!(desk.connections(Receiver::SyslogTls), 0);
    }
}
