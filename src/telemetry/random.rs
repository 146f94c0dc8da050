//! Randomness: the only file that asks the machine for any; and how bytes that mean nothing are written.

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
    hex(&random_bytes::<N>())
}

/// Bytes as lowercase hexadecimal digits, two each.
///
/// ```
/// assert_eq!(auditlake::telemetry::hex(&[0, 0xa5]), "00a5");
/// ```
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
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
