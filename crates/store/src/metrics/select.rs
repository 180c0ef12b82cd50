//! Reading: head and blocks put together.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{PoisonError, atomic::Ordering},
};

use model::{
    Labels,
    series::{Budget, MatchOp, Matcher, SelectError, SeriesData, SeriesSource, TimeRange},
};

use super::{Store, head::in_order, maintain::range_of};

/// Series found so far, each with its points in the order they were found.
#[derive(Default)]
struct Found {
    series: HashMap<Labels, (Vec<i64>, Vec<f64>)>,
    samples: u64,
}

impl Found {
    fn add(
        &mut self,
        labels: Labels,
        times: Vec<i64>,
        values: Vec<f64>,
        budget: &Budget,
    ) -> Result<(), SelectError> {
        self.samples += times.len() as u64;
        if self.samples > budget.samples_max {
            return Err(SelectError::TooManySamples);
        }
        budget.check()?;
        let series = self.series.entry(labels).or_default();
        if series.0.is_empty() {
            *series = (times, values);
        } else {
            series.0.extend(times);
            series.1.extend(values);
        }
        Ok(())
    }
}

impl SeriesSource for Store {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, SelectError> {
        // The head comes first: what moves into a block meanwhile is then seen twice, not lost.
        let copied =
            self.0.head.read().unwrap_or_else(PoisonError::into_inner).copy(matchers, range);
        let mut found = Found::default();
        for block in self.0.block_list().iter() {
            if !overlaps(range_of(block.span), range) {
                continue;
            }
            let mut result = Ok(());
            let damaged = block.select(matchers, range, |labels, times, values| {
                result = found.add(labels, times, values, budget);
                result.is_ok()
            });
            self.0.counters.chunks_damaged.fetch_add(damaged, Ordering::Relaxed);
            result?;
        }
        for series in copied {
            let (labels, times, values) = series.decode(range);
            if !times.is_empty() {
                found.add(labels, times, values, budget)?;
            }
        }
        let series = found.series.into_iter().map(|(labels, (times, values))| {
            let (times, values) = in_order(times, values);
            SeriesData { labels, times, values }
        });
        Ok(series.collect())
    }

    fn series(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<Labels>, SelectError> {
        let head = self.0.head.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: HashSet<Labels> = head.labels(matchers, range).into_iter().collect();
        drop(head);
        for block in self.0.block_list().iter() {
            if overlaps(range_of(block.span), range) {
                budget.check()?;
                block.series(matchers, range, |labels| {
                    found.insert(labels);
                });
            }
        }
        Ok(found.into_iter().collect())
    }

    fn label_names(&self, range: TimeRange, budget: &Budget) -> Result<Vec<String>, SelectError> {
        let series = self.series(&[], range, budget)?;
        let names: BTreeSet<&str> =
            series.iter().flat_map(|labels| labels.iter().map(|(name, _)| name)).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    fn label_values(
        &self,
        name: &str,
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<String>, SelectError> {
        let present = Matcher::new(name, MatchOp::NotEqual, "")
            .map_err(|error| SelectError::Storage(error.to_string()))?;
        let series = self.series(&[present], range, budget)?;
        let values: BTreeSet<&str> = series.iter().filter_map(|labels| labels.get(name)).collect();
        Ok(values.into_iter().map(str::to_owned).collect())
    }
}

fn overlaps(a: TimeRange, b: TimeRange) -> bool {
    a.start <= b.end && b.start <= a.end
}
