//! Whether the clock is synchronised and how well, from adjtimex(2), which needs no privileges as long
//! as nothing is changed. A container's seccomp filter may forbid it; then it is absent.

use model::{
    Labels,
    catalogue::{
        Metric, NODE_TIMEX_ESTIMATED_ERROR_SECONDS, NODE_TIMEX_FREQUENCY_ADJUSTMENT_RATIO,
        NODE_TIMEX_LOOP_TIME_CONSTANT, NODE_TIMEX_MAXERROR_SECONDS, NODE_TIMEX_OFFSET_SECONDS,
        NODE_TIMEX_PPS_CALIBRATION_TOTAL, NODE_TIMEX_PPS_ERROR_TOTAL,
        NODE_TIMEX_PPS_FREQUENCY_HERTZ, NODE_TIMEX_PPS_JITTER_SECONDS, NODE_TIMEX_PPS_JITTER_TOTAL,
        NODE_TIMEX_PPS_SHIFT_SECONDS, NODE_TIMEX_PPS_STABILITY_EXCEEDED_TOTAL,
        NODE_TIMEX_PPS_STABILITY_HERTZ, NODE_TIMEX_STATUS, NODE_TIMEX_SYNC_STATUS,
        NODE_TIMEX_TAI_OFFSET_SECONDS, NODE_TIMEX_TICK_SECONDS,
    },
    sample::Batch,
};

use super::{Context, Sampler, adjtimex};
use crate::Failure;

/// `TIME_ERROR`: the clock is not synchronised.
const NOT_SYNCHRONISED: i32 = 5;
/// `STA_NANO`: offset and jitter are in nanoseconds, else in microseconds.
const IN_NANOSECONDS: i32 = 0x2000;
const MICRO: f64 = 1e6;
/// Frequencies are in millionths, with 16 bits behind the point.
const PPM: f64 = 1e6 * 65_536.0;

struct Timex {
    series: Vec<Labels>,
}

static METRICS: [&Metric; 17] = [
    &NODE_TIMEX_ESTIMATED_ERROR_SECONDS,
    &NODE_TIMEX_FREQUENCY_ADJUSTMENT_RATIO,
    &NODE_TIMEX_LOOP_TIME_CONSTANT,
    &NODE_TIMEX_MAXERROR_SECONDS,
    &NODE_TIMEX_OFFSET_SECONDS,
    &NODE_TIMEX_PPS_CALIBRATION_TOTAL,
    &NODE_TIMEX_PPS_ERROR_TOTAL,
    &NODE_TIMEX_PPS_FREQUENCY_HERTZ,
    &NODE_TIMEX_PPS_JITTER_SECONDS,
    &NODE_TIMEX_PPS_JITTER_TOTAL,
    &NODE_TIMEX_PPS_SHIFT_SECONDS,
    &NODE_TIMEX_PPS_STABILITY_EXCEEDED_TOTAL,
    &NODE_TIMEX_PPS_STABILITY_HERTZ,
    &NODE_TIMEX_STATUS,
    &NODE_TIMEX_SYNC_STATUS,
    &NODE_TIMEX_TAI_OFFSET_SECONDS,
    &NODE_TIMEX_TICK_SECONDS,
];

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let series = METRICS.iter().map(|metric| context.series(metric, &[])).collect();
    Ok(Box::new(Timex { series }))
}

/// The values in the order of the metrics.
fn values(clock: &libc::timex, state: i32) -> [f64; 17] {
    let divisor = if clock.status & IN_NANOSECONDS != 0 { 1e9 } else { MICRO };
    [
        clock.esterror as f64 / MICRO,
        1.0 + clock.freq as f64 / PPM,
        clock.constant as f64,
        clock.maxerror as f64 / MICRO,
        clock.offset as f64 / divisor,
        clock.calcnt as f64,
        clock.errcnt as f64,
        clock.ppsfreq as f64 / PPM,
        clock.jitter as f64 / divisor,
        clock.jitcnt as f64,
        f64::from(clock.shift),
        clock.stbcnt as f64,
        clock.stabil as f64 / PPM,
        f64::from(clock.status),
        f64::from(u8::from(state != NOT_SYNCHRONISED)),
        f64::from(clock.tai),
        clock.tick as f64 / MICRO,
    ]
}

impl Sampler for Timex {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let (clock, state) =
            adjtimex::read().map_err(|error| Failure::from_io("adjtimex", &error))?;
        for (labels, value) in self.series.iter().zip(values(&clock, state)) {
            batch.push(labels, value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        let (mut clock, _) = adjtimex::read().unwrap();
        clock.status = IN_NANOSECONDS;
        clock.offset = -2_000_000;
        clock.freq = 65_536;
        clock.maxerror = 500_000;
        clock.tick = 10_000;
        let find = |metric: &Metric, state| {
            let at = METRICS.iter().position(|other| other.name == metric.name).unwrap();
            values(&clock, state)[at]
        };
        assert_eq!(find(&NODE_TIMEX_OFFSET_SECONDS, 0), -0.002);
        assert_eq!(find(&NODE_TIMEX_FREQUENCY_ADJUSTMENT_RATIO, 0), 1.000_001);
        assert_eq!(find(&NODE_TIMEX_MAXERROR_SECONDS, 0), 0.5);
        assert_eq!(find(&NODE_TIMEX_TICK_SECONDS, 0), 0.01);
        assert_eq!(find(&NODE_TIMEX_SYNC_STATUS, 0), 1.0);
        assert_eq!(find(&NODE_TIMEX_SYNC_STATUS, NOT_SYNCHRONISED), 0.0);
    }
}
