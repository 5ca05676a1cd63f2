//! The shell around the desk: carries presses in, effects out, and paints.
//!
//! ```text
//! any thread:  answer, notice ─▶ inbox ─▶ wake ─┐
//! window's thread:                              ▼
//!   press ─▶ did(act) ─▶ Desk::handle ─▶ effects ─▶ backend, clipboard, rows ─▶ paint
//! ```
//!
//! It decides nothing. One thread touches the desk; no lock is held over a call.

mod lists;
mod paint;
mod qr;
mod rows;
mod wires;

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use i_slint_core::window::WindowInner;
use slint::winit_030::{WinitWindowAccessor, winit};
use slint::{ComponentHandle, Global, ModelRc, Rgb8Pixel, SharedPixelBuffer, Timer, TimerMode, VecModel};
use y7ke_node::api::{Answer, Command, Conversation, WindowPlace};

use self::paint::Lists;
use self::rows::{ChatRows, OpenChat, Shown};
use crate::desktop::Desktop;
use crate::model::desk::{Act, Asked, Chat, Desk, Effect, Field, Input, Place};
use crate::model::drafts::Reply;
use crate::model::place::{self, Screen, Seen};
use crate::model::stage::{Spot, Stage};
use crate::model::time::Zone;
use crate::model::timeline::Timeline;
use crate::port::{Backend, Key};
use crate::sight::{Frame, Sight};
use crate::ui::{self, MainWindow, MessageRow};

/// The clock on the list and the separators is at most this old.
const MINUTE: Duration = Duration::from_secs(60);

/// Pause between two stretches of an index that fills up: each leaves most of a frame to everything else.
const FILLING: Duration = Duration::from_millis(16);

/// What the shell needs of the world.
pub struct World {
    /// The node.
    pub backend: Rc<dyn Backend>,
    /// Calls the window's thread to [`App::pump`]; called on any thread.
    pub wake: Arc<dyn Fn() + Send + Sync>,
    /// Milliseconds since 1970.
    pub clock: Box<dyn Fn() -> u64>,
    /// Where the person's clock hangs.
    pub zone: Zone,
    /// The clipboard.
    pub clipboard: Box<dyn Clipboard>,
    /// Notifications and the tray.
    pub desktop: Box<dyn Desktop>,
    /// Pictures and the camera.
    pub sight: Box<dyn Sight>,
}

/// A place to copy to and to paste from.
pub trait Clipboard {
    /// Puts text there; in words why not.
    fn put(&self, text: String) -> Result<(), String>;
    /// The text that is there.
    fn take(&self) -> Result<String, String>;
}

/// The window with everything behind it.
pub struct App {
    window: MainWindow,
    world: World,
    desk: RefCell<Desk>,
    lists: Lists,
    chat: RefCell<Option<OpenChat>>,
    /// What the list of messages shows.
    shown: RefCell<Rc<Shown>>,
    inbox: Receiver<Input>,
    post: Sender<Input>,
    due: Timer,
    minute: Timer,
    filling: Timer,
}

impl App {
    /// Builds the window and asks the node for everything; `fresh`: this identity was made just now.
    pub fn new(world: World, fresh: bool) -> Result<Rc<Self>, slint::PlatformError> {
        let window = MainWindow::new()?;
        let (post, inbox) = channel();
        let app = Rc::new(Self {
            window,
            world,
            desk: RefCell::new(Desk::new(fresh)),
            lists: Lists::default(),
            chat: RefCell::new(None),
            shown: RefCell::default(),
            inbox,
            post,
            due: Timer::default(),
            minute: Timer::default(),
            filling: Timer::default(),
        });
        app.hang_lists();
        wires::connect(&app);
        app.listen();
        app.keep_time();
        app.fill_up();
        app.handle(Input::Began);
        Ok(app)
    }

    /// The window.
    pub fn window(&self) -> &MainWindow {
        &self.window
    }

    /// Whether the window shows what the node knows.
    pub fn is_ready(&self) -> bool {
        self.desk.borrow().ready()
    }

    /// The person did something.
    pub fn did(self: &Rc<Self>, act: Act) {
        self.handle(Input::Did(act));
    }

    /// The system did something to the window, outside of what Slint handles.
    pub fn noticed(self: &Rc<Self>, act: Act) {
        self.did(act);
        self.instantiate();
    }

    /// What the node answered before there was a window: the first picture has the right look, size and place.
    pub fn know(self: &Rc<Self>, asked: Asked, answer: Answer) {
        self.handle(Input::Answered(asked, Ok(answer)));
    }

    /// Puts the window where it was, before it is shown; `screens` are there now.
    pub fn put_back(&self, screens: &[Screen]) {
        let known: Option<WindowPlace> = self.desk.borrow().around.place;
        let Some(place) = known.map(|known| place::restore(known, screens)) else { return };
        let window = self.window.window();
        // Before there is a window, its pixels are logical ones.
        let logical = |length: u32| f32::from(u16::try_from(length).unwrap_or(u16::MAX));
        window.set_size(slint::LogicalSize::new(logical(place.width), logical(place.height)));
        place.at.into_iter().for_each(|(x, y)| window.set_position(slint::PhysicalPosition::new(x, y)));
        window.set_maximized(place.maximised);
    }

    /// What is seen of the window now; `None` before the system made one.
    pub fn look(&self) -> Option<Seen> {
        self.window.window().with_winit_window(seen)
    }

    /// Takes in what the node said since. Window's thread only.
    pub fn pump(self: &Rc<Self>) {
        let mut came = false;
        while let Ok(input) = self.inbox.try_recv() {
            self.take(input);
            came = true;
        }
        if came {
            self.refresh();
            self.wind();
            self.instantiate();
        }
        self.world.sight.frame().iter().for_each(|frame| self.show_frame(frame));
    }

    /// What the camera sees, as a mirror shows it: whoever holds something up moves it the right way.
    fn show_frame(&self, frame: &Frame) {
        let to = ui::Desk::get(&self.window);
        if to.get_reading_camera() {
            to.set_reading_frame(mirrored(frame));
            if !to.get_reading_seen() {
                to.set_reading_seen(true);
                self.instantiate();
            }
        }
    }

    /// Makes what the properties ask for now, and not when a screen reader is told what there is: in the middle of
    /// that nothing may take the keys (Slint 1.17 holds its adapter meanwhile, and panics). Slint does it after each
    /// key and press; whatever else changes properties ends with it.
    fn instantiate(&self) {
        WindowInner::from_pub(self.window.window()).ensure_tree_instantiated();
    }

    fn hang_lists(&self) {
        let desk = ui::Desk::get(&self.window);
        desk.set_conversations(ModelRc::from(self.lists.conversations.clone()));
        desk.set_found(ModelRc::from(self.lists.found.clone()));
        desk.set_requests(ModelRc::from(self.lists.requests.clone()));
        desk.set_toasts(ModelRc::from(self.lists.toasts.clone()));
    }

    fn listen(&self) {
        let (post, wake) = (self.post.clone(), Arc::clone(&self.world.wake));
        self.world.backend.subscribe(Box::new(move |notice| deliver(&post, &*wake, Input::Told(notice))));
        let (post, wake) = (self.post.clone(), Arc::clone(&self.world.wake));
        self.world.desktop.attend(Arc::new(move |input| deliver(&post, &*wake, input)));
        let (post, wake) = (self.post.clone(), Arc::clone(&self.world.wake));
        let sink = Arc::new(move |input| deliver(&post, &*wake, input));
        self.world.sight.attend(sink, Arc::clone(&self.world.wake));
    }

    fn keep_time(self: &Rc<Self>) {
        let app = Rc::downgrade(self);
        self.minute.start(TimerMode::Repeated, MINUTE, move || tick(&app));
    }

    /// Brings the older places of the open conversation in, stretch by stretch; stands still once all are there.
    fn fill_up(self: &Rc<Self>) {
        let app = Rc::downgrade(self);
        self.filling.start(TimerMode::Repeated, FILLING, move || {
            app.upgrade().iter().for_each(|app| app.fill_further());
        });
        self.filling.stop();
    }

    fn fill_further(&self) {
        let chat = self.chat.borrow().clone();
        let rows = || chat.as_ref().map_or(0, OpenChat::len);
        let before = rows();
        chat.iter().for_each(|chat| chat.change(|timeline, backend| timeline.fill(backend)));
        self.shift_current(rows() - before);
        self.count_rows();
        self.place();
        if !chat.as_ref().is_some_and(|chat| chat.with(|timeline, _| timeline.fills())) {
            self.filling.stop();
            // The bench of the memory looks for this line.
            tracing::debug!(rows = rows(), "the open conversation is whole");
        }
    }

    /// Rows came in above all others: the keyboard stays on its message.
    fn shift_current(&self, by: usize) {
        let to = ui::Desk::get(&self.window);
        if let (current @ 0.., Ok(by)) = (to.get_current(), i32::try_from(by)) {
            to.set_current(current + by);
        }
    }

    fn handle(self: &Rc<Self>, input: Input) {
        self.take(input);
        self.refresh();
        self.wind();
    }

    fn take(&self, input: Input) {
        // Where nobody manages windows, X11 tells of no move: the last look is what counts.
        if matches!(input, Input::Did(Act::Close | Act::Quit)) {
            self.look().into_iter().for_each(|seen| self.decide(Input::Did(Act::Placed(seen))));
        }
        self.decide(input);
    }

    fn decide(&self, input: Input) {
        let now = (self.world.clock)();
        let backend = Rc::clone(&self.world.backend);
        let effects = self.desk.borrow_mut().handle(input, &|text| backend.read_uri(text), now);
        effects.into_iter().for_each(|effect| self.carry_out(effect, now));
    }

    fn refresh(&self) {
        let now = (self.world.clock)();
        let desk = self.desk.borrow();
        paint::paint(&self.window, &self.lists, &desk, self.world.zone, now);
        self.world.desktop.tray(desk.tray_words());
        self.count_rows();
    }

    fn count_rows(&self) {
        let to = ui::Desk::get(&self.window);
        let chat = self.chat.borrow();
        let rows = chat.as_ref().map_or(0, OpenChat::len);
        to.set_message_count(i32::try_from(rows).unwrap_or(i32::MAX));
    }

    /// Starts the timer for what is due next.
    fn wind(self: &Rc<Self>) {
        let due = self.desk.borrow().due();
        match due {
            Some(at) => {
                let app = Rc::downgrade(self);
                let wait = Duration::from_millis(at.saturating_sub((self.world.clock)()).max(1));
                self.due.start(TimerMode::SingleShot, wait, move || tick(&app));
            }
            None => self.due.stop(),
        }
    }

    fn carry_out(&self, effect: Effect, now: u64) {
        match effect {
            Effect::Call(asked, command) => self.call(asked, command),
            Effect::Copy(text) => self.copy(text, now),
            Effect::Fill(field, text) => self.fill(field, text),
            Effect::Caret => {
                let to = ui::Desk::get(&self.window);
                to.set_composer_call(to.get_composer_call().wrapping_add(1));
            }
            Effect::Wipe => self.wipe(),
            Effect::OpenLink(address) => self.open_link(&address, now),
            Effect::Chat(chat) => self.chat(chat, now),
            Effect::Look(look) => self.world.sight.look(look),
            Effect::Notify(note) => self.world.desktop.notify(note),
            Effect::Withdraw(about) => self.world.desktop.withdraw(about),
            Effect::Raise => self.raise(),
            Effect::Hide => done("hidden", self.window.hide()),
            Effect::Quit => self.quit(),
        }
    }

    /// On the screen, not minimised, and with the keys, as far as the desktop lets a window have them.
    fn raise(&self) {
        done("shown", self.window.show());
        self.window.window().with_winit_window(|window| {
            window.set_minimized(false);
            window.focus_window();
            if !window.has_focus() {
                window.request_user_attention(Some(winit::window::UserAttentionType::Informational));
            }
        });
    }

    fn quit(&self) {
        done("hidden", self.window.hide());
        if let Err(fault) = slint::quit_event_loop() {
            tracing::debug!("there is no event loop to end: {fault}");
        }
    }

    fn open_link(&self, address: &str, now: u64) {
        if !self.window.invoke_open_link(address.into()) {
            self.tell(
                Act::LinkFailed("The system did not open the link. It can be copied from the message.".into()),
                now,
            );
        }
    }

    /// What came of an effect, to the desk; it asks for no other effect.
    fn tell(&self, act: Act, now: u64) {
        self.desk.borrow_mut().handle(Input::Did(act), &|_| Err(String::new()), now);
    }

    fn call(&self, asked: Asked, command: Command) {
        let (post, wake) = (self.post.clone(), Arc::clone(&self.world.wake));
        let reply = Box::new(move |answer| deliver(&post, &*wake, Input::Answered(asked, answer)));
        self.world.backend.call(command, reply);
    }

    fn copy(&self, text: String, now: u64) {
        if let Err(why) = self.world.clipboard.put(text) {
            self.tell(Act::ClipboardFailed(format!("Not copied: {why}")), now);
        }
    }

    fn fill(&self, field: Field, text: String) {
        let to = ui::Desk::get(&self.window);
        match field {
            Field::Draft => to.set_draft(text.into()),
            Field::Uri => to.set_add_uri(text.into()),
            Field::Greeting => to.set_add_greeting(text.into()),
            Field::Name => to.set_name_field(text.into()),
            Field::Nickname => to.set_nickname_field(text.into()),
            Field::Filter => to.set_filter(text.into()),
            Field::Compare => to.set_compare(text.into()),
        }
    }

    /// Fields for passphrases.
    fn wipe(&self) {
        let to = ui::Vault::get(&self.window);
        to.set_unlock_field("".into());
        to.set_current("".into());
        to.set_fresh("".into());
        to.set_again("".into());
    }

    fn chat(&self, change: Chat, now: u64) {
        match change {
            Chat::Open { y7_id, place } => self.open_chat(Conversation::Person(y7_id), place, now),
            Chat::Jump(key) => self.jump(key, now),
            Chat::Close => self.show_rows(None),
            Chat::ToEnd => self.hold_end(now),
            Chat::Redraw => {
                let name = self.desk.borrow().person_name();
                self.chat.borrow().iter().for_each(|chat| chat.redraw(now, name.clone()));
            }
            change => {
                let chat = self.chat.borrow().clone();
                chat.iter().for_each(|chat| apply(chat, &change));
                self.ask_to_settle();
            }
        }
    }

    fn open_chat(&self, of: Conversation, place: Place, now: u64) {
        let backend = Rc::clone(&self.world.backend);
        let around = if let Place::Message(key) = place { Some(key) } else { None };
        let mut timeline = Timeline::open_around(of.clone(), &*backend, around);
        let seek = match place {
            Place::End => None,
            Place::Unread => {
                // Without its place the conversation opens at its end, where what is new stands too.
                let first = backend.first_unread(&of).unwrap_or_default();
                // No list shows these rows yet, so nobody is told.
                first.iter().for_each(|first| drop(timeline.reach(first, &*backend)));
                timeline.set_fresh(first)
            }
            Place::Message(key) => timeline.set_mark(Some(key)).0,
        };
        let name = self.desk.borrow().person_name();
        let rows = Rc::new(ChatRows::new(timeline, backend, self.world.zone, now, name));
        self.show_rows(Some(rows));
        self.seek(seek, if around.is_some() { Spot::Inside } else { Spot::Top });
    }

    /// Shows a message of the open conversation in its place; where it is far away, with other rows around it.
    fn jump(&self, key: Key, now: u64) {
        let Some(chat) = self.chat.borrow().clone() else { return };
        let before = chat.len();
        chat.change(|timeline, backend| timeline.reach(&key, backend));
        self.shift_current(chat.len() - before);
        self.count_rows();
        if let Some(row) = chat.mark(Some(key)) {
            return self.seek(Some(row), Spot::Inside);
        }
        self.open_anew(Place::Message(key), now);
        let there = self.chat.borrow().as_ref().and_then(|chat| chat.mark(Some(key)));
        if there.is_none() {
            self.tell(Act::NotThere, now);
        }
    }

    /// The open conversation at another place of a history that is longer than one list.
    fn open_anew(&self, place: Place, now: u64) {
        let Some(chat) = self.chat.borrow().clone() else { return };
        let of = chat.with(|timeline, _| timeline.of().clone());
        let outgoing = self.desk.borrow().open_outgoing();
        self.open_chat(of, place, now);
        let chat = self.chat.borrow().clone();
        chat.iter().for_each(|chat| outgoing.iter().for_each(|out| apply(chat, &Chat::Outgoing(out.clone()))));
        self.count_rows();
    }

    /// Has the list show a row, or its end.
    fn seek(&self, row: Option<usize>, spot: Spot) {
        self.turn(|stage| match row {
            Some(row) => stage.show(row, spot),
            None => stage.show_end(),
        });
        self.filling.restart();
    }

    fn show_rows(&self, rows: Option<Rc<ChatRows>>) {
        let to = ui::Desk::get(&self.window);
        let all = match &rows {
            Some(rows) => ModelRc::from(rows.clone()),
            None => ModelRc::new(VecModel::<MessageRow>::default()),
        };
        to.set_messages(all.clone());
        to.set_current(-1);
        to.set_older(rows.as_ref().is_some_and(|rows| rows.is_cut()));
        self.list(all);
        let shown = self.shown.borrow().clone();
        self.chat.replace(rows.map(|rows| OpenChat { rows, shown }));
        self.count_rows();
    }

    /// Has the list of messages show these rows, at their end. The bench of the desktop shows it rows of its own.
    pub fn list(&self, all: ModelRc<MessageRow>) {
        let shown = Rc::new(Shown::new(all, &self.shown.borrow()));
        ui::Desk::get(&self.window).set_rows(ModelRc::from(shown.clone()));
        self.shown.replace(shown);
        self.ask_to_settle();
    }

    /// Moves the rows of the list.
    fn turn(&self, turn: impl FnOnce(&mut Stage)) {
        self.shown.borrow().turn(turn);
        self.ask_to_settle();
    }

    /// A row of the list was made, or is as high as it was not before.
    fn measured(&self, at: i32, id: &str, height: f32) {
        let shown = self.shown.borrow().clone();
        shown.measured(usize::try_from(at).unwrap_or(usize::MAX), id, height);
        self.ask_to_settle();
    }

    /// The list is made anew, in a view that is so high.
    fn list_made(&self, room: f32, pad: f32) {
        let shown = self.shown.borrow().clone();
        shown.rest();
        self.turn(|stage| stage.resize(room, pad));
    }

    /// The window calls [`Self::settle`] before it draws, once all rows are made and measured that there are.
    fn ask_to_settle(&self) {
        let to = ui::Desk::get(&self.window);
        to.set_settle_call(to.get_settle_call().wrapping_add(1));
    }

    fn settle(self: &Rc<Self>) {
        let shown = self.shown.borrow().clone();
        shown.settle();
        self.place();
        let at_end = shown.with(|stage| stage.is_settled().then(|| stage.is_at_end()));
        if at_end.is_some_and(|at_end| at_end != self.desk.borrow().at_end()) {
            at_end.into_iter().for_each(|at_end| self.did(Act::AtEnd(at_end)));
        }
    }

    /// Where the rows stand, to the window.
    fn place(&self) {
        let to = ui::Desk::get(&self.window);
        let number = |row: usize| i32::try_from(row).unwrap_or(i32::MAX);
        self.shown.borrow().with(|stage| {
            let (value, whole) = stage.bar();
            to.set_first(number(stage.made().start));
            to.set_last_seen(stage.last_seen().map_or(-1, number));
            to.set_shift(stage.shift());
            to.set_bar(value);
            to.set_whole(whole);
            to.set_stick(stage.is_at_end());
        });
    }

    fn hold_end(&self, now: u64) {
        let chat = self.chat.borrow().clone();
        let Some(chat) = chat else { return };
        if chat.with(|timeline, _| timeline.newer()) {
            self.open_anew(Place::End, now);
        } else {
            chat.mark(None);
            self.seek(None, Spot::Near);
        }
    }

    /// Where the message stands that another answers.
    fn key_of(&self, id: &str) -> Option<Key> {
        let chat = self.chat.borrow();
        chat.as_ref()?.with(|timeline, backend| timeline.key_of(id, backend))
    }

    /// What an answer to a message says of it.
    fn to_answer(&self, id: &str) -> Option<Reply> {
        let (chat, name) = (self.chat.borrow(), self.desk.borrow().person_name());
        chat.as_ref()?.with(|timeline, backend| timeline.to_answer(id, &name, backend))
    }

    /// The text of a message as it was written, for copying.
    fn text_of(&self, id: &str) -> Option<String> {
        let chat = self.chat.borrow();
        chat.as_ref()?.with(|timeline, backend| timeline.text_of(id, backend))
    }
}

fn mirrored(frame: &Frame) -> slint::Image {
    let mut pixels = SharedPixelBuffer::<Rgb8Pixel>::new(frame.width, frame.height);
    let width = frame.width.max(1) as usize;
    let rows = pixels.make_mut_slice().chunks_exact_mut(width).zip(frame.rgb.chunks_exact(3 * width));
    for (to, from) in rows {
        for (pixel, rgb) in to.iter_mut().rev().zip(from.as_chunks::<3>().0) {
            let [r, g, b] = *rgb;
            *pixel = Rgb8Pixel { r, g, b };
        }
    }
    slint::Image::from_rgb8(pixels)
}

fn seen(window: &winit::window::Window) -> Seen {
    let size = window.inner_size().to_logical::<u32>(window.scale_factor());
    Seen {
        at: window.outer_position().ok().map(|at| (at.x, at.y)),
        size: (size.width, size.height),
        maximised: window.is_maximized(),
        shown: window.is_visible().unwrap_or(true) && !window.is_minimized().unwrap_or(false),
    }
}

fn done(what: &str, tried: Result<(), slint::PlatformError>) {
    if let Err(fault) = tried {
        tracing::warn!("the window cannot be {what}: {fault}");
    }
}

/// What changes single rows of the open list.
fn apply(chat: &OpenChat, change: &Chat) {
    chat.change(|timeline, backend| match change {
        Chat::Upsert { message, fresh } => {
            let mut changes = timeline.upsert(message);
            if *fresh && !timeline.has_fresh() {
                let row = timeline.set_fresh(Key::of(message));
                changes.extend(row.map(crate::model::timeline::Change::Changed));
            }
            changes
        }
        Chat::Outgoing(out) => timeline.put_outgoing(out),
        Chat::Settled(ticket) => timeline.drop_outgoing(*ticket),
        Chat::Seen => timeline.clear_fresh(),
        Chat::Resync => timeline.resync(backend),
        Chat::Unmark => timeline.set_mark(None).1,
        Chat::Open { .. } | Chat::Jump(_) | Chat::Close | Chat::ToEnd | Chat::Redraw => Vec::new(),
    });
}

fn tick(app: &Weak<App>) {
    if let Some(app) = app.upgrade() {
        app.handle(Input::Tick);
        app.instantiate();
    }
}

/// From any thread into the inbox. A window that is gone needs no answer.
fn deliver(post: &Sender<Input>, wake: &(dyn Fn() + Send + Sync), input: Input) {
    if post.send(input).is_ok() {
        wake();
    }
}
