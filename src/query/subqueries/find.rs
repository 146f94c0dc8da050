//! Which subqueries of a plan can be replaced by what they give, and which the engine would answer wrongly.
//!
//! In: a plan, analysed for all but [`without_quantifiers`]. Out: the subqueries in it that depend on no row and not on
//! chance, or an error for what neither we nor the engine answer as PostgreSQL does.

use std::{ptr, sync::Arc};

use arrow::datatypes::DataType;
use datafusion::{
    common::{
        plan_err,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    error::Result,
    functions_aggregate::expr_fn::count,
    logical_expr::{
        BinaryExpr, Expr, FetchType, LogicalPlan, LogicalPlanBuilder, Operator, SkipType, Subquery,
        expr::{Exists, InSubquery, SetComparison, SetQuantifier},
        expr_rewriter::NamePreserver,
        lit,
    },
};

/// A subquery that is to be replaced, and the rest of the query that its values narrow.
pub(super) struct Found {
    pub(super) expr: Expr,
    pub(super) rest: LogicalPlan,
    /// Whether the engine's own way loses the difference between false and unknown, which matters here.
    pub(super) has_to_be_known: bool,
}

/// `= ANY (SELECT …)` as `IN`, and `<> ALL (SELECT …)` as `NOT IN`.
///
/// DataFusion 55.2 makes an `EXISTS` of them that loses a LIMIT of the subquery, and takes a column of the subquery for the one of the same
/// name outside. What is no `IN` is therefore refused.
pub(super) fn without_quantifiers(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        node.map_expressions(|expr| {
            expr.transform_up(|expr| {
                let Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }) = expr else {
                    return Ok(Transformed::no(expr));
                };
                let negated = match (op, &quantifier) {
                    (Operator::Eq, SetQuantifier::Any) => false,
                    (Operator::NotEq, SetQuantifier::All) => true,
                    _ => {
                        return plan_err!(
                            "{op} {quantifier} (SELECT …) is not available; compare with (SELECT min(…) …) or (SELECT max(…) …)"
                        );
                    }
                };
                Ok(Transformed::yes(Expr::InSubquery(InSubquery::new(expr, subquery, negated))))
            })
        })
    });
    rewritten.map(|rewritten| rewritten.data)
}

/// `EXISTS (…)` among columns, which the engine cannot carry out there, as a count that it can.
pub(super) fn without_exists_as_value(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|node| {
        if is_conditional(&node) {
            return Ok(Transformed::no(node));
        }
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let expr = expr.transform_up(|expr| match expr {
                Expr::Exists(Exists { subquery, negated }) => {
                    let rows = count(lit(1_i64)).alias("rows");
                    let counted = some_rows(&subquery)?.aggregate(Vec::<Expr>::new(), vec![rows])?.build()?;
                    let rows = Expr::ScalarSubquery(Subquery { subquery: Arc::new(counted), ..subquery });
                    let none = lit(0_i64);
                    Ok(Transformed::yes(if negated { rows.eq(none) } else { rows.gt(none) }))
                }
                other => Ok(Transformed::no(other)),
            })?;
            Ok(expr.update_data(|expr| name.restore(expr)))
        })
    });
    rewritten.map(|rewritten| rewritten.data)
}

/// Rows of a subquery, none of them only if it has none: one is enough. Of a subquery of the row the engine makes a join, which a limit would
/// forbid.
fn some_rows(subquery: &Subquery) -> Result<LogicalPlanBuilder> {
    let rows = |plan: &LogicalPlan| LogicalPlanBuilder::from(plan.clone());
    let all = subquery.subquery.as_ref();
    if subquery.outer_ref_columns.is_empty() {
        return rows(all).limit(0, Some(1));
    }
    let LogicalPlan::Limit(limit) = all else { return Ok(rows(all)) };
    let leaves_some = matches!(limit.get_skip_type()?, SkipType::Literal(0))
        && matches!(limit.get_fetch_type()?, FetchType::Literal(Some(1..)));
    Ok(rows(if leaves_some { limit.input.as_ref() } else { all }))
}

/// Whether the expressions of a node are conditions.
fn is_conditional(node: &LogicalPlan) -> bool {
    matches!(node, LogicalPlan::Filter(_) | LogicalPlan::Join(_))
}

/// Collects what can be replaced: in conditions, columns, groups and sorts, those inside of subqueries that stay included.
pub(super) fn collect(plan: &LogicalPlan, found: &mut Vec<Found>) -> Result<()> {
    plan.apply(|node| {
        let mut as_false = Vec::new();
        if let LogicalPlan::Filter(filter) = node {
            unknown_is_false(&filter.predicate, true, &mut as_false);
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                let Some(subquery) = subquery_of(expr) else { return Ok(TreeNodeRecursion::Continue) };
                let has_to_be_known =
                    matches!(expr, Expr::InSubquery(_)) && !as_false.iter().any(|known| ptr::eq(*known, expr));
                if can_be_replaced(expr, subquery)? {
                    found.push(Found { expr: expr.clone(), rest: node.clone(), has_to_be_known });
                    return Ok(TreeNodeRecursion::Continue);
                }
                if has_to_be_known && !subquery.outer_ref_columns.is_empty() {
                    return plan_err!(
                        "IN (SELECT …) that depends on the row is not available among columns, nor inside of NOT, OR or CASE; write (NOT) EXISTS (SELECT …)"
                    );
                }
                collect(&subquery.subquery, found)?;
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(())
}

/// Collects each `IN (SELECT …)` of `condition` of which it does not matter whether it is false or unknown, or that the engine answers
/// rightly: a condition of its own, and without NOT also inside of OR.
fn unknown_is_false<'a>(condition: &'a Expr, is_alone: bool, found: &mut Vec<&'a Expr>) {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if matches!(op, Operator::And | Operator::Or) => {
            for side in [left, right] {
                unknown_is_false(side, is_alone && *op == Operator::And, found);
            }
        }
        Expr::InSubquery(asked) if is_alone || !asked.negated => found.push(condition),
        Expr::Not(asked) if is_alone && matches!(**asked, Expr::InSubquery(_)) => found.push(asked),
        _ => {}
    }
}

/// The subqueries that would be replaced, as text.
pub(super) fn replaceable(plan: &LogicalPlan) -> Result<Vec<String>> {
    let mut found = Vec::new();
    collect(plan, &mut found)?;
    let shown = found.iter().filter_map(|found| {
        let subquery = subquery_of(&found.expr)?;
        Some(format!("{}\n{}", found.expr, subquery.subquery.display_indent()))
    });
    Ok(shown.collect())
}

/// Whether `expr` holds a subquery.
pub(super) fn has_subquery(expr: &Expr) -> bool {
    expr.exists(|expr| Ok(subquery_of(expr).is_some())).unwrap_or(true)
}

fn subquery_of(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::ScalarSubquery(subquery)
        | Expr::Exists(Exists { subquery, .. })
        | Expr::InSubquery(InSubquery { subquery, .. })
        | Expr::SetComparison(SetComparison { subquery, .. }) => Some(subquery),
        _ => None,
    }
}

fn can_be_replaced(expr: &Expr, subquery: &Subquery) -> Result<bool> {
    let fields = subquery.subquery.schema().fields();
    let has_constants = match expr {
        Expr::Exists(_) => true,
        Expr::ScalarSubquery(_) => fields.len() == 1 && is_plain(fields[0].data_type()),
        _ => fields.len() == 1 && !fields[0].data_type().is_nested(),
    };
    Ok(has_constants && subquery.outer_ref_columns.is_empty() && is_stable(&subquery.subquery)?)
}

/// Whether running `plan` twice gives the same.
pub(super) fn is_stable(plan: &LogicalPlan) -> Result<bool> {
    let mut is_stable = true;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            is_stable &= !expr.is_volatile();
            Ok(if is_stable { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
        })?;
        Ok(if is_stable { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(is_stable)
}

/// Whether constants of that type can be compared: JSON values of no fixed type cannot.
fn is_plain(data_type: &DataType) -> bool {
    match data_type {
        DataType::Union(..) | DataType::Struct(_) | DataType::Map(..) => false,
        DataType::List(item) | DataType::LargeList(item) => is_plain(item.data_type()),
        _ => true,
    }
}
