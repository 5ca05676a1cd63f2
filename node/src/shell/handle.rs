//! The one way in: commands with their answers, notices, snapshots.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::notices::{Hub, NoticeReader};
use super::views::Views;
use crate::api::{Answer, ApiError, Command, ErrorKind};

/// Commands that wait for the core at most; a caller beyond them waits its turn.
pub(super) const INBOX: usize = 1024;

/// Searches that wait for one another at most.
pub(super) const SEARCHES: usize = 16;

/// Where an answer goes. Called on the core's thread: it hands over and returns.
pub(super) type Reply = Box<dyn FnOnce(Result<Answer, ApiError>) + Send>;

/// What reaches the core's thread from callers.
pub(super) enum Inbound {
    /// A command and where its answer goes.
    Call(Command, Reply),
    /// End after this round.
    Shutdown,
}

/// A running node. Clones are the same node.
#[derive(Clone)]
pub struct Handle {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) inbox: mpsc::Sender<Inbound>,
    pub(super) searches: mpsc::Sender<Inbound>,
    pub(super) hub: Arc<Hub>,
    pub(super) views: Views,
    pub(super) ended: Arc<Ended>,
}

/// Set once, when the core's thread is through.
#[derive(Default)]
pub(super) struct Ended {
    done: Mutex<bool>,
    changed: Condvar,
}

impl Ended {
    pub(super) fn set(&self) {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    fn wait(&self) {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_while(done, |done| !*done));
    }
}

impl Handle {
    /// Asks and awaits the answer; what writes is answered after its durable commit.
    pub async fn call(&self, command: Command) -> Result<Answer, ApiError> {
        let (sender, answer) = oneshot::channel();
        let sent = self.door(&command).send(Inbound::Call(command, into_reply(sender))).await;
        sent.map_err(|_closed| ended())?;
        answer.await.unwrap_or_else(|_dropped| Err(ended()))
    }

    /// [`Handle::call`] for a plain thread; never from within tokio.
    pub fn call_blocking(&self, command: Command) -> Result<Answer, ApiError> {
        let (sender, answer) = oneshot::channel();
        let sent = self.door(&command).blocking_send(Inbound::Call(command, into_reply(sender)));
        sent.map_err(|_closed| ended())?;
        answer.blocking_recv().unwrap_or_else(|_dropped| Err(ended()))
    }

    /// Asks; `answered` is called on the core's thread and must only hand the answer over.
    ///
    /// Waits only while [`INBOX`] commands are before this one; never from within tokio.
    pub fn submit(&self, command: Command, answered: impl FnOnce(Result<Answer, ApiError>) + Send + 'static) {
        if let Err(returned) = self.door(&command).blocking_send(Inbound::Call(command, Box::new(answered)))
            && let Inbound::Call(_, reply) = returned.0
        {
            reply(Err(ended()));
        }
    }

    /// A search reads for long: it has a thread of its own, and nothing waits for it.
    fn door(&self, command: &Command) -> &mpsc::Sender<Inbound> {
        match command {
            Command::MessageSearch { .. } => &self.inner.searches,
            _ => &self.inner.inbox,
        }
    }

    /// A reader of all notices from now on.
    pub fn subscribe(&self) -> NoticeReader {
        self.inner.hub.subscribe()
    }

    /// Reads of the newest durable snapshot, without asking the core.
    pub fn views(&self) -> &Views {
        &self.inner.views
    }

    /// Ends the node and returns once everything answered is durable and the folder is free.
    /// Idempotent; never from within tokio.
    pub fn shutdown(&self) {
        // A closed inbox is a node that has ended or is about to.
        if self.inner.inbox.blocking_send(Inbound::Shutdown).is_err() {
            tracing::debug!("the node had ended already");
        }
        self.inner.ended.wait();
    }
}

fn into_reply(sender: oneshot::Sender<Result<Answer, ApiError>>) -> Reply {
    Box::new(move |answer| {
        if sender.send(answer).is_err() {
            tracing::debug!("nobody waits for this answer any more");
        }
    })
}

fn ended() -> ApiError {
    ApiError::new(ErrorKind::Locked, "The node has ended. Start it again.")
}
