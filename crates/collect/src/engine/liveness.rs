//! Whether an engine that has work makes progress.
//!
//! What an engine says of its health is no evidence: one that hangs answers 200. So what counts is
//! that requests run and nothing moves: no step, no token, no request that ends, no place of a slot, no
//! share of the cache.
//! A long prompt is no hang, so an engine that is known to be at its prompts, or too busy to say, has
//! longer. Nothing is said of engines that never generated a token (embedding and rerank models), or
//! whose counters move only when a request ends. The first request of an engine is thus not judged.

use std::time::Duration;

use model::{catalogue as metric, log::Severity};

use super::{Kind, Reading, life::Event};

/// How long nothing may move while requests run.
pub(super) const STALL_MAX: Duration = Duration::from_secs(120);
/// How long nothing may move while all of them are at their prompts, as far as is known.
const PREFILL_MAX: Duration = Duration::from_secs(600);

/// What moved last, and when.
#[derive(Debug, Default)]
pub(super) struct Liveness {
    progress: Vec<(&'static str, f64)>,
    work: Vec<f64>,
    moved: Option<Duration>,
    running: f64,
    is_told: bool,
}

impl Liveness {
    /// Takes a reading in. Returns for how long it has hung, 0 as long as that is within our patience, where it can be
    /// judged; and what happened.
    pub(super) fn observe(
        &mut self,
        now: Duration,
        kind: &Kind,
        reading: &Reading,
        embeds: bool,
    ) -> (Option<f64>, Option<Event>) {
        if reading.is_busy {
            // It says nothing new: what it had to do last it still does.
            return if self.running > 0.0 { self.judge(now, PREFILL_MAX) } else { (None, None) };
        }
        let generated = reading.total(&metric::LLM_GENERATION_TOKENS_TOTAL);
        let generates = generated.is_some_and(|tokens| tokens > 0.0) || !reading.work.is_empty();
        let Some(running) = reading
            .total(&metric::LLM_REQUESTS_RUNNING)
            .filter(|_| kind.has_heartbeat && generates && !embeds)
        else {
            return (None, None);
        };
        let progress = reading.progress();
        let is_same = progress == self.progress && reading.work == self.work;
        let moved = running <= 0.0 || self.moved.is_none() || !is_same;
        self.running = running;
        if !moved {
            return self.judge(now, if reading.is_prefill { PREFILL_MAX } else { STALL_MAX });
        }
        let stood = self.moved.map_or(0.0, |last| now.saturating_sub(last).as_secs_f64());
        let event = std::mem::take(&mut self.is_told).then(|| {
            let params = vec![("seconds", format!("{stood:.0}"))];
            Event { code: "event.engine_moves", severity: Severity::Info, params }
        });
        (self.progress, self.moved) = (progress, Some(now));
        self.work.clone_from(&reading.work);
        (Some(0.0), event)
    }

    fn judge(&mut self, now: Duration, patience: Duration) -> (Option<f64>, Option<Event>) {
        let Some(moved) = self.moved else { return (None, None) };
        let stood = now.saturating_sub(moved);
        let seconds = stood.as_secs_f64();
        if self.is_told {
            return (Some(seconds), None);
        }
        if stood < patience {
            // Whoever sees more than 0 takes it for a hang: the alert, the page, the diagnosis.
            return (Some(0.0), None);
        }
        self.is_told = true;
        let moving = self.progress.iter().map(|(name, value)| format!("{name} {value}"));
        let places = self.work.iter().take(16).map(|place| format!("slot {place}"));
        let evidence: Vec<String> = moving.chain(places).collect();
        let params = vec![
            ("seconds", format!("{seconds:.0}")),
            ("running", self.running.to_string()),
            ("evidence", evidence.join(", ")),
        ];
        let event = Event { code: "event.engine_hung", severity: Severity::Error, params };
        (Some(seconds), Some(event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{tgi, trtllm, vllm};

    fn reading(running: f64, tokens: f64, steps: f64) -> Reading {
        let mut reading = Reading::default();
        reading.push(&metric::LLM_REQUESTS_RUNNING, "m", running);
        reading.push(&metric::LLM_GENERATION_TOKENS_TOTAL, "m", tokens);
        reading.push(&metric::LLM_ENGINE_STEPS_TOTAL, "m", steps);
        reading
    }

    /// Feeds readings, the seconds between them given, and returns the codes of what happened.
    fn check(kind: &Kind, readings: Vec<(u64, Reading)>, embeds: bool, expected: &[&str]) {
        let mut liveness = Liveness::default();
        let mut now = Duration::ZERO;
        let mut events = Vec::new();
        for (seconds, reading) in readings {
            now += Duration::from_secs(seconds);
            events.extend(liveness.observe(now, kind, &reading, embeds).1);
        }
        let codes: Vec<_> = events.iter().map(|event| event.code).collect();
        assert_eq!(codes, expected);
    }

    #[test]
    fn what_is_within_our_patience_is_0() {
        for (is_prefill, patience) in [(false, 120), (true, 600)] {
            let mut liveness = Liveness::default();
            let mut at = |seconds: u64| {
                let mut still = reading(2.0, 10.0, 5.0);
                still.is_prefill = is_prefill;
                liveness.observe(Duration::from_secs(seconds), &vllm::KIND, &still, false).0
            };
            assert_eq!([0, 60, patience - 1].map(&mut at), [Some(0.0); 3], "{is_prefill}");
            let hangs = [patience, patience + 5].map(|seconds| Some(seconds as f64));
            assert_eq!([patience, patience + 5].map(at), hangs, "{is_prefill}");
        }
    }

    #[test]
    fn a_hang_is_told_once_and_its_end() {
        let still = || reading(2.0, 10.0, 5.0);
        let readings = vec![
            (0, still()),
            (60, still()),
            (60, still()),
            (60, still()),
            (5, reading(2.0, 11.0, 6.0)),
        ];
        check(&vllm::KIND, readings, false, &["event.engine_hung", "event.engine_moves"]);
    }

    #[test]
    fn what_is_no_hang() {
        let still = || reading(2.0, 10.0, 5.0);
        let long = || vec![(0, still()), (500, still())];
        check(&vllm::KIND, long(), true, &[]);
        check(&trtllm::KIND, long(), false, &[]);
        check(&tgi::KIND, long(), false, &["event.engine_hung"]);
        let idle = || reading(0.0, 10.0, 5.0);
        check(&vllm::KIND, vec![(0, idle()), (500, idle())], false, &[]);
        // After a long rest the first reading that has work begins the count.
        check(
            &vllm::KIND,
            vec![(0, idle()), (500, idle()), (5, still()), (5, still())],
            false,
            &[],
        );
        let steps =
            vec![(0, still()), (100, reading(2.0, 10.0, 6.0)), (100, reading(2.0, 10.0, 7.0))];
        check(&vllm::KIND, steps, false, &[]);
        let pieces = |share: f64| {
            let mut reading = still();
            reading.push(&metric::LLM_KV_CACHE_USAGE_RATIO, "m", share);
            reading
        };
        check(
            &vllm::KIND,
            vec![(0, pieces(0.1)), (100, pieces(0.2)), (100, pieces(0.3))],
            false,
            &[],
        );
        let vectors = || reading(2.0, 0.0, 5.0);
        check(&vllm::KIND, vec![(0, vectors()), (500, vectors())], false, &[]);
    }

    #[test]
    fn a_long_prompt_has_longer() {
        let prompt = || Reading { is_prefill: true, ..reading(1.0, 10.0, 5.0) };
        check(&vllm::KIND, vec![(0, prompt()), (500, prompt())], false, &[]);
        check(&vllm::KIND, vec![(0, prompt()), (601, prompt())], false, &["event.engine_hung"]);
        let busy = || Reading { is_busy: true, ..Reading::default() };
        let work = || reading(1.0, 10.0, 5.0);
        check(&vllm::KIND, vec![(0, work()), (300, busy()), (200, busy())], false, &[]);
        let hung = vec![(0, work()), (300, busy()), (301, busy())];
        check(&vllm::KIND, hung, false, &["event.engine_hung"]);
    }
}
