//! Rules, alerts and who is told of them: there are none yet, which clients are told in Prometheus' words.

use serde_json::json;

use super::{
    super::{
        form::{Form, invalid},
        json::ApiError,
    },
    Answer, data, narrow_selectors,
};

/// What else may be asked for chooses among groups, of which there are none.
pub(super) async fn rules(form: Form) -> Answer {
    let kind = form.get("type").unwrap_or_default().to_lowercase();
    if !matches!(kind.as_str(), "" | "alert" | "record") {
        return Err(invalid("type", &format!("not supported value {kind:?}")));
    }
    narrow_selectors(&form).map_err(ApiError::bad_data)?;
    Ok(data(&json!({ "groups": [] })))
}

pub(super) async fn alerts() -> Answer {
    Ok(data(&json!({ "alerts": [] })))
}

pub(super) async fn alertmanagers() -> Answer {
    Ok(data(&json!({ "activeAlertmanagers": [], "droppedAlertmanagers": [] })))
}
