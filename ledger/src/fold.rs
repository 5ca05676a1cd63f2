//! Projections as pure folds of a log's live, opened events.
//!
//! ```text
//!   admitted event ──opened──▶ Body ─┐
//!   EventMeta (log, author, hlc …) ──┴─ apply ──▶ rows of that log        rebuild = clear, then apply all
//!                    not openable yet ─ unopened ─▶ a placeholder row     digest  = BLAKE3 over rows in key order
//! ```
//!
//! Invariants
//! * *Order-insensitive*: any permutation of a set of events, with repetitions, gives the same bytes. Facts are
//!   rows keyed by themselves; what can change is a register in which the greatest (hlc, device, id) stays.
//! * A fold touches rows of its own log only; what spans logs is joined when it is read ([`crate::views`]).
//! * What a kind of log has no use for has no effect (E4): a text in an account log is nobody's message.
//! * Words of a message are never copied into a row.

pub(crate) mod account;
pub(crate) mod conversation;
mod digest;
mod identity;
pub(crate) mod key;
pub(crate) mod register;
pub mod status;
#[cfg(test)]
mod tests;

use y7ke_crypto::ids::{DeviceId, EventId, LogId, RequestId, RootId};

pub use digest::{digest, digest_all, fingerprint};

use crate::body::Body;
use crate::rows::{Order, Place, RowsMut, Span, Table};

/// What a log is for; fixes which bodies have an effect in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum LogKind {
    /// Devices, prekeys and the public name of one person.
    Identity = 1,
    /// What one person's devices share among themselves.
    Account = 2,
    /// Messages of two people.
    Conversation = 3,
}

impl LogKind {
    /// Its name, as `log.list` prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Account => "account",
            Self::Conversation => "conversation",
        }
    }
}

/// What a fold knows of an admitted event besides its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventMeta {
    /// The log.
    pub log: LogId,
    /// What the log is for.
    pub kind: LogKind,
    /// The event.
    pub id: EventId,
    /// Its author's device.
    pub device: DeviceId,
    /// The person whom that device belongs to, as admission proved it.
    pub root: RootId,
    /// Its number among the device's events in this log.
    pub seq: u64,
    /// Hybrid time.
    pub hlc: u64,
}

/// What an event changed in the projection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A message is there.
    Message(EventId),
    /// A person's read marks of this conversation moved.
    Read(RootId),
    /// The conversation was opened, or once more.
    Opened,
    /// A device came in, or changed its certificate.
    Device(DeviceId),
    /// A device is out.
    Revoked(DeviceId),
    /// A device was seen to fork at this number.
    Disputed(DeviceId, u64),
    /// A prekey of this device is the newest now.
    Prekey(DeviceId),
    /// The identity's public name.
    Profile,
    /// A request is new or changed its state.
    Request(RequestId),
    /// Block, nickname or conversation of a person.
    Contact(RootId),
    /// A shared setting.
    Setting(String),
    /// What I typed in this conversation.
    Draft(LogId),
    /// How far I have read in this conversation.
    ReadUpTo(LogId),
    /// Something arrived that cannot be opened here yet.
    Unopened,
}

/// Folds one live, opened event. `None`: it changed nothing (a repetition, an older register, no effect by E4).
pub fn apply<R: RowsMut>(rows: &mut R, meta: &EventMeta, body: &Body) -> Result<Option<Change>, R::Error> {
    settle(rows, meta)?;
    if let Body::ForkNotice { device, seq } = body {
        return dispute(rows, meta, device, *seq);
    }
    match meta.kind {
        LogKind::Identity => identity::apply(rows, meta, body),
        LogKind::Account => account::apply(rows, meta, body),
        LogKind::Conversation => conversation::apply(rows, meta, body),
    }
}

/// Notes that a live sealed event cannot be opened here yet. Only of conversations: there somebody waits for it.
pub fn unopened<R: RowsMut>(rows: &mut R, meta: &EventMeta) -> Result<Option<Change>, R::Error> {
    if meta.kind != LogKind::Conversation {
        return Ok(None);
    }
    rows.put(Table::Unopened, &key::in_order(&meta.log, meta.hlc, &meta.device, &meta.id), &meta.seq.to_be_bytes())?;
    Ok(Some(Change::Unopened))
}

/// Takes the note of [`unopened`] away: the event was opened, whatever it says. [`apply`] does it by itself;
/// this is for a body that opened and does not decode.
pub fn settle<R: RowsMut>(rows: &mut R, meta: &EventMeta) -> Result<(), R::Error> {
    if meta.kind != LogKind::Conversation {
        return Ok(());
    }
    rows.delete(Table::Unopened, &key::in_order(&meta.log, meta.hlc, &meta.device, &meta.id))
}

/// Takes away everything that was folded from `log`; this device's own overlay stays.
///
/// Events that leave the live set are retracted so: clear, then apply what is still live.
pub fn clear<R: RowsMut>(rows: &mut R, log: &LogId) -> Result<(), R::Error> {
    for table in Table::ALL.into_iter().filter(|table| table.place() != Place::Local) {
        clear_table(rows, table, log)?;
    }
    Ok(())
}

fn clear_table<R: RowsMut>(rows: &mut R, table: Table, log: &LogId) -> Result<(), R::Error> {
    /// Rows taken at once: bounds the memory of clearing a long log.
    const CHUNK: usize = 4_096;
    loop {
        let found = rows.scan(table, &Span::prefix(log.as_bytes()), Order::Forward, CHUNK)?;
        for (key, _) in &found {
            rows.delete(table, key)?;
        }
        if found.len() < CHUNK {
            return Ok(());
        }
    }
}

fn dispute<R: RowsMut>(
    rows: &mut R,
    meta: &EventMeta,
    device: &DeviceId,
    seq: u64,
) -> Result<Option<Change>, R::Error> {
    let key = key::numbered(&meta.log, device, seq);
    if rows.get(Table::Disputes, &key)?.is_some() {
        return Ok(None);
    }
    rows.put(Table::Disputes, &key, &[])?;
    Ok(Some(Change::Disputed(*device, seq)))
}

/// Notes on this device alone that everything of `device` up to `seq` was read: for a device that may not write in
/// its account log any more.
pub fn mark_read_here<R: RowsMut>(rows: &mut R, log: &LogId, device: &DeviceId, seq: u64) -> Result<bool, R::Error> {
    conversation::raise(rows, Table::LocalReads, &key::named(log, device.as_bytes()), seq)
}

/// Forgets these notes of a log: they are in the account log now.
pub fn forget_reads_here<R: RowsMut>(rows: &mut R, log: &LogId) -> Result<(), R::Error> {
    clear_table(rows, Table::LocalReads, log)
}
