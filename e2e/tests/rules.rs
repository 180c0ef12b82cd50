//! `modelwatch rules` says the same of files of rules and of tests as `promtool` does.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context, Result, ensure};
use e2e::{command, run_to_end, skip};
use xtask::{peers, process};

/// Files in a folder of the crate `alert`, without those that others of them name.
fn files(folder: &str) -> Result<Vec<PathBuf>> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no folder above")?;
    let folder = crates.join("crates/alert").join(folder);
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|path| !path.to_string_lossy().ends_with("_rules.yml"));
    files.sort();
    Ok(files)
}

/// The program that the formats come from, or `None` after saying that it is not there.
fn promtool() -> Option<PathBuf> {
    let found = peers::prometheus().map(|installed| installed.promtool);
    if found.is_none() {
        skip("there is no promtool; `cargo xtask test` installs it");
    }
    found
}

fn judged(command: &mut Command, is_accepted: bool) -> Result<()> {
    let output = run_to_end(command)?;
    ensure!(output.code == Some(i32::from(!is_accepted)), "{command:?}: {output:?}");
    Ok(())
}

#[test]
fn our_verdicts_are_those_of_promtool() -> Result<()> {
    let folder = tempfile::tempdir()?;
    // Without it ours are still compared with what it said when the set was made.
    let promtool = promtool();
    let kinds = [
        ("good", "check", true),
        ("bad", "check", false),
        ("pass", "test", true),
        ("fail", "test", false),
    ];
    for (kind, work, is_accepted) in kinds {
        // The shared set: what is in `good` and `pass` is accepted.
        let files = files(&format!("tests/agreement/{kind}"))?;
        ensure!(files.len() >= 5, "{kind}: {files:?}");
        for file in files {
            let words = [OsStr::new("rules"), OsStr::new(work), file.as_os_str()];
            judged(&mut command(folder.path(), &words), is_accepted)?;
            if let Some(promtool) = &promtool {
                judged(process::command(promtool).args([work, "rules"]).arg(&file), is_accepted)?;
            }
        }
    }
    Ok(())
}

/// The built-in rules hold their own unit tests with the program that their format comes from.
#[test]
fn promtool_finds_of_the_built_in_rules_what_we_do() -> Result<()> {
    let Some(promtool) = promtool() else { return Ok(()) };
    let files = files("src/pack/tests")?;
    ensure!(files.len() >= 10, "{files:?}");
    thread::scope(|scope| {
        let judge =
            |file| judged(process::command(&promtool).args(["test", "rules"]).arg(file), true);
        let runs: Vec<_> = files.iter().map(|file| scope.spawn(move || judge(file))).collect();
        runs.into_iter().try_for_each(|run| run.join().expect("a thread that does not panic"))
    })
}

#[test]
fn what_is_wrong_is_said_in_both_languages() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.yml");
    fs::write(&path, "groups:\n- name: a\n  rules:\n  - alert: x\n    expr: sum(\n")?;
    let run = |words: &[&OsStr]| run_to_end(&mut command(folder.path(), words));
    let words = ["rules", "check"].map(OsStr::new);
    let output = run(&[words[0], words[1], path.as_os_str()])?;
    let expected = "cannot be used; problems: 1\n  5:15  cannot parse the expression: unclosed left parenthesis\n";
    ensure!(output.code == Some(1) && output.text.ends_with(expected), "{output:?}");
    let chinese = ["--lang", "zh"].map(OsStr::new);
    let output = run(&[chinese[0], chinese[1], words[0], words[1], path.as_os_str()])?;
    ensure!(
        output.text.contains("不可用，问题 1 个") && output.text.contains("无法解析表达式"),
        "{output:?}"
    );
    fs::write(
        &path,
        "groups:\n- name: a\n  rules:\n  - {alert: x, expr: up}\n  - {alert: x, expr: up}\n",
    )?;
    let output = run(&[words[0], words[1], OsStr::new("--lint-fatal"), path.as_os_str()])?;
    ensure!(output.code == Some(3), "{output:?}");
    Ok(())
}
