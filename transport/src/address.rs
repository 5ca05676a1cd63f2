//! Addresses: multiaddr text of the few shapes that this transport dials or listens on.
//!
//! ```text
//! address   = host transport [ "/p2p/" peer ] [ circuit ]   |   "/dnsaddr/" name [ "/p2p/" peer ]
//! host      = "/ip4/…" | "/ip6/…" | "/dns/…" | "/dns4/…" | "/dns6/…"
//! transport = "/tcp/" port | "/udp/" port "/quic-v1"
//! circuit   = "/p2p-circuit" [ "/p2p/" peer ]               (behind "/p2p/" relay only)
//! peer      = a peer id that contains an Ed25519 key
//! ```
//!
//! Parsed once, at the border. Everything else (WebSocket, onion, memory, …) is refused in words.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use thiserror::Error;
use y7ke_crypto::ids::NetKey;

use crate::path::Transport;
use crate::peer;

/// Longest address in bytes of text: a DNS name has at most 253, two peer ids 104.
pub const MAX_ADDRESS: usize = 512;

/// Somewhere to listen or to dial: multiaddr text that was checked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(Multiaddr);

/// Why text is not an [`Address`]; the message says what to change.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Beyond [`MAX_ADDRESS`].
    #[error("the address is longer than {MAX_ADDRESS} bytes")]
    TooLong,
    /// Not a multiaddr at all.
    #[error("not a multiaddr ({detail}); they look like /ip4/192.0.2.1/tcp/4101 or /ip4/192.0.2.1/udp/4101/quic-v1")]
    Syntax {
        /// What the parser said.
        detail: String,
    },
    /// It does not begin with a host.
    #[error("the address must begin with /ip4, /ip6, /dns, /dns4, /dns6 or /dnsaddr")]
    Host,
    /// Neither TCP nor QUIC follows the host.
    #[error("after the host the address must say /tcp/PORT or /udp/PORT/quic-v1")]
    Transport,
    /// The peer id does not contain an Ed25519 key.
    #[error("the peer id in the address is not that of a y7ke device (12D3Koo…)")]
    Peer,
    /// Something follows that this transport does not speak.
    #[error("the address ends with something that y7ke does not speak")]
    Trailing,
}

impl Address {
    /// The peer that this address leads to, if it names one. A relay on the way is not that peer.
    pub fn peer(&self) -> Option<NetKey> {
        match self.0.iter().last() {
            Some(Protocol::P2p(id)) => peer::net_key(&id),
            _ => None,
        }
    }

    /// The same address, ending in `/p2p/` and this peer.
    #[must_use]
    pub fn with_peer(&self, peer: &NetKey) -> Self {
        Self(self.without_peer().0.with(Protocol::P2p(peer::peer_id(peer))))
    }

    /// The same address without the peer at its end.
    #[must_use]
    pub fn without_peer(&self) -> Self {
        let mut addr = self.0.clone();
        if let Some(Protocol::P2p(_)) = addr.iter().last() {
            addr.pop();
        }
        Self(addr)
    }

    /// Does it stay within this machine?
    pub fn is_loopback(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_loopback())
    }

    /// Does it stand for every address of this machine (`0.0.0.0`, `::`)?
    pub fn is_unspecified(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_unspecified())
    }

    /// Does it lead through a relay?
    pub fn is_relayed(&self) -> bool {
        self.0.iter().any(|part| part == Protocol::P2pCircuit)
    }

    /// The IP address of the host, unless it is a name.
    pub fn ip(&self) -> Option<IpAddr> {
        ip_of(&self.0)
    }

    /// The port, unless `/dnsaddr` leaves it open.
    pub fn port(&self) -> Option<u16> {
        self.0.iter().find_map(|part| match part {
            Protocol::Tcp(port) | Protocol::Udp(port) => Some(port),
            _ => None,
        })
    }

    /// What is spoken there, unless `/dnsaddr` leaves it open. Through a relay: to the relay.
    pub fn transport(&self) -> Option<Transport> {
        self.0.iter().find_map(|part| match part {
            Protocol::Tcp(_) => Some(Transport::Tcp),
            Protocol::QuicV1 => Some(Transport::Quic),
            _ => None,
        })
    }

    pub(crate) fn multiaddr(&self) -> &Multiaddr {
        &self.0
    }

    /// Checks the shape of what libp2p says. In bytes a name may hold anything, also what its text would not say.
    pub(crate) fn checked(addr: Multiaddr) -> Result<Self, AddressError> {
        if addr.len() > MAX_ADDRESS || addr.to_string().len() > MAX_ADDRESS {
            return Err(AddressError::TooLong);
        }
        check_shape(&addr).map(|()| Self(addr))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_ADDRESS {
            return Err(AddressError::TooLong);
        }
        let addr = text
            .parse()
            .map_err(|fault: libp2p::multiaddr::Error| AddressError::Syntax { detail: fault.to_string() })?;
        Self::checked(addr)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.0)
    }
}

/// The IP address that a multiaddr begins with.
pub(crate) fn ip_of(addr: &Multiaddr) -> Option<IpAddr> {
    match addr.iter().next()? {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6(ip)),
        _ => None,
    }
}

fn check_shape(addr: &Multiaddr) -> Result<(), AddressError> {
    let mut parts = addr.iter().peekable();
    check_host(&mut parts)?;
    let peer = take_peer(&mut parts)?;
    if peer && parts.next_if(|part| *part == Protocol::P2pCircuit).is_some() {
        take_peer(&mut parts)?;
    }
    parts.next().map_or(Ok(()), |_| Err(AddressError::Trailing))
}

fn check_host<'a>(parts: &mut impl Iterator<Item = Protocol<'a>>) -> Result<(), AddressError> {
    match parts.next() {
        Some(Protocol::Dnsaddr(name)) if is_name(&name) => return Ok(()),
        Some(Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name)) if is_name(&name) => {}
        Some(Protocol::Ip4(_) | Protocol::Ip6(_)) => {}
        _ => return Err(AddressError::Host),
    }
    match parts.next() {
        Some(Protocol::Tcp(_)) => Ok(()),
        Some(Protocol::Udp(_)) if parts.next() == Some(Protocol::QuicV1) => Ok(()),
        _ => Err(AddressError::Transport),
    }
}

/// A name that stays one part of the address when it is written.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|sign: char| sign == '/' || sign.is_whitespace() || sign.is_control())
}

fn take_peer<'a>(parts: &mut std::iter::Peekable<impl Iterator<Item = Protocol<'a>>>) -> Result<bool, AddressError> {
    match parts.next_if(|part| matches!(part, Protocol::P2p(_))) {
        Some(Protocol::P2p(id)) if peer::net_key(&id).is_none() => Err(AddressError::Peer),
        taken => Ok(taken.is_some()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    fn key(n: u8) -> NetKey {
        peer::net_key_of_seed(&[n; 32])
    }

    /// Found by `fuzz::address`: in bytes, such a name stands for itself; as text it is another address.
    #[test]
    fn a_name_that_holds_a_slash_is_no_name() {
        let named = |name: &str| Address::checked(Multiaddr::empty().with(Protocol::Dnsaddr(name.into())));
        assert!(named("example.org").is_ok());
        for name in [String::new(), "a b".into(), "a\n".into(), "a/tcp/1".into(), format!("example.org/p2p/{}", key(1))]
        {
            assert_eq!(named(&name), Err(AddressError::Host), "{name:?}");
        }
        assert_eq!(named(&"a".repeat(MAX_ADDRESS - 5)), Err(AddressError::TooLong));
    }

    #[test]
    fn every_shape_that_we_speak_is_kept_letter_for_letter() {
        let (relay, peer) = (key(1), key(2));
        for text in [
            "/ip4/192.0.2.1/tcp/4101".to_owned(),
            "/ip4/0.0.0.0/udp/0/quic-v1".to_owned(),
            "/ip6/::1/udp/9/quic-v1".to_owned(),
            "/dns/example.org/tcp/443".to_owned(),
            "/dns6/example.org/udp/443/quic-v1".to_owned(),
            format!("/dnsaddr/example.org/p2p/{peer}"),
            format!("/ip4/192.0.2.1/tcp/4101/p2p/{peer}"),
            format!("/ip4/192.0.2.1/tcp/4101/p2p/{relay}/p2p-circuit"),
            format!("/ip4/192.0.2.1/udp/1/quic-v1/p2p/{relay}/p2p-circuit/p2p/{peer}"),
        ] {
            assert_eq!(address(&text).to_string(), text);
        }
    }

    #[test]
    fn what_we_do_not_speak_is_refused_with_a_reason() {
        let refused = |text: &str| text.parse::<Address>().unwrap_err();
        assert!(matches!(refused("hello"), AddressError::Syntax { .. }));
        assert!(matches!(refused("/ip4/1.2.3.4.5/tcp/1"), AddressError::Syntax { .. }));
        assert_eq!(refused("/tcp/1"), AddressError::Host);
        assert_eq!(refused("/memory/1"), AddressError::Host);
        assert_eq!(refused("/ip4/192.0.2.1"), AddressError::Transport);
        assert_eq!(refused("/ip4/192.0.2.1/udp/1"), AddressError::Transport);
        assert_eq!(refused("/ip4/192.0.2.1/udp/1/quic"), AddressError::Transport);
        assert_eq!(refused("/ip4/192.0.2.1/tcp/1/ws"), AddressError::Trailing);
        assert_eq!(refused("/ip4/192.0.2.1/tcp/1/p2p-circuit"), AddressError::Trailing);
        assert_eq!(
            refused("/ip4/192.0.2.1/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"),
            AddressError::Peer
        );
        assert_eq!(refused(&"/".repeat(MAX_ADDRESS + 1)), AddressError::TooLong);
    }

    #[test]
    fn the_peer_is_the_last_one_and_can_be_put_and_taken() {
        let (relay, peer) = (key(1), key(2));
        let plain = address("/ip4/192.0.2.1/tcp/4101");
        let named = plain.with_peer(&peer);
        assert_eq!((plain.peer(), named.peer()), (None, Some(peer)));
        assert_eq!(named.with_peer(&relay).peer(), Some(relay));
        assert_eq!(named.without_peer(), plain);
        let circuit = address(&format!("{}/p2p-circuit", plain.with_peer(&relay)));
        assert_eq!(circuit.peer(), None);
        assert_eq!(circuit.with_peer(&peer).peer(), Some(peer));
        assert!(circuit.is_relayed() && !plain.is_relayed());
    }

    #[test]
    fn the_host_is_known_where_it_is_an_ip() {
        assert!(address("/ip4/127.0.0.9/tcp/1").is_loopback());
        assert!(address("/ip6/::1/tcp/1").is_loopback());
        assert!(!address("/dns/localhost/tcp/1").is_loopback());
        assert!(address("/ip6/::/udp/0/quic-v1").is_unspecified());
        assert_eq!(address("/ip4/192.0.2.1/udp/7/quic-v1").transport(), Some(Transport::Quic));
        assert_eq!(address("/ip4/192.0.2.1/udp/7/quic-v1").port(), Some(7));
        assert_eq!(address("/dnsaddr/example.org").transport(), None);
    }
}
