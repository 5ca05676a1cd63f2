//! Ways through a log: a peer's wants merged, a whole log in both directions, the ancestors of an event.
//!
//! ```text
//! Run       one device's events, a stretch at a time ──┐
//! Run       …                                          ├─ earliest (hlc, device) first ─▶ a peer's page · a whole log
//! Run       …                                          └─ latest first: each before everything it depends on ─▶ live set
//! Past      facts, dependencies and rekeys of stored events ─▶ admission
//! ```

use std::ops::ControlFlow;

use y7ke_crypto::clock::Want;
use y7ke_crypto::event::Dep;
use y7ke_crypto::ids::{DeviceId, EpochId, EventId, LogId};

use super::StorageError;
use super::raw::{Range, Tbl, after};
use super::schema::{self, Place, Record, decode, pair};
use super::view::View;
use crate::admit::{Ancestors, Facts, KnownRekey};

/// One device's events, read a stretch at a time. Those of a frozen device are read at once:
/// the numbers of its variants do not ascend with the clock.
pub(super) struct Run {
    /// What is left to read: from here to there, the end not included. None once all was read.
    rest: Option<(Place, Place)>,
    stretch: usize,
    backward: bool,
    live_only: bool,
    /// The next one is the last.
    ready: Vec<(Place, Record)>,
}

/// Events of one device that are read ahead.
const STRETCH: usize = 64;

impl View {
    /// One run for each of these wants.
    pub(super) fn runs(&self, log: &LogId, wants: &[Want]) -> Result<Vec<Run>, StorageError> {
        let (Some(number), Some(state)) = (self.log_number(log)?, self.state_of(log)?) else { return Ok(Vec::new()) };
        let mut runs = Vec::new();
        for want in wants {
            if let Some(device) = self.device_number(&want.device)? {
                let at = |seq| Place { log: number, device, seq, variant: 0 };
                let rest = Some((at(want.from), at(want.to.saturating_add(1))));
                let stretch = if state.frozen.contains(&want.device) { usize::MAX } else { STRETCH };
                runs.push(Run { rest, stretch, backward: false, live_only: true, ready: Vec::new() });
            }
        }
        Ok(runs)
    }

    /// All stored events of a log by (hlc, device), or each before everything it depends on: what
    /// [`crate::fork::live_set`] reads.
    pub(super) fn in_order(&self, log: u32, backward: bool) -> Result<InOrder<'_>, StorageError> {
        let (frozen, mut runs) = (self.state(log)?.frozen, Vec::new());
        let (mut next, end) = (Some(0), after(&log.to_be_bytes()));
        while let Some(device) = next.take() {
            self.tables.walk(Tbl::Events, Range::new(&pair(log, device), end.as_deref()), &mut |key, _| {
                let device = schema::number_at(key, 4)?;
                next = device.checked_add(1);
                let at = |seq, variant| Place { log, device, seq, variant };
                let rest = Some((at(0, 0), at(u64::MAX, u32::MAX)));
                let stretch = if frozen.contains(&self.device_id(device)?) { usize::MAX } else { STRETCH };
                runs.push(Run { rest, stretch, backward, live_only: false, ready: Vec::new() });
                Ok(ControlFlow::Break(()))
            })?;
        }
        Ok(InOrder { view: self, runs, backward })
    }
}

impl Run {
    fn refill(&mut self, view: &View) -> Result<(), StorageError> {
        let Some((from, to)) = self.rest.take() else { return Ok(()) };
        let (first, end) = (from.key(), to.key());
        let range = Range::new(&first, Some(&end));
        let (mut read, mut last) = (0, None);
        view.tables.walk(Tbl::Events, if self.backward { range.reversed() } else { range }, &mut |key, value| {
            let (place, record): (_, Record) = (Place::from_key(key)?, decode(value)?);
            read += 1;
            last = Some(place);
            if record.live || !self.live_only {
                self.ready.push((place, record));
            }
            Ok(if read < self.stretch { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        self.rest = last.filter(|_| read == self.stretch).and_then(|last| match self.backward {
            true => Some((from, last)),
            false => Some((Place { variant: last.variant.checked_add(1)?, ..last }, to)),
        });
        self.ready.sort_by_key(|(_, record)| (record.header.hlc, record.id));
        if !self.backward {
            self.ready.reverse();
        }
        Ok(())
    }

    fn peek(&mut self, view: &View) -> Result<Option<(u64, DeviceId)>, StorageError> {
        while self.ready.is_empty() && self.rest.is_some() {
            self.refill(view)?;
        }
        Ok(self.ready.last().map(|(_, record)| (record.header.hlc, record.header.device)))
    }
}

/// The earliest event of all runs, or the latest.
pub(super) fn next_of(runs: &mut [Run], view: &View, backward: bool) -> Result<Option<(Place, Record)>, StorageError> {
    let mut best: Option<((u64, DeviceId), usize)> = None;
    for (at, run) in runs.iter_mut().enumerate() {
        if let Some(order) = run.peek(view)? {
            let better = |(other, _): ((u64, DeviceId), usize)| if backward { order > other } else { order < other };
            best = if best.is_none_or(better) { Some((order, at)) } else { best };
        }
    }
    Ok(best.and_then(|(_, at)| runs[at].ready.pop()))
}

/// A whole log, its devices' runs merged.
pub(super) struct InOrder<'v> {
    view: &'v View,
    runs: Vec<Run>,
    backward: bool,
}

impl Iterator for InOrder<'_> {
    type Item = Result<(Place, Record), StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        next_of(&mut self.runs, self.view, self.backward).transpose()
    }
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

/// Events of a log read at once.
const PAGE: usize = 512;

impl View {
    /// Stored events of a log, device by device, behind this place.
    pub(super) fn page_behind(&self, log: u32, last: Option<&Place>) -> Result<Vec<(Place, Record)>, StorageError> {
        let end = after(&log.to_be_bytes());
        let from = last.map_or(Some(log.to_be_bytes().to_vec()), |last| after(&last.key()));
        let mut page = Vec::new();
        let Some(from) = from else { return Ok(page) };
        self.tables.walk(Tbl::Events, Range::new(&from, end.as_deref()), &mut |key, value| {
            page.push((Place::from_key(key)?, decode(value)?));
            Ok(if page.len() < PAGE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(page)
    }
}
