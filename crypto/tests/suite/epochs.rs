//! K1–K3: rekeys, boxes and chains.

use std::collections::BTreeSet;

use y7ke_crypto::Wire;
use y7ke_crypto::boxes::PrekeySecret;
use y7ke_crypto::bundle::Prekey;
use y7ke_crypto::codec::Fault;
use y7ke_crypto::epoch::{self, BoxFault, ChainKey, MAX_CHAIN, MAX_MEMBERS, NewEpoch, Rekey, RekeyFault};
use y7ke_crypto::ids::{DeviceId, EpochId, EventId, LogId};
use y7ke_crypto::sign::{DeviceKey, Verified};

use crate::kit::{Device, Person, rng};

fn log() -> LogId {
    LogId::from([1; 32])
}

fn members(people: &[Person]) -> Vec<&Device> {
    people.iter().flat_map(|person| &person.devices).collect()
}

fn rekey(author: &Device, devices: &[&Device]) -> NewEpoch {
    let prekeys: Vec<Verified<Prekey>> = devices.iter().map(|device| device.signed_prekey()).collect();
    let prekeys: Vec<&Verified<Prekey>> = prekeys.iter().collect();
    epoch::make_rekey(&mut rng(5), &log(), 3, &author.id(), &prekeys).unwrap()
}

/// K1: every member device, siblings included, gets the same secret.
#[test]
fn k1_every_member_opens_its_box_to_the_same_secret() {
    let people = [Person::new(1, 3), Person::new(2, 2)];
    let devices = members(&people);
    let made = rekey(devices[0], &devices);
    assert_eq!(Rekey::from_bytes(&made.rekey.to_bytes()).as_ref(), Ok(&made.rekey));
    for device in devices.iter() {
        let sealed = made.boxes.iter().find(|sealed| sealed.device == device.id()).unwrap();
        let secret = epoch::open_box(&log(), &devices[0].id(), &made.rekey, &device.prekey, sealed).unwrap();
        assert_eq!(secret.expose(), made.secret.expose());
    }
}

/// K1: a box opens for its rekey, log, author and prekey only, and each refusal says whose fault it is.
#[test]
fn k1_a_box_opens_nowhere_else() {
    let people = [Person::new(1, 2), Person::new(2, 1)];
    let devices = members(&people);
    let made = rekey(devices[0], &devices[..2]);
    let (author, me) = (devices[0].id(), devices[1]);
    let mine = made.boxes.iter().find(|sealed| sealed.device == me.id()).unwrap();
    let open = |log: &LogId, author: &DeviceId, rekey: &Rekey, with: &PrekeySecret, sealed| {
        epoch::open_box(log, author, rekey, with, sealed).map(|_| ()).unwrap_err()
    };
    assert_eq!(open(&[2; 32].into(), &author, &made.rekey, &me.prekey, mine), BoxFault::Broken);
    assert_eq!(open(&log(), &me.id(), &made.rekey, &me.prekey, mine), BoxFault::Broken);
    assert_eq!(open(&log(), &author, &made.rekey, &devices[0].prekey, mine), BoxFault::OtherPrekey);
    let mut foreign = mine.clone();
    foreign.device = devices[2].id();
    assert_eq!(open(&log(), &author, &made.rekey, &devices[2].prekey, &foreign), BoxFault::NotMember);
    let mut damaged = mine.clone();
    damaged.sealed[1_150] ^= 1;
    assert_eq!(open(&log(), &author, &made.rekey, &me.prekey, &damaged), BoxFault::OtherBox);
    let mut older = made.rekey.clone();
    older.generation = 2;
    assert_eq!(open(&log(), &author, &older, &me.prekey, mine), BoxFault::Broken);
    let mut fewer = made.rekey.clone();
    fewer.members.retain(|member| member.device == me.id());
    assert_eq!(open(&log(), &author, &fewer, &me.prekey, mine), BoxFault::Broken);
}

/// K1: a rekeyer who boxes different secrets is caught by the commitment, whoever he picks on.
#[test]
fn k1_different_secrets_break_the_commitment() {
    use y7ke_crypto::{boxes, label};
    let people = [Person::new(1, 1), Person::new(2, 1)];
    let devices = members(&people);
    let (author, victim) = (devices[0].id(), devices[1]);
    let mut made = rekey(devices[0], &devices);
    let names: Vec<u8> =
        made.rekey.members.iter().flat_map(|m| [m.device.to_bytes(), m.prekey.to_bytes()].concat()).collect();
    let info = [
        label::BOX.as_bytes(),
        &log().to_bytes(),
        &3_u64.to_le_bytes(),
        author.as_bytes(),
        victim.id().as_bytes(),
        victim.prekey.id().as_bytes(),
        &label::hash(label::MEMBERS, &[&names]),
        &made.rekey.commitment,
    ]
    .concat();
    let at = made.rekey.members.iter().position(|member| member.device == victim.id()).unwrap();
    let forged = boxes::seal(&mut rng(6), &victim.prekey.public(), &info, &[], &[0x66; 32]);
    *made.boxes[at].sealed = forged.try_into().unwrap();
    made.rekey.members[at].box_hash = made.boxes[at].hash();
    let opened = epoch::open_box(&log(), &author, &made.rekey, &victim.prekey, &made.boxes[at]);
    assert_eq!(opened.map(|_| ()), Err(BoxFault::BrokenCommitment));
}

#[test]
fn k1_members_are_counted_and_unique() {
    let person = Person::new(1, 1);
    let prekey = person.devices[0].signed_prekey();
    let make = |generation, members: &[&Verified<Prekey>]| {
        epoch::make_rekey(&mut rng(5), &log(), generation, &prekey.device, members).map(|_| ()).unwrap_err()
    };
    assert_eq!(make(1, &[]), RekeyFault::Count);
    assert_eq!(make(1, &[&prekey, &prekey]), RekeyFault::Repeated);
    assert_eq!(make(0, &[&prekey]), RekeyFault::NoGeneration);
    assert_eq!(make(1, &[&prekey; MAX_MEMBERS + 1]), RekeyFault::Count);
}

/// K1: 128 members are read, 129 are not; order and number are part of the layout.
#[test]
fn k1_rekey_layout_is_capped_and_ordered() {
    let member = |n: u8| epoch::Member { device: [n; 32].into(), prekey: [n; 16].into(), box_hash: [n; 32] };
    let rekey = |n: u8| Rekey { generation: 1, commitment: [1; 32], members: (2..2 + n).map(member).collect() };
    let read = |rekey: &Rekey| Rekey::from_bytes(&rekey.to_bytes()).map_err(|error| error.fault);
    assert!(read(&rekey(128)).is_ok());
    let over = [rekey(128).to_bytes(), rekey(1).to_bytes()[44..].to_vec()].concat();
    assert_eq!(Rekey::from_bytes(&over).unwrap_err().fault, Fault::TooLong { cap: Rekey::CAP });
    let mut lying = rekey(128).to_bytes();
    lying[40] = 129;
    assert_eq!(Rekey::from_bytes(&lying).unwrap_err().fault, Fault::TooLong { cap: MAX_MEMBERS });
    assert_eq!(read(&rekey(0)), Err(Fault::BadValue));
    assert_eq!(read(&Rekey { generation: 0, ..rekey(1) }), Err(Fault::BadValue));
    let mut swapped = rekey(2);
    swapped.members.reverse();
    assert_eq!(read(&swapped), Err(Fault::BadValue));
}

/// K2: chains of different devices, epochs and logs share no key; both sides derive the same.
#[test]
fn k2_chains_are_apart_and_agreed() {
    let secret = || epoch::EpochSecret::from_bytes(&[9; 32]);
    let devices = [1, 2].map(|n| DeviceKey::from_seed(&[n; 32]).id());
    let epochs = [1, 2].map(|n| EpochId::of(&EventId::from([n; 32])));
    let mut seen = BTreeSet::new();
    for log in [[1; 32], [2; 32]].map(LogId::from) {
        for epoch in &epochs {
            let mine = secret().into_chains(&log, epoch, devices);
            let theirs = secret().into_chains(&log, epoch, devices);
            for (device, chain) in mine {
                assert_eq!(chain.expose(), theirs[&device].expose());
                assert!(seen.insert(chain.expose().to_vec()));
            }
        }
    }
    assert_eq!(seen.len(), 8);
}

/// K2: a step consumes the key, so nothing earlier can be made again; the chain ends after 1,024.
#[test]
fn k2_a_chain_runs_forward_for_1024_keys() {
    let device = DeviceKey::from_seed(&[1; 32]).id();
    let chains = epoch::EpochSecret::from_bytes(&[9; 32]).into_chains(&log(), &[1; 16].into(), [device]);
    let (mut next, mut seen) = (chains.into_values().next(), BTreeSet::new());
    while let Some(chain) = next {
        assert_eq!(chain.index() as usize, seen.len());
        assert_eq!(ChainKey::from_bytes(&chain.expose()).unwrap().expose(), chain.expose());
        let (event, rest) = chain.step();
        assert!(seen.insert(*event.expose()));
        next = rest;
    }
    assert_eq!(seen.len(), MAX_CHAIN as usize);
    let mut spent = [0; ChainKey::LEN];
    spent[32..].copy_from_slice(&MAX_CHAIN.to_le_bytes());
    assert!(ChainKey::from_bytes(&spent).is_none());
}
