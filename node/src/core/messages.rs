//! Messages: writing, listing, reading, and telling how far they came.

use rand_core::CryptoRng;
use y7ke_crypto::ids::{DeviceId, LogId, RootId};
use y7ke_ledger::body::{Body, MAX_TEXT_BYTES, ReadMarks};
use y7ke_ledger::fold;
use y7ke_ledger::views::{self, MessageKey};

use super::commands::message_id;
use super::people::Relation;
use super::telling::What;
use super::{Refused, Round, Step};
use crate::api::{Answer, ApiError, Conversation, ErrorKind, Notice};

/// Messages of one answer at most (RPC.md).
const PAGE_MAX: usize = 500;
/// Status notices of one acknowledgement at most; beyond it readers are told to ask again.
const STATUS_NOTICES_MAX: usize = 512;

impl<R: CryptoRng> Round<'_, R> {
    pub(super) fn send_message(
        &mut self,
        to: &Conversation,
        text: String,
        reply_to: Option<&str>,
    ) -> Result<Answer, Refused> {
        if text.is_empty() {
            Err(ApiError::param("text", "The message is empty."))?;
        }
        if text.len() > MAX_TEXT_BYTES {
            Err(ApiError::new(ErrorKind::TooLarge, "A message can have 65,536 bytes. Send it in parts."))?;
        }
        let (contact, log, logs) = self.writable(to)?;
        let reply_to = reply_to.map(|id| self.message_key(id, "reply_to", &logs)).transpose()?.map(|key| key.id);
        self.join(&log)?;
        self.rekey_if_due(&log, &contact.root, None)?;
        let id = self.append_sealed(&log, Body::Text { text, reply_to })?;
        self.draft_was_sent(&logs)?;
        self.wish_at_once(&contact.root);
        Ok(Answer::Sent { message_id: id.to_string() })
    }

    pub(super) fn list_messages(
        &self,
        of: &Conversation,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Answer, Refused> {
        if !(1..=PAGE_MAX).contains(&limit) {
            Err(ApiError::param("limit", "The limit is 1 to 500."))?;
        }
        let logs = self.conversation_logs(of)?;
        let before = before.map(|id| self.message_key(id, "before", &logs)).transpose()?;
        let page = views::page(self.view(), &logs, before.as_ref(), limit)?;
        Ok(Answer::Messages { messages: self.show_messages(page.messages)?, more: page.more })
    }

    fn message_key(&self, id: &str, field: &'static str, logs: &[LogId]) -> Result<MessageKey, Refused> {
        let row = views::message(self.view(), &message_id(id, field)?)?.filter(|row| logs.contains(&row.log));
        let none = || ApiError::new(ErrorKind::NotFound, "There is no such message in this conversation.");
        Ok(row.map(|row| row.key).ok_or_else(none)?)
    }

    /// Marks everything up to a message as read, here and, if I allow it, for the other side to see.
    pub(super) fn read_messages(&mut self, of: &Conversation, up_to: &str) -> Result<Answer, Refused> {
        let logs = self.conversation_logs(of)?;
        let key = self.message_key(up_to, "up_to", &logs)?;
        for log in logs {
            self.read_log(&log, &key)?;
        }
        Ok(Answer::Done {})
    }

    fn read_log(&mut self, log: &LogId, up_to: &MessageKey) -> Step {
        let marks = views::marks_up_to(self.view(), log, &self.core.me.root, up_to)?;
        if marks.is_empty() {
            return Ok(());
        }
        let Some(root) = self.other_member(log)? else { return Ok(()) };
        self.core.to_tell.person(root);
        // One event says it to my devices: the one that the other side sees as well, else one of the account log.
        match self.tell_read(log, &root, marks.clone()) {
            Ok(true) => Ok(()),
            Ok(false) | Err(Refused::Caller(_)) => self.keep_read(log, marks),
            Err(disk) => Err(disk),
        }
    }

    /// Says whether it could be told.
    fn tell_read(&mut self, log: &LogId, root: &RootId, marks: ReadMarks) -> Step<bool> {
        let blocked = self.relation(root)? == Relation::Blocked;
        if blocked || !self.settings()?.receipts || !self.is_joined(log)? {
            return Ok(false);
        }
        self.rekey_if_due(log, root, None)?;
        self.append_sealed(log, Body::Read { marks }).map(|_| true)
    }

    /// For my devices alone; where this one may not write any more, for itself.
    fn keep_read(&mut self, log: &LogId, marks: ReadMarks) -> Step {
        match self.append_account(Body::ReadUpTo { log: *log, marks: marks.clone() }) {
            Err(Refused::Caller(why)) => {
                tracing::warn!(%why, "what was read stays on this device");
                self.put_local_reads(log, &marks)
            }
            kept => kept,
        }
    }

    /// What an earlier version, or a device that could not write, noted for itself becomes known to all my devices.
    pub(super) fn carry_reads_over(&mut self) -> Step {
        for log in self.contacts()?.iter().flat_map(|contact| contact.all_logs()) {
            let marks = views::reads_here(self.view(), &log)?;
            if marks.is_empty() {
                continue;
            }
            match self.append_account(Body::ReadUpTo { log, marks }) {
                Ok(()) => fold::forget_reads_here(self.book, &log)?,
                Err(Refused::Caller(why)) => tracing::warn!(%why, "what was read stays on this device"),
                Err(disk) => return Err(disk),
            }
        }
        Ok(())
    }

    /// What was just given to a session counts as sent; that is known in memory only (S3).
    pub(super) fn mark_sent(&mut self, log: &LogId, items: &[y7ke_sync::Item]) {
        let me = self.core.me.device.id();
        for item in items.iter().filter(|item| item.device == me) {
            if self.core.sent.insert((*log, item.seq)) {
                let key = MessageKey { hlc: item.hlc, device: item.device, id: item.id, seq: item.seq };
                self.core.to_tell.message(*log, key, What::Reached);
            }
        }
    }

    /// Tells how far the messages of `device` with these numbers came by now.
    pub(super) fn tell_reached(&mut self, log: &LogId, device: &DeviceId, from: u64, to: u64) -> Step {
        let keys = views::authored(self.view(), log, device, from..=to)?;
        if keys.len() > STATUS_NOTICES_MAX {
            self.tell(Notice::Resync);
            return Ok(());
        }
        keys.into_iter().for_each(|key| self.core.to_tell.message(*log, key, What::Reached));
        Ok(())
    }

    /// Whether a message of mine to this person has not been delivered yet.
    pub(super) fn something_waits_for(&self, contact: &views::Standing) -> Step<bool> {
        let me = self.core.me.device.id();
        let first = self.writing_log(contact)?;
        for log in contact.all_logs() {
            if Some(log) != first && !self.has_come_in(&log, &contact.root)? {
                continue;
            }
            let mine = self.view().clock(&log)?.seq(&me);
            let acks = self.view().acks(&log)?;
            let members = self.view().members(&log)?;
            let theirs = |device: &DeviceId| members.iter().any(|(member, of)| member == device && *of == contact.root);
            let held = acks.iter().filter(|ack| theirs(&ack.claim.device)).map(|ack| ack.claim.clock.seq(&me)).max();
            if mine > held.unwrap_or(0) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
