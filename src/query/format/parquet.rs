//! One Parquet file, written while the query runs.
//!
//! Memory is one row group at most: it is written out after [`GROUP_ROWS_MAX`] rows or [`GROUP_BYTES_MAX`] bytes.

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, SchemaRef},
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};

use super::{Encoder, Format, unfit};
use crate::{
    error::{Error, ErrorKind, Result},
    query::Statistics,
};

const GROUP_ROWS_MAX: usize = 128 * 1024;
const GROUP_BYTES_MAX: usize = 32 << 20;

/// A Parquet file.
pub(super) struct Parquet {
    writer: ArrowWriter<Vec<u8>>,
}

impl Parquet {
    pub(super) fn new(schema: SchemaRef) -> Result<Self> {
        if let Some(field) = schema.fields().iter().find(|field| is_span(field.data_type())) {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "write the answer as parquet: column {} is an interval or a difference of times, which readers of Parquet do not know; write extract(epoch FROM …) for its seconds",
                    field.name()
                ),
            ));
        }
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS_MAX))
            .build();
        let writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties))
            .map_err(|error| unfit(Format::Parquet, error))?;
        Ok(Self { writer })
    }
}

impl Encoder for Parquet {
    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>> {
        self.writer.write(batch).map_err(|error| unfit(Format::Parquet, error))?;
        if self.writer.in_progress_size() > GROUP_BYTES_MAX {
            self.writer.flush().map_err(|error| unfit(Format::Parquet, error))?;
        }
        Ok(std::mem::take(self.writer.inner_mut()))
    }

    fn end(&mut self, _: &Statistics) -> Result<Vec<u8>> {
        self.writer.finish().map_err(|error| unfit(Format::Parquet, error))?;
        Ok(std::mem::take(self.writer.inner_mut()))
    }
}

/// Whether a span of time is in a type.
fn is_span(data_type: &DataType) -> bool {
    match data_type {
        DataType::Interval(_) | DataType::Duration(_) => true,
        DataType::List(item) | DataType::LargeList(item) | DataType::Map(item, _) => {
            is_span(item.data_type())
        }
        DataType::Struct(members) => members.iter().any(|member| is_span(member.data_type())),
        _ => false,
    }
}
