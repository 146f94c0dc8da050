//! Spans of time compared as PostgreSQL compares them: by how long they are, whatever they are made of.
//!
//! In: the expressions of a plan. Out: the same, in which comparisons of spans compare their microseconds, a month being thirty days
//! and a day 24 hours. The engine compares months, then days, then the rest: for it a difference of two times is never more than a day.

use std::sync::Arc;

use arrow::{
    array::{AsArray, Int64Array},
    datatypes::{DataType, IntervalMonthDayNanoType, IntervalUnit},
};
use datafusion::{
    common::{DFSchema, config::ConfigOptions, exec_datafusion_err, plan_err, tree_node::Transformed},
    error::Result,
    logical_expr::{
        BinaryExpr, ColumnarValue, Expr, ExprSchemable, Operator, ScalarFunctionArgs, ScalarUDF,
        expr::Between, expr_rewriter::FunctionRewrite,
    },
};

use super::{
    frame::{Function, udf},
    text,
};

const DAY_MICROS: i64 = 86_400_000_000;
const MONTH_DAYS: i64 = 30;

/// Puts the function into comparisons.
#[derive(Debug)]
pub(super) struct Spans;

impl FunctionRewrite for Spans {
    fn name(&self) -> &str {
        "spans_by_length"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let is_span = |side: &Expr| {
            let given = side.get_type(schema);
            given.is_ok_and(|given| matches!(given, DataType::Interval(_) | DataType::Duration(_)))
        };
        let long = |side: Box<Expr>| Box::new(function().call(vec![*side]));
        Ok(match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right })
                if is_comparison(op) && is_span(&left) && is_span(&right) =>
            {
                Transformed::yes(Expr::BinaryExpr(BinaryExpr { left: long(left), op, right: long(right) }))
            }
            Expr::Between(Between { expr, negated, low, high })
                if is_span(&expr) && is_span(&low) && is_span(&high) =>
            {
                let between = Between { expr: long(expr), negated, low: long(low), high: long(high) };
                Transformed::yes(Expr::Between(between))
            }
            other => Transformed::no(other),
        })
    }
}

fn is_comparison(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

/// The function, for registration.
pub(super) fn function() -> Arc<ScalarUDF> {
    udf(Length)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Length;

impl Function for Length {
    fn name(&self) -> &'static str {
        "interval_microseconds"
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [DataType::Interval(_) | DataType::Duration(_) | DataType::Null] => {
                Ok(vec![DataType::Interval(IntervalUnit::MonthDayNano)])
            }
            _ => plan_err!("interval_microseconds takes an interval"),
        }
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let spans = text::column(&args, 0, &DataType::Interval(IntervalUnit::MonthDayNano))?;
        let lengths = spans.as_primitive::<IntervalMonthDayNanoType>().iter().map(|span| {
            let Some(span) = span else { return Ok(None) };
            let days = i64::from(span.months) * MONTH_DAYS + i64::from(span.days);
            let micros =
                days.checked_mul(DAY_MICROS).and_then(|micros| micros.checked_add(span.nanoseconds / 1_000));
            micros
                .map(Some)
                .ok_or_else(|| exec_datafusion_err!("an interval is out of range; write a shorter one"))
        });
        Ok(text::answer(Arc::new(lengths.collect::<Result<Int64Array>>()?)))
    }
}
