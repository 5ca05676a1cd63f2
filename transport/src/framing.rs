//! Frames on a lane.
//!
//! ```text
//! frame     = length u32 LE ‖ length bytes          1 ≤ length ≤ cap
//! heartbeat = 00 00 00 00                           nothing to say, still here
//! goodbye   = ff ff ff ff                           last on a lane: the end was meant
//! cap       = 64 KiB until the peer is trusted, then 1 MiB
//! ```
//!
//! Invariants: a body is allocated as its bytes come, never by its announced length; a length beyond
//! the cap is refused before a byte of the body is taken, and accepted later if the cap was raised.

use thiserror::Error;

const HEARTBEAT: u32 = 0;
const GOODBYE: u32 = u32::MAX;
const HEADER: usize = 4;
/// First allocation for a body, bytes: what strangers send fits often, and 128 of them are 1 MiB.
const FIRST_ALLOCATION: u32 = 8 << 10;

/// The heartbeat as it travels.
pub(crate) const HEARTBEAT_BYTES: [u8; HEADER] = HEARTBEAT.to_le_bytes();
/// The goodbye as it travels.
pub(crate) const GOODBYE_BYTES: [u8; HEADER] = GOODBYE.to_le_bytes();

/// What a lane says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Frame(Vec<u8>),
    Heartbeat,
    Goodbye,
}

/// The peer announced more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a frame of {length} bytes where {cap} are allowed")]
pub(crate) struct TooLong {
    pub(crate) length: u32,
    pub(crate) cap: u32,
}

/// What stands before a frame of this many bytes.
pub(crate) fn header(length: u32) -> [u8; HEADER] {
    length.to_le_bytes()
}

/// Cuts a lane's bytes into items.
#[derive(Debug)]
pub(crate) struct Decoder {
    cap: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    Header { bytes: [u8; HEADER], have: usize },
    Announced(u32),
    Body { length: u32, bytes: Vec<u8> },
}

const START: State = State::Header { bytes: [0; HEADER], have: 0 };

impl Decoder {
    pub(crate) fn new(cap: u32) -> Self {
        Self { cap, state: START }
    }

    /// Raises or lowers the cap for frames whose body has not begun.
    pub(crate) fn set_cap(&mut self, cap: u32) {
        self.cap = cap;
    }

    /// Is nothing begun? The end of a lane elsewhere cuts a frame in two.
    #[cfg(test)]
    pub(crate) fn is_between_frames(&self) -> bool {
        matches!(self.state, State::Header { have: 0, .. })
    }

    /// Takes bytes from the front of `input` until an item is complete or `input` is empty.
    /// After `TooLong`, the same call goes on once the cap was raised.
    pub(crate) fn feed(&mut self, input: &mut &[u8]) -> Result<Option<Item>, TooLong> {
        loop {
            match std::mem::replace(&mut self.state, START) {
                State::Header { bytes, have } => {
                    self.state = take_header(bytes, have, input);
                    if matches!(self.state, State::Header { .. }) {
                        return Ok(None);
                    }
                }
                State::Announced(HEARTBEAT) => return Ok(Some(Item::Heartbeat)),
                State::Announced(GOODBYE) => return Ok(Some(Item::Goodbye)),
                State::Announced(length) if length > self.cap => {
                    self.state = State::Announced(length);
                    return Err(TooLong { length, cap: self.cap });
                }
                State::Announced(length) => {
                    self.state =
                        State::Body { length, bytes: Vec::with_capacity(length.min(FIRST_ALLOCATION) as usize) };
                }
                State::Body { length, bytes } => return Ok(self.take_body(length, bytes, input)),
            }
        }
    }

    fn take_body(&mut self, length: u32, mut bytes: Vec<u8>, input: &mut &[u8]) -> Option<Item> {
        let missing = (length as usize).saturating_sub(bytes.len());
        bytes.extend_from_slice(split_front(input, missing));
        if bytes.len() == length as usize {
            return Some(Item::Frame(bytes));
        }
        self.state = State::Body { length, bytes };
        None
    }
}

fn take_header(mut bytes: [u8; HEADER], have: usize, input: &mut &[u8]) -> State {
    let taken = split_front(input, HEADER - have);
    bytes[have..have + taken.len()].copy_from_slice(taken);
    match have + taken.len() {
        HEADER => State::Announced(u32::from_le_bytes(bytes)),
        have => State::Header { bytes, have },
    }
}

fn split_front<'a>(input: &mut &'a [u8], at_most: usize) -> &'a [u8] {
    let (front, rest) = input.split_at(at_most.min(input.len()));
    *input = rest;
    front
}

/// Fuzz body: cuts `data` in one piece and in pieces, and compares; then writes and reads again.
/// Panics where the two readings differ.
pub(crate) fn fuzz(data: &[u8]) {
    let (step, bytes) = data.split_first().map_or((1, data), |(first, rest)| (usize::from(*first) + 1, rest));
    let whole = read_in_steps(bytes, bytes.len().max(1));
    assert_eq!(whole, read_in_steps(bytes, step), "the cut depends on how the bytes arrive");
    let written: Vec<u8> = whole.0.iter().flat_map(written).collect();
    assert_eq!(&bytes[..written.len()], written, "what was read is not what was written");
}

fn read_in_steps(bytes: &[u8], step: usize) -> (Vec<Item>, Option<TooLong>) {
    const FUZZ_CAP: u32 = 1 << 16;
    let (mut decoder, mut items) = (Decoder::new(FUZZ_CAP), Vec::new());
    for mut piece in bytes.chunks(step) {
        loop {
            match decoder.feed(&mut piece) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(fault) => return (items, Some(fault)),
            }
        }
    }
    (items, None)
}

fn written(item: &Item) -> Vec<u8> {
    match item {
        Item::Frame(bytes) => [&header(bytes.len() as u32), bytes.as_slice()].concat(),
        Item::Heartbeat => HEARTBEAT_BYTES.to_vec(),
        Item::Goodbye => GOODBYE_BYTES.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_heartbeats_and_goodbyes_come_out_however_the_bytes_arrive() {
        let items = [Item::Frame(vec![1, 2, 3]), Item::Heartbeat, Item::Frame(vec![9; 70]), Item::Goodbye];
        let bytes: Vec<u8> = items.iter().flat_map(written).collect();
        for step in 1..=bytes.len() {
            assert_eq!(read_in_steps(&bytes, step), (items.to_vec(), None), "in steps of {step}");
        }
    }

    #[test]
    fn a_length_beyond_the_cap_is_refused_before_its_body_and_taken_after_the_cap_was_raised() {
        let mut decoder = Decoder::new(4);
        let mut input: &[u8] = &[5, 0, 0, 0, 1, 2, 3, 4, 5];
        assert_eq!(decoder.feed(&mut input), Err(TooLong { length: 5, cap: 4 }));
        assert_eq!(input.len(), 5);
        assert_eq!(decoder.feed(&mut input), Err(TooLong { length: 5, cap: 4 }));
        decoder.set_cap(5);
        assert_eq!(decoder.feed(&mut input), Ok(Some(Item::Frame(vec![1, 2, 3, 4, 5]))));
        assert!(decoder.is_between_frames());
    }

    #[test]
    fn an_announced_length_allocates_little() {
        let mut decoder = Decoder::new(1 << 20);
        let mut input: &[u8] = &[0, 0, 16, 0, 7];
        assert_eq!(decoder.feed(&mut input), Ok(None));
        let State::Body { bytes, .. } = &decoder.state else { panic!("no body was begun") };
        assert!(bytes.capacity() <= FIRST_ALLOCATION as usize);
    }

    #[test]
    fn the_fuzz_body_holds_on_arbitrary_bytes() {
        let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
        for length in 0..400 {
            let data: Vec<u8> = (0..length)
                .map(|at| {
                    noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    // Zeroes often, so that short lengths occur.
                    if at % 3 == 0 { (noise >> 56) as u8 & 7 } else { 0 }
                })
                .collect();
            fuzz(&data);
        }
    }
}
