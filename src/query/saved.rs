//! Saved investigations: questions that incident responders ask again and again, by name and with typed parameters.
//!
//! In: the files of `queries/`, which are part of the program, and those of a folder of the user's. Out: a
//! [`Catalogue`]; from it, by name, an [`Investigation`]; and from that, with values for its parameters, what the
//! engine runs. Guaranteed: values are bound, never pasted into text; a value that does not fit names its parameter
//! and what was expected; a file of the user's that could not run is refused when it is read, with its line.
//!
//! `header` reads what a file says about itself, `kind` gives values their types, `folder` reads the user's files,
//! and `check` plans each of them before anybody asks it.

mod check;
mod folder;
mod header;
mod kind;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use kind::Kind;

use super::{Request, Scope};
use crate::error::{Error, ErrorKind, Result, pointer_to};

/// Letters that two names may differ by and still be taken for one another.
const TYPING_SLIPS_MAX: usize = 3;
/// Characters of a bad value that its error repeats.
const VALUE_CHARS_SHOWN_MAX: usize = 100;

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../queries/", $name, ".sql")))),+]
    };
}

/// Name and text of every file of `queries/`.
const BUILT_IN: [(&str, &str); 15] = files![
    "account-takeover",
    "activity-by-hour",
    "actor-timeline",
    "api-keys",
    "credential-actions",
    "denied-attempts",
    "dormant-accounts",
    "failed-logins",
    "first-and-last-seen",
    "mass-export",
    "new-locations",
    "outside-working-hours",
    "permission-changes",
    "resource-history",
    "who-deleted",
];

/// What a file says about itself: what a person needs to ask its question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The file's name without `.sql`.
    pub name: String,
    /// A few words.
    pub title: String,
    /// The question answered, in full; lines as they stand in the file.
    pub question: String,
    /// What can be asked for.
    pub parameters: Vec<Parameter>,
    /// What the answer has, in order.
    pub columns: Vec<Column>,
}

/// A parameter of an investigation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// `$name` in the SQL.
    pub name: String,
    /// What values it takes.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The value if none is given; null if there is none. A date may be `today` or `today-N`.
    pub default: Value,
    /// Whether a value must be given. Without, and without a default, null is bound: the question is not narrowed.
    pub required: bool,
    /// What it means.
    pub about: String,
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// As in the answer.
    pub name: String,
    /// What it means.
    pub about: String,
}

/// One saved investigation.
#[derive(Clone, Debug)]
pub struct Investigation {
    description: Description,
    /// The whole file: its header is SQL comments.
    sql: Arc<str>,
}

impl Investigation {
    /// What it says about itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// What the engine runs to answer it on the day `today`, with `given` values and defaults for the rest.
    ///
    /// Values have the JSON type of their parameter or are its text form, so that a command line can pass them as
    /// they are typed; null is the same as not given.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] naming the parameter that is unknown or missing, or whose value does not fit, and what
    /// was expected.
    pub fn request(&self, given: &Map<String, Value>, scope: Scope, today: NaiveDate) -> Result<Request> {
        Ok(Request { sql: self.sql.to_string(), params: self.values(given, today)?, scope })
    }

    fn values(&self, given: &Map<String, Value>, today: NaiveDate) -> Result<Map<String, Value>> {
        let parameters = &self.description.parameters;
        if let Some(name) = given.keys().find(|name| parameters.iter().all(|known| known.name != **name)) {
            return Err(self.unknown_parameter(name));
        }
        let mut values = Map::new();
        for parameter in parameters {
            let value = given.get(&parameter.name).filter(|value| !value.is_null());
            values.insert(parameter.name.clone(), parameter.value(value, today)?);
        }
        check_range(&values)?;
        Ok(values)
    }

    fn unknown_parameter(&self, name: &str) -> Error {
        let known: Vec<&str> = self.description.parameters.iter().map(|known| &*known.name).collect();
        let has = match known.as_slice() {
            [] => "it has none".to_owned(),
            known => format!("it has {}", known.join(", ")),
        };
        wrong(name, format!("query '{}' has no parameter '{name}'; {has}", self.description.name))
    }
}

impl Parameter {
    /// The value to bind: what is given, else the default, else null.
    fn value(&self, given: Option<&Value>, today: NaiveDate) -> Result<Value> {
        let expected = || self.kind.expected();
        let value = match given {
            Some(given) => given,
            None if self.required => {
                let about = &self.about;
                let message =
                    format!("parameter '{}' is missing; expected {}: {about}", self.name, expected());
                return Err(wrong(&self.name, message));
            }
            None if self.default.is_null() => return Ok(Value::Null),
            None => &self.default,
        };
        self.kind.read(value, today).ok_or_else(|| {
            let message = format!("parameter '{}' is {}; expected {}", self.name, shown(value), expected());
            wrong(&self.name, message)
        })
    }
}

/// Every investigation by its name. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Catalogue {
    by_name: Arc<BTreeMap<String, Investigation>>,
}

impl Catalogue {
    /// The built-in investigations, and the `*.sql` files of a folder if one is given.
    ///
    /// Reads files and plans queries: not for threads that serve.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a folder that cannot be read; for a file that is no investigation or whose SQL
    /// cannot be planned, naming file and line; and for a file with the name of a built-in investigation, naming both.
    pub fn load(folder: Option<&Path>) -> Result<Self> {
        let mut by_name = BTreeMap::new();
        for (name, text) in BUILT_IN {
            let description = header::read(name, text)
                .map_err(|wrong| Error::new(ErrorKind::Internal, wrong.at(&format!("queries/{name}.sql"))))?;
            by_name.insert(name.to_owned(), Investigation { description, sql: text.into() });
        }
        if let Some(folder) = folder {
            for (path, investigation) in folder::read(folder)? {
                let name = investigation.description.name.clone();
                if by_name.contains_key(&name) {
                    return Err(invalid(format!(
                        "{}: there is a built-in query '{name}' already; give the file another name",
                        path.display()
                    )));
                }
                by_name.insert(name, investigation);
            }
        }
        Ok(Self { by_name: Arc::new(by_name) })
    }

    /// The investigation of that name.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] with the names that are meant perhaps.
    pub fn get(&self, name: &str) -> Result<&Investigation> {
        self.by_name.get(name).ok_or_else(|| {
            let near = near(name, self.by_name.keys());
            let hint = match near.as_slice() {
                [] => "GET /v1/queries and `auditlake query` list all".to_owned(),
                near => format!("did you mean {}?", near.join(" or ")),
            };
            Error::new(ErrorKind::NotFound, format!("there is no query '{name}'; {hint}"))
        })
    }

    /// All descriptions, by name.
    pub fn descriptions(&self) -> impl Iterator<Item = &Description> {
        self.by_name.values().map(Investigation::description)
    }
}

/// A range that ends before it begins, or moments outside of the days that are read, have an empty answer or half of
/// one, which must not be taken for a good one.
fn check_range(values: &Map<String, Value>) -> Result<()> {
    let text = |name: &str| values.get(name).and_then(Value::as_str);
    // Days and moments have one form each, in which text sorts as time does.
    for (first, last) in [("from", "to"), ("since", "until")] {
        if let (Some(from), Some(to)) = (text(first), text(last))
            && from > to
        {
            return Err(wrong(
                first,
                format!("parameter '{first}' is {from}, which is after '{last}', {to}"),
            ));
        }
    }
    let (Some(from), Some(to)) = (text("from"), text("to")) else { return Ok(()) };
    for name in ["since", "until"] {
        if let Some(moment) = text(name)
            && moment.get(..from.len()).is_some_and(|day| day < from || day > to)
        {
            let message = format!(
                "parameter '{name}' is {moment}, which lies outside of the days asked for, from {from} to {to}"
            );
            return Err(wrong(name, message));
        }
    }
    Ok(())
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(VALUE_CHARS_SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Names that differ from `name` by a few letters, or that share its words; the nearest first.
fn near<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let mut found: Vec<(usize, &str)> = known
        .filter_map(|known| {
            let slips = edit_distance(&name, known);
            let shares = name.split('-').any(|word| word.len() > 3 && known.contains(word));
            (slips <= TYPING_SLIPS_MAX || shares).then_some((slips, known.as_str()))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, known)| known).take(3).collect()
}

/// Letters to insert, remove or replace to make one text the other (Levenshtein).
fn edit_distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, against) in other.chars().enumerate() {
            let replaced = diagonal + usize::from(letter != against);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[row.len() - 1]
}

fn wrong(parameter: &str, message: String) -> Error {
    invalid(message).about(pointer_to("/params", parameter))
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests;
