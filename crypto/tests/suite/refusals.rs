//! What must be refused, of every format: truncations, trailing bytes, flips; and fuzz smoke runs.

use std::collections::BTreeMap;

use rand_core::Rng;
use y7ke_crypto::codec::Fault;
use y7ke_crypto::fuzz;

use crate::formats::{self, Format};
use crate::kit::rng;

#[test]
fn every_sample_decodes_re_encodes_and_is_believed() {
    for Format { name, bytes, again, believes, .. } in formats::all() {
        assert_eq!(again(&bytes).as_ref(), Ok(&bytes), "{name}");
        assert!(believes.is_none_or(|believes| believes(&bytes)), "{name}");
    }
}

#[test]
fn every_truncation_is_refused() {
    for Format { name, bytes, again, .. } in formats::all() {
        for len in 0..bytes.len() {
            assert!(again(&bytes[..len]).is_err(), "{name} cut to {len}");
        }
    }
}

#[test]
fn a_trailing_byte_is_refused() {
    for Format { name, mut bytes, again, .. } in formats::all() {
        bytes.push(0);
        let fault = again(&bytes).unwrap_err().fault;
        assert!(matches!(fault, Fault::Trailing | Fault::TooLong { .. }), "{name}: {fault}");
    }
}

#[test]
fn input_longer_than_its_cap_is_refused_unread() {
    for Format { name, cap, again, .. } in formats::all() {
        assert_eq!(again(&vec![0; cap + 1]).unwrap_err().fault, Fault::TooLong { cap }, "{name}");
    }
}

/// Every count and length at its cap + 1: (format, offset, width, cap).
#[test]
fn counts_of_cap_plus_one_are_refused() {
    let formats: BTreeMap<&str, Format> = formats::all().into_iter().map(|format| (format.name, format)).collect();
    let tail = |name: &str, back: usize| formats[name].bytes.len() - back;
    let counts = [
        ("chain", 0, 1, 4),
        ("bundle", 32, 1, 16),
        ("bundle", 33, 1, 4),
        ("header", 143, 1, 16),
        ("event_sealed", 144 + 2 * 72 + 64 + 1, 4, 69_648),
        ("request_sealed", 24, 1, 16),
        ("request_sealed", tail("request_sealed", 4_096 + 16 + 4), 4, 24 * 1_024),
        ("rekey", 40, 4, 128),
        ("clock", 0, 4, 1_024),
        ("clock", 36, 1, 16),
        ("ack", tail("ack", 64 + 2 * 48 + 4), 4, 1_024),
        ("hello", 32, 1, 4),
        ("vault", 40, 1, 8),
    ];
    for (name, at, width, cap) in counts {
        let mut bytes = formats[name].bytes.clone();
        bytes[at..at + width].copy_from_slice(&(cap as u32 + 1).to_le_bytes()[..width]);
        assert_eq!((formats[name].again)(&bytes).unwrap_err().fault, Fault::TooLong { cap }, "{name} at {at}");
    }
}

/// Exhaustive over bytes: one bit of each, another one from byte to byte.
#[test]
fn no_flipped_byte_of_a_signed_or_sealed_format_is_believed() {
    for Format { name, bytes, believes, .. } in formats::all() {
        let Some(believes) = believes else { continue };
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << (at % 8);
            assert!(!believes(&bad), "{name} with byte {at} flipped");
        }
    }
}

/// Where a flip still decodes, it decodes to other bytes: one value, one encoding.
#[test]
fn every_flip_that_decodes_re_encodes_to_itself() {
    for Format { name, bytes, again, .. } in formats::all() {
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 0x81;
            assert!(again(&other).is_none_or_same(&other), "{name} at {at}");
        }
    }
}

trait NoneOrSame {
    fn is_none_or_same(&self, bytes: &[u8]) -> bool;
}

impl<E> NoneOrSame for Result<Vec<u8>, E> {
    fn is_none_or_same(&self, bytes: &[u8]) -> bool {
        self.as_ref().map_or(true, |again| again == bytes)
    }
}

#[test]
fn fuzz_bodies_survive_random_bytes() {
    let mut rng = rng(77);
    for (_, target) in fuzz::ALL {
        for _ in 0..200 {
            let mut data = vec![0; rng.next_u32() as usize % 2_000];
            rng.fill_bytes(&mut data);
            target(&data);
        }
    }
}

#[test]
fn fuzz_bodies_survive_mutated_samples() {
    let mut rng = rng(78);
    for Format { bytes, fuzz: name, .. } in formats::all() {
        let (_, target) = fuzz::ALL.iter().find(|(of, _)| *of == name).unwrap();
        target(&bytes);
        for _ in 0..150 {
            target(&mutated(&mut rng, &bytes));
        }
    }
}

/// Every parser meets every other format.
#[test]
fn fuzz_bodies_survive_each_others_formats() {
    for Format { bytes, .. } in formats::all() {
        fuzz::ALL.iter().for_each(|(_, target)| target(&bytes));
    }
}

fn mutated(rng: &mut impl Rng, bytes: &[u8]) -> Vec<u8> {
    let mut data = bytes.to_vec();
    for _ in 0..=rng.next_u32() % 4 {
        let at = rng.next_u32() as usize % data.len().max(1);
        match rng.next_u32() % 4 {
            0 => data.truncate(at),
            1 => data.insert(at, rng.next_u32() as u8),
            2 => data.iter_mut().skip(at).take(4).for_each(|byte| *byte = 0xff),
            _ => data.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (at % 8)),
        }
    }
    data
}
