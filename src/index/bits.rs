//! Bits, and the three codes that postings are written in.
//!
//! In: numbers. Out: bytes, the first bit of a number in the lowest free bit of the last byte. Guaranteed: what
//! [`BitWriter`] wrote, [`BitReader`] reads back; reading past the end, or a code that cannot be, gives `None`.
//!
//! | code | a number `n` as | good for |
//! |---|---|---|
//! | fixed | its lowest `b` bits | numbers that are anywhere below 2^b |
//! | [Rice](https://en.wikipedia.org/wiki/Golomb_coding), parameter `b` | n >> b zeros, a one, the lowest `b` bits | gaps of a known mean |
//! | [Elias gamma](https://en.wikipedia.org/wiki/Elias_gamma_coding) | its length in zeros, then its bits | small counts |

/// Longest run of zeros that a reader believes: more than any chunk of postings holds.
const ZEROS_MAX: u32 = 1 << 24;

/// Appends bits to a buffer.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    pending: u64,
    pending_bits: u32,
}

impl BitWriter {
    /// The lowest `bits` (at most 32) of `value`.
    pub(crate) fn fixed(&mut self, value: u32, bits: u32) {
        debug_assert!(bits <= 32);
        let value = u64::from(value) & ((1_u64 << bits) - 1);
        self.pending |= value << self.pending_bits;
        self.pending_bits += bits;
        while self.pending_bits >= 8 {
            self.bytes.push(self.pending as u8);
            self.pending >>= 8;
            self.pending_bits -= 8;
        }
    }

    /// `value` in Rice code with parameter `bits`.
    pub(crate) fn rice(&mut self, value: u32, bits: u32) {
        self.zeros_and_one(value >> bits);
        self.fixed(value, bits);
    }

    /// `value`, which is at least 1, in Elias gamma code.
    pub(crate) fn gamma(&mut self, value: u32) {
        debug_assert!(value > 0);
        let bits = value.ilog2();
        self.zeros_and_one(bits);
        self.fixed(value, bits);
    }

    /// The bytes, the last one filled up with zeros; the writer is empty again.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        if self.pending_bits > 0 {
            self.bytes.push(self.pending as u8);
        }
        (self.pending, self.pending_bits) = (0, 0);
        std::mem::take(&mut self.bytes)
    }

    fn zeros_and_one(&mut self, mut zeros: u32) {
        while zeros >= 31 {
            self.fixed(0, 31);
            zeros -= 31;
        }
        self.fixed(1 << zeros, zeros + 1);
    }
}

/// Takes bits from a buffer.
#[derive(Debug)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    /// Bytes taken into `pending`.
    taken: usize,
    pending: u64,
    pending_bits: u32,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, taken: 0, pending: 0, pending_bits: 0 }
    }

    /// The next `bits` (at most 32).
    pub(crate) fn fixed(&mut self, bits: u32) -> Option<u32> {
        if self.pending_bits < bits {
            self.refill();
            if self.pending_bits < bits {
                return None;
            }
        }
        let value = self.pending & ((1_u64 << bits) - 1);
        self.drop_bits(bits);
        Some(value as u32)
    }

    /// The next number in Rice code with parameter `bits`.
    pub(crate) fn rice(&mut self, bits: u32) -> Option<u32> {
        let high = self.zeros_then_one()?;
        let low = self.fixed(bits)?;
        high.checked_shl(bits).filter(|shifted| shifted >> bits == high).map(|shifted| shifted | low)
    }

    /// The next number in Elias gamma code.
    pub(crate) fn gamma(&mut self) -> Option<u32> {
        let bits = self.zeros_then_one()?;
        if bits > 31 {
            return None;
        }
        Some(1 << bits | self.fixed(bits)?)
    }

    fn zeros_then_one(&mut self) -> Option<u32> {
        let mut zeros = 0;
        loop {
            if self.pending == 0 {
                zeros += self.pending_bits;
                (self.pending, self.pending_bits) = (0, 0);
                self.refill();
                if self.pending_bits == 0 || zeros > ZEROS_MAX {
                    return None;
                }
                continue;
            }
            let here = self.pending.trailing_zeros();
            self.drop_bits(here + 1);
            return Some(zeros + here);
        }
    }

    fn drop_bits(&mut self, bits: u32) {
        self.pending = self.pending.checked_shr(bits).unwrap_or(0);
        self.pending_bits -= bits;
    }

    /// Fills `pending` up to at least 57 bits, or with all that is left.
    fn refill(&mut self) {
        let rest = &self.bytes[self.taken..];
        if let Some(eight) = rest.first_chunk::<8>() {
            let bytes = (63 - self.pending_bits) / 8;
            let mask = u64::MAX >> (64 - 8 * bytes).min(63);
            self.pending |= (u64::from_le_bytes(*eight) & mask) << self.pending_bits;
            self.pending_bits += 8 * bytes;
            self.taken += bytes as usize;
            return;
        }
        for byte in rest {
            if self.pending_bits > 56 {
                break;
            }
            self.pending |= u64::from(*byte) << self.pending_bits;
            self.pending_bits += 8;
            self.taken += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Code {
        Fixed(u32, u32),
        Rice(u32, u32),
        Gamma(u32),
    }

    fn any_code() -> impl Strategy<Value = Code> {
        prop_oneof![
            (any::<u32>(), 0_u32..=32).prop_map(|(value, bits)| {
                Code::Fixed((u64::from(value) & ((1_u64 << bits) - 1)) as u32, bits)
            }),
            // Quotients beyond a word, too.
            (0_u32..20, 0_u32..150, any::<u32>())
                .prop_map(|(bits, high, low)| Code::Rice((high << bits) | (low & ((1 << bits) - 1)), bits)),
            (1_u32..=u32::MAX).prop_map(Code::Gamma),
            (1_u32..5).prop_map(Code::Gamma),
        ]
    }

    proptest! {
        /// Would catch a code that reads back as another number, at any bit offset, and an end that is not seen.
        #[test]
        fn codes_read_back(codes in prop::collection::vec(any_code(), 0..200)) {
            let mut writer = BitWriter::default();
            for code in &codes {
                match *code {
                    Code::Fixed(value, bits) => writer.fixed(value, bits),
                    Code::Rice(value, bits) => writer.rice(value, bits),
                    Code::Gamma(value) => writer.gamma(value),
                }
            }
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes);
            for code in &codes {
                match *code {
                    Code::Fixed(value, bits) => prop_assert_eq!(reader.fixed(bits), Some(value)),
                    Code::Rice(value, bits) => prop_assert_eq!(reader.rice(bits), Some(value)),
                    Code::Gamma(value) => prop_assert_eq!(reader.gamma(), Some(value)),
                }
            }
            prop_assert_eq!(reader.gamma(), None);
        }

        /// Would catch a panic on bytes that are no codes at all.
        #[test]
        fn anything_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..100), bits in 0_u32..=32) {
            let mut reader = BitReader::new(&bytes);
            while reader.gamma().is_some() && reader.rice(bits.min(31)).is_some() && reader.fixed(bits).is_some() {}
        }
    }
}
