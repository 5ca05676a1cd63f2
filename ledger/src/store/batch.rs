//! The one writer: everything of a round waits here and becomes durable at once.
//!
//! ```text
//! begin ─▶ admit · append · ensure_epoch · put_… ─▶ drain_news ─▶ commit ─▶ only now may anything leave (E7)
//!                                              └─▶ drop: nothing happened, in the file or in memory
//! ```

use std::ops::{ControlFlow, Deref};

use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, SeedableRng};
use y7ke_crypto::codec::Wire;
use y7ke_crypto::ids::{DeviceId, EpochId, EventId, LogId};
use zeroize::Zeroizing;

use super::memo::Memo;
use super::raw::{Range, Tbl};
use super::schema::{self, EpochInfo, LogState, Place, Record, epoch_key, meta, name};
use super::view::context;
use super::{EventRef, PoolLease, StorageError, View};
use crate::admit::{LogSpec, Refusal};
use crate::fold::Change;
use crate::orphans::{Dropped, Sender};

/// What happened in a batch, in order, for whoever tells others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// An event is live now: it counts, and peers that lack it can have it.
    Live(EventRef),
    /// The projection of its log changed by an event.
    Changed {
        /// The event.
        event: EventRef,
        /// How.
        change: Change,
    },
    /// A device has forked and counts no longer by itself (F2).
    Frozen {
        /// In this log.
        log: LogId,
        /// The device.
        device: DeviceId,
        /// The number that it used twice.
        seq: u64,
    },
    /// Events left the live set: the whole projection of this log was folded again.
    Refolded(LogId),
    /// An orphan was dropped because the pool was full: exchange clocks with its sender again (S5).
    Dropped(Dropped),
    /// An orphan's dependencies came, and it does not belong: its author's fault.
    Refused {
        /// Who had sent it.
        sender: Sender,
        /// The event.
        id: EventId,
        /// Why.
        refusal: Refusal,
    },
}

/// A write transaction; reads through it see its own writes.
pub struct Batch {
    pub(super) view: View,
    pub(super) lease: PoolLease,
    /// Nonces of what is sealed at rest.
    rng: ChaCha20Rng,
    pub(super) news: Vec<News>,
}

impl Deref for Batch {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

/// Key and value, as they lie in a table.
type RawRow = (Vec<u8>, Vec<u8>);

/// For fuzz bodies: rows as a damaged or hostile file has them.
impl Batch {
    /// Every row of a table.
    pub(crate) fn raw_rows(&self, table: Tbl) -> Result<Vec<RawRow>, StorageError> {
        let mut rows = Vec::new();
        self.view.tables.walk(table, Range::ALL, &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rows)
    }

    /// Puts any bytes under any key, or takes what is there away.
    pub(crate) fn raw_write(&mut self, table: Tbl, key: &[u8], value: Option<&[u8]>) {
        match value {
            Some(value) => self.view.tables.put(table, key, value),
            None => self.view.tables.delete(table, key),
        }
    }
}

impl Batch {
    pub(super) fn new(view: View, lease: PoolLease, rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut_slice());
        Self { view, lease, rng: ChaCha20Rng::from_seed(*seed), news: Vec::new() }
    }

    /// Makes everything durable, or nothing.
    pub fn commit(mut self) -> Result<(), StorageError> {
        self.write_memo()?;
        let Self { mut view, lease, mut rng, .. } = self;
        for (number, state) in std::mem::take(&mut view.states) {
            view.tables.put(Tbl::Logs, &number.to_be_bytes(), &state.to_bytes());
        }
        lease.commit(view.tables.into_writes(), &mut rng)
    }

    /// What happened since the last call, in order.
    pub fn drain_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// How many changes wait for the commit, those of the orphans in memory included: a core may end
    /// its round on it. A batch that is dropped undoes them.
    pub fn waiting_writes(&self) -> usize {
        self.view.tables.waiting() + self.view.memo.waiting() + self.lease.pool.changes()
    }

    /// Makes a log known, so that events of it are admitted. Known already: nothing happens.
    pub fn ensure_log(&mut self, spec: LogSpec) -> Result<LogId, StorageError> {
        let id = spec.id();
        if self.log_number(&id)?.is_none() {
            let number = self.next_number(meta::NEXT_LOG)?;
            self.put(Tbl::Names, name::log(&id), number.to_be_bytes());
            self.put(Tbl::Logs, number.to_be_bytes(), LogState::new(spec).to_bytes());
        }
        Ok(id)
    }

    /// Says which device this is: the boxes for it are opened. Appending says so as well.
    pub fn set_device(&mut self, device: DeviceId) -> Result<(), StorageError> {
        if self.device()? != Some(device) {
            self.put(Tbl::Meta, meta::ME, device.as_bytes());
        }
        Ok(())
    }
}

/// Writing, for the store's own modules.
impl Batch {
    pub(super) fn put(&mut self, table: Tbl, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.view.tables.put(table, key.as_ref(), value.as_ref());
    }

    pub(super) fn delete(&mut self, table: Tbl, key: impl AsRef<[u8]>) {
        self.view.tables.delete(table, key.as_ref());
    }

    /// Seals a value, bound to its place.
    pub(super) fn put_sealed(&mut self, table: Tbl, key: impl AsRef<[u8]>, plain: &[u8]) {
        let key = key.as_ref();
        let sealed = self.view.keys.of(table).seal(&mut self.rng, &context(table, key), plain);
        self.put(table, key, sealed);
    }

    /// What the memo held back until now.
    fn write_memo(&mut self) -> Result<(), StorageError> {
        self.write_ids()?;
        let Memo { infos, chains, keys, arrival, arrived, .. } = std::mem::take(&mut self.view.memo);
        for (number, info) in infos {
            self.put(Tbl::Epochs, epoch_key::by_number(number), info.to_bytes());
        }
        self.write_keys(&keys);
        for ((epoch, device), chain) in chains {
            match chain {
                Some(chain) => self.put_sealed(Tbl::Chains, schema::pair(epoch, device), chain.expose().as_slice()),
                None => self.delete(Tbl::Chains, schema::pair(epoch, device)),
            }
        }
        for run in arrived {
            self.put(Tbl::Arrival, run.key(), run.value());
        }
        if let Some(arrival) = arrival {
            self.put(Tbl::Meta, meta::NEXT_ARRIVAL, arrival.to_be_bytes());
        }
        Ok(())
    }

    /// The next unused number of a kind, from 1.
    pub(super) fn next_number(&mut self, kind: &[u8]) -> Result<u32, StorageError> {
        u32::try_from(self.next_long(kind)?).or(Err(StorageError::Damaged { what: "counter" }))
    }

    pub(super) fn next_long(&mut self, kind: &[u8]) -> Result<u64, StorageError> {
        let next = self.last_long(kind)? + 1;
        self.put(Tbl::Meta, kind, next.to_be_bytes());
        Ok(next)
    }

    fn last_long(&self, kind: &[u8]) -> Result<u64, StorageError> {
        let last = self.view.tables.get(Tbl::Meta, kind)?.map(|value| schema::long_at(&value, 0)).transpose()?;
        Ok(last.unwrap_or(0))
    }

    /// The next number of arrival.
    pub(super) fn next_arrival(&mut self) -> Result<u64, StorageError> {
        let last = match self.view.memo.arrival {
            Some(last) => last,
            None => self.last_long(meta::NEXT_ARRIVAL)?,
        };
        self.view.memo.arrival = Some(last + 1);
        Ok(last + 1)
    }

    /// The number of a log that is known here.
    pub(super) fn known_log(&mut self, log: &LogId) -> Result<Option<u32>, StorageError> {
        let number = self.log_number(log)?;
        self.view.memo.logs.extend(number.map(|number| (*log, number)));
        Ok(number)
    }

    /// The number of an epoch that is known here.
    pub(super) fn known_epoch(&mut self, log: u32, epoch: &EpochId) -> Result<Option<u32>, StorageError> {
        let number = self.epoch_number(log, epoch)?;
        self.view.memo.epochs.extend(number.map(|number| ((log, *epoch), number)));
        Ok(number)
    }

    /// The number of a device, given now if it has none.
    pub(super) fn number_device(&mut self, device: &DeviceId) -> Result<u32, StorageError> {
        let number = match self.device_number(device)? {
            Some(number) => number,
            None => self.give_number(device)?,
        };
        self.view.memo.devices.insert(*device, number);
        Ok(number)
    }

    fn give_number(&mut self, device: &DeviceId) -> Result<u32, StorageError> {
        let number = self.next_number(meta::NEXT_DEVICE)?;
        self.put(Tbl::Names, name::device(device), number.to_be_bytes());
        self.put(Tbl::Names, name::device_number(number), device.as_bytes());
        Ok(number)
    }

    /// The state of a log, to be changed; written down at the commit.
    pub(super) fn state_mut(&mut self, log: u32) -> Result<&mut LogState, StorageError> {
        if !self.view.states.contains_key(&log) {
            let state = self.state(log)?;
            self.view.states.insert(log, state);
        }
        self.view.states.get_mut(&log).ok_or(StorageError::Absent { what: "log state" })
    }

    pub(super) fn put_record(&mut self, place: &Place, record: &Record) {
        self.put(Tbl::Events, place.key(), record.to_bytes());
    }

    pub(super) fn put_epoch(&mut self, number: u32, info: &EpochInfo) {
        self.view.memo.infos.insert(number, *info);
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Batch(…)")
    }
}
