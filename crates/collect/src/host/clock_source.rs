//! Which clock the kernel uses and which it could use, from `/sys/devices/system/clocksource`.

use model::catalogue::{NODE_TIME_CLOCKSOURCE_AVAILABLE_INFO, NODE_TIME_CLOCKSOURCE_CURRENT_INFO};

use super::{
    Context, Sampler,
    numbers::{self, Numbers, numbered},
    read::lone_text,
};
use crate::Failure;

/// Sources beyond this many are left out.
const SOURCES_MAX: usize = 32;

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    numbers::open(context, list, "no clock in /sys/devices/system/clocksource")
}

fn list(context: &Context, numbers: &mut Numbers) {
    let folder = context.root.join("sys/devices/system/clocksource");
    for (device, folder) in numbered(&folder, "clocksource") {
        for (file, metric) in [
            ("available_clocksource", NODE_TIME_CLOCKSOURCE_AVAILABLE_INFO),
            ("current_clocksource", NODE_TIME_CLOCKSOURCE_CURRENT_INFO),
        ] {
            let text = lone_text(&folder.join(file)).unwrap_or_default();
            for source in text.split_ascii_whitespace().take(SOURCES_MAX) {
                let labels = [("device", device.as_str()), ("clocksource", source)];
                numbers.fact(context.series(&metric, &labels));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        let folder = "sys/devices/system/clocksource/clocksource0";
        let (available, current) =
            (format!("{folder}/available_clocksource"), format!("{folder}/current_clocksource"));
        let files = [(available.as_str(), "tsc hpet \n"), (current.as_str(), "tsc\n")];
        let expected = [
            r#"node_time_clocksource_available_info{clocksource="tsc", device="0"} 1"#,
            r#"node_time_clocksource_available_info{clocksource="hpet", device="0"} 1"#,
            r#"node_time_clocksource_current_info{clocksource="tsc", device="0"} 1"#,
        ];
        check(open, &files, &expected);
    }
}
