//! Arithmetic as PostgreSQL does it: whole numbers do not wrap around, spans of time are multiplied, an hour after a date is a time.
//!
//! In: the expressions of a plan. Out: the same, in which sums and products of whole numbers fail where they do not fit (the engine
//! would answer with another number), and a date with hours added becomes a time (it would stay the date).

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, DurationMicrosecondArray, IntervalMonthDayNanoArray},
    compute::kernels::numeric,
    datatypes::{
        DataType, DurationMicrosecondType, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
        IntervalUnit, TimeUnit,
    },
};
use datafusion::{
    common::{DFSchema, config::ConfigOptions, exec_datafusion_err, plan_err, tree_node::Transformed},
    error::Result,
    logical_expr::{
        BinaryExpr, ColumnarValue, Expr, ExprSchemable, Operator, ScalarFunctionArgs, ScalarUDF, cast,
        expr::ScalarFunction,
        expr_rewriter::FunctionRewrite,
        planner::{ExprPlanner, PlannerResult, RawBinaryExpr},
    },
    scalar::ScalarValue,
    sql::sqlparser::ast::BinaryOperator,
};

use super::{
    frame::{Function, udf},
    span, text,
};

const DAY_NANOS: i64 = 86_400_000_000_000;

/// Puts checked operations into plans.
#[derive(Debug)]
pub(super) struct Checked;

impl FunctionRewrite for Checked {
    fn name(&self) -> &str {
        "checked_arithmetic"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return Ok(Transformed::no(expr)) };
        let is =
            |side: &Expr, fits: fn(&DataType) -> bool| side.get_type(schema).is_ok_and(|given| fits(&given));
        let name = match op {
            Operator::Plus => Some("checked_add"),
            Operator::Minus => Some("checked_subtract"),
            Operator::Multiply => Some("checked_multiply"),
            _ => None,
        };
        if let Some(name) = name
            && is(&left, DataType::is_signed_integer)
            && is(&right, DataType::is_signed_integer)
        {
            let call = ScalarFunction::new_udf(named(name), vec![*left, *right]);
            return Ok(Transformed::yes(Expr::ScalarFunction(call)));
        }
        let is_shift = matches!(op, Operator::Plus | Operator::Minus);
        if is_shift && is(&left, is_date) && has_hours(&right, schema) {
            let left = Box::new(cast(*left, text::local()));
            return Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right })));
        }
        Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })))
    }
}

fn is_date(data_type: &DataType) -> bool {
    *data_type == DataType::Date32
}

/// Whether a span of time is, or may be, more than whole days. A date with whole days added stays one, so that files are left out by it.
fn has_hours(expr: &Expr, schema: &DFSchema) -> bool {
    match expr {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(span)), _) => span.nanoseconds % DAY_NANOS != 0,
        Expr::Literal(ScalarValue::IntervalYearMonth(_), _) => false,
        other => other.get_type(schema).is_ok_and(|given| matches!(given, DataType::Interval(_))),
    }
}

/// Plans `2 * interval '1 day'`, `interval '1 day' * 2` and `interval '1 day' / 2`.
#[derive(Debug)]
pub(super) struct Planner;

impl ExprPlanner for Planner {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let is =
            |side: &Expr, fits: fn(&DataType) -> bool| side.get_type(schema).is_ok_and(|given| fits(&given));
        let is_span: fn(&DataType) -> bool =
            |given| matches!(given, DataType::Interval(_) | DataType::Duration(_));
        if is_comparison(&expr.op) {
            let RawBinaryExpr { op, left, right } = expr;
            let (of_left, of_right) = (is(&left, is_span), is(&right, is_span));
            let (left, right) = (span_text(left, of_right), span_text(right, of_left));
            return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }));
        }
        let (name, span, factor) = match expr.op {
            BinaryOperator::Multiply if is(&expr.left, is_span) && is(&expr.right, DataType::is_numeric) => {
                ("interval_multiply", expr.left, expr.right)
            }
            BinaryOperator::Multiply if is(&expr.right, is_span) && is(&expr.left, DataType::is_numeric) => {
                ("interval_multiply", expr.right, expr.left)
            }
            BinaryOperator::Divide if is(&expr.left, is_span) && is(&expr.right, DataType::is_numeric) => {
                ("interval_divide", expr.left, expr.right)
            }
            _ => return Ok(PlannerResult::Original(expr)),
        };
        let call = ScalarFunction::new_udf(named(name), vec![span, factor]);
        Ok(PlannerResult::Planned(Expr::ScalarFunction(call)))
    }
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

/// A constant in quotes beside a span of time as the span that it is, as PostgreSQL reads it.
fn span_text(side: Expr, is_beside_span: bool) -> Expr {
    let is_text = |side: &Expr| matches!(side, Expr::Literal(value, _) if value.data_type().is_string());
    match is_beside_span && is_text(&side) {
        true => span::span_of(side),
        false => side,
    }
}

/// The functions, for registration.
pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let names =
        ["checked_add", "checked_subtract", "checked_multiply", "interval_multiply", "interval_divide"];
    names.into_iter().map(named).collect()
}

fn named(name: &'static str) -> Arc<ScalarUDF> {
    udf(Operation { name })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Operation {
    name: &'static str,
}

impl Function for Operation {
    fn name(&self) -> &'static str {
        self.name
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [left, right] = types else { return plan_err!("{} takes two values", self.name) };
        if self.name.starts_with("interval") {
            let span = match left {
                DataType::Duration(_) => DataType::Duration(TimeUnit::Microsecond),
                _ => DataType::Interval(IntervalUnit::MonthDayNano),
            };
            return Ok(vec![span, DataType::Float64]);
        }
        if !left.is_signed_integer() || !right.is_signed_integer() {
            return plan_err!("{} takes two whole numbers", self.name);
        }
        let wider = if left.primitive_width() >= right.primitive_width() { left } else { right };
        Ok(vec![wider.clone(), wider.clone()])
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let data_type = args.return_field.data_type().clone();
        let left = text::column(&args, 0, &data_type)?;
        if self.name.starts_with("interval") {
            let factors = text::column(&args, 1, &DataType::Float64)?;
            if matches!(data_type, DataType::Duration(_)) {
                return Ok(text::answer(longer(&left, &factors, self.name == "interval_divide")?));
            }
            return Ok(text::answer(multiplied(&left, &factors, self.name == "interval_divide")?));
        }
        let right = text::column(&args, 1, &data_type)?;
        let compute = match self.name {
            "checked_add" => numeric::add,
            "checked_subtract" => numeric::sub,
            _ => numeric::mul,
        };
        let out_of_range = |_| {
            exec_datafusion_err!(
                "a whole number is out of range; cast one side to numeric or double precision"
            )
        };
        Ok(text::answer(compute(&left, &right).map_err(out_of_range)?))
    }
}

fn multiplied(spans: &ArrayRef, factors: &ArrayRef, divides: bool) -> Result<ArrayRef> {
    let spans = spans.as_primitive::<IntervalMonthDayNanoType>().iter();
    let pairs = spans.zip(factors.as_primitive::<Float64Type>());
    let answers = pairs.map(|pair| match pair {
        (Some(span), Some(factor)) => times(span, if divides { 1.0 / factor } else { factor }).map(Some),
        _ => Ok(None),
    });
    Ok(Arc::new(answers.collect::<Result<IntervalMonthDayNanoArray>>()?))
}

/// Differences of two times, which have microseconds only.
fn longer(differences: &ArrayRef, factors: &ArrayRef, divides: bool) -> Result<ArrayRef> {
    let differences = differences.as_primitive::<DurationMicrosecondType>().iter();
    let answers = differences.zip(factors.as_primitive::<Float64Type>()).map(|pair| {
        let (Some(micros), Some(factor)) = pair else { return Ok(None) };
        let exact = if divides { micros as f64 / factor } else { micros as f64 * factor };
        match exact.abs() < i64::MAX as f64 {
            true => Ok(Some(exact.round() as i64)),
            false => Err(exec_datafusion_err!("a difference of times is out of range")),
        }
    });
    Ok(Arc::new(answers.collect::<Result<DurationMicrosecondArray>>()?))
}

/// What is left of a month goes to days of which it has thirty, what is left of a day to its hours, as in PostgreSQL.
fn times(span: IntervalMonthDayNano, factor: f64) -> Result<IntervalMonthDayNano> {
    const MONTH_DAYS: f64 = 30.0;
    let months = f64::from(span.months) * factor;
    let days = f64::from(span.days) * factor + months.fract() * MONTH_DAYS;
    let nanos = span.nanoseconds as f64 * factor + days.fract() * DAY_NANOS as f64;
    // Microseconds are what PostgreSQL keeps.
    let nanos = (nanos / 1e3).round() * 1e3;
    let limit = f64::from(i32::MAX);
    if !(months.abs() <= limit && days.abs() <= limit && nanos.abs() <= i64::MAX as f64) {
        return Err(exec_datafusion_err!("an interval is out of range; write a shorter one"));
    }
    Ok(IntervalMonthDayNano::new(months.trunc() as i32, days.trunc() as i32, nanos as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PostgreSQL 15 answers. Would catch parts of a month or a day that get lost.
    #[test]
    fn spans_are_multiplied() {
        let span = IntervalMonthDayNano::new;
        assert_eq!(times(span(0, 1, 0), 2.0).unwrap(), span(0, 2, 0));
        assert_eq!(times(span(1, 0, 0), 1.5).unwrap(), span(1, 15, 0));
        assert_eq!(times(span(0, 1, 0), 0.5).unwrap(), span(0, 0, DAY_NANOS / 2));
        assert!(times(span(0, 1, 0), 1e300).is_err() && times(span(0, 1, 0), f64::NAN).is_err());
    }
}
