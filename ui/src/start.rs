//! From the command line to a window, or in words why not.
//!
//! ```text
//! options ─▶ open already? ── no ─▶ node starts ─▶ display? ── yes ─▶ window ─▶ event loop ─▶ node ends
//!    │ 2          └─ yes ─▶ 0          │ 3–7           └──── no ──▶ one sentence, then the console
//! ```
//!
//! * The node's threads are its own; this thread is the window's.
//! * A second start brings the first one's window forward ([`crate::single`]).
//! * What draws is chosen by [`crate::renderer`]: never a renderer that leaves the window blank.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use slint::winit_030::{CustomApplicationHandler, EventResult, WinitWindowAccessor, winit};
use slint::{BackendSelector, ComponentHandle, PlatformError};
use y7ke_node::api::VaultKind;
use y7ke_node::{Node, Options, PassphraseFault, StartError, cli, console};

use crate::desktop::System;
use crate::fonts;
use crate::locked::Profile;
use crate::model::desk::{Act, Asked};
use crate::model::place::Screen;
use crate::model::time::Zone;
use crate::renderer::{self, Wanted};
use crate::sight;
use crate::single::{self, Door};
use crate::ui::FailureWindow;
use crate::window::{App, Clipboard, World};

/// Private peer-to-peer messenger
#[derive(Parser)]
#[command(name = "y7ke", version)]
struct Line {
    #[command(flatten)]
    options: Options,
    /// What draws the window: auto, software, or gl where OpenGL is seen to draw
    #[arg(long, value_enum, default_value_t, hide_possible_values = true, value_name = "auto|software|gl")]
    renderer: Wanted,
    /// Tries OpenGL out, for the program itself
    #[arg(long, hide = true)]
    probe_gl: bool,
    /// Reads the codes of a picture, for the program itself
    #[arg(long, hide = true, value_name = "picture|clipboard")]
    read_code: Option<sight::child::From>,
}

/// The whole program.
pub fn main() -> ExitCode {
    match Line::try_parse() {
        Ok(line) if line.probe_gl => renderer::probe_child(),
        Ok(line) => match line.read_code {
            Some(from) => sight::child::child(from),
            None => run(line),
        },
        Err(fault) => usage(&fault),
    }
}

/// Help and version are answers on stdout; everything else is a usage error on stderr.
fn usage(fault: &clap::Error) -> ExitCode {
    match fault.print() {
        Ok(()) if !fault.use_stderr() => ExitCode::SUCCESS,
        Ok(()) | Err(_) => ExitCode::from(2),
    }
}

fn run(line: Line) -> ExitCode {
    let config = match line.options.into_config() {
        Ok(config) => config,
        Err(fault) => return say(&fault.to_string(), 2),
    };
    cli::prepare_process();
    if single::ask(&config.data_dir) {
        return say("it is open already; its window was brought forward", 0);
    }
    borrow_fonts();
    let opening =
        Opening { fresh: is_fresh(&config.data_dir), renderer: line.renderer, folder: config.data_dir.clone() };
    match Node::start(config.clone()) {
        Ok((node, notices)) if can_show(&opening) => serve(&Rc::new(Profile::open(config, node, notices)), &opening),
        Ok((node, notices)) => {
            console::run(&node, notices, std::io::stdin().lock(), std::io::stdout());
            node.shutdown();
            ExitCode::SUCCESS
        }
        Err(fault) => match asks_for(&fault) {
            Some(kind) if open_display(opening.renderer).is_ok() => {
                serve(&Rc::new(Profile::locked(config, kind)), &opening)
            }
            _ => fail(&fault, line.renderer),
        },
    }
}

/// What opens a profile that did not open by itself. A passphrase that was given and is wrong is answered where it
/// was given.
const fn asks_for(fault: &StartError) -> Option<VaultKind> {
    match fault {
        StartError::Passphrase(PassphraseFault::Missing) => Some(VaultKind::Passphrase),
        StartError::Keyring(_) => Some(VaultKind::Keyring),
        _ => None,
    }
}

/// The display is open; else says why it is the console instead.
fn can_show(opening: &Opening) -> bool {
    let opened = open_display(opening.renderer);
    if let Err(why) = &opened {
        say(&format!("no window can be opened here ({why}), so this is the console; `help` lists what it knows"), 0);
    }
    opened.is_ok()
}

/// What a window is opened with.
struct Opening {
    /// Whoever starts now has never seen their id.
    fresh: bool,
    renderer: Wanted,
    folder: PathBuf,
}

/// Before anything is opened: where no font is installed, this starts the program again with the bundled ones.
fn borrow_fonts() {
    #[cfg(unix)]
    if !display_names().is_empty()
        && !fonts::some_installed()
        && let Err(why) = fonts::lend()
    {
        tracing::warn!("no font is installed, and the bundled ones cannot be lent: {why}");
    }
}

/// Nothing lies in the folder: whoever starts now has never seen their id.
fn is_fresh(folder: &Path) -> bool {
    std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

fn serve(profile: &Rc<Profile>, opening: &Opening) -> ExitCode {
    let door = open_door(&opening.folder);
    let shown = show(Rc::clone(profile), opening.fresh);
    drop(door);
    profile.shutdown();
    fonts::return_lent();
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => say(&format!("the window failed: {fault}"), 1),
    }
}

/// Hears a second start on this folder. Without it, a second start says that the folder is in use.
fn open_door(folder: &Path) -> Option<Door> {
    let raise = || {
        let raised = slint::invoke_from_event_loop(|| with_app(|app| app.noticed(Act::Raise)));
        if let Err(fault) = raised {
            tracing::debug!("there is no window yet to bring forward: {fault}");
        }
    };
    Door::open(folder, raise).map_err(|why| tracing::warn!("a second start will not find this window: {why}")).ok()
}

/// Opens the display with our renderer; in words why not.
fn open_display(wanted: Wanted) -> Result<(), String> {
    if cfg!(target_os = "linux") && display_names().is_empty() {
        return Err("neither DISPLAY nor WAYLAND_DISPLAY is set".into());
    }
    if !fonts::some_installed() {
        return Err("no font is installed".into());
    }
    let renderer = renderer::choose(wanted);
    let selector = BackendSelector::new().backend_name("winit".into()).renderer_name(renderer.name().into());
    selector.with_winit_custom_application_handler(PutBack).select().map_err(|fault| {
        tracing::debug!("the display does not open: {fault}");
        format!("the display {} cannot be opened", display_names().join(" or "))
    })?;
    fonts::register();
    Ok(())
}

/// Puts the window where it was once the screens are known, before it is shown.
struct PutBack;

impl CustomApplicationHandler for PutBack {
    fn resumed(&mut self, event_loop: &winit::event_loop::ActiveEventLoop) -> EventResult {
        let screens: Vec<Screen> = event_loop.available_monitors().map(|monitor| screen(&monitor)).collect();
        with_app(|app| app.put_back(&screens));
        EventResult::Propagate
    }
}

fn screen(monitor: &winit::monitor::MonitorHandle) -> Screen {
    let (at, size) = (monitor.position(), monitor.size());
    let scale = (monitor.scale_factor() * 100.0).round();
    Screen { at: (at.x, at.y), size: (size.width, size.height), scale: scale.clamp(1.0, 10_000.0) as u32 }
}

/// What the environment says about displays.
fn display_names() -> Vec<String> {
    let named = ["WAYLAND_DISPLAY", "DISPLAY"].into_iter().filter_map(std::env::var_os);
    named.filter(|value| !value.is_empty()).map(|value| value.to_string_lossy().into_owned()).collect()
}

fn show(profile: Rc<Profile>, fresh: bool) -> Result<(), PlatformError> {
    let settings = profile.settings();
    let world = World {
        backend: profile,
        wake: Arc::new(wake),
        clock: Box::new(now_ms),
        zone: Zone::System,
        clipboard: Box::new(SystemClipboard::default()),
        desktop: Box::new(System::default()),
        sight: Box::new(sight::System::default()),
    };
    let app = App::new(world, fresh)?;
    APP.replace(Rc::downgrade(&app));
    settings.into_iter().for_each(|settings| app.know(Asked::Settings, settings));
    watch(&app);
    // Until the system gives it the keys: it may open behind others.
    app.did(Act::Active(false));
    app.window().show()?;
    slint::run_event_loop_until_quit()?;
    app.did(Act::Leave);
    Ok(())
}

thread_local! {
    /// The window of this thread, for whoever is woken on it.
    static APP: RefCell<Weak<App>> = const { RefCell::new(Weak::new()) };
}

/// A wake is under way: a burst of notices needs one.
static WOKEN: AtomicBool = AtomicBool::new(false);

/// Brings the window's thread to its inbox. From any thread.
fn wake() {
    if WOKEN.swap(true, Ordering::AcqRel) {
        return;
    }
    if slint::invoke_from_event_loop(pump).is_err() {
        // Before the loop runs, or after: the first turn of the loop pumps by itself.
        WOKEN.store(false, Ordering::Release);
    }
}

fn pump() {
    WOKEN.store(false, Ordering::Release);
    with_app(App::pump);
}

fn with_app(act: impl FnOnce(&Rc<App>)) {
    if let Some(app) = APP.with_borrow(Weak::upgrade) {
        act(&app);
    }
}

/// What the window system tells: a message counts as read only in an active window, and a window is remembered
/// where it is.
fn watch(app: &Rc<App>) {
    use winit::event::WindowEvent;
    let (weak, painted) = (Rc::downgrade(app), Cell::new(false));
    app.window().window().on_winit_window_event(move |_, event| {
        let Some(app) = weak.upgrade() else { return EventResult::Propagate };
        match event {
            WindowEvent::Focused(active) => app.noticed(Act::Active(*active)),
            WindowEvent::Moved(_) | WindowEvent::Resized(_) => {
                app.look().into_iter().for_each(|seen| app.noticed(Act::Placed(seen)));
            }
            WindowEvent::DroppedFile(path) => app.noticed(Act::Dropped(path.clone())),
            WindowEvent::RedrawRequested if app.is_ready() && !painted.replace(true) => note_picture(),
            _ => {}
        }
        EventResult::Propagate
    });
}

/// The frame is drawn and presented when this event is through; the bench of the first paint looks for this line.
fn note_picture() {
    let noted = slint::invoke_from_event_loop(|| tracing::debug!("the first picture is on the screen"));
    if let Err(fault) = noted {
        tracing::debug!("the loop ends with its first picture: {fault}");
    }
}

#[allow(clippy::disallowed_methods, reason = "the shell's clock: the desk is given the time")]
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The system's clipboard, opened when it is first needed and kept: on X11 it lives as long as its owner.
#[derive(Default)]
struct SystemClipboard(RefCell<Option<arboard::Clipboard>>);

impl SystemClipboard {
    fn with<T>(&self, use_it: impl FnOnce(&mut arboard::Clipboard) -> Result<T, arboard::Error>) -> Result<T, String> {
        let mut slot = self.0.borrow_mut();
        let clipboard = match slot.take() {
            Some(clipboard) => clipboard,
            None => arboard::Clipboard::new().map_err(|fault| fault.to_string())?,
        };
        use_it(slot.insert(clipboard)).map_err(|fault| fault.to_string())
    }
}

impl Clipboard for SystemClipboard {
    fn put(&self, text: String) -> Result<(), String> {
        self.with(|clipboard| clipboard.set_text(text))
    }

    fn take(&self) -> Result<String, String> {
        self.with(arboard::Clipboard::get_text)
    }
}

/// One line on stderr; what cannot be mended by starting again is shown in a window too, for who has no terminal.
fn fail(fault: &StartError, renderer: Wanted) -> ExitCode {
    let code = say(&fault.to_string(), fault.exit_code());
    let started_by_hand = std::io::IsTerminal::is_terminal(&std::io::stderr());
    if !started_by_hand
        && !matches!(fault, StartError::InUse(_))
        && open_display(renderer).is_ok()
        && let Err(why) = show_failure(&fault.to_string())
    {
        tracing::warn!("no window for the failure: {why}");
    }
    code
}

fn show_failure(words: &str) -> Result<(), PlatformError> {
    let window = FailureWindow::new()?;
    window.set_words(words.into());
    window.on_done(|| {
        if let Err(fault) = slint::quit_event_loop() {
            tracing::warn!("the event loop does not end: {fault}");
        }
    });
    window.run()
}

#[allow(clippy::print_stderr, reason = "the contract: one line on stderr, whatever the log's filter")]
fn say(words: &str, code: u8) -> ExitCode {
    eprintln!("y7ke: {words}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_desktop_takes_the_options_of_the_node() {
        let line =
            Line::try_parse_from(["y7ke", "--data-dir", "/tmp/x", "--no-mdns", "--mode", "lan", "--renderer", "gl"]);
        assert_eq!(line.map(|line| line.renderer).ok(), Some(Wanted::Gl));
        assert_eq!(Line::try_parse_from(["y7ke"]).map(|line| line.renderer).ok(), Some(Wanted::Auto));
        assert!(Line::try_parse_from(["y7ke", "--renderer", "none"]).is_err());
    }

    #[test]
    fn an_empty_folder_or_none_is_fresh() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(!is_fresh(here));
        assert!(is_fresh(&here.join("no such folder")));
    }
}
