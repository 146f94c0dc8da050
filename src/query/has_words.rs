//! `has_words(column, 'words')`: whether a text has all of some words.
//!
//! In: a text column, and words. Out: true where the text has each of the words, as a whole word, in any order; null for
//! a null. What a word is, and how case is folded, [`crate::index::words`] says. On the JSON columns (`metadata`,
//! `changes`, `targets`, `actor_metadata`, under these names) the words are those of the decoded keys and values.
//! Where the second argument is a constant and the first one of [`crate::index::field::WORD_COLUMNS`], files without
//! the words are not read.

use std::{collections::HashSet, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray},
    compute::cast,
    datatypes::DataType,
};
use datafusion::{
    common::{exec_err, plan_err},
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};

use crate::{
    event::schema::JSON_COLUMNS,
    index::words::{for_each_word, words},
};

/// The function's name in SQL.
pub(crate) const NAME: &str = "has_words";

/// The function, for registration.
pub(crate) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(HasWords { signature: Signature::user_defined(Volatility::Immutable) }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct HasWords {
    signature: Signature,
}

impl ScalarUDFImpl for HasWords {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let is_text = |given: &DataType| given.is_string() || given.is_null();
        match types {
            [text, words] if is_text(text) && is_text(words) => Ok(vec![DataType::Utf8View; 2]),
            _ => plan_err!(
                "has_words takes a text column and a text with the words, as in has_words(metadata, 'apollo')"
            ),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let json = JSON_COLUMNS.contains(&args.arg_fields[0].name().as_str());
        let rows = args.number_rows;
        let [text, wanted] = args.args.as_slice() else {
            return exec_err!("has_words takes two arguments, not {}", args.args.len());
        };
        let text = as_views(text.to_array(rows)?)?;
        let answers = match wanted {
            ColumnarValue::Scalar(wanted) => match wanted.try_as_str().flatten() {
                Some(wanted) => {
                    let wanted = Wanted::new(wanted)?;
                    text.as_string_view()
                        .iter()
                        .map(|text| text.map(|text| wanted.are_in(text, json)))
                        .collect()
                }
                None => BooleanArray::new_null(rows),
            },
            ColumnarValue::Array(wanted) => {
                let wanted = as_views(Arc::clone(wanted))?;
                let pairs = text.as_string_view().iter().zip(wanted.as_string_view().iter());
                let answers = pairs.map(|pair| match pair {
                    (Some(text), Some(wanted)) => {
                        Wanted::new(wanted).map(|wanted| Some(wanted.are_in(text, json)))
                    }
                    _ => Ok(None),
                });
                answers.collect::<Result<BooleanArray>>()?
            }
        };
        Ok(ColumnarValue::Array(Arc::new(answers)))
    }
}

fn as_views(array: ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Utf8View => Ok(array),
        _ => Ok(cast(&array, &DataType::Utf8View)?),
    }
}

/// The words to look for.
struct Wanted(Vec<String>);

impl Wanted {
    fn new(text: &str) -> Result<Self> {
        match words(text, false) {
            words if words.is_empty() => exec_err!("has_words: there is no word in '{text}'"),
            words => Ok(Self(words)),
        }
    }

    fn are_in(&self, text: &str, json: bool) -> bool {
        let mut missing: HashSet<&str> = self.0.iter().map(String::as_str).collect();
        for_each_word(text, json, |word| {
            missing.remove(word);
        });
        missing.is_empty()
    }
}
