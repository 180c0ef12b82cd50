//! Counting tests: what each runner says at its end, and the sum.

use std::process::ExitCode;

use regex::Regex;

use crate::say;

/// Finds the counts in a runner's output.
pub(super) type Reader = fn(&str) -> Counts;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
}

impl Counts {
    pub(super) fn total(&self) -> usize {
        self.passed + self.failed + self.skipped
    }

    /// Adds every `N word` of `text`.
    fn add_words(&mut self, text: &str) {
        let numbers = Regex::new(r"(\d+) ([a-z]+)").expect("invariant: a valid pattern");
        for found in numbers.captures_iter(text) {
            let count: usize = found[1].parse().unwrap_or(0);
            match &found[2] {
                "passed" => self.passed += count,
                "failed" | "timed" => self.failed += count,
                "exec" => self.failed += count,
                "skipped" | "todo" | "ignored" => self.skipped += count,
                _ => {} // "12 tests run", "1 slow": parts of the others
            }
        }
    }
}

/// `Summary [ 0.1s] 3 tests run: 2 passed (1 slow), 1 failed, 4 skipped`. Its "skipped" are the tests
/// that our own filter left to another step.
pub(super) fn nextest(output: &str) -> Counts {
    let mut counts = Counts::default();
    for line in plain(output).lines() {
        let words = line.split_once("tests run: ").or(line.split_once("test run: "));
        if let Some((before, words)) = words
            && before.trim_start().starts_with("Summary")
        {
            counts.add_words(words);
        }
    }
    counts.skipped = 0;
    counts
}

/// `test result: ok. 3 passed; 0 failed; 0 ignored; ...`, once for each binary.
pub(super) fn libtest(output: &str) -> Counts {
    let mut counts = Counts::default();
    for line in plain(output).lines() {
        if let Some(words) = line.trim_start().strip_prefix("test result: ") {
            counts.add_words(words);
        }
    }
    counts
}

/// `Tests  1 failed | 11 passed (12)`
pub(super) fn vitest(output: &str) -> Counts {
    let mut counts = Counts::default();
    for line in plain(output).lines() {
        if let Some(words) = line.trim_start().strip_prefix("Tests ") {
            counts.add_words(words);
        }
    }
    counts
}

/// `ℹ pass 3`, one line for each word. What was cancelled did not pass.
pub(super) fn node(output: &str) -> Counts {
    let mut counts = Counts::default();
    for line in plain(output).lines() {
        let mut words = line.split_whitespace();
        if !matches!(words.next(), Some("ℹ" | "#")) {
            continue;
        }
        let (Some(word), Some(Ok(count))) = (words.next(), words.next().map(str::parse::<usize>))
        else {
            continue;
        };
        match word {
            "pass" => counts.passed += count,
            "fail" | "cancelled" => counts.failed += count,
            "skipped" | "todo" => counts.skipped += count,
            _ => {}
        }
    }
    counts
}

/// Without colours.
fn plain(output: &str) -> String {
    let escapes = Regex::new("\x1b\\[[0-9;]*[A-Za-z]").expect("invariant: a valid pattern");
    escapes.replace_all(output, "").into_owned()
}

#[derive(Default)]
pub(super) struct Tally {
    passed: usize,
    pub(super) failed: usize,
    skipped: usize,
    reasons: Vec<String>,
    failures: Vec<String>,
}

impl Tally {
    pub(super) fn pass(&mut self, _name: &str) {
        self.passed += 1;
    }

    pub(super) fn fail(&mut self, name: &str) {
        self.failed += 1;
        self.failures.push(name.to_owned());
    }

    pub(super) fn skip(&mut self, reason: &str) {
        say(&format!("skipped: {reason}"));
        self.skipped += 1;
        self.reasons.push(reason.to_owned());
    }

    /// Adds a runner's counts. Rust's runners know no skipping at run time: a test that could not do
    /// its work counts there as passed, and says so in `reasons`.
    pub(super) fn add(&mut self, counts: &Counts, reasons: &[String]) {
        self.passed += counts.passed.saturating_sub(reasons.len());
        self.failed += counts.failed;
        self.skipped += counts.skipped + reasons.len();
        self.reasons.extend_from_slice(reasons);
    }

    /// Prints what was left out, and the line that counts.
    pub(super) fn report(&self, skips_are_failures: bool) -> ExitCode {
        for failure in &self.failures {
            say(&format!("failed: {failure}"));
        }
        for reason in &self.reasons {
            say(&format!("skipped: {reason}"));
        }
        let bad = self.failed > 0 || (skips_are_failures && self.skipped > 0);
        if self.failed == 0 && bad {
            say("CI is set: what was skipped counts as a failure of the whole");
        }
        say(&format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped));
        if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(read: Reader, output: &str, passed: usize, failed: usize, skipped: usize) {
        assert_eq!(read(output), Counts { passed, failed, skipped });
    }

    #[test]
    fn summaries_of_all_runners() {
        check(nextest, "     Summary [   0.003s] 3 tests run: 3 passed, 9 skipped\n", 3, 0, 0);
        check(
            nextest,
            "     Summary [   2.1s] 6/9 tests run: 2 passed (1 slow), 2 failed, 1 timed out, 1 exec failed, 0 skipped",
            2,
            4,
            0,
        );
        check(nextest, "     Summary [   0.1s] 1 test run: 1 passed, 0 skipped", 1, 0, 0);
        check(
            libtest,
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.1s\n\
             test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n",
            4,
            2,
            1,
        );
        check(
            vitest,
            " Test Files  1 failed | 2 passed (3)\n      Tests  1 failed | 11 passed | 2 skipped (14)\n",
            11,
            1,
            2,
        );
        check(
            vitest,
            "\x1b[2m      Tests \x1b[22m \x1b[1m\x1b[32m12 passed\x1b[39m\x1b[22m (12)",
            12,
            0,
            0,
        );
        check(
            node,
            "ℹ tests 5\nℹ suites 0\nℹ pass 3\nℹ fail 1\nℹ cancelled 1\nℹ skipped 0\nℹ todo 0",
            3,
            2,
            0,
        );
        check(node, "nothing ran", 0, 0, 0);
    }

    #[test]
    fn a_test_that_could_not_do_its_work_did_not_pass() {
        let mut tally = Tally::default();
        tally.add(&Counts { passed: 3, failed: 0, skipped: 0 }, &["disk: no mount".to_owned()]);
        assert_eq!((tally.passed, tally.failed, tally.skipped), (2, 0, 1));
    }
}
