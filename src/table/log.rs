//! The entries of a Delta log as auditlake writes them: one NDJSON object a commit.
//!
//! In: a [`Commit`] and where it goes. Out: the bytes of `_delta_log/{version}.json`, by the Delta protocol
//! (reader 1, writer 2: what every reader knows). Guaranteed: each entry names its writer's unique id in
//! `commitInfo.txnId`, so that after a failure the writer can tell its own entry from another's. Made here
//! rather than by `deltalake-core` because a commit is then one small put and nothing else.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use arrow::datatypes::DataType;
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Commit, commit::TreeRecord, snapshot::DataFile, stats};
use crate::event::schema;

/// `txn` application whose version is the WAL segment through which the tenant is committed.
pub(crate) const WAL_APP_ID: &str = "auditlake-wal";
/// `txn` application whose version is the next `seq`.
pub(crate) const SEQ_APP_ID: &str = "auditlake-seq";
/// Highest protocol versions that auditlake reads and writes.
pub(crate) const READER_VERSION: i32 = 1;
/// See [`READER_VERSION`].
pub(crate) const WRITER_VERSION: i32 = 2;
/// The property by which a table forbids all writers to remove events; files may be replaced by others with the same ones.
pub(crate) const APPEND_ONLY: &str = "delta.appendOnly";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Action<'a> {
    CommitInfo(CommitInfo<'a>),
    Protocol(Protocol),
    MetaData(MetaData<'a>),
    #[serde(rename = "metaData")]
    NewMetaData(&'a Value),
    Txn(Txn<'a>),
    Remove(Remove<'a>),
    Add(Add<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CommitInfo<'a> {
    timestamp: i64,
    operation: &'a str,
    operation_parameters: BTreeMap<&'a str, String>,
    is_blind_append: bool,
    engine_info: &'a str,
    txn_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    auditlake_tree: Option<&'a TreeRecord>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Protocol {
    min_reader_version: i32,
    min_writer_version: i32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MetaData<'a> {
    id: &'a str,
    name: &'a str,
    format: Value,
    schema_string: &'a str,
    partition_columns: [&'a str; 1],
    configuration: BTreeMap<&'a str, String>,
    created_time: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Txn<'a> {
    app_id: &'a str,
    version: i64,
    last_updated: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Add<'a> {
    path: &'a str,
    partition_values: BTreeMap<&'a str, String>,
    size: u64,
    modification_time: i64,
    data_change: bool,
    stats: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Remove<'a> {
    path: &'a str,
    deletion_timestamp: i64,
    data_change: bool,
    extended_file_metadata: bool,
    partition_values: BTreeMap<&'a str, String>,
    size: u64,
}

/// What an entry needs to be told beside the commit itself.
pub(crate) struct EntryContext<'a> {
    /// The table's name for readers: the tenant.
    pub(crate) table_name: &'a str,
    /// Unique to this commit, whatever the number of attempts.
    pub(crate) commit_id: &'a str,
    /// Milliseconds since 1970.
    pub(crate) now_ms: i64,
    /// `Some` for version 0, which also creates the table.
    pub(crate) create: Option<TableConfiguration>,
    /// `Some`: what the table says of itself from now on, see [`with_append_only`].
    pub(crate) meta_data: Option<&'a Value>,
}

/// What version 0 says about the table for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableConfiguration {
    /// Commits between checkpoints.
    pub(crate) checkpoint_commits: u64,
    /// Hours for which log entries older than a checkpoint are kept.
    pub(crate) log_retention_hours: u64,
    /// Hours for which superseded files are kept.
    pub(crate) deleted_file_retention_hours: u64,
}

/// The bytes of one log entry.
pub(crate) fn entry(commit: &Commit, context: &EntryContext<'_>) -> Bytes {
    let mut lines = Vec::new();
    let mut push = |action: Action<'_>| {
        serde_json::to_writer(&mut lines, &action).expect("actions are maps of texts and numbers");
        lines.push(b'\n');
    };
    push(Action::CommitInfo(commit_info(commit, context)));
    if let Some(configuration) = context.create {
        push(Action::Protocol(Protocol {
            min_reader_version: READER_VERSION,
            min_writer_version: WRITER_VERSION,
        }));
        push(Action::MetaData(meta_data(context, configuration)));
    }
    if let Some(meta_data) = context.meta_data {
        push(Action::NewMetaData(meta_data));
    }
    let positions = [
        (WAL_APP_ID, commit.wal_through.map(|segment| i64::try_from(segment).unwrap_or(i64::MAX))),
        (SEQ_APP_ID, commit.next_seq),
    ];
    for (app_id, version) in positions {
        if let Some(version) = version {
            push(Action::Txn(Txn { app_id, version, last_updated: context.now_ms }));
        }
    }
    for file in &commit.remove {
        push(Action::Remove(remove(file, commit.data_change, context.now_ms)));
    }
    for file in &commit.add {
        push(Action::Add(add(file, commit.data_change)));
    }
    lines.into()
}

/// Whether the properties of a table forbid to remove events.
pub(crate) fn is_append_only(configuration: &HashMap<String, String>) -> bool {
    configuration.get(APPEND_ONLY).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The `metaData` of a table with that one property changed, and everything else as it was.
pub(crate) fn with_append_only(mut meta_data: Value, append_only: bool) -> Value {
    // What has no value is left out of the log rather than written as a null.
    if let Some(members) = meta_data.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    meta_data["configuration"][APPEND_ONLY] = append_only.to_string().into();
    meta_data
}

/// The unique id of the writer of an entry; `None` if it is not auditlake's.
pub(crate) fn commit_id_of(entry: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Info {
        txn_id: Option<String>,
    }
    commit_info_of::<Info>(entry)?.txn_id
}

/// What an entry says of the tenant's tree, if it does.
pub(crate) fn tree_of(entry: &[u8]) -> Option<TreeRecord> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Info {
        auditlake_tree: Option<TreeRecord>,
    }
    commit_info_of::<Info>(entry)?.auditlake_tree
}

/// What is asked for of an entry's `commitInfo`.
fn commit_info_of<T: DeserializeOwned>(entry: &[u8]) -> Option<T> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Line<T> {
        commit_info: Option<T>,
    }
    let lines = entry.split(|byte| *byte == b'\n');
    lines.filter_map(|line| serde_json::from_slice::<Line<T>>(line).ok()).find_map(|line| line.commit_info)
}

/// The Delta `schemaString` of the table, the same for all tenants.
pub(crate) fn schema_string() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let table = schema::table_schema();
        let fields: Vec<Value> = table
            .fields()
            .iter()
            .map(|field| {
                json!({
                    "name": field.name(),
                    "type": delta_type(field.data_type()),
                    "nullable": field.is_nullable(),
                    "metadata": {},
                })
            })
            .collect();
        json!({"type": "struct", "fields": fields}).to_string()
    });
    &TEXT
}

fn commit_info<'a>(commit: &'a Commit, context: &EntryContext<'a>) -> CommitInfo<'a> {
    CommitInfo {
        timestamp: context.now_ms,
        operation: commit.operation,
        operation_parameters: BTreeMap::new(),
        is_blind_append: commit.remove.is_empty() && context.meta_data.is_none(),
        engine_info: concat!("auditlake/", env!("CARGO_PKG_VERSION")),
        txn_id: context.commit_id,
        auditlake_tree: commit.tree.as_ref(),
    }
}

fn meta_data<'a>(context: &EntryContext<'a>, table: TableConfiguration) -> MetaData<'a> {
    let configuration = [
        ("delta.checkpointInterval", table.checkpoint_commits.to_string()),
        ("delta.logRetentionDuration", format!("interval {} hours", table.log_retention_hours)),
        (
            "delta.deletedFileRetentionDuration",
            format!("interval {} hours", table.deleted_file_retention_hours),
        ),
        // Statistics are written for all columns; readers otherwise look at the first 32 only.
        ("delta.dataSkippingNumIndexedCols", "-1".to_owned()),
    ];
    MetaData {
        id: context.commit_id,
        name: context.table_name,
        format: json!({"provider": "parquet", "options": {}}),
        schema_string: schema_string(),
        partition_columns: [schema::DAY],
        configuration: configuration.into(),
        created_time: context.now_ms,
    }
}

fn add(file: &DataFile, data_change: bool) -> Add<'_> {
    Add {
        path: &file.path,
        partition_values: partition_values(file),
        size: file.size_bytes,
        modification_time: file.added_at_ms,
        data_change,
        stats: stats::to_delta_json(file),
    }
}

fn remove(file: &DataFile, data_change: bool, now_ms: i64) -> Remove<'_> {
    Remove {
        path: &file.path,
        deletion_timestamp: now_ms,
        data_change,
        extended_file_metadata: true,
        partition_values: partition_values(file),
        size: file.size_bytes,
    }
}

fn partition_values(file: &DataFile) -> BTreeMap<&'static str, String> {
    BTreeMap::from([(schema::DAY, file.day.format("%Y-%m-%d").to_string())])
}

/// A column's type in Delta's words.
pub(super) fn delta_type(data_type: &DataType) -> Value {
    match data_type {
        DataType::Utf8 => json!("string"),
        DataType::Int64 => json!("long"),
        DataType::Int32 => json!("integer"),
        DataType::Date32 => json!("date"),
        DataType::Timestamp(_, Some(_)) => json!("timestamp"),
        DataType::List(item) => json!({
            "type": "array",
            "elementType": delta_type(item.data_type()),
            "containsNull": item.is_nullable(),
        }),
        other => unreachable!("the event schema has no column of type {other}"),
    }
}
