//! A disk in memory that keeps exactly the promises that a real one keeps, and not one more.
//!
//! ```text
//! files      the database's pages and the journal          a sync confirms one of them
//! durable    what a sync confirmed                         survives every crash
//! pending    sector ─▶ every version written since then    a crash keeps any one of them, or the durable one
//! lengths    every file length since then                  likewise
//! image      durable + newest pending                      what reads see (the page cache)
//!
//! crash   Loss::All       nothing pending survives
//!         Loss::None      everything survives
//!         Loss::After(k)  the first k writes (to either file) survive, the (k+1)-th is torn at 512 B
//!         Loss::Any       each sector keeps any of its versions: lost, torn and reordered
//! ```
//!
//! * A sector (512 B) is written whole or not at all.
//! * Handles of before a crash are dead: a dropped database cannot write into the next life.
//! * Failed operations: the n-th from now, once or lasting, as EIO or ENOSPC. A write that meets
//!   ENOSPC has written its first half. A failed sync made nothing durable.
//! * [`SimDisk::cut_power_after`] stops the machine between two operations: that is how a commit is
//!   interrupted at each of its steps.
//! * [`SimDisk::lie`] makes syncs lie. No store survives that; it shows that the checkers see it.

use std::collections::BTreeMap;
use std::io::{self, BufRead, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use y7ke_ledger::store::Storage;

use super::dice::Dice;

/// What a disk writes whole or not at all, in bytes.
pub const SECTOR: usize = 512;

/// A disk. Clones share it.
#[derive(Clone, Debug)]
pub struct SimDisk {
    platter: Arc<Mutex<Platter>>,
}

/// The files of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The database.
    Pages,
    /// What the database does not have yet.
    Journal,
}

/// What stands in the files, in the order of [`Part`].
pub type Image = [Vec<u8>; 2];

/// One process's handle of a file.
#[derive(Debug)]
pub struct Plug {
    disk: SimDisk,
    part: Part,
    life: u64,
}

/// An operation of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Growing or shrinking.
    SetLen,
    /// Making durable.
    Sync,
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errno {
    /// The medium failed.
    Io,
    /// The disk is full.
    NoSpace,
}

/// A failure to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Of this operation, or of any.
    pub op: Option<Op>,
    /// So many of them succeed before.
    pub after: u64,
    /// How.
    pub errno: Errno,
    /// Every one from then on, until [`SimDisk::heal`].
    pub lasting: bool,
}

/// What a crash does to the writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All are lost.
    All,
    /// None is lost.
    None,
    /// Those after the `k`-th are lost, and the next is torn.
    After(u64),
    /// Any subset is lost, in any order, torn anywhere.
    Any,
}

#[derive(Debug, Default)]
struct Platter {
    files: [File; 2],
    /// Number of the current life: one more after each crash.
    life: u64,
    /// Writes and lengths since everything was synced last.
    stamp: u64,
    /// Operations that change something, since ever.
    ops: u64,
    faults: Vec<Fault>,
    power_until: Option<u64>,
    lying: bool,
    needle: Option<Vec<u8>>,
    leaked: bool,
    hits: u64,
}

#[derive(Debug, Default)]
struct File {
    durable: Vec<u8>,
    image: Vec<u8>,
    pending: BTreeMap<usize, Vec<Version>>,
    lengths: Vec<(u64, usize)>,
}

#[derive(Debug)]
struct Version {
    stamp: u64,
    bytes: Box<[u8; SECTOR]>,
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl SimDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self { platter: Arc::new(Mutex::new(Platter::default())) }
    }

    /// A disk that holds `image`, all of it durable.
    pub fn of(image: Image) -> Self {
        let disk = Self::new();
        disk.lock().files = image.map(|image| File { durable: image.clone(), image, ..File::default() });
        disk
    }

    /// A handle of a file for one process. The next crash ends it.
    pub fn plug(&self, part: Part) -> Plug {
        Plug { disk: self.clone(), part, life: self.lock().life }
    }

    /// What one process's ledger is opened on. The next crash ends it.
    pub fn storage(&self) -> Storage {
        Storage::Backends { pages: Box::new(self.plug(Part::Pages)), journal: Box::new(self.plug(Part::Journal)) }
    }

    /// What a power cut at this moment leaves at the least: nothing that was not synced.
    pub fn durable(&self) -> Image {
        self.lock().files.each_ref().map(|file| file.durable.clone())
    }

    /// Another disk with the same content: a snapshot of the machine, a copied folder.
    pub fn copy(&self) -> Self {
        Self::of(self.lock().files.each_ref().map(|file| file.image.clone()))
    }

    /// The machine stops here; what was not synced meets its fate. Faults to come are forgotten.
    pub fn crash(&self, dice: &mut Dice) -> Loss {
        let mut platter = self.lock();
        let loss = match dice.below(5) {
            0 => Loss::All,
            1 => Loss::None,
            2 => Loss::After(dice.below(platter.stamp + 1)),
            _ => Loss::Any,
        };
        platter.lose(loss, dice);
        loss
    }

    /// The machine stops here, with this loss.
    pub fn crash_with(&self, loss: Loss, dice: &mut Dice) {
        self.lock().lose(loss, dice);
    }

    /// Every handle is dead from now on: what a dying process still does reaches nothing.
    pub fn unplug(&self) {
        self.lock().life += 1;
    }

    /// Lets an operation fail.
    pub fn fail(&self, fault: Fault) {
        self.lock().faults.push(fault);
    }

    /// Takes back every failure that is planned or lasts, and a power cut that has not come yet.
    pub fn heal(&self) {
        let mut platter = self.lock();
        platter.faults.clear();
        if !platter.is_dark() {
            platter.power_until = None;
        }
    }

    /// The power goes after so many more changing operations; then nothing works until a crash.
    pub fn cut_power_after(&self, ops: u64) {
        let mut platter = self.lock();
        platter.power_until = Some(platter.ops + ops);
    }

    /// Has the power gone?
    pub fn is_dark(&self) -> bool {
        self.lock().is_dark()
    }

    /// From now on syncs only say that they did it. (A planted fault.)
    pub fn lie(&self) {
        self.lock().lying = true;
    }

    /// Operations that changed something, since ever.
    pub fn ops(&self) -> u64 {
        self.lock().ops
    }

    /// How many operations failed because they were told to.
    pub fn hits(&self) -> u64 {
        self.lock().hits
    }

    /// From now on every write is searched for these bytes.
    pub fn watch(&self, needle: &[u8]) {
        self.lock().needle = Some(needle.to_vec());
    }

    /// Were the watched bytes ever written, or do they stand in an image?
    pub fn leaks(&self) -> bool {
        let platter = self.lock();
        platter.leaked || platter.needle.as_ref().is_some_and(|needle| platter.holds(needle))
    }

    /// Do these bytes stand in what is durable or in what is about to be?
    pub fn holds(&self, needle: &[u8]) -> bool {
        self.lock().holds(needle)
    }

    fn lock(&self) -> MutexGuard<'_, Platter> {
        self.platter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Platter {
    fn is_dark(&self) -> bool {
        self.power_until.is_some_and(|until| self.ops >= until)
    }

    /// Whether this operation goes through; a planned failure answers instead.
    fn admit(&mut self, op: Op, life: u64) -> io::Result<()> {
        if life != self.life || self.is_dark() {
            return Err(io::Error::new(ErrorKind::NotConnected, "the machine is off"));
        }
        if op != Op::Read {
            self.ops += 1;
        }
        match self.due_fault(op) {
            Some(errno) => {
                self.hits += 1;
                Err(errno.error())
            }
            None => Ok(()),
        }
    }

    fn due_fault(&mut self, op: Op) -> Option<Errno> {
        let mut due = None;
        self.faults.retain_mut(|fault| {
            if fault.op.is_some_and(|only| only != op) || due.is_some() {
                return true;
            }
            if fault.after > 0 {
                fault.after -= 1;
                return true;
            }
            due = Some(fault.errno);
            fault.lasting
        });
        due
    }

    fn holds(&self, needle: &[u8]) -> bool {
        self.files.iter().any(|file| contains(&file.image, needle) || contains(&file.durable, needle))
    }

    fn write(&mut self, part: Part, offset: u64, data: &[u8]) -> io::Result<()> {
        let (from, to) = bounds(offset, data.len())?;
        if to > self.files[part as usize].image.len() {
            self.set_len(part, to);
        }
        self.leaked |= self.needle.as_ref().is_some_and(|needle| contains(data, needle));
        self.stamp += 1;
        let file = &mut self.files[part as usize];
        file.image[from..to].copy_from_slice(data);
        file.note(self.stamp, from, to);
        Ok(())
    }

    fn set_len(&mut self, part: Part, len: usize) {
        self.stamp += 1;
        let file = &mut self.files[part as usize];
        let before = file.image.len();
        file.image.resize(len, 0);
        file.lengths.push((self.stamp, len));
        if len < before {
            file.note(self.stamp, len, before);
        }
    }

    fn sync(&mut self, part: Part) {
        if self.lying {
            return;
        }
        self.files[part as usize].sync();
        if self.files.iter().all(|file| file.pending.is_empty() && file.lengths.is_empty()) {
            self.stamp = 0;
        }
    }

    fn lose(&mut self, loss: Loss, dice: &mut Dice) {
        self.files.iter_mut().for_each(|file| file.lose(loss, dice));
        self.stamp = 0;
        self.faults.clear();
        self.power_until = None;
        self.life += 1;
    }
}

impl File {
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (from, to) = bounds(offset, out.len())?;
        let bytes =
            self.image.get(from..to).ok_or_else(|| io::Error::new(ErrorKind::UnexpectedEof, "beyond the end"))?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    /// The sectors of `from..to` have a new version: what the image says, zero beyond its end.
    fn note(&mut self, stamp: u64, from: usize, to: usize) {
        for sector in from / SECTOR..to.div_ceil(SECTOR) {
            let bytes = Box::new(sector_of(&self.image, sector));
            self.pending.entry(sector).or_default().push(Version { stamp, bytes });
        }
    }

    fn sync(&mut self) {
        self.durable.clone_from(&self.image);
        self.pending.clear();
        self.lengths.clear();
    }

    fn lose(&mut self, loss: Loss, dice: &mut Dice) {
        let mut after = std::mem::take(&mut self.durable);
        let len = survivor(&self.lengths, |(stamp, _)| *stamp, loss, dice).map_or(after.len(), |(_, len)| *len);
        after.resize(len, 0);
        for (sector, versions) in &self.pending {
            if let Some(version) = survivor(versions, |version| version.stamp, loss, dice) {
                put_sector(&mut after, *sector, &version.bytes);
            }
        }
        self.image = after;
        self.sync();
    }
}

/// Which of the versions a crash leaves; none: the durable one.
fn survivor<'a, T>(versions: &'a [T], stamp: impl Fn(&T) -> u64, loss: Loss, dice: &mut Dice) -> Option<&'a T> {
    match loss {
        Loss::All => None,
        Loss::None => versions.last(),
        Loss::After(kept) => {
            // The write after the last that survived is torn: each of its sectors came through or not.
            let reached = kept + u64::from(dice.coin());
            versions.iter().rev().find(|version| stamp(version) <= reached)
        }
        Loss::Any => match dice.below(versions.len() as u64 + 1) {
            0 => None,
            nth => versions.get(usize::try_from(nth).unwrap_or(usize::MAX) - 1),
        },
    }
}

fn sector_of(image: &[u8], sector: usize) -> [u8; SECTOR] {
    let mut bytes = [0; SECTOR];
    let from = (sector * SECTOR).min(image.len());
    let to = (from + SECTOR).min(image.len());
    bytes[..to - from].copy_from_slice(&image[from..to]);
    bytes
}

/// What of a sector lies beyond the end is lost: the length did not survive.
fn put_sector(image: &mut [u8], sector: usize, bytes: &[u8; SECTOR]) {
    let from = (sector * SECTOR).min(image.len());
    let to = (from + SECTOR).min(image.len());
    image[from..to].copy_from_slice(&bytes[..to - from]);
}

fn bounds(offset: u64, len: usize) -> io::Result<(usize, usize)> {
    let from = usize::try_from(offset).map_err(|fault| io::Error::new(ErrorKind::InvalidInput, fault))?;
    Ok((from, from + len))
}

/// Whether `needle` stands in `hay`. Leaps from one first byte to the next with the standard
/// library's own (optimised) search, so that megabytes are searched in a debug build.
pub fn contains(hay: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return true };
    let mut rest = hay;
    while let Ok(1..) = rest.skip_until(*first) {
        let from = hay.len() - rest.len() - 1;
        if hay[from..].starts_with(needle) {
            return true;
        }
    }
    false
}

impl Errno {
    fn error(self) -> io::Error {
        match self {
            Self::Io => io::Error::other("the medium failed (simulated)"),
            Self::NoSpace => io::Error::new(ErrorKind::StorageFull, "the disk is full (simulated)"),
        }
    }
}

impl Plug {
    fn with<T>(&self, op: Op, act: impl FnOnce(&mut Platter) -> io::Result<T>) -> io::Result<T> {
        let mut platter = self.disk.lock();
        platter.admit(op, self.life)?;
        act(&mut platter)
    }
}

impl StorageBackend for Plug {
    fn len(&self) -> io::Result<u64> {
        self.with(Op::Read, |platter| Ok(platter.files[self.part as usize].image.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.with(Op::Read, |platter| platter.files[self.part as usize].read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let (_, len) = bounds(len, 0)?;
        self.with(Op::SetLen, |platter| {
            platter.set_len(self.part, len);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(Op::Sync, |platter| {
            platter.sync(self.part);
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.disk.lock();
        match platter.admit(Op::Write, self.life) {
            Ok(()) => platter.write(self.part, offset, data),
            Err(fault) if fault.kind() == ErrorKind::StorageFull => {
                platter.write(self.part, offset, &data[..data.len() / 2 / SECTOR * SECTOR])?;
                Err(fault)
            }
            Err(fault) => Err(fault),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation ends a test")]
mod tests {
    use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

    use super::*;

    const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("t");

    fn sectors(fills: &[u8]) -> Vec<u8> {
        fills.iter().flat_map(|fill| [*fill; SECTOR]).collect()
    }

    fn read(disk: &SimDisk) -> Vec<u8> {
        let plug = disk.plug(Part::Pages);
        let mut out = vec![0; usize::try_from(plug.len().unwrap()).unwrap()];
        plug.read(0, &mut out).unwrap();
        out
    }

    #[test]
    fn what_was_synced_survives_every_crash() {
        for seed in 0..50 {
            let (disk, mut dice) = (SimDisk::new(), Dice::new(seed, "crash"));
            let plug = disk.plug(Part::Pages);
            plug.write(0, &sectors(&[1, 2])).unwrap();
            plug.sync_data().unwrap();
            plug.write(SECTOR as u64, &sectors(&[3, 4])).unwrap();
            disk.crash(&mut dice);
            let left = read(&disk);
            assert_eq!(left[..SECTOR], sectors(&[1]));
            assert!(left.len() == 2 * SECTOR || left.len() == 3 * SECTOR);
        }
    }

    #[test]
    fn every_way_of_losing_is_met() {
        let outcomes: std::collections::BTreeSet<Vec<u8>> = (0..200)
            .map(|seed| {
                let (disk, mut dice) = (SimDisk::of([sectors(&[1, 2]), Vec::new()]), Dice::new(seed, "crash"));
                let plug = disk.plug(Part::Pages);
                plug.write(0, &sectors(&[3, 4])).unwrap();
                plug.write(0, &sectors(&[5])).unwrap();
                disk.crash(&mut dice);
                let left = read(&disk);
                vec![left[0], left[SECTOR]]
            })
            .collect();
        // Lost, torn either way, kept, and the older of two writes kept.
        for possible in [[1, 2], [3, 2], [1, 4], [3, 4], [5, 4], [5, 2]] {
            assert!(outcomes.contains(possible.as_slice()), "{possible:?} never happens");
        }
        assert_eq!(outcomes.len(), 6);
    }

    #[test]
    fn a_sync_confirms_its_own_file_alone() {
        let (disk, mut dice) = (SimDisk::new(), Dice::new(1, "crash"));
        let (pages, journal) = (disk.plug(Part::Pages), disk.plug(Part::Journal));
        pages.write(0, &[1]).unwrap();
        journal.write(0, &[2]).unwrap();
        journal.sync_data().unwrap();
        disk.crash_with(Loss::All, &mut dice);
        assert_eq!(disk.durable(), [vec![], vec![2]]);
    }

    #[test]
    fn an_old_handle_is_dead_after_a_crash() {
        let disk = SimDisk::new();
        let old = disk.plug(Part::Pages);
        disk.crash(&mut Dice::new(1, "crash"));
        assert!(old.write(0, &[1]).is_err());
        disk.plug(Part::Pages).write(0, &[2]).unwrap();
        assert_eq!(read(&disk), [2]);
    }

    #[test]
    fn faults_come_when_planned_and_end_when_healed() {
        let disk = SimDisk::new();
        let plug = disk.plug(Part::Pages);
        disk.fail(Fault { op: Some(Op::Sync), after: 1, errno: Errno::Io, lasting: false });
        plug.sync_data().unwrap();
        assert!(plug.sync_data().is_err());
        plug.sync_data().unwrap();
        disk.fail(Fault { op: Some(Op::Write), after: 0, errno: Errno::NoSpace, lasting: true });
        (0..3).for_each(|_| assert_eq!(plug.write(0, &[1]).unwrap_err().kind(), ErrorKind::StorageFull));
        disk.heal();
        plug.write(0, &[1]).unwrap();
        assert_eq!(disk.hits(), 4);
    }

    #[test]
    fn power_goes_between_two_operations() {
        let disk = SimDisk::new();
        let plug = disk.plug(Part::Pages);
        disk.cut_power_after(2);
        plug.write(0, &[1]).unwrap();
        plug.sync_data().unwrap();
        assert!(plug.write(0, &[2]).is_err() && plug.len().is_err() && disk.is_dark());
        disk.crash(&mut Dice::new(1, "crash"));
        assert_eq!(read(&disk), [1]);
    }

    #[test]
    fn watched_bytes_are_found_wherever_they_stand() {
        let disk = SimDisk::new();
        disk.watch(b"canary");
        disk.plug(Part::Pages).write(0, &[7; 5_000]).unwrap();
        assert!(!disk.leaks() && !disk.holds(b"canary"));
        disk.plug(Part::Pages).write(600, b"..ccanary").unwrap();
        assert!(disk.leaks() && disk.holds(b"canary"));
        disk.plug(Part::Pages).write(600, &[0; 20]).unwrap();
        assert!(disk.leaks() && !disk.holds(b"canary"));
    }

    #[test]
    fn the_search_finds_what_a_naive_one_finds() {
        let mut dice = Dice::new(9, "search");
        for _ in 0..2_000 {
            let hay: Vec<u8> = (0..dice.below(40)).map(|_| dice.below(3) as u8).collect();
            let needle: Vec<u8> = (0..1 + dice.below(4)).map(|_| dice.below(3) as u8).collect();
            let naive = hay.windows(needle.len()).any(|window| window == needle);
            assert_eq!(contains(&hay, &needle), naive, "{needle:?} in {hay:?}");
        }
    }

    fn open(disk: &SimDisk) -> Result<Database, redb::DatabaseError> {
        Database::builder().set_cache_size(1 << 20).create_with_backend(disk.plug(Part::Pages))
    }

    /// Appends the next number; whether the commit was confirmed.
    fn append(db: &Database, at: u64, size: usize) -> Result<(), redb::Error> {
        let mut transaction = db.begin_write()?;
        transaction.set_two_phase_commit(true);
        transaction.set_quick_repair(true);
        transaction.open_table(TABLE)?.insert(at, vec![at as u8; size].as_slice())?;
        Ok(transaction.commit()?)
    }

    fn count(db: &Database) -> Result<u64, redb::Error> {
        let table = match db.begin_read()?.open_table(TABLE) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(0),
            Err(fault) => return Err(fault.into()),
        };
        for (expected, row) in (0..).zip(table.iter()?) {
            let (key, value) = row?;
            assert!(key.value() == expected && value.value().iter().all(|byte| *byte == expected as u8));
        }
        Ok(redb::ReadableTableMetadata::len(&table)?)
    }

    /// One life: as many appends as the power allows; (confirmed, perhaps one more).
    fn live(disk: &SimDisk, confirmed: u64, dice: &mut Dice) -> (u64, u64) {
        let Ok(db) = open(disk) else { return (confirmed, confirmed) };
        let Ok(held) = count(&db) else { return (confirmed, confirmed) };
        let end = held + dice.below(6);
        let reached = (held..end).find(|at| append(&db, *at, dice.below(1_500) as usize).is_err());
        reached.map_or((end, end), |failed| (failed, failed + 1))
    }

    #[test]
    fn redb_survives_a_thousand_crashes() {
        let (disk, mut dice) = (SimDisk::new(), Dice::new(1, "crashes"));
        let (mut confirmed, mut possible) = (0, 0);
        for crash in 0..1_000 {
            disk.cut_power_after(dice.below(60));
            let lived = live(&disk, confirmed, &mut dice);
            confirmed = confirmed.max(lived.0);
            possible = possible.max(lived.1).max(confirmed);
            disk.crash(&mut dice);
            let held = count(&open(&disk).unwrap()).unwrap();
            assert!((confirmed..=possible).contains(&held), "crash {crash}: {held} of {confirmed}..={possible}");
            (confirmed, possible) = (held, held);
        }
        assert!(confirmed > 500, "too little was tried: {confirmed}");
    }

    #[test]
    fn a_disk_that_lies_about_syncs_is_caught() {
        let lost = (0..20).any(|seed| {
            let (disk, mut dice) = (SimDisk::new(), Dice::new(seed, "lies"));
            let db = open(&disk).unwrap();
            append(&db, 0, 10).unwrap();
            disk.lie();
            append(&db, 1, 10).unwrap();
            drop(db);
            disk.crash(&mut dice);
            open(&disk).map_or(true, |db| count(&db).map_or(true, |held| held < 2))
        });
        assert!(lost);
    }
}
