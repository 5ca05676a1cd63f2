//! C1, C2, B5: requests, their refusals, and acceptance.

use y7ke_crypto::Wire;
use y7ke_crypto::bundle::{Bundle, BundleFault};
use y7ke_crypto::cert::CertChain;
use y7ke_crypto::codec::Fault;
use y7ke_crypto::ids::RequestId;
use y7ke_crypto::request::{
    Draft, MAX_AHEAD_MS, MAX_LIFE_MS, OpeningFault, Request, RequestCore, RequestFault, RequestOpenFault,
    RequestSealFault, SealedRequest,
};
use y7ke_crypto::sign::{BadSignature, WrongSigner};
use y7ke_crypto::text::{Greeting, Name};

use crate::kit::{DAY, NOW, Person, draft, opening, request, rng, sealed_request};

fn people() -> (Person, Person) {
    (Person::new(1, 2), Person::new(2, 3))
}

fn refused(request: Request, now: u64, me: &Person) -> RequestFault {
    request.check(now, &me.id(), |hash| *hash == me.bundle().hash()).unwrap_err()
}

/// Signs the request anew after a change, as a dishonest requester can.
fn resigned(mut request: Request, by: &Person, change: impl FnOnce(&mut RequestCore)) -> Request {
    change(&mut request.core.claim);
    request.core = by.devices[0].key.sign(request.core.claim).unwrap().into_signed();
    request
}

/// C1: sealed to each device of the recipient; each opens and checks it.
#[test]
fn c1_every_device_of_the_recipient_opens_the_request() {
    let (a, b) = people();
    let sealed = SealedRequest::from_bytes(&sealed_request(&a, &b).to_bytes()).unwrap();
    for device in &b.devices {
        assert_eq!(sealed.prekey_of(&device.id()), Some(device.prekey.id()));
        let opened = sealed.open(&device.id(), &device.prekey).unwrap();
        assert_eq!(opened, request(&a, &b));
        let checked = opened.check(NOW, &b.id(), |hash| *hash == b.bundle().hash()).unwrap();
        assert_eq!(checked.requester.root, a.id());
        assert_eq!(checked.greeting.as_str(), "We met in the library.\n");
        assert_eq!(checked.bundle.devices.len(), 2);
    }
}

#[test]
fn c1_nobody_else_opens_the_request() {
    let (a, b) = people();
    let sealed = sealed_request(&a, &b);
    let (mine, sibling) = (&b.devices[0], &b.devices[1]);
    let open = |device, with| sealed.open(&device, with).unwrap_err();
    assert_eq!(open(a.devices[0].id(), &a.devices[0].prekey), RequestOpenFault::NotForMe);
    assert_eq!(open(mine.id(), &sibling.prekey), RequestOpenFault::OtherPrekey);
    assert_eq!(sealed.prekey_of(&a.devices[0].id()), None);
}

/// C1: the lengths of what strangers send say little.
#[test]
fn c1_a_greeting_does_not_show_in_the_length() {
    let (a, b) = people();
    let to = b.bundle().verify().unwrap();
    let lengths = ["", "hi", "a much longer greeting than the other two"].map(|text| {
        let draft = Draft { greeting: Greeting::new(text).unwrap(), ..draft(&a, &b) };
        draft.sign(&a.devices[0].key).unwrap().seal(&mut rng(1), &to).unwrap().to_bytes().len()
    });
    assert!(lengths.iter().all(|len| *len == lengths[0]), "{lengths:?}");
}

/// C1: refused by time.
#[test]
fn c1_expired_future_and_eternal_requests_are_refused() {
    let (a, b) = people();
    assert_eq!(refused(request(&a, &b), NOW + 14 * DAY, &b), RequestFault::Expired);
    assert!(request(&a, &b).check(NOW + 14 * DAY - 1, &b.id(), |_| true).is_ok());
    assert_eq!(refused(request(&a, &b), NOW - MAX_AHEAD_MS - 1, &b), RequestFault::FromFuture);
    assert!(request(&a, &b).check(NOW - MAX_AHEAD_MS, &b.id(), |_| true).is_ok());
    let eternal = resigned(request(&a, &b), &a, |core| core.expires = core.created + MAX_LIFE_MS + 1);
    assert_eq!(refused(eternal, NOW, &b), RequestFault::LivesTooLong);
}

/// C1: refused by addressee.
#[test]
fn c1_foreign_and_own_requests_are_refused() {
    let ((a, b), c) = (people(), Person::new(3, 1));
    assert_eq!(refused(request(&a, &b), NOW, &c), RequestFault::WrongAddressee);
    let foreign = resigned(request(&a, &b), &a, |core| core.to_bundle = c.bundle().hash());
    assert_eq!(refused(foreign, NOW, &b), RequestFault::NotThisBundle);
    assert_eq!(refused(request(&a, &a), NOW, &a), RequestFault::Own);
}

/// C1: refused because what is inside is not what was signed, or not signed by who it says.
#[test]
fn c1_forged_requests_are_refused() {
    let ((a, b), mallory) = (people(), Person::new(3, 1));
    let mut bundle = request(&a, &b);
    bundle.from_bundle = mallory.bundle();
    assert_eq!(refused(bundle, NOW, &b), RequestFault::OtherBundle);
    let mut greeting = request(&a, &b);
    greeting.greeting = Greeting::new("send money").unwrap();
    assert_eq!(refused(greeting, NOW, &b), RequestFault::OtherDetails);
    let mut name = request(&a, &b);
    name.name = Name::new("Bob").unwrap();
    assert_eq!(refused(name, NOW, &b), RequestFault::OtherDetails);
    let mut unsigned = request(&a, &b);
    unsigned.core.claim.req_id = RequestId::from([8; 32]);
    assert_eq!(refused(unsigned, NOW, &b), RequestFault::BadSignature(BadSignature));
    let stranger = resigned(request(&mallory, &b), &mallory, |core| core.from_root = a.id());
    assert_eq!(refused(stranger, NOW, &b), RequestFault::OtherBundle);
}

/// C1: a bundle that names another person's devices proves nothing, however well the rest is signed.
#[test]
fn c1_a_bundle_of_borrowed_devices_is_refused() {
    let ((a, b), mallory) = (people(), Person::new(3, 1));
    let borrowed = Bundle::new(a.id(), vec![mallory.devices[0].bundle()]).unwrap();
    assert_eq!(borrowed.verify().unwrap_err(), BundleFault::OtherRoot);
    let draft = Draft { from_bundle: borrowed, ..draft(&a, &b) };
    let forged = draft.sign(&mallory.devices[0].key).unwrap();
    assert_eq!(refused(forged, NOW, &b), RequestFault::BadChain(BundleFault::OtherRoot));
    let mut swapped = mallory.devices[0].bundle();
    swapped.prekey = a.devices[0].bundle().prekey;
    let swapped = Bundle::new(mallory.id(), vec![swapped]).unwrap();
    assert_eq!(swapped.verify().unwrap_err(), BundleFault::OtherDevice);
}

#[test]
fn c1_only_a_device_of_the_bundle_signs_and_only_for_the_bundle_it_was_signed_for() {
    let (a, b) = people();
    assert_eq!(draft(&a, &b).sign(&b.devices[0].key).unwrap_err(), WrongSigner);
    let other = a.bundle().verify().unwrap();
    assert_eq!(request(&a, &b).seal(&mut rng(1), &other).unwrap_err(), RequestSealFault::OtherBundle);
}

/// C1: what does not fit is refused where it is made, and cap + 1 where it is read.
#[test]
fn c1_sealed_requests_are_capped() {
    let (many, few) = (Person::new(4, 9), Person::new(5, 2));
    let to = many.bundle().verify().unwrap();
    assert_eq!(request(&many, &many).seal(&mut rng(1), &to).unwrap_err(), RequestSealFault::TooLong);
    assert!(request(&few, &many).seal(&mut rng(1), &to).is_ok());
    let over = SealedRequest::from_bytes(&[1; 24 * 1_024 + 1]).unwrap_err();
    assert_eq!(over.fault, Fault::TooLong { cap: 24 * 1_024 });
}

#[test]
fn bundles_have_1_to_16_distinct_devices() {
    let (many, one) = (Person::new(6, 17), Person::new(7, 1));
    let of = |devices: &[crate::kit::Device]| {
        Bundle::new(many.id(), devices.iter().map(crate::kit::Device::bundle).collect())
    };
    assert_eq!(of(&many.devices).unwrap_err(), BundleFault::Count);
    assert_eq!(of(&[]).unwrap_err(), BundleFault::Count);
    let full = of(&many.devices[..16]).unwrap();
    assert!(full.verify().is_ok());
    assert_eq!(Bundle::from_bytes(&full.to_bytes()), Ok(full.clone()));
    let mut lying = full.to_bytes();
    lying[32] = 17;
    assert_eq!(Bundle::from_bytes(&lying).unwrap_err().fault, Fault::TooLong { cap: 16 });
    let device = one.devices[0].bundle();
    assert_eq!(Bundle::new(one.id(), vec![device.clone(), device]).unwrap_err(), BundleFault::Repeated);
}

/// C2: acceptance proves both sides of exactly this log.
#[test]
fn c2_an_opening_proves_both_sides() {
    let (a, b) = people();
    let opening = opening(&a, &b);
    let log = opening.core.claim.log();
    let (requester, opener) = opening.verify(&log, &b.devices[0].id()).unwrap();
    assert_eq!((requester.root, requester.device), (a.id(), a.devices[0].id()));
    assert_eq!((opener.root, opener.device), (b.id(), b.devices[0].id()));
}

/// B5: nobody can accept himself: not in the log of his own request, not with the other's certificates,
/// not by asking himself.
#[test]
fn b5_nobody_can_accept_himself() {
    let (a, b) = people();
    let honest = opening(&a, &b);
    let log = honest.core.claim.log();
    let own = |opener: CertChain, author| {
        let mut forged = honest.clone();
        forged.opener = opener;
        forged.verify(&log, &author).unwrap_err()
    };
    let mine = &a.devices[0];
    assert_eq!(own(mine.chain.clone(), mine.id()), OpeningFault::NotAddressee);
    assert_eq!(own(b.devices[0].chain.clone(), mine.id()), OpeningFault::NotAuthor);
    let mut to_self = honest.clone();
    to_self.core = request(&a, &a).core;
    to_self.opener = a.devices[1].chain.clone();
    let log = to_self.core.claim.log();
    assert_eq!(to_self.verify(&log, &a.devices[1].id()).unwrap_err(), OpeningFault::Own);
}

/// B5: nor can anybody accept in the name of a request that was never made.
#[test]
fn b5_an_opening_needs_the_requesters_signature() {
    let (a, b) = people();
    let honest = opening(&a, &b);
    let (log, author) = (honest.core.claim.log(), b.devices[0].id());
    let mut invented = honest.clone();
    invented.core.claim.expires -= 1;
    assert_eq!(invented.verify(&log, &author).unwrap_err(), OpeningFault::BadSignature(BadSignature));
    let mut sibling = honest.clone();
    sibling.requester = a.devices[1].chain.clone();
    assert_eq!(sibling.verify(&log, &author).unwrap_err(), OpeningFault::NotRequester);
    let mut replayed = honest;
    replayed.core.claim.req_id = RequestId::from([9; 32]);
    assert_eq!(replayed.verify(&log, &author).unwrap_err(), OpeningFault::OtherLog);
}
