//! A conversation as a whole: who is in it, what is new, what was read.
//!
//! ```text
//! mark of a device = max( Reads of my account , AccountReads , LocalReads of this device )
//! unread           = its messages with a greater number, of devices of other people
//! ```
//!
//! Who counts again and again keeps [`Counts`]: a device's messages come in the order of their numbers, so counting goes
//! on behind the last one. What comes out of that order is told to it ([`Counts::came`], [`Counts::forget`]).

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use y7ke_crypto::codec::Wire;
use y7ke_crypto::ids::{DeviceId, LogId, RootId};

use super::messages::{self, MessageKey};
use super::{Events, Opened, sound};
use crate::body::{Body, ReadMark, ReadMarks};
use crate::fold::conversation::OpeningRow;
use crate::fold::status::ReadBy;
use crate::fold::{account, key, register};
use crate::rows::{Order, Rows, Span, Table};

/// Unread messages are counted up to this: beyond it a person reads "many", and counting stays cheap.
pub const MAX_UNREAD: u64 = 10_000;

/// Length of a log id, and of any other id, in keys.
const ID: usize = 32;

/// What was not read here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// How many messages, at most [`MAX_UNREAD`] per author device.
    pub count: u64,
    /// The first of them in display order.
    pub first: Option<MessageKey>,
}

/// A conversation with a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationRow {
    /// Its logs, the one that is written to first (C3).
    pub logs: Vec<LogId>,
    /// What was not read here.
    pub unread: Unread,
    /// The newest message and its log.
    pub last: Option<(LogId, MessageKey)>,
}

/// What was counted before.
#[derive(Debug, Default)]
pub struct Counts {
    of: BTreeMap<(LogId, DeviceId), Count>,
}

/// Messages of one device in one log.
#[derive(Clone, Copy, Debug)]
struct Count {
    /// Counted from this number.
    from: u64,
    /// The greatest number among them; `from - 1` where there are none.
    upto: u64,
    found: u64,
    first: Option<MessageKey>,
}

impl Counts {
    /// An event of `device` counts now, or became readable. Nothing is lost where it is the device's newest.
    pub fn came(&mut self, log: &LogId, device: &DeviceId, seq: u64) {
        if self.of.get(&(*log, *device)).is_some_and(|count| seq <= count.upto) {
            self.of.remove(&(*log, *device));
        }
    }

    /// Messages of this log may have gone.
    pub fn forget(&mut self, log: &LogId) {
        self.of.retain(|(of, _), _| of != log);
    }

    /// Nothing counted before holds: a transaction was dropped.
    pub fn clear(&mut self) {
        self.of.clear();
    }

    /// The messages of `device` from the number `from` on.
    fn count<R: Rows>(&mut self, rows: &R, log: &LogId, device: &DeviceId, from: u64) -> Result<Count, R::Error> {
        let fresh = Count { from, upto: from.saturating_sub(1), found: 0, first: None };
        let count = self.of.entry((*log, *device)).or_insert(fresh);
        if count.from != from {
            *count = fresh;
        }
        count_on(rows, log, device, count)?;
        Ok(*count)
    }
}

/// The conversation that these logs make together, as `me` sees it.
pub fn conversation<R: Rows>(rows: &R, logs: &[LogId], me: &RootId) -> Result<ConversationRow, R::Error> {
    conversation_counted(rows, logs, me, &mut Counts::default())
}

/// The same, counting on from what was counted before over the same rows.
pub fn conversation_counted<R: Rows>(
    rows: &R,
    logs: &[LogId],
    me: &RootId,
    counts: &mut Counts,
) -> Result<ConversationRow, R::Error> {
    let mut row = ConversationRow { logs: logs.to_vec(), unread: Unread::default(), last: None };
    for log in logs {
        add_unread(rows, log, me, counts, &mut row.unread)?;
        let last = messages::last(rows, log)?.map(|key| (*log, key));
        row.last = row.last.into_iter().chain(last).max_by_key(|(_, key)| *key);
    }
    Ok(row)
}

/// Devices that wrote in `log` and the people they belong to, ascending by device.
pub fn members<R: Rows>(rows: &R, log: &LogId) -> Result<Vec<(DeviceId, RootId)>, R::Error> {
    let found = rows.scan(Table::Members, &Span::prefix(log.as_bytes()), Order::Forward, usize::MAX)?;
    let member = |(name, value): &(Vec<u8>, Vec<u8>)| {
        let device = key::id_at(name, ID)?;
        let root = key::id_at(register::content(Table::Members, value).ok()?, 0)?;
        Some((device.into(), root.into()))
    };
    found.iter().map(|row| Ok(sound(Table::Members, member(row))?)).collect()
}

/// Who asked and who opened; the first counts for show (C2).
pub fn openings<R: Rows>(rows: &R, log: &LogId) -> Result<Vec<OpeningRow>, R::Error> {
    let found = rows.scan(Table::Openings, &Span::prefix(log.as_bytes()), Order::Forward, usize::MAX)?;
    found.iter().map(|(_, value)| Ok(sound(Table::Openings, OpeningRow::from_bytes(value).ok())?)).collect()
}

/// Everybody's read marks in `log`.
pub fn reads_of<R: Rows>(rows: &R, log: &LogId) -> Result<Vec<ReadBy>, R::Error> {
    let found = rows.scan(Table::Reads, &Span::prefix(log.as_bytes()), Order::Forward, usize::MAX)?;
    let mark = |(name, value): &(Vec<u8>, Vec<u8>)| {
        let (reader, device) = (key::id_at(name, ID)?.into(), key::id_at(name, 2 * ID)?.into());
        Some(ReadBy { reader, device, seq: key::number_at(value, 0)? })
    };
    found.iter().map(|row| Ok(sound(Table::Reads, mark(row))?)).collect()
}

/// The marks that `me` has to set to have read everything up to `up_to` in display order; none if all stand.
pub fn marks_up_to<R: Rows>(rows: &R, log: &LogId, me: &RootId, up_to: &MessageKey) -> Result<ReadMarks, R::Error> {
    let mut marks = ReadMarks::new();
    for device in others(rows, log, me)? {
        let mark = mark(rows, log, me, &device)?;
        if let Some(seq) = newest_up_to(rows, log, &device, up_to)?.filter(|seq| *seq > mark) {
            marks.add(ReadMark { device, seq });
        }
    }
    Ok(marks)
}

/// What was noted as read on this device alone.
pub fn reads_here<R: Rows>(rows: &R, log: &LogId) -> Result<ReadMarks, R::Error> {
    let found = rows.scan(Table::LocalReads, &Span::prefix(log.as_bytes()), Order::Forward, usize::MAX)?;
    let mark = |(name, value): &(Vec<u8>, Vec<u8>)| {
        Some(ReadMark { device: key::id_at(name, ID)?.into(), seq: key::number_at(value, 0)? })
    };
    found.iter().map(|row| Ok(sound(Table::LocalReads, mark(row))?)).collect()
}

/// The draft of a conversation that my devices share; none if there is none, or if it does not open here.
pub fn draft<S: Events>(source: &S, me: &RootId, log: &LogId) -> Result<Option<String>, S::Error> {
    let Some((id, true)) = account::draft_event(source, &LogId::account(me), log)? else { return Ok(None) };
    let Some(at) = source.locate(&id)? else { return Ok(None) };
    match source.body(&at)? {
        Opened::Body(Body::Draft { text, .. }) => Ok(Some(text)),
        _ => Ok(None),
    }
}

/// The greatest number of `device` read by `me`, told to others or not.
pub(super) fn mark<R: Rows>(rows: &R, log: &LogId, me: &RootId, device: &DeviceId) -> Result<u64, R::Error> {
    let told = key::join(&[log.as_bytes(), me.as_bytes(), device.as_bytes()]);
    let kept = key::join(&[LogId::account(me).as_bytes(), log.as_bytes(), device.as_bytes()]);
    let here = key::named(log, device.as_bytes());
    let told = number(rows, Table::Reads, &told)?.max(number(rows, Table::AccountReads, &kept)?);
    Ok(told.max(number(rows, Table::LocalReads, &here)?))
}

fn number<R: Rows>(rows: &R, table: Table, name: &[u8]) -> Result<u64, R::Error> {
    match rows.get(table, name)? {
        Some(value) => Ok(sound(table, key::number_at(&value, 0))?),
        None => Ok(0),
    }
}

fn others<R: Rows>(rows: &R, log: &LogId, me: &RootId) -> Result<Vec<DeviceId>, R::Error> {
    let members = members(rows, log)?;
    Ok(members.into_iter().filter(|(_, root)| root != me).map(|(device, _)| device).collect())
}

fn add_unread<R: Rows>(
    rows: &R,
    log: &LogId,
    me: &RootId,
    counts: &mut Counts,
    unread: &mut Unread,
) -> Result<(), R::Error> {
    for device in others(rows, log, me)? {
        let after = mark(rows, log, me, &device)?.saturating_add(1);
        let count = counts.count(rows, log, &device, after)?;
        unread.count = unread.count.saturating_add(count.found);
        unread.first = unread.first.into_iter().chain(count.first).min();
    }
    Ok(())
}

/// Goes on behind what is counted.
fn count_on<R: Rows>(rows: &R, log: &LogId, device: &DeviceId, count: &mut Count) -> Result<(), R::Error> {
    if count.found >= MAX_UNREAD {
        return Ok(());
    }
    let span =
        Span::starting(&key::named(log, device.as_bytes()), key::numbered(log, device, count.upto.saturating_add(1)));
    rows.walk(Table::Authored, &span, Order::Forward, &mut |name, value| {
        let Some(found) = messages::split_authored(*device, name, value) else { return ControlFlow::Continue(()) };
        count.first = count.first.or(Some(found));
        count.upto = count.upto.max(found.seq);
        count.found += 1;
        if count.found < MAX_UNREAD { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
}

/// A device's own messages are in display order, so the walk from its newest ends after what is newer.
fn newest_up_to<R: Rows>(
    rows: &R,
    log: &LogId,
    device: &DeviceId,
    up_to: &MessageKey,
) -> Result<Option<u64>, R::Error> {
    let mut newest = None;
    let span = Span::prefix(&key::named(log, device.as_bytes()));
    rows.walk(Table::Authored, &span, Order::Backward, &mut |name, value| match messages::split_authored(
        *device, name, value,
    ) {
        Some(key) if key > *up_to => ControlFlow::Continue(()),
        found => {
            newest = found.map(|key| key.seq);
            ControlFlow::Break(())
        }
    })?;
    Ok(newest)
}
