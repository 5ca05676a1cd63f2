//! What a peer handed over, as far as its bytes alone decide.
//!
//! ```text
//! bytes ─▶ caps ▸ layout ─▶ id rebuilt ─▶ signatures, all at once ─▶ verdicts ─▶ Batch::take
//! ```
//!
//! A pure function of bytes: no log, no state, no randomness. So whoever holds the bytes may run it ahead of the
//! round that takes the events in, on any thread; the proof travels in the type ([`Verified`]).

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use y7ke_crypto::codec::{DecodeError, Wire};
use y7ke_crypto::event::WireEvent;
use y7ke_crypto::ids::EventId;
use y7ke_crypto::sign::{BadSignature, SIG_LEN, Signed, Verified, verify_batch};

use crate::id::Event;

/// What is to be said of bytes that should be an event: its sender's fault, or its author's, or a verified event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not an event within the caps.
    Malformed(DecodeError),
    /// Not signed by its author.
    Forged,
    /// Signed by its author.
    Verified(Box<Verified<Event>>),
}

/// Checks everything that a peer handed over at once.
pub fn check<'b>(all: impl IntoIterator<Item = &'b [u8]>) -> Vec<Verdict> {
    let (mut verdicts, mut events) = (Vec::new(), Vec::new());
    for bytes in all {
        match WireEvent::from_bytes(bytes) {
            Ok(wire) => {
                verdicts.push(None);
                events.push(Event::from_wire(wire));
            }
            Err(why) => verdicts.push(Some(Verdict::Malformed(why))),
        }
    }
    let mut verified = verify(events).into_iter().map(|verdict| match verdict {
        Ok(event) => Verdict::Verified(Box::new(event)),
        Err(BadSignature) => Verdict::Forged,
    });
    verdicts.into_iter().filter_map(|verdict| verdict.or_else(|| verified.next())).collect()
}

/// Checks signatures together. The weights of the sum come from everything that is summed: who would have forged
/// signatures cancel each other out must find a collision of 128 bits, and no run differs from another.
pub fn verify(events: Vec<Signed<Event>>) -> Vec<Result<Verified<Event>, BadSignature>> {
    // One piece of memory: many of its blocks are hashed at once.
    let mut signed = Vec::with_capacity(WEIGHTS.len() + events.len() * (EventId::LEN + SIG_LEN));
    signed.extend_from_slice(WEIGHTS);
    for event in &events {
        // The id covers the author's key.
        signed.extend_from_slice(event.claim.id().as_bytes());
        signed.extend_from_slice(&event.sig);
    }
    verify_batch(&mut ChaCha20Rng::from_seed(*blake3::hash(&signed).as_bytes()), events)
}

/// Label of the weights; they never leave this device.
const WEIGHTS: &[u8] = b"y7/batch-weights/1";

#[cfg(test)]
mod tests {
    use y7ke_crypto::event::Payload;

    use super::*;
    use crate::tests::{Member, NOW, filler, request_id};

    fn wire(member: &Member, n: u64) -> Vec<u8> {
        let log = crate::admit::LogSpec::conversation(member.root, member.root, request_id(1)).id();
        Event::to_wire(member.open_event(log, n, NOW + n, vec![], &filler(n)).as_signed()).to_bytes()
    }

    /// E3: each verdict is that of the event alone, and stands where the event stood.
    #[test]
    fn e3_the_bad_ones_are_found_among_the_good() {
        let members = [Member::new(1, 1), Member::new(2, 2)];
        let mut all: Vec<_> = (1..=40).map(|n| wire(&members[n as usize % 2], n)).collect();
        all[3].pop();
        let forged = all[7].len() - 80;
        all[7][forged] ^= 1;
        all[20].clear();
        let together = check(all.iter().map(Vec::as_slice));
        let alone: Vec<_> = all.iter().flat_map(|bytes| check([bytes.as_slice()])).collect();
        assert_eq!(together, alone);
        for (at, verdict) in together.iter().enumerate() {
            match verdict {
                Verdict::Malformed(_) => assert!([3, 20].contains(&at), "{at}"),
                Verdict::Forged => assert_eq!(at, 7),
                Verdict::Verified(event) => {
                    assert!(matches!(event.payload(), Payload::Full(_)));
                    assert_eq!(Event::to_wire(event.as_signed()).to_bytes(), all[at]);
                }
            }
        }
        assert!(matches!(together[7], Verdict::Forged) && matches!(together[3], Verdict::Malformed(_)));
    }
}
