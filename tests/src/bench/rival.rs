//! The rival way to send: a request over libp2p for each message, and a row in SQLite on both sides.
//!
//! ```text
//! caller ─▶ task a: INSERT, synced ─ request ─▶ task b: INSERT, synced ─ response ─▶ task a: UPDATE, synced ─▶ caller
//! ```
//!
//! `request_response::cbor` over the transports that the node has (TCP with Noise and Yamux, or QUIC).
//! The swarm's task writes to SQLite itself: no thread is woken for it.

use std::path::Path;

use anyhow::Context;
use futures::StreamExt;
use libp2p::request_response::{self, Message, ProtocolSupport, cbor};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, noise, tcp, yamux};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

use super::say;
use super::sqlite::Store;

/// Threads for the sockets of one side, as the node has.
const WORKERS: usize = 2;
/// The row's status once the other side has it.
const DELIVERED: i64 = 2;

/// A message on its way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Letter {
    id: u64,
    text: String,
}

/// It is durable there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Receipt {
    id: u64,
}

type Net = Swarm<cbor::Behaviour<Letter, Receipt>>;
type Happened = SwarmEvent<request_response::Event<Letter, Receipt>>;

/// Two connected sides.
pub struct Rival {
    letters: mpsc::Sender<(Letter, oneshot::Sender<()>)>,
    next: u64,
    _runtimes: (Runtime, Runtime),
}

impl Rival {
    /// Connects two sides over `listen`; their files are in `folder`.
    pub fn start(folder: &Path, listen: &str) -> anyhow::Result<Self> {
        let (here, there) = (runtime()?, runtime()?);
        let (a, b) = (folder.join("rival-a"), folder.join("rival-b"));
        std::fs::create_dir_all(&a)?;
        std::fs::create_dir_all(&b)?;
        let (mut server, mut client) = (there.block_on(async { swarm() })?, here.block_on(async { swarm() })?);
        let peer = *server.local_peer_id();
        let at = there.block_on(listening(&mut server, listen.parse()?))?;
        let store = Store::open(&b)?;
        there.spawn(ended(serve(server, store)));
        here.block_on(connected(&mut client, at))?;
        let (letters, inbox) = mpsc::channel(16);
        let store = Store::open(&a)?;
        here.spawn(ended(write(client, peer, store, inbox)));
        Ok(Self { letters, next: 1, _runtimes: (here, there) })
    }

    /// Returns once the message is durable on both sides, and that it is is durable here.
    pub fn send(&mut self, text: String) -> anyhow::Result<()> {
        let (done, delivered) = oneshot::channel();
        self.letters.blocking_send((Letter { id: self.next, text }, done))?;
        self.next += 1;
        delivered.blocking_recv().context("the rival ended")
    }
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()
}

fn swarm() -> anyhow::Result<Net> {
    let protocols = [(StreamProtocol::new("/rival/1"), ProtocolSupport::Full)];
    let behaviour = cbor::Behaviour::new(protocols, request_response::Config::default());
    let swarm = libp2p::SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)?
        .with_quic()
        .with_behaviour(|_keys| behaviour)?
        .with_swarm_config(|config| config.with_idle_connection_timeout(std::time::Duration::from_secs(600)));
    Ok(swarm.build())
}

async fn listening(swarm: &mut Net, at: Multiaddr) -> anyhow::Result<Multiaddr> {
    swarm.listen_on(at)?;
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            return Ok(address);
        }
    }
}

async fn connected(swarm: &mut Net, at: Multiaddr) -> anyhow::Result<()> {
    swarm.dial(at)?;
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::ConnectionEstablished { .. } => return Ok(()),
            SwarmEvent::OutgoingConnectionError { error, .. } => return Err(error.into()),
            _ => {}
        }
    }
}

/// A side that ends has failed; whoever waits for it is told by its end of the channel.
async fn ended(work: impl Future<Output = anyhow::Result<()>>) {
    if let Err(why) = work.await {
        say(&format!("the rival ended: {why:#}"));
    }
}

async fn serve(mut swarm: Net, store: Store) -> anyhow::Result<()> {
    loop {
        if let Some(Message::Request { request, channel, .. }) = message(swarm.select_next_some().await) {
            store.insert(request.id, &[7; 32], &request.text)?;
            let answered = swarm.behaviour_mut().send_response(channel, Receipt { id: request.id });
            answered.ok().context("the requester is gone")?;
        }
    }
}

async fn write(
    mut swarm: Net,
    peer: PeerId,
    store: Store,
    mut inbox: mpsc::Receiver<(Letter, oneshot::Sender<()>)>,
) -> anyhow::Result<()> {
    while let Some((letter, done)) = inbox.recv().await {
        let id = letter.id;
        store.insert(id, &[7; 32], &letter.text)?;
        swarm.behaviour_mut().send_request(&peer, letter);
        let answers = |event| matches!(message(event), Some(Message::Response { response, .. }) if response.id == id);
        while !answers(swarm.select_next_some().await) {}
        store.set_status(id, DELIVERED)?;
        done.send(()).ok().context("nobody waits for this message")?;
    }
    Ok(())
}

fn message(event: Happened) -> Option<Message<Letter, Receipt>> {
    match event {
        SwarmEvent::Behaviour(request_response::Event::Message { message, .. }) => Some(message),
        _ => None,
    }
}
