//! The one text of an address.
//!
//! In: text, or lists of texts. Out: the canonical text of the address that it is: IPv4 with dots, also where it was written in IPv6
//! (`::ffff:203.0.113.7`), IPv6 as RFC 5952 says; other text as it is. Guaranteed: two texts of one address become the same text, and
//! two addresses never do.
//!
//! Events get this text when they are accepted. Versions before wrote what std prints, which differs from it for IPv4 within IPv6 only:
//! `::ffff:203.0.113.7` was another text than `203.0.113.7` ([`mapped`]).

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, ListArray, StringViewArray},
    compute::cast,
    datatypes::{DataType, Field},
};
use datafusion::{
    common::{exec_err, plan_err},
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
    scalar::ScalarValue,
};

/// The function's name in SQL.
pub(crate) const NAME: &str = "canonical_address";

/// The canonical text of the address that `text` is; what is no address stays as it is.
pub(crate) fn canonical(text: &str) -> Cow<'_, str> {
    // An IPv4 address has one spelling only.
    let Some(address) = text.contains(':').then(|| text.parse::<IpAddr>().ok()).flatten() else {
        return Cow::Borrowed(text);
    };
    let canonical = address.to_canonical().to_string();
    if canonical == text { Cow::Borrowed(text) } else { Cow::Owned(canonical) }
}

/// What versions before stored for an IPv4 address that was sent as IPv6; `None` for other text.
pub(crate) fn mapped(text: &str) -> Option<String> {
    match text.parse() {
        Ok(IpAddr::V4(address)) => Some(address.to_ipv6_mapped().to_string()),
        _ => None,
    }
}

/// Views of stored addresses with the canonical text of each.
pub(crate) fn canonical_column(stored: &ArrayRef) -> ArrayRef {
    match stored.as_string_view().iter().flatten().any(may_be_mapped) {
        true => Texts::Stored.canonical(stored),
        false => Arc::clone(stored),
    }
}

/// Whether a stored text may be of an IPv4 address within IPv6.
fn may_be_mapped(stored: &str) -> bool {
    stored.starts_with("::ffff:")
}

/// The function, for registration.
pub(crate) fn function() -> Arc<ScalarUDF> {
    function_of(Texts::Any)
}

/// The function for what is stored, which is canonical as far as it is not an IPv4 address within IPv6: not for registration.
pub(super) fn of_stored() -> Arc<ScalarUDF> {
    function_of(Texts::Stored)
}

fn function_of(texts: Texts) -> Arc<ScalarUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(ScalarUDF::from(CanonicalAddress { signature, texts }))
}

/// What is known of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Texts {
    Any,
    Stored,
}

impl Texts {
    fn canonical(self, texts: &ArrayRef) -> ArrayRef {
        let of = |text| match self {
            Self::Stored if !may_be_mapped(text) => Cow::Borrowed(text),
            Self::Stored | Self::Any => canonical(text),
        };
        Arc::new(texts.as_string_view().iter().map(|text| text.map(of)).collect::<StringViewArray>())
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CanonicalAddress {
    signature: Signature,
    texts: Texts,
}

impl ScalarUDFImpl for CanonicalAddress {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match types {
            [list @ DataType::List(_)] => list.clone(),
            _ => DataType::Utf8View,
        })
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let texts = || DataType::List(Arc::new(Field::new("element", DataType::Utf8View, true)));
        match types {
            [given] if given.is_string() || given.is_null() => Ok(vec![DataType::Utf8View]),
            [DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)]
                if item.data_type().is_string() =>
            {
                Ok(vec![texts()])
            }
            _ => plan_err!("{NAME} takes a text, as in {NAME}(metadata->>'peer')"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [list] if matches!(list.data_type(), DataType::List(_)) => {
                let list = list.to_array(args.number_rows)?;
                let (field, offsets, texts, nulls) = list.as_list::<i32>().clone().into_parts();
                let texts = self.texts.canonical(&cast(&texts, &DataType::Utf8View)?);
                let list = ListArray::try_new(field, offsets, texts, nulls)?;
                Ok(ColumnarValue::Array(Arc::new(list)))
            }
            [ColumnarValue::Scalar(text)] => {
                let canonical = text.try_as_str().flatten().map(|text| canonical(text).into_owned());
                Ok(ColumnarValue::Scalar(ScalarValue::Utf8View(canonical)))
            }
            [ColumnarValue::Array(texts)] => {
                let texts = cast(texts, &DataType::Utf8View)?;
                Ok(ColumnarValue::Array(match self.texts {
                    Texts::Stored => canonical_column(&texts),
                    Texts::Any => self.texts.canonical(&texts),
                }))
            }
            _ => exec_err!("{NAME} takes one text"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Would catch a spelling that is not recognised, and text that is no address and changes.
    #[test]
    fn an_address_has_one_text() {
        for (text, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("::FFFF:CB00:7107", "203.0.113.7"),
            ("0:0:0:0:0:ffff:cb00:7107", "203.0.113.7"),
            ("2001:0DB8:0:0::1", "2001:db8::1"),
            ("203.0.113.007", "203.0.113.007"),
            ("a:b", "a:b"),
            ("", ""),
        ] {
            assert_eq!(canonical(text), expected);
        }
        assert_eq!(mapped("203.0.113.7").as_deref(), Some("::ffff:203.0.113.7"));
        assert_eq!((mapped("2001:db8::1"), mapped("x")), (None, None));
    }

    proptest! {
        /// Would catch an address that becomes another one, or whose stored text of before is not known.
        #[test]
        fn addresses_stay_what_they_are(bits: u128, within in 0_u8..3) {
            let address: std::net::Ipv6Addr = match within {
                0 => bits.into(),
                1 => std::net::Ipv4Addr::from(bits as u32).to_ipv6_mapped(),
                _ => u128::from(bits as u64).into(),
            };
            let stored = address.to_string();
            let text = canonical(&stored).into_owned();
            prop_assert_eq!(text.parse::<IpAddr>().unwrap(), IpAddr::from(address).to_canonical());
            prop_assert_eq!(canonical(&text).into_owned(), text.clone());
            if stored != text {
                prop_assert_eq!(mapped(&text), Some(stored));
            }
        }
    }
}
