//! Bodies of fuzz targets: what must hold for any bytes. Run by `tests/fuzz`, smoke-run in this crate's tests.

use y7ke_crypto::event::Class;

use super::Body;

/// Any bytes, as the body of an event of either class: no panic, and what decodes encodes to itself.
pub fn decode(bytes: &[u8]) {
    for class in [Class::Open, Class::Sealed] {
        let Ok(body) = Body::decode(class, bytes) else { continue };
        if let Body::Unknown(number) = body {
            assert_eq!(bytes.first(), Some(&number));
            continue;
        }
        assert_eq!(body.class(), Some(class), "the kind fixes the class (E2)");
        assert_eq!(body.to_bytes(), bytes, "one encoding per body");
    }
}
