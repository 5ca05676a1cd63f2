//! Snapshot reads for the desktop's paged model: no command, no waiting for the core.
//!
//! ```text
//! index(of, before)   ─▶ [MessageKey], oldest first     a stretch, from its end; cheap: no text is opened
//! messages(keys)      ─▶ [MessageView]                  opened on demand, a screenful at a time
//! search(query)       ─▶ newest messages with its words  opened one after the other (`core/search.rs`)
//! ```
//!
//! A snapshot is what was durable when it was taken; notices say what changed since. That a message
//! was given to a session is known to the core's memory alone: here it is `queued` until delivered.

use std::sync::{Arc, PoisonError, RwLock};

use y7ke_crypto::ids::{LogId, RootId};
use y7ke_ledger::Ledger;
use y7ke_ledger::store::{StorageError, View};
use y7ke_ledger::views::{self, ContactRow, MessageRow, Reach};
pub use y7ke_ledger::views::{MessageKey, Places};

use super::clock::Clock;
use crate::api::{Answer, ApiError, Conversation, ErrorKind, MessageView};
use crate::core::search::Query;
use crate::core::show;

/// Synchronous reads of the newest durable snapshot, without asking the core.
#[derive(Clone, Debug)]
pub struct Views {
    ledger: Arc<RwLock<Shown>>,
    me: RootId,
    clock: Clock,
}

/// What there is to be read.
#[derive(Debug)]
enum Shown {
    Ledger(Ledger),
    /// The ledger is being opened again after a disk error, or the node has ended.
    Nothing,
    /// The vault is locked.
    Locked,
}

impl Views {
    pub(super) fn new(ledger: Ledger, me: RootId, clock: Clock) -> Self {
        Self { ledger: Arc::new(RwLock::new(Shown::Ledger(ledger))), me, clock }
    }

    /// The places of the newest `limit` messages, or the newest before `before`: a stretch of a paged list's index.
    pub fn index(&self, of: &Conversation, before: Option<&MessageKey>, limit: usize) -> Result<Places, ApiError> {
        let view = self.view()?;
        let logs = self.logs(&view, of)?;
        views::places(&view, &logs, before, limit).map_err(disk)
    }

    /// The messages at these places, in the same order; one that is gone is left out.
    pub fn messages(&self, keys: &[MessageKey]) -> Result<Vec<MessageView>, ApiError> {
        let view = self.view()?;
        let found = keys.iter().filter_map(|key| views::message(&view, &key.id).map_err(disk).transpose());
        let rows = found.collect::<Result<Vec<_>, _>>()?;
        self.show(&view, rows)
    }

    /// The oldest message that was not read here: where a chat opens, if there is one.
    pub fn first_unread(&self, of: &Conversation) -> Result<Option<MessageKey>, ApiError> {
        let view = self.view()?;
        let logs = self.logs(&view, of)?;
        Ok(views::conversation(&view, &logs, &self.me).map_err(disk)?.unread.first)
    }

    /// The newest messages that contain every word of `query`, newest first; of one person, or of all.
    pub fn search(&self, query: &str, y7_id: Option<String>, limit: usize) -> Result<Answer, ApiError> {
        let query = Query::new(query, y7_id, limit)?;
        let view = self.view()?;
        let logs = query.logs(&self.contacts(&view)?)?;
        // Whoever waits for the file to be given back is not to wait for this.
        let found = query.find(&view, logs, || self.is_open()).map_err(disk)?;
        Ok(Answer::Messages { messages: self.show(&view, found.rows)?, more: found.more || !self.is_open() })
    }

    fn is_open(&self) -> bool {
        matches!(*self.ledger.read().unwrap_or_else(PoisonError::into_inner), Shown::Ledger(_))
    }

    /// Takes the opened ledger.
    pub(super) fn open(&self, ledger: Ledger) {
        self.show_now(Shown::Ledger(ledger));
    }

    /// Gives the file back so that it can be opened again.
    pub(super) fn close(&self) {
        self.show_now(Shown::Nothing);
    }

    /// Gives the file back until the vault is unlocked.
    pub(super) fn lock(&self) {
        self.show_now(Shown::Locked);
    }

    fn show_now(&self, shown: Shown) {
        *self.ledger.write().unwrap_or_else(PoisonError::into_inner) = shown;
    }

    fn view(&self) -> Result<View, ApiError> {
        match &*self.ledger.read().unwrap_or_else(PoisonError::into_inner) {
            Shown::Ledger(ledger) => ledger.view().map_err(disk),
            Shown::Locked => Err(super::locking::locked()),
            Shown::Nothing => Err(ApiError::new(ErrorKind::Storage, "The disk failed and is being tried again.")),
        }
    }

    fn contacts(&self, view: &View) -> Result<Vec<ContactRow>, ApiError> {
        views::contacts(view, &LogId::account(&self.me), self.clock.now().wall_ms).map_err(disk)
    }

    fn show(&self, view: &View, rows: Vec<MessageRow>) -> Result<Vec<MessageView>, ApiError> {
        let mut shower = Shower { view, me: self.me, now_ms: self.clock.now().wall_ms, reach: None };
        rows.into_iter().map(|row| shower.show(row).map_err(disk)).collect()
    }

    fn logs(&self, view: &View, of: &Conversation) -> Result<Vec<LogId>, ApiError> {
        let contacts = self.contacts(view)?;
        let named = |row: &&ContactRow| match of {
            Conversation::Person(y7_id) => row.root.to_string() == *y7_id,
            Conversation::Log(log) => row.all_logs().iter().any(|id| id.to_string() == *log),
        };
        let found = contacts.iter().find(named).map(|contact| contact.all_logs());
        found.ok_or_else(|| {
            ApiError::new(ErrorKind::NotFound, "There is no such conversation. List the contacts again.")
        })
    }
}

/// Shows rows one by one, reading what a log's members acknowledged once per run of one log.
struct Shower<'a> {
    view: &'a View,
    me: RootId,
    now_ms: u64,
    reach: Option<(LogId, Reach)>,
}

impl Shower<'_> {
    fn show(&mut self, row: MessageRow) -> Result<MessageView, StorageError> {
        let (me, now_ms) = (self.me, self.now_ms);
        let reach = self.reach(row.log)?;
        let status = reach.status(&row.author, &row.key, false);
        let holders = reach.delivered_to(&row.key).iter().map(ToString::to_string).collect();
        let mine = row.author == me;
        Ok(show::message(row, mine, status, holders, now_ms))
    }

    fn reach(&mut self, log: LogId) -> Result<&Reach, StorageError> {
        let reach = match self.reach.take().filter(|(of, _)| *of == log) {
            Some((_, reach)) => reach,
            None => read_reach(self.view, &log, self.me)?,
        };
        Ok(&self.reach.insert((log, reach)).1)
    }
}

fn read_reach(view: &View, log: &LogId, me: RootId) -> Result<Reach, StorageError> {
    let mut reach = Reach::read(view, log, me)?;
    for ack in view.acks(log)? {
        reach.acked(view, ack.claim)?;
    }
    Ok(reach)
}

fn disk(fault: StorageError) -> ApiError {
    ApiError::new(ErrorKind::Storage, format!("The disk cannot be read: {fault}."))
}
