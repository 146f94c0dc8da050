//! `SHOW TABLES` and `SHOW COLUMNS FROM events` as queries over `information_schema`.

use datafusion::sql::sqlparser::ast::{ObjectName, ShowStatementIn, ShowStatementOptions, Statement};

/// The query that answers a `SHOW`; `None`: it is another statement, or asks for what is not shown.
pub(crate) fn listing(statement: &Statement) -> Option<String> {
    match statement {
        Statement::ShowTables { terse: false, history: false, extended: false, full: false, external: false, show_options } => {
            is_plain(show_options).then(|| {
                "SELECT table_schema, table_name, table_type FROM information_schema.tables ORDER BY table_name".to_string()
            })
        }
        Statement::ShowColumns { extended: false, full: false, show_options } => {
            let table = table_of(show_options)?;
            let table = table.0.last()?.as_ident()?.value.to_lowercase();
            // A name is put into a text: nothing but letters gets there.
            if !table.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
                return None;
            }
            Some(format!(
                "SELECT column_name, data_type, is_nullable FROM information_schema.columns \
                 WHERE table_name = '{table}' ORDER BY ordinal_position"
            ))
        }
        _ => None,
    }
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
