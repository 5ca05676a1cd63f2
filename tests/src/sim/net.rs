//! A network in memory that speaks the transport's surface and behaves as badly as a real one may.
//!
//! ```text
//! host n ── listens at /ip4/10.0.0.(n+1)/tcp/4101, after k moves at /ip4/10.0.k.(n+1)/tcp/4101
//!
//! Dial ──latency──▶ refused · timeout · wrong peer · own │ connected ─▶ Dialled to the dialler
//!                                                             └─▶ Opened on both sides, each in its time
//! Send ──▶ lane (a queue) ──latency──▶ Frame     in order within a lane, lanes overtake each other
//! cut  ──▶ a prefix of what flies arrives ──▶ Closed on both sides, each in its time
//! ```
//!
//! What it keeps, because the transport keeps it: per session Opened, then frames, then Closed, each
//! once; one session of a pair (a newer connection replaces an older: Closed{Replaced}, Opened); one
//! answer per dial; frames whole, unchanged and in order within a lane. (Noise and QUIC end a session
//! whose bytes were touched, so loss, damage and replay below them are cuts here. Lies of a *peer* are
//! made by [`liar`](super).)
//!
//! What it does to everything else: delay, spikes of delay, refused dials, cuts at any frame,
//! symmetric and one-way partitions (silence, then Closed), crossing and replaced connections, late
//! and different news of an end on the two sides, hosts that move to another address.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use y7ke_transport::{
    Address, CloseReason, Command, DialFault, Event, FailedAttempt, IpVersion, Lane, NetKey, Path, PathKind, SessionId,
    Ticket, Transport, Trust,
};

use super::dice::Dice;
use super::disk::contains;

/// Virtual time, microseconds since the world began.
pub type Micros = u64;

/// A machine on the network.
pub type HostId = usize;

/// One second.
pub const SECOND: Micros = 1_000_000;
/// One millisecond.
pub const MILLI: Micros = 1_000;

/// A frame from a stranger, bytes; the transport's own limit.
const STRANGER_FRAME: usize = 64 << 10;
/// Any frame, bytes; the transport's own limit.
const CONTACT_FRAME: usize = 1 << 20;
/// What waits on one lane, bytes; the transport's own limit.
const LANE_BYTES: usize = 8 << 20;
/// What waits on one lane, frames; the transport's own limit.
const LANE_FRAMES: usize = 4_096;
/// A frame of a contact waits so long for `Trust`; the transport's own limit.
const TRUST_GRACE: Micros = 3 * SECOND;
/// After so much silence a session is dead; the transport's own limit.
const DEAD_AFTER: Micros = 7 * SECOND;
/// A dial without an answer; the transport's own limit.
const CONNECT: Micros = 10 * SECOND;

/// How the network behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weather {
    /// One way, for each frame and each step of a dial.
    pub latency: Range<Micros>,
    /// In a thousand frames, so many take a spike on top.
    pub spikes: u64,
    /// How long a spike is.
    pub spike: Range<Micros>,
    /// In a thousand dials, so many are refused though somebody listens.
    pub refused: u64,
    /// In ten thousand frames, so many cut their session.
    pub cuts: u64,
    /// In a thousand connections beside an open one, so many replace it; the others are dropped.
    pub replaced: u64,
}

impl Weather {
    /// A quiet local network.
    pub fn fair() -> Self {
        Self { latency: 200..3 * MILLI, spikes: 0, spike: 0..1, refused: 0, cuts: 0, replaced: 500 }
    }

    /// Everything happens.
    pub fn foul(dice: &mut Dice) -> Self {
        Self {
            latency: 200..dice.within(MILLI..80 * MILLI),
            spikes: dice.below(60),
            spike: 50 * MILLI..dice.within(100 * MILLI..4 * SECOND),
            refused: dice.below(300),
            cuts: dice.below(120),
            replaced: dice.below(1_000),
        }
    }
}

/// The address of a host that has not moved.
pub fn address(host: HostId) -> Address {
    address_after(0, host)
}

fn address_after(moves: u8, host: HostId) -> Address {
    let text = format!("/ip4/10.0.{moves}.{}/tcp/4101", host + 1);
    #[allow(clippy::expect_used, reason = "hosts are numbered by tests, far below 254")]
    text.parse().expect("an IPv4 address with a port")
}

/// The network.
pub struct Net {
    /// How it behaves now.
    pub weather: Weather,
    hosts: Vec<Host>,
    links: BTreeMap<u64, Link>,
    sessions: BTreeMap<(HostId, SessionId), (u64, usize)>,
    queue: BTreeMap<(Micros, u64, u64), Happening>,
    blocked: BTreeSet<(HostId, HostId)>,
    serial: u64,
    now: Micros,
    dice: Dice,
    needle: Option<Vec<u8>>,
    faults: Vec<String>,
    /// What went over it.
    pub counts: Counts,
}

/// What went over the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames that arrived.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Sessions that were opened, counted once per pair.
    pub links: u64,
    /// Sessions that were cut by the weather or by hand.
    pub cuts: u64,
    /// Bytes that arrived on [`Lane::Sync`].
    pub sync_bytes: u64,
}

#[derive(Debug, Default)]
struct Host {
    key: Option<NetKey>,
    life: u64,
    mdns: bool,
    sessions: u64,
    moves: u8,
}

struct Link {
    ends: [End; 2],
    /// By the receiving side, then by lane.
    lanes: [[Queue; 3]; 2],
    cut: bool,
}

struct End {
    host: HostId,
    life: u64,
    session: SessionId,
    state: State,
    trusted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Opening,
    Open,
    Closed,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Vec<u8>>,
    bytes: usize,
    last: Micros,
    /// Arrivals that wait for the partition to heal, or for trust.
    held: u64,
    stalled: bool,
}

enum Happening {
    Heard { host: HostId, life: u64, event: Event },
    Dial { host: HostId, life: u64, ticket: Ticket, peer: Option<NetKey>, addresses: Vec<Address> },
    Find { host: HostId, life: u64 },
    Open { link: u64, side: usize },
    Arrive { link: u64, side: usize, lane: Lane },
    Grace { link: u64, side: usize, lane: Lane },
    Close { link: u64, side: usize, reason: CloseReason },
    Silence { link: u64 },
}

impl Net {
    /// A network without hosts.
    pub fn new(dice: Dice, weather: Weather) -> Self {
        Self {
            weather,
            hosts: Vec::new(),
            links: BTreeMap::new(),
            sessions: BTreeMap::new(),
            queue: BTreeMap::new(),
            blocked: BTreeSet::new(),
            serial: 0,
            now: 0,
            dice,
            needle: None,
            faults: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// One more place on the network; nobody is there yet.
    pub fn host(&mut self) -> HostId {
        self.hosts.push(Host::default());
        self.hosts.len() - 1
    }

    /// A transport starts at a host.
    pub fn up(&mut self, host: HostId, key: NetKey, mdns: bool, now: Micros) {
        self.now = now;
        let place = &mut self.hosts[host];
        place.life += 1;
        place.key = Some(key);
        self.heard_soon(host, Event::Listening { addresses: vec![self.address_of(host)] });
        self.set_mdns(host, mdns);
    }

    /// A host gets another address: its own end of each session is gone at once, the far one falls silent.
    pub fn move_away(&mut self, host: HostId, now: Micros) {
        self.now = now;
        self.hosts[host].moves += 1;
        let ended: Vec<u64> = self.links_of(host).collect();
        ended.into_iter().for_each(|id| self.unhouse(id, host));
        if self.hosts[host].key.is_some() {
            self.heard_soon(host, Event::Listening { addresses: vec![self.address_of(host)] });
            self.heard_soon(host, Event::NetworkChanged);
            self.find_soon(host);
        }
    }

    /// It stops. Peers of a process that was killed see the connection break; peers of a machine
    /// that lost its power hear nothing any more.
    pub fn down(&mut self, host: HostId, now: Micros) {
        self.now = now;
        let ended: Vec<u64> = self.links_of(host).collect();
        for id in ended {
            let silent = self.dice.coin();
            self.end_link(id, |side_host| (side_host != host).then_some(silent));
        }
        let place = &mut self.hosts[host];
        place.key = None;
        place.mdns = false;
        place.life += 1;
    }

    /// The transport of `host` is told something.
    pub fn command(&mut self, host: HostId, command: Command, now: Micros) {
        self.now = now;
        match command {
            Command::Dial { ticket, peer, addresses } => self.dial(host, ticket, peer, addresses),
            Command::Send { session, lane, frame } => self.send(host, session, lane, frame),
            Command::Close { session, why } => self.close(host, session, CloseReason::Asked { why }),
            Command::Trust { session, level } => self.trust(host, session, level),
            Command::SetMdns(on) => self.set_mdns(host, on),
            Command::Disconnect { peer } => self.disconnect(host, &peer),
            Command::Shutdown => self.shut_down(host),
        }
    }

    /// When something happens next.
    pub fn next_at(&self) -> Option<Micros> {
        self.queue.first_key_value().map(|((at, ..), _)| *at)
    }

    /// Lets the next thing happen; whom it concerns, if anybody.
    pub fn step(&mut self) -> Option<(HostId, Event)> {
        let ((at, ..), happening) = self.queue.pop_first()?;
        self.now = self.now.max(at);
        match happening {
            Happening::Heard { host, life, event } => self.is_alive(host, life).then_some((host, event)),
            Happening::Dial { host, life, ticket, peer, addresses } => {
                if self.is_alive(host, life) {
                    self.dial_arrives(host, ticket, peer, &addresses);
                }
                None
            }
            Happening::Find { host, life } => {
                self.find(host, life);
                None
            }
            Happening::Open { link, side } => self.open(link, side),
            Happening::Arrive { link, side, lane } => self.arrive(link, side, lane),
            Happening::Grace { link, side, lane } => self.grace_ends(link, side, lane),
            Happening::Close { link, side, reason } => self.closed(link, side, reason),
            Happening::Silence { link } => self.silence(link),
        }
    }

    /// Nothing gets from `from` to `to` any more. Silence, and in the end a lost session.
    pub fn block(&mut self, from: HostId, to: HostId, now: Micros) {
        self.now = now;
        self.blocked.insert((from, to));
        if let Some(link) = self.link_between(from, to) {
            self.at(DEAD_AFTER, Happening::Silence { link });
        }
    }

    /// Nothing gets between the two any more.
    pub fn part(&mut self, a: HostId, b: HostId, now: Micros) {
        self.block(a, b, now);
        self.block(b, a, now);
    }

    /// Everything is reachable again.
    pub fn heal(&mut self, now: Micros) {
        self.now = now;
        self.blocked.clear();
        let links: Vec<u64> = self.links.keys().copied().collect();
        links.into_iter().for_each(|link| self.release(link));
        for host in 0..self.hosts.len() {
            if self.dice.coin() {
                self.heard_soon(host, Event::NetworkChanged);
            }
            self.find_soon(host);
        }
    }

    /// Cuts the session of a pair, if there is one.
    pub fn cut(&mut self, a: HostId, b: HostId, now: Micros) {
        self.now = now;
        if let Some(link) = self.link_between(a, b) {
            self.cut_link(link);
        }
    }

    /// From now on frames are searched for these bytes.
    pub fn watch(&mut self, needle: &[u8]) {
        self.needle = Some(needle.to_vec());
    }

    /// What no honest node may do: oversize sends, watched bytes in the clear.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Which host holds this key now.
    pub fn who(&self, key: &NetKey) -> Option<HostId> {
        self.hosts.iter().position(|host| host.key.as_ref() == Some(key))
    }

    /// Whether the two have a session that both see as open.
    pub fn is_connected(&self, a: HostId, b: HostId) -> bool {
        self.link_between(a, b).is_some_and(|link| self.links[&link].ends.iter().all(|end| end.state == State::Open))
    }
}

/// Dialling.
impl Net {
    fn dial(&mut self, host: HostId, ticket: Ticket, peer: Option<NetKey>, addresses: Vec<Address>) {
        if peer.and_then(|peer| self.who(&peer)).is_some_and(|there| self.link_between(host, there).is_some())
            && let Some(peer) = peer
        {
            return self.heard(1, host, Event::Dialled { ticket, peer });
        }
        if addresses.is_empty() {
            let attempts = vec![FailedAttempt { address: None, why: DialFault::NoAddress }];
            return self.heard(1, host, Event::DialFailed { ticket, peer, attempts });
        }
        let life = self.hosts[host].life;
        let delay = 2 * self.latency();
        self.at(delay, Happening::Dial { host, life, ticket, peer, addresses });
    }

    fn dial_arrives(&mut self, host: HostId, ticket: Ticket, peer: Option<NetKey>, addresses: &[Address]) {
        let mut attempts = Vec::new();
        for at in addresses {
            match self.reach(host, peer, at) {
                Ok((there, key)) => {
                    self.connect(host, there);
                    let delay = self.latency();
                    return self.heard(delay, host, Event::Dialled { ticket, peer: key });
                }
                Err(why) => attempts.push(FailedAttempt { address: Some(at.clone()), why }),
            }
        }
        let timed_out = attempts.iter().any(|attempt| attempt.why == DialFault::Timeout);
        let delay = if timed_out { CONNECT } else { 1 };
        self.heard(delay, host, Event::DialFailed { ticket, peer, attempts });
    }

    fn reach(&mut self, from: HostId, peer: Option<NetKey>, at: &Address) -> Result<(HostId, NetKey), DialFault> {
        let there = (0..self.hosts.len()).find(|host| self.address_of(*host) == at.without_peer());
        // Nobody is there who could refuse.
        let there = there.ok_or(DialFault::Timeout)?;
        if there == from {
            return Err(DialFault::Own);
        }
        if self.is_blocked(from, there) || self.is_blocked(there, from) {
            return Err(DialFault::Timeout);
        }
        let key = self.hosts[there].key.ok_or(DialFault::Refused)?;
        if peer.or(at.peer()).is_some_and(|wanted| wanted != key) {
            return Err(DialFault::WrongPeer { got: Some(key) });
        }
        if self.dice.permille(self.weather.refused) {
            return Err(if self.dice.coin() { DialFault::Refused } else { DialFault::Timeout });
        }
        Ok((there, key))
    }

    fn connect(&mut self, from: HostId, to: HostId) {
        if let Some(old) = self.link_between(from, to) {
            if !self.dice.permille(self.weather.replaced) {
                return;
            }
            self.replace(old);
        }
        self.serial += 1;
        let (id, ends) = (self.serial, [self.end(from), self.end(to)]);
        for (side, end) in ends.iter().enumerate() {
            self.sessions.insert((end.host, end.session), (id, side));
            let delay = self.latency();
            self.at(delay, Happening::Open { link: id, side });
        }
        self.links.insert(id, Link { ends, lanes: Default::default(), cut: false });
        self.counts.links += 1;
    }

    fn end(&mut self, host: HostId) -> End {
        let place = &mut self.hosts[host];
        place.sessions += 1;
        End { host, life: place.life, session: SessionId(place.sessions), state: State::Opening, trusted: false }
    }

    fn open(&mut self, id: u64, side: usize) -> Option<(HostId, Event)> {
        let link = self.links.get(&id)?;
        let (end, far) = (&link.ends[side], &link.ends[1 - side]);
        if end.state != State::Opening || !self.is_alive(end.host, end.life) {
            return None;
        }
        let (host, session, there) = (end.host, end.session, far.host);
        if let Some((old, old_side)) = self.open_before(host, there, id) {
            // This side has not yet heard of the older one's end: it hears of it now.
            self.at(1, Happening::Open { link: id, side });
            return self.closed(old, old_side, CloseReason::Replaced);
        }
        let Some(peer) = self.hosts[there].key else {
            // Gone while the lanes came up.
            self.links.get_mut(&id)?.ends[side].state = State::Closed;
            return None;
        };
        let link = self.links.get_mut(&id)?;
        link.ends[side].state = State::Open;
        let path = Path {
            kind: PathKind::Direct,
            transport: Transport::Tcp,
            ip: IpVersion::V4,
            remote: self.address_of(there),
        };
        self.release(id);
        Some((host, Event::Opened { session, peer, path, dialer: side == 0 }))
    }

    /// An older session of the same two that this side holds for open.
    fn open_before(&self, host: HostId, there: HostId, than: u64) -> Option<(u64, usize)> {
        self.links.range(..than).find_map(|(id, link)| {
            let side = link.ends.iter().position(|end| end.host == host && end.state == State::Open)?;
            (link.ends[1 - side].host == there).then_some((*id, side))
        })
    }
}

/// Frames.
impl Net {
    fn send(&mut self, host: HostId, session: SessionId, lane: Lane, frame: Vec<u8>) {
        let Some((id, side)) = self.sessions.get(&(host, session)).copied() else { return };
        let is_open = self.links.get(&id).is_some_and(|link| !link.cut && link.ends[side].state == State::Open);
        if !is_open {
            return;
        }
        self.look_at(host, lane, &frame);
        if frame.is_empty() || frame.len() > CONTACT_FRAME {
            self.faults.push(format!("host {host} sent a frame of {} bytes", frame.len()));
            return self.close(host, session, CloseReason::BadSend { lane, length: frame.len() });
        }
        self.put(id, 1 - side, lane, frame);
        if self.dice.below(10_000) < self.weather.cuts {
            self.cut_link(id);
        }
    }

    fn look_at(&mut self, host: HostId, lane: Lane, frame: &[u8]) {
        if self.needle.as_ref().is_some_and(|needle| contains(frame, needle)) {
            self.faults.push(format!("host {host} sent watched bytes in the clear on {lane:?}"));
        }
    }

    fn put(&mut self, id: u64, side: usize, lane: Lane, frame: Vec<u8>) {
        let arrives = self.now + self.latency();
        let Some(link) = self.links.get_mut(&id) else { return };
        let queue = &mut link.lanes[side][lane as usize];
        queue.bytes += frame.len();
        queue.frames.push_back(frame);
        // A frame of the same lane never overtakes; each arrival takes the oldest.
        queue.last = arrives.max(queue.last + 1);
        let (at, full) = (queue.last, queue.bytes > LANE_BYTES || queue.frames.len() > LANE_FRAMES);
        let delay = at - self.now;
        self.at(delay, Happening::Arrive { link: id, side, lane });
        if full {
            self.too_slow(id, 1 - side, lane);
        }
    }

    fn arrive(&mut self, id: u64, side: usize, lane: Lane) -> Option<(HostId, Event)> {
        let now_blocked = self.is_link_blocked(id, side);
        let link = self.links.get_mut(&id)?;
        let end = &link.ends[side];
        let queue = &mut link.lanes[side][lane as usize];
        if end.state == State::Closed || queue.frames.is_empty() {
            return None;
        }
        let too_long = !end.trusted && queue.frames.front().is_some_and(|frame| frame.len() > STRANGER_FRAME);
        if end.state == State::Opening || now_blocked || too_long {
            queue.held += 1;
            if too_long && !queue.stalled {
                queue.stalled = true;
                self.at(TRUST_GRACE, Happening::Grace { link: id, side, lane });
            }
            return None;
        }
        let bytes = queue.frames.pop_front()?;
        queue.bytes -= bytes.len();
        let (host, session) = (end.host, end.session);
        self.counts.frames += 1;
        self.counts.bytes += bytes.len() as u64;
        self.counts.sync_bytes += if lane == Lane::Sync { bytes.len() as u64 } else { 0 };
        Some((host, Event::Frame { session, lane, bytes }))
    }

    fn grace_ends(&mut self, id: u64, side: usize, lane: Lane) -> Option<(HostId, Event)> {
        let link = self.links.get(&id)?;
        let length = link.lanes[side][lane as usize].frames.front().map_or(0, Vec::len);
        if link.ends[side].trusted || link.ends[side].state != State::Open || length <= STRANGER_FRAME {
            return None;
        }
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let (far, reason) = (1 - side, CloseReason::FrameTooLong { lane, length, cap: STRANGER_FRAME as u32 });
        self.sever(id);
        self.tell_closed(id, far, CloseReason::Lost);
        self.closed(id, side, reason)
    }

    fn too_slow(&mut self, id: u64, side: usize, lane: Lane) {
        self.sever(id);
        self.at(1, Happening::Close { link: id, side, reason: CloseReason::TooSlow { lane } });
        self.tell_closed(id, 1 - side, CloseReason::Lost);
    }

    fn trust(&mut self, host: HostId, session: SessionId, level: Trust) {
        let Some((id, side)) = self.sessions.get(&(host, session)).copied() else { return };
        if let Some(link) = self.links.get_mut(&id) {
            link.ends[side].trusted = level == Trust::Contact;
            link.lanes[side].iter_mut().for_each(|queue| queue.stalled = false);
            self.release(id);
        }
    }

    /// What was held arrives, if nothing holds it any more.
    fn release(&mut self, id: u64) {
        for side in [0, 1] {
            for lane in Lane::ALL {
                let Some(link) = self.links.get_mut(&id) else { return };
                let held = std::mem::take(&mut link.lanes[side][lane as usize].held);
                for nth in 0..held {
                    self.at(1 + nth, Happening::Arrive { link: id, side, lane });
                }
            }
        }
    }
}

/// Ends.
impl Net {
    fn close(&mut self, host: HostId, session: SessionId, reason: CloseReason) {
        let Some((id, side)) = self.sessions.get(&(host, session)).copied() else { return };
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.ends[side].state == State::Closed || link.cut {
            return;
        }
        link.cut = true;
        let flushed = link.lanes[1 - side].iter().map(|queue| queue.last).max().unwrap_or(0);
        let delay = flushed.saturating_sub(self.now) + self.latency() + 1;
        self.at(1, Happening::Close { link: id, side, reason });
        self.at(delay, Happening::Close { link: id, side: 1 - side, reason: CloseReason::PeerClosed });
    }

    fn disconnect(&mut self, host: HostId, peer: &NetKey) {
        let Some(there) = self.who(peer) else { return };
        let Some(id) = self.link_between(host, there) else { return };
        let Some(end) = self.links[&id].ends.iter().find(|end| end.host == host) else { return };
        self.close(host, end.session, CloseReason::Disconnected);
    }

    fn shut_down(&mut self, host: HostId) {
        let sessions: Vec<SessionId> = self
            .links
            .values()
            .flat_map(|link| &link.ends)
            .filter(|end| end.host == host)
            .map(|end| end.session)
            .collect();
        sessions.into_iter().for_each(|session| self.close(host, session, CloseReason::Shutdown));
    }

    fn replace(&mut self, id: u64) {
        self.sever(id);
        for side in [0, 1] {
            let delay = self.latency();
            self.at(delay, Happening::Close { link: id, side, reason: CloseReason::Replaced });
        }
    }

    fn cut_link(&mut self, id: u64) {
        let silent = self.dice.permille(300);
        self.end_link(id, |_| Some(silent));
    }

    /// Ends a link; each end hears of it late (after silence), soon, or (none) never.
    fn end_link(&mut self, id: u64, how: impl Fn(HostId) -> Option<bool>) {
        self.sever(id);
        for side in [0, 1] {
            let Some(link) = self.links.get_mut(&id) else { return };
            match how(link.ends[side].host) {
                Some(true) => {
                    let delay = DEAD_AFTER + self.dice.below(3 * SECOND);
                    self.at(delay, Happening::Close { link: id, side, reason: CloseReason::Silent });
                }
                Some(false) => self.tell_closed(id, side, CloseReason::Lost),
                None => link.ends[side].state = State::Closed,
            }
        }
        self.forget(id);
    }

    /// Ends a link because one end has no address any more.
    fn unhouse(&mut self, id: u64, host: HostId) {
        self.sever(id);
        let Some(side) = self.links.get(&id).and_then(|link| link.ends.iter().position(|end| end.host == host)) else {
            return;
        };
        let late = DEAD_AFTER + self.dice.below(3 * SECOND);
        self.at(1, Happening::Close { link: id, side, reason: CloseReason::Homeless });
        self.at(late, Happening::Close { link: id, side: 1 - side, reason: CloseReason::Silent });
    }

    fn tell_closed(&mut self, id: u64, side: usize, reason: CloseReason) {
        let delay = self.latency() + self.dice.below(200 * MILLI);
        self.at(delay, Happening::Close { link: id, side, reason });
    }

    /// No frame enters any more, and of those that fly a prefix of each lane arrives.
    fn sever(&mut self, id: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if !link.cut {
            self.counts.cuts += 1;
        }
        link.cut = true;
        for queue in link.lanes.iter_mut().flatten() {
            let kept = if self.dice.coin() {
                queue.frames.len() as u64
            } else {
                self.dice.below(queue.frames.len() as u64 + 1)
            };
            queue.frames.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
            queue.bytes = queue.frames.iter().map(Vec::len).sum();
        }
    }

    fn closed(&mut self, id: u64, side: usize, reason: CloseReason) -> Option<(HostId, Event)> {
        let link = self.links.get_mut(&id)?;
        link.cut = true;
        let end = &mut link.ends[side];
        let was = std::mem::replace(&mut end.state, State::Closed);
        let (host, life, session) = (end.host, end.life, end.session);
        self.sessions.remove(&(host, session));
        self.forget(id);
        (was == State::Open && self.is_alive(host, life)).then_some((host, Event::Closed { session, reason }))
    }

    fn forget(&mut self, id: u64) {
        if self.links.get(&id).is_some_and(|link| link.ends.iter().all(|end| end.state == State::Closed))
            && let Some(link) = self.links.remove(&id)
        {
            for end in &link.ends {
                self.sessions.remove(&(end.host, end.session));
            }
        }
    }

    /// A partition has lasted: whoever heard nothing gives up, and the other side learns it late.
    fn silence(&mut self, id: u64) -> Option<(HostId, Event)> {
        let deaf = [0, 1].into_iter().find(|side| self.is_link_blocked(id, *side))?;
        if self.links.get(&id)?.cut {
            return None;
        }
        self.sever(id);
        let delay = self.dice.below(DEAD_AFTER);
        self.at(delay, Happening::Close { link: id, side: 1 - deaf, reason: CloseReason::Silent });
        self.closed(id, deaf, CloseReason::Silent)
    }
}

/// The local network's announcements.
impl Net {
    fn set_mdns(&mut self, host: HostId, on: bool) {
        self.hosts[host].mdns = on;
        if on {
            (0..self.hosts.len()).for_each(|other| self.find_soon(other));
        }
    }

    fn find_soon(&mut self, host: HostId) {
        if self.hosts[host].mdns {
            let (life, delay) = (self.hosts[host].life, self.dice.within(50 * MILLI..3 * SECOND));
            self.at(delay, Happening::Find { host, life });
        }
    }

    fn find(&mut self, host: HostId, life: u64) {
        if !self.is_alive(host, life) || !self.hosts[host].mdns {
            return;
        }
        for other in (0..self.hosts.len()).filter(|other| *other != host) {
            let Host { key: Some(peer), mdns: true, .. } = self.hosts[other] else { continue };
            if !self.is_blocked(other, host) {
                self.heard(1, host, Event::Discovered { peer, addresses: vec![self.address_of(other)] });
            }
        }
    }
}

/// Small things.
impl Net {
    fn at(&mut self, delay: Micros, happening: Happening) {
        self.serial += 1;
        let tie = self.dice.any();
        self.queue.insert((self.now + delay, tie, self.serial), happening);
    }

    fn heard(&mut self, delay: Micros, host: HostId, event: Event) {
        let life = self.hosts[host].life;
        self.at(delay, Happening::Heard { host, life, event });
    }

    fn heard_soon(&mut self, host: HostId, event: Event) {
        let delay = self.latency();
        self.heard(delay, host, event);
    }

    fn latency(&mut self) -> Micros {
        let spike =
            if self.dice.permille(self.weather.spikes) { self.dice.within(self.weather.spike.clone()) } else { 0 };
        1 + self.dice.within(self.weather.latency.clone()) + spike
    }

    fn address_of(&self, host: HostId) -> Address {
        address_after(self.hosts[host].moves, host)
    }

    fn is_alive(&self, host: HostId, life: u64) -> bool {
        self.hosts[host].life == life && self.hosts[host].key.is_some()
    }

    fn is_blocked(&self, from: HostId, to: HostId) -> bool {
        self.blocked.contains(&(from, to))
    }

    /// Whether nothing gets to this side of a link.
    fn is_link_blocked(&self, id: u64, side: usize) -> bool {
        self.links.get(&id).is_some_and(|link| self.is_blocked(link.ends[1 - side].host, link.ends[side].host))
    }

    /// The link of a pair that is not cut.
    fn link_between(&self, a: HostId, b: HostId) -> Option<u64> {
        let is_theirs = |link: &Link| [(a, b), (b, a)].contains(&(link.ends[0].host, link.ends[1].host));
        self.links.iter().find(|(_, link)| !link.cut && is_theirs(link)).map(|(id, _)| *id)
    }

    fn links_of(&self, host: HostId) -> impl Iterator<Item = u64> {
        self.links.iter().filter(move |(_, link)| link.ends.iter().any(|end| end.host == host)).map(|(id, _)| *id)
    }
}
