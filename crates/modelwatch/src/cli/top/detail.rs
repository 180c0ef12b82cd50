//! Everything that is known of one row, and the help: lines that scroll.

use ratatui::layout::Rect;

use super::{
    paint::{Ink, Paint, Piece, piece, spark, width},
    questions::PAST_MS,
    screens::{below, outcome, severity, state, waterfall},
    ui::{Screen, Ui},
    view::{Device, Engine, Event, Request, Throttle, Told, View},
    words::{
        ABSENT, Words, bytes, celsius, clock, count, megahertz, millis, or_dash, percent, rate,
        seconds, watts,
    },
};

type Line = Vec<Piece>;

/// Lines of a detail, made one after the other.
struct Lines {
    words: Words,
    lines: Vec<Line>,
    label: u16,
}

impl Lines {
    fn new(words: Words) -> Self {
        Self { words, lines: Vec::new(), label: 28 }
    }

    /// A name of the catalogue and a value.
    fn fact(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        let ink = if value == ABSENT { Ink::Muted } else { Ink::Plain };
        self.inked(&self.words.t(name), piece(value, ink));
    }

    fn inked(&mut self, label: &str, value: Piece) {
        let room = usize::from(self.label.saturating_sub(width(label)));
        self.lines.push(vec![piece(format!("{label}{} ", " ".repeat(room)), Ink::Muted), value]);
    }

    fn text(&mut self, text: &str, value: Option<&String>) {
        self.fact(text, value.filter(|value| !value.is_empty()).map_or(ABSENT, String::as_str));
    }

    /// A measured value, with who told it where that was not the engine.
    fn told(&mut self, name: &str, told: &Option<Told>, word: fn(f64) -> String) {
        let Some(told) = told else { return self.fact(name, ABSENT) };
        let mut line = word(told.value);
        if !matches!(told.source.as_str(), "engine" | "host" | "") {
            line = format!("{line}  ({})", self.words.with("told_by", &[("source", &told.source)]));
        }
        self.fact(name, line);
    }

    fn head(&mut self, text: String) {
        if !self.lines.is_empty() {
            self.lines.push(Vec::new());
        }
        self.lines.push(vec![piece(text, Ink::Title)]);
    }

    fn draw(&self, paint: &mut Paint<'_>, area: Rect, scroll: usize) {
        let room = usize::from(area.height);
        let first = scroll.min(self.lines.len().saturating_sub(room));
        for (line, y) in self.lines.iter().skip(first).zip(area.y..area.bottom()) {
            paint.pieces(area.x, y, area.width, line);
        }
    }
}

/// The opened row of the screen, or that there is none of it any more.
pub(super) fn draw(paint: &mut Paint<'_>, area: Rect, view: &View, ui: &Ui, words: Words) {
    let (title, lines) = opened(area, view, ui, words).unwrap_or_else(|| {
        let mut lines = Lines::new(words);
        let text = wrapped(&words.t("row_gone"), area.width);
        lines.lines.extend(text.into_iter().map(|line| vec![piece(line, Ink::Muted)]));
        (words.t(ui.screen.name()), lines)
    });
    framed(paint, area, &title, &lines, ui, words);
}

fn opened(area: Rect, view: &View, ui: &Ui, words: Words) -> Option<(String, Lines)> {
    let row = ui.opened(view)?;
    Some(match ui.screen {
        Screen::Overview | Screen::Engines => {
            let engine = *ui.engines(view).get(row)?;
            (engine.instance.clone(), engine_lines(engine, view, words))
        }
        Screen::Devices => {
            let device = *ui.devices(view).get(row)?;
            (device.id(), device_lines(device, view, words))
        }
        Screen::Requests => {
            let request = *ui.requests(view).get(row)?;
            (request.id.clone(), request_lines(request, view, words, area.width))
        }
        Screen::Events => {
            let event = *ui.events(view).get(row)?;
            (event.source.clone(), event_lines(event, view, words, area.width))
        }
    })
}

/// Lines below their title, and which keys leave or scroll them.
fn framed(paint: &mut Paint<'_>, area: Rect, title: &str, lines: &Lines, ui: &Ui, words: Words) {
    let hides = lines.lines.len() + 1 > usize::from(area.height);
    paint.rule(area, title, &words.t(if hides { "back_scroll" } else { "back" }));
    if area.height > 0 {
        lines.draw(paint, below(area), ui.scroll);
    }
}

fn engine_lines(engine: &Engine, view: &View, words: Words) -> Lines {
    let mut lines = Lines::new(words);
    let name = [engine.name.as_str(), engine.version.as_deref().unwrap_or_default()].join(" ");
    lines.text("engine_name", Some(&name.trim().to_owned()));
    lines.inked(&words.t("state_name"), state(engine.state, words));
    if let Some(since) = engine.since {
        lines.fact("in_state_for", words.ago(view.now, since.0));
    }
    lines.text("address", engine.url.as_ref());
    lines.text("process", engine.pid.as_ref());
    lines.text("models", Some(&engine.models.join(", ")));
    for note in &engine.notes {
        lines.inked(&words.t("note"), piece(words.said(note), Ink::Warn));
    }
    lines.head(words.t("load"));
    lines.told("running_long", &engine.running, count);
    lines.told("waiting_long", &engine.waiting, count);
    lines.told("kv_long", &engine.kv_cache, percent);
    lines.told("context", &engine.context, percent);
    lines.told("prefix_hits", &engine.prefix_hits, percent);
    lines.told("spec_accepted", &engine.spec_accepted, percent);
    lines.told("preemptions", &engine.preemptions, count);
    lines.head(words.t("speed"));
    lines.told("ttft_p50", &engine.ttft_p50, seconds);
    lines.told("ttft_p95", &engine.ttft_p95, seconds);
    lines.told("tpot_p50", &engine.tpot_p50, seconds);
    lines.told("tpot_p95", &engine.tpot_p95, seconds);
    lines.told("itl_p95", &engine.itl_p95, seconds);
    lines.told("e2e_p95", &engine.e2e_p95, seconds);
    lines.told("tokens_out_long", &engine.tokens_out, rate);
    lines.told("tokens_in_long", &engine.tokens_in, rate);
    lines.told("tokens_cached_long", &engine.tokens_cached, rate);
    lines.told("finished", &engine.finished, rate);
    lines.told("failed_long", &engine.failed, count);
    let span = (view.now.0 - PAST_MS, view.now.0);
    let mut line = |name: &str, points: &[(i64, f64)]| {
        let drawn = spark(points, span.0, span.1, 50);
        lines.inked(&words.t(name), piece(drawn, Ink::Decode));
    };
    line("past_tokens", &engine.past_tokens_out);
    line("past_ttft", &engine.past_ttft_p95);
    lines.head(words.t("host_use"));
    lines.told("resident", &engine.resident, bytes);
    lines.told("cpus_used", &engine.cpu, rate);
    lines
}

fn device_lines(device: &Device, view: &View, words: Words) -> Lines {
    let mut lines = Lines::new(words);
    let (vendor, model) = (&device.vendor, &device.model);
    let names_vendor = model.to_lowercase().starts_with(&vendor.to_lowercase());
    let model = if names_vendor { model.clone() } else { format!("{vendor} {model}") };
    lines.text("model_name", Some(&model.trim().to_owned()));
    lines.text("uuid", Some(&device.uuid));
    lines.text("driver", Some(&device.driver));
    let health = device.health.as_deref().unwrap_or(ABSENT).to_owned();
    match device.is_up {
        Some(false) => lines.inked(&words.t("health"), piece(words.t("lost_long"), Ink::Critical)),
        _ => lines.fact("health", health),
    }
    lines.head(words.t("load"));
    // A reading that is missing says why, where that is known.
    let why = |lines: &mut Lines, name: &str, field: &str, value: String| {
        let mut missing = device.missing.iter().filter(|(missing, _)| missing.starts_with(field));
        match missing.next().filter(|_| value.starts_with(ABSENT)) {
            Some((_, reason)) => {
                let reason = words.t(&format!("field_{reason}"));
                lines.fact(name, format!("{value}  ({reason})"));
            }
            None => lines.fact(name, value),
        }
    };
    why(&mut lines, "utilization", "utilization", or_dash(device.utilization, percent));
    let memory =
        format!("{} / {}", or_dash(device.memory_used, bytes), or_dash(device.memory_total, bytes));
    why(&mut lines, "memory_long", "memory", memory);
    let power =
        format!("{} / {} W", or_dash(device.power, watts), or_dash(device.power_limit, watts));
    why(&mut lines, "power", "power", power);
    for (sensor, value) in &device.temperatures {
        let name = words.with("temperature_of", &[("sensor", sensor)]);
        lines.inked(&name, piece(format!("{} °C", celsius(*value)), Ink::Plain));
    }
    if device.temperatures.is_empty() {
        why(&mut lines, "temperature", "temperature", ABSENT.to_owned());
    }
    let clock = format!(
        "{} / {} MHz",
        or_dash(device.clock, megahertz),
        or_dash(device.clock_max, megahertz)
    );
    why(&mut lines, "clock", "clock", clock);
    why(&mut lines, "fan", "fan", or_dash(device.fan, percent));
    throttle_line(&mut lines, device, words);
    let drawn = spark(&device.past_utilization, view.now.0 - PAST_MS, view.now.0, 50);
    lines.inked(&words.t("past_utilization"), piece(drawn, Ink::Load));
    fault_lines(&mut lines, device, words);
    process_lines(&mut lines, device, words);
    missing_lines(&mut lines, device, words);
    lines
}

fn fault_lines(lines: &mut Lines, device: &Device, words: Words) {
    lines.head(words.t("faults"));
    lines.fact("errors", or_dash(device.errors, count));
    for (kind, value) in &device.ecc {
        let ink = if kind == "uncorrected" && *value > 0.0 { Ink::Critical } else { Ink::Plain };
        lines.inked(&words.with("ecc_of", &[("type", kind)]), piece(count(*value), ink));
    }
}

fn process_lines(lines: &mut Lines, device: &Device, words: Words) {
    lines.head(words.t("processes"));
    for process in &device.processes {
        let name = format!("{} {}", process.pid, process.name);
        let whose = [process.engine.as_str(), process.container.as_str()].join(" ");
        let value = format!("{}  {}", bytes(process.memory_bytes), whose.trim());
        lines.inked(&name, piece(value, Ink::Plain));
    }
    if device.processes.is_empty() {
        lines.lines.push(vec![piece(words.t("no_processes"), Ink::Muted)]);
    }
}

/// Which readings there are none of, by the reason.
fn missing_lines(lines: &mut Lines, device: &Device, words: Words) {
    for (state, title) in [
        ("denied", "fields_denied"),
        ("error", "fields_error"),
        ("unsupported", "fields_unsupported"),
    ] {
        let fields = device.missing.iter().filter(|(_, of)| *of == state);
        let fields: Vec<&str> = fields.map(|(field, _)| field.as_str()).collect();
        if !fields.is_empty() {
            lines.head(words.t(title));
            lines.lines.push(vec![piece(fields.join(", "), Ink::Muted)]);
        }
    }
}

fn throttle_line(lines: &mut Lines, device: &Device, words: Words) {
    let label = words.t("throttle");
    match &device.throttle {
        None => lines.fact("throttle", ABSENT),
        Some(reasons) if reasons.is_empty() => lines.fact("throttle", words.t("throttle_none")),
        Some(reasons) => {
            for reason in reasons {
                let kind = Throttle::of_reason(reason);
                let (name, ink) = match kind {
                    None => ("throttle_normal", Ink::Plain),
                    Some(Throttle::Hardware) => ("throttle_hardware", Ink::Critical),
                    Some(Throttle::Thermal) => ("throttle_thermal", Ink::Critical),
                    Some(Throttle::Power) => ("throttle_power", Ink::Plain),
                    Some(Throttle::Other) => ("throttle_other", Ink::Warn),
                };
                let letter = kind.map_or("·", Throttle::letter);
                let text = format!("{letter} {} ({reason})", words.t(name));
                lines.inked(&label, piece(text, ink));
            }
        }
    }
}

fn request_lines(request: &Request, view: &View, words: Words, room: u16) -> Lines {
    let mut lines = Lines::new(words);
    let whole = |value: Option<u64>| value.map_or_else(|| ABSENT.to_owned(), |it| it.to_string());
    let at = clock(model::UnixMs(request.time));
    lines.fact("time", format!("{at} UTC  ({})", words.ago(view.now, request.time)));
    lines.text("model_name", Some(&request.model));
    lines.text("engine_name", Some(&request.upstream));
    lines.text("key_name", Some(&request.key));
    lines.text("path", Some(&request.path));
    lines.inked(&words.t("outcome_name"), outcome(request, words));
    lines.fact("status", whole(request.status));
    lines.text("finish_reason", Some(&request.finish_reason));
    if !request.error.is_empty() {
        lines.inked(&words.t("error"), piece(request.error.clone(), Ink::Critical));
    }
    lines.head(words.t("tokens"));
    lines.fact("tokens_input", whole(request.tokens_input));
    lines.fact("tokens_cached", whole(request.tokens_cached));
    lines.fact("tokens_output", whole(request.tokens_output));
    lines.head(words.t("times"));
    lines.fact("queued", or_dash(request.queued_ms, millis));
    lines.fact("ttft_long", or_dash(request.ttft_ms, millis));
    lines.fact("tpot_long", or_dash(request.tpot_ms, millis));
    lines.fact("e2e_long", or_dash(request.e2e_ms, millis));
    lines.fact("total_long", or_dash(request.total_ms, millis));
    let longest = request.e2e_ms.or(request.total_ms).unwrap_or_default();
    lines.lines.push(Vec::new());
    lines.lines.push(waterfall(request, longest, usize::from(room.min(100))));
    lines.lines.push(vec![
        piece(format!("▒ {}  ", words.t("queue")), Ink::Queue),
        piece(format!("▓ {}  ", words.t("prefill")), Ink::Prefill),
        piece(format!("█ {}", words.t("decode")), Ink::Decode),
    ]);
    lines
}

fn event_lines(event: &Event, view: &View, words: Words, room: u16) -> Lines {
    let mut lines = Lines::new(words);
    let at = clock(model::UnixMs(event.time));
    lines.fact("time", format!("{at} UTC  ({})", words.ago(view.now, event.time)));
    lines.text("source", Some(&event.source));
    lines.lines.push(Vec::new());
    for line in wrapped(&words.said(&event.said), room) {
        lines.lines.push(vec![piece(line, severity(event))]);
    }
    lines.lines.push(Vec::new());
    for (name, value) in &event.said.params {
        lines.inked(name, piece(value.clone(), Ink::Plain));
    }
    lines
}

/// Broken at spaces where there are any, so that no line is wider than `columns`.
fn wrapped(text: &str, columns: u16) -> Vec<String> {
    let columns = columns.max(2);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_inclusive(' ') {
        if width(&line) + width(word.trim_end()) > columns && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for character in word.chars() {
            let is_full = width(&line) + width(character.encode_utf8(&mut [0; 4])) > columns;
            if is_full && character != ' ' {
                lines.push(std::mem::take(&mut line));
            }
            line.push(character);
        }
    }
    lines.push(line);
    lines
}

/// Which key does what, and what signs mean.
pub(super) fn help(paint: &mut Paint<'_>, area: Rect, ui: &Ui, words: Words) {
    let mut lines = Lines::new(words);
    lines.label = 14;
    for (keys, name) in [
        ("1 2 3 4 5", "help_screens"),
        ("Tab", "help_next"),
        ("↑ ↓ j k", "help_rows"),
        ("PgUp PgDn g G", "help_pages"),
        ("Enter", "help_detail"),
        ("Esc", "help_back"),
        ("/", "help_filter"),
        ("s", "help_sort"),
        ("Space", "help_pause"),
        ("q Ctrl-C", "help_quit"),
    ] {
        lines.inked(keys, piece(words.t(name), Ink::Plain));
    }
    lines.head(words.t("help_signs"));
    for (sign, ink, name) in [
        ("T", Ink::Critical, "throttle_thermal"),
        ("H", Ink::Critical, "throttle_hardware"),
        ("P", Ink::Plain, "throttle_power"),
        ("!", Ink::Warn, "throttle_other"),
        ("·", Ink::Muted, "throttle_none"),
        (ABSENT, Ink::Muted, "help_absent"),
    ] {
        let room = " ".repeat(usize::from(14_u16.saturating_sub(width(sign))));
        lines
            .lines
            .push(vec![piece(format!("{sign}{room} "), ink), piece(words.t(name), Ink::Plain)]);
    }
    lines.lines.push(vec![
        piece("▒▓█            ", Ink::Plain),
        piece(words.t("help_timeline"), Ink::Plain),
    ]);
    for name in ["help_itl", "help_p95", "help_utc", "help_sources"] {
        let text = wrapped(&words.t(name), area.width);
        lines.lines.extend(text.into_iter().map(|line| vec![piece(line, Ink::Plain)]));
    }
    paint.clear(area);
    framed(paint, area, &words.t("help"), &lines, ui, words);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_wrapped() {
        let check = |text: &str, columns, expected: &[&str]| {
            assert_eq!(wrapped(text, columns), expected, "{text}");
        };
        check("one two three", 8, &["one two ", "three"]);
        check("abcdefgh", 4, &["abcd", "efgh"]);
        check("模型已加载", 4, &["模型", "已加", "载"]);
        check("", 4, &[""]);
    }
}
