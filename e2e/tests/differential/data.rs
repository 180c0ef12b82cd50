//! The samples that both sides get: two hours of a small fleet, with everything in it that makes
//! queries hard.

use e2e::remote_write::{
    self, Protocol, Sent, double_field, field, message_v1, message_v2, varint, varint_field,
};

use anyhow::{Result, ensure};

use super::random::Random;

/// Between two samples of a series.
const INTERVAL_MS: i64 = 15_000;
/// How long the samples go on, in seconds.
pub(super) const SPAN_SECONDS: i64 = 7_200;
const SAMPLES: i64 = SPAN_SECONDS * 1_000 / INTERVAL_MS;
/// Later than a whole second, so that no sample is on the edge of a window: Prometheus 2 counts that
/// edge in where Prometheus 3 does not.
const PHASE_MS: i64 = 317;
/// Prometheus refuses what is older than its newest sample by an hour, so everything goes in slices.
const SLICE: usize = 100;
/// From this sample on `mixed_kinds` has histograms.
const MIXED_FROM: i64 = 300;
const TARGETS: [(&str, &str); 6] = [
    ("api", "host-1:8000"),
    ("api", "host-2:8000"),
    ("api", "host-3:8000"),
    ("db", "host-1:5432"),
    ("db", "host-2:5432"),
    ("edge", "host-9:80"),
];
const BOUNDS: [&str; 7] = ["0.005", "0.05", "0.25", "1.0", "2.5", "10.0", "+Inf"];
const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

struct Series {
    labels: Vec<(String, String)>,
    samples: Vec<(i64, f64)>,
}

/// A message of remote write 2.0 for each time, empty where there is no histogram.
struct Histograms {
    labels: Vec<(String, String)>,
    messages: Vec<Vec<u8>>,
}

/// What a side is able to take.
#[derive(Clone, Copy)]
pub(super) struct Abilities {
    /// Names of metrics and labels beyond ASCII.
    pub(super) utf8_names: bool,
    pub(super) native_histograms: bool,
}

struct Fleet {
    /// Unix seconds of the first sample, a whole hour.
    start: i64,
    random: Random,
    series: Vec<Series>,
    histograms: Vec<Histograms>,
}

/// Sends everything that `able` allows to `address`.
pub(super) fn send(address: &str, start: i64, able: Abilities) -> Result<()> {
    let mut fleet =
        Fleet { start, random: Random::new(42), series: Vec::new(), histograms: Vec::new() };
    fleet.counters();
    fleet.gauges();
    fleet.odd_values();
    fleet.gaps();
    fleet.classic_histograms();
    fleet.broken_histograms();
    fleet.inventory();
    if able.utf8_names {
        fleet.foreign_names();
    }
    if able.native_histograms {
        fleet.native_histograms();
    }
    for slice in 0..(SAMPLES as usize).div_ceil(SLICE) {
        let until = start * 1_000 + PHASE_MS / 2 + (slice + 1) as i64 * SLICE as i64 * INTERVAL_MS;
        let from = until - SLICE as i64 * INTERVAL_MS;
        fleet.send_floats(address, from, until)?;
        if able.native_histograms {
            fleet.send_histograms(address, slice)?;
        }
    }
    Ok(())
}

/// Unix milliseconds of a sample.
fn time(start: i64, index: i64) -> i64 {
    start * 1_000 + PHASE_MS + index * INTERVAL_MS
}

fn borrowed(labels: &[(String, String)]) -> Vec<(&str, &str)> {
    labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

impl Fleet {
    fn send_floats(&self, address: &str, from: i64, until: i64) -> Result<()> {
        let labels: Vec<Vec<(&str, &str)>> =
            self.series.iter().map(|series| borrowed(&series.labels)).collect();
        let is_before = |limit: i64| move |sample: &(i64, f64)| sample.0 < limit;
        let sent = self.series.iter().zip(&labels).map(|(series, labels)| {
            let first = series.samples.partition_point(is_before(from));
            let last = series.samples.partition_point(is_before(until));
            Sent { labels, samples: &series.samples[first..last] }
        });
        let sent: Vec<Sent<'_>> = sent.filter(|sent| !sent.samples.is_empty()).collect();
        let response = remote_write::send(address, Protocol::V1, &message_v1(&sent))?;
        ensure!(response.status < 300, "{address}: {}: {}", response.status, response.text());
        Ok(())
    }

    fn send_histograms(&self, address: &str, slice: usize) -> Result<()> {
        let labels: Vec<Vec<(&str, &str)>> =
            self.histograms.iter().map(|series| borrowed(&series.labels)).collect();
        let sent: Vec<Sent<'_>> =
            labels.iter().map(|labels| Sent { labels, samples: &[] }).collect();
        let mut series = self.histograms.iter();
        let message = message_v2(&sent, |_| {
            let messages = series.next().map_or(&[][..], |series| &series.messages);
            let wanted = messages.iter().skip(slice * SLICE).take(SLICE);
            wanted
                .filter(|message| !message.is_empty())
                .flat_map(|message| field(3, message))
                .collect()
        });
        let response = remote_write::send(address, Protocol::V2, &message)?;
        ensure!(response.status < 300, "{address}: {}: {}", response.status, response.text());
        Ok(())
    }

    /// A series with what `value` says about each index; nothing where it says nothing.
    fn add(
        &mut self,
        labels: &[(&str, &str)],
        mut value: impl FnMut(&mut Random, i64) -> Option<f64>,
    ) {
        let mut samples = Vec::new();
        for index in 0..SAMPLES {
            let value = value(&mut self.random, index);
            samples.extend(value.map(|value| (time(self.start, index), value)));
        }
        self.series.push(Series { labels: sorted(labels), samples });
    }

    fn counters(&mut self) {
        for (job, instance) in TARGETS {
            for method in ["get", "post"] {
                for code in ["200", "404", "500"] {
                    // High enough that no rate is cut at zero, which the versions do differently.
                    let mut count = 1e6 + self.random.below(1_000) as f64;
                    let labels = [
                        ("__name__", "requests_total"),
                        ("job", job),
                        ("instance", instance),
                        ("method", method),
                        ("code", code),
                    ];
                    self.add(&labels, |random, _| {
                        count += random.below(30) as f64;
                        Some(count)
                    });
                }
            }
            let mut count = 0.0;
            let labels = [("__name__", "restarting_total"), ("job", job), ("instance", instance)];
            self.add(&labels, |random, _| {
                count = if random.percent(3) { 0.0 } else { count + random.below(9) as f64 };
                Some(count)
            });
            let mut sum = 5e5;
            let labels = [("__name__", "busy_seconds_total"), ("job", job), ("instance", instance)];
            self.add(&labels, |random, _| {
                sum += random.below(1 << 20) as f64 / 3e6;
                Some(sum)
            });
        }
    }

    fn gauges(&mut self) {
        for (job, instance) in TARGETS {
            for zone in ["a", "b"] {
                let phase = self.random.below(100) as f64;
                let labels = [
                    ("__name__", "temperature_celsius"),
                    ("job", job),
                    ("instance", instance),
                    ("zone", zone),
                ];
                self.add(&labels, |random, index| {
                    let wave = ((index as f64 + phase) / 17.0).sin() * 40.0;
                    Some(wave + random.below(1_000) as f64 / 128.0)
                });
            }
            for (name, most) in [("memory_used_bytes", 1_000), ("memory_total_bytes", 1)] {
                let labels = [("__name__", name), ("job", job), ("instance", instance)];
                self.add(&labels, |random, _| {
                    Some((1_000_000 + random.below(most) * 1_000) as f64 * 4_096.0)
                });
            }
            let labels = [("__name__", "queue_length"), ("job", job), ("instance", instance)];
            self.add(&labels, |random, _| Some(random.below(6) as f64));
        }
    }

    fn odd_values(&mut self) {
        for (kind, values) in [
            ("nan", &[f64::NAN][..]),
            ("inf", &[f64::INFINITY]),
            ("neginf", &[f64::NEG_INFINITY]),
            ("mixed", &[1.0, f64::NAN, -2.5, f64::INFINITY, 3.0, f64::NEG_INFINITY]),
            ("sometimes_nan", &[1.0, 2.0, f64::NAN, 4.0]),
            ("zero", &[0.0]),
            ("constant", &[42.5]),
            ("fraction", &[0.1, 0.2, 0.7]),
            ("half", &[-1.5, -0.5, 0.5, 1.5, 2.5]),
            ("small", &[1e-300, 1e-7, 0.000_001]),
            ("large", &[1e20, 1e21, 1.234_567_890_123_456_7e19]),
            ("negative", &[-7.0, -3.0, -5.0]),
        ] {
            let labels = [("__name__", "odd"), ("job", "odd"), ("kind", kind)];
            self.add(&labels, |_, index| Some(values[index as usize % values.len()]));
        }
        for (kind, seconds) in [("leap", 1_709_164_800.0), ("late", 1_735_689_599.0), ("old", -1e9)]
        {
            let labels = [("__name__", "moment_seconds"), ("job", "odd"), ("kind", kind)];
            self.add(&labels, |_, index| Some(seconds + index as f64 * 4_321.0));
        }
    }

    fn gaps(&mut self) {
        for (kind, present) in [
            ("often", (|index| index % 40 < 25) as fn(i64) -> bool),
            ("long", |index| !(150..250).contains(&index)),
            ("rare", |index| index % 45 == 0),
            ("early", |index| index < 200),
            ("late", |index| index > 340),
        ] {
            let labels = [("__name__", "gappy"), ("job", "gaps"), ("kind", kind)];
            self.add(&labels, |random, index| present(index).then(|| random.below(50) as f64));
        }
        for (kind, period) in [("blinking", 30), ("flickering", 4)] {
            let labels = [("__name__", "stale"), ("job", "gaps"), ("kind", kind)];
            self.add(&labels, |random, index| match index % period {
                0 => Some(STALE),
                _ => Some(random.below(50) as f64),
            });
        }
        let labels = [("__name__", "gone"), ("job", "gaps"), ("kind", "stopped")];
        self.add(&labels, |_, index| match index {
            ..300 => Some(index as f64),
            300 => Some(STALE),
            _ => None,
        });
    }

    fn classic_histograms(&mut self) {
        for (job, instance) in TARGETS {
            let mut counts = [1e5; BOUNDS.len()];
            let mut buckets: Vec<Vec<f64>> = Vec::new();
            let mut sums = vec![];
            let mut sum = 7e5;
            for _ in 0..SAMPLES {
                for _ in 0..self.random.below(6) {
                    let place = self.random.below(BOUNDS.len());
                    counts[place..].iter_mut().for_each(|count| *count += 1.0);
                    sum += place as f64 / 3.0;
                }
                buckets.push(counts.to_vec());
                sums.push(sum);
            }
            let target = [("job", job), ("instance", instance)];
            for (place, bound) in BOUNDS.iter().enumerate() {
                let labels = [("__name__", "latency_seconds_bucket"), ("le", bound)];
                let labels = [&labels[..], &target].concat();
                self.add(&labels, |_, index| Some(buckets[index as usize][place]));
            }
            let labels = [&[("__name__", "latency_seconds_sum")][..], &target].concat();
            self.add(&labels, |_, index| Some(sums[index as usize]));
            let labels = [&[("__name__", "latency_seconds_count")][..], &target].concat();
            self.add(&labels, |_, index| Some(buckets[index as usize][BOUNDS.len() - 1]));
        }
    }

    fn broken_histograms(&mut self) {
        let cases: &[(&str, &[(&str, f64)])] = &[
            ("falling", &[("0.1", 10.0), ("1", 7.0), ("2.5", 20.0), ("+Inf", 15.0)]),
            ("no_infinity", &[("0.1", 1.0), ("1", 2.0)]),
            ("only_infinity", &[("+Inf", 5.0)]),
            ("empty", &[("0.1", 0.0), ("1", 0.0), ("+Inf", 0.0)]),
            ("not_a_number", &[("0.1", 1.0), ("1", f64::NAN), ("+Inf", 5.0)]),
            ("malformed", &[("0.1", 1.0), ("wide", 2.0), ("+Inf", 5.0)]),
            ("negative", &[("-10.5", 1.0), ("-0.5", 3.0), ("0.5", 4.0), ("+Inf", 6.0)]),
            ("first", &[("0.1", 9.0), ("1", 9.0), ("+Inf", 9.0)]),
            ("fractions", &[("0.1", 0.25), ("1", 0.5), ("+Inf", 0.75)]),
        ];
        for (case, buckets) in cases {
            for (bound, count) in *buckets {
                // Whole bounds are written as they are normalised on the way in.
                let bound = if *bound == "1" { "1.0" } else { *bound };
                let labels = [
                    ("__name__", "broken_bucket"),
                    ("job", "broken"),
                    ("case", case),
                    ("le", bound),
                ];
                self.add(&labels, |_, index| Some(count * (1 + index / 8) as f64));
            }
        }
        let labels = [("__name__", "broken_bucket"), ("job", "broken"), ("case", "without")];
        self.add(&labels, |_, _| Some(3.0));
    }

    /// Facts in labels, and texts that want care.
    fn inventory(&mut self) {
        for (number, (job, instance)) in TARGETS.iter().enumerate() {
            let version = ["1.2.3", "1.2.4", "2.0.0-rc.1"][number % 3];
            let labels = [
                ("__name__", "build_info"),
                ("job", job),
                ("instance", instance),
                ("version", version),
            ];
            self.add(&labels, |_, _| Some(1.0));
            let labels = [
                ("__name__", "target_info"),
                ("job", job),
                ("instance", instance),
                ("region", ["north", "south"][number % 2]),
            ];
            self.add(&labels, |_, _| Some(1.0));
        }
        for (number, text) in ["plain", "日本語", "a\"quote", "back\\slash", "two\nlines", "a.b$1"]
            .into_iter()
            .enumerate()
        {
            let labels = [("__name__", "text_length"), ("job", "texts"), ("text", text)];
            self.add(&labels, |_, _| Some((number + 1) as f64));
        }
        for (quantile, value) in [("0.5", 1.0), ("0.9", 2.0), ("0.99", 4.0)] {
            let labels = [("__name__", "summary_seconds"), ("job", "api"), ("quantile", quantile)];
            self.add(&labels, |random, _| Some(value + random.below(100) as f64 / 100.0));
        }
    }

    fn foreign_names(&mut self) {
        for place in ["münchen", "北京"] {
            let labels = [("__name__", "größe.bytes"), ("job", "texts"), ("straße", place)];
            self.add(&labels, |random, _| Some(random.below(100) as f64));
            let labels = [("__name__", "größe.total"), ("job", "texts"), ("straße", place)];
            let mut count = 0.0;
            self.add(&labels, |random, _| {
                count += random.below(100) as f64;
                Some(count)
            });
        }
    }
}

/// How native histograms of a series move.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Native {
    Counter {
        schema: i64,
    },
    Restarting,
    /// Goes up and down, with stale markers in between.
    Gauge,
    /// With bounds of its own.
    Custom,
    /// Floats for a while, histograms from then on.
    Mixed,
}

/// Four above zero, one of them apart from the others, and two below.
const BUCKETS_ABOVE: usize = 4;
const BUCKETS_BELOW: usize = 2;

impl Fleet {
    fn native_histograms(&mut self) {
        for (job, instance) in TARGETS {
            for (name, kind) in [
                ("native_seconds", Native::Counter { schema: 3 }),
                ("coarse_seconds", Native::Counter { schema: 0 }),
                ("restarting_seconds", Native::Restarting),
                ("level_seconds", Native::Gauge),
                ("custom_seconds", Native::Custom),
                ("mixed_kinds", Native::Mixed),
            ] {
                let labels = [("__name__", name), ("job", job), ("instance", instance)];
                if kind == Native::Mixed {
                    self.add(&labels, |random, index| {
                        (index < MIXED_FROM).then(|| random.below(20) as f64)
                    });
                }
                let mut counts = [40_u64; BUCKETS_ABOVE + BUCKETS_BELOW + 1];
                let mut messages = Vec::new();
                for index in 0..SAMPLES {
                    kind.step(&mut self.random, &mut counts);
                    let is_there = kind != Native::Mixed || index >= MIXED_FROM;
                    let message =
                        is_there.then(|| kind.message(&counts, index, time(self.start, index)));
                    messages.push(message.unwrap_or_default());
                }
                self.histograms.push(Histograms { labels: sorted(&labels), messages });
            }
        }
    }
}

impl Native {
    fn step(self, random: &mut Random, counts: &mut [u64]) {
        if self == Self::Restarting && random.percent(2) {
            counts.fill(0);
        }
        for count in counts {
            match self {
                Self::Gauge => *count = random.below(30) as u64,
                _ => *count += random.below(4) as u64,
            }
        }
    }

    /// `io.prometheus.write.v2.Histogram`, which is that of 1.0 as well.
    fn message(self, counts: &[u64], index: i64, time: i64) -> Vec<u8> {
        let (above, rest) = counts.split_at(BUCKETS_ABOVE);
        let (below, zero) = rest.split_at(BUCKETS_BELOW);
        let is_custom = self == Self::Custom;
        let used = if is_custom { above } else { counts };
        let mut sum = used.iter().zip(1..).map(|(count, place)| *count as f64 * place as f64).sum();
        if self == Self::Gauge && index % 50 == 0 {
            sum = STALE;
        }
        let schema = match self {
            Self::Counter { schema } => schema,
            Self::Custom => -53,
            _ => 2,
        };
        let mut message = [
            varint_field(1, used.iter().sum()),
            double_field(3, sum),
            varint_field(4, zigzag(schema)),
            field(11, &[varint_field(1, zigzag(0)), varint_field(2, 3)].concat()),
            field(11, &[varint_field(1, zigzag(1)), varint_field(2, 1)].concat()),
            field(12, &deltas(above)),
            varint_field(14, if self == Self::Gauge { 3 } else { 0 }),
            varint_field(15, time as u64),
        ]
        .concat();
        if is_custom {
            let bounds: Vec<u8> =
                [0.25_f64, 0.5, 1.0, 4.0, 10.0].into_iter().flat_map(f64::to_le_bytes).collect();
            message.extend(field(16, &bounds));
        } else {
            message.extend(double_field(5, 0.001));
            message.extend(varint_field(6, zero.iter().sum()));
            message.extend(field(8, &[varint_field(1, zigzag(0)), varint_field(2, 2)].concat()));
            message.extend(field(9, &deltas(below)));
        }
        message
    }
}

/// Each count as its difference to the one before.
fn deltas(counts: &[u64]) -> Vec<u8> {
    let mut before = 0;
    let deltas = counts.iter().map(|count| {
        let delta = *count as i64 - before;
        before = *count as i64;
        delta
    });
    deltas.flat_map(|delta| varint(zigzag(delta))).collect()
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

fn sorted(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut labels: Vec<(String, String)> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    labels.sort();
    labels
}
