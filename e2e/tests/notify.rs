//! Notifications by the real process: mail to a real SMTP server (aiosmtpd of PyPI), and the whole way from an alert
//! that another program sends to a message that a double of DingTalk takes.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use anyhow::{Context as _, Result, ensure};
use e2e::{Modelwatch, NOTICED, PATIENCE, command, run_to_end, skip};
use serde_json::{Value, json};
use xtask::{
    http, peers,
    process::{self, Process},
    wait,
};

const QUIET: &str = "[collect]\ndiscover = false\n[alerts]\nbuiltin = false\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// aiosmtpd and the mails that it took.
struct MailServer {
    _process: Process,
    /// With STARTTLS and login, with TLS and login, with neither.
    ports: [u16; 3],
    mails: PathBuf,
    certificate: PathBuf,
}

impl MailServer {
    fn start(folder: &Path) -> Result<Option<Self>> {
        let packages = match peers::python("aiosmtpd", &["aiosmtpd==1.4.6"]) {
            Ok(packages) => packages,
            Err(error) => {
                skip(&format!("there is no aiosmtpd: {error:#}"));
                return Ok(None);
            }
        };
        let ports = [free_port()?, free_port()?, free_port()?];
        let fixtures = root().join("crates/gateway/tests/gateway/fixtures");
        let (certificate, mails) = (fixtures.join("cert.pem"), folder.join("mails"));
        fs::write(&mails, "")?;
        let mut python = process::command("python3");
        python.arg(root().join("e2e/tests/notify/smtpd.py"));
        python.args(ports.map(|port| port.to_string()));
        python.arg(&certificate).arg(fixtures.join("key.pem")).arg(&mails);
        let log = fs::File::create(folder.join("smtpd.log"))?;
        python.env("PYTHONPATH", packages).stdout(log.try_clone()?).stderr(log);
        let process = Process::spawn(&mut python)?;
        wait::until("the mail server", PATIENCE, || {
            let text = fs::read_to_string(folder.join("smtpd.log"))?;
            ensure!(text.contains("ready"), "it said {text}");
            Ok(())
        })?;
        Ok(Some(Self { _process: process, ports, mails, certificate }))
    }

    fn mails(&self) -> Result<Vec<Value>> {
        let text = fs::read_to_string(&self.mails)?;
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }
}

#[test]
fn mail_reaches_a_real_server() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let Some(server) = MailServer::start(folder.path())? else { return Ok(()) };
    let (good, bad) = (folder.path().join("good"), folder.path().join("bad"));
    fs::write(&good, "hush\n")?;
    fs::write(&bad, "wrong-password\n")?;
    let [start_tls, tls, plain] = server.ports;
    let channel = |name: &str, url: String, to: &str, more: String| {
        format!(
            "[[channel]]\nname = \"{name}\"\nkind = \"smtp\"\nurl = \"{url}\"\nfrom = \"mw@a.example\"\n\
             to = [\"{to}\"]\nallow_private_addresses = true\nlanguage = \"zh\"\n{more}"
        )
    };
    let login = |password: &Path| {
        let certificate = server.certificate.display();
        format!(
            "username = \"modelwatch\"\nsecret = \"file:{}\"\nca_file = \"{certificate}\"\n",
            password.display()
        )
    };
    let ops = "ops@a.example";
    let channels = [
        channel("starttls", format!("smtp://localhost:{start_tls}"), ops, login(&good)),
        channel("tls", format!("smtps://127.0.0.1:{tls}"), ops, login(&good)),
        channel("plain", format!("smtp-plain://127.0.0.1:{plain}"), ops, String::new()),
        channel("wrong", format!("smtps://localhost:{tls}"), ops, login(&bad)),
        channel("stripped", format!("smtp://localhost:{plain}"), ops, login(&good)),
        channel(
            "nobody",
            format!("smtp-plain://127.0.0.1:{plain}"),
            "nobody@a.example",
            String::new(),
        ),
    ];
    let modelwatch = Modelwatch::start(folder.path(), &format!("{QUIET}{}", channels.concat()))?;
    let test = |name: &str, expected: Option<&str>| {
        let path = format!("/api/mw/v1/channels/{name}/test");
        let answer = http::post_json(&modelwatch.address, &path, &json!({}))?.json()?;
        match expected {
            None => ensure!(answer["is_ok"] == true, "{name}: {answer}"),
            Some(part) => {
                let told = answer["error"].as_str().context("no error")?.to_owned();
                ensure!(told.contains(part) && !told.contains("wrong-password"), "{name}: {told}");
            }
        }
        anyhow::Ok(())
    };
    for name in ["starttls", "tls", "plain"] {
        test(name, None)?;
    }
    test("wrong", Some("535"))?;
    test("stripped", Some("no STARTTLS"))?;
    test("nobody", Some("550"))?;
    let mails = server.mails()?;
    ensure!(mails.len() == 3, "{mails:?}");
    for (mail, name) in mails.iter().zip(["starttls", "tls", "plain"]) {
        ensure!(mail["subject"] == format!("【提示】这是渠道 {name} 的测试消息"), "{mail}");
        ensure!(
            mail["parts"][0]["type"] == "text/plain" && mail["parts"][1]["type"] == "text/html",
            "{mail}"
        );
        ensure!(mail["login"] == json!((name != "plain").then_some(true)), "{mail}");
    }
    let channels = modelwatch.json("/api/mw/v1/channels")?;
    let first = &channels["channels"][0];
    let target = format!("localhost:{start_tls}");
    ensure!(first["sent"] == 1 && first["target"] == target, "{channels}");
    ensure!(!channels.to_string().contains("hush"), "a secret is shown: {channels}");
    xtask::say("aiosmtpd 1.4.6: 3 of 3 mails");
    Ok(())
}

/// What a double of DingTalk was sent; the answers are its own, 200 also when it refuses.
fn dingtalk(answers: &'static [&'static str]) -> Result<(u16, Arc<Mutex<Vec<String>>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let got = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&got);
    std::thread::spawn(move || {
        for (stream, answer) in listener.incoming().zip(answers.iter()) {
            if let Ok(request) = stream.map_err(Into::into).and_then(|stream| hear(stream, answer))
            {
                noted.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(request);
            }
        }
    });
    Ok((port, got))
}

fn hear(mut stream: TcpStream, answer: &str) -> Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let count = stream.read(&mut buffer)?;
        ensure!(count > 0, "the request ended early");
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        if body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0) {
            let length = answer.len();
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{answer}")?;
            return Ok(text);
        }
    }
}

#[test]
fn an_alert_becomes_a_message() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (port, got) = dingtalk(&[
        r#"{"errcode":310000,"errmsg":"sign not match"}"#,
        r#"{"errcode":0,"errmsg":"ok"}"#,
        r#"{"errcode":0,"errmsg":"ok"}"#,
    ])?;
    let token = folder.path().join("token");
    fs::write(&token, "t0ken")?;
    let more = format!(
        "{QUIET}[[channel]]\nname = \"ding\"\nkind = \"dingtalk\"\nurl = \"http://127.0.0.1:{port}\"\n\
         token = \"file:{}\"\nallow_private_addresses = true\nlanguage = \"zh\"\n",
        token.display()
    );
    let modelwatch = Modelwatch::start(folder.path(), &more)?;
    let alert = json!([{
        "labels": {"alertname": "EngineDown", "severity": "critical", "instance": "a:1"},
        "annotations": {"summary": "an engine is down", "summary_zh": "引擎宕机"},
    }]);
    let taken = http::post_json(&modelwatch.address, "/api/v2/alerts", &alert)?;
    ensure!(taken.status == 200, "{}", taken.text());
    let letter = wait::until("a dead letter", NOTICED, || {
        let dead = modelwatch.json("/api/mw/v1/channels/ding/dead")?;
        dead["dead"].get(0).cloned().context("none yet")
    })?;
    ensure!(letter["reason"] == "errcode 310000 sign not match", "{letter}");
    let path =
        format!("/api/mw/v1/channels/ding/dead/{}/retry", letter["id"].as_str().context("no id")?);
    let left = http::post_json(&modelwatch.address, &path, &json!({}))?.json()?;
    ensure!(left["dead"].as_array().is_some_and(Vec::is_empty), "{left}");
    wait::until("it is sent", NOTICED, || {
        let channels = modelwatch.json("/api/mw/v1/channels")?;
        ensure!(channels["channels"][0]["sent"] == 1, "{channels}");
        Ok(())
    })?;
    let got = got.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    ensure!(got.len() == 2 && got.iter().all(|one| one.contains("【严重】引擎宕机")), "{got:?}");
    ensure!(got[1].starts_with("POST /robot/send?access_token=t0ken "), "{}", got[1]);
    let metrics = modelwatch.get("/metrics")?.text();
    let counted =
        "modelwatch_notifications_total{channel=\"ding\",kind=\"dingtalk\",outcome=\"given_up\"} 1";
    ensure!(metrics.contains(counted), "{metrics}");
    Ok(())
}

#[test]
fn the_command_says_plainly_what_came_of_a_test() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("modelwatch.toml");
    let port = free_port()?;
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\n[[channel]]\nname = \"ok\"\nkind = \"command\"\n\
         command = [\"/bin/true\"]\nallow_command = true\n[[channel]]\nname = \"bad\"\nkind = \"command\"\n\
         command = [\"/bin/false\"]\nallow_command = true\n"
    );
    fs::write(&config, text)?;
    let check = |name: &str, code: i32, expected: &str| {
        let words = ["notify", "test", name, "--config"].map(AsRef::as_ref);
        let words: Vec<&std::ffi::OsStr> = words.into_iter().chain([config.as_os_str()]).collect();
        let output = run_to_end(&mut command(&folder.path().join("data"), &words))?;
        ensure!(output.code == Some(code) && output.text.contains(expected), "{output:?}");
        anyhow::Ok(())
    };
    check("ok", 0, "The channel ok took the test in ")?;
    check("ok", 0, "this command, because no modelwatch runs")?;
    check("bad", 1, "the channel bad did not take the test")?;
    check("none", 2, "it has ok, bad")?;
    ensure!(!folder.path().join("data/alarms").exists(), "the queue was touched");
    Ok(())
}
