//! Event keys at rest: those that follow one another are sealed together.
//!
//! ```text
//! keys   epoch · device · chain index of the first ─▶ sealed ( n × event key 32 )        1 ≤ n ≤ 100
//!
//! commit       a run for the keys that it took out of a chain, one after the other: a peer's batch has a hundred in a row
//! destroyed    the run is sealed afresh without the key, as two runs if it stood between others
//! ```
//!
//! Sealing a key by itself costs as much as opening the event that it belongs to, and a row of its own.
//!
//! Invariant: runs do not overlap, for a key is taken out of its chain once.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use y7ke_crypto::event::EventKey;
use y7ke_crypto::vault::SEAL_OVERHEAD;
use zeroize::Zeroizing;

use super::StorageError;
use super::batch::Batch;
use super::memo::KeyPlace;
use super::raw::{Range, Tbl, after};
use super::schema::{self, pair, triple};
use super::view::View;

/// Keys of one run: as many as an epoch has events as a rule (K3), and a page holds.
const RUN: usize = 100;

const KEY: usize = 32;

/// The keys of one run, opened.
pub(super) struct OpenRun {
    at: KeyPlace,
    keys: Zeroizing<Vec<u8>>,
}

impl OpenRun {
    fn key(&self, (epoch, device, chain): KeyPlace) -> Option<&[u8; KEY]> {
        let offset = chain.checked_sub(self.at.2).filter(|_| (epoch, device) == (self.at.0, self.at.1))?;
        self.keys.as_chunks().0.get(usize::try_from(offset).ok()?)
    }
}

impl View {
    /// The key as of the last commit.
    pub(super) fn stored_key(&self, epoch: u32, device: u32, chain: u32) -> Result<Option<EventKey>, StorageError> {
        let place = (epoch, device, chain);
        let mut held = self.run.borrow_mut();
        if held.as_ref().is_none_or(|run| run.key(place).is_none()) {
            *held = self.open_run(place)?;
        }
        Ok(held.as_ref().and_then(|run| run.key(place)).map(EventKey::from_bytes))
    }

    pub(super) fn has_stored_key(&self, epoch: u32, device: u32, chain: u32) -> Result<bool, StorageError> {
        let found = self.run_before((epoch, device, chain))?;
        Ok(found.is_some_and(|(first, sealed)| {
            let count = sealed.len().saturating_sub(SEAL_OVERHEAD) / KEY;
            usize::try_from(chain - first).is_ok_and(|offset| offset < count)
        }))
    }

    /// The run that this key is in, if it is there.
    fn open_run(&self, (epoch, device, chain): KeyPlace) -> Result<Option<OpenRun>, StorageError> {
        let Some((first, sealed)) = self.run_before((epoch, device, chain))? else { return Ok(None) };
        let keys = self.unseal(Tbl::Keys, &triple(epoch, device, first), &sealed)?;
        match keys.len().is_multiple_of(KEY) {
            true => Ok(Some(OpenRun { at: (epoch, device, first), keys })),
            false => Err(StorageError::Damaged { what: "event key" }),
        }
    }

    /// The last run of a chain that begins at or before this index.
    fn run_before(&self, (epoch, device, chain): KeyPlace) -> Result<Option<(u32, Vec<u8>)>, StorageError> {
        let (from, at) = (pair(epoch, device), triple(epoch, device, chain));
        let (mut found, to) = (None, after(&at));
        self.tables.walk(Tbl::Keys, Range::new(&from, to.as_deref()).reversed(), &mut |key, sealed| {
            found = Some((schema::number_at(key, 8)?, sealed.to_vec()));
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found.filter(|(first, _)| *first <= chain))
    }
}

impl Batch {
    /// Writes new keys down.
    pub(super) fn write_keys(&mut self, keys: &BTreeMap<KeyPlace, EventKey>) {
        let mut run: Option<OpenRun> = None;
        for ((epoch, device, chain), key) in keys {
            let place = (*epoch, *device, *chain);
            match &mut run {
                Some(run) if run.takes(place) => run.keys.extend_from_slice(key.expose()),
                _ => {
                    let mut new = OpenRun { at: place, keys: Zeroizing::new(Vec::with_capacity(RUN * KEY)) };
                    new.keys.extend_from_slice(key.expose());
                    run.replace(new).iter().for_each(|full| self.put_run(full.at, &full.keys));
                }
            }
        }
        run.iter().for_each(|last| self.put_run(last.at, &last.keys));
    }

    fn put_run(&mut self, (epoch, device, first): KeyPlace, keys: &[u8]) {
        self.put_sealed(Tbl::Keys, triple(epoch, device, first), keys);
    }

    /// Seals the others of its run afresh.
    pub(super) fn destroy_stored_key(&mut self, epoch: u32, device: u32, chain: u32) -> Result<(), StorageError> {
        let Some(run) =
            self.view.open_run((epoch, device, chain))?.filter(|run| run.key((epoch, device, chain)).is_some())
        else {
            return Ok(());
        };
        self.view.run.take();
        self.delete(Tbl::Keys, triple(epoch, device, run.at.2));
        let offset = usize::try_from(chain - run.at.2).unwrap_or(usize::MAX).saturating_mul(KEY);
        let (before, behind) = run.keys.split_at_checked(offset).unwrap_or_default();
        if !before.is_empty() {
            self.put_run(run.at, before);
        }
        if let Some(behind) = behind.get(KEY..).filter(|behind| !behind.is_empty()) {
            self.put_run((epoch, device, chain.saturating_add(1)), behind);
        }
        Ok(())
    }
}

impl OpenRun {
    fn takes(&self, (epoch, device, chain): KeyPlace) -> bool {
        let count = self.keys.len() / KEY;
        let next = u32::try_from(count).ok().and_then(|count| self.at.2.checked_add(count));
        count < RUN && (epoch, device, Some(chain)) == (self.at.0, self.at.1, next)
    }
}
