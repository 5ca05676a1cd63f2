//! Whom to dial, and when again: a table of people with a back-off each.
//!
//! ```text
//!  wanted ──due──▶ dialling ──all failed──▶ waiting ──time, news──▶ wanted
//!     ▲                └── connected ──▶ (resting: not dialled) ──lost──┘
//!     └──────time────── succeeding ◀──replaced──┘
//! ```
//!
//! While something waits for that person (a request, a message) the pause is 0.5 s doubling to
//! 4 s; else it doubles up to 5 minutes, with jitter so that a network that comes back is not
//! stormed by everybody in the same second. Pauses run from the beginning of the dial, so that one that hangs
//! for long is followed soon. News (an address, a network change) ends a pause, and starts a dial that hangs anew.
//!
//! A session that ends soon after it began counts as a failed dial, so that a peer that takes our
//! call and hangs up (we may be blocked there) is not called in a loop; one that hung up on purpose
//! is called back calmly.

use std::collections::BTreeMap;

use y7ke_crypto::ids::RootId;

use crate::api::PathView;

/// First pause after a failed dial, ms.
const FIRST_PAUSE_MS: u64 = 500;
/// Longest pause while something waits for the person, ms: a friend who comes online has it within seconds.
const URGENT_PAUSE_MS: u64 = 4_000;
/// Between the beginnings of two dials at least, ms: whoever floods us with news does not make us dial in a loop.
const NEWS_PAUSE_MS: u64 = 250;
/// Longest pause otherwise, ms.
const CALM_PAUSE_MS: u64 = 300_000;
/// A session that lasted this long was a success, ms.
const GOOD_SESSION_MS: u64 = 10_000;
/// … and this long if the other side ended it: whoever takes us for a stranger lets us stay for half a minute.
const GOOD_DISMISSED_MS: u64 = 120_000;
/// A session that takes over another opens within this, ms: three streams on a connection that stands.
const REPLACED_PATIENCE_MS: u64 = 2_000;
/// A dial without an answer for this long counts as failed, ms (the transport's own limits are shorter).
const DIAL_PATIENCE_MS: u64 = 20_000;
/// After a dial that led to its peer the session opens and is proved within this, ms; else dial again: the
/// connection that was found standing may be one whose other end is gone.
const ANSWERED_PATIENCE_MS: u64 = 2_000;

/// Where the dialling of one person stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Waiting {
        until_ms: u64,
    },
    /// A connection ended for another that is about to open: they are reached as before, and not called.
    Succeeding {
        until_ms: u64,
        before: PathView,
    },
    Dialling {
        since_ms: u64,
        until_ms: u64,
    },
    Connected {
        since_ms: u64,
    },
}

#[derive(Clone, Debug)]
struct Person {
    urgent: bool,
    failures: u32,
    /// When the last dial began.
    began_ms: Option<u64>,
    stage: Stage,
}

/// The people this node wants to be connected to.
#[derive(Debug, Default)]
pub(crate) struct Dialing {
    people: BTreeMap<RootId, Person>,
}

impl Dialing {
    /// This person shall be connected; `urgent` while something waits for them.
    pub(crate) fn want(&mut self, root: RootId, urgent: bool, now_ms: u64) {
        let fresh = Person { urgent, failures: 0, began_ms: None, stage: Stage::Waiting { until_ms: now_ms } };
        let person = self.people.entry(root).or_insert(fresh);
        if urgent && !person.urgent {
            person.failures = 0;
            if let Stage::Waiting { until_ms } = &mut person.stage {
                *until_ms = now_ms;
            }
        }
        person.urgent = urgent;
    }

    /// This person need not be dialled any more.
    pub(crate) fn forget(&mut self, root: &RootId) {
        self.people.remove(root);
    }

    /// Something new about this person: an address, a network: try at once.
    pub(crate) fn news(&mut self, root: &RootId, now_ms: u64) {
        let Some(person) = self.people.get_mut(root) else { return };
        match person.stage {
            Stage::Connected { .. } => {}
            // The next connection is about to open; should it not, what comes then comes soon.
            Stage::Succeeding { .. } => person.failures = 0,
            Stage::Waiting { .. } | Stage::Dialling { .. } => person.call(now_ms),
        }
    }

    /// The network changed, or what may be dialled on it: everybody who is not connected is tried at once.
    pub(crate) fn news_for_all(&mut self, now_ms: u64) {
        let apart = |person: &&mut Person| !matches!(person.stage, Stage::Connected { .. });
        self.people.values_mut().filter(apart).for_each(|person| person.call(now_ms));
    }

    /// A session with this person stands.
    pub(crate) fn connected(&mut self, root: &RootId, now_ms: u64) {
        if let Some(person) = self.people.get_mut(root)
            && !matches!(person.stage, Stage::Connected { .. })
        {
            person.stage = Stage::Connected { since_ms: now_ms };
        }
    }

    /// The last session with this person ended: after a good one try again at once, then with
    /// pauses. `dismissed`: they ended it.
    pub(crate) fn lost(&mut self, root: &RootId, now_ms: u64, dismissed: bool, jitter: u64) {
        let Some(person) = self.people.get_mut(root) else { return };
        let least_ms = if dismissed { GOOD_DISMISSED_MS } else { GOOD_SESSION_MS };
        let good = matches!(person.stage, Stage::Connected { since_ms } if since_ms + least_ms <= now_ms);
        let pause = if good { 0 } else { pause_ms(person.failures, person.urgent && !dismissed, jitter) };
        person.failures = if good { 0 } else { person.failures.saturating_add(1) };
        person.stage = Stage::Waiting { until_ms: now_ms + pause };
    }

    /// A better connection takes over the session that led along `before`; should it die before it opens, dial again.
    /// Whether it is waited for: nobody dials whom we do not want, and so nobody would notice.
    pub(crate) fn replaced(&mut self, root: &RootId, now_ms: u64, before: PathView) -> bool {
        let Some(person) = self.people.get_mut(root) else { return false };
        if matches!(person.stage, Stage::Connected { since_ms } if since_ms + GOOD_SESSION_MS <= now_ms) {
            person.failures = 0;
        }
        person.stage = Stage::Succeeding { until_ms: now_ms + REPLACED_PATIENCE_MS, before };
        true
    }

    /// How this person was reached until a moment ago, if the next connection is about to open.
    pub(crate) fn succeeding(&self, root: &RootId) -> Option<&PathView> {
        match &self.people.get(root)?.stage {
            Stage::Succeeding { before, .. } => Some(before),
            Stage::Waiting { .. } | Stage::Dialling { .. } | Stage::Connected { .. } => None,
        }
    }

    /// A dial failed, or there was no address to dial; `jitter` is any random number.
    pub(crate) fn failed(&mut self, root: &RootId, now_ms: u64, jitter: u64) {
        if let Some(person) = self.people.get_mut(root)
            && let Stage::Dialling { since_ms, .. } = person.stage
        {
            let pause = pause_ms(person.failures, person.urgent, jitter);
            person.failures = person.failures.saturating_add(1);
            person.stage = Stage::Waiting { until_ms: (since_ms + pause).max(now_ms + FIRST_PAUSE_MS) };
        }
    }

    /// A dial led to one of their devices: a session opens, or stands.
    pub(crate) fn answered(&mut self, root: &RootId, now_ms: u64) {
        if let Some(person) = self.people.get_mut(root)
            && let Stage::Dialling { until_ms, .. } = &mut person.stage
        {
            *until_ms = now_ms + ANSWERED_PATIENCE_MS;
        }
    }

    /// Is this person being dialled?
    pub(crate) fn is_dialling(&self, root: &RootId) -> bool {
        self.people.get(root).is_some_and(|person| matches!(person.stage, Stage::Dialling { .. }))
    }

    /// Takes the people whose time has come; each counts as being dialled from now on.
    pub(crate) fn take_due(&mut self, now_ms: u64) -> Vec<RootId> {
        self.people
            .iter_mut()
            .filter(|(_, person)| person.wake_ms().is_some_and(|at| at <= now_ms))
            .map(|(root, person)| {
                person.began_ms = Some(now_ms);
                person.stage = Stage::Dialling { since_ms: now_ms, until_ms: now_ms + DIAL_PATIENCE_MS };
                *root
            })
            .collect()
    }

    /// When somebody is due next.
    pub(crate) fn poll_timeout(&self) -> Option<u64> {
        self.people.values().filter_map(Person::wake_ms).min()
    }
}

impl Person {
    /// To be dialled at once, but not in a loop.
    fn call(&mut self, now_ms: u64) {
        let earliest_ms = self.began_ms.map_or(0, |began_ms| began_ms + NEWS_PAUSE_MS);
        self.failures = 0;
        self.stage = Stage::Waiting { until_ms: now_ms.max(earliest_ms) };
    }

    fn wake_ms(&self) -> Option<u64> {
        match self.stage {
            Stage::Waiting { until_ms } | Stage::Succeeding { until_ms, .. } | Stage::Dialling { until_ms, .. } => {
                Some(until_ms)
            }
            Stage::Connected { .. } => None,
        }
    }
}

/// The pause before the next dial: doubling, capped, and for the calm ones spread by a quarter.
fn pause_ms(failures: u32, urgent: bool, jitter: u64) -> u64 {
    let doubled = FIRST_PAUSE_MS << failures.min(16);
    if urgent {
        return doubled.min(URGENT_PAUSE_MS);
    }
    let pause = doubled.min(CALM_PAUSE_MS);
    pause - jitter % (pause / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn somebody() -> RootId {
        RootId::from([7; 32])
    }

    fn some_path() -> PathView {
        let [kind, transport, ip, via, label] =
            ["direct", "tcp", "ipv4", "address", "DIRECT · TCP · IPv4"].map(str::to_owned);
        PathView { kind, transport, ip, via, label }
    }

    #[test]
    fn pauses_double_to_four_seconds_while_something_waits() {
        let pauses: Vec<u64> = (0..6).map(|failures| pause_ms(failures, true, 99)).collect();
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 4_000, 4_000]);
    }

    #[test]
    fn calm_pauses_are_capped_and_spread() {
        assert_eq!(pause_ms(40, false, 0), CALM_PAUSE_MS);
        assert!((CALM_PAUSE_MS * 3 / 4..=CALM_PAUSE_MS).contains(&pause_ms(40, false, 12_345_678)));
    }

    #[test]
    fn a_person_is_dialled_once_until_the_dial_ends() {
        let mut dialing = Dialing::default();
        dialing.want(somebody(), true, 100);
        assert_eq!(dialing.take_due(100), [somebody()]);
        assert!(dialing.take_due(200).is_empty());
        dialing.failed(&somebody(), 200, 0);
        assert!(dialing.take_due(699).is_empty());
        assert_eq!(dialing.take_due(700), [somebody()]);
    }

    #[test]
    fn a_dial_that_never_answers_is_tried_again() {
        let mut dialing = Dialing::default();
        dialing.want(somebody(), false, 0);
        dialing.take_due(0);
        assert_eq!(dialing.poll_timeout(), Some(DIAL_PATIENCE_MS));
        assert_eq!(dialing.take_due(DIAL_PATIENCE_MS), [somebody()]);
    }

    /// The connection that the dial found standing was a dead one.
    #[test]
    fn a_dial_that_was_answered_and_led_to_no_session_is_tried_again_soon() {
        let mut dialing = Dialing::default();
        dialing.want(somebody(), false, 0);
        dialing.take_due(0);
        dialing.answered(&somebody(), 100);
        assert!(dialing.is_dialling(&somebody()));
        assert!(dialing.take_due(99 + ANSWERED_PATIENCE_MS).is_empty());
        assert_eq!(dialing.take_due(100 + ANSWERED_PATIENCE_MS), [somebody()]);
        dialing.connected(&somebody(), 5_000);
        dialing.answered(&somebody(), 5_001);
        assert_eq!(dialing.poll_timeout(), None, "a late answer disturbs no session");
    }

    #[test]
    fn news_and_new_urgency_end_a_pause() {
        let mut dialing = Dialing::default();
        dialing.want(somebody(), false, 0);
        let now_ms = fail_eight_times(&mut dialing, 0);
        assert!(dialing.take_due(now_ms).is_empty());
        dialing.news(&somebody(), now_ms);
        let now_ms = fail_eight_times(&mut dialing, now_ms);
        dialing.want(somebody(), true, now_ms);
        assert_eq!(dialing.take_due(now_ms), [somebody()]);
    }

    /// Each dial fails as soon as it began; returns when the last one did.
    fn fail_eight_times(dialing: &mut Dialing, mut now_ms: u64) -> u64 {
        for _ in 0..8 {
            now_ms = now_ms.max(dialing.poll_timeout().unwrap_or(now_ms));
            assert_eq!(dialing.take_due(now_ms), [somebody()]);
            dialing.failed(&somebody(), now_ms, 0);
        }
        now_ms
    }

    #[test]
    fn news_start_a_dial_that_hangs_anew_but_not_in_a_loop() {
        let mut dialing = Dialing::default();
        dialing.want(somebody(), true, 0);
        let mut dials = 0;
        for now_ms in 0..10_000 {
            dials += dialing.take_due(now_ms).len();
            dialing.news(&somebody(), now_ms);
        }
        assert_eq!(dials, 40, "one each quarter of a second");
    }

    #[test]
    fn a_dial_that_hung_longer_than_the_pause_is_followed_soon() {
        let mut dialing = Dialing::default();
        dialing.want(somebody(), true, 0);
        let mut begun = Vec::new();
        for now_ms in (0..60_000).step_by(100) {
            // Each dial hangs for ten seconds.
            if begun.last().is_some_and(|began| began + 10_000 == now_ms) {
                dialing.failed(&somebody(), now_ms, 0);
            }
            begun.extend(dialing.take_due(now_ms).iter().map(|_| now_ms));
        }
        assert_eq!(begun, [0, 10_500, 21_000, 31_500, 42_000, 52_500]);
    }

    #[test]
    fn the_end_of_an_older_dial_does_not_delay_the_next() {
        let mut dialing = Dialing::default();
        dialing.want(somebody(), false, 0);
        dialing.take_due(0);
        dialing.news(&somebody(), 100);
        dialing.failed(&somebody(), 101, 0);
        assert_eq!(dialing.take_due(NEWS_PAUSE_MS), [somebody()]);
    }

    #[test]
    fn the_connected_rest_and_the_lost_are_due_at_once() {
        let mut dialing = Dialing::default();
        dialing.want(somebody(), true, 0);
        dialing.take_due(0);
        dialing.connected(&somebody(), 0);
        dialing.failed(&somebody(), 5, 0);
        assert_eq!(dialing.poll_timeout(), None);
        dialing.lost(&somebody(), GOOD_SESSION_MS, false, 0);
        assert_eq!(dialing.take_due(GOOD_SESSION_MS), [somebody()]);
    }

    #[test]
    fn a_session_that_was_replaced_by_nothing_is_dialled_again() {
        let mut dialing = Dialing::default();
        dialing.want(somebody(), false, 0);
        dialing.connected(&somebody(), 0);
        let text = String::new;
        let before =
            PathView { kind: text(), transport: text(), ip: text(), via: text(), label: "DIRECT · TCP".into() };
        assert!(dialing.replaced(&somebody(), 100, before.clone()));
        dialing.news(&somebody(), 100);
        assert!(dialing.take_due(100).is_empty());
        assert_eq!(dialing.succeeding(&somebody()), Some(&before));
        assert_eq!(dialing.take_due(100 + REPLACED_PATIENCE_MS), [somebody()]);
        assert_eq!(dialing.succeeding(&somebody()), None);
        dialing.connected(&somebody(), 5_000);
        dialing.replaced(&somebody(), 5_001, before.clone());
        dialing.news_for_all(5_002);
        assert_eq!(dialing.succeeding(&somebody()), None, "on another network nothing is about to open");
        assert_eq!(dialing.take_due(5_002), [somebody()]);
        assert!(!dialing.replaced(&RootId::from([8; 32]), 0, before), "nobody whom we want");
    }

    /// What failed before an hour of being connected does not make the next pause long.
    #[test]
    fn a_good_session_that_was_replaced_ends_the_count_of_failures() {
        let mut dialing = Dialing::default();
        dialing.want(somebody(), false, 0);
        let now_ms = fail_eight_times(&mut dialing, 0) + CALM_PAUSE_MS;
        dialing.connected(&somebody(), now_ms);
        let now_ms = now_ms + GOOD_SESSION_MS;
        dialing.replaced(&somebody(), now_ms, some_path());
        let now_ms = now_ms + REPLACED_PATIENCE_MS;
        assert_eq!(dialing.take_due(now_ms), [somebody()]);
        dialing.failed(&somebody(), now_ms, 0);
        assert_eq!(dialing.poll_timeout(), Some(now_ms + FIRST_PAUSE_MS));
    }

    /// Somebody who takes us for a stranger lets us stay for half a minute each time.
    #[test]
    fn whoever_shows_us_out_again_and_again_is_called_ever_less() {
        let mut dialing = Dialing::default();
        dialing.want(somebody(), true, 0);
        let (mut calls, mut end_ms) = (0, u64::MAX);
        for now_ms in (0..3_600_000).step_by(100) {
            if now_ms >= end_ms {
                dialing.lost(&somebody(), now_ms, true, 0);
                end_ms = u64::MAX;
            }
            for root in dialing.take_due(now_ms) {
                calls += 1;
                dialing.connected(&root, now_ms);
                end_ms = now_ms + 30_000;
            }
        }
        assert!(calls < 25, "{calls} calls in an hour");
    }

    #[test]
    fn whoever_hangs_up_at_once_is_not_called_in_a_loop() {
        let mut dialing = Dialing::default();
        dialing.want(somebody(), true, 0);
        let mut calls = 0;
        for now_ms in (0..60_000).step_by(100) {
            for root in dialing.take_due(now_ms) {
                calls += 1;
                dialing.connected(&root, now_ms);
                dialing.lost(&root, now_ms, true, 0);
            }
        }
        assert_eq!(calls, 7, "at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s");
    }
}
