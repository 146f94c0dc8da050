//! Each way of pruning by itself, by table; whether answers stay right is tested in `query/tests/differential.rs`.

use std::collections::BTreeMap;

use datafusion::{
    common::DFSchema,
    execution::SessionStateBuilder,
    logical_expr::Expr,
    prelude::{col, lit},
};

use super::*;
use crate::{
    event::{TenantId, schema},
    table::snapshot::ColumnStats,
};

fn file(day: u32, actors: Option<(&str, &str)>) -> Arc<DataFile> {
    let actor = ColumnStats {
        min: actors.map(|(low, _)| ScalarValue::from(low)),
        max: actors.map(|(_, high)| ScalarValue::from(high)),
        null_count: Some(0),
        exact: true,
    };
    let no_ip = ColumnStats { min: None, max: None, null_count: Some(10), exact: true };
    let stats = BTreeMap::from([("actor_id", actor), ("ip_address", no_ip)]);
    let day = NaiveDate::from_ymd_opt(2026, 11, day).unwrap();
    Arc::new(DataFile { path: day.to_string(), day, rows: 10, size_bytes: 100, added_at_ms: 0, stats })
}

/// Two tenants: files of the 1st, 2nd and 3rd; actors a–c, m–p, unknown.
fn snapshots() -> Vec<Arc<Snapshot>> {
    let files = Arc::new(vec![file(1, Some(("a", "c"))), file(2, Some(("m", "p"))), file(3, None)]);
    let snapshot = |name: &str| {
        let empty = Snapshot::empty(TenantId::parse(name).unwrap());
        Arc::new(Snapshot { files: Arc::clone(&files), ..empty })
    };
    vec![snapshot("acme"), snapshot("bolt")]
}

fn pruned(filter: Expr) -> Statistics {
    let state = SessionStateBuilder::new().with_default_features().build();
    let columns = DFSchema::try_from(columns::table_columns()).unwrap();
    let predicate = state.create_physical_expr(filter, &columns).unwrap();
    let predicate = compile(&predicate);
    let mut kept = by_tenant_and_day(predicate.as_ref(), &snapshots());
    by_min_max(predicate.as_ref(), &mut kept);
    kept.counts
}

/// Would catch a way of pruning that stops to work, and a file counted under the wrong reason.
#[test]
fn each_predicate_prunes_for_its_reason() {
    let time = |text: &str| datafusion::prelude::cast(lit(text), schema::timestamp_type());
    // As the optimizer leaves it: the literals have the column's type.
    let text = |number: i32| lit(ScalarValue::Utf8View(Some(format!("d{number}"))));
    let many: Vec<Expr> = (0..50).map(text).collect();
    // (filter, pruned tenants, files by tenant, by day, by min/max, kept)
    let table = [
        (lit(true), [0, 0, 0, 0, 6]),
        (col("tenant_id").eq(lit("acme")), [1, 3, 0, 0, 3]),
        (col("tenant_id").eq(lit("zoo")), [2, 6, 0, 0, 0]),
        (col("day").eq(datafusion::prelude::cast(lit("2026-11-02"), DataType::Date32)), [0, 0, 4, 0, 2]),
        (col("occurred_at").gt_eq(time("2026-11-03T00:00:00Z")), [0, 0, 4, 0, 2]),
        (col("occurred_at").lt(time("2026-11-02T00:00:00Z")), [0, 0, 4, 0, 2]),
        (col("actor_id").eq(lit("b")), [0, 0, 0, 2, 4]),
        (col("actor_id").eq(lit("z")), [0, 0, 0, 4, 2]),
        (col("actor_id").in_list(many, false), [0, 0, 0, 4, 2]),
        // All values of the column are null in every file.
        (col("ip_address").eq(lit("203.0.113.1")), [0, 0, 0, 6, 0]),
        (col("ip_address").is_null(), [0, 0, 0, 0, 6]),
        // Nothing is known of other columns.
        (col("action").eq(lit("x")), [0, 0, 0, 0, 6]),
        (col("tenant_id").eq(lit("bolt")).and(col("actor_id").eq(lit("n"))), [1, 3, 0, 1, 2]),
        (col("tenant_id").eq(lit("bolt")).or(col("actor_id").eq(lit("n"))), [0, 0, 0, 1, 5]),
    ];
    for (filter, expected) in table {
        let counts = pruned(filter.clone());
        let found = [
            counts.tenants_pruned,
            counts.files_pruned_by_tenant,
            counts.files_pruned_by_day,
            counts.files_pruned_by_min_max,
            counts.files_kept,
        ];
        assert_eq!(found, expected, "{filter}");
        assert_eq!(counts.bytes_kept, counts.files_kept * 100);
    }
}
