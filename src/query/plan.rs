//! From a checked statement to a logical plan whose columns any client can read.
//!
//! In: a statement, its parameters and a session. Out: a logical plan, which `subqueries` makes a physical one. Guaranteed: columns have
//! distinct names (a second `id` becomes `id_2`) and stable types: strings are `Utf8` whatever a function
//! made of them, times are microseconds and, with a zone, in UTC, and JSON values (`metadata -> 'a'`) are JSON text; inside of lists,
//! structs and maps, too. Text that is a view is
//! converted where the answer comes out ([`with_plain_text`]): as a part of the plan, forty such columns would take
//! longer to optimise than a needle takes to find.

use std::{collections::HashSet, sync::Arc};

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    compute::cast as cast_array,
    datatypes::{DataType, FieldRef, Schema, TimeUnit},
};
use datafusion::{
    common::{Column, DFSchema, ParamValues, plan_err},
    error::Result,
    execution::SessionState,
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, col, lit},
    physical_plan::{SendableRecordBatchStream, stream::RecordBatchStreamAdapter},
    sql::parser::Statement,
};
use datafusion_functions_json::{JSON_UNION_DATA_TYPE, udfs::json_union_to_text_udf};
use futures::StreamExt;

use super::{distinct::distinct_name, guard, information_schema};

/// Plans `statement`; parameters are put in as values, never as text.
pub(crate) async fn plan(
    state: &SessionState,
    statement: Statement,
    params: ParamValues,
) -> Result<LogicalPlan> {
    if let Some(query) = guard::described(&statement) {
        let query = state.statement_to_plan(query).await?.with_param_values(params)?;
        return columns_of(&with_stable_columns(query)?);
    }
    let logical = state.statement_to_plan(statement).await?.with_param_values(params)?;
    Ok(match logical {
        LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => logical,
        query => with_stable_columns(query)?,
    })
}

/// What answers `DESCRIBE SELECT …`: names and types of the columns of `query`, as `SHOW COLUMNS` gives them for the view.
fn columns_of(query: &LogicalPlan) -> Result<LogicalPlan> {
    let row = |name: &str, data_type: &str, is_nullable: bool| {
        vec![lit(name), lit(data_type), lit(if is_nullable { "YES" } else { "NO" })]
    };
    let fields = query.schema().fields();
    let rows = fields.iter().map(|field| {
        row(field.name(), information_schema::type_name(field.data_type()), field.is_nullable())
    });
    // A query may have no column; a list of rows has at least one.
    let rows = rows.chain([row("", "", false)]).collect();
    let names = ["column_name", "data_type", "is_nullable"];
    let columns = (1..).zip(names).map(|(position, name)| col(format!("column{position}")).alias(name));
    LogicalPlanBuilder::values(rows)?.limit(0, Some(fields.len()))?.project(columns)?.build()
}

/// Adds a projection that renames and converts columns, if any needs it.
fn with_stable_columns(plan: LogicalPlan) -> Result<LogicalPlan> {
    if let Some(field) = plan.schema().fields().iter().find(|field| holds_json_value(field.data_type())) {
        return plan_err!(
            "column '{}' holds JSON values inside of another; write ->> to take them as text",
            field.name()
        );
    }
    match stable_columns(plan.schema()) {
        Some(columns) => LogicalPlanBuilder::from(plan).project(columns)?.build(),
        None => Ok(plan),
    }
}

/// The columns as clients get them; `None` if they are so already.
fn stable_columns(schema: &DFSchema) -> Option<Vec<Expr>> {
    let mut names = HashSet::new();
    let mut changed = false;
    let columns = schema.iter().map(|(qualifier, field)| {
        let column = Expr::Column(Column::from((qualifier, field)));
        let name = distinct_name(field.name(), &mut names);
        let value = if *field.data_type() == *JSON_UNION_DATA_TYPE {
            cast(json_union_to_text_udf().call(vec![column]), DataType::Utf8)
        } else if let Some(data_type) = stable_type(field.data_type()) {
            cast(column, data_type)
        } else if name == *field.name() {
            return column;
        } else {
            column
        };
        changed = true;
        value.alias(name)
    });
    let columns: Vec<_> = columns.collect();
    changed.then_some(columns)
}

/// The answer with text as `Utf8` instead of views.
pub(crate) fn with_plain_text(answer: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let from = answer.schema();
    if from.fields().iter().all(|field| *field.data_type() != DataType::Utf8View) {
        return answer;
    }
    let plain = |field: &FieldRef| match field.data_type() {
        DataType::Utf8View => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8)),
        _ => Arc::clone(field),
    };
    let fields: Vec<FieldRef> = from.fields().iter().map(plain).collect();
    let to = Arc::new(Schema::new_with_metadata(fields, from.metadata().clone()));
    let schema = Arc::clone(&to);
    let converted = answer.map(move |batch| {
        let batch = batch?;
        let columns = batch.columns().iter().zip(schema.fields());
        let columns = columns.map(|(column, field)| cast_array(column, field.data_type()));
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
        Ok(RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)?)
    });
    Box::pin(RecordBatchStreamAdapter::new(to, converted))
}

/// Whether values of no fixed type are inside of a list or struct, where they cannot be made text.
fn holds_json_value(data_type: &DataType) -> bool {
    let inside = |field: &FieldRef| {
        matches!(field.data_type(), DataType::Union(..)) || holds_json_value(field.data_type())
    };
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => inside(item),
        DataType::ListView(item) | DataType::LargeListView(item) | DataType::Map(item, _) => inside(item),
        DataType::Struct(fields) => fields.iter().any(inside),
        _ => false,
    }
}

/// What a type is turned into for clients; `None` if it stays. Text that is a view stays: it is converted later.
fn stable_type(data_type: &DataType) -> Option<DataType> {
    let stable = match data_type {
        DataType::Utf8View => return None,
        other => type_inside(other),
    };
    (stable != *data_type).then_some(stable)
}

/// What a type is turned into for clients where it is inside of another: one that common readers of Arrow and Parquet know.
///
/// Times count microseconds, as the events' own do: Spark refuses a whole Parquet file for one column of nanoseconds. Digits below are cut
/// off, towards 1970; what has no microsecond, some 290,000 years away, is an error of the query.
fn type_inside(data_type: &DataType) -> DataType {
    let field = |field: &FieldRef| -> FieldRef {
        Arc::new(field.as_ref().clone().with_data_type(type_inside(field.data_type())))
    };
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, values) => type_inside(values),
        DataType::RunEndEncoded(_, values) => type_inside(values.data_type()),
        DataType::Timestamp(_, zone) => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into()))
        }
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Duration(_) => DataType::Duration(TimeUnit::Microsecond),
        DataType::Date64 => DataType::Date32,
        DataType::Float16 => DataType::Float32,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => DataType::List(field(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect()),
        DataType::Map(entries, is_sorted) => DataType::Map(field(entries), *is_sorted),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;

    use super::*;

    fn item(data_type: DataType) -> FieldRef {
        Arc::new(Field::new("item", data_type, true))
    }

    /// Would catch a type inside of another that a reader refuses, or a view at the top that is converted twice.
    #[test]
    fn types_are_those_that_readers_know() {
        let nanos = || DataType::Timestamp(TimeUnit::Nanosecond, Some("+00:00".into()));
        let micros = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let pair = |text, time| DataType::Struct(vec![item(text), item(time)].into());
        for (from, to) in [
            (nanos(), Some(micros())),
            (micros(), None),
            (
                DataType::Timestamp(TimeUnit::Second, None),
                Some(DataType::Timestamp(TimeUnit::Microsecond, None)),
            ),
            (DataType::Time32(TimeUnit::Second), Some(DataType::Time64(TimeUnit::Microsecond))),
            (DataType::Duration(TimeUnit::Nanosecond), Some(DataType::Duration(TimeUnit::Microsecond))),
            (DataType::Utf8View, None),
            (DataType::Utf8, None),
            (DataType::LargeList(item(DataType::Utf8View)), Some(DataType::List(item(DataType::Utf8)))),
            (pair(DataType::Utf8, micros()), None),
            (
                DataType::List(item(DataType::Map(item(pair(DataType::Utf8View, nanos())), false))),
                Some(DataType::List(item(DataType::Map(item(pair(DataType::Utf8, micros())), false)))),
            ),
            (
                DataType::List(item(DataType::Dictionary(
                    DataType::Int32.into(),
                    DataType::LargeUtf8.into(),
                ))),
                Some(DataType::List(item(DataType::Utf8))),
            ),
        ] {
            assert_eq!(stable_type(&from), to, "{from}");
        }
    }
}
