//! One function per parser, for fuzz targets and the smoke runs of the tests.
//!
//! Each takes any bytes, must not panic, and asserts the codec's promise: what decodes re-encodes to the
//! same bytes. Where a format is verified or opened, that runs twice: on the bytes as they are, where
//! the verdict is free, and with signatures, hashes and seals made good by fixed keys ([`mend`]), where the
//! verdict must be the one that the rules, written down a second time, give.

mod mend;

use std::sync::OnceLock;

use crate::ack::{Ack, Arrival};
use crate::boxes::{self, PrekeyPublic, PrekeySecret};
use crate::bundle::{Bundle, Prekey};
use crate::cert::CertChain;
use crate::clock::{Clock, Want};
use crate::codec::Wire;
use crate::epoch::{self, BoxFault, KeyBox, Rekey};
use crate::event::{self, Class, EventKey, Header, Payload, SUITE, WireEvent};
use crate::hello::{Hello, Proof, Role, Transcript};
use crate::ids::{DeviceId, EventId, LogId, NetKey, RootId};
use crate::request::{Opening, Request, RequestOpenFault, SealedRequest};
use crate::sign::Signed;
use crate::text::{Greeting, Name};
use crate::vault::{Cost, Dek, VaultFault, VaultFile};

/// A parser under test.
pub type Target = fn(&[u8]);

/// Every parser by name.
pub const ALL: &[(&str, Target)] = &[
    ("ack", ack),
    ("bundle", bundle),
    ("chain", chain),
    ("clock", clock),
    ("event", wire_event),
    ("header", header),
    ("hello", hello),
    ("id_text", id_text),
    ("key_box", key_box),
    ("opening", opening),
    ("prekey", prekey),
    ("proof", proof),
    ("rekey", rekey),
    ("request", request),
    ("sealed_box", sealed_box),
    ("sealed_request", sealed_request),
    ("texts", texts),
    ("vault", vault),
    ("want", want),
];

/// [`Ack`]
pub fn ack(data: &[u8]) {
    let Some(signed) = decoded::<Signed<Ack>>(data) else { return };
    let mut ack = signed.claim.clone();
    reached(signed.verify());
    let key = mend::device(1, 0, 0);
    ack.device = key.id();
    let unopened = ack.unopened.clone();
    let mended = key.sign(ack).expect("its own device").into_signed();
    let again = decoded::<Signed<Ack>>(&mended.to_bytes()).expect("what was signed can be read");
    let ack = again.verify().expect("what was signed verifies").into_claim();
    for range in unopened {
        let arrival = [range.from, range.to].map(|seq| ack.arrival(&range.device, seq));
        assert!(!arrival.contains(&Arrival::Delivered), "what cannot be opened is not delivered");
    }
}

/// [`Bundle`]
pub fn bundle(data: &[u8]) {
    let Some(bundle) = decoded::<Bundle>(data) else { return };
    reached(bundle.verify());
    let mended = mend::bundle(&bundle, 1);
    let sound = mended.devices().iter().all(|device| mend::is_sound(&device.chain));
    assert_eq!(mended.verify().is_ok(), sound);
    assert!(mended.to_bytes().len() == data.len() && decoded::<Bundle>(&mended.to_bytes()).is_some());
}

/// [`CertChain`]
pub fn chain(data: &[u8]) {
    let Some(chain) = decoded::<CertChain>(data) else { return };
    reached(chain.verify());
    let mended = mend::chain(&chain, 1, 0);
    assert_eq!(mended.verify().is_ok(), mend::is_sound(&mended));
}

/// [`Clock`]
pub fn clock(data: &[u8]) {
    if let Some(clock) = decoded::<Clock>(data) {
        merged(&clock, &clock);
    }
    // Two clocks behind the length of the first.
    let [low, high, rest @ ..] = data else { return };
    let (one, other) = rest.split_at(usize::from(u16::from_le_bytes([*low, *high])).min(rest.len()));
    if let (Some(one), Some(other)) = (decoded(one), decoded(other)) {
        merged(&one, &other);
        merged(&other, &one);
    }
}

fn merged(one: &Clock, other: &Clock) {
    let mut both = one.clone();
    both.merge(other);
    let mut again = both.clone();
    again.merge(one);
    assert_eq!(again, both, "merging again changes nothing");
    assert!(one.lacks(one).is_empty(), "a clock lacks nothing of itself");
    for want in one.lacks(other) {
        // Where tips contradict each other everything is wanted again.
        let is_news = want.from == 1 || one.seq(&want.device) < want.to;
        assert!(is_news && want.to == other.seq(&want.device), "it wants what there is");
    }
    let honest = both.iter().all(|(device, _)| !both.is_frozen(device));
    assert!(!honest || (both.includes(one) && both.includes(other)), "both are in what was merged");
}

/// [`WireEvent`]
pub fn wire_event(data: &[u8]) {
    let Some(WireEvent { mut header, payload, .. }) = decoded::<WireEvent>(data) else { return };
    event::content_hash(&header, &payload.hash());
    let Payload::Full(ct) = payload else { return };
    let key = EventKey::from_bytes(&[0; 32]);
    reached(event::open(&key, &header, &ct));
    (header.class, header.suite) = (Class::Sealed, SUITE);
    let Ok(sealed) = event::seal(&key, &mut header, &ct) else { return };
    let opened = event::open(&key, &header, &sealed);
    assert!(opened.is_ok_and(|body| *body == ct), "what was sealed opens to itself");
    if let Some(body) = event::unpad(ct.clone().into()) {
        let padded = event::pad(&body);
        assert!(padded.is_some_and(|padded| *padded == ct), "padding has one form");
    }
}

/// [`Header`]
pub fn header(data: &[u8]) {
    let previous = decoded::<Header>(data).and_then(|header| header.previous().copied());
    assert!(previous.is_none_or(|dep| dep.seq > 0), "decoded dependencies are numbered from 1");
}

/// [`Hello`]
pub fn hello(data: &[u8]) {
    let Some(hello) = decoded::<Hello>(data) else { return };
    reached(hello.verify(&NetKey::from([0; 32])));
    let chain = mend::chain(&hello.chain, 1, 0);
    let net = chain.links()[chain.links().len() - 1].claim.subject.net;
    let key = mend::holder(&chain, 1, 0);
    let sound = mend::is_sound(&chain);
    let proven = Hello { nonce: hello.nonce, chain }.verify(&net);
    assert_eq!(proven.is_ok(), sound);
    let Ok(proven) = proven else { return };
    let other = NetKey::from([7; 32]);
    let seen = Transcript { dialer_nonce: hello.nonce, listener_nonce: [1; 32], dialer_net: net, listener_net: other };
    let proof = seen.prove(Role::Dialer, &key).expect("its own key");
    assert!(seen.check(Role::Dialer, &proven, &proof).is_ok() && seen.check(Role::Listener, &proven, &proof).is_err());
}

/// Text forms of ids: what parses prints as itself.
pub fn id_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let printed = [
        text.parse::<RootId>().ok().map(|id| id.to_string()),
        text.parse::<NetKey>().ok().map(|id| id.to_string()),
        text.parse::<DeviceId>().ok().map(|id| id.to_string()),
        text.parse::<EventId>().ok().map(|id| id.to_string()),
    ];
    assert!(printed.into_iter().flatten().all(|again| again == text), "an id has one text form");
}

/// [`KeyBox`]
pub fn key_box(data: &[u8]) {
    reached(decoded::<KeyBox>(data).map(|sealed| sealed.hash()));
    // Any 32 bytes in a box that opens, for a commitment that holds unless one more byte says otherwise.
    let Some((secret, rest)) = data.split_first_chunk::<32>() else { return };
    let (log, author, with) = (LogId::from([1; 32]), mend::device(1, 0, 0).id(), mend::prekey());
    let broken = rest.first().is_some_and(|byte| byte % 2 == 1);
    let (rekey, sealed) = epoch::boxed(&mut mend::rng(), &log, &author, &with, secret, broken);
    let opened = epoch::open_box(&log, &author, &rekey, &with, &sealed);
    match opened {
        Ok(opened) => assert!(!broken && opened.expose() == secret),
        Err(fault) => assert!(broken && fault == BoxFault::BrokenCommitment),
    }
}

/// [`Opening`]
pub fn opening(data: &[u8]) {
    let Some(opening) = decoded::<Opening>(data) else { return };
    reached(opening.verify(&opening.core.claim.log(), &DeviceId::from([0; 32])));
    let mended = mend::opening(&opening);
    let sound = [&mended.requester, &mended.opener].into_iter().all(mend::is_sound);
    let (log, author) = (mended.core.claim.log(), mended.opener.device());
    assert_eq!(mended.verify(&log, &author).is_ok(), sound);
    assert!(mended.verify(&LogId::from([1; 32]), &author).is_err());
    assert!(mended.verify(&log, &mended.requester.device()).is_err(), "who asked does not accept");
}

/// [`Prekey`]
pub fn prekey(data: &[u8]) {
    reached(decoded::<PrekeyPublic>(data));
    let Some(signed) = decoded::<Signed<Prekey>>(data) else { return };
    let mut prekey = signed.claim.clone();
    reached(signed.verify());
    let key = mend::device(1, 0, 0);
    prekey.device = key.id();
    let mended = key.sign(prekey).expect("its own device").into_signed();
    assert!(mended.clone().verify().is_ok() && decoded::<Signed<Prekey>>(&mended.to_bytes()).is_some());
    // A key that nobody chose takes a box all the same, or says no: it must not panic.
    reached(boxes::seal(&mut mend::rng(), &mended.claim.public, &[], &[], b"secret"));
}

/// [`Proof`]
pub fn proof(data: &[u8]) {
    reached(decoded::<Proof>(data));
}

/// [`Rekey`], with a box that is none.
pub fn rekey(data: &[u8]) {
    let Some(rekey) = decoded::<Rekey>(data) else { return };
    let Some(device) = rekey.devices().next() else { return };
    let sealed = KeyBox { device, sealed: Box::new([0; epoch::BOX_LEN]) };
    let with = PrekeySecret::from_bytes(&[0; 32]);
    assert!(epoch::open_box(&LogId::from([0; 32]), &device, &rekey, &with, &sealed).is_err());
}

/// [`Request`]
pub fn request(data: &[u8]) {
    let Some(request) = decoded::<Request>(data) else { return };
    let (now, me) = (request.core.claim.created, request.core.claim.to_root);
    let mended = mend::request(&request);
    reached(request.check(now, &me, |_| true));
    let taken = mend::is_taken(&mended);
    let checked = mended.clone().check(now, &me, |_| true);
    assert_eq!(checked.is_ok(), taken, "{checked:?}");
    assert!(mended.clone().check(now, &me, |_| false).is_err());
    assert!(mended.clone().check(mended.core.claim.expires, &me, |_| true).is_err(), "its time is over");
    let Ok(checked) = checked else { return };
    let opener = checked.accept(checked.chain.clone());
    assert!(opener.verify(&opener.core.claim.log(), &opener.opener.device()).is_err(), "nobody accepts himself");
}

/// A box of anything.
pub fn sealed_box(data: &[u8]) {
    let with = mend::prekey();
    reached(boxes::open(&with, &[], &[], data));
    let sealed = boxes::seal(&mut mend::rng(), &with.public(), data, &[], data);
    let opened = boxes::open(&with, data, &[], &sealed);
    assert!(opened.is_ok_and(|plain| plain.as_slice() == data), "what was sealed opens to itself");
    assert!(boxes::open(&with, &[1], &[], &sealed).is_err() || data == [1]);
}

/// [`SealedRequest`]
pub fn sealed_request(data: &[u8]) {
    let (device, with) = (mend::device(1, 0, 0).id(), mend::prekey());
    reached(decoded::<SealedRequest>(data).map(|sealed| sealed.open(&device, &with)));
    // Any bytes in a seal that opens: as they are, and with the padding that a request has.
    for padded in [data.to_vec(), [data, &[0x80]].concat()] {
        let sealed = SealedRequest::of(&mut mend::rng(), &device, &with.public(), &padded);
        match sealed.open(&device, &with) {
            Ok(request) => assert!(padded.starts_with(&request.to_bytes()), "a request is what was sealed"),
            Err(fault) => assert!(matches!(fault, RequestOpenFault::Broken | RequestOpenFault::Layout(_))),
        }
    }
}

/// [`Name`] and [`Greeting`]
pub fn texts(data: &[u8]) {
    reached(decoded::<Name>(data));
    reached(decoded::<Greeting>(data));
}

/// [`VaultFile`] with its three kinds of slot, and sealed rows. Passphrases are tried where that is cheap.
pub fn vault(data: &[u8]) {
    if let Some(vault) = decoded::<VaultFile>(data) {
        reached((vault.protection(), vault.open_file(), tried(&vault)));
        reached(vault.entries().iter().map(|entry| vault.open_keyring(entry, &[0; 32])).collect::<Vec<_>>());
    }
    changed_vault(data);
    let key = Dek::from_bytes(&[0; 32]).subkey("fuzz");
    reached(key.open(&[], data));
    let sealed = key.seal(&mut mend::rng(), data, data);
    assert!(key.open(data, &sealed).is_ok_and(|plain| plain.as_slice() == data), "what was sealed opens to itself");
    assert!(key.open(b"elsewhere", &sealed).is_err() || data == b"elsewhere", "a value is bound to its place");
}

/// Two bytes say where, one what else stands there: a vault of ours still opens to its own key, or not at all.
fn changed_vault(data: &[u8]) {
    static OURS: OnceLock<mend::Vault> = OnceLock::new();
    let mend::Vault { bytes, dek, entry, key } = OURS.get_or_init(mend::Vault::new);
    let mut bytes = bytes.clone();
    for [low, high, change] in data.as_chunks::<3>().0.iter().take(4) {
        let at = usize::from(u16::from_le_bytes([*low, *high])) % bytes.len();
        bytes[at] ^= change;
    }
    let Some(vault) = decoded::<VaultFile>(&bytes) else { return };
    for opened in [vault.open_file(), tried(&vault), vault.open_keyring(entry, key)].into_iter().flatten() {
        assert!(opened.expose() == dek.expose(), "a changed vault opens to another key");
    }
}

/// The passphrase of [`mend::Vault`], tried unless that takes more than a moment.
fn tried(vault: &VaultFile) -> Result<Dek, VaultFault> {
    let is_cheap = |cost: Cost| cost.memory_kib <= 64 && cost.passes <= 2;
    if vault.costs().all(is_cheap) { vault.open_passphrase(mend::PASSPHRASE) } else { Err(VaultFault::TooCostly) }
}

/// [`Want`]
pub fn want(data: &[u8]) {
    let ordered = decoded::<Want>(data).is_none_or(|want| 0 < want.from && want.from <= want.to);
    assert!(ordered, "a decoded run is not empty");
}

/// Decodes, and checks that the value encodes to the same bytes. Bodies of other crates use it as well.
pub fn decoded<T: Wire>(data: &[u8]) -> Option<T> {
    let value = T::from_bytes(data).ok()?;
    assert!(value.to_bytes() == data, "{} has two encodings", T::WHAT);
    Some(value)
}

/// That a verdict on hostile bytes is reached at all is the test; which one it is, is free.
fn reached<T>(_verdict: T) {}
