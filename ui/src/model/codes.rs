//! What a code that was read is good for: comparing a safety number (B8), or adding somebody (A2).
//!
//! ```text
//! texts of a picture ─▶ the one that is wanted ─▶ Meaning::Text, into the field where it is judged as if typed
//!                    └▶ none ─▶ Meaning::Words: what it was, and what to do
//! ```
//!
//! A picture of a whole screen may hold several codes, mine among them: theirs is looked for, and mine is never taken.

use super::verify;
use super::{add, desk::ReadUri};

/// What is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The other side's safety number.
    Number,
    /// Somebody's id.
    Id,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Goes into the field.
    Text(String),
    /// What there is instead, in words.
    Words(&'static str),
    /// No code at all.
    Nothing,
}

/// What I show myself.
#[derive(Clone, Copy, Debug)]
pub struct Mine<'a> {
    /// My id.
    pub y7_id: &'a str,
    /// What my code of the safety number with the open person shows.
    pub code: &'a str,
}

/// Chooses among the `texts` of a picture.
pub fn choose(wanted: Wanted, texts: &[String], mine: Mine<'_>, read_uri: &ReadUri<'_>) -> Meaning {
    if texts.is_empty() {
        return Meaning::Nothing;
    }
    let id = |text: &String| read_uri(&add::cleaned(text)).ok();
    match wanted {
        Wanted::Number => number(texts, mine, |text| id(text).is_some()),
        Wanted::Id => self::id(texts, mine, id),
    }
}

fn number(texts: &[String], mine: Mine<'_>, is_id: impl Fn(&String) -> bool) -> Meaning {
    if mine.code.is_empty() {
        return Meaning::Words("The safety number is not known yet. Try again in a moment.");
    }
    let numbers: Vec<&String> = texts.iter().filter(|text| is_number(text)).collect();
    let theirs = |text: &&&String| text.as_str() == verify::turned(mine.code);
    let others = |text: &&&String| text.as_str() != mine.code;
    match numbers.iter().find(theirs).or_else(|| numbers.iter().find(others)) {
        Some(text) => Meaning::Text((*text).clone()),
        None if !numbers.is_empty() => {
            Meaning::Words("This is your own code. Read the one that they see in your details.")
        }
        None if texts.iter().any(is_id) => Meaning::Words(
            "This is the code of an id. The one to compare is below “Safety number”, where they see your details.",
        ),
        None => Meaning::Words("This code is no safety number."),
    }
}

fn id(texts: &[String], mine: Mine<'_>, id: impl Fn(&String) -> Option<String>) -> Meaning {
    let is_mine = |text: &&String| id(text).as_deref() == Some(mine.y7_id);
    match texts.iter().find(|text| id(text).is_some() && !is_mine(text)) {
        Some(text) => Meaning::Text(add::cleaned(text)),
        None if texts.iter().any(|text| is_mine(&text)) => Meaning::Words("This is your own code. Read theirs."),
        None if texts.iter().any(|text| is_number(text)) => {
            Meaning::Words("This code is a safety number. The code of their id is on the first page that they see.")
        }
        None => Meaning::Words("This code is no id."),
    }
}

/// Sixty digits and nothing else, as our codes have them.
fn is_number(text: &str) -> bool {
    text.len() == verify::DIGITS && text.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: &str = "y7:me";
    const ADA: &str = "y7:ada?via=x";

    fn read(text: &str) -> Result<String, String> {
        let id = text.split('?').next().unwrap_or(text);
        if id.starts_with("y7:") { Ok(id.into()) } else { Err("this is not a y7 id".into()) }
    }

    fn halves() -> (String, String) {
        ("12345".repeat(6), "67890".repeat(6))
    }

    fn choice(wanted: Wanted, texts: &[&str]) -> Meaning {
        let (mine, theirs) = halves();
        let code = [mine, theirs].concat();
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        choose(wanted, &texts, Mine { y7_id: ME, code: &code }, &read)
    }

    #[test]
    fn b8_their_code_is_taken_and_mine_never_is() {
        let (mine, theirs) = halves();
        let (my_code, their_code) = ([&*mine, &*theirs].concat(), [&*theirs, &*mine].concat());
        let other = "55555".repeat(12);
        for picture in [
            vec![&*their_code],
            vec![&*my_code, &*their_code],
            vec!["https://a.b", &*their_code, ADA],
            vec![&*other, &*their_code],
        ] {
            assert_eq!(choice(Wanted::Number, &picture), Meaning::Text(their_code.clone()), "{picture:?}");
        }
        let mine_alone = choice(Wanted::Number, &[&*my_code]);
        assert!(matches!(mine_alone, Meaning::Words(words) if words.contains("your own")), "{mine_alone:?}");
    }

    #[test]
    fn b8_a_number_of_somebody_else_goes_into_the_field_where_its_difference_is_told() {
        let other = "55555".repeat(12);
        assert_eq!(choice(Wanted::Number, &[&*other]), Meaning::Text(other));
    }

    #[test]
    fn b8_without_a_number_of_ours_no_code_is_theirs() {
        let texts = ["12345".repeat(12)];
        let meaning = choose(Wanted::Number, &texts, Mine { y7_id: ME, code: "" }, &read);
        assert!(matches!(meaning, Meaning::Words(words) if words.contains("not known yet")), "{meaning:?}");
    }

    #[test]
    fn a2_an_id_is_taken_with_its_hints_and_mine_never_is() {
        assert_eq!(choice(Wanted::Id, &[ME, ADA]), Meaning::Text(ADA.into()));
        assert!(matches!(choice(Wanted::Id, &[ME]), Meaning::Words(words) if words.contains("your own")));
    }

    #[test]
    fn what_is_not_wanted_is_named() {
        let number = "55555".repeat(12);
        let says = |wanted, text: &str, part: &str| {
            let meaning = choice(wanted, &[text]);
            assert!(matches!(meaning, Meaning::Words(words) if words.contains(part)), "{meaning:?}");
        };
        says(Wanted::Number, ADA, "an id");
        says(Wanted::Number, "https://example.org", "no safety number");
        says(Wanted::Number, &number[1..], "no safety number");
        says(Wanted::Id, &number, "safety number");
        says(Wanted::Id, "WIFI:S:x;;", "no id");
        assert_eq!(choice(Wanted::Id, &[]), Meaning::Nothing);
    }
}
