//! The terminal while it is ours: raw, on its second screen, and given back however we end.
//!
//! A panic of the thread that draws gives it back before anything is printed; what other threads have to say
//! waits until then, so that nothing is printed over a frame.

use std::{
    io::{self, Stdout, Write as _, stdout},
    panic,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{SyncSender, TrySendError},
    },
    thread,
};

use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor, event, execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};

use super::Input;
use crate::cli::complain;

/// Panics of other threads that are told in the end; further ones are not.
const PANICS_MAX: usize = 10;

/// Ours until it is dropped.
pub(super) struct Screen {
    pub(super) terminal: Terminal<CrosstermBackend<Stdout>>,
    panics: Arc<Mutex<Vec<String>>>,
}

impl Screen {
    pub(super) fn take() -> io::Result<Self> {
        let panics = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&panics);
        let ours = thread::current().id();
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if thread::current().id() == ours {
                restore();
                before(info);
                return;
            }
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            if heard.len() < PANICS_MAX {
                heard.push(info.to_string());
            }
        }));
        enable_raw_mode()?;
        let screen = Terminal::new(CrosstermBackend::new(stdout())).and_then(|terminal| {
            execute!(stdout(), EnterAlternateScreen, cursor::Hide)?;
            Ok(Self { terminal, panics })
        });
        screen.inspect_err(|_| restore())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
        let panics = self.panics.lock().unwrap_or_else(PoisonError::into_inner);
        for panic in panics.iter() {
            complain(panic);
        }
    }
}

/// Nothing can be done about a terminal that went away.
fn restore() {
    drop(execute!(stdout(), LeaveAlternateScreen, cursor::Show));
    drop(disable_raw_mode());
    drop(stdout().flush());
}

/// Passes on keys and changes of size until nobody listens.
pub(super) fn listen(tell: SyncSender<Input>) -> io::Result<()> {
    let listening = move || {
        loop {
            let input = match event::read() {
                Ok(event::Event::Key(key)) => Input::Key(key),
                Ok(event::Event::Resize(..)) => Input::Resize,
                Ok(_) => continue,
                // Nobody can press a key any more.
                Err(_) => Input::Stop,
            };
            let is_stop = matches!(input, Input::Stop);
            // Keys that come faster than frames are drawn may be lost.
            match tell.try_send(input) {
                Ok(()) | Err(TrySendError::Full(_)) if !is_stop => {}
                Err(TrySendError::Full(input)) => drop(tell.send(input)),
                _ => return,
            }
        }
    };
    thread::Builder::new().name("top-keys".into()).spawn(listening)?;
    Ok(())
}

/// Passes on the signals that end the program.
pub(super) fn end_on_signals(tell: SyncSender<Input>) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut terminate, mut interrupt, mut hang_up) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        )
    };
    let waiting = move || {
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hang_up.recv() => {}
            }
        });
        drop(tell.send(Input::Stop));
    };
    thread::Builder::new().name("top-signals".into()).spawn(waiting)?;
    Ok(())
}
