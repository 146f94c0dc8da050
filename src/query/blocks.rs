//! Blocks of files that needles have read, kept as decoded columns.
//!
//! In: a block of rows of a file, as it was decoded. Out: the same, for whoever asks for that block of that file next. Guaranteed:
//! what is kept is what is stored, because files never change and each has a name of its own; it takes no more memory than was
//! said; what is asked for once does not push out what is asked for often (S3-FIFO, by `quick_cache`).
//!
//! To find a page, unpack and decode it takes some twenty times as long as to look at its rows. Who investigates asks about the
//! same actors, addresses and days again and again, one page after the other.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, new_null_array},
    buffer::Buffer,
    compute::FilterPredicate,
    datatypes::DataType,
};
use datafusion::{common::internal_err, error::Result};
use quick_cache::{Weighter, sync::Cache};

use super::columns;

/// What a block takes beside its columns' values, about.
const ENTRY_BYTES: usize = 1024;
/// A block of a few columns, to begin with.
const BLOCK_BYTES_ESTIMATE: u64 = 128 * 1024;

/// Blocks in memory, of all files.
#[derive(Debug)]
pub(crate) struct Blocks {
    cache: Cache<(Arc<str>, u64), Arc<Block>, BySize>,
    rows: u64,
    keeps: bool,
}

impl Blocks {
    /// Keeps blocks of so many rows within so many bytes; none if there are no bytes.
    pub(crate) fn new(rows: u64, bytes_max: u64) -> Self {
        let items = (bytes_max / BLOCK_BYTES_ESTIMATE).max(16) as usize;
        let cache = Cache::with_weighter(items, bytes_max, BySize);
        Self { cache, rows: rows.max(1), keeps: bytes_max > 0 }
    }

    /// Whether anything is kept.
    pub(crate) fn keeps(&self) -> bool {
        self.keeps
    }

    /// Rows of a block; a file's last one may have fewer.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// What is known of block `number` of the file at `location`.
    pub(crate) fn get(&self, location: &Arc<str>, number: u64) -> Option<Arc<Block>> {
        self.cache.get(&(Arc::clone(location), number))
    }

    /// Keeps it, in the place of what was known.
    pub(crate) fn put(&self, location: &Arc<str>, number: u64, block: Arc<Block>) {
        self.cache.insert((Arc::clone(location), number), block);
    }
}

#[derive(Clone, Copy, Debug)]
struct BySize;

impl Weighter<(Arc<str>, u64), Arc<Block>> for BySize {
    fn weight(&self, _: &(Arc<str>, u64), block: &Arc<Block>) -> u64 {
        block.memory_bytes() as u64
    }
}

/// Some rows of a file that follow one another, in those columns that were asked for so far.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// By their places in [`columns::file_columns`].
    columns: Vec<Option<Values>>,
}

/// The values of one column.
#[derive(Clone, Debug)]
enum Values {
    /// All of them are null, as of most columns of most blocks.
    Null,
    These(ArrayRef),
}

impl Block {
    /// One of which nothing is known.
    pub(crate) fn empty() -> Self {
        Self { columns: vec![None; columns::file_columns().fields().len()] }
    }

    /// Whether it has the values of a column.
    pub(crate) fn has(&self, column: usize) -> bool {
        self.columns[column].is_some()
    }

    /// With one column more.
    #[must_use]
    pub(crate) fn with(mut self, column: usize, values: &ArrayRef) -> Self {
        self.columns[column] = Some(match values.null_count() == values.len() {
            true => Values::Null,
            false => Values::These(compact(values)),
        });
        self
    }

    /// The values of a column that it has, for all of its `rows`.
    pub(crate) fn all(&self, column: usize, rows: usize) -> Result<ArrayRef> {
        match self.values(column)? {
            Values::These(values) => Ok(Arc::clone(values)),
            Values::Null => Ok(new_null_array(type_of(column), rows)),
        }
    }

    /// Those values of a column that it has that `chosen` says.
    pub(crate) fn some(&self, column: usize, chosen: &FilterPredicate) -> Result<ArrayRef> {
        match self.values(column)? {
            // A few texts would keep those of the whole block in memory for as long as the answer is on its way.
            Values::These(values) => Ok(compact(&chosen.filter(values)?)),
            Values::Null => Ok(new_null_array(type_of(column), chosen.count())),
        }
    }

    /// What was not read is no null.
    fn values(&self, column: usize) -> Result<&Values> {
        match &self.columns[column] {
            Some(values) => Ok(values),
            None => internal_err!("a block is asked for column {column}, which was not read"),
        }
    }

    fn memory_bytes(&self) -> usize {
        let of = |values: &Option<Values>| match values {
            Some(Values::These(values)) => values.get_array_memory_size(),
            Some(Values::Null) | None => 0,
        };
        ENTRY_BYTES + self.columns.iter().map(of).sum::<usize>()
    }
}

fn type_of(column: usize) -> &'static DataType {
    columns::type_of_file_column(column)
}

/// The same values, without texts that none of them is if these are most of what they keep in memory.
fn compact(values: &ArrayRef) -> ArrayRef {
    let Some(views) = values.as_string_view_opt() else { return Arc::clone(values) };
    let kept: usize = views.data_buffers().iter().map(Buffer::len).sum();
    match kept > 2 * views.total_buffer_bytes_used() {
        true => Arc::new(views.gc()),
        false => Arc::clone(values),
    }
}

/// Which rows of a block are wanted.
pub(crate) fn chosen(passed: &BooleanArray) -> FilterPredicate {
    arrow::compute::FilterBuilder::new(passed).optimize().build()
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringViewArray};

    use super::*;
    use crate::event::schema::{OCCURRED_AT, SEQ};

    fn place(name: &str) -> usize {
        columns::file_columns().index_of(name).unwrap()
    }

    fn texts(count: usize) -> ArrayRef {
        let text = "a text that is longer than what a view holds itself";
        Arc::new(StringViewArray::from_iter_values((0..count).map(|number| format!("{text}, {number}"))))
    }

    /// Would catch memory that is not bounded: blocks that weigh nothing, or texts that are shared with what is long gone.
    #[test]
    fn memory_is_bounded_by_what_the_blocks_hold() {
        let blocks = Blocks::new(8, 64 * 1024);
        let (name, id) = (Arc::<str>::from("a"), place("id"));
        let wide = texts(10_000);
        for number in 0..200 {
            let block = Block::empty().with(id, &wide.slice(number * 8, 8));
            assert!(block.memory_bytes() < 4 * ENTRY_BYTES, "{} bytes", block.memory_bytes());
            blocks.put(&name, number as u64, Arc::new(block));
        }
        assert!(blocks.cache.weight() <= 64 * 1024);
        let kept = (0..200).filter(|number| blocks.get(&name, *number).is_some()).count();
        assert!((8..100).contains(&kept), "{kept} of 200 blocks are kept");
    }

    /// Would catch a column that is given for another, or of another block or file, and nulls of the wrong number or type.
    #[test]
    fn a_block_gives_what_was_put_into_it() {
        let blocks = Blocks::new(8, 1 << 20);
        let (name, id, seq) = (Arc::<str>::from("a"), place("id"), place(SEQ));
        let seqs: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let nulls = new_null_array(type_of(place("user_agent")), 3);
        let block = Block::empty().with(id, &texts(3)).with(seq, &seqs).with(place("user_agent"), &nulls);
        assert!(block.has(id) && block.has(place("user_agent")) && !block.has(place(OCCURRED_AT)));
        blocks.put(&name, 7, Arc::new(block));
        assert!(blocks.get(&name, 6).is_none() && blocks.get(&Arc::from("b"), 7).is_none());
        let block = blocks.get(&Arc::from("a"), 7).unwrap();
        assert_eq!((&block.all(id, 3).unwrap(), &block.all(seq, 3).unwrap()), (&texts(3), &seqs));
        assert_eq!(&block.all(place("user_agent"), 3).unwrap(), &nulls);
        assert!(block.all(place(OCCURRED_AT), 3).is_err(), "what was not read is not null");
        let second = chosen(&BooleanArray::from(vec![false, true, false]));
        assert_eq!(&block.some(id, &second).unwrap(), &texts(3).slice(1, 1));
        assert_eq!(block.some(place("user_agent"), &second).unwrap().len(), 1);
    }

    /// Would catch blocks that are kept although there is no room for any.
    #[test]
    fn without_room_nothing_is_kept() {
        let blocks = Blocks::new(8, 0);
        blocks.put(&Arc::from("a"), 0, Arc::new(Block::empty()));
        assert!(blocks.get(&Arc::from("a"), 0).is_none());
    }
}
