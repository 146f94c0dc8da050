//! From when to when the blocks of a file go, and how large its rows can be.
//!
//! In: a file's footer with its page index. Out: for each block of rows, a first and a last time; the bytes of a row. Guaranteed: no event of a block is
//! outside of its times; they are in memory from the first time on, within a bound, because files never change.

use std::{ops::Range, sync::Arc};

use datafusion::scalar::ScalarValue;
use parquet::{
    basic::{LogicalType, TimeUnit},
    file::{
        metadata::ParquetMetaData,
        page_index::{column_index::ColumnIndexMetaData, offset_index::PageLocation},
    },
};
use quick_cache::{Weighter, sync::Cache};

use crate::{
    event::schema::OCCURRED_AT,
    limits::{BLOCK_TIMES_CACHE_BYTES, BLOCK_TIMES_FILES_ESTIMATE},
    table::{read::row_bytes_max, snapshot::DataFile},
};

/// A time that no event is before, and one that none is after, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

impl Times {
    const ANY: Self = Self { first: i64::MIN, last: i64::MAX };

    /// What the statistics of the Delta log tell of a file.
    pub(crate) fn of(file: &DataFile) -> Self {
        let stats = file.stats.get(OCCURRED_AT);
        let micros = |value: Option<&ScalarValue>| match value {
            Some(ScalarValue::TimestampMicrosecond(micros, _)) => *micros,
            _ => None,
        };
        Self {
            first: micros(stats.and_then(|stats| stats.min.as_ref())).unwrap_or(i64::MIN),
            last: micros(stats.and_then(|stats| stats.max.as_ref())).unwrap_or(i64::MAX),
        }
    }

    /// Whether an event of `wanted` may be within them.
    pub(crate) fn meet(self, wanted: &Range<i64>) -> bool {
        self.first < wanted.end && wanted.start <= self.last
    }

    fn within(self, other: Self) -> Self {
        Self { first: self.first.max(other.first), last: self.last.min(other.last) }
    }
}

/// What is known of a file's blocks.
#[derive(Debug)]
pub(crate) struct OfFile {
    /// Of each, in their order.
    pub(crate) times: Box<[Times]>,
    /// Decoded bytes of a row where rows are largest: text that is compressed well is many times what it is in the file.
    pub(crate) row_bytes: u64,
}

impl OfFile {
    /// What the footer tells, and where it does not, what is known of all of the file.
    pub(crate) fn new(footer: &ParquetMetaData, rows_of_block: u64, of_file: Times) -> Self {
        let times = of_blocks(footer, rows_of_block, of_file).into();
        Self { times, row_bytes: row_bytes_max(footer) }
    }
}

/// Of a file with this footer, for each block of so many rows. What the footer does not tell is `of_file`'s.
fn of_blocks(footer: &ParquetMetaData, rows_of_block: u64, of_file: Times) -> Vec<Times> {
    let total = footer.file_metadata().num_rows().max(0) as u64;
    let blocks = total.div_ceil(rows_of_block) as usize;
    let Some(pages) = pages(footer) else { return vec![of_file; blocks] };
    let mut known: Vec<Option<Times>> = vec![None; blocks];
    for (rows, times) in pages {
        for block in rows.start / rows_of_block..rows.end.div_ceil(rows_of_block) {
            let Some(known) = known.get_mut(block as usize) else { continue };
            *known = Some(known.map_or(times, |known| Times {
                first: known.first.min(times.first),
                last: known.last.max(times.last),
            }));
        }
    }
    known.into_iter().map(|known| known.map_or(of_file, |known| known.within(of_file))).collect()
}

/// The rows of each page of the column, and their times; `None` if the footer does not tell of all.
fn pages(footer: &ParquetMetaData) -> Option<Vec<(Range<u64>, Times)>> {
    let columns = footer.file_metadata().schema_descr();
    let column = columns.columns().iter().position(|column| column.path().string() == OCCURRED_AT)?;
    if columns.column(column).logical_type_ref() != Some(&LogicalType::timestamp(true, TimeUnit::MICROS)) {
        return None;
    }
    let (bounds, places) = (footer.column_index()?, footer.offset_index()?);
    let mut pages = Vec::new();
    let mut first_row = 0;
    for (number, group) in footer.row_groups().iter().enumerate() {
        let ColumnIndexMetaData::INT64(bounds) = bounds.get(number)?.get(column)? else { return None };
        let places = &places.get(number)?.get(column)?.page_locations;
        let rows = group.num_rows().max(0) as u64;
        if places.len() != bounds.min_values().len() {
            return None;
        }
        let row = |place: &PageLocation| place.first_row_index.max(0) as u64;
        let ends = places.iter().skip(1).map(row).chain([rows]);
        for (((place, end), first), last) in
            places.iter().zip(ends).zip(bounds.min_values_iter()).zip(bounds.max_values_iter())
        {
            let times =
                first.zip(last).map_or(Times::ANY, |(first, last)| Times { first: *first, last: *last });
            pages.push((first_row + row(place)..first_row + end, times));
        }
        first_row += rows;
    }
    Some(pages)
}

/// What is known of the blocks of files, in memory.
#[derive(Debug)]
pub(crate) struct TimesCache(Cache<Arc<str>, Arc<OfFile>, BySize>);

impl TimesCache {
    pub(crate) fn new() -> Self {
        Self(Cache::with_weighter(BLOCK_TIMES_FILES_ESTIMATE, BLOCK_TIMES_CACHE_BYTES, BySize))
    }

    pub(crate) fn get(&self, location: &str) -> Option<Arc<OfFile>> {
        self.0.get(location)
    }

    pub(crate) fn put(&self, location: &str, known: &Arc<OfFile>) {
        self.0.insert(Arc::from(location), Arc::clone(known));
    }
}

#[derive(Clone, Copy, Debug)]
struct BySize;

impl Weighter<Arc<str>, Arc<OfFile>> for BySize {
    fn weight(&self, location: &Arc<str>, known: &Arc<OfFile>) -> u64 {
        (location.len() + size_of_val::<[Times]>(&known.times) + ENTRY_BYTES) as u64
    }
}

/// What an entry takes beside its texts and numbers, about.
const ENTRY_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
    use parquet::{
        arrow::{
            ArrowWriter,
            arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions},
        },
        file::{
            metadata::PageIndexPolicy,
            properties::{EnabledStatistics, WriterProperties},
        },
    };
    use proptest::prelude::*;

    use super::*;

    /// A file with these times, in pages and row groups of some rows.
    fn footer(
        times: &[i64],
        page_rows: usize,
        group_rows: usize,
        statistics: EnabledStatistics,
    ) -> Arc<ParquetMetaData> {
        let micros = TimestampMicrosecondArray::from(times.to_vec()).with_timezone("UTC");
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..times.len() as i64));
        let columns: [(&str, ArrayRef); 2] = [("seq", numbers), (OCCURRED_AT, Arc::new(micros))];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let properties = WriterProperties::builder()
            .set_data_page_row_count_limit(page_rows)
            .set_write_batch_size(1)
            .set_max_row_group_row_count(Some(group_rows))
            .set_statistics_enabled(statistics)
            .build();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        let bytes = bytes::Bytes::from(writer.into_inner().unwrap());
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
        Arc::clone(ArrowReaderMetadata::load(&bytes, options).unwrap().metadata())
    }

    proptest! {
        /// Would catch a block whose times leave out one of its events, and times that are wider than its pages'.
        #[test]
        fn no_event_is_outside_of_its_block(
            times in prop::collection::vec(-50_i64..50, 1..60),
            page_rows in 1_usize..9,
            group_rows in 1_usize..30,
            block_rows in 1_u64..9,
        ) {
            let of_file = Times { first: -50, last: 49 };
            let known = of_blocks(&footer(&times, page_rows, group_rows, EnabledStatistics::Page), block_rows, of_file);
            prop_assert_eq!(known.len() as u64, (times.len() as u64).div_ceil(block_rows));
            for (block, known) in times.chunks(block_rows as usize).zip(&known) {
                let (first, last) = (*block.iter().min().unwrap(), *block.iter().max().unwrap());
                prop_assert!(known.first <= first && last <= known.last, "{:?} of {:?}", known, block);
                if page_rows == 1 {
                    prop_assert_eq!(*known, Times { first, last });
                }
            }
        }
    }

    /// Would catch events that are lost in files whose pages say nothing of their times.
    #[test]
    fn without_statistics_a_block_is_as_wide_as_its_file() {
        let of_file = Times { first: 3, last: 70 };
        let footer = footer(&[3, 4, 5, 70], 2, 4, EnabledStatistics::None);
        assert_eq!(of_blocks(&footer, 2, of_file), [of_file; 2]);
    }

    /// Would catch a cache without bounds.
    #[test]
    fn memory_is_bounded() {
        let cache = TimesCache::new();
        let known = Arc::new(OfFile { times: vec![Times::ANY; 65_536].into(), row_bytes: 1 });
        (0..40).for_each(|number| cache.put(&format!("file {number}"), &known));
        assert!(cache.0.weight() <= BLOCK_TIMES_CACHE_BYTES && cache.get("file 39").is_some());
    }
}
