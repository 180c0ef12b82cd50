//! Reads what is asked.

use model::UnixMs;
use serde_json::{Map, Value as Json};

use super::{
    super::{
        dates::{self, DAY_MS, Unit},
        fields::Field,
        query::{Read, Reader, each, scalar},
    },
    Agg, COUNT_MAX, DEPTH_MAX, Dates, Kind, Metric, Order, Terms,
};

/// Values of a terms aggregation unless another number is asked for.
const SIZE: usize = 10;
/// Values of a terms aggregation, however many are asked for.
const SIZE_MAX: usize = 10_000;
const PERCENTS: [f64; 7] = [1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0];

pub(in super::super) fn read(reader: &mut Reader, aggs: &Json) -> Read<Vec<Agg>> {
    let mut count = 0;
    level(reader, aggs, 0, &mut count)
}

fn level(reader: &mut Reader, aggs: &Json, depth: usize, count: &mut usize) -> Read<Vec<Agg>> {
    let Json::Object(members) = aggs else { return Ok(Vec::new()) };
    if depth == DEPTH_MAX && !members.is_empty() {
        return Err(format!("aggregations are nested deeper than {DEPTH_MAX}"));
    }
    let mut found = Vec::new();
    for (name, body) in members {
        *count += 1;
        if *count > COUNT_MAX {
            return Err(format!("there are more than {COUNT_MAX} aggregations"));
        }
        let Json::Object(parts) = body else {
            return Err(format!("aggregation [{name}] must be an object"));
        };
        let inner = parts.get("aggs").or_else(|| parts.get("aggregations"));
        let inner = level(reader, inner.unwrap_or(&Json::Null), depth + 1, count)?;
        let is_kind = |key: &str| !matches!(key, "aggs" | "aggregations" | "meta");
        let Some((kind, settings)) = parts.iter().find(|(key, _)| is_kind(key)) else {
            return Err(format!("aggregation [{name}] does not say what kind it is"));
        };
        let kind = one(reader, kind, settings).map_err(|reason| format!("[{name}] {reason}"))?;
        let meta = parts.get("meta").cloned();
        found.push(Agg { name: name.clone(), kind, inner, meta });
    }
    Ok(found)
}

fn one(reader: &mut Reader, kind: &str, settings: &Json) -> Read<Kind> {
    let field = || field(settings);
    let metric = |metric| Ok(Kind::Metric(metric, field()?));
    match kind {
        "date_histogram" => dates_kind(reader, settings),
        "terms" => terms(settings),
        "histogram" => {
            let interval = settings["interval"].as_f64();
            let interval = interval.or_else(|| scalar(&settings["interval"])?.parse().ok());
            let Some(interval) = interval.filter(|interval| *interval > 0.0) else {
                return Err("needs an interval larger than 0".to_owned());
            };
            let count_min = whole(&settings["min_doc_count"]).unwrap_or(0);
            Ok(Kind::Histogram { field: field()?, interval, count_min })
        }
        "filters" => filters(reader, settings),
        "filter" => Ok(Kind::Filter(reader.read(settings)?)),
        "missing" => Ok(Kind::Missing(field()?)),
        "avg" => metric(Metric::Average),
        "sum" => metric(Metric::Sum),
        "min" => metric(Metric::Min),
        "max" => metric(Metric::Max),
        "value_count" => metric(Metric::Count),
        "stats" => metric(Metric::Stats),
        "extended_stats" => metric(Metric::ExtendedStats),
        "cardinality" => metric(Metric::Cardinality),
        "percentiles" => {
            let given = each(&settings["percents"]);
            let number = |value: &Json| scalar(value)?.parse::<f64>().ok();
            let mut percents: Vec<f64> =
                given.iter().filter_map(number).filter(|p| (0.0..=100.0).contains(p)).collect();
            if percents.is_empty() {
                percents = PERCENTS.to_vec();
            }
            percents.truncate(COUNT_MAX);
            Ok(Kind::Percentiles { field: field()?, percents })
        }
        "top_metrics" => top(settings),
        other => Err(format!("unknown aggregation type [{other}]: modelwatch does not have it")),
    }
}

fn field(settings: &Json) -> Read<Field> {
    if settings.get("script").is_some() {
        return Err("scripts are not run here".to_owned());
    }
    let name = settings["field"].as_str().ok_or("needs a field")?;
    // What counts documents.
    Ok(if name == "_index" { Field::Index } else { Field::named(name) })
}

fn whole(value: &Json) -> Option<u64> {
    value.as_u64().or_else(|| scalar(value)?.parse().ok())
}

fn dates_kind(reader: &mut Reader, settings: &Json) -> Read<Kind> {
    if field(settings)? != Field::Time {
        return Err("only @timestamp has a date_histogram".to_owned());
    }
    let text = ["fixed_interval", "calendar_interval", "interval"]
        .iter()
        .find_map(|name| scalar(settings.get(name)?))
        .ok_or("needs a fixed_interval or a calendar_interval")?;
    let calendar = dates::unit(text.strip_prefix('1').unwrap_or(&text));
    let step = calendar.or_else(|| dates::duration(&text).map(Unit::Fixed));
    let step = step.or_else(|| text.parse().ok().filter(|ms| *ms > 0).map(Unit::Fixed));
    let step = step.ok_or_else(|| format!("[{text}] is no interval"))?;
    let shift = match settings["time_zone"].as_str() {
        None => 0,
        Some(zone) => match (dates::zone_ms(zone), step) {
            (Some(ms), _) => ms,
            // Zones differ by whole hours mostly, so that shorter steps begin at the same time in all of them.
            (None, Unit::Fixed(step)) if step < DAY_MS => 0,
            (None, _) => {
                return Err(format!(
                    "the time_zone [{zone}] must be given as +hh:mm for whole days"
                ));
            }
        },
    };
    let offset = match scalar(&settings["offset"]).as_deref() {
        None | Some("0" | "0s" | "0ms") => 0,
        Some(text) => {
            let (sign, text) = match text.strip_prefix('-') {
                Some(text) => (-1, text),
                None => (1, text.strip_prefix('+').unwrap_or(text)),
            };
            sign * dates::duration(text).ok_or_else(|| format!("[{text}] is no offset"))?
        }
    };
    let bound = |name: &str, is_end| {
        ["extended_bounds", "hard_bounds"].iter().find_map(|bounds| {
            dates::time(&scalar(settings.get(bounds)?.get(name)?)?, reader.now, is_end)
        })
    };
    let bounds = bound("min", false).zip(bound("max", true));
    let count_min = whole(&settings["min_doc_count"]).unwrap_or(0);
    let is_millis = settings["format"].as_str() == Some("epoch_millis");
    Ok(Kind::Dates(Dates { step, shift: shift - offset, bounds, count_min, is_millis }))
}

fn terms(settings: &Json) -> Read<Kind> {
    let size = whole(&settings["size"]).map_or(SIZE, |size| usize::try_from(size).unwrap_or(SIZE));
    // It was how all of them were asked for.
    let size = if size == 0 { SIZE_MAX } else { size.min(SIZE_MAX) };
    let mut order = Vec::new();
    for given in each(&settings["order"]) {
        let Json::Object(members) = given else {
            return Err("its order must be an object".to_owned());
        };
        order.extend(members.iter().map(|(name, way)| ordered(name, way)));
    }
    if order.is_empty() {
        order.push((Order::Count, true));
    }
    Ok(Kind::Terms(Terms {
        field: field(settings)?,
        size,
        order,
        count_min: whole(&settings["min_doc_count"]).unwrap_or(1).max(1),
        missing: scalar(&settings["missing"]),
    }))
}

fn ordered(name: &str, way: &Json) -> (Order, bool) {
    let is_descending = way.as_str() != Some("asc");
    let order = match name {
        "_count" => Order::Count,
        "_key" | "_term" => Order::Key,
        name => {
            // A percentile has a point of its own in its name.
            let (metric, value) = name.split_once(['.', '[']).unwrap_or((name, "value"));
            Order::Metric(metric.to_owned(), value.trim_end_matches(']').to_owned())
        }
    };
    (order, is_descending)
}

fn filters(reader: &mut Reader, settings: &Json) -> Read<Kind> {
    let (mut filters, is_named) = (Vec::new(), settings["filters"].is_object());
    match &settings["filters"] {
        Json::Object(members) => {
            for (name, query) in members {
                filters.push((name.clone(), reader.read(query)?));
            }
        }
        other => {
            for (at, query) in each(other).iter().enumerate() {
                filters.push((at.to_string(), reader.read(query)?));
            }
        }
    }
    if filters.len() > COUNT_MAX {
        return Err(format!("has more than {COUNT_MAX} filters"));
    }
    if let Some(name) = settings["other_bucket_key"].as_str() {
        let any = filters.iter().map(|(_, node)| node.clone()).collect();
        let others = super::super::query::Node::not(super::super::query::Node::or(any));
        filters.push((name.to_owned(), others));
    }
    Ok(Kind::Filters { filters, is_named })
}

fn top(settings: &Json) -> Read<Kind> {
    let name = |metric: &Json| metric["field"].as_str().map(str::to_owned);
    let names = each(&settings["metrics"]).iter().filter_map(name);
    let fields: Vec<_> = names.map(|name| (name.clone(), Field::named(&name))).collect();
    if fields.is_empty() {
        return Err("needs metrics".to_owned());
    }
    let (sort, way) = sorting(each(&settings["sort"]).first().unwrap_or(&Json::Null));
    Ok(Kind::Top { fields, sort: Field::named(&sort), is_descending: way != "asc" })
}

/// A field and `asc` or `desc`.
fn sorting(sort: &Json) -> (String, String) {
    let way = |value: &Json| {
        value.as_str().or_else(|| value["order"].as_str()).unwrap_or("asc").to_owned()
    };
    let first = |members: &Map<String, Json>| {
        members.iter().next().map(|(name, value)| (name.clone(), way(value)))
    };
    let found = sort.as_object().and_then(first);
    found.unwrap_or_else(|| ("@timestamp".to_owned(), "desc".to_owned()))
}

/// The step that a time is in.
pub(super) fn step_of(dates: &Dates, time: UnixMs) -> UnixMs {
    let shifted = UnixMs(time.0.saturating_add(dates.shift));
    UnixMs(dates::floor(shifted, dates.step).0 - dates.shift)
}

/// The step after another.
pub(super) fn next_step(dates: &Dates, begin: UnixMs) -> UnixMs {
    let shifted = UnixMs(begin.0 + dates.shift);
    UnixMs(dates::later(shifted, dates.step, 1).0 - dates.shift)
}
