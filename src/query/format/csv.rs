//! CSV as RFC 4180 has it, for answers and exports alike: a header, CRLF, quotes where a value needs them.
//!
//! Nothing between two commas is null; `""` is empty text. Lists are JSON. Text that a spreadsheet would run is made harmless
//! ([`formula`]); `csv-raw` leaves every text as it is.

mod formula;

use arrow::{array::RecordBatch, datatypes::SchemaRef, error::ArrowError, json::EncoderOptions};

use super::{Encoder, Format, text, unfit};
use crate::{error::Result, query::Statistics};

/// Rows as lines.
pub(crate) struct Lines {
    schema: SchemaRef,
    nested: EncoderOptions,
    /// Whether text that a spreadsheet would run stays as it is.
    is_raw: bool,
}

impl Lines {
    pub(crate) fn new(schema: SchemaRef, is_raw: bool) -> Self {
        Self { schema, nested: text::json_options(), is_raw }
    }

    /// The names of the columns.
    pub(crate) fn header(&self) -> Vec<u8> {
        let mut line = Vec::new();
        for (position, field) in self.schema.fields().iter().enumerate() {
            separate(position, &mut line);
            self.append(field.name().as_bytes(), self.is_raw, &mut line);
        }
        line.extend_from_slice(b"\r\n");
        line
    }

    /// Hands on each row's line.
    pub(crate) fn rows(
        &self,
        batch: &RecordBatch,
        mut take: impl FnMut(&[u8]) -> std::io::Result<()>,
    ) -> Result<(), ArrowError> {
        let columns = self.schema.fields().iter().zip(batch.columns());
        let mut cells = columns
            .map(|(field, column)| text::Cells::new(field, column, &self.nested))
            .collect::<Result<Vec<_>, _>>()?;
        let nulls: Vec<_> = batch.columns().iter().map(|column| column.logical_nulls()).collect();
        let fields = self.schema.fields().iter();
        let as_it_is: Vec<bool> =
            fields.map(|field| self.is_raw || formula::is_harmless(field.data_type())).collect();
        let (mut value, mut line) = (Vec::new(), Vec::new());
        for row in 0..batch.num_rows() {
            line.clear();
            for (position, cell) in cells.iter_mut().enumerate() {
                separate(position, &mut line);
                if nulls[position].as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                    continue;
                }
                value.clear();
                cell.append(row, &mut value)?;
                self.append(&value, as_it_is[position], &mut line);
            }
            line.extend_from_slice(b"\r\n");
            take(&line)?;
        }
        Ok(())
    }

    fn append(&self, value: &[u8], as_it_is: bool, line: &mut Vec<u8>) {
        match as_it_is {
            true => append_quoted(value, line),
            false => formula::append_text(value, line),
        }
    }
}

/// An answer as a CSV file.
pub(super) struct Csv {
    lines: Lines,
    format: Format,
    opened: bool,
}

impl Csv {
    /// `format` is CSV, safe or raw.
    pub(super) fn new(schema: SchemaRef, format: Format) -> Self {
        Self { lines: Lines::new(schema, format == Format::CsvRaw), format, opened: false }
    }

    fn open(&mut self) -> Vec<u8> {
        match std::mem::replace(&mut self.opened, true) {
            true => Vec::new(),
            false => self.lines.header(),
        }
    }
}

impl Encoder for Csv {
    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>> {
        let mut chunk = self.open();
        let append = |line: &[u8]| {
            chunk.extend_from_slice(line);
            Ok(())
        };
        self.lines.rows(batch, append).map_err(|error| unfit(self.format, error))?;
        Ok(chunk)
    }

    fn end(&mut self, _: &Statistics) -> Result<Vec<u8>> {
        Ok(self.open())
    }
}

/// Puts the comma before every value but the first.
fn separate(position: usize, out: &mut Vec<u8>) {
    if position > 0 {
        out.push(b',');
    }
}

/// Appends a value, in quotes where it needs them.
fn append_quoted(value: &[u8], out: &mut Vec<u8>) {
    let plain = |byte: &u8| !matches!(byte, b',' | b'"' | b'\r' | b'\n');
    if !value.is_empty() && value.iter().all(plain) {
        out.extend_from_slice(value);
        return;
    }
    append_in_quotes("", value, out);
}

/// Appends `before` and a value, in one pair of quotes.
fn append_in_quotes(before: &str, value: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(before.as_bytes());
    for byte in value {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}
