//! The endpoints of channels, and what they answer.

use axum::routing::{delete, get, post};
use serde_json::Value;

use super::{
    super::channels,
    Other, Route,
    schemas::{flag, list, named, number, object, or_null, text, time, whole},
};

pub(super) fn routes() -> Vec<Route> {
    let route = |path, summary, handler, answer| Route {
        path,
        summary,
        handler,
        parameters: &[],
        answer,
        others: &[],
        is_socket: false,
        has_no_get: false,
    };
    vec![
        route(
            "/api/mw/v1/channels",
            "By which ways people are told, and how those are",
            get(channels::channels),
            "Channels",
        ),
        route(
            "/api/mw/v1/channels/{name}/dead",
            "Letters of a channel that were given up, newest first",
            get(channels::dead),
            "DeadLetters",
        ),
        Route {
            others: &[Other::Delete(&[])],
            has_no_get: true,
            ..route(
                "/api/mw/v1/channels/{name}/dead/{id}",
                "Forgets a letter that was given up",
                delete(channels::forget),
                "DeadLetters",
            )
        },
        Route {
            others: &[Other::PostEmpty],
            has_no_get: true,
            ..route(
                "/api/mw/v1/channels/{name}/dead/{id}/retry",
                "Sends a letter again that was given up",
                post(channels::retry),
                "DeadLetters",
            )
        },
        Route {
            others: &[Other::PostEmpty],
            has_no_get: true,
            ..route(
                "/api/mw/v1/channels/{name}/test",
                "Sends a test, and says whether the service took it",
                post(channels::test),
                "ChannelTest",
            )
        },
    ]
}

pub(super) fn schemas() -> [(&'static str, Value); 6] {
    let error = object(&[("time", time()), ("text", text())], &[]);
    let channel = object(
        &[
            ("name", text()),
            ("kind", or_null(text())),
            ("target", or_null(text())),
            ("language", or_null(text())),
            ("is_enabled", flag()),
            ("send_resolved", flag()),
            ("waiting", whole()),
            ("sent", whole()),
            ("failed", whole()),
            ("dead", whole()),
            ("last_sent", or_null(time())),
            ("last_error", or_null(named("ChannelError"))),
            ("rate", or_null(text())),
        ],
        &[],
    );
    let test = object(
        &[("is_ok", flag()), ("seconds", or_null(number())), ("error", or_null(text()))],
        &[],
    );
    let letter = object(
        &[
            ("id", text()),
            ("key", text()),
            ("title", text()),
            ("time", time()),
            ("died", time()),
            ("reason", text()),
        ],
        &[],
    );
    [
        ("Channel", channel),
        ("ChannelError", error),
        ("ChannelTest", test),
        ("Channels", object(&[("channels", list(named("Channel")))], &[])),
        ("DeadLetter", letter),
        ("DeadLetters", object(&[("dead", list(named("DeadLetter")))], &[])),
    ]
}
