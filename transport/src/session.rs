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
//! * Nothing is heard before the node was told of `Opened`; `Closed` is told when this is over. So the
//!   node sees them in order.
//! * An end that is meant says goodbye on every lane after what is queued; an end without is a loss.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join3;
use futures::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use futures::stream::{BoxStream, SelectAll, StreamExt, unfold};
use libp2p::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::framing::{self, Decoder, GOODBYE_BYTES, HEARTBEAT_BYTES, Item, TooLong};
use crate::lanes::Streams;
use crate::{CloseReason, Event, Lane, Limits, SessionId, Timing};

/// Read at once from a stream, and small frames written at once, bytes: a Yamux frame.
const CHUNK: usize = 16 << 10;

/// What a session is to be, for the future that carries it.
pub(crate) struct Assignment {
    pub(crate) session: SessionId,
    /// Fires when the node was told of `Opened`.
    pub(crate) told: oneshot::Receiver<()>,
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
    end: oneshot::Sender<Ending>,
}

/// The session's end of an [`Outbox`].
pub(crate) struct Mail {
    lanes: [mpsc::Receiver<Outgoing>; 3],
    cap: watch::Receiver<u32>,
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
    let largest = limits.contact_frame as usize;
    let mail = Mail { lanes: [a_out, b_out, c_out], cap: cap_out, end: end_out };
    (Outbox { lanes: [a, b, c], largest, cap, end }, mail)
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

/// Carries a session to its end. `dying` fires when the connection is going down.
pub(crate) async fn run(streams: Streams, job: Assignment, dying: oneshot::Receiver<()>) -> CloseReason {
    let Assignment { session, told, mail, events, limits, timing } = job;
    let Mail { lanes: [a, b, c], cap, end } = mail;
    let [(in_a, out_a), (in_b, out_b), (in_c, out_c)] = streams.map(AsyncReadExt::split);
    let ear = Ear { session, events: &events, timing, contact_cap: limits.contact_frame };
    let mut writing = std::pin::pin!(try_join3(
        write_lane(out_a, a, Some(timing.heartbeat)),
        write_lane(out_b, b, None),
        write_lane(out_c, c, None),
    ));
    let mut reading = std::pin::pin!(read_lanes([in_a, in_b, in_c], cap, told, &ear));
    tokio::select! {
        biased;
        ending = end => match ending {
            Ok(Ending { reason, politely: true }) => {
                // The peer answers our goodbye by closing; if it does not, we do not wait for it.
                let polite = async { futures::join!(writing, reading) };
                if timeout(timing.flush, polite).await.is_err() {
                    tracing::debug!(%session, "the peer did not take all that was queued");
                }
                reason
            }
            Ok(Ending { reason, politely: false }) => reason,
            // Nobody owns the session any more.
            Err(_) => CloseReason::Shutdown,
        },
        reason = &mut reading => reason,
        // Hear what is there already, then it is over.
        _ = &mut writing => timeout(timing.flush, reading).await.unwrap_or(CloseReason::Lost),
        _ = dying => timeout(timing.flush, reading).await.unwrap_or(CloseReason::Lost),
    }
}

/// Where what is heard goes, and how long we listen.
struct Ear<'a> {
    session: SessionId,
    events: &'a mpsc::Sender<Event>,
    timing: Timing,
    contact_cap: u32,
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
async fn read_lanes(
    streams: [ReadHalf<Stream>; 3],
    cap: watch::Receiver<u32>,
    told: oneshot::Receiver<()>,
    ear: &Ear<'_>,
) -> CloseReason {
    if told.await.is_err() {
        return CloseReason::Shutdown;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Limits {
        Limits { lane_queue_bytes: 1_000, lane_queue_frames: 8, ..Limits::default() }
    }

    #[test]
    fn a_full_msg_lane_leaves_the_others_open() {
        let (outbox, _mail) = mail(&small());
        assert_eq!(outbox.push(Lane::Msg, vec![0; 1_000]), Ok(()));
        assert_eq!(outbox.push(Lane::Msg, vec![0]), Err(CloseReason::TooSlow { lane: Lane::Msg }));
        assert_eq!(outbox.push(Lane::Sync, vec![0; 1_000]), Ok(()));
        assert_eq!(outbox.push(Lane::Handshake, vec![0; 1_000]), Ok(()));
    }

    #[test]
    fn a_lane_holds_so_many_frames_however_small() {
        let (outbox, mut mail) = mail(&small());
        assert!((0..8).all(|_| outbox.push(Lane::Sync, vec![1]).is_ok()));
        assert_eq!(outbox.push(Lane::Sync, vec![1]), Err(CloseReason::TooSlow { lane: Lane::Sync }));
        let [_, sync, _] = &mut mail.lanes;
        assert_eq!(sync.try_recv().map(|frame| frame.bytes), Ok(vec![1]));
        assert_eq!(outbox.push(Lane::Sync, vec![1]), Ok(()));
    }

    #[test]
    fn frames_that_no_peer_takes_are_refused_here() {
        let (outbox, _mail) = mail(&small());
        assert_eq!(outbox.push(Lane::Sync, vec![]), Err(CloseReason::BadSend { lane: Lane::Sync, length: 0 }));
        let length = (1 << 20) + 1;
        assert_eq!(outbox.push(Lane::Msg, vec![0; length]), Err(CloseReason::BadSend { lane: Lane::Msg, length }));
    }

    #[test]
    fn what_is_sent_to_a_session_that_is_over_is_gone_quietly() {
        let (outbox, mail) = mail(&small());
        drop(mail);
        assert_eq!(outbox.push(Lane::Sync, vec![1]), Ok(()));
        outbox.end(Ending { reason: CloseReason::Shutdown, politely: true });
    }
}
