//! The receivers of logs within this program: starts those that have addresses of their own, and tells how all of
//! them do.

use std::{io, net::SocketAddr};

use model::{
    catalogue::{
        MODELWATCH_RECEIVER_BYTES_TOTAL, MODELWATCH_RECEIVER_CONNECTIONS,
        MODELWATCH_RECEIVER_LINES_TOTAL, MODELWATCH_RECEIVER_REFUSED_TOTAL, Metric,
    },
    message::{Language, render},
};
use receive::{
    desk::{Receiver, Report},
    serve::{Servers, StartError},
};
use serde_json::{Value, json};

use crate::{
    config::{self, Config},
    wire::Say,
};

/// Takes the addresses that the configuration names.
pub(crate) fn bind(config: &Config, language: Language) -> anyhow::Result<Servers> {
    Servers::bind(&config.receive.settings()).map_err(|error| {
        let (code, params) = match &error {
            StartError::Bind { receiver, address, source } => {
                let is_taken = source.kind() == io::ErrorKind::AddrInUse;
                let holder = collect::holder_of(&config.collect.root, address.port());
                let code = match holder.as_ref().filter(|_| is_taken) {
                    Some(_) => "start.receiver_port_taken",
                    None => "start.receiver_failed",
                };
                let params = vec![
                    ("key", receiver.as_str().to_owned()),
                    ("listen", address.to_string()),
                    ("holder", holder.unwrap_or_default()),
                    ("reason", source.to_string()),
                ];
                (code, params)
            }
            StartError::Tls { path, reason } => {
                let path = ("path", path.display().to_string());
                ("start.receiver_certificate", vec![path, ("reason", reason.clone())])
            }
        };
        anyhow::Error::msg(render(code, &params, language))
    })
}

/// Says where they are.
pub(crate) fn introduce(
    addresses: &[(Receiver, SocketAddr, bool)],
    language: Language,
    say: Say<'_>,
) {
    for (receiver, address, is_encrypted) in addresses {
        let protocol = match receiver {
            Receiver::Lumberjack => "lumberjack",
            Receiver::OtlpGrpc => "otlp-grpc",
            Receiver::SyslogUdp => "syslog-udp",
            _ => "syslog-tcp",
        };
        let tls = if *is_encrypted { "+tls" } else { "" };
        let params = [("url", format!("{protocol}{tls}://{address}"))];
        say(&render("start.receiver", &params, language));
    }
}

/// Those that listen on addresses of their own, and those that anybody has used.
fn in_use<'r>(
    reports: &'r [Report],
    settings: &'r config::Receive,
) -> impl Iterator<Item = &'r Report> {
    reports.iter().filter(|report| {
        let is_configured = match report.receiver {
            Receiver::Lumberjack => settings.lumberjack.is_some(),
            Receiver::OtlpGrpc => settings.otlp_grpc.is_some(),
            Receiver::SyslogTcp => settings.syslog_tcp.is_some(),
            Receiver::SyslogTls => settings.syslog_tls.is_some(),
            Receiver::SyslogUdp => settings.syslog_udp.is_some(),
            _ => false,
        };
        is_configured || report.bytes > 0 || !report.refused.is_empty()
    })
}

/// As they are listed among the sources.
pub(crate) fn sources(reports: &[Report], settings: &config::Receive) -> Vec<Value> {
    let source = |report: &Report| {
        let failure = report.trouble.as_ref().map(
            |refused| json!({ "code": "failure.io", "params": { "detail": refused.to_string() } }),
        );
        json!({
            "name": format!("receive.{}", report.receiver.as_str()),
            "group": "receiver",
            "state": if failure.is_none() { "ok" } else { "failing" },
            "period_ms": null,
            "duration_ms": null,
            "series": report.lines,
            "last_ok": report.last.map(|time| time.0),
            "hint": null,
            "failure": failure,
        })
    };
    in_use(reports, settings).map(source).collect()
}

/// Their metrics, given to `push` one by one.
pub(crate) fn sample(
    reports: &[Report],
    settings: &config::Receive,
    mut push: impl FnMut(&Metric, &[(&str, &str)], f64),
) {
    for report in in_use(reports, settings) {
        let receiver = ("receiver", report.receiver.as_str());
        push(&MODELWATCH_RECEIVER_LINES_TOTAL, &[receiver], report.lines as f64);
        push(&MODELWATCH_RECEIVER_BYTES_TOTAL, &[receiver], report.bytes as f64);
        for (reason, count) in &report.refused {
            let labels = [("reason", reason.as_str()), receiver];
            push(&MODELWATCH_RECEIVER_REFUSED_TOTAL, &labels, *count as f64);
        }
        let is_http = matches!(
            report.receiver,
            Receiver::Elasticsearch | Receiver::Loki | Receiver::OtlpHttp | Receiver::Splunk
        );
        if !is_http && report.receiver != Receiver::SyslogUdp {
            push(&MODELWATCH_RECEIVER_CONNECTIONS, &[receiver], report.connections as f64);
        }
    }
}
