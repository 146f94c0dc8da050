//! Files of text, line by line, on their way through a [`Sink`]; and NDJSON: one JSON object a line, UTF-8, `\n` after each.
//!
//! Events have the form in which the API shows them; rows of a query the form of `format=ndjson` (every column, null or not);
//! OCSF events have no nulls.

use arrow::{
    array::RecordBatch,
    json::writer::{LineDelimited, Writer as JsonWriter},
};

use super::{Format, Writer, sink::Sink, unfit};
use crate::{error::Result, event::canonical, export::ocsf, query::format::text};

/// Turns rows into lines.
pub(super) trait Lines: Send {
    fn write(&mut self, group: &RecordBatch, sink: &mut Sink) -> Result<()>;
}

/// A file of lines.
pub(super) struct Text<L> {
    pub(super) lines: L,
    pub(super) sink: Sink,
}

impl<L: Lines> Writer for Text<L> {
    fn write(&mut self, group: &RecordBatch) -> Result<()> {
        self.lines.write(group, &mut self.sink)
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

/// Events as the API shows them.
#[derive(Default)]
pub(super) struct Events {
    line: String,
}

impl Lines for Events {
    fn write(&mut self, group: &RecordBatch, sink: &mut Sink) -> Result<()> {
        let rows = canonical::Rows::new(group)?;
        for row in 0..rows.len() {
            self.line.clear();
            rows.push_api(row, &mut self.line);
            self.line.push('\n');
            sink.put(self.line.as_bytes())?;
        }
        Ok(())
    }
}

/// Rows of a query.
pub(super) struct Rows(JsonWriter<Vec<u8>, LineDelimited>);

impl Default for Rows {
    fn default() -> Self {
        Self(text::json_writer().build(Vec::new()))
    }
}

impl Lines for Rows {
    fn write(&mut self, group: &RecordBatch, sink: &mut Sink) -> Result<()> {
        self.0.write(group).map_err(|cause| unfit(Format::Ndjson, cause))?;
        sink.put(self.0.get_ref())?;
        self.0.get_mut().clear();
        Ok(())
    }
}

/// Events of the Open Cybersecurity Schema Framework.
pub(super) struct Ocsf;

impl Lines for Ocsf {
    fn write(&mut self, group: &RecordBatch, sink: &mut Sink) -> Result<()> {
        ocsf::write_lines(group, sink)
    }
}
