//! y7ke-tests
