//! Our own API below `/api/mw/v1/`, as one table: the router is made of it, and so is the description of it
//! (OpenAPI 3.1) that is served at `/api/mw/openapi.json`.
//!
//! What it does not describe: Prometheus' endpoints, which have documents of their own, and the live socket, for
//! which OpenAPI has no words; both are in `docs/api.md`. Of the socket for lines it describes the messages.

mod channels;
mod schemas;

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    body::Body,
    http::{Response, StatusCode},
    routing::{MethodRouter, get, post},
};
use serde_json::{Map, Value, json};

use super::{
    events, findings, gateway, incidents, json::response, logs, moment, range, reports, requests,
    rules,
};
use crate::wire::App;

/// An endpoint.
struct Route {
    path: &'static str,
    summary: &'static str,
    handler: MethodRouter<Arc<App>>,
    parameters: &'static [Parameter],
    /// The name of the schema of a good answer.
    answer: &'static str,
    /// What else it takes than `GET`.
    others: &'static [Other],
    /// Whether it is the beginning of a WebSocket.
    is_socket: bool,
    /// Whether it takes none but the other methods.
    has_no_get: bool,
}

/// A further method of an endpoint, which answers the same.
#[derive(Clone, Copy)]
enum Other {
    /// The parameters as a form.
    PostForm,
    /// What has this schema.
    PostJson(&'static str),
    /// Nothing but the path.
    PostEmpty,
    /// What has the first schema, answered with the second.
    PostFor(&'static str, &'static str),
    Delete(&'static [Parameter]),
}

/// A parameter of a query: its name, what it may be, whether it must be given, and what it means.
type Parameter = (&'static str, Kind, bool, &'static str);

#[derive(Clone, Copy)]
enum Kind {
    Text,
    /// Given once or more.
    Texts,
    /// Unix milliseconds.
    Time,
    Whole(i64, i64),
    Choice(&'static [&'static str]),
}

use Kind::{Choice, Text, Texts, Time, Whole};

const START: Parameter = ("start", Time, false, "Beginning of the time that is asked about");
const END: Parameter = ("end", Time, false, "End of that time; now without it");
const FILTER: Parameter = ("filter", Text, false, "Which records count, in the filter language");

const REQUESTS: &[Parameter] = &[
    START,
    END,
    FILTER,
    ("sort", Text, false, "-time, time, or a number such as -ttft_ms"),
    ("limit", Whole(0, 1_000), false, "Records of a page; 100 without it"),
    ("cursor", Text, false, "The next of the page before"),
];
const SUMMARY: &[Parameter] = &[
    START,
    END,
    FILTER,
    ("by", Choice(&["model", "key", "outcome", "upstream"]), false, "What rows are made of"),
];
const HEATMAP: &[Parameter] = &[
    START,
    END,
    FILTER,
    ("measure", Choice(&["ttft", "tpot", "e2e", "total"]), false, "Which time; ttft without it"),
    ("columns", Whole(0, 400), false, "Columns of time; 120 without it"),
];
const USAGE: &[Parameter] = &[
    START,
    END,
    FILTER,
    ("format", Choice(&["json", "csv"]), false, "csv for a file; json without it"),
];
const INCIDENTS: &[Parameter] = &[
    START,
    END,
    (
        "state",
        Choice(&["open", "all"]),
        false,
        "Only those that are not over, or all; open without it",
    ),
    (
        "filter",
        Text,
        false,
        "Matchers such as severity=\"critical\",model=~\"q.*\": one alert must match all",
    ),
    ("limit", Whole(0, incidents::PAGE_MAX as i64), false, "Incidents of a page; 100 without it"),
    ("cursor", Text, false, "The next of the page before"),
];
const HISTORY: &[Parameter] = &[
    (
        "start",
        Time,
        false,
        "Beginning of the time that is asked about; a day before its end without it",
    ),
    END,
    ("limit", Whole(0, incidents::LANES_MAX as i64), false, "Groups of the answer; 200 without it"),
];
const WINDOW_FORGET: &[Parameter] = &[
    ("id", Text, true, "The id of a window that was made on the page"),
    ("author", Text, false, "Who removes it"),
];
const LOGS: &[Parameter] = &[
    START,
    END,
    FILTER,
    ("order", Choice(&["newest", "oldest"]), false, "Which lines come first; newest without it"),
    ("limit", Whole(0, logs::PAGE_MAX as i64), false, "Lines of a page; 100 without it"),
    ("cursor", Text, false, "The next of the page before, with the same order"),
];
const LOGS_CONTEXT: &[Parameter] = &[
    ("id", Text, true, "The id of the line"),
    ("time", Time, true, "Its time"),
    ("before", Whole(0, logs::LINES_AROUND_MAX as i64), false, "Lines before it; 10 without it"),
    ("after", Whole(0, logs::LINES_AROUND_MAX as i64), false, "Lines after it; 10 without it"),
];
const LOGS_FINDINGS: &[Parameter] =
    &[START, END, ("instance", Text, false, "Only what this engine wrote")];
const LOGS_PATTERNS: &[Parameter] = &[
    START,
    END,
    FILTER,
    ("limit", Whole(0, logs::PATTERNS_MAX as i64), false, "Most patterns; 100 without it"),
];
const LOGS_FORGET: &[Parameter] = &[("name", Text, true, "The name of a saved search")];
const LOGS_TAIL: &[Parameter] = &[FILTER];
const LOGS_EXPORT: &[Parameter] = &[
    START,
    END,
    FILTER,
    (
        "format",
        Choice(&["ndjson", "csv"]),
        false,
        "ndjson, a line as JSON on each line, without it",
    ),
    ("order", Choice(&["newest", "oldest"]), false, "Which lines come first; oldest without it"),
    ("limit", Whole(0, logs::LINES_MAX as i64), false, "Most lines; 1,000,000 without it"),
];
const LOGS_HISTOGRAM: &[Parameter] = &[
    START,
    END,
    FILTER,
    ("columns", Whole(0, logs::COLUMNS_MAX), false, "Columns of time; 120 without it"),
    ("by", Text, false, "The field whose values are told apart; severity without it"),
];
const LOGS_FACETS: &[Parameter] = &[
    START,
    END,
    FILTER,
    ("field", Texts, false, "Up to 16 fields; those that most people want without it"),
    ("limit", Whole(0, 1_000), false, "Values of each field; 10 without it"),
];
const EVENTS: &[Parameter] = &[
    START,
    END,
    ("limit", Whole(0, 1_000), false, "Events of the answer; 100 without it"),
    ("source", Texts, false, "Only events of one of these sources"),
    ("severity", Texts, false, "Only events of one of these severities"),
    ("code", Texts, false, "Only events of one of these codes"),
];
const RANGE: &[Parameter] = &[
    ("query", Texts, true, "Up to 16 queries in PromQL"),
    ("start", Time, true, "Left end of the chart"),
    ("end", Time, true, "Right end of the chart"),
    ("px", Whole(1, 4_000), true, "Width of the chart in pixels"),
    ("series_max", Whole(0, 500), false, "Most series of a query; 64 without it"),
    ("timeout", Text, false, "Longest time for all queries: seconds, or a duration such as 5s"),
];
const AUTHOR: Parameter = ("author", Text, false, "Who does it, for the record");
const OBJECTIVE: &[Parameter] =
    &[("model", Text, true, "The model of an objective that the page has"), AUTHOR];
const RULE: &[Parameter] = &[("id", Text, true, "The id of a rule"), AUTHOR];
const RULE_NAME: &[Parameter] =
    &[("name", Text, true, "The name of a rule that the page wrote"), AUTHOR];
const REPORT_FILE: &[Parameter] = &[
    ("format", Choice(reports::FORMATS), false, "html without it"),
    ("inline", Choice(&["true"]), false, "To be shown instead of saved"),
];
const REPORT_PREVIEW: &[Parameter] = &[
    ("start", Time, true, "Beginning of the time that it is about"),
    END,
    ("language", Choice(&["en", "zh"]), false, "Its language; the program's without it"),
    ("model", Text, false, "The only model that it is about"),
    ("zone", Text, false, "Time zone, such as Asia/Shanghai; the machine's without it"),
    ("format", Choice(reports::FORMATS), false, "html without it"),
];
const REPORT_SCHEDULE: &[Parameter] = &[("name", Text, true, "The name of a schedule")];
const MOMENT: &[Parameter] = &[
    ("at", Time, true, "The moment"),
    (
        "around_ms",
        Whole(5_000, 3_600_000),
        false,
        "How far the window reaches to both sides; 60,000 without it",
    ),
];

/// In place of a schema: the answer is a file, of one of the formats that `format` names.
const FILE: &str = "";
/// In place of a schema: the answer is a page, or a file of one of the formats that `format` names.
const PAGE: &str = "page";

/// All of it, in the order of the paths.
#[expect(clippy::too_many_lines, reason = "a table")]
fn routes() -> Vec<Route> {
    let route = |path, summary, handler, parameters, answer| Route {
        path,
        summary,
        handler,
        parameters,
        answer,
        others: &[],
        is_socket: false,
        has_no_get: false,
    };
    vec![
        route("/api/mw/v1/events", "Events, newest first", get(events::events), EVENTS, "Events"),
        route(
            "/api/mw/v1/findings",
            "What is not as usual at the moment, surest first",
            get(findings::findings),
            &[],
            "BaselineFindings",
        ),
        route(
            "/api/mw/v1/gateway",
            "The gateway and its upstreams",
            get(gateway::gateway),
            &[],
            "Gateway",
        ),
        route(
            "/api/mw/v1/incidents",
            "Incidents, newest first, each with up to 100 of its alerts",
            get(incidents::list),
            INCIDENTS,
            "Incidents",
        ),
        route(
            "/api/mw/v1/incidents/history",
            "When groups of alerts fired, newest first",
            get(incidents::history),
            HISTORY,
            "IncidentHistory",
        ),
        route(
            "/api/mw/v1/incidents/{id}",
            "One incident, with up to 1,000 of its alerts",
            get(incidents::one),
            &[],
            "Incident",
        ),
        deed(
            "/api/mw/v1/incidents/{id}/acknowledge",
            "Somebody takes care of an incident: it is not repeated or escalated any more",
            post(incidents::acknowledge),
        ),
        deed(
            "/api/mw/v1/incidents/{id}/assign",
            "Says whose an incident is; nobody's with an empty assignee",
            post(incidents::assign),
        ),
        deed("/api/mw/v1/incidents/{id}/note", "Adds a note", post(incidents::note)),
        deed(
            "/api/mw/v1/incidents/{id}/resolve",
            "Says that an incident is over: its alerts count for nothing until they have ended",
            post(incidents::resolve),
        ),
        deed(
            "/api/mw/v1/incidents/{id}/unacknowledge",
            "Takes an acknowledgement back",
            post(incidents::unacknowledge),
        ),
        route(
            "/api/mw/v1/keys",
            "Keys of the gateway with their limits",
            get(gateway::keys),
            &[],
            "Keys",
        ),
        route(
            "/api/mw/v1/keys/usage",
            "What keys used, by day and model",
            get(requests::usage),
            USAGE,
            "Usage",
        ),
        route("/api/mw/v1/logs", "Lines of logs", get(logs::search), LOGS, "Lines"),
        route(
            "/api/mw/v1/logs/context",
            "The lines of the same log around a line",
            get(logs::context),
            LOGS_CONTEXT,
            "LineContext",
        ),
        route(
            "/api/mw/v1/logs/export",
            "Lines as a file; the last record of one that was cut says so",
            get(logs::export),
            LOGS_EXPORT,
            FILE,
        ),
        route(
            "/api/mw/v1/logs/facets",
            "Which values fields of lines have, and how often",
            get(logs::facets),
            LOGS_FACETS,
            "Facets",
        ),
        route(
            "/api/mw/v1/logs/findings",
            "What is known of lines: causes and remedies, gravest first",
            get(logs::findings),
            LOGS_FINDINGS,
            "Findings",
        ),
        route(
            "/api/mw/v1/logs/histogram",
            "How many lines there were when",
            get(logs::histogram),
            LOGS_HISTOGRAM,
            "LineHistogram",
        ),
        route(
            "/api/mw/v1/logs/patterns",
            "What lines have in common, most frequent first",
            get(logs::patterns),
            LOGS_PATTERNS,
            "LinePatterns",
        ),
        Route {
            others: &[Other::PostJson("SavedSearch"), Other::Delete(LOGS_FORGET)],
            ..route(
                "/api/mw/v1/logs/saved",
                "Saved searches; POST saves one, DELETE forgets one",
                get(logs::list).post(logs::save).delete(logs::forget),
                &[],
                "SavedSearches",
            )
        },
        Route {
            is_socket: true,
            ..route(
                "/api/mw/v1/logs/tail",
                "Lines as they come, over a WebSocket: messages of text, each with this JSON",
                get(logs::tail),
                LOGS_TAIL,
                "Tail",
            )
        },
        Route {
            others: &[Other::PostJson("MaintenanceDraft"), Other::Delete(WINDOW_FORGET)],
            ..route(
                "/api/mw/v1/maintenance",
                "Maintenance windows; POST makes one, DELETE removes one of the page",
                get(incidents::windows)
                    .post(incidents::put_window)
                    .delete(incidents::forget_window),
                &[],
                "Maintenance",
            )
        },
        route(
            "/api/mw/v1/moment",
            "What may explain a moment",
            get(moment::moment),
            MOMENT,
            "Moment",
        ),
        Route {
            others: &[Other::PostJson("ObjectiveAsked"), Other::Delete(OBJECTIVE)],
            ..route(
                "/api/mw/v1/objectives",
                "What is asked of models; POST sets one, DELETE removes one",
                get(rules::objectives).post(rules::set_objective).delete(rules::remove_objective),
                &[],
                "Objectives",
            )
        },
        Route {
            others: &[Other::PostForm],
            ..route(
                "/api/mw/v1/range",
                "Series reduced to the pixels of a chart",
                get(range::range).post(range::range),
                RANGE,
                "Range",
            )
        },
        Route {
            others: &[Other::PostFor("ReportOrder", "Report")],
            ..route(
                "/api/mw/v1/reports",
                "Reports that are kept, newest first; POST makes one",
                get(reports::list).post(reports::create),
                &[],
                "Reports",
            )
        },
        route(
            "/api/mw/v1/reports/preview",
            "A report that is not kept",
            get(reports::preview),
            REPORT_PREVIEW,
            PAGE,
        ),
        Route {
            others: &[Other::PostJson("ReportPlan"), Other::Delete(REPORT_SCHEDULE)],
            ..route(
                "/api/mw/v1/reports/schedules",
                "Reports that are made by the clock; POST saves one, DELETE forgets one",
                get(reports::schedules)
                    .post(reports::save_schedule)
                    .delete(reports::forget_schedule),
                &[],
                "ReportSchedules",
            )
        },
        Route {
            others: &[Other::Delete(&[])],
            ..route(
                "/api/mw/v1/reports/{id}",
                "One report; DELETE deletes it and answers with what it was",
                get(reports::one).delete(reports::remove),
                &[],
                "Report",
            )
        },
        route(
            "/api/mw/v1/reports/{id}/file",
            "A file of a report",
            get(reports::file),
            REPORT_FILE,
            PAGE,
        ),
        route(
            "/api/mw/v1/requests",
            "Records of requests",
            get(requests::requests),
            REQUESTS,
            "Requests",
        ),
        route(
            "/api/mw/v1/requests/heatmap",
            "How many requests took how long when",
            get(requests::heatmap),
            HEATMAP,
            "Heatmap",
        ),
        route(
            "/api/mw/v1/requests/summary",
            "Requests summed up",
            get(requests::summary),
            SUMMARY,
            "Summary",
        ),
        route("/api/mw/v1/requests/{id}", "One request", get(requests::request), &[], "Request"),
        route(
            "/api/mw/v1/requests/{id}/bodies",
            "Prompt and answer, where they are kept",
            get(requests::bodies),
            &[],
            "Bodies",
        ),
        route(
            "/api/mw/v1/routes",
            "Which channels are told of which alerts, what holds alerts back, and Alertmanagers",
            get(incidents::routes),
            &[],
            "Routes",
        ),
        route(
            "/api/mw/v1/rules",
            "Rules with how they fare, and what is wrong with their files",
            get(rules::rules),
            &[],
            "Rules",
        ),
        Route {
            others: &[Other::PostJson("RuleChange"), Other::Delete(RULE)],
            has_no_get: true,
            ..route(
                "/api/mw/v1/rules/change",
                "POST changes a rule, DELETE takes the changes back",
                post(rules::change).delete(rules::reset),
                &[],
                "Rule",
            )
        },
        Route {
            others: &[Other::PostJson("RuleText"), Other::Delete(RULE_NAME)],
            has_no_get: true,
            ..route(
                "/api/mw/v1/rules/page",
                "POST keeps a rule that the page wrote, DELETE forgets one",
                post(rules::write).delete(rules::forget),
                &[],
                "Rule",
            )
        },
        Route {
            others: &[Other::PostJson("RulePreviewed")],
            has_no_get: true,
            ..route(
                "/api/mw/v1/rules/preview",
                "What rules would have done in the last 24 hours, or in another time",
                post(rules::preview),
                &[],
                "RulePreview",
            )
        },
    ]
}

/// Something that somebody does to an incident. It answers the incident.
fn deed(path: &'static str, summary: &'static str, handler: MethodRouter<Arc<App>>) -> Route {
    Route {
        path,
        summary,
        handler,
        parameters: &[],
        answer: "Incident",
        others: &[Other::PostJson("IncidentDeed")],
        is_socket: false,
        has_no_get: true,
    }
}

/// The table and those that have a file of their own.
fn all_routes() -> impl Iterator<Item = Route> {
    routes().into_iter().chain(channels::routes())
}

pub(super) fn router() -> Router<Arc<App>> {
    let add = |router: Router<Arc<App>>, route: Route| router.route(route.path, route.handler);
    all_routes().fold(Router::new(), add).route("/api/mw/openapi.json", get(document))
}

static DOCUMENT: LazyLock<String> = LazyLock::new(|| written().to_string());

async fn document() -> Response<Body> {
    response(StatusCode::OK, DOCUMENT.clone())
}

/// The description.
fn written() -> Value {
    let paths: Map<String, Value> =
        all_routes().map(|route| (route.path.to_owned(), path_item(&route))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "modelwatch",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "modelwatch's own API. Beside it is that of Prometheus, and a live socket; see docs/api.md. Times are Unix milliseconds.",
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": { "schemas": schemas::all() },
    })
}

fn path_item(route: &Route) -> Value {
    let mut item = Map::new();
    let in_query = |parameters: &[Parameter]| parameters.iter().map(parameter).collect();
    let mut get = operation(route, "get", route.answer);
    let in_path: Vec<Value> = [("id", "The id of a record"), ("name", "The name of it")]
        .into_iter()
        .filter(|(name, _)| route.path.contains(&format!("{{{name}}}")))
        .map(|(name, text)| {
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" },
                    "description": text })
        })
        .collect();
    let with_path = |parameters: &[Parameter]| {
        let in_query: Vec<Value> = in_query(parameters);
        json!(in_path.iter().cloned().chain(in_query).collect::<Vec<_>>())
    };
    get["parameters"] = with_path(route.parameters);
    if !route.has_no_get {
        item.insert("get".into(), get);
    }
    for other in route.others {
        let method = if matches!(other, Other::Delete(_)) { "delete" } else { "post" };
        let answer = match other {
            Other::PostFor(_, answer) => answer,
            Other::PostForm | Other::PostJson(_) | Other::PostEmpty | Other::Delete(_) => {
                route.answer
            }
        };
        let mut operation = operation(route, method, answer);
        match other {
            Other::PostForm => operation["requestBody"] = form(route.parameters),
            Other::PostEmpty => {}
            Other::PostJson(name) | Other::PostFor(name, _) => {
                let schema = json!({ "schema": schemas::named(name) });
                let content = json!({ "application/json": schema });
                operation["requestBody"] = json!({ "required": true, "content": content });
            }
            Other::Delete(parameters) => operation["parameters"] = with_path(parameters),
        }
        if !matches!(other, Other::Delete(_)) && !in_path.is_empty() {
            operation["parameters"] = json!(in_path);
        }
        item.insert(method.into(), operation);
    }
    Value::Object(item)
}

fn operation(route: &Route, method: &str, answer: &str) -> Value {
    let name: String = route
        .path
        .trim_start_matches("/api/mw/v1/")
        .split(['/', '{', '}'])
        .filter(|word| !word.is_empty())
        .fold(method.to_owned(), |name, word| name + "_" + word);
    let mut content = Map::new();
    let text = || json!({ "schema": { "type": "string" } });
    if answer == FILE {
        content.insert("application/x-ndjson".into(), text());
    } else if answer == PAGE {
        content.insert("text/html".into(), text());
    } else {
        let schema = json!({ "schema": schemas::named(answer) });
        content.insert("application/json".into(), schema);
    }
    if route.parameters.iter().any(|(name, ..)| *name == "format") {
        content.insert("text/csv".into(), text());
    }
    let error = json!({ "application/json": { "schema": schemas::named("Error") } });
    json!({
        "operationId": name,
        "summary": route.summary,
        "responses": {
            (if route.is_socket { "101" } else { "200" }):
                { "description": route.summary, "content": content },
            "default": { "description": "Why there is no answer", "content": error },
        },
    })
}

fn parameter((name, kind, is_required, text): &Parameter) -> Value {
    json!({ "name": name, "in": "query", "required": is_required, "description": text, "schema": kind.schema() })
}

/// The same parameters in a body.
fn form(parameters: &[Parameter]) -> Value {
    let of = |(name, kind, _, text): &Parameter| {
        let mut schema = kind.schema();
        schema["description"] = json!(text);
        ((*name).to_owned(), schema)
    };
    let properties: Map<String, Value> = parameters.iter().map(of).collect();
    let required = parameters.iter().filter(|parameter| parameter.2).map(|parameter| parameter.0);
    let schema = json!({
        "type": "object", "properties": properties, "required": required.collect::<Vec<_>>(),
    });
    json!({ "required": true, "content": { "application/x-www-form-urlencoded": { "schema": schema } } })
}

impl Kind {
    fn schema(self) -> Value {
        match self {
            Text => json!({ "type": "string" }),
            Texts => json!({ "type": "array", "items": { "type": "string" } }),
            Time => json!({ "type": "integer", "format": "int64" }),
            Whole(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
            Choice(words) => json!({ "type": "string", "enum": words }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const DOCUMENT: &str = include_str!("../../../../../docs/api.md");
    const ROUTER: &str = include_str!("../mod.rs");

    #[test]
    fn the_documents_name_the_same_paths() {
        let ours: BTreeSet<String> = all_routes()
            .map(|route| route.path.replace("{id}", "ID").replace("{name}", "NAME"))
            .collect();
        let path = regex::Regex::new(r"/api/mw/v1/[a-zA-Z/]+").unwrap();
        let told: BTreeSet<String> =
            path.find_iter(DOCUMENT).map(|found| found.as_str().to_owned()).collect();
        assert_eq!(told, ours, "docs/api.md on the left");
        assert!(DOCUMENT.contains("`GET /api/mw/openapi.json`"));
        assert!(!ROUTER.contains("\"/api/mw/"), "a route that the table does not have");
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_schema_is_used() {
        fn references(value: &Value, found: &mut BTreeSet<String>) {
            match value {
                Value::Object(members) => {
                    if let Some(name) = members.get("$ref").and_then(Value::as_str) {
                        found.insert(name.rsplit('/').next().unwrap_or_default().to_owned());
                    }
                    members.values().for_each(|member| references(member, found));
                }
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let document = written();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        let schemas = document["components"]["schemas"].as_object().unwrap();
        assert_eq!(found, schemas.keys().cloned().collect());
    }

    #[test]
    fn names_of_operations_are_used_once() {
        let document = written();
        let items = document["paths"].as_object().unwrap().values();
        let operations = items.flat_map(|item| item.as_object().unwrap().values());
        let names: Vec<&str> =
            operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
        assert!(names.contains(&"get_requests_id_bodies") && names.contains(&"post_range"));
    }
}
