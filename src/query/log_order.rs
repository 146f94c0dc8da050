//! The order of the log, (`occurred_at`, `seq`), as files have it: what is sorted already is merged, not sorted again.
//!
//! In: the files that a scan is to read. Out: groups of them, each of which is in order if its files are read one after another; or
//! nothing, and then the plan sorts. Guaranteed: a file is taken to be sorted only if its footer says so, as those do that this
//! program writes; another program may have rewritten it in whatever order. A merge reads few files at once, whose memory is
//! bounded; a sort holds all that it sorts.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use arrow::compute::SortOptions;
use datafusion::{
    datasource::physical_plan::ParquetFileReaderFactory,
    error::Result,
    physical_expr::{LexOrdering, PhysicalSortExpr, expressions::Column},
    physical_plan::metrics::ExecutionPlanMetricsSet,
    scalar::ScalarValue,
};
use parquet::file::{metadata::ParquetMetaData, statistics::Statistics};

use super::{
    columns,
    prune::{Kept, KeptFile},
    scan::{FOOTER_BYTES_HINT, partitioned},
};
use crate::{
    event::schema::{OCCURRED_AT, SEQ},
    limits::{EXPORT_BATCH_ROWS, EXPORT_FAN_IN_MAX},
    table::{layout::sorting_columns, read::row_bytes_max},
};

/// Batches of each group that a merge has in memory: one that is given out in part, and the next.
const BATCHES_AT_ONCE: usize = 2;

/// What the rows of a group are sorted by.
pub(crate) fn ordering() -> Result<Option<LexOrdering>> {
    let columns = columns::table_columns();
    let ascending = SortOptions { descending: false, nulls_first: false };
    let keys = [OCCURRED_AT, SEQ].map(|name| {
        let column = Column::new_with_schema(name, &columns)?;
        Ok(PhysicalSortExpr::new(Arc::new(column), ascending))
    });
    Ok(LexOrdering::new(keys.into_iter().collect::<Result<Vec<_>>>()?))
}

/// As few groups as there can be; `None` if they are more than are merged at once, or the statistics do not tell.
pub(crate) fn groups(files: &[KeptFile]) -> Option<Vec<Vec<&KeptFile>>> {
    let spans = files.iter().map(|kept| Some((times(kept)?, kept)));
    let mut spans = spans.collect::<Option<Vec<_>>>()?;
    spans.sort_by_key(|((first, last), kept)| (*first, *last, kept.file.path.clone()));
    let mut groups: Vec<Vec<&KeptFile>> = Vec::new();
    // The group that ends first, so that it is gone on with if any is.
    let mut ends: BinaryHeap<Reverse<(i64, usize)>> = BinaryHeap::new();
    for ((first, last), kept) in spans {
        let number = match ends.peek() {
            Some(Reverse((end, number))) if *end < first => {
                let number = *number;
                ends.pop();
                number
            }
            _ if groups.len() == EXPORT_FAN_IN_MAX => return None,
            _ => {
                groups.push(Vec::new());
                groups.len() - 1
            }
        };
        groups[number].push(kept);
        ends.push(Reverse((last, number)));
    }
    Some(groups)
}

/// The first and the last time of a file, if its statistics say exactly.
fn times(kept: &KeptFile) -> Option<(i64, i64)> {
    let stats = kept.file.stats.get(OCCURRED_AT).filter(|stats| stats.exact)?;
    let micros = |value: &Option<ScalarValue>| match value {
        Some(ScalarValue::TimestampMicrosecond(micros, _)) => *micros,
        _ => None,
    };
    micros(&stats.min).zip(micros(&stats.max))
}

/// Whether the footers of all files say that they are sorted, and what is merged of them at once takes no more than `bytes_max`; a
/// sort can spill, a merge cannot. Footers are read for it if they are not at hand, and the scan has them at hand then. What cannot be
/// read is for the scan to tell.
pub(crate) async fn can_be_merged(
    kept: &Kept,
    readers: &Arc<dyn ParquetFileReaderFactory>,
    bytes_max: usize,
) -> Result<bool> {
    let Some(groups) = groups(&kept.files) else { return Ok(false) };
    let at_once = (groups.len() * BATCHES_AT_ONCE * EXPORT_BATCH_ROWS) as u64;
    let metrics = ExecutionPlanMetricsSet::new();
    for KeptFile { tenant, file, .. } in &kept.files {
        let file = partitioned(&kept.snapshots[*tenant], file);
        let mut reader = readers.create_reader(0, file, Some(FOOTER_BYTES_HINT), &metrics)?;
        match reader.get_metadata(None).await {
            Ok(footer) if is_sorted(&footer) && at_once * row_bytes_max(&footer) <= bytes_max as u64 => {}
            Ok(_) | Err(_) => return Ok(false),
        }
    }
    Ok(true)
}

/// Whether each row group says that it is sorted as ours are, and none begins before the one before it has ended.
fn is_sorted(footer: &ParquetMetaData) -> bool {
    let ours = sorting_columns();
    let Some(time) = ours.first().map(|column| column.column_idx as usize) else { return false };
    let mut end = i64::MIN;
    footer.row_groups().iter().all(|group| {
        let span = match group.columns().get(time).and_then(|column| column.statistics()) {
            Some(Statistics::Int64(times)) => times.min_opt().copied().zip(times.max_opt().copied()),
            _ => None,
        };
        let follows = span.is_some_and(|(first, _)| end <= first);
        end = span.map_or(i64::MAX, |(_, last)| last);
        follows && group.sorting_columns() == Some(&ours)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::{
        array::{ArrayRef, RecordBatch, TimestampMicrosecondArray, new_null_array},
        datatypes::{Field, Schema},
    };
    use parquet::{arrow::ArrowWriter, file::properties::WriterProperties};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        event::schema::stored_schema,
        table::{ColumnStats, DataFile},
    };

    /// The footer of a file of these times, a row group each, which says that it is sorted or does not.
    fn footer(says: bool, groups: &[&[i64]]) -> ParquetMetaData {
        let nullable = |field: &Arc<Field>| field.as_ref().clone().with_nullable(true);
        let schema = Arc::new(Schema::new(stored_schema().fields().iter().map(nullable).collect::<Vec<_>>()));
        let sorting = says.then(sorting_columns);
        let properties = WriterProperties::builder().set_sorting_columns(sorting).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).unwrap();
        for times in groups {
            let columns = schema.fields().iter().map(|field| match field.name().as_str() {
                OCCURRED_AT => {
                    Arc::new(TimestampMicrosecondArray::from(times.to_vec()).with_timezone("UTC")) as ArrayRef
                }
                _ => new_null_array(field.data_type(), times.len()),
            });
            writer.write(&RecordBatch::try_new(schema.clone(), columns.collect()).unwrap()).unwrap();
            writer.flush().unwrap();
        }
        writer.finish().unwrap()
    }

    /// Would catch a file of another program that is taken to be sorted, and a sort of what is sorted.
    #[test]
    fn only_a_footer_makes_a_file_sorted() {
        assert!(is_sorted(&footer(true, &[&[1, 2], &[2, 3], &[7]])));
        assert!(is_sorted(&footer(true, &[])));
        assert!(!is_sorted(&footer(false, &[&[1, 2], &[2, 3]])));
        assert!(!is_sorted(&footer(true, &[&[1, 4], &[2, 3]])));
    }

    fn file(number: usize, (first, last): (i64, i64)) -> KeptFile {
        let time = |micros| Some(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())));
        let stats = ColumnStats { min: time(first), max: time(last), null_count: Some(0), exact: true };
        let file = DataFile {
            path: number.to_string(),
            day: chrono::NaiveDate::default(),
            rows: 1,
            size_bytes: 1,
            added_at_ms: 0,
            stats: BTreeMap::from([(OCCURRED_AT, stats)]),
        };
        KeptFile { tenant: 0, file: Arc::new(file), rows: None }
    }

    proptest! {
        /// Would catch a group that is out of order, a file that is left out or read twice, and more files open at once than need be.
        #[test]
        fn groups_are_in_order_and_few(spans in prop::collection::vec((0_i64..100, 0_i64..20), 0..30)) {
            let spans: Vec<(i64, i64)> = spans.into_iter().map(|(first, more)| (first, first + more)).collect();
            let files: Vec<KeptFile> =
                spans.iter().enumerate().map(|(number, span)| file(number, *span)).collect();
            // As many overlap somewhere as need groups of their own.
            let open_at = |time: i64| spans.iter().filter(|(first, last)| (*first..=*last).contains(&time)).count();
            let needed = spans.iter().map(|(first, _)| open_at(*first)).max().unwrap_or(0);
            let Some(groups) = groups(&files) else {
                prop_assert!(needed > EXPORT_FAN_IN_MAX);
                return Ok(());
            };
            prop_assert_eq!(groups.len(), needed);
            let mut found: Vec<usize> =
                groups.iter().flatten().map(|kept| kept.file.path.parse().unwrap()).collect();
            found.sort_unstable();
            prop_assert_eq!(found, (0..files.len()).collect::<Vec<_>>());
            for group in groups {
                prop_assert!(group.windows(2).all(|pair| times(pair[0]).unwrap().1 < times(pair[1]).unwrap().0));
            }
        }
    }

    /// Would catch files that are merged though nobody knows where they begin.
    #[test]
    fn a_file_that_does_not_tell_is_sorted() {
        let mut unknown = file(0, (0, 1));
        Arc::make_mut(&mut unknown.file).stats.clear();
        assert!(groups(&[unknown]).is_none());
        assert_eq!(groups(&[]).map(|groups| groups.len()), Some(0));
    }
}
