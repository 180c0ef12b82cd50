//! Thermal zones and the steps of cooling devices, from `/sys/class/thermal`.

use model::catalogue::{
    NODE_COOLING_DEVICE_CUR_STATE, NODE_COOLING_DEVICE_MAX_STATE, NODE_THERMAL_ZONE_TEMP,
};

use super::{
    Context, Sampler,
    numbers::{self, Numbers, Unit, numbered},
    read::lone_text,
};
use crate::Failure;

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    numbers::open(context, list, "no zone and no cooling device in /sys/class/thermal")
}

fn list(context: &Context, numbers: &mut Numbers) {
    let folder = context.root.join("sys/class/thermal");
    for (zone, folder) in numbered(&folder, "thermal_zone") {
        let kind = lone_text(&folder.join("type")).unwrap_or_default();
        let labels = [("zone", zone.as_str()), ("type", kind.as_str())];
        let labels = context.series(&NODE_THERMAL_ZONE_TEMP, &labels);
        numbers.add(folder.join("temp"), labels, Unit::MILLI);
    }
    for (name, folder) in numbered(&folder, "cooling_device") {
        let kind = lone_text(&folder.join("type")).unwrap_or_default();
        let labels = [("name", name.as_str()), ("type", kind.as_str())];
        for (file, metric) in [
            ("cur_state", NODE_COOLING_DEVICE_CUR_STATE),
            ("max_state", NODE_COOLING_DEVICE_MAX_STATE),
        ] {
            numbers.add(folder.join(file), context.series(&metric, &labels), Unit::ONE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        let files = [
            ("sys/class/thermal/thermal_zone3/type", "x86_pkg_temp\n"),
            ("sys/class/thermal/thermal_zone3/temp", "-5000\n"),
            ("sys/class/thermal/cooling_device0/type", "Processor\n"),
            ("sys/class/thermal/cooling_device0/cur_state", "2\n"),
            ("sys/class/thermal/cooling_device0/max_state", "10\n"),
        ];
        let expected = [
            r#"node_thermal_zone_temp{type="x86_pkg_temp", zone="3"} -5"#,
            r#"node_cooling_device_cur_state{name="0", type="Processor"} 2"#,
            r#"node_cooling_device_max_state{name="0", type="Processor"} 10"#,
        ];
        check(open, &files, &expected);
    }
}
