//! What a tenant still keeps: what is older is refused, and not committed.
//!
//! In: what is set for a tenant, and events. Out: refusals for those of days whose time is over, before anything is stored; the
//! first day to commit, when time passed while events waited. Guaranteed: what is left out of a commit was expired by the newest
//! settings, and no legal hold is acknowledged between that look and the commit; what the log says of it is part of that commit.

use std::{fmt, sync::Arc};

use arrow::{
    array::{AsArray, RecordBatch},
    buffer::BooleanBuffer,
    datatypes::TimestampMicrosecondType,
};
use chrono::{DateTime, NaiveDate};

use super::{Shared, group::Places, pieces::Piece};
use crate::{
    control::Still,
    error::Result,
    event::{
        TenantId,
        decode::{FieldError, Rejected},
        schema,
    },
    table::{has_before, start_micros},
};

/// Events that a commit leaves out because the time of their days was over before they were in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Whose.
    pub tenant: TenantId,
    /// The earliest of their days.
    pub first: NaiveDate,
    /// The latest.
    pub last: NaiveDate,
    /// How many.
    pub rows: u64,
}

/// Makes the event that tells of [`LeftOut`]; `None`: nobody is to be told.
type Tell = dyn Fn(&LeftOut) -> Result<Option<RecordBatch>> + Send + Sync;

/// What makes the event that tells of [`LeftOut`], if anybody is to be told. It is committed with those that stay.
#[derive(Clone)]
pub struct OnLeftOut(pub Arc<Tell>);

impl fmt::Debug for OnLeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnLeftOut")
    }
}

impl Shared {
    /// What tells of the events of `batches` that occurred before `first_day` and so are not committed.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(super) async fn record_of_left_out(
        &self,
        tenant: &TenantId,
        batches: &[RecordBatch],
        first_day: NaiveDate,
    ) -> Result<Vec<RecordBatch>> {
        let Some(left_out) = LeftOut::of(tenant, batches, first_day) else { return Ok(Vec::new()) };
        let Some(record) = (self.on_left_out.0)(&left_out)? else { return Ok(Vec::new()) };
        let given = BooleanBuffer::new_unset(record.num_rows());
        let pieces = self.cut(record, &given).await?;
        Ok(pieces.into_iter().map(|piece| piece.batch).collect())
    }

    /// Takes the events out of `pieces` that occurred before the first day that their tenant keeps.
    pub(super) fn refuse_expired(&self, pieces: &mut [Piece], places: &Places) -> Result<Vec<Rejected>> {
        let mut refused = Vec::new();
        for piece in pieces {
            let first = self.control.first_day(piece.table.tenant());
            let Some(first) = first.filter(|first| has_before(&piece.batch, *first)) else { continue };
            let start = start_micros(first);
            let batch = piece.batch.clone();
            let times = batch[schema::OCCURRED_AT].as_primitive::<TimestampMicrosecondType>().values();
            let expired = times.iter().enumerate().filter(|(_, time)| **time < start);
            refused.extend(expired.map(|(row, time)| refusal(piece, row, *time, first, places)));
            let keep: Vec<bool> = times.iter().map(|time| *time >= start).collect();
            piece.retain(&keep)?;
        }
        Ok(refused)
    }
}

impl LeftOut {
    fn of(tenant: &TenantId, batches: &[RecordBatch], first_day: NaiveDate) -> Option<Self> {
        let start = start_micros(first_day);
        let times = batches
            .iter()
            .flat_map(|batch| batch[schema::OCCURRED_AT].as_primitive::<TimestampMicrosecondType>().values());
        let before: Vec<i64> = times.copied().filter(|time| *time < start).collect();
        let day = |micros: i64| DateTime::from_timestamp_micros(micros).unwrap_or_default().date_naive();
        Some(Self {
            tenant: tenant.clone(),
            first: day(*before.iter().min()?),
            last: day(*before.iter().max()?),
            rows: before.len() as u64,
        })
    }
}

fn refusal(piece: &Piece, row: usize, micros: i64, first: NaiveDate, places: &Places) -> Rejected {
    let place = piece.rows[row] as usize;
    let day = DateTime::from_timestamp_micros(micros).unwrap_or_default().date_naive();
    let error = FieldError {
        pointer: "/occurred_at".into(),
        detail: format!("{day} is before {first}, the first day that is kept for this tenant"),
    };
    Rejected {
        index: places.indexes[place],
        line: places.lines.as_ref().map(|lines| lines[place]),
        id: piece.given.value(row).then(|| piece.id(row).to_owned()),
        errors: vec![error],
    }
}

/// The first day to commit of `batches`, if they have older ones; and what keeps that so.
pub(super) async fn to_commit<'shared>(
    shared: &'shared Shared,
    tenant: &TenantId,
    batches: &[RecordBatch],
) -> Result<(Option<NaiveDate>, Option<Still<'shared>>)> {
    let expires = |first: &NaiveDate| batches.iter().any(|batch| has_before(batch, *first));
    if shared.control.first_day(tenant).filter(expires).is_none() {
        return Ok((None, None));
    }
    let still = shared.control.still().await?;
    let first = still.state().first_day(tenant, still.today()).filter(expires);
    Ok((first, Some(still)))
}
