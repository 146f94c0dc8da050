//! How a data file is laid out in Parquet, and why.
//!
//! Sorted by time, so that the newest events and any time range are one run of pages. Row groups bounded in
//! rows (a newest-100 query opens one) and in bytes (a reader's memory). Small pages with an index of where they are, so
//! that one event costs one page a column, and a reader knows before it decodes how much text a run of rows holds;
//! smallest and largest values of each page only where rows follow their order, for elsewhere they exclude nothing
//! and would be most of the footer. Ids and JSON text are nearly unique: a dictionary would only be given up
//! half-way; their lengths are delta-coded and zstd sees the bare text.

use parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    file::{
        metadata::SortingColumn,
        properties::{EnabledStatistics, WriterProperties, WriterVersion},
    },
    schema::types::ColumnPath,
};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    event::schema,
    limits,
};

/// Text columns with hardly a value twice in a file, next to the JSON columns.
const UNIQUE_TEXT_COLUMNS: [&str; 3] = [schema::ID, "request_id", "correlation_id"];

/// Columns of numbers that grow slowly down a file.
const GROWING_COLUMNS: [&str; 3] = [schema::SEQ, schema::OCCURRED_AT, schema::RECEIVED_AT];

/// What can be chosen about new files; old ones stay readable whatever is chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// zstd level, 1–22. The default is 3.
    pub zstd_level: i32,
    /// Rows of a row group.
    pub row_group_rows: usize,
    /// Encoded bytes of a row group.
    pub row_group_bytes: usize,
    /// Rows of a page.
    pub page_rows: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            zstd_level: 3,
            row_group_rows: limits::ROW_GROUP_ROWS_MAX,
            row_group_bytes: limits::ROW_GROUP_BYTES_MAX,
            page_rows: limits::PAGE_ROWS_MAX,
        }
    }
}

/// The Parquet writer's properties; fails on a zstd level that does not exist.
pub(crate) fn writer_properties(settings: &Settings) -> Result<WriterProperties> {
    let level = ZstdLevel::try_new(settings.zstd_level).map_err(|cause| {
        Error::with_source(ErrorKind::Invalid, format!("zstd level {}", settings.zstd_level), cause)
    })?;
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(concat!("auditlake version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(settings.row_group_rows))
        .set_max_row_group_bytes(Some(settings.row_group_bytes))
        .set_data_page_row_count_limit(settings.page_rows)
        .set_write_batch_size(settings.page_rows.min(limits::PAGE_ROWS_MAX))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_data_page_size_limit(limits::PAGE_BYTES_MAX)
        .set_dictionary_page_size_limit(limits::PAGE_BYTES_MAX)
        .set_sorting_columns(Some(sorting_columns()));
    for name in GROWING_COLUMNS {
        let column = ColumnPath::from(name);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_statistics_enabled(column.clone(), EnabledStatistics::Page)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    for name in UNIQUE_TEXT_COLUMNS.into_iter().chain(schema::JSON_COLUMNS) {
        let column = ColumnPath::from(name);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_LENGTH_BYTE_ARRAY);
    }
    Ok(properties.build())
}

/// (occurred_at, seq); both columns stand before the only nested one, so field and leaf numbers agree.
fn sorting_columns() -> Vec<SortingColumn> {
    let stored = schema::stored_schema();
    [schema::OCCURRED_AT, schema::SEQ]
        .into_iter()
        .map(|name| {
            let column_idx = stored.index_of(name).expect("a stored column") as i32;
            SortingColumn { column_idx, descending: false, nulls_first: false }
        })
        .collect()
}
