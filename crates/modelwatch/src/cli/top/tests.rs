//! Frames of written data against texts in `fixtures/`, which `MODELWATCH_WRITE_FRAMES=1` writes anew; and that
//! no size and no data makes a frame fail.

use std::{fs, path::PathBuf};

use model::{Labels, UnixMs, message::Language};
use proptest::prelude::*;
use ratatui::{Terminal, backend::TestBackend, crossterm::event::KeyCode};
use serde_json::{Value, json};

use super::{
    questions::{Ask, QUESTIONS},
    state::{News, State, requests},
    ui::{Screen, Ui},
    view::{Origin, Requests, View},
    *,
};

const NOW: UnixMs = UnixMs(1_795_860_432_000);

type Series<'a> = (&'a [(&'a str, &'a str)], f64);

fn values(ask: Ask, series: &[Series<'_>]) -> News {
    let named = |(labels, value): &Series<'_>| (Labels::from_pairs(labels.iter().copied()), *value);
    News::Values { ask, time: NOW, values: series.iter().map(named).collect() }
}

/// Written: three engines, one of them down, one that tells little.
fn engines() -> Value {
    json!({
        "version": "0.1.0",
        "host": { "name": "host01", "os": "Ubuntu 24.04", "kernel": "6.8.0", "cpus": 128, "memory_bytes": 1_099_511_627_776_u64 },
        "verdict": {
            "level": "warn", "code": "verdict.kv_full", "since": NOW.0 - 125_000,
            "params": { "model": "Qwen3-32B", "percent": "97" }
        },
        "engines": [
            { "instance": "127.0.0.1:8000", "kind": "vllm", "name": "vLLM", "url": "http://127.0.0.1:8000",
              "version": "0.11.0", "models": ["Qwen3-32B"], "state": "up", "since": NOW.0 - 86_400_000, "pid": 4711,
              "notes": [{ "code": "note.llamacpp_metrics_off", "params": {} }] },
            { "instance": "127.0.0.1:30000", "kind": "sglang", "name": "SGLang", "url": "http://127.0.0.1:30000",
              "version": "0.5.4", "models": ["DeepSeek-V3.2"], "state": "up", "since": NOW.0 - 7_200_000, "notes": [] },
            { "instance": "127.0.0.1:11434", "kind": "ollama", "name": "Ollama", "url": "http://127.0.0.1:11434",
              "models": ["qwen3:8b", "通义千问-7B"], "state": "down", "since": NOW.0 - 45_000, "notes": [] }
        ],
        "accelerators": [{ "vendor": "NVIDIA", "device": "10de:2335", "driver": "nvidia", "address": "0000:08:00.0" }],
        "cost": { "cpu_ms_per_second": 3.2, "resident_bytes": 41_943_040 }
    })
}

fn engine_news() -> Vec<News> {
    let vllm: &[(&str, &str)] = &[("instance", "127.0.0.1:8000"), ("source", "engine")];
    let sglang: &[(&str, &str)] = &[("instance", "127.0.0.1:30000"), ("source", "engine")];
    let gateway: &[(&str, &str)] = &[("instance", "127.0.0.1:8000"), ("source", "gateway")];
    let wire: &[(&str, &str)] = &[("instance", "127.0.0.1:30000"), ("source", "wire")];
    vec![
        values(Ask::Running, &[(vllm, 32.0), (sglang, 4.0), (gateway, 31.0)]),
        values(Ask::Waiting, &[(vllm, 7.0), (sglang, 0.0)]),
        values(Ask::KvCache, &[(vllm, 0.974), (sglang, 0.31)]),
        values(Ask::TtftP50, &[(vllm, 0.412), (wire, 0.085)]),
        values(Ask::TtftP95, &[(vllm, 1.92), (wire, 0.21), (gateway, 1.95)]),
        values(Ask::TpotP95, &[(vllm, 0.0381), (sglang, f64::NAN)]),
        values(Ask::ItlP95, &[(wire, 0.0234), (vllm, 0.04)]),
        values(Ask::TokensOut, &[(vllm, 812.4), (sglang, 131.0)]),
        values(Ask::Failed, &[(gateway, 3.0), (sglang, 0.0)]),
        values(
            Ask::EngineResident,
            &[(&[("instance", "127.0.0.1:8000"), ("source", "host")], 9.6e9)],
        ),
        values(
            Ask::HostCpu,
            &[(&[("instance", "host01:9640")], 0.23), (&[("instance", "other:9100")], 0.9)],
        ),
        values(Ask::HostMemoryUsed, &[(&[("instance", "host01:9640")], 2.1e11)]),
        values(
            Ask::HostMemoryTotal,
            &[(&[("instance", "host01:9640")], 1.1e12), (&[("instance", "other:9100")], 1.0)],
        ),
        values(Ask::HostReceived, &[(&[("instance", "host01:9640")], 1.25e6)]),
    ]
}

fn device_news() -> Vec<News> {
    let mut all: std::collections::BTreeMap<Ask, Vec<(Labels, f64)>> =
        std::collections::BTreeMap::new();
    let mut tell = |ask, index: usize, more: &[(&str, &str)], value| {
        let index = index.to_string();
        let own = [("host", "host01"), ("index", index.as_str())];
        let labels = Labels::from_pairs(own.iter().chain(more).copied());
        all.entry(ask).or_default().push((labels, value));
    };
    for index in 0..8 {
        let uuid = format!("GPU-{index}4f2c1d0");
        let facts =
            [("uuid", uuid.as_str()), ("vendor", "nvidia"), ("model", "NVIDIA H100 80GB HBM3")];
        tell(Ask::DeviceInfo, index, &facts, 1.0);
        tell(Ask::DeviceUp, index, &[], if index == 6 { 0.0 } else { 1.0 });
        if index == 6 {
            continue;
        }
        let share = index as f64 / 8.0;
        // One that is virtual tells neither utilisation nor power.
        if index != 7 {
            tell(Ask::DeviceUtilization, index, &[], 1.0 - share);
            tell(Ask::DevicePower, index, &[], 700.0 - 60.0 * index as f64);
            tell(Ask::DeviceThrottle, index, &[("reason", "hw_thermal")], f64::from(index == 1));
            tell(Ask::DeviceThrottle, index, &[("reason", "sw_power_cap")], f64::from(index < 3));
            tell(Ask::DeviceThrottle, index, &[("reason", "idle")], f64::from(index == 5));
        } else {
            tell(
                Ask::DeviceFields,
                index,
                &[("field", "utilization"), ("state", "unsupported")],
                1.0,
            );
            tell(Ask::DeviceFields, index, &[("field", "power"), ("state", "denied")], 1.0);
        }
        tell(Ask::DevicePowerLimit, index, &[], 700.0);
        tell(Ask::DeviceMemoryUsed, index, &[], 7.6e10 * (1.0 - share));
        tell(Ask::DeviceMemoryTotal, index, &[], 8.5e10);
        tell(Ask::DeviceTemperature, index, &[("sensor", "core")], 88.0 - 5.0 * index as f64);
        tell(Ask::DeviceClock, index, &[], 1.98e9 - 1.1e8 * index as f64);
        let process =
            [("pid", "4711"), ("process", "python3"), ("engine", "vllm"), ("container", "")];
        tell(Ask::DeviceProcesses, index, &process, 7.0e10);
    }
    all.into_iter().map(|(ask, values)| News::Values { ask, time: NOW, values }).collect()
}

fn past_news() -> Vec<News> {
    let vllm = [("instance", "127.0.0.1:8000"), ("source", "engine")];
    let line = |of: fn(f64) -> f64| {
        let points = (1..150).map(|at| (NOW.0 - 300_000 + at * 2_000, of(at as f64))).collect();
        vec![(Labels::from_pairs(vllm), points)]
    };
    vec![
        News::Past {
            ask: Ask::TtftP95,
            series: line(|at| if at > 90.0 { 1.8 } else { 0.3 + at / 300.0 }),
        },
        News::Past { ask: Ask::TokensOut, series: line(|at| 900.0 - 2.0 * at) },
    ]
}

fn request_news() -> News {
    let row = |age: i64, model: &str, outcome: &str, ttft: Option<f64>, total: f64| {
        json!({
            "id": format!("r{age}"), "time": NOW.0 - age * 1_000, "model": model, "outcome": outcome,
            "key_name": "team-a", "tokens_input": 1_834, "tokens_output": ttft.map(|_| 212), "queued_ms": 120.0,
            "ttft_ms": ttft, "tpot_ms": ttft.map(|_| 31.4), "total_ms": total, "upstream": "vllm-0",
        })
    };
    News::Requests(requests(&json!({
        "total": 1_204,
        "requests": [
            row(2, "Qwen3-32B", "ok", Some(1_920.0), 8_412.0),
            row(5, "Qwen3-32B", "upstream_error", None, 312.0),
            row(61, "通义千问-7B", "client_abort", Some(240.0), 2_100.0),
        ]
    })))
}

fn event_news() -> News {
    let down = json!({ "engine": "Ollama", "url": "http://127.0.0.1:11434", "reason": "connection refused" });
    News::Events(json!({ "events": [
        { "time": NOW.0 - 45_000, "source": "engine 127.0.0.1:11434", "severity": "warn", "code": "event.engine_down", "params": down },
        { "time": NOW.0 - 7_200_000, "source": "engine 127.0.0.1:30000", "severity": "info", "code": "event.engine_up",
          "params": { "engine": "SGLang", "url": "http://127.0.0.1:30000" } },
    ] }))
}

fn server() -> Origin {
    Origin::Server { url: "http://127.0.0.1:9640".into() }
}

fn state_with(origin: Origin, chosen: &[&str], news: impl IntoIterator<Item = News>) -> State {
    let chosen = chosen.iter().map(|word| (*word).to_owned()).collect();
    let mut state = State::new(origin, chosen, NOW);
    news.into_iter().for_each(|news| state.learn(news, NOW));
    state
}

fn all_news() -> Vec<News> {
    let mut news = vec![News::Live, News::Overview(engines()), request_news(), event_news()];
    news.extend(past_news());
    news.extend(engine_news());
    news.extend(device_news());
    news
}

/// Written: a busy machine with eight GPUs.
pub(super) fn busy() -> View {
    state_with(server(), &[], all_news()).view(NOW)
}

fn frame(view: &View, ui: &Ui, (width, height): (u16, u16), look: Look) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let drawn = terminal.draw(|frame| {
        let buffer = frame.buffer_mut();
        screens::draw(&mut Paint::new(buffer, look.has_colour), view, ui, look.words);
        if look.is_ascii {
            to_ascii(buffer);
        }
    });
    text(drawn.unwrap().buffer).join("\n") + "\n"
}

const fn look(language: Language) -> Look {
    Look { words: Words(language), has_colour: true, is_ascii: false }
}

#[track_caller]
fn same_as_fixture(name: &str, found: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/cli/top/fixtures").join(name);
    if std::env::var_os("MODELWATCH_WRITE_FRAMES").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == found, "{name} differs; it is now:\n{found}");
}

fn check(name: &str, ui: &Ui, size: (u16, u16), language: Language) {
    same_as_fixture(name, &frame(&busy(), ui, size, look(language)));
}

#[test]
fn the_overview_fits_every_usual_size() {
    let ui = Ui::default();
    check("overview-80x24.txt", &ui, (80, 24), Language::English);
    check("overview-120x40.txt", &ui, (120, 40), Language::English);
    check("overview-200x60.txt", &ui, (200, 60), Language::English);
    check("overview-80x24-zh.txt", &ui, (80, 24), Language::Chinese);
    check("overview-120x40-zh.txt", &ui, (120, 40), Language::Chinese);
    check("overview-40x12.txt", &ui, (40, 12), Language::English);
}

#[test]
fn each_screen_and_detail() {
    for (screen, keys, name) in [
        (Screen::Engines, "", "engines"),
        (Screen::Devices, "", "gpus"),
        (Screen::Requests, "", "requests"),
        (Screen::Events, "", "events"),
        (Screen::Engines, "j\n", "engine"),
        (Screen::Devices, "G\n", "gpu"),
        (Screen::Requests, "\n", "request"),
        (Screen::Events, "\n", "event"),
        (Screen::Overview, "?", "help"),
    ] {
        let mut ui = Ui::default();
        ui.screen = screen;
        for key in keys.chars() {
            let code = if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) };
            ui.key(code.into(), &busy());
        }
        check(&format!("{name}.txt"), &ui, (100, 36), Language::English);
        check(&format!("{name}-zh.txt"), &ui, (100, 36), Language::Chinese);
    }
}

#[test]
fn what_is_missing_is_said() {
    let one = |news: Vec<News>, origin: Origin| state_with(origin, &[], news).view(NOW);
    let nothing = one(Vec::new(), server());
    same_as_fixture(
        "nothing.txt",
        &frame(&nothing, &Ui::default(), (90, 20), look(Language::English)),
    );
    let off = News::Requests(Requests::Off);
    let local = one(vec![off, News::Overview(engines())], Origin::Local);
    same_as_fixture("local.txt", &frame(&local, &Ui::default(), (90, 20), look(Language::English)));
    let sources = |names: &[&str]| {
        let source = |name: &&str| {
            json!({
                "name": name, "group": "accelerator", "state": "failing",
                "failure": { "code": "failure.io", "params": { "detail": "libnvidia-ml.so.1: version mismatch" } },
            })
        };
        let well = json!({ "name": "host.cpu", "group": "host", "state": "ok" });
        let sources: Vec<Value> = names.iter().map(source).chain([well]).collect();
        News::Sources(json!({ "sources": sources }))
    };
    for names in [&["accelerator.nvidia"][..], &["accelerator.nvidia", "storage"]] {
        let failing = one(all_news().into_iter().chain([sources(names)]).collect(), server());
        let failing = frame(&failing, &Ui::default(), (100, 30), look(Language::English));
        same_as_fixture(&format!("failing-{}.txt", names.len()), &failing);
    }
    let mut news = all_news();
    news.push(News::Lost("http://127.0.0.1:9640: it hung up".into()));
    let lost = one(news, server());
    let lost = frame(&lost, &Ui::default(), (110, 30), look(Language::English));
    same_as_fixture("lost.txt", &lost);
}

#[test]
fn an_opened_row_that_goes_is_said_to_be_gone() {
    let mut ui = Ui::default();
    for code in [KeyCode::Char('2'), KeyCode::Enter] {
        ui.key(code.into(), &busy());
    }
    let nothing = state_with(server(), &[], []).view(NOW);
    let shown = frame(&nothing, &ui, (90, 20), look(Language::English));
    assert!(shown.contains("no longer in the list"), "{shown}");
    let narrow = frame(&nothing, &ui, (20, 10), look(Language::Chinese));
    assert!(narrow.contains("Esc"), "{narrow}");
}

#[test]
fn what_is_old_is_grey_and_without_colours_nothing_is_lost() {
    let colours = |view: &View, has_colour| {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 120, 40));
        screens::draw(
            &mut Paint::new(&mut buffer, has_colour),
            view,
            &Ui::default(),
            Words(Language::English),
        );
        let below = buffer.content.iter().skip(2 * 120).take(37 * 120);
        (below.map(|cell| cell.fg).collect::<std::collections::HashSet<_>>().len(), text(&buffer))
    };
    let busy = busy();
    let (many, coloured) = colours(&busy, true);
    let (one, plain) = colours(&busy, false);
    assert!(many > 4 && one == 1, "{many} colours with, {one} without");
    assert_eq!(coloured, plain);
    let lost = View { link: view::Link::Lost { since: NOW, reason: String::new() }, ..busy };
    assert_eq!(colours(&lost, true).0, 1);
}

#[test]
fn one_frame_as_plain_text_and_in_ascii() {
    let plain = page(&busy(), 110, look(Language::English));
    same_as_fixture("once.txt", &(plain.join("\n") + "\n"));
    let ascii = page(&busy(), 110, Look { is_ascii: true, ..look(Language::English) }).join("\n");
    // Names are shown as they are.
    let foreign: String = ascii.chars().filter(|character| !character.is_ascii()).collect();
    assert_eq!(foreign.replace("通义千问", ""), "", "{ascii}");
}

#[test]
fn the_json_has_everything_and_null_for_what_is_not_known() {
    let json = json::json(&busy(), &["0".into(), "9".into()], Words(Language::English));
    same_as_fixture("view.json", &(serde_json::to_string_pretty(&json).unwrap() + "\n"));
    assert_eq!(json["gpus"][7]["utilization_ratio"], Value::Null);
    assert_eq!(json["gpus_unknown"], json!(["9"]));
    assert_eq!(
        json["engines"][0]["requests_running"],
        Value::Null,
        "one that is down tells nothing"
    );
    let empty = state_with(Origin::Local, &[], []).view(NOW);
    let empty = json::json(&empty, &[], Words(Language::English));
    for name in ["tokens_out_per_second", "requests_running", "host_cpu_ratio"] {
        assert_eq!(empty["totals"][name], Value::Null, "{name}");
    }
}

#[test]
fn devices_are_chosen_by_number_place_and_uuid() {
    let found = |chosen: &[&str]| {
        let view = state_with(server(), chosen, all_news()).view(NOW);
        view.devices.iter().map(|device| device.index.clone()).collect::<String>()
    };
    assert_eq!(found(&[]), "01234567");
    assert_eq!(found(&["0", "3"]), "03");
    assert_eq!(found(&["host01/2", "GPU-54f2"]), "25");
    assert_eq!(found(&["other/1", "GPU"]), "");
}

#[test]
fn the_engine_is_believed_before_the_gateway_and_the_wire() {
    let view = busy();
    let told = |place: usize| {
        let told = view.engines[place].ttft_p95.as_ref().unwrap();
        (told.value, told.source.as_str())
    };
    assert_eq!(view.engines[0].name, "Ollama", "what is down comes first");
    assert_eq!(told(1), (0.21, "wire"));
    assert_eq!(told(2), (1.92, "engine"));
    assert_eq!(view.totals.running, Some(36.0), "nothing is counted twice");
    assert_eq!(view.totals.host_cpu, Some(0.23), "of the own host");
}

#[test]
fn the_documents_show_what_is() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    for (page, name) in
        [("README.md", "overview-80x24.txt"), ("README.zh-CN.md", "overview-80x24-zh.txt")]
    {
        let frame = read(&format!("crates/modelwatch/src/cli/top/fixtures/{name}"));
        assert!(read(page).contains(&frame), "{page} has another picture than {name}");
    }
    fn names(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, value)| {
                found.push(name.clone());
                // The members of these have the names of something else.
                let is_free =
                    ["params", "sources", "missing", "ecc_errors", "temperatures_celsius"];
                if !is_free.contains(&name.as_str()) {
                    names(value, found);
                }
            }),
            Value::Array(values) => values.iter().for_each(|value| names(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    names(&json::json(&busy(), &[], Words(Language::English)), &mut found);
    let text = read("docs/top.md");
    let is_told = |name: &String| {
        text.contains(&format!("`{name}`")) || text.contains(&format!("\"{name}\":"))
    };
    let untold: Vec<_> = found.into_iter().filter(|name| !is_told(name)).collect();
    assert!(untold.is_empty(), "docs/top.md does not tell of {untold:?}");
}

#[test]
fn events_are_told_once_and_newest_first() {
    let event = |time: i64, code: &str| json!({ "time": time, "source": "s", "code": code });
    let told = |events: &[Value]| News::Events(json!({ "events": events }));
    let news = [
        told(&[event(3, "c"), event(1, "a")]),
        told(&[event(1, "a"), event(2, "b"), event(3, "c"), event(3, "d")]),
    ];
    let view = state_with(server(), &[], news).view(NOW);
    let mut codes: Vec<&str> = view.events.iter().map(|event| &*event.said.code).collect();
    codes[..2].sort_unstable();
    assert_eq!(codes, ["c", "d", "b", "a"]);
    let many: Vec<Value> = (0..500).map(|time| event(time, "e")).collect();
    let view = state_with(server(), &[], [told(&many)]).view(NOW);
    assert_eq!((view.events.len(), view.events[0].time), (200, 499));
}

#[test]
fn history_fills_the_gaps_of_what_was_seen() {
    let vllm = [("instance", "127.0.0.1:8000"), ("source", "engine")];
    let labels = || Labels::from_pairs(vllm);
    let seen = |seconds: i64| News::Values {
        ask: Ask::TokensOut,
        time: UnixMs(NOW.0 + seconds * 1_000),
        values: vec![(labels(), 1.0)],
    };
    let told = |seconds: &[i64]| News::Past {
        ask: Ask::TokensOut,
        series: vec![(
            labels(),
            seconds.iter().map(|at| (NOW.0 + at * 1_000, 2.0)).chain([(0, f64::NAN)]).collect(),
        )],
    };
    let check = |news: Vec<News>, expected: &[(i64, f64)]| {
        let known = [News::Overview(engines())];
        let view = state_with(server(), &[], known.into_iter().chain(news)).view(NOW);
        let engine = view.engines.iter().find(|it| it.instance == vllm[0].1).unwrap();
        let found: Vec<_> =
            engine.past_tokens_out.iter().map(|(time, it)| ((time - NOW.0) / 1_000, *it)).collect();
        assert_eq!(found, expected);
    };
    let before = [(-60, 2.0), (-58, 2.0), (-57, 1.0)];
    check(vec![seen(-57), told(&[-60, -58])], &before);
    // The socket broke between -56 and -50.
    let broken = vec![seen(-57), seen(-56), seen(-50), told(&[-60, -58, -56, -54, -52, -50, -48])];
    let whole = [
        (-60, 2.0),
        (-58, 2.0),
        (-57, 1.0),
        (-56, 1.0),
        (-54, 2.0),
        (-52, 2.0),
        (-50, 1.0),
        (-48, 2.0),
    ];
    check(broken, &whole);
}

#[test]
fn intervals() {
    assert_eq!(interval("1s"), Some(Duration::from_secs(1)));
    assert_eq!(interval("1m"), Some(Duration::from_secs(60)));
    for wrong in ["", "0", "500ms", "1.5", "61s", "-1s", "x"] {
        assert_eq!(interval(wrong), None, "{wrong}");
    }
}

fn any_text() -> BoxedStrategy<String> {
    prop_oneof!["\\PC{0,12}", "[\u{0}-\u{1f}模型e\u{301}\u{202e}👩‍💻]{0,8}", "[0-9]{1,3}"].boxed()
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "host",
        "name",
        "verdict",
        "code",
        "level",
        "since",
        "params",
        "engines",
        "instance",
        "state",
        "models",
        "notes",
        "events",
        "time",
        "severity",
        "requests",
        "total",
        "ttft_ms",
        "queued_ms",
        "total_ms",
        "outcome",
        "tokens_input",
        "accelerators",
        "sources",
        "group",
        "model",
        "id",
    ]);
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..8).prop_map(|members| {
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}

fn any_news() -> impl Strategy<Value = News> {
    let label = prop::sample::select(vec![
        "instance",
        "source",
        "host",
        "index",
        "partition",
        "reason",
        "sensor",
        "field",
        "state",
        "pid",
        "model",
    ]);
    let labels =
        prop::collection::vec((label, any_text()), 0..5).prop_map(Labels::from_pairs).boxed();
    let value = prop_oneof![any::<f64>(), 0.0..2.0, Just(f64::INFINITY), Just(0.0)];
    let ask = (0..QUESTIONS.len()).prop_map(|place| QUESTIONS[place].ask);
    let time = prop_oneof![any::<i64>(), NOW.0 - 300_000..NOW.0];
    let points = prop::collection::vec((time.clone(), value.clone()), 0..6);
    prop_oneof![
        any_json().prop_map(News::Overview),
        any_json().prop_map(News::Events),
        any_json().prop_map(News::Sources),
        any_json().prop_map(|value| News::Requests(requests(&value))),
        (ask.clone(), time, prop::collection::vec((labels.clone(), value), 0..6))
            .prop_map(|(ask, time, values)| News::Values { ask, time: UnixMs(time), values }),
        (ask, prop::collection::vec((labels, points), 0..4))
            .prop_map(|(ask, series)| News::Past { ask, series }),
        any_text().prop_map(News::Lost),
        Just(News::Polled),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_size_and_any_data_makes_a_frame(
        news in prop::collection::vec(any_news(), 0..12),
        (width, height) in (0_u16..220, 0_u16..70),
        keys in "[1-5jkGs/?ax \n\u{8}\u{1b}]{0,10}",
        now in prop_oneof![any::<i64>(), Just(NOW.0)],
        (is_chinese, has_all) in any::<(bool, bool)>(),
    ) {
        let known = if has_all { all_news() } else { Vec::new() };
        let state = state_with(server(), &[], known.into_iter().chain(news));
        let view = state.view(UnixMs(now));
        let language = if is_chinese { Language::Chinese } else { Language::English };
        let mut ui = Ui::default();
        for key in keys.chars() {
            let code = match key {
                '\n' => KeyCode::Enter,
                '\u{1b}' => KeyCode::Esc,
                '\u{8}' => KeyCode::Backspace,
                key => KeyCode::Char(key),
            };
            ui.key(code.into(), &view);
        }
        let shown = frame(&view, &ui, (width, height), look(language));
        prop_assert!(shown.chars().all(|character| character == '\n' || !character.is_control()));
        page(&view, width, look(language));
        json::json(&view, &[], Words(language));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_of_a_socket_are_survived(
        schemas in prop::collection::vec(any_series(), 4),
        texts in prop::collection::vec(any_message(), 0..4),
        messages in prop::collection::vec(any_blocks(), 0..4),
    ) {
        // Known schemas come first, so that most blocks are of one.
        let known = (1..).zip(schemas).map(|(id, series)| told_schema(id, 0, series).to_string());
        let texts: Vec<String> = known.chain(texts).collect();
        let news = remote::read_all(&texts, &messages);
        let view = state_with(server(), &[], news).view(NOW);
        frame(&view, &Ui::default(), (100, 40), look(Language::English));
    }

    #[test]
    fn every_block_of_a_known_schema_is_read(
        schemas in prop::collection::vec((0_u32..9, 0_usize..5), 1..5),
        ticks in prop::collection::vec((any::<prop::sample::Index>(), any::<i64>(), any::<f32>()), 0..8),
        rest in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let series = |count: usize| -> Vec<Value> {
            (0..count).map(|place| json!({ "instance": place.to_string() })).collect()
        };
        let texts: Vec<String> = (1..).zip(&schemas).map(|(id, (generation, count))| {
            json!({ "type": "schema", "id": id, "gen": generation, "series": series(*count) }).to_string()
        }).collect();
        let mut message = Vec::new();
        let mut expected = Vec::new();
        for (place, time, value) in ticks {
            let place = place.index(schemas.len());
            let (generation, count) = schemas[place];
            message.extend(block(1, place as u32 + 1, generation, time, &vec![value; count]));
            expected.push((QUESTIONS[place].ask, time, vec![f64::from(value).to_bits(); count]));
        }
        // A head that is cut off ends the message.
        message.extend(rest);
        let news = remote::read_all(&texts, &[message]);
        let found: Vec<_> = news.into_iter().map(|news| match news {
            News::Values { ask, time, values } => {
                let values = values.into_iter().map(|(_, value)| value.to_bits());
                (ask, time.0, values.collect::<Vec<_>>())
            }
            other => panic!("{other:?}"),
        }).collect();
        prop_assert_eq!(found, expected);
    }
}

/// A block as the live socket writes it, or nearly.
fn block(kind: u32, id: u32, generation: u32, time: i64, values: &[f32]) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        [kind, id, generation].into_iter().flat_map(u32::to_le_bytes).collect();
    bytes.extend(time.to_le_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

fn told_schema(id: u32, generation: u32, series: Vec<Value>) -> Value {
    json!({ "type": "schema", "id": id, "gen": generation, "series": series })
}

/// Labels of series, whose values may be anything.
fn any_series() -> impl Strategy<Value = Vec<Value>> {
    let labels = prop::collection::vec(("[a-z]{1,8}|instance|host|index", any_json()), 0..3);
    prop::collection::vec(labels.prop_map(|labels| labels.into_iter().collect::<Value>()), 0..4)
}

/// Texts of a type that there is, with anything in them.
fn any_message() -> impl Strategy<Value = String> {
    let schema = (0_u32..6, 0_u32..2, any_series());
    let schema = schema.prop_map(|(id, generation, series)| told_schema(id, generation, series));
    let topic = prop::sample::select(vec!["overview", "sources", "events", "other"]);
    let topic = (topic, any_json())
        .prop_map(|(topic, data)| json!({ "type": "topic", "topic": topic, "data": data }));
    let kind = prop::sample::select(vec!["hello", "schema", "error", "topic", "gap", "other"]);
    let other = (kind, any_json(), any_json(), any_json()).prop_map(|(kind, id, generation, series)| {
        json!({ "type": kind, "id": id, "gen": generation, "series": series, "topic": id, "data": series })
    });
    let error = (0_u32..100).prop_map(|id| json!({ "type": "error", "id": id }));
    prop_oneof![
        4 => schema.prop_map(|value| value.to_string()),
        2 => topic.prop_map(|value| value.to_string()),
        2 => other.prop_map(|value| value.to_string()),
        1 => error.prop_map(|value| value.to_string()),
        1 => any_json().prop_map(|value| value.to_string()),
        1 => any_text(),
    ]
}

/// Blocks of subscriptions and generations that there may be, with any rest, and cut off anywhere.
fn any_blocks() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![9 => Just(1_u32), 1 => any::<u32>()];
    let id = prop_oneof![9 => 1_u32..5, 1 => any::<u32>()];
    let values = prop::collection::vec(any::<f32>(), 0..5);
    let block = (kind, id, prop_oneof![4 => Just(0_u32), 1 => Just(1)], any::<i64>(), values)
        .prop_map(|(kind, id, generation, time, values)| {
            block(kind, id, generation, time, &values)
        });
    let rest = prop::collection::vec(any::<u8>(), 0..30);
    let cut = prop::option::of(any::<prop::sample::Index>());
    (prop::collection::vec(block, 0..5), rest, cut).prop_map(|(blocks, rest, cut)| {
        let mut bytes: Vec<u8> = blocks.into_iter().chain([rest]).flatten().collect();
        bytes.truncate(cut.map_or(usize::MAX, |cut| cut.index(bytes.len() + 1)));
        bytes
    })
}
