//! What tests are made of: people and devices from seeds, events with any header, and the naive twin.
//!
//! The twin keeps every event that it was ever given, in a map, and answers from scratch: which are
//! admissible (a fixpoint over the same pure admission), which devices forked, which events are live.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use y7ke_crypto::boxes::PrekeySecret;
use y7ke_crypto::bundle::Prekey;
use y7ke_crypto::cert::{Caps, CertChain, Subject};
use y7ke_crypto::epoch::Rekey;
use y7ke_crypto::event::{Dep, Header, Payload};
use y7ke_crypto::ids::{BundleHash, DeviceId, EpochId, EventId, LogId, RequestId, RootId};
use y7ke_crypto::request::{Opening, RequestCore};
use y7ke_crypto::sign::{DeviceKey, NetSecret, RootKey, Verified};

use crate::admit::{Ancestors, Facts, KnownRekey, LogSpec, Verdict, judge, open_body};
use crate::body::Body;
use crate::id::Event;

pub(crate) const NOW: u64 = 1_790_000_000_000;

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// A number below `n`.
pub(crate) fn below(rng: &mut ChaCha20Rng, n: usize) -> usize {
    usize::try_from(rng.next_u64() % n as u64).unwrap()
}

/// A device of a person, everything from two small numbers.
pub(crate) struct Member {
    pub(crate) key: DeviceKey,
    pub(crate) chain: CertChain,
    pub(crate) root: RootId,
    pub(crate) prekey: PrekeySecret,
}

impl Member {
    pub(crate) fn new(person: u8, device: u8) -> Self {
        let root = RootKey::from_seed(&[person; 32]);
        let key = DeviceKey::from_seed(&[0x40 + device; 32]);
        let net = NetSecret::from_bytes(&[0x80 + device; 32]).id();
        let subject = Subject { device: key.id(), net, caps: Caps::ADMIN, not_before: NOW, cert_seq: 1 };
        let chain = CertChain::rooted(&root, subject);
        Self { key, chain, root: root.id(), prekey: PrekeySecret::from_bytes(&[0xc0 | device; 32]) }
    }

    pub(crate) fn id(&self) -> DeviceId {
        self.key.id()
    }

    pub(crate) fn join(&self) -> Body {
        Body::Join { chain: self.chain.clone() }
    }

    pub(crate) fn signed_prekey(&self) -> Verified<Prekey> {
        let prekey = Prekey { device: self.id(), created: NOW, public: self.prekey.public() };
        self.key.sign(prekey).unwrap()
    }

    /// Signs an open event with exactly these fields.
    pub(crate) fn open_event(&self, log: LogId, seq: u64, hlc: u64, deps: Vec<Dep>, body: &Body) -> Verified<Event> {
        self.sign(Header::open(log, self.id(), seq, hlc, sorted(deps)), body.to_bytes())
    }

    pub(crate) fn sign(&self, header: Header, payload: Vec<u8>) -> Verified<Event> {
        self.key.sign(Event::new(header, Payload::Full(payload))).unwrap()
    }
}

pub(crate) fn sorted(mut deps: Vec<Dep>) -> Vec<Dep> {
    deps.sort_unstable_by_key(|dep| dep.device);
    deps
}

pub(crate) fn request_id(n: u8) -> RequestId {
    RequestId::from([n; 32])
}

/// The conversation that `asked` opened after `asker`'s request.
pub(crate) fn conversation(asker: &Member, asked: &Member) -> LogSpec {
    LogSpec::conversation(asker.root, asked.root, request_id(1))
}

/// What `asked` accepts `asker` with.
pub(crate) fn opening(asker: &Member, asked: &Member) -> Body {
    let core = RequestCore {
        req_id: request_id(1),
        created: NOW,
        expires: NOW + 1_000,
        from_root: asker.root,
        to_root: asked.root,
        from_device: asker.id(),
        to_bundle: BundleHash::from([1; 32]),
        from_bundle: BundleHash::from([2; 32]),
        details: [3; 32],
    };
    let core = asker.key.sign(core).unwrap().into_signed();
    Body::Opening(Box::new(Opening { core, requester: asker.chain.clone(), opener: asked.chain.clone() }))
}

/// An open body of no effect in a conversation, different for each `n`.
pub(crate) fn filler(n: u64) -> Body {
    Body::Cut { device: DeviceKey::from_seed(&[u8::try_from(n % 250).unwrap(); 32]).id() }
}

/// An event in the twin.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) event: Verified<Event>,
    pub(crate) facts: Facts,
    rekey: Option<Rekey>,
}

/// The admissible events of one log, by brute force.
#[derive(Default)]
pub(crate) struct Twin {
    pub(crate) entries: BTreeMap<EventId, Entry>,
}

impl Twin {
    /// Judges everything again and again until nothing more becomes admissible.
    pub(crate) fn of(spec: &LogSpec, events: &[Verified<Event>]) -> Self {
        let mut twin = Self::default();
        loop {
            let before = twin.entries.len();
            for event in events {
                twin.admit(spec, event);
            }
            if twin.entries.len() == before {
                return twin;
            }
        }
    }

    pub(crate) fn admit(&mut self, spec: &LogSpec, event: &Verified<Event>) -> Verdict {
        let body = match open_body(event) {
            Ok(body) => body,
            Err(refusal) => return Verdict::Refused(refusal),
        };
        let verdict = judge(spec, event, body.as_ref(), self).unwrap_or_else(|never| match never {});
        if let Verdict::Admissible(facts) = verdict {
            let rekey = if let Some(Body::Rekey(rekey)) = body { Some(rekey) } else { None };
            self.entries.insert(event.id(), Entry { event: event.clone(), facts, rekey });
        }
        verdict
    }

    /// Devices with two admissible events of one number.
    pub(crate) fn forked(&self) -> BTreeSet<DeviceId> {
        let mut seen = BTreeMap::new();
        let mut forked = BTreeSet::new();
        for entry in self.entries.values() {
            let Header { device, seq, .. } = *entry.event.header();
            if seen.insert((device, seq), entry.event.id()).is_some() {
                forked.insert(device);
            }
        }
        forked
    }

    /// The ancestor closure of the events of devices that have not forked (F3).
    pub(crate) fn live(&self) -> BTreeSet<EventId> {
        let forked = self.forked();
        let honest = self.entries.values().filter(|entry| !forked.contains(&entry.event.header().device));
        let mut open: Vec<EventId> = honest.map(|entry| entry.event.id()).collect();
        let mut live = BTreeSet::new();
        while let Some(id) = open.pop() {
            if live.insert(id) {
                open.extend(self.entries[&id].event.header().deps.iter().map(|dep| dep.id));
            }
        }
        live
    }

    /// Live events that no live event depends on, ascending.
    pub(crate) fn heads(&self) -> Vec<EventId> {
        let live = self.live();
        let under: BTreeSet<EventId> =
            live.iter().flat_map(|id| &self.entries[id].event.header().deps).map(|dep| dep.id).collect();
        live.into_iter().filter(|id| !under.contains(id)).collect()
    }

    /// Per device, its live events that no live event of its own follows.
    pub(crate) fn tips(&self) -> BTreeMap<DeviceId, BTreeSet<(u64, EventId)>> {
        let live = self.live();
        let followed: BTreeSet<EventId> =
            live.iter().filter_map(|id| self.entries[id].event.header().previous()).map(|dep| dep.id).collect();
        let mut tips: BTreeMap<DeviceId, BTreeSet<_>> = BTreeMap::new();
        for id in live.iter().filter(|id| !followed.contains(id)) {
            let Header { device, seq, .. } = *self.entries[id].event.header();
            tips.entry(device).or_default().insert((seq, *id));
        }
        tips
    }
}

impl Ancestors for Twin {
    type Error = Infallible;

    fn facts(&self, at: &Dep) -> Result<Option<Facts>, Infallible> {
        let entry = self.entries.get(&at.id).filter(|entry| entry.event.as_dep() == *at);
        Ok(entry.map(|entry| entry.facts))
    }

    fn deps(&self, at: &Dep) -> Result<Vec<Dep>, Infallible> {
        Ok(self.entries.get(&at.id).map(|entry| entry.event.header().deps.clone()).unwrap_or_default())
    }

    fn knows(&self, id: &EventId) -> Result<bool, Infallible> {
        Ok(self.entries.contains_key(id))
    }

    fn rekey(&self, epoch: &EpochId) -> Result<Option<KnownRekey>, Infallible> {
        let found = self.entries.values().find(|entry| EpochId::of(&entry.event.id()) == *epoch);
        Ok(found.and_then(|entry| {
            let (at, hlc) = (entry.event.as_dep(), entry.event.header().hlc);
            entry.rekey.clone().map(|rekey| KnownRekey { at, hlc, rekey })
        }))
    }
}

/// A random conversation of four devices, of which `forkers` write from old states now and then.
pub(crate) struct Story {
    pub(crate) spec: LogSpec,
    pub(crate) members: Vec<Member>,
    pub(crate) events: Vec<Verified<Event>>,
}

/// What one author holds while a story is made up.
#[derive(Clone, Default)]
struct Held {
    known: BTreeSet<usize>,
    own: Option<usize>,
}

impl Story {
    pub(crate) fn new(seed: u64, length: usize, forkers: usize) -> Self {
        let members = vec![Member::new(1, 1), Member::new(2, 2), Member::new(1, 3), Member::new(2, 4)];
        let spec = conversation(&members[0], &members[1]);
        let mut story = Self { spec, members, events: Vec::new() };
        story.make_up(&mut rng(seed), length, forkers);
        story
    }

    fn make_up(&mut self, rng: &mut ChaCha20Rng, length: usize, forkers: usize) {
        let mut held = vec![Held::default(); self.members.len()];
        let mut old: Vec<Option<Held>> = vec![None; self.members.len()];
        self.write(rng, 1, &mut held[1], true);
        while self.events.len() < length {
            let author = below(rng, self.members.len());
            let other = below(rng, self.members.len());
            let theirs = held[other].known.clone();
            held[author].known.extend(theirs);
            let forks = author < forkers && below(rng, 4) == 0;
            let mut state =
                if forks { old[author].take().unwrap_or(held[author].clone()) } else { held[author].clone() };
            if author < forkers && below(rng, 3) == 0 {
                old[author] = Some(state.clone());
            }
            if !state.known.is_empty() {
                self.write(rng, author, &mut state, false);
                held[author].known.extend(&state.known);
                held[author].own = state.own;
            }
        }
    }

    fn write(&mut self, rng: &mut ChaCha20Rng, author: usize, state: &mut Held, opens: bool) {
        let deps = if opens { Vec::new() } else { self.heads(state) };
        let newest = deps.iter().map(|at| self.events[*at].header().hlc).max();
        let hlc = newest.map_or(NOW, |newest| newest + 1 + rng.next_u64() % 5);
        let seq = state.own.map_or(1, |own| self.events[own].header().seq + 1);
        let body = match state.own {
            None if opens => opening(&self.members[0], &self.members[1]),
            None => self.members[author].join(),
            Some(_) => filler(rng.next_u64()),
        };
        let deps = deps.iter().map(|at| self.events[*at].as_dep()).collect();
        let event = self.members[author].open_event(self.spec.id(), seq, hlc, deps, &body);
        state.own = Some(self.events.len());
        state.known.insert(self.events.len());
        self.events.push(event);
    }

    /// Heads of what is known, one per device, the author's own previous event for its own.
    fn heads(&self, state: &Held) -> Vec<usize> {
        let ids: BTreeMap<EventId, usize> = state.known.iter().map(|at| (self.events[*at].id(), *at)).collect();
        let under: BTreeSet<usize> =
            state.known.iter().flat_map(|at| &self.events[*at].header().deps).map(|dep| ids[&dep.id]).collect();
        let mut heads = BTreeMap::new();
        for at in state.known.iter().filter(|at| !under.contains(at)) {
            heads.insert(self.events[*at].header().device, *at);
        }
        if let Some(own) = state.own {
            heads.insert(self.events[own].header().device, own);
        }
        heads.into_values().collect()
    }
}

/// Shuffles in place.
pub(crate) fn shuffle<T>(rng: &mut ChaCha20Rng, items: &mut [T]) {
    for at in (1..items.len()).rev() {
        items.swap(at, below(rng, at + 1));
    }
}
