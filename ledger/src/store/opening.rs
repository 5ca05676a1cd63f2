//! Boxes, chains, event keys: how what is sealed comes open, and stays so.
//!
//! ```text
//! box for me ─ prekey ─▶ epoch secret ─▶ chains of all members ─▶ secret and box erased       (K2)
//!                                           │ one step per event, in the author's order
//!                                           ▼
//!                                   event key (epoch, device, chain index) ─▶ body
//! no box yet ─▶ unopened(key)     no body ─▶ unopened(body)     rekey without my box ─▶ unopened(box)
//! ```
//!
//! Invariants
//! * A chain is stored one step behind its last event key: no earlier key can be made from it.
//! * The variants of a forked number share chain index and key, so neither blocks the other.
//! * A step and the event that it opens are in one transaction.

use std::ops::ControlFlow;

use y7ke_crypto::boxes::Opener;
use y7ke_crypto::codec::Wire;
use y7ke_crypto::epoch::{ChainKey, EpochSecret, KeyBox, Member, Rekey, open_box_by};
use y7ke_crypto::event::{Class, EventKey, SUITE, open};
use y7ke_crypto::ids::{DeviceId, EpochId, EventId, PrekeyId};

use super::StorageError;
use super::batch::Batch;
use super::raw::Tbl;
use super::schema::{self, EpochInfo, Keyed, Lacking, Place, Record, epoch_key, meta, pair, triple};
use super::view::{Content, View};
use crate::body::Body;
use crate::id::Event;

impl View {
    /// What a stored event says, as far as this device can tell.
    pub(super) fn content_of(&self, place: &Place, record: &Record) -> Result<Content, StorageError> {
        let Some(bytes) = self.body_bytes(place, record.header.class)? else { return Ok(Content::Missing) };
        if record.header.suite != SUITE {
            return Ok(Content::NoEffect);
        }
        if record.header.class == Class::Open {
            return Ok(understood(Class::Open, &bytes));
        }
        let Some(key) = self.key_of(place.log, place.device, record)? else { return Ok(Content::Sealed) };
        Ok(match open(&key, &record.header, &bytes) {
            Ok(body) => understood(Class::Sealed, &body),
            Err(_) => Content::NoEffect,
        })
    }

    fn key_of(&self, log: u32, device: u32, record: &Record) -> Result<Option<EventKey>, StorageError> {
        let Some(epoch) = self.epoch_number(log, &record.header.epoch)? else { return Ok(None) };
        self.event_key(epoch, device, record.header.chain)
    }

    pub(super) fn event_key(&self, epoch: u32, device: u32, chain: u32) -> Result<Option<EventKey>, StorageError> {
        if let Some(key) = self.memo.keys.get(&(epoch, device, chain)) {
            return Ok(Some(EventKey::from_bytes(key.expose())));
        }
        self.stored_key(epoch, device, chain)
    }

    fn has_event_key(&self, epoch: u32, device: u32, chain: u32) -> Result<bool, StorageError> {
        let is_new = self.memo.keys.contains_key(&(epoch, device, chain));
        Ok(is_new || self.has_stored_key(epoch, device, chain)?)
    }

    /// The chain as it was at the last commit.
    pub(super) fn stored_chain(&self, epoch: u32, device: u32) -> Result<Option<ChainKey>, StorageError> {
        let Some(bytes) = self.get_sealed(Tbl::Chains, &pair(epoch, device))? else { return Ok(None) };
        let chain = bytes.as_slice().try_into().ok().and_then(ChainKey::from_bytes);
        chain.map(Some).ok_or(StorageError::Damaged { what: "chain" })
    }

    /// The places of a log's unopened events that lack this.
    fn lacking(&self, log: u32, wanted: Lacking) -> Result<Vec<Place>, StorageError> {
        let mut places = Vec::new();
        self.walk_prefix(Tbl::Unopened, &log.to_be_bytes(), &mut |key, value| {
            if Lacking::from_value(value)? == wanted {
                places.push(Place::from_key(key)?);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(places)
    }
}

/// An unknown kind and a body that does not decode say nothing (E4).
fn understood(class: Class, bytes: &[u8]) -> Content {
    match Body::decode(class, bytes) {
        Ok(Body::Unknown(_)) | Err(_) => Content::NoEffect,
        Ok(body) => Content::Body(body),
    }
}

/// Sealed events.
impl Batch {
    /// Derives the key of a sealed event, or notes what it lacks.
    pub(super) fn note_sealed(&mut self, place: &Place, record: &Record, has_body: bool) -> Result<(), StorageError> {
        let has_key = self.derive_key(place, record)?;
        match (has_key, has_body) {
            _ if record.header.suite != SUITE => {}
            (true, true) => {}
            (_, false) => self.lack(place, Lacking::Body),
            (false, true) => self.lack(place, Lacking::Key),
        }
        Ok(())
    }

    fn lack(&mut self, place: &Place, lacking: Lacking) {
        self.put(Tbl::Unopened, place.key(), vec![lacking as u8]);
    }

    fn delete_if_there(&mut self, table: Tbl, key: &[u8]) -> Result<(), StorageError> {
        if self.view.tables.contains(table, key)? {
            self.delete(table, key);
        }
        Ok(())
    }

    /// What an event lacked has come: opens it and folds it.
    pub(super) fn open_late(&mut self, place: &Place, record: &Record) -> Result<(), StorageError> {
        self.delete_if_there(Tbl::Unopened, &place.key())?;
        let has_body = self.view.tables.contains(Tbl::Bodies, &place.key())?;
        self.note_sealed(place, record, has_body)?;
        let is_open = !self.view.tables.contains(Tbl::Unopened, &place.key())?;
        if is_open && record.live {
            let change = self.fold_event(place, record)?;
            self.tell(record, change);
        }
        Ok(())
    }

    /// Whether the event's key is there, after stepping its chain up to it if need be.
    fn derive_key(&mut self, place: &Place, record: &Record) -> Result<bool, StorageError> {
        let Some(epoch) = self.known_epoch(place.log, &record.header.epoch)? else { return Ok(false) };
        self.step_chain(epoch, place.device, record.header.chain)
    }

    /// Takes the keys of a chain up to this index out of it; says whether the key of this index is there.
    pub(super) fn step_chain(&mut self, epoch: u32, device: u32, index: u32) -> Result<bool, StorageError> {
        // From its index on, nobody has taken a key out of a chain.
        let is_open =
            matches!(self.view.memo.chains.get(&(epoch, device)), Some(Some(chain)) if chain.index() <= index);
        if !is_open && self.view.has_event_key(epoch, device, index)? {
            return Ok(true);
        }
        let held = match self.view.memo.chains.remove(&(epoch, device)) {
            Some(changed) => changed,
            None => self.view.stored_chain(epoch, device)?.filter(|chain| chain.index() <= index),
        };
        let Some(mut chain) = held else { return Ok(false) };
        while chain.index() <= index {
            let at = chain.index();
            let (key, rest) = chain.step();
            self.view.memo.keys.insert((epoch, device, at), key);
            let Some(next) = rest else {
                self.view.memo.chains.insert((epoch, device), None);
                return Ok(at == index);
            };
            chain = next;
        }
        self.view.memo.chains.insert((epoch, device), Some(chain));
        Ok(self.view.memo.keys.contains_key(&(epoch, device, index)))
    }

    /// Destroys the key of an event that has no more to say: its body stays and never opens again. The sealed bytes of
    /// the key lie in freed pages until those are used again (docs/STORAGE.md 7). Of a device that has forked the key
    /// stays: it is the key of the other variant as well.
    pub(super) fn destroy_key_of(&mut self, id: &EventId) -> Result<(), StorageError> {
        let Some(place) = self.place_of(id)? else { return Ok(()) };
        let record = self.record_at(&place)?;
        if self.state_mut(place.log)?.frozen.contains(&record.header.device) {
            return Ok(());
        }
        let Some(epoch) = self.epoch_number(place.log, &record.header.epoch)? else { return Ok(()) };
        let (device, chain) = (place.device, record.header.chain);
        // A key of this batch is not in the table yet.
        self.view.memo.keys.remove(&(epoch, device, chain));
        self.destroy_stored_key(epoch, device, chain)
    }

    /// Counts a live event in its epoch: after enough of them the next sender renews it (K3).
    pub(super) fn count_in_epoch(&mut self, place: &Place, record: &Record) -> Result<(), StorageError> {
        if record.header.class == Class::Open {
            return Ok(());
        }
        let number = self.known_epoch(place.log, &record.header.epoch)?;
        let number = number.ok_or(StorageError::Damaged { what: "epoch" })?;
        let mut info = self.epoch(number)?;
        info.events = info.events.saturating_add(1);
        self.put_epoch(number, &info);
        Ok(())
    }
}

/// Epochs.
impl Batch {
    /// A rekey was stored: remembers its epoch, keeps its boxes, opens the one for this device.
    pub(super) fn note_rekey(
        &mut self,
        place: &Place,
        record: &Record,
        rekey: &Rekey,
        boxes: Vec<KeyBox>,
    ) -> Result<(), StorageError> {
        let number = self.next_number(meta::NEXT_EPOCH)?;
        let is_member = self.device()?.is_some_and(|me| rekey.member(&me).is_some());
        let keyed = if is_member { Keyed::Waiting } else { Keyed::Stranger };
        let (at, generation) = (record.at(), rekey.generation);
        let info = EpochInfo { place: *place, at, generation, keyed, events: 0, since_ms: 0 };
        self.put_epoch(number, &info);
        let value = number.to_be_bytes().to_vec();
        self.put(Tbl::Epochs, epoch_key::by_id(place.log, &EpochId::of(&record.id)), value.clone());
        self.put(Tbl::Epochs, epoch_key::in_order(place.log, &info.epoch()), value);
        if is_member {
            self.lack(place, Lacking::Box);
        }
        self.keep_boxes(number, rekey, boxes).map(drop)
    }

    /// Boxes came with a rekey that is stored already; says whether one was missing.
    pub(super) fn take_boxes(
        &mut self,
        place: &Place,
        event: &Event,
        boxes: Vec<KeyBox>,
    ) -> Result<bool, StorageError> {
        if boxes.is_empty() || event.header().class == Class::Sealed {
            return Ok(false);
        }
        let Some(number) = self.epoch_number(place.log, &EpochId::of(&event.id()))? else { return Ok(false) };
        let known = self.known_rekey(&self.epoch(number)?)?;
        self.keep_boxes(number, &known.rekey, boxes)
    }

    /// Keeps those boxes that the rekey lists and whose addressee may still need them.
    fn keep_boxes(&mut self, number: u32, rekey: &Rekey, boxes: Vec<KeyBox>) -> Result<bool, StorageError> {
        let me = self.device()?;
        let mut filled = false;
        for sealed in boxes {
            let listed = rekey.member(&sealed.device).filter(|member| member.box_hash == sealed.hash());
            match listed {
                Some(member) if Some(member.device) == me => {
                    filled |= self.open_own_box(number, rekey, member, &sealed)?
                }
                Some(_) => filled |= self.keep_box(number, &sealed)?,
                None => {}
            }
        }
        Ok(filled)
    }

    pub(super) fn keep_box(&mut self, number: u32, sealed: &KeyBox) -> Result<bool, StorageError> {
        let log = self.epoch(number)?.place.log;
        let device = self.number_device(&sealed.device)?;
        let key = triple(log, number, device);
        let is_new = !self.view.tables.contains(Tbl::Boxes, &key)? && !self.has_opened(number, &sealed.device)?;
        if is_new {
            self.put(Tbl::Boxes, key, sealed.to_bytes());
        }
        Ok(is_new)
    }

    /// Opens this device's box, derives the chains of all members, and forgets the secret (K2).
    fn open_own_box(
        &mut self,
        number: u32,
        rekey: &Rekey,
        member: &Member,
        sealed: &KeyBox,
    ) -> Result<bool, StorageError> {
        let mut info = self.epoch(number)?;
        if info.keyed != Keyed::Waiting {
            return Ok(false);
        }
        let log = self.state_mut(info.place.log)?.spec.id();
        let opener = self.opener(&member.prekey)?;
        let Some(secret) = opener.and_then(|with| open_box_by(&log, &info.at.device, rekey, with, sealed).ok()) else {
            info.keyed = Keyed::Broken;
            self.put_epoch(number, &info);
            return Ok(false);
        };
        self.note_prekey_used(&member.prekey)?;
        self.install_chains(number, rekey, secret)?;
        Ok(true)
    }

    /// A prekey, ready to open boxes.
    fn opener(&mut self, id: &PrekeyId) -> Result<Option<&Opener>, StorageError> {
        if !self.view.memo.openers.contains_key(id) {
            let Some(secret) = self.prekey_secret(id)? else { return Ok(None) };
            self.view.memo.openers.insert(*id, Opener::of(&secret));
        }
        Ok(self.view.memo.openers.get(id))
    }

    /// Grows the chains of an epoch and opens everything that waited for them.
    pub(super) fn install_chains(
        &mut self,
        number: u32,
        rekey: &Rekey,
        secret: EpochSecret,
    ) -> Result<(), StorageError> {
        let mut info = self.epoch(number)?;
        let log = self.state_mut(info.place.log)?.spec.id();
        let chains = secret.into_chains(&log, &EpochId::of(&info.at.id), rekey.devices());
        for (device, chain) in chains {
            let device = self.number_device(&device)?;
            self.view.memo.chains.insert((number, device), Some(chain));
        }
        info.keyed = Keyed::Ready;
        self.put_epoch(number, &info);
        self.delete_if_there(Tbl::Unopened, &info.place.key())?;
        self.open_waiting(info.place.log, &EpochId::of(&info.at.id))
    }

    /// Opens the events of an epoch that came before its key.
    fn open_waiting(&mut self, log: u32, epoch: &EpochId) -> Result<(), StorageError> {
        for place in self.lacking(log, Lacking::Key)? {
            let record = self.record_at(&place)?;
            if record.header.epoch == *epoch {
                self.open_late(&place, &record)?;
            }
        }
        Ok(())
    }

    /// Whether a device has acknowledged a rekey and opened its box: then nobody keeps the box.
    fn has_opened(&self, number: u32, device: &DeviceId) -> Result<bool, StorageError> {
        let info = self.epoch(number)?;
        let log = self.state(info.place.log)?.spec.id();
        let ack = self.ack(&log, device)?;
        Ok(ack.is_some_and(|ack| super::view::delivers(&ack.claim, &info.at.device, info.at.seq)))
    }

    /// Drops the boxes of a log that their addressee has opened, as it says itself (K1).
    pub(super) fn drop_opened_boxes(&mut self, log: u32, device: &DeviceId) -> Result<(), StorageError> {
        let Some(addressee) = self.device_number(device)? else { return Ok(()) };
        let mut kept = Vec::new();
        self.walk_prefix(Tbl::Boxes, &log.to_be_bytes(), &mut |key, _| {
            if schema::number_at(key, 8)? == addressee {
                kept.push((schema::number_at(key, 4)?, key.to_vec()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        for (number, key) in kept {
            if self.has_opened(number, device)? {
                self.delete(Tbl::Boxes, key);
            }
        }
        Ok(())
    }
}
