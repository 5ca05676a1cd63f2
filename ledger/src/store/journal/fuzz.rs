//! A journal of any bytes, and one of records that open.
//!
//! ```text
//! script   the bytes behind a sound head · the same bytes as records
//! record   u8 how · u8 length · plain       how % 8: 1 a number left out   2 the number before   3 cut short   4 a bit turned
//!                                                    else sound: sealed under the key, numbered on
//! ```
//!
//! Checked: no panic; sound records of whole rows are all read, and what is appended then is read with them.

use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use y7ke_crypto::vault::{Dek, SubKey};

use super::{Journal, Layer, RECORDS, StorageError, Tbl, check_of, read_row};
use crate::fuzz::rng;

/// Records of one script.
const COUNT: usize = 32;

/// Runs a script; see the head of the file.
pub(crate) fn journal(data: &[u8]) {
    let key = Dek::from_bytes(&[7; 32]).subkey("ledger/journal");
    // A verdict is reached: which one is free.
    drop(open(data, &key));
    let (records, sound) = records(data, &key);
    let opened = open(&records, &key);
    if let Some(count) = sound {
        let (mut journal, rows) = opened.expect("sound records are read");
        assert_eq!(journal.last(), count);
        goes_on(&mut journal, &rows, &key);
    }
}

fn open(records: &[u8], key: &SubKey) -> Result<(Journal, Layer), StorageError> {
    let file = InMemoryBackend::new();
    Journal::create(&file).expect("memory does not fail");
    file.set_len((RECORDS + records.len()) as u64).expect("memory does not fail");
    file.write(RECORDS as u64, records).expect("memory does not fail");
    Journal::open(Box::new(file), 0, key)
}

/// The records of a script, and how many they are if each is sound.
fn records(mut data: &[u8], key: &SubKey) -> (Vec<u8>, Option<u64>) {
    let (mut all, mut sound, mut last) = (Vec::new(), true, 0_u64);
    for _ in 0..COUNT {
        let [how, length, rest @ ..] = data else { break };
        let (plain, next) = rest.split_at(usize::from(*length).min(rest.len()));
        data = next;
        let number = match how % 8 {
            1 => last + 2,
            2 => last,
            _ => last + 1,
        };
        let mut record = record(number, plain, key);
        match how % 8 {
            3 => record.truncate(record.len() - 1),
            4 => record[usize::from(*how) % 28] ^= 1,
            _ => {}
        }
        all.extend_from_slice(&record);
        sound &= !(1..=4).contains(&(how % 8)) && is_whole(plain);
        last = number;
    }
    (all, sound.then_some(last))
}

fn record(number: u64, plain: &[u8], key: &SubKey) -> Vec<u8> {
    let number = number.to_le_bytes();
    let sealed = key.seal(&mut rng(1), &number, plain);
    let length = u32::try_from(sealed.len()).expect("it is short");
    [length.to_le_bytes().as_slice(), &number, &check_of(&number, &sealed), &sealed].concat()
}

fn is_whole(mut plain: &[u8]) -> bool {
    let mut rows = Layer::empty();
    while !plain.is_empty() {
        let Some(rest) = read_row(plain, &mut rows) else { return false };
        plain = rest;
    }
    true
}

/// What stands in the rows that were read can be written once more.
fn goes_on(journal: &mut Journal, rows: &Layer, key: &SubKey) {
    let before = journal.last();
    journal.append(rows, key, &mut rng(2)).expect("memory does not fail");
    assert_eq!(journal.last(), before + 1);
    let mut bytes = vec![0; journal.end - RECORDS];
    journal.file.read(RECORDS as u64, &mut bytes).expect("memory does not fail");
    let (again, found) = open(&bytes, key).expect("what was appended is read");
    assert_eq!(again.last(), journal.last());
    let listed = |layer: &Layer| -> Vec<(Tbl, Vec<u8>, Option<Vec<u8>>)> {
        layer.iter().map(|(table, key, value)| (table, key.to_vec(), value.map(<[u8]>::to_vec))).collect()
    };
    assert_eq!(listed(rows), listed(&found), "what is written once more is the same");
}
