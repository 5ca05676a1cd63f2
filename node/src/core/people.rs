//! Who somebody is to me, and what follows from it: which logs they may see, where they are dialled.
//!
//! ```text
//! relation    identity logs      shared logs                              dialled
//! sibling     everybody's        account, every conversation              yes
//! contact     mine and theirs    conversations with them                  yes
//! asked       mine and theirs    what accepting my request would open     yes, urgently
//! asks        none               none                                     no: they dial
//! stranger    none               none                                     no
//! blocked     none               none; the session is closed              no
//! ```

use std::collections::BTreeSet;

use rand_core::CryptoRng;
use y7ke_crypto::cert::Proven;
use y7ke_crypto::ids::{LogId, NetKey, RootId};
use y7ke_ledger::views::{self, ContactRow, ContactState, Direction, RequestPhase, RequestRow};

use super::{Core, Round, Step};
use crate::api::{PathView, Presence};

/// Who somebody is to me.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// A device of mine.
    Sibling,
    /// We talk.
    Contact,
    /// I asked.
    Asked,
    /// They asked.
    Asks,
    /// Nobody to me, or rejected.
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
        Ok(match self.contact(root)?.map(|contact| contact.state) {
            Some(ContactState::Blocked) => Relation::Blocked,
            Some(ContactState::Accepted) => Relation::Contact,
            Some(ContactState::PendingOut) => Relation::Asked,
            Some(ContactState::PendingIn) => Relation::Asks,
            Some(ContactState::Rejected) | None => Relation::Stranger,
        })
    }

    pub(super) fn contact(&self, root: &RootId) -> Step<Option<ContactRow>> {
        Ok(views::contact(self.view(), &self.core.me.account, root, self.now.wall_ms)?)
    }

    pub(super) fn contacts(&self) -> Step<Vec<ContactRow>> {
        Ok(views::contacts(self.view(), &self.core.me.account, self.now.wall_ms)?)
    }

    /// My requests to `root` that wait for an answer.
    pub(super) fn asking(&self, root: &RootId) -> Step<Vec<RequestRow>> {
        let all = views::requests(self.view(), &self.core.me.account, self.now.wall_ms)?;
        let mine = |row: &RequestRow| row.direction == Direction::Out && row.root == *root;
        Ok(all.into_iter().filter(|row| mine(row) && row.phase == RequestPhase::Pending).collect())
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
            let mut logs: BTreeSet<_> = self.contacts()?.iter().flat_map(ContactRow::all_logs).collect();
            logs.insert(self.core.me.account);
            return Ok(logs);
        }
        let mut logs: BTreeSet<_> = self.contact(root)?.map(|contact| contact.all_logs()).unwrap_or_default().into_iter().collect();
        logs.extend(self.asking(root)?.iter().map(|row| LogId::conversation(&self.core.me.root, root, &row.req_id)));
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
        match best {
            Some(link) => (Presence::Online, Some(super::show::path(&link.path, self.found.knows(&link.net), link.dialer))),
            None if self.dialing.is_dialling(root) => (Presence::Connecting, None),
            None => (Presence::Offline, None),
        }
    }
}
