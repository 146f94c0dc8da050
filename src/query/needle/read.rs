//! Reads the rows of one file that may match, and gives those that do.
//!
//! In: a file and its rows, the columns wanted, the filter. Out: batches of the columns wanted. Guaranteed: of a few blocks the
//! columns of the filter are looked at first, and others only of rows that pass, or of their blocks where that is much of them; of
//! many, what a stream of the file reads is given, with the same rows.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray, UInt32Array,
    },
    compute::take_record_batch,
    datatypes::{Schema, SchemaRef},
    error::ArrowError,
};
use chrono::NaiveDate;
use datafusion::{
    common::cast::{as_boolean_array, as_timestamp_microsecond_array},
    error::Result,
    physical_expr::{
        PhysicalExpr, conjunction,
        utils::{collect_columns, reassign_expr_columns},
    },
    physical_plan::metrics::ExecutionPlanMetricsSet,
};
use futures::TryStreamExt;
use parquet::arrow::arrow_reader::{ArrowPredicateFn, RowFilter};

use super::{
    Access, NeedleFile,
    opened::{Opened, as_wanted},
    source::Source,
};
use crate::query::{
    blocks::{Block, Piece, chosen, places},
    columns,
    prune::day_scalar,
    scan::{as_table, selection},
};

/// What all files of one partition have in common.
#[derive(Debug)]
pub(in crate::query) struct Reading {
    partition: usize,
    columns: Columns,
    times: Columns,
    /// What a row passes before the filter is evaluated on it.
    barrier: Option<Filter>,
    filter: Option<Filter>,
    /// Hashes of words that each row has that passes the filter.
    words: Vec<u32>,
    batch_rows: usize,
    access: Arc<Access>,
    metrics: ExecutionPlanMetricsSet,
}

/// Some columns of the table.
#[derive(Clone, Debug)]
struct Columns {
    schema: SchemaRef,
    /// Where a file has them; the day has no place.
    places: Vec<Option<usize>>,
}

/// A filter over columns of its own.
#[derive(Clone, Debug)]
struct Filter {
    expr: Arc<dyn PhysicalExpr>,
    columns: Columns,
}

impl Reading {
    pub(in crate::query) fn new(
        partition: usize,
        columns: &SchemaRef,
        filters: &[Arc<dyn PhysicalExpr>],
        batch_rows: usize,
        (access, metrics): (&Arc<Access>, &ExecutionPlanMetricsSet),
    ) -> Result<Self> {
        Ok(Self {
            partition,
            columns: Columns::of(columns),
            times: Columns::of(&columns::times()),
            barrier: None,
            filter: Filter::of(filters, columns)?,
            words: Vec::new(),
            batch_rows,
            access: Arc::clone(access),
            metrics: metrics.clone(),
        })
    }

    /// The same, for who sees only rows that pass `barrier`: nothing else is evaluated on others.
    pub(in crate::query) fn behind(self, barrier: Option<Arc<dyn PhysicalExpr>>) -> Result<Self> {
        let barrier = Filter::of(barrier.as_slice(), &columns::table_columns())?;
        Ok(Self { barrier, ..self })
    }

    /// The same, for many blocks: each row that passes the filter has all words of these hashes.
    pub(in crate::query) fn with_words(self, words: Vec<u32>) -> Self {
        Self { words, ..self }
    }

    /// The rows of `file` that pass.
    pub(super) async fn read(&self, file: &NeedleFile) -> Result<Vec<RecordBatch>> {
        // What is in memory is never waited for, and others want to run too.
        tokio::task::consume_budget().await;
        let mut source = Source::new(&self.access, file, (self.partition, &self.metrics));
        let Some(parts) = source.parts() else { return self.stream(file).await };
        let mut batches = Vec::new();
        for part in parts {
            let matched = self.matches(&mut source, &part).await?;
            let found: Vec<_> =
                matched.iter().map(|(piece, passed)| (piece.number(), places(passed))).collect();
            batches.extend(self.rows(&mut source, &found).await?);
        }
        Ok(batches)
    }

    /// Those of these pieces in which a row passes, and which of its rows do. A piece may come out as a part of it.
    pub(in crate::query) async fn matches(
        &self,
        source: &mut Source<'_>,
        pieces: &[Piece],
    ) -> Result<Vec<(Piece, BooleanArray)>> {
        let with_words = self.with_all_words(source, pieces).await?;
        let pieces = with_words.as_deref().unwrap_or(pieces);
        let Some(barrier) = &self.barrier else { return passing(self.filter.as_ref(), source, pieces).await };
        let seen = passing(Some(barrier), source, pieces).await?;
        let seen: Vec<Piece> = seen.iter().map(|(piece, passed)| piece.part(&places(passed))).collect();
        passing(self.filter.as_ref(), source, &seen).await
    }

    /// What of these blocks has all words that each row has that passes; `None` if that is not known.
    async fn with_all_words(&self, source: &mut Source<'_>, pieces: &[Piece]) -> Result<Option<Vec<Piece>>> {
        let are_blocks = pieces.iter().all(|piece| matches!(piece, Piece::Block(_)));
        if self.words.is_empty() || !are_blocks {
            return Ok(None);
        }
        let numbers: Vec<u64> = pieces.iter().map(Piece::number).collect();
        let known = source.words(&numbers).await?;
        let left = numbers.into_iter().zip(known).filter_map(|(number, words)| {
            let Some(words) = words else { return Some(Piece::Block(number)) };
            let rows: Arc<[u32]> = words.rows_with(&self.words).into();
            (!rows.is_empty()).then(|| Piece::of(number, &rows, source.rows(number)))
        });
        Ok(Some(left.collect()))
    }

    /// Those rows of `batch`, whose events are uncommitted, that pass.
    pub(in crate::query) fn passing(&self, batch: &RecordBatch, mut rows: Vec<u32>) -> Result<Vec<u32>> {
        for filter in [&self.barrier, &self.filter].into_iter().flatten() {
            if rows.is_empty() {
                break;
            }
            let columns = &filter.columns.schema;
            let passed = match rows.len() == batch.num_rows() {
                true => filter.passes(&as_table(batch, columns)?)?,
                false => {
                    let some = take_record_batch(batch, &UInt32Array::from(rows.clone()))?;
                    filter.passes(&as_table(&some, columns)?)?
                }
            };
            rows = places(&passed).iter().map(|place| rows[*place as usize]).collect();
        }
        Ok(rows)
    }

    /// When the events of these pieces occurred.
    pub(in crate::query) async fn times(
        &self,
        source: &mut Source<'_>,
        pieces: &[Piece],
    ) -> Result<Vec<TimestampMicrosecondArray>> {
        let blocks = source.fetch(pieces, &self.times.in_file()).await?;
        let times = |(asked, (got, block)): (&Piece, (Piece, Arc<Block>))| {
            let rows = self.times.rows(source, (asked, &got), &block)?;
            as_timestamp_microsecond_array(rows.column(0)).cloned()
        };
        pieces.iter().zip(blocks).map(times).collect()
    }

    /// The rows at these places of some blocks, with the columns wanted: a batch for each block.
    async fn rows(&self, source: &mut Source<'_>, found: &[(u64, Arc<[u32]>)]) -> Result<Vec<RecordBatch>> {
        let piece = |(number, places): &(u64, Arc<[u32]>)| match source.is_large() {
            true => Piece::Rows(*number, Arc::clone(places)),
            false => Piece::of(*number, places, source.rows(*number)),
        };
        let pieces: Vec<Piece> = found.iter().map(piece).collect();
        let blocks = source.fetch(&pieces, &self.columns.in_file()).await?;
        let mut batches = Vec::with_capacity(found.len());
        for ((number, places), (got, block)) in found.iter().zip(blocks) {
            let asked = Piece::Rows(*number, Arc::clone(places));
            batches.push(self.columns.rows(source, (&asked, &got), &block)?);
        }
        Ok(batches)
    }

    /// The same of a file of which too much may match to be kept.
    async fn stream(&self, file: &NeedleFile) -> Result<Vec<RecordBatch>> {
        let day = file.kept.file.day;
        let opened = Opened::open(&self.access, file, (self.partition, &self.metrics)).await?;
        let mut builder = opened.stream(&self.columns.schema).with_batch_size(self.batch_rows);
        if let Some(rows) = &file.kept.rows {
            builder = builder.with_row_selection(selection(rows, file.kept.file.rows));
        }
        if let Some(filter) = self.filter.clone() {
            builder = builder.with_row_filter(filter.for_file(&opened, day));
        }
        let batches: Vec<RecordBatch> = builder.build()?.try_collect().await?;
        batches.iter().map(|batch| as_wanted(batch, &self.columns.schema, day)).collect()
    }
}

/// Those of these pieces in which a row passes `filter`, and which of its rows do; without a filter, all.
async fn passing(
    filter: Option<&Filter>,
    source: &mut Source<'_>,
    pieces: &[Piece],
) -> Result<Vec<(Piece, BooleanArray)>> {
    let Some(filter) = filter else {
        let all = |piece: &Piece| (piece.clone(), BooleanArray::from(vec![true; source.rows_of(piece)]));
        return Ok(pieces.iter().map(all).collect());
    };
    let mut matched = Vec::new();
    let blocks = source.fetch(pieces, &filter.columns.in_file()).await?;
    for (asked, (got, block)) in pieces.iter().zip(blocks) {
        let rows = filter.columns.rows(source, (asked, &got), &block)?;
        let passed = filter.passes(&rows)?;
        if passed.has_true() {
            matched.push((asked.clone(), passed));
        }
    }
    Ok(matched)
}

impl Columns {
    fn of(schema: &SchemaRef) -> Self {
        let file = columns::file_columns();
        let places = schema.fields().iter().map(|field| file.index_of(field.name()).ok()).collect();
        Self { schema: Arc::clone(schema), places }
    }

    fn in_file(&self) -> Vec<usize> {
        self.places.iter().flatten().copied().collect()
    }

    /// The rows that were asked for, of a piece that has them and may be the whole block.
    fn rows(
        &self,
        source: &Source<'_>,
        (asked, got): (&Piece, &Piece),
        block: &Block,
    ) -> Result<RecordBatch> {
        let day = day_scalar(source.day());
        match asked {
            Piece::Rows(number, places) if got != asked => {
                let chosen = chosen(places, source.rows(*number));
                self.batch(places.len(), |place| match place {
                    Some(place) => block.some(place, &chosen),
                    None => day.to_array_of_size(places.len()),
                })
            }
            _ => {
                let rows = source.rows_of(asked);
                self.batch(rows, |place| match place {
                    Some(place) => block.all(place, rows),
                    None => day.to_array_of_size(rows),
                })
            }
        }
    }

    fn batch(&self, rows: usize, column: impl Fn(Option<usize>) -> Result<ArrayRef>) -> Result<RecordBatch> {
        let arrays = self.places.iter().map(|place| column(*place)).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?)
    }
}

impl Filter {
    /// `None` if there is no filter.
    fn of(filters: &[Arc<dyn PhysicalExpr>], columns: &Schema) -> Result<Option<Self>> {
        if filters.is_empty() {
            return Ok(None);
        }
        let expr = conjunction(filters.iter().cloned());
        let mut used: Vec<usize> = collect_columns(&expr).iter().map(|column| column.index()).collect();
        used.sort_unstable();
        used.dedup();
        let columns = Arc::new(columns.project(&used)?);
        Ok(Some(Self { expr: reassign_expr_columns(expr, &columns)?, columns: Columns::of(&columns) }))
    }

    fn for_file(self, opened: &Opened, day: NaiveDate) -> RowFilter {
        let mask = opened.mask(&self.columns.schema);
        let passes = move |batch: RecordBatch| {
            let batch = as_wanted(&batch, &self.columns.schema, day)?;
            self.passes(&batch).map_err(ArrowError::from)
        };
        RowFilter::new(vec![Box::new(ArrowPredicateFn::new(mask, passes))])
    }

    fn passes(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let passed = self.expr.evaluate(batch)?.into_array(batch.num_rows())?;
        as_boolean_array(&passed).cloned()
    }
}
