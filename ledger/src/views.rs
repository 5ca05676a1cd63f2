//! Read models: what the projections say to a person, joined across logs when they are read.
//!
//! ```text
//!  account rows ───┐
//!  identity rows ──┼─▶ contacts · requests · conversations · messages ─▶ node ─▶ window, y7 rpc
//!  conversation ───┘                               ▲
//!  event bodies ─────── Events::body ──────────────┘   opened on demand, never stored
//! ```
//!
//! Invariants
//! * Nothing here is stored: `now`, who I am and what was read are arguments or rows (D3).
//! * A person's conversation is the union of all logs with that person, in display order (hlc, device);
//!   the log of the least request id is the one that is written to (C3).

mod contacts;
mod conversations;
mod messages;
mod people;
mod reach;
#[cfg(test)]
mod tests;

use y7ke_crypto::ids::{DeviceId, EventId, LogId};

pub use contacts::{
    ContactRow, ContactState, RequestPhase, RequestRow, Standing, auto_accept, contact, contacts, request, requests,
    setting, settings, standing, stored_request,
};
pub use conversations::{
    ConversationRow, Counts, MAX_UNREAD, Unread, conversation, conversation_counted, draft, marks_up_to, members,
    openings, reads_here, reads_of,
};
pub use messages::{
    MessageKey, MessageRow, Page, Places, authored, is_message, message, message_keys, page, places, row,
};
pub use people::{DeviceRow, devices, person_of, profile_name};
pub use reach::Reach;

use crate::body::Body;
pub use crate::fold::account::Direction;
pub use crate::fold::conversation::OpeningRow;
use crate::rows::{BrokenRow, Rows};

/// Where an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventAt {
    /// The log.
    pub log: LogId,
    /// Its author's device.
    pub device: DeviceId,
    /// Its number.
    pub seq: u64,
    /// Its id.
    pub id: EventId,
}

/// What opening an event gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Its body.
    Body(Body),
    /// Its key, or its body, is not here (yet).
    Closed,
    /// It opened and says nothing that this version understands (E4).
    Nothing,
}

/// Rows together with the events that they point to.
pub trait Events: Rows {
    /// Where the event with this id stands.
    fn locate(&self, id: &EventId) -> Result<Option<EventAt>, Self::Error>;

    /// Opens an event's body.
    fn body(&self, at: &EventAt) -> Result<Opened, Self::Error>;
}

/// A value of `table` that must decode.
fn sound<T>(table: crate::rows::Table, value: Option<T>) -> Result<T, BrokenRow> {
    value.ok_or(BrokenRow(table))
}
