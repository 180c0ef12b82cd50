//! What pipelines read and change of a line, by name.

use std::{borrow::Cow, sync::Arc};

use model::log::{Line, Origin, Severity};

use super::Reading;
use crate::{
    ATTRIBUTE_BYTES_MAX, ATTRIBUTE_NAME_BYTES_MAX, ATTRIBUTES_MAX, RECORD_BYTES_MAX,
    line::severity_of, time,
};

/// Longest name of a host, service, engine, instance or model.
const ORIGIN_BYTES_MAX: usize = 256;

/// A part of a line. Whatever is no other part is an attribute.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Field {
    Body,
    Severity,
    Time,
    Source,
    Origin,
    Host,
    Service,
    Engine,
    Instance,
    Model,
    Attribute(String),
}

impl Field {
    /// `attributes.NAME` is an attribute whatever its name.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        let is_plain = |name: &str| {
            !name.is_empty()
                && name.len() <= ATTRIBUTE_NAME_BYTES_MAX
                && !name.contains(char::is_whitespace)
        };
        if !is_plain(name) {
            return Err(format!("{name:?} is not the name of a field"));
        }
        Ok(match name {
            "body" => Self::Body,
            "severity" => Self::Severity,
            "time" => Self::Time,
            "source" => Self::Source,
            "origin" => Self::Origin,
            "host" => Self::Host,
            "service" => Self::Service,
            "engine" => Self::Engine,
            "instance" => Self::Instance,
            "model" => Self::Model,
            _ => Self::Attribute(name.strip_prefix("attributes.").unwrap_or(name).to_owned()),
        })
    }

    /// A field that can be changed: how a line came stays.
    pub(super) fn settable(name: &str) -> Result<Self, String> {
        match Self::named(name)? {
            Self::Source | Self::Origin => {
                Err(format!("how a line came cannot be changed, but attributes.{name} can"))
            }
            field => Ok(field),
        }
    }

    /// A field of the line's origin that says whose it is.
    pub(super) fn is_of_origin(&self) -> bool {
        matches!(self, Self::Host | Self::Service | Self::Engine | Self::Instance | Self::Model)
    }

    pub(super) fn get<'a>(&self, line: &'a Line) -> Option<Cow<'a, str>> {
        let of_origin =
            |text: &'a String| (!text.is_empty()).then_some(Cow::Borrowed(text.as_str()));
        let origin = &line.origin;
        match self {
            Self::Body => Some(line.body.as_str().into()),
            Self::Severity => line.severity.map(|severity| severity.as_str().into()),
            Self::Time => Some(line.time.to_string().into()),
            Self::Source => of_origin(&origin.source),
            Self::Origin => of_origin(&origin.origin),
            Self::Host => of_origin(&origin.host),
            Self::Service => of_origin(&origin.service),
            Self::Engine => of_origin(&origin.engine),
            Self::Instance => of_origin(&origin.instance),
            Self::Model => of_origin(&origin.model),
            Self::Attribute(name) => {
                let found = line.attributes.iter().find(|(other, _)| other == name);
                found.map(|(_, value)| value.as_str().into())
            }
        }
    }

    /// Gives the field a value. A severity or time that is none, and an attribute too many, change nothing: `false`.
    pub(super) fn set(&self, line: &mut Line, value: &str, reading: &Reading<'_>) -> bool {
        match self {
            Self::Body => {
                value.get(..value.floor_char_boundary(RECORD_BYTES_MAX)).is_some_and(|text| {
                    text.clone_into(&mut line.body);
                    true
                })
            }
            Self::Severity => {
                let severity = severity(value);
                line.severity = severity.or(line.severity);
                severity.is_some()
            }
            Self::Time => {
                let read = time::read(value, &reading.seen(line.time));
                line.time = read.unwrap_or(line.time);
                read.is_some()
            }
            Self::Attribute(name) => set_attribute(line, name, value),
            Self::Source | Self::Origin => false,
            Self::Host | Self::Service | Self::Engine | Self::Instance | Self::Model => {
                let end = value.floor_char_boundary(ORIGIN_BYTES_MAX);
                let value = value.get(..end).unwrap_or_default();
                if self.get(line).as_deref().unwrap_or_default() != value {
                    let origin = Arc::make_mut(&mut line.origin);
                    if let Some(text) = self.of(origin) {
                        value.clone_into(text);
                    }
                }
                true
            }
        }
    }

    fn of<'a>(&self, origin: &'a mut Origin) -> Option<&'a mut String> {
        match self {
            Self::Host => Some(&mut origin.host),
            Self::Service => Some(&mut origin.service),
            Self::Engine => Some(&mut origin.engine),
            Self::Instance => Some(&mut origin.instance),
            Self::Model => Some(&mut origin.model),
            _ => None,
        }
    }

    /// Takes an attribute away and gives its value. Of all else the value is given and stays.
    pub(super) fn take(&self, line: &mut Line) -> Option<String> {
        let Self::Attribute(name) = self else { return self.get(line).map(Cow::into_owned) };
        let at = line.attributes.iter().position(|(other, _)| other == name)?;
        Some(line.attributes.remove(at).1)
    }
}

/// By any of its names, a letter, or a number of syslog, from 0 to 7.
pub(super) fn severity(text: &str) -> Option<Severity> {
    let text = text.trim();
    severity_of(text).or(match text {
        "0" | "1" | "2" | "F" | "C" => Some(Severity::Fatal),
        "3" | "E" => Some(Severity::Error),
        "4" | "W" => Some(Severity::Warn),
        "5" | "6" | "I" | "N" => Some(Severity::Info),
        "7" | "D" => Some(Severity::Debug),
        "T" => Some(Severity::Trace),
        _ => None,
    })
}

pub(super) fn set_attribute(line: &mut Line, name: &str, value: &str) -> bool {
    let value = value.get(..value.floor_char_boundary(ATTRIBUTE_BYTES_MAX)).unwrap_or_default();
    if let Some((_, text)) = line.attributes.iter_mut().find(|(other, _)| other == name) {
        value.clone_into(text);
        return true;
    }
    let has_room = line.attributes.len() < ATTRIBUTES_MAX;
    if has_room {
        let name =
            name.get(..name.floor_char_boundary(ATTRIBUTE_NAME_BYTES_MAX)).unwrap_or_default();
        line.attributes.push((name.to_owned(), value.to_owned()));
    }
    has_room
}
