//! What somebody may say who holds valid keys and knows how sessions name logs.
//!
//! ```text
//! events      any number, clock, dependencies, class, epoch, author, body · rekeys with real boxes, and bodies of
//!             any bytes sealed under their keys · slipped to the victim, or taken in by the liar's own node,
//!             which then spreads them itself
//! words       frames of every kind that names a log · clocks and acknowledgements that claim anything
//! proofs      two events with one number
//! notes       requests sealed to the victim, sound or with any field wrong
//! ```

use y7ke_crypto::ack::Ack;
use y7ke_crypto::clock::{Clock, Tip, Want};
use y7ke_crypto::codec::{Wire, Writer};
use y7ke_crypto::epoch::{ChainKey, KeyBox, make_rekey};
use y7ke_crypto::event::{Class, Dep, Header, Payload, seal};
use y7ke_crypto::ids::{DeviceId, EpochId, EventId, LogId, RequestId, RootId};
use y7ke_crypto::request::{Draft, Opening};
use y7ke_crypto::sign::{DeviceKey, Signed};
use y7ke_crypto::text::{Greeting, Name};
use y7ke_ledger::Event;
use y7ke_ledger::admit::LogSpec;
use y7ke_ledger::body::Body;
use y7ke_ledger::fork::ForkProof;
use y7ke_sync::fuzz::items_frame;
use y7ke_sync::{Note, Parcel};
use y7ke_transport::Lane;

use super::Script;
use super::world::{FRIEND, LIAR, VICTIM, World};

/// What the liar keeps of its own rekeys: its chain in each.
#[derive(Default)]
pub(super) struct Kept {
    epochs: Vec<(LogId, EpochId, ChainKey)>,
    asked: Vec<Opening>,
}

/// Kinds of frames (`docs/WIRE.md`, "Session").
const FORK: u8 = 2;
const CLOCK: u8 = 2;
const ACK: u8 = 3;

type Made = (Signed<Event>, Vec<KeyBox>);

pub(super) fn lie(world: &mut World, script: &mut Script<'_>) {
    match script.byte() % 8 {
        0..=2 => events(world, script),
        3 => tagged(world, script),
        4 => clock(world, script),
        5 => acknowledge(world, script),
        6 => prove_fork(world, script),
        _ => request(world, script),
    }
}

fn key(world: &World) -> DeviceKey {
    DeviceKey::from_seed(&world.machines[LIAR].engine().core.me.device.seed())
}

/// The logs that may be spoken of: the liar's own, what it shares, and what is none of its business.
fn log(world: &World, script: &mut Script<'_>) -> LogId {
    let (mine, theirs) = (&world.machines[LIAR], &world.machines[VICTIM]);
    let me = &mine.engine().core.me;
    let of_victim = &theirs.engine().core.me;
    let shared = || shared_log(world).unwrap_or(me.account);
    match script.byte() % 8 {
        0 => me.identity,
        1 => of_victim.identity,
        2 => of_victim.account,
        3 => LogId::from([7; 32]),
        4 => world.liar.asked.last().map_or_else(shared, |opening| opening.core.claim.log()),
        _ => shared(),
    }
}

/// The newest conversation that the liar knows.
fn shared_log(world: &World) -> Option<LogId> {
    let logs = world.machines[LIAR].view().logs().expect("memory does not fail");
    logs.iter().filter(|info| info.spec.is_conversation()).max_by_key(|info| info.stored).map(|info| info.log)
}

fn device(world: &World, script: &mut Script<'_>) -> DeviceId {
    match script.byte() % 4 {
        0 => world.machines[VICTIM].engine().core.me.device.id(),
        1 => DeviceId::from([script.byte() % 8 + 2; 32]),
        _ => key(world).id(),
    }
}

fn root(world: &World, n: usize) -> RootId {
    world.y7_id(n).parse().expect("an identity")
}

/// One to three events in one frame.
fn events(world: &mut World, script: &mut Script<'_>) {
    let log = log(world, script);
    let made: Vec<Made> = (0..1 + script.below(3)).filter_map(|_| event(world, script, &log)).collect();
    let Some(tag) = world.tag(&log) else { return };
    let parcel = |(event, boxes): &Made| Parcel {
        bytes: Event::to_wire(event).to_bytes(),
        boxes: boxes.iter().map(|sealed| (sealed.device, sealed.sealed.as_slice().to_vec())).collect(),
    };
    if !made.is_empty() {
        world.slip(Lane::Msg, items_frame(tag, made.iter().map(parcel).collect()));
    }
}

/// The next event of the liar in a log, wrong in what the script says.
fn event(world: &mut World, script: &mut Script<'_>, log: &LogId) -> Option<Made> {
    let wrong = script.byte();
    let mut header = next_header(world, script, log, wrong);
    let (body, boxes, chain) = body(world, script, &mut header)?;
    if wrong & 8 != 0 {
        header.device = device(world, script);
    }
    if !header.is_valid() {
        return None;
    }
    let event = Event::new(header, body);
    let mut signed = sign(&key(world), event);
    if let Some((epoch, chain)) = chain {
        let epoch = epoch.unwrap_or_else(|| EpochId::of(&signed.claim.id()));
        world.liar.epochs.push((*log, epoch, chain(&epoch)));
    }
    if wrong & 16 != 0 {
        signed.sig[usize::from(script.byte()) % 64] ^= 1;
    }
    if wrong & 32 == 0 {
        let (event, kept) = (signed.clone(), boxes.clone());
        let sender = key(world).id();
        // Whether its own node takes it is no claim of this test.
        drop(world.forge(|round| round.book.admit(event, kept, sender)));
    }
    Some((signed, boxes))
}

/// Signs as the liar's device, whoever the event says wrote it.
fn sign(key: &DeviceKey, event: Event) -> Signed<Event> {
    match key.sign(event.clone()) {
        Ok(verified) => verified.into_signed(),
        Err(_) => Signed { claim: event, sig: [1; 64] },
    }
}

fn next_header(world: &World, script: &mut Script<'_>, log: &LogId, wrong: u8) -> Header {
    let view = world.machines[LIAR].view();
    let me = key(world).id();
    let heads = view.heads(log).expect("memory does not fail");
    let mut ends: Vec<_> = heads.iter().filter_map(|id| view.event(id).expect("memory does not fail")).collect();
    let tip = view.clock(log).expect("memory does not fail").tips(&me).last().copied();
    let tip = tip.and_then(|tip| view.event(&tip.id).expect("memory does not fail"));
    ends.retain(|end| end.header.device != me);
    ends.extend(tip.clone());
    let newest = ends.iter().map(|end| end.header.hlc).max().unwrap_or(0);
    let mut deps: Vec<Dep> =
        ends.iter().map(|end| end.names()).map(|at| Dep { device: at.device, seq: at.seq, id: at.id }).collect();
    deps.sort_unstable_by_key(|dep| dep.device);
    let mut seq = tip.as_ref().map_or(1, |tip| tip.header.seq + 1);
    if wrong & 1 != 0 {
        seq = match (script.byte() % 4, &tip) {
            (0, Some(tip)) => tip.header.seq,
            (1, _) => seq + 1,
            (2, _) => u64::MAX,
            _ => 1,
        };
    }
    if wrong & 2 != 0 {
        change_deps(&mut deps, script);
    }
    let hlc = if wrong & 4 == 0 { newest + 1 } else { wrong_clock(newest, script) };
    Header::open(*log, me, seq, hlc, deps)
}

fn change_deps(deps: &mut Vec<Dep>, script: &mut Script<'_>) {
    let at = script.below(deps.len());
    match (script.byte() % 4, deps.get_mut(at)) {
        (0, _) => deps.clear(),
        (1, Some(dep)) => dep.seq = u64::from(script.byte()) + 1,
        (2, Some(dep)) => dep.id = EventId::from([script.byte(); 32]),
        (_, Some(_)) => drop(deps.remove(at)),
        _ => {}
    }
}

fn wrong_clock(newest: u64, script: &mut Script<'_>) -> u64 {
    let leap = newest.saturating_add(1 << 37);
    [0, 1, newest, leap, leap.saturating_add(1), u64::MAX - 1, u64::MAX][script.below(7)]
}

/// What an event says, its boxes, and the chain that it begins or goes on with.
type Said = (Payload, Vec<KeyBox>, Option<Grown>);

/// The epoch of a chain, if it is not the event itself, and the chain once that is known.
type Grown = (Option<EpochId>, Box<dyn FnOnce(&EpochId) -> ChainKey>);

fn body(world: &mut World, script: &mut Script<'_>, header: &mut Header) -> Option<Said> {
    let open = |body: Vec<u8>| Some((Payload::Full(body), Vec::new(), None));
    match script.byte() % 8 {
        0 => open(script.bytes().to_vec()),
        1 => open(Body::Join { chain: world.machines[LIAR].engine().core.me.chain.clone() }.to_bytes()),
        2 => rekey(world, script, header),
        3 | 4 => sealed(world, script, header),
        5 => open(Body::Opening(Box::new(opening(world, script)?)).to_bytes()),
        6 => noise(world, script, header),
        _ => open(known(world, script).to_bytes()),
    }
}

/// A body that is understood, with ids that mean something.
fn known(world: &World, script: &mut Script<'_>) -> Body {
    let device = device(world, script);
    match script.byte() % 5 {
        0 => Body::Revoke { device },
        1 => Body::Cut { device },
        2 => Body::ForkNotice { device, seq: u64::from(script.byte()) },
        3 => Body::Profile { name: Name::new(script.text()).unwrap_or_default() },
        _ => Body::Unknown(script.byte()),
    }
}

/// A rekey for liar and victim with real boxes, one of which may be spoilt.
fn rekey(world: &mut World, script: &mut Script<'_>, header: &Header) -> Option<Said> {
    let roots = [root(world, LIAR), root(world, VICTIM)];
    let members = world.forge(|round| roots.map(|root| round.prekeys_of(&root).unwrap_or_default())).concat();
    let members: Vec<_> = members.iter().collect();
    let generation = generation(world, header) + u64::from(script.byte() % 4 == 1);
    let made = make_rekey(&mut world.rng, &header.log, generation.max(1), &header.device, &members).ok()?;
    let (mut rekey, mut boxes, secret) = (made.rekey, made.boxes, made.secret);
    match script.byte() % 8 {
        1 => rekey.commitment[0] ^= 1,
        2 => boxes.clear(),
        3 => boxes.iter_mut().for_each(|sealed| sealed.sealed[9] ^= 1),
        4 => rekey.members.iter_mut().for_each(|member| member.box_hash[0] ^= 1),
        5 => rekey.members.truncate(1),
        _ => {}
    }
    let (log, me) = (header.log, header.device);
    let chain = Box::new(move |epoch: &EpochId| secret.into_chains(&log, epoch, [me]).remove(&me).expect("its own"));
    Some((Payload::Full(Body::Rekey(rekey).to_bytes()), boxes, Some((None, chain))))
}

fn generation(world: &World, header: &Header) -> u64 {
    let view = world.machines[LIAR].view();
    let of = |dep: &Dep| view.event(&dep.id).expect("memory does not fail").map_or(0, |event| event.generation);
    header.deps.iter().map(of).max().unwrap_or(0) + 1
}

/// Any bytes under the next key of a chain that the victim holds too.
fn sealed(world: &mut World, script: &mut Script<'_>, header: &mut Header) -> Option<Said> {
    let at = world.liar.epochs.iter().rposition(|(log, ..)| *log == header.log)?;
    let (_, epoch, chain) = world.liar.epochs.swap_remove(at);
    header.class = Class::Sealed;
    header.epoch = epoch;
    header.chain = chain.index();
    header.nonce = [script.byte(); 24];
    let (key, next) = chain.step();
    let ct = seal(&key, header, script.bytes()).ok()?;
    let next: Option<Grown> = next.map(|next| -> Grown { (Some(epoch), Box::new(move |_| next)) });
    Some((Payload::Full(ct), Vec::new(), next))
}

/// A ciphertext that opens for nobody, or none.
fn noise(world: &World, script: &mut Script<'_>, header: &mut Header) -> Option<Said> {
    let known = world.liar.epochs.iter().rfind(|(log, ..)| *log == header.log);
    header.class = Class::Sealed;
    header.epoch = known.map_or(EpochId::from([1; 16]), |(_, epoch, _)| *epoch);
    header.chain = u32::from(script.byte() % 4);
    header.suite = 1 + script.byte() % 2;
    let payload = match script.byte() % 2 {
        0 => Payload::Full(vec![script.byte(); 256 + 16]),
        _ => Payload::Hollow(y7ke_crypto::ids::BodyHash::of(&[script.byte()])),
    };
    Some((payload, Vec::new(), None))
}

/// The opening of a conversation that somebody asked for: the liar's own request, or one that it made up.
fn opening(world: &World, script: &mut Script<'_>) -> Option<Opening> {
    let mut opening = world.liar.asked.last()?.clone();
    let theirs = world.machines[VICTIM].engine().core.me.chain.clone();
    match script.byte() % 4 {
        0 => opening.opener = theirs,
        1 => std::mem::swap(&mut opening.opener, &mut opening.requester),
        2 => opening.core.sig[0] ^= 1,
        _ => {}
    }
    Some(opening)
}

/// A frame that names a log as the session does, and goes on with any bytes.
fn tagged(world: &mut World, script: &mut Script<'_>) {
    let lane = if script.byte().is_multiple_of(2) { Lane::Sync } else { Lane::Msg };
    let log = log(world, script);
    let Some(tag) = world.tag(&log) else { return };
    let mut frame = Writer::new();
    frame.u8(script.byte());
    if script.byte().is_multiple_of(2) {
        frame.count(script.below(4));
    }
    frame.put(&tag).raw(script.bytes());
    world.slip(lane, frame.into_bytes());
}

/// A clock that claims anything of devices that exist.
fn claims(world: &World, script: &mut Script<'_>, log: &LogId) -> Clock {
    let held = world.machines[LIAR].view().clock(log).expect("memory does not fail");
    let mut clock = if script.byte().is_multiple_of(2) { held } else { Clock::new() };
    for _ in 0..script.below(4) {
        let device = device(world, script);
        let seq = if script.byte().is_multiple_of(4) { u64::MAX } else { u64::from(script.byte()) + 1 };
        let tip = Tip { seq, id: EventId::from([script.byte(); 32]) };
        match script.byte() % 3 {
            0 => clock.remove(&device),
            1 => clock.set(device, tip),
            _ => clock.set_tips(device, vec![tip, Tip { seq, id: EventId::from([script.byte(); 32]) }]),
        }
    }
    clock
}

fn clock(world: &mut World, script: &mut Script<'_>) {
    let log = log(world, script);
    let (claimed, ask) = (claims(world, script, &log), script.byte() % 2);
    let Some(tag) = world.tag(&log) else { return };
    let mut frame = Writer::new();
    frame.u8(CLOCK).put(&tag).u8(ask).u64(u64::from(script.byte()));
    let frozen: Vec<DeviceId> = (0..script.below(2)).map(|_| device(world, script)).collect();
    frame.list(&frozen).put(&claimed);
    world.slip(Lane::Sync, frame.into_bytes());
}

fn acknowledge(world: &mut World, script: &mut Script<'_>) {
    let log = log(world, script);
    let (clock, me) = (claims(world, script, &log), key(world));
    let range = |script: &mut Script<'_>| {
        let from = u64::from(script.byte()) + 1;
        Want { device: device(world, script), from, to: from + u64::from(script.byte()) }
    };
    let unopened: Vec<Want> = (0..script.below(2)).map(|_| range(script)).collect();
    let number = if script.byte().is_multiple_of(8) { u64::MAX } else { u64::from(script.byte()) + 1 };
    let Ok(ack) = me.sign(Ack { log, device: me.id(), number, clock, unopened }) else { return };
    let Some(tag) = world.tag(&log) else { return };
    let mut frame = Writer::new();
    frame.u8(ACK).put(&tag).var(&ack.as_signed().to_bytes());
    world.slip(Lane::Sync, frame.into_bytes());
}

/// Two events of the liar with one number.
fn prove_fork(world: &mut World, script: &mut Script<'_>) {
    let log = log(world, script);
    let wrong = script.byte() & 3;
    let header = next_header(world, script, &log, wrong);
    if !header.is_valid() {
        return;
    }
    let me = key(world);
    let two = [b"\xfeone".as_slice(), b"\xfetwo"]
        .map(|body| me.sign(Event::new(header.clone(), Payload::Full(body.to_vec()))));
    let [Ok(one), Ok(two)] = two else { return };
    let (Some(proof), Some(tag)) = (ForkProof::of(&one, &two), world.tag(&log)) else { return };
    let mut frame = Writer::new();
    frame.u8(FORK).put(&tag).put(&device(world, script)).var(&proof.to_bytes());
    world.slip(Lane::Msg, frame.into_bytes());
}

/// A request of the liar to the victim, sealed to its devices.
fn request(world: &mut World, script: &mut Script<'_>) {
    let wrong = script.byte();
    let Ok(theirs) = victims_bundle(world) else { return };
    let Ok(to) = theirs.verify() else { return };
    let mine = world.forge(|round| round.my_bundle());
    let Ok(from_bundle) = mine else { return };
    let now_ms = world.now().wall_ms;
    let created = now_ms.wrapping_add_signed(i64::from(script.word() as i16) * 60_000);
    let life_ms = if wrong & 1 == 0 { 3_600_000 } else { u64::from(script.word()) * 60_000 };
    let draft = Draft {
        req_id: RequestId::from([script.byte(); 32]),
        created: if wrong & 2 == 0 { now_ms } else { created },
        expires: now_ms.saturating_add(life_ms),
        to_root: if wrong & 4 == 0 { to.root } else { root(world, FRIEND) },
        to_bundle: to.hash,
        from_bundle,
        name: Name::new(script.text()).unwrap_or_default(),
        greeting: Greeting::new(script.text()).unwrap_or_default(),
    };
    let Ok(mut request) = draft.sign(&key(world)) else { return };
    if wrong & 8 != 0 {
        request.core.sig[3] ^= 1;
    }
    if wrong & 16 != 0 {
        request.core.claim.from_root = to.root;
    }
    let chain = world.machines[LIAR].engine().core.me.chain.clone();
    world.liar.asked.push(Opening { core: request.core.clone(), requester: chain.clone(), opener: chain });
    let mut resealed = to.clone();
    resealed.root = request.core.claim.to_root;
    let Ok(sealed) = request.seal(&mut world.rng, &resealed) else { return };
    let spec =
        LogSpec::conversation(request.core.claim.from_root, request.core.claim.to_root, request.core.claim.req_id);
    if wrong & 32 != 0 {
        // The liar's node waits for this very log.
        drop(world.forge(|round| round.know_log(&spec)));
    }
    world.slip(Lane::Handshake, Note::Request(sealed.to_bytes()).to_bytes());
}

fn victims_bundle(world: &mut World) -> Result<y7ke_crypto::bundle::Bundle, ()> {
    let now = world.now();
    let engine = world.machines[VICTIM].engine_mut();
    let mut bundle = None;
    let read = engine.in_one_transaction(now, |round| {
        bundle = round.my_bundle().ok();
        Ok(())
    });
    read.ok().and(bundle).ok_or(())
}
