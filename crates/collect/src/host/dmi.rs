//! What the board and its firmware say they are, from `/sys/class/dmi/id`. Serial numbers are for root only,
//! and absent for others.

use model::catalogue::NODE_DMI_INFO;

use super::{
    Context, Sampler,
    numbers::{self, Numbers},
    read::lone_text,
};
use crate::Failure;

/// Labels, which are the names of the files but for one.
const FIELDS: [&str; 20] = [
    "bios_date",
    "bios_release",
    "bios_vendor",
    "bios_version",
    "board_asset_tag",
    "board_name",
    "board_serial",
    "board_vendor",
    "board_version",
    "chassis_asset_tag",
    "chassis_serial",
    "chassis_vendor",
    "chassis_version",
    "product_family",
    "product_name",
    "product_serial",
    "product_sku",
    "product_uuid",
    "product_version",
    "system_vendor",
];

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    numbers::open(context, list, "nothing about the board in /sys/class/dmi/id")
}

fn list(context: &Context, numbers: &mut Numbers) {
    let folder = context.root.join("sys/class/dmi/id");
    let text = |field: &'static str| {
        let file = if field == "system_vendor" { "sys_vendor" } else { field };
        Some((field, lone_text(&folder.join(file))?))
    };
    let facts: Vec<_> = FIELDS.into_iter().filter_map(text).collect();
    if !facts.is_empty() {
        let labels: Vec<_> = facts.iter().map(|(name, value)| (*name, value.as_str())).collect();
        numbers.fact(context.series(&NODE_DMI_INFO, &labels));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        let files = [
            ("sys/class/dmi/id/sys_vendor", "Supermicro\n"),
            ("sys/class/dmi/id/product_name", "SYS-821GE-TNHR\n"),
            ("sys/class/dmi/id/board_serial", "\n"),
            ("sys/class/dmi/id/modalias", "dmi:bvn\n"),
        ];
        let expected =
            [r#"node_dmi_info{product_name="SYS-821GE-TNHR", system_vendor="Supermicro"} 1"#];
        check(open, &files, &expected);
    }
}
