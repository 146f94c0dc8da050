//! What to write instead, for complaints of the engine that do not say it.
//!
//! In: a message of the engine. Out: the same complaint with a way out; `None`: it is none of these.

/// How complaints of the engine begin that name its own things, and what to write instead.
const INSTEAD: [(&str, &str); 23] = [
    (
        "Cannot access field at argument",
        "col.member and col['member'] do not read JSON; write ->, as in metadata->'amount', or ->> for the text",
    ),
    (
        "Dot access not supported",
        "(…).member is not available; members of JSON are read with ->, as in targets->0->'id'",
    ),
    (
        "array_element does not support type Utf8",
        "col[1] reads a list; elements of JSON are read with ->, as in targets->0->'id'",
    ),
    ("Cannot infer common argument type for comparison operation List(", LIST),
    ("Can not find compatible types to compare List(", LIST),
    ("There isn't a common type to coerce List(", LIST),
    (
        "Physical plan does not support logical expression",
        "a subquery of this form cannot stand here; write a join with its result, or put the condition into WHERE",
    ),
    (
        "Too many columns! The subquery should only return one column",
        "a subquery that stands for a value has one column; for several write a join, or WHERE EXISTS (SELECT 1 … WHERE b.x = a.x AND b.y = a.y)",
    ),
    (
        "Cannot create filter with non-boolean predicate",
        "a condition is true or false; write version <> 0, or (metadata->'flag')::boolean for a JSON value under another name",
    ),
    (
        "Source table contains ",
        "AS t (a, b) has as many names as the table has columns, and (a, b) IN (SELECT …) as many values as the subquery has columns",
    ),
    (
        "Only identifiers and literals are supported in tuples",
        "(a, b) takes columns and constants only where it is a value; write row(lower(a), b)",
    ),
    (
        "Unary operator '-' only supports",
        "a minus sign is for numbers and intervals; write a cast, as in -((metadata->'n')::double precision)",
    ),
    (
        "Empty tuple not supported",
        "GROUP BY () is not available; leave it out, an aggregate alone is of all rows",
    ),
    ("Slice subscript requires an upper bound", "a slice has two ends; write a[2:array_length(a, 1)]"),
    ("Slice subscript requires a lower bound", "a slice has two ends; write a[1:2]"),
    (
        "Scalar subquery returned more than one row",
        "a subquery that stands for a value gives more than one row; write max(…), or LIMIT 1, in it",
    ),
    (
        "Correlated scalar subquery must be aggregated",
        "a subquery of the row that stands for a value may give more than one row; write an aggregate in it, as in (SELECT max(b.id) …)",
    ),
    ("Unsupported LIMIT expression", "LIMIT and OFFSET take a number; write it, or give it as a parameter"),
    (
        "Failed to unify argument types of make_array",
        "values of a list are of one type; write casts, as in ARRAY[a::text, b::text]",
    ),
    ("array_concat does not support type", "array_cat takes lists; write ARRAY[…]"),
    (
        "Unexpected argument type to 'json_",
        "functions of JSON take JSON text and keys; write metadata->'key', or json_get(metadata, 'key')",
    ),
    ("Divide by zero", "divide by zero; write a / nullif(b, 0)"),
    (
        "Function 'array_has' ",
        "the values of the list and the value are of no one type; write casts, as in array_has(ARRAY[(metadata->'n')::double precision], 1)",
    ),
];
const LIST: &str = "a list is not compared with a value; write array_has(target_ids, 'd_1')";

/// What complaints about arguments say, and what to write.
const ARGUMENTS: [(&str, &str); 8] = [
    ("does not support type", "write a cast, as in x::bigint, or ARRAY[…] where it takes a list"),
    ("nsupported data type", "write a cast, as in x::timestamp or x::text"),
    ("expects array arguments", "write lists, as in ARRAY[1, 2]"),
    ("arguments but received", "write as many as it takes"),
    ("even number of arguments", "write pairs of a name and a value"),
    ("literal", "write that argument as a constant"),
    ("constant string", "write that argument as a constant"),
    ("Regular expression did not compile", "write \\ before a letter that stands for itself"),
];

/// A complaint about arguments with what to write.
pub(super) fn completed(text: String) -> String {
    let known = ARGUMENTS.iter().find(|(said, _)| text.contains(said) && !text.contains("; "));
    match known {
        Some((_, instead)) => format!("{}; {instead}", text.trim_end_matches('.')),
        None => text,
    }
}

/// What is wrong and what to write instead.
pub(super) fn of(message: &str) -> Option<String> {
    let known = INSTEAD.iter().find(|(start, _)| message.starts_with(start));
    known
        .map(|(_, instead)| instead.to_string())
        .or_else(|| no_such_value(message))
        .or_else(|| no_time(message))
        .or_else(|| no_arithmetic(message))
        .or_else(|| no_comparison(message))
        .or_else(|| not_grouped(message))
        .or_else(|| no_group(message))
        .or_else(|| no_table(message))
}

/// `Cast error: Cannot cast string 'x' to value of Date32 type`.
fn no_such_value(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("Cannot cast string '")?;
    let (text, data_type) = rest.rsplit_once("' to value of ")?;
    let data_type = data_type.split(" type").next()?;
    let instead = match data_type {
        "Date32" => "'2026-11-01', or to_date(col, 'DD.MM.YYYY')",
        "Boolean" => "true or false",
        time if time.starts_with("Timestamp") => "'2026-11-01 03:30:00', or to_timestamp(col, 'DD.MM.YYYY')",
        time if time.starts_with("Time") => "'03:30:00'",
        _ => "a value of that type, or a CASE around the cast for other texts",
    };
    Some(format!("'{text}' is no {data_type}; write {instead}"))
}

/// `Parser error: Error parsing timestamp from 'x': timestamp must contain at least 10 characters`.
fn no_time(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("Error parsing timestamp from '")?;
    let (text, reason) = rest.split_once("': ")?;
    Some(format!(
        "'{text}' is no timestamp ({reason}); write '2026-11-01 03:30:00', or to_timestamp(col, 'DD.MM.YYYY')"
    ))
}

/// `Cannot coerce arithmetic expression Utf8 * Int64 to valid types`.
fn no_arithmetic(message: &str) -> Option<String> {
    let (sides, _) =
        message.strip_prefix("Cannot coerce arithmetic expression ")?.split_once(" to valid types")?;
    Some(format!("there is no {sides}; write casts, as in a::double precision * 2"))
}

/// `Cannot infer common argument type for comparison operation Utf8 = Boolean`.
fn no_comparison(message: &str) -> Option<String> {
    let rest = message.strip_prefix("Cannot infer common argument type for ")?;
    let (_, sides) = rest.split_once(" operation ")?;
    Some(format!("there is no {sides}; write a cast on one side, as in a::text = b"))
}

/// `Argument … to grouping function is not in grouping columns …`.
fn not_grouped(message: &str) -> Option<String> {
    let is_so = message.contains("to grouping function is not in grouping columns");
    is_so.then(|| "grouping(…) takes a column of GROUP BY; write GROUP BY metadata->>'n' and grouping(metadata->>'n')".to_string())
}

/// `Column in SELECT must be in GROUP BY …: … column "events.id" must appear …`.
fn no_group(message: &str) -> Option<String> {
    let rest = message.strip_prefix("Column in ")?;
    let (clause, rest) = rest.split_once(" must be in GROUP BY")?;
    let column = rest.split_once("column \"")?.1.split('"').next()?;
    let column = column.strip_prefix("events.").unwrap_or(column);
    Some(format!(
        "{column} in {clause} is neither grouped by nor in an aggregate; write it into GROUP BY, or any_value({column})"
    ))
}

/// `table 'auditlake.public.nosuch' not found`.
fn no_table(message: &str) -> Option<String> {
    let (name, _) = message.strip_prefix("table '")?.split_once("' not found")?;
    let name = name.strip_prefix("auditlake.public.").unwrap_or(name);
    Some(format!("there is no table {name}; write FROM events"))
}
