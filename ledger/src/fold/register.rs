//! A register: of all that was ever written to it, what has the greatest stamp stays.
//!
//! ```text
//! value   hlc u64 BE · device 32 · id 32 · content         bytes of the stamp compare like the stamp
//! ```

use y7ke_crypto::ids::EventId;

use crate::fold::{EventMeta, key};
use crate::rows::{BrokenRow, Rows, RowsMut, Table};

/// Length of a stamp in bytes.
const STAMP: usize = 8 + 32 + 32;

fn stamp(meta: &EventMeta) -> Vec<u8> {
    [&meta.hlc.to_be_bytes()[..], meta.device.as_bytes(), meta.id.as_bytes()].concat()
}

/// Writes `content` unless something newer, or the same event, stands there. Says whether it was written.
pub(crate) fn set<R: RowsMut>(
    rows: &mut R,
    table: Table,
    key: &[u8],
    meta: &EventMeta,
    content: &[u8],
) -> Result<bool, R::Error> {
    let mut value = stamp(meta);
    if let Some(held) = rows.get(table, key)? {
        let (held, _) = held.split_at_checked(STAMP).ok_or(BrokenRow(table))?;
        if held >= value.as_slice() {
            return Ok(false);
        }
    }
    value.extend_from_slice(content);
    rows.put(table, key, &value)?;
    Ok(true)
}

/// The content at `key`.
pub(crate) fn get<R: Rows>(rows: &R, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, R::Error> {
    let Some(value) = rows.get(table, key)? else { return Ok(None) };
    Ok(Some(content(table, &value)?.to_vec()))
}

/// The event that wrote a register's value.
pub(crate) fn event(table: Table, value: &[u8]) -> Result<EventId, BrokenRow> {
    key::id_at(value, 8 + 32).map(EventId::from).ok_or(BrokenRow(table))
}

/// The content of a register's value.
pub(crate) fn content(table: Table, value: &[u8]) -> Result<&[u8], BrokenRow> {
    value.get(STAMP..).ok_or(BrokenRow(table))
}
