//! Randomness: the only file that asks the machine for any.

use std::fmt::Write as _;

use rand::RngCore as _;

/// `N` bytes from a cryptographically secure generator that the operating system seeds.
#[expect(clippy::disallowed_methods, reason = "the one place that draws randomness")]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// `N` random bytes as `2 * N` lowercase hexadecimal digits: for keys and request ids.
pub fn random_hex<const N: usize>() -> String {
    let mut text = String::with_capacity(2 * N);
    for byte in random_bytes::<N>() {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
    }
    text
}

/// An id that no one else has made: a UUIDv7, so that ids made later sort later.
#[expect(clippy::disallowed_methods, reason = "the one place that makes random ids")]
pub fn unique_id() -> uuid::Uuid {
    uuid::Uuid::now_v7()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a generator that repeats itself or drops leading zeros.
    #[test]
    fn random_text_has_its_full_length_and_differs() {
        let (one, two) = (random_hex::<16>(), random_hex::<16>());
        assert_eq!(one.len(), 32);
        assert_ne!(one, two);
    }
}
