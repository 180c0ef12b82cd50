//! Reads and runs scripts in the language of Prometheus' own conformance tests: `load` and `clear` say
//! which samples there are, `eval` says what a query must yield over them.

mod eval;
mod expect;
mod load;
mod nhcb;

use query::Settings;

use self::eval::Eval;
pub(crate) use self::expect::samples;
pub(crate) use query::notation::{Memory, histogram::is_same_histogram, is_close};

/// What was read, or what is wrong with a script or with a result.
pub(crate) type Read<T> = Result<T, String>;

/// How one evaluation went.
pub(crate) struct Outcome {
    /// Of its `eval`, from 1.
    pub(crate) line: usize,
    pub(crate) query: String,
    pub(crate) problem: Option<String>,
}

/// Runs a script. An error says what is wrong with the script itself, and where.
pub(crate) fn run(text: &str, settings: &Settings) -> Read<Vec<Outcome>> {
    // A comment ends a block as an empty line does.
    let lines: Vec<&str> = text
        .lines()
        .map(|line| line.trim())
        .map(|line| if line.starts_with('#') { "" } else { line })
        .collect();
    let mut memory = Memory::default();
    let mut outcomes = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let number = at + 1;
        at += 1;
        let command = line.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        if command.is_empty() {
            continue;
        }
        if command == "clear" {
            memory = Memory::default();
            continue;
        }
        let length = lines[at..].iter().take_while(|line| !line.is_empty()).count();
        let block = &lines[at..at + length];
        at += length;
        let place = |problem: String| format!("line {number}: {problem}");
        if let Some(kind) = command.strip_prefix("load") {
            let step = &line[command.len()..];
            match kind {
                "" => load::load(&mut memory, step, block).map_err(place)?,
                "_with_nhcb" => load::load_with_nhcb(&mut memory, step, block).map_err(place)?,
                _ => return Err(place(format!("no command: {command}"))),
            }
        } else if command.starts_with("eval") {
            let eval = Eval::read(line, block).map_err(place)?;
            let problem = eval.check(&memory, settings).err();
            outcomes.push(Outcome { line: number, query: eval.query, problem });
        } else {
            return Err(place(format!("no command: {command}")));
        }
    }
    Ok(outcomes)
}

/// The problem of the only evaluation of a script, over a few series.
#[cfg(test)]
fn problem(eval: &str) -> Option<String> {
    let script = format!(
        "load 10s\n  a{{x=\"1\"}} 0+1x60\n  a{{x=\"2\"}} 5x60\n  h {{{{count:2 sum:3 buckets:[2]}}}}x60\n\n{eval}"
    );
    let outcomes = run(&script, &Settings::default()).unwrap();
    assert_eq!(outcomes.len(), 1, "{eval}");
    outcomes.into_iter().next().unwrap().problem
}

#[test]
fn what_is_as_expected_passes() {
    for eval in [
        "eval instant at 10s a\n a{x=\"2\"} 5\n a{x=\"1\"} 1",
        "EVAL instant at 10s sum(a)\n expect no_warn\n expect no_info\n {} 6",
        "eval instant at 10s sort_desc(a)\n expect ordered\n a{x=\"2\"} 5\n a{x=\"1\"} 1",
        "eval instant at 1m 1 + 1\n 2",
        "eval instant at 1m 'a'\n expect string `a`",
        "eval instant at 1m nothing",
        "eval range from 0 to 20s step 10s a{x=\"1\"}\n a{x=\"1\"} 0 1 2",
        "eval range from 0 to 20s step 10s a{x=\"1\"} > 1\n a{x=\"1\"} _ _ 2",
        "eval range from 0 to 10s step 10s 1\n {} 1 1",
        "eval instant at 20s a{x=\"1\"}[20s]\n expect range vector from 10s to 20s step 10s\n a{x=\"1\"} 1 2",
        "eval instant at 10s a + on() a\n expect fail",
        "eval_fail instant at 10s a + on() a",
        "eval instant at 10s a + on() a\n expect fail regex: many-to-many .* not allowed",
        "eval instant at 10s a +\n expect fail regex: 1:4: parse error: .*",
        "eval instant at 1m quantile(2, a)\n expect warn regex: .*should be between 0 and 1.*\n {} Inf",
        "eval instant at 1m rate(a{x=\"1\"}[1m])\n expect info\n {x=\"1\"} 0.1",
    ] {
        assert_eq!(problem(eval), None, "{eval}");
    }
}

#[test]
fn what_is_not_as_expected_is_noticed() {
    for eval in [
        "eval instant at 10s a\n a{x=\"2\"} 5",
        "eval instant at 10s a\n a{x=\"2\"} 5\n a{x=\"1\"} 1\n a{x=\"3\"} 1",
        "eval instant at 10s a\n a{x=\"2\"} 5\n a{x=\"1\"} 1.1",
        "eval instant at 10s sum(a)\n 6",
        "eval instant at 10s sum(a)\n {} {{count:6}}",
        "eval instant at 10s sort_desc(a)\n expect ordered\n a{x=\"1\"} 1\n a{x=\"2\"} 5",
        "eval instant at 1m 1 + 1\n {} 2",
        "eval instant at 1m 1 + 1\n 3",
        "eval instant at 1m 'a'\n expect string `b`",
        "eval instant at 1m 'a'",
        "eval instant at 1m 1",
        "eval range from 0 to 20s step 10s a{x=\"1\"}\n a{x=\"1\"} 0 1",
        "eval range from 0 to 20s step 10s a{x=\"1\"}\n a{x=\"1\"} 0 1 2 3",
        "eval range from 0 to 20s step 10s a{x=\"1\"} > 1\n a{x=\"1\"} 2",
        "eval range from 0 to 10s step 10s 1\n 1",
        "eval instant at 20s a{x=\"1\"}[20s]\n expect range vector from 0s to 20s step 10s\n a{x=\"1\"} 0 1 2",
        "eval instant at 10s a\n expect fail",
        "eval instant at 10s a + on() a",
        "eval instant at 10s a + on() a\n expect fail msg: many-to-many",
        "eval instant at 10s a +",
        "eval instant at 1m quantile(2, a)\n expect warn msg: no\n {} Inf",
        "eval instant at 1m quantile(2, a)\n expect no_warn\n {} Inf",
        "eval instant at 1m quantile(1, a)\n expect warn\n {} 6",
        "eval instant at 1m rate(a{x=\"1\"}[1m])\n expect no_info\n {x=\"1\"} 0.1",
        "eval_warn instant at 10s sum(a)\n {} 6",
    ] {
        assert!(problem(eval).is_some(), "{eval}");
    }
}

#[test]
fn bad_scripts_are_refused() {
    let check = |script: &str, place: &str| {
        let problem = run(script, &Settings::default()).err().unwrap_or_default();
        assert!(problem.starts_with(place), "{script}: {problem}");
    };
    check("a", "line 1: ");
    check("# a\n\nlode 1s", "line 3: ");
    check("load 1\n a 1", "line 1: ");
    check("load 1s\n a{ 1", "line 1: ");
    check("loads 1s", "line 1: ");
    check("load_with_nhcb 1s\n a_bucket{le=\"1\"} 2\n a_bucket{le=\"2\"} 1", "line 1: ");
    check("clear\neval instant 5s a", "line 2: ");
    check("eval instant at 5s", "line 1: ");
    check("eval later at 5s a", "line 1: ");
    check("eval_never instant at 5s a", "line 1: ");
    check("eval range from 1s to 2s a", "line 1: ");
    for block in [
        "1\n 2",
        "a 1\n a 2",
        "a",
        "a 1 2",
        "expect",
        "expect nothing",
        "expect warn a",
        "expect warn regex: (",
        "expect warn\n expect no_warn",
        "expect info\n expect no_info",
        "expect fail\n expect fail",
        "expect string a",
        "expect string `a` b",
        "expect range vector",
        "expect range vector from 1s to 2s step 1s",
    ] {
        check(&format!("eval instant at 1m a\n {block}"), "line 1: ");
    }
}
