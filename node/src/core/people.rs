//! Who somebody is to me, and what follows from it: which logs they may see, where they are dialled.
//!
//! ```text
//! relation    identity logs      shared logs                              dialled
//! sibling     everybody's        account, every conversation              yes
//! contact     mine and theirs    conversations with them                  yes
//! asked       mine and theirs    what accepting my request would open     yes, urgently
//! overdue     mine and theirs    the same: they may have accepted in time  to say that I took it back
//! asks        none               none                                     no: they dial
//! rejected    none               none: a rejection is silent              no
//! stranger    none               none                                     no
//! blocked     none               none; the session is closed              no
//! ```

use std::collections::BTreeSet;

use rand_core::CryptoRng;
use y7ke_crypto::cert::Proven;
use y7ke_crypto::ids::{LogId, NetKey, RootId};
use y7ke_ledger::views::{self, ContactRow, ContactState, Direction, RequestPhase, RequestRow, Standing};

use super::links::Link;
use super::{Core, Round, Step};
use crate::api::{PathView, Presence};

/// For so long after my request ran out somebody who accepted it in time may come back: a year (K4).
const LATE_ANSWER_MS: u64 = 365 * 24 * 60 * 60 * 1_000;

/// Who somebody is to me.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// A device of mine.
    Sibling,
    /// We talk.
    Contact,
    /// I asked.
    Asked,
    /// My request ran out or was taken back; that they accepted it before may still come to light.
    Overdue,
    /// They asked.
    Asks,
    /// They asked, and I said no. They must not be able to tell (C4).
    Rejected,
    /// Nobody to me.
    Stranger,
    /// I want nothing from them (C4).
    Blocked,
}

impl Relation {
    /// Whether the person stands in my list of people.
    pub(crate) fn is_acquainted(self) -> bool {
        matches!(self, Self::Contact | Self::Asked | Self::Asks)
    }
}

impl<R: CryptoRng> Round<'_, R> {
    pub(super) fn relation(&self, root: &RootId) -> Step<Relation> {
        if *root == self.core.me.root {
            return Ok(Relation::Sibling);
        }
        Ok(match self.standing(root)?.map(|standing| standing.state) {
            Some(ContactState::Blocked) => Relation::Blocked,
            Some(ContactState::Accepted) => Relation::Contact,
            Some(ContactState::PendingOut) => Relation::Asked,
            Some(ContactState::PendingIn) => Relation::Asks,
            Some(ContactState::Rejected) => Relation::Rejected,
            None if !self.answerable(root)?.is_empty() => Relation::Overdue,
            None => Relation::Stranger,
        })
    }

    pub(super) fn standing(&self, root: &RootId) -> Step<Option<Standing>> {
        Ok(views::standing(self.view(), &self.core.me.account, root, self.now.wall_ms)?)
    }

    pub(super) fn contact(&self, root: &RootId) -> Step<Option<ContactRow>> {
        Ok(views::contact(self.view(), &self.core.me.account, root, self.now.wall_ms)?)
    }

    pub(super) fn contacts(&self) -> Step<Vec<ContactRow>> {
        Ok(views::contacts(self.view(), &self.core.me.account, self.now.wall_ms)?)
    }

    /// My requests to `root` that wait for an answer.
    pub(super) fn asking(&self, root: &RootId) -> Step<Vec<RequestRow>> {
        let mut mine = self.answerable(root)?;
        mine.retain(|row| row.phase == RequestPhase::Pending);
        Ok(mine)
    }

    /// My requests to `root` whose acceptance counts, now or when it comes to light. One that ran out may have
    /// been accepted in time, by somebody who was away since; one that I took back, before they heard of it.
    pub(super) fn answerable(&self, root: &RootId) -> Step<Vec<RequestRow>> {
        let all = views::requests(self.view(), &self.core.me.account, self.now.wall_ms)?;
        let now_ms = self.now.wall_ms;
        let mine = |row: &RequestRow| row.direction == Direction::Out && row.root == *root;
        let counts = |row: &RequestRow| match row.phase {
            RequestPhase::Pending | RequestPhase::Accepted | RequestPhase::Superseded => true,
            RequestPhase::Expired | RequestPhase::Cancelled => row.expires.saturating_add(LATE_ANSWER_MS) > now_ms,
            RequestPhase::Rejected => false,
        };
        let mut rows: Vec<_> = all.into_iter().filter(|row| mine(row) && counts(row)).collect();
        self.drop_the_told(&mut rows)?;
        Ok(rows)
    }

    /// The conversation that is written to: the least request id (C3). Left out is one that I opened for
    /// a request which they then made anew without ever coming in: they took the first one back.
    pub(super) fn writing_log(&self, contact: &Standing) -> Step<Option<LogId>> {
        if contact.logs.len() < 2 {
            return Ok(contact.log());
        }
        let all = views::requests(self.view(), &self.core.me.account, self.now.wall_ms)?;
        let opened = |row: &&RequestRow| contact.logs.iter().any(|(req_id, _)| *req_id == row.req_id);
        let theirs = all.iter().filter(|row| row.direction == Direction::In && row.root == contact.root).filter(opened);
        let (ids, newest): (Vec<_>, _) =
            (theirs.clone().map(|row| row.req_id).collect(), theirs.max_by_key(|row| row.created));
        let newest = newest.map(|row| row.req_id);
        for (req_id, log) in &contact.logs {
            if !ids.contains(req_id) || Some(*req_id) == newest || self.has_come_in(log, &contact.root)? {
                return Ok(Some(*log));
            }
        }
        Ok(contact.log())
    }

    pub(super) fn has_come_in(&self, log: &LogId, root: &RootId) -> Step<bool> {
        Ok(self.view().members(log)?.iter().any(|(_, member)| member == root))
    }

    /// All logs of a conversation, the one that is written to first.
    pub(super) fn logs_of(&self, contact: &Standing) -> Step<Vec<LogId>> {
        let first = self.writing_log(contact)?;
        let others = contact.all_logs().into_iter().filter(|log| Some(*log) != first);
        Ok(first.into_iter().chain(others).collect())
    }

    pub(super) fn identity_logs_for(&self, root: &RootId) -> Step<BTreeSet<LogId>> {
        let mut logs: BTreeSet<_> = [LogId::identity(&self.core.me.root), LogId::identity(root)].into();
        if *root == self.core.me.root {
            logs.extend(self.contacts()?.iter().map(|contact| LogId::identity(&contact.root)));
        }
        Ok(logs)
    }

    pub(super) fn shared_logs_for(&self, root: &RootId) -> Step<BTreeSet<LogId>> {
        if *root == self.core.me.root {
            let mut logs: BTreeSet<_> = self.contacts()?.iter().flat_map(|contact| contact.all_logs()).collect();
            logs.insert(self.core.me.account);
            return Ok(logs);
        }
        let mut logs: BTreeSet<_> =
            self.standing(root)?.map(|standing| standing.all_logs()).unwrap_or_default().into_iter().collect();
        logs.extend(
            self.answerable(root)?.iter().map(|row| LogId::conversation(&self.core.me.root, root, &row.req_id)),
        );
        Ok(logs)
    }

    pub(super) fn is_revoked(&self, proven: &Proven) -> Step<bool> {
        let devices = views::devices(self.view(), &proven.root)?;
        Ok(devices.iter().any(|row| row.device == proven.device && row.revoked))
    }

    /// The libp2p keys of a person's devices, as far as their certificates are here: in their identity
    /// log, else in the bundle that came with a request or that mine was sealed to.
    pub(super) fn nets_of(&self, root: &RootId) -> Step<Vec<NetKey>> {
        let devices = views::devices(self.view(), root)?;
        let mut chains: Vec<_> = devices.into_iter().filter(|row| !row.revoked).map(|row| row.chain).collect();
        if chains.is_empty() {
            let kept = self.kept_bundle(root)?;
            chains.extend(kept.iter().flat_map(|bundle| bundle.devices()).map(|device| device.chain.clone()));
        }
        let nets = chains.iter().filter_map(|chain| chain.verify().ok()).map(|proven| proven.net);
        Ok(nets.filter(|net| *net != self.core.me.net).collect())
    }

    /// Every link of a person is told what they may see now.
    pub(super) fn regrant_person(&mut self, root: &RootId) -> Step {
        let links: Vec<_> = self.core.links_of(root).map(|(id, _)| *id).collect();
        links.into_iter().try_for_each(|id| self.regrant(id))?;
        self.wish_to_reach(root)
    }
}

impl Core {
    /// Whether a person is reachable, and how.
    pub(crate) fn presence(&self, root: &RootId) -> (Presence, Option<PathView>) {
        let best = self.links_of(root).map(|(_, link)| link).min_by_key(|link| (link.path.kind, link.path.transport));
        let path = best.map(|link| self.path_of(link)).or_else(|| self.dialing.succeeding(root).cloned());
        match path {
            Some(path) => (Presence::Online, Some(path)),
            None if self.dialing.is_dialling(root) => (Presence::Connecting, None),
            None => (Presence::Offline, None),
        }
    }

    /// How a link leads to its person.
    pub(super) fn path_of(&self, link: &Link) -> PathView {
        super::show::path(&link.path, self.found.knows(&link.net), link.dialer)
    }
}
