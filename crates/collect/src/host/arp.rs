//! Size of the ARP table per interface, from `/proc/net/arp`.
//!
//! That file leaves out entries of interfaces without ARP, as node_exporter does; incomplete ones count.

use std::collections::BTreeMap;

use model::{Labels, catalogue::NODE_ARP_ENTRIES, sample::Batch};

use super::{
    Context, Sampler,
    read::{Kept, lines, words},
};
use crate::Failure;

/// Interfaces beyond this many are left out.
const INTERFACES_MAX: usize = 512;
/// Column of the interface's name.
const DEVICE: usize = 5;

struct Arp {
    file: Kept,
    context: Context,
    devices: BTreeMap<Box<[u8]>, (Labels, u64)>,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let file = Kept::open(&context.root, "/proc/net/arp")?;
    Ok(Box::new(Arp { file, context: context.clone(), devices: BTreeMap::new() }))
}

impl Sampler for Arp {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let Self { file, context, devices } = self;
        devices.values_mut().for_each(|(_, count)| *count = 0);
        for line in lines(file.read()?).skip(1) {
            let Some(device) = words(line).nth(DEVICE) else { continue };
            if let Some((_, count)) = devices.get_mut(device) {
                *count += 1;
            } else if devices.len() < INTERFACES_MAX {
                let name = String::from_utf8_lossy(device);
                let labels = context.series(&NODE_ARP_ENTRIES, &[("device", &name)]);
                devices.insert(device.into(), (labels, 1));
            }
        }
        devices.retain(|_, (_, count)| *count > 0);
        devices.values().for_each(|(labels, count)| batch.push(labels, *count as f64));
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
        let text = "IP address       HW type     Flags       HW address            Mask     Device\n\
                    192.0.2.1        0x1         0x2         02:fc:00:00:00:05     *        eth0\n\
                    192.0.2.2        0x1         0x0         00:00:00:00:00:00     *        eth0\n\
                    192.0.2.3        0x1         0x2         02:fc:00:00:00:07     *        br-1\n\
                    short line\n";
        let expected =
            [r#"node_arp_entries{device="eth0"} 2"#, r#"node_arp_entries{device="br-1"} 1"#];
        check(open, &[("proc/net/arp", text)], &expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn garbage_is_survived(bytes: Vec<u8>) {
            survives(open, "proc/net/arp", &bytes);
        }
    }
}
