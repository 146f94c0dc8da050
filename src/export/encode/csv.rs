//! CSV as answers have it, see [`crate::query::format`]: safe to open in a spreadsheet, or raw.

use std::io::Write;

use arrow::{array::RecordBatch, datatypes::SchemaRef};

use super::{Format, lines::Lines, sink::Sink, unfit};
use crate::{error::Result, query::format::csv};

/// The lines of a CSV file.
pub(super) struct Csv {
    lines: csv::Lines,
    format: Format,
}

impl Csv {
    /// Begins with the header; `format` is CSV, safe or raw.
    pub(super) fn new(schema: SchemaRef, format: Format, sink: &mut Sink) -> Result<Self> {
        let lines = csv::Lines::new(schema, format == Format::CsvRaw);
        sink.put(&lines.header())?;
        Ok(Self { lines, format })
    }
}

impl Lines for Csv {
    fn write(&mut self, group: &RecordBatch, sink: &mut Sink) -> Result<()> {
        self.lines.rows(group, |line| sink.write_all(line)).map_err(|cause| unfit(self.format, cause))
    }
}
