//! Taking histograms in: judged one by one, then the log, then the head, as floats are.

use std::{collections::HashMap, io, sync::atomic::Ordering};

use model::{Labels, UnixMs, histogram::Histogram};

use super::{Encoded, codec};
use crate::metrics::{
    AppendError, Appended, Fsync, Inner, Metrics, Refusal,
    append::Writer,
    head::{Head, Outcome},
    wal::Ref,
};

/// A histogram that is to be stored.
struct Accepted<'a> {
    series: Ref,
    labels: &'a Labels,
    time: i64,
    encoded: Encoded,
}

impl Metrics {
    pub(in crate::metrics) fn append_histograms(
        &self,
        points: &[(Labels, UnixMs, Histogram)],
        appended: &mut Appended,
    ) -> Result<(), AppendError> {
        let encoded = points.iter().map(|(_, _, histogram)| {
            histogram.check().is_ok().then(|| Encoded::from(codec::encode(histogram)))
        });
        let encoded: Vec<Option<Encoded>> = encoded.collect();
        let mut writer = self.0.writer_when_thawed(|frozen| {
            points.iter().any(|(_, time, _)| (frozen.start..=frozen.end).contains(time))
        });
        let accepted = self.0.admit_histograms(points, &encoded, appended);
        let result = self.0.write_histograms(&mut writer, accepted);
        self.0.note_append(&writer, result)
    }
}

impl Inner {
    /// Decides on each point and returns those to be stored.
    fn admit_histograms<'a>(
        &self,
        points: &'a [(Labels, UnixMs, Histogram)],
        encoded: &[Option<Encoded>],
        appended: &mut Appended,
    ) -> Vec<Accepted<'a>> {
        let now = self.clock.now();
        let mut head = self.head_mut();
        let mut accepted = Vec::new();
        let mut twins: HashMap<(Ref, i64), &Encoded> = HashMap::new();
        for ((labels, time, _), encoded) in points.iter().zip(encoded) {
            let Some(encoded) = encoded else {
                appended.refuse(Refusal::InvalidHistogram, 1);
                continue;
            };
            let verdict = self.series_for(&mut head, labels).and_then(|series| {
                let outcome = match twins.get(&(series, time.0)) {
                    Some(twin) if **twin == *encoded => Outcome::Repeated,
                    Some(_) => Outcome::Duplicate,
                    None => self.judge_histogram(&head, series, time.0, now, encoded)?,
                };
                Ok((series, outcome))
            });
            match verdict {
                Ok((series, Outcome::Accepted)) => {
                    twins.insert((series, time.0), encoded);
                    let encoded = Encoded::clone(encoded);
                    accepted.push(Accepted { series, labels, time: time.0, encoded });
                }
                Ok((_, Outcome::Repeated)) => {}
                Ok((_, Outcome::Duplicate)) => {
                    appended.refuse(Refusal::Duplicate, 1);
                    continue;
                }
                Err(refusal) => {
                    appended.refuse(refusal, 1);
                    continue;
                }
            }
            appended.histograms += 1;
        }
        accepted
    }

    fn judge_histogram(
        &self,
        head: &Head,
        series: Ref,
        time: i64,
        now: UnixMs,
        encoded: &Encoded,
    ) -> Result<Outcome, Refusal> {
        let newest = head.get(series).map_or(i64::MIN, |series| series.newest);
        self.is_welcome(time, newest, now)?;
        Ok(head.judge_histogram(series, time, encoded))
    }

    /// Log first, then head.
    fn write_histograms(&self, writer: &mut Writer, accepted: Vec<Accepted<'_>>) -> io::Result<()> {
        if accepted.is_empty() {
            return Ok(());
        }
        let points = accepted.iter();
        writer.wal.append_histograms(
            points.map(|point| (point.series, point.labels, point.time, &*point.encoded)),
        )?;
        if self.options.fsync == Fsync::EveryBatch {
            writer.wal.sync()?;
        }
        let count = accepted.len() as u64;
        let mut head = self.head_mut();
        for Accepted { series, time, encoded, .. } in accepted {
            head.push_histogram(series, time, encoded);
        }
        self.counters.samples_appended.fetch_add(count, Ordering::Relaxed);
        Ok(())
    }
}
