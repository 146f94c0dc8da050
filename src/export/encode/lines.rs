//! NDJSON: one JSON object a line, UTF-8, `\n` after each.
//!
//! Events have the form in which the API shows them; rows of a query the form of `format=ndjson` (every column, null or not);
//! OCSF events have no nulls.

use arrow::{
    array::RecordBatch,
    json::writer::{LineDelimited, Writer as JsonWriter},
};

use super::{Format, Writer, sink::Sink, unfit};
use crate::{error::Result, event::canonical, export::ocsf, query::format::text};

/// Events as the API shows them.
pub(super) struct Events {
    sink: Sink,
    line: String,
}

impl Events {
    pub(super) fn new(sink: Sink) -> Self {
        Self { sink, line: String::new() }
    }
}

impl Writer for Events {
    fn write(&mut self, group: &RecordBatch) -> Result<()> {
        let rows = canonical::Rows::new(group)?;
        for row in 0..rows.len() {
            self.line.clear();
            rows.push_api(row, &mut self.line);
            self.line.push('\n');
            self.sink.put(self.line.as_bytes())?;
        }
        Ok(())
    }

    fn ready(&mut self) -> &mut Vec<u8> {
        self.sink.ready()
    }

    fn pending_bytes(&self) -> u64 {
        self.sink.ready_bytes()
    }

    fn end(self: Box<Self>) -> Result<Vec<u8>> {
        self.sink.end()
    }
}

/// Rows of a query.
pub(super) struct Rows {
    sink: Sink,
    rows: JsonWriter<Vec<u8>, LineDelimited>,
}

impl Rows {
    pub(super) fn new(sink: Sink) -> Self {
        Self { sink, rows: text::json_writer().build(Vec::new()) }
    }
}

impl Writer for Rows {
    fn write(&mut self, group: &RecordBatch) -> Result<()> {
        self.rows.write(group).map_err(|cause| unfit(Format::Ndjson, cause))?;
        self.sink.put(self.rows.get_ref())?;
        self.rows.get_mut().clear();
        Ok(())
    }

    fn ready(&mut self) -> &mut Vec<u8> {
        self.sink.ready()
    }

    fn pending_bytes(&self) -> u64 {
        self.sink.ready_bytes()
    }

    fn end(self: Box<Self>) -> Result<Vec<u8>> {
        self.sink.end()
    }
}

/// Events of the Open Cybersecurity Schema Framework.
pub(super) struct Ocsf {
    sink: Sink,
}

impl Ocsf {
    pub(super) fn new(sink: Sink) -> Self {
        Self { sink }
    }
}

impl Writer for Ocsf {
    fn write(&mut self, group: &RecordBatch) -> Result<()> {
        ocsf::write_lines(group, &mut self.sink)
    }

    fn ready(&mut self) -> &mut Vec<u8> {
        self.sink.ready()
    }

    fn pending_bytes(&self) -> u64 {
        self.sink.ready_bytes()
    }

    fn end(self: Box<Self>) -> Result<Vec<u8>> {
        self.sink.end()
    }
}
