//! The frame, the overview and the lists.
//!
//! The overview fits any size: on a small screen latency goes first, then events, then requests; engines and
//! devices stay, the worst of them first.

use model::UnixMs;
use ratatui::layout::Rect;

use super::{
    detail,
    paint::{Ink, Paint, Piece, bar, braille, piece, spark, width},
    questions::PAST_MS,
    table::{Column, Row, Table, left, right},
    ui::{Screen, Ui},
    view::{
        Device, Engine, EngineState, Event, Link, Origin, Request, Requests, Throttle, Told, View,
    },
    words::{
        self, ABSENT, Words, bytes, bytes_per_second, celsius, count, megahertz, millis, or_dash,
        percent, rate, seconds, watts,
    },
};
use crate::verdict::Level;

/// From this width two parts stand side by side.
const WIDE: u16 = 120;
/// Cells of a small line over time.
const SPARK: usize = 12;
/// What holds for less has only just begun to be looked at.
const SINCE_MIN_MS: i64 = 10_000;
/// Lines of a chart that is worth its place.
const CHART_LINES_MIN: u16 = 4;

/// Draws what `ui` looks at.
pub(super) fn draw(paint: &mut Paint<'_>, view: &View, ui: &Ui, words: Words) {
    let area = paint.area();
    if area.width == 0 || area.height == 0 {
        return;
    }
    let head = if area.height >= 8 { 2 } else { 1 };
    let foot = u16::from(area.height >= 4);
    let body = Rect {
        y: area.y + head.min(area.height),
        height: area.height.saturating_sub(head + foot),
        ..area
    };
    if ui.has_help {
        detail::help(paint, body, ui, words);
    } else if ui.has_detail {
        detail::draw(paint, body, view, ui, words);
    } else {
        match ui.screen {
            Screen::Overview => overview(paint, body, view, ui, words),
            Screen::Engines => list(paint, body, view, ui, words, engines),
            Screen::Devices => list(paint, body, view, ui, words, devices),
            Screen::Requests => list(paint, body, view, ui, words, requests),
            Screen::Events => list(paint, body, view, ui, words, events),
        }
    }
    header(paint, Rect { height: head, ..area }, view, ui, words);
    if matches!(view.link, Link::Lost { .. }) {
        let verdict = head.saturating_sub(1);
        paint.fade(Rect { y: body.y - verdict, height: body.height + verdict, ..body });
    }
    if foot > 0 {
        footer(paint, Rect { y: area.bottom() - 1, height: 1, ..area }, ui, words);
    }
}

/// How a level looks: with an icon, so that no colour is needed.
fn level(level: Level) -> (&'static str, Ink) {
    match level {
        Level::Ok => ("●", Ink::Ok),
        Level::Warn => ("▲", Ink::Warn),
        Level::Critical => ("✖", Ink::Critical),
        Level::Unknown => ("○", Ink::Muted),
    }
}

/// The connection in words.
pub(super) fn link(view: &View, words: Words) -> (String, Ink) {
    match &view.link {
        _ if view.origin == Origin::Local => (words.t("local"), Ink::Plain),
        Link::Connecting => (words.t("connecting"), Ink::Warn),
        Link::Live => (words.t("live"), Ink::Ok),
        Link::Polling => (words.t("polling"), Ink::Ok),
        Link::Lost { since, .. } => {
            let since = words::clock(*since);
            (words.with("stale", &[("time", &since)]), Ink::Critical)
        }
    }
}

fn header(paint: &mut Paint<'_>, area: Rect, view: &View, ui: &Ui, words: Words) {
    let clock = format!("{} UTC", words::clock(view.now));
    let clock_width = width(&clock);
    let (link, link_ink) = link(view, words);
    let mut pieces = vec![piece("modelwatch", Ink::Strong)];
    let room = area.width.saturating_sub(clock_width + 1);
    if ui.paused.is_some() {
        pieces.push(piece(format!("  {}", words.t("paused")), Ink::Warn));
    }
    pieces.extend(view.host.name.iter().map(|name| piece(format!("  {name}"), Ink::Plain)));
    pieces.push(piece(format!("  {link}"), link_ink));
    match (&view.origin, &view.link) {
        (_, Link::Lost { reason, .. }) => pieces.push(piece(format!("  {reason}"), Ink::Plain)),
        (Origin::Server { url }, _) => pieces.push(piece(format!("  {url}"), Ink::Muted)),
        (Origin::Local, _) => {}
    }
    paint.pieces(area.x, area.y, room, &pieces);
    paint.right(area.x, area.y, area.width, &clock, Ink::Muted);
    if area.height > 1 {
        paint.pieces(area.x, area.y + 1, area.width, &verdict(view, words));
    }
}

fn verdict(view: &View, words: Words) -> Vec<Piece> {
    let (icon, ink) = level(view.verdict.level);
    if view.verdict.said.code.is_empty() {
        return vec![piece(format!("{icon} {}", words.t("waiting_for_data")), Ink::Muted)];
    }
    let text = words.said(&view.verdict.said);
    let mut pieces = vec![piece(format!("{icon} {text}"), ink)];
    let is_worth_saying = |since: &UnixMs| since.0 > 0 && view.now.0 - since.0 >= SINCE_MIN_MS;
    if let Some(since) = view.verdict.since.filter(is_worth_saying) {
        let ago = words.ago(view.now, since.0);
        pieces.push(piece(format!("  {}", words.with("since", &[("time", &ago)])), Ink::Muted));
    }
    pieces
}

fn footer(paint: &mut Paint<'_>, area: Rect, ui: &Ui, words: Words) {
    if ui.is_typing {
        let text = format!("/{}▏", ui.filter);
        paint.pieces(area.x, area.y, area.width, &[piece(text, Ink::Strong)]);
        return;
    }
    let mut parts: Vec<(u8, bool, String)> = Vec::new();
    for (number, screen) in (1..).zip(Screen::ALL) {
        let text = format!("{number} {}", words.t(screen.name()));
        parts.push((0, screen == ui.screen, text));
    }
    if !ui.filter.is_empty() {
        parts.push((0, true, format!("/{}", ui.filter)));
    }
    for (rank, name) in [
        (4, "key_filter"),
        (5, "key_sort"),
        (3, "key_detail"),
        (6, "key_pause"),
        (1, "key_help"),
        (2, "key_quit"),
    ] {
        parts.push((rank, false, words.t(name)));
    }
    let taken = |parts: &[(u8, bool, String)]| {
        parts.iter().map(|(_, _, text)| u32::from(width(text)) + 2).sum::<u32>()
    };
    while taken(&parts) > u32::from(area.width) + 2 {
        let last = parts.iter().enumerate().filter(|(_, (rank, ..))| *rank > 0);
        let Some((place, _)) = last.max_by_key(|(_, (rank, ..))| *rank) else { break };
        parts.remove(place);
    }
    let mut x = area.x;
    for (_, is_here, text) in parts {
        let ink = if is_here { Ink::Strong } else { Ink::Muted };
        let room = area.right().saturating_sub(x);
        let used = paint.put(x, area.y, room, &text, ink);
        x = x.saturating_add(used + 2);
    }
}

/// A list that fills the screen.
type List = fn(&View, &Ui, Words, u16) -> Part;

/// A titled table, or what is said in its place.
pub(super) struct Part {
    title: String,
    note: String,
    table: Table,
    /// Said where there are no rows.
    empty: Vec<String>,
}

impl Part {
    /// Lines that it would like to have.
    fn wants(&self) -> u16 {
        let rows =
            if self.table.rows.is_empty() { self.empty.len() } else { 1 + self.table.rows.len() };
        u16::try_from(rows + 1).unwrap_or(u16::MAX)
    }

    fn draw(&self, paint: &mut Paint<'_>, area: Rect, words: Words) {
        paint.rule(area, &self.title, &self.note);
        let below = below(area);
        if self.table.rows.is_empty() {
            for (text, y) in self.empty.iter().zip(below.y..below.bottom()) {
                paint.put(below.x, y, below.width, text, Ink::Muted);
            }
        } else {
            self.table.draw(paint, below, &words);
        }
    }
}

pub(super) fn below(area: Rect) -> Rect {
    Rect { y: area.y + area.height.min(1), height: area.height.saturating_sub(1), ..area }
}

fn list(paint: &mut Paint<'_>, area: Rect, view: &View, ui: &Ui, words: Words, of: List) {
    let mut part = of(view, ui, words, area.width);
    part.table.chosen = (!part.table.rows.is_empty()).then(|| ui.chosen(view));
    if ui.screen.sorts().len() > 1 {
        let sort = words.t(ui.sort());
        let sorted = words.with("sorted", &[("sort", &sort)]);
        part.note =
            if part.note.is_empty() { sorted } else { format!("{} · {sorted}", part.note) };
    }
    part.draw(paint, area, words);
}

fn more(count: usize, words: &Words) -> String {
    words.with("more", &[("count", &count.to_string())])
}

fn table(columns: Vec<Column>, rows: Vec<Row>) -> Table {
    Table { columns, rows, chosen: None, more }
}

/// Where everything goes on the overview, by what there is room for.
fn overview(paint: &mut Paint<'_>, area: Rect, view: &View, ui: &Ui, words: Words) {
    let is_wide = area.width >= WIDE;
    let half = area.width / 2;
    let mut top = area;
    let mut take = |lines: u16| {
        let lines = lines.min(top.height);
        let taken = Rect { height: lines, ..top };
        top.y += lines;
        top.height -= lines;
        taken
    };
    if area.height >= 6 {
        host(paint, take(1), view, words);
    }
    let has_failing = area.height >= 10 && !view.failing.is_empty();
    if has_failing {
        let place = take(1);
        paint.put(place.x, place.y, place.width, &failing(view, words), Ink::Warn);
    }
    let mut engines = engines(view, ui, words, area.width);
    engines.table.chosen = (!engines.table.rows.is_empty()).then(|| ui.chosen(view));
    let devices = devices(view, ui, words, if is_wide { half - 1 } else { area.width });
    let room = area.height.saturating_sub(1 + u16::from(has_failing));
    let (engines_wants, mut devices_wants) = (engines.wants(), devices.wants());
    if is_wide && !devices.table.rows.is_empty() {
        devices_wants = devices_wants.max(2 + CHART_LINES_MIN);
    }
    // Each may have its half; what one leaves the other may take.
    let engines_lines = engines_wants.min((room / 2).max(room.saturating_sub(devices_wants)));
    engines.draw(paint, take(engines_lines), words);
    let rest = room.saturating_sub(engines_lines);
    let keeps = if rest >= 14 { 5 } else { 0 };
    let devices_lines = devices_wants.min(rest.saturating_sub(keeps).max(rest / 2));
    let place = take(devices_lines);
    if is_wide && place.height >= 2 + CHART_LINES_MIN {
        devices.draw(paint, Rect { width: half - 1, ..place }, words);
        let right = Rect { x: place.x + half + 1, width: area.width - half - 1, ..place };
        latency(paint, right, view, words);
    } else {
        devices.draw(paint, place, words);
    }
    bottom(paint, top, view, ui, words);
}

/// Requests and events, and latency where there is room to spare.
fn bottom(paint: &mut Paint<'_>, area: Rect, view: &View, ui: &Ui, words: Words) {
    if area.height < 3 {
        return;
    }
    let is_wide = area.width >= WIDE;
    let half = area.width * 3 / 5;
    let requests_part = requests(view, ui, words, if is_wide { half - 1 } else { area.width });
    let events = events(view, ui, words, area.width);
    if is_wide {
        requests_part.draw(paint, Rect { width: half - 1, ..area }, words);
        let right = Rect { x: area.x + half + 1, width: area.width - half - 1, ..area };
        events.draw(paint, right, words);
        return;
    }
    let mut rest = area;
    if area.height >= 24 {
        let lines = 3 + CHART_LINES_MIN;
        latency(paint, Rect { height: lines, ..rest }, view, words);
        rest = Rect { y: rest.y + lines, height: rest.height - lines, ..rest };
    }
    let has_requests = !requests_part.table.rows.is_empty();
    let events_lines = match rest.height {
        ..10 if has_requests => 0,
        ..10 => rest.height.saturating_sub(requests_part.wants()),
        // What requests leave, and at least a third.
        lines if has_requests => (lines / 3).max(lines.saturating_sub(requests_part.wants())),
        lines => lines.saturating_sub(requests_part.wants()),
    };
    let lines = rest.height - events_lines;
    requests_part.draw(paint, Rect { height: lines, ..rest }, words);
    if events_lines >= 2 {
        events.draw(paint, Rect { y: rest.y + lines, height: events_lines, ..rest }, words);
    }
}

/// The machine in one line: as much of it as fits.
fn host(paint: &mut Paint<'_>, area: Rect, view: &View, words: Words) {
    let totals = &view.totals;
    let mut parts: Vec<Vec<Piece>> = Vec::new();
    let mut part = |name: &str, value: String, ink: Ink| {
        parts.push(vec![piece(format!("{} ", words.t(name)), Ink::Muted), piece(value, ink)]);
    };
    part("cpu", or_dash(totals.host_cpu, percent), Ink::Plain);
    let share = totals.memory_used.zip(totals.memory_total).map(|(used, total)| used / total);
    let memory_ink =
        if share.is_some_and(|share| share > 0.95) { Ink::Critical } else { Ink::Plain };
    let memory =
        format!("{} / {}", or_dash(totals.memory_used, bytes), or_dash(totals.memory_total, bytes));
    part("memory", memory, memory_ink);
    let flow = |down: Option<f64>, up: Option<f64>| {
        format!("↓{} ↑{}", or_dash(down, bytes_per_second), or_dash(up, bytes_per_second))
    };
    part("network", flow(totals.received, totals.sent), Ink::Plain);
    part("disk", flow(totals.read, totals.written), Ink::Plain);
    if !totals.pressure.is_empty() {
        let shares = totals.pressure.iter();
        let shares: Vec<String> =
            shares.map(|(name, share)| format!("{name} {}", percent(*share))).collect();
        part("pressure", shares.join(" "), Ink::Plain);
    }
    let cost = [or_dash(view.cost_cpu_ms, words::cpu), or_dash(view.cost_bytes, bytes)];
    part("own_cost", cost.join(" "), Ink::Muted);
    if let Some(os) = &view.host.os {
        let cpus = view.host.cpus.map_or_else(String::new, |cpus| format!(", {cpus} × "));
        let model = view.host.cpu_model.as_deref().filter(|_| !cpus.is_empty()).unwrap_or("CPU");
        part("os", format!("{os}{cpus}{}", if cpus.is_empty() { "" } else { model }), Ink::Muted);
    }
    let mut x = area.x;
    for pieces in parts {
        let wants: u16 = pieces.iter().map(|piece| width(&piece.text)).sum();
        if x + wants > area.right() && x > area.x {
            break;
        }
        x += paint.pieces(x, area.y, area.right() - x, &pieces) + 3;
    }
}

/// Which sources cannot be read; of a single one also why, and what to do.
fn failing(view: &View, words: Words) -> String {
    if let [one] = view.failing.as_slice() {
        let texts = [words.said(&one.failure), words.said(&one.hint)];
        let texts: Vec<&str> =
            texts.iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
        return format!("▲ {}: {}", one.name, texts.join(". "));
    }
    let names: Vec<&str> = view.failing.iter().map(|one| one.name.as_str()).collect();
    let count = names.len().to_string();
    format!("▲ {}", words.with("failing", &[("count", &count), ("names", &names.join(", "))]))
}

fn value(told: &Option<Told>, word: fn(f64) -> String) -> String {
    or_dash(told.as_ref().map(|told| told.value), word)
}

fn one(text: String) -> Vec<Piece> {
    // A dash says nothing and should not draw the eye.
    let ink = if text == ABSENT { Ink::Muted } else { Ink::Plain };
    vec![piece(text, ink)]
}

pub(super) fn state(state: EngineState, words: Words) -> Piece {
    let (icon, ink) = match state {
        EngineState::Up => ("●", Ink::Ok),
        EngineState::Starting => ("○", Ink::Warn),
        EngineState::Down => ("✖", Ink::Critical),
        EngineState::Unknown => ("○", Ink::Muted),
    };
    piece(format!("{icon} {}", words.t(&format!("state_{}", state.word()))), ink)
}

/// Why a list has no rows: nothing is known, there is none, or none that the filter leaves.
fn nothing(view: &View, is_empty: bool, there_is_none: &'static str) -> &'static str {
    match is_empty {
        true if !view.is_known() => "not_known",
        true => there_is_none,
        false => "no_match",
    }
}

fn engines(view: &View, ui: &Ui, words: Words, _: u16) -> Part {
    let mut model = left(words.t("model"), 2, 48);
    model.grows = true;
    // Where engines differ in nothing else, their addresses tell them apart.
    let mut seen = std::collections::BTreeSet::new();
    let has_twins = !view.engines.iter().all(|engine| seen.insert((&engine.name, &engine.models)));
    let columns = vec![
        left(words.t("engine"), 0, 16),
        left(words.t("instance"), if has_twins { 1 } else { 6 }, 24),
        model,
        left(words.t("state"), 0, 14),
        right(words.t("running"), 0, 7),
        right(words.t("waiting"), 0, 7),
        right(words.t("kv"), 1, 6),
        right(words.t("ttft"), 1, 16),
        right(words.t("tpot"), 3, 10),
        right(words.t("tokens_out"), 0, 10),
        right(words.t("failed"), 4, 8),
        left(words.t("minutes"), 5, SPARK as u16),
    ];
    let chosen = ui.engines(view);
    let rows = chosen.iter().map(|engine| engine_row(engine, view, words)).collect();
    let totals = &view.totals;
    let note = words.with(
        "engines_note",
        &[
            ("count", &view.engines.len().to_string()),
            ("running", &or_dash(totals.running, count)),
            ("waiting", &or_dash(totals.waiting, count)),
            ("tokens", &or_dash(totals.tokens_out, rate)),
        ],
    );
    Part {
        title: words.t("engines"),
        note,
        table: table(columns, rows),
        empty: vec![words.t(nothing(view, view.engines.is_empty(), "no_engines"))],
    }
}

fn engine_row(engine: &Engine, view: &View, words: Words) -> Row {
    let kv_ink = match engine.kv_cache.as_ref().map(|told| told.value) {
        Some(0.95..) => Ink::Warn,
        Some(_) => Ink::Plain,
        None => Ink::Muted,
    };
    let waiting_ink = match engine.waiting.as_ref().map(|told| told.value) {
        Some(waiting) if waiting > 0.0 => Ink::Warn,
        Some(_) => Ink::Plain,
        None => Ink::Muted,
    };
    let failed_ink = match engine.failed.as_ref().map(|told| told.value) {
        Some(failed) if failed >= 0.5 => Ink::Critical,
        Some(_) => Ink::Plain,
        None => Ink::Muted,
    };
    let ttft = match (&engine.ttft_p50, &engine.ttft_p95) {
        (None, None) => ABSENT.to_owned(),
        (p50, p95) => format!("{} / {}", value(p50, seconds), value(p95, seconds)),
    };
    let line = spark(&engine.past_tokens_out, view.now.0 - PAST_MS, view.now.0, SPARK);
    let models = engine.models.join(", ");
    vec![
        one(if engine.name.is_empty() { engine.instance.clone() } else { engine.name.clone() }),
        vec![piece(engine.instance.clone(), Ink::Muted)],
        one(if models.is_empty() { ABSENT.to_owned() } else { models }),
        vec![state(engine.state, words)],
        one(value(&engine.running, count)),
        vec![piece(value(&engine.waiting, count), waiting_ink)],
        vec![piece(value(&engine.kv_cache, percent), kv_ink)],
        one(ttft),
        one(per_token(engine)),
        one(value(&engine.tokens_out, rate)),
        vec![piece(value(&engine.failed, count), failed_ink)],
        vec![piece(line, Ink::Decode)],
    ]
}

/// TPOT where somebody measures it, else, marked, the time between tokens, which says nearly the same.
fn per_token(engine: &Engine) -> String {
    match (&engine.tpot_p95, &engine.itl_p95) {
        (None, Some(itl)) => format!("~{}", seconds(itl.value)),
        (tpot, _) => value(tpot, seconds),
    }
}

fn devices(view: &View, ui: &Ui, words: Words, room: u16) -> Part {
    let hosts: std::collections::BTreeSet<&str> =
        view.devices.iter().map(|device| device.host.as_str()).collect();
    let has_hosts = hosts.len() > 1;
    let cells = if room >= 110 { 16 } else { 8 };
    let mut model = left(words.t("model"), 3, 30);
    model.grows = true;
    let columns = vec![
        left("#".into(), 0, 24),
        left("!".into(), 0, 1),
        left(words.t("util"), 0, 24),
        left(words.t("device_memory"), 0, 40),
        right(words.t("watts"), 1, 11),
        right("°C".into(), 2, 4),
        right("MHz".into(), 4, 6),
        model,
        left(words.t("used_by"), 5, 20),
    ];
    let chosen = ui.devices(view);
    let rows = chosen.iter().map(|device| device_row(device, has_hosts, cells, words)).collect();
    let up = view.devices.iter().filter(|device| device.is_up == Some(true)).count();
    let count = [("up", up.to_string()), ("count", view.devices.len().to_string())];
    let count = count.each_ref().map(|(name, value)| (*name, value.as_str()));
    let note =
        if view.devices.is_empty() { String::new() } else { words.with("gpus_note", &count) };
    let on_bus = view.on_bus.iter().map(|found| {
        let driver = found.driver.as_deref().unwrap_or(ABSENT);
        format!("{} {} {} ({driver})", found.vendor, found.device, found.address)
    });
    let nothing = match (view.devices.is_empty(), view.on_bus.is_empty()) {
        (true, false) => "no_readings",
        (is_empty, _) => nothing(view, is_empty, "no_gpus"),
    };
    let empty = [words.t(nothing)].into_iter().chain(on_bus).collect();
    Part { title: words.t("gpus"), note, table: table(columns, rows), empty }
}

/// The letter of what holds the clocks down; a dot where nothing does.
pub(super) fn throttle(device: &Device) -> Piece {
    match (device.is_up, &device.throttle, device.throttled()) {
        (Some(false), ..) => piece("✖", Ink::Critical),
        (_, _, Some(kind @ (Throttle::Hardware | Throttle::Thermal))) => {
            piece(kind.letter(), Ink::Critical)
        }
        (_, _, Some(kind)) if device.is_only_capped() => piece(kind.letter(), Ink::Plain),
        (_, _, Some(kind)) => piece(kind.letter(), Ink::Warn),
        (_, Some(_), None) => piece("·", Ink::Muted),
        (_, None, None) => piece(ABSENT, Ink::Muted),
    }
}

fn device_row(device: &Device, has_hosts: bool, cells: usize, words: Words) -> Row {
    let id = match (has_hosts, device.partition.is_empty()) {
        (true, _) => device.id(),
        (false, true) => device.index.clone(),
        (false, false) => format!("{}:{}", device.index, device.partition),
    };
    let share = |share: Option<f64>, ink: Ink| match share {
        Some(share) if share.is_finite() => piece(bar(share, cells), ink),
        _ => piece(format!("{ABSENT:<cells$}"), Ink::Muted),
    };
    let used = device.memory_used.zip(device.memory_total.filter(|total| *total > 0.0));
    let memory = match (device.memory_used, device.memory_total) {
        (None, None) => ABSENT.to_owned(),
        (used, total) => {
            let gib = |value: f64| format!("{:.1}", value / f64::from(1 << 30));
            format!("{}/{} GiB", or_dash(used, gib), or_dash(total, gib))
        }
    };
    let power = match (device.power, device.power_limit) {
        (None, None) => ABSENT.to_owned(),
        (power, None) => or_dash(power, watts),
        (power, limit) => format!("{}/{}", or_dash(power, watts), or_dash(limit, watts)),
    };
    let users: std::collections::BTreeSet<&str> = device
        .processes
        .iter()
        .map(|it| if it.engine.is_empty() { it.name.as_str() } else { it.engine.as_str() })
        .collect();
    let users = users.into_iter().collect::<Vec<_>>().join(", ");
    let lost = device.is_up == Some(false);
    vec![
        vec![piece(id, if lost { Ink::Critical } else { Ink::Plain })],
        vec![throttle(device)],
        if lost {
            vec![piece(words.t("lost"), Ink::Critical)]
        } else {
            let text = format!(" {:>4}", or_dash(device.utilization, percent));
            vec![share(device.utilization, Ink::Load), piece(text, Ink::Plain)]
        },
        vec![
            share(used.map(|(used, total)| used / total), Ink::Memory),
            piece(format!(" {memory:>13}"), Ink::Plain),
        ],
        one(power),
        one(or_dash(device.temperature, celsius)),
        one(or_dash(device.clock, megahertz)),
        one(if device.model.is_empty() { ABSENT.to_owned() } else { device.model.clone() }),
        one(users),
    ]
}

/// TTFT over the last minutes, of the engine that is slowest at each moment.
fn latency(paint: &mut Paint<'_>, area: Rect, view: &View, words: Words) {
    let now = or_dash(view.totals.ttft_p95, seconds);
    paint.rule(area, &words.t("latency"), &words.with("latency_note", &[("now", &now)]));
    let place = below(area);
    let lines: Vec<&[(i64, f64)]> =
        view.engines.iter().map(|engine| engine.past_ttft_p95.as_slice()).collect();
    if lines.iter().all(|points| points.is_empty()) || place.height == 0 {
        paint.put(place.x, place.y, place.width, &words.t("no_latency"), Ink::Muted);
        return;
    }
    let top = lines.iter().copied().flatten().map(|(_, value)| *value).fold(0.0, f64::max);
    let axis = 8.min(place.width);
    let columns = usize::from(place.width - axis);
    let span = (view.now.0 - PAST_MS, view.now.0);
    let lines = braille(&lines, span, top, (columns, usize::from(place.height)));
    for (line, y) in lines.iter().zip(place.y..) {
        paint.put(place.x + axis.saturating_sub(1), y, 1, "│", Ink::Muted);
        paint.put(place.x + axis, y, place.width - axis, line, Ink::Load);
    }
    paint.right(place.x, place.y, axis.saturating_sub(2), &seconds(top), Ink::Muted);
    if place.height > 1 {
        paint.right(place.x, place.bottom() - 1, axis.saturating_sub(2), "0", Ink::Muted);
    }
}

fn requests(view: &View, ui: &Ui, words: Words, room: u16) -> Part {
    let mut picture = left(words.t("timeline"), 1, 8);
    picture.grows = true;
    let columns = vec![
        right(words.t("age"), 0, 5),
        left(words.t("model"), 2, 28),
        right(words.t("in_out"), 0, 14),
        right(words.t("ttft_short"), 0, 8),
        right(words.t("tpot_short"), 3, 8),
        right(words.t("total"), 0, 8),
        left(words.t("outcome"), 0, 12),
        left(words.t("key"), 5, 16),
        picture,
    ];
    let chosen = ui.requests(view);
    let longest = chosen.iter().filter_map(|request| end_of(request)).fold(0.0, f64::max);
    let rows = chosen.iter().map(|request| request_row(request, view, words)).collect();
    let mut made = table(columns, rows);
    let cells = usize::from(made.growing_width(room));
    for (row, request) in made.rows.iter_mut().zip(&chosen) {
        if let Some(last) = row.last_mut() {
            *last = waterfall(request, longest, cells);
        }
    }
    let (note, empty) = match &view.requests {
        Requests::Unknown => (String::new(), vec![words.t("not_known")]),
        Requests::Off if view.origin == Origin::Local => {
            (String::new(), vec![words.t("no_requests_local")])
        }
        Requests::Off => (String::new(), vec![words.t("no_gateway")]),
        Requests::Known { total, rows } => {
            let note = words.with("requests_note", &[("count", &total.to_string())]);
            let empty = if rows.is_empty() { "no_requests" } else { "no_match" };
            (note, vec![words.t(empty)])
        }
    };
    Part { title: words.t("requests"), note, table: made, empty }
}

fn end_of(request: &Request) -> Option<f64> {
    request.e2e_ms.or(request.total_ms).filter(|end| *end > 0.0)
}

pub(super) fn outcome(request: &Request, words: Words) -> Piece {
    let ink = match request.outcome.as_str() {
        "ok" => Ink::Muted,
        "client_abort" | "refused" => Ink::Warn,
        _ => Ink::Critical,
    };
    let known = ["ok", "client_abort", "upstream_error", "truncated", "timeout", "refused"];
    let is_known = known.contains(&request.outcome.as_str());
    let text = if is_known {
        words.t(&format!("outcome_{}", request.outcome))
    } else {
        request.outcome.clone()
    };
    piece(text, ink)
}

fn request_row(request: &Request, view: &View, words: Words) -> Row {
    let tokens = |tokens: Option<u64>| or_dash(tokens.map(|tokens| tokens as f64), rate);
    let model = if request.model.is_empty() { ABSENT.to_owned() } else { request.model.clone() };
    vec![
        one(words.ago(view.now, request.time)),
        one(model),
        one(format!("{}→{}", tokens(request.tokens_input), tokens(request.tokens_output))),
        one(or_dash(request.ttft_ms, millis)),
        one(or_dash(request.tpot_ms, millis)),
        one(or_dash(end_of(request), millis)),
        vec![outcome(request, words)],
        one(request.key.clone()),
        Vec::new(),
    ]
}

/// Where the time went, on a scale that all rows share: queue, until the first token, decode.
pub(super) fn waterfall(request: &Request, longest: f64, cells: usize) -> Vec<Piece> {
    let Some(end) = end_of(request).filter(|_| longest > 0.0) else { return Vec::new() };
    let at = |ms: f64| ((ms / longest).clamp(0.0, 1.0) * cells as f64).round() as usize;
    let queue = request.queued_ms.map_or(0, at);
    let end_at = at(end).max(1).min(cells);
    let Some(first) = request.ttft_ms.map(at) else {
        // Without a first token it is not known what it waited for.
        let queue = queue.min(end_at);
        return vec![
            piece("▒".repeat(queue), Ink::Queue),
            piece("░".repeat(end_at - queue), Ink::Muted),
        ];
    };
    let first = first.min(end_at);
    let queue = queue.min(first);
    vec![
        piece("▒".repeat(queue), Ink::Queue),
        piece("▓".repeat(first - queue), Ink::Prefill),
        piece("█".repeat(end_at - first), Ink::Decode),
    ]
}

pub(super) fn severity(event: &Event) -> Ink {
    match event.severity.as_str() {
        "error" | "fatal" => Ink::Critical,
        "warn" => Ink::Warn,
        _ => Ink::Plain,
    }
}

fn events(view: &View, ui: &Ui, words: Words, _: u16) -> Part {
    let mut text = left(words.t("event"), 0, 40);
    text.grows = true;
    let columns = vec![right(words.t("age"), 0, 5), left(String::new(), 0, 1), text];
    let row = |event: &&Event| {
        let icon = match severity(event) {
            Ink::Critical => "✖",
            Ink::Warn => "▲",
            _ => "·",
        };
        vec![
            one(words.ago(view.now, event.time)),
            vec![piece(icon, severity(event))],
            vec![piece(words.said(&event.said), severity(event))],
        ]
    };
    let chosen = ui.events(view);
    let rows = chosen.iter().map(row).collect();
    Part {
        title: words.t("events"),
        note: String::new(),
        table: table(columns, rows),
        empty: vec![words.t(nothing(view, view.events.is_empty(), "no_events"))],
    }
}
