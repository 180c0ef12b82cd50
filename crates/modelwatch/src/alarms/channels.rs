//! The channels of the configuration: their queue below the data directory, and how they are doing.
//!
//! What a service wants to be told is in the crate `deliver`; who is told of what, in `alert`.

use std::{io, path::Path};

use deliver::{Dead, DeliverError, Failure, FileToSend, Lane, Office, Outcome, Picture};
use model::{
    Clock,
    alert::Notification,
    catalogue::{
        MODELWATCH_NOTIFICATION_SECONDS_TOTAL, MODELWATCH_NOTIFICATIONS_DEAD,
        MODELWATCH_NOTIFICATIONS_TOTAL, MODELWATCH_NOTIFICATIONS_WAITING, Metric,
    },
    message::Language,
};

use crate::{config::Channel, zone::Zone};

/// Where the data directory keeps what waits to be sent.
const FOLDER: &str = "alarms/queue";

/// See the module.
pub(crate) struct Channels(Office);

impl Channels {
    /// Opens the queue below the data directory. Nothing is sent before [`Channels::start`].
    pub(crate) fn open(
        channels: &[Channel],
        data: &Path,
        clock: &Clock,
        language: Language,
    ) -> io::Result<Self> {
        let settings = channels.iter().filter_map(|channel| channel.settings(language));
        let zone = Zone::local();
        let offset = move |at: model::UnixMs| zone.offset(at.0.div_euclid(1_000)) / 60;
        let folder = data.join(FOLDER);
        let office = Office::open(settings.collect(), &folder, clock.clone(), Box::new(offset));
        office.map(Self).map_err(|error| {
            io::Error::new(error.kind(), format!("the queue in {}: {error}", folder.display()))
        })
    }

    /// Who is told what became of messages. Counts once, before the start.
    pub(crate) fn tell_outcomes(&self, tell: impl Fn(Outcome) + Send + Sync + 'static) {
        self.0.tell_outcomes(Box::new(tell));
    }

    /// Who draws what a notification is about. Counts once.
    pub(crate) fn draw_with(&self, picture: Picture) {
        self.0.draw_with(picture);
    }

    /// The language of a channel.
    pub(crate) fn language(&self, name: &str) -> Language {
        self.0.settings(name).map_or(Language::English, |settings| settings.language)
    }

    pub(crate) fn start(&self) -> io::Result<()> {
        self.0.start()
    }

    pub(crate) fn stop(&self) {
        self.0.stop();
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.has(name)
    }

    /// Takes a notification over: it is on the disk when this returns `Ok`, or was taken before.
    pub(crate) fn deliver(&self, notification: &Notification) -> Result<(), DeliverError> {
        self.0.deliver(notification)
    }

    /// Takes a file over: attached to a mail, in base64 for a webhook or a command, as a document for Telegram and ntfy;
    /// the other kinds send the text, and say that there is a file.
    pub(crate) fn send_file(&self, channel: &str, file: FileToSend) -> Result<(), DeliverError> {
        self.0.send_file(channel, file)
    }

    /// Sends a test at once, and says how long it took.
    pub(crate) async fn test(
        &self,
        name: &str,
    ) -> Result<Result<std::time::Duration, Failure>, DeliverError> {
        self.0.test(name).await
    }

    pub(crate) fn lanes(&self) -> Vec<Lane> {
        self.0.lanes()
    }

    pub(crate) fn dead(&self, name: &str) -> Vec<Dead> {
        self.0.dead(name)
    }

    pub(crate) fn retry(&self, name: &str, id: u64) -> Result<bool, DeliverError> {
        self.0.retry(name, id)
    }

    pub(crate) fn forget(&self, name: &str, id: u64) -> Result<bool, DeliverError> {
        self.0.forget(name, id)
    }

    /// How the channels are doing, as samples.
    pub(crate) fn sample(&self, mut push: impl FnMut(&Metric, &[(&str, &str)], f64)) {
        for lane in self.0.lanes() {
            let kind = lane.settings.as_ref().map_or("", |settings| settings.kind.as_str());
            let labels = [("channel", lane.name.as_str()), ("kind", kind)];
            let outcomes =
                [("sent", lane.sent), ("failed", lane.failed), ("given_up", lane.given_up)];
            for (outcome, count) in outcomes {
                let labels = [labels[0], labels[1], ("outcome", outcome)];
                push(&MODELWATCH_NOTIFICATIONS_TOTAL, &labels, count as f64);
            }
            push(&MODELWATCH_NOTIFICATION_SECONDS_TOTAL, &labels, lane.seconds);
            push(&MODELWATCH_NOTIFICATIONS_WAITING, &labels, lane.waiting as f64);
            push(&MODELWATCH_NOTIFICATIONS_DEAD, &labels, lane.dead as f64);
        }
    }
}
