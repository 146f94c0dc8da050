//! `encode(bytes, 'hex')` and `decode(text, 'hex')`; `base64` as well. As PostgreSQL's, but `encode` takes text, too (its UTF-8
//! bytes), and `base64` breaks no lines.

use std::sync::Arc;

use arrow::{
    array::{AsArray, BinaryArray, StringArray},
    datatypes::DataType,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use datafusion::{
    common::{exec_datafusion_err, exec_err, plan_err},
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF},
};

use super::{
    frame::{Function, udf},
    hashes::hexadecimal,
    text,
};

/// Both functions, for registration.
pub(super) fn functions() -> [Arc<ScalarUDF>; 2] {
    ["encode", "decode"].map(|name| udf(Encoding { name }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Encoding {
    name: &'static str,
}

impl Function for Encoding {
    fn name(&self) -> &'static str {
        self.name
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.name == "encode" { DataType::Utf8 } else { DataType::Binary })
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let is_text = |given: &DataType| given.is_string() || given.is_null();
        match (self.name, types) {
            ("encode", [value, form]) if (is_text(value) || value.is_binary()) && is_text(form) => {
                Ok(vec![DataType::Binary, DataType::Utf8])
            }
            ("decode", [value, form]) if is_text(value) && is_text(form) => Ok(vec![DataType::Utf8; 2]),
            _ => plan_err!("{0} takes a value and 'hex' or 'base64', as in {0}(col, 'hex')", self.name),
        }
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let form = text::constant(&args, 1, &format!("the form of {}", self.name))?.unwrap_or_default();
        let form = form.to_lowercase();
        if !["hex", "base64"].contains(&form.as_str()) {
            return exec_err!("{}: '{form}' is no form; write 'hex' or 'base64'", self.name);
        }
        let is_hex = form == "hex";
        if self.name == "encode" {
            let values = text::column(&args, 0, &DataType::Binary)?;
            let encode =
                |bytes: &[u8]| if is_hex { hexadecimal(bytes) } else { BASE64_STANDARD.encode(bytes) };
            let texts: StringArray =
                values.as_binary::<i32>().iter().map(|bytes| bytes.map(encode)).collect();
            return Ok(text::answer(Arc::new(texts)));
        }
        let values = text::column(&args, 0, &DataType::Utf8)?;
        let decoded = values.as_string::<i32>().iter().map(|value| {
            let Some(value) = value else { return Ok(None) };
            let bytes =
                if is_hex { from_hexadecimal(value) } else { BASE64_STANDARD.decode(value.trim()).ok() };
            bytes.map(Some).ok_or_else(|| exec_datafusion_err!("decode: a value is not of the form '{form}'; write the form that it has, 'hex' or 'base64'"))
        });
        let decoded: Vec<Option<Vec<u8>>> = decoded.collect::<Result<_>>()?;
        Ok(text::answer(Arc::new(BinaryArray::from_iter(decoded))))
    }
}

fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        u8::try_from(high * 16 + low).ok()
    };
    pairs.map(byte).collect()
}
