//! What the transport says, in its order; frames full of events are checked on other threads meanwhile.
//!
//! ```text
//! transport ─▶ ahead: ≤ 4, in order ─┬ a word, a small frame ──────────────────────▶ Input::Net      ─▶ the round
//!                                    └ a contact's frame of events ─ blocking thread ─▶ Input::Checked ─▶ the round
//! ```
//!
//! Signatures are the greater half of taking events in, and a function of bytes alone: while the owner of the log
//! takes one frame in, the next ones are checked. Nothing is decided here, and nothing overtakes anything.

use std::collections::{BTreeSet, VecDeque};
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use y7ke_transport::{Command as NetCommand, Event as NetEvent, Lane, SessionId, Trust};

use crate::core::Input;

/// Frames that are checked before the owner comes to them: all that a contact may have on its way is 4 MiB.
const AHEAD: usize = 4;

/// A frame shorter than this is checked by the owner: handing it over would cost more than it saves.
const WORTH: usize = 4 * 1_024;

pub(super) struct Ears {
    events: mpsc::Receiver<NetEvent>,
    ahead: VecDeque<Heard>,
    /// Sessions with contacts: a stranger's bytes cost nobody work before the session has looked at them.
    trusted: BTreeSet<SessionId>,
    /// None: nothing comes, and nothing is checked.
    checkers: Option<Checkers>,
    ended: bool,
}

enum Heard {
    Now(NetEvent),
    Soon(JoinHandle<Checked>),
}

/// What became of a frame on another thread: an error is a panic of ours.
type Checked = Result<Input, JoinError>;

/// Threads that check frames, one for each core but the owner's: more would only take turns with the owner.
struct Checkers {
    runtime: Handle,
    free: Arc<Semaphore>,
}

impl Checkers {
    fn new(runtime: Handle) -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        Self { runtime, free: Arc::new(Semaphore::new(cores.saturating_sub(1).max(1))) }
    }

    /// In turn: whoever came first is checked first.
    fn check(&self, event: NetEvent) -> JoinHandle<Checked> {
        let free = Arc::clone(&self.free);
        self.runtime.spawn(async move {
            let turn = free.acquire_owned().await;
            let checked = spawn_blocking(|| Input::checked(event)).await;
            drop(turn);
            checked
        })
    }
}

impl Ears {
    pub(super) fn new(events: mpsc::Receiver<NetEvent>, runtime: Handle) -> Self {
        let checkers = Some(Checkers::new(runtime));
        Self { events, ahead: VecDeque::new(), trusted: BTreeSet::new(), checkers, ended: false }
    }

    /// Of a transport that has ended.
    pub(super) fn deaf() -> Self {
        let events = mpsc::channel(1).1;
        Self { events, ahead: VecDeque::new(), trusted: BTreeSet::new(), checkers: None, ended: true }
    }

    /// Notes whom the core trusts.
    pub(super) fn overhear(&mut self, command: &NetCommand) {
        if let NetCommand::Trust { session, level: Trust::Contact } = command {
            self.trusted.insert(*session);
        }
    }

    /// The next input; `None` once the transport has ended. Nothing is lost if this is dropped while it waits.
    pub(super) async fn next(&mut self) -> Option<Input> {
        loop {
            self.listen();
            match self.ahead.front_mut() {
                None if self.ended => return None,
                None => match self.events.recv().await {
                    Some(event) => self.hear(event),
                    None => self.ended = true,
                },
                Some(Heard::Now(_)) => return self.pop_now(),
                Some(Heard::Soon(_)) => {
                    let room = self.ahead.len() < AHEAD && !self.ended;
                    let Some(Heard::Soon(check)) = self.ahead.front_mut() else { continue };
                    tokio::select! {
                        checked = check => {
                            self.ahead.pop_front();
                            return Some(checked_or_dead(checked.flatten()));
                        }
                        event = self.events.recv(), if room => match event {
                            Some(event) => self.hear(event),
                            None => self.ended = true,
                        },
                    }
                }
            }
        }
    }

    /// The next input, if there is one already.
    pub(super) fn try_next(&mut self) -> Option<Input> {
        self.listen();
        match self.ahead.front_mut()? {
            Heard::Now(_) => self.pop_now(),
            Heard::Soon(check) => {
                let checked = check.now_or_never()?;
                self.ahead.pop_front();
                Some(checked_or_dead(checked.flatten()))
            }
        }
    }

    fn pop_now(&mut self) -> Option<Input> {
        match self.ahead.pop_front()? {
            Heard::Now(event) => Some(Input::Net(event)),
            Heard::Soon(_) => None,
        }
    }

    /// Takes in what waits, so that it is checked while the owner is busy.
    fn listen(&mut self) {
        while self.ahead.len() < AHEAD
            && let Ok(event) = self.events.try_recv()
        {
            self.hear(event);
        }
    }

    fn hear(&mut self, event: NetEvent) {
        if let NetEvent::Closed { session, .. } = &event {
            self.trusted.remove(session);
        }
        let checkers = self.checkers.as_ref().filter(|_| self.is_worth_it(&event));
        let heard = match checkers {
            Some(checkers) => Heard::Soon(checkers.check(event)),
            None => Heard::Now(event),
        };
        self.ahead.push_back(heard);
    }

    fn is_worth_it(&self, event: &NetEvent) -> bool {
        match event {
            NetEvent::Frame { session, lane: Lane::Msg, bytes } => {
                bytes.len() >= WORTH && self.trusted.contains(session)
            }
            _ => false,
        }
    }
}

#[allow(clippy::panic, reason = "a panic of ours on another thread is one of the core: its edge reports and exits")]
fn checked_or_dead(checked: Checked) -> Input {
    match checked {
        Ok(input) => input,
        Err(why) => panic!("checking a frame failed: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(session: u64, bytes: usize) -> NetEvent {
        NetEvent::Frame { session: SessionId(session), lane: Lane::Msg, bytes: vec![0xff; bytes] }
    }

    /// Whatever is checked elsewhere, everything comes out as it came in, and then the end.
    #[test]
    fn nothing_overtakes_anything() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
        let (tell, events) = mpsc::channel(64);
        let mut ears = Ears::new(events, runtime.handle().clone());
        let level = Trust::Contact;
        ears.overhear(&NetCommand::Trust { session: SessionId(1), level });
        let sizes: Vec<usize> = (0..40).map(|n| if n % 3 == 0 { 900_000 } else { n }).collect();
        for (n, size) in sizes.iter().enumerate() {
            tell.try_send(frame(1 + n as u64 % 2, *size)).expect("room");
        }
        drop(tell);
        let mut heard = Vec::new();
        while let Some(input) = ears.try_next().or_else(|| runtime.block_on(ears.next())) {
            let Input::Net(NetEvent::Frame { bytes, .. }) = input else { panic!("no frame of events") };
            heard.push(bytes.len());
        }
        assert_eq!(heard, sizes);
    }

    /// Only what a contact sends is worth a thread.
    #[test]
    fn strangers_get_no_thread() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
        let mut ears = Ears::new(mpsc::channel(1).1, runtime.handle().clone());
        assert!(!ears.is_worth_it(&frame(1, 900_000)));
        ears.overhear(&NetCommand::Trust { session: SessionId(1), level: Trust::Contact });
        assert!(ears.is_worth_it(&frame(1, 900_000)) && !ears.is_worth_it(&frame(1, WORTH - 1)));
        ears.hear(NetEvent::Closed { session: SessionId(1), reason: y7ke_transport::CloseReason::PeerClosed });
        assert!(!ears.is_worth_it(&frame(1, 900_000)));
    }
}
