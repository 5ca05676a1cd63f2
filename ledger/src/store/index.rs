//! Where an event stands, by its id.
//!
//! ```text
//! commit n      ─▶ fresh:  run n · id ─▶ place         a run per commit: its rows are neighbours
//! commit n + 16 ─▶ ids:    id ─▶ place                 all runs at once, in order of id
//! lookup           the batch · ids · run by run, the newest first
//! ```
//!
//! Ids are hashes: a commit that wrote its ids into one great table would copy a page for nearly each of them
//! (at 100,000 events 0.9 pages per event, which was a third of all that ingest cost). So the ids of some commits
//! wait together, and a page that has to be copied takes several of them.

use std::ops::ControlFlow;

use y7ke_crypto::ids::EventId;

use super::StorageError;
use super::batch::Batch;
use super::raw::{Range, Tbl};
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
            if let Some(value) = self.tables.get(Tbl::Fresh, &fresh_key(run, id))? {
                return Place::from_key(&value).map(Some);
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
        if next - first < RUNS {
            for (id, place) in ids {
                self.put(Tbl::Fresh, fresh_key(next, &id), place.key());
            }
            next += 1;
        } else {
            self.merge_runs()?;
            for (id, place) in ids {
                self.put(Tbl::Ids, id.as_bytes().to_vec(), place.key());
            }
            (first, next) = (0, 0);
        }
        self.put(Tbl::Meta, meta::FRESH.to_vec(), pair(first, next));
        Ok(())
    }

    fn merge_runs(&mut self) -> Result<(), StorageError> {
        let mut rows = Vec::new();
        self.view.tables.walk(Tbl::Fresh, Range::ALL, &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            Ok(ControlFlow::Continue(()))
        })?;
        for (key, place) in rows {
            let id = key.get(4..).ok_or(StorageError::Damaged { what: "fresh id" })?;
            self.put(Tbl::Ids, id.to_vec(), place);
            self.delete(Tbl::Fresh, key);
        }
        Ok(())
    }
}

fn fresh_key(run: u32, id: &EventId) -> Vec<u8> {
    [run.to_be_bytes().as_slice(), id.as_bytes()].concat()
}
