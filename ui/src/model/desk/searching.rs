//! Finding: people and messages from the list, and messages within the open conversation.
//!
//! ```text
//! list    words ─┬─▶ people, at once                     ↑ ↓ choose, Enter opens the chosen one
//!                └─▶ message.search, after a pause ─▶ hits
//! chat    words ───▶ message.search of one person ─▶ hit n of m, each shown in its place; Esc leaves
//! ```

use y7ke_node::api::{Command, MessageView};

use super::{Act, Asked, Chat, Desk, Effect, Field, Place};
use crate::model::search::Query;
use crate::model::text;
use crate::port::Key;
use crate::ui::Pane;

/// Messages that the list shows at once.
const IN_LIST: usize = 50;

/// Messages that are walked through within a conversation: the node's largest page.
const IN_CHAT: usize = 500;

/// Finding within the open conversation.
#[derive(Clone, Debug, Default)]
pub struct Within {
    /// What is typed, and what it found.
    pub query: Query,
    /// Which of what was found is shown.
    pub at: usize,
}

impl Desk {
    pub(super) fn searching(&mut self, act: Act, now_ms: u64) -> Vec<Effect> {
        match act {
            Act::Find => {
                self.finding = true;
                Vec::new()
            }
            Act::Filter(words) => {
                self.finding = true;
                self.chosen = 0;
                self.search.edit(&words, now_ms);
                self.filter = words;
                Vec::new()
            }
            Act::Choose(by) => {
                let last = self.choices().saturating_sub(1);
                self.chosen = self.chosen.saturating_add_signed(by as isize).min(last);
                Vec::new()
            }
            Act::FilterAccepted => self.open_chosen(now_ms),
            Act::OpenHit(id) => self.open_hit(&id, now_ms),
            _ => self.searching_within(act, now_ms),
        }
    }

    /// How many rows of the list can be chosen: people, then messages.
    fn choices(&self) -> usize {
        self.listed().len() + if self.filter.is_empty() { 0 } else { self.search.found.len() }
    }

    fn open_chosen(&mut self, now_ms: u64) -> Vec<Effect> {
        let people = self.listed().len();
        if self.chosen < people {
            let Some(y7_id) = self.listed().get(self.chosen).map(|contact| contact.y7_id.clone()) else {
                return Vec::new();
            };
            let mut effects = self.leave_finding();
            effects.extend(self.open(&y7_id, now_ms));
            return effects;
        }
        match self.search.found.get(self.chosen - people).map(|hit| hit.message_id.clone()) {
            Some(id) => self.open_hit(&id, now_ms),
            None => Vec::new(),
        }
    }

    /// Opens a conversation at a message. What was looked for stays, for the next hit.
    fn open_hit(&mut self, id: &str, now_ms: u64) -> Vec<Effect> {
        let Some(hit) = self.search.found.iter().find(|hit| hit.message_id == id).cloned() else { return Vec::new() };
        let (Some(y7_id), Some(key)) = (self.person_of(&hit), Key::of(&hit)) else { return Vec::new() };
        self.finding = false;
        self.open_at(&y7_id, Place::Message(key), now_ms)
    }

    /// Empties the list's field; all conversations are back.
    pub(super) fn leave_finding(&mut self) -> Vec<Effect> {
        self.finding = false;
        self.chosen = 0;
        self.filter.clear();
        self.search = Query::default();
        vec![Effect::Fill(Field::Filter, String::new())]
    }

    fn searching_within(&mut self, act: Act, now_ms: u64) -> Vec<Effect> {
        match act {
            Act::FindHere => {
                if self.open.is_some() && self.pane == Pane::Chat {
                    self.within.get_or_insert_default();
                }
                Vec::new()
            }
            Act::FindHereWords(words) => {
                if let Some(within) = &mut self.within {
                    within.query.edit(&words, now_ms);
                }
                Vec::new()
            }
            Act::FindHereStep(by) => self.step_within(by, now_ms),
            Act::LeaveHere => self.leave_within(),
            _ => Vec::new(),
        }
    }

    /// To the next older (`by` > 0) or newer hit, around the ends. A question that waits is asked first.
    fn step_within(&mut self, by: i32, now_ms: u64) -> Vec<Effect> {
        let Some(within) = &mut self.within else { return Vec::new() };
        if let Some((number, words)) = within.query.take_due(now_ms, true) {
            return self.ask_within(number, words);
        }
        let found = i64::try_from(within.query.found.len()).unwrap_or(i64::MAX);
        if found == 0 {
            return Vec::new();
        }
        let at = i64::try_from(within.at).unwrap_or_default() + i64::from(by);
        within.at = usize::try_from(at.rem_euclid(found)).unwrap_or_default();
        self.show_within()
    }

    fn show_within(&mut self) -> Vec<Effect> {
        let hit = self.within.as_ref().and_then(|within| within.query.found.get(within.at));
        match hit.and_then(Key::of) {
            Some(key) => self.jump(key),
            None => vec![Effect::Chat(Chat::Unmark)],
        }
    }

    /// Shows a message of the open conversation in its place, and marks it.
    pub(super) fn jump(&mut self, key: Key) -> Vec<Effect> {
        self.at_end = false;
        vec![Effect::Chat(Chat::Jump(key))]
    }

    pub(super) fn leave_within(&mut self) -> Vec<Effect> {
        match self.within.take() {
            Some(_) => vec![Effect::Chat(Chat::Unmark), Effect::Caret],
            None => Vec::new(),
        }
    }

    /// The questions that are due.
    pub(super) fn ask_due(&mut self, now_ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Some((number, query)) = self.search.take_due(now_ms, false) {
            let command = Command::MessageSearch { query, y7_id: None, limit: IN_LIST };
            effects.push(Effect::Call(Asked::Found(number), command));
        }
        let within = self.within.as_mut().and_then(|within| within.query.take_due(now_ms, false));
        effects.extend(within.map(|(number, words)| self.ask_within(number, words)).unwrap_or_default());
        effects
    }

    fn ask_within(&self, number: u64, query: String) -> Vec<Effect> {
        let Some(y7_id) = self.open.clone() else { return Vec::new() };
        let command = Command::MessageSearch { query, y7_id: Some(y7_id.clone()), limit: IN_CHAT };
        vec![Effect::Call(Asked::FoundWithin(y7_id, number), command)]
    }

    pub(super) fn hits_came(&mut self, number: u64, messages: Vec<MessageView>, more: bool) -> Vec<Effect> {
        self.search.answer(number, messages, more);
        Vec::new()
    }

    pub(super) fn found_within(
        &mut self,
        of: &str,
        number: u64,
        messages: Vec<MessageView>,
        more: bool,
    ) -> Vec<Effect> {
        if self.open.as_deref() != Some(of) {
            return Vec::new();
        }
        let Some(within) = &mut self.within else { return Vec::new() };
        if !within.query.answer(number, messages, more) {
            return Vec::new();
        }
        within.at = 0;
        self.show_within()
    }

    /// What stands beside the field: which hit of how many.
    pub fn within_words(&self) -> String {
        let Some(Within { query, at }) = &self.within else { return String::new() };
        match query.found.len() {
            _ if !query.trouble.is_empty() => query.trouble.clone(),
            _ if text::is_blank(query.words()) => String::new(),
            0 if query.is_waiting() => "Looking".into(),
            0 => "Nothing found".into(),
            found => format!("{} of {found}{}", at + 1, if query.more { "+" } else { "" }),
        }
    }
}
