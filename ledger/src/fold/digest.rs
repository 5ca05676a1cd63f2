//! One hash of everything that two devices must agree on.
//!
//! ```text
//! BLAKE3( label · log 32 · ( table u8 · len u32 · key behind the log · len u32 · value )… )
//!         tables ascending, rows in key order; equal for equal live heads, all bodies opened (S7)
//! ```

use std::ops::ControlFlow;

use y7ke_crypto::ids::LogId;

use crate::rows::{Order, Place, Rows, Span, Table};

/// Separates this hash from every other.
const LABEL: &[u8] = b"y7/projection/1";
/// The same for many logs.
const LABEL_ALL: &[u8] = b"y7/projections/1";
/// Of all rows that are folded, which no two devices compare.
const LABEL_ROWS: &[u8] = b"y7/rows/1";

/// The digest of a log's projection.
pub fn digest<R: Rows>(rows: &R, log: &LogId) -> Result<[u8; 32], R::Error> {
    hash(rows, log, LABEL, |place| place == Place::Digest)
}

/// A hash of everything that is folded from a log, also of what is outside the digest: whether a rebuild changed anything.
pub fn fingerprint<R: Rows>(rows: &R, log: &LogId) -> Result<[u8; 32], R::Error> {
    hash(rows, log, LABEL_ROWS, |place| place != Place::Local)
}

fn hash<R: Rows>(rows: &R, log: &LogId, label: &[u8], which: fn(Place) -> bool) -> Result<[u8; 32], R::Error> {
    let mut hash = blake3::Hasher::new();
    hash.update(label).update(log.as_bytes());
    for table in Table::ALL.into_iter().filter(|table| which(table.place())) {
        rows.walk(table, &Span::prefix(log.as_bytes()), Order::Forward, &mut |key, value| {
            hash.update(&[table.number()]);
            field(&mut hash, key.get(log.as_bytes().len()..).unwrap_or_default());
            field(&mut hash, value);
            ControlFlow::Continue(())
        })?;
    }
    Ok(*hash.finalize().as_bytes())
}

/// The digest of several logs' projections, in ascending order of their ids.
pub fn digest_all<R: Rows>(rows: &R, logs: &[LogId]) -> Result<[u8; 32], R::Error> {
    let mut sorted = logs.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut hash = blake3::Hasher::new();
    hash.update(LABEL_ALL);
    for log in &sorted {
        hash.update(log.as_bytes()).update(&digest(rows, log)?);
    }
    Ok(*hash.finalize().as_bytes())
}

fn field(hash: &mut blake3::Hasher, bytes: &[u8]) {
    // Keys and values are bounded by the body cap, far below 4 GiB.
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    hash.update(&len.to_le_bytes()).update(bytes);
}
