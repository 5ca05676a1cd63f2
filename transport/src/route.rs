//! Which of this machine's addresses a connection goes out from, and whether the machine still has it.
//!
//! A connection cannot move: when its local address goes (another network, a new lease, a cable pulled), it is
//! dead, and would be found out only by silence. libp2p does not say where a dialled connection goes out
//! from, but the system's routes do: a datagram socket that is "connected" sends nothing and knows its own end.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use libp2p::core::ConnectedPoint;

use crate::address::ip_of;

/// Any port will do: nothing is sent there.
const DISCARD: u16 = 9;

/// This machine's end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    At(IpAddr),
    /// Its address went while it was being established.
    Gone,
    /// It leads to a name, or the system does not say.
    Unknown,
}

impl Home {
    /// Where a connection that was just established goes out from.
    pub(crate) fn of(point: &ConnectedPoint, remote: Option<IpAddr>) -> Self {
        let told = match point {
            ConnectedPoint::Listener { local_addr, .. } if !point.is_relayed() => ip_of(local_addr),
            _ => None,
        };
        told.filter(|ip| !ip.is_unspecified()).map_or_else(|| remote.map_or(Self::Unknown, towards), Self::At)
    }

    /// Is it known that the machine does not have this address any more?
    pub(crate) fn is_lost(self, is_ours: impl Fn(IpAddr) -> bool) -> bool {
        match self {
            Self::At(ip) => !is_ours(ip),
            Self::Gone => true,
            Self::Unknown => false,
        }
    }
}

/// The address that datagrams to `remote` go out from now.
fn towards(remote: IpAddr) -> Home {
    let any: IpAddr = if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let Ok(socket) = UdpSocket::bind((any, 0)) else { return Home::Unknown };
    match socket.connect((remote, DISCARD)) {
        Ok(()) => socket.local_addr().map_or(Home::Unknown, |local| Home::At(local.ip())),
        Err(fault) if leads_nowhere(fault.kind()) => Home::Gone,
        Err(_) => Home::Unknown,
    }
}

fn leads_nowhere(fault: ErrorKind) -> bool {
    matches!(fault, ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::AddrNotAvailable)
}

/// Does this machine have this address? In doubt, yes.
pub(crate) fn is_ours(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).map_or_else(|fault| fault.kind() != ErrorKind::AddrNotAvailable, |_bound| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_ours_and_a_documentation_address_is_not() {
        assert!(is_ours(Ipv4Addr::LOCALHOST.into()));
        assert!(!is_ours(Ipv4Addr::new(192, 0, 2, 1).into()));
        assert_eq!(towards(Ipv4Addr::LOCALHOST.into()), Home::At(Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn a_listener_that_was_told_its_end_need_not_guess() {
        let point = |local: &str| ConnectedPoint::Listener {
            local_addr: local.parse().unwrap(),
            send_back_addr: "/ip4/127.0.0.1/tcp/7".parse().unwrap(),
        };
        let (told, remote): (IpAddr, IpAddr) = (Ipv4Addr::new(192, 0, 2, 7).into(), Ipv4Addr::LOCALHOST.into());
        assert_eq!(Home::of(&point("/ip4/192.0.2.7/tcp/1"), Some(remote)), Home::At(told));
        assert_eq!(Home::of(&point("/ip4/0.0.0.0/udp/1/quic-v1"), Some(remote)), Home::At(remote));
        assert_eq!(Home::of(&point("/ip4/0.0.0.0/udp/1/quic-v1"), None), Home::Unknown);
    }

    #[test]
    fn a_connection_is_homeless_if_its_address_went_or_was_gone_before_it_stood() {
        let ours = |ip: IpAddr| ip.is_loopback();
        assert!(!Home::At(Ipv4Addr::LOCALHOST.into()).is_lost(ours));
        assert!(Home::At(Ipv4Addr::new(192, 0, 2, 7).into()).is_lost(ours));
        assert!(Home::Gone.is_lost(ours) && !Home::Unknown.is_lost(ours));
    }
}
