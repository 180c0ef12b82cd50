//! Samples leave one modelwatch and arrive in another, exactly.

use std::{fs, path::Path};

use anyhow::{Result, ensure};
use e2e::{
    Modelwatch, Output, PATIENCE, command,
    remote_write::{Protocol, Sent, message_v1},
    run_to_end,
};

fn run(data: &Path, words: &[&str]) -> Result<Output> {
    let words: Vec<&std::ffi::OsStr> = words.iter().map(AsRef::as_ref).collect();
    run_to_end(&mut command(data, &words))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Values that are easily lost on the way, at times that are.
const SENT: &[Sent<'static>] = &[
    Sent {
        labels: &[("__name__", "odd"), ("a", "quote \" slash \\ line \n end")],
        samples: &[
            (1_700_000_000_001, 0.1 + 0.2),
            (1_700_000_000_999, -0.0),
            (1_700_000_001_000, f64::INFINITY),
            (1_700_000_002_000, f64::NEG_INFINITY),
            (1_700_000_003_000, f64::MAX),
            (1_700_000_004_000, 5e-324),
            (1_700_000_005_000, f64::NAN),
        ],
    },
    Sent { labels: &[("__name__", "odd.é"), ("b c", "d")], samples: &[(1_700_000_000_500, 1e17)] },
    Sent { labels: &[("__name__", "odd_total")], samples: &[(1_700_000_000_000, 7.0)] },
];

const SELECTOR: &str = "{__name__=~\"odd.*\"}";

#[test]
fn an_export_is_imported_exactly() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let old = "[storage]\naccept_old = true\nretention = \"9000d\"\npath";
    let start = |name: &str| -> Result<Modelwatch> {
        // The later `path` would be a second key, so the section is written here as a whole.
        let home = folder.path().join(name);
        fs::create_dir_all(&home)?;
        let config = home.join("old.toml");
        let text = format!("[server]\nlisten = \"127.0.0.1:0\"\n{old} = {:?}\n", home.join("data"));
        fs::write(&config, text)?;
        let words = ["serve".as_ref(), "--config".as_ref(), config.as_os_str()];
        Modelwatch::spawn(&mut command(&home.join("data"), &words), &home.join("log"))
    };
    let mut first = start("first")?;
    let response = first.write(Protocol::V1, &message_v1(SENT))?;
    ensure!(response.status == 204, "{}", response.text());

    let data = folder.path().join("first/data");
    let exported = text(&folder.path().join("exported"));
    let url = format!("http://{}", first.address);
    let export = |url: &str, file: &str| {
        run(&data, &["export", "--match", SELECTOR, "--url", url, "-o", file])
    };
    let output = export(&url, &exported)?;
    ensure!(output.code == Some(0) && output.text.contains("exported 9 samples"), "{output:?}");
    let written = fs::read_to_string(&exported)?;
    ensure!(written.ends_with("# EOF\n") && written.lines().count() == 10, "{written}");

    let output = run(&data, &["export", "--match", SELECTOR, "-o", &exported])?;
    ensure!(output.code == Some(1) && output.text.contains("--url"), "{output:?}");
    let output = run(&data, &["import", &exported])?;
    ensure!(output.code == Some(1) && output.text.contains("--url"), "{output:?}");
    ensure!(first.terminate(PATIENCE)?.success(), "{}", first.log());
    let direct = text(&folder.path().join("direct"));
    let output = run(&data, &["export", "--match", SELECTOR, "-o", &direct])?;
    ensure!(output.code == Some(0), "{output:?}");
    ensure!(fs::read_to_string(&direct)? == written, "a folder exports something else");

    // Into a folder, and into a running process.
    let output = run(&folder.path().join("second/data"), &["import", &exported])?;
    ensure!(output.code == Some(0), "{output:?}");
    ensure!(output.text.contains("imported 9 samples of 3 series"), "{output:?}");
    for (name, is_empty) in [("second", false), ("third", true)] {
        let peer = start(name)?;
        let url = format!("http://{}", peer.address);
        if is_empty {
            let output = run(&data, &["import", "--url", &url, &exported])?;
            ensure!(output.code == Some(0), "{output:?}");
            ensure!(output.text.contains("imported 9 samples of 3 series"), "{output:?}");
        }
        let again = text(&folder.path().join(name).join("again"));
        let output = export(&url, &again)?;
        ensure!(output.code == Some(0), "{output:?}");
        ensure!(fs::read_to_string(&again)? == written, "{name}: {}", fs::read_to_string(&again)?);
    }
    Ok(())
}

#[test]
fn an_import_tells_what_it_left_out() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut modelwatch = Modelwatch::start(folder.path(), "")?;
    let file = folder.path().join("samples");
    fs::write(&file, "good 1 1000.000\nno_time 1\n{ 1 2\ngood x 3\n")?;
    let url = format!("http://{}", modelwatch.address);
    let output = run(&folder.path().join("data"), &["import", "--url", &url, &text(&file)])?;
    ensure!(output.code == Some(1), "{output:?}");
    for expected in [
        "line 2: there is no timestamp",
        "line 3: the name or the labels cannot be read",
        "line 4: the value cannot be read",
        "refused: 1 samples, too old; set [storage] accept_old = true",
        "imported 0 samples of 1 series",
    ] {
        ensure!(output.text.contains(expected), "no {expected:?} in\n{}", output.text);
    }
    ensure!(modelwatch.terminate(PATIENCE)?.success(), "{}", modelwatch.log());
    let output = run(&folder.path().join("data"), &["import", &text(&file)])?;
    ensure!(output.text.contains("imported 1 samples of 1 series"), "{output:?}");
    ensure!(output.text.contains("older than [storage] retention"), "{output:?}");
    let output = run(&folder.path().join("nowhere"), &["export", "--match", "a"])?;
    ensure!(output.code == Some(1) && output.text.contains("there is no data directory"));
    let output = run(folder.path(), &["export", "--match", "a{"])?;
    ensure!(output.code == Some(1) && output.text.contains("--match a{"), "{output:?}");
    Ok(())
}

#[test]
fn csv_has_a_header_and_a_slice_of_time() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let file = folder.path().join("samples");
    fs::write(
        &file,
        "a{b=\"c\"} 1 1700000000\na{b=\"c\"} 2 1700000060.5\na{b=\"c\"} 3 1700000120\n",
    )?;
    ensure!(run(&data, &["import", &text(&file)])?.code == Some(0));
    let csv = folder.path().join("csv");
    let output = run(
        &data,
        &[
            "export",
            "--match",
            "a",
            "--start",
            "2023-11-14T22:14:00Z",
            "--end",
            "1700000100",
            "--format",
            "csv",
            "--output",
            &text(&csv),
        ],
    )?;
    ensure!(output.code == Some(0) && output.text.contains("exported 1 samples"), "{output:?}");
    let written = fs::read_to_string(&csv)?;
    let expected = "name,labels,time_ms,value\na,\"{\"\"b\"\":\"\"c\"\"}\",1700000060500,2\n";
    ensure!(written == expected, "{written}");
    Ok(())
}
