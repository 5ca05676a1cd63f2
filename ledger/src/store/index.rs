//! Where an event stands, by its id.
//!
//! ```text
//! commit n      ─▶ fresh:  run ─▶ n × ( id 32 · place 20 ), ascending    a run per commit, one value each
//! commit n + 16 ─▶ fresh:  16 runs become one, a long one
//! 8 long runs   ─▶ ids:    id ─▶ place                                   all runs at once, in order of id
//! lookup           the batch · ids · run by run, the newest first
//! ```
//!
//! Ids are hashes: a commit that wrote its ids into one great table would copy a page for nearly each of them, and so
//! does a merge of a few thousand of them into a table that has grown long. So ids wait until they are many, and each is
//! written three times, however long the log gets.

use std::ops::Range;

use y7ke_crypto::ids::EventId;

use super::StorageError;
use super::batch::Batch;
use super::raw::Tbl;
use super::schema::{Place, meta, number_at, triple};
use super::view::View;

/// Runs of a commit that wait before they become a long one: at 512 events each, 8,192 ids.
const RUNS: u32 = 16;

/// Long runs that wait before all of them go into the table: 65,536 ids, and 24 looks for an id that is nowhere.
const LONG_RUNS: u32 = 8;

/// A long run that reaches so many bytes goes into the table at once: it is one value, and was read as a whole.
const LONGEST: usize = 65_536 * ENTRY;

/// The runs that wait: the long ones before the others.
#[derive(Clone, Copy, Default)]
struct Runs {
    first: u32,
    /// The first that is of one commit.
    short: u32,
    next: u32,
}

impl View {
    /// Where the event with this id is stored, in whichever log.
    pub(super) fn place_of(&self, id: &EventId) -> Result<Option<Place>, StorageError> {
        if let Some(place) = self.memo.ids.get(id) {
            return Ok(Some(*place));
        }
        if let Some(value) = self.tables.get(Tbl::Ids, id.as_bytes())? {
            return Place::from_key(&value).map(Some);
        }
        let runs = self.runs_of_ids()?;
        for run in (runs.first..runs.next).rev() {
            let found = self.tables.see(Tbl::Fresh, &run.to_be_bytes(), |run| run.and_then(|run| find(run, id)))?;
            if let Some(place) = found {
                return Place::from_key(&place).map(Some);
            }
        }
        Ok(None)
    }

    /// More than are ever left waiting is damage: each is looked through.
    fn runs_of_ids(&self) -> Result<Runs, StorageError> {
        let Some(value) = self.tables.get(Tbl::Meta, meta::FRESH)? else { return Ok(Runs::default()) };
        let runs = Runs { first: number_at(&value, 0)?, short: number_at(&value, 4)?, next: number_at(&value, 8)? };
        let (long, short) = (runs.short.checked_sub(runs.first), runs.next.checked_sub(runs.short));
        let is_sound = long.is_some_and(|count| count <= LONG_RUNS) && short.is_some_and(|count| count <= RUNS);
        is_sound.then_some(runs).ok_or(StorageError::Damaged { what: "runs of ids" })
    }
}

impl Batch {
    /// Writes the ids of this batch down: as a run, or with runs that wait.
    pub(super) fn write_ids(&mut self) -> Result<(), StorageError> {
        let ids = std::mem::take(&mut self.view.memo.ids);
        if ids.is_empty() {
            return Ok(());
        }
        let runs = self.view.runs_of_ids()?;
        let new: Vec<_> = ids.iter().map(|(id, place)| entry(id, place)).collect();
        let runs = if runs.next - runs.short < RUNS {
            self.put_run_of_ids(runs.next, &new);
            Runs { next: runs.next + 1, ..runs }
        } else {
            self.join_runs(runs, new)?
        };
        self.put(Tbl::Meta, meta::FRESH, triple(runs.first, runs.short, runs.next));
        Ok(())
    }

    /// Makes one long run of those of a commit each and of these; if it would be one too many, all of them go into the
    /// table of ids.
    fn join_runs(&mut self, runs: Runs, mut all: Vec<[u8; ENTRY]>) -> Result<Runs, StorageError> {
        self.take_runs(runs.short..runs.next, &mut all)?;
        if runs.short - runs.first < LONG_RUNS && all.len() * ENTRY < LONGEST {
            all.sort_unstable();
            self.put_run_of_ids(runs.short, &all);
            let next = runs.short + 1;
            return Ok(Runs { short: next, next, ..runs });
        }
        self.take_runs(runs.first..runs.short, &mut all)?;
        all.sort_unstable();
        for entry in all {
            let (id, place) = entry.split_at(EventId::LEN);
            self.put(Tbl::Ids, id, place);
        }
        Ok(Runs::default())
    }

    fn put_run_of_ids(&mut self, run: u32, entries: &[[u8; ENTRY]]) {
        self.put(Tbl::Fresh, run.to_be_bytes(), entries.as_flattened());
    }

    fn take_runs(&mut self, runs: Range<u32>, all: &mut Vec<[u8; ENTRY]>) -> Result<(), StorageError> {
        for run in runs {
            self.view.tables.see(Tbl::Fresh, &run.to_be_bytes(), |run| {
                all.extend(run.unwrap_or_default().as_chunks::<ENTRY>().0);
            })?;
            self.delete(Tbl::Fresh, run.to_be_bytes());
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
