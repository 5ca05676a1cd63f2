//! Rows of one table that are to be set or taken away: what a batch wrote, before redb has it.
//!
//! ```text
//! first byte of the key ─▶ Run   bytes   key · value · key · value · …          one piece of memory for all of them
//!                                rows    where each stands, ascending by key    what comes in order: nearly everything
//!                                odd     rows that came out of order, in a map
//! ```
//!
//! A peer's events come in the order in which their keys ascend, so writing a row is two copies to the end of one
//! piece of memory: no allocation, and no search in a tree.
//!
//! Invariant: a key stands in `rows` or in `odd`, never in both.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range as Bytes;

use super::raw::Range;

/// A key and what it is set to; `None`: it is taken away.
pub(super) type Write<'w> = (&'w [u8], Option<&'w [u8]>);

/// Rows in the order of their keys.
#[derive(Clone, Default)]
pub(super) struct Writes {
    runs: BTreeMap<u8, Run>,
}

#[derive(Clone, Default)]
struct Run {
    bytes: Vec<u8>,
    rows: Vec<Row>,
    odd: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// Where a row stands in the bytes of its run.
#[derive(Clone)]
struct Row {
    key: Bytes<usize>,
    value: Option<Bytes<usize>>,
}

/// The run that keys like this one stand in; runs ascend as their keys do.
fn run_of(key: &[u8]) -> u8 {
    key.first().copied().unwrap_or(0)
}

impl Writes {
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.runs.values().map(|run| run.rows.len() + run.odd.len()).sum()
    }

    pub(super) fn set(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.runs.entry(run_of(key)).or_default().set(key, value);
    }

    /// What this key is set to, if anything was written under it.
    pub(super) fn find(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        self.runs.get(&run_of(key))?.find(key)
    }

    /// Every row, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = Write<'_>> {
        self.runs.values().flat_map(|run| run.forward(Range::ALL))
    }

    /// The rows of a range, in its direction.
    pub(super) fn range<'w>(&'w self, range: Range<'w>) -> Box<dyn Iterator<Item = Write<'w>> + 'w> {
        let last = range.to.map_or(u8::MAX, run_of);
        let runs = self.runs.range(run_of(range.from)..=last).map(|(_, run)| run);
        match range.backward {
            false => Box::new(runs.flat_map(move |run| run.forward(range))),
            true => Box::new(runs.rev().flat_map(move |run| run.backward(range))),
        }
    }

    /// Puts other rows on top: where both have a key, theirs counts.
    pub(super) fn lay(&mut self, upper: Self) {
        if self.is_empty() {
            *self = upper;
            return;
        }
        upper.iter().for_each(|(key, value)| self.set(key, value));
    }
}

impl Run {
    fn set(&mut self, key: &[u8], value: Option<&[u8]>) {
        if self.rows.last().is_none_or(|last| &self.bytes[last.key.clone()] < key) {
            match self.odd.get_mut(key) {
                Some(held) => *held = value.map(<[u8]>::to_vec),
                None => {
                    let (key, value) = (self.keep(key), value.map(|value| self.keep(value)));
                    self.rows.push(Row { key, value });
                }
            }
            return;
        }
        match self.place(key) {
            Ok(at) => self.rows[at].value = value.map(|value| self.keep(value)),
            Err(_) => drop(self.odd.insert(key.to_vec(), value.map(<[u8]>::to_vec))),
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Bytes<usize> {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        from..self.bytes.len()
    }

    fn place(&self, key: &[u8]) -> Result<usize, usize> {
        self.rows.binary_search_by(|row| self.bytes[row.key.clone()].cmp(key))
    }

    fn find(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        let may_be_in_order = self.rows.last().is_some_and(|last| &self.bytes[last.key.clone()] >= key);
        if let Some(at) = may_be_in_order.then(|| self.place(key).ok()).flatten() {
            return Some(self.row(&self.rows[at]).1);
        }
        self.odd.get(key).map(Option::as_deref)
    }

    fn row(&self, row: &Row) -> Write<'_> {
        (&self.bytes[row.key.clone()], row.value.clone().map(|value| &self.bytes[value]))
    }

    /// The rows in order that a range holds.
    fn within(&self, range: Range<'_>) -> &[Row] {
        let from = self.place(range.from).unwrap_or_else(std::convert::identity);
        let to = range.to.map_or(self.rows.len(), |to| self.place(to).unwrap_or_else(std::convert::identity));
        self.rows.get(from..to).unwrap_or_default()
    }

    fn forward<'w>(&'w self, range: Range<'w>) -> impl Iterator<Item = Write<'w>> {
        let rows = self.within(range).iter().map(|row| self.row(row));
        layered(rows, self.odd.range::<[u8], _>(range.bounds()).map(borrowed), std::convert::identity)
    }

    fn backward<'w>(&'w self, range: Range<'w>) -> impl Iterator<Item = Write<'w>> {
        let rows = self.within(range).iter().rev().map(|row| self.row(row));
        layered(rows, self.odd.range::<[u8], _>(range.bounds()).rev().map(borrowed), Ordering::reverse)
    }
}

fn borrowed<'w>((key, value): (&'w Vec<u8>, &'w Option<Vec<u8>>)) -> Write<'w> {
    (key, value.as_deref())
}

/// Turns the order of keys around for a walk backwards.
pub(super) type Turn = fn(Ordering) -> Ordering;

/// Walks two ordered layers as one; where both have a key, the upper one counts.
pub(super) fn layered<'w>(
    upper: impl Iterator<Item = Write<'w>>,
    lower: impl Iterator<Item = Write<'w>>,
    turn: Turn,
) -> impl Iterator<Item = Write<'w>> {
    let (mut upper, mut lower) = (upper.peekable(), lower.peekable());
    std::iter::from_fn(move || {
        let order = match (upper.peek(), lower.peek()) {
            (Some((above, _)), Some((below, _))) => turn(above.cmp(below)),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        if order.is_eq() {
            lower.next();
        }
        if order.is_gt() { lower.next() } else { upper.next() }
    })
}

#[cfg(test)]
mod tests {
    use rand_core::Rng;

    use super::*;
    use crate::tests::{below, rng};

    type Model = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

    fn owned<'w>(rows: impl Iterator<Item = Write<'w>>) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        rows.map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))).collect()
    }

    fn check(writes: &Writes, model: &Model, rng: &mut rand_chacha::ChaCha20Rng) {
        assert_eq!((writes.len(), writes.is_empty()), (model.len(), model.is_empty()));
        assert_eq!(owned(writes.iter()), model.clone().into_iter().collect::<Vec<_>>());
        for _ in 0..20 {
            let mut ends = [key(rng, 0), key(rng, 0)];
            ends.sort_unstable();
            let to = (below(rng, 4) > 0).then_some(ends[1].as_slice());
            let forward = Range::new(&ends[0], to);
            let mut expected: Vec<_> = model
                .iter()
                .filter(|(key, _)| **key >= ends[0] && to.is_none_or(|to| key.as_slice() < to))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            assert_eq!(owned(writes.range(forward)), expected);
            expected.reverse();
            assert_eq!(owned(writes.range(forward.reversed())), expected);
            assert_eq!(writes.find(&ends[0]), model.get(&ends[0]).map(|value| value.as_deref()));
        }
    }

    /// Short, so that keys meet; the empty one among them.
    fn key(rng: &mut rand_chacha::ChaCha20Rng, least: u64) -> Vec<u8> {
        let number = least + rng.next_u64() % 600;
        number.to_be_bytes()[6..][..below(rng, 3)].to_vec()
    }

    /// They hold what a map holds, whatever is written in whatever order, and laid on one another.
    #[test]
    fn writes_are_a_map() {
        let mut rng = rng(1);
        let (mut below_all, mut model_below) = (Writes::default(), Model::new());
        for round in 0..30_u64 {
            let (mut writes, mut model) = (Writes::default(), Model::new());
            for n in 0..below(&mut rng, 300) as u64 {
                let key = if round % 2 == 0 { (n * 3).to_be_bytes()[6..].to_vec() } else { key(&mut rng, n / 2) };
                let value = (below(&mut rng, 4) > 0).then(|| vec![n as u8; below(&mut rng, 20)]);
                writes.set(&key, value.as_deref());
                model.insert(key, value);
            }
            check(&writes, &model, &mut rng);
            below_all.lay(writes);
            model_below.extend(model);
            check(&below_all, &model_below, &mut rng);
        }
        assert!(model_below.len() > 300);
    }

    /// What comes in order is one piece of memory.
    #[test]
    fn what_ascends_is_not_odd() {
        let mut writes = Writes::default();
        for n in 0..500_u32 {
            for kind in [18, 25] {
                writes.set(&[&[kind], n.to_be_bytes().as_slice()].concat(), Some(b"value"));
            }
        }
        assert!(writes.runs.len() == 2 && writes.runs.values().all(|run| run.odd.is_empty()));
    }
}
