//! Whether an investigation can run: found out before anybody needs it.
//!
//! In: an investigation. Out: nothing, or what is wrong and in which line. Its SQL is parsed, its parameters are
//! compared with those of the header, and it is planned over a table without events; its columns must be those of the
//! header. Callers run it on a thread with [`QUERY_STACK_BYTES`](crate::limits::QUERY_STACK_BYTES) of stack.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, NaiveDate};
use datafusion::datasource::empty::EmptyTable;
use futures::executor::block_on;
use serde_json::{Map, Value};

use super::{
    Investigation,
    header::{Wrong, comment_lines},
};
use crate::{
    error::Result,
    limits::QUERY_BATCH_ROWS,
    query::{
        columns,
        failure::failure,
        guard, keys, params, plan,
        session::{self, Addresses},
        settings::Settings,
    },
};

/// Checks everything that can be checked without events.
pub(super) fn check(investigation: &Investigation) -> Result<(), Wrong> {
    let sql = &*investigation.sql;
    let sql_line = comment_lines(sql).count() + 1;
    // Parsers count the header's lines too, and end their messages with where they were.
    let wrong = |error: crate::error::Error| {
        let message = error.to_string();
        Wrong::new(line_named(&message).unwrap_or(sql_line), message)
    };
    let checked = guard::check(sql).map_err(wrong)?;
    let parameters = &investigation.description.parameters;
    if let Some(name) =
        checked.placeholders.iter().find(|name| parameters.iter().all(|known| known.name != **name))
    {
        let line = line_with(sql, &format!("${name}")).unwrap_or(sql_line);
        return Err(Wrong::new(line, format!("${name} is not a parameter of the header")));
    }
    if let Some(unused) = parameters.iter().find(|known| !checked.placeholders.contains(&known.name)) {
        let line = header_line(sql, "param", &unused.name);
        return Err(Wrong::new(line, format!("the SQL does not use the parameter ${}", unused.name)));
    }
    let schema = planned(investigation).map_err(wrong)?;
    compare_columns(investigation, &schema)
}

/// The columns of the answer.
fn planned(investigation: &Investigation) -> Result<SchemaRef> {
    let parameters = &investigation.description.parameters;
    let required = parameters.iter().filter(|parameter| parameter.required);
    let samples: Map<String, Value> =
        required.map(|parameter| (parameter.name.clone(), parameter.kind.sample())).collect();
    let values = investigation.values(&samples, NaiveDate::default())?;
    let mut checked = guard::check(&investigation.sql)?;
    keys::say_types(&mut checked.statement, &values);
    let params = params::bind(&values, &checked.placeholders)?;
    let settings = Settings::default();
    let template = session::template(&settings, QUERY_BATCH_ROWS, Arc::default(), Addresses::Canonical)
        .map_err(failure)?;
    let events = Arc::new(EmptyTable::new(columns::table_columns()));
    let (state, _) = session::session(&template, events, &settings, DateTime::UNIX_EPOCH).map_err(failure)?;
    let logical = block_on(plan::plan(&state, checked.statement, params)).map_err(failure)?;
    let plan = block_on(state.create_physical_plan(&logical)).map_err(failure)?;
    Ok(plan.schema())
}

fn compare_columns(investigation: &Investigation, schema: &SchemaRef) -> Result<(), Wrong> {
    let columns = &investigation.description.columns;
    for (number, field) in schema.fields().iter().enumerate() {
        match columns.get(number) {
            Some(column) if column.name == *field.name() => {}
            Some(column) => {
                let line = header_line(&investigation.sql, "column", &column.name);
                let (number, answer) = (number + 1, field.name());
                let reason = format!(
                    "column {number} is '{}' in the header and '{answer}' in the answer",
                    column.name
                );
                return Err(Wrong::new(line, reason));
            }
            None => {
                let line =
                    columns.last().map_or(1, |last| header_line(&investigation.sql, "column", &last.name));
                return Err(Wrong::new(
                    line,
                    format!("the header lacks the answer's column '{}'", field.name()),
                ));
            }
        }
    }
    match columns.get(schema.fields().len()) {
        None => Ok(()),
        Some(column) => {
            let line = header_line(&investigation.sql, "column", &column.name);
            Err(Wrong::new(line, format!("the answer has no column '{}'", column.name)))
        }
    }
}

fn header_line(sql: &str, what: &str, name: &str) -> usize {
    let mut lines = comment_lines(sql);
    let found = lines.find(|(_, text)| {
        let mut words = text.split_whitespace();
        words.next() == Some(what) && words.next() == Some(name)
    });
    found.map_or(1, |(line, _)| line)
}

/// The first line after the header that has `text` in it.
fn line_with(sql: &str, text: &str) -> Option<usize> {
    let header = comment_lines(sql).count();
    let after = sql.lines().enumerate().skip(header);
    after.into_iter().find(|(_, line)| line.contains(text)).map(|(index, _)| index + 1)
}

/// From `… at Line: 12, Column: 5`.
fn line_named(message: &str) -> Option<usize> {
    let digits = message.rsplit_once("Line: ")?.1;
    digits.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}
