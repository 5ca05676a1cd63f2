//! Peers that speak libp2p but not our rules: noise on our protocols, half sessions, floods of streams.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Duration;

use common::*;
use futures::future::BoxFuture;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use futures::stream::{FuturesUnordered, StreamExt};
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{DeniedUpgrade, ReadyUpgrade};
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::handler::{ConnectionEvent, ConnectionHandler, ConnectionHandlerEvent, SubstreamProtocol};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, SwarmEvent, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{PeerId, StreamProtocol, SwarmBuilder, noise, tcp, yamux};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use y7ke_transport::{Address, CloseReason, Event};

const LANES: [&str; 3] = ["/y7ke/handshake/1.0.0", "/y7ke/sync/1.0.0", "/y7ke/msg/1.0.0"];

/// A stream to open, and what to write on it.
type Plan = Vec<(&'static str, Vec<u8>)>;

struct RawHandler {
    plan: VecDeque<(&'static str, Vec<u8>)>,
    talking: FuturesUnordered<BoxFuture<'static, ()>>,
}

impl ConnectionHandler for RawHandler {
    type FromBehaviour = std::convert::Infallible;
    type ToBehaviour = std::convert::Infallible;
    type InboundProtocol = DeniedUpgrade;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Vec<u8>;

    fn listen_protocol(&self) -> SubstreamProtocol<DeniedUpgrade> {
        SubstreamProtocol::new(DeniedUpgrade, ())
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, Vec<u8>, Self::ToBehaviour>> {
        if let Some((name, bytes)) = self.plan.pop_front() {
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(StreamProtocol::new(name)), bytes);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        while let Poll::Ready(Some(())) = self.talking.poll_next_unpin(cx) {}
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        match event {}
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, DeniedUpgrade, ReadyUpgrade<StreamProtocol>, (), Vec<u8>>,
    ) {
        if let ConnectionEvent::FullyNegotiatedOutbound(up) = event {
            let (mut stream, bytes) = (up.protocol, up.info);
            self.talking.push(Box::pin(async move {
                let mut heard = Vec::new();
                if stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok() {
                    stream.read_to_end(&mut heard).await.unwrap_or_default();
                }
            }));
        }
    }
}

struct Raw(Plan);

impl NetworkBehaviour for Raw {
    type ConnectionHandler = RawHandler;
    type ToSwarm = std::convert::Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(RawHandler { plan: self.0.clone().into(), talking: FuturesUnordered::new() })
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(RawHandler { plan: self.0.clone().into(), talking: FuturesUnordered::new() })
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

/// What happened to a raw peer.
#[derive(Debug)]
enum Fate {
    Listening(Multiaddr),
    Closed,
}

/// A libp2p peer with this plan for each connection; dials, or listens.
fn raw(plan: Plan, dial: Option<&Address>) -> (JoinHandle<()>, mpsc::UnboundedReceiver<Fate>) {
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| Raw(plan))
        .unwrap()
        .build();
    match dial {
        Some(address) => swarm.dial(address.to_string().parse::<Multiaddr>().unwrap()).unwrap(),
        None => drop(swarm.listen_on(TCP4.parse().unwrap()).unwrap()),
    }
    let (fates, fate) = mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        loop {
            let told = match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { address, .. } => fates.send(Fate::Listening(address)),
                SwarmEvent::ConnectionClosed { .. } => fates.send(Fate::Closed),
                _ => Ok(()),
            };
            if told.is_err() {
                return;
            }
        }
    });
    (task, fate)
}

async fn fate(fates: &mut mpsc::UnboundedReceiver<Fate>) -> Fate {
    tokio::time::timeout(LIMIT, fates.recv()).await.expect("nothing happens to it").unwrap()
}

fn noise_bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..length)
        .map(|at| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Plausible lengths at first, so that bodies are read too.
            if seed.is_multiple_of(2) && at % 4 != 0 { 0 } else { (state >> 56) as u8 }
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_on_our_protocols_ends_the_session_of_who_sends_it() {
    let mut victim = Node::with(1, &[TCP4], |config| config.timing.trust_grace = Duration::from_millis(50)).await;
    let mut friend = Node::new(2, &[TCP4]).await;
    connect(&mut friend, &mut victim).await;
    for seed in 0..20 {
        let plan = LANES.iter().zip(0..).map(|(lane, n)| (*lane, noise_bytes(seed * 3 + n, 5_000))).collect();
        let (task, _fates) = raw(plan, Some(&victim.listening[0].clone()));
        let reason = loop {
            if let Event::Closed { reason, .. } = victim.next().await {
                break reason;
            }
        };
        assert!(
            matches!(reason, CloseReason::FrameTooLong { .. } | CloseReason::Lost | CloseReason::PeerClosed),
            "{reason:?}"
        );
        task.abort();
    }
    victim.frames.clear();
    exchange(&mut friend, &mut victim, b"undisturbed").await;
    assert_eq!(friend.closed, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_session_is_given_up_and_its_connection_closed() {
    let mut victim = Node::with(1, &[TCP4], |config| {
        config.timing.lanes = Duration::from_millis(300);
        config.timing.idle = Duration::from_millis(300);
    })
    .await;
    let friend = Node::new(2, &[TCP4]).await;
    let (_task, mut fates) = raw(vec![(LANES[0], vec![]), (LANES[2], vec![])], Some(&victim.listening[0]));
    assert!(matches!(fate(&mut fates).await, Fate::Closed));
    // A session of somebody else is the first that the victim hears of.
    victim.dial(1, &friend).await;
    assert_eq!(victim.session_with(&friend.key).await.peer, friend.key);
    assert_eq!(victim.opened, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_stream_for_a_lane_changes_nothing() {
    let mut victim = Node::new(1, &[TCP4]).await;
    let frame = |text: &[u8]| [&(text.len() as u32).to_le_bytes(), text].concat();
    let mut plan: Plan = LANES.iter().map(|lane| (*lane, frame(b"first"))).collect();
    plan.extend(LANES.iter().map(|lane| (*lane, frame(b"second"))));
    let (_task, _fates) = raw(plan, Some(&victim.listening[0].clone()));
    let mut lanes = std::collections::BTreeSet::new();
    for _ in 0..3 {
        assert!(lanes.insert(victim.frame().await.1), "two frames on one lane");
    }
    assert_eq!(victim.opened, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_streams_costs_the_connection_it_came_on() {
    let mut victim = Node::new(1, &[TCP4]).await;
    let mut friend = Node::new(2, &[TCP4]).await;
    connect(&mut friend, &mut victim).await;
    let plan = (0..200).map(|n| (LANES[n % 3], vec![0; 4])).collect();
    let (task, mut fates) = raw(plan, Some(&victim.listening[0].clone()));
    exchange(&mut friend, &mut victim, b"undisturbed").await;
    task.abort();
    while let Ok(Some(_)) = tokio::time::timeout(LIMIT, fates.recv()).await {}
    exchange(&mut friend, &mut victim, b"still").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_opened_from_the_wrong_side_are_dropped() {
    let mut victim = Node::new(1, &[TCP4]).await;
    let mut friend = Node::new(2, &[TCP4]).await;
    let (_task, mut fates) = raw(LANES.iter().map(|lane| (*lane, vec![1, 0, 0, 0, 7])).collect(), None);
    let Fate::Listening(address) = fate(&mut fates).await else { panic!("it does not listen") };
    victim.dial_at(1, None, vec![address.to_string().parse().unwrap()]).await;
    victim.until(|event| matches!(event, Event::Dialled { .. }).then_some(())).await;
    // It refuses our lanes and opens its own: no session comes of that.
    connect(&mut friend, &mut victim).await;
    exchange(&mut friend, &mut victim, b"hello").await;
    assert_eq!((victim.opened, victim.frames.len()), (1, 0));
}
