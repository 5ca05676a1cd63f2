//! Ways through a log: a peer's wants merged, a whole log backwards, the ancestors of an event.
//!
//! ```text
//! Run       one device's events of a want, a stretch at a time ──┐
//! Run       …                                                    ├─ earliest (hlc, device) first ─▶ page
//! Backward  the order index from its end: each event before everything it depends on ─▶ live set
//! Past      facts, dependencies and rekeys of stored events ─▶ admission
//! ```

use std::ops::ControlFlow;

use y7ke_crypto::clock::Want;
use y7ke_crypto::event::Dep;
use y7ke_crypto::ids::{DeviceId, EpochId, EventId, LogId};

use super::StorageError;
use super::raw::{Range, Tbl, after};
use super::schema::{self, Place, Record, decode};
use super::view::View;
use crate::admit::{Ancestors, Facts, KnownRekey};
use crate::fork::Node;

/// One device's wanted events, read a stretch at a time. Those of a frozen device are read at once:
/// the numbers of its variants do not ascend with the clock.
pub(super) struct Run {
    next: Option<Place>,
    to: u64,
    whole: bool,
    /// Descending by clock: the next one is the last.
    ready: Vec<(Place, Record)>,
}

impl View {
    /// One run for each of these wants.
    pub(super) fn runs(&self, log: &LogId, wants: &[Want]) -> Result<Vec<Run>, StorageError> {
        let (Some(number), Some(state)) = (self.log_number(log)?, self.state_of(log)?) else { return Ok(Vec::new()) };
        let mut runs = Vec::new();
        for want in wants {
            if let Some(device) = self.device_number(&want.device)? {
                let whole = state.frozen.contains(&want.device);
                let next = Place { log: number, device, seq: want.from, variant: 0 };
                runs.push(Run { next: Some(next), to: want.to, whole, ready: Vec::new() });
            }
        }
        Ok(runs)
    }
}

/// Events of one device that are read ahead.
const STRETCH: usize = 64;

impl Run {
    fn refill(&mut self, view: &View) -> Result<(), StorageError> {
        let Some(next) = self.next.take().filter(|_| self.ready.is_empty()) else { return Ok(()) };
        let end = Place { seq: self.to.saturating_add(1), variant: 0, ..next }.key();
        let limit = if self.whole { usize::MAX } else { STRETCH };
        let (mut read, mut last) = (0, None);
        view.tables.walk(Tbl::Events, Range::new(&next.key(), Some(&end)), &mut |key, value| {
            let (place, record): (_, Record) = (Place::from_key(key)?, decode(value)?);
            read += 1;
            last = Some(place);
            if record.live {
                self.ready.push((place, record));
            }
            Ok(if read < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        self.next = last.filter(|_| read == limit).map(|last| Place { variant: last.variant + 1, ..last });
        self.ready.sort_by_key(|(_, record)| std::cmp::Reverse((record.header.hlc, record.id)));
        Ok(())
    }

    fn peek(&mut self, view: &View) -> Result<Option<(u64, DeviceId)>, StorageError> {
        while self.ready.is_empty() && self.next.is_some() {
            self.refill(view)?;
        }
        Ok(self.ready.last().map(|(_, record)| (record.header.hlc, record.header.device)))
    }
}

/// The earliest event of all runs.
pub(super) fn next_of(runs: &mut [Run], view: &View) -> Result<Option<(Place, Record)>, StorageError> {
    let mut earliest: Option<((u64, DeviceId), usize)> = None;
    for (at, run) in runs.iter_mut().enumerate() {
        if let Some(order) = run.peek(view)? {
            earliest = Some(earliest.map_or((order, at), |best| best.min((order, at))));
        }
    }
    Ok(earliest.and_then(|(_, at)| runs[at].ready.pop()))
}

/// The stored ancestors of one log, for [`crate::admit::judge`].
pub(super) struct Past<'v> {
    pub(super) view: &'v View,
    pub(super) log: u32,
}

impl Ancestors for Past<'_> {
    type Error = StorageError;

    fn facts(&self, at: &Dep) -> Result<Option<Facts>, StorageError> {
        if let Some((known, facts)) = self.view.memo.facts.get(&at.id) {
            return Ok((known == at).then_some(*facts));
        }
        Ok(self.view.find(self.log, at)?.map(|(_, record)| record.facts()))
    }

    fn deps(&self, at: &Dep) -> Result<Vec<Dep>, StorageError> {
        Ok(self.view.find(self.log, at)?.map(|(_, record)| record.header.deps).unwrap_or_default())
    }

    fn knows(&self, id: &EventId) -> Result<bool, StorageError> {
        Ok(self.view.place_of(id)?.is_some())
    }

    fn rekey(&self, epoch: &EpochId) -> Result<Option<KnownRekey>, StorageError> {
        let Some(number) = self.view.epoch_number(self.log, epoch)? else { return Ok(None) };
        self.view.known_rekey(&self.view.epoch(number)?).map(Some)
    }
}

/// Rows of the order index read at once.
const PAGE: usize = 512;

/// A row of the order index and what it points to.
pub(super) type Indexed = (Vec<u8>, Place, Record);

impl View {
    /// The newest stored events of a log before this key of the order index, newest first.
    pub(super) fn page_before(&self, log: u32, before: Option<&[u8]>) -> Result<Vec<Indexed>, StorageError> {
        let (from, end) = (log.to_be_bytes(), after(&log.to_be_bytes()));
        let to = before.or(end.as_deref());
        let mut page = Vec::new();
        self.tables.walk(Tbl::Order, Range::new(&from, to).reversed(), &mut |key, value| {
            let place = schema::order_place(key, value)?;
            page.push((key.to_vec(), place, self.record_at(&place)?));
            Ok(if page.len() < PAGE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(page)
    }

    /// All stored events of a log, each before everything it depends on: what
    /// [`crate::fork::live_set`] reads.
    pub(super) fn backward(&self, log: u32) -> Backward<'_> {
        Backward { view: self, log, page: Vec::new().into_iter(), before: None }
    }
}

/// Walks a log from its newest event to its oldest, a page at a time.
pub(super) struct Backward<'v> {
    view: &'v View,
    log: u32,
    page: std::vec::IntoIter<Indexed>,
    before: Option<Vec<u8>>,
}

impl Iterator for Backward<'_> {
    type Item = Result<Node, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.len() == 0 {
            match self.view.page_before(self.log, self.before.as_deref()) {
                Ok(page) => self.page = page.into_iter(),
                Err(fault) => return Some(Err(fault)),
            }
        }
        let (key, _, record) = self.page.next()?;
        self.before = Some(key);
        Some(Ok(record.node()))
    }
}
