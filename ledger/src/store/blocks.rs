//! Many rows in one value of redb: what comes in bulk is written a page at a time, not a row at a time.
//!
//! ```text
//! stored   key of the first row  ─▶  n × ( shared u8 · rest u8 · length u32 LE · rest of the key · value )
//!          a row's key = the first `shared` bytes of the key before it ‖ rest            n ≥ 1, ascending
//! ```
//!
//! A row that redb stores by itself costs a descent, a shift within the page and its share of the index:
//! about 2 µs, and admission writes seven rows per event. A block costs as much as a row.
//!
//! Invariants
//! * A block's rows are not less than its key, and less than the key of the next block.
//! * A block is no longer than [`PAGE`] or [`LONG`], so that it fills its pages, unless it is a single row.
//! * A key has at most [`KEY_MAX`] bytes, so that lengths fit one.
//! * `shared` counts every byte that a key has in common with the one before it: so the next byte of each tells
//!   whether keys ascend.

pub(crate) mod fuzz;

use std::ops::Range;

use redb::{ReadableTable, Table};

use super::StorageError;
use super::writes::{Write, Writes};

/// Most bytes of a block of several rows: a page of redb less its head and the longest key.
pub(super) const PAGE: usize = 3_900;

/// The same of four pages: for long rows that come one behind the other, and are seldom written again.
pub(super) const LONG: usize = 16_000;

/// Bytes before a row's key.
const HEAD: usize = 6;

/// Most bytes of a key.
const KEY_MAX: usize = u8::MAX as usize;

type Bytes = &'static [u8];

/// Reads a block from its first row on.
#[derive(Default)]
pub(super) struct Cursor {
    key: Vec<u8>,
    at: usize,
}

impl Cursor {
    /// The next row: its key is [`Cursor::key`], its value this part of the block.
    pub(super) fn next(&mut self, block: &[u8]) -> Result<Option<Range<usize>>, StorageError> {
        let Some((head, rest)) = block.get(self.at..).and_then(|rest| rest.split_first_chunk::<HEAD>()) else {
            return if self.at == block.len() { Ok(None) } else { Err(damaged()) };
        };
        let [shared, own, length @ ..] = *head;
        let (shared, own) = (usize::from(shared), usize::from(own));
        let length = usize::try_from(u32::from_le_bytes(length)).or(Err(damaged()))?;
        if rest.len() < own || rest.len() - own < length || !self.ascends(shared, &rest[..own]) {
            return Err(damaged());
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(&rest[..own]);
        let from = self.at + HEAD + own;
        self.at = from + length;
        Ok(Some(from..self.at))
    }

    /// Whether a key of so many shared bytes and this rest may follow.
    fn ascends(&self, shared: usize, rest: &[u8]) -> bool {
        let follows = match (self.key.get(shared), rest.first()) {
            (Some(before), Some(now)) => before < now,
            (None, now) => self.key.len() == shared && (now.is_some() || self.at == 0),
            (Some(_), None) => false,
        };
        follows && shared + rest.len() <= KEY_MAX
    }

    /// The key of the row that was read last.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }
}

/// Where in a block the value of this key is.
pub(super) fn find(block: &[u8], key: &[u8]) -> Result<Option<Range<usize>>, StorageError> {
    let mut cursor = Cursor::default();
    while let Some(value) = cursor.next(block)? {
        if cursor.key() >= key {
            return Ok((cursor.key() == key).then_some(value));
        }
    }
    Ok(None)
}

/// The key of a block's last row.
pub(super) fn last_key(block: &[u8]) -> Result<Vec<u8>, StorageError> {
    let mut cursor = Cursor::default();
    while cursor.next(block)?.is_some() {}
    Ok(cursor.key)
}

/// Writes everything that waits: each block that is touched is read once and replaced.
/// No block gets longer than `most` by it.
pub(super) fn flush(table: &mut Table<'_, Bytes, Bytes>, writes: &Writes, most: usize) -> Result<(), StorageError> {
    let mut writes = writes.iter().peekable();
    while let Some((first, _)) = writes.peek() {
        let old = block_for(table, first)?;
        let from = old.as_ref().map_or(*first, |(key, _)| key.as_slice());
        let end = key_after(table, from)?;
        let mine =
            std::iter::from_fn(|| writes.next_if(|(key, _)| end.as_ref().is_none_or(|end| *key < end.as_slice())));
        let mine: Vec<_> = mine.collect();
        match old {
            None => put_all(table, &pack(&rows_of(&mine), end.is_none(), most))?,
            Some((key, block)) if end.is_none() && is_behind(&mine, &block)? => {
                append_all(table, key, block, &mine, most)?
            }
            Some((key, block)) => {
                let held = Held::read(&block)?;
                let blocks = pack(&held.with(&block, &mine), end.is_none(), most);
                if blocks.iter().all(|(new, _)| *new != key) {
                    table.remove(key.as_slice())?;
                }
                put_all(table, &blocks)?;
            }
        }
    }
    Ok(())
}

type Stored = (Vec<u8>, Vec<u8>);

/// A key and its value.
type Row<'b> = (&'b [u8], &'b [u8]);

fn put_all(table: &mut Table<'_, Bytes, Bytes>, blocks: &[Stored]) -> Result<(), StorageError> {
    for (key, block) in blocks {
        table.insert(key.as_slice(), block.as_slice())?;
    }
    Ok(())
}

/// The block that this key belongs into: the one before it, or the very first.
fn block_for(table: &Table<'_, Bytes, Bytes>, key: &[u8]) -> Result<Option<Stored>, StorageError> {
    let before = table.range::<&[u8]>(..=key)?.next_back();
    let found = match before {
        Some(found) => Some(found),
        None => table.range::<&[u8]>(key..)?.next(),
    };
    Ok(found.transpose()?.map(|(key, block)| (key.value().to_vec(), block.value().to_vec())))
}

fn key_after(table: &Table<'_, Bytes, Bytes>, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
    let behind = (std::ops::Bound::Excluded(key), std::ops::Bound::Unbounded);
    let next = table.range::<&[u8]>(behind)?.next().transpose()?;
    Ok(next.map(|(key, _)| key.value().to_vec()))
}

/// The rows that are set, without those that are taken away.
fn rows_of<'w>(writes: &[Write<'w>]) -> Vec<Row<'w>> {
    writes.iter().filter_map(|(key, value)| Some((*key, (*value)?))).collect()
}

/// Whether all of these come after the last row of the table.
fn is_behind(writes: &[Write<'_>], last: &[u8]) -> Result<bool, StorageError> {
    let last = last_key(last)?;
    Ok(writes.first().is_some_and(|(first, _)| last.as_slice() < *first))
}

/// What grows at its end needs no merging: the last block is filled, and others follow.
fn append_all(
    table: &mut Table<'_, Bytes, Bytes>,
    key: Vec<u8>,
    block: Vec<u8>,
    writes: &[Write<'_>],
    most: usize,
) -> Result<(), StorageError> {
    let last = last_key(&block)?;
    let (rows, before) = (rows_of(writes), block.len());
    let mut packer = Packer { blocks: vec![(key, block)], most, enough: most, before: &last };
    rows.iter().for_each(|(key, value)| packer.push(key, value));
    let is_touched = packer.blocks.first().is_some_and(|(_, block)| block.len() > before);
    put_all(table, packer.blocks.get(usize::from(!is_touched)..).unwrap_or_default())
}

/// The rows of a block, their keys whole.
struct Held {
    keys: Vec<u8>,
    rows: Vec<(Range<usize>, Range<usize>)>,
}

impl Held {
    fn read(block: &[u8]) -> Result<Self, StorageError> {
        let (mut held, mut cursor) = (Self { keys: Vec::with_capacity(PAGE), rows: Vec::new() }, Cursor::default());
        while let Some(value) = cursor.next(block)? {
            let from = held.keys.len();
            held.keys.extend_from_slice(cursor.key());
            held.rows.push((from..held.keys.len(), value));
        }
        Ok(held)
    }

    /// These rows with the writes on top.
    fn with<'b>(&'b self, block: &'b [u8], writes: &[Write<'b>]) -> Vec<Row<'b>> {
        let mut rows = Vec::with_capacity(self.rows.len() + writes.len());
        let mut writes = writes.iter().copied().peekable();
        for (key, value) in &self.rows {
            let key = &self.keys[key.clone()];
            while let Some(write) = writes.next_if(|(written, _)| *written < key) {
                rows.extend(put(write));
            }
            if writes.peek().is_none_or(|(written, _)| *written != key) {
                rows.push((key, &block[value.clone()]));
            }
        }
        rows.extend(writes.filter_map(put));
        rows
    }
}

fn put<'b>((key, value): Write<'b>) -> Option<Row<'b>> {
    Some((key, value?))
}

/// Lays rows out in blocks. What grows at its end fills each block; what grows inside is cut evenly, so
/// that there is room on both sides.
fn pack(rows: &[Row<'_>], at_end: bool, most: usize) -> Vec<Stored> {
    let total: usize = rows.iter().map(|(key, value)| HEAD + key.len() + value.len()).sum();
    let even = total.div_ceil(total.div_ceil(most).max(1));
    let mut packer = Packer { blocks: Vec::new(), most, enough: if at_end { most } else { even }, before: &[] };
    rows.iter().for_each(|(key, value)| packer.push(key, value));
    packer.blocks
}

struct Packer<'r> {
    blocks: Vec<Stored>,
    /// Bytes of a block of several rows.
    most: usize,
    /// A block with so many bytes gets no further row.
    enough: usize,
    /// The key of the last row.
    before: &'r [u8],
}

impl<'r> Packer<'r> {
    fn push(&mut self, key: &'r [u8], value: &[u8]) {
        let row = HEAD + key.len() + value.len();
        match self.blocks.last_mut() {
            Some((_, block)) if block.len() < self.enough && block.len() + row <= self.most => {
                append(block, self.before, key, value);
            }
            _ => {
                let mut block = Vec::with_capacity(self.most.max(row));
                append(&mut block, &[], key, value);
                self.blocks.push((key.to_vec(), block));
            }
        }
        self.before = key;
    }
}

fn append(block: &mut Vec<u8>, before: &[u8], key: &[u8], value: &[u8]) {
    let shared = before.iter().zip(key).take_while(|(a, b)| a == b).count();
    let short = |length: usize| u8::try_from(length).expect("no key of these tables has more than 255 bytes");
    let length = u32::try_from(value.len()).expect("no value of these tables nears 4 GiB");
    block.extend_from_slice(&[short(shared), short(key.len() - shared)]);
    block.extend_from_slice(&length.to_le_bytes());
    block.extend_from_slice(&key[shared..]);
    block.extend_from_slice(value);
}

fn damaged() -> StorageError {
    StorageError::Damaged { what: "block" }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand_core::Rng;
    use redb::{Database, ReadableDatabase, TableDefinition};

    use super::*;
    use crate::tests::{below, rng};

    const TABLE: TableDefinition<'static, Bytes, Bytes> = TableDefinition::new("blocks");

    fn all(database: &Database) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let table = database.begin_read().unwrap().open_table(TABLE).unwrap();
        let (mut rows, mut last) = (BTreeMap::new(), None);
        for found in table.range::<&[u8]>(..).unwrap() {
            let (key, block) = found.unwrap();
            let mut cursor = Cursor::default();
            let mut first = true;
            while let Some(value) = cursor.next(block.value()).unwrap() {
                assert!(!std::mem::take(&mut first) || cursor.key() == key.value(), "a block has its first key");
                assert!(last.as_deref().is_none_or(|last| last < cursor.key()), "keys ascend");
                assert_eq!(find(block.value(), cursor.key()).unwrap(), Some(value.clone()));
                last = Some(cursor.key().to_vec());
                rows.insert(cursor.key().to_vec(), block.value()[value].to_vec());
            }
            assert!(!first, "no block is empty");
            assert_eq!(last.as_deref(), Some(last_key(block.value()).unwrap().as_slice()));
        }
        rows
    }

    /// Blocks hold what a map holds, whatever is written and deleted, in whatever order.
    #[test]
    fn blocks_are_a_map() {
        let mut rng = rng(1);
        for kind in 0..3_u64 {
            let database = Database::builder().create_with_backend(redb::backends::InMemoryBackend::new()).unwrap();
            let mut model = BTreeMap::new();
            for round in 0..40_u64 {
                let mut writes = Writes::default();
                for n in 0..below(&mut rng, 120) as u64 {
                    let number = if kind == 0 { round * 200 + n } else { rng.next_u64() % (3_000 * kind) };
                    let key = [b"prefix".as_slice(), &number.to_be_bytes()].concat();
                    let length = if below(&mut rng, 50) == 0 { 9_000 } else { below(&mut rng, 300) };
                    let value = (below(&mut rng, 4) > 0).then(|| vec![round as u8; length]);
                    writes.set(&key, value.as_deref());
                    match value {
                        Some(value) => drop(model.insert(key, value)),
                        None => drop(model.remove(&key)),
                    }
                }
                let transaction = database.begin_write().unwrap();
                flush(&mut transaction.open_table(TABLE).unwrap(), &writes, if kind == 2 { LONG } else { PAGE })
                    .unwrap();
                transaction.commit().unwrap();
                assert_eq!(all(&database), model);
            }
            assert!(model.len() > 500);
        }
    }

    /// What grows at its end fills its pages.
    #[test]
    fn appending_leaves_no_holes() {
        let keys: Vec<_> = (0..1_000_u64).map(u64::to_be_bytes).collect();
        let rows: Vec<Row<'_>> = keys.iter().map(|key| (key.as_slice(), [1; 90].as_slice())).collect();
        for most in [PAGE, LONG] {
            let blocks = pack(&rows, true, most);
            assert!(blocks.iter().all(|(_, block)| block.len() <= most));
            assert!(blocks.len() <= 1_000 * (90 + HEAD + 2) / (most - 100) + 1, "{}", blocks.len());
        }
    }

    /// Bytes that nobody wrote are damage, not a panic.
    #[test]
    fn broken_blocks_are_damage() {
        let mut rng = rng(2);
        let good = pack(&[(&[1, 2], &[3; 9]), (&[1, 3], &[4; 9])], true, PAGE).remove(0).1;
        for _ in 0..2_000 {
            let mut bad = good.clone();
            let at = below(&mut rng, bad.len());
            bad[at] ^= 1 << below(&mut rng, 8);
            bad.truncate(bad.len() - below(&mut rng, 3));
            drop((find(&bad, &[1, 3]), last_key(&bad)));
        }
        assert!(last_key(&good[..good.len() - 1]).is_err());
    }

    /// Found by `fuzz::blocks`: such a key was read, and the next write of its block panicked.
    #[test]
    fn a_key_longer_than_any_of_ours_is_damage() {
        let row = |shared: u8, rest: &[u8]| [&[shared, u8::try_from(rest.len()).unwrap(), 0, 0, 0, 0], rest].concat();
        let longest = row(0, &[1; 255]);
        assert_eq!(last_key(&longest).unwrap(), [1; 255]);
        assert!(last_key(&[longest.clone(), row(255, &[1])].concat()).is_err());
        assert!(last_key(&[longest, row(254, &[2, 1])].concat()).is_err());
    }

    #[test]
    fn keys_that_do_not_ascend_are_damage() {
        let row = |shared: u8, rest: &[u8]| [&[shared, u8::try_from(rest.len()).unwrap(), 0, 0, 0, 0], rest].concat();
        let two = |shared, rest: &[u8]| last_key(&[row(0, b"ab"), row(shared, rest)].concat());
        assert_eq!((two(1, b"c").unwrap(), two(2, b"a").unwrap()), (b"ac".to_vec(), b"aba".to_vec()));
        for (shared, rest) in [(1, &b"b"[..]), (1, b"a"), (0, b"ac"), (2, b""), (1, b""), (3, b"a")] {
            assert!(two(shared, rest).is_err(), "{shared} {rest:?}");
        }
    }
}
