//! Files of the format before, and ids that wait in runs.

use y7ke_crypto::ids::EventId;

use super::*;
use crate::admit::LogSpec;
use crate::fold::digest;
use crate::store::upgrade::back;

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

/// Writes into a file past the ledger.
fn rewrite(folder: &Path, work: impl FnOnce(&WriteTransaction)) {
    let database = Database::open(folder.join(FILE_NAME)).unwrap();
    let transaction = database.begin_write().unwrap();
    work(&transaction);
    transaction.commit().unwrap();
}

/// Everything that a reader can tell of a log.
fn look(ledger: &Ledger, log: &LogId, ids: &[EventId]) -> impl PartialEq + std::fmt::Debug + use<> {
    let view = ledger.view().unwrap();
    let bodies: Vec<_> = ids.iter().map(|id| view.open_body(id).unwrap()).collect();
    assert!(bodies.iter().all(Option::is_some));
    let mut listed = Vec::new();
    view.visit_stored(log, 0, &mut |event| {
        listed.push(event);
        Ok(std::ops::ControlFlow::Continue(()))
    })
    .unwrap();
    assert!(listed.is_sorted_by_key(|event| event.header.hlc) && listed.len() >= ids.len());
    (bodies, listed, view.arrivals(0, 999).unwrap(), view.heads(log).unwrap(), digest(&view, log).unwrap())
}

/// Somebody with a folder and thirty messages in it.
fn on_disk() -> (tempfile::TempDir, Peer, LogId, Vec<EventId>) {
    let folder = tempfile::tempdir().unwrap();
    let mut peer = Peer::new(1, 1);
    peer.ledger = Ledger::open(Storage::folder(folder.path()), sub_keys()).unwrap();
    peer.write(|batch| batch.set_device(peer.member.id()).unwrap());
    let (log, ids) = texts(&mut peer, 30);
    (folder, peer, log, ids)
}

/// A file of format 3, the one before, opens with all that it and its journal hold, and goes on.
#[test]
fn a_file_of_format_3_is_brought_up_to_date_with_its_journal() {
    for in_journal in [false, true] {
        let (folder, mut peer, log, mut ids) = on_disk();
        let before = look(&peer.ledger, &log, &ids);

        peer.ledger = in_memory();
        let (mut record, mut last) = (Layer::empty(), 0);
        rewrite(folder.path(), |transaction| {
            let rows = back::to_format_3(transaction).unwrap();
            assert!(rows.iter().all(|(_, rows)| rows.len() > 10));
            last = number_of_last(transaction).unwrap();
            if in_journal {
                rows.iter()
                    .for_each(|(table, rows)| rows.iter().for_each(|(key, value)| record.set(*table, key, value)));
            } else {
                back::put(transaction, &rows).unwrap();
            }
        });
        if in_journal {
            let file = Box::new(open_file(&folder.path().join(JOURNAL_NAME)).unwrap());
            let (mut journal, none) = Journal::open(file, last, &sub_keys().journal).unwrap();
            assert!(none.is_empty());
            journal.append(&record, &sub_keys().journal, &mut rng(3)).unwrap();
        }

        peer.ledger = Ledger::open(Storage::folder(folder.path()), sub_keys()).unwrap();
        assert!(look(&peer.ledger, &log, &ids) == before, "in the journal: {in_journal}");
        assert!(peer.write(|batch| batch.raw_rows(raw::Tbl::Order).unwrap()).is_empty());
        let setting = crate::body::Body::Setting { key: "one more".into(), value: String::new() };
        ids.push(peer.append(log, &setting).unwrap().id);
        let after = look(&peer.ledger, &log, &ids);
        peer.ledger = in_memory();
        peer.ledger = Ledger::open(Storage::folder(folder.path()), sub_keys()).unwrap();
        assert!(look(&peer.ledger, &log, &ids) == after);
    }
}

/// Every id is found and every event opens, however many commits there were.
#[test]
fn ids_are_found_in_runs_and_behind_them() {
    let mut peer = Peer::new(1, 1);
    let (_, ids) = texts(&mut peer, 170);
    let look = |ids: &[EventId]| {
        let view = peer.ledger.view().unwrap();
        for id in ids {
            assert_eq!(view.event(id).unwrap().unwrap().id, *id);
            assert!(view.open_body(id).unwrap().is_some());
        }
        assert!(view.event(&EventId::from([7; 32])).unwrap().is_none());
    };
    look(&ids);
    let runs = peer.write(|batch| batch.raw_rows(raw::Tbl::Fresh).unwrap());
    let lengths: std::collections::BTreeSet<_> = runs.iter().map(|(_, run)| run.len() / 52).collect();
    assert!(lengths.contains(&1) && lengths.contains(&17), "runs of a commit and long ones: {lengths:?}");
    let view = peer.ledger.view().unwrap();
    assert!(view.tables.contains(raw::Tbl::Ids, ids[0].as_bytes()).unwrap(), "the first runs were merged");
    assert!(!view.tables.contains(raw::Tbl::Ids, ids[170].as_bytes()).unwrap(), "the last one waits");
    let merged = peer.write(|batch| batch.raw_rows(raw::Tbl::Ids).unwrap()).len();
    let waiting: usize = runs.iter().map(|(_, run)| run.len() / 52).sum();
    assert_eq!(merged + waiting, peer.ledger.view().unwrap().arrivals(0, 999).unwrap().len(), "each stands somewhere");
}

/// A file of format 1 opens, holds the same, and goes on.
#[test]
fn a_file_of_format_1_is_packed_when_it_is_opened() {
    let (folder, mut peer, log, mut ids) = on_disk();
    let before = look(&peer.ledger, &log, &ids);

    peer.ledger = in_memory();
    rewrite(folder.path(), |transaction| {
        let rows = back::to_format_3(transaction).unwrap();
        back::put(transaction, &rows).unwrap();
        back::to_format_1(transaction).unwrap();
    });
    std::fs::remove_file(folder.path().join(JOURNAL_NAME)).unwrap();
    peer.ledger = Ledger::open(Storage::folder(folder.path()), sub_keys()).unwrap();
    assert!(look(&peer.ledger, &log, &ids) == before);
    let setting = crate::body::Body::Setting { key: "one more".into(), value: String::new() };
    ids.push(peer.append(log, &setting).unwrap().id);
    look(&peer.ledger, &log, &ids);
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

    rewrite(folder.path(), |transaction| {
        let rows = back::to_format_3(transaction).unwrap();
        back::put(transaction, &rows).unwrap();
        raw::write_meta(transaction, meta::FORMAT, &NO_JOURNAL.to_le_bytes()).unwrap();
    });
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
    raw::write_meta(&transaction, meta::FORMAT, &5_u32.to_le_bytes()).unwrap();
    transaction.commit().unwrap();
    drop(ledger);
    let refused = Ledger::open(Storage::folder(folder.path()), sub_keys());
    assert!(matches!(refused, Err(StorageError::Format { found: 5 })));
}
