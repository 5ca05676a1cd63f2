//! Keys of rows, and their parts again.
//!
//! ```text
//! in_order   log 32 · hlc u64 BE · device 32 · id 32        display order: (hlc, device)
//! numbered   log 32 · device 32 · seq u64 BE                a device's own order
//! named      log 32 · name                                  by person, device, request or setting
//! ```

use y7ke_crypto::ids::{DeviceId, EventId, LogId};

/// Length of an id in bytes.
const ID: usize = 32;
/// Length of a number in bytes.
const NUM: usize = 8;
/// Length of an [`in_order`] key.
const IN_ORDER: usize = ID + NUM + ID + ID;

pub(crate) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub(crate) fn in_order(log: &LogId, hlc: u64, device: &DeviceId, id: &EventId) -> Vec<u8> {
    join(&[log.as_bytes(), &hlc.to_be_bytes(), device.as_bytes(), id.as_bytes()])
}

pub(crate) fn numbered(log: &LogId, device: &DeviceId, seq: u64) -> Vec<u8> {
    join(&[log.as_bytes(), device.as_bytes(), &seq.to_be_bytes()])
}

pub(crate) fn named(log: &LogId, name: &[u8]) -> Vec<u8> {
    join(&[log.as_bytes(), name])
}

/// The parts of an [`in_order`] key behind its log.
pub(crate) fn split_in_order(key: &[u8]) -> Option<(u64, DeviceId, EventId)> {
    if key.len() != IN_ORDER {
        return None;
    }
    Some((number_at(key, ID)?, id_at(key, ID + NUM)?.into(), id_at(key, ID + NUM + ID)?.into()))
}

/// The 32 bytes at `offset`.
pub(crate) fn id_at(key: &[u8], offset: usize) -> Option<[u8; ID]> {
    key.get(offset..offset.checked_add(ID)?)?.try_into().ok()
}

/// The big-endian number at `offset`.
pub(crate) fn number_at(key: &[u8], offset: usize) -> Option<u64> {
    let bytes = key.get(offset..offset.checked_add(NUM)?)?;
    bytes.try_into().ok().map(u64::from_be_bytes)
}
