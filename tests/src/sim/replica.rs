//! Replicas of one log that talk through real sessions, without a node around them.
//!
//! ```text
//! ledger ◀─ Read, Admit, Proof ─ Session ══ frames ══ Session ─ Read, Admit, Proof ─▶ ledger
//!                                      order kept within a lane, not across; cut at any frame
//! ```
//!
//! A node shows a conversation to its two people alone, and everybody has one device as yet: so no third
//! node ever holds a log whose author forked. Ledger and session know nothing of that, and must stand it.

use std::collections::VecDeque;

use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use y7ke_crypto::cert::{Caps, CertChain, Subject};
use y7ke_crypto::clock;
use y7ke_crypto::codec::Wire;
use y7ke_crypto::epoch::KeyBox;
use y7ke_crypto::event::WireEvent;
use y7ke_crypto::ids::{DeviceId, LogId, NetKey};
use y7ke_crypto::sign::{DeviceKey, NetSecret, RootKey, Signed};
use y7ke_ledger::StorageError;
use y7ke_ledger::fork::ForkProof;
use y7ke_ledger::id::Event;
use y7ke_ledger::store::{Admission, Item, Ledger};
use y7ke_sync::{Config, Heads, Input, Lane, Name, Outcome, Output, Parcel, Position, Session, Stage, Want};

use super::dice::Dice;

const LANES: [Lane; 3] = [Lane::Handshake, Lane::Sync, Lane::Msg];
/// Timers that a session may use before it counts as one that never rests.
const TIMERS: u32 = 40;
/// More than any log of these tests holds.
const EVERYTHING: usize = 1 << 20;

/// A store, and the device that it is on.
pub struct Replica {
    /// Its log.
    pub ledger: Ledger,
    key: DeviceKey,
    net: NetKey,
    chain: CertChain,
}

impl Replica {
    /// This store on a device of somebody new.
    pub fn new(ledger: Ledger, dice: &mut Dice) -> Self {
        let mut rng = dice.rng();
        let (root, key, net) =
            (RootKey::generate(&mut rng), DeviceKey::generate(&mut rng), NetSecret::generate(&mut rng).id());
        let subject = Subject { device: key.id(), net, caps: Caps::ADMIN, not_before: 1, cert_seq: 1 };
        Self { ledger, key, net, chain: CertChain::rooted(&root, subject) }
    }

    /// Talks about one log with another replica, until both rest or `cut` frames have passed. Says how
    /// many passed, or what one of them did wrong.
    pub fn meet(&self, other: &Self, log: &LogId, dice: &mut Dice, cut: Option<u64>) -> Result<u64, String> {
        let mut rng = dice.rng();
        let mut ends = [End::new(self, other, true, *log, &mut rng)?, End::new(other, self, false, *log, &mut rng)?];
        let (mut now_ms, mut timers, mut passed) = (0, 0, 0);
        while cut.is_none_or(|cut| passed < cut) {
            if let Some((from, bytes, lane)) = next_frame(&mut ends, dice) {
                passed += 1;
                ends[1 - from].feed(Input::Frame { lane, bytes }, now_ms, &mut rng)?;
                continue;
            }
            let Some((at, _why)) = ends.iter().filter_map(|end| end.session.poll_timeout()).min() else { break };
            (now_ms, timers) = (at.max(now_ms), timers + 1);
            if timers > TIMERS {
                return Err("a session never rests".into());
            }
            ends.iter_mut().try_for_each(|end| end.feed(Input::Timeout, now_ms, &mut rng))?;
        }
        Ok(passed)
    }

    fn heads(&self, log: &LogId) -> Result<Heads, StorageError> {
        let view = self.ledger.view()?;
        let frozen = view.log(log)?.map(|info| info.frozen).unwrap_or_default();
        let mut newest = 0;
        for head in view.heads(log)? {
            newest = newest.max(view.event(&head)?.map_or(0, |event| event.header.hlc));
        }
        let (clock, digest) = (view.clock(log)?, view.heads_digest(log)?);
        Ok(Heads { clock, digest, frozen: frozen.into_iter().collect(), newest })
    }

    fn read(&self, log: &LogId, wants: &[Want], after: Option<Position>) -> Result<Vec<y7ke_sync::Item>, StorageError> {
        let view = self.ledger.view()?;
        let mut runs = Vec::new();
        for want in wants {
            // Another event than the peer's before the run: with both the fork is proven (F1).
            let before = view.events_at(log, &want.device, want.from.saturating_sub(1))?;
            let differs = want.base.is_some_and(|base| !before.is_empty() && before.iter().all(|it| it.id != base));
            let from = want.from - u64::from(differs);
            runs.push(clock::Want { device: want.device, from, to: want.to });
        }
        let page = view.events_between(log, &runs, EVERYTHING, EVERYTHING)?;
        let items = page.items.into_iter().map(item);
        Ok(items.filter(|item| after.is_none_or(|after| position(item) > after)).collect())
    }

    fn admit(&self, items: Vec<Parcel>, from: DeviceId, rng: &mut ChaCha20Rng) -> Result<Vec<Outcome>, StorageError> {
        let mut batch = self.ledger.begin(rng)?;
        let (mut names, mut events) = (Vec::new(), Vec::new());
        for (event, boxes) in items.into_iter().filter_map(parse) {
            names.push(name(&event.claim));
            events.push((event, boxes));
        }
        let admissions = batch.admit_all(events, from)?;
        batch.commit()?;
        let view = self.ledger.view()?;
        let pairs = names.into_iter().zip(admissions);
        pairs.map(|(name, admission)| Ok(outcome(name, &admission, view.event(&name.id)?.is_some()))).collect()
    }

    fn admit_proof(&self, bytes: &[u8], rng: &mut ChaCha20Rng) -> Result<(), StorageError> {
        let mut batch = self.ledger.begin(rng)?;
        if let Ok(proof) = ForkProof::from_bytes(bytes) {
            batch.admit_proof(proof)?;
        }
        batch.commit().map(drop)
    }
}

/// One side of a session.
struct End<'a> {
    replica: &'a Replica,
    peer: DeviceId,
    log: LogId,
    session: Session,
    sent: [VecDeque<Vec<u8>>; 3],
}

impl<'a> End<'a> {
    fn new(
        replica: &'a Replica,
        peer: &Replica,
        dialer: bool,
        log: LogId,
        rng: &mut ChaCha20Rng,
    ) -> Result<Self, String> {
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        let config = Config { chain: replica.chain.clone(), net: replica.net, peer: peer.net, dialer, nonce };
        let (session, outputs) = Session::new(config, 0);
        let mut end = Self { replica, peer: peer.key.id(), log, session, sent: Default::default() };
        end.carry_out(outputs, 0, rng)?;
        Ok(end)
    }

    fn feed(&mut self, input: Input, now_ms: u64, rng: &mut ChaCha20Rng) -> Result<(), String> {
        let outputs = self.session.handle(input, now_ms);
        self.carry_out(outputs, now_ms, rng)
    }

    fn carry_out(&mut self, outputs: Vec<Output>, now_ms: u64, rng: &mut ChaCha20Rng) -> Result<(), String> {
        let mut todo = VecDeque::from(outputs);
        while let Some(output) = todo.pop_front() {
            for answer in self.answers(output, rng)? {
                todo.extend(self.session.handle(answer, now_ms));
            }
        }
        Ok(())
    }

    fn answers(&mut self, output: Output, rng: &mut ChaCha20Rng) -> Result<Vec<Input>, String> {
        let text = |fault: StorageError| fault.to_string();
        let (replica, log) = (self.replica, self.log);
        let heads = || replica.heads(&log).map_err(text);
        Ok(match output {
            Output::Send { lane, bytes } => {
                self.sent[lane as usize].push_back(bytes);
                Vec::new()
            }
            Output::Sign(proof) => vec![Input::Signed(proof.sign(&replica.key).map_err(|why| format!("{why:?}"))?)],
            Output::Proven(_) => {
                let grant = Input::Grant { log, stage: Stage::Shared, heads: heads()? };
                vec![Input::Trust, Input::IdentityGranted, grant]
            }
            Output::Read { read, proofs, wants, after, .. } => {
                let all = replica.ledger.view().and_then(|view| view.fork_proofs(&log)).map_err(text)?;
                let asked = all.iter().filter(|proof| proofs.contains(&proof.device()));
                let proofs = asked.map(|proof| (proof.device(), proof.to_bytes())).collect();
                let items = replica.read(&log, &wants, after).map_err(text)?;
                vec![Input::Events { read, proofs, items, more: false }]
            }
            Output::Admit { ticket, items, .. } => {
                let outcomes = replica.admit(items, self.peer, rng).map_err(text)?;
                vec![Input::Settled { ticket, outcomes, heads: Some(heads()?) }]
            }
            Output::Proof { bytes, .. } => {
                replica.admit_proof(&bytes, rng).map_err(text)?;
                vec![Input::Grown { log, heads: heads()? }]
            }
            Output::PeerFault(fault) => return Err(format!("a fault among the honest: {fault:?}")),
            Output::Misuse(misuse) => return Err(format!("a session is used wrongly: {misuse:?}")),
            Output::Close(why) => return Err(format!("a session ended: {why:?}")),
            Output::IdentitySynced | Output::Ack { .. } | Output::Note(_) | Output::NoteReturned(_) => Vec::new(),
        })
    }
}

/// The next frame of any side and lane.
fn next_frame(ends: &mut [End<'_>; 2], dice: &mut Dice) -> Option<(usize, Vec<u8>, Lane)> {
    let waiting = |(from, lane): &(usize, Lane)| !ends[*from].sent[*lane as usize].is_empty();
    let all: Vec<_> = LANES.into_iter().flat_map(|lane| [(0, lane), (1, lane)]).filter(waiting).collect();
    let (from, lane) = *dice.pick(&all)?;
    Some((from, ends[from].sent[lane as usize].pop_front()?, lane))
}

fn item(item: Item) -> y7ke_sync::Item {
    let boxes = item.boxes.iter().map(|sealed| (sealed.device, sealed.sealed.to_vec())).collect();
    let parcel = Parcel { bytes: item.wire.to_bytes(), boxes };
    let event = item.event;
    y7ke_sync::Item { device: event.device, seq: event.seq, hlc: event.hlc, id: event.id, parcel }
}

fn position(item: &y7ke_sync::Item) -> Position {
    Position { hlc: item.hlc, device: item.device, id: item.id }
}

fn parse(parcel: Parcel) -> Option<(Signed<Event>, Vec<KeyBox>)> {
    let wire = WireEvent::from_bytes(&parcel.bytes).ok()?;
    let sealed = |(device, bytes): (DeviceId, Vec<u8>)| {
        Some(KeyBox { device, sealed: bytes.into_boxed_slice().try_into().ok()? })
    };
    Some((Event::from_wire(wire), parcel.boxes.into_iter().filter_map(sealed).collect()))
}

fn name(event: &Event) -> Name {
    let header = event.header();
    Name { device: header.device, seq: header.seq, id: event.id() }
}

fn outcome(name: Name, admission: &Admission, is_stored: bool) -> Outcome {
    match admission {
        Admission::Known { .. } => Outcome::Known(name),
        Admission::Refused(_) => Outcome::Refused,
        Admission::Admitted(_) | Admission::Forked(_) if is_stored => Outcome::Stored(name),
        Admission::Admitted(_) | Admission::Forked(_) | Admission::Orphan { .. } | Admission::Waiting => {
            Outcome::Orphaned(name)
        }
    }
}
