//! Comparisons of rows as comparisons of their values.
//!
//! In: `(a, b) < (c, d)`, `(a, b) IN ((1, 2), (3, 4))`, `(a, b) IS NULL` and the like; `row(a, b)` is `(a, b)`. Out: conditions over the values, as
//! the SQL standard defines them, so that NULL is no value and each value is compared as it is without a row: an address as an address, a JSON
//! value as what stands beside it. Guaranteed: what cannot be said so is refused with what to write instead.
//!
//! `(a, b) IN (SELECT …)` is another question within `WHERE`, see [`super::membership`].

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value,
};

use super::{super::refusal::refused, Copies, binary, take};
use crate::error::Result;

/// Says a comparison of rows in other words, if it is one.
pub(super) fn translate(expression: &mut Expr, copies: &mut Copies) -> Result<()> {
    let translated = match expression {
        Expr::BinaryOp { left, op, right } if is_comparison(op) => match pair(left, right)? {
            Some((left, right)) => compared(left, op, right, copies)?,
            None => return Ok(()),
        },
        Expr::IsDistinctFrom(left, right) => match pair(left, right)? {
            Some((left, right)) => distinct(left, right, true),
            None => return Ok(()),
        },
        Expr::IsNotDistinctFrom(left, right) => match pair(left, right)? {
            Some((left, right)) => distinct(left, right, false),
            None => return Ok(()),
        },
        Expr::IsNull(row) if is_row(row) => each(values(take(row)), |value| Expr::IsNull(Box::new(value))),
        Expr::IsNotNull(row) if is_row(row) => {
            each(values(take(row)), |value| Expr::IsNotNull(Box::new(value)))
        }
        Expr::InList { expr, list, negated } => {
            if !is_row(expr) && !list.iter().any(is_row) {
                return Ok(());
            }
            let any = in_list(take(expr), std::mem::take(list), copies)?;
            if *negated { not(any) } else { any }
        }
        Expr::Between { expr, negated, low, high } => {
            if ![&*expr, &*low, &*high].into_iter().any(|side| is_row(side)) {
                return Ok(());
            }
            let within = between(expr, low, high, copies)?;
            if *negated { not(within) } else { within }
        }
        Expr::InSubquery { expr, .. } if is_row(expr) => return Err(refused(OUTSIDE_OF_WHERE)),
        Expr::AnyOp { left, .. } | Expr::AllOp { left, .. } if is_row(left) => {
            return Err(refused(
                "a row with ANY or ALL of a list; write (a, b) IN ((1, 2), (3, 4)), or NOT IN",
            ));
        }
        Expr::Case { operand: Some(operand), conditions, .. }
            if is_row(operand) || conditions.iter().any(|case| is_row(&case.condition)) =>
        {
            return Err(refused("CASE of a row; write CASE WHEN (a, b) = (1, 2) THEN …"));
        }
        Expr::Function(function) => return no_row_compared(function),
        _ => return Ok(()),
    };
    *expression = translated;
    Ok(())
}

const OUTSIDE_OF_WHERE: &str = "(a, b) IN (SELECT …) outside of WHERE, or inside of another comparison; \
     write it as a condition of WHERE, or EXISTS (SELECT 1 FROM (SELECT …) AS c (x, y) WHERE c.x = a AND c.y = b)";

/// Functions that compare their arguments would compare rows as whole values.
fn no_row_compared(function: &Function) -> Result<()> {
    const COMPARE: [&str; 4] = ["nullif", "greatest", "least", "array_has"];
    let name = function.name.to_string().to_lowercase();
    let FunctionArguments::List(list) = &function.args else { return Ok(()) };
    let has_row = list
        .args
        .iter()
        .any(|arg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) if is_row(value)));
    match has_row && COMPARE.contains(&name.as_str()) {
        true => {
            Err(refused(&format!("{name} of a row; compare its values: CASE WHEN (a, b) = (1, 2) THEN …")))
        }
        false => Ok(()),
    }
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

/// `(a, b)` and `row(a)`.
pub(super) fn is_row(expression: &Expr) -> bool {
    match expression {
        Expr::Nested(inner) => is_row(inner),
        Expr::Tuple(_) => true,
        Expr::Function(function) => {
            let is_plain = matches!(&function.args, FunctionArguments::List(list)
                if list.args.iter().all(|arg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(_)))));
            is_plain && function.name.to_string().eq_ignore_ascii_case("row")
        }
        _ => false,
    }
}

/// The values of a row.
pub(super) fn values(row: Expr) -> Vec<Expr> {
    match row {
        Expr::Nested(inner) => values(*inner),
        Expr::Tuple(values) => values,
        Expr::Function(Function { args: FunctionArguments::List(list), .. }) => {
            let values = list.args.into_iter().filter_map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value),
                _ => None,
            });
            values.collect()
        }
        _ => Vec::new(),
    }
}

/// The values of two rows that are compared; `None` if neither side is a row.
fn pair(left: &mut Expr, right: &mut Expr) -> Result<Option<(Vec<Expr>, Vec<Expr>)>> {
    match (is_row(left), is_row(right)) {
        (false, false) => Ok(None),
        (true, true) => {
            let (left, right) = (values(take(left)), values(take(right)));
            alike(&left, &right)?;
            Ok(Some((left, right)))
        }
        (true, false) | (false, true) => {
            let is_subquery = [left, right].into_iter().any(|side| is_subquery(side));
            Err(refused(match is_subquery {
                true => "a row beside (SELECT …); write (a, b) IN (SELECT x, y …) in WHERE",
                false => "a row beside what is no row; compare (a, b) with (1, 2), value by value",
            }))
        }
    }
}

fn is_subquery(expression: &Expr) -> bool {
    match expression {
        Expr::Nested(inner) => is_subquery(inner),
        Expr::Subquery(_) => true,
        _ => false,
    }
}

pub(super) fn alike(left: &[Expr], right: &[Expr]) -> Result<()> {
    if left.is_empty() || left.len() != right.len() {
        return Err(refused(&format!(
            "a row of {} values beside one of {}; both have as many values",
            left.len(),
            right.len()
        )));
    }
    match left.iter().chain(right).any(is_row) {
        // PostgreSQL compares them as values, in which NULL is equal to NULL.
        true => Err(refused("a row inside of a row; write its values side by side: (a, b, c) = (1, 2, 3)")),
        false => Ok(()),
    }
}

fn operation(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

fn not(condition: Expr) -> Expr {
    let op = UnaryOperator::Not;
    Expr::Nested(Box::new(Expr::UnaryOp { op, expr: Box::new(condition) }))
}

/// All of `conditions`, or any, as a tree that is no deeper than it has to be.
pub(super) fn joined(mut conditions: Vec<Expr>, op: &BinaryOperator) -> Expr {
    match conditions.len() {
        0 => Expr::value(Value::Boolean(*op == BinaryOperator::And)),
        1 => conditions.remove(0),
        count => {
            let rest = conditions.split_off(count / 2);
            operation(joined(conditions, op), op.clone(), joined(rest, op))
        }
    }
}

pub(super) fn nested(condition: Expr) -> Expr {
    Expr::Nested(Box::new(condition))
}

fn each(values: Vec<Expr>, condition: impl Fn(Expr) -> Expr) -> Expr {
    nested(joined(values.into_iter().map(condition).collect(), &BinaryOperator::And))
}

fn distinct(left: Vec<Expr>, right: Vec<Expr>, is_distinct: bool) -> Expr {
    let of = |(left, right)| match is_distinct {
        true => Expr::IsDistinctFrom(Box::new(left), Box::new(right)),
        false => Expr::IsNotDistinctFrom(Box::new(left), Box::new(right)),
    };
    let op = if is_distinct { BinaryOperator::Or } else { BinaryOperator::And };
    nested(joined(left.into_iter().zip(right).map(of).collect(), &op))
}

pub(super) fn equal(left: Vec<Expr>, right: Vec<Expr>) -> Expr {
    let pairs = left.into_iter().zip(right);
    joined(
        pairs.map(|(left, right)| operation(left, BinaryOperator::Eq, right)).collect(),
        &BinaryOperator::And,
    )
}

fn compared(left: Vec<Expr>, op: &BinaryOperator, right: Vec<Expr>, copies: &mut Copies) -> Result<Expr> {
    Ok(nested(match op {
        BinaryOperator::Eq => equal(left, right),
        BinaryOperator::NotEq => {
            let pairs = left.into_iter().zip(right);
            let differ = pairs.map(|(left, right)| operation(left, BinaryOperator::NotEq, right));
            joined(differ.collect(), &BinaryOperator::Or)
        }
        _ => ordered(left, op, right, copies)?,
    }))
}

/// `(a, b) < (c, d)` as `a <= c AND (a < c OR a = c AND b < d)`: the first part says nothing more, and is a range that leaves files out.
fn ordered(left: Vec<Expr>, op: &BinaryOperator, right: Vec<Expr>, copies: &mut Copies) -> Result<Expr> {
    let (strict, or_equal) = match op {
        BinaryOperator::Lt | BinaryOperator::LtEq => (BinaryOperator::Lt, BinaryOperator::LtEq),
        _ => (BinaryOperator::Gt, BinaryOperator::GtEq),
    };
    let mut pairs: Vec<(Expr, Expr)> = left.into_iter().zip(right).collect();
    let Some((left, right)) = pairs.pop() else { return Ok(Expr::value(Value::Null)) };
    let mut rest = operation(left, op.clone(), right);
    while let Some((left, right)) = pairs.pop() {
        let mut copy = |op: &BinaryOperator| -> Result<Expr> {
            Ok(operation(copies.of(&left)?, op.clone(), copies.of(&right)?))
        };
        let (first, same) = (copy(&strict)?, copy(&BinaryOperator::Eq)?);
        let either =
            operation(first, BinaryOperator::Or, nested(operation(same, BinaryOperator::And, nested(rest))));
        rest = operation(operation(left, or_equal.clone(), right), BinaryOperator::And, nested(either));
    }
    Ok(rest)
}

fn in_list(row: Expr, list: Vec<Expr>, copies: &mut Copies) -> Result<Expr> {
    if !is_row(&row) || !list.iter().all(is_row) {
        return Err(refused(
            "IN with a row on one side only; write (a, b) IN ((1, 2), (3, 4)), each row with as many values",
        ));
    }
    let row = values(row);
    let mut equals = Vec::with_capacity(list.len());
    for other in list.into_iter().map(values) {
        alike(&row, &other)?;
        let row = row.iter().map(|value| copies.of(value)).collect::<Result<Vec<_>>>()?;
        equals.push(equal(row, other));
    }
    Ok(nested(joined(equals, &BinaryOperator::Or)))
}

fn between(expr: &mut Expr, low: &mut Expr, high: &mut Expr, copies: &mut Copies) -> Result<Expr> {
    let mut row = copies.of(expr)?;
    let from = pair(expr, low)?;
    let to = pair(&mut row, high)?;
    let (Some((left, low)), Some((again, high))) = (from, to) else {
        return Err(refused("BETWEEN with a row; all three are rows: (a, b) BETWEEN (1, 2) AND (3, 4)"));
    };
    let from = compared(left, &BinaryOperator::GtEq, low, copies)?;
    Ok(binary(from, BinaryOperator::And, compared(again, &BinaryOperator::LtEq, high, copies)?))
}
