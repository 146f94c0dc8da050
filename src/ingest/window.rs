//! What a tenant still keeps: what is older is refused, and not committed.
//!
//! In: what is set for a tenant, and events. Out: refusals for those of days whose time is over, before anything is stored; the
//! first day to commit, when time passed while events waited. Guaranteed: what is left out of a commit was expired by the newest
//! settings, and no legal hold is acknowledged between that look and the commit.

use arrow::{
    array::{AsArray, RecordBatch},
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

impl Shared {
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
