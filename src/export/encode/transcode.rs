//! One column of a row group, decoded and encoded again in the encodings of another file.
//!
//! In: a column as it is stored. Out: the same values, nulls and lists in a column that is being written. Guaranteed: no value is
//! changed; what is decoded at a time is bounded by rows.

use std::sync::Arc;

use parquet::{
    basic::Type,
    column::{
        reader::{ColumnReaderImpl, get_column_reader, get_typed_column_reader},
        writer::ColumnWriterImpl,
    },
    data_type::{ByteArrayType, DataType, Int32Type, Int64Type},
    errors::{ParquetError, Result},
    file::{
        metadata::ColumnChunkMetaData, serialized_reader::SerializedPageReader,
        writer::SerializedColumnWriter,
    },
};

use crate::table::RowGroup;

/// Rows decoded at a time: a value may have a MiB.
const ROWS_AT_ONCE: usize = 256;

/// Writes the `rows` of a stored column with `writer`.
pub(super) fn column(
    group: &RowGroup,
    column: &ColumnChunkMetaData,
    rows: usize,
    writer: &mut SerializedColumnWriter<'_>,
) -> Result<()> {
    match column.column_type() {
        Type::INT32 => typed::<Int32Type>(group, column, rows, writer.typed()),
        Type::INT64 => typed::<Int64Type>(group, column, rows, writer.typed()),
        Type::BYTE_ARRAY => typed::<ByteArrayType>(group, column, rows, writer.typed()),
        other => Err(ParquetError::NYI(format!("no column of events is of {other}"))),
    }
}

fn typed<T: DataType>(
    group: &RowGroup,
    column: &ColumnChunkMetaData,
    rows: usize,
    writer: &mut ColumnWriterImpl<'_, T>,
) -> Result<()> {
    let descriptor = column.column_descr_ptr();
    let (has_nulls, has_lists) = (descriptor.max_def_level() > 0, descriptor.max_rep_level() > 0);
    let pages = SerializedPageReader::new(Arc::new(group.clone()), column, rows, None)?;
    let mut reader: ColumnReaderImpl<T> =
        get_typed_column_reader(get_column_reader(descriptor, Box::new(pages)));
    let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
    let mut left = rows;
    while left > 0 {
        values.clear();
        definitions.clear();
        repetitions.clear();
        let (records, ..) = reader.read_records(
            left.min(ROWS_AT_ONCE),
            has_nulls.then_some(&mut definitions),
            has_lists.then_some(&mut repetitions),
            &mut values,
        )?;
        if records == 0 {
            let path = column.column_path().string();
            return Err(ParquetError::EOF(format!("column {path} ends {left} rows before its row group")));
        }
        let definitions = has_nulls.then_some(definitions.as_slice());
        writer.write_batch(&values, definitions, has_lists.then_some(repetitions.as_slice()))?;
        left -= records;
    }
    Ok(())
}
