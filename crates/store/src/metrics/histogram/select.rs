//! Reading histograms: head and blocks put together.

use std::{collections::HashMap, sync::atomic::Ordering};

use model::{
    Labels,
    histogram::Histogram,
    series::{Budget, HistogramSeries, Matcher, SelectError, TimeRange},
};

use super::{Point, decode, in_order};
use crate::metrics::{Metrics, block::Scratch, delete::erase_histograms};

/// Series found so far, and what they weigh.
struct Found<'a> {
    series: Vec<(Labels, Vec<(i64, Histogram)>)>,
    places: HashMap<Labels, usize>,
    weight: u64,
    damaged: u64,
    budget: &'a Budget,
}

impl Found<'_> {
    fn add(&mut self, labels: Labels, points: &[Point]) -> Result<(), SelectError> {
        let mut decoded = Vec::with_capacity(points.len());
        for (time, encoded) in points {
            let Some(histogram) = decode(encoded) else {
                self.damaged += 1;
                continue;
            };
            self.weight += histogram.weight();
            if self.weight > self.budget.samples_max {
                return Err(SelectError::TooManySamples);
            }
            decoded.push((*time, histogram));
        }
        if !decoded.is_empty() {
            let next = self.series.len();
            let place = *self.places.entry(labels.clone()).or_insert(next);
            match self.series.get_mut(place) {
                Some((_, points)) => points.append(&mut decoded),
                None => self.series.push((labels, decoded)),
            }
        }
        self.budget.check()
    }

    /// The series in the order in which they were found first: the same question has the same answer.
    fn finish(self) -> Vec<HistogramSeries> {
        let series = self.series.into_iter().map(|(labels, mut points)| {
            in_order(&mut points);
            let (times, histograms) = points.into_iter().unzip();
            HistogramSeries { labels, times, histograms }
        });
        series.collect()
    }
}

impl Metrics {
    pub(in crate::metrics) fn find_histograms(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<HistogramSeries>, SelectError> {
        // Head, tombstones, blocks: the order in which what moves meanwhile is not lost.
        let copied = self.0.head().copy_histograms(matchers, range);
        let tombstones = self.0.tombstone_list();
        let (series, places) = Default::default();
        let mut found = Found { series, places, weight: 0, damaged: 0, budget };
        let mut scratch = Scratch::default();
        for block in self.blocks_with(0, range).iter().filter(|block| block.has_histograms()) {
            for ordinal in block.matching(matchers) {
                let Some(entry) = block.entry(ordinal) else { continue };
                if !entry.has_histograms(range) {
                    continue;
                }
                let Some(labels) = entry.labels() else { continue };
                let mut points = entry.histograms(range, &mut scratch);
                let sequence = block.description.sequence;
                erase_histograms(&tombstones, sequence, &labels, &mut points);
                found.add(labels, &points)?;
            }
        }
        for (labels, points) in copied {
            found.add(labels, &points)?;
        }
        let damaged = found.damaged + scratch.damaged;
        self.0.counters.chunks_damaged.fetch_add(damaged, Ordering::Relaxed);
        Ok(found.finish())
    }
}
