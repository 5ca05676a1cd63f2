//! The vault in words: how it is locked, how good a passphrase is, and whether what was typed can be used.
//!
//! * A passphrase is judged while it is typed and kept nowhere here.
//! * How good it is is said; no rule forbids one, but for an empty one.

use y7ke_node::api::{Passphrase, VaultKind, VaultView};
use zeroize::Zeroizing;

/// What somebody types where nobody should read it: never printed, wiped after use.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Typed(Zeroizing<String>);

impl Typed {
    /// Takes it over.
    pub fn new(words: impl Into<String>) -> Self {
        Self(Zeroizing::new(words.into()))
    }

    /// Nothing was typed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For the node; `None` for nothing.
    pub fn passphrase(&self) -> Option<Passphrase> {
        (!self.is_empty()).then(|| Passphrase::new(self.0.as_str()))
    }
}

impl std::fmt::Debug for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Typed(…)")
    }
}

/// What is being changed about the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// How it is to be locked.
    pub to: VaultKind,
    /// The passphrase of now has to be typed.
    pub needs_current: bool,
}

impl Change {
    /// What changing the vault `from` what it is asks for.
    pub fn new(from: VaultView, to: VaultKind) -> Self {
        Self { to, needs_current: from.kind == VaultKind::Passphrase }
    }

    /// A new passphrase has to be typed, twice.
    pub fn needs_new(self) -> bool {
        self.to == VaultKind::Passphrase
    }

    /// Whether what was typed is enough to try.
    pub fn is_ready(self, current: &Typed, new: &Typed, again: &Typed) -> bool {
        (!self.needs_current || !current.is_empty()) && (!self.needs_new() || (!new.is_empty() && new == again))
    }

    /// What the person is told of what they typed.
    pub fn words(self, new: &Typed, again: &Typed) -> &'static str {
        match () {
            () if !self.needs_new() || new.is_empty() => "",
            () if !again.is_empty() && new != again => "The two are not the same yet.",
            () => strength(new),
        }
    }

    /// What is said when it is done.
    pub fn done(self) -> &'static str {
        match self.to {
            VaultKind::Passphrase => "The passphrase is set. Without it nobody opens this profile, you included.",
            VaultKind::File => "The passphrase is gone. This profile opens without one.",
            VaultKind::Keyring => "This computer's keyring opens this profile now.",
        }
    }
}

/// How the vault is locked, for the settings.
pub const fn state_words(kind: VaultKind) -> &'static str {
    match kind {
        VaultKind::File => {
            "Not protected: whoever can read this computer's files can open your conversations. A passphrase closes that gap."
        }
        VaultKind::Passphrase => "Locked by your passphrase. It is asked for at every start.",
        VaultKind::Keyring => "Locked by this computer's keyring, which opens when you log in.",
    }
}

/// First guesses of whoever tries.
const FIRST_GUESSES: [&str; 20] = [
    "password",
    "passphrase",
    "qwerty",
    "qwertz",
    "azerty",
    "letmein",
    "welcome",
    "iloveyou",
    "admin",
    "dragon",
    "monkey",
    "football",
    "baseball",
    "sunshine",
    "princess",
    "master",
    "secret",
    "y7ke",
    "asdfgh",
    "trustno",
];

/// How hard a passphrase is to guess, in words. Who guesses here has the files and tries offline; each try costs
/// about a second (Argon2id).
fn strength(typed: &Typed) -> &'static str {
    match bits(&typed.0) {
        0..=25 => "Very easy to guess.",
        26..=40 => "Easy to guess for somebody who has this computer's files. A few words more help.",
        41..64 => "Hard to guess.",
        _ => "Very hard to guess.",
    }
}

/// A careful estimate: letters count by how many kinds there are, but not where they repeat or follow one another,
/// and a first guess counts like one letter.
fn bits(words: &str) -> u32 {
    let lower = words.to_lowercase();
    let guessed: usize =
        FIRST_GUESSES.iter().filter(|guess| lower.contains(**guess)).map(|guess| guess.len() - 1).sum();
    let mut before: Option<char> = None;
    let mut fresh = 0_usize;
    for letter in lower.chars() {
        let step = before.map(|before| i64::from(u32::from(letter)) - i64::from(u32::from(before)));
        fresh += usize::from(!step.is_some_and(|step| (-1..=1).contains(&step)));
        before = Some(letter);
    }
    // Whole words are chosen, not single letters: plain writing counts less than half.
    let plain = words.chars().all(|letter| letter.is_lowercase() || letter.is_whitespace());
    let tenths = if plain { 25 } else { 55 };
    u32::try_from(fresh.saturating_sub(guessed)).unwrap_or(u32::MAX).saturating_mul(tenths) / 10
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(kind: VaultKind) -> VaultView {
        VaultView { kind, locked: false, keyring: true }
    }

    #[test]
    fn a4_how_good_a_passphrase_is_is_said_and_nothing_is_forbidden() {
        let said = |words: &str| strength(&Typed::new(words));
        for weak in ["a", "aaaaaaaaaaaaaaaaaaaa", "1234567890", "Password1", "abcdefgh", "hello world"] {
            assert!(said(weak).starts_with("Very easy"), "{weak}: {} bits", bits(weak));
        }
        for fair in ["correct horse", "Tr0ub4d"] {
            assert!(said(fair).starts_with("Easy"), "{fair}: {} bits", bits(fair));
        }
        for good in ["correct horse battery staple", "Tr0ub4dor&3"] {
            assert!(said(good).starts_with("Hard"), "{good}: {} bits", bits(good));
        }
        assert!(said("seven quiet otters borrow a brass trombone").starts_with("Very hard"));
    }

    #[test]
    fn both_have_to_be_the_same() {
        let change = Change::new(view(VaultKind::File), VaultKind::Passphrase);
        let (none, one, other) = (Typed::default(), Typed::new("one"), Typed::new("other"));
        assert!(!change.is_ready(&none, &none, &none));
        assert!(!change.is_ready(&none, &one, &other));
        assert!(change.is_ready(&none, &one, &one));
        assert_eq!(change.words(&one, &other), "The two are not the same yet.");
        assert!(change.words(&one, &none).starts_with("Very easy"));
    }

    #[test]
    fn whoever_takes_a_passphrase_away_has_to_know_it() {
        let change = Change::new(view(VaultKind::Passphrase), VaultKind::File);
        let (none, one) = (Typed::default(), Typed::new("one"));
        assert!(change.needs_current && !change.needs_new());
        assert!(!change.is_ready(&none, &none, &none));
        assert!(change.is_ready(&one, &none, &none));
    }

    #[test]
    fn what_was_typed_is_never_printed() {
        assert_eq!(format!("{:?}", Typed::new("secret")), "Typed(…)");
    }
}
