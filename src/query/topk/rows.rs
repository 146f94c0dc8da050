//! The events that were found, as the API shows them.
//!
//! In: where rows are, the first one first. Out: batches with their times, tenants, ids, and themselves as JSON. Guaranteed: each row once;
//! a batch has no more than can be read at once, however many rows are of one time.
//!
//! An event of a file stays in memory as its JSON, which takes a small part of what its columns would. Files never change, and nor does what
//! is shown of their rows.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arrow::{
    array::{AsArray, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array},
    compute::take_record_batch,
};
use datafusion::error::{DataFusionError, Result};
use futures::{Stream, StreamExt, TryStreamExt, stream};

use super::{
    look::{At, Look},
    search::Search,
};
use crate::{
    event::{canonical, schema::ID},
    query::{
        blocks::{Event, Piece},
        columns,
        needle::Source,
        scan::as_table,
    },
};

/// Decoded bytes, about, that are read at once.
const BATCH_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Files that are read at the same time.
const FILES_AT_ONCE: usize = 16;

/// An event with its time and its tenant.
type Shown<'a> = (i64, &'a str, Arc<Event>);

/// What a search finds, read when it is asked for.
pub(super) fn stream_of(search: Search) -> impl Stream<Item = Result<RecordBatch>> {
    stream::try_unfold((search, Vec::new(), 0), async |(mut search, mut rows, mut first)| {
        if first == rows.len() {
            let Some(found) = search.next().await? else { return Ok(None) };
            (rows, first) = (found, 0);
        }
        let look = Reader(search.look());
        let end = first + look.at_once(&rows[first..]);
        let batch = batch(look.shown(&rows[first..end]).await?)?;
        Ok(Some((batch, (search, rows, end))))
    })
}

/// Reads rows of what was looked at.
struct Reader<'a>(&'a Look);

impl<'a> Reader<'a> {
    /// How many of the rows are read at once: all unless that is much; at least one.
    fn at_once(&self, rows: &[(i64, At)]) -> usize {
        let mut of_files: HashMap<usize, u64> = HashMap::new();
        let mut bytes = 0;
        let fits = |(_, at): &&(i64, At)| {
            let fits = bytes <= BATCH_BYTES_MAX;
            bytes += match *at {
                At::File { file, .. } => *of_files.entry(file).or_insert_with(|| self.0.row_bytes(file)),
                At::Memory { batch, .. } => self.0.memory[batch].row_bytes,
            };
            fits
        };
        rows.iter().take_while(fits).count()
    }

    async fn shown(&self, rows: &[(i64, At)]) -> Result<Vec<Shown<'a>>> {
        let mut shown = Vec::with_capacity(rows.len());
        let mut of_files: BTreeMap<usize, Vec<(u64, u32, i64)>> = BTreeMap::new();
        let mut of_memory: BTreeMap<usize, Vec<(u32, i64)>> = BTreeMap::new();
        for (time, at) in rows {
            match *at {
                At::File { file, block, row } => of_files.entry(file).or_default().push((block, row, *time)),
                At::Memory { batch, row } => of_memory.entry(batch).or_default().push((row, *time)),
            }
        }
        for (batch, rows) in of_memory {
            shown.extend(self.of_memory(batch, &rows)?);
        }
        let of_files =
            stream::iter(of_files).map(|(file, rows)| self.of_file(file, rows)).buffered(FILES_AT_ONCE);
        let of_files: Vec<Shown<'a>> = of_files.try_concat().await?;
        shown.extend(of_files);
        Ok(shown)
    }

    fn of_memory(&self, number: usize, rows: &[(u32, i64)]) -> Result<Vec<Shown<'a>>> {
        let memory = &self.0.memory[number];
        let places = UInt32Array::from_iter_values(rows.iter().map(|(row, _)| *row));
        let batch = take_record_batch(&memory.batch, &places)?;
        let events = events(&as_table(&batch, &columns::table_columns())?)?;
        Ok(rows.iter().zip(events).map(|((_, time), event)| (*time, memory.tenant.as_str(), event)).collect())
    }

    /// Those of a file that are not in memory are read together.
    async fn of_file(&self, number: usize, mut rows: Vec<(u64, u32, i64)>) -> Result<Vec<Shown<'a>>> {
        rows.sort_unstable();
        let mut source = self.0.source(number);
        let mut events: Vec<Option<Arc<Event>>> =
            rows.iter().map(|(block, row, _)| source.event(*block, *row)).collect();
        let missing = rows.iter().zip(&events).filter(|(_, event)| event.is_none());
        let missing: Vec<(u64, u32)> = missing.map(|((block, row, _), _)| (*block, *row)).collect();
        let mut read = self.read(&mut source, &missing).await?.into_iter();
        self.0.put_back(number, source);
        let tenant = self.0.files[number].snapshot.tenant.as_str();
        let shown = rows.iter().zip(&mut events).map(|((_, _, time), event)| {
            let event = event.take().or_else(|| read.next());
            event.map(|event| (*time, tenant, event)).ok_or_else(lost)
        });
        shown.collect()
    }

    /// Rows of blocks, which ascend.
    async fn read(&self, source: &mut Source<'_>, rows: &[(u64, u32)]) -> Result<Vec<Arc<Event>>> {
        let of_blocks = rows.chunk_by(|(one, _), (other, _)| one == other);
        let pieces: Vec<Piece> = of_blocks
            .map(|rows| Piece::Rows(rows[0].0, rows.iter().map(|(_, row)| *row).collect()))
            .collect();
        let mut read = Vec::with_capacity(rows.len());
        for batch in source.read(&pieces).await? {
            read.extend(events(&batch)?);
        }
        for ((block, row), event) in rows.iter().zip(&read) {
            source.keep_event(*block, *row, event);
        }
        Ok(read)
    }
}

fn lost() -> DataFusionError {
    DataFusionError::Internal("a file gave fewer rows than were found in it".to_owned())
}

/// The rows of a batch as the API shows them.
fn events(batch: &RecordBatch) -> Result<Vec<Arc<Event>>> {
    let external = |error| DataFusionError::External(Box::new(error));
    let rows = canonical::Rows::new(batch).map_err(external)?;
    let ids = batch.column_by_name(ID).and_then(|ids| ids.as_string_view_opt());
    let ids = ids.ok_or_else(|| DataFusionError::Internal(format!("events have no column '{ID}'")))?;
    let event = |row| {
        let mut json = String::new();
        rows.push_api(row, &mut json);
        Arc::new(Event { id: ids.value(row).into(), json: json.into() })
    };
    Ok((0..rows.len()).map(event).collect())
}

fn batch(shown: Vec<Shown<'_>>) -> Result<RecordBatch> {
    let times = TimestampMicrosecondArray::from_iter_values(shown.iter().map(|(time, _, _)| *time));
    Ok(RecordBatch::try_new(
        columns::shown_columns(),
        vec![
            Arc::new(times.with_timezone("UTC")),
            Arc::new(StringArray::from_iter_values(shown.iter().map(|(_, tenant, _)| tenant))),
            Arc::new(StringArray::from_iter_values(shown.iter().map(|(_, _, event)| &event.id))),
            Arc::new(StringArray::from_iter_values(shown.iter().map(|(_, _, event)| &event.json))),
        ],
    )?)
}
