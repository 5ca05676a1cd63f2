//! Looking for messages by their words.
//!
//! ```text
//! typed ──PAUSE──▶ asked (numbered) ──▶ answer ─▶ found, newest first
//!                        └─ an answer to an older question is dropped
//! ```

use y7ke_node::api::MessageView;

use super::text;

/// How long after the last key it is asked: a word is typed faster than a long history is read.
pub const PAUSE_MS: u64 = 180;

/// What the node takes at most, in characters.
const QUERY_CHARS: usize = 256;

/// Characters of a snippet before the hit: what fits beside it in the list.
const BEFORE: usize = 18;

/// Characters of a snippet after the hit.
const AFTER: usize = 100;

/// One search that is typed, and what it found.
#[derive(Clone, Debug, Default)]
pub struct Query {
    words: String,
    due: Option<u64>,
    number: u64,
    waiting: bool,
    /// What was found, newest first.
    pub found: Vec<MessageView>,
    /// There is more than was asked for.
    pub more: bool,
    /// Why nothing could be looked for, in words.
    pub trouble: String,
}

impl Query {
    /// What is looked for.
    pub fn words(&self) -> &str {
        &self.words
    }

    /// Somebody typed. What was found stays until the next answer, so that nothing flickers.
    pub fn edit(&mut self, words: &str, now_ms: u64) {
        self.words = words.chars().take(QUERY_CHARS).collect();
        self.number += 1;
        self.trouble.clear();
        if text::is_blank(&self.words) {
            self.found.clear();
            self.more = false;
            self.due = None;
            self.waiting = false;
        } else {
            self.due = Some(now_ms + PAUSE_MS);
            self.waiting = true;
        }
    }

    /// When it is to be asked.
    pub fn due(&self) -> Option<u64> {
        self.due
    }

    /// The question to ask now, with its number; `at_once` does not wait for a pause in typing.
    pub fn take_due(&mut self, now_ms: u64, at_once: bool) -> Option<(u64, String)> {
        self.due.filter(|due| at_once || *due <= now_ms)?;
        self.due = None;
        Some((self.number, self.words.trim().to_owned()))
    }

    /// Takes an answer in; whether it was the one that is waited for.
    pub fn answer(&mut self, number: u64, found: Vec<MessageView>, more: bool) -> bool {
        let wanted = number == self.number;
        if wanted {
            self.waiting = false;
            self.found = found;
            self.more = more;
        }
        wanted
    }

    /// It could not be looked for.
    pub fn refuse(&mut self, number: u64, why: String) {
        if self.answer(number, Vec::new(), false) {
            self.trouble = why;
        }
    }

    /// An answer is still to come.
    pub fn is_waiting(&self) -> bool {
        self.waiting
    }
}

/// A hit with some of what stands around it, in one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snippet {
    /// Before the hit.
    pub before: String,
    /// The hit.
    pub hit: String,
    /// After it.
    pub after: String,
}

/// Where the first of `words` stands in `text`, without regard to case.
pub fn snippet(text: &str, words: &str) -> Snippet {
    let line: Vec<char> = text::line(text).chars().collect();
    let wanted: Vec<Vec<char>> = words.split_whitespace().map(|word| lower(word.chars()).collect()).collect();
    let hits = wanted.iter().filter_map(|word| find(&line, word));
    let (from, to) = hits.min_by_key(|(from, to)| (*from, std::cmp::Reverse(*to))).unwrap_or((0, 0));
    let string = |part: &[char]| part.iter().collect::<String>();
    Snippet {
        before: if from > BEFORE {
            format!("…{}", string(begin_of(&line[from - BEFORE..from])))
        } else {
            string(&line[..from])
        },
        hit: string(&line[from..to]),
        after: string(&line[to..(to + AFTER).min(line.len())]),
    }
}

/// From the first whole word on, if there is one.
fn begin_of(part: &[char]) -> &[char] {
    match part[..part.len() - 1].iter().position(|c| *c == ' ') {
        Some(space) => &part[space + 1..],
        None => part,
    }
}

/// Words in the one form that is compared.
pub fn folded(words: &str) -> String {
    lower(words.chars()).collect()
}

/// As the node compares letters: small, and the Greek sigma as it stands within words.
fn lower(chars: impl Iterator<Item = char>) -> impl Iterator<Item = char> {
    chars.flat_map(char::to_lowercase).map(|c| if c == 'ς' { 'σ' } else { c })
}

fn find(line: &[char], word: &[char]) -> Option<(usize, usize)> {
    (0..line.len()).find_map(|from| matched(&line[from..], word).map(|len| (from, from + len)))
}

/// How many characters of `line` begin it with `word`: their small letters may be more than they are.
fn matched(line: &[char], word: &[char]) -> Option<usize> {
    let mut left = word;
    for (at, c) in line.iter().enumerate() {
        if left.is_empty() {
            return Some(at);
        }
        let small: Vec<char> = lower(std::iter::once(*c)).collect();
        left = left.strip_prefix(small.as_slice())?;
    }
    left.is_empty().then_some(line.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c6_a_word_is_asked_for_after_a_pause_and_only_its_answer_counts() {
        let mut query = Query::default();
        query.edit("mo", 0);
        query.edit("moth", 100);
        assert_eq!((query.take_due(200, false), query.due()), (None, Some(100 + PAUSE_MS)));
        assert_eq!(query.take_due(100 + PAUSE_MS, false), Some((2, "moth".into())));
        assert!(query.is_waiting() && query.due().is_none());
        assert!(!query.answer(1, Vec::new(), true) && query.is_waiting());
        assert!(query.answer(2, Vec::new(), true) && !query.is_waiting() && query.more);
        query.edit("  ", 500);
        assert_eq!((query.take_due(9_999, true), query.more), (None, false));
    }

    #[test]
    fn a_refusal_is_kept_in_words() {
        let mut query = Query::default();
        query.edit("moth", 0);
        query.refuse(1, "the disk is full".into());
        assert_eq!(query.trouble, "the disk is full");
        query.edit("moths", 1);
        assert_eq!(query.trouble, "");
    }

    #[test]
    fn c6_the_hit_is_marked_within_its_line() {
        let found = snippet("Taped it\ninto the LOG book", "log");
        assert_eq!(
            (found.before.as_str(), found.hit.as_str(), found.after.as_str()),
            ("Taped it into the ", "LOG", " book")
        );
        let first = snippet("b then a", "a b");
        assert_eq!((first.before.as_str(), first.hit.as_str()), ("", "b"));
    }

    #[test]
    fn letters_that_grow_when_small_are_found_whole() {
        let found = snippet("in İstanbul today", "i̇stanbul");
        assert_eq!((found.hit.as_str(), found.after.as_str()), ("İstanbul", " today"));
        assert_eq!(snippet("Η ΟΔΟΣ", "οδος").hit, "ΟΔΟΣ");
        assert_eq!(snippet("η οδος", "ΟΔΟΣ").hit, "οδος");
        assert_eq!(snippet("nothing", "x").hit, "");
        assert_eq!(snippet("ends here", "here").hit, "here");
    }

    #[test]
    fn a_hit_far_in_begins_at_a_word() {
        let found = snippet(&format!("{} needle {}", "hay ".repeat(400), "straw ".repeat(400)), "needle");
        assert!(found.before.starts_with("…hay") && found.before.len() < 30, "{found:?}");
        assert_eq!(found.after.chars().count(), AFTER);
    }
}
