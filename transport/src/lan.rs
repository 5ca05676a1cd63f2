//! mDNS that can be switched off.
//!
//! libp2p's behaviour spawns a task per interface and leaves it behind when it is dropped: it would go
//! on answering queries with our peer id. So these tasks get a small runtime of their own, and die
//! with it.

use std::collections::BTreeMap;
use std::io;
use std::task::{Context, Poll, Waker};

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

/// Announces us on the local network and listens for others there, while it is switched on.
pub(crate) struct Lan {
    me: PeerId,
    running: Option<Running>,
    /// What to announce when it is switched on.
    listening: BTreeMap<Multiaddr, ListenerId>,
    waker: Option<Waker>,
}

struct Running {
    mdns: mdns::tokio::Behaviour,
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
        let mdns = {
            let _inside = runtime.enter();
            mdns::tokio::Behaviour::new(mdns::Config::default(), me)
        };
        match mdns {
            Ok(mdns) => Ok(Self { mdns, runtime: Some(runtime) }),
            Err(fault) => {
                runtime.shutdown_background();
                Err(fault)
            }
        }
    }
}

impl Lan {
    /// Switched off.
    pub(crate) fn new(me: PeerId) -> Self {
        Self { me, running: None, listening: BTreeMap::new(), waker: None }
    }

    /// Switches it on or off.
    pub(crate) fn set(&mut self, on: bool) -> io::Result<()> {
        if on == self.running.is_some() {
            return Ok(());
        }
        self.running = on.then(|| Running::start(self.me)).transpose()?;
        if let Some(running) = &mut self.running {
            for (addr, listener_id) in &self.listening {
                let event = NewListenAddr { listener_id: *listener_id, addr };
                running.mdns.on_swarm_event(FromSwarm::NewListenAddr(event));
            }
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        Ok(())
    }
}

impl NetworkBehaviour for Lan {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = mdns::Event;

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
            running.mdns.on_swarm_event(event);
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<mdns::Event, THandlerInEvent<Self>>> {
        self.waker = Some(cx.waker().clone());
        let Some(Running { mdns, runtime: Some(runtime) }) = &mut self.running else { return Poll::Pending };
        let _inside = runtime.enter();
        mdns.poll(cx)
    }
}
