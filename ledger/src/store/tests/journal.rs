//! The journal: what it holds comes back, and what is wrong with it is said.

use super::crash::SimDisk;
use super::*;
use crate::fold::digest;

fn open(disk: &SimDisk) -> Result<Ledger, StorageError> {
    Ledger::open(disk.storage(), sub_keys())
}

fn note(ledger: &Ledger, n: u64) {
    let mut batch = ledger.begin(&mut rng(n)).unwrap();
    batch.put_setting("n", &n.to_string());
    batch.put_setting(&format!("of {n}"), "x");
    batch.commit().unwrap();
}

fn last(ledger: &Ledger) -> Option<String> {
    ledger.view().unwrap().setting("n").unwrap()
}

/// A disk on which `notes` were written, as a kill leaves it.
fn killed(notes: u64) -> SimDisk {
    let disk = SimDisk::new(1);
    let ledger = open(&disk).unwrap();
    (1..=notes).for_each(|n| note(&ledger, n));
    SimDisk::of(disk.image(), 2)
}

/// Where each record begins, and its length.
fn records(journal: &[u8]) -> Vec<std::ops::Range<usize>> {
    let (mut found, mut at) = (Vec::new(), 512);
    loop {
        let length = u32::from_le_bytes(journal[at..at + 4].try_into().unwrap()) as usize;
        if length == 0 {
            return found;
        }
        found.push(at..at + 28 + length);
        at += 28 + length;
    }
}

#[test]
fn what_only_the_journal_has_is_there_after_a_kill() {
    let disk = killed(3);
    assert_eq!(records(&disk.image()[1]).len(), 3);
    let ledger = open(&disk).unwrap();
    assert_eq!(last(&ledger).as_deref(), Some("3"));
    note(&ledger, 4);
    let again = SimDisk::of(disk.image(), 3);
    assert_eq!(last(&open(&again).unwrap()).as_deref(), Some("4"));
}

#[test]
fn a_clean_end_leaves_everything_in_the_database() {
    let disk = killed(3);
    drop(open(&disk).unwrap());
    let [pages, mut journal] = disk.image();
    journal[512..].fill(0);
    let ledger = open(&SimDisk::of([pages, journal], 3)).unwrap();
    assert_eq!(last(&ledger).as_deref(), Some("3"));
}

/// Records of before a checkpoint lie behind those of after it, and do not come back.
#[test]
fn old_records_stay_old() {
    let disk = killed(5);
    drop(open(&disk).unwrap());
    let ledger = open(&disk).unwrap();
    note(&ledger, 6);
    let after = SimDisk::of(disk.image(), 3);
    assert_eq!(records(&after.image()[1]).len(), 5, "four of them are old");
    let ledger = open(&after).unwrap();
    assert_eq!(last(&ledger).as_deref(), Some("6"));
    note(&ledger, 7);
    assert_eq!(last(&open(&SimDisk::of(after.image(), 4)).unwrap()).as_deref(), Some("7"));
}

#[test]
fn a_torn_last_record_never_happened() {
    let [pages, journal] = killed(3).image();
    let torn = records(&journal)[2].clone();
    for at in torn.clone() {
        let mut journal = journal.clone();
        journal[at] ^= 1;
        let opened = open(&SimDisk::of([pages.clone(), journal], 3));
        assert_eq!(last(&opened.unwrap()).as_deref(), Some("2"), "byte {} of {}", at - torn.start, torn.len());
    }
}

/// A change anywhere in what was durable is said; nothing is dropped in silence.
#[test]
fn a_damaged_record_is_told_from_a_torn_one() {
    let [pages, journal] = killed(3).image();
    let first = records(&journal)[0].clone();
    for at in first.clone() {
        let mut journal = journal.clone();
        journal[at] ^= 1;
        let refused = open(&SimDisk::of([pages.clone(), journal], 3));
        assert!(matches!(refused, Err(StorageError::Damaged { .. })), "byte {}", at - first.start);
    }
}

#[test]
fn a_database_that_is_older_than_its_journal_is_refused() {
    let disk = killed(2);
    let [old, _] = disk.image();
    drop(open(&disk).unwrap());
    let ledger = open(&disk).unwrap();
    note(&ledger, 3);
    let [_, journal] = disk.image();
    let refused = open(&SimDisk::of([old, journal], 3)).map(|ledger| last(&ledger));
    assert!(matches!(refused, Err(StorageError::Damaged { .. })), "{refused:?}");
}

#[test]
fn a_journal_that_is_missing_or_of_another_vault_is_refused() {
    let [pages, journal] = killed(2).image();
    let missing = open(&SimDisk::of([pages.clone(), Vec::new()], 3));
    assert!(matches!(missing, Err(StorageError::Damaged { .. })), "{missing:?}");
    let (_, dek) = y7ke_crypto::vault::VaultFile::with_file_slot(&mut rng(99));
    let other = Ledger::open(SimDisk::of([pages, journal], 3).storage(), SubKeys::new(&dek));
    assert!(matches!(other, Err(StorageError::Sealed { table: "journal" })), "{other:?}");
}

/// A view keeps what it saw, whatever is committed, and brought into the database, after it.
#[test]
fn a_view_stands_still() {
    let ledger = in_memory();
    note(&ledger, 1);
    let view = ledger.view().unwrap();
    note(&ledger, 2);
    let mut batch = ledger.begin(&mut rng(3)).unwrap();
    (0..2_000).for_each(|n| batch.put_setting(&format!("many {n}"), &"v".repeat(90)));
    batch.commit().unwrap();
    assert!(lock(&ledger.inner.shown).above.is_empty(), "so much goes into the database at once");
    assert_eq!(view.setting("n").unwrap().as_deref(), Some("1"));
    assert_eq!(last(&ledger).as_deref(), Some("2"));
}

/// After a failure nothing is written until the ledger was opened again.
#[test]
fn a_failed_record_ends_writing() {
    let disk = killed(1);
    let ledger = open(&disk).unwrap();
    disk.fail_after(1);
    let mut batch = ledger.begin(&mut rng(2)).unwrap();
    batch.put_setting("n", "2");
    assert!(matches!(batch.commit(), Err(StorageError::Disk(_))));
    disk.fail_after(u64::MAX);
    assert!(matches!(ledger.begin(&mut rng(3)), Err(StorageError::Disk(_))));
    assert_eq!(last(&ledger).as_deref(), Some("1"));
    drop(ledger);
    note(&open(&disk).unwrap(), 3);
    assert_eq!(last(&open(&disk).unwrap()).as_deref(), Some("3"));
}

/// A record whose sync failed may be there when the ledger is opened again. What counts on it then must be able to.
#[test]
fn a_record_that_comes_back_after_a_failed_sync_is_durable() {
    let disk = killed(1);
    let ledger = open(&disk).unwrap();
    disk.fail_after(1);
    let mut batch = ledger.begin(&mut rng(2)).unwrap();
    batch.put_setting("n", "2");
    assert!(batch.commit().is_err());
    disk.fail_after(u64::MAX);
    drop(ledger);
    let again = open(&disk).unwrap();
    assert_eq!(last(&again).as_deref(), Some("2"));
    assert_eq!(last(&open(&SimDisk::of(disk.synced(), 3)).unwrap()).as_deref(), Some("2"));
}

/// Many small commits, killed after each: what a life with checkpoints and one without leave is the same.
#[test]
fn a_life_in_the_journal_is_the_life_in_the_database() {
    let story = crate::tests::Story::new(5, 40, 1);
    let (mut disk, calm) = (SimDisk::new(1), in_memory());
    for event in &story.events {
        for (ledger, restart) in [(open(&disk).unwrap(), true), (calm.clone(), false)] {
            let mut batch = ledger.begin(&mut rng(1)).unwrap();
            batch.ensure_log(story.spec).unwrap();
            admit(&mut batch, event);
            batch.commit().unwrap();
            if restart {
                disk = SimDisk::of(disk.image(), 2);
            }
        }
        let ledger = open(&disk).unwrap();
        let (killed, calm) = (ledger.view().unwrap(), calm.view().unwrap());
        let log = story.spec.id();
        assert_eq!(killed.heads(&log).unwrap(), calm.heads(&log).unwrap());
        assert_eq!(digest(&killed, &log).unwrap(), digest(&calm, &log).unwrap());
        assert_eq!(killed.arrivals(0, 99).unwrap(), calm.arrivals(0, 99).unwrap());
    }
}

/// The bytes of a record stand: another layout is another version of the file.
#[test]
fn the_layout_stands() {
    let [_, journal] = killed(1).image();
    let record = records(&journal)[0].clone();
    assert_eq!(&journal[..16], b"y7ke journal\x01\0\0\0");
    let (head, sealed) = journal[record].split_at(28);
    let check = blake3::hash(&[&head[4..12], sealed].concat());
    assert_eq!(
        (head[..4].to_vec(), head[4..12].to_vec()),
        ((sealed.len() as u32).to_le_bytes().to_vec(), vec![1, 0, 0, 0, 0, 0, 0, 0])
    );
    assert_eq!(head[12..], check.as_bytes()[..16]);
    let plain = sub_keys().journal.open(&1_u64.to_le_bytes(), sealed).unwrap();
    let place = [raw::Tbl::Settings as u8, 1, 0];
    let row = plain.windows(8).find(|row| row[..3] == place && row[7] == b'n').unwrap();
    assert_eq!(row[3..7], 41_u32.to_le_bytes(), "nonce 24, tag 16, and the digit");
}
