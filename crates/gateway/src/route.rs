//! Which engine a request goes to.
//!
//! With one upstream everything goes to it. With several a request goes to one that serves the model it
//! asks; among replicas to the one with the fewest requests in flight, or, with stickiness, to the one that
//! served the same beginning of a prompt before. An engine that could not be reached is passed over for a
//! while, unless all are. Health is learned from requests and from asking for the list of models, which no
//! engine works for; `/health` is not asked, because some engines generate a token to answer it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use model::exchange::Refusal;

use crate::{access::Denied, upstream::Target};

/// With stickiness another replica is taken when the sticky one has this many more requests in flight
/// than the least busy one.
const STICKY_LEAD_MAX: usize = 4;

#[derive(Debug)]
pub(crate) struct Router {
    targets: Vec<Arc<Target>>,
    is_sticky: bool,
    turn: AtomicUsize,
}

/// What is known about a request that has to go somewhere.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wish<'a> {
    pub(crate) model: Option<&'a str>,
    pub(crate) prefix_hash: Option<u64>,
}

/// Whether two names mean the same model: Ollama's tag `latest` may be left out.
pub(crate) fn is_same_model(a: &str, b: &str) -> bool {
    let plain = |name: &str| name.strip_suffix(":latest").unwrap_or(name).len();
    a == b || a.get(..plain(a)) == b.get(..plain(b))
}

impl Router {
    pub(crate) fn new(targets: Vec<Arc<Target>>, is_sticky: bool) -> Self {
        Self { targets, is_sticky, turn: AtomicUsize::new(0) }
    }

    pub(crate) fn targets(&self) -> &[Arc<Target>] {
        &self.targets
    }

    /// The only engine, if there is but one.
    pub(crate) fn single(&self) -> Option<&Arc<Target>> {
        if let [target] = self.targets.as_slice() { Some(target) } else { None }
    }

    /// An engine for the request that is not among those tried already.
    pub(crate) fn pick(
        &self,
        wish: Wish<'_>,
        tried: &[Arc<Target>],
        now: Duration,
    ) -> Result<Arc<Target>, Denied> {
        let serves = |target: &Arc<Target>| match wish.model {
            Some(model) if self.targets.len() > 1 => {
                target.models().iter().any(|served| is_same_model(served, model))
            }
            _ => true,
        };
        let serving: Vec<&Arc<Target>> =
            self.targets.iter().filter(|target| serves(target)).collect();
        if serving.is_empty() {
            let model = wish.model.unwrap_or_default();
            return Err(Denied::new(Refusal::ModelUnknown).with("model", model));
        }
        let is_new = |target: &Arc<Target>| !tried.iter().any(|tried| Arc::ptr_eq(tried, target));
        let fresh: Vec<&Arc<Target>> =
            serving.into_iter().filter(|target| is_new(target)).collect();
        let up: Vec<&Arc<Target>> =
            fresh.iter().copied().filter(|target| target.is_up(now)).collect();
        let candidates = if up.is_empty() { fresh } else { up };
        // What names no model always goes to the same engine: what it tells belongs together.
        let chosen = match wish.model {
            None => candidates.first().copied(),
            Some(_) => self.choose(&candidates, wish.prefix_hash),
        };
        chosen
            .cloned()
            .ok_or_else(|| Denied::new(Refusal::NoUpstream).after(Duration::from_secs(1)))
    }

    fn choose<'a>(
        &self,
        candidates: &[&'a Arc<Target>],
        prefix_hash: Option<u64>,
    ) -> Option<&'a Arc<Target>> {
        let least = candidates.iter().map(|target| target.in_flight()).min()?;
        if let Some(hash) = prefix_hash.filter(|_| self.is_sticky) {
            // Rendezvous hashing: when an engine goes, only its own prefixes move.
            let sticky = candidates.iter().max_by_key(|target| weight(hash, &target.name))?;
            if sticky.in_flight() <= least + STICKY_LEAD_MAX {
                return Some(sticky);
            }
        }
        let idlest: Vec<&&Arc<Target>> =
            candidates.iter().filter(|target| target.in_flight() <= least).collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % idlest.len().max(1);
        // In flight may have changed since it was read: then the first will do.
        idlest.get(turn).map_or_else(|| candidates.first().copied(), |target| Some(**target))
    }
}

/// FNV-1a over the hash and the name, mixed once more.
fn weight(hash: u64, name: &str) -> u64 {
    let bytes = hash.to_le_bytes().into_iter().chain(name.bytes());
    let fnv = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (fnv ^ (fnv >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Upstream;

    const NOW: Duration = Duration::from_secs(100);

    fn router(upstreams: &[(&str, &[&str])], is_sticky: bool) -> Router {
        let target = |(name, models): &(&str, &[&str])| {
            let upstream = Upstream {
                name: (*name).into(),
                url: "http://127.0.0.1:1".into(),
                models: models.iter().map(|model| (*model).into()).collect(),
                api_key: None,
                ca_file: None,
            };
            Arc::new(Target::new(&upstream).unwrap())
        };
        Router::new(upstreams.iter().map(target).collect(), is_sticky)
    }

    fn pick(router: &Router, model: &str) -> Result<String, Refusal> {
        let wish = Wish { model: Some(model), prefix_hash: None };
        let picked = router.pick(wish, &[], NOW);
        picked.map(|target| target.name.clone()).map_err(|denied| denied.refusal)
    }

    #[test]
    fn requests_go_to_who_serves_their_model() {
        let router = router(&[("one", &["a", "b"]), ("two", &["c:latest"])], false);
        assert_eq!(pick(&router, "a"), Ok("one".into()));
        assert_eq!(pick(&router, "c"), Ok("two".into()));
        assert_eq!(pick(&router, "c:latest"), Ok("two".into()));
        assert_eq!(pick(&router, "d"), Err(Refusal::ModelUnknown));
        let of_no_model = || router.pick(Wish::default(), &[], NOW).unwrap().name.clone();
        assert_eq!((of_no_model(), of_no_model()), ("one".into(), "one".into()));
    }

    #[test]
    fn a_single_engine_gets_everything() {
        let router = router(&[("one", &["a"])], false);
        assert_eq!(pick(&router, "whatever"), Ok("one".into()));
    }

    #[test]
    fn the_least_busy_replica_is_taken_and_equal_ones_in_turn() {
        let router = router(&[("one", &["a"]), ("two", &["a"])], false);
        let names: Vec<String> = (0..4).map(|_| pick(&router, "a").unwrap()).collect();
        assert_eq!(names, ["one", "two", "one", "two"]);
        let _busy = router.targets()[0].enter();
        assert!((0..4).all(|_| pick(&router, "a") == Ok("two".into())));
    }

    #[test]
    fn an_engine_that_failed_is_passed_over_for_a_while_unless_all_did() {
        let router = router(&[("one", &["a"]), ("two", &["a"])], false);
        router.targets()[0].note_failure(NOW);
        assert!((0..4).all(|_| pick(&router, "a") == Ok("two".into())));
        router.targets()[1].note_failure(NOW);
        assert!(pick(&router, "a").is_ok());
        assert!(router.targets()[0].is_up(NOW + Duration::from_secs(1)));
        router.targets()[0].note_failure(NOW);
        assert!(!router.targets()[0].is_up(NOW + Duration::from_secs(1)));
        router.targets()[0].note_success();
        assert!(router.targets()[0].is_up(NOW));
    }

    #[test]
    fn what_was_tried_is_not_tried_again() {
        let router = router(&[("one", &["a"]), ("two", &["a"])], false);
        let tried = [Arc::clone(&router.targets()[0])];
        let wish = Wish { model: Some("a"), prefix_hash: None };
        assert_eq!(router.pick(wish, &tried, NOW).unwrap().name, "two");
        let denied = router.pick(wish, router.targets(), NOW).unwrap_err();
        assert_eq!(denied.refusal, Refusal::NoUpstream);
    }

    #[test]
    fn a_prefix_stays_with_its_replica_until_that_is_too_busy() {
        let replicas: &[(&str, &[&str])] = &[("one", &["a"]), ("two", &["a"]), ("three", &["a"])];
        let router = router(replicas, true);
        let name = |hash| {
            let wish = Wish { model: Some("a"), prefix_hash: Some(hash) };
            router.pick(wish, &[], NOW).unwrap()
        };
        let mut seen = std::collections::BTreeSet::new();
        for hash in 0..64 {
            assert!(Arc::ptr_eq(&name(hash), &name(hash)));
            seen.insert(name(hash).name.clone());
        }
        assert_eq!(seen.len(), 3, "prefixes are spread");
        let sticky = name(7);
        let mut busy: Vec<_> = (0..STICKY_LEAD_MAX).map(|_| sticky.enter()).collect();
        assert!(Arc::ptr_eq(&name(7), &sticky));
        busy.push(sticky.enter());
        assert!(!Arc::ptr_eq(&name(7), &sticky));
    }
}
