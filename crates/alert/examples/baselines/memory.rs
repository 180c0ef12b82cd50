//! Series in memory, and the lines of the text format that they are read from.

use std::{
    collections::{BTreeMap, HashMap},
    io::BufRead,
};

use model::{
    Labels, UnixMs,
    series::{Budget, Matcher, SelectError, SeriesData, SeriesSource, TimeRange},
};

/// Points of one series.
#[derive(Debug, Default)]
struct Points {
    times: Vec<i64>,
    values: Vec<f64>,
}

#[derive(Debug, Default)]
pub(crate) struct Memory {
    names: HashMap<String, BTreeMap<Labels, Points>>,
    first: Option<i64>,
    last: i64,
}

impl Memory {
    /// Points of a series come in the order of time.
    pub(crate) fn push(&mut self, labels: &Labels, time: i64, value: f64) {
        let of_name = self.names.entry(labels.name().to_owned()).or_default();
        let points = match of_name.get_mut(labels) {
            Some(points) => points,
            None => of_name.entry(labels.clone()).or_default(),
        };
        points.times.push(time);
        points.values.push(value);
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = self.last.max(time);
    }

    /// The times of the first and the last point.
    pub(crate) fn span(&self) -> Option<(i64, i64)> {
        self.first.map(|first| (first, self.last))
    }

    pub(crate) fn series_count(&self) -> usize {
        self.names.values().map(BTreeMap::len).sum()
    }

    /// Reads `name{label="value",...} value milliseconds`; other lines are passed over.
    pub(crate) fn read(input: impl BufRead) -> std::io::Result<Self> {
        let mut memory = Self::default();
        let mut known: HashMap<String, Labels> = HashMap::new();
        for line in input.lines() {
            let line = line?;
            let Some((series, rest)) = line.rsplit_once("} ") else { continue };
            let Some((value, time)) = rest.split_once(' ') else { continue };
            let (Ok(value), Ok(time)) = (value.parse(), time.trim().parse()) else { continue };
            let labels = match known.get(series) {
                Some(labels) => labels.clone(),
                None => {
                    let Some(labels) = labels(series) else { continue };
                    known.insert(series.to_owned(), labels.clone());
                    labels
                }
            };
            memory.push(&labels, time, value);
        }
        Ok(memory)
    }
}

/// Labels whose values hold neither quotes nor backslashes.
fn labels(series: &str) -> Option<Labels> {
    let (name, rest) = series.split_once('{')?;
    let pairs = rest.split("\",").filter_map(|pair| {
        let (name, value) = pair.split_once("=\"")?;
        Some((name, value.trim_end_matches('"')))
    });
    Some(Labels::metric(name, pairs))
}

impl SeriesSource for Memory {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, SelectError> {
        budget.check()?;
        let name = matchers.iter().find(|matcher| matcher.name == model::NAME);
        let of_name = name.and_then(|name| self.names.get(&name.value));
        let matches = |labels: &Labels| {
            let value = |matcher: &Matcher| labels.get(&matcher.name).unwrap_or_default();
            matchers.iter().all(|matcher| matcher.matches(value(matcher)))
        };
        let wanted = of_name.into_iter().flatten().filter(|(labels, _)| matches(labels));
        let cut = |(labels, points): (&Labels, &Points)| {
            let from = points.times.partition_point(|time| *time < range.start.0);
            let to = points.times.partition_point(|time| *time <= range.end.0);
            let (times, values) = (points.times.get(from..to)?, points.values.get(from..to)?);
            let (times, values) = (times.to_vec(), values.to_vec());
            (!times.is_empty()).then(|| SeriesData { labels: labels.clone(), times, values })
        };
        Ok(wanted.filter_map(cut).collect())
    }

    fn series(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<Labels>, SelectError> {
        let series = self.select(matchers, range, budget)?;
        Ok(series.into_iter().map(|series| series.labels).collect())
    }

    fn oldest_sample(&self) -> UnixMs {
        self.first.map_or(UnixMs::MAX, UnixMs)
    }
}
