//! Accelerators and machines.

use std::{cmp::Reverse, collections::BTreeMap};

use model::{Labels, catalogue as metric};
use report::facts::{AcceleratorFacts, DiskFacts, HostFacts};

use super::{
    Period,
    ask::{Ask, Course, Failure, known},
};

/// Labels that name an accelerator.
const DEVICE: &str = "host, index, uuid, model";
/// File systems of these kinds do not fill up, or not by themselves.
const FILE_SYSTEMS: &str =
    "fstype!~\"tmpfs|ramfs|overlay|squashfs|devtmpfs|iso9660|efivarfs|vfat\"";
/// Reasons that are no trouble.
const HARMLESS: [&str; 3] = ["idle", "app_clocks", "none"];
/// A file system that fills up more slowly than this does not fill up: ten years.
const FULL_MAX_SECONDS: f64 = 3_650.0 * 86_400.0;
/// Slots from which the way of a file system can be told.
const POINTS_MIN: usize = 6;

type Devices = BTreeMap<String, AcceleratorFacts>;

/// By host and index.
fn key(labels: &Labels) -> String {
    let get = |name: &str| labels.get(name).unwrap_or_default();
    // So that 10 comes behind 9.
    format!("{}\n{:>8}\n{}", get("host"), get("index"), get("uuid"))
}

/// All accelerators, and the energy of all.
pub(super) fn accelerators(
    ask: &Ask<'_>,
    period: Period,
) -> Result<(Vec<AcceleratorFacts>, Option<f64>), Failure> {
    let mut found = Devices::new();
    let window = format!("{}s", period.seconds());
    let mut read = |text: String, put: &dyn Fn(&mut AcceleratorFacts, f64)| {
        for (labels, value) in ask.at(period.end, &text)? {
            let get = |name: &str| labels.get(name).unwrap_or_default().to_owned();
            let device = found.entry(key(&labels)).or_insert_with(|| AcceleratorFacts {
                host: get("host"),
                index: get("index"),
                model: get("model"),
                ..AcceleratorFacts::default()
            });
            put(device, value);
        }
        Ok::<_, Failure>(())
    };
    let over = |metric: &metric::Metric, outer: &str, function: &str| {
        format!("{outer} by ({DEVICE}) ({function}({}[{window}]))", metric.name)
    };
    read(over(&metric::ACCELERATOR_UP, "max", "avg_over_time"), &|it, up| it.up = Some(up))?;
    let used = over(&metric::ACCELERATOR_MEMORY_USED_BYTES, "max", "max_over_time");
    let total = over(&metric::ACCELERATOR_MEMORY_TOTAL_BYTES, "max", "max_over_time");
    read(over(&metric::ACCELERATOR_UTILIZATION_RATIO, "avg", "avg_over_time"), &|it, value| {
        it.utilization_mean = Some(value);
    })?;
    read(format!("{used} / {total}"), &|it, part| it.memory_max = Some(part))?;
    read(total, &|it, bytes| it.memory_total_bytes = Some(bytes))?;
    read(over(&metric::ACCELERATOR_TEMPERATURE_CELSIUS, "max", "max_over_time"), &|it, value| {
        it.temperature_max = Some(value);
    })?;
    read(over(&metric::ACCELERATOR_POWER_WATTS, "max", "avg_over_time"), &|it, watts| {
        it.watts_mean = Some(watts);
    })?;
    for course in joule_courses(ask, period)? {
        if let Some(device) = found.get_mut(&key(&course.labels)) {
            device.joules = course.sum();
        }
    }
    let reasons = "host, index, uuid, model, reason";
    for course in ask.growth(period, &metric::ACCELERATOR_THROTTLE_SECONDS_TOTAL, "", reasons)? {
        let reason = course.label("reason");
        let seconds = course.sum().filter(|seconds| *seconds >= 1.0);
        let device = found.get_mut(&key(&course.labels));
        if let Some((device, seconds)) = device.zip(seconds)
            && !HARMLESS.contains(&reason)
        {
            device.throttled.push((reason.to_owned(), seconds));
        }
    }
    for course in ask.growth(period, &metric::ACCELERATOR_ERRORS_TOTAL, "", DEVICE)? {
        if let Some(device) = found.get_mut(&key(&course.labels)) {
            device.errors = course.sum();
        }
    }
    for device in found.values_mut() {
        device.throttled.sort_by(|a, b| b.1.total_cmp(&a.1));
    }
    let joules = found.values().filter_map(|one| one.joules).reduce(|sum, one| sum + one);
    Ok((found.into_values().collect(), joules))
}

/// The energy of all accelerators.
pub(super) fn joules(ask: &Ask<'_>, period: Period) -> Result<Option<f64>, Failure> {
    let courses = joule_courses(ask, period)?;
    Ok(courses.iter().filter_map(Course::sum).reduce(|sum, one| sum + one))
}

/// From the counter of energy where there is one, else from power.
fn joule_courses(ask: &Ask<'_>, period: Period) -> Result<Vec<Course>, Failure> {
    let counted = ask.growth(period, &metric::ACCELERATOR_ENERGY_JOULES_TOTAL, "", DEVICE)?;
    let name = metric::ACCELERATOR_POWER_WATTS.name;
    let text = format!("max by ({DEVICE}) (avg_over_time({name}[$w]))");
    let mut courses = counted;
    let has = |courses: &[Course], labels: &Labels| {
        courses.iter().any(|course| key(&course.labels) == key(labels))
    };
    let seconds = period.slot_ms as f64 / 1e3;
    for mut course in ask.over(period, &text)? {
        if !has(&courses, &course.labels) {
            course.values.iter_mut().for_each(|watts| *watts *= seconds);
            courses.push(course);
        }
    }
    Ok(courses)
}

/// All machines by name.
pub(super) fn hosts(ask: &Ask<'_>, period: Period) -> Result<Vec<HostFacts>, Failure> {
    const HOST: &str = "instance, job";
    let window = format!("{}s", period.seconds());
    let mut found: BTreeMap<String, HostFacts> = BTreeMap::new();
    let mut read = |text: &str, put: &dyn Fn(&mut HostFacts, f64)| {
        for (labels, value) in ask.at(period.end, text)? {
            put(host(&mut found, &labels), value);
        }
        Ok::<_, Failure>(())
    };
    let memory = |field: &str| metric::NODE_MEMORY_BYTES.name.replace('*', field);
    let total = format!("max by ({HOST}) (last_over_time({}[{window}]))", memory("MemTotal"));
    read(&total, &|host, bytes| host.memory_total_bytes = Some(bytes))?;
    let least = memory("MemAvailable");
    let least = format!("min by ({HOST}) (min_over_time({least}[{window}]))");
    read(&least, &|host, bytes| host.memory_available_min = Some(bytes))?;
    for (name, part) in busy(ask, period)? {
        if let Some(host) = found.get_mut(&name) {
            host.cpu_mean = Some(part);
        }
    }
    let by = "instance, job, mountpoint, device";
    let over = |metric: &metric::Metric, function: &str| {
        format!("max by ({by}) ({function}({}{{{FILE_SYSTEMS}}}[$w]))", metric.name)
    };
    let sizes = ask.over(period, &over(&metric::NODE_FILESYSTEM_SIZE_BYTES, "last_over_time"))?;
    let all = ask.over(period, &over(&metric::NODE_FILESYSTEM_AVAIL_BYTES, "min_over_time"))?;
    for course in each_once(all) {
        let size = sizes.iter().find(|size| size.labels == course.labels);
        let size = size.and_then(|size| known(&size.values).last());
        let available = known(&course.values).last();
        if let Some((size_bytes, available_bytes)) = size.zip(available) {
            host(&mut found, &course.labels).disks.push(DiskFacts {
                mountpoint: course.label("mountpoint").to_owned(),
                size_bytes,
                available_bytes,
                full_in_seconds: full_in(&course.values, period.slot_ms as f64 / 1e3),
            });
        }
    }
    Ok(found.into_values().collect())
}

/// Each file system of a machine once, by where it is mounted, also where several tell of it, as node_exporter beside
/// us: as whoever told of it last does, and of several such who told of it longest.
fn each_once(all: Vec<Course>) -> Vec<Course> {
    let rank = |course: &Course| {
        let last = course.values.iter().rposition(|value| value.is_finite());
        // Of equals always the same one.
        (last, known(&course.values).count(), Reverse(course.labels.clone()))
    };
    let mut found: BTreeMap<(String, String), Course> = BTreeMap::new();
    for course in all {
        let place = (name(&course.labels).to_owned(), course.label("mountpoint").to_owned());
        let is_better = found.get(&place).is_none_or(|other| rank(other) < rank(&course));
        if is_better {
            found.insert(place, course);
        }
    }
    found.into_values().collect()
}

/// The name of a machine, without its port.
fn name(labels: &Labels) -> &str {
    let instance = labels.get("instance").unwrap_or_default();
    instance.rsplit_once(':').map_or(instance, |(name, _)| name)
}

fn host<'a>(found: &'a mut BTreeMap<String, HostFacts>, labels: &Labels) -> &'a mut HostFacts {
    let name = name(labels).to_owned();
    found.entry(name.clone()).or_insert_with(|| HostFacts { name, ..HostFacts::default() })
}

/// The part of the CPUs' time that was not idle, by machine.
fn busy(ask: &Ask<'_>, period: Period) -> Result<Vec<(String, f64)>, Failure> {
    let by = "instance, job, mode";
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for course in ask.growth(period, &metric::NODE_CPU_SECONDS_TOTAL, "", by)? {
        let (idle, all) = sums.entry(name(&course.labels).to_owned()).or_default();
        let seconds = course.sum().unwrap_or(0.0);
        *all += seconds;
        *idle += if course.label("mode") == "idle" { seconds } else { 0.0 };
    }
    let part =
        |(name, (idle, all)): (String, (f64, f64))| (all > 0.0).then(|| (name, 1.0 - idle / all));
    Ok(sums.into_iter().filter_map(part).collect())
}

/// When what is left will be used up, by the line that fits best; nothing where it is not clear that it falls.
fn full_in(values: &[f64], slot_seconds: f64) -> Option<f64> {
    let points: Vec<(f64, f64)> = values
        .iter()
        .enumerate()
        .filter(|(_, value)| value.is_finite())
        .map(|(at, value)| (at as f64 * slot_seconds, *value))
        .collect();
    if points.len() < POINTS_MIN {
        return None;
    }
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|it| it.0), mean(|it| it.1));
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in &points {
        xx += (x - mean_x).powi(2);
        xy += (x - mean_x) * (y - mean_y);
        yy += (y - mean_y).powi(2);
    }
    let slope = xy / xx;
    let rest = (yy - slope * xy).max(0.0) / (count - 2.0);
    // Twice the error of the slope: else it may as well be level.
    let is_clear = slope + 2.0 * (rest / xx).sqrt() < 0.0;
    let left = points.last()?.1 / -slope;
    (is_clear && left < FULL_MAX_SECONDS).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_that_two_tell_of_is_told_once() {
        let course = |instance: &str, job: &str, mountpoint: &str, values: &[f64]| {
            let labels = [("instance", instance), ("job", job), ("mountpoint", mountpoint)];
            Course { labels: Labels::from_pairs(labels), values: values.to_vec() }
        };
        let all = [
            course("node-1:9700", "modelwatch", "/", &[f64::NAN, 5.0, 5.0]),
            course("node-1:9100", "node", "/", &[7.0, 7.0, 7.0]),
            course("node-1:9700", "modelwatch", "/data", &[1.0, 1.0, 1.0]),
            course("node-1:9100", "node", "/data", &[1.0, 1.0, 1.0]),
            course("node-2:9100", "node", "/", &[f64::NAN, f64::NAN, 2.0]),
            course("node-2:9700", "modelwatch", "/", &[3.0, 3.0, f64::NAN]),
        ];
        let told = |all: Vec<Course>| {
            let told = each_once(all).into_iter();
            let place = |it: &Course| format!("{}{}", it.label("instance"), it.label("mountpoint"));
            told.map(|it| place(&it)).collect::<Vec<_>>()
        };
        let expected = ["node-1:9100/", "node-1:9100/data", "node-2:9100/"];
        assert_eq!(told(all.to_vec()), expected);
        assert_eq!(told(all.into_iter().rev().collect()), expected);
    }

    #[test]
    fn only_what_clearly_falls_is_forecast() {
        let falling: Vec<f64> = (0..100).map(|at| 1_000.0 - f64::from(at) * 5.0).collect();
        let left = full_in(&falling, 60.0).unwrap();
        assert!((left - 505.0 / 5.0 * 60.0).abs() < 1.0, "{left}");
        let saw: Vec<f64> = (0..100).map(|at| 1_000.0 + f64::from(at % 2)).collect();
        let growing: Vec<f64> = (0..100).map(f64::from).collect();
        let slow: Vec<f64> = (0..100).map(|at| 1e12 - f64::from(at)).collect();
        for values in [&saw[..], &growing, &slow, &falling[..5], &[f64::NAN; 50], &[]] {
            assert_eq!(full_in(values, 60.0), None, "{values:?}");
        }
    }
}
