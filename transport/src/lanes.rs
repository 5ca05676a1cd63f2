//! The three protocols of a session as libp2p negotiates them, and the set of streams that grows to three.

use std::convert::Infallible;
use std::future::{Ready, ready};

use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::{Stream, StreamProtocol};

use crate::Lane;

const HANDSHAKE: StreamProtocol = StreamProtocol::new("/y7ke/handshake/1.0.0");
const SYNC: StreamProtocol = StreamProtocol::new("/y7ke/sync/1.0.0");
const MSG: StreamProtocol = StreamProtocol::new("/y7ke/msg/1.0.0");

fn protocol(lane: Lane) -> StreamProtocol {
    match lane {
        Lane::Handshake => HANDSHAKE,
        Lane::Sync => SYNC,
        Lane::Msg => MSG,
    }
}

fn lane(protocol: &StreamProtocol) -> Lane {
    match protocol.as_ref() {
        "/y7ke/handshake/1.0.0" => Lane::Handshake,
        "/y7ke/sync/1.0.0" => Lane::Sync,
        // Negotiation ends on a protocol of the list that was offered, and it has three.
        _ => Lane::Msg,
    }
}

/// Takes any of the three from the dialer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnyLane;

/// Opens one of the three.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OneLane(pub(crate) Lane);

impl UpgradeInfo for AnyLane {
    type Info = StreamProtocol;
    type InfoIter = [StreamProtocol; 3];

    fn protocol_info(&self) -> Self::InfoIter {
        Lane::ALL.map(protocol)
    }
}

impl InboundUpgrade<Stream> for AnyLane {
    type Output = (Lane, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, chosen: StreamProtocol) -> Self::Future {
        ready(Ok((lane(&chosen), stream)))
    }
}

impl UpgradeInfo for OneLane {
    type Info = StreamProtocol;
    type InfoIter = [StreamProtocol; 1];

    fn protocol_info(&self) -> Self::InfoIter {
        [protocol(self.0)]
    }
}

impl OutboundUpgrade<Stream> for OneLane {
    type Output = (Lane, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok((self.0, stream)))
    }
}

/// One stream for each lane, in the order of [`Lane::ALL`].
pub(crate) type Streams = [Stream; 3];

/// Streams that came up so far.
#[derive(Debug, Default)]
pub(crate) struct Coming([Option<Stream>; 3]);

impl Coming {
    /// Keeps a stream, unless its lane has one: the second is dropped, and thereby reset.
    pub(crate) fn put(&mut self, lane: Lane, stream: Stream) {
        let [handshake, sync, msg] = &mut self.0;
        match lane {
            Lane::Handshake => handshake.get_or_insert(stream),
            Lane::Sync => sync.get_or_insert(stream),
            Lane::Msg => msg.get_or_insert(stream),
        };
    }

    /// All three, if they are there.
    pub(crate) fn complete(&mut self) -> Option<Streams> {
        match std::mem::take(&mut self.0) {
            [Some(handshake), Some(sync), Some(msg)] => Some([handshake, sync, msg]),
            some => {
                self.0 = some;
                None
            }
        }
    }
}
