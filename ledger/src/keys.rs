//! When keys are renewed and when they may go: policy as pure functions.
//!
//! ```text
//! epoch    members changed ─▶ 100 events ─▶ 24 h of use ─▶ chain nearly full      rekey_due     (K3)
//! choice   greatest (generation, rekey) that fits the members                     fits          (K3)
//! prekey   none ─▶ 7 days old ─▶ used and 1 day old                               prekey_due    (K4)
//! old one  never the newest · 30 days of running since its successor              prekey_may_go (K4)
//! ```
//!
//! Clocks may jump: every age is a saturating difference, so a clock that went back makes nothing due
//! early and nothing gone early.

use std::collections::BTreeSet;

use y7ke_crypto::epoch::Rekey;
use y7ke_crypto::ids::DeviceId;

use crate::admit::MAX_CHAIN;

/// Events of all members in one epoch before the next sender renews it (K3).
pub const EPOCH_EVENTS: u32 = 100;
/// Time since this device first sealed in an epoch before it renews it, in ms (K3).
pub const EPOCH_USE_MS: u64 = 24 * HOUR_MS;
/// A prekey is at least this old before a used one is replaced, in ms (K4: at most daily).
pub const PREKEY_LEAST_AGE_MS: u64 = 24 * HOUR_MS;
/// A prekey older than this is replaced, used or not, in ms (K4: at least weekly).
pub const PREKEY_GREATEST_AGE_MS: u64 = 7 * 24 * HOUR_MS;
/// Days of running and syncing after its successor's publication before an old prekey goes (K4).
pub const PREKEY_GRACE_DAYS: u32 = 30;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Why the next own event needs a new epoch first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RekeyReason {
    /// There is no epoch that lists exactly the present members.
    MembersChanged,
    /// [`EPOCH_EVENTS`] were sealed in it.
    Events,
    /// This device has used it for [`EPOCH_USE_MS`].
    Age,
    /// This device's chain in it is about to end (K2).
    ChainEnding,
    /// Somebody asked for it.
    Requested,
}

/// How far an epoch was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EpochUse {
    /// Live events of all members in it.
    pub events: u32,
    /// When this device first sealed in it, ms since 1970; 0 if it has not.
    pub since_ms: u64,
    /// The index of this device's next event in it.
    pub next_chain: u32,
}

/// Whether an epoch that fits the members must be renewed before the next own event (K3).
pub fn rekey_due(used: Option<EpochUse>, now_ms: u64) -> Option<RekeyReason> {
    let Some(used) = used else { return Some(RekeyReason::MembersChanged) };
    if used.next_chain >= MAX_CHAIN {
        return Some(RekeyReason::ChainEnding);
    }
    if used.events >= EPOCH_EVENTS {
        return Some(RekeyReason::Events);
    }
    let aged = used.since_ms != 0 && now_ms.saturating_sub(used.since_ms) >= EPOCH_USE_MS;
    aged.then_some(RekeyReason::Age)
}

/// Whether a rekey lists exactly these members.
pub fn fits(rekey: &Rekey, members: &BTreeSet<DeviceId>) -> bool {
    rekey.members.len() == members.len() && rekey.members.iter().all(|member| members.contains(&member.device))
}

/// A prekey of this device, without its secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrekeyAge {
    /// Made at, ms since 1970.
    pub created_ms: u64,
    /// Whether it has opened a box.
    pub used: bool,
    /// Whether a newer one was published.
    pub superseded: bool,
    /// Days on which this device ran and synced since then.
    pub running_days: u32,
    /// The last of them, days since 1970.
    pub last_day: u64,
}

/// Whether a new prekey is to be published; `newest` is the one that contacts use now (K4).
pub fn prekey_due(newest: Option<&PrekeyAge>, now_ms: u64) -> bool {
    let Some(newest) = newest else { return true };
    let age = now_ms.saturating_sub(newest.created_ms);
    age >= PREKEY_GREATEST_AGE_MS || (newest.used && age >= PREKEY_LEAST_AGE_MS)
}

/// Whether a prekey's secret may be destroyed: never the newest (K4).
pub fn prekey_may_go(prekey: &PrekeyAge) -> bool {
    prekey.superseded && prekey.running_days >= PREKEY_GRACE_DAYS
}

/// This device runs and syncs at `now_ms`: counts each day once.
pub fn prekey_ran(prekey: PrekeyAge, now_ms: u64) -> PrekeyAge {
    let today = now_ms / DAY_MS;
    if !prekey.superseded || today <= prekey.last_day {
        return prekey;
    }
    PrekeyAge { running_days: prekey.running_days.saturating_add(1), last_day: today, ..prekey }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_790_000_000_000;

    fn used(events: u32, since_ms: u64, next_chain: u32) -> Option<EpochUse> {
        Some(EpochUse { events, since_ms, next_chain })
    }

    /// K3: each bound, and one below it.
    #[test]
    fn k3_rekey_bounds() {
        assert_eq!(rekey_due(None, NOW), Some(RekeyReason::MembersChanged));
        assert_eq!(rekey_due(used(0, 0, 0), NOW), None);
        assert_eq!(rekey_due(used(EPOCH_EVENTS - 1, NOW - EPOCH_USE_MS + 1, 99), NOW), None);
        assert_eq!(rekey_due(used(EPOCH_EVENTS, 0, 0), NOW), Some(RekeyReason::Events));
        assert_eq!(rekey_due(used(1, NOW - EPOCH_USE_MS, 1), NOW), Some(RekeyReason::Age));
        assert_eq!(rekey_due(used(1, 0, MAX_CHAIN), NOW), Some(RekeyReason::ChainEnding));
    }

    /// A clock that went back makes nothing due and nothing gone.
    #[test]
    fn clocks_that_go_back_do_nothing() {
        assert_eq!(rekey_due(used(1, NOW, 1), 0), None);
        assert!(!prekey_due(Some(&PrekeyAge { created_ms: NOW, used: true, ..PrekeyAge::default() }), 0));
        let old = PrekeyAge { superseded: true, last_day: NOW / DAY_MS, running_days: 3, ..PrekeyAge::default() };
        assert_eq!(prekey_ran(old, 0), old);
    }

    /// K4: a day is counted once, and only after the successor was published.
    #[test]
    fn k4_days_of_running() {
        let newest = PrekeyAge { created_ms: NOW, ..PrekeyAge::default() };
        assert_eq!(prekey_ran(newest, NOW), newest);
        assert!(!prekey_may_go(&PrekeyAge { running_days: 999, ..newest }));
        let mut old = PrekeyAge { superseded: true, ..newest };
        for day in 0..u64::from(PREKEY_GRACE_DAYS) {
            assert!(!prekey_may_go(&old));
            old = prekey_ran(prekey_ran(old, NOW + day * DAY_MS), NOW + day * DAY_MS + 5);
        }
        assert!(prekey_may_go(&old));
    }
}
