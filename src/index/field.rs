//! What is indexed: the columns of ids, and the words of all texts.
//!
//! In: a batch of events, or a value from a filter. Out: 32-bit hashes. Guaranteed: equal values of a field have
//! equal hashes, on every machine and in every version of the format: the highest 32 bits of
//! [xxHash64](https://xxhash.com) of the UTF-8 text, seeded with the field's number.

use arrow::{
    array::{Array, AsArray, RecordBatch, StringViewArray},
    compute::cast,
    datatypes::DataType,
};
use datafusion::common::HashSet;
use twox_hash::XxHash64;

use super::words::for_each_word;
use crate::{
    error::{Error, ErrorKind, Result},
    event::schema,
};

/// The columns whose values are indexed as they are. Their order is part of the format.
pub const ID_COLUMNS: [&str; 10] = [
    schema::ID,
    "actor_id",
    "actor_email",
    "on_behalf_of_id",
    "credential_id",
    schema::TARGET_IDS,
    "ip_address",
    "session_id",
    "request_id",
    "correlation_id",
];

/// The columns whose words are indexed, all together.
pub const WORD_COLUMNS: [&str; 12] = [
    "action",
    "outcome_reason",
    "actor_name",
    "actor_metadata",
    "on_behalf_of_name",
    "workspace_name",
    "target_name",
    "targets",
    "user_agent",
    "description",
    "changes",
    "metadata",
];

/// Name of the field of words in a segment.
const WORDS: &str = "words";

/// One indexed field: a column of ids, or the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Field(u8);

impl Field {
    /// The words of all [`WORD_COLUMNS`].
    pub const WORDS: Self = Self(ID_COLUMNS.len() as u8);

    /// All fields, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=ID_COLUMNS.len() as u8).map(Self)
    }

    /// The field of an id column; `None` for a column that is not indexed by its values.
    pub fn of_column(name: &str) -> Option<Self> {
        ID_COLUMNS.iter().position(|column| *column == name).map(|number| Self(number as u8))
    }

    /// Its name in a segment.
    pub fn name(self) -> &'static str {
        ID_COLUMNS.get(self.number()).copied().unwrap_or(WORDS)
    }

    /// Its number, from 0.
    pub(crate) fn number(self) -> usize {
        usize::from(self.0)
    }

    /// The hash of a value; of a folded word, for [`Field::WORDS`].
    pub(crate) fn hash(self, value: &str) -> u32 {
        (XxHash64::oneshot(u64::from(self.0), value.as_bytes()) >> 32) as u32
    }
}

/// The hashes of one block of rows while it is gone through, by field.
#[derive(Debug)]
pub(crate) struct BlockHashes {
    by_field: Vec<Vec<u32>>,
    /// Those of words: a block has each of them many times.
    words: HashSet<u32>,
    /// Whole texts met in this block: most agents and names come again and again.
    texts_met: HashSet<(u8, u64)>,
}

impl Default for BlockHashes {
    fn default() -> Self {
        let by_field = Field::all().map(|_| Vec::new()).collect();
        Self { by_field, words: HashSet::new(), texts_met: HashSet::new() }
    }
}

impl BlockHashes {
    /// Adds all indexed values of `batch`.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        for (number, column) in ID_COLUMNS.iter().enumerate() {
            let (field, hashes) = (Field(number as u8), &mut self.by_field[number]);
            let values = texts(batch, column)?;
            let mut last = None;
            for value in values.iter().flatten() {
                // Neighbours are often alike: a session, its address, its actor.
                if last != Some(value) {
                    hashes.push(field.hash(value));
                    last = Some(value);
                }
            }
        }
        let words = &mut self.words;
        for (number, column) in WORD_COLUMNS.iter().enumerate() {
            let json = schema::JSON_COLUMNS.contains(column);
            for text in texts(batch, column)?.iter().flatten() {
                let met = (number as u8, XxHash64::oneshot(0, text.as_bytes()));
                if self.texts_met.insert(met) {
                    for_each_word(text, json, |word| {
                        words.insert(Field::WORDS.hash(word));
                    });
                }
            }
        }
        Ok(())
    }

    /// Hands out the different hashes of each field, in ascending order, and begins anew.
    pub(crate) fn take(&mut self, mut each: impl FnMut(Field, &[u32])) {
        self.by_field[Field::WORDS.number()].extend(self.words.drain());
        for field in Field::all() {
            let hashes = &mut self.by_field[field.number()];
            hashes.sort_unstable();
            hashes.dedup();
            each(field, hashes);
            hashes.clear();
        }
        self.texts_met.clear();
    }
}

/// The texts of a column, of its items if it is a list.
fn texts(batch: &RecordBatch, column: &str) -> Result<StringViewArray> {
    let failed = |cause| Error::with_source(ErrorKind::Internal, format!("index column '{column}'"), cause);
    let array = batch.column_by_name(column).ok_or_else(|| {
        Error::new(ErrorKind::Internal, format!("a batch of events has no column '{column}' to index"))
    })?;
    let items = match array.as_list_opt::<i32>() {
        // Items outside of the offsets belong to rows outside of this slice.
        Some(list) => {
            let (first, last) = (list.value_offsets()[0], list.value_offsets()[list.len()]);
            list.values().slice(first as usize, (last - first) as usize)
        }
        None => array.clone(),
    };
    let views = cast(&items, &DataType::Utf8View).map_err(failed)?;
    Ok(views.as_string_view().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a change of hashes: segments written before would answer "not there" to everything.
    #[test]
    fn hashes_are_part_of_the_format() {
        let id = Field::of_column("id").unwrap();
        assert_eq!((id.hash("018c"), Field::WORDS.hash("apollo")), (3_582_630_703, 1_835_377_633));
        assert_ne!(id.hash("u_1"), Field::of_column("actor_id").unwrap().hash("u_1"));
        let names: Vec<&str> = Field::all().map(Field::name).collect();
        assert_eq!(names[..2], ["id", "actor_id"]);
        assert_eq!(names.last(), Some(&"words"));
    }
}
