//! Bounds of buckets.

use std::f64::consts::SQRT_2;

use model::histogram::{CUSTOM_SCHEMA, Histogram};

/// The finest schema.
const FINEST: i8 = 8;

/// The bound of bucket `index` that lies further from zero.
pub(super) fn bound(histogram: &Histogram, index: i64) -> f64 {
    if histogram.schema != CUSTOM_SCHEMA {
        return power_bound(histogram.schema, index);
    }
    match usize::try_from(index) {
        Ok(index) => histogram.custom_bounds.get(index).copied().unwrap_or(f64::INFINITY),
        Err(_) => f64::NEG_INFINITY,
    }
}

/// `2^(index * 2^-schema)`, rounded as Prometheus rounds it.
pub(super) fn power_bound(schema: i8, index: i64) -> f64 {
    let (fraction, exponent) = if schema < 0 {
        (0.5, (index << schema.unsigned_abs()) + 1)
    } else {
        let steps = 1 << schema;
        let place = index.rem_euclid(steps) << (FINEST - schema).max(0);
        let fraction = FRACTIONS.get(place as usize).copied().unwrap_or(0.5);
        (fraction, index.div_euclid(steps) + 1)
    };
    // The largest number lies below the bound that the formula has; what lies above is the bucket of infinities.
    if fraction == 0.5 && exponent == 1025 {
        return f64::MAX;
    }
    shifted(fraction, exponent)
}

/// `fraction * 2^exponent` for a fraction from 0.5 to below 1, rounded once.
fn shifted(fraction: f64, exponent: i64) -> f64 {
    match exponent {
        1025.. => f64::INFINITY,
        1024 => fraction * 2.0 * power_of_two(1023),
        -1021..1024 => fraction * power_of_two(exponent),
        // The first product is exact, the second may be subnormal.
        -1100..-1021 => fraction * power_of_two(exponent + 200) * power_of_two(-200),
        _ => 0.0,
    }
}

/// Exponents from -1022 to 1023.
fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// 2 to the power of 1/2, 1/4, ... 1/256. The first is rounded down, which the bounds of Prometheus show.
const ROOTS: [f64; FINEST as usize] = [
    SQRT_2.next_down(),
    1.189207115002721,
    1.0905077326652577,
    1.0442737824274138,
    1.0218971486541166,
    1.0108892860517005,
    1.0054299011128027,
    1.0027112750502025,
];

/// `2^(i/256 - 1)` as the product of roots, coarsest first: to the last bit the table of Prometheus, whose
/// tables for coarser schemas are parts of this one.
const FRACTIONS: [f64; 256] = {
    let mut fractions = [0.5; 256];
    let mut place = 0;
    while place < fractions.len() {
        let mut root = 0;
        while root < ROOTS.len() {
            if place >> (ROOTS.len() - 1 - root) & 1 == 1 {
                fractions[place] *= ROOTS[root];
            }
            root += 1;
        }
        place += 1;
    }
    fractions
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_prometheus() {
        let check = |schema, index, expected: f64| {
            let bound = power_bound(schema, index);
            assert_eq!(bound.to_bits(), expected.to_bits(), "{schema} {index}: {bound}");
        };
        // From the tables and tests in `model/histogram` of Prometheus.
        check(0, 0, 1.0);
        check(0, -1, 0.5);
        check(0, 3, 8.0);
        check(0, 1023, 2.0_f64.powi(1023));
        check(0, 1024, f64::MAX);
        check(0, 1025, f64::INFINITY);
        check(0, -1074, f64::from_bits(1));
        check(0, -1075, 0.0);
        check(0, -1022, f64::MIN_POSITIVE);
        check(1, 1, SQRT_2.next_down());
        check(1, -1, SQRT_2.next_down() / 2.0);
        check(2, 1, 2.0 * 0.5946035575013605);
        check(2, 3, 2.0 * 0.8408964152537144);
        check(4, -1, 0.9576032806985735);
        check(6, 10 * 64 + 21, 0.6276903785123455 * 2048.0);
        check(7, 127, 2.0 * 0.9945994234836328);
        check(8, 1, 2.0 * 0.5013556375251013);
        check(8, 135, 2.0 * 0.7206365595643126);
        check(8, 206, 2.0 * 0.8733836930995842);
        check(8, 252, 2.0 * 0.9892280131939752);
        check(8, 255, 2.0 * 0.9972960560854698);
        check(8, 1024 * 256, f64::MAX);
        check(8, 1024 * 256 + 1, f64::INFINITY);
        check(-1, 1, 4.0);
        check(-1, -1, 0.25);
        check(-1, 512, f64::MAX);
        check(-2, 3, 4096.0);
        check(-4, 64, f64::MAX);
        check(-4, 65, f64::INFINITY);
        check(-4, i64::from(i32::MIN), 0.0);
        check(8, i64::from(i32::MIN), 0.0);
        check(8, i64::from(i32::MAX), f64::INFINITY);
    }

    #[test]
    fn custom_bounds() {
        let histogram = Histogram {
            schema: CUSTOM_SCHEMA,
            custom_bounds: vec![-1.0, 2.5],
            ..Histogram::default()
        };
        let bounds: Vec<f64> = (-1..4).map(|index| bound(&histogram, index)).collect();
        assert_eq!(bounds, [f64::NEG_INFINITY, -1.0, 2.5, f64::INFINITY, f64::INFINITY]);
    }

    #[test]
    fn bounds_rise() {
        for schema in -4..=FINEST {
            let step = |index: i64| index * 7;
            for index in -30_000..30_000 {
                let (low, high) =
                    (power_bound(schema, step(index)), power_bound(schema, step(index) + 1));
                // The smallest numbers lie too far apart.
                let is_known = low < high || high < f64::MIN_POSITIVE || low.is_infinite();
                assert!(is_known, "{schema} {index}");
            }
        }
    }
}
