//! Which of the connections between two devices carries their session.
//!
//! Two devices may hold several connections: both dialled at once, over TCP and QUIC, through a relay
//! and then directly. Connections are ranked, and both sides compute the same rank:
//!
//! ```text
//! rank = (direct before relayed, QUIC before TCP, dialled by the lower key before the other)
//! ```
//!
//! Connections of one rank were dialled by one and the same side, so that side chooses among them.
//! What makes both sides end on one connection without a word about it:
//!
//! ```text
//! dialer of a link                                     listener of a link
//! Idle ──propose: opens the three lanes──▶             all three came ──▶ Ready
//!   only the best it has, never beside one as good     obeys: starts it, unless it has or is opening
//! Ready: all three were taken ──▶ Live                 a better one itself; then it waits
//! drops each of its own links that lost                leaves the peer's links to the peer
//! ```
//!
//! 1. The best link is always proposed by its dialer, and never refused by its listener: it wins.
//! 2. Of equal links only one is proposed at a time; a second proposal means that the first is lost,
//!    so the newer one replaces it (the peer restarted, and we have not noticed).
//! 3. A worse link that is proposed while a better one is live is a race that the peer is about to end
//!    by dropping it. If the live one had settled by then, or the peer lets the worse one stand for as long as
//!    it takes to settle, it is news: the peer lost the better one (it moved, and we hear nothing of that).
//! 4. In the same way a better link that is about to be ready is waited for, but not for longer than that: it
//!    may lead to where the peer was.
//! 5. A session is ended before its successor starts: `Closed{Replaced}`, then `Opened`.
//! 6. But for 3 and 4 nobody waits for the clock: each wait ends when a link becomes ready, fails or goes down,
//!    and a link that does nothing goes down by its idle timeout.
//! 7. What the peer proposed before the live one and still stands when that has settled is dead: it is dropped,
//!    so that it is not taken for a successor.
//! 8. A link whose lanes do not come promises nothing: the other end may be gone. It keeps us neither from
//!    dialling nor from proposing another.
//!
//! The state is pure: no clock, no IO. `L` is a connection's id.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use y7ke_crypto::ids::NetKey;

use crate::path::{Path, PathKind, Transport};
use crate::{CloseReason, SessionId};

/// How good a link is; greater is better, and both sides compute the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    direct: bool,
    quic: bool,
    dialled_by_lower: bool,
}

impl Rank {
    /// Through a relay, each side sees its own leg only, so the transport says nothing there.
    pub(crate) fn of(path: &Path, dialled_by_lower: bool) -> Self {
        let direct = path.kind == PathKind::Direct;
        Self { direct, quic: direct && path.transport == Transport::Quic, dialled_by_lower }
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order<L> {
    /// Open the three lanes on this link.
    Propose(L),
    /// The lanes of this link become a session.
    Start { link: L, session: SessionId },
    /// End the session of this link, then report `ended`.
    End { link: L, session: SessionId, reason: CloseReason },
    /// Close the connection.
    Drop(L),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Established, no lanes.
    Idle { since_ms: u64 },
    /// We are opening the lanes.
    Proposed { since_ms: u64 },
    /// The lanes are up.
    Ready { since_ms: u64 },
    /// It carries the session.
    Live { session: SessionId, since_ms: u64 },
    /// Its session is being ended.
    Ending,
    /// Nothing more comes of it; it is closed, or closes by itself.
    Spent,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    rank: Rank,
    /// We dialled it.
    mine: bool,
    /// Grows with each link that comes up or becomes ready.
    order: u64,
    phase: Phase,
}

/// The state of all pairs of this device.
#[derive(Debug)]
pub(crate) struct Arbiter<L> {
    settle_ms: u64,
    next_session: u64,
    next_order: u64,
    pairs: BTreeMap<NetKey, Pair<L>>,
}

#[derive(Debug)]
struct Pair<L> {
    links: BTreeMap<L, Link>,
}

impl<L: Copy + Ord> Arbiter<L> {
    /// `settle_ms`: after this, both sides know which link is live.
    pub(crate) fn new(settle_ms: u64) -> Self {
        Self { settle_ms, next_session: 1, next_order: 0, pairs: BTreeMap::new() }
    }

    /// A connection was established; `mine` if this side dialled it.
    pub(crate) fn up(&mut self, peer: NetKey, link: L, rank: Rank, mine: bool, now_ms: u64) -> Vec<Order<L>> {
        let order = self.take_order();
        let pair = self.pairs.entry(peer).or_insert_with(|| Pair { links: BTreeMap::new() });
        pair.links.insert(link, Link { rank, mine, order, phase: Phase::Idle { since_ms: now_ms } });
        self.settle(&peer, now_ms)
    }

    /// All three lanes of a link are up at this side.
    pub(crate) fn ready(&mut self, peer: &NetKey, link: L, now_ms: u64) -> Vec<Order<L>> {
        let order = self.take_order();
        self.change(peer, link, |link| {
            if matches!(link.phase, Phase::Idle { .. } | Phase::Proposed { .. }) {
                (link.phase, link.order) = (Phase::Ready { since_ms: now_ms }, order);
            }
        });
        self.settle(peer, now_ms)
    }

    /// The lanes of a link did not come up, or broke before their session began.
    pub(crate) fn failed(&mut self, peer: &NetKey, link: L, now_ms: u64) -> Vec<Order<L>> {
        self.change(peer, link, |link| {
            if link.is_undecided() {
                link.phase = Phase::Spent;
            }
        });
        self.settle(peer, now_ms)
    }

    /// The session of a link is over, by our order or by itself.
    pub(crate) fn ended(&mut self, peer: &NetKey, link: L, now_ms: u64) -> Vec<Order<L>> {
        self.change(peer, link, |link| link.phase = Phase::Spent);
        let mut orders = vec![Order::Drop(link)];
        orders.extend(self.settle(peer, now_ms));
        orders
    }

    /// A connection is gone.
    pub(crate) fn down(&mut self, peer: &NetKey, link: L, now_ms: u64) -> Vec<Order<L>> {
        if let Some(pair) = self.pairs.get_mut(peer) {
            pair.links.remove(&link);
            if pair.links.is_empty() {
                self.pairs.remove(peer);
            }
        }
        self.settle(peer, now_ms)
    }

    /// Ends the session with a peer, and every other connection with it.
    pub(crate) fn close(&mut self, peer: &NetKey, reason: &CloseReason) -> Vec<Order<L>> {
        self.pairs.get_mut(peer).map_or_else(Vec::new, |pair| pair.close(reason))
    }

    /// A link is dead, though nothing broke that could be heard.
    pub(crate) fn dead(&mut self, peer: &NetKey, link: L, reason: &CloseReason, now_ms: u64) -> Vec<Order<L>> {
        let found = self.pairs.get_mut(peer).and_then(|pair| pair.links.get_mut(&link));
        let mut orders = Vec::from_iter(found.and_then(|found| found.close(link, reason)));
        orders.extend(self.settle(peer, now_ms));
        orders
    }

    /// Looks again at pairs whose clock has run out.
    pub(crate) fn timeout(&mut self, now_ms: u64) -> Vec<(NetKey, Vec<Order<L>>)> {
        let due = |pair: &Pair<L>| pair.wake_ms(self.settle_ms).is_some_and(|at| at <= now_ms);
        let due: Vec<NetKey> = self.pairs.iter().filter(|(_, pair)| due(pair)).map(|(peer, _)| *peer).collect();
        due.into_iter().map(|peer| (peer, self.settle(&peer, now_ms))).collect()
    }

    /// When to call `timeout`.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        self.pairs.values().filter_map(|pair| pair.wake_ms(self.settle_ms)).min()
    }

    /// Everybody who is connected.
    pub(crate) fn peers(&self) -> Vec<NetKey> {
        self.pairs.keys().copied().collect()
    }

    /// Is this peer connected, over a link that carries a session or is about to?
    pub(crate) fn is_connected(&self, peer: &NetKey, now_ms: u64) -> bool {
        let promising = |link: &Link| link.is_promising(self.settle_ms, now_ms);
        self.pairs.get(peer).is_some_and(|pair| pair.links.values().any(promising))
    }

    /// Is there a link that may replace the live one? Then the live one ending by itself is that.
    pub(crate) fn has_rival(&self, peer: &NetKey) -> bool {
        self.pairs.get(peer).is_some_and(Pair::has_rival)
    }

    fn take_order(&mut self) -> u64 {
        self.next_order += 1;
        self.next_order
    }

    fn change(&mut self, peer: &NetKey, link: L, how: impl FnOnce(&mut Link)) {
        if let Some(found) = self.pairs.get_mut(peer).and_then(|pair| pair.links.get_mut(&link)) {
            how(found);
        }
    }

    fn settle(&mut self, peer: &NetKey, now_ms: u64) -> Vec<Order<L>> {
        let Some(pair) = self.pairs.get_mut(peer) else { return Vec::new() };
        if pair.is_ending() {
            return Vec::new();
        }
        let mut orders = Vec::from_iter(pair.propose(self.settle_ms, now_ms));
        match pair.live() {
            Some((link, live)) => orders.extend(pair.replace(link, &live, self.settle_ms, now_ms)),
            None => orders.extend(pair.start(&mut self.next_session, self.settle_ms, now_ms)),
        }
        orders.extend(pair.drop_losers(self.settle_ms, now_ms));
        orders
    }
}

impl<L: Copy + Ord> Pair<L> {
    fn live(&self) -> Option<(L, Link)> {
        let live = |link: &Link| matches!(link.phase, Phase::Live { .. });
        self.links.iter().find(|(_, link)| live(link)).map(|(id, link)| (*id, *link))
    }

    fn is_ending(&self) -> bool {
        self.links.values().any(|link| link.phase == Phase::Ending)
    }

    fn has_rival(&self) -> bool {
        self.live().is_some_and(|(id, live)| {
            self.links.iter().any(|(other, link)| *other != id && link.is_of_use() && link.rank >= live.rank)
        })
    }

    /// The best of our own idle links, if we have nothing as good in hand.
    fn propose(&mut self, settle_ms: u64, now_ms: u64) -> Option<Order<L>> {
        let (id, best) = self.best(|link| link.mine && link.is_idle())?;
        if self.links.values().any(|link| link.stands_for_us(settle_ms, now_ms) && link.rank >= best.rank) {
            return None;
        }
        self.set(id, Phase::Proposed { since_ms: now_ms });
        Some(Order::Propose(id))
    }

    /// The best link that is ready, unless a better one is about to be.
    fn start(&mut self, next_session: &mut u64, settle_ms: u64, now_ms: u64) -> Option<Order<L>> {
        let (id, best) = self.best(Link::is_ready)?;
        let comes = self.links.values().any(|link| link.is_coming() && link.rank > best.rank);
        if comes && best.waits_until_ms(settle_ms).is_some_and(|at| now_ms < at) {
            return None;
        }
        let session = SessionId(*next_session);
        *next_session += 1;
        self.set(id, Phase::Live { session, since_ms: now_ms });
        Some(Order::Start { link: id, session })
    }

    /// Ends the live session if a link that is ready takes over.
    fn replace(&mut self, id: L, live: &Link, settle_ms: u64, now_ms: u64) -> Option<Order<L>> {
        let Phase::Live { session, .. } = live.phase else { return None };
        if !self.links.values().any(|link| link.takes_over(live, settle_ms, now_ms)) {
            return None;
        }
        self.set(id, Phase::Ending);
        Some(Order::End { link: id, session, reason: CloseReason::Replaced })
    }

    /// When a link has stood for so long that it takes over, or is not kept waiting any more.
    fn wake_ms(&self, settle_ms: u64) -> Option<u64> {
        if self.is_ending() {
            return None;
        }
        let Some((_, live)) = self.live() else { return self.best(Link::is_ready)?.1.waits_until_ms(settle_ms) };
        let wakes = |link: &Link| link.outlasts_ms(&live, settle_ms).or(link.outdated_ms(&live, settle_ms));
        self.links.values().filter_map(wakes).min()
    }

    /// Our own links that lost against the live one. The peer's are the peer's to drop; if it does not, it has none.
    fn drop_losers(&mut self, settle_ms: u64, now_ms: u64) -> Vec<Order<L>> {
        let Some((_, live)) = self.live() else { return Vec::new() };
        let outdated = |link: &Link| link.outdated_ms(&live, settle_ms).is_some_and(|at| at <= now_ms);
        let lost = |link: &Link| link.loses_to(&live) || outdated(link);
        let losers: Vec<L> = self.links.iter().filter(|(_, link)| lost(link)).map(|(id, _)| *id).collect();
        losers.iter().for_each(|id| self.set(*id, Phase::Spent));
        losers.into_iter().map(Order::Drop).collect()
    }

    fn close(&mut self, reason: &CloseReason) -> Vec<Order<L>> {
        self.links.iter_mut().filter_map(|(id, link)| link.close(*id, reason)).collect()
    }

    fn best(&self, which: impl Fn(&Link) -> bool) -> Option<(L, Link)> {
        let found = self.links.iter().filter(|(_, link)| which(link));
        found.max_by_key(|(_, link)| (link.rank, link.order)).map(|(id, link)| (*id, *link))
    }

    fn set(&mut self, id: L, phase: Phase) {
        if let Some(link) = self.links.get_mut(&id) {
            link.phase = phase;
        }
    }
}

impl Link {
    fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready { .. })
    }

    fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle { .. })
    }

    fn is_undecided(&self) -> bool {
        matches!(self.phase, Phase::Idle { .. } | Phase::Proposed { .. } | Phase::Ready { .. })
    }

    fn loses_to(&self, live: &Self) -> bool {
        self.mine && self.is_undecided() && self.rank <= live.rank
    }

    fn is_of_use(&self) -> bool {
        !matches!(self.phase, Phase::Ending | Phase::Spent)
    }

    /// Is a session, or is on the way to one: lanes that do not come promise nothing.
    fn is_promising(&self, settle_ms: u64, now_ms: u64) -> bool {
        match self.phase {
            Phase::Idle { since_ms } | Phase::Proposed { since_ms } => now_ms < since_ms.saturating_add(settle_ms),
            _ => self.is_of_use(),
        }
    }

    /// Makes a proposal of the same or a lower rank pointless: it is live, or our own attempt.
    fn stands_for_us(&self, settle_ms: u64, now_ms: u64) -> bool {
        match self.phase {
            Phase::Live { .. } => true,
            Phase::Proposed { .. } | Phase::Ready { .. } => self.mine && self.is_promising(settle_ms, now_ms),
            _ => false,
        }
    }

    /// Will be ready, or fail, without our doing: we proposed it, or its dialer is about to.
    fn is_coming(&self) -> bool {
        if self.mine { matches!(self.phase, Phase::Proposed { .. }) } else { self.is_idle() }
    }

    fn takes_over(&self, live: &Self, settle_ms: u64, now_ms: u64) -> bool {
        if !self.is_ready() {
            return false;
        }
        match self.rank.cmp(&live.rank) {
            Ordering::Greater => true,
            Ordering::Equal => !self.mine && self.order > live.order,
            Ordering::Less => self.outlasts_ms(live, settle_ms).is_some_and(|at| at <= now_ms),
        }
    }

    /// Until when it makes way for a better one that is coming.
    fn waits_until_ms(&self, settle_ms: u64) -> Option<u64> {
        match self.phase {
            Phase::Ready { since_ms } => Some(since_ms.saturating_add(settle_ms)),
            _ => None,
        }
    }

    /// From when on a worse link of the peer's is news, if the peer does not drop it before: at once beside one
    /// that had settled. News is what was proposed after the live one was.
    fn outlasts_ms(&self, live: &Self, settle_ms: u64) -> Option<u64> {
        let (Phase::Ready { since_ms }, Phase::Live { since_ms: live_since_ms, .. }) = (self.phase, live.phase) else {
            return None;
        };
        if self.mine || self.rank >= live.rank || self.order < live.order {
            return None;
        }
        let settled = since_ms.saturating_sub(live_since_ms) >= settle_ms;
        Some(if settled { since_ms } else { since_ms.max(live_since_ms).saturating_add(settle_ms) })
    }

    /// From when on a link that the peer proposed before the live one is known to be dead: the peer would have
    /// dropped it.
    fn outdated_ms(&self, live: &Self, settle_ms: u64) -> Option<u64> {
        let Phase::Live { since_ms, .. } = live.phase else { return None };
        let older = !self.mine && self.is_ready() && self.rank <= live.rank && self.order < live.order;
        older.then(|| since_ms.saturating_add(settle_ms))
    }

    fn close<L>(&mut self, id: L, reason: &CloseReason) -> Option<Order<L>> {
        match self.phase {
            Phase::Live { session, .. } => {
                self.phase = Phase::Ending;
                Some(Order::End { link: id, session, reason: reason.clone() })
            }
            Phase::Ending => None,
            _ => {
                self.phase = Phase::Spent;
                Some(Order::Drop(id))
            }
        }
    }
}
