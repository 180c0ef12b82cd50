//! A whole report of written facts, through all back ends.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    sync::Arc,
};

use model::{UnixMs, message::Language};

use crate::{
    Facts, Fonts, compose, csv,
    document::Block,
    facts::{
        AcceleratorFacts, Bilingual, Change, DiskFacts, Energy, Errors, Figures, Histogram,
        HostFacts, Incident, KeyUsage, ModelFacts, Objective, Pattern, Quantiles, Said, Slot,
    },
    html, pdf, png,
    zone::Zone,
};

const HOUR: i64 = 3_600_000;
/// 2026-11-21, a Saturday.
const START: i64 = 1_795_219_200_000;

fn model(name: &str) -> ModelFacts {
    let quantiles = Quantiles { p50: 0.2, p95: 0.9, p99: 1.8 };
    let slot = |hour: i64| Slot {
        time: UnixMs(START + hour * HOUR),
        requests: Some(100.0),
        tokens_input: Some(90_000.0),
        tokens_output: Some(30_000.0 + 1_000.0 * (hour % 24) as f64),
        up: Some(if hour == 30 { 0.0 } else { 1.0 }),
        ttft: (hour != 31).then_some(quantiles),
        tpot: None,
        cache: Some(0.5),
        waiting: Some(0.0),
    };
    let now = Figures {
        requests: Some(16_800.0),
        asked: Some(16_800.0),
        failed: Some(400.0),
        cut_short: Some(10.0),
        tokens_input: Some(1.5e7),
        tokens_cached: Some(6e6),
        tokens_output: Some(7e6),
        preemptions: Some(0.0),
        availability: Some(0.994),
        ttft: Some(quantiles),
        tpot: Some(quantiles),
        ttft_within: Some(0.91),
        tpot_within: None,
        cache_max: Some(0.5),
        cache_mean: Some(0.5),
        waiting_max: Some(0.0),
        down_seconds: Some(3_600.0),
    };
    ModelFacts {
        name: name.into(),
        engines: vec!["vllm 0.33.0 node-1:8000".into()],
        now,
        before: Some(Figures { requests: Some(15_000.0), ..now }),
        ttft: Histogram::from_cumulative(vec![(0.1, 1e3), (0.5, 9e3), (1.0, 16e3), (2.5, 16.8e3)]),
        tpot: Histogram::from_cumulative(vec![(0.02, 1e3), (0.05, 16e3), (0.1, 16.8e3)]),
        objective: Objective { ttft_seconds: Some(0.8), ratio: Some(0.95), ..Objective::default() },
        slots: (0..168).map(slot).collect(),
    }
}

fn accelerators() -> Vec<AcceleratorFacts> {
    (0..40)
        .map(|index| AcceleratorFacts {
            host: "node-1".into(),
            index: index.to_string(),
            model: "NVIDIA H100 80GB HBM3".into(),
            utilization_mean: Some(0.6),
            watts_mean: Some(400.0),
            joules: Some(2.4e8),
            throttled: vec![("hw_thermal".into(), 900.0)],
            ..AcceleratorFacts::default()
        })
        .collect()
}

fn facts() -> Facts {
    let said =
        |code: &str| Said { code: code.into(), params: vec![("engine".into(), "vLLM".into())] };
    Facts {
        start: UnixMs(START),
        end: UnixMs(START + 168 * HOUR),
        created: UnixMs(START + 168 * HOUR),
        zone: Zone { name: "Asia/Shanghai".into(), offsets: vec![(UnixMs(0), 28_800)] },
        deployment: "node-1".into(),
        version: "0.1.0".into(),
        model: None,
        slot_ms: HOUR,
        observed: Some(0.98),
        models: vec![model("<b>Qwen3-32B</b>"), model("生僻字\u{2b740}模型")],
        keys: vec![KeyUsage {
            name: "team".into(),
            requests: 9.0,
            models: vec![("Qwen3-32B".into(), 9.0)],
            ..KeyUsage::default()
        }],
        keys_omitted: 2,
        keys_requests: 12.0,
        incidents: Some(vec![Incident {
            name: "EngineDown".into(),
            severity: "critical".into(),
            start: UnixMs(START + 30 * HOUR),
            end: Some(UnixMs(START + 31 * HOUR)),
            summary: Bilingual { en: "An engine is down".into(), zh: "引擎中断".into() },
            cause: Bilingual::default(),
            alerts: 1,
        }]),
        accelerators: accelerators(),
        hosts: vec![HostFacts {
            name: "node-1".into(),
            disks: vec![DiskFacts {
                mountpoint: "/".into(),
                size_bytes: 4e12,
                available_bytes: 1e11,
                full_in_seconds: Some(3.0 * 86_400.0),
            }],
            ..HostFacts::default()
        }],
        energy: Energy {
            joules: Some(9.6e9),
            joules_before: None,
            price: Some(0.3),
            currency: "EUR".into(),
        },
        errors: Errors {
            outcomes: vec![("ok".into(), 97.0), ("upstream_error".into(), 3.0)],
            patterns: vec![Pattern {
                text: "failed to open <*>".into(),
                severity: "error".into(),
                count: 7,
                first: UnixMs(START),
                last: UnixMs(START + HOUR),
            }],
            patterns_omitted: 0,
        },
        changes: vec![Change { time: UnixMs(START + HOUR), said: said("event.engine_restarted") }],
        ..Facts::default()
    }
}

#[test]
fn every_word_is_in_the_catalogue() {
    for language in [Language::English, Language::Chinese] {
        for facts in [facts(), Facts::default()] {
            let page = html(&compose(&facts, language));
            for rest in page.split("report.").skip(1) {
                let code: String = rest.chars().take(40).collect();
                assert!(!rest.starts_with(|c: char| c.is_ascii_lowercase()), "report.{code}");
            }
        }
    }
}

#[test]
fn a_page_is_one_file_that_does_nothing() {
    let page = html(&compose(&facts(), Language::English));
    assert!(page.starts_with("<!doctype html>\n<html lang=\"en\">"));
    assert!(page.contains("<title>Weekly model service report</title>"));
    assert!(page.contains("&lt;b&gt;Qwen3-32B&lt;/b&gt;") && !page.contains("<b>Qwen3"));
    for forbidden in ["<script", "src=", "href=", "@import", "url(", "<link"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    let chinese = html(&compose(&facts(), Language::Chinese));
    assert!(chinese.contains("模型服务周报") && chinese.contains("引擎中断"));
    assert!(chinese.contains("2026-11-21 08:00 至 2026-11-28 08:00，Asia/Shanghai (UTC+08:00)"));
}

#[test]
fn what_made_users_wait_is_advised_upon_first() {
    let document = compose(&facts(), Language::English);
    let blocks = document.sections.iter().flat_map(|section| &section.blocks);
    let advice = blocks.filter_map(|block| match block {
        Block::Advice(advice) => Some(advice),
        _ => None,
    });
    let texts: Vec<&str> = advice.flatten().map(|one| one.text.as_str()).collect();
    assert_eq!(texts.len(), 3);
    assert!(texts[0].contains("second replica"), "{texts:?}");
    assert!(compose(&Facts::default(), Language::English).sections.len() > 5);
}

#[test]
fn every_objective_is_judged() {
    let check = |objective: Objective, change: fn(&mut Figures), code: &str| {
        let mut one = ModelFacts { objective, ..model("m") };
        change(&mut one.now);
        // With nothing else to be advised upon.
        let (accelerators, hosts) = (Vec::new(), Vec::new());
        let facts = Facts { models: vec![one], accelerators, hosts, ..facts() };
        let document = compose(&facts, Language::English);
        let Block::Text(text) = &document.sections[0].blocks[0] else { panic!("no verdict") };
        let params = [("models", "m")];
        let expected = model::message::render(code, &params, Language::English);
        assert!(text.contains(&expected), "{text} does not say: {expected}");
        let page = html(&document);
        let advised = page.contains("No model has an objective");
        assert_eq!(advised, code == "report.verdict_no_objective", "{code}");
    };
    let none = Objective::default();
    let tpot = Objective { tpot_seconds: Some(0.1), ..none };
    let success = Objective { success_ratio: Some(0.99), ..none };
    check(Objective { ratio: Some(0.9), ..none }, |_| {}, "report.verdict_no_objective");
    check(tpot, |now| now.tpot_within = Some(0.9), "report.verdict_missed");
    check(tpot, |now| now.tpot_within = Some(0.95), "report.verdict_kept");
    check(tpot, |now| now.tpot_within = None, "report.verdict_not_measured");
    // 400 of 16,800 failed.
    check(success, |_| {}, "report.verdict_missed");
    check(success, |now| now.failed = Some(100.0), "report.verdict_kept");
    check(success, |now| now.asked = None, "report.verdict_not_measured");
    let both = Objective { ttft_seconds: Some(0.8), ratio: Some(0.9), ..success };
    check(both, |now| now.asked = None, "report.verdict_kept_measured");
    check(both, |_| {}, "report.verdict_missed");
}

#[test]
fn times_are_together_only_where_buckets_agree() {
    let of = |name: &str, scale: f64, count: f64| {
        let pairs = [(0.1, 0.0), (0.2, count), (f64::INFINITY, count)];
        let pairs = pairs.map(|(bound, count)| (bound * scale, count));
        let objective = Objective::default();
        let mut model = ModelFacts { objective, ..model(name) };
        model.now.ttft_within = None;
        model.ttft = Histogram::from_cumulative(pairs.to_vec());
        model
    };
    let check = |models: Vec<ModelFacts>, note: Option<&str>| {
        let document = compose(&Facts { models, ..facts() }, Language::English);
        let [_, Block::Tiles(tiles), next, ..] = document.sections[0].blocks.as_slice() else {
            panic!("no tiles");
        };
        let tile = tiles.iter().find(|tile| tile.label == "TTFT p95").unwrap();
        assert_eq!(tile.value, "195 ms");
        let said = match next {
            Block::Note(text) => Some(text.as_str()),
            _ => None,
        };
        assert_eq!(said, note);
    };
    check(vec![of("a", 1.0, 9.0), of("b", 1.0, 90.0)], None);
    // The models with the most requests together, whichever is first.
    let differ = Some(
        "TTFT p95 is that of 2 of 3 models: the buckets of the others differ and cannot be added up.",
    );
    let models = || vec![of("c", 10.0, 60.0), of("a", 1.0, 50.0), of("b", 1.0, 50.0)];
    check(models(), differ);
    check(models().into_iter().rev().collect(), differ);
    // One that nobody asked has no times to be left out.
    check(vec![of("a", 1.0, 9.0), of("b", 1.0, 9.0), of("idle", 3.0, 0.0)], None);
}

#[test]
fn of_many_changes_the_newest_are_told() {
    let said = |number: i64| Said {
        code: "report.version_changed".into(),
        params: vec![("new".into(), format!("v{number}."))],
    };
    let change = |number: i64| Change { time: UnixMs(START + number * HOUR), said: said(number) };
    let check = |count: i64, omitted: usize, first: i64, expected: &str| {
        let changes = (0..count).map(change).collect();
        let facts = Facts { changes, changes_omitted: omitted, ..facts() };
        let document = compose(&facts, Language::English);
        let title =
            model::message::render::<&str, &str>("report.section_changes", &[], Language::English);
        let section = document.sections.iter().find(|section| section.title == title).unwrap();
        let [Block::Table(table)] = section.blocks.as_slice() else { panic!("no table") };
        let text = |row: usize| table.rows[row][1].text.as_str();
        assert!(text(0).contains(&format!("v{first}.")), "{}", text(0));
        assert!(text(table.rows.len() - 1).contains(&format!("v{}.", count - 1)));
        assert_eq!(table.omitted, expected);
    };
    check(3, 0, 0, "");
    check(40, 0, 0, "");
    check(43, 0, 3, "and 3 earlier");
    check(43, 160, 3, "and 163 earlier");
}

#[test]
fn tables_are_told_as_csv() {
    let text = csv(&compose(&facts(), Language::English));
    assert!(text.starts_with("\u{feff}Weekly model service report\r\n"));
    assert!(text.contains("\r\nteam,9,75%,"), "{text}");
}

/// A font of the system; pictures of pages need it too.
fn fonts() -> Fonts {
    let paths = [
        "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
        "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",
        "/usr/share/fonts/TTF/DejaVuSans.ttf",
        "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    ];
    let files = paths.iter().filter_map(|path| fs::read(path).ok());
    let fonts = Fonts::new(files.map(|bytes| (Arc::new(bytes), 0)));
    fonts.expect("a font is needed: install fonts-dejavu-core")
}

/// The font that the program carries for reports, or the system's with Chinese; `None` after saying that there is none.
#[expect(clippy::print_stderr, reason = "what is skipped is told")]
fn chinese_fonts() -> Option<Fonts> {
    let paths = [
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../ui/dist/fonts/report.ttf"),
        "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    ];
    let found = paths.iter().find_map(|path| fs::read(path).ok());
    if found.is_none() {
        let line = "chinese_is_written_as_pdf: there is no Chinese font; build the page
";
        eprint!("skipped {line}");
        // `cargo xtask test` counts it.
        if let Some(path) = std::env::var_os("MODELWATCH_SKIPS") {
            fs::OpenOptions::new()
                .append(true)
                .open(path)
                .unwrap()
                .write_all(line.as_bytes())
                .unwrap();
        }
    }
    Fonts::new([(Arc::new(found?), 0)])
}

/// A PDF with what is compressed in it behind the rest.
fn unpacked(bytes: &[u8]) -> String {
    let find = |from: usize, wanted: &[u8]| {
        let rest = bytes.get(from..)?;
        rest.windows(wanted.len()).position(|window| window == wanted).map(|at| from + at)
    };
    let (mut text, mut at) = (String::from_utf8_lossy(bytes).into_owned(), 0);
    while let Some(begin) = find(at, b"stream\n") {
        at = find(begin, b"endstream").unwrap() + b"endstream".len();
        let mut plain = Vec::new();
        let mut reader = flate2::read::ZlibDecoder::new(&bytes[begin + b"stream\n".len()..at]);
        if reader.read_to_end(&mut plain).is_ok() {
            text.push_str(&String::from_utf8_lossy(&plain));
        }
    }
    text
}

/// The characters that readers of a PDF are told its glyphs stand for.
fn readable(text: &str) -> BTreeSet<char> {
    let mut found = BTreeSet::new();
    for map in text.split("beginbfchar").skip(1) {
        let map = map.split("endbfchar").next().unwrap();
        for line in map.lines() {
            let Some((_, to)) = line.split_once("> <") else { continue };
            let to = to.trim().trim_end_matches('>');
            let units = to.as_bytes().chunks(4).map(|digits| {
                u16::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
            });
            found.extend(char::decode_utf16(units).map(|c| c.unwrap()));
        }
    }
    found
}

#[test]
fn long_texts_of_rules_are_cut() {
    let summary = Bilingual { en: "x ".repeat(8_000), zh: "长".repeat(601) };
    let incident = Incident { severity: "info".into(), summary, ..Incident::default() };
    let facts = Facts { incidents: Some(vec![incident]), ..facts() };
    let check = |language: Language, expected: &str, more: &str| {
        let page = html(&compose(&facts, language));
        assert!(page.contains(expected) && !page.contains(more), "{language:?}");
        pdf(&compose(&facts, language), &fonts()).unwrap();
    };
    check(Language::English, &format!("{}…", "x ".repeat(300)), &"x ".repeat(301));
    check(Language::Chinese, &format!("{}…", "长".repeat(600)), &"长".repeat(601));
}

#[test]
fn pages_are_written_as_pdf() {
    let bytes = pdf(&compose(&facts(), Language::English), &fonts()).unwrap();
    assert!(bytes.starts_with(b"%PDF-1."));
    let text = unpacked(&bytes);
    let kinds = text.split("/Type").skip(1).map(str::trim_start);
    let pages = kinds.filter(|rest| rest.starts_with("/Page") && !rest.starts_with("/Pages"));
    let pages = pages.count();
    assert!(pages >= 4, "{pages} pages");
    assert!(text.contains("/StructTreeRoot") && text.contains("/Lang"));
    for language in [Language::English, Language::Chinese] {
        let nothing = pdf(&compose(&Facts::default(), language), &fonts()).unwrap();
        assert!(nothing.len() < bytes.len(), "{language:?}");
    }
}

#[test]
fn chinese_is_written_as_pdf() {
    let Some(fonts) = chinese_fonts() else { return };
    assert!(fonts.can_write(Language::Chinese) && fonts.can_write(Language::English));
    let document = compose(&facts(), Language::Chinese);
    let text = unpacked(&pdf(&document, &fonts).unwrap());
    let readable = readable(&text);
    let missing: String =
        "模型服务周报引擎中断".chars().filter(|c| !readable.contains(c)).collect();
    assert_eq!(missing, "", "of {} characters", readable.len());
    assert!(!readable.contains(&'\u{fffd}'));
}

#[test]
fn pictures_are_written_as_png() {
    let document = compose(&facts(), Language::English);
    let blocks = document.sections.iter().flat_map(|section| &section.blocks);
    let mut figures = blocks.filter_map(|block| match block {
        Block::Figure(figure) => Some(figure),
        _ => None,
    });
    let scene = &figures.next().unwrap().scene;
    let bytes = png(scene, &fonts(), 2.0).unwrap();
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
    let size = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(
        (size(16), size(20)),
        ((scene.width * 2.0).ceil() as u32, (scene.height * 2.0).ceil() as u32)
    );
    assert_eq!(png(scene, &fonts(), 1e6), None);
}
