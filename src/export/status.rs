//! What is told of an export.
//!
//! In: the job and its state. Out: the JSON of the API. Guaranteed: nothing secret is in it.

use std::{sync::Arc, time::Duration};

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    job::{End, EndState, Job},
    manifest,
    progress::Progress,
};

/// What there is to know.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Which.
    pub id: String,
    /// Whose log.
    pub tenant_id: String,
    /// `queued`, `running`, `paused`, `completed`, `cancelled` or `failed`.
    pub state: &'static str,
    /// `filter`, or `sql` and `params`, or `query` and `params`, as asked for.
    #[serde(flatten)]
    pub what: Map<String, Value>,
    /// Name of the format.
    pub format: &'static str,
    /// Name of the compression.
    pub compression: &'static str,
    /// Where to, without secrets.
    pub destination: Value,
    /// When it was asked for.
    pub created_at: String,
    /// By whom: the id of a principal.
    pub created_by: String,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// The version of the Delta table that is exported.
    pub table_version: Option<u64>,
    /// Events with a smaller `seq` are exported.
    pub seq_before: i64,
    /// Rows written.
    pub rows: u64,
    /// Bytes of the complete files.
    pub bytes: u64,
    /// The complete files.
    pub files: Vec<Value>,
    /// From 0 to 1; of an answer to a question it is not known before the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<f64>,
    /// Seconds until the end at the pace so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<u64>,
    /// Why it failed, or why it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<String>,
    /// The first day that retention still kept, if it took some days before they were exported or after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_from: Option<NaiveDate>,
}

/// Where an export stands.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// It waits for its turn.
    Queued,
    /// It is being carried out.
    Running,
    /// It waits until it is tried again, because of an error.
    Paused { error: String, retry_at_ms: i64, due: Instant },
    /// It ended.
    Ended(Arc<End>),
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused { .. } => "paused",
            Self::Ended(end) => match end.state {
                EndState::Completed => "completed",
                EndState::Cancelled => "cancelled",
                EndState::Failed => "failed",
            },
        }
    }
}

pub(super) fn status(job: &Job, state: &State, progress: &Progress) -> Status {
    let files = match state {
        State::Ended(end) => end.files.clone(),
        _ => progress.files(),
    };
    let (done, left) = progress.estimate();
    let of_events = matches!(job.what, super::What::Filter(_));
    let (error, retry_at, ended_at, kept_from) = match state {
        State::Queued | State::Running => (None, None, None, None),
        State::Paused { error, retry_at_ms, .. } => {
            (Some(error.clone()), Some(manifest::millis(*retry_at_ms)), None, None)
        }
        State::Ended(end) => (end.error.clone(), None, Some(manifest::millis(end.at_ms)), end.kept_from),
    };
    let completed = matches!(state, State::Ended(end) if end.state == EndState::Completed);
    Status {
        id: job.id.to_string(),
        tenant_id: job.tenant_id.to_string(),
        state: state.name(),
        what: manifest::what(&job.what),
        format: job.format.name(),
        compression: job.compression.name(),
        destination: job.destination.shown(),
        created_at: manifest::millis(job.created_at_ms),
        created_by: job.by.clone(),
        ended_at,
        table_version: job.pinned.table_version,
        seq_before: job.pinned.seq_before,
        rows: match state {
            State::Ended(_) => files.iter().map(|file| file.rows).sum(),
            _ => progress.rows(),
        },
        bytes: files.iter().map(|file| file.bytes).sum(),
        files: files.iter().map(manifest::file).collect(),
        progress: if completed { Some(1.0) } else { of_events.then_some(done) },
        eta_seconds: left.filter(|_| matches!(state, State::Running)).as_ref().map(Duration::as_secs),
        error,
        retry_at,
        kept_from,
    }
}
