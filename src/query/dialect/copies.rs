//! How much of a statement may be written twice.
//!
//! In: an expression that stands in more than one part of what a statement becomes. Out: another one like it. Guaranteed: copies in one statement
//! have no more than [`SQL_EXPRESSIONS_MAX`] expressions together: a copy of a copy of a copy would make a short text as large as memory.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, visit_expressions};

use crate::{
    error::{Error, ErrorKind, Result},
    limits::SQL_EXPRESSIONS_MAX,
};

/// Copies that were made in one statement.
#[derive(Default)]
pub(super) struct Copies {
    expressions: usize,
}

impl Copies {
    /// One more `expression`.
    ///
    /// Errors: `Limit` if all copies together are too many.
    pub(super) fn of(&mut self, expression: &Expr) -> Result<Expr> {
        let counted = visit_expressions(expression, |_| {
            self.expressions += 1;
            match self.expressions > SQL_EXPRESSIONS_MAX {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        match counted {
            ControlFlow::Continue(()) => Ok(expression.clone()),
            ControlFlow::Break(()) => Err(Error::new(
                ErrorKind::Limit,
                format!(
                    "sql compares rows or lists that stand for more than {SQL_EXPRESSIONS_MAX} expressions; compute their values in a subquery"
                ),
            )),
        }
    }
}
