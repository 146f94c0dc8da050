//! `SHOW TABLES`, `SHOW COLUMNS FROM events` and `DESCRIBE events` as queries over `information_schema`.

use datafusion::sql::sqlparser::ast::{
    DescribeAlias, ObjectName, ShowStatementIn, ShowStatementOptions, Statement,
};

use super::super::refusal::{folded, refused};
use crate::error::Result;

/// The query that answers a `SHOW`; `None`: it is another statement, or asks for what is not shown.
///
/// Errors: `Invalid` for a table that does not exist.
pub(crate) fn listing(statement: &Statement) -> Result<Option<String>> {
    Ok(match statement {
        Statement::ShowTables { terse: false, history: false, extended: false, full: false, external: false, show_options } => {
            is_plain(show_options).then(|| {
                "SELECT table_schema, table_name, table_type FROM information_schema.tables ORDER BY table_name".to_string()
            })
        }
        Statement::ShowColumns { extended: false, full: false, show_options } => {
            table_of(show_options).map(columns_of).transpose()?
        }
        Statement::ExplainTable {
            describe_alias: DescribeAlias::Describe | DescribeAlias::Desc,
            hive_format: None,
            has_table_keyword: _,
            table_name,
        } => Some(columns_of(table_name)?),
        _ => None,
    })
}

fn columns_of(table: &ObjectName) -> Result<String> {
    if !is_view(table) {
        return Err(refused(&format!("there is no table {table}; the one view is events: SHOW TABLES")));
    }
    let sql = "SELECT column_name, data_type, is_nullable FROM information_schema.columns \
               WHERE table_name = 'events' ORDER BY ordinal_position";
    Ok(sql.to_string())
}

/// `events`, `public.events` and `auditlake.public.events`: one view.
fn is_view(table: &ObjectName) -> bool {
    let names: Option<Vec<String>> = table.0.iter().map(|part| part.as_ident().map(folded)).collect();
    let names = names.unwrap_or_default();
    let full = ["auditlake", "public", "events"];
    !names.is_empty() && full.ends_with(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn is_plain(options: &ShowStatementOptions) -> bool {
    let ShowStatementOptions { show_in, starts_with, limit, limit_from, filter_position } = options;
    show_in.is_none()
        && starts_with.is_none()
        && limit.is_none()
        && limit_from.is_none()
        && filter_position.is_none()
}

fn table_of(options: &ShowStatementOptions) -> Option<&ObjectName> {
    let ShowStatementOptions { show_in, starts_with, limit, limit_from, filter_position } = options;
    if starts_with.is_some() || limit.is_some() || limit_from.is_some() || filter_position.is_some() {
        return None;
    }
    let ShowStatementIn { clause: _, parent_type: _, parent_name } = show_in.as_ref()?;
    parent_name.as_ref()
}
