//! Cuts rows into groups by the rows alone, however batches cut them.
//!
//! Encoders make pages, row groups and messages of what they are given at once. A query's batches differ from run to run
//! (threads race), so their borders must not show in a file that is written again. In: batches. Out: groups of
//! [`EXPORT_GROUP_ROWS_MAX`] rows, or fewer if their text passes [`EXPORT_GROUP_BYTES_MAX`]; the last one has the rest.

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::{DataType, SchemaRef},
};

use crate::{
    error::{Error, ErrorKind, Result},
    limits::{EXPORT_GROUP_BYTES_MAX, EXPORT_GROUP_ROWS_MAX},
};

/// What a value counts besides its text.
const VALUE_BYTES: usize = 8;

/// Rows that wait for their group to fill.
pub(super) struct Regroup {
    schema: SchemaRef,
    /// What waits; before it an empty batch, see [`Regroup::group`].
    waiting: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

impl Regroup {
    pub(super) fn new(schema: SchemaRef) -> Self {
        let waiting = vec![RecordBatch::new_empty(schema.clone())];
        Self { schema, waiting, rows: 0, bytes: 0 }
    }

    /// Takes rows in, and hands each group that is full to `write`.
    pub(super) fn push(
        &mut self,
        batch: &RecordBatch,
        mut write: impl FnMut(RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let mut start = 0;
        for row in 0..batch.num_rows() {
            self.rows += 1;
            self.bytes += row_bytes(batch, row);
            if self.rows == EXPORT_GROUP_ROWS_MAX || self.bytes >= EXPORT_GROUP_BYTES_MAX {
                self.waiting.push(batch.slice(start, row + 1 - start));
                start = row + 1;
                write(self.group()?)?;
            }
        }
        if start < batch.num_rows() {
            self.waiting.push(batch.slice(start, batch.num_rows() - start));
        }
        Ok(())
    }

    /// The last group, if there are rows for one.
    pub(super) fn end(&mut self) -> Result<Option<RecordBatch>> {
        if self.rows == 0 { Ok(None) } else { self.group().map(Some) }
    }

    /// All that waits as one batch. With the empty batch before it, even a lone slice is copied: arrays that start at 0, and
    /// bitmaps without what lay behind the slice's end.
    fn group(&mut self) -> Result<RecordBatch> {
        let group = concat_batches(&self.schema, &self.waiting)
            .map_err(|cause| Error::with_source(ErrorKind::Internal, "put rows to export together", cause))?;
        self.waiting.truncate(1);
        (self.rows, self.bytes) = (0, 0);
        Ok(group)
    }
}

fn row_bytes(batch: &RecordBatch, row: usize) -> usize {
    batch.columns().iter().map(|column| VALUE_BYTES + text_bytes(column.as_ref(), row)).sum()
}

/// Bytes of a row's text, the text of lists included; other values are small.
fn text_bytes(column: &dyn Array, row: usize) -> usize {
    if column.is_null(row) {
        return 0;
    }
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value_length(row) as usize,
        DataType::LargeUtf8 => column.as_string::<i64>().value_length(row) as usize,
        DataType::Utf8View => column.as_string_view().value(row).len(),
        DataType::Binary => column.as_binary::<i32>().value_length(row) as usize,
        DataType::BinaryView => column.as_binary_view().value(row).len(),
        DataType::List(_) => {
            let values = column.as_list::<i32>().value(row);
            (0..values.len()).map(|index| VALUE_BYTES + text_bytes(values.as_ref(), index)).sum()
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{ArrayRef, ListBuilder, StringArray, StringBuilder},
        datatypes::Schema,
    };

    use super::*;

    fn rows(texts: &[String]) -> RecordBatch {
        let mut lists = ListBuilder::new(StringBuilder::new());
        texts.iter().for_each(|text| lists.append_value([Some(text), None]));
        let columns: [(&str, ArrayRef); 2] =
            [("text", Arc::new(StringArray::from_iter_values(texts))), ("list", Arc::new(lists.finish()))];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    /// The rows of each group, if they come in batches of so many.
    fn groups(rows: &RecordBatch, batch_rows: usize) -> Vec<usize> {
        let mut regroup = Regroup::new(rows.schema());
        let mut found = Vec::new();
        for start in (0..rows.num_rows()).step_by(batch_rows) {
            let batch = rows.slice(start, batch_rows.min(rows.num_rows() - start));
            let write = |group: RecordBatch| {
                found.push(group.num_rows());
                Ok(())
            };
            regroup.push(&batch, write).unwrap();
        }
        found.extend(regroup.end().unwrap().map(|group| group.num_rows()));
        found
    }

    /// Would catch groups that grow past what memory is planned for, and borders that follow the batches.
    #[test]
    fn groups_are_bounded_in_rows_and_in_text() {
        let small = rows(&vec!["x".to_owned(); EXPORT_GROUP_ROWS_MAX * 2 + 3]);
        // Two texts of 64 KiB a row: half as many rows fill a group as there are 64 KiB in it, less what else is counted.
        let large = rows(&vec!["x".repeat(64 * 1024); 70]);
        for batch_rows in [1, 1_000, EXPORT_GROUP_ROWS_MAX, 10_000] {
            assert_eq!(groups(&small, batch_rows), [EXPORT_GROUP_ROWS_MAX, EXPORT_GROUP_ROWS_MAX, 3]);
            assert_eq!(groups(&large, batch_rows), [32, 32, 6]);
        }
        let empty = RecordBatch::new_empty(Arc::new(Schema::empty()));
        assert!(groups(&empty, 1).is_empty());
    }
}
