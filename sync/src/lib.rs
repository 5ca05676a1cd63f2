//! y7ke-sync
