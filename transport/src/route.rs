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

/// This machine's end of a connection with `remote`, if it can be known.
pub(crate) fn local_ip(point: &ConnectedPoint, remote: Option<IpAddr>) -> Option<IpAddr> {
    let told = match point {
        ConnectedPoint::Listener { local_addr, .. } if !point.is_relayed() => ip_of(local_addr),
        _ => None,
    };
    told.filter(|ip| !ip.is_unspecified()).or_else(|| remote.and_then(towards))
}

/// The address that datagrams to `remote` go out from now.
fn towards(remote: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((remote, DISCARD)).ok()?;
    socket.local_addr().ok().map(|local| local.ip())
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
        assert_eq!(towards(Ipv4Addr::LOCALHOST.into()), Some(Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn a_listener_that_was_told_its_end_need_not_guess() {
        let point = |local: &str| ConnectedPoint::Listener {
            local_addr: local.parse().unwrap(),
            send_back_addr: "/ip4/127.0.0.1/tcp/7".parse().unwrap(),
        };
        let remote = Some(Ipv4Addr::LOCALHOST.into());
        let told: IpAddr = Ipv4Addr::new(192, 0, 2, 7).into();
        assert_eq!(local_ip(&point("/ip4/192.0.2.7/tcp/1"), remote), Some(told));
        assert_eq!(local_ip(&point("/ip4/0.0.0.0/udp/1/quic-v1"), remote), remote);
        assert_eq!(local_ip(&point("/ip4/0.0.0.0/udp/1/quic-v1"), None), None);
    }
}
