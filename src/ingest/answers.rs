//! The answers kept for `Idempotency-Key`s: the same key and body within a day gets the first answer again.
//!
//! An answer is written in the WAL segment of its events, so that it is durable exactly when they are;
//! before such a segment is removed its answers move to a document under `control/idempotency`.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard},
};

use serde::{Deserialize, Serialize};

use super::Receipt;
use crate::{
    error::{Error, ErrorKind, Result},
    event::decode::Rejected,
    wal::Position,
};

/// A client's key for one request, and a fingerprint of what was sent under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Who sent it; keys of different principals never meet.
    pub principal: String,
    /// The header's value.
    pub key: String,
    /// SHA-256 of the body and of all that changes its meaning.
    pub fingerprint: [u8; 32],
}

/// One stored answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Answer {
    principal: String,
    key: String,
    fingerprint: [u8; 32],
    answered_at_ms: i64,
    accepted: usize,
    duplicates: usize,
    conflicts: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rejected: Vec<Rejected>,
}

impl Answer {
    pub(super) fn new(key: &IdempotencyKey, receipt: &Receipt, answered_at_ms: i64) -> Self {
        Self {
            principal: key.principal.clone(),
            key: key.key.clone(),
            fingerprint: key.fingerprint,
            answered_at_ms,
            accepted: receipt.accepted,
            duplicates: receipt.duplicates,
            conflicts: receipt.conflicts,
            rejected: receipt.rejected.clone(),
        }
    }

    fn receipt(&self) -> Receipt {
        Receipt {
            accepted: self.accepted,
            duplicates: self.duplicates,
            conflicts: self.conflicts,
            rejected: self.rejected.clone(),
        }
    }

    /// Fills in what the writer found.
    pub(super) fn count(&mut self, accepted: usize, duplicates: usize, refused: &[Rejected]) {
        self.accepted = accepted;
        self.duplicates = duplicates;
        self.conflicts = refused.len();
        self.rejected.extend_from_slice(refused);
        self.rejected.sort_by_key(|rejected| rejected.index);
    }

    pub(super) fn answered_at_ms(&self) -> i64 {
        self.answered_at_ms
    }
}

/// All answers that are kept, and the keys whose first request is still on its way.
#[derive(Debug)]
pub(super) struct Answers {
    keep_ms: i64,
    keys_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By principal and key; the position says in which WAL segment the answer stands, `None` once it has
    /// moved to a document.
    kept: HashMap<(String, String), (Answer, Option<Position>)>,
    in_flight: HashSet<(String, String)>,
}

/// What a key turned out to be.
#[derive(Debug)]
pub(super) enum Begun<'a> {
    /// New: the request may go on; drop the guard when it is over.
    New(InFlight<'a>),
    /// Answered before: the first answer.
    Answered(Receipt),
}

/// A key whose first request is on its way.
#[derive(Debug)]
pub(super) struct InFlight<'a> {
    answers: &'a Answers,
    key: (String, String),
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.answers.lock().in_flight.remove(&self.key);
    }
}

impl Answers {
    pub(super) fn new(keep_ms: i64, keys_max: usize) -> Self {
        Self { keep_ms, keys_max, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no code panics while it holds the answers")
    }

    /// Takes a key for a request.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] if the key was used with another body, [`ErrorKind::Conflict`] while its first
    /// request is on its way, [`ErrorKind::Busy`] if too many keys are kept.
    pub(super) fn begin(&self, key: &IdempotencyKey, now_ms: i64) -> Result<Begun<'_>> {
        let place = (key.principal.clone(), key.key.clone());
        let mut inner = self.lock();
        if let Some((answer, _)) = inner.kept.get(&place).filter(|(answer, _)| self.is_fresh(answer, now_ms))
        {
            if answer.fingerprint == key.fingerprint {
                return Ok(Begun::Answered(answer.receipt()));
            }
            let message = format!("idempotency key {:?} was used with another request before", key.key);
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        if inner.kept.len() >= self.keys_max {
            inner.kept.retain(|_, (answer, _)| self.is_fresh(answer, now_ms));
        }
        if inner.kept.len() >= self.keys_max {
            let message = format!("{} idempotency keys are kept already; try again later", self.keys_max);
            return Err(Error::new(ErrorKind::Busy, message));
        }
        if !inner.in_flight.insert(place.clone()) {
            let message = format!("a request with idempotency key {:?} is still on its way", key.key);
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        Ok(Begun::New(InFlight { answers: self, key: place }))
    }

    fn is_fresh(&self, answer: &Answer, now_ms: i64) -> bool {
        now_ms - answer.answered_at_ms < self.keep_ms
    }

    /// Keeps answers that are durable at `position`, or in a document if `None`.
    pub(super) fn keep(&self, answers: Vec<Answer>, position: Option<Position>) {
        let mut inner = self.lock();
        for answer in answers {
            inner.kept.insert((answer.principal.clone(), answer.key.clone()), (answer, position));
        }
    }

    /// The answers that still count and stand in WAL segments up to `through`.
    pub(super) fn in_wal(&self, through: Position, now_ms: i64) -> Vec<Answer> {
        let inner = self.lock();
        let stands = |position: &Option<Position>| position.is_some_and(|position| position <= through);
        let wanted = inner.kept.values().filter(|(answer, at)| stands(at) && self.is_fresh(answer, now_ms));
        wanted.map(|(answer, _)| answer.clone()).collect()
    }

    /// Notes that the answers up to `through` stand in a document, and drops those whose time is over.
    pub(super) fn moved(&self, through: Position, now_ms: i64) {
        let mut inner = self.lock();
        for (_, position) in inner.kept.values_mut() {
            if position.is_some_and(|position| position <= through) {
                *position = None;
            }
        }
        inner.kept.retain(|_, (answer, _)| now_ms - answer.answered_at_ms < self.keep_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(fingerprint: u8) -> IdempotencyKey {
        IdempotencyKey { principal: "root".into(), key: "k".into(), fingerprint: [fingerprint; 32] }
    }

    /// Would catch a retry that is stored twice, one that gets another request's answer, and a key kept for ever.
    #[test]
    fn the_first_answer_is_given_again_for_a_day() {
        let answers = Answers::new(1_000, 10);
        let Begun::New(guard) = answers.begin(&key(1), 0).unwrap() else { panic!("the key is new") };
        assert_eq!(answers.begin(&key(1), 0).unwrap_err().kind(), ErrorKind::Conflict);
        let receipt = Receipt { accepted: 3, ..Receipt::default() };
        answers.keep(vec![Answer::new(&key(1), &receipt, 0)], Some(Position::new(1, 1)));
        drop(guard);
        assert!(matches!(answers.begin(&key(1), 999).unwrap(), Begun::Answered(again) if again == receipt));
        assert_eq!(answers.begin(&key(2), 999).unwrap_err().kind(), ErrorKind::Invalid);
        assert!(matches!(answers.begin(&key(2), 1_000).unwrap(), Begun::New(_)));
    }

    /// Would catch an answer that goes with its WAL segment.
    #[test]
    fn answers_leave_the_wal_once() {
        let answers = Answers::new(1_000, 10);
        let answer = Answer::new(&key(1), &Receipt::default(), 0);
        answers.keep(vec![answer.clone()], Some(Position::new(1, 5)));
        assert!(answers.in_wal(Position::new(1, 4), 0).is_empty());
        assert_eq!(answers.in_wal(Position::new(1, 5), 0), vec![answer]);
        answers.moved(Position::new(1, 5), 0);
        assert!(answers.in_wal(Position::new(1, 9), 0).is_empty());
        assert!(matches!(answers.begin(&key(1), 0).unwrap(), Begun::Answered(_)));
    }

    /// Would catch memory that grows with every key a client makes up.
    #[test]
    fn keys_are_capped() {
        let answers = Answers::new(1_000, 1);
        answers.keep(vec![Answer::new(&key(1), &Receipt::default(), 0)], None);
        let other = IdempotencyKey { key: "other".into(), ..key(1) };
        assert_eq!(answers.begin(&other, 0).unwrap_err().kind(), ErrorKind::Busy);
        assert!(answers.begin(&other, 1_000).is_ok());
    }
}
