//! A counter that makes the reader of stdin wait while too many answers are unwritten.

use std::sync::{Condvar, Mutex, PoisonError};

pub(super) struct Gate {
    inside: Mutex<usize>,
    left: Condvar,
    most: usize,
}

impl Gate {
    pub(super) fn new(most: usize) -> Self {
        Self { inside: Mutex::new(0), left: Condvar::new(), most }
    }

    /// Waits until fewer than `most` are inside, then counts one more.
    pub(super) fn enter(&self) {
        let inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.left.wait_while(inside, |inside| *inside >= self.most);
        *room.unwrap_or_else(PoisonError::into_inner) += 1;
    }

    pub(super) fn leave(&self) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        *inside = inside.saturating_sub(1);
        self.left.notify_one();
    }
}
