//! Constants and names in clauses that take columns: `ORDER BY`, `GROUP BY`, `DISTINCT ON` and `* REPLACE`.
//!
//! In: such a clause. Out: nothing, or a refusal that says what to write instead. Guaranteed: a text or a parameter where a column
//! is meant does not pass as a constant that sorts and groups nothing, and no replacement of a column that is not there.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ExceptSelectItem, ExcludeSelectItem, Expr, GroupByExpr, ObjectName, OrderByExpr, ReplaceSelectItem,
    Select, SelectItem, TableFactor, UnaryOperator, Value, WildcardAdditionalOptions,
};

use super::{
    super::{
        columns::table_columns,
        refusal::{folded, refused},
    },
    walk::{last_part, stop},
};
use crate::error::Error;

type Allowed = ControlFlow<Error>;

const GO_ON: Allowed = ControlFlow::Continue(());

/// `ORDER BY` of a query: columns, their positions, or what is computed of them.
pub(super) fn order_by_columns(order: &[OrderByExpr]) -> Allowed {
    order.iter().try_for_each(|key| is_column(&key.expr, "ORDER BY"))
}

/// `GROUP BY`, with the columns of its `ROLLUP`, `CUBE` and `GROUPING SETS`, in which positions have no meaning to the planner.
pub(super) fn group_by_columns(group_by: &GroupByExpr) -> Allowed {
    let GroupByExpr::Expressions(expressions, _) = group_by else { return GO_ON };
    for expression in expressions {
        match expression {
            Expr::Rollup(sets) | Expr::Cube(sets) | Expr::GroupingSets(sets) => {
                for column in sets.iter().flatten() {
                    is_column(column, "GROUP BY")?;
                    is_no_position(column, "ROLLUP, CUBE and GROUPING SETS")?;
                }
            }
            other => is_column(other, "GROUP BY")?,
        }
    }
    GO_ON
}

/// `DISTINCT ON (…)`, in which the planner takes a position for a constant.
pub(super) fn distinct_on_columns(expressions: &[Expr]) -> Allowed {
    for expression in expressions {
        is_column(expression, "DISTINCT ON")?;
        is_no_position(expression, "DISTINCT ON")?;
    }
    GO_ON
}

/// As PostgreSQL refuses it.
fn is_column(expression: &Expr, clause: &str) -> Allowed {
    if let Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } = expression
        && constant(expr).is_some()
    {
        return stop(refused(&format!(
            "a number with a sign in {clause} is no position; write the column itself, and DESC for the other order"
        )));
    }
    let Some(value) = constant(expression) else { return GO_ON };
    match value {
        Value::Number(number, _) if is_whole(number) => GO_ON,
        Value::Placeholder(name) => stop(refused(&format!(
            "parameter {name} in {clause}; a parameter is a value and no column: write the column itself"
        ))),
        _ => stop(refused(&format!(
            "non-integer constant in {clause}; write the column without quotes, or its position as 1"
        ))),
    }
}

fn is_no_position(expression: &Expr, clause: &str) -> Allowed {
    match constant(expression) {
        Some(_) => stop(refused(&format!("a position in {clause}; write the column itself"))),
        None => GO_ON,
    }
}

fn constant(mut expression: &Expr) -> Option<&Value> {
    while let Expr::Nested(inner) = expression {
        expression = inner;
    }
    match expression {
        Expr::Value(value) => Some(&value.value),
        _ => None,
    }
}

fn is_whole(number: &str) -> bool {
    number.bytes().all(|digit| digit.is_ascii_digit())
}

/// `* REPLACE (… AS col)`; `has_own_events`: a `WITH` query may be named as the view is, so that its columns are not known.
pub(super) fn replaced_columns(select: &Select, has_own_events: bool) -> Allowed {
    let are_known = !has_own_events && reads_events_only(select);
    for item in &select.projection {
        let (SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options)) = item else {
            continue;
        };
        let Some(ReplaceSelectItem { items }) = &options.opt_replace else { continue };
        let excluded = excluded(options);
        for name in items.iter().map(|item| folded(&item.column_name)) {
            if excluded.contains(&name) {
                return stop(refused(&format!(
                    "REPLACE of {name}, which is excluded; name it in one of the two"
                )));
            }
            if are_known && table_columns().field_with_name(&name).is_err() {
                return stop(refused(&format!(
                    "REPLACE: there is no column {name}; SHOW COLUMNS FROM events lists them, a new one is written beside *"
                )));
            }
        }
    }
    GO_ON
}

fn reads_events_only(select: &Select) -> bool {
    let mut tables = select.from.iter().flat_map(|table| {
        std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation))
    });
    tables.all(|table| match table {
        TableFactor::Table { name, alias, .. } => {
            let keeps_names = alias.as_ref().is_none_or(|alias| alias.columns.is_empty());
            keeps_names && last_part(name).eq_ignore_ascii_case("events")
        }
        _ => false,
    })
}

fn excluded(options: &WildcardAdditionalOptions) -> Vec<String> {
    let of_objects = |names: &[ObjectName]| -> Vec<String> {
        let idents = names.iter().filter_map(|name| name.0.last()?.as_ident());
        idents.map(folded).collect()
    };
    let mut names = match &options.opt_exclude {
        Some(ExcludeSelectItem::Single(name)) => of_objects(std::slice::from_ref(name)),
        Some(ExcludeSelectItem::Multiple(names)) => of_objects(names),
        None => Vec::new(),
    };
    if let Some(ExceptSelectItem { first_element, additional_elements }) = &options.opt_except {
        names.push(folded(first_element));
        names.extend(additional_elements.iter().map(folded));
    }
    names
}
