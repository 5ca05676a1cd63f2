//! Credit: how much may be under way on a lane.
//!
//! ```text
//! sender   sent ───────────────▶ room = done + window - sent        (done, window: the receiver's words)
//! receiver got  ──▶ done (handled, or settled by the ledger) ──▶ Credit{done, window}
//! ```
//!
//! All sums are totals since the start of the session, so a credit frame may be late or said twice.
//! The receiver speaks when less than half a window is left to the sender and a quarter can be given
//! back. With nothing outstanding that is always so below one half, and half a window takes any frame:
//! a lane never wedges. The sender keeps to its own ceiling too: a peer that gives endless credit
//! cannot make us fill our own queues.

use std::ops::{Add, AddAssign, Sub};

/// Bytes and items together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Bytes of frames.
    pub(crate) bytes: u64,
    /// Events, notes or control frames.
    pub(crate) items: u64,
}
