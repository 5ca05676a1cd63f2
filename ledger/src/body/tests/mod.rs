//! Bodies against their vectors, their caps and hostile bytes.

pub(crate) mod samples;

use std::collections::BTreeMap;
use std::path::PathBuf;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use y7ke_crypto::codec::{Fault, Writer};
use y7ke_crypto::ids::DeviceId;

use super::*;

/// Vectors: `name <tab> class <tab> hex`. Written anew only with `Y7KE_BLESS=1`.
fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/ledger/bodies.tsv")
}

fn line((name, body): &(&'static str, Body)) -> String {
    let class = match body.class() {
        Some(Class::Open) => "open",
        _ => "sealed",
    };
    format!("{name}\t{class}\t{}\n", hex::encode(body.to_bytes()))
}

fn decode(body: &Body, bytes: &[u8]) -> Result<Body, BodyFault> {
    Body::decode(body.class().unwrap(), bytes)
}

fn fault(result: Result<Body, BodyFault>) -> Option<Fault> {
    match result {
        Err(BodyFault::Decode(error)) => Some(error.fault),
        _ => None,
    }
}

#[test]
fn every_kind_has_a_vector_and_keeps_its_bytes() {
    let written: String = samples::all().iter().map(line).collect();
    if std::env::var_os("Y7KE_BLESS").is_some() {
        std::fs::write(vectors(), &written).unwrap();
    }
    assert_eq!(std::fs::read_to_string(vectors()).unwrap(), written);
    let kinds: std::collections::BTreeSet<_> = samples::all().iter().filter_map(|(_, body)| body.kind()).collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), Kind::ALL);
}

/// F2: without its words a body is one still, of the same kind and hardly another size, and has no word left.
#[test]
fn f2_a_redacted_body_is_one_without_words() {
    for (name, body) in samples::all() {
        let redacted = body.clone().redacted();
        assert_eq!(decode(&redacted, &redacted.to_bytes()).as_ref(), Ok(&redacted), "{name}");
        assert_eq!(redacted.kind(), body.kind());
        assert_eq!(redacted.clone().redacted(), redacted, "{name}");
        assert!(redacted.to_bytes().len() <= body.to_bytes().len(), "{name}");
    }
    let text = |text: &str| Body::Text { text: text.into(), reply_to: None };
    assert_eq!(text("grüße").redacted(), text("xxxxxxx"));
    let name = |name: &str| Body::Profile { name: Name::new(name).unwrap() };
    assert_eq!(name("Zoë").redacted(), name("xxxx"));
    assert_eq!(name(&"ë".repeat(64)).redacted(), name(&"x".repeat(64)), "no more characters than a name may have");
}

/// Bytes that are no body, and what is said of them: `name <tab> class <tab> hex <tab> fault`.
#[test]
fn every_refused_vector_is_refused_in_the_same_words() {
    let path = vectors().with_file_name("bodies-refused.tsv");
    let written: String = refused().into_iter().map(refused_line).collect();
    if std::env::var_os("Y7KE_BLESS").is_some() {
        std::fs::write(&path, &written).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
}

fn refused_line((name, class, bytes): (&str, Class, Vec<u8>)) -> String {
    let fault = Body::decode(class, &bytes).unwrap_err();
    let class = if class == Class::Open { "open" } else { "sealed" };
    format!("{name}\t{class}\t{}\t{fault}\n", hex::encode(bytes))
}

fn refused() -> Vec<(&'static str, Class, Vec<u8>)> {
    let mut devices = [samples::device(1), samples::device(2)];
    devices.sort_unstable();
    let [a, b] = devices;
    let state = |number| [&[66], samples::req_id(6).as_bytes().as_slice(), &[number]].concat();
    let with = |kind, words: &[u8], rest: &[u8]| {
        let mut to = Writer::new();
        to.u8(kind).var(words).raw(rest);
        to.into_bytes()
    };
    let sealed = [
        ("nothing", Vec::new()),
        ("text, not UTF-8", with(32, &[0xff], &[0])),
        ("text, reply of a third kind", with(32, b"x", &[2])),
        ("text, reply cut short", with(32, b"x", &[1, 9])),
        ("text, a byte behind it", with(32, b"x", &[0, 0])),
        ("text, length that lies", vec![32, 0xff, 0xff, 0xff, 0xff]),
        ("read, descending", marks(&[(b, 1), (a, 1)])),
        ("read, a device twice", marks(&[(a, 1), (a, 2)])),
        ("read, up to nothing", marks(&[(a, 0)])),
        ("request state, none", state(0)),
        ("request state, a sixth", state(6)),
        ("profile in a sealed event", with(5, b"x", &[])),
    ];
    let open = [
        ("profile, 65 characters", with(5, "é".repeat(65).as_bytes(), &[])),
        ("profile, control character", with(5, b"a\x07b", &[])),
        ("text in an open event", with(32, b"x", &[0])),
        ("rekey, generation 0", Body::Rekey(samples::rekey(0)).to_bytes()),
    ];
    let sealed = sealed.map(|(name, bytes)| (name, Class::Sealed, bytes));
    let open = open.map(|(name, bytes)| (name, Class::Open, bytes));
    sealed.into_iter().chain(open).collect()
}

#[test]
fn every_vector_decodes_to_itself() {
    for (name, body) in samples::all() {
        assert_eq!(decode(&body, &body.to_bytes()).as_ref(), Ok(&body), "{name}");
        body.check().unwrap();
    }
}

#[test]
fn every_truncation_and_every_trailing_byte_is_refused() {
    for (name, body) in samples::all() {
        let bytes = body.to_bytes();
        for len in 0..bytes.len() {
            assert!(decode(&body, &bytes[..len]).is_err(), "{name} cut to {len}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(fault(decode(&body, &longer)), Some(Fault::Trailing), "{name}");
    }
}

/// E2: the kind fixes the class.
#[test]
fn e2_a_known_kind_in_the_other_class_is_no_body() {
    for (name, body) in samples::all() {
        let other = if body.class() == Some(Class::Open) { Class::Sealed } else { Class::Open };
        let verdict = Body::decode(other, &body.to_bytes());
        assert_eq!(verdict, Err(BodyFault::WrongClass(body.kind().unwrap())), "{name}");
    }
}

/// E4: an unknown kind is no error, whatever follows it.
#[test]
fn e4_unknown_kinds_are_kept_apart() {
    for number in (0..=u8::MAX).filter(|number| Kind::from_number(*number).is_none()) {
        for rest in [&[][..], &[1, 2, 3]] {
            let bytes = [&[number][..], rest].concat();
            assert_eq!(Body::decode(Class::Open, &bytes), Ok(Body::Unknown(number)));
            assert_eq!(Body::decode(Class::Sealed, &bytes), Ok(Body::Unknown(number)));
        }
    }
    assert!(Body::decode(Class::Sealed, &[]).is_err());
}

#[test]
fn each_cap_takes_the_last_and_refuses_the_next() {
    let text = |len| Body::Text { text: "x".repeat(len), reply_to: None };
    let setting = |key, value| Body::Setting { key: "k".repeat(key), value: "v".repeat(value) };
    let hinted =
        |count, len| Body::RequestOut(RequestOut { hints: vec!["h".repeat(len); count], ..samples::request_out(1, 2) });
    let bundled = |bundle, core| {
        Body::RequestIn(RequestIn { bundle: vec![1; bundle], core: vec![2; core], ..samples::request_in(1, 2) })
    };
    let (bundle, core) = (MAX_REQUEST_BUNDLE_BYTES, MAX_REQUEST_CORE_BYTES);
    let good = [text(MAX_TEXT_BYTES), setting(64, 4_096), hinted(8, 512), bundled(bundle, core)];
    for body in good {
        body.check().unwrap();
    }
    let (key, value) = (setting(65, 1), setting(1, 4_097));
    for body in [
        text(MAX_TEXT_BYTES + 1),
        key,
        value,
        hinted(9, 1),
        hinted(1, 513),
        bundled(bundle + 1, 1),
        bundled(1, core + 1),
    ] {
        assert!(matches!(fault(decode(&body, &body.to_bytes())), Some(Fault::TooLong { .. })));
    }
}

/// E6: the longest body of every kind fits into the greatest bucket.
#[test]
fn e6_the_longest_text_fits_into_the_greatest_bucket() {
    let body = Body::Text { text: "x".repeat(MAX_TEXT_BYTES), reply_to: Some(samples::event_id(1)) };
    assert!(body.to_bytes().len() <= y7ke_crypto::event::MAX_BODY);
}

#[test]
fn names_and_greetings_over_their_cap_are_refused() {
    let long_name = {
        let mut to = Writer::new();
        to.u8(5).var("x".repeat(65).as_bytes());
        to.into_bytes()
    };
    assert!(Body::decode(Class::Open, &long_name).is_err());
    let with_bell = {
        let mut to = Writer::new();
        to.u8(5).var(b"a\x07b");
        to.into_bytes()
    };
    assert_eq!(fault(Body::decode(Class::Open, &with_bell)), Some(Fault::BadValue));
    let not_utf8 = {
        let mut to = Writer::new();
        to.u8(32).var(&[0xff]).u8(0);
        to.into_bytes()
    };
    assert_eq!(fault(Body::decode(Class::Sealed, &not_utf8)), Some(Fault::BadValue));
}

fn marks(entries: &[(DeviceId, u64)]) -> Vec<u8> {
    let mut to = Writer::new();
    to.u8(33).count(entries.len());
    for (device, seq) in entries {
        to.put(device).u64(*seq);
    }
    to.into_bytes()
}

#[test]
fn read_marks_ascend_name_a_device_once_and_are_never_zero() {
    let mut devices = [samples::device(1), samples::device(2)];
    devices.sort_unstable();
    let [a, b] = devices;
    assert!(Body::decode(Class::Sealed, &marks(&[(a, 1), (b, 1)])).is_ok());
    for bad in [marks(&[(b, 1), (a, 1)]), marks(&[(a, 1), (a, 2)]), marks(&[(a, 0)])] {
        assert_eq!(fault(Body::decode(Class::Sealed, &bad)), Some(Fault::BadValue));
    }
    let many: BTreeMap<DeviceId, u64> = (0..129_u8).map(|n| (DeviceKeyOf(n).into(), 1)).collect();
    let many: Vec<_> = many.into_iter().collect();
    assert!(Body::decode(Class::Sealed, &marks(&many[..128])).is_ok());
    assert_eq!(fault(Body::decode(Class::Sealed, &marks(&many))), Some(Fault::TooLong { cap: 128 }));
    let full: ReadMarks = many.iter().map(|(device, seq)| ReadMark { device: *device, seq: *seq }).collect();
    assert_eq!(full.iter().count(), 128);
}

struct DeviceKeyOf(u8);

impl From<DeviceKeyOf> for DeviceId {
    fn from(of: DeviceKeyOf) -> Self {
        y7ke_crypto::sign::DeviceKey::from_seed(&[of.0; 32]).id()
    }
}

/// No word of a person reaches a log line by way of `Debug`.
#[test]
fn debug_names_the_kind_and_nothing_else() {
    let body = Body::Text { text: "canary".to_owned(), reply_to: None };
    assert_eq!(format!("{body:?}"), "Body(text, …)");
    for (name, body) in samples::all() {
        let shown = format!("{body:?}");
        assert!(shown.starts_with("Body(") && shown.len() < 30, "{name}: {shown}");
    }
}

#[test]
fn fuzz_smoke() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let seeds: Vec<Vec<u8>> = samples::all().iter().map(|(_, body)| body.to_bytes()).collect();
    for round in 0..20_000_usize {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..=rng.next_u32() % 3 {
            mutate(&mut rng, &mut bytes);
        }
        fuzz::decode(&bytes);
    }
}

fn mutate(rng: &mut ChaCha20Rng, bytes: &mut Vec<u8>) {
    let at = rng.next_u32() as usize % bytes.len().max(1);
    match rng.next_u32() % 4 {
        0 => bytes.truncate(at),
        1 => bytes.insert(at.min(bytes.len()), rng.next_u32() as u8),
        2 if !bytes.is_empty() => bytes[at] = rng.next_u32() as u8,
        _ if !bytes.is_empty() => bytes[at] ^= 1 << (rng.next_u32() % 8),
        _ => {}
    }
}
