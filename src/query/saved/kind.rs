//! Types of parameters: what a value may be, and what is bound for it.
//!
//! In: a JSON value, or the text that a person typed for it. Out: the value to bind, in one form each: dates as
//! `yyyy-mm-dd`, times as RFC 3339 in UTC with microseconds, addresses in their canonical text. Guaranteed: what is bound can be compared with a column
//! of its type; everything else is refused here, where its parameter is known, and not while the query runs.

use std::{fmt, net::IpAddr};

use arrow::{array::StringArray, compute::regexp_is_match_scalar};
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Text, not empty.
    Text,
    /// Texts, at least one: a JSON array, or one text with commas between them.
    List,
    /// A regular expression, found anywhere in a text.
    Pattern,
    /// A day: `2026-03-31`, `today` or `today-7`.
    Date,
    /// A moment: RFC 3339, or the beginning of a day (UTC) in one of the forms above.
    Timestamp,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An IP address, in whatever spelling.
    Address,
}

impl Kind {
    /// All types, as headers know them.
    pub const ALL: [Self; 9] = [
        Self::Text,
        Self::List,
        Self::Pattern,
        Self::Date,
        Self::Timestamp,
        Self::Integer,
        Self::Number,
        Self::Boolean,
        Self::Address,
    ];

    /// The name in a header and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::List => "list",
            Self::Pattern => "pattern",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Address => "address",
        }
    }

    /// What a value has to be, for the error that names one that is not.
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Text => "text that is not empty",
            Self::List => "a list of texts, such as a,b or [\"a\", \"b\"]",
            Self::Pattern => "a regular expression",
            Self::Date => "a date, such as 2026-03-31, today or today-7",
            Self::Timestamp => "a time, such as 2026-03-31T09:30:00Z, 2026-03-31 or today-7",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Address => "an IP address, such as 203.0.113.7 or 2001:db8::1",
        }
    }

    /// The value to bind for `given`, on the day `today`; `None` if it is of another type.
    pub(super) fn read(self, given: &Value, today: NaiveDate) -> Option<Value> {
        match (self, given) {
            (Self::Text, Value::String(text)) => (!text.is_empty()).then(|| given.clone()),
            (Self::List, _) => list(given),
            (Self::Pattern, Value::String(text)) => compiles(text).then(|| given.clone()),
            (Self::Date, Value::String(text)) => day(text, today).map(|day| day.to_string().into()),
            (Self::Timestamp, Value::String(text)) => moment(text, today).map(Value::from),
            (Self::Integer, Value::Number(number)) => number.as_i64().map(Value::from),
            (Self::Integer, Value::String(text)) => text.parse::<i64>().ok().map(Value::from),
            (Self::Number, Value::Number(number)) => number.as_f64().map(Value::from),
            (Self::Number, Value::String(text)) => {
                text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from)
            }
            (Self::Boolean, Value::Bool(_)) => Some(given.clone()),
            (Self::Boolean, Value::String(text)) => text.parse::<bool>().ok().map(Value::from),
            (Self::Address, Value::String(text)) => {
                text.parse::<IpAddr>().ok().map(|address| address.to_canonical().to_string().into())
            }
            _ => None,
        }
    }

    /// Some value of the type: enough to plan a query with.
    pub(super) fn sample(self) -> Value {
        match self {
            Self::Text | Self::List | Self::Pattern => Value::from("x"),
            Self::Date | Self::Timestamp => Value::from("today"),
            Self::Integer | Self::Number => Value::from(1),
            Self::Boolean => Value::from(true),
            Self::Address => Value::from("203.0.113.7"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

fn list(given: &Value) -> Option<Value> {
    let items = match given {
        Value::Array(items) => items.clone(),
        // An id may have a comma in it; then the list is written as JSON.
        Value::String(text) if text.starts_with('[') => serde_json::from_str(text).ok()?,
        Value::String(text) => text.split(',').map(|item| Value::from(item.trim())).collect(),
        _ => return None,
    };
    let texts = items.iter().all(|item| item.as_str().is_some_and(|text| !text.is_empty()));
    (texts && !items.is_empty()).then_some(Value::Array(items))
}

/// Whether the engine would take the pattern: asked of the function that will match it.
fn compiles(pattern: &str) -> bool {
    !pattern.is_empty() && regexp_is_match_scalar(&StringArray::from(vec![""]), pattern, Some("i")).is_ok()
}

/// `today`, `today-29` or a date of a year with four digits.
fn day(text: &str, today: NaiveDate) -> Option<NaiveDate> {
    match text.strip_prefix("today") {
        Some("") => Some(today),
        Some(ago) => today.checked_sub_days(Days::new(ago.strip_prefix('-')?.parse().ok()?)),
        None => text.parse().ok(),
    }
    .filter(|day: &NaiveDate| (0..=9999).contains(&day.year()))
}

fn moment(text: &str, today: NaiveDate) -> Option<String> {
    let time = match day(text, today) {
        Some(day) => day.and_time(NaiveTime::MIN).and_utc(),
        None => DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc),
    };
    (0..=9999).contains(&time.year()).then(|| time.to_rfc3339_opts(SecondsFormat::Micros, true))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(kind: Kind, given: Value) -> Option<Value> {
        kind.read(&given, NaiveDate::from_ymd_opt(2026, 3, 31).unwrap())
    }

    /// Would catch a value bound as another type than its parameter has, in JSON or as typed.
    #[test]
    fn values_become_what_is_bound() {
        for (kind, given, bound) in [
            (Kind::Text, json!("17"), json!("17")),
            (Kind::List, json!("a, b"), json!(["a", "b"])),
            (Kind::List, json!(["a,b"]), json!(["a,b"])),
            (Kind::List, json!("[\"a,b\"]"), json!(["a,b"])),
            (Kind::Pattern, json!("a|b$"), json!("a|b$")),
            (Kind::Date, json!("2026-01-02"), json!("2026-01-02")),
            (Kind::Date, json!("today"), json!("2026-03-31")),
            (Kind::Date, json!("today-31"), json!("2026-02-28")),
            (Kind::Timestamp, json!("2026-01-02T03:04:05+01:00"), json!("2026-01-02T02:04:05.000000Z")),
            (Kind::Timestamp, json!("today-1"), json!("2026-03-30T00:00:00.000000Z")),
            (Kind::Integer, json!(7), json!(7)),
            (Kind::Integer, json!("-7"), json!(-7)),
            (Kind::Number, json!(5), json!(5.0)),
            (Kind::Number, json!("5.5"), json!(5.5)),
            (Kind::Boolean, json!(false), json!(false)),
            (Kind::Boolean, json!("true"), json!(true)),
            (Kind::Address, json!("203.0.113.7"), json!("203.0.113.7")),
            (Kind::Address, json!("::FFFF:CB00:7107"), json!("203.0.113.7")),
            (Kind::Address, json!("2001:0DB8:0:0::1"), json!("2001:db8::1")),
        ] {
            assert_eq!(read(kind, given.clone()), Some(bound), "{kind} {given}");
            assert!(read(kind, kind.sample()).is_some(), "{kind}");
        }
    }

    /// Would catch a value that fails only when the query runs, where nobody knows its parameter any more.
    #[test]
    fn other_values_are_refused() {
        for (kind, given) in [
            (Kind::Text, json!("")),
            (Kind::Text, json!(17)),
            (Kind::List, json!([])),
            (Kind::List, json!("a,,b")),
            (Kind::List, json!(["a", 1])),
            (Kind::List, json!("[a]")),
            (Kind::Pattern, json!("(a")),
            (Kind::Pattern, json!("")),
            (Kind::Date, json!("yesterday")),
            (Kind::Date, json!("2026-02-30")),
            (Kind::Date, json!("+12026-01-01")),
            (Kind::Date, json!("today-")),
            (Kind::Date, json!("today-999999999999")),
            (Kind::Date, json!(20260101)),
            (Kind::Timestamp, json!("2026-01-02 03:04")),
            (Kind::Timestamp, json!("2026-01-02T03:04:05")),
            (Kind::Integer, json!(1.5)),
            (Kind::Integer, json!("many")),
            (Kind::Integer, json!(u64::MAX)),
            (Kind::Number, json!("NaN")),
            (Kind::Boolean, json!("yes")),
            (Kind::Boolean, json!(1)),
            (Kind::Address, json!("203.0.113.0/24")),
            (Kind::Address, json!("203.0.113.007")),
            (Kind::Address, json!("")),
        ] {
            assert_eq!(read(kind, given.clone()), None, "{kind} {given}");
        }
    }

    /// Would catch a type that a header can name and JSON cannot, or the other way round.
    #[test]
    fn types_have_one_name() {
        for kind in Kind::ALL {
            assert_eq!(json!(kind), json!(kind.name()));
        }
    }
}
