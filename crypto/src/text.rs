//! Short texts that people give and strangers see: parsed once, at the border.
//!
//! ```text
//! name      ≤  64 characters, no control characters
//! greeting  ≤ 280 characters, no control characters but newline and tab
//! ```

use thiserror::Error;

use crate::codec::{DecodeError, Reader, Wire, Writer};

/// Characters of a name: one line of a list.
pub const MAX_NAME: usize = 64;

/// Characters of a greeting (C1): enough to say who one is, too little to advertise.
pub const MAX_GREETING: usize = 280;

/// Bytes that one character takes at most in UTF-8.
const CHAR_LEN: usize = 4;

/// Why a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TextFault {
    /// More characters than allowed.
    #[error("longer than {max} characters")]
    TooLong {
        /// The most that is allowed.
        max: usize,
    },
    /// A control character.
    #[error("contains a control character")]
    Control,
}

/// Declares a text of at most `$max` characters without control characters except `$allowed`.
macro_rules! short_text {
    ($(#[$doc:meta])* $name:ident, $max:ident, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes the text if it keeps the rules.
            pub fn new(text: impl Into<String>) -> Result<Self, TextFault> {
                let text = text.into();
                check(&text, $max, $allowed).map(|()| Self(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Wire for $name {
            const WHAT: &'static str = stringify!($name);
            const CAP: usize = 4 + CHAR_LEN * $max;

            fn write(&self, to: &mut Writer) {
                to.var(self.0.as_bytes());
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let text = from.text(CHAR_LEN * $max)?;
                Self::new(text).ok().ok_or(from.bad())
            }
        }
    };
}

short_text!(
    /// What a person calls himself.
    Name, MAX_NAME, &[]
);
short_text!(
    /// What a stranger says when he asks to be a contact.
    Greeting, MAX_GREETING, &['\n', '\t']
);

fn check(text: &str, max: usize, allowed: &[char]) -> Result<(), TextFault> {
    if text.chars().any(|char| char.is_control() && !allowed.contains(&char)) {
        return Err(TextFault::Control);
    }
    if text.chars().nth(max).is_some() { Err(TextFault::TooLong { max }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_count_characters_and_the_next_one_is_refused() {
        let full = "é".repeat(MAX_NAME);
        assert_eq!(Name::new(full.clone()).unwrap().as_str(), full);
        assert_eq!(Name::new(full + "é"), Err(TextFault::TooLong { max: MAX_NAME }));
        let widest = Greeting::new("😀".repeat(MAX_GREETING)).unwrap();
        assert_eq!(Greeting::from_bytes(&widest.to_bytes()), Ok(widest));
        assert!(Greeting::new("x".repeat(MAX_GREETING + 1)).is_err());
    }

    #[test]
    fn control_characters_are_refused() {
        assert!(Greeting::new("one\n\ttwo").is_ok());
        assert_eq!(Name::new("one\ntwo"), Err(TextFault::Control));
        for bad in ["a\0", "\u{1b}[31m", "a\u{85}b", "\r\n"] {
            assert_eq!(Greeting::new(bad), Err(TextFault::Control));
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_refused() {
        assert!(Name::from_bytes(&[1, 0, 0, 0, 0xff]).is_err());
    }
}
