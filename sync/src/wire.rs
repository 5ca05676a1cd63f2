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
//!            2 clock    tag 16 · ask u8 · settled u64 · u32 n ≤ 1,024 · n × frozen device 32 · clock
//!            3 ack      tag 16 · var ≤ 740 KB
//!            4 gone     tag 16
//!            5 listed   –
//!            6 done     –
//!            7 credit   lane u8 (1 sync, 2 msg) · grant
//! msg        1 items    tag 16 · u32 n 1..=512 · n × parcel
//!            2 fork     tag 16 · device 32 · proof var
//!            3 flushed  –
//! grant      max_frame u32 · done (bytes u64 · items u64) · window (bytes u64 · items u64)
//! parcel     event var · u8 n ≤ 128 · n × ( device 32 · box var ≤ 2 KiB )
//! ```
//!
//! Frozen devices ascend. `settled` and `done` are totals since the start of the session.

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
    Items { tag: LogTag, parcels: Vec<Parcel> },
    Fork { tag: LogTag, device: DeviceId, proof: Vec<u8> },
    /// "What you lacked of our common identity logs has been sent."
    Flushed,
}

impl Parcel {
    /// Its length on the wire, in bytes.
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
    const CAP: usize = LogTag::LEN + 1 + 8 + 4 + MAX_DEVICES * DeviceId::LEN + Clock::CAP;

    fn write(&self, to: &mut Writer) {
        to.put(&self.tag).u8(u8::from(self.ask)).u64(self.settled).count(self.frozen.len());
        self.frozen.iter().for_each(|device| device.write(to));
        to.put(&self.clock);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (tag, ask, settled) = (from.get()?, read_flag(from)?, from.u64()?);
        let list: Vec<DeviceId> = from.list(MAX_DEVICES)?;
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
            Self::Items { tag, parcels } => to.u8(1).put(tag).list(parcels),
            Self::Fork { tag, device, proof } => to.u8(2).put(tag).put(device).var(proof),
            Self::Flushed => to.u8(3),
        };
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match from.u8()? {
            1 => Self::Items { tag: from.get()?, parcels: filled(from, READ_EVENTS)? },
            2 => Self::Fork { tag: from.get()?, device: from.get()?, proof: from.var(FORK_CAP)?.to_vec() },
            3 => Self::Flushed,
            _ => return Err(from.bad()),
        })
    }
}

/// The greatest of each kind must fit a frame, or it could never be sent.
const _: () = assert!(ITEMS_HEAD + Parcel::CAP <= CONTACT_FRAME && FORK_CAP + 64 <= CONTACT_FRAME);
const _: () = assert!(1 + ClockWord::CAP <= CONTACT_FRAME && 64 + ACK_CAP <= CONTACT_FRAME);
