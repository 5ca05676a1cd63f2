//! One sample of every format, with how to read it and how to believe it.

use y7ke_crypto::ack::Ack;
use y7ke_crypto::bundle::{Bundle, Prekey};
use y7ke_crypto::cert::CertChain;
use y7ke_crypto::clock::{Clock, Tip, Want};
use y7ke_crypto::epoch::{self, KeyBox, NewEpoch, Rekey};
use y7ke_crypto::event::{self, EventKey, Header, Payload, WireEvent};
use y7ke_crypto::hello::{Hello, Proof, Role, Transcript};
use y7ke_crypto::ids::{EventId, LogId};
use y7ke_crypto::request::{Opening, Request, SealedRequest};
use y7ke_crypto::sign::{Claim, DeviceKey, Signed};
use y7ke_crypto::vault::VaultFile;
use y7ke_crypto::{DecodeError, Wire};

use crate::kit::{NOW, Person, opening, request, rng, sealed_header, sealed_request};

/// Says whether bytes of the format are believed.
pub type Believes = Box<dyn Fn(&[u8]) -> bool>;

pub struct Format {
    pub name: &'static str,
    /// A good sample.
    pub bytes: Vec<u8>,
    /// The longest that is read.
    pub cap: usize,
    /// Decodes and encodes again.
    pub again: fn(&[u8]) -> Result<Vec<u8>, DecodeError>,
    /// Signature, seal or hash; absent where the format carries none of its own.
    pub believes: Option<Believes>,
    /// The fuzz body of the format.
    pub fuzz: &'static str,
}

impl Format {
    fn plain<T: Wire>(name: &'static str, fuzz: &'static str, sample: &T) -> Self {
        let again = |bytes: &[u8]| T::from_bytes(bytes).map(|value| value.to_bytes());
        Self { name, bytes: sample.to_bytes(), cap: T::CAP, again, believes: None, fuzz }
    }

    fn believed(mut self, believes: impl Fn(&[u8]) -> bool + 'static) -> Self {
        self.believes = Some(Box::new(believes));
        self
    }
}

/// Two people and one epoch of theirs: what the samples are made of.
pub struct World {
    pub a: Person,
    pub b: Person,
    pub epoch: NewEpoch,
}

pub fn world() -> World {
    let (a, b) = (Person::new(1, 2), Person::new(2, 1));
    let prekeys: Vec<_> = a.devices.iter().chain(&b.devices).map(|device| device.signed_prekey()).collect();
    let members: Vec<_> = prekeys.iter().collect();
    let epoch = epoch::make_rekey(&mut rng(3), &log(), 2, &a.devices[0].id(), &members).unwrap();
    World { a, b, epoch }
}

pub fn log() -> LogId {
    LogId::from([1; 32])
}

/// What an author signs. The id is the ledger's to make; here the content hash stands for it, which the
/// id covers in full.
struct Authored<'a>(&'a WireEvent);

impl Claim for Authored<'_> {
    fn signer(&self) -> [u8; 32] {
        self.0.header.device.into_bytes()
    }

    fn message(&self) -> Vec<u8> {
        let content = event::content_hash(&self.0.header, &self.0.payload.hash());
        event::sig_message(&EventId::from(content))
    }
}

pub fn event_key() -> EventKey {
    EventKey::from_bytes(&[5; 32])
}

fn authored(key: &DeviceKey, header: Header, payload: Payload) -> WireEvent {
    let mut event = WireEvent { header, sig: [0; 64], payload };
    event.sig = *key.sign(Authored(&event)).unwrap().sig();
    event
}

pub fn sealed_event(world: &World) -> WireEvent {
    let author = &world.a.devices[0];
    let mut header = sealed_header(author.id(), world.b.devices[0].id());
    let ct = event::seal(&event_key(), &mut header, b"\x10a sealed body").unwrap();
    authored(&author.key, header, Payload::Full(ct))
}

pub fn hollow_event(world: &World) -> WireEvent {
    let full = sealed_event(world);
    WireEvent { payload: Payload::Hollow(full.payload.hash()), ..full }
}

pub fn open_event(world: &World) -> WireEvent {
    let author = &world.a.devices[0];
    let header = Header::open(log(), author.id(), 1, NOW, Vec::new());
    authored(&author.key, header, Payload::Full(world.epoch.rekey.to_bytes()))
}

pub fn clock(world: &World) -> Clock {
    let tip = |seq, id| Tip { seq, id: EventId::from([id; 32]) };
    let mut clock = Clock::new();
    clock.set(world.a.devices[0].id(), tip(7, 1));
    clock.set_tips(world.b.devices[0].id(), vec![tip(3, 2), tip(3, 3)]);
    clock
}

pub fn ack(world: &World) -> Signed<Ack> {
    let (by, of) = (&world.b.devices[0], world.a.devices[0].id());
    let unopened = vec![Want { device: of, from: 2, to: 3 }, Want { device: of, from: 6, to: 6 }];
    let ack = Ack { log: log(), device: by.id(), number: 4, clock: clock(world), unopened };
    by.key.sign(ack).unwrap().into_signed()
}

pub fn transcript(world: &World) -> Transcript {
    Transcript {
        dialer_nonce: [0xd1; 32],
        listener_nonce: [0x11; 32],
        dialer_net: world.a.devices[1].net.id(),
        listener_net: world.b.devices[0].net.id(),
    }
}

pub fn hello(world: &World) -> Hello {
    Hello { nonce: [0xd1; 32], chain: world.a.devices[1].chain.clone() }
}

pub fn proof(world: &World) -> Proof {
    transcript(world).prove(Role::Dialer, &world.a.devices[1].key).unwrap()
}

pub fn vault() -> VaultFile {
    VaultFile::with_file_slot(&mut rng(8)).0
}

/// Every format.
pub fn all() -> Vec<Format> {
    let world = world();
    [identities(&world), events(&world), requests(&world), keys(&world), sessions(&world)]
        .into_iter()
        .flatten()
        .collect()
}

fn identities(world: &World) -> Vec<Format> {
    let deepest = &world.a.devices[1];
    vec![
        Format::plain("chain", "chain", &deepest.chain)
            .believed(|bytes| CertChain::from_bytes(bytes).is_ok_and(|chain| chain.verify().is_ok())),
        Format::plain("prekey", "prekey", deepest.signed_prekey().as_signed())
            .believed(|bytes| Signed::<Prekey>::from_bytes(bytes).is_ok_and(|prekey| prekey.verify().is_ok())),
        Format::plain("bundle", "bundle", &world.a.bundle())
            .believed(|bytes| Bundle::from_bytes(bytes).is_ok_and(|bundle| bundle.verify().is_ok())),
    ]
}

fn events(world: &World) -> Vec<Format> {
    let believes = |bytes: &[u8]| {
        let event = WireEvent::from_bytes(bytes);
        event.is_ok_and(|event| Signed { claim: Authored(&event), sig: event.sig }.verify().is_ok())
    };
    vec![
        Format::plain("header", "header", &sealed_event(world).header),
        Format::plain("event_sealed", "event", &sealed_event(world)).believed(believes),
        Format::plain("event_hollow", "event", &hollow_event(world)).believed(believes),
        Format::plain("event_open", "event", &open_event(world)).believed(believes),
    ]
}

fn requests(world: &World) -> Vec<Format> {
    let (me, device) = (world.b.id(), world.b.devices[0].id());
    let with = *world.b.devices[0].prekey.expose();
    let checks =
        move |bytes: &[u8]| Request::from_bytes(bytes).is_ok_and(|request| request.check(NOW, &me, |_| true).is_ok());
    let opens = move |bytes: &[u8]| {
        let with = y7ke_crypto::boxes::PrekeySecret::from_bytes(&with);
        SealedRequest::from_bytes(bytes).is_ok_and(|sealed| sealed.open(&device, &with).is_ok())
    };
    let opening = opening(&world.a, &world.b);
    let log = opening.core.claim.log();
    let proves =
        move |bytes: &[u8]| Opening::from_bytes(bytes).is_ok_and(|opening| opening.verify(&log, &device).is_ok());
    vec![
        Format::plain("request", "request", &request(&world.a, &world.b)).believed(checks),
        Format::plain("request_sealed", "sealed_request", &sealed_request(&world.a, &world.b)).believed(opens),
        Format::plain("opening", "opening", &opening).believed(proves),
    ]
}

fn keys(world: &World) -> Vec<Format> {
    let author = world.a.devices[0].id();
    let at = world.epoch.boxes.iter().position(|sealed| sealed.device == world.b.devices[0].id()).unwrap();
    let with = *world.b.devices[0].prekey.expose();
    let rekey = world.epoch.rekey.clone();
    let opens = move |bytes: &[u8]| {
        let with = y7ke_crypto::boxes::PrekeySecret::from_bytes(&with);
        KeyBox::from_bytes(bytes).is_ok_and(|sealed| epoch::open_box(&log(), &author, &rekey, &with, &sealed).is_ok())
    };
    vec![
        Format::plain::<Rekey>("rekey", "rekey", &world.epoch.rekey),
        Format::plain("key_box", "key_box", &world.epoch.boxes[at]).believed(opens),
        Format::plain("vault", "vault", &vault())
            .believed(|bytes| VaultFile::from_bytes(bytes).is_ok_and(|vault| vault.open_file().is_ok())),
    ]
}

fn sessions(world: &World) -> Vec<Format> {
    let net = world.a.devices[1].net.id();
    let proven = world.a.devices[1].chain.verify().unwrap();
    let (transcript, signed) = (transcript(world), proof(world));
    vec![
        Format::plain("clock", "clock", &clock(world)),
        Format::plain("want", "want", &ack(world).claim.unopened[0]),
        Format::plain("ack", "ack", &ack(world))
            .believed(|bytes| Signed::<Ack>::from_bytes(bytes).is_ok_and(|ack| ack.verify().is_ok())),
        // The nonce is believed with the proof, which covers both.
        Format::plain("hello", "hello", &hello(world)).believed(move |bytes| {
            let Ok(Hello { nonce, chain }) = Hello::from_bytes(bytes) else { return false };
            let seen = Transcript { dialer_nonce: nonce, ..transcript };
            let proven = Hello { nonce, chain }.verify(&net);
            proven.is_ok_and(|proven| seen.check(Role::Dialer, &proven, &signed).is_ok())
        }),
        Format::plain("proof", "proof", &proof(world)).believed(move |bytes| {
            Proof::from_bytes(bytes).is_ok_and(|proof| transcript.check(Role::Dialer, &proven, &proof).is_ok())
        }),
    ]
}
