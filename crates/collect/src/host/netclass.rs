//! State of network interfaces, from `/sys/class/net`: what changes every few seconds, and the rest more
//! rarely.
//!
//! A speed that an interface does not have (virtual ones say -1) is left out, where node_exporter writes
//! a negative number. It sees the interfaces of its own network namespace.

use model::{
    Labels,
    catalogue::{
        Metric, NODE_NETWORK_ADDRESS_ASSIGN_TYPE, NODE_NETWORK_CARRIER,
        NODE_NETWORK_CARRIER_CHANGES_TOTAL, NODE_NETWORK_CARRIER_DOWN_CHANGES_TOTAL,
        NODE_NETWORK_CARRIER_UP_CHANGES_TOTAL, NODE_NETWORK_DEVICE_ID, NODE_NETWORK_DORMANT,
        NODE_NETWORK_FLAGS, NODE_NETWORK_IFACE_ID, NODE_NETWORK_IFACE_LINK,
        NODE_NETWORK_IFACE_LINK_MODE, NODE_NETWORK_INFO, NODE_NETWORK_MTU_BYTES,
        NODE_NETWORK_NAME_ASSIGN_TYPE, NODE_NETWORK_NET_DEV_GROUP, NODE_NETWORK_PROTOCOL_TYPE,
        NODE_NETWORK_RECEIVE_NOHANDLER_TOTAL, NODE_NETWORK_SPEED_BYTES,
        NODE_NETWORK_TRANSMIT_QUEUE_LENGTH, NODE_NETWORK_UP,
    },
    sample::Batch,
};
use std::path::PathBuf;

use super::{
    Context, Sampler,
    numbers::{Unit, entries, file_name, read_number},
    read::lone_text,
};
use crate::{Failure, FailureKind};

/// Interfaces beyond this many are left out; a container host may have thousands.
const INTERFACES_MAX: usize = 512;
/// Readings between two looks at what hardly changes, and at which interfaces there are.
const READINGS_PER_LOOK: u32 = 12;

/// What a link that comes and goes changes. The speed is asked for only where there is a carrier: some
/// drivers ask their firmware.
static QUICK: [(&str, &Metric, Unit); 5] = [
    ("carrier", &NODE_NETWORK_CARRIER, Unit::ONE),
    ("carrier_changes", &NODE_NETWORK_CARRIER_CHANGES_TOTAL, Unit::ONE),
    ("carrier_down_count", &NODE_NETWORK_CARRIER_DOWN_CHANGES_TOTAL, Unit::ONE),
    ("carrier_up_count", &NODE_NETWORK_CARRIER_UP_CHANGES_TOTAL, Unit::ONE),
    ("statistics/rx_nohandler", &NODE_NETWORK_RECEIVE_NOHANDLER_TOTAL, Unit::ONE),
];

static SLOW: [(&str, &Metric, Unit); 13] = [
    ("addr_assign_type", &NODE_NETWORK_ADDRESS_ASSIGN_TYPE, Unit::ONE),
    ("dev_id", &NODE_NETWORK_DEVICE_ID, Unit::ONE),
    ("dormant", &NODE_NETWORK_DORMANT, Unit::ONE),
    ("flags", &NODE_NETWORK_FLAGS, Unit::ONE),
    ("ifindex", &NODE_NETWORK_IFACE_ID, Unit::ONE),
    ("iflink", &NODE_NETWORK_IFACE_LINK, Unit::ONE),
    ("link_mode", &NODE_NETWORK_IFACE_LINK_MODE, Unit::ONE),
    ("mtu", &NODE_NETWORK_MTU_BYTES, Unit::ONE),
    ("name_assign_type", &NODE_NETWORK_NAME_ASSIGN_TYPE, Unit::ONE),
    ("netdev_group", &NODE_NETWORK_NET_DEV_GROUP, Unit::ONE),
    // Mbit/s.
    ("speed", &NODE_NETWORK_SPEED_BYTES, Unit::times(1e6 / 8.0)),
    ("tx_queue_len", &NODE_NETWORK_TRANSMIT_QUEUE_LENGTH, Unit::ONE),
    ("type", &NODE_NETWORK_PROTOCOL_TYPE, Unit::ONE),
];

struct NetClass {
    context: Context,
    interfaces: Vec<Interface>,
    readings: u32,
}

struct Interface {
    folder: PathBuf,
    quick: Vec<(PathBuf, Labels)>,
    up: Labels,
    /// Values of the files read rarely, and the facts.
    slow: Vec<(Labels, f64)>,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let mut source = NetClass { context: context.clone(), interfaces: Vec::new(), readings: 0 };
    source.look();
    if source.interfaces.is_empty() {
        return Err(Failure::new(FailureKind::Absent, "no interface in /sys/class/net"));
    }
    Ok(Box::new(source))
}

impl NetClass {
    fn look(&mut self) {
        let folders = entries(&self.context.root.join("sys/class/net"), "").into_iter();
        // The folder has plain files beside the interfaces where bonding is loaded.
        let folders = folders.filter(|folder| folder.join("ifindex").exists());
        let make = |folder| Interface::new(&self.context, folder);
        self.interfaces = folders.take(INTERFACES_MAX).map(make).collect();
        self.readings = 0;
    }
}

impl Interface {
    fn new(context: &Context, folder: PathBuf) -> Self {
        let name = file_name(&folder);
        let device = [("device", name.as_str())];
        let quick = QUICK
            .iter()
            .map(|(file, metric, _)| (folder.join(file), context.series(metric, &device)))
            .filter(|(path, _)| path.exists());
        let quick = quick.collect();
        let up = context.series(&NODE_NETWORK_UP, &device);
        let slow = SLOW.iter().filter_map(|(file, metric, unit)| {
            let number = read_number(&folder.join(file)).ok()??;
            let is_speed = metric.name == NODE_NETWORK_SPEED_BYTES.name;
            let is_there = !is_speed || number > 0.0;
            is_there.then(|| (context.series(metric, &device), unit.apply(number)))
        });
        let mut slow: Vec<_> = slow.collect();
        let text = |file: &str| lone_text(&folder.join(file)).unwrap_or_default();
        let is_enabled = read_number(&folder.join("flags")).ok().flatten().map(|flags| {
            let up_flag = flags as u64 & 1;
            if up_flag == 1 { "up" } else { "down" }
        });
        let facts = [
            ("device", name.as_str()),
            ("address", &text("address")),
            ("broadcast", &text("broadcast")),
            ("duplex", &text("duplex")),
            ("operstate", &text("operstate")),
            ("adminstate", is_enabled.unwrap_or_default()),
            ("ifalias", &text("ifalias")),
        ];
        slow.push((context.series(&NODE_NETWORK_INFO, &facts), 1.0));
        Self { folder, quick, up, slow }
    }
}

impl Sampler for NetClass {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        if self.readings >= READINGS_PER_LOOK {
            self.look();
        }
        self.readings += 1;
        for interface in &self.interfaces {
            if let Some(state) = lone_text(&interface.folder.join("operstate")) {
                batch.push(&interface.up, f64::from(u8::from(state == "up")));
            }
            for (path, labels) in &interface.quick {
                // The carrier of an interface that is down cannot be read.
                if let Ok(Some(number)) = read_number(path) {
                    batch.push(labels, number);
                }
            }
            interface.slow.iter().for_each(|(labels, value)| batch.push(labels, *value));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        let files = [
            ("sys/class/net/eth0/operstate", "up\n"),
            ("sys/class/net/eth0/ifindex", "4\n"),
            ("sys/class/net/eth0/carrier", "1\n"),
            ("sys/class/net/eth0/statistics/rx_nohandler", "9\n"),
            ("sys/class/net/eth0/speed", "1000\n"),
            ("sys/class/net/eth0/mtu", "1500\n"),
            ("sys/class/net/eth0/flags", "0x1003\n"),
            ("sys/class/net/eth0/address", "02:00:00:00:00:01\n"),
            ("sys/class/net/ifb0/operstate", "down\n"),
            ("sys/class/net/ifb0/ifindex", "2\n"),
            ("sys/class/net/ifb0/speed", "-1\n"),
            ("sys/class/net/bonding_masters", "\n"),
        ];
        let eth0 = r#"{device="eth0"}"#;
        let lines = [
            ("up", "1"),
            ("iface_id", "4"),
            ("carrier", "1"),
            ("receive_nohandler_total", "9"),
            ("speed_bytes", "125000000"),
            ("mtu_bytes", "1500"),
            ("flags", "4099"),
        ]
        .map(|(name, value)| format!("node_network_{name}{eth0} {value}"));
        let mut expected: Vec<&str> = lines.iter().map(String::as_str).collect();
        expected.extend([
            r#"node_network_info{address="02:00:00:00:00:01", adminstate="up", device="eth0", operstate="up"} 1"#,
            r#"node_network_up{device="ifb0"} 0"#,
            r#"node_network_iface_id{device="ifb0"} 2"#,
            r#"node_network_info{device="ifb0", operstate="down"} 1"#,
        ]);
        check(open, &files, &expected);
    }
}
