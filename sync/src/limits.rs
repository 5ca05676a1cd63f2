//! Every number of a session, with its unit and reason, and the meter of refusals.
//!
//! ```text
//! lane        frames      window before trust        window of a contact
//! handshake   ≤ 64 KiB    128 KiB, 64 notes          the same
//! sync        ≤ cap       128 KiB, 256 frames        2 MiB, 4,096 frames
//! msg         ≤ cap       128 KiB, 128 items         4 MiB, 1,024 items
//! cap         64 KiB before trust, 1 MiB for a contact
//! ```
//!
//! A window is at least twice the frame cap: what is left of half a window always takes one frame, so
//! credit that is given back late (see [`crate`]) never wedges a lane.

use std::collections::BTreeMap;

use y7ke_crypto::ack::Ack;
use y7ke_crypto::codec::Wire;
use y7ke_crypto::ids::DeviceId;
use y7ke_crypto::sign::Signed;

use crate::window::Load;

/// A frame from or to a stranger, in bytes: a certificate chain, a bundle, a request.
pub const STRANGER_FRAME: usize = 64 * 1_024;
/// A frame from or to a contact, in bytes: the greatest item (event 70 KiB, 128 boxes of ~1.2 KiB) several times.
pub const CONTACT_FRAME: usize = 1_024 * 1_024;

/// Notes in flight: two of the greatest, or many small ones.
pub(crate) const NOTE_WINDOW: Load = Load { bytes: 128 * 1_024, items: 64 };
/// Control frames in flight to or from a stranger.
pub(crate) const STRANGER_SYNC: Load = Load { bytes: 128 * 1_024, items: 256 };
/// Control frames in flight to or from a contact: two of the greatest clocks, or a word about each of 4,096 logs.
pub(crate) const CONTACT_SYNC: Load = Load { bytes: 2 * 1_024 * 1_024, items: 4_096 };
/// Events in flight to or from a stranger: identity logs are small.
pub(crate) const STRANGER_MSG: Load = Load { bytes: 128 * 1_024, items: 128 };
/// Events received and not settled: what a ledger commits in a fraction of a second, and all that a
/// hostile peer can make this session hold.
pub(crate) const CONTACT_MSG: Load = Load { bytes: 4 * 1_024 * 1_024, items: 1_024 };

/// Events of one read and of one frame: a quarter of the disk's best batch, half a window.
pub const READ_EVENTS: usize = 512;
/// Bytes of one read: one frame.
pub const READ_BYTES: usize = 1_024 * 1_024;
/// Reads whose events are being fetched or wait for credit: as many MiB are held at most.
pub const READS: usize = 4;
/// Logs of one session: contacts × (identity + conversation); 4,096 tags fill one 2 MiB window.
pub const LOGS: usize = 4_096;
/// Tags of logs that the peer offered and nobody granted here, 16 B each; as many as a peer can have logs.
pub const FOREIGN_TAGS: usize = LOGS;
/// Offers in one frame: 49 B each, within a stranger's frame.
pub const OFFERS_PER_FRAME: usize = 512;
/// Notes waiting for credit, ≤ 36 KiB each; one more is handed back.
pub const NOTES_QUEUED: usize = 32;
/// A signed acknowledgement, in bytes: a clock and unopened ranges.
pub const ACK_CAP: usize = Signed::<Ack>::CAP;
/// Devices whose acknowledgements are kept per log, to be said again when a peer grants a log anew: the box cap.
pub const ACKS_PER_LOG: usize = 128;
/// Ids of events of frozen devices that are known to be with the peer, 32 B each; beyond it some are
/// sent twice, which costs bytes and nothing else.
pub const EXACT_IDS: usize = 4_096;
/// Boxes of one event (K1: members of an epoch).
pub const BOXES_PER_ITEM: usize = 128;
/// One box, in bytes: X-Wing encapsulation 1,120 + secret + tag, with head-room for a next suite.
pub const BOX_CAP: usize = 2_048;

/// From the first hello to the proof, in ms: two round trips over the worst relay, and a slow disk.
pub const HANDSHAKE_MS: u64 = 10_000;
/// An offer or a clock without an answer is said again after this many ms, then twice as many …
pub const REPEAT_MS: u64 = 30_000;
/// … up to this many.
pub const REPEAT_MAX_MS: u64 = 600_000;
/// After dropped items without progress the next clock waits this many ms, then twice as many …
pub const RECHECK_MS: u64 = 1_000;
/// … up to this many: a peer beyond its quota is asked once a minute, not in a loop.
pub const RECHECK_MAX_MS: u64 = 60_000;
/// Orphans that are held are asked about after this many ms: most are released by the next batch.
pub const ORPHAN_MS: u64 = 5_000;

/// Refused events per second and identity (S6).
pub const REFUSED_PER_SECOND: u64 = 20;
/// Refused events at once (S6).
pub const REFUSED_BURST: u64 = 500;
/// Identities that a meter remembers, 48 B each; the least guilty is forgotten first.
pub const METERED: usize = 4_096;

/// Counts refused events per identity, across reconnects (S6): a token bucket each.
///
/// The owner keeps one for all sessions, spends for each [`crate::Fault::Refused`], and closes the
/// session (and refuses new ones for a while) when a bucket is empty. What verifies costs nothing.
#[derive(Clone, Debug, Default)]
pub struct RefusalMeter {
    buckets: BTreeMap<DeviceId, Bucket>,
}

/// Thousandths of a token, so that refilling by the millisecond is exact.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    milli: u64,
    at_ms: u64,
}

const FULL: u64 = REFUSED_BURST * 1_000;

impl Bucket {
    fn level(&self, now_ms: u64) -> u64 {
        let refill = now_ms.saturating_sub(self.at_ms).saturating_mul(REFUSED_PER_SECOND);
        self.milli.saturating_add(refill).min(FULL)
    }
}

impl RefusalMeter {
    /// Nobody has been refused anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Charges `count` refusals to `who`; whether they were within the budget.
    pub fn spend(&mut self, who: DeviceId, count: u32, now_ms: u64) -> bool {
        let level = self.level(&who, now_ms);
        let cost = u64::from(count).saturating_mul(1_000);
        self.make_room(&who, now_ms);
        self.buckets.insert(who, Bucket { milli: level.saturating_sub(cost), at_ms: now_ms });
        cost <= level
    }

    /// Whether `who` may still be refused something: false means "do not talk to it now".
    pub fn tolerates(&self, who: &DeviceId, now_ms: u64) -> bool {
        self.level(who, now_ms) >= 1_000
    }

    fn level(&self, who: &DeviceId, now_ms: u64) -> u64 {
        self.buckets.get(who).map_or(FULL, |bucket| bucket.level(now_ms))
    }

    fn make_room(&mut self, who: &DeviceId, now_ms: u64) {
        if self.buckets.len() < METERED || self.buckets.contains_key(who) {
            return;
        }
        let least_guilty = self.buckets.iter().max_by_key(|(_, bucket)| bucket.level(now_ms)).map(|(who, _)| *who);
        if let Some(least_guilty) = least_guilty {
            self.buckets.remove(&least_guilty);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(n: u16) -> DeviceId {
        let mut bytes = [3; 32];
        bytes[..2].copy_from_slice(&n.to_le_bytes());
        DeviceId::from(bytes)
    }

    /// S6: a burst of 500, then 20 a second, and nothing is forgotten by reconnecting.
    #[test]
    fn s6_meter_allows_the_burst_and_then_the_rate() {
        let mut meter = RefusalMeter::new();
        assert!(meter.spend(who(1), 500, 0));
        assert!(!meter.tolerates(&who(1), 0));
        assert!(!meter.spend(who(1), 1, 0));
        assert!(meter.spend(who(1), 20, 1_000));
        assert!(!meter.spend(who(1), 1, 1_000));
        assert!(meter.tolerates(&who(2), 1_000));
    }

    #[test]
    fn s6_meter_survives_a_clock_that_goes_back() {
        let mut meter = RefusalMeter::new();
        assert!(meter.spend(who(1), 500, 9_000));
        assert!(!meter.tolerates(&who(1), 10));
        assert!(meter.tolerates(&who(1), u64::MAX));
    }

    #[test]
    fn s6_meter_forgets_the_least_guilty_first() {
        let mut meter = RefusalMeter::new();
        assert!(meter.spend(who(0), 500, 0));
        (1..=METERED).for_each(|n| assert!(meter.spend(who(n as u16), 1, 0)));
        assert_eq!(meter.buckets.len(), METERED);
        assert!(!meter.tolerates(&who(0), 0));
    }
}
