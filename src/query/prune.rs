//! Which files a predicate can match at all: a pure function of the predicate and the snapshots.
//!
//! In: a filter on `events` and pinned snapshots. Out: the tenants and files that may hold a match, and why
//! each other file cannot. Guaranteed: a file with a matching row is kept, whatever the predicate; pruning
//! only ever saves work. It goes from cheap to dear: tenants, then days; and, after the skip index has had its
//! say, each file's smallest and largest values. All three ask the same [`PruningPredicate`] and differ in what they let it know.

use std::{cmp::Ordering, collections::HashSet, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray, Date32Array, TimestampMicrosecondArray, UInt64Array},
    datatypes::{DataType, Date32Type},
};
use chrono::NaiveDate;
use datafusion::{
    common::{Column, pruning::PruningStatistics},
    physical_expr::{PhysicalExpr, utils::collect_columns},
    physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder},
    scalar::ScalarValue,
};

use super::{
    addresses::older::may_hold_mapped,
    columns::{self, IP_ADDRESS, as_planned},
    statistics::Statistics,
};
use crate::{
    event::schema::{DAY, OCCURRED_AT, TENANT_ID},
    index::Rows,
    table::snapshot::{DataFile, Snapshot},
};

/// What `day` counts in, in what `occurred_at` counts in.
pub(crate) const MICROS_PER_DAY: i64 = 86_400_000_000;

/// What is left to read after pruning.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Snapshots whose tenant may match; their uncommitted batches have to be read.
    pub(crate) snapshots: Vec<Arc<Snapshot>>,
    /// Files that may match.
    pub(crate) files: Vec<KeptFile>,
    /// Whether the skip index has ruled out most rows, so that few of those left are expected to match.
    pub(crate) needle: bool,
    /// How many were considered and pruned, and why.
    pub(crate) counts: Statistics,
}

/// One file that may match.
#[derive(Clone, Debug)]
pub(crate) struct KeptFile {
    /// Whose: index into [`Kept::snapshots`].
    pub(crate) tenant: usize,
    pub(crate) file: Arc<DataFile>,
    /// The rows that may match; `None`: any of them.
    pub(crate) rows: Option<Rows>,
}

impl KeptFile {
    /// How many rows may match.
    pub(crate) fn rows(&self) -> u64 {
        match &self.rows {
            Some(rows) => rows.iter().map(|range| range.end - range.start).sum(),
            None => self.file.rows,
        }
    }
}

/// Splits what `predicate` cannot match by tenant and day from what it can; without a predicate everything is kept.
pub(crate) fn by_tenant_and_day(predicate: Option<&PruningPredicate>, snapshots: &[Arc<Snapshot>]) -> Kept {
    let mut counts = Statistics {
        tenants_considered: snapshots.len() as u64,
        files_considered: snapshots.iter().map(|snapshot| snapshot.files.len() as u64).sum(),
        ..Statistics::default()
    };

    let tenants = snapshots.iter().map(|snapshot| Container { snapshot, file: None }).collect();
    let keep = matches(predicate, tenants, Stage::Tenant);
    let kept: Vec<_> =
        snapshots.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(each, _)| Arc::clone(each)).collect();
    counts.tenants_pruned = (snapshots.len() - kept.len()) as u64;

    let by_tenant: Vec<(usize, &Arc<DataFile>)> = kept
        .iter()
        .enumerate()
        .flat_map(|(index, snapshot)| snapshot.files.iter().map(move |file| (index, file)))
        .collect();
    let containers =
        by_tenant.iter().map(|(index, file)| Container { snapshot: &kept[*index], file: Some(file) });
    let keep = matches(predicate, containers.collect(), Stage::Day);
    counts.files_pruned_by_tenant = counts.files_considered - by_tenant.len() as u64;
    let kept_file =
        |(tenant, file): (usize, &Arc<DataFile>)| KeptFile { tenant, file: Arc::clone(file), rows: None };
    let files: Vec<KeptFile> =
        by_tenant.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(each, _)| kept_file(*each)).collect();
    counts.files_pruned_by_day = (by_tenant.len() - files.len()) as u64;
    counts.files_kept = files.len() as u64;
    counts.bytes_kept = files.iter().map(|kept| kept.file.size_bytes).sum();
    Kept { snapshots: kept, files, needle: false, counts }
}

/// Takes files out of `kept` whose smallest and largest values `predicate` cannot match. Dearer for each file than the
/// skip index is, so it comes after it.
pub(crate) fn by_min_max(predicate: Option<&PruningPredicate>, kept: &mut Kept) {
    let container = |kept_file: &KeptFile| (kept_file.tenant, Arc::clone(&kept_file.file));
    let files: Vec<(usize, Arc<DataFile>)> = kept.files.iter().map(container).collect();
    let containers =
        files.iter().map(|(tenant, file)| Container { snapshot: &kept.snapshots[*tenant], file: Some(file) });
    let mut keep = matches(predicate, containers.collect(), Stage::MinMax).into_iter();
    let counts = &mut kept.counts;
    kept.files.retain(|kept_file| {
        let keep = keep.next().unwrap_or(true);
        if !keep {
            counts.files_pruned_by_min_max += 1;
            counts.files_kept -= 1;
            counts.bytes_kept -= kept_file.file.size_bytes;
        }
        keep
    });
}

/// Whether one file may hold a match, by its tenant, day, and smallest and largest values.
pub(crate) fn may_match(predicate: &PruningPredicate, snapshot: &Snapshot, file: &DataFile) -> bool {
    let container = Container { snapshot, file: Some(file) };
    matches(Some(predicate), vec![container], Stage::MinMax) != [false]
}

/// What pruning asks of a predicate; `None` if nothing can be concluded from it.
pub(crate) fn compile(predicate: &Arc<dyn PhysicalExpr>) -> Option<PruningPredicate> {
    let built = PruningPredicateBuilder::new()
        .with_file_schema(columns::table_columns())
        .try_build(Arc::clone(predicate))
        .ok()?;
    (!built.always_true()).then_some(built)
}

/// For each container, whether it may hold a match.
fn matches(predicate: Option<&PruningPredicate>, containers: Vec<Container<'_>>, stage: Stage) -> Vec<bool> {
    let count = containers.len();
    let all = || vec![true; count];
    let is_known = |predicate: &&PruningPredicate| {
        count > 0 && collect_columns(predicate.orig_expr()).iter().any(|column| stage.knows(column.name()))
    };
    let Some(predicate) = predicate.filter(is_known) else { return all() };
    // An error means that nothing can be concluded: reading too much is right, only slower.
    predicate.prune(&Known { containers, stage }).unwrap_or_else(|_| all())
}

/// Lower and upper bound of a column's values, `None` where unknown or all null.
type Bounds = (Option<ScalarValue>, Option<ScalarValue>);

/// How much the predicate may know.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Tenant,
    Day,
    MinMax,
}

impl Stage {
    /// Whether anything is known of a column's values. To say so of each of thousands of files would cost more than what is known.
    fn knows(self, column: &str) -> bool {
        match self {
            Self::Tenant => column == TENANT_ID,
            Self::Day => [TENANT_ID, DAY, OCCURRED_AT].contains(&column),
            Self::MinMax => true,
        }
    }
}

/// A tenant's log, or one file of it.
struct Container<'a> {
    snapshot: &'a Snapshot,
    file: Option<&'a DataFile>,
}

impl Container<'_> {
    fn bounds(&self, column: &str, stage: Stage) -> Bounds {
        if column == TENANT_ID {
            let tenant = Some(ScalarValue::Utf8View(Some(self.snapshot.tenant.as_str().to_string())));
            return (tenant.clone(), tenant);
        }
        let Some(file) = self.file else { return (None, None) };
        match (column, stage) {
            (DAY, Stage::Day | Stage::MinMax) => {
                let day = Some(day_scalar(file.day));
                (day.clone(), day)
            }
            (OCCURRED_AT, Stage::Day) => {
                let [first, last] = times_of(file.day);
                (Some(timestamp(first)), Some(timestamp(last)))
            }
            // What is compared with is the canonical text of an address, and these bounds may not be.
            (IP_ADDRESS, Stage::MinMax) if may_hold_mapped(file) => (None, None),
            (_, Stage::MinMax) => file.stats.get(column).map_or((None, None), |stats| {
                (stats.min.as_ref().map(as_planned), stats.max.as_ref().map(as_planned))
            }),
            _ => (None, None),
        }
    }

    fn nulls(&self, column: &str, stage: Stage) -> Option<u64> {
        if column == TENANT_ID || (column == DAY && self.file.is_some()) {
            return Some(0);
        }
        let file = self.file.filter(|_| stage == Stage::MinMax)?;
        file.stats.get(column)?.null_count
    }
}

/// The partition value of a day.
pub(crate) fn day_scalar(day: NaiveDate) -> ScalarValue {
    ScalarValue::Date32(Some(Date32Type::from_naive_date(day)))
}

/// The first and the last microsecond of a day.
fn times_of(day: NaiveDate) -> [i64; 2] {
    let first = i64::from(Date32Type::from_naive_date(day)) * MICROS_PER_DAY;
    [first, first + MICROS_PER_DAY - 1]
}

fn timestamp(micros: i64) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into()))
}

/// The statistics of containers as the predicate asks for them, column by column.
struct Known<'a> {
    containers: Vec<Container<'a>>,
    stage: Stage,
}

impl Known<'_> {
    /// What each file's day alone tells, without a scalar for each of thousands of files.
    fn of_days(&self, column: &str, side: Side) -> Option<ArrayRef> {
        let days = self.containers.iter().map(|container| container.file.map(|file| file.day));
        let time = |day| times_of(day)[if side == Side::Min { 0 } else { 1 }];
        match column {
            DAY => {
                let days = days.map(|day| day.map(Date32Type::from_naive_date));
                Some(Arc::new(days.collect::<Date32Array>()))
            }
            OCCURRED_AT => {
                let times = days.map(|day| day.map(time)).collect::<TimestampMicrosecondArray>();
                Some(Arc::new(times.with_timezone("UTC")))
            }
            _ => None,
        }
    }

    fn column(&self, column: &Column, side: Side) -> Option<ArrayRef> {
        if !self.stage.knows(&column.name) {
            return None;
        }
        if self.stage == Stage::Day && column.name != TENANT_ID {
            return self.of_days(&column.name, side);
        }
        let data_type = columns::table_columns().field_with_name(&column.name).ok()?.data_type().clone();
        let unknown = ScalarValue::try_from(&data_type).ok()?;
        let mut any = false;
        let values = self.containers.iter().map(|container| {
            let (min, max) = container.bounds(&column.name, self.stage);
            let value = if side == Side::Min { min } else { max };
            // A bound of another type would fail the whole array: treat it as unknown.
            let value = value.filter(|value| !value.is_null() && same_type(value, &data_type));
            any |= value.is_some();
            value.unwrap_or_else(|| unknown.clone())
        });
        let array = ScalarValue::iter_to_array(values.collect::<Vec<_>>()).ok()?;
        any.then_some(array)
    }
}

/// Which bound.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Min,
    Max,
}

fn same_type(value: &ScalarValue, data_type: &DataType) -> bool {
    value.data_type() == *data_type
}

impl PruningStatistics for Known<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.column(column, Side::Min)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.column(column, Side::Max)
    }

    fn num_containers(&self) -> usize {
        self.containers.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        if !self.stage.knows(&column.name) {
            return None;
        }
        let counts = self.containers.iter().map(|each| each.nulls(&column.name, self.stage));
        Some(Arc::new(counts.collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let rows = self.containers.iter().map(|each| each.file.map(|file| file.rows));
        Some(Arc::new(rows.collect::<UInt64Array>()))
    }

    /// `false` where every value of an `IN` list lies outside of the bounds. The predicate itself looks at
    /// bounds only for short lists.
    fn contained(&self, column: &Column, values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        if !self.stage.knows(&column.name) {
            return None;
        }
        // In order, so that a list of thousands costs each of thousands of files a few comparisons.
        let mut values: Vec<ScalarValue> = values.iter().map(as_planned).collect();
        let data_type = values.first()?.data_type();
        if !values.iter().all(|value| same_type(value, &data_type)) {
            return None;
        }
        values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
        let answers = self.containers.iter().map(|container| {
            let (min, max) = container.bounds(&column.name, self.stage);
            let (min, max) = (min?, max?);
            if !same_type(&min, &data_type) || !same_type(&max, &data_type) {
                return None;
            }
            let first = values.partition_point(|value| value.partial_cmp(&min) == Some(Ordering::Less));
            let is_outside = |value: &ScalarValue| value.partial_cmp(&max) == Some(Ordering::Greater);
            values.get(first).is_none_or(is_outside).then_some(false)
        });
        Some(answers.collect())
    }
}

#[cfg(test)]
mod tests;
