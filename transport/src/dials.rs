//! Dials in progress: who asked for what, and which attempts work on it.
//!
//! ```text
//! ask(ticket) ─▶ groups: one per peer, one per address of nobody in particular
//!            └─▶ joins attempts that are under way to the same peer or address
//! attempt ──established──▶ Dialled to every ask of it and of its peer
//!         ──failed───────▶ the last attempt of an ask: DialFailed with everything that happened
//!         ──wrong peer───▶ once more without that address: libp2p gives up on all of them at the first
//! distrust ─▶ later asks do not join what is under way: it began on another network
//! ```
//!
//! Each ask is answered exactly once. `L` is a connection's id.

use std::collections::{BTreeMap, BTreeSet};

use y7ke_crypto::ids::NetKey;

use crate::{Address, DialFault, Event, FailedAttempt, Ticket};

/// What one attempt tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// Only this peer will do; anybody, if none.
    pub(crate) peer: Option<NetKey>,
    /// Never empty; a single one where anybody will do.
    pub(crate) addresses: Vec<Address>,
    askers: BTreeSet<u64>,
    /// It began before the network changed.
    stale: bool,
}

impl Group {
    fn new(peer: Option<NetKey>, addresses: Vec<Address>) -> Self {
        Self { peer, addresses, askers: BTreeSet::new(), stale: false }
    }

    /// An attempt that nobody asked for: a better path to a peer that is connected.
    pub(crate) fn unasked(peer: NetKey, addresses: Vec<Address>) -> Self {
        Self::new(Some(peer), addresses)
    }
}

#[derive(Debug)]
struct Ask {
    ticket: Ticket,
    peer: Option<NetKey>,
    /// Attempts that still work on it.
    open: usize,
    faults: Vec<FailedAttempt>,
}

/// All dials in progress.
#[derive(Debug)]
pub(crate) struct Dials<L> {
    me: NetKey,
    next: u64,
    asks: BTreeMap<u64, Ask>,
    attempts: BTreeMap<L, Group>,
}

impl<L: Copy + Ord> Dials<L> {
    pub(crate) fn new(me: NetKey) -> Self {
        Self { me, next: 0, asks: BTreeMap::new(), attempts: BTreeMap::new() }
    }

    /// Somebody asks for a peer or for addresses. Returns what is to be attempted, or the answer.
    pub(crate) fn ask(
        &mut self,
        ticket: Ticket,
        peer: Option<NetKey>,
        addresses: &[Address],
        connected: impl Fn(&NetKey) -> bool,
    ) -> Result<Vec<Group>, Event> {
        let named = peer.into_iter().chain(addresses.iter().filter_map(Address::peer));
        if let Some(peer) = named.take(if peer.is_some() { 1 } else { usize::MAX }).find(|peer| connected(peer)) {
            return Err(Event::Dialled { ticket, peer });
        }
        let asker = self.next;
        self.next += 1;
        let (targets, faults) = self.sort(peer, addresses);
        let groups: Vec<Group> = targets.into_iter().filter_map(|target| self.join(target, asker)).collect();
        let open = self.attempts.values().filter(|group| group.askers.contains(&asker)).count() + groups.len();
        let ask = Ask { ticket, peer, open, faults };
        if open == 0 {
            return Err(ask.failed());
        }
        self.asks.insert(asker, ask);
        Ok(groups)
    }

    /// An attempt is under way.
    pub(crate) fn started(&mut self, link: L, group: Group) {
        self.attempts.insert(link, group);
    }

    /// A connection with a peer was established, by an attempt of ours or by the peer. Returns the
    /// answers, and what was tried.
    pub(crate) fn established(&mut self, link: L, peer: NetKey) -> (Vec<Event>, Option<Group>) {
        let attempt = self.attempts.remove(&link);
        let same_peer = self.attempts.values().filter(|group| group.peer == Some(peer));
        let answered: BTreeSet<u64> = attempt.iter().chain(same_peer).flat_map(|group| group.askers.clone()).collect();
        self.attempts.values_mut().for_each(|group| group.askers.retain(|asker| !answered.contains(asker)));
        let asks = answered.iter().filter_map(|asker| self.asks.remove(asker));
        (asks.map(|ask| Event::Dialled { ticket: ask.ticket, peer }).collect(), attempt)
    }

    /// The network changed: what is under way may lead nowhere, and is not joined any more.
    pub(crate) fn distrust(&mut self) {
        self.attempts.values_mut().for_each(|group| group.stale = true);
    }

    /// What an attempt tried.
    pub(crate) fn tried(&self, link: L) -> Vec<Address> {
        self.attempts.get(&link).map_or_else(Vec::new, |group| group.addresses.clone())
    }

    /// An attempt failed. Returns the answers, and what is to be tried instead.
    pub(crate) fn failed(&mut self, link: L, faults: &[FailedAttempt]) -> (Vec<Event>, Option<Group>) {
        let Some(group) = self.attempts.remove(&link) else { return (Vec::new(), None) };
        for asker in &group.askers {
            self.note(*asker, faults);
        }
        match group.without(faults) {
            Some(rest) => (Vec::new(), Some(rest)),
            None => (group.askers.iter().filter_map(|asker| self.one_less(*asker)).collect(), None),
        }
    }

    /// Splits addresses by the peer that they lead to; sets aside those that cannot be right.
    fn sort(&self, peer: Option<NetKey>, addresses: &[Address]) -> (Vec<Group>, Vec<FailedAttempt>) {
        let mut by_peer: BTreeMap<NetKey, Vec<Address>> = BTreeMap::new();
        let (mut groups, mut faults) = (Vec::new(), Vec::new());
        for address in addresses {
            match (peer.or(address.peer()), address.peer()) {
                (Some(want), _) if want == self.me => faults.push(fault(address, DialFault::Own)),
                (Some(want), Some(got)) if want != got => {
                    faults.push(fault(address, DialFault::WrongPeer { got: Some(got) }));
                }
                (Some(want), _) => by_peer.entry(want).or_default().push(address.with_peer(&want)),
                (None, _) => groups.push(Group::new(None, vec![address.clone()])),
            }
        }
        groups.extend(by_peer.into_iter().map(|(peer, addresses)| Group::unasked(peer, addresses)));
        (groups, faults)
    }

    /// Joins the attempts that are under way to the same target; what they do not try remains.
    fn join(&mut self, mut target: Group, asker: u64) -> Option<Group> {
        let same = |group: &&mut Group| match target.peer {
            _ if group.stale => false,
            Some(peer) => group.peer == Some(peer),
            None => group.peer.is_none() && group.addresses == target.addresses,
        };
        let mut under_way = BTreeSet::new();
        for group in self.attempts.values_mut().filter(same) {
            group.askers.insert(asker);
            under_way.extend(group.addresses.iter().cloned());
        }
        target.addresses.retain(|address| under_way.insert(address.clone()));
        target.askers.insert(asker);
        (!target.addresses.is_empty()).then_some(target)
    }

    fn note(&mut self, asker: u64, faults: &[FailedAttempt]) {
        if let Some(ask) = self.asks.get_mut(&asker) {
            ask.faults.extend_from_slice(faults);
        }
    }

    /// One attempt less works on an ask; after the last, the answer.
    fn one_less(&mut self, asker: u64) -> Option<Event> {
        let ask = self.asks.get_mut(&asker)?;
        ask.open = ask.open.saturating_sub(1);
        if ask.open > 0 {
            return None;
        }
        self.asks.remove(&asker).map(Ask::failed)
    }
}

impl Group {
    /// What is left to try when somebody else answered at one of several addresses.
    fn without(&self, faults: &[FailedAttempt]) -> Option<Self> {
        let wrong = |fault: &FailedAttempt| matches!(fault.why, DialFault::WrongPeer { .. } | DialFault::Own);
        let tried = |address: &Address| {
            faults.iter().filter_map(|fault| fault.address.as_ref()).any(|at| same_place(at, address))
        };
        let rest: Vec<Address> = self.addresses.iter().filter(|address| !tried(address)).cloned().collect();
        let once_more = faults.iter().any(wrong) && !rest.is_empty() && rest.len() < self.addresses.len();
        once_more.then(|| Self { addresses: rest, stale: false, ..self.clone() })
    }
}

impl Ask {
    fn failed(self) -> Event {
        let nothing = || vec![FailedAttempt { address: None, why: DialFault::NoAddress }];
        let attempts = if self.faults.is_empty() { nothing() } else { self.faults };
        Event::DialFailed { ticket: self.ticket, peer: self.peer, attempts }
    }
}

fn fault(address: &Address, why: DialFault) -> FailedAttempt {
    FailedAttempt { address: Some(address.clone()), why }
}

fn same_place(one: &Address, other: &Address) -> bool {
    one.without_peer() == other.without_peer()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer;

    fn key(n: u8) -> NetKey {
        peer::net_key_of_seed(&[n; 32])
    }

    fn address(n: u16) -> Address {
        format!("/ip4/192.0.2.1/tcp/{n}").parse().unwrap()
    }

    fn dials() -> Dials<u32> {
        Dials::new(key(0))
    }

    fn nobody(_: &NetKey) -> bool {
        false
    }

    fn refused(address: Address) -> FailedAttempt {
        FailedAttempt { address: Some(address), why: DialFault::Refused }
    }

    #[test]
    fn an_ask_without_an_address_or_for_ourselves_is_answered_at_once() {
        let mut dials = dials();
        let none = dials.ask(Ticket(1), Some(key(1)), &[], nobody);
        let nothing = vec![FailedAttempt { address: None, why: DialFault::NoAddress }];
        assert_eq!(none, Err(Event::DialFailed { ticket: Ticket(1), peer: Some(key(1)), attempts: nothing }));
        let own = address(1).with_peer(&key(0));
        let attempts = vec![FailedAttempt { address: Some(own.clone()), why: DialFault::Own }];
        let answer = dials.ask(Ticket(2), None, &[own], nobody);
        assert_eq!(answer, Err(Event::DialFailed { ticket: Ticket(2), peer: None, attempts }));
    }

    #[test]
    fn a_connected_peer_is_dialled_already() {
        let answer = dials().ask(Ticket(1), None, &[address(1).with_peer(&key(1))], |peer| *peer == key(1));
        assert_eq!(answer, Err(Event::Dialled { ticket: Ticket(1), peer: key(1) }));
        // Another peer's address does not count where one is asked for.
        assert!(
            dials().ask(Ticket(1), Some(key(2)), &[address(1).with_peer(&key(1))], |peer| *peer == key(1)).is_err()
        );
    }

    #[test]
    fn two_asks_share_an_attempt_and_both_are_answered() {
        let mut dials = dials();
        let groups = dials.ask(Ticket(1), Some(key(1)), &[address(1)], nobody).unwrap();
        dials.started(7, groups[0].clone());
        let more = dials.ask(Ticket(2), Some(key(1)), &[address(1), address(2)], nobody).unwrap();
        assert_eq!(more[0].addresses, [address(2).with_peer(&key(1))]);
        dials.started(8, more[0].clone());
        let (answers, _) = dials.established(7, key(1));
        let dialled = |n| Event::Dialled { ticket: Ticket(n), peer: key(1) };
        assert_eq!(answers, [dialled(1), dialled(2)]);
        assert_eq!(dials.failed(8, &[refused(address(2))]), (Vec::new(), None));
    }

    #[test]
    fn an_ask_fails_with_its_last_attempt_and_tells_everything() {
        let mut dials = dials();
        let groups = dials.ask(Ticket(1), None, &[address(1), address(2)], nobody).unwrap();
        assert_eq!(groups.len(), 2);
        groups.into_iter().zip([7, 8]).for_each(|(group, link)| dials.started(link, group));
        assert_eq!(dials.failed(7, &[refused(address(1))]), (Vec::new(), None));
        let attempts = vec![refused(address(1)), refused(address(2))];
        let failed = Event::DialFailed { ticket: Ticket(1), peer: None, attempts };
        assert_eq!(dials.failed(8, &[refused(address(2))]), (vec![failed], None));
    }

    #[test]
    fn a_stranger_at_one_address_does_not_spoil_the_others() {
        let mut dials = dials();
        let groups = dials.ask(Ticket(1), Some(key(1)), &[address(1), address(2)], nobody).unwrap();
        dials.started(7, groups[0].clone());
        let stranger = FailedAttempt { address: Some(address(1)), why: DialFault::WrongPeer { got: Some(key(9)) } };
        let (answers, rest) = dials.failed(7, &[stranger]);
        assert!(answers.is_empty());
        let rest = rest.unwrap();
        assert_eq!(rest.addresses, [address(2).with_peer(&key(1))]);
        dials.started(8, rest);
        assert_eq!(dials.established(8, key(1)).0, [Event::Dialled { ticket: Ticket(1), peer: key(1) }]);
    }

    #[test]
    fn a_peer_that_connects_by_itself_answers_the_ask() {
        let mut dials = dials();
        let groups = dials.ask(Ticket(1), Some(key(1)), &[address(1)], nobody).unwrap();
        dials.started(7, groups[0].clone());
        assert_eq!(dials.established(99, key(1)).0, [Event::Dialled { ticket: Ticket(1), peer: key(1) }]);
    }

    #[test]
    fn what_began_on_another_network_is_not_waited_for() {
        let mut dials = dials();
        let groups = dials.ask(Ticket(1), Some(key(1)), &[address(1)], nobody).unwrap();
        dials.started(7, groups[0].clone());
        dials.distrust();
        let again = dials.ask(Ticket(2), Some(key(1)), &[address(1)], nobody).unwrap();
        assert_eq!(again[0].addresses, [address(1).with_peer(&key(1))]);
        dials.started(8, again[0].clone());
        assert!(matches!(
            &dials.failed(7, &[refused(address(1))]).0[..],
            [Event::DialFailed { ticket: Ticket(1), .. }]
        ));
        assert_eq!(dials.established(8, key(1)).0, [Event::Dialled { ticket: Ticket(2), peer: key(1) }]);
    }
}
