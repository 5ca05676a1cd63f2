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

use y7ke_crypto::ack::{Ack, Arrival};
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
    /// What the device says.
    pub ack: &'a Ack,
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
    let holders = acks.iter().filter(|of| of.ack.arrival(author, seq) == Arrival::Delivered).map(|of| of.ack.device);
    let mut devices: Vec<_> = holders.filter(|device| device != author).collect();
    devices.sort_unstable();
    devices.dedup();
    devices
}

fn has_it(root: &RootId, author: &DeviceId, seq: u64, acks: &[Acked<'_>]) -> bool {
    acks.iter().any(|of| of.root == *root && of.ack.arrival(author, seq) == Arrival::Delivered)
}

/// A mark is a greatest number: where the person's devices say that they hold the event and none can open
/// it, they have not read it, whatever the mark covers.
fn has_read(root: &RootId, author: &DeviceId, seq: u64, acks: &[Acked<'_>], reads: &[ReadBy]) -> bool {
    let marked = reads.iter().any(|mark| mark.reader == *root && mark.device == *author && mark.seq >= seq);
    let held = acks.iter().any(|of| of.root == *root && of.ack.arrival(author, seq) != Arrival::Missing);
    marked && (!held || has_it(root, author, seq, acks))
}

#[cfg(test)]
mod tests {
    use y7ke_crypto::clock::{Clock, Tip, Want};
    use y7ke_crypto::ids::{EventId, LogId};

    use super::*;

    const ME: u8 = 1;

    fn device(n: u8) -> DeviceId {
        DeviceId::from([n; 32])
    }

    fn root(n: u8) -> RootId {
        RootId::from([n; 32])
    }

    /// Device `n` holds my events up to `seq`, but for these it has no key.
    fn ack(n: u8, seq: u64, unopened: &[(u64, u64)]) -> Ack {
        let tip = Tip { seq, id: EventId::from([9; 32]) };
        let clock: Clock = [(device(ME), tip)].into_iter().filter(|_| seq > 0).collect();
        let unopened = unopened.iter().map(|(from, to)| Want { device: device(ME), from: *from, to: *to }).collect();
        Ack { log: LogId::from([8; 32]), device: device(n), number: 1, clock, unopened }
    }

    fn of(seq: u64, others: &[u8], acks: &[(u8, &Ack)], reads: &[ReadBy]) -> Status {
        let others: Vec<_> = others.iter().map(|n| root(*n)).collect();
        let acks: Vec<_> = acks.iter().map(|(person, ack)| Acked { root: root(*person), ack }).collect();
        status(&device(ME), seq, &others, &acks, reads, true)
    }

    /// S3: the fault of the earlier messenger: "acknowledged up to 9" taken for "has 5".
    #[test]
    fn s3_delivery_is_never_inferred_from_a_maximum() {
        let ack = ack(20, 9, &[(5, 6)]);
        let reached: Vec<_> = (1..=10).map(|seq| of(seq, &[2], &[(2, &ack)], &[])).collect();
        let expected = [(4, Status::Delivered), (2, Status::Sent), (3, Status::Delivered), (1, Status::Sent)];
        let expected: Vec<_> = expected.into_iter().flat_map(|(n, status)| std::iter::repeat_n(status, n)).collect();
        assert_eq!(reached, expected);
    }

    /// S3: one device of each other member is enough, and each member is needed.
    #[test]
    fn s3_each_other_member_and_any_of_its_devices() {
        let (a, b, nothing, all) = (ack(20, 3, &[]), ack(21, 3, &[]), ack(30, 0, &[]), ack(31, 3, &[]));
        assert_eq!(of(1, &[2, 3], &[(2, &a), (2, &b)], &[]), Status::Sent);
        assert_eq!(of(1, &[2, 3], &[(2, &a), (3, &nothing)], &[]), Status::Sent);
        assert_eq!(of(1, &[2, 3], &[(2, &a), (3, &nothing), (3, &all)], &[]), Status::Delivered);
        assert_eq!(of(1, &[], &[(2, &a)], &[]), Status::Sent, "nobody else is nobody's delivery");
    }

    /// S3: what no device of the person can open is not delivered; one that can is enough.
    #[test]
    fn s3_one_device_that_can_open_it_is_enough() {
        let (closed, open) = (ack(20, 9, &[(1, 9)]), ack(21, 9, &[]));
        assert_eq!(of(5, &[2], &[(2, &closed)], &[]), Status::Sent);
        assert_eq!(of(5, &[2], &[(2, &closed), (2, &open)], &[]), Status::Delivered);
    }

    /// S3: my own sibling's acknowledgement delivers nothing to the other person.
    #[test]
    fn s3_a_sibling_does_not_count() {
        let sibling = ack(11, 3, &[]);
        assert_eq!(of(1, &[2], &[(ME, &sibling)], &[]), Status::Sent);
        let acks = [Acked { root: root(ME), ack: &sibling }];
        assert_eq!(delivered_to(&device(ME), 1, &acks), [device(11)]);
    }

    #[test]
    fn s3_a_mark_does_not_read_what_cannot_be_opened() {
        let ack = ack(20, 9, &[(5, 5)]);
        let reads = [ReadBy { reader: root(2), device: device(ME), seq: 7 }];
        assert_eq!(of(5, &[2], &[(2, &ack)], &reads), Status::Sent);
        assert_eq!(of(7, &[2], &[(2, &ack)], &reads), Status::Read);
        assert_eq!(of(8, &[2], &[(2, &ack)], &reads), Status::Delivered);
        assert_eq!(of(7, &[2], &[], &reads), Status::Read, "a signed mark comes before the acknowledgement");
    }

    #[test]
    fn queued_until_sent() {
        assert_eq!(status(&device(ME), 1, &[root(2)], &[], &[], false), Status::Queued);
        assert_eq!(status(&device(ME), 1, &[root(2)], &[], &[], true), Status::Sent);
    }
}
