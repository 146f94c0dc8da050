//! The most frequent values of a field.
//!
//! In: a filter and a field. Out: its values by the number of their events, and how many of each there are in all. Guaranteed:
//! exact; values with the same count come in their own order.

use arrow::array::Array;
use futures::StreamExt;
use serde::Serialize;

use super::{Field, counts, text_column};
use crate::{
    error::Result,
    query::{Filter, Request, Running, Scope},
};

/// One value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldValue {
    /// It; null stands for the events that have none.
    pub value: Option<String>,
    /// How many events.
    pub count: u64,
}

/// The values of a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fields {
    /// The field.
    pub field: &'static str,
    /// How many events there are in all.
    pub events: u64,
    /// How many different values there are in all.
    pub distinct: u64,
    /// The most frequent ones.
    pub values: Vec<FieldValue>,
}

/// What to count.
#[derive(Clone, Debug)]
pub struct FieldsQuery {
    /// Which events.
    pub filter: Filter,
    /// By which values.
    pub field: Field,
    /// How many values at most.
    pub limit: u64,
}

impl FieldsQuery {
    /// The question of [`FieldsQuery::read`].
    pub fn request(&self, scope: Scope) -> Request {
        let conditions = self.filter.conditions_by_day();
        let sql = format!(
            "WITH counted AS (SELECT {field} AS value, count(*) AS count FROM events {} GROUP BY {field}) \
             SELECT value, count, CAST(sum(count) OVER () AS BIGINT) AS events, \
             count(value) OVER () AS distinct_values \
             FROM counted ORDER BY count DESC, value NULLS LAST LIMIT {limit}",
            conditions.clause(),
            field = self.field.name(),
            limit = self.limit,
        );
        Request { sql, params: conditions.params, scope }
    }

    /// The values that the answer to [`FieldsQuery::request`] is.
    ///
    /// # Errors
    /// The answer's.
    pub async fn read(&self, mut running: Running) -> Result<Fields> {
        let mut fields = Fields { field: self.field.name(), events: 0, distinct: 0, values: Vec::new() };
        while let Some(batch) = running.next().await {
            let batch = batch?;
            let values = text_column(&batch, "value")?;
            let count = counts(&batch, "count")?;
            for row in 0..batch.num_rows() {
                fields.events = counts(&batch, "events")?.value(row) as u64;
                fields.distinct = counts(&batch, "distinct_values")?.value(row) as u64;
                let value = values.is_valid(row).then(|| values.value(row).to_owned());
                fields.values.push(FieldValue { value, count: count.value(row) as u64 });
            }
        }
        Ok(fields)
    }
}
