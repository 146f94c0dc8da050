//! All pages of a file that is in memory, for whoever reads it from beginning to end.
//!
//! In: a file's bytes and its footer. Out: batches, as the reader of the `parquet` crate makes them. Why: that reader has a decompressor
//! made for each column of each row group, which for a file of some hundred rows is most of the work; here a thread has one.

mod header;

use std::{cell::RefCell, ops::Range, sync::Arc};

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ParquetRecordBatchReader, RowGroups},
        parquet_to_arrow_field_levels,
    },
    basic::Compression,
    column::page::{Page, PageIterator, PageMetadata, PageReader},
    errors::{ParquetError, Result},
    file::{
        metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData},
        serialized_reader::SerializedPageReader,
    },
};
use zstd::bulk::Decompressor;

use self::header::{Header, Kind};

thread_local! {
    static DECOMPRESSOR: RefCell<Decompressor<'static>> =
        RefCell::new(Decompressor::new().expect("there is memory for a decompressor"));
}

/// Batches of all rows and columns, in the types of `schema`, whose columns are those of the file.
pub(super) fn batches(
    file: Bytes,
    metadata: &Arc<ParquetMetaData>,
    schema: &SchemaRef,
    batch_rows: usize,
) -> Result<ParquetRecordBatchReader> {
    let columns = metadata.file_metadata().schema_descr();
    let levels = parquet_to_arrow_field_levels(columns, ProjectionMask::all(), Some(schema.fields()))?;
    let file = File { bytes: file, metadata: Arc::clone(metadata) };
    ParquetRecordBatchReader::try_new_with_row_groups(&levels, &file, batch_rows, None)
}

/// A file with its footer. Cheap to clone.
#[derive(Clone)]
struct File {
    bytes: Bytes,
    metadata: Arc<ParquetMetaData>,
}

impl RowGroups for File {
    fn num_rows(&self) -> usize {
        self.metadata.file_metadata().num_rows() as usize
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        Ok(Box::new(Chunks { file: self.clone(), column, groups: 0..self.metadata.num_row_groups() }))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(self.metadata.row_groups().iter())
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

/// One column, a row group after the other.
struct Chunks {
    file: File,
    column: usize,
    groups: Range<usize>,
}

impl PageIterator for Chunks {}

impl Iterator for Chunks {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        let group = self.file.metadata.row_group(self.groups.next()?);
        Some(pages(&self.file.bytes, group.column(self.column), group.num_rows() as usize))
    }
}

fn pages(file: &Bytes, column: &ColumnChunkMetaData, rows: usize) -> Result<Box<dyn PageReader>> {
    let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
    let (Ok(start), Ok(length)) = (u64::try_from(start), u64::try_from(column.compressed_size())) else {
        return Err(wrong("a column begins before its file, or is of a size below zero"));
    };
    if !matches!(column.compression(), Compression::ZSTD(_)) {
        return Ok(Box::new(SerializedPageReader::new(Arc::new(file.clone()), column, rows, None)?));
    }
    let rest = super::read::slice(file, start..start.saturating_add(length))?;
    Ok(Box::new(Pages { rest, next: None }))
}

/// The pages of one column of one row group that were not read yet.
struct Pages {
    rest: Bytes,
    /// The header of the next one, if it was looked at, and its length.
    next: Option<(Header, usize)>,
}

impl Pages {
    fn header(&mut self) -> Result<Option<&Header>> {
        if self.next.is_none() && !self.rest.is_empty() {
            self.next = Some(Header::parse(&self.rest)?);
        }
        Ok(self.next.as_ref().map(|(header, _)| header))
    }

    /// The next page as it is stored.
    fn stored(&mut self) -> Result<Option<(Header, Bytes)>> {
        self.header()?;
        let Some((header, length)) = self.next.take() else { return Ok(None) };
        let end = length + header.compressed_bytes;
        if end > self.rest.len() {
            return Err(wrong("a page ends beyond its column"));
        }
        let page = self.rest.split_to(end).slice(length..);
        Ok(Some((header, page)))
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.stored()?.map(|(header, stored)| page(header, &stored)).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        let Some(header) = self.header()? else { return Ok(None) };
        let (num_rows, num_levels, is_dict) = match &header.kind {
            Kind::Dictionary { .. } => (None, None, true),
            Kind::Data { values, .. } => (None, Some(*values as usize), false),
            Kind::Data2 { values, rows, .. } => (Some(*rows as usize), Some(*values as usize), false),
        };
        Ok(Some(PageMetadata { num_rows, num_levels, is_dict }))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.stored().map(drop)
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

/// A page without its compression.
fn page(header: Header, stored: &Bytes) -> Result<Page> {
    let size = header.uncompressed_bytes;
    Ok(match header.kind {
        Kind::Dictionary { values, encoding, is_sorted } => {
            Page::DictionaryPage { buf: inflated(stored, 0, size)?, num_values: values, encoding, is_sorted }
        }
        Kind::Data { values, encoding, definition_levels, repetition_levels } => Page::DataPage {
            buf: inflated(stored, 0, size)?,
            num_values: values,
            encoding,
            def_level_encoding: definition_levels,
            rep_level_encoding: repetition_levels,
            statistics: None,
        },
        Kind::Data2 { values, nulls, rows, encoding, levels, is_compressed } => {
            let plain = levels[0] as usize + levels[1] as usize;
            Page::DataPageV2 {
                buf: if is_compressed { inflated(stored, plain, size)? } else { stored.clone() },
                num_values: values,
                encoding,
                num_nulls: nulls,
                num_rows: rows,
                def_levels_byte_len: levels[0],
                rep_levels_byte_len: levels[1],
                is_compressed,
                statistics: None,
            }
        }
    })
}

/// What was compressed to `stored`, but for the first `plain` bytes; all of it must be `size` bytes.
fn inflated(stored: &[u8], plain: usize, size: usize) -> Result<Bytes> {
    let (Some((plain, compressed)), true) = (stored.split_at_checked(plain), plain <= size) else {
        return Err(wrong("the levels of a page are longer than the page"));
    };
    let mut values = Vec::new();
    // Of no values nothing was compressed.
    if size > plain.len() {
        let inflate = |inflate: &RefCell<Decompressor<'static>>| {
            inflate.borrow_mut().decompress(compressed, size - plain.len())
        };
        values = DECOMPRESSOR.with(inflate)?;
    }
    if plain.len() + values.len() != size {
        return Err(wrong("a page is not as large as its header says"));
    }
    Ok(if plain.is_empty() { values.into() } else { [plain, &values].concat().into() })
}

fn wrong(why: &str) -> ParquetError {
    ParquetError::General(why.to_owned())
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use arrow::{
        array::{ArrayRef, Int64Array, ListBuilder, RecordBatch, StringBuilder, StringViewArray},
        compute::concat_batches,
    };
    use parquet::{
        arrow::{
            ArrowWriter,
            arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
        },
        basic::ZstdLevel,
        file::properties::{EnabledStatistics, WriterProperties, WriterVersion},
    };
    use proptest::prelude::*;

    use super::*;

    fn rows(count: usize) -> RecordBatch {
        let text = |row: usize| (!row.is_multiple_of(3)).then(|| format!("value {} of a dozen", row % 12));
        let mut lists = ListBuilder::new(StringBuilder::new());
        (0..count)
            .for_each(|row| lists.append_option((!row.is_multiple_of(5)).then(|| vec![text(row); row % 4])));
        let columns: [(&str, ArrayRef); 4] = [
            (
                "number",
                Arc::new(Int64Array::from_iter(
                    (0..count).map(|row| (!row.is_multiple_of(7)).then_some(row as i64)),
                )),
            ),
            ("text", Arc::new(StringViewArray::from_iter((0..count).map(text)))),
            ("nothing", Arc::new(StringViewArray::from_iter((0..count).map(|_| None::<&str>)))),
            ("list", Arc::new(lists.finish())),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
    }

    fn written(rows: &RecordBatch, version: WriterVersion, compression: Compression) -> Bytes {
        let properties = WriterProperties::builder()
            .set_writer_version(version)
            .set_compression(compression)
            .set_max_row_group_row_count(Some(700))
            .set_data_page_row_count_limit(100)
            .set_write_batch_size(50)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .build();
        let mut file = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut file, rows.schema(), Some(properties)).unwrap();
        writer.write(rows).unwrap();
        writer.close().unwrap();
        file.into()
    }

    fn footer(file: &Bytes, schema: &SchemaRef) -> Result<ArrowReaderMetadata> {
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true).with_schema(schema.clone());
        ArrowReaderMetadata::load(file, options)
    }

    fn ours(file: &Bytes, schema: &SchemaRef) -> Result<Vec<RecordBatch>> {
        let footer = footer(file, schema)?;
        Ok(batches(file.clone(), footer.metadata(), schema, 333)?.collect::<Result<_, _>>()?)
    }

    fn theirs(file: &Bytes, schema: &SchemaRef) -> Result<Vec<RecordBatch>> {
        let footer = footer(file, schema)?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), footer);
        Ok(builder.build()?.collect::<Result<_, _>>()?)
    }

    /// Would catch a page of any sort that is read otherwise than by the reader of the crate.
    #[test]
    fn every_sort_of_page_is_read() {
        let rows = rows(2_000);
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for compression in [Compression::ZSTD(ZstdLevel::default()), Compression::UNCOMPRESSED] {
                let read = ours(&written(&rows, version, compression), &rows.schema()).unwrap();
                assert_eq!(concat_batches(&rows.schema(), &read).unwrap(), rows, "{version:?} {compression}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// Would catch a changed byte that is read although the reader of the crate refuses it, or is read as something else.
        #[test]
        fn broken_files_are_refused_by_both(place: prop::sample::Index, byte: u8) {
            let rows = rows(150);
            let mut file = written(&rows, WriterVersion::PARQUET_1_0, Compression::ZSTD(ZstdLevel::default())).to_vec();
            let place = place.index(file.len());
            file[place] = byte;
            let file = Bytes::from(file);
            // Of some broken levels the crate's decoders, which both use, panic.
            let ours = catch_unwind(AssertUnwindSafe(|| ours(&file, &rows.schema())));
            if let Ok(Ok(ours)) = ours {
                let theirs = theirs(&file, &rows.schema()).unwrap();
                let of = |batches: &[RecordBatch]| concat_batches(&rows.schema(), batches).unwrap();
                prop_assert_eq!(of(&ours), of(&theirs));
            }
        }
    }
}
