use std::{
    ops::Deref,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use model::{exchange::Exchange, series::TimeRange};

use super::*;
use crate::{
    disk::{Fault, Faults, Operation},
    events::{Aggregate, Filter, Measure, Order, Search, tail::Open},
    segment::Packer,
};

const NOW: UnixMs = UnixMs(1_800_000_000_000);

struct Opened {
    _folder: tempfile::TempDir,
    kind: Kind,
}

impl Deref for Opened {
    type Target = Kind;

    fn deref(&self) -> &Kind {
        &self.kind
    }
}

impl Opened {
    fn new() -> Self {
        Self::on(Disk::default())
    }

    fn on(disk: Disk) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        fs::create_dir(path.join("wal")).unwrap();
        let (clock, fsync) = (Clock::manual(NOW), Fsync::Interval(Duration::ZERO));
        let (schema, options) = (Exchange::schema(), Options::default());
        let (kind, _) = Kind::open(path, schema, options, fsync, clock, disk).unwrap();
        Self { _folder: folder, kind }
    }

    /// Lets records wait for the index as if they had been appended.
    fn push(&self, first: u64, encoded: &[Vec<u8>]) {
        let mut open = Open::default();
        for (number, encoded) in (first..).zip(encoded) {
            open.push(number, NOW.0, encoded);
        }
        let mut packer = Packer::new().unwrap();
        let span = open.take().unwrap();
        let batch = Batch::new(span, packer.pack(&open.body).unwrap());
        self.view_mut().push(PartId::day_of(NOW.0), batch, Duration::ZERO);
    }
}

fn encoded() -> Vec<u8> {
    let mut bytes = Vec::new();
    Exchange { time: NOW, ..Exchange::default() }.encode(&mut bytes);
    bytes
}

/// No record begins like this.
fn damaged() -> Vec<u8> {
    vec![0xff]
}

#[test]
fn a_damaged_record_is_kept_and_told_and_is_no_matter_once_committed() {
    let kind = Opened::new();
    kind.push(1, &[encoded(), damaged()]);
    let error = kind.commit().unwrap_err().to_string();
    let expected = "records of kind exchange of 2027-01-15 that wait for the index cannot be read \
                    (record 2 is damaged); the log holds them, restart modelwatch so that it reads \
                    the log again";
    assert_eq!(error, expected);
    assert_eq!((kind.stats().records_waiting, kind.stats().records), (2, 2));

    let kind = Opened::new();
    kind.push(1, &[encoded(), encoded()]);
    kind.commit().unwrap();
    kind.push(2, &[damaged(), encoded()]);
    kind.commit().unwrap();
    assert_eq!((kind.stats().records_waiting, kind.stats().records), (0, 3));
}

#[test]
fn a_damaged_batch_is_kept_and_the_error_says_what_to_do() {
    let kind = Opened::new();
    let mut open = Open::default();
    open.push(1, NOW.0, &encoded());
    let batch = Batch::new(open.take().unwrap(), b"no frame");
    kind.view_mut().push(PartId::day_of(NOW.0), batch, Duration::ZERO);
    let error = kind.commit().unwrap_err().to_string();
    assert!(error.starts_with("records of kind exchange of 2027-01-15 that wait"), "{error}");
    assert!(error.ends_with("restart modelwatch so that it reads the log again"), "{error}");
    assert_eq!(kind.stats().records_waiting, 1);
}
#[test]
fn what_waits_and_is_damaged_is_counted_by_every_reading() {
    let check = |kind: &Kind, expected: (usize, usize)| {
        let before = kind.stats().damaged_reads;
        let filter = Filter::parse("", kind.schema).unwrap();
        let (range, timeout) =
            (TimeRange { start: UnixMs::MIN, end: UnixMs::MAX }, Duration::from_secs(60));
        let (order, limit) = (Order::Newest, 10);
        let search = Search {
            filter: &filter,
            range,
            order,
            limit,
            after: None,
            with_private: false,
            timeout,
        };
        let page = kind.search(&search).unwrap();
        assert_eq!((page.hits.len(), page.damaged), expected);
        let measures = [Measure::Count];
        let question = Aggregate { filter: &filter, range, by: &[], measures: &measures, timeout };
        let table = kind.aggregate(&question).unwrap();
        let counted = table.rows[0].values[0].unwrap() as usize;
        assert_eq!((counted, table.damaged), expected);
        assert_eq!(kind.stats().damaged_reads - before, 2 * expected.1 as u64);
    };
    let kind = Opened::new();
    kind.push(1, &[encoded()]);
    check(&kind, (1, 0));
    kind.push(2, &[encoded(), damaged(), damaged(), encoded()]);
    check(&kind, (3, 2));
    let mut open = Open::default();
    open.push(6, NOW.0, &encoded());
    kind.view_mut().push(
        PartId::day_of(NOW.0),
        Batch::new(open.take().unwrap(), b"no frame"),
        Duration::ZERO,
    );
    check(&kind, (3, 3));
}
/// A disk whose syncs begin and then wait until they are let go.
#[derive(Debug)]
struct Slow {
    begun: SyncSender<()>,
    go: Mutex<Receiver<()>>,
}

impl Faults for Slow {
    fn before(&self, operation: Operation, _: &Path, _: usize) -> Option<Fault> {
        if operation == Operation::Sync {
            self.begun.send(()).unwrap();
            // Also when nobody is left to say so.
            let _let_go = lock(&self.go).recv();
        }
        None
    }

    fn after(&self, _: Operation, _: &Path, _: Option<&Path>) {}
}

#[test]
fn records_are_taken_while_the_disk_is_waited_for() {
    const PATIENCE: Duration = Duration::from_secs(20);
    let (begun, has_begun) = sync_channel(8);
    let (let_go, go) = sync_channel(8);
    let kind = Opened::on(Disk::with_faults(Arc::new(Slow { begun, go: Mutex::new(go) })));
    let record = || Exchange { time: NOW, ..Exchange::default() };
    kind.append(&[record()]).unwrap();
    let kind = &kind;
    let appended = thread::scope(|scope| {
        let syncing = scope.spawn(|| kind.sync_when_due());
        has_begun.recv_timeout(PATIENCE).unwrap();
        let (done, is_done) = sync_channel(8);
        scope.spawn(move || done.send(kind.append(&[record()])));
        let appended = is_done.recv_timeout(PATIENCE);
        drop(let_go);
        syncing.join().unwrap().unwrap();
        appended
    });
    assert_eq!(appended.expect("it does not wait for the disk").unwrap(), 1);
    assert_eq!(kind.stats().records, 2);
    // What came meanwhile is synced by the next, and then there is nothing to do.
    for expected in [true, false] {
        kind.sync().unwrap();
        assert_eq!(has_begun.try_recv().is_ok(), expected);
    }
}
