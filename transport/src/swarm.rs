//! The shell: turns commands into calls of libp2p, and libp2p's events into ours. It decides nothing.
//!
//! ```text
//! commands ──always taken──▶ ┌───────┐ ◀── swarm: polled while fewer than 1,024 events wait
//!                            │ Shell │
//! events ◀──as there is room─┴───────┘ ◀── timer: listeners settled, shutdown overdue
//! ```
//!
//! Frames do not pass here: each session puts its own into the events, once its `Opened` was told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use futures::StreamExt;
use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::mpsc;
use tokio::time::Sleep;
use y7ke_crypto::ids::NetKey;

use crate::behaviour::Note;
use crate::dials::{Dials, Group};
use crate::endpoint::{Net, NetEvent};
use crate::lan::{Heard, MAX_ADDRESSES};
use crate::listen::Listeners;
use crate::path::{Path, PathKind, Transport};
use crate::{Address, CloseReason, Command, Event, ListenFault, Ticket, Timing, fault, peer, route};

/// Events of the shell that wait for room: connection events, not frames. Beyond, libp2p waits.
const MAX_WAITING: usize = 1_024;

/// The task behind [`crate::start`].
pub(crate) struct Shell {
    me: NetKey,
    timing: Timing,
    swarm: Swarm<Net>,
    commands: mpsc::Receiver<Command>,
    waiting: VecDeque<Note>,
    dials: Dials<ConnectionId>,
    /// Dials that wait for the listeners.
    early: Vec<Dial>,
    listeners: Listeners<ListenerId>,
    /// What this machine is called on the networks that it listens on.
    ips: BTreeSet<IpAddr>,
    phase: Phase,
    timer: Pin<Box<Sleep>>,
}

struct Dial {
    ticket: Ticket,
    peer: Option<NetKey>,
    addresses: Vec<Address>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The listeners are coming up; dials wait, so that they go out from the listening ports.
    Starting,
    /// New and lost listen addresses mean that the network changed.
    Running,
    /// Sessions are being closed.
    Stopping,
    Done,
}

impl Shell {
    #[expect(clippy::disallowed_methods, reason = "a shell's timer: dials wait for the listeners, but not for long")]
    pub(crate) fn new(swarm: Swarm<Net>, commands: mpsc::Receiver<Command>, timing: Timing, me: NetKey) -> Self {
        Self {
            me,
            timing,
            swarm,
            commands,
            waiting: VecDeque::new(),
            dials: Dials::new(me),
            early: Vec::new(),
            listeners: Listeners::new(),
            ips: BTreeSet::new(),
            phase: Phase::Starting,
            timer: Box::pin(tokio::time::sleep(timing.listen)),
        }
    }

    /// Opens the listeners, then runs until it is told to stop or nobody is left to tell it.
    pub(crate) async fn run(mut self, listen: Vec<Address>, mdns: bool, events: mpsc::Sender<Event>) {
        listen.into_iter().for_each(|address| self.listen(address));
        self.set_mdns(mdns);
        while self.phase != Phase::Done {
            tokio::select! {
                command = self.commands.recv(), if self.phase != Phase::Stopping => match command {
                    Some(command) => self.command(command),
                    None => self.stop(),
                },
                event = self.swarm.select_next_some(), if self.waiting.len() < MAX_WAITING => self.happened(event),
                room = events.reserve(), if !self.waiting.is_empty() => match room {
                    Ok(room) => self.tell(room),
                    Err(_) => self.phase = Phase::Done,
                },
                () = events.closed() => self.phase = Phase::Done,
                () = &mut self.timer, if self.is_timed() => self.time_is_up(),
            }
            self.finish();
        }
    }

    fn tell(&mut self, room: mpsc::Permit<'_, Event>) {
        let Some(Note { event, told }) = self.waiting.pop_front() else { return };
        room.send(event);
        if told.is_some_and(|told| told.send(()).is_err()) {
            tracing::debug!("a session was over before it was told");
        }
    }

    fn tell_later(&mut self, event: Event) {
        self.waiting.push_back(event.into());
    }

    fn is_timed(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Stopping)
    }

    fn time_is_up(&mut self) {
        match self.phase {
            Phase::Stopping => self.phase = Phase::Done,
            _ => {
                self.grown_up();
                self.release_early();
            }
        }
    }

    /// The start is over: its time is up, or an address went, which no start does.
    fn grown_up(&mut self) {
        if self.phase == Phase::Starting {
            self.phase = Phase::Running;
        }
    }

    /// Everything is closed and told.
    fn finish(&mut self) {
        let idle = self.waiting.is_empty() && self.swarm.network_info().num_peers() == 0;
        if self.phase == Phase::Stopping && idle {
            self.phase = Phase::Done;
        }
    }

    fn command(&mut self, command: Command) {
        let sessions = &mut self.swarm.behaviour_mut().sessions;
        match command {
            Command::Dial { ticket, peer, addresses } => self.ask(Dial { ticket, peer, addresses }),
            Command::Send { session, lane, frame } => sessions.send(session, lane, frame),
            Command::Close { session, why } => sessions.close(session, why),
            Command::Trust { session, level } => sessions.trust(session, level),
            Command::Disconnect { peer } => sessions.close_peer(peer, &CloseReason::Disconnected),
            Command::SetMdns(on) => self.set_mdns(on),
            Command::Shutdown => self.stop(),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a shell's timer: closing takes a goodbye each way, and no longer")]
    fn stop(&mut self) {
        self.phase = Phase::Stopping;
        self.commands.close();
        // The listeners stay until the end: to remove one of QUIC would cut its connections off.
        self.swarm.behaviour_mut().sessions.close_all();
        self.timer = Box::pin(tokio::time::sleep(self.timing.flush * 2));
    }

    fn set_mdns(&mut self, on: bool) {
        if let Err(fault) = self.swarm.behaviour_mut().lan.set(on) {
            tracing::warn!(%fault, "discovery on the local network does not work");
        }
    }

    // ---- listening ---------------------------------------------------------------------------

    fn listen(&mut self, address: Address) {
        let created = probe(&address)
            .and_then(|()| self.swarm.listen_on(address.multiaddr().clone()).map_err(|error| fault::of_listen(&error)));
        match created {
            Ok(id) => self.listeners.created(id, address),
            Err(why) => self.tell_later(Event::ListenFailed { address, why }),
        }
    }

    fn listening_changed(&mut self) {
        let addresses = self.listeners.addresses();
        let ips: BTreeSet<IpAddr> = addresses.iter().filter_map(Address::ip).collect();
        self.tell_later(Event::Listening { addresses });
        // Each listener tells of the same change; it is one change.
        if std::mem::replace(&mut self.ips, ips) != self.ips && self.phase == Phase::Running {
            self.network_changed();
        }
        self.release_early();
    }

    /// Attempts that are under way may lead nowhere now, and connections from an address that is gone are dead.
    fn network_changed(&mut self) {
        tracing::debug!(ips = ?self.ips, "the network changed");
        self.tell_later(Event::NetworkChanged);
        self.dials.distrust();
        let net = self.swarm.behaviour_mut();
        net.sessions.end_the_homeless(route::is_ours);
        net.lan.network_changed();
    }

    fn listener_closed(&mut self, id: ListenerId, fault: Option<&std::io::Error>) {
        let configured = self.listeners.closed(id);
        if self.phase == Phase::Stopping {
            return;
        }
        if let Some(address) = configured {
            let why = fault.map_or(ListenFault::Other("the listener ended".to_owned()), fault::of_socket);
            self.tell_later(Event::ListenFailed { address, why });
        }
        self.listening_changed();
    }

    // ---- dialling ----------------------------------------------------------------------------

    fn ask(&mut self, dial: Dial) {
        if self.phase == Phase::Starting && !self.listeners.settled() {
            self.early.push(dial);
            return;
        }
        let sessions = &self.swarm.behaviour().sessions;
        let Dial { ticket, peer, addresses } = dial;
        match self.dials.ask(ticket, peer, &addresses, |peer| sessions.is_connected(peer)) {
            Ok(groups) => groups.into_iter().for_each(|group| self.attempt(group)),
            Err(answer) => self.tell_later(answer),
        }
    }

    fn release_early(&mut self) {
        if self.phase != Phase::Starting || self.listeners.settled() {
            std::mem::take(&mut self.early).into_iter().for_each(|dial| self.ask(dial));
        }
    }

    fn attempt(&mut self, group: Group) {
        let Some(opts) = dial_opts(&group) else { return };
        let id = opts.connection_id();
        tracing::debug!(%id, addresses = ?group.addresses, "dialling");
        self.dials.started(id, group);
        if let Err(error) = self.swarm.dial(opts) {
            self.dial_failed(id, &error);
        }
    }

    fn dial_failed(&mut self, id: ConnectionId, error: &DialError) {
        let faults = fault::of_dial(error, &self.dials.tried(id), &self.me);
        tracing::debug!(%id, ?faults, "a dial failed");
        let (answers, rest) = self.dials.failed(id, &faults);
        answers.into_iter().for_each(|answer| self.tell_later(answer));
        if let Some(rest) = rest {
            self.attempt(rest);
        }
    }

    fn established(&mut self, id: ConnectionId, peer: &PeerId, point: &ConnectedPoint) {
        let Some(peer) = peer::net_key(peer) else { return };
        let (answers, tried) = self.dials.established(id, peer);
        answers.into_iter().for_each(|answer| self.tell_later(answer));
        if let (Some(tried), Ok(path)) = (tried, Path::of(point)) {
            better(&path, tried).into_iter().for_each(|addresses| self.attempt(Group::unasked(peer, addresses)));
        }
    }

    // ---- what libp2p says --------------------------------------------------------------------

    fn happened(&mut self, event: SwarmEvent<NetEvent>) {
        match event {
            SwarmEvent::NewListenAddr { listener_id, address } => {
                if let Ok(address) = Address::checked(address) {
                    self.listeners.gained(listener_id, address);
                    self.listening_changed();
                }
            }
            SwarmEvent::ExpiredListenAddr { listener_id, address } => {
                if let Ok(address) = Address::checked(address) {
                    self.listeners.lost(listener_id, &address);
                    self.grown_up();
                    self.listening_changed();
                }
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                self.listener_closed(listener_id, reason.as_ref().err());
            }
            SwarmEvent::ConnectionEstablished { connection_id, peer_id, endpoint, .. } => {
                self.established(connection_id, &peer_id, &endpoint);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.dial_failed(connection_id, &error);
            }
            SwarmEvent::Behaviour(NetEvent::Sessions(note)) => self.waiting.push_back(note),
            SwarmEvent::Behaviour(NetEvent::Lan(heard)) => {
                discovered(heard, &self.me).into_iter().for_each(|event| self.tell_later(event));
            }
            other => tracing::trace!(?other, "libp2p"),
        }
    }
}

fn dial_opts(group: &Group) -> Option<DialOpts> {
    let mut addresses: Vec<Multiaddr> = group.addresses.iter().map(|address| address.multiaddr().clone()).collect();
    match &group.peer {
        // What is under way to this peer was taken into account.
        Some(peer) => {
            let opts = DialOpts::peer_id(peer::peer_id(peer)).condition(PeerCondition::Always);
            Some(opts.addresses(addresses).build())
        }
        None => addresses.pop().map(|address| DialOpts::unknown_peer_id().address(address).build()),
    }
}

/// The QUIC addresses of a dial that TCP won: worth one attempt, because sessions move to the better path.
fn better(path: &Path, tried: Group) -> Option<Vec<Address>> {
    if path.kind != PathKind::Direct || path.transport != Transport::Tcp {
        return None;
    }
    let quic = |address: &Address| address.transport() == Some(Transport::Quic) && !address.is_relayed();
    let addresses: Vec<Address> = tried.addresses.into_iter().filter(quic).collect();
    (!addresses.is_empty()).then_some(addresses)
}

fn discovered(heard: Heard, me: &NetKey) -> Vec<Event> {
    let mut by_peer: BTreeMap<NetKey, Vec<Address>> = BTreeMap::new();
    for (peer, address) in heard {
        let (Some(peer), Ok(address)) = (peer::net_key(&peer), Address::checked(address)) else { continue };
        let addresses = by_peer.entry(peer).or_default();
        if peer != *me && addresses.len() < MAX_ADDRESSES {
            addresses.push(address.with_peer(&peer));
        }
    }
    by_peer.retain(|_, addresses| !addresses.is_empty());
    by_peer.into_iter().map(|(peer, addresses)| Event::Discovered { peer, addresses }).collect()
}

/// Is this TCP port free? libp2p listens with `SO_REUSEPORT`, so that dials can go out from the same
/// port; with it a second node of the same user would get the same port and half of the connections.
fn probe(address: &Address) -> Result<(), ListenFault> {
    let (Some(ip), Some(port), Some(Transport::Tcp)) = (address.ip(), address.port(), address.transport()) else {
        return Ok(());
    };
    if port == 0 {
        return Ok(());
    }
    try_bind(SocketAddr::new(ip, port)).map_err(|error| fault::of_socket(&error))
}

fn try_bind(at: SocketAddr) -> std::io::Result<()> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // On Windows this would allow what it is to find out.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&at.into())?;
    socket.listen(1)
}
