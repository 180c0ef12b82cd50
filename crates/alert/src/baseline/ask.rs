//! Questions to stored series, and the words that they are made of.

use model::{
    Labels, NAME, UnixMs,
    series::{Budget, SelectError, SeriesSource},
};
use query::{Grid, QueryError, Series, Settings, Value};

/// Who answers, and at what cost.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub source: &'a dyn SeriesSource,
    pub budget: &'a Budget,
    pub settings: &'a Settings,
}

impl Asked<'_> {
    /// The floats of an instant query, without those that are no numbers.
    pub fn floats(&self, text: &str, time: UnixMs) -> Result<Vec<(Labels, f64)>, QueryError> {
        let value = self.evaluate(text, Grid::instant(time))?;
        let is_number = |(_, value): &(Labels, f64)| !value.is_nan();
        Ok(value.into_floats().into_iter().filter(is_number).collect())
    }

    /// The series of a query over time.
    pub fn series(&self, text: &str, grid: Grid) -> Result<Vec<Series>, QueryError> {
        match self.evaluate(text, grid)? {
            Value::Matrix(series) => Ok(series),
            Value::Scalar(_) | Value::String(_) | Value::Vector(_) => Ok(Vec::new()),
        }
    }

    pub fn evaluate(&self, text: &str, grid: Grid) -> Result<Value, QueryError> {
        let expr = query::parse(text).map_err(|error| QueryError::Failed(error.to_string()))?;
        let output = query::evaluate(&expr, self.source, grid, self.settings, self.budget)?;
        Ok(output.value)
    }
}

/// Whether nothing more can be asked.
pub fn is_over(error: &QueryError) -> bool {
    matches!(error, QueryError::Select(SelectError::TimedOut | SelectError::Cancelled))
}

/// A query of which `$m` stands for a metric's name, `$who` for what it is about.
pub fn shaped(shape: &str, metric: &str, who: &str) -> String {
    shape.replace("$m", metric).replace("$who", who)
}

/// Conditions that only series with the same values of these labels satisfy.
pub fn matchers<'a>(labels: &Labels, names: impl IntoIterator<Item = &'a str>) -> String {
    let matcher = |name: &str| {
        let value = serde_json::Value::from(labels.get(name).unwrap_or_default());
        format!("{}={value}", label_name(name))
    };
    names.into_iter().map(matcher).collect::<Vec<_>>().join(",")
}

/// A label as PromQL writes it: in quotes where it is no plain word.
fn label_name(name: &str) -> String {
    let is_plain = !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_plain { name.to_owned() } else { serde_json::Value::from(name).to_string() }
}

pub fn without_name(labels: &Labels) -> Labels {
    labels.keep(|name| name != NAME)
}
