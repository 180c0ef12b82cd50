//! The post office: takes messages into the queue, and has one task a channel that sends them in their order.
//!
//! All tasks run on one thread of their own, so that neither a service that hangs nor a disk that is slow holds up
//! anything else of the program.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use model::{
    Clock, Labels, UnixMs,
    alert::{Alert, Notification, Notified, Reason},
    message::{Language, render},
};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use crate::{
    Failure, Settings, client,
    codec::Item,
    content::{self, Line, Told},
    custom::Custom,
    kinds::{self, Access, Job, Way},
    queue::{DeadEntry, Entry, PutError, Queue},
    rate::Window,
    turns::Turns,
};

/// How long a message is tried before it is given up.
const TRYING_MAX: Duration = Duration::from_secs(86_400);
/// How much is left of each text of a notification that is too large for the queue.
const CUT_CHARS: usize = 500;
/// How long a message that is being sent may go on when the program ends.
const LAST_PATIENCE: Duration = Duration::from_secs(2);
/// How long a drawing may take.
const PICTURE_PATIENCE: Duration = Duration::from_secs(5);

/// What became of a message in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub key: String,
    pub channel: String,
    pub is_ok: bool,
    /// Why not; empty where it was taken.
    pub detail: String,
    pub time: UnixMs,
}

/// Is told outcomes, on the office's thread: it must not take long.
pub type Tell = Box<dyn Fn(Outcome) + Send + Sync>;
/// Draws what a notification is about, as a PNG.
pub type Picture = Box<dyn Fn(&Notification) -> Option<Vec<u8>> + Send + Sync>;
/// How many minutes local time is ahead of UTC.
pub type Offset = Box<dyn Fn(UnixMs) -> i64 + Send + Sync>;

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    #[error("there is no channel {0}")]
    NoChannel(String),
    #[error(transparent)]
    Queue(#[from] PutError),
}

/// A report or the like.
#[derive(Clone, Debug)]
pub struct FileToSend {
    /// What was taken under this key is not taken again.
    pub key: String,
    pub subject: String,
    pub text: String,
    pub file_name: String,
    pub media_type: String,
    pub bytes: Vec<u8>,
}

/// How a channel is.
#[derive(Clone, Debug)]
pub struct Lane {
    pub name: String,
    /// Absent where messages are kept for a channel that the configuration no longer has.
    pub settings: Option<Settings>,
    pub waiting: usize,
    pub dead: usize,
    /// Messages that were taken, attempts that failed, messages that were given up, since the program began.
    pub sent: u64,
    pub failed: u64,
    pub given_up: u64,
    /// What the attempts that worked took.
    pub seconds: f64,
    pub last_sent: Option<UnixMs>,
    pub last_error: Option<(UnixMs, String)>,
}

/// A message that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dead {
    pub id: u64,
    pub key: String,
    pub title: String,
    /// When it was taken.
    pub time: UnixMs,
    pub died: UnixMs,
    pub reason: String,
}

#[derive(Debug, Default)]
struct Stats {
    sent: u64,
    failed: u64,
    given_up: u64,
    seconds: f64,
    last_sent: Option<UnixMs>,
    last_error: Option<(UnixMs, String)>,
}

struct Channel {
    settings: Settings,
    custom: Custom,
    /// A message came, or one was raised from the dead.
    wake: Notify,
    window: Mutex<Window>,
    stats: Mutex<Stats>,
}

struct Shared {
    queue: Mutex<Queue>,
    channels: Vec<Arc<Channel>>,
    clock: Clock,
    offset: Offset,
    tell: OnceLock<Tell>,
    picture: OnceLock<Picture>,
}

/// See the module.
pub struct Office {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Office {
    /// Opens the queue in `folder`. Messages are taken from now on and sent after [`Office::start`].
    pub fn open(
        channels: Vec<Settings>,
        folder: &Path,
        clock: Clock,
        offset: Offset,
    ) -> io::Result<Self> {
        let (queue, skipped) = Queue::open(folder, clock.clone())?;
        if skipped > 0 {
            tracing::warn!(
                "{skipped} lines of the queue of notifications cannot be read and are left out"
            );
        }
        let (now, monotonic) = (clock.now(), clock.monotonic());
        let channels = channels.into_iter().map(|settings| {
            let mut window = Window::new(settings.rate);
            // What the last run sent counts for the service, not for us alone; the age keeps its distance.
            for time in queue.sent_since(&settings.name, now - settings.rate.period) {
                let age = Duration::from_millis(u64::try_from(now.0 - time.0).unwrap_or(0));
                window.note(monotonic, age);
            }
            // What cannot be used was refused with the configuration.
            let custom = Custom::parse(&settings).unwrap_or_default();
            let (window, stats) = (Mutex::new(window), Mutex::default());
            Arc::new(Channel { settings, custom, wake: Notify::new(), window, stats })
        });
        let channels = channels.collect();
        let (tell, picture) = (OnceLock::new(), OnceLock::new());
        let shared = Shared { queue: Mutex::new(queue), channels, clock, offset, tell, picture };
        Ok(Self {
            shared: Arc::new(shared),
            stop: watch::channel(false).0,
            thread: Mutex::new(None),
        })
    }

    /// Who is told outcomes. Counts once, before the start.
    pub fn tell_outcomes(&self, tell: Tell) {
        self.shared.tell.set(tell).ok();
    }

    /// Who draws. Counts once.
    pub fn draw_with(&self, picture: Picture) {
        self.shared.picture.set(picture).ok();
    }

    /// Begins to send, on a thread of its own.
    pub fn start(&self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (shared, stop) = (Arc::clone(&self.shared), self.stop.subscribe());
        let thread = std::thread::Builder::new().name("deliver".to_owned()).spawn(move || {
            runtime.block_on(serve(shared, stop));
            runtime.shutdown_timeout(Duration::from_millis(100));
        })?;
        *lock(&self.thread) = Some(thread);
        Ok(())
    }

    /// Ends. What waits stays on disk.
    pub fn stop(&self) {
        self.stop.send_replace(true);
        if let Some(thread) = lock(&self.thread).take()
            && thread.join().is_err()
        {
            tracing::error!("the sender of notifications ended abnormally");
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.channel(name).is_some()
    }

    /// What is set of a channel.
    pub fn settings(&self, name: &str) -> Option<&Settings> {
        self.channel(name).map(|channel| &channel.settings)
    }

    fn channel(&self, name: &str) -> Option<&Arc<Channel>> {
        self.shared.channels.iter().find(|channel| channel.settings.name == name)
    }

    fn wanted(&self, name: &str) -> Result<&Arc<Channel>, DeliverError> {
        self.channel(name).ok_or_else(|| DeliverError::NoChannel(name.to_owned()))
    }

    /// Takes a notification: it is on disk when this returns `Ok`, or was taken before, or the channel is not to be
    /// told that something is over.
    pub fn deliver(&self, notification: &Notification) -> Result<(), DeliverError> {
        let channel = self.wanted(&notification.channel)?;
        let mut told = notification.clone();
        if !channel.settings.send_resolved {
            told.alerts.retain(|alert| alert.is_firing);
            if told.alerts.is_empty() {
                return Ok(());
            }
        }
        let mut is_cut = false;
        loop {
            let item = Item::Notification(Box::new(told.clone()));
            match lock(&self.shared.queue).put(&told.channel, &told.key, item, None) {
                // Half of the alerts say enough; the others are counted. Of one alone the texts are cut: what is
                // refused for good would keep everything behind it waiting.
                Err(PutError::TooLarge) if told.alerts.len() > 1 => {
                    let left = told.alerts.split_off(told.alerts.len() / 2);
                    told.truncated += left.len() as u64;
                }
                Err(PutError::TooLarge) if !is_cut => {
                    is_cut = true;
                    cut_texts(&mut told);
                }
                taken => {
                    taken?;
                    break;
                }
            }
        }
        channel.wake.notify_one();
        Ok(())
    }

    /// Takes a file: attached where the kind of channel can, else told of.
    pub fn send_file(&self, name: &str, file: FileToSend) -> Result<(), DeliverError> {
        let channel = self.wanted(name)?;
        let FileToSend { key, subject, text, file_name, media_type, bytes } = file;
        let item = Item::File { subject, text, file_name, media_type };
        lock(&self.shared.queue).put(name, &key, item, Some(&bytes))?;
        channel.wake.notify_one();
        Ok(())
    }

    /// Sends a test past the queue and says how long it took.
    pub async fn test(&self, name: &str) -> Result<Result<Duration, Failure>, DeliverError> {
        let channel = Arc::clone(self.wanted(name)?);
        let clock = &self.shared.clock;
        let wait = lock(&channel.window).wait(clock.monotonic());
        if wait > channel.settings.timeout {
            let rate = channel.settings.rate;
            return Ok(Err(Failure::after(
                format!("the channel has sent {rate} already; it may again in {wait:.0?}"),
                wait,
            )));
        }
        sleep(wait).await;
        // Somebody else may have used the place that came free.
        let wait = lock(&channel.window).wait(clock.monotonic());
        if wait > Duration::ZERO {
            let rate = channel.settings.rate;
            return Ok(Err(Failure::after(format!("the channel has sent {rate} already"), wait)));
        }
        let notification = test_notification(&channel.settings, clock.now());
        let entry = Entry {
            id: 0,
            key: notification.key.clone(),
            time: clock.now(),
            item: Arc::new(Item::Notification(Box::new(notification))),
        };
        Ok(attempt(&self.shared, &channel, entry).await)
    }

    /// How the channels are, as the configuration has them, then those that only the queue still knows.
    pub fn lanes(&self) -> Vec<Lane> {
        let queue = lock(&self.shared.queue);
        let configured = self.shared.channels.iter().map(|channel| {
            let (stats, settings) = (lock(&channel.stats), &channel.settings);
            Lane {
                name: settings.name.clone(),
                settings: Some(settings.clone()),
                waiting: queue.waiting(&settings.name),
                dead: queue.dead_count(&settings.name),
                sent: stats.sent,
                failed: stats.failed,
                given_up: stats.given_up,
                seconds: stats.seconds,
                last_sent: stats.last_sent,
                last_error: stats.last_error.clone(),
            }
        });
        let left = queue.channels().filter(|name| !self.has(name)).map(|name| Lane {
            name: name.to_owned(),
            settings: None,
            waiting: queue.waiting(name),
            dead: queue.dead_count(name),
            sent: 0,
            failed: 0,
            given_up: 0,
            seconds: 0.0,
            last_sent: None,
            last_error: None,
        });
        configured.chain(left).collect()
    }

    /// The dead letters of a channel, newest first.
    pub fn dead(&self, name: &str) -> Vec<Dead> {
        let dead = lock(&self.shared.queue).dead(name);
        let told = |DeadEntry { entry, died, reason }| Dead {
            id: entry.id,
            title: entry.item.title(),
            key: entry.key,
            time: entry.time,
            died,
            reason,
        };
        dead.into_iter().map(told).collect()
    }

    /// Sends a dead letter again. `Ok(false)`: there is none with this id.
    pub fn retry(&self, name: &str, id: u64) -> Result<bool, DeliverError> {
        let channel = self.wanted(name)?;
        let is_there = lock(&self.shared.queue).retry(name, id)?;
        channel.wake.notify_one();
        Ok(is_there)
    }

    /// Forgets a dead letter. `Ok(false)`: there is none with this id.
    pub fn forget(&self, name: &str, id: u64) -> Result<bool, DeliverError> {
        Ok(lock(&self.shared.queue).forget(name, id).map_err(PutError::Io)?)
    }
}

/// Sends until it is told to stop.
async fn serve(shared: Arc<Shared>, stop: watch::Receiver<bool>) {
    let tasks: Vec<_> = shared
        .channels
        .iter()
        .map(|channel| tokio::spawn(run(Arc::clone(&shared), Arc::clone(channel), stop.clone())))
        .collect();
    for task in tasks {
        if task.await.is_err() {
            tracing::error!("a channel of notifications ended abnormally");
        }
    }
    // Without channels too: whoever stops the office waits for this thread.
    let mut stop = stop;
    drop(stop.wait_for(|stop| *stop).await);
}

/// One channel's turn.
async fn run(shared: Arc<Shared>, channel: Arc<Channel>, mut stop: watch::Receiver<bool>) {
    let name = &channel.settings.name;
    let mut turns = Turns::default();
    loop {
        let now = shared.clock.monotonic();
        let next = turns.next(lock(&shared.queue).entries(name), now).map(|(entry, wait)| {
            let wait = wait.max(lock(&channel.window).wait(now));
            (entry.clone(), wait)
        });
        let pause = next.as_ref().map(|(_, wait)| *wait);
        let waiting = async {
            match pause {
                None => channel.wake.notified().await,
                Some(pause) => sleep(pause).await,
            }
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = waiting => {}
        }
        // After a pause all is looked at again: a test may have gone in between.
        let Some((entry, Duration::ZERO)) = next else { continue };
        let sending = attempt(&shared, &channel, entry.clone());
        let result = tokio::select! {
            result = sending => result,
            // It may have arrived or not: it is sent again, with the same key.
            () = async { drop(stop.wait_for(|stop| *stop).await); sleep(LAST_PATIENCE).await } => return,
        };
        settle(&shared, &channel, &entry, result, &mut turns);
    }
}

/// Writes down what became of an attempt.
fn settle(
    shared: &Shared,
    channel: &Channel,
    entry: &Entry,
    result: Result<Duration, Failure>,
    turns: &mut Turns,
) {
    let monotonic = shared.clock.monotonic();
    let (name, now) = (&channel.settings.name, shared.clock.now());
    let outcome = |is_ok, detail: String| Outcome {
        key: entry.key.clone(),
        channel: name.clone(),
        is_ok,
        detail,
        time: now,
    };
    let (written, outcome) = match result {
        Ok(_) => {
            turns.taken(entry.id, monotonic);
            (lock(&shared.queue).done(name, entry.id), outcome(true, String::new()))
        }
        Err(failure) => {
            let age = Duration::from_millis(u64::try_from(now.0 - entry.time.0).unwrap_or(0));
            if failure.is_passing && age < TRYING_MAX {
                tracing::warn!("channel {name}: {failure}; it is tried again");
                turns.failed(entry.id, failure.after, monotonic);
                return;
            }
            turns.gone(entry.id);
            tracing::error!("channel {name}: {failure}; the message is given up");
            lock(&channel.stats).given_up += 1;
            let written = lock(&shared.queue).bury(name, entry.id, &failure.reason);
            (written, outcome(false, failure.reason))
        }
    };
    if let Err(error) = written {
        // It goes on: the worst that follows is that the message is sent once more after a restart.
        tracing::error!("the queue of notifications cannot be written: {error}");
    }
    if let Some(tell) = shared.tell.get() {
        tell(outcome);
    }
}

/// Sends a message once, counts that, and says how long it took.
async fn attempt(
    shared: &Arc<Shared>,
    channel: &Arc<Channel>,
    entry: Entry,
) -> Result<Duration, Failure> {
    let started = shared.clock.monotonic();
    lock(&channel.window).note(started, Duration::ZERO);
    // A task of its own: whatever panics within it fails this message and nothing else.
    let sending = Sending(tokio::spawn(send(Arc::clone(shared), Arc::clone(channel), entry)));
    let result = sending.end().await;
    let took = shared.clock.monotonic().saturating_sub(started);
    let (mut stats, now) = (lock(&channel.stats), shared.clock.now());
    match result {
        Ok(refused) => {
            stats.sent += 1;
            stats.seconds += took.as_secs_f64();
            stats.last_sent = Some(now);
            if let Some(refused) = refused {
                tracing::warn!("channel {}: {refused}", channel.settings.name);
                stats.last_error = Some((now, refused));
            }
            Ok(took)
        }
        Err(failure) => {
            stats.failed += 1;
            stats.last_error = Some((now, failure.reason.clone()));
            Err(failure)
        }
    }
}

/// `Some`: it was taken, but not for everybody who was named.
type Sent = Result<Option<String>, Failure>;

/// A task that ends when nobody waits for it any more.
struct Sending(tokio::task::JoinHandle<Sent>);

impl Sending {
    async fn end(mut self) -> Sent {
        let ended = (&mut self.0).await;
        ended.unwrap_or_else(|_| {
            Err(Failure::lasting("modelwatch itself failed while sending this"))
        })
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn send(shared: Arc<Shared>, channel: Arc<Channel>, entry: Entry) -> Sent {
    let settings = &channel.settings;
    let service = kinds::service(settings.kind);
    let access = access(settings)?;
    let secrets = [access.token.as_str(), access.secret.as_str()];
    let secret_url = if settings.secret_url.is_some() { access.url.as_str() } else { "" };
    let file =
        match *entry.item {
            Item::File { .. } if service.has_files => {
                let bytes = lock(&shared.queue).file_bytes(entry.id);
                Some(bytes.map_err(|error| {
                    Failure::lasting(format!("the file to send is gone: {error}"))
                })?)
            }
            _ => None,
        };
    let mut told = told(&shared, &channel, &entry.item, service.has_files);
    let picture = match &*entry.item {
        Item::Notification(_) if settings.has_chart && service.has_pictures => {
            draw(&shared, &entry.item).await
        }
        _ => None,
    };
    let once = async |told: &Told, picture: Option<&[u8]>| {
        let job = Job {
            settings,
            access: &access,
            item: &entry.item,
            told,
            picture,
            file: file.as_deref(),
            key: &entry.key,
            now: shared.clock.now(),
        };
        match &service.way {
            Way::Mail => kinds::smtp::send(&job).await,
            Way::Command => kinds::command::send(&job).await.map(|()| None),
            Way::Http { call, judge } => {
                let call = call(&job)?;
                let reply = client::send(&call, settings).await;
                reply.and_then(|reply| judge(&reply)).map(|()| None)
            }
        }
    };
    let mut result = once(&told, picture.as_deref()).await;
    // A service that takes no pictures, or nothing that a template made of it, is told without. A mail server refuses for
    // other reasons, and counts wrong passwords.
    let is_adorned = picture.is_some() || told.custom.is_some();
    if is_adorned
        && matches!(service.way, Way::Http { .. })
        && result.as_ref().is_err_and(|failure| !failure.is_passing)
    {
        told.custom = None;
        lock(&channel.window).note(shared.clock.monotonic(), Duration::ZERO);
        result = once(&told, None).await;
    }
    // Servers repeat what they were asked for.
    let path = secret_url.find("://").and_then(|at| {
        let rest = secret_url.get(at + 3..)?;
        rest.find('/').and_then(|at| rest.get(at..))
    });
    let masked =
        |failure: Failure| failure.without(&secrets).without(&[secret_url, path.unwrap_or("")]);
    match result {
        Ok(refused) => Ok(refused.map(|text| masked(Failure::lasting(text)).reason)),
        Err(failure) => Err(masked(failure)),
    }
}

/// Cuts the texts of a notification that is too large although it has one alert.
fn cut_texts(told: &mut Notification) {
    let own = told.alerts.iter_mut().map(|alert| &mut alert.alert.annotations);
    let all = own.chain([&mut told.common_annotations, &mut told.common_labels]);
    for (_, text) in all.flatten() {
        if text.chars().count() > CUT_CHARS {
            *text = text.chars().take(CUT_CHARS).chain(['…']).collect();
        }
    }
}

/// What opens the channel, read anew each time.
fn access(settings: &Settings) -> Result<Access, Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    let read = |reference: &Option<crate::Reference>| match reference {
        None => Ok(String::new()),
        // Somebody may be writing the file at this moment.
        Some(reference) => reference.read(&variable).map_err(Failure::passing),
    };
    let url = match (read(&settings.secret_url)?, settings.url.as_str()) {
        (secret, _) if !secret.is_empty() => secret,
        (_, "") => settings.kind.default_url().to_owned(),
        (_, url) => url.to_owned(),
    };
    // Paths follow where the service has a base; another address is what somebody wrote, to the last slash.
    let has_base = !kinds::service(settings.kind).base.is_empty();
    let url = if has_base { url.trim_end_matches('/').to_owned() } else { url };
    Ok(Access { url, token: read(&settings.token)?, secret: read(&settings.secret)? })
}

fn told(shared: &Shared, channel: &Channel, item: &Item, has_files: bool) -> Told {
    let language = channel.settings.language;
    match item {
        Item::Notification(notification) => {
            let mut told = content::of_notification(notification, language, &shared.offset);
            match channel.custom.render(notification, &told.title) {
                Ok((title, text)) => {
                    told.title = title.unwrap_or(told.title);
                    told.custom = text.filter(|text| !text.trim().is_empty());
                }
                // The message counts more than its looks.
                Err(error) => {
                    let params = [("reason", error.to_string())];
                    let line = render("notify.template_failed", &params, language);
                    told.lines.push(Line::Plain(line));
                }
            }
            told
        }
        Item::File { subject, text, file_name, .. } => {
            let mut lines: Vec<Line> =
                text.lines().map(|line| Line::Plain(line.to_owned())).collect();
            if !has_files {
                let params = [("name", file_name.as_str())];
                lines.push(Line::Plain(render("notify.file_dropped", &params, language)));
            }
            Told {
                title: subject.clone(),
                // Neither bad nor over: as what is said for information.
                is_firing: true,
                severity: "info".to_owned(),
                lines,
                custom: None,
                url: String::new(),
                language,
            }
        }
    }
}

/// A picture, or none where it takes too long: a message without one is better than a late one.
async fn draw(shared: &Arc<Shared>, item: &Arc<Item>) -> Option<Vec<u8>> {
    shared.picture.get()?;
    let (shared, item) = (Arc::clone(shared), Arc::clone(item));
    let drawing = tokio::task::spawn_blocking(move || match (&*item, shared.picture.get()) {
        (Item::Notification(notification), Some(picture)) => picture(notification),
        _ => None,
    });
    timeout(PICTURE_PATIENCE, drawing).await.ok()?.ok()?
}

/// What the test button sends.
fn test_notification(settings: &Settings, now: UnixMs) -> Notification {
    let text = |code: &str, language| render(code, &[("name", settings.name.as_str())], language);
    let annotations = ["remedy", "summary"].into_iter().flat_map(|name| {
        let code = format!("notify.test_{name}");
        [
            (name.to_owned(), text(&code, Language::English)),
            (format!("{name}_zh"), text(&code, Language::Chinese)),
        ]
    });
    let annotations: Vec<_> = annotations.collect();
    let labels = [("alertname", "ModelwatchTest"), ("severity", "info")];
    let owned = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let alert = Alert {
        labels: Labels::from_pairs(labels),
        annotations: annotations.clone(),
        starts_at: now,
        ends_at: now + Duration::from_secs(300),
        generator_url: String::new(),
        value: None,
    };
    Notification {
        key: format!("test-{}-{now}", settings.name),
        incident: "test".to_owned(),
        channel: settings.name.clone(),
        group_key: "{}:{alertname=\"ModelwatchTest\"}".to_owned(),
        reason: Reason::First,
        time: now,
        severity: "info".to_owned(),
        group_labels: vec![owned[0].clone()],
        common_labels: owned.into(),
        common_annotations: annotations,
        alerts: vec![Notified { alert, is_firing: true }],
        truncated: 0,
        url: String::new(),
    }
}

/// What a panicking thread left is whole: counters and lists are changed by single steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
