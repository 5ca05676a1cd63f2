//! The rules one by one, then two devices against each other over a network that delays as it likes.

use std::collections::VecDeque;

use super::*;
use crate::peer;

const RELAYED: Rank = Rank { direct: false, quic: false, dialled_by_lower: true };
const TCP_LOW: Rank = Rank { direct: true, quic: false, dialled_by_lower: true };
const TCP_HIGH: Rank = Rank { direct: true, quic: false, dialled_by_lower: false };
const QUIC_LOW: Rank = Rank { direct: true, quic: true, dialled_by_lower: true };
const QUIC_HIGH: Rank = Rank { direct: true, quic: true, dialled_by_lower: false };
const SETTLE_MS: u64 = 5_000;

fn peer_key() -> NetKey {
    peer::net_key_of_seed(&[1; 32])
}

/// One device and its only peer.
struct One {
    arbiter: Arbiter<u32>,
    peer: NetKey,
    now_ms: u64,
}

impl One {
    fn new() -> Self {
        Self { arbiter: Arbiter::new(SETTLE_MS), peer: peer_key(), now_ms: 0 }
    }

    fn up(&mut self, link: u32, rank: Rank, mine: bool) -> Vec<Order<u32>> {
        self.arbiter.up(self.peer, link, rank, mine, self.now_ms)
    }

    fn ready(&mut self, link: u32) -> Vec<Order<u32>> {
        self.arbiter.ready(&self.peer, link, self.now_ms)
    }

    fn ended(&mut self, link: u32) -> Vec<Order<u32>> {
        self.arbiter.ended(&self.peer, link, self.now_ms)
    }

    fn failed(&mut self, link: u32) -> Vec<Order<u32>> {
        self.arbiter.failed(&self.peer, link, self.now_ms)
    }

    fn down(&mut self, link: u32) -> Vec<Order<u32>> {
        self.arbiter.down(&self.peer, link, self.now_ms)
    }

    /// The clock stands at `now_ms`.
    fn at(&mut self, now_ms: u64) -> Vec<Order<u32>> {
        self.now_ms = now_ms;
        self.arbiter.timeout(now_ms).into_iter().flat_map(|(_, orders)| orders).collect()
    }
}

fn start(link: u32, session: u64) -> Order<u32> {
    Order::Start { link, session: SessionId(session) }
}

fn end(link: u32, session: u64, reason: CloseReason) -> Order<u32> {
    Order::End { link, session: SessionId(session), reason }
}

#[test]
fn ranks_put_direct_before_relayed_then_quic_before_tcp_then_the_lower_key() {
    let mut ranks = [TCP_HIGH, QUIC_LOW, RELAYED, QUIC_HIGH, TCP_LOW];
    ranks.sort();
    assert_eq!(ranks, [RELAYED, TCP_HIGH, TCP_LOW, QUIC_HIGH, QUIC_LOW]);
}

#[test]
fn the_dialer_proposes_and_the_listener_waits_for_it() {
    let (mut dialer, mut listener) = (One::new(), One::new());
    assert_eq!(dialer.up(1, TCP_LOW, true), [Order::Propose(1)]);
    assert_eq!(listener.up(1, TCP_LOW, false), []);
    assert_eq!(listener.ready(1), [start(1, 1)]);
    assert_eq!(dialer.ready(1), [start(1, 1)]);
}

#[test]
fn a_better_link_replaces_and_its_session_starts_after_the_end_of_the_old_one() {
    let mut one = One::new();
    one.up(1, TCP_LOW, true);
    one.ready(1);
    assert_eq!(one.up(2, QUIC_LOW, true), [Order::Propose(2)]);
    assert_eq!(one.ready(2), [end(1, 1, CloseReason::Replaced)]);
    assert_eq!(one.ended(1), [Order::Drop(1), start(2, 2)]);
}

#[test]
fn a_worse_link_of_ours_is_dropped_at_once_and_the_peers_is_left_to_the_peer() {
    let mut one = One::new();
    one.up(1, QUIC_LOW, true);
    one.ready(1);
    assert_eq!(one.up(2, TCP_LOW, true), [Order::Drop(2)]);
    assert_eq!(one.up(3, QUIC_HIGH, false), []);
    assert_eq!(one.ready(3), []);
}

#[test]
fn while_our_better_proposal_is_open_the_peers_waits_and_steps_in_when_ours_fails() {
    let mut one = One::new();
    one.up(1, QUIC_LOW, true);
    one.up(2, QUIC_HIGH, false);
    assert_eq!(one.ready(2), []);
    assert_eq!(one.failed(1), [start(2, 1)]);
}

#[test]
fn a_waiting_link_steps_in_when_the_live_one_dies() {
    let mut one = One::new();
    one.up(1, QUIC_LOW, true);
    one.ready(1);
    one.up(2, QUIC_HIGH, false);
    one.ready(2);
    assert!(!one.arbiter.has_rival(&one.peer));
    assert_eq!(one.ended(1), [Order::Drop(1), start(2, 2)]);
}

#[test]
fn a_second_proposal_of_the_same_rank_means_that_the_peer_lost_the_first() {
    let mut one = One::new();
    one.up(1, TCP_HIGH, false);
    one.ready(1);
    one.up(2, TCP_HIGH, false);
    assert!(one.arbiter.has_rival(&one.peer));
    assert_eq!(one.ready(2), [end(1, 1, CloseReason::Replaced)]);
}

#[test]
fn a_worse_proposal_long_after_means_that_the_peer_lost_the_better_one() {
    let mut one = One::new();
    one.up(1, QUIC_LOW, true);
    one.ready(1);
    one.now_ms = SETTLE_MS;
    one.up(2, TCP_HIGH, false);
    assert_eq!(one.ready(2), [end(1, 1, CloseReason::Replaced)]);
    assert_eq!(one.ended(1), [Order::Drop(1), start(2, 2)]);
}

/// The peer moved a moment after the session began: it dials again, and we hear nothing of the old connection.
#[test]
fn a_worse_proposal_beside_a_young_session_takes_over_unless_the_peer_drops_it_soon() {
    let mut one = One::new();
    one.up(1, QUIC_LOW, true);
    one.ready(1);
    one.now_ms = 100;
    one.up(2, QUIC_HIGH, false);
    assert_eq!(one.ready(2), [], "it may be a race");
    assert_eq!(one.arbiter.poll_timeout(), Some(100 + SETTLE_MS));
    assert_eq!(one.at(99 + SETTLE_MS), []);
    assert_eq!(one.at(100 + SETTLE_MS), [end(1, 1, CloseReason::Replaced)]);
    assert_eq!(one.arbiter.poll_timeout(), None);
    assert_eq!(one.ended(1), [Order::Drop(1), start(2, 2)]);

    let mut raced = One::new();
    raced.up(1, QUIC_LOW, true);
    raced.ready(1);
    raced.up(2, QUIC_HIGH, false);
    raced.ready(2);
    raced.down(2);
    assert_eq!((raced.arbiter.poll_timeout(), raced.at(10 * SETTLE_MS)), (None, vec![]));
}

/// We called the peer where it was a moment ago: that connection stands, and its lanes never come.
#[test]
fn a_better_link_that_does_not_come_is_not_waited_for_any_longer() {
    let mut one = One::new();
    assert_eq!(one.up(1, TCP_LOW, true), [Order::Propose(1)]);
    one.up(2, TCP_HIGH, false);
    assert_eq!(one.ready(2), []);
    assert_eq!(one.at(SETTLE_MS - 1), []);
    assert_eq!(one.at(SETTLE_MS), [start(2, 1)]);
    assert_eq!(one.arbiter.poll_timeout(), None);
    assert_eq!(one.ready(1), [end(2, 1, CloseReason::Replaced)], "it came after all");
}

/// The peer moved twice, and the first of its new connections died with the second move.
#[test]
fn what_the_peer_proposed_before_the_live_link_takes_nothing_over_and_is_dropped() {
    let mut one = One::new();
    one.up(1, TCP_LOW, true);
    one.up(2, RELAYED, false);
    one.ready(2);
    one.up(3, TCP_HIGH, false);
    one.ready(3);
    assert_eq!(one.failed(1), [start(3, 1)]);
    assert_eq!(one.at(SETTLE_MS - 1), []);
    assert_eq!(one.at(SETTLE_MS), [Order::Drop(2)]);
    assert_eq!(one.arbiter.poll_timeout(), None);
}

#[test]
fn a_link_whose_lanes_do_not_come_keeps_us_neither_from_dialling_nor_from_proposing_another() {
    for (rank, mine) in [(TCP_HIGH, false), (TCP_LOW, true)] {
        let mut one = One::new();
        one.up(1, rank, mine);
        assert!(one.arbiter.is_connected(&one.peer, SETTLE_MS - 1), "they are on their way");
        assert!(!one.arbiter.is_connected(&one.peer, SETTLE_MS));
        one.now_ms = SETTLE_MS;
        assert_eq!(one.up(2, TCP_LOW, true), [Order::Propose(2)]);
        assert!(one.arbiter.is_connected(&one.peer, SETTLE_MS));
        assert_eq!(one.ready(2)[0], start(2, 1));
    }
}

#[test]
fn a_link_that_is_dead_ends_though_nothing_broke_and_another_carries_on() {
    let mut one = One::new();
    one.up(1, QUIC_LOW, true);
    one.ready(1);
    one.up(2, QUIC_HIGH, false);
    one.ready(2);
    let (peer, gone) = (one.peer, CloseReason::Homeless);
    assert_eq!(one.arbiter.dead(&peer, 1, &gone, 0), [end(1, 1, gone.clone())]);
    assert_eq!(one.arbiter.dead(&peer, 1, &gone, 0), [], "it is told once");
    assert_eq!(one.ended(1), [Order::Drop(1), start(2, 2)]);
    one.up(3, TCP_HIGH, false);
    assert_eq!(one.arbiter.dead(&peer, 3, &gone, 0), [Order::Drop(3)], "without a session there is nothing to end");
}

#[test]
fn equal_links_of_ours_are_tried_one_after_the_other() {
    let mut one = One::new();
    assert_eq!(one.up(1, TCP_LOW, true), [Order::Propose(1)]);
    assert_eq!(one.up(2, TCP_LOW, true), []);
    assert_eq!(one.failed(1), [Order::Propose(2)]);
    assert_eq!(one.ready(2), [start(2, 1)]);
}

#[test]
fn closing_ends_the_session_and_drops_the_rest() {
    let mut one = One::new();
    one.up(1, QUIC_LOW, true);
    one.ready(1);
    one.up(2, QUIC_HIGH, false);
    one.ready(2);
    let peer = one.peer;
    assert_eq!(
        one.arbiter.close(&peer, &CloseReason::Disconnected),
        [end(1, 1, CloseReason::Disconnected), Order::Drop(2)]
    );
    assert_eq!(one.ended(1), [Order::Drop(1)]);
    assert!(!one.arbiter.is_connected(&peer, 0));
    one.down(1);
    one.down(2);
    assert!(one.arbiter.peers().is_empty());
}

// ---- two devices -------------------------------------------------------------------------------

/// What travels on a link, in order.
#[derive(Clone, Copy, Debug)]
enum Message {
    Up,
    LanesOpened,
    LanesTaken,
    Closed,
}

/// What happens within a device, later.
#[derive(Clone, Copy, Debug)]
enum Local {
    Up(usize),
    Ended(usize),
    Down(usize),
}

struct Wire {
    rank: Rank,
    dialer: usize,
    /// Is the connection open, seen from side 0 and 1?
    open: [bool; 2],
    /// Which session runs over it, at side 0 and 1?
    running: [Option<SessionId>; 2],
    /// Under way to side 0 and 1.
    towards: [VecDeque<Message>; 2],
}

/// Two devices; side 0 has the lower key.
struct World {
    noise: u64,
    now_ms: u64,
    arbiters: [Arbiter<usize>; 2],
    later: [Vec<Local>; 2],
    wires: Vec<Wire>,
}

impl World {
    fn new(seed: u64, settle_ms: u64) -> Self {
        let arbiters = [Arbiter::new(settle_ms), Arbiter::new(settle_ms)];
        Self { noise: seed, now_ms: 0, arbiters, later: [Vec::new(), Vec::new()], wires: Vec::new() }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.noise = self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.noise >> 33) as usize) % bound
    }

    fn dial(&mut self) {
        let dialer = self.below(2);
        self.dial_by(dialer);
    }

    fn dial_by(&mut self, dialer: usize) {
        let (direct, quic) = (self.below(3) > 0, self.below(2) > 0);
        let rank = Rank { direct, quic: direct && quic, dialled_by_lower: dialer == 0 };
        let towards = [VecDeque::new(), VecDeque::new()];
        self.wires.push(Wire { rank, dialer, open: [true; 2], running: [None; 2], towards });
        let wire = self.wires.len() - 1;
        self.later[dialer].push(Local::Up(wire));
        self.wires[wire].towards[1 - dialer].push_back(Message::Up);
    }

    /// The connection breaks; each side notices in its own time.
    fn break_one(&mut self) {
        let wire = self.below(self.wires.len());
        self.wires[wire].towards.iter_mut().for_each(|queue| queue.push_back(Message::Closed));
    }

    /// One random thing happens; false if nothing is left to happen.
    fn step(&mut self) -> bool {
        self.now_ms += self.below(4) as u64;
        let locals =
            (0..2).flat_map(|side| (0..self.later[side].len()).map(move |at| (side, Err(at)))).collect::<Vec<_>>();
        let under_way = (0..2).flat_map(|side| (0..self.wires.len()).map(move |wire| (side, Ok(wire))));
        let mut choices: Vec<(usize, Result<usize, usize>)> = under_way
            .filter(|(side, wire)| wire.is_ok_and(|wire| !self.wires[wire].towards[*side].is_empty()))
            .collect();
        choices.extend(locals);
        if choices.is_empty() {
            return false;
        }
        match choices[self.below(choices.len())] {
            (side, Ok(wire)) => self.deliver(side, wire),
            (side, Err(at)) => {
                let local = self.later[side].remove(at);
                self.happen(side, local);
            }
        }
        true
    }

    fn deliver(&mut self, side: usize, wire: usize) {
        let Some(message) = self.wires[wire].towards[side].pop_front() else { return };
        if !self.wires[wire].open[side] {
            return;
        }
        match message {
            Message::Up => self.happen(side, Local::Up(wire)),
            Message::LanesOpened => {
                self.wires[wire].towards[1 - side].push_back(Message::LanesTaken);
                let orders = self.arbiters[side].ready(&peer_key(), wire, self.now_ms);
                self.obey(side, orders);
            }
            Message::LanesTaken => {
                let orders = self.arbiters[side].ready(&peer_key(), wire, self.now_ms);
                self.obey(side, orders);
            }
            Message::Closed => {
                if self.wires[wire].running[side].take().is_some() {
                    self.happen(side, Local::Ended(wire));
                }
                self.wires[wire].open[side] = false;
                self.happen(side, Local::Down(wire));
            }
        }
    }

    fn happen(&mut self, side: usize, local: Local) {
        let (peer, now_ms) = (peer_key(), self.now_ms);
        let orders = match local {
            Local::Up(wire) if !self.wires[wire].open[side] => Vec::new(),
            Local::Up(wire) => {
                let (rank, mine) = (self.wires[wire].rank, self.wires[wire].dialer == side);
                self.arbiters[side].up(peer, wire, rank, mine, now_ms)
            }
            Local::Ended(wire) => self.arbiters[side].ended(&peer, wire, now_ms),
            Local::Down(wire) => self.arbiters[side].down(&peer, wire, now_ms),
        };
        self.obey(side, orders);
    }

    fn obey(&mut self, side: usize, orders: Vec<Order<usize>>) {
        for order in orders {
            match order {
                Order::Propose(wire) => {
                    assert_eq!(self.wires[wire].dialer, side, "only the dialer proposes");
                    self.wires[wire].towards[1 - side].push_back(Message::LanesOpened);
                }
                Order::Start { link, session } => {
                    assert!(self.wires.iter().all(|wire| wire.running[side].is_none()), "two sessions at once");
                    if self.wires[link].open[side] {
                        self.wires[link].running[side] = Some(session);
                    }
                }
                Order::End { link, session, .. } => {
                    if self.wires[link].running[side] == Some(session) {
                        self.wires[link].running[side] = None;
                        self.later[side].push(Local::Ended(link));
                    }
                }
                Order::Drop(wire) if self.wires[wire].open[side] => {
                    assert_eq!(self.wires[wire].running[side], None, "a live link was dropped");
                    self.wires[wire].open[side] = false;
                    self.wires[wire].towards[1 - side].push_back(Message::Closed);
                    self.later[side].push(Local::Down(wire));
                }
                Order::Drop(_) => {}
            }
        }
    }

    fn carrying(&self, side: usize) -> Option<usize> {
        self.wires.iter().position(|wire| wire.running[side].is_some())
    }

    fn run_out(&mut self) {
        while self.step() {}
    }

    fn wait_out(&mut self) {
        while self.step() || self.wait() {}
    }

    /// Nothing is under way, so the next thing to happen is a clock that runs out; false if none is set.
    fn wait(&mut self) -> bool {
        let Some(next_ms) = self.arbiters.iter().filter_map(Arbiter::poll_timeout).min() else { return false };
        self.now_ms = self.now_ms.max(next_ms);
        for side in 0..2 {
            for (_, orders) in self.arbiters[side].timeout(self.now_ms) {
                self.obey(side, orders);
            }
        }
        true
    }

    /// One side moves to another network: its connections are dead, the other side hears nothing of that, and
    /// neither does anybody of what was under way.
    fn move_away(&mut self, side: usize) {
        for wire in 0..self.wires.len() {
            self.wires[wire].towards.iter_mut().for_each(VecDeque::clear);
            if !self.wires[wire].open[side] {
                continue;
            }
            // As `dead` does, all at once: an end that nobody else is told of.
            self.wires[wire].open[side] = false;
            if self.wires[wire].running[side].take().is_some() {
                self.happen(side, Local::Ended(wire));
            }
            self.happen(side, Local::Down(wire));
        }
    }
}

#[test]
fn two_devices_that_dial_at_once_end_on_the_same_best_link_in_every_order_of_events() {
    for seed in 0..4_000 {
        let mut world = World::new(seed, SETTLE_MS * 1_000);
        for _ in 0..=world.below(4) {
            world.dial();
            for _ in 0..world.below(12) {
                world.step();
            }
        }
        world.run_out();
        let (left, right) = (world.carrying(0), world.carrying(1));
        assert!(left.is_some() && left == right, "seed {seed}: {left:?} and {right:?}");
        let best = world.wires.iter().map(|wire| wire.rank).max();
        assert_eq!(left.map(|wire| world.wires[wire].rank), best, "seed {seed}: not the best link");
        assert_eq!(world.wires.iter().filter(|wire| wire.open != [false; 2]).count(), 1, "seed {seed}: left over");
    }
}

#[test]
fn links_that_break_leave_both_devices_on_one_link_or_none() {
    for seed in 0..4_000 {
        let mut world = World::new(seed, SETTLE_MS * 1_000);
        for _ in 0..=world.below(5) {
            world.dial();
            for _ in 0..world.below(12) {
                world.step();
            }
            if world.below(2) == 0 {
                world.break_one();
            }
        }
        world.run_out();
        let (left, right) = (world.carrying(0), world.carrying(1));
        assert_eq!(left, right, "seed {seed}");
        let open = world.wires.iter().any(|wire| wire.open == [true; 2]);
        assert_eq!(left.is_some(), open, "seed {seed}: a link is open and carries nothing");
    }
}

/// Nobody waits for silence: whoever stays follows the one who moved, however young what they had was.
#[test]
fn whoever_moves_and_dials_again_is_followed_without_a_word_over_the_old_link() {
    for seed in 0..4_000 {
        let mut world = World::new(seed, 1_000);
        for _ in 0..=world.below(3) {
            world.dial();
        }
        for _ in 0..world.below(40) {
            world.step();
        }
        let mover = world.below(2);
        world.move_away(mover);
        let moved_at = world.wires.len();
        world.dial_by(mover);
        world.wait_out();
        let (left, right) = (world.carrying(0), world.carrying(1));
        assert!(left == right && left >= Some(moved_at), "seed {seed}: {left:?} and {right:?} of {moved_at}");
    }
}

#[test]
fn a_settling_time_that_is_too_short_costs_sessions_but_never_leaves_the_devices_apart() {
    for seed in 0..4_000 {
        let mut world = World::new(seed, 5);
        for _ in 0..=world.below(4) {
            world.dial();
            for _ in 0..world.below(12) {
                world.step();
            }
        }
        world.wait_out();
        assert_eq!(world.carrying(0), world.carrying(1), "seed {seed}");
    }
}
