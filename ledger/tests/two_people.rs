//! Two people, two ledgers, nothing between them but bytes carried by hand.
//!
//! ```text
//! Ada ── sealed request ─▶ Bo      Ada ◀─ opening · rekey ── Bo      Ada ◀─ texts · acks · marks ─▶ Bo
//! ```
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]

mod person;

use y7ke_crypto::ids::LogId;
use y7ke_ledger::body::Body;
use y7ke_ledger::fold::status::Status;
use y7ke_ledger::store::Storage;
use y7ke_ledger::tools::{self, Words};
use y7ke_ledger::views::{self, ContactState};

use person::{Person, acquainted, meet, talk};

fn state(of: &Person, about: &Person) -> Option<ContactState> {
    let row = views::contact(&of.view(), &of.account(), &about.root, person::NOW).unwrap();
    row.map(|row| row.state)
}

/// B1, C2: from a stranger's request to the same conversation on both sides.
#[test]
fn c2_request_opening_and_texts_end_in_equal_digests() {
    let (mut ada, mut bo) = (Person::new(1, Storage::memory()), Person::new(2, Storage::memory()));
    let req_id = ada.request(&mut bo, 7);
    assert_eq!((state(&ada, &bo), state(&bo, &ada)), (Some(ContactState::PendingOut), Some(ContactState::PendingIn)));
    let log = meet(&mut ada, &mut bo, req_id);
    assert_eq!((state(&ada, &bo), state(&bo, &ada)), (Some(ContactState::Accepted), Some(ContactState::Accepted)));
    talk(&mut ada, &mut bo, log, 20);
    assert_eq!(ada.texts(log), bo.texts(log));
    assert_eq!(ada.texts(log).len(), 47);
    assert_eq!(ada.view().heads(&log).unwrap(), bo.view().heads(&log).unwrap());
    assert_eq!(ada.digest(&log), bo.digest(&log));
    for identity in [LogId::identity(&ada.root), LogId::identity(&bo.root)] {
        assert_eq!(ada.digest(&identity), bo.digest(&identity));
    }
    let name = views::contact(&ada.view(), &ada.account(), &bo.root, person::NOW).unwrap().unwrap().profile_name;
    assert_eq!(name, "Somebody");
}

/// D3: a rebuild gives the same digest, on every kind of log.
#[test]
fn a_rebuild_changes_no_digest() {
    let (mut ada, mut bo, log) = acquainted(Storage::memory());
    talk(&mut ada, &mut bo, log, 6);
    for of in [log, ada.account(), LogId::identity(&ada.root), LogId::identity(&bo.root)] {
        let before = ada.digest(&of);
        ada.write(|_, batch| batch.rebuild_projections(&of).unwrap());
        assert_eq!(ada.digest(&of), before);
    }
    assert_eq!(ada.texts(log), bo.texts(log));
}

/// S3: queued, delivered by the word of the other device, read by a mark.
#[test]
fn s3_status_follows_acknowledgements_and_marks() {
    let (mut ada, mut bo, log) = acquainted(Storage::memory());
    ada.say(log, bo.root, "one");
    ada.say(log, bo.root, "two");
    let keys = ada.keys(log);
    let status = |ada: &Person, n: usize| ada.reach(log).status(&ada.root, &keys[n], false);
    assert_eq!(status(&ada, 0), Status::Queued);
    bo.fetch(&ada, log);
    bo.acknowledge(&mut ada, log);
    assert_eq!((status(&ada, 0), status(&ada, 1)), (Status::Delivered, Status::Delivered));
    assert_eq!(ada.reach(log).delivered_to(&keys[0]), [bo.device()]);
    let unread = views::conversation(&bo.view(), &[log], &bo.root).unwrap().unread;
    assert_eq!((unread.count, unread.first), (2, Some(keys[0])));
    let marks = views::marks_up_to(&bo.view(), &log, &bo.root, &keys[0]).unwrap();
    bo.tell(log, ada.root, &Body::Read { marks });
    ada.fetch(&bo, log);
    assert_eq!((status(&ada, 0), status(&ada, 1)), (Status::Read, Status::Delivered));
    assert_eq!(views::conversation(&bo.view(), &[log], &bo.root).unwrap().unread.count, 1);
    assert_eq!(ada.digest(&log), bo.digest(&log));
}

/// S3: events that came without the box of their epoch are held, and not delivered.
#[test]
fn s3_held_without_a_key_is_not_delivered() {
    let (mut ada, mut bo, log) = acquainted(Storage::memory());
    let (me, them) = (ada.root, bo.root);
    ada.write(|ada, batch| {
        let mine = person::prekeys(batch, &me);
        let mut rng = <rand_chacha::ChaCha20Rng as rand_core::SeedableRng>::seed_from_u64(5);
        batch.ensure_epoch(log, &[&mine[0]], person::NOW, &mut rng, &ada.key).unwrap();
        ada.append(batch, log, &Body::Text { text: "not for you".to_owned(), reply_to: None });
    });
    ada.say(log, them, "for you");
    bo.fetch(&ada, log);
    bo.acknowledge(&mut ada, log);
    let keys = ada.keys(log);
    let reached: Vec<_> = keys.iter().map(|key| ada.reach(log).status(&me, key, true)).collect();
    assert_eq!(reached, [Status::Sent, Status::Delivered]);
    let shown: Vec<_> = bo.page(log).messages.into_iter().map(|row| (row.unopened, row.text)).collect();
    assert_eq!(shown, [(true, String::new()), (false, "for you".to_owned())]);
}

/// The exported document is a real one: it loads, and its heads are the log's.
#[test]
fn the_automerge_export_loads_with_the_heads_of_the_list() {
    let (mut ada, mut bo, log) = acquainted(Storage::memory());
    talk(&mut ada, &mut bo, log, 10);
    ada.say(log, bo.root, "at the same time");
    bo.say(log, ada.root, "at the same time");
    ada.fetch(&bo, log);
    bo.fetch(&ada, log);
    for row in tools::list(&ada.view()).unwrap() {
        let bytes = tools::export_automerge(&ada.view(), &row.log.parse().unwrap()).unwrap();
        let document = automerge::Automerge::load(&bytes).unwrap();
        let mut heads: Vec<_> = document.get_heads().iter().map(|head| hex::encode(head.0)).collect();
        heads.sort();
        assert_eq!(heads, row.heads);
        assert_eq!(document.get_changes(&[]).len() as u64, row.events);
    }
    let heads = |person: &Person| {
        tools::list(&person.view()).unwrap().into_iter().find(|row| row.log == log.to_string()).unwrap().heads
    };
    assert_eq!(heads(&ada).len(), 2);
    assert_eq!(heads(&ada), heads(&bo));
}

#[test]
fn list_show_and_json_agree() {
    let (mut ada, mut bo, log) = acquainted(Storage::memory());
    talk(&mut ada, &mut bo, log, 3);
    let rows = tools::list(&ada.view()).unwrap();
    let kinds: Vec<_> = rows.iter().map(|row| row.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "identity").count(), 2);
    let row = rows.iter().find(|row| row.kind == "conversation").unwrap();
    let shown = tools::show(&ada.view(), &log, Words::Shown).unwrap();
    assert_eq!(shown.len() as u64, row.events);
    assert_eq!(shown[0].kind, "opening");
    assert!(shown.iter().any(|event| event.says.contains("ada 1") && event.to_string().contains("ada 1")));
    let hidden = tools::export_json(&ada.view(), &log, Words::Hidden).unwrap();
    assert!(!hidden.to_string().contains("ada 1"));
    assert_eq!(hidden["heads"].as_array().unwrap().len(), row.heads.len());
    assert_eq!(hidden["events"].as_array().unwrap().len(), shown.len());
    let json = serde_json::to_value(row).unwrap();
    assert_eq!(json["clock"].as_array().unwrap().len(), 2);
    assert!(json["clock"][0]["device_id"].is_string() && json["clock"][0]["seq"].is_u64());
}

/// The JSON export is complete: every event verifies again from the bytes in it alone.
#[test]
fn the_json_export_can_be_taken_in_elsewhere() {
    let (mut ada, mut bo, log) = acquainted(Storage::memory());
    talk(&mut ada, &mut bo, log, 3);
    let json = tools::export_json(&ada.view(), &log, Words::Hidden).unwrap();
    for entry in json["events"].as_array().unwrap() {
        use y7ke_crypto::codec::Wire;
        let wire = hex::decode(entry["wire"].as_str().unwrap()).unwrap();
        let event = y7ke_ledger::Event::from_wire(y7ke_crypto::event::WireEvent::from_bytes(&wire).unwrap());
        let event = event.verify().unwrap();
        assert_eq!(event.claim().id().to_string(), entry["event"]["message_id"]);
    }
}

#[test]
fn verify_finds_nothing_wrong_with_an_honest_ledger() {
    let (mut ada, mut bo, log) = acquainted(Storage::memory());
    talk(&mut ada, &mut bo, log, 8);
    let mut rng = <rand_chacha::ChaCha20Rng as rand_core::SeedableRng>::seed_from_u64(1);
    let report = tools::verify(&ada.view(), None, &mut rng).unwrap();
    let events: u64 = tools::list(&ada.view()).unwrap().iter().map(|row| row.events).sum();
    assert_eq!((report.events, report.bad.as_slice()), (events, [].as_slice()));
    let one = tools::verify(&ada.view(), Some(&log), &mut rng).unwrap();
    assert!(one.events < report.events);
}
