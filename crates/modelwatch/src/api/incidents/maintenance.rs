//! Maintenance windows: those of the configuration are shown, those of the page are made and removed.

use std::{net::SocketAddr, sync::Arc};

use alert::incident::record::{Repeat, Window};
use axum::{
    body::Bytes,
    extract::{ConnectInfo, State},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{parse_all, read_body, refused, routes::texts, unkept};
use crate::{
    api::{
        audit::{Person, audit},
        form::Form,
        json,
        requests::{Answer, ok},
        time::rfc3339,
    },
    wire::App,
};

/// A window as it is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Draft {
    name: String,
    matchers: Vec<String>,
    start: i64,
    end: i64,
    repeat: Repeat,
    zone: String,
    author: String,
}

/// All windows.
pub(in crate::api) async fn list(State(app): State<Arc<App>>) -> Answer {
    shown(&app)
}

/// Makes one, in place of another of the same name.
pub(in crate::api) async fn put(
    State(app): State<Arc<App>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    body: Bytes,
) -> Answer {
    let draft: Draft = read_body(&body)?;
    let person = Person::new(address, &draft.author);
    let window = Window {
        id: String::new(),
        name: draft.name,
        matchers: parse_all(&draft.matchers)?,
        start: draft.start,
        end: draft.end,
        repeat: draft.repeat,
        zone: draft.zone,
    };
    let for_work = Arc::clone(&app);
    let task = json::blocking(move || {
        let app = for_work;
        let params = [
            ("name", window.name.clone()),
            ("matchers", alert::matchers::write_list(&window.matchers)),
            ("start", rfc3339(model::UnixMs(window.start))),
            ("end", rfc3339(model::UnixMs(window.end))),
        ];
        let done = app.incidents.change(|incidents, now| incidents.put_window(window, now));
        let (_, kept) = done.map_err(|refusal| refused(&refusal))?;
        audit(&app, "audit.window_put", &person, params);
        kept.map_err(|error| unkept(&error))
    });
    task.await??;
    shown(&app)
}

/// Removes one that was made on the page.
pub(in crate::api) async fn forget(
    State(app): State<Arc<App>>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    form: Form,
) -> Answer {
    let id = form.get("id").unwrap_or_default().to_owned();
    let person = Person::new(address, form.get("author").unwrap_or_default());
    let for_work = Arc::clone(&app);
    let task = json::blocking(move || {
        let app = for_work;
        let done = app.incidents.change(|incidents, now| incidents.forget_window(&id, now));
        let (window, kept) = done.map_err(|refusal| refused(&refusal))?;
        audit(&app, "audit.window_removed", &person, [("name", window.name)]);
        kept.map_err(|error| unkept(&error))
    });
    task.await??;
    shown(&app)
}

fn shown(app: &App) -> Answer {
    let windows = app.incidents.read(|incidents, now| {
        let view = |(window, is_configured, is_active): &(&Window, bool, bool)| -> Value {
            json!({
                "id": window.id,
                "name": window.name,
                "matchers": texts(&window.matchers),
                "start": window.start,
                "end": window.end,
                "repeat": window.repeat,
                "zone": window.zone,
                "origin": if *is_configured { "configuration" } else { "page" },
                "is_active": is_active,
            })
        };
        incidents.windows_view(now).iter().map(view).collect::<Vec<_>>()
    });
    ok(&json!({ "windows": windows }))
}
