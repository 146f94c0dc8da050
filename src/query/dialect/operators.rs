//! Operators and forms of expressions that the planner lacks, or means otherwise than PostgreSQL.

use datafusion::sql::sqlparser::ast::{
    Array, BinaryOperator, DataType, DateTimeField, Expr, Interval, TimezoneInfo, UnaryOperator, Value,
    ValueWithSpan,
};

use super::{
    super::{
        functions::clock_in_words,
        refusal::{refused, text_of},
    },
    Copies, binary, call, cast,
    functions::part,
    number, patterns, rows, take, text,
    types::MICROSECONDS,
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
            let operator =
                if *negated { BinaryOperator::PGRegexNotMatch } else { BinaryOperator::PGRegexMatch };
            *expression = binary(take(expr), operator, text(pattern));
        }
        Expr::Extract { field, expr, .. } => {
            let translated = extract(field, expr);
            let name = field.to_string().to_lowercase();
            *expression = translated.unwrap_or_else(|| part(&name, take(expr)));
        }
        Expr::Substring { expr, substring_from: Some(from), substring_for: None, .. }
            if text_of(from).is_some() =>
        {
            let matched = call("regexp_match", vec![take(expr), regex(from)?]);
            *expression = call("array_element", vec![matched, number(1)]);
        }
        // By name, so that they take what functions take.
        Expr::Substring { expr, substring_from, substring_for, .. } => {
            let from = substring_from.take().map_or_else(|| number(1), |from| *from);
            let length = substring_for.take().map(|length| *length);
            *expression = call("substr", [take(expr), from].into_iter().chain(length).collect());
        }
        Expr::Position { expr, r#in } => *expression = call("strpos", vec![take(r#in), take(expr)]),
        Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
            let length = overlay_for.take().map(|length| *length);
            let args = [take(expr), take(overlay_what), take(overlay_from)];
            *expression = call("overlay", args.into_iter().chain(length).collect());
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
        Expr::Interval(Interval { value, leading_field: None, .. }) => {
            if let Some(words) = text_of(value).and_then(clock_in_words) {
                **value = text(words);
            }
        }
        Expr::Value(ValueWithSpan { value: Value::UnicodeStringLiteral(letters), .. }) => {
            *expression = text(std::mem::take(letters));
        }
        // The engine's own ANY and ALL of a subquery are not to be trusted.
        Expr::AnyOp { left, right, .. } | Expr::AllOp { left, right, .. }
            if matches!(**right, Expr::Subquery(_)) =>
        {
            let negated = matches!(expression, Expr::AllOp { .. });
            let (Expr::AnyOp { left, right, .. } | Expr::AllOp { left, right, .. }) = expression else {
                return Ok(());
            };
            if let Expr::Subquery(subquery) = take(right) {
                *expression = Expr::InSubquery { expr: Box::new(take(left)), subquery, negated };
            }
        }
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
        _ => return Err(refused("ESCAPE takes one character; write it in quotes, as in ESCAPE '#'")),
    };
    let mut letters = letters.chars();
    match (letters.next(), letters.next()) {
        (letter, None) => Ok(Some(letter)),
        _ => Err(refused("ESCAPE takes one character; write it in quotes, as in ESCAPE '#'")),
    }
}

/// `metadata #>> '{a,b}'` as `metadata -> 'a' ->> 'b'`.
fn path(json: Expr, path: &Expr, last: BinaryOperator) -> Result<Expr> {
    let steps = steps(path).ok_or_else(|| {
        refused(
            "#> and #>> take a constant path, as in metadata #>> '{plan,tier}'; write -> and ->> otherwise",
        )
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

/// `metadata ?| ARRAY['a', 'b']` as `metadata ? 'a' OR metadata ? 'b'`; `?&` with `AND`.
pub(super) fn has_keys(expression: &mut Expr, copies: &mut Copies) -> Result<()> {
    let Expr::BinaryOp { left, op, right } = expression else { return Ok(()) };
    let joined_by = match op {
        BinaryOperator::QuestionAnd => BinaryOperator::And,
        _ => BinaryOperator::Or,
    };
    let keys = steps(right)
        .filter(|keys| !keys.is_empty())
        .ok_or_else(|| refused("?| and ?& take constant keys, as in metadata ?| ARRAY['plan', 'tier']"))?;
    let has = |key| Ok(binary(copies.of(left)?, BinaryOperator::Question, text(key)));
    let all = keys.into_iter().map(has).collect::<Result<Vec<_>>>()?;
    *expression = Expr::Nested(Box::new(rows::joined(all, &joined_by)));
    Ok(())
}

/// The texts of `ARRAY['a', 'b']` or of `'{a,b}'`.
fn steps(path: &Expr) -> Option<Vec<String>> {
    match path {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => steps(inner),
        Expr::Array(Array { elem, named: _ }) => {
            elem.iter().map(|step| text_of(step).map(str::to_string)).collect()
        }
        constant => items(text_of(constant)?),
    }
}

/// The items of `{a,b}`; `None`: it is no such list, or has quotes and escapes, which are not read here.
pub(super) fn items(list: &str) -> Option<Vec<String>> {
    let inner = list.trim().strip_prefix('{')?.strip_suffix('}')?;
    if inner.contains(['"', '\\', '{'])
        || inner.split(',').any(|item| item.trim().eq_ignore_ascii_case("null"))
    {
        return None;
    }
    let items = inner.split(',').map(str::trim).filter(|item| !item.is_empty());
    Some(items.map(str::to_string).collect())
}

/// A sign binds closer than `^`: `-2 ^ 2` is 4.
pub(super) fn bind_sign(expression: &mut Expr) {
    let Expr::UnaryOp { op: op @ (UnaryOperator::Minus | UnaryOperator::Plus), expr } = expression else {
        return;
    };
    let op = *op;
    let mut first = &mut **expr;
    if !matches!(first, Expr::BinaryOp { op: BinaryOperator::PGExp, .. }) {
        return;
    }
    while let Expr::BinaryOp { left, op: BinaryOperator::PGExp, .. } = first {
        first = left;
    }
    *first = Expr::UnaryOp { op, expr: Box::new(take(first)) };
    *expression = take(expr);
}

/// Fields that the planner lacks, or counts otherwise.
pub(super) fn extract(field: &DateTimeField, time: &mut Expr) -> Option<Expr> {
    let name = field.to_string().to_lowercase();
    field_of(&name, time)
}

/// The same of a field's name; `None`: the planner means by it what PostgreSQL does.
pub(super) fn field_of(name: &str, time: &mut Expr) -> Option<Expr> {
    let years = |time: &mut Expr, add: i64, by: i64| {
        // Of an interval these are counted otherwise: nothing else cuts times only.
        let time = match add {
            0 => take(time),
            _ => call("date_trunc", vec![text("year"), take(time)]),
        };
        let year = binary(part("year", time), BinaryOperator::Plus, number(add));
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
    DataType::Timestamp(Some(MICROSECONDS), TimezoneInfo::Tz)
}
