//! The whole way of a message, to doubles of services on loopback: small HTTP servers that answer what they are told
//! and remember what they were sent. Real receivers are in `e2e`.

#![expect(clippy::unwrap_used, reason = "a test may")]

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use deliver::{FileToSend, Kind, Office, Outcome, Rate, Reference, Settings};
use model::{
    Clock, Labels, UnixMs,
    alert::{Alert, Notification, Notified, Reason},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// What a service was sent.
#[derive(Clone, Debug)]
struct Got {
    head: String,
    body: serde_json::Value,
}

impl Got {
    fn key(&self) -> String {
        self.body["modelwatch"]["key"].as_str().unwrap_or_default().to_owned()
    }
}

/// A double: answers are given in their order, then the last one for ever; none at all hangs.
struct Double {
    port: u16,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Double {
    async fn start(answers: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let got = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new(Mutex::new(answers.iter().copied().collect::<VecDeque<_>>()));
        tokio::spawn({
            let got = Arc::clone(&got);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(answer(stream, Arc::clone(&got), Arc::clone(&answers)));
                }
            }
        });
        Self { port, got }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    fn keys(&self) -> Vec<String> {
        self.got().iter().map(Got::key).collect()
    }
}

async fn answer(
    mut stream: TcpStream,
    got: Arc<Mutex<Vec<Got>>>,
    answers: Arc<Mutex<VecDeque<&'static str>>>,
) {
    let mut bytes = Vec::new();
    let whole = loop {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        if body.len() >= length.unwrap_or(0) {
            break (head.to_owned(), serde_json::from_str(body).unwrap_or_default());
        }
    };
    got.lock().unwrap().push(Got { head: whole.0, body: whole.1 });
    let answer = {
        let mut answers = answers.lock().unwrap();
        if answers.len() > 1 { answers.pop_front() } else { answers.front().copied() }
    };
    let Some(answer) = answer else {
        sleep(PATIENCE * 10).await;
        return;
    };
    let (head, body) = answer.split_once("\n\n").unwrap_or((answer, ""));
    let head = head.replace('\n', "\r\n");
    let length = body.len();
    let answer = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await.ok();
}

fn hook(name: &str, double: &Double) -> Settings {
    Settings {
        url: double.url(),
        allow_private_addresses: true,
        ..Settings::new(name, Kind::Webhook)
    }
}

fn notification(channel: &str, key: &str, is_firing: bool) -> Notification {
    let now = Clock::system().now();
    let alert = Alert {
        labels: Labels::from_pairs([("alertname", "EngineDown"), ("instance", "a:1")]),
        annotations: vec![("summary".to_owned(), "an engine is down".to_owned())],
        starts_at: now,
        ends_at: now,
        generator_url: String::new(),
        value: Some(1.0),
    };
    Notification {
        key: key.to_owned(),
        incident: "i".to_owned(),
        channel: channel.to_owned(),
        group_key: "{}:{}".to_owned(),
        reason: Reason::First,
        time: now,
        severity: "warning".to_owned(),
        group_labels: Vec::new(),
        common_labels: Vec::new(),
        common_annotations: Vec::new(),
        alerts: vec![Notified { alert, is_firing }],
        truncated: 0,
        url: "http://127.0.0.1:9640/".to_owned(),
    }
}

struct Running {
    office: Office,
    outcomes: Arc<Mutex<Vec<Outcome>>>,
}

impl Running {
    fn open(folder: &Path, channels: Vec<Settings>) -> Self {
        let office = Office::open(channels, folder, Clock::system(), Box::new(|_| 0)).unwrap();
        let outcomes = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&outcomes);
        office.tell_outcomes(Box::new(move |outcome| told.lock().unwrap().push(outcome)));
        Self { office, outcomes }
    }

    fn start(folder: &Path, channels: Vec<Settings>) -> Self {
        let running = Self::open(folder, channels);
        running.office.start().unwrap();
        running
    }

    fn deliver(&self, channel: &str, key: &str) {
        self.office.deliver(&notification(channel, key, true)).unwrap();
    }

    fn outcomes(&self) -> Vec<(String, bool)> {
        let outcomes = self.outcomes.lock().unwrap();
        outcomes.iter().map(|outcome| (outcome.key.clone(), outcome.is_ok)).collect()
    }

    fn lane(&self, name: &str) -> deliver::Lane {
        self.office.lanes().into_iter().find(|lane| lane.name == name).unwrap()
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("waited too long: {what}"));
}

const OK: &str = "200 OK";

#[tokio::test]
async fn messages_arrive_in_order_through_failures() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(&["500 Broken", OK, "400 Bad\n\nno such thing", OK]).await;
    let running = Running::start(folder.path(), vec![hook("x", &double)]);
    for key in ["a", "b", "c", "a"] {
        running.deliver("x", key);
    }
    until("three outcomes", || running.outcomes().len() == 3).await;
    assert_eq!(double.keys(), ["a", "a", "b", "c"]);
    let told = |key: &str, is_ok| (key.to_owned(), is_ok);
    assert_eq!(running.outcomes(), [told("a", true), told("b", false), told("c", true)]);
    let lane = running.lane("x");
    assert_eq!((lane.sent, lane.failed, lane.given_up, lane.waiting, lane.dead), (2, 2, 1, 0, 1));
    let dead = &running.office.dead("x")[0];
    assert_eq!((dead.key.as_str(), dead.reason.as_str()), ("b", "HTTP 400 no such thing"));
    assert!(running.office.retry("x", dead.id).unwrap());
    until("the dead letter", || double.keys().len() == 5).await;
    assert_eq!(double.keys()[4], "b");
    assert!(double.got()[0].head.contains("idempotency-key: a"), "{}", double.got()[0].head);
    running.office.stop();
}

#[tokio::test]
async fn what_is_refused_with_its_picture_goes_without() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(&["400 Bad Request\n\n{\"code\":40014}", OK]).await;
    let ntfy = Settings {
        url: double.url(),
        to: vec!["gpu".to_owned()],
        allow_private_addresses: true,
        ..Settings::new("ntfy", Kind::Ntfy)
    };
    let running = Running::open(folder.path(), vec![ntfy]);
    running.office.draw_with(Box::new(|_| Some(b"PNG".to_vec())));
    running.office.start().unwrap();
    running.deliver("ntfy", "a");
    until("the outcome", || running.outcomes().len() == 1).await;
    assert_eq!(running.outcomes(), [("a".to_owned(), true)]);
    let got = double.got();
    assert!(got[0].head.starts_with("PUT /hook/gpu?"), "{}", got[0].head);
    assert!(got[1].head.starts_with("POST /hook/ ") && got[1].body["topic"] == "gpu", "{got:?}");
    running.office.stop();
}

#[tokio::test]
async fn an_address_is_asked_as_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(&[OK]).await;
    let slash = Settings { url: format!("{}/", double.url()), ..hook("x", &double) };
    let running = Running::start(folder.path(), vec![slash]);
    running.office.test("x").await.unwrap().unwrap();
    assert!(double.got()[0].head.starts_with("POST /hook/ "), "{}", double.got()[0].head);
    running.office.stop();
}

/// A mail server that refuses mailboxes with these answers, and takes its time over a mail. Answers its port and how
/// many mails it was given.
async fn mail_double(
    refused: &'static [(&'static str, &'static str)],
    thinking: Duration,
) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mails = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&mails);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, refused, thinking, Arc::clone(&taken)));
        }
    });
    (port, mails)
}

async fn talk(
    stream: TcpStream,
    refused: &'static [(&'static str, &'static str)],
    thinking: Duration,
    mails: Arc<Mutex<Vec<String>>>,
) {
    let mut stream = BufStream::new(stream);
    let (mut said, mut line, mut mail) = ("220 double\r\n".to_owned(), String::new(), None);
    loop {
        stream.write_all(said.as_bytes()).await.ok();
        stream.flush().await.ok();
        said.clear();
        line.clear();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        if let Some(text) = &mut mail {
            if line != ".\r\n" {
                let text: &mut String = text;
                text.push_str(&line);
                continue;
            }
            mails.lock().unwrap().push(mail.take().unwrap_or_default());
            sleep(thinking).await;
            said = "250 taken\r\n".to_owned();
            continue;
        }
        let refusal = refused.iter().find(|(box_name, _)| line.contains(box_name));
        said = match (line.get(..4), refusal) {
            (Some("RCPT"), Some((_, answer))) => format!("{answer}\r\n"),
            (Some("DATA"), _) => {
                mail = Some(String::new());
                "354 go on\r\n".to_owned()
            }
            // Whoever is gone says nothing any more.
            (Some("QUIT"), _) => String::new(),
            _ => "250 fine\r\n".to_owned(),
        };
    }
}

fn mail(port: u16, to: &[&str]) -> Settings {
    Settings {
        url: format!("smtp-plain://127.0.0.1:{port}"),
        from: "mw@example.org".to_owned(),
        to: to.iter().map(|to| (*to).to_owned()).collect(),
        allow_private_addresses: true,
        timeout: Duration::from_millis(500),
        ..Settings::new("mail", Kind::Smtp)
    }
}

#[tokio::test]
async fn a_mailbox_that_is_refused_takes_the_mail_from_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (port, mails) = mail_double(&[("gone@", "550 no such mailbox")], Duration::ZERO).await;
    let both = mail(port, &["gone@example.org", "here@example.org"]);
    let running = Running::start(folder.path(), vec![both]);
    running.deliver("mail", "a");
    until("the outcome", || running.outcomes().len() == 1).await;
    assert_eq!(
        (running.outcomes(), mails.lock().unwrap().len()),
        (vec![("a".to_owned(), true)], 1)
    );
    let (_, text) = running.lane("mail").last_error.unwrap();
    assert!(text.contains("gone@example.org") && text.contains("no such mailbox"), "{text}");
    running.office.stop();

    let folder = tempfile::tempdir().unwrap();
    let nobody = mail(port, &["gone@example.org"]);
    let running = Running::start(folder.path(), vec![nobody]);
    running.deliver("mail", "a");
    until("the outcome", || running.outcomes().len() == 1).await;
    assert_eq!(
        (running.outcomes(), mails.lock().unwrap().len()),
        (vec![("a".to_owned(), false)], 1)
    );
    running.office.stop();
}

#[tokio::test]
async fn a_mail_server_may_take_its_time_over_a_mail() {
    let folder = tempfile::tempdir().unwrap();
    let (port, mails) = mail_double(&[], Duration::from_secs(2)).await;
    let running = Running::start(folder.path(), vec![mail(port, &["here@example.org"])]);
    running.deliver("mail", "a");
    until("the outcome", || running.outcomes().len() == 1).await;
    assert_eq!(
        (running.outcomes(), mails.lock().unwrap().len()),
        (vec![("a".to_owned(), true)], 1)
    );
    assert_eq!(running.lane("mail").failed, 0);
    running.office.stop();
}

#[tokio::test]
async fn a_channel_that_hangs_delays_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (hanging, quick) = (Double::start(&[]).await, Double::start(&[OK]).await);
    // It hangs longer than the quick one may take: one worker for both would be seen.
    let slow = Settings { timeout: PATIENCE * 2, ..hook("slow", &hanging) };
    let running = Running::start(folder.path(), vec![slow, hook("quick", &quick)]);
    running.deliver("slow", "a");
    until("the hanging one is asked", || !hanging.got().is_empty()).await;
    for key in ["b", "c"] {
        running.deliver("quick", key);
        until("the quick one", || running.outcomes().contains(&(key.to_owned(), true))).await;
    }
    let lane = running.lane("slow");
    assert_eq!((lane.sent, lane.failed, lane.waiting), (0, 0, 1));
    assert_eq!(running.outcomes().len(), 2);
    running.office.stop();
}

#[tokio::test]
async fn an_attempt_that_hangs_is_ended_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let hanging = Double::start(&[]).await;
    let slow = Settings { timeout: Duration::from_millis(400), ..hook("slow", &hanging) };
    let running = Running::start(folder.path(), vec![slow]);
    running.deliver("slow", "a");
    until("the hanging one fails", || running.lane("slow").failed > 0).await;
    let (time, text) = running.lane("slow").last_error.unwrap();
    assert!(text.contains("no answer within 400ms") && time > UnixMs(0), "{text}");
    assert_eq!(running.lane("slow").waiting, 1);
    running.office.stop();
}

#[tokio::test]
async fn a_message_is_tried_for_a_day_and_then_given_up() {
    const BEGIN: UnixMs = UnixMs(1_795_345_200_000);
    const DAY: Duration = Duration::from_secs(86_400);
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(&["503 Away"]).await;
    let clock = Clock::manual(BEGIN);
    let open = || {
        let channels = vec![hook("x", &double)];
        Office::open(channels, folder.path(), clock.clone(), Box::new(|_| 0)).unwrap()
    };
    open().deliver(&notification("x", "a", true)).unwrap();
    let end = BEGIN + DAY;
    for (now, waiting, dead) in [(end - Duration::from_millis(1), 1, 0), (end, 0, 1)] {
        clock.set(now);
        let office = open();
        office.start().unwrap();
        until("an attempt", || office.lanes()[0].failed == 1).await;
        office.stop();
        let lane = &office.lanes()[0];
        assert_eq!((lane.waiting, lane.dead, lane.given_up), (waiting, dead, dead as u64));
    }
    let dead = &open().dead("x")[0];
    assert_eq!((dead.key.as_str(), dead.time, dead.died), ("a", BEGIN, end));
    assert_eq!(dead.reason, "HTTP 503");
}

#[tokio::test]
async fn private_addresses_and_redirects_lead_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(&["302 Found\nLocation: http://127.0.0.1:1/"]).await;
    let guarded = Settings { allow_private_addresses: false, ..hook("guarded", &double) };
    let running = Running::start(folder.path(), vec![guarded, hook("moved", &double)]);
    let refused = running.office.test("guarded").await.unwrap().unwrap_err();
    assert!(refused.reason.contains("allow_private_addresses = true"), "{refused}");
    assert_eq!(double.got().len(), 0);
    let moved = running.office.test("moved").await.unwrap().unwrap_err();
    assert!(moved.reason.contains("redirects are not followed"), "{moved}");
    assert_eq!(double.got().len(), 1);
    assert!(running.office.test("none").await.is_err());
    running.office.stop();
}

/// Addresses of this machine are refused before anything is connected to, in whatever way they are written.
#[tokio::test]
async fn private_addresses_are_not_even_connected_to() {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let is_connected = || listener.accept().is_ok();
    let channel = |url: &str, kind, is_allowed| Settings {
        url: url.replace("PORT", &port.to_string()),
        from: "watch@a.example".to_owned(),
        to: vec!["ops@a.example".to_owned()],
        allow_private_addresses: is_allowed,
        timeout: Duration::from_millis(300),
        ..Settings::new(url, kind)
    };
    let urls = [
        ("http://127.0.0.1:PORT/", Kind::Webhook),
        ("http://localhost:PORT/", Kind::Webhook),
        ("http://[::ffff:127.0.0.1]:PORT/", Kind::Webhook),
        ("https://localhost:PORT/", Kind::Webhook),
        ("smtp-plain://127.0.0.1:PORT", Kind::Smtp),
        ("smtp://localhost:PORT", Kind::Smtp),
        ("smtps://localhost:PORT", Kind::Smtp),
    ];
    let (refused, allowed) = (folder.path().join("refused"), folder.path().join("allowed"));
    let open = |folder: &Path, is_allowed| {
        let channels = urls.iter().map(|(url, kind)| channel(url, *kind, is_allowed)).collect();
        Running::open(folder, channels)
    };
    let running = open(&refused, false);
    for (url, _) in urls {
        let failure = running.office.test(url).await.unwrap().unwrap_err();
        assert!(failure.reason.contains("allow_private_addresses = true"), "{url}: {failure}");
        assert!(!is_connected(), "{url}");
    }
    // The same are connected to where that is allowed, so that the listener would have seen the others.
    let running = open(&allowed, true);
    for (url, _) in urls {
        assert!(running.office.test(url).await.unwrap().is_err(), "nobody answers {url}");
        assert!(is_connected(), "{url}");
        while is_connected() {}
    }
}

#[tokio::test]
async fn a_password_is_not_sent_in_clear() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "s3cret").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let mail = Settings {
        url: format!("smtp-plain://{}", listener.local_addr().unwrap()),
        secret: Reference::parse(&format!("file:{}", file.display())),
        username: "watch".to_owned(),
        from: "watch@a.example".to_owned(),
        to: vec!["ops@a.example".to_owned()],
        allow_private_addresses: true,
        ..Settings::new("mail", Kind::Smtp)
    };
    let running = Running::start(&folder.path().join("queue"), vec![mail]);
    running.deliver("mail", "a");
    until("it is given up", || running.lane("mail").dead == 1).await;
    let reason = &running.office.dead("mail")[0].reason;
    assert_eq!(reason, "a password is not sent in clear: use smtp:// or smtps://");
    assert!(listener.accept().is_err(), "nobody is connected to");
    running.office.stop();
}

#[tokio::test]
async fn two_hundred_with_an_error_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "t0ken\n").unwrap();
    let double = Double::start(&[
        "200 OK\n\n{\"errcode\":310000,\"errmsg\":\"bad token t0ken\"}",
        "200 OK\n\n{\"errcode\":130101,\"errmsg\":\"too fast\"}",
        "200 OK\n\n{\"errcode\":0,\"errmsg\":\"ok\"}",
    ])
    .await;
    let ding = Settings {
        token: Reference::parse(&format!("file:{}", file.display())),
        url: double.url(),
        allow_private_addresses: true,
        ..Settings::new("ding", Kind::DingTalk)
    };
    let running = Running::start(&folder.path().join("queue"), vec![ding]);
    running.deliver("ding", "a");
    until("a is dead", || running.lane("ding").dead == 1).await;
    let reason = &running.office.dead("ding")[0].reason;
    assert_eq!(reason, "errcode 310000 bad token ***");
    running.deliver("ding", "b");
    until("b has failed", || running.lane("ding").failed == 2).await;
    assert_eq!((running.lane("ding").waiting, running.lane("ding").dead), (1, 1));
    assert!(double.got()[0].head.starts_with("POST /hook/robot/send?access_token=t0ken HTTP"));
    running.office.stop();
}

#[tokio::test]
async fn resolved_alerts_go_only_where_they_are_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(&[OK]).await;
    let quiet = Settings { send_resolved: false, ..hook("quiet", &double) };
    let running = Running::start(folder.path(), vec![quiet, hook("all", &double)]);
    running.office.deliver(&notification("quiet", "a", false)).unwrap();
    running.office.deliver(&notification("all", "b", false)).unwrap();
    running.deliver("quiet", "c");
    until("two", || running.outcomes().len() == 2).await;
    let mut keys = double.keys();
    keys.sort();
    assert_eq!(keys, ["b", "c"]);
    assert!(running.office.deliver(&notification("none", "a", true)).is_err());
    running.office.stop();
}

#[tokio::test]
async fn files_are_sent_and_what_waits_survives() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(&[OK]).await;
    let before = Running::open(folder.path(), vec![hook("x", &double)]);
    before.deliver("x", "a");
    let file = FileToSend {
        key: "week-48".to_owned(),
        subject: "Week 48".to_owned(),
        text: "the report".to_owned(),
        file_name: "week.pdf".to_owned(),
        media_type: "application/pdf".to_owned(),
        bytes: b"%PDF".to_vec(),
    };
    before.office.send_file("x", file.clone()).unwrap();
    before.office.send_file("x", file).unwrap();
    assert_eq!(before.lane("x").waiting, 2);
    drop(before);
    let running = Running::start(folder.path(), vec![hook("x", &double)]);
    until("both", || running.outcomes().len() == 2).await;
    let got = double.got();
    assert_eq!((got[0].key(), &got[1].body["base64"]), ("a".to_owned(), &"JVBERg==".into()));
    running.office.stop();
    let none = Running::start(folder.path(), Vec::new());
    assert_eq!(none.office.lanes().len(), 0);
    none.office.stop();
}

#[tokio::test]
async fn rates_hold_across_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let (double, other) = (Double::start(&[OK]).await, Double::start(&[OK]).await);
    let rate = Rate { count: 2, period: Duration::from_secs(3_600) };
    let limited = || vec![Settings { rate, ..hook("x", &double) }, hook("free", &other)];
    let running = Running::start(folder.path(), limited());
    for key in ["a", "b", "c"] {
        running.deliver("x", key);
    }
    until("two", || running.outcomes().len() == 2).await;
    let refused = running.office.test("x").await.unwrap().unwrap_err();
    assert!(refused.reason.contains("2/h"), "{refused}");
    running.office.stop();
    let running = Running::start(folder.path(), limited());
    assert!(running.office.test("x").await.unwrap().is_err());
    // While others are sent there would be time enough for one too many.
    for key in ["d", "e", "f"] {
        running.deliver("free", key);
        until("another channel's", || other.keys().contains(&key.to_owned())).await;
    }
    let lane = running.lane("x");
    assert_eq!((lane.waiting, lane.sent, lane.failed), (1, 0, 0));
    assert_eq!(double.keys(), ["a", "b"]);
    running.office.stop();
}

#[tokio::test]
async fn pictures_go_where_they_can_be_shown() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(&[OK]).await;
    let ntfy = Settings { to: vec!["t".to_owned()], kind: Kind::Ntfy, ..hook("ntfy", &double) };
    let running = Running::open(folder.path(), vec![ntfy, hook("plain", &double)]);
    let drawn = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&drawn);
    running.office.draw_with(Box::new(move |told| {
        noted.lock().unwrap().push(told.channel.clone());
        Some(b"PNG".to_vec())
    }));
    running.office.start().unwrap();
    running.deliver("ntfy", "a");
    until("one", || running.outcomes().len() == 1).await;
    assert!(double.got()[0].head.starts_with("PUT /hook/t?title="), "{}", double.got()[0].head);
    running.deliver("plain", "b");
    until("two", || running.outcomes().len() == 2).await;
    assert!(double.got()[1].head.starts_with("POST /hook HTTP"), "{}", double.got()[1].head);
    assert_eq!(double.got()[1].key(), "b");
    assert_eq!(*drawn.lock().unwrap(), ["ntfy"]);
    running.office.stop();
}

#[tokio::test]
async fn a_template_of_ones_own_is_used_and_one_that_fails_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let double = Double::start(&[OK]).await;
    let ntfy = |name: &str, text: &str| Settings {
        to: vec!["t".to_owned()],
        kind: Kind::Ntfy,
        template_title: "{{ .Status | toUpper }}".to_owned(),
        template_text: text.to_owned(),
        ..hook(name, &double)
    };
    let channels = vec![ntfy("good", "{{ .Alerts | len }} 条"), ntfy("bad", "{{ .Nothing }}")];
    let running = Running::start(folder.path(), channels);
    running.deliver("good", "a");
    until("the good one", || running.outcomes().len() == 1).await;
    running.deliver("bad", "b");
    until("the bad one", || running.outcomes().len() == 2).await;
    let got = double.got();
    assert_eq!(
        (&got[0].body["title"], &got[0].body["message"]),
        (&"FIRING".into(), &"1 条".into())
    );
    let text = got[1].body["message"].as_str().unwrap();
    assert!(text.starts_with("an engine is down\n") && text.contains("Nothing"), "{text}");
    running.office.stop();
}
