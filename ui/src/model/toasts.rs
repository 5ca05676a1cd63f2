//! Short words at the bottom for what needs no answer.

/// Shown at once at most; the oldest gives way.
pub const MOST: usize = 2;

/// How long one stays.
pub const STAYS_MS: u64 = 4_000;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    /// Which, for pressing it away.
    pub id: i32,
    /// The words.
    pub text: String,
    /// Something did not work.
    pub bad: bool,
    /// Gone after this, ms since 1970.
    pub until: u64,
}

/// What is shown now, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Toasts {
    shown: Vec<Toast>,
    last_id: i32,
}

impl Toasts {
    /// Says `text`; the same words are not said twice at a time, they stay longer.
    pub fn say(&mut self, text: impl Into<String>, bad: bool, now_ms: u64) {
        let text = text.into();
        self.shown.retain(|toast| toast.text != text);
        self.last_id = self.last_id.wrapping_add(1);
        self.shown.push(Toast { id: self.last_id, text, bad, until: now_ms + STAYS_MS });
        if self.shown.len() > MOST {
            self.shown.remove(0);
        }
    }

    /// Takes one away.
    pub fn dismiss(&mut self, id: i32) {
        self.shown.retain(|toast| toast.id != id);
    }

    /// Takes all away: what they said turned out untrue.
    pub fn clear(&mut self) {
        self.shown.clear();
    }

    /// Takes away what has had its time.
    pub fn expire(&mut self, now_ms: u64) {
        self.shown.retain(|toast| toast.until > now_ms);
    }

    /// When the next one goes.
    pub fn due(&self) -> Option<u64> {
        self.shown.iter().map(|toast| toast.until).min()
    }

    /// What is shown, oldest first.
    pub fn shown(&self) -> &[Toast] {
        &self.shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_at_most_and_four_seconds_each() {
        let mut toasts = Toasts::default();
        toasts.say("one", false, 0);
        toasts.say("two", false, 1_000);
        toasts.say("three", false, 2_000);
        assert_eq!(toasts.shown().iter().map(|t| t.text.as_str()).collect::<Vec<_>>(), ["two", "three"]);
        assert_eq!(toasts.due(), Some(5_000));
        toasts.expire(5_000);
        assert_eq!(toasts.shown().len(), 1);
        toasts.dismiss(toasts.shown()[0].id);
        assert!(toasts.shown().is_empty());
    }

    #[test]
    fn the_same_words_are_said_once() {
        let mut toasts = Toasts::default();
        toasts.say("copied", false, 0);
        toasts.say("copied", false, 3_000);
        assert_eq!(toasts.shown().len(), 1);
        assert_eq!(toasts.due(), Some(7_000));
    }
}
