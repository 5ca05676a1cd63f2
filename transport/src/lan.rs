//! mDNS over IPv4 and IPv6 that can be switched off.
//!
//! ```text
//! libp2p's mDNS, IPv4 ─┐
//!                      ├─▶ Known: who, and where, newest first ─▶ all that is known of whoever was heard of
//! libp2p's mDNS, IPv6 ─┘
//! ```
//!
//! libp2p's behaviour speaks one of the two families, so there is one of each; a network without IPv4 has
//! discovery as well. (Over IPv6 it multicasts on the interface that the system prefers, not on each.)
//!
//! ```text
//! network changed ─ settle ─▶ started anew: asks again, announces every address, forgets the old network
//! ```
//!
//! libp2p's behaviour asks as soon as an interface has an address, which is before the listeners say that they
//! have it as well: what it announces then is empty, and once anybody has answered it does not ask again for
//! five minutes. Two devices that move at once would not find each other. So it is started anew when a change
//! of network has settled; that also forgets where others were on the network before.
//!
//! libp2p's behaviour spawns a task per interface and leaves it behind when it is dropped: it would go
//! on answering queries with our peer id. So these tasks get a small runtime of their own, and die
//! with it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use libp2p::core::Endpoint;
use libp2p::core::transport::{ListenerId, PortUse};
use libp2p::mdns;
use libp2p::swarm::behaviour::NewListenAddr;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    dummy,
};
use libp2p::{Multiaddr, PeerId};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Sleep;

/// Devices that are remembered: a crowded office; more are forgotten, least key first.
const MAX_PEERS: usize = 256;
/// Addresses of one device that are remembered: anybody on the LAN can announce thousands.
pub(crate) const MAX_ADDRESSES: usize = 16;

/// The listeners tell of a change of network one after the other, and addresses go and come within this.
const SETTLED: Duration = Duration::from_millis(250);

/// Who was heard of, and where. Of a device all known addresses, the newest first.
pub(crate) type Heard = Vec<(PeerId, Multiaddr)>;

/// Announces us on the local network and listens for others there, while it is switched on.
pub(crate) struct Lan {
    me: PeerId,
    running: Option<Running>,
    /// What to announce when it is switched on.
    listening: BTreeMap<Multiaddr, ListenerId>,
    /// A change of network has settled.
    settled: Option<Pin<Box<Sleep>>>,
    waker: Option<Waker>,
}

struct Running {
    /// Over IPv4 and over IPv6.
    families: [mdns::tokio::Behaviour; 2],
    known: Known,
    /// None only while it is being shut down.
    runtime: Option<Runtime>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Running {
    fn start(me: PeerId) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("y7ke-mdns").enable_all().build()?;
        let inside = runtime.enter();
        let family =
            |enable_ipv6| mdns::tokio::Behaviour::new(mdns::Config { enable_ipv6, ..mdns::Config::default() }, me);
        let families = family(false).and_then(|v4| Ok([v4, family(true)?]));
        drop(inside);
        match families {
            Ok(families) => Ok(Self { families, known: Known::default(), runtime: Some(runtime) }),
            Err(fault) => {
                runtime.shutdown_background();
                Err(fault)
            }
        }
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.families.iter_mut().for_each(|family| family.on_swarm_event(event));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Heard, THandlerInEvent<Lan>>> {
        let Self { families, known, runtime: Some(runtime) } = self else { return Poll::Pending };
        let _inside = runtime.enter();
        for family in families {
            if let Poll::Ready(action) = family.poll(cx) {
                return Poll::Ready(action.map_out(|event| known.take(event)));
            }
        }
        Poll::Pending
    }
}

/// Where devices were heard of, as long as they stand by it.
#[derive(Debug, Default)]
struct Known {
    devices: BTreeMap<PeerId, VecDeque<Multiaddr>>,
}

impl Known {
    fn take(&mut self, event: mdns::Event) -> Heard {
        match event {
            mdns::Event::Discovered(found) => self.add(found),
            mdns::Event::Expired(gone) => {
                self.remove(&gone);
                Vec::new()
            }
        }
    }

    fn add(&mut self, found: Heard) -> Heard {
        let mut heard = BTreeMap::new();
        for (peer, address) in found {
            let addresses = self.devices.entry(peer).or_default();
            addresses.retain(|known| *known != address);
            addresses.push_front(address);
            addresses.truncate(MAX_ADDRESSES);
            heard.insert(peer, addresses.clone());
            if self.devices.len() > MAX_PEERS {
                self.devices.pop_first();
            }
        }
        heard.into_iter().flat_map(|(peer, at)| at.into_iter().map(move |address| (peer, address))).collect()
    }

    fn remove(&mut self, gone: &Heard) {
        for (peer, address) in gone {
            if let Some(addresses) = self.devices.get_mut(peer) {
                addresses.retain(|known| known != address);
            }
        }
        self.devices.retain(|_, addresses| !addresses.is_empty());
    }
}

impl Lan {
    /// Switched off.
    pub(crate) fn new(me: PeerId) -> Self {
        Self { me, running: None, listening: BTreeMap::new(), settled: None, waker: None }
    }

    /// Switches it on or off.
    pub(crate) fn set(&mut self, on: bool) -> io::Result<()> {
        if on == self.running.is_some() {
            return Ok(());
        }
        self.running = on.then(|| self.start()).transpose()?;
        self.wake();
        Ok(())
    }

    fn start(&self) -> io::Result<Running> {
        let mut running = Running::start(self.me)?;
        for (addr, listener_id) in &self.listening {
            let event = NewListenAddr { listener_id: *listener_id, addr };
            running.on_swarm_event(FromSwarm::NewListenAddr(event));
        }
        Ok(running)
    }

    /// The network changed: look around and announce ourselves once that has settled.
    #[expect(
        clippy::disallowed_methods,
        reason = "a shell's timer: what is announced before the listeners are up is empty"
    )]
    pub(crate) fn network_changed(&mut self) {
        self.settled = self.running.is_some().then(|| Box::pin(tokio::time::sleep(SETTLED)));
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn start_anew_when_settled(&mut self, cx: &mut Context<'_>) {
        if self.settled.as_mut().is_none_or(|settled| settled.as_mut().poll(cx).is_pending()) {
            return;
        }
        self.settled = None;
        if self.running.is_none() {
            return;
        }
        match self.start() {
            Ok(running) => self.running = Some(running),
            Err(fault) => tracing::warn!(%fault, "discovery does not notice that the network changed"),
        }
    }
}

impl NetworkBehaviour for Lan {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Heard;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::NewListenAddr(new) => {
                self.listening.insert(new.addr.clone(), new.listener_id);
            }
            FromSwarm::ExpiredListenAddr(old) => {
                self.listening.remove(old.addr);
            }
            _ => {}
        }
        if let Some(running) = &mut self.running {
            running.on_swarm_event(event);
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Heard, THandlerInEvent<Self>>> {
        self.waker = Some(cx.waker().clone());
        self.start_anew_when_settled(cx);
        self.running.as_mut().map_or(Poll::Pending, |running| running.poll(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: usize) -> Multiaddr {
        format!("/ip4/10.0.0.1/tcp/{n}").parse().unwrap()
    }

    #[test]
    fn of_whoever_is_heard_of_everything_that_is_known_is_told_newest_first() {
        let (ada, bob) = (PeerId::random(), PeerId::random());
        let mut known = Known::default();
        assert_eq!(known.add(vec![(ada, at(1)), (ada, at(2))]), [(ada, at(2)), (ada, at(1))]);
        assert_eq!(known.add(vec![(bob, at(9))]), [(bob, at(9))]);
        assert_eq!(known.add(vec![(ada, at(1))]), [(ada, at(1)), (ada, at(2))]);
        assert_eq!(known.take(mdns::Event::Expired(vec![(ada, at(1))])), []);
        assert_eq!(known.add(vec![(ada, at(3))]), [(ada, at(3)), (ada, at(2))]);
    }

    #[test]
    fn what_a_network_announces_is_bounded() {
        let mut known = Known::default();
        let one = PeerId::random();
        let heard = known.add((0..1_000).map(|n| (one, at(n))).collect());
        assert_eq!((heard.len(), &heard[0].1), (MAX_ADDRESSES, &at(999)));
        known.add((0..1_000).map(|n| (PeerId::random(), at(n))).collect());
        assert_eq!(known.devices.len(), MAX_PEERS);
    }
}
