//! Limits of the store that samples meet. What exceeds them is refused, which nobody sees who does not
//! look at `/metrics`: so it is said once when it begins, and beside the sources for as long as it goes on.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use store::Stats;

/// After so long without another refused sample a limit is no longer met.
const QUIET: Duration = Duration::from_secs(5 * 60);

/// The store's names of those reasons to refuse that somebody must act upon. The texts are called
/// `event.NAME` and `hint.NAME`.
const INSTANCE: &str = "instance_series_limit";
const REASONS: [&str; 2] = ["series_limit", INSTANCE];

#[derive(Debug, Default)]
pub(crate) struct Limits(Mutex<[Watched; REASONS.len()]>);

#[derive(Debug, Default)]
struct Watched {
    /// Samples refused since the start.
    refused: u64,
    episode: Option<Episode>,
}

/// A while in which a limit is met.
#[derive(Clone, Copy, Debug)]
struct Episode {
    /// Samples refused before it.
    before: u64,
    last: Duration,
}

/// A text and its parameters.
pub(crate) type Text = (String, Vec<(String, String)>);

impl Limits {
    /// Compares what the store has refused with the last look, at a monotonic time. Returns the reasons
    /// that began to matter.
    pub(crate) fn look(
        &self,
        refused: impl Iterator<Item = (&'static str, u64)>,
        now: Duration,
    ) -> Vec<&'static str> {
        let mut watched = self.lock();
        let mut begun = Vec::new();
        for (reason, count) in refused {
            let Some(at) = REASONS.iter().position(|other| *other == reason) else { continue };
            let Watched { refused, episode } = &mut watched[at];
            if count > *refused {
                let before = episode.map_or(*refused, |episode| episode.before);
                if episode.replace(Episode { before, last: now }).is_none() {
                    begun.push(reason);
                }
                *refused = count;
            }
            *episode = episode.filter(|episode| now.saturating_sub(episode.last) < QUIET);
        }
        begun
    }

    /// What to say beside the store, if a limit is met.
    pub(crate) fn hint(&self, stats: &Stats) -> Option<Text> {
        let watched = self.lock();
        let (reason, count) =
            REASONS.iter().zip(watched.iter()).find_map(|(reason, watched)| {
                let episode = watched.episode?;
                Some((reason, watched.refused - episode.before))
            })?;
        let mut params = params(reason, stats);
        params.push(("count".into(), count.to_string()));
        Some((format!("hint.{reason}"), params))
    }

    fn lock(&self) -> MutexGuard<'_, [Watched; REASONS.len()]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What to say when a limit begins to be met.
pub(crate) fn event(reason: &str, stats: &Stats) -> Text {
    (format!("event.{reason}"), params(reason, stats))
}

fn params(reason: &str, stats: &Stats) -> Vec<(String, String)> {
    let instance = stats.crowded_instance.clone().filter(|_| reason == INSTANCE);
    instance.map(|instance| ("instance".to_owned(), instance)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_is_told_once_and_ends_when_it_is_quiet() {
        let limits = Limits::default();
        let mut stats = Stats::default();
        stats.crowded_instance = Some("a:1".into());
        let check = |second: u64, total: u64, instance: u64, begun: &[&str], hint: Option<&str>| {
            let refused = [("too_old", second), (REASONS[0], total), (INSTANCE, instance)];
            let now = Duration::from_secs(second);
            assert_eq!(limits.look(refused.into_iter(), now), begun, "at {second}");
            let told = limits.hint(&stats).map(|(code, params)| {
                let values: Vec<String> = params.into_iter().map(|(_, value)| value).collect();
                format!("{code} {}", values.join(" "))
            });
            assert_eq!(told.as_deref(), hint, "at {second}");
        };
        check(0, 0, 0, &[], None);
        check(1, 0, 3, &[INSTANCE], Some("hint.instance_series_limit a:1 3"));
        check(2, 0, 5, &[], Some("hint.instance_series_limit a:1 5"));
        check(3, 7, 5, &[REASONS[0]], Some("hint.series_limit 7"));
        check(300, 7, 6, &[], Some("hint.series_limit 7"));
        check(303, 7, 6, &[], Some("hint.instance_series_limit a:1 6"));
        check(600, 7, 6, &[], None);
        check(601, 7, 8, &[INSTANCE], Some("hint.instance_series_limit a:1 2"));
    }
}
