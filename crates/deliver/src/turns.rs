//! Whose turn it is in the queue of a channel. Messages go in their order, but one that failed several times lets others
//! pass: a service that refuses one text would else hear of nothing any more. Messages about the same group of alerts
//! never overtake each other.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use ring::digest;

use crate::{codec::Item, queue::Entry};

/// The first pause after a failure; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause, however often it failed.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// After how many failures a message lets others pass.
const YIELDING: u32 = 3;

/// Times are those of the clock that is never set.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    failed: HashMap<u64, Failed>,
    /// Failures since a message was taken, of whichever, and the message of the last one.
    row: u32,
    last: u64,
    /// Whether those were several messages: then the service is away, and not one message wrong.
    were_several: bool,
    /// When the next may be tried.
    again: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Failed {
    count: u32,
    again: Duration,
}

impl Turns {
    /// The message to try next, and how long to wait until then.
    pub(crate) fn next<'e>(
        &self,
        waiting: impl Iterator<Item = &'e Entry>,
        now: Duration,
    ) -> Option<(&'e Entry, Duration)> {
        let (mut groups, mut soonest) = (HashSet::new(), None::<(&Entry, Duration)>);
        for entry in waiting {
            let failed = self.failed.get(&entry.id);
            let again = failed.map_or(Duration::ZERO, |failed| failed.again).max(self.again);
            if group(entry).is_some_and(|group| groups.contains(group)) {
                continue;
            }
            let is_held = failed.is_some_and(|it| it.count >= YIELDING && it.again > now);
            if !is_held {
                return Some((entry, again.saturating_sub(now)));
            }
            groups.extend(group(entry));
            if soonest.is_none_or(|(_, known)| again < known) {
                soonest = Some((entry, again));
            }
        }
        soonest.map(|(entry, again)| (entry, again.saturating_sub(now)))
    }

    /// A message was not taken; the service may have said how long to wait.
    pub(crate) fn failed(&mut self, id: u64, after: Option<Duration>, now: Duration) {
        self.were_several |= self.row > 0 && self.last != id;
        (self.row, self.last) = (self.row.saturating_add(1), id);
        let failed = self.failed.entry(id).or_insert(Failed { count: 0, again: now });
        failed.count = failed.count.saturating_add(1);
        failed.again = now + pause(id, failed.count);
        self.again = now + pause(id, self.row).max(after.unwrap_or_default());
    }

    /// A message was taken.
    pub(crate) fn taken(&mut self, id: u64, now: Duration) {
        self.gone(id);
        if self.were_several {
            // The service is back: nothing has to wait for its own turn.
            self.failed.values_mut().for_each(|failed| failed.again = now);
        }
        (self.row, self.were_several, self.again) = (0, false, now);
    }

    /// A message does not wait any more.
    pub(crate) fn gone(&mut self, id: u64) {
        self.failed.remove(&id);
    }
}

fn group(entry: &Entry) -> Option<&str> {
    match &*entry.item {
        Item::Notification(notification) => Some(&notification.group_key),
        Item::File { .. } => None,
    }
}

/// Twice as long each time, off by at most a fifth, so that many who failed at once do not come again at once.
fn pause(id: u64, count: u32) -> Duration {
    let doubled = PAUSE_MIN * 2_u32.saturating_pow(count.saturating_sub(1).min(16));
    let hash = digest::digest(&digest::SHA256, format!("{id} {count}").as_bytes());
    let share = hash.as_ref().first().map_or(0.5, |byte| f64::from(*byte) / 255.0);
    doubled.min(PAUSE_MAX).mul_f64(0.8 + 0.4 * share)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::UnixMs;

    use super::*;
    use crate::codec::tests::notification;

    #[test]
    fn pauses_grow_and_end() {
        let pauses: Vec<f64> = (1..=20).map(|count| pause(7, count).as_secs_f64()).collect();
        assert!((0.8..=1.2).contains(&pauses[0]) && (1.6..=2.4).contains(&pauses[1]), "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= 360.0) && pauses[19] >= 240.0, "{pauses:?}");
    }

    fn entry(id: u64, group: &str) -> Entry {
        let mut told = notification();
        told.group_key = group.to_owned();
        let item = Arc::new(Item::Notification(Box::new(told)));
        Entry { id, key: id.to_string(), time: UnixMs(0), item }
    }

    /// Sends until nothing waits or an hour is over: `takes` says what the service does with a message at a time in
    /// seconds. Answers the attempts: `7` was taken, `7!` was not.
    fn sent(entries: &[(u64, &str)], takes: impl Fn(u64, u64) -> bool) -> String {
        let mut waiting: Vec<Entry> = entries.iter().map(|(id, group)| entry(*id, group)).collect();
        let (mut turns, mut now, mut attempts) = (Turns::default(), Duration::ZERO, Vec::new());
        while let Some((next, wait)) = turns.next(waiting.iter(), now) {
            let id = next.id;
            now += wait;
            if now > Duration::from_secs(3_600) {
                break;
            }
            if takes(id, now.as_secs()) {
                turns.taken(id, now);
                waiting.retain(|entry| entry.id != id);
                attempts.push(id.to_string());
            } else {
                turns.failed(id, None, now);
                attempts.push(format!("{id}!"));
            }
        }
        attempts.join(" ")
    }

    #[test]
    fn one_that_is_refused_again_and_again_lets_others_pass() {
        let all = [(1, "a"), (2, "b"), (3, "c")];
        assert_eq!(sent(&all, |_, _| true), "1 2 3");
        let found = sent(&all, |id, _| id != 1);
        assert!(found.starts_with("1! 1! 1! 2 1! 3 1! "), "{found}");
        // What is said later of the same alerts waits.
        let found = sent(&[(1, "a"), (2, "a"), (3, "c")], |id, _| id != 1);
        assert!(found.starts_with("1! 1! 1! 3 1! 1! ") && !found.contains('2'), "{found}");
    }

    #[test]
    fn a_service_that_is_away_is_asked_seldom_and_then_gets_all() {
        let all: Vec<(u64, String)> = (1..100).map(|id| (id, id.to_string())).collect();
        let all: Vec<(u64, &str)> = all.iter().map(|(id, group)| (*id, group.as_str())).collect();
        let found = sent(&all, |_, time| time > 1_800);
        let failures = found.matches('!').count();
        assert!((5..20).contains(&failures), "{found}");
        assert!(
            found.ends_with(" 98 99") && found.matches(' ').count() == failures + 98,
            "{found}"
        );
    }

    #[test]
    fn a_service_says_how_long_to_wait() {
        let (mut turns, now) = (Turns::default(), Duration::from_secs(100));
        let (one, other) = (entry(7, "a"), entry(8, "b"));
        turns.failed(7, Some(Duration::from_secs(3_000)), now);
        let all = [one, other];
        let next = turns.next(all.iter(), now).map(|(entry, wait)| (entry.id, wait));
        assert_eq!(next, Some((7, Duration::from_secs(3_000))));
        let next = turns.next(all[1..].iter(), now).map(|(entry, wait)| (entry.id, wait));
        assert_eq!(next, Some((8, Duration::from_secs(3_000))));
        assert!(turns.next([].iter(), now).is_none());
    }
}
