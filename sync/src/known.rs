//! What the peer holds of one log, as far as this session knows.
//!
//! ```text
//! said   the peer's own clock, newest word               replaced by each clock frame
//! gave   names of what it sent us                        only grows: it holds what it gave
//! sent   names of what we sent                           optimistic; rebuilt at each clock frame from what
//!                                                        was not yet settled when the peer spoke
//! ```
//!
//! Stores are closed under ancestors, so of an honest device the greatest number says all. Of a frozen
//! device numbers say nothing (its variants are a tree): there only exact ids count.

use std::collections::BTreeSet;

use y7ke_crypto::clock::{Clock, MAX_DEVICES, Tip};
use y7ke_crypto::ids::{DeviceId, EventId};

use crate::limits::EXACT_IDS;
use crate::{Heads, Name, Want};

impl Name {
    fn tip(&self) -> Tip {
        Tip { seq: self.seq, id: self.id }
    }
}

impl Heads {
    /// Whether numbers of this device say nothing.
    pub(crate) fn is_frozen(&self, device: &DeviceId) -> bool {
        self.frozen.contains(device) || self.clock.is_frozen(device)
    }
}

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct Known {
    said: Option<Clock>,
    frozen: BTreeSet<DeviceId>,
    gave: Clock,
    sent: Clock,
    exact: BTreeSet<EventId>,
}

impl Known {
    /// Whether the peer has spoken since the last fresh start.
    pub(crate) fn is_told(&self) -> bool {
        self.said.is_some()
    }

    /// The peer begins afresh.
    pub(crate) fn forget(&mut self) {
        self.said = None;
        self.frozen.clear();
    }

    /// The peer holds the same as we.
    pub(crate) fn learn_equal(&mut self, heads: &Heads) {
        self.said = Some(heads.clock.clone());
        self.frozen.clone_from(&heads.frozen);
    }

    /// The peer's clock; `unsettled` is what we sent and the clock does not know of yet.
    pub(crate) fn learn(&mut self, clock: Clock, frozen: BTreeSet<DeviceId>, heads: &Heads, unsettled: &[Name]) {
        self.said = Some(clock);
        self.frozen = frozen;
        self.sent = Clock::new();
        self.exact.clear();
        unsettled.iter().for_each(|name| self.note_unsettled(name, heads));
    }

    /// Under way behind a hole (what was before it was dropped), an item is with the peer by its id alone.
    fn note_unsettled(&mut self, name: &Name, heads: &Heads) {
        let reach = self.best(&name.device).map_or(0, |tip| tip.seq);
        if heads.is_frozen(&name.device) || name.seq <= reach.saturating_add(1) {
            self.note_sent(name, heads);
        } else if self.exact.len() < EXACT_IDS {
            self.exact.insert(name.id);
        }
    }

    /// The peer gave us a fork proof of this device, it says.
    pub(crate) fn note_given_proof(&mut self, device: DeviceId) {
        if self.frozen.len() < MAX_DEVICES {
            self.frozen.insert(device);
        }
    }

    /// The peer was sent the fork proofs of these devices, or there are none to send.
    pub(crate) fn note_sent_proofs(&mut self, devices: &BTreeSet<DeviceId>) {
        self.frozen.extend(devices);
    }

    /// The peer gave us this.
    pub(crate) fn note_gave(&mut self, name: &Name, heads: &Heads) {
        note(&mut self.gave, name);
        self.note_exact(name, heads);
    }

    /// The peer was sent this.
    pub(crate) fn note_sent(&mut self, name: &Name, heads: &Heads) {
        note(&mut self.sent, name);
        self.note_exact(name, heads);
    }

    /// All of `heads` was sent, or is nothing that could be.
    pub(crate) fn note_all(&mut self, heads: &Heads) {
        for (device, tips) in heads.clock.iter() {
            if heads.is_frozen(device) {
                self.sent.set_tips(*device, tips.to_vec());
            }
        }
        let honest = heads.clock.iter().filter(|(device, _)| !heads.is_frozen(device));
        self.sent.merge(&honest.flat_map(|(device, tips)| tips.iter().map(|tip| (*device, *tip))).collect());
    }

    /// A fork of this device came to light: what numbers said of it does not hold.
    pub(crate) fn freeze(&mut self, device: &DeviceId) {
        self.sent.remove(device);
    }

    /// Whether the peer holds this event, or will when what is under way has arrived.
    pub(crate) fn covers(&self, name: &Name, heads: &Heads) -> bool {
        self.exact.contains(&name.id) || self.reaches(name, heads)
    }

    /// Whether it holds this event with all that is before it.
    fn reaches(&self, name: &Name, heads: &Heads) -> bool {
        let exact = heads.is_frozen(&name.device);
        self.clocks().any(|clock| covers(clock, name, exact))
    }

    /// What the peer lacks, by device.
    pub(crate) fn wants(&self, heads: &Heads) -> Vec<Want> {
        heads.clock.iter().filter_map(|(device, tips)| self.want(*device, tips, heads)).collect()
    }

    /// Of which devices the peer lacks the fork proof.
    pub(crate) fn proofs(&self, heads: &Heads) -> Vec<DeviceId> {
        heads.frozen.difference(&self.frozen).copied().collect()
    }

    fn want(&self, device: DeviceId, tips: &[Tip], heads: &Heads) -> Option<Want> {
        let name = |tip: &Tip| Name { device, seq: tip.seq, id: tip.id };
        if tips.iter().all(|tip| self.reaches(&name(tip), heads)) {
            return None;
        }
        let to = tips.last()?.seq;
        if heads.is_frozen(&device) {
            return Some(Want { device, from: 1, to, base: None });
        }
        Some(match self.best(&device) {
            None => Want { device, from: 1, to, base: None },
            Some(tip) if tip.seq < to => Want { device, from: tip.seq.saturating_add(1), to, base: Some(tip.id) },
            // The same number with another id: the peer needs to see ours to know of the fork.
            Some(_) => Want { device, from: to, to, base: None },
        })
    }

    /// The newest event of an honest device that the peer holds.
    fn best(&self, device: &DeviceId) -> Option<Tip> {
        self.clocks().filter_map(|clock| clock.tips(device).last()).max().copied()
    }

    fn clocks(&self) -> impl Iterator<Item = &Clock> {
        self.said.iter().chain([&self.gave, &self.sent])
    }

    fn note_exact(&mut self, name: &Name, heads: &Heads) {
        if heads.is_frozen(&name.device) && self.exact.len() < EXACT_IDS {
            self.exact.insert(name.id);
        }
    }
}

fn note(clock: &mut Clock, name: &Name) {
    clock.merge(&[(name.device, name.tip())].into_iter().collect());
}

fn covers(clock: &Clock, name: &Name, exact: bool) -> bool {
    let tips = clock.tips(&name.device);
    tips.contains(&name.tip()) || (!exact && tips.iter().any(|tip| tip.seq > name.seq))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(n: u8) -> DeviceId {
        DeviceId::from([n; 32])
    }

    fn name(d: u8, seq: u64, id: u8) -> Name {
        Name { device: device(d), seq, id: EventId::from([id; 32]) }
    }

    fn heads(names: &[(u8, u64, u8)], frozen: &[u8]) -> Heads {
        let clock = names.iter().map(|&(d, seq, id)| (device(d), name(d, seq, id).tip())).collect();
        Heads { clock, frozen: frozen.iter().map(|d| device(*d)).collect(), ..Heads::default() }
    }

    fn told(clock: &[(u8, u64, u8)]) -> Known {
        let mut known = Known::default();
        known.learn(heads(clock, &[]).clock, BTreeSet::new(), &Heads::default(), &[]);
        known
    }

    /// S2: two clocks say exactly what is missing, and where the peer's run ends.
    #[test]
    fn s2_wants_name_the_missing_runs() {
        let wants = told(&[(2, 5, 5), (3, 4, 4)]).wants(&heads(&[(2, 9, 9), (3, 2, 2), (4, 1, 1)], &[]));
        let first = Want { device: device(2), from: 6, to: 9, base: Some(EventId::from([5; 32])) };
        assert_eq!(wants, [first, Want { device: device(4), from: 1, to: 1, base: None }]);
    }

    /// S5: what was sent or given is not wanted again.
    #[test]
    fn s5_sent_and_given_events_are_covered() {
        let (mut known, mine) = (told(&[]), heads(&[(2, 9, 9), (3, 2, 2)], &[]));
        known.note_sent(&name(2, 9, 9), &mine);
        known.note_gave(&name(3, 2, 2), &mine);
        assert!(known.wants(&mine).is_empty());
        known.learn(Clock::new(), BTreeSet::new(), &mine, &[]);
        assert_eq!(known.wants(&mine).len(), 1, "what was sent is in doubt, what was given is not");
    }

    /// S5: a hole before what is under way is wanted, what is under way is not sent again.
    #[test]
    fn s5_a_hole_before_unsettled_items_is_wanted() {
        let (mut known, mine) = (told(&[(2, 1, 1)]), heads(&[(2, 4, 4)], &[]));
        known.learn(heads(&[(2, 1, 1)], &[]).clock, BTreeSet::new(), &mine, &[name(2, 3, 3), name(2, 4, 4)]);
        assert_eq!(known.wants(&mine)[0].from, 2);
        assert!(!known.covers(&name(2, 2, 2), &mine) && known.covers(&name(2, 3, 3), &mine));
        known.learn(heads(&[(2, 2, 2)], &[]).clock, BTreeSet::new(), &mine, &[name(2, 3, 3), name(2, 4, 4)]);
        assert!(known.wants(&mine).is_empty());
    }

    /// F1: the same number under another id shows our variant to the peer, once.
    #[test]
    fn f1_a_contradiction_sends_our_variant_once() {
        let (mut known, mine) = (told(&[(2, 5, 5)]), heads(&[(2, 5, 6)], &[]));
        assert_eq!(known.wants(&mine), [Want { device: device(2), from: 5, to: 5, base: None }]);
        known.note_sent(&name(2, 5, 6), &mine);
        assert!(known.wants(&mine).is_empty());
    }

    /// F4: of a frozen device only exact tips count.
    #[test]
    fn f4_a_frozen_device_is_compared_by_tips() {
        let (mut known, mine) = (told(&[(2, 7, 7)]), heads(&[(2, 5, 5)], &[2]));
        assert_eq!(known.wants(&mine), [Want { device: device(2), from: 1, to: 5, base: None }]);
        assert_eq!(known.proofs(&mine), [device(2)]);
        known.note_all(&mine);
        assert!(known.wants(&mine).is_empty());
    }

    /// F2: what numbers said before the fork was known does not hold after it.
    #[test]
    fn f2_freezing_puts_sent_runs_in_doubt() {
        let (mut known, honest) = (told(&[(2, 5, 5)]), heads(&[(2, 7, 7)], &[]));
        known.note_sent(&name(2, 7, 7), &honest);
        assert!(known.wants(&honest).is_empty());
        known.freeze(&device(2));
        assert_eq!(known.wants(&heads(&[(2, 7, 7)], &[2])).len(), 1);
    }
}
