//! Nodes on loopback, with real sockets. Nothing sleeps: every wait is for an event, with a limit
//! that a slow machine does not reach.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use y7ke_transport::{
    Address, CloseReason, Command, CommandSender, Config, Event, EventReceiver, Lane, NetKey, Path, SessionId, Ticket,
    Timing, start,
};

/// Nothing here takes this long.
pub const LIMIT: Duration = Duration::from_secs(60);

pub const TCP4: &str = "/ip4/127.0.0.1/tcp/0";
pub const TCP6: &str = "/ip6/::1/tcp/0";
pub const QUIC4: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
pub const QUIC6: &str = "/ip6/::1/udp/0/quic-v1";

/// An open session as `Opened` told it.
#[derive(Clone, Debug)]
pub struct Open {
    pub session: SessionId,
    pub peer: NetKey,
    pub path: Path,
    pub dialer: bool,
}

pub struct Node {
    pub key: NetKey,
    pub commands: CommandSender,
    pub events: EventReceiver,
    pub task: JoinHandle<()>,
    pub listening: Vec<Address>,
    /// The one session with each peer.
    pub open: BTreeMap<NetKey, Open>,
    /// Frames that nobody waited for yet.
    pub frames: VecDeque<(SessionId, Lane, Vec<u8>)>,
    pub opened: usize,
    pub closed: Vec<(SessionId, CloseReason)>,
}

impl Node {
    /// A node that listens on these addresses, when they all are up.
    pub async fn new(seed: u8, listen: &[&str]) -> Self {
        Self::with(seed, listen, |_| {}).await
    }

    pub async fn with(seed: u8, listen: &[&str], change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(seed, listen);
        change(&mut config);
        let key = config.net_key();
        let (commands, events, task) = start(config).unwrap();
        let mut node = Self {
            key,
            commands,
            events,
            task,
            listening: Vec::new(),
            open: BTreeMap::new(),
            frames: VecDeque::new(),
            opened: 0,
            closed: Vec::new(),
        };
        while node.listening.len() < listen.len() {
            node.next().await;
        }
        node
    }

    pub async fn command(&self, command: Command) {
        self.commands.send(command).await.unwrap();
    }

    pub async fn dial(&self, ticket: u64, to: &Self) {
        self.dial_at(ticket, Some(to.key), to.listening.clone()).await;
    }

    pub async fn dial_at(&self, ticket: u64, peer: Option<NetKey>, addresses: Vec<Address>) {
        self.command(Command::Dial { ticket: Ticket(ticket), peer, addresses }).await;
    }

    pub async fn send(&self, to: &NetKey, lane: Lane, frame: Vec<u8>) {
        let session = self.open[to].session;
        self.command(Command::Send { session, lane, frame }).await;
    }

    /// The next event, after the books were kept. Checks what must always hold.
    pub async fn next(&mut self) -> Event {
        self.last().await.expect("the transport ended")
    }

    /// The next event, unless the transport ended.
    pub async fn last(&mut self) -> Option<Event> {
        let Ok(event) = timeout(LIMIT, self.events.recv()).await else {
            panic!("no event in time; open: {:?}, closed: {:?}", self.open, self.closed);
        };
        let event = event?;
        self.keep_books(&event);
        Some(event)
    }

    fn keep_books(&mut self, event: &Event) {
        match event {
            Event::Listening { addresses } => self.listening.clone_from(addresses),
            Event::Opened { session, peer, path, dialer } => {
                let open = Open { session: *session, peer: *peer, path: path.clone(), dialer: *dialer };
                assert!(self.open.insert(*peer, open).is_none(), "two sessions with one peer");
                self.opened += 1;
            }
            Event::Closed { session, reason } => {
                let before = self.open.len();
                self.open.retain(|_, open| open.session != *session);
                assert_eq!(self.open.len() + 1, before, "closed what was not open");
                self.closed.push((*session, reason.clone()));
            }
            Event::Frame { session, lane, bytes } => {
                assert!(self.open.values().any(|open| open.session == *session), "a frame outside its session");
                self.frames.push_back((*session, *lane, bytes.clone()));
            }
            _ => {}
        }
    }

    /// Waits for an event.
    pub async fn until<T>(&mut self, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        loop {
            let event = self.next().await;
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }

    /// Waits until a session with this peer is open.
    pub async fn session_with(&mut self, peer: &NetKey) -> Open {
        while !self.open.contains_key(peer) {
            self.next().await;
        }
        self.open[peer].clone()
    }

    /// The next frame.
    pub async fn frame(&mut self) -> (SessionId, Lane, Vec<u8>) {
        while self.frames.is_empty() {
            self.next().await;
        }
        self.frames.pop_front().unwrap()
    }

    /// The reason of the next end of a session.
    pub async fn closed(&mut self) -> CloseReason {
        self.until(|event| match event {
            Event::Closed { reason, .. } => Some(reason.clone()),
            _ => None,
        })
        .await
    }

    /// Shuts down, and checks that everything that was opened was closed.
    pub async fn shut_down(mut self) {
        self.command(Command::Shutdown).await;
        while self.last().await.is_some() {}
        assert!(self.open.is_empty(), "left open");
        assert_eq!(self.opened, self.closed.len());
        timeout(LIMIT, self.task).await.expect("the task does not end").unwrap();
    }
}

pub fn config(seed: u8, listen: &[&str]) -> Config {
    Config::new([seed; 32].into(), listen.iter().map(|text| text.parse().unwrap()).collect())
}

/// Timing for tests about silence.
pub fn quick(timing: &mut Timing) {
    timing.heartbeat = Duration::from_millis(100);
    timing.dead_after = Duration::from_millis(1_500);
}

/// Two nodes with a session, dialled by the first.
pub async fn pair(listen: &[&str]) -> (Node, Node) {
    let mut a = Node::new(1, listen).await;
    let mut b = Node::new(2, listen).await;
    connect(&mut a, &mut b).await;
    (a, b)
}

pub async fn connect(a: &mut Node, b: &mut Node) {
    a.dial(1, b).await;
    let (at_a, at_b) = (b.key, a.key);
    let (one, other) = tokio::join!(a.session_with(&at_a), b.session_with(&at_b));
    assert!(one.dialer && !other.dialer);
}

/// A frame each way over whatever session both have, however often it is replaced meanwhile.
pub async fn exchange(a: &mut Node, b: &mut Node, word: &[u8]) {
    say(a, b, word).await;
    say(b, a, word).await;
}

async fn say(from: &mut Node, to: &mut Node, word: &[u8]) {
    loop {
        let session = from.session_with(&to.key).await.session;
        from.send(&to.key, Lane::Sync, word.to_vec()).await;
        tokio::select! {
            (_, _, heard) = to.frame() => if heard == word { return },
            () = replaced(from, session) => {}
        }
    }
}

async fn replaced(node: &mut Node, session: SessionId) {
    node.until(|event| matches!(event, Event::Closed { session: over, .. } if *over == session).then_some(())).await;
}
