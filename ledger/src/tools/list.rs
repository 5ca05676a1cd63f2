//! What logs there are.

use serde::Serialize;
use y7ke_crypto::clock::Clock;

use crate::store::{StorageError, View};

/// A log, in the shape of `log.list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogRow {
    /// Its id, hex.
    pub log: String,
    /// `identity`, `account` or `conversation`.
    pub kind: &'static str,
    /// Live events.
    pub events: u64,
    /// Heads of the live events, ascending hex: the heads of the exported Automerge document.
    pub heads: Vec<String>,
    /// Newest live event of each device; several of a device that forked (F4).
    pub clock: Vec<ClockEntry>,
    /// Devices that forked here, hex (F2).
    pub frozen: Vec<String>,
}

/// A device's newest event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClockEntry {
    /// The device, hex.
    pub device_id: String,
    /// Its number.
    pub seq: u64,
}

/// Every log, ascending by id.
pub fn list(view: &View) -> Result<Vec<LogRow>, StorageError> {
    let mut rows = Vec::new();
    for info in view.logs()? {
        rows.push(LogRow {
            log: info.log.to_string(),
            kind: info.spec.kind().name(),
            events: info.live,
            heads: view.heads(&info.log)?.iter().map(ToString::to_string).collect(),
            clock: entries(&view.clock(&info.log)?),
            frozen: info.frozen.iter().map(ToString::to_string).collect(),
        });
    }
    Ok(rows)
}

fn entries(clock: &Clock) -> Vec<ClockEntry> {
    let tips = clock.iter().flat_map(|(device, tips)| tips.iter().map(move |tip| (device, tip.seq)));
    tips.map(|(device, seq)| ClockEntry { device_id: device.to_string(), seq }).collect()
}
