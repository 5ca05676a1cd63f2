//! The trace: a running hash over everything that happened, and the last lines of it in words.
//!
//! Equal hashes of two runs mean that they did the same in the same order. The words are for the
//! person who reads a failure; with `Y7_SIM_TRACE=1` all of them are printed as they happen.

use std::collections::VecDeque;
use std::fmt;

/// Lines that a failure shows.
const TAIL: usize = 60;

/// What happened so far.
pub struct Trace {
    hash: [u64; 2],
    lines: u64,
    tail: VecDeque<String>,
    print: bool,
}

impl Default for Trace {
    fn default() -> Self {
        let print = std::env::var_os("Y7_SIM_TRACE").is_some();
        Self { hash: [0xcbf2_9ce4_8422_2325, 0x9e37_79b9_7f4a_7c15], lines: 0, tail: VecDeque::new(), print }
    }
}

impl Trace {
    /// Notes one line.
    pub fn note(&mut self, line: fmt::Arguments<'_>) {
        let line = line.to_string();
        self.mix(line.as_bytes());
        if self.print {
            show(&line);
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
        self.lines += 1;
    }

    /// Notes bytes: into the hash only.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.mix(bytes);
    }

    /// The hash so far.
    pub fn hash(&self) -> String {
        format!("{:016x}{:016x}", self.hash[0], self.hash[1])
    }

    /// How many lines there were.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The last lines, one each.
    pub fn tail(&self) -> String {
        self.tail.iter().fold(String::new(), |text, line| text + line + "\n")
    }

    /// Two multiplicative hashes, eight bytes at a time: collisions by accident are what matters here.
    fn mix(&mut self, bytes: &[u8]) {
        let [mut a, mut b] = self.hash;
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let word = u64::from_le_bytes(word);
            a = (a ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
            b = (b ^ word.rotate_left(17)).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(31);
        }
        // The length ends the line: an empty one counts as well.
        let end = bytes.len() as u64 ^ 0xff;
        self.hash = [(a ^ end).wrapping_mul(0x0100_0000_01b3), b.wrapping_add(end)];
    }
}

#[allow(clippy::print_stderr, reason = "the person asked for it by Y7_SIM_TRACE")]
fn show(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_tells_order_and_boundaries_apart() {
        let hash = |lines: &[&str]| {
            let mut trace = Trace::default();
            lines.iter().for_each(|line| trace.note(format_args!("{line}")));
            trace.hash()
        };
        assert_eq!(hash(&["a", "b"]), hash(&["a", "b"]));
        assert_ne!(hash(&["a", "b"]), hash(&["b", "a"]));
        assert_ne!(hash(&["a", "b"]), hash(&["ab"]));
        assert_ne!(hash(&["a"]), hash(&["a", ""]));
    }
}
