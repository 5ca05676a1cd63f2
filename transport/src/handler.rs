//! One connection's part in a session: it opens or takes the three lanes, and carries the traffic.
//!
//! ```text
//!           dialer: Propose                three lanes           Start
//!  Idle ─────────────────────▶ Opening ──────────────▶ Ready ───────────▶ Live ──▶ Over
//!           listener: first lane    └── deadline, refused ──────────────────────────▲
//! ```
//!
//! The dialer of the connection opens the lanes; a lane from the wrong side is dropped. Streams are
//! held from `Opening` to `Live`, and held streams keep the connection alive.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use libp2p::Stream;
use libp2p::swarm::handler::{ConnectionEvent, ConnectionHandler, ConnectionHandlerEvent, SubstreamProtocol};
use tokio::sync::oneshot;
use tokio::time::Sleep;

use crate::lanes::{AnyLane, Coming, OneLane, Streams};
use crate::session::{self, Assignment};
use crate::{CloseReason, Lane};

/// What the behaviour tells a connection.
#[derive(Debug)]
pub(crate) enum Instruction {
    /// Open the lanes.
    Propose,
    /// Make a session of them.
    Start(Box<Assignment>),
}

/// What a connection tells the behaviour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// The three lanes are up.
    Ready,
    /// They do not come up.
    Failed,
    /// The session is over.
    Ended(CloseReason),
}

type Action = ConnectionHandlerEvent<OneLane, (), Report>;

/// See above.
pub(crate) struct Handler {
    /// We dialled this connection.
    mine: bool,
    /// For the lanes to come up.
    patience: Duration,
    state: State,
    actions: VecDeque<Action>,
}

enum State {
    Idle,
    Opening { coming: Coming, deadline: Pin<Box<Sleep>> },
    Ready(Streams),
    Live { traffic: BoxFuture<'static, CloseReason>, dying: Option<oneshot::Sender<()>> },
    Over,
}

impl Handler {
    pub(crate) fn new(mine: bool, patience: Duration) -> Self {
        Self { mine, patience, state: State::Idle, actions: VecDeque::new() }
    }

    fn report(&mut self, report: Report) {
        self.actions.push_back(ConnectionHandlerEvent::NotifyBehaviour(report));
    }

    #[expect(clippy::disallowed_methods, reason = "a shell's timer: lanes that do not come up are given up")]
    fn open(&mut self) {
        if let State::Idle = self.state {
            let deadline = Box::pin(tokio::time::sleep(self.patience));
            self.state = State::Opening { coming: Coming::default(), deadline };
        }
    }

    fn propose(&mut self) {
        self.open();
        for lane in Lane::ALL {
            let protocol = SubstreamProtocol::new(OneLane(lane), ()).with_timeout(self.patience);
            self.actions.push_back(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
    }

    fn start(&mut self, job: Assignment) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Ready(streams) => {
                let (dying, died) = oneshot::channel();
                let traffic = session::run(streams, job, died).boxed();
                self.state = State::Live { traffic, dying: Some(dying) };
            }
            _ => self.report(Report::Ended(CloseReason::Lost)),
        }
    }

    fn take(&mut self, lane: Lane, stream: Stream) {
        self.open();
        let State::Opening { coming, .. } = &mut self.state else { return };
        coming.put(lane, stream);
        if let Some(streams) = coming.complete() {
            self.state = State::Ready(streams);
            self.report(Report::Ready);
        }
    }

    fn fail(&mut self) {
        if let State::Opening { .. } = self.state {
            self.state = State::Over;
            self.report(Report::Failed);
        }
    }

    /// Moves what moves by itself.
    fn advance(&mut self, cx: &mut Context<'_>) {
        match &mut self.state {
            State::Opening { deadline, .. } => {
                if deadline.as_mut().poll(cx).is_ready() {
                    self.fail();
                }
            }
            State::Live { traffic, .. } => {
                if let Poll::Ready(reason) = traffic.as_mut().poll(cx) {
                    self.state = State::Over;
                    self.report(Report::Ended(reason));
                }
            }
            State::Idle | State::Ready(_) | State::Over => {}
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Instruction;
    type ToBehaviour = Report;
    type InboundProtocol = AnyLane;
    type OutboundProtocol = OneLane;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<AnyLane> {
        SubstreamProtocol::new(AnyLane, ()).with_timeout(self.patience)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Action> {
        if self.actions.is_empty() {
            self.advance(cx);
        }
        self.actions.pop_front().map_or(Poll::Pending, Poll::Ready)
    }

    /// The session is told that its connection goes down, and is carried to its end.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Report>> {
        let State::Live { traffic, dying } = &mut self.state else { return Poll::Ready(None) };
        if let Some(dying) = dying.take()
            && dying.send(()).is_err()
        {
            tracing::debug!("the session ended with its connection");
        }
        let reason = futures::ready!(traffic.as_mut().poll(cx));
        self.state = State::Over;
        Poll::Ready(Some(Report::Ended(reason)))
    }

    fn on_behaviour_event(&mut self, instruction: Instruction) {
        match instruction {
            Instruction::Propose => self.propose(),
            Instruction::Start(job) => self.start(*job),
        }
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, AnyLane, OneLane>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(up) if !self.mine => self.take(up.protocol.0, up.protocol.1),
            ConnectionEvent::FullyNegotiatedOutbound(up) => self.take(up.protocol.0, up.protocol.1),
            ConnectionEvent::DialUpgradeError(error) => {
                tracing::debug!(error = %error.error, "a lane did not come up");
                self.fail();
            }
            _ => {}
        }
    }
}
