//! Acknowledgements: what a device durably holds of a log, in its own words (S3).
//!
//! ```text
//! ack   ver u8 = 1 · suite u8 = 1 · log 32 · device 32 · number u64 ≥ 1 · clock
//!       · u32 n ≤ 1,024 · n × ( device 32 · from u64 · to u64 )                  ascending, apart
//! sig   Ed25519(device, "y7/ack/1" ‖ ack)
//! ```
//!
//! Anyone may forward one; of several by one device for one log the greatest `number` counts. An event is
//! *delivered* if the clock covers it and no range of unopened events holds it; otherwise it is "arrived,
//! cannot be opened yet". Nothing is inferred from a maximum beyond that.

use crate::clock::{Clock, Want};
use crate::codec::{DecodeError, Reader, Wire, Writer};
use crate::ids::{DeviceId, LogId};
use crate::label;
use crate::sign::Claim;

/// Ranges of unopened events in one acknowledgement: 48 KB. Whoever has more gaps names the widest span.
pub const MAX_RANGES: usize = 1_024;

/// Version and suite of an acknowledgement.
const VERSION: [u8; 2] = [1, 1];

/// A device says what it durably holds of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Of which log.
    pub log: LogId,
    /// Who holds it.
    pub device: DeviceId,
    /// Grows with every acknowledgement of this device for this log; the greatest counts.
    pub number: u64,
    /// What is held.
    pub clock: Clock,
    /// What of it could not be opened yet: ascending runs that neither touch nor overlap.
    pub unopened: Vec<Want>,
}

/// What an acknowledgement says about one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arrival {
    /// Not held.
    Missing,
    /// Held, and not to be opened yet.
    Unopened,
    /// Held and opened: delivered.
    Delivered,
}

impl Ack {
    /// What it says about event `seq` of `device`.
    pub fn arrival(&self, device: &DeviceId, seq: u64) -> Arrival {
        let holds = |range: &Want| range.device == *device && (range.from..=range.to).contains(&seq);
        match self.clock.covers(device, seq) {
            false => Arrival::Missing,
            true if self.unopened.iter().any(holds) => Arrival::Unopened,
            true => Arrival::Delivered,
        }
    }
}

impl Claim for Ack {
    fn signer(&self) -> [u8; 32] {
        self.device.into_bytes()
    }

    fn message(&self) -> Vec<u8> {
        label::message(label::ACK, &[&self.to_bytes()])
    }
}

impl Wire for Ack {
    const WHAT: &'static str = "acknowledgement";
    const CAP: usize = 2 + 32 + 32 + 8 + Clock::CAP + 4 + MAX_RANGES * Want::CAP;

    fn write(&self, to: &mut Writer) {
        to.raw(&VERSION).put(&self.log).put(&self.device).u64(self.number);
        to.put(&self.clock).list(&self.unopened);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version: [u8; 2] = from.array()?;
        from.require(version == VERSION)?;
        let (log, device, number) = (from.get()?, from.get()?, from.u64()?);
        let ack = Self { log, device, number, clock: from.get()?, unopened: from.list(MAX_RANGES)? };
        from.require(ack.number > 0 && are_apart(&ack.unopened))?;
        Ok(ack)
    }
}

/// Whether runs ascend and at least one event lies between two of one device: one form per set.
fn are_apart(ranges: &[Want]) -> bool {
    ranges.windows(2).all(|pair| match pair {
        [a, b] if a.device == b.device => a.to < b.from && b.from - a.to > 1,
        [a, b] => a.device < b.device,
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Tip;
    use crate::ids::EventId;

    fn device(n: u8) -> DeviceId {
        DeviceId::from([n; 32])
    }

    fn ack(unopened: &[(u8, u64, u64)]) -> Ack {
        let tip = Tip { seq: 20, id: EventId::from([1; 32]) };
        Ack {
            log: LogId::from([1; 32]),
            device: device(9),
            number: 3,
            clock: [(device(2), tip), (device(3), tip)].into_iter().collect(),
            unopened: unopened.iter().map(|&(d, from, to)| Want { device: device(d), from, to }).collect(),
        }
    }

    /// S3: delivered = covered and not among the unopened.
    #[test]
    fn s3_delivered_is_covered_and_opened() {
        let ack = ack(&[(2, 5, 7), (3, 1, 1)]);
        let verdicts = [4, 5, 7, 8, 20, 21].map(|seq| ack.arrival(&device(2), seq));
        use Arrival::{Delivered, Missing, Unopened};
        assert_eq!(verdicts, [Delivered, Unopened, Unopened, Delivered, Delivered, Missing]);
        assert_eq!(ack.arrival(&device(4), 1), Missing);
    }

    #[test]
    fn ranges_have_one_form() {
        for good in [&[(2, 5, 7), (2, 9, 9), (3, 1, 2)][..], &[]] {
            assert_eq!(Ack::from_bytes(&ack(good).to_bytes()), Ok(ack(good)));
        }
        for bad in [[(2, 5, 7), (2, 8, 9)], [(2, 5, 7), (2, 6, 9)], [(3, 1, 1), (2, 1, 1)], [(2, 0, 1), (3, 1, 1)]] {
            assert!(Ack::from_bytes(&ack(&bad).to_bytes()).is_err(), "{bad:?}");
        }
    }
}
