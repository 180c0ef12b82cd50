//! Network interfaces, from `/proc/net/dev`, and whether each is up, from `/sys/class/net`.
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
        NODE_NETWORK_SPEED_BYTES, NODE_NETWORK_TRANSMIT_BYTES_TOTAL,
        NODE_NETWORK_TRANSMIT_CARRIER_TOTAL, NODE_NETWORK_TRANSMIT_COLLS_TOTAL,
        NODE_NETWORK_TRANSMIT_COMPRESSED_TOTAL, NODE_NETWORK_TRANSMIT_DROP_TOTAL,
        NODE_NETWORK_TRANSMIT_ERRS_TOTAL, NODE_NETWORK_TRANSMIT_FIFO_TOTAL,
        NODE_NETWORK_TRANSMIT_PACKETS_TOTAL, NODE_NETWORK_UP,
    },
    sample::Batch,
};

use super::{
    Context, Sampler,
    read::{Kept, lines, lone_number, lone_text, number, words},
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

/// Readings between two looks at `/sys/class/net`, whose files are opened anew each time.
const STATE_EVERY: u32 = 15;

/// Interfaces beyond this many are left out; a container host may have thousands.
const INTERFACES_MAX: usize = 512;

struct NetDev {
    file: Kept,
    context: Context,
    interfaces: HashMap<Box<[u8]>, Interface>,
    readings: u32,
}

struct Interface {
    columns: [Labels; 16],
    up: Labels,
    speed: Labels,
    is_up: Option<f64>,
    speed_bytes: Option<f64>,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let file = Kept::open(&context.root, "/proc/net/dev")?;
    let interfaces = HashMap::new();
    Ok(Box::new(NetDev { file, context: context.clone(), interfaces, readings: 0 }))
}

impl Interface {
    fn new(context: &Context, name: &str) -> Self {
        let device = [("device", name)];
        Self {
            columns: COLUMNS.map(|metric| context.series(metric, &device)),
            up: context.series(&NODE_NETWORK_UP, &device),
            speed: context.series(&NODE_NETWORK_SPEED_BYTES, &device),
            is_up: None,
            speed_bytes: None,
        }
    }

    fn look(&mut self, context: &Context, name: &str) {
        // A name is a single path component; anything else would lead out of the folder.
        if name.contains('/') || name.starts_with('.') {
            return;
        }
        let folder = context.root.join("sys/class/net").join(name);
        let state = lone_text(&folder.join("operstate"));
        self.is_up = state.map(|state| f64::from(u8::from(state == "up")));
        // Virtual interfaces say -1, which is no speed.
        let megabits = lone_number(&folder.join("speed")).filter(|speed| *speed > 0.0);
        self.speed_bytes = megabits.map(|megabits| megabits * 1e6 / 8.0);
    }
}

impl Sampler for NetDev {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let Self { file, context, interfaces, readings } = self;
        let looks = readings.is_multiple_of(STATE_EVERY);
        *readings = readings.wrapping_add(1);
        for line in lines(file.read()?) {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (name, rest) = (line[..colon].trim_ascii(), &line[colon + 1..]);
            let is_new = !interfaces.contains_key(name);
            if is_new && interfaces.len() >= INTERFACES_MAX {
                continue;
            }
            let text = String::from_utf8_lossy(name);
            let interface =
                interfaces.entry(name.into()).or_insert_with(|| Interface::new(context, &text));
            if looks || is_new {
                interface.look(context, &text);
            }
            for (labels, word) in interface.columns.iter().zip(words(rest)) {
                if let Some(value) = number(word) {
                    batch.push(labels, value as f64);
                }
            }
            if let Some(is_up) = interface.is_up {
                batch.push(&interface.up, is_up);
            }
            if let Some(speed) = interface.speed_bytes {
                batch.push(&interface.speed, speed);
            }
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
        let files = [
            ("proc/net/dev", text),
            ("sys/class/net/eth0/operstate", "up\n"),
            ("sys/class/net/eth0/speed", "1000\n"),
        ];
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
            ("up", "1"),
            ("speed_bytes", "125000000"),
        ]
        .map(|(name, value)| format!("{prefix}{name}{} {value}", r#"{device="eth0"}"#));
        let expected: Vec<&str> = lines.iter().map(String::as_str).collect();
        check(open, &files, &expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn garbage_is_survived(bytes: Vec<u8>) {
            survives(open, "proc/net/dev", &bytes);
        }
    }
}
