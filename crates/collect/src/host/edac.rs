//! Memory errors that ECC corrected or could not correct, from `/sys/devices/system/edac/mc`.
//!
//! Errors whose row is not known are under the row `unknown`. Absent without ECC memory or its driver.

use std::path::Path;

use model::catalogue::{
    NODE_EDAC_CORRECTABLE_ERRORS_TOTAL, NODE_EDAC_CSROW_CORRECTABLE_ERRORS_TOTAL,
    NODE_EDAC_CSROW_UNCORRECTABLE_ERRORS_TOTAL, NODE_EDAC_UNCORRECTABLE_ERRORS_TOTAL,
};

use super::{
    Context, Sampler,
    numbers::{self, Numbers, Unit, numbered},
};
use crate::Failure;

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    numbers::open(context, list, "no memory controller in /sys/devices/system/edac/mc")
}

fn list(context: &Context, numbers: &mut Numbers) {
    for (controller, folder) in numbered(&context.root.join("sys/devices/system/edac/mc"), "mc") {
        let of_controller = [("controller", controller.as_str())];
        for (file, metric) in [
            ("ce_count", NODE_EDAC_CORRECTABLE_ERRORS_TOTAL),
            ("ue_count", NODE_EDAC_UNCORRECTABLE_ERRORS_TOTAL),
        ] {
            numbers.add(folder.join(file), context.series(&metric, &of_controller), Unit::ONE);
        }
        let mut add_row = |row: &str, folder: &Path, corrected: &str, uncorrected: &str| {
            let labels = [("controller", controller.as_str()), ("csrow", row)];
            for (file, metric) in [
                (corrected, NODE_EDAC_CSROW_CORRECTABLE_ERRORS_TOTAL),
                (uncorrected, NODE_EDAC_CSROW_UNCORRECTABLE_ERRORS_TOTAL),
            ] {
                numbers.add(folder.join(file), context.series(&metric, &labels), Unit::ONE);
            }
        };
        add_row("unknown", &folder, "ce_noinfo_count", "ue_noinfo_count");
        for (row, folder) in numbered(&folder, "csrow") {
            add_row(&row, &folder, "ce_count", "ue_count");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        let files = [
            ("sys/devices/system/edac/mc/mc0/ce_count", "7\n"),
            ("sys/devices/system/edac/mc/mc0/ue_count", "1\n"),
            ("sys/devices/system/edac/mc/mc0/ce_noinfo_count", "2\n"),
            ("sys/devices/system/edac/mc/mc0/csrow3/ce_count", "5\n"),
            ("sys/devices/system/edac/mc/power/control", "auto\n"),
        ];
        let expected = [
            r#"node_edac_correctable_errors_total{controller="0"} 7"#,
            r#"node_edac_uncorrectable_errors_total{controller="0"} 1"#,
            r#"node_edac_csrow_correctable_errors_total{controller="0", csrow="unknown"} 2"#,
            r#"node_edac_csrow_correctable_errors_total{controller="0", csrow="3"} 5"#,
        ];
        check(open, &files, &expected);
    }
}
