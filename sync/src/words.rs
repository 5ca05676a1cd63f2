//! The control words of a session: which logs speak, in what order, within credit.
//!
//! ```text
//! gone ▸ offers (up to 512 in a frame) ▸ clocks ▸ acknowledgements
//! ```

use y7ke_crypto::codec::Wire;
use y7ke_crypto::ids::{DeviceId, LogId};

use crate::lanes::Fit;
use crate::limits::OFFERS_PER_FRAME;
use crate::live::Live;
use crate::log::{Log, Say};
use crate::wire::{Offer, Word};
use crate::{Lane, Output};

impl Live {
    /// Says what can be said now; what waits for credit stays marked.
    pub(crate) fn say_words(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        if self.talk.is_empty() && self.gone.is_empty() {
            return;
        }
        self.say_gone(out);
        self.say_offers(now_ms, out);
        self.say_clocks(now_ms, out);
        self.say_acks(out);
        let logs = &self.logs;
        self.talk.retain(|id| logs.get(id).is_some_and(Log::has_words));
    }

    fn say_gone(&mut self, out: &mut Vec<Output>) {
        while let Some(tag) = self.gone.first().copied() {
            if self.word(&Word::Gone(tag), out) != Fit::Now {
                return;
            }
            self.gone.remove(&tag);
        }
    }

    fn say_offers(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        let mut waiting: Vec<(LogId, bool)> = self.due(|say| match say {
            Say::Offer { ask } => Some(ask),
            Say::Clock { .. } => None,
        });
        while !waiting.is_empty() {
            let rest = waiting.split_off(waiting.len().min(self.offers_that_fit()));
            let offers = waiting.iter().filter_map(|(id, ask)| Some(self.logs.get(id)?.offer(*ask))).collect();
            if waiting.is_empty() || self.word(&Word::Offers(offers), out) != Fit::Now {
                return;
            }
            waiting.into_iter().for_each(|(id, ask)| self.said(id, Say::Offer { ask }, now_ms));
            waiting = rest;
        }
    }

    fn offers_that_fit(&self) -> usize {
        let room = self.lanes.room(Lane::Sync);
        let bytes = usize::try_from(room.bytes).unwrap_or(usize::MAX).min(self.lanes.max_frame(Lane::Sync));
        OFFERS_PER_FRAME.min(bytes.saturating_sub(OFFERS_HEAD) / Offer::CAP)
    }

    fn say_clocks(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        let waiting = self.due(|say| match say {
            Say::Clock { ask } => Some(ask),
            Say::Offer { .. } => None,
        });
        let settled = self.lanes.settled_items(Lane::Msg);
        for (id, ask) in waiting {
            let Some(log) = self.logs.get(&id) else { continue };
            let word = Word::Clock(log.clock(ask, settled));
            match self.word(&word, out) {
                Fit::Now => self.said(id, Say::Clock { ask }, now_ms),
                Fit::TooLong => {}
                Fit::Later => return,
            }
        }
    }

    fn say_acks(&mut self, out: &mut Vec<Output>) {
        let talking: Vec<LogId> = self.talk.iter().copied().collect();
        for id in talking {
            while let Some((device, word)) = self.next_ack(&id) {
                match self.word(&word, out) {
                    Fit::Now => self.logs.get_mut(&id).into_iter().for_each(|log| log.said_ack(&device)),
                    Fit::TooLong => break,
                    Fit::Later => return,
                }
            }
        }
    }

    fn next_ack(&self, id: &LogId) -> Option<(DeviceId, Word)> {
        let log = self.logs.get(id)?;
        let (device, bytes) = log.next_ack()?;
        Some((device, Word::Ack { tag: log.tag, bytes: bytes.to_vec() }))
    }

    /// Talking logs whose next word is of a kind.
    fn due(&self, kind: impl Fn(Say) -> Option<bool>) -> Vec<(LogId, bool)> {
        let due = self.talk.iter().filter_map(|id| Some((*id, kind(self.logs.get(id)?.due?)?)));
        due.collect()
    }

    fn said(&mut self, id: LogId, say: Say, now_ms: u64) {
        if let Some(log) = self.logs.get_mut(&id) {
            log.said(say, now_ms);
            self.time(id);
        }
    }

    fn word(&mut self, word: &Word, out: &mut Vec<Output>) -> Fit {
        self.lanes.try_send(Lane::Sync, word.to_bytes(), 1, out)
    }
}

/// Bytes of an offers frame before its offers.
const OFFERS_HEAD: usize = 1 + 4;
