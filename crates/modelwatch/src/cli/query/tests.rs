use clap::Parser as _;
use model::{Labels, sample::Batch};
use store::Store;

use super::*;

const NOW: UnixMs = UnixMs(1_700_000_000_123);

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    words: Words,
}

fn words(arguments: &[&str]) -> Words {
    let arguments = ["query", "a"].iter().chain(arguments);
    Line::try_parse_from(arguments).unwrap_or_else(|error| panic!("{error}")).words
}

/// What the options mean: start, end and step in seconds, or what is said to be wrong.
fn asked(arguments: &[&str]) -> String {
    match when(&words(arguments), NOW, Language::English) {
        Ok(When::Now) => "now".into(),
        Ok(When::At(time)) => format!("at {}", time.seconds()),
        Ok(When::Range(Grid { start, end, step_ms })) => {
            format!("{} to {} by {}", start.seconds(), end.seconds(), UnixMs(step_ms).seconds())
        }
        Err(Failure::Wrong(error)) => error.to_string(),
        Err(Failure::Failed(error)) => panic!("{error} is not the fault of the command line"),
    }
}

#[test]
fn times_are_asked_for() {
    let check = |arguments: &[&str], expected: &str| {
        assert_eq!(asked(arguments), expected, "{arguments:?}");
    };
    check(&[], "now");
    check(&["--time", "1700000000.5"], "at 1700000000.5");
    check(&["--time", "-1h"], "at 1699996400.123");
    check(&["--time", "2023-11-14T22:13:20Z"], "at 1700000000");
    check(&["--last", "1h"], "1699996400 to 1700000000 by 30");
    check(&["--last", "1h", "--end", "-1h"], "1699992800.123 to 1699996400.123 by 30");
    check(&["--start", "-1h", "--step", "1m"], "1699996400.123 to 1700000000 by 60");
    check(&["--start", "100", "--end", "200", "--step", "0.5"], "100 to 200 by 0.5");
    check(&["--start", "100", "--end", "100"], "100 to 100 by 1");
    check(&["--start", "0", "--end", "11000", "--step", "1"], "0 to 11000 by 1");
}

#[test]
fn wrong_times_are_named() {
    let check = |arguments: &[&str], expected: &str| {
        let said = asked(arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    };
    check(&["--time", "yesterday"], "--time yesterday: expected a time such as");
    check(&["--last", "0"], "--last 0: expected a duration of more than 0");
    check(&["--last", "1h", "--step", "-5"], "--step -5: expected a duration of more than 0");
    check(&["--last", "1h", "--step", "x"], "--step x: expected a duration");
    check(&["--start", "x"], "--start x: expected a time");
    check(&["--start", "1", "--end", "1h"], "--end 1h: expected a time");
    check(&["--end", "-1h"], "a range needs --last or --start");
    check(&["--step", "1m"], "a range needs --last or --start");
    check(
        &["--start", "200", "--end", "100"],
        "ends (1970-01-01T00:01:40Z) before it begins (1970-01-01T00:03:20Z)",
    );
    check(
        &["--start", "0", "--end", "11001", "--step", "1s"],
        "--step 1s makes more than 11000 points of each series; take 2s or more",
    );
    check(&["--start", "-9e12", "--end", "9e12", "--step", "1ms"], "more than 11000 points");
    for together in [["--time", "1", "--start", "1"], ["--last", "1h", "--start", "1"]] {
        let arguments = ["query", "a"].iter().chain(&together);
        assert!(Line::try_parse_from(arguments).is_err(), "{together:?}");
    }
}

#[test]
fn the_advised_step_is_enough() {
    for span in [11_001, 22_000, 22_001, 86_400 * 365] {
        let end = span.to_string();
        let said = asked(&["--start", "0", "--end", &end, "--step", "500ms"]);
        let advised = said.rsplit("take ").next().unwrap().split(' ').next().unwrap();
        let taken = asked(&["--start", "0", "--end", &end, "--step", advised]);
        assert!(taken.starts_with("0 to"), "{said}: {taken}");
    }
}

#[test]
fn the_address_is_where_the_configured_server_is() {
    for (listen, expected) in [
        ("127.0.0.1:9640", "http://127.0.0.1:9640"),
        ("0.0.0.0:1", "http://127.0.0.1:1"),
        ("[::]:2", "http://[::1]:2"),
        ("10.0.0.7:80", "http://10.0.0.7:80"),
    ] {
        assert_eq!(url_of(listen.parse().unwrap()), expected);
    }
}

/// Ten samples of `a{b="c"}`, 10 s apart, of which the last is of time 90 s.
fn store(folder: &Path) {
    let config = Config::default();
    let clock = Clock::manual(UnixMs(90_000));
    let options = store::Options { retention: config.storage.retention, ..Default::default() };
    let (store, _) = Store::open(folder, options, clock.clone()).unwrap();
    let labels = Labels::metric("a", [("b", "c")]);
    for step in 0..10 {
        let mut batch = Batch::new(UnixMs(step * 10_000));
        batch.push(&labels, step as f64);
        store.append(&batch).unwrap();
    }
    store.close().unwrap();
}

#[test]
fn a_data_directory_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path());
    let clock = Clock::manual(UnixMs(90_000));
    let check = |expression: &str, options: &[&str], expected: &str| {
        let words = words(options);
        let Ok(when) = when(&words, clock.now(), Language::English) else { panic!("{options:?}") };
        let config = Config::default();
        let reply =
            from_folder(&config, folder.path(), expression, when, &clock, Language::English);
        let Ok(reply) = reply else { panic!("{expression} has no answer") };
        let mut out = Vec::new();
        show(&reply, when, &words, Language::English, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{expression} {options:?}");
    };
    check("sum(a)", &[], "9\n");
    check("a", &[], "__name__  b  value\na         c      9\n");
    check(
        "a",
        &["--time", "25", "--format", "csv"],
        "time,__name__,b,value\n1970-01-01T00:00:25Z,a,c,2\n",
    );
    check(
        "a",
        &["--time", "25", "--format", "json"],
        "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":\
         \"a\",\"b\":\"c\"},\"value\":[25,\"2\"]}]}}\n",
    );
    check(
        "a",
        &["--start", "0", "--step", "10"],
        "1970-01-01T00:00:00Z to 1970-01-01T00:01:30Z, a point every 10s\na{b=\"c\"}\n            \
         min  avg  max  last\n▁▂▃▃▄▅▆▆▇█    0  4.5    9     9\n",
    );
    check(
        "a",
        &["--start", "70", "--step", "10", "--format", "csv"],
        "time,__name__,b,value\n1970-01-01T00:01:10Z,a,c,7\n1970-01-01T00:01:20Z,a,c,8\n\
         1970-01-01T00:01:30Z,a,c,9\n",
    );
    check("b", &[], "");
    check("b", &["--start", "0"], "");
}

#[test]
fn a_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(UnixMs(90_000));
    let check = |config: &Config, path: &Path, expression: &str, expected: &str| {
        let reply = from_folder(config, path, expression, When::Now, &clock, Language::English);
        let text = match reply {
            Ok(_) => "it has an answer".into(),
            Err(Failure::Wrong(error)) => format!("wrong: {error:#}"),
            Err(Failure::Failed(error)) => format!("failed: {error:#}"),
        };
        assert!(text.starts_with(expected), "{text}");
    };
    let config = Config::default();
    check(&config, folder.path(), "a", "failed: there is no store in");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "none was made");
    check(&config, &folder.path().join("absent"), "a", "failed: there is no store in");
    check(&config, folder.path(), "a +", "wrong: 1:");
    store(folder.path());
    let mut config = config;
    config.query.samples_max = 1;
    check(&config, folder.path(), "a[5m]", "failed: query processing would load too many samples");
    config.query.timeout = Duration::ZERO;
    clock.set(UnixMs(90_000));
    let options = store::Options::default();
    let (_held, _) = Store::open(folder.path(), options, clock.clone()).unwrap();
    check(&config, folder.path(), "a", "failed: the data directory");
}
