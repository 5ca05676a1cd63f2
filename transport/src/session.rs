//! The traffic of one session: three lanes between two bounded ends.
//!
//! ```text
//!  node ── Outbox (per lane: 8 MiB, 4,096 frames) ──▶ three writers ──▶ streams ──▶ peer
//!  node ◀── events (bounded, awaited) ◀── one reader, lanes in turn ◀── streams ◀── peer
//! ```
//!
//! * A lane that the peer does not read fills its own queue only; full, the session is `TooSlow`.
//! * While the node does not take events, the reader does not read: the peer's window closes.
//! * Silence counts only while we listen, so a slow node never takes its peer for dead.
//! * `Opened`, the frames and `Closed` go through one channel from one future, hence in order.
//! * An end that is meant says goodbye on every lane after what is queued; an end without is a loss.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::try_join3;
use futures::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use futures::stream::{BoxStream, SelectAll, StreamExt, unfold};
use libp2p::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;
use y7ke_crypto::ids::NetKey;

use crate::framing::{self, Decoder, GOODBYE_BYTES, HEARTBEAT_BYTES, Item, TooLong};
use crate::lanes::Streams;
use crate::{CloseReason, Event, Lane, Limits, Path, SessionId, Timing};

/// Read at once from a stream, and small frames written at once, bytes: a Yamux frame.
const CHUNK: usize = 16 << 10;

/// What a session is to be, for the future that carries it.
pub(crate) struct Assignment {
    pub(crate) session: SessionId,
    pub(crate) peer: NetKey,
    pub(crate) path: Path,
    pub(crate) dialer: bool,
    pub(crate) mail: Mail,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) limits: Limits,
    pub(crate) timing: Timing,
}

impl fmt::Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.session.fmt(f)
    }
}

/// How a session is to end.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) reason: CloseReason,
    /// Write what is queued, say goodbye, and let the peer finish.
    pub(crate) politely: bool,
}

/// The node's end of a session.
#[derive(Debug)]
pub(crate) struct Outbox {
    lanes: [Queue; 3],
    largest: usize,
    cap: watch::Sender<u32>,
    rival: Arc<AtomicBool>,
    end: oneshot::Sender<Ending>,
}

/// The session's end of an [`Outbox`].
pub(crate) struct Mail {
    lanes: [mpsc::Receiver<Outgoing>; 3],
    cap: watch::Receiver<u32>,
    rival: Arc<AtomicBool>,
    end: oneshot::Receiver<Ending>,
}

#[derive(Debug)]
struct Queue {
    frames: mpsc::Sender<Outgoing>,
    room: Arc<Semaphore>,
}

/// A frame that waits, and the room that it takes until it is written.
#[derive(Debug)]
struct Outgoing {
    bytes: Vec<u8>,
    room: OwnedSemaphorePermit,
}

/// Both ends of a session's mail.
pub(crate) fn mail(limits: &Limits) -> (Outbox, Mail) {
    let ((a, a_out), (b, b_out), (c, c_out)) = (queue(limits), queue(limits), queue(limits));
    let (cap, cap_out) = watch::channel(limits.stranger_frame);
    let (end, end_out) = oneshot::channel();
    let rival = Arc::new(AtomicBool::new(false));
    let largest = limits.contact_frame as usize;
    let mail = Mail { lanes: [a_out, b_out, c_out], cap: cap_out, rival: rival.clone(), end: end_out };
    (Outbox { lanes: [a, b, c], largest, cap, rival, end }, mail)
}

fn queue(limits: &Limits) -> (Queue, mpsc::Receiver<Outgoing>) {
    let (frames, out) = mpsc::channel(limits.lane_queue_frames);
    (Queue { frames, room: Arc::new(Semaphore::new(limits.lane_queue_bytes as usize)) }, out)
}

impl Outbox {
    /// Queues a frame, or says why the session must end.
    pub(crate) fn push(&self, lane: Lane, bytes: Vec<u8>) -> Result<(), CloseReason> {
        let length = bytes.len();
        if length == 0 || length > self.largest {
            return Err(CloseReason::BadSend { lane, length });
        }
        let [handshake, sync, msg] = &self.lanes;
        match lane {
            Lane::Handshake => handshake.push(bytes),
            Lane::Sync => sync.push(bytes),
            Lane::Msg => msg.push(bytes),
        }
        .then_some(())
        .ok_or(CloseReason::TooSlow { lane })
    }

    /// Sets the largest frame that the peer may send.
    pub(crate) fn set_cap(&self, cap: u32) {
        self.cap.send_replace(cap);
    }

    /// Says whether another connection is about to take over.
    pub(crate) fn set_rival(&self, rival: bool) {
        self.rival.store(rival, Ordering::Relaxed);
    }

    /// Ends the session. Without effect on one that is over.
    pub(crate) fn end(self, ending: Ending) {
        if let Err(ending) = self.end.send(ending) {
            tracing::debug!(reason = ?ending.reason, "the session was over already");
        }
    }
}

impl Queue {
    fn push(&self, bytes: Vec<u8>) -> bool {
        // Bounded by the largest frame, hence by u32.
        let Ok(room) = self.room.clone().try_acquire_many_owned(bytes.len() as u32) else { return false };
        match self.frames.try_send(Outgoing { bytes, room }) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => false,
            // The session is over; its `Closed` is on the way.
            Err(mpsc::error::TrySendError::Closed(_)) => true,
        }
    }
}

/// Carries a session from `Opened` to `Closed`. `dying` fires when the connection is going down.
pub(crate) async fn run(streams: Streams, job: Assignment, dying: oneshot::Receiver<()>) {
    let Assignment { session, peer, path, dialer, mail, events, limits, timing } = job;
    if events.send(Event::Opened { session, peer, path, dialer }).await.is_err() {
        return;
    }
    let rival = mail.rival.clone();
    let ear = Ear { session, events: &events, timing, contact_cap: limits.contact_frame };
    let reason = match carry(streams, mail, &ear, dying).await {
        CloseReason::Lost | CloseReason::PeerClosed if rival.load(Ordering::Relaxed) => CloseReason::Replaced,
        reason => reason,
    };
    tracing::debug!(%session, ?reason, "session over");
    if events.send(Event::Closed { session, reason }).await.is_err() {
        tracing::debug!(%session, "the node is gone");
    }
}

/// Where what is heard goes, and how long we listen.
struct Ear<'a> {
    session: SessionId,
    events: &'a mpsc::Sender<Event>,
    timing: Timing,
    contact_cap: u32,
}

async fn carry(streams: Streams, mail: Mail, ear: &Ear<'_>, dying: oneshot::Receiver<()>) -> CloseReason {
    let Mail { lanes: [a, b, c], cap, end, .. } = mail;
    let [(in_a, out_a), (in_b, out_b), (in_c, out_c)] = streams.map(AsyncReadExt::split);
    let heartbeat = ear.timing.heartbeat;
    let mut writing = std::pin::pin!(try_join3(
        write_lane(out_a, a, Some(heartbeat)),
        write_lane(out_b, b, None),
        write_lane(out_c, c, None),
    ));
    let mut reading = std::pin::pin!(read_lanes([in_a, in_b, in_c], cap, ear));
    let flush = ear.timing.flush;
    tokio::select! {
        biased;
        ending = end => match ending {
            Ok(Ending { reason, politely: true }) => {
                // The peer answers our goodbye by closing; if it does not, we do not wait for it.
                let polite = async { futures::join!(writing, reading) };
                if timeout(flush, polite).await.is_err() {
                    tracing::debug!("the peer did not take all that was queued");
                }
                reason
            }
            Ok(Ending { reason, politely: false }) => reason,
            // Nobody owns the session any more.
            Err(_) => CloseReason::Shutdown,
        },
        reason = &mut reading => reason,
        // Hear what is there already, then it is over.
        _ = &mut writing => timeout(flush, reading).await.unwrap_or(CloseReason::Lost),
        _ = dying => timeout(flush, reading).await.unwrap_or(CloseReason::Lost),
    }
}

/// Writes what is queued until the queue closes, then says goodbye.
async fn write_lane(
    mut stream: WriteHalf<Stream>,
    mut frames: mpsc::Receiver<Outgoing>,
    heartbeat: Option<Duration>,
) -> io::Result<()> {
    let mut batch = Vec::new();
    while let Some(next) = next_or_heartbeat(&mut frames, heartbeat).await {
        let room = gather(next, &mut frames, &mut batch);
        stream.write_all(&batch).await?;
        drop(room);
        if frames.is_empty() {
            stream.flush().await?;
        }
        batch.clear();
        batch.shrink_to(2 * CHUNK);
    }
    stream.write_all(&GOODBYE_BYTES).await?;
    stream.close().await
}

/// The next frame, or none if it is time for a heartbeat; nothing when the queue is closed.
async fn next_or_heartbeat(
    frames: &mut mpsc::Receiver<Outgoing>,
    heartbeat: Option<Duration>,
) -> Option<Option<Outgoing>> {
    match heartbeat {
        Some(pause) => timeout(pause, frames.recv()).await.map_or(Some(None), |next| next.map(Some)),
        None => frames.recv().await.map(Some),
    }
}

/// Puts a frame, and the small ones behind it, into one batch. Returns the room that they take.
fn gather(
    first: Option<Outgoing>,
    frames: &mut mpsc::Receiver<Outgoing>,
    batch: &mut Vec<u8>,
) -> Option<OwnedSemaphorePermit> {
    let Some(first) = first else {
        batch.extend_from_slice(&HEARTBEAT_BYTES);
        return None;
    };
    let mut room = append(first, batch);
    while batch.len() < CHUNK
        && let Ok(next) = frames.try_recv()
    {
        room.merge(append(next, batch));
    }
    Some(room)
}

fn append(frame: Outgoing, batch: &mut Vec<u8>) -> OwnedSemaphorePermit {
    // Bounded by the largest frame, hence by u32.
    batch.extend_from_slice(&framing::header(frame.bytes.len() as u32));
    batch.extend_from_slice(&frame.bytes);
    frame.room
}

/// What a lane said.
enum Heard {
    Frame(Lane, Vec<u8>),
    /// A heartbeat, or a part of a frame.
    Sign,
}

/// Hears all lanes in turn until the session is over.
async fn read_lanes(streams: [ReadHalf<Stream>; 3], cap: watch::Receiver<u32>, ear: &Ear<'_>) -> CloseReason {
    let lanes = Lane::ALL.into_iter().zip(streams);
    let mut lanes: SelectAll<BoxStream<'_, Result<Heard, CloseReason>>> =
        lanes.map(|(lane, stream)| heard(Reader::new(lane, stream, cap.clone(), ear))).collect();
    loop {
        match timeout(ear.timing.dead_after, lanes.next()).await {
            Ok(Some(Ok(Heard::Frame(lane, bytes)))) => {
                if ear.events.send(Event::Frame { session: ear.session, lane, bytes }).await.is_err() {
                    return CloseReason::Shutdown;
                }
            }
            Ok(Some(Ok(Heard::Sign))) => {}
            Ok(Some(Err(reason))) => return reason,
            // Goodbye on every lane.
            Ok(None) => return CloseReason::PeerClosed,
            Err(_) => return CloseReason::Silent,
        }
    }
}

fn heard<'a>(reader: Reader<'a>) -> BoxStream<'a, Result<Heard, CloseReason>> {
    unfold(reader, |mut reader| async { reader.next().await.map(|heard| (heard, reader)) }).boxed()
}

/// One lane, inbound.
struct Reader<'a> {
    lane: Lane,
    stream: ReadHalf<Stream>,
    decoder: Decoder,
    buffer: Vec<u8>,
    /// What of the buffer was read from the stream and not taken yet.
    fresh: std::ops::Range<usize>,
    cap: watch::Receiver<u32>,
    ear: &'a Ear<'a>,
}

impl<'a> Reader<'a> {
    fn new(lane: Lane, stream: ReadHalf<Stream>, cap: watch::Receiver<u32>, ear: &'a Ear<'a>) -> Self {
        let decoder = Decoder::new(*cap.borrow());
        Self { lane, stream, decoder, buffer: vec![0; CHUNK], fresh: 0..0, cap, ear }
    }

    /// Nothing after the goodbye.
    async fn next(&mut self) -> Option<Result<Heard, CloseReason>> {
        loop {
            if self.fresh.is_empty()
                && let Err(reason) = self.fill().await
            {
                return Some(Err(reason));
            }
            match self.take() {
                Ok(Some(Item::Frame(bytes))) => return Some(Ok(Heard::Frame(self.lane, bytes))),
                Ok(Some(Item::Heartbeat) | None) => return Some(Ok(Heard::Sign)),
                Ok(Some(Item::Goodbye)) => return None,
                Err(fault) => {
                    if let Err(reason) = self.wait_for_trust(fault).await {
                        return Some(Err(reason));
                    }
                }
            }
        }
    }

    async fn fill(&mut self) -> Result<(), CloseReason> {
        match self.stream.read(&mut self.buffer).await {
            Ok(0) => Err(CloseReason::Lost),
            Ok(length) => {
                self.fresh = 0..length;
                Ok(())
            }
            Err(fault) if fault.kind() == io::ErrorKind::TimedOut => Err(CloseReason::Silent),
            Err(fault) => {
                tracing::debug!(lane = ?self.lane, %fault, "a lane broke");
                Err(CloseReason::Lost)
            }
        }
    }

    fn take(&mut self) -> Result<Option<Item>, TooLong> {
        let mut rest = &self.buffer[self.fresh.clone()];
        let taken = self.decoder.feed(&mut rest);
        self.fresh.start = self.fresh.end - rest.len();
        taken
    }

    /// Both sides come to trust each other at slightly different times, and lanes overtake each
    /// other: a frame that a contact may send waits a moment for our own trust.
    async fn wait_for_trust(&mut self, TooLong { length, cap }: TooLong) -> Result<(), CloseReason> {
        let fault = CloseReason::FrameTooLong { lane: self.lane, length, cap };
        if length > self.ear.contact_cap {
            return Err(fault);
        }
        let raised = timeout(self.ear.timing.trust_grace, self.cap.wait_for(|cap| length <= *cap)).await;
        let Ok(Ok(cap)) = raised else { return Err(fault) };
        self.decoder.set_cap(*cap);
        Ok(())
    }
}
