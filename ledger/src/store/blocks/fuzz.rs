//! What blocks promise of any bytes, and a table of them of any writes.
//!
//! ```text
//! script   the bytes as one block · the same bytes as steps on a table
//! step     u8 op · u8 key · u8 length            op % 4: 0 what follows lies in the table as it is, 16 × length bytes of it
//!                                                        1 a row of 16 × length bytes   2 a row taken away   3 written
//! ```
//!
//! Checked: a block that is read to its end is found again row by row, and packs to the same rows; a table that this
//! store alone wrote is a map; one that holds foreign bytes is damaged, or not, and nothing panics.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use redb::backends::InMemoryBackend;
use redb::{Database, ReadableTable, Table, TableDefinition};

use super::{Bytes, Cursor, KEY_MAX, PAGE, StorageError, Writes, find, flush, last_key, pack};

const TABLE: TableDefinition<'static, Bytes, Bytes> = TableDefinition::new("blocks");

/// Steps of one script.
const STEPS: usize = 256;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// Runs a script; see the head of the file.
pub(crate) fn blocks(data: &[u8]) {
    if let Ok(rows) = rows(data) {
        one(data, &rows);
    }
    table(data);
}

/// A key and its value.
type Row = (Vec<u8>, Vec<u8>);

fn rows(block: &[u8]) -> Result<Vec<Row>, StorageError> {
    let (mut rows, mut cursor) = (Vec::new(), Cursor::default());
    while let Some(value) = cursor.next(block)? {
        assert!(cursor.key().len() <= KEY_MAX);
        rows.push((cursor.key().to_vec(), block[value].to_vec()));
    }
    Ok(rows)
}

/// A block that is whole.
fn one(block: &[u8], known: &[Row]) {
    assert!(known.is_sorted_by(|(a, _), (b, _)| a < b), "keys ascend");
    for (key, value) in known.iter().take(8).chain(known.last()) {
        let found = find(block, key).expect("it was read to its end");
        assert_eq!(found.map(|at| &block[at]), Some(value.as_slice()));
    }
    assert_eq!(last_key(block).ok().as_ref(), Some(&known.last().map(|(key, _)| key.clone()).unwrap_or_default()));
    let borrowed: Vec<_> = known.iter().map(|(key, value)| (key.as_slice(), value.as_slice())).collect();
    let packed = pack(&borrowed, true, PAGE);
    let again: Vec<Row> = packed.iter().flat_map(|(_, block)| rows(block).expect("what was packed is whole")).collect();
    assert_eq!(again, known, "what is packed is what was read");
}

/// One database for all runs: nothing is ever committed.
fn table(data: &[u8]) {
    static DATABASE: OnceLock<Database> = OnceLock::new();
    let create = || Database::builder().create_with_backend(InMemoryBackend::new()).expect("memory does not fail");
    let transaction = DATABASE.get_or_init(create).begin_write().expect("memory does not fail");
    let mut open = transaction.open_table(TABLE).expect("memory does not fail");
    script(&mut open, data);
    drop(open);
    transaction.abort().expect("memory does not fail");
}

fn script(table: &mut Table<'_, Bytes, Bytes>, data: &[u8]) {
    let (mut rest, mut waiting, mut ours) = (data, Writes::default(), Some(Map::new()));
    for _ in 0..STEPS {
        let [op, key, length, tail @ ..] = rest else { break };
        let (key, length) = (vec![op / 4 % 8, *key], usize::from(*length) * 16);
        rest = tail;
        match op % 4 {
            0 => {
                let (block, next) = tail.split_at(length.min(tail.len()));
                (rest, ours) = (next, None);
                table.insert(key.as_slice(), block).expect("memory does not fail");
            }
            3 => written(table, std::mem::take(&mut waiting), ours.as_ref()),
            put => {
                let value = (put == 1).then(|| vec![op / 32; length]);
                if let Some(ours) = &mut ours {
                    match &value {
                        Some(value) => drop(ours.insert(key.clone(), value.clone())),
                        None => drop(ours.remove(&key)),
                    }
                }
                waiting.set(&key, value.as_deref());
            }
        }
    }
    written(table, waiting, ours.as_ref());
}

fn written(table: &mut Table<'_, Bytes, Bytes>, writes: Writes, ours: Option<&Map>) {
    let flushed = flush(table, &writes, PAGE);
    let Some(ours) = ours else { return };
    flushed.expect("what this store wrote is whole");
    assert_eq!(&all(table).expect("what this store wrote is whole"), ours, "a table is a map");
}

fn all(table: &Table<'_, Bytes, Bytes>) -> Result<Map, StorageError> {
    let mut found = Map::new();
    for block in table.iter()? {
        let (first, block) = block?;
        let rows = rows(block.value())?;
        assert_eq!(rows.first().map(|(key, _)| key.as_slice()), Some(first.value()), "a block has its first key");
        found.extend(rows);
    }
    Ok(found)
}
