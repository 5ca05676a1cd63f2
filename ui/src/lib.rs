//! y7ke
