//! What an account has read of others: one mark per author device.
//!
//! ```text
//! marks   count u32 (≤ 128) · (device 32 · seq u64)…    ascending by device, one per device, seq ≥ 1
//! ```

use std::collections::BTreeMap;

use y7ke_crypto::codec::{DecodeError, Reader, Wire, Writer};
use y7ke_crypto::ids::DeviceId;

/// Most marks in one body: as many as a log has member devices (K1 boxes).
pub const MAX_MARKS: usize = 128;

/// Everything of `device` up to `seq` was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadMark {
    /// The author's device.
    pub device: DeviceId,
    /// Its greatest number read; never 0.
    pub seq: u64,
}

/// Read marks, at most [`MAX_MARKS`], one per device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadMarks(BTreeMap<DeviceId, u64>);

impl ReadMarks {
    /// No marks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a mark; the greater number of a device stays. A full list takes no further device.
    pub fn add(&mut self, mark: ReadMark) {
        if mark.seq == 0 || (self.0.len() == MAX_MARKS && !self.0.contains_key(&mark.device)) {
            return;
        }
        let seq = self.0.entry(mark.device).or_default();
        *seq = mark.seq.max(*seq);
    }

    /// The marks, ascending by device.
    pub fn iter(&self) -> impl Iterator<Item = ReadMark> + '_ {
        self.0.iter().map(|(device, seq)| ReadMark { device: *device, seq: *seq })
    }

    /// Whether there is no mark.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<ReadMark> for ReadMarks {
    fn from_iter<I: IntoIterator<Item = ReadMark>>(marks: I) -> Self {
        let mut all = Self::new();
        marks.into_iter().for_each(|mark| all.add(mark));
        all
    }
}

impl Wire for ReadMark {
    const WHAT: &'static str = "read mark";
    const CAP: usize = 40;

    fn write(&self, to: &mut Writer) {
        to.put(&self.device).u64(self.seq);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mark = Self { device: from.get()?, seq: from.u64()? };
        from.require(mark.seq > 0)?;
        Ok(mark)
    }
}

impl Wire for ReadMarks {
    const WHAT: &'static str = "read marks";
    const CAP: usize = 4 + MAX_MARKS * ReadMark::CAP;

    fn write(&self, to: &mut Writer) {
        to.list(&self.iter().collect::<Vec<_>>());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let marks: Vec<ReadMark> = from.list(MAX_MARKS)?;
        from.require(marks.is_sorted_by(|one, next| one.device < next.device))?;
        Ok(marks.into_iter().collect())
    }
}
