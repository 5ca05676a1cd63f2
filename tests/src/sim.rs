//! The simulator: real node cores on disks, a network and clocks that misbehave by one seed.
//!
//! ```text
//!             one u64 seed ──▶ Dice ──▶ every decision below
//!
//!  people ──Command──▶ ┌ machine ──────────────┐ ──net::Command──▶ ┌ Net ─────────────────────┐
//!         ◀──Answer─── │ node core · ledger    │ ◀──net::Event──── │ delay, cut, partition,   │
//!                      │ redb                  │                   │ refuse, replace, silence │
//!                      └───┬───────────────────┘                   └──────────────────────────┘
//!                          ▼ StorageBackend
//!                       SimDisk  loses, tears, reorders what was not synced · EIO · ENOSPC · power cuts
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`dice`] | all randomness, from one seed, in named streams |
//! | [`disk`] | a disk in memory that crashes like one |
//! | [`net`] | a network that speaks the transport's surface |
//! | [`brain`] | what runs on a machine: the core, or something that plays one |
//! | [`world`] | machines, clocks, rounds, crashes: one queue |
//! | [`people`] | who uses them, and what they were answered |
//! | [`liar`] | devices with valid keys and no manners |
//! | [`smuggler`] | events that no honest store holds, slipped into real sessions |
//! | [`replica`] | ledgers that talk through real sessions, without a node |
//! | [`check`] | what may never be, and what must be in the end |
//! | [`storm`] | what befalls a world, planned by its seed |
//! | [`run`] | a scenario over many seeds |
//! | [`trace`] | the hash over everything that happened: same seed, same trace |
//!
//! One thread, virtual time, ordered maps. A failing seed prints itself and how to run it again.

pub mod brain;
pub mod check;
pub mod dice;
pub mod disk;
pub mod liar;
pub mod net;
pub mod people;
pub mod replica;
pub mod run;
pub mod smuggler;
pub mod storm;
pub mod trace;
pub mod world;
