//! The places of an open conversation, in display order, in little memory: there may be a hundred thousand.
//!
//! ```text
//! devices   0: d7 …  1: 3a …                      the few that write here, each once
//! places    hlc u64 · id 32 · device u32          48 bytes, ascending by (hlc, device's bytes, id)
//! ```

use crate::port::Key;

/// A place whose device is a number of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    hlc: u64,
    id: [u8; 32],
    device: u32,
}

/// Ascending places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    devices: Vec<[u8; 32]>,
    places: Vec<Place>,
}

impl Index {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The first one.
    pub(super) fn first(&self) -> Option<Key> {
        self.get(0)
    }

    /// The one at `at`.
    pub(super) fn get(&self, at: usize) -> Option<Key> {
        self.places.get(at).map(|place| self.key(place))
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = Key> + ExactSizeIterator {
        self.places.iter().map(|place| self.key(place))
    }

    /// Those from `from` up to `to`, without it.
    pub(super) fn between(&self, from: usize, to: usize) -> impl Iterator<Item = Key> {
        self.places[from..to].iter().map(|place| self.key(place))
    }

    /// Where `key` is, or else where it would be.
    pub(super) fn find(&self, key: &Key) -> Result<usize, usize> {
        let wanted = (key.hlc, &key.device, &key.id);
        self.places.binary_search_by(|place| (place.hlc, self.device(place), &place.id).cmp(&wanted))
    }

    /// Whether `key` is among them.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.find(key).is_ok()
    }

    /// Where the newest one with this id is.
    pub(super) fn of_id(&self, id: &[u8; 32]) -> Option<usize> {
        self.places.iter().rposition(|place| place.id == *id)
    }

    /// Puts `key` in at `at`, where [`Index::find`] said that it would be.
    pub(super) fn insert(&mut self, at: usize, key: Key) {
        let place = self.place(key);
        self.places.insert(at, place);
    }

    /// Puts places before all others; they ascend, and each is less than the first.
    pub(super) fn prepend(&mut self, keys: Vec<Key>) {
        let places: Vec<Place> = keys.into_iter().map(|key| self.place(key)).collect();
        self.places.splice(0..0, places);
    }

    /// Takes the first one away.
    pub(super) fn drop_first(&mut self) {
        self.places.drain(..1.min(self.places.len()));
    }

    /// Keeps the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        self.places.truncate(len);
    }

    fn key(&self, place: &Place) -> Key {
        Key { hlc: place.hlc, device: *self.device(place), id: place.id }
    }

    fn device(&self, place: &Place) -> &[u8; 32] {
        &self.devices[place.device as usize]
    }

    fn place(&mut self, key: Key) -> Place {
        let known = self.devices.iter().position(|device| *device == key.device);
        let at = known.unwrap_or_else(|| {
            self.devices.push(key.device);
            self.devices.len() - 1
        });
        let device = u32::try_from(at).expect("a list has far fewer rows than that");
        Place { hlc: key.hlc, id: key.id, device }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(hlc: u64, device: u8, id: u8) -> Key {
        Key { hlc, device: [device; 32], id: [id; 32] }
    }

    #[test]
    fn order_is_that_of_keys_whatever_number_a_device_has() {
        let sorted = [key(1, 9, 1), key(2, 3, 4), key(2, 9, 0), key(2, 9, 7), key(5, 1, 2)];
        let mut index = Index::default();
        for key in [sorted[3], sorted[0], sorted[4], sorted[1], sorted[2]] {
            let at = index.find(&key).expect_err("it is new");
            index.insert(at, key);
        }
        assert_eq!(index.iter().collect::<Vec<_>>(), sorted);
        assert!(sorted.iter().enumerate().all(|(at, key)| index.find(key) == Ok(at) && index.get(at) == Some(*key)));
        assert_eq!(index.of_id(&[7; 32]), Some(3));
        assert!(!index.has(&key(2, 4, 4)));
        index.drop_first();
        index.prepend(vec![key(0, 7, 7), key(1, 1, 1)]);
        index.truncate(3);
        assert_eq!(index.iter().collect::<Vec<_>>(), [key(0, 7, 7), key(1, 1, 1), sorted[1]]);
        assert_eq!(index.between(1, 3).count(), 2);
    }

    #[test]
    fn a_place_is_small() {
        assert_eq!(size_of::<Place>(), 48);
    }
}
