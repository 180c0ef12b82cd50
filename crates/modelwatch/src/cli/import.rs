//! `modelwatch import`: samples from files into a data directory or a running modelwatch.

use std::{
    collections::{BTreeMap, HashSet},
    io::BufRead,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use model::{
    Clock,
    message::{Language, render},
};
use store::Store;

use super::{complain, input, peer::Peer, progress::Progress};
use crate::{
    api::{REFUSED, SAMPLES_WRITTEN},
    config::Config,
    ingest::{BadLine, Gathered, LINE_BYTES_MAX, TextReader, encode},
    wire,
};

/// Samples that are read before they are stored together.
const BATCH_SAMPLES: usize = 20_000;

/// Bad lines that are shown; the rest is counted.
const BAD_LINES_MAX: usize = 10;

/// Where samples go.
enum Target {
    Folder(Store, Clock),
    Peer(Box<Peer>),
}

/// What has been done so far.
#[derive(Default)]
struct Summary {
    samples: u64,
    /// Fingerprints of the series met.
    series: HashSet<u64>,
    refused: BTreeMap<String, u64>,
    /// Time of the oldest sample.
    oldest: Option<i64>,
    bad_lines: u64,
    /// The first few of them: file, line, what is wrong.
    shown: Vec<(String, u64, BadLine)>,
}

/// Imports `files`; `-` is standard input. `true` when every line was taken.
pub(super) fn import(
    config: &Config,
    url: Option<&str>,
    files: &[PathBuf],
    language: Language,
) -> anyhow::Result<bool> {
    let clock = Clock::system();
    let target = match url {
        Some(url) => Target::Peer(Box::new(Peer::new(url, language)?)),
        None => Target::Folder(wire::open_for_transfer(config, &clock, language)?, clock.clone()),
    };
    let mut import = Import {
        target,
        reader: TextReader::default(),
        gathered: Gathered::default(),
        summary: Summary::default(),
        progress: Progress::new(clock),
        language,
    };
    for path in files {
        import.file(path).with_context(|| path.display().to_string())?;
    }
    let summary = import.finish()?;
    summary.tell(files.len(), language);
    let kept_since = Clock::system().now() - config.storage.retention;
    if url.is_none() && summary.oldest.is_some_and(|oldest| oldest < kept_since.0) {
        complain(&render::<&str, &str>("import.older_than_retention", &[], language));
    }
    Ok(summary.refused.is_empty() && summary.bad_lines == 0)
}

struct Import {
    target: Target,
    reader: TextReader,
    gathered: Gathered,
    summary: Summary,
    progress: Progress,
    language: Language,
}

impl Import {
    fn file(&mut self, path: &Path) -> anyhow::Result<()> {
        let name = path.display().to_string();
        self.lines(&name, input::open(path)?)
    }

    fn lines(&mut self, name: &str, mut input: impl BufRead) -> anyhow::Result<()> {
        let mut line = Vec::new();
        let mut number = 0;
        while input::read_line(&mut input, &mut line, LINE_BYTES_MAX)? {
            number += 1;
            if let Err(reason) = self.reader.read(&line, &mut self.gathered) {
                self.summary.note_bad(name, number, reason);
            }
            if self.gathered.points.samples.len() >= BATCH_SAMPLES {
                self.store()?;
            }
        }
        Ok(())
    }

    fn store(&mut self) -> anyhow::Result<()> {
        let gathered = std::mem::take(&mut self.gathered);
        let series = gathered.points.series.iter().map(|(labels, _)| labels.fingerprint());
        self.summary.series.extend(series);
        let oldest = gathered.points.samples.iter().map(|(time, _)| *time).min();
        self.summary.oldest = self.summary.oldest.into_iter().chain(oldest).min();
        self.target.take(&gathered, &mut self.summary)?;
        let samples = self.summary.samples.to_string();
        self.progress.show(|| render("import.progress", &[("samples", samples)], self.language));
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<Summary> {
        self.reader.finish(&mut self.gathered);
        self.store()?;
        if let Target::Folder(store, _) = &self.target {
            store.close().context("failed to close the data directory")?;
        }
        Ok(self.summary)
    }
}

impl Target {
    fn take(&mut self, gathered: &Gathered, summary: &mut Summary) -> anyhow::Result<()> {
        match self {
            Self::Folder(store, clock) => {
                let taken = gathered.store(store)?;
                summary.samples += taken.samples as u64;
                for (reason, count) in taken.refused {
                    *summary.refused.entry(reason.into()).or_default() += count as u64;
                }
                store.maintain(clock.now())?;
                Ok(())
            }
            Self::Peer(peer) => send(peer, gathered, summary),
        }
    }
}

fn send(peer: &mut Peer, gathered: &Gathered, summary: &mut Summary) -> anyhow::Result<()> {
    let headers = [(CONTENT_TYPE, "application/x-protobuf"), (CONTENT_ENCODING, "snappy")];
    let body = encode(gathered)?.into();
    let answer = peer.post("/api/v1/write", &headers, &body)?;
    let header = |name| answer.headers.get(name).and_then(|value| value.to_str().ok());
    // Only a modelwatch tells what it did with a part of a request.
    let Some(written) = header(SAMPLES_WRITTEN).and_then(|text| text.parse::<u64>().ok()) else {
        if !answer.status.is_success() {
            bail!("{}: {}", answer.status, answer.text.trim_end());
        }
        summary.samples += gathered.points.samples.len() as u64;
        return Ok(());
    };
    summary.samples += written;
    for part in header(REFUSED).unwrap_or_default().split(',') {
        if let Some((reason, count)) = part.split_once('=') {
            *summary.refused.entry(reason.into()).or_default() += count.parse::<u64>()?;
        }
    }
    Ok(())
}

impl Summary {
    fn note_bad(&mut self, file: &str, line: u64, reason: BadLine) {
        self.bad_lines += 1;
        if self.shown.len() < BAD_LINES_MAX {
            self.shown.push((file.to_owned(), line, reason));
        }
    }

    fn tell(&self, files: usize, language: Language) {
        let tell = |code: &str, params: &[(&str, String)]| {
            complain(&render(code, params, language));
        };
        for (file, line, reason) in &self.shown {
            let reason = render::<&str, &str>(reason, &[], language);
            let params = [("file", file.clone()), ("line", line.to_string()), ("reason", reason)];
            tell("import.bad_line", &params);
        }
        let more = self.bad_lines - self.shown.len() as u64;
        if more > 0 {
            tell("import.more_bad_lines", &[("count", more.to_string())]);
        }
        for (reason, count) in &self.refused {
            let known = format!("import.refused_{reason}");
            let text = render::<&str, &str>(&known, &[], language);
            let reason = if text == known { reason.clone() } else { text };
            tell("import.refused", &[("count", count.to_string()), ("reason", reason)]);
        }
        let params = [
            ("samples", self.samples.to_string()),
            ("series", self.series.len().to_string()),
            ("files", files.to_string()),
        ];
        tell("import.done", &params);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::{BufReader, Write as _},
    };

    use flate2::{Compression, write::GzEncoder};
    use model::{
        UnixMs,
        series::{Budget, Matcher, SeriesSource as _, TimeRange},
    };

    use super::*;

    #[test]
    fn plain_and_packed_files_are_stored() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.storage.path = folder.path().join("data");
        let plain = folder.path().join("plain");
        fs::write(&plain, "a 1 1.000\na 2 2.000\nbad\na 3\n").unwrap();
        let packed = folder.path().join("packed");
        let mut encoder = GzEncoder::new(fs::File::create(&packed).unwrap(), Compression::fast());
        encoder.write_all(b"a 3 3.000\na 4 2.000\n# EOF\n").unwrap();
        encoder.finish().unwrap();

        let is_whole = import(&config, None, &[plain, packed], Language::English).unwrap();
        assert!(!is_whole, "two lines are bad, and one sample has another value");
        let clock = Clock::system();
        let store = wire::open_for_transfer(&config, &clock, Language::English).unwrap();
        let budget = Budget::new(clock, std::time::Duration::from_secs(10), 100);
        let range = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };
        let found = store.select(&[Matcher::equal(model::NAME, "a")], range, &budget).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].times, [1_000, 2_000, 3_000]);
        assert_eq!(found[0].values, [1.0, 2.0, 3.0]);
    }

    fn check(text: &[u8], expected: &[usize]) {
        let (mut input, mut line, mut lengths) = (BufReader::new(text), Vec::new(), Vec::new());
        while input::read_line(&mut input, &mut line, LINE_BYTES_MAX).unwrap() {
            lengths.push(line.len());
        }
        assert_eq!(lengths, expected);
    }

    #[test]
    fn lines() {
        check(b"", &[]);
        check(b"a", &[1]);
        check(b"a\n\nbc\n", &[1, 0, 2]);
        let long = vec![b'x'; LINE_BYTES_MAX];
        check(&long, &[LINE_BYTES_MAX]);
        check(&[&long[..], b"\na"].concat(), &[LINE_BYTES_MAX, 1]);
        check(&[&long[..], b"xyz\na"].concat(), &[LINE_BYTES_MAX + 1, 1]);
    }
}
