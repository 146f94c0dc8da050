//! Reads a tenant's Delta log into a [`Snapshot`], by way of `deltalake-core`.
//!
//! In: the store and the tenant. Out: live files with typed statistics, Delta version, WAL position and next
//! `seq`. Guaranteed: a table that auditlake could not continue without harm (other columns or partitions, a
//! higher protocol, deletion vectors, no positions of ours) is refused by name, as
//! [`ErrorKind::Corrupt`].

use std::{error::Error as StdError, sync::Arc};

use chrono::NaiveDate;
use deltalake_core::{
    DeltaTable, DeltaTableBuilder, DeltaTableError, kernel::LogicalFileView, logstore::LogStoreRef,
    table::state::DeltaTableState,
};
use object_store::path::Path;
use serde_json::Value;
use url::Url;

use super::{
    log,
    snapshot::{DataFile, Snapshot, Uncommitted},
    stats,
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{TenantId, schema},
    paths::TableFolder,
    store::Store,
};

/// Where `deltalake-core` believes the store to be. Every byte goes through our own object store; of the location
/// only the path counts, and the host: one of this kind ("S3 directory bucket") says that listings are unsorted,
/// as a folder's are. With any other, a log in a folder is read in a wrong order (`file` needs the real folder).
const LOCATION_ROOT: &str = "memory://auditlake--x-s3";

/// The committed state of a tenant; [`Snapshot::empty`] if the tenant has no Delta log.
pub(crate) async fn load(store: &Store, tenant: &TenantId, folder: &TableFolder) -> Result<Snapshot> {
    let Some(table) = open(store, tenant, folder).await? else {
        return Ok(Snapshot { folder: folder.clone(), ..Snapshot::empty(tenant.clone()) });
    };
    let state = table.snapshot().map_err(|cause| delta_error("read", tenant, cause))?;
    check_ours(folder, state)?;
    let log_store = table.log_store();
    let mut files = Vec::with_capacity(state.log_data().num_files());
    for view in state.log_data().iter() {
        files.push(Arc::new(data_file(folder, &view)?));
    }
    sort(&mut files);
    Ok(Snapshot {
        tenant: tenant.clone(),
        folder: folder.clone(),
        version: Some(state.version()),
        files: Arc::new(files),
        wal_through: position(tenant, state, &log_store, log::WAL_APP_ID).await?.unwrap_or(0) as u64,
        next_seq: position(tenant, state, &log_store, log::SEQ_APP_ID)
            .await?
            .ok_or_else(|| refused(folder, "it has no 'auditlake-seq' position"))?,
        append_only: log::is_append_only(state.metadata().configuration()),
        uncommitted: Arc::new(Uncommitted::default()),
    })
}

/// The Delta table itself, loaded; `None` if there is no log.
pub(crate) async fn open(
    store: &Store,
    tenant: &TenantId,
    folder: &TableFolder,
) -> Result<Option<DeltaTable>> {
    let location = location(&folder.path())?;
    let builder = DeltaTableBuilder::from_url(location.clone())
        .map_err(|cause| delta_error("open", tenant, cause))?
        .with_storage_backend(store.object_store(), location);
    match builder.load().await {
        Ok(table) => Ok(Some(table)),
        Err(DeltaTableError::NotATable(_)) => Ok(None),
        Err(cause) => Err(delta_error("open", tenant, cause)),
    }
}

/// Where `deltalake-core` believes the table in `folder` of an object store to be, which is given to it.
pub(crate) fn location(folder: &Path) -> Result<Url> {
    let location = match folder.as_ref() {
        "" => format!("{LOCATION_ROOT}/"),
        folder => format!("{LOCATION_ROOT}/{folder}/"),
    };
    Url::parse(&location)
        .map_err(|cause| Error::with_source(ErrorKind::Internal, format!("url {location}"), cause))
}

/// The order of a snapshot's files.
pub(crate) fn sort(files: &mut [Arc<DataFile>]) {
    files.sort_by(|a, b| (a.day, &a.path).cmp(&(b.day, &b.path)));
}

/// An error of `deltalake-core`, with the table's name: the store's trouble can pass, a bad log cannot.
pub(crate) fn delta_error(operation: &str, tenant: &TenantId, cause: DeltaTableError) -> Error {
    let first: &dyn StdError = &cause;
    let causes = std::iter::successors(Some(first), |error| (*error).source());
    let is_store_trouble =
        causes.filter_map(|error| error.downcast_ref::<object_store::Error>()).any(|error| {
            !matches!(
                error,
                object_store::Error::NotFound { .. } | object_store::Error::NotImplemented { .. }
            )
        });
    let kind = if is_store_trouble { ErrorKind::Unavailable } else { ErrorKind::Corrupt };
    Error::with_source(kind, format!("{operation} the Delta table of tenant '{tenant}'"), cause)
}

fn refused(folder: &TableFolder, reason: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("{folder} was not written by auditlake, or changed since: {reason}"),
    )
}

fn check_ours(folder: &TableFolder, state: &DeltaTableState) -> Result<()> {
    let protocol = state.protocol();
    let (reader, writer) = (protocol.min_reader_version(), protocol.min_writer_version());
    if reader > log::READER_VERSION || writer > log::WRITER_VERSION {
        return Err(refused(folder, &format!("its protocol is reader {reader}, writer {writer}")));
    }
    let partitions = state.metadata().partition_columns();
    if partitions != [schema::DAY] {
        return Err(refused(folder, &format!("it is partitioned by {partitions:?}")));
    }
    let ours: Option<Value> = serde_json::from_str(log::schema_string()).ok();
    let theirs: Option<Value> = serde_json::from_str(state.metadata().schema_string()).ok();
    if ours != theirs && ours.map(without_sealed) != theirs {
        return Err(refused(folder, "its columns differ"));
    }
    Ok(())
}

/// The columns of a table that was begun before fields were sealed: its files have no such column, or nulls in it.
fn without_sealed(mut schema: Value) -> Value {
    if let Some(fields) = schema["fields"].as_array_mut() {
        fields.retain(|field| field["name"] != schema::SEALED);
    }
    schema
}

async fn position(
    tenant: &TenantId,
    state: &DeltaTableState,
    log_store: &LogStoreRef,
    app_id: &str,
) -> Result<Option<i64>> {
    state
        .transaction_version(log_store.as_ref(), app_id)
        .await
        .map_err(|cause| delta_error("read the positions of", tenant, cause))
}

fn data_file(folder: &TableFolder, view: &LogicalFileView) -> Result<DataFile> {
    let path = view.path().into_owned();
    let broken = |reason: String| refused(folder, &format!("file {path}: {reason}"));
    if view.deletion_vector_descriptor().is_some() {
        return Err(broken("it has a deletion vector".into()));
    }
    let day = view.partition_values_map().remove(schema::DAY).flatten();
    let day = day
        .as_deref()
        .and_then(|day| NaiveDate::parse_from_str(day, "%Y-%m-%d").ok())
        .ok_or_else(|| broken(format!("its day is {day:?}")))?;
    let text = view.stats().ok_or_else(|| broken("it has no statistics".into()))?;
    let (rows, stats) = stats::from_delta_json(&text).map_err(|cause| broken(cause.report()))?;
    Ok(DataFile {
        day,
        rows,
        stats,
        size_bytes: view.size().max(0) as u64,
        added_at_ms: view.modification_time(),
        path,
    })
}
