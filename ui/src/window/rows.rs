//! The models behind the list of messages.
//!
//! ```text
//! Timeline ─▶ ChatRows   every row of the conversation, made when it is asked for
//!                │
//!             Shown      those that the window has made: Stage says which
//! ```
//!
//! `row_data` is called once for every row that is made; it reads a page when it must. What changed is told exactly, row
//! by row.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use slint::{Model, ModelNotify, ModelRc, ModelTracker};

use crate::model::stage::{Stage, Step};
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

    /// There are messages older than the first row.
    pub(super) fn is_cut(&self) -> bool {
        self.timeline.borrow().older()
    }

    /// Changes the timeline; exactly what happened.
    fn change(&self, change: impl FnOnce(&mut Timeline, &dyn Backend) -> Vec<Change>) -> Vec<Change> {
        let changes = change(&mut self.timeline.borrow_mut(), &*self.backend);
        changes.iter().for_each(|change| self.tell(*change));
        changes
    }

    fn tell(&self, change: Change) {
        match change {
            Change::Added(row) => self.notify.row_added(row, 1),
            Change::Earlier(rows) => self.notify.row_added(0, rows),
            Change::Changed(row) => self.notify.row_changed(row),
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

/// The rows of a list that are made.
pub(super) struct Shown {
    all: ModelRc<MessageRow>,
    stage: RefCell<Stage>,
    /// What was drawn last: a row that only moves is not drawn again.
    kept: RefCell<VecDeque<Option<MessageRow>>>,
    notify: ModelNotify,
}

impl Shown {
    /// Rows of `all`, in a view like that of `before`.
    pub(super) fn new(all: ModelRc<MessageRow>, before: &Self) -> Self {
        let stage = Stage::new(all.row_count(), &before.stage.borrow());
        let kept = RefCell::new(stage.made().map(|_| None).collect());
        Self { all, stage: RefCell::new(stage), kept, notify: ModelNotify::default() }
    }

    /// Reads where the rows stand.
    pub(super) fn with<T>(&self, read: impl FnOnce(&Stage) -> T) -> T {
        read(&self.stage.borrow())
    }

    /// Moves the rows.
    pub(super) fn turn(&self, turn: impl FnOnce(&mut Stage)) {
        turn(&mut self.stage.borrow_mut());
    }

    /// Makes and drops rows until those that were made are to be measured, or all that is seen is there.
    pub(super) fn settle(&self) {
        while let Some(step) = self.next() {
            self.take(step);
        }
    }

    fn next(&self) -> Option<Step> {
        self.stage.borrow_mut().step()
    }

    /// Drops what is not seen.
    pub(super) fn rest(&self) {
        let steps = self.stage.borrow_mut().rest();
        steps.into_iter().for_each(|step| self.take(step));
    }

    /// The row with this id, of which the window thinks that it is at `at`, is so high.
    pub(super) fn measured(&self, at: usize, id: &str, height: f32) {
        let kept = self.kept.borrow();
        let is_it = |row: &Option<MessageRow>| row.as_ref().is_some_and(|row| row.id == id);
        // Rows may have come in above it since the window counted.
        let found = kept.get(at).filter(|row| is_it(row)).map(|_| at).or_else(|| kept.iter().position(is_it));
        found.into_iter().for_each(|at| self.stage.borrow_mut().measure(at, height));
    }

    /// The list changed.
    pub(super) fn tell(&self, change: Change) {
        match change {
            Change::Added(row) => {
                let step = self.stage.borrow_mut().added(row);
                step.into_iter().for_each(|step| self.take(step));
            }
            Change::Earlier(rows) => self.stage.borrow_mut().came_earlier(rows),
            Change::Changed(row) => self.draw_again(row),
            Change::Removed(row) => {
                let step = self.stage.borrow_mut().removed(row);
                step.into_iter().for_each(|step| self.take(step));
            }
        }
    }

    fn draw_again(&self, row: usize) {
        let made = self.stage.borrow().made();
        if made.contains(&row) {
            let at = row - made.start;
            self.kept.borrow_mut()[at] = None;
            self.notify.row_changed(at);
        }
    }

    fn take(&self, step: Step) {
        match step {
            Step::Make { at, rows } => {
                (0..rows).for_each(|_| self.kept.borrow_mut().insert(at, None));
                self.notify.row_added(at, rows);
            }
            Step::Drop { at, rows } => {
                self.kept.borrow_mut().drain(at..at + rows);
                self.notify.row_removed(at, rows);
            }
            Step::Anew => {
                self.kept.replace(self.stage.borrow().made().map(|_| None).collect());
                self.notify.reset();
            }
        }
    }
}

impl Default for Shown {
    fn default() -> Self {
        let nothing = (ModelRc::default(), RefCell::default(), RefCell::default(), ModelNotify::default());
        Self { all: nothing.0, stage: nothing.1, kept: nothing.2, notify: nothing.3 }
    }
}

impl Model for Shown {
    type Data = MessageRow;

    fn row_count(&self) -> usize {
        self.stage.borrow().made().len()
    }

    fn row_data(&self, at: usize) -> Option<MessageRow> {
        let known = self.kept.borrow().get(at).cloned()?;
        if known.is_some() {
            return known;
        }
        let row = self.all.row_data(self.stage.borrow().made().start + at);
        self.kept.borrow_mut()[at].clone_from(&row);
        row
    }

    fn model_tracker(&self) -> &dyn ModelTracker {
        &self.notify
    }

    fn as_any(&self) -> &dyn core::any::Any {
        self
    }
}

/// An open conversation: all its rows, and those that are made.
#[derive(Clone)]
pub(super) struct OpenChat {
    pub(super) rows: Rc<ChatRows>,
    pub(super) shown: Rc<Shown>,
}

impl OpenChat {
    /// Rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows.row_count()
    }

    /// Changes the timeline, then tells exactly what happened.
    pub(super) fn change(&self, change: impl FnOnce(&mut Timeline, &dyn Backend) -> Vec<Change>) {
        self.rows.change(change).into_iter().for_each(|change| self.shown.tell(change));
    }

    /// Reads the timeline.
    pub(super) fn with<T>(&self, read: impl FnOnce(&mut Timeline, &dyn Backend) -> T) -> T {
        read(&mut self.rows.timeline.borrow_mut(), &*self.rows.backend)
    }

    /// Marks one message, or none; its row.
    pub(super) fn mark(&self, key: Option<Key>) -> Option<usize> {
        let row = Cell::new(None);
        self.change(|timeline, _| {
            let (marked, changes) = timeline.set_mark(key);
            row.set(marked);
            changes
        });
        row.get()
    }

    /// Draws every row again that is made, at `now_ms` and for `name`.
    pub(super) fn redraw(&self, now_ms: u64, name: String) {
        let zone = self.rows.drawn_with.borrow().0;
        self.rows.drawn_with.replace((zone, now_ms, name));
        let made = self.shown.with(Stage::made);
        made.map(Change::Changed).for_each(|change| {
            self.rows.tell(change);
            self.shown.tell(change);
        });
    }
}
