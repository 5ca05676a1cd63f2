//! Keys that wipe themselves and never print.

/// Declares a secret of `N` bytes: wiped when dropped, `Debug` shows "…", compared by nobody.
macro_rules! secret {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Takes the secret over, for example out of the vault.
            pub fn from_bytes(bytes: &[u8; $len]) -> Self {
                Self(*bytes)
            }

            /// Shows the secret, to be sealed at once.
            pub fn expose(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

pub(crate) use secret;

/// `N` fresh random bytes.
pub(crate) fn random<const N: usize>(rng: &mut impl rand_core::CryptoRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}
