//! `/api/mw/v1/objectives`: what is asked of models.

use super::*;
use crate::alarms::objectives::Objective;

#[derive(Deserialize)]
struct AskedObjective {
    #[serde(default)]
    author: String,
    #[serde(flatten)]
    objective: Value,
}

pub(in crate::api) async fn objectives(State(app): State<Arc<App>>) -> Answer {
    list(&app)
}

fn list(app: &App) -> Answer {
    let all = app.objectives.all();
    let told = all.iter().map(|(objective, is_page)| {
        json!({
            "model": objective.model,
            "ttft_seconds": objective.ttft_seconds,
            "tpot_seconds": objective.tpot_seconds,
            "success_ratio": objective.success_ratio,
            "ratio": objective.ratio,
            "origin": if *is_page { "page" } else { "configuration" },
        })
    });
    ok(&json!({ "objectives": told.collect::<Vec<_>>() }))
}

pub(in crate::api) async fn set_objective(
    State(app): State<Arc<App>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    body: Bytes,
) -> Answer {
    let asked: AskedObjective = json::body(&body, YAML_BYTES_MAX)?;
    let objective: Objective = serde_json::from_value(asked.objective)
        .map_err(|error| ApiError::bad_data(format!("the body is no objective: {error}")))?;
    if !objective.is_sound() {
        return Err(ApiError::refused("refused.objective", Vec::new()));
    }
    let model = objective.model.clone();
    if !on_disk(&app, move |app| app.objectives.set(objective)).await? {
        return Err(ApiError::refused("refused.objectives", Vec::new()));
    }
    let person = Person::new(address, &asked.author);
    audit(&app, "event.objective_set", &person, [("model", model)]);
    list(&app)
}

pub(in crate::api) async fn remove_objective(
    State(app): State<Arc<App>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    form: Form,
) -> Answer {
    let model = form.get("model").unwrap_or_default().to_owned();
    let given = model.clone();
    if !on_disk(&app, move |app| app.objectives.remove(&given)).await? {
        return Err(ApiError::not_found("the page has no objective for this model"));
    }
    let person = Person::new(address, form.get("author").unwrap_or_default());
    audit(&app, "event.objective_removed", &person, [("model", model)]);
    list(&app)
}

async fn on_disk(
    app: &Arc<App>,
    work: impl FnOnce(&App) -> std::io::Result<bool> + Send + 'static,
) -> Result<bool, ApiError> {
    let app = Arc::clone(app);
    json::blocking(move || work(&app)).await?.map_err(|error| ApiError::internal(error.to_string()))
}
