//! What came on the msg lane and is not settled yet, in order.
//!
//! ```text
//! front ─▶ [ticket 7: 3 items] [ticket 8: 512 items] [fork] [ticket 9: 1 item] ◀─ back
//!           settled? ─ only a settled front leaves: credit and `settled` totals follow the order of
//!                      the lane, so a clock that names a total speaks for all that came before it
//! ```
//!
//! Bounded by the credit of the msg lane: at most one entry for each item of it.

use std::collections::VecDeque;

use y7ke_crypto::ids::LogId;

use crate::window::Load;
use crate::{Lane, Ticket};

use crate::lanes::Lanes;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Items that the ledger has to settle.
    Open { ticket: Ticket, log: LogId, count: usize },
    /// Nothing waits for it.
    Done,
    /// The peer's `flushed`: what counts is when it comes to the front.
    Flushed,
}

#[derive(Debug)]
struct Entry {
    what: What,
    load: Load,
    /// Items of the lane up to and including this entry, in total.
    upto: u64,
}

/// An outstanding ticket, settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) log: LogId,
    pub(crate) count: usize,
    /// Items of the lane up to and including it, in total.
    pub(crate) upto: u64,
}

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    entries: VecDeque<Entry>,
    last: u64,
    items: u64,
    flushed: bool,
}

impl Receipts {
    /// Items for the ledger.
    pub(crate) fn open(&mut self, log: LogId, count: usize, load: Load) -> Ticket {
        self.last = self.last.saturating_add(1);
        let ticket = Ticket(self.last);
        self.push(What::Open { ticket, log, count }, load);
        ticket
    }

    /// A frame that nobody settles: ignored items, a fork proof.
    pub(crate) fn pass(&mut self, load: Load) {
        self.push(What::Done, load);
    }

    /// The peer's `flushed`.
    pub(crate) fn flushed(&mut self, load: Load) {
        self.push(What::Flushed, load);
    }

    /// The ledger settled a ticket; none if it is not outstanding.
    pub(crate) fn settle(&mut self, settled: Ticket) -> Option<Receipt> {
        let is_it = |entry: &Entry| matches!(entry.what, What::Open { ticket, .. } if ticket == settled);
        let entry = self.entries.iter_mut().find(|entry| is_it(entry))?;
        let What::Open { log, count, .. } = std::mem::replace(&mut entry.what, What::Done) else { return None };
        Some(Receipt { log, count, upto: entry.upto })
    }

    /// Gives back the room of what is settled, in order.
    pub(crate) fn release(&mut self, lanes: &mut Lanes) {
        while let Some(entry) = self.entries.pop_front_if(|entry| !matches!(entry.what, What::Open { .. })) {
            self.flushed |= entry.what == What::Flushed;
            lanes.settle(Lane::Msg, entry.load);
        }
    }

    /// Whether everything up to the peer's `flushed` is settled.
    pub(crate) fn is_flushed(&self) -> bool {
        self.flushed
    }

    /// Whether items of this log are outstanding.
    pub(crate) fn has_open(&self, log: &LogId) -> bool {
        self.entries.iter().any(|entry| matches!(&entry.what, What::Open { log: of, .. } if of == log))
    }

    fn push(&mut self, what: What, load: Load) {
        self.items = self.items.saturating_add(load.items);
        self.entries.push_back(Entry { what, load, upto: self.items });
    }
}
