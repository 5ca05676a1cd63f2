//! A person with one device, a vault and a ledger; wire events are carried by hand.
#![allow(dead_code, reason = "each test file uses its part")]

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use y7ke_crypto::bundle::{Bundle, DeviceBundle, Prekey};
use y7ke_crypto::cert::{Caps, CertChain, Subject};
use y7ke_crypto::event::{Dep, Header, Payload};
use y7ke_crypto::ids::{DeviceId, LogId, RequestId, RootId};
use y7ke_crypto::request::{Draft, Request};
use y7ke_crypto::sign::{DeviceKey, NetSecret, RootKey, Verified};
use y7ke_crypto::text::{Greeting, Name};
use y7ke_crypto::vault::VaultFile;
use y7ke_ledger::admit::LogSpec;
use y7ke_ledger::body::{Body, RequestAnswer, RequestIn, RequestOut};
use y7ke_ledger::store::{Admission, Appended, Batch, EventInfo, Ledger, Storage, SubKeys, View};
use y7ke_ledger::views::{self, MessageKey, Page, Reach};
use y7ke_ledger::{Event, fold};

pub(crate) const NOW: u64 = 1_790_000_000_000;
const FORTNIGHT: u64 = 14 * 86_400_000;

pub(crate) struct Person {
    pub(crate) ledger: Ledger,
    pub(crate) root: RootId,
    pub(crate) key: DeviceKey,
    pub(crate) chain: CertChain,
    rng: ChaCha20Rng,
    now: u64,
}

impl Person {
    pub(crate) fn new(seed: u8, storage: Storage) -> Self {
        let mut person = Self::device_of(seed, seed, storage);
        person.move_in();
        person
    }

    /// Device `device` of person `seed`, with whatever is in `storage`.
    pub(crate) fn device_of(seed: u8, device: u8, storage: Storage) -> Self {
        let root = RootKey::from_seed(&[seed; 32]);
        let key = DeviceKey::from_seed(&[device + 100; 32]);
        let net = NetSecret::from_bytes(&[device + 200; 32]).id();
        let subject = Subject { device: key.id(), net, caps: Caps::ADMIN, not_before: NOW, cert_seq: 1 };
        let chain = CertChain::rooted(&root, subject);
        let mut rng = ChaCha20Rng::seed_from_u64(u64::from(device));
        let (_, dek) = VaultFile::with_file_slot(&mut rng);
        let ledger = Ledger::open(storage, SubKeys::new(&dek)).unwrap();
        Self { ledger, root: root.id(), key, chain, rng, now: NOW }
    }

    /// Takes one event in, as it is.
    pub(crate) fn take(&mut self, event: &Verified<Event>) -> Admission {
        let sender = self.device();
        self.write(|_, batch| batch.admit(event.as_signed().clone(), Vec::new(), sender).unwrap())
    }

    /// An open event of this device's next number, signed and not stored: written twice, it is a fork.
    pub(crate) fn next_event(&self, log: LogId, body: &Body) -> Verified<Event> {
        let view = self.view();
        let heads = view.heads(&log).unwrap().into_iter().map(|id| view.event(&id).unwrap().unwrap());
        let own = view.clock(&log).unwrap().tips(&self.device())[0];
        let own = view.event(&own.id).unwrap().unwrap();
        let past: Vec<_> = heads.chain([own]).collect();
        let hlc = past.iter().map(|event| event.header.hlc).max().unwrap() + 1;
        let seq = past.last().unwrap().header.seq + 1;
        let dep = |event: &EventInfo| Dep { device: event.header.device, seq: event.header.seq, id: event.id };
        let mut deps: Vec<_> = past.iter().map(dep).collect();
        deps.sort_unstable();
        deps.dedup();
        let header = Header::open(log, self.device(), seq, hlc, deps);
        self.key.sign(Event::new(header, Payload::Full(body.to_bytes()))).unwrap()
    }

    /// Identity log with a prekey and a name, account log with its first epoch.
    fn move_in(&mut self) {
        let root = self.root;
        self.write(|person, batch| {
            let identity = batch.ensure_log(LogSpec::Identity { root }).unwrap();
            let account = batch.ensure_log(LogSpec::Account { root }).unwrap();
            for log in [identity, account] {
                person.append(batch, log, &Body::Join { chain: person.chain.clone() });
            }
            let (now, rng) = (person.now, &mut person.rng);
            batch.publish_prekey_if_due(identity, now, rng, &person.key).unwrap().unwrap();
            person.append(batch, identity, &Body::Profile { name: Name::new("Somebody").unwrap() });
        });
    }

    pub(crate) fn device(&self) -> DeviceId {
        self.key.id()
    }

    pub(crate) fn account(&self) -> LogId {
        LogId::account(&self.root)
    }

    pub(crate) fn view(&self) -> View {
        self.ledger.view().unwrap()
    }

    pub(crate) fn digest(&self, log: &LogId) -> [u8; 32] {
        fold::digest(&self.view(), log).unwrap()
    }

    /// One batch, committed.
    pub(crate) fn write<T>(&mut self, work: impl FnOnce(&mut Self, &mut Batch) -> T) -> T {
        self.now += 10;
        let mut batch = self.ledger.begin(&mut self.rng).unwrap();
        let made = work(self, &mut batch);
        batch.commit().unwrap();
        made
    }

    pub(crate) fn append(&mut self, batch: &mut Batch, log: LogId, body: &Body) -> Appended {
        self.now += 1;
        batch.append(log, body, self.now, &mut self.rng, &self.key).unwrap()
    }

    /// Appends a sealed body for the devices of these people.
    fn seal(&mut self, batch: &mut Batch, log: LogId, people: &[RootId], body: &Body) -> Appended {
        let prekeys: Vec<_> = people.iter().flat_map(|root| prekeys(batch, root)).collect();
        let members: Vec<_> = prekeys.iter().collect();
        batch.ensure_epoch(log, &members, self.now, &mut self.rng, &self.key).unwrap();
        self.append(batch, log, body)
    }

    pub(crate) fn note(&mut self, body: &Body) {
        let (root, account) = (self.root, self.account());
        self.write(|person, batch| person.seal(batch, account, &[root], body));
    }

    pub(crate) fn bundle(&self) -> Bundle {
        let rows = views::devices(&self.view(), &self.root).unwrap();
        let devices = rows.into_iter().map(|row| DeviceBundle { chain: row.chain, prekey: row.prekey.unwrap() });
        Bundle::new(self.root, devices.collect()).unwrap()
    }

    /// Asks `other`, by way of sealed bytes, and both note it.
    pub(crate) fn request(&mut self, other: &mut Self, n: u8) -> RequestId {
        let to = other.bundle().verify().unwrap();
        let draft = Draft {
            req_id: RequestId::from([n; 32]),
            created: self.now,
            expires: self.now + FORTNIGHT,
            to_root: other.root,
            to_bundle: to.hash,
            from_bundle: self.bundle(),
            name: Name::new("Somebody").unwrap(),
            greeting: Greeting::new("Hello there").unwrap(),
        };
        self.note(&Body::RequestOut(RequestOut {
            req_id: draft.req_id,
            to_root: other.root,
            created: draft.created,
            expires: draft.expires,
            greeting: draft.greeting.clone(),
            hints: Vec::new(),
        }));
        let sealed = draft.clone().sign(&self.key).unwrap().seal(&mut self.rng, &to).unwrap();
        let with = other.view().prekey_secret(&sealed.prekey_of(&other.device()).unwrap()).unwrap().unwrap();
        other.receive(sealed.open(&other.device(), &with).unwrap());
        draft.req_id
    }

    fn receive(&mut self, request: Request) {
        let mine = self.bundle().hash();
        request.clone().check(self.now, &self.root, |hash| *hash == mine).unwrap();
        self.note(&Body::RequestIn(RequestIn::of(&request)));
    }

    /// Accepts: opening, first epoch, and what the account remembers of it, in one transaction (C2).
    pub(crate) fn accept(&mut self, req_id: &RequestId) -> LogId {
        let request = views::stored_request(&self.view(), &self.account(), req_id).unwrap().unwrap();
        let mine = self.bundle().hash();
        let verified = request.check(self.now, &self.root, |hash| *hash == mine).unwrap();
        let them = verified.core.from_root;
        let opening = Body::Opening(Box::new(verified.accept(self.chain.clone())));
        let (me, account) = (self.root, self.account());
        self.write(|person, batch| {
            let log = batch.ensure_log(LogSpec::conversation(me, them, *req_id)).unwrap();
            person.append(batch, log, &opening);
            let prekeys = [verified.bundle.devices[0].prekey.clone(), prekeys(batch, &me).remove(0)];
            let members: Vec<_> = prekeys.iter().collect();
            batch.ensure_epoch(log, &members, person.now, &mut person.rng, &person.key).unwrap();
            person.seal(batch, account, &[me], &Body::ContactLog { root: them, log, req_id: *req_id });
            let state = RequestAnswer::Accepted;
            person.seal(batch, account, &[me], &Body::RequestState { req_id: *req_id, state });
            log
        })
    }

    /// The opening came: joins, and the account remembers the conversation.
    pub(crate) fn join(&mut self, log: LogId, them: RootId, req_id: RequestId) {
        let (me, account) = (self.root, self.account());
        self.write(|person, batch| {
            person.append(batch, log, &Body::Join { chain: person.chain.clone() });
            person.seal(batch, account, &[me], &Body::ContactLog { root: them, log, req_id });
        });
    }

    /// Learns the other's devices and name.
    pub(crate) fn meet(&mut self, other: &Self) {
        self.know(LogSpec::Identity { root: other.root });
        self.fetch(other, LogId::identity(&other.root));
    }

    pub(crate) fn know(&mut self, spec: LogSpec) {
        self.write(|_, batch| batch.ensure_log(spec).unwrap());
    }

    pub(crate) fn say(&mut self, log: LogId, them: RootId, text: &str) -> Appended {
        let me = self.root;
        let body = Body::Text { text: text.to_owned(), reply_to: None };
        self.write(|person, batch| person.seal(batch, log, &[me, them], &body))
    }

    pub(crate) fn tell(&mut self, log: LogId, them: RootId, body: &Body) {
        let me = self.root;
        self.write(|person, batch| person.seal(batch, log, &[me, them], body));
    }

    /// Takes everything of `log` that `other` has and this one lacks, as bytes; says how many events.
    pub(crate) fn fetch(&mut self, other: &Self, log: LogId) -> usize {
        let theirs = other.view();
        let wants = self.view().clock(&log).unwrap().lacks(&theirs.clock(&log).unwrap());
        let page = theirs.events_between(&log, &wants, 100_000, usize::MAX).unwrap();
        let sender = other.device();
        let outcomes = self.write(|_, batch| {
            let events = page.items.into_iter().map(|item| (carried(&item.wire), item.boxes)).collect();
            batch.admit_all(events, sender).unwrap()
        });
        assert!(!outcomes.iter().any(|outcome| matches!(outcome, Admission::Refused(_))), "{outcomes:?}");
        outcomes.len()
    }

    /// Says durably what this device holds, and `other` keeps it.
    pub(crate) fn acknowledge(&mut self, other: &mut Self, log: LogId) {
        let ack = self.write(|person, batch| batch.acknowledge(log, &person.key).unwrap());
        if let Some(ack) = ack {
            let ack = ack.verify().unwrap();
            other.write(|_, batch| batch.put_ack(&ack).unwrap());
        }
    }

    pub(crate) fn page(&self, log: LogId) -> Page {
        views::page(&self.view(), &[log], None, usize::MAX).unwrap()
    }

    pub(crate) fn texts(&self, log: LogId) -> Vec<String> {
        self.page(log).messages.into_iter().map(|row| row.text).collect()
    }

    pub(crate) fn keys(&self, log: LogId) -> Vec<MessageKey> {
        views::message_keys(&self.view(), &[log]).unwrap()
    }

    pub(crate) fn reach(&self, log: LogId) -> Reach {
        let view = self.view();
        let mut reach = Reach::read(&view, &log, self.root).unwrap();
        for ack in view.acks(&log).unwrap() {
            reach.acked(&view, ack.claim).unwrap();
        }
        reach
    }
}

/// Over the wire: encoded, decoded, named again.
fn carried(wire: &y7ke_crypto::event::WireEvent) -> y7ke_crypto::sign::Signed<Event> {
    use y7ke_crypto::codec::Wire;
    Event::from_wire(y7ke_crypto::event::WireEvent::from_bytes(&wire.to_bytes()).unwrap())
}

/// The verified newest prekeys of a person's devices, from the identity log.
pub(crate) fn prekeys(view: &View, root: &RootId) -> Vec<Verified<Prekey>> {
    let rows = views::devices(view, root).unwrap();
    rows.into_iter().filter_map(|row| row.prekey).map(|prekey| prekey.verify().unwrap()).collect()
}

/// Ada asked, Bo accepted, both have each other's identity log.
pub(crate) fn acquainted(storage: Storage) -> (Person, Person, LogId) {
    let (mut ada, mut bo) = (Person::new(1, storage), Person::new(2, Storage::memory()));
    let req_id = ada.request(&mut bo, 7);
    let log = meet(&mut ada, &mut bo, req_id);
    (ada, bo, log)
}

pub(crate) fn meet(ada: &mut Person, bo: &mut Person, req_id: RequestId) -> LogId {
    let log = bo.accept(&req_id);
    ada.meet(bo);
    bo.meet(ada);
    ada.know(LogSpec::conversation(ada.root, bo.root, req_id));
    ada.fetch(bo, log);
    ada.join(log, bo.root, req_id);
    bo.fetch(ada, log);
    log
}

/// Alternating, in bursts, fetched only now and then.
pub(crate) fn talk(ada: &mut Person, bo: &mut Person, log: LogId, rounds: usize) {
    for n in 0..rounds {
        let (ada_root, bo_root) = (ada.root, bo.root);
        ada.say(log, bo_root, &format!("ada {n}"));
        if n % 3 == 0 {
            ada.say(log, bo_root, &format!("ada {n} again"));
        }
        bo.say(log, ada_root, &format!("bo {n}"));
        if n % 5 == 4 {
            bo.fetch(ada, log);
            ada.fetch(bo, log);
        }
    }
    bo.fetch(ada, log);
    ada.fetch(bo, log);
}
