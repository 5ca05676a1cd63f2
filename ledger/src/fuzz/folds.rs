//! What two people write into the three kinds of log, and what two replicas make of it.
//!
//! ```text
//! people    A: a1 writes, a2 is the replica's own device       B: b1 writes
//! logs      identity of A · account of A · conversation of A and B, opened by b1; one epoch in each of the last two
//! script    event…
//! event     u8 where (log, author) · u8 how · u8 length · body
//! how       1 sealed   2 the number before once more (a fork)   4 a number left out   8 without the other's newest
//!           16 a chain index twice   32 the clock leaps   64 noise for a ciphertext
//! body      as it is: any bytes, opened by both replicas where it is sealed
//! ```
//!
//! Deep: every event is signed, its dependencies are there, and its body opens, so hostile bodies reach the
//! folds and the views. One replica takes them in order, the other from the last to the first. Checked: equal
//! heads, clocks and, where everything opened, projections; projections rebuild to the same bytes; the
//! store verifies; views and exports read it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use y7ke_crypto::boxes::PrekeySecret;
use y7ke_crypto::bundle::{Bundle, DeviceBundle, Prekey};
use y7ke_crypto::cert::{Caps, CertChain, Subject};
use y7ke_crypto::epoch::{ChainKey, KeyBox, NewEpoch, make_rekey};
use y7ke_crypto::event::{Class, Dep, Header, Payload, seal};
use y7ke_crypto::ids::{BundleHash, EpochId, LogId, RequestId};
use y7ke_crypto::request::{Draft, Opening};
use y7ke_crypto::sign::{DeviceKey, NetSecret, RootKey, Verified};
use y7ke_crypto::text::{Greeting, Name};

use super::{Disk, Image};
use crate::admit::LogSpec;
use crate::body::Body;
use crate::fold;
use crate::id::Event;
use crate::store::{Batch, Ledger, SubKeys, View};
use crate::{tools, views};

/// Events of one script.
const EVENTS: usize = 48;
const NOW: u64 = 1_790_000_000_000;

/// Runs a script; see the head of the file.
pub fn folds(data: &[u8]) {
    static STAGE: OnceLock<Stage> = OnceLock::new();
    let stage = STAGE.get_or_init(Stage::set);
    let mut pens = stage.pens();
    let events = written(&mut pens, data);
    let [mut one, mut other] = [(); 2].map(|()| stage.open());
    hand_over(&mut one, events.iter());
    (0..3).for_each(|_| hand_over(&mut other, events.iter().rev()));
    exchange_proofs(&mut one, &mut other);
    hand_over(&mut one, events.iter());
    hand_over(&mut other, events.iter());
    for spec in specs() {
        agree(&one, &other, &spec.id());
    }
    specs().iter().for_each(|spec| reads(&mut one, &spec.id()));
    let bad = tools::verify(&one, None, &mut rng(9)).expect("memory does not fail").bad;
    assert!(bad.is_empty(), "the store does not verify: {bad:?}");
}

pub(super) fn hand_over<'a>(batch: &mut Batch, events: impl Iterator<Item = &'a Verified<Event>>) {
    for event in events {
        let event = event.as_signed().clone();
        let sender = event.claim.header().device;
        batch.admit(event, Vec::new(), sender).expect("memory does not fail");
    }
}

fn exchange_proofs(one: &mut Batch, other: &mut Batch) {
    for spec in specs() {
        let proofs = [&*one, &*other].map(|batch| batch.fork_proofs(&spec.id()).expect("memory does not fail"));
        for proof in proofs.concat() {
            one.admit_proof(proof.clone()).expect("memory does not fail");
            other.admit_proof(proof).expect("memory does not fail");
        }
    }
}

fn agree(one: &Batch, other: &Batch, log: &LogId) {
    let [a, b] = [one, other].map(|batch| {
        let heads = batch.heads(log).expect("memory does not fail");
        (heads, batch.clock(log).expect("memory does not fail"))
    });
    assert_eq!(a, b, "two replicas of the same events differ");
    let unopened = [one, other].iter().any(|batch| !batch.unopened(log).expect("memory does not fail").is_empty());
    let [a, b] = [one, other].map(|batch| fold::digest(&**batch, log).expect("memory does not fail"));
    assert!(unopened || a == b, "the same live events, all opened, fold to different rows (S7)");
    let logs = tools::diff([one, other]).expect("memory does not fail");
    let only = |diff: &tools::LogDiff| diff.log == log.to_string() && diff.only.iter().any(|only| !only.is_empty());
    assert!(!logs.iter().any(only), "a diff names events that one of two equal replicas lacks");
}

/// Everything that reads what bodies became.
fn reads(batch: &mut Batch, log: &LogId) {
    let [a, b] = [a1(), b1()].map(|person| person.root.id());
    let page = views::page(&**batch, &[*log], None, 100).expect("memory does not fail");
    for message in &page.messages {
        assert!(views::message(&**batch, &message.key.id).expect("memory does not fail").is_some());
    }
    views::conversation(&**batch, &[*log], &a).expect("memory does not fail");
    views::contacts(&**batch, log, NOW).expect("memory does not fail");
    views::requests(&**batch, log, NOW).expect("memory does not fail");
    views::settings(&**batch, log).expect("memory does not fail");
    for root in [a, b] {
        views::devices(&**batch, &root).expect("memory does not fail");
        views::profile_name(&**batch, &root).expect("memory does not fail");
    }
    let shown = tools::show(batch, log, tools::Words::Shown).expect("memory does not fail");
    assert!(shown.len() as u64 >= batch.log(log).expect("memory does not fail").map_or(0, |info| info.live));
    let before = fold::digest(&**batch, log).expect("memory does not fail");
    batch.rebuild_projections(log).expect("memory does not fail");
    assert_eq!(fold::digest(&**batch, log).expect("memory does not fail"), before, "a projection is no fold");
    if batch.log(log).expect("memory does not fail").is_some() {
        replayed(batch, log, before);
    }
}

/// F1: folded anew it is what it was, and each number of events is a point as their heads are.
fn replayed(view: &View, log: &LogId, digest: [u8; 32]) {
    let at = |point: &tools::Point| {
        tools::replay(view, log, point, tools::Words::Hidden, tools::Steps::Hidden).expect("memory does not fail")
    };
    let newest = at(&tools::Point::Newest);
    assert_eq!(newest.projection, hex::encode(digest), "a replay ends elsewhere");
    let half = at(&tools::Point::First(newest.events / 2));
    let heads = half.heads.iter().map(|head| head.parse().expect("it was printed")).collect();
    assert_eq!(at(&tools::Point::Heads(heads)), half, "a number of events is another point than their heads");
}

/// A device with its person's keys.
pub(super) struct Author {
    pub(super) root: RootKey,
    pub(super) key: DeviceKey,
    pub(super) chain: CertChain,
    prekey: PrekeySecret,
}

impl Author {
    fn new(person: u8, device: u8) -> Self {
        let (root, key) = (RootKey::from_seed(&[person; 32]), DeviceKey::from_seed(&[device; 32]));
        let net = NetSecret::from_bytes(&[device + 100; 32]).id();
        let subject = Subject { device: key.id(), net, caps: Caps::ADMIN, not_before: 1, cert_seq: 1 };
        let chain = CertChain::rooted(&root, subject);
        Self { root, key, chain, prekey: PrekeySecret::from_bytes(&[device + 50; 32]) }
    }

    fn prekey(&self) -> Verified<Prekey> {
        let prekey = Prekey { device: self.key.id(), created: 1, public: self.prekey.public() };
        self.key.sign(prekey).expect("its own device")
    }
}

fn a1() -> Author {
    Author::new(11, 21)
}

pub(super) fn a2() -> Author {
    Author::new(11, 22)
}

fn b1() -> Author {
    Author::new(12, 23)
}

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(super) fn keys() -> SubKeys {
    SubKeys::new(&y7ke_crypto::vault::Dek::from_bytes(&[5; 32]))
}

const REQUEST: [u8; 32] = [6; 32];

pub(super) fn specs() -> [LogSpec; 3] {
    let [a, b] = [a1(), b1()].map(|person| person.root.id());
    [LogSpec::Identity { root: a }, LogSpec::Account { root: a }, LogSpec::conversation(a, b, RequestId::from(REQUEST))]
}

/// The acceptance of A's request by b1.
fn opening() -> Opening {
    let (a, b) = (a1(), b1());
    let device = DeviceBundle { chain: a.chain.clone(), prekey: a.prekey().into_signed() };
    let draft = Draft {
        req_id: RequestId::from(REQUEST),
        created: NOW,
        expires: NOW + 1_000,
        to_root: b.root.id(),
        to_bundle: BundleHash::from([0; 32]),
        from_bundle: Bundle::new(a.root.id(), vec![device]).expect("one device"),
        name: Name::default(),
        greeting: Greeting::default(),
    };
    let core = draft.sign(&a.key).expect("its own device").core;
    Opening { core, requester: a.chain, opener: b.chain }
}

/// (log, whose, tip, clock, epoch and chain): where somebody stands in a log.
type End = (LogId, u8, Dep, u64, Option<(EpochId, [u8; ChainKey::LEN])>);

/// Where an author writes next in a log.
pub(super) struct Pen {
    log: LogId,
    author: DeviceKey,
    tip: Option<Dep>,
    before: Option<Dep>,
    hlc: u64,
    epoch: Option<EpochId>,
    chain: Option<ChainKey>,
}

impl Pen {
    fn dep(&self, again: bool) -> Option<Dep> {
        if again { self.before } else { self.tip }
    }
}

/// The replica before the script, and the pens of who writes.
pub(super) struct Stage {
    pub(super) image: Image,
    ends: Vec<End>,
}

impl Stage {
    pub(super) fn set() -> Self {
        let disk = Disk::default();
        let ledger = Ledger::open(disk.storage(), keys()).expect("memory does not fail");
        let mut batch = ledger.begin(&mut rng(1)).expect("no other batch is open");
        for spec in specs() {
            batch.ensure_log(spec).expect("memory does not fail");
        }
        let me = a2();
        batch.set_device(me.key.id()).expect("memory does not fail");
        let identity = specs()[0].id();
        let (join, now) = (Body::Join { chain: me.chain }, NOW - 1_000);
        batch.append(identity, &join, now, &mut rng(2), &me.key).expect("the first event of this device");
        batch.publish_prekey_if_due(identity, now, &mut rng(3), &me.key).expect("joined").expect("it is due");
        let mine = views::devices(&batch, &me.root.id()).expect("memory does not fail");
        let mine: Vec<_> = mine.into_iter().filter_map(|row| row.prekey?.verify().ok()).collect();
        let ends = found(&mut batch, &mine[0]);
        batch.commit().expect("memory does not fail");
        drop(ledger);
        Self { image: disk.durable(), ends }
    }

    pub(super) fn open(&self) -> Batch {
        let disk = Disk::of(self.image.clone());
        let ledger = Ledger::open(disk.storage(), keys()).expect("memory does not fail");
        ledger.begin(&mut rng(4)).expect("no other batch is open")
    }

    pub(super) fn pens(&self) -> Vec<Pen> {
        let pen = |(log, author, tip, hlc, chain): &End| Pen {
            log: *log,
            author: if *author == 0 { a1().key } else { b1().key },
            tip: Some(*tip),
            before: None,
            hlc: *hlc,
            epoch: chain.as_ref().map(|(epoch, _)| *epoch),
            chain: chain.as_ref().and_then(|(_, chain)| ChainKey::from_bytes(chain)),
        };
        self.ends.iter().map(pen).collect()
    }
}

/// The beginnings of the three logs: introductions, and an epoch that this replica can open.
fn found(batch: &mut Batch, mine: &Verified<Prekey>) -> Vec<End> {
    let [identity, account, talk] = specs().map(|spec| spec.id());
    let (a, b) = (a1(), b1());
    let join = |author: &Author| Body::Join { chain: author.chain.clone() };
    let first = put(batch, &a.key, &Header::open(identity, a.key.id(), 1, NOW, vec![]), &join(&a), vec![]);
    let mut ends = vec![(identity, 0, first, NOW, None)];
    for (log, members) in
        [(account, vec![a.prekey(), mine.clone()]), (talk, vec![a.prekey(), b.prekey(), mine.clone()])]
    {
        let opened = (log == talk).then(|| {
            let opening = Body::Opening(Box::new(opening()));
            put(batch, &b.key, &Header::open(log, b.key.id(), 1, NOW, vec![]), &opening, vec![])
        });
        let mut deps: Vec<Dep> = opened.into_iter().collect();
        let joined = put(batch, &a.key, &Header::open(log, a.key.id(), 1, NOW + 1, deps.clone()), &join(&a), vec![]);
        deps = vec![joined];
        let members: Vec<_> = members.iter().collect();
        let made = make_rekey(&mut rng(5), &log, 1, &a.key.id(), &members).expect("different devices");
        let NewEpoch { rekey, boxes, secret } = made;
        let devices: Vec<_> = rekey.devices().collect();
        let header = Header::open(log, a.key.id(), 2, NOW + 2, deps);
        let at = put(batch, &a.key, &header, &Body::Rekey(rekey), boxes);
        let epoch = EpochId::of(&at.id);
        let chains: BTreeMap<_, _> = secret.into_chains(&log, &epoch, devices);
        let chain = |author: &Author| chains.get(&author.key.id()).map(|chain| (epoch, *chain.expose()));
        ends.push((log, 0, at, NOW + 2, chain(&a)));
        ends.extend(opened.map(|opened| (log, 1, opened, NOW, chain(&b))));
    }
    ends
}

fn put(batch: &mut Batch, key: &DeviceKey, header: &Header, body: &Body, boxes: Vec<KeyBox>) -> Dep {
    let event = key.sign(Event::new(header.clone(), Payload::Full(body.to_bytes()))).expect("its own device");
    let dep = event.as_dep();
    let outcome = batch.admit(event.into_signed(), boxes, key.id()).expect("memory does not fail");
    assert!(matches!(outcome, crate::store::Admission::Admitted(_)), "the stage is sound: {outcome:?}");
    dep
}

/// The events of a script.
pub(super) fn written(pens: &mut [Pen], mut data: &[u8]) -> Vec<Verified<Event>> {
    let mut events = Vec::new();
    while let [place, how, len, rest @ ..] = data {
        let (body, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        data = rest;
        let at = usize::from(*place) % pens.len();
        events.extend(event(pens, at, *how, body));
        if events.len() == EVENTS {
            break;
        }
    }
    events
}

fn event(pens: &mut [Pen], at: usize, how: u8, body: &[u8]) -> Option<Verified<Event>> {
    let others = pens.iter().enumerate().filter(|(n, pen)| *n != at && pen.log == pens[at].log && how & 8 == 0);
    let others: Vec<(Dep, u64)> = others.filter_map(|(_, pen)| Some((pen.tip?, pen.hlc))).collect();
    let pen = &mut pens[at];
    let previous = pen.dep(how & 2 != 0 && pen.before.is_some());
    let newest = others.iter().map(|(_, hlc)| *hlc).max().unwrap_or(0).max(pen.hlc);
    let hlc = if how & 32 != 0 { newest + (1 << 37) } else { newest + 1 };
    let seq = previous.map_or(1, |dep| dep.seq + 1) + u64::from(how & 4 != 0);
    let mut deps: Vec<Dep> = others.into_iter().map(|(dep, _)| dep).chain(previous).collect();
    deps.sort_unstable_by_key(|dep| dep.device);
    let mut header = Header::open(pen.log, pen.author.id(), seq, hlc, deps);
    let payload = if how & 1 != 0 { sealed(pen, &mut header, how, body)? } else { body.to_vec() };
    let event = pen.author.sign(Event::new(header, Payload::Full(payload))).ok()?;
    (pen.before, pen.tip, pen.hlc) = (previous, Some(event.as_dep()), hlc);
    Some(event)
}

fn sealed(pen: &mut Pen, header: &mut Header, how: u8, body: &[u8]) -> Option<Vec<u8>> {
    let chain = pen.chain.take()?;
    let again = ChainKey::from_bytes(&chain.expose());
    header.class = Class::Sealed;
    header.epoch = pen.epoch?;
    header.chain = chain.index();
    header.nonce = [how; 24];
    let (key, next) = chain.step();
    pen.chain = if how & 16 != 0 { again } else { next };
    if how & 64 != 0 {
        return Some(vec![how; 256 + 16]);
    }
    seal(&key, header, body).ok()
}
