//! What a replica holds of a log: per device, the newest event.
//!
//! ```text
//! clock   u32 n ≤ 1,024 · n × ( device 32 · u8 t 1..=16 · t × ( seq u64 ≥ 1 · id 32 ) )
//!         devices ascending; tips ascending by (seq, id)
//! ```
//!
//! Stores are closed under ancestors, so two clocks say what each side lacks, whatever the history is
//! (S2). One tip is the normal case; several mean that the device is frozen, because it signed two
//! events with one number (F1, F4).

use std::collections::BTreeMap;

use crate::codec::{DecodeError, Reader, Wire, Writer, ascending};
use crate::ids::{DeviceId, EventId};

/// Devices in one clock: 128 at once (the box cap) and room for those that came and went; 75 KB in all.
pub const MAX_DEVICES: usize = 1_024;

/// Tips of a frozen device; a fork proof needs two, more only adds to the same verdict.
pub const MAX_TIPS: usize = 16;

/// The newest event of a device, or of one variant of a frozen device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tip {
    /// Its number, from 1.
    pub seq: u64,
    /// Its id.
    pub id: EventId,
}

/// A run of events of one device that somebody has and somebody else lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Want {
    /// Whose events.
    pub device: DeviceId,
    /// The first, from 1.
    pub from: u64,
    /// The last, included.
    pub to: u64,
}

/// Per device, the newest event that is held together with all its ancestors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clock(BTreeMap<DeviceId, Vec<Tip>>);

impl Clock {
    /// Of a log of which nothing is held.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many devices it names.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Devices and their tips, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (&DeviceId, &[Tip])> {
        self.0.iter().map(|(device, tips)| (device, tips.as_slice()))
    }

    /// The tips of a device, none if unknown.
    pub fn tips(&self, device: &DeviceId) -> &[Tip] {
        self.0.get(device).map_or(&[], Vec::as_slice)
    }

    /// The greatest number held of a device, 0 if none.
    pub fn seq(&self, device: &DeviceId) -> u64 {
        self.tips(device).last().map_or(0, |tip| tip.seq)
    }

    /// Whether a device has forked (F2).
    pub fn is_frozen(&self, device: &DeviceId) -> bool {
        self.tips(device).len() > 1
    }

    /// Whether event `seq` of `device` is held (of a frozen device: some variant of it).
    pub fn covers(&self, device: &DeviceId, seq: u64) -> bool {
        seq <= self.seq(device)
    }

    /// A device's next event was taken: it has this one tip now.
    pub fn set(&mut self, device: DeviceId, tip: Tip) {
        self.0.insert(device, vec![tip]);
    }

    /// The tips of a frozen device (F4). Sorted, deduplicated and cut to the [`MAX_TIPS`] greatest.
    pub fn set_tips(&mut self, device: DeviceId, mut tips: Vec<Tip>) {
        normalise(&mut tips);
        if tips.is_empty() {
            self.0.remove(&device);
        } else {
            self.0.insert(device, tips);
        }
    }

    /// Forgets a device.
    pub fn remove(&mut self, device: &DeviceId) {
        self.0.remove(device);
    }

    /// What either holds. Of a device that is frozen in one of them, or whose tips contradict each
    /// other, all tips stay: which of them are ancestors of others is not known here.
    pub fn merge(&mut self, other: &Self) {
        for (device, theirs) in &other.0 {
            let mine = self.0.entry(*device).or_default();
            *mine = join(mine, theirs);
        }
    }

    /// What `other` has and this clock lacks. Of a device whose tips contradict each other (a fork is
    /// coming to light, or is known to one side only) everything is wanted again: where the variants
    /// part cannot be told from tips, and forks are rare.
    pub fn lacks(&self, other: &Self) -> Vec<Want> {
        let wants = other.0.iter().filter_map(|(device, theirs)| {
            let from = self.first_lacking(device, theirs)?;
            Some(Want { device: *device, from, to: other.seq(device) })
        });
        wants.filter(|want| want.from <= want.to).collect()
    }

    /// Whether everything that `other` holds is held here too.
    pub fn includes(&self, other: &Self) -> bool {
        self.lacks(other).is_empty()
    }

    fn first_lacking(&self, device: &DeviceId, theirs: &[Tip]) -> Option<u64> {
        match (self.tips(device), theirs) {
            ([], _) => Some(1),
            ([mine], [their]) if mine.seq != their.seq => mine.seq.checked_add(1),
            (mine, _) if theirs.iter().all(|tip| mine.contains(tip)) => None,
            _ => Some(1),
        }
    }
}

impl FromIterator<(DeviceId, Tip)> for Clock {
    /// Of one tip per device; a device given twice keeps both tips.
    fn from_iter<I: IntoIterator<Item = (DeviceId, Tip)>>(tips: I) -> Self {
        let mut clock = Self::new();
        for (device, tip) in tips {
            clock.0.entry(device).or_default().push(tip);
        }
        clock.0.values_mut().for_each(normalise);
        clock
    }
}

impl Wire for Tip {
    const WHAT: &'static str = "tip";
    const CAP: usize = 40;

    fn write(&self, to: &mut Writer) {
        to.u64(self.seq).put(&self.id);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let tip = Self { seq: from.u64()?, id: from.get()? };
        from.require(tip.seq > 0)?;
        Ok(tip)
    }
}

impl Wire for Want {
    const WHAT: &'static str = "want";
    const CAP: usize = 48;

    fn write(&self, to: &mut Writer) {
        to.put(&self.device).u64(self.from).u64(self.to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let want = Self { device: from.get()?, from: from.u64()?, to: from.u64()? };
        from.require(0 < want.from && want.from <= want.to)?;
        Ok(want)
    }
}

impl Wire for Clock {
    const WHAT: &'static str = "clock";
    const CAP: usize = 4 + MAX_DEVICES * (32 + 1 + MAX_TIPS * Tip::CAP);

    fn write(&self, to: &mut Writer) {
        to.count(self.0.len());
        for (device, tips) in &self.0 {
            let count = u8::try_from(tips.len()).expect("normalise keeps at most MAX_TIPS");
            to.put(device).u8(count);
            tips.iter().for_each(|tip| tip.write(to));
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut clock = Self::new();
        for _ in 0..from.count(MAX_DEVICES)? {
            let (device, tips) = read_entry(from)?;
            from.require(clock.0.last_key_value().is_none_or(|(last, _)| *last < device))?;
            clock.0.insert(device, tips);
        }
        Ok(clock)
    }
}

fn read_entry(from: &mut Reader<'_>) -> Result<(DeviceId, Vec<Tip>), DecodeError> {
    let device = from.get()?;
    let count = usize::from(from.u8()?);
    from.cap(count, MAX_TIPS)?;
    let tips: Vec<Tip> = (0..count).map(|_| from.get()).collect::<Result<_, _>>()?;
    from.require(!tips.is_empty() && ascending(&tips))?;
    Ok((device, tips))
}

/// The tips of one device that two clocks together show.
fn join(mine: &[Tip], theirs: &[Tip]) -> Vec<Tip> {
    match (mine, theirs) {
        ([a], [b]) if a.seq < b.seq => vec![*b],
        ([a], [b]) if a.seq > b.seq => vec![*a],
        _ => {
            let mut tips = [mine, theirs].concat();
            normalise(&mut tips);
            tips
        }
    }
}

fn normalise(tips: &mut Vec<Tip>) {
    tips.sort_unstable();
    tips.dedup();
    tips.drain(..tips.len().saturating_sub(MAX_TIPS));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Fault;

    fn device(n: u8) -> DeviceId {
        DeviceId::from([n; 32])
    }

    fn tip(seq: u64, id: u8) -> Tip {
        Tip { seq, id: EventId::from([id; 32]) }
    }

    fn clock(entries: &[(u8, u64, u8)]) -> Clock {
        entries.iter().map(|&(d, seq, id)| (device(d), tip(seq, id))).collect()
    }

    /// S2: two clocks say exactly what is missing.
    #[test]
    fn s2_lacks_names_the_missing_runs() {
        let (a, b) = (clock(&[(2, 5, 5), (3, 1, 1)]), clock(&[(2, 9, 9), (4, 2, 2)]));
        assert_eq!(
            a.lacks(&b),
            [Want { device: device(2), from: 6, to: 9 }, Want { device: device(4), from: 1, to: 2 }]
        );
        assert_eq!(b.lacks(&a), [Want { device: device(3), from: 1, to: 1 }]);
        assert!(a.includes(&a));
    }

    #[test]
    fn merge_is_commutative_idempotent_and_covers_both() {
        let (a, b) = (clock(&[(2, 5, 5), (3, 1, 1)]), clock(&[(2, 9, 9), (3, 1, 7), (4, 2, 2)]));
        let (mut ab, mut ba) = (a.clone(), b.clone());
        ab.merge(&b);
        ba.merge(&a);
        assert_eq!(ab, ba);
        let once = ab.clone();
        ab.merge(&b);
        assert_eq!(ab, once);
        assert!(once.includes(&a) && once.includes(&b));
    }

    /// A number that no device reaches is still a number in somebody's bytes.
    #[test]
    fn a_clock_of_the_greatest_number_lacks_nothing_of_itself() {
        let greatest = clock(&[(2, u64::MAX, 5)]);
        assert!(greatest.lacks(&greatest).is_empty());
        assert!(greatest.lacks(&clock(&[(2, 9, 9)])).is_empty());
        assert_eq!(clock(&[(2, 9, 9)]).lacks(&greatest), [Want { device: device(2), from: 10, to: u64::MAX }]);
    }

    /// F4: contradicting tips freeze the device and are all kept.
    #[test]
    fn f4_a_contradiction_is_frozen_and_wanted_whole() {
        let (mut a, b) = (clock(&[(2, 5, 5)]), clock(&[(2, 5, 6)]));
        assert_eq!(a.lacks(&b), [Want { device: device(2), from: 1, to: 5 }]);
        a.merge(&b);
        assert!(a.is_frozen(&device(2)));
        assert!(a.lacks(&b).is_empty());
        assert_eq!(b.lacks(&a), [Want { device: device(2), from: 1, to: 5 }]);
    }

    #[test]
    fn clock_bytes_have_one_form() {
        let mut a = clock(&[(2, 5, 5), (3, 1, 1)]);
        a.set_tips(device(3), vec![tip(4, 1), tip(2, 2), tip(4, 1)]);
        let bytes = a.to_bytes();
        assert_eq!(Clock::from_bytes(&bytes), Ok(a));
        let mut swapped = clock(&[(2, 5, 5)]).to_bytes();
        swapped[0] = 2;
        swapped.extend_from_slice(&clock(&[(2, 5, 5)]).to_bytes()[4..]);
        assert_eq!(Clock::from_bytes(&swapped).unwrap_err().fault, Fault::BadValue);
    }

    #[test]
    fn tips_are_capped() {
        let mut a = Clock::new();
        a.set_tips(device(2), (1..=40).map(|n| tip(n, 1)).collect());
        assert_eq!(a.tips(&device(2)).len(), MAX_TIPS);
        assert_eq!(a.seq(&device(2)), 40);
        a.set_tips(device(2), Vec::new());
        assert!(a.is_empty());
    }
}
