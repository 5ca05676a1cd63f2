//! y7ke-crypto
