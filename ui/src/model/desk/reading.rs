//! Reading a code with this computer (A2, B8): what is wanted, where it is looked for, and what comes of it.
//!
//! ```text
//! "read their code" ─▶ Reading ── a source ─▶ Effect::Look ─▶ Input::Seen ─┬─ the one that is wanted ─▶ its field, over
//!        ▲    │                                                            └─ else: words, and try again
//!        │    └── left, or another pane, or locked ─▶ over
//!   a picture is dropped or pasted beside a field for it
//! ```
//!
//! * What was asked for before does not count any more: each look has a number, and so has what is seen.
//! * There is a reading only while its field is on the screen: another pane, a question or the lock ends it.
//! * The camera rests as soon as nobody looks through it, however the reading ended ([`Desk::rest_sight`]).
//! * What was read goes into the field as if it were typed: it is judged there, and the person presses the button.

use std::path::PathBuf;

use super::{Act, Desk, Effect, Field, ReadUri};
use crate::model::codes::{self, Meaning, Mine, Wanted};
use crate::ui::Pane;

/// Where a code is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The picture on the clipboard.
    Clipboard,
    /// A file that the person chooses.
    Choice,
    /// This file.
    File(PathBuf),
    /// The camera, until it rests.
    Camera,
}

/// What the shell is to do about looking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Look there; what is seen comes back with this number.
    At(Source, u64),
    /// Close the camera.
    Rest,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Glimpse {
    /// The texts of all codes of a picture; of the camera's pictures, those that have one.
    Texts(Vec<String>),
    /// No file was chosen.
    Left,
    /// Why nothing can be seen, in words.
    Failed(String),
}

/// A code that is to be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What is wanted.
    pub wanted: Wanted,
    /// Where it is looked for now.
    pub at: Option<Source>,
    /// What came of the last look.
    pub words: String,
    /// Only what was pasted is to be read: where there is nothing, the reading is over.
    pasted: bool,
}

impl Reading {
    /// The camera is looked through.
    pub fn is_camera(&self) -> bool {
        self.at == Some(Source::Camera)
    }
}

impl Desk {
    pub(super) fn reading(&mut self, act: Act) -> Vec<Effect> {
        match act {
            Act::ReadCode(wanted) => {
                self.reading = Some(Reading { wanted, at: None, words: String::new(), pasted: false });
                Vec::new()
            }
            Act::PastePicture(wanted) => {
                let effects = self.read_at_once(wanted, Source::Clipboard);
                self.reading.iter_mut().for_each(|reading| reading.pasted = true);
                effects
            }
            Act::Dropped(path) => match self.readable() {
                Some(wanted) => self.read_at_once(wanted, Source::File(path)),
                None => Vec::new(),
            },
            Act::ReadFrom(source) => self.look_at(source),
            _ => {
                self.reading = None;
                Vec::new()
            }
        }
    }

    fn read_at_once(&mut self, wanted: Wanted, source: Source) -> Vec<Effect> {
        let mut effects = self.reading(Act::ReadCode(wanted));
        effects.extend(self.look_at(source));
        effects
    }

    /// What has a field on the screen that a code can be read for.
    fn readable(&self) -> Option<Wanted> {
        match self.pane {
            _ if self.welcome || !self.ready() || self.question.is_some() => None,
            Pane::Person if self.person().is_some_and(|contact| !contact.verified) => Some(Wanted::Number),
            Pane::Add => Some(Wanted::Id),
            Pane::Home if self.alone() => Some(Wanted::Id),
            _ => None,
        }
    }

    fn look_at(&mut self, source: Source) -> Vec<Effect> {
        let Some(reading) = &mut self.reading else { return Vec::new() };
        self.looks += 1;
        reading.words.clear();
        (reading.at, reading.pasted) = (Some(source.clone()), false);
        let rest = std::mem::replace(&mut self.camera, reading.is_camera()).then_some(Effect::Look(Look::Rest));
        rest.into_iter().chain([Effect::Look(Look::At(source, self.looks))]).collect()
    }

    /// Something was seen, or nothing could be.
    pub(super) fn seen(&mut self, look: u64, glimpse: Glimpse, read_uri: &ReadUri<'_>, now_ms: u64) -> Vec<Effect> {
        let looks = self.looks;
        let asked = |reading: &&mut Reading| reading.at.is_some() && look == looks;
        let Some(reading) = self.reading.as_mut().filter(asked) else { return Vec::new() };
        let texts = match glimpse {
            Glimpse::Texts(texts) => texts,
            Glimpse::Left => {
                reading.at = None;
                return Vec::new();
            }
            Glimpse::Failed(words) if reading.pasted => {
                self.reading = None;
                self.toasts.say(words, true, now_ms);
                return Vec::new();
            }
            Glimpse::Failed(words) => {
                (reading.at, reading.words) = (None, words);
                return Vec::new();
            }
        };
        if !reading.is_camera() {
            reading.at = None;
        }
        let wanted = reading.wanted;
        match self.meaning(wanted, &texts, read_uri) {
            Meaning::Text(text) => self.take_read(wanted, text, read_uri, now_ms),
            Meaning::Words(words) => self.say_read(words),
            Meaning::Nothing => {
                self.say_read("No code was found in this picture. It has to be whole, sharp and not too small.")
            }
        }
    }

    fn meaning(&self, wanted: Wanted, texts: &[String], read_uri: &ReadUri<'_>) -> Meaning {
        let me = self.me.as_ref().map_or("", |me| me.y7_id.as_str());
        codes::choose(wanted, texts, Mine { y7_id: me, code: &self.safety.code }, read_uri)
    }

    fn say_read(&mut self, words: &str) -> Vec<Effect> {
        self.reading.iter_mut().for_each(|reading| reading.words = words.to_owned());
        Vec::new()
    }

    fn take_read(&mut self, wanted: Wanted, text: String, read_uri: &ReadUri<'_>, now_ms: u64) -> Vec<Effect> {
        self.reading = None;
        let (field, act) = match wanted {
            Wanted::Number => (Field::Compare, Act::Compare(text.clone())),
            Wanted::Id => (Field::Uri, Act::Uri(text.clone())),
        };
        let mut effects = self.did(act, read_uri, now_ms);
        effects.push(Effect::Fill(field, text));
        effects
    }

    /// Ends a reading whose field is gone, and closes the camera that nobody looks through any more.
    pub(super) fn rest_sight(&mut self) -> Option<Effect> {
        let readable = self.readable();
        self.reading.take_if(|reading| readable != Some(reading.wanted));
        let looks = self.reading.as_ref().is_some_and(Reading::is_camera);
        (std::mem::replace(&mut self.camera, looks) && !looks).then_some(Effect::Look(Look::Rest))
    }
}
