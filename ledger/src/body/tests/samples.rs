//! One body of every kind, the same on every run: for vectors and folds.

use y7ke_crypto::boxes::PrekeySecret;
use y7ke_crypto::bundle::{Bundle, DeviceBundle, Prekey, SignedPrekey};
use y7ke_crypto::cert::{Caps, CertChain, Subject};
use y7ke_crypto::epoch::{Member, Rekey};
use y7ke_crypto::ids::{DeviceId, EventId, LogId, PrekeyId, RequestId, RootId};
use y7ke_crypto::request::{Draft, Opening, Request};
use y7ke_crypto::sign::{DeviceKey, NetSecret, RootKey};
use y7ke_crypto::text::{Greeting, Name};

use crate::body::{Body, ReadMark, RequestAnswer, RequestIn, RequestOut};

pub(crate) const CREATED: u64 = 1_790_000_000_000;
pub(crate) const EXPIRES: u64 = CREATED + 14 * 86_400_000;

pub(crate) fn root_key(n: u8) -> RootKey {
    RootKey::from_seed(&[n; 32])
}

pub(crate) fn root(n: u8) -> RootId {
    root_key(n).id()
}

pub(crate) fn device_key(n: u8) -> DeviceKey {
    DeviceKey::from_seed(&[0x40 | n; 32])
}

pub(crate) fn device(n: u8) -> DeviceId {
    device_key(n).id()
}

pub(crate) fn req_id(n: u8) -> RequestId {
    RequestId::from([n; 32])
}

pub(crate) fn event_id(n: u8) -> EventId {
    EventId::from([n; 32])
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn greeting(text: &str) -> Greeting {
    Greeting::new(text).unwrap()
}

/// Device `d` of person `r`, certified by the root.
pub(crate) fn chain(r: u8, d: u8) -> CertChain {
    let net = NetSecret::from_bytes(&[0x80 | d; 32]).id();
    let subject = Subject { device: device(d), net, caps: Caps::ADMIN, not_before: CREATED, cert_seq: 1 };
    CertChain::rooted(&root_key(r), subject)
}

pub(crate) fn prekey(d: u8, created: u64) -> SignedPrekey {
    let public = PrekeySecret::from_bytes(&[0xc0 | d; 32]).public();
    device_key(d).sign(Prekey { device: device(d), created, public }).unwrap().into_signed()
}

pub(crate) fn rekey(generation: u64) -> Rekey {
    let mut members: Vec<_> =
        [1, 2].map(|n| Member { device: device(n), prekey: PrekeyId::from([n; 16]), box_hash: [n; 32] }).into();
    members.sort_unstable();
    Rekey { generation, commitment: [7; 32], members }
}

pub(crate) fn request_out(n: u8, to: u8) -> RequestOut {
    RequestOut {
        req_id: req_id(n),
        to_root: root(to),
        created: CREATED,
        expires: EXPIRES,
        greeting: greeting("It is me, from the train."),
        hints: vec!["/ip4/192.0.2.1/udp/4101/quic-v1".to_owned(), "/dns/example.org/tcp/4101".to_owned()],
    }
}

pub(crate) fn request_in(n: u8, from: u8) -> RequestIn {
    RequestIn::of(&request(n, from, 1))
}

pub(crate) fn bundle(r: u8, d: u8) -> Bundle {
    let device = DeviceBundle { chain: chain(r, d), prekey: prekey(d, CREATED) };
    Bundle::new(root(r), vec![device]).unwrap()
}

/// Request `n` of person and device `from` to person and device `to`.
pub(crate) fn request(n: u8, from: u8, to: u8) -> Request {
    let draft = Draft {
        req_id: req_id(n),
        created: CREATED + u64::from(n),
        expires: EXPIRES,
        to_root: root(to),
        to_bundle: bundle(to, to).hash(),
        from_bundle: bundle(from, from),
        name: name("Ünsal"),
        greeting: greeting("Merhaba,\nson görüşmemizden beri çok oldu."),
    };
    draft.sign(&device_key(from)).unwrap()
}

/// Person `to` accepts it.
pub(crate) fn opening(n: u8, from: u8, to: u8) -> Opening {
    let core = request(n, from, to).core;
    Opening { core, requester: chain(from, from), opener: chain(to, to) }
}

/// Every kind under the name of its vector.
pub(crate) fn all() -> Vec<(&'static str, Body)> {
    [open(), talk(), account()].concat()
}

fn open() -> Vec<(&'static str, Body)> {
    vec![
        ("opening", Body::Opening(Box::new(opening(5, 1, 2)))),
        ("join", Body::Join { chain: chain(1, 1) }),
        ("rekey", Body::Rekey(rekey(3))),
        ("prekey", Body::Prekey(Box::new(prekey(1, CREATED)))),
        ("profile", Body::Profile { name: name("Mira") }),
        ("profile, taken away", Body::Profile { name: Name::default() }),
        ("revoke", Body::Revoke { device: device(2) }),
        ("cut", Body::Cut { device: device(2) }),
        ("fork notice", Body::ForkNotice { device: device(2), seq: 77 }),
    ]
}

fn talk() -> Vec<(&'static str, Body)> {
    let marks = [(1, 9), (2, 1), (3, u64::MAX)].map(|(n, seq)| ReadMark { device: device(n), seq });
    vec![
        ("text", Body::Text { text: "Hello – 你好 👋🏽".to_owned(), reply_to: None }),
        ("text, answering", Body::Text { text: "Yes.\n\tTomorrow?".to_owned(), reply_to: Some(event_id(0xaa)) }),
        ("text, empty", Body::Text { text: String::new(), reply_to: None }),
        ("read", Body::Read { marks: marks.into_iter().collect() }),
        ("read, nothing", Body::Read { marks: std::iter::empty().collect() }),
    ]
}

fn account() -> Vec<(&'static str, Body)> {
    let log = LogId::conversation(&root(1), &root(2), &req_id(5));
    let mut all = vec![
        ("request out", Body::RequestOut(request_out(5, 2))),
        ("request in", Body::RequestIn(request_in(6, 3))),
        ("contact name", Body::ContactName { root: root(2), name: name("Mum") }),
        ("block", Body::Block { root: root(3) }),
        ("unblock", Body::Unblock { root: root(3) }),
        ("verify", Body::Verify { root: root(3) }),
        ("unverify", Body::Unverify { root: root(3) }),
        ("contact log", Body::ContactLog { root: root(2), log, req_id: req_id(5) }),
        ("draft", Body::Draft { log, text: "I wanted to say\nthat".to_owned() }),
        ("draft, gone", Body::Draft { log, text: String::new() }),
        ("read up to", Body::ReadUpTo { log, marks: [ReadMark { device: device(2), seq: 7 }].into_iter().collect() }),
        ("setting", Body::Setting { key: "mode".to_owned(), value: "y7net".to_owned() }),
    ];
    let states = [
        ("request state, accepted", RequestAnswer::Accepted),
        ("request state, rejected", RequestAnswer::Rejected),
        ("request state, cancelled", RequestAnswer::Cancelled),
        ("request state, expired", RequestAnswer::Expired),
        ("request state, superseded", RequestAnswer::Superseded),
    ];
    all.extend(states.map(|(title, state)| (title, Body::RequestState { req_id: req_id(6), state })));
    all
}
