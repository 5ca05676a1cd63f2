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

use std::ops::{Add, AddAssign};

/// Bytes and items together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Bytes of frames.
    pub(crate) bytes: u64,
    /// Events, notes or control frames.
    pub(crate) items: u64,
}

impl Load {
    /// Of one frame of `len` bytes that carries `items`.
    pub(crate) fn of(len: usize, items: usize) -> Self {
        Self { bytes: len as u64, items: items as u64 }
    }

    /// Whether both parts are at most those of `room`.
    pub(crate) fn fits(&self, room: &Self) -> bool {
        self.bytes <= room.bytes && self.items <= room.items
    }

    /// Whether nothing can be sent into it.
    pub(crate) fn is_spent(&self) -> bool {
        self.bytes == 0 || self.items == 0
    }

    fn least(self, other: Self) -> Self {
        Self { bytes: self.bytes.min(other.bytes), items: self.items.min(other.items) }
    }

    fn less(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_sub(other.bytes), items: self.items.saturating_sub(other.items) }
    }
}

impl Add for Load {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), items: self.items.saturating_add(other.items) }
    }
}

impl AddAssign for Load {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// The sending side of a lane. Closed until the first credit.
#[derive(Debug)]
pub(crate) struct Outgoing {
    sent: Load,
    done: Load,
    window: Load,
    ceiling: Load,
}

/// Credit that cannot be: for what was not sent, or less than before.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lie;

impl Outgoing {
    /// Never more than `ceiling` under way, whatever the peer allows.
    pub(crate) fn new(ceiling: Load) -> Self {
        Self { sent: Load::default(), done: Load::default(), window: Load::default(), ceiling }
    }

    /// The peer has handled `done` and takes a window beyond it.
    pub(crate) fn credit(&mut self, done: Load, window: Load) -> Result<(), Lie> {
        if !done.fits(&self.sent) || !self.done.fits(&done) {
            return Err(Lie);
        }
        self.done = done;
        self.window = window.least(self.ceiling);
        Ok(())
    }

    /// What may be sent now.
    pub(crate) fn room(&self) -> Load {
        (self.done + self.window).less(self.sent)
    }

    /// Accounts for a frame.
    pub(crate) fn spend(&mut self, load: Load) {
        self.sent += load;
    }

    /// Everything that was ever sent.
    pub(crate) fn sent(&self) -> Load {
        self.sent
    }
}

/// The receiving side of a lane.
#[derive(Debug)]
pub(crate) struct Incoming {
    got: Load,
    done: Load,
    told: Load,
    window: Load,
    widened: bool,
}

/// More came than was allowed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overrun;

impl Incoming {
    /// With this window told to the peer in its first credit.
    pub(crate) fn new(window: Load) -> Self {
        Self { got: Load::default(), done: Load::default(), told: Load::default(), window, widened: false }
    }

    /// Takes a frame in.
    pub(crate) fn take(&mut self, load: Load) -> Result<(), Overrun> {
        let got = self.got + load;
        if !got.fits(&(self.told + self.window)) {
            return Err(Overrun);
        }
        self.got = got;
        Ok(())
    }

    /// A frame, or part of one, needs no room any more.
    pub(crate) fn settle(&mut self, load: Load) {
        self.done += load;
    }

    /// The window grows; the peer is to be told.
    pub(crate) fn widen(&mut self, window: Load) {
        self.widened |= !window.fits(&self.window);
        self.window = window;
    }

    /// What has been handled, in total.
    pub(crate) fn done(&self) -> Load {
        self.done
    }

    /// Whether the peer is to be told.
    pub(crate) fn is_due(&self) -> bool {
        let left = (self.told + self.window).less(self.got);
        let back = self.done.less(self.told);
        let low = |left: u64, back: u64, window: u64| left < window / 2 && back >= window / 4;
        self.widened || low(left.bytes, back.bytes, self.window.bytes) || low(left.items, back.items, self.window.items)
    }

    /// The peer is told now.
    pub(crate) fn tell(&mut self) -> (Load, Load) {
        self.told = self.done;
        self.widened = false;
        (self.done, self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Load = Load { bytes: 100, items: 8 };

    fn load(bytes: u64, items: u64) -> Load {
        Load { bytes, items }
    }

    /// S5: what is sent within the credit is taken, one byte or item more is not.
    #[test]
    fn s5_room_and_overrun_agree() {
        let (mut from, mut to) = (Outgoing::new(WINDOW), Incoming::new(WINDOW));
        assert!(from.room().is_spent());
        let (done, window) = to.tell();
        assert_eq!(from.credit(done, window), Ok(()));
        assert_eq!(from.room(), WINDOW);
        assert_eq!(to.take(load(100, 8)), Ok(()));
        assert_eq!(to.take(load(1, 0)), Err(Overrun));
        assert_eq!(to.take(load(0, 1)), Err(Overrun));
    }

    /// S5: below half a window with nothing outstanding, credit is due: the lane never wedges.
    #[test]
    fn s5_credit_is_due_before_the_lane_wedges() {
        for (bytes, items) in [(51, 0), (0, 5), (100, 8)] {
            let mut to = Incoming::new(WINDOW);
            assert_eq!(to.take(load(bytes, items)), Ok(()));
            assert!(!to.is_due(), "nothing to give back yet");
            to.settle(load(bytes, items));
            assert!(to.is_due());
            to.tell();
            assert!(!to.is_due());
        }
    }

    #[test]
    fn a_credit_for_what_was_not_sent_is_a_lie() {
        let mut from = Outgoing::new(WINDOW);
        assert_eq!(from.credit(load(1, 0), WINDOW), Err(Lie));
        from.spend(load(5, 1));
        assert_eq!(from.credit(load(5, 1), load(u64::MAX, u64::MAX)), Ok(()));
        assert_eq!(from.room(), WINDOW, "never beyond the own ceiling");
        assert_eq!(from.credit(load(4, 1), WINDOW), Err(Lie));
    }

    #[test]
    fn a_wider_window_is_told_once() {
        let mut to = Incoming::new(load(10, 1));
        to.widen(WINDOW);
        assert!(to.is_due());
        assert_eq!(to.tell(), (Load::default(), WINDOW));
        assert!(!to.is_due());
    }
}
