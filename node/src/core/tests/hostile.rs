//! What a real peer could send over a real session, if it wanted to do harm.
//!
//! Machine 0 is hostile: it holds its own keys and says with them what its own code never would. Machine 1
//! is asked to live through it, and machine 2 to notice nothing.

use y7ke_crypto::ack::Ack;
use y7ke_crypto::bundle::{Bundle, DeviceBundle, ProvenBundle};
use y7ke_crypto::clock::{Clock, Tip};
use y7ke_crypto::codec::Wire;
use y7ke_crypto::event::{Header, Payload};
use y7ke_crypto::ids::{BundleHash, DeviceId, EventId, RequestId};
use y7ke_crypto::request::{Draft, Opening, Request, SealedRequest};
use y7ke_crypto::sign::{DeviceKey, Signed};
use y7ke_crypto::text::{Greeting, Name};
use y7ke_ledger::Event;
use y7ke_ledger::admit::LogSpec;
use y7ke_ledger::body::{Body, ReadMark, ReadMarks};
use y7ke_sync::{Note, Outcome, Parcel};

use super::*;

const HOUR_MS: u64 = 3_600_000;

/// What a forger decides about a request.
struct Forged {
    req_id: u8,
    created: u64,
    expires: u64,
}

impl World {
    /// Everybody is connected with machine 1 and nobody knows anybody.
    fn strangers(count: usize) -> Self {
        let mut world = Self::new(count);
        (0..count).filter(|n| *n != 1).for_each(|n| world.knock(n));
        world
    }

    fn knock(&mut self, n: usize) {
        self.push(n, Input::Command { call: 9_000, command: Command::NodeDial { multiaddr: address(1).to_string() } });
        self.settle();
        self.machines[n].answers.remove(&9_000);
    }

    fn bundle(&mut self, n: usize) -> ProvenBundle {
        let bundle = self.forge(n, |round| round.my_bundle()).expect("a bundle");
        bundle.verify().expect("a sound bundle")
    }

    fn fresh(&self, req_id: u8) -> Forged {
        let now_ms = self.now().wall_ms;
        Forged { req_id, created: now_ms, expires: now_ms + HOUR_MS }
    }

    /// A request of machine 0, as it is sealed.
    fn forge_request(&mut self, what: Forged, to: &ProvenBundle, change: impl FnOnce(&mut Request)) -> Vec<u8> {
        let mut request = self.forge(0, |round| draft(round, &what, to).sign(&round.core.me.device)).expect("signed");
        change(&mut request);
        let sealed = self.forge(0, |round| request.seal(round.rng, to)).expect("sealed");
        sealed.to_bytes()
    }

    fn say(&mut self, n: usize, note: Note) {
        let id = self.session(n, 1);
        self.forge(n, |round| round.note(id, note)).expect("said");
        self.settle();
    }

    /// Machine 0 hands in `sealed`; whether machine 1 took it for a request.
    fn hand_in(&mut self, n: usize, sealed: Vec<u8>) -> bool {
        let before = self.requests(1).len();
        self.say(n, Note::Request(sealed));
        self.requests(1).len() > before
    }

    fn ack(&mut self, of: LogId, by: &DeviceKey, number: u64, clock: Clock) -> Vec<u8> {
        let ack = Ack { log: of, device: by.id(), number, clock, unopened: Vec::new() };
        by.sign(ack).expect("its own key").as_signed().to_bytes()
    }

    /// Machine 0 sends an acknowledgement of the log it has with machine 1.
    fn send_ack(&mut self, log: LogId, device: DeviceId, bytes: Vec<u8>) {
        let id = self.session(0, 1);
        self.forge(0, |round| round.feed(id, y7ke_sync::Input::Ack { log, device, bytes })).expect("sent");
        self.settle();
    }

    fn log_with(&mut self, n: usize, m: usize) -> LogId {
        let y7_id = self.id(m);
        let contact = self.contacts(n).into_iter().find(|contact| contact.y7_id == y7_id).expect("a contact");
        contact.log.expect("a conversation").parse().expect("an id")
    }

    fn device(&self, n: usize) -> DeviceKey {
        DeviceKey::from_seed(&self.machines[n].engine.core.me.device.seed())
    }

    fn admit(&mut self, log: LogId, parcel: Parcel) -> Outcome {
        let id = self.session(1, 0);
        let (outcomes, _) = self.forge(1, |round| round.admit_items(id, &log, vec![parcel])).expect("decided");
        outcomes[0]
    }
}

fn draft(round: &mut Round<'_, ChaCha20Rng>, what: &Forged, to: &ProvenBundle) -> Draft {
    Draft {
        req_id: RequestId::from([what.req_id; 32]),
        created: what.created,
        expires: what.expires,
        to_root: to.root,
        to_bundle: to.hash,
        from_bundle: round.my_bundle().expect("a bundle"),
        name: Name::default(),
        greeting: Greeting::new("hello").expect("short"),
    }
}

fn claims(device: DeviceId, seq: u64) -> Clock {
    let mut clock = Clock::new();
    clock.set(device, Tip { seq, id: EventId::from([7; 32]) });
    clock
}

#[test]
fn c1_a_sound_request_is_taken_once_however_often_it_comes_and_from_whomever() {
    let mut world = World::strangers(3);
    let victim = world.bundle(1);
    let what = world.fresh(1);
    let sealed = world.forge_request(what, &victim, |_| ());
    assert!(!world.hand_in(2, sealed.clone()), "played back by another person, before it came");
    assert!(world.hand_in(0, sealed.clone()));
    assert!(!world.hand_in(0, sealed.clone()), "the same bytes again");
    assert!(!world.hand_in(2, sealed));
    assert_eq!(world.requests(1)[0].y7_id, world.id(0));
}

#[test]
fn c1_a_request_that_was_answered_does_not_come_back() {
    let mut world = World::strangers(2);
    let victim = world.bundle(1);
    let what = world.fresh(1);
    let sealed = world.forge_request(what, &victim, |_| ());
    assert!(world.hand_in(0, sealed.clone()));
    let request_id = world.requests(1)[0].request_id.clone();
    world.call(1, Command::RequestReject { request_id }).expect("rejected");
    assert!(!world.hand_in(0, sealed));
    assert_eq!(world.requests(1)[0].state, RequestState::Rejected);
}

#[test]
fn c1_expired_future_and_endless_requests_are_refused() {
    let mut world = World::strangers(2);
    let victim = world.bundle(1);
    let now_ms = world.now().wall_ms;
    let times = [
        (now_ms - 2 * HOUR_MS, now_ms - HOUR_MS),
        (now_ms + HOUR_MS, now_ms + 2 * HOUR_MS),
        (now_ms, now_ms + 15 * 24 * HOUR_MS),
        (now_ms, u64::MAX),
        (0, u64::MAX),
    ];
    for (n, (created, expires)) in times.into_iter().enumerate() {
        let sealed = world.forge_request(Forged { req_id: n as u8, created, expires }, &victim, |_| ());
        assert!(!world.hand_in(0, sealed), "number {n}");
    }
}

#[test]
fn c1_requests_for_others_and_forged_ones_are_refused() {
    let mut world = World::strangers(3);
    let (victim, other) = (world.bundle(1), world.bundle(2));
    let what = world.fresh(1);
    let for_another = world.forge_request(what, &other, |_| ());
    assert!(!world.hand_in(0, for_another), "sealed for somebody else");
    let what = world.fresh(2);
    let mut resealed = victim.clone();
    resealed.root = other.root;
    let for_another = world.forge_request(what, &resealed, |_| ());
    assert!(!world.hand_in(0, for_another), "sealed for me, addressed to somebody else");
    let what = world.fresh(3);
    let mut unknown = victim.clone();
    unknown.hash = BundleHash::from([9; 32]);
    let cites_another = world.forge_request(what, &unknown, |_| ());
    assert!(!world.hand_in(0, cites_another), "cites a bundle that never was mine");
    let what = world.fresh(4);
    let forged = world.forge_request(what, &victim, |request| request.core.sig[5] ^= 1);
    assert!(!world.hand_in(0, forged), "a forged signature");
    let what = world.fresh(5);
    let greeting = Greeting::new("I am somebody else").expect("short");
    let altered = world.forge_request(what, &victim, |request| request.greeting = greeting);
    assert!(!world.hand_in(0, altered), "words that were not signed");
}

/// A request that says it is of machine 2, with machine 2's certificates, signed by machine 0.
#[test]
fn c1_nobody_asks_in_anothers_name() {
    let mut world = World::strangers(3);
    let (victim, other) = (world.bundle(1), world.forge(2, |round| round.my_bundle()).expect("a bundle"));
    let what = world.fresh(1);
    let sealed = world.forge_request(what, &victim, |request| {
        request.core.claim.from_root = other.root();
        request.core.claim.from_bundle = other.hash();
        request.from_bundle = other;
    });
    assert!(!world.hand_in(0, sealed.clone()));
    assert!(!world.hand_in(2, sealed), "not even over the session of whoever is named");
}

/// K4, S6: garbage under the right label wears out no prekey, and is paid for.
#[test]
fn s6_refused_requests_are_paid_for_across_reconnects() {
    let mut world = World::strangers(2);
    let victim = world.bundle(1);
    let what = world.fresh(1);
    let mut garbage = world.forge_request(what, &victim, |_| ());
    *garbage.last_mut().expect("bytes") ^= 1;
    assert!(SealedRequest::from_bytes(&garbage).is_ok());
    for _ in 0..30 {
        if world.wires.is_empty() {
            break;
        }
        world.hand_in(0, garbage.clone());
    }
    assert!(world.wires.is_empty(), "shown the door");
    world.knock(0);
    assert!(world.machines[1].engine.core.links.is_empty(), "and not let in again");
    let (_, age) =
        world.machines[1].engine.ledger().view().expect("a view").newest_prekey().expect("one").expect("one");
    assert!(!age.used);
}

#[test]
fn s6_confirmations_of_what_was_never_asked_are_forgotten() {
    let mut world = World::friends();
    for n in 0..50 {
        world.say(0, Note::RequestReceived(RequestId::from([n; 32])));
    }
    let id = world.session(1, 0);
    assert!(world.machines[1].engine.core.links[&id].handed.is_empty());
}

/// Garbage instead of notes ends that session and nothing else.
#[test]
fn garbage_notes_end_their_session_alone() {
    let mut world = World::strangers(3);
    for bytes in [vec![0], vec![255; 40], vec![16], vec![18, 255, 255, 255, 255], vec![20; 70]] {
        if world.wires.len() < 4 {
            world.knock(0);
        }
        let session = world.session(1, 0);
        world.push(1, Input::Net(NetEvent::Frame { session, lane: y7ke_transport::Lane::Handshake, bytes }));
        world.settle();
        assert!(!world.machines[1].engine.core.links.contains_key(&session));
        world.session(1, 2);
    }
}

#[test]
fn notes_that_nobody_asked_for_change_nothing() {
    let mut world = World::strangers(2);
    let bundle = world.forge(0, |round| round.my_bundle()).expect("a bundle").to_bytes();
    let others = Note::WantBundle(world.machines[0].engine.root());
    for note in [Note::Bundle(bundle), Note::Bundle(vec![1; 90]), others, Note::Addresses(vec!["nonsense".into()])] {
        world.say(0, note);
    }
    let addresses = Note::Addresses(vec![address(0).to_string()]);
    world.say(0, addresses);
    let net = world.machines[0].engine.core.me.net;
    let saved = world.machines[1].engine.ledger().view().expect("a view").addresses(&net).expect("addresses");
    assert!(saved.is_empty(), "a stranger's addresses are not kept");
    assert!(world.contacts(1).is_empty());
}

/// B6: what is behind a block in the same round is not even opened.
#[test]
fn b6_a_block_holds_for_what_is_on_its_way_already() {
    let mut world = World::strangers(2);
    let victim = world.bundle(1);
    let what = world.fresh(1);
    let sealed = world.forge_request(what, &victim, |_| ());
    let y7_id = world.id(0);
    world.push(1, Input::Command { call: 9_001, command: Command::ContactBlock { y7_id } });
    let id = world.session(0, 1);
    world.forge(0, |round| round.note(id, Note::Request(sealed))).expect("said");
    world.settle();
    assert!(world.machines[1].answers.remove(&9_001).expect("answered").is_ok());
    assert!(world.requests(1).is_empty());
    assert!(world.wires.is_empty());
}

/// B5: whoever asks writes the acceptance himself.
#[test]
fn b5_a_self_made_acceptance_is_refused_by_admission() {
    let mut world = World::strangers(2);
    let victim = world.bundle(1);
    let what = world.fresh(1);
    let request = world.forge(0, |round| draft(round, &what, &victim).sign(&round.core.me.device)).expect("signed");
    let sealed = world.forge(0, |round| request.seal(round.rng, &victim)).expect("sealed");
    assert!(world.hand_in(0, sealed.to_bytes()));
    let claim = request.core.claim;
    let spec = LogSpec::conversation(claim.from_root, claim.to_root, claim.req_id);
    world.forge(1, |round| round.know_log(&spec)).expect("known");
    let mine = world.machines[0].engine.core.me.chain.clone();
    let theirs = world.machines[1].engine.core.me.chain.clone();
    for opener in [mine.clone(), theirs] {
        let opening = Opening { core: request.core.clone(), requester: mine.clone(), opener };
        let parcel = world.forge_opening(spec.id(), opening);
        assert_eq!(world.admit(spec.id(), parcel), Outcome::Refused);
    }
    assert_eq!(world.contacts(1)[0].state, ContactState::PendingIn);
}

/// B5: an acceptance of what nobody asked: the request is signed by the accepter himself.
#[test]
fn b5_an_acceptance_of_what_was_never_asked_is_refused() {
    let mut world = World::friends();
    let (me, victim) = (world.machines[0].engine.root(), world.machines[1].engine.root());
    let bundle = world.bundle(1);
    let what = world.fresh(9);
    let request = world.forge(0, |round| draft(round, &what, &bundle).sign(&round.core.me.device)).expect("signed");
    let mut core: Signed<_> = request.core.clone();
    (core.claim.from_root, core.claim.to_root) = (victim, me);
    core.claim.from_device = world.device(1).id();
    let spec = LogSpec::conversation(me, victim, core.claim.req_id);
    let opener = world.machines[0].engine.core.me.chain.clone();
    let requester = world.machines[1].engine.core.me.chain.clone();
    let parcel = world.forge_opening(spec.id(), Opening { core, requester, opener });
    assert_eq!(world.admit(spec.id(), parcel.clone()), Outcome::Dropped, "the log is not even known");
    world.forge(1, |round| round.know_log(&spec)).expect("known");
    assert_eq!(world.admit(spec.id(), parcel), Outcome::Refused);
}

impl World {
    fn forge_opening(&mut self, log: LogId, opening: Opening) -> Parcel {
        let key = self.device(0);
        let header = Header::open(log, key.id(), 1, self.now().wall_ms, Vec::new());
        let event = Event::new(header, Payload::Full(Body::Opening(Box::new(opening)).to_bytes()));
        let signed = key.sign(event).expect("its own key");
        Parcel { bytes: Event::to_wire(signed.as_signed()).to_bytes(), boxes: Vec::new() }
    }
}

/// S1: what belongs to another log, or to a log that this peer may not see, is refused or not listened to.
#[test]
fn s1_an_event_of_a_log_that_was_not_granted_does_not_get_in() {
    let mut world = World::friends();
    let (granted, account) = (world.log_with(1, 0), world.machines[1].engine.core.me.account);
    let key = world.device(0);
    let chain = world.machines[0].engine.core.me.chain.clone();
    let header = Header::open(account, key.id(), 1, 1, Vec::new());
    let event = Event::new(header, Payload::Full(Body::Join { chain }.to_bytes()));
    let signed = key.sign(event).expect("its own key");
    let bytes = Event::to_wire(signed.as_signed()).to_bytes();
    let parcel = Parcel { bytes, boxes: Vec::new() };
    assert_eq!(world.admit(granted, parcel.clone()), Outcome::Refused, "under the name of one that was");
    assert_eq!(world.admit(account, parcel), Outcome::Refused, "and it does not belong there anyway");
    let (id, before) = (world.session(0, 1), world.accounts_of(1));
    let stage = y7ke_sync::Stage::Shared;
    let heads = y7ke_sync::Heads { digest: [3; 32], ..Default::default() };
    world.forge(0, |round| round.feed(id, y7ke_sync::Input::Grant { log: account, stage, heads })).expect("granted");
    world.pass(60_000);
    assert_eq!(world.accounts_of(1), before);
}

impl World {
    fn accounts_of(&self, n: usize) -> u64 {
        let engine = &self.machines[n].engine;
        let view = engine.ledger().view().expect("a view");
        view.log(&engine.core.me.account).expect("a log").expect("my account").live
    }

    fn status(&mut self) -> Status {
        self.messages(1, 0).last().expect("a message").status
    }
}

/// S3: neither another conversation's acknowledgement nor an unknown device's delivers anything.
#[test]
fn s3_acknowledgements_of_other_logs_and_unknown_devices_count_for_nothing() {
    let mut world = World::friends();
    let (log, me) = (world.log_with(1, 0), world.device(1).id());
    world.online = false;
    let (mine, unknown) = (world.device(0), DeviceKey::from_seed(&[5; 32]));
    world.send(1, 0, "first").expect("sent");
    world.cut_all();
    world.send(1, 0, "has this arrived").expect("sent");
    let foreign = world.ack(world.machines[1].engine.core.me.account, &mine, 90, claims(me, 900));
    let strange = world.ack(log, &unknown, 90, claims(me, 900));
    let mut forged = world.ack(log, &mine, 90, claims(me, 900));
    *forged.last_mut().expect("bytes") ^= 1;
    for bytes in [foreign, strange, forged, vec![1, 2, 3], Vec::new()] {
        world.forge(1, |round| round.take_ack(&log, &bytes)).expect("looked at");
    }
    assert_eq!(world.status(), Status::Queued);
}

/// S3: numbers are whatever the peer says, up to the last one there is.
#[test]
fn s3_an_acknowledgement_of_everything_there_will_ever_be_stops_nobody() {
    let mut world = World::friends();
    let (log, me, liar) = (world.log_with(1, 0), world.device(1).id(), world.device(0));
    for number in [90, 91, 92] {
        let bytes = world.ack(log, &liar, number, claims(me, u64::MAX));
        world.send_ack_of(log, bytes);
    }
    world.send(1, 0, "still here").expect("sent");
    world.pass(1_000);
    assert_eq!(texts(&world.messages(0, 1)), ["still here"]);
}

impl World {
    fn send_ack_of(&mut self, log: LogId, bytes: Vec<u8>) {
        self.forge(1, |round| round.take_ack(&log, &bytes)).expect("looked at");
        self.send_ack(log, DeviceId::from([1; 32]), bytes);
    }
}

#[test]
fn s3_marks_beyond_everything_there_will_ever_be_stop_nobody() {
    let mut world = World::friends();
    let (log, me) = (world.log_with(1, 0), world.device(1).id());
    world.send(0, 1, "hello").expect("sent");
    for device in [me, DeviceId::from([1; 32]), DeviceId::from([2; 32])] {
        let mut marks = ReadMarks::new();
        marks.add(ReadMark { device, seq: u64::MAX });
        world.forge(0, |round| round.append_sealed(&log, Body::Read { marks })).expect("written");
        world.settle();
        world.pass(1_000);
    }
    world.send(1, 0, "still here").expect("sent");
    world.pass(1_000);
    assert_eq!(texts(&world.messages(0, 1)), ["hello", "still here"]);
}

/// A bundle that names a device of the victim as its own, with a prekey that the victim once published.
#[test]
fn k1_who_borrows_my_device_cannot_keep_me_from_accepting() {
    let mut world = World::strangers(2);
    let victim = world.bundle(1);
    let stolen = world.forge(1, |round| round.my_bundle()).expect("a bundle").devices()[0].prekey.clone();
    let what = world.fresh(1);
    let sealed = world.forge_borrowing(what, &victim, stolen);
    assert!(world.hand_in(0, sealed));
    let request_id = world.requests(1)[0].request_id.clone();
    world.call(1, Command::RequestAccept { request_id }).expect("accepted");
    assert_eq!(world.contacts(1)[0].state, ContactState::Accepted);
}

impl World {
    fn forge_borrowing(
        &mut self,
        what: Forged,
        to: &ProvenBundle,
        stolen: y7ke_crypto::bundle::SignedPrekey,
    ) -> Vec<u8> {
        let victim = self.machines[1].engine.core.me.chain.verify().expect("sound");
        let sealed = self.forge(0, |round| {
            let root = round.view().secret("root seed").expect("a secret").expect("the root");
            let root = y7ke_crypto::sign::RootKey::from_seed(root.as_slice().try_into().expect("32 bytes"));
            let subject = y7ke_crypto::cert::Subject {
                device: victim.device,
                net: victim.net,
                caps: victim.caps,
                not_before: 0,
                cert_seq: 2,
            };
            let chain = y7ke_crypto::cert::CertChain::rooted(&root, subject);
            let mut devices = round.my_bundle().expect("a bundle").devices().to_vec();
            devices.push(DeviceBundle { chain, prekey: stolen });
            let mut draft = draft(round, &what, to);
            draft.from_bundle = Bundle::new(round.core.me.root, devices).expect("two devices");
            draft.sign(&round.core.me.device).expect("signed").seal(round.rng, to)
        });
        sealed.expect("sealed").to_bytes()
    }
}

/// F1: what only waits in memory waits although the round wrote nothing.
#[test]
fn an_orphan_outlives_a_round_that_writes_nothing() {
    let mut world = World::friends();
    let log = world.log_with(1, 0);
    world.send(0, 1, "hello").expect("sent");
    let ids: Vec<EventId> = (0..2)
        .map(|n| {
            let body = Body::Text { text: format!("number {n}"), reply_to: None };
            world
                .forge(0, |round| round.book.append(log, &body, 1, round.rng, &round.core.me.device))
                .expect("written")
                .id
        })
        .collect();
    world.machines[1].inbox.clear();
    let view = world.machines[0].engine.ledger().view().expect("a view");
    let parcel = |id: &EventId| Parcel {
        bytes: view.item(id).expect("read").expect("there").wire.to_bytes(),
        boxes: Vec::new(),
    };
    let (first, second) = (parcel(&ids[0]), parcel(&ids[1]));
    assert!(matches!(world.admit(log, second), Outcome::Orphaned(_)));
    assert!(matches!(world.admit(log, first), Outcome::Stored(_)));
    assert_eq!(texts(&world.messages(1, 0)), ["hello", "number 0", "number 1"]);
}
