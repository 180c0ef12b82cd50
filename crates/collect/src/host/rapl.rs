//! Energy of the processor's domains (RAPL), from `/sys/class/powercap`.
//!
//! Only root may read it since Linux 5.10, because fine-grained energy gives secrets away. The counter
//! wraps at `max_energy_range_uj`, which looks like a reset: a rate loses what was left up to the wrap.

use std::collections::HashMap;

use model::catalogue::NODE_RAPL_JOULES_TOTAL;

use super::{
    Context, Sampler,
    numbers::{self, Numbers, Unit, entries, file_name},
    read::lone_text,
};
use crate::Failure;

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    numbers::open(context, list, "no energy counter in /sys/class/powercap")
}

/// A zone `package-1` is the domain `package` with the index 1. Zones without a number are numbered in
/// the order of their folders.
fn list(context: &Context, numbers: &mut Numbers) {
    let mut next = HashMap::<String, usize>::new();
    for folder in entries(&context.root.join("sys/class/powercap"), "") {
        let Some(name) = lone_text(&folder.join("name")) else { continue };
        let parted = name.rsplit_once('-').filter(|(_, index)| index.parse::<u32>().is_ok());
        let (zone, index) = match parted {
            Some((zone, index)) => (zone.to_owned(), index.to_owned()),
            None => {
                let count = next.entry(name.clone()).or_default();
                *count += 1;
                (name, (*count - 1).to_string())
            }
        };
        let zone: String =
            zone.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let path = format!("/sys/class/powercap/{}", file_name(&folder));
        let labels = [("index", index.as_str()), ("path", path.as_str())];
        let labels = context.named(&NODE_RAPL_JOULES_TOTAL.member(&zone), &labels);
        numbers.add(folder.join("energy_uj"), labels, Unit::MICRO);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        let files = [
            ("sys/class/powercap/intel-rapl:0/name", "package-0\n"),
            ("sys/class/powercap/intel-rapl:0/energy_uj", "240422366267\n"),
            ("sys/class/powercap/intel-rapl:0:0/name", "core\n"),
            ("sys/class/powercap/intel-rapl:0:0/energy_uj", "118821284256\n"),
            ("sys/class/powercap/intel-rapl:1:0/name", "core\n"),
            ("sys/class/powercap/intel-rapl:1:0/energy_uj", "1000000\n"),
            ("sys/class/powercap/intel-rapl/enabled", "1\n"),
        ];
        let expected = [
            r#"node_rapl_package_joules_total{index="0", path="/sys/class/powercap/intel-rapl:0"} 240422.366267"#,
            r#"node_rapl_core_joules_total{index="0", path="/sys/class/powercap/intel-rapl:0:0"} 118821.284256"#,
            r#"node_rapl_core_joules_total{index="1", path="/sys/class/powercap/intel-rapl:1:0"} 1"#,
        ];
        check(open, &files, &expected);
    }
}
