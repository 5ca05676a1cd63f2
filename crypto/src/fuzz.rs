//! One function per parser, for fuzz targets and the smoke runs of the tests.
//!
//! Each takes any bytes, must not panic, and asserts the codec's promise: what decodes re-encodes to the
//! same bytes. Where a format is verified or opened, that runs too; its verdict on random bytes is free.

use crate::ack::Ack;
use crate::boxes::{self, PrekeyPublic, PrekeySecret};
use crate::bundle::{Bundle, Prekey};
use crate::cert::CertChain;
use crate::clock::{Clock, Want};
use crate::codec::Wire;
use crate::epoch::{self, KeyBox, Rekey};
use crate::event::{self, EventKey, Header, Payload, WireEvent};
use crate::hello::{Hello, Proof};
use crate::ids::{DeviceId, EventId, LogId, NetKey, RootId};
use crate::request::{Opening, Request, SealedRequest};
use crate::sign::Signed;
use crate::text::{Greeting, Name};
use crate::vault::{Dek, VaultFile};

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
    reached(decoded::<Signed<Ack>>(data).map(Signed::verify));
}

/// [`Bundle`]
pub fn bundle(data: &[u8]) {
    reached(decoded::<Bundle>(data).map(|bundle| bundle.verify()));
}

/// [`CertChain`]
pub fn chain(data: &[u8]) {
    reached(decoded::<CertChain>(data).map(|chain| chain.verify()));
}

/// [`Clock`]
pub fn clock(data: &[u8]) {
    let Some(clock) = decoded::<Clock>(data) else { return };
    let mut both = clock.clone();
    both.merge(&clock);
    assert_eq!(both, clock, "merging a clock with itself changes nothing");
    assert!(clock.lacks(&clock).is_empty(), "a clock lacks nothing of itself");
}

/// [`WireEvent`]
pub fn wire_event(data: &[u8]) {
    let Some(WireEvent { header, payload, .. }) = decoded::<WireEvent>(data) else { return };
    event::content_hash(&header, &payload.hash());
    if let Payload::Full(ct) = payload {
        reached(event::open(&EventKey::from_bytes(&[0; 32]), &header, &ct));
    }
}

/// [`Header`]
pub fn header(data: &[u8]) {
    let previous = decoded::<Header>(data).and_then(|header| header.previous().copied());
    assert!(previous.is_none_or(|dep| dep.seq > 0), "decoded dependencies are numbered from 1");
}

/// [`Hello`]
pub fn hello(data: &[u8]) {
    reached(decoded::<Hello>(data).map(|hello| hello.verify(&NetKey::from([0; 32]))));
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
}

/// [`Opening`]
pub fn opening(data: &[u8]) {
    let author = DeviceId::from([0; 32]);
    reached(decoded::<Opening>(data).map(|opening| opening.verify(&opening.core.claim.log(), &author)));
}

/// [`Prekey`]
pub fn prekey(data: &[u8]) {
    reached(decoded::<PrekeyPublic>(data));
    reached(decoded::<Signed<Prekey>>(data).map(Signed::verify));
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
    reached(request.check(now, &me, |_| true));
}

/// A box of anything.
pub fn sealed_box(data: &[u8]) {
    reached(boxes::open(&PrekeySecret::from_bytes(&[0; 32]), &[], &[], data));
}

/// [`SealedRequest`]
pub fn sealed_request(data: &[u8]) {
    let device = DeviceId::from([0; 32]);
    reached(decoded::<SealedRequest>(data).map(|sealed| sealed.open(&device, &PrekeySecret::from_bytes(&[0; 32]))));
}

/// [`Name`] and [`Greeting`]
pub fn texts(data: &[u8]) {
    reached(decoded::<Name>(data));
    reached(decoded::<Greeting>(data));
}

/// [`VaultFile`] and sealed rows; no passphrase is stretched.
pub fn vault(data: &[u8]) {
    reached(decoded::<VaultFile>(data).map(|vault| vault.open_file()));
    reached(Dek::from_bytes(&[0; 32]).subkey("fuzz").open(&[], data));
}

/// [`Want`]
pub fn want(data: &[u8]) {
    let ordered = decoded::<Want>(data).is_none_or(|want| 0 < want.from && want.from <= want.to);
    assert!(ordered, "a decoded run is not empty");
}

/// Decodes, and checks that the value encodes to the same bytes.
fn decoded<T: Wire>(data: &[u8]) -> Option<T> {
    let value = T::from_bytes(data).ok()?;
    assert!(value.to_bytes() == data, "{} has two encodings", T::WHAT);
    Some(value)
}

/// That a verdict on hostile bytes is reached at all is the test; which one it is, is free.
fn reached<T>(_verdict: T) {}
