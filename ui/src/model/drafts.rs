//! What was typed and not yet sent, for each person; never lost.
//!
//! ```text
//! typed ──400 ms──▶ saved by the node          sent ─▶ the node forgets the draft with the commit
//! not sent (error) ─▶ stands on its bubble, and is saved in front of what is typed after it
//! ```

use std::collections::BTreeMap;

/// How long after the last key a draft is written: a restart loses less than half a second of typing.
pub const SAVE_AFTER_MS: u64 = 400;

/// A message on its way to the disk, or refused by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Which send, from 1.
    pub ticket: u64,
    /// To whom.
    pub to: String,
    /// What.
    pub text: String,
    /// The message it answers.
    pub reply: Option<Reply>,
    /// When the person pressed Enter.
    pub at_ms: u64,
    /// Why it was refused, in words.
    pub failed: Option<String>,
}

/// A message that is being answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its id.
    pub id: String,
    /// Who wrote it.
    pub who: String,
    /// Its beginning.
    pub words: String,
}

/// Drafts and sends under way.
#[derive(Clone, Debug, Default)]
pub struct Drafts {
    typed: BTreeMap<String, String>,
    replies: BTreeMap<String, Reply>,
    unsaved: BTreeMap<String, u64>,
    outgoing: Vec<Outgoing>,
    last_ticket: u64,
}

impl Drafts {
    /// What stands in the composer for `to`; `None` until it was read or typed.
    pub fn typed(&self, to: &str) -> Option<&str> {
        self.typed.get(to).map(String::as_str)
    }

    /// The person typed.
    pub fn edit(&mut self, to: &str, text: String, now_ms: u64) {
        self.typed.insert(to.to_owned(), text);
        self.unsaved.insert(to.to_owned(), now_ms + SAVE_AFTER_MS);
    }

    /// The message that is answered in the composer for `to`.
    pub fn reply(&self, to: &str) -> Option<&Reply> {
        self.replies.get(to)
    }

    /// Answers a message, or none.
    pub fn set_reply(&mut self, to: &str, reply: Option<Reply>) {
        match reply {
            Some(reply) => self.replies.insert(to.to_owned(), reply),
            None => self.replies.remove(to),
        };
    }

    /// A saved draft was read; what is typed already is newer.
    pub fn restore(&mut self, to: &str, text: String) {
        self.typed.entry(to.to_owned()).or_insert(text);
    }

    /// Another device of mine changed the draft; what was typed here and is not saved yet, or not sent, is newer.
    pub fn follow(&mut self, to: &str, text: String) -> bool {
        let busy = self.unsaved.contains_key(to) || self.outgoing(to).next().is_some();
        if !busy {
            self.typed.insert(to.to_owned(), text);
        }
        !busy
    }

    /// Takes what is typed as a message to send.
    pub fn send(&mut self, to: &str, text: String, now_ms: u64) -> &Outgoing {
        self.typed.insert(to.to_owned(), String::new());
        self.unsaved.remove(to);
        self.last_ticket += 1;
        let at = self.outgoing.len();
        let reply = self.replies.remove(to);
        let to = to.to_owned();
        self.outgoing.push(Outgoing { ticket: self.last_ticket, to, text, reply, at_ms: now_ms, failed: None });
        &self.outgoing[at]
    }

    /// It is durable. `Some` person whose draft has to be written again, because more was typed since.
    pub fn sent(&mut self, ticket: u64) -> Option<String> {
        let at = self.outgoing.iter().position(|out| out.ticket == ticket)?;
        let to = self.outgoing.remove(at).to;
        (!self.kept(&to).is_empty()).then_some(to)
    }

    /// It was refused.
    pub fn failed(&mut self, ticket: u64, why: String, now_ms: u64) -> Option<&Outgoing> {
        let out = self.outgoing.iter_mut().find(|out| out.ticket == ticket)?;
        out.failed = Some(why);
        self.unsaved.insert(out.to.clone(), now_ms);
        Some(out)
    }

    /// Once more.
    pub fn retry(&mut self, ticket: u64) -> Option<&Outgoing> {
        let out = self.outgoing.iter_mut().find(|out| out.ticket == ticket && out.failed.is_some())?;
        out.failed = None;
        Some(out)
    }

    /// Takes a refused message back into the composer, in front of what stands there.
    pub fn take_back(&mut self, ticket: u64, now_ms: u64) -> Option<Outgoing> {
        let at = self.outgoing.iter().position(|out| out.ticket == ticket && out.failed.is_some())?;
        let out = self.outgoing.remove(at);
        if let (Some(reply), None) = (&out.reply, self.reply(&out.to)) {
            self.set_reply(&out.to, Some(reply.clone()));
        }
        let typed = self.typed.remove(&out.to).unwrap_or_default();
        let text = if typed.is_empty() { out.text.clone() } else { format!("{}\n{typed}", out.text) };
        self.edit(&out.to, text, now_ms);
        Some(out)
    }

    /// Messages to `to` that are not durable yet, oldest first.
    pub fn outgoing(&self, to: &str) -> impl Iterator<Item = &Outgoing> {
        self.outgoing.iter().filter(move |out| out.to == to)
    }

    /// What must survive a restart: refused messages, then what is typed.
    pub fn kept(&self, to: &str) -> String {
        let refused =
            self.outgoing.iter().filter(|out| out.to == to && out.failed.is_some()).map(|out| out.text.as_str());
        let typed = self.typed(to).filter(|text| !text.is_empty());
        refused.chain(typed).collect::<Vec<_>>().join("\n")
    }

    /// Drafts to write now, with their text; `all` does not wait for a pause in typing.
    pub fn take_due(&mut self, now_ms: u64, all: bool) -> Vec<(String, String)> {
        let due: Vec<String> =
            self.unsaved.iter().filter(|(_, at)| all || **at <= now_ms).map(|(to, _)| to.clone()).collect();
        due.into_iter()
            .map(|to| {
                self.unsaved.remove(&to);
                let text = self.kept(&to);
                (to, text)
            })
            .collect()
    }

    /// When the next one is due.
    pub fn due(&self) -> Option<u64> {
        self.unsaved.values().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c1_a_draft_is_written_after_a_pause_or_at_once_when_asked() {
        let mut drafts = Drafts::default();
        drafts.edit("ada", "h".into(), 0);
        drafts.edit("ada", "hi".into(), 300);
        assert!(drafts.take_due(500, false).is_empty());
        assert_eq!(drafts.due(), Some(700));
        assert_eq!(drafts.take_due(700, false), [("ada".into(), "hi".into())]);
        drafts.edit("ada", "hi!".into(), 800);
        assert_eq!(drafts.take_due(800, true).len(), 1);
        assert_eq!(drafts.due(), None);
    }

    #[test]
    fn what_is_typed_is_newer_than_what_was_saved() {
        let mut drafts = Drafts::default();
        drafts.edit("ada", "new".into(), 0);
        drafts.restore("ada", "old".into());
        drafts.restore("bob", "kept".into());
        assert_eq!((drafts.typed("ada"), drafts.typed("bob")), (Some("new"), Some("kept")));
    }

    #[test]
    fn a_refused_message_is_kept_before_what_is_typed_after_it() {
        let mut drafts = Drafts::default();
        let ticket = drafts.send("ada", "first".into(), 0).ticket;
        assert_eq!(drafts.kept("ada"), "");
        drafts.edit("ada", "second".into(), 10);
        assert!(drafts.failed(ticket, "the disk is full".into(), 20).is_some());
        assert_eq!(drafts.take_due(20, false), [("ada".into(), "first\nsecond".into())]);
        assert!(drafts.take_back(ticket, 30).is_some());
        assert_eq!(drafts.typed("ada"), Some("first\nsecond"));
        assert_eq!(drafts.outgoing("ada").count(), 0);
    }

    #[test]
    fn c7_a_reply_goes_out_once_and_comes_back_with_its_words() {
        let mut drafts = Drafts::default();
        let reply = Reply { id: "aa".into(), who: "Ada".into(), words: "well?".into() };
        drafts.set_reply("ada", Some(reply.clone()));
        let out = drafts.send("ada", "yes".into(), 0).clone();
        assert_eq!((out.reply.as_ref(), drafts.reply("ada")), (Some(&reply), None));
        drafts.failed(out.ticket, "the disk is full".into(), 1);
        drafts.take_back(out.ticket, 2);
        assert_eq!(drafts.reply("ada"), Some(&reply));
        drafts.set_reply("ada", None);
        assert_eq!(drafts.reply("ada"), None);
    }

    #[test]
    fn once_durable_only_what_was_typed_since_is_written_again() {
        let mut drafts = Drafts::default();
        let one = drafts.send("ada", "one".into(), 0).ticket;
        assert_eq!(drafts.sent(one), None);
        let two = drafts.send("ada", "two".into(), 0).ticket;
        drafts.edit("ada", "three".into(), 1);
        assert_eq!(drafts.sent(two), Some("ada".into()));
    }
}
