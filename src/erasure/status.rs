//! What is told of an erasure.

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use tokio::time::Instant;

use super::job::{self, End, Job, Rewritten};

/// What there is to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Which.
    pub id: String,
    /// Of whose log.
    pub tenant_id: String,
    /// Of whom.
    pub actor_id: String,
    /// `queued`, `running`, `paused`, `rewritten` or `completed`.
    pub state: &'static str,
    /// When it was asked for.
    pub created_at: String,
    /// By whom: the id of a principal.
    pub created_by: String,
    /// Events with a smaller `seq` are looked at.
    pub seq_before: i64,
    /// Events in which something of the person is erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Since when no query shows the values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewritten_at: Option<String>,
    /// Since when no object of the table has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// Why it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Where an erasure stands.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// It waits for its turn.
    Queued,
    /// It is being carried out.
    Running,
    /// It waits until it is tried again, because of an error.
    Paused { error: String, due: Instant },
    /// The old files wait for the sweep.
    Rewritten(Rewritten),
    /// It ended.
    Completed(Rewritten, End),
}

pub(super) fn status(job: &Job, state: &State) -> Status {
    let (name, rewritten, end, error) = match state {
        State::Queued => ("queued", None, None, None),
        State::Running => ("running", None, None, None),
        State::Paused { error, .. } => ("paused", None, None, Some(error.clone())),
        State::Rewritten(rewritten) => ("rewritten", Some(rewritten), None, None),
        State::Completed(rewritten, end) => ("completed", Some(rewritten), Some(end), None),
    };
    Status {
        id: job::shown(job.id),
        tenant_id: job.tenant_id.to_string(),
        actor_id: job.actor_id.clone(),
        state: name,
        created_at: time(job.created_at_ms),
        created_by: job.by.clone(),
        seq_before: job.seq_before,
        events: rewritten.map(|rewritten| rewritten.events),
        rewritten_at: rewritten.map(|rewritten| time(rewritten.at_ms)),
        completed_at: end.map(|end| time(end.at_ms)),
        error,
    }
}

fn time(millis: i64) -> String {
    DateTime::from_timestamp_millis(millis).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}
