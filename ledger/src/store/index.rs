//! Where an event stands, by its id.
//!
//! ```text
//! commit n      ─▶ fresh:  run n ─▶ n × ( id 32 · place 20 ), ascending       a run per commit, one value each
//! commit n + 16 ─▶ ids:    id ─▶ place                                        all runs at once, in order of id
//! lookup           the batch · ids · run by run, the newest first
//! ```
//!
//! Ids are hashes: a commit that wrote its ids into one great table would copy a page for nearly each of them
//! (at 100,000 events 0.9 pages per event, which was a third of all that ingest cost). So the ids of some commits
//! wait together, and a page that has to be copied takes several of them.

use std::ops::Range;

use y7ke_crypto::ids::EventId;

use super::StorageError;
use super::batch::Batch;
use super::raw::Tbl;
use super::schema::{Place, meta, number_at, pair};
use super::view::View;

/// Runs that wait before they are merged: at 512 events each, 8,192 ids, and 16 looks for an id that is nowhere.
const RUNS: u32 = 16;

impl View {
    /// Where the event with this id is stored, in whichever log.
    pub(super) fn place_of(&self, id: &EventId) -> Result<Option<Place>, StorageError> {
        if let Some(place) = self.memo.ids.get(id) {
            return Ok(Some(*place));
        }
        if let Some(value) = self.tables.get(Tbl::Ids, id.as_bytes())? {
            return Place::from_key(&value).map(Some);
        }
        let (first, next) = self.runs_of_ids()?;
        for run in (first..next).rev() {
            let found = self.tables.see(Tbl::Fresh, &run.to_be_bytes(), |run| run.and_then(|run| find(run, id)))?;
            if let Some(place) = found {
                return Place::from_key(&place).map(Some);
            }
        }
        Ok(None)
    }

    /// The first run that waits, and the next one. More than are ever left waiting is damage: each is looked through.
    fn runs_of_ids(&self) -> Result<(u32, u32), StorageError> {
        let Some(value) = self.tables.get(Tbl::Meta, meta::FRESH)? else { return Ok((0, 0)) };
        let (first, next) = (number_at(&value, 0)?, number_at(&value, 4)?);
        let waiting = next.checked_sub(first).filter(|count| *count <= RUNS);
        waiting.map(|_| (first, next)).ok_or(StorageError::Damaged { what: "runs of ids" })
    }
}

impl Batch {
    /// Writes the ids of this batch down: as a run, or with all runs that wait.
    pub(super) fn write_ids(&mut self) -> Result<(), StorageError> {
        let ids = std::mem::take(&mut self.view.memo.ids);
        if ids.is_empty() {
            return Ok(());
        }
        let (mut first, mut next) = self.view.runs_of_ids()?;
        let new = ids.iter().map(|(id, place)| entry(id, place));
        if next - first < RUNS {
            let run: Vec<u8> = new.flatten().collect();
            self.put(Tbl::Fresh, next.to_be_bytes(), run);
            next += 1;
        } else {
            let new = new.collect();
            self.merge_runs(first..next, new)?;
            (first, next) = (0, 0);
        }
        self.put(Tbl::Meta, meta::FRESH, pair(first, next));
        Ok(())
    }

    /// Brings all runs that wait into the table of ids, and these with them.
    fn merge_runs(&mut self, runs: Range<u32>, mut all: Vec<[u8; ENTRY]>) -> Result<(), StorageError> {
        for run in runs {
            self.view.tables.see(Tbl::Fresh, &run.to_be_bytes(), |run| {
                all.extend(run.unwrap_or_default().as_chunks::<ENTRY>().0);
            })?;
            self.delete(Tbl::Fresh, run.to_be_bytes());
        }
        all.sort_unstable();
        for entry in all {
            let (id, place) = entry.split_at(EventId::LEN);
            self.put(Tbl::Ids, id, place);
        }
        Ok(())
    }
}

/// Bytes of an id and its place in a run.
const ENTRY: usize = EventId::LEN + Place::LEN;

fn entry(id: &EventId, place: &Place) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[..EventId::LEN].copy_from_slice(id.as_bytes());
    entry[EventId::LEN..].copy_from_slice(&place.key());
    entry
}

/// The place of this id in a run.
fn find(run: &[u8], id: &EventId) -> Option<[u8; Place::LEN]> {
    let (entries, _) = run.as_chunks::<ENTRY>();
    let at = entries.binary_search_by(|entry| entry[..EventId::LEN].cmp(id.as_bytes())).ok()?;
    entries[at].last_chunk().copied()
}
