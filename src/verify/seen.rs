//! Which numbers were seen: one bit each.

/// A growing set of numbers.
#[derive(Debug, Default)]
pub(super) struct Seen {
    words: Vec<u64>,
}

impl Seen {
    /// Notes a number; `false` if it was noted before.
    pub(super) fn insert(&mut self, number: u64) -> bool {
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        is_new
    }

    /// The numbers below `end` that were not noted, as ranges with both ends.
    pub(super) fn gaps(&self, end: u64) -> Vec<(u64, u64)> {
        let (mut gaps, mut number) = (Vec::<(u64, u64)>::new(), 0);
        while number < end {
            let word = self.words.get((number / 64) as usize).copied().unwrap_or(0);
            if number.is_multiple_of(64) && word == u64::MAX {
                number += 64;
                continue;
            }
            if word & (1 << (number % 64)) == 0 {
                match gaps.last_mut() {
                    Some((_, last)) if *last + 1 == number => *last = number,
                    _ => gaps.push((number, number)),
                }
            }
            number += 1;
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a missing event that is not noticed at the border of a word, or past the last one seen.
    #[test]
    fn gaps_are_found_wherever_they_are() {
        let mut seen = Seen::default();
        assert_eq!(seen.gaps(3), [(0, 2)]);
        assert!(
            (0..300)
                .filter(|number| ![0, 63, 64, 127, 200].contains(number))
                .all(|number| seen.insert(number))
        );
        assert!(!seen.insert(5));
        assert_eq!(seen.gaps(300), [(0, 0), (63, 64), (127, 127), (200, 200)]);
        assert_eq!(seen.gaps(400).last(), Some(&(300, 399)));
        assert_eq!(seen.gaps(63), [(0, 0)]);
    }
}
