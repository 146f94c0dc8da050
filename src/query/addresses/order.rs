//! The order of addresses.
//!
//! In: text of addresses. Out: text that sorts byte by byte as PostgreSQL sorts `inet`: IPv4 before IPv6, and each by its number, so that `10.0.0.9`
//! comes before `10.0.0.10`. What is no address has none where addresses are compared, and comes after all of them, as text, where they
//! are sorted.

use std::{borrow::Cow, fmt::Write, net::IpAddr, sync::Arc};

use arrow::{
    array::{AsArray, StringViewArray},
    compute::cast,
    datatypes::DataType,
};
use datafusion::{
    common::plan_err,
    error::Result,
    logical_expr::{
        ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
};

/// What is done with text that is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Other {
    IsNull,
    IsLast,
}

/// What addresses are compared by.
pub(super) fn compared_by(address: Expr) -> Expr {
    key(Other::IsNull).call(vec![address])
}

/// What addresses are sorted by.
pub(super) fn sorted_by(address: Expr) -> Expr {
    key(Other::IsLast).call(vec![address])
}

fn key(other: Other) -> ScalarUDF {
    ScalarUDF::from(AddressKey { signature: Signature::user_defined(Volatility::Immutable), other })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AddressKey {
    signature: Signature,
    other: Other,
}

impl AddressKey {
    fn of<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        let Ok(address) = text.parse::<IpAddr>() else {
            // After `6`, the first letter of all keys of IPv6.
            return (self.other == Other::IsLast).then(|| format!("x{text}").into());
        };
        let mut key = String::with_capacity(33);
        let written = match address.to_canonical() {
            IpAddr::V4(address) => write!(key, "4{:08x}", u32::from(address)),
            IpAddr::V6(address) => write!(key, "6{:032x}", u128::from(address)),
        };
        written.ok().map(|()| key.into())
    }
}

impl ScalarUDFImpl for AddressKey {
    fn name(&self) -> &str {
        match self.other {
            Other::IsNull => "address_key",
            Other::IsLast => "address_sort_key",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [given] if given.is_string() || given.is_null() => Ok(vec![DataType::Utf8View]),
            _ => plan_err!("an address is compared with a text; write in_network(ip_address, '10.0.0.0/8')"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let texts = ColumnarValue::values_to_arrays(&args.args)?;
        let texts = cast(&texts[0], &DataType::Utf8View)?;
        let keys = texts.as_string_view().iter().map(|text| text.and_then(|text| self.of(text)));
        let keys: StringViewArray = keys.collect();
        // One value if all arguments were constants: the optimizer wants it so.
        match args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_))) {
            true => Ok(ColumnarValue::Scalar(datafusion::scalar::ScalarValue::try_from_array(&keys, 0)?)),
            false => Ok(ColumnarValue::Array(Arc::new(keys))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch an order of texts, in which 10.0.0.10 comes before 10.0.0.9, and families that are mixed.
    #[test]
    fn addresses_sort_by_their_numbers() {
        let signature = || Signature::user_defined(Volatility::Immutable);
        let last = AddressKey { signature: signature(), other: Other::IsLast };
        let sorted = [
            "9.255.0.1",
            "10.0.0.9",
            "10.0.0.10",
            "255.0.0.1",
            "::1",
            "2001:db8::9",
            "2001:db8::10",
            "",
            "a",
        ];
        for pair in sorted.windows(2) {
            assert!(last.of(pair[0]) < last.of(pair[1]), "{pair:?}");
        }
        assert_eq!(last.of("::FFFF:10.0.0.9"), last.of("10.0.0.9"));
        let compared = AddressKey { signature: signature(), other: Other::IsNull };
        assert_eq!((compared.of("a"), compared.of("10.0.0.9")), (None, last.of("10.0.0.9")));
    }
}
