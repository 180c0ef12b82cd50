//! A process that is killed while it takes and sends messages: each one that it acknowledged arrives at the double of
//! a service, and whatever arrives twice has the same key.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may")]
#![expect(clippy::print_stdout, reason = "the child speaks to its parent, the parent to a person")]

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use deliver::{Kind, Office, Rate, Settings};
use model::{
    Clock, Labels,
    alert::{Alert, Notification, Notified, Reason},
};

/// Set for the child: where its queue is, where it sends to, and the number it begins with.
const FOLDER: &str = "DELIVER_CRASH_FOLDER";
const URL: &str = "DELIVER_CRASH_URL";
const FIRST: &str = "DELIVER_CRASH_FIRST";
const TEST: &str = "acknowledged_messages_arrive_through_kill_9";
/// More with DELIVER_CRASH_KILLS=500.
const KILLS: u64 = 15;
const LIFE_MS_MAX: u64 = 150;
const MESSAGES_OF_LIFE: u64 = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(120);

/// The body of a message by its key, and how often it came.
type Seen = Arc<Mutex<BTreeMap<String, (String, usize)>>>;

#[test]
fn acknowledged_messages_arrive_through_kill_9() {
    if let Some(folder) = env::var_os(FOLDER) {
        let first = env::var(FIRST).unwrap().parse().unwrap();
        take_forever(Path::new(&folder), &env::var(URL).unwrap(), first);
    }
    let kills = env::var("DELIVER_CRASH_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (url, seen) = double();
    let mut acknowledged = Vec::new();
    for kill in 0..kills {
        let life = Duration::from_millis(20 + kill * 7_919 % LIFE_MS_MAX);
        acknowledged.extend(kill_after(folder.path(), &url, kill * MESSAGES_OF_LIFE, life));
    }
    let office = open(folder.path(), &url);
    office.start().unwrap();
    let clock = Clock::system();
    while office.lanes()[0].waiting > 0 {
        assert!(clock.monotonic() < PATIENCE, "{:?}", office.lanes());
        std::thread::sleep(Duration::from_millis(10));
    }
    office.stop();
    assert_eq!(office.lanes()[0].dead, 0);
    let seen = seen.lock().unwrap();
    for key in &acknowledged {
        assert!(seen.contains_key(key), "{key} was acknowledged and did not arrive");
    }
    assert!(acknowledged.len() as u64 > kills, "{} acknowledged", acknowledged.len());
    let twice = seen.values().filter(|(_, count)| *count > 1).count();
    let most = seen.values().map(|(_, count)| *count).max().unwrap();
    assert!(twice as u64 <= kills, "{twice} came twice: more than one for a kill");
    println!(
        "{kills} kills, {} messages acknowledged, all arrived, {twice} more than once (at most {most} times)",
        acknowledged.len()
    );
}

/// A service that takes everything, one message at a time, a little slowly.
fn double() -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}/", listener.local_addr().unwrap().port());
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // The child may be killed in the middle of a request.
            hear(stream, &noted).ok();
        }
    });
    (url, seen)
}

fn hear(mut stream: TcpStream, seen: &Seen) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 4_096];
    let body = loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
        if body.len() == length.parse::<usize>().unwrap() {
            break body.to_owned();
        }
    };
    let value: serde_json::Value = serde_json::from_str(&body).unwrap();
    let key = value["modelwatch"]["key"].as_str().unwrap().to_owned();
    {
        let mut seen = seen.lock().unwrap();
        let (first, count) = seen.entry(key).or_insert_with(|| (body.clone(), 0));
        assert_eq!(*first, body, "one key, two messages");
        *count += 1;
    }
    std::thread::sleep(Duration::from_millis(2));
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
}

fn open(folder: &Path, url: &str) -> Office {
    let channel = Settings {
        url: url.to_owned(),
        allow_private_addresses: true,
        rate: Rate { count: 1_000, period: Duration::from_secs(1) },
        ..Settings::new("x", Kind::Webhook)
    };
    Office::open(vec![channel], folder, Clock::system(), Box::new(|_| 0)).unwrap()
}

/// Lets a child work for `life` after its first acknowledgement, kills it, and returns the keys that it acknowledged.
fn kill_after(folder: &Path, url: &str, first: u64, life: Duration) -> Vec<String> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .env(URL, url)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (begin, begun) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let lines = lines.map_while(Result::ok);
        // The last line may have been cut in the middle; only whole ones count.
        let taken = lines
            .filter_map(|line| Some(line.strip_prefix("taken ")?.strip_suffix('.')?.to_owned()));
        // Nobody listens after the first one.
        let told = taken.inspect(|_| begin.send(()).unwrap_or_default());
        told.collect::<Vec<String>>()
    });
    let has_begun = begun.recv_timeout(PATIENCE);
    std::thread::sleep(life);
    child.kill().unwrap();
    child.wait().unwrap();
    has_begun.expect("a life acknowledges something");
    reader.join().unwrap()
}

fn take_forever(folder: &Path, url: &str, first: u64) -> ! {
    let office = open(folder, url);
    office.start().unwrap();
    for number in first.. {
        let key = format!("k{number}");
        while office.deliver(&notification(&key)).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
        println!("taken {key}.");
    }
    unreachable!("numbers do not end")
}

fn notification(key: &str) -> Notification {
    let now = Clock::system().now();
    let alert = Alert {
        labels: Labels::from_pairs([("alertname", "EngineDown"), ("key", key)]),
        annotations: Vec::new(),
        starts_at: now,
        ends_at: now,
        generator_url: String::new(),
        value: None,
    };
    Notification {
        key: key.to_owned(),
        incident: key.to_owned(),
        channel: "x".to_owned(),
        group_key: "{}:{}".to_owned(),
        reason: Reason::First,
        time: now,
        severity: "warning".to_owned(),
        group_labels: Vec::new(),
        common_labels: Vec::new(),
        common_annotations: Vec::new(),
        alerts: vec![Notified { alert, is_firing: true }],
        truncated: 0,
        url: String::new(),
    }
}
