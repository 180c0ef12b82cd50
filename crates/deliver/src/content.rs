//! What a notification says, in its channel's language: a title and lines that each stand for themselves, written in
//! whichever marks a service understands and as long as it takes.
//!
//! Labels and annotations come from outside. They are cut, and escaped so that they are never marks themselves.

use model::{
    UnixMs,
    alert::{ALERT_NAME, Alert, Notification, Notified, Reason},
    civil_from_days,
    message::{Language, render},
};

/// Alerts that a message spells out; the others are counted.
const ALERTS_MAX: usize = 10;
/// Longest text that is taken from an annotation.
const ANNOTATION_CHARS_MAX: usize = 500;
/// Longest text that is taken from a name or value of a label.
const LABEL_CHARS_MAX: usize = 120;
/// Labels that are shown of an alert.
const LABELS_MAX: usize = 12;
/// Longest title; the rest is cut.
const TITLE_CHARS_MAX: usize = 200;
/// Annotations that have a place of their own or are no text.
const SUMMARY: &str = "summary";
const DESCRIPTION: &str = "description";

/// One message, not yet in the marks of a service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) title: String,
    pub(crate) is_firing: bool,
    /// `critical`, `warning`, `info`, or whatever the rules call it.
    pub(crate) severity: String,
    pub(crate) lines: Vec<Line>,
    /// What the channel's own template made instead of the lines.
    pub(crate) custom: Option<String>,
    /// May be empty.
    pub(crate) url: String,
    pub(crate) language: Language,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Line {
    /// Stands out: one alert.
    Heading(String),
    /// A name and what it is.
    Fact(String, String),
    Plain(String),
}

/// How a service wants its text.
pub(crate) struct Marks {
    pub(crate) escape: fn(&str) -> String,
    pub(crate) bold: (&'static str, &'static str),
    /// Between lines.
    pub(crate) between: &'static str,
    /// A link from its text and its address, both escaped.
    pub(crate) link: fn(&str, &str) -> String,
}

/// How much a service takes.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    Bytes(usize),
    Chars(usize),
}

impl Limit {
    fn length(self, text: &str) -> usize {
        match self {
            Self::Bytes(_) => text.len(),
            Self::Chars(_) => text.chars().count(),
        }
    }

    fn max(self) -> usize {
        let (Self::Bytes(max) | Self::Chars(max)) = self;
        max
    }
}

pub(crate) const PLAIN: Marks = Marks {
    escape: |text| text.to_owned(),
    bold: ("", ""),
    between: "\n",
    link: |text, url| format!("{text}: {url}"),
};

impl Told {
    /// The text in a service's marks, cut between lines where it would be longer than `limit`, which is then said.
    pub(crate) fn text(&self, marks: &Marks, limit: Limit) -> String {
        let (open, close) = marks.bold;
        let lines: Vec<String> = match &self.custom {
            // What a person wrote for this service is in its marks already.
            Some(text) => text.lines().map(str::to_owned).collect(),
            None => self
                .lines
                .iter()
                .map(|line| match line {
                    Line::Heading(text) => format!("{open}{}{close}", (marks.escape)(text)),
                    Line::Fact(name, text) => {
                        format!("{open}{}{close}: {}", (marks.escape)(name), (marks.escape)(text))
                    }
                    Line::Plain(text) => (marks.escape)(text),
                })
                .collect(),
        };
        let link = (!self.url.is_empty() && self.custom.is_none()).then(|| {
            (marks.link)(&(marks.escape)(&self.word("notify.link")), &(marks.escape)(&self.url))
        });
        let notice = (marks.escape)(&self.word("notify.cut"));
        fit(&lines, link, &notice, marks.between, limit)
    }

    /// The title, cut to what a service takes.
    pub(crate) fn title(&self, chars_max: usize) -> String {
        cut(&self.title, chars_max)
    }

    pub(crate) fn word(&self, code: &str) -> String {
        render::<&str, &str>(code, &[], self.language)
    }
}

/// As many lines as there is room for, and the link in any case.
fn fit(
    lines: &[String],
    link: Option<String>,
    notice: &str,
    between: &str,
    limit: Limit,
) -> String {
    let gap = limit.length(between);
    let room = |text: &str| limit.length(text) + gap;
    let reserved = link.as_deref().map_or(0, room);
    let whole: usize = lines.iter().map(|line| room(line)).sum();
    let is_whole = whole + reserved <= limit.max() + gap;
    let mut left = limit.max().saturating_sub(reserved);
    if !is_whole {
        left = left.saturating_sub(room(notice));
    }
    let mut taken = Vec::new();
    for line in lines {
        if !is_whole && room(line) > left {
            break;
        }
        left = left.saturating_sub(room(line));
        taken.push(line.as_str());
    }
    if !is_whole {
        taken.push(notice);
    }
    taken.extend(link.as_deref());
    taken.join(between)
}

/// What is told of a notification. `offset` is how many minutes local time is ahead of UTC.
pub(crate) fn of_notification(
    notification: &Notification,
    language: Language,
    offset: &dyn Fn(UnixMs) -> i64,
) -> Told {
    let teller = Teller { notification, language, offset };
    Told {
        title: teller.title(),
        is_firing: notification.is_firing(),
        severity: notification.severity.clone(),
        lines: teller.lines(),
        custom: None,
        url: notification.url.clone(),
        language,
    }
}

struct Teller<'a> {
    notification: &'a Notification,
    language: Language,
    offset: &'a dyn Fn(UnixMs) -> i64,
}

impl Teller<'_> {
    fn word(&self, code: &str) -> String {
        render::<&str, &str>(code, &[], self.language)
    }

    /// An annotation in the channel's language, else in whichever there is.
    fn annotation(&self, alert: &Alert, name: &str) -> String {
        let own = match self.language {
            Language::Chinese => alert.annotation(&format!("{name}_zh")),
            Language::English => "",
        };
        cut(if own.is_empty() { alert.annotation(name) } else { own }, ANNOTATION_CHARS_MAX)
    }

    /// One line on what an alert is.
    fn summary(&self, alert: &Alert) -> String {
        let texts = [SUMMARY, DESCRIPTION].map(|name| self.annotation(alert, name));
        let text = texts.into_iter().find(|text| !text.is_empty());
        text.unwrap_or_else(|| cut(alert.name(), LABEL_CHARS_MAX))
    }

    fn title(&self) -> String {
        let told = self.notification;
        let state = match (told.is_firing(), told.reason) {
            (false, _) => self.word("notify.resolved"),
            (true, Reason::Escalated) => self.word("notify.escalated"),
            (true, _) => severity(&told.severity, self.language),
        };
        let relevant = || told.alerts.iter().filter(|one| one.is_firing || !told.is_firing());
        let count = relevant().count() as u64 + told.truncated;
        let name = match relevant().next() {
            Some(only) if count == 1 => self.summary(&only.alert),
            first => {
                let group = told.group_labels.iter().find(|(name, _)| name == ALERT_NAME);
                let name = group.map(|(_, value)| value.as_str());
                name.or(first.map(|one| one.alert.name())).unwrap_or_default().to_owned()
            }
        };
        let code = if count == 1 { "notify.title_one" } else { "notify.title_many" };
        let params = [("state", state), ("name", name), ("count", count.to_string())];
        cut(&render(code, &params, self.language), TITLE_CHARS_MAX)
    }

    fn lines(&self) -> Vec<Line> {
        let told = self.notification;
        let mut lines = Vec::new();
        let common = self.common_advice();
        for notified in told.alerts.iter().take(ALERTS_MAX) {
            self.tell_alert(notified, common.is_none(), &mut lines);
        }
        let more = told.alerts.len().saturating_sub(ALERTS_MAX) as u64 + told.truncated;
        if more > 0 {
            let params = [("count", more.to_string())];
            lines.push(Line::Plain(render("notify.and_more", &params, self.language)));
        }
        lines.extend(common.into_iter().flatten());
        lines
    }

    /// Cause and remedy where they are the same for all, to be told once.
    fn common_advice(&self) -> Option<Vec<Line>> {
        let mut each = self.notification.alerts.iter().map(|one| self.advice(&one.alert));
        let first = each.next()?;
        (self.notification.alerts.len() > 1 && each.all(|other| other == first)).then_some(first)
    }

    fn advice(&self, alert: &Alert) -> Vec<Line> {
        let fact = |code: &str, name: &str| {
            let text = self.annotation(alert, name);
            (!text.is_empty()).then(|| Line::Fact(self.word(code), text))
        };
        let facts = [
            fact("notify.cause", "cause"),
            fact("notify.remedy", "remedy"),
            fact("notify.runbook", "runbook_url"),
        ];
        facts.into_iter().flatten().collect()
    }

    fn tell_alert(&self, notified: &Notified, has_advice: bool, lines: &mut Vec<Line>) {
        let alert = &notified.alert;
        let is_mixed = self.notification.is_firing() && !notified.is_firing;
        let summary = self.summary(alert);
        lines.push(Line::Heading(match is_mixed {
            true => format!("{}: {summary}", self.word("notify.resolved")),
            false => summary.clone(),
        }));
        let description = self.annotation(alert, DESCRIPTION);
        if !description.is_empty() && description != summary {
            lines.push(Line::Plain(description));
        }
        if has_advice {
            lines.extend(self.advice(alert));
        }
        let shown =
            |name: &str| name != ALERT_NAME && name != "severity" && !name.starts_with("__");
        let labels = alert.labels.iter().filter(|(name, _)| shown(name)).take(LABELS_MAX);
        let labels: Vec<String> = labels
            .map(|(name, value)| {
                format!("{}={}", cut(name, LABEL_CHARS_MAX), cut(value, LABEL_CHARS_MAX))
            })
            .collect();
        if !labels.is_empty() {
            lines.push(Line::Fact(self.word("notify.labels"), labels.join(", ")));
        }
        if let Some(value) = alert.value {
            lines.push(Line::Fact(self.word("notify.value"), number(value)));
        }
        lines.push(Line::Fact(self.word("notify.since"), self.time(alert.starts_at)));
        if !notified.is_firing {
            lines.push(Line::Fact(self.word("notify.until"), self.time(alert.ends_at)));
        }
    }

    fn time(&self, time: UnixMs) -> String {
        let offset = (self.offset)(time);
        let local = UnixMs(time.0.saturating_add(offset * 60_000));
        let text = rfc3339(local).replace('T', " ");
        let text = text.split(['.', 'Z']).next().unwrap_or_default();
        match offset {
            0 => format!("{text} UTC"),
            _ => {
                let sign = if offset < 0 { '-' } else { '+' };
                let minutes = offset.unsigned_abs();
                format!("{text} UTC{sign}{}:{:02}", minutes / 60, minutes % 60)
            }
        }
    }
}

/// The word for a severity; what is none of the three stays as it is.
fn severity(name: &str, language: Language) -> String {
    let code = match name {
        "critical" => "notify.severity_critical",
        "warning" => "notify.severity_warning",
        "info" => "notify.severity_info",
        "" => "notify.firing",
        other => return cut(other, LABEL_CHARS_MAX),
    };
    render::<&str, &str>(code, &[], language)
}

/// At most so many characters, the last of which then says that there were more. Control characters become spaces.
pub(crate) fn cut(text: &str, chars_max: usize) -> String {
    let mut chars = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut taken: String = chars.by_ref().take(chars_max).collect();
    if chars.next().is_some() {
        taken.pop();
        taken.push('…');
    }
    taken
}

/// A value with at most four digits that mean something.
fn number(value: f64) -> String {
    let size = value.abs();
    if value == value.trunc() && size < 1e15 {
        return format!("{value}");
    }
    if !value.is_finite() {
        return value.to_string();
    }
    if !(1e-3..1e9).contains(&size) {
        return format!("{value:.3e}");
    }
    let decimals = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// `2026-11-24T10:00:00.500Z`, or without the fraction where it is zero.
pub(crate) fn rfc3339(time: UnixMs) -> String {
    let (days, millis) = (time.0.div_euclid(86_400_000), time.0.rem_euclid(86_400_000));
    let (year, month, day) = civil_from_days(days);
    let (second, fraction) = (millis / 1_000, millis % 1_000);
    let clock = format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:03}") };
    format!("{year:04}-{month:02}-{day:02}T{clock}{fraction}Z")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::tests::notification;

    fn told(notification: &Notification, language: Language) -> Told {
        of_notification(notification, language, &|_| 480)
    }

    #[test]
    fn a_group_is_told_in_both_languages() {
        let english = told(&notification(), Language::English);
        assert_eq!(english.title, "[Critical] AcceleratorHot (4 alerts)");
        let text = english.text(&PLAIN, Limit::Chars(4_000));
        let expected = "an accelerator is hot\nLabels: device=0\nValue: 93.5\n\
                        Since: 2026-11-22 18:00:00 UTC+8:00\nResolved: an accelerator is hot\n\
                        Labels: device=1\nValue: inf\nSince: 2026-11-22 18:00:00 UTC+8:00\n\
                        Ended: 2026-11-22 18:01:40 UTC+8:00\nand 3 more alerts\n\
                        Cause: a fan stands still\nWhat to do: look at the fans\n\
                        Open in modelwatch: http://h:9640/#/moment?t=1";
        assert_eq!(text, expected);
        let chinese = told(&notification(), Language::Chinese);
        assert_eq!(chinese.title, "【严重】AcceleratorHot（4 条告警）");
        let text = chinese.text(&PLAIN, Limit::Chars(4_000));
        assert!(text.starts_with("加速卡过热\n") && text.contains("检查风扇"), "{text}");
    }

    #[test]
    fn titles() {
        let check = |change: &dyn Fn(&mut Notification), expected: &str| {
            let mut one = notification();
            one.alerts.truncate(1);
            one.truncated = 0;
            change(&mut one);
            assert_eq!(told(&one, Language::English).title, expected);
        };
        check(&|_| {}, "[Critical] an accelerator is hot");
        check(&|one| one.reason = Reason::Escalated, "[Escalated] an accelerator is hot");
        check(&|one| one.alerts[0].is_firing = false, "[Resolved] an accelerator is hot");
        check(&|one| one.severity = "page".to_owned(), "[page] an accelerator is hot");
        check(&|one| one.alerts[0].alert.annotations.clear(), "[Critical] AcceleratorHot");
        check(&|one| one.alerts.clear(), "[Resolved] AcceleratorHot (0 alerts)");
    }

    #[test]
    fn long_texts_are_cut_between_lines() {
        let told = told(&notification(), Language::English);
        let text = told.text(&PLAIN, Limit::Bytes(160));
        let expected = "an accelerator is hot\nLabels: device=0\nValue: 93.5\n\
                        … more than this channel takes\nOpen in modelwatch: http://h:9640/#/moment?t=1";
        assert_eq!(text, expected);
    }

    #[test]
    fn numbers() {
        for (value, expected) in [
            (1.0, "1"),
            (93.456_789, "93.46"),
            (0.012_345_6, "0.01235"),
            (1e12, "1000000000000"),
            (123_456.7, "123457"),
            (1.5e-7, "1.500e-7"),
            (f64::NAN, "NaN"),
            (-2.5, "-2.5"),
        ] {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn times() {
        assert_eq!(rfc3339(UnixMs(1_795_341_600_123)), "2026-11-22T10:00:00.123Z");
        assert_eq!(rfc3339(UnixMs(0)), "1970-01-01T00:00:00Z");
    }

    proptest! {
        #[test]
        fn no_text_is_longer_than_its_limit(
            lines in prop::collection::vec(".{0,60}", 0..20),
            max in 200_usize..1_000,
            is_bytes: bool,
        ) {
            let mut told = told(&notification(), Language::Chinese);
            told.lines = lines.into_iter().map(Line::Plain).collect();
            let limit = if is_bytes { Limit::Bytes(max) } else { Limit::Chars(max) };
            let text = told.text(&PLAIN, limit);
            prop_assert!(limit.length(&text) <= max, "{} {}", limit.length(&text), text);
        }
    }
}
