//! Files of the format before, and ids that wait in runs.

use y7ke_crypto::ids::EventId;

use super::*;
use crate::admit::LogSpec;
use crate::fold::digest;

fn texts(peer: &mut Peer, count: usize) -> (LogId, Vec<EventId>) {
    let spec = LogSpec::Account { root: peer.member.root };
    let log = peer.write(|batch| batch.ensure_log(spec).unwrap());
    let joined = peer.append(log, &peer.member.join()).unwrap();
    let body = |n: usize| crate::body::Body::Setting { key: format!("key {n}"), value: "v".repeat(n % 40) };
    let prekey = peer.member.signed_prekey();
    peer.now += 10;
    let (now, mut rng) = (peer.now, rng(7));
    peer.write(|batch| batch.ensure_epoch(log, &[&prekey], now, &mut rng, &peer.member.key).unwrap());
    let said = (0..count).map(|n| peer.append(log, &body(n)).unwrap().id).collect::<Vec<_>>();
    (log, [vec![joined.id], said].concat())
}

/// Every id is found and every event opens, however many commits there were.
#[test]
fn ids_are_found_in_runs_and_behind_them() {
    let mut peer = Peer::new(1, 1);
    let (_, ids) = texts(&mut peer, 45);
    let view = peer.ledger.view().unwrap();
    for id in &ids {
        assert_eq!(view.event(id).unwrap().unwrap().id, *id);
        assert!(view.open_body(id).unwrap().is_some());
    }
    assert!(view.event(&EventId::from([7; 32])).unwrap().is_none());
    assert!(view.tables.contains(raw::Tbl::Ids, ids[0].as_bytes()).unwrap(), "the first runs were merged");
    assert!(!view.tables.contains(raw::Tbl::Ids, ids[45].as_bytes()).unwrap(), "the last one waits");
}

/// A file of format 1 opens, holds the same, and goes on.
#[test]
fn a_file_of_format_1_is_packed_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let mut peer = Peer::new(1, 1);
    peer.ledger = Ledger::open(Storage::folder(folder.path()), sub_keys()).unwrap();
    peer.write(|batch| batch.set_device(peer.member.id()).unwrap());
    let (log, mut ids) = texts(&mut peer, 30);
    let look = |ledger: &Ledger, ids: &[EventId]| {
        let view = ledger.view().unwrap();
        let bodies: Vec<_> = ids.iter().map(|id| view.open_body(id).unwrap()).collect();
        let arrivals = view.arrivals(0, 999).unwrap();
        (bodies, arrivals, view.heads(&log).unwrap(), digest(&view, &log).unwrap())
    };
    let before = look(&peer.ledger, &ids);
    assert!(before.0.iter().all(Option::is_some) && before.1.len() == ids.len() + 1);

    peer.ledger = in_memory();
    let database = Database::open(folder.path().join(FILE_NAME)).unwrap();
    let transaction = database.begin_write().unwrap();
    raw::unpack_all(&transaction).unwrap();
    transaction.commit().unwrap();
    drop(database);
    std::fs::remove_file(folder.path().join(JOURNAL_NAME)).unwrap();
    peer.ledger = Ledger::open(Storage::folder(folder.path()), sub_keys()).unwrap();
    assert_eq!(look(&peer.ledger, &ids), before);
    let setting = crate::body::Body::Setting { key: "one more".into(), value: String::new() };
    ids.push(peer.append(log, &setting).unwrap().id);
    assert!(look(&peer.ledger, &ids).0.iter().all(Option::is_some));
}

/// A file of format 2 gets a journal when it is opened, holds the same, and goes on.
#[test]
fn a_file_of_format_2_gets_a_journal_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let mut peer = Peer::new(1, 1);
    peer.ledger = Ledger::open(Storage::folder(folder.path()), sub_keys()).unwrap();
    peer.write(|batch| batch.set_device(peer.member.id()).unwrap());
    let (log, ids) = texts(&mut peer, 5);
    let before = digest(&peer.ledger.view().unwrap(), &log).unwrap();
    peer.ledger = in_memory();

    let database = Database::open(folder.path().join(FILE_NAME)).unwrap();
    let transaction = database.begin_write().unwrap();
    raw::write_meta(&transaction, meta::FORMAT, &NO_JOURNAL.to_le_bytes()).unwrap();
    transaction.commit().unwrap();
    drop(database);
    std::fs::remove_file(folder.path().join(JOURNAL_NAME)).unwrap();

    peer.ledger = Ledger::open(Storage::folder(folder.path()), sub_keys()).unwrap();
    assert_eq!(digest(&peer.ledger.view().unwrap(), &log).unwrap(), before);
    let setting = crate::body::Body::Setting { key: "one more".into(), value: String::new() };
    let last = peer.append(log, &setting).unwrap().id;
    peer.ledger = in_memory();
    let again = Ledger::open(Storage::folder(folder.path()), sub_keys()).unwrap();
    let view = again.view().unwrap();
    assert!(ids.iter().chain([&last]).all(|id| view.event(id).unwrap().is_some()));
}

/// Any other version is refused.
#[test]
fn other_formats_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(Storage::folder(folder.path()), sub_keys()).unwrap();
    let transaction = ledger.inner.database.begin_write().unwrap();
    raw::write_meta(&transaction, meta::FORMAT, &4_u32.to_le_bytes()).unwrap();
    transaction.commit().unwrap();
    drop(ledger);
    let refused = Ledger::open(Storage::folder(folder.path()), sub_keys());
    assert!(matches!(refused, Err(StorageError::Format { found: 4 })));
}
