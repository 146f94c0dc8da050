//! The walk over a syntax tree: measures it and stops at the first thing that is refused.
//!
//! Guaranteed: the walk itself goes no deeper than [`SQL_DEPTH_MAX`] expressions.

use std::{
    collections::{BTreeSet, HashMap},
    ops::ControlFlow,
    ptr,
};

use datafusion::sql::sqlparser::ast::{
    self, Expr, GroupByExpr, ObjectName, Query, Select, TableFactor, ValueWithSpan, Visitor,
};

use super::{
    super::refusal::refused,
    clauses::{query_allowed, select_allowed, table_allowed},
    expressions::expression_allowed,
    first_word,
    names::replaced_columns,
};
use crate::{
    error::{Error, ErrorKind},
    limits::{SQL_DEPTH_MAX, SQL_EXPRESSIONS_MAX, SQL_RELATIONS_MAX},
};

/// Columns of a `CUBE`: 64 groupings.
const CUBE_COLUMNS_MAX: usize = 6;

/// One query being walked: what it weighs so far, and which of its children are `WITH` definitions.
struct Frame {
    /// SELECTs and tables in it, `WITH` names counted as what they stand for.
    weight: u64,
    definitions: Vec<(*const Query, String)>,
}

/// Measures a syntax tree and stops at the first thing that is refused.
#[derive(Default)]
pub(super) struct Walk {
    depth: usize,
    expressions: usize,
    pub(super) placeholders: BTreeSet<String>,
    frames: Vec<Frame>,
    /// What a reference to a `WITH` name costs. The planner copies the query for each reference, so ten
    /// names that each use the one before twice are a plan of a thousand scans.
    definitions: HashMap<String, u64>,
}

impl Walk {
    fn add(&mut self, weight: u64) -> ControlFlow<Error> {
        let Some(frame) = self.frames.last_mut() else { return ControlFlow::Continue(()) };
        frame.weight = frame.weight.saturating_add(weight);
        if frame.weight > SQL_RELATIONS_MAX {
            return stop(Error::new(
                ErrorKind::Limit,
                format!(
                    "sql reads more than {SQL_RELATIONS_MAX} tables and SELECTs, WITH names written out; write it in parts"
                ),
            ));
        }
        ControlFlow::Continue(())
    }

    /// A chain of `more` steps, `a[1][2]…`, is flat here and that much deeper in a plan.
    fn chain_allowed(&self, more: usize) -> ControlFlow<Error> {
        if self.depth + more <= SQL_DEPTH_MAX {
            return ControlFlow::Continue(());
        }
        stop(Error::new(
            ErrorKind::Limit,
            format!(
                "sql has expressions more than {SQL_DEPTH_MAX} deep; \
                 write a long chain of OR as IN (…), a long sum in parts"
            ),
        ))
    }
}

impl Visitor for Walk {
    type Break = Error;

    fn pre_visit_statement(&mut self, statement: &ast::Statement) -> ControlFlow<Error> {
        match statement {
            ast::Statement::Query(_) => ControlFlow::Continue(()),
            other => stop(refused(&format!("{} inside a query; write a SELECT there", first_word(other)))),
        }
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        query_allowed(query)?;
        let mut definitions = Vec::new();
        if let Some(with) = &query.with {
            let named = with.cte_tables.iter();
            definitions
                .extend(named.map(|cte| (ptr::from_ref(&*cte.query), name_key(&cte.alias.name.value))));
        }
        self.frames.push(Frame { weight: 0, definitions });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        let Some(done) = self.frames.pop() else { return ControlFlow::Continue(()) };
        let defines = self.frames.last().and_then(|parent| {
            let found = parent.definitions.iter().find(|(definition, _)| ptr::eq(*definition, query));
            found.map(|(_, name)| name.clone())
        });
        match defines {
            Some(name) => {
                let known = self.definitions.entry(name).or_default();
                *known = done.weight.max(*known);
                ControlFlow::Continue(())
            }
            None => self.add(done.weight),
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        select_allowed(select)?;
        replaced_columns(select, self.definitions.contains_key("events"))?;
        grouping_allowed(&select.group_by)?;
        self.add(1)
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Error> {
        let weight = self.definitions.get(&name_key(&last_part(relation))).copied().unwrap_or(1);
        self.add(weight.max(1))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Error> {
        table_allowed(factor)
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        self.depth += 1;
        self.expressions += 1;
        self.chain_allowed(0)?;
        if self.expressions > SQL_EXPRESSIONS_MAX {
            return stop(Error::new(
                ErrorKind::Limit,
                format!("sql has more than {SQL_EXPRESSIONS_MAX} expressions"),
            ));
        }
        if let Expr::CompoundFieldAccess { access_chain, .. } = expr {
            self.chain_allowed(access_chain.len())?;
        }
        expression_allowed(expr)
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<Error> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<Error> {
        let ast::Value::Placeholder(text) = &value.value else { return ControlFlow::Continue(()) };
        match text.strip_prefix('$') {
            Some(name) if !name.is_empty() => {
                self.placeholders.insert(name.to_string());
                ControlFlow::Continue(())
            }
            _ => stop(refused(&format!("parameter '{text}': write it as $name or $1"))),
        }
    }
}

/// `CUBE` of n columns is 2ⁿ groupings, and several grouping lists multiply.
fn grouping_allowed(group_by: &GroupByExpr) -> ControlFlow<Error> {
    let GroupByExpr::Expressions(expressions, _) = group_by else { return ControlFlow::Continue(()) };
    let mut lists = 0;
    for expression in expressions {
        match expression {
            Expr::Cube(columns) if columns.len() > CUBE_COLUMNS_MAX => {
                return stop(refused(&format!(
                    "CUBE of more than {CUBE_COLUMNS_MAX} columns; write GROUPING SETS with the groups that you want"
                )));
            }
            Expr::Cube(_) | Expr::Rollup(_) | Expr::GroupingSets(_) => lists += 1,
            _ => {}
        }
    }
    if lists > 1 {
        return stop(refused(
            "more than one CUBE, ROLLUP or GROUPING SETS in a GROUP BY; write one GROUPING SETS (…)",
        ));
    }
    ControlFlow::Continue(())
}

pub(super) fn stop(error: Error) -> ControlFlow<Error> {
    ControlFlow::Break(error)
}

/// Names without quotes fold to lower case; folding all of them only ever counts too much.
fn name_key(name: &str) -> String {
    name.to_lowercase()
}

pub(super) fn last_part(name: &ObjectName) -> String {
    name.0
        .last()
        .map(|part| part.as_ident().map_or_else(|| part.to_string(), |ident| ident.value.clone()))
        .unwrap_or_default()
}
