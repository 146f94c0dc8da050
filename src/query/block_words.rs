//! Which rows of a block have which words, in memory.
//!
//! In: the texts of a block. Out: the rows that may have all of some words. Guaranteed: a row that has them is among those; others are only
//! by a chance of one in four thousand millions for each different word of the block (32-bit hashes, those of the skip index).
//!
//! Names are in nearly every block, so that the skip index leaves nothing out, and to look for them in a thousand texts takes a
//! millisecond. This takes some microseconds, and less memory than the texts: an inverted index, made
//! when the words of a block are looked for the first time.

use arrow::array::{Array, AsArray, RecordBatch, StringViewArray};

use super::remembered::Remembered;
use crate::{
    event::schema::JSON_COLUMNS,
    index::{Field, words::for_each_word},
};

/// The hashes of a block's words, and the rows that each is in.
#[derive(Debug)]
pub(crate) struct BlockWords {
    /// They ascend.
    hashes: Vec<u32>,
    /// Where the rows of each end.
    ends: Vec<u32>,
    /// They ascend for each.
    rows: Vec<u16>,
}

/// The hash by which a folded word is known.
pub(crate) fn hash(word: &str) -> u32 {
    Field::WORDS.hash(word)
}

impl BlockWords {
    /// Of all columns of `texts`, which are views; `None` if there are more rows than it has numbers for.
    pub(crate) fn of(texts: &RecordBatch) -> Option<Self> {
        u16::try_from(texts.num_rows()).ok()?;
        // A hash and a row in one number, which sorts as they are wanted.
        let mut pairs: Vec<u64> = Vec::with_capacity(texts.num_rows() * 32);
        for (field, array) in texts.schema().fields().iter().zip(texts.columns()) {
            let json = JSON_COLUMNS.contains(&field.name().as_str());
            add(array.as_string_view(), json, &mut pairs);
        }
        pairs.sort_unstable();
        pairs.dedup();
        Some(Self::of_sorted(&pairs))
    }

    fn of_sorted(pairs: &[u64]) -> Self {
        let mut words = Self { hashes: Vec::new(), ends: Vec::new(), rows: Vec::with_capacity(pairs.len()) };
        for same in pairs.chunk_by(|one, other| one >> 32 == other >> 32) {
            words.rows.extend(same.iter().map(|pair| *pair as u16));
            words.hashes.push((same[0] >> 32) as u32);
            words.ends.push(words.rows.len() as u32);
        }
        words.hashes.shrink_to_fit();
        words.ends.shrink_to_fit();
        words
    }

    /// The rows that may have all words of these hashes, in ascending order.
    pub(crate) fn rows_with(&self, hashes: &[u32]) -> Vec<u32> {
        let mut lists: Vec<&[u16]> = hashes.iter().map(|hash| self.rows_of(*hash)).collect();
        lists.sort_unstable_by_key(|rows| rows.len());
        let Some((rarest, others)) = lists.split_first() else { return Vec::new() };
        let in_all = |row: &&u16| others.iter().all(|rows| rows.binary_search(row).is_ok());
        rarest.iter().filter(in_all).map(|row| u32::from(*row)).collect()
    }

    fn rows_of(&self, hash: u32) -> &[u16] {
        let Ok(place) = self.hashes.binary_search(&hash) else { return &[] };
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.rows[start as usize..self.ends[place] as usize]
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<u32>() * (self.hashes.capacity() + self.ends.capacity())
            + size_of::<u16>() * self.rows.capacity()
    }
}

/// Adds the words of a column's texts.
fn add(texts: &StringViewArray, json: bool, pairs: &mut Vec<u64>) {
    // Where the pairs of a text stand.
    let mut remembered: Remembered<(usize, usize)> = Remembered::new();
    for (row, view) in texts.views().iter().enumerate() {
        if texts.is_null(row) {
            continue;
        }
        let first = pairs.len();
        match remembered.get(*view) {
            Some((start, end)) => {
                for pair in start..end {
                    pairs.push((pairs[pair] & !u64::from(u32::MAX)) | row as u64);
                }
            }
            None => {
                for_each_word(texts.value(row), json, |word| {
                    pairs.push((u64::from(hash(word)) << 32) | row as u64);
                });
                remembered.put(*view, (first, pairs.len()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::ArrayRef;
    use proptest::prelude::*;

    use super::*;
    use crate::index::words::words;

    proptest! {
        /// Would catch a row whose words are lost, mixed up with another's, or remembered of another text or column.
        #[test]
        fn rows_are_those_that_have_all_words(
            rows in prop::collection::vec(prop::array::uniform2(prop::option::of("[a-dA-D]{1,2}([ .\"\\\\][a-dü]{1,14}){0,3}")), 0..80),
            asked in prop::collection::vec("[a-d]{1,2}", 1..4),
        ) {
            let column = |of: usize| -> ArrayRef {
                Arc::new(rows.iter().map(|row| row[of].as_deref()).collect::<StringViewArray>())
            };
            let texts = [("description", column(0)), ("metadata", column(1))];
            let known = BlockWords::of(&RecordBatch::try_from_iter_with_nullable(texts.map(|(name, array)| (name, array, true))).unwrap()).unwrap();
            let has = |row: &[Option<String>; 2], word: &String| {
                [false, true].iter().zip(row).any(|(json, text)| {
                    text.as_deref().is_some_and(|text| words(text, *json).contains(word))
                })
            };
            let expected: Vec<u32> = (0..)
                .zip(&rows)
                .filter(|(_, row)| asked.iter().all(|word| has(row, word)))
                .map(|(number, _)| number)
                .collect();
            let hashes: Vec<u32> = asked.iter().map(|word| hash(word)).collect();
            prop_assert_eq!(known.rows_with(&hashes), expected);
        }
    }
}
