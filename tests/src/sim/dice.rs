//! All randomness of a run: streams named by a label, each derived from the one seed.
//!
//! ```text
//! stream(label) = ChaCha8( a mix of seed and label )     streams do not disturb each other
//! ```
//!
//! A stream of its own for each purpose keeps a change in one place (one more frame, say) from
//! reshuffling every other decision of the run.

use std::ops::Range;

use rand_chacha::{ChaCha8Rng, ChaCha20Rng};
use rand_core::{Rng, SeedableRng};

/// One stream of decisions.
#[derive(Clone, Debug)]
pub struct Dice {
    rng: ChaCha8Rng,
}

impl Dice {
    /// The stream that `seed` has under `label`.
    pub fn new(seed: u64, label: &str) -> Self {
        Self { rng: ChaCha8Rng::from_seed(key(seed, label)) }
    }

    /// Another stream, of what this one rolls next.
    pub fn fork(&mut self, label: &str) -> Self {
        Self::new(self.rng.next_u64(), label)
    }

    /// Randomness for a core: cryptographic in type, reproducible in fact.
    pub fn rng(&mut self) -> ChaCha20Rng {
        ChaCha20Rng::from_seed(key(self.rng.next_u64(), "rng"))
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// A number below `n`; 0 if `n` is 0. (The bias of a remainder is far below what a test could see.)
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.rng.next_u64() % n }
    }

    /// A number of `range`.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.below(range.end.saturating_sub(range.start))
    }

    /// True `n` times in a thousand.
    pub fn permille(&mut self, n: u64) -> bool {
        self.below(1_000) < n
    }

    /// True half the time.
    pub fn coin(&mut self) -> bool {
        self.rng.next_u64() & 1 == 1
    }

    /// One of `items`; none if there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let at = self.below(items.len() as u64);
        items.get(usize::try_from(at).unwrap_or(usize::MAX))
    }
}

/// FNV-1a over the label, spread over 32 bytes with the seed: not secret, only distinct.
fn key(seed: u64, label: &str) -> [u8; 32] {
    let mix =
        |start: u64| label.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let words = [seed, mix(0xcbf2_9ce4_8422_2325), seed.rotate_left(32) ^ mix(1), mix(seed)];
    let mut key = [0; 32];
    words.iter().zip(key.chunks_exact_mut(8)).for_each(|(word, chunk)| chunk.copy_from_slice(&word.to_le_bytes()));
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_named_by_its_seed_and_label() {
        let rolls = |seed, label| {
            (0..4).map(|_| 0).fold((Dice::new(seed, label), Vec::new()), |(mut dice, mut all), _: u64| {
                all.push(dice.any());
                (dice, all)
            })
        };
        assert_eq!(rolls(1, "net").1, rolls(1, "net").1);
        assert_ne!(rolls(1, "net").1, rolls(2, "net").1);
        assert_ne!(rolls(1, "net").1, rolls(1, "disk").1);
    }

    #[test]
    fn ranges_are_kept() {
        let mut dice = Dice::new(3, "test");
        assert!((0..1_000).all(|_| (5..9).contains(&dice.within(5..9))));
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.pick::<u8>(&[]), None);
    }
}
