//! What this device keeps besides the log: secrets, prekeys, acknowledgements, addresses, drafts.
//!
//! ```text
//! secrets    name ─▶ bytes          sealed      prekeys   id ─▶ age · secret               sealed
//! acks       newest by number       plain       addresses device's net key, text ─▶ last  plain
//! outbox     kind, id ─▶ bytes      sealed      seen      request ─▶ expiry                plain
//! settings   key ─▶ value           sealed      drafts    log ─▶ text, until it rests in the account log   sealed
//! ```

use std::ops::ControlFlow;

use y7ke_crypto::ack::{Ack, MAX_RANGES};
use y7ke_crypto::boxes::PrekeySecret;
use y7ke_crypto::clock::Want;
use y7ke_crypto::codec::Wire;
use y7ke_crypto::ids::{DeviceId, LogId, NetKey, PrekeyId, RequestId};
use y7ke_crypto::sign::{DeviceKey, Signed, Verified};
use zeroize::Zeroizing;

use super::StorageError;
use super::batch::Batch;
use super::raw::{Range, Tbl};
use super::schema::{self, decode, meta, pair};
use super::view::View;
use crate::keys::{PrekeyAge, prekey_may_go, prekey_ran};

/// Addresses kept per peer: what one session announces, a few times over.
pub const MAX_ADDRESSES: usize = 16;

/// An address of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressRow {
    /// As the transport writes it.
    pub address: String,
    /// When it last worked, ms since 1970; 0 if it never did.
    pub last_ms: u64,
}

/// Something that is sent again until it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// What it is; the caller's numbering.
    pub kind: u8,
    /// Which.
    pub id: RequestId,
    /// What to send.
    pub bytes: Vec<u8>,
}

impl View {
    /// Which device this is.
    pub fn device(&self) -> Result<Option<DeviceId>, StorageError> {
        self.tables.get(Tbl::Meta, meta::ME)?.map(|value| decode(&value)).transpose()
    }

    /// A secret by its name.
    pub fn secret(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StorageError> {
        self.get_sealed(Tbl::Secrets, name.as_bytes())
    }

    /// The secret half of a prekey, unless it was destroyed.
    pub fn prekey_secret(&self, id: &PrekeyId) -> Result<Option<PrekeySecret>, StorageError> {
        Ok(self.prekey(id)?.map(|(_, secret)| secret))
    }

    /// The prekey that others use now.
    pub fn newest_prekey(&self) -> Result<Option<(PrekeyId, PrekeyAge)>, StorageError> {
        Ok(self.prekeys()?.into_iter().max_by_key(|(_, age)| age.created_ms))
    }

    /// Every prekey whose secret is kept.
    pub fn prekeys(&self) -> Result<Vec<(PrekeyId, PrekeyAge)>, StorageError> {
        let mut found = Vec::new();
        self.tables.walk(Tbl::Prekeys, Range::ALL, &mut |key, sealed| {
            let plain = self.unseal(Tbl::Prekeys, key, sealed)?;
            found.push((decode(key)?, split_prekey(&plain)?.0));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    fn prekey(&self, id: &PrekeyId) -> Result<Option<(PrekeyAge, PrekeySecret)>, StorageError> {
        self.get_sealed(Tbl::Prekeys, id.as_bytes())?.map(|plain| split_prekey(&plain)).transpose()
    }

    /// The addresses of a peer, the one that worked last first.
    pub fn addresses(&self, peer: &NetKey) -> Result<Vec<AddressRow>, StorageError> {
        let mut rows = Vec::new();
        self.walk_prefix(Tbl::Addresses, peer.as_bytes(), &mut |key, value| {
            let text = key.get(32..).and_then(|text| std::str::from_utf8(text).ok());
            let address = text.ok_or(StorageError::Damaged { what: "address" })?.to_owned();
            rows.push(AddressRow { address, last_ms: schema::long_at(value, 0)? });
            Ok(ControlFlow::Continue(()))
        })?;
        rows.sort_by_key(|row| std::cmp::Reverse(row.last_ms));
        Ok(rows)
    }

    /// Everything that waits to be answered.
    pub fn outbound(&self) -> Result<Vec<Outbound>, StorageError> {
        let mut rows = Vec::new();
        self.tables.walk(Tbl::Outbox, Range::ALL, &mut |key, sealed| {
            let (kind, id) = key.split_first().ok_or(StorageError::Damaged { what: "outbox" })?;
            let bytes = self.unseal(Tbl::Outbox, key, sealed)?.to_vec();
            rows.push(Outbound { kind: *kind, id: decode(id)?, bytes });
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rows)
    }

    /// Whether a request id was seen and is remembered (C1).
    pub fn has_seen(&self, request: &RequestId) -> Result<bool, StorageError> {
        self.tables.contains(Tbl::Seen, request.as_bytes())
    }

    /// What was typed here and is not in the account log yet; empty where it was taken away.
    pub fn draft(&self, log: &LogId) -> Result<Option<String>, StorageError> {
        self.get_sealed(Tbl::Drafts, log.as_bytes())?.map(|words| text(&words)).transpose()
    }

    /// The conversations in which something was typed that is not in the account log yet.
    pub fn drafts(&self) -> Result<Vec<LogId>, StorageError> {
        let mut logs = Vec::new();
        self.tables.walk(Tbl::Drafts, Range::ALL, &mut |key, _| {
            logs.push(decode(key)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(logs)
    }

    /// A setting of this device alone.
    pub fn setting(&self, key: &str) -> Result<Option<String>, StorageError> {
        self.get_sealed(Tbl::Settings, key.as_bytes())?.map(|words| text(&words)).transpose()
    }
}

impl Batch {
    /// Keeps a secret under a name.
    pub fn put_secret(&mut self, name: &str, secret: &[u8]) {
        self.put_sealed(Tbl::Secrets, name.as_bytes(), secret);
    }

    /// Forgets a secret.
    pub fn delete_secret(&mut self, name: &str) {
        self.delete(Tbl::Secrets, name.as_bytes());
    }

    /// Keeps an acknowledgement if it is the newest of its device, and drops the boxes that it makes
    /// needless (K1). Says whether it was newer.
    pub fn put_ack(&mut self, ack: &Verified<Ack>) -> Result<bool, StorageError> {
        let (of, device) = (ack.claim().log, ack.claim().device);
        let Some(log) = self.log_number(&of)? else { return Ok(false) };
        if self.ack(&of, &device)?.is_some_and(|old| old.claim.number >= ack.claim().number) {
            return Ok(false);
        }
        let number = self.number_device(&device)?;
        self.put(Tbl::Acks, pair(log, number), ack.as_signed().to_bytes());
        self.drop_opened_boxes(log, &device)?;
        Ok(true)
    }

    /// Says what this device durably holds of a log, if that has changed since it last said so (S3).
    /// Send it after the commit.
    pub fn acknowledge(&mut self, log: LogId, key: &DeviceKey) -> Result<Option<Signed<Ack>>, StorageError> {
        let last = self.ack(&log, &key.id())?.map(|signed| signed.claim);
        let (clock, unopened) = (self.clock(&log)?, self.unopened_runs(&log)?);
        let is_news = last.as_ref().is_none_or(|last| last.clock != clock || last.unopened != unopened);
        if clock.is_empty() || !is_news {
            return Ok(None);
        }
        let number = last.map_or(1, |last| last.number + 1);
        let ack = Ack { log, device: key.id(), number, clock, unopened };
        let signed = key.sign(ack).or(Err(StorageError::Absent { what: "own key" }))?;
        self.put_ack(&signed)?;
        Ok(Some(signed.into_signed()))
    }

    /// Notes an address of a peer: `worked_ms` if it was just used, 0 if only heard of.
    pub fn put_address(&mut self, peer: &NetKey, address: &str, worked_ms: u64) -> Result<(), StorageError> {
        let known = self.addresses(peer)?;
        let before = known.iter().find(|row| row.address == address).map(|row| row.last_ms);
        if before.is_some_and(|before| before >= worked_ms) {
            return Ok(());
        }
        if before.is_none() && known.len() >= MAX_ADDRESSES {
            let oldest = known.last().map(|row| address_key(peer, &row.address));
            oldest.into_iter().for_each(|key| self.delete(Tbl::Addresses, key));
        }
        self.put(Tbl::Addresses, address_key(peer, address), worked_ms.to_be_bytes());
        Ok(())
    }

    /// Forgets an address of a peer.
    pub fn delete_address(&mut self, peer: &NetKey, address: &str) {
        self.delete(Tbl::Addresses, address_key(peer, address));
    }

    /// Keeps something to be sent until it is answered.
    pub fn put_outbound(&mut self, outbound: &Outbound) {
        self.put_sealed(Tbl::Outbox, outbox_key(outbound.kind, &outbound.id), &outbound.bytes);
    }

    /// It was answered, or is given up.
    pub fn delete_outbound(&mut self, kind: u8, id: &RequestId) {
        self.delete(Tbl::Outbox, outbox_key(kind, id));
    }

    /// Remembers a request id until `until_ms` (C1: its expiry and a day).
    pub fn note_seen(&mut self, request: &RequestId, until_ms: u64) {
        self.put(Tbl::Seen, request.as_bytes(), until_ms.to_be_bytes());
    }

    /// Forgets the request ids whose time is over.
    pub fn prune_seen(&mut self, now_ms: u64) -> Result<(), StorageError> {
        let mut over = Vec::new();
        self.view.tables.walk(Tbl::Seen, Range::ALL, &mut |key, value| {
            if schema::long_at(value, 0)? < now_ms {
                over.push(key.to_vec());
            }
            Ok(ControlFlow::Continue(()))
        })?;
        over.into_iter().for_each(|key| self.delete(Tbl::Seen, key));
        Ok(())
    }

    /// Keeps what was typed until it rests in the account log.
    pub fn put_draft(&mut self, log: &LogId, words: &str) {
        self.put_sealed(Tbl::Drafts, log.as_bytes(), words.as_bytes());
    }

    /// It rests there now, or was sent.
    pub fn forget_draft(&mut self, log: &LogId) {
        self.delete(Tbl::Drafts, log.as_bytes());
    }

    /// Sets a setting of this device alone.
    pub fn put_setting(&mut self, key: &str, value: &str) {
        self.put_sealed(Tbl::Settings, key.as_bytes(), value.as_bytes());
    }

    /// A prekey opened something: a new one is due when this one is a day old (K4).
    pub fn note_prekey_used(&mut self, id: &PrekeyId) -> Result<(), StorageError> {
        if let Some((age, secret)) = self.prekey(id)? {
            self.put_prekey(id, PrekeyAge { used: true, ..age }, &secret);
        }
        Ok(())
    }

    /// This device runs and syncs: at most once a day this counts towards the end of old prekeys, and
    /// those whose time is over are destroyed (K4). Returns how many were.
    pub fn note_running(&mut self, now_ms: u64) -> Result<usize, StorageError> {
        let mut gone = 0;
        for (id, before) in self.prekeys()? {
            let age = prekey_ran(before, now_ms);
            if prekey_may_go(&age) {
                self.delete(Tbl::Prekeys, id.as_bytes());
                gone += 1;
            } else if age != before
                && let Some(secret) = self.prekey_secret(&id)?
            {
                self.put_prekey(&id, age, &secret);
            }
        }
        Ok(gone)
    }

    /// Keeps a prekey that was just published; all others are superseded by it.
    pub(super) fn keep_prekey(&mut self, secret: &PrekeySecret, created_ms: u64) -> Result<(), StorageError> {
        for (id, age) in self.prekeys()? {
            if let Some(old) = self.prekey_secret(&id)?.filter(|_| !age.superseded) {
                self.put_prekey(&id, PrekeyAge { superseded: true, ..age }, &old);
            }
        }
        self.put_prekey(&secret.id(), PrekeyAge { created_ms, ..PrekeyAge::default() }, secret);
        Ok(())
    }

    fn put_prekey(&mut self, id: &PrekeyId, age: PrekeyAge, secret: &PrekeySecret) {
        let plain = Zeroizing::new([age.to_bytes().as_slice(), secret.expose()].concat());
        self.put_sealed(Tbl::Prekeys, id.as_bytes(), &plain);
    }

    /// What cannot be opened, whatever the reason, in the one form that an acknowledgement has.
    fn unopened_runs(&self, log: &LogId) -> Result<Vec<Want>, StorageError> {
        let mut runs: Vec<Want> = Vec::new();
        for run in self.unopened(log)? {
            match runs.last_mut() {
                Some(last) if last.device == run.device && run.from <= last.to.saturating_add(1) => {
                    last.to = last.to.max(run.to);
                }
                _ => runs.push(Want { device: run.device, from: run.from, to: run.to }),
            }
        }
        Ok(fewer(runs))
    }
}

/// At most [`MAX_RANGES`]: the last ones of too many become the span that holds them, per device.
fn fewer(mut runs: Vec<Want>) -> Vec<Want> {
    while runs.len() > MAX_RANGES {
        let Some(at) = (1..runs.len()).rev().find(|at| runs[*at].device == runs[*at - 1].device) else { break };
        runs[at - 1].to = runs[at].to;
        runs.remove(at);
    }
    runs.truncate(MAX_RANGES);
    runs
}

fn split_prekey(plain: &[u8]) -> Result<(PrekeyAge, PrekeySecret), StorageError> {
    let (age, secret) = plain.split_at_checked(PrekeyAge::CAP).ok_or(StorageError::Damaged { what: "prekey" })?;
    let secret = secret.try_into().or(Err(StorageError::Damaged { what: "prekey" }))?;
    Ok((decode(age)?, PrekeySecret::from_bytes(secret)))
}

fn text(words: &[u8]) -> Result<String, StorageError> {
    std::str::from_utf8(words).map(str::to_owned).or(Err(StorageError::Damaged { what: "words" }))
}

fn address_key(peer: &NetKey, address: &str) -> Vec<u8> {
    [peer.as_bytes().as_slice(), address.as_bytes()].concat()
}

fn outbox_key(kind: u8, id: &RequestId) -> Vec<u8> {
    [&[kind], id.as_bytes().as_slice()].concat()
}
