//! The three lanes of a proven session: frame caps and credit both ways.

use crate::fault::Fault;
use crate::limits::{
    CONTACT_FRAME, CONTACT_MSG, CONTACT_SYNC, NOTE_WINDOW, STRANGER_FRAME, STRANGER_MSG, STRANGER_SYNC,
};
use crate::window::{Incoming, Load, Outgoing};
use crate::wire::{Grant, Hand, Word};
use crate::{Lane, Output};
use y7ke_crypto::codec::Wire;

const ALL: [Lane; 3] = [Lane::Handshake, Lane::Sync, Lane::Msg];

/// One lane, both ways.
#[derive(Debug)]
struct Pair {
    out: Outgoing,
    /// Longest frame that the peer takes, in bytes; 0 until it has said so.
    out_frame: usize,
    inc: Incoming,
    /// Longest frame that we take, in bytes.
    inc_frame: usize,
}

impl Pair {
    fn new(window: Load, ceiling: Load) -> Self {
        Self { out: Outgoing::new(ceiling), out_frame: 0, inc: Incoming::new(window), inc_frame: STRANGER_FRAME }
    }

    fn take_grant(&mut self, grant: &Grant) -> bool {
        let max_frame = usize::try_from(grant.max_frame).unwrap_or(usize::MAX);
        self.out_frame = max_frame.clamp(1, CONTACT_FRAME);
        self.out.credit(grant.done, grant.window).is_ok()
    }

    fn grant(&mut self) -> Grant {
        let max_frame = u32::try_from(self.inc_frame).expect("a frame cap is at most 1 MiB");
        let (done, window) = self.inc.tell();
        Grant { max_frame, done, window }
    }
}

/// Whether a frame can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Now.
    Now,
    /// When credit comes.
    Later,
    /// When the peer takes longer frames.
    TooLong,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Lanes {
    pairs: [Pair; 3],
    open: bool,
}

impl Lanes {
    /// As for a stranger.
    pub(crate) fn new() -> Self {
        let pairs = [
            Pair::new(NOTE_WINDOW, NOTE_WINDOW),
            Pair::new(STRANGER_SYNC, CONTACT_SYNC),
            Pair::new(STRANGER_MSG, CONTACT_MSG),
        ];
        Self { pairs, open: false }
    }

    /// As for a contact from now on.
    pub(crate) fn trust(&mut self) {
        for (lane, window) in [(Lane::Sync, CONTACT_SYNC), (Lane::Msg, CONTACT_MSG)] {
            let pair = self.pair(lane);
            pair.inc_frame = CONTACT_FRAME;
            pair.inc.widen(window);
        }
    }

    /// Our first word to a proven peer: what we take on each lane.
    pub(crate) fn opening(&mut self) -> Hand {
        Hand::Open(self.pairs.each_mut().map(Pair::grant))
    }

    /// The peer's.
    pub(crate) fn opened(&mut self, grants: &[Grant; 3]) -> Result<(), Fault> {
        if self.open {
            return Err(Fault::OutOfTurn("open"));
        }
        self.open = true;
        for (lane, grant) in ALL.into_iter().zip(grants) {
            // Credit on another lane may have overtaken the opening; it is the newer word.
            if self.max_frame(lane) == 0 {
                self.credited(lane, grant)?;
            }
        }
        Ok(())
    }

    /// The peer gives credit.
    pub(crate) fn credited(&mut self, lane: Lane, grant: &Grant) -> Result<(), Fault> {
        if self.pair(lane).take_grant(grant) { Ok(()) } else { Err(Fault::CreditLie(lane)) }
    }

    /// A frame came in: is it within the cap?
    pub(crate) fn measure(&self, lane: Lane, len: usize) -> Result<(), Fault> {
        let cap = self.pairs[lane as usize].inc_frame;
        if len <= cap { Ok(()) } else { Err(Fault::Oversize { lane, len, cap }) }
    }

    /// A frame came in: is it within the credit?
    pub(crate) fn take(&mut self, lane: Lane, load: Load) -> Result<(), Fault> {
        self.pair(lane).inc.take(load).ok().ok_or(Fault::CreditOverrun(lane))
    }

    /// What came in needs no room any more.
    pub(crate) fn settle(&mut self, lane: Lane, load: Load) {
        self.pair(lane).inc.settle(load);
    }

    /// Handled items of a lane, in total.
    pub(crate) fn settled_items(&self, lane: Lane) -> u64 {
        self.pairs[lane as usize].inc.done().items
    }

    /// Sent items of a lane, in total.
    pub(crate) fn sent_items(&self, lane: Lane) -> u64 {
        self.pairs[lane as usize].out.sent().items
    }

    /// What may be sent.
    pub(crate) fn room(&self, lane: Lane) -> Load {
        self.pairs[lane as usize].out.room()
    }

    /// The longest frame that the peer takes.
    pub(crate) fn max_frame(&self, lane: Lane) -> usize {
        self.pairs[lane as usize].out_frame
    }

    /// Whether a frame can go.
    pub(crate) fn fit(&self, lane: Lane, load: Load) -> Fit {
        match load {
            _ if load.bytes > self.max_frame(lane) as u64 && self.max_frame(lane) > 0 => Fit::TooLong,
            _ if load.fits(&self.room(lane)) => Fit::Now,
            _ => Fit::Later,
        }
    }

    /// Sends a frame that fits.
    pub(crate) fn send(&mut self, lane: Lane, bytes: Vec<u8>, items: usize, out: &mut Vec<Output>) {
        self.pair(lane).out.spend(Load::of(bytes.len(), items));
        out.push(Output::Send { lane, bytes });
    }

    /// Sends a frame if it fits now.
    pub(crate) fn try_send(&mut self, lane: Lane, bytes: Vec<u8>, items: usize, out: &mut Vec<Output>) -> Fit {
        let fit = self.fit(lane, Load::of(bytes.len(), items));
        if fit == Fit::Now {
            self.send(lane, bytes, items, out);
        }
        fit
    }

    /// Gives credit back where it is due. Credit itself needs none: it is one frame for a quarter of a
    /// window, so a peer that does not read it soon has nothing left to send.
    pub(crate) fn give_credit(&mut self, out: &mut Vec<Output>) {
        for lane in ALL {
            let (open, pair) = (self.open, self.pair(lane));
            if !pair.inc.is_due() || !(open || lane == Lane::Handshake) {
                continue;
            }
            let grant = pair.grant();
            out.push(match lane {
                Lane::Handshake => Output::Send { lane, bytes: Hand::Credit(grant).to_bytes() },
                Lane::Sync | Lane::Msg => {
                    Output::Send { lane: Lane::Sync, bytes: Word::Credit(lane, grant).to_bytes() }
                }
            });
        }
    }

    fn pair(&mut self, lane: Lane) -> &mut Pair {
        &mut self.pairs[lane as usize]
    }
}

/// Half of every window takes the longest frame of its lane, or the lane could wedge.
const _: () = assert!(
    NOTE_WINDOW.bytes as usize >= 2 * STRANGER_FRAME
        && STRANGER_SYNC.bytes as usize >= 2 * STRANGER_FRAME
        && CONTACT_SYNC.bytes as usize >= 2 * CONTACT_FRAME
        && STRANGER_MSG.bytes as usize >= 2 * STRANGER_FRAME
        && CONTACT_MSG.bytes as usize >= 2 * CONTACT_FRAME
);
