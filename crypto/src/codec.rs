//! The one codec: fixed layouts, little-endian, exact length.
//!
//! ```text
//! integer   u8 · u16 · u32 · u64, little-endian
//! array     its bytes, nothing around them
//! var       u32 length · bytes            every length has a cap that is checked before it is used
//! list      u32 count · items             likewise
//!
//! Where a format says so, a length or count is a u16.
//! ```
//!
//! Invariants: no optional fields; no trailing bytes; one value has one encoding, so whatever decodes
//! re-encodes to the same bytes (the fuzz bodies check it). A decoder never reserves more memory than
//! the input is long.

use thiserror::Error;

/// Why bytes are not a value of the named format. Always the fault of whoever made the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{what}: {fault}")]
pub struct DecodeError {
    /// The format that was being read, for example `header`.
    pub what: &'static str,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with bytes that do not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The bytes end before the value does.
    #[error("too short")]
    Short,
    /// The value ends before the bytes do.
    #[error("trailing bytes")]
    Trailing,
    /// A length or count exceeds its cap.
    #[error("longer than {cap}")]
    TooLong {
        /// The cap, in the unit of the field: bytes, or items of a list.
        cap: usize,
    },
    /// A field holds what its format forbids.
    #[error("forbidden value")]
    BadValue,
}

/// A value with exactly one encoding.
pub trait Wire: Sized {
    /// The name of the format in errors.
    const WHAT: &'static str;
    /// The greatest encoded length in bytes; longer input is refused unread.
    const CAP: usize;

    /// Appends the encoding.
    fn write(&self, to: &mut Writer);

    /// Reads one value and leaves what follows it.
    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// The encoding.
    fn to_bytes(&self) -> Vec<u8> {
        let mut to = Writer::with_room_for(Self::CAP);
        self.write(&mut to);
        to.into_bytes()
    }

    /// The value that these bytes, all of them, encode.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut from = Reader::new(Self::WHAT, bytes);
        from.cap(bytes.len(), Self::CAP)?;
        let value = Self::read(&mut from)?;
        from.finish()?;
        Ok(value)
    }
}

/// Builds an encoding.
#[derive(Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty encoding.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty encoding of something that has at most `cap` bytes, and seldom more than a page.
    pub fn with_room_for(cap: usize) -> Self {
        /// An event record with two dependencies fits.
        const USUAL: usize = 768;
        Self { bytes: Vec::with_capacity(cap.min(USUAL)) }
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.raw(&[value])
    }

    /// Two bytes, little-endian.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    /// A field whose length the format fixes: the bytes alone.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A field of variable length: u32 length, then the bytes.
    pub fn var(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len()).raw(bytes)
    }

    /// A length or count in two bytes.
    pub fn short_count(&mut self, count: usize) -> &mut Self {
        self.u16(u16::try_from(count).expect("every such field is capped at 65,535 where it is made"))
    }

    /// A length or count.
    pub fn count(&mut self, count: usize) -> &mut Self {
        self.u32(u32::try_from(count).expect("every field is capped far below 4 GiB where it is made"))
    }

    /// A nested value.
    pub fn put<T: Wire>(&mut self, value: &T) -> &mut Self {
        value.write(self);
        self
    }

    /// A list: u32 count, then the items.
    pub fn list<T: Wire>(&mut self, items: &[T]) -> &mut Self {
        self.count(items.len());
        for item in items {
            item.write(self);
        }
        self
    }

    /// The finished encoding.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Takes an encoding apart.
pub struct Reader<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `bytes` as the format called `what`.
    pub fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, rest: bytes }
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    /// Two bytes, little-endian.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A field of `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(self.fail(Fault::Short))?;
        self.rest = rest;
        Ok(*head)
    }

    /// The next `len` bytes.
    pub fn raw(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(self.fail(Fault::Short))?;
        self.rest = rest;
        Ok(head)
    }

    /// A field of variable length, at most `cap` bytes.
    pub fn var(&mut self, cap: usize) -> Result<&'a [u8], DecodeError> {
        let len = self.count(cap)?;
        self.raw(len)
    }

    /// UTF-8 of at most `cap` bytes.
    pub fn text(&mut self, cap: usize) -> Result<&'a str, DecodeError> {
        let bytes = self.var(cap)?;
        std::str::from_utf8(bytes).ok().ok_or(self.bad())
    }

    /// A length or count, at most `cap`.
    pub fn count(&mut self, cap: usize) -> Result<usize, DecodeError> {
        let count = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        self.cap(count, cap)
    }

    /// A length or count in two bytes, at most `cap`.
    pub fn short_count(&mut self, cap: usize) -> Result<usize, DecodeError> {
        let count = usize::from(self.u16()?);
        self.cap(count, cap)
    }

    /// A nested value.
    pub fn get<T: Wire>(&mut self) -> Result<T, DecodeError> {
        let outer = std::mem::replace(&mut self.what, T::WHAT);
        let value = T::read(self)?;
        self.what = outer;
        Ok(value)
    }

    /// A list of at most `cap` items.
    pub fn list<T: Wire>(&mut self, cap: usize) -> Result<Vec<T>, DecodeError> {
        let count = self.count(cap)?;
        (0..count).map(|_| self.get()).collect()
    }

    /// The value has ended; so must the bytes have.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.fail(Fault::Trailing)) }
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// Refuses a length or count above its cap.
    pub fn cap(&self, count: usize, cap: usize) -> Result<usize, DecodeError> {
        if count <= cap { Ok(count) } else { Err(self.fail(Fault::TooLong { cap })) }
    }

    /// Refuses what the format forbids.
    pub fn require(&self, holds: bool) -> Result<(), DecodeError> {
        if holds { Ok(()) } else { Err(self.bad()) }
    }

    /// The error for a forbidden value.
    pub fn bad(&self) -> DecodeError {
        self.fail(Fault::BadValue)
    }

    fn fail(&self, fault: Fault) -> DecodeError {
        DecodeError { what: self.what, fault }
    }
}

/// Whether each item is greater than the one before it: sorted, and nothing twice.
pub(crate) fn ascending<T: Ord>(items: impl IntoIterator<Item = T>) -> bool {
    let mut items = items.into_iter();
    let Some(mut last) = items.next() else { return true };
    items.all(|item| {
        let grows = last < item;
        last = item;
        grows
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn var_round_trips_and_refuses_cap_plus_one() {
        let mut to = Writer::new();
        to.var(b"abc");
        let bytes = to.into_bytes();
        assert_eq!(bytes, [3, 0, 0, 0, b'a', b'b', b'c']);
        assert_eq!(Reader::new("t", &bytes).var(3), Ok(&b"abc"[..]));
        assert_eq!(Reader::new("t", &bytes).var(2), Err(DecodeError { what: "t", fault: Fault::TooLong { cap: 2 } }));
    }

    #[test]
    fn a_length_that_lies_is_short_and_reserves_nothing() {
        let mut from = Reader::new("t", &[0xff, 0xff, 0xff, 0x7f, 1]);
        assert_eq!(from.var(usize::MAX).unwrap_err().fault, Fault::Short);
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut from = Reader::new("t", &[1, 2]);
        assert_eq!(from.u8(), Ok(1));
        assert_eq!(from.finish().unwrap_err().fault, Fault::Trailing);
    }

    #[test]
    fn ascending_refuses_equal_neighbours() {
        assert!(ascending([1, 2, 9]));
        assert!(ascending(Vec::<u8>::new()));
        assert!(!ascending([1, 1]));
        assert!(!ascending([2, 1]));
    }
}
