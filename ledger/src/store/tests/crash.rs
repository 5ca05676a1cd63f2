//! Crash images: a disk that keeps unsynced writes apart and loses, tears and reorders them.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};

use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use redb::StorageBackend;
use y7ke_crypto::ids::EventId;

use super::*;
use crate::tests::{Story, below};

/// What a power cut may leave of one write: sectors of this many bytes.
const SECTOR: usize = 512;

#[derive(Clone, Debug)]
enum Pending {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

#[derive(Debug, Default)]
struct Disk {
    /// The pages and the journal.
    files: [File; 2],
    /// Operations until everything fails; `None`: never.
    left: Option<u64>,
    operations: u64,
}

#[derive(Debug, Default)]
struct File {
    /// As the program sees it.
    now: Vec<u8>,
    /// As it was synced last.
    synced: Vec<u8>,
    pending: Vec<Pending>,
}

impl Disk {
    fn step(&mut self, file: usize) -> io::Result<&mut File> {
        self.operations += 1;
        match &mut self.left {
            Some(0) => return Err(io::Error::other("the disk is gone")),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(&mut self.files[file])
    }
}

/// A disk in memory that can lose what was not synced.
#[derive(Clone, Debug)]
pub(super) struct SimDisk {
    disk: Arc<Mutex<Disk>>,
    seed: u64,
}

/// One of its files.
#[derive(Debug)]
struct Part {
    disk: SimDisk,
    file: usize,
}

impl SimDisk {
    pub(super) fn new(seed: u64) -> Self {
        Self { disk: Arc::default(), seed }
    }

    pub(super) fn of(image: [Vec<u8>; 2], seed: u64) -> Self {
        let files = image.map(|image| File { now: image.clone(), synced: image, pending: Vec::new() });
        Self { disk: Arc::new(Mutex::new(Disk { files, ..Disk::default() })), seed }
    }

    pub(super) fn storage(&self) -> Storage {
        let part = |file| Box::new(Part { disk: self.clone(), file });
        Storage::Backends { pages: part(0), journal: part(1) }
    }

    /// Everything fails after this many more operations.
    pub(super) fn fail_after(&self, operations: u64) {
        self.disk.lock().unwrap().left = Some(operations);
    }

    fn operations(&self) -> u64 {
        self.disk.lock().unwrap().operations
    }

    /// The bytes as the program sees them.
    pub(super) fn image(&self) -> [Vec<u8>; 2] {
        self.disk.lock().unwrap().files.each_ref().map(|file| file.now.clone())
    }

    /// What stands there for good.
    pub(super) fn synced(&self) -> [Vec<u8>; 2] {
        self.disk.lock().unwrap().files.each_ref().map(|file| file.synced.clone())
    }

    /// What is left after a power cut: the synced bytes, and any part of what was written since.
    fn crashed(&self) -> [Vec<u8>; 2] {
        let disk = self.disk.lock().unwrap();
        let mut rng = rng(self.seed ^ disk.operations);
        disk.files.each_ref().map(|file| file.crashed(&mut rng))
    }
}

impl File {
    fn crashed(&self, rng: &mut ChaCha20Rng) -> Vec<u8> {
        let mut image = self.synced.clone();
        let mut survivors: Vec<Pending> = self.pending.iter().filter(|_| below(rng, 3) > 0).cloned().collect();
        if below(rng, 2) == 0 {
            crate::tests::shuffle(rng, &mut survivors);
        }
        for pending in survivors {
            apply(&mut image, &pending, Some(rng));
        }
        image
    }
}

/// Applies a write, perhaps only some of its sectors.
fn apply(image: &mut Vec<u8>, pending: &Pending, mut tear: Option<&mut ChaCha20Rng>) {
    match pending {
        Pending::SetLen(len) => image.resize(usize::try_from(*len).unwrap(), 0),
        Pending::Write(offset, data) => {
            let start = usize::try_from(*offset).unwrap();
            image.resize(image.len().max(start + data.len()), 0);
            let torn = tear.as_mut().is_some_and(|rng| below(rng, 3) == 0);
            let mut at = 0;
            while at < data.len() {
                let end = data.len().min(at + SECTOR - (start + at) % SECTOR);
                if !torn || tear.as_mut().is_some_and(|rng| rng.next_u64().is_multiple_of(2)) {
                    image[start + at..start + end].copy_from_slice(&data[at..end]);
                }
                at = end;
            }
        }
    }
}

impl StorageBackend for Part {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.disk.lock().unwrap().files[self.file].now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.disk.disk.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        let found = disk.files[self.file].now.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut disk = self.disk.disk.lock().unwrap();
        let file = disk.step(self.file)?;
        file.now.resize(usize::try_from(len).unwrap(), 0);
        file.pending.push(Pending::SetLen(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut disk = self.disk.disk.lock().unwrap();
        let file = disk.step(self.file)?;
        file.synced = file.now.clone();
        file.pending.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut disk = self.disk.disk.lock().unwrap();
        let file = disk.step(self.file)?;
        let pending = Pending::Write(offset, data.to_vec());
        apply(&mut file.now, &pending, None);
        file.pending.push(pending);
        Ok(())
    }
}

fn open(disk: &SimDisk) -> Result<Ledger, StorageError> {
    Ledger::open(disk.storage(), sub_keys())
}

/// Writes the story in small batches until the disk fails; the ids of each durable commit.
fn write_until_it_fails(disk: &SimDisk, story: &Story) -> BTreeSet<EventId> {
    let mut durable = BTreeSet::new();
    let Ok(ledger) = open(disk) else { return durable };
    for chunk in story.events.chunks(3) {
        let Ok(mut batch) = ledger.begin(&mut rng(1)) else { return durable };
        let admitted = batch.ensure_log(story.spec).is_ok()
            && chunk.iter().all(|event| batch.admit(event.as_signed().clone(), vec![], sender()).is_ok());
        if !admitted || batch.commit().is_err() {
            return durable;
        }
        durable.extend(chunk.iter().map(|event| event.id()));
    }
    durable
}

/// E7: whatever a power cut leaves of unsynced writes, every committed event is there, the graph is
/// whole, and writing goes on.
#[test]
fn e7_committed_events_survive_every_crash() {
    let story = Story::new(77, 30, 0);
    let whole = SimDisk::new(0);
    assert_eq!(write_until_it_fails(&whole, &story).len(), 30);
    let total = whole.operations();
    for round in 0..120 {
        let disk = SimDisk::new(round);
        disk.fail_after(round * total / 120);
        let durable = write_until_it_fails(&disk, &story);
        let after = SimDisk::of(disk.crashed(), round);
        check(&after, &story, &durable, round);
    }
}

fn check(disk: &SimDisk, story: &Story, durable: &BTreeSet<EventId>, round: u64) {
    let ledger = match open(disk) {
        Ok(ledger) => ledger,
        // Cut while the file was being made: nothing was promised yet.
        Err(fault) if durable.is_empty() => return assert!(matches!(fault, StorageError::Disk(_)), "{fault}"),
        Err(fault) => panic!("round {round}: {fault}"),
    };
    let view = ledger.view().unwrap();
    for id in durable {
        let info = view.event(id).unwrap().unwrap_or_else(|| panic!("round {round}: lost {id}"));
        assert!(info.live);
    }
    let stored = view.stats().unwrap().events;
    assert!(stored >= durable.len() as u64 && stored <= durable.len() as u64 + 3, "round {round}: {stored}");
    let mut batch = ledger.begin(&mut rng(2)).unwrap();
    batch.ensure_log(story.spec).unwrap();
    story.events.iter().for_each(|event| drop(admit(&mut batch, event)));
    batch.commit().unwrap();
    assert_eq!(ledger.view().unwrap().stats().unwrap().live, 30);
}

/// A file and its folder are for this user alone; a second opener is told so; another key is told so.
#[test]
fn a_file_is_private_locked_and_bound_to_its_vault() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("profile");
    let ledger = Ledger::open(Storage::folder(&home), sub_keys()).unwrap();
    assert!(matches!(Ledger::open(Storage::folder(&home), sub_keys()), Err(StorageError::InUse)));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&home), mode(&home.join(FILE_NAME))), (0o700, 0o600));
        assert_eq!(mode(&home.join(JOURNAL_NAME)), 0o600);
    }
    let mut batch = ledger.begin(&mut rng(1)).unwrap();
    batch.put_secret("root", b"secret");
    batch.commit().unwrap();
    drop(ledger);
    let (_, dek) = y7ke_crypto::vault::VaultFile::with_file_slot(&mut rng(99));
    let other = Ledger::open(Storage::folder(&home), SubKeys::new(&dek)).unwrap();
    assert!(matches!(other.view().unwrap().secret("root"), Err(StorageError::Sealed { table: "secrets" })));
    drop(other);
    let again = Ledger::open(Storage::folder(&home), sub_keys()).unwrap();
    assert_eq!(again.view().unwrap().secret("root").unwrap().unwrap().as_slice(), b"secret");
}

/// A sealed value stands in its own place only: moved to another row it does not open.
#[test]
fn sealed_values_are_bound_to_their_row() {
    let ledger = in_memory();
    let mut batch = ledger.begin(&mut rng(1)).unwrap();
    batch.put_secret("one", b"first");
    let moved = batch.view.tables.get(raw::Tbl::Secrets, b"one").unwrap().unwrap();
    batch.put(raw::Tbl::Secrets, b"two", moved);
    assert!(matches!(batch.secret("two"), Err(StorageError::Sealed { .. })));
    assert_eq!(batch.secret("one").unwrap().unwrap().as_slice(), b"first");
}
