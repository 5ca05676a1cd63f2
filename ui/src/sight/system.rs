//! Sight by the system: its clipboard, its files, its camera.
//!
//! ```text
//! window's thread ── Look ─┬─▶ y7ke-sight   one picture, then over
//!                          └─▶ y7ke-camera  until told to rest ── Frame ─┬─▶ window (the newest; others are left out)
//!                                                                        └─▶ y7ke-reader, when it has nothing to do
//!       inbox ◀── Seen(number, Glimpse) ─────────────────────────────────────────┘
//! ```

use std::cell::RefCell;
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::time::Duration;

use super::camera::{Camera, Fault};
use super::picture::{MOST_BYTES, Unseen};
use super::{Frame, Sight, child, chooser};
use crate::desktop::Sink;
use crate::model::desk::{Glimpse, Input, Look, Source};

/// Names a camera in place of the first that can be used.
const NAMED: &str = "Y7KE_CAMERA";

/// How often a camera that gives no picture is asked whether anybody still looks.
const WAIT: Duration = Duration::from_millis(200);

/// What this computer sees. Ends with this value: the camera closes.
#[derive(Default)]
pub struct System {
    around: RefCell<Option<Around>>,
    looking: RefCell<Option<Looking>>,
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
            Look::At(Source::Clipboard, number) => once(around, number, || clipboard().map(Some)),
            Look::At(Source::File(path), number) => once(around, number, move || file(&path).map(Some)),
            Look::At(Source::Choice, number) => once(around, number, chosen),
            Look::At(Source::Camera, number) => drop(self.looking.replace(Some(through_camera(around, number)))),
        }
    }

    fn frame(&self) -> Option<Frame> {
        self.looking.borrow().as_ref().and_then(|looking| looking.frames.try_iter().last())
    }
}

/// One picture or none, on a thread of its own.
fn once(around: Around, number: u64, bytes: impl FnOnce() -> Result<Option<Vec<u8>>, String> + Send + 'static) {
    let told = around.clone();
    let started = std::thread::Builder::new().name("y7ke-sight".into()).spawn(move || {
        let seen = bytes().and_then(|bytes| bytes.map(|bytes| child::read(&bytes)).transpose());
        around.tell(number, seen.map_or_else(Glimpse::Failed, |texts| texts.map_or(Glimpse::Left, Glimpse::Texts)));
    });
    if let Err(why) = started {
        told.tell(number, Glimpse::Failed(format!("Pictures cannot be looked at: {why}.")));
    }
}

/// The picture on the clipboard, or the file that was copied there.
fn clipboard() -> Result<Vec<u8>, String> {
    let mut clipboard = arboard::Clipboard::new().map_err(|why| format!("The clipboard cannot be read: {why}."))?;
    if let Ok(picture) = clipboard.get_image() {
        return pgm(&picture).ok_or_else(|| Unseen::TooLarge.to_string());
    }
    match clipboard.get().file_list() {
        Ok(files) if !files.is_empty() => file(&files[0]),
        _ => Err("There is no picture on the clipboard. Copy one, and paste again.".into()),
    }
}

/// Its colours on white, as a PGM file.
fn pgm(picture: &arboard::ImageData<'_>) -> Option<Vec<u8>> {
    let on_paper = |rgba: &[u8; 4]| {
        let [colours @ .., cover] = rgba.map(u16::from);
        colours.map(|colour| u8::try_from((colour * cover + 255 * (255 - cover)) / 255).unwrap_or(u8::MAX))
    };
    let (width, height) = (u32::try_from(picture.width).ok()?, u32::try_from(picture.height).ok()?);
    let rgb = picture.bytes.as_chunks::<4>().0.iter().flat_map(on_paper).collect();
    Some(Frame { width, height, rgb }.to_pgm())
}

fn file(path: &Path) -> Result<Vec<u8>, String> {
    let refused = |why: std::io::Error| format!("That picture cannot be opened: {why}.");
    let file = File::open(path).map_err(refused)?;
    // A pipe or a folder has no end, or no bytes.
    if !file.metadata().map_err(refused)?.is_file() {
        return Err(Unseen::NoPicture.to_string());
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
    file.take(most + 1).read_to_end(&mut bytes).map_err(refused)?;
    Ok(bytes)
}

fn chosen() -> Result<Option<Vec<u8>>, String> {
    chooser::choose()?.map(|path| file(&path)).transpose()
}

fn through_camera(around: Around, number: u64) -> Looking {
    let (alive, rest) = channel();
    let (show, frames) = sync_channel(1);
    let told = around.clone();
    let started = std::thread::Builder::new().name("y7ke-camera".into()).spawn(move || {
        // What speaks to the driver panics where one breaks its rules; then the camera is closed all the same.
        let filmed = catch_unwind(AssertUnwindSafe(|| film(&around, number, &rest, &show)));
        if let Err(fault) = filmed.unwrap_or_else(|_panic| Err(Fault::Failed("its driver is at fault".into()))) {
            around.tell(number, Glimpse::Failed(fault.to_string()));
        }
    });
    if let Err(why) = started {
        told.tell(number, Glimpse::Failed(format!("The camera cannot be opened: {why}.")));
    }
    Looking { _alive: alive, frames }
}

/// Shows what the camera sees and has it read, until nobody looks any more.
fn film(around: &Around, number: u64, rest: &Receiver<()>, show: &SyncSender<Frame>) -> Result<(), Fault> {
    let named = std::env::var_os(NAMED).filter(|named| !named.is_empty()).map(PathBuf::from);
    let mut camera = Camera::open(named.as_deref())?;
    let reader = reader(around.clone(), number).map_err(|why| Fault::Failed(why.to_string()))?;
    while !matches!(rest.try_recv(), Err(TryRecvError::Disconnected)) {
        if let Some(frame) = camera.frame(WAIT)? {
            // Full: it looks at another one still, and will have the next.
            drop(reader.try_send(frame.to_pgm()));
            drop(show.try_send(frame));
            (around.wake)();
        }
    }
    Ok(())
}

/// Looks at one picture at a time; ends when nobody gives it any.
fn reader(around: Around, number: u64) -> std::io::Result<SyncSender<Vec<u8>>> {
    let (give, given) = sync_channel::<Vec<u8>>(0);
    let started = std::thread::Builder::new().name("y7ke-reader".into()).spawn(move || {
        for picture in given {
            match child::read(&picture) {
                Ok(texts) if texts.is_empty() => {}
                Ok(texts) => around.tell(number, Glimpse::Texts(texts)),
                // The next picture may be better; a camera gives many.
                Err(why) => tracing::debug!("a picture of the camera was not read: {why}"),
            }
        }
    });
    started.map(|_| give)
}
