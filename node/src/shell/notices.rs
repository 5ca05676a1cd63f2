//! Notices to many readers, none of which can hold the core up.
//!
//! ```text
//! core ──publish──▶ queue of reader 1 (≤ 1,024)      full ⇒ emptied, one `Resync` put in
//!               └─▶ queue of reader 2 …
//! ```
//!
//! Invariants: publishing never waits; a reader sees every notice in order, or `Resync`.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use crate::api::Notice;

/// Notices kept for one reader: about a second of a busy node; a view model reads far faster.
const QUEUE: usize = 1024;

/// Where notices are published, and readers subscribe.
#[derive(Default)]
pub(super) struct Hub {
    readers: Mutex<Readers>,
}

#[derive(Default)]
struct Readers {
    open: Vec<Weak<Queue>>,
    closed: bool,
}

/// One subscriber's bounded queue of notices.
pub struct NoticeReader {
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    blocking: Condvar,
    awaiting: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Notice>,
    closed: bool,
}

impl Hub {
    pub(super) fn subscribe(&self) -> NoticeReader {
        let queue = Arc::new(Queue::default());
        let mut readers = locked(&self.readers);
        if readers.closed {
            queue.close();
        }
        readers.open.push(Arc::downgrade(&queue));
        NoticeReader { queue }
    }

    pub(super) fn publish(&self, notice: Notice) {
        self.publish_all(&[notice]);
    }

    /// Readers are woken once for all of them.
    pub(super) fn publish_all(&self, notices: &[Notice]) {
        if notices.is_empty() {
            return;
        }
        locked(&self.readers).open.retain(|reader| match reader.upgrade() {
            Some(queue) => {
                queue.push(notices);
                true
            }
            None => false,
        });
    }

    /// No notice comes any more: readers drain what they have and end.
    pub(super) fn close(&self) {
        let mut readers = locked(&self.readers);
        readers.closed = true;
        readers.open.drain(..).filter_map(|reader| reader.upgrade()).for_each(|queue| queue.close());
    }
}

impl Queue {
    fn push(&self, notices: &[Notice]) {
        let mut state = locked(&self.state);
        notices.iter().for_each(|notice| state.push(notice));
        drop(state);
        self.wake();
    }

    fn close(&self) {
        locked(&self.state).closed = true;
        self.wake();
    }

    fn wake(&self) {
        self.blocking.notify_one();
        self.awaiting.notify_one();
    }
}

impl State {
    fn push(&mut self, notice: &Notice) {
        if self.waiting.len() < QUEUE {
            self.waiting.push_back(notice.clone());
        } else {
            self.waiting.clear();
            self.waiting.push_back(Notice::Resync);
        }
    }
}

impl NoticeReader {
    /// The next notice; `None` once the node has ended.
    pub async fn recv(&mut self) -> Option<Notice> {
        loop {
            if let Some(end) = self.take() {
                return end;
            }
            self.queue.awaiting.notified().await;
        }
    }

    /// The next notice, for a plain thread; `None` once the node has ended.
    pub fn recv_blocking(&mut self) -> Option<Notice> {
        let mut state = locked(&self.queue.state);
        while state.waiting.is_empty() && !state.closed {
            state = self.queue.blocking.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting.pop_front()
    }

    /// The next notice if one comes within `patience`.
    pub fn recv_timeout(&mut self, patience: Duration) -> Option<Notice> {
        let state = locked(&self.queue.state);
        let empty = |state: &mut State| state.waiting.is_empty() && !state.closed;
        let waited = self.queue.blocking.wait_timeout_while(state, patience, empty);
        waited.unwrap_or_else(PoisonError::into_inner).0.waiting.pop_front()
    }

    /// A notice that is there already.
    pub fn try_recv(&mut self) -> Option<Notice> {
        locked(&self.queue.state).waiting.pop_front()
    }

    /// `Some(None)`: ended.
    fn take(&mut self) -> Option<Option<Notice>> {
        let mut state = locked(&self.queue.state);
        match state.waiting.pop_front() {
            Some(notice) => Some(Some(notice)),
            None if state.closed => Some(None),
            None => None,
        }
    }
}

/// A queue is a plain value between any two statements, so a panic elsewhere does not spoil it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(n: usize) -> Notice {
        Notice::Storage { error: n.to_string() }
    }

    #[test]
    fn a_reader_sees_all_in_order() {
        let hub = Hub::default();
        let mut reader = hub.subscribe();
        (0..QUEUE).for_each(|n| hub.publish(numbered(n)));
        for n in 0..QUEUE {
            assert_eq!(reader.recv_blocking(), Some(numbered(n)));
        }
        assert_eq!(reader.try_recv(), None);
    }

    #[test]
    fn a_slow_reader_is_told_to_resync_and_loses_nothing_silently() {
        let hub = Hub::default();
        let mut slow = hub.subscribe();
        (0..=QUEUE + 1).for_each(|n| hub.publish(numbered(n)));
        assert_eq!(slow.try_recv(), Some(Notice::Resync));
        assert_eq!(slow.try_recv(), Some(numbered(QUEUE + 1)));
        assert_eq!(slow.try_recv(), None);
    }

    #[test]
    fn after_the_end_a_reader_drains_and_ends() {
        let hub = Hub::default();
        let mut reader = hub.subscribe();
        hub.publish(numbered(1));
        hub.close();
        assert_eq!(reader.recv_blocking(), Some(numbered(1)));
        assert_eq!(reader.recv_blocking(), None);
        assert_eq!(hub.subscribe().recv_blocking(), None);
    }
}
