//! What the reader is looking at, and what keys change of it.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::view::{Device, Engine, Event, Request, Requests, Told, View};

/// Longest filter that can be typed; further keys do nothing.
const FILTER_CHARS_MAX: usize = 80;
/// Rows that a page key goes.
const PAGE_ROWS: usize = 10;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Screen {
    #[default]
    Overview,
    Engines,
    Devices,
    Requests,
    Events,
}

impl Screen {
    pub(super) const ALL: [Self; 5] =
        [Self::Overview, Self::Engines, Self::Devices, Self::Requests, Self::Events];

    /// Its name among the texts.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Engines => "engines",
            Self::Devices => "gpus",
            Self::Requests => "requests",
            Self::Events => "events",
        }
    }

    fn place(self) -> usize {
        self as usize
    }

    /// What its rows can be ordered by, the first unless another is chosen; names among the texts.
    pub(super) fn sorts(self) -> &'static [&'static str] {
        match self {
            Self::Overview | Self::Engines => {
                &["sort_state", "sort_waiting", "sort_kv", "sort_ttft", "sort_tokens"]
            }
            Self::Devices => {
                &["sort_place", "sort_util", "sort_memory", "sort_temperature", "sort_power"]
            }
            Self::Requests => &["sort_newest", "sort_total", "sort_ttft", "sort_output"],
            Self::Events => &["sort_newest"],
        }
    }
}

/// How the API calls the orders of requests.
const REQUEST_SORTS: [&str; 4] = ["-time", "-total_ms", "-ttft_ms", "-tokens_output"];

/// What a key led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    Draw,
    Quit,
    /// Requests are wanted in this order.
    Sort(&'static str),
}

/// A row, by what tells rows apart.
struct Chosen {
    key: String,
    /// Where it was when it was chosen: the cursor stays there when the row goes.
    row: usize,
}

#[derive(Default)]
pub(super) struct Ui {
    pub(super) screen: Screen,
    /// The row that is chosen on each screen.
    chosen: [Option<Chosen>; 5],
    sorts: [usize; 5],
    pub(super) has_detail: bool,
    pub(super) has_help: bool,
    /// Lines that a detail is scrolled by.
    pub(super) scroll: usize,
    pub(super) filter: String,
    pub(super) is_typing: bool,
    /// What is shown instead of what comes.
    pub(super) paused: Option<Box<View>>,
}

impl Ui {
    /// Takes a key. `newest` is what is shown, unless that is paused.
    pub(super) fn key(&mut self, key: KeyEvent, newest: &View) -> Effect {
        let paused = self.paused.take();
        let effect = self.pressed(key, paused.as_deref().unwrap_or(newest));
        let is_pause = key.code == KeyCode::Char(' ') && !self.is_typing;
        match paused {
            Some(paused) if !(is_pause && effect == Effect::Draw) => self.paused = Some(paused),
            Some(_) => self.paused = None,
            None => {}
        }
        effect
    }

    fn pressed(&mut self, key: KeyEvent, view: &View) -> Effect {
        if key.kind == KeyEventKind::Release {
            return Effect::Nothing;
        }
        let has_control = key.modifiers.contains(KeyModifiers::CONTROL);
        if has_control && matches!(key.code, KeyCode::Char('c' | 'd')) {
            return Effect::Quit;
        }
        if self.is_typing {
            return self.typed(key.code);
        }
        match key.code {
            KeyCode::Char('q') => return Effect::Quit,
            KeyCode::Char('?' | 'h') => self.has_help = !self.has_help,
            KeyCode::Esc => self.back(),
            KeyCode::Enter => self.enter(view),
            KeyCode::Char(' ') => self.paused = Some(Box::new(view.clone())),
            KeyCode::Char('/') => {
                self.is_typing = true;
                self.has_help = false;
                self.has_detail = false;
            }
            KeyCode::Char('s') => return self.next_sort(),
            KeyCode::Char(digit @ '1'..='5') => {
                let place = usize::from(digit as u8 - b'1');
                self.open(Screen::ALL.get(place).copied().unwrap_or_default());
            }
            KeyCode::Tab | KeyCode::Right => self.turn(1),
            KeyCode::BackTab | KeyCode::Left => self.turn(Screen::ALL.len() - 1),
            KeyCode::Down | KeyCode::Char('j') => self.go(view, |row| row.saturating_add(1)),
            KeyCode::Up | KeyCode::Char('k') => self.go(view, |row| row.saturating_sub(1)),
            KeyCode::PageDown => self.go(view, |row| row.saturating_add(PAGE_ROWS)),
            KeyCode::PageUp => self.go(view, |row| row.saturating_sub(PAGE_ROWS)),
            KeyCode::Home | KeyCode::Char('g') => self.go(view, |_| 0),
            KeyCode::End | KeyCode::Char('G') => self.go(view, |_| usize::MAX),
            _ => return Effect::Nothing,
        }
        Effect::Draw
    }

    fn typed(&mut self, code: KeyCode) -> Effect {
        match code {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(character) if self.filter.chars().count() < FILTER_CHARS_MAX => {
                self.filter.push(character);
            }
            _ => return Effect::Nothing,
        }
        Effect::Draw
    }

    /// Closes what is open, the last first.
    fn back(&mut self) {
        if self.has_help {
            self.has_help = false;
        } else if self.has_detail {
            self.has_detail = false;
        } else if !self.filter.is_empty() {
            self.filter.clear();
        } else {
            self.open(Screen::Overview);
        }
    }

    fn enter(&mut self, view: &View) {
        if self.has_help {
            self.has_help = false;
            return;
        }
        if self.has_detail {
            self.has_detail = false;
            return;
        }
        // The row under the cursor is the chosen one from now on, wherever it goes.
        let keys = self.keys(view);
        let row = self.row(&keys);
        if row < keys.len() {
            self.choose(keys, row);
            self.has_detail = true;
            self.scroll = 0;
        }
    }

    fn choose(&mut self, keys: Vec<String>, row: usize) {
        let chosen = keys.into_iter().nth(row).map(|key| Chosen { key, row });
        self.chosen[self.screen.place()] = chosen;
    }

    fn open(&mut self, screen: Screen) {
        self.screen = screen;
        self.has_detail = false;
        self.has_help = false;
        self.scroll = 0;
    }

    fn turn(&mut self, by: usize) {
        let place = (self.screen.place() + by) % Screen::ALL.len();
        self.open(Screen::ALL.get(place).copied().unwrap_or_default());
    }

    fn next_sort(&mut self) -> Effect {
        let sort = &mut self.sorts[self.screen.place()];
        *sort = (*sort + 1) % self.screen.sorts().len();
        match self.screen {
            Screen::Requests => Effect::Sort(REQUEST_SORTS.get(*sort).copied().unwrap_or("-time")),
            _ => Effect::Draw,
        }
    }

    fn go(&mut self, view: &View, to: impl Fn(usize) -> usize) {
        if self.has_detail || self.has_help {
            self.scroll = to(self.scroll).min(usize::from(u16::MAX));
            return;
        }
        let keys = self.keys(view);
        let now = self.row(&keys);
        let row = to(now).min(keys.len().saturating_sub(1));
        self.choose(keys, row);
    }

    fn row(&self, keys: &[String]) -> usize {
        let Some(Chosen { key, row }) = &self.chosen[self.screen.place()] else { return 0 };
        let found = keys.iter().position(|known| known == key);
        found.unwrap_or_else(|| (*row).min(keys.len().saturating_sub(1)))
    }

    /// The row whose detail is open, `None` where it is no longer in the list.
    pub(super) fn opened(&self, view: &View) -> Option<usize> {
        let chosen = self.chosen[self.screen.place()].as_ref()?;
        self.keys(view).iter().position(|key| *key == chosen.key)
    }

    /// What tells the rows of the screen apart, in their order.
    fn keys(&self, view: &View) -> Vec<String> {
        match self.screen {
            Screen::Overview | Screen::Engines => {
                self.engines(view).into_iter().map(|engine| engine.instance.clone()).collect()
            }
            Screen::Devices => self.devices(view).into_iter().map(Device::id).collect(),
            Screen::Requests => {
                self.requests(view).into_iter().map(|request| request.id.clone()).collect()
            }
            Screen::Events => self.events(view).into_iter().map(event_key).collect(),
        }
    }

    /// The number of the chosen row on this screen.
    pub(super) fn chosen(&self, view: &View) -> usize {
        self.row(&self.keys(view))
    }

    /// Which order the rows of this screen are in; a name among the texts.
    pub(super) fn sort(&self) -> &'static str {
        let sorts = self.screen.sorts();
        sorts.get(self.sorts[self.screen.place()]).copied().unwrap_or("sort_newest")
    }

    fn has(&self, texts: &[&str]) -> bool {
        let filter = self.filter.to_lowercase();
        filter.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&filter))
    }

    pub(super) fn engines<'a>(&self, view: &'a View) -> Vec<&'a Engine> {
        let is_wanted = |engine: &&Engine| {
            let models = engine.models.join(" ");
            self.has(&[&engine.name, &engine.instance, &models, engine.state.word()])
        };
        let mut engines: Vec<&Engine> = view.engines.iter().filter(is_wanted).collect();
        // What is not known comes last.
        let value = |told: &Option<Told>| told.as_ref().map_or(f64::NEG_INFINITY, |it| it.value);
        let by = |engines: &mut Vec<&Engine>, of: fn(&Engine) -> &Option<Told>| {
            engines.sort_by(|a, b| value(of(b)).total_cmp(&value(of(a))));
        };
        match self.sorts[self.engines_place()] {
            1 => by(&mut engines, |engine| &engine.waiting),
            2 => by(&mut engines, |engine| &engine.kv_cache),
            3 => by(&mut engines, |engine| &engine.ttft_p95),
            4 => by(&mut engines, |engine| &engine.tokens_out),
            _ => {}
        }
        engines
    }

    fn engines_place(&self) -> usize {
        if self.screen == Screen::Engines { Screen::Engines } else { Screen::Overview }.place()
    }

    pub(super) fn devices<'a>(&self, view: &'a View) -> Vec<&'a Device> {
        let is_wanted = |device: &&Device| {
            self.has(&[&device.id(), &device.model, &device.vendor, &device.uuid])
        };
        let mut devices: Vec<&Device> = view.devices.iter().filter(is_wanted).collect();
        let by = |devices: &mut Vec<&Device>, of: fn(&Device) -> Option<f64>| {
            let value = |device: &Device| of(device).unwrap_or(f64::NEG_INFINITY);
            devices.sort_by(|a, b| value(b).total_cmp(&value(a)));
        };
        match self.sorts[Screen::Devices.place()] {
            1 => by(&mut devices, |device| device.utilization),
            2 => by(&mut devices, |device| device.memory_used),
            3 => by(&mut devices, |device| device.temperature),
            4 => by(&mut devices, |device| device.power),
            _ => {}
        }
        devices
    }

    pub(super) fn requests<'a>(&self, view: &'a View) -> Vec<&'a Request> {
        let Requests::Known { rows, .. } = &view.requests else { return Vec::new() };
        let is_wanted = |request: &&Request| {
            self.has(&[&request.model, &request.key, &request.outcome, &request.upstream])
        };
        rows.iter().filter(is_wanted).collect()
    }

    pub(super) fn events<'a>(&self, view: &'a View) -> Vec<&'a Event> {
        let is_wanted = |event: &&Event| {
            let params = event.said.params.iter().map(|(_, value)| value.as_str());
            let texts: Vec<&str> = params.chain([&*event.said.code, &*event.source]).collect();
            self.has(&texts)
        };
        view.events.iter().filter(is_wanted).collect()
    }
}

/// All of it: one thing may happen to two at the same time.
fn event_key(event: &Event) -> String {
    format!("{event:?}")
}

#[cfg(test)]
mod tests {
    use super::{super::tests::busy, *};

    fn press(ui: &mut Ui, view: &View, keys: &str) -> Vec<Effect> {
        let code = |character| match character {
            '\n' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            '\u{8}' => KeyCode::Backspace,
            character => KeyCode::Char(character),
        };
        keys.chars().map(|character| ui.key(KeyEvent::from(code(character)), view)).collect()
    }

    #[test]
    fn keys_go_where_they_say() {
        let view = busy();
        let mut ui = Ui::default();
        press(&mut ui, &view, "3jj");
        assert_eq!((ui.screen, ui.chosen(&view)), (Screen::Devices, 2));
        press(&mut ui, &view, "\nj");
        assert_eq!((ui.has_detail, ui.scroll, ui.chosen(&view)), (true, 1, 2));
        press(&mut ui, &view, "\u{1b}kG");
        assert_eq!((ui.has_detail, ui.chosen(&view)), (false, view.devices.len() - 1));
        // The chosen row stays chosen when the order changes.
        let chosen = ui.keys(&view)[ui.chosen(&view)].clone();
        assert_eq!(press(&mut ui, &view, "s"), [Effect::Draw]);
        assert_eq!(ui.keys(&view)[ui.chosen(&view)], chosen);
        assert_eq!(press(&mut ui, &view, "4s"), [Effect::Draw, Effect::Sort("-total_ms")]);
        assert_eq!(press(&mut ui, &view, "z"), [Effect::Nothing]);
        assert_eq!(press(&mut ui, &view, "q"), [Effect::Quit]);
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        ui.is_typing = true;
        assert_eq!(ui.key(control_c, &view), Effect::Quit);
    }

    #[test]
    fn an_opened_row_stays_the_same_or_is_said_to_be_gone() {
        let view = busy();
        let mut ui = Ui::default();
        // Nothing was chosen yet: it is the first row that is opened, and stays so in another order.
        press(&mut ui, &view, "2\n");
        let opened = |ui: &Ui, view: &View| ui.opened(view).map(|row| ui.keys(view)[row].clone());
        let first = ui.keys(&view)[0].clone();
        let mut turned = view.clone();
        turned.engines.reverse();
        assert_eq!((opened(&ui, &turned), ui.chosen(&turned)), (Some(first.clone()), 2));
        turned.engines.retain(|engine| engine.instance != first);
        assert_eq!(opened(&ui, &turned), None, "another row is not shown in its place");
        assert_eq!(press(&mut ui, &turned, "\n"), [Effect::Draw]);
        assert!(!ui.has_detail);
        // The cursor stays where the row was that went.
        press(&mut ui, &view, "gj");
        let second = ui.keys(&view)[1].clone();
        let mut without = view.clone();
        without.engines.retain(|engine| engine.instance != second);
        assert_eq!(ui.chosen(&without), 1);
        without.engines.clear();
        assert_eq!((ui.chosen(&without), press(&mut ui, &without, "\n")), (0, vec![Effect::Draw]));
        assert!(!ui.has_detail, "there is nothing to open");
    }

    #[test]
    fn events_of_one_moment_are_told_apart() {
        let mut view = busy();
        let mut other = view.events[0].clone();
        other.said.params.push(("device".into(), "1".into()));
        view.events.insert(1, other.clone());
        let mut ui = Ui::default();
        press(&mut ui, &view, "5j\n");
        assert_eq!(ui.opened(&view), Some(1));
        assert_eq!(*ui.events(&view)[1], other);
        press(&mut ui, &view, "\nj");
        assert_eq!(ui.chosen(&view), 2, "the cursor gets past both");
    }

    #[test]
    fn a_filter_is_typed_and_taken_back() {
        let view = busy();
        let mut ui = Ui::default();
        press(&mut ui, &view, "2/SGLq\u{8}");
        assert_eq!((ui.filter.as_str(), ui.is_typing), ("SGL", true));
        assert_eq!(ui.engines(&view).len(), 1);
        press(&mut ui, &view, "\n");
        assert_eq!((ui.filter.as_str(), ui.is_typing), ("SGL", false));
        press(&mut ui, &view, "\u{1b}");
        assert_eq!((ui.filter.as_str(), ui.screen), ("", Screen::Engines));
        press(&mut ui, &view, "\u{1b}");
        assert_eq!(ui.screen, Screen::Overview);
        press(&mut ui, &view, "/x\u{1b}");
        assert_eq!(ui.filter, "");
        press(&mut ui, &view, &format!("/{}", "a".repeat(500)));
        assert_eq!(ui.filter.len(), FILTER_CHARS_MAX);
    }

    #[test]
    fn pausing_keeps_what_is_shown() {
        let view = busy();
        let mut ui = Ui::default();
        press(&mut ui, &view, " ");
        assert_eq!(ui.paused.as_deref(), Some(&view));
        press(&mut ui, &view, " ");
        assert_eq!(ui.paused, None);
    }
}
