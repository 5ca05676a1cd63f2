//! `y7:` links: an identity and where it was last listening.
//!
//! ```text
//! y7:<base58 of the root key>?via=<multiaddr, percent-encoded>&via=…
//! ```
//!
//! * At most 4 KiB and 8 hints: it must fit a QR code's reader and a line of chat.
//! * A hint is only a hint: the identity is proved on connecting, whoever answers there.
//! * Loopback is written only when there is no other kind; nobody else could use it.
//! * Parameters other than `via` are left for later versions and ignored.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use y7ke_crypto::ids::{NetKey, RootId};
use y7ke_transport::Address;

/// A link in bytes at most: 8 hints of 300 bytes written with escapes, and the id.
pub const MAX_BYTES: usize = 4096;

/// Hints in a link at most: a device with more addresses is found by the first few as well.
pub const MAX_HINTS: usize = 8;

const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A parsed link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    /// Whom it names.
    pub root: RootId,
    /// Where to look first.
    pub hints: Vec<Address>,
}

/// What is wrong with a link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// Beyond [`MAX_BYTES`].
    #[error("this link is longer than {MAX_BYTES} bytes; copy it again")]
    TooLong,
    /// The part before `?` is no identity.
    #[error("this is not a y7 id; it begins with y7: and is followed by about 44 letters and digits")]
    Id,
    /// Beyond [`MAX_HINTS`].
    #[error("this link has more than {MAX_HINTS} addresses; leave some out")]
    TooManyHints,
    /// A hint does not parse.
    #[error("address number {number} in this link is not one; copy the link again, or leave the address out")]
    Hint {
        /// Which, from 1.
        number: usize,
    },
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let text = text.trim();
        if text.len() > MAX_BYTES {
            return Err(UriError::TooLong);
        }
        let (id, query) = text.split_once('?').unwrap_or((text, ""));
        let root = id.parse().map_err(|_why| UriError::Id)?;
        let vias: Vec<&str> = query.split('&').filter_map(|pair| pair.strip_prefix("via=")).collect();
        if vias.len() > MAX_HINTS {
            return Err(UriError::TooManyHints);
        }
        let hints = vias.iter().enumerate().map(|(at, via)| hint(at + 1, via)).collect::<Result<_, _>>()?;
        Ok(Self { root, hints })
    }
}

fn hint(number: usize, via: &str) -> Result<Address, UriError> {
    let decoded = percent_decode_str(via).decode_utf8().map_err(|_not_text| UriError::Hint { number })?;
    decoded.parse().map_err(|_fault| UriError::Hint { number })
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.root)?;
        self.hints.iter().enumerate().try_for_each(|(at, hint)| {
            let mark = if at == 0 { '?' } else { '&' };
            write!(f, "{mark}via={}", utf8_percent_encode(&hint.to_string(), KEPT))
        })
    }
}

impl Uri {
    /// The link of a device that listens at `listen` (real addresses, wildcards already expanded).
    pub fn of(root: RootId, peer: &NetKey, listen: &[Address]) -> Self {
        let hints = reachable(listen).iter().map(|address| address.with_peer(peer)).take(MAX_HINTS).collect();
        Self { root, hints }
    }
}

/// What others can use: no link-local IPv6 (it needs the name of a network card), loopback only if nothing else is there.
fn reachable(listen: &[Address]) -> Vec<&Address> {
    let usable = || listen.iter().filter(|address| !is_link_local(address));
    let outside: Vec<_> = usable().filter(|address| !address.is_loopback()).collect();
    if outside.is_empty() { usable().collect() } else { outside }
}

fn is_link_local(address: &Address) -> bool {
    matches!(address.ip(), Some(IpAddr::V6(ip)) if ip.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> RootId {
        // The Ed25519 base point: a valid key that nobody holds.
        let mut bytes = [0x66; 32];
        bytes[0] = 0x58;
        RootId::from(bytes)
    }

    fn peer() -> NetKey {
        NetKey::from(*root().as_bytes())
    }

    fn addresses(texts: &[&str]) -> Vec<Address> {
        texts.iter().map(|text| text.parse().expect("a multiaddr")).collect()
    }

    #[test]
    fn a_link_survives_printing_and_parsing() {
        let uri = Uri::of(root(), &peer(), &addresses(&["/ip4/10.0.0.7/tcp/4101", "/ip6/2001:db8::1/udp/9/quic-v1"]));
        let printed = uri.to_string();
        assert!(printed.contains("?via=%2Fip4%2F10.0.0.7%2Ftcp%2F4101%2Fp2p%2F12D3Koo"), "{printed}");
        assert!(printed.contains("&via=%2Fip6%2F2001%3Adb8%3A%3A1%2Fudp"), "{printed}");
        assert_eq!(printed.parse(), Ok(uri));
        assert_eq!(root().to_string().parse(), Ok(Uri { root: root(), hints: vec![] }));
    }

    #[test]
    fn loopback_is_written_only_when_alone() {
        let hints = |listen: &[&str]| Uri::of(root(), &peer(), &addresses(listen)).hints.len();
        assert_eq!(hints(&["/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1"]), 2);
        assert_eq!(hints(&["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.7/tcp/1", "/ip6/fe80::1/tcp/1"]), 1);
        let many: Vec<String> = (1..=20).map(|n| format!("/ip4/10.0.0.{n}/tcp/1")).collect();
        assert_eq!(hints(&many.iter().map(String::as_str).collect::<Vec<_>>()), MAX_HINTS);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let fault = |text: &str| text.parse::<Uri>().err();
        let id = root();
        assert_eq!(fault("hello"), Some(UriError::Id));
        assert_eq!(fault("y7:"), Some(UriError::Id));
        assert_eq!(fault(&format!("{id}x")), Some(UriError::Id));
        assert_eq!(
            fault(&format!("{id}?via=%2Fip4%2F1.2.3.4%2Ftcp%2F5&via=nonsense")),
            Some(UriError::Hint { number: 2 })
        );
        assert_eq!(fault(&format!("{id}?via=%FF")), Some(UriError::Hint { number: 1 }));
        assert_eq!(
            fault(&format!("{id}?{}", "via=%2Fip4%2F1.2.3.4%2Ftcp%2F5&".repeat(9))),
            Some(UriError::TooManyHints)
        );
        assert_eq!(fault(&"y".repeat(MAX_BYTES + 1)), Some(UriError::TooLong));
        assert_eq!(fault(&format!("{id}?later=1")), None);
    }
}
