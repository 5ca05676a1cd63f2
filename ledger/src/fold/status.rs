//! How far a message came: a pure function of what others said (S3).
