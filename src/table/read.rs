//! Streams a data file back as batches, in bounded memory.
//!
//! In: a [`DataFile`] and which columns and rows are wanted. Out: batches of the stored columns, in the file's
//! order, of about a mebibyte each, however well the file compresses. Guaranteed: nothing outside the wanted columns
//! and pages is decoded; small files cost one request, large ones one for the footer and one a row group.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
};
use bytes::Bytes;
use futures::{
    FutureExt, Stream, StreamExt, TryStreamExt,
    future::{self, BoxFuture},
    stream::{self, BoxStream},
};
use object_store::{ObjectStore, path::Path};
use parquet::{
    arrow::{
        ParquetRecordBatchStreamBuilder, ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection},
        async_reader::AsyncFileReader,
    },
    basic::Type as PhysicalType,
    errors::ParquetError,
    file::metadata::{
        PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, ParquetStatisticsPolicy, RowGroupMetaData,
    },
};

use super::{pages, snapshot::DataFile};
use crate::{
    error::{Error, ErrorKind, Result},
    event::schema,
    limits,
    paths::TableFolder,
    store::Store,
};

/// Files up to this size are fetched whole, with one request.
const WHOLE_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Bytes asked for first at the end of a large file: footer and page index of most.
const FOOTER_BYTES_HINT: usize = 64 * 1024;

/// What decoding a column takes beside its pages: mostly the decompressor.
const COLUMN_BYTES: u64 = 100 * 1024;

/// What a row takes of each column beside its text: a number, or a view of the text.
const VALUE_BYTES: u64 = 16;

/// Rows that a batch has at least, however large they are.
const BATCH_ROWS_MIN: u64 = 1;

/// What to read of a file; the default is everything.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// The columns wanted, in the stored order; `None`: all.
    pub columns: Option<Vec<&'static str>>,
    /// The rows wanted, as ascending ranges of row numbers in the file; `None`: all.
    pub rows: Option<Vec<Range<usize>>>,
    /// How many rows a batch has.
    pub batch_rows: BatchRows,
    /// Text as `Utf8View`, which shares the decoded pages instead of copying them.
    pub text_views: bool,
}

/// How many rows a batch has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BatchRows {
    /// As many as make about a mebibyte where the file's rows are largest. The page index says how large they are.
    #[default]
    Measured,
    /// All, if the footer says that they make no more than a mebibyte together, else as [`BatchRows::Measured`]. For files of few rows,
    /// of which it spares the page index.
    All,
    /// So many: for columns whose values are short.
    Of(usize),
}

/// Batches of one file, in its order.
pub type BatchStream = BoxStream<'static, Result<RecordBatch>>;

/// A file of which nothing was decoded yet.
pub struct OpenFile {
    /// Its rows.
    pub batches: BatchStream,
    /// Memory that reading all of it with text as views takes at most, by what its footer says: a row group as stored,
    /// a page and a dictionary of each column as decoded, one batch.
    pub memory_bytes: u64,
}

/// [`open`], for whoever does not ask what it takes.
pub async fn read(
    store: &Store,
    folder: &TableFolder,
    file: &DataFile,
    options: &ReadOptions,
) -> Result<BatchStream> {
    Ok(open(store, folder, file, options).await?.batches)
}

/// Opens `file` to stream it; errors name the file. A file that is missing or unreadable is
/// [`ErrorKind::Corrupt`], a store that does not answer [`ErrorKind::Unavailable`].
pub async fn open(
    store: &Store,
    folder: &TableFolder,
    file: &DataFile,
    options: &ReadOptions,
) -> Result<OpenFile> {
    let key = folder.data_file(&file.path);
    let failed = {
        let key = key.clone();
        move |cause: ParquetError| read_error(&key, cause)
    };
    let source = Source::open(store, &key, file).await?;
    let wanted = schema_of(options.text_views);
    let (metadata, batch_rows) = measured(&source, file, options, &wanted).await.map_err(&failed)?;
    let is_complete = metadata.schema().fields().len() == wanted.fields().len();
    if let (Source::Whole(bytes), None, None) = (&source, &options.columns, &options.rows) {
        let memory_bytes = memory_bytes(metadata.metadata(), file);
        let batches = pages::batches(bytes.clone(), metadata.metadata(), metadata.schema(), batch_rows);
        let batches = batches.map_err(&failed)?;
        // All bytes are at hand: what is wrong is wrong with them.
        let failed = move |cause: ArrowError| failed(ParquetError::ArrowError(cause.to_string()));
        let batches = stream::iter(batches).map_err(failed);
        return Ok(OpenFile { batches: complete(batches, is_complete, wanted, key), memory_bytes });
    }
    let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(source, metadata);
    let memory_bytes = memory_bytes(builder.metadata(), file);
    builder = builder.with_batch_size(batch_rows);
    if let Some(columns) = &options.columns {
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        builder = builder.with_projection(mask);
    }
    if let Some(rows) = &options.rows {
        let total = builder.metadata().file_metadata().num_rows() as usize;
        builder =
            builder.with_row_selection(RowSelection::from_consecutive_ranges(rows.iter().cloned(), total));
    }
    let batches = builder.build().map_err(&failed)?.map_err(failed);
    let wanted = projected(wanted, options.columns.as_deref());
    Ok(OpenFile { batches: complete(batches, is_complete, wanted, key), memory_bytes })
}

/// What the footer and, where it has a use, the page index say of a file, and the rows of its batches.
async fn measured(
    source: &Source,
    file: &DataFile,
    options: &ReadOptions,
    wanted: &SchemaRef,
) -> parquet::errors::Result<(ArrowReaderMetadata, usize)> {
    let read = async |page_index, sizes| {
        // Statistics lead to rows; which rows, the caller knows.
        let options = ArrowReaderOptions::new()
            .with_offset_index_policy(page_index)
            .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_size_stats_policy(sizes)
            .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll);
        Source::metadata(source.clone(), options, wanted).await
    };
    const SKIP: ParquetStatisticsPolicy = ParquetStatisticsPolicy::SkipAll;
    // The page index says where rows stand, and how much text they hold.
    let of_rows = if options.rows.is_some() { PageIndexPolicy::Optional } else { PageIndexPolicy::Skip };
    match options.batch_rows {
        BatchRows::Of(rows) => return Ok((read(of_rows, SKIP).await?, rows)),
        // What does not fit as stored is not worth the look.
        BatchRows::All if file.size_bytes <= limits::READ_BATCH_BYTES_MAX as u64 => {
            let metadata = read(of_rows, ParquetStatisticsPolicy::KeepAll).await?;
            let bytes = decoded_bytes(metadata.metadata());
            if bytes.is_some_and(|bytes| bytes <= limits::READ_BATCH_BYTES_MAX as u64) {
                let rows = metadata.metadata().file_metadata().num_rows();
                return Ok((metadata, (rows as usize).max(1)));
            }
        }
        BatchRows::All | BatchRows::Measured => {}
    }
    let metadata = read(PageIndexPolicy::Optional, SKIP).await?;
    let rows = batch_rows(metadata.metadata());
    Ok((metadata, rows))
}

/// Batches as they come, or those of a file from before there was a column, with that column.
fn complete(
    batches: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
    are_complete: bool,
    wanted: SchemaRef,
    key: Path,
) -> BatchStream {
    if are_complete {
        return batches.boxed();
    }
    batches.and_then(move |batch| future::ready(completed(&batch, &wanted, &key))).boxed()
}

/// The columns wanted of `schema`.
fn projected(schema: SchemaRef, columns: Option<&[&str]>) -> SchemaRef {
    let Some(columns) = columns else { return schema };
    let wanted = schema.fields().iter().filter(|field| columns.contains(&field.name().as_str()));
    Arc::new(Schema::new(wanted.cloned().collect::<Vec<_>>()))
}

/// A batch of a file from before there was a column, with that column.
fn completed(batch: &RecordBatch, wanted: &SchemaRef, key: &Path) -> Result<RecordBatch> {
    let complete = schema::completed(&batch.schema(), batch.columns(), batch.num_rows(), wanted);
    complete.ok_or_else(|| {
        Error::new(ErrorKind::Corrupt, format!("read {key}: its columns are not those of events"))
    })
}

/// [`read`] into memory: for files, or parts of files, that are known to be small.
pub async fn read_all(
    store: &Store,
    folder: &TableFolder,
    file: &DataFile,
    options: &ReadOptions,
) -> Result<Vec<RecordBatch>> {
    read(store, folder, file, options).await?.try_collect().await
}

/// The stored schema, with text as views if so wanted.
pub(crate) fn schema_of(text_views: bool) -> SchemaRef {
    let stored = schema::stored_schema();
    if !text_views {
        return stored;
    }
    let as_view = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        _ => field.clone(),
    };
    Arc::new(Schema::new(stored.fields().iter().map(as_view).collect::<Vec<_>>()))
}

/// Where the Parquet decoder gets a file's bytes from.
#[derive(Clone)]
pub(super) enum Source {
    /// All of them at hand.
    Whole(Bytes),
    /// Range by range, as they are needed.
    Ranges { store: Arc<dyn ObjectStore>, key: Path, size_bytes: u64 },
}

impl Source {
    /// The file's metadata, by which its columns come in the types of `wanted`.
    async fn metadata(
        mut self,
        options: ArrowReaderOptions,
        wanted: &SchemaRef,
    ) -> parquet::errors::Result<ArrowReaderMetadata> {
        let metadata = self.get_metadata(Some(&options)).await?;
        let with = |schema: SchemaRef| {
            ArrowReaderMetadata::try_new(Arc::clone(&metadata), options.clone().with_schema(schema))
        };
        // A file from before there was a column `sealed` has all others.
        let before = || {
            Schema::new(
                wanted
                    .fields()
                    .iter()
                    .filter(|field| field.name() != schema::SEALED)
                    .cloned()
                    .collect::<Vec<_>>(),
            )
        };
        with(Arc::clone(wanted)).or_else(|error| with(Arc::new(before())).map_err(|_| error))
    }

    pub(super) async fn open(store: &Store, key: &Path, file: &DataFile) -> Result<Self> {
        if file.size_bytes > WHOLE_FILE_BYTES_MAX {
            let (store, key) = (store.object_store(), key.clone());
            return Ok(Self::Ranges { store, key, size_bytes: file.size_bytes });
        }
        store.get(key).await?.map(Self::Whole).ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, format!("{key} is in the Delta log but not in the store"))
        })
    }
}

impl AsyncFileReader for Source {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move {
            let ranges = self.get_byte_ranges(vec![range]).await?;
            ranges.into_iter().next().ok_or_else(|| ParquetError::General("no bytes for a range".into()))
        }
        .boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        async move {
            match self {
                Self::Whole(bytes) => ranges.into_iter().map(|range| slice(bytes, range)).collect(),
                Self::Ranges { store, key, .. } => {
                    store.get_ranges(key, &ranges).await.map_err(|cause| ParquetError::External(cause.into()))
                }
            }
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move {
            let reader = ParquetMetaDataReader::new().with_arrow_reader_options(options);
            let metadata = match self {
                Self::Whole(bytes) => reader.parse_and_finish(bytes)?,
                Self::Ranges { size_bytes, .. } => {
                    let size_bytes = *size_bytes;
                    let reader = reader.with_prefetch_hint(Some(FOOTER_BYTES_HINT));
                    reader.load_and_finish(self, size_bytes).await?
                }
            };
            Ok(Arc::new(metadata))
        }
        .boxed()
    }
}

pub(super) fn slice(bytes: &Bytes, range: Range<u64>) -> parquet::errors::Result<Bytes> {
    let (start, end) = (range.start as usize, range.end as usize);
    if start > end || end > bytes.len() {
        let message = format!("bytes {start}..{end} are beyond the file's {}", bytes.len());
        return Err(ParquetError::EOF(message));
    }
    Ok(bytes.slice(start..end))
}

/// Rows that make a batch of about a mebibyte where the file's rows are largest.
fn batch_rows(metadata: &ParquetMetaData) -> usize {
    let rows = limits::READ_BATCH_BYTES_MAX as u64 / row_bytes_max(metadata).max(1);
    rows.clamp(BATCH_ROWS_MIN, limits::READ_BATCH_ROWS_MAX as u64) as usize
}

/// Bytes that all rows take together; `None` if the footer does not say how much text there is.
fn decoded_bytes(metadata: &ParquetMetaData) -> Option<u64> {
    let columns = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
    let bytes = columns.map(|column| {
        let text = match column.column_type() {
            PhysicalType::BYTE_ARRAY => column.unencoded_byte_array_data_bytes()?,
            _ => 0,
        };
        Some(text as u64 + column.num_values() as u64 * VALUE_BYTES)
    });
    bytes.sum()
}

/// Bytes of a row where the file's rows are largest.
pub(crate) fn row_bytes_max(metadata: &ParquetMetaData) -> u64 {
    (0..metadata.num_row_groups()).map(|group| row_bytes(metadata, group)).max().unwrap_or(0)
}

/// Bytes of a row in the pages of a row group that hold the longest text of their columns.
fn row_bytes(metadata: &ParquetMetaData, group: usize) -> u64 {
    let meta = metadata.row_group(group);
    let rows = (meta.num_rows() as u64).max(1);
    let average = |column: usize| (meta.column(column).uncompressed_size() as u64).div_ceil(rows);
    let of_pages = |column: usize| longest_text(metadata, group, column);
    let columns = 0..meta.num_columns();
    columns.map(|column| of_pages(column).unwrap_or_else(|| average(column)) + VALUE_BYTES).sum()
}

/// Bytes of text a row in the page of a column that has most of it; `None` if the file does not say.
fn longest_text(metadata: &ParquetMetaData, group: usize, column: usize) -> Option<u64> {
    let index = metadata.offset_index()?.get(group)?.get(column)?;
    let text_bytes = index.unencoded_byte_array_data_bytes()?;
    let starts = index.page_locations().iter().map(|page| page.first_row_index);
    let ends = starts.clone().skip(1).chain([metadata.row_group(group).num_rows()]);
    let rows = starts.zip(ends).map(|(start, end)| (end - start).max(1) as u64);
    text_bytes.iter().zip(rows).map(|(bytes, rows)| (*bytes as u64).div_ceil(rows)).max()
}

fn memory_bytes(metadata: &ParquetMetaData, file: &DataFile) -> u64 {
    let is_whole = file.size_bytes <= WHOLE_FILE_BYTES_MAX;
    let of_group = |group: &RowGroupMetaData| {
        let column_max = 2 * limits::PAGE_BYTES_MAX as u64;
        let decoded = |size: i64| (size as u64).min(column_max) + COLUMN_BYTES;
        let pages: u64 = group.columns().iter().map(|column| decoded(column.uncompressed_size())).sum();
        let stored = if is_whole { file.size_bytes } else { group.compressed_size() as u64 };
        stored + pages
    };
    let largest = metadata.row_groups().iter().map(of_group).max().unwrap_or(0);
    largest + limits::READ_BATCH_BYTES_MAX as u64
}

/// The store's trouble can pass; the format's cannot.
pub(super) fn read_error(key: &Path, cause: ParquetError) -> Error {
    let kind = match &cause {
        ParquetError::External(inner) => match inner.downcast_ref::<object_store::Error>() {
            Some(object_store::Error::NotFound { .. }) => ErrorKind::Corrupt,
            _ => ErrorKind::Unavailable,
        },
        _ => ErrorKind::Corrupt,
    };
    Error::with_source(kind, format!("read {key}"), cause)
}
