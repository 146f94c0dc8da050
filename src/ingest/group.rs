//! A group: the requests that one WAL write acknowledges together.

use std::time::Duration;

use arrow::{array::RecordBatch, compute::concat_batches};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{Settings, answers::Answer, budget::Reservation, ids::IdHash, pieces::Piece, writer::Message};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{
        TenantId,
        decode::{FieldError, Rejected},
        schema,
    },
    wal::Segment,
};

/// One request on its way through the writer.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) pieces: Vec<Piece>,
    pub(super) atomic: bool,
    pub(super) places: Places,
    /// Events found committed already.
    pub(super) duplicates: usize,
    /// Events whose id belongs to a committed event with other content.
    pub(super) conflicts: Vec<Rejected>,
    /// The answer to keep, without its counts.
    pub(super) answer: Option<Answer>,
    /// Held until the events are counted as uncommitted.
    pub(super) reservation: Reservation,
}

/// Where the rows of a request's batch stood in the request, for refusals.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) indexes: Vec<u32>,
    pub(super) lines: Option<Vec<u32>>,
}

/// What the writer says to a request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Durable and visible.
    Done {
        accepted: usize,
        duplicates: usize,
        /// Events whose id belongs to another event with other content.
        conflicts: Vec<Rejected>,
    },
    /// A table was committed to since its ids were looked up: look again.
    Recheck(Box<Job>),
    /// Nothing of it is stored.
    Failed(Error),
}

/// A request and where its answer goes.
pub(super) type Request = (Box<Job>, oneshot::Sender<Outcome>);

/// One request in a group, after its ids were claimed.
pub(super) struct Claimed {
    pub(super) job: Box<Job>,
    pub(super) reply: oneshot::Sender<Outcome>,
    pub(super) duplicates: usize,
    pub(super) conflicts: Vec<Rejected>,
    /// Claims to give back if the write fails.
    pub(super) claims: Vec<(TenantId, IdHash)>,
}

impl Claimed {
    pub(super) fn accepted(&self) -> usize {
        self.job.pieces.iter().map(|piece| piece.batch.num_rows()).sum()
    }
}

/// Gathers requests until the time is up or the group is full; another kind of message ends it too and is
/// handed back in `held`.
pub(super) async fn gather(
    settings: &Settings,
    time: Duration,
    first: Request,
    inbox: &mut mpsc::Receiver<Message>,
    held: &mut Option<Message>,
) -> Vec<Request> {
    let size =
        |job: &Job| -> usize { job.pieces.iter().map(|piece| piece.batch.get_array_memory_size()).sum() };
    let mut bytes = size(&first.0);
    let mut group = vec![first];
    let deadline = Instant::now() + time;
    while bytes < settings.group_bytes_max && group.len() < settings.group_requests_max {
        let message = if time.is_zero() {
            inbox.try_recv().ok()
        } else {
            tokio::time::timeout_at(deadline, inbox.recv()).await.ok().flatten()
        };
        match message {
            Some(Message::Append(job, reply)) => {
                bytes += size(&job);
                group.push((job, reply));
            }
            other => {
                *held = other;
                break;
            }
        }
    }
    group
}

/// The segment of a group, under the name that its writer gives it; `None` if it has nothing to store.
pub(super) fn segment(claimed: &[Claimed], writer: String) -> Result<Option<Segment>> {
    let batches: Vec<&RecordBatch> = claimed
        .iter()
        .flat_map(|claimed| &claimed.job.pieces)
        .map(|piece| &piece.batch)
        .filter(|batch| batch.num_rows() > 0)
        .collect();
    let answers: Vec<Answer> = claimed.iter().filter_map(answer_of).collect();
    if batches.is_empty() && answers.is_empty() {
        return Ok(None);
    }
    let internal = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::with_source(ErrorKind::Internal, "cannot put a WAL segment together", error)
    };
    let batches = match batches.as_slice() {
        [] => Vec::new(),
        [one] => vec![(*one).clone()],
        many => {
            let all = concat_batches(&schema::accepted_schema(), many.iter().copied());
            vec![all.map_err(|error| internal(error.into()))?]
        }
    };
    let answers = match answers.as_slice() {
        [] => String::new(),
        answers => serde_json::to_string(answers).map_err(|error| internal(error.into()))?,
    };
    Ok(Some(Segment { writer, batches, answers, sealed_by: None }))
}

/// The answer to keep for a request that is about to be written.
pub(super) fn answer_of(claimed: &Claimed) -> Option<Answer> {
    let mut answer = claimed.job.answer.clone()?;
    answer.count(claimed.accepted(), claimed.duplicates, &claimed.conflicts);
    Some(answer)
}

/// Why the event in a row of a piece is refused: its id is taken.
pub(super) fn refusal(piece: &Piece, row: usize, places: &Places) -> Rejected {
    let id = piece.id(row).to_owned();
    let place = piece.rows[row] as usize;
    let error = FieldError {
        pointer: "/id".into(),
        detail: format!("id {id:?} belongs to another event with other content"),
    };
    Rejected {
        index: places.indexes[place],
        line: places.lines.as_ref().map(|lines| lines[place]),
        id: Some(id),
        errors: vec![error],
    }
}
