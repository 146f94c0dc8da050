//! Types of casts that the planner takes for another, or not at all.

use datafusion::sql::sqlparser::ast::{
    Array, CharacterLength, DataType, ExactNumberInfo, Expr, TypedString, Value,
};

use super::{
    super::refusal::{refused, text_of},
    call, number,
    operators::items,
    take, text,
};
use crate::error::Result;

/// Digits after the point of a second.
pub(super) const MICROSECONDS: u64 = 6;

/// `'{a,b}'::text[]` is a list of two; `'\x41'::bytea` is one byte; `float` has double precision; `varchar(3)` keeps three letters; `dec` is `numeric`.
pub(super) fn translate(expression: &mut Expr) -> Result<()> {
    let given = match &*expression {
        Expr::Cast { expr, .. } => text_of(expr),
        Expr::TypedString(TypedString { value, .. }) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.as_str()),
            _ => None,
        },
        _ => None,
    };
    let given = given.map(str::to_string);
    let data_type = match expression {
        Expr::Cast { expr, data_type: DataType::Array(_), .. } => {
            if let Some(constant) = text_of(expr) {
                let items = items(constant)
                    .ok_or_else(|| refused("a text that is cast to a list; write ARRAY['a', 'b']"))?;
                **expr = Expr::Array(Array { elem: items.into_iter().map(text).collect(), named: true });
            }
            return Ok(());
        }
        Expr::Cast { expr, data_type: DataType::Bytea, .. } => {
            if let Some(hexadecimal) = text_of(expr).and_then(|constant| constant.strip_prefix("\\x")) {
                *expression = call("decode", vec![text(hexadecimal), text("hex")]);
            }
            return Ok(());
        }
        Expr::Cast { data_type, .. } => data_type,
        Expr::TypedString(TypedString { data_type, .. }) => data_type,
        _ => return Ok(()),
    };
    digits_fit(given.as_deref(), data_type)?;
    let length = match data_type {
        DataType::Float(ExactNumberInfo::Precision(bits)) if *bits <= 24 => {
            *data_type = DataType::Real;
            return Ok(());
        }
        DataType::Float(_) => {
            *data_type = DataType::DoublePrecision;
            return Ok(());
        }
        // The engine's own have nanoseconds, which end in 2262.
        DataType::Timestamp(precision @ None, _) => {
            *precision = Some(MICROSECONDS);
            return Ok(());
        }
        DataType::Dec(precision) => {
            *data_type = DataType::Numeric(*precision);
            return Ok(());
        }
        DataType::Varchar(length) | DataType::CharacterVarying(length) | DataType::CharVarying(length) => {
            *length
        }
        _ => return Ok(()),
    };
    *data_type = DataType::Text;
    if let Some(CharacterLength::IntegerLength { length, unit: _ }) = length {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        let whole = take(expression);
        *expression = call("left", vec![whole, number(length)]);
    }
    Ok(())
}

/// PostgreSQL would round a seventh digit of a second, the engine cuts it off.
fn digits_fit(given: Option<&str>, data_type: &DataType) -> Result<()> {
    let is_time = matches!(data_type, DataType::Timestamp(..) | DataType::Time(..));
    let (Some(given), true) = (given, is_time) else { return Ok(()) };
    let fraction = given.split_once('.').map_or("", |(_, rest)| rest);
    let digits =
        fraction.find(|letter: char| !letter.is_ascii_digit()).map_or(fraction, |end| &fraction[..end]);
    match digits.trim_end_matches('0').len() > MICROSECONDS as usize {
        true => Err(refused(&format!("'{given}' with more than six digits of a second; write six"))),
        false => Ok(()),
    }
}
