//! How a session reaches its peer: the facts behind a label such as `DIRECT · QUIC · IPv6`.

use libp2p::Multiaddr;
use libp2p::core::ConnectedPoint;
use libp2p::multiaddr::Protocol;

use crate::Address;
use crate::address::AddressError;

/// How a session reaches its peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// With or without a relay between.
    pub kind: PathKind,
    /// What is spoken to the peer, or to the relay.
    pub transport: Transport,
    /// Which internet.
    pub ip: IpVersion,
    /// The peer's end, or the relay's. Where the peer dialled us, its port is usually the one it
    /// listens on, because dials go out from the listening port where that is possible.
    pub remote: Address,
}

/// With or without a relay between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathKind {
    /// From device to device.
    Direct,
    /// Through a circuit of a relay.
    Relayed,
}

/// What is spoken under the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// QUIC version 1: TLS 1.3 with a post-quantum hybrid key exchange.
    Quic,
    /// TCP with Noise and Yamux: no post-quantum exchange, so events carry their own.
    Tcp,
}

/// Which internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// A name was dialled that may mean either.
    Unknown,
}

impl Path {
    /// What libp2p says about an established connection.
    pub(crate) fn of(point: &ConnectedPoint) -> Result<Self, AddressError> {
        let addr = match point {
            ConnectedPoint::Dialer { address, .. } => address,
            // The far end of a circuit has no address of its own: the relay stands for it.
            ConnectedPoint::Listener { local_addr, .. } if point.is_relayed() => local_addr,
            ConnectedPoint::Listener { send_back_addr, .. } => send_back_addr,
        };
        let remote = Address::checked(addr.clone())?.without_peer();
        let kind = if point.is_relayed() { PathKind::Relayed } else { PathKind::Direct };
        let transport = remote.transport().ok_or(AddressError::Transport)?;
        Ok(Self { kind, transport, ip: version(addr), remote })
    }
}

fn version(addr: &Multiaddr) -> IpVersion {
    match addr.iter().next() {
        Some(Protocol::Ip4(_) | Protocol::Dns4(_)) => IpVersion::V4,
        Some(Protocol::Ip6(ip)) if ip.to_ipv4_mapped().is_some() => IpVersion::V4,
        Some(Protocol::Ip6(_) | Protocol::Dns6(_)) => IpVersion::V6,
        _ => IpVersion::Unknown,
    }
}
