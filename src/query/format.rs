//! Answers as bytes: JSON, NDJSON, CSV, Arrow IPC, Parquet, and a text table for terminals.
//!
//! In: a [`Running`] query and a [`Format`]. Out: a stream of byte chunks. Guaranteed: memory does not grow
//! with the number of rows (a text table keeps its first rows only), a slow reader slows the query down, and
//! the stream ends cleanly only after a whole answer. A failure in mid-stream is one `Err`, after which the
//! transport must break off the connection: no format can unsay the rows already sent, and a half answer must
//! not look whole. Encoding runs on the query's threads.
//!
//! Values, in the text formats: times with a zone are RFC 3339 in UTC with microseconds
//! (`2026-11-22T03:04:05.678901Z`), without a zone the same without the `Z`, dates `yyyy-mm-dd`, lists JSON
//! arrays, binary lowercase hex. JSON has `null` for NaN and infinity; CSV has nothing for null and `""` for
//! empty text, and a `'` before text that a spreadsheet would run. Columns of JSON text stay text.

mod arrow;
pub(crate) mod csv;
mod json;
mod parquet;
mod table;
pub(crate) mod text;

pub use self::table::text_table;

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use ::arrow::{array::RecordBatch, datatypes::SchemaRef};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use tokio::sync::mpsc;

use super::{
    running::{AbortOnDrop, Running},
    statistics::Statistics,
};
use crate::{
    error::{Error, ErrorKind, Result},
    limits::{ENCODE_ROWS_MAX, RESULT_BATCHES_QUEUED_MAX},
};

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One object: `schema`, `rows`, `statistics`.
    Json,
    /// One object a line, rows only.
    Ndjson,
    /// RFC 4180 with a header line, safe to open in a spreadsheet; not every text comes back from it as it was.
    Csv,
    /// The same with every text as it is: for programs.
    CsvRaw,
    /// Arrow IPC stream.
    Arrow,
    /// One Parquet file.
    Parquet,
    /// Aligned columns for a terminal; the first rows, and how many more there are.
    Table,
}

impl Format {
    /// The formats of the API, in the order of preference for `*/*`.
    pub const ALL: [Self; 7] =
        [Self::Json, Self::Ndjson, Self::Csv, Self::CsvRaw, Self::Arrow, Self::Parquet, Self::Table];

    /// The name in `?format=` and `--format`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::CsvRaw => "csv-raw",
            Self::Arrow => "arrow",
            Self::Parquet => "parquet",
            Self::Table => "table",
        }
    }

    /// The value of the `Content-Type` header.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv | Self::CsvRaw => "text/csv; charset=utf-8; header=present",
            Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Table => "text/plain; charset=utf-8",
        }
    }

    /// The format of that name; the error lists all names.
    ///
    /// ```
    /// use auditlake::query::format::Format;
    /// assert_eq!(Format::from_name("csv").unwrap(), Format::Csv);
    /// assert!(Format::from_name("xml").is_err());
    /// ```
    pub fn from_name(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::new(ErrorKind::Invalid, format!("format '{name}' is unknown; there are {names}"))
        })
    }

    /// The best format that an `Accept` header (RFC 9110, 12.5.1) allows; JSON for `*/*`, `None` if it allows
    /// none. Of equally good ones the first in the header wins.
    ///
    /// ```
    /// use auditlake::query::format::Format;
    /// assert_eq!(Format::from_accept("text/csv;q=0.5, application/x-ndjson"), Some(Format::Ndjson));
    /// assert_eq!(Format::from_accept("*/*"), Some(Format::Json));
    /// assert_eq!(Format::from_accept("image/png"), None);
    /// ```
    pub fn from_accept(header: &str) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        for range in header.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0_f32);
            let Some(format) = Self::ALL.into_iter().find(|format| format.accepted_by(&media)) else {
                continue;
            };
            if weight > 0.0 && best.is_none_or(|(most, _)| weight > most) {
                best = Some((weight, format));
            }
        }
        best.map(|(_, format)| format)
    }

    fn accepted_by(self, media: &str) -> bool {
        let own = self.content_type().split(';').next().unwrap_or_default();
        let group = own.split('/').next().unwrap_or_default();
        media == own
            || media == "*/*"
            || media.strip_suffix("/*") == Some(group)
            || (self == Self::Ndjson && media == "application/jsonl")
    }

    fn encoder(self, schema: SchemaRef) -> Result<Box<dyn Encoder>> {
        Ok(match self {
            Self::Json => Box::new(json::Document::new(schema)),
            Self::Ndjson => Box::new(json::Lines::new()),
            Self::Csv | Self::CsvRaw => Box::new(csv::Csv::new(schema, self)),
            Self::Arrow => Box::new(arrow::Ipc::new(&schema)?),
            Self::Parquet => Box::new(parquet::Parquet::new(schema)?),
            Self::Table => Box::new(table::Table::new(schema)),
        })
    }
}

/// One format's writer. Each call returns the bytes that are ready, possibly none.
trait Encoder: Send {
    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>>;
    /// What follows the last row.
    fn end(&mut self, statistics: &Statistics) -> Result<Vec<u8>>;
}

/// The bytes of an answer; see [`encode`].
#[derive(Debug)]
pub struct Encoded {
    chunks: mpsc::Receiver<Result<Option<Bytes>>>,
    task: Option<AbortOnDrop>,
}

/// Writes the answer in `format`, chunk by chunk, as the reader asks for it. Dropping the stream ends the query.
pub fn encode(running: Running, format: Format) -> Encoded {
    let (sender, chunks) = mpsc::channel(RESULT_BATCHES_QUEUED_MAX);
    let runtime = running.runtime();
    let task = runtime.spawn(async move {
        let end = pump(running, format, &sender).await.map(|()| None);
        let _reader_gone = sender.send(end).await;
    });
    Encoded { chunks, task: Some(AbortOnDrop(task)) }
}

async fn pump(
    mut running: Running,
    format: Format,
    sender: &mpsc::Sender<Result<Option<Bytes>>>,
) -> Result<()> {
    let mut encoder = format.encoder(running.schema())?;
    while let Some(batch) = running.next().await {
        let batch = batch?;
        for start in (0..batch.num_rows()).step_by(ENCODE_ROWS_MAX) {
            let rows = ENCODE_ROWS_MAX.min(batch.num_rows() - start);
            let chunk = encoder.batch(&batch.slice(start, rows))?;
            if !chunk.is_empty() && sender.send(Ok(Some(chunk.into()))).await.is_err() {
                return Ok(());
            }
        }
    }
    let chunk = encoder.end(&running.statistics())?;
    if !chunk.is_empty() {
        let _reader_gone = sender.send(Ok(Some(chunk.into()))).await;
    }
    Ok(())
}

impl Stream for Encoded {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.task.is_none() {
            return Poll::Ready(None);
        }
        self.chunks.poll_recv(context).map(|message| {
            let item = match message {
                Some(Ok(Some(chunk))) => return Some(Ok(chunk)),
                Some(Ok(None)) => None,
                Some(Err(error)) => Some(Err(error)),
                None => Some(Err(Error::new(ErrorKind::Internal, "encoding stopped without an end"))),
            };
            self.task = None;
            item
        })
    }
}

/// A writer fails on types that its format has no form for, such as intervals in Parquet, and on nothing else:
/// the query has to cast such a column.
fn unfit(format: Format, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let cause = cause.into();
    let message = format!("write the answer as {}: {cause}; a CAST to text helps", format.name());
    Error::with_source(ErrorKind::Invalid, message, cause)
}

#[cfg(test)]
mod tests;
