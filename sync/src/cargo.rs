//! Fork proofs and events on their way to the peer: reads from the ledger, pages, frames.
//!
//! ```text
//! todo (ranked) ─▶ Read ─▶ Events: page ─▶ fork frames ▸ items frames ─▶ next page … done
//!                  at most 4 logs at once, each with one page of 512 events or 1 MiB
//! ```
//!
//! * Causal push (S5): a page is in causal order, a log has one transfer at a time, and a transfer is
//!   everything that the peer lacks of a closed set. So an event's deps are with the peer or ahead of it.
//! * Nothing goes twice: an item that the peer is known to hold by now is left out when it would leave.

use y7ke_crypto::codec::Wire;
use y7ke_crypto::ids::{DeviceId, LogId};

use crate::lanes::Fit;
use crate::limits::{READ_BYTES, READ_EVENTS, READS};
use crate::live::{InFlight, Live};
use crate::log::{Log, Page, Wish};
use crate::window::Load;
use crate::wire::{Cargo, FORK_CAP, ITEMS_HEAD};
use crate::{Item, Lane, Misuse, Output, Parcel, ReadId};

/// The events in a frame of the msg lane, if it holds any: for whoever checks them before the session takes the
/// frame. What the frame does is the session's to say.
pub fn parcels(frame: &[u8]) -> Option<Vec<Parcel>> {
    match Cargo::from_bytes(frame) {
        Ok(Cargo::Items { parcels, .. }) => Some(parcels),
        Ok(Cargo::Fork { .. } | Cargo::Flushed) | Err(_) => None,
    }
}

impl Live {
    /// Reads and sends what credit allows.
    pub(crate) fn move_cargo(&mut self, out: &mut Vec<Output>) {
        while let Some(id) = self.next_sender() {
            if !self.send_some(id, out) {
                break;
            }
        }
        self.read_some(out);
    }

    /// The ledger's answer.
    pub(crate) fn on_events(
        &mut self,
        read: ReadId,
        mut proofs: Vec<(DeviceId, Vec<u8>)>,
        mut items: Vec<Item>,
        more: bool,
        out: &mut Vec<Output>,
    ) {
        let Some(id) = self.reads.remove(&read) else {
            out.push(Output::Misuse(Misuse::OutOfTurn("events that nobody asked for")));
            return;
        };
        let given = (proofs.len(), items.len());
        proofs.retain(|(_, proof)| proof.len() <= FORK_CAP);
        let last = items.last().map(Item::position);
        items.retain(|item| item.parcel.fits());
        if given != (proofs.len(), items.len()) {
            out.push(Output::Misuse(Misuse::ItemTooLong(read)));
        }
        let page = Page::new(proofs, items, last, more);
        if self.logs.get_mut(&id).is_some_and(|log| log.fill(read, page)) {
            self.sending.insert(id);
        }
        self.consider(id);
    }

    /// Begins transfers, the newest log first, while there is credit and a free slot.
    fn read_some(&mut self, out: &mut Vec<Output>) {
        while self.reads.len() + self.sending.len() < READS && !self.lanes.room(Lane::Msg).is_spent() {
            let Some((_, _, id)) = self.todo.pop_first() else { return };
            let Some(log) = self.logs.get_mut(&id) else { continue };
            log.rank = None;
            let Some(wish) = log.wish().filter(|_| log.is_idle()) else { continue };
            let read = self.next_read(id);
            self.logs.get_mut(&id).into_iter().for_each(|log| log.begin(read, wish.wants.clone()));
            Self::ask(read, id, wish, out);
        }
    }

    fn next_read(&mut self, id: LogId) -> ReadId {
        self.last_read = self.last_read.saturating_add(1);
        let read = ReadId(self.last_read);
        self.reads.insert(read, id);
        read
    }

    fn ask(read: ReadId, log: LogId, wish: Wish, out: &mut Vec<Output>) {
        let Wish { proofs, wants, after } = wish;
        let (max_events, max_bytes) = (READ_EVENTS, READ_BYTES);
        out.push(Output::Read { read, log, proofs, wants, after, max_events, max_bytes });
    }

    /// The log whose page goes first. A log whose next frame is longer than the peer takes lets others pass.
    fn next_sender(&mut self) -> Option<LogId> {
        let Self { sending, logs, .. } = self;
        sending.retain(|id| logs.get(id).is_some_and(|log| log.page().is_some()));
        let max_frame = self.lanes.max_frame(Lane::Msg);
        let sendable = self.sending.iter().filter_map(|id| Some((id, self.logs.get(id)?)));
        let sendable = sendable.filter(|(_, log)| log.page().is_some_and(|page| page.next_len() <= max_frame));
        sendable.min_by_key(|(id, log)| log.rank_as(**id)).map(|(id, _)| *id)
    }

    /// Sends one frame of a log, or turns its page; false: wait for credit.
    fn send_some(&mut self, id: LogId, out: &mut Vec<Output>) -> bool {
        let room = self.lanes.room(Lane::Msg);
        let max_frame = self.lanes.max_frame(Lane::Msg);
        let Some(log) = self.logs.get_mut(&id) else { return true };
        log.skip_covered();
        if log.page().is_none_or(Page::is_empty) {
            self.turn(id, out);
            return true;
        }
        if let Some(fork) = log.fork_frame() {
            let fit = self.lanes.try_send(Lane::Msg, fork.to_bytes(), 1, out);
            if fit == Fit::Now {
                self.logs.get_mut(&id).into_iter().for_each(Log::drop_fork);
            }
            return fit == Fit::Now;
        }
        let items = log.pack(room, max_frame);
        if items.is_empty() {
            return log.page().is_some_and(|page| page.next_len() > max_frame);
        }
        self.send_items(id, items, out);
        true
    }

    fn send_items(&mut self, id: LogId, items: Vec<Item>, out: &mut Vec<Output>) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        let mut upto = self.lanes.sent_items(Lane::Msg);
        for item in &items {
            upto = upto.saturating_add(1);
            let name = item.name();
            log.known.note_sent(&name, &log.heads);
            self.in_flight.push_back(InFlight { upto, log: id, name });
        }
        let count = items.len();
        let parcels = items.into_iter().map(|item| item.parcel).collect();
        let frame = Cargo::Items { tag: log.tag, parcels }.to_bytes();
        self.lanes.send(Lane::Msg, frame, count, out);
    }

    /// A page is through: the next one, or the end of the transfer.
    fn turn(&mut self, id: LogId, out: &mut Vec<Output>) {
        self.sending.remove(&id);
        let read = self.next_read(id);
        match self.logs.get_mut(&id).and_then(|log| log.turn(read)) {
            Some(wish) => Self::ask(read, id, wish, out),
            None => {
                self.reads.remove(&read);
                self.consider(id);
            }
        }
    }
}

impl Log {
    /// Drops what the peer came to hold since it was read.
    fn skip_covered(&mut self) {
        let Self { known, heads, transfer, .. } = self;
        let Some(page) = transfer.as_mut().and_then(|transfer| transfer.page.as_mut()) else { return };
        while page.items.pop_front_if(|item| known.covers(&item.name(), heads)).is_some() {}
    }

    fn fork_frame(&self) -> Option<Cargo> {
        let (device, proof) = self.page()?.proofs.front()?;
        Some(Cargo::Fork { tag: self.tag, device: *device, proof: proof.clone() })
    }

    fn drop_fork(&mut self) {
        if let Some(page) = self.page_mut() {
            page.proofs.pop_front();
        }
    }

    /// As many items as one frame and the credit take.
    fn pack(&mut self, room: Load, max_frame: usize) -> Vec<Item> {
        let most = usize::try_from(room.bytes).unwrap_or(max_frame).min(max_frame);
        let count = usize::try_from(room.items).unwrap_or(READ_EVENTS).min(READ_EVENTS);
        let mut len = ITEMS_HEAD;
        let mut items = Vec::new();
        while items.len() < count {
            self.skip_covered();
            let Some(page) = self.page_mut() else { break };
            let fits = |item: &mut Item| len + item.parcel.wire_len() <= most;
            let Some(item) = page.items.pop_front_if(fits) else { break };
            len += item.parcel.wire_len();
            items.push(item);
        }
        items
    }
}

impl Page {
    /// Length of the shortest frame that takes the next proof or item.
    fn next_len(&self) -> usize {
        match (self.proofs.front(), self.items.front()) {
            (Some((device, proof)), _) => 1 + 16 + device.as_bytes().len() + 4 + proof.len(),
            (None, Some(item)) => ITEMS_HEAD + item.parcel.wire_len(),
            (None, None) => 0,
        }
    }
}
