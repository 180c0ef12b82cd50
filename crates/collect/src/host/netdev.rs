//! Traffic of network interfaces, from `/proc/net/dev`.
//!
//! The loopback interface is included: engines are usually asked over it.

use std::collections::HashMap;

use model::{
    Labels,
    catalogue::{
        Metric, NODE_NETWORK_RECEIVE_BYTES_TOTAL, NODE_NETWORK_RECEIVE_COMPRESSED_TOTAL,
        NODE_NETWORK_RECEIVE_DROP_TOTAL, NODE_NETWORK_RECEIVE_ERRS_TOTAL,
        NODE_NETWORK_RECEIVE_FIFO_TOTAL, NODE_NETWORK_RECEIVE_FRAME_TOTAL,
        NODE_NETWORK_RECEIVE_MULTICAST_TOTAL, NODE_NETWORK_RECEIVE_PACKETS_TOTAL,
        NODE_NETWORK_TRANSMIT_BYTES_TOTAL, NODE_NETWORK_TRANSMIT_CARRIER_TOTAL,
        NODE_NETWORK_TRANSMIT_COLLS_TOTAL, NODE_NETWORK_TRANSMIT_COMPRESSED_TOTAL,
        NODE_NETWORK_TRANSMIT_DROP_TOTAL, NODE_NETWORK_TRANSMIT_ERRS_TOTAL,
        NODE_NETWORK_TRANSMIT_FIFO_TOTAL, NODE_NETWORK_TRANSMIT_PACKETS_TOTAL,
    },
    sample::Batch,
};

use super::{
    Context, Sampler,
    read::{Kept, lines, number, words},
};
use crate::Failure;

/// The columns after the interface's name.
static COLUMNS: [&Metric; 16] = [
    &NODE_NETWORK_RECEIVE_BYTES_TOTAL,
    &NODE_NETWORK_RECEIVE_PACKETS_TOTAL,
    &NODE_NETWORK_RECEIVE_ERRS_TOTAL,
    &NODE_NETWORK_RECEIVE_DROP_TOTAL,
    &NODE_NETWORK_RECEIVE_FIFO_TOTAL,
    &NODE_NETWORK_RECEIVE_FRAME_TOTAL,
    &NODE_NETWORK_RECEIVE_COMPRESSED_TOTAL,
    &NODE_NETWORK_RECEIVE_MULTICAST_TOTAL,
    &NODE_NETWORK_TRANSMIT_BYTES_TOTAL,
    &NODE_NETWORK_TRANSMIT_PACKETS_TOTAL,
    &NODE_NETWORK_TRANSMIT_ERRS_TOTAL,
    &NODE_NETWORK_TRANSMIT_DROP_TOTAL,
    &NODE_NETWORK_TRANSMIT_FIFO_TOTAL,
    &NODE_NETWORK_TRANSMIT_COLLS_TOTAL,
    &NODE_NETWORK_TRANSMIT_CARRIER_TOTAL,
    &NODE_NETWORK_TRANSMIT_COMPRESSED_TOTAL,
];

/// Interfaces beyond this many are left out; a container host may have thousands.
const INTERFACES_MAX: usize = 512;

struct NetDev {
    file: Kept,
    context: Context,
    interfaces: HashMap<Box<[u8]>, [Labels; 16]>,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let file = Kept::open(&context.root, "/proc/net/dev")?;
    Ok(Box::new(NetDev { file, context: context.clone(), interfaces: HashMap::new() }))
}

impl Sampler for NetDev {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let Self { file, context, interfaces } = self;
        let (mut known, mut is_full) = (0, false);
        for line in lines(file.read()?) {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (name, rest) = (line[..colon].trim_ascii(), &line[colon + 1..]);
            if !interfaces.contains_key(name) && interfaces.len() < INTERFACES_MAX {
                let text = String::from_utf8_lossy(name);
                let columns = COLUMNS.map(|metric| context.series(metric, &[("device", &text)]));
                interfaces.insert(name.into(), columns);
            }
            let Some(columns) = interfaces.get(name) else {
                is_full = true;
                continue;
            };
            known += 1;
            for (labels, word) in columns.iter().zip(words(rest)) {
                if let Some(value) = number(word) {
                    batch.push(labels, value as f64);
                }
            }
        }
        // Those of containers that ended make room.
        if is_full && known < interfaces.len() {
            interfaces.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::tests::{check, survives},
        *,
    };

    #[test]
    fn readings() {
        let text = "Inter-|   Receive\n face |bytes\n  eth0: 100 2 0 0 0 0 0 0 50 1\n";
        let files = [("proc/net/dev", text)];
        let prefix = "node_network_";
        let lines = [
            ("receive_bytes_total", "100"),
            ("receive_packets_total", "2"),
            ("receive_errs_total", "0"),
            ("receive_drop_total", "0"),
            ("receive_fifo_total", "0"),
            ("receive_frame_total", "0"),
            ("receive_compressed_total", "0"),
            ("receive_multicast_total", "0"),
            ("transmit_bytes_total", "50"),
            ("transmit_packets_total", "1"),
        ]
        .map(|(name, value)| format!("{prefix}{name}{} {value}", r#"{device="eth0"}"#));
        let expected: Vec<&str> = lines.iter().map(String::as_str).collect();
        check(open, &files, &expected);
    }

    #[test]
    fn interfaces_that_are_gone_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proc/net/dev");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut names = (0..INTERFACES_MAX).map(|number| format!("veth{number}: 1\n"));
        std::fs::write(&path, names.by_ref().collect::<String>()).unwrap();
        let context = Context {
            root: folder.path().into(),
            instance: "n".into(),
            clock: model::Clock::manual(model::UnixMs(0)),
        };
        let mut source = open(&context).unwrap();
        let mut count = || {
            let mut batch = Batch::default();
            source.sample(&mut batch).unwrap();
            batch.samples.len()
        };
        assert_eq!(count(), INTERFACES_MAX);
        std::fs::write(&path, "eth0: 1\nveth3: 1\n").unwrap();
        assert_eq!((count(), count()), (1, 2));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn garbage_is_survived(bytes: Vec<u8>) {
            survives(open, "proc/net/dev", &bytes);
        }
    }
}
