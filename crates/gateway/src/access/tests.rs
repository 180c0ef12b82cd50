use hyper::header::HeaderValue;
use proptest::prelude::*;

use super::*;

const NOW: UnixMs = UnixMs(1_800_000_000_000); // 2027-01-15T08:00:00Z

fn at(seconds: u64) -> Moment {
    Moment { wall: NOW + Duration::from_secs(seconds), monotonic: Duration::from_secs(seconds) }
}

fn key(id: &str, secret: &str, grant: Grant) -> Key {
    Key {
        id: id.into(),
        name: format!("name of {id}"),
        sha256: crate::keys::hex(&hash(secret)),
        created: 0,
        expires: None,
        revoked: None,
        grant,
    }
}

fn headers(name: HeaderName, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
}

fn bearer(secret: &str) -> HeaderMap {
    headers(AUTHORIZATION, &format!("Bearer {secret}"))
}

fn caller(grant: Grant) -> (Access, Caller) {
    let access = Access::default();
    access.replace(vec![key("a", "mw-a", grant)], None);
    let caller = access.identify(&bearer("mw-a"), NOW).caller.unwrap();
    (access, caller)
}

#[test]
fn callers_are_told_by_their_key() {
    let access = Access::default();
    let mut old = key("old", "mw-old", Grant::default());
    old.expires = Some(NOW.0);
    let mut gone = key("gone", "mw-gone", Grant::default());
    gone.revoked = Some(0);
    access.replace(vec![key("a", "mw-a", Grant::default()), old, gone], None);
    let check = |headers: HeaderMap, expected: Result<&str, Refusal>, key: Option<&str>| {
        let identity = access.identify(&headers, NOW);
        let caller = identity.caller.map(|caller| caller.0.key.as_ref().unwrap().id.clone());
        let caller = caller.map_err(|denied| denied.refusal);
        assert_eq!(caller, expected.map(str::to_owned), "{headers:?}");
        assert_eq!(identity.key.map(|key| key.id), key.map(str::to_owned));
        assert!(identity.is_ours);
    };
    check(bearer("mw-a"), Ok("a"), Some("a"));
    check(headers(AUTHORIZATION, "bearer  mw-a "), Ok("a"), Some("a"));
    check(headers(KEY_HEADERS[1].clone(), "mw-a"), Ok("a"), Some("a"));
    check(headers(KEY_HEADERS[2].clone(), "mw-a"), Ok("a"), Some("a"));
    check(headers(AUTHORIZATION, "Basic mw-a"), Err(Refusal::KeyMissing), None);
    check(headers(AUTHORIZATION, "mw-a"), Err(Refusal::KeyMissing), None);
    check(bearer("mw-b"), Err(Refusal::KeyUnknown), None);
    check(bearer("sk-of-another"), Err(Refusal::KeyUnknown), None);
    check(bearer("mw-old"), Err(Refusal::KeyExpired), Some("old"));
    check(bearer("mw-gone"), Err(Refusal::KeyUnknown), Some("gone"));
    check(HeaderMap::new(), Err(Refusal::KeyMissing), None);
}

#[test]
fn anonymous_callers_are_let_in_when_they_may_but_not_with_a_wrong_key() {
    let access = Access::default();
    access.replace(Vec::new(), Some(Grant::default()));
    let identity = access.identify(&bearer("sk-for-the-engine"), NOW);
    assert!(identity.caller.is_ok() && !identity.is_ours, "without keys it is the engine's");
    access.replace(vec![key("a", "mw-a", Grant::default())], Some(Grant::default()));
    let identity = access.identify(&bearer("sk-for-the-engine"), NOW);
    assert!(identity.caller.is_ok() && identity.is_ours);
    let identity = access.identify(&bearer("mw-revoked"), NOW);
    assert_eq!(identity.caller.unwrap_err().refusal, Refusal::KeyUnknown);
}

#[test]
fn requests_per_minute_are_counted_in_the_last_60_seconds() {
    let (_access, caller) = caller(Grant { requests_per_minute: Some(3), ..Grant::default() });
    for second in [0, 10, 20] {
        caller.enter(at(second)).unwrap();
    }
    let denied = caller.enter(at(20)).unwrap_err();
    assert_eq!(
        (denied.refusal, denied.retry_after),
        (Refusal::RequestRate, Some(Duration::from_secs(40)))
    );
    assert!(caller.enter(at(59)).is_err());
    caller.enter(at(60)).unwrap();
    let denied = caller.enter(at(61)).unwrap_err();
    assert_eq!(denied.retry_after, Some(Duration::from_secs(9)));
    caller.enter(at(1_000)).unwrap();
}

#[test]
fn places_are_given_back() {
    let (access, caller) = caller(Grant { concurrent_max: Some(2), ..Grant::default() });
    let first = caller.enter(at(0)).unwrap();
    let _second = caller.enter(at(0)).unwrap();
    assert_eq!(caller.enter(at(0)).unwrap_err().refusal, Refusal::Concurrency);
    assert_eq!(access.usage(at(0))[0].running, 2);
    drop(first);
    caller.enter(at(0)).unwrap();
}

#[test]
fn tokens_are_debited_at_once_and_settled_later() {
    let (_access, caller) = caller(Grant { tokens_per_minute: Some(100), ..Grant::default() });
    let debit = caller.debit(100, at(0)).unwrap();
    let denied = caller.debit(1, at(1)).unwrap_err();
    assert_eq!(
        (denied.refusal, denied.retry_after),
        (Refusal::TokenRate, Some(Duration::from_secs(59)))
    );
    debit.settle(30, at(2));
    let debit = caller.debit(10, at(2)).unwrap();
    debit.settle(500, at(3));
    assert!(caller.debit(1, at(61)).is_err());
    let late = caller.debit(10, at(62)).unwrap();
    late.settle(500, at(200)); // outside the window by now
    caller.debit(1, at(200)).unwrap();
}

#[test]
fn budgets_end_with_the_day_and_the_month() {
    let day = Grant { tokens_per_day: Some(100), ..Grant::default() };
    let month = Grant { tokens_per_month: Some(100), ..Grant::default() };
    let to_midnight = 16 * 3_600;
    let to_february = to_midnight + 16 * 86_400;
    for (grant, left) in [(day, to_midnight), (month, to_february)] {
        let (access, caller) = caller(grant);
        caller.debit(1, at(0)).unwrap().settle(100, at(1));
        let denied = caller.debit(1, at(1)).unwrap_err();
        assert_eq!(denied.refusal, Refusal::TokenBudget);
        assert_eq!(denied.retry_after, Some(Duration::from_secs(left - 1)));
        let before = access.usage(at(left - 1));
        caller.debit(1, at(left)).unwrap();

        access.restore(&before, at(left));
        assert_eq!(
            access.usage(at(left))[0].tokens_of_day,
            1,
            "a day that is over is not put back"
        );
    }
}

#[test]
fn what_was_used_survives_a_change_of_the_table_and_a_restart() {
    let grant = Grant { tokens_per_day: Some(100), ..Grant::default() };
    let (access, caller) = caller(grant.clone());
    caller.debit(100, at(0)).unwrap();
    access.replace(vec![key("a", "mw-a", grant.clone()), key("b", "mw-b", grant.clone())], None);
    let renewed = access.identify(&bearer("mw-a"), NOW).caller.unwrap();
    assert!(renewed.debit(1, at(1)).is_err());

    let fresh = Access::default();
    fresh.replace(vec![key("a", "mw-a", grant)], None);
    fresh.restore(&access.usage(at(1)), at(2));
    assert!(fresh.identify(&bearer("mw-a"), NOW).caller.unwrap().debit(1, at(2)).is_err());
}

#[test]
fn months_are_those_of_the_calendar() {
    let check = |day: i64, month: i64, next: i64| assert_eq!(month_of(day), (month, next), "{day}");
    check(0, 0, 31);
    check(30, 0, 31);
    check(31, 1, 59);
    check(59, 2, 90);
    check(11_016, 30 * 12 + 1, 11_017); // 2000-02-29
    check(20_833, 57 * 12, 20_850); // 2027-01-15
    check(-1, -1, 0);
}

proptest! {
    #[test]
    fn a_window_never_admits_more_than_its_limit(limit in 1_u32..20, mut seconds in prop::collection::vec(0_u64..300, 0..200)) {
        let (_access, caller) = caller(Grant { requests_per_minute: Some(limit), ..Grant::default() });
        seconds.sort_unstable();
        let mut admitted: Vec<u64> = Vec::new();
        for second in seconds {
            match caller.enter(at(second)) {
                Ok(_) => admitted.push(second),
                Err(denied) => {
                    let wait = denied.retry_after.unwrap().as_secs();
                    prop_assert!((1..=60).contains(&wait));
                    let then = second + wait;
                    let live = admitted.iter().filter(|past| **past + 60 > then).count();
                    prop_assert!(live < limit as usize, "waiting as told is enough");
                }
            }
            let live = admitted.iter().filter(|past| **past + 60 > second).count();
            prop_assert!(live <= limit as usize);
        }
    }

    #[test]
    fn a_month_contains_its_days(day in -1_000_000_i64..1_000_000) {
        let (month, next) = month_of(day);
        prop_assert!(first_day(month) <= day && day < next);
    }
}
