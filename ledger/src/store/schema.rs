//! What stands in the tables: keys and values, byte by byte (drawn in `docs/STORAGE.md`).
//!
//! ```text
//! numbers   log, device, epoch: u32, given in order of first sight; never reused
//! place     log u32 · device u32 · seq u64 · variant u32            20 bytes, big-endian: byte order = order
//! values    the crypto codec, little-endian
//! ```
//!
//! Invariant: what does not decode here was not written here: [`StorageError::Damaged`].

use std::collections::{BTreeMap, BTreeSet};

use y7ke_crypto::codec::{DecodeError, Reader, Wire, Writer};
use y7ke_crypto::event::{Dep, Header};
use y7ke_crypto::fuzz::decoded;
use y7ke_crypto::ids::{BodyHash, DeviceId, EpochId, EventId, LogId, RequestId, RootId};

use super::StorageError;
use crate::admit::{EpochRef, Facts, LogSpec};
use crate::fork::{Frontier, Node};
use crate::keys::PrekeyAge;

/// Version of everything in this file; the ones before are brought up to date at open, any other is refused.
pub(crate) const FORMAT: u32 = 4;

/// The version before: a row per event for its arrival, for its place in the order and for its id.
pub(crate) const ROWS_EACH: u32 = 3;

/// The version before that: without a journal. Such a file gets one when it is opened.
pub(crate) const NO_JOURNAL: u32 = 2;

/// The version before that: the same rows, none in blocks. Such a file is packed as well.
pub(crate) const ROWS_ALONE: u32 = 1;

/// Longest value of these codecs in bytes: 1,024 devices with 16 tips each, and as much again.
const CAP: usize = 4 * 1024 * 1024;

pub(crate) mod meta {
    pub(crate) const FORMAT: &[u8] = b"format";
    pub(crate) const ME: &[u8] = b"me";
    pub(crate) const NEXT_LOG: &[u8] = b"next log";
    pub(crate) const NEXT_DEVICE: &[u8] = b"next device";
    pub(crate) const NEXT_EPOCH: &[u8] = b"next epoch";
    pub(crate) const NEXT_ARRIVAL: &[u8] = b"next arrival";
    pub(crate) const FRESH: &[u8] = b"fresh";
    pub(crate) const JOURNAL: &[u8] = b"journal";
}

/// Key prefixes of the `names` table.
pub(crate) mod name {
    use super::*;

    pub(crate) fn log(id: &LogId) -> Vec<u8> {
        [&[1], id.as_bytes().as_slice()].concat()
    }

    pub(crate) fn device(id: &DeviceId) -> Vec<u8> {
        [&[2], id.as_bytes().as_slice()].concat()
    }

    pub(crate) fn device_number(number: u32) -> Vec<u8> {
        [&[3], number.to_be_bytes().as_slice()].concat()
    }

    /// Whom a device of a log belongs to.
    pub(crate) fn member(log: u32, device: u32) -> Vec<u8> {
        [&[4], pair(log, device).as_slice()].concat()
    }
}

/// Key prefixes of the `epochs` table.
pub(crate) mod epoch_key {
    use super::*;

    pub(crate) fn by_id(log: u32, epoch: &EpochId) -> Vec<u8> {
        [&[1], log.to_be_bytes().as_slice(), epoch.as_bytes()].concat()
    }

    pub(crate) fn by_number(number: u32) -> Vec<u8> {
        [&[2], number.to_be_bytes().as_slice()].concat()
    }

    pub(crate) fn in_order(log: u32, epoch: &EpochRef) -> Vec<u8> {
        [order_prefix(log).as_slice(), &epoch.generation.to_be_bytes(), epoch.rekey.as_bytes()].concat()
    }

    pub(crate) fn order_prefix(log: u32) -> Vec<u8> {
        [&[3], log.to_be_bytes().as_slice()].concat()
    }
}

pub(crate) fn pair(a: u32, b: u32) -> [u8; 8] {
    ((u64::from(a) << 32) | u64::from(b)).to_be_bytes()
}

pub(crate) fn triple(a: u32, b: u32, c: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&pair(a, b));
    key[8..].copy_from_slice(&c.to_be_bytes());
    key
}

/// The big-endian number at `at` of a key.
pub(crate) fn number_at(key: &[u8], at: usize) -> Result<u32, StorageError> {
    let bytes = key.get(at..).and_then(|rest| rest.first_chunk::<4>());
    bytes.map(|bytes| u32::from_be_bytes(*bytes)).ok_or(StorageError::Damaged { what: "key" })
}

/// The big-endian long number at `at` of a key.
pub(crate) fn long_at(key: &[u8], at: usize) -> Result<u64, StorageError> {
    let bytes = key.get(at..).and_then(|rest| rest.first_chunk::<8>());
    bytes.map(|bytes| u64::from_be_bytes(*bytes)).ok_or(StorageError::Damaged { what: "key" })
}

/// Where an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) log: u32,
    pub(crate) device: u32,
    pub(crate) seq: u64,
    pub(crate) variant: u32,
}

impl Place {
    pub(crate) const LEN: usize = 20;

    pub(crate) fn key(&self) -> [u8; Self::LEN] {
        let mut key = [0; Self::LEN];
        key[..4].copy_from_slice(&self.log.to_be_bytes());
        key[4..8].copy_from_slice(&self.device.to_be_bytes());
        key[8..16].copy_from_slice(&self.seq.to_be_bytes());
        key[16..].copy_from_slice(&self.variant.to_be_bytes());
        key
    }

    pub(crate) fn from_key(key: &[u8]) -> Result<Self, StorageError> {
        Ok(Self {
            log: number_at(key, 0)?,
            device: number_at(key, 4)?,
            seq: long_at(key, 8)?,
            variant: number_at(key, 16)?,
        })
    }

    /// Prefix of all variants of one number.
    pub(crate) fn variants(log: u32, device: u32, seq: u64) -> Vec<u8> {
        [pair(log, device).as_slice(), &seq.to_be_bytes()].concat()
    }
}

/// Events of one device that arrived one after the other: a row of the order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrivals {
    /// Number of the first.
    pub(crate) first: u64,
    /// Where the first stands; the others follow it there.
    pub(crate) place: Place,
    pub(crate) count: u32,
}

impl Arrivals {
    pub(crate) fn key(&self) -> [u8; 8] {
        self.first.to_be_bytes()
    }

    pub(crate) fn value(&self) -> Vec<u8> {
        [self.place.key().as_slice(), &self.count.to_be_bytes()].concat()
    }

    pub(crate) fn from_row(key: &[u8], value: &[u8]) -> Result<Self, StorageError> {
        Ok(Self { first: long_at(key, 0)?, place: Place::from_key(value)?, count: number_at(value, Place::LEN)? })
    }

    /// Whether the event with this number, which stands there, belongs behind these.
    pub(crate) fn is_followed_by(&self, number: u64, place: &Place) -> bool {
        let behind = self.at(number);
        self.count < u32::MAX && number == self.first.saturating_add(self.count.into()) && behind == Some(*place)
    }

    /// Where the event with this number would stand; none before the first.
    pub(crate) fn at(&self, number: u64) -> Option<Place> {
        let seq = self.place.seq.checked_add(number.checked_sub(self.first)?)?;
        Some(Place { seq, ..self.place })
    }

    /// The places of those from number `from` on.
    pub(crate) fn from(&self, from: u64) -> impl Iterator<Item = Place> {
        let end = self.first.saturating_add(self.count.into());
        (from.max(self.first)..end).map_while(|number| self.at(number))
    }
}

/// A stored event, all but its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) id: EventId,
    pub(crate) live: bool,
    pub(crate) arrival: u64,
    pub(crate) generation: u64,
    pub(crate) epoch: Option<EpochRef>,
    pub(crate) next_chain: u32,
    pub(crate) body: BodyHash,
    pub(crate) sig: [u8; 64],
    pub(crate) header: Header,
}

impl Record {
    pub(crate) fn facts(&self) -> Facts {
        let Self { generation, epoch, next_chain, .. } = *self;
        Facts { hlc: self.header.hlc, generation, epoch, next_chain }
    }

    pub(crate) fn at(&self) -> Dep {
        Dep { device: self.header.device, seq: self.header.seq, id: self.id }
    }

    pub(crate) fn node(&self) -> Node {
        Node { at: self.at(), deps: self.header.deps.clone() }
    }
}

impl Wire for Record {
    const WHAT: &'static str = "stored event";
    const CAP: usize = CAP;

    fn write(&self, to: &mut Writer) {
        to.put(&self.id).u8(u8::from(self.live)).u64(self.arrival).u64(self.generation);
        write_option(to, self.epoch.as_ref());
        to.u32(self.next_chain).put(&self.body).raw(&self.sig).put(&self.header);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: from.get()?,
            live: read_bool(from)?,
            arrival: from.u64()?,
            generation: from.u64()?,
            epoch: read_option(from)?,
            next_chain: from.u32()?,
            body: from.get()?,
            sig: from.array()?,
            header: from.get()?,
        })
    }
}

impl Wire for EpochRef {
    const WHAT: &'static str = "epoch";
    const CAP: usize = 40;

    fn write(&self, to: &mut Writer) {
        to.u64(self.generation).put(&self.rekey);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { generation: from.u64()?, rekey: from.get()? })
    }
}

fn write_option<T: Wire>(to: &mut Writer, value: Option<&T>) {
    match value {
        None => to.u8(0),
        Some(value) => to.u8(1).put(value),
    };
}

fn read_option<T: Wire>(from: &mut Reader<'_>) -> Result<Option<T>, DecodeError> {
    Ok(if read_bool(from)? { Some(from.get()?) } else { None })
}

fn read_bool(from: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match from.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(from.bad()),
    }
}

impl Wire for LogSpec {
    const WHAT: &'static str = "log";
    const CAP: usize = 97;

    fn write(&self, to: &mut Writer) {
        match self {
            Self::Identity { root } => to.u8(1).put(root),
            Self::Account { root } => to.u8(2).put(root),
            Self::Conversation { lesser, greater, request } => to.u8(3).put(lesser).put(greater).put(request),
        };
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match from.u8()? {
            1 => Ok(Self::Identity { root: from.get()? }),
            2 => Ok(Self::Account { root: from.get()? }),
            3 => {
                let (lesser, greater) = (from.get::<RootId>()?, from.get()?);
                Ok(Self::Conversation { lesser, greater, request: from.get::<RequestId>()? })
            }
            _ => Err(from.bad()),
        }
    }
}

/// A fork that this device has yet to tell the others of (F4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DueNotice {
    pub(crate) device: DeviceId,
    pub(crate) seq: u64,
    /// The tip that was held when the proof came.
    pub(crate) tip: Option<Dep>,
}

/// What is kept of a log as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogState {
    pub(crate) spec: LogSpec,
    pub(crate) frontier: Frontier,
    pub(crate) frozen: BTreeSet<DeviceId>,
    pub(crate) notices: Vec<DueNotice>,
    pub(crate) stored: u64,
    pub(crate) live: u64,
    /// The epoch to send in, by number; 0 if none was chosen.
    pub(crate) sending: u32,
}

impl LogState {
    pub(crate) fn new(spec: LogSpec) -> Self {
        Self {
            spec,
            frontier: Frontier::default(),
            frozen: BTreeSet::new(),
            notices: Vec::new(),
            stored: 0,
            live: 0,
            sending: 0,
        }
    }

    /// Whether events of this device count only as ancestors of others' (F3). A revoked device will
    /// stand beside a frozen one here (V3).
    pub(crate) fn is_out(&self, device: &DeviceId) -> bool {
        self.frozen.contains(device)
    }

    /// The newest live event of a device that has not forked.
    pub(crate) fn tip(&self, device: &DeviceId) -> Option<Dep> {
        let (seq, id) = *self.frontier.tips.get(device)?.last()?;
        Some(Dep { device: *device, seq, id })
    }
}

impl Wire for LogState {
    const WHAT: &'static str = "log state";
    const CAP: usize = CAP;

    fn write(&self, to: &mut Writer) {
        to.put(&self.spec).u64(self.stored).u64(self.live).u32(self.sending);
        write_frontier(to, &self.frontier);
        to.list(&self.frozen.iter().copied().collect::<Vec<_>>());
        to.count(self.notices.len());
        for notice in &self.notices {
            to.put(&notice.device).u64(notice.seq);
            write_option(to, notice.tip.as_ref());
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            spec: from.get()?,
            stored: from.u64()?,
            live: from.u64()?,
            sending: from.u32()?,
            frontier: read_frontier(from)?,
            frozen: from.list(CAP)?.into_iter().collect(),
            notices: read_notices(from)?,
        })
    }
}

fn write_frontier(to: &mut Writer, frontier: &Frontier) {
    to.list(&frontier.heads.iter().copied().collect::<Vec<_>>());
    to.count(frontier.tips.len());
    for (device, tips) in &frontier.tips {
        to.put(device).count(tips.len());
        for (seq, id) in tips {
            to.u64(*seq).put(id);
        }
    }
}

fn read_frontier(from: &mut Reader<'_>) -> Result<Frontier, DecodeError> {
    let heads = from.list(CAP)?.into_iter().collect();
    let mut tips = BTreeMap::new();
    for _ in 0..from.count(CAP)? {
        let device = from.get()?;
        let count = from.count(CAP)?;
        let of_device = (0..count).map(|_| Ok((from.u64()?, from.get()?))).collect::<Result<_, _>>()?;
        tips.insert(device, of_device);
    }
    Ok(Frontier { heads, tips })
}

fn read_notices(from: &mut Reader<'_>) -> Result<Vec<DueNotice>, DecodeError> {
    let count = from.count(CAP)?;
    (0..count).map(|_| Ok(DueNotice { device: from.get()?, seq: from.u64()?, tip: read_option(from)? })).collect()
}

/// What this device can do with an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyed {
    /// This device is a member and its box has not come.
    Waiting,
    /// The chains were derived.
    Ready,
    /// The box came and does not give the secret that the rekey commits to, or its prekey is gone.
    Broken,
    /// This device is no member.
    Stranger,
}

/// What is kept of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EpochInfo {
    pub(crate) place: Place,
    pub(crate) at: Dep,
    pub(crate) generation: u64,
    pub(crate) keyed: Keyed,
    /// Live events sealed in it.
    pub(crate) events: u32,
    /// When this device first sealed in it, ms since 1970; 0 if never.
    pub(crate) since_ms: u64,
}

impl EpochInfo {
    pub(crate) fn epoch(&self) -> EpochRef {
        EpochRef { generation: self.generation, rekey: self.at.id }
    }
}

impl Wire for EpochInfo {
    const WHAT: &'static str = "epoch state";
    const CAP: usize = 256;

    fn write(&self, to: &mut Writer) {
        to.raw(&self.place.key()).put(&self.at).u64(self.generation);
        to.u8(match self.keyed {
            Keyed::Waiting => 0,
            Keyed::Ready => 1,
            Keyed::Broken => 2,
            Keyed::Stranger => 3,
        });
        to.u32(self.events).u64(self.since_ms);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let place = Place::from_key(&from.array::<20>()?).or(Err(from.bad()))?;
        let (at, generation) = (from.get()?, from.u64()?);
        let keyed = match from.u8()? {
            0 => Keyed::Waiting,
            1 => Keyed::Ready,
            2 => Keyed::Broken,
            3 => Keyed::Stranger,
            _ => return Err(from.bad()),
        };
        Ok(Self { place, at, generation, keyed, events: from.u32()?, since_ms: from.u64()? })
    }
}

/// Why an event of the live set has no words here yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lacking {
    /// Its epoch's secret has not come.
    Key = 1,
    /// It came hollow (D2).
    Body = 2,
    /// It is a rekey whose box for this device has not come.
    Box = 3,
}

impl Lacking {
    pub(crate) fn from_value(value: &[u8]) -> Result<Self, StorageError> {
        match value {
            [1] => Ok(Self::Key),
            [2] => Ok(Self::Body),
            [3] => Ok(Self::Box),
            _ => Err(StorageError::Damaged { what: "unopened" }),
        }
    }
}

impl Wire for PrekeyAge {
    const WHAT: &'static str = "prekey age";
    const CAP: usize = 22;

    fn write(&self, to: &mut Writer) {
        to.u64(self.created_ms).u8(u8::from(self.used)).u8(u8::from(self.superseded));
        to.u32(self.running_days).u64(self.last_day);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            created_ms: from.u64()?,
            used: read_bool(from)?,
            superseded: read_bool(from)?,
            running_days: from.u32()?,
            last_day: from.u64()?,
        })
    }
}

/// Decodes what this store wrote.
pub(crate) fn decode<T: Wire>(bytes: &[u8]) -> Result<T, StorageError> {
    T::from_bytes(bytes).or(Err(StorageError::Damaged { what: T::WHAT }))
}

/// Tries every codec of this file on any bytes; what decodes encodes to the same bytes.
pub(crate) fn decode_any(bytes: &[u8]) {
    decoded::<Record>(bytes);
    decoded::<EpochInfo>(bytes);
    decoded::<LogSpec>(bytes);
    decoded::<PrekeyAge>(bytes);
    // Sets inside may be out of order in hostile bytes, so a state need not encode to the same ones.
    drop(LogState::from_bytes(bytes).map(|state| state.to_bytes()));
}
