//! Events that were checked ahead of their round.
//!
//! ```text
//! frame ─▶ Ahead::of (pure, on any thread) ─▶ Input::Checked ─▶ the session takes the frame ─▶ its verdicts are there
//! frame ─▶ Input::Net ────────────────────────────────────────▶ …                          ─▶ checked in the round
//! ```
//!
//! Both ways end in the same state: the verdicts are a function of the bytes. The shell goes the first way where it
//! pays; the simulator goes either, by the length of the frame.

use y7ke_ledger::intake::{self, Verdict};
use y7ke_sync::{Parcel, parcels};
use y7ke_transport::{Event as NetEvent, Lane};

use super::Input;

/// The events of one frame, and what is to be said of each.
#[derive(Debug)]
pub struct Ahead {
    parcels: Vec<Parcel>,
    verdicts: Vec<Verdict>,
}

impl Input {
    /// What the transport said; if it is a frame of events they are checked now, and not in the round.
    pub fn checked(event: NetEvent) -> Self {
        let frame = if let NetEvent::Frame { lane: Lane::Msg, bytes, .. } = &event { bytes.as_slice() } else { &[] };
        match Ahead::of(frame) {
            Some(ahead) => Self::Checked { event, ahead },
            None => Self::Net(event),
        }
    }
}

impl Ahead {
    /// Checks the events of a frame of the msg lane; none if there are none.
    fn of(frame: &[u8]) -> Option<Self> {
        let parcels = parcels(frame)?;
        let verdicts = check(&parcels);
        Some(Self { parcels, verdicts })
    }

    /// The verdicts, if it was exactly these that were checked.
    fn about(self, parcels: &[Parcel]) -> Option<Vec<Verdict>> {
        (self.parcels == parcels).then_some(self.verdicts)
    }
}

/// What is to be said of each of these: known already, or found out now.
pub(super) fn verdicts(ahead: Option<Ahead>, parcels: &[Parcel]) -> Vec<Verdict> {
    ahead.and_then(|ahead| ahead.about(parcels)).unwrap_or_else(|| check(parcels))
}

fn check(parcels: &[Parcel]) -> Vec<Verdict> {
    intake::check(parcels.iter().map(|parcel| parcel.bytes.as_slice()))
}

#[cfg(test)]
mod tests {
    use y7ke_transport::SessionId;

    use super::*;

    /// The verdicts are of exactly what was checked: of anything else they are found out in the round.
    #[test]
    fn verdicts_are_of_what_was_checked() {
        let parcels: Vec<_> = (1..4).map(|n| Parcel { bytes: vec![n; 9], boxes: Vec::new() }).collect();
        let ahead = || Some(Ahead { parcels: parcels.clone(), verdicts: vec![Verdict::Forged; 3] });
        assert_eq!(verdicts(ahead(), &parcels), [const { Verdict::Forged }; 3]);
        assert_eq!(verdicts(ahead(), &parcels[1..]), check(&parcels[1..]));
        assert_eq!(verdicts(None, &parcels), check(&parcels));
        assert!(check(&parcels).iter().all(|verdict| matches!(verdict, Verdict::Malformed(_))));
    }

    #[test]
    fn what_holds_no_events_is_passed_on() {
        for lane in [Lane::Msg, Lane::Handshake] {
            let event = NetEvent::Frame { session: SessionId(1), lane, bytes: vec![0xff; 40] };
            assert!(matches!(Input::checked(event), Input::Net(NetEvent::Frame { bytes, .. }) if bytes.len() == 40));
        }
    }
}
