//! Fields of spans of time: `extract(hour FROM a - b)`, as PostgreSQL counts them.
//!
//! In: the expressions of a plan. Out: the same, in which a field of an interval or of a difference of two times is taken by the functions
//! here. Guaranteed: a difference is so many days and a time of day, so that its hours are less than 24; the epoch of an interval has years of
//! 365.25 days and months of 30, and keeps its fraction; a field that spans do not have is refused.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, Float64Array, Int64Array},
    datatypes::{DataType, DurationMicrosecondType, IntervalMonthDayNanoType, IntervalUnit, TimeUnit},
};
use datafusion::{
    common::{DFSchema, config::ConfigOptions, exec_datafusion_err, plan_err, tree_node::Transformed},
    error::Result,
    logical_expr::{
        ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, expr::ScalarFunction,
        expr_rewriter::FunctionRewrite,
    },
};

use super::{
    frame::{Function, udf},
    text,
};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
const YEAR_SECONDS: f64 = 365.25 * 86_400.0;
const MONTH_SECONDS: f64 = 30.0 * 86_400.0;

/// Puts the functions into plans.
#[derive(Debug)]
pub(super) struct Fields;

impl FunctionRewrite for Fields {
    fn name(&self) -> &str {
        "fields_of_spans"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let Expr::ScalarFunction(call) = &expr else { return Ok(Transformed::no(expr)) };
        let [Expr::Literal(field, _), span] = call.args.as_slice() else { return Ok(Transformed::no(expr)) };
        let is_span = |given| matches!(given, DataType::Interval(_) | DataType::Duration(_));
        if call.name() != "date_part" || !span.get_type(schema).is_ok_and(is_span) {
            return Ok(Transformed::no(expr));
        }
        let field = field.try_as_str().flatten().unwrap_or_default().trim().to_lowercase();
        let taken = match field.as_str() {
            "epoch" => ScalarFunction::new_udf(udf(Epoch), vec![span.clone()]),
            field => {
                // Refused here, in one line, and not when rows come.
                field_of(field, &Span::default())?;
                ScalarFunction::new_udf(udf(Field), call.args.clone())
            }
        };
        Ok(Transformed::yes(Expr::ScalarFunction(taken)))
    }
}

/// The functions, for registration.
pub(super) fn functions() -> [Arc<ScalarUDF>; 2] {
    [udf(Field), udf(Epoch)]
}

/// What a span is made of.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    months: i64,
    days: i64,
    micros: i64,
}

fn field_of(field: &str, span: &Span) -> Result<i64> {
    let year = span.months / 12;
    Ok(match field {
        "millennium" | "millenniums" | "millenia" => year / 1_000,
        "century" | "centuries" => year / 100,
        "decade" | "decades" => year / 10,
        "year" | "years" | "y" | "yr" | "yrs" => year,
        "quarter" | "qtr" => span.months % 12 / 3 + 1,
        "month" | "months" | "mon" | "mons" => span.months % 12,
        "day" | "days" | "d" => span.days,
        "hour" | "hours" | "h" | "hr" | "hrs" => span.micros / (3_600 * SECOND),
        "minute" | "minutes" | "m" | "min" | "mins" => span.micros / (60 * SECOND) % 60,
        "second" | "seconds" | "s" | "sec" | "secs" => span.micros / SECOND % 60,
        "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" => span.micros % (60 * SECOND) / 1_000,
        "microsecond" | "microseconds" | "us" | "usec" | "usecs" => span.micros % (60 * SECOND),
        other => {
            return plan_err!(
                "an interval has no field '{other}'; write year, month, day, hour, minute, second or epoch"
            );
        }
    })
}

fn epoch_of(span: Span) -> f64 {
    let (years, months) = (span.months / 12, span.months % 12);
    let months = years as f64 * YEAR_SECONDS + months as f64 * MONTH_SECONDS;
    // Whole and fraction by themselves, so that microseconds are not lost in a long span.
    let seconds = span.days * 86_400 + span.micros / SECOND;
    months + seconds as f64 + (span.micros % SECOND) as f64 / SECOND as f64
}

/// The spans of an argument: of a difference its days and what is left of them.
fn spans(args: &ScalarFunctionArgs, position: usize) -> Result<Vec<Option<Span>>> {
    let interval = DataType::Interval(IntervalUnit::MonthDayNano);
    if matches!(args.args[position].data_type(), DataType::Duration(_)) {
        let differences = text::column(args, position, &DataType::Duration(TimeUnit::Microsecond))?;
        let differences = differences.as_primitive::<DurationMicrosecondType>().iter();
        let span = |micros| Span { months: 0, days: micros / DAY, micros: micros % DAY };
        return Ok(differences.map(|micros| micros.map(span)).collect());
    }
    let intervals = text::column(args, position, &interval)?;
    let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>().iter();
    Ok(intervals
        .map(|span| {
            span.map(|span| Span {
                months: span.months.into(),
                days: span.days.into(),
                micros: span.nanoseconds / 1_000,
            })
        })
        .collect())
}

/// The type that a span is taken as.
fn span_type(given: &DataType) -> Result<DataType> {
    Ok(match given {
        DataType::Duration(_) => DataType::Duration(TimeUnit::Microsecond),
        DataType::Interval(_) | DataType::Null => DataType::Interval(IntervalUnit::MonthDayNano),
        other => return plan_err!("a field of an interval is not taken of {other}"),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Field;

impl Function for Field {
    fn name(&self) -> &'static str {
        "interval_field"
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [_, span] => Ok(vec![DataType::Utf8, span_type(span)?]),
            _ => plan_err!("interval_field takes a field and an interval"),
        }
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let field = text::constant(&args, 0, "the field of an interval")?
            .ok_or_else(|| exec_datafusion_err!("the field of an interval is NULL"))?;
        let field = field.trim().to_lowercase();
        let fields =
            spans(&args, 1)?.into_iter().map(|span| span.map(|span| field_of(&field, &span)).transpose());
        let fields: ArrayRef = Arc::new(fields.collect::<Result<Int64Array>>()?);
        Ok(text::answer(fields))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Epoch;

impl Function for Epoch {
    fn name(&self) -> &'static str {
        "interval_epoch"
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [span] => Ok(vec![span_type(span)?]),
            _ => plan_err!("interval_epoch takes an interval"),
        }
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let seconds: Float64Array = spans(&args, 0)?.into_iter().map(|span| span.map(epoch_of)).collect();
        Ok(text::answer(Arc::new(seconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PostgreSQL answers. Would catch hours that are counted across days, signs that get lost, and a year of 360 days.
    #[test]
    fn fields_and_epoch() {
        let span = Span { months: -14, days: -3, micros: -(3 * 3_600 + 5 * 60 + 7) * SECOND - 250_000 };
        for (field, expected) in [
            ("year", -1),
            ("month", -2),
            ("day", -3),
            ("hour", -3),
            ("minute", -5),
            ("second", -7),
            ("microseconds", -7_250_000),
        ] {
            assert_eq!(field_of(field, &span).unwrap(), expected, "{field}");
        }
        assert!(field_of("dow", &span).unwrap_err().to_string().contains("no field 'dow'"));
        assert_eq!(epoch_of(Span { months: 12, ..Span::default() }), 31_557_600.0);
        assert_eq!(epoch_of(Span { days: 1, micros: -1_500_000, ..Span::default() }), 86_398.5);
    }
}
