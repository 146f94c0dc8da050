//! Parquet files: row groups of bounded bytes, zstd inside.
//!
//! Events are laid out as in the table (see `table/layout.rs`), but for the order, for an export has the rows in the order in
//! which they came and says nothing of it, and for the encodings, which are those that every reader has right. Row groups end after [`limits::ROW_GROUP_ROWS_MAX`] rows or
//! [`limits::ROW_GROUP_BYTES_MAX`] encoded bytes; pages and dictionaries are small, for each column has one in memory.

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};

use super::{Format, Writer, unfit};
use crate::{
    error::Result,
    export::ocsf::{self, mapping::Class},
    limits,
    table::layout,
};

/// Rows after which the encoder looks at how large a page has become: few, for a value may have 16 KiB.
const ROWS_BETWEEN_LOOKS: usize = 128;

/// A Parquet file.
pub(super) struct File {
    format: Format,
    writer: ArrowWriter<Vec<u8>>,
    /// Makes the columns of the file of those that come in.
    ocsf: Option<ocsf::Table>,
}

impl File {
    /// Whole events. Types are Parquet's own, as in the table's files.
    pub(super) fn of_events(schema: SchemaRef) -> Result<Self> {
        let properties = layout::portable_properties(Arc::clone(&schema))?;
        let properties = properties.into_builder().set_write_batch_size(ROWS_BETWEEN_LOOKS).build();
        Self::new(Format::Parquet, schema, properties, true)
    }

    /// The answer of a query. The Arrow types go into the file, too: there may be some that Parquet has not.
    pub(super) fn of_rows(schema: SchemaRef) -> Result<Self> {
        Self::new(Format::Parquet, schema, properties(), false)
    }

    /// Events of the Open Cybersecurity Schema Framework, of any class or all of one.
    pub(super) fn of_ocsf(class: Option<Class>) -> Result<Self> {
        let table = ocsf::Table::new(class)?;
        let file = Self::new(Format::OcsfParquet, table.schema(), properties(), true)?;
        Ok(Self { ocsf: Some(table), ..file })
    }

    fn new(format: Format, schema: SchemaRef, properties: WriterProperties, plain: bool) -> Result<Self> {
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(plain);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), schema, options)
            .map_err(|cause| unfit(format, cause))?;
        Ok(Self { format, writer, ocsf: None })
    }
}

fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_created_by(concat!("auditlake version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(limits::ROW_GROUP_ROWS_MAX))
        .set_max_row_group_bytes(Some(limits::ROW_GROUP_BYTES_MAX))
        .set_data_page_size_limit(limits::PAGE_BYTES_MAX)
        .set_dictionary_page_size_limit(limits::PAGE_BYTES_MAX)
        .set_write_batch_size(ROWS_BETWEEN_LOOKS)
        .build()
}

impl Writer for File {
    fn write(&mut self, group: &RecordBatch) -> Result<()> {
        let written = match &mut self.ocsf {
            Some(table) => self.writer.write(&table.columns(group)?),
            None => self.writer.write(group),
        };
        written.map_err(|cause| unfit(self.format, cause))
    }

    fn ready(&mut self) -> &mut Vec<u8> {
        self.writer.inner_mut()
    }

    fn pending_bytes(&self) -> u64 {
        (self.writer.inner().len() + self.writer.in_progress_size()) as u64
    }

    fn end(mut self: Box<Self>) -> Result<Vec<u8>> {
        self.writer.finish().map_err(|cause| unfit(self.format, cause))?;
        Ok(std::mem::take(self.writer.inner_mut()))
    }
}
