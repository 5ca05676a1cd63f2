//! The desktop around the window: notifications and the tray, on threads of their own.
//!
//! ```text
//! window's thread ── Note, About ──▶ y7ke-notes ── Notify, CloseNotification ──▶ session bus
//!                 ── words ────────▶ y7ke-tray  ── StatusNotifierItem ─────────▶ session bus
//!       inbox ◀── Act, Fact ──── pressed, closed, not there
//! ```
//!
//! * What is said was decided in [`crate::model::notify`]; here it is only carried.
//! * Without a bus the desk is told once and nothing is tried in a loop.
//! * Linux and the other free desktops' buses; elsewhere there is neither, and the settings say so.

#[cfg(target_os = "linux")]
mod icon;
#[cfg(target_os = "linux")]
mod notes;
#[cfg(target_os = "linux")]
mod tray;

use crate::model::desk::Input;
use crate::model::notify::{About, Note};

/// Where what happens on the desktop goes, from any thread.
pub type Sink = std::sync::Arc<dyn Fn(Input) + Send + Sync>;

/// What the window needs of the desktop around it.
pub trait Desktop {
    /// From now on what happens goes to `sink`.
    fn attend(&self, sink: Sink);
    /// Says this, in place of what was said about the same before.
    fn notify(&self, note: Note);
    /// Takes away what was said about this.
    fn withdraw(&self, about: About);
    /// An icon with these words in the tray, or none. Asked with every change of the desk: the same again costs nothing.
    fn tray(&self, words: Option<String>);
}

#[cfg(not(target_os = "linux"))]
pub use elsewhere::System;
#[cfg(target_os = "linux")]
pub use linux::System;

#[cfg(target_os = "linux")]
mod linux {
    use std::cell::RefCell;

    use super::notes::Notes;
    use super::tray::Tray;
    use super::{About, Desktop, Note, Sink};

    /// The session bus. Ends with this value: what was said is taken back, the icon goes.
    #[derive(Default)]
    pub struct System {
        bus: Option<String>,
        notes: RefCell<Option<Notes>>,
        tray: RefCell<Tray>,
    }

    impl System {
        /// Notifications go to this bus instead of the session's own.
        pub fn on_bus(address: impl Into<String>) -> Self {
            Self { bus: Some(address.into()), ..Self::default() }
        }
    }

    impl Desktop for System {
        fn attend(&self, sink: Sink) {
            self.notes.replace(Some(Notes::start(self.bus.clone(), sink.clone())));
            self.tray.borrow_mut().attend(sink);
        }

        fn notify(&self, note: Note) {
            self.notes.borrow().iter().for_each(|notes| notes.show(note.clone()));
        }

        fn withdraw(&self, about: About) {
            self.notes.borrow().iter().for_each(|notes| notes.withdraw(about.clone()));
        }

        fn tray(&self, words: Option<String>) {
            self.tray.borrow_mut().show(words);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::{About, Desktop, Note, Sink};
    use crate::model::desk::{Fact, Input};

    /// Neither notifications nor a tray.
    #[derive(Default)]
    pub struct System;

    impl Desktop for System {
        fn attend(&self, sink: Sink) {
            sink(Input::Found(Fact::Notes("y7ke cannot show notifications on this system yet.".into())));
            sink(Input::Found(Fact::Tray(false)));
        }

        fn notify(&self, _note: Note) {}

        fn withdraw(&self, _about: About) {}

        fn tray(&self, _words: Option<String>) {}
    }
}
