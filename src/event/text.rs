//! A column of text as a batch has it: plain, or as views of decoded pages, which are cheaper to make; anything else is cast.
//!
//! In: batches of any of the event's schemas. Out: the text of a row, without a copy.

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, StringViewArray},
    compute::cast,
    datatypes::DataType,
};

use crate::error::{Error, ErrorKind, Result};

/// A column of text. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    Plain(StringArray),
    Views(StringViewArray),
}

impl Text {
    /// The column `name` of `batch`.
    pub(crate) fn of(batch: &RecordBatch, name: &str) -> Result<Self> {
        Self::new(column(batch, name)?, name)
    }

    /// The text of `array`, which errors call `name`.
    pub(crate) fn new(array: &ArrayRef, name: &str) -> Result<Self> {
        match array.data_type() {
            DataType::Utf8View => Ok(Self::Views(array.as_string_view().clone())),
            _ => Ok(Self::Plain(as_type(array, name, &DataType::Utf8)?.as_string::<i32>().clone())),
        }
    }

    /// The text of a row; `None` if it has none.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        match self {
            Self::Plain(array) => array.is_valid(row).then(|| array.value(row)),
            Self::Views(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }

    /// Whether any row has text.
    pub(crate) fn has_values(&self) -> bool {
        match self {
            Self::Plain(array) => array.null_count() < array.len(),
            Self::Views(array) => array.null_count() < array.len(),
        }
    }
}

/// The column `name` of `batch`, in whatever type it is.
pub(super) fn column<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b ArrayRef> {
    let missing =
        || Error::new(ErrorKind::Internal, format!("column {name} is missing from a batch of events"));
    batch.column_by_name(name).ok_or_else(missing)
}

/// The column `name` of `batch` in the type that is wanted.
pub(super) fn column_as(batch: &RecordBatch, name: &str, wanted: &DataType) -> Result<ArrayRef> {
    as_type(column(batch, name)?, name, wanted)
}

fn as_type(array: &ArrayRef, name: &str, wanted: &DataType) -> Result<ArrayRef> {
    if array.data_type() == wanted {
        return Ok(array.clone());
    }
    cast(array, wanted).map_err(|error| {
        let found = array.data_type();
        Error::with_source(ErrorKind::Internal, format!("column {name} is {found}, not {wanted}"), error)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Would catch a type of text whose rows are mixed up, or whose nulls become text.
    #[test]
    fn text_is_the_same_in_every_type() {
        let rows = [Some("short"), None, Some(""), Some("longer than what fits into a view"), Some("short")];
        let plain: ArrayRef = Arc::new(StringArray::from_iter(rows));
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        for data_type in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View, dictionary] {
            let array = cast(&plain, &data_type).unwrap();
            let text = Text::new(&array, "note").unwrap();
            assert_eq!((0..rows.len()).map(|row| text.get(row)).collect::<Vec<_>>(), rows, "{data_type}");
            assert!(text.has_values());
            let nothing = Text::new(&array.slice(1, 1), "note").unwrap();
            assert!(!nothing.has_values(), "{data_type}");
        }
    }
}
