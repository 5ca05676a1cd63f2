//! The vault: one random key for everything at rest, wrapped by slots.
//!
//! ```text
//! file    "y7vault" · ver u8 = 1 · id 16 · check 16 = HKDF(salt id, DEK, "y7/vault-check/1")
//!         · u8 n 1..=8 · n × slot
//! slot    kind u8 · head · nonce 24 · XChaCha20-Poly1305(wrapping key, nonce, DEK) 48
//!         aad = "y7/vault/1" ‖ id ‖ kind ‖ head
//!    1 file        head = wrapping key 32                  in the clear: no protection, and said so
//!    2 passphrase  head = salt 16 · memory u32 KiB · passes u32 · lanes u32      Argon2id, v 1.3
//!    3 keyring     head = entry 16                         the wrapping key lies in the system's keyring, under this name
//! subkey  HKDF(DEK, "y7/subkey/1" ‖ purpose)   sealed  nonce 24 ‖ XChaCha20-Poly1305(subkey, …, aad = context)
//! ```
//!
//! Invariants: every slot wraps the same DEK (`check` tells before one is added); a passphrase with any
//! cost beyond the caps is refused before memory is reserved; the context of a sealed row names its place,
//! so rows cannot be swapped. Reading and writing the file, and its mode 0600, are the caller's.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, AeadInOut, KeyInit, Payload};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::codec::{DecodeError, Reader, Wire, Writer};
use crate::label;
use crate::secret::{random, secret};

/// Slots of one vault: each kind a few times over.
pub const MAX_SLOTS: usize = 8;

/// What a sealed row is longer than its content, in bytes.
pub const SEAL_OVERHEAD: usize = NONCE_LEN + 16;

const NONCE_LEN: usize = 24;
const WRAPPED_LEN: usize = 48;
const MAGIC: &[u8; 8] = b"y7vault\x01";

secret!(
    /// The key that everything at rest hangs from.
    Dek, 32
);

secret!(
    /// A key for one purpose, grown from the [`Dek`].
    SubKey, 32
);

/// Work that guessing a passphrase costs (Argon2id).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB, at most 1 GiB.
    pub memory_kib: u32,
    /// Passes over the memory, at most 16.
    pub passes: u32,
    /// Lanes, at most 4.
    pub lanes: u32,
}

/// What protects a vault, the weakest slot first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// The key lies beside the lock: whoever reads the file reads everything.
    None,
    /// As strong as the keyring of the system, which opens with the person's login.
    Keyring,
    /// As strong as the passphrase.
    Passphrase,
}

/// The slots that wrap one [`Dek`]. With a file slot its bytes are themselves a secret.
#[derive(Clone)]
pub struct VaultFile {
    id: [u8; 16],
    check: [u8; 16],
    slots: Vec<Slot>,
}

#[derive(Clone)]
struct Slot {
    lock: Lock,
    nonce: [u8; NONCE_LEN],
    wrapped: [u8; WRAPPED_LEN],
}

/// Where the wrapping key comes from.
#[derive(Clone)]
enum Lock {
    File(Zeroizing<[u8; 32]>),
    Passphrase { salt: [u8; 16], cost: Cost },
    Keyring(Entry),
}

/// The name of a wrapping key in the system's keyring: random, so that a new one never takes the place of the old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry([u8; 16]);

impl Entry {
    /// As the keyring writes it: lower-case hex.
    pub fn name(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Why a vault does not open or change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VaultFault {
    /// There is no slot of this kind.
    #[error("the vault has no such slot")]
    NoSuchSlot,
    /// The passphrase opens no slot.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// What the keyring holds opens no slot, or it holds nothing.
    #[error("the keyring does not hold the key of this vault")]
    NotInKeyring,
    /// A slot's bytes were changed: the disk's fault or an intruder's.
    #[error("the vault is damaged")]
    Damaged,
    /// The key is not this vault's: our own caller's fault.
    #[error("the key belongs to another vault")]
    OtherVault,
    /// No further slot fits.
    #[error("the vault has {MAX_SLOTS} slots already")]
    Full,
    /// The only way in may not be removed.
    #[error("a vault keeps at least one slot")]
    LastSlot,
    /// The cost is beyond what this program spends, or the machine has too little memory.
    #[error("the passphrase costs too much memory or time")]
    TooCostly,
}

/// A sealed row does not open: damaged, moved, or sealed by another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the sealed bytes do not open in this place")]
pub struct Unsealable;

impl Cost {
    /// RFC 9106's second choice: 64 MiB, three passes; a third of a second on a small machine.
    pub const STANDARD: Self = Self { memory_kib: 64 * 1_024, passes: 3, lanes: 1 };

    /// 1 GiB, 16 passes, 4 lanes: above it a damaged file would stall or kill the process.
    const CEILING: Self = Self { memory_kib: 1_024 * 1_024, passes: 16, lanes: 4 };

    fn is_bearable(&self) -> bool {
        let Self { memory_kib, passes, lanes } = *self;
        let most = Self::CEILING;
        (1..=most.lanes).contains(&lanes)
            && (1..=most.passes).contains(&passes)
            && (8 * lanes..=most.memory_kib).contains(&memory_kib)
    }
}

impl Dek {
    /// The key for one purpose, by its name, such as `ledger/words`.
    pub fn subkey(&self, purpose: &'static str) -> SubKey {
        SubKey(*label::derive(None, &self.0, label::SUBKEY, &[purpose.as_bytes()]))
    }

    fn check(&self, id: &[u8; 16]) -> [u8; 16] {
        *label::derive(Some(id), &self.0, label::VAULT_CHECK, &[])
    }
}

impl SubKey {
    /// Seals `plain` for one place: table and key of the row, or the name of the file.
    pub fn seal(&self, rng: &mut impl CryptoRng, context: &[u8], plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = random(rng);
        let mut sealed = Vec::with_capacity(plain.len() + SEAL_OVERHEAD);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let body = sealed.get_mut(NONCE_LEN..).unwrap_or_default();
        let tag = cipher(&self.0).encrypt_inout_detached(&nonce.into(), context, body.into());
        sealed.extend_from_slice(&tag.expect("no row nears the cipher's 256 GiB"));
        sealed
    }

    /// Opens what was sealed for this place.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        let (nonce, ct) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Unsealable)?;
        let plain = cipher(&self.0).decrypt(nonce.into(), Payload { msg: ct, aad: context });
        plain.map(Zeroizing::new).ok().ok_or(Unsealable)
    }
}

impl VaultFile {
    /// A new vault, its key lying beside it: what a first start does without asking anything.
    pub fn with_file_slot(rng: &mut impl CryptoRng) -> (Self, Dek) {
        let (mut vault, dek) = Self::empty(rng);
        vault.push(rng, &dek, Lock::file).expect("a new vault takes a slot of its own key");
        (vault, dek)
    }

    /// A new vault behind a passphrase.
    pub fn with_passphrase(rng: &mut impl CryptoRng, passphrase: &str, cost: Cost) -> Result<(Self, Dek), VaultFault> {
        let (mut vault, dek) = Self::empty(rng);
        vault.add_passphrase(rng, &dek, passphrase, cost)?;
        Ok((vault, dek))
    }

    fn empty(rng: &mut impl CryptoRng) -> (Self, Dek) {
        let (id, dek) = (random(rng), Dek(random(rng)));
        (Self { id, check: dek.check(&id), slots: Vec::new() }, dek)
    }

    /// The same vault with a file slot in the place of all others.
    pub fn rewrapped_in_file(&self, rng: &mut impl CryptoRng, dek: &Dek) -> Result<Self, VaultFault> {
        let mut vault = self.bare();
        vault.add_file_slot(rng, dek)?;
        Ok(vault)
    }

    /// The same vault with one passphrase in the place of all others.
    pub fn rewrapped_by_passphrase(
        &self,
        rng: &mut impl CryptoRng,
        dek: &Dek,
        passphrase: &str,
        cost: Cost,
    ) -> Result<Self, VaultFault> {
        let mut vault = self.bare();
        vault.add_passphrase(rng, dek, passphrase, cost)?;
        Ok(vault)
    }

    /// The same vault with a slot of the keyring in the place of all others, and what the keyring is to hold.
    pub fn rewrapped_by_keyring(
        &self,
        rng: &mut impl CryptoRng,
        dek: &Dek,
    ) -> Result<(Self, Entry, Zeroizing<[u8; 32]>), VaultFault> {
        let mut vault = self.bare();
        let (entry, key) = (Entry(random(rng)), Zeroizing::new(random(rng)));
        let wrapping = key.clone();
        vault.push(rng, dek, |_| (Lock::Keyring(entry), wrapping))?;
        Ok((vault, entry, key))
    }

    fn bare(&self) -> Self {
        Self { id: self.id, check: self.check, slots: Vec::new() }
    }

    /// What protects it: as much as its weakest slot.
    pub fn protection(&self) -> Protection {
        self.slots.iter().map(|slot| slot.lock.kind()).min().unwrap_or(Protection::None)
    }

    /// The entries of the keyring that its slots name.
    pub fn entries(&self) -> Vec<Entry> {
        let entry = |slot: &Slot| if let Lock::Keyring(entry) = slot.lock { Some(entry) } else { None };
        self.slots.iter().filter_map(entry).collect()
    }

    /// What trying its passphrases costs.
    pub(crate) fn costs(&self) -> impl Iterator<Item = Cost> {
        let cost = |slot: &Slot| if let Lock::Passphrase { cost, .. } = slot.lock { Some(cost) } else { None };
        self.slots.iter().filter_map(cost)
    }

    /// Puts the key beside the lock.
    pub fn add_file_slot(&mut self, rng: &mut impl CryptoRng, dek: &Dek) -> Result<(), VaultFault> {
        self.push(rng, dek, Lock::file)
    }

    /// Adds a passphrase.
    pub fn add_passphrase(
        &mut self,
        rng: &mut impl CryptoRng,
        dek: &Dek,
        passphrase: &str,
        cost: Cost,
    ) -> Result<(), VaultFault> {
        let salt = random(rng);
        let key = stretch(passphrase, &salt, cost)?;
        self.push(rng, dek, |_| (Lock::Passphrase { salt, cost }, key))
    }

    /// Takes the slots of one kind away.
    pub fn remove(&mut self, kind: Protection) -> Result<(), VaultFault> {
        let (gone, kept): (Vec<Slot>, Vec<Slot>) =
            self.slots.iter().cloned().partition(|slot| slot.lock.kind() == kind);
        match (gone.is_empty(), kept.is_empty()) {
            (true, _) => Err(VaultFault::NoSuchSlot),
            (_, true) => Err(VaultFault::LastSlot),
            _ => {
                self.slots = kept;
                Ok(())
            }
        }
    }

    /// Opens it by a key that lies beside it.
    pub fn open_file(&self) -> Result<Dek, VaultFault> {
        let mut fault = VaultFault::NoSuchSlot;
        for slot in &self.slots {
            if let Lock::File(key) = &slot.lock {
                match slot.open(&self.id, key) {
                    Some(dek) => return self.checked(dek),
                    None => fault = VaultFault::Damaged,
                }
            }
        }
        Err(fault)
    }

    /// Opens it by a passphrase. Takes the time and memory that the slot names.
    pub fn open_passphrase(&self, passphrase: &str) -> Result<Dek, VaultFault> {
        let mut fault = VaultFault::NoSuchSlot;
        for slot in &self.slots {
            if let Lock::Passphrase { salt, cost } = &slot.lock {
                match slot.open(&self.id, &*stretch(passphrase, salt, *cost)?) {
                    Some(dek) => return self.checked(dek),
                    None => fault = VaultFault::WrongPassphrase,
                }
            }
        }
        Err(fault)
    }

    /// Opens it by what the keyring holds under `entry`.
    pub fn open_keyring(&self, entry: &Entry, key: &[u8; 32]) -> Result<Dek, VaultFault> {
        let named = |slot: &&Slot| matches!(&slot.lock, Lock::Keyring(of) if of == entry);
        let slot = self.slots.iter().find(named).ok_or(VaultFault::NoSuchSlot)?;
        self.checked(slot.open(&self.id, key).ok_or(VaultFault::NotInKeyring)?)
    }

    fn push<R: CryptoRng>(
        &mut self,
        rng: &mut R,
        dek: &Dek,
        lock: impl FnOnce(&mut R) -> (Lock, Zeroizing<[u8; 32]>),
    ) -> Result<(), VaultFault> {
        if !bool::from(dek.check(&self.id).ct_eq(&self.check)) {
            return Err(VaultFault::OtherVault);
        }
        if self.slots.len() >= MAX_SLOTS {
            return Err(VaultFault::Full);
        }
        let (lock, key) = lock(rng);
        self.slots.push(Slot::seal(rng, &self.id, lock, &key, dek));
        Ok(())
    }

    fn checked(&self, dek: Dek) -> Result<Dek, VaultFault> {
        let ours = bool::from(dek.check(&self.id).ct_eq(&self.check));
        if ours { Ok(dek) } else { Err(VaultFault::Damaged) }
    }
}

impl Slot {
    fn seal(rng: &mut impl CryptoRng, id: &[u8; 16], lock: Lock, key: &[u8; 32], dek: &Dek) -> Self {
        let nonce: [u8; NONCE_LEN] = random(rng);
        let sealing = Payload { msg: dek.expose(), aad: &lock.aad(id) };
        let wrapped = cipher(key).encrypt(&nonce.into(), sealing).ok().and_then(|ct| ct.try_into().ok());
        Self { lock, nonce, wrapped: wrapped.expect("32 bytes and a tag of 16") }
    }

    fn open(&self, id: &[u8; 16], key: &[u8; 32]) -> Option<Dek> {
        let sealed = Payload { msg: &self.wrapped, aad: &self.lock.aad(id) };
        let plain = cipher(key).decrypt(&self.nonce.into(), sealed).ok().map(Zeroizing::new)?;
        plain.as_slice().try_into().ok().map(Dek::from_bytes)
    }
}

impl Lock {
    fn file(rng: &mut impl CryptoRng) -> (Self, Zeroizing<[u8; 32]>) {
        let key = Zeroizing::new(random(rng));
        (Self::File(key.clone()), key)
    }

    fn kind(&self) -> Protection {
        match self {
            Self::File(_) => Protection::None,
            Self::Passphrase { .. } => Protection::Passphrase,
            Self::Keyring(_) => Protection::Keyring,
        }
    }

    fn aad(&self, id: &[u8; 16]) -> Zeroizing<Vec<u8>> {
        let mut head = Writer::new();
        head.put(self);
        Zeroizing::new(label::message(label::VAULT, &[id, &head.into_bytes()]))
    }
}

impl Wire for Lock {
    const WHAT: &'static str = "vault";
    const CAP: usize = 1 + 32;

    fn write(&self, to: &mut Writer) {
        match self {
            Self::File(key) => to.u8(1).raw(key.as_slice()),
            Self::Passphrase { salt, cost } => to.u8(2).raw(salt).u32(cost.memory_kib).u32(cost.passes).u32(cost.lanes),
            Self::Keyring(entry) => to.u8(3).raw(&entry.0),
        };
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match from.u8()? {
            1 => from.array().map(|key| Self::File(Zeroizing::new(key))),
            2 => {
                let salt = from.array()?;
                let cost = Cost { memory_kib: from.u32()?, passes: from.u32()?, lanes: from.u32()? };
                from.require(cost.is_bearable())?;
                Ok(Self::Passphrase { salt, cost })
            }
            3 => from.array().map(|entry| Self::Keyring(Entry(entry))),
            _ => Err(from.bad()),
        }
    }
}

impl Wire for Slot {
    const WHAT: &'static str = "vault";
    const CAP: usize = Lock::CAP + NONCE_LEN + WRAPPED_LEN;

    fn write(&self, to: &mut Writer) {
        to.put(&self.lock).raw(&self.nonce).raw(&self.wrapped);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { lock: from.get()?, nonce: from.array()?, wrapped: from.array()? })
    }
}

impl Wire for VaultFile {
    const WHAT: &'static str = "vault";
    const CAP: usize = MAGIC.len() + 16 + 16 + 1 + MAX_SLOTS * Slot::CAP;

    fn write(&self, to: &mut Writer) {
        to.raw(MAGIC).raw(&self.id).raw(&self.check);
        to.u8(u8::try_from(self.slots.len()).expect("push() refuses a ninth slot"));
        self.slots.iter().for_each(|slot| slot.write(to));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let magic: [u8; 8] = from.array()?;
        from.require(magic == *MAGIC)?;
        let (id, check) = (from.array()?, from.array()?);
        let count = usize::from(from.u8()?);
        from.cap(count, MAX_SLOTS)?;
        from.require(count > 0)?;
        Ok(Self { id, check, slots: (0..count).map(|_| from.get()).collect::<Result<_, _>>()? })
    }
}

impl std::fmt::Debug for VaultFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VaultFile({} slots, {:?})", self.slots.len(), self.protection())
    }
}

fn cipher(key: &[u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.into())
}

fn stretch(passphrase: &str, salt: &[u8; 16], cost: Cost) -> Result<Zeroizing<[u8; 32]>, VaultFault> {
    if !cost.is_bearable() {
        return Err(VaultFault::TooCostly);
    }
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).ok().ok_or(VaultFault::TooCostly)?;
    let mut key = Zeroizing::new([0; 32]);
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let made = argon.hash_password_into(passphrase.as_bytes(), salt, key.as_mut_slice());
    made.ok().ok_or(VaultFault::TooCostly)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    /// Cheap: the tests are about slots, not about work.
    const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(11)
    }

    #[test]
    fn a_file_slot_opens_and_is_called_unprotected() {
        let (vault, dek) = VaultFile::with_file_slot(&mut rng());
        let read = VaultFile::from_bytes(&vault.to_bytes()).unwrap();
        assert_eq!(read.open_file().unwrap().expose(), dek.expose());
        assert_eq!(read.protection(), Protection::None);
        assert_eq!(read.open_passphrase("").unwrap_err(), VaultFault::NoSuchSlot);
    }

    #[test]
    fn a_passphrase_opens_and_another_does_not() {
        let (vault, dek) = VaultFile::with_passphrase(&mut rng(), "correct horse", Cost::STANDARD).unwrap();
        assert_eq!(vault.open_passphrase("correct horse").unwrap().expose(), dek.expose());
        assert_eq!(vault.open_passphrase("correct h0rse").unwrap_err(), VaultFault::WrongPassphrase);
        assert_eq!(vault.open_file().unwrap_err(), VaultFault::NoSuchSlot);
        assert_eq!(vault.protection(), Protection::Passphrase);
    }

    #[test]
    fn a_vault_moves_from_file_to_passphrase_and_keeps_its_key() {
        let mut rng = rng();
        let (mut vault, dek) = VaultFile::with_file_slot(&mut rng);
        assert_eq!(vault.remove(Protection::None), Err(VaultFault::LastSlot));
        vault.add_passphrase(&mut rng, &dek, "one", CHEAP).unwrap();
        assert_eq!(vault.protection(), Protection::None);
        vault.remove(Protection::None).unwrap();
        assert_eq!(vault.open_passphrase("one").unwrap().expose(), dek.expose());
        assert_eq!(vault.protection(), Protection::Passphrase);
        assert_eq!(vault.remove(Protection::None), Err(VaultFault::NoSuchSlot));
    }

    #[test]
    fn a_rewrapped_vault_opens_by_its_new_slot_alone() {
        let mut rng = rng();
        let (file, dek) = VaultFile::with_file_slot(&mut rng);
        let (ring, entry, key) = file.rewrapped_by_keyring(&mut rng, &dek).unwrap();
        let ring = VaultFile::from_bytes(&ring.to_bytes()).unwrap();
        assert_eq!((ring.protection(), ring.entries()), (Protection::Keyring, vec![entry]));
        assert_eq!(ring.open_keyring(&entry, &key).unwrap().expose(), dek.expose());
        assert_eq!(ring.open_keyring(&entry, &[0; 32]).unwrap_err(), VaultFault::NotInKeyring);
        assert_eq!(ring.open_keyring(&Entry([0; 16]), &key).unwrap_err(), VaultFault::NoSuchSlot);
        assert_eq!(ring.open_file().unwrap_err(), VaultFault::NoSuchSlot);

        let words = ring.rewrapped_by_passphrase(&mut rng, &dek, "one", CHEAP).unwrap();
        assert_eq!((words.protection(), words.entries()), (Protection::Passphrase, Vec::new()));
        assert_eq!(words.open_passphrase("one").unwrap().expose(), dek.expose());
        let again = words.rewrapped_by_passphrase(&mut rng, &dek, "two", CHEAP).unwrap();
        assert_eq!(again.open_passphrase("one").unwrap_err(), VaultFault::WrongPassphrase);
        let file = again.rewrapped_in_file(&mut rng, &dek).unwrap();
        assert_eq!(file.open_file().unwrap().expose(), dek.expose());
        assert_eq!(file.protection(), Protection::None);

        let (_, other) = VaultFile::with_file_slot(&mut rng);
        assert_eq!(file.rewrapped_in_file(&mut rng, &other).unwrap_err(), VaultFault::OtherVault);
    }

    #[test]
    fn a_foreign_key_gets_no_slot() {
        let mut rng = rng();
        let (mut vault, dek) = VaultFile::with_file_slot(&mut rng);
        let (_, other) = VaultFile::with_file_slot(&mut rng);
        assert_eq!(vault.add_file_slot(&mut rng, &other), Err(VaultFault::OtherVault));
        for _ in 1..MAX_SLOTS {
            vault.add_file_slot(&mut rng, &dek).unwrap();
        }
        assert_eq!(vault.add_file_slot(&mut rng, &dek), Err(VaultFault::Full));
        assert!(VaultFile::from_bytes(&vault.to_bytes()).is_ok());
    }

    #[test]
    fn every_flipped_byte_of_the_file_is_noticed() {
        let (vault, _) = VaultFile::with_file_slot(&mut rng());
        let bytes = vault.to_bytes();
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            let opened = VaultFile::from_bytes(&bad).ok().and_then(|vault| vault.open_file().ok());
            assert!(opened.is_none(), "byte {at}");
        }
    }

    #[test]
    fn unbearable_costs_are_refused_before_they_are_paid() {
        let (vault, _) = VaultFile::with_passphrase(&mut rng(), "x", CHEAP).unwrap();
        let mut bytes = vault.to_bytes();
        let memory = MAGIC.len() + 32 + 1 + 1 + 16;
        bytes[memory..memory + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(VaultFile::from_bytes(&bytes).is_err());
        let none = Cost { lanes: 0, ..CHEAP };
        assert_eq!(VaultFile::with_passphrase(&mut rng(), "x", none).unwrap_err(), VaultFault::TooCostly);
    }

    #[test]
    fn a_row_opens_in_its_place_only() {
        let (_, dek) = VaultFile::with_file_slot(&mut rng());
        let key = dek.subkey("test/rows");
        let sealed = key.seal(&mut rng(), b"drafts/1", b"text");
        assert_eq!(sealed.len(), 4 + SEAL_OVERHEAD);
        assert_eq!(key.open(b"drafts/1", &sealed).unwrap().as_slice(), b"text");
        assert_eq!(key.open(b"drafts/2", &sealed), Err(Unsealable));
        assert_eq!(dek.subkey("test/other").open(b"drafts/1", &sealed), Err(Unsealable));
        assert_eq!(key.open(b"drafts/1", &sealed[..NONCE_LEN - 1]), Err(Unsealable));
    }

    #[test]
    fn secrets_do_not_print() {
        let (vault, dek) = VaultFile::with_file_slot(&mut rng());
        assert_eq!(format!("{dek:?} {:?}", dek.subkey("test")), "Dek(…) SubKey(…)");
        assert_eq!(format!("{vault:?}"), "VaultFile(1 slots, None)");
    }
}
