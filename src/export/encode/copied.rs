//! A Parquet file of events, put together of row groups of the table.
//!
//! In: row groups of data files. Out: the bytes of a file with the same columns as one that is encoded anew, `day` among them.
//! Guaranteed: all encodings are portable (see [`layout::is_portable`]). A column that is stored so is taken as its pages stand, with
//! its statistics and page index; one that is not, as numbers that grow and text without a dictionary, is decoded and encoded again, in
//! bounded memory.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use chrono::NaiveDate;
use parquet::{
    arrow::ArrowSchemaConverter,
    column::writer::ColumnCloseResult,
    data_type::Int32Type,
    errors::ParquetError,
    file::{
        metadata::{ColumnChunkMetaData, ParquetMetaData},
        properties::WriterPropertiesPtr,
        writer::SerializedFileWriter,
    },
    schema::types::SchemaDescriptor,
};

use super::transcode;
use crate::{
    error::{Error, ErrorKind, Result},
    event::schema,
    table::{RowGroup, layout},
};

/// The columns of the file, as Parquet has them; `None`: there is a defect, and nothing is copied.
static COLUMNS: LazyLock<Option<SchemaDescriptor>> =
    LazyLock::new(|| ArrowSchemaConverter::new().convert(&schema::table_schema()).ok());

/// Writes one file.
pub(crate) struct Copied {
    writer: SerializedFileWriter<Vec<u8>>,
    taken_bytes: u64,
}

impl Copied {
    /// Whether row groups of a file with this footer can be taken: its columns are ours, all but `day`.
    pub(crate) fn fits(metadata: &ParquetMetaData) -> bool {
        let (Some(ours), theirs) = (COLUMNS.as_ref(), metadata.file_metadata().schema_descr()) else {
            return false;
        };
        let same = |number: usize| {
            let (ours, theirs) = (ours.column(number), theirs.column(number));
            ours.path() == theirs.path()
                && ours.self_type_ptr() == theirs.self_type_ptr()
                && ours.max_def_level() == theirs.max_def_level()
                && ours.max_rep_level() == theirs.max_rep_level()
        };
        theirs.num_columns() + 1 == ours.num_columns() && (0..theirs.num_columns()).all(same)
    }

    pub(crate) fn new() -> Result<Self> {
        let columns =
            COLUMNS.as_ref().ok_or_else(|| failed(ParquetError::General("no columns".to_owned())))?;
        let properties: WriterPropertiesPtr = Arc::new(layout::portable_properties(schema::table_schema())?);
        let writer =
            SerializedFileWriter::new(Vec::new(), columns.root_schema_ptr(), properties).map_err(failed)?;
        Ok(Self { writer, taken_bytes: 0 })
    }

    /// Appends a row group, all of whose events are of `day`.
    pub(crate) fn append(&mut self, group: &RowGroup, day: NaiveDate) -> Result<()> {
        self.append_columns(group, day).map_err(failed)
    }

    fn append_columns(&mut self, group: &RowGroup, day: NaiveDate) -> parquet::errors::Result<()> {
        let number = group.number;
        let columns = group.metadata.row_group(number);
        let column_index = group.metadata.column_index().and_then(|index| index.get(number));
        let offset_index = group.metadata.offset_index().and_then(|index| index.get(number));
        let rows = columns.num_rows().max(0) as usize;
        let mut copy = self.writer.next_row_group()?;
        for (at, column) in columns.columns().iter().enumerate() {
            if !is_portable(column) {
                if let Some(mut writer) = copy.next_column()? {
                    transcode::column(group, column, rows, &mut writer)?;
                    writer.close()?;
                }
                continue;
            }
            let close = ColumnCloseResult {
                bytes_written: column.compressed_size().max(0) as u64,
                rows_written: columns.num_rows().max(0) as u64,
                metadata: column.clone(),
                bloom_filter: None,
                column_index: column_index.and_then(|index| index.get(at)).cloned(),
                offset_index: offset_index.and_then(|index| index.get(at)).cloned(),
            };
            copy.append_column(group, close)?;
        }
        let days = (day - NaiveDate::default()).num_days() as i32;
        if let Some(mut column) = copy.next_column()? {
            column.typed::<Int32Type>().write_batch(&vec![days; rows], Some(&vec![1; rows]), None)?;
            column.close()?;
        }
        copy.close().map(drop)
    }

    /// What is ready.
    pub(crate) fn take(&mut self) -> Bytes {
        let ready = std::mem::take(self.writer.inner_mut());
        self.taken_bytes += ready.len() as u64;
        Bytes::from(ready)
    }

    /// Bytes of the file so far.
    pub(crate) fn encoded_bytes(&self) -> u64 {
        self.taken_bytes + self.writer.inner().len() as u64
    }

    /// The rest of the file.
    pub(crate) fn finish(mut self) -> Result<Bytes> {
        self.writer.finish().map_err(failed)?;
        Ok(self.take())
    }
}

/// Whether the pages of a column can be taken as they are.
fn is_portable(column: &ColumnChunkMetaData) -> bool {
    column.encodings().all(layout::is_portable)
}

fn failed(cause: ParquetError) -> Error {
    Error::with_source(ErrorKind::Internal, "put row groups together", cause)
}
