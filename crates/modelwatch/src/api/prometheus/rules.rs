//! Rules, alerts and who is told of them: there are none yet, which clients are told in Prometheus' words.

use serde_json::json;

use super::{
    super::{
        form::{Form, integer_as, invalid},
        json::ApiError,
    },
    Answer, data, narrow_selectors,
};

/// How a boolean may be written.
const BOOLEANS: &[&str] =
    &["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"];

/// What else may be asked for chooses among groups, of which there are none.
pub(super) async fn rules(form: Form) -> Answer {
    narrow_selectors(&form).map_err(ApiError::bad_data)?;
    let kind = form.get("type").unwrap_or_default().to_lowercase();
    if !matches!(kind.as_str(), "" | "alert" | "record") {
        return Err(invalid("type", &format!("not supported value {kind:?}")));
    }
    if let Some(text) = form.get("exclude_alerts").filter(|text| !BOOLEANS.contains(text)) {
        let reason = format!("strconv.ParseBool: parsing {text:?}: invalid syntax");
        let reason = format!("error converting exclude_alerts: {reason}");
        return Err(invalid("exclude_alerts", &reason));
    }
    page(&form)?;
    Ok(data(&json!({ "groups": [] })))
}

/// Checks which page of the groups is wanted.
fn page(form: &Form) -> Result<(), ApiError> {
    let token = form.get("group_next_token");
    let Some(limit) = form.get("group_limit") else {
        let reason = "group_limit needs to be present in order to paginate over the groups";
        return token.map_or(Ok(()), |_| Err(invalid("group_next_token", reason)));
    };
    let number = integer_as::<i32>(limit, "ParseInt").map_err(|reason| {
        invalid("group_limit", &format!("group_limit needs to be a valid number: {reason}"))
    })?;
    if number <= 0 {
        return Err(invalid("group_limit", "group_limit needs to be greater than 0"));
    }
    let odd = |token| format!("invalid group_next_token '{token}'. were rule groups changed?");
    token.map_or(Ok(()), |token| Err(invalid("group_next_token", &odd(token))))
}

pub(super) async fn alerts() -> Answer {
    Ok(data(&json!({ "alerts": [] })))
}

pub(super) async fn alertmanagers() -> Answer {
    Ok(data(&json!({ "activeAlertmanagers": [], "droppedAlertmanagers": [] })))
}
