//! Constants that are compared with times or cast to them, in the forms that PostgreSQL reads: without seconds as well.
//!
//! In: the expressions of a plan. Out: the same, in which `'2026-11-01 03:30'` beside a time is `'2026-11-01 03:30:00'`.

use arrow::datatypes::DataType;
use datafusion::{
    common::{DFSchema, config::ConfigOptions, tree_node::Transformed},
    error::Result,
    logical_expr::{
        BinaryExpr, Expr, ExprSchemable,
        expr::{Between, Cast, InList},
        expr_rewriter::FunctionRewrite,
    },
};

/// Completes the constants.
#[derive(Debug)]
pub(super) struct TimeTexts;

impl FunctionRewrite for TimeTexts {
    fn name(&self) -> &str {
        "time_texts"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let is_time =
            |side: &Expr| side.get_type(schema).is_ok_and(|given| matches!(given, DataType::Timestamp(..)));
        let mut changed = false;
        let expr = match expr {
            Expr::Cast(Cast { mut expr, field }) if matches!(field.data_type(), DataType::Timestamp(..)) => {
                changed = complete(&mut expr);
                Expr::Cast(Cast { expr, field })
            }
            Expr::BinaryExpr(BinaryExpr { mut left, op, mut right }) => {
                changed = is_time(&left) && complete(&mut right) || is_time(&right) && complete(&mut left);
                Expr::BinaryExpr(BinaryExpr { left, op, right })
            }
            Expr::Between(Between { expr, negated, mut low, mut high }) => {
                if is_time(&expr) {
                    changed = complete(&mut low) | complete(&mut high);
                }
                Expr::Between(Between { expr, negated, low, high })
            }
            Expr::InList(InList { expr, mut list, negated }) => {
                if is_time(&expr) {
                    changed = list.iter_mut().fold(false, |changed, item| complete(item) | changed);
                }
                Expr::InList(InList { expr, list, negated })
            }
            other => other,
        };
        Ok(if changed { Transformed::yes(expr) } else { Transformed::no(expr) })
    }
}

/// Completes a constant in place; tells whether it had to.
fn complete(expr: &mut Expr) -> bool {
    let Expr::Literal(value, _) = expr else { return false };
    match value.try_as_str().flatten().and_then(completed) {
        Some(text) => {
            *expr = datafusion::logical_expr::lit(text);
            true
        }
        None => false,
    }
}

/// A time without seconds, with them; `None` for every other text.
fn completed(text: &str) -> Option<String> {
    const DATE_AND_MINUTES: usize = "2026-11-01 03:30".len();
    let text = text.trim();
    let (time, zone) = text.split_at_checked(DATE_AND_MINUTES)?;
    let fits = time.bytes().enumerate().all(|(position, byte)| match position {
        4 | 7 => byte == b'-',
        10 => byte == b' ' || byte == b'T',
        13 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let is_zone = zone.is_empty() || zone.trim_start().starts_with(['Z', 'z', '+', '-']);
    (fits && is_zone).then(|| format!("{time}:00{zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a text that is no time and gets changed, or an offset that gets lost.
    #[test]
    fn seconds_are_added_where_they_lack() {
        assert_eq!(completed("2026-11-01 03:30").as_deref(), Some("2026-11-01 03:30:00"));
        assert_eq!(completed("2026-11-01T03:30+02:00").as_deref(), Some("2026-11-01T03:30:00+02:00"));
        for text in
            ["2026-11-01 03:30:01", "2026-11-01", "login", "2026-11-01 03:30 or so", "2026/11/01 03:30"]
        {
            assert_eq!(completed(text), None, "{text}");
        }
    }
}
