//! Arrow IPC streams with zstd buffers: one message a group of rows.

use arrow::{
    array::RecordBatch,
    datatypes::SchemaRef,
    ipc::{
        CompressionType,
        writer::{IpcWriteOptions, StreamWriter},
    },
};

use super::{Format, Writer, unfit};
use crate::error::Result;

/// An IPC stream; it begins with the schema.
pub(super) struct File {
    writer: StreamWriter<Vec<u8>>,
}

impl File {
    pub(super) fn new(schema: SchemaRef) -> Result<Self> {
        let writer = IpcWriteOptions::default()
            .try_with_compression(Some(CompressionType::ZSTD))
            .and_then(|options| StreamWriter::try_new_with_options(Vec::new(), &schema, options));
        Ok(Self { writer: writer.map_err(|cause| unfit(Format::Arrow, cause))? })
    }
}

impl Writer for File {
    fn write(&mut self, group: &RecordBatch) -> Result<()> {
        self.writer.write(group).map_err(|cause| unfit(Format::Arrow, cause))
    }

    fn ready(&mut self) -> &mut Vec<u8> {
        self.writer.get_mut()
    }

    fn pending_bytes(&self) -> u64 {
        self.writer.get_ref().len() as u64
    }

    fn end(mut self: Box<Self>) -> Result<Vec<u8>> {
        self.writer.finish().map_err(|cause| unfit(Format::Arrow, cause))?;
        Ok(std::mem::take(self.writer.get_mut()))
    }
}
