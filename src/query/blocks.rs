//! What needles and pages have read of files, kept as decoded columns, as words, and as JSON.
//!
//! In: a block of rows of a file, or a few rows of one, as they were decoded; a block's words; an event. Out: the same, for whoever asks next. Guaranteed:
//! what is kept is what is stored, because files never change and each has a name of its own; it takes no more memory than was
//! said; what is asked for once does not push out what is asked for often (S3-FIFO, by `quick_cache`).
//!
//! To find a page, unpack and decode it takes some twenty times as long as to look at its rows. Who investigates asks about the
//! same actors, addresses and days again and again, one page after the other. A filter's columns are kept for whole blocks, because
//! the next value is looked for in the same; of the other columns, those few rows that the filter left, which take some hundredth
//! of the memory; of a page, its events as they are shown, which take a small part of what their columns would.

mod block;

use std::sync::Arc;

use arrow::{
    array::{Array, BooleanArray, BooleanBufferBuilder},
    compute::{FilterBuilder, FilterPredicate},
};
use quick_cache::{Weighter, sync::Cache};

pub(crate) use self::block::Block;
use super::block_words::BlockWords;

/// One row in so many, or fewer, are few.
const FEW: usize = 4;
/// What a block takes beside its columns' values, about.
const ENTRY_BYTES: usize = 1024;
/// What an event takes beside its texts, about.
const EVENT_BYTES: usize = 256;
/// What is kept, on average, to begin with: blocks of some columns, and many more events.
const KEPT_BYTES_ESTIMATE: u64 = 16 * 1024;

/// Rows of a file that are kept together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Piece {
    /// All of the block of this number.
    Block(u64),
    /// These of a block, by their places in it.
    Rows(u64, Arc<[u32]>),
}

impl Piece {
    /// The rows of a block at these places: all of it unless they are few. The block has `rows`.
    pub(crate) fn of(number: u64, places: &Arc<[u32]>, rows: usize) -> Self {
        match places.len() * FEW > rows {
            true => Self::Block(number),
            false => Self::Rows(number, Arc::clone(places)),
        }
    }

    /// Which block.
    pub(crate) fn number(&self) -> u64 {
        match self {
            Self::Block(number) | Self::Rows(number, _) => *number,
        }
    }

    /// Those of its rows at these places.
    pub(crate) fn part(&self, places: &[u32]) -> Self {
        Self::Rows(self.number(), places.iter().map(|place| self.row(*place)).collect())
    }

    /// Where a row of it is in the block.
    pub(crate) fn row(&self, place: u32) -> u32 {
        match self {
            Self::Block(_) => place,
            Self::Rows(_, places) => places[place as usize],
        }
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Self::Block(_) => 0,
            Self::Rows(_, places) => size_of_val::<[u32]>(places),
        }
    }
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    Piece(Piece),
    /// The words of a block.
    Words(u64),
    /// What is shown of one row.
    Event(u64),
}

#[derive(Clone, Debug)]
enum Known {
    Rows(Arc<Block>),
    Words(Arc<BlockWords>),
    Event(Arc<Event>),
}

/// One event as the API shows it.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) id: Box<str>,
    pub(crate) json: Box<str>,
}

/// Pieces in memory, of all files, and which words blocks have.
#[derive(Debug)]
pub(crate) struct Blocks {
    cache: Cache<(Arc<str>, Part), Known, BySize>,
    rows: u64,
    keeps: bool,
}

impl Blocks {
    /// Keeps blocks of so many rows within so many bytes; none if there are no bytes.
    pub(crate) fn new(rows: u64, bytes_max: u64) -> Self {
        let items = (bytes_max / KEPT_BYTES_ESTIMATE).max(16) as usize;
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

    /// What is known of a piece of the file at `location`.
    pub(crate) fn get(&self, location: &Arc<str>, piece: &Piece) -> Option<Arc<Block>> {
        let Known::Rows(block) = self.known(location, Part::Piece(piece.clone()))? else { return None };
        Some(block)
    }

    /// Keeps it, in the place of what was known.
    pub(crate) fn put(&self, location: &Arc<str>, piece: &Piece, block: Arc<Block>) {
        self.cache.insert((Arc::clone(location), Part::Piece(piece.clone())), Known::Rows(block));
    }

    /// The words of a block of the file at `location`, if they are known.
    pub(crate) fn words(&self, location: &Arc<str>, number: u64) -> Option<Arc<BlockWords>> {
        let Known::Words(words) = self.known(location, Part::Words(number))? else { return None };
        Some(words)
    }

    /// Keeps them.
    pub(crate) fn put_words(&self, location: &Arc<str>, number: u64, words: Arc<BlockWords>) {
        self.cache.insert((Arc::clone(location), Part::Words(number)), Known::Words(words));
    }

    /// What is shown of a row of the file at `location`, if it is known.
    pub(crate) fn event(&self, location: &Arc<str>, row: u64) -> Option<Arc<Event>> {
        let Known::Event(event) = self.known(location, Part::Event(row))? else { return None };
        Some(event)
    }

    /// Keeps it.
    pub(crate) fn put_event(&self, location: &Arc<str>, row: u64, event: Arc<Event>) {
        self.cache.insert((Arc::clone(location), Part::Event(row)), Known::Event(event));
    }

    fn known(&self, location: &Arc<str>, part: Part) -> Option<Known> {
        self.cache.get(&(Arc::clone(location), part))
    }
}

#[derive(Clone, Copy, Debug)]
struct BySize;

impl Weighter<(Arc<str>, Part), Known> for BySize {
    fn weight(&self, (_, part): &(Arc<str>, Part), known: &Known) -> u64 {
        let of_key = match part {
            Part::Piece(piece) => piece.memory_bytes(),
            Part::Words(_) | Part::Event(_) => 0,
        };
        let of_value = match known {
            Known::Rows(block) => block.memory_bytes(),
            Known::Words(words) => ENTRY_BYTES + words.memory_bytes(),
            Known::Event(event) => EVENT_BYTES + event.id.len() + event.json.len(),
        };
        (of_key + of_value) as u64
    }
}

/// The places of the rows that passed a filter.
pub(crate) fn places(passed: &BooleanArray) -> Arc<[u32]> {
    // What is neither true nor false did not pass, whatever stands in its place.
    let rows = match passed.nulls() {
        Some(known) => passed.values() & known.inner(),
        None => passed.values().clone(),
    };
    rows.set_indices_u32().collect()
}

/// Which rows of a block are wanted: of its `rows`, those at these places, which ascend.
pub(crate) fn chosen(places: &[u32], rows: usize) -> FilterPredicate {
    let mut wanted = BooleanBufferBuilder::new(rows);
    wanted.append_n(rows, false);
    places.iter().for_each(|place| wanted.set_bit(*place as usize, true));
    FilterBuilder::new(&BooleanArray::new(wanted.finish(), None)).optimize().build()
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{ArrayRef, Int64Array, ListBuilder, StringBuilder, StringViewArray, new_null_array},
        buffer::NullBuffer,
    };

    use super::{block::type_of, *};
    use crate::event::schema::{OCCURRED_AT, SEQ, TARGET_IDS};
    use crate::query::columns;

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
            let block = Block::empty().with(id, &wide.slice(number * 8, 8)).unwrap();
            assert!(block.memory_bytes() < 4 * ENTRY_BYTES, "{} bytes", block.memory_bytes());
            blocks.put(&name, &Piece::Block(number as u64), Arc::new(block));
        }
        assert!(blocks.cache.weight() <= 64 * 1024);
        let kept = (0..200).filter(|number| blocks.get(&name, &Piece::Block(*number)).is_some()).count();
        assert!((8..100).contains(&kept), "{kept} of 200 blocks are kept");
    }

    /// Would catch a column that is given for another, or of another block or file, and nulls of the wrong number or type.
    #[test]
    fn a_block_gives_what_was_put_into_it() {
        let blocks = Blocks::new(8, 1 << 20);
        let (name, id, seq) = (Arc::<str>::from("a"), place("id"), place(SEQ));
        let seqs: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let nulls = new_null_array(type_of(place("user_agent")), 3);
        let block = [(id, &texts(3)), (seq, &seqs), (place("user_agent"), &nulls)]
            .into_iter()
            .fold(Block::empty(), |block, (column, values)| block.with(column, values).unwrap());
        assert!(block.has(id) && block.has(place("user_agent")) && !block.has(place(OCCURRED_AT)));
        blocks.put(&name, &Piece::Block(7), Arc::new(block));
        let known = |name: &str, piece| blocks.get(&Arc::from(name), &piece);
        assert!(known("a", Piece::Block(6)).is_none() && known("b", Piece::Block(7)).is_none());
        assert!(known("a", Piece::Rows(7, Arc::new([0, 1, 2]))).is_none());
        let block = known("a", Piece::Block(7)).unwrap();
        assert_eq!((&block.all(id, 3).unwrap(), &block.all(seq, 3).unwrap()), (&texts(3), &seqs));
        assert_eq!(&block.all(place("user_agent"), 3).unwrap(), &nulls);
        assert!(block.all(place(OCCURRED_AT), 3).is_err(), "what was not read is not null");
        let second = chosen(&[1], 3);
        assert_eq!(&block.some(id, &second).unwrap(), &texts(3).slice(1, 1));
        assert_eq!(block.some(place("user_agent"), &second).unwrap().len(), 1);
    }

    /// Would catch few rows that keep all in memory that they were read with, many that are kept one by one, and rows for which
    /// the filter is null.
    #[test]
    fn few_rows_are_kept_without_the_others() {
        let passed = |every: usize| BooleanArray::from_iter((0..100).map(|row| Some(row % every == 1)));
        let piece = |passed: &BooleanArray| Piece::of(3, &places(passed), 100);
        assert_eq!(piece(&passed(2)), Piece::Block(3));
        assert_eq!(piece(&passed(40)), Piece::Rows(3, Arc::new([1, 41, 81])));
        let unknown = NullBuffer::from_iter((0..100).map(|row| row != 41));
        let passed = BooleanArray::new(passed(40).values().clone(), Some(unknown));
        assert_eq!(piece(&passed), Piece::Rows(3, Arc::new([1, 81])));
        let mut ids = ListBuilder::new(StringBuilder::new());
        (0..10_000).for_each(|number| ids.append_value([Some(format!("target {number}"))]));
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10_000));
        let columns: [(&str, ArrayRef); 3] =
            [(TARGET_IDS, Arc::new(ids.finish())), (SEQ, numbers), ("id", texts(10_000))];
        let block = columns.iter().fold(Block::empty(), |block, (name, values)| {
            block.with(place(name), &values.slice(5_000, 3)).unwrap()
        });
        assert!(block.memory_bytes() < 3 * ENTRY_BYTES, "{} bytes", block.memory_bytes());
        for (name, values) in &columns {
            assert_eq!(&block.all(place(name), 3).unwrap(), &values.slice(5_000, 3), "{name}");
        }
    }

    /// Would catch blocks that are kept although there is no room for any.
    #[test]
    fn without_room_nothing_is_kept() {
        let blocks = Blocks::new(8, 0);
        blocks.put(&Arc::from("a"), &Piece::Block(0), Arc::new(Block::empty()));
        assert!(blocks.get(&Arc::from("a"), &Piece::Block(0)).is_none());
    }
}
