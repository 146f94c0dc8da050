//! A Delta table at the destination.
//!
//! In: the files of a delivery. Out: one commit that adds them. Guaranteed: readers see all of a delivery or nothing of it; a delivery is
//! committed once, however often it is made: the commit carries a `txn` of the export with the delivery's number; a file that the
//! table lists is not written again, as another version of this program might write other bytes; a table that is not this export's is
//! left alone.
//!
//! `deltalake-core` reads and writes the table, and makes its checkpoints, so that whatever else works on it (OPTIMIZE, VACUUM) is
//! respected.

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat};
use deltalake_core::{
    DeltaTable, DeltaTableBuilder, DeltaTableError,
    kernel::{
        Action, StructType, Transaction,
        transaction::{CommitBuilder, CommitProperties},
    },
    operations::create::CreateBuilder,
    protocol::{DeltaOperation, SaveMode},
};
use serde_json::json;
use url::Url;

use super::{deliver::Delivered, ledger::Begun};
use crate::{
    error::{Error, ErrorKind, Result},
    event::schema,
    export::{destination::Open, job::Range},
    table,
};

/// The property of a table that names the export which it is of.
const PROPERTY: &str = "auditlake.export";

/// The table of a destination, as it was when it was opened.
pub(super) struct Target {
    table: DeltaTable,
    id: String,
}

impl Target {
    /// The table at `destination` of the export `id`, which is made if there is none.
    pub(super) async fn open(destination: &Open, id: &str, tenant: &str) -> Result<Self> {
        Ok(Self { table: open(destination, id, tenant).await?, id: id.to_owned() })
    }

    /// Whether a delivery is committed.
    pub(super) async fn has(&self, window: Begun) -> Result<bool> {
        let state = self.table.snapshot().map_err(failed)?;
        let done =
            state.transaction_version(self.table.log_store().as_ref(), &self.id).await.map_err(failed)?;
        Ok(done.is_some_and(|done| number(window) <= done))
    }

    /// Its files, and rows and bytes of each.
    pub(super) fn files(&self) -> Result<HashMap<String, (u64, u64)>> {
        let state = self.table.snapshot().map_err(failed)?;
        let size = |size: i64| size.max(0) as u64;
        let files = state.log_data();
        let files = files.iter().map(|file| {
            (file.path().into_owned(), (file.num_records().unwrap_or_default() as u64, size(file.size())))
        });
        Ok(files.collect())
    }

    /// Adds the files of a delivery, which is one that the table `has` already or not.
    pub(super) async fn commit(&self, window: Begun, files: &[Delivered], has: bool) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let properties = match has {
            true => CommitProperties::default(),
            false => {
                let txn = Transaction::new_with_last_update(&self.id, number(window), Some(window.at_ms));
                CommitProperties::default().with_application_transaction(txn)
            }
        };
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(vec![schema::DAY.to_owned()]),
            predicate: None,
        };
        let adds: Vec<Action> = files.iter().map(|file| add(file, window)).collect();
        let state = self.table.snapshot().map_err(failed)?;
        let commit = CommitBuilder::from(properties).with_actions(adds);
        commit.build(Some(state), self.table.log_store(), operation).await.map(drop).map_err(failed)
    }
}

fn number(window: Begun) -> i64 {
    i64::try_from(window.number).unwrap_or(i64::MAX)
}

/// The table, which is made if there is none.
async fn open(destination: &Open, id: &str, tenant: &str) -> Result<DeltaTable> {
    let location = table::delta_location(&destination.folder)?;
    let builder = DeltaTableBuilder::from_url(location.clone()).map_err(failed)?;
    let builder = builder.with_storage_backend(destination.objects.clone(), location.clone());
    let table = match builder.load().await {
        Ok(table) => table,
        Err(DeltaTableError::NotATable(_)) => create(destination, &location, id, tenant).await?,
        Err(error) => return Err(failed(error)),
    };
    let owner = table.snapshot().map_err(failed)?.metadata().configuration().get(PROPERTY).cloned();
    match owner {
        Some(owner) if owner == id => Ok(table),
        owner => {
            let whose =
                owner.map_or("nobody we know".to_owned(), |owner| format!("continuous export {owner}"));
            let message = format!(
                "at the destination there is a Delta table already, of {whose}: remove it, or deliver with another prefix"
            );
            Err(Error::new(ErrorKind::Unavailable, message))
        }
    }
}

async fn create(destination: &Open, location: &Url, id: &str, tenant: &str) -> Result<DeltaTable> {
    let columns: StructType = serde_json::from_str(table::delta_schema()).map_err(|error| {
        Error::with_source(ErrorKind::Internal, "make the columns of a Delta table", error)
    })?;
    let log = DeltaTableBuilder::from_url(location.clone())
        .map_err(failed)?
        .with_storage_backend(destination.objects.clone(), location.clone())
        .build()
        .map_err(failed)?
        .log_store();
    let created = CreateBuilder::new()
        .with_log_store(log)
        .with_table_name(tenant)
        .with_columns(columns.fields().cloned())
        .with_partition_columns([schema::DAY])
        // Readers otherwise want to write statistics of the first 32 columns only.
        .with_configuration([
            ("delta.dataSkippingNumIndexedCols".to_owned(), Some("-1".to_owned())),
            (PROPERTY.to_owned(), Some(id.to_owned())),
        ])
        .with_raise_if_key_not_exists(false)
        .await;
    created.map_err(failed)
}

fn add(delivered: &Delivered, window: Begun) -> Action {
    let Delivered { day, file } = delivered;
    let day = HashMap::from([(schema::DAY.to_owned(), Some(day.format("%Y-%m-%d").to_string()))]);
    Action::Add(deltalake_core::kernel::Add {
        path: file.name.clone(),
        partition_values: day,
        size: i64::try_from(file.bytes).unwrap_or(i64::MAX),
        modification_time: window.at_ms,
        data_change: true,
        stats: Some(stats(file.rows, file.range)),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
        clustering_provider: None,
    })
}

/// Delta's statistics: what every reader prunes by is there.
fn stats(rows: u64, range: Option<Range>) -> String {
    let time = |micros: i64| {
        DateTime::from_timestamp_micros(micros).map(|time| time.to_rfc3339_opts(SecondsFormat::Micros, true))
    };
    let bounds =
        |seq: i64, occurred_at: i64| json!({schema::SEQ: seq, schema::OCCURRED_AT: time(occurred_at)});
    let (least, most) = match range {
        Some(range) => {
            (bounds(range.seq_min, range.first_occurred_at), bounds(range.seq_max, range.last_occurred_at))
        }
        None => (json!({}), json!({})),
    };
    let nulls = json!({schema::SEQ: 0, schema::OCCURRED_AT: 0});
    json!({"numRecords": rows, "minValues": least, "maxValues": most, "nullCount": nulls}).to_string()
}

fn failed(cause: DeltaTableError) -> Error {
    Error::with_source(ErrorKind::Unavailable, "commit to the Delta table at the destination", cause)
}
