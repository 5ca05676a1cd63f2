//! Safety numbers: sixty digits that two people compare aloud (B8).
//!
//! ```text
//! h₀ = SHA-512("y7/safety/1" ‖ root)      hᵢ₊₁ = SHA-512(hᵢ ‖ root)      5,200 rounds in all
//! half = 6 × (5 bytes of h, big-endian, mod 100,000), five digits each
//! number = the halves of both people, the lesser first
//! code   = the halves of both people, that of whoever shows it first
//! ```
//!
//! Both see the same number. Each shows another code: nobody takes their own for the other's. To pass for somebody, an attacker needs a root whose 30 digits (10³⁰, about
//! 2⁹⁹) match; each try costs 5,200 hashes.

use sha2::{Digest, Sha512};

use crate::ids::RootId;
use crate::label;

/// Hashes per try: 2¹² times the cost of one for whoever searches, under 3 ms for who compares.
const ROUNDS: usize = 5_200;

/// Digits of a safety number.
pub const DIGITS: usize = 60;

/// The safety number of two people, 60 digits without spaces; the same for both.
pub fn number(a: &RootId, b: &RootId) -> String {
    let (a, b) = (half(a), half(b));
    if a <= b { a + &b } else { b + &a }
}

/// The digits of the code that `mine` shows to `other`: their number, with the half of `mine` first.
pub fn code(mine: &RootId, other: &RootId) -> String {
    half(mine) + &half(other)
}

/// Whether `given` are the digits of `number`, as they are read out or as either of the two shows them as a code.
pub fn is_same(number: &str, given: &str) -> bool {
    let turned = number.split_at_checked(DIGITS / 2).map(|(first, second)| [second, first].concat());
    given == number || turned.is_some_and(|turned| given == turned)
}

fn half(root: &RootId) -> String {
    let first = Sha512::new().chain_update(label::SAFETY).chain_update(root).finalize();
    let last = (1..ROUNDS).fold(first, |hash, _| Sha512::new().chain_update(hash).chain_update(root).finalize());
    last.chunks_exact(5).take(6).map(five_digits).collect()
}

fn five_digits(chunk: &[u8]) -> String {
    let number = chunk.iter().fold(0_u64, |sum, byte| sum * 256 + u64::from(*byte));
    format!("{:05}", number % 100_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(n: u8) -> RootId {
        crate::sign::RootKey::from_seed(&[n; 32]).id()
    }

    #[test]
    fn b8_both_see_the_same_sixty_digits() {
        let number = number(&root(1), &root(2));
        assert_eq!(number, super::number(&root(2), &root(1)));
        assert_eq!(number.len(), DIGITS);
        assert!(number.bytes().all(|digit| digit.is_ascii_digit()));
    }

    #[test]
    fn b8_each_shows_a_code_of_their_own_that_holds_the_number() {
        let (a, b) = (root(1), root(2));
        let (number, of_a, of_b) = (number(&a, &b), code(&a, &b), code(&b, &a));
        assert_ne!(of_a, of_b);
        assert!(is_same(&number, &of_a) && is_same(&number, &of_b) && is_same(&number, &number));
        assert!(!is_same(&number, &code(&a, &root(3))));
        assert!(!is_same(&number, &number[1..]) && !is_same(&number, "") && !is_same("", "1"));
    }

    #[test]
    fn b8_another_person_has_another_number() {
        let (ab, ac) = (number(&root(1), &root(2)), number(&root(1), &root(3)));
        assert_ne!(ab, ac);
        let halves = [&ab[..30], &ab[30..]];
        assert!(halves.contains(&&ac[..30]) || halves.contains(&&ac[30..]), "my half stays");
    }
}
