//! Taking a request back after it may have been seen.
//!
//! ```text
//! me                                                them
//! RequestState cancelled in my account log
//!   ├─ every session ─ TakenBack ───────────────────▶  not accepted: RequestState cancelled; the card goes
//!   ◀───────────────────────────── TakenBackNoted ──┤  once that is durable
//!   forget whom it was sealed to: nothing opens it any more
//!
//!   ◀──────────── sync: the log that they opened ───┤  accepted before they heard of it: it counts
//! ```
//!
//! Taking back and accepting are concurrent until one side hears of the other. Were an acceptance that crossed it
//! void, the accepter would go on writing into a conversation that nobody else joins: so it counts, and whoever
//! took the request back has a contact to block or to talk to. A request that was never sealed to anybody was
//! never seen, and is over at once.

use std::collections::BTreeSet;

use rand_core::CryptoRng;
use y7ke_crypto::ids::{RequestId, RootId};
use y7ke_ledger::body::RequestAnswer;
use y7ke_ledger::views::{Direction, RequestPhase, RequestRow};
use y7ke_sync::Note;
use y7ke_transport::SessionId;

use super::links::Link;
use super::{Round, Step};

// The one who took it back.
impl<R: CryptoRng> Round<'_, R> {
    /// Of requests that were taken back, leaves only those that their addressee may not know to be.
    pub(super) fn drop_the_told(&self, rows: &mut Vec<RequestRow>) -> Step {
        let mut untold = Vec::with_capacity(rows.len());
        for row in rows.drain(..) {
            if row.phase != RequestPhase::Cancelled || self.addressee(&row.req_id)?.is_some() {
                untold.push(row);
            }
        }
        *rows = untold;
        Ok(())
    }

    /// My requests to this person that were taken back, which they may not know.
    pub(super) fn untold(&self, root: &RootId) -> Step<Vec<RequestRow>> {
        let mut rows = self.answerable(root)?;
        rows.retain(|row| row.phase == RequestPhase::Cancelled);
        Ok(rows)
    }

    /// Whether to call somebody only to say so: as long as they could still accept.
    pub(super) fn must_tell(&self, root: &RootId) -> Step<bool> {
        Ok(self.untold(root)?.iter().any(|row| row.expires > self.now.wall_ms))
    }

    /// Puts whoever is to be told on the table of dials.
    pub(super) fn wish_to_tell(&mut self) -> Step {
        let all = y7ke_ledger::views::requests(self.view(), &self.core.me.account, self.now.wall_ms)?;
        let taken_back = |row: &RequestRow| row.direction == Direction::Out && row.phase == RequestPhase::Cancelled;
        let roots: BTreeSet<RootId> = all.into_iter().filter(taken_back).map(|row| row.root).collect();
        roots.iter().try_for_each(|root| self.wish_to_reach(root))
    }

    /// Says it once on each session.
    pub(super) fn tell_taken_back(&mut self, id: SessionId) -> Step {
        let Some(root) = self.core.links.get(&id).and_then(Link::root) else { return Ok(()) };
        for row in self.untold(&root)? {
            let Some(link) = self.core.links.get_mut(&id) else { return Ok(()) };
            if link.taken_back.insert(row.req_id) {
                self.note(id, Note::TakenBack(row.req_id))?;
            }
        }
        Ok(())
    }

    pub(super) fn taken_back_noted(&mut self, id: SessionId, req_id: &RequestId) -> Step {
        let Some(root) = self.core.links.get(&id).and_then(Link::root) else { return Ok(()) };
        if !self.untold(&root)?.iter().any(|row| row.req_id == *req_id) {
            return Ok(());
        }
        self.forget_addressee(req_id);
        self.regrant_person(&root)
    }
}

// The one who was asked.
impl<R: CryptoRng> Round<'_, R> {
    /// Nothing is said of a request that I do not know, or that I accepted: the conversation will tell.
    pub(super) fn hear_taken_back(&mut self, id: SessionId, req_id: &RequestId) -> Step {
        let Some(root) = self.core.links.get(&id).and_then(Link::root) else { return Ok(()) };
        let Some(row) = self.request_of(&root, req_id)? else { return Ok(()) };
        if self.standing(&root)?.is_some_and(|standing| standing.logs.iter().any(|(opened, _)| opened == req_id)) {
            return Ok(());
        }
        if !matches!(row.phase, RequestPhase::Cancelled | RequestPhase::Accepted) {
            self.answer_request(req_id, RequestAnswer::Cancelled)?;
        }
        self.note(id, Note::TakenBackNoted(*req_id))?;
        self.regrant_person(&root)
    }

    /// The request of this id, if it is this person's.
    fn request_of(&self, root: &RootId, req_id: &RequestId) -> Step<Option<RequestRow>> {
        let account = &self.core.me.account;
        let row = y7ke_ledger::views::request(self.view(), account, Direction::In, req_id, self.now.wall_ms)?;
        Ok(row.filter(|row| row.root == *root))
    }
}
