//! What a file says about itself, in the comment lines at its beginning.
//!
//! In: a file's text. Out: a [`Description`], or what is wrong and in which line. The first line is the title;
//! paragraphs say what is asked; then come, in any order:
//!
//! ```text
//! -- param NAME TYPE DEFAULT about
//! -- column NAME about
//! ```
//!
//! The types are those of [`Kind`]. A default is one word: a value of the type, `required` (there is none, one must be
//! given) or `optional` (there is none, null is bound).

use chrono::NaiveDate;
use serde_json::Value;

use super::{Column, Description, Kind, Parameter};

const PARAM_FORM: &str = "-- param NAME TYPE DEFAULT about";
const COLUMN_FORM: &str = "-- column NAME about";

/// What is wrong with a file, and in which of its lines.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) line: usize,
    pub(super) reason: String,
}

impl Wrong {
    pub(super) fn new(line: usize, reason: impl Into<String>) -> Self {
        Self { line, reason: reason.into() }
    }

    /// `queries/mine.sql:3: what is wrong`.
    pub(super) fn at(&self, file: &str) -> String {
        format!("{file}:{}: {}", self.line, self.reason)
    }
}

/// Reads the header of the file that is called `name`.
pub(super) fn read(name: &str, text: &str) -> Result<Description, Wrong> {
    let mut lines = comment_lines(text);
    let (_, title) = lines.next().unwrap_or_default();
    if title.is_empty() {
        return Err(Wrong::new(1, "the first line is not a title: -- Title"));
    }
    let mut found = Description {
        name: name.to_owned(),
        title: title.to_owned(),
        question: String::new(),
        parameters: Vec::new(),
        columns: Vec::new(),
    };
    let mut last = 1;
    for (line, text) in lines {
        last = line;
        match text.split_whitespace().next() {
            Some("param") => add_parameter(&mut found, line, text)?,
            Some("column") => add_column(&mut found, line, text)?,
            _ => {
                found.question.push_str(text);
                found.question.push('\n');
            }
        }
    }
    found.question = found.question.trim().to_owned();
    if found.question.is_empty() {
        return Err(Wrong::new(last, "the header does not say which question it answers"));
    }
    if found.columns.is_empty() {
        return Err(Wrong::new(last, format!("the header names no column: {COLUMN_FORM}")));
    }
    Ok(found)
}

/// The lines of the header with their numbers, without dashes.
pub(super) fn comment_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate();
    numbered.map_while(|(index, line)| line.strip_prefix("--").map(|text| (index + 1, text.trim())))
}

fn add_parameter(found: &mut Description, line: usize, text: &str) -> Result<(), Wrong> {
    let (words, about) = words::<4>(text);
    let [_, name, kind, default] = words;
    if about.is_empty() {
        return Err(Wrong::new(line, format!("{text:?} is not {PARAM_FORM}")));
    }
    check_name(name, line)?;
    if found.parameters.iter().any(|known| known.name == name) {
        return Err(Wrong::new(line, format!("there is a parameter '{name}' already")));
    }
    let Some(kind) = Kind::ALL.into_iter().find(|known| known.name() == kind) else {
        let known = Kind::ALL.map(Kind::name).join(", ");
        return Err(Wrong::new(line, format!("there is no type '{kind}'; there are {known}")));
    };
    let required = default == "required";
    let default = match default {
        "required" | "optional" => Value::Null,
        text => default_value(kind, text).ok_or_else(|| {
            let reason = format!(
                "the default of '{name}' is {text:?}; expected required, optional or {}",
                kind.expected()
            );
            Wrong::new(line, reason)
        })?,
    };
    let about = about.to_owned();
    found.parameters.push(Parameter { name: name.to_owned(), kind, default, required, about });
    Ok(())
}

fn add_column(found: &mut Description, line: usize, text: &str) -> Result<(), Wrong> {
    let ([_, name], about) = words::<2>(text);
    if about.is_empty() {
        return Err(Wrong::new(line, format!("{text:?} is not {COLUMN_FORM}")));
    }
    check_name(name, line)?;
    if found.columns.iter().any(|known| known.name == name) {
        return Err(Wrong::new(line, format!("there is a column '{name}' already")));
    }
    found.columns.push(Column { name: name.to_owned(), about: about.to_owned() });
    Ok(())
}

/// A default as it is kept: days stay as they are written, because `today` is another one each day.
fn default_value(kind: Kind, text: &str) -> Option<Value> {
    let given = Value::from(text);
    // Any day does to see whether it is one.
    let typed = kind.read(&given, NaiveDate::from_ymd_opt(2000, 1, 1)?)?;
    Some(if matches!(kind, Kind::Date | Kind::Timestamp) { given } else { typed })
}

/// The first words of a line and the rest of it; empty where there are no more.
fn words<const N: usize>(text: &str) -> ([&str; N], &str) {
    let mut rest = text;
    let words = [(); N].map(|()| {
        let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        rest = after.trim_start();
        word
    });
    (words, rest)
}

/// Names are such that SQL takes them without quotes.
fn check_name(name: &str, line: usize) -> Result<(), Wrong> {
    let mut letters = name.chars();
    let first = letters.next().is_some_and(|letter| letter.is_ascii_lowercase());
    if first && letters.all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
    {
        return Ok(());
    }
    Err(Wrong::new(line, format!("'{name}' is not a name of lowercase letters, digits and underscores")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Would catch a part of a header that is lost or put to another.
    #[test]
    fn headers_are_read_in_full() {
        let text = "-- Title: words\n--\n-- First line\n-- and second.\n--\n-- param who text required an id\n\
                    -- param least  integer  3  so many\n-- param day date today-1 when\n\
                    -- param other list optional ids\n--\n-- column n  how many there are\nSELECT 1 -- param x";
        let found = read("mine", text).unwrap();
        assert_eq!((found.name.as_str(), found.title.as_str()), ("mine", "Title: words"));
        assert_eq!(found.question, "First line\nand second.");
        let parameters = json!(found.parameters);
        assert_eq!(
            parameters,
            json!([
                {"name": "who", "type": "text", "default": null, "required": true, "about": "an id"},
                {"name": "least", "type": "integer", "default": 3, "required": false, "about": "so many"},
                {"name": "day", "type": "date", "default": "today-1", "required": false, "about": "when"},
                {"name": "other", "type": "list", "default": null, "required": false, "about": "ids"},
            ])
        );
        assert_eq!(json!(found.columns), json!([{"name": "n", "about": "how many there are"}]));
    }

    /// Would catch a broken header that is taken for half of a good one, or whose error names another line.
    #[test]
    fn broken_headers_are_refused_by_line() {
        let good = "-- T\n-- q\n-- param a text required x\n-- column n x\nSELECT 1";
        read("mine", good).unwrap();
        for (from, to, line, reason) in [
            ("-- T\n", "", 1, ""),
            ("-- T", "SELECT", 1, "title"),
            ("-- T", "--", 1, "title"),
            ("-- q\n", "", 3, "question"),
            ("-- column n x\n", "", 3, "column"),
            ("text required x", "text required", 3, "TYPE DEFAULT about"),
            ("a text", "a txt", 3, "pattern, date"),
            ("a text", "A text", 3, "'A' is not a name"),
            ("a text required", "a integer soon", 3, "expected required, optional or an integer"),
            ("-- q", "-- q\n-- param a text required x", 4, "'a' already"),
            ("column n x", "column n", 4, "NAME about"),
            ("column n x", "column n x\n-- column n y", 5, "'n' already"),
        ] {
            let text = good.replacen(from, to, 1);
            match read("mine", &text) {
                // Without its title, the question's first line is one.
                Err(wrong) if reason.is_empty() => assert_eq!(wrong.line, 3, "{text}"),
                Err(wrong) => {
                    assert!(wrong.line == line && wrong.reason.contains(reason), "{text}: {wrong:?}")
                }
                Ok(found) => panic!("{text}: {found:?}"),
            }
        }
        assert_eq!(Wrong::new(3, "odd").at("a.sql"), "a.sql:3: odd");
    }
}
