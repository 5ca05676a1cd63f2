//! What the tools say of forks and of a file that somebody changed behind the ledger's back.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what it expects by failing")]

mod person;

use std::path::Path;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use redb::{Database, ReadableTable, TableDefinition};
use y7ke_crypto::ids::{DeviceId, EventId, LogId, RequestId};
use y7ke_ledger::admit::LogSpec;
use y7ke_ledger::body::Body;
use y7ke_ledger::store::{Storage, View};
use y7ke_ledger::tools::{self, ExportError, Report, Why, Words};
use y7ke_ledger::views;

use person::Person;

/// Ada forks; Bo's two devices each saw another variant and wrote on it, so both count (F3).
fn forked() -> (Person, Person, LogId, DeviceId) {
    let (mut ada, mut bo) = (Person::new(1, Storage::memory()), Person::new(2, Storage::memory()));
    let req_id = ada.request(&mut bo, 7);
    let log = bo.accept(&req_id);
    let spec = LogSpec::conversation(ada.root, bo.root, req_id);
    let mut sibling = Person::device_of(2, 3, Storage::memory());
    for other in [&mut ada, &mut sibling] {
        other.know(spec);
        other.fetch(&bo, log);
        let join = Body::Join { chain: other.chain.clone() };
        other.write(|person, batch| person.append(batch, log, &join));
    }
    let variants = [1, 2].map(|n| ada.next_event(log, &Body::Cut { device: DeviceId::from([n; 32]) }));
    for (of, variant) in [(&mut bo, &variants[0]), (&mut sibling, &variants[1])] {
        of.fetch(&ada, log);
        of.take(variant);
        let said = Body::ForkNotice { device: ada.device(), seq: 99 };
        of.write(|person, batch| person.append(batch, log, &said));
    }
    bo.fetch(&sibling, log);
    sibling.fetch(&bo, log);
    (bo, sibling, log, ada.device())
}

/// F4: a log with live forks exports as JSON, and says in words why not as an Automerge document.
#[test]
fn f4_live_forks_export_as_json_and_not_as_automerge() {
    let (bo, sibling, log, forker) = forked();
    assert_eq!(bo.digest(&log), sibling.digest(&log));
    let refused = tools::export_automerge(&bo.view(), &log).unwrap_err();
    assert!(matches!(&refused, ExportError::Forked(devices) if *devices == [forker]), "{refused}");
    assert!(refused.to_string().contains("--format json"));
    let json = tools::export_json(&bo.view(), &log, Words::Shown).unwrap();
    assert_eq!(json["forks"].as_array().unwrap().len(), 1);
    let row = tools::list(&bo.view()).unwrap().into_iter().find(|row| row.log == log.to_string()).unwrap();
    assert_eq!(row.frozen, [forker.to_string()]);
    assert_eq!(row.clock.iter().filter(|entry| entry.device_id == forker.to_string()).count(), 2);
    assert_eq!(verify(&bo.view()).bad, []);
}

/// F1: an event that does not count is no point of its log, though `show` lists it.
#[test]
fn f1_an_event_that_does_not_count_is_no_point() {
    let (mut ada, mut bo) = (Person::new(1, Storage::memory()), Person::new(2, Storage::memory()));
    let req_id = ada.request(&mut bo, 7);
    let log = bo.accept(&req_id);
    ada.know(LogSpec::conversation(ada.root, bo.root, req_id));
    ada.fetch(&bo, log);
    let join = Body::Join { chain: ada.chain.clone() };
    ada.write(|person, batch| person.append(batch, log, &join));
    bo.fetch(&ada, log);
    for n in [1, 2] {
        let variant = ada.next_event(log, &Body::Cut { device: DeviceId::from([n; 32]) });
        bo.take(&variant);
    }
    let view = bo.view();
    let dead = tools::show(&view, &log, Words::Hidden).unwrap().into_iter().find(|event| !event.live).unwrap();
    let at = tools::Point::Heads(vec![dead.message_id.parse().unwrap()]);
    let refused = tools::replay(&view, &log, &at, Words::Hidden, tools::Steps::Hidden).unwrap_err();
    assert!(matches!(refused, tools::ReplayError::NotLive(_)), "{refused}");
    let whole = tools::replay(&view, &log, &tools::Point::Newest, Words::Hidden, tools::Steps::Hidden).unwrap();
    assert_eq!(whole.projection, hex::encode(bo.digest(&log)));
    let capsule = tools::capsule(&view, &log).unwrap().to_json().unwrap();
    let there = tools::Capsule::from_json(&capsule).unwrap();
    assert!(there.is_faithful(&there.replay(&tools::Point::Newest, tools::Steps::Hidden).unwrap()));
}

#[test]
fn an_unknown_log_is_said_to_be_unknown() {
    let ada = Person::new(1, Storage::memory());
    let nowhere = LogId::from([9; 32]);
    assert!(matches!(tools::export_automerge(&ada.view(), &nowhere), Err(ExportError::UnknownLog(_))));
    assert!(matches!(tools::export_json(&ada.view(), &nowhere, Words::Hidden), Err(ExportError::UnknownLog(_))));
    assert_eq!(tools::show(&ada.view(), &nowhere, Words::Hidden).unwrap(), []);
}

fn verify(view: &View) -> Report {
    tools::verify(view, None, &mut ChaCha20Rng::seed_from_u64(1)).unwrap()
}

/// Changes one bit behind every occurrence of `needle` in a table of the closed file.
fn flip(path: &Path, table: &str, needle: &[u8]) {
    let database = Database::open(path).unwrap();
    let definition: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new(table);
    let transaction = database.begin_write().unwrap();
    {
        let mut rows = transaction.open_table(definition).unwrap();
        let all: Vec<_> = rows
            .iter()
            .unwrap()
            .map(|row| row.unwrap())
            .map(|(k, v)| (k.value().to_vec(), v.value().to_vec()))
            .collect();
        let mut flipped = 0;
        for (key, mut value) in all {
            if let Some(at) = value.windows(needle.len()).position(|window| window == needle) {
                value[at] ^= 1;
                rows.insert(key.as_slice(), value.as_slice()).unwrap();
                flipped += 1;
            }
        }
        assert_eq!(flipped, 1, "the bytes are in the table once");
    }
    transaction.commit().unwrap();
}

/// A folder with one sealed account event, closed; its id, and the bytes to be found in the file.
fn stored() -> (tempfile::TempDir, EventId, Vec<u8>, [u8; 64], [u8; 24]) {
    let folder = tempfile::tempdir().unwrap();
    let mut ada = Person::new(1, Storage::folder(folder.path()));
    ada.note(&Body::Block { root: y7ke_crypto::sign::RootKey::from_seed(&[5; 32]).id() });
    let view = ada.view();
    let id = view.heads(&ada.account()).unwrap()[0];
    let item = view.item(&id).unwrap().unwrap().wire;
    let y7ke_crypto::event::Payload::Full(ct) = item.payload else { panic!("sealed here") };
    (folder, id, ct, item.sig, item.header.nonce)
}

fn verdict(folder: &tempfile::TempDir) -> Vec<(EventId, Why)> {
    let ada = Person::device_of(1, 1, Storage::folder(folder.path()));
    verify(&ada.view()).bad.into_iter().map(|bad| (bad.id, bad.why)).collect()
}

fn file(folder: &tempfile::TempDir) -> std::path::PathBuf {
    folder.path().join(y7ke_ledger::store::FILE_NAME)
}

#[test]
fn an_untouched_file_verifies() {
    assert_eq!(verdict(&stored().0), []);
}

#[test]
fn a_changed_body_is_found() {
    let (folder, id, ct, ..) = stored();
    flip(&file(&folder), "bodies", &ct);
    assert_eq!(verdict(&folder), [(id, Why::Body)]);
}

#[test]
fn a_changed_signature_is_found() {
    let (folder, id, _, sig, _) = stored();
    flip(&file(&folder), "events", &sig);
    assert_eq!(verdict(&folder), [(id, Why::Signature)]);
}

#[test]
fn a_changed_header_is_found() {
    let (folder, id, _, _, nonce) = stored();
    flip(&file(&folder), "events", &nonce);
    let bad = verdict(&folder);
    assert!(matches!(bad.as_slice(), [(of, Why::Id(other))] if *of == id && other != of), "{bad:?}");
    let ada = Person::device_of(1, 1, Storage::folder(folder.path()));
    let exported = y7ke_ledger::tools::export_automerge(&ada.view(), &ada.account());
    assert!(matches!(exported, Err(y7ke_ledger::tools::ExportError::Damaged)), "{exported:?}");
}

/// What was changed does not open either: it is never silently accepted.
#[test]
fn a_changed_body_has_no_effect_after_a_rebuild() {
    let (folder, _, ct, ..) = stored();
    flip(&file(&folder), "bodies", &ct);
    let mut ada = Person::device_of(1, 1, Storage::folder(folder.path()));
    let account = ada.account();
    ada.write(|_, batch| batch.rebuild_projections(&account).unwrap());
    assert_eq!(views::contacts(&ada.view(), &account, person::NOW).unwrap(), []);
    assert!(
        views::request(&ada.view(), &account, views::Direction::In, &RequestId::from([1; 32]), 0).unwrap().is_none()
    );
}
