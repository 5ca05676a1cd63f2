//! A better path to somebody who is reached already: over QUIC instead of TCP.
//!
//! ```text
//! session over TCP, direct ── trusted, 2 s ──▶ one dial over QUIC, to where the session leads
//!                                               answered   the transport moves the session there
//!                                               failed     UDP rests for half an hour, or until the network changes
//! session over QUIC falls silent ─────────────▶ the same
//! ```
//!
//! When both sides dial at once TCP may win: the first that is heard of somebody may be their TCP address alone. One
//! of the two tries, the one whose connections the transport prefers; once in a session.

use rand_core::CryptoRng;
use y7ke_transport::{Address, CloseReason, Command as NetCommand, Path, PathKind, SessionId, Transport};

use super::reaching::Purpose;
use super::{Round, Step};

/// A session rests for so long before another path is tried, ms: races are over by then, and addresses exchanged.
const SETTLED_MS: u64 = 2_000;
/// After UDP did not pass it is left alone for so long, ms.
const UDP_RESTS_MS: u64 = 30 * 60 * 1_000;

/// What one session has seen of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Hope {
    /// Nothing was tried, and nothing is known that could be.
    #[default]
    None,
    /// To be tried.
    At { due_ms: u64 },
    /// It was tried.
    Tried,
}

/// Until when UDP is left alone, monotonic ms.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Udp {
    rests_until_ms: u64,
}

impl Udp {
    /// It did not pass.
    pub(super) fn failed(&mut self, now_ms: u64) {
        self.rests_until_ms = now_ms + UDP_RESTS_MS;
    }

    /// Another network: who knows.
    pub(super) fn network_changed(&mut self) {
        self.rests_until_ms = 0;
    }

    /// A session ended: silence over QUIC may mean that UDP does not pass any more.
    pub(super) fn session_ended(&mut self, path: &Path, reason: &CloseReason, now_ms: u64) {
        if path.transport == Transport::Quic && *reason == CloseReason::Silent {
            self.failed(now_ms);
        }
    }

    fn rests_until_ms(&self, now_ms: u64) -> Option<u64> {
        Some(self.rests_until_ms).filter(|until_ms| now_ms < *until_ms)
    }
}

impl<R: CryptoRng> Round<'_, R> {
    /// A session with somebody I know stands, or an address of theirs was heard of.
    pub(super) fn hope_for_better(&mut self, id: SessionId) {
        let (me, now_ms) = (self.core.me.net, self.now.mono_ms);
        let Some(link) = self.core.links.get_mut(&id) else { return };
        let lacks = link.path.kind == PathKind::Direct && link.path.transport == Transport::Tcp;
        if link.trusted && lacks && me < link.net && link.hope == Hope::None {
            link.hope = Hope::At { due_ms: now_ms + SETTLED_MS };
        }
    }

    /// Tries the better path of a session, if its time has come.
    pub(super) fn try_better(&mut self, id: SessionId) -> Step {
        let now_ms = self.now.mono_ms;
        let Some(link) = self.core.links.get_mut(&id) else { return Ok(()) };
        if !matches!(link.hope, Hope::At { due_ms } if due_ms <= now_ms) {
            return Ok(());
        }
        if let Some(due_ms) = self.core.udp.rests_until_ms(now_ms) {
            link.hope = Hope::At { due_ms };
            return Ok(());
        }
        link.hope = Hope::None;
        let Some(address) = self.quic_beside(id)? else { return Ok(()) };
        if let Some(link) = self.core.links.get_mut(&id) {
            link.hope = Hope::Tried;
        }
        let ticket = self.core.next_ticket();
        self.core.dials.insert(ticket, Purpose::Better);
        // Without a name it goes out although they are connected; who answers is proved anyhow.
        self.net(NetCommand::Dial { ticket, peer: None, addresses: vec![address] });
        Ok(())
    }

    /// A QUIC address of the other side at the host that the session leads to.
    fn quic_beside(&self, id: SessionId) -> Step<Option<Address>> {
        let Some(link) = self.core.links.get(&id) else { return Ok(None) };
        let Some(host) = link.path.remote.ip() else { return Ok(None) };
        let saved = self.saved_addresses(&link.net)?;
        let mut known = self.core.found.addresses(&link.net).iter().chain(&saved);
        let fits = |address: &&Address| {
            address.transport() == Some(Transport::Quic) && !address.is_relayed() && address.ip() == Some(host)
        };
        Ok(known.find(fits).map(Address::without_peer))
    }
}
