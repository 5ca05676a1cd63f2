//! A conversation: who is in it, its messages in order, what was read.
//!
//! ```text
//! Openings    hlc · device · id → requester root 32 · requester device 32 · opener root 32 · req_id 32
//! Members     device → root 32                    (register)
//! Messages    hlc · device · id → seq u64 · reply
//! Authored    device · seq · id → hlc u64 BE
//! Reads       reader root · device → seq u64 BE   (the greatest stays)
//! ```

use y7ke_crypto::codec::{DecodeError, Reader, Wire, Writer};
use y7ke_crypto::ids::{DeviceId, EventId, RequestId, RootId};
use y7ke_crypto::request::Opening;

use super::{Change, EventMeta, key, register};
use crate::body::{Body, ReadMarks, text};
use crate::rows::{BrokenRow, RowsMut, Table};

/// Who asked and who opened, as a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpeningRow {
    /// Who asked.
    pub requester: RootId,
    /// From which device.
    pub requester_device: DeviceId,
    /// Who accepted.
    pub opener: RootId,
    /// The request.
    pub req_id: RequestId,
}

/// A message without its text, as a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageFacts {
    pub(crate) seq: u64,
    pub(crate) reply_to: Option<EventId>,
}

pub(super) fn apply<R: RowsMut>(rows: &mut R, meta: &EventMeta, body: &Body) -> Result<Option<Change>, R::Error> {
    match body {
        Body::Opening(opening) => open(rows, meta, opening),
        Body::Join { .. } => Ok(member(rows, meta, &meta.device, &meta.root)?.then_some(Change::Device(meta.device))),
        Body::Text { reply_to, .. } => message(rows, meta, reply_to.as_ref()),
        Body::Read { marks } => read(rows, meta, marks),
        Body::Cut { device } => {
            let key = key::named(&meta.log, device.as_bytes());
            Ok(register::set(rows, Table::Revoked, &key, meta, &[])?.then_some(Change::Revoked(*device)))
        }
        _ => Ok(None),
    }
}

fn open<R: RowsMut>(rows: &mut R, meta: &EventMeta, opening: &Opening) -> Result<Option<Change>, R::Error> {
    let core = &opening.core.claim;
    let row = OpeningRow {
        requester: core.from_root,
        requester_device: core.from_device,
        opener: meta.root,
        req_id: core.req_id,
    };
    let key = key::in_order(&meta.log, meta.hlc, &meta.device, &meta.id);
    if rows.get(Table::Openings, &key)?.is_some() {
        return Ok(None);
    }
    rows.put(Table::Openings, &key, &row.to_bytes())?;
    member(rows, meta, &meta.device, &meta.root)?;
    member(rows, meta, &row.requester_device, &row.requester)?;
    Ok(Some(Change::Opened))
}

fn member<R: RowsMut>(rows: &mut R, meta: &EventMeta, device: &DeviceId, root: &RootId) -> Result<bool, R::Error> {
    register::set(rows, Table::Members, &key::named(&meta.log, device.as_bytes()), meta, root.as_bytes())
}

fn message<R: RowsMut>(rows: &mut R, meta: &EventMeta, reply_to: Option<&EventId>) -> Result<Option<Change>, R::Error> {
    let key = key::in_order(&meta.log, meta.hlc, &meta.device, &meta.id);
    if rows.get(Table::Messages, &key)?.is_some() {
        return Ok(None);
    }
    let facts = MessageFacts { seq: meta.seq, reply_to: reply_to.copied() };
    rows.put(Table::Messages, &key, &facts.to_bytes())?;
    let seq = meta.seq.to_be_bytes();
    let authored = key::join(&[meta.log.as_bytes(), meta.device.as_bytes(), &seq, meta.id.as_bytes()]);
    rows.put(Table::Authored, &authored, &meta.hlc.to_be_bytes())?;
    Ok(Some(Change::Message(meta.id)))
}

fn read<R: RowsMut>(rows: &mut R, meta: &EventMeta, marks: &ReadMarks) -> Result<Option<Change>, R::Error> {
    let mut moved = false;
    for mark in marks.iter() {
        let key = key::join(&[meta.log.as_bytes(), meta.root.as_bytes(), mark.device.as_bytes()]);
        moved |= raise(rows, Table::Reads, &key, mark.seq)?;
    }
    Ok(moved.then_some(Change::Read(meta.root)))
}

/// Raises the number at `key` to `seq`; says whether it moved.
pub(crate) fn raise<R: RowsMut>(rows: &mut R, table: Table, key: &[u8], seq: u64) -> Result<bool, R::Error> {
    let held = rows.get(table, key)?.map(|held| key::number_at(&held, 0).ok_or(BrokenRow(table))).transpose()?;
    if held.is_some_and(|held| held >= seq) {
        return Ok(false);
    }
    rows.put(table, key, &seq.to_be_bytes())?;
    Ok(true)
}

impl Wire for OpeningRow {
    const WHAT: &'static str = "opening row";
    const CAP: usize = 4 * 32;

    fn write(&self, to: &mut Writer) {
        to.put(&self.requester).put(&self.requester_device).put(&self.opener).put(&self.req_id);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { requester: from.get()?, requester_device: from.get()?, opener: from.get()?, req_id: from.get()? })
    }
}

impl Wire for MessageFacts {
    const WHAT: &'static str = "message row";
    const CAP: usize = 8 + 1 + 32;

    fn write(&self, to: &mut Writer) {
        text::write_reply(to.u64(self.seq), self.reply_to.as_ref());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { seq: from.u64()?, reply_to: text::reply(from)? })
    }
}
