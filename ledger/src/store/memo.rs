//! What an open batch has looked up or made, and will need for the next event.
//!
//! ```text
//! a peer's batch is a run of one author in one epoch: every event asks for the same few things
//!   looked up once    numbers · members · facts of events that the batch stored      never change once they are given
//!                     prekeys with their public halves                               a box costs a third less
//!   written once      epoch states · chains · event keys · ids · order of arrival    at the commit, as log states are
//! ```
//!
//! Invariants
//! * Only a batch fills it, and reads of the batch look here before the tables; a dropped batch drops it.
//! * A chain here is what it would be on the disk: one step behind its last event key (K2).

use std::collections::BTreeMap;

use y7ke_crypto::boxes::Opener;
use y7ke_crypto::epoch::ChainKey;
use y7ke_crypto::event::{Dep, EventKey};
use y7ke_crypto::ids::{DeviceId, EpochId, EventId, LogId, PrekeyId, RootId};

use super::schema::{Arrivals, EpochInfo, Place};
use crate::admit::Facts;

/// Of one event key: epoch, device, chain index.
pub(super) type KeyPlace = (u32, u32, u32);

#[derive(Default)]
pub(super) struct Memo {
    pub(super) logs: BTreeMap<LogId, u32>,
    pub(super) devices: BTreeMap<DeviceId, u32>,
    pub(super) members: BTreeMap<(u32, u32), RootId>,
    pub(super) epochs: BTreeMap<(u32, EpochId), u32>,
    pub(super) facts: BTreeMap<EventId, (Dep, Facts)>,
    /// Changed epochs.
    pub(super) infos: BTreeMap<u32, EpochInfo>,
    /// Changed chains, by epoch and device; none has ended.
    pub(super) chains: BTreeMap<(u32, u32), Option<ChainKey>>,
    /// New event keys.
    pub(super) keys: BTreeMap<KeyPlace, EventKey>,
    /// New events by id.
    pub(super) ids: BTreeMap<EventId, Place>,
    /// The last number of arrival that was given.
    pub(super) arrival: Option<u64>,
    /// New events in the order of their arrival.
    pub(super) arrived: Vec<Arrivals>,
    /// Prekeys that opened boxes; wiped with the batch.
    pub(super) openers: BTreeMap<PrekeyId, Opener>,
}

impl Memo {
    /// Notes where the next event to arrive stands.
    pub(super) fn arrive(&mut self, number: u64, place: &Place) {
        match self.arrived.last_mut() {
            Some(run) if run.is_followed_by(number, place) => run.count += 1,
            _ => self.arrived.push(Arrivals { first: number, place: *place, count: 1 }),
        }
    }

    /// How many of these wait for the commit.
    pub(super) fn waiting(&self) -> usize {
        self.infos.len() + self.chains.len() + self.keys.len() + self.ids.len() + usize::from(self.arrival.is_some())
    }
}
