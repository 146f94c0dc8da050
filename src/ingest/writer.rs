//! The one task that owns what changes: the WAL, the uncommitted ids, and what each tenant has waiting.
//!
//! It gathers requests while a write is in flight, writes them as one segment, makes them visible and
//! answers them all. It also begins flushes, so that "everything up to segment N" is always exact.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    Shared, State,
    group::{self, Claimed, Job, Outcome, Request},
    ids::{IdHash, Seen, TenantIds},
    pieces::Piece,
    policy::{self, Load},
    probe::{self, Probe},
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::TenantId,
    table::{Snapshot, Table},
    wal::{Appended, Appender, Position, Segment},
};

/// A write that takes this long makes the server say that it is not ready.
const SLOW_WRITE: Duration = Duration::from_secs(5);

/// What the writer is asked.
#[derive(Debug)]
pub(super) enum Message {
    Append(Box<Job>, oneshot::Sender<Outcome>),
    /// A segment read back after a start: as if it had been written just now.
    Replayed {
        position: Position,
        pieces: Vec<Piece>,
        done: oneshot::Sender<()>,
    },
    /// The tenants to commit now; all that have something waiting if `all`.
    Due {
        all: bool,
        reply: oneshot::Sender<Vec<Arc<Table>>>,
    },
    /// What is active becomes what is being flushed; the snapshot holds it.
    BeginFlush {
        table: Arc<Table>,
        reply: oneshot::Sender<Arc<Snapshot>>,
    },
    /// The flush is committed.
    Flushed {
        tenant: TenantId,
    },
    /// The segments that nobody needs any more, oldest first; each is told once.
    Unneeded {
        reply: oneshot::Sender<Vec<Position>>,
    },
}

/// What one tenant has waiting.
#[derive(Debug)]
struct Waiting {
    table: Arc<Table>,
    ids: TenantIds,
    bytes: usize,
    active_rows: usize,
    since_ms: i64,
    /// First segment with events that are active, and with events that are being flushed.
    active_from: Option<Position>,
    flushing_from: Option<Position>,
}

/// State of the writer task.
pub(super) struct Writer {
    shared: Arc<Shared>,
    appender: Appender,
    waiting: HashMap<TenantId, Waiting>,
    /// The oldest needed segment of each tenant.
    needed: BTreeSet<(Position, TenantId)>,
    /// Segments in the store that were not handed out for removal yet; `true`: of this writer's epoch.
    stored: BTreeMap<Position, bool>,
    /// Everything up to here is published.
    through: Position,
    /// After a write that the store refused.
    probe: Option<Probe>,
}

impl Writer {
    /// A writer with `stored` segments of older epochs that will be replayed through it.
    pub(super) fn new(
        shared: Arc<Shared>,
        appender: Appender,
        stored: impl Iterator<Item = Position>,
    ) -> Self {
        let stored = stored.map(|position| (position, false)).collect();
        Self {
            shared,
            appender,
            waiting: HashMap::new(),
            needed: BTreeSet::new(),
            stored,
            through: Position::default(),
            probe: None,
        }
    }

    /// Runs until the handle stops it or a failure does.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Message>) {
        let stop = self.shared.stop.clone();
        let mut held = None;
        loop {
            let message = match held.take() {
                Some(message) => message,
                None => tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    message = inbox.recv() => match message {
                        Some(message) => message,
                        None => return,
                    },
                    () = probe::due(self.probe) => {
                        if let Err(error) = self.probe().await {
                            self.shared.stop_for(&error);
                            return;
                        }
                        continue;
                    }
                },
            };
            let handled = match message {
                Message::Append(job, reply) => {
                    let group = group::gather(
                        &self.shared.settings,
                        self.gather_time(),
                        (job, reply),
                        &mut inbox,
                        &mut held,
                    );
                    let group = group.await;
                    self.write_group(group).await
                }
                other => {
                    self.handle(other);
                    Ok(())
                }
            };
            if let Err(error) = handled {
                self.shared.stop_for(&error);
                return;
            }
        }
    }

    fn gather_time(&self) -> Duration {
        let default_ms = if self.shared.store.is_local() { 0 } else { 100 };
        Duration::from_millis(self.shared.settings.gather_ms.unwrap_or(default_ms))
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Append(..) => unreachable!("appends are gathered by run"),
            Message::Replayed { position, pieces, done } => {
                for piece in pieces {
                    let waiting = self.waiting(&piece.table);
                    for (id, content) in piece.ids.iter().zip(&piece.contents) {
                        waiting.ids.claim(*id, *content);
                    }
                    self.publish(piece, position);
                }
                self.through = self.through.max(position);
                let _ = done.send(());
            }
            Message::Due { all, reply } => {
                let _ = reply.send(self.due(all));
            }
            Message::BeginFlush { table, reply } => {
                let _ = reply.send(self.begin_flush(&table));
            }
            Message::Flushed { tenant } => self.flushed(&tenant),
            Message::Unneeded { reply } => {
                let _ = reply.send(self.unneeded());
            }
        }
    }

    fn waiting(&mut self, table: &Arc<Table>) -> &mut Waiting {
        let since_ms = self.shared.clock.now_millis();
        self.waiting.entry(table.tenant().clone()).or_insert_with(|| Waiting {
            table: Arc::clone(table),
            ids: TenantIds::default(),
            bytes: 0,
            active_rows: 0,
            since_ms,
            active_from: None,
            flushing_from: None,
        })
    }

    /// Writes one group as one segment and answers every request in it.
    async fn write_group(&mut self, group: Vec<Request>) -> Result<()> {
        let mut claimed: Vec<Claimed> = Vec::with_capacity(group.len());
        for (job, reply) in group {
            claimed.extend(self.claim(job, reply));
        }
        let written = match group::segment(&claimed, self.appender.segment_name()) {
            Ok(None) => Ok(Appended::Durable(self.through)),
            Ok(Some(segment)) => self.append(segment).await,
            Err(error) => Err(error),
        };
        match written {
            Ok(Appended::Durable(position)) => {
                claimed.into_iter().for_each(|claimed| self.acknowledge(claimed, position));
                self.through = self.through.max(position);
                Ok(())
            }
            Ok(Appended::Void) => {
                let message =
                    "the store did not take the events; nothing of this request was stored, send it again";
                self.refuse(claimed, ErrorKind::Unavailable, message);
                Ok(())
            }
            Err(error) => {
                self.refuse(claimed, ErrorKind::Unavailable, &error.to_string());
                Err(error)
            }
        }
    }

    /// Claims the ids of a request; answers it at once if it must look again or is refused as a whole.
    ///
    /// A commit swaps the table's version before it tells this task to forget the committed ids, so a piece
    /// whose version is unchanged finds every id either in the files it looked at or among the claims here.
    fn claim(&mut self, mut job: Box<Job>, reply: oneshot::Sender<Outcome>) -> Option<Claimed> {
        let stale =
            |piece: &Piece| piece.has_given_ids() && piece.table.snapshot().version != piece.checked_version;
        if job.pieces.iter().any(stale) {
            let _ = reply.send(Outcome::Recheck(job));
            return None;
        }
        let mut claims = Vec::new();
        let mut conflicts = std::mem::take(&mut job.conflicts);
        let mut duplicates = job.duplicates;
        let mut failed = None;
        for piece in &mut job.pieces {
            let mut keep = vec![true; piece.batch.num_rows()];
            let tenant = piece.table.tenant().clone();
            let ids = &mut self.waiting(&piece.table).ids;
            for (row, kept) in keep.iter_mut().enumerate() {
                match ids.claim(piece.ids[row], piece.contents[row]) {
                    Seen::New => claims.push((tenant.clone(), piece.ids[row])),
                    Seen::Duplicate => (*kept, duplicates) = (false, duplicates + 1),
                    Seen::Conflict => {
                        *kept = false;
                        conflicts.push(group::refusal(piece, row, &job.places));
                    }
                }
            }
            failed = failed.or(piece.retain(&keep).err());
        }
        let refused = job.atomic && !conflicts.is_empty();
        if refused || failed.is_some() {
            self.forget(&claims);
            let _ = reply.send(match failed {
                Some(error) => Outcome::Failed(error),
                None => Outcome::Done { accepted: 0, duplicates: 0, conflicts },
            });
            return None;
        }
        Some(Claimed { job, reply, duplicates, conflicts, claims })
    }

    fn forget(&mut self, claims: &[(TenantId, IdHash)]) {
        for (tenant, id) in claims {
            if let Some(waiting) = self.waiting.get_mut(tenant) {
                waiting.ids.forget(*id);
            }
        }
    }

    /// Tries whether the store takes a segment again.
    async fn probe(&mut self) -> Result<()> {
        let Some(probe) = self.probe.take() else { return Ok(()) };
        match self.append(probe.segment(self.appender.segment_name())?).await? {
            Appended::Durable(position) => self.through = self.through.max(position),
            Appended::Void => self.probe = Some(probe.again()),
        }
        Ok(())
    }

    /// Notes whether the store takes writes, for who asks whether this server is ready.
    fn note_outcome(&mut self, appended: &Result<Appended>, bytes: usize) {
        let state = &self.shared.state;
        match appended {
            Ok(Appended::Durable(_)) => {
                self.probe = None;
                state.send_if_modified(|state| replace_state(state, &State::Refusing, State::Running));
            }
            Ok(Appended::Void) => {
                self.probe = Some(Probe::after(bytes));
                state.send_if_modified(|state| replace_state(state, &State::Running, State::Refusing));
            }
            Err(_) => {}
        }
    }

    async fn append(&mut self, segment: Segment) -> Result<Appended> {
        let started = Instant::now();
        let bytes = tokio::task::spawn_blocking(move || encode(&segment)).await.map_err(|error| {
            Error::with_source(ErrorKind::Internal, "encoding a WAL segment failed", error)
        })??;
        let length = bytes.len();
        let slot = self.appender.next_position();
        let (state, stop) = (self.shared.state.clone(), self.shared.stop.clone());
        let slow = async {
            tokio::time::sleep(SLOW_WRITE).await;
            state.send_if_modified(|state| replace_state(state, &State::Running, State::Resolving));
            std::future::pending::<()>().await;
        };
        let appended = tokio::select! {
            // A known outcome counts, even if it comes with the end.
            biased;
            appended = self.appender.append(bytes) => appended,
            () = slow => unreachable!("the watcher never ends"),
            () = stop.cancelled() => Err(Error::new(
                ErrorKind::Unavailable,
                "stopped before the store said what became of the write; send the events again",
            )),
        };
        self.shared.state.send_if_modified(|state| replace_state(state, &State::Resolving, State::Running));
        self.note_outcome(&appended, length);
        self.stored.insert(slot, true);
        self.shared.metrics.wal_append(started.elapsed(), length);
        appended
    }

    /// Makes a request's events visible, then answers it.
    fn acknowledge(&mut self, claimed: Claimed, position: Position) {
        let accepted = claimed.accepted();
        let answer = group::answer_of(&claimed);
        let Claimed { job, reply, duplicates, conflicts, .. } = claimed;
        for piece in job.pieces {
            self.publish(piece, position);
        }
        drop(job.reservation);
        self.shared.answers.keep(answer.into_iter().collect(), Some(position));
        self.shared.metrics.events(accepted, duplicates, conflicts.len());
        let _ = reply.send(Outcome::Done { accepted, duplicates, conflicts });
    }

    fn refuse(&mut self, claimed: Vec<Claimed>, kind: ErrorKind, message: &str) {
        for claimed in claimed {
            self.forget(&claimed.claims);
            let _ = claimed.reply.send(Outcome::Failed(Error::new(kind, message)));
        }
    }

    fn publish(&mut self, piece: Piece, position: Position) {
        let rows = piece.batch.num_rows();
        if rows == 0 {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let now_ms = shared.clock.now_millis();
        piece.table.publish(piece.batch, position.as_u64());
        let after = piece.table.uncommitted_bytes();
        let tenant = piece.table.tenant().clone();
        let waiting = self.waiting(&piece.table);
        let before = std::mem::replace(&mut waiting.bytes, after);
        if waiting.active_from.is_none() {
            waiting.active_from = Some(position);
            waiting.since_ms = now_ms;
        }
        waiting.active_rows += rows;
        let settings = &shared.settings;
        let full = waiting.active_rows >= settings.flush_rows || waiting.bytes >= settings.flush_bytes;
        let first = waiting.flushing_from.is_none().then_some(waiting.active_from).flatten();
        self.needed.extend(first.map(|first| (first, tenant)));
        shared.budget.replace(before, after);
        if full || shared.budget.uncommitted_bytes() > settings.uncommitted_bytes_max / 2 {
            shared.flush_wanted.notify_one();
        }
    }

    fn due(&self, all: bool) -> Vec<Arc<Table>> {
        let waits = |waiting: &&Waiting| waiting.active_from.is_some() || waiting.flushing_from.is_some();
        if all {
            return self.waiting.values().filter(waits).map(|waiting| Arc::clone(&waiting.table)).collect();
        }
        let loads = self.waiting.iter().filter(|(_, waiting)| waits(waiting)).map(|(tenant, waiting)| Load {
            tenant: tenant.clone(),
            rows: waiting.active_rows,
            bytes: waiting.bytes,
            since_ms: waiting.since_ms,
        });
        let due = policy::due(loads.collect(), &self.shared.settings, self.shared.clock.now_millis());
        due.iter()
            .filter_map(|tenant| self.waiting.get(tenant))
            .map(|waiting| Arc::clone(&waiting.table))
            .collect()
    }

    fn begin_flush(&mut self, table: &Arc<Table>) -> Arc<Snapshot> {
        let through = self.through.as_u64();
        let waiting = self.waiting(table);
        if waiting.flushing_from.is_none() {
            waiting.flushing_from = waiting.active_from.take();
            waiting.active_rows = 0;
            waiting.ids.begin_flush();
        }
        table.begin_flush(through)
    }

    fn flushed(&mut self, tenant: &TenantId) {
        let Some(waiting) = self.waiting.get_mut(tenant) else { return };
        waiting.ids.flushed();
        let before = std::mem::replace(&mut waiting.bytes, waiting.table.uncommitted_bytes());
        let after = waiting.bytes;
        if let Some(first) = waiting.flushing_from.take() {
            self.needed.remove(&(first, tenant.clone()));
        }
        match waiting.active_from {
            Some(first) => {
                self.needed.insert((first, tenant.clone()));
            }
            None => {
                self.waiting.remove(tenant);
            }
        }
        self.shared.budget.replace(before, after);
    }

    /// Segments below the oldest that a tenant needs. The newest of this epoch stays: a fence needs its number.
    /// So does whatever was not read back yet: during recovery nobody knows who needs it.
    fn unneeded(&mut self) -> Vec<Position> {
        let newest = self.stored.iter().next_back().filter(|(_, own)| **own).map(|(position, _)| *position);
        let oldest_needed = self.needed.first().map(|(position, _)| *position);
        let end = match (oldest_needed, newest) {
            (Some(needed), Some(newest)) => needed.min(newest),
            (Some(end), None) | (None, Some(end)) => end,
            (None, None) => self.appender.next_position(),
        };
        let kept = self.stored.split_off(&end.min(self.through.next()));
        std::mem::replace(&mut self.stored, kept).into_keys().collect()
    }
}

/// The bytes of a segment.
pub(super) fn encode(segment: &Segment) -> Result<Bytes> {
    segment
        .encode()
        .map_err(|error| Error::with_source(ErrorKind::Internal, "cannot encode a WAL segment", error))
}

fn replace_state(state: &mut State, from: &State, to: State) -> bool {
    if state != from {
        return false;
    }
    *state = to;
    true
}
