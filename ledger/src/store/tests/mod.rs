//! Tests of the store against simpler truths: the naive twin, crash images, a second replica.

mod converge;
mod crash;
mod format;
mod journal;
mod keeping;
mod refusals;
mod sealed;
mod speed;

use y7ke_crypto::ids::LogId;
use y7ke_crypto::sign::Verified;

use super::*;
use crate::id::Event;
use crate::tests::{Member, NOW, rng};

/// Keys of a vault that is the same in every test.
pub(super) fn sub_keys() -> SubKeys {
    let (_, dek) = y7ke_crypto::vault::VaultFile::with_file_slot(&mut rng(1));
    SubKeys::new(&dek)
}

pub(super) fn in_memory() -> Ledger {
    Ledger::open(Storage::memory(), sub_keys()).unwrap()
}

pub(super) fn sender() -> y7ke_crypto::ids::DeviceId {
    Member::new(9, 9).id()
}

pub(super) fn admit(batch: &mut Batch, event: &Verified<Event>) -> Admission {
    batch.admit(event.as_signed().clone(), Vec::new(), sender()).unwrap()
}

/// A ledger of one device: writes, and fetches from others.
pub(super) struct Peer {
    pub(super) ledger: Ledger,
    pub(super) member: Member,
    pub(super) rng: rand_chacha::ChaCha20Rng,
    pub(super) now: u64,
}

impl Peer {
    pub(super) fn new(person: u8, device: u8) -> Self {
        let member = Member::new(person, device);
        let peer = Self { ledger: in_memory(), member, rng: rng(u64::from(device)), now: NOW };
        peer.write(|batch| {
            batch.set_device(peer.member.id()).unwrap();
            batch.keep_prekey(&peer.member.prekey, NOW).unwrap();
        });
        peer
    }

    /// Runs one batch and commits it.
    pub(super) fn write<T>(&self, work: impl FnOnce(&mut Batch) -> T) -> T {
        let mut batch = self.ledger.begin(&mut rng(self.now)).unwrap();
        let made = work(&mut batch);
        batch.commit().unwrap();
        made
    }

    pub(super) fn append(&mut self, log: LogId, body: &crate::body::Body) -> Result<Appended, AppendError> {
        self.now += 10;
        let (now, key) = (self.now, &self.member.key);
        let mut batch = self.ledger.begin(&mut rng(now)).unwrap();
        let made = batch.append(log, body, now, &mut self.rng, key)?;
        batch.commit().unwrap();
        Ok(made)
    }

    /// Takes everything of a log that `other` has and this one lacks.
    pub(super) fn fetch(&self, other: &Self, log: LogId) -> Vec<Admission> {
        let theirs = other.ledger.view().unwrap();
        let wants = self.ledger.view().unwrap().clock(&log).unwrap().lacks(&theirs.clock(&log).unwrap());
        let page = theirs.events_between(&log, &wants, 10_000, usize::MAX).unwrap();
        assert!(!page.more);
        self.write(|batch| {
            let events = page.items.into_iter().map(|item| (Event::from_wire(item.wire), item.boxes)).collect();
            batch.admit_all(events, other.member.id()).unwrap()
        })
    }
}
