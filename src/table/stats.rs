//! Column statistics of a file: taken from its Parquet footer, kept in memory, written as Delta's `stats` JSON.
//!
//! In: the metadata of a Parquet file just written, or the JSON text of an Add action. Out: [`ColumnStats`] by
//! column. Guaranteed: every value of a column lies within its bounds, and what is written to the log reads
//! back as it was. Text is cut to [`STATS_TEXT_CHARS_MAX`] characters, the upper bound then rounded up, and is
//! exact only if it is shorter. Timestamps keep their microseconds; the milliseconds that other writers leave
//! are rounded outwards.

use std::{collections::BTreeMap, sync::LazyLock};

use arrow::datatypes::{DataType, SchemaRef};
use chrono::{DateTime, Datelike};
use datafusion::scalar::ScalarValue;
use parquet::file::{
    metadata::{ParquetMetaData, RowGroupMetaData},
    statistics::Statistics,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::snapshot::{ColumnStats, DataFile};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{
        schema::{self, SEALED},
        sealed::is_erasable,
    },
    limits::STATS_TEXT_CHARS_MAX,
};

static STORED: LazyLock<SchemaRef> = LazyLock::new(schema::stored_schema);

/// The columns that have statistics: all but lists. Names live as long as the program.
fn columns() -> impl Iterator<Item = (&'static str, &'static DataType)> {
    let fields: &'static SchemaRef = &STORED;
    fields
        .fields()
        .iter()
        .filter(|field| !field.data_type().is_nested())
        .map(|field| (field.name().as_str(), field.data_type()))
}

/// Delta's `stats` of an Add action.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeltaStats {
    num_records: Option<u64>,
    #[serde(default)]
    min_values: Map<String, Value>,
    #[serde(default)]
    max_values: Map<String, Value>,
    #[serde(default)]
    null_count: Map<String, Value>,
    #[serde(default = "tight_unless_said_otherwise")]
    tight_bounds: bool,
}

/// Writers without deletion vectors leave `tightBounds` out.
fn tight_unless_said_otherwise() -> bool {
    true
}

/// The `stats` text of a file's Add action.
pub(crate) fn to_delta_json(file: &DataFile) -> String {
    let mut stats = DeltaStats {
        num_records: Some(file.rows),
        min_values: Map::new(),
        max_values: Map::new(),
        null_count: Map::new(),
        tight_bounds: true,
    };
    for (name, column) in &file.stats {
        let put = |target: &mut Map<String, Value>, value: Option<Value>| {
            if let Some(value) = value {
                target.insert((*name).to_owned(), value);
            }
        };
        put(&mut stats.min_values, column.min.as_ref().and_then(scalar_to_json));
        put(&mut stats.max_values, column.max.as_ref().and_then(scalar_to_json));
        put(&mut stats.null_count, column.null_count.map(Value::from));
    }
    serde_json::to_string(&stats).expect("maps of texts and numbers are always JSON")
}

/// Rows and column statistics from the `stats` text of an Add action; the error says what is wrong with it.
pub(crate) fn from_delta_json(text: &str) -> Result<(u64, BTreeMap<&'static str, ColumnStats>)> {
    let stats: DeltaStats = serde_json::from_str(text)
        .map_err(|cause| Error::with_source(ErrorKind::Corrupt, "statistics are not JSON", cause))?;
    let rows = stats.num_records.ok_or_else(|| {
        Error::new(ErrorKind::Corrupt, "statistics have no numRecords; auditlake did not write this file")
    })?;
    let mut by_column = BTreeMap::new();
    for (name, data_type) in columns() {
        let min = stats.min_values.get(name).and_then(|value| scalar_from_json(value, data_type, false));
        let max = stats.max_values.get(name).and_then(|value| scalar_from_json(value, data_type, true));
        let null_count = stats.null_count.get(name).and_then(Value::as_u64);
        if min.is_none() && max.is_none() && null_count.is_none() {
            continue;
        }
        let bounds = [stats.min_values.get(name), stats.max_values.get(name)];
        let is_cut = matches!(data_type, DataType::Timestamp(..))
            && bounds.into_iter().flatten().filter_map(Value::as_str).any(is_cut_to_millis);
        by_column.insert(name, column_stats(min, max, null_count, stats.tight_bounds && !is_cut));
    }
    Ok((rows, by_column))
}

/// Column statistics over all row groups of a file just written.
pub(crate) fn from_parquet(metadata: &ParquetMetaData) -> BTreeMap<&'static str, ColumnStats> {
    let leaves = metadata.file_metadata().schema_descr().columns();
    let mut by_column = BTreeMap::new();
    let has_sealed = has_sealed(metadata);
    for (name, data_type) in columns() {
        let Some(leaf) = leaves.iter().position(|leaf| leaf.path().parts() == [name]) else { continue };
        let mut bounds = Bounds::default();
        for row_group in metadata.row_groups() {
            let rows = row_group.num_rows() as u64;
            bounds.widen(row_group.column(leaf).statistics(), rows, data_type);
        }
        // The log of a table outlives its files: an erasure would leave the names in it.
        if has_sealed && is_erasable(name) {
            (bounds.min_unknown, bounds.max_unknown) = (true, true);
        }
        by_column.insert(name, bounds.finish());
    }
    by_column
}

/// Whether any event of the file has sealed fields, as far as its footer tells.
fn has_sealed(metadata: &ParquetMetaData) -> bool {
    let leaves = metadata.file_metadata().schema_descr().columns();
    let Some(leaf) = leaves.iter().position(|leaf| leaf.path().parts() == [SEALED]) else { return false };
    let all_null = |group: &RowGroupMetaData| {
        let nulls = group.column(leaf).statistics().and_then(Statistics::null_count_opt);
        nulls == Some(group.num_rows() as u64)
    };
    !metadata.row_groups().iter().all(all_null)
}

/// The bounds of one column while its row groups are gone through.
#[derive(Default)]
struct Bounds {
    min: Option<ScalarValue>,
    max: Option<ScalarValue>,
    nulls: u64,
    min_unknown: bool,
    max_unknown: bool,
    nulls_unknown: bool,
}

impl Bounds {
    fn widen(&mut self, statistics: Option<&Statistics>, rows: u64, data_type: &DataType) {
        let nulls = statistics.and_then(Statistics::null_count_opt);
        match nulls {
            Some(nulls) => self.nulls += nulls,
            None => self.nulls_unknown = true,
        }
        if nulls == Some(rows) {
            return;
        }
        let (min, max) = statistics.map_or((None, None), |statistics| parquet_bounds(statistics, data_type));
        self.min_unknown |= min.is_none();
        self.max_unknown |= max.is_none();
        let narrower = |kept: &Option<ScalarValue>, new: &ScalarValue, wanted: std::cmp::Ordering| {
            kept.as_ref().is_none_or(|kept| new.partial_cmp(kept) == Some(wanted))
        };
        if let Some(min) = min.filter(|min| narrower(&self.min, min, std::cmp::Ordering::Less)) {
            self.min = Some(min);
        }
        if let Some(max) = max.filter(|max| narrower(&self.max, max, std::cmp::Ordering::Greater)) {
            self.max = Some(max);
        }
    }

    fn finish(self) -> ColumnStats {
        let min = self.min.filter(|_| !self.min_unknown).and_then(cut_down);
        let max = self.max.filter(|_| !self.max_unknown).and_then(cut_up);
        column_stats(min, max, (!self.nulls_unknown).then_some(self.nulls), true)
    }
}

/// Puts statistics together; the one place that decides whether bounds are exact.
fn column_stats(
    min: Option<ScalarValue>,
    max: Option<ScalarValue>,
    null_count: Option<u64>,
    tight: bool,
) -> ColumnStats {
    let is_exact = |bound: &Option<ScalarValue>| match bound {
        Some(ScalarValue::Utf8(Some(text))) => text.chars().count() < STATS_TEXT_CHARS_MAX,
        Some(_) => true,
        None => false,
    };
    let exact = tight && is_exact(&min) && is_exact(&max);
    ColumnStats { min, max, null_count, exact }
}

fn parquet_bounds(
    statistics: &Statistics,
    data_type: &DataType,
) -> (Option<ScalarValue>, Option<ScalarValue>) {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(ScalarValue::from);
    let number = |value: &i64| match data_type {
        DataType::Timestamp(_, zone) => ScalarValue::TimestampMicrosecond(Some(*value), zone.clone()),
        _ => ScalarValue::Int64(Some(*value)),
    };
    match statistics {
        Statistics::Int32(values) => {
            (values.min_opt().map(|min| (*min).into()), values.max_opt().map(|max| (*max).into()))
        }
        Statistics::Int64(values) => (values.min_opt().map(number), values.max_opt().map(number)),
        Statistics::ByteArray(values) => (
            values.min_opt().and_then(|min| text(min.data())),
            values.max_opt().and_then(|max| text(max.data())),
        ),
        _ => (None, None),
    }
}

/// A lower bound of bounded length.
fn cut_down(min: ScalarValue) -> Option<ScalarValue> {
    match min {
        ScalarValue::Utf8(Some(text)) => {
            Some(text.chars().take(STATS_TEXT_CHARS_MAX).collect::<String>().as_str().into())
        }
        ScalarValue::TimestampMicrosecond(Some(micros), _) => has_four_digit_year(micros).then_some(min),
        other => Some(other),
    }
}

/// An upper bound of bounded length: cut text has its last character raised; `None` where that is impossible.
fn cut_up(max: ScalarValue) -> Option<ScalarValue> {
    match max {
        ScalarValue::Utf8(Some(text)) => {
            let mut kept: Vec<char> = text.chars().take(STATS_TEXT_CHARS_MAX + 1).collect();
            if kept.len() > STATS_TEXT_CHARS_MAX {
                kept.truncate(STATS_TEXT_CHARS_MAX);
                let last = kept.last_mut()?;
                *last = (*last..=char::MAX).nth(1)?;
            }
            Some(kept.into_iter().collect::<String>().as_str().into())
        }
        ScalarValue::TimestampMicrosecond(Some(micros), _) => has_four_digit_year(micros).then_some(max),
        other => Some(other),
    }
}

/// RFC 3339 ends with the year 9999; such bounds are left out.
fn has_four_digit_year(micros: i64) -> bool {
    DateTime::from_timestamp_micros(micros).is_some_and(|time| (0..=9_999).contains(&time.year()))
}

fn scalar_to_json(scalar: &ScalarValue) -> Option<Value> {
    match scalar {
        ScalarValue::Utf8(Some(text)) => Some(text.as_str().into()),
        ScalarValue::Int64(Some(number)) => Some((*number).into()),
        ScalarValue::Int32(Some(number)) => Some((*number).into()),
        ScalarValue::TimestampMicrosecond(Some(micros), _) => {
            let time = DateTime::from_timestamp_micros(*micros)?;
            Some(time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string().into())
        }
        _ => None,
    }
}

fn scalar_from_json(value: &Value, data_type: &DataType, is_upper: bool) -> Option<ScalarValue> {
    match data_type {
        DataType::Utf8 => value.as_str().map(ScalarValue::from),
        DataType::Int64 => value.as_i64().map(ScalarValue::from),
        DataType::Int32 => {
            value.as_i64().and_then(|number| i32::try_from(number).ok()).map(ScalarValue::from)
        }
        DataType::Timestamp(_, zone) => {
            let text = value.as_str()?;
            let micros = DateTime::parse_from_rfc3339(text).ok()?.timestamp_micros();
            let rounded_up = if is_upper && is_cut_to_millis(text) { 999 } else { 0 };
            Some(ScalarValue::TimestampMicrosecond(Some(micros + rounded_up), zone.clone()))
        }
        _ => None,
    }
}

/// Whether a time may have been cut to milliseconds, as other writers do: the true one may be almost one later.
fn is_cut_to_millis(time: &str) -> bool {
    let fraction = time.split_once('.').map_or("", |(_, fraction)| fraction);
    fraction.bytes().take_while(u8::is_ascii_digit).count() < 6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(scalar: Option<ScalarValue>) -> String {
        scalar.unwrap().to_string()
    }

    /// Would catch a cut upper bound below the value, a broken character, and a bound that cannot be raised.
    #[test]
    fn cut_text_still_bounds() {
        let long = "ü".repeat(40);
        assert_eq!(text(cut_down(long.as_str().into())), "ü".repeat(32));
        let upper = text(cut_up(long.as_str().into()));
        assert!(upper > long && upper.chars().count() == 32);
        let before_surrogates = format!("{}\u{D7FF}x", "a".repeat(31));
        assert!(text(cut_up(before_surrogates.as_str().into())).ends_with('\u{E000}'));
        assert_eq!(cut_up("\u{10FFFF}".repeat(40).as_str().into()), None);
        assert_eq!(text(cut_up("short".into())), "short");
    }

    /// Would catch a maximum cut to milliseconds by another writer that excludes events of its last millisecond, or that is given as the
    /// time of an event.
    #[test]
    fn milliseconds_of_other_writers_are_rounded_outwards() {
        let stats = r#"{"numRecords":1,"minValues":{"occurred_at":"2026-01-02T03:04:05.006Z"},
                        "maxValues":{"occurred_at":"2026-01-02T03:04:05.006Z"},"nullCount":{"occurred_at":0}}"#;
        let (rows, columns) = from_delta_json(stats).unwrap();
        let Some(ScalarValue::TimestampMicrosecond(Some(min), _)) = columns["occurred_at"].min else {
            panic!()
        };
        let Some(ScalarValue::TimestampMicrosecond(Some(max), _)) = columns["occurred_at"].max else {
            panic!()
        };
        assert_eq!((rows, max - min, min % 1_000_000), (1, 999, 6_000));
        assert!(!columns["occurred_at"].exact);
        let (_, columns) = from_delta_json(&stats.replace("006Z", "006000Z")).unwrap();
        assert!(columns["occurred_at"].exact);
    }

    /// Would catch a file of unknown length being counted as empty.
    #[test]
    fn statistics_without_a_row_count_are_refused() {
        assert_eq!(from_delta_json("{}").unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(from_delta_json("").unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
