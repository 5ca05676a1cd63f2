//! E: layout, seals, padding and commitments of events.

use y7ke_crypto::Wire;
use y7ke_crypto::codec::Fault;
use y7ke_crypto::event::{
    self, BUCKETS, Class, Dep, EventKey, Header, MAX_BODY, MAX_DEPS, OpenFault, Payload, SealFault, WireEvent,
};
use y7ke_crypto::ids::{DeviceId, EventId, LogId};

use crate::kit::{NOW, sealed_header};

fn device(n: u8) -> DeviceId {
    DeviceId::from([n; 32])
}

fn dep(n: u8, seq: u64) -> Dep {
    Dep { device: device(n), seq, id: EventId::from([n; 32]) }
}

fn open_header(deps: Vec<Dep>) -> Header {
    Header::open(LogId::from([1; 32]), device(9), 1, NOW, deps)
}

fn fault(header: &Header) -> Fault {
    Header::from_bytes(&header.to_bytes()).unwrap_err().fault
}

/// E2: at most 16 dependencies, ascending by device, one per device, numbered from 1.
#[test]
fn e2_dependencies_have_one_form() {
    let full: Vec<Dep> = (2..18).map(|n| dep(n, 1)).collect();
    assert_eq!(full.len(), MAX_DEPS);
    let header = open_header(full.clone());
    assert_eq!(Header::from_bytes(&header.to_bytes()), Ok(header));
    let more = [full, vec![dep(18, 1)]].concat();
    assert_eq!(fault(&open_header(more)), Fault::TooLong { cap: Header::CAP });
    for bad in [vec![dep(3, 1), dep(2, 1)], vec![dep(2, 1), dep(2, 2)], vec![dep(2, 0)]] {
        assert_eq!(fault(&open_header(bad)), Fault::BadValue);
    }
}

/// E2: open events say nothing of keys.
#[test]
fn e2_open_headers_are_bare() {
    let bad: [fn(&mut Header); 5] =
        [|h| h.epoch = [1; 16].into(), |h| h.chain = 1, |h| h.nonce[23] = 1, |h| h.key_commit[0] = 1, |h| h.seq = 0];
    for change in bad {
        let mut header = open_header(Vec::new());
        change(&mut header);
        assert_eq!(fault(&header), Fault::BadValue);
    }
}

/// E4: an unknown suite decodes and has no effect; an unknown version or class is refused.
#[test]
fn e4_unknown_suites_decode_and_unknown_versions_do_not() {
    let mut header = sealed_header(device(2), device(3));
    header.suite = 77;
    let event = WireEvent { header: header.clone(), sig: [0; 64], payload: Payload::Full(vec![1; 100]) };
    assert_eq!(WireEvent::from_bytes(&event.to_bytes()), Ok(event));
    let key = EventKey::from_bytes(&[5; 32]);
    assert_eq!(event::open(&key, &header, &[1; 272]).unwrap_err(), OpenFault::NotSealed);
    for (at, value) in [(0, 0), (0, 2), (2, 2)] {
        let mut bytes = header.to_bytes();
        bytes[at] = value;
        assert_eq!(Header::from_bytes(&bytes).unwrap_err().fault, Fault::BadValue);
    }
}

/// E6: what travels has one of five lengths, whatever is inside.
#[test]
fn e6_sealed_bodies_have_bucket_lengths_only() {
    let header = sealed_header(device(2), device(3));
    let event = |len| WireEvent { header: header.clone(), sig: [0; 64], payload: Payload::Full(vec![1; len]) };
    for bucket in BUCKETS {
        assert!(WireEvent::from_bytes(&event(bucket + 16).to_bytes()).is_ok());
        for off in [bucket + 15, bucket + 17, bucket] {
            assert!(WireEvent::from_bytes(&event(off).to_bytes()).is_err(), "{off}");
        }
    }
    let over = WireEvent::from_bytes(&event(BUCKETS[4] + 17).to_bytes());
    assert_eq!(over.unwrap_err().fault, Fault::TooLong { cap: BUCKETS[4] + 16 });
}

#[test]
fn open_bodies_are_capped_and_never_hollow() {
    let open = |payload| WireEvent { header: open_header(Vec::new()), sig: [0; 64], payload };
    assert!(WireEvent::from_bytes(&open(Payload::Full(vec![1; BUCKETS[4]])).to_bytes()).is_ok());
    assert!(WireEvent::from_bytes(&open(Payload::Full(vec![1; BUCKETS[4] + 1])).to_bytes()).is_err());
    // D2: an open event cannot be hollow.
    assert!(WireEvent::from_bytes(&open(Payload::Hollow([1; 32].into())).to_bytes()).is_err());
}

/// E: a hollow event keeps its content hash, so its id and signature stay good.
#[test]
fn e_content_hash_covers_the_hash_of_the_body() {
    let header = sealed_header(device(2), device(3));
    let full = Payload::Full(vec![1; 272]);
    let hollow = Payload::Hollow(full.hash());
    assert_eq!(event::content_hash(&header, &full.hash()), event::content_hash(&header, &hollow.hash()));
}

#[test]
fn e6_a_text_of_65536_bytes_fits_and_the_cap_holds() {
    let key = EventKey::from_bytes(&[5; 32]);
    let mut header = sealed_header(device(2), device(3));
    for len in [0, 65_536, MAX_BODY] {
        let body = vec![7; len];
        let ct = event::seal(&key, &mut header, &body).unwrap();
        assert_eq!(event::open(&key, &header, &ct).unwrap().as_slice(), body);
    }
    assert_eq!(event::seal(&key, &mut header, &[7; MAX_BODY + 1]), Err(SealFault::TooLong));
    let mut open = open_header(Vec::new());
    assert_eq!(event::seal(&key, &mut open, b"x"), Err(SealFault::NotSealed));
}

/// E6: a ciphertext opens under the key that the header commits to, and the header is bound to it.
#[test]
fn e6_every_changed_header_field_and_key_is_noticed() {
    let (key, other) = (EventKey::from_bytes(&[5; 32]), EventKey::from_bytes(&[6; 32]));
    let mut header = sealed_header(device(2), device(3));
    let ct = event::seal(&key, &mut header, b"hello").unwrap();
    assert_eq!(event::open(&other, &header, &ct).unwrap_err(), OpenFault::OtherKey);
    let changes: [fn(&mut Header); 9] = [
        |h| h.log = [9; 32].into(),
        |h| h.epoch = [9; 16].into(),
        |h| h.device = [9; 32].into(),
        |h| h.seq += 1,
        |h| h.chain += 1,
        |h| h.hlc += 1,
        |h| h.nonce[0] ^= 1,
        |h| h.deps[0].seq += 1,
        |h| h.deps.truncate(1),
    ];
    for change in changes {
        let mut changed = header.clone();
        change(&mut changed);
        assert_eq!(event::open(&key, &changed, &ct).unwrap_err(), OpenFault::Broken);
    }
    assert_eq!(header.class, Class::Sealed);
}

/// E2: the author's own previous event is found among the dependencies.
#[test]
fn e2_previous_is_the_own_dependency() {
    let header = sealed_header(device(2), device(3));
    assert_eq!(header.previous().map(|dep| dep.seq), Some(4));
    assert_eq!(open_header(vec![dep(2, 1)]).previous(), None);
}
