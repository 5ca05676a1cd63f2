//! How far a message came: a pure function of what others said (S3).
//!
//! ```text
//! queued     durable here
//! sent       written to a session                                              (memory only, passed in)
//! delivered  of EACH other member, some device's newest acknowledgement covers it
//!            and does not list it among what that device cannot open
//! read       delivered or not contradicted, and each other member's read mark covers it
//! ```
//!
//! Invariant: *never inferred from a maximum*. A clock that covers number 9 says that 5 is stored there;
//! whether 5 could be opened is said by the unopened ranges alone.

use y7ke_crypto::clock::{Clock, Want};
use y7ke_crypto::ids::{DeviceId, RootId};

/// How far a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Durable here.
    Queued,
    /// Written to a session.
    Sent,
    /// Durable at a device of every other member, and openable there.
    Delivered,
    /// Read by every other member.
    Read,
}

/// The newest acknowledgement of one device.
#[derive(Clone, Copy, Debug)]
pub struct Acked<'a> {
    /// The person whose device it is.
    pub root: RootId,
    /// The device.
    pub device: DeviceId,
    /// What it holds.
    pub clock: &'a Clock,
    /// What of that it cannot open yet.
    pub unopened: &'a [Want],
}

impl Acked<'_> {
    /// Whether the device holds the event, openable or not.
    fn holds(&self, author: &DeviceId, seq: u64) -> bool {
        self.clock.covers(author, seq)
    }

    /// Whether the device holds the event and can open it.
    pub fn delivered(&self, author: &DeviceId, seq: u64) -> bool {
        let hidden = |range: &Want| range.device == *author && (range.from..=range.to).contains(&seq);
        self.holds(author, seq) && !self.unopened.iter().any(hidden)
    }
}

/// One person's read mark for one author device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadBy {
    /// Who read.
    pub reader: RootId,
    /// Whose events.
    pub device: DeviceId,
    /// Up to this number.
    pub seq: u64,
}

/// How far event `seq` of `author` came. `others` are the members besides the author's account.
pub fn status(
    author: &DeviceId,
    seq: u64,
    others: &[RootId],
    acks: &[Acked<'_>],
    reads: &[ReadBy],
    sent: bool,
) -> Status {
    let each = |holds: &dyn Fn(&RootId) -> bool| !others.is_empty() && others.iter().all(holds);
    if each(&|root| has_read(root, author, seq, acks, reads)) {
        Status::Read
    } else if each(&|root| has_it(root, author, seq, acks) || has_read(root, author, seq, acks, reads)) {
        Status::Delivered
    } else if sent {
        Status::Sent
    } else {
        Status::Queued
    }
}

/// The devices that hold the event and can open it, ascending.
pub fn delivered_to(author: &DeviceId, seq: u64, acks: &[Acked<'_>]) -> Vec<DeviceId> {
    let holders = acks.iter().filter(|ack| ack.delivered(author, seq)).map(|ack| ack.device);
    let mut devices: Vec<_> = holders.filter(|device| device != author).collect();
    devices.sort_unstable();
    devices.dedup();
    devices
}

fn has_it(root: &RootId, author: &DeviceId, seq: u64, acks: &[Acked<'_>]) -> bool {
    acks.iter().any(|ack| ack.root == *root && ack.delivered(author, seq))
}

/// A mark is a greatest number: where the person's devices say that they hold the event and none can open
/// it, they have not read it, whatever the mark covers.
fn has_read(root: &RootId, author: &DeviceId, seq: u64, acks: &[Acked<'_>], reads: &[ReadBy]) -> bool {
    let marked = reads.iter().any(|mark| mark.reader == *root && mark.device == *author && mark.seq >= seq);
    let held = acks.iter().any(|ack| ack.root == *root && ack.holds(author, seq));
    marked && (!held || has_it(root, author, seq, acks))
}

#[cfg(test)]
mod tests {
    use y7ke_crypto::clock::Tip;
    use y7ke_crypto::ids::EventId;

    use super::*;

    const ME: u8 = 1;

    fn device(n: u8) -> DeviceId {
        DeviceId::from([n; 32])
    }

    fn root(n: u8) -> RootId {
        RootId::from([n; 32])
    }

    fn holding(seq: u64) -> Clock {
        [(device(ME), Tip { seq, id: EventId::from([9; 32]) })].into_iter().collect()
    }

    fn range(from: u64, to: u64) -> Want {
        Want { device: device(ME), from, to }
    }

    fn of(seq: u64, others: &[RootId], acks: &[Acked<'_>], reads: &[ReadBy]) -> Status {
        status(&device(ME), seq, others, acks, reads, true)
    }

    /// S3: the fault of the earlier messenger: "acknowledged up to 9" taken for "has 5".
    #[test]
    fn s3_delivery_is_never_inferred_from_a_maximum() {
        let (clock, unopened) = (holding(9), [range(5, 6)]);
        let acks = [Acked { root: root(2), device: device(2), clock: &clock, unopened: &unopened }];
        let reached: Vec<_> = (1..=10).map(|seq| of(seq, &[root(2)], &acks, &[])).collect();
        let expected = [4, 2, 3, 1].iter().zip([Status::Delivered, Status::Sent, Status::Delivered, Status::Sent]);
        let expected: Vec<_> = expected.flat_map(|(n, status)| std::iter::repeat_n(status, *n)).collect();
        assert_eq!(reached, expected);
    }

    /// S3: one device of each other member is enough, and each member is needed.
    #[test]
    fn s3_each_other_member_and_any_of_its_devices() {
        let (clock, none) = (holding(3), Clock::new());
        let ack = |r, d, clock| Acked { root: root(r), device: device(d), clock, unopened: &[] };
        let both = [root(2), root(3)];
        assert_eq!(of(1, &both, &[ack(2, 20, &clock), ack(2, 21, &clock)], &[]), Status::Sent);
        assert_eq!(of(1, &both, &[ack(2, 20, &clock), ack(3, 30, &none)], &[]), Status::Sent);
        assert_eq!(of(1, &both, &[ack(2, 20, &clock), ack(3, 30, &none), ack(3, 31, &clock)], &[]), Status::Delivered);
        assert_eq!(of(1, &[], &[ack(2, 20, &clock)], &[]), Status::Sent, "nobody else is nobody's delivery");
    }

    /// S3: my own sibling's acknowledgement delivers nothing to the other person.
    #[test]
    fn s3_a_sibling_does_not_count() {
        let clock = holding(3);
        let acks = [Acked { root: root(ME), device: device(11), clock: &clock, unopened: &[] }];
        assert_eq!(of(1, &[root(2)], &acks, &[]), Status::Sent);
        assert_eq!(delivered_to(&device(ME), 1, &acks), [device(11)]);
    }

    #[test]
    fn s3_a_mark_does_not_read_what_cannot_be_opened() {
        let (clock, unopened) = (holding(9), [range(5, 5)]);
        let acks = [Acked { root: root(2), device: device(2), clock: &clock, unopened: &unopened }];
        let reads = [ReadBy { reader: root(2), device: device(ME), seq: 7 }];
        assert_eq!(of(5, &[root(2)], &acks, &reads), Status::Sent);
        assert_eq!(of(7, &[root(2)], &acks, &reads), Status::Read);
        assert_eq!(of(8, &[root(2)], &acks, &reads), Status::Delivered);
        assert_eq!(of(7, &[root(2)], &[], &reads), Status::Read, "a signed mark comes before the acknowledgement");
    }

    #[test]
    fn queued_until_sent() {
        assert_eq!(status(&device(ME), 1, &[root(2)], &[], &[], false), Status::Queued);
        assert_eq!(status(&device(ME), 1, &[root(2)], &[], &[], true), Status::Sent);
    }
}
