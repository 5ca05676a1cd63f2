//! The frames of the three lanes, byte by byte (`docs/WIRE.md`, "Session", draws them too).
//!
//! ```text
//! handshake  1 hello    version u16 = 1 · nonce 32 · chain
//!            2 proof    sig 64
//!            3 open     3 × grant of (handshake, sync, msg)
//!            4 bye      reason u8
//!            5 credit   grant of the handshake lane
//!            16…        note
//! sync       1 offers   u32 n 1..=512 · n × ( tag 16 · digest 32 · ask u8 )
//!            2 clock    tag 16 · ask u8 · settled u64 · u16 n ≤ 1,024 · n × frozen device 32 · clock
//!            3 ack      tag 16 · var ≤ 740 KB
//!            4 gone     tag 16
//!            5 listed   –
//!            6 done     –
//!            7 credit   lane u8 (1 sync, 2 msg) · grant
//! msg        1 items    tag 16 · u32 n 1..=512 · n × parcel
//!            2 fork     tag 16 · device 32 · proof var
//!            3 flushed  –
//!            4 plain    tag 16 · 1..=512 × ( u16 length · event ), to the end of the frame
//! grant      max_frame u32 · done (bytes u64 · items u64) · window (bytes u64 · items u64)
//! parcel     event var · u8 n ≤ 128 · n × ( device 32 · box var ≤ 2 KiB )
//! ```
//!
//! Items without a box, each below 64 KiB, go as `plain`: two bytes beside each event, for there are many. Frozen
//! devices ascend. `settled` and `done` are totals since the start of the session.

use std::collections::BTreeSet;

use y7ke_crypto::clock::{Clock, MAX_DEVICES};
use y7ke_crypto::codec::{DecodeError, Reader, Wire, Writer};
use y7ke_crypto::event::WireEvent;
use y7ke_crypto::hello::{Hello, Proof};
use y7ke_crypto::ids::{DeviceId, LogTag};

use crate::fault::Bye;
use crate::limits::{ACK_CAP, BOX_CAP, BOXES_PER_ITEM, CONTACT_FRAME, OFFERS_PER_FRAME, READ_EVENTS};
use crate::window::Load;
use crate::{Lane, Note, Parcel, VERSION};

/// An encoded fork proof, in bytes: two hollow events (header, signature, hash), with head-room.
pub(crate) const FORK_CAP: usize = 4 * 1_024;

/// Bytes of an items frame before its parcels.
pub(crate) const ITEMS_HEAD: usize = 1 + LogTag::LEN + 4;

/// What a side takes on one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) max_frame: u32,
    pub(crate) done: Load,
    pub(crate) window: Load,
}

/// A frame of the handshake lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hand {
    Hello(Hello),
    /// A hello of a version that we do not speak, unread.
    OtherHello {
        version: u16,
        rest: Vec<u8>,
    },
    Proof(Proof),
    Open([Grant; 3]),
    Bye(Bye),
    Credit(Grant),
    Note(Note),
}

/// One log in an offers frame: "my digest is this"; with `ask`, "I begin afresh; what is yours?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) tag: LogTag,
    pub(crate) digest: [u8; 32],
    pub(crate) ask: bool,
}

/// "This is what I hold"; with `ask`, "what do you?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClockWord {
    pub(crate) tag: LogTag,
    pub(crate) ask: bool,
    /// Items of the other side's msg lane that are settled here, in total: the clock knows of them.
    pub(crate) settled: u64,
    pub(crate) frozen: BTreeSet<DeviceId>,
    pub(crate) clock: Clock,
}

/// A frame of the sync lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Offers(Vec<Offer>),
    Clock(ClockWord),
    Ack {
        tag: LogTag,
        bytes: Vec<u8>,
    },
    /// "I serve this log no more."
    Gone(LogTag),
    /// "I have offered all identity logs that I offer to you."
    Listed,
    /// "What you sent before your `flushed` is stored here."
    Done,
    /// Of the sync or the msg lane.
    Credit(Lane, Grant),
}

/// A frame of the msg lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cargo {
    Items {
        tag: LogTag,
        parcels: Vec<Parcel>,
    },
    Fork {
        tag: LogTag,
        device: DeviceId,
        proof: Vec<u8>,
    },
    /// "What you lacked of our common identity logs has been sent."
    Flushed,
}

impl Parcel {
    /// Whether it can go in the short form.
    fn is_plain(&self) -> bool {
        self.boxes.is_empty() && u16::try_from(self.bytes.len()).is_ok()
    }

    /// Its length on the wire, in bytes; in the short form it is three less.
    pub(crate) fn wire_len(&self) -> usize {
        let boxes: usize = self.boxes.iter().map(|(_, sealed)| DeviceId::LEN + 4 + sealed.len()).sum();
        4 + self.bytes.len() + 1 + boxes
    }

    /// Whether every part is within its cap.
    pub(crate) fn fits(&self) -> bool {
        self.bytes.len() <= WireEvent::CAP
            && self.boxes.len() <= BOXES_PER_ITEM
            && self.boxes.iter().all(|(_, sealed)| sealed.len() <= BOX_CAP)
    }
}

impl Wire for Parcel {
    const WHAT: &'static str = "parcel";
    const CAP: usize = 4 + WireEvent::CAP + 1 + BOXES_PER_ITEM * (DeviceId::LEN + 4 + BOX_CAP);

    fn write(&self, to: &mut Writer) {
        let count = u8::try_from(self.boxes.len()).expect("`fits` was asked: at most 128 boxes");
        to.var(&self.bytes).u8(count);
        for (device, sealed) in &self.boxes {
            to.put(device).var(sealed);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes = from.var(WireEvent::CAP)?.to_vec();
        let count = usize::from(from.u8()?);
        from.cap(count, BOXES_PER_ITEM)?;
        let boxes = (0..count).map(|_| Ok((from.get()?, from.var(BOX_CAP)?.to_vec())));
        Ok(Self { bytes, boxes: boxes.collect::<Result<_, DecodeError>>()? })
    }
}

impl Wire for Load {
    const WHAT: &'static str = "load";
    const CAP: usize = 16;

    fn write(&self, to: &mut Writer) {
        to.u64(self.bytes).u64(self.items);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { bytes: from.u64()?, items: from.u64()? })
    }
}

impl Wire for Grant {
    const WHAT: &'static str = "credit";
    const CAP: usize = 4 + 2 * Load::CAP;

    fn write(&self, to: &mut Writer) {
        to.u32(self.max_frame).put(&self.done).put(&self.window);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { max_frame: from.u32()?, done: from.get()?, window: from.get()? })
    }
}

impl Wire for Hand {
    const WHAT: &'static str = "handshake frame";
    const CAP: usize = crate::limits::STRANGER_FRAME;

    fn write(&self, to: &mut Writer) {
        match self {
            Self::Hello(hello) => to.u8(1).u16(VERSION).put(hello),
            Self::OtherHello { version, rest } => to.u8(1).u16(*version).raw(rest),
            Self::Proof(proof) => to.u8(2).put(proof),
            Self::Open([hand, sync, msg]) => to.u8(3).put(hand).put(sync).put(msg),
            Self::Bye(bye) => to.u8(4).u8(bye.code()),
            Self::Credit(grant) => to.u8(5).put(grant),
            Self::Note(note) => to.put(note),
        };
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match from.u8()? {
            1 => read_hello(from)?,
            2 => Self::Proof(from.get()?),
            3 => Self::Open([from.get()?, from.get()?, from.get()?]),
            4 => Self::Bye(Bye::of(from.u8()?).ok_or(from.bad())?),
            5 => Self::Credit(from.get()?),
            kind => Self::Note(Note::read_kind(kind, from)?),
        })
    }
}

fn read_hello(from: &mut Reader<'_>) -> Result<Hand, DecodeError> {
    match from.u16()? {
        VERSION => Ok(Hand::Hello(from.get()?)),
        version => Ok(Hand::OtherHello { version, rest: from.raw(from.left())?.to_vec() }),
    }
}

fn read_flag(from: &mut Reader<'_>) -> Result<bool, DecodeError> {
    let flag = from.u8()?;
    from.require(flag <= 1)?;
    Ok(flag == 1)
}

impl Wire for Offer {
    const WHAT: &'static str = "offer";
    const CAP: usize = LogTag::LEN + 32 + 1;

    fn write(&self, to: &mut Writer) {
        to.put(&self.tag).raw(&self.digest).u8(u8::from(self.ask));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { tag: from.get()?, digest: from.array()?, ask: read_flag(from)? })
    }
}

impl Wire for ClockWord {
    const WHAT: &'static str = "clock frame";
    const CAP: usize = LogTag::LEN + 1 + 8 + 2 + MAX_DEVICES * DeviceId::LEN + Clock::CAP;

    fn write(&self, to: &mut Writer) {
        to.put(&self.tag).u8(u8::from(self.ask)).u64(self.settled).short_count(self.frozen.len());
        self.frozen.iter().for_each(|device| device.write(to));
        to.put(&self.clock);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (tag, ask, settled) = (from.get()?, read_flag(from)?, from.u64()?);
        let count = from.short_count(MAX_DEVICES)?;
        let list = (0..count).map(|_| from.get()).collect::<Result<Vec<DeviceId>, _>>()?;
        from.require(list.is_sorted_by(|a, b| a < b))?;
        Ok(Self { tag, ask, settled, frozen: list.into_iter().collect(), clock: from.get()? })
    }
}

impl Wire for Word {
    const WHAT: &'static str = "sync frame";
    const CAP: usize = CONTACT_FRAME;

    fn write(&self, to: &mut Writer) {
        match self {
            Self::Offers(offers) => to.u8(1).list(offers),
            Self::Clock(word) => to.u8(2).put(word),
            Self::Ack { tag, bytes } => to.u8(3).put(tag).var(bytes),
            Self::Gone(tag) => to.u8(4).put(tag),
            Self::Listed => to.u8(5),
            Self::Done => to.u8(6),
            Self::Credit(lane, grant) => to.u8(7).u8(if *lane == Lane::Sync { 1 } else { 2 }).put(grant),
        };
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match from.u8()? {
            1 => Self::Offers(filled(from, OFFERS_PER_FRAME)?),
            2 => Self::Clock(from.get()?),
            3 => Self::Ack { tag: from.get()?, bytes: from.var(ACK_CAP)?.to_vec() },
            4 => Self::Gone(from.get()?),
            5 => Self::Listed,
            6 => Self::Done,
            7 => Self::Credit(read_lane(from)?, from.get()?),
            _ => return Err(from.bad()),
        })
    }
}

fn read_lane(from: &mut Reader<'_>) -> Result<Lane, DecodeError> {
    match from.u8()? {
        1 => Ok(Lane::Sync),
        2 => Ok(Lane::Msg),
        _ => Err(from.bad()),
    }
}

/// A list with at least one item.
fn filled<T: Wire>(from: &mut Reader<'_>, cap: usize) -> Result<Vec<T>, DecodeError> {
    let list = from.list(cap)?;
    from.require(!list.is_empty())?;
    Ok(list)
}

impl Wire for Cargo {
    const WHAT: &'static str = "msg frame";
    const CAP: usize = CONTACT_FRAME;

    fn write(&self, to: &mut Writer) {
        match self {
            Self::Items { tag, parcels } if parcels.iter().all(Parcel::is_plain) => {
                to.u8(4).put(tag);
                parcels.iter().fold(to, |to, parcel| to.short_count(parcel.bytes.len()).raw(&parcel.bytes))
            }
            Self::Items { tag, parcels } => to.u8(1).put(tag).list(parcels),
            Self::Fork { tag, device, proof } => to.u8(2).put(tag).put(device).var(proof),
            Self::Flushed => to.u8(3),
        };
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match from.u8()? {
            1 => Self::Items { tag: from.get()?, parcels: read_boxed(from)? },
            2 => Self::Fork { tag: from.get()?, device: from.get()?, proof: from.var(FORK_CAP)?.to_vec() },
            3 => Self::Flushed,
            4 => Self::Items { tag: from.get()?, parcels: read_plain(from)? },
            _ => return Err(from.bad()),
        })
    }
}

/// Items of which one at least needs the long form.
fn read_boxed(from: &mut Reader<'_>) -> Result<Vec<Parcel>, DecodeError> {
    let parcels: Vec<Parcel> = from.list(READ_EVENTS)?;
    from.require(!parcels.iter().all(Parcel::is_plain))?;
    Ok(parcels)
}

fn read_plain(from: &mut Reader<'_>) -> Result<Vec<Parcel>, DecodeError> {
    let mut parcels = Vec::new();
    while from.left() > 0 {
        from.cap(parcels.len() + 1, READ_EVENTS)?;
        let len = from.short_count(WireEvent::CAP)?;
        parcels.push(Parcel { bytes: from.raw(len)?.to_vec(), boxes: Vec::new() });
    }
    from.require(!parcels.is_empty())?;
    Ok(parcels)
}

/// The greatest of each kind must fit a frame, or it could never be sent.
const _: () = assert!(ITEMS_HEAD + Parcel::CAP <= CONTACT_FRAME && FORK_CAP + 64 <= CONTACT_FRAME);
const _: () = assert!(ClockWord::CAP < CONTACT_FRAME && 64 + ACK_CAP <= CONTACT_FRAME);

#[cfg(test)]
mod tests {
    use super::*;
    use y7ke_crypto::cert::{Caps, CertChain, Subject};
    use y7ke_crypto::clock::Tip;
    use y7ke_crypto::codec::Fault;
    use y7ke_crypto::ids::{EventId, RequestId};
    use y7ke_crypto::sign::{DeviceKey, NetSecret, RootKey};

    use crate::RefusalReason;

    fn device(n: u8) -> DeviceId {
        DeviceId::from([n; 32])
    }

    fn tag() -> LogTag {
        LogTag::from([0xa1; 16])
    }

    fn grant(n: u64) -> Grant {
        let load = |bytes, items| Load { bytes, items };
        Grant { max_frame: 65_536, done: load(n * 1_000, n), window: load(131_072, 128) }
    }

    fn hello() -> Hello {
        let (key, net) = (DeviceKey::from_seed(&[1; 32]), NetSecret::from_bytes(&[2; 32]).id());
        let subject = Subject { device: key.id(), net, caps: Caps::ADMIN, not_before: 7, cert_seq: 1 };
        Hello { nonce: [9; 32], chain: CertChain::rooted(&RootKey::from_seed(&[3; 32]), subject) }
    }

    fn clock() -> ClockWord {
        let tip = |seq, n| Tip { seq, id: EventId::from([n; 32]) };
        let mut clock: Clock = [(device(20), tip(5, 1))].into_iter().collect();
        clock.set_tips(device(21), vec![tip(3, 2), tip(3, 3)]);
        ClockWord { tag: tag(), ask: true, settled: 12, frozen: [device(21), device(22)].into(), clock }
    }

    fn parcels() -> Vec<Parcel> {
        let boxed = vec![(device(30), vec![4; 5]), (device(31), vec![])];
        vec![Parcel { bytes: vec![1, 2, 3], boxes: boxed }, Parcel { bytes: vec![], boxes: vec![] }]
    }

    fn plain() -> Vec<Parcel> {
        [vec![1, 2, 3], vec![], vec![4; 300]].map(|bytes| Parcel { bytes, boxes: vec![] }).into()
    }

    fn hands() -> Vec<(&'static str, Hand)> {
        let (req_id, root) = (RequestId::from([6; 32]), RootKey::from_seed(&[4; 32]).id());
        let refused = Note::RequestRefused { req_id, reason: RefusalReason::Busy };
        vec![
            ("handshake 1 hello", Hand::Hello(hello())),
            ("handshake 1 hello of version 2", Hand::OtherHello { version: 2, rest: vec![1, 2] }),
            ("handshake 2 proof", Hand::Proof(Proof([5; 64]))),
            ("handshake 3 open", Hand::Open([grant(0), grant(0), grant(0)])),
            ("handshake 4 bye: another version", Hand::Bye(Bye::Version)),
            ("handshake 4 bye: protocol broken", Hand::Bye(Bye::Fault)),
            ("handshake 4 bye: no proof in time", Hand::Bye(Bye::Timeout)),
            ("handshake 5 credit", Hand::Credit(grant(2))),
            ("handshake 16 want-bundle", Hand::Note(Note::WantBundle(root))),
            ("handshake 17 bundle", Hand::Note(Note::Bundle(vec![1, 2, 3]))),
            ("handshake 18 request", Hand::Note(Note::Request(vec![4, 5]))),
            ("handshake 19 request-received", Hand::Note(Note::RequestReceived(req_id))),
            ("handshake 20 request-refused", Hand::Note(refused)),
            ("handshake 21 addresses", Hand::Note(Note::Addresses(vec!["/ip4/192.168.1.7/tcp/4101".to_owned()]))),
            ("handshake 22 taken-back", Hand::Note(Note::TakenBack(req_id))),
            ("handshake 23 taken-back-noted", Hand::Note(Note::TakenBackNoted(req_id))),
        ]
    }

    fn words() -> Vec<(&'static str, Word)> {
        let offer = |n, ask| Offer { tag: LogTag::from([n; 16]), digest: [n + 1; 32], ask };
        vec![
            ("sync 1 offers", Word::Offers(vec![offer(1, true), offer(3, false)])),
            ("sync 2 clock", Word::Clock(clock())),
            ("sync 3 ack", Word::Ack { tag: tag(), bytes: vec![7, 8, 9] }),
            ("sync 4 gone", Word::Gone(tag())),
            ("sync 5 listed", Word::Listed),
            ("sync 6 done", Word::Done),
            ("sync 7 credit of sync", Word::Credit(Lane::Sync, grant(3))),
            ("sync 7 credit of msg", Word::Credit(Lane::Msg, grant(4))),
        ]
    }

    fn cargos() -> Vec<(&'static str, Cargo)> {
        vec![
            ("msg 1 items", Cargo::Items { tag: tag(), parcels: parcels() }),
            ("msg 4 plain", Cargo::Items { tag: tag(), parcels: plain() }),
            ("msg 2 fork", Cargo::Fork { tag: tag(), device: device(21), proof: vec![1; 6] }),
            ("msg 3 flushed", Cargo::Flushed),
        ]
    }

    fn check<T: Wire + PartialEq + std::fmt::Debug>(
        all: Vec<(&str, T)>,
        made: &mut serde_json::Map<String, serde_json::Value>,
    ) {
        for (name, frame) in all {
            let mut bytes = frame.to_bytes();
            made.insert(name.into(), bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into());
            assert_eq!(T::from_bytes(&bytes).as_ref(), Ok(&frame), "{name}");
            if !name.ends_with("version 2") {
                assert!(T::from_bytes(&bytes[..bytes.len() - 1]).is_err(), "{name}, cut short");
                bytes.push(0);
                // Where items go on to the end, one more byte is half a length.
                let more = if name.ends_with("plain") { Fault::Short } else { Fault::Trailing };
                assert_eq!(T::from_bytes(&bytes).map_err(|why| why.fault), Err(more), "{name}");
            }
        }
    }

    /// Every frame as `fixtures/sync/frames.json` has it. `Y7KE_WRITE_VECTORS=1` writes them anew.
    #[test]
    fn frames_are_as_stored() {
        let mut made = serde_json::Map::new();
        check(hands(), &mut made);
        check(words(), &mut made);
        check(cargos(), &mut made);
        let text = serde_json::to_string_pretty(&made).unwrap() + "\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/sync/frames.json");
        if std::env::var_os("Y7KE_WRITE_VECTORS").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), text);
    }

    /// Every length has a cap, and a list that must not be empty is not.
    #[test]
    fn caps_hold() {
        let too_long = |bytes: &[u8], cap| {
            assert_eq!(Cargo::from_bytes(bytes).map_err(|why| why.fault), Err(Fault::TooLong { cap }))
        };
        let items = |count: u32, rest: &[u8]| [&[1], &[0; 16][..], &count.to_le_bytes(), rest].concat();
        let plain = |rest: &[u8]| [&[4], &[0; 16][..], rest].concat();
        too_long(&plain(&[0; 2 * 513]), 512);
        too_long(&items(513, &[]), 512);
        too_long(&items(1, &70_000_000u32.to_le_bytes()), WireEvent::CAP);
        too_long(&items(1, &[0, 0, 0, 0, 129]), 128);
        for none in [items(0, &[]), plain(&[])] {
            assert!(Cargo::from_bytes(&none).is_err());
        }
        assert!(Cargo::from_bytes(&items(1, &[0; 5])).is_err(), "what can be short is short");
        assert!(Cargo::from_bytes(&plain(&[0])).is_err(), "half a length");
        assert!(Word::from_bytes(&[1, 0, 0, 0, 0]).is_err());
        assert!(Word::from_bytes(&[1, 1, 2, 0, 0]).is_err());
        assert!(Word::from_bytes(&[&[1, 1, 0, 0, 0][..], &[0; 48], &[2]].concat()).is_err(), "a flag is 0 or 1");
        let mut frozen = clock().to_bytes();
        frozen.swap(27, 59); // the first bytes of the two frozen devices: descending now
        assert!(ClockWord::from_bytes(&frozen).is_err());
    }
}
