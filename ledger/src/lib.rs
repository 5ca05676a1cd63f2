//! y7ke-ledger
