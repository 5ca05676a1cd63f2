//! The desk and the system around the window: what is said outside it, the tray, closing, and its place.

use std::collections::BTreeSet;

use y7ke_node::api::{ContactState, MessageView, RequestView, SettingsPatch, WindowPlace};

use super::{Act, Desk, Effect, Fact};
use crate::model::notify::{self, About, Note};
use crate::model::place::{self, Seen};
use crate::model::requests;
use crate::ui::Pane;

/// What the desk knows of the system.
#[derive(Debug, Default)]
pub struct Around {
    /// Why notifications are not shown, in words; empty while they are.
    pub notes_trouble: String,
    /// Whether there is a tray; unknown until an icon was wanted.
    pub tray: Option<bool>,
    /// Where the window is.
    pub place: Option<WindowPlace>,
    place_due: Option<u64>,
    said: BTreeSet<About>,
    hidden: bool,
}

impl Desk {
    pub(super) fn found(&mut self, fact: Fact) -> Vec<Effect> {
        match fact {
            Fact::Notes(words) => self.around.notes_trouble = words,
            Fact::Tray(there) => {
                self.around.tray = Some(there);
                // A window that was closed to a tray must not be lost with it.
                if !there && self.around.hidden {
                    return self.raise();
                }
            }
        }
        Vec::new()
    }

    pub(super) fn around(&mut self, act: Act, now_ms: u64) -> Vec<Effect> {
        match act {
            Act::Close if self.closes_to_tray() => {
                self.around.hidden = true;
                self.reading = None;
                self.active = false;
                let mut effects = self.leave(now_ms);
                effects.push(Effect::Hide);
                effects
            }
            Act::Close | Act::Quit => {
                let mut effects = self.leave(now_ms);
                effects.push(Effect::Quit);
                effects
            }
            Act::Raise => self.raise(),
            Act::Follow(about) => self.follow(about, now_ms),
            Act::Placed(seen) => {
                self.placed(seen, now_ms);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Writes what is unwritten: the window may be gone in a moment.
    pub(super) fn leave(&mut self, now_ms: u64) -> Vec<Effect> {
        let mut effects = self.save_drafts(now_ms, true);
        effects.extend(self.keep_place(u64::MAX));
        effects
    }

    fn closes_to_tray(&self) -> bool {
        self.wants_tray() && self.around.tray == Some(true)
    }

    fn wants_tray(&self) -> bool {
        self.settings.as_ref().is_some_and(|settings| settings.close_to_tray)
    }

    /// The words of the icon in the tray, if there is to be one.
    pub fn tray_words(&self) -> Option<String> {
        let words = || notify::tray_words(self.unread(), requests::incoming(self.requests.values()), self.locked());
        self.wants_tray().then(words)
    }

    fn raise(&mut self) -> Vec<Effect> {
        self.around.hidden = false;
        vec![Effect::Raise]
    }

    fn follow(&mut self, about: About, now_ms: u64) -> Vec<Effect> {
        let mut effects = self.raise();
        if self.locked() {
            return effects;
        }
        effects.extend(match about {
            About::Person(y7_id) => self.open(&y7_id, now_ms),
            About::Requests => self.show(Pane::Requests, now_ms),
        });
        effects
    }

    fn placed(&mut self, seen: Seen, now_ms: u64) {
        let place = place::remember(self.around.place, seen);
        if place != self.around.place {
            self.around.place = place;
            self.around.place_due = Some(now_ms + place::KEEP_AFTER_MS);
        }
    }

    pub(super) fn place_due(&self) -> Option<u64> {
        self.around.place_due
    }

    /// Writes the window's place, if it has lain still until `now_ms`.
    pub(super) fn keep_place(&mut self, now_ms: u64) -> Vec<Effect> {
        if self.around.place_due.is_none_or(|due| due > now_ms) {
            return Vec::new();
        }
        self.around.place_due = None;
        // Locked, it cannot be written; it is seen again with the next move.
        let known = self.settings.as_ref().filter(|_| !self.locked()).map(|settings| settings.window);
        match self.around.place {
            Some(place) if known.is_some_and(|known| known != Some(place)) => {
                self.change_settings(SettingsPatch { window: Some(place), ..SettingsPatch::default() })
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn note_message(&mut self, message: &MessageView, of: &str) -> Vec<Effect> {
        let (Some(contact), Some(settings)) = (self.contacts.get(of), &self.settings) else { return Vec::new() };
        let note = notify::of_message(message, contact, settings, self.active);
        self.say_outside(note)
    }

    pub(super) fn note_request(&mut self, request: &RequestView) -> Vec<Effect> {
        let Some(settings) = &self.settings else { return Vec::new() };
        let waiting = requests::incoming(self.requests.values());
        let note = notify::of_request(request, waiting, settings, self.active);
        self.say_outside(note)
    }

    fn say_outside(&mut self, note: Option<Note>) -> Vec<Effect> {
        self.around.said.extend(note.iter().map(|note| note.about.clone()));
        note.map(Effect::Notify).into_iter().collect()
    }

    /// Takes back what was said of what waits no longer.
    pub(super) fn take_back_notes(&mut self) -> Vec<Effect> {
        let over: Vec<About> = self.around.said.iter().filter(|about| !self.waits(about)).cloned().collect();
        over.into_iter()
            .map(|about| {
                self.around.said.remove(&about);
                Effect::Withdraw(about)
            })
            .collect()
    }

    fn waits(&self, about: &About) -> bool {
        let wanted = self.settings.as_ref().is_some_and(|settings| settings.notifications);
        wanted
            && match about {
                About::Person(y7_id) => self
                    .contacts
                    .get(y7_id)
                    .is_some_and(|contact| contact.state == ContactState::Accepted && contact.unread > 0),
                // In an active window their card is in sight.
                About::Requests => !self.active && requests::incoming(self.requests.values()) > 0,
            }
    }
}
