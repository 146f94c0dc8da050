//! The functions that read JSON values as plain ones.
//!
//! In: JSON text and a path to a value in it; or a JSON value, as a union or as its text; or a text, as `->>` gives it. Out: a number, a
//! truth value, a text, or a key to sort by; null for what is none. Guaranteed: no value is an error; zero has no sign.
//!
//! The library's `json_get_json` finds the value. A call of it within a plan would be moved towards the table, which joins by such
//! values do not survive (DataFusion 55.2); within a function it stays where it is.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{ArrayRef, AsArray, BooleanArray, Float64Array, Int8Array, Int64Array, StringViewArray},
    compute::cast,
    datatypes::{DataType, Decimal128Type, Int64Type, UInt64Type},
};
use datafusion::{
    common::{exec_err, plan_err},
    error::Result,
    logical_expr::{
        ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
    scalar::ScalarValue,
};
use datafusion_functions_json::{
    JSON_UNION_DATA_TYPE,
    udfs::{json_get_json_udf, json_union_to_text_udf},
};

use super::numbers::{boolean, compared, integer_of_text, number, number_of_text, plain_text, sort_key};

/// Reads a JSON value as a number.
pub(crate) const JSON_NUMBER: &str = "json_number";

/// What a function makes of a JSON value, or of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reads {
    /// The number that a JSON value is.
    Number,
    /// The same as a whole number, rounded half away from zero, as PostgreSQL does.
    Integer,
    /// The truth value that a JSON value is.
    Boolean,
    /// The text of a JSON value, as `->>` gives it.
    Text,
    /// A key in whose order JSON values are sorted, and by which they are equal.
    SortKey,
    /// The JSON text of a JSON value; null for JSON's null.
    Json,
    /// The number that a text says.
    NumberOfText,
    /// The same as a whole number.
    IntegerOfText,
}

impl Reads {
    const ALL: [Self; 8] = [
        Self::Number,
        Self::Integer,
        Self::Boolean,
        Self::Text,
        Self::SortKey,
        Self::Json,
        Self::NumberOfText,
        Self::IntegerOfText,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Number => JSON_NUMBER,
            Self::Integer => "json_integer",
            Self::Boolean => "json_boolean",
            Self::Text => "json_plain_text",
            Self::SortKey => "json_sort_key",
            Self::Json => "json_value",
            Self::NumberOfText => "number_of_text",
            Self::IntegerOfText => "integer_of_text",
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Number | Self::NumberOfText => DataType::Float64,
            Self::Integer | Self::IntegerOfText => DataType::Int64,
            Self::Boolean => DataType::Boolean,
            Self::Text | Self::Json | Self::SortKey => DataType::Utf8View,
        }
    }

    /// Whether it reads JSON, of which a path may lead to the value.
    fn is_of_json(self) -> bool {
        !matches!(self, Self::NumberOfText | Self::IntegerOfText)
    }

    fn read(self, texts: &StringViewArray) -> ArrayRef {
        let texts = texts.iter();
        match self {
            Self::Number => Arc::new(texts.map(|text| number(text?)).collect::<Float64Array>()),
            Self::NumberOfText => Arc::new(texts.map(|text| number_of_text(text?)).collect::<Float64Array>()),
            Self::Integer | Self::IntegerOfText => {
                Arc::new(texts.map(|text| integer_of_text(text?)).collect::<Int64Array>())
            }
            Self::Boolean => Arc::new(texts.map(|text| boolean(text?)).collect::<BooleanArray>()),
            Self::Text => Arc::new(texts.map(|text| plain_text(text?)).collect::<StringViewArray>()),
            Self::Json => {
                Arc::new(texts.map(|text| text.filter(|text| *text != "null")).collect::<StringViewArray>())
            }
            Self::SortKey => Arc::new(texts.map(|text| sort_key(text?)).collect::<StringViewArray>()),
        }
    }

    /// A call of the function.
    pub(super) fn call(self, args: Vec<Expr>) -> Expr {
        let place = Self::ALL.iter().position(|each| *each == self).unwrap_or_default();
        FUNCTIONS[place].call(args)
    }
}

static FUNCTIONS: LazyLock<[Arc<ScalarUDF>; Reads::ALL.len()]> = LazyLock::new(|| {
    let signature = || Signature::user_defined(Volatility::Immutable);
    Reads::ALL.map(|reads| Arc::new(ScalarUDF::from(ReadValue { signature: signature(), reads })))
});
static COMPARISON: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    Arc::new(ScalarUDF::from(CompareNumbers { signature: Signature::user_defined(Volatility::Immutable) }))
});

/// All of them, for registration.
pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    FUNCTIONS.iter().cloned().chain([Arc::clone(&COMPARISON)]).collect()
}

/// Whether a function of this name reads JSON.
pub(super) fn is_of_json(name: &str) -> bool {
    Reads::ALL.iter().any(|reads| reads.is_of_json() && reads.name() == name)
}

/// −1, 0 or 1, as the number that a text says is less than, equal to or greater than a whole number or a decimal.
pub(super) fn compare_numbers() -> Arc<ScalarUDF> {
    Arc::clone(&COMPARISON)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ReadValue {
    signature: Signature,
    reads: Reads,
}

impl ScalarUDFImpl for ReadValue {
    fn name(&self) -> &str {
        self.reads.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.reads.data_type())
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [given] if is_plain(given) => Ok(vec![given.clone()]),
            [given] if *given == *JSON_UNION_DATA_TYPE && self.reads.is_of_json() => Ok(vec![given.clone()]),
            [given] if given.is_numeric() || *given == DataType::Boolean || given.is_null() => {
                Ok(vec![DataType::Utf8View])
            }
            // The library looks at paths itself.
            [_, _, ..] if self.reads.is_of_json() => {
                json_get_json_udf().inner().return_type(types)?;
                Ok(types.to_vec())
            }
            _ => plan_err!("{} takes a JSON value, as in {}(metadata, 'key')", self.name(), self.name()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let text = match args.args.as_slice() {
            [text] if is_plain(&text.data_type()) => text.clone(),
            [_] => json_union_to_text_udf().inner().invoke_with_args(args)?,
            _ => json_get_json_udf().inner().invoke_with_args(args)?,
        };
        let is_scalar = matches!(text, ColumnarValue::Scalar(_));
        let texts = text.to_array(if is_scalar { 1 } else { rows })?;
        let read = self.reads.read(cast(&texts, &DataType::Utf8View)?.as_string_view());
        Ok(match is_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&read, 0)?),
            false => ColumnarValue::Array(read),
        })
    }
}

/// Text of any kind: what the library gives is not made a view for the plan.
fn is_plain(data_type: &DataType) -> bool {
    data_type.is_string()
}

/// Compares what a text says with numbers that a double cannot hold.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CompareNumbers {
    signature: Signature,
}

impl ScalarUDFImpl for CompareNumbers {
    fn name(&self) -> &str {
        "compare_numbers"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int8)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let number = match types.get(1) {
            Some(given @ (DataType::Int64 | DataType::UInt64)) => given.clone(),
            Some(DataType::Decimal128(digits, scale)) if *scale >= 0 => DataType::Decimal128(*digits, *scale),
            Some(given) if given.is_integer() || given.is_null() => DataType::Int64,
            _ => return plan_err!("compare_numbers takes a text and a whole number or a decimal"),
        };
        Ok(vec![DataType::Utf8View, number])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [texts, numbers] = args.args.as_slice() else {
            return exec_err!("compare_numbers takes two values");
        };
        let texts = cast(&texts.to_array(args.number_rows)?, &DataType::Utf8View)?;
        let numbers = numbers.to_array(args.number_rows)?;
        let numbers: Vec<Option<(i128, u8)>> = match numbers.data_type() {
            DataType::Int64 => {
                let wide = |number: Option<i64>| Some((i128::from(number?), 0));
                numbers.as_primitive::<Int64Type>().iter().map(wide).collect()
            }
            DataType::UInt64 => {
                let wide = |number: Option<u64>| Some((i128::from(number?), 0));
                numbers.as_primitive::<UInt64Type>().iter().map(wide).collect()
            }
            DataType::Decimal128(_, scale) => {
                let wide = |number: Option<i128>| Some((number?, u8::try_from(*scale).ok()?));
                numbers.as_primitive::<Decimal128Type>().iter().map(wide).collect()
            }
            other => return exec_err!("compare_numbers was given {other}"),
        };
        let texts = texts.as_string_view().iter();
        let compared =
            texts.zip(numbers).map(|(text, number)| compared(text?, number?).map(|order| order as i8));
        Ok(ColumnarValue::Array(Arc::new(compared.collect::<Int8Array>())))
    }
}
