//! `in_network(ip_address, '203.0.113.0/24')`: whether an address is in a block.
//!
//! In: a text column of addresses, and a block in CIDR notation (RFC 4632, RFC 4291). Out: true where the address is in the
//! block; false where it is not, or is of the other family; null for a null or for what is no address. An IPv4 address
//! written in IPv6 (`::ffff:203.0.113.7`) is the IPv4 address, and a block of them (`::ffff:203.0.113.0/120`) is the IPv4 block.
//!
//! `canonical` says which text an address has, `order` which comes first, `gives` what is an address; `rule` and `beside` have them compared so, and `older`
//! gives the canonical text to addresses that were stored before events got it.

mod beside;
pub(crate) mod canonical;
mod gives;
pub(crate) mod older;
mod order;
mod rule;

use std::{fmt, net::IpAddr, sync::Arc};

use arrow::{
    array::{AsArray, BooleanArray},
    compute::cast,
    datatypes::DataType,
};
use datafusion::{
    common::{exec_err, plan_err},
    error::{DataFusionError, Result as PlanResult},
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};
use serde::{Deserialize, Serialize};

pub(crate) use self::rule::Addresses;
use crate::error::{Error, ErrorKind, Result};

/// Bits of an IPv6 address before those of an IPv4 address within it.
const BITS_BEFORE_MAPPED: u8 = 96;

/// An address, or the addresses that share their first bits with it.
///
/// ```
/// use auditlake::query::AddressBlock;
/// let block = AddressBlock::parse("203.0.113.0/24").unwrap();
/// assert!(block.holds("203.0.113.7".parse().unwrap()));
/// assert!(!block.holds("203.0.114.7".parse().unwrap()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressBlock {
    first: IpAddr,
    bits: u8,
}

impl AddressBlock {
    /// Reads `address` or `address/bits`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], naming the text; also if bits after the prefix are set, which is most often a slip.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            let shown: String = text.chars().take(80).collect();
            Error::new(
                ErrorKind::Invalid,
                format!("'{shown}' is not an IP address or a block of them: {why}"),
            )
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| wrong("the address cannot be read"))?;
        let width = width(first);
        let bits = match bits {
            None => width,
            Some(bits) => match bits.parse() {
                Ok(bits) if bits <= width => bits,
                _ => return Err(wrong(&format!("after '/' comes a number from 0 to {width}"))),
            },
        };
        let block = Self { first, bits };
        match shifted(first, bits, width) << block.free(width) == number(first)
            || bits == 0 && number(first) == 0
        {
            true => Ok(block.canonical()),
            false => Err(wrong("bits after the prefix are set")),
        }
    }

    /// The same as a block of IPv4 addresses, if it is one of them within IPv6.
    fn canonical(self) -> Self {
        let mapped = match self.first {
            IpAddr::V6(first) => first.to_ipv4_mapped(),
            IpAddr::V4(_) => None,
        };
        match mapped.zip(self.bits.checked_sub(BITS_BEFORE_MAPPED)) {
            Some((first, bits)) => Self { first: first.into(), bits },
            None => self,
        }
    }

    /// The address, if there is but one.
    pub fn single(&self) -> Option<IpAddr> {
        (self.bits == width(self.first)).then_some(self.first)
    }

    /// Whether `address` is in it.
    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let width = width(self.first);
        address.is_ipv4() == self.first.is_ipv4()
            && shifted(address, self.bits, width) == shifted(self.first, self.bits, width)
    }

    fn free(&self, width: u8) -> u32 {
        // A shift by the whole width is none; with no bits fixed there is nothing to compare either.
        u32::from(width - self.bits) % 128
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

/// The first `bits` of an address.
fn shifted(address: IpAddr, bits: u8, width: u8) -> u128 {
    number(address).checked_shr(u32::from(width - bits)).unwrap_or_default()
}

impl fmt::Display for AddressBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.single() {
            Some(address) => write!(f, "{address}"),
            None => write!(f, "{}/{}", self.first, self.bits),
        }
    }
}

impl TryFrom<String> for AddressBlock {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<AddressBlock> for String {
    fn from(block: AddressBlock) -> Self {
        block.to_string()
    }
}

/// The function, for registration.
pub(crate) fn function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(InNetwork { signature: Signature::user_defined(Volatility::Immutable) }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct InNetwork {
    signature: Signature,
}

impl ScalarUDFImpl for InNetwork {
    fn name(&self) -> &str {
        "in_network"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Boolean)
    }

    fn coerce_types(&self, types: &[DataType]) -> PlanResult<Vec<DataType>> {
        let is_text = |given: &DataType| given.is_string() || given.is_null();
        match types {
            [address, block] if is_text(address) && is_text(block) => Ok(vec![DataType::Utf8View; 2]),
            _ => plan_err!(
                "in_network takes an address and a block, as in in_network(ip_address, '10.0.0.0/8')"
            ),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let [address, ColumnarValue::Scalar(block)] = args.args.as_slice() else {
            return exec_err!(
                "in_network: the block has to be a constant; write it as text, or give it as a parameter"
            );
        };
        let Some(block) = block.try_as_str().flatten() else {
            return Ok(ColumnarValue::Array(Arc::new(BooleanArray::new_null(args.number_rows))));
        };
        let block = AddressBlock::parse(block)
            .map_err(|error| DataFusionError::Execution(format!("in_network: {error}")))?;
        let addresses = cast(&address.to_array(args.number_rows)?, &DataType::Utf8View)?;
        let holds = |text: &str| text.parse().ok().map(|address| block.holds(address));
        let answers: BooleanArray =
            addresses.as_string_view().iter().map(|text| text.and_then(holds)).collect();
        Ok(ColumnarValue::Array(Arc::new(answers)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Would catch a block that is too wide or too narrow by a bit, and families that are mixed up.
    #[test]
    fn blocks_hold_what_shares_their_bits() {
        let holds =
            |block: &str, address: &str| AddressBlock::parse(block).unwrap().holds(address.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.255.255.255") && !holds("10.0.0.0/8", "11.0.0.0"));
        assert!(holds("203.0.113.128/25", "203.0.113.128") && !holds("203.0.113.128/25", "203.0.113.127"));
        assert!(holds("0.0.0.0/0", "255.1.1.1") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("::/0", "2001:db8::1") && !holds("::/0", "10.0.0.1"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1") && !holds("2001:db8::/32", "2001:db9::"));
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
        for mapped in ["::ffff:203.0.113.0/120", "::FFFF:CB00:7100/120", "0:0:0:0:0:ffff:cb00:7100/120"] {
            assert!(holds(mapped, "203.0.113.7") && holds(mapped, "::ffff:cb00:7107"), "{mapped}");
            assert!(!holds(mapped, "203.0.114.7") && !holds(mapped, "2001:db8::1"), "{mapped}");
        }
        assert!(holds("::ffff:0:0/96", "10.1.2.3") && !holds("::ffff:0:0/96", "::1"));
        assert!(holds("::ffff:10.1.2.3", "10.1.2.3"));
        assert!(holds("10.1.2.3", "10.1.2.3") && !holds("10.1.2.3", "10.1.2.4"));
    }

    /// Would catch a slip that is taken for another block.
    #[test]
    fn slips_are_refused() {
        for text in ["10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "::1/0", "x", "", "2001:db8::/129"]
        {
            assert!(AddressBlock::parse(text).is_err(), "{text}");
        }
        for text in ["10.0.0.0/8", "2001:db8::/32", "::1", "0.0.0.0/0"] {
            assert_eq!(AddressBlock::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(AddressBlock::parse("10.1.2.3/32").unwrap().to_string(), "10.1.2.3");
        assert_eq!(AddressBlock::parse("::ffff:10.1.2.0/120").unwrap().to_string(), "10.1.2.0/24");
    }
}
