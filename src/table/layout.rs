//! How a data file is laid out in Parquet, and why.
//!
//! Sorted by time, so that the newest events and any time range are one run of pages. Row groups bounded in
//! rows (a newest-100 query opens one) and in bytes (a reader's memory). Small pages with an index of where they are, so
//! that one event costs one page a column, and a reader knows before it decodes how much text a run of rows holds;
//! smallest and largest values of each page only where rows follow their order, for elsewhere they exclude nothing
//! and would be most of the footer. Text that is nearly unique (ids, JSON, whatever else the first rows of a file show to
//! be) has no dictionary: it would be given up half-way, or be as large as the column and read whole for one event. Its
//! lengths are delta-coded and zstd sees the bare text, at a higher level in files of many rows, which stay and of which it is
//! most. Ids are coded by what they share with the one before: those that begin with their time share much.
//!
//! Files that leave the store (`portable_properties`) do without delta coding: plain values and dictionaries are what every reader of
//! Parquet has right.

use std::collections::HashSet;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, SchemaRef},
};
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

/// Ids of events and requests: hardly a value comes twice in a file.
const UNIQUE_ID_COLUMNS: [&str; 3] = [schema::ID, "request_id", "correlation_id"];

/// A column whose first rows have fewer values than this says nothing about the rest.
const SAMPLE_VALUES_MIN: usize = 256;
/// And this many say enough: to look at all of them would cost a good part of writing the file.
const SAMPLE_VALUES_MAX: usize = 2_048;

/// A file that begins with fewer rows is small, and compaction will write its rows again.
const LASTING_ROWS_MIN: usize = 4_096;

/// Columns of numbers that grow slowly down a file.
const GROWING_COLUMNS: [&str; 3] = [schema::SEQ, schema::OCCURRED_AT, schema::RECEIVED_AT];

/// What can be chosen about new files; old ones stay readable whatever is chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// zstd level, 1–22. The default is 3.
    pub zstd_level: i32,
    /// zstd level of text without a dictionary in files that begin with a batch of many rows, 1–22. The default is 9: some 4 %
    /// fewer bytes for some 2 µs an event.
    pub text_zstd_level: i32,
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
            text_zstd_level: 9,
            row_group_rows: limits::ROW_GROUP_ROWS_MAX,
            row_group_bytes: limits::ROW_GROUP_BYTES_MAX,
            page_rows: limits::PAGE_ROWS_MAX,
        }
    }
}

impl Settings {
    /// Whether files can be written so.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], naming a zstd level that does not exist.
    pub fn validate(&self) -> Result<()> {
        zstd(self.zstd_level)?;
        zstd(self.text_zstd_level).map(drop)
    }
}

/// The Parquet writer's properties for a file that begins with the rows `first`; fails on a zstd level that does not exist.
pub(crate) fn writer_properties(settings: &Settings, first: &RecordBatch) -> Result<WriterProperties> {
    let is_lasting = first.num_rows() >= LASTING_ROWS_MIN;
    let text_level = if is_lasting { settings.text_zstd_level } else { settings.zstd_level };
    let (compression, of_text) = (zstd(settings.zstd_level)?, zstd(text_level)?);
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(concat!("auditlake version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(compression)
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
    let json = schema::JSON_COLUMNS.map(ColumnPath::from);
    for column in json.into_iter().chain(columns_of_many_values(first)) {
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_compression(column.clone(), of_text)
            .set_column_encoding(column, Encoding::DELTA_LENGTH_BYTE_ARRAY);
    }
    for column in UNIQUE_ID_COLUMNS.map(ColumnPath::from) {
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            // What is left of them is nearly random: more effort finds nothing.
            .set_column_compression(column.clone(), compression)
            .set_column_encoding(column, Encoding::DELTA_BYTE_ARRAY);
    }
    Ok(properties.build())
}

/// Whether every reader has these encodings right: no values that are coded by their difference to others.
pub(crate) fn is_portable(encoding: Encoding) -> bool {
    matches!(
        encoding,
        Encoding::PLAIN | Encoding::RLE | Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY
    )
}

/// The properties of a file of events that leaves the store: those of [`writer_properties`] for rows of which nothing is known, in
/// [portable](is_portable) encodings.
pub(crate) fn portable_properties(columns: SchemaRef) -> Result<WriterProperties> {
    // No rows are shown to it: the file is to depend on all rows, and not on how the first ones came.
    let compact = writer_properties(&Settings::default(), &RecordBatch::new_empty(columns))?;
    let mut properties = compact.into_builder().set_sorting_columns(None);
    for name in GROWING_COLUMNS.iter().chain(&schema::JSON_COLUMNS).chain(&UNIQUE_ID_COLUMNS) {
        properties = properties.set_column_encoding(ColumnPath::from(*name), Encoding::PLAIN);
    }
    Ok(properties.build())
}

fn zstd(level: i32) -> Result<Compression> {
    let known = ZstdLevel::try_new(level);
    known
        .map(Compression::ZSTD)
        .map_err(|cause| Error::with_source(ErrorKind::Invalid, format!("zstd level {level}"), cause))
}

/// Text columns of which more than half of the first values are different ones.
fn columns_of_many_values(first: &RecordBatch) -> Vec<ColumnPath> {
    let schema = first.schema();
    let columns = schema.fields().iter().zip(first.columns());
    let many = columns.filter_map(|(field, array)| match array.data_type() {
        DataType::List(item) => {
            let path = vec![field.name().clone(), "list".to_owned(), item.name().clone()];
            has_many_values(array.as_list::<i32>().values()).then(|| ColumnPath::new(path))
        }
        _ => has_many_values(array).then(|| ColumnPath::from(field.name().as_str())),
    });
    many.collect()
}

fn has_many_values(array: &dyn Array) -> bool {
    if !array.data_type().is_string() {
        return false;
    }
    let sample = array.slice(0, array.len().min(SAMPLE_VALUES_MAX));
    let values = sample.len() - sample.null_count();
    let Ok(texts) = cast(&sample, &DataType::Utf8View) else { return false };
    let different: HashSet<&str> = texts.as_string_view().iter().flatten().collect();
    values >= SAMPLE_VALUES_MIN && different.len() * 2 > values
}

/// (occurred_at, seq); both columns stand before the only nested one, so field and leaf numbers agree.
pub(crate) fn sorting_columns() -> Vec<SortingColumn> {
    let stored = schema::stored_schema();
    [schema::OCCURRED_AT, schema::SEQ]
        .into_iter()
        .map(|name| {
            let column_idx = stored.index_of(name).expect("a stored column") as i32;
            SortingColumn { column_idx, descending: false, nulls_first: false }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{ArrayRef, ListBuilder, StringArray, StringBuilder, StringViewArray},
        datatypes::{Field, Schema},
    };

    use super::*;

    /// Would catch a level that is spent on what compaction writes again, or not on what stays.
    #[test]
    fn text_of_many_rows_is_compressed_harder() {
        let settings = Settings { zstd_level: 2, text_zstd_level: 7, ..Settings::default() };
        for (rows, level) in [(LASTING_ROWS_MIN, 7), (LASTING_ROWS_MIN - 1, 2)] {
            let first = batch(vec![("action", Arc::new(StringArray::from(texts(rows, 3))))]);
            let properties = writer_properties(&settings, &first).unwrap();
            for (column, expected) in [("metadata", level), ("action", 2), (schema::ID, 2)] {
                let expected = Compression::ZSTD(ZstdLevel::try_new(expected).unwrap());
                assert_eq!(properties.compression(&ColumnPath::from(column)), expected, "{rows} {column}");
            }
        }
        let wrong = Settings { text_zstd_level: 23, ..Settings::default() };
        let error = wrong.validate().unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Invalid, "zstd level 23".to_owned()));
    }

    /// Would catch columns that take half as many bytes again because they are written as any other text or number is.
    #[test]
    fn columns_are_written_in_the_encoding_that_suits_them() {
        let first = batch(vec![(schema::ID, Arc::new(StringArray::from(texts(10, 10))))]);
        let properties = writer_properties(&Settings::default(), &first).unwrap();
        let of_ids = UNIQUE_ID_COLUMNS.map(|name| (name, Encoding::DELTA_BYTE_ARRAY));
        let of_json = schema::JSON_COLUMNS.map(|name| (name, Encoding::DELTA_LENGTH_BYTE_ARRAY));
        let growing = GROWING_COLUMNS.map(|name| (name, Encoding::DELTA_BINARY_PACKED));
        for (name, encoding) in of_ids.into_iter().chain(of_json).chain(growing) {
            let column = ColumnPath::from(name);
            assert_eq!(properties.encoding(&column), Some(encoding), "{name}");
            assert!(!properties.dictionary_enabled(&column), "{name}");
        }
    }

    fn texts(rows: usize, different: usize) -> Vec<String> {
        (0..rows).map(|row| format!("v{}", row % different)).collect()
    }

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        let fields: Vec<Field> =
            columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
        RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            columns.into_iter().map(|(_, array)| array).collect(),
        )
        .unwrap()
    }

    /// Would catch a dictionary as large as its column, which a needle reads whole, and one missed where values come again.
    #[test]
    fn text_of_many_values_has_no_dictionary() {
        let rows = 2 * SAMPLE_VALUES_MIN;
        let many = texts(rows, rows / 2 + 1);
        let mut lists = ListBuilder::new(StringBuilder::new());
        many.iter().for_each(|value| lists.append_value([Some(value)]));
        let first = batch(vec![
            ("target_id", Arc::new(StringArray::from(many.clone()))),
            ("target_name", Arc::new(StringViewArray::from_iter_values(&many))),
            (schema::TARGET_IDS, Arc::new(lists.finish())),
            ("actor_id", Arc::new(StringArray::from(texts(rows, rows / 2)))),
        ]);
        let properties = writer_properties(&Settings::default(), &first).unwrap();
        for (column, expected) in [
            (ColumnPath::from("target_id"), false),
            (ColumnPath::from("target_name"), false),
            (ColumnPath::new(["target_ids", "list", "item"].map(str::to_owned).to_vec()), false),
            (ColumnPath::from("actor_id"), true),
            (ColumnPath::from("metadata"), false),
        ] {
            assert_eq!(properties.dictionary_enabled(&column), expected, "{column}");
        }
        let few =
            batch(vec![("target_id", Arc::new(StringArray::from(texts(SAMPLE_VALUES_MIN - 1, 1_000))))]);
        let properties = writer_properties(&Settings::default(), &few).unwrap();
        assert!(properties.dictionary_enabled(&ColumnPath::from("target_id")), "too few to tell");
        let mut late = texts(SAMPLE_VALUES_MAX, 1);
        late.extend(texts(3 * SAMPLE_VALUES_MAX, usize::MAX));
        let late = batch(vec![("target_id", Arc::new(StringArray::from(late)))]);
        let properties = writer_properties(&Settings::default(), &late).unwrap();
        assert!(properties.dictionary_enabled(&ColumnPath::from("target_id")), "the first rows decide");
    }
}
