//! The libp2p endpoint: which transports and behaviours, with which bounds.
//!
//! ```text
//! TCP ─ Noise ─ Yamux ─┐
//!                      ├─ DNS ─ deadline ─▶ swarm { limits, memory, sessions, lan, identify, ping }
//! QUIC v1 ─────────────┘
//! ```
//!
//! Seam: `kad`, `relay` (client) and `dcutr` become further fields of [`Net`]; the relay's transport
//! goes into `or_transport` beside QUIC.

use std::io;
use std::sync::Once;
use std::time::Duration;

use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::transport::{Boxed, DialOpts, PortUse};
use libp2p::core::upgrade::Version;
use libp2p::core::{Endpoint, Transport};
use libp2p::identity::{Keypair, PublicKey};
use libp2p::swarm::{NetworkBehaviour, Swarm};
use libp2p::{PeerId, dns, identify, memory_connection_limits, noise, ping, quic, tcp};
use tokio::runtime::Handle;

use crate::behaviour::Sessions;
use crate::fault::Leg;
use crate::lan::Lan;
use crate::muxer::Yamux;
use crate::{Config, Limits};

/// Streams of one QUIC connection that the peer may open: as many as under Yamux.
const QUIC_STREAMS: u32 = 32;
/// What a QUIC peer may send on one stream before we read, bytes: 10 MB/s at 100 ms.
const QUIC_STREAM_WINDOW: u32 = 1 << 20;
/// What a QUIC peer may send on all streams before we read, bytes.
const QUIC_WINDOW: u32 = 4 << 20;
/// Streams of one connection whose protocol is being agreed upon.
const NEGOTIATING: usize = 16;
/// For the peers of libp2p's own protocols that have no session. Sessions have a quicker heartbeat.
const PING: Duration = Duration::from_secs(15);

/// What our node does beside carrying sessions.
#[derive(NetworkBehaviour)]
pub(crate) struct Net {
    limits: connection_limits::Behaviour,
    memory: memory_connection_limits::Behaviour,
    pub(crate) sessions: Sessions,
    pub(crate) lan: Lan,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

/// Builds the endpoint; it does not listen yet.
pub(crate) fn build(config: &Config, keys: &Keypair, sessions: Sessions) -> io::Result<Swarm<Net>> {
    let me = keys.public().to_peer_id();
    let settings = libp2p::swarm::Config::with_tokio_executor()
        .with_smart_dial()
        .with_idle_connection_timeout(config.timing.idle)
        .with_max_negotiating_inbound_streams(NEGOTIATING);
    let net = net(&config.limits, keys.public(), sessions);
    Ok(Swarm::new(transport(keys, config.timing.connect)?, net, me, settings))
}

fn net(limits: &Limits, key: PublicKey, sessions: Sessions) -> Net {
    let counts = ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits.pending_inbound))
        .with_max_pending_outgoing(Some(limits.pending_outbound))
        .with_max_established_incoming(Some(limits.inbound))
        .with_max_established_per_peer(Some(limits.per_peer));
    let me = key.to_peer_id();
    // Strangers learn no listen addresses of ours, no version, and are not remembered.
    let identify = identify::Config::new("/y7ke/1.0.0".to_owned(), key)
        .with_agent_version("y7ke".to_owned())
        .with_hide_listen_addrs(true)
        .with_cache_size(0);
    Net {
        limits: connection_limits::Behaviour::new(counts),
        memory: memory_connection_limits::Behaviour::with_max_bytes(limits.memory),
        sessions,
        lan: Lan::new(me),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping::Config::new().with_interval(PING)),
    }
}

type Muxed = Boxed<(PeerId, StreamMuxerBox)>;

fn transport(keys: &Keypair, patience: Duration) -> io::Result<Muxed> {
    match dns::tokio::Transport::system(sockets(keys)?) {
        Ok(named) => Ok(TransportTimeout::new(named, patience).boxed()),
        Err(fault) => {
            // No other resolver is asked in its place: that would tell a third party whom we look for.
            tracing::warn!(%fault, "this system has no name resolution; only numeric addresses work");
            Ok(TransportTimeout::new(sockets(keys)?, patience).boxed())
        }
    }
}

fn sockets(
    keys: &Keypair,
) -> io::Result<
    impl Transport<Output = (PeerId, StreamMuxerBox), Error = Leg, Dial: Send, ListenerUpgrade: Send> + Send + Unpin + use<>,
> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        // Here as well, because what is above hides the cause.
        .map_err(Leg::new as fn(_) -> Leg)
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keys).map_err(io::Error::other)?)
        .multiplex(Yamux)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .map_err(Leg::new as fn(_) -> Leg);
    let quic = quic::tokio::Transport::new(quic_config(keys))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .map_err(Leg::new as fn(_) -> Leg);
    Ok(tcp.or_transport(quic).map(|either, _| either.into_inner()).map_err(|either| either.into_inner()))
}

fn quic_config(keys: &Keypair) -> quic::Config {
    let mut config = quic::Config::new(keys);
    config.max_concurrent_stream_limit = QUIC_STREAMS;
    config.max_stream_data = QUIC_STREAM_WINDOW;
    config.max_connection_data = QUIC_WINDOW;
    config
}

/// The first QUIC handshake of a process spends 50–95 ms before its first packet, enough for TCP to
/// win a race that QUIC should win. So the first one goes to nobody: the discard port of this machine.
pub(crate) fn warm(keys: Keypair) {
    static FIRST: Once = Once::new();
    FIRST.call_once(|| {
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || runtime.block_on(dial_nobody(&keys)));
    });
}

async fn dial_nobody(keys: &Keypair) {
    const LONG_ENOUGH: Duration = Duration::from_millis(1);
    let mut quic = quic::tokio::Transport::new(quic_config(keys));
    let Ok(nobody) = "/ip4/127.0.0.1/udp/9/quic-v1".parse() else { return };
    let opts = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    if let Ok(dial) = quic.dial(nobody, opts)
        && tokio::time::timeout(LONG_ENOUGH, dial).await.is_ok()
    {
        tracing::debug!("somebody speaks QUIC on the discard port");
    }
}
