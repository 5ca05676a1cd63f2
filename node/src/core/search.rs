//! `message.search`: reads through conversations, newest first, until there is an index.
//!
//! ```text
//! each contact ─ cursor over its pages, newest first ─┐
//!                                                     ├─ the newest of all heads ─▶ has every word? ─▶ found
//! each contact ─ cursor …                             ┘   until `limit` + 1 are found or all is read
//! ```
//!
//! Words are compared without regard to upper and lower case, in any order, also inside longer words. People
//! who are blocked are left out unless they are asked for. The shell runs it on a snapshot, away from the core's
//! thread; an engine that is driven without a shell answers it in its round.

use rand_core::CryptoRng;
use y7ke_crypto::ids::LogId;
use y7ke_ledger::store::{StorageError, View};
use y7ke_ledger::views::{self, ContactRow, ContactState, MessageKey, MessageRow};

use super::{Refused, Round};
use crate::api::{Answer, ApiError, ErrorKind};

/// Messages that are opened at a time: a screenful.
const PAGE: usize = 50;
/// A query at most, in characters: more is no query, and each word costs a pass over each message.
const QUERY_MAX: usize = 256;

/// What is looked for.
pub(crate) struct Query {
    words: Vec<String>,
    y7_id: Option<String>,
    limit: usize,
}

/// What was found, newest first.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) rows: Vec<MessageRow>,
    /// There are more than were asked for.
    pub(crate) more: bool,
}

impl Query {
    pub(crate) fn new(query: &str, y7_id: Option<String>, limit: usize) -> Result<Self, ApiError> {
        if query.chars().count() > QUERY_MAX {
            return Err(ApiError::param("query", format!("Look for at most {QUERY_MAX} characters.")));
        }
        let words: Vec<String> = query.split_whitespace().map(folded).collect();
        if words.is_empty() {
            return Err(ApiError::param("query", "There is nothing to look for."));
        }
        Ok(Self { words, y7_id, limit })
    }

    /// The conversations to read.
    pub(crate) fn logs(&self, contacts: &[ContactRow]) -> Result<Vec<Vec<LogId>>, ApiError> {
        let asked = |contact: &&ContactRow| match &self.y7_id {
            Some(id) => contact.root.to_string() == *id,
            None => contact.state != ContactState::Blocked,
        };
        let logs: Vec<_> = contacts.iter().filter(asked).map(|contact| contact.all_logs()).collect();
        if self.y7_id.is_some() && logs.is_empty() {
            return Err(ApiError::new(ErrorKind::NotFound, "There is no such contact. `contact.list` shows them."));
        }
        Ok(logs)
    }

    fn fits(&self, row: &MessageRow) -> bool {
        self.finds(&row.text)
    }

    fn finds(&self, text: &str) -> bool {
        let text = folded(text);
        self.words.iter().all(|word| text.contains(word.as_str()))
    }

    /// Reads until enough is found, all is read, or `wanted` says no more.
    pub(crate) fn find(
        &self,
        view: &View,
        logs: Vec<Vec<LogId>>,
        wanted: impl Fn() -> bool,
    ) -> Result<Found, StorageError> {
        let mut cursors: Vec<Cursor> = logs.into_iter().map(Cursor::new).collect();
        let mut found = Found::default();
        while wanted()
            && let Some(row) = newest(view, &mut cursors)?
        {
            if self.fits(&row) {
                found.more = found.rows.len() == self.limit;
                if found.more {
                    break;
                }
                found.rows.push(row);
            }
        }
        Ok(found)
    }
}

/// Text in the one form that is compared: small letters, and the Greek sigma as it stands within words.
fn folded(text: &str) -> String {
    text.to_lowercase().replace('ς', "σ")
}

/// A conversation, read backwards.
struct Cursor {
    logs: Vec<LogId>,
    /// Oldest first: the next one is the last.
    page: Vec<MessageRow>,
    more: bool,
    before: Option<MessageKey>,
}

impl Cursor {
    fn new(logs: Vec<LogId>) -> Self {
        Self { logs, page: Vec::new(), more: true, before: None }
    }

    fn fill(&mut self, view: &View) -> Result<(), StorageError> {
        if self.page.is_empty() && self.more {
            let page = views::page(view, &self.logs, self.before.as_ref(), PAGE)?;
            self.before = page.messages.first().map(|row| row.key);
            self.more = page.more;
            self.page = page.messages;
        }
        Ok(())
    }
}

/// Takes the newest message of all that are left.
fn newest(view: &View, cursors: &mut [Cursor]) -> Result<Option<MessageRow>, StorageError> {
    cursors.iter_mut().try_for_each(|cursor| cursor.fill(view))?;
    let latest = cursors.iter_mut().max_by_key(|cursor| cursor.page.last().map(|row| row.key));
    Ok(latest.and_then(|cursor| cursor.page.pop()))
}

impl<R: CryptoRng> Round<'_, R> {
    pub(super) fn search(&self, query: &str, y7_id: Option<String>, limit: usize) -> Result<Answer, Refused> {
        let query = Query::new(query, y7_id, limit)?;
        let found = query.find(self.view(), query.logs(&self.contacts()?)?, || true)?;
        Ok(Answer::Messages { messages: self.show_messages(found.rows)?, more: found.more })
    }
}

/// The body of the fuzz target: see `crate::fuzz`. The first line is looked for in the rest.
pub(crate) fn fuzz(data: &str) {
    let (wanted, text) = data.split_once('\n').unwrap_or((data, data));
    let Ok(query) = Query::new(wanted, None, 1) else { return };
    assert!(query.words.iter().all(|word| !word.is_empty()));
    let said = |word: &str| text.contains(word);
    assert!(!wanted.split_whitespace().all(said) || query.finds(text), "what was said is not found");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_without_case() {
        assert_eq!(
            Query::new("  ÄRGER\nhaus ", None, 1).ok().map(|query| query.words),
            Some(vec!["ärger".into(), "haus".into()])
        );
    }

    #[test]
    fn a_sigma_is_a_sigma_wherever_it_stands() {
        let finds = |words: &str, text: &str| Query::new(words, None, 1).is_ok_and(|query| query.finds(text));
        assert!(finds("ΟΔΟΣ", "η οδοσ") && finds("οδος", "Η ΟΔΟΣ") && finds("οδυς", "Οδυσσέας"));
        assert!(!finds("οδος", "οδυσσέας"));
    }

    #[test]
    fn nothing_and_too_much_is_refused() {
        assert_eq!(Query::new(" \n", None, 1).err().and_then(|fault| fault.field), Some("query"));
        assert!(Query::new(&"x".repeat(QUERY_MAX), None, 1).is_ok());
        assert!(Query::new(&"x".repeat(QUERY_MAX + 1), None, 1).is_err());
    }
}
