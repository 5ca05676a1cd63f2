//! Sessions with other devices: what the transport tells, what the protocol wants done.
//!
//! ```text
//! Opened ─▶ Link{ session machine } ─ Proven ─▶ greet: who is this to me?  (people.rs)
//!                                        blocked   close
//!                                        contact   trust, grant identity logs, then shared ones
//!                                        asked     the same, and hand the request over  (requests.rs)
//!                                        stranger  may ask for a bundle and hand in a request; else closed after a while
//! ```
//!
//! A link decides nothing about logs or people: it turns outputs of its session into calls of the
//! round, and answers of the round into inputs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand_core::CryptoRng;
use y7ke_crypto::cert::Proven;
use y7ke_crypto::ids::{LogId, NetKey, RequestId, RootId};
use y7ke_sync as sync;
use y7ke_transport::{CloseReason, Command as NetCommand, Event as NetEvent, Lane, Path, SessionId, Trust};

use super::better::Hope;
use super::people::Relation;
use super::reaching::ONLY_NEAR;
use super::{Round, Step};
use crate::api::Notice;

/// A stranger that wants nothing is shown out after this, ms: long enough to fetch a bundle and ask.
const STRANGER_STAY_MS: u64 = 30_000;
/// A request that was handed over and not confirmed is handed over again after this, ms.
pub(super) const REQUEST_RETRY_MS: u64 = 10_000;

/// One open session.
pub(crate) struct Link {
    pub(crate) net: NetKey,
    pub(crate) path: Path,
    pub(crate) dialer: bool,
    pub(crate) session: sync::Session,
    pub(crate) proven: Option<Proven>,
    pub(crate) trusted: bool,
    /// What its person was to me when that was looked at last.
    seen_as: Option<Relation>,
    pub(crate) granted: BTreeMap<LogId, sync::Stage>,
    /// Requests of mine that this device has confirmed.
    pub(crate) handed: BTreeSet<RequestId>,
    /// When to hand requests over again.
    pub(crate) ask_again_ms: Option<u64>,
    /// When a stranger is shown out.
    pub(crate) leave_ms: Option<u64>,
    /// Where the other side says it listens: kept once its person is somebody to me.
    pub(crate) told: Vec<String>,
    /// Requests of mine that this device was told to be taken back.
    pub(crate) taken_back: BTreeSet<RequestId>,
    /// Whether a better path is to be tried.
    pub(super) hope: Hope,
    /// A bundle was asked for over this link and has not come.
    pub(crate) wants_bundle: bool,
    /// It was told to close: nothing that still comes over it counts.
    over: bool,
    /// What the session wants done, in its order.
    todo: VecDeque<sync::Output>,
    /// Somebody further up is working on `todo`.
    busy: bool,
}

impl Link {
    /// The person behind a proven link.
    pub(crate) fn root(&self) -> Option<RootId> {
        self.proven.map(|proven| proven.root)
    }

    fn wake_ms(&self) -> Option<(u64, &'static str)> {
        if self.over {
            return None;
        }
        let session = self.session.poll_timeout();
        let ask = self.ask_again_ms.map(|at| (at, "hand a request over again"));
        let leave = self.leave_ms.map(|at| (at, "show a stranger out"));
        let better = if let Hope::At { due_ms } = self.hope { Some((due_ms, "try a better path")) } else { None };
        [session, ask, leave, better].into_iter().flatten().min()
    }
}

impl super::Core {
    /// Links whose proven person is `root`.
    pub(crate) fn links_of(&self, root: &RootId) -> impl Iterator<Item = (&SessionId, &Link)> {
        self.links.iter().filter(move |(_, link)| !link.over && link.root().as_ref() == Some(root))
    }

    pub(super) fn links_wake_ms(&self) -> Option<(u64, &'static str)> {
        self.links.values().filter_map(Link::wake_ms).min()
    }
}

impl<R: CryptoRng> Round<'_, R> {
    pub(super) fn on_net(&mut self, event: NetEvent) -> Step {
        match event {
            NetEvent::Listening { addresses } => self.listening(addresses),
            NetEvent::ListenFailed { address, why } => {
                tracing::warn!(%why, transport = ?address.transport(), "cannot listen on a configured address");
                Ok(())
            }
            NetEvent::NetworkChanged => {
                self.core.udp.network_changed();
                self.core.dialing.news_for_all(self.now.mono_ms);
                Ok(())
            }
            NetEvent::Discovered { peer, addresses } => self.discovered(peer, addresses),
            NetEvent::Dialled { ticket, peer } => self.dialled(ticket, peer),
            NetEvent::DialFailed { ticket, attempts, .. } => self.dial_failed(ticket, &attempts),
            NetEvent::Opened { session, peer, path, dialer } => self.opened(session, peer, path, dialer),
            NetEvent::PathChanged { session, path } => self.path_changed(session, path),
            NetEvent::Frame { session, lane, bytes } => {
                self.feed(session, sync::Input::Frame { lane: to_sync(lane), bytes })
            }
            NetEvent::Closed { session, reason } => self.closed(session, &reason),
        }
    }

    fn opened(&mut self, id: SessionId, net: NetKey, path: Path, dialer: bool) -> Step {
        if !self.core.lets(&path.remote) {
            tracing::debug!(session = id.0, "somebody who is not on this network is turned away");
            self.net(NetCommand::Close { session: id, why: ONLY_NEAR });
            return Ok(());
        }
        let mut nonce = [0; 32];
        self.rng.fill_bytes(&mut nonce);
        let me = &self.core.me;
        let config = sync::Config { chain: me.chain.clone(), net: me.net, peer: net, dialer, nonce };
        let (session, outputs) = sync::Session::new(config, self.now.mono_ms);
        let link = Link {
            net,
            path,
            dialer,
            session,
            proven: None,
            trusted: false,
            seen_as: None,
            granted: BTreeMap::new(),
            handed: BTreeSet::new(),
            ask_again_ms: None,
            leave_ms: Some(self.now.mono_ms + STRANGER_STAY_MS),
            told: Vec::new(),
            taken_back: BTreeSet::new(),
            hope: Hope::None,
            wants_bundle: false,
            over: false,
            todo: VecDeque::new(),
            busy: false,
        };
        self.core.links.insert(id, link);
        self.carry_out(id, outputs)
    }

    fn path_changed(&mut self, id: SessionId, path: Path) -> Step {
        let lets = self.core.lets(&path.remote);
        let Some(link) = self.core.links.get_mut(&id) else { return Ok(()) };
        link.path = path;
        let root = link.root();
        if !lets {
            self.shut(id, ONLY_NEAR);
        }
        match root {
            Some(root) => self.tell_presence(&root),
            None => Ok(()),
        }
    }

    fn closed(&mut self, id: SessionId, reason: &CloseReason) -> Step {
        tracing::debug!(session = id.0, ?reason, "session over");
        let Some(link) = self.core.links.remove(&id) else { return Ok(()) };
        self.core.udp.session_ended(&link.path, reason, self.now.mono_ms);
        let Some(root) = link.root() else { return Ok(()) };
        if self.core.links_of(&root).next().is_some() {
            return self.tell_presence(&root);
        }
        if *reason == CloseReason::Replaced {
            let before = self.core.path_of(&link);
            if self.core.dialing.replaced(&root, self.now.mono_ms, before) {
                return Ok(());
            }
        }
        let jitter = self.rng.next_u64();
        self.core.dialing.lost(&root, self.now.mono_ms, *reason == CloseReason::PeerClosed, jitter);
        if *reason == CloseReason::Homeless {
            // It did not end for anything that they did.
            self.core.dialing.news(&root, self.now.mono_ms);
        }
        self.tell_presence(&root)
    }

    /// Gives `input` to a session and does what it asks for, until it asks for nothing more.
    pub(super) fn feed(&mut self, id: SessionId, input: sync::Input) -> Step {
        let now_ms = self.now.mono_ms;
        let Some(link) = self.core.links.get_mut(&id).filter(|link| !link.over) else { return Ok(()) };
        let outputs = link.session.handle(input, now_ms);
        self.carry_out(id, outputs)
    }

    /// Does what the session wants done, in its order: what doing it adds comes behind what waits already.
    fn carry_out(&mut self, id: SessionId, outputs: Vec<sync::Output>) -> Step {
        let Some(link) = self.core.links.get_mut(&id) else { return Ok(()) };
        link.todo.extend(outputs);
        if std::mem::replace(&mut link.busy, true) {
            return Ok(());
        }
        while let Some(output) = self.next_output(id) {
            match self.on_output(id, output) {
                Ok(Some(input)) => self.feed(id, input)?,
                Ok(None) => {}
                // The rest of what the session says must leave all the same, or its counts are wrong for ever.
                Err(refused) => super::disk_only(Err(refused))?,
            }
        }
        if let Some(link) = self.core.links.get_mut(&id) {
            link.busy = false;
        }
        Ok(())
    }

    fn next_output(&mut self, id: SessionId) -> Option<sync::Output> {
        self.core.links.get_mut(&id).filter(|link| !link.over)?.todo.pop_front()
    }

    /// Ends a session, from now on: what is still on its way, here or in the transport, does not count.
    pub(super) fn shut(&mut self, id: SessionId, why: &'static str) {
        if let Some(link) = self.core.links.get_mut(&id).filter(|link| !link.over) {
            link.over = true;
            self.net(NetCommand::Close { session: id, why });
        }
    }

    /// Does what a session asks for; what it is answered goes back in.
    fn on_output(&mut self, id: SessionId, output: sync::Output) -> Step<Option<sync::Input>> {
        use sync::Output;
        match output {
            Output::Send { lane, bytes } => {
                self.net(NetCommand::Send { session: id, lane: to_net(lane), frame: bytes });
            }
            Output::Sign(proof) => return Ok(self.sign_proof(proof)),
            Output::Proven(proven) => self.greet(id, proven)?,
            Output::IdentitySynced => self.identity_synced(id)?,
            Output::Read { read, log, proofs, wants, after, max_events, max_bytes } => {
                let page = self.read_events(&log, &proofs, &wants, after, max_events, max_bytes)?;
                self.mark_sent(&log, &page.items);
                return Ok(Some(sync::Input::Events { read, proofs: page.proofs, items: page.items, more: page.more }));
            }
            Output::Admit { ticket, log, items } => {
                let (outcomes, heads) = self.admit_items(id, &log, items)?;
                return Ok(Some(sync::Input::Settled { ticket, outcomes, heads }));
            }
            Output::Proof { log, bytes, .. } => self.admit_proof(&log, &bytes)?,
            Output::Ack { log, bytes } => self.take_ack(&log, &bytes)?,
            Output::Note(note) => self.on_note(id, note)?,
            Output::NoteReturned(_) => self.ask_again_soon(id),
            Output::PeerFault(fault) => self.on_fault(id, fault),
            Output::Misuse(misuse) => tracing::error!(%misuse, "our own bug towards a session"),
            Output::Close(why) => {
                tracing::debug!(session = id.0, %why, "session ends");
                self.shut(id, "the protocol ended");
            }
        }
        Ok(None)
    }

    fn sign_proof(&self, proof: sync::SessionProof) -> Option<sync::Input> {
        match proof.sign(&self.core.me.device) {
            Ok(signed) => Some(sync::Input::Signed(signed)),
            Err(bug) => {
                tracing::error!(%bug, "a session asked for another device's signature");
                None
            }
        }
    }

    /// Refusals are counted per device and across reconnects (S6).
    fn on_fault(&mut self, id: SessionId, fault: sync::Fault) {
        tracing::debug!(session = id.0, %fault, "the peer broke a rule");
        let sync::Fault::Refused { count } = fault else { return };
        let Some(device) = self.core.links.get(&id).and_then(|link| link.proven).map(|proven| proven.device) else {
            return;
        };
        if !self.core.refusals.spend(device, count, self.now.mono_ms) {
            self.shut(id, "too many refused events");
        }
    }

    /// The other side has shown which device it is: treat it as what its person is to me.
    fn greet(&mut self, id: SessionId, proven: Proven) -> Step {
        if !self.core.refusals.tolerates(&proven.device, self.now.mono_ms) {
            self.shut(id, "too many refused events");
            return Ok(());
        }
        let Some(link) = self.core.links.get_mut(&id) else { return Ok(()) };
        link.proven = Some(proven);
        self.remember_address(id, &proven)?;
        self.regrant(id)
    }

    /// Brings what a link may see in line with what its person is to me now.
    pub(super) fn regrant(&mut self, id: SessionId) -> Step {
        let Some(proven) = self.core.links.get(&id).and_then(|link| link.proven) else { return Ok(()) };
        let relation = self.relation(&proven.root)?;
        self.treat_as(id, &proven, relation)?;
        self.tell_if_news(id, &proven.root, relation)
    }

    /// Somebody who becomes more to me over an open session is reachable from then on.
    fn tell_if_news(&mut self, id: SessionId, root: &RootId, relation: Relation) -> Step {
        let Some(link) = self.core.links.get_mut(&id) else { return Ok(()) };
        if link.seen_as.replace(relation) == Some(relation) {
            return Ok(());
        }
        self.tell_presence(root)
    }

    fn treat_as(&mut self, id: SessionId, proven: &Proven, relation: Relation) -> Step {
        match relation {
            Relation::Blocked => {
                self.shut(id, "blocked");
                Ok(())
            }
            Relation::Stranger => {
                self.show_out_soon(id);
                self.withdraw_but(id, &BTreeSet::new())
            }
            // Whoever was rejected is treated as if nobody had looked yet: a rejection is silent (C4).
            Relation::Asks | Relation::Rejected => {
                self.stay(id);
                self.withdraw_but(id, &BTreeSet::new())?;
                self.tell_taken_back(id)
            }
            Relation::Asked | Relation::Overdue | Relation::Contact | Relation::Sibling => {
                self.stay(id);
                self.core.dialing.connected(&proven.root, self.now.mono_ms);
                self.trust(id)?;
                self.hope_for_better(id);
                self.tell_addresses(id)?;
                self.authorise(id, proven)?;
                self.tell_taken_back(id)?;
                self.hand_requests_over(id)
            }
        }
    }

    fn stay(&mut self, id: SessionId) {
        if let Some(link) = self.core.links.get_mut(&id) {
            link.leave_ms = None;
        }
    }

    fn trust(&mut self, id: SessionId) -> Step {
        let Some(link) = self.core.links.get_mut(&id).filter(|link| !link.trusted) else { return Ok(()) };
        link.trusted = true;
        self.net(NetCommand::Trust { session: id, level: Trust::Contact });
        self.feed(id, sync::Input::Trust)
    }

    /// A stranger may stay for a while, also one that was more than that before.
    fn show_out_soon(&mut self, id: SessionId) {
        let leave_ms = self.now.mono_ms + STRANGER_STAY_MS;
        if let Some(link) = self.core.links.get_mut(&id) {
            link.leave_ms.get_or_insert(leave_ms);
        }
    }

    /// Grants what this device may see, and takes back what it may not see any more.
    ///
    /// Shared logs may be granted at any time: the session holds them back until identities are level.
    /// A revoked device is served the log that says so, for a while, and nothing else (S1).
    fn authorise(&mut self, id: SessionId, proven: &Proven) -> Step {
        let identities = self.identity_logs_for(&proven.root)?;
        let shared = if self.is_revoked(proven)? {
            self.show_out_soon(id);
            BTreeSet::new()
        } else {
            self.shared_logs_for(&proven.root)?
        };
        self.withdraw_but(id, &identities.union(&shared).copied().collect())?;
        for log in identities {
            self.grant(id, log, sync::Stage::Identity)?;
        }
        self.feed(id, sync::Input::IdentityGranted)?;
        shared.into_iter().try_for_each(|log| self.grant(id, log, sync::Stage::Shared))
    }

    /// Both sides hold the same identity logs: authorise again by what they say now.
    fn identity_synced(&mut self, id: SessionId) -> Step {
        let Some(proven) = self.core.links.get(&id).and_then(|link| link.proven) else { return Ok(()) };
        if self.is_revoked(&proven)? {
            self.shut(id, "revoked");
            return Ok(());
        }
        let shared = self.shared_logs_for(&proven.root)?;
        shared.into_iter().try_for_each(|log| self.grant(id, log, sync::Stage::Shared))
    }

    fn grant(&mut self, id: SessionId, log: LogId, stage: sync::Stage) -> Step {
        let Some(link) = self.core.links.get_mut(&id) else { return Ok(()) };
        if link.granted.insert(log, stage).is_some() {
            return Ok(());
        }
        let heads = self.heads(&log)?;
        self.feed(id, sync::Input::Grant { log, stage, heads })?;
        for (device, bytes) in self.acks_of(&log)? {
            self.feed(id, sync::Input::Ack { log, device, bytes })?;
        }
        Ok(())
    }

    fn withdraw_but(&mut self, id: SessionId, kept: &BTreeSet<LogId>) -> Step {
        let Some(link) = self.core.links.get_mut(&id) else { return Ok(()) };
        let gone: Vec<LogId> = link.granted.keys().filter(|log| !kept.contains(*log)).copied().collect();
        link.granted.retain(|log, _| kept.contains(log));
        gone.into_iter().try_for_each(|log| self.feed(id, sync::Input::Withdraw { log }))
    }

    /// Every link that has this log gets `input`.
    pub(super) fn feed_holders(&mut self, log: &LogId, input: &sync::Input) -> Step {
        let holders: Vec<SessionId> =
            self.core.links.iter().filter(|(_, link)| link.granted.contains_key(log)).map(|(id, _)| *id).collect();
        holders.into_iter().try_for_each(|id| self.feed(id, input.clone()))
    }

    /// Timers of sessions, of strangers and of requests.
    pub(super) fn links_timeout(&mut self) -> Step {
        let now_ms = self.now.mono_ms;
        let due: Vec<SessionId> = self
            .core
            .links
            .iter()
            .filter(|(_, link)| link.wake_ms().is_some_and(|(at, _)| at <= now_ms))
            .map(|(id, _)| *id)
            .collect();
        due.into_iter().try_for_each(|id| self.link_timeout(id))
    }

    fn link_timeout(&mut self, id: SessionId) -> Step {
        let now_ms = self.now.mono_ms;
        let Some(link) = self.core.links.get_mut(&id) else { return Ok(()) };
        if link.leave_ms.is_some_and(|at| at <= now_ms) {
            self.shut(id, "nothing to talk about");
            return Ok(());
        }
        if link.ask_again_ms.is_some_and(|at| at <= now_ms) {
            link.ask_again_ms = None;
            self.hand_requests_over(id)?;
        }
        self.try_better(id)?;
        self.feed(id, sync::Input::Timeout)
    }

    fn ask_again_soon(&mut self, id: SessionId) {
        if let Some(link) = self.core.links.get_mut(&id) {
            link.ask_again_ms = Some(self.now.mono_ms + REQUEST_RETRY_MS);
        }
    }

    /// Says whether a person is reachable, and how.
    pub(super) fn tell_presence(&mut self, root: &RootId) -> Step {
        if !self.relation(root)?.is_acquainted() {
            return Ok(());
        }
        let y7_id = root.to_string();
        let (presence, path) = self.core.presence(root);
        self.tell(Notice::Presence { y7_id: y7_id.clone(), presence });
        self.tell(Notice::Path { y7_id, path });
        Ok(())
    }
}

fn to_sync(lane: Lane) -> sync::Lane {
    match lane {
        Lane::Handshake => sync::Lane::Handshake,
        Lane::Sync => sync::Lane::Sync,
        Lane::Msg => sync::Lane::Msg,
    }
}

fn to_net(lane: sync::Lane) -> Lane {
    match lane {
        sync::Lane::Handshake => Lane::Handshake,
        sync::Lane::Sync => Lane::Sync,
        sync::Lane::Msg => Lane::Msg,
    }
}
