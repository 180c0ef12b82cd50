//! How the output of a foreign program becomes readings: a JSON path or a regular expression that
//! finds the devices, and one line for each reading that says where its value is.
//!
//! ```text
//! accelerator_power_watts = power.draw / 1000
//! accelerator_temperature_celsius{sensor=core} = temp
//! uuid = id
//! ```
//!
//! What is on the right is a path inside the device, or the name of a group of the expression. A value
//! is the number that a text begins with; what does not begin with one is absent. Programs print all
//! sorts of things before their JSON, so the first piece that is JSON and has devices counts.

use std::collections::BTreeMap;

use model::{catalogue::*, limits::REGEX_BYTES_MAX};
use regex::{Regex, RegexBuilder};
use serde_json::Value;

/// Most devices of one program.
const DEVICES_MAX: usize = 256;
/// Most readings of a device.
const FIELDS_MAX: usize = 128;
/// Most parts of a path.
const PARTS_MAX: usize = 16;
/// Most places at which JSON is looked for.
const STARTS_MAX: usize = 256;

/// Labels that say which device it is, and what may be read for them.
const IDENTITY: &[&str] = &["index", "model", "pci_bus_id", "uuid"];
/// Labels that a reading may not set.
const BASE: &[&str] = &["host", "index", "model", "partition", "pci_bus_id", "uuid", "vendor"];
/// What every device has anyway.
const OWN: &[&Metric] = &[
    &ACCELERATOR_COLLECT_SECONDS_TOTAL,
    &ACCELERATOR_ERRORS_TOTAL,
    &ACCELERATOR_FIELD_STATE,
    &ACCELERATOR_HEALTH,
    &ACCELERATOR_LAST_ERROR_TIMESTAMP_SECONDS,
    &ACCELERATOR_SAMPLE_AGE_SECONDS,
    &ACCELERATOR_UP,
];
/// Stands for the key under which a device was found.
const KEY: &str = "@key";

/// Checked rules for one program.
#[derive(Clone, Debug)]
pub struct Rules {
    find: Find,
    identity: Vec<(&'static str, Source)>,
    readings: Vec<Reading>,
}

/// How devices are found.
#[derive(Clone, Debug)]
enum Find {
    Json(Vec<Part>),
    Text(Regex),
}

/// A step into JSON.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Name(String),
    /// Every entry of an object or an array.
    All,
}

/// Where a value is.
#[derive(Clone, Debug)]
enum Source {
    Key,
    Path(Vec<Part>),
    Group(String),
}

#[derive(Clone, Debug)]
struct Reading {
    metric: &'static Metric,
    labels: ExtraLabels,
    source: Source,
    factor: f64,
}

/// Labels of a reading beyond those of its device.
pub(super) type ExtraLabels = Vec<(&'static str, String)>;

/// One device as the program told it.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// By the names in [`IDENTITY`].
    pub(super) identity: BTreeMap<&'static str, String>,
    pub(super) values: Vec<(&'static Metric, ExtraLabels, f64)>,
}

impl Rules {
    /// Checks rules: `devices` is a path into JSON (empty for the whole), `pattern` a regular expression
    /// for each line, and exactly one of them is given; `fields` are lines as above. An error says what
    /// is wrong with which.
    pub fn parse(
        devices: Option<&str>,
        pattern: Option<&str>,
        fields: &[String],
    ) -> Result<Self, String> {
        let find = match (devices, pattern) {
            (Some(path), None) => Find::Json(parse_path(path)?),
            (None, Some(pattern)) => {
                let regex = RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build();
                Find::Text(regex.map_err(|error| format!("pattern: {error}"))?)
            }
            _ => return Err("exactly one of devices and pattern is needed".into()),
        };
        if fields.len() > FIELDS_MAX {
            return Err(format!("more than {FIELDS_MAX} fields"));
        }
        let mut rules = Self { find, identity: Vec::new(), readings: Vec::new() };
        for field in fields {
            rules.add(field).map_err(|reason| format!("{field}: {reason}"))?;
        }
        if rules.readings.is_empty() {
            return Err("no field gives a reading".into());
        }
        Ok(rules)
    }

    fn add(&mut self, field: &str) -> Result<(), String> {
        let (left, right) = split_outside_braces(field).ok_or("has no =")?;
        let (path, factor) = parse_factor(right)?;
        let source = match &self.find {
            _ if path == KEY => Source::Key,
            Find::Json(_) => Source::Path(parse_path(path)?),
            Find::Text(regex) => {
                let is_known = regex.capture_names().flatten().any(|name| name == path);
                if !is_known {
                    return Err(format!("the pattern has no group {path}"));
                }
                Source::Group(path.to_owned())
            }
        };
        if let Some(name) = IDENTITY.iter().find(|name| **name == left) {
            self.identity.push((name, source));
            return Ok(());
        }
        let (name, labels) = parse_series(left)?;
        let metric = find(name)
            .filter(|metric| metric.name == name && name.starts_with("accelerator_"))
            .ok_or("is no metric of accelerators")?;
        if OWN.iter().any(|own| own.name == metric.name) {
            return Err("is given for every device anyway".into());
        }
        let mut checked = Vec::new();
        for (label, value) in labels {
            let known = metric.labels.iter().find(|known| **known == label);
            let known = known.filter(|known| !BASE.contains(known));
            checked.push((*known.ok_or(format!("has no label {label}"))?, value));
        }
        self.readings.push(Reading { metric, labels: checked, source, factor });
        Ok(())
    }

    /// The devices in what a program printed; none where it cannot be understood.
    pub(super) fn read(&self, output: &[u8]) -> Vec<Told> {
        let text = String::from_utf8_lossy(output);
        match &self.find {
            Find::Json(path) => self.read_json(&text, path),
            Find::Text(regex) => {
                let lines = text.lines().filter_map(|line| regex.captures(line));
                let tell = |found: regex::Captures<'_>| {
                    self.tell(|source| match source {
                        Source::Group(name) => Some(found.name(name)?.as_str().to_owned()),
                        Source::Key | Source::Path(_) => None,
                    })
                };
                lines.take(DEVICES_MAX).map(tell).collect()
            }
        }
    }

    fn read_json(&self, text: &str, path: &[Part]) -> Vec<Told> {
        let starts = text.match_indices(['{', '[']).map(|(start, _)| start);
        let mut after = 0;
        for start in starts.take(STARTS_MAX) {
            // Inside a piece that was JSON there is nothing new.
            let Some(rest) = text.get(start..).filter(|_| start >= after) else { continue };
            let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
            let Some(Ok(value)) = stream.next() else { continue };
            after = start + stream.byte_offset();
            let devices = devices(&value, path);
            let told: Vec<Told> = devices
                .into_iter()
                .map(|(key, device)| {
                    self.tell(|source| match source {
                        Source::Key => Some(key.clone()),
                        Source::Path(path) => scalar(first(device, path)?),
                        Source::Group(_) => None,
                    })
                })
                .filter(|told| !told.values.is_empty())
                .collect();
            if !told.is_empty() {
                return told;
            }
        }
        Vec::new()
    }

    fn tell(&self, value: impl Fn(&Source) -> Option<String>) -> Told {
        let text = |source| value(source).map(|text| text.trim().to_owned());
        let identity = self.identity.iter().filter_map(|(name, source)| {
            let text = text(source).filter(|text| !text.is_empty())?;
            Some((*name, text.chars().take(256).collect()))
        });
        let values = self.readings.iter().filter_map(|reading| {
            let number = leading_number(&text(&reading.source)?)? * reading.factor;
            let is_right = match reading.metric.unit {
                "ratio" => (0.0..=1.0).contains(&number),
                "celsius" => (-100.0..300.0).contains(&number),
                _ => number >= 0.0,
            };
            is_right.then(|| (reading.metric, reading.labels.clone(), number))
        });
        Told { identity: identity.collect(), values: values.collect() }
    }
}

/// The first `=` that is not inside `{...}`.
fn split_outside_braces(field: &str) -> Option<(&str, &str)> {
    let after = field.find('}').unwrap_or_default();
    let at = after + field.get(after..)?.find('=')?;
    Some((field.get(..at)?.trim(), field.get(at + 1..)?.trim()))
}

/// `path`, `path * 2` or `path / 100`.
fn parse_factor(text: &str) -> Result<(&str, f64), String> {
    let parts = text.rsplit_once(" * ").map(|parts| (parts, false));
    let parts = parts.or_else(|| text.rsplit_once(" / ").map(|parts| (parts, true)));
    let Some(((path, number), divides)) = parts else { return Ok((text, 1.0)) };
    let number: f64 = number.trim().parse().map_err(|_| format!("{number} is no number"))?;
    let factor = if divides { 1.0 / number } else { number };
    if !factor.is_normal() {
        return Err(format!("cannot use {number} as a factor"));
    }
    Ok((path.trim(), factor))
}

/// A name and its labels.
type Series<'a> = (&'a str, Vec<(&'a str, String)>);

/// `name` or `name{label=value, ...}`.
fn parse_series(text: &str) -> Result<Series<'_>, String> {
    let Some((name, labels)) = text.split_once('{') else { return Ok((text, Vec::new())) };
    let labels = labels.strip_suffix('}').ok_or("has no closing brace")?;
    let pairs = labels.split(',').map(|pair| {
        let (label, value) = pair.split_once('=').ok_or(format!("{pair} has no ="))?;
        Ok((label.trim(), value.trim().trim_matches('"').to_owned()))
    });
    Ok((name.trim(), pairs.collect::<Result<_, String>>()?))
}

/// Parts of a path, parted by dots; `*` is every entry.
fn parse_path(text: &str) -> Result<Vec<Part>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let part = |part: &str| match part {
        "" => Err(format!("{text} has an empty part")),
        "*" => Ok(Part::All),
        name => Ok(Part::Name(name.to_owned())),
    };
    let parts: Vec<Part> = text.split('.').map(part).collect::<Result<_, _>>()?;
    if parts.len() > PARTS_MAX {
        return Err(format!("{text} has more than {PARTS_MAX} parts"));
    }
    Ok(parts)
}

/// Everything that a path leads to, with the key that leads to it.
fn devices<'a>(value: &'a Value, path: &[Part]) -> Vec<(String, &'a Value)> {
    let mut found = vec![(String::new(), value)];
    for part in path {
        let next = found.into_iter().flat_map(|(_, value)| step(value, part));
        found = next.take(DEVICES_MAX).collect();
    }
    // Where the path leads to a list, its entries are meant.
    let entries = found.into_iter().flat_map(|(key, value)| match value {
        Value::Array(_) => step(value, &Part::All),
        _ => vec![(key, value)],
    });
    entries.take(DEVICES_MAX).collect()
}

fn step<'a>(value: &'a Value, part: &Part) -> Vec<(String, &'a Value)> {
    match (value, part) {
        (Value::Object(entries), Part::All) => {
            entries.iter().map(|(key, value)| (key.clone(), value)).collect()
        }
        (Value::Array(entries), Part::All) => {
            entries.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        (Value::Object(entries), Part::Name(name)) => {
            entries.get(name).map(|value| (name.clone(), value)).into_iter().collect()
        }
        (Value::Array(entries), Part::Name(name)) => {
            let index = name.parse::<usize>().ok();
            let entry = index.and_then(|index| entries.get(index));
            entry.map(|value| (name.clone(), value)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn first<'a>(value: &'a Value, path: &[Part]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, part| step(value, part).into_iter().next().map(|it| it.1))
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(u8::from(*flag).to_string()),
        _ => None,
    }
}

/// The number that a text begins with, such as that of `45 %` or `61C`.
fn leading_number(text: &str) -> Option<f64> {
    let end = text.find(|letter: char| !letter.is_ascii_digit() && !"+-.eE".contains(letter));
    let mut number = text.get(..end.unwrap_or(text.len()))?;
    loop {
        match number.parse::<f64>() {
            Ok(value) => return Some(value).filter(|value| value.is_finite()),
            // `5e` and the like: an ending that belongs to a unit.
            Err(_) if number.len() > 1 => number = number.get(..number.len() - 1)?,
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules(devices: Option<&str>, pattern: Option<&str>, fields: &[&str]) -> Rules {
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        Rules::parse(devices, pattern, &fields).unwrap()
    }

    fn read(rules: &Rules, output: &str) -> Vec<String> {
        let line = |told: &Told| {
            let identity = told.identity.iter().map(|(name, text)| format!("{name}={text}"));
            let values = told.values.iter().map(|(metric, labels, value)| {
                let labels: Vec<String> =
                    labels.iter().map(|(name, text)| format!("{name}={text}")).collect();
                format!("{}{{{}}} {value}", metric.name, labels.join(","))
            });
            identity.chain(values).collect::<Vec<_>>().join(" ")
        };
        rules.read(output.as_bytes()).iter().map(line).collect()
    }

    const POWER: &str = "accelerator_power_watts = power / 1000";

    #[test]
    fn json_with_anything_before_it() {
        let rules = rules(Some("*"), None, &["index = @key", POWER, "uuid = id.serial"]);
        let json = r#"{"card0": {"power": "1500 mW", "id": {"serial": 7}}, "card1": {"power": 2}}"#;
        let expected = [
            "index=card0 uuid=7 accelerator_power_watts{} 1.5",
            "index=card1 accelerator_power_watts{} 0.002",
        ];
        for before in ["", "[WARN] [0] {x} no driver\n", "=== {} ===\n[1, 2]\n", "{\"a\": 1}\n"] {
            assert_eq!(read(&rules, &format!("{before}{json}\nbye")), expected, "{before:?}");
        }
        assert_eq!(read(&rules, "no json {at all"), Vec::<String>::new());
    }

    #[test]
    fn lists_and_labels() {
        let fields = [
            "accelerator_temperature_celsius{sensor=core} = t.0",
            "accelerator_utilization_ratio = use / 100",
            "accelerator_memory_used_bytes = mem * 1048576",
        ];
        let rules = rules(Some("gpus"), None, &fields);
        let json = r#"{"gpus": [{"t": [-3, 9], "use": "45%", "mem": 2}, {"use": 101, "t": ["N/A"]},
            {"use": 100, "mem": -1}]}"#;
        let expected = [
            "accelerator_temperature_celsius{sensor=core} -3 accelerator_utilization_ratio{} 0.45 \
             accelerator_memory_used_bytes{} 2097152",
            "accelerator_utilization_ratio{} 1",
        ];
        assert_eq!(read(&rules, json), expected, "what cannot be is absent");
    }

    #[test]
    fn lines_of_text() {
        let pattern = r"^\|\s*(?P<n>\d+)\s+(?P<name>\S+)\s*\|\s*(?P<power>[\d.]+)\s*W";
        let fields = ["index = n", "model = name", "accelerator_power_watts = power"];
        let rules = rules(None, Some(pattern), &fields);
        let text = "+----+\n| 0  X100 | 61.5 W |\n| 1  X100 | N/A W |\n| 2 X200 | 7W |\n";
        let expected = [
            "index=0 model=X100 accelerator_power_watts{} 61.5",
            "index=2 model=X200 accelerator_power_watts{} 7",
        ];
        assert_eq!(read(&rules, text), expected);
    }

    #[test]
    fn wrong_rules_are_explained() {
        let check = |devices, pattern, fields: &[&str], expected: &str| {
            let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
            let error = Rules::parse(devices, pattern, &fields).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check(None, None, &[POWER], "exactly one of");
        check(Some(""), Some("x"), &[POWER], "exactly one of");
        check(None, Some("("), &[POWER], "pattern: ");
        check(None, Some("(?P<x>.)"), &[POWER], "the pattern has no group power");
        check(Some("a..b"), None, &[POWER], "empty part");
        check(Some(""), None, &["uuid = id"], "no field gives a reading");
        check(Some(""), None, &["accelerator_power_watts"], "has no =");
        check(Some(""), None, &["accelerator_power = p"], "is no metric of accelerators");
        check(Some(""), None, &["node_load1 = p"], "is no metric of accelerators");
        check(Some(""), None, &["accelerator_up = p"], "is given for every device");
        check(Some(""), None, &["accelerator_power_watts{a=b} = p"], "has no label a");
        check(Some(""), None, &["accelerator_power_watts{host=b} = p"], "has no label host");
        check(Some(""), None, &["accelerator_power_watts = p / 0"], "as a factor");
        check(Some(""), None, &["accelerator_power_watts = p / x"], "x is no number");
    }

    #[test]
    fn numbers() {
        for (text, expected) in [
            ("45 %", Some(45.0)),
            ("61C", Some(61.0)),
            ("-1.5e3W", Some(-1_500.0)),
            ("5e", Some(5.0)),
            ("N/A", None),
            ("", None),
            ("-", None),
            ("inf", None),
            ("1e999", None),
        ] {
            assert_eq!(leading_number(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_output_is_survived(output: Vec<u8>, json in "[\\[\\]{}\",:a0. ]{0,60}") {
            let by_path = rules(Some("*"), None, &[POWER]);
            let by_line = rules(None, Some("(?P<power>.*)"), &[POWER]);
            for rules in [by_path, by_line] {
                drop(rules.read(&output));
                drop(rules.read(json.as_bytes()));
            }
        }

        #[test]
        fn any_rule_is_survived(field: String, path: String) {
            drop(Rules::parse(Some(&path), None, std::slice::from_ref(&field)));
            drop(Rules::parse(None, Some(&path), &[field]));
        }
    }
}
