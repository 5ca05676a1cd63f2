//! Snapshot reads for the desktop's paged model.

use y7ke_ledger::Ledger;

use crate::api::{ApiError, Conversation, MessageView};

/// Synchronous reads of the newest durable snapshot, without asking the core.
#[derive(Clone, Debug)]
pub struct Views {
    _ledger: Ledger,
}

impl Views {
    pub(super) fn new(ledger: Ledger) -> Self {
        Self { _ledger: ledger }
    }

    /// How many messages a conversation shows; positions are `0..count`, oldest first.
    pub fn count(&self, of: &Conversation) -> Result<usize, ApiError> {
        todo!("{of:?}")
    }

    /// The messages at positions `from..from + count`, fewer at the end.
    pub fn page(&self, of: &Conversation, from: usize, count: usize) -> Result<Vec<MessageView>, ApiError> {
        todo!("{of:?} {from} {count}")
    }

    /// Ids of all messages of a conversation in display order: the model's index.
    pub fn index(&self, of: &Conversation) -> Result<Vec<String>, ApiError> {
        todo!("{of:?}")
    }

    /// One message by its id.
    pub fn message(&self, of: &Conversation, message_id: &str) -> Result<Option<MessageView>, ApiError> {
        todo!("{of:?} {message_id}")
    }
}
