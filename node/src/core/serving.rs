//! What sessions ask of the ledger: pages of events to send, events to take in by the one door, fork proofs.
//!
//! ```text
//! session ─ Read ──▶ read_events ──▶ parcels
//! session ─ Admit ─▶ admit_items ──▶ outcomes, and news for `news.rs`
//! ```

use rand_core::CryptoRng;
use y7ke_crypto::clock;
use y7ke_crypto::codec::Wire;
use y7ke_crypto::epoch::KeyBox;
use y7ke_crypto::ids::{DeviceId, LogId};
use y7ke_crypto::sign::Verified;
use y7ke_ledger::Event;
use y7ke_ledger::admit::Refusal;
use y7ke_ledger::fork::ForkProof;
use y7ke_ledger::intake::Verdict;
use y7ke_ledger::store::{Admission, EventRef, Item};
use y7ke_sync as sync;
use y7ke_transport::SessionId;

use super::{Round, Step, ahead};

/// What a session asked to read.
pub(super) struct ReadPage {
    pub(super) proofs: Vec<(DeviceId, Vec<u8>)>,
    pub(super) items: Vec<sync::Item>,
    pub(super) more: bool,
}

impl<R: CryptoRng> Round<'_, R> {
    pub(super) fn heads(&self, log: &LogId) -> Step<sync::Heads> {
        let view = self.view();
        let frozen = view.log(log)?.map(|info| info.frozen).unwrap_or_default();
        let mut newest = 0;
        for head in view.heads(log)? {
            newest = newest.max(view.event(&head)?.map_or(0, |event| event.header.hlc));
        }
        Ok(sync::Heads {
            clock: view.clock(log)?,
            digest: view.heads_digest(log)?,
            frozen: frozen.into_iter().collect(),
            newest,
        })
    }

    pub(super) fn read_events(
        &self,
        log: &LogId,
        proofs: &[DeviceId],
        wants: &[sync::Want],
        after: Option<sync::Position>,
        max_events: usize,
        max_bytes: usize,
    ) -> Step<ReadPage> {
        let mut runs = Vec::new();
        for want in wants {
            runs.extend(self.run(log, want, after)?);
        }
        let behind = |event: &EventRef| {
            after.is_none_or(|after| (event.hlc, event.device, event.id) > (after.hlc, after.device, after.id))
        };
        let (mut most, mut most_bytes) = (max_events, max_bytes);
        let (items, more) = loop {
            let page = self.view().events_between(log, &runs, most, most_bytes)?;
            let items: Vec<_> = page.items.into_iter().filter(|item| behind(&item.event)).collect();
            if !items.is_empty() || !page.more {
                break (items, page.more);
            }
            (most, most_bytes) = (most.saturating_mul(4), most_bytes.saturating_mul(4));
        };
        Ok(ReadPage { proofs: self.proofs_of(log, proofs)?, items: items.into_iter().map(parcel).collect(), more })
    }

    /// What is left of a want behind `after`, in numbers. A device's clock grows with its numbers, so the
    /// place is found by halving; not so where it forked: there everything is read, and what was sent left out.
    fn run(&self, log: &LogId, want: &sync::Want, after: Option<sync::Position>) -> Step<Option<clock::Want>> {
        let mut from = self.contested(log, want)?;
        if let Some(after) = after.filter(|_| from == want.from)
            && !self.view().is_frozen(log, &want.device)?
        {
            from = self.first_behind(log, &want.device, from, want.to, &after)?;
        }
        Ok((from <= want.to).then_some(clock::Want { device: want.device, from, to: want.to }))
    }

    /// The least number from `low` to `last` whose event stands behind `after`; one more than `last` if none does.
    fn first_behind(
        &self,
        log: &LogId,
        device: &DeviceId,
        mut low: u64,
        last: u64,
        after: &sync::Position,
    ) -> Step<u64> {
        let mut high = last.saturating_add(1);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.stands_behind(log, device, middle, after)? { high = middle } else { low = middle + 1 }
        }
        Ok(low)
    }

    /// If another event than the peer's stands before the want, it is sent too: with both the fork is proven (F1).
    fn contested(&self, log: &LogId, want: &sync::Want) -> Step<u64> {
        let (Some(base), Some(before)) = (want.base, want.from.checked_sub(1).filter(|seq| *seq > 0)) else {
            return Ok(want.from);
        };
        let held = self.view().events_at(log, &want.device, before)?;
        let differs = !held.is_empty() && held.iter().all(|event| event.id != base);
        Ok(if differs { before } else { want.from })
    }

    fn stands_behind(&self, log: &LogId, device: &DeviceId, seq: u64, after: &sync::Position) -> Step<bool> {
        let held = self.view().events_at(log, device, seq)?;
        let last = held.iter().map(|event| (event.header.hlc, event.header.device, event.id)).max();
        Ok(last.is_none_or(|place| place > (after.hlc, after.device, after.id)))
    }

    fn proofs_of(&self, log: &LogId, devices: &[DeviceId]) -> Step<Vec<(DeviceId, Vec<u8>)>> {
        if devices.is_empty() {
            return Ok(Vec::new());
        }
        let all = self.view().fork_proofs(log)?;
        let asked = all.iter().filter(|proof| devices.contains(&proof.device()));
        Ok(asked.map(|proof| (proof.device(), proof.to_bytes())).collect())
    }

    /// The one door: what came over a session goes into the log, or it does not, and nothing else decides.
    pub(super) fn admit_items(
        &mut self,
        id: SessionId,
        log: &LogId,
        items: Vec<sync::Parcel>,
    ) -> Step<(Vec<sync::Outcome>, Option<sync::Heads>)> {
        let Some(sender) = self.core.links.get(&id).and_then(|link| link.proven).map(|proven| proven.device) else {
            return Ok((vec![sync::Outcome::Dropped; items.len()], None));
        };
        let verdicts = ahead::verdicts(self.ahead.take(), &items);
        let mut outcomes = Vec::with_capacity(items.len());
        for (item, verdict) in items.into_iter().zip(verdicts) {
            let admission = match verified(log, verdict) {
                Some(event) => Some((name(&event), self.book.take(event, boxes(item), sender)?)),
                None => None,
            };
            outcomes.push(match admission {
                Some((name, admission)) => self.outcome(name, &admission)?,
                None => sync::Outcome::Refused,
            });
        }
        Ok((outcomes, Some(self.heads(log)?)))
    }

    fn outcome(&self, name: sync::Name, admission: &Admission) -> Step<sync::Outcome> {
        use sync::Outcome;
        Ok(match admission {
            Admission::Admitted(_) => Outcome::Stored(name),
            Admission::Known { .. } => Outcome::Known(name),
            Admission::Orphan { .. } | Admission::Waiting => Outcome::Orphaned(name),
            Admission::Forked(_) => match self.view().event(&name.id)? {
                Some(_) => Outcome::Stored(name),
                None => Outcome::Orphaned(name),
            },
            Admission::Refused(Refusal::UnknownLog) => Outcome::Dropped,
            Admission::Refused(why) => {
                tracing::debug!(%why, "an event was refused");
                Outcome::Refused
            }
        })
    }

    pub(super) fn admit_proof(&mut self, log: &LogId, bytes: &[u8]) -> Step {
        match ForkProof::from_bytes(bytes) {
            Ok(proof) if proof.log() == *log => {
                self.book.admit_proof(proof)?;
            }
            Ok(_) => tracing::debug!("a fork proof of another log"),
            Err(why) => tracing::debug!(%why, "a fork proof that proves nothing"),
        }
        Ok(())
    }
}

fn parcel(item: Item) -> sync::Item {
    let boxes = item.boxes.iter().map(|sealed| (sealed.device, sealed.sealed.to_vec())).collect();
    sync::Item {
        device: item.event.device,
        seq: item.event.seq,
        hlc: item.event.hlc,
        id: item.event.id,
        parcel: sync::Parcel { bytes: item.wire.to_bytes(), boxes },
    }
}

/// A verified event of `log`.
fn verified(log: &LogId, verdict: Verdict) -> Option<Verified<Event>> {
    match verdict {
        Verdict::Verified(event) if event.header().log == *log => Some(*event),
        verdict => {
            tracing::debug!(malformed = matches!(verdict, Verdict::Malformed(_)), "an event was refused unread");
            None
        }
    }
}

/// The boxes that came with an event; those of a wrong length are left out.
fn boxes(parcel: sync::Parcel) -> Vec<KeyBox> {
    let sealed = |(device, bytes): (DeviceId, Vec<u8>)| {
        Some(KeyBox { device, sealed: bytes.into_boxed_slice().try_into().ok()? })
    };
    parcel.boxes.into_iter().filter_map(sealed).collect()
}

fn name(event: &Event) -> sync::Name {
    let header = event.header();
    sync::Name { device: header.device, seq: header.seq, id: event.id() }
}
