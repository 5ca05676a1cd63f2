//! Own events: which epoch they are sealed in, whom keys are boxed to, and that they are appended.

use rand_core::CryptoRng;
use y7ke_crypto::bundle::{Bundle, Prekey, SignedPrekey};
use y7ke_crypto::codec::Wire;
use y7ke_crypto::ids::{EventId, LogId, RequestId, RootId};
use y7ke_crypto::sign::Verified;
use y7ke_crypto::text::Name;
use y7ke_ledger::admit::LogSpec;
use y7ke_ledger::body::Body;
use y7ke_ledger::store::{AppendError, Outbound};
use y7ke_ledger::views;

use super::{Refused, Round, Step};
use crate::api::{ApiError, ErrorKind};

/// Prekeys of a person, and the heads of the identity log that said so: while these are the same, so are the rows (S7),
/// in this round, after it and in one that is tried again.
pub(super) struct Prekeys {
    heads: Vec<EventId>,
    prekeys: Vec<Verified<Prekey>>,
}

/// Kind of what is kept with an outgoing request: the bundle that it was sealed to.
const ADDRESSEE: u8 = 1;

impl<R: CryptoRng> Round<'_, R> {
    /// Something for my own devices alone.
    pub(super) fn append_account(&mut self, body: Body) -> Step {
        let account = self.core.me.account;
        let me = self.core.me.root;
        let mine = self.prekeys_of(&me)?;
        self.choose_epoch(&account, &mine)?;
        self.append(&account, &body).map(|_| ())
    }

    pub(super) fn append_open(&mut self, log: &LogId, body: Body) -> Step<EventId> {
        self.append(log, &body)
    }

    /// Something for the members of a log; the epoch was chosen before.
    pub(super) fn append_sealed(&mut self, log: &LogId, body: Body) -> Step<EventId> {
        self.append(log, &body)
    }

    fn append(&mut self, log: &LogId, body: &Body) -> Step<EventId> {
        let appended = self.book.append(*log, body, self.now.wall_ms, self.rng, &self.core.me.device);
        appended.map(|event| event.id).map_err(unwritten)
    }

    /// Chooses the epoch for what is written next in a conversation, and makes a new one if it is time (K3).
    /// Until the other person's identity log is here, `bundle` or their request says which devices they have.
    pub(super) fn rekey_if_due(&mut self, log: &LogId, root: &RootId, bundle: Option<&Bundle>) -> Step {
        let mut members = self.prekeys_of(root)?;
        if members.is_empty() {
            let kept = match bundle {
                Some(bundle) => Some(bundle.clone()),
                None => self.kept_bundle(root)?,
            };
            members = kept.map(|bundle| bundle_prekeys(&bundle)).unwrap_or_default();
        }
        if members.is_empty() {
            let message = "The keys of this person's devices are not here yet. They come with the next connection; try again then.";
            return Err(ApiError::new(ErrorKind::Network, message).into());
        }
        // Theirs may name a device of mine as their own, with a prekey that I once published: mine count.
        let me = self.core.me.root;
        let mine = self.prekeys_of(&me)?;
        members.retain(|prekey| mine.iter().all(|own| own.device != prekey.device));
        members.extend(mine);
        self.choose_epoch(log, &members)
    }

    fn choose_epoch(&mut self, log: &LogId, members: &[Verified<Prekey>]) -> Step {
        let members: Vec<_> = members.iter().collect();
        let chosen = self.book.ensure_epoch(*log, &members, self.now.wall_ms, self.rng, &self.core.me.device);
        chosen.map(|_| ()).map_err(unwritten)
    }

    /// The newest prekey of each device of a person that is not revoked.
    pub(super) fn prekeys_of(&mut self, root: &RootId) -> Step<Vec<Verified<Prekey>>> {
        let heads = self.view().heads(&LogId::identity(root))?;
        if let Some(known) = self.core.prekeys.get(root).filter(|known| known.heads == heads) {
            debug_assert!(
                self.read_prekeys(root).is_ok_and(|read| read == known.prekeys),
                "equal heads, other prekeys"
            );
            return Ok(known.prekeys.clone());
        }
        let prekeys = self.read_prekeys(root)?;
        self.core.prekeys.insert(*root, Prekeys { heads, prekeys: prekeys.clone() });
        Ok(prekeys)
    }

    fn read_prekeys(&self, root: &RootId) -> Step<Vec<Verified<Prekey>>> {
        let devices = views::devices(self.view(), root)?;
        let usable = devices.into_iter().filter(|row| !row.revoked).filter_map(|row| row.prekey);
        Ok(usable.filter_map(|prekey| prekey.verify().ok()).collect())
    }

    /// The bundle that came with a person's request, or that mine was sealed to.
    pub(super) fn kept_bundle(&self, root: &RootId) -> Step<Option<Bundle>> {
        let opened = self.standing(root)?.map(|standing| standing.logs).unwrap_or_default();
        let taken_back = self.untold(root)?.into_iter().map(|row| row.req_id);
        for req_id in opened.into_iter().map(|(req_id, _)| req_id).chain(taken_back) {
            if let Some(request) = views::stored_request(self.view(), &self.core.me.account, &req_id)? {
                return Ok(Some(request.from_bundle));
            }
            if let Some(bundle) = self.addressee(&req_id)? {
                return Ok(Some(bundle));
            }
        }
        Ok(None)
    }

    /// Keeps whom a request was sealed to: an accept may come before their identity log does.
    pub(super) fn keep_addressee(&mut self, req_id: &RequestId, bundle: &[u8]) {
        self.book.put_outbound(&Outbound { kind: ADDRESSEE, id: *req_id, bytes: bundle.to_vec() });
    }

    /// They have noted that it was taken back: whom it was sealed to is of no use any more.
    pub(super) fn forget_addressee(&mut self, req_id: &RequestId) {
        self.book.delete_outbound(ADDRESSEE, req_id);
    }

    /// Whom a request was sealed to; none if it never left this device.
    pub(super) fn addressee(&self, req_id: &RequestId) -> Step<Option<Bundle>> {
        let kept = self.view().outbound()?.into_iter().find(|row| row.kind == ADDRESSEE && row.id == *req_id);
        Ok(kept.and_then(|row| Bundle::from_bytes(&row.bytes).ok()))
    }

    pub(super) fn is_joined(&self, log: &LogId) -> Step<bool> {
        Ok(self.view().clock(log)?.seq(&self.core.me.device.id()) > 0)
    }

    /// Introduces this device in a log, once (V1).
    pub(super) fn join(&mut self, log: &LogId) -> Step {
        if self.is_joined(log)? {
            return Ok(());
        }
        let chain = self.core.me.chain.clone();
        self.append(log, &Body::Join { chain }).map(|_| ())
    }

    pub(super) fn know_log(&mut self, spec: &LogSpec) -> Step {
        self.book.ensure_log(*spec)?;
        Ok(())
    }

    /// From now on this person's identity log is taken in.
    pub(super) fn know_person(&mut self, root: &RootId) -> Step {
        self.know_log(&LogSpec::Identity { root: *root })
    }

    /// The other person of a conversation.
    pub(super) fn other_member(&self, log: &LogId) -> Step<Option<RootId>> {
        let Some(info) = self.view().log(log)?.filter(|info| info.spec.is_conversation()) else { return Ok(None) };
        Ok(info.spec.roots().into_iter().find(|root| *root != self.core.me.root))
    }

    pub(super) fn set_profile_name(&mut self, name: &Name) -> Step {
        let identity = self.core.me.identity;
        self.append(&identity, &Body::Profile { name: name.clone() }).map(|_| ())
    }
}

/// An own event that was not taken: the disk's fault, or a state in which this device may not write.
pub(super) fn unwritten(error: AppendError) -> Refused {
    match error {
        AppendError::Storage(error) => error.into(),
        AppendError::Frozen => ApiError::new(
            ErrorKind::Storage,
            "This device was copied or restored and may not write here any more. Use another device of yours.",
        )
        .into(),
        other => {
            tracing::error!(why = %other, "an own event was not taken");
            let message = "This could not be written because of a fault in the program; its log says more. Nothing else was changed.";
            ApiError::new(ErrorKind::Storage, message).into()
        }
    }
}

fn bundle_prekeys(bundle: &Bundle) -> Vec<Verified<Prekey>> {
    let signed = bundle.devices().iter().map(|device| device.prekey.clone());
    signed.filter_map(|prekey: SignedPrekey| prekey.verify().ok()).collect()
}
