//! What answers look like (JSON Schema 2020-12, as OpenAPI 3.1 has it). Objects have no members but those named,
//! so that a check against real answers finds what is not described.

mod rules;

use alert::baseline::Kind;
use model::{exchange::Exchange, log::Severity};
use serde_json::{Map, Value, json};
use store::events::{Event as _, FieldType};

use crate::api::reports;

/// All of them by name.
pub(super) fn all() -> Map<String, Value> {
    let all = [
        ("BaselineFinding", baseline_finding()),
        ("BaselineFindings", baseline_findings()),
        ("Bodies", bodies()),
        ("Cause", cause()),
        ("Deviation", deviation()),
        ("Error", error()),
        ("Event", event()),
        ("Events", object(&[("events", list(named("Event"))), ("omitted", whole())], &[])),
        ("Evidence", evidence()),
        ("Facet", facet()),
        ("Facets", object(&[("facets", list(named("Facet")))], &[])),
        ("Finding", finding()),
        ("Findings", object(&[("findings", list(named("Finding")))], &[])),
        ("Gateway", gateway()),
        ("Heatmap", heatmap()),
        ("Incident", incident()),
        ("IncidentAlert", incident_alert()),
        (
            "IncidentDeed",
            object(&[], &[("author", text()), ("assignee", text()), ("text", text())]),
        ),
        ("IncidentHistory", incident_history()),
        (
            "Incidents",
            object(&[("incidents", list(named("Incident"))), ("next", or_null(text()))], &[]),
        ),
        ("Key", key()),
        ("Keys", object(&[("keys", list(named("Key"))), ("anonymous", flag())], &[])),
        ("KnownLine", known_line()),
        ("Line", line()),
        ("LineContext", object(&[("lines", list(named("Line"))), ("at", whole())], &[])),
        ("LineHistogram", line_histogram()),
        ("LinePattern", line_pattern()),
        ("LinePatterns", line_patterns()),
        ("Lines", lines()),
        ("Maintenance", maintenance()),
        ("MaintenanceDraft", maintenance_draft()),
        ("Message", object(&[("code", text()), ("params", map(text()))], &[])),
        ("Moment", moment()),
        ("Percentiles", percentiles()),
        ("Range", range()),
        ("Request", request()),
        ("Requests", requests()),
        ("Report", report()),
        ("ReportFile", object(&[("format", text()), ("bytes", whole())], &[])),
        ("ReportOrder", report_order()),
        ("ReportPlan", report_plan()),
        ("Reports", object(&[("reports", list(named("Report")))], &[])),
        ("ReportSchedule", report_schedule()),
        ("ReportSchedules", object(&[("schedules", list(named("ReportSchedule")))], &[])),
        ("Routes", routes()),
        ("SavedSearch", object(&[("name", text()), ("filter", text())], &[])),
        ("SavedSearches", object(&[("searches", list(named("SavedSearch")))], &[])),
        ("Series", series()),
        ("Summary", object(&[("rows", list(named("SummaryRow")))], &[])),
        ("SummaryRow", summary_row()),
        ("Tail", object(&[("lines", list(named("Line"))), ("skipped", whole())], &[])),
        ("Translated", object(&[("en", text()), ("zh", text())], &[])),
        ("Upstream", upstream()),
        ("Usage", object(&[("rows", list(named("UsageRow")))], &[])),
        ("UsageRow", usage_row()),
    ];
    let all = all.into_iter().chain(rules::all()).chain(super::channels::schemas());
    all.map(|(name, schema)| (name.to_owned(), schema)).collect()
}

pub(super) fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// An object of members that are always there, and others that may be.
pub(super) fn object(always: &[(&str, Value)], maybe: &[(&str, Value)]) -> Value {
    let members = always.iter().chain(maybe);
    let properties: Map<String, Value> =
        members.map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let required: Vec<&str> = always.iter().map(|(name, _)| *name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

pub(super) fn whole() -> Value {
    json!({ "type": "integer" })
}

pub(super) fn number() -> Value {
    json!({ "type": "number" })
}

pub(super) fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// Unix milliseconds.
pub(super) fn time() -> Value {
    json!({ "type": "integer", "format": "int64" })
}

pub(super) fn list(item: Value) -> Value {
    json!({ "type": "array", "items": item })
}

fn map(value: Value) -> Value {
    json!({ "type": "object", "additionalProperties": value })
}

pub(super) fn or_null(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

fn word(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

fn error() -> Value {
    let always = [("status", word(&["error"])), ("errorType", text()), ("error", text())];
    object(&always, &[("code", text()), ("params", map(text()))])
}

fn severity() -> Value {
    word(&Severity::ALL.map(Severity::as_str))
}

fn event() -> Value {
    let members = [
        ("time", time()),
        ("source", text()),
        ("severity", severity()),
        ("code", text()),
        ("params", map(text())),
    ];
    object(&members, &[])
}

fn incident_state() -> Value {
    word(&["firing", "acknowledged", "silenced", "inhibited", "maintenance", "resolved"])
}

fn incident_severity() -> Value {
    word(&["critical", "warning", "info"])
}

fn incident_alert() -> Value {
    let members = [
        ("fingerprint", text()),
        ("labels", map(text())),
        ("annotations", map(text())),
        ("starts", time()),
        ("ends", or_null(time())),
        ("state", incident_state()),
        ("value", or_null(number())),
        ("generator_url", text()),
        ("silenced_by", list(text())),
        ("inhibited_by", list(text())),
    ];
    object(&members, &[])
}

fn incident() -> Value {
    let note = object(&[("time", time()), ("author", text()), ("text", text())], &[]);
    let entry = object(&[("time", time()), ("code", text()), ("params", map(text()))], &[]);
    let members = [
        ("id", text()),
        ("state", incident_state()),
        ("severity", incident_severity()),
        ("name", text()),
        ("started", time()),
        ("updated", time()),
        ("resolved", or_null(time())),
        ("group_labels", map(text())),
        ("common_labels", map(text())),
        ("annotations", map(text())),
        ("alerts", list(named("IncidentAlert"))),
        ("alerts_total", whole()),
        ("route", text()),
        ("channels", list(text())),
        ("acknowledged_by", or_null(text())),
        ("assignee", or_null(text())),
        ("is_flapping", flag()),
        ("notes", list(note)),
        ("timeline", list(entry)),
    ];
    object(&members, &[])
}

/// A span is its beginning, its end unless it goes on, and how the group was.
fn incident_history() -> Value {
    let span = json!({
        "type": "array",
        "prefixItems": [time(), or_null(time()), word(&["firing", "silenced", "acknowledged"])],
        "minItems": 3,
        "maxItems": 3,
    });
    let members = [
        ("name", text()),
        ("labels", map(text())),
        ("severity", incident_severity()),
        ("spans", list(span)),
    ];
    object(&[("lanes", list(object(&members, &[]))), ("omitted", whole())], &[])
}

fn maintenance_draft() -> Value {
    let always = [("name", text()), ("start", time()), ("end", time())];
    let repeat = word(&["none", "daily", "weekly"]);
    let maybe =
        [("matchers", list(text())), ("repeat", repeat), ("zone", text()), ("author", text())];
    object(&always, &maybe)
}

fn maintenance() -> Value {
    let members = [
        ("id", text()),
        ("name", text()),
        ("matchers", list(text())),
        ("start", time()),
        ("end", time()),
        ("repeat", word(&["none", "daily", "weekly"])),
        ("zone", text()),
        ("origin", word(&["configuration", "page"])),
        ("is_active", flag()),
    ];
    object(&[("windows", list(object(&members, &[])))], &[])
}

fn routes() -> Value {
    let route = [
        ("name", text()),
        ("parent", text()),
        ("matchers", list(text())),
        ("channels", list(text())),
        ("group_by", list(text())),
        ("group_wait_ms", whole()),
        ("group_interval_ms", whole()),
        ("repeat_interval_ms", whole()),
        ("continue", flag()),
        ("escalate_after_ms", whole()),
        ("escalate_to", list(text())),
    ];
    let inhibition = [
        ("source", list(text())),
        ("target", list(text())),
        ("equal", list(text())),
        ("origin", word(&["configuration", "builtin"])),
    ];
    let alertmanager = [
        ("url", text()),
        ("state", word(&["ok", "failing", "unknown"])),
        ("sent", whole()),
        ("failed", whole()),
        ("error", or_null(text())),
    ];
    let members = [
        ("routes", list(object(&route, &[]))),
        ("inhibitions", list(object(&inhibition, &[]))),
        ("alertmanagers", list(object(&alertmanager, &[]))),
    ];
    object(&members, &[])
}

fn range() -> Value {
    let failure = object(&[("code", text()), ("params", map(text())), ("text", text())], &[]);
    let members = [
        ("series", list(named("Series"))),
        ("omitted", whole()),
        ("warnings", list(named("Message"))),
    ];
    let result = json!({ "oneOf": [object(&members, &[]), object(&[("error", failure)], &[])] });
    let members = [
        ("start", time()),
        ("end", time()),
        ("now", time()),
        ("step_ms", whole()),
        ("results", list(result)),
    ];
    object(&members, &[])
}

fn series() -> Value {
    let members =
        [("labels", map(text())), ("times", list(time())), ("values", list(or_null(number())))];
    object(&members, &[])
}

fn evidence() -> Value {
    let members = [("query", text()), ("value", or_null(number())), ("usual", or_null(number()))];
    object(&members, &[])
}

fn cause() -> Value {
    let members =
        [("code", text()), ("params", map(text())), ("evidence", list(named("Evidence")))];
    object(&members, &[("event", named("Event"))])
}

fn deviation() -> Value {
    let members = [
        ("labels", map(text())),
        ("query", text()),
        ("value", number()),
        ("usual", number()),
        ("spread", number()),
        ("score", number()),
    ];
    object(&members, &[])
}

fn baseline_finding() -> Value {
    let evidence = object(&[("query", text()), ("window_ms", whole())], &[]);
    let members = [
        ("kind", word(&Kind::ALL.map(Kind::as_str))),
        ("signal", text()),
        ("labels", map(text())),
        ("value", number()),
        ("usual", or_null(number())),
        ("score", number()),
        ("per_day", or_null(number())),
        ("empty_seconds", or_null(number())),
        ("since", time()),
        ("evidence", evidence),
        ("code", text()),
        ("params", map(text())),
    ];
    object(&members, &[])
}

fn baseline_findings() -> Value {
    object(&[("findings", list(named("BaselineFinding"))), ("omitted", whole())], &[])
}

fn moment() -> Value {
    let members = [
        ("at", time()),
        ("around_ms", whole()),
        ("is_whole", flag()),
        ("verdicts", list(named("Cause"))),
        ("deviating", list(named("Deviation"))),
        ("requests", list(named("Request"))),
        ("events", list(named("Event"))),
    ];
    object(&members, &[])
}

/// A record; what is not known is not there.
fn request() -> Value {
    let always = [("id", text()), ("time", time()), ("has_bodies", flag())];
    let field = |field: &store::events::Field| {
        let schema = match field.field_type {
            FieldType::Flag => flag(),
            FieldType::Count => whole(),
            FieldType::Millis => number(),
            FieldType::Map => map(text()),
            FieldType::Keyword
            | FieldType::Id
            | FieldType::Text
            | FieldType::Body
            | FieldType::Pattern
            | FieldType::Kept => text(),
            // Shown by another endpoint only, or not kept.
            FieldType::Private => return None,
        };
        Some((field.name, schema))
    };
    let mut maybe: Vec<(&str, Value)> =
        Exchange::schema().fields.iter().filter_map(field).collect();
    maybe.retain(|(name, _)| *name != "itl_histogram");
    let gaps = [
        ("count", whole()),
        ("p50_ms", or_null(number())),
        ("p99_ms", or_null(number())),
        ("longest_ms", or_null(number())),
        ("buckets", list(list(number()))),
    ];
    maybe.push(("gaps", object(&gaps, &[])));
    object(&always, &maybe)
}

fn requests() -> Value {
    let members = [
        ("requests", list(named("Request"))),
        ("next", or_null(text())),
        ("total", whole()),
        ("damaged", whole()),
    ];
    object(&members, &[])
}

/// A line that is known: what it means, and what to do.
fn known_line() -> Value {
    let members = [
        ("code", text()),
        ("severity", severity()),
        ("cause", named("Translated")),
        ("remedy", named("Translated")),
    ];
    object(&members, &[("link", text())])
}

/// A line; what is not known is not there.
fn line() -> Value {
    let always = [("time", time()), ("severity", or_null(severity())), ("body", text())];
    let origin = ["source", "origin", "host", "service", "engine", "instance", "model"];
    let mut maybe: Vec<(&str, Value)> = origin.map(|name| (name, text())).to_vec();
    maybe.extend([
        ("id", text()),
        ("attributes", map(text())),
        ("known", list(named("KnownLine"))),
    ]);
    object(&always, &maybe)
}

fn lines() -> Value {
    let members = [
        ("lines", list(named("Line"))),
        ("next", or_null(text())),
        ("total", whole()),
        ("damaged", whole()),
    ];
    object(&members, &[])
}

fn line_histogram() -> Value {
    let series = object(&[("key", or_null(text())), ("counts", list(whole()))], &[]);
    let members = [
        ("start", time()),
        ("step_ms", whole()),
        ("series", list(series)),
        ("others", list(whole())),
    ];
    object(&members, &[])
}

fn line_pattern() -> Value {
    let always = [
        ("pattern", text()),
        ("count", whole()),
        ("first", time()),
        ("last", time()),
        ("severity", or_null(severity())),
        ("trend", list(whole())),
    ];
    object(&always, &[("example", named("Line"))])
}

fn line_patterns() -> Value {
    let members =
        [("patterns", list(named("LinePattern"))), ("total", whole()), ("others", whole())];
    object(&members, &[])
}

fn finding() -> Value {
    let always = [
        ("code", text()),
        ("severity", severity()),
        ("cause", named("Translated")),
        ("remedy", named("Translated")),
        ("count", whole()),
        ("first", time()),
        ("last", time()),
        ("instances", list(text())),
        ("evidence", list(named("Line"))),
    ];
    object(&always, &[("link", text())])
}

fn facet() -> Value {
    let value = object(&[("value", or_null(text())), ("count", whole())], &[]);
    object(&[("field", text()), ("values", list(value)), ("others", whole())], &[])
}

fn bodies() -> Value {
    let body = or_null(object(&[("text", text()), ("is_cut", flag())], &[]));
    object(&[("request", body.clone()), ("response", body)], &[])
}

fn percentiles() -> Value {
    let members = ["p50", "p95", "p99"].map(|name| (name, or_null(number())));
    object(&members, &[])
}

fn summary_row() -> Value {
    let members = [
        ("group", or_null(text())),
        ("count", or_null(whole())),
        ("errors", whole()),
        ("tokens_input", or_null(whole())),
        ("tokens_output", or_null(whole())),
        ("ttft_ms", named("Percentiles")),
        ("tpot_ms", named("Percentiles")),
        ("e2e_ms", named("Percentiles")),
    ];
    object(&members, &[])
}

fn heatmap() -> Value {
    let members = [
        ("measure", text()),
        ("start", time()),
        ("step_ms", whole()),
        ("bounds_ms", list(number())),
        ("counts", list(list(whole()))),
    ];
    object(&members, &[])
}

fn usage_row() -> Value {
    let members = [
        ("day", text()),
        ("key", or_null(text())),
        ("model", or_null(text())),
        ("requests", whole()),
        ("errors", whole()),
        ("tokens_input", or_null(whole())),
        ("tokens_output", or_null(whole())),
    ];
    object(&members, &[])
}

fn key() -> Value {
    let grant = [
        ("models", list(text())),
        ("requests_per_minute", or_null(whole())),
        ("tokens_per_minute", or_null(whole())),
        ("concurrent_max", or_null(whole())),
        ("tokens_per_day", or_null(whole())),
        ("tokens_per_month", or_null(whole())),
    ];
    let members = [
        ("id", text()),
        ("name", text()),
        ("created", time()),
        ("expires", or_null(time())),
        ("revoked", or_null(time())),
        ("grant", object(&grant, &[])),
        ("tokens_today", or_null(whole())),
        ("tokens_month", or_null(whole())),
    ];
    object(&members, &[])
}

fn upstream() -> Value {
    let members =
        [("name", text()), ("is_up", flag()), ("in_flight", whole()), ("models", list(text()))];
    object(&members, &[])
}

fn gateway() -> Value {
    let counters = [
        "connections",
        "connections_refused",
        "requests",
        "retries",
        "parts_unseen",
        "records_lost",
    ];
    let counters = object(&counters.map(|name| (name, whole())), &[]);
    let members = [
        ("enabled", flag()),
        ("addresses", list(text())),
        ("upstreams", list(named("Upstream"))),
        ("counters", or_null(counters)),
        ("keeps_bodies", flag()),
    ];
    object(&members, &[])
}

fn report() -> Value {
    let members = [
        ("id", text()),
        ("title", text()),
        ("start", time()),
        ("end", time()),
        ("first_day", text()),
        ("last_day", text()),
        ("created", time()),
        ("language", word(&["en", "zh"])),
        ("model", or_null(text())),
        ("files", list(named("ReportFile"))),
        ("schedule", or_null(text())),
    ];
    object(&members, &[])
}

fn report_order() -> Value {
    let members = [
        ("last", text()),
        ("start", time()),
        ("end", time()),
        ("language", text()),
        ("model", or_null(text())),
        ("zone", text()),
        ("formats", list(word(reports::FORMATS))),
    ];
    object(&[], &members)
}

/// What is asked for; only the name must be given.
fn plan_members() -> [(&'static str, Value); 8] {
    [
        ("every", word(&["daily", "weekly", "monthly"])),
        ("at", text()),
        ("zone", text()),
        ("language", word(&["", "en", "zh"])),
        ("model", text()),
        ("formats", list(word(reports::FORMATS))),
        ("folder", text()),
        ("channels", list(text())),
    ]
}

fn report_plan() -> Value {
    object(&[("name", text())], &plan_members())
}

fn report_schedule() -> Value {
    let more = [
        ("name", text()),
        ("origin", word(&["configuration", "page"])),
        ("next", time()),
        ("last", or_null(time())),
        ("last_error", or_null(text())),
    ];
    let members: Vec<_> = plan_members().into_iter().chain(more).collect();
    object(&members, &[])
}
