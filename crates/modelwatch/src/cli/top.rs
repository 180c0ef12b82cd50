//! `modelwatch top`: engines, accelerators and requests on a terminal, from a running modelwatch or, where none
//! runs, from collectors in this process.
//!
//! It changes nothing anywhere. What it shows is what the page shows, evaluated by the same expressions, and
//! what is not known is a dash. Exit status: 0 shown, 1 nothing could be shown, 2 an option is wrong.

mod detail;
mod json;
mod local;
mod memory;
mod paint;
mod questions;
mod read;
mod remote;
mod screens;
mod state;
mod table;
mod terminal;
mod ui;
mod view;
mod words;

use std::{
    io::{IsTerminal as _, stdout},
    process::ExitCode,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Duration,
};

use model::{
    Clock,
    message::{Language, render},
};
use ratatui::{buffer::Buffer, crossterm::event::KeyEvent, layout::Rect};

use self::{
    local::{Ending, Local},
    paint::{Paint, to_ascii},
    remote::Wishes,
    state::{News, State},
    terminal::Screen,
    ui::{Effect, Ui},
    view::{Origin, View},
    words::Words,
};
use super::{WRONG_USE, complain, peer::Peer, query, say};
use crate::{api::parse_duration_ms, config::Config};

/// Shortest time between two frames.
const FRAME: Duration = Duration::from_millis(100);
/// Even where nothing comes in, the clock and ages go on.
const TICK: Duration = Duration::from_secs(1);
/// News that wait to be taken in; who brings more waits.
const INPUTS_MAX: usize = 512;
/// How long a single look may collect before it shows what there is.
const LOOK_MAX: Duration = Duration::from_secs(15);
/// How long collectors may take to end once the reader has seen enough.
const QUIT_MAX: Duration = Duration::from_secs(2);
/// Columns of a frame that goes to no terminal.
const COLUMNS: u16 = 110;
/// Most lines of such a frame; rows beyond are counted.
const LINES_MAX: u16 = 500;
/// Words that `--gpus` may have.
const GPUS_MAX: usize = 256;

/// The words of the command line.
#[derive(Clone, clap::Args)]
pub(super) struct Options {
    #[arg(long, value_name = "URL")]
    connect: Option<String>,
    #[arg(long)]
    once: bool,
    #[arg(id = "top_json", long = "json")]
    json: bool,
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    gpus: Vec<String>,
    #[arg(long, value_name = "DURATION", default_value = "1s", hide_default_value = true)]
    interval: String,
    #[arg(id = "top_ascii", long = "ascii")]
    ascii: bool,
}

/// The arguments in the order of the help, by which their texts are found.
pub(super) const ARGUMENTS: &[&str] =
    &["connect", "once", "top_json", "gpus", "interval", "top_ascii"];

/// What reaches the thread that draws.
enum Input {
    Key(KeyEvent),
    Resize,
    News(Box<News>),
    Stop,
}

/// Who collects.
enum Source {
    Remote(Peer),
    Local(Box<Local>),
}

/// How a frame looks, whatever is in it.
#[derive(Clone, Copy)]
struct Look {
    words: Words,
    has_colour: bool,
    is_ascii: bool,
}

pub(super) fn top(config: &Config, options: &Options, language: Language) -> ExitCode {
    let wrong = |text: String| {
        complain(&format!("modelwatch: {text}"));
        ExitCode::from(WRONG_USE)
    };
    let words = Words(language);
    let Some(interval) = interval(&options.interval) else {
        return wrong(words.with("wrong_interval", &[("value", &options.interval)]));
    };
    if options.gpus.len() > GPUS_MAX {
        return wrong(words.with("too_many_gpus", &[("limit", &GPUS_MAX.to_string())]));
    }
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let is_once = options.once || options.json || !stdout().is_terminal();
    if !is_once && variable("TERM").as_deref() == Some("dumb") {
        return wrong(words.t("dumb_terminal"));
    }
    let look = Look {
        words,
        has_colour: variable("NO_COLOR").is_none(),
        is_ascii: options.ascii || variable("TERM").as_deref() == Some("dumb"),
    };
    let clock = Clock::system();
    let done = open(config, options, &clock, language).and_then(|(source, state)| {
        if is_once {
            once(config, options, source, state, &clock, look)
        } else {
            follow(source, state, interval, &clock, look)
        }
    });
    super::ended(done.map(|()| true))
}

/// Whole seconds from one to sixty, which is what the live socket takes.
fn interval(text: &str) -> Option<Duration> {
    let millis = parse_duration_ms(text).ok()?;
    let is_fit = (1_000..=60_000).contains(&millis) && millis % 1_000 == 0;
    is_fit.then(|| Duration::from_millis(millis.unsigned_abs()))
}

/// The modelwatch that was asked for, the one that runs here, or our own collectors.
fn open(
    config: &Config,
    options: &Options,
    clock: &Clock,
    language: Language,
) -> anyhow::Result<(Source, State)> {
    let url = options.connect.clone().unwrap_or_else(|| query::url_of(config.server.listen));
    let mut peer = Peer::new(&url, language).map_err(|error| {
        let params = [("url", url.as_str())];
        options
            .connect
            .as_ref()
            .map_or(error, |_| anyhow::Error::msg(render("top.wrong_url", &params, language)))
    })?;
    let origin = match (remote::greet(&mut peer), &options.connect) {
        (Ok(()), _) => Origin::Server { url },
        (Err(error), Some(_)) => {
            let params = [("url", url), ("reason", format!("{error:#}"))];
            anyhow::bail!("{}", query::text::harmless(&render("top.no_answer", &params, language)));
        }
        (Err(_), None) => Origin::Local,
    };
    let state = State::new(origin.clone(), options.gpus.clone(), clock.now());
    let source = match origin {
        Origin::Server { .. } => Source::Remote(peer),
        Origin::Local => Source::Local(Box::new(Local::start(config, clock)?)),
    };
    Ok((source, state))
}

/// One frame or one object, and the end.
fn once(
    config: &Config,
    options: &Options,
    source: Source,
    mut state: State,
    clock: &Clock,
    look: Look,
) -> anyhow::Result<()> {
    match source {
        Source::Remote(mut peer) => {
            let mut news = vec![News::Live];
            remote::look(&mut peer, clock, &mut |one| news.push(one))?;
            remote::look_back(&mut peer, clock.now(), 1_000, &mut |one| news.push(one))?;
            // A server without them is shown without them.
            let requests = remote::requests(&mut peer, "-time").unwrap_or_default();
            news.push(News::Requests(requests));
            news.into_iter().for_each(|news| state.learn(news, clock.now()));
        }
        Source::Local(local) => {
            local.look_once(&mut state, config.collect.engine_period, LOOK_MAX);
            state.learn(News::Requests(view::Requests::Off), clock.now());
        }
    }
    let view = state.view(clock.now());
    if options.json {
        say(&json::json(&view, &options.gpus, look.words).to_string());
        return Ok(());
    }
    for line in page(&view, columns(), look) {
        say(&line);
    }
    let unknown = state::unknown_devices(&options.gpus, &view).join(", ");
    if !unknown.is_empty() {
        complain(&look.words.with("unknown_gpus", &[("gpus", &query::text::harmless(&unknown))]));
    }
    Ok(())
}

fn columns() -> u16 {
    let output = stdout();
    let size = output.is_terminal().then(|| rustix::termios::tcgetwinsize(&output).ok()).flatten();
    size.map(|size| size.ws_col).filter(|columns| *columns > 0).unwrap_or(COLUMNS)
}

/// The overview as lines of text, as high as it needs to be.
fn page(view: &View, columns: u16, look: Look) -> Vec<String> {
    let rows = view.engines.len() + view.devices.len() + 40;
    let lines = u16::try_from(rows).unwrap_or(LINES_MAX).min(LINES_MAX);
    let mut buffer = Buffer::empty(Rect::new(0, 0, columns, lines));
    let ui = Ui::default();
    screens::draw(&mut Paint::new(&mut buffer, false), view, &ui, look.words);
    if look.is_ascii {
        to_ascii(&mut buffer);
    }
    let mut text = text(&buffer);
    // The last line is about keys, which nobody can press.
    text.pop();
    text.retain(|line| !line.is_empty());
    text
}

/// The lines of a frame without what follows their last character.
fn text(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width).max(1);
    let line = |cells: &[ratatui::buffer::Cell]| {
        let mut line = String::new();
        let mut hidden = 0;
        for cell in cells {
            if hidden > 0 {
                hidden -= 1;
                continue;
            }
            line.push_str(cell.symbol());
            hidden = paint::width(cell.symbol()).saturating_sub(1);
        }
        line.trim_end().to_owned()
    };
    buffer.content.chunks(width).map(line).collect()
}

/// Shows what comes until the reader has seen enough.
fn follow(
    source: Source,
    state: State,
    interval: Duration,
    clock: &Clock,
    look: Look,
) -> anyhow::Result<()> {
    let (tell, inputs) = sync_channel(INPUTS_MAX);
    let wishes = Arc::new(Wishes::default());
    terminal::end_on_signals(tell.clone())?;
    let mut screen = Screen::take()?;
    terminal::listen(tell.clone())?;
    let collecting = collect(source, interval, clock, tell, &wishes)?;
    let result = show(&mut screen, state, &inputs, &wishes, clock, look);
    wishes.stop.store(true, Ordering::Relaxed);
    drop(screen);
    // Whoever waits for room in the queue is let go.
    drop(inputs);
    // A device that hangs must not keep the reader; the end of the process ends its thread.
    if let Some(collecting) = collecting
        && !collecting.is_seen(QUIT_MAX)
    {
        tracing::debug!("the collectors take longer than {QUIT_MAX:?} to end");
    }
    result
}

fn collect(
    source: Source,
    interval: Duration,
    clock: &Clock,
    tell: SyncSender<Input>,
    wishes: &Arc<Wishes>,
) -> anyhow::Result<Option<Ending>> {
    match source {
        Source::Remote(peer) => {
            remote::follow(peer, interval, clock.clone(), tell, Arc::clone(wishes))?;
            Ok(None)
        }
        Source::Local(local) => {
            tell.send(Input::News(Box::new(News::Requests(view::Requests::Off))))?;
            Ok(Some(local.follow(interval, tell, Arc::clone(wishes))?))
        }
    }
}

fn show(
    screen: &mut Screen,
    mut state: State,
    inputs: &Receiver<Input>,
    wishes: &Wishes,
    clock: &Clock,
    look: Look,
) -> anyhow::Result<()> {
    let mut ui = Ui::default();
    let mut view = state.view(clock.now());
    let mut drawn_at = None;
    let mut has_changed = true;
    loop {
        let now = clock.monotonic();
        let next = drawn_at.map_or(now, |at: Duration| at + FRAME);
        if has_changed && now >= next {
            view = state.view(clock.now());
            let shown = ui.paused.as_deref().unwrap_or(&view);
            screen.terminal.draw(|frame| {
                let buffer = frame.buffer_mut();
                screens::draw(&mut Paint::new(buffer, look.has_colour), shown, &ui, look.words);
                if look.is_ascii {
                    to_ascii(buffer);
                }
            })?;
            drawn_at = Some(now);
            has_changed = false;
        }
        let patience = if has_changed { next.saturating_sub(now) } else { TICK };
        match inputs.recv_timeout(patience) {
            Ok(Input::News(news)) => state.learn(*news, clock.now()),
            Ok(Input::Resize) | Err(RecvTimeoutError::Timeout) => {}
            Ok(Input::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Ok(Input::Key(key)) => match ui.key(key, &view) {
                Effect::Quit => return Ok(()),
                Effect::Nothing => continue,
                Effect::Draw => {}
                Effect::Sort(sort) => wishes.sort_by(sort),
            },
        }
        has_changed = true;
    }
}

#[cfg(test)]
mod tests;
