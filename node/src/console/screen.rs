//! Words on the terminal, whole lines at a time from any thread.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use crate::api::{ContactView, MessageView, Presence};

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

pub(super) struct Screen<O> {
    output: Mutex<O>,
}

impl<O: Write> Screen<O> {
    pub(super) fn new(output: O) -> Self {
        Self { output: Mutex::new(output) }
    }

    pub(super) fn say(&self, words: &str) {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(fault) = writeln!(output, "{words}").and_then(|()| output.flush()) {
            tracing::debug!(%fault, "the terminal is gone");
        }
    }

    pub(super) fn message(&self, message: &MessageView, author: &str) {
        self.say(&message_line(message, author));
    }
}

fn message_line(message: &MessageView, author: &str) -> String {
    let text = match message {
        MessageView { deleted: true, .. } => "(deleted)".into(),
        MessageView { unopened: true, .. } => "(cannot be opened here yet)".into(),
        _ => clean(&message.text),
    };
    format!("[{}] {author}: {text}", clock(message.sent_at))
}

/// Hours and minutes, in universal time: a terminal program has no zone that it could trust everywhere.
fn clock(at_ms: u64) -> String {
    let minutes = at_ms % DAY_MS / 60_000;
    format!("{:02}:{:02} UTC", minutes / 60, minutes % 60)
}

/// Text of others without control characters (they could drive the terminal) and without bidirectional overrides.
pub(super) fn clean(text: &str) -> String {
    let hidden = |letter: char| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = |letter: char| match letter {
        '\n' => "\n    ".to_owned(),
        letter if letter.is_control() || hidden(letter) => "\u{fffd}".to_owned(),
        letter => letter.to_string(),
    };
    text.chars().map(shown).collect()
}

/// What a person is called here.
pub(super) fn name(person: &ContactView) -> String {
    if person.name.is_empty() { short(&person.y7_id) } else { clean(&person.name) }
}

/// An id short enough to read: its first and last letters.
pub(super) fn short(y7_id: &str) -> String {
    let letters: Vec<char> = y7_id.chars().collect();
    match letters.len() {
        0..=16 => y7_id.into(),
        length => letters[..9].iter().chain(&['…']).chain(&letters[length - 4..]).collect(),
    }
}

pub(super) fn presence(person: &ContactView) -> String {
    match (&person.presence, &person.path) {
        (Presence::Online, Some(path)) => format!("online ({})", path.label),
        (Presence::Online, None) => "online".into(),
        (Presence::Connecting, _) => "connecting".into(),
        (Presence::Offline, _) => "offline".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_drive_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\u{202e}c"), "a\u{fffd}[2Jb\u{fffd}c");
        assert_eq!(clean("one\ntwo"), "one\n    two");
    }

    #[test]
    fn times_and_ids_are_short() {
        assert_eq!(clock(DAY_MS * 3 + 61 * 60_000), "01:01 UTC");
        assert_eq!(short("y7:abcdefghijklmnopqrstuvwxyz"), "y7:abcdef…wxyz");
        assert_eq!(short("y7:ab"), "y7:ab");
    }
}
