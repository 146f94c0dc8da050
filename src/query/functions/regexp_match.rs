//! `regexp_match(text, pattern, flags)`: what the groups of a regular expression matched.
//!
//! In: a text, a pattern in the engine's syntax and letters of flags. Out: NULL where nothing matches, else one text for each group in their
//! order, NULL for a group that took no part, as PostgreSQL has it; without groups, the whole match. The engine's own leaves such groups out,
//! so that the positions of those after them change.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListBuilder, StringBuilder},
    datatypes::{DataType, Field},
};
use datafusion::{
    common::{exec_datafusion_err, plan_err},
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF},
};
use regex::Regex;

use super::{
    frame::{Function, udf},
    text,
};

/// The function, for registration.
pub(super) fn function() -> Arc<ScalarUDF> {
    udf(RegexpMatch)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RegexpMatch;

impl Function for RegexpMatch {
    fn name(&self) -> &'static str {
        "regexp_match"
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let are_texts = types.iter().all(|given| given.is_string() || given.is_null());
        match types.len() {
            2 | 3 if are_texts => Ok(vec![DataType::Utf8; types.len()]),
            _ => plan_err!(
                "regexp_match takes a text, a pattern and flags, as in regexp_match(col, 'id=(\\d+)')"
            ),
        }
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = (0..args.args.len())
            .map(|position| text::column(&args, position, &DataType::Utf8))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let (texts, patterns) = (columns[0].as_string::<i32>(), columns[1].as_string::<i32>());
        let flags = columns.get(2).map(|flags| flags.as_string::<i32>());
        let mut answers = ListBuilder::new(StringBuilder::new());
        let mut compiled = Compiled::default();
        for row in 0..args.number_rows {
            let is_null = |column: &dyn Array| column.is_null(row);
            if is_null(texts) || is_null(patterns) || flags.is_some_and(|flags| is_null(flags)) {
                answers.append_null();
                continue;
            }
            let flags = flags.map_or("", |flags| flags.value(row));
            let Some(groups) = compiled.of(patterns.value(row), flags)?.captures(texts.value(row)) else {
                answers.append_null();
                continue;
            };
            let first = usize::from(groups.len() > 1);
            for group in groups.iter().skip(first) {
                answers.values().append_option(group.map(|group| group.as_str()));
            }
            answers.append(true);
        }
        Ok(text::answer(Arc::new(answers.finish())))
    }
}

/// The expression of the row before: most calls have one pattern.
#[derive(Default)]
struct Compiled {
    last: Option<(String, String, Regex)>,
}

impl Compiled {
    fn of(&mut self, pattern: &str, flags: &str) -> Result<&Regex> {
        let is_last = self.last.as_ref().is_some_and(|(last, with, _)| last == pattern && with == flags);
        if !is_last {
            if let Some(other) = flags.chars().find(|flag| !"imsx".contains(*flag)) {
                return Err(exec_datafusion_err!(
                    "regexp_match takes the flags i, m, s and x, not '{other}'"
                ));
            }
            let whole = match flags {
                "" => pattern.to_owned(),
                flags => format!("(?{flags}){pattern}"),
            };
            let regex = Regex::new(&whole).map_err(|error| exec_datafusion_err!("{error}"))?;
            self.last = Some((pattern.to_owned(), flags.to_owned(), regex));
        }
        match &self.last {
            Some((_, _, regex)) => Ok(regex),
            None => Err(exec_datafusion_err!("a regular expression was not compiled")),
        }
    }
}
