//! Contact requests, from both sides (PROTOCOL C1–C4).
//!
//! ```text
//! me                                             them
//! RequestOut in my account log (nobody online)
//!   ├─ session ─ WantBundle ───────────────────▶
//!   ◀──────────────────────────── Bundle ───────┤
//!   ├─ checked against their root; sealed to each device ─ Request ──▶ RequestIn in their account log
//!   ◀───────────────────────────── RequestReceived, once that is durable
//!   …                                            accept: Opening + first Rekey in the conversation log
//!   ◀──────────── sync: the log whose id both can compute ────────────┤
//! Opening admitted: RequestState accepted, ContactLog, my Join
//! ```
//!
//! Invariants
//! * A request is handed over on every session until that device has confirmed it, and kept until
//!   it is answered, taken back or expired.
//! * Accepting consumes my outstanding request in the transaction that admits the opening (C2). One that
//!   ran out counts if it was accepted in time, one that I took back if it was accepted before they noted
//!   that (`taking_back.rs`).
//! * Of two that crossed, the lesser id wins, and its receiver accepts by himself (C3); so does whoever
//!   is asked by a contact, who would not ask if they still had the conversation.
//! * A stranger pays for what is refused (S6), and nothing is verified that was not asked for.

use std::collections::{BTreeMap, VecDeque};

use rand_core::CryptoRng;
use y7ke_crypto::bundle::{Bundle, ProvenBundle};
use y7ke_crypto::codec::Wire;
use y7ke_crypto::ids::{LogId, PrekeyId, RequestId, RootId};
use y7ke_crypto::request::{Draft, Opening, Request, RequestCore, RequestFault, SealedRequest, VerifiedRequest};
use y7ke_crypto::text::{Greeting, Name};
use y7ke_ledger::body::{Body, RequestAnswer, RequestIn, RequestOut};
use y7ke_ledger::views::{self, Direction, RequestPhase, RequestRow};
use y7ke_sync::{Note, RefusalReason};
use y7ke_transport::SessionId;

use super::links::REQUEST_RETRY_MS;
use super::people::Relation;
use super::{Refused, Round, Step};
use crate::api::{Answer, ApiError, ErrorKind, Notice, RequestProblem, RequestView};
use crate::uri::Uri;

/// How long a request waits for its answer, ms: the most that the protocol allows (C1).
const REQUEST_LIFE_MS: u64 = 14 * 24 * 60 * 60 * 1_000;
/// A request's id is remembered for so long after it expired, ms (C1).
const SEEN_GRACE_MS: u64 = 24 * 60 * 60 * 1_000;
/// Requests of strangers that wait for my answer.
const PENDING_MAX: usize = 100;
/// Requests that one person may hand in within an hour, from whichever device.
const PER_HOUR: usize = 5;
const HOUR_MS: u64 = 60 * 60 * 1_000;
/// People whose requests are counted.
const METERED_MAX: usize = 1_024;

/// What a refused request costs its sender, in refused events: up to 80 signatures were looked at.
const REFUSED_COST: u32 = 25;
/// A request that was refused, and not for an old bundle, is handed over again after this, ms.
const REFUSED_RETRY_MS: u64 = 300_000;

/// Counts new requests per person and hour, across reconnects: keys of devices cost nothing to make.
#[derive(Debug, Default)]
pub(crate) struct RequestMeter {
    people: BTreeMap<RootId, VecDeque<u64>>,
}

impl RequestMeter {
    /// Whether one more of this person is taken now.
    fn takes(&mut self, person: RootId, now_ms: u64) -> bool {
        self.people.retain(|_, times| times.back().is_some_and(|at| at + HOUR_MS > now_ms));
        if self.people.len() >= METERED_MAX && !self.people.contains_key(&person) {
            return false;
        }
        let times = self.people.entry(person).or_default();
        times.retain(|at| at + HOUR_MS > now_ms);
        if times.len() >= PER_HOUR {
            return false;
        }
        times.push_back(now_ms);
        true
    }
}

// Commands.
impl<R: CryptoRng> Round<'_, R> {
    pub(super) fn request_contact(&mut self, uri: &str, greeting: &str) -> Result<Answer, Refused> {
        let uri: Uri =
            uri.parse().map_err(|why: crate::uri::UriError| ApiError::new(ErrorKind::InvalidId, why.to_string()))?;
        let greeting =
            Greeting::new(greeting).map_err(|why| ApiError::param("greeting", format!("The greeting is {why}.")))?;
        let root = uri.root;
        match self.relation(&root)? {
            Relation::Sibling => {
                Err(ApiError::new(ErrorKind::Own, "This is your own id. Ask the other person for theirs."))?
            }
            Relation::Blocked => {
                Err(ApiError::new(ErrorKind::Blocked, "You blocked this person. Unblock them first."))?
            }
            Relation::Contact => Err(ApiError::new(ErrorKind::Exists, "This person is already a contact of yours."))?,
            Relation::Asks => return self.accept_instead(&root),
            Relation::Asked => self.note_hints(&root, &uri)?,
            Relation::Rejected if self.waits_in(&root)?.is_some() => return self.accept_instead(&root),
            Relation::Rejected | Relation::Overdue | Relation::Stranger => {}
        }
        if let Some(row) = self.asking(&root)?.first() {
            return Ok(Answer::Requested { request_id: row.req_id.to_string() });
        }
        self.ask(root, greeting, &uri)
    }

    /// The newest request of theirs that can be accepted now, rejected or not.
    fn waits_in(&self, root: &RootId) -> Step<Option<RequestRow>> {
        let all = views::requests(self.view(), &self.core.me.account, self.now.wall_ms)?;
        let theirs = all.into_iter().filter(|row| row.direction == Direction::In && row.root == *root);
        let open = |row: &RequestRow| matches!(row.phase, RequestPhase::Pending | RequestPhase::Rejected);
        Ok(theirs.filter(|row| open(row) && row.expires > self.now.wall_ms).max_by_key(|row| row.created))
    }

    /// They asked already: asking them is accepting.
    fn accept_instead(&mut self, root: &RootId) -> Result<Answer, Refused> {
        let Some(row) = self.waits_in(root)? else { return Err(not_there().into()) };
        self.accept(&row.req_id)?;
        Ok(Answer::Requested { request_id: row.req_id.to_string() })
    }

    /// Asking again brings newer addresses and nothing else.
    fn note_hints(&mut self, root: &RootId, uri: &Uri) -> Step {
        for address in &uri.hints {
            if let Some(net) = address.peer() {
                self.save_address(&net, address)?;
            }
        }
        self.core.dialing.news(root, self.now.mono_ms);
        Ok(())
    }

    fn ask(&mut self, root: RootId, greeting: Greeting, uri: &Uri) -> Result<Answer, Refused> {
        let mut req_id = [0; 32];
        self.rng.fill_bytes(&mut req_id);
        let req_id = RequestId::from(req_id);
        let created = self.now.wall_ms;
        self.append_account(Body::RequestOut(RequestOut {
            req_id,
            to_root: root,
            created,
            expires: created + REQUEST_LIFE_MS,
            greeting,
            hints: uri.hints.iter().map(ToString::to_string).collect(),
        }))?;
        self.expect_conversation(&root, &req_id)?;
        self.know_person(&root)?;
        self.regrant_person(&root)?;
        Ok(Answer::Requested { request_id: req_id.to_string() })
    }

    pub(super) fn accept_by_hand(&mut self, request_id: &str) -> Result<Answer, Refused> {
        let row = self.request_row(request_id, Direction::In)?;
        if self.relation(&row.root)? == Relation::Blocked {
            Err(ApiError::new(ErrorKind::Blocked, "You blocked this person. Unblock them first."))?;
        }
        match row.phase {
            RequestPhase::Accepted => {}
            _ if row.expires <= self.now.wall_ms => Err(too_old())?,
            RequestPhase::Pending | RequestPhase::Rejected => self.accept(&row.req_id)?,
            // They asked anew since then: that one is what they wait for.
            RequestPhase::Superseded => return self.accept_instead(&row.root).map(|_| Answer::Done {}),
            RequestPhase::Expired => Err(too_old())?,
            RequestPhase::Cancelled => Err(not_there())?,
        }
        Ok(Answer::Done {})
    }

    pub(super) fn reject(&mut self, request_id: &str) -> Result<Answer, Refused> {
        let row = self.request_row(request_id, Direction::In)?;
        match row.phase {
            RequestPhase::Pending => self.answer_request(&row.req_id, RequestAnswer::Rejected)?,
            RequestPhase::Rejected => {}
            RequestPhase::Expired => Err(too_old())?,
            _ => Err(ApiError::new(ErrorKind::Exists, "This request was answered already."))?,
        }
        self.regrant_person(&row.root)?;
        Ok(Answer::Done {})
    }

    pub(super) fn cancel(&mut self, request_id: &str) -> Result<Answer, Refused> {
        let row = self.request_row(request_id, Direction::Out)?;
        match row.phase {
            RequestPhase::Pending => self.answer_request(&row.req_id, RequestAnswer::Cancelled)?,
            RequestPhase::Cancelled => {}
            RequestPhase::Expired => Err(ApiError::new(ErrorKind::Expired, "This request has run out already."))?,
            _ => Err(ApiError::new(ErrorKind::Exists, "This request was answered already."))?,
        }
        self.regrant_person(&row.root)?;
        Ok(Answer::Done {})
    }

    fn request_row(&self, request_id: &str, direction: Direction) -> Result<RequestRow, Refused> {
        let req_id: RequestId = request_id
            .parse()
            .ok()
            .ok_or_else(|| ApiError::new(ErrorKind::InvalidId, "A request id is 64 hex digits."))?;
        let account = &self.core.me.account;
        let row = views::request(self.view(), account, direction, &req_id, self.now.wall_ms)?;
        Ok(row.ok_or_else(not_there)?)
    }

    fn pending_in(&self) -> Step<Vec<RequestRow>> {
        let all = views::requests(self.view(), &self.core.me.account, self.now.wall_ms)?;
        let waits = |row: &RequestRow| row.direction == Direction::In && row.phase == RequestPhase::Pending;
        Ok(all.into_iter().filter(waits).collect())
    }

    pub(super) fn answer_request(&mut self, req_id: &RequestId, state: RequestAnswer) -> Step {
        self.append_account(Body::RequestState { req_id: *req_id, state })
    }
}

// My requests.
impl<R: CryptoRng> Round<'_, R> {
    /// Hands over what this device has not confirmed yet: asks for the bundle to seal to.
    pub(super) fn hand_requests_over(&mut self, id: SessionId) -> Step {
        let Some(root) = self.core.links.get(&id).and_then(super::links::Link::root) else { return Ok(()) };
        let waiting = self.asking(&root)?;
        let Some(link) = self.core.links.get_mut(&id) else { return Ok(()) };
        if link.ask_again_ms.is_some() || waiting.iter().all(|row| link.handed.contains(&row.req_id)) {
            return Ok(());
        }
        link.ask_again_ms = Some(self.now.mono_ms + REQUEST_RETRY_MS);
        link.wants_bundle = true;
        self.note(id, Note::WantBundle(root))
    }

    pub(super) fn on_note(&mut self, id: SessionId, note: Note) -> Step {
        match note {
            Note::WantBundle(root) if root == self.core.me.root => {
                let bundle = self.my_bundle()?;
                self.note(id, Note::Bundle(bundle.to_bytes()))
            }
            Note::WantBundle(_) => Ok(()),
            Note::Bundle(bytes) => self.got_bundle(id, &bytes),
            Note::Request(bytes) => self.take_request(id, &bytes),
            Note::RequestReceived(req_id) => self.handed(id, req_id),
            Note::RequestRefused { req_id, reason } => self.refused(id, &req_id, reason),
            Note::Addresses(texts) => self.heard_addresses(id, texts),
            Note::TakenBack(req_id) => self.hear_taken_back(id, &req_id),
            Note::TakenBackNoted(req_id) => self.taken_back_noted(id, &req_id),
        }
    }

    /// Asking again at once would be refused again; an old bundle is asked for anew all the same.
    fn refused(&mut self, id: SessionId, req_id: &RequestId, reason: RefusalReason) -> Step {
        tracing::debug!(session = id.0, ?reason, "a request was not taken");
        let retry_ms = self.now.mono_ms + REFUSED_RETRY_MS;
        let link = self.core.links.get_mut(&id).filter(|link| link.ask_again_ms.is_some());
        if let Some(link) = link.filter(|_| reason != RefusalReason::StaleBundle) {
            link.ask_again_ms = Some(retry_ms);
        }
        match reason {
            RefusalReason::Expired => self.heard_of(id, req_id, Some(RequestProblem::Clocks)),
            RefusalReason::Busy => self.heard_of(id, req_id, Some(RequestProblem::Busy)),
            RefusalReason::Malformed | RefusalReason::StaleBundle | RefusalReason::WrongAddressee => Ok(()),
        }
    }

    /// The other side said what came of a request of mine: that it is there, or what hinders it. Shown to me.
    fn heard_of(&mut self, id: SessionId, req_id: &RequestId, problem: Option<RequestProblem>) -> Step {
        let Some(root) = self.core.links.get(&id).and_then(super::links::Link::root) else { return Ok(()) };
        let Some(row) = self.asking(&root)?.into_iter().find(|row| row.req_id == *req_id) else { return Ok(()) };
        if self.core.heard.insert(*req_id, problem) != Some(problem) {
            let request = self.show_request(&row);
            self.tell(Notice::RequestChanged { request });
        }
        Ok(())
    }

    pub(super) fn show_request(&self, row: &RequestRow) -> RequestView {
        super::show::request(row, self.core.heard.get(&row.req_id).copied())
    }

    /// Only of what I asked this person is remembered that it was confirmed: ids cost nothing to make up.
    fn handed(&mut self, id: SessionId, req_id: RequestId) -> Step {
        let Some(root) = self.core.links.get(&id).and_then(super::links::Link::root) else { return Ok(()) };
        if !self.asking(&root)?.iter().any(|row| row.req_id == req_id) {
            return Ok(());
        }
        let Some(link) = self.core.links.get_mut(&id) else { return Ok(()) };
        link.handed.insert(req_id);
        link.ask_again_ms = None;
        self.heard_of(id, &req_id, None)?;
        self.hand_requests_over(id)
    }

    /// The bundle that I asked for came: if it proves to be of that person, the requests are sealed to it.
    fn got_bundle(&mut self, id: SessionId, bytes: &[u8]) -> Step {
        let Some(link) = self.core.links.get_mut(&id) else { return Ok(()) };
        let Some(root) = link.root().filter(|_| std::mem::take(&mut link.wants_bundle)) else { return Ok(()) };
        let Some(theirs) = proven_bundle(bytes).filter(|bundle| bundle.root == root) else {
            tracing::debug!(session = id.0, "a bundle that proves nothing");
            return Ok(());
        };
        for row in self.asking(&root)? {
            if !self.core.links.get(&id).is_some_and(|link| link.handed.contains(&row.req_id)) {
                self.keep_addressee(&row.req_id, bytes);
                self.hand_over(id, &row, &theirs)?;
            }
        }
        Ok(())
    }

    fn hand_over(&mut self, id: SessionId, row: &RequestRow, theirs: &ProvenBundle) -> Step {
        let name = views::profile_name(self.view(), &self.core.me.root)?;
        let draft = Draft {
            req_id: row.req_id,
            created: row.created,
            expires: row.expires,
            to_root: row.root,
            to_bundle: theirs.hash,
            from_bundle: self.my_bundle()?,
            name: Name::new(name).unwrap_or_default(),
            greeting: Greeting::new(row.greeting.clone()).unwrap_or_default(),
        };
        let request = match draft.sign(&self.core.me.device) {
            Ok(request) => request,
            Err(bug) => return self.bug("a request could not be signed", &bug),
        };
        match request.seal(self.rng, theirs) {
            Ok(sealed) => self.note(id, Note::Request(sealed.to_bytes())),
            Err(why) => self.bug("a request could not be sealed", &why),
        }
    }

    /// The conversation that one of my requests opens is known from now on, though nobody wrote in it yet.
    fn expect_conversation(&mut self, root: &RootId, req_id: &RequestId) -> Step {
        let spec = y7ke_ledger::admit::LogSpec::conversation(self.core.me.root, *root, *req_id);
        self.know_log(&spec)
    }

    /// Somebody opened `log` at `opened_ms`: if it answers a request of mine, the request is consumed (C2).
    pub(super) fn conversation_opened(&mut self, log: &LogId, opened_ms: u64) -> Step {
        let me = self.core.me.root;
        let all = views::requests(self.view(), &self.core.me.account, self.now.wall_ms)?;
        let answers = |row: &&RequestRow| {
            row.direction == Direction::Out && LogId::conversation(&me, &row.root, &row.req_id) == *log
        };
        let Some(row) = all.iter().find(answers) else { return Ok(()) };
        let counts = match row.phase {
            RequestPhase::Pending | RequestPhase::Accepted | RequestPhase::Superseded => true,
            RequestPhase::Expired => opened_ms <= row.expires,
            RequestPhase::Cancelled => self.addressee(&row.req_id)?.is_some(),
            RequestPhase::Rejected => false,
        };
        if !counts {
            tracing::debug!("a request was accepted that does not stand any more");
            return Ok(());
        }
        self.settle(&row.root, log, &row.req_id)?;
        self.join(log)?;
        self.regrant_person(&row.root)
    }

    /// A request has led to a conversation, and whatever else is pending between us is settled by it (C3).
    fn settle(&mut self, root: &RootId, log: &LogId, req_id: &RequestId) -> Step {
        if !self.standing(root)?.is_some_and(|standing| standing.all_logs().contains(log)) {
            self.answer_request(req_id, RequestAnswer::Accepted)?;
            self.append_account(Body::ContactLog { root: *root, log: *log, req_id: *req_id })?;
        }
        let all = views::requests(self.view(), &self.core.me.account, self.now.wall_ms)?;
        for other in all.iter().filter(|row| row.root == *root && row.phase == RequestPhase::Pending) {
            self.answer_request(&other.req_id, RequestAnswer::Accepted)?;
        }
        self.know_person(root)
    }

    /// Requests whose time is over are closed by an event, so that every device shows the same.
    pub(super) fn expire_requests(&mut self) -> Step {
        // Seen from the beginning of time nothing is too old: what is pending there has no answer yet.
        let mut open = views::requests(self.view(), &self.core.me.account, 0)?;
        open.retain(|row| row.phase == RequestPhase::Pending && row.expires <= self.now.wall_ms);
        for row in open {
            self.answer_request(&row.req_id, RequestAnswer::Expired)?;
            self.regrant_person(&row.root)?;
        }
        Ok(())
    }
}

// Requests of others.
impl<R: CryptoRng> Round<'_, R> {
    fn take_request(&mut self, id: SessionId, bytes: &[u8]) -> Step {
        let Some(root) = self.core.links.get(&id).and_then(super::links::Link::root) else { return Ok(()) };
        let (prekey, request) = match self.open_request(bytes)? {
            Ok(opened) => opened,
            Err(reason) => return self.refuse_request(id, nameless(), reason),
        };
        let claimed = request.core.claim;
        // Whoever plays back what another has sealed does not even learn its id.
        if claimed.from_root != root {
            return self.refuse_request(id, nameless(), RefusalReason::Malformed);
        }
        if self.is_seen(&claimed.req_id)? {
            return self.note(id, Note::RequestReceived(claimed.req_id));
        }
        // An answer is kept by the request's id alone: theirs must not bear the id of mine.
        if self.answerable(&root)?.iter().any(|row| row.req_id == claimed.req_id) {
            return self.refuse_request(id, claimed.req_id, RefusalReason::Malformed);
        }
        let (me, now_ms) = (self.core.me.root, self.now.wall_ms);
        let mine = self.my_bundle_hashes()?;
        let bundle = request.from_bundle.to_bytes();
        match request.check(now_ms, &me, |hash| mine.contains(hash)) {
            Ok(request) => self.keep_request(id, &prekey, &request, bundle),
            Err(fault) => self.refuse_request(id, claimed.req_id, reason_for(&fault)),
        }
    }

    /// Opens what was sealed to this device.
    fn open_request(&self, bytes: &[u8]) -> Step<Result<(PrekeyId, Request), RefusalReason>> {
        let Ok(sealed) = SealedRequest::from_bytes(bytes) else { return Ok(Err(RefusalReason::Malformed)) };
        let device = self.core.me.device.id();
        let Some(prekey) = sealed.prekey_of(&device) else { return Ok(Err(RefusalReason::StaleBundle)) };
        let Some(secret) = self.prekey_secret(&prekey)? else { return Ok(Err(RefusalReason::StaleBundle)) };
        Ok(sealed.open(&device, &secret).map(|request| (prekey, request)).map_err(|fault| {
            tracing::debug!(%fault, "a request does not open");
            RefusalReason::Malformed
        }))
    }

    /// Refusals are counted per device and across reconnects (S6).
    fn refuse_request(&mut self, id: SessionId, req_id: RequestId, reason: RefusalReason) -> Step {
        self.note(id, Note::RequestRefused { req_id, reason })?;
        let Some(proven) = self.core.links.get(&id).and_then(|link| link.proven) else { return Ok(()) };
        if !self.core.refusals.spend(proven.device, REFUSED_COST, self.now.mono_ms) {
            self.shut(id, "too many refused requests");
        }
        Ok(())
    }

    /// A checked request, seen for the first time.
    fn keep_request(&mut self, id: SessionId, prekey: &PrekeyId, request: &VerifiedRequest, bundle: Vec<u8>) -> Step {
        let core = *request.core.claim();
        // One pending per person, the newest: another of theirs takes no further place.
        let full = self.pending_in()?.iter().filter(|row| row.root != core.from_root).count() >= PENDING_MAX;
        if full || !self.core.requests.takes(core.from_root, self.now.mono_ms) {
            return self.refuse_request(id, core.req_id, RefusalReason::Busy);
        }
        let relation = self.relation(&core.from_root)?;
        self.prekey_used(prekey)?;
        self.see(&core.req_id, core.expires.saturating_add(SEEN_GRACE_MS))?;
        self.append_account(Body::RequestIn(request_in(request, &core, bundle)))?;
        self.note(id, Note::RequestReceived(core.req_id))?;
        // Whoever accepts later calls them, however long they have been gone by then.
        self.keep_told(id)?;
        let crossed = views::auto_accept(self.view(), &self.core.me.account, &core.from_root, self.now.wall_ms)?;
        match crossed.or((relation == Relation::Contact).then_some(core.req_id)) {
            Some(req_id) => self.accept(&req_id),
            None => self.regrant_person(&core.from_root),
        }
    }

    /// Opening event, first rekey and what my account knows of it, in one transaction (C2).
    fn accept(&mut self, req_id: &RequestId) -> Step {
        let Some(request) = views::stored_request(self.view(), &self.core.me.account, req_id)? else { return Ok(()) };
        let Request { core, from_bundle, .. } = request;
        let claim = core.claim;
        let Some(requester) = from_bundle.devices().iter().find(|device| device.chain.device() == claim.from_device)
        else {
            return Ok(());
        };
        let opening = Opening { core, requester: requester.chain.clone(), opener: self.core.me.chain.clone() };
        let log = claim.log();
        self.expect_conversation(&claim.from_root, req_id)?;
        self.append_open(&log, Body::Opening(Box::new(opening)))?;
        self.rekey_if_due(&log, &claim.from_root, Some(&from_bundle))?;
        self.settle(&claim.from_root, &log, req_id)?;
        self.regrant_person(&claim.from_root)
    }
}

fn request_in(request: &VerifiedRequest, core: &RequestCore, bundle: Vec<u8>) -> RequestIn {
    RequestIn {
        req_id: core.req_id,
        from_root: core.from_root,
        created: core.created,
        expires: core.expires,
        name: request.name.clone(),
        greeting: request.greeting.clone(),
        bundle,
        core: request.core.as_signed().to_bytes(),
    }
}

fn proven_bundle(bytes: &[u8]) -> Option<ProvenBundle> {
    Bundle::from_bytes(bytes).ok()?.verify().ok()
}

fn reason_for(fault: &RequestFault) -> RefusalReason {
    match fault {
        RequestFault::Expired | RequestFault::FromFuture | RequestFault::LivesTooLong => RefusalReason::Expired,
        RequestFault::WrongAddressee | RequestFault::Own => RefusalReason::WrongAddressee,
        RequestFault::NotThisBundle => RefusalReason::StaleBundle,
        _ => RefusalReason::Malformed,
    }
}

/// In a refusal of what bears no id, or one that its sender is not to learn.
fn nameless() -> RequestId {
    RequestId::from([0; 32])
}

fn too_old() -> ApiError {
    ApiError::new(ErrorKind::Expired, "This request is too old. Ask them to send a new one.")
}

fn not_there() -> ApiError {
    ApiError::new(ErrorKind::NotFound, "There is no such request. `request.list` shows those that wait.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c1_five_requests_an_hour_and_reconnecting_does_not_help() {
        let (peer, mut meter) = (RootId::from([3; 32]), RequestMeter::default());
        assert!((0..PER_HOUR).all(|n| meter.takes(peer, n as u64)));
        assert!(!meter.takes(peer, 10));
        assert!(meter.takes(RootId::from([4; 32]), 10));
        assert!(meter.takes(peer, HOUR_MS + 1));
    }
}
