//! Everything that admission once said, said again from the stored bytes alone.
//!
//! ```text
//! for each stored event, oldest first:
//!   found by its id ▸ body has the hash ▸ id rebuilt from the fields ▸ signature (in batches)
//!   ▸ dependencies seen before it ▸ judged as if it came today, on what was judged good before it
//! for the log: heads of the live events, computed afresh, are the stored heads
//! ```

use std::collections::BTreeMap;

use rand_core::CryptoRng;
use thiserror::Error;
use y7ke_crypto::event::{Dep, Payload, WireEvent};
use y7ke_crypto::ids::{DeviceId, EpochId, EventId, LogId};
use y7ke_crypto::sign::{Signed, Verified, verify_batch};

use super::each;
use crate::admit::{Ancestors, Facts, KnownRekey, LogSpec, Refusal, Verdict, judge, open_body};
use crate::body::Body;
use crate::fork::{Node, live_set};
use crate::id::Event;
use crate::store::{EventInfo, LogInfo, StorageError, View};

/// Signatures that are checked together: beyond this a batch gains nothing more.
const BATCH: usize = 256;

/// What verifying found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Events that were looked at.
    pub events: u64,
    /// Those that do not verify.
    pub bad: Vec<BadEvent>,
}

/// An event that does not verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadEvent {
    /// Its id; of a log's heads, the id of the log.
    pub id: EventId,
    /// What is wrong.
    pub why: Why,
}

/// What is wrong with a stored event: this disk's fault, or a bug of ours.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Why {
    /// It stands in the log and is not found by its id.
    #[error("it is not found by its id")]
    Unindexed,
    /// The stored body is not the one that was signed.
    #[error("its body is not the one that was signed")]
    Body,
    /// Its fields give another id.
    #[error("its fields give the id {0}")]
    Id(EventId),
    /// The signature is not its author's.
    #[error("the signature is not its author's")]
    Signature,
    /// Something it depends on is not there, or does not verify.
    #[error("{} of its dependencies are missing or bad", .0.len())]
    Dependencies(Vec<Dep>),
    /// Admission would refuse it.
    #[error("it does not belong into its log: {0}")]
    Refused(Refusal),
    /// It is marked live and is not, or the other way round.
    #[error("whether it counts is noted wrongly")]
    Live,
    /// The stored heads of the log are not those of its live events.
    #[error("the heads of the log are not those of its live events")]
    Heads,
}

/// Verifies `log`, or every log. `rng` weights the batches of signatures and decides nothing.
pub fn verify(view: &View, log: Option<&LogId>, rng: &mut impl CryptoRng) -> Result<Report, StorageError> {
    let mut report = Report::default();
    for info in view.logs()?.into_iter().filter(|info| log.is_none_or(|log| info.log == *log)) {
        verify_log(view, &info, rng, &mut report)?;
    }
    Ok(report)
}

fn verify_log(view: &View, info: &LogInfo, rng: &mut impl CryptoRng, report: &mut Report) -> Result<(), StorageError> {
    let mut past = Past::new(info.spec);
    let mut batch = Vec::new();
    each(view, &info.log, &mut |event| {
        report.events += 1;
        match reload(view, &event)? {
            Ok(signed) => batch.push(signed),
            Err(why) => report.bad.push(BadEvent { id: event.id, why }),
        }
        if batch.len() == BATCH {
            past.take_batch(rng, std::mem::take(&mut batch), report);
        }
        Ok(())
    })?;
    past.take_batch(rng, batch, report);
    verify_live(view, info, report)
}

/// The event as its stored bytes make it.
fn reload(view: &View, event: &EventInfo) -> Result<Result<Signed<Event>, Why>, StorageError> {
    let payload = match view.item(&event.id)? {
        None => return Ok(Err(Why::Unindexed)),
        Some(item) => item.wire.payload,
    };
    if matches!(payload, Payload::Full(_)) && payload.hash() != event.body {
        return Ok(Err(Why::Body));
    }
    let signed = Event::from_wire(WireEvent { header: event.header.clone(), sig: event.sig, payload });
    let id = signed.claim.id();
    Ok(if id == event.id { Ok(signed) } else { Err(Why::Id(id)) })
}

/// The live set from the graph alone, against what is noted.
fn verify_live(view: &View, info: &LogInfo, report: &mut Report) -> Result<(), StorageError> {
    let mut nodes = Vec::new();
    each(view, &info.log, &mut |event| {
        nodes.push((Node { at: dep_of(&event), deps: event.header.deps }, event.live));
        Ok(())
    })?;
    let frozen = |device: &DeviceId| info.frozen.contains(device);
    let newest_first = nodes.iter().rev().map(|(node, _)| Ok::<_, StorageError>(node.clone()));
    let (dead, frontier) = live_set(newest_first, frozen)?;
    let wrong = nodes.iter().filter(|(node, noted)| dead.contains(&node.at.id) == *noted);
    report.bad.extend(wrong.map(|(node, _)| BadEvent { id: node.at.id, why: Why::Live }));
    let mut heads: Vec<_> = frontier.heads.iter().map(|dep| dep.id).collect();
    heads.sort_unstable();
    if heads != view.heads(&info.log)? {
        report.bad.push(BadEvent { id: EventId::from(info.log.into_bytes()), why: Why::Heads });
    }
    Ok(())
}

fn dep_of(event: &EventInfo) -> Dep {
    Dep { device: event.header.device, seq: event.header.seq, id: event.id }
}

/// The events of a log that were judged good, in memory: about 200 bytes each.
struct Past {
    spec: LogSpec,
    good: BTreeMap<Dep, (Facts, Vec<Dep>)>,
    ids: BTreeMap<EventId, Dep>,
    rekeys: BTreeMap<EpochId, KnownRekey>,
}

impl Past {
    fn new(spec: LogSpec) -> Self {
        Self { spec, good: BTreeMap::new(), ids: BTreeMap::new(), rekeys: BTreeMap::new() }
    }

    fn take_batch(&mut self, rng: &mut impl CryptoRng, batch: Vec<Signed<Event>>, report: &mut Report) {
        let ids: Vec<_> = batch.iter().map(|signed| signed.claim.id()).collect();
        for (id, verdict) in ids.into_iter().zip(verify_batch(rng, batch)) {
            let judged = verdict.or(Err(Why::Signature)).and_then(|event| self.take(&event));
            if let Err(why) = judged {
                report.bad.push(BadEvent { id, why });
            }
        }
    }

    fn take(&mut self, event: &Verified<Event>) -> Result<(), Why> {
        let body = open_body(event).map_err(Why::Refused)?;
        let verdict = judge(&self.spec, event, body.as_ref(), &*self).unwrap_or_else(|never| match never {});
        let facts = match verdict {
            Verdict::Admissible(facts) => facts,
            Verdict::Missing(deps) => return Err(Why::Dependencies(deps)),
            Verdict::Refused(refusal) => return Err(Why::Refused(refusal)),
        };
        let at = event.as_dep();
        if let Some(Body::Rekey(rekey)) = body {
            self.rekeys.insert(EpochId::of(&at.id), KnownRekey { at, hlc: facts.hlc, rekey });
        }
        self.ids.insert(at.id, at);
        self.good.insert(at, (facts, event.header().deps.clone()));
        Ok(())
    }
}

impl Ancestors for Past {
    type Error = std::convert::Infallible;

    fn facts(&self, at: &Dep) -> Result<Option<Facts>, Self::Error> {
        Ok(self.good.get(at).map(|(facts, _)| *facts))
    }

    fn deps(&self, at: &Dep) -> Result<Vec<Dep>, Self::Error> {
        Ok(self.good.get(at).map(|(_, deps)| deps.clone()).unwrap_or_default())
    }

    fn knows(&self, id: &EventId) -> Result<bool, Self::Error> {
        Ok(self.ids.contains_key(id))
    }

    fn rekey(&self, epoch: &EpochId) -> Result<Option<KnownRekey>, Self::Error> {
        Ok(self.rekeys.get(epoch).cloned())
    }
}
