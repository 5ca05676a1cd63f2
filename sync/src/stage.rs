//! The identity stage: both sides hold the same identity logs before another log is spoken of (S1).
//!
//! ```text
//!  owner: all granted ─▶ LISTED ─────▶ peer       (sync) every identity log of mine has been offered
//!  peer listed, all common logs level ─▶ FLUSHED  (msg)  what you lacked is ahead of this on the lane
//!  peer's FLUSHED settled ─▶ DONE ────▶ peer      (sync) and it is stored here
//!  DONE both ways ─▶ synced: shared logs are offered
//! ```
//!
//! Common logs are those that both granted: what only one side knows of does not hold the other up.
//! That the sender says when it is through (and not the receiver, by comparing clocks) keeps a device
//! whose events one side holds void or forked from holding the stage up for ever.

/// How far it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IdentityStage {
    granted: bool,
    listed: bool,
    flushed: bool,
    done: bool,
    peer_listed: bool,
    peer_done: bool,
    synced: bool,
}

/// What the stage has to say next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Milestone {
    /// To be said when no offer of an identity log is left to be sent.
    Listed,
    /// To be said when the common logs are level.
    Flushed,
    /// To be said when the peer's flushed is settled.
    Done,
}

impl IdentityStage {
    /// The owner has granted every identity log.
    pub(crate) fn grant(&mut self) {
        self.granted = true;
    }

    /// The peer has offered every identity log.
    pub(crate) fn hear_listed(&mut self) {
        self.peer_listed = true;
    }

    /// The peer holds what we sent.
    pub(crate) fn hear_done(&mut self) {
        self.peer_done = true;
    }

    /// What would be said next, in order, if its condition holds.
    pub(crate) fn next(&self) -> [Option<Milestone>; 3] {
        [
            (self.granted && !self.listed).then_some(Milestone::Listed),
            (self.listed && self.peer_listed && !self.flushed).then_some(Milestone::Flushed),
            (!self.done).then_some(Milestone::Done),
        ]
    }

    /// It was said.
    pub(crate) fn said(&mut self, milestone: Milestone) {
        match milestone {
            Milestone::Listed => self.listed = true,
            Milestone::Flushed => self.flushed = true,
            Milestone::Done => self.done = true,
        }
    }

    /// Whether the stage ends now; true once.
    pub(crate) fn ends(&mut self) -> bool {
        let ends = self.done && self.peer_done && self.flushed && !self.synced;
        self.synced |= ends;
        ends
    }

    /// Whether shared logs may be spoken of.
    pub(crate) fn is_synced(&self) -> bool {
        self.synced
    }
}
