//! Rows of a file as they were decoded, column by column.
//!
//! In: columns, as they are read. Out: the same, for all rows or for some. Guaranteed: a column that was not read is an error and no null; what
//! is kept holds nothing in memory but its own rows.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, UInt32Array, new_null_array},
    buffer::Buffer,
    compute::{FilterPredicate, take},
    datatypes::DataType,
};
use datafusion::{common::internal_err, error::Result};

use super::ENTRY_BYTES;
use crate::query::columns;

/// The rows of a piece, in those columns that were asked for so far.
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
    pub(crate) fn with(mut self, column: usize, values: &ArrayRef) -> Result<Self> {
        self.columns[column] = Some(match values.null_count() == values.len() {
            true => Values::Null,
            false => Values::These(compact(&on_its_own(values)?)),
        });
        Ok(self)
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

    pub(super) fn memory_bytes(&self) -> usize {
        let of = |values: &Option<Values>| match values {
            Some(Values::These(values)) => values.get_array_memory_size(),
            Some(Values::Null) | None => 0,
        };
        ENTRY_BYTES + self.columns.iter().map(of).sum::<usize>()
    }
}

pub(super) fn type_of(column: usize) -> &'static DataType {
    columns::type_of_file_column(column)
}

/// The same values, without what they were cut out of. (Of texts, `compact` sees to that.)
fn on_its_own(values: &ArrayRef) -> Result<ArrayRef> {
    if values.data_type() == &DataType::Utf8View {
        return Ok(Arc::clone(values));
    }
    let all = UInt32Array::from_iter_values(0..values.len() as u32);
    let mut taken = take(values, &all, None)?;
    // Of lists it makes room for the items of all that they were cut out of.
    taken.shrink_to_fit();
    Ok(taken)
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
