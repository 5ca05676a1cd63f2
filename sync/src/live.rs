//! A session with a proven peer: its lanes, its logs, its notes.
//!
//! ```text
//! input ─▶ handle ─▶ state of the log, lane or stage it concerns
//!                └─▶ settle down: timers ▸ control words ▸ identity stage ▸ reads and events ▸ credit
//! ```
//!
//! Nothing is queued that can be said from state: a word that waits for credit is a mark on its log and
//! takes its content when it leaves. So a peer that does not read costs a bounded amount of memory.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use y7ke_crypto::cert::Proven;
use y7ke_crypto::codec::Wire;
use y7ke_crypto::hello::TagKey;
use y7ke_crypto::ids::{DeviceId, LogId, LogTag};

use crate::fault::{Close, Fault, Misuse};
use crate::lanes::{Fit, Lanes};
use crate::limits::{ACK_CAP, FOREIGN_TAGS, LOGS, NOTES_QUEUED};
use crate::log::Log;
use crate::receipts::Receipts;
use crate::session::Stop;
use crate::stage::{IdentityStage, Milestone};
use crate::window::Load;
use crate::wire::{Cargo, ClockWord, Hand, Offer, Word};
use crate::{Heads, Input, Lane, Name, Note, Outcome, Output, Parcel, ReadId, Stage, Ticket};

/// Which log is served first: identity before shared, then the newest (S4).
pub(crate) type Rank = (Stage, Reverse<u64>, LogId);

/// An item that the peer may not have settled yet.
#[derive(Debug)]
pub(crate) struct InFlight {
    /// Items of our msg lane up to and including it, in total.
    pub(crate) upto: u64,
    pub(crate) log: LogId,
    pub(crate) name: Name,
}

/// See the head of the file.
#[derive(Debug)]
pub(crate) struct Live {
    peer: Proven,
    tag_key: TagKey,
    pub(crate) lanes: Lanes,
    pub(crate) logs: BTreeMap<LogId, Log>,
    tags: BTreeMap<LogTag, LogId>,
    /// Offered by the peer, not granted here.
    foreign: BTreeSet<LogTag>,
    /// Withdrawn, and the peer does not know.
    pub(crate) gone: BTreeSet<LogTag>,
    /// Logs with something to say.
    pub(crate) talk: BTreeSet<LogId>,
    /// Logs of which the peer may lack something.
    pub(crate) todo: BTreeSet<Rank>,
    /// Logs with a timer.
    timed: BTreeSet<LogId>,
    stage: IdentityStage,
    receipts: Receipts,
    /// Bounded by the peer's credit: 1,024 items.
    pub(crate) in_flight: VecDeque<InFlight>,
    /// Reads that the ledger has not answered.
    pub(crate) reads: BTreeMap<ReadId, LogId>,
    pub(crate) last_read: u64,
    /// Logs with a page to send.
    pub(crate) sending: BTreeSet<LogId>,
    notes: VecDeque<Note>,
}

impl Live {
    /// The peer has proven itself: tell it what we take, and the owner who it is.
    pub(crate) fn new(peer: Proven, tag_key: TagKey, out: &mut Vec<Output>) -> Self {
        let mut lanes = Lanes::new();
        out.push(Output::Send { lane: Lane::Handshake, bytes: lanes.opening().to_bytes() });
        out.push(Output::Proven(peer));
        Self {
            peer,
            tag_key,
            lanes,
            logs: BTreeMap::new(),
            tags: BTreeMap::new(),
            foreign: BTreeSet::new(),
            gone: BTreeSet::new(),
            talk: BTreeSet::new(),
            todo: BTreeSet::new(),
            timed: BTreeSet::new(),
            stage: IdentityStage::default(),
            receipts: Receipts::default(),
            in_flight: VecDeque::new(),
            reads: BTreeMap::new(),
            last_read: 0,
            sending: BTreeSet::new(),
            notes: VecDeque::new(),
        }
    }

    /// Who the peer is.
    pub(crate) fn peer(&self) -> &Proven {
        &self.peer
    }

    /// Whether both sides hold the same of this log.
    pub(crate) fn is_level(&self, id: &LogId) -> bool {
        self.logs.get(id).is_some_and(Log::is_level) && !self.receipts.has_open(id)
    }

    /// When time alone will make the session speak.
    pub(crate) fn poll_timeout(&self) -> Option<(u64, &'static str)> {
        let settled = self.lanes.settled_items(Lane::Msg);
        self.timed.iter().filter_map(|id| self.logs.get(id)?.wake(settled)).min()
    }

    /// Takes one input.
    pub(crate) fn handle(&mut self, input: Input, now_ms: u64, out: &mut Vec<Output>) -> Result<(), Stop> {
        match input {
            Input::Frame { lane, bytes } => self.on_frame(lane, &bytes, out)?,
            Input::Signed(_) => out.push(Output::Misuse(Misuse::OutOfTurn("a signature"))),
            Input::Trust => self.lanes.trust(),
            Input::Grant { log, stage, heads } => self.grant(log, stage, heads, out),
            Input::IdentityGranted => self.stage.grant(),
            Input::Withdraw { log } => self.withdraw(&log),
            Input::Grown { log, heads } => self.grown(log, heads),
            Input::Events { read, proofs, items, more } => self.on_events(read, proofs, items, more, out),
            Input::Settled { ticket, outcomes, heads } => self.on_settled(ticket, &outcomes, heads, now_ms, out),
            Input::Ack { log, device, bytes } => self.put_ack(log, device, bytes, out),
            Input::Note(note) => self.put_note(note, out),
            Input::Timeout => {}
        }
        self.settle_down(now_ms, out);
        Ok(())
    }

    // ── the owner's commands ─────────────────────────────────────────────────────────────────────

    fn grant(&mut self, id: LogId, stage: Stage, heads: Heads, out: &mut Vec<Output>) {
        if self.logs.len() >= LOGS && !self.logs.contains_key(&id) {
            out.push(Output::Misuse(Misuse::TooManyLogs(id)));
            return;
        }
        let tag = self.tag_key.tag(&id);
        self.tags.insert(tag, id);
        let log = self.logs.entry(id).or_insert_with(|| Log::new(stage, tag, Heads::default()));
        log.stage = stage;
        log.active = false;
        self.grown(id, heads);
        if stage == Stage::Identity || self.stage.is_synced() {
            self.start(id);
        }
    }

    fn start(&mut self, id: LogId) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        log.heard |= self.foreign.remove(&log.tag);
        log.start();
        self.gone.remove(&log.tag);
        self.talk.insert(id);
    }

    fn withdraw(&mut self, id: &LogId) {
        let Some(log) = self.logs.remove(id) else { return };
        self.tags.remove(&log.tag);
        if log.heard {
            self.remember(log.tag);
        }
        if log.active && self.gone.len() < LOGS {
            self.gone.insert(log.tag);
        }
    }

    fn grown(&mut self, id: LogId, heads: Heads) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        let exposed = log.grow(heads);
        self.in_flight.retain(|it| it.log != id || !exposed.contains(&it.name.device));
        self.consider(id);
    }

    fn put_ack(&mut self, id: LogId, device: DeviceId, bytes: Vec<u8>, out: &mut Vec<Output>) {
        if device == self.peer.device {
            return; // its own words
        }
        let Some(log) = self.logs.get_mut(&id) else { return };
        if bytes.len() <= ACK_CAP && log.put_ack(device, bytes) {
            self.talk.insert(id);
        } else {
            out.push(Output::Misuse(Misuse::OutOfTurn("an acknowledgement too long or too many")));
        }
    }

    fn put_note(&mut self, note: Note, out: &mut Vec<Output>) {
        if self.notes.len() < NOTES_QUEUED && note.fits() {
            self.notes.push_back(note);
        } else {
            out.push(Output::NoteReturned(note));
        }
    }

    fn on_settled(
        &mut self,
        ticket: Ticket,
        outcomes: &[Outcome],
        heads: Option<Heads>,
        now_ms: u64,
        out: &mut Vec<Output>,
    ) {
        let Some(receipt) = self.receipts.settle(ticket) else {
            out.push(Output::Misuse(Misuse::UnknownTicket(ticket)));
            return;
        };
        if receipt.count != outcomes.len() {
            out.push(Output::Misuse(Misuse::OutcomeCount(ticket)));
        }
        self.receipts.release(&mut self.lanes);
        self.learn_outcomes(receipt.log, outcomes, receipt.upto, now_ms, out);
        match heads {
            Some(heads) => self.grown(receipt.log, heads),
            None => self.consider(receipt.log),
        }
    }

    fn learn_outcomes(&mut self, id: LogId, all: &[Outcome], upto: u64, now_ms: u64, out: &mut Vec<Output>) {
        let refused = all.iter().filter(|outcome| **outcome == Outcome::Refused).count();
        if refused > 0 {
            let count = u32::try_from(refused).unwrap_or(u32::MAX);
            out.push(Output::PeerFault(Fault::Refused { count }));
        }
        let Some(log) = self.logs.get_mut(&id) else { return };
        for outcome in all {
            if let Outcome::Stored(name) | Outcome::Known(name) | Outcome::Orphaned(name) = outcome {
                log.known.note_gave(name, &log.heads);
            }
        }
        if all.contains(&Outcome::Dropped) {
            log.dropped(upto, now_ms);
        } else if all.iter().any(|outcome| matches!(outcome, Outcome::Orphaned(_))) {
            log.orphaned(upto, now_ms);
        } else if all.iter().any(|outcome| matches!(outcome, Outcome::Stored(_))) {
            log.progressed();
        }
        self.time(id);
    }

    // ── the peer's frames ────────────────────────────────────────────────────────────────────────

    fn on_frame(&mut self, lane: Lane, bytes: &[u8], out: &mut Vec<Output>) -> Result<(), Stop> {
        self.lanes.measure(lane, bytes.len())?;
        match lane {
            Lane::Handshake => self.on_hand(bytes, out),
            Lane::Sync => Ok(self.on_word(bytes, out)?),
            Lane::Msg => Ok(self.on_cargo(bytes, out)?),
        }
    }

    fn on_hand(&mut self, bytes: &[u8], out: &mut Vec<Output>) -> Result<(), Stop> {
        match Hand::from_bytes(bytes).map_err(Fault::Malformed)? {
            Hand::Open(grants) => Ok(self.lanes.opened(&grants)?),
            Hand::Credit(grant) => Ok(self.lanes.credited(Lane::Handshake, &grant)?),
            Hand::Note(note) => {
                self.pass(Lane::Handshake, bytes.len())?;
                out.push(Output::Note(note));
                Ok(())
            }
            Hand::Bye(bye) => Err(Stop::Close(Close::Bye(bye))),
            Hand::Hello(_) | Hand::OtherHello { .. } | Hand::Proof(_) => {
                Err(Fault::OutOfTurn("a handshake after the proof").into())
            }
        }
    }

    fn on_word(&mut self, bytes: &[u8], out: &mut Vec<Output>) -> Result<(), Fault> {
        let word = Word::from_bytes(bytes)?;
        if let Word::Credit(lane, grant) = word {
            self.lanes.credited(lane, &grant)?;
            if lane == Lane::Msg {
                self.landed(grant.done.items);
            }
            return Ok(());
        }
        self.pass(Lane::Sync, bytes.len())?;
        match word {
            Word::Offers(offers) => offers.iter().for_each(|offer| self.on_offer(offer)),
            Word::Clock(word) => self.on_clock(word)?,
            Word::Ack { tag, bytes } => {
                out.extend(self.active(&tag).map(|log| Output::Ack { log, bytes }));
            }
            Word::Gone(tag) => self.on_gone(&tag),
            Word::Listed => self.stage.hear_listed(),
            Word::Done => self.stage.hear_done(),
            Word::Credit(..) => {}
        }
        Ok(())
    }

    fn on_offer(&mut self, offer: &Offer) {
        let Some(id) = self.active(&offer.tag) else {
            self.remember(offer.tag);
            return;
        };
        self.touch(id, |log| log.hear_offer(offer));
    }

    fn on_clock(&mut self, word: ClockWord) -> Result<(), Fault> {
        if word.settled > self.lanes.sent_items(Lane::Msg) {
            return Err(Fault::CreditLie(Lane::Msg));
        }
        self.landed(word.settled);
        let Some(id) = self.active(&word.tag) else {
            self.remember(word.tag);
            return Ok(());
        };
        let unsettled: Vec<Name> = self.in_flight.iter().filter(|it| it.log == id).map(|it| it.name).collect();
        self.touch(id, |log| log.hear_clock(word, &unsettled));
        Ok(())
    }

    fn on_gone(&mut self, tag: &LogTag) {
        self.foreign.remove(tag);
        if let Some(id) = self.active(tag) {
            self.touch(id, Log::hear_gone);
        }
    }

    fn on_cargo(&mut self, bytes: &[u8], out: &mut Vec<Output>) -> Result<(), Fault> {
        let cargo = Cargo::from_bytes(bytes)?;
        let items = if let Cargo::Items { parcels, .. } = &cargo { parcels.len() } else { 1 };
        let load = Load::of(bytes.len(), items);
        self.lanes.take(Lane::Msg, load)?;
        match cargo {
            Cargo::Items { tag, parcels } => self.on_items(&tag, parcels, load, out),
            Cargo::Fork { tag, device, proof } => {
                self.receipts.pass(load);
                if let Some(log) = self.active(&tag) {
                    self.touch(log, |it| it.known.note_given_proof(device));
                    out.push(Output::Proof { log, device, bytes: proof });
                }
            }
            Cargo::Flushed => self.receipts.flushed(load),
        }
        self.receipts.release(&mut self.lanes);
        Ok(())
    }

    fn on_items(&mut self, tag: &LogTag, items: Vec<Parcel>, load: Load, out: &mut Vec<Output>) {
        match self.active(tag) {
            Some(log) => {
                let ticket = self.receipts.open(log, items.len(), load);
                out.push(Output::Admit { ticket, log, items });
            }
            None => self.receipts.pass(load),
        }
    }

    /// A frame that is handled at once.
    fn pass(&mut self, lane: Lane, len: usize) -> Result<(), Fault> {
        let load = Load::of(len, 1);
        self.lanes.take(lane, load)?;
        self.lanes.settle(lane, load);
        Ok(())
    }

    /// So many items of our msg lane are settled at the peer.
    fn landed(&mut self, settled: u64) {
        while self.in_flight.pop_front_if(|it| it.upto <= settled).is_some() {}
    }

    fn remember(&mut self, tag: LogTag) {
        if self.foreign.len() < FOREIGN_TAGS {
            self.foreign.insert(tag);
        }
    }

    // ── what follows ─────────────────────────────────────────────────────────────────────────────

    fn settle_down(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        self.tick(now_ms);
        self.say_notes(out);
        self.say_words(now_ms, out);
        self.move_cargo(out);
        if self.advance_stage(out) {
            self.say_words(now_ms, out);
        }
        self.lanes.give_credit(out);
    }

    fn tick(&mut self, now_ms: u64) {
        let settled = self.lanes.settled_items(Lane::Msg);
        let Self { timed, logs, talk, .. } = self;
        timed.retain(|id| {
            let Some(log) = logs.get_mut(id) else { return false };
            if log.tick(settled, now_ms) {
                talk.insert(*id);
            }
            log.is_timed()
        });
    }

    fn say_notes(&mut self, out: &mut Vec<Output>) {
        while let Some(note) = self.notes.front() {
            let bytes = Hand::Note(note.clone()).to_bytes();
            if self.lanes.try_send(Lane::Handshake, bytes, 1, out) != Fit::Now {
                return;
            }
            self.notes.pop_front();
        }
    }

    /// Says what the identity stage has to say; whether it ended and shared logs have begun.
    fn advance_stage(&mut self, out: &mut Vec<Output>) -> bool {
        if self.stage.is_synced() {
            return false;
        }
        while let Some(milestone) = self.stage.next().into_iter().flatten().find(|it| self.may_say(*it)) {
            if !self.say_milestone(milestone, out) {
                break;
            }
            self.stage.said(milestone);
        }
        let ends = self.stage.ends();
        if ends {
            out.push(Output::IdentitySynced);
            let waiting: Vec<LogId> = self.logs.iter().filter(|(_, log)| !log.active).map(|(id, _)| *id).collect();
            waiting.into_iter().for_each(|id| self.start(id));
        }
        ends
    }

    fn may_say(&self, milestone: Milestone) -> bool {
        let mut identity = self.logs.values().filter(|log| log.stage == Stage::Identity);
        match milestone {
            Milestone::Listed => identity.all(|log| !log.is_to_be_offered()),
            Milestone::Flushed => identity.all(|log| !log.heard || log.is_level()),
            Milestone::Done => self.receipts.is_flushed(),
        }
    }

    fn say_milestone(&mut self, milestone: Milestone, out: &mut Vec<Output>) -> bool {
        let (lane, bytes) = match milestone {
            Milestone::Listed => (Lane::Sync, Word::Listed.to_bytes()),
            Milestone::Flushed => (Lane::Msg, Cargo::Flushed.to_bytes()),
            Milestone::Done => (Lane::Sync, Word::Done.to_bytes()),
        };
        self.lanes.try_send(lane, bytes, 1, out) == Fit::Now
    }

    // ── bookkeeping ──────────────────────────────────────────────────────────────────────────────

    /// The log behind a tag, if it is granted and its stage has come.
    fn active(&self, tag: &LogTag) -> Option<LogId> {
        let id = self.tags.get(tag)?;
        self.logs.get(id).filter(|log| log.active).map(|_| *id)
    }

    /// Something was heard of a log: it may have to speak or to send.
    fn touch(&mut self, id: LogId, change: impl FnOnce(&mut Log)) {
        if let Some(log) = self.logs.get_mut(&id) {
            change(log);
            self.talk.insert(id);
            self.consider(id);
        }
    }

    /// The peer may lack something of this log.
    pub(crate) fn consider(&mut self, id: LogId) {
        let Some(log) = self.logs.get_mut(&id).filter(|log| log.is_idle()) else { return };
        let rank = log.rank_as(id);
        if let Some(old) = log.rank.replace(rank) {
            self.todo.remove(&old);
        }
        self.todo.insert(rank);
    }

    /// A timer of this log may run.
    pub(crate) fn time(&mut self, id: LogId) {
        if self.logs.get(&id).is_some_and(Log::is_timed) {
            self.timed.insert(id);
        }
    }
}
