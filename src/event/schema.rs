//! The columns of an event: names, types and order, in memory, in Parquet and in SQL.
//!
//! [`accepted_schema`] is what decoding produces and the WAL holds; [`stored_schema`] adds the `seq` that a
//! commit assigns and is what a Parquet file holds; `day` is the Delta partition and the last SQL column.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{ArrayRef, RecordBatch, new_null_array},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};

/// Number of the event in its tenant's log, from 0, without gaps. Null until committed.
pub const SEQ: &str = "seq";
/// Partition column: the UTC day of `occurred_at`.
pub const DAY: &str = "day";
/// The event's id, unique in the tenant.
pub const ID: &str = "id";
/// The tenant whose log this is.
pub const TENANT_ID: &str = "tenant_id";
/// When it happened, microseconds, UTC.
pub const OCCURRED_AT: &str = "occurred_at";
/// When auditlake accepted it, microseconds, UTC.
pub const RECEIVED_AT: &str = "received_at";
/// What a leaf commits to without holding it: see [`super::sealed`].
pub const SEALED: &str = "sealed";
/// The ids of all targets, in order.
pub const TARGET_IDS: &str = "target_ids";

/// Timestamps everywhere: microseconds in UTC.
pub fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Text columns that are never null.
const REQUIRED_TEXT: [&str; 5] = [ID, TENANT_ID, "action", "actor_type", "actor_id"];

/// All columns but `seq` and `day`, in order.
const ORDER: [&str; 34] = [
    ID,
    TENANT_ID,
    OCCURRED_AT,
    RECEIVED_AT,
    "action",
    "outcome",
    "outcome_reason",
    "actor_type",
    "actor_id",
    "actor_name",
    "actor_email",
    "actor_metadata",
    "on_behalf_of_type",
    "on_behalf_of_id",
    "on_behalf_of_name",
    "credential_type",
    "credential_id",
    "workspace_id",
    "workspace_name",
    "target_type",
    "target_id",
    "target_name",
    TARGET_IDS,
    "targets",
    "ip_address",
    "user_agent",
    "session_id",
    "request_id",
    "country",
    "correlation_id",
    "description",
    "changes",
    "metadata",
    SEALED,
];

/// Columns that hold canonical JSON text.
pub const JSON_COLUMNS: [&str; 5] = ["actor_metadata", "targets", "changes", "metadata", SEALED];

fn field(name: &str) -> Field {
    match name {
        OCCURRED_AT | RECEIVED_AT => Field::new(name, timestamp_type(), false),
        TARGET_IDS => {
            let item = Field::new("element", DataType::Utf8, true);
            Field::new(name, DataType::List(Arc::new(item)), true)
        }
        _ => Field::new(name, DataType::Utf8, !REQUIRED_TEXT.contains(&name)),
    }
}

static ACCEPTED: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields: Vec<Field> = ORDER.iter().map(|name| field(name)).collect();
    fields.push(Field::new("version", DataType::Int32, true));
    Arc::new(Schema::new(fields))
});

static STORED: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = vec![Arc::new(Field::new(SEQ, DataType::Int64, true))];
    fields.extend(ACCEPTED.fields().iter().cloned());
    Arc::new(Schema::new(fields))
});

static TABLE: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields: Vec<_> = STORED.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(DAY, DataType::Date32, true)));
    Arc::new(Schema::new(fields))
});

/// `columns` of a batch of `found` as those of `wanted`: a nullable column that is not among them, because it was written before
/// there was one, is null. `None` if they are not the columns of `wanted` otherwise.
pub fn completed(
    found: &Schema,
    columns: &[ArrayRef],
    rows: usize,
    wanted: &SchemaRef,
) -> Option<RecordBatch> {
    let mut left = found.fields().iter().zip(columns).peekable();
    let column = |field: &Arc<Field>| match left.next_if(|(found, _)| found.name() == field.name()) {
        Some((found, column)) => (found.data_type() == field.data_type()).then(|| column.clone()),
        None => field.is_nullable().then(|| new_null_array(field.data_type(), rows)),
    };
    let complete: Vec<ArrayRef> = wanted.fields().iter().map(column).collect::<Option<_>>()?;
    let is_all = left.next().is_none();
    RecordBatch::try_new(wanted.clone(), complete).ok().filter(|_| is_all)
}

/// Columns of an accepted event that is not committed yet: everything but `seq` and `day`.
pub fn accepted_schema() -> SchemaRef {
    ACCEPTED.clone()
}

/// Columns of a Parquet file: `seq`, then the accepted columns.
pub fn stored_schema() -> SchemaRef {
    STORED.clone()
}

/// Columns of the table and of the SQL view `events`: the stored columns, then `day`.
pub fn table_schema() -> SchemaRef {
    TABLE.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a column that is filled in although it must be there, and one of another kind that passes for ours.
    #[test]
    fn only_what_may_be_null_is_filled_in() {
        let wanted = accepted_schema();
        let whole = RecordBatch::new_empty(wanted.clone());
        let completed =
            |batch: &RecordBatch| completed(&batch.schema(), batch.columns(), batch.num_rows(), &wanted);
        let without = |name: &str| {
            let kept: Vec<usize> =
                (0..wanted.fields().len()).filter(|at| wanted.field(*at).name() != name).collect();
            whole.project(&kept).unwrap()
        };
        assert_eq!(completed(&whole).unwrap(), whole);
        assert_eq!(completed(&without(SEALED)).unwrap(), whole);
        assert!(completed(&without(ID)).is_none());
        assert!(completed(&RecordBatch::new_empty(stored_schema())).is_none(), "a column too many");
    }
}
