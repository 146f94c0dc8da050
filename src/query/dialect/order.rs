//! What a name in `ORDER BY` means: alone it is a column of the answer, inside of an expression a column of the tables, as in PostgreSQL.
//!
//! In: a query as it was written. Out: the same, or a refusal where a name inside of an expression of `ORDER BY` is both, for the planner would
//! take it for the answer's column. Guaranteed: an expression that is a column of the answer as it stands is sorted by that column.

use std::{collections::HashSet, ops::ControlFlow};

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectNamePart, OrderBy, OrderByKind, Query, Select, SelectItem, SetExpr, TableFactor,
    TableWithJoins, VisitMut, VisitorMut,
};

use super::super::refusal::{folded, refused};
use crate::{error::Result, event::schema::table_schema};

const EVENTS: &str = "events";

/// Refuses names in `ORDER BY` that the planner would take for others.
pub(super) fn names_are_of_tables(query: &mut Query) -> Result<()> {
    let Query { body, order_by: Some(OrderBy { kind: OrderByKind::Expressions(order), .. }), .. } = query
    else {
        return Ok(());
    };
    let SetExpr::Select(select) = body.as_ref() else { return Ok(()) };
    let named = renamed(select);
    if named.is_empty() {
        return Ok(());
    }
    let of_tables: HashSet<String> = select.from.iter().flat_map(tables).flat_map(columns).collect();
    let both = named.into_iter().filter(|name| of_tables.contains(name)).collect();
    let mut names = Names { both, depth: 0, refused: None };
    for key in order {
        let mut bare = &key.expr;
        while let Expr::Nested(inner) = bare {
            bare = inner;
        }
        if matches!(bare, Expr::Identifier(_)) {
            continue;
        }
        let same = select.projection.iter().find_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias } if *expr == key.expr => Some(alias),
            _ => None,
        });
        match same {
            Some(alias) => key.expr = Expr::Identifier(alias.clone()),
            None => {
                let _ = key.expr.visit(&mut names);
            }
        }
    }
    match names.refused {
        Some(name) => Err(refused(&format!(
            "{name} within an expression of ORDER BY, which is a column of a table and another one of the answer; write another name after AS"
        ))),
        None => Ok(()),
    }
}

/// Names of the answer for something else than the column of that name.
fn renamed(select: &Select) -> HashSet<String> {
    let named = select.projection.iter().filter_map(|item| match item {
        SelectItem::ExprWithAlias { expr, alias } => {
            let is_itself = last_name(expr).is_some_and(|name| folded(name) == folded(alias));
            (!is_itself).then(|| folded(alias))
        }
        _ => None,
    });
    named.collect()
}

fn last_name(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(names) => names.last(),
        _ => None,
    }
}

fn tables(from: &TableWithJoins) -> impl Iterator<Item = &TableFactor> {
    std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation))
}

/// The names of a table's columns, as far as they are written.
fn columns(table: &TableFactor) -> Vec<String> {
    match table {
        TableFactor::Table { name, .. } => match name.0.last() {
            Some(ObjectNamePart::Identifier(last)) if folded(last) == EVENTS => {
                table_schema().fields().iter().map(|field| field.name().clone()).collect()
            }
            _ => Vec::new(),
        },
        TableFactor::Derived { subquery, .. } => match subquery.body.as_ref() {
            SetExpr::Select(select) => {
                let own = select.projection.iter().filter_map(|item| match item {
                    SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
                    SelectItem::UnnamedExpr(expr) => last_name(expr).map(folded),
                    _ => None,
                });
                let is_all = |item: &SelectItem| {
                    matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
                };
                let all = select.projection.iter().any(is_all);
                let inner = select.from.iter().filter(|_| all).flat_map(tables).flat_map(columns);
                own.chain(inner).collect()
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

struct Names {
    /// Names that are a column of a table and another of the answer.
    both: HashSet<String>,
    /// Names within subqueries are theirs.
    depth: usize,
    refused: Option<String>,
}

impl VisitorMut for Names {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(name) = expr
            && self.depth == 0
            && self.both.contains(&folded(name))
        {
            self.refused = Some(name.value.clone());
        }
        ControlFlow::Continue(())
    }
}
