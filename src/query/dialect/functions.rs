//! Functions under the names that PostgreSQL and DuckDB have for them, said with functions that exist.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, ObjectNamePart, OrderByExpr, OrderByOptions,
    TimezoneInfo, helpers::attached_token::AttachedToken,
};

use super::{
    super::refusal::{refused, text_of},
    Copies, binary, call, cast, number,
    operators::{field_of, instants, regex},
    patterns, text,
    types::MICROSECONDS,
};
use crate::error::Result;

/// Another name for a function that exists and means the same.
const SAME: [(&str, &str); 36] = [
    ("approx_count_distinct", "approx_distinct"),
    ("quantile", "percentile_cont"),
    ("len", "length"),
    ("strlen", "octet_length"),
    ("every", "bool_and"),
    ("string_split", "string_to_array"),
    ("str_split", "string_to_array"),
    ("split", "string_to_array"),
    ("array_replace", "array_replace_all"),
    ("list_value", "make_array"),
    ("list_has", "array_has"),
    ("list_aggr", "array_agg"),
    ("list", "array_agg"),
    ("group_concat", "string_agg"),
    ("listagg", "string_agg"),
    ("gen_random_uuid", "uuid"),
    ("clock_timestamp", "now"),
    ("statement_timestamp", "now"),
    ("transaction_timestamp", "now"),
    ("get_current_timestamp", "now"),
    ("today", "current_date"),
    ("ceiling", "ceil"),
    ("sign", "signum"),
    ("char_length", "character_length"),
    ("ucase", "upper"),
    ("lcase", "lower"),
    ("ifnull", "coalesce"),
    ("nvl", "coalesce"),
    ("jsonb_array_length", "json_length"),
    ("json_array_length", "json_length"),
    ("jsonb_extract_path_text", "json_as_text"),
    ("json_extract_path_text", "json_as_text"),
    ("jsonb_extract_path", "json_get"),
    ("json_extract_path", "json_get"),
    ("variance", "var_samp"),
    ("stddev_samp", "stddev"),
];
/// Functions that are a field of a time.
const FIELDS: [&str; 9] = ["year", "quarter", "month", "week", "day", "hour", "minute", "second", "epoch"];
/// Functions of which the second argument is a regular expression.
const REGEX: [&str; 5] = ["regexp_like", "regexp_match", "regexp_replace", "regexp_count", "regexp_instr"];
/// Units that are less than a day: cut, a time keeps the offset that it has.
const OF_DAY: [&str; 5] = ["hour", "minute", "second", "millisecond", "microsecond"];
/// Where buckets of weeks start, and those of months: a Monday and a first of January.
const BUCKET_ORIGIN: &str = "2000-01-03T00:00:00";
const MONTHS_ORIGIN: &str = "2000-01-01T00:00:00";

/// Says a call in other words, if it needs them.
pub(super) fn translate(expression: &mut Expr, copies: &mut Copies) -> Result<()> {
    let Expr::Function(function) = expression else { return Ok(()) };
    let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else { return Ok(()) };
    let name = name.value.to_lowercase();
    if let Some((_, same)) = SAME.iter().find(|(other, _)| *other == name) {
        function.name = ObjectName::from(Ident::new(*same));
        return Ok(());
    }
    if matches!(function.args, FunctionArguments::None) && name == "localtimestamp" {
        *expression = cast(call("now", Vec::new()), local());
        return Ok(());
    }
    if let Some(by) = by_greatest(&name) {
        return greatest(function, by, copies);
    }
    if matches!(name.as_str(), "count_if" | "countif") {
        return count_if(function);
    }
    let Some(args) = plain(function) else { return Ok(()) };
    if let Some(translated) = of_arguments(&name, args, copies)? {
        *expression = translated;
    }
    Ok(())
}

/// The arguments of a call with nothing else written with it.
fn plain(function: &mut Function) -> Option<Vec<&mut Expr>> {
    if function.filter.is_some() || function.over.is_some() || !function.within_group.is_empty() {
        return None;
    }
    let FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses }) =
        &mut function.args
    else {
        return None;
    };
    if !clauses.is_empty() {
        return None;
    }
    let expressions = args.iter_mut().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Some(expression),
        _ => None,
    });
    expressions.collect()
}

fn of_arguments(name: &str, mut args: Vec<&mut Expr>, copies: &mut Copies) -> Result<Option<Expr>> {
    Ok(Some(match (name, args.len()) {
        ("date_part" | "datepart" | "date_trunc", 2 | 3) => return of_time(name, args, copies),
        ("time_bucket", 2) => {
            let unit = args[0].to_string().to_lowercase();
            let months = ["mon", "quarter", "year", "decade"].iter().any(|months| unit.contains(months));
            let origin = cast(text(if months { MONTHS_ORIGIN } else { BUCKET_ORIGIN }), local());
            call("date_bin", vec![super::take(args[0]), super::take(args[1]), origin])
        }
        ("time_bucket", 3) => {
            call("date_bin", vec![super::take(args[0]), super::take(args[1]), super::take(args[2])])
        }
        // Of a list without values it is NULL.
        ("array_length", 1 | 2) => {
            let args = args.into_iter().map(super::take).collect();
            call("nullif", vec![call("array_length", args), number(0)])
        }
        ("date", 1) => cast(super::take(args[0]), DataType::Date),
        ("epoch_us", 1) => micros(super::take(args[0])),
        ("epoch_ms", 1) => binary(micros(super::take(args[0])), BinaryOperator::Divide, number(1_000)),
        ("dayofweek" | "dayofyear" | "isodow" | "weekofyear", 1) => {
            let field = match name {
                "dayofweek" => "dow",
                "dayofyear" => "doy",
                "weekofyear" => "week",
                _ => "isodow",
            };
            field_of(field, args[0]).unwrap_or_else(|| part(field, super::take(args[0])))
        }
        ("monthname", 1) => call("to_char", vec![super::take(args[0]), text("FMMonth")]),
        ("dayname", 1) => call("to_char", vec![super::take(args[0]), text("FMDay")]),
        ("mod", 2) => binary(super::take(args[0]), BinaryOperator::Modulo, super::take(args[1])),
        ("if" | "iif" | "iff", 3) => choice(super::take(args[0]), super::take(args[1]), super::take(args[2])),
        ("nvl2", 3) => choice(
            Expr::IsNotNull(Box::new(super::take(args[0]))),
            super::take(args[1]),
            super::take(args[2]),
        ),
        ("isnull", 1) => Expr::IsNull(Box::new(super::take(args[0]))),
        ("substring" | "substr", 2) if text_of(args[1]).is_some() => {
            let matched = call("regexp_match", vec![super::take(args[0]), regex(args[1])?]);
            call("array_element", vec![matched, number(1)])
        }
        ("encode", 2) if is_hash(args[0]) && text_of(args[1]) == Some("hex") => super::take(args[0]),
        ("power" | "pow", 2) => {
            let base = cast(super::take(args[0]), DataType::DoublePrecision);
            call("power", vec![base, cast(super::take(args[1]), DataType::DoublePrecision)])
        }
        ("arrow_cast" | "arrow_try_cast", 2) => {
            zone_refused(args[1])?;
            return Ok(None);
        }
        (name, 2..) if REGEX.contains(&name) => {
            *args[1] = regex(args[1])?;
            if name == "regexp_replace" && args.len() > 2 {
                let replacement = match text_of(args[2]) {
                    Some(constant) => text(patterns::replacement(constant)),
                    None => call("replace", vec![super::take(args[2]), text("$"), text("$$")]),
                };
                *args[2] = replacement;
            }
            return Ok(None);
        }
        ("json_object_keys" | "json_keys" | "jsonb_object_keys", 1) => {
            let mut path = Vec::new();
            let json = steps_of(super::take(args[0]), &mut path);
            path.insert(0, json);
            call("json_object_keys", path)
        }
        (field, 1) if FIELDS.contains(&field) => {
            field_of(field, args[0]).unwrap_or_else(|| part(field, super::take(args[0])))
        }
        _ => return Ok(None),
    }))
}

/// Takes `a -> 'b' -> 'c'` apart: `a`, and the steps in their order.
fn steps_of(json: Expr, path: &mut Vec<Expr>) -> Expr {
    match json {
        Expr::Nested(inner) => steps_of(*inner, path),
        Expr::BinaryOp { left, op: BinaryOperator::Arrow, right } => {
            let json = steps_of(*left, path);
            path.push(*right);
            json
        }
        other => other,
    }
}

/// `date_part('isodow', t)`, and `date_trunc('day', t, 'Europe/Berlin')`: days of a place.
fn of_time(name: &str, mut args: Vec<&mut Expr>, copies: &mut Copies) -> Result<Option<Expr>> {
    let field = text_of(args[0]).map(str::to_lowercase);
    if name != "date_trunc" {
        let Some(field) = field else { return Ok(None) };
        if field.starts_with("timezone") || field == "julian" {
            return Err(refused(&format!(
                "date_part('{field}', …); times are in UTC: write date_part('epoch', …)"
            )));
        }
        return Ok(field_of(&field, args[1]));
    }
    if let Some(unit) = field {
        if ["decade", "century", "millennium"].contains(&unit.as_str()) {
            return Err(refused(&format!("date_trunc('{unit}', …); write date_part('{unit}', …)")));
        }
        // PostgreSQL takes `days` for `day`.
        *args[0] = text(unit.trim_end_matches('s'));
    }
    if args.len() == 2 {
        return Ok(None);
    }
    let zone = super::take(args[2]);
    let instant = cast(super::take(args[1]), instants());
    let Some(unit) = text_of(args[0]) else {
        return Err(refused(
            "date_trunc of a zone and of a unit that is no constant; write CASE with one call for each unit",
        ));
    };
    if OF_DAY.contains(&unit) {
        return Ok(Some(call("date_trunc_in_zone", vec![super::take(args[0]), instant, zone])));
    }
    let clock = call("timezone", vec![copies.of(&zone)?, instant]);
    let cut = call("date_trunc", vec![super::take(args[0]), clock]);
    Ok(Some(call("timezone", vec![zone, cut])))
}

/// A field of a time.
pub(super) fn part(field: &str, time: Expr) -> Expr {
    call("date_part", vec![text(field), time])
}

/// Microseconds since 1970.
fn micros(time: Expr) -> Expr {
    let micros = binary(part("epoch", time), BinaryOperator::Multiply, number(1_000_000));
    cast(call("round", vec![micros]), DataType::BigInt(None))
}

fn local() -> DataType {
    DataType::Timestamp(Some(MICROSECONDS), TimezoneInfo::None)
}

fn choice(condition: Expr, result: Expr, other: Expr) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result }],
        else_result: Some(Box::new(other)),
    }
}

fn is_hash(expression: &Expr) -> bool {
    let Expr::Function(function) = expression else { return false };
    let name = function.name.to_string().to_lowercase();
    ["md5", "sha224", "sha256", "sha384", "sha512", "digest"].contains(&name.as_str())
}

/// Values of another zone than UTC come from `AT TIME ZONE` only, which says what is meant.
fn zone_refused(data_type: &Expr) -> Result<()> {
    let Some(given) = text_of(data_type) else {
        return Err(refused(
            "arrow_cast to a type that is no constant; write the type, as in arrow_cast(x, 'Int64')",
        ));
    };
    let is_utc = !given.contains("Some(") || given.contains("\"UTC\"") || given.contains("\"+00:00\"");
    match given.contains("Timestamp") && !is_utc {
        true => Err(refused(
            "arrow_cast to a time zone; write t AT TIME ZONE 'Europe/Berlin' for the clock there",
        )),
        false => Ok(()),
    }
}

/// Whether a function takes the row with the greatest second argument, or the least.
fn by_greatest(name: &str) -> Option<bool> {
    match name {
        "arg_max" | "argmax" | "max_by" => Some(true),
        "arg_min" | "argmin" | "min_by" => Some(false),
        _ => None,
    }
}

/// `arg_max(a, b)` as `first_value(a ORDER BY b DESC) FILTER (WHERE a IS NOT NULL AND b IS NOT NULL)`.
fn greatest(function: &mut Function, is_greatest: bool, copies: &mut Copies) -> Result<()> {
    let wrong =
        || refused("arg_max and arg_min take a value and what to compare by, as in arg_max(id, occurred_at)");
    let FunctionArguments::List(list) = &mut function.args else { return Err(wrong()) };
    let mut args = std::mem::take(&mut list.args).into_iter();
    let (
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(value))),
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(by))),
        None,
    ) = (args.next(), args.next(), args.next())
    else {
        return Err(wrong());
    };
    if !list.clauses.is_empty() || list.duplicate_treatment.is_some() || function.over.is_some() {
        return Err(wrong());
    }
    let mut is_there =
        |expression: &Expr| -> Result<Expr> { Ok(Expr::IsNotNull(Box::new(copies.of(expression)?))) };
    let mut filter = binary(is_there(&value)?, BinaryOperator::And, is_there(&by)?);
    if let Some(given) = function.filter.take() {
        filter = binary(Expr::Nested(given), BinaryOperator::And, filter);
    }
    function.filter = Some(Box::new(filter));
    list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(value))];
    let options = OrderByOptions { asc: Some(!is_greatest), nulls_first: Some(false) };
    list.clauses =
        vec![FunctionArgumentClause::OrderBy(vec![OrderByExpr { expr: by, options, with_fill: None }])];
    function.name = ObjectName::from(Ident::new("first_value"));
    Ok(())
}

/// `count_if(a)` as `count(*) FILTER (WHERE a)`.
fn count_if(function: &mut Function) -> Result<()> {
    let wrong = || refused("count_if takes one condition; write count(*) FILTER (WHERE …)");
    let FunctionArguments::List(list) = &mut function.args else { return Err(wrong()) };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(condition))] = list.args.as_mut_slice() else {
        return Err(wrong());
    };
    let mut filter = super::take(condition);
    if let Some(given) = function.filter.take() {
        filter = binary(Expr::Nested(given), BinaryOperator::And, Expr::Nested(Box::new(filter)));
    }
    function.filter = Some(Box::new(filter));
    list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Wildcard)];
    function.name = ObjectName::from(Ident::new("count"));
    Ok(())
}
