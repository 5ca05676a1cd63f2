//! Bodies of fuzz targets: run on stable over corpora and noise, wrapped by the fuzzer elsewhere.
//! Each panics where a claim of its parser does not hold.

use libp2p::Multiaddr;

use crate::{Address, framing, peer};

/// A body.
pub type Target = fn(&[u8]);

/// Every body by name.
pub const ALL: &[(&str, Target)] = &[("address", address), ("lane", lane)];

/// A lane's bytes: the items are the same however the bytes are cut, and write back to the same bytes.
pub fn lane(data: &[u8]) {
    framing::fuzz(data);
}

/// An address, as text and in bytes, as libp2p hands it over: what is taken prints to what parses to the same,
/// and its peer can be put and taken.
pub fn address(data: &[u8]) {
    let typed = String::from_utf8_lossy(data).parse::<Address>().ok();
    let handed = Multiaddr::try_from(data.to_vec()).ok().and_then(|found| Address::checked(found).ok());
    for address in typed.into_iter().chain(handed) {
        assert_eq!(address.to_string().parse(), Ok(address.clone()));
        let key = peer::net_key_of_seed(&[1; 32]);
        let named = address.with_peer(&key);
        assert_eq!(named.peer(), Some(key));
        assert_eq!(named.without_peer(), address.without_peer());
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn addresses_hold_under_small_changes() {
        let corpus = [
            "/ip4/192.0.2.1/tcp/4101/p2p/12D3KooWCLGVQ1FJp2fNTBHB1qsiNNvmv7TbMfmtu5i35VpSVFRc/p2p-circuit",
            "/ip6/2001:db8::1/udp/4101/quic-v1",
            "/dns4/example.org/tcp/443",
        ];
        for text in corpus {
            for at in 0..text.len() {
                for change in [0, b'/', b'1', 0xff] {
                    let mut bytes = text.as_bytes().to_vec();
                    bytes[at] = change;
                    super::address(&bytes);
                    super::address(&bytes[..at]);
                }
            }
        }
    }
}
