//! What is needed to say how far the messages of a log came, read once per page.

use y7ke_crypto::ack::Ack;
use y7ke_crypto::ids::{DeviceId, LogId, RootId};

use super::{MessageKey, conversations, people};
use crate::fold::status::{self, Acked, ReadBy, Status};
use crate::rows::Rows;

/// Members, acknowledgements and read marks of a log.
#[derive(Clone, Debug)]
pub struct Reach {
    me: RootId,
    people: Vec<RootId>,
    acks: Vec<(RootId, Ack)>,
    reads: Vec<ReadBy>,
    /// What I have read of the devices of others.
    local: Vec<(DeviceId, u64)>,
}

impl Reach {
    /// Reads members and marks of `log`, seen by `me`.
    pub fn read<R: Rows>(rows: &R, log: &LogId, me: RootId) -> Result<Self, R::Error> {
        let members = conversations::members(rows, log)?;
        let mut local = Vec::new();
        for (device, _) in members.iter().filter(|(_, root)| *root != me) {
            local.push((*device, conversations::mark(rows, log, &me, device)?));
        }
        let mut people: Vec<_> = members.into_iter().map(|(_, root)| root).collect();
        people.extend(conversations::openings(rows, log)?.iter().flat_map(|row| [row.requester, row.opener]));
        people.sort_unstable();
        people.dedup();
        Ok(Self { me, people, acks: Vec::new(), reads: conversations::reads_of(rows, log)?, local })
    }

    /// Adds the newest acknowledgement of a device; of a device of nobody in the log it says nothing.
    pub fn acked<R: Rows>(&mut self, rows: &R, ack: Ack) -> Result<(), R::Error> {
        if let Some(root) = people::person_of(rows, &ack.log, &self.people, &ack.device)? {
            self.acks.push((root, ack));
        }
        Ok(())
    }

    /// How far a message of mine came; a message of others is delivered (here), or read (by me).
    pub fn status(&self, author: &RootId, key: &MessageKey, sent: bool) -> Status {
        if *author != self.me {
            let read = self.local.iter().any(|(device, seq)| *device == key.device && *seq >= key.seq);
            return if read { Status::Read } else { Status::Delivered };
        }
        let others: Vec<_> = self.people.iter().filter(|root| *root != author).copied().collect();
        status::status(&key.device, key.seq, &others, &self.views(), &self.reads, sent)
    }

    /// The devices that hold a message and can open it, the author's left out.
    pub fn delivered_to(&self, key: &MessageKey) -> Vec<DeviceId> {
        status::delivered_to(&key.device, key.seq, &self.views())
    }

    fn views(&self) -> Vec<Acked<'_>> {
        self.acks.iter().map(|(root, ack)| Acked { root: *root, ack }).collect()
    }
}
