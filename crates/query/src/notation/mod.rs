//! Series as Prometheus' tests write them, `up{job="a"} 1+0x3 _ stale`, and a source that holds such series: for
//! tests of rules, and for our own.
//!
//! Source: Prometheus documentation, "Unit testing for rules".

pub mod histogram;
mod memory;
mod points;
pub mod words;

use model::sample::is_stale;

pub use memory::Memory;
pub use points::{Line, Point};

/// What was read, or what is wrong with it.
pub(crate) type Read<T> = Result<T, String>;

/// Largest difference of two floats as a share of the sum of their absolute values.
const TOLERANCE: f64 = 1e-6;

/// Equality of floats as Prometheus' scripts mean it: of finite numbers other than 0 to six digits.
pub fn is_close(a: f64, b: f64) -> bool {
    if is_stale(a) || is_stale(b) {
        return is_stale(a) && is_stale(b);
    }
    if (a.is_nan() && b.is_nan()) || a == b {
        return true;
    }
    if a == 0.0 || b == 0.0 {
        return (a - b).abs() < TOLERANCE * f64::MIN_POSITIVE;
    }
    (a - b).abs() / (a.abs() + b.abs()) < TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_told_apart() {
        let stale = model::sample::stale();
        for (a, b) in
            [(1.0, 1.000_001), (f64::NAN, f64::NAN), (stale, stale), (0.0, -0.0), (1e300, 1e300)]
        {
            assert!(is_close(a, b) && is_close(b, a), "{a} {b}");
        }
        let infinity = f64::INFINITY;
        for (a, b) in [
            (1.0, 1.000_01),
            (0.0, 1e-300),
            (stale, f64::NAN),
            (infinity, -infinity),
            (infinity, 1e300),
            (f64::NAN, 1.0),
            (1.0, -1.0),
        ] {
            assert!(!is_close(a, b) && !is_close(b, a), "{a} {b}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_read_or_refused(text in "[a-z0-9{}\\[\\]:=\"' _+.x-]{0,60}") {
            drop(Line::read(&text));
            drop(Line::read(&format!("a {text}")));
            drop(Line::read(&format!("a {{{{{text}}}}}+{{{{schema:3 count:1 {text}}}}}x3")));
        }
    }
}
