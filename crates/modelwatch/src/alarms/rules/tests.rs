//! Rules over a real store, by a clock that the tests move.

use std::{fs, path::Path};

use model::{
    Labels, NAME,
    series::{Budget, Matcher, SelectError, SeriesData, TimeRange},
};
use store::Options;

use super::{load::Kept, *};

const START: UnixMs = UnixMs(1_795_478_400_000);

const FILE: &str = "groups:
- name: box
  rules:
  - record: job:up:sum
    expr: sum by (job) (up)
  - alert: Down
    expr: up < 0.5
    for: 30s
    labels: {severity: critical}
    annotations: {summary: '{{ $labels.job }} is down'}
";

struct World {
    folder: tempfile::TempDir,
    rules: Rules,
    clock: Clock,
    store: Store,
    sent: Arc<Mutex<Vec<Alert>>>,
}

impl World {
    fn new(file: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("rules.yml"), file).unwrap();
        let clock = Clock::manual(START);
        let (store, _) =
            Store::open(&folder.path().join("data"), Options::default(), clock.clone()).unwrap();
        let sent = Arc::default();
        let rules = rules(folder.path(), &clock, &store, &sent);
        Self { folder, rules, clock, store, sent }
    }

    fn restart(&mut self) {
        self.rules = rules(self.folder.path(), &self.clock, &self.store, &self.sent);
    }

    /// 15 seconds later. The sample is from their beginning: when in them rules are evaluated depends on the folder.
    fn step(&self, up: f64) {
        let before = self.clock.now();
        self.clock.set(before + Duration::from_secs(15));
        let mut batch = model::sample::Batch::new(before + Duration::from_millis(1));
        batch.push(&Labels::metric("up", [("job", "a")]), up);
        self.store.append(&batch).unwrap();
        self.rules.shared.turn(Lane::Fast);
        self.rules.shared.turn(Lane::Slow);
    }

    fn rewrite(&self, file: &str) -> Vec<FileProblem> {
        fs::write(self.folder.path().join("rules.yml"), file).unwrap();
        self.rules.reload()
    }

    /// The state of the rule of that name.
    fn state(&self, name: &str) -> Option<&'static str> {
        let groups = self.rules.groups();
        let view = groups.iter().find(|view| view.loaded.group.name != "page")?;
        let rules = view.loaded.group.rules.iter().zip(view.told.iter());
        let mut named = rules.filter(|(rule, _)| rule.name() == name);
        named.next().map(|(_, told)| told.state().as_str())
    }

    fn newest(&self, name: &str) -> Vec<f64> {
        self.rules.with_context(Duration::from_secs(5), |context| {
            let expr = query::parse(name).unwrap();
            let grid = query::Grid::instant(self.clock.now());
            let budget = Budget::new(self.clock.clone(), Duration::from_secs(5), 1_000);
            let output =
                query::evaluate(&expr, context.source, grid, context.settings, &budget).unwrap();
            output.value.into_floats().into_iter().map(|(_, value)| value).collect()
        })
    }
}

fn rules(folder: &Path, clock: &Clock, store: &Store, sent: &Arc<Mutex<Vec<Alert>>>) -> Rules {
    rules_over(Box::new(store.clone()), folder, clock, store, sent)
}

fn rules_over(
    source: Box<dyn SeriesSource>,
    folder: &Path,
    clock: &Clock,
    store: &Store,
    sent: &Arc<Mutex<Vec<Alert>>>,
) -> Rules {
    let sent = Arc::clone(sent);
    let pattern = folder.join("*.yml").display().to_string();
    let settings = Alerts { has_builtin: false, rule_files: vec![pattern], ..Alerts::default() };
    let setup = Setup {
        source,
        store: store.clone(),
        clock: clock.clone(),
        settings,
        folder: folder.to_owned(),
        external_url: "http://page".into(),
        samples_max: 1_000_000,
        sink: Box::new(move |alerts, _| lock(&sent).extend_from_slice(alerts)),
    };
    Rules::new(setup).unwrap()
}

#[test]
fn rules_of_files_are_evaluated() {
    let world = World::new(FILE);
    assert!(world.rules.problems().is_empty());
    world.step(1.0);
    world.step(1.0);
    assert_eq!(world.newest("job:up:sum"), [1.0]);
    assert_eq!(world.state("Down"), Some("inactive"));
    for expected in ["pending", "pending", "firing"] {
        world.step(0.0);
        assert_eq!(world.state("Down"), Some(expected));
    }
    let sent = lock(&world.sent).clone();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].annotation("summary"), "a is down");
    assert_eq!(sent[0].labels.get(NAME), None);
    assert_eq!(sent[0].generator_url, "http://page/#/explore?q=up+%3C+0.5");
}

#[test]
fn a_broken_file_leaves_the_rules_that_it_had() {
    let world = World::new(FILE);
    world.step(0.0);
    let problems = world.rewrite(&FILE.replace("up < 0.5", "up < "));
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].problem.line, 7, "{problems:?}");
    world.step(0.0);
    assert_eq!(world.state("Down"), Some("pending"));
    // Mended, it goes on with what is known.
    let problems = world.rewrite(&FILE.replace("up < 0.5", "up < 0.6"));
    assert_eq!(problems, []);
    assert_eq!(world.state("Down"), Some("pending"));
    // Without the rule its alert is over.
    world.step(0.0);
    assert_eq!(world.state("Down"), Some("firing"));
    world.rewrite("groups: []\n");
    assert!(world.rules.groups().is_empty());
    let last = lock(&world.sent).last().cloned().unwrap();
    assert!(last.is_resolved(world.clock.now()));
    assert!(world.newest("ALERTS").is_empty());
}

#[test]
fn what_the_page_changes_is_in_force_and_kept() {
    let mut world = World::new(FILE);
    let id = format!("{}#box/Down/0", world.folder.path().join("rules.yml").display());
    let id = id.as_str();
    let change = |thresholds: Option<Vec<f64>>, is_enabled| Change {
        thresholds,
        is_enabled,
        for_ms: Some(0),
        ..Change::default()
    };
    world.rules.change(id, change(Some(vec![0.1]), None)).unwrap();
    world.step(0.3);
    assert_eq!(world.state("Down"), Some("inactive"));
    world.step(0.0);
    assert_eq!(world.state("Down"), Some("firing"), "at once, without waiting");
    world.restart();
    let (_, known) = world.rules.find(id).unwrap();
    assert_eq!(known.changed.expr.text(), "up < 0.1");
    assert_eq!((known.rule.expr.text(), known.is_changed), ("up < 0.5", true));
    world.rules.change(id, change(None, Some(false))).unwrap();
    assert_eq!(world.state("Down"), None);
    world.rules.reset(id).unwrap();
    assert_eq!(world.rules.find(id).unwrap().1.changed.expr.text(), "up < 0.5");
    assert!(matches!(world.rules.reset(id), Err(Refused::Unknown)));
    assert!(matches!(world.rules.change("x", Change::default()), Err(Refused::Unknown)));
    // A threshold of an expression that the file no longer has says nothing.
    world.rules.change(id, change(Some(vec![0.1]), None)).unwrap();
    world.rewrite(&FILE.replace("up < 0.5", "up < 0.5 and up > 0.1"));
    let (_, known) = world.rules.find(id).unwrap();
    assert_eq!(known.changed.expr.text(), "up < 0.5 and up > 0.1");
}

#[test]
fn rules_of_the_page() {
    let mut world = World::new(FILE);
    let names = world.rules.put("alert: Low\nexpr: up < 0.9\nfor: 1m\n").unwrap();
    assert_eq!(names, ["Low"]);
    world.rules.put("- alert: Other\n  expr: up > 3\n").unwrap();
    world.restart();
    assert!(world.rules.find("page/Low/0").is_some() && world.rules.find("page/Other/0").is_some());
    world.rules.put("alert: Low\nexpr: up < 0.8\n").unwrap();
    assert_eq!(world.rules.find("page/Low/0").unwrap().1.rule.expr.text(), "up < 0.8");
    world.rules.forget("Low").unwrap();
    assert!(world.rules.find("page/Low/0").is_none());
    assert!(matches!(world.rules.forget("Low"), Err(Refused::Unknown)));
    assert!(matches!(world.rules.put("# nothing\n"), Err(Refused::Bad(_))));
    let two = "- alert: A\n  expr: up\n- alert: B\n  expr: up\n";
    assert!(matches!(world.rules.put(two), Err(Refused::Bad(_))));
    let kept: Kept = whole::read(&world.folder.path().join(KEPT_FILE)).unwrap();
    assert_eq!(kept.rules.len(), 1);
}

#[test]
fn a_rule_is_evaluated_as_often_as_its_group_says() {
    let other = "- name: rare
  interval: 10m
  rules:
  - alert: Rare
    expr: up > 1
";
    let world = World::new(&format!("{FILE}{other}"));
    let id = |rule: &str| format!("{}#{rule}/0", world.folder.path().join("rules.yml").display());
    let common = Alerts::default().evaluation_interval;
    for (id, expected) in [
        (id("rare/Rare"), Duration::from_secs(600)),
        ("no such rule".into(), common),
        (String::new(), common),
    ] {
        assert_eq!(world.rules.interval(&id), expected, "{id}");
    }
}

#[test]
fn a_rule_of_the_page_that_is_not_understood_any_more_leaves_the_others() {
    let mut world = World::new(FILE);
    world.rules.put("alert: Low\nexpr: up < 0.9\n").unwrap();
    world.rules.put("alert: Other\nexpr: up > 3\n").unwrap();
    let path = world.folder.path().join(KEPT_FILE);
    let mut kept: Kept = whole::read(&path).unwrap();
    kept.rules[0].yaml = "alert: Low\nexpr: up <\n".into();
    whole::write(&path, &kept).unwrap();
    world.restart();
    assert!(world.rules.find("page/Other/0").is_some());
    assert!(world.rules.find("page/Low/0").is_none());
    let problems = world.rules.problems();
    let [FileProblem { file, problem }] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!((file.as_str(), problem.line), ("page", 2));
    assert!(problem.reason.starts_with("the rule Low: "), "{}", problem.reason);
    // It is still there to be mended.
    assert!(world.rules.page_text("Low").is_some());
}

#[test]
fn places_are_those_of_the_text() {
    let check = |text: &str, line: usize| {
        let problems = parse_page_rule(text).unwrap_err();
        assert_eq!(problems[0].line, line, "{text}: {problems:?}");
    };
    check("alert: A\nexpr: up <\n", 2);
    check("# why\nalert: A\n\nexpr: up <\n", 4);
    check("- alert: A\n  expr: up <\n", 2);
    check("groups:\n- name: a\n  rules:\n  - alert: A\n    expr: up <\n", 5);
}

#[test]
fn slow_groups_have_threads_of_their_own() {
    let check = |lane, millis, expected| {
        assert_eq!(run::lane_after(lane, Duration::from_millis(millis)), expected, "{millis} ms");
    };
    check(Lane::Fast, 0, Lane::Fast);
    check(Lane::Fast, 250, Lane::Fast);
    check(Lane::Fast, 251, Lane::Slow);
    check(Lane::Slow, 251, Lane::Slow);
    check(Lane::Slow, 130, Lane::Slow);
    check(Lane::Slow, 100, Lane::Fast);
}

/// Series of which a reading of `slow` is done only when `quick` was read twice meanwhile, or when it takes too long.
#[derive(Default)]
struct Turnstile {
    quick: Mutex<usize>,
    moved: Condvar,
}

impl SeriesSource for Turnstile {
    fn select(
        &self,
        matchers: &[Matcher],
        _: TimeRange,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, SelectError> {
        let mut quick = lock(&self.quick);
        if matchers.iter().any(|matcher| matcher.value == "quick") {
            *quick += 1;
            self.moved.notify_all();
            return Ok(Vec::new());
        }
        let awaited = *quick + 2;
        while *quick < awaited {
            let left = budget.left();
            if left.is_zero() {
                return Err(SelectError::TimedOut);
            }
            quick = self.moved.wait_timeout(quick, left).unwrap().0;
        }
        Ok(Vec::new())
    }

    fn series(&self, _: &[Matcher], _: TimeRange, _: &Budget) -> Result<Vec<Labels>, SelectError> {
        Ok(Vec::new())
    }
}

#[test]
fn a_rule_that_takes_long_delays_no_other() {
    const GROUPS: &str = "groups:
- name: slow
  interval: 1s
  rules: [{alert: Slow, expr: slow > 0}]
- name: quick
  interval: 100ms
  rules: [{alert: Quick, expr: quick > 0}]
";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.yml"), GROUPS).unwrap();
    let clock = Clock::system();
    let data = folder.path().join("data");
    let (store, _) = Store::open(&data, Options::default(), clock.clone()).unwrap();
    let source = Box::<Turnstile>::default();
    let rules = rules_over(source, folder.path(), &clock, &store, &Arc::default());
    assert_eq!(rules.problems(), []);
    rules.start().unwrap();
    // At first the thread of the quick ones has it, and gives it up; then one of the slow ones.
    let patience = clock.monotonic() + Duration::from_secs(60);
    loop {
        let groups = rules.groups();
        let slow = groups.iter().find(|view| view.loaded.group.name == "slow").unwrap();
        match slow.told.first() {
            Some(told) if told.evaluated.is_some() && told.error.is_none() => break,
            told => assert!(clock.monotonic() < patience, "nothing else was evaluated: {told:?}"),
        }
        thread::sleep(Duration::from_millis(5));
    }
    rules.stop(Duration::from_secs(30));
}
