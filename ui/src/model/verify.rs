//! Comparing safety numbers (B8): theirs, as it is typed, pasted or read from a code, against ours.
//!
//! ```text
//! typed ─▶ digits only ─▶ digit by digit against ours ─▶ Verdict
//! ```
//!
//! The first digit that differs is told at once: nobody has to read on to the sixtieth. A code has the half of whoever
//! shows it first: digits from a code may come in either order.

/// Digits of a safety number.
pub const DIGITS: usize = 60;

/// Digits that are read aloud together.
const GROUP: usize = 5;

/// What the digits that are there say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// None yet.
    Empty,
    /// So many, and all of them equal so far.
    Begun(usize),
    /// The first difference is in this group, from 1.
    Differs(usize),
    /// Something that is no digit.
    Foreign(char),
    /// More than sixty.
    Long,
    /// All sixty.
    Same,
}

/// Compares `typed` with `ours`.
pub fn judge(ours: &str, typed: &str) -> Verdict {
    let digits = match digits(typed) {
        Ok(digits) if ours.is_empty() || digits.is_empty() => return Verdict::Empty,
        Ok(digits) => digits,
        Err(sign) => return Verdict::Foreign(sign),
    };
    let same = alike(ours, &digits).max(alike(&turned(ours), &digits));
    match digits.len() {
        len if same < len.min(DIGITS) => Verdict::Differs(same / GROUP + 1),
        DIGITS => Verdict::Same,
        len if len > DIGITS => Verdict::Long,
        len => Verdict::Begun(len),
    }
}

/// Digits at the beginning that are the same.
fn alike(ours: &str, digits: &str) -> usize {
    ours.chars().zip(digits.chars()).take_while(|(our, their)| our == their).count()
}

/// The number with its halves the other way round.
pub fn turned(number: &str) -> String {
    number.split_at_checked(DIGITS / 2).map(|(first, second)| [second, first].concat()).unwrap_or_default()
}

/// The digits of `typed`, without what people put between groups.
pub fn digits(typed: &str) -> Result<String, char> {
    let between = |c: &char| !c.is_whitespace() && !matches!(c, '-' | '–' | '.' | ',' | '·' | ':');
    typed.chars().filter(between).map(|c| if c.is_ascii_digit() { Ok(c) } else { Err(c) }).collect()
}

impl Verdict {
    /// In words, for the line below the field.
    pub fn words(self, name: &str) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Begun(len) => format!("The same so far: {len} of {DIGITS} digits"),
            Self::Differs(group) => format!(
                "Group {group} differs. Read it to each other again; if it still differs, whoever you write to is not {name}."
            ),
            Self::Foreign(sign) => format!("A safety number has digits only; “{sign}” is none."),
            Self::Long => format!("These are more than {DIGITS} digits."),
            Self::Same => "All digits are the same.".into(),
        }
    }

    /// Something is wrong with what is there.
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Differs(_) | Self::Foreign(_) | Self::Long)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> String {
        "0123456789".repeat(6)
    }

    #[test]
    fn b8_digits_of_a_code_may_begin_with_the_other_half() {
        let number = ["01234".repeat(6), "56789".repeat(6)].concat();
        let code = turned(&number);
        assert_ne!(code, number);
        assert_eq!(judge(&number, &code), Verdict::Same);
        assert_eq!(judge(&number, &code[..31]), Verdict::Begun(31));
        // Each half once, not the same one twice.
        assert_eq!(judge(&number, &"01234".repeat(12)), Verdict::Differs(7));
        assert_eq!(judge(&number, &"56789".repeat(12)), Verdict::Differs(7));
    }

    #[test]
    fn b8_groups_and_lines_do_not_matter() {
        let typed = "01234 56789-01234.56789\n01234 56789 01234 56789 01234 56789 01234 56789";
        assert_eq!(judge(&ours(), typed), Verdict::Same);
        assert_eq!(judge(&ours(), &ours()), Verdict::Same);
        assert_eq!(digits(typed), Ok(ours()));
    }

    #[test]
    fn b8_the_first_difference_is_told_as_soon_as_it_is_there() {
        assert_eq!(judge(&ours(), "01234 5678"), Verdict::Begun(9));
        assert_eq!(judge(&ours(), "01234 56788"), Verdict::Differs(2));
        let mut last = ours();
        last.replace_range(59.., "0");
        assert_eq!(judge(&ours(), &last), Verdict::Differs(12));
        assert!(judge(&ours(), &last).words("Ada").contains("is not Ada"));
    }

    #[test]
    fn what_is_no_number_is_no_match() {
        assert_eq!(judge(&ours(), " \n"), Verdict::Empty);
        assert_eq!(judge("", "0"), Verdict::Empty);
        assert_eq!(judge(&ours(), "0123a"), Verdict::Foreign('a'));
        assert_eq!(judge(&ours(), &(ours() + "0")), Verdict::Long);
        assert_eq!(judge(&ours(), &ours()[..59]), Verdict::Begun(59));
    }
}
