//! The texts of alerts: labels and annotations as Prometheus expands them.
//!
//! Each text is parsed once. One that cannot be expanded says so in its own place, so that the alert is told of
//! all the same.
//! Source: Prometheus documentation, "Template reference" (3.x).

use std::{cell::Cell, sync::LazyLock};

use model::UnixMs;
use query::Sample;
use template::{Error, Functions, Host, Template, Value};

use super::{
    Kind, Rule,
    evaluate::{Scope, ask},
};

/// What stands before each text: the names that rules may use for parts of the data.
const NAMES: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}\
                     {{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// Most queries that one text may ask each time it is expanded.
const QUERIES_MAX: usize = 16;

static FUNCTIONS: LazyLock<Functions> = LazyLock::new(Functions::prometheus);

/// Parses a text; a place in an error is that in the text.
pub(crate) fn parse(text: &str) -> Result<Template, Error> {
    Template::parse(&format!("{NAMES}{text}"), &FUNCTIONS)
}

/// The labels and annotations of a rule, ready to be expanded.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    labels: Vec<(String, Text)>,
    annotations: Vec<(String, Text)>,
}

#[derive(Debug)]
enum Text {
    Plain(String),
    Template(Template),
}

impl Text {
    fn new(text: &str) -> Self {
        if !text.contains("{{") {
            return Self::Plain(text.to_owned());
        }
        match parse(text) {
            Ok(template) => Self::Template(template),
            Err(error) => Self::Plain(failed(&error)),
        }
    }
}

fn failed(error: &Error) -> String {
    format!("<error expanding template: {error}>")
}

impl Texts {
    pub(crate) fn new(rule: &Rule) -> Self {
        let read = |texts: &[(String, String)]| {
            texts.iter().map(|(name, text)| (name.clone(), Text::new(text))).collect()
        };
        match &rule.kind {
            Kind::Alerting { annotations, .. } => {
                Self { labels: read(&rule.labels), annotations: read(annotations) }
            }
            Kind::Recording { .. } => Self::default(),
        }
    }

    pub(crate) fn labels(&self, scope: &Scope<'_>) -> Vec<(String, String)> {
        expand(&self.labels, scope)
    }

    pub(crate) fn annotations(&self, scope: &Scope<'_>) -> Vec<(String, String)> {
        expand(&self.annotations, scope)
    }
}

fn expand(texts: &[(String, Text)], scope: &Scope<'_>) -> Vec<(String, String)> {
    let mut data = None;
    let expanded = texts.iter().map(|(name, text)| {
        let text = match text {
            Text::Plain(text) => text.clone(),
            Text::Template(template) => {
                let data = data.get_or_insert_with(|| self::data(scope));
                let host = Asked { scope, queries: Cell::new(0) };
                template.render_with(data, &host).unwrap_or_else(|error| failed(&error))
            }
        };
        (name.clone(), text)
    });
    expanded.collect()
}

fn data(scope: &Scope<'_>) -> Value {
    let external = scope.context.external_labels.iter();
    let value = match scope.value {
        Sample::Float(value) => Value::Float(*value),
        Sample::Histogram(_) => "a histogram".into(),
    };
    Value::record([
        ("Labels", Value::texts(scope.labels.iter())),
        (
            "ExternalLabels",
            Value::texts(external.map(|(name, value)| (name.as_str(), value.as_str()))),
        ),
        ("ExternalURL", scope.context.external_url.into()),
        ("Value", value),
    ])
}

/// What templates ask of the evaluation.
struct Asked<'a> {
    scope: &'a Scope<'a>,
    queries: Cell<usize>,
}

impl Host for Asked<'_> {
    fn call(&self, function: &str, arguments: &[Value]) -> Result<Value, String> {
        let url = self.scope.context.external_url;
        match (function, arguments) {
            ("externalURL", []) => Ok(url.into()),
            ("pathPrefix", []) => {
                let host = url.split_once("://").map_or(url, |(_, host)| host);
                Ok(host.find('/').and_then(|at| host.get(at..)).unwrap_or_default().into())
            }
            ("query", [Value::Text(text)]) => self.query(text),
            _ => Err("expected the text of a query".into()),
        }
    }

    fn now(&self) -> Option<UnixMs> {
        Some(self.scope.time)
    }
}

impl Asked<'_> {
    fn query(&self, text: &str) -> Result<Value, String> {
        self.queries.set(self.queries.get() + 1);
        if self.queries.get() > QUERIES_MAX {
            return Err(format!("a text may ask at most {QUERIES_MAX} queries"));
        }
        let expr = query::parse(text).map_err(|error| error.to_string())?;
        let elements = ask(&expr, self.scope.time, self.scope.context)?;
        let sample = |element: &query::Element| {
            let value = match &element.sample {
                Sample::Float(value) => Value::Float(*value),
                Sample::Histogram(_) => Value::Nil,
            };
            Value::record([("Labels", Value::texts(element.labels.iter())), ("Value", value)])
        };
        Ok(Value::list(elements.iter().map(sample)))
    }
}
