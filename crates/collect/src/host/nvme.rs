//! Identity of NVMe disks, from `/sys/class/nvme`. Temperature is with the sensors; wear and errors need
//! root and an ioctl, and are not read.

use model::catalogue::NODE_NVME_INFO;

use super::{
    Context, Sampler,
    numbers::{self, Numbers, file_name, numbered},
    read::lone_text,
};
use crate::Failure;

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    numbers::open(context, list, "no disk in /sys/class/nvme")
}

fn list(context: &Context, numbers: &mut Numbers) {
    for (_, folder) in numbered(&context.root.join("sys/class/nvme"), "nvme") {
        let text = |file: &str| lone_text(&folder.join(file)).unwrap_or_default();
        let labels = [
            ("device", &file_name(&folder)),
            ("model", &text("model")),
            ("serial", &text("serial")),
            ("firmware_revision", &text("firmware_rev")),
            ("state", &text("state")),
            ("cntlid", &text("cntlid")),
        ];
        let labels = labels.map(|(name, value)| (name, value.as_str()));
        numbers.fact(context.series(&NODE_NVME_INFO, &labels));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        let files = [
            ("sys/class/nvme/nvme0/model", "A Disk 1TB        \n"),
            ("sys/class/nvme/nvme0/firmware_rev", "1B2Q\n"),
            ("sys/class/nvme/nvme0/state", "live\n"),
            ("sys/class/nvme/nvme-subsystem", ""),
        ];
        let expected = [
            r#"node_nvme_info{device="nvme0", firmware_revision="1B2Q", model="A Disk 1TB", state="live"} 1"#,
        ];
        check(open, &files, &expected);
    }
}
