//! Interfaces that are several in one: how many of them there should be, and how many have a link, from
//! `/sys/class/net`.

use std::path::Path;

use model::{
    catalogue::{NODE_BONDING_ACTIVE, NODE_BONDING_SLAVES},
    sample::Batch,
};

use super::{Context, Sampler, read::lone_text};
use crate::{Failure, FailureKind};

/// Bonds, and interfaces of one bond, beyond this many are left out.
const INTERFACES_MAX: usize = 64;

struct Bonding {
    context: Context,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    if !context.root.join("sys/class/net/bonding_masters").exists() {
        return Err(Failure::new(FailureKind::Absent, "no /sys/class/net/bonding_masters"));
    }
    Ok(Box::new(Bonding { context: context.clone() }))
}

impl Sampler for Bonding {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let folder = self.context.root.join("sys/class/net");
        for master in names(&folder.join("bonding_masters")) {
            let members = names(&folder.join(&master).join("bonding/slaves"));
            let has_link = |member: &&String| {
                // The second one is of kernels before 3.9.
                let mut folders = ["lower", "slave"].iter().filter_map(|prefix| {
                    let member = folder.join(&master).join(format!("{prefix}_{member}"));
                    lone_text(&member.join("bonding_slave/mii_status"))
                });
                folders.next().as_deref() == Some("up")
            };
            let active = members.iter().filter(has_link).count();
            for (metric, count) in
                [(&NODE_BONDING_SLAVES, members.len()), (&NODE_BONDING_ACTIVE, active)]
            {
                let labels = self.context.series(metric, &[("master", &master)]);
                batch.push(&labels, count as f64);
            }
        }
        Ok(())
    }
}

/// The words of a file that can be names of interfaces, and so of files.
fn names(path: &Path) -> Vec<String> {
    let text = lone_text(path).unwrap_or_default();
    let words = text.split_whitespace().filter(|word| !word.contains('/') && *word != "..");
    words.take(INTERFACES_MAX).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        let files = [
            ("sys/class/net/bonding_masters", "bond0 bond1 ../../etc\n"),
            ("sys/class/net/bond0/bonding/slaves", "eth0 eth1 eth2\n"),
            ("sys/class/net/bond0/lower_eth0/bonding_slave/mii_status", "up\n"),
            ("sys/class/net/bond0/lower_eth1/bonding_slave/mii_status", "down\n"),
            ("sys/class/net/bond0/slave_eth2/bonding_slave/mii_status", "up\n"),
            ("sys/class/net/bond1/bonding/slaves", "\n"),
        ];
        let expected = [
            r#"node_bonding_active{master="bond0"} 2"#,
            r#"node_bonding_active{master="bond1"} 0"#,
            r#"node_bonding_slaves{master="bond0"} 3"#,
            r#"node_bonding_slaves{master="bond1"} 0"#,
        ];
        check(open, &files, &expected);
    }
}
