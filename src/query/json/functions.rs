//! The functions that read JSON values as plain ones.
//!
//! In: JSON text and a path to a value in it; or a JSON value, as a union or as its text; or a text, as `->>` gives it. Out: a number, a
//! truth value, a text, or a key to sort by; null for what is none. Guaranteed: no value is an error; zero has no sign.
//!
//! The library's `json_get_json` finds the value. A call of it within a plan would be moved towards the table, which joins by such
//! values do not survive (DataFusion 55.2); within a function it stays where it is.

use std::{
    borrow::Cow,
    cmp::Ordering,
    sync::{Arc, LazyLock},
};

use arrow::{
    array::{
        ArrayRef, AsArray, BinaryViewArray, BooleanArray, Float64Array, Int8Array, Int64Array,
        StringViewArray,
    },
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

/// Reads a JSON value as a number.
pub(crate) const JSON_NUMBER: &str = "json_number";

/// From here on, and below its inverse of ten million, RFC 8785 writes an exponent.
const PLAIN_NUMBERS: std::ops::Range<f64> = 1e-6..1e21;
/// 2⁶³: from here on a number is no 64-bit integer.
const INTEGERS_END: f64 = 9_223_372_036_854_775_808.0;

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
            Self::Text | Self::Json => DataType::Utf8View,
            Self::SortKey => DataType::BinaryView,
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
            Self::SortKey => Arc::new(texts.map(|text| sort_key(text?)).collect::<BinaryViewArray>()),
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

/// A number as RFC 8785 writes it, if it does so without an exponent.
pub(crate) fn number_text(number: f64) -> Option<String> {
    let is_plain = number == 0.0 || PLAIN_NUMBERS.contains(&number.abs());
    is_plain.then(|| (number + 0.0).to_string())
}

fn number(json: &str) -> Option<f64> {
    json.starts_with(|first: char| first == '-' || first.is_ascii_digit()).then(|| finite(json))?
}

/// As PostgreSQL reads a text as a number: blanks around it do not matter.
fn number_of_text(text: &str) -> Option<f64> {
    finite(numeral(text)?)
}

/// What may be a number: std would also take words such as `inf`.
fn numeral(text: &str) -> Option<&str> {
    let text = text.trim_ascii();
    let is_numeral = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    text.bytes().all(is_numeral).then_some(text)
}

fn finite(text: &str) -> Option<f64> {
    // Zero has no sign: engines differ in whether -0 is 0.
    text.parse().ok().filter(|number: &f64| number.is_finite()).map(|number| number + 0.0)
}

fn integer_of_text(text: &str) -> Option<i64> {
    let text = numeral(text)?;
    text.parse().ok().or_else(|| {
        let rounded = finite(text)?.round();
        (-INTEGERS_END..INTEGERS_END).contains(&rounded).then_some(rounded as i64)
    })
}

fn boolean(json: &str) -> Option<bool> {
    match json {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn plain_text(json: &str) -> Option<Cow<'_, str>> {
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str::<String>(json).ok().map(Cow::Owned),
        b'n' => None,
        _ => Some(Cow::Borrowed(json)),
    }
}

/// Texts, numbers, truth values, lists, objects, in this order, as PostgreSQL sorts `jsonb`; lists and objects among themselves by their JSON text.
fn sort_key(json: &str) -> Option<Vec<u8>> {
    let key = |rank: u8, rest: &[u8]| Some([&[rank], rest].concat());
    match json.as_bytes().first()? {
        b'"' => key(1, serde_json::from_str::<String>(json).ok()?.as_bytes()),
        b't' => key(3, &[1]),
        b'f' => key(3, &[0]),
        b'[' => key(4, json.as_bytes()),
        b'{' => key(5, json.as_bytes()),
        _ => key(2, &sortable(number(json)?)),
    }
}

/// Bytes that sort as numbers do.
fn sortable(number: f64) -> [u8; 8] {
    let bits = number.to_bits();
    let is_negative = bits >> 63 == 1;
    (if is_negative { !bits } else { bits | 1 << 63 }).to_be_bytes()
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

/// What a text says beside `digits` of which `scale` stand after the point; `None` if it says no number.
fn compared(text: &str, (digits, scale): (i128, u8)) -> Option<Ordering> {
    let text = numeral(text)?;
    let scaled = |number: i128| number.checked_mul(10_i128.checked_pow(u32::from(scale))?);
    if let Some(order) = text.parse().ok().and_then(scaled).map(|number| number.cmp(&digits)) {
        return Some(order);
    }
    // A double is a whole number and a part that is less than one.
    let number = finite(text)?;
    let (whole, part) = (number.trunc(), number.fract());
    if whole.abs() >= i128::MAX as f64 {
        return Some(if whole > 0.0 { Ordering::Greater } else { Ordering::Less });
    }
    let (unit, whole) = (10_i128.pow(u32::from(scale)), whole as i128);
    let (other_whole, other_part) = (digits / unit, digits % unit);
    let by_part = || part.partial_cmp(&(other_part as f64 / unit as f64));
    match whole.cmp(&other_whole) {
        Ordering::Equal => by_part(),
        order => Some(order),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a form of a number that is not read, and something else that is.
    #[test]
    fn numbers_are_numbers_whatever_their_form() {
        for (json, read) in [
            ("100", Some(100.0)),
            ("20.25", Some(20.25)),
            ("1e+21", Some(1e21)),
            ("-5", Some(-5.0)),
            ("\"100\"", None),
            ("true", None),
            ("null", None),
            ("[1]", None),
            ("{\"a\":1}", None),
        ] {
            assert_eq!(number(json), read, "{json}");
        }
        for (text, read) in [
            ("100", Some(100.0)),
            (" 1e2 ", Some(100.0)),
            ("+.5", Some(0.5)),
            ("-0", Some(0.0)),
            ("many", None),
            ("inf", None),
            ("NaN", None),
            ("1e999", None),
            ("1 2", None),
            ("", None),
            ("0x10", None),
            ("1_000", None),
        ] {
            assert_eq!(number_of_text(text), read, "{text}");
        }
        assert!(number_of_text("-0").is_some_and(f64::is_sign_positive));
    }

    /// Would catch a rounding that is not PostgreSQL's, and one that loses digits.
    #[test]
    fn whole_numbers_are_rounded_once() {
        for (text, read) in [
            ("20.25", Some(20)),
            ("0.5", Some(1)),
            ("-1.5", Some(-2)),
            ("9007199254740993", Some(9_007_199_254_740_993)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("1e2", Some(100)),
            ("x", None),
        ] {
            assert_eq!(integer_of_text(text), read, "{text}");
        }
    }

    /// Would catch two numbers that a double cannot tell apart and that are taken for equal.
    #[test]
    fn large_numbers_are_not_rounded_to_compare() {
        for (text, number, order) in [
            ("9007199254740992", (9_007_199_254_740_993, 0), Some(Ordering::Less)),
            ("9007199254740993", (9_007_199_254_740_993, 0), Some(Ordering::Equal)),
            ("1e+21", (i128::from(i64::MAX), 0), Some(Ordering::Greater)),
            ("1e300", (0, 0), Some(Ordering::Greater)),
            ("20.25", (2025, 2), Some(Ordering::Equal)),
            ("-20.25", (-2025, 2), Some(Ordering::Equal)),
            ("-20.5", (-20, 0), Some(Ordering::Less)),
            ("0.5", (0, 0), Some(Ordering::Greater)),
            ("-0.5", (0, 0), Some(Ordering::Less)),
            ("many", (1, 0), None),
        ] {
            assert_eq!(compared(text, number), order, "{text}");
        }
    }

    /// Would catch kinds of values that are mixed up in an order, and numbers that are sorted as texts.
    #[test]
    fn values_sort_by_kind_and_then_by_value() {
        let sorted = [
            "\"\"",
            "\"10\"",
            "\"9\"",
            "\"é\"",
            "-1e300",
            "-2",
            "-1.5",
            "0",
            "0.5",
            "9",
            "20.25",
            "100",
            "1e+21",
            "false",
            "true",
            "[1]",
            "[2]",
            "{\"a\":1}",
        ];
        let keys: Vec<_> = sorted.iter().map(|json| sort_key(json).unwrap()).collect();
        assert!(keys.is_sorted_by(|one, other| one < other), "{keys:?}");
        assert_eq!(sort_key("null"), None);
    }

    /// Would catch a number that is looked for in the index by another text than it is stored by.
    #[test]
    fn numbers_are_written_as_they_are_stored() {
        for (number, text) in [
            (100.0, Some("100")),
            (-0.0, Some("0")),
            (20.25, Some("20.25")),
            (-0.000001, Some("-0.000001")),
            (123456789012345680000.0, Some("123456789012345680000")),
            (1e21, None),
            (1e-7, None),
        ] {
            assert_eq!(number_text(number).as_deref(), text, "{number}");
        }
    }
}
