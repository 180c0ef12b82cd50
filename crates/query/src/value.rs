//! What a query yields, and what it cost.

use std::sync::Arc;

use model::{Labels, histogram::Histogram};

/// What a query yields.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Scalar(f64),
    String(String),
    /// Of one instant.
    Vector(Vec<Element>),
    Matrix(Vec<Series>),
}

impl Value {
    /// The floats of an instant result; a scalar is one without labels.
    pub fn into_floats(self) -> Vec<(Labels, f64)> {
        match self {
            Self::Scalar(value) => vec![(Labels::empty(), value)],
            Self::Vector(elements) => {
                let float = |element: Element| match element.sample {
                    Sample::Float(value) => Some((element.labels, value)),
                    Sample::Histogram(_) => None,
                };
                elements.into_iter().filter_map(float).collect()
            }
            Self::Matrix(_) | Self::String(_) => Vec::new(),
        }
    }
}

/// One series of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    pub labels: Labels,
    pub sample: Sample,
}

/// What a series is at one time.
#[derive(Clone, Debug, PartialEq)]
pub enum Sample {
    Float(f64),
    Histogram(Arc<Histogram>),
}

/// One line of a matrix: points oldest first, no two at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    pub labels: Labels,
    /// Unix milliseconds of the floats.
    pub times: Vec<i64>,
    pub values: Vec<f64>,
    /// Native histograms with their times.
    pub histograms: Vec<(i64, Arc<Histogram>)>,
}

/// A result with what the asker should know about it.
#[derive(Clone, Debug)]
pub struct Output {
    pub value: Value,
    pub warnings: Vec<String>,
    pub infos: Vec<String>,
    pub stats: Stats,
}

/// What a query touched. A native histogram counts as many samples as it weighs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Series read from the source, once for each selector.
    pub series: u64,
    /// Samples looked at over all steps, as Prometheus counts them: one that lies in three windows counts
    /// three times.
    pub samples: u64,
    /// Most samples held at one time.
    pub samples_peak: u64,
    /// [`Stats::samples`] at each step, where [`Settings::counts_per_step`](crate::Settings) asks for it.
    pub samples_per_step: Vec<(i64, u64)>,
}
