//! Samples as chunks of Prometheus' storage, which the streamed answer to a remote read consists of.
//!
//! Floats are packed as in Facebook's Gorilla paper: times as differences of differences, values as the
//! bits that changed. Source: `tsdb/chunkenc/xor.go`, `varbit.go`, `float_histogram.go` and
//! `histogram_meta.go` of <https://github.com/prometheus/prometheus>. A histogram gets a chunk of its own,
//! which needs none of the differences between histograms.

use model::histogram::{CUSTOM_SCHEMA, Histogram, ResetHint, Span};

/// How a chunk is packed, as `prometheus.Chunk.Encoding` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Xor = 1,
    FloatHistogram = 3,
}

/// Some samples of one series.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chunk {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) encoding: Encoding,
    pub(super) data: Vec<u8>,
}

/// Most samples of one chunk, as Prometheus cuts them.
const SAMPLES_MAX: usize = 120;

/// Packs the floats and the histograms of a series, each list in order of time. No chunk begins before the
/// one in front of it ends.
pub(super) fn chunks(floats: &[(i64, f64)], histograms: &[(i64, Histogram)]) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut rest = floats;
    for (time, histogram) in histograms {
        let (before, after) = rest.split_at(rest.partition_point(|(other, _)| other < time));
        chunks.extend(before.chunks(SAMPLES_MAX).map(xor_chunk));
        chunks.push(histogram_chunk(*time, histogram));
        rest = after;
    }
    chunks.extend(rest.chunks(SAMPLES_MAX).map(xor_chunk));
    chunks
}

/// Writes bits, the highest first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Bits of the last byte that are not taken yet.
    free: u32,
}

impl Bits {
    /// The lowest `count` bits of `value`.
    fn push(&mut self, value: u64, mut count: u32) {
        while count > 0 {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let taken = count.min(self.free);
            count -= taken;
            self.free -= taken;
            let piece = (value >> count) as u8 & (0xff >> (8 - taken));
            if let Some(last) = self.bytes.last_mut() {
                *last |= piece << self.free;
            }
        }
    }

    /// An unsigned number in groups of seven bits, the lowest first.
    fn push_uvarint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.push(number & 0x7f | 0x80, 8);
            number >>= 7;
        }
        self.push(number, 8);
    }

    fn push_varint(&mut self, number: i64) {
        self.push_uvarint((number << 1 ^ number >> 63).cast_unsigned());
    }

    /// A number in as many bits as its size needs, behind a prefix that says how many those are.
    fn push_varbit(&mut self, number: u64, fits: impl Fn(u32) -> bool) {
        const SIZES: [u32; 7] = [3, 6, 9, 12, 18, 25, 56];
        if number == 0 {
            self.push(0, 1);
            return;
        }
        let place = SIZES.iter().position(|bits| fits(*bits));
        match place.and_then(|place| SIZES.get(place)) {
            Some(bits) => {
                let ones = place.unwrap_or_default() as u32 + 1;
                // So many ones, and a zero.
                self.push((1 << (ones + 1)) - 2, ones + 1);
                self.push(number, *bits);
            }
            None => {
                self.push(0xff, 8);
                self.push(number, 64);
            }
        }
    }

    fn push_varbit_uint(&mut self, number: u64) {
        self.push_varbit(number, |bits| number.leading_zeros() >= 64 - bits);
    }

    fn push_varbit_int(&mut self, number: i64) {
        self.push_varbit(number.cast_unsigned(), |bits| fits(number, bits));
    }

    fn push_float(&mut self, value: f64) {
        self.push(value.to_bits(), 64);
    }
}

/// Whether a signed number is read back from so many bits. Unlike in two's complement the largest power of
/// two is positive.
fn fits(number: i64, bits: u32) -> bool {
    let largest = 1 << (bits - 1);
    number > -largest && number <= largest
}

/// At least one sample, at most 65,535.
fn xor_chunk(samples: &[(i64, f64)]) -> Chunk {
    let mut bits = Bits::default();
    bits.push(samples.len() as u64, 16);
    let (mut time, mut delta, mut values) = (0_i64, 0_i64, Values::default());
    for (index, (next, value)) in samples.iter().enumerate() {
        let step = next.wrapping_sub(time);
        match index {
            0 => bits.push_varint(*next),
            1 => bits.push_uvarint(step.cast_unsigned()),
            _ => push_time(&mut bits, step.wrapping_sub(delta)),
        }
        if index > 0 {
            delta = step;
        }
        values.push(&mut bits, *value, index == 0);
        time = *next;
    }
    let start = samples.first().map_or(0, |(time, _)| *time);
    Chunk { start, end: time, encoding: Encoding::Xor, data: bits.bytes }
}

/// By how much a step of time differs from the one before.
fn push_time(bits: &mut Bits, change: i64) {
    match change {
        0 => bits.push(0, 1),
        _ if fits(change, 14) => {
            bits.push(0b10, 2);
            bits.push(change.cast_unsigned(), 14);
        }
        _ if fits(change, 17) => {
            bits.push(0b110, 3);
            bits.push(change.cast_unsigned(), 17);
        }
        _ if fits(change, 20) => {
            bits.push(0b1110, 4);
            bits.push(change.cast_unsigned(), 20);
        }
        _ => {
            bits.push(0b1111, 4);
            bits.push(change.cast_unsigned(), 64);
        }
    }
}

/// What the values so far were.
#[derive(Default)]
struct Values {
    last: u64,
    /// Zeros in front of and behind the bits that changed last, where any did.
    window: Option<(u32, u32)>,
}

impl Values {
    fn push(&mut self, bits: &mut Bits, value: f64, is_first: bool) {
        let changed = value.to_bits() ^ self.last;
        self.last = value.to_bits();
        if is_first {
            bits.push(self.last, 64);
            return;
        }
        if changed == 0 {
            bits.push(0, 1);
            return;
        }
        bits.push(1, 1);
        // Five bits hold the number of leading zeros.
        let (leading, trailing) = (changed.leading_zeros().min(31), changed.trailing_zeros());
        if let Some((before, after)) = self.window
            && leading >= before
            && trailing >= after
        {
            bits.push(0, 1);
            bits.push(changed >> after, 64 - before - after);
            return;
        }
        self.window = Some((leading, trailing));
        let count = 64 - leading - trailing;
        bits.push(1, 1);
        bits.push(leading.into(), 5);
        // Six bits: 64 is written as 0, which cannot occur otherwise.
        bits.push(count.into(), 6);
        bits.push(changed >> trailing, count);
    }
}

/// Says that a threshold or a bound follows as a float.
const THRESHOLD_AS_FLOAT: u64 = 255;
const BOUND_AS_FLOAT: u64 = 0;

fn histogram_chunk(time: i64, histogram: &Histogram) -> Chunk {
    let mut bits = Bits::default();
    bits.push(1, 16);
    let hint = match histogram.reset_hint {
        ResetHint::Unknown => 0b00,
        ResetHint::NoReset => 0b01,
        ResetHint::Reset => 0b10,
        ResetHint::Gauge => 0b11,
    };
    bits.push(hint << 6, 8);
    bits.push(THRESHOLD_AS_FLOAT, 8);
    bits.push_float(histogram.zero_threshold);
    bits.push_varbit_int(histogram.schema.into());
    push_spans(&mut bits, &histogram.positive.spans);
    push_spans(&mut bits, &histogram.negative.spans);
    if histogram.schema == CUSTOM_SCHEMA {
        bits.push_varbit_uint(histogram.custom_bounds.len() as u64);
        for bound in &histogram.custom_bounds {
            bits.push(BOUND_AS_FLOAT, 1);
            bits.push_float(*bound);
        }
    }
    bits.push_varbit_int(time);
    let totals = [histogram.count, histogram.zero_count, histogram.sum];
    let counts = histogram.positive.counts.iter().chain(&histogram.negative.counts);
    totals.iter().chain(counts).for_each(|number| bits.push_float(*number));
    Chunk { start: time, end: time, encoding: Encoding::FloatHistogram, data: bits.bytes }
}

fn push_spans(bits: &mut Bits, spans: &[Span]) {
    bits.push_varbit_uint(spans.len() as u64);
    for span in spans {
        bits.push_varbit_uint(span.length.into());
        bits.push_varbit_int(span.offset.into());
    }
}

#[cfg(test)]
pub(super) mod tests {
    use model::histogram::Buckets;
    use proptest::prelude::*;

    use super::*;

    /// What Prometheus' own storage wrote for [`SAMPLES`] (`promtool tsdb create-blocks-from` 2.42).
    const PACKED: &str = "000a80a0abfef9623ff000000000000098754000e137ffb7ffd801c000e0faf8cf90f22001d67e14\
                          c08c3f418e7da51199ec07e00000000001b7741006aaaaaaaaaaaaffffffffffffe1f0b0f0000000\
                          0001e49e8c5f7fa666666666666bfffffffffffc36e2587fffe0000000000002";
    const SAMPLES: &[(i64, f64)] = &[
        (1_700_000_000_000, 1.0),
        (1_700_000_015_000, 1.0),
        (1_700_000_030_001, 2.5),
        (1_700_000_045_000, -2.5),
        (1_700_000_060_000, 1e300),
        (1_700_000_160_000, 0.1),
        (1_700_001_160_000, 0.1 + 0.2),
        (1_700_001_175_000, 0.1 + 0.2),
        (1_700_003_175_000, 5e-324),
        (1_700_003_190_250, f64::INFINITY),
    ];

    #[test]
    fn floats_are_packed_as_prometheus_does() {
        let chunk = xor_chunk(SAMPLES);
        let packed: String = chunk.data.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(packed, PACKED);
        assert_eq!((chunk.start, chunk.end), (1_700_000_000_000, 1_700_003_190_250));
        assert_eq!(unpack(&chunk), SAMPLES);
    }

    /// Reads bits back.
    struct Reader<'a>(&'a [u8], usize);

    impl Reader<'_> {
        fn bits(&mut self, count: usize) -> u64 {
            (0..count).fold(0, |number, _| {
                let bit = self.0[self.1 / 8] >> (7 - self.1 % 8) & 1;
                self.1 += 1;
                number << 1 | u64::from(bit)
            })
        }

        fn signed(&mut self, count: usize) -> i64 {
            let number = self.bits(count).cast_signed();
            if count < 64 && number > 1 << (count - 1) { number - (1 << count) } else { number }
        }

        /// Ones up to the next zero, at most so many.
        fn ones(&mut self, max: usize) -> usize {
            (0..max).take_while(|_| self.bits(1) == 1).count()
        }

        fn uvarint(&mut self) -> u64 {
            let (mut number, mut shift) = (0, 0);
            loop {
                let byte = self.bits(8);
                number |= (byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    return number;
                }
            }
        }

        fn varbit_size(&mut self) -> usize {
            [0, 3, 6, 9, 12, 18, 25, 56, 64][self.ones(8)]
        }

        fn varbit(&mut self) -> i64 {
            match self.varbit_size() {
                0 => 0,
                size => self.signed(size),
            }
        }

        fn varbit_uint(&mut self) -> u64 {
            let size = self.varbit_size();
            self.bits(size)
        }

        fn float(&mut self) -> f64 {
            f64::from_bits(self.bits(64))
        }
    }

    /// The floats of a chunk.
    pub(in super::super) fn unpack(chunk: &Chunk) -> Vec<(i64, f64)> {
        assert_eq!(chunk.encoding, Encoding::Xor);
        let mut reader = Reader(&chunk.data, 0);
        let count = reader.bits(16);
        let (mut time, mut delta, mut value, mut leading, mut size) = (0_i64, 0_i64, 0, 0, 0);
        let mut samples = Vec::new();
        for index in 0..count {
            match index {
                0 => {
                    let number = reader.uvarint();
                    time = (number >> 1).cast_signed() ^ -(number & 1).cast_signed();
                }
                1 => delta = reader.uvarint().cast_signed(),
                _ => {
                    let change = match reader.ones(4) {
                        0 => 0,
                        ones => reader.signed([14, 17, 20, 64][ones - 1]),
                    };
                    delta = delta.wrapping_add(change);
                }
            }
            time = time.wrapping_add(delta);
            if index == 0 {
                value = reader.bits(64);
            } else if reader.bits(1) == 1 {
                if reader.bits(1) == 1 {
                    leading = reader.bits(5) as usize;
                    size = match reader.bits(6) {
                        0 => 64,
                        size => size as usize,
                    };
                }
                value ^= reader.bits(size) << (64 - leading - size);
            }
            samples.push((time, f64::from_bits(value)));
        }
        samples
    }

    fn unpack_histogram(chunk: &Chunk) -> (i64, Histogram) {
        assert_eq!(chunk.encoding, Encoding::FloatHistogram);
        let mut reader = Reader(&chunk.data, 0);
        assert_eq!(reader.bits(16), 1);
        let hints = [ResetHint::Unknown, ResetHint::NoReset, ResetHint::Reset, ResetHint::Gauge];
        let reset_hint = hints[(reader.bits(8) >> 6) as usize];
        assert_eq!(reader.bits(8), 255);
        let zero_threshold = reader.float();
        let schema = reader.varbit() as i8;
        let mut spans = || -> Vec<Span> {
            let count = reader.varbit_uint();
            let span = |_| {
                let length = reader.varbit_uint() as u32;
                Span { length, offset: reader.varbit() as i32 }
            };
            (0..count).map(span).collect()
        };
        let (positive, negative) = (spans(), spans());
        let mut custom_bounds = Vec::new();
        if schema == CUSTOM_SCHEMA {
            for _ in 0..reader.varbit_uint() {
                assert_eq!(reader.bits(1), 0);
                custom_bounds.push(reader.float());
            }
        }
        let time = reader.varbit();
        let (count, zero_count, sum) = (reader.float(), reader.float(), reader.float());
        let mut counts = |spans: Vec<Span>| {
            let length: u32 = spans.iter().map(|span| span.length).sum();
            Buckets { counts: (0..length).map(|_| reader.float()).collect(), spans }
        };
        let (positive, negative) = (counts(positive), counts(negative));
        let histogram = Histogram {
            reset_hint,
            schema,
            zero_threshold,
            zero_count,
            count,
            sum,
            positive,
            negative,
            custom_bounds,
        };
        (time, histogram)
    }

    pub(in super::super) fn example(schema: i8) -> Histogram {
        let spans = vec![Span { offset: -300, length: 2 }, Span { offset: 7, length: 1 }];
        Histogram {
            reset_hint: ResetHint::Gauge,
            schema,
            zero_threshold: 1e-128,
            zero_count: 1.5,
            count: 12.0,
            sum: -3.25,
            positive: Buckets { spans, counts: vec![1.0, 0.0, 2.5] },
            negative: Buckets { spans: vec![Span { offset: 0, length: 1 }], counts: vec![4.0] },
            custom_bounds: if schema == CUSTOM_SCHEMA { vec![-1.0, 0.1, 5.0] } else { Vec::new() },
        }
    }

    #[test]
    fn histograms_are_read_back() {
        for schema in [-4, 0, 8, CUSTOM_SCHEMA] {
            for time in [0, -1, 1_700_000_000_123, i64::MAX, i64::MIN] {
                let chunk = histogram_chunk(time, &example(schema));
                assert_eq!(unpack_histogram(&chunk), (time, example(schema)));
            }
        }
    }

    #[test]
    fn chunks_are_in_order_of_time() {
        let floats: Vec<(i64, f64)> = (0..300).map(|index| (index * 10, index as f64)).collect();
        let histograms = [(5, example(1)), (2_000, example(2))];
        let chunks = chunks(&floats[1..], &histograms);
        let spans: Vec<(i64, i64)> = chunks.iter().map(|chunk| (chunk.start, chunk.end)).collect();
        assert_eq!(spans, [(5, 5), (10, 1_200), (1_210, 1_990), (2_000, 2_000), (2_000, 2_990)]);
    }

    proptest! {
        #[test]
        fn floats_are_read_back(
            start: i64,
            steps in prop::collection::vec((0_i64..1 << 40, 0..40_u32, any::<u64>(), 0..64_u32), 1..200),
        ) {
            let mut time = start;
            let samples: Vec<(i64, f64)> = steps
                .iter()
                .map(|(step, less, bits, shift)| {
                    time = time.wrapping_add(step >> less);
                    (time, f64::from_bits(bits >> shift << shift))
                })
                .collect();
            let bits = |samples: &[(i64, f64)]| -> Vec<(i64, u64)> {
                samples.iter().map(|(time, value)| (*time, value.to_bits())).collect()
            };
            prop_assert_eq!(bits(&unpack(&xor_chunk(&samples))), bits(&samples));
        }
    }
}
