//! Acknowledgements, signed and kept: what other devices hold durably, and what this one does (S3).

use rand_core::CryptoRng;
use y7ke_crypto::ack::Ack;
use y7ke_crypto::codec::Wire;
use y7ke_crypto::ids::{DeviceId, LogId};
use y7ke_crypto::sign::{Signed, Verified};
use y7ke_ledger::fold::LogKind;
use y7ke_ledger::views;
use y7ke_sync as sync;

use super::{Round, Step};

impl<R: CryptoRng> Round<'_, R> {
    pub(super) fn acks_of(&self, log: &LogId) -> Step<Vec<(DeviceId, Vec<u8>)>> {
        let acks = self.view().acks(log)?;
        Ok(acks.iter().map(|ack| (ack.claim.device, ack.to_bytes())).collect())
    }

    /// Says what this device durably holds; leaves the node after the commit, like everything.
    pub(super) fn acknowledge(&mut self, log: &LogId) -> Step {
        let signed = self.book.acknowledge(*log, &self.core.me.device)?;
        let Some(signed) = signed else { return Ok(()) };
        let input = sync::Input::Ack { log: *log, device: signed.claim.device, bytes: signed.to_bytes() };
        self.feed_holders(log, &input)
    }

    pub(super) fn take_ack(&mut self, log: &LogId, bytes: &[u8]) -> Step {
        let Some(ack) = verified_ack(log, bytes) else {
            tracing::debug!("an acknowledgement that proves nothing");
            return Ok(());
        };
        let device = ack.claim().device;
        if device == self.core.me.device.id() || !self.may_acknowledge(log, &device)? {
            return Ok(());
        }
        let before = self.view().ack(log, &device)?.map(|signed| signed.claim);
        if !self.book.put_ack(&ack)? {
            return Ok(());
        }
        self.feed_holders(log, &sync::Input::Ack { log: *log, device, bytes: bytes.to_vec() })?;
        self.reached(log, before.as_ref(), ack.claim())
    }

    /// Devices of the log's people, whether or not they wrote in it yet.
    fn may_acknowledge(&self, log: &LogId, device: &DeviceId) -> Step<bool> {
        let Some(info) = self.view().log(log)? else { return Ok(false) };
        if info.spec.kind() == LogKind::Identity {
            return Ok(false);
        }
        Ok(views::person_of(self.view(), log, &info.spec.roots(), device)?.is_some())
    }

    /// Which messages of mine this acknowledgement says something new about.
    fn reached(&mut self, log: &LogId, before: Option<&Ack>, now: &Ack) -> Step {
        let me = self.core.me.device.id();
        let hidden = |ack: &Ack| ack.unopened.iter().filter(|run| run.device == me).map(|run| run.from).min();
        // Both numbers are whatever the peer says: up to 2^64 - 1, whatever I have written.
        let next = before.map_or(0, |ack| ack.clock.seq(&me)).saturating_add(1);
        let from = before.and_then(hidden).map_or(next, |seq| seq.min(next));
        let to = now.clock.seq(&me);
        self.core.forget_sent(log, from, to);
        if let Some(root) = self.other_member(log)? {
            self.wish_to_reach(&root)?;
        }
        self.tell_reached(log, &me, from, to)
    }
}

fn verified_ack(log: &LogId, bytes: &[u8]) -> Option<Verified<Ack>> {
    let ack = Signed::<Ack>::from_bytes(bytes).ok().filter(|ack| ack.claim.log == *log)?;
    ack.verify().ok()
}
