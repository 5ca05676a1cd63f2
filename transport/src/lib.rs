//! y7ke-transport
