//! Requests of remote write 1.0: protobuf in a block of snappy, made before the clock runs.

use anyhow::{Context, Result};
use model::Clock;

use super::data::{self, Metrics, Target};
use crate::{binary, say, wait::Stopwatch};

/// As Prometheus sends them.
const SAMPLES_PER_REQUEST: usize = 10_000;
const SAMPLES_PER_SERIES: usize = 10;
const SERIES_PER_REQUEST: usize = SAMPLES_PER_REQUEST / SAMPLES_PER_SERIES;

/// Fields of a message, written as number and wire type.
const WRITE_SERIES: u8 = 1 << 3 | 2;
const SERIES_LABEL: u8 = 1 << 3 | 2;
const SERIES_SAMPLE: u8 = 2 << 3 | 2;
const LABEL_NAME: u8 = 1 << 3 | 2;
const LABEL_VALUE: u8 = 2 << 3 | 2;
const SAMPLE_VALUE: u8 = 1 << 3 | 1;
const SAMPLE_TIME: u8 = 2 << 3;

/// Which samples a load has.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) metrics: Metrics,
    pub(super) targets: usize,
    pub(super) scrapes: usize,
    pub(super) interval_ms: i64,
    /// The end of the interval of the last scrape.
    pub(super) end_ms: i64,
}

/// Samples, ready to be sent in order.
pub(super) struct Load {
    pub(super) shape: Shape,
    pub(super) requests: Vec<Vec<u8>>,
}

impl Shape {
    pub(super) fn series(&self) -> usize {
        self.targets * self.metrics.series_per_target()
    }

    pub(super) fn samples(&self) -> usize {
        self.series() * self.scrapes
    }

    /// From the first to the last possible sample, in seconds.
    pub(super) fn span_seconds(&self) -> i64 {
        self.scrapes as i64 * self.interval_ms / 1_000
    }

    /// When a target is scraped. Targets are spread over the interval, and its ends stay empty: a
    /// sample on the edge of a window is in or out of it depending on the version of PromQL.
    fn time_ms(&self, target: usize, scrape: usize) -> i64 {
        let start = self.end_ms - self.scrapes as i64 * self.interval_ms;
        let phase = self.interval_ms / 20 + target as i64 * 977 % (self.interval_ms * 4 / 5);
        start + scrape as i64 * self.interval_ms + phase
    }
}

impl Load {
    /// A load that ends at the last full minute.
    pub(super) fn ending_now(
        metrics: Metrics,
        targets: usize,
        scrapes: usize,
        interval_ms: i64,
    ) -> Result<Self> {
        let end_ms = Clock::system().now().0 / 60_000 * 60_000;
        let shape = Shape { metrics, targets, scrapes, interval_ms, end_ms };
        let watch = Stopwatch::start();
        let load = Self::prepare(shape)?;
        let bytes: usize = load.requests.iter().map(Vec::len).sum();
        say(&format!(
            "== {} samples of {} series, {:.2} bytes each, made in {}",
            shape.samples(),
            shape.series(),
            bytes as f64 / shape.samples() as f64,
            binary::seconds(watch.elapsed()),
        ));
        Ok(load)
    }

    fn prepare(shape: Shape) -> Result<Self> {
        let metrics = shape.metrics;
        let series_per_target = metrics.series_per_target();
        let mut targets: Vec<Target> =
            (0..shape.targets).map(|number| Target::new(metrics, number)).collect();
        let labels: Vec<Vec<u8>> = (0..shape.targets)
            .flat_map(|target| data::series(metrics, target))
            .map(|labels| encode_labels(&labels))
            .collect();
        let per_series = (SAMPLES_PER_REQUEST / shape.series()).max(SAMPLES_PER_SERIES);
        let group = SERIES_PER_REQUEST / series_per_target;
        let mut requests = Vec::new();
        for first in (0..shape.scrapes).step_by(per_series) {
            let scrapes = first..(first + per_series).min(shape.scrapes);
            for (index, targets) in targets.chunks_mut(group).enumerate() {
                let mut message = Vec::new();
                for (member, target) in targets.iter_mut().enumerate() {
                    let number = index * group + member;
                    let labels = &labels[number * series_per_target..][..series_per_target];
                    let times = scrapes.clone().map(|scrape| shape.time_ms(number, scrape));
                    encode_target(&mut message, target, labels, times);
                }
                let compressed = snap::raw::Encoder::new().compress_vec(&message);
                requests.push(compressed.context("failed to compress a request")?);
            }
        }
        Ok(Self { shape, requests })
    }
}

/// Moves a target through some scrapes and appends its series with their samples.
fn encode_target(
    message: &mut Vec<u8>,
    target: &mut Target,
    labels: &[Vec<u8>],
    times: impl Iterator<Item = i64>,
) {
    let mut bodies = labels.to_vec();
    for time in times {
        let time = time + target.jitter_ms();
        target.step();
        for (body, value) in bodies.iter_mut().zip(&target.values) {
            encode_sample(body, time, *value);
        }
    }
    for body in &bodies {
        put(message, WRITE_SERIES, body);
    }
}

fn encode_labels(labels: &data::Labels) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in labels {
        let mut label = Vec::new();
        put(&mut label, LABEL_NAME, name.as_bytes());
        put(&mut label, LABEL_VALUE, value.as_bytes());
        put(&mut bytes, SERIES_LABEL, &label);
    }
    bytes
}

fn encode_sample(bytes: &mut Vec<u8>, time_ms: i64, value: f64) {
    let mut sample = vec![SAMPLE_VALUE];
    sample.extend(value.to_le_bytes());
    sample.push(SAMPLE_TIME);
    put_varint(&mut sample, time_ms as u64);
    put(bytes, SERIES_SAMPLE, &sample);
}

/// A field that has a length.
fn put(bytes: &mut Vec<u8>, field: u8, content: &[u8]) {
    bytes.push(field);
    put_varint(bytes, content.len() as u64);
    bytes.extend(content);
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_those_of_remote_write() {
        let mut series = encode_labels(&vec![("__name__", "up".to_owned())]);
        encode_sample(&mut series, 300, 1.0);
        let mut message = Vec::new();
        put(&mut message, WRITE_SERIES, &series);
        let mut expected = b"\x0a\x1e\x0a\x0e\x0a\x08__name__\x12\x02up\x12\x0c\x09".to_vec();
        expected.extend(1_f64.to_le_bytes());
        expected.extend([0x10, 0xac, 0x02]);
        assert_eq!(message, expected);
    }

    #[test]
    fn requests_hold_ten_thousand_samples_and_end_in_time() {
        for (targets, scrapes, requests) in [(10, 25, 3), (1, 150, 2), (25, 10, 3)] {
            let shape = Shape {
                metrics: data::ALL,
                targets,
                scrapes,
                interval_ms: 5_000,
                end_ms: 1_800_000_000_000,
            };
            let load = Load::prepare(shape).unwrap();
            assert_eq!(load.requests.len(), requests, "{targets} targets, {scrapes} scrapes");
            let last = (0..targets).map(|target| shape.time_ms(target, scrapes - 1)).max().unwrap();
            assert!((shape.end_ms - 5_000..shape.end_ms - 250).contains(&last), "{last}");
        }
    }
}
