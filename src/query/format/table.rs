//! A table for people: aligned columns, the first rows only, and a last line that says how many there are.

use arrow::{array::RecordBatch, datatypes::SchemaRef, error::ArrowError, json::EncoderOptions};

use super::{Encoder, Format, text, unfit};
use crate::{error::Result, limits::TEXT_TABLE_ROWS_MAX, query::Statistics};

/// Letters of a value that are shown.
const VALUE_LETTERS_MAX: usize = 80;

/// A text table; keeps at most [`TEXT_TABLE_ROWS_MAX`] rows.
pub(super) struct Table {
    schema: SchemaRef,
    nested: EncoderOptions,
    lines: Vec<Vec<String>>,
    rows: usize,
}

impl Table {
    pub(super) fn new(schema: SchemaRef) -> Self {
        let header = schema.fields().iter().map(|field| shown(field.name())).collect();
        Self { schema, nested: text::json_options(), lines: vec![header], rows: 0 }
    }

    fn keep(&mut self, batch: &RecordBatch, rows: usize) -> Result<(), ArrowError> {
        let columns = self.schema.fields().iter().zip(batch.columns());
        let mut cells = columns
            .map(|(field, column)| text::Cells::new(field, column, &self.nested))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..rows {
            let mut line = Vec::with_capacity(cells.len());
            for (cell, column) in cells.iter_mut().zip(batch.columns()) {
                let mut value = Vec::new();
                if !column.is_null(row) {
                    cell.append(row, &mut value)?;
                }
                line.push(shown(&String::from_utf8_lossy(&value)));
            }
            self.lines.push(line);
        }
        Ok(())
    }
}

/// The table of an answer that is in memory already; at most [`TEXT_TABLE_ROWS_MAX`] of its rows.
///
/// # Errors
/// [`crate::error::ErrorKind::Internal`] if the batches do not have the columns of `schema`.
pub fn text_table(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<String> {
    let mut table = Table::new(SchemaRef::clone(schema));
    for batch in batches {
        table.batch(batch)?;
    }
    Ok(String::from_utf8_lossy(&table.last()).into_owned())
}

impl Encoder for Table {
    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>> {
        let room = TEXT_TABLE_ROWS_MAX.saturating_sub(self.rows).min(batch.num_rows());
        self.rows += batch.num_rows();
        self.keep(batch, room).map_err(|error| unfit(Format::Table, error))?;
        Ok(Vec::new())
    }

    fn end(&mut self, _: &Statistics) -> Result<Vec<u8>> {
        Ok(self.last())
    }
}

impl Table {
    /// The whole table with its last line.
    fn last(&self) -> Vec<u8> {
        let mut out = draw(&self.lines);
        let left = self.rows.saturating_sub(TEXT_TABLE_ROWS_MAX);
        out.push_str(&match left {
            0 if self.rows == 1 => "(1 row)\n".to_owned(),
            0 => format!("({} rows)\n", self.rows),
            _ => format!("(the first {TEXT_TABLE_ROWS_MAX} of {} rows; other formats show all)\n", self.rows),
        });
        out.into_bytes()
    }
}

fn draw(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default())
        .collect();
    let mut out = String::new();
    for (number, line) in lines.iter().enumerate() {
        let padded: Vec<String> =
            line.iter().zip(&widths).map(|(value, width)| format!("{value:<width$}")).collect();
        out.push_str(padded.join("  ").trim_end());
        out.push('\n');
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
            out.push_str(&rules.join("  "));
            out.push('\n');
        }
    }
    out
}

/// One line of at most [`VALUE_LETTERS_MAX`] letters; control characters, which could drive the terminal,
/// become spaces.
fn shown(value: &str) -> String {
    let mut letters = value.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut text: String = letters.by_ref().take(VALUE_LETTERS_MAX).collect();
    if letters.next().is_some() {
        text.push('…');
    }
    text
}
