//! Adding somebody: their id is judged while it is typed.

use y7ke_node::api::{ContactState, ContactView};

use super::{person, text};

/// Characters of a greeting (PROTOCOL C).
pub const GREETING_CHARS: usize = 280;

/// Letters of an id after `y7:`, as good as always: 32 bytes in base58 are 43 or 44.
const LEAST_LETTERS: usize = 42;

/// Letters of the shortest id there can be: a key that begins with zeros has one letter for each.
const FEWEST_LETTERS: usize = 32;

/// What is known of the id that stands in the field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing typed.
    #[default]
    Empty,
    /// May yet become an id; words that help.
    Unfinished(String),
    /// Cannot become one; words that say why.
    Bad(String),
    /// My own.
    Own,
    /// Somebody I talk to already; their identity and name.
    Known(String, String),
    /// An id that can be asked.
    Ready(String),
}

impl Verdict {
    /// What is wrong, empty if nothing is.
    pub fn problem(&self) -> String {
        match self {
            Self::Bad(words) => words.clone(),
            Self::Own => "This is your own id".into(),
            Self::Known(_, name) => format!("{name} is in your contacts already"),
            _ => String::new(),
        }
    }

    /// What helps or reassures, empty if there is nothing to say.
    pub fn hint(&self) -> String {
        match self {
            Self::Unfinished(words) => words.clone(),
            Self::Ready(y7_id) => text::short_id(y7_id),
            _ => String::new(),
        }
    }
}

/// The form as it stands.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// What was typed for the id.
    pub uri: String,
    /// The greeting.
    pub greeting: String,
    /// What is known of the id.
    pub verdict: Verdict,
    /// A request is on its way to the disk.
    pub busy: bool,
    /// Why the last try was refused.
    pub refused: String,
}

impl Form {
    /// Characters left for the greeting; negative when it is too long.
    pub fn left(&self) -> i64 {
        GREETING_CHARS as i64 - self.greeting.chars().count() as i64
    }

    /// The identity to ask, if everything is in order.
    pub fn ready(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Ready(y7_id) if self.left() >= 0 && !self.busy => Some(y7_id),
            _ => None,
        }
    }
}

/// Ids are shown in groups of four; spaces between them are no fault of the typist.
pub fn cleaned(typed: &str) -> String {
    typed.chars().filter(|c| !c.is_whitespace()).collect()
}

/// Judges what is typed. `read` parses a link to an identity or says what is wrong with it.
pub fn judge<'a>(
    typed: &str,
    me: &str,
    mut contacts: impl Iterator<Item = &'a ContactView>,
    read: impl FnOnce(&str) -> Result<String, String>,
) -> Verdict {
    let typed = cleaned(typed);
    let parsed = read(&typed);
    if let Some(early) = before_parsing(&typed, parsed.is_ok()) {
        return early;
    }
    let y7_id = match parsed {
        Ok(y7_id) => y7_id,
        Err(words) => return Verdict::Bad(text::sentence(&words)),
    };
    if y7_id == me {
        return Verdict::Own;
    }
    match contacts.find(|contact| contact.y7_id == y7_id && is_known(contact.state)) {
        Some(contact) => Verdict::Known(y7_id, person::name(contact)),
        None => Verdict::Ready(y7_id),
    }
}

/// What can be said without parsing: an id being typed is not yet wrong. A short one may be whole (`parses`).
fn before_parsing(typed: &str, parses: bool) -> Option<Verdict> {
    if typed.is_empty() {
        return Some(Verdict::Empty);
    }
    if "y7:".starts_with(typed) {
        return Some(Verdict::Unfinished("About 44 letters and digits follow".into()));
    }
    let Some(rest) = typed.strip_prefix("y7:") else {
        return Some(Verdict::Bad("An id begins with y7:".into()));
    };
    let letters = rest.split('?').next().unwrap_or(rest);
    if let Some(odd) = letters.chars().find(|c| !is_base58(*c)) {
        return Some(Verdict::Bad(format!("“{odd}” cannot be part of an id")));
    }
    let whole = parses && letters.len() >= FEWEST_LETTERS;
    let short = letters.len() < LEAST_LETTERS && letters.len() == rest.len() && !whole;
    short.then(|| Verdict::Unfinished(format!("{} of about 44 letters and digits", letters.len())))
}

fn is_base58(c: char) -> bool {
    c.is_ascii_alphanumeric() && !matches!(c, '0' | 'O' | 'I' | 'l')
}

const fn is_known(state: ContactState) -> bool {
    matches!(state, ContactState::Accepted | ContactState::PendingOut | ContactState::Blocked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::person::tests::contact;

    const ADA: &str = "y7:4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM1";

    fn verdict(typed: &str) -> Verdict {
        let known = [contact("y7:known11111111111111111111111111111111111111", "Grace")];
        judge(typed, "y7:me1111111111111111111111111111111111111111111", known.iter(), |text| {
            let id = text.split('?').next().unwrap_or(text);
            if id.len() > 50 { Err("this is not a y7 id".into()) } else { Ok(id.into()) }
        })
    }

    #[test]
    fn b1_typing_an_id_is_never_scolded_before_it_can_be_wrong() {
        assert_eq!(verdict(""), Verdict::Empty);
        for typed in ["y", "y7", "y7:", "y7:4uQe", "y7: 4uQe Vj5t"] {
            assert!(matches!(verdict(typed), Verdict::Unfinished(_)), "{typed}");
        }
    }

    #[test]
    fn b1_malformed_is_refused_while_typing() {
        assert!(matches!(verdict("hello"), Verdict::Bad(_)));
        assert_eq!(verdict("y7:4uQ0").problem(), "“0” cannot be part of an id");
        assert_eq!(verdict(&format!("{ADA}111111111111")).problem(), "This is not a y7 id");
    }

    #[test]
    fn b1_my_own_id_and_known_people_are_refused_while_typing() {
        assert_eq!(verdict("y7:me1111111111111111111111111111111111111111111"), Verdict::Own);
        let known = verdict("y7:known11111111111111111111111111111111111111");
        assert_eq!(known.problem(), "Grace is in your contacts already");
    }

    #[test]
    fn an_id_in_groups_or_with_hints_is_an_id() {
        assert_eq!(verdict(ADA), Verdict::Ready(ADA.into()));
        assert_eq!(verdict(&text::groups(ADA)), Verdict::Ready(ADA.into()));
        assert_eq!(verdict(&format!("{ADA}?via=%2Fip4")), Verdict::Ready(ADA.into()));
    }

    /// One key in 65,536 has fewer than 42 letters: whoever has it can be added all the same.
    #[test]
    fn b1_a_rare_short_id_is_an_id() {
        let short = &ADA[..3 + 41];
        assert_eq!(verdict(short), Verdict::Ready(short.into()));
        assert!(matches!(verdict(&ADA[..3 + 31]), Verdict::Unfinished(_)));
    }

    #[test]
    fn a_greeting_has_280_characters() {
        let mut form = Form { verdict: Verdict::Ready(ADA.into()), ..Form::default() };
        form.greeting = "ä".repeat(280);
        assert_eq!((form.left(), form.ready()), (0, Some(ADA)));
        form.greeting.push('x');
        assert_eq!((form.left(), form.ready()), (-1, None));
    }
}
