//! A disk in memory that knows what a crash would leave, and fails when told to.
//!
//! ```text
//! files    the database's pages and the journal: each with a length and a sync of its own
//! image    what reads see
//! undo     what stood where something was written since the last sync: image − undo = durable
//! ```
//!
//! A crash here loses everything that was not synced; the simulator's disk tears and reorders as well.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use crate::store::Storage;

/// What stands in the two files.
pub type Image = [Vec<u8>; 2];

/// A disk. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    platter: Arc<Mutex<Platter>>,
}

/// One of its files.
#[derive(Debug)]
struct Part {
    disk: Disk,
    file: usize,
}

#[derive(Debug, Default)]
struct Platter {
    files: [File; 2],
    /// Operations that change something, since ever.
    changes: u64,
    /// The number of the operation that fails, and all after it.
    fails_at: Option<u64>,
}

#[derive(Debug, Default)]
struct File {
    image: Vec<u8>,
    durable_len: usize,
    undo: Vec<(usize, Vec<u8>)>,
}

impl Disk {
    /// A disk that holds `image`, all of it durable.
    pub fn of(image: Image) -> Self {
        let files = image.map(|image| File { durable_len: image.len(), image, undo: Vec::new() });
        Self { platter: Arc::new(Mutex::new(Platter { files, ..Platter::default() })) }
    }

    /// What a ledger is opened on.
    pub fn storage(&self) -> Storage {
        let part = |file| Box::new(Part { disk: self.clone(), file });
        Storage::Backends { pages: part(0), journal: part(1) }
    }

    /// The database's pages alone: for who writes into them past the ledger.
    pub(super) fn pages(&self) -> impl StorageBackend {
        Part { disk: self.clone(), file: 0 }
    }

    /// What a crash now would leave.
    pub fn durable(&self) -> Image {
        self.lock().files.each_ref().map(File::durable)
    }

    /// Whether a crash now would lose nothing.
    pub fn is_synced(&self) -> bool {
        self.lock().files.iter().all(|file| file.undo.is_empty() && file.durable_len == file.image.len())
    }

    /// How often something was written, made longer or synced.
    pub fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// From the `after`-th change from now on, everything that changes something fails.
    pub fn fail(&self, after: u64) {
        let mut platter = self.lock();
        platter.fails_at = Some(platter.changes.saturating_add(after));
    }

    /// It works again.
    pub fn heal(&self) {
        self.lock().fails_at = None;
    }

    fn lock(&self) -> MutexGuard<'_, Platter> {
        self.platter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Platter {
    fn change(&mut self, file: usize) -> io::Result<&mut File> {
        if self.fails_at.is_some_and(|at| at <= self.changes) {
            return Err(io::Error::other("this disk fails on purpose"));
        }
        self.changes += 1;
        Ok(&mut self.files[file])
    }
}

impl File {
    fn durable(&self) -> Vec<u8> {
        let mut durable = self.image.clone();
        for (at, bytes) in self.undo.iter().rev() {
            let end = at + bytes.len();
            if durable.len() < end {
                durable.resize(end, 0);
            }
            durable[*at..end].copy_from_slice(bytes);
        }
        durable.resize(self.durable_len, 0);
        durable
    }

    fn keep(&mut self, from: usize, to: usize) {
        let to = to.min(self.image.len());
        if from < to {
            self.undo.push((from, self.image[from..to].to_vec()));
        }
    }
}

fn place(offset: u64, len: usize) -> io::Result<(usize, usize)> {
    let at = usize::try_from(offset).ok();
    let range = at.and_then(|at| Some((at, at.checked_add(len)?)));
    range.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}

impl StorageBackend for Part {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.lock().files[self.file].image.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (from, to) = place(offset, out.len())?;
        let platter = self.disk.lock();
        let found = platter.files[self.file].image.get(from..to);
        out.copy_from_slice(found.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let (_, len) = place(len, 0)?;
        let mut platter = self.disk.lock();
        let file = platter.change(self.file)?;
        let end = file.image.len();
        file.keep(len, end);
        file.image.resize(len, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.disk.lock();
        let file = platter.change(self.file)?;
        file.undo.clear();
        file.durable_len = file.image.len();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let (from, to) = place(offset, data.len())?;
        let mut platter = self.disk.lock();
        let file = platter.change(self.file)?;
        file.keep(from, to);
        if file.image.len() < to {
            file.image.resize(to, 0);
        }
        file.image[from..to].copy_from_slice(data);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(disk: &Disk) -> Part {
        Part { disk: disk.clone(), file: 0 }
    }

    #[test]
    fn a_crash_leaves_what_was_synced() {
        let disk = Disk::of([vec![1; 4], vec![5]]);
        let file = pages(&disk);
        file.write(2, &[2; 4]).unwrap();
        file.write(0, &[3; 3]).unwrap();
        Part { disk: disk.clone(), file: 1 }.sync_data().unwrap();
        assert_eq!((disk.durable(), disk.is_synced()), ([vec![1; 4], vec![5]], false));
        file.sync_data().unwrap();
        assert_eq!((disk.durable()[0].clone(), disk.is_synced()), (vec![3, 3, 3, 2, 2, 2], true));
        file.set_len(1).unwrap();
        file.write(1, &[9; 2]).unwrap();
        assert_eq!(disk.durable()[0], [3, 3, 3, 2, 2, 2]);
    }

    #[test]
    fn it_fails_when_told_to() {
        let disk = Disk::of([vec![0; 4], vec![]]);
        let file = pages(&disk);
        disk.fail(1);
        file.write(0, &[1]).unwrap();
        assert!(file.write(0, &[2]).is_err() && file.sync_data().is_err());
        disk.heal();
        file.sync_data().unwrap();
    }
}
