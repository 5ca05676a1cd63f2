//! Bad days: what befalls a world, planned by its seed.
//!
//! ```text
//! |── calm: everybody becomes acquainted ──|── storm: people act, things break ──|── judge ──|
//! ```

use super::dice::Dice;
use super::disk::{Errno, Fault, Op};
use super::net::{MILLI, Micros, SECOND, Weather};
use super::people::Deed;
use super::world::{Act, MachineId, World};

/// What may break in a storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaks {
    /// Sessions are cut, hosts parted, deafened, healed; the weather changes.
    pub network: bool,
    /// Machines lose their power, are killed and switched on.
    pub machines: bool,
    /// Disks fail, once or for a while, and are full.
    pub disks: bool,
    /// Wall clocks jump.
    pub clocks: bool,
}

impl Breaks {
    /// Nothing breaks.
    pub const NOTHING: Self = Self { network: false, machines: false, disks: false, clocks: false };
    /// Everything but the disks.
    pub const USUAL: Self = Self { network: true, machines: true, disks: false, clocks: true };
    /// Everything.
    pub const ALL: Self = Self { disks: true, ..Self::USUAL };
}

/// How busy a storm is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storm {
    /// How long it lasts.
    pub span: Micros,
    /// Things that people do.
    pub deeds: u64,
    /// Things that break.
    pub blows: u64,
    /// What may break.
    pub breaks: Breaks,
}

/// What people do once they know each other: mostly talk.
pub fn chat(dice: &mut Dice, there: MachineId) -> Deed {
    match dice.below(20) {
        0..12 => Deed::Say(there),
        12..15 => Deed::Read(there),
        15 => Deed::Rename(there),
        16 => Deed::Draft(there),
        17 => Deed::Profile,
        _ => Deed::List,
    }
}

/// What people do who do not know yet what they want of each other.
pub fn courtship(dice: &mut Dice, there: MachineId) -> Deed {
    match dice.below(20) {
        0..5 => Deed::Request(there),
        5..8 => Deed::AcceptAll,
        8 => Deed::RejectOne,
        9 => Deed::CancelOne,
        10 => Deed::Block(there),
        11..13 => Deed::Unblock(there),
        13..17 => Deed::Say(there),
        17 => Deed::Read(there),
        _ => Deed::List,
    }
}

/// Plans a storm over these machines, from now on.
pub fn plan(world: &mut World, who: &[MachineId], storm: Storm, deed: fn(&mut Dice, MachineId) -> Deed) {
    let mut dice = Dice::new(world.seed, "storm");
    if storm.breaks.clocks {
        who.iter().for_each(|id| world.act(clock(&mut dice, *id)));
    }
    for _ in 0..storm.deeds {
        if let Some((a, b)) = two(&mut dice, who) {
            let at = dice.below(storm.span);
            let deed = deed(&mut dice, b);
            // People say several things at once: they become one round.
            let bursts = if dice.permille(100) { dice.within(2..12) } else { 1 };
            (0..bursts).for_each(|nth| world.plan(at + nth, Act::Person(a, deed)));
        }
    }
    for _ in 0..storm.blows {
        blow(world, &mut dice, who, storm);
    }
}

/// Plans one thing that breaks, and that it works again a while later.
fn blow(world: &mut World, dice: &mut Dice, who: &[MachineId], storm: Storm) {
    let Breaks { network, machines, disks, clocks } = storm.breaks;
    let kinds: Vec<fn(&mut World, &mut Dice, Blow)> = [
        (network, hit_network as fn(&mut World, &mut Dice, Blow)),
        (network, hit_network),
        (machines, hit_machine),
        (machines, hit_machine),
        (disks, hit_disk),
        (disks, hit_disk),
        (clocks, hit_clock),
    ]
    .into_iter()
    .filter_map(|(may, kind)| may.then_some(kind))
    .collect();
    let (at, lasts) = (dice.below(storm.span), dice.within(50 * MILLI..20 * SECOND));
    if let (Some((a, b)), Some(kind)) = (two(dice, who), dice.pick(&kinds)) {
        kind(world, dice, Blow { at, lasts, a, b });
    }
}

/// When, for how long, and whom.
#[derive(Clone, Copy)]
struct Blow {
    at: Micros,
    lasts: Micros,
    a: MachineId,
    b: MachineId,
}

fn hit_network(world: &mut World, dice: &mut Dice, Blow { at, lasts, a, b }: Blow) {
    match dice.below(5) {
        0..2 => world.plan(at, Act::Cut(a, b)),
        2 => world.plan(at, Act::Weather(Box::new(Weather::foul(dice)))),
        _ => {
            world.plan(at, if dice.coin() { Act::Part(a, b) } else { Act::Deafen(a, b) });
            world.plan(at + lasts, Act::Heal);
        }
    }
}

fn hit_machine(world: &mut World, dice: &mut Dice, Blow { at, lasts, a, .. }: Blow) {
    if dice.coin() {
        // Somewhere within the next commits.
        return world.plan(at, Act::PowerCut(a, dice.below(120)));
    }
    world.plan(at, if dice.coin() { Act::Crash(a) } else { Act::Kill(a) });
    world.plan(at + lasts, Act::Boot(a));
}

fn hit_disk(world: &mut World, dice: &mut Dice, Blow { at, lasts, a, .. }: Blow) {
    world.plan(at, Act::Disk(a, fault(dice)));
    world.plan(at + lasts, Act::DiskHeals(a));
}

fn hit_clock(world: &mut World, dice: &mut Dice, Blow { at, a, .. }: Blow) {
    world.plan(at, clock(dice, a));
}

/// Any failure of any operation.
pub fn fault(dice: &mut Dice) -> Fault {
    let op = match dice.below(10) {
        0 => Some(Op::Read),
        1 => Some(Op::SetLen),
        2..5 => Some(Op::Write),
        5..8 => Some(Op::Sync),
        _ => None,
    };
    let full = dice.coin() && op != Some(Op::Read);
    let errno = if full { Errno::NoSpace } else { Errno::Io };
    Fault { op, after: dice.below(30), errno, lasting: dice.coin() }
}

/// A wall clock that is wrong by up to a month.
fn clock(dice: &mut Dice, id: MachineId) -> Act {
    const MONTH_MS: i64 = 30 * 24 * 3_600_000;
    let wrong = i64::try_from(dice.below(2 * MONTH_MS as u64)).unwrap_or(0) - MONTH_MS;
    Act::Clock(id, wrong)
}

fn two(dice: &mut Dice, who: &[MachineId]) -> Option<(MachineId, MachineId)> {
    let a = *dice.pick(who)?;
    let others: Vec<MachineId> = who.iter().copied().filter(|other| *other != a).collect();
    dice.pick(&others).map(|b| (a, *b))
}
