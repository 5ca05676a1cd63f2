//! Sessions over libp2p connections: carries the arbiter's orders to the connections' handlers, and
//! their reports back.
//!
//! ```text
//! libp2p: up, down ─┐                      ┌─▶ Propose, Start ─▶ handler of that connection
//! handler: Report ──┼──▶ arbiter ──Order───┼─▶ End ─▶ the session's outbox
//! node: close, … ───┘                      └─▶ Drop ─▶ libp2p closes the connection
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::task::{Context, Poll, Waker};

use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::behaviour::{AddressChange, ConnectionEstablished};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use y7ke_crypto::ids::NetKey;

use crate::address::ip_of;
use crate::arbiter::{Arbiter, Order, Rank};
use crate::clock::{Clock, Timer};
use crate::fault::NoNetKey;
use crate::handler::{Handler, Instruction, Report};
use crate::limits::PerIp;
use crate::route::Home;
use crate::session::{self, Assignment, Ending, Outbox};
use crate::{CloseReason, Event, Lane, Limits, Path, SessionId, Timing, Trust, peer};

/// Too many new connections from one address.
#[derive(Clone, Copy, Debug, Error)]
#[error("too many new connections from this address")]
struct TooMany;

/// We are shutting down.
#[derive(Clone, Copy, Debug, Error)]
#[error("shutting down")]
struct Closing;

type Action = ToSwarm<Note, Instruction>;

/// An event for the node, and who waits until it was told.
#[derive(Debug)]
pub(crate) struct Note {
    pub(crate) event: Event,
    pub(crate) told: Option<oneshot::Sender<()>>,
}

impl From<Event> for Note {
    fn from(event: Event) -> Self {
        Self { event, told: None }
    }
}

/// All sessions of this device.
pub(crate) struct Sessions {
    me: NetKey,
    arbiter: Arbiter<ConnectionId>,
    links: BTreeMap<ConnectionId, Link>,
    open: BTreeMap<SessionId, Open>,
    per_ip: PerIp,
    /// Inbound connections that count against their address.
    counted: BTreeMap<ConnectionId, IpAddr>,
    limits: Limits,
    timing: Timing,
    clock: Clock,
    /// No new connections.
    closing: bool,
    events: mpsc::Sender<Event>,
    actions: VecDeque<Action>,
    timer: Option<Timer>,
    waker: Option<Waker>,
}

struct Link {
    peer: NetKey,
    path: Path,
    /// This machine's end.
    home: Home,
    mine: bool,
    /// `Opened` was told, `Closed` was not.
    session: Option<SessionId>,
    /// Why we ended the session, if we did.
    ended: Option<CloseReason>,
}

struct Open {
    peer: NetKey,
    trusted: bool,
    outbox: Outbox,
}

impl Sessions {
    pub(crate) fn new(me: NetKey, limits: Limits, timing: Timing, events: mpsc::Sender<Event>) -> Self {
        Self {
            me,
            arbiter: Arbiter::new(u64::try_from(timing.settle.as_millis()).unwrap_or(u64::MAX)),
            links: BTreeMap::new(),
            open: BTreeMap::new(),
            per_ip: PerIp::new(limits.per_ip_per_minute),
            counted: BTreeMap::new(),
            limits,
            timing,
            clock: Clock::start(),
            closing: false,
            events,
            actions: VecDeque::new(),
            timer: None,
            waker: None,
        }
    }

    /// Queues a frame. What is sent to a session that is gone is gone with it.
    pub(crate) fn send(&mut self, session: SessionId, lane: Lane, frame: Vec<u8>) {
        let Some(open) = self.open.get(&session) else { return };
        if let Err(reason) = open.outbox.push(lane, frame) {
            tracing::debug!(%session, ?reason, "closing");
            self.close_peer(open.peer, &reason);
        }
    }

    /// Ends a session and everything else with its peer.
    pub(crate) fn close(&mut self, session: SessionId, why: &'static str) {
        if let Some(open) = self.open.get(&session) {
            self.close_peer(open.peer, &CloseReason::Asked { why });
        }
    }

    /// Ends every connection with a peer.
    pub(crate) fn close_peer(&mut self, peer: NetKey, reason: &CloseReason) {
        let orders = self.arbiter.close(&peer, reason);
        self.obey(peer, orders);
    }

    /// Ends every connection, and takes no other.
    pub(crate) fn close_all(&mut self) {
        self.closing = true;
        for peer in self.arbiter.peers() {
            self.close_peer(peer, &CloseReason::Shutdown);
        }
    }

    /// Sets how far the peer of a session is trusted.
    pub(crate) fn trust(&mut self, session: SessionId, level: Trust) {
        let Some(open) = self.open.get_mut(&session) else { return };
        open.trusted = level == Trust::Contact;
        open.outbox.set_cap(if open.trusted { self.limits.contact_frame } else { self.limits.stranger_frame });
        if open.trusted {
            let peer = open.peer;
            self.vouch_for(&peer);
        }
    }

    /// A contact's connections do not count, nor do those that lost the race of the same dial: they never got
    /// as far as to say whose they are.
    fn vouch_for(&mut self, peer: &NetKey) {
        let theirs =
            self.links.iter().filter(|(_, link)| link.peer == *peer).map(|(id, link)| (*id, link.path.remote.ip()));
        let theirs: Vec<(ConnectionId, Option<IpAddr>)> = theirs.collect();
        for (id, ip) in theirs {
            if self.counted.remove(&id).is_some()
                && let Some(ip) = ip
            {
                self.per_ip.vouched(ip, self.clock.now_ms());
            }
        }
    }

    fn is_trusted(&self, peer: &NetKey) -> bool {
        self.open.values().any(|open| open.peer == *peer && open.trusted)
    }

    /// Ends what went out from an address that this machine does not have any more.
    pub(crate) fn end_the_homeless(&mut self, is_ours: impl Fn(IpAddr) -> bool) {
        let links =
            self.links.iter().filter(|(_, link)| link.home.is_lost(&is_ours)).map(|(id, link)| (*id, link.peer));
        for (id, peer) in links.collect::<Vec<_>>() {
            let orders = self.arbiter.dead(&peer, id, &CloseReason::Homeless, self.clock.now_ms());
            self.obey(peer, orders);
        }
    }

    /// Is there a session with this peer, or about to be?
    pub(crate) fn is_connected(&self, peer: &NetKey) -> bool {
        self.arbiter.is_connected(peer, self.clock.now_ms())
    }

    /// Lets the arbiter look at its clock when it wants to; pending until then.
    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at_ms) = self.arbiter.poll_timeout() else { return Poll::Pending };
        futures::ready!(self.clock.poll_until(at_ms, &mut self.timer, cx));
        for (peer, orders) in self.arbiter.timeout(self.clock.now_ms()) {
            self.obey(peer, orders);
        }
        Poll::Ready(())
    }

    fn obey(&mut self, peer: NetKey, orders: Vec<Order<ConnectionId>>) {
        for order in orders {
            tracing::debug!(?order, "the arbiter orders");
            match order {
                Order::Propose(link) => self.instruct(peer, link, Instruction::Propose),
                Order::Start { link, session } => self.start(peer, link, session),
                Order::End { link, session, reason } => self.end(link, session, reason),
                Order::Drop(link) => self.drop_link(peer::peer_id(&peer), link),
            }
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn instruct(&mut self, peer: NetKey, link: ConnectionId, event: Instruction) {
        let (peer_id, handler) = (peer::peer_id(&peer), NotifyHandler::One(link));
        self.actions.push_back(ToSwarm::NotifyHandler { peer_id, handler, event });
    }

    fn drop_link(&mut self, peer_id: PeerId, link: ConnectionId) {
        let connection = CloseConnection::One(link);
        self.actions.push_back(ToSwarm::CloseConnection { peer_id, connection });
    }

    fn start(&mut self, peer: NetKey, id: ConnectionId, session: SessionId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.session = Some(session);
        let opened = Event::Opened { session, peer, path: link.path.clone(), dialer: link.mine };
        let (tell, told) = oneshot::channel();
        self.actions.push_back(ToSwarm::GenerateEvent(Note { event: opened, told: Some(tell) }));
        let (outbox, mail) = session::mail(&self.limits);
        self.open.insert(session, Open { peer, trusted: false, outbox });
        let (events, limits, timing) = (self.events.clone(), self.limits, self.timing);
        let job = Assignment { session, told, mail, events, limits, timing };
        self.instruct(peer, id, Instruction::Start(Box::new(job)));
    }

    fn end(&mut self, id: ConnectionId, session: SessionId, reason: CloseReason) {
        use CloseReason::{Asked, Disconnected, Shutdown};
        let politely = matches!(reason, Asked { .. } | Disconnected | Shutdown);
        if let Some(link) = self.links.get_mut(&id) {
            link.ended = Some(reason.clone());
        }
        if let Some(open) = self.open.remove(&session) {
            open.outbox.end(Ending { reason, politely });
        }
    }

    fn up(&mut self, established: &ConnectionEstablished<'_>) {
        let id = established.connection_id;
        let (key, path) = (peer::net_key(&established.peer_id), Path::of(established.endpoint));
        let (Some(peer), Ok(path)) = (key, path) else {
            self.drop_link(established.peer_id, id);
            return;
        };
        let mine = dialled_by_us(established.endpoint);
        let lower = if mine { self.me } else { peer } < if mine { peer } else { self.me };
        let rank = Rank::of(&path, lower);
        let home = Home::of(established.endpoint, path.remote.ip());
        tracing::debug!(%id, mine, ?rank, ?home, remote = %path.remote, "a connection is up");
        self.links.insert(id, Link { peer, path, home, mine, session: None, ended: None });
        if self.is_trusted(&peer) {
            self.vouch_for(&peer);
        }
        let orders = self.arbiter.up(peer, id, rank, mine, self.clock.now_ms());
        self.obey(peer, orders);
    }

    fn down(&mut self, id: ConnectionId) {
        tracing::debug!(%id, "a connection is down");
        self.counted.remove(&id);
        // Its handler reports the end first; if it could not, the end is told here.
        self.closed(id, CloseReason::Lost);
        let Some(link) = self.links.remove(&id) else { return };
        let orders = self.arbiter.down(&link.peer, id, self.clock.now_ms());
        self.obey(link.peer, orders);
    }

    /// Tells the end of a link's session, if it had one that was not told yet.
    fn closed(&mut self, id: ConnectionId, reason: CloseReason) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(session) = link.session.take() else { return };
        let rival = self.arbiter.has_rival(&link.peer);
        let reason = match (link.ended.take(), reason) {
            // It may have broken while it was being ended.
            (Some(ordered), _) => ordered,
            // The peer moved to the better connection before we did.
            (None, CloseReason::Lost | CloseReason::PeerClosed) if rival => CloseReason::Replaced,
            (None, reason) => reason,
        };
        tracing::debug!(%session, ?reason, "session over");
        self.open.remove(&session);
        self.actions.push_back(ToSwarm::GenerateEvent(Event::Closed { session, reason }.into()));
    }

    fn moved(&mut self, change: &AddressChange<'_>) {
        let Some(link) = self.links.get_mut(&change.connection_id) else { return };
        let Ok(path) = Path::of(change.new) else { return };
        link.path = path.clone();
        if let Some(session) = link.session {
            self.actions.push_back(ToSwarm::GenerateEvent(Event::PathChanged { session, path }.into()));
        }
    }

    fn reported(&mut self, id: ConnectionId, report: Report) {
        let Some(link) = self.links.get(&id) else { return };
        let (peer, now_ms) = (link.peer, self.clock.now_ms());
        tracing::debug!(%id, ?report, "a connection reports");
        let orders = match report {
            Report::Ready => self.arbiter.ready(&peer, id, now_ms),
            Report::Failed => self.arbiter.failed(&peer, id, now_ms),
            Report::Ended(reason) => {
                self.closed(id, reason);
                self.arbiter.ended(&peer, id, now_ms)
            }
        };
        self.obey(peer, orders);
    }

    fn handler(&self, peer: &PeerId, mine: bool) -> Result<Handler, ConnectionDenied> {
        if self.closing {
            return Err(ConnectionDenied::new(Closing));
        }
        peer::net_key(peer).ok_or_else(|| ConnectionDenied::new(NoNetKey))?;
        Ok(Handler::new(mine, self.timing.lanes))
    }
}

/// In a hole punch both sides dial, and one of them plays the listener.
fn dialled_by_us(point: &ConnectedPoint) -> bool {
    matches!(point, ConnectedPoint::Dialer { role_override: Endpoint::Dialer, .. })
}

impl NetworkBehaviour for Sessions {
    type ConnectionHandler = Handler;
    type ToSwarm = Note;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let Some(ip) = ip_of(remote) else { return Ok(()) };
        if !self.per_ip.admit(ip, self.clock.now_ms()) {
            return Err(ConnectionDenied::new(TooMany));
        }
        self.counted.insert(id, ip);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.handler(&peer, false)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        role: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.handler(&peer, role == Endpoint::Dialer)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established) => self.up(&established),
            FromSwarm::ConnectionClosed(closed) => self.down(closed.connection_id),
            FromSwarm::AddressChange(change) => self.moved(&change),
            FromSwarm::ListenFailure(failure) => {
                self.counted.remove(&failure.connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, id: ConnectionId, report: THandlerOutEvent<Self>) {
        self.reported(id, report);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Note, THandlerInEvent<Self>>> {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Poll::Ready(action);
            }
            if self.poll_clock(cx).is_pending() {
                break;
            }
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knock(sessions: &mut Sessions, number: usize, from: &str) -> bool {
        let (local, remote) = ("/ip4/192.0.2.9/tcp/1".parse().unwrap(), from.parse().unwrap());
        sessions.handle_pending_inbound_connection(ConnectionId::new_unchecked(number), &local, &remote).is_ok()
    }

    #[tokio::test]
    async fn an_address_may_knock_eight_times_a_minute_and_loopback_as_often_as_it_likes() {
        let (events, _kept) = mpsc::channel(1);
        let mut sessions = Sessions::new(peer::net_key_of_seed(&[1; 32]), Limits::default(), Timing::default(), events);
        assert!((0..8).all(|number| knock(&mut sessions, number, "/ip4/192.0.2.1/tcp/7")));
        assert!(!knock(&mut sessions, 8, "/ip4/192.0.2.1/udp/9/quic-v1"));
        assert!(knock(&mut sessions, 9, "/ip4/192.0.2.2/tcp/7"));
        assert!((10..100).all(|number| knock(&mut sessions, number, "/ip4/127.0.0.1/tcp/7")));
    }
}
