//! What the engine says, in one line and in the words of SQL.
//!
//! In: a message of the engine. Out: the same complaint without lists of candidates, traces and debug output; what has a better word
//! is said with it.

use super::{super::functions::names, instead};

/// Letters of a message; longer ones are cut.
const LETTERS_MAX: usize = 300;
/// Columns that are suggested instead of one that does not exist.
const SUGGESTIONS_MAX: usize = 4;
/// What the engine puts before its messages.
const PREFIXES: [&str; 6] = [
    "Error during planning: ",
    "Execution error: ",
    "This feature is not implemented: ",
    "Schema error: ",
    "Arrow error: ",
    "External error: ",
];
/// Types of the engine, and what they are in SQL. Longer names before those that they hold.
const TYPES: [(&str, &str); 21] = [
    ("Timestamp(ns, \"UTC\")", "timestamptz"),
    ("Timestamp(µs, \"UTC\")", "timestamptz"),
    ("Timestamp(ns)", "timestamp"),
    ("Timestamp(µs)", "timestamp"),
    ("Interval(MonthDayNano)", "interval"),
    ("Duration(µs)", "interval"),
    ("Time64(ns)", "time"),
    ("Time64(µs)", "time"),
    ("Utf8View", "text"),
    ("LargeUtf8", "text"),
    ("Utf8", "text"),
    ("UInt64", "bigint"),
    ("Int64", "bigint"),
    ("UInt32", "integer"),
    ("Int32", "integer"),
    ("Int16", "smallint"),
    ("Float64", "double precision"),
    ("Float32", "real"),
    ("Date32", "date"),
    ("Boolean", "boolean"),
    ("BinaryView", "bytea"),
];

/// Functions that are window functions only.
const WINDOW_FUNCTIONS: [&str; 8] =
    ["rank", "dense_rank", "percent_rank", "cume_dist", "row_number", "ntile", "lag", "lead"];
/// One line that says what is wrong.
pub(super) fn one_line(message: &str) -> String {
    let message = message.split("\n\nbacktrace:").next().unwrap_or_default().trim();
    let message = without_prefixes(message);
    let text = unknown_function(message)
        .or_else(|| unknown_column(message))
        .or_else(|| correlated(message))
        .or_else(|| instead::of(message))
        .or_else(|| wrong_arguments(message))
        .or_else(|| wrong_argument(message))
        .or_else(|| wrong_pattern(message))
        .unwrap_or_else(|| instead::completed(shortened(message)));
    let text = in_words(&text);
    let mut letters = text.chars();
    let mut shown: String = letters.by_ref().take(LETTERS_MAX).collect();
    if letters.next().is_some() {
        shown.push('…');
    }
    shown
}

fn without_prefixes(mut message: &str) -> &str {
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| message.strip_prefix(prefix)) {
        message = rest;
    }
    message
}

/// The first line, without what only the engine's authors read.
fn shortened(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    // What our own functions say stands behind what the engine says about them.
    let line = line.rsplit_once("coercion failed with: ").map_or(line, |(_, said)| without_prefixes(said));
    let line = line.split(". No function matches the given name").next().unwrap_or_default();
    let line = line.split(" This issue was likely caused by a bug").next().unwrap_or_default();
    line.trim().to_string()
}

/// `Invalid function 'a'.\nDid you mean 'b'?`
fn unknown_function(message: &str) -> Option<String> {
    let rest = message.strip_prefix("Invalid function '")?;
    let (name, rest) = rest.split_once('\'')?;
    if WINDOW_FUNCTIONS.contains(&name) {
        return Some(format!("function {name} needs OVER, as in {name}(…) OVER (ORDER BY occurred_at)"));
    }
    if let Some(hint) = names::hint(name) {
        return Some(format!("function '{name}'; {hint}"));
    }
    let near = rest.split('\'').nth(1).filter(|near| is_near(name, near));
    let near = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
    let near = if near.is_empty() { "; write one of those in docs/sql-dialect.md" } else { near.as_str() };
    Some(format!("there is no function '{name}'{near}"))
}

/// Whether two names have most of their first letters in common: other suggestions only mislead.
fn is_near(a: &str, b: &str) -> bool {
    let common = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    common >= 3 && common * 2 >= a.chars().count()
}

/// `No field named a. Did you mean 'b'?\nValid fields are …`
fn unknown_column(message: &str) -> Option<String> {
    let rest = message.strip_prefix("No field named ")?;
    let (name, suggestion) = match rest.split_once(". Did you mean '") {
        Some((name, rest)) => (name, rest.split('\'').next()),
        None => (rest.split(['\n', ' ']).next().unwrap_or_default().trim_end_matches('.'), None),
    };
    let name = name.trim_matches('"');
    let near = match beginning_with(name, rest).or(suggestion.map(|near| without_table(near).to_string())) {
        Some(near) => format!("; did you mean {near}?"),
        None => "; SHOW COLUMNS FROM events lists them".to_string(),
    };
    Some(format!("there is no column {name}{near}"))
}

/// The columns that begin with what was typed: `actor` is most often meant as `actor_id`.
fn beginning_with(name: &str, message: &str) -> Option<String> {
    let (_, fields) = message.split_once("Valid fields are ")?;
    let fields = fields.trim_end_matches('.').split(", ").map(without_table);
    let found: Vec<&str> = fields.filter(|field| field.starts_with(name)).take(SUGGESTIONS_MAX).collect();
    (!found.is_empty()).then(|| found.join(", "))
}

fn without_table(field: &str) -> &str {
    field.strip_prefix("events.").unwrap_or(field)
}

/// `… No function matches the given name and argument types 'sum(Utf8View)'. You might …`, and `Failed to coerce arguments to satisfy a
/// call to 'sqrt' function: coercion from Utf8View to the signature …`.
fn wrong_arguments(message: &str) -> Option<String> {
    if message.contains("user-defined coercion failed with: ") && message.contains("; write ") {
        return None;
    }
    if let Some((_, rest)) = message.rsplit_once("Failed to coerce arguments to satisfy a call to '") {
        let (name, rest) = rest.split_once("' function: coercion from ")?;
        let (types, _) = rest.split_once(" to the signature ")?;
        return Some(not_these(name, &format!("{name}({types})")));
    }
    if message.contains("user-defined coercion failed with: ") && message.contains(" takes ") {
        return None;
    }
    let (_, rest) = message.split_once("No function matches the given name and argument types '")?;
    let (call, _) = rest.split_once("'. You might")?;
    let (name, _) = call.split_once('(')?;
    if name == "date_trunc" && call.contains("Interval") {
        return Some(
            "date_trunc, century and millennium take a time, not an interval; write extract(year FROM …) / 100"
                .to_string(),
        );
    }
    if message.contains("user-defined coercion failed with: Error during planning: ")
        && !message.contains("expects")
    {
        let said = shortened(message);
        return wrong_argument(&said)
            .or_else(|| instead::of(&said))
            .or_else(|| Some(instead::completed(said)));
    }
    Some(not_these(name, call))
}

fn not_these(name: &str, call: &str) -> String {
    format!("function {name} does not take these arguments: {call}; cast them, as in {name}(col::bigint)")
}

/// An argument of another type than the one that a function takes.
fn wrong_argument(message: &str) -> Option<String> {
    let (name, rest) = message.strip_prefix("Function '")?.split_once("' requires ")?;
    let (takes, rest) = rest.split_once(", but received ")?;
    let (given, _) = rest.split_once(" (DataType: ")?;
    Some(format!("function {name} takes {takes} here and was given {given}; write a value of that type"))
}

/// What is wrong with a regular expression is in the last line.
fn wrong_pattern(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("regex parse error:")?;
    let reason = rest.lines().rev().find_map(|line| line.trim().strip_prefix("error: "))?;
    Some(format!(
        "the regular expression cannot be read: {reason}; write \\ before a letter that stands for itself, and no flags but (?i)"
    ))
}

/// Subqueries that name columns of the query around them, in a way that the engine cannot turn into a join.
fn correlated(message: &str) -> Option<String> {
    let instead = "a subquery of this form that names columns outside of it is not available; \
                   write a join, or row_number() OVER (PARTITION BY …) in a subquery";
    if message.contains("null_aware") {
        return Some(
            "NOT IN (SELECT …) that names columns outside of it is not available; write NOT EXISTS (SELECT 1 FROM … AS b WHERE b.x = a.x AND …)"
                .to_string(),
        );
    }
    message.contains("OuterReferenceColumn").then(|| instead.to_string())
}

/// Types of the engine in the words of SQL; a type of any JSON value without all that it may be.
fn in_words(text: &str) -> String {
    let mut text = text.to_string();
    while let Some(start) = text.find("Union(") {
        let mut depth = 0;
        let end = text[start..].char_indices().find_map(|(offset, letter)| {
            depth += match letter {
                '(' => 1,
                ')' => -1,
                _ => return None,
            };
            (depth == 0).then_some(start + offset + 1)
        });
        text.replace_range(start..end.unwrap_or(text.len()), "a JSON value");
    }
    TYPES.iter().fold(text, |text, (engine, sql)| text.replace(engine, sql))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch lists, traces and types of the engine in front of a user.
    #[test]
    fn messages_are_one_line_of_sql() {
        for (engine, shown) in [
            (
                "Invalid function 'regexp_lik'.\nDid you mean 'regexp_like'?",
                "there is no function 'regexp_lik'; did you mean 'regexp_like'?",
            ),
            (
                "Invalid function 'frobnicate'.\nDid you mean 'acosh'?",
                "there is no function 'frobnicate'; write one of those in docs/sql-dialect.md",
            ),
            (
                "No field named actr. Did you mean 'events.action'?\nValid fields are a, b.",
                "there is no column actr; did you mean action?",
            ),
            (
                "No field named actor. Did you mean 'events.action'?\nValid fields are events.id, events.actor_type, events.actor_id.",
                "there is no column actor; did you mean actor_type, actor_id?",
            ),
            (
                "No field named t.\nValid fields are a, b.",
                "there is no column t; SHOW COLUMNS FROM events lists them",
            ),
            (
                "Failed to coerce arguments to satisfy a call to 'sum' function: coercion from Utf8View to the signature OneOf([Exact([])]) failed No function matches the given name and argument types 'sum(Utf8View)'. You might need to add explicit type casts.\n\tCandidate functions:\n\tsum(x)",
                "function sum does not take these arguments: sum(text); cast them, as in sum(col::bigint)",
            ),
            (
                "Function 'percentile_cont' requires Float64, but received List(Float64) (DataType: List(Float64)).",
                "function percentile_cont takes double precision here and was given List(double precision); write a value of that type",
            ),
            (
                "Function 'percentile_cont' user-defined coercion failed with: Error during planning: Function 'percentile_cont' requires Float64, but received List(Float64) (DataType: List(Float64)).. No function matches the given name and argument types 'percentile_cont(List(Float64))'. You might need to add explicit type casts.",
                "function percentile_cont takes double precision here and was given List(double precision); write a value of that type",
            ),
            (
                "Cannot coerce Union(Sparse, 0: (\"null\": Null), 1: (\"b\": Boolean)) - Int64 to valid types",
                "Cannot coerce a JSON value - bigint to valid types",
            ),
            (
                "regex parse error:\n    (?n)a\n     ^\nerror: unrecognized flag",
                "the regular expression cannot be read: unrecognized flag; write \\ before a letter that stands for itself, and no flags but (?i)",
            ),
        ] {
            assert_eq!(one_line(engine), shown);
        }
    }
}
