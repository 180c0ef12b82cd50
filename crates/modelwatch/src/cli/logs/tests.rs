use clap::Parser as _;
use serde_json::json;

use super::*;

const NOW: UnixMs = UnixMs(1_700_000_000_123);

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    words: Words,
}

fn asked(arguments: &[&str]) -> Result<Wish, String> {
    let arguments = ["logs"].iter().chain(arguments);
    let line = Line::try_parse_from(arguments).map_err(|error| error.to_string())?;
    wish(&line.words, NOW, Language::English).map_err(|failure| match failure {
        Failure::Wrong(error) | Failure::Failed(error) => error.to_string(),
    })
}

#[test]
fn words_become_a_question() {
    let check = |arguments: &[&str], filter: &str, span: (i64, i64), limit: usize| {
        let wish = asked(arguments).unwrap();
        let found = (wish.filter.as_str(), wish.start.0, wish.end.0, wish.limit);
        assert_eq!(found, (filter, NOW.0 + span.0, NOW.0 + span.1, limit), "{arguments:?}");
    };
    check(&[], "", (-HOUR_MS, 0), 100);
    check(&["-host:a error"], "-host:a error", (-HOUR_MS, 0), 100);
    check(&["x", "--since", "90s", "--limit", "7"], "x", (-90_000, 0), 7);
    check(&["--since", "1m", "--to", "-1h"], "", (-HOUR_MS - 60_000, -HOUR_MS), 100);
    check(&["--from", "1699999999.123", "--to", "now"], "", (-1_000, 0), 100);
    check(&["--follow", "--limit", "0"], "", (-HOUR_MS, 0), 0);
    check(&["--limit", "1000000", "--order", "oldest"], "", (-HOUR_MS, 0), 1_000_000);
}

#[test]
fn wrong_words_are_named() {
    let check = |arguments: &[&str], expected: &str| {
        let said = asked(arguments).unwrap_err();
        assert!(said.contains(expected), "{arguments:?}: {said}");
    };
    check(&["--since", "0"], "--since 0: expected a duration");
    check(&["--from", "then"], "--from then: expected a time");
    check(&["--from", "-1h", "--to", "-2h"], "before it begins");
    check(&["--limit", "0"], "--limit 0: ");
    check(&["--limit", "10001"], "--order");
    check(&["--limit", "1001", "--context", "1"], "1000");
    check(&["--limit", "1001", "--patterns"], "1000");
    check(&["--context", "101"], "--context 101: ");
    check(&["--order", "loudest"], "loudest");
    check(&["--csv", "--context", "1"], "--csv");
    for together in [
        ["--json", "--csv", "x"],
        ["--from=1", "--since=1h", "x"],
        ["--patterns", "--order=newest", "x"],
        ["--follow", "--to=now", "x"],
    ] {
        assert!(asked(&together).is_err(), "{together:?}");
    }
}

#[test]
fn a_refusal_is_said_in_the_readers_language() {
    let check = |error: Value, language, expected: &str| {
        assert_eq!(ask::refusal(&error, language), expected);
    };
    let known = json!({"error": "x", "code": "filter.quote_open", "params": {"at": "3"}});
    check(known.clone(), Language::English, "a quote is not closed (character 3 of the filter)");
    assert_ne!(ask::refusal(&known, Language::Chinese), ask::refusal(&known, Language::English));
    let newer = json!({"error": "it is\u{7} new", "code": "filter.new"});
    check(newer, Language::English, "it is\\u{7} new");
    check(json!({"error": "plain"}), Language::Chinese, "plain");
}
