//! The request's side of an append: all that can be done before the writer, and the receipt after it.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array as _, AsArray, RecordBatch, StringArray},
    buffer::BooleanBuffer,
    datatypes::TimestampMicrosecondType,
};
use chrono::{DateTime, NaiveDate};
use tokio::sync::oneshot;

use super::{
    AppendRequest, Ingest, Receipt, Shared,
    answers::{Answer, Begun},
    group::{self, Job, Outcome, Places},
    pieces::{Piece, split_by_tenant},
    writer::Message,
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{
        canonical::content_hashes,
        decode::{Decoded, Rejected},
        schema,
        sealed::{self, SealedFields},
    },
};

impl Ingest {
    /// Stores a request's events and returns once they are durable and visible to queries.
    ///
    /// Once begun, the work must be awaited to its end: a caller that may go away (an HTTP client) spawns it.
    ///
    /// # Errors
    /// Nothing is stored and nothing reported as accepted: [`ErrorKind::Busy`] past the memory cap,
    /// [`ErrorKind::Unavailable`] if the store refused or the server cannot write now,
    /// [`ErrorKind::Conflict`] or [`ErrorKind::Invalid`] for a misused `Idempotency-Key`.
    ///
    /// In two cases the events may appear after the next start, although nothing was reported as accepted: the writer
    /// stopped because a local disk wrote them and failed to make them durable, or because the process ended before
    /// the store said what became of the write. Both are [`ErrorKind::Unavailable`]; events sent again with their ids
    /// or their key are stored once whichever it was.
    pub async fn append(&self, request: AppendRequest) -> Result<Receipt> {
        let shared = &*self.shared;
        shared.check_running()?;
        let AppendRequest { decoded, atomic, idempotency } = request;
        let _in_flight = match &idempotency {
            None => None,
            Some(key) => match shared.answers.begin(key, shared.clock.now_millis())? {
                Begun::Answered(receipt) => return Ok(receipt),
                Begun::New(guard) => Some(guard),
            },
        };
        let Decoded { batch, indexes, lines, given_ids, rejected, .. } = decoded;
        if batch.num_rows() == 0 || (atomic && !rejected.is_empty()) {
            return Ok(Receipt { rejected, ..Receipt::default() });
        }
        let reservation = shared.budget.reserve(batch.get_array_memory_size())?;
        let mut receipt = Receipt { rejected, ..Receipt::default() };
        let places = Places { indexes, lines };
        let mut pieces = shared.cut(batch, &given_ids).await?;
        let expired = shared.refuse_expired(&mut pieces, &places)?;
        shared.metrics.events_rejected(expired.len());
        let is_refused = atomic && !expired.is_empty();
        receipt.refuse(expired);
        if is_refused || pieces.iter().all(|piece| piece.batch.num_rows() == 0) {
            return Ok(receipt);
        }
        let answer = idempotency.map(|key| Answer::new(&key, &receipt, shared.clock.now_millis()));
        let mut job = Box::new(Job {
            pieces,
            atomic,
            places,
            duplicates: 0,
            conflicts: Vec::new(),
            answer,
            reservation,
        });
        loop {
            shared.drop_committed(&mut job).await?;
            match shared.send(job).await? {
                Outcome::Recheck(again) => job = again,
                Outcome::Failed(error) => return Err(error),
                Outcome::Done { accepted, duplicates, conflicts } => {
                    receipt.accepted = accepted;
                    receipt.duplicates = duplicates;
                    receipt.conflicts = conflicts.len();
                    receipt.refuse(conflicts);
                    return Ok(receipt);
                }
            }
        }
    }
}

impl Receipt {
    fn refuse(&mut self, rejected: Vec<Rejected>) {
        self.rejected.extend(rejected);
        self.rejected.sort_by_key(|rejected| rejected.index);
    }
}

/// It takes some microseconds an event: not on the threads of connections.
async fn seal(batch: RecordBatch, fields: SealedFields) -> Result<RecordBatch> {
    tokio::task::spawn_blocking(move || sealed::seal(batch, &fields))
        .await
        .map_err(|error| Error::with_source(ErrorKind::Internal, "sealing events failed", error))?
}

fn text_column<'a>(batch: &'a RecordBatch, name: &str) -> &'a StringArray {
    batch.column_by_name(name).expect("the batch has the accepted columns").as_string()
}

impl Shared {
    /// Cuts a batch by tenant, seals what a tenant wants sealed, and works out what the writer needs of each part.
    pub(super) async fn cut(&self, batch: RecordBatch, given: &BooleanBuffer) -> Result<Vec<Piece>> {
        let mut pieces = Vec::new();
        for split in split_by_tenant(batch)? {
            let table = self.tables.get_or_create(&split.tenant).await?;
            let given = split.rows.iter().map(|row| given.value(*row as usize)).collect();
            let batch = match self.control.sealed_fields(&split.tenant) {
                Some(fields) => seal(split.batch, fields).await?,
                None => split.batch,
            };
            pieces.push(Piece::new(table, batch, split.rows, given));
        }
        Ok(pieces)
    }

    async fn send(&self, job: Box<Job>) -> Result<Outcome> {
        let (reply, answered) = oneshot::channel();
        let gone = || match self.check_running() {
            Err(error) => error,
            Ok(()) => Error::new(ErrorKind::Unavailable, "the writer stopped"),
        };
        self.sender.send(Message::Append(job, reply)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())
    }

    /// Takes out the events whose client-given id is committed already, as duplicates or conflicts, and notes in which version of each
    /// table that was looked up.
    async fn drop_committed(&self, job: &mut Job) -> Result<()> {
        let Job { pieces, places, conflicts, duplicates, .. } = job;
        for piece in pieces.iter_mut().filter(|piece| piece.has_given_ids()) {
            let before = conflicts.len();
            let dropped = self.drop_committed_of(piece, places, conflicts).await?;
            *duplicates += dropped - (conflicts.len() - before);
        }
        Ok(())
    }

    /// How many were taken out; those with other content are added to `conflicts`.
    async fn drop_committed_of(
        &self,
        piece: &mut Piece,
        places: &Places,
        conflicts: &mut Vec<Rejected>,
    ) -> Result<usize> {
        let table = Arc::clone(&piece.table);
        let snapshot = table.snapshot();
        let mut keep = vec![true; piece.batch.num_rows()];
        for (day, rows) in given_rows_by_day(piece) {
            let ids = text_column(&piece.batch, schema::ID);
            let wanted: Vec<&str> = rows.iter().map(|row| ids.value(*row)).collect();
            let known = contents_by_id(&table.find_ids(&snapshot, day, &wanted).await?);
            for row in rows {
                if let Some(stored) = known.get(ids.value(row)) {
                    keep[row] = false;
                    if !stored.is_content_of(piece, row)? {
                        conflicts.push(group::refusal(piece, row, places));
                    }
                }
            }
        }
        piece.retain(&keep)?;
        piece.checked_version = snapshot.version;
        Ok(keep.iter().filter(|kept| !**kept).count())
    }
}

/// What a stored event says.
struct Stored {
    /// The hash of its content as it is stored.
    content: u64,
    /// Its column `sealed`, if a part of it is erased.
    erased: Option<String>,
}

impl Stored {
    /// Whether an event that is sent says the same, as far as the stored one is not erased.
    fn is_content_of(&self, piece: &Piece, row: usize) -> Result<bool> {
        let sent = match &self.erased {
            None => piece.contents[row],
            Some(sealed) => content_hashes(&sealed::without_erased(&piece.batch.slice(row, 1), sealed)?)[0],
        };
        Ok(sent == self.content)
    }
}

fn contents_by_id(stored: &[RecordBatch]) -> HashMap<String, Stored> {
    let mut contents = HashMap::new();
    for batch in stored {
        let (ids, sealed) = (text_column(batch, schema::ID), text_column(batch, schema::SEALED));
        let hashes = content_hashes(batch);
        let erased = |row: usize| {
            let text = sealed.is_valid(row).then(|| sealed.value(row));
            text.filter(|text| sealed::is_erased(text)).map(str::to_owned)
        };
        let of = |row: usize| Stored { content: hashes[row], erased: erased(row) };
        contents.extend((0..batch.num_rows()).map(|row| (ids.value(row).to_owned(), of(row))));
    }
    contents
}

/// The rows with client-given ids, by the UTC day in whose files they would be.
fn given_rows_by_day(piece: &Piece) -> Vec<(NaiveDate, Vec<usize>)> {
    let times = piece
        .batch
        .column_by_name(schema::OCCURRED_AT)
        .expect("the batch has the accepted columns")
        .as_primitive::<TimestampMicrosecondType>();
    let mut days: HashMap<NaiveDate, Vec<usize>> = HashMap::new();
    for row in piece.given.set_indices() {
        let time = DateTime::from_timestamp_micros(times.value(row)).unwrap_or_default();
        days.entry(time.date_naive()).or_default().push(row);
    }
    days.into_iter().collect()
}
