//! What the planner is told of the files of a scan: rows, and the smallest and largest values of columns.
//!
//! In: kept files with the statistics of the Delta log. Out: the planner's form of them. Guaranteed: what is called exact is
//! so of all files together; of a file of which only some rows are read, extremes are bounds.

use datafusion::{
    common::{ColumnStatistics, Statistics, stats::Precision},
    scalar::ScalarValue,
};

use crate::{
    event::schema::{DAY, OCCURRED_AT, SEQ},
    query::{
        columns::{self, as_planned},
        prune::{KeptFile, day_scalar},
    },
    table::snapshot::ColumnStats,
};

/// Columns of which a scan tells the planner smallest and largest values over all files.
const TOTALLED_COLUMNS_MAX: usize = 8;

/// The statistics of all files together. Merging what [`of_file`] gives would take longer than most queries.
pub(super) fn of_all(files: &[&KeptFile], used: &[bool], filtered: &[bool]) -> Statistics {
    let fields = columns::table_columns();
    let whole = files.iter().all(|kept| kept.rows.is_none());
    // What is asked of many columns is not answered by their extremes.
    let few = used.iter().filter(|used| **used).count() <= TOTALLED_COLUMNS_MAX;
    let wanted = if few { used } else { filtered };
    let columns = fields.fields().iter().zip(wanted).map(|(field, wanted)| match wanted {
        true => total_of_column(field.name(), files),
        false => ColumnStatistics::new_unknown(),
    });
    let rows = files.iter().map(|kept| kept.file.rows as usize).sum();
    let bytes = files.iter().map(|kept| kept.file.size_bytes as usize).sum();
    let total = Statistics {
        num_rows: Precision::Exact(rows),
        total_byte_size: Precision::Inexact(bytes),
        column_statistics: columns.collect(),
    };
    if whole { total } else { total.to_inexact() }
}

/// The file's statistics in the planner's form; most columns are left out, a table has thousands of files.
pub(super) fn of_file(kept: &KeptFile, filtered: &[bool]) -> Statistics {
    let file = &kept.file;
    let rows = file.rows as usize;
    let fields = columns::file_columns();
    let columns = fields.fields().iter().zip(filtered).map(|(field, is_filtered)| {
        // What events are sorted by is always of use: see `newest`.
        let wanted = *is_filtered || [OCCURRED_AT, SEQ].contains(&field.name().as_str());
        let stats = file.stats.get(field.name().as_str()).filter(|_| wanted);
        stats.map_or_else(ColumnStatistics::new_unknown, column_statistics)
    });
    Statistics {
        // Of a file of which only some rows are read, their number is not exact.
        num_rows: if kept.rows.is_some() { Precision::Inexact(rows) } else { Precision::Exact(rows) },
        total_byte_size: Precision::Inexact(file.size_bytes as usize),
        column_statistics: match kept.rows {
            Some(_) => columns.map(bounds_only).collect(),
            None => columns.collect(),
        },
    }
}

/// Of only some rows of a file. The extremes of all are still bounds of theirs; DataFusion skips files by what is called exact
/// only, and nothing else reads these: an aggregate is answered from the statistics of all files together.
fn bounds_only(of_all: ColumnStatistics) -> ColumnStatistics {
    ColumnStatistics { null_count: of_all.null_count.to_inexact(), ..of_all }
}

/// Smallest and largest value of a column in all files, and how many are null, as far as all files tell.
fn total_of_column(name: &str, files: &[&KeptFile]) -> ColumnStatistics {
    if name == DAY {
        let days = || files.iter().map(|kept| kept.file.day);
        let bound = |day: Option<_>| day.map_or(Precision::Absent, |day| Precision::Exact(day_scalar(day)));
        return ColumnStatistics {
            null_count: Precision::Exact(0),
            min_value: bound(days().min()),
            max_value: bound(days().max()),
            ..ColumnStatistics::new_unknown()
        };
    }
    let (mut exact, mut nulls) = (true, Some(0));
    let (mut min, mut max): (Option<&ScalarValue>, Option<&ScalarValue>) = (None, None);
    for kept in files {
        let Some(stats) = kept.file.stats.get(name) else { return ColumnStatistics::new_unknown() };
        nulls = nulls.zip(stats.null_count).map(|(sum, count)| sum + count);
        match (&stats.min, &stats.max) {
            (Some(low), Some(high)) => {
                exact &= stats.exact;
                min = Some(min.map_or(low, |min| if low < min { low } else { min }));
                max = Some(max.map_or(high, |max| if high > max { high } else { max }));
            }
            // All null: no value at all, so no bound to widen.
            (None, None) if stats.null_count == Some(kept.file.rows) => {}
            _ => return ColumnStatistics::new_unknown(),
        }
    }
    let total = ColumnStats { min: min.cloned(), max: max.cloned(), null_count: nulls, exact };
    column_statistics(&total)
}

fn column_statistics(stats: &ColumnStats) -> ColumnStatistics {
    let bound = |value: &Option<ScalarValue>| match value {
        Some(value) if stats.exact => Precision::Exact(as_planned(value)),
        Some(value) => Precision::Inexact(as_planned(value)),
        None => Precision::Absent,
    };
    ColumnStatistics {
        null_count: stats.null_count.map_or(Precision::Absent, |count| Precision::Exact(count as usize)),
        min_value: bound(&stats.min),
        max_value: bound(&stats.max),
        ..ColumnStatistics::new_unknown()
    }
}
