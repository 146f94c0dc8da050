//! JSON documents and NDJSON lines.
//!
//! `{"schema": [{"name", "type", "nullable"}…], "rows": [{…}…], "statistics": {…}}`: the schema comes first,
//! so that a reader knows types before values, and the statistics last, when they are known.

use arrow::{
    array::RecordBatch,
    datatypes::SchemaRef,
    json::writer::{JsonArray, JsonFormat, LineDelimited, Writer},
};
use serde_json::json;

use super::{Encoder, Format, text, unfit};
use crate::{error::Result, query::Statistics};

/// One JSON document.
pub(super) struct Document {
    schema: SchemaRef,
    rows: Writer<Vec<u8>, JsonArray>,
    opened: bool,
}

impl Document {
    pub(super) fn new(schema: SchemaRef) -> Self {
        Self { schema, rows: text::json_writer().build(Vec::new()), opened: false }
    }

    /// Everything before the rows, the first time.
    fn open(&mut self) -> Result<Vec<u8>> {
        if self.opened {
            return Ok(Vec::new());
        }
        self.opened = true;
        let columns = self.schema.fields().iter().map(|field| {
            let data_type = text::type_name(field.data_type());
            json!({"name": field.name(), "type": data_type, "nullable": field.is_nullable()})
        });
        let columns = serde_json::to_string(&columns.collect::<Vec<_>>());
        let columns = columns.map_err(|error| unfit(Format::Json, error))?;
        Ok(format!("{{\"schema\":{columns},\"rows\":").into_bytes())
    }
}

impl Encoder for Document {
    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>> {
        let mut chunk = self.open()?;
        chunk.append(&mut write(&mut self.rows, batch, Format::Json)?);
        Ok(chunk)
    }

    fn end(&mut self, statistics: &Statistics) -> Result<Vec<u8>> {
        let mut chunk = self.open()?;
        self.rows.finish().map_err(|error| unfit(Format::Json, error))?;
        chunk.append(self.rows.get_mut());
        chunk.extend_from_slice(b",\"statistics\":");
        serde_json::to_writer(&mut chunk, statistics).map_err(|error| unfit(Format::Json, error))?;
        chunk.extend_from_slice(b"}\n");
        Ok(chunk)
    }
}

/// One JSON object a line.
pub(super) struct Lines {
    rows: Writer<Vec<u8>, LineDelimited>,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self { rows: text::json_writer().build(Vec::new()) }
    }
}

impl Encoder for Lines {
    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>> {
        write(&mut self.rows, batch, Format::Ndjson)
    }

    fn end(&mut self, _: &Statistics) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

fn write<F: JsonFormat>(
    rows: &mut Writer<Vec<u8>, F>,
    batch: &RecordBatch,
    format: Format,
) -> Result<Vec<u8>> {
    rows.write(batch).map_err(|error| unfit(format, error))?;
    Ok(std::mem::take(rows.get_mut()))
}
