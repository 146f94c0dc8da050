//! Comparisons with lists that are known, and comparisons that have no meaning.
//!
//! In: a statement as it was planned, with its parameters. Out: the same, in which `a = ANY ($list)` is `a IN (…)` and the like, before
//! anything else looks at comparisons. Guaranteed: structs are not compared as wholes, for NULL would be a value in them and addresses text;
//! a number is not looked for in a list of texts; no subquery passes of which the engine would lose a column.

use arrow::datatypes::DataType;
use datafusion::{
    common::{
        DFSchema, plan_err,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    config::ConfigOptions,
    error::Result,
    functions_nested::expr_fn::array_has,
    logical_expr::{
        BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator,
        expr::{Between, InList, ScalarFunction},
        expr_rewriter::NamePreserver,
        lit,
        utils::merge_schema,
    },
    optimizer::AnalyzerRule,
    scalar::ScalarValue,
};

use super::{COMPARE_ALL, COMPARE_ANY, item_type, operator};
use crate::{event::schema::TARGET_IDS, query::json::is_comparison};

/// Longer lists are compared row by row: an expression for each value would take long to plan.
const WRITTEN_OUT_MAX: usize = 128;
/// Functions that look for a value, their second argument, in a list.
const LOOK_FOR: [&str; 8] = [
    "array_has",
    "list_has",
    "array_contains",
    "list_contains",
    "array_position",
    "array_positions",
    "array_remove",
    "array_remove_all",
];
/// Functions that look for values of one list in another.
const LOOK_FOR_EACH: [&str; 2] = ["array_has_all", "array_has_any"];

/// The rule.
#[derive(Debug)]
pub(crate) struct Comparisons;

impl AnalyzerRule for Comparisons {
    fn name(&self) -> &str {
        "comparisons"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(rewritten).map(|plan| plan.data)
    }
}

fn rewritten(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = merge_schema(&plan.inputs());
    if let LogicalPlan::Join(join) = &plan {
        join.on.iter().flat_map(|(left, right)| [left, right]).try_for_each(|key| no_struct(key, &schema))?;
    }
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let expr = expr.transform_up(|expr| {
            allowed(&expr, &schema)?;
            Ok(match expr {
                Expr::ScalarFunction(call) => written_out(call, &schema)?,
                other => Transformed::no(other),
            })
        })?;
        Ok(expr.update_data(|expr| name.restore(expr)))
    })
}

fn allowed(expr: &Expr, schema: &DFSchema) -> Result<()> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(*op) => {
            no_struct(left, schema)?;
            no_struct(right, schema)
        }
        Expr::InList(InList { expr, .. }) | Expr::Between(Between { expr, .. }) => no_struct(expr, schema),
        Expr::Exists(of) => no_outer_names_in_from(&of.subquery.subquery),
        Expr::ScalarSubquery(of) => no_outer_names_in_from(&of.subquery),
        Expr::InSubquery(of) => {
            no_outer_names_in_from(&of.subquery.subquery)?;
            let is_list = |data_type: &DataType| item_type(data_type).is_some();
            let gives_lists = is_list(of.subquery.subquery.schema().field(0).data_type());
            if gives_lists && !of.expr.get_type(schema).is_ok_and(|data_type| is_list(&data_type)) {
                return plan_err!(
                    "a subquery that gives lists is not compared with a value; write array_has((SELECT …), value), or SELECT unnest(…)"
                );
            }
            no_struct(&of.expr, schema)
        }
        Expr::Case(case) => case.expr.as_ref().map_or(Ok(()), |expr| no_struct(expr, schema)),
        Expr::ScalarFunction(call) => {
            if ["nullif", COMPARE_ANY, COMPARE_ALL].contains(&call.name()) {
                call.args.iter().try_for_each(|arg| no_struct(arg, schema))?;
            }
            one_type(call, schema)
        }
        _ => Ok(()),
    }
}

/// The engine loses track of columns that a subquery within `FROM` takes from outside of the query around it.
fn no_outer_names_in_from(subquery: &LogicalPlan) -> Result<()> {
    let mut has_outer_names = false;
    subquery.apply(|plan| {
        Ok(match plan {
            LogicalPlan::SubqueryAlias(alias) if !matches!(*alias.input, LogicalPlan::Subquery(_)) => {
                has_outer_names |= names_outer(&alias.input)?;
                TreeNodeRecursion::Jump
            }
            // LATERAL.
            LogicalPlan::Subquery(_) => TreeNodeRecursion::Jump,
            _ => TreeNodeRecursion::Continue,
        })
    })?;
    match has_outer_names {
        true => plan_err!(
            "a subquery within FROM, or beside (a, b) IN, that names columns outside of the query around it is not available; move that condition out of it, or write a join"
        ),
        false => Ok(()),
    }
}

fn names_outer(plan: &LogicalPlan) -> Result<bool> {
    let mut names = false;
    plan.apply(|plan| {
        if matches!(plan, LogicalPlan::Subquery(_)) {
            return Ok(TreeNodeRecursion::Jump);
        }
        names |= plan.expressions().iter().any(Expr::contains_outer);
        Ok(if names { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(names)
}

fn no_struct(expr: &Expr, schema: &DFSchema) -> Result<()> {
    match expr.get_type(schema) {
        Ok(data_type) if has_struct(&data_type) => plan_err!(
            "a row that is a value is not compared as a whole; compare its columns: (a, b) = (c, d), or a = c AND b = d"
        ),
        _ => Ok(()),
    }
}

fn has_struct(data_type: &DataType) -> bool {
    match data_type {
        DataType::Struct(_) | DataType::Map(..) => true,
        list => item_type(list).is_some_and(has_struct),
    }
}

/// That what is looked for in a list may be in it.
fn one_type(call: &ScalarFunction, schema: &DFSchema) -> Result<()> {
    let name = call.name();
    let (looks_for, each) = (LOOK_FOR.contains(&name), LOOK_FOR_EACH.contains(&name));
    let ([list, value, ..], true) = (call.args.as_slice(), looks_for || each) else { return Ok(()) };
    let (Ok(list_type), Ok(value_type)) = (list.get_type(schema), value.get_type(schema)) else {
        return Ok(());
    };
    let given = if each { item_type(&value_type) } else { Some(&value_type) };
    let (Some(item), Some(given)) = (item_type(&list_type), given) else { return Ok(()) };
    let is_plain = |data_type: &DataType| data_type.is_numeric() || *data_type == DataType::Boolean;
    if item.is_string() && is_plain(given) {
        let given = if each { format!("values of type {given}") } else { format!("a value of type {given}") };
        return plan_err!(
            "{name} looks for {given} in a list of texts; write it in quotes, as in 'd_1' = ANY (target_ids), or cast it: …::text"
        );
    }
    match is_plain(item) && given.is_string() && !matches!(value, Expr::Literal(..)) {
        true => {
            plan_err!("{name} looks for a text in a list of values of type {item}; cast one of them")
        }
        false => Ok(()),
    }
}

/// `compare_any('=', a, [1, 2])` as `a IN (1, 2)`, and other operators as one comparison for each value.
fn written_out(mut call: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let is_any = call.name() == COMPARE_ANY;
    if !is_any && call.name() != COMPARE_ALL {
        return Ok(Transformed::no(Expr::ScalarFunction(call)));
    }
    let [Expr::Literal(op, _), value, list] = call.args.as_slice() else {
        return plan_err!("ANY and ALL take an operator, a value and a list");
    };
    let Some(op) = op.try_as_str().flatten().and_then(operator) else {
        return plan_err!("ANY and ALL take one of =, <>, <, <=, > and >=");
    };
    let is_in = matches!((is_any, op), (true, Operator::Eq) | (false, Operator::NotEq));
    let items = items(list)?;
    if let Some(items) = items.filter(|items| is_in || items.len() <= WRITTEN_OUT_MAX) {
        let value = value.clone();
        return Ok(Transformed::yes(match items.is_empty() {
            true => lit(!is_any),
            false if is_in => Expr::InList(InList::new(Box::new(value), items, !is_any)),
            false => joined(items.into_iter().map(|item| compared(&value, op, item)).collect(), is_any),
        }));
    }
    // No event has a NULL in it, and the index knows this function.
    let is_targets = matches!(list, Expr::Column(column) if column.name() == TARGET_IDS);
    if is_targets && is_any && op == Operator::Eq {
        let has = array_has(list.clone(), value.clone());
        allowed(&has, schema)?;
        return Ok(Transformed::yes(has));
    }
    // PostgreSQL reads a constant in quotes as what it stands beside.
    let item = list.get_type(schema).ok().and_then(|list| item_type(&list).cloned());
    if let (Expr::Literal(text, _), Some(item)) = (value, item)
        && text.data_type().is_string()
        && !item.is_string()
        && !matches!(item, DataType::Union(..))
    {
        call.args[1] = Expr::Literal(text.cast_to(&item)?, None);
        return Ok(Transformed::yes(Expr::ScalarFunction(call)));
    }
    Ok(Transformed::no(Expr::ScalarFunction(call)))
}

/// The values of a list that is known.
fn items(list: &Expr) -> Result<Option<Vec<Expr>>> {
    let of_scalar = |values| {
        let scalars = ScalarValue::convert_array_to_scalar_vec(values)?;
        let items = scalars.into_iter().flatten().flatten();
        Ok(Some(items.map(|item| Expr::Literal(item, None)).collect()))
    };
    match list {
        Expr::Alias(alias) => items(&alias.expr),
        Expr::Literal(ScalarValue::List(list), _) if !arrow::array::Array::is_null(&**list, 0) => {
            of_scalar(&**list)
        }
        Expr::Literal(value, _) if !value.is_null() && item_type(&value.data_type()).is_none() => {
            plan_err!("ANY and ALL take a list, as in ANY (ARRAY['a', 'b']); a parameter of it is an array")
        }
        Expr::ScalarFunction(call) if call.name() == "make_array" => Ok(Some(call.args.clone())),
        _ => Ok(None),
    }
}

fn compared(value: &Expr, op: Operator, item: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr { left: Box::new(value.clone()), op, right: Box::new(item) })
}

/// Any of `conditions`, or all, as a tree that is no deeper than it has to be.
fn joined(mut conditions: Vec<Expr>, is_any: bool) -> Expr {
    if conditions.len() == 1 {
        return conditions.remove(0);
    }
    let rest = conditions.split_off(conditions.len() / 2);
    let (left, right) = (joined(conditions, is_any), joined(rest, is_any));
    if is_any { left.or(right) } else { left.and(right) }
}
