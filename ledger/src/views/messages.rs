//! Messages in display order, page by page; texts are opened as they are asked for.
//!
//! ```text
//! Messages  ─┐
//!            ├─ merged by (hlc, device, id), over all logs with a person ─▶ MessageKey ─ body ─▶ MessageRow
//! Unopened  ─┘
//! ```

use std::ops::ControlFlow;

use y7ke_crypto::codec::Wire;
use y7ke_crypto::ids::{DeviceId, EventId, LogId, RootId};

use super::{EventAt, Events, Opened, people, sound};
use crate::body::Body;
use crate::fold::conversation::MessageFacts;
use crate::fold::key;
use crate::rows::{Order, Rows, Span, Table};

/// A message's place in display order; compares like it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageKey {
    /// Hybrid time.
    pub hlc: u64,
    /// Author's device.
    pub device: DeviceId,
    /// The event.
    pub id: EventId,
    /// Its number among the device's events in its log.
    pub seq: u64,
}

impl MessageKey {
    /// Where its event stands, in `log`.
    pub fn at(&self, log: LogId) -> EventAt {
        EventAt { log, device: self.device, seq: self.seq, id: self.id }
    }
}

/// A message as a person sees it.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// The log.
    pub log: LogId,
    /// Its place.
    pub key: MessageKey,
    /// Whose device wrote it.
    pub author: RootId,
    /// Text; empty while it cannot be opened here.
    pub text: String,
    /// The message it answers.
    pub reply_to: Option<EventId>,
    /// Arrived, but its key or body is not here yet.
    pub unopened: bool,
    /// Two events have its number (F4).
    pub disputed: bool,
}

impl MessageRow {
    /// Wall time of writing, never after now (E5).
    pub fn sent_at(&self, now_ms: u64) -> u64 {
        self.key.hlc.min(now_ms)
    }
}

impl std::fmt::Debug for MessageRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MessageRow({} at {}, …)", self.key.id, self.key.hlc)
    }
}

/// Some messages, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The messages.
    pub messages: Vec<MessageRow>,
    /// Older ones exist.
    pub more: bool,
}

/// Places of some messages, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The places.
    pub keys: Vec<MessageKey>,
    /// Older ones exist.
    pub more: bool,
}

/// The newest `limit` messages of `logs`, or the newest before `before`.
pub fn page<S: Events>(
    source: &S,
    logs: &[LogId],
    before: Option<&MessageKey>,
    limit: usize,
) -> Result<Page, S::Error> {
    let (newest, more) = newest_of_all(source, logs, before, limit)?;
    let messages = newest.iter().map(|(key, log)| row(source, log, key)).collect::<Result<_, _>>()?;
    Ok(Page { messages, more })
}

/// The places of the newest `limit` messages of `logs`, or the newest before `before`: a stretch of the index of
/// a paged list. Cheap: no body is touched.
pub fn places<R: Rows>(
    rows: &R,
    logs: &[LogId],
    before: Option<&MessageKey>,
    limit: usize,
) -> Result<Places, R::Error> {
    let (newest, more) = newest_of_all(rows, logs, before, limit)?;
    Ok(Places { keys: newest.into_iter().map(|(key, _)| key).collect(), more })
}

/// Every message's place in display order.
pub fn message_keys<R: Rows>(rows: &R, logs: &[LogId]) -> Result<Vec<MessageKey>, R::Error> {
    let mut keys = Vec::new();
    for log in logs {
        for table in [Table::Messages, Table::Unopened] {
            collect(rows, table, &Span::prefix(log.as_bytes()), Order::Forward, usize::MAX, &mut keys)?;
        }
    }
    if !keys.is_sorted() {
        keys.sort_unstable();
    }
    Ok(keys)
}

/// Whether a message stands there.
pub fn is_message<R: Rows>(rows: &R, log: &LogId, key: &MessageKey) -> Result<bool, R::Error> {
    let name = key::in_order(log, key.hlc, &key.device, &key.id);
    Ok(rows.get(Table::Messages, &name)?.is_some())
}

/// The message at `key` of `log`, its body opened.
pub fn row<S: Events>(source: &S, log: &LogId, key: &MessageKey) -> Result<MessageRow, S::Error> {
    let at = key.at(*log);
    let (text, reply_to, unopened) = match source.body(&at)? {
        Opened::Body(Body::Text { text, reply_to }) => (text, reply_to, false),
        Opened::Body(_) | Opened::Nothing => (String::new(), None, false),
        Opened::Closed => (String::new(), None, true),
    };
    let author = people::person_of(source, log, &[], &key.device)?;
    Ok(MessageRow {
        log: *log,
        key: *key,
        // Whoever writes has joined before (V1), so the row is there.
        author: sound(Table::Members, author)?,
        text,
        reply_to,
        unopened,
        disputed: disputed(source, &at)?,
    })
}

/// The message with this id, if it is one, in whichever log.
pub fn message<S: Events>(source: &S, id: &EventId) -> Result<Option<MessageRow>, S::Error> {
    let Some(at) = source.locate(id)? else { return Ok(None) };
    match key_of(source, &at)? {
        Some(key) => row(source, &at.log, &key).map(Some),
        None => Ok(None),
    }
}

/// The messages of one device with these numbers, ascending: what an acknowledgement touches.
pub fn authored<R: Rows>(
    rows: &R,
    log: &LogId,
    device: &DeviceId,
    numbers: std::ops::RangeInclusive<u64>,
) -> Result<Vec<MessageKey>, R::Error> {
    let prefix = key::named(log, device.as_bytes());
    let from = key::numbered(log, device, *numbers.start());
    let mut found = Vec::new();
    let mut whole = true;
    rows.walk(Table::Authored, &Span::starting(&prefix, from), Order::Forward, &mut |key, value| {
        match split_authored(*device, key, value) {
            Some(key) if key.seq <= *numbers.end() => found.push(key),
            Some(_) => return ControlFlow::Break(()),
            None => whole = false,
        }
        if whole { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(sound(Table::Authored, whole.then_some(found))?)
}

/// The newest message of one log.
pub(super) fn last<R: Rows>(rows: &R, log: &LogId) -> Result<Option<MessageKey>, R::Error> {
    let newest = newest(rows, Table::Messages, log, None, 1)?;
    Ok(newest.into_iter().next())
}

/// The place of an event, if it is a message.
pub(super) fn key_of<R: Rows>(rows: &R, at: &EventAt) -> Result<Option<MessageKey>, R::Error> {
    let mut name = key::numbered(&at.log, &at.device, at.seq);
    name.extend_from_slice(at.id.as_bytes());
    let Some(value) = rows.get(Table::Authored, &name)? else { return Ok(None) };
    let hlc = sound(Table::Authored, key::number_at(&value, 0))?;
    Ok(Some(MessageKey { hlc, device: at.device, id: at.id, seq: at.seq }))
}

pub(super) fn split_authored(device: DeviceId, name: &[u8], value: &[u8]) -> Option<MessageKey> {
    let (seq, id) = (key::number_at(name, 64)?, key::id_at(name, 72)?.into());
    Some(MessageKey { hlc: key::number_at(value, 0)?, device, id, seq })
}

/// A place, and the log that it is in.
type Placed = (MessageKey, LogId);

/// Of all `logs`, in display order; and whether there are older ones.
fn newest_of_all<R: Rows>(
    rows: &R,
    logs: &[LogId],
    before: Option<&MessageKey>,
    limit: usize,
) -> Result<(Vec<Placed>, bool), R::Error> {
    let mut found = Vec::new();
    for log in logs {
        for table in [Table::Messages, Table::Unopened] {
            let keys = newest(rows, table, log, before, limit.saturating_add(1))?;
            found.extend(keys.into_iter().map(|key| (key, *log)));
        }
    }
    found.sort_unstable();
    let more = found.len() > limit;
    Ok((found.split_off(found.len().saturating_sub(limit)), more))
}

fn newest<R: Rows>(
    rows: &R,
    table: Table,
    log: &LogId,
    before: Option<&MessageKey>,
    limit: usize,
) -> Result<Vec<MessageKey>, R::Error> {
    let span = match before {
        None => Span::prefix(log.as_bytes()),
        Some(before) => Span::before(log.as_bytes(), key::in_order(log, before.hlc, &before.device, &before.id)),
    };
    let mut keys = Vec::new();
    collect(rows, table, &span, Order::Backward, limit, &mut keys)?;
    Ok(keys)
}

fn collect<R: Rows>(
    rows: &R,
    table: Table,
    span: &Span,
    order: Order,
    limit: usize,
    into: &mut Vec<MessageKey>,
) -> Result<(), R::Error> {
    let end = into.len().saturating_add(limit);
    let mut whole = true;
    rows.walk(table, span, order, &mut |name, value| {
        if into.len() == end {
            return ControlFlow::Break(());
        }
        match split(table, name, value) {
            Some(key) => into.push(key),
            None => whole = false,
        }
        if whole { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(sound(table, whole.then_some(()))?)
}

fn split(table: Table, name: &[u8], value: &[u8]) -> Option<MessageKey> {
    let (hlc, device, id) = key::split_in_order(name)?;
    let seq = match table {
        Table::Unopened => key::number_at(value, 0)?,
        _ => MessageFacts::from_bytes(value).ok()?.seq,
    };
    Some(MessageKey { hlc, device, id, seq })
}

/// Told by somebody (F4), or seen here.
fn disputed<R: Rows>(rows: &R, at: &EventAt) -> Result<bool, R::Error> {
    let name = key::numbered(&at.log, &at.device, at.seq);
    if rows.get(Table::Disputes, &name)?.is_some() {
        return Ok(true);
    }
    Ok(rows.scan(Table::Authored, &Span::prefix(&name), Order::Forward, 2)?.len() > 1)
}
