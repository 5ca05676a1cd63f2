//! Nodes, links between them, and one seed that decides what happens next.
//!
//! Each link checks, with every frame, what a session promises: nothing twice, nothing sent back,
//! deps before dependents, no fault between honest peers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use y7ke_crypto::ids::{DeviceId, EventId, LogId};
use y7ke_sync::{Heads, Input, Lane, Outcome, Output, Parcel, Session, Stage, fuzz};

use super::dice::Dice;
use super::peer::Device;
use super::store::{Event, Store, log};

/// How wild a run is.
#[derive(Clone, Copy, Debug)]
pub struct Chances {
    /// Links are cut and opened again.
    pub cuts: bool,
    /// Logs are withdrawn and granted again.
    pub withdrawals: bool,
    /// Some device writes on two nodes.
    pub forks: bool,
    /// Orphan pools are tiny, and some good events are dropped at first.
    pub drops: bool,
    /// Steps of chance before everything is left to come to rest.
    pub steps: usize,
    /// Bytes of filler of the greatest events.
    pub filler: usize,
}

/// One device with its stores.
pub struct Node {
    pub device: Device,
    /// Whose events it writes.
    pub writes: DeviceId,
    pub logs: BTreeMap<LogId, Store>,
}

/// One direction of a link.
#[derive(Default)]
struct Way {
    lanes: [VecDeque<Vec<u8>>; 3],
    /// Sent on this session, and not dropped by the receiver.
    sent: BTreeSet<(LogId, EventId)>,
}

/// One end of a link.
struct End {
    node: usize,
    session: Session,
    /// Outputs that the node has not worked off.
    work: VecDeque<Output>,
    /// Grants that come later.
    pending: Vec<(LogId, Stage)>,
    identity_told: bool,
    /// Logs whose growth the session was not told yet.
    stale: BTreeSet<LogId>,
    granted: BTreeSet<LogId>,
    synced: bool,
    /// Settled here in this session: never to be sent back.
    given: BTreeSet<EventId>,
    acks: BTreeMap<(LogId, DeviceId), u8>,
    acks_got: BTreeMap<(LogId, DeviceId), u8>,
}

/// Two ends and what is between them.
pub struct Link {
    ends: [End; 2],
    ways: [Way; 2],
    /// Identity events of both sides when the session began.
    at_open: BTreeSet<EventId>,
    /// Logs that were withdrawn in this session: what went astray may go twice.
    exempt: BTreeSet<LogId>,
}

/// All of it.
pub struct World {
    pub nodes: Vec<Node>,
    pub pairs: Vec<(usize, usize)>,
    pub links: Vec<Option<Link>>,
    pub chances: Chances,
    pub dice: Dice,
    pub now_ms: u64,
    /// Devices that may be forked: promises about duplicates do not hold for them.
    pub twins: BTreeSet<DeviceId>,
    /// Logs of which something was dropped.
    dropped_once: BTreeSet<EventId>,
    serial: u8,
    pub deliveries: usize,
}

pub fn author(n: usize) -> DeviceId {
    DeviceId::from([n as u8 + 20; 32])
}

/// Identity logs are 1.., shared ones 100...
pub fn identity_logs() -> [LogId; 2] {
    [log(1), log(2)]
}

pub fn shared_logs() -> [LogId; 3] {
    [log(100), log(101), log(102)]
}

impl World {
    pub fn new(seed: u64, nodes: usize, pairs: Vec<(usize, usize)>, chances: Chances) -> Self {
        let mut dice = Dice::new(seed);
        let pool = if chances.drops { 2 } else { 2_000 };
        let all: Vec<LogId> = identity_logs().into_iter().chain(shared_logs()).collect();
        let twin = chances.forks;
        let made = (0..nodes).map(|n| Node {
            device: Device::new(n as u8 + 1),
            writes: author(n),
            logs: all.iter().map(|id| (*id, Store::new(*id, pool))).collect(),
        });
        let mut world = Self {
            nodes: made.collect(),
            links: pairs.iter().map(|_| None).collect(),
            pairs,
            chances,
            dice: dice.clone(),
            now_ms: 1_000,
            twins: if twin { [author(9)].into() } else { BTreeSet::new() },
            dropped_once: BTreeSet::new(),
            serial: 0,
            deliveries: 0,
        };
        for node in 0..nodes {
            for _ in 0..dice.below(6) {
                world.write(node);
            }
        }
        world
    }

    /// Chance for a while, then rest; everything must have come everywhere.
    pub fn play(&mut self) {
        for _ in 0..self.chances.steps {
            self.step();
        }
        self.rest();
        self.check();
    }

    fn step(&mut self) {
        match self.dice.below(20) {
            0 | 1 => {
                let node = self.dice.below(self.nodes.len());
                self.write(node);
            }
            2 => self.toggle_link(),
            3 => self.toggle_grant(),
            4 => self.acknowledge(),
            5 => self.now_ms += self.dice.roll() % 100,
            6..=9 => self.work_one(),
            _ => self.deliver_one(),
        }
    }

    /// No more chance: links are up, grants complete, and all is delivered.
    pub fn rest(&mut self) {
        for link in 0..self.links.len() {
            if self.links[link].is_none() {
                self.open(link);
            }
        }
        for _ in 0..200 {
            self.settle();
            if self.is_converged() {
                return;
            }
            // Where nothing was dropped no timer is needed: no wake-up was lost.
            if !self.chances.drops || !self.wait() {
                return;
            }
        }
    }

    /// Lets time pass to the next timer, but never so far that a repeated offer could heal a lost wake-up.
    fn wait(&mut self) -> bool {
        let ends = self.links.iter().flatten().flat_map(|link| &link.ends);
        let next = ends.filter_map(|end| end.session.poll_timeout()).filter(|(_, why)| !why.contains("ask")).min();
        let Some((at_ms, _)) = next else { return false };
        self.now_ms = self.now_ms.max(at_ms);
        for link in 0..self.links.len() {
            for side in 0..2 {
                self.give(link, side, Input::Timeout);
            }
        }
        true
    }

    fn settle(&mut self) {
        loop {
            let mut busy = false;
            for link in 0..self.links.len() {
                for side in 0..2 {
                    busy |= self.grant_pending(link, side, true) | self.tell_stale(link, side);
                    while self.work_at(link, side) {
                        busy = true;
                    }
                    for lane in 0..3 {
                        while self.deliver_at(link, side, lane) {
                            busy = true;
                        }
                    }
                }
            }
            if !busy {
                return;
            }
        }
    }

    // ── what can happen ──────────────────────────────────────────────────────────────────────────

    fn write(&mut self, node: usize) {
        let logs: Vec<LogId> = self.nodes[node].logs.keys().copied().collect();
        let id = *self.dice.pick(&logs).unwrap();
        let twins: Vec<DeviceId> = self.twins.iter().copied().collect();
        let twin = self.dice.pick(&twins).copied().filter(|_| self.dice.once_in(3));
        let filler = if self.dice.once_in(4) { self.dice.below(self.chances.filler + 1) } else { 0 };
        let Node { writes, logs, .. } = &mut self.nodes[node];
        let store = logs.get_mut(&id).unwrap();
        let device = twin.unwrap_or(*writes);
        if store.may_write(&device) {
            store.append(device, &BTreeSet::new(), filler);
            self.grown(node, id, None);
        }
    }

    fn toggle_link(&mut self) {
        let link = self.dice.below(self.links.len());
        if self.links[link].is_none() {
            self.open(link);
        } else if self.chances.cuts && self.dice.once_in(3) {
            self.links[link] = None;
        }
    }

    fn toggle_grant(&mut self) {
        let (link, side) = (self.dice.below(self.links.len()), self.dice.below(2));
        if self.chances.withdrawals && self.dice.once_in(3) {
            self.withdraw_one(link, side);
        } else {
            self.grant_pending(link, side, false);
        }
    }

    fn withdraw_one(&mut self, link: usize, side: usize) {
        let Some(it) = self.links[link].as_mut() else { return };
        let granted: Vec<LogId> = it.ends[side].granted.iter().copied().collect();
        let Some(id) = self.dice.pick(&granted).copied() else { return };
        it.ends[side].granted.remove(&id);
        it.ends[side].pending.push((id, stage_of(&id)));
        it.exempt.insert(id);
        self.give(link, side, Input::Withdraw { log: id });
    }

    fn acknowledge(&mut self) {
        let (link, side) = (self.dice.below(self.links.len()), self.dice.below(2));
        let device = author(50 + self.dice.below(3));
        self.serial = self.serial.wrapping_add(1);
        let serial = self.serial;
        let Some(it) = self.links[link].as_mut() else { return };
        let granted: Vec<LogId> = it.ends[side].granted.iter().copied().collect();
        let Some(id) = self.dice.pick(&granted).copied() else { return };
        if stage_of(&id) == Stage::Shared && !it.exempt.contains(&id) {
            it.ends[side].acks.insert((id, device), serial);
            self.give(link, side, Input::Ack { log: id, device, bytes: vec![serial, 50, device.as_bytes()[0]] });
        }
    }

    fn deliver_one(&mut self) {
        let (link, side, lane) = (self.dice.below(self.links.len()), self.dice.below(2), self.dice.below(3));
        for _ in 0..=self.dice.below(4) {
            self.deliver_at(link, side, lane);
        }
    }

    fn work_one(&mut self) {
        let (link, side) = (self.dice.below(self.links.len()), self.dice.below(2));
        if self.dice.once_in(2) {
            self.tell_stale(link, side);
        }
        self.work_at(link, side);
    }

    fn open(&mut self, link: usize) {
        let (a, b) = self.pairs[link];
        let (na, nb) = (self.dice.bytes(), self.dice.bytes());
        let (da, db) = (&self.nodes[a].device, &self.nodes[b].device);
        let (sa, out_a) = Session::new(da.config(db, true, na), self.now_ms);
        let (sb, out_b) = Session::new(db.config(da, false, nb), self.now_ms);
        let ends = [(a, sa), (b, sb)].map(|(node, session)| End::new(node, session));
        let stores = [a, b].map(|node| identity_logs().map(|id| self.nodes[node].logs[&id].live()));
        let at_open = stores.into_iter().flatten().flatten().collect();
        self.links[link] = Some(Link { ends, ways: Default::default(), at_open, exempt: BTreeSet::new() });
        self.take(link, 0, out_a);
        self.take(link, 1, out_b);
    }

    // ── the machinery ────────────────────────────────────────────────────────────────────────────

    pub fn give(&mut self, link: usize, side: usize, input: Input) {
        let now_ms = self.now_ms;
        let Some(it) = self.links[link].as_mut() else { return };
        let out = it.ends[side].session.handle(input, now_ms);
        self.take(link, side, out);
    }

    fn take(&mut self, link: usize, side: usize, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send { lane, bytes } => self.sent(link, side, lane, bytes),
                Output::PeerFault(fault) => panic!("a fault between honest peers: {fault}"),
                Output::Misuse(misuse) => panic!("{misuse}"),
                Output::Close(why) => panic!("closed between honest peers: {why}"),
                Output::IdentitySynced => {
                    self.check_identities(link);
                    self.links[link].as_mut().unwrap().ends[side].work.push_back(Output::IdentitySynced);
                }
                other => self.links[link].as_mut().unwrap().ends[side].work.push_back(other),
            }
        }
    }

    /// S1: what either held of the identity logs when the session began is on both sides.
    fn check_identities(&self, link: usize) {
        let Link { ends, exempt, at_open, .. } = self.links[link].as_ref().unwrap();
        if !exempt.is_empty() || !self.twins.is_empty() || self.chances.drops {
            return;
        }
        for end in ends {
            let here =
                |id: &EventId| identity_logs().iter().any(|log| self.nodes[end.node].logs[log].events.contains_key(id));
            assert!(at_open.iter().all(here), "S1: identity logs are not synced");
        }
    }

    fn sent(&mut self, link: usize, side: usize, lane: Lane, bytes: Vec<u8>) {
        if lane == Lane::Msg && matches!(bytes[0], 1 | 4) {
            self.check_items(link, side, &bytes);
        }
        self.links[link].as_mut().unwrap().ways[side].lanes[lane as usize].push_back(bytes);
    }

    /// S5, for one items frame.
    fn check_items(&mut self, link: usize, side: usize, bytes: &[u8]) {
        let Self { links, nodes, twins, chances, .. } = self;
        let Link { ends, ways, exempt, .. } = links[link].as_mut().unwrap();
        let receiver = &nodes[ends[1 - side].node];
        for event in parcels(bytes).iter().map(|parcel| Event::parse(&parcel.bytes)) {
            let id = event.id();
            let (log, store) = (&event.log, &nodes[ends[side].node].logs[&event.log]);
            assert!(store.events.contains_key(&id), "only stored events are sent");
            let wild = !twins.is_empty() || exempt.contains(log);
            let fresh = ways[side].sent.insert((*log, id));
            assert!(fresh || wild || chances.drops, "sent twice in one session: {id}");
            assert!(wild || !ends[side].given.contains(&id), "sent back: {id}");
            for dep in &event.deps {
                let ahead = ways[side].sent.contains(&(*log, *dep)) || receiver.logs[log].events.contains_key(dep);
                assert!(ahead || wild || chances.drops, "{id} sent before its dependency {dep}");
            }
        }
    }

    fn deliver_at(&mut self, link: usize, from: usize, lane: usize) -> bool {
        let Some(it) = self.links[link].as_mut() else { return false };
        let Some(bytes) = it.ways[from].lanes[lane].pop_front() else { return false };
        self.deliveries += 1;
        let lane = [Lane::Handshake, Lane::Sync, Lane::Msg][lane];
        self.give(link, 1 - from, Input::Frame { lane, bytes });
        true
    }

    fn work_at(&mut self, link: usize, side: usize) -> bool {
        let Some(it) = self.links[link].as_mut() else { return false };
        let Some(output) = it.ends[side].work.pop_front() else { return false };
        let node = it.ends[side].node;
        match output {
            Output::Sign(proof) => {
                let signed = proof.sign(&self.nodes[node].device.key).unwrap();
                self.give(link, side, Input::Signed(signed));
            }
            Output::Proven(_) => self.proven(link, side),
            Output::IdentitySynced => self.identity_synced(link, side),
            Output::Read { read, log, proofs, wants, after, max_events, max_bytes } => {
                let store = &self.nodes[node].logs[&log];
                let (items, more) = store.read(&wants, after, max_events.min(5), max_bytes);
                let proofs = proofs.into_iter().map(|device| (device, vec![0xaa; 40])).collect();
                self.give(link, side, Input::Events { read, proofs, items, more });
            }
            Output::Admit { ticket, log, items } => {
                let (outcomes, heads) = self.admit(link, side, log, &items);
                self.give(link, side, Input::Settled { ticket, outcomes, heads });
            }
            Output::Proof { log, device, .. } => {
                assert!(self.twins.contains(&device), "only twins fork");
                if self.nodes[node].logs.get_mut(&log).unwrap().freeze(device) {
                    self.noticed(node, log, None);
                }
            }
            Output::Ack { log, bytes } => {
                let key = (log, author(usize::from(bytes[2]) - 20));
                it.ends[side].acks_got.insert(key, bytes[0]);
            }
            other => panic!("unexpected {other:?}"),
        }
        true
    }

    fn proven(&mut self, link: usize, side: usize) {
        let early = self.dice.once_in(3);
        let end = &mut self.links[link].as_mut().unwrap().ends[side];
        end.pending.extend(identity_logs().map(|id| (id, Stage::Identity)));
        if early {
            end.pending.extend(shared_logs().map(|id| (id, Stage::Shared)));
        }
        end.synced = early;
        self.give(link, side, Input::Trust);
    }

    fn identity_synced(&mut self, link: usize, side: usize) {
        let Link { ends, .. } = self.links[link].as_mut().unwrap();
        if !ends[side].synced {
            ends[side].pending.extend(shared_logs().map(|id| (id, Stage::Shared)));
        }
    }

    fn grant_pending(&mut self, link: usize, side: usize, all: bool) -> bool {
        let Some(it) = self.links[link].as_mut() else { return false };
        let end = &mut it.ends[side];
        if end.session.peer().is_none() || end.work.iter().any(|output| matches!(output, Output::Proven(_))) {
            return false;
        }
        let node = end.node;
        let count = if all { end.pending.len() } else { end.pending.len().min(1) };
        let grants: Vec<(LogId, Stage)> = end.pending.drain(..count).collect();
        end.granted.extend(grants.iter().map(|(id, _)| *id));
        let told = !end.identity_told && identity_logs().iter().all(|id| end.granted.contains(id));
        end.identity_told |= told;
        grants.iter().for_each(|(id, _)| end.stale.retain(|it| it != id));
        for (id, stage) in &grants {
            let heads = self.nodes[node].logs[id].heads();
            self.give(link, side, Input::Grant { log: *id, stage: *stage, heads });
        }
        if told {
            self.give(link, side, Input::IdentityGranted);
        }
        told || !grants.is_empty()
    }

    fn tell_stale(&mut self, link: usize, side: usize) -> bool {
        let Some(it) = self.links[link].as_mut() else { return false };
        let stale = std::mem::take(&mut it.ends[side].stale);
        let node = it.ends[side].node;
        for id in &stale {
            let heads = self.nodes[node].logs[id].heads();
            self.give(link, side, Input::Grown { log: *id, heads });
        }
        !stale.is_empty()
    }

    fn admit(&mut self, link: usize, side: usize, id: LogId, items: &[Parcel]) -> (Vec<Outcome>, Option<Heads>) {
        let node = self.links[link].as_ref().unwrap().ends[side].node;
        let mut forked = false;
        let mut outcomes = Vec::new();
        for parcel in items {
            let unlucky = self.chances.drops && self.dice.once_in(10);
            if unlucky && self.dropped_once.insert(Event::parse(&parcel.bytes).id()) {
                outcomes.push(Outcome::Dropped);
                continue;
            }
            let (outcome, exposed) = self.nodes[node].logs.get_mut(&id).unwrap().admit(parcel);
            forked |= exposed;
            outcomes.push(outcome);
        }
        let end = &mut self.links[link].as_mut().unwrap().ends[side];
        for outcome in &outcomes {
            if let Outcome::Stored(name) | Outcome::Known(name) | Outcome::Orphaned(name) = outcome {
                end.given.insert(name.id);
            }
        }
        if forked {
            self.noticed(node, id, Some((link, side)));
        } else {
            self.grown(node, id, Some((link, side)));
        }
        self.links[link].as_mut().unwrap().ends[side].stale.remove(&id);
        let granted = self.links[link].as_ref().unwrap().ends[side].granted.contains(&id);
        (outcomes, granted.then(|| self.nodes[node].logs[&id].heads()))
    }

    /// F4: a fork came to light at a node.
    fn noticed(&mut self, node: usize, id: LogId, but: Option<(usize, usize)>) {
        let Node { writes, logs, .. } = &mut self.nodes[node];
        logs.get_mut(&id).unwrap().notice(*writes);
        self.grown(node, id, but);
    }

    fn grown(&mut self, node: usize, id: LogId, but: Option<(usize, usize)>) {
        for (at, link) in self.links.iter_mut().enumerate() {
            for (side, end) in link.iter_mut().flat_map(|link| link.ends.iter_mut()).enumerate() {
                if end.node == node && end.granted.contains(&id) && but != Some((at, side)) {
                    end.stale.insert(id);
                }
            }
        }
    }

    // ── verdicts ─────────────────────────────────────────────────────────────────────────────────

    fn is_converged(&self) -> bool {
        let first = &self.nodes[0];
        let equal = |node: &Node| node.logs.iter().all(|(id, store)| store.digest() == first.logs[id].digest());
        self.nodes.iter().all(equal)
    }

    /// Equal live sets everywhere, every acknowledgement arrived, everything level.
    pub fn check(&self) {
        for node in &self.nodes {
            for (id, store) in &node.logs {
                assert_eq!(store.digest(), self.nodes[0].logs[id].digest(), "log {id} differs");
            }
        }
        for link in self.links.iter().flatten() {
            for (side, end) in link.ends.iter().enumerate() {
                for (key, serial) in &end.acks {
                    let got = link.ends[1 - side].acks_got.get(key);
                    assert!(got == Some(serial) || link.exempt.contains(&key.0), "an acknowledgement is lost: {key:?}");
                }
                let level = shared_logs().iter().all(|id| end.session.is_level(id));
                assert!(level || self.chances.drops || self.chances.forks, "not level");
            }
        }
    }
}

impl End {
    fn new(node: usize, session: Session) -> Self {
        Self {
            node,
            session,
            work: VecDeque::new(),
            pending: vec![],
            identity_told: false,
            stale: BTreeSet::new(),
            granted: BTreeSet::new(),
            synced: false,
            given: BTreeSet::new(),
            acks: BTreeMap::new(),
            acks_got: BTreeMap::new(),
        }
    }
}

fn stage_of(id: &LogId) -> Stage {
    if identity_logs().contains(id) { Stage::Identity } else { Stage::Shared }
}

/// The parcels of an items frame (`docs/WIRE.md`, "Session").
pub fn parcels(frame: &[u8]) -> Vec<Parcel> {
    fuzz::items_of(frame).expect("our own frame")
}
