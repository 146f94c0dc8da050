//! Casts of numbers to whole numbers round, as PostgreSQL's do; the engine's would cut.
//!
//! In: the expressions of a plan. Out: the same, in which a value with a fraction is rounded before it becomes a whole number:
//! `2.7::int` is 3. Halves go away from zero (`numeric` in PostgreSQL), those of what was cast to `double precision` to the
//! even neighbour, and `round` does the same.

use std::sync::Arc;

use arrow::{
    array::{AsArray, Float64Array},
    datatypes::{DataType, Float64Type},
};
use datafusion::{
    common::{
        DFSchema,
        config::ConfigOptions,
        plan_err,
        tree_node::{Transformed, TreeNode},
    },
    error::Result,
    logical_expr::{
        ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF,
        expr::{Cast, ScalarFunction, TryCast},
        expr_rewriter::FunctionRewrite,
    },
};

use super::{
    frame::{Function, udf},
    text,
};

/// Puts the function into casts.
#[derive(Debug)]
pub(super) struct Rounding;

impl FunctionRewrite for Rounding {
    fn name(&self) -> &str {
        "casts_round"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        Ok(match expr {
            Expr::Cast(Cast { expr, field })
                if field.data_type().is_integer() && has_fraction(&expr, schema) =>
            {
                Transformed::yes(Expr::Cast(Cast { expr: rounded(expr)?, field }))
            }
            Expr::TryCast(TryCast { expr, field })
                if field.data_type().is_integer() && has_fraction(&expr, schema) =>
            {
                Transformed::yes(Expr::TryCast(TryCast { expr: rounded(expr)?, field }))
            }
            // PostgreSQL rounds what has double precision to the even neighbour; the engine rounds away from zero.
            Expr::ScalarFunction(function)
                if function.func.name() == "round"
                    && function.args.len() == 1
                    && function.args[0].get_type(schema).is_ok_and(|given| given.is_floating())
                    && is_double(&function.args[0])? =>
            {
                let call = ScalarFunction::new_udf(named("round_to_whole"), function.args);
                Transformed::yes(Expr::ScalarFunction(call))
            }
            other => Transformed::no(other),
        })
    }
}

fn has_fraction(expr: &Expr, schema: &DFSchema) -> bool {
    let data_type = expr.get_type(schema);
    data_type.is_ok_and(|given| given.is_floating() || given.is_decimal()) && !is_whole(expr)
}

/// Whether a value is a whole number already.
fn is_whole(expr: &Expr) -> bool {
    let whole = ["floor", "ceil", "round_to_whole", "round_half_up"];
    matches!(expr, Expr::ScalarFunction(function) if whole.contains(&function.func.name()))
}

fn rounded(expr: Box<Expr>) -> Result<Box<Expr>> {
    let name = if is_double(&expr)? { "round_to_whole" } else { "round_half_up" };
    Ok(Box::new(Expr::ScalarFunction(ScalarFunction::new_udf(named(name), vec![*expr]))))
}

/// Whether PostgreSQL would take a value for one of double precision: what constants with a point and whole numbers are made to
/// is `numeric` there, unless somebody says otherwise.
fn is_double(expr: &Expr) -> Result<bool> {
    expr.exists(|inner| {
        Ok(match inner {
            Expr::Cast(Cast { field, .. }) | Expr::TryCast(TryCast { field, .. }) => {
                field.data_type().is_floating()
            }
            Expr::ScalarFunction(function) => ![
                "round",
                "abs",
                "trunc",
                "coalesce",
                "date_part",
                "checked_add",
                "checked_subtract",
                "checked_multiply",
            ]
            .contains(&function.func.name()),
            _ => false,
        })
    })
}

/// The function, for registration.
pub(super) fn function() -> Arc<ScalarUDF> {
    named("round_to_whole")
}

fn named(name: &'static str) -> Arc<ScalarUDF> {
    udf(Round { name })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Round {
    name: &'static str,
}

impl Function for Round {
    fn name(&self) -> &'static str {
        self.name
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [decimal] if decimal.is_decimal() => Ok(vec![decimal.clone()]),
            [number] if number.is_numeric() || number.is_null() => Ok(vec![DataType::Float64]),
            _ => plan_err!("{0} takes a number; write a cast, as in {0}(x::double precision)", self.name),
        }
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let answers = args.return_field.data_type().clone();
        if let DataType::Decimal128(precision, scale) = answers {
            let decimals = text::column(&args, 0, &answers)?;
            let one = 10_i128.checked_pow(u32::try_from(scale).unwrap_or_default()).unwrap_or(1);
            let round = |value: i128| {
                let half = if value < 0 { -(one / 2) } else { one / 2 };
                value.saturating_add(half) / one * one
            };
            let decimals = decimals
                .as_primitive::<arrow::datatypes::Decimal128Type>()
                .unary::<_, arrow::datatypes::Decimal128Type>(round);
            return Ok(text::answer(Arc::new(decimals.with_precision_and_scale(precision, scale)?)));
        }
        if answers.is_decimal() {
            return Ok(args.args[0].clone());
        }
        let values = text::column(&args, 0, &DataType::Float64)?;
        let round = if self.name == "round_half_up" { f64::round } else { f64::round_ties_even };
        let values: Float64Array = values.as_primitive::<Float64Type>().unary(round);
        Ok(text::answer(Arc::new(values)))
    }
}
