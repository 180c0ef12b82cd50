//! How often a service may be told: at most so many messages in any span of some length. A window that slides, not a
//! bucket, because services block whom they count over their limit in any minute.

use std::{collections::VecDeque, fmt, time::Duration};

/// Most messages that one limit counts.
const COUNT_MAX: usize = 1_000;

/// At most `count` messages in any `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub count: usize,
    pub period: Duration,
}

const UNITS: &[(&str, u64)] = &[("s", 1), ("min", 60), ("h", 3_600), ("d", 86_400)];

impl Rate {
    pub(crate) const fn per_minute(count: usize) -> Self {
        Self { count, period: Duration::from_secs(60) }
    }

    /// Reads `20/min`; units are `s`, `min`, `h` and `d`, at most 1,000 messages.
    pub fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.split_once('/')?;
        let count = count.trim().parse().ok().filter(|count| (1..=COUNT_MAX).contains(count))?;
        let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
        Some(Self { count, period: Duration::from_secs(*seconds) })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.period.as_secs();
        let unit = UNITS.iter().find(|(_, unit)| *unit == seconds);
        write!(f, "{}/{}", self.count, unit.map_or("?", |(name, _)| name))
    }
}

/// Added to all times of a window, which may hold messages from before this program's time began.
const BEFORE: Duration = Duration::from_secs(2 * 86_400);

/// What was sent of late.
#[derive(Debug)]
pub(crate) struct Window {
    rate: Rate,
    /// When the last messages were sent, oldest first; at most as many as the rate allows.
    sent: VecDeque<Duration>,
}

impl Window {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, sent: VecDeque::new() }
    }

    /// How long to wait until a message may go.
    pub(crate) fn wait(&self, now: Duration) -> Duration {
        match self.sent.front() {
            Some(oldest) if self.sent.len() >= self.rate.count => {
                (*oldest + self.rate.period).saturating_sub(now + BEFORE)
            }
            _ => Duration::ZERO,
        }
    }

    /// A message goes, or went that long ago.
    pub(crate) fn note(&mut self, now: Duration, age: Duration) {
        if self.sent.len() >= self.rate.count {
            self.sent.pop_front();
        }
        self.sent.push_back((now + BEFORE).saturating_sub(age));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        let check = |text: &str, expected: Option<&str>| {
            let found = Rate::parse(text).map(|rate| rate.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("20/min", Some("20/min"));
        check(" 1 / s ", Some("1/s"));
        check("5/d", Some("5/d"));
        for text in ["", "20", "0/min", "1001/min", "-1/s", "1/m", "x/s"] {
            check(text, None);
        }
    }

    #[test]
    fn no_span_holds_more_than_the_rate() {
        let mut window = Window::new(Rate { count: 3, period: Duration::from_secs(10) });
        let mut now = Duration::from_secs(100);
        let mut sent = Vec::new();
        while sent.len() < 50 {
            let wait = window.wait(now);
            if wait.is_zero() {
                window.note(now, Duration::ZERO);
                sent.push(now);
                now += Duration::from_millis(700);
            } else {
                now += wait;
            }
        }
        let mut window = Window::new(Rate { count: 1, period: Duration::from_secs(86_400) });
        window.note(Duration::from_secs(1), Duration::from_secs(86_000));
        assert_eq!(window.wait(Duration::from_secs(2)), Duration::from_secs(399));
        for triple in sent.windows(4) {
            assert!(triple[3] - triple[0] >= Duration::from_secs(10), "{triple:?}");
        }
    }
}
