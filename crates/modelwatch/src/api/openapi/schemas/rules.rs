//! Rules and objectives.

use super::*;

pub(super) fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("Objective", objective(&[("origin", word(&["configuration", "page"]))])),
        ("ObjectiveAsked", objective(&[])),
        ("Objectives", object(&[("objectives", list(named("Objective")))], &[])),
        ("Rule", rule()),
        ("RuleAlert", rule_alert()),
        ("RuleChange", rule_change()),
        ("RuleFileProblem", problem(&[("file", text())])),
        ("RuleGroup", rule_group()),
        ("RulePreview", rule_preview()),
        ("RulePreviewed", rule_previewed()),
        ("RuleProblem", problem(&[])),
        ("RuleSeries", rule_series()),
        ("RuleText", object(&[("yaml", text())], &[("author", text())])),
        ("Rules", rules()),
        ("RuleWould", rule_would()),
    ]
}

fn objective(more: &[(&str, Value)]) -> Value {
    let maybe = ["ttft_seconds", "tpot_seconds", "success_ratio"];
    let maybe: Vec<(&str, Value)> =
        maybe.into_iter().map(|name| (name, or_null(number()))).collect();
    let ratio = [("ratio", number())];
    match more {
        // What is asked may leave anything out but the model.
        [] => object(
            &[("model", text())],
            &[maybe.as_slice(), &ratio, &[("author", text())]].concat(),
        ),
        more => object(&[&[("model", text())], maybe.as_slice(), &ratio, more].concat(), &[]),
    }
}

fn rule() -> Value {
    let threshold = object(&[("index", whole()), ("value", number()), ("text", text())], &[]);
    let members = [
        ("id", text()),
        ("kind", word(&["alerting", "recording"])),
        ("name", text()),
        ("query", text()),
        ("for_ms", whole()),
        ("keep_firing_for_ms", whole()),
        ("labels", map(text())),
        ("annotations", map(text())),
        ("severity", or_null(text())),
        ("health", word(&["ok", "err", "unknown"])),
        ("error", or_null(text())),
        ("state", state()),
        ("last_evaluation", or_null(time())),
        ("seconds", number()),
        ("series", whole()),
        ("thresholds", list(threshold)),
        ("is_enabled", flag()),
        ("is_changed", flag()),
        ("yaml", or_null(text())),
        ("alerts", list(named("RuleAlert"))),
        ("alerts_total", whole()),
    ];
    object(&members, &[])
}

fn state() -> Value {
    word(&["inactive", "pending", "firing"])
}

fn rule_alert() -> Value {
    let members = [
        ("labels", map(text())),
        ("annotations", map(text())),
        ("state", state()),
        ("active_at", time()),
        ("value", or_null(number())),
    ];
    object(&members, &[])
}

fn rule_change() -> Value {
    let maybe = [
        ("thresholds", or_null(list(number()))),
        ("for_ms", or_null(whole())),
        ("severity", or_null(text())),
        ("is_enabled", or_null(flag())),
        ("author", text()),
    ];
    object(&[("id", text())], &maybe)
}

fn problem(more: &[(&str, Value)]) -> Value {
    let members = [("line", whole()), ("column", whole()), ("reason", text())];
    object(&[members.as_slice(), more].concat(), &[])
}

fn rule_group() -> Value {
    let members = [
        ("name", text()),
        ("file", text()),
        ("origin", word(&["builtin", "file", "page"])),
        ("interval_ms", whole()),
        ("last_evaluation", or_null(time())),
        ("seconds", number()),
        ("missed", whole()),
        ("rules", list(named("Rule"))),
    ];
    object(&members, &[])
}

fn rules() -> Value {
    object(
        &[("groups", list(named("RuleGroup"))), ("problems", list(named("RuleFileProblem")))],
        &[],
    )
}

fn rule_previewed() -> Value {
    let maybe = [
        ("yaml", or_null(text())),
        ("id", or_null(text())),
        ("thresholds", or_null(list(number()))),
        ("for_ms", or_null(whole())),
        ("start", or_null(time())),
        ("end", or_null(time())),
    ];
    object(&[], &maybe)
}

fn rule_series() -> Value {
    let spans = || list(list(or_null(time())));
    object(&[("labels", map(text())), ("spans", spans()), ("pending", spans())], &[])
}

fn rule_would() -> Value {
    let members = [
        ("name", text()),
        ("fired", whole()),
        ("waited", whole()),
        ("series", list(named("RuleSeries"))),
        ("omitted", whole()),
        ("error", or_null(text())),
    ];
    object(&members, &[])
}

fn rule_preview() -> Value {
    let members = [
        ("rules", list(named("RuleWould"))),
        ("problems", list(named("RuleProblem"))),
        ("step_ms", whole()),
        ("is_whole", flag()),
    ];
    object(&members, &[])
}
