//! From the command line to a window, or in words why not.
//!
//! ```text
//! options ─▶ node starts ─▶ display? ── yes ─▶ window ─▶ event loop ─▶ node ends
//!    │ 2        │ 3–7           └──── no ──▶ one sentence, then the console
//! ```
//!
//! * The node's threads are its own; this thread is the window's.
//! * The renderer is chosen here: a GL renderer without GL paints nothing and says nothing.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::process::ExitCode;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Parser, ValueEnum};
use slint::winit_030::{EventResult, WinitWindowAccessor, winit};
use slint::{BackendSelector, ComponentHandle, PlatformError};
use y7ke_node::{Handle, Node, NoticeReader, Options, StartError, cli, console};

use crate::backend::NodeBackend;
use crate::fonts;
use crate::model::desk::Act;
use crate::model::time::Zone;
use crate::ui::FailureWindow;
use crate::window::{App, Clipboard, World};

/// Private peer-to-peer messenger
#[derive(Parser)]
#[command(name = "y7ke", version)]
struct Line {
    #[command(flatten)]
    options: Options,
    /// What draws the window; gl needs a working OpenGL
    #[arg(long, value_enum, default_value_t = Renderer::Software)]
    renderer: Renderer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Renderer {
    Software,
    Gl,
}

impl Renderer {
    const fn name(self) -> &'static str {
        match self {
            Self::Software => "software",
            Self::Gl => "femtovg",
        }
    }
}

/// The whole program.
pub fn main() -> ExitCode {
    match Line::try_parse() {
        Ok(line) => run(line),
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
    borrow_fonts();
    let fresh = is_fresh(&config.data_dir);
    match Node::start(config) {
        Ok((node, notices)) => serve(&node, notices, line.renderer, fresh),
        Err(fault) => fail(&fault, line.renderer),
    }
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

fn serve(node: &Handle, notices: NoticeReader, renderer: Renderer, fresh: bool) -> ExitCode {
    if let Err(why) = open_display(renderer) {
        say(&format!("no window can be opened here ({why}), so this is the console; `help` lists what it knows"), 0);
        console::run(node, notices, std::io::stdin().lock(), std::io::stdout());
        node.shutdown();
        return ExitCode::SUCCESS;
    }
    let shown = show(node, notices, fresh);
    node.shutdown();
    fonts::return_lent();
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => say(&format!("the window failed: {fault}"), 1),
    }
}

/// Opens the display with our renderer; in words why not.
fn open_display(renderer: Renderer) -> Result<(), String> {
    if cfg!(target_os = "linux") && display_names().is_empty() {
        return Err("neither DISPLAY nor WAYLAND_DISPLAY is set".into());
    }
    let selector = BackendSelector::new().backend_name("winit".into()).renderer_name(renderer.name().into());
    if !fonts::some_installed() {
        return Err("no font is installed".into());
    }
    selector.select().map_err(|fault| {
        tracing::debug!("the display does not open: {fault}");
        format!("the display {} cannot be opened", display_names().join(" or "))
    })?;
    fonts::register();
    Ok(())
}

/// What the environment says about displays.
fn display_names() -> Vec<String> {
    let named = ["WAYLAND_DISPLAY", "DISPLAY"].into_iter().filter_map(std::env::var_os);
    named.filter(|value| !value.is_empty()).map(|value| value.to_string_lossy().into_owned()).collect()
}

fn show(node: &Handle, notices: NoticeReader, fresh: bool) -> Result<(), PlatformError> {
    let backend = Rc::new(NodeBackend::new(node.clone(), notices));
    let world = World {
        backend,
        wake: Arc::new(wake),
        clock: Box::new(now_ms),
        zone: Zone::System,
        clipboard: Box::new(SystemClipboard::default()),
    };
    let app = App::new(world, fresh)?;
    APP.replace(Rc::downgrade(&app));
    watch(&app);
    app.window().run()?;
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
    let app = APP.with_borrow(Weak::upgrade);
    app.iter().for_each(|app| app.pump());
}

/// What the window system tells: a message counts as read only in an active window.
fn watch(app: &Rc<App>) {
    let (weak, painted) = (Rc::downgrade(app), Cell::new(false));
    app.window().window().on_winit_window_event(move |_, event| {
        let Some(app) = weak.upgrade() else { return EventResult::Propagate };
        match event {
            winit::event::WindowEvent::Focused(active) => app.did(Act::Active(*active)),
            winit::event::WindowEvent::RedrawRequested if app.is_ready() && !painted.replace(true) => note_picture(),
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
fn fail(fault: &StartError, renderer: Renderer) -> ExitCode {
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
        assert_eq!(line.map(|line| line.renderer).ok(), Some(Renderer::Gl));
        assert!(Line::try_parse_from(["y7ke", "--renderer", "none"]).is_err());
    }

    #[test]
    fn an_empty_folder_or_none_is_fresh() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(!is_fresh(here));
        assert!(is_fresh(&here.join("no such folder")));
    }
}
