//! What was committed and does not stand in redb yet: a record a commit, a sync a record.
//!
//! ```text
//! file     "y7ke journal" · version u32 LE · 0…          from byte 512: records, and then anything
//! record   length u32 LE · number u64 LE · check 16 · sealed (length bytes)
//! check    the first bytes of BLAKE3(number ‖ sealed)
//! sealed   nonce 24 · XChaCha20-Poly1305(subkey "ledger/journal", aad = number)
//! plain    n × ( table u8 · key u16 LE · value u32 LE, all ones: taken away · bytes of the key · bytes of the value )
//!
//! commit      record n + 1 behind record n, synced
//! checkpoint  redb takes all rows above it and the number of the last record, in one transaction;
//!             the next record is written over the first one
//! opening     records from the one after redb's number on, one after the other, until there is none; the last is synced again
//! ```
//!
//! A commit of redb costs two syncs and a copy of a page for each table and level; a record costs one sync.
//!
//! Invariants
//! * Numbers grow by one and are never used twice in a file that was synced. So an old record behind the new ones
//!   is known by its number, and nothing needs to be wiped or cut off.
//! * Only the last record can be torn, and nobody was told of it. A record that is broken with its successor
//!   behind it is damage, and so is a gap: redb is older than this file then.
//! * The check tells a torn record from one of another vault: that one does not open, and nothing is dropped.

pub(crate) mod fuzz;

use std::io;
use std::ops::Range;

use rand_core::CryptoRng;
use redb::StorageBackend;
use y7ke_crypto::vault::SubKey;

use super::StorageError;
use super::raw::{Layer, Tbl};

const MAGIC: &[u8; 12] = b"y7ke journal";
const VERSION: u32 = 1;

/// Where records begin: the head has a sector of its own, which no record can tear.
const RECORDS: usize = 512;

/// Bytes of a record before what is sealed.
const HEAD: usize = 4 + 8 + 16;

/// Bytes of a row before its key.
const ROW: usize = 1 + 2 + 4;

/// A journal that would become longer is emptied into redb instead.
const LIMIT: usize = 4 * 1024 * 1024;

/// A batch with more bytes goes into redb at once: it pays for two syncs, and is written once instead of twice.
const LARGE: usize = 128 * 1024;

/// The file grows by so many bytes at a time, so that most syncs change no length.
const STEP: usize = 64 * 1024;

const GONE: u32 = u32::MAX;

/// The journal of one ledger.
pub(super) struct Journal {
    file: Box<dyn StorageBackend>,
    /// Bytes of the file.
    len: usize,
    /// Where the next record begins.
    end: usize,
    /// The number of the last record.
    last: u64,
    /// Something failed: what stands on the disk is known only after it was opened again.
    broken: bool,
}

impl Journal {
    /// Makes an empty journal of this file, durably.
    pub(super) fn create(file: &dyn StorageBackend) -> io::Result<()> {
        let mut head = vec![0; RECORDS];
        head[..MAGIC.len()].copy_from_slice(MAGIC);
        head[MAGIC.len()..][..4].copy_from_slice(&VERSION.to_le_bytes());
        file.set_len(RECORDS as u64)?;
        file.write(0, &head)?;
        file.sync_data()
    }

    /// Reads the records that redb, which has everything up to number `applied`, has not seen.
    pub(super) fn open(
        file: Box<dyn StorageBackend>,
        applied: u64,
        key: &SubKey,
    ) -> Result<(Self, Layer), StorageError> {
        let len = usize::try_from(file.len().map_err(disk)?).or(Err(damaged("the journal's length")))?;
        let mut bytes = vec![0; len.min(RECORDS + LIMIT)];
        file.read(0, &mut bytes).map_err(disk)?;
        check_head(&bytes)?;
        let mut journal = Self { file, len, end: RECORDS, last: applied, broken: false };
        let (mut rows, mut last) = (Layer::empty(), 0..0);
        while let Some(record) = Record::at(&bytes, journal.end) {
            if record.number <= journal.last {
                break;
            }
            if record.number > journal.last + 1 {
                return Err(damaged("ledger.redb is older than its journal"));
            }
            record.open(key, &mut rows)?;
            last = journal.end..journal.end + record.size();
            journal.end = last.end;
            journal.last += 1;
        }
        journal.expect_no_more(&bytes)?;
        journal.make_durable(last, &bytes).map_err(disk)?;
        Ok((journal, rows))
    }

    /// The last record may be what was written before a sync failed: then nobody was told of it, and it stands in memory
    /// alone. It is written once more, for a system may take pages of a failed sync for clean.
    fn make_durable(&self, last: Range<usize>, bytes: &[u8]) -> io::Result<()> {
        if last.is_empty() {
            return Ok(());
        }
        self.file.write(last.start as u64, bytes.get(last).unwrap_or_default())?;
        self.file.sync_data()
    }

    /// The record behind one that is broken shows that this one was whole once.
    fn expect_no_more(&self, bytes: &[u8]) -> Result<(), StorageError> {
        let (behind, number) = (bytes.get(self.end..).unwrap_or_default(), (self.last + 2).to_le_bytes());
        let mut places = behind.windows(12).enumerate().filter(|(_, head)| head[4..] == number);
        match places.any(|(at, _)| Record::at(behind, at).is_some()) {
            true => Err(damaged("a record of the journal")),
            false => Ok(()),
        }
    }

    /// The number of the last record.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    /// Whether something failed; the ledger must be opened again.
    pub(super) const fn is_broken(&self) -> bool {
        self.broken
    }

    /// What stands on the disk is not known any more.
    pub(super) const fn break_off(&mut self) {
        self.broken = true;
    }

    /// Whether a batch is to be written here, and not into redb.
    pub(super) fn takes(&self, rows: &Layer) -> bool {
        let mut size = 0;
        for (_, key, value) in rows.iter() {
            size += size_of_row(key, value);
            if size > LARGE {
                return false;
            }
        }
        self.end + HEAD + y7ke_crypto::vault::SEAL_OVERHEAD + size <= RECORDS + LIMIT
    }

    /// Writes a batch down; when this returns it is durable.
    pub(super) fn append(&mut self, rows: &Layer, key: &SubKey, rng: &mut impl CryptoRng) -> Result<(), StorageError> {
        let record = sealed(self.last + 1, rows, key, rng);
        if let Err(fault) = self.write(&record) {
            self.broken = true;
            return Err(disk(fault));
        }
        self.end += record.len();
        self.last += 1;
        Ok(())
    }

    fn write(&mut self, record: &[u8]) -> io::Result<()> {
        let end = self.end + record.len();
        if end > self.len {
            let len = end.next_multiple_of(STEP);
            self.file.set_len(len as u64)?;
            // Zeros that are written have their place on the disk; a hole would get it with each sync.
            self.file.write(self.len as u64, &vec![0; len - self.len])?;
            self.len = len;
        }
        self.file.write(self.end as u64, record)?;
        self.file.sync_data()
    }

    /// Redb has everything: the next record takes the place of the first.
    pub(super) const fn restart(&mut self) {
        self.end = RECORDS;
    }
}

/// A record whose check holds.
struct Record<'b> {
    number: u64,
    sealed: &'b [u8],
}

impl<'b> Record<'b> {
    fn at(bytes: &'b [u8], at: usize) -> Option<Self> {
        let length = length_at(bytes, at)?;
        let (number, rest) = bytes.get(at + 4..)?.split_first_chunk::<8>()?;
        let (check, rest) = rest.split_first_chunk::<16>()?;
        let sealed = rest.get(..length)?;
        (check_of(number, sealed) == *check).then_some(Self { number: u64::from_le_bytes(*number), sealed })
    }

    fn size(&self) -> usize {
        HEAD + self.sealed.len()
    }

    /// Adds its rows to those of the records before.
    fn open(&self, key: &SubKey, rows: &mut Layer) -> Result<(), StorageError> {
        let plain = key.open(&self.number.to_le_bytes(), self.sealed);
        let plain = plain.or(Err(StorageError::Sealed { table: "journal" }))?;
        let mut rest = plain.as_slice();
        while !rest.is_empty() {
            rest = read_row(rest, rows).ok_or(damaged("a row of the journal"))?;
        }
        Ok(())
    }
}

fn length_at(bytes: &[u8], at: usize) -> Option<usize> {
    let length = bytes.get(at..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*length)).ok()
}

fn check_of(number: &[u8; 8], sealed: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(number).update(sealed);
    let mut check = [0; 16];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    check
}

fn sealed(number: u64, rows: &Layer, key: &SubKey, rng: &mut impl CryptoRng) -> Vec<u8> {
    let mut plain = Vec::new();
    rows.iter().for_each(|(table, key, value)| put_row(&mut plain, table, key, value));
    let number = number.to_le_bytes();
    let sealed = key.seal(rng, &number, &plain);
    let length = u32::try_from(sealed.len()).expect("a batch of the journal is small");
    [length.to_le_bytes().as_slice(), &number, &check_of(&number, &sealed), &sealed].concat()
}

fn size_of_row(key: &[u8], value: Option<&[u8]>) -> usize {
    ROW + key.len() + value.map_or(0, <[u8]>::len)
}

fn put_row(plain: &mut Vec<u8>, table: Tbl, key: &[u8], value: Option<&[u8]>) {
    let short = |length: usize| u16::try_from(length).expect("no key has 64 KiB");
    let long = |length: usize| u32::try_from(length).expect("a batch of the journal is small");
    plain.push(table as u8);
    plain.extend_from_slice(&short(key.len()).to_le_bytes());
    plain.extend_from_slice(&value.map_or(GONE, |value| long(value.len())).to_le_bytes());
    plain.extend_from_slice(key);
    plain.extend_from_slice(value.unwrap_or_default());
}

/// Reads a row, and returns what is behind it.
fn read_row<'p>(plain: &'p [u8], rows: &mut Layer) -> Option<&'p [u8]> {
    let ([table, k0, k1, length @ ..], rest) = plain.split_first_chunk::<ROW>()?;
    let table = Tbl::ALL.get(usize::from(*table))?;
    let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([*k0, *k1])))?;
    match u32::from_le_bytes(*length) {
        GONE => {
            rows.set(*table, key, None);
            Some(rest)
        }
        length => {
            let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            rows.set(*table, key, Some(value));
            Some(rest)
        }
    }
}

fn check_head(bytes: &[u8]) -> Result<(), StorageError> {
    match bytes.split_first_chunk::<12>() {
        Some((MAGIC, rest)) if rest.first_chunk() == Some(&VERSION.to_le_bytes()) => Ok(()),
        Some((MAGIC, _)) => Err(damaged("the journal is of another version")),
        _ => Err(damaged("ledger.journal is missing or is no journal; put back the one that lay beside ledger.redb")),
    }
}

const fn damaged(what: &'static str) -> StorageError {
    StorageError::Damaged { what }
}

fn disk(fault: io::Error) -> StorageError {
    StorageError::Disk(redb::Error::Io(fault))
}
