//! Saved questions: the SQL files of `queries/`, with what their comments say about them.
//!
//! A file begins with comment lines: the title; paragraphs that say what is asked; `param NAME TYPE DEFAULT
//! about` and `column NAME about`. Types are text, date, integer, number; a date's default may be `today` or
//! `today-N`; the default `required` means that there is none.

use chrono::{Days, NaiveDate};
use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Result};

/// Logins that follow a run of failed ones.
pub(super) const ACCOUNT_TAKEOVER: &str = include_str!("../../queries/account-takeover.sql");
/// Everything an actor did.
pub(super) const ACTOR_TIMELINE: &str = include_str!("../../queries/actor-timeline.sql");
/// Days on which an actor took far more than usual.
pub(super) const MASS_EXPORT: &str = include_str!("../../queries/mass-export.sql");

/// One saved question.
#[derive(Debug)]
pub(super) struct Investigation {
    pub(super) title: &'static str,
    pub(super) question: String,
    /// The whole file: its comments are SQL comments.
    pub(super) sql: &'static str,
    params: Vec<Parameter>,
}

#[derive(Debug)]
struct Parameter {
    name: &'static str,
    kind: &'static str,
    default: &'static str,
}

impl Investigation {
    /// Reads a file's comments. Errors name the line that is not understood.
    pub(super) fn parse(sql: &'static str) -> Result<Self> {
        let mut lines = sql.lines().map_while(|line| line.strip_prefix("--")).map(str::trim);
        let title = lines.next().unwrap_or_default();
        let (mut question, mut params) = (String::new(), Vec::new());
        for line in lines {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("param") => {
                    let (Some(name), Some(kind), Some(default)) = (words.next(), words.next(), words.next())
                    else {
                        return Err(not_understood(line));
                    };
                    if !matches!(kind, "text" | "date" | "integer" | "number") {
                        return Err(not_understood(line));
                    }
                    params.push(Parameter { name, kind, default });
                }
                Some("column") | None => {}
                Some(_) => {
                    question.push_str(if question.is_empty() { "" } else { "\n" });
                    question.push_str(line);
                }
            }
        }
        Ok(Self { title, question, sql, params })
    }

    /// Values for all parameters: those given, else their defaults on the day `today`.
    ///
    /// Errors: [`ErrorKind::Invalid`] for a name that is unknown or missing, or a value of another type.
    pub(super) fn values(&self, given: &[(&str, &str)], today: NaiveDate) -> Result<Map<String, Value>> {
        if let Some((name, _)) =
            given.iter().find(|(name, _)| self.params.iter().all(|param| param.name != *name))
        {
            let message = format!("{:?} has no parameter {name}", self.title);
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let mut values = Map::new();
        for param in &self.params {
            let value = given.iter().find(|(name, _)| *name == param.name).map(|(_, value)| *value);
            let text = match (value, param.default) {
                (Some(value), _) => value.to_owned(),
                (None, "required") => {
                    let message = format!("{:?} needs a value for {}", self.title, param.name);
                    return Err(Error::new(ErrorKind::Invalid, message));
                }
                (None, default) if param.kind == "date" => day(default, today),
                (None, default) => default.to_owned(),
            };
            values.insert(param.name.to_owned(), param.value(&text)?);
        }
        Ok(values)
    }
}

impl Parameter {
    fn value(&self, text: &str) -> Result<Value> {
        let value = match self.kind {
            "integer" => text.parse::<i64>().ok().map(Value::from),
            "number" => text.parse::<f64>().ok().map(Value::from),
            "date" => text.parse::<NaiveDate>().ok().map(|day| day.to_string().into()),
            _ => Some(Value::from(text)),
        };
        value.ok_or_else(|| {
            let message = format!("parameter {}: {text:?} is not of type {}", self.name, self.kind);
            Error::new(ErrorKind::Invalid, message)
        })
    }
}

/// `today`, `today-29` or a date as it stands.
fn day(default: &str, today: NaiveDate) -> String {
    let ago = match default.strip_prefix("today") {
        Some("") => Some(0),
        Some(ago) => ago.strip_prefix('-').and_then(|days| days.parse().ok()),
        None => None,
    };
    ago.and_then(|ago| today.checked_sub_days(Days::new(ago)))
        .map_or_else(|| default.to_owned(), |day| day.to_string())
}

fn not_understood(line: &str) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("saved question: {line:?} is not \"param NAME TYPE DEFAULT about\""),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 3, 31).unwrap()
    }

    /// Would catch a saved question whose comments and SQL speak of different parameters.
    #[test]
    fn every_file_names_its_parameters() {
        for sql in [ACCOUNT_TAKEOVER, ACTOR_TIMELINE, MASS_EXPORT] {
            let investigation = Investigation::parse(sql).unwrap();
            assert!(!investigation.title.is_empty() && !investigation.question.is_empty());
            let code: Vec<&str> = sql.lines().filter(|line| !line.starts_with("--")).collect();
            let code = code.join("\n");
            let mut used: Vec<&str> = code
                .split('$')
                .skip(1)
                .filter_map(|rest| rest.split(|letter: char| !letter.is_alphanumeric()).next())
                .collect();
            used.sort_unstable();
            used.dedup();
            let mut named: Vec<&str> = investigation.params.iter().map(|param| param.name).collect();
            named.sort_unstable();
            assert_eq!(used, named, "{}", investigation.title);
            assert!(code.contains("day BETWEEN $from AND $to"), "{}: no pruning by day", investigation.title);
        }
    }

    /// Would catch a default that ends on the wrong day, or a value sent as another type.
    #[test]
    fn values_have_their_types_and_defaults() {
        let investigation = Investigation::parse(ACCOUNT_TAKEOVER).unwrap();
        let values = investigation.values(&[("failures", "3")], today()).unwrap();
        let expected =
            json!({"from": "2026-03-02", "to": "2026-03-31", "action": "user.login", "failures": 3});
        assert_eq!(Value::Object(values), expected);
        for (given, expected) in [
            (("failures", "many"), "not of type integer"),
            (("from", "yesterday"), "not of type date"),
            (("since", "2026-01-01"), "no parameter since"),
        ] {
            let error = investigation.values(&[given], today()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        let missing = Investigation::parse(ACTOR_TIMELINE).unwrap().values(&[], today()).unwrap_err();
        assert!(missing.to_string().contains("actor"));
    }
}
