//! The window without a screen: the real window and view models, drawn by the software renderer into memory.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use slint::platform::software_renderer::{MinimalSoftwareWindow, PremultipliedRgbaColor, RepaintBufferType};
use slint::platform::{Platform, WindowAdapter, WindowEvent, update_timers_and_animations};
use slint::{ComponentHandle, LogicalPosition, PhysicalSize, PlatformError, SharedString};
use y7ke::backend::NodeBackend;
use y7ke::desktop::{Desktop, Sink};
use y7ke::model::notify::{About, Note};
use y7ke::model::time::Zone;
use y7ke::window::{App, Clipboard, World};
use y7ke_node::Handle;

pub(crate) const WIDTH: u32 = 1024;
pub(crate) const HEIGHT: u32 = 640;

/// A window that drew nothing for this long has settled. Shorter than the blink of a caret, which is drawn for ever.
const CALM: Duration = Duration::from_millis(120);

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

struct Headless {
    window: Rc<MinimalSoftwareWindow>,
    began: Instant,
}

impl Platform for Headless {
    fn create_window_adapter(&self) -> Result<Rc<dyn WindowAdapter>, PlatformError> {
        Ok(self.window.clone())
    }
    fn duration_since_start(&self) -> Duration {
        self.began.elapsed()
    }
}

struct NoClipboard;

impl Clipboard for NoClipboard {
    fn put(&self, _: String) -> Result<(), String> {
        Err("there is none".into())
    }
    fn take(&self) -> Result<String, String> {
        Err("there is none".into())
    }
}

/// A desktop that shows neither notifications nor a tray.
struct Nothing;

impl Desktop for Nothing {
    fn attend(&self, _sink: Sink) {}
    fn notify(&self, _note: Note) {}
    fn withdraw(&self, _about: About) {}
    fn tray(&self, _words: Option<String>) {}
}

/// The window of a node.
pub(crate) struct Screen {
    pub(crate) app: Rc<App>,
    window: Rc<MinimalSoftwareWindow>,
    pixels: RefCell<Vec<PremultipliedRgbaColor>>,
}

impl Screen {
    pub(crate) fn open(node: Handle) -> Self {
        let window = MinimalSoftwareWindow::new(RepaintBufferType::ReusedBuffer);
        slint::platform::set_platform(Box::new(Headless { window: window.clone(), began: now() }))
            .expect("the only platform");
        y7ke::fonts::register();
        let notices = node.subscribe();
        let world = World {
            backend: Rc::new(NodeBackend::new(node, notices)),
            wake: std::sync::Arc::new(|| {}),
            clock: Box::new(wall_ms),
            zone: Zone::Fixed(0),
            clipboard: Box::new(NoClipboard),
            desktop: Box::new(Nothing),
            sight: Box::new(y7ke::sight::System::default()),
        };
        let app = App::new(world, false).expect("a window in memory");
        window.set_size(PhysicalSize::new(WIDTH, HEIGHT));
        app.window().show().expect("a window in memory");
        let pixels = RefCell::new(vec![PremultipliedRgbaColor::default(); (WIDTH * HEIGHT) as usize]);
        Self { app, window, pixels }
    }

    /// One turn of the loop: what the node said, timers, and a frame if something changed; whether one was drawn.
    pub(crate) fn turn(&self) -> bool {
        self.app.pump();
        update_timers_and_animations();
        self.window.draw_if_needed(|renderer| {
            renderer.render(&mut self.pixels.borrow_mut(), WIDTH as usize);
        })
    }

    /// Turns until nothing was drawn for [`CALM`].
    pub(crate) fn settle(&self) {
        let mut last = now();
        while last.elapsed() < CALM {
            if self.turn() {
                last = now();
            }
        }
    }

    /// Turns until `what` is so.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = now();
        while !is_so() {
            assert!(began.elapsed() < PATIENCE, "within {PATIENCE:?}: {what}");
            self.turn();
        }
    }

    pub(crate) fn key(&self, text: &str) {
        let text = SharedString::from(text);
        self.app.window().window().dispatch_event(WindowEvent::KeyPressed { text: text.clone() });
        self.app.window().window().dispatch_event(WindowEvent::KeyReleased { text });
    }

    pub(crate) fn wheel(&self, by: f32) {
        let position = LogicalPosition::new(650.0, 320.0);
        let event = WindowEvent::PointerScrolled { position, delta_x: 0.0, delta_y: by };
        self.app.window().window().dispatch_event(event);
    }

    pub(crate) fn picture(&self) -> Vec<[u8; 4]> {
        self.pixels.borrow().iter().map(|pixel| [pixel.red, pixel.green, pixel.blue, pixel.alpha]).collect()
    }
}

#[allow(clippy::disallowed_methods, reason = "a bench reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[allow(clippy::disallowed_methods, reason = "a bench reads the clock")]
fn wall_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("before the year 500,000,000")
}
