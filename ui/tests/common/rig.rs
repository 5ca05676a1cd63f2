//! Presses and looks: a window on the testing backend with real pixels and a clock that is turned by hand.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use i_slint_backend_testing::{AccessibleRole, ElementHandle, ElementQuery, TestingBackend, TestingBackendOptions};
use slint::fontique_010::fontique;
use slint::platform::{Key as Stroke, PointerEventButton, WindowEvent};
use slint::{ComponentHandle, LogicalPosition, LogicalSize, SharedString};
use y7ke::desktop::{Desktop, Sink};
use y7ke::model::desk::{Glimpse, Input, Look, Source};
use y7ke::model::notify::{About, Note};
use y7ke::model::time::Zone;
use y7ke::sight::{Frame, Sight};
use y7ke::ui::MainWindow;
use y7ke::window::{App, Clipboard, World};

use super::fake::{Fake, NOW};

thread_local! {
    static READY: Cell<bool> = const { Cell::new(false) };
    /// What the system was last asked to open.
    static OPENED: RefCell<Rc<RefCell<Option<SharedString>>>> = RefCell::default();
}

/// A platform for this thread, with the bundled fonts and no others: pictures are the same on every machine.
pub fn platform() {
    if READY.replace(true) {
        return;
    }
    let options = TestingBackendOptions { mock_time: true, threading: false, renderer_name: Some("software".into()) };
    let backend = TestingBackend::new(options);
    OPENED.replace(Rc::clone(&backend.open_url));
    slint::platform::set_platform(Box::new(backend)).expect("the first platform of this thread");
    forget_system_fonts();
    y7ke::fonts::register();
}

fn forget_system_fonts() {
    let forgotten = i_slint_core::with_global_context(
        || Err(slint::PlatformError::NoPlatform),
        |context| {
            let options = fontique::CollectionOptions { shared: true, system_fonts: false };
            context.font_context().borrow_mut().collection = fontique::Collection::new(options);
        },
    );
    forgotten.expect("the platform was set");
}

#[derive(Clone, Default)]
pub struct Paper(pub Rc<RefCell<String>>);

impl Clipboard for Paper {
    fn put(&self, text: String) -> Result<(), String> {
        self.0.replace(text);
        Ok(())
    }
    fn take(&self) -> Result<String, String> {
        Ok(self.0.borrow().clone())
    }
}

/// What is said around the window, as somebody would see it there.
#[derive(Clone, Default)]
pub struct Outside {
    pub notes: Rc<RefCell<Vec<Note>>>,
    pub tray: Rc<RefCell<Option<String>>>,
    sink: Rc<RefCell<Option<Sink>>>,
}

impl Outside {
    /// Something happens there.
    pub fn happens(&self, input: Input) {
        if let Some(sink) = &*self.sink.borrow() {
            sink(input);
        }
    }

    /// Titles and words that are there now.
    pub fn said(&self) -> Vec<(String, String)> {
        self.notes.borrow().iter().map(|note| (note.title.clone(), note.words.clone())).collect()
    }
}

impl Desktop for Outside {
    fn attend(&self, sink: Sink) {
        self.sink.replace(Some(sink));
    }
    fn notify(&self, note: Note) {
        self.withdraw(note.about.clone());
        self.notes.borrow_mut().push(note);
    }
    fn withdraw(&self, about: About) {
        self.notes.borrow_mut().retain(|note| note.about != about);
    }
    fn tray(&self, words: Option<String>) {
        self.tray.replace(words);
    }
}

/// What is looked at, and what is seen there.
#[derive(Clone, Default)]
pub struct Eyes {
    looks: Rc<RefCell<Vec<Look>>>,
    last: Rc<Cell<u64>>,
    pub frame: Rc<RefCell<Option<Frame>>>,
    sink: Rc<RefCell<Option<Sink>>>,
}

impl Eyes {
    /// Whoever looks sees this; the answer to the last look.
    pub fn see(&self, glimpse: Glimpse) {
        if let Some(sink) = &*self.sink.borrow() {
            sink(Input::Seen(self.last.get(), glimpse));
        }
    }

    /// Where it was looked since the last time; `None` is a rest.
    pub fn looked(&self) -> Vec<Option<Source>> {
        let looks = self.looks.borrow_mut().split_off(0);
        looks.into_iter().map(|look| if let Look::At(source, _) = look { Some(source) } else { None }).collect()
    }
}

impl Sight for Eyes {
    fn attend(&self, sink: Sink, _wake: Arc<dyn Fn() + Send + Sync>) {
        self.sink.replace(Some(sink));
    }
    fn look(&self, look: Look) {
        if let Look::At(_, number) = look {
            self.last.set(number);
        }
        self.looks.borrow_mut().push(look);
    }
    fn frame(&self) -> Option<Frame> {
        self.frame.take()
    }
}

/// A window with its node.
pub struct Rig {
    pub app: Rc<App>,
    pub fake: Rc<Fake>,
    pub paper: Paper,
    pub outside: Outside,
    pub eyes: Eyes,
    now: Rc<Cell<u64>>,
}

impl Rig {
    pub fn new(fake: Rc<Fake>, width: f32, height: f32) -> Self {
        Self::start(fake, width, height, false)
    }

    pub fn start(fake: Rc<Fake>, width: f32, height: f32, fresh: bool) -> Self {
        platform();
        let now = Rc::new(Cell::new(NOW));
        let (clock, paper, outside) = (Rc::clone(&now), Paper::default(), Outside::default());
        let eyes = Eyes::default();
        let world = World {
            backend: fake.clone(),
            wake: Arc::new(|| {}),
            clock: Box::new(move || clock.get()),
            zone: Zone::Fixed(0),
            clipboard: Box::new(paper.clone()),
            desktop: Box::new(outside.clone()),
            sight: Box::new(eyes.clone()),
        };
        let app = App::new(world, fresh).expect("the testing backend has windows");
        app.window().window().set_size(LogicalSize::new(width, height));
        app.window().show().expect("the testing backend shows windows");
        let rig = Self { app, fake, paper, outside, eyes, now };
        rig.settle();
        rig
    }

    pub fn window(&self) -> &MainWindow {
        self.app.window()
    }

    /// Lets answers, layouts and timers run until nothing moves: a third of a second.
    pub fn settle(&self) {
        for _ in 0..20 {
            self.app.pump();
            self.pass(16);
        }
        self.app.pump();
    }

    pub fn pass(&self, ms: u64) {
        self.now.set(self.now.get() + ms);
        i_slint_backend_testing::mock_elapsed_time(Duration::from_millis(ms));
    }

    pub fn resize(&self, width: f32, height: f32) {
        self.window().window().set_size(LogicalSize::new(width, height));
        self.settle();
    }

    pub fn find(&self, label: &str) -> Option<ElementHandle> {
        ElementHandle::find_by_accessible_label(self.window(), label).next()
    }

    pub fn labelled(&self, part: &str) -> Option<ElementHandle> {
        let part = part.to_owned();
        let has = move |element: &ElementHandle| element.accessible_label().is_some_and(|label| label.contains(&part));
        ElementQuery::from_root(self.window()).match_descendants().match_predicate(has).find_first()
    }

    pub fn get(&self, label: &str) -> ElementHandle {
        self.pressable(label)
            .or_else(|| self.find(label))
            .or_else(|| self.labelled(label))
            .unwrap_or_else(|| panic!("nothing is labelled {label:?}; there is {:#?}", self.labels()))
    }

    /// What has this label and can be pressed or typed into, before what only says it.
    fn pressable(&self, label: &str) -> Option<ElementHandle> {
        let presses = |element: &ElementHandle| {
            use AccessibleRole::{Button, RadioButton, Switch, TextInput};
            matches!(element.accessible_role(), Some(Button | RadioButton | Switch | TextInput))
        };
        ElementHandle::find_by_accessible_label(self.window(), label).find(presses)
    }

    pub fn labels(&self) -> Vec<String> {
        let all = ElementQuery::from_root(self.window()).match_descendants().find_all();
        all.iter()
            .filter_map(|element| element.accessible_label())
            .map(|label| label.to_string())
            .filter(|label| !label.is_empty())
            .collect()
    }

    pub fn sees(&self, part: &str) -> bool {
        self.labelled(part).is_some()
    }

    /// A real click, through hit-testing, at the middle of what has this label.
    pub fn click(&self, label: &str) {
        self.get(label).mock_single_click(PointerEventButton::Left);
        self.settle();
    }

    /// Puts the pointer on the middle of what has this label.
    pub fn hover(&self, label: &str) {
        let position = middle(&self.get(label));
        self.window().window().dispatch_event(WindowEvent::PointerMoved { position });
        self.settle();
    }

    pub fn key(&self, text: impl Into<SharedString>) {
        let text = text.into();
        let window = self.window().window();
        window.dispatch_event(WindowEvent::KeyPressed { text: text.clone() });
        window.dispatch_event(WindowEvent::KeyReleased { text });
        self.settle();
    }

    pub fn chord(&self, held: Stroke, key: impl Into<SharedString>) {
        let window = self.window().window();
        window.dispatch_event(WindowEvent::KeyPressed { text: held.into() });
        self.key(key);
        window.dispatch_event(WindowEvent::KeyReleased { text: held.into() });
        self.settle();
    }

    /// Types letter by letter into whatever has the focus.
    pub fn write(&self, text: &str) {
        let window = self.window().window();
        for letter in text.chars() {
            let text = SharedString::from(letter.to_string());
            window.dispatch_event(WindowEvent::KeyPressed { text: text.clone() });
            window.dispatch_event(WindowEvent::KeyReleased { text });
        }
        self.settle();
    }

    /// What the system was asked to open since last time.
    pub fn opened(&self) -> Option<String> {
        OPENED.with_borrow(|opened| opened.take()).map(String::from)
    }

    fn message(&self, part: &str) -> ElementHandle {
        let has = |bubble: &ElementHandle| bubble.accessible_label().is_some_and(|label| label.contains(part));
        self.bubbles().into_iter().find(has).unwrap_or_else(|| panic!("no message has {part:?}: {:#?}", self.labels()))
    }

    /// A real press of the right button on the middle of a message; where that was.
    pub fn click_right_message(&self, part: &str) -> LogicalPosition {
        let message = self.message(part);
        message.mock_single_click(PointerEventButton::Right);
        self.settle();
        middle(&message)
    }

    /// A real press on an entry of the menu that opened at `corner`: an element of a popup knows its place in there.
    pub fn click_in_menu(&self, corner: LogicalPosition, entry: &str) {
        let within = middle(&self.get(entry));
        let position = LogicalPosition::new(corner.x + within.x, corner.y + within.y);
        let (window, button) = (self.window().window(), PointerEventButton::Left);
        window.dispatch_event(WindowEvent::PointerMoved { position });
        window.dispatch_event(WindowEvent::PointerPressed { position, button });
        window.dispatch_event(WindowEvent::PointerReleased { position, button });
        self.settle();
    }

    /// Drags with the left button over the first line of a message.
    pub fn drag_over_message(&self, part: &str) {
        let element = self.message(part);
        let (at, size) = (element.absolute_position(), element.size());
        let window = self.window().window();
        let from = LogicalPosition::new(at.x + 13.0, at.y + 16.0);
        let to = LogicalPosition::new(at.x + size.width - 4.0, at.y + 16.0);
        window.dispatch_event(WindowEvent::PointerMoved { position: from });
        self.settle();
        let button = PointerEventButton::Left;
        window.dispatch_event(WindowEvent::PointerPressed { position: from, button });
        window.dispatch_event(WindowEvent::PointerMoved { position: to });
        window.dispatch_event(WindowEvent::PointerReleased { position: to, button });
        self.settle();
    }

    pub fn value(&self, label: &str) -> String {
        self.get(label).accessible_value().unwrap_or_default().to_string()
    }

    pub fn fields(&self) -> Vec<String> {
        let fields = ElementQuery::from_root(self.window())
            .match_descendants()
            .match_accessible_role(AccessibleRole::TextInput)
            .find_all();
        fields.iter().filter_map(|field| field.accessible_label()).map(|label| label.to_string()).collect()
    }

    /// Messages on the screen, top to bottom.
    pub fn bubbles(&self) -> Vec<ElementHandle> {
        let mut all = ElementQuery::from_root(self.window())
            .match_descendants()
            .match_accessible_role(AccessibleRole::ListItem)
            .find_all();
        all.sort_by(|a, b| a.absolute_position().y.total_cmp(&b.absolute_position().y));
        // What the compiler merged into one item answers for it several times.
        all.dedup_by_key(|bubble| bubble.accessible_label());
        all
    }

    /// Writes what is on the screen to `Y7KE_PICTURES/name.png`, if that is set.
    pub fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("Y7KE_PICTURES") else { return };
        let shot = self.window().window().take_snapshot().expect("the software renderer takes pictures");
        let path = Path::new(&folder).join(format!("{name}.png"));
        std::fs::create_dir_all(&folder).expect("a folder for the pictures");
        let file = std::fs::File::create(path).expect("a file for the picture");
        let mut encoder = png::Encoder::new(file, shot.width(), shot.height());
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().expect("a header");
        writer.write_image_data(shot.as_bytes()).expect("the pixels");
    }
}

fn middle(element: &ElementHandle) -> LogicalPosition {
    let (at, size) = (element.absolute_position(), element.size());
    LogicalPosition::new(at.x + size.width / 2.0, at.y + size.height / 2.0)
}
