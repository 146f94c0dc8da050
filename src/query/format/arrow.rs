//! Arrow IPC streams: the answer's own columns, batch by batch.

use arrow::{array::RecordBatch, datatypes::Schema, ipc::writer::StreamWriter};

use super::{Encoder, Format, unfit};
use crate::{error::Result, query::Statistics};

/// An IPC stream; its schema message is the first chunk.
pub(super) struct Ipc {
    writer: StreamWriter<Vec<u8>>,
}

impl Ipc {
    pub(super) fn new(schema: &Schema) -> Result<Self> {
        let writer =
            StreamWriter::try_new(Vec::new(), schema).map_err(|error| unfit(Format::Arrow, error))?;
        Ok(Self { writer })
    }
}

impl Encoder for Ipc {
    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>> {
        self.writer.write(batch).map_err(|error| unfit(Format::Arrow, error))?;
        Ok(std::mem::take(self.writer.get_mut()))
    }

    fn end(&mut self, _: &Statistics) -> Result<Vec<u8>> {
        self.writer.finish().map_err(|error| unfit(Format::Arrow, error))?;
        Ok(std::mem::take(self.writer.get_mut()))
    }
}
