//! One log of a session: who has said what about it, and what is on its way to the peer.
//!
//! ```text
//!  us                                             peer
//!   │ offer ask, digest ─────────────────────────▶ │  granted here? else ignored: its own offer comes
//!   │                                              │  with its grant, and is answered
//!   │ ◀──────────────────── offer, digest          │  equal: nothing more
//!   │ ◀──────────────────── clock ask, clock       │  different
//!   │ clock ─────────────────────────────────────▶ │  (crossed asks answer each other)
//!   │ ◀════ fork proofs, events ═════════════════▶ │  each sends what the other lacks, causal order
//! ```
//!
//! * An **offer that asks** says "I begin afresh": whatever was known of the asker is forgotten, and it
//!   is always answered. So a grant on one side, however late, always starts an exchange.
//! * A **clock** is the whole truth about its sender at that moment. What we sent and it had not settled
//!   yet comes on top ([`Known::learn`]); a transfer under way begins again from what is lacking then.
//! * Nothing is sent before the peer has spoken: [`Known::is_told`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use y7ke_crypto::ids::{DeviceId, LogId, LogTag};
use y7ke_crypto::label;

use crate::known::Known;
use crate::limits::{ACKS_PER_LOG, ORPHAN_MS, RECHECK_MAX_MS, RECHECK_MS, REPEAT_MAX_MS, REPEAT_MS};
use crate::live::Rank;
use crate::wire::{ClockWord, Offer};
use crate::{Heads, Item, Name, Position, ReadId, Stage, Want};

/// What this side has to say about the log next; the content is taken when it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Say {
    /// Our digest; `ask`: and what is yours?
    Offer { ask: bool },
    /// Our clock; `ask`: and what is yours?
    Clock { ask: bool },
}

/// A question without an answer yet.
#[derive(Clone, Copy, Debug)]
struct Asked {
    clock: bool,
    at_ms: u64,
}

/// What is on its way to the peer.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub(crate) read: ReadId,
    pub(crate) wants: Vec<Want>,
    /// What the peer will hold when it is done.
    upto: Heads,
    /// None while the ledger reads.
    pub(crate) page: Option<Page>,
    after: Option<Position>,
}

/// What the ledger read and was not sent yet.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) proofs: VecDeque<(DeviceId, Vec<u8>)>,
    pub(crate) items: VecDeque<Item>,
    last: Option<Position>,
    more: bool,
}

/// What to read from the ledger.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) proofs: Vec<DeviceId>,
    pub(crate) wants: Vec<Want>,
    pub(crate) after: Option<Position>,
}

/// When our clock is to be said again because something did not stick.
#[derive(Debug, Default)]
struct Recheck {
    at_ms: Option<u64>,
    /// Only when so many items of the msg lane are settled: the clock must speak for what was dropped.
    upto: u64,
    delay_ms: u64,
}

#[derive(Debug)]
struct Ack {
    bytes: Vec<u8>,
    said: bool,
}

/// See the head of the file.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) stage: Stage,
    pub(crate) tag: LogTag,
    pub(crate) heads: Heads,
    /// Its stage has come.
    pub(crate) active: bool,
    /// The peer has spoken of it and not said that it is gone.
    pub(crate) heard: bool,
    pub(crate) due: Option<Say>,
    pub(crate) known: Known,
    pub(crate) transfer: Option<Transfer>,
    /// Where it stands among the logs that may have something to send.
    pub(crate) rank: Option<Rank>,
    asked: Option<Asked>,
    repeat_ms: u64,
    recheck: Recheck,
    acks: BTreeMap<DeviceId, Ack>,
}

impl Log {
    /// Granted, and not spoken of yet.
    pub(crate) fn new(stage: Stage, tag: LogTag, heads: Heads) -> Self {
        Self {
            stage,
            tag,
            heads,
            active: false,
            heard: false,
            due: None,
            known: Known::default(),
            transfer: None,
            rank: None,
            asked: None,
            repeat_ms: REPEAT_MS,
            recheck: Recheck::default(),
            acks: BTreeMap::new(),
        }
    }

    /// Its time has come, or it is granted anew: begin afresh.
    pub(crate) fn start(&mut self) {
        self.active = true;
        self.known.forget();
        self.transfer = None;
        self.asked = None;
        self.due = Some(Say::Offer { ask: true });
    }

    /// The peer offers.
    pub(crate) fn hear_offer(&mut self, offer: &Offer) {
        self.heard = true;
        if offer.ask {
            self.known.forget();
            self.transfer = None;
            self.acks.values_mut().for_each(|ack| ack.said = false);
        } else if self.asked.is_none_or(|asked| asked.clock) {
            return; // an answer to an offer that something better has answered already
        }
        self.answered();
        let equal = offer.digest == self.digest();
        if equal {
            self.known.learn_equal(&self.heads);
        }
        self.due = match (equal, offer.ask) {
            (true, true) => Some(Say::Offer { ask: false }),
            (true, false) => self.due.filter(|due| *due != Say::Offer { ask: true }),
            (false, _) => Some(Say::Clock { ask: true }),
        };
    }

    /// The peer's clock; `unsettled` is what we sent and it does not know of.
    pub(crate) fn hear_clock(&mut self, word: ClockWord, unsettled: &[Name]) {
        let crossed = self.asked.is_some_and(|asked| asked.clock);
        self.heard = true;
        self.answered();
        self.transfer = None;
        self.known.learn(word.clock, word.frozen, &self.heads, unsettled);
        if word.ask && !crossed {
            self.due = Some(Say::Clock { ask: false });
        }
    }

    /// The peer serves it no more.
    pub(crate) fn hear_gone(&mut self) {
        self.heard = false;
        self.known.forget();
        self.transfer = None;
        self.due = None;
        self.answered();
    }

    /// The ledger holds this now. Returns the devices whose fork has come to light.
    pub(crate) fn grow(&mut self, heads: Heads) -> BTreeSet<DeviceId> {
        let old = std::mem::replace(&mut self.heads, heads);
        let now = &self.heads;
        let exposed: BTreeSet<DeviceId> = now.frozen_devices().filter(|device| !old.is_frozen(device)).collect();
        exposed.iter().for_each(|device| self.known.freeze(device));
        if !exposed.is_empty() {
            self.transfer = None;
        }
        exposed
    }

    /// An acknowledgement to hand over; whether it was taken.
    pub(crate) fn put_ack(&mut self, device: DeviceId, bytes: Vec<u8>) -> bool {
        let room = self.acks.len() < ACKS_PER_LOG || self.acks.contains_key(&device);
        if room {
            self.acks.insert(device, Ack { bytes, said: false });
        }
        room
    }

    /// The next acknowledgement to say.
    pub(crate) fn next_ack(&self) -> Option<(DeviceId, &[u8])> {
        let waiting = self.acks.iter().find(|(_, ack)| !ack.said && self.active && self.heard);
        waiting.map(|(device, ack)| (*device, ack.bytes.as_slice()))
    }

    /// It was said.
    pub(crate) fn said_ack(&mut self, device: &DeviceId) {
        if let Some(ack) = self.acks.get_mut(device) {
            ack.said = true;
        }
    }

    /// An offer or a clock of ours has left.
    pub(crate) fn said(&mut self, say: Say, now_ms: u64) {
        self.due = None;
        match say {
            Say::Offer { ask: true } => self.asked = Some(Asked { clock: false, at_ms: now_ms }),
            Say::Clock { ask: true } => self.asked = Some(Asked { clock: true, at_ms: now_ms }),
            Say::Offer { ask: false } | Say::Clock { ask: false } => {}
        }
    }

    /// Our offer.
    pub(crate) fn offer(&self, ask: bool) -> Offer {
        Offer { tag: self.tag, digest: self.digest(), ask }
    }

    /// Our clock, when `settled` items of the peer's msg lane are settled.
    pub(crate) fn clock(&self, ask: bool, settled: u64) -> ClockWord {
        let (frozen, clock) = (self.heads.frozen.clone(), self.heads.clock.clone());
        ClockWord { tag: self.tag, ask, settled, frozen, clock }
    }

    /// Whether nothing is open: the peer has spoken, lacks nothing, and no question stands.
    pub(crate) fn is_level(&self) -> bool {
        self.is_idle() && self.due.is_none() && self.asked.is_none() && self.wish().is_none()
    }

    /// Whether a transfer could begin.
    pub(crate) fn is_idle(&self) -> bool {
        self.active && self.known.is_told() && self.transfer.is_none()
    }

    /// What the peer lacks.
    pub(crate) fn wish(&self) -> Option<Wish> {
        let (proofs, wants) = (self.known.proofs(&self.heads), self.known.wants(&self.heads));
        let empty = proofs.is_empty() && wants.is_empty();
        (!empty).then_some(Wish { proofs, wants, after: None })
    }

    /// A transfer begins with this read.
    pub(crate) fn begin(&mut self, read: ReadId, wants: Vec<Want>) {
        self.transfer = Some(Transfer { read, wants, upto: self.heads.clone(), page: None, after: None });
    }

    /// The ledger has read; whether anybody still waits for it.
    pub(crate) fn fill(&mut self, read: ReadId, mut page: Page) -> bool {
        let Some(transfer) = self.transfer.as_mut().filter(|it| it.read == read && it.page.is_none()) else {
            return false;
        };
        page.more &= page.last > transfer.after; // a ledger that stands still has no more to give
        transfer.after = page.last.max(transfer.after);
        transfer.narrow(&page.items);
        transfer.page = Some(page);
        true
    }

    /// The page was sent: what to read next, if there is more; else the transfer is over.
    pub(crate) fn turn(&mut self, next: ReadId) -> Option<Wish> {
        let mut transfer = self.transfer.take()?;
        if transfer.page.take().is_some_and(|page| page.more) {
            transfer.read = next;
            let wish = Wish { proofs: Vec::new(), wants: transfer.wants.clone(), after: transfer.after };
            self.transfer = Some(transfer);
            return Some(wish);
        }
        self.known.note_all(&transfer.upto);
        self.known.note_sent_proofs(&transfer.upto.frozen);
        None
    }

    /// Items were dropped: our clock is said again when `upto` is settled, later each time.
    pub(crate) fn dropped(&mut self, upto: u64, now_ms: u64) {
        let at_ms = now_ms.saturating_add(self.recheck.delay_ms);
        self.recheck.delay_ms = (self.recheck.delay_ms * 2).clamp(RECHECK_MS, RECHECK_MAX_MS);
        self.schedule(upto, at_ms);
    }

    /// Items wait for others: ask about them if they still do after a while.
    pub(crate) fn orphaned(&mut self, upto: u64, now_ms: u64) {
        let delay_ms = self.recheck.delay_ms.max(ORPHAN_MS);
        self.recheck.delay_ms = (delay_ms * 2).min(RECHECK_MAX_MS);
        self.schedule(upto, now_ms.saturating_add(delay_ms));
    }

    /// Everything of a batch stuck.
    pub(crate) fn progressed(&mut self) {
        self.recheck.delay_ms = 0;
    }

    /// What was read and not sent.
    pub(crate) fn page(&self) -> Option<&Page> {
        self.transfer.as_ref()?.page.as_ref()
    }

    /// The same, to take from it.
    pub(crate) fn page_mut(&mut self) -> Option<&mut Page> {
        self.transfer.as_mut()?.page.as_mut()
    }

    /// Its place among logs.
    pub(crate) fn rank_as(&self, id: LogId) -> Rank {
        (self.stage, Reverse(self.heads.newest), id)
    }

    /// Whether its first offer has not left yet.
    pub(crate) fn is_to_be_offered(&self) -> bool {
        self.due == Some(Say::Offer { ask: true })
    }

    /// Whether something is to be said about it that credit alone delays.
    pub(crate) fn has_words(&self) -> bool {
        self.due.is_some() || self.next_ack().is_some()
    }

    /// Whether a timer runs.
    pub(crate) fn is_timed(&self) -> bool {
        self.recheck.at_ms.is_some() || (self.heard && self.asked.is_some())
    }

    /// When time alone will make this log speak, and why. `settled`: items of the msg lane.
    pub(crate) fn wake(&self, settled: u64) -> Option<(u64, &'static str)> {
        let repeat = self.asked.filter(|_| self.heard).map(|asked| asked.at_ms.saturating_add(self.repeat_ms));
        let recheck = self.recheck.at_ms.filter(|_| self.recheck.upto <= settled);
        let reasons = [(repeat, "ask about a log again"), (recheck, "say a clock again")];
        reasons.into_iter().filter_map(|(at_ms, why)| Some((at_ms?, why))).min()
    }

    /// Time has passed; whether there is something to say now.
    pub(crate) fn tick(&mut self, settled: u64, now_ms: u64) -> bool {
        self.tick_repeat(now_ms) | self.tick_recheck(settled, now_ms)
    }

    fn tick_repeat(&mut self, now_ms: u64) -> bool {
        let late = |asked: Asked| asked.at_ms.saturating_add(self.repeat_ms) <= now_ms;
        let due = self.heard && self.asked.is_some_and(late);
        if due {
            self.repeat_ms = (self.repeat_ms * 2).min(REPEAT_MAX_MS);
            self.asked = None;
            self.due = Some(Say::Offer { ask: true });
        }
        due
    }

    fn tick_recheck(&mut self, settled: u64, now_ms: u64) -> bool {
        let due = self.recheck.upto <= settled && self.recheck.at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        if due {
            self.recheck.at_ms = None;
        }
        if due && self.heard && !self.due.is_some_and(Say::restates) {
            self.due = Some(Say::Clock { ask: false });
        }
        due && self.heard
    }

    fn schedule(&mut self, upto: u64, at_ms: u64) {
        self.recheck.upto = self.recheck.upto.max(upto);
        self.recheck.at_ms = Some(self.recheck.at_ms.map_or(at_ms, |old| old.min(at_ms)));
    }

    fn answered(&mut self) {
        self.asked = None;
        self.repeat_ms = REPEAT_MS;
    }

    /// Equal digests mean equal live sets and equal knowledge of forks.
    fn digest(&self) -> [u8; 32] {
        let frozen: Vec<u8> = self.heads.frozen.iter().flat_map(|device| device.into_bytes()).collect();
        label::hash(OFFER, &[&self.heads.digest, &frozen])
    }
}

/// Label of what an offer says.
const OFFER: &str = "y7/offer/1";

impl Say {
    /// Whether it makes the peer look at all that we hold.
    fn restates(self) -> bool {
        !matches!(self, Self::Offer { ask: false })
    }
}

impl Heads {
    fn frozen_devices(&self) -> impl Iterator<Item = DeviceId> {
        let by_tips = self.clock.iter().map(|(device, _)| *device).filter(|device| self.clock.is_frozen(device));
        self.frozen.iter().copied().chain(by_tips)
    }
}

impl Item {
    pub(crate) fn position(&self) -> Position {
        Position { hlc: self.hlc, device: self.device, id: self.id }
    }

    pub(crate) fn name(&self) -> Name {
        Name { device: self.device, seq: self.seq, id: self.id }
    }
}

impl Transfer {
    /// Honest devices' runs go on behind the page, so that a ledger need not walk what it has read.
    fn narrow(&mut self, page: &VecDeque<Item>) {
        let honest = page.iter().filter(|item| !self.upto.is_frozen(&item.device));
        let read: BTreeMap<DeviceId, Name> = honest.map(|item| (item.device, item.name())).collect();
        for want in &mut self.wants {
            if let Some(last) = read.get(&want.device) {
                want.from = last.seq.saturating_add(1);
                want.base = Some(last.id);
            }
        }
        self.wants.retain(|want| want.from <= want.to);
    }
}

impl Page {
    /// What the ledger read, up to `last`; whether there is more behind it.
    pub(crate) fn new(proofs: Vec<(DeviceId, Vec<u8>)>, items: Vec<Item>, last: Option<Position>, more: bool) -> Self {
        Self { proofs: proofs.into(), items: items.into(), last, more }
    }

    /// Whether all of it was sent.
    pub(crate) fn is_empty(&self) -> bool {
        self.proofs.is_empty() && self.items.is_empty()
    }
}
