//! CSV as RFC 4180 has it: a header, CRLF, quotes where a value needs them.
//!
//! Nothing between two commas is null; `""` is empty text.

use arrow::{array::RecordBatch, datatypes::SchemaRef, error::ArrowError, json::EncoderOptions};

use super::{Encoder, Format, text, unfit};
use crate::{error::Result, query::Statistics};

/// A CSV file.
pub(super) struct Csv {
    schema: SchemaRef,
    nested: EncoderOptions,
    opened: bool,
}

impl Csv {
    pub(super) fn new(schema: SchemaRef) -> Self {
        Self { schema, nested: text::json_options(), opened: false }
    }

    fn open(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        if !self.opened {
            self.opened = true;
            for (position, field) in self.schema.fields().iter().enumerate() {
                separate(position, &mut line);
                append_quoted(field.name().as_bytes(), &mut line);
            }
            line.extend_from_slice(b"\r\n");
        }
        line
    }

    fn rows(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), ArrowError> {
        let columns = self.schema.fields().iter().zip(batch.columns());
        let mut cells = columns
            .map(|(field, column)| text::Cells::new(field, column, &self.nested))
            .collect::<Result<Vec<_>, _>>()?;
        let nulls: Vec<_> = batch.columns().iter().map(|column| column.logical_nulls()).collect();
        let mut value = Vec::new();
        for row in 0..batch.num_rows() {
            for (position, cell) in cells.iter_mut().enumerate() {
                separate(position, out);
                if nulls[position].as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                    continue;
                }
                value.clear();
                cell.append(row, &mut value)?;
                append_quoted(&value, out);
            }
            out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }
}

impl Encoder for Csv {
    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>> {
        let mut chunk = self.open();
        self.rows(batch, &mut chunk).map_err(|error| unfit(Format::Csv, error))?;
        Ok(chunk)
    }

    fn end(&mut self, _: &Statistics) -> Result<Vec<u8>> {
        Ok(self.open())
    }
}

/// Puts the comma before every value but the first.
pub(crate) fn separate(position: usize, out: &mut Vec<u8>) {
    if position > 0 {
        out.push(b',');
    }
}

/// Appends a value, in quotes where it needs them.
pub(crate) fn append_quoted(value: &[u8], out: &mut Vec<u8>) {
    let plain = |byte: &u8| !matches!(byte, b',' | b'"' | b'\r' | b'\n');
    if !value.is_empty() && value.iter().all(plain) {
        out.extend_from_slice(value);
        return;
    }
    append_in_quotes("", value, out);
}

/// Appends `before` and a value, in one pair of quotes.
pub(crate) fn append_in_quotes(before: &str, value: &[u8], out: &mut Vec<u8>) {
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
