//! How a text of SQL is refused, and the constants and names in it: what the guard and the dialect share.

use datafusion::sql::sqlparser::ast::{Expr, Ident, Value};

use crate::error::{Error, ErrorKind};

/// That a statement is not carried out, and what to write instead.
pub(crate) fn refused(reason: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("sql refused: {reason}"))
}

/// The text of a constant.
pub(crate) fn text_of(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text),
            Value::DollarQuotedString(text) => Some(&text.value),
            _ => None,
        },
        Expr::Nested(inner) => text_of(inner),
        _ => None,
    }
}

/// A name as the planner looks it up: in lower case if it has no quotes.
pub(crate) fn folded(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}
