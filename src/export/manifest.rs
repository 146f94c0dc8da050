//! `manifest.json`: what an export is and what belongs to it; written last.
//!
//! In: the job and its end. Out: an object beside the files. Guaranteed: who sees it sees all files that it names, whole.

use chrono::{DateTime, SecondsFormat, Utc};
use object_store::ObjectStoreExt as _;
use serde_json::{Value, json};

use super::{
    destination::Open,
    job::{End, File, Job, Range, What},
};
use crate::error::{Error, ErrorKind, Result};

/// Its name in the destination.
pub const NAME: &str = "manifest.json";

/// Writes it.
pub(super) async fn write(destination: &Open, job: &Job, end: &End) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(&manifest(job, end))
        .map_err(|error| Error::with_source(ErrorKind::Internal, "write the manifest", error))?;
    text.push(b'\n');
    let put = destination.objects.put(&destination.key(NAME), text.into()).await;
    put.map(drop).map_err(|error| {
        Error::with_source(ErrorKind::Unavailable, format!("write {NAME} to the destination"), error)
    })
}

/// It, as JSON.
pub fn manifest(job: &Job, end: &End) -> Value {
    let mut manifest = json!({
        "version": 1,
        "export_id": job.id,
        "tenant_id": job.tenant_id,
        "format": job.format.name(),
        "compression": job.compression.name(),
        "created_at": millis(job.created_at_ms),
        "completed_at": millis(end.at_ms),
        "table_version": job.pinned.table_version,
        "seq_before": job.pinned.seq_before,
        "rows": end.files.iter().map(|file| file.rows).sum::<u64>(),
        "bytes": end.files.iter().map(|file| file.bytes).sum::<u64>(),
        "files": end.files.iter().map(file).collect::<Vec<_>>(),
        "kept_from": end.kept_from,
    });
    if let Value::Object(members) = &mut manifest {
        members.extend(what(&job.what));
    }
    manifest
}

/// What was asked for, as it was asked.
pub fn what(what: &What) -> serde_json::Map<String, Value> {
    let asked = match what {
        What::Filter(filter) => json!({"filter": filter}),
        What::Sql { params, query: Some(query), .. } => json!({"query": query, "params": params}),
        What::Sql { text, params, query: None } => json!({"sql": text, "params": params}),
    };
    match asked {
        Value::Object(members) => members,
        _ => serde_json::Map::new(),
    }
}

/// A file, as JSON.
pub fn file(file: &File) -> Value {
    let mut shown = json!({"name": file.name, "rows": file.rows, "bytes": file.bytes, "sha256": file.sha256});
    if let (Value::Object(members), Some(Range { first_occurred_at, last_occurred_at, seq_min, seq_max })) =
        (&mut shown, file.range)
    {
        members.insert("first_occurred_at".to_owned(), micros(first_occurred_at).into());
        members.insert("last_occurred_at".to_owned(), micros(last_occurred_at).into());
        members.insert("seq_min".to_owned(), seq_min.into());
        members.insert("seq_max".to_owned(), seq_max.into());
    }
    shown
}

pub(super) fn millis(millis: i64) -> String {
    let time: DateTime<Utc> = DateTime::from_timestamp_millis(millis).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn micros(micros: i64) -> String {
    let time: DateTime<Utc> = DateTime::from_timestamp_micros(micros).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}
