//! New connections per IP address within a minute, from peers that did not prove to be contacts.
//!
//! ```text
//! inbound ──admit──▶ counted ──Trust(Contact)──▶ given back, with what the same dial tried beside it
//!             └────▶ refused (not counted: waiting is enough to get in again)
//! key = IPv4 address, or the /64 of an IPv6 address (one subscriber has at least that many)
//! ```
//!
//! Loopback is exempt: bots and tests on this machine.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The window, ms.
const WINDOW_MS: u64 = 60_000;
/// Attempts of one dial come within this, ms: TCP beside QUIC, one family beside the other.
const RACE_MS: u64 = 10_000;
/// Addresses remembered: 4,096 × ~100 bytes. Beyond, the one that was quiet longest is forgotten.
const MAX_ADDRESSES: usize = 4_096;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subscriber {
    V4(Ipv4Addr),
    V6([u16; 4]),
}

/// Counts new connections.
#[derive(Debug)]
pub(crate) struct PerIp {
    per_minute: usize,
    seen: BTreeMap<Subscriber, VecDeque<u64>>,
}

impl PerIp {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { per_minute: per_minute as usize, seen: BTreeMap::new() }
    }

    /// May a connection from this address come in now? If so, it counts from now on.
    pub(crate) fn admit(&mut self, ip: IpAddr, now_ms: u64) -> bool {
        let Some(subscriber) = subscriber(ip) else { return true };
        if !self.seen.contains_key(&subscriber) {
            self.make_room(now_ms);
        }
        let times = self.seen.entry(subscriber).or_default();
        forget_old(times, now_ms);
        let admitted = times.len() < self.per_minute;
        if admitted {
            times.push_back(now_ms);
        }
        admitted
    }

    /// Somebody at this address proved to be a contact: what came from there in the same race does not count.
    pub(crate) fn vouched(&mut self, ip: IpAddr, now_ms: u64) {
        let Some(subscriber) = subscriber(ip) else { return };
        if let Some(times) = self.seen.get_mut(&subscriber) {
            times.retain(|at| now_ms.saturating_sub(*at) > RACE_MS);
        }
    }

    fn make_room(&mut self, now_ms: u64) {
        if self.seen.len() < MAX_ADDRESSES {
            return;
        }
        self.seen.retain(|_, times| {
            forget_old(times, now_ms);
            !times.is_empty()
        });
        if self.seen.len() >= MAX_ADDRESSES {
            let quiet = self.seen.iter().min_by_key(|(_, times)| times.back().copied()).map(|(key, _)| *key);
            quiet.map(|key| self.seen.remove(&key));
        }
    }
}

fn forget_old(times: &mut VecDeque<u64>, now_ms: u64) {
    while times.front().is_some_and(|at| now_ms.saturating_sub(*at) >= WINDOW_MS) {
        times.pop_front();
    }
}

/// Whom an address belongs to; nobody, if it is this machine.
fn subscriber(ip: IpAddr) -> Option<Subscriber> {
    match ip.to_canonical() {
        ip if ip.is_loopback() => None,
        IpAddr::V4(ip) => Some(Subscriber::V4(ip)),
        IpAddr::V6(ip) => Some(Subscriber::V6(prefix(ip))),
    }
}

fn prefix(ip: Ipv6Addr) -> [u16; 4] {
    let [a, b, c, d, ..] = ip.segments();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn eight_a_minute_and_the_ninth_waits_until_the_first_is_old() {
        let mut limit = PerIp::new(8);
        let from = ip("192.0.2.1");
        assert!((0..8).all(|n| limit.admit(from, n * 1_000)));
        assert!(!limit.admit(from, 59_999));
        assert!(limit.admit(from, 60_000));
        assert!(!limit.admit(from, 60_001), "the refused one did not count, the admitted one did");
        assert!(limit.admit(ip("192.0.2.2"), 60_001), "others are not affected");
    }

    #[test]
    fn loopback_is_exempt_in_all_its_forms() {
        let mut limit = PerIp::new(0);
        assert!(["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"].iter().all(|text| limit.admit(ip(text), 0)));
        assert!(!limit.admit(ip("::ffff:192.0.2.1"), 0));
    }

    #[test]
    fn a_subscriber_has_one_budget_in_ipv6() {
        let mut limit = PerIp::new(1);
        assert!(limit.admit(ip("2001:db8:1:2::1"), 0));
        assert!(!limit.admit(ip("2001:db8:1:2:ffff::9"), 1));
        assert!(limit.admit(ip("2001:db8:1:3::1"), 1));
    }

    #[test]
    fn contacts_and_what_lost_against_them_do_not_count() {
        let mut limit = PerIp::new(2);
        for now in 0..100 {
            assert!(limit.admit(ip("192.0.2.1"), now) && limit.admit(ip("192.0.2.1"), now));
            limit.vouched(ip("192.0.2.1"), now);
        }
        limit.vouched(ip("192.0.2.9"), 100);
        assert!(limit.admit(ip("192.0.2.1"), 100) && limit.admit(ip("192.0.2.1"), 100));
        limit.vouched(ip("192.0.2.1"), 101 + RACE_MS);
        assert!(!limit.admit(ip("192.0.2.1"), 102 + RACE_MS), "what came long before counts");
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_quiet_ones_first() {
        let mut limit = PerIp::new(1);
        for n in 0..MAX_ADDRESSES as u32 + 500 {
            assert!(limit.admit(IpAddr::V4(Ipv4Addr::from(0x0b00_0000 + n)), u64::from(n)));
        }
        assert_eq!(limit.seen.len(), MAX_ADDRESSES);
        assert!(!limit.admit(IpAddr::V4(Ipv4Addr::from(0x0b00_0000 + MAX_ADDRESSES as u32)), 5_000));
    }
}
