//! `md5(x)`, `sha256(x)`, `sha224`, `sha384`, `sha512` and `digest(x, 'sha256')`: hashes of text, in hexadecimal.
//!
//! In: text (its UTF-8 bytes) or bytes. Out: text in lower-case hexadecimal, so that it can be compared with what is written in a
//! report. PostgreSQL answers `md5` so, the others as `bytea`, of which `encode(…, 'hex')` is this text.

use std::{fmt::Write, sync::Arc};

use arrow::{
    array::{AsArray, StringArray},
    datatypes::DataType,
};
use datafusion::{
    common::{exec_err, plan_err},
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF},
};
use md5::{Digest as _, Md5};
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::{
    frame::{Function, udf},
    text,
};

/// The functions, for registration.
pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let names = ["md5", "sha224", "sha256", "sha384", "sha512", "digest"];
    let function = |name| udf(Hash { name });
    names.into_iter().map(function).collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Hash {
    name: &'static str,
}

impl Function for Hash {
    fn name(&self) -> &'static str {
        self.name
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let bytes = |given: &DataType| {
            let fits = given.is_string() || given.is_null() || given.is_binary();
            fits.then_some(DataType::Binary)
        };
        let wanted = match (self.name, types) {
            ("digest", [value, _]) => bytes(value).map(|bytes| vec![bytes, DataType::Utf8]),
            (name, [value]) if name != "digest" => bytes(value).map(|bytes| vec![bytes]),
            _ => None,
        };
        match wanted {
            Some(types) => Ok(types),
            None if self.name == "digest" => {
                plan_err!("digest takes a text and a method, as in digest(id, 'sha256')")
            }
            None => plan_err!("{0} takes one text; write {0}(col::text)", self.name),
        }
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let method = match self.name {
            "digest" => text::constant(&args, 1, "the method of digest")?.unwrap_or_default().to_lowercase(),
            name => name.to_string(),
        };
        let hash: fn(&[u8]) -> String = match method.as_str() {
            "md5" => |bytes| hexadecimal(&Md5::digest(bytes)),
            "sha224" => |bytes| hexadecimal(&<Sha224 as Digest>::digest(bytes)),
            "sha256" => |bytes| hexadecimal(&<Sha256 as Digest>::digest(bytes)),
            "sha384" => |bytes| hexadecimal(&<Sha384 as Digest>::digest(bytes)),
            "sha512" => |bytes| hexadecimal(&<Sha512 as Digest>::digest(bytes)),
            _ => {
                return exec_err!(
                    "digest: '{method}' is no method; write md5, sha224, sha256, sha384 or sha512"
                );
            }
        };
        let values = text::column(&args, 0, &DataType::Binary)?;
        let hashes: StringArray = values.as_binary::<i32>().iter().map(|bytes| bytes.map(hash)).collect();
        Ok(text::answer(Arc::new(hashes)))
    }
}

/// Bytes in lower-case hexadecimal.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a text never fails.
        let _ = write!(out, "{byte:02x}");
    }
    out
}
