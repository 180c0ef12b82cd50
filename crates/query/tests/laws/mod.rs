//! Laws that hold for any series and any query.

pub(crate) mod grammar;
pub(crate) mod world;

use model::UnixMs;
use proptest::{prelude::*, sample::select};
use query::{Grid, Sample};

use self::{
    grammar::{OF_RANGES, query, scalar, selector, vector, window},
    world::{Found, World, ask, at, floats, is_same},
};

/// A time within the data of a world, or a little after, in milliseconds.
fn time() -> impl Strategy<Value = i64> {
    (0_i64..900).prop_map(|seconds| seconds * 1_000)
}

/// Asserts that two queries yield the same at one time.
#[track_caller]
fn check(world: &World, time: i64, left: &str, right: &str) {
    let memory = world.load(0);
    let (found, expected) = (at(&memory, left, time), at(&memory, right, time));
    assert!(is_same(&found, &expected, 0), "{left}: {found:?}\n{right}: {expected:?}");
}

/// As [`check`]; a query may fail where the other one does.
#[track_caller]
fn check_any(world: &World, time: i64, left: &str, right: &str) {
    let memory = world.load(0);
    let grid = Grid::instant(UnixMs(time));
    let (found, expected) = (ask(&memory, left, grid), ask(&memory, right, grid));
    assert!(agree(&found, &expected, 0), "{left}: {found:?}\n{right}: {expected:?}");
}

/// Whether both fail, or yield the same, times aside by `later`.
fn agree(early: &Result<Found, String>, late: &Result<Found, String>, later: i64) -> bool {
    match (early, late) {
        (Ok(early), Ok(late)) => is_same(early, late, later),
        (early, late) => early.is_err() && late.is_err(),
    }
}

fn floats_of(world: &World, query: &str, time: i64) -> Vec<f64> {
    floats(&at(&world.load(0), query, time))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The most important one: a graph shows at each step what the query says at that time.
    #[test]
    fn a_range_is_its_instants(
        world in World::any(), query in query(), start in time(), step in 1_i64..200, steps in 1_i64..8,
    ) {
        let memory = world.load(0);
        let step_ms = step * 1_000;
        let end = start + step_ms * steps;
        let grid = Grid { start: UnixMs(start), end: UnixMs(end), step_ms };
        let mut expected = Found::new();
        let mut failure = None;
        for time in (start..=end).step_by(step_ms as usize) {
            match ask(&memory, &query, Grid::instant(UnixMs(time))) {
                Ok(found) => {
                    for (labels, samples) in found {
                        expected.entry(labels).or_default().extend(samples);
                    }
                }
                Err(error) => failure = Some(error),
            }
        }
        match (ask(&memory, &query, grid), failure) {
            (Ok(found), None) => prop_assert!(
                is_same(&found, &expected, 0), "{}\n{:?}\n{:?}", query, found, expected
            ),
            (Err(_), Some(_)) => {}
            // A subquery is evaluated also between the windows of the steps, and may fail there.
            (Err(_), None) if query.contains(':') => {}
            (found, failure) => prop_assert!(false, "{}: {:?} but {:?}", query, found, failure),
        }
    }

    /// Nothing but the clock's own readings depends on when it happens.
    #[test]
    fn what_happens_later_is_the_same_later(
        world in World::any(), function in select(OF_RANGES), window in window(), time in time(),
    ) {
        if window.contains('@') {
            return Ok(());
        }
        let query = format!("{function}({window})");
        let hour = 3_600_000;
        let found = ask(&world.load(0), &query, Grid::instant(UnixMs(time)));
        let later = ask(&world.load(hour), &query, Grid::instant(UnixMs(time + hour)));
        prop_assert!(agree(&found, &later, hour), "{}\n{:?}\n{:?}", query, found, later);
    }

    #[test]
    fn an_offset_looks_back(
        world in World::any(), function in select(OF_RANGES), of in selector(), back in -300_i64..300,
        time in time(),
    ) {
        let memory = world.load(0);
        let offset = format!("offset {back}s");
        for (query, plain) in [
            (format!("{of} {offset}"), of.clone()),
            (format!("{function}({of}[2m] {offset})"), format!("{function}({of}[2m])")),
        ] {
            let found = ask(&memory, &query, Grid::instant(UnixMs(time)));
            let expected = ask(&memory, &plain, Grid::instant(UnixMs(time - back * 1_000)));
            prop_assert!(
                agree(&expected, &found, back * 1_000), "{}\n{:?}\n{:?}", query, found, expected
            );
        }
    }

    #[test]
    fn a_fixed_time_is_that_time(world in World::any(), of in selector(), then in 0_i64..900, now in time()) {
        let memory = world.load(0);
        let instant = |seconds: i64| Grid::instant(UnixMs(seconds * 1_000));
        let expected = ask(&memory, &format!("rate({of}[3m])"), instant(then));
        let found = ask(&memory, &format!("rate({of}[3m] @ {then})"), instant(now / 1_000));
        prop_assert!(agree(&expected, &found, now - then * 1_000));
    }

    #[test]
    fn groups_of_groups(world in World::any(), of in select(vec!["a", "c_total"]), time in time()) {
        check(&world, time, &format!("sum by () ({of})"), &format!("sum({of})"));
        check(&world, time, &format!("sum without (x, y) ({of})"), &format!("sum({of})"));
        check(&world, time, &format!("sum(sum by (x) ({of}))"), &format!("sum({of})"));
        check(&world, time, &format!("sum(count without (x) ({of}))"), &format!("count({of})"));
        for same in ["min", "max", "group"] {
            check(&world, time, &format!("{same}({same} by (y) ({of}))"), &format!("{same}({of})"));
        }
        check(&world, time, &format!("sum({of}) / count({of})"), &format!("avg({of})"));
        check(&world, time, &format!("sqrt(stdvar by (x) ({of}))"), &format!("stddev by (x) ({of})"));
    }

    #[test]
    fn extremes_are_quantiles(world in World::finite(), time in time()) {
        check(&world, time, "quantile by (x) (0, a)", "min by (x) (a)");
        check(&world, time, "quantile(1, a)", "max(a)");
        check(&world, time, "quantile_over_time(0, a[3m])", "min_over_time(a[3m])");
        check(&world, time, "quantile_over_time(1, a[3m])", "max_over_time(a[3m])");
    }

    #[test]
    fn growth_is_rate_by_time(world in World::any(), seconds in 1_u32..600, time in time()) {
        let (rate, increase) = (format!("rate(c_total[{seconds}s])"), format!("increase(c_total[{seconds}s])"));
        check(&world, time, &format!("{rate} * {seconds}"), &increase);
        check(&world, time, &format!("{increase} >= 0"), &increase);
    }

    #[test]
    fn sums_over_time(world in World::finite(), seconds in 1_u32..600, time in time()) {
        let over = |what: &str| format!("{what}_over_time(a[{seconds}s])");
        check(&world, time, &format!("{} * {}", over("avg"), over("count")), &over("sum"));
        check(&world, time, &format!("sqrt({})", over("stdvar")), &over("stddev"));
        check(&world, time, &format!("{} > bool 0", over("count")), &over("present"));
        check(&world, time, &format!("({}) >= ({})", over("max"), over("min")), &over("max"));
    }

    #[test]
    fn sets(world in World::any(), v in vector(3), w in vector(3), time in time()) {
        check_any(&world, time, &format!("({v}) and ({v})"), &v);
        check_any(&world, time, &format!("({v}) or ({v})"), &v);
        let memory = world.load(0);
        let grid = Grid::instant(UnixMs(time));
        let Ok(whole) = ask(&memory, &v, grid) else { return Ok(()) };
        let nothing = at(&memory, &format!("({v}) unless ({v})"), time);
        prop_assert!(nothing.is_empty());
        let Ok(both) = ask(&memory, &format!("({v}) and ({w})"), grid) else { return Ok(()) };
        let mut parts = at(&memory, &format!("({v}) unless ({w})"), time);
        prop_assert!(both.keys().all(|labels| !parts.contains_key(labels)));
        parts.extend(both);
        prop_assert!(is_same(&parts, &whole, 0), "{:?} {:?}", parts, whole);
    }

    /// All of the left side, and what of the right side has no partner there.
    #[test]
    fn unions(world in World::any(), time in time()) {
        let memory = world.load(0);
        let mut expected = at(&memory, "a", time);
        expected.extend(at(&memory, "b unless a", time));
        prop_assert!(is_same(&at(&memory, "a or b", time), &expected, 0));
    }

    #[test]
    fn signs(world in World::any(), v in vector(3), time in time()) {
        check_any(&world, time, &format!("-(-({v}))"), &format!("({v}) * 1"));
        check_any(&world, time, &format!("-({v})"), &format!("({v}) * -1"));
        check_any(&world, time, &format!("+({v})"), &v);
    }

    /// What is neither true nor false is not there, and `bool` says which.
    #[test]
    fn comparisons(world in World::any(), s in scalar(), time in time()) {
        for operator in ["==", "!=", "<", ">", "<=", ">="] {
            check(
                &world, time,
                &format!("count(a {operator} {s}) or vector(0)"),
                &format!("sum(a {operator} bool {s}) or vector(0)"),
            );
        }
        check(&world, time, "a < bool b", "b > bool a");
    }

    #[test]
    fn winners(world in World::any(), n in 0_usize..6, time in time()) {
        let memory = world.load(0);
        let whole = at(&memory, "a", time);
        for (kind, better) in [("topk", 1.0), ("bottomk", -1.0)] {
            let won = at(&memory, &format!("{kind}({n}, a)"), time);
            prop_assert_eq!(won.len(), n.min(whole.len()));
            prop_assert!(won.iter().all(|(labels, _)| whole.contains_key(labels)));
            let mut lost = whole.clone();
            lost.retain(|labels, _| !won.contains_key(labels));
            let worst = floats(&won).into_iter().map(|value| value * better).fold(f64::INFINITY, f64::min);
            let is_fair = floats(&lost).into_iter().all(|value| value.is_nan() || value * better <= worst);
            prop_assert!(is_fair, "{} of {:?}: {:?}", kind, whole, won);
        }
        check(&world, time, "sort(a)", "a");
    }

    #[test]
    fn counted_values(world in World::any(), time in time()) {
        check(&world, time, "sum(count_values(\"v\", a))", "count(a)");
        check(&world, time, "sum by (x) (count_values by (x) (\"v\", a))", "count by (x) (a)");
    }

    /// The points of a subquery are at multiples of its step, wherever the window is.
    #[test]
    fn subqueries_are_aligned(range in 1_i64..600, step in 1_i64..100, time in 0_i64..100_000) {
        let world = World::default();
        let window = format!("[{range}s:{step}s]");
        let expected = time.div_euclid(step) - (time - range).div_euclid(step);
        let counted = floats_of(&world, &format!("count_over_time(vector(1){window})"), time * 1_000);
        prop_assert_eq!(counted.iter().sum::<f64>(), expected as f64);
        let last = floats_of(&world, &format!("max_over_time(time(){window})"), time * 1_000);
        let at_steps = last.iter().all(|last| *last == (time.div_euclid(step) * step) as f64);
        prop_assert!(at_steps && last.is_empty() == (expected == 0));
    }

    /// A window of a vector is a subquery of its steps.
    #[test]
    fn subqueries_are_their_steps(world in World::any(), v in vector(2), time in 10_i64..80) {
        let memory = world.load(0);
        let time = time * 10_000;
        let Ok(found) = ask(&memory, &format!("count_over_time(({v})[1m:10s])"), Grid::instant(UnixMs(time)))
        else { return Ok(()) };
        let grid = Grid { start: UnixMs(time - 50_000), end: UnixMs(time), step_ms: 10_000 };
        let steps = ask(&memory, &format!("({v}) * 1"), grid).unwrap_or_default();
        let counts: Vec<f64> = steps.values().map(|samples| samples.len() as f64).collect();
        prop_assert_eq!(floats(&found).iter().sum::<f64>(), counts.iter().sum::<f64>(), "{}", v);
    }

    #[test]
    fn limits_that_exclude_nothing(world in World::any(), time in time()) {
        check(&world, time, "clamp(a, -Inf, Inf)", "a * 1");
        check(&world, time, "abs(a)", "sqrt(a ^ 2)");
        check(&world, time, "label_replace(a, \"z\", \"$1\", \"x\", \"(never)\")", "a");
        check(&world, time, "label_join(a, \"x\", \"\", \"x\")", "a");
        check(&world, time, "floor(a) > a or ceil(a) < a", "nothing");
    }

    #[test]
    fn absence(world in World::any(), of in selector(), time in time()) {
        let memory = world.load(0);
        let is_there = !at(&memory, &of, time).is_empty();
        prop_assert_eq!(at(&memory, &format!("absent({of})"), time).is_empty(), is_there);
        let is_over = !at(&memory, &format!("{of}[5m]"), time).is_empty();
        prop_assert_eq!(at(&memory, &format!("absent_over_time({of}[5m])"), time).is_empty(), is_over);
    }
}

/// Laws that hold would be of no use if nothing were there: most worlds have something to say.
#[test]
fn worlds_and_queries_are_not_empty() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let (mut answered, mut histograms) = (0, 0);
    for _ in 0..300 {
        let world = World::any().new_tree(&mut runner).unwrap().current();
        let query = query().new_tree(&mut runner).unwrap().current();
        let found = ask(&world.load(0), &query, Grid::instant(UnixMs(200_000))).unwrap_or_default();
        answered += usize::from(!found.is_empty());
        let is_histogram = |(_, sample): &(i64, Sample)| matches!(sample, Sample::Histogram(_));
        histograms += usize::from(found.values().flatten().any(is_histogram));
    }
    assert!(answered > 75, "{answered} of 300 queries have an answer");
    assert!(histograms > 0, "no query yields a histogram");
}
