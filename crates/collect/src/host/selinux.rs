//! Whether SELinux is on: whether its file system is there.

use model::{Labels, catalogue::NODE_SELINUX_ENABLED, sample::Batch};

use super::{Context, Sampler};
use crate::Failure;

struct SeLinux {
    labels: Labels,
    is_enabled: bool,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let is_enabled = context.root.join("sys/fs/selinux/enforce").exists();
    Ok(Box::new(SeLinux { labels: context.series(&NODE_SELINUX_ENABLED, &[]), is_enabled }))
}

impl Sampler for SeLinux {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        batch.push(&self.labels, f64::from(u8::from(self.is_enabled)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        check(open, &[("sys/fs/selinux/enforce", "1")], &["node_selinux_enabled 1"]);
        check(open, &[], &["node_selinux_enabled 0"]);
    }
}
