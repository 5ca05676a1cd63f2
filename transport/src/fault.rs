//! What libp2p says when something fails, in our words.
//!
//! The cause stands at the bottom of a chain of errors, and an `io::Error` hides what it wraps from
//! `source`, so the chain is walked by hand.

use std::error::Error;
use std::io::{self, ErrorKind};

use libp2p::Multiaddr;
use libp2p::core::transport::TransportError;
use libp2p::core::transport::timeout::TransportTimeoutError;
use libp2p::swarm::DialError;
use thiserror::Error as ThisError;
use y7ke_crypto::ids::NetKey;

use crate::{Address, DialFault, FailedAttempt, ListenFault, peer};

/// An error of one kind of transport; keeps the chain below it visible.
#[derive(Debug, ThisError)]
#[error("{0}")]
pub(crate) struct Leg(#[source] Box<dyn Error + Send + Sync>);

impl Leg {
    pub(crate) fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }
}

/// A peer whose id does not contain an Ed25519 key.
#[derive(Clone, Copy, Debug, ThisError)]
#[error("the peer id contains no Ed25519 key")]
pub(crate) struct NoNetKey;

/// What happened at each address of a dial; `tried` are the addresses that were given.
pub(crate) fn of_dial(error: &DialError, tried: &[Address], me: &NetKey) -> Vec<FailedAttempt> {
    match error {
        DialError::Transport(faults) => faults.iter().map(|(addr, fault)| at(addr, of_transport(fault))).collect(),
        DialError::WrongPeerId { obtained, address } => vec![at(address, wrong_peer(peer::net_key(obtained), me))],
        DialError::LocalPeerId { address } => vec![at(address, DialFault::Own)],
        // libp2p takes out what we listen on ourselves, and nothing was left.
        DialError::NoAddresses => everywhere(tried, &DialFault::Own),
        DialError::Denied { cause } if cause.downcast_ref::<NoNetKey>().is_some() => {
            everywhere(tried, &DialFault::WrongPeer { got: None })
        }
        DialError::Denied { .. } => everywhere(tried, &DialFault::LimitReached),
        DialError::Aborted | DialError::DialPeerConditionFalse(_) => {
            everywhere(tried, &DialFault::Other("the attempt was given up".to_owned()))
        }
    }
}

/// Why an address cannot be listened on.
pub(crate) fn of_listen(error: &TransportError<io::Error>) -> ListenFault {
    match error {
        TransportError::MultiaddrNotSupported(_) => ListenFault::Unsupported,
        TransportError::Other(error) => of_socket(error),
    }
}

/// Why a socket cannot be listened on.
pub(crate) fn of_socket(error: &io::Error) -> ListenFault {
    match causes(error).find_map(kind) {
        Some(ErrorKind::AddrInUse) => ListenFault::AddressInUse,
        Some(ErrorKind::AddrNotAvailable) => ListenFault::AddressNotAvailable,
        Some(ErrorKind::PermissionDenied) => ListenFault::NotPermitted,
        _ => ListenFault::Other(error.to_string()),
    }
}

/// The whole of `tried` met the same fate.
fn everywhere(tried: &[Address], why: &DialFault) -> Vec<FailedAttempt> {
    tried.iter().map(|address| FailedAttempt { address: Some(address.clone()), why: why.clone() }).collect()
}

fn at(addr: &Multiaddr, why: DialFault) -> FailedAttempt {
    FailedAttempt { address: Address::checked(addr.clone()).ok(), why }
}

fn wrong_peer(got: Option<NetKey>, me: &NetKey) -> DialFault {
    if got == Some(*me) { DialFault::Own } else { DialFault::WrongPeer { got } }
}

fn of_transport(error: &TransportError<io::Error>) -> DialFault {
    match error {
        TransportError::MultiaddrNotSupported(_) => DialFault::Other("this cannot be dialled".to_owned()),
        TransportError::Other(error) => {
            causes(error).find_map(of_cause).unwrap_or_else(|| DialFault::Other(error.to_string()))
        }
    }
}

fn of_cause(cause: &(dyn Error + 'static)) -> Option<DialFault> {
    let timed_out = matches!(cause.downcast_ref(), Some(TransportTimeoutError::<libp2p::dns::Error<Leg>>::Timeout))
        || matches!(cause.downcast_ref(), Some(TransportTimeoutError::<Leg>::Timeout))
        || matches!(cause.downcast_ref(), Some(libp2p::quic::Error::HandshakeTimedOut));
    if timed_out {
        return Some(DialFault::Timeout);
    }
    if let Some(libp2p::dns::Error::<Leg>::ResolveError(_) | libp2p::dns::Error::TooManyLookups) = cause.downcast_ref()
    {
        return Some(DialFault::Unreachable);
    }
    match kind(cause)? {
        ErrorKind::ConnectionRefused => Some(DialFault::Refused),
        ErrorKind::TimedOut => Some(DialFault::Timeout),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => {
            Some(DialFault::Unreachable)
        }
        _ => None,
    }
}

/// The kind of an I/O error that wraps nothing.
fn kind(cause: &(dyn Error + 'static)) -> Option<ErrorKind> {
    cause.downcast_ref::<io::Error>().filter(|error| error.get_ref().is_none()).map(io::Error::kind)
}

/// An error and what it wraps, down to the first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| below(*error))
}

fn below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(libp2p::quic::Error::Io(wrapped)) = error.downcast_ref() {
        return Some(wrapped);
    }
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_found_under_any_number_of_wrappings() {
        let refused = io::Error::from(ErrorKind::ConnectionRefused);
        let wrapped = io::Error::other(Leg::new(io::Error::other(Leg::new(refused))));
        assert_eq!(of_transport(&TransportError::Other(wrapped)), DialFault::Refused);
        let in_use = io::Error::other(Leg::new(io::Error::from(ErrorKind::AddrInUse)));
        assert_eq!(of_socket(&in_use), ListenFault::AddressInUse);
    }

    #[test]
    fn an_unknown_cause_keeps_its_words() {
        let odd = io::Error::other("the cat sat on the cable");
        assert_eq!(of_transport(&TransportError::Other(odd)), DialFault::Other("the cat sat on the cable".to_owned()));
    }
}
