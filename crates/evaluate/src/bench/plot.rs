//! Reports as a drawing (SVG): of a sweep, latency over the rate that was reached; of one load, how TTFT
//! and the gaps between tokens are distributed. Nothing is smoothed and nothing left out.

use std::time::Duration;

use model::message::{Language, render};

use super::{Load, Measured, Quantiles};

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 52.0;
const COLOURS: [&str; 2] = ["#2563eb", "#d97706"];
/// Points of one line; of more values every so many is drawn, and the last.
const POINTS_MAX: usize = 1_000;
/// Lines of a scale, about.
const STEPS: f64 = 5.0;

struct Line {
    name: String,
    points: Vec<(f64, f64)>,
    /// What the points are called; none: the line has no marks.
    marks: Vec<String>,
}

struct Panel {
    title: String,
    x: String,
    y: String,
    is_x_logarithmic: bool,
    y_end: Option<f64>,
    lines: Vec<Line>,
}

/// The drawing as a document; `title` comes over it. Without anything that could be drawn it says so.
pub fn svg(measured: &[Measured], title: &str, language: Language) -> String {
    let text = |code: &str| render::<&str, &str>(code, &[], language);
    let mut panels = match measured {
        [one] => distributions(one, &text),
        many => sweep(many, &text),
    };
    panels.retain(|panel| panel.lines.iter().any(|line| !line.points.is_empty()));
    let width = WIDTH * panels.len().max(1) as f64;
    let height = HEIGHT + 32.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"system-ui, 'Noto Sans CJK SC', sans-serif\" font-size=\"12\" \
         fill=\"#1f2937\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    put(&mut out, width / 2.0, 24.0, "middle", "font-size=\"14\" font-weight=\"600\"", title);
    if panels.is_empty() {
        put(&mut out, width / 2.0, height / 2.0, "middle", "", &text("bench.nothing_measured"));
    }
    for (place, panel) in panels.iter().enumerate() {
        let x = WIDTH * place as f64;
        out.push_str(&format!("<g transform=\"translate({x} 32)\">\n"));
        panel.draw(&mut out);
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn distributions(one: &Measured, text: &dyn Fn(&str) -> String) -> Vec<Panel> {
    let panel = |name: &str, points: Vec<(f64, f64)>| Panel {
        title: name.to_owned(),
        x: text("bench.ms"),
        y: text("bench.plot_share"),
        is_x_logarithmic: true,
        y_end: Some(100.0),
        lines: vec![Line { name: String::new(), points, marks: Vec::new() }],
    };
    let of = |value: fn(&super::Record) -> Option<Duration>| {
        let mut values: Vec<Duration> = one.records.iter().filter_map(value).collect();
        values.sort_unstable();
        let count = values.len();
        let stride = count.div_ceil(POINTS_MAX).max(1);
        let ranked = values
            .iter()
            .enumerate()
            .filter(|(place, _)| place.is_multiple_of(stride) || place + 1 == count);
        ranked
            .map(|(place, time)| (millis(*time), 100.0 * (place + 1) as f64 / count as f64))
            .collect()
    };
    let mut seen = 0;
    let gaps = one.gaps.buckets().map(|(_, upper, count)| {
        seen += u64::from(count);
        (millis(upper), 100.0 * seen as f64 / one.gaps.count() as f64)
    });
    let itl: Vec<(f64, f64)> = gaps.collect();
    let ttft: Vec<(f64, f64)> = of(|record| record.ttft);
    if ttft.is_empty() {
        return vec![panel("E2E", of(|record| record.e2e))];
    }
    vec![panel("TTFT", ttft), panel("ITL", itl)]
}

fn sweep(many: &[Measured], text: &dyn Fn(&str) -> String) -> Vec<Panel> {
    let line = |name: &str, of: &dyn Fn(&Measured) -> Option<Duration>| {
        let mut line = Line { name: name.into(), points: Vec::new(), marks: Vec::new() };
        for one in many {
            let Some((rate, time)) = one.report.requests_per_second.zip(of(one)) else { continue };
            line.points.push((rate, millis(time)));
            line.marks.push(match one.report.load {
                Load::Closed { concurrency } => concurrency.to_string(),
                Load::Open { rate, .. } => rate.to_string(),
            });
        }
        line
    };
    let panel = |name: &str, of: fn(&Measured) -> Option<Quantiles>| Panel {
        title: name.to_owned(),
        x: text("bench.plot_rate"),
        y: text("bench.ms"),
        is_x_logarithmic: false,
        y_end: None,
        lines: vec![
            line("p50", &|one| of(one).map(|quantiles| quantiles.p50)),
            line("p99", &|one| of(one).map(|quantiles| quantiles.p99)),
        ],
    };
    let mut panels =
        vec![panel("TTFT", |one| one.report.ttft), panel("TPOT", |one| one.report.tpot)];
    if panels.iter().all(|panel| panel.lines.iter().all(|line| line.points.is_empty())) {
        panels = vec![panel("E2E", |one| one.report.e2e)];
    }
    panels
}

/// From what to what, and where its lines are.
struct Scale {
    from: f64,
    to: f64,
    is_logarithmic: bool,
    ticks: Vec<f64>,
}

impl Scale {
    fn linear(end: f64) -> Self {
        let end = if end > 0.0 { end } else { 1.0 };
        let rough = end / STEPS;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].iter().map(|nice| nice * power);
        let step = step.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(rough);
        let count = (end / step).ceil() as u32;
        let ticks: Vec<f64> = (0..=count).map(|tick| f64::from(tick) * step).collect();
        Self { from: 0.0, to: step * f64::from(count), is_logarithmic: false, ticks }
    }

    fn logarithmic(least: f64, most: f64) -> Self {
        // 1 µs: nothing that is drawn here is shorter, and there is no logarithm of 0.
        let (least, most) = (least.max(1e-3), most.max(1e-3));
        let all = (-3..=9).flat_map(|power| [1.0, 2.0, 5.0].map(|nice| nice * 10_f64.powi(power)));
        let all: Vec<f64> = all.collect();
        let from = all.iter().rev().find(|tick| **tick < least).copied().unwrap_or(least / 2.0);
        let to = all.iter().find(|tick| **tick > most).copied().unwrap_or(most * 2.0);
        let ticks = all.into_iter().filter(|tick| (from..=to).contains(tick)).collect();
        Self { from, to, is_logarithmic: true, ticks }
    }

    /// From 0 to 1.
    fn place(&self, value: f64) -> f64 {
        if self.is_logarithmic {
            (value.max(self.from) / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        }
    }
}

impl Panel {
    fn draw(&self, out: &mut String) {
        let all = || self.lines.iter().flat_map(|line| line.points.iter().copied());
        let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let x_most = most(&mut all().map(|(x, _)| x));
        let x = if self.is_x_logarithmic {
            Scale::logarithmic(all().map(|(x, _)| x).fold(f64::INFINITY, f64::min), x_most)
        } else {
            Scale::linear(x_most)
        };
        let y = Scale::linear(self.y_end.unwrap_or_else(|| most(&mut all().map(|(_, y)| y))));
        let at_x = |value: f64| LEFT + x.place(value) * (WIDTH - LEFT - RIGHT);
        let at_y = |value: f64| HEIGHT - BOTTOM - y.place(value) * (HEIGHT - TOP - BOTTOM);
        put(out, LEFT, TOP - 36.0, "start", "font-weight=\"600\"", &self.title);
        put(out, LEFT - 48.0, TOP - 14.0, "start", "fill=\"#6b7280\"", &self.y);
        put(out, WIDTH - RIGHT, HEIGHT - 12.0, "end", "fill=\"#6b7280\"", &self.x);
        // Of many lines every other has its number.
        let every = x.ticks.len().div_ceil(10).max(1);
        for (place, tick) in x.ticks.iter().enumerate() {
            let at = at_x(*tick);
            rule(out, (at, TOP), (at, HEIGHT - BOTTOM));
            if place.is_multiple_of(every) {
                put(out, at, HEIGHT - BOTTOM + 18.0, "middle", "", &number(*tick));
            }
        }
        for tick in &y.ticks {
            let at = at_y(*tick);
            rule(out, (LEFT, at), (WIDTH - RIGHT, at));
            put(out, LEFT - 8.0, at + 4.0, "end", "", &number(*tick));
        }
        for (place, (line, colour)) in self.lines.iter().zip(COLOURS).enumerate() {
            let points: Vec<(f64, f64)> =
                line.points.iter().map(|(x, y)| (at_x(*x), at_y(*y))).collect();
            let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let path = path.join(" ");
            out.push_str(&format!(
                "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n"
            ));
            for ((x, y), mark) in points.iter().zip(&line.marks) {
                out.push_str(&format!(
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>\n"
                ));
                // p50 below its points and p99 above them, where they keep clear of each other.
                let y = if place == 0 { y + 15.0 } else { y - 7.0 };
                put(out, *x, y, "middle", "font-size=\"10\" fill=\"#6b7280\"", mark);
            }
            if !line.name.is_empty() {
                let x = WIDTH - RIGHT - 40.0 * (self.lines.len() - place) as f64 + 40.0;
                let fill = format!("fill=\"{colour}\" font-weight=\"600\"");
                put(out, x, TOP - 36.0, "end", &fill, &line.name);
            }
        }
    }
}

fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn rule(out: &mut String, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    out.push_str(&format!("<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"#e5e7eb\"/>\n"));
}

fn put(out: &mut String, x: f64, y: f64, anchor: &str, more: &str, text: &str) {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars().filter(|character| !character.is_control()) {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            _ => escaped.push(character),
        }
    }
    out.push_str(&format!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {more}>{escaped}</text>\n"
    ));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scales_hold_what_is_drawn_and_have_round_numbers() {
        let check = |scale: &Scale, ticks: &[f64]| {
            let shown: Vec<String> = scale.ticks.iter().map(|tick| number(*tick)).collect();
            assert_eq!(shown, ticks.iter().map(|tick| number(*tick)).collect::<Vec<_>>());
        };
        check(&Scale::linear(100.0), &[0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        check(&Scale::linear(0.0), &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        check(&Scale::linear(7.3), &[0.0, 2.0, 4.0, 6.0, 8.0]);
        check(&Scale::logarithmic(3.0, 40.0), &[2.0, 5.0, 10.0, 20.0, 50.0]);
        check(&Scale::logarithmic(5.0, 5.0), &[2.0, 5.0, 10.0]);
    }

    #[test]
    fn what_is_from_outside_is_text() {
        let drawn = svg(&[], "a <b> & \u{1b}c", Language::Chinese);
        assert!(drawn.contains(">a &lt;b&gt; &amp; c</text>"), "{drawn}");
        assert!(drawn.ends_with("</svg>\n"));
    }

    proptest! {
        #[test]
        fn every_value_is_inside_its_scale(a in 0.0_f64..1e9, b in 0.0_f64..1e9) {
            let (least, most) = (a.min(b), a.max(b));
            for (scale, values) in [(Scale::linear(most), [0.0, most]), (Scale::logarithmic(least, most), [least, most])] {
                prop_assert!(scale.ticks.len() <= 40);
                for value in values {
                    let place = scale.place(value);
                    prop_assert!((-1e-9..=1.0 + 1e-9).contains(&place), "{value} at {place}");
                }
            }
        }
    }
}
