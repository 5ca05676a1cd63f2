//! What people are told of a round, once it is durable.
//!
//! ```text
//! round    a message came, was written, came further · something of a person changed ─▶ ToTell, by name
//! commit ─▶ frames and answers leave
//! tell     each message is read and shown once, whatever happened to it; then each person, with the newest message
//! ```
//!
//! Nobody waits for it: while notices are made, the other side has the frames already.
//!
//! Invariant: what is told is what was committed. A round that the disk refused leaves nothing to tell.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use rand_core::CryptoRng;
use y7ke_crypto::ids::{EventId, LogId, RootId};
use y7ke_ledger::views::{self, ContactRow, MessageKey, MessageRow, Reach};

use super::{Round, Step};
use crate::api::{ContactView, MessageView, Notice};

/// Of which messages and people something is to be told.
#[derive(Debug, Default)]
pub(super) struct ToTell {
    messages: Vec<(LogId, MessageKey, What)>,
    people: BTreeSet<RootId>,
}

/// What happened to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// It is here and can be read.
    Came,
    /// It came further: sent, delivered, read.
    Reached,
}

impl ToTell {
    /// Something happened to what stands at this place; nothing is told if it is no message.
    pub(super) fn message(&mut self, log: LogId, key: MessageKey, what: What) {
        self.messages.push((log, key, what));
    }

    pub(super) fn person(&mut self, root: RootId) {
        self.people.insert(root);
    }

    pub(super) fn people(&mut self, roots: impl IntoIterator<Item = RootId>) {
        self.people.extend(roots);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.people.is_empty()
    }
}

/// Messages as they are shown, each read once, and how far those of each log came.
#[derive(Default)]
pub(super) struct Shown {
    reaches: BTreeMap<LogId, Reach>,
    messages: BTreeMap<EventId, MessageView>,
}

impl<R: CryptoRng> Round<'_, R> {
    /// Tells everything that is to be told.
    pub(super) fn tell_all(&mut self) -> Step {
        let ToTell { mut messages, people } = std::mem::take(&mut self.core.to_tell);
        let (mut shown, mut told) = (Shown::default(), BTreeSet::new());
        messages.retain(|message| told.insert(*message));
        for (log, key, what) in messages {
            if let Some(message) = self.message_shown(&log, &key, &mut shown)? {
                self.tell(notice(message, what));
            }
        }
        for root in people {
            let Some(row) = self.contact(&root)? else { continue };
            let contact = self.show_contact(&row, &mut shown)?;
            self.tell(Notice::ContactChanged { contact });
        }
        Ok(())
    }

    fn message_shown(&self, log: &LogId, key: &MessageKey, shown: &mut Shown) -> Step<Option<MessageView>> {
        if let Some(message) = shown.messages.get(&key.id) {
            return Ok(Some(message.clone()));
        }
        if !views::is_message(self.view(), log, key)? {
            return Ok(None);
        }
        let message = self.show_message(views::row(self.view(), log, key)?, shown)?;
        shown.messages.insert(key.id, message.clone());
        Ok(Some(message))
    }

    pub(super) fn show_messages(&self, rows: Vec<MessageRow>) -> Step<Vec<MessageView>> {
        let mut shown = Shown::default();
        rows.into_iter().map(|row| self.show_message(row, &mut shown)).collect()
    }

    fn show_message(&self, row: MessageRow, shown: &mut Shown) -> Step<MessageView> {
        let reach = match shown.reaches.entry(row.log) {
            Entry::Occupied(reach) => reach.into_mut(),
            Entry::Vacant(place) => place.insert(self.reach(&row.log)?),
        };
        let sent = self.core.sent.contains(&(row.log, row.key.seq));
        let status = reach.status(&row.author, &row.key, sent);
        let holders = reach.delivered_to(&row.key).iter().map(ToString::to_string).collect();
        let mine = row.author == self.core.me.root;
        Ok(super::show::message(row, mine, status, holders, self.now.wall_ms))
    }

    fn reach(&self, log: &LogId) -> Step<Reach> {
        let mut reach = Reach::read(self.view(), log, self.core.me.root)?;
        for ack in self.view().acks(log)? {
            reach.acked(self.view(), ack.claim)?;
        }
        Ok(reach)
    }

    pub(super) fn show_contact(&mut self, row: &ContactRow, shown: &mut Shown) -> Step<ContactView> {
        let (counts, me) = (&mut self.core.counts, self.core.me.root);
        let conversation = views::conversation_counted(&**self.book, &row.all_logs(), &me, counts)?;
        let last = match conversation.last {
            Some((log, key)) => Some(self.newest_shown(&log, &key, shown)?),
            None => None,
        };
        let (presence, path) = self.core.presence(&row.root);
        Ok(ContactView {
            y7_id: row.root.to_string(),
            name: row.name().to_owned(),
            state: super::show::contact_state(row.state),
            verified: row.verified,
            log: self.writing_log(row)?.map(|log| log.to_string()),
            presence,
            path,
            unread: conversation.unread.count,
            last,
        })
    }

    fn newest_shown(&self, log: &LogId, key: &MessageKey, shown: &mut Shown) -> Step<MessageView> {
        match shown.messages.get(&key.id) {
            Some(message) => Ok(message.clone()),
            None => self.show_message(views::row(self.view(), log, key)?, shown),
        }
    }
}

fn notice(message: MessageView, what: What) -> Notice {
    match what {
        What::Came if message.mine => Notice::MessageChanged { message },
        What::Came => Notice::MessageReceived { message },
        What::Reached => Notice::MessageStatus { message },
    }
}
