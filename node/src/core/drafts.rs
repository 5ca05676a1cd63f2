//! What was typed and not sent: kept at once, told to my other devices when it rests.
//!
//! ```text
//! draft.set ─▶ sealed row of this device, durable before the answer          a crash loses nothing that was answered
//!                  │ rests: 5 s without change · something typed in another conversation · the node ends or is locked
//!                  ▼
//!              event of the account log: of all devices the last writer wins; the row goes, the event before it loses
//!                  its key (fold.rs, store/opening.rs)                       one event per pause, not per key
//! message.send ─▶ the row goes; a draft that rested is taken away by an empty one
//! ```
//!
//! What lies in the device's row at a start (a crash, or a folder of an earlier version) rests then. A draft that is
//! longer than a message can be stays on this device until it is shortened.

use rand_core::CryptoRng;
use y7ke_crypto::ids::LogId;
use y7ke_ledger::body::{Body, MAX_TEXT_BYTES};
use y7ke_ledger::views;

use super::{Refused, Round, Step};
use crate::api::{Answer, ApiError, Conversation, ErrorKind, Notice};

/// A draft that nobody touched for so long rests, ms: long enough for a pause of thought.
pub(super) const REST_MS: u64 = 5_000;

impl<R: CryptoRng> Round<'_, R> {
    pub(super) fn set_draft(&mut self, of: &Conversation, text: &str) -> Result<Answer, Refused> {
        let (log, others) = self.draft_places(of)?;
        // Nobody types in two places at once: whoever begins here has left the other conversation.
        let left: Vec<_> = self.core.drafts.keys().filter(|other| **other != log).copied().collect();
        left.iter().try_for_each(|other| self.rest(other))?;
        self.keep_draft(&log, text)?;
        others.iter().try_for_each(|other| self.keep_draft(other, ""))?;
        Ok(Answer::Done {})
    }

    pub(super) fn get_draft(&self, of: &Conversation) -> Result<Answer, Refused> {
        let (log, others) = self.draft_places(of)?;
        for log in std::iter::once(&log).chain(&others) {
            let text = self.draft(log)?;
            if !text.is_empty() {
                return Ok(Answer::Draft { text });
            }
        }
        Ok(Answer::Draft { text: String::new() })
    }

    /// What stands in a composer: what was typed here, else what my devices know.
    fn draft(&self, log: &LogId) -> Step<String> {
        match self.view().draft(log)? {
            Some(typed) => Ok(typed),
            None => self.rested_draft(log),
        }
    }

    fn rested_draft(&self, log: &LogId) -> Step<String> {
        Ok(views::draft(self.view(), &self.core.me.root, log)?.unwrap_or_default())
    }

    fn keep_draft(&mut self, log: &LogId, text: &str) -> Step {
        let typed = self.view().draft(log)?;
        if text == self.rested_draft(log)? {
            self.forget_typed(log, typed.is_some());
        } else if typed.as_deref() != Some(text) {
            self.book.put_draft(log, text);
            self.core.drafts.insert(*log, self.now.mono_ms.saturating_add(REST_MS));
        }
        Ok(())
    }

    fn forget_typed(&mut self, log: &LogId, there: bool) {
        self.core.drafts.remove(log);
        if there {
            self.book.forget_draft(log);
        }
    }

    /// The message was sent: its draft is gone, here and elsewhere.
    pub(super) fn draft_was_sent(&mut self, logs: &[LogId]) -> Step {
        logs.iter().try_for_each(|log| self.take_draft_away(log))
    }

    fn take_draft_away(&mut self, log: &LogId) -> Step {
        let typed = self.view().draft(log)?.is_some();
        self.forget_typed(log, typed);
        if self.rested_draft(log)?.is_empty() {
            return Ok(());
        }
        // The message is written, whether or not my other devices can be told that its draft is not needed.
        Ok(super::disk_only(self.append_account(Body::Draft { log: *log, text: String::new() }))?)
    }

    /// Writes what was typed for my other devices. Where this device may not write any more, it stays here.
    fn rest(&mut self, log: &LogId) -> Step {
        self.core.drafts.remove(log);
        let Some(text) = self.view().draft(log)?.filter(|text| text.len() <= MAX_TEXT_BYTES) else { return Ok(()) };
        match self.append_account(Body::Draft { log: *log, text }) {
            Ok(()) => self.book.forget_draft(log),
            Err(Refused::Caller(why)) => tracing::warn!(%why, "a draft stays on this device"),
            Err(disk) => return Err(disk),
        }
        Ok(())
    }

    /// Those that nobody touched for a while.
    pub(super) fn rest_due(&mut self) -> Step {
        let now_ms = self.now.mono_ms;
        let due: Vec<_> = self.core.drafts.iter().filter(|(_, at)| **at <= now_ms).map(|(log, _)| *log).collect();
        due.iter().try_for_each(|log| self.rest(log))
    }

    /// All that lie here: the node begins, ends, or is locked.
    pub(super) fn rest_all(&mut self) -> Step {
        self.view().drafts()?.iter().try_for_each(|log| self.rest(log))
    }

    /// Another device of mine wrote a draft; what is typed here stands before it until it rests.
    pub(super) fn draft_came(&mut self, log: &LogId) -> Step {
        let Some(root) = self.other_member(log)? else { return Ok(()) };
        if self.view().draft(log)?.is_none() {
            let text = self.rested_draft(log)?;
            self.tell(Notice::Draft { y7_id: root.to_string(), log: log.to_string(), text });
        }
        Ok(())
    }

    /// The log that is written to, and the others of the same conversation: requests that crossed leave two (C3), and
    /// which of them is written to may change while something is typed.
    fn draft_places(&self, of: &Conversation) -> Result<(LogId, Vec<LogId>), Refused> {
        let logs = self.conversation_logs(of)?;
        let none = || ApiError::new(ErrorKind::NotFound, "There is no conversation with this person yet.");
        let (first, others) = logs.split_first().ok_or_else(none)?;
        Ok((*first, others.to_vec()))
    }
}
