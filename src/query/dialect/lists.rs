//! `a = ANY (…)` and `a <> ALL (…)` over lists.
//!
//! In: a comparison with any or all of a list. Out: where the list is written out, `IN`, or one comparison for each of its values, so that each is
//! what it is without a list; otherwise a call that [`crate::query::lists`] carries out when the list is known.

use datafusion::sql::sqlparser::ast::{Array, ArrayElemTypeDef, BinaryOperator, DataType, Expr, Value};

use super::{
    super::{
        lists::{COMPARE_ALL, COMPARE_ANY},
        refusal::{refused, text_of},
    },
    Copies, call, cast, operators, rows, take, text, types,
};
use crate::error::Result;

/// Says a comparison with any or all of a list in other words, if it is one.
pub(super) fn translate(expression: &mut Expr, copies: &mut Copies) -> Result<()> {
    let is_any = matches!(expression, Expr::AnyOp { .. });
    let (Expr::AnyOp { left, compare_op, right, .. } | Expr::AllOp { left, compare_op, right }) = expression
    else {
        return Ok(());
    };
    if matches!(**right, Expr::Subquery(_)) {
        return Ok(());
    }
    let (op, list) = (compare_op.clone(), take(right));
    let left = take(left);
    *expression = match items(&list)? {
        Some(items) => written_out(left, op, items, is_any, copies)?,
        None => {
            if !is_plain(&op) {
                return Err(refused(&format!(
                    "{op} with ANY or ALL of a list that is not written out; write ARRAY['a', 'b'], or join unnest(…)"
                )));
            }
            let function = if is_any { COMPARE_ANY } else { COMPARE_ALL };
            call(function, vec![text(op.to_string()), left, list])
        }
    };
    Ok(())
}

fn is_plain(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

/// The values of a list that is written out: `ARRAY[1, 2]`, `'{a,b}'`, and either of them with a cast.
fn items(list: &Expr) -> Result<Option<Vec<Expr>>> {
    let items = match list {
        Expr::Nested(inner) => return items(inner),
        Expr::Array(Array { elem, named: _ }) => {
            let mut all = Vec::with_capacity(elem.len());
            for item in elem {
                // A list of lists is compared value by value.
                match item {
                    Expr::Array(_) => all.extend(self::items(item)?.unwrap_or_default()),
                    item => all.push(item.clone()),
                }
            }
            all
        }
        Expr::Cast { expr, data_type, .. } => match (items(expr)?, item_type(data_type)) {
            (Some(items), Some(item_type)) => {
                let cast_items = items.into_iter().map(|item| {
                    let mut item = cast(item, item_type.clone());
                    types::translate(&mut item).map(|()| item)
                });
                cast_items.collect::<Result<_>>()?
            }
            _ => return Ok(None),
        },
        constant => match text_of(constant) {
            Some(constant) => {
                let items = operators::items(constant)
                    .ok_or_else(|| refused("ANY or ALL of a text; write ANY (ARRAY['a', 'b'])"))?;
                items.into_iter().map(text).collect()
            }
            None => return Ok(None),
        },
    };
    if items.iter().any(rows::is_row) {
        return Err(refused("ANY or ALL of a list of rows; write (a, b) IN ((1, 2), (3, 4)), or NOT IN"));
    }
    Ok(Some(items))
}

/// Of what type the values of a list of `data_type` are.
fn item_type(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::Array(
            ArrayElemTypeDef::SquareBracket(item, _)
            | ArrayElemTypeDef::AngleBracket(item)
            | ArrayElemTypeDef::Parenthesis(item),
        ) => Some(item_type(item).unwrap_or(item)),
        _ => None,
    }
}

fn written_out(
    left: Expr,
    op: BinaryOperator,
    items: Vec<Expr>,
    is_any: bool,
    copies: &mut Copies,
) -> Result<Expr> {
    if items.is_empty() {
        return Ok(Expr::value(Value::Boolean(!is_any)));
    }
    let is_in = is_any && op == BinaryOperator::Eq;
    if is_in || !is_any && op == BinaryOperator::NotEq {
        return Ok(Expr::InList { expr: Box::new(left), list: items, negated: !is_in });
    }
    let mut compared = Vec::with_capacity(items.len());
    for item in items {
        let (left, right) = (Box::new(copies.of(&left)?), Box::new(item));
        let mut one = Expr::BinaryOp { left, op: op.clone(), right };
        operators::translate(&mut one)?;
        compared.push(one);
    }
    let joined_by = if is_any { BinaryOperator::Or } else { BinaryOperator::And };
    Ok(Expr::Nested(Box::new(rows::joined(compared, &joined_by))))
}
