//! Sight by the system: its clipboard, its files, its camera.
//!
//! ```text
//! window's thread ── Look ─┬─▶ y7ke-sight   one picture, then over
//!                          └─▶ y7ke-camera  until told to rest ── Frame ─┬─▶ window: one waits, others are left out
//!                                                                        └─▶ y7ke-reader, some each second
//!       inbox ◀── Seen(number, Glimpse) ─────────────────────────────────────────┘
//! ```
//!
//! * A camera opens after the one before has closed: its thread waits for the other's end, the window never does.
//! * Whatever panics on these threads is told in words: the window waits for an answer.

use std::cell::RefCell;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::camera::{Camera, Fault};
use super::child::{self, Unread};
use super::picture::Unseen;
use super::{Frame, Sight, chooser};
use crate::desktop::Sink;
use crate::model::desk::{Glimpse, Input, Look, Source};

/// Names a camera in place of the first that can be used.
const NAMED: &str = "Y7KE_CAMERA";

/// How often a camera that gives no picture is asked whether anybody still looks.
const WAIT: Duration = Duration::from_millis(200);

/// One frame in so many is read: some six each second. Odd, for there are cameras whose every second frame is blank.
const EVERY: usize = 5;

/// Pictures of a camera in a row that the reader does not live through.
const DEATHS: usize = 5;

/// What this computer sees. Ends with this value: the camera closes.
#[derive(Default)]
pub struct System {
    around: RefCell<Option<Around>>,
    looking: RefCell<Option<Looking>>,
    /// The camera's last thread, which has ended or is about to.
    before: RefCell<Option<JoinHandle<()>>>,
}

/// Where what is seen goes.
#[derive(Clone)]
struct Around {
    sink: Sink,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Around {
    fn tell(&self, look: u64, glimpse: Glimpse) {
        (self.sink)(Input::Seen(look, glimpse));
    }

    fn fail(&self, look: u64, why: impl ToString) {
        self.tell(look, Glimpse::Failed(why.to_string()));
    }
}

/// The camera's thread ends when this does.
struct Looking {
    _alive: Sender<()>,
    frames: Receiver<Frame>,
}

impl Sight for System {
    fn attend(&self, sink: Sink, wake: Arc<dyn Fn() + Send + Sync>) {
        self.around.replace(Some(Around { sink, wake }));
    }

    fn look(&self, look: Look) {
        let Some(around) = self.around.borrow().clone() else { return };
        match look {
            Look::Rest => drop(self.looking.take()),
            Look::At(Source::Clipboard, number) => once(around, number, || child::paste().map(Some).map_err(in_words)),
            Look::At(Source::File(path), number) => once(around, number, move || file(&path).map(Some)),
            Look::At(Source::Choice, number) => once(around, number, chosen),
            Look::At(Source::Camera, number) => self.look_through_camera(around, number),
        }
    }

    fn frame(&self) -> Option<Frame> {
        self.looking.borrow().as_ref().and_then(|looking| looking.frames.try_iter().last())
    }
}

impl System {
    fn look_through_camera(&self, around: Around, number: u64) {
        drop(self.looking.take());
        let before = self.before.take();
        let (alive, rest) = channel();
        let (show, frames) = sync_channel(1);
        let told = around.clone();
        let started = Builder::new().name("y7ke-camera".into()).spawn(move || {
            // How the one before ended was told there.
            before.into_iter().for_each(|before| drop(before.join()));
            // What speaks to the driver panics where one breaks its rules; then the camera is closed all the same.
            let filmed = catch_unwind(AssertUnwindSafe(|| film(&around, number, &rest, &show)));
            if let Err(fault) = filmed.unwrap_or_else(|_panic| Err(Fault::Failed("its driver is at fault".into()))) {
                around.fail(number, fault);
            }
        });
        self.looking.replace(Some(Looking { _alive: alive, frames }));
        match started {
            Ok(thread) => drop(self.before.replace(Some(thread))),
            Err(why) => told.fail(number, Fault::Failed(why.to_string())),
        }
    }
}

/// What one look saw, or nothing, on a thread of its own.
fn once(around: Around, number: u64, look: impl FnOnce() -> Result<Option<Vec<String>>, String> + Send + 'static) {
    let told = around.clone();
    let started = Builder::new().name("y7ke-sight".into()).spawn(move || {
        let seen = catch_unwind(AssertUnwindSafe(look)).unwrap_or_else(|_panic| Err(Unread::Died.to_string()));
        around.tell(number, seen.map_or_else(Glimpse::Failed, |texts| texts.map_or(Glimpse::Left, Glimpse::Texts)));
    });
    if let Err(why) = started {
        told.fail(number, Unread::NoChild(why.to_string()));
    }
}

fn in_words(why: Unread) -> String {
    why.to_string()
}

fn file(path: &Path) -> Result<Vec<String>, String> {
    let refused = |why: std::io::Error| format!("That picture cannot be opened: {why}.");
    let file = File::open(path).map_err(refused)?;
    // A pipe or a folder has no end, or no bytes.
    if !file.metadata().map_err(refused)?.is_file() {
        return Err(Unseen::NoPicture.to_string());
    }
    child::read_file(file).map_err(in_words)
}

fn chosen() -> Result<Option<Vec<String>>, String> {
    chooser::choose()?.map(|path| file(&path)).transpose()
}

/// Shows what the camera sees and has it read, until nobody looks any more.
fn film(around: &Around, number: u64, rest: &Receiver<()>, show: &SyncSender<Frame>) -> Result<(), Fault> {
    let looked_at = || !matches!(rest.try_recv(), Err(TryRecvError::Disconnected));
    // It may have waited for the one before.
    if !looked_at() {
        return Ok(());
    }
    let named = std::env::var_os(NAMED).filter(|named| !named.is_empty()).map(PathBuf::from);
    let mut camera = Camera::open(named.as_deref())?;
    let reader = reader(around.clone(), number).map_err(|why| Fault::Failed(why.to_string()))?;
    let mut frames = 0_usize;
    while looked_at() {
        let Some(frame) = camera.frame(WAIT)? else { continue };
        if frames.is_multiple_of(EVERY) {
            // Full: it looks at another one still, and will have a later one.
            drop(reader.try_send(frame.to_pgm()));
        }
        frames += 1;
        drop(show.try_send(frame));
        (around.wake)();
    }
    Ok(())
}

/// Looks at one picture at a time; ends when nobody gives it any.
fn reader(around: Around, number: u64) -> std::io::Result<SyncSender<Vec<u8>>> {
    let (give, given) = sync_channel::<Vec<u8>>(1);
    let started = Builder::new().name("y7ke-reader".into()).spawn(move || {
        let mut deaths = 0;
        for picture in given {
            let read = child::read(&picture);
            // The next picture may be better; a camera gives many.
            deaths = if read == Err(Unread::Died) { deaths + 1 } else { 0 };
            match read {
                Ok(texts) if texts.is_empty() => {}
                Ok(texts) => around.tell(number, Glimpse::Texts(texts)),
                Err(Unread::Died) if deaths < DEATHS => {}
                Err(why) => around.fail(number, why),
            }
        }
    });
    started.map(|_| give)
}
