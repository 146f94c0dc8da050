//! Writes one export file: Parquet, NDJSON, CSV, Arrow IPC, and events as OCSF in Parquet or NDJSON.
//!
//! In: record batches of events ([`Content::Events`]) or of an answer ([`Content::Rows`]), in order. Out: the file's
//! bytes, piece by piece. No I/O. Guaranteed:
//!
//! - The bytes depend on the rows and on nothing else: no time, no chance, and not how the rows were cut into batches. An
//!   export that is taken up again writes the same file under the same name.
//! - Memory is bounded by [`EXPORT_ENCODER_BYTES_MAX`](crate::limits::EXPORT_ENCODER_BYTES_MAX), about, on top of the batch
//!   given and of what is ready and not taken. (Parquet of an answer with more than a hundred columns takes half a MiB more
//!   for each further one.)
//! - A file of no rows is a valid file of its format.
//!
//! | file | holds |
//! |---|---|
//! | `encode/format.rs` | the formats and compressions there are, by name |
//! | `encode/columns.rs` | checks the columns of what comes in |
//! | `encode/regroup.rs` | cuts rows into groups by the rows alone |
//! | `encode/sink.rs` | text on its way through gzip or zstd |
//! | `encode/copied.rs` | Parquet put together of row groups that are there already |
//! | `encode/transcode.rs` | one column of such a row group in other encodings |
//! | `encode/lines.rs`, `csv.rs`, `arrow.rs`, `parquet.rs` | one format each |

mod arrow;
mod columns;
mod copied;
mod csv;
mod format;
mod lines;
mod parquet;
mod regroup;
mod sink;
#[cfg(test)]
mod tests;
mod transcode;

use ::arrow::{array::RecordBatch, datatypes::SchemaRef};
use bytes::Bytes;

pub(super) use self::copied::Copied;
pub use self::format::{Compression, Format};
use self::{columns::Columns, lines::Text, regroup::Regroup, sink::Sink};
use crate::{
    error::{Error, ErrorKind, Result},
    export::ocsf::mapping::Class,
};

/// What the rows of a file are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Whole events: batches have all columns of the table `events`, as `SELECT * FROM events` gives them.
    Events,
    /// Whole events that are all of one OCSF class, so that a file of columns needs no others.
    OfClass(Class),
    /// Whole events without the column `day`: for Parquet in a Delta table, which keeps it elsewhere.
    Stored,
    /// The answer of some SQL, with these columns.
    Rows(SchemaRef),
}

/// Writes one file. Call [`Encoder::write`] in order, take what is ready now and then, and [`Encoder::finish`].
///
/// ```
/// # use std::sync::Arc;
/// # use arrow::{array::{Int64Array, RecordBatch}, datatypes::{DataType, Field, Schema}};
/// use auditlake::export::encode::{Compression, Content, Encoder, Format};
/// # let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
/// # let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(vec![1, 2]))]).unwrap();
/// let mut encoder = Encoder::new(Format::Csv, Compression::None, &Content::Rows(schema)).unwrap();
/// encoder.write(&batch).unwrap();
/// let mut file = encoder.take().to_vec();
/// file.extend(encoder.finish().unwrap());
/// assert_eq!(file, b"n\r\n1\r\n2\r\n");
/// ```
pub struct Encoder {
    columns: Columns,
    /// `None` where rows are lines: how they come cannot show in a file.
    groups: Option<Regroup>,
    writer: Box<dyn Writer>,
    taken_bytes: u64,
}

/// One format's writer: groups of rows in, bytes that wait to be taken.
trait Writer: Send {
    fn write(&mut self, group: &RecordBatch) -> Result<()>;
    /// What is ready.
    fn ready(&mut self) -> &mut Vec<u8>;
    /// Bytes that are ready, and those that will come of what is still held, about.
    fn pending_bytes(&self) -> u64;
    /// Ends the file; what is ready then is its rest.
    fn end(self: Box<Self>) -> Result<Vec<u8>>;
}

impl Encoder {
    /// Starts a file.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for OCSF of anything but whole events, and for a compression that the format has not.
    pub fn new(format: Format, compression: Compression, content: &Content) -> Result<Self> {
        format.check(compression)?;
        if *content == Content::Stored && format != Format::Parquet {
            let message = format!("{} has all columns of events", format.name());
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        if format.is_ocsf() && !matches!(content, Content::Events | Content::OfClass(_)) {
            let name = format.name();
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("{name} is of whole events; the rows of a query have no OCSF form"),
            ));
        }
        let columns = Columns::new(content);
        let schema = columns.schema();
        let mut sink = Sink::new(compression)?;
        let writer: Box<dyn Writer> = match (format, content) {
            (Format::Parquet, Content::Rows(_)) => Box::new(parquet::File::of_rows(schema)?),
            (Format::Parquet, _) => Box::new(parquet::File::of_events(schema)?),
            (Format::OcsfParquet, Content::OfClass(class)) => Box::new(parquet::File::of_ocsf(Some(*class))?),
            (Format::OcsfParquet, _) => Box::new(parquet::File::of_ocsf(None)?),
            (Format::Ndjson, Content::Rows(_)) => Box::new(Text { lines: lines::Rows::default(), sink }),
            (Format::Ndjson, _) => Box::new(Text { lines: lines::Events::default(), sink }),
            (Format::OcsfNdjson, _) => Box::new(Text { lines: lines::Ocsf, sink }),
            (Format::Csv | Format::CsvRaw, _) => {
                Box::new(Text { lines: csv::Csv::new(schema, format, &mut sink)?, sink })
            }
            (Format::Arrow, _) => Box::new(arrow::File::new(schema)?),
        };
        let groups = (!format.is_lines()).then(|| Regroup::new(columns.schema()));
        Ok(Self { groups, columns, writer, taken_bytes: 0 })
    }

    /// Appends rows. What they make ready waits for [`Encoder::take`].
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if a column is missing or of another type; [`ErrorKind::Invalid`] if the format has no form
    /// for a column's type, such as Parquet for some intervals. The file is of no use then.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = self.columns.of(batch)?;
        let writer = &mut self.writer;
        match &mut self.groups {
            Some(groups) => groups.push(&batch, |group| writer.write(&group)),
            None => writer.write(&batch),
        }
    }

    /// What is ready to be sent on, in order; may be empty.
    pub fn take(&mut self) -> Bytes {
        let ready = std::mem::take(self.writer.ready());
        self.taken_bytes += ready.len() as u64;
        Bytes::from(ready)
    }

    /// Bytes of the file so far: all that was taken and is ready, and, by estimate, what is encoded and waits for the end of
    /// its row group. For deciding when to begin the next file. Rows that wait for their group to fill (4 MiB at most) and
    /// the inside of a compressor (less than 1 MiB) are not counted.
    pub fn encoded_bytes(&self) -> u64 {
        self.taken_bytes + self.writer.pending_bytes()
    }

    /// The rest of the file: rows not yet written, footer, end of the compressed stream.
    ///
    /// # Errors
    /// As [`Encoder::write`].
    pub fn finish(mut self) -> Result<Bytes> {
        if let Some(group) = self.groups.as_mut().map(Regroup::end).transpose()?.flatten() {
            self.writer.write(&group)?;
        }
        self.writer.end().map(Bytes::from)
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Encoder")
            .field("encoded_bytes", &self.encoded_bytes())
            .finish_non_exhaustive()
    }
}

/// A writer fails on types that its format has no form for, such as intervals in Parquet, and on nothing else.
fn unfit(format: Format, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let cause = cause.into();
    let message = format!("write rows as {}: {cause}; a CAST to text helps", format.name());
    Error::with_source(ErrorKind::Invalid, message, cause)
}
