//! `has_words(column, …, 'words')`: whether texts have all of some words.
//!
//! In: text columns, and words. Out: true where each of the words is in one of the texts, as a whole word, in any order;
//! null where all the texts are null. What a word is, and how case is folded, [`crate::index::words`] says. On the JSON
//! columns (`metadata`, `changes`, `targets`, `actor_metadata`, under these names) the words are those of the decoded keys
//! and values. Where the last argument is a constant and the others are [`crate::index::field::WORD_COLUMNS`], files without
//! the words are not read.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, StringViewArray},
    compute::cast,
    datatypes::{DataType, FieldRef},
};
use datafusion::{
    common::{exec_err, plan_err},
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};

use super::remembered::Remembered;
use crate::{
    event::schema::JSON_COLUMNS,
    index::words::{for_each_word, words},
    limits::WORDS_MAX,
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
        match types.len() >= 2 && types.iter().all(is_text) {
            true => Ok(vec![DataType::Utf8View; types.len()]),
            false => plan_err!(
                "has_words takes text columns and a text with the words, as in has_words(metadata, 'apollo')"
            ),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some((wanted, given)) = args.args.split_last() else {
            return exec_err!("has_words takes at least two arguments");
        };
        let rows = args.number_rows;
        let arrays = given.iter().map(|text| as_views(text.to_array(rows)?));
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let mut texts: Vec<Texts<'_>> =
            arrays.iter().zip(&args.arg_fields).map(|(array, field)| Texts::new(array, field)).collect();
        let answers = match wanted {
            ColumnarValue::Scalar(wanted) => match wanted.try_as_str().flatten() {
                Some(wanted) => {
                    let wanted = Wanted::new(wanted)?;
                    (0..rows).map(|row| wanted.are_in(&mut texts, row)).collect()
                }
                None => BooleanArray::new_null(rows),
            },
            ColumnarValue::Array(wanted) => {
                let wanted = as_views(Arc::clone(wanted))?;
                let answers = wanted.as_string_view().iter().enumerate().map(|(row, wanted)| {
                    let Some(wanted) = wanted else { return Ok(None) };
                    texts.iter_mut().for_each(Texts::forget);
                    Ok(Wanted::new(wanted)?.are_in(&mut texts, row))
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

/// The words to look for; each is a bit.
struct Wanted(Vec<String>);

impl Wanted {
    fn new(text: &str) -> Result<Self> {
        match words(text, false) {
            words if words.is_empty() => exec_err!("has_words: there is no word in '{text}'"),
            words if words.len() > WORDS_MAX => {
                exec_err!("has_words: {} words are asked for; the most is {WORDS_MAX}", words.len())
            }
            words => Ok(Self(words)),
        }
    }

    /// Whether all are in the texts of a row; `None` if there are none.
    fn are_in(&self, texts: &mut [Texts<'_>], row: usize) -> Option<bool> {
        let all = u64::MAX >> (u64::BITS as usize - self.0.len());
        let (mut any, mut found) = (false, 0);
        for each in texts {
            let Some(here) = each.find(row, self) else { continue };
            any = true;
            found |= here;
            if found == all {
                return Some(true);
            }
        }
        any.then_some(false)
    }

    fn find(&self, text: &str, json: bool) -> u64 {
        let mut found = 0;
        for_each_word(text, json, |word| {
            if let Some(number) = self.0.iter().position(|wanted| wanted == word) {
                found |= 1 << number;
            }
        });
        found
    }
}

/// The texts of a column, and what was found in some of them.
struct Texts<'a> {
    array: &'a StringViewArray,
    json: bool,
    found: Remembered<u64>,
}

impl<'a> Texts<'a> {
    fn new(array: &'a ArrayRef, field: &FieldRef) -> Self {
        let json = JSON_COLUMNS.contains(&field.name().as_str());
        Self { array: array.as_string_view(), json, found: Remembered::new() }
    }

    /// Because other words are wanted.
    fn forget(&mut self) {
        self.found = Remembered::new();
    }

    /// Which words a row's text has; `None` if it is null.
    fn find(&mut self, row: usize, wanted: &Wanted) -> Option<u64> {
        if self.array.is_null(row) {
            return None;
        }
        let view = self.array.views()[row];
        let known = self.found.get(view);
        Some(known.unwrap_or_else(|| {
            let found = wanted.find(self.array.value(row), self.json);
            self.found.put(view, found);
            found
        }))
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Would catch words found in one text only, in the wrong row, or remembered of another text or for other words.
        #[test]
        fn words_are_found_in_any_column(
            rows in prop::collection::vec(prop::array::uniform3(prop::option::of("[a-d]{1,2}( [a-d]{1,14}){0,3}")), 1..80),
            asked in prop::collection::vec("[a-d]{1,2}", 1..4),
        ) {
            let asked = asked.join(" ");
            let column = |of: usize| -> ArrayRef {
                Arc::new(rows.iter().map(|row| row[of].as_deref()).collect::<StringViewArray>())
            };
            let arrays = [column(0), column(1), column(2)];
            let field: FieldRef = Arc::new(Field::new("description", DataType::Utf8View, true));
            let mut texts: Vec<Texts<'_>> = arrays.iter().map(|array| Texts::new(array, &field)).collect();
            let wanted = Wanted::new(&asked).unwrap();
            for (number, row) in rows.iter().enumerate() {
                let all: Vec<&str> = row.iter().flatten().flat_map(|text| text.split(' ')).collect();
                let expected = (!all.is_empty()).then(|| asked.split(' ').all(|word| all.contains(&word)));
                prop_assert_eq!(wanted.are_in(&mut texts, number), expected);
            }
        }
    }

    /// Would catch a bit that is shifted out of its number.
    #[test]
    fn many_words_are_each_looked_for() {
        let number = |upto: usize| (0..upto).map(|word| format!("w{word}")).collect::<Vec<_>>().join(" ");
        let array: ArrayRef =
            Arc::new(StringViewArray::from_iter_values([number(WORDS_MAX), number(WORDS_MAX - 1)]));
        let field: FieldRef = Arc::new(Field::new("description", DataType::Utf8View, true));
        let mut texts = [Texts::new(&array, &field)];
        let wanted = Wanted::new(&number(WORDS_MAX)).unwrap();
        assert_eq!(wanted.are_in(&mut texts, 0), Some(true));
        assert_eq!(wanted.are_in(&mut texts, 1), Some(false));
        assert!(Wanted::new(&number(WORDS_MAX + 1)).is_err());
    }
}
