//! Mains adapters and batteries, from `/sys/class/power_supply`.

use model::catalogue::{
    Metric, NODE_POWER_SUPPLY_CAPACITY, NODE_POWER_SUPPLY_CURRENT_AMPERE,
    NODE_POWER_SUPPLY_ENERGY_WATTHOUR, NODE_POWER_SUPPLY_INFO, NODE_POWER_SUPPLY_ONLINE,
    NODE_POWER_SUPPLY_POWER_WATT, NODE_POWER_SUPPLY_VOLTAGE_VOLT,
};

use super::{
    Context, Sampler,
    numbers::{self, Numbers, Unit, entries, file_name},
    read::lone_text,
};
use crate::Failure;

static FILES: &[(&str, &Metric, Unit)] = &[
    ("capacity", &NODE_POWER_SUPPLY_CAPACITY, Unit::ONE),
    ("current_now", &NODE_POWER_SUPPLY_CURRENT_AMPERE, Unit::MICRO),
    ("energy_now", &NODE_POWER_SUPPLY_ENERGY_WATTHOUR, Unit::MICRO),
    ("online", &NODE_POWER_SUPPLY_ONLINE, Unit::ONE),
    ("power_now", &NODE_POWER_SUPPLY_POWER_WATT, Unit::MICRO),
    ("voltage_now", &NODE_POWER_SUPPLY_VOLTAGE_VOLT, Unit::MICRO),
];

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    numbers::open(context, list, "nothing in /sys/class/power_supply")
}

fn list(context: &Context, numbers: &mut Numbers) {
    for folder in entries(&context.root.join("sys/class/power_supply"), "") {
        let name = file_name(&folder);
        for (file, metric, unit) in FILES {
            let labels = context.series(metric, &[("power_supply", &name)]);
            numbers.add(folder.join(file), labels, *unit);
        }
        let text = |file: &str| lone_text(&folder.join(file)).unwrap_or_default();
        let labels = [
            ("power_supply", &name),
            ("type", &text("type")),
            ("status", &text("status")),
            ("manufacturer", &text("manufacturer")),
            ("model_name", &text("model_name")),
        ];
        let labels = labels.map(|(name, value)| (name, value.as_str()));
        numbers.fact(context.series(&NODE_POWER_SUPPLY_INFO, &labels));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        let files = [
            ("sys/class/power_supply/AC/online", "1\n"),
            ("sys/class/power_supply/AC/type", "Mains\n"),
            ("sys/class/power_supply/BAT0/capacity", "98\n"),
            ("sys/class/power_supply/BAT0/voltage_now", "12229000\n"),
            ("sys/class/power_supply/BAT0/type", "Battery\n"),
        ];
        let expected = [
            r#"node_power_supply_online{power_supply="AC"} 1"#,
            r#"node_power_supply_info{power_supply="AC", type="Mains"} 1"#,
            r#"node_power_supply_capacity{power_supply="BAT0"} 98"#,
            r#"node_power_supply_voltage_volt{power_supply="BAT0"} 12.229"#,
            r#"node_power_supply_info{power_supply="BAT0", type="Battery"} 1"#,
        ];
        check(open, &files, &expected);
    }
}
