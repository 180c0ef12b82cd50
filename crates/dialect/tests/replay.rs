//! Replays captured responses of real engines against what an independent reader (`capture.py` beside the
//! captures) saw in them: whole, byte by byte, and cut in two at every byte.
//!
//! The captures are in `shared` beside the repository, a few of them in `fixtures` here; where `shared` is
//! absent, only those are replayed, and the tests say so.

mod capture;

use capture::{Capture, all, millis};
use dialect::{Fold, Summary};

const SHORT_BYTES: usize = 3000;
const STRETCH_BYTES: usize = 97;

/// What must be the same however the body was cut.
fn timeless(mut summary: Summary) -> Summary {
    for time in [
        &mut summary.time_to_first_chunk,
        &mut summary.ttft,
        &mut summary.ttst,
        &mut summary.ttfa,
        &mut summary.last_output,
        &mut summary.e2e,
        &mut summary.tpot,
    ] {
        *time = None;
    }
    for choice in &mut summary.choices {
        (choice.ttft, choice.last_output, choice.finished) = (None, None, None);
    }
    summary.gaps = dialect::Gaps::default();
    summary
}

fn fold(capture: &Capture) -> Fold {
    Fold::of_response(capture.api, Some(&capture.content_type), true).keep_text(1 << 20)
}

#[test]
fn every_captured_stream_is_read_as_it_was_observed() {
    let captures = all();
    for capture in &captures {
        capture.check(&capture.summary(fold(capture)));
    }
    assert!(captures.len() >= 8, "only {} streams", captures.len());
}

#[test]
fn cutting_changes_nothing_but_times() {
    for capture in &all() {
        let bytes = capture.bytes();
        let cut = |chunks: &[&[u8]]| {
            let mut fold = fold(capture);
            for chunk in chunks {
                fold.push(chunk, millis(1.0));
            }
            timeless(fold.finish(capture.ended, millis(1.0)))
        };
        let whole = cut(&[&bytes]);
        assert_eq!(whole, timeless(capture.summary(fold(capture))), "{}", capture.name);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(cut(&single), whole, "{} byte by byte", capture.name);
        // Short bodies are cut in two at every byte. Of the others every byte is cut as well, but many in
        // one pass, with whole stretches between them.
        if bytes.len() <= SHORT_BYTES {
            for at in 0..bytes.len() {
                let (left, right) = bytes.split_at(at);
                assert_eq!(cut(&[left, right]), whole, "{} cut at {at}", capture.name);
            }
        }
        for at in 0..STRETCH_BYTES.min(bytes.len()) {
            let (left, right) = bytes.split_at(at);
            let chunks: Vec<&[u8]> =
                [left].into_iter().chain(right.chunks(STRETCH_BYTES)).collect();
            assert_eq!(cut(&chunks), whole, "{} cut from {at}", capture.name);
        }
    }
}
