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
    query::{Engine, Filter, Request, Scope},
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

impl Engine {
    /// The `limit` most frequent values of `field` among the events of `scope` that pass `filter`.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub async fn top_values(
        &self,
        scope: Scope,
        filter: &Filter,
        field: Field,
        limit: u64,
    ) -> Result<Fields> {
        let conditions = filter.conditions_by_day();
        let sql = format!(
            "WITH counted AS (SELECT {field} AS value, count(*) AS count FROM events {} GROUP BY {field}) \
             SELECT value, count, CAST(sum(count) OVER () AS BIGINT) AS events, count(value) OVER () AS distinct_values \
             FROM counted ORDER BY count DESC, value NULLS LAST LIMIT {limit}",
            conditions.clause(),
            field = field.name(),
        );
        let mut running = self.run(Request { sql, params: conditions.params, scope }).await?;
        let mut fields = Fields { field: field.name(), events: 0, distinct: 0, values: Vec::new() };
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
