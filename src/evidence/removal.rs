//! Which events retention has removed, said before it does, and signed.
//!
//! In: the numbers of the events of expired days. Out: a signed note that lists them, and back. Guaranteed: who holds the store
//! and not the key cannot make a missing event look expired.
//!
//! ```text
//! auditlake/removal/v1 audit.example.com/acme
//! 2025-01-01 2025-01-03
//! 0-41
//! 45
//! ```

use chrono::NaiveDate;

use super::{
    key::{SigningKey, Verifier},
    note::{self, NoteError},
};

const FORMAT: &str = "auditlake/removal/v1";

/// Numbers of events as ascending ranges that do not touch; both ends are in the range.
pub type Ranges = Vec<(u64, u64)>;

/// One removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Whose log.
    pub origin: String,
    /// The first and the last day that go.
    pub days: (NaiveDate, NaiveDate),
    /// The events that go.
    pub events: Ranges,
}

impl Removal {
    /// The note that says so.
    pub fn sign(&self, keys: &[&SigningKey]) -> String {
        let mut text = format!("{FORMAT} {}\n{} {}\n", self.origin, self.days.0, self.days.1);
        for (first, last) in &self.events {
            match first == last {
                true => text.push_str(&format!("{first}\n")),
                false => text.push_str(&format!("{first}-{last}\n")),
            }
        }
        note::sign(&text, &self.origin, keys)
    }

    /// Reads a note that one of `verifiers` must have signed.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn open(note: &str, verifiers: &[Verifier]) -> Result<Self, NoteError> {
        let (text, signers) = note::open(note, verifiers)?;
        let removal = Self::parse(text).ok_or(NoteError::Malformed)?;
        let is_own = signers.iter().any(|signer| signer.name == removal.origin);
        if is_own { Ok(removal) } else { Err(NoteError::Unknown) }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let origin = lines.next()?.strip_prefix(FORMAT)?.strip_prefix(' ')?.to_owned();
        let (first, last) = lines.next()?.split_once(' ')?;
        let days = (first.parse().ok()?, last.parse().ok()?);
        let range = |line: &str| match line.split_once('-') {
            Some((first, last)) => Some((first.parse().ok()?, last.parse().ok()?)),
            None => line.parse().ok().map(|number| (number, number)),
        };
        Some(Self { origin, days, events: lines.map(range).collect::<Option<_>>()? })
    }
}

/// Ranges, in any order and overlapping, as ascending ranges that do not touch.
pub fn joined(mut found: Ranges) -> Ranges {
    found.sort_unstable();
    let mut joined = Ranges::new();
    for (first, last) in found {
        match joined.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => joined.push((first, last)),
        }
    }
    joined
}

/// Ascending, different numbers as ranges.
pub fn ranges(numbers: impl IntoIterator<Item = u64>) -> Ranges {
    let mut ranges = Ranges::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}
