//! Yamux with a bound on what a peer may make us buffer.
//!
//! libp2p's wrapper leaves the receive windows of a connection at up to 1 GiB: a peer that answers
//! pings late looks far away, so its window doubles and doubles, and then it floods. The adapter here
//! is the same but for the limit:
//!
//! ```text
//! 32 streams × 256 KiB (the least that Yamux gives each) + 2 MiB that busy streams may grow by
//! ```

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures::future::{self, Ready};
use futures::{AsyncRead, AsyncWrite};
use libp2p::core::UpgradeInfo;
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade};
use yamux::{Connection, ConnectionError, Mode, Stream};

/// Streams per connection: three lanes, two pings, identify, and room for a relay's circuits.
const MAX_STREAMS: usize = 32;
/// What Yamux gives each stream at least, bytes.
const STREAM_WINDOW: usize = 256 << 10;
/// What all streams of a connection may grow by, bytes: 2 MiB are 20 MB/s at 100 ms.
const GROWTH: usize = 2 << 20;

/// Negotiates Yamux on a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Yamux;

/// A connection cut into streams.
#[derive(Debug)]
pub(crate) struct Muxer<C> {
    connection: Connection<C>,
    /// Streams that came while nobody asked for one; at most [`MAX_STREAMS`] exist at all.
    inbound: VecDeque<Stream>,
    asking: Option<Waker>,
}

fn config() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(MAX_STREAMS);
    config.set_max_connection_receive_window(Some(MAX_STREAMS * STREAM_WINDOW + GROWTH));
    config
}

impl<C: AsyncRead + AsyncWrite + Unpin> Muxer<C> {
    fn new(socket: C, mode: Mode) -> Self {
        Self { connection: Connection::new(socket, config(), mode), inbound: VecDeque::new(), asking: None }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Stream, ConnectionError>> {
        self.connection.poll_next_inbound(cx).map(|next| next.unwrap_or(Err(ConnectionError::Closed)))
    }
}

impl UpgradeInfo for Yamux {
    type Info = &'static str;
    type InfoIter = std::iter::Once<Self::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once("/yamux/1.0.0")
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin + Send + 'static> InboundConnectionUpgrade<C> for Yamux {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, socket: C, _: Self::Info) -> Self::Future {
        future::ready(Ok(Muxer::new(socket, Mode::Server)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin + Send + 'static> OutboundConnectionUpgrade<C> for Yamux {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, socket: C, _: Self::Info) -> Self::Future {
        future::ready(Ok(Muxer::new(socket, Mode::Client)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin + 'static> StreamMuxer for Muxer<C> {
    type Substream = Stream;
    type Error = ConnectionError;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Self::Substream, Self::Error>> {
        if let Some(stream) = self.inbound.pop_front() {
            return Poll::Ready(Ok(stream));
        }
        let next = self.poll_next(cx);
        if next.is_pending() {
            self.asking = Some(cx.waker().clone());
        }
        next
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Self::Substream, Self::Error>> {
        self.connection.poll_new_outbound(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connection.poll_close(cx)
    }

    /// Yamux moves only while it is asked for the next stream, so a stream may come that nobody wants yet.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        let stream = futures::ready!(self.poll_next(cx))?;
        self.inbound.push_back(stream);
        if let Some(asking) = self.asking.take() {
            asking.wake();
        }
        // Come back for the rest after others had their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
