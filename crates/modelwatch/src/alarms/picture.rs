//! The chart that goes with a notification: what its first alert is about, over the last hour.

use alert::rules::Context;
use model::{
    Labels, NAME, UnixMs, alert::Notification, catalogue, message::Language, series::Budget,
};
use query::{Expr, Grid, Series, Value};
use report::{
    Fonts,
    chart::{Layer, TimeChart, line_chart},
    number::Unit,
    scene::Ink,
};

use crate::reports;

const SPAN_MS: i64 = 3_600_000;
const STEP_MS: i64 = 30_000;
/// Most series of a chart: more are no picture of one alert.
const SERIES_MAX: usize = 5;
/// How much of an expression the legend has room for.
const NAME_CHARS: usize = 60;
const WIDTH: f32 = 600.0;
const HEIGHT: f32 = 220.0;
/// Pixels to a point.
const SCALE: f32 = 2.0;

/// The chart as PNG; nothing where the expression is not known, has no values, or no font is at hand.
pub(crate) fn picture(
    notification: &Notification,
    language: Language,
    context: &Context<'_>,
) -> Option<Vec<u8>> {
    let fonts = reports::fonts()?;
    let alert = &notification.alerts.first()?.alert;
    let expr = query::parse(&expression(&alert.generator_url)?).ok()?;
    // What the condition lets pass has gaps wherever all is well.
    let (shown, limit) = match expr.compared() {
        Some((shown, limit)) => (shown, Some((limit, limit.to_string()))),
        None => (expr, None),
    };
    let end = notification.time;
    let start = UnixMs(end.0.saturating_sub(SPAN_MS));
    let layers = layers(&shown, start, end, &alert.labels, context);
    if layers.is_empty() {
        return None;
    }
    let own = match language {
        Language::English => "summary",
        Language::Chinese => "summary_zh",
    };
    let titles = [alert.annotation(own), alert.annotation("summary"), alert.name()];
    let title = titles.into_iter().find(|text| !text.is_empty());
    let chart = TimeChart {
        title: title.unwrap_or_default().to_owned(),
        width: WIDTH,
        height: HEIGHT,
        start,
        end,
        zone: &reports::zone_over("", reports::Period::new(start, end)),
        language,
        unit: unit(shown.text()),
        layers,
        limit,
        max: None,
        spans: vec![(alert.starts_at, end)],
    };
    draw(&chart, fonts)
}

/// The unit of the values, where the expression is one metric and nothing is made of it.
fn unit(expression: &str) -> Unit {
    let name = expression.split('{').next().unwrap_or_default().trim();
    let has_matchers = expression.matches('{').count() == 1 && expression.trim_end().ends_with('}');
    let is_plain = has_matchers || name == expression.trim();
    match catalogue::find(name).filter(|_| is_plain).map(|metric| metric.unit) {
        Some("seconds") => Unit::Seconds,
        Some("ratio") => Unit::Ratio,
        Some("bytes") => Unit::Bytes,
        Some("watts") => Unit::Watts,
        Some("celsius") => Unit::Celsius,
        _ => Unit::Count,
    }
}

fn draw(chart: &TimeChart<'_>, fonts: &Fonts) -> Option<Vec<u8>> {
    report::png(&line_chart(chart), fonts, SCALE)
}

/// The expression that a link to the page, or to a Prometheus, asks for.
fn expression(link: &str) -> Option<String> {
    let (_, parameters) = link.split_once('?')?;
    let mut pairs = form_urlencoded::parse(parameters.as_bytes());
    let found = pairs.find(|(name, _)| matches!(&**name, "q" | "g0.expr"));
    found.map(|(_, value)| value.into_owned())
}

/// The series that the alert's labels name, as lines.
fn layers(
    expr: &Expr,
    start: UnixMs,
    end: UnixMs,
    labels: &Labels,
    context: &Context<'_>,
) -> Vec<Layer> {
    let budget = Budget::new(context.clock.clone(), context.timeout, context.samples_max);
    let align = |time: UnixMs| UnixMs(time.0.div_euclid(STEP_MS) * STEP_MS);
    let grid = Grid { start: align(start), end: align(end), step_ms: STEP_MS };
    let output = query::evaluate(expr, context.source, grid, context.settings, &budget);
    let Ok(Value::Matrix(series)) = output.map(|output| output.value) else { return Vec::new() };
    let is_meant = |series: &&Series| {
        let own = series.labels.iter().filter(|(name, _)| *name != NAME);
        own.into_iter().all(|(name, value)| labels.get(name) == Some(value))
    };
    let meant = series.iter().filter(is_meant).take(SERIES_MAX).enumerate();
    let name: String = expr.text().chars().take(NAME_CHARS).collect();
    let layer = |(index, series): (usize, &Series)| Layer::Line {
        name: if index == 0 { name.clone() } else { (index + 1).to_string() },
        ink: Ink::Series(index),
        points: series.times.iter().map(|time| UnixMs(*time)).zip(series.values.clone()).collect(),
    };
    meant.map(layer).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::{
        Clock,
        alert::{Alert, Notified, Reason},
        sample::Batch,
    };
    use store::{Options, Store};

    use super::*;

    #[test]
    fn units_are_those_of_plain_metrics() {
        let check = |text: &str, expected: Unit| assert_eq!(unit(text), expected, "{text}");
        check("accelerator_temperature_celsius", Unit::Celsius);
        check("accelerator_temperature_celsius{uuid=\"a\"}", Unit::Celsius);
        check("llm_kv_cache_usage_ratio{instance=~\".+\"}", Unit::Ratio);
        check("100 * llm_kv_cache_usage_ratio", Unit::Count);
        check("rate(node_network_receive_bytes_total[5m])", Unit::Count);
        check("accelerator_temperature_celsius{uuid=\"a\"} - 5", Unit::Count);
        check("llm_kv_cache_usage_ratio{a=\"b\"} - llm_kv_cache_usage_ratio{a=\"c\"}", Unit::Count);
        check("", Unit::Count);
    }

    #[test]
    fn expressions_of_links() {
        let check = |link: &str, expected: Option<&str>| {
            assert_eq!(expression(link).as_deref(), expected, "{link}");
        };
        check("http://page/#/explore?q=up+%3C+1", Some("up < 1"));
        check("http://prometheus/graph?g0.expr=up+%3D%3D+0&g0.tab=1", Some("up == 0"));
        check("http://page/", None);
        check("", None);
    }

    const NOW: UnixMs = UnixMs(1_795_478_400_000);

    fn notification(link: &str, job: &str) -> Notification {
        let starts_at = UnixMs(NOW.0 - 600_000);
        let alert = Alert {
            labels: Labels::from_pairs([("alertname", "Down"), ("job", job)]),
            annotations: vec![("summary".to_owned(), format!("{job} is down"))],
            starts_at,
            ends_at: NOW,
            generator_url: link.to_owned(),
            value: Some(0.0),
        };
        Notification {
            key: "k".to_owned(),
            incident: "i".to_owned(),
            channel: "c".to_owned(),
            group_key: String::new(),
            reason: Reason::First,
            time: NOW,
            severity: "critical".to_owned(),
            group_labels: Vec::new(),
            common_labels: Vec::new(),
            common_annotations: Vec::new(),
            alerts: vec![Notified { alert, is_firing: true }],
            truncated: 0,
            url: String::new(),
        }
    }

    #[test]
    fn what_the_store_has_is_drawn() {
        assert!(reports::fonts().is_some(), "a font is needed: install fonts-dejavu-core");
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOW);
        let (store, _) = Store::open(folder.path(), Options::default(), clock.clone()).unwrap();
        for minute in (0..60).rev() {
            let mut batch = Batch::new(UnixMs(NOW.0 - minute * 60_000));
            let is_up = f64::from(u8::from(minute > 10));
            batch.push(&Labels::metric("up", [("job", "a")]), is_up);
            batch.push(&Labels::metric("up", [("job", "b")]), 1.0 - is_up);
            store.append(&batch).unwrap();
        }
        let drawn = |link: &str, job: &str| {
            picture(
                &notification(link, job),
                Language::English,
                &Context {
                    source: &store,
                    settings: &query::Settings::default(),
                    clock: &clock,
                    timeout: Duration::from_secs(10),
                    samples_max: 1_000_000,
                    external_url: "",
                    external_labels: &[],
                    generator_url: &|_| String::new(),
                    write: &|_| Ok(()),
                    resend_delay: Duration::from_secs(60),
                },
            )
        };
        let link = "http://page/#/explore?q=up+%3C+1";
        let found = drawn(link, "a").unwrap();
        assert!(found.starts_with(b"\x89PNG\r\n\x1a\n"));
        let size = |at: usize| u32::from_be_bytes(found[at..at + 4].try_into().unwrap());
        assert_eq!((size(16), size(20)), ((WIDTH * SCALE) as u32, (HEIGHT * SCALE) as u32));
        assert!(found != drawn(link, "b").unwrap(), "another series is another picture");
        assert_eq!(drawn(link, "c"), None);
        assert_eq!(drawn("http://page/", "a"), None);
        assert_eq!(drawn("http://page/?q=up+%3C", "a"), None);
    }
}
