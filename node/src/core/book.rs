//! The round's hand on the ledger: reading for sessions, the one door, own events, news.
//!
//! ```text
//! session ─ Read ──▶ read_events ──▶ parcels                own words ──▶ append_… ──┐
//! session ─ Admit ─▶ admit_items ──▶ outcomes ─┐                                     ├─▶ Batch
//!                                              └─ News ─▶ take_news ─▶ touched logs, notices, follow-ups
//! ```
//!
//! Follow-ups of news are decided here and carried out where they belong: an opening consumes a
//! request, a new device changes what is granted, a fork is told of.

use std::collections::BTreeSet;

use rand_core::CryptoRng;
use y7ke_crypto::ack::Ack;
use y7ke_crypto::boxes::PrekeySecret;
use y7ke_crypto::bundle::{Bundle, DeviceBundle, Prekey, SignedPrekey};
use y7ke_crypto::clock;
use y7ke_crypto::codec::Wire;
use y7ke_crypto::epoch::KeyBox;
use y7ke_crypto::event::WireEvent;
use y7ke_crypto::ids::{BundleHash, DeviceId, EventId, LogId, NetKey, PrekeyId, RequestId, RootId};
use y7ke_crypto::sign::{Signed, Verified};
use y7ke_crypto::text::Name;
use y7ke_ledger::admit::{LogSpec, Refusal};
use y7ke_ledger::body::{Body, ReadMarks};
use y7ke_ledger::fold::{self, Change, LogKind};
use y7ke_ledger::fork::ForkProof;
use y7ke_ledger::store::{Admission, AppendError, EventRef, Item, News, Outbound, StorageError, View};
use y7ke_ledger::views::{self, Direction, RequestPhase};
use y7ke_ledger::{Event, orphans};
use y7ke_sync as sync;
use y7ke_transport::{Address, SessionId};

use super::people::Relation;
use super::{Refused, Round, Step};
use crate::api::{ApiError, ErrorKind, Mode, Notice};

/// Bundles of mine that a request may still be sealed to.
const BUNDLES_MAX: usize = 16;
/// Kind of what is kept with an outgoing request: the bundle that it was sealed to.
const ADDRESSEE: u8 = 1;
/// Local settings of this device.
const MODE: &str = "mode";
const BUNDLES: &str = "bundles";

/// What a session asked to read.
pub(super) struct ReadPage {
    pub(super) proofs: Vec<(DeviceId, Vec<u8>)>,
    pub(super) items: Vec<sync::Item>,
    pub(super) more: bool,
}

/// The dial mode that was chosen on this device.
pub(super) fn saved_mode(view: &View) -> Result<Mode, StorageError> {
    Ok(match view.setting(MODE)?.as_deref() {
        Some("lan") => Mode::Lan,
        _ => Mode::Y7net,
    })
}

// For sessions.
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
        let parsed: Vec<_> = items.into_iter().map(|item| parse(log, item)).collect();
        let names: Vec<_> = parsed.iter().map(|event| event.as_ref().map(|(event, _)| name(&event.claim))).collect();
        let admissions = self.book.admit_all(parsed.into_iter().flatten().collect(), sender)?;
        let mut admissions = admissions.into_iter();
        let mut outcomes = Vec::with_capacity(names.len());
        for name in names {
            let admission = name.and_then(|name| Some((name, admissions.next()?)));
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

// Acknowledgements (S3).
impl<R: CryptoRng> Round<'_, R> {
    pub(super) fn acks_of(&self, log: &LogId) -> Step<Vec<(DeviceId, Vec<u8>)>> {
        let acks = self.view().acks(log)?;
        Ok(acks.iter().map(|ack| (ack.claim.device, ack.to_bytes())).collect())
    }

    /// Says what this device durably holds; leaves the node after the commit, like everything.
    pub(super) fn acknowledge(&mut self, log: &LogId) -> Step {
        let signed = self.book.acknowledge(*log, &self.core.me.device)?;
        let Some(signed) = signed else { return Ok(()) };
        let input = sync::Input::Ack { log: *log, device: signed.claim.device, bytes: signed.to_bytes() };
        self.feed_holders(log, &input)
    }

    pub(super) fn take_ack(&mut self, log: &LogId, bytes: &[u8]) -> Step {
        let Some(ack) = verified_ack(log, bytes) else {
            tracing::debug!("an acknowledgement that proves nothing");
            return Ok(());
        };
        let device = ack.claim().device;
        if device == self.core.me.device.id() || !self.may_acknowledge(log, &device)? {
            return Ok(());
        }
        let before = self.view().ack(log, &device)?.map(|signed| signed.claim);
        if !self.book.put_ack(&ack)? {
            return Ok(());
        }
        self.feed_holders(log, &sync::Input::Ack { log: *log, device, bytes: bytes.to_vec() })?;
        self.reached(log, before.as_ref(), ack.claim())
    }

    /// Devices of the log's people, whether or not they wrote in it yet.
    fn may_acknowledge(&self, log: &LogId, device: &DeviceId) -> Step<bool> {
        let Some(info) = self.view().log(log)? else { return Ok(false) };
        if info.spec.kind() == LogKind::Identity {
            return Ok(false);
        }
        Ok(views::person_of(self.view(), log, &info.spec.roots(), device)?.is_some())
    }

    /// Which messages of mine this acknowledgement says something new about.
    fn reached(&mut self, log: &LogId, before: Option<&Ack>, now: &Ack) -> Step {
        let me = self.core.me.device.id();
        let hidden = |ack: &Ack| ack.unopened.iter().filter(|run| run.device == me).map(|run| run.from).min();
        // Both numbers are whatever the peer says: up to 2^64 - 1, whatever I have written.
        let next = before.map_or(0, |ack| ack.clock.seq(&me)).saturating_add(1);
        let from = before.and_then(hidden).map_or(next, |seq| seq.min(next));
        let to = now.clock.seq(&me);
        self.core.forget_sent(log, from, to);
        if let Some(root) = self.other_member(log)? {
            self.wish_to_reach(&root)?;
        }
        self.tell_reached(log, &me, from, to)
    }
}

// News.
impl<R: CryptoRng> Round<'_, R> {
    /// What the batch did since the last look: who has to be told, and what follows.
    pub(super) fn take_news(&mut self) -> Step {
        loop {
            let news = self.book.drain_news();
            if news.is_empty() {
                return Ok(());
            }
            for news in news {
                // What one of them leads to may be refused; the others still have to be told.
                super::disk_only(self.on_news(news))?;
            }
        }
    }

    fn on_news(&mut self, news: News) -> Step {
        match news {
            News::Live(event) => self.touch(&event.log, event.device != self.core.me.device.id()),
            News::Changed { event, change } => {
                self.touch(&event.log, event.device != self.core.me.device.id())?;
                self.on_change(&event, change)
            }
            News::Frozen { log, .. } => {
                self.touch(&log, true)?;
                self.tell_of_forks(&log)
            }
            News::Refolded(log) => {
                self.tell(Notice::Resync);
                self.touch(&log, true)
            }
            News::Dropped(orphans::Dropped { log, sender, .. }) => self.ask_afresh(&log, &sender),
            News::Refused { sender, refusal, .. } => {
                tracing::debug!(%refusal, "an orphan was refused");
                self.core.refusals.spend(sender, 1, self.now.mono_ms);
                Ok(())
            }
        }
    }

    fn touch(&mut self, log: &LogId, foreign: bool) -> Step {
        let shared = self.view().log(log)?.is_some_and(|info| info.spec.kind() != LogKind::Identity);
        self.touched.entry(*log).or_default().acknowledge |= foreign && shared;
        Ok(())
    }

    /// An orphan was dropped: what its sender has is asked for once more (S5).
    fn ask_afresh(&mut self, log: &LogId, sender: &DeviceId) -> Step {
        let from = |link: &super::Link| link.proven.is_some_and(|proven| proven.device == *sender);
        let holds = self.core.links.iter().filter(|(_, link)| from(link));
        let links: Vec<_> = holds.filter_map(|(id, link)| Some((*id, *link.granted.get(log)?))).collect();
        for (id, stage) in links {
            let heads = self.heads(log)?;
            self.feed(id, sync::Input::Grant { log: *log, stage, heads })?;
        }
        Ok(())
    }

    fn on_change(&mut self, event: &EventRef, change: Change) -> Step {
        match change {
            Change::Message(id) => self.message_came(event, &id),
            Change::Read(root) => self.read_came(&event.log, &root),
            Change::Opened => {
                self.conversation_opened(&event.log, event.hlc)?;
                self.person_changed(&event.log)
            }
            Change::Revoked(_) => {
                self.person_changed(&event.log)?;
                self.sort_out_the_revoked(&event.log)
            }
            Change::Device(_) | Change::Prekey(_) | Change::Profile => self.person_changed(&event.log),
            Change::Disputed(..) => {
                self.tell(Notice::Resync);
                Ok(())
            }
            Change::Request(req_id) => self.request_changed(&req_id),
            Change::Contact(root) => {
                self.core.changed_people.insert(root);
                Ok(())
            }
            Change::Setting(_) | Change::Unopened => Ok(()),
        }
    }

    fn message_came(&mut self, event: &EventRef, id: &EventId) -> Step {
        if let Some(root) = self.other_member(&event.log)? {
            self.core.changed_people.insert(root);
        }
        if event.device == self.core.me.device.id() {
            return Ok(());
        }
        let Some(message) = self.message_view(id)? else { return Ok(()) };
        self.tell(if message.mine { Notice::MessageChanged { message } } else { Notice::MessageReceived { message } });
        Ok(())
    }

    /// Somebody read: which of my messages that covers is told, from the one that was told last.
    fn read_came(&mut self, log: &LogId, reader: &RootId) -> Step {
        if *reader == self.core.me.root {
            return self.person_changed(log);
        }
        let me = self.core.me.device.id();
        let marks = views::reads_of(self.view(), log)?;
        let mark = marks.iter().find(|mark| mark.reader == *reader && mark.device == me).map_or(0, |mark| mark.seq);
        let told = self.core.told_read.insert((*log, *reader), mark).unwrap_or(0);
        self.tell_reached(log, &me, told.saturating_add(1), mark)
    }

    /// A device is out: what its session may see changes at once (S1).
    fn sort_out_the_revoked(&mut self, log: &LogId) -> Step {
        let roots = self.view().log(log)?.map(|info| info.spec.roots()).unwrap_or_default();
        roots.iter().try_for_each(|root| self.regrant_person(root))
    }

    fn person_changed(&mut self, log: &LogId) -> Step {
        let roots = self.view().log(log)?.map(|info| info.spec.roots()).unwrap_or_default();
        let me = self.core.me.root;
        self.core.changed_people.extend(roots.into_iter().filter(|root| *root != me));
        Ok(())
    }

    fn request_changed(&mut self, req_id: &RequestId) -> Step {
        for direction in [Direction::In, Direction::Out] {
            let row = views::request(self.view(), &self.core.me.account, direction, req_id, self.now.wall_ms)?;
            let Some(row) = row.filter(|row| row.phase != RequestPhase::Superseded) else { continue };
            self.core.changed_people.insert(row.root);
            let request = self.show_request(&row);
            // One that crossed mine and lost answers itself (C3): nobody need look at it.
            let pending = direction == Direction::In && row.phase == RequestPhase::Pending;
            let fresh = pending && self.relation(&row.root)? == Relation::Asks;
            self.tell(if fresh { Notice::RequestReceived { request } } else { Notice::RequestChanged { request } });
        }
        Ok(())
    }

    fn tell_of_forks(&mut self, log: &LogId) -> Step {
        if !self.is_joined(log)? {
            return Ok(());
        }
        match self.book.write_fork_notices(*log, self.now.wall_ms, self.rng, &self.core.me.device) {
            Ok(_) => Ok(()),
            Err(AppendError::Storage(error)) => Err(error.into()),
            Err(why) => self.bug("a fork could not be told of", &why),
        }
    }
}

// Own events.
impl<R: CryptoRng> Round<'_, R> {
    /// Something for my own devices alone.
    pub(super) fn append_account(&mut self, body: Body) -> Step {
        let account = self.core.me.account;
        let mine = self.prekeys_of(&self.core.me.root)?;
        self.choose_epoch(&account, &mine)?;
        self.append(&account, &body).map(|_| ())
    }

    pub(super) fn append_open(&mut self, log: &LogId, body: Body) -> Step<EventId> {
        self.append(log, &body)
    }

    /// Something for the members of a log; the epoch was chosen before.
    pub(super) fn append_sealed(&mut self, log: &LogId, body: Body) -> Step<EventId> {
        self.append(log, &body)
    }

    fn append(&mut self, log: &LogId, body: &Body) -> Step<EventId> {
        let appended = self.book.append(*log, body, self.now.wall_ms, self.rng, &self.core.me.device);
        appended.map(|event| event.id).map_err(unwritten)
    }

    /// Chooses the epoch for what is written next in a conversation, and makes a new one if it is time (K3).
    /// Until the other person's identity log is here, `bundle` or their request says which devices they have.
    pub(super) fn rekey_if_due(&mut self, log: &LogId, root: &RootId, bundle: Option<&Bundle>) -> Step {
        let mut members = self.prekeys_of(root)?;
        if members.is_empty() {
            let kept = match bundle {
                Some(bundle) => Some(bundle.clone()),
                None => self.kept_bundle(root)?,
            };
            members = kept.map(|bundle| bundle_prekeys(&bundle)).unwrap_or_default();
        }
        if members.is_empty() {
            let message = "The keys of this person's devices are not here yet. They come with the next connection; try again then.";
            return Err(ApiError::new(ErrorKind::Network, message).into());
        }
        // Theirs may name a device of mine as their own, with a prekey that I once published: mine count.
        let mine = self.prekeys_of(&self.core.me.root)?;
        members.retain(|prekey| mine.iter().all(|own| own.device != prekey.device));
        members.extend(mine);
        self.choose_epoch(log, &members)
    }

    fn choose_epoch(&mut self, log: &LogId, members: &[Verified<Prekey>]) -> Step {
        let members: Vec<_> = members.iter().collect();
        let chosen = self.book.ensure_epoch(*log, &members, self.now.wall_ms, self.rng, &self.core.me.device);
        chosen.map(|_| ()).map_err(unwritten)
    }

    /// The newest prekey of each device of a person that is not revoked.
    fn prekeys_of(&self, root: &RootId) -> Step<Vec<Verified<Prekey>>> {
        let devices = views::devices(self.view(), root)?;
        let usable = devices.into_iter().filter(|row| !row.revoked).filter_map(|row| row.prekey);
        Ok(usable.filter_map(|prekey| prekey.verify().ok()).collect())
    }

    /// The bundle that came with a person's request, or that mine was sealed to.
    pub(super) fn kept_bundle(&self, root: &RootId) -> Step<Option<Bundle>> {
        let opened = self.contact(root)?.map(|contact| contact.logs).unwrap_or_default();
        let taken_back = self.untold(root)?.into_iter().map(|row| row.req_id);
        for req_id in opened.into_iter().map(|(req_id, _)| req_id).chain(taken_back) {
            if let Some(request) = views::stored_request(self.view(), &self.core.me.account, &req_id)? {
                return Ok(Some(request.from_bundle));
            }
            if let Some(bundle) = self.addressee(&req_id)? {
                return Ok(Some(bundle));
            }
        }
        Ok(None)
    }

    /// Keeps whom a request was sealed to: an accept may come before their identity log does.
    pub(super) fn keep_addressee(&mut self, req_id: &RequestId, bundle: &[u8]) {
        self.book.put_outbound(&Outbound { kind: ADDRESSEE, id: *req_id, bytes: bundle.to_vec() });
    }

    /// They have noted that it was taken back: whom it was sealed to is of no use any more.
    pub(super) fn forget_addressee(&mut self, req_id: &RequestId) {
        self.book.delete_outbound(ADDRESSEE, req_id);
    }

    /// Whom a request was sealed to; none if it never left this device.
    pub(super) fn addressee(&self, req_id: &RequestId) -> Step<Option<Bundle>> {
        let kept = self.view().outbound()?.into_iter().find(|row| row.kind == ADDRESSEE && row.id == *req_id);
        Ok(kept.and_then(|row| Bundle::from_bytes(&row.bytes).ok()))
    }

    pub(super) fn is_joined(&self, log: &LogId) -> Step<bool> {
        Ok(self.view().clock(log)?.seq(&self.core.me.device.id()) > 0)
    }

    /// Introduces this device in a log, once (V1).
    pub(super) fn join(&mut self, log: &LogId) -> Step {
        if self.is_joined(log)? {
            return Ok(());
        }
        let chain = self.core.me.chain.clone();
        self.append(log, &Body::Join { chain }).map(|_| ())
    }

    pub(super) fn know_log(&mut self, spec: &LogSpec) -> Step {
        self.book.ensure_log(*spec)?;
        Ok(())
    }

    /// From now on this person's identity log is taken in.
    pub(super) fn know_person(&mut self, root: &RootId) -> Step {
        self.know_log(&LogSpec::Identity { root: *root })
    }

    /// The other person of a conversation.
    pub(super) fn other_member(&self, log: &LogId) -> Step<Option<RootId>> {
        let Some(info) = self.view().log(log)?.filter(|info| info.spec.is_conversation()) else { return Ok(None) };
        Ok(info.spec.roots().into_iter().find(|root| *root != self.core.me.root))
    }

    pub(super) fn set_profile_name(&mut self, name: &Name) -> Step {
        let identity = self.core.me.identity;
        self.append(&identity, &Body::Profile { name: name.clone() }).map(|_| ())
    }
}

// What this device keeps for itself.
impl<R: CryptoRng> Round<'_, R> {
    /// What a request to me is sealed to.
    pub(super) fn my_bundle(&self) -> Step<Bundle> {
        let devices = views::devices(self.view(), &self.core.me.root)?;
        let usable = devices.into_iter().filter(|row| !row.revoked);
        let entry = |row: views::DeviceRow| Some(DeviceBundle { chain: row.chain, prekey: row.prekey? });
        Bundle::new(self.core.me.root, usable.filter_map(entry).collect()).map_err(|fault| {
            tracing::debug!(%fault, "no bundle can be made of my devices");
            ApiError::new(ErrorKind::Storage, "This device was removed from your account. Use another device of yours.")
                .into()
        })
    }

    /// The bundles that a request may still name: today's, and those before it.
    pub(super) fn my_bundle_hashes(&self) -> Step<BTreeSet<BundleHash>> {
        let kept = self.view().setting(BUNDLES)?.unwrap_or_default();
        let mut hashes: BTreeSet<_> = kept.split(' ').filter_map(|hash| hash.parse().ok()).collect();
        hashes.insert(self.my_bundle()?.hash());
        Ok(hashes)
    }

    /// A new prekey when it is time, and what time does to old things (K4, C1).
    pub(super) fn renew_prekey(&mut self) -> Step {
        let (identity, now_ms) = (self.core.me.identity, self.now.wall_ms);
        let old = self.my_bundle()?.hash();
        let published = self.book.publish_prekey_if_due(identity, now_ms, self.rng, &self.core.me.device);
        if published.map_err(unwritten)?.is_some() {
            self.keep_bundle_hash(&old)?;
        }
        // Days count towards the end of old prekeys only while this device syncs as well (K4).
        if self.core.links.values().any(|link| link.trusted) {
            self.book.note_running(now_ms)?;
        }
        self.book.prune_seen(now_ms)?;
        Ok(())
    }

    fn keep_bundle_hash(&mut self, hash: &BundleHash) -> Step {
        let kept = self.view().setting(BUNDLES)?.unwrap_or_default();
        let hash = hash.to_string();
        let newest_first =
            std::iter::once(hash.as_str()).chain(kept.split(' ').filter(|old| !old.is_empty() && *old != hash));
        let hashes: Vec<&str> = newest_first.take(BUNDLES_MAX).collect();
        self.book.put_setting(BUNDLES, &hashes.join(" "));
        Ok(())
    }

    pub(super) fn prekey_secret(&self, id: &PrekeyId) -> Step<Option<PrekeySecret>> {
        Ok(self.view().prekey_secret(id)?)
    }

    /// It opened something that is kept (K4).
    pub(super) fn prekey_used(&mut self, id: &PrekeyId) -> Step {
        Ok(self.book.note_prekey_used(id)?)
    }

    pub(super) fn is_seen(&self, req_id: &RequestId) -> Step<bool> {
        Ok(self.view().has_seen(req_id)?)
    }

    pub(super) fn see(&mut self, req_id: &RequestId, until_ms: u64) -> Step {
        self.book.note_seen(req_id, until_ms);
        Ok(())
    }

    pub(super) fn saved_addresses(&self, net: &NetKey) -> Step<Vec<Address>> {
        let rows = self.view().addresses(net)?;
        Ok(rows.iter().filter_map(|row| row.address.parse().ok()).collect())
    }

    pub(super) fn save_address(&mut self, net: &NetKey, address: &Address) -> Step {
        Ok(self.book.put_address(net, &address.without_peer().to_string(), self.now.wall_ms)?)
    }

    pub(super) fn put_draft(&mut self, log: &LogId, text: &str) -> Step {
        if self.view().draft(log)?.unwrap_or_default() != text {
            self.book.put_draft(log, text);
        }
        Ok(())
    }

    pub(super) fn draft(&self, log: &LogId) -> Step<Option<String>> {
        Ok(self.view().draft(log)?)
    }

    pub(super) fn put_local_reads(&mut self, log: &LogId, marks: &ReadMarks) -> Step {
        for mark in marks.iter() {
            fold::mark_read_here(self.book, log, &mark.device, mark.seq)?;
        }
        Ok(())
    }

    pub(super) fn set_mode(&mut self, mode: Mode) -> Step {
        self.book.put_setting(MODE, if mode == Mode::Lan { "lan" } else { "y7net" });
        self.core.mode = mode;
        Ok(())
    }
}

/// An own event that was not taken: the disk's fault, or a state in which this device may not write.
fn unwritten(error: AppendError) -> Refused {
    match error {
        AppendError::Storage(error) => error.into(),
        AppendError::Frozen => ApiError::new(
            ErrorKind::Storage,
            "This device was copied or restored and may not write here any more. Use another device of yours.",
        )
        .into(),
        other => {
            tracing::error!(why = %other, "an own event was not taken");
            let message = "This could not be written because of a fault in the program; its log says more. Nothing else was changed.";
            ApiError::new(ErrorKind::Storage, message).into()
        }
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

/// An event of `log` with its boxes; boxes of a wrong length are left out.
fn parse(log: &LogId, parcel: sync::Parcel) -> Option<(Signed<Event>, Vec<KeyBox>)> {
    let wire = WireEvent::from_bytes(&parcel.bytes).ok().filter(|wire| wire.header.log == *log)?;
    let sealed = |(device, bytes): (DeviceId, Vec<u8>)| {
        Some(KeyBox { device, sealed: bytes.into_boxed_slice().try_into().ok()? })
    };
    Some((Event::from_wire(wire), parcel.boxes.into_iter().filter_map(sealed).collect()))
}

fn name(event: &Event) -> sync::Name {
    let header = event.header();
    sync::Name { device: header.device, seq: header.seq, id: event.id() }
}

fn verified_ack(log: &LogId, bytes: &[u8]) -> Option<Verified<Ack>> {
    let ack = Signed::<Ack>::from_bytes(bytes).ok().filter(|ack| ack.claim.log == *log)?;
    ack.verify().ok()
}

fn bundle_prekeys(bundle: &Bundle) -> Vec<Verified<Prekey>> {
    let signed = bundle.devices().iter().map(|device| device.prekey.clone());
    signed.filter_map(|prekey: SignedPrekey| prekey.verify().ok()).collect()
}
