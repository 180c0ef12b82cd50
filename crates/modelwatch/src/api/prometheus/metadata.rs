//! `/api/v1/metadata`: types and help texts of metrics.

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::State;
use collect::Collector;
use model::{UnixMs, catalogue, sample::Metadata, series::TimeRange};

use super::{
    super::{
        form::{Form, integer},
        json::{ApiError, success, write_string},
        query::from_select_error,
    },
    Answer,
};
use crate::wire::App;

/// What is known of metrics: by those who write to us, by engines, and of our own. A metric has one entry,
/// so `limit_per_metric` is only checked.
pub(super) async fn metadata(State(app): State<Arc<App>>, form: Form) -> Answer {
    let limit_max = limit(&form, "limit")?;
    limit(&form, "limit_per_metric")?;
    let names = app.queries.run(None, |source, budget| {
        let range = TimeRange { start: UnixMs::MIN, end: UnixMs::MAX };
        source.label_values(model::NAME, range, budget).map_err(from_select_error)
    });
    let known = known_metadata(&app, &names.await?);
    let wanted = form.get("metric");
    let mut data = String::from("{");
    let shown =
        known.values().filter(|entry| wanted.is_none_or(|wanted| wanted == entry.name.as_str()));
    for (index, entry) in shown.take(limit_max).enumerate() {
        if index > 0 {
            data.push(',');
        }
        write_string(&mut data, &entry.name);
        data.push_str(":[");
        data.push('{');
        write_fields(&mut data, entry);
        data.push_str("}]");
    }
    data.push('}');
    Ok(success(&data, &[], &[]))
}

/// `"type":...,"unit":...,"help":...`
pub(super) fn write_fields(out: &mut String, entry: &Metadata) {
    out.push_str("\"type\":");
    write_string(out, entry.kind.as_str());
    out.push_str(",\"unit\":");
    write_string(out, &entry.unit);
    out.push_str(",\"help\":");
    write_string(out, &entry.help);
}

/// How many are wanted at most. Unlike elsewhere in the API 0 means none, and negative means all.
pub(super) fn limit(form: &Form, name: &str) -> Result<usize, ApiError> {
    let Some(text) = form.get(name) else { return Ok(usize::MAX) };
    let number =
        integer(text).map_err(|_| ApiError::bad_data(format!("{name} must be a number")))?;
    Ok(usize::try_from(number).unwrap_or(usize::MAX))
}

/// What is known of metrics, by name. What we say of our own counts most, then what engines say, then
/// what was written to us.
pub(in crate::api) fn known_metadata(app: &App, names: &[String]) -> BTreeMap<String, Metadata> {
    let written = app.store.metadata();
    let mut known: BTreeMap<String, Metadata> =
        written.iter().map(|entry| (entry.name.clone(), entry.clone())).collect();
    known.extend(collected_metadata(&app.collector, names));
    known
}

/// What is known of metrics that are collected, by name.
pub(in crate::api) fn collected_metadata(
    collector: &Collector,
    names: &[String],
) -> BTreeMap<String, Metadata> {
    let scraped = collector.metadata().into_iter().map(|metric| Metadata {
        name: metric.name,
        kind: metric.kind,
        unit: String::new(),
        help: metric.help,
    });
    // Families such as node_memory_*_bytes are listed by the members that exist.
    let own = names.iter().filter_map(|name| own_metadata(name));
    scraped.chain(own).map(|entry| (entry.name.clone(), entry)).collect()
}

/// What the catalogue says of a metric of our own.
pub(crate) fn own_metadata(name: &str) -> Option<Metadata> {
    catalogue::find(name).map(|metric| Metadata {
        name: name.into(),
        kind: metric.kind,
        unit: metric.unit.into(),
        help: metric.help_en.into(),
    })
}
