//! Vectors of every format: `fixtures/crypto/*.json`.
//!
//! They are made from seeds and must come out byte for byte the same (`made_as_stored`): a format that
//! changes by accident is noticed. They are also read back with nothing but what the files say, as another
//! implementation would. To write them anew after a deliberate change:
//!
//! ```text
//! Y7KE_WRITE_VECTORS=1 cargo test -p y7ke-crypto --test suite made_as_stored
//! ```

use std::path::PathBuf;

use serde_json::{Value, json};
use y7ke_crypto::ack::{Ack, Arrival};
use y7ke_crypto::boxes::PrekeySecret;
use y7ke_crypto::bundle::{Bundle, Prekey};
use y7ke_crypto::cert::CertChain;
use y7ke_crypto::clock::Clock;
use y7ke_crypto::epoch::{self, ChainKey, EpochSecret, KeyBox, Rekey};
use y7ke_crypto::event::{self, EventKey, Payload, WireEvent};
use y7ke_crypto::hello::{Hello, Proof, Role, Transcript};
use y7ke_crypto::ids::{BundleHash, DeviceId, EpochId, EventId, LogId, NetKey, RequestId, RootId};
use y7ke_crypto::request::{Opening, Request, SealedRequest};
use y7ke_crypto::sign::{DeviceKey, NetSecret, RootKey, Signed};
use y7ke_crypto::vault::{Cost, Dek, VaultFile};
use y7ke_crypto::{Wire, label, safety};

use crate::formats::{self, World};
use crate::kit::{Device, NOW, Person, hex, opening, request, rng, sealed_request, unhex};

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "fixtures", "crypto"].iter().collect()
}

fn stored(name: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn made_as_stored() {
    let world = formats::world();
    let files = [
        ("identities.json", identities(&world)),
        ("events.json", events(&world)),
        ("requests.json", requests(&world)),
        ("keys.json", keys(&world)),
        ("vault.json", vaults()),
        ("acks.json", acks(&world)),
        ("hello.json", hellos(&world)),
    ];
    for (name, made) in files {
        let text = serde_json::to_string_pretty(&made).unwrap() + "\n";
        if std::env::var_os("Y7KE_WRITE_VECTORS").is_some() {
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(folder().join(name), &text).unwrap();
        }
        assert!(std::fs::read_to_string(folder().join(name)).unwrap() == text, "{name} came out differently");
    }
}

fn identities(world: &World) -> Value {
    let (a, b) = (world.a.id(), world.b.id());
    let req_id = RequestId::from([7; 32]);
    json!({
        "people": [person(&world.a), person(&world.b)],
        "conversation": {
            "a": a.to_string(), "b": b.to_string(), "req_id": req_id.to_string(),
            "log": LogId::conversation(&a, &b, &req_id).to_string(),
        },
        "safety_number": safety::number(&a, &b),
    })
}

fn person(person: &Person) -> Value {
    let bundle = person.bundle();
    json!({
        "root_seed": hex(*person.root.seed()),
        "root": person.id().to_string(),
        "identity_log": LogId::identity(&person.id()).to_string(),
        "account_log": LogId::account(&person.id()).to_string(),
        "devices": person.devices.iter().map(device).collect::<Vec<_>>(),
        "bundle": hex(bundle.to_bytes()),
        "bundle_hash": bundle.hash().to_string(),
    })
}

fn device(device: &Device) -> Value {
    let prekey = device.signed_prekey();
    json!({
        "device_seed": hex(*device.key.seed()),
        "device": device.id().to_string(),
        "net_seed": hex(device.net.expose()),
        "peer_id": device.net.id().to_string(),
        "chain": hex(device.chain.to_bytes()),
        "prekey_secret": hex(device.prekey.expose()),
        "prekey_id": prekey.id().to_string(),
        "prekey": hex(prekey.as_signed().to_bytes()),
    })
}

fn events(world: &World) -> Value {
    let plain = b"\x10a sealed body";
    let wire = |event: &WireEvent| {
        json!({
            "wire": hex(event.to_bytes()),
            "body_hash": event.payload.hash().to_string(),
            "content_hash": hex(event::content_hash(&event.header, &event.payload.hash())),
        })
    };
    let (sealed, open) = (formats::sealed_event(world), formats::open_event(world));
    json!({
        "note": "sig is over the content hash in the place of the event id, which the ledger makes",
        "sealed": wire(&sealed),
        "hollow": wire(&formats::hollow_event(world)),
        "open": wire(&open),
        "event_key": hex(formats::event_key().expose()),
        "body": hex(plain),
        "sig_message": hex(event::sig_message(&EventId::from([9; 32]))),
        "sig_message_id": hex([9; 32]),
    })
}

fn requests(world: &World) -> Value {
    let (a, b) = (&world.a, &world.b);
    let core = request(a, b).core.claim;
    json!({
        "now": NOW,
        "to_root": b.id().to_string(),
        "to_device": b.devices[0].id().to_string(),
        "to_prekey_secret": hex(b.devices[0].prekey.expose()),
        "to_bundle_hash": b.bundle().hash().to_string(),
        "request": hex(request(a, b).to_bytes()),
        "request_hash": hex(core.hash()),
        "sealed": hex(sealed_request(a, b).to_bytes()),
        "name": "Ada",
        "greeting": "We met in the library.\n",
        "opening": hex(opening(a, b).to_bytes()),
        "log": core.log().to_string(),
    })
}

fn keys(world: &World) -> Value {
    let rekey_event = EventId::from([0x77; 32]);
    let epoch = EpochId::of(&rekey_event);
    let secret = || EpochSecret::from_bytes(world.epoch.secret.expose());
    let chains = secret().into_chains(&formats::log(), &epoch, world.epoch.rekey.devices());
    let devices: Vec<&Device> = world.a.devices.iter().chain(&world.b.devices).collect();
    let boxed = |sealed: &KeyBox| {
        let device = devices.iter().find(|device| device.id() == sealed.device).unwrap();
        json!({ "box": hex(sealed.to_bytes()), "prekey_secret": hex(device.prekey.expose()) })
    };
    json!({
        "log": formats::log().to_string(),
        "author": world.a.devices[0].id().to_string(),
        "rekey": hex(world.epoch.rekey.to_bytes()),
        "rekey_event": rekey_event.to_string(),
        "epoch": epoch.to_string(),
        "boxes": world.epoch.boxes.iter().map(boxed).collect::<Vec<_>>(),
        "secret": hex(world.epoch.secret.expose()),
        "chains": chains.into_iter().map(|(device, chain)| steps(&device, chain)).collect::<Vec<_>>(),
    })
}

fn steps(device: &DeviceId, chain: ChainKey) -> Value {
    let first = hex(*chain.expose());
    let (ek_0, chain) = chain.step();
    let chain = chain.unwrap();
    let second = hex(*chain.expose());
    let (ek_1, _) = chain.step();
    json!({
        "device": device.to_string(),
        "chain_0": first, "event_key_0": hex(ek_0.expose()),
        "chain_1": second, "event_key_1": hex(ek_1.expose()),
    })
}

fn vaults() -> Value {
    let (file, file_dek) = VaultFile::with_file_slot(&mut rng(8));
    let (locked, locked_dek) = VaultFile::with_passphrase(&mut rng(9), PASSPHRASE, Cost::STANDARD).unwrap();
    let row = file_dek.subkey(ROWS).seal(&mut rng(10), b"drafts/1", b"a draft");
    json!({
        "file": hex(file.to_bytes()),
        "file_dek": hex(file_dek.expose()),
        "passphrase": PASSPHRASE,
        "locked": hex(locked.to_bytes()),
        "locked_dek": hex(locked_dek.expose()),
        "row": { "purpose": ROWS, "context": "drafts/1", "plain": "a draft", "sealed": hex(row) },
    })
}

const PASSPHRASE: &str = "correct horse battery staple";
const ROWS: &str = "test/rows";

fn acks(world: &World) -> Value {
    let (ack, of) = (formats::ack(world), world.a.devices[0].id());
    let arrivals = (1..=8).map(|seq| format!("{:?}", ack.claim.arrival(&of, seq)));
    json!({
        "clock": hex(formats::clock(world).to_bytes()),
        "ack": hex(ack.to_bytes()),
        "of": of.to_string(),
        "arrival_of_1_to_8": arrivals.collect::<Vec<_>>(),
    })
}

fn hellos(world: &World) -> Value {
    let transcript = formats::transcript(world);
    json!({
        "dialer_nonce": hex(transcript.dialer_nonce),
        "listener_nonce": hex(transcript.listener_nonce),
        "dialer_net": transcript.dialer_net.to_string(),
        "listener_net": transcript.listener_net.to_string(),
        "dialer_hello": hex(formats::hello(world).to_bytes()),
        "dialer_proof": hex(formats::proof(world).to_bytes()),
        "log": formats::log().to_string(),
        "tag": transcript.tag_key().tag(&formats::log()).to_string(),
    })
}

// ---- Reading back, with nothing but what the files say.

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key}"))
}

fn bytes(value: &Value, key: &str) -> Vec<u8> {
    unhex(text(value, key))
}

fn array<const N: usize>(value: &Value, key: &str) -> [u8; N] {
    bytes(value, key).try_into().unwrap()
}

fn id<T: std::str::FromStr>(value: &Value, key: &str) -> T {
    text(value, key).parse().ok().unwrap()
}

/// Decodes a vector and checks that it encodes to the same bytes.
fn decoded<T: Wire>(value: &Value, key: &str) -> T {
    let (bytes, what) = (bytes(value, key), T::WHAT);
    let decoded = T::from_bytes(&bytes).unwrap();
    assert!(decoded.to_bytes() == bytes, "{what} {key}");
    decoded
}

#[test]
fn identities_read_back() {
    let file = stored("identities.json");
    for person in file["people"].as_array().unwrap() {
        let root: RootId = id(person, "root");
        assert_eq!(RootKey::from_seed(&array(person, "root_seed")).id(), root);
        assert_eq!(LogId::identity(&root), id(person, "identity_log"));
        assert_eq!(LogId::account(&root), id(person, "account_log"));
        let bundle: Bundle = decoded(person, "bundle");
        assert_eq!(bundle.verify().unwrap().hash, id::<BundleHash>(person, "bundle_hash"));
        assert_eq!(bundle.root(), root);
        person["devices"].as_array().unwrap().iter().for_each(|device| device_reads_back(&root, device));
    }
    let pair = &file["conversation"];
    let (a, b): (RootId, RootId) = (id(pair, "a"), id(pair, "b"));
    assert_eq!(LogId::conversation(&b, &a, &id(pair, "req_id")), id(pair, "log"));
    assert_eq!(safety::number(&b, &a), text(&file, "safety_number"));
}

fn device_reads_back(root: &RootId, device: &Value) {
    let key = DeviceKey::from_seed(&array(device, "device_seed"));
    let net = NetSecret::from_bytes(&array(device, "net_seed")).id();
    let proven = decoded::<CertChain>(device, "chain").verify().unwrap();
    assert_eq!((proven.root, proven.device, proven.net), (*root, key.id(), net));
    assert_eq!((proven.device, proven.net), (id(device, "device"), id(device, "peer_id")));
    let prekey = decoded::<Signed<Prekey>>(device, "prekey").verify().unwrap();
    let secret = PrekeySecret::from_bytes(&array(device, "prekey_secret"));
    assert_eq!((prekey.device, &prekey.public), (key.id(), &secret.public()));
    assert_eq!(prekey.id().to_string(), text(device, "prekey_id"));
}

#[test]
fn events_read_back() {
    let file = stored("events.json");
    let read = |name: &str| {
        let event: WireEvent = decoded(&file[name], "wire");
        assert_eq!(event.payload.hash(), id(&file[name], "body_hash"));
        assert_eq!(event::content_hash(&event.header, &event.payload.hash()), array(&file[name], "content_hash"));
        event
    };
    let (sealed, hollow, open) = (read("sealed"), read("hollow"), read("open"));
    assert_eq!(sealed.header, hollow.header);
    assert_eq!(file["sealed"]["content_hash"], file["hollow"]["content_hash"]);
    let Payload::Full(ct) = &sealed.payload else { panic!("hollow") };
    let body = event::open(&EventKey::from_bytes(&array(&file, "event_key")), &sealed.header, ct).unwrap();
    assert_eq!(body.as_slice(), bytes(&file, "body"));
    assert_eq!(event::sig_message(&id(&file, "sig_message_id")), bytes(&file, "sig_message"));
    assert!(matches!(open.payload, Payload::Full(_)));
}

#[test]
fn requests_read_back() {
    let file = stored("requests.json");
    let (me, device): (RootId, DeviceId) = (id(&file, "to_root"), id(&file, "to_device"));
    let with = PrekeySecret::from_bytes(&array(&file, "to_prekey_secret"));
    let opened = decoded::<SealedRequest>(&file, "sealed").open(&device, &with).unwrap();
    assert_eq!(opened, decoded::<Request>(&file, "request"));
    let now = file["now"].as_u64().unwrap();
    let checked = opened.check(now, &me, |hash| *hash == id(&file, "to_bundle_hash")).unwrap();
    assert_eq!(checked.core.hash(), array(&file, "request_hash"));
    assert_eq!((checked.name.as_str(), checked.greeting.as_str()), (text(&file, "name"), text(&file, "greeting")));
    let opening: Opening = decoded(&file, "opening");
    let (requester, opener) = opening.verify(&id(&file, "log"), &device).unwrap();
    assert_eq!((requester, opener.root), (checked.requester, me));
}

#[test]
fn keys_read_back() {
    let file = stored("keys.json");
    let (log, author): (LogId, DeviceId) = (id(&file, "log"), id(&file, "author"));
    let rekey: Rekey = decoded(&file, "rekey");
    for boxed in file["boxes"].as_array().unwrap() {
        let with = PrekeySecret::from_bytes(&array(boxed, "prekey_secret"));
        let secret = epoch::open_box(&log, &author, &rekey, &with, &decoded::<KeyBox>(boxed, "box")).unwrap();
        assert_eq!(*secret.expose(), array(&file, "secret"));
    }
    let epoch = EpochId::of(&id(&file, "rekey_event"));
    assert_eq!(epoch, id(&file, "epoch"));
    let secret = EpochSecret::from_bytes(&array(&file, "secret"));
    let chains = secret.into_chains(&log, &epoch, rekey.devices());
    let made: Vec<Value> = chains.into_iter().map(|(device, chain)| steps(&device, chain)).collect();
    assert_eq!(Value::from(made), file["chains"]);
}

#[test]
fn vaults_read_back() {
    let file = stored("vault.json");
    let dek = decoded::<VaultFile>(&file, "file").open_file().unwrap();
    assert_eq!(*dek.expose(), array(&file, "file_dek"));
    let locked = decoded::<VaultFile>(&file, "locked").open_passphrase(text(&file, "passphrase")).unwrap();
    assert_eq!(*locked.expose(), array(&file, "locked_dek"));
    let row = &file["row"];
    assert_eq!(text(row, "purpose"), ROWS);
    let key = Dek::from_bytes(&array(&file, "file_dek")).subkey(ROWS);
    let plain = key.open(text(row, "context").as_bytes(), &bytes(row, "sealed")).unwrap();
    assert_eq!(plain.as_slice(), text(row, "plain").as_bytes());
}

#[test]
fn acks_read_back() {
    let file = stored("acks.json");
    let ack = decoded::<Signed<Ack>>(&file, "ack").verify().unwrap();
    assert_eq!(ack.clock, decoded::<Clock>(&file, "clock"));
    let of = id(&file, "of");
    let arrivals: Vec<Arrival> = (1..=8).map(|seq| ack.arrival(&of, seq)).collect();
    let written: Vec<Value> = arrivals.iter().map(|arrival| format!("{arrival:?}").into()).collect();
    assert_eq!(Value::from(written), file["arrival_of_1_to_8"]);
}

#[test]
fn hellos_read_back() {
    let file = stored("hello.json");
    let transcript = Transcript {
        dialer_nonce: array(&file, "dialer_nonce"),
        listener_nonce: array(&file, "listener_nonce"),
        dialer_net: id(&file, "dialer_net"),
        listener_net: id(&file, "listener_net"),
    };
    let hello: Hello = decoded(&file, "dialer_hello");
    assert_eq!(hello.nonce, transcript.dialer_nonce);
    let proven = hello.verify(&id::<NetKey>(&file, "dialer_net")).unwrap();
    transcript.check(Role::Dialer, &proven, &decoded::<Proof>(&file, "dialer_proof")).unwrap();
    assert_eq!(transcript.tag_key().tag(&id(&file, "log")), id(&file, "tag"));
}

/// The building blocks, computed here from their specification and not from the crate.
#[test]
fn primitives_agree_with_their_specifications() {
    let key = *blake3::hash(b"y7/epoch/1\x77\x77").as_bytes();
    assert_eq!(label::hash(label::EPOCH, &[&[0x77, 0x77]]), key);
    // RFC 8032, test 2: one byte, signed by dalek, verified by ZIP-215.
    let seed = unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    let public = unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    assert_eq!(RootKey::from_seed(&seed.try_into().unwrap()).id().as_bytes().to_vec(), public);
}
