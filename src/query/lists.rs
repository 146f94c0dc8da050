//! Comparisons with any or all values of a list: `a = ANY (target_ids)`, `a < ALL ($limits)`.
//!
//! In: an operator, a value and a list, as the dialect gives them. Out: true, false, or NULL where a NULL leaves it open, as PostgreSQL has it.
//! `rule` says a comparison with a list that is known as `IN` or as one comparison for each value, so that it means, and prunes by, what
//! those do; [`CompareList`] carries out the others, row by row.

mod rule;

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, UInt32Array},
    compute::{kernels::cmp, take},
    datatypes::{DataType, Field},
};
use datafusion::{
    common::{exec_err, plan_err},
    error::Result,
    logical_expr::{
        ColumnarValue, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
        type_coercion::binary::comparison_coercion,
    },
};

pub(crate) use self::rule::Comparisons;

/// `a op ANY (list)` is a call of this: of the operator as text, the value and the list.
pub(crate) const COMPARE_ANY: &str = "compare_any";
/// The same of `ALL`.
pub(crate) const COMPARE_ALL: &str = "compare_all";

/// The functions, for registration.
pub(crate) fn functions() -> [Arc<ScalarUDF>; 2] {
    [Quantifier::Any, Quantifier::All].map(|quantifier| {
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(ScalarUDF::from(CompareList { signature, quantifier }))
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Quantifier {
    Any,
    All,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CompareList {
    signature: Signature,
    quantifier: Quantifier,
}

impl ScalarUDFImpl for CompareList {
    fn name(&self) -> &str {
        match self.quantifier {
            Quantifier::Any => COMPARE_ANY,
            Quantifier::All => COMPARE_ALL,
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [op, value, list] = types else {
            return plan_err!("ANY and ALL compare a value with a list, as in version = ANY (ARRAY[1, 2])");
        };
        let Some(item) = item_type(list) else {
            // A parameter has no type yet.
            return match list.is_null() {
                true => Ok(types.to_vec()),
                false => plan_err!(
                    "ANY and ALL take a list, as in ANY (ARRAY['a', 'b']); a parameter of it is an array"
                ),
            };
        };
        // What a JSON value is read as is decided later.
        if [item, value].iter().any(|given| given.is_null() || matches!(given, DataType::Union(..))) {
            return Ok(types.to_vec());
        }
        match comparison_coercion(value, item) {
            // A constant in quotes is read as a number later, and so is the text of a JSON value.
            _ if value.is_string() && item.is_numeric() => Ok(types.to_vec()),
            Some(common) if value.is_numeric() == item.is_numeric() => Ok(vec![
                op.clone(),
                common.clone(),
                DataType::List(Arc::new(Field::new("element", common, true))),
            ]),
            _ => plan_err!("a list of {item} is not compared with {value}; cast one of them"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [ColumnarValue::Scalar(op), value, list] = args.args.as_slice() else {
            return exec_err!("ANY and ALL take an operator, a value and a list");
        };
        let list = list.to_array(args.number_rows)?;
        let answers = match list.as_list_opt::<i32>() {
            Some(lists) if !lists.value_type().is_null() => {
                let op = op.try_as_str().flatten().and_then(operator);
                let Some(op) = op else { return exec_err!("ANY and ALL take an operator") };
                self.quantifier.compared(&value.to_array(args.number_rows)?, op, lists)?
            }
            Some(lists) => self.quantifier.of_nulls(lists),
            None => BooleanArray::new_null(args.number_rows),
        };
        Ok(ColumnarValue::Array(Arc::new(answers)))
    }
}

/// The operator that a text is.
fn operator(text: &str) -> Option<Operator> {
    Some(match text {
        "=" => Operator::Eq,
        "<>" | "!=" => Operator::NotEq,
        "<" => Operator::Lt,
        "<=" => Operator::LtEq,
        ">" => Operator::Gt,
        ">=" => Operator::GtEq,
        _ => return None,
    })
}

/// Of what type the values of a list are; `None`: it is no list.
fn item_type(list: &DataType) -> Option<&DataType> {
    match list {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            Some(item.data_type())
        }
        _ => None,
    }
}

impl Quantifier {
    fn compared(self, values: &ArrayRef, op: Operator, lists: &ListArray) -> Result<BooleanArray> {
        let offsets = lists.value_offsets();
        let (first, last) = (offsets[0] as usize, offsets[lists.len()] as usize);
        let items = lists.values().slice(first, last - first);
        let row_of_item = (0..lists.len()).flat_map(|row| vec![row as u32; lists.value_length(row) as usize]);
        let values = take(values, &row_of_item.collect::<UInt32Array>(), None)?;
        let equal = match op {
            Operator::Eq => cmp::eq(&values, &items)?,
            Operator::NotEq => cmp::neq(&values, &items)?,
            Operator::Lt => cmp::lt(&values, &items)?,
            Operator::LtEq => cmp::lt_eq(&values, &items)?,
            Operator::Gt => cmp::gt(&values, &items)?,
            Operator::GtEq => cmp::gt_eq(&values, &items)?,
            other => return exec_err!("ANY and ALL do not take {other}"),
        };
        let of_row = |row: usize| {
            let (from, to) = (offsets[row] as usize - first, offsets[row + 1] as usize - first);
            (!lists.is_null(row))
                .then(|| self.of((from..to).map(|item| equal.is_valid(item).then(|| equal.value(item)))))?
        };
        Ok((0..lists.len()).map(of_row).collect())
    }

    /// Whether any, or all, are true; `None` where that depends on a NULL.
    fn of(self, mut compared: impl Iterator<Item = Option<bool>>) -> Option<bool> {
        let decides = matches!(self, Self::Any);
        let mut has_null = false;
        let is_decided = compared.any(|one| {
            has_null |= one.is_none();
            one == Some(decides)
        });
        match (is_decided, has_null) {
            (true, _) => Some(decides),
            (false, true) => None,
            (false, false) => Some(!decides),
        }
    }

    /// Of lists that have NULL only.
    fn of_nulls(self, lists: &ListArray) -> BooleanArray {
        let of_row =
            |row| (!lists.is_null(row)).then(|| self.of((0..lists.value_length(row)).map(|_| None)))?;
        (0..lists.len()).map(of_row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a NULL that counts as false, and a list without values that is taken for one that decides.
    #[test]
    fn a_null_leaves_open_what_nothing_else_decides() {
        for (any, all, compared) in [
            (Some(false), Some(true), &[][..]),
            (Some(true), Some(true), &[Some(true)]),
            (Some(true), Some(false), &[Some(false), None, Some(true)]),
            (None, Some(false), &[Some(false), None]),
            (Some(true), None, &[None, Some(true)]),
            (None, None, &[None]),
        ] {
            assert_eq!(Quantifier::Any.of(compared.iter().copied()), any, "any of {compared:?}");
            assert_eq!(Quantifier::All.of(compared.iter().copied()), all, "all of {compared:?}");
        }
    }
}
