//! A disk in memory that knows what a crash would leave, and fails when told to.
//!
//! ```text
//! image    what reads see
//! undo     what stood where something was written since the last sync: image − undo = durable
//! ```
//!
//! A crash here loses everything that was not synced; the simulator's disk tears and reorders as well.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// A disk. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    platter: Arc<Mutex<Platter>>,
}

#[derive(Debug, Default)]
struct Platter {
    image: Vec<u8>,
    durable_len: usize,
    undo: Vec<(usize, Vec<u8>)>,
    /// Operations that change something, since ever.
    changes: u64,
    /// The number of the operation that fails, and all after it.
    fails_at: Option<u64>,
}

impl Disk {
    /// A disk that holds `image`, all of it durable.
    pub fn of(image: Vec<u8>) -> Self {
        let platter = Platter { durable_len: image.len(), image, ..Platter::default() };
        Self { platter: Arc::new(Mutex::new(platter)) }
    }

    /// What a crash now would leave.
    pub fn durable(&self) -> Vec<u8> {
        let platter = self.lock();
        let mut durable = platter.image.clone();
        for (at, bytes) in platter.undo.iter().rev() {
            let end = at + bytes.len();
            if durable.len() < end {
                durable.resize(end, 0);
            }
            durable[*at..end].copy_from_slice(bytes);
        }
        durable.resize(platter.durable_len, 0);
        durable
    }

    /// Whether a crash now would lose nothing.
    pub fn is_synced(&self) -> bool {
        let platter = self.lock();
        platter.undo.is_empty() && platter.durable_len == platter.image.len()
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
    fn change(&mut self) -> io::Result<()> {
        if self.fails_at.is_some_and(|at| at <= self.changes) {
            return Err(io::Error::other("this disk fails on purpose"));
        }
        self.changes += 1;
        Ok(())
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

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().image.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (from, to) = place(offset, out.len())?;
        let platter = self.lock();
        let found = platter.image.get(from..to).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let (_, len) = place(len, 0)?;
        let mut platter = self.lock();
        platter.change()?;
        let end = platter.image.len();
        platter.keep(len, end);
        platter.image.resize(len, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.lock();
        platter.change()?;
        platter.undo.clear();
        platter.durable_len = platter.image.len();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let (from, to) = place(offset, data.len())?;
        let mut platter = self.lock();
        platter.change()?;
        platter.keep(from, to);
        if platter.image.len() < to {
            platter.image.resize(to, 0);
        }
        platter.image[from..to].copy_from_slice(data);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_leaves_what_was_synced() {
        let disk = Disk::of(vec![1; 4]);
        disk.write(2, &[2; 4]).unwrap();
        disk.write(0, &[3; 3]).unwrap();
        assert_eq!((disk.durable(), disk.is_synced()), (vec![1; 4], false));
        disk.sync_data().unwrap();
        assert_eq!((disk.durable(), disk.is_synced()), (vec![3, 3, 3, 2, 2, 2], true));
        disk.set_len(1).unwrap();
        disk.write(1, &[9; 2]).unwrap();
        assert_eq!(disk.durable(), [3, 3, 3, 2, 2, 2]);
    }

    #[test]
    fn it_fails_when_told_to() {
        let disk = Disk::of(vec![0; 4]);
        disk.fail(1);
        disk.write(0, &[1]).unwrap();
        assert!(disk.write(0, &[2]).is_err() && disk.sync_data().is_err());
        disk.heal();
        disk.sync_data().unwrap();
    }
}
