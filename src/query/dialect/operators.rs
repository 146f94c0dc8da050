//! Operators and forms of expressions that the planner lacks, or means otherwise than PostgreSQL.

use datafusion::sql::sqlparser::ast::{
    Array, BinaryOperator, DataType, DateTimeField, Expr, TimezoneInfo, UnaryOperator, Value, ValueWithSpan,
};

use super::{
    super::guard::{refused, text_of},
    binary, call, cast, functions::part, number, patterns, take, text,
};
use crate::error::Result;

/// Says one expression in other words, if it needs them.
pub(super) fn translate(expression: &mut Expr) -> Result<()> {
    match expression {
        Expr::AtTimeZone { timestamp, time_zone } => {
            *expression = call("timezone", vec![take(time_zone), take(timestamp)]);
        }
        Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
            escaped(pattern, escape_char)?;
        }
        Expr::SimilarTo { negated, expr, pattern, escape_char } => {
            let escape = escape_of(escape_char.take().as_ref())?.unwrap_or(Some('\\'));
            let pattern = text_of(pattern).unwrap_or_default();
            let pattern = patterns::similar(pattern, escape).map_err(refused)?;
            let operator = if *negated { BinaryOperator::PGRegexNotMatch } else { BinaryOperator::PGRegexMatch };
            *expression = binary(take(expr), operator, text(pattern));
        }
        Expr::Extract { field, expr, .. } => {
            if let Some(translated) = extract(field, expr) {
                *expression = translated;
            }
        }
        Expr::Substring { expr, substring_from: Some(from), substring_for: None, .. }
            if text_of(from).is_some() =>
        {
            let matched = call("regexp_match", vec![take(expr), regex(from)?]);
            *expression = call("array_element", vec![matched, number(1)]);
        }
        Expr::UnaryOp { op, expr } => {
            let name = match op {
                UnaryOperator::PGSquareRoot => "sqrt",
                UnaryOperator::PGCubeRoot => "cbrt",
                UnaryOperator::PGAbs => "abs",
                UnaryOperator::BitwiseNot => {
                    *expression = binary(number(-1), BinaryOperator::Minus, take(expr));
                    return Ok(());
                }
                _ => return Ok(()),
            };
            *expression = call(name, vec![take(expr)]);
        }
        Expr::BinaryOp { .. } => operation(expression)?,
        _ => {}
    }
    Ok(())
}

fn operation(expression: &mut Expr) -> Result<()> {
    let Expr::BinaryOp { left, op, right } = expression else { return Ok(()) };
    let translated = match op {
        BinaryOperator::PGRegexMatch
        | BinaryOperator::PGRegexIMatch
        | BinaryOperator::PGRegexNotMatch
        | BinaryOperator::PGRegexNotIMatch => {
            **right = regex(right)?;
            return Ok(());
        }
        BinaryOperator::PGExp => {
            let base = cast(take(left), DataType::DoublePrecision);
            call("power", vec![base, cast(take(right), DataType::DoublePrecision)])
        }
        BinaryOperator::PGStartsWith => call("starts_with", vec![take(left), take(right)]),
        BinaryOperator::PGOverlap => call("array_has_any", vec![take(left), take(right)]),
        BinaryOperator::HashArrow => path(take(left), right, BinaryOperator::Arrow)?,
        BinaryOperator::HashLongArrow => path(take(left), right, BinaryOperator::LongArrow)?,
        BinaryOperator::QuestionAnd => any_key(left, right, BinaryOperator::And)?,
        BinaryOperator::QuestionPipe => any_key(left, right, BinaryOperator::Or)?,
        _ => return Ok(()),
    };
    *expression = translated;
    Ok(())
}

/// A regular expression as the engine reads it; what is no constant stays as it is.
pub(super) fn regex(pattern: &mut Expr) -> Result<Expr> {
    let translated = match text_of(pattern) {
        Some(constant) => patterns::regex(constant).map_err(refused)?,
        None => None,
    };
    Ok(translated.map_or_else(|| take(pattern), text))
}

/// `LIKE … ESCAPE '#'` with a pattern that is escaped by `\`, as the engine has it.
fn escaped(pattern: &mut Expr, escape: &mut Option<ValueWithSpan>) -> Result<()> {
    let Some(escape) = escape_of(escape.take().as_ref())? else { return Ok(()) };
    if let Some(constant) = text_of(pattern) {
        *pattern = text(patterns::like(constant, escape).map_err(refused)?);
    }
    Ok(())
}

/// The escape character: none given, none wanted (`ESCAPE ''`), or one.
fn escape_of(escape: Option<&ValueWithSpan>) -> Result<Option<Option<char>>> {
    let Some(escape) = escape else { return Ok(None) };
    let letters = match &escape.value {
        Value::SingleQuotedString(letters) | Value::EscapedStringLiteral(letters) => letters,
        _ => return Err(refused("ESCAPE takes one character in quotes")),
    };
    let mut letters = letters.chars();
    match (letters.next(), letters.next()) {
        (letter, None) => Ok(Some(letter)),
        _ => Err(refused("ESCAPE takes one character in quotes")),
    }
}

/// `metadata #>> '{a,b}'` as `metadata -> 'a' ->> 'b'`.
fn path(json: Expr, path: &Expr, last: BinaryOperator) -> Result<Expr> {
    let steps = steps(path).ok_or_else(|| {
        refused("#> and #>> take a constant path, as in metadata #>> '{plan,tier}'; write -> and ->> otherwise")
    })?;
    if steps.is_empty() {
        return Err(refused("#> and #>> with an empty path; write the column itself"));
    }
    let count = steps.len();
    let mut value = json;
    for (position, step) in steps.into_iter().enumerate() {
        if step.parse::<i64>().is_ok() {
            return Err(refused(&format!(
                "'{step}' in a path of #> or #>> may be a position or a key; write -> {step} or -> '{step}'"
            )));
        }
        let operator = if position + 1 == count { last.clone() } else { BinaryOperator::Arrow };
        value = binary(value, operator, text(step));
    }
    Ok(value)
}

/// `metadata ?| ARRAY['a', 'b']` as `metadata ? 'a' OR metadata ? 'b'`.
fn any_key(json: &mut Expr, keys: &Expr, operator: BinaryOperator) -> Result<Expr> {
    let keys = steps(keys)
        .filter(|keys| !keys.is_empty())
        .ok_or_else(|| refused("?| and ?& take constant keys, as in metadata ?| ARRAY['plan', 'tier']"))?;
    let json = take(json);
    let has = |key| binary(json.clone(), BinaryOperator::Question, text(key));
    let mut keys = keys.into_iter();
    let first = has(keys.next().unwrap_or_default());
    Ok(keys.fold(first, |any, key| binary(any, operator.clone(), has(key))))
}

/// The texts of `ARRAY['a', 'b']` or of `'{a,b}'`.
fn steps(path: &Expr) -> Option<Vec<String>> {
    match path {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => steps(inner),
        Expr::Array(Array { elem, named: _ }) => {
            elem.iter().map(|step| text_of(step).map(str::to_string)).collect()
        }
        constant => {
            let inner = text_of(constant)?.trim().strip_prefix('{')?.strip_suffix('}')?;
            // Quotes and escapes inside of a list are too rare to be read here.
            if inner.contains(['"', '\\', '{']) {
                return None;
            }
            let steps = inner.split(',').map(str::trim).filter(|step| !step.is_empty());
            Some(steps.map(str::to_string).collect())
        }
    }
}

/// Fields that the planner lacks, or counts otherwise.
pub(super) fn extract(field: &DateTimeField, time: &mut Expr) -> Option<Expr> {
    let name = field.to_string().to_lowercase();
    field_of(&name, time)
}

/// The same of a field's name; `None`: the planner means by it what PostgreSQL does.
pub(super) fn field_of(name: &str, time: &mut Expr) -> Option<Expr> {
    let years = |time: &mut Expr, add: i64, by: i64| {
        let year = binary(part("year", take(time)), BinaryOperator::Plus, number(add));
        Some(binary(year, BinaryOperator::Divide, number(by)))
    };
    match name {
        // Monday is 1, Sunday 7.
        "isodow" => {
            let since_sunday = binary(part("dow", take(time)), BinaryOperator::Plus, number(6));
            let since_monday = binary(since_sunday, BinaryOperator::Modulo, number(7));
            Some(binary(since_monday, BinaryOperator::Plus, number(1)))
        }
        // With its fraction.
        "second" | "seconds" => {
            let micros = cast(part("microsecond", take(time)), DataType::DoublePrecision);
            Some(binary(micros, BinaryOperator::Divide, number(1_000_000)))
        }
        "millisecond" | "milliseconds" | "ms" => {
            let micros = cast(part("microsecond", take(time)), DataType::DoublePrecision);
            Some(binary(micros, BinaryOperator::Divide, number(1_000)))
        }
        "decade" | "decades" => years(time, 0, 10),
        "century" | "centuries" => years(time, 99, 100),
        "millennium" | "millenium" => years(time, 999, 1_000),
        _ => None,
    }
}

/// The type of times in UTC.
pub(super) fn instants() -> DataType {
    DataType::Timestamp(None, TimezoneInfo::Tz)
}
