//! Own events: dependencies, clock, keys and signature, through the same door as everybody's.
//!
//! ```text
//! append        deps = live heads (≤ 16, own previous among them, E2) · hlc = max(now, newest dep + 1)
//!               sealed: next key of the own chain in the epoch that was chosen · sign · admit
//! ensure_epoch  the greatest epoch that fits the members and is not worn out, else a rekey (K3)
//! publish_prekey_if_due, note_running                                                    (K4)
//! write_fork_notices   deps = live heads and the tip that was held when the proof came   (F4)
//! ```

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use rand_core::CryptoRng;
use thiserror::Error;
use y7ke_crypto::boxes::PrekeySecret;
use y7ke_crypto::bundle::Prekey;
use y7ke_crypto::epoch::{EpochSecret, KeyBox, NewEpoch, RekeyFault, make_rekey};
use y7ke_crypto::event::{Class, Dep, Header, MAX_DEPS, Payload, SUITE, SealFault, seal};
use y7ke_crypto::ids::{DeviceId, EpochId, LogId};
use y7ke_crypto::sign::{DeviceKey, Verified};

use super::admitting::Admission;
use super::batch::Batch;
use super::raw::{Range, Tbl, after};
use super::schema::{self, DueNotice, EpochInfo, Keyed, LogState, epoch_key};
use super::view::View;
use super::walks::Past;
use super::{EventRef, StorageError};
use crate::admit::{EpochRef, Facts, Refusal, hlc_range, is_ancestor};
use crate::body::{Body, BodyFault};
use crate::id::Event;
use crate::keys::{EpochUse, RekeyReason, fits, prekey_due, rekey_due};

/// An own event that was stored.
pub type Appended = EventRef;

/// Why nothing was appended. The caller's to answer, except for the disk.
#[derive(Debug, Error)]
pub enum AppendError {
    /// This disk's fault.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The log is not known here.
    #[error("the log is not known here")]
    UnknownLog,
    /// This device has not introduced itself in the log: a join or an opening comes first.
    #[error("this device has not joined the log")]
    NotJoined,
    /// This device has forked here, by a restored copy or a stolen key: it is to be retired (F5).
    #[error("this device has forked in the log and writes no more there")]
    Frozen,
    /// No epoch was chosen: `ensure_epoch` comes before what is sealed.
    #[error("no epoch was chosen to write in")]
    NoEpoch,
    /// What was to be said exceeds a cap, or is of a kind that nobody writes.
    #[error("the body cannot be written: {0}")]
    Body(#[from] BodyFault),
    /// Too long to be sealed.
    #[error(transparent)]
    Seal(#[from] SealFault),
    /// These members cannot have an epoch.
    #[error(transparent)]
    Rekey(#[from] RekeyFault),
    /// The members of an epoch are to include this device.
    #[error("this device is not among the members")]
    NotMember,
    /// Our own admission refuses it: a bug of ours, or a log that has come to its end.
    #[error("refused by our own admission: {0}")]
    Refused(Refusal),
    /// Kept out although everything it depends on is here: a bug of ours.
    #[error("not taken by our own admission")]
    NotTaken,
}

/// Which epoch the next sealed events of a log are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochOutcome {
    /// One that is there.
    Kept(EpochId),
    /// A new one, whose rekey event was appended.
    Renewed {
        /// The epoch.
        epoch: EpochId,
        /// Its event.
        event: EventRef,
        /// Why.
        reason: RekeyReason,
    },
}

/// An own event before it is signed.
struct Plan {
    log: u32,
    header: Header,
    previous: Option<Facts>,
}

impl Batch {
    /// Appends an own event. Sealed bodies need [`Batch::ensure_epoch`] first.
    pub fn append(
        &mut self,
        log: LogId,
        body: &Body,
        now_ms: u64,
        rng: &mut impl CryptoRng,
        key: &DeviceKey,
    ) -> Result<Appended, AppendError> {
        self.append_on(log, body, &[], now_ms, rng, key)
    }

    /// Chooses the epoch for the next sealed events of a log, and makes a new one if none fits
    /// exactly these members (this device among them) or the one that does is worn out (K3).
    pub fn ensure_epoch(
        &mut self,
        log: LogId,
        members: &[&Verified<Prekey>],
        now_ms: u64,
        rng: &mut impl CryptoRng,
        key: &DeviceKey,
    ) -> Result<EpochOutcome, AppendError> {
        let devices: BTreeSet<DeviceId> = members.iter().map(|prekey| prekey.device).collect();
        let number = self.log_number(&log)?.ok_or(AppendError::UnknownLog)?;
        let found = self.best_epoch(number, &devices, &key.id())?;
        let used = found.as_ref().map(|(_, _, used)| *used);
        match (rekey_due(used, now_ms), found) {
            (None, Some((epoch, info, _))) => {
                self.state_mut(number)?.sending = epoch;
                Ok(EpochOutcome::Kept(EpochId::of(&info.at.id)))
            }
            (reason, _) => {
                let reason = reason.unwrap_or(RekeyReason::MembersChanged);
                self.rekey(log, members, reason, now_ms, rng, key)
            }
        }
    }

    /// Makes a new epoch whatever the present one is like (K3: on request).
    pub fn rekey(
        &mut self,
        log: LogId,
        members: &[&Verified<Prekey>],
        reason: RekeyReason,
        now_ms: u64,
        rng: &mut impl CryptoRng,
        key: &DeviceKey,
    ) -> Result<EpochOutcome, AppendError> {
        let number = self.log_number(&log)?.ok_or(AppendError::UnknownLog)?;
        if members.iter().all(|prekey| prekey.device != key.id()) {
            return Err(AppendError::NotMember);
        }
        let generation = self.next_generation(number, &key.id())?;
        let made = make_rekey(rng, &log, generation, &key.id(), members)?;
        let NewEpoch { rekey, boxes, secret } = made;
        let event = self.append(log, &Body::Rekey(rekey.clone()), now_ms, rng, key)?;
        let epoch = EpochId::of(&event.id);
        self.adopt_epoch(number, &epoch, boxes, secret, &rekey, key)?;
        Ok(EpochOutcome::Renewed { epoch, event, reason })
    }

    /// Publishes a new prekey in this device's identity log when it is time (K4).
    pub fn publish_prekey_if_due(
        &mut self,
        identity: LogId,
        now_ms: u64,
        rng: &mut impl CryptoRng,
        key: &DeviceKey,
    ) -> Result<Option<Appended>, AppendError> {
        let newest = self.newest_prekey()?;
        if !prekey_due(newest.as_ref().map(|(_, age)| age), now_ms) {
            return Ok(None);
        }
        let created = newest.map_or(now_ms, |(_, age)| now_ms.max(age.created_ms.saturating_add(1)));
        let secret = PrekeySecret::generate(rng);
        let prekey = Prekey { device: key.id(), created, public: secret.public() };
        let signed = key.sign(prekey).or(Err(AppendError::NotMember))?.into_signed();
        let appended = self.append(identity, &Body::Prekey(Box::new(signed)), now_ms, rng, key)?;
        self.keep_prekey(&secret, created)?;
        Ok(Some(appended))
    }

    /// Tells the other devices of every fork that came to light here and that they may not know (F4):
    /// what this device held of the forked one stays part of the log. A log that this device only
    /// reads gets no notice.
    pub fn write_fork_notices(
        &mut self,
        log: LogId,
        now_ms: u64,
        rng: &mut impl CryptoRng,
        key: &DeviceKey,
    ) -> Result<Vec<Appended>, AppendError> {
        let number = self.log_number(&log)?.ok_or(AppendError::UnknownLog)?;
        let state = self.state_mut(number)?;
        if state.tip(&key.id()).is_none() || state.is_out(&key.id()) {
            return Ok(Vec::new());
        }
        let due = state.notices.clone();
        let mut written = Vec::new();
        for DueNotice { device, seq, tip } in due.into_iter().filter(|due| due.device != key.id()) {
            let tip: Vec<Dep> = tip.into_iter().collect();
            let notice = Body::ForkNotice { device, seq };
            written.push(self.append_on(log, &notice, &tip, now_ms, rng, key)?);
        }
        self.state_mut(number)?.notices.clear();
        Ok(written)
    }

    fn append_on(
        &mut self,
        log: LogId,
        body: &Body,
        extra: &[Dep],
        now_ms: u64,
        rng: &mut impl CryptoRng,
        key: &DeviceKey,
    ) -> Result<Appended, AppendError> {
        body.check()?;
        self.set_device(key.id())?;
        let class = body.class().ok_or(AppendError::NotTaken)?;
        let mut plan = self.plan(log, body, extra, now_ms, key.id())?;
        let payload = match class {
            Class::Open => body.to_bytes(),
            Class::Sealed => self.seal_next(&mut plan, body, now_ms, rng)?,
        };
        let event = Event::new(plan.header, Payload::Full(payload));
        let event = key.sign(event).or(Err(AppendError::NotTaken))?;
        match self.admit_verified(plan.log, event, Vec::new(), key.id())? {
            Admission::Admitted(admitted) => Ok(admitted.event),
            Admission::Refused(refusal) => Err(AppendError::Refused(refusal)),
            _ => Err(AppendError::NotTaken),
        }
    }

    /// Number, dependencies and clock of the next own event.
    fn plan(&mut self, log: LogId, body: &Body, extra: &[Dep], now_ms: u64, me: DeviceId) -> Result<Plan, AppendError> {
        let number = self.log_number(&log)?.ok_or(AppendError::UnknownLog)?;
        let state = self.state_mut(number)?;
        if state.is_out(&me) {
            return Err(AppendError::Frozen);
        }
        let previous = state.tip(&me);
        if previous.is_none() && !matches!(body, Body::Join { .. } | Body::Opening(_)) {
            return Err(AppendError::NotJoined);
        }
        let heads: Vec<Dep> = match body {
            Body::Opening(_) => Vec::new(),
            _ => state.frontier.heads.iter().copied().collect(),
        };
        let deps = self.trim_deps(number, heads, previous, extra)?;
        let newest = self.newest_clock(number, &deps)?;
        let previous_facts = previous.map(|dep| self.facts_of(number, &dep)).transpose()?;
        let seq = previous.map_or(1, |dep| dep.seq.saturating_add(1));
        let header = Header::open(log, me, seq, clock(now_ms, newest)?, deps);
        Ok(Plan { log: number, header, previous: previous_facts })
    }

    /// At most 16 (E2): the own previous event, what must be named, then the oldest of the others.
    fn trim_deps(
        &self,
        log: u32,
        heads: Vec<Dep>,
        previous: Option<Dep>,
        extra: &[Dep],
    ) -> Result<Vec<Dep>, StorageError> {
        let mut deps: Vec<Dep> = previous.into_iter().chain(extra.iter().copied()).collect();
        let named: BTreeSet<DeviceId> = deps.iter().map(|dep| dep.device).collect();
        let mut others: Vec<(u64, Dep)> = Vec::new();
        for head in heads.into_iter().filter(|head| !named.contains(&head.device)) {
            others.push((self.facts_of(log, &head)?.hlc, head));
        }
        others.sort_unstable();
        deps.extend(others.into_iter().map(|(_, dep)| dep).take(MAX_DEPS - deps.len()));
        deps.sort_unstable_by_key(|dep| dep.device);
        Ok(deps)
    }

    /// Seals a body under the next key of this device's chain in the chosen epoch.
    fn seal_next(
        &mut self,
        plan: &mut Plan,
        body: &Body,
        now_ms: u64,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, AppendError> {
        let number = self.state_mut(plan.log)?.sending;
        if number == 0 {
            return Err(AppendError::NoEpoch);
        }
        let mut info = self.epoch(number)?;
        let header = &mut plan.header;
        header.class = Class::Sealed;
        header.suite = SUITE;
        header.epoch = EpochId::of(&info.at.id);
        header.chain = next_chain(plan.previous.as_ref(), &info.epoch());
        rng.fill_bytes(&mut header.nonce);
        let device = self.number_device(&header.device)?;
        self.step_chain(number, device, header.chain)?;
        let key = self.event_key(number, device, header.chain)?.ok_or(AppendError::NoEpoch)?;
        let sealed = seal(&key, header, &body.to_bytes())?;
        if info.since_ms == 0 {
            info.since_ms = now_ms.max(1);
            self.put_epoch(number, &info);
        }
        Ok(sealed)
    }

    /// The own rekey is stored: its boxes wait for their addressees, its chains are grown.
    fn adopt_epoch(
        &mut self,
        log: u32,
        epoch: &EpochId,
        boxes: Vec<KeyBox>,
        secret: EpochSecret,
        rekey: &y7ke_crypto::epoch::Rekey,
        key: &DeviceKey,
    ) -> Result<(), StorageError> {
        let number = self.epoch_number(log, epoch)?.ok_or(StorageError::Damaged { what: "epoch" })?;
        let others = boxes.into_iter().filter(|sealed| sealed.device != key.id());
        for sealed in others {
            self.keep_box(number, &sealed)?;
        }
        self.install_chains(number, rekey, secret)?;
        self.state_mut(log)?.sending = number;
        Ok(())
    }

    fn next_generation(&mut self, log: u32, me: &DeviceId) -> Result<u64, AppendError> {
        let state = self.state_mut(log)?;
        let (heads, previous) = (state.frontier.heads.iter().copied().collect(), state.tip(me));
        let deps = self.trim_deps(log, heads, previous, &[])?;
        let mut seen = 0;
        for dep in &deps {
            seen = seen.max(self.facts_of(log, dep)?.generation);
        }
        Ok(seen.saturating_add(1))
    }

    /// The greatest epoch that this device may write in, that fits the members, and how worn it is.
    fn best_epoch(
        &mut self,
        log: u32,
        members: &BTreeSet<DeviceId>,
        me: &DeviceId,
    ) -> Result<Option<(u32, EpochInfo, EpochUse)>, StorageError> {
        let state = self.state_mut(log)?.clone();
        let previous = state.tip(me).map(|dep| self.facts_of(log, &dep)).transpose()?;
        let last = previous.and_then(|facts| facts.epoch);
        for number in self.epochs_down_to(log, last.as_ref())? {
            let info = self.epoch(number)?;
            if self.may_write_in(log, &state, &info, members, me)? {
                let next_chain = next_chain(previous.as_ref(), &info.epoch());
                let used = EpochUse { events: info.events, since_ms: info.since_ms, next_chain };
                return Ok(Some((number, info, used)));
            }
        }
        Ok(None)
    }

    fn may_write_in(
        &self,
        log: u32,
        state: &LogState,
        info: &EpochInfo,
        members: &BTreeSet<DeviceId>,
        me: &DeviceId,
    ) -> Result<bool, StorageError> {
        if info.keyed != Keyed::Ready || !self.record_at(&info.place)?.live {
            return Ok(false);
        }
        let known = self.known_rekey(info)?;
        if !fits(&known.rekey, members) {
            return Ok(false);
        }
        let heads = state.frontier.heads.iter().copied().collect();
        let deps = self.trim_deps(log, heads, state.tip(me), &[])?;
        is_ancestor(&known, &deps, &Past { view: &self.view, log })
    }
}

impl View {
    fn facts_of(&self, log: u32, dep: &Dep) -> Result<Facts, StorageError> {
        let found = self.find(log, dep)?.map(|(_, record)| record.facts());
        found.ok_or(StorageError::Damaged { what: "dependency" })
    }

    fn newest_clock(&self, log: u32, deps: &[Dep]) -> Result<Option<u64>, StorageError> {
        let mut newest = None;
        for dep in deps {
            newest = newest.max(Some(self.facts_of(log, dep)?.hlc));
        }
        Ok(newest)
    }

    /// The epochs of a log, the greatest first, down to `last` with it.
    fn epochs_down_to(&self, log: u32, last: Option<&EpochRef>) -> Result<Vec<u32>, StorageError> {
        let prefix = epoch_key::order_prefix(log);
        let from = last.map_or(prefix.clone(), |last| epoch_key::in_order(log, last));
        let to = after(&prefix);
        let mut numbers = Vec::new();
        self.tables.walk(Tbl::Epochs, Range::new(&from, to.as_deref()).reversed(), &mut |_, value| {
            numbers.push(schema::number_at(value, 0)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(numbers)
    }
}

/// The author's next index in an epoch: where it left off, or the chain's beginning.
fn next_chain(previous: Option<&Facts>, epoch: &EpochRef) -> u32 {
    previous.filter(|facts| facts.epoch == Some(*epoch)).map_or(0, |facts| facts.next_chain)
}

/// The clock of the next own event: the wall clock, if it is later than everything seen (E5).
fn clock(now_ms: u64, newest: Option<u64>) -> Result<u64, AppendError> {
    let refused = Refusal::Hlc { found: now_ms, least: u64::MAX, greatest: 0 };
    let (least, greatest) = hlc_range(newest).ok_or(AppendError::Refused(refused))?;
    Ok(now_ms.clamp(least, greatest))
}
