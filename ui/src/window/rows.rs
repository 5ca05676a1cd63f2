//! The paged model behind the list of messages.
//!
//! `row_data` is called inside layout, once for every row that becomes visible; it reads a page when it must.
//! What changed is told exactly, row by row; the model is never reset.

use std::cell::RefCell;
use std::rc::Rc;

use slint::{Model, ModelNotify, ModelTracker};

use crate::model::time::Zone;
use crate::model::timeline::{Change, Setting, Timeline};
use crate::port::{Backend, Key};
use crate::ui::MessageRow;

/// The rows of one open conversation.
pub(super) struct ChatRows {
    timeline: RefCell<Timeline>,
    backend: Rc<dyn Backend>,
    drawn_with: RefCell<(Zone, u64, String)>,
    notify: ModelNotify,
}

impl ChatRows {
    /// Rows of `timeline`, drawn for somebody called `name`.
    pub(super) fn new(timeline: Timeline, backend: Rc<dyn Backend>, zone: Zone, now_ms: u64, name: String) -> Self {
        let drawn_with = RefCell::new((zone, now_ms, name));
        Self { timeline: RefCell::new(timeline), backend, drawn_with, notify: ModelNotify::default() }
    }

    /// Changes the timeline, then tells the list exactly what happened.
    pub(super) fn change(&self, change: impl FnOnce(&mut Timeline, &dyn Backend) -> Vec<Change>) {
        let changes = change(&mut self.timeline.borrow_mut(), &*self.backend);
        changes.into_iter().for_each(|change| self.tell(change));
    }

    /// Reads the timeline.
    pub(super) fn with<T>(&self, read: impl FnOnce(&mut Timeline, &dyn Backend) -> T) -> T {
        read(&mut self.timeline.borrow_mut(), &*self.backend)
    }

    /// Marks one message, or none; its row.
    pub(super) fn mark(&self, key: Option<Key>) -> Option<usize> {
        let (row, changes) = self.timeline.borrow_mut().set_mark(key);
        changes.into_iter().for_each(|change| self.tell(change));
        row
    }

    /// Draws every visible row again, at `now_ms` and for `name`.
    pub(super) fn redraw(&self, now_ms: u64, name: String) {
        let zone = self.drawn_with.borrow().0;
        self.drawn_with.replace((zone, now_ms, name));
        (0..self.row_count()).for_each(|row| self.notify.row_changed(row));
    }

    fn tell(&self, change: Change) {
        match change {
            Change::Added(row) => self.notify.row_added(row, 1),
            // One by one: the list (Slint 1.17) takes rows for visible ones if there are more of them than rows above
            // its first visible one, and loses its place.
            Change::Earlier(rows) => (0..rows).for_each(|_| self.notify.row_added(0, 1)),
            Change::Changed(row) if row < self.row_count() => self.notify.row_changed(row),
            Change::Changed(_) => {}
            Change::Removed(row) => self.notify.row_removed(row, 1),
        }
    }
}

impl Model for ChatRows {
    type Data = MessageRow;

    fn row_count(&self) -> usize {
        self.timeline.borrow().len()
    }

    fn row_data(&self, row: usize) -> Option<MessageRow> {
        let (zone, now_ms, name) = &*self.drawn_with.borrow();
        let with = Setting { zone: *zone, now_ms: *now_ms, name };
        self.timeline.borrow_mut().row(row, &*self.backend, with)
    }

    fn model_tracker(&self) -> &dyn ModelTracker {
        &self.notify
    }

    fn as_any(&self) -> &dyn core::any::Any {
        self
    }
}
